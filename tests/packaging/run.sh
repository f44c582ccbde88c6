#!/usr/bin/env bash
# What can be checked of tools/packaging without the systems it is for. run.sh [--strict]
# shellcheck source=tests/checks.sh disable=SC2016,SC2317  # the functions are called by name
. "$(dirname "$0")/../checks.sh"
packaging=$root/tools/packaging

number() { sed -n "s/^#define JOYFULJAY_VERSION_$1 //p" "$root/joyfuljay.hpp"; }
version=$(number MAJOR).$(number MINOR).$(number PATCH)

versions() { # every file that names one names the header's
  local file
  for file in openwrt/Makefile buildroot/joyfuljay.mk buildroot/joyfuljay.hash esp-idf/idf_component.yml platformio/library.json \
    arduino/library.properties vcpkg/vcpkg.json conan/conanfile.py; do
    grep -Eq "(^|[^0-9.])${version//./\\.}([^0-9]|\$)" "$packaging/$file" || { echo "$file" && return 1; }
  done
  [ -f "$packaging/yocto/joyfuljay_$version.bb" ]
}
yocto_licence() { grep -q "md5=$(md5sum < "$root/LICENSE" | cut -d' ' -f1)" "$packaging"/yocto/*.bb; }
json() { python3 -m json.tool "$packaging/platformio/library.json" && python3 -m json.tool "$packaging/vcpkg/vcpkg.json"; }
conan_recipe() { python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$packaging/conan/conanfile.py"; }
openwrt_rules() { # the header lands where other packages look
  mkdir -p "$work/openwrt/include" "$work/openwrt/build/joyfuljay.hpp-$version" &&
    cp "$root/joyfuljay.hpp" "$work/openwrt/build/joyfuljay.hpp-$version" &&
    printf '%s\n' 'INCLUDE_DIR=$(TOPDIR)/include' 'BUILD_DIR=$(TOPDIR)/build' 'INSTALL_DIR=mkdir -p' 'CP=cp' \
      > "$work/openwrt/rules.mk" &&
    printf '%s\n' 'define BuildPackage' 'all:' '	$(call Build/InstallDev,$(TOPDIR)/staging)' 'endef' \
      > "$work/openwrt/include/package.mk" &&
    make -f "$packaging/openwrt/Makefile" "TOPDIR=$work/openwrt" &&
    cmp "$root/joyfuljay.hpp" "$work/openwrt/staging/usr/include/joyfuljay.hpp"
}
buildroot_rules() {
  (printf '%s\n' 'define cmake-package' 'all:' '	test $(JOYFULJAY_VERSION) = '"$version" 'endef' &&
    cat "$packaging/buildroot/joyfuljay.mk") > "$work/buildroot.mk" && make -f "$work/buildroot.mk"
}
zephyr_module() { # what it puts on the include path holds the header
  printf '%s\n' 'function(zephyr_include_directories path)' 'file(SIZE ${path}/joyfuljay.hpp size)' \
    'message("header of ${size}")' 'endfunction()' 'set(CONFIG_JOYFULJAY y)' \
    "include($packaging/zephyr/zephyr/CMakeLists.txt)" > "$work/zephyr.cmake" &&
    cmake -P "$work/zephyr.cmake" 2>&1 | grep -qx "header of $(wc -c < "$root/joyfuljay.hpp")"
}
vcpkg_port() { # configures and installs with the options that exist
  printf '%s\n' 'set(VERSION '"$version"')' 'set(CURRENT_PACKAGES_DIR '"$work/vcpkg"')' \
    'function(vcpkg_from_github)' 'set(SOURCE_PATH '"$root"' PARENT_SCOPE)' 'endfunction()' \
    'function(vcpkg_cmake_configure)' 'cmake_parse_arguments(of "" SOURCE_PATH OPTIONS ${ARGN})' \
    'execute_process(COMMAND cmake -S ${of_SOURCE_PATH} -B '"$work/vcpkg-build"' ${of_OPTIONS} COMMAND_ERROR_IS_FATAL ANY)' \
    'endfunction()' 'function(vcpkg_cmake_install)' \
    'execute_process(COMMAND cmake --install '"$work/vcpkg-build"' --prefix '"$work/vcpkg"' COMMAND_ERROR_IS_FATAL ANY)' \
    'endfunction()' 'function(vcpkg_cmake_config_fixup ignored path)' \
    'file(SIZE ${CURRENT_PACKAGES_DIR}/${path}/joyfuljayConfig.cmake size)' 'endfunction()' \
    'function(vcpkg_install_copyright ignored file)' 'file(SIZE ${file} size)' 'endfunction()' \
    "include($packaging/vcpkg/portfile.cmake)" > "$work/vcpkg.cmake" &&
    cmake -P "$work/vcpkg.cmake" && [ -f "$work/vcpkg/include/joyfuljay.hpp" ]
}
yaml() {
  python3 -c 'import sys, yaml; [yaml.safe_load(open(path)) for path in sys.argv[1:]]' "$packaging"/*/*.yml \
    "$packaging"/zephyr/zephyr/module.yml "$root"/.github/workflows/*.yml
}

check versions
check yocto_licence md5sum
check json python3
check conan_recipe python3
check openwrt_rules make
check buildroot_rules make
check zephyr_module cmake
check vcpkg_port cmake c++
if python3 -c 'import yaml' 2> /dev/null; then
  check yaml python3
else
  echo "skipped: yaml: no python3-yaml"
  [ -z "$strict" ] || failed=$((failed + 1))
fi
exit $((failed > 0))
