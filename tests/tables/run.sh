#!/usr/bin/env bash
# Tables that tools write between two marked lines of the header, and README's pictures, are what the tools write from
# their data.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"

doh_servers() { python3 "$root/tools/make_doh_table.py" --check; }
doh_servers_differ() { # a name more in the data is noticed
  cp -r "$root/tools" "$root/joyfuljay.hpp" "$work" && echo 'name dns.example' >> "$work/tools/data/doh.txt" || return 1
  ! python3 "$work/tools/make_doh_table.py" --check && python3 "$work/tools/make_doh_table.py" &&
    python3 "$work/tools/make_doh_table.py" --check && grep -q 'example.dns' "$work/joyfuljay.hpp"
}

pictures() { # parse as XML, and are drawn again byte for byte; README shows each
  python3 "$root/tools/pictures.py" --check || return 1
  local picture
  for picture in "$root"/tools/pictures/*.svg; do
    grep -q "](tools/pictures/$(basename "$picture"))" "$root/README.md" || return 1
  done
}
pictures_differ() { # another figure is noticed, and so is a line that somebody changed
  cp -r "$root/tools" "$work/drawn" && cd "$work/drawn" || return 1
  sed -i 's/>all twelve</>all 12</' pictures/memory.svg
  ! python3 pictures.py --check 2> "$work/err" && grep -q 'memory.svg: not what' "$work/err" && python3 pictures.py &&
    python3 pictures.py --check && sed -i 's/"over_four_ns": [-0-9.]*/"over_four_ns": 1.5/' pictures/bench.json &&
    ! python3 pictures.py --check && python3 pictures.py && python3 pictures.py --check
}

check doh_servers python3
check doh_servers_differ python3
check pictures python3
check pictures_differ python3
exit $((failed > 0))
