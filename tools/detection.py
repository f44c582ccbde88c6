#!/usr/bin/env python3
"""What `fingerprint` finds in labelled captures, as the table in README: detection.py JJ CAPTURES

CAPTURES is a folder with a MANIFEST.csv, whose columns `file` and `tags` name captures in it and, separated by commas,
what they hold. These labels speak of captures, not of flows. A kind is found in a capture when some flow has it; a
capture without the kind's tag that has such a flow counts as flagged wrongly, flow by flow.
"""
import csv
import json
import os
import subprocess
import sys

# kind: tags that say it is there, what a record says
KINDS = {
    "tor": ({"tor"}, lambda f: f["traffic_type"] == "tor"),
    "openvpn": ({"openvpn"}, lambda f: f["likely_vpn"] and f["vpn_type"] == "openvpn"),
    "wireguard": ({"wireguard"}, lambda f: f["likely_vpn"] and f["vpn_type"] == "wireguard"),
    "ipsec": ({"ipsec", "esp", "ah", "ike"}, lambda f: f["likely_vpn"] and f["vpn_type"].startswith("ipsec")),
    "l2tp": ({"l2tp", "l2tp-port"}, lambda f: f["likely_vpn"] and f["vpn_type"] == "l2tp"),
    "doh": ({"doh"}, lambda f: f["likely_doh"]),
}

jj, root = sys.argv[1:]
wrong = {kind: [] for kind in KINDS}
tagged, found, flows_found, untagged = ({kind: 0 for kind in KINDS} for _ in range(4))
flows = 0
for row in csv.DictReader(open(os.path.join(root, "MANIFEST.csv"), newline="")):
    run = subprocess.run([jj, "extract", "-q", "--groups", "fingerprint", os.path.join(root, row["file"])],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    records = [json.loads(line)["fingerprint"] for line in run.stdout.splitlines()]
    flows += len(records)
    for kind, (tags, says) in KINDS.items():
        hits = sum(map(says, records))
        if tags & set(row["tags"].split(",")):
            tagged[kind] += 1
            found[kind] += hits > 0
            flows_found[kind] += hits
        else:
            untagged[kind] += len(records)
            wrong[kind] += [(row["file"], hits)] if hits else []

print("| kind | captures with it | captures found | flows flagged there | flows flagged elsewhere | of flows there |")
print("| --- | ---: | ---: | ---: | ---: | ---: |")
for kind in KINDS:
    print("| %s | %d | %d | %d | %d | %d |" % (kind, tagged[kind], found[kind], flows_found[kind],
                                               sum(hits for _, hits in wrong[kind]), untagged[kind]))
for kind in KINDS:
    for name, hits in wrong[kind]:
        print("%s: %d in %s" % (kind, hits, name), file=sys.stderr)
