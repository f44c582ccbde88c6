#!/usr/bin/env bash
# Fuzzes each target for some seconds with libFuzzer and the address and undefined-behaviour sanitizers, as many at a
# time as there are processors, starting from captures and a few messages. run.sh [--strict] SECONDS [CAPTURE...]
# FUZZ_TARGETS="engine dns": these alone. FUZZ_SANITIZER=memory: uninitialised memory instead.
# shellcheck source=tests/checks.sh disable=SC2034,SC2054,SC2317  # called and read by name; a flag with commas
. "$(dirname "$0")/../checks.sh"
seconds=${1:-60}
captures=("${@:2}")
sanitizer=${FUZZ_SANITIZER:-address,undefined}
read -r -a every_target <<< "engine frames capture tls ssh reassembly mixture quic dns writers"
read -r -a targets <<< "${FUZZ_TARGETS:-${every_target[*]}}"
flags=(-std=c++17 -O1 -g1 "-fsanitize=fuzzer,$sanitizer" -fno-sanitize-recover=all "${warnings[@]}" "-I$root")

hex() { # DIGITS...: these bytes
  # shellcheck disable=SC2059  # the format is the bytes
  printf "$(printf '%s' "$@" | sed 's/../\\x&/g')"
}
# A ClientHello in a CRYPTO frame [RFC 9001 A.2], behind a command of fuzz_quic; a query and its answer for fuzz_dns.
hello=060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000\
10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024\
001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408\
050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e\
51570806048000ffff
query=00010100000100000000000003777777076578616d706c6503636f6d0000010001
answer=00018180000100010000000003777777076578616d706c6503636f6d0000010001c00c000100010000003c00045db8d822

ssh_part() { # WHAT TEXT: a command of fuzz_ssh
  hex "$1" 00 "$(printf %02x ${#2})" && printf %s "$2"
}
ssh_seed() {
  hex 0128
  ssh_part 00 'OpenSSH_9.6 comment' && ssh_part 05 welcome && ssh_part 03 '1.99-dropbear'
  ssh_part 06 'curve25519,ssh-ed25519,aes128-ctr,hmac-sha2-256,none' && ssh_part 07 'ten lists that share these letters'
  ssh_part 08 'key exchange' && ssh_part 09 'and its answer' && ssh_part 0a '' && ssh_part 0b 'ab' && ssh_part 0e secret
}

seeds() { # of all targets: what the generators make, the captures given, and the messages above
  local target
  for target in "${every_target[@]}"; do mkdir "$work/$target" || return 1; done
  hex 000000f5 "$hello" 46000010 00000000000000000000000000000000 > "$work/quic/one"
  hex 0800007b "${hello:0:246}" 0001007a "${hello:246}" > "$work/quic/two"
  hex 0000 0021 "$query" 0031 "$answer" > "$work/dns/datagrams"
  hex 0103 0021 "$query" 0031 "$answer" > "$work/dns/stream"
  ssh_seed > "$work/ssh/one"
  c++ -std=c++17 -O1 "-I$root" "$root/tools/make_capture.cpp" -o "$work/make_capture" &&
    c++ -std=c++17 -O1 "-I$root" "$here/make_corpus.cpp" -o "$work/make_corpus" &&
    c++ -std=c++17 -O1 "-I$root" "$here/make_handshakes.cpp" -o "$work/make_handshakes" &&
    c++ -std=c++17 -O1 "-I$root" "$here/make_mixtures.cpp" -o "$work/make_mixtures" && "$work/make_mixtures" "$work/mixture" &&
    "$work/make_handshakes" "$work/tls" && cp "$work"/tls/* "$work/reassembly" &&
    "$work/make_capture" "$work/capture/made.pcap" 1 || return 1
  local number=0 capture
  for capture in "${captures[@]}"; do
    number=$((number + 1))
    cp "$capture" "$work/capture/$number" || return 1
  done
  "$work/make_corpus" "$work/engine" "$work"/capture/* && cp "$work"/engine/* "$work/frames"
  note="$(find "$work/engine" -type f | wc -l) captures"
}
build() { # TARGET
  if [ "$sanitizer" = memory ]; then build_for_memory "$1"; else clang++ "${flags[@]}" "$here/fuzz_$1.cpp" -o "$work/fuzz_$1"; fi \
    > "$work/log_$1" 2>&1
}
# All code that the target runs has to be instrumented. With assertions, std::string is compiled here and not taken from the
# library; and libFuzzer brings its own, uninstrumented copies of the containers, which the target's must not be mixed up with.
build_for_memory() { # TARGET
  local object=$work/fuzz_$1.o
  clang++ "${flags[@]}" -D_GLIBCXX_ASSERTIONS -c "$here/fuzz_$1.cpp" -o "$object.all" &&
    ld -r --force-group-allocation "$object.all" -o "$object" &&
    objcopy --keep-global-symbol=LLVMFuzzerTestOneInput "$object" &&
    clang++ "-fsanitize=fuzzer,$sanitizer" "$object" -o "$work/fuzz_$1"
}
search() { # TARGET: leaves log_TARGET and, when all is well, well_TARGET
  local dictionary=()
  [ ! -f "$here/$1.dict" ] || dictionary=("-dict=$here/$1.dict")
  build "$1" && (cd "$work" && "./fuzz_$1" "-max_total_time=$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=4096 \
    "${dictionary[@]}" "-artifact_prefix=$work/$1-" "$1" > "log_$1" 2>&1) && touch "$work/well_$1"
}
search_all() { # in parallel; what each found is reported below
  local target running=0
  for target in "${targets[@]}"; do
    if [ "$running" -ge "$(nproc)" ]; then wait -n && running=$((running - 1)); fi
    search "$target" &
    running=$((running + 1))
  done
  wait
}
fuzz() { # TARGET
  note=$(sed -n 's/^Done \(.*\)/\1/p' "$work/log_$1")
  [ -f "$work/well_$1" ] && return
  grep -aE 'ERROR|SUMMARY|runtime error|error:|must|BINGO|#[0-9]+ .*(joyfuljay|fuzz_)' "$work/log_$1" | head -n 8
  local input
  for input in "$work/$1"-*; do  # in lines that the report below leaves whole
    [ ! -f "$input" ] || { echo "$(basename "$input"), by gzip -9 | base64:" && gzip -9 < "$input" | base64 -w 250; }
  done
  return 1
}

check seeds c++
if command -v clang++ > /dev/null; then search_all 2> /dev/null; fi
for target in "${targets[@]}"; do
  eval "fuzz_$target() { fuzz $target; }"
  check "fuzz_$target" clang++
done
exit $((failed > 0))
