#!/usr/bin/env bash
# Every compiler that is here takes the whole engine without a warning: by every standard that it knows, with exceptions
# and RTTI and without them. Two files that include the header, by two standards, make one program. run.sh [--strict]
# shellcheck source=tests/checks.sh disable=SC2034,SC2317  # `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
debian_12=(g++-11 g++-12 clang++-13 clang++-14 clang++-16 clang++-19)  # what the gate installs
others=(g++-9 g++-10 g++-13 g++-14 g++-15 clang++-11 clang++-12 clang++-15 clang++-17 clang++-18 clang++-20 clang++-21
  clang++-22)
mapfile -t targets < <(sed -nE 's/^set\(triplet (.*)\)/\1-g++/p; s/^set\(CMAKE_CXX_COMPILER ([^$]*)\)/\1/p' \
  "$root"/tools/toolchains/*.cmake)  # their builds optimise

compile() { # STANDARD FLAG...: by $compiler
  local cast_align=-Wcast-align=strict  # whatever the target; clang++ means that by the plain flag
  case $compiler in
    clang*) cast_align=-Wcast-align ;;
  esac
  "$compiler" "-std=$1" "${warnings[@]}" -Wundef "$cast_align" "-I$root" "${@:2}"
}
engine() { compile "$@" -c "$root/tests/header/whole_engine.cpp" -o "$work/engine.o"; }
firmware() { # g++ has warnings that come with optimisation only
  local optimised=-O1
  case $compiler in
    clang*) optimised=-O0 ;;
  esac
  engine "$1" "$optimised" -fno-exceptions -fno-rtti
}
knows() { "$compiler" "-std=$1" -x c++ -fsyntax-only /dev/null 2> /dev/null; }

cxx17() { firmware c++17 && engine c++17 -O0 && note="with exceptions and RTTI, without"; }
cxx20() { engine c++20 -O0; }
cxx23() { engine c++2b -O0 -fno-exceptions -fno-rtti; }
for_target() { engine c++17 -O0 -fno-exceptions -fno-rtti; }
two_files() {
  local files=$root/tests/consumers/two_files
  compile c++17 -c "$files/a.cpp" -o "$work/a.o" && compile c++20 "$files/b.cpp" "$work/a.o" -o "$work/two_files" && "$work/two_files"
}

benchmarks() {
  for file in "$root"/tools/bench*.cpp; do compile c++17 -fsyntax-only "$file" || return; done
}

absent=()
for compiler in "${debian_12[@]}" "${others[@]}" "${targets[@]}"; do
  if ! command -v "$compiler" > /dev/null && [[ " ${debian_12[*]} " != *" $compiler "* ]]; then
    absent+=("$compiler")
  elif [[ " ${targets[*]} " == *" $compiler "* ]]; then
    check_as "$compiler c++17" for_target "$compiler"
  else
    check_as "$compiler c++17" cxx17 "$compiler"
    ! knows c++20 || check_as "$compiler c++20" cxx20 "$compiler"
    ! knows c++2b || check_as "$compiler c++23" cxx23 "$compiler"
    ! knows c++20 || check_as "$compiler two files" two_files "$compiler"
  fi
done
compiler=clang++  # its preset builds without them
check_as "clang++ benchmarks" benchmarks clang++
[ ${#absent[@]} = 0 ] || echo "skipped: not here: ${absent[*]}"
exit $((failed > 0))
