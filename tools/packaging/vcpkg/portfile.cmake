# vcpkg. Checked: with stubs of vcpkg's functions (tests/packaging). Not checked: an installation with vcpkg.
# At a release: OWNER is where the repository lies, HASH is `sha512sum` of the archive of its tag.
set(VCPKG_BUILD_TYPE release)  # a header has no debug build
vcpkg_from_github(
  OUT_SOURCE_PATH SOURCE_PATH
  REPO OWNER/joyfuljay.hpp
  REF v${VERSION}
  SHA512 HASH
  HEAD_REF main)
vcpkg_cmake_configure(
  SOURCE_PATH ${SOURCE_PATH}
  OPTIONS -DJOYFULJAY_TESTS=OFF -DJOYFULJAY_TOOLS=OFF -DJOYFULJAY_EXAMPLES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/joyfuljay)
file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/lib)
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
