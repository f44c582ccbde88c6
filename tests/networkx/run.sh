#!/usr/bin/env bash
# Compares the graph metrics with NetworkX's: run.sh GRAPH-VALUES, or run.sh EMULATOR ARGUMENT... GRAPH-VALUES.
# Debian: apt-get install python3-networkx. Without it: exit status 77, skipped.
if ! python3 -c 'import networkx' 2> /dev/null; then
  echo "skipped: no NetworkX for python3 (Debian: python3-networkx)"
  exit 77
fi
exec python3 "$(dirname "$0")/compare.py" "$@"
