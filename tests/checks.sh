# shellcheck shell=bash disable=SC2034
# Sourced by the scripts that check sources. Their first argument may be --strict: a missing tool counts as a failure.
#   check NAME TOOL...            runs the function NAME, which may set `note`, and prints one line about it
#   check_as TITLE NAME TOOL...   the same, under a title of its own
#   check_beside NAME TOOL...     the same, while the script goes on; check_others waits for them and prints their lines
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

beside=()
check_beside() {
  mkdir "$work/$1" || exit 1
  check_in "$work/$1" "$@" > "$work/$1/said" &
  beside+=("$1 $!")
}
check_in() { # FOLDER NAME TOOL...
  local work=$1 failed=0
  check "${@:2}"
  return "$failed"
}
check_others() {
  local one
  for one in "${beside[@]}"; do
    wait "${one#* }" || failed=$((failed + 1))
    cat "$work/${one% *}/said"
  done
  beside=()
}
