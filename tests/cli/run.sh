#!/usr/bin/env bash
# The command line as its users meet it: run.sh JJ MAKE_CAPTURE [TRAINING_ROWS]
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
jj=$1 training_rows=${3:-}
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
    fails_with 1 "from 1 to 64" "$jj" extract made.pcap --jobs 2.9 &&
    fails_with 1 "up to 65535" "$jj" extract made.pcap --set entropy_sample_bytes=10.5 &&
    fails_with 1 "up to 65535" "$jj" extract made.pcap --set entropy_sample_bytes=65536 &&
    fails_with 1 "wants true or false" "$jj" extract made.pcap --set include_splt=maybe &&
    fails_with 1 "wants a value" "$jj" extract made.pcap -o &&
    fails_with 1 "wants a capture file" "$jj" extract &&
    fails_with 1 "takes no file" "$jj" features made.pcap
}
options_of_other_commands() { # are refused, not ignored
  fails_with 1 "--jobs belongs to extract; live has --workers" "$jj" live lo --jobs 2 &&
    fails_with 1 "--workers belongs to live; extract has --jobs" "$jj" extract made.pcap --workers 2 &&
    fails_with 1 "--seconds belongs to live" "$jj" extract made.pcap --seconds=2 &&
    fails_with 1 "--unsorted belongs to extract; live never" "$jj" live lo --unsorted &&
    fails_with 1 "--layout belongs to footprint" "$jj" extract made.pcap --layout &&
    fails_with 1 "--groups belongs to extract, live" "$jj" features --groups tcp &&
    fails_with 1 "above 0" "$jj" live lo --seconds 0 && fails_with 1 "above 0" "$jj" live lo --seconds 0.0
}
spellings() { # --option=value, blanks around commas, and names of files that look like options
  extract --groups tcp,dns --format csv --set include_ports=0 made.pcap > plain &&
    extract --groups=' tcp , dns ' --format=csv --set=include_ports=0 --output=out made.pcap && cmp plain out &&
    fails_with 1 "--all takes no value" "$jj" extract made.pcap --all=yes &&
    fails_with 1 "unknown option '--group'" "$jj" extract made.pcap --group=tcp &&
    fails_with 1 "unknown group 'd ns'" "$jj" extract made.pcap --groups 'tcp,d ns' &&
    fails_with 1 "unknown group ''" "$jj" extract made.pcap --groups 'tcp, ' &&
    cp made.pcap ./--quiet && extract -- --quiet > out && cmp out <(extract made.pcap) &&
    fails_with 1 "wants a capture file.*| jj extract -\`" "$jj" extract < made.pcap
}
unreadable() {
  : > empty
  printf 'not a capture, but long enough to hold one' > foreign
  head -c 20 made.pcap > short
  gzip -c made.pcap > made.pcap.gz
  fails_with 1 "no such.pcap" "$jj" extract "no such.pcap" &&
    fails_with 1 "cannot .* \.:" "$jj" extract . &&
    fails_with 1 "cannot use empty: it is empty" "$jj" extract empty &&
    fails_with 1 "cannot use standard input: it is empty" "$jj" extract - < empty &&
    fails_with 1 "cannot use made.pcap.gz: gzip: use .zcat FILE | jj extract -." "$jj" extract made.pcap.gz &&
    zcat made.pcap.gz | extract - | cmp - <(extract made.pcap) &&
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
  local command
  for command in "extract -q made.pcap" footprint features --version --help "extract --help"; do
    # shellcheck disable=SC2086  # words
    "$jj" $command > /dev/full 2> err
    [ $? = 1 ] && grep -q "cannot write standard output: No space left" err || return 1
  done
  fails_with 1 "cannot write no/folder/out" "$jj" extract -q -o no/folder/out made.pcap
}
full_disk_before_the_end() { # of an input that never ends
  [ -c /dev/full ] || { echo "skipped: no /dev/full" && return; }
  endless() { cat made.pcap && while tail -c +25 made.pcap; do :; done; }
  local jobs
  for jobs in 1 3; do
    endless 2> /dev/null | timeout 60 "$jj" extract -q --unsorted --groups size,tls --jobs "$jobs" - made.pcap > /dev/full 2> err
    [ "${PIPESTATUS[1]}" = 1 ] && grep -q "cannot write standard output: No space left" err && [ "$(wc -l < err)" = 1 ] ||
      return 1
    endless 2> /dev/null | timeout 60 "$jj" extract -q --jobs "$jobs" made.pcap - > /dev/full 2> err
    [ "${PIPESTATUS[1]}" = 1 ] && grep -q "cannot write standard output: No space left" err || return 1
    (trap '' XFSZ && ulimit -f 100 && endless 2> /dev/null |
      timeout 60 "$jj" extract -q --set sort_memory_mb=0 --jobs "$jobs" - > out 2> err; [ "${PIPESTATUS[1]}" = 1 ]) &&
      grep -q "cannot write a temporary file" err || return 1
  done
}
output_is_input() { # is refused before the capture is emptied
  cp made.pcap both.pcap && ln -sf both.pcap link.pcap &&
    fails_with 1 "the output link.pcap is also an input" "$jj" extract -q made.pcap both.pcap -o link.pcap &&
    fails_with 1 "the output link.pcap is also an input" "$jj" extract -q - -o link.pcap < both.pcap &&
    cmp made.pcap both.pcap
}
standard_input() {
  extract made.pcap > file && extract - < made.pcap > input && cmp file input &&
    extract - < <(cat made.pcap) | cmp file - && extract -o named made.pcap && cmp file named
}
two_files() { extract made.pcap made.pcap > twice && cmp twice <(extract made.pcap && extract made.pcap); }
order() { # by start time, then creation; unsorted are the same records, but for what other flows say of them
  local groups=flow_meta,timing,size,tcp
  extract --groups "$groups" made.pcap > sorted && extract --groups "$groups" --unsorted made.pcap > unsorted &&
    ! cmp -s sorted unsorted &&
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
jobs() { # several engines write what one writes: every group, both formats, and a temporary file for each
  local n capture
  extract --all made.pcap > one && extract --format csv made.pcap made.pcap > twice.csv || return 1
  for n in 2 3; do
    extract --jobs "$n" --all made.pcap | cmp one - && extract --jobs "$n" --all --set sort_memory_mb=0 - < made.pcap | cmp one - &&
      extract --jobs "$n" --format csv made.pcap made.pcap | cmp twice.csv - || return 1
  done
  for capture in "$root"/../shared/captures/{fragments,dns,quic}/*/*.*cap*; do
    [ -f "$capture" ] || { note="without captures, ../shared is not here" && break; }
    extract --all "$capture" > one 2> err
    extract --jobs 3 --all "$capture" 2>> err | cmp one - || return 1
  done
}
jobs_unsorted() { # the same records in some order; what depends on the order is refused
  local groups=flow_meta,timing,size,tcp
  extract --groups "$groups" made.pcap | sort > sorted &&
    extract --groups "$groups" --unsorted --jobs 3 made.pcap | sort | cmp sorted - &&
    fails_with 1 "no group connection" "$jj" extract -q --unsorted --jobs 2 made.pcap &&
    fails_with 1 "from 1 to 64" "$jj" extract -q --jobs 0 made.pcap
}
jobs_summary() { # frames and flows of all engines
  summary_of() { "$jj" extract "$@" made.pcap 2>&1 > /dev/null | sed 's/, [0-9.]* s,.*//'; }
  summary_of | grep -q 'not_ip' && cmp <(summary_of) <(summary_of --jobs 3)
}
json_lines() {
  extract made.pcap > out && extract --all made.pcap > all && "$jj" features --format json > list.json && python '
import json
groups = ["flow_meta", "timing", "size", "tcp", "tls", "quic", "ssh", "dns", "fingerprint", "entropy", "padding", "connection"]
names = [(f["group"], f["name"]) for f in json.load(open("list.json"))["features"]]
for plain, full in zip(open("out"), open("all")):
    plain, full = json.loads(plain), json.loads(full)
    assert list(plain) == groups and list(full) == groups[:-1] + ["handshake", "ending"] + groups[-1:]
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
connection() { # over the whole capture, each capture by itself; as of the report without sorting
  extract made.pcap > out && extract --set sort_memory_mb=0 made.pcap made.pcap > twice &&
    cmp twice <(cat out out) && extract --unsorted made.pcap > unsorted &&
    extract --groups connection made.pcap > alone && extract --groups connection --format csv made.pcap > alone.csv &&
    extract --set connection_include_graph_metrics=false made.pcap > counts && python '
import collections, csv, json
read = lambda name: [json.loads(line) for line in open(name)]
flows = read("out")
total, pairs = collections.Counter(), collections.Counter()
targets = collections.defaultdict(set)
for flow in flows:
    m = flow["flow_meta"]
    total[m["src_ip"]] += 1
    pairs[m["src_ip"], m["dst_ip"], m["dst_port"]] += 1
    targets[m["src_ip"]].add(m["dst_ip"])
for flow in flows:
    m, c = flow["flow_meta"], flow["connection"]
    assert c["conn_src_total_flows"] == total[m["src_ip"]]
    assert c["conn_src_port_flows"] == pairs[m["src_ip"], m["dst_ip"], m["dst_port"]]
    assert c["conn_src_unique_dsts"] == c["conn_src_out_degree"] == len(targets[m["src_ip"]])
    assert c["conn_src_community"] >= 0 and c["conn_truncated"] is False
assert max(total.values()) > 1 and len(flows[0]["connection"]) == 21
assert [{"connection": flow["connection"]} for flow in flows] == read("alone")
rows = list(csv.DictReader(open("alone.csv", newline="")))
assert [{n: json.loads(v) for n, v in row.items()} for row in rows] == [flow["connection"] for flow in flows]
assert sorted(f["connection"]["conn_src_total_flows"] for f in read("unsorted")) != \
    sorted(f["connection"]["conn_src_total_flows"] for f in flows)
assert all(f["connection"]["conn_src_community"] == -1 for f in read("unsorted"))
left = [name for name in flows[0]["connection"] if name in read("counts")[0]["connection"]]
assert len(left) == 12 and not any("degree" in name or "community" in name for name in left), left' || return 1
  "$jj" extract --set graph_steps_millions=0.0001 made.pcap > given_up 2> err && grep -q "betweenness" err &&
    ! cmp -s given_up out && ! grep -q "betweenness" <("$jj" extract made.pcap 2>&1 > /dev/null)
}
as_pcapng() { # big or little: [CUT]: the packets of made.pcap, without the last CUT bytes of the file
  python '
import struct, sys
order, cut = ">" if sys.argv[1] == "big" else "<", int(sys.argv[2])
def block(kind, body):
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + total + body + total
data, at = open("made.pcap", "rb").read(), 24
out = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
       block(1, struct.pack(order + "HHIHHBxxx", 1, 0, 0, 9, 1, 9))]
while at < len(data):
    seconds, micros, captured, wire = struct.unpack_from("<IIII", data, at)
    high, low = divmod(seconds * 10**9 + micros * 1000, 2**32)
    out.append(block(6, struct.pack(order + "IIIII", 0, high, low, captured, wire) + data[at + 16:at + 16 + captured]))
    at += 16 + captured
blob = b"".join(out)
sys.stdout.buffer.write(blob[:len(blob) - cut])' "$1" "${2:-0}"
}
pcapng() { # gives the records of the same packets in pcap, from a file and from standard input
  local order
  extract made.pcap > expected
  for order in little big; do
    as_pcapng "$order" > made.pcapng && extract made.pcapng | cmp expected - &&
      extract - < made.pcapng | cmp expected - || return 1
    as_pcapng "$order" 1 > cut.pcapng
    fails_with 2 "damaged capture cut.pcapng" "$jj" extract -q cut.pcapng && [ -s out ] || return 1
  done
}
passed_over() { # a block with a wrong length inside costs its own packet, and the exit status says so
  as_pcapng little > made.pcapng && python '
data = bytearray(open("made.pcapng", "rb").read())
at = 28 + int.from_bytes(data[32:36], "little")  # the first packet block
data[at + 20:at + 24] = b"\xff" * 4
open("odd.pcapng", "wb").write(data)' &&
    fails_with 2 "damaged capture odd.pcapng: 1 packet blocks of impossible length" "$jj" extract -q odd.pcapng &&
    [ "$(wc -l < out)" -ge "$(($(extract made.pcap | wc -l) - 1))" ]
}
damaged_among_others() { # the files after it are read, and no file at all outranks a damaged one
  { cat made.pcap && printf 'cut'; } > cut.pcap
  fails_with 2 "damaged capture cut.pcap" "$jj" extract -q cut.pcap made.pcap &&
    cmp out <(extract made.pcap made.pcap) &&
    { "$jj" extract -q missing cut.pcap > out 2> err || [ $? = 1 ]; } && [ "$(wc -l < err)" = 2 ] &&
    { "$jj" extract -q cut.pcap missing > out 2> err || [ $? = 1 ]; } && [ "$(wc -l < err)" = 2 ]
}
one_csv_header() { # for all files together, none without a file, and every line has its number of fields
  extract --format csv made.pcap made.pcap > twice.csv && extract --format csv --unsorted made.pcap > once.csv &&
    extract made.pcap > out.jsonl && fails_with 1 missing "$jj" extract --format csv missing && [ ! -s out ] && python '
import csv
for name, lines in ("twice.csv", 2), ("once.csv", 1):
    rows = list(csv.reader(open(name, newline="")))
    assert [len(row) for row in rows] == [len(rows[0])] * len(rows)
    assert [at for at, row in enumerate(rows) if "total_packets" in row] == [0]
    records = sum(1 for line in open("out.jsonl"))
    assert len(rows) == 1 + lines * records, (len(rows), records)'
}
settings_change_nothing_else() {
  local setting
  for setting in include_flow_id=0 include_splt=0 include_sequences=1 include_ip_addresses=0 include_ports=0 \
    burst_threshold_ms=2 entropy_sample_bytes=10 anonymize_ips=1 anonymization_salt=pepper; do
    extract --set "$setting" made.pcap > "with.$setting" || return 1
  done
  extract made.pcap > plain && python '
import hashlib, json
def read(name):
    return [{n: v for group in json.loads(line).values() for n, v in group.items()} for line in open(name)]
def compare(setting):  # names removed, added, changed in some record
    pairs = list(zip(plain, read("with." + setting)))
    assert len(pairs) == len(plain)
    return tuple(set().union(*(of(a, b) for a, b in pairs)) for of in (
        lambda a, b: a.keys() - b.keys(), lambda a, b: b.keys() - a.keys(),
        lambda a, b: {n for n in a.keys() & b.keys() if a[n] != b[n]}))
plain, none = read("plain"), set()
splt = {name for name in plain[0] if name.startswith("splt")}
assert len(splt) == 4
assert compare("include_flow_id=0") == ({"flow_id"}, none, none)
assert compare("include_splt=0") == (splt, none, none)
assert compare("include_sequences=1") == (none, {"iat_sequence", "timestamp_sequence"}, none)
assert compare("include_ip_addresses=0") == ({"src_ip", "dst_ip"}, none, none)
assert compare("include_ports=0") == ({n for n in plain[0] if n == "src_port" or n.startswith("dst_port")}, none, none)
assert compare("anonymize_ips=1") == (none, none, {"src_ip", "dst_ip"})
assert compare("anonymization_salt=pepper") == (none, none, {"flow_id"})
removed, added, changed = compare("burst_threshold_ms=2")
assert not removed and not added and "burst_count" in changed, changed
assert all("burst" in name or "idle" in name for name in changed), changed
removed, added, changed = compare("entropy_sample_bytes=10")
assert not removed and not added and "payload_bytes_sampled" in changed, changed
assert all(name.startswith(("entropy", "byte_dist", "printable", "null", "high_byte", "payload_bytes_s")) for name in changed), changed
for flow, salted in zip(plain, read("with.anonymization_salt=pepper")):
    for row, salt in (flow, ""), (salted, "pepper"):
        ends = sorted([(row["src_ip"].encode(), row["src_port"]), (row["dst_ip"].encode(), row["dst_port"])])
        (a, a_port), (b, b_port) = ends
        text = b"%s%s:%d:%s:%d:%d" % (salt.encode(), a, a_port, b, b_port, row["protocol"])
        assert row["flow_id"] == hashlib.sha256(text).hexdigest()[:32], text'
}
settings() {
  keys() { extract "$@" made.pcap | head -n 1; }
  local member
  for member in idle_timeout_ns active_timeout_ns tcp_linger_ns fragment_timeout_ns burst_threshold_ns anonymize_addresses; do
    fails_with 1 "unknown setting '$member': its key is [a-z]" "$jj" extract made.pcap --set "$member=5" &&
      "$jj" --help | grep -q "$(sed "s/.*key is \([a-z_]*\).*/\1/" err) \[$member\]" || return 1
  done
  keys | grep -q '"flow_id"' && ! keys --set include_flow_id=false | grep -q '"flow_id"' &&
    ! keys --set include_splt=no | grep -q '"splt' && keys --set include_sequences=1 | grep -q '"iat_sequence"' &&
    ! keys --set include_ip_addresses=off | grep -q '_ip"' && ! keys --set include_ports=0 | grep -qE '"(src|dst)_port' &&
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
unknown_link_type() { # no error: a line says so for each capture of which nothing could be read, and the summary
  local message="odd.pcap: no frame could be read: link type 147 is not known"
  { head -c 20 made.pcap && printf '\223\0\0\0' && tail -c +25 made.pcap; } > odd.pcap
  "$jj" extract odd.pcap > out 2> err && [ ! -s out ] && grep -q '[1-9][0-9]* unknown_link' err && grep -q "$message" err &&
    fails_with 0 "$message" "$jj" extract -q made.pcap odd.pcap made.pcap && cmp out <(extract made.pcap made.pcap) &&
    fails_with 0 "$message" "$jj" extract -q --jobs 3 made.pcap odd.pcap && cmp out <(extract made.pcap) &&
    head -c 24 odd.pcap > none.pcap && extract none.pcap 2>&1 | cmp - /dev/null || return 1
  python '
import struct
block = lambda kind, body: struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
link = lambda number: block(1, struct.pack("<HHI", number, 0, 0))
packet = lambda interface: block(6, struct.pack("<IIIII", interface, 0, 0, 60, 60) + bytes(60))
start = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
open("both.pcapng", "wb").write(start + link(147) + link(1) + packet(0) + packet(1))' &&
    extract both.pcapng 2>&1 | cmp - /dev/null # some were read, and the summary says how many
}
sample() { # every round has each kind of handshake, complete, and the names change
  extract --all made.pcap > out && python '
import json
flows = [json.loads(line) for line in open("out")]
def of(group, name): return [flow[group][name] for flow in flows if flow[group][group + "_detected"]]
hosts = ["www.example.org", "mail.example.net"]
assert of("tls", "tls_sni") == of("quic", "quic_sni") == hosts
assert of("tls", "tls_alpn") == ["h2"] * 2 and of("quic", "quic_alpn") == ["h3"] * 2
assert all(of("tls", "ja3_hash") + of("tls", "ja3s_hash") + of("tls", "ja4") + of("quic", "quic_ja3_hash"))
assert all(of("ssh", "ssh_hassh") + of("ssh", "ssh_hassh_server")) and len(of("ssh", "ssh_hassh")) == 2
assert min(of("ssh", "ssh_encrypted_packets")) > 20'
}
no_memory() { # what an engine takes, and what limits it
  limited() { (ulimit -v 400000 && "$jj" "$@"); }
  if ! limited --version > log 2>&1; then
    note="skipped: the program does not start in so little memory, or there is no such limit" && return
  fi
  fails_with 1 "no memory for an engine: it takes [0-9]* MiB of address space; .ulimit -v" limited extract -q made.pcap &&
    fails_with 1 "no memory for 2 engines: each takes [0-9]* MiB" limited extract -q --jobs 2 made.pcap
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
as_trained() { # what a preset says is what jj says, where neither lacks room; a vector has the numbers, as floats
  [ -n "$training_rows" ] || { note="skipped, examples are not built" && return; }
  "$training_rows" made.pcap > rows.csv && extract --format csv made.pcap > jj.csv && python '
import csv, struct
def narrow(text):
    return struct.unpack("f", struct.pack("f", {"true": 1, "false": 0}.get(text.lower()) if text.isalpha() else float(text)))[0]
rows, wide = (list(csv.DictReader(open(name, newline=""))) for name in ("rows.csv", "jj.csv"))
names = [name for name in rows[0] if name in wide[0]]
assert len(names) > 150 and len(rows) > 30, (len(names), len(rows))
tables = [sorted([narrow(row[name]) for name in names] for row in table) for table in (rows, wide)]
for ours, theirs in zip(*tables):
    assert ours == theirs, [(n, a, b) for n, a, b in zip(names, ours, theirs) if a != b]
assert len(tables[0]) == len(tables[1])' && note="$(wc -l < rows.csv) lines" &&
    ! "$training_rows" made.pcap nowhere.pcap > rows.csv 2> err && grep -q 'nowhere.pcap' err && grep -q '^schema [0-9a-f]\{16\}:' err
}
footprint() { # the tables in README are what it prints
  "$jj" footprint > out && grep -q '^| flow_meta, timing, size, tcp ' out && grep -q '^| chunks ' out &&
    { [ "$(getconf LONG_BIT)" != 64 ] ||
      diff <(sed -n '/<!-- footprint -->/,/<!-- \/footprint -->/{/^|/p}' "$root/README.md") <(grep '^|' out); }
}
layout() { # README has the slot of the router as it is printed; padding is what alignment asks for, nothing forgotten
  "$jj" footprint --layout > out && python '
import re
tables = re.findall(r"^(\S.*): (\d+) bytes, and \d+ in other arrays\n\n\|.*\n\|.*\n((?:\|.*\n)+)", open("out").read(), re.M)
assert len(tables) == 12, len(tables)
for title, size, body in tables:
    end = 0
    for line in body.splitlines():
        offset, count, name, about = (field.strip() for field in line.strip("|").split("|"))
        assert about and int(count) < 8 if not name else about, (title, line)
        assert int(offset) <= end, (title, line)
        end = max(end, int(offset) + int(count))
    assert end == int(size), (title, end)' &&
    { [ "$(getconf LONG_BIT)" != 64 ] ||
      diff <(sed -n '/<!-- layout -->/,/<!-- \/layout -->/{/^|/p}' "$root/README.md") \
        <(sed -n '/^Slot of presets::router/,/^Entries/{/^|/p}' out); }
}
version() {
  "$jj" --version | grep -qE '^jj [0-9]+\.[0-9]+\.[0-9]+$' && "$jj" --help > out && grep -q '^usage: jj extract' out &&
    cmp out <("$jj" extract --help) && cmp out <("$jj" features -h) &&
    grep -q -- '--all adds .* the strings behind JA3, and the groups handshake and ending' out
}

for name in wrong_use options_of_other_commands spellings unreadable one_unreadable_among_others damaged damaged_among_others full_disk full_disk_before_the_end output_is_input standard_input \
  pcapng passed_over two_files order temporary_file jobs jobs_unsorted jobs_summary json_lines csv one_csv_header groups connection settings settings_change_nothing_else \
  unknown_link_type sample no_memory summary catalogue as_trained footprint layout version; do
  check $name python3
done
exit $((failed > 0))
