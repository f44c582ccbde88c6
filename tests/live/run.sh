#!/usr/bin/env bash
# Real traffic between two network namespaces, read by everything that reads interfaces:
# run.sh JJ ROUTER_TAP FIREWALL_NFQUEUE EXPORTER. Needs root, iproute2, openssl and python3;
# tcpdump, OpenSSH, iperf3 and iptables for some.
# shellcheck source=tests/checks.sh disable=SC2317,SC2154  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
jj=$(realpath "$1") router_tap=$(realpath "$2") firewall=$(realpath "$3") exporter=$(realpath "$4")
client=jjc$$ server=jjs$$
address=192.0.2.2
traffic=$here/traffic.py

skip_all() {
  echo "skipped: live: $1"
  [ -z "$strict" ] || exit 1
  exit 77
}
[ "$(id -u)" = 0 ] || skip_all "not root"
for tool in ip openssl python3; do
  command -v "$tool" > /dev/null || skip_all "no $tool"
done
clean_up() {
  local job
  for job in $(jobs -p); do kill "$job" 2> /dev/null; done
  wait 2> /dev/null
  ip netns del "$client" 2> /dev/null
  ip netns del "$server" 2> /dev/null
  rm -rf "$work"
}
trap clean_up EXIT
in_client=(ip netns exec "$client") in_server=(ip netns exec "$server")  # no functions: $! is then the program itself
make_net() {
  ip netns add "$client" && ip netns add "$server" &&
    ip link add left netns "$client" type veth peer name right netns "$server" || return 1
  local side
  for side in "$client" "$server"; do  # without the greetings of IPv6, flows can be counted
    ip netns exec "$side" sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6' 2> /dev/null
  done
  ip -n "$client" addr add 192.0.2.1/24 dev left && ip -n "$server" addr add "$address/24" dev right &&
    ip -n "$client" link set left up && ip -n "$server" link set right up && ip -n "$server" link set lo up
}
make_net 2> "$work/log" || skip_all "network namespaces: $(head -n 1 "$work/log")"
cd "$work" || exit 1

wait_for() { # COMMAND...: until it succeeds, five seconds at most
  local tries=0
  while [ $((tries++)) -lt 50 ]; do
    "$@" && return
    sleep 0.1
  done
  echo "waited in vain: $*"
  return 1
}
sockets_are() { [ "$("${in_server[@]}" sh -c 'wc -l < /proc/net/packet')" -ge $(($1 + 1)) ]; }
listens() { "${in_server[@]}" sh -c 'cat /proc/net/tcp*' | grep -qE "$(printf ':%04X 0+:0000 0A' "$1")"; }
receives() { "${in_server[@]}" grep -qE "$(printf ':%04X 0+:0000 07' "$1")" /proc/net/udp; }
mkfifo held && exec 9<> held || exit 1  # an input without end: openssl goes when its input does
serve_tls() { # PORT
  "${in_server[@]}" openssl s_server -accept "$1" -key key.pem -cert certificate.pem -quiet <&9 > /dev/null 2>&1 &
  wait_for listens "$1"
}
say_tls() { # PORT NAME: hello, a word, goodbye
  (echo word && sleep 0.3) | "${in_client[@]}" timeout 5 openssl s_client -connect "$address:$1" -servername "$2" -quiet -no_ign_eof \
    > /dev/null 2>&1
}
ask_tls() { # PORT NAME: whether a certificate comes
  "${in_client[@]}" timeout 2 openssl s_client -connect "$address:$1" -servername "$2" < /dev/null 2>&1 | grep -q BEGIN
}

# ---- All at once on one interface: they see the same packets -------------------------------------------------------
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=test > log 2>&1
"${in_server[@]}" python3 "$traffic" serve "$address" &
wait_for listens 9000
serve_tls 443

