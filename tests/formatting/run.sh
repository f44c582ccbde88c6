#!/usr/bin/env bash
# Sources look as clang-format 14 (Debian 12's) writes them, and shellcheck has nothing to say about the scripts.
# shellcheck source=tests/checks.sh disable=SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
cd "$root" || exit 1

sources() { git ls-files "$@" | grep -v hostile_macros; }  # lines there are the test
formatted() { sources '*.hpp' '*.cpp' | xargs clang-format --dry-run -Werror; }
clean_scripts() { sources '*.sh' .ci/run | xargs shellcheck -x; }

if ! git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
  echo "skipped: all: git knows no checkout here"
  [ -n "$strict" ] && exit 1
  exit 77
fi
if [ -z "$strict" ] && command -v clang-format > /dev/null && ! clang-format --version | grep -q 'version 14\.'; then
  echo "skipped: formatted: clang-format is not version 14, and others write some lines otherwise"
else
  check formatted clang-format
fi
check clean_scripts shellcheck
[ "$failed" = 0 ]
