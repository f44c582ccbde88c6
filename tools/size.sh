#!/usr/bin/env bash
# What the presets take of a device, as a Markdown table: flash is .text and .rodata of tools/size.cpp at -Os (feed, tick,
# flush, rows into a float vector); "with libgcc" links the divisions and floating-point emulation in, but no C library.
# size.sh [TARGET...]; cortex-m4, mips, armhf and aarch64 by default. Targets whose compiler is not here are left out.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- cortex-m4 mips armhf aarch64
flags="-std=c++17 -Os -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-math-errno -fno-pie -ffunction-sections"
flags="$flags -fdata-sections -I."

compiler_of() { # TARGET: compiler and flags
  case $1 in
    cortex-m4) echo arm-none-eabi-g++ -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard ;;
    mips) echo mips-linux-gnu-g++ -mno-abicalls ;;
    armhf) echo arm-linux-gnueabihf-g++ ;;
    armel) echo arm-linux-gnueabi-g++ ;;
    i386) echo i686-linux-gnu-g++ -msse2 -mfpmath=sse ;;
    mips64) echo mips64-linux-gnuabi64-g++ ;;
    *) echo "$1-linux-gnu-g++" ;;
  esac
}
sections() { # TOOL FILE PATTERN: their bytes
  "$1" -A "$2" | awk -v pattern="$3" '$1 ~ pattern { sum += $2 } END { print sum + 0 }'
}
measure() { # TARGET PRESET COMPILER FLAG...
  local target=$1 preset=$2 size flash ram whole text
  shift 2
  size=$("$1" -print-prog-name=size)
  # shellcheck disable=SC2086  # the flags are words
  "$@" $flags "-DPRESET=$preset" -c tools/size.cpp -o "$work/size.o"
  # shellcheck disable=SC2086
  "$@" $flags "-DPRESET=$preset" -DWRITERS -c tools/size.cpp -o "$work/text.o"
  flash=$(sections "$size" "$work/size.o" '^\.(text|rodata)')
  text=$(sections "$size" "$work/text.o" '^\.(text|rodata)')
  ram=$(sections "$size" "$work/size.o" '^\.s?(bss|data)')
  "$@" -static -no-pie -nostdlib -Wl,--gc-sections,-e,main,--unresolved-symbols=ignore-all "$work/size.o" -lgcc -o "$work/size" \
    2> /dev/null
  whole=$(sections "$size" "$work/size" '^\.(text|rodata)')
  echo "| $target | $preset | $flash | $whole | $((text - flash)) | $ram |"
}

echo "| target | preset | flash | linked with libgcc | more with JSON and CSV | RAM |"
echo "| --- | --- | ---: | ---: | ---: | ---: |"
for target; do
  read -r -a compiler <<< "$(compiler_of "$target")"
  command -v "${compiler[0]}" > /dev/null || continue
  for preset in microcontroller gateway router; do
    measure "$target" $preset "${compiler[@]}"
  done
done
