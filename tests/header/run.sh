#!/usr/bin/env bash
# Checks of joyfuljay.hpp as a file: that it compiles by itself and among others, leaks nothing, holds its own table of
# contents, and compiles fast; and that the files of the test program share no type by accident.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
header=$root/joyfuljay.hpp
flags=(-std=c++17 -fno-exceptions -fno-rtti "${warnings[@]}" "-I$root")
# macros that users are meant to see
public='JOYFULJAY_(HPP|VERSION_MAJOR|VERSION_MINOR|VERSION_PATCH|ASSERT|GROUP|FEATURE|STEP|NUMBERED_MEMBER)'

compile() { # COMPILER LINE...: a file of these lines
  printf '%s\n' "${@:2}" > "$work/file.cpp"
  "$1" "${flags[@]}" -c "$work/file.cpp" -o "$work/file.o"
}
include='#include "joyfuljay.hpp"'
standard_includes() { grep -E '^ *# *include <' "$header"; }

alone_gxx() { compile g++ "$include"; }
alone_clangxx() { compile clang++ "$include"; }
twice_gxx() { compile g++ "$include" "$include"; }
twice_clangxx() { compile clang++ "$include" "$include"; }
# The standard headers come first: they need not survive these macros.
hostile_macros() { compile g++ "$(standard_includes)" '#include "tests/header/hostile_macros.hpp"' "$include"; }

macros() { # LINE...: what is defined after these lines
  printf '%s\n' "$@" | g++ "${flags[@]}" -dM -E -x c++ - | sed 's/^#define //; s/[ (].*//' | sort -u
}
macro_leak() {
  local leaked
  macros "$(standard_includes)" > "$work/without" && macros "$include" > "$work/with" || return 1
  leaked=$(comm -13 "$work/without" "$work/with" | grep -vxE "$public")
  echo "defined and not undefined: $leaked"
  [ -z "$leaked" ]
}

contents() { # "7. Frames" in the table at the top and in the banners, numbered in order
  head -n 150 "$header" | sed -nE 's/^\/\/ +([0-9]+\. .*[^ ])  .*/\1/p' | sed 's/  .*//' > "$work/contents"
  sed -nE 's/^\/\/ ---- ([0-9]+\. .*[^ -]) -+$/\1/p' "$header" > "$work/banners"
  note="$(wc -l < "$work/banners") sections"
  [ -s "$work/banners" ] && diff "$work/contents" "$work/banners" &&
    diff <(sed 's/\..*//' "$work/banners") <(seq "$(wc -l < "$work/banners")")
}

banned_words() { # comments may say them
  ! sed 's|//.*||' "$header" | grep -nE -e '\bnew\b *[A-Za-z(]' -e '\b(malloc|calloc|realloc|free|printf) *\(' \
    -e '\b(throw|typeid|dynamic_cast)\b' \
    -e 'std::(vector|string|map|unordered_map|function|deque|list|shared_ptr|unique_ptr|mutex|thread)\b' \
    -e '# *include *<(iostream|sstream|string|vector|map|unordered_map|functional|memory|thread|mutex|locale|regex)>'
}

