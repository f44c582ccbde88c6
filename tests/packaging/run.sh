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
placeholders() { # every file that has one says what belongs there; JSON has no room for it
  local silent
  silent=$(grep -rlE 'OWNER|HASH' "$packaging" --exclude=README.md --exclude='*.json' | xargs grep -L 'At a release: ')
  echo "$silent"
  [ -z "$silent" ]
}
yocto_licence() { grep -q "md5=$(md5sum < "$root/LICENSE" | cut -d' ' -f1)" "$packaging"/yocto/*.bb; }
json() { # the fields that their registries require
  python3 -c '
import json, sys
for path, fields in (sys.argv[1], ("name", "version", "description", "license", "headers", "repository", "frameworks", "platforms")), \
                    (sys.argv[2], ("name", "version", "description", "homepage", "license", "dependencies")):
    missing = set(fields) - json.load(open(path)).keys()
    assert not missing, (path, missing)' "$packaging/platformio/library.json" "$packaging/vcpkg/vcpkg.json"
}
arduino_fields() { # those that the library specification requires, each once
  diff <(grep -v '^#' "$packaging/arduino/library.properties" | cut -d= -f1 | sort) \
    <(printf '%s\n' architectures author category includes maintainer name paragraph sentence url version)
}
conan_recipe() { python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$packaging/conan/conanfile.py"; }
openwrt_make() { # FOLDER COMPILER-PREFIX: what its two include files do with the Makefile, as far as it matters here
  local top=$1
  mkdir -p "$top/include" "$top/build/joyfuljay.hpp-$version" &&
    cp -r "$root/joyfuljay.hpp" "$root/tools" "$top/build/joyfuljay.hpp-$version" &&
    printf '%s\n' 'INCLUDE_DIR=$(TOPDIR)/include' 'BUILD_DIR=$(TOPDIR)/build' 'INSTALL_DIR=mkdir -p' 'CP=cp' \
      'INSTALL_BIN=install -m755' 'INSTALL_CONF=install -m600' "TARGET_CC=$2gcc" "TARGET_CXX=$2g++" 'TARGET_CXXFLAGS=-Os' \
      > "$top/rules.mk" &&
    printf '%s\n' 'define BuildPackage' 'all: $(1)' '$(1): compiled' '	$$(if $$(Package/$(1)),,$$(error no $(1)))' \
      '	$$(call Package/$(1)/install,$(TOPDIR)/device)' 'endef' 'compiled:' '	$(call Build/Compile)' \
      '	$(call Build/InstallDev,$(TOPDIR)/staging)' > "$top/include/package.mk" &&
    make -C "$packaging/openwrt" "TOPDIR=$top" all
}
openwrt_rules() { # the header lands where other packages look, and the daemon where the init script does
  local top=$work/openwrt
  openwrt_make "$top" "" && cmp "$root/joyfuljay.hpp" "$top/staging/usr/include/joyfuljay.hpp" &&
    [ -x "$top/device/etc/init.d/joyfuljay" ] && [ -f "$top/device/etc/config/joyfuljay" ] || return 1
  "$top/device/usr/sbin/joyfuljay-exporter" 2>&1 | grep '^usage: '
}
openwrt_flash() { # what its description says; it needs no C++ library
  local cross=mips-linux-gnu- daemon=$work/openwrt-mips/device/usr/sbin/joyfuljay-exporter bytes
  openwrt_make "$work/openwrt-mips" "$cross" && "${cross}strip" "$daemon" || return 1
  bytes=$(wc -c < "$daemon")
  note="$bytes bytes on mips"
  "${cross}readelf" -d "$daemon" | tee "$work/needed" | grep NEEDED
  [ "$bytes" -lt 180000 ] && ! grep 'NEEDED.*stdc++' "$work/needed"
}
# The init script between stubs of what OpenWrt gives it: UCI's sections here are files of "option value".
openwrt_service() {
  mkdir -p "$work/uci/lan" "$work/uci/wan" "$work/uci/off" "$work/uci/vague" && echo 1 | tee "$work"/uci/{lan,wan,vague}/enabled &&
    echo br-lan > "$work/uci/lan/interface" && echo 192.0.2.9 > "$work/uci/lan/collector" && echo 4000 > "$work/uci/lan/port" &&
    echo pppoe-wan > "$work/uci/wan/interface" && echo 0 > "$work/uci/wan/statistics" && echo eth7 > "$work/uci/off/interface" || return 1
  (
    config_load() { [ "$1" = joyfuljay ]; }
    config_foreach() { local section && for section in lan off vague wan; do "$1" "$section"; done; }
    config_get() { read -r "$1" < "$work/uci/$2/$3" 2> /dev/null || eval "$1=\${4:-}"; }
    config_get_bool() { config_get "$@"; }
    procd_open_instance() { echo "$1:"; }
    procd_set_param() { [ "$1" != command ] || printf ' %s' "${@:2}"; }
    procd_append_param() { printf ' %s' "${@:2}"; }
    procd_close_instance() { echo; }
    procd_add_reload_trigger() { echo "reload when $1 changes"; }
    logger() { echo "logged: ${*:3}"; }
    # shellcheck source=/dev/null
    . "$packaging/openwrt/files/joyfuljay.init"
    start_service && service_triggers
  ) > "$work/started"
  printf '%s\n' lan: ' /usr/sbin/joyfuljay-exporter -u nobody -s 3600 -c 192.0.2.9 -p 4000 br-lan' \
    'logged: section vague names no interface' wan: ' /usr/sbin/joyfuljay-exporter -u nobody -s 0 pppoe-wan' \
    'reload when joyfuljay changes' | diff "$work/started" - &&
    options_are_asked_for
}
options_are_asked_for() { # those of the configuration, no others
  diff <(sed -n "s/^[[:space:]]*option \([a-z]*\) .*/\1/p" "$packaging/openwrt/files/joyfuljay.config" | sort) \
    <(sed -nE 's/.*config_get(_bool)? ([a-z]+) .*/\2/p' "$packaging/openwrt/files/joyfuljay.init" | sort)
}
openwrt_script() { shellcheck "$packaging/openwrt/files/joyfuljay.init"; }
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
yaml() { # and what it names is there; the workflow runs the gate
  (cd "$packaging" && python3 -c '
import os, yaml
def load(path): return yaml.safe_load(open(path))
component, build = load("esp-idf/idf_component.yml"), load("zephyr/zephyr/module.yml")["build"]
assert {"version", "description", "url", "license"} <= component.keys()
assert os.path.exists("zephyr/" + build["kconfig"]) and os.path.exists("zephyr/" + build["cmake"] + "/CMakeLists.txt")
job = load("../../.github/workflows/gate.yml")["jobs"]["gate"]
assert job["steps"][-1]["run"] == ".ci/run" and os.access("../../.ci/run", os.X_OK)')
}

check versions
check placeholders
check yocto_licence md5sum
check json python3
check arduino_fields
check conan_recipe python3
check openwrt_rules make g++ gcc
check openwrt_flash make mips-linux-gnu-g++
check openwrt_service
check openwrt_script shellcheck
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
