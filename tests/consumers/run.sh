#!/usr/bin/env bash
# Builds and runs a user's program in each way that a user may take the header in.
# shellcheck source=tests/checks.sh disable=SC2016,SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
cxx=${CXX:-c++}

number() { sed -n "s/^#define JOYFULJAY_VERSION_$1 //p" "$root/joyfuljay.hpp"; }
version=$(number MAJOR).$(number MINOR).$(number PATCH)

with_cmake() { # PROJECT ARGUMENT...
  local project=$1
  shift
  cmake -S "$here/$project" -B "$work/$project" "-DEXPECTED=$version" "$@" &&
    cmake --build "$work/$project" &&
    "$work/$project/consumer" "$version"
}
with_pkg_config() { # PREFIX
  export PKG_CONFIG_PATH=$1/share/pkgconfig
  # shellcheck disable=SC2046  # the flags are words
  [ "$(pkg-config --modversion joyfuljay)" = "$version" ] &&
    "$cxx" -std=c++17 $(pkg-config --cflags joyfuljay) "$here/consumer.cpp" -o "$work/consumer" &&
    "$work/consumer" "$version"
}

cmake_install() {
  cmake -S "$root" -B "$work/package" -DJOYFULJAY_TESTS=OFF -DJOYFULJAY_TOOLS=OFF -DJOYFULJAY_EXAMPLES=OFF &&
    cmake --install "$work/package" --prefix "$work/installed" &&
    mv "$work/installed" "$work/prefix"  # what was installed may be moved
}
cmake_find_package() { with_cmake cmake_find_package "-DCMAKE_PREFIX_PATH=$work/prefix"; }
cmake_fetch() { with_cmake cmake_fetch; }
pkg_config() { with_pkg_config "$work/prefix"; }
meson_install() {
  meson setup "$work/meson-package" "$root" --prefix "$work/meson-prefix" -Dtests=disabled &&
    meson install -C "$work/meson-package" &&
    mv "$work/meson-prefix" "$work/moved" &&
    with_pkg_config "$work/moved"
}
meson_subproject() {
  cp -r "$here/meson" "$here/consumer.cpp" "$work" &&
    ln -s "$root" "$work/meson/subprojects/joyfuljay" &&
    meson setup "$work/meson-build" "$work/meson" "-Dexpected==$version" &&
    meson compile -C "$work/meson-build" &&
    "$work/meson-build/consumer" "$version"
}
source_scripts() { # CMake and Meson name the same
  cmake -S "$root" -B "$work/cmake-tests" -DJOYFULJAY_TOOLS=OFF -DJOYFULJAY_EXAMPLES=OFF &&
    meson setup "$work/meson-tests" "$root" -Dtests=enabled &&
    meson introspect --tests "$work/meson-tests" > "$work/meson.json" &&
    ctest --test-dir "$work/cmake-tests" -N -L source | sed -n 's/^ *Test *#[0-9]*: //p' | sort > "$work/scripts" &&
    note="$(wc -l < "$work/scripts") scripts" && [ -s "$work/scripts" ] &&
    python3 -c 'import json, sys
print(*sorted(test["name"] for test in json.load(sys.stdin) if "joyfuljay:source" in test["suite"]), sep="\n")' \
      < "$work/meson.json" | diff "$work/scripts" -
}
two_files() {
  "$cxx" -std=c++17 -I"$root" "$here/two_files/a.cpp" "$here/two_files/b.cpp" -o "$work/two_files" && "$work/two_files"
}
esp_idf() { # its build system is not here: only that the component registers itself and does nothing else
  printf '%s\n' 'function(idf_component_register)' 'message("registered: ${ARGN}")' 'endfunction()' \
    'set(ESP_PLATFORM ON)' "include($root/CMakeLists.txt)" > "$work/esp_idf.cmake" &&
    cmake -P "$work/esp_idf.cmake" 2>&1 | grep -x 'registered: INCLUDE_DIRS;.'
}

check cmake_install cmake
check cmake_find_package cmake "$cxx"
check cmake_fetch cmake "$cxx"
check pkg_config pkg-config cmake "$cxx"
check meson_install meson pkg-config "$cxx"
check meson_subproject meson "$cxx"
if [ -f /usr/include/doctest/doctest.h ]; then
  check source_scripts cmake ctest meson python3
fi
check two_files "$cxx"
check esp_idf cmake
exit $((failed > 0))
