#!/usr/bin/env python3
"""Write the table of DNS-over-HTTPS servers from tools/data/doh.txt between two marked lines of joyfuljay.hpp.

    python3 tools/make_doh_table.py [--check]

--check writes nothing, and ends with status 1 when the header holds something else.
"""

import ipaddress
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = os.path.join(ROOT, "joyfuljay.hpp")
SOURCE = os.path.join(ROOT, "tools", "data", "doh.txt")
BEGIN, END = "// <doh table: tools/make_doh_table.py>\n", "// </doh table>\n"
MOST_LABELS = 4     # detail::most_provider_labels


def read(path):
    """(names as tuples of labels from the right, addresses), both in order and each once"""
    names, addresses = set(), set()
    for line in open(path, encoding="ascii"):
        words = line.split("#")[0].split()
        if not words:
            continue
        kind, value = words
        if kind == "name":
            labels = tuple(reversed(value.split(".")))
            if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", value) or len(labels) > MOST_LABELS:
                raise SystemExit("%s: %s: at most %d labels of lower case, digits and hyphens" % (path, value, MOST_LABELS))
            names.add(labels)
        elif kind == "address":
            addresses.add(ipaddress.ip_address(value))
        else:
            raise SystemExit("%s: %s is neither name nor address" % (path, kind))
    # what stands below another name is known anyway
    names = {n for n in names if not any(n[:k] in names for k in range(1, len(n)))}
    return sorted(names), sorted(addresses, key=lambda a: (a.version, a))


def coded(names):
    """Each name as the number of labels that it shares with the one before it, and the rest of them."""
    before = ()
    for labels in names:
        shared = len(os.path.commonprefix([labels, before]))
        yield "%d%s;" % (shared, ".".join(labels[shared:]))
        before = labels


def wrapped(parts, prefix, suffix, width=116):
    line = ""
    for part in parts:
        if line and len(line) + len(part) > width:
            yield prefix + line + suffix
            line = ""
        line += part
    yield prefix + line + suffix


def table(names, addresses):
    entries = list(coded(names))
    v4 = [a for a in addresses if a.version == 4]
    v6 = [a for a in addresses if a.version == 6]
    size = sum(map(len, entries)) + 1 + 4 * len(v4) + 16 * len(v6)
    out = ["// %d names and %d addresses in %d bytes." % (len(names), len(addresses), size), "// clang-format off"]
    lines = list(wrapped(entries, '    "', '"', 112))
    out += ["inline constexpr char doh_providers[] ="] + lines[:-1] + [lines[-1] + ";"]
    out += ["inline constexpr std::uint32_t doh_resolvers4[] = {"]
    out += [line.rstrip() for line in wrapped(["0x%08x, " % int(a) for a in v4], "    ", "")] + ["};"]
    out += ["inline constexpr std::uint64_t doh_resolvers6[][2] = {"]
    out += [line.rstrip() for line in wrapped(
        ["{0x%016x, 0x%016x}, " % (int(a) >> 64, int(a) & (1 << 64) - 1) for a in v6], "    ", "")] + ["};"]
    return "\n".join(out + ["// clang-format on", ""])


def main():
    header = open(HEADER, encoding="utf-8").read()
    begin, end = header.index(BEGIN) + len(BEGIN), header.index(END)
    wanted = header[:begin] + table(*read(SOURCE)) + header[end:]
    if sys.argv[1:] == ["--check"]:
        if wanted != header:
            raise SystemExit("joyfuljay.hpp does not hold the table of tools/data/doh.txt: run tools/make_doh_table.py")
    elif sys.argv[1:]:
        raise SystemExit(__doc__)
    elif wanted != header:
        with open(HEADER, "w", encoding="utf-8") as out:
            out.write(wanted)


if __name__ == "__main__":
    main()
