#!/usr/bin/env bash
# A C program with an engine: compiled and linked by a C compiler, without the C++ library, and run.
# run.sh [--strict] [CC CXX [EMULATOR...]]
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
[ $# -gt 1 ] || set -- cc c++
cc=$1 cxx=$2
emulator=("${@:3}")
example=$root/examples/c_api

c_program() {
  cd "$work" &&
    "$cxx" -std=c++17 -Os -fno-exceptions -fno-rtti -fno-math-errno "${warnings[@]}" "-I$root" \
      -c "$example/jj_gateway.cpp" -o gateway.o &&
    "$cc" -std=c11 -O1 "${warnings[@]}" -c "$example/program.c" -o program.o &&
    "$cc" program.o gateway.o -nodefaultlibs -lm -lc -lgcc -o program &&
    "${emulator[@]}" ./program > answer || return 1
  note=$(cat answer)
  [ "$note" = "flushed: port 49152 to 53, 3 packets, answered after 5.020 s, mean length 57.0 bytes" ]
}
check c_program "$cc" "$cxx"
exit $((failed > 0))
