#!/usr/bin/env bash
# Cuts and flips of every packet under the sanitizers, for this machine and as far as compilers allow for one of 32 bits:
# see damage.cpp. A long run: soak.cpp. Four engines under the thread sanitizer: threads.cpp. The dearest packets: worst.cpp.
# run.sh [--strict] [SECONDS [CAPTURE...]]. SOAK=1000: millions of packets.
# Captures not named are those beside the repository, or, where there are none, what the generator makes.
# shellcheck source=tests/checks.sh disable=SC2034,SC2054,SC2317  # a flag with commas; `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
seconds=${1:-60}
captures=("${@:2}")
flags=(-std=c++17 -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all "${warnings[@]}" "-I$root")

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
# clang brings its sanitizers for i386, and needs the headers and libraries of a 32-bit C++ besides.
damage_32_bits() {
  local for_32_bits=("${flags[@]}" -m32 -msse2 -mfpmath=sse)
  if ! echo 'int main() {}' | clang++ -m32 "${flags[@]}" -include new -x c++ - -o "$work/empty" 2> /dev/null; then
    note="skipped: no 32-bit C++ library (Debian: g++-12-multilib)"
    echo "$note"
    [ -z "$strict" ]
    return
  fi
  find_captures && clang++ "${for_32_bits[@]}" "$here/damage.cpp" -o "$work/damage32" || return 1
  "$work/damage32" --seconds "$seconds" "${captures[@]}" > "$work/out" 2> "$work/err" || { tail -n 20 "$work/err" && return 1; }
  note=$(cat "$work/out")
}
soak() {
  c++ -std=c++17 -O2 "${warnings[@]}" "-I$root" "$here/soak.cpp" -o "$work/soak" || return 1
  local which
  for which in four all; do
    "$work/soak" "${SOAK:-20}" "$which" > "$work/out" || { cat "$work/out" && return 1; }
    note+="${note:+; }$which groups: $(tail -n 1 "$work/out")"
  done
}
threads() {
  c++ -std=c++17 -O1 -g1 -fsanitize=thread "${warnings[@]}" "-I$root" "$here/threads.cpp" -o "$work/threads" -pthread &&
    "$work/threads" > "$work/out" && note=$(cat "$work/out")
}
worst() {
  local counted=(valgrind -q --tool=callgrind --instr-atstart=no "--callgrind-out-file=$work/dump")
  if [ "$(uname -sm)" != "Linux x86_64" ] || [ ! -e /usr/include/valgrind/callgrind.h ]; then
    note="skipped: not Linux on x86-64, or no valgrind/callgrind.h"
    echo "$note"
    [ -z "$strict" ]
    return
  fi
  c++ -std=c++17 -O2 "${warnings[@]}" "-I$root" "$here/worst.cpp" -o "$work/worst" &&
    "${counted[@]}" "$work/worst" --callgrind "$work/dump" || return 1
  note="no packet over its limit"
}
check_beside damage c++
check damage_32_bits clang++
check_others
check_beside threads c++
check worst c++ valgrind
check_others
check soak c++  # alone: it times packets
exit $((failed > 0))
