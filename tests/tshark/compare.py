#!/usr/bin/env python3
"""Compares what jj says of handshakes with what tshark said of the same captures: JA3, JA3S, SNI, HASSH, DNS names.

usage: compare.py SHARED JJ...   SHARED holds captures/ and captures/expected_tshark/

tshark is a second opinion: it opens tunnels, reassembles datagrams and has no timeouts. So values are compared for each
pair of endpoints; what only tshark has counts as missing, what only jj has, or another value, as different.
"""
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import sys

LEAST_AGREEMENT = 0.97  # of the values that both have
PAIRS = {  # tshark's name: jj's group and feature
    "ja3": [("tls", "ja3_hash"), ("quic", "quic_ja3_hash")],
    "ja3s": [("tls", "ja3s_hash")],
    "sni": [("tls", "tls_sni"), ("quic", "quic_sni")],
    "hassh": [("ssh", "ssh_hassh")],
    "hasshserver": [("ssh", "ssh_hassh_server")],
    "qname": [("dns", "dns_query_name")],
}


def ends(protocol, source, source_port, target, target_port):
    return (protocol, *sorted([(source, source_port), (target, target_port)]))


def theirs(path):
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in path.open():
        fact = json.loads(line)
        if fact["kind"] != "pkt" or fact.get("nested"):
            continue
        if fact.get("dns") not in (None, "dns"):
            continue
        where = ends(fact["l4"], fact["src"], fact["sport"], fact["dst"], fact["dport"])
        for name in PAIRS:
            values = fact.get(name, [])
            for value in [values] if isinstance(values, str) else values:
                found[where][name].append(value.lower())
    return found


def ours(jj, path):
    out = subprocess.run([*jj, "extract", str(path), "--groups", "flow_meta,tls,quic,ssh,dns", "--quiet"],
                         capture_output=True, text=True, check=False).stdout
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in out.splitlines():
        row = json.loads(line)
        meta = row["flow_meta"]
        protocol = {6: "tcp", 17: "udp"}.get(meta["protocol"])
        where = ends(protocol, meta["src_ip"], meta["src_port"], meta["dst_ip"], meta["dst_port"])
        for name, features in PAIRS.items():
            for group, feature in features:
                value = row.get(group, {}).get(feature, "")
                if value:
                    found[where][name].append(value.lower())
    return found


def compare(jj, expected, capture):
    counts = collections.Counter()
    different = []
    said = ours(jj, capture)
    for where, facts in theirs(expected).items():
        for name, values in facts.items():
            mine = said.get(where, {}).get(name, [])
            if not mine:
                counts[name, "missing"] += 1
            elif all(value in values for value in mine):
                counts[name, "equal"] += 1
            else:
                counts[name, "different"] += 1
                different.append(f"{capture.name}: {where}: {name}: {mine[0]} is not in {values[:3]}")
    return counts, different


def main():
    captures = pathlib.Path(sys.argv[1]) / "captures"
    jj = sys.argv[2:]
    expected = sorted((captures / "expected_tshark").rglob("*.jsonl"))
    jobs = [(path, captures / path.relative_to(captures / "expected_tshark").with_suffix("")) for path in expected]
    total, different = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for counts, lines in pool.map(lambda job: compare(jj, *job), jobs):
            total += counts
            different += lines
    print("\n".join(different[:40]))
    failed = not jobs
    for name in PAIRS:
        equal, other, missing = (total[name, kind] for kind in ("equal", "different", "missing"))
        print(f"{name:12} {equal:5} equal {other:4} different {missing:4} missing")
        failed = failed or equal == 0 or equal < LEAST_AGREEMENT * (equal + other)
    print(f"captures ({len(jobs)})")
    return failed


sys.exit(main())
