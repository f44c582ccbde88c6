#!/usr/bin/env bash
# Promise 4: a target's records are those of the host, byte for byte. same_bytes.sh EMULATOR ARGUMENT... JJ
# HOST_JJ names a jj for the host; without it one is built.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
target_jj=("$@")
host_jj=${HOST_JJ:-}
[ -x "$host_jj" ] || host_jj=$work/jj

build_host_tools() {
  c++ -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" || return 1
  [ -x "$host_jj" ] || c++ -std=c++17 -O1 "-I$root" "$root/tools/jj.cpp" -o "$host_jj"
}
records() { # FILE JJ...: those of all captures in one run, and the exit status, which tells of damaged captures
  "${@:2}" extract --all -q "${captures[@]}" > "$1" 2> "$work/errors"
  echo "exit status $?" >> "$1"
}
same_bytes() { # of made-up traffic, and of real captures when they are there
  "$work/make_capture" "$work/made.pcap" 20 || return 1
  local captures=("$work/made.pcap") real=$root/../shared/captures
  if [ -d "$real" ]; then
    mapfile -t -O 1 captures < <(find "$real" -name '*.pcap*' ! -name '*.jsonl' -size -4M | sort)
    [ "${#captures[@]}" -gt 100 ] || return 1
  fi
  records "$work/host" "$host_jj" && records "$work/target" "${target_jj[@]}" || return 1
  note="${#captures[@]} captures, $(wc -l < "$work/host") records, $(wc -c < "$work/host") bytes"
  [ -d "$real" ] || note="$note; real captures skipped: ../shared is not here"
  [ "$(wc -l < "$work/host")" -gt 100 ] || { cat "$work/errors" && return 1; }
  cmp "$work/host" "$work/target"
}
check build_host_tools c++
check same_bytes cmp
exit $((failed > 0))
