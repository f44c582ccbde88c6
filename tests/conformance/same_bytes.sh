#!/usr/bin/env bash
# Promise 4: a target's records are those of the host, byte for byte. same_bytes.sh EMULATOR ARGUMENT... JJ
# HOST_JJ names a jj for the host; without it one is built.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
target_jj=("$@")
host_jj=${HOST_JJ:-$work/jj}

build_host_tools() {
  c++ -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" || return 1
  [ -n "${HOST_JJ:-}" ] || c++ -std=c++17 -O1 "-I$root" "$root/tools/jj.cpp" -o "$work/jj"
}
same_bytes() { # of made-up traffic, and of real captures when they are there
  "$work/make_capture" "$work/made.pcap" 20 || return 1
  local capture captures=("$work/made.pcap")
  [ ! -d "$root/../shared/captures" ] ||
    mapfile -t -O 1 captures < <(find "$root/../shared/captures" -size +200k -name '*.pcap*' | sort | head -n 12)
  for capture in "${captures[@]}"; do
    "$host_jj" extract --all -q "$capture" > "$work/host"
    "${target_jj[@]}" extract --all -q "$capture" > "$work/target"
    cmp "$work/host" "$work/target" || return 1
    cat "$work/host" >> "$work/records"
  done
  note="${#captures[@]} captures, $(wc -l < "$work/records") records, $(wc -c < "$work/records") bytes"
  [ "$(wc -l < "$work/records")" -gt 100 ]
}
check build_host_tools c++
check same_bytes cmp
exit $((failed > 0))
