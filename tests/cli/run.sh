#!/usr/bin/env bash
# The command line as its users meet it: run.sh JJ MAKE_CAPTURE
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
jj=$1
"$2" "$work/made.pcap" 2 || exit 1
cd "$work" || exit 1

python() { python3 -c "$@"; }
# Exit status, records on standard output, and one line on standard error that says what is wrong.
fails_with() { # STATUS TEXT COMMAND...
  local status
  "${@:3}" > out 2> err
  status=$?
  echo "exit status $status: $(cat err)"
  [ "$status" = "$1" ] && grep -q -- "$2" err && [ "$(wc -l < err)" = 1 ]
}
extract() { "$jj" extract -q "$@"; }

wrong_use() {
  "$jj" > out 2> err && return 1
  grep -q '^usage: jj extract' err && [ ! -s out ] &&
    fails_with 1 "unknown command 'extrat'" "$jj" extrat made.pcap &&
    fails_with 1 "unknown option '--frobnicate'" "$jj" extract made.pcap --frobnicate &&
    fails_with 1 "unknown group 'tpc'" "$jj" extract made.pcap --groups tpc &&
    fails_with 1 "unknown format 'xml'" "$jj" extract made.pcap --format xml &&
    fails_with 1 "unknown setting 'color'" "$jj" extract made.pcap --set color=red &&
    fails_with 1 "wants key=value" "$jj" extract made.pcap --set flow_timeout &&
    fails_with 1 "wants a number" "$jj" extract made.pcap --set flow_timeout=-1 &&
    fails_with 1 "wants a number" "$jj" extract made.pcap --set flow_timeout=1e99 &&
    fails_with 1 "wants true or false" "$jj" extract made.pcap --set include_splt=maybe &&
    fails_with 1 "wants a value" "$jj" extract made.pcap -o &&
    fails_with 1 "wants a capture file" "$jj" extract &&
    fails_with 1 "takes no file" "$jj" features made.pcap
}
unreadable() {
  : > empty
  printf 'not a capture, but long enough to hold one' > foreign
  head -c 20 made.pcap > short
  fails_with 1 "no such.pcap" "$jj" extract "no such.pcap" &&
    fails_with 1 "cannot .* \.:" "$jj" extract . &&
    fails_with 1 "empty" "$jj" extract empty &&
    fails_with 1 "neither a pcap nor a pcapng" "$jj" extract foreign &&
    fails_with 1 "truncated pcap header" "$jj" extract short
}
one_unreadable_among_others() {
  fails_with 1 "missing" "$jj" extract -q missing made.pcap && cmp out <(extract made.pcap)
}
damaged() { # everything before the damage is reported
  head -c 100000 made.pcap > cut.pcap
  fails_with 2 "damaged capture cut.pcap" "$jj" extract -q cut.pcap && [ "$(wc -l < out)" -gt 5 ] || return 1
  { cat made.pcap && printf '\1\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377'; } > absurd.pcap
  fails_with 2 "absurd" "$jj" extract -q absurd.pcap && cmp out <(extract made.pcap)
}
full_disk() {
  [ -c /dev/full ] || { echo "skipped: no /dev/full" && return; }
  fails_with 1 "cannot write /dev/full: No space left" "$jj" extract -q -o /dev/full made.pcap || return 1
  "$jj" extract -q made.pcap > /dev/full 2> err
  [ $? = 1 ] && grep -q "cannot write standard output: No space left" err || return 1
  fails_with 1 "cannot write no/folder/out" "$jj" extract -q -o no/folder/out made.pcap
}
standard_input() {
  extract made.pcap > file && extract - < made.pcap > input && cmp file input &&
    extract - < <(cat made.pcap) | cmp file - && extract -o named made.pcap && cmp file named
}
two_files() { extract made.pcap made.pcap > twice && cmp twice <(extract made.pcap && extract made.pcap); }
order() { # by start time, then creation; unsorted are the same records
  extract made.pcap > sorted && extract --unsorted made.pcap > unsorted && ! cmp -s sorted unsorted &&
    cmp <(sort sorted) <(sort unsorted) &&
    python '
import json, sys
starts = [json.loads(line)["flow_meta"]["start_time"] for line in open("sorted")]
assert starts == sorted(starts) and len(starts) > 20'
}
temporary_file() { # what does not fit into memory waits there, and comes back in order
  extract made.pcap > sorted && extract --set sort_memory_mb=0 made.pcap | cmp - sorted &&
    extract --set sort_memory_mb=0.01 made.pcap | cmp - sorted
}
json_lines() {
  extract made.pcap > out && extract --all made.pcap > all && "$jj" features --format json > list.json && python '
import json
groups = ["flow_meta", "timing", "size", "tcp"]
names = [(f["group"], f["name"]) for f in json.load(open("list.json"))["features"]]
for plain, full in zip(open("out"), open("all")):
    plain, full = json.loads(plain), json.loads(full)
    assert list(plain) == list(full) == groups
    assert [(g, n) for g in full for n in full[g]] == names
    assert "iat_sequence" in full["timing"] and "iat_sequence" not in plain["timing"]
    assert isinstance(plain["timing"]["splt"], list) and len(plain["flow_meta"]["flow_id"]) == 32'
}
csv() { # one header, as many fields in every line, the values of the JSON lines
  extract --format csv made.pcap > out.csv && extract made.pcap > out && python '
import csv, json
rows = list(csv.DictReader(open("out.csv", newline="")))
lines = [json.loads(line) for line in open("out")]
assert len(rows) == len(lines) > 20
for row, line in zip(rows, lines):
    values = {name: value for group in line.values() for name, value in group.items()}
    assert list(row) == list(values) and None not in row.values()
    for name, value in values.items():
        read = row[name] if isinstance(value, str) else json.loads(row[name])
        assert read == value, (name, read, value)'
}
groups() {
  extract --groups size,tcp made.pcap | head -n 1 > out && python '
import json
assert list(json.load(open("out"))) == ["size", "tcp"]'
}
settings() {
  keys() { extract "$@" made.pcap | head -n 1; }
  keys | grep -q '"flow_id"' && ! keys --set include_flow_id=false | grep -q '"flow_id"' &&
    ! keys --set include_splt=no | grep -q '"splt' && keys --set include_sequences=1 | grep -q '"iat_sequence"' &&
    ! keys --set include_ip_addresses=off | grep -q '_ip"' && ! keys --set include_ports=0 | grep -q '_port' &&
    keys --set anonymize_ips=true --set anonymization_salt=pepper > anonymous && python '
import hashlib, json
plain = json.loads('"'$(keys)'"')["flow_meta"]
hidden = json.load(open("anonymous"))["flow_meta"]
for name in "src_ip", "dst_ip":
    assert hidden[name] == hashlib.sha256(("pepper" + plain[name]).encode()).hexdigest()[:16]' &&
    [ "$(extract --set burst_threshold_ms=0.001 made.pcap | md5sum)" != "$(extract made.pcap | md5sum)" ] &&
    [ "$(extract --set flow_timeout=0.5 made.pcap | wc -l)" -gt "$(extract made.pcap | wc -l)" ] &&
    [ "$(extract --set active_timeout=2 made.pcap | wc -l)" -gt "$(extract made.pcap | wc -l)" ]
}
unknown_link_type() { # no error: the summary says so
  { head -c 20 made.pcap && printf '\223\0\0\0' && tail -c +25 made.pcap; } > odd.pcap
  "$jj" extract odd.pcap > out 2> err && [ ! -s out ] && grep -q '[1-9][0-9]* unknown_link' err
}
summary() {
  "$jj" extract made.pcap 2> err > out && grep -q "frames ([0-9]* counted, [0-9]* not_ip)" err &&
    grep -q "^jj: $(wc -l < out) flows" err && grep -q "packets/s" err && extract made.pcap 2>&1 > out | cmp - /dev/null
}
catalogue() { # the four formats list the same names
  "$jj" features > list.txt && "$jj" features --format csv > list.csv && "$jj" features --format json > list.json &&
    "$jj" features --format markdown > list.md && python '
import csv, json, re
names = [f["name"] for f in json.load(open("list.json"))["features"]]
assert len(names) >= 135
assert [row["name"] for row in csv.DictReader(open("list.csv", newline=""))] == names
assert re.findall(r"^  (\w+) \(", open("list.txt").read(), re.M) == names
assert [line.split(" | ")[1] for line in open("list.md").read().splitlines()[2:]] == names'
}
footprint() { "$jj" footprint > out && grep -q '^| flow_meta, timing, size, tcp ' out && grep -q '^| log chunks ' out; }
version() {
  "$jj" --version | grep -qE '^jj [0-9]+\.[0-9]+\.[0-9]+$' && "$jj" --help | grep -q '^usage: jj extract'
}

for name in wrong_use unreadable one_unreadable_among_others damaged full_disk standard_input two_files order temporary_file json_lines \
  csv groups settings unknown_link_type summary catalogue footprint version; do
  check $name python3
done
exit $((failed > 0))
