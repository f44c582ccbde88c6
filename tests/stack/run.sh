#!/usr/bin/env bash
# Sums stack frames along the deepest path of every public call, with all groups at -Os: at most 2 KiB, and no function
# that can reach itself. run.sh [--strict] [COMPILER [FLAG...]]; the compiler is a g++.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
[ $# -gt 0 ] || set -- g++
compiler=("$@")

deepest_paths() {
  cd "$work" &&
    "${compiler[@]}" -std=c++17 -Os -fno-exceptions -fno-rtti -fno-threadsafe-statics "-I$root" -fcallgraph-info=su \
      -c "$here/entries.cpp" -o entries.o &&
    python3 "$here/deepest.py" 2048 entries.ci > paths
  local status=$?
  cat paths
  note="$(sort -rn paths | head -n 1 | cut -c1-200)"
  return "$status"
}

"$1" -v 2>&1 | grep -q '^gcc version' || { echo "skipped: deepest_paths: $1 is no g++" && exit 77; }
check deepest_paths "$1" python3
exit $((failed > 0))
