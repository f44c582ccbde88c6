#!/usr/bin/env bash
# What each group says when it is selected alone is what it says among all: see alone.cpp. run.sh [--strict] [COMPILER]
# shellcheck source=tests/checks.sh disable=SC2034,SC2317  # `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
compiler=${1:-c++}

same() { # CAPTURE...
  note=$("$work/alone" "$@") || { echo "$note" && return 1; }
}
of_a_made_capture() {
  "$compiler" -std=c++17 -O1 "${warnings[@]}" "-I$root" "$here/alone.cpp" -o "$work/alone" &&
    "$compiler" -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" &&
    "$work/make_capture" "$work/made.pcap" && same "$work/made.pcap"
}
of_real_captures() {
  find "$root/../shared/captures" -name '*.pcap*' -size -100k | sort | awk 'NR % 3 == 0' > "$work/captures"
  mapfile -t captures < "$work/captures"
  same "${captures[@]}"
}

check of_a_made_capture "$compiler"
if [ -d "$root/../shared/captures" ]; then
  check of_real_captures "$compiler"
else
  echo "skipped: of_real_captures: ../shared is not here"
fi
[ "$failed" = 0 ]
