# Yocto. Checked: by eye, against its manual. Not checked: bitbake.
# At a release: OWNER is where the repository lies.
SUMMARY = "Flow features from raw frames, in one C++17 header"
HOMEPAGE = "https://github.com/OWNER/joyfuljay.hpp"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=4506a3d8e91a09722c45b4a61512de67"

SRC_URI = "git://github.com/OWNER/joyfuljay.hpp;protocol=https;branch=main;tag=v${PV}"
S = "${WORKDIR}/git"

inherit cmake
EXTRA_OECMAKE = "-DJOYFULJAY_TESTS=OFF -DJOYFULJAY_TOOLS=OFF -DJOYFULJAY_EXAMPLES=OFF"

# A header: everything goes to the development package, and the package proper is empty.
ALLOW_EMPTY:${PN} = "1"
RDEPENDS:${PN}-dev = ""
FILES:${PN}-dev += "${datadir}/cmake ${datadir}/pkgconfig"
