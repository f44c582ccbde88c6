#!/usr/bin/env bash
# Cuts and flips of every packet under the sanitizers, and the dearest packets: see damage.cpp and worst.cpp.
# run.sh [--strict] [SECONDS [CAPTURE...]]
# Captures not named are those beside the repository, or, where there are none, what the generator makes.
# shellcheck source=tests/checks.sh disable=SC2034,SC2054,SC2317  # a flag with commas; `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
seconds=${1:-60}
captures=("${@:2}")
flags=(-std=c++17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all "${warnings[@]}" "-I$root")

find_captures() {
  if [ ${#captures[@]} = 0 ] && [ -d "$root/../shared/captures" ]; then
    mapfile -t captures < <(find "$root/../shared/captures" -name expected_tshark -prune -o -type f -name '*.*cap*' -print | sort)
  fi
  [ ${#captures[@]} = 0 ] || return 0
  c++ -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" &&
    "$work/make_capture" "$work/made.pcap" 1 && captures=("$work/made.pcap")
}
damage() {
  find_captures && c++ "${flags[@]}" "$here/damage.cpp" -o "$work/damage" || return 1
  "$work/damage" --seconds "$seconds" "${captures[@]}" > "$work/out" 2> "$work/err" || { tail -n 20 "$work/err" && return 1; }
  note=$(cat "$work/out")
}
worst() { # minutes: a signal for each instruction
  if [ "$(uname -sm)" != "Linux x86_64" ]; then
    note="skipped: not Linux on x86-64"
    return
  fi
  c++ -std=c++17 -O2 "${warnings[@]}" "-I$root" "$here/worst.cpp" -o "$work/worst" && "$work/worst" || return 1
  note="no packet over its limit"
}
check damage c++
check worst c++
exit $((failed > 0))
