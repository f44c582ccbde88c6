#!/usr/bin/env python3
"""Draws tools/pictures/*.svg, which README shows, from tools/pictures/bench.json: pictures.py [--check]

bench.json is what `bench CAPTURE --json tools/pictures/bench.json` wrote: the synthetic loads and one real one. --check
writes nothing and fails where a picture is not what this would draw.
"""
import json
import math
import os
import sys
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")

# Other programs: nanoseconds of processor time a packet as whole processes, from ../shared/notes/peers.md (table "Main
# table", column "mix": 3.15 million synthetic packets, another run on a machine of the same kind). An empty loop that
# reads the file with libpcap takes 142 of them, which are taken off: bench has its frames in memory.
LIBPCAP_NS = 142
PEERS = [
    ("ipfixprobe, counters, 16,384 flows", 431),
    ("ipfixprobe, counters, 262,144 flows", 670),
    ("YAF, counters", 740),
    ("ipfixprobe, four statistics plugins", 1302),
    ("YAF, statistics, entropy, protocols", 1800),
    ("ipfixprobe, 14 plugins", 3252),
    ("nDPI reader, statistics", 10546),
    ("CICFlowMeter (Java), 84 features", 12600),
    ("JoyfulJay reference, the same features", 93000),
]

# Mid tones: four to one and more against white, and against GitHub's dark background.
TEXT, GRID, YARDSTICK, OURS, MORE, PEER = "#6e7781", "#8c959f", "#818b98", "#2f81f7", "#bc6a1c", "#a371f7"
WIDTH, LEFT, RIGHT, ROW, TOP = 880, 310, 90, 24, 64


class Picture:
    """Rows with a label on the left and a mark on a scale."""

    def __init__(self, title, caption, rows, scale):
        self.rows, self.scale, self.parts = rows, scale, []
        self.height = TOP + ROW * len(rows) + 34 + 16 * len(caption)
        self.text(12, 22, title, size=16, weight="600")
        for at, line in enumerate(caption):
            self.text(12, self.height - 16 * (len(caption) - at) + 4, line, size=12)
        self.title = title

    def x(self, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * self.scale(value)

    def text(self, x, y, words, size=13, anchor="start", weight="400"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'font-weight="{weight}" fill="{TEXT}">{escape(words)}</text>')

    def grid(self, values, unit):
        bottom = TOP + ROW * len(self.rows)
        for value in values:
            x = self.x(value)
            self.parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}" '
                              'stroke-opacity="0.35"/>')
            self.text(x, TOP - 14, f"{value:,}", size=12, anchor="middle")
        self.text(WIDTH - 12, TOP - 14, unit, size=12, anchor="end")

    def label(self, at, words):
        self.text(LEFT - 12, TOP + ROW * at + 17, words, anchor="end")

    def value(self, at, x, words):
        self.text(x + 9, TOP + ROW * at + 17, words)

    def dot(self, at, value, colour):
        y = TOP + ROW * at + 12.5
        self.parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{self.x(value):.1f}" y2="{y}" stroke="{colour}" '
                          'stroke-opacity="0.35" stroke-width="2"/>')
        self.parts.append(f'<circle cx="{self.x(value):.1f}" cy="{y}" r="5.5" fill="{colour}"/>')

    def bar(self, at, first, last, colour):
        width = max(self.x(last) - self.x(first), 0.5)
        self.parts.append(f'<rect x="{self.x(first):.1f}" y="{TOP + ROW * at + 5}" width="{width:.1f}" height="15" '
                          f'fill="{colour}"/>')

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                f'height="{self.height}" role="img" font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif">\n'
                f"<title>{escape(self.title)}</title>\n" + "\n".join(self.parts) + "\n</svg>\n")


def linear(most):
    return lambda value: value / most


def logarithmic(least, most):
    return lambda value: math.log(value / least) / math.log(most / least)


