#!/usr/bin/env bash
# Shows that a program with an engine needs no C++ library, allocates nothing and keeps the engine out of flash.
# run.sh [--strict] [COMPILER [FLAG...]]
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
[ $# -gt 0 ] || set -- g++
compiler=("$@" -std=c++17 -fno-exceptions -fno-rtti -ffunction-sections "-I$root")
engine=$root/tests/header/whole_engine.cpp
object=$work/engine.o

binutil() { "${compiler[0]}" "-print-prog-name=$1"; }
compile() { "${compiler[@]}" "$@" -c "$engine" -o "$object"; }
link() { "${compiler[@]}" "$object" -nodefaultlibs "$@" -o "$work/engine"; }

undefined_symbols() { # no operator new or delete, no C allocation, no C++ run-time library
  local all
  compile -Os && all=$("$(binutil nm)" -u "$object" | awk '{ print $NF }') || return 1
  note=$(echo "$all" | tr '\n' ' ')
  ! echo "$all" | grep -E '^(_Z|__cxa_|__gxx_|_Unwind|(m|c|re|aligned_)alloc$|free$)'
}
links_at_O0() { compile -O0 && link -lm -lc -lgcc; }
links_at_Os() { compile -Os && link -lm -lc -lgcc; }
links_at_O2() { compile -O2 && link -lm -lc -lgcc; }
# sqrt is the only function wanted of the mathematical library, and most machines have it as an instruction
links_without_libm() { compile -Os -fno-math-errno && link -lc -lgcc; }

# Code for a fixed place. On MIPS that takes a second flag: with the calls of the ABI for shared libraries, constants
# that hold addresses are relocated in RAM.
fixed_place=(-fno-pie)
case $("$1" -dumpmachine) in
  mips-*) fixed_place+=(-mno-abicalls) ;;
esac
memory() { # the engine is zeros: nothing to copy from flash at the start, nothing to run
  compile -Os "${fixed_place[@]}" && "$(binutil size)" -A "$object" | awk '
    $1 ~ /^\.s?bss/ { zeros += $2 }
    $1 ~ /^\.s?data/ && $1 !~ /^\.data\.rel\.ro/ { data += $2 }
    $1 ~ /^\.(init_array|ctors)/ { initialisers += $2 }
    $1 ~ /^\.text/ { code += $2 }
    END { printf "code %d, bss %d, data %d, initialisers %d bytes\n", code, zeros, data, initialisers
          exit !(zeros > 0 && data == 0 && initialisers == 0) }' > "$work/sizes"
  local status=$?
  note=$(cat "$work/sizes")
  echo "$note"
  return "$status"
}

check undefined_symbols "$1"
check links_at_O0 "$1"
check links_at_Os "$1"
check links_at_O2 "$1"
case $("$1" -dumpmachine) in
  x86_64* | aarch64* | s390x*) check links_without_libm "$1" ;;
esac
check memory "$1"
exit $((failed > 0))
