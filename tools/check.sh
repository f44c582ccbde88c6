#!/usr/bin/env bash
# Installs what the tests need where apt-get is (Debian, Ubuntu), builds everything and runs all tests.
# check.sh [CTEST-ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."

packages="g++ cmake ninja-build doctest-dev python3 python3-networkx meson pkg-config"
missing=
for command in c++ cmake ninja python3 meson pkg-config; do
  command -v $command > /dev/null || missing=yes
done
[ -f /usr/include/doctest/doctest.h ] || missing=yes
if [ -n "$missing" ] && command -v apt-get > /dev/null; then
  root=
  [ "$(id -u)" = 0 ] || root=sudo
  $root apt-get update -qq
  # shellcheck disable=SC2086  # the packages are words
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $packages > /dev/null
fi

cmake --preset release
cmake --build --preset release
ctest --preset release -j "$(nproc)" "$@"