# What is not selected leaves no trace: the same object code comes out when its source is blanked in a copy of the header.
without() { # NAME...: the header with the definitions of these structs replaced by empty lines
  local names=$*
  awk -v names="${names// /|}" '
    $0 ~ "^struct (" names ") (: .*)?\\{$" { inside = 1; found++ }
    { print inside ? "" : $0 }
    /^};/ { inside = 0 }
    END { exit found != split(names, unused, "|") }' "$header"
}
same_code() { # GROUPS NAME...: an engine with these groups compiles to the same code without these structs
  local groups=$1 side
  shift
  mkdir -p "$work/whole" "$work/blanked" && cp "$header" "$work/whole" && without "$@" > "$work/blanked/joyfuljay.hpp" || return 1
  printf '%s\n' "$include" 'namespace jj = joyfuljay;' \
    "struct config : jj::default_config { using groups = jj::type_list<$groups>; };" \
    'jj::engine<config> engine; using row = jj::engine<config>::row;' \
    'void feed(const jj::frame& f, void (*use)(const row&, void*)) { engine.feed(f, jj::callback_sink<row>{use, nullptr}); }' \
    > "$work/select.cpp"
  for side in whole blanked; do
    (cd "$work/$side" && g++ -std=c++17 -O2 -I. -c ../select.cpp -o select.o) || return 1
  done
  note="$(wc -c < "$work/whole/select.o") bytes of object code"
  cmp "$work/whole/select.o" "$work/blanked/select.o"
}
unselected_costs_nothing() {
  same_code 'jj::flow_meta, jj::tcp' timing size gap_sequences splt_sequences flow_identifier first_packets gap_quantiles \
    length_quantiles bursts payload_spread fingerprint entropy padding burst_shares telling_sizes first_payloads \
    length_variety
}
unselected_tcp_costs_nothing() {
  same_code 'jj::flow_addresses, jj::timing, jj::size' tcp flow_totals flow_ports tcp_counts tcp_milestones
}
unselected_connection_costs_nothing() {
  same_code 'jj::flow_meta, jj::timing' connection_counts connection_graph connection_truncation
}
unselected_graph_costs_nothing() {
  same_code 'jj::flow_meta, jj::connection_counts' connection_graph connection_truncation
}

# Two types of one name in two files of one program are one type to the linker, whatever they hold.
test_names_differ() {
  local file
  for file in "$root"/tests/test_*.cpp; do
    awk '/^namespace \{$/ { hidden++ } /^}  \/\/ namespace$/ { hidden-- }
         !hidden && /^(struct|class) [a-z_0-9]+ / { print $2 }' "$file"
  done > "$work/names"
  note="$(wc -l < "$work/names") types"
  [ -s "$work/names" ] && sort "$work/names" | uniq -d > "$work/twice" && cat "$work/twice" && [ ! -s "$work/twice" ]
}

cost_of() { # SECONDS COMMAND...: processor time of a run, the least of three unless one is within SECONDS before that,
            # and megabytes of its largest process
  python3 -c '
import resource, subprocess, sys
used = lambda: resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = []
for run in range(3):
    before = used()
    subprocess.run(sys.argv[2:], check=True, stdout=sys.stderr)
    seconds.append(used().ru_utime + used().ru_stime - before.ru_utime - before.ru_stime)
    if seconds[-1] < float(sys.argv[1]):
        break
print(round(min(seconds), 2), used().ru_maxrss // 1024)' "$@"
}
compiles_within() { # SECONDS MEGABYTES COMMAND...
  local cost
  cost=$(cost_of "$1" "${@:3}") || return 1
  note="${cost/ / s of processor time, } MB; limits $1 s, $2 MB"
  echo "$note"
  awk "BEGIN { split(\"$cost\", is, \" \"); exit !(is[1] < $1 && is[2] < $2) }"
}
# Limits are about twice what was measured: machines differ, and other tests run beside this one.
cost_to_include() {
  echo "$include" > "$work/file.cpp" && compiles_within 0.5 120 g++ "${flags[@]}" -O0 -c "$work/file.cpp" -o "$work/file.o"
}
cost_of_four_groups() { compiles_within 8 400 g++ "${flags[@]}" -DFOUR_GROUPS -O2 -c "$here/whole_engine.cpp" -o "$work/file.o"; }
cost_of_all_twelve() { compiles_within 10 400 g++ "${flags[@]}" -DPRESET=router -O2 -c "$root/tools/size.cpp" -o "$work/file.o"; }
cost_of_everything() { compiles_within 20 600 g++ "${flags[@]}" -O2 -c "$here/whole_engine.cpp" -o "$work/file.o"; }

check alone_gxx g++
check alone_clangxx clang++
check twice_gxx g++
check twice_clangxx clang++
check hostile_macros g++
check macro_leak g++
check contents
check banned_words
check test_names_differ
check unselected_costs_nothing g++
check unselected_tcp_costs_nothing g++
check unselected_connection_costs_nothing g++
check unselected_graph_costs_nothing g++
check cost_to_include g++ python3
check cost_of_four_groups g++ python3
check cost_of_all_twelve g++ python3
check cost_of_everything g++ python3
exit $((failed > 0))
