#!/usr/bin/env bash
# Counts instructions under callgrind, a packet and a row, and holds them against expected.txt: 3 % either way, so that
# what became faster is written down, too. run.sh [--strict] [--update]: --update writes expected.txt.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
update=
[ "${1:-}" != --update ] || update=yes
compiler="g++ $(g++ -dumpversion 2> /dev/null | sed 's/\..*//'), $(uname -m)"

count() { # lines of load, groups, instructions a packet, instructions a row
  local number=0 load groups packets rows
  g++ -std=c++17 -O2 "-I$root" "$here/count.cpp" -o "$work/count" &&
    valgrind -q --tool=callgrind "--callgrind-out-file=$work/dump" "$work/count" > "$work/counted" || return 1
  while read -r load groups packets rows; do
    number=$((number + 2))
    echo "$load $groups $(total $((number - 1)) "$packets") $(total "$number" "$rows")"
  done < "$work/counted"
}
total() { # DUMP DIVISOR
  awk -v "by=$2" '/^totals: / { printf "%.1f", $2 / by }' "$work/dump.$1"
}
instructions() {
  count > "$work/now" || return 1
  if [ -n "$update" ]; then
    { echo "# $compiler: load, groups, instructions a packet, instructions a row" && cat "$work/now"; } > "$here/expected.txt"
    note="expected.txt written"
  fi
  note="${note:-within 3 %}, $(wc -l < "$work/now") pairs of load and groups"
  grep -v '^#' "$here/expected.txt" | awk -v "now=$work/now" '
    function differs(was, is) { return is > was * 1.03 || is < was * 0.97 }
    BEGIN { while ((getline line < now) > 0) { split(line, f, " "); packet[f[1] " " f[2]] = f[3]; row[f[1] " " f[2]] = f[4]; lines++ } }
    {
      key = $1 " " $2; seen++
      if (differs($3, packet[key]) || differs($4, row[key])) {
        printf "%s: %s a packet, %s a row; expected %s and %s\n", key, packet[key], row[key], $3, $4
        wrong++
      }
    }
    END { if (seen != lines) print "expected.txt has other loads"; exit wrong > 0 || seen != lines }' && return
  echo "if that is meant: tests/instructions/run.sh --update"
  return 1
}

was=$(sed -n 's/^# \(.*\): .*/\1/p' "$here/expected.txt" 2> /dev/null)
if [ -z "$update" ] && [ "$compiler" != "$was" ]; then
  echo "skipped: instructions: expected.txt is of $was, this is $compiler"
  [ -n "$strict" ] || exit 77
  exit 1
fi
if [ ! -e /usr/include/valgrind/callgrind.h ]; then
  echo "skipped: instructions: no valgrind/callgrind.h"
  [ -n "$strict" ] || exit 77
  exit 1
fi
check instructions g++ valgrind
exit $((failed > 0))
