#!/usr/bin/env python3
"""Sums the stack frames along the deepest path of each public call, from g++'s -fcallgraph-info=su.

deepest.py LIMIT FILE.ci: prints one line for each function call_*, with the path's frames, and fails where a path is
longer than LIMIT bytes, a frame has no bound, or a function can reach itself. A sink's own frames are its author's: the
path ends there. So do paths into the C library and libgcc (memcpy, divisions, sqrt), which take less than 100 bytes.
"""
import re
import sys

limit = int(sys.argv[1])
frame, name, calls = {}, {}, {}
for line in open(sys.argv[2]):
    node = re.match(r'node: \{ title: "([^"]*)" label: "([^"]*)"', line)
    edge = re.match(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', line)
    if node:
        title, label = node.groups()
        size = re.search(r'\\n(\d+) bytes \((static|dynamic,bounded|dynamic)\)', label)
        if size:
            frame[title] = int(size[1]) if size[2] != 'dynamic' else 10**9
        else:
            frame.setdefault(title, 0)  # outside of this file
        name[title] = label.split('\\n')[0]
    elif edge:
        calls.setdefault(edge[1], set()).add(edge[2])

deepest, under_way, recursive = {}, set(), []


def visit(title):
    if title in under_way:
        recursive.append(name[title])
        return 0, []
    if title not in deepest:
        under_way.add(title)
        below = max((visit(called) for called in calls.get(title, ())), default=(0, []))
        under_way.remove(title)
        deepest[title] = below[0] + frame.get(title, 0), [title] + below[1]
    return deepest[title]


def short(title):
    """The function's own name, without return type, template arguments and parameters."""
    text = name[title]
    while (plain := re.sub(r'<[^<>]*>|\([^()]*\)', '', text)) != text:
        text = plain
    words = re.sub(r' \[.*', '', text).replace(' const', '').split()
    return words[-1].split('::')[-1] if words else title


failed = False
entries = sorted(title for title in frame if title.startswith('call_'))
for title in entries:
    total, path = visit(title)
    failed |= total > limit
    print(f'{total:5d}  {title[5:]}: ' + ' '.join(f'{short(t)} {frame[t]}' for t in path if frame.get(t)))
if recursive:
    print('recursive:', *sorted(set(recursive)))
sys.exit(failed or bool(recursive) or not entries)
