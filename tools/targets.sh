#!/usr/bin/env bash
# Builds the tests for every target, runs them under QEMU and prints a table: tests passed, whether the records of all
# captures are the host's byte for byte, flash and RAM of presets::microcontroller. A target whose compiler is not here is
# skipped; tools/toolchains/README.md names the packages. targets.sh [TARGET...]; two hours on two cores for all.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- mips mipsel mips64 armhf armel aarch64 riscv64 powerpc s390x i386 sparc64 cortex-m4
export HOST_JJ=$PWD/build/release/jj
{ cmake --preset release && cmake --build --preset release --target jj; } > /dev/null || exit 1  # as the sources are now
logs=build/targets
mkdir -p "$logs"
failed=0

compiler_of() { sed -n 's/^set(triplet \(.*\))/\1-g++/p; s/^set(CMAKE_CXX_COMPILER \(.*\))/\1/p' "tools/toolchains/$1.cmake"; }

echo "| target | tests passed | same bytes | flash | with libgcc | RAM |"
echo "| --- | ---: | --- | ---: | ---: | ---: |"
for target; do
  log=$logs/$target.log
  if ! command -v "$(compiler_of "$target" | head -n 1)" > /dev/null; then
    echo "| $target | skipped: no compiler | | | | |"
    continue
  fi
  if cmake --preset "$target" > "$log" 2>&1 && cmake --build --preset "$target" >> "$log" 2>&1; then
    ctest --preset "$target" -j "${CTEST_PARALLEL_LEVEL:-$(nproc)}" >> "$log" 2>&1 || failed=$((failed + 1))
    passed=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)/\2 \1/p' "$log" | awk '{ print $1 - $2 " of " $1 }')
  else
    passed="does not build"
    failed=$((failed + 1))
  fi
  case $(grep -E 'same_bytes \.' "$log") in
    *Passed*) same=yes ;;
    "") same="not compared" ;;
    *) same=NO ;;
  esac
  size=$(tools/size.sh "$target" 2>> "$log" | awk -F' *[|] *' '$3 == "microcontroller" { print $4 " | " $5 " | " $7 }')
  echo "| $target | $passed | $same | ${size:- | | } |"
done
[ "$failed" = 0 ]
