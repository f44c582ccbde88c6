#!/usr/bin/env bash
# Compares handshake features with tshark's stored answers: run.sh JJ, or run.sh EMULATOR ARGUMENT... JJ.
# The answers are a data folder beside the repository. Without it: exit status 77, skipped.
shared=$(dirname "$0")/../../../shared
if [ ! -d "$shared/captures/expected_tshark" ]; then
  echo "skipped: $shared/captures/expected_tshark is not here"
  exit 77
fi
exec python3 "$(dirname "$0")/compare.py" "$shared" "$@"
