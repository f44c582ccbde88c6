#!/usr/bin/env bash
# Tables that tools write between two marked lines of the header are what the tools write from their data.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"

doh_servers() { python3 "$root/tools/make_doh_table.py" --check; }
doh_servers_differ() { # a name more in the data is noticed
  cp -r "$root/tools" "$root/joyfuljay.hpp" "$work" && echo 'name dns.example' >> "$work/tools/data/doh.txt" || return 1
  ! python3 "$work/tools/make_doh_table.py" --check && python3 "$work/tools/make_doh_table.py" &&
    python3 "$work/tools/make_doh_table.py" --check && grep -q 'example.dns' "$work/joyfuljay.hpp"
}

check doh_servers python3
check doh_servers_differ python3
exit $((failed > 0))
