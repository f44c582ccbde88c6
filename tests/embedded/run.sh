#!/usr/bin/env bash
# Compiles the embedded examples with an embedded program's flags and runs them under stubs. run.sh [--strict] [COMPILER]
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
cxx=${1:-c++}
examples=$root/examples/embedded

run() { # EXAMPLE RUNNER FLAG...
  local example=$1 runner=$2
  shift 2
  "$cxx" -std=c++17 -Os -fno-exceptions -fno-rtti "${warnings[@]}" "-I$root" "$@" -c "$examples/$example.cpp" \
    -o "$work/example.o" &&
    "$cxx" -std=c++17 "${warnings[@]}" "-I$root" "$@" "$here/$runner.cpp" "$work/example.o" -o "$work/run" &&
    "$work/run" > "$work/answer" || return 1
  note=$(cat "$work/answer")
}
freertos() { run freertos_task run_freertos -isystem "$here/stubs"; }
esp32() { run esp32_promiscuous run_esp32 -isystem "$here/stubs"; }
lwip() { run lwip_hook run_lwip "$@" -isystem /usr/include/lwip; }
lwip_without_os() { # Debian's options but for that
  mkdir "$work/no_sys" && printf '#include </usr/include/lwip/lwipopts.h>\n#undef NO_SYS\n#define NO_SYS 1\n' > "$work/no_sys/lwipopts.h" &&
    lwip "-I$work/no_sys"
}
short() { wc -l "$examples"/*.cpp && [ "$(cat "$examples"/*.cpp | wc -l)" -lt 360 ]; }

check freertos "$cxx"
check esp32 "$cxx"
if [ -f /usr/include/lwip/lwip/netif.h ]; then
  check lwip "$cxx"
  check lwip_without_os "$cxx"
else
  echo "skipped: lwip: no liblwip-dev"
  [ -z "$strict" ] || failed=$((failed + 1))
fi
check short
exit $((failed > 0))