def round_steps(largest):
    """Four to eight round numbers from 0 that reach the largest."""
    step = 10 ** math.floor(math.log10(largest))
    step = next(part for part in (step // 10, step // 5, step // 2, step, 2 * step) if part and largest / part <= 7)
    return [step * at for at in range(math.ceil(largest / step) + 1)]


def throughput(real):
    ours = [("four groups in batches", "four groups, batches"), ("flow_meta and tcp in batches", "flow_meta + tcp, batches"),
            ("four groups, entropy, padding", "four + entropy, padding"), ("all twelve groups", "all twelve"),
            ("flow_meta and tcp", "flow_meta + tcp"), ("four groups", "four groups")]
    rows = [("yardstick a: headers only", real["a: parse headers"]["ns_per_packet"], YARDSTICK),
            ("yardstick b: and a plain table", real["b: parse + plain 64-byte table"]["ns_per_packet"], YARDSTICK)]
    rows += sorted(((f"joyfuljay.hpp: {label}", real[variant]["ns_per_packet"], OURS) for label, variant in ours),
                   key=lambda row: row[1])
    rows += [(name, ns - LIBPCAP_NS, PEER) for name, ns in PEERS]
    picture = Picture("Processor time a packet", [
        "joyfuljay.hpp and yardsticks: bench, real captures joined, every feature of every row as a float vector.",
        "Other programs: another run on a machine of the same kind, synthetic mix of 3.15 million packets, whole",
        f"processes with their own output, without the {LIBPCAP_NS} ns that reading with libpcap takes. Logarithmic scale.",
    ], rows, logarithmic(30, 100_000))
    picture.grid([100, 1_000, 10_000, 100_000], "ns")
    for at, (label, ns, colour) in enumerate(rows):
        picture.label(at, label)
        picture.dot(at, ns, colour)
        picture.value(at, picture.x(ns), f"{ns:,.0f}")
    return picture.svg()


GROUPS = ["tls", "quic", "ssh", "dns", "fingerprint", "entropy", "padding", "connection_counts", "connection"]


def cost(real):
    rows = [(group, max(real[f"four + {group}"]["over_four_ns"], 0)) for group in GROUPS]
    base = real["four groups"]["ns_per_packet"]
    steps = round_steps(max(ns for _, ns in rows))
    picture = Picture("What a group costs on top of the four, a packet", [
        f"bench, real captures joined. The four groups (flow_meta, timing, size, tcp) take {base:.0f} ns.",
    ], rows, linear(steps[-1]))
    picture.grid(steps, "ns")
    for at, (group, ns) in enumerate(rows):
        picture.label(at, group)
        picture.bar(at, 0, ns, MORE)
        picture.value(at, picture.x(ns), f"{ns:.0f}")
    return picture.svg()


def memory(real):
    variants = [("flow_meta", "flow_meta"), ("flow_meta, tcp", "flow_meta + tcp"), ("four groups", "four groups")]
    variants += [(f"four and {group}", f"four + {group}") for group in GROUPS if not group.startswith("connection")]
    variants += [("all twelve", "all twelve")]
    rows = [(label, real[variant]["bytes_per_open_flow"]) for label, variant in variants]
    base = real["four groups"]["bytes_per_open_flow"]
    steps = round_steps(max(count for _, count in rows))
    picture = Picture("Memory of an open flow", [
        "bench, real captures joined, at the fullest moment: slots, index, chunks, long states and handshake records in",
        "use, by open flows. Without handshake buffers and the tables of connection, which do not grow with flows.",
    ], rows, linear(steps[-1]))
    picture.grid(steps, "bytes")
    for at, (label, count) in enumerate(rows):
        picture.label(at, label)
        picture.bar(at, 0, min(count, base), OURS)
        if count > base:
            picture.bar(at, base, count, MORE)
        picture.value(at, picture.x(count), f"{count}")
    return picture.svg()


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    with open(os.path.join(FOLDER, "bench.json"), encoding="utf-8") as file:
        findings = json.load(file)["findings"]
    loads = list(dict.fromkeys(finding["load"] for finding in findings))
    captures = [load for load in loads if load.endswith(("pcap", "pcapng"))]
    if len(captures) != 1:
        sys.exit(f"pictures: bench.json should have one capture, and has {captures}")
    real = {finding["variant"]: finding for finding in findings if finding["load"] == captures[0]}
    different = []
    for name, draw in ("throughput.svg", throughput), ("cost.svg", cost), ("memory.svg", memory):
        drawn, path = draw(real), os.path.join(FOLDER, name)
        tree.fromstring(drawn)
        if not check:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(drawn)
        elif not os.path.exists(path) or open(path, encoding="utf-8", newline="").read() != drawn:
            different.append(name)
    if different:
        sys.exit(f"pictures: {', '.join(different)}: not what tools/pictures.py draws from bench.json")


if __name__ == "__main__":
    main()
