#!/usr/bin/env bash
# Line and branch coverage of joyfuljay.hpp: all tests, every fuzz target on made-up inputs, and jj on captures, built
# with clang's source-based coverage, which counts the instances of a template together. run.sh [--strict] [CAPTURE...]
# COVERAGE_CORPUS: a folder with a folder of inputs for each fuzz target, run as well. What is known to be left is in gaps.md. Prints the figures and leaves the lines that nothing reached in COVERAGE_GAPS, when that names a file.
# shellcheck source=tests/checks.sh disable=SC2034,SC2317  # `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
captures=("$@")
least_lines=${LEAST_LINES:-98}
least_branches=${LEAST_BRANCHES:-94}
flags=(-std=c++17 -O0 -fprofile-instr-generate -fcoverage-mapping "-I$root")

compile() { nice clang++ "${flags[@]}" -c "$1" -o "$work/$(basename "$1" .cpp).o"; }
build() {
  export -f compile # for the shells of xargs
  printf '%s\0' "$root"/tests/main.cpp "$root"/tests/test_*.cpp "$root"/tests/fuzz/fuzz_*.cpp "$root"/tests/fuzz/replay.cpp \
    "$root"/tools/jj.cpp "$root"/tools/make_capture.cpp |
    xargs -0 -P "$(nproc)" -I{} bash -c 'flags=('"$(printf '%q ' "${flags[@]}")"'); work='"$work"'; compile {}' || return 1
  link=(clang++ -fprofile-instr-generate)
  "${link[@]}" "$work"/main.o "$work"/test_*.o -o "$work/tests" && "${link[@]}" "$work/jj.o" -o "$work/jj" &&
    "${link[@]}" "$work/make_capture.o" -o "$work/make_capture" || return 1
  for target in "$work"/fuzz_*.o; do
    "${link[@]}" "$target" "$work/replay.o" -o "${target%.o}" || return 1
  done
}
run() {
  export LLVM_PROFILE_FILE="$work/%m-%p.profraw"
  "$work/tests" > "$work/tests.log" || { tail -n 20 "$work/tests.log" && return 1; }
  "$work/make_capture" "$work/made.pcap" 1
  for target in "$work"/fuzz_*; do
    [ ! -x "$target" ] || "$target" --rounds 300 ${COVERAGE_CORPUS:+$(find "$COVERAGE_CORPUS/${target##*_}" -type f)} > /dev/null || return 1
  done
  local capture # some captures are damaged on purpose: jj says so, and goes on
  for capture in "$work/made.pcap" "${captures[@]}"; do
    "$work/jj" extract "$capture" --all --quiet --format jsonl -o /dev/null 2> /dev/null
    "$work/jj" extract "$capture" --quiet --format csv -o /dev/null 2> /dev/null
  done
  return 0
}
coverage() {
  build && run && llvm-profdata merge -sparse "$work"/*.profraw -o "$work/all.profdata" || return 1
  local objects=("$work/tests") target
  for target in "$work/jj" "$work"/fuzz_*; do
    [ ! -x "$target" ] || objects+=(-object "$target")
  done
  llvm-cov export -summary-only -instr-profile="$work/all.profdata" "${objects[@]}" "$root/joyfuljay.hpp" > "$work/summary" || return 1
  [ -z "${COVERAGE_GAPS:-}" ] ||
    llvm-cov show -instr-profile="$work/all.profdata" "${objects[@]}" "$root/joyfuljay.hpp" -show-instantiations=0 |
    grep -E '^ +[0-9]+\| +0\|' > "$COVERAGE_GAPS"
  note=$(python3 - "$work/summary" "$least_lines" "$least_branches" << 'EOF'
import json, sys
totals = json.load(open(sys.argv[1]))["data"][0]["totals"]
lines, branches = totals["lines"]["percent"], totals["branches"]["percent"]
print(f"{lines:.2f} % of {totals['lines']['count']} lines, {branches:.2f} % of {totals['branches']['count']} branches")
sys.exit(lines < float(sys.argv[2]) or branches < float(sys.argv[3]))
EOF
  )
  local status=$?
  echo "$note"
  return "$status"
}
check coverage clang++ llvm-profdata llvm-cov python3
exit $((failed > 0))