collect() { # FILE: datagrams to port 9995, by $collector
  "${in_server[@]}" python3 "$traffic" collect 9995 "$1" & collector=$!
  wait_for receives 9995
}
record() {
  local readers=() count=5
  collect exported.jsonl
  "${in_server[@]}" "$jj" live right > live.jsonl 2> live.err & readers+=($!)
  "${in_server[@]}" "$jj" live right --workers 2 -o workers.jsonl 2> workers.err & readers+=($!)
  "${in_server[@]}" "$router_tap" right > tap.jsonl 2> tap.err & readers+=($!)
  if command -v tcpdump > /dev/null; then
    "${in_server[@]}" tcpdump -i right -B 65536 -s 0 -w captured.pcap --time-stamp-precision=nano --immediate-mode -U -Z root 2> tcpdump.err & readers+=($!)
    count=6
  fi
  "${in_server[@]}" "$exporter" -c 127.0.0.1 -p 9995 -u nobody -s 1 right 2> exporter.err & readers+=($!)
  wait_for sockets_are "$count" && sleep 0.5 || return 1
  say_tls 443 www.example.org
  "${in_client[@]}" python3 "$traffic" talk "$address" left || return 1
  pinged=
  ! command -v ping > /dev/null || { "${in_client[@]}" ping -q -c 3 -i 0.2 "$address" && pinged=yes; }
  sleep 0.5
  kill -TERM "${readers[@]}"
  local reader status=0
  for reader in "${readers[@]}"; do wait "$reader" || status=1; done
  sleep 0.3 && kill "$collector"
  cat ./*.err
  [ "$status" = 0 ]
}
"$jj" features --format json > features.json
# Names for all comparisons below; same(a, b) leaves out what depends on the reader's clock.
comparing='
import json
def flows(name):
    found = {}
    for line in open(name):
        row = {n: v for group in json.loads(line).values() for n, v in group.items()}
        found[row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"], row["protocol"]] = row
    assert len(found) == sum(1 for line in open(name)), name
    return found
timeless = {f["name"] for f in json.load(open("features.json"))["features"]
            if f["group"] in ("flow_meta", "size", "tcp", "tls", "quic", "ssh", "dns", "entropy") and not f["unit"].startswith("s")
            and "per_second" not in f["name"] and not f["name"].startswith(("time_", "splt"))}
def same(a, b):
    a, b = flows(a), flows(b)
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for key in a:
        names = timeless & a[key].keys() & b[key].keys()
        assert len(names) > 100, len(names)
        differ = {n: (a[key][n], b[key][n]) for n in names if a[key][n] != b[key][n]}
        assert not differ, (key, differ)
'
python() { python3 -c "$comparing$1"; }
expected() {
  PINGED=$pinged python '
import os
rows = flows("live.jsonl")
def to(port, protocol=6):
    return [row for row in rows.values() if row["dst_port"] == port and row["protocol"] == protocol]
tls, = to(443)
assert tls["tls_sni"] == "www.example.org" and len(tls["ja3_hash"]) == 32 and tls["tcp_syn_count"] == 1, tls
dns, = to(53, 17)
assert dns["dns_query_name"] == "host.example.net" and dns["dns_answer_count"] == 1, dns
assert (dns["packets_fwd"], dns["packets_bwd"], dns["bytes_fwd"]) == (1, 1, 14 + 28 + 34), dns
ssh, = to(22)
assert (ssh["ssh_client_software"], ssh["ssh_server_software"]) == ("ClientSoft_2.0", "ServerSoft_1.0"), ssh
bulk = to(9000)
assert len(bulk) == 8 and all(row["payload_bytes_fwd"] >= 400000 for row in bulk)  # more where TCP repeats itself
tagged, = to(4001, 17)
assert tagged["total_bytes"] == 4 + 14 + 28 + 20, tagged
assert all(row["src_ip"] in ("192.0.2.1", "198.51.100.9") and row["dst_ip"] == "192.0.2.2" for row in rows.values())
if os.environ["PINGED"]:
    ping = rows["192.0.2.1", 0, "192.0.2.2", 0, 1]
    assert (ping["packets_fwd"], ping["packets_bwd"]) == (3, 3), ping
assert len(rows) == 12 + bool(os.environ["PINGED"]), rows.keys()' || return 1
  [ -n "$pinged" ] || note="without ping"
}
workers_agree() { # the group connection shows how many flows one worker saw
  python 'same("live.jsonl", "workers.jsonl")' &&
    note=$(python '
rows = flows("workers.jsonl").values()
print(max(row["conn_src_total_flows"] for row in rows), "of", len(rows), "flows by one worker")')
}
exporter_agrees() {
  cat exporter.err
  python 'same("live.jsonl", "exported.jsonl")' && grep -qE ' 0 dropped .* 1[23] rows sent, 0 lost$' exporter.err &&
    [ "$(grep -c ' rows sent, ' exporter.err)" -ge 2 ] && note="$(wc -L < exported.jsonl) bytes in the longest datagram"
}
router_tap_agrees() { python 'same("live.jsonl", "tap.jsonl")'; }
capture_agrees() { # what jj extract says of the packets that tcpdump wrote: SNI and JA3 among all else
  if ! grep -q '^0 packets dropped by kernel' tcpdump.err; then
    note="skipped: tcpdump lost frames"
    return
  fi
  "$jj" extract -q captured.pcap -o extracted.jsonl && python 'same("live.jsonl", "extracted.jsonl")'
}
nothing_dropped() { grep -q '^jj: 0 frames dropped' live.err && grep -q ' 0 dropped by the kernel' tap.err; }

# ---- jj live by itself ---------------------------------------------------------------------------------------------
fails_with() { # STATUS TEXT COMMAND...: one line that says what is wrong
  local status
  "${@:3}" > out 2> err
  status=$?
  echo "exit status $status: $(cat err)"
  [ "$status" = "$1" ] && grep -q -- "$2" err && [ "$(wc -l < err)" = 1 ] && [ ! -s out ]
}
as_nobody() { python3 -c 'import os, sys; os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])' "$@"; }
wrong_use() {
  cp "$jj" jj && cp "$router_tap" router_tap && chmod 755 . jj router_tap &&
    fails_with 1 "no interface 'nosuch0'" "${in_server[@]}" "$jj" live nosuch0 &&
    fails_with 1 "no interface" "${in_server[@]}" "$jj" live a-name-that-no-interface-can-have &&
    ip -n "$client" link set left down && fails_with 1 "left is down" "${in_client[@]}" "$jj" live left &&
    ip -n "$client" link set left up &&
    fails_with 1 "no permission .*CAP_NET_RAW" as_nobody "$PWD/jj" live lo &&
    fails_with 1 "Operation not permitted" as_nobody "$PWD/router_tap" lo &&
    fails_with 1 "nosuch0: No such device" "${in_server[@]}" "$router_tap" nosuch0 &&
    fails_with 1 "wants one interface" "$jj" live &&
    fails_with 1 "wants a number from 1 to 64" "$jj" live lo --workers 0 &&
    fails_with 1 "unknown group 'tpc'" "$jj" live lo --groups tpc
}
options() { # columns, format and time as of extract
  "${in_server[@]}" "$jj" live right --seconds 1.5 --workers 2 --groups flow_meta,dns --format csv -q --set include_ports=0 > out.csv &
  local reader=$!
  wait_for sockets_are 2 && sleep 0.3
  "${in_client[@]}" python3 "$traffic" talk "$address" left
  wait "$reader" && python '
import csv
rows = list(csv.DictReader(open("out.csv", newline="")))
assert len(rows) == 11 and all(None not in row.values() for row in rows), len(rows)
assert "dns_query_name" in rows[0] and "iat_mean" not in rows[0] and "src_port" not in rows[0]'
}
while_it_runs() { # idle flows are written as they end, on a quiet link
  "${in_server[@]}" "$jj" live right --set flow_timeout=0.3 --groups dns -q > quiet.jsonl &
  local reader=$!
  wait_for sockets_are 1 && sleep 0.3
  "${in_client[@]}" python3 "$traffic" talk "$address" left
  wait_for grep -q host.example.net quiet.jsonl
  local status=$?
  kill -INT "$reader"
  wait "$reader" && [ "$status" = 0 ]
}
loopback() { # shows every frame twice, and is counted once
  "${in_server[@]}" "$jj" live lo --seconds 1.2 -q --groups flow_meta > lo.jsonl &
  local reader=$!
  wait_for sockets_are 1 && sleep 0.3
  "${in_server[@]}" ping -q -c 1 127.0.0.1
  wait "$reader" && python '
row, = flows("lo.jsonl").values()
assert row["total_packets"] == 2, row' < /dev/null
}
screen() { # rates, flows and their names; the terminal as before at the end
  (sleep 1 && (echo word && sleep 3) |
    "${in_client[@]}" openssl s_client -connect "$address:443" -servername long.example.org -quiet) > /dev/null 2>&1 &
  "${in_server[@]}" python3 "$traffic" terminal q "$jj" live right --workers 2 > screen.out || return 1
  python '
text = open("screen.out", newline="").read().replace("\r\r", "\r")
assert text.startswith("\x1b[?1049h\x1b[?25l") and text.count("\x1b[H") in (3, 4, 5)
shown, after = text.split("\x1b[?25h\x1b[?1049l")
last = shown.split("\x1b[H")[-1]
assert last.startswith("jj live right, 2 workers   00:00:0"), last
lines = [line.removesuffix("\x1b[K") for line in last.removesuffix("\x1b[J").split("\r\n")]
assert len(lines) < 24 and all(len(line) <= 100 for line in lines), lines
assert any("192.0.2.2:443" in line and line.endswith("long.example.org") for line in lines), lines
assert "jj: 0 frames dropped" in after, after'
}
make_near() { # a pair that may go
  ip link add near netns "$client" type veth peer name far netns "$server" && ip -n "$client" addr add 198.51.100.1/24 dev near &&
    ip -n "$client" link set near up && ip -n "$server" link set far up
}
send_near() { "${in_client[@]}" python3 "$traffic" tagged 192.0.2.2 near; }
interface_goes() { # what was seen is written, and the status says that something is wrong
  make_near || return 1
  "${in_server[@]}" "$jj" live far > gone.jsonl 2> gone.err &
  local jj_reader=$!
  "${in_server[@]}" "$router_tap" far > gone_tap.jsonl 2> gone_tap.err &
  local tap_reader=$!
  wait_for sockets_are 2 && sleep 0.3
  send_near && sleep 0.2 && ip -n "$client" link del near
  wait "$jj_reader"
  [ $? = 1 ] && wait "$tap_reader"
  [ $? = 1 ] && cat gone.err && grep -q 'far is gone or down' gone.err && grep -q 'far is gone or down' gone_tap.err &&
    [ "$(wc -l < gone.jsonl)" = 1 ] && [ "$(wc -l < gone_tap.jsonl)" = 1 ]
}

# ---- Programs that people use --------------------------------------------------------------------------------------
watch() { # FILE COMMAND...: the lines of jj live while the command runs
  "${in_server[@]}" "$jj" live right -q > "$1" 2> "$1.err" &
  local reader=$! status
  wait_for sockets_are 1 && sleep 0.3
  "${@:2}"
  status=$?
  sleep 0.3 && kill -TERM "$reader" && wait "$reader" && [ "$status" = 0 ]
}
log_in() {
  "${in_client[@]}" timeout 20 ssh -vv -F none -i user_key -p 2222 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null "root@$address" echo well > ssh.out 2> ssh.err
}
openssh() { # the client itself says what it offers, and what both agree on
  ssh-keygen -q -t ed25519 -N '' -f host_key && ssh-keygen -q -t ed25519 -N '' -f user_key && mkdir -p /run/sshd || return 1
  "${in_server[@]}" "$(command -v sshd)" -D -e -f /dev/null -p 2222 -h "$PWD/host_key" -o "AuthorizedKeysFile=$PWD/user_key.pub" \
    -o StrictModes=no -o PermitRootLogin=yes -o PidFile=none 2> sshd.err &
  if ! wait_for listens 2222 || ! watch ssh.jsonl log_in || ! grep -qx well ssh.out; then
    cat sshd.err ssh.err
    return 1
  fi
  note=$(python '
import hashlib, re
row, = flows("ssh.jsonl").values()
said = open("ssh.err", errors="replace").read().replace("\r", "")
def hassh(whose, way):
    proposal = said[said.index(f"{whose} KEXINIT proposal"):]
    lists = [re.search(rf"debug2: {name}: (.*)", proposal)[1] for name in ("KEX algorithms", *(f"{kind} {way}" for kind in
             ("ciphers", "MACs", "compression")))]
    return hashlib.md5(";".join(lists).encode()).hexdigest()
assert row["ssh_hassh"] == hassh("local client", "ctos"), row["ssh_hassh"]
assert row["ssh_hassh_server"] == hassh("peer server", "stoc"), row["ssh_hassh_server"]
local, remote = (re.search(rf"{whose} version(?: string)? (\S+)", said)[1] for whose in ("Local", "remote software"))
assert row["ssh_client_software"] == local.removeprefix("SSH-2.0-") and row["ssh_server_software"] == remote, row
assert row["ssh_kex_packets"] >= 4 and row["ssh_encrypted_packets"] >= 8, row
print(remote + ",", "HASSH", row["ssh_hassh"])')
}
measure() { "${in_client[@]}" timeout 10 iperf3 -J -c "$address" "${@:2}" > "$1"; } # FILE OPTION...: what the client reports
measure_all() { # the server may still be busy with the test before
  wait_for measure sent.json -n 20M -b 400M && wait_for measure received.json -n 20M -b 400M -R &&
    wait_for measure datagrams.json -u -l 1200 -n 6M -b 50M
}
iperf() { # each test has a connection for itself and one for control
  "${in_server[@]}" iperf3 -s > /dev/null 2>&1 &
  wait_for listens 5201 && watch iperf.jsonl measure_all || return 1
  note=$(python '
rows = flows("iperf.jsonl")
def report(name):
    said = json.load(open(name))
    return said["end"], rows["192.0.2.1", said["start"]["connected"][0]["local_port"], "192.0.2.2", 5201, 17 if "udp" in
                             said["end"]["streams"][0] else 6]
for name, way in ("sent.json", "fwd"), ("received.json", "bwd"):
    said, row = report(name)
    lost = said["sum_sent"]["bytes"] - row[f"payload_bytes_{way}"]  # what the cookie and repetitions add is more
    assert -1 << 20 < lost <= 0 and row["tcp_complete_handshake"], (name, lost, row)
said, row = report("datagrams.json")
# one datagram from each side to begin with
assert (row["packets_fwd"], row["packets_bwd"]) == (said["sum"]["packets"] + 1, 1), (said["sum"], row["packets_fwd"])
assert row["payload_bytes_fwd"] == said["sum"]["packets"] * 1200 + 4, row["payload_bytes_fwd"]
assert len(rows) == 6, rows.keys()
print(sum(row["total_packets"] for row in rows.values()), "packets")')
}

# ---- Exporter ------------------------------------------------------------------------------------------------------
exporter_help() { # is not wrong use
  "$exporter" --help > out && grep -q '^usage: .* INTERFACE$' out && cmp out <("$exporter" -h)
}
exporter_wrong_use() {
  fails_with 2 "^usage: " "$exporter" && fails_with 2 "^usage: " "$exporter" -p 0 lo && fails_with 2 "^usage: " "$exporter" lo lo &&
    fails_with 1 "no interface 'nosuch0'" "${in_server[@]}" "$exporter" nosuch0 &&
    fails_with 1 "no way to the collector: Invalid argument" "${in_server[@]}" "$exporter" -c host.example lo &&
    fails_with 1 "cannot become the user: No such file" "${in_server[@]}" "$exporter" -u nosuchuser lo
}
exporter_waits() { # as nobody, for an interface that goes down and up, and one that goes and comes again; lines on standard output
  make_near || return 1
  "${in_server[@]}" "$exporter" -u nobody far > waited.jsonl 2> waited.err &
  local reader=$! backs
  wait_for sockets_are 1 && sleep 0.3 && grep -q "^Uid:.*$(id -u nobody).*$(id -u nobody)" "/proc/$reader/status" && send_near || return 1
  for backs in 1 2; do
    sleep 0.3
    if [ "$backs" = 1 ]; then
      ip -n "$server" link set far down && sleep 0.3 && ip -n "$server" link set far up
    else
      ip -n "$client" link del near && sleep 0.3 && make_near
    fi || return 1
    back_again() { [ "$(grep -c 'far is back' waited.err)" = "$backs" ]; }
    wait_for back_again && send_near || return 1
  done
  sleep 0.5 && kill -TERM "$reader" && wait "$reader" || return 1
  ip -n "$client" link del near
  cat waited.err && [ "$(grep -c 'far is gone or down' waited.err)" = 2 ] && python '
rows = flows("waited.jsonl").values()
assert sum(row["total_packets"] for row in rows if row["dst_port"] == 4001) == 3, rows'
}
exporter_counts_lost() { # nobody listens: the second datagram is refused
  "${in_server[@]}" "$exporter" -c 127.0.0.1 -p 9 right 2> lost.err &
  local reader=$!
  wait_for sockets_are 1 && sleep 0.3
  "${in_client[@]}" python3 "$traffic" talk "$address" left
  kill -TERM "$reader" && wait "$reader" && cat lost.err && grep -qE ' [1-9][0-9]* lost$' lost.err
}
exporter_under_load() { # a reader that is slower than the link: the ring is never empty, and it ends all the same
  mkfifo slow
  python3 -c '
import os, time
while os.read(0, 1 << 16):
    time.sleep(0.003)' < slow & local slow=$!
  "${in_server[@]}" "$exporter" -s 1 right > slow 2> load.err &
  local reader=$! flood status=1
  wait_for sockets_are 1 && sleep 0.3
  "${in_client[@]}" python3 "$traffic" flood "$address" 12 & flood=$!
  sleep 4
  [ "$(grep -c ' rows sent, ' load.err)" -ge 2 ] && kill -TERM "$reader" && wait "$reader" && kill -0 "$flood" && status=0
  kill "$flood" "$slow" "$reader" 2> /dev/null
  wait "$flood" "$slow" "$reader" 2> /dev/null
  cat load.err
  return "$status"
}

# ---- Firewall ------------------------------------------------------------------------------------------------------
queue_is_open() { "${in_server[@]}" cat /proc/net/netfilter/nfnetlink_queue | grep -q '^ *3 '; }
firewall_blocks() {
  if ! "${in_server[@]}" iptables -I INPUT -p tcp --dport 1443:1445 -j NFQUEUE --queue-num 3 --queue-bypass 2> iptables.err; then
    note="skipped, the kernel has no NFQUEUE"
    return
  fi
  serve_tls 1443 && serve_tls 1444 && serve_tls 1445 && ask_tls 1443 ads.example || return 1  # nobody judges yet
  "${in_server[@]}" "$firewall" 3 ADS.example other.example > firewall.out &
  local judge=$! long
  long=$(printf 'label%d-without-meaning.' 1 2 3)ads.example
  wait_for queue_is_open && ask_tls 1443 news.example && ! ask_tls 1443 www.Ads.example && ! ask_tls 1444 ads.example &&
    ! ask_tls 1444 "$long" && ask_tls 1445 notads.example || return 1
  fails_with 1 "queue 3: " "${in_server[@]}" "$firewall" 3 ads.example || return 1  # there can be only one
  kill -TERM "$judge"
  wait "$judge" && cat firewall.out && [ "$(grep -c '^blocked: ads.example$' firewall.out)" = 3 ] &&
    grep -qE '^[0-9]+ packets accepted, [1-9][0-9]* dropped$' firewall.out
}

check record
check expected
check workers_agree
check exporter_agrees
check router_tap_agrees
check capture_agrees tcpdump
check nothing_dropped
check wrong_use
check options
check while_it_runs
check loopback ping
check screen
check interface_goes
check openssh ssh sshd ssh-keygen
check iperf iperf3
check exporter_help
check exporter_wrong_use
check exporter_waits
check exporter_counts_lost
check exporter_under_load
check firewall_blocks iptables
exit $((failed > 0))
