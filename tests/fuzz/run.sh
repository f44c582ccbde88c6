#!/usr/bin/env bash
# Fuzzes each target for some seconds with libFuzzer and the address and undefined-behaviour sanitizers, starting from
# captures. run.sh [--strict] SECONDS [CAPTURE...]
# shellcheck source=tests/checks.sh disable=SC2034,SC2054,SC2317  # called and read by name; a flag with commas
. "$(dirname "$0")/../checks.sh"
seconds=${1:-60}
captures=("${@:2}")
flags=(-std=c++17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "${warnings[@]}" "-I$root")

seeds() { # of all targets: what the generators make, and the captures given
  c++ -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" &&
    c++ -std=c++17 -O1 "-I$root" "$here/make_corpus.cpp" -o "$work/make_corpus" &&
    c++ -std=c++17 -O1 "-I$root" "$here/make_handshakes.cpp" -o "$work/make_handshakes" &&
    mkdir "$work/engine" "$work/capture" "$work/tls" &&
    "$work/make_handshakes" "$work/tls" &&
    "$work/make_capture" "$work/capture/made.pcap" 1 || return 1
  local number=0 capture
  for capture in "${captures[@]}"; do
    number=$((number + 1))
    cp "$capture" "$work/capture/$number" || return 1
  done
  "$work/make_corpus" "$work/engine" "$work"/capture/*
  note="$(find "$work/engine" -type f | wc -l) captures"
}
fuzz() { # TARGET [LONGEST_INPUT]
  clang++ "${flags[@]}" "$here/fuzz_$1.cpp" -o "$work/fuzz_$1" &&
    (cd "$work" && "./fuzz_$1" "-max_total_time=$seconds" "-max_len=${2:-16384}" -rss_limit_mb=4096 "$1" > "$work/fuzz_log" 2>&1)
  local status=$?
  note=$(sed -n 's/^Done \(.*\)/\1/p' "$work/fuzz_log")
  [ "$status" = 0 ] || { tail -n 40 "$work/fuzz_log" && return 1; }
}
fuzz_engine() { fuzz engine; }
fuzz_capture() { fuzz capture; }
fuzz_tls() { fuzz tls 4096; }

check seeds c++
check fuzz_engine clang++
check fuzz_capture clang++
check fuzz_tls clang++
exit $((failed > 0))
