# shellcheck shell=bash disable=SC2034
# Sourced by the scripts that check sources. Their first argument may be --strict: a missing tool counts as a failure.
#   check NAME TOOL...            runs the function NAME, which may set `note`, and prints one line about it
#   check_as TITLE NAME TOOL...   the same, under a title of its own
# Leaves: here, root (of the repository), work (a temporary folder), failed (a count).
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
strict=
if [ "${1:-}" = --strict ]; then
  strict=yes
  shift
fi
failed=0
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

check() { check_as "$1" "$@"; }
check_as() {
  local title=$1 name=$2 tool
  shift 2
  for tool; do
    command -v "$tool" > /dev/null && continue
    echo "skipped: $title: no $tool"
    [ -z "$strict" ] || failed=$((failed + 1))
    return
  done
  note=
  if "$name" > "$work/log" 2>&1; then
    echo "ok       $title${note:+: $note}"
  else
    echo "FAILED   $title"
    tail -n 20 "$work/log" | cut -c1-300 | sed 's/^/    /'
    failed=$((failed + 1))
  fi
}
