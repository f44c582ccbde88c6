################################################################################
#
# joyfuljay
#
################################################################################
# Checked: the rules, with a stub of cmake-package (tests/packaging). Not checked: a build in Buildroot's tree.
# At a release: OWNER is where the repository lies.

JOYFULJAY_VERSION = 0.1.0
JOYFULJAY_SITE = $(call github,OWNER,joyfuljay.hpp,v$(JOYFULJAY_VERSION))
JOYFULJAY_LICENSE = MIT
JOYFULJAY_LICENSE_FILES = LICENSE
JOYFULJAY_INSTALL_STAGING = YES
JOYFULJAY_INSTALL_TARGET = NO
JOYFULJAY_CONF_OPTS = -DJOYFULJAY_TESTS=OFF -DJOYFULJAY_TOOLS=OFF -DJOYFULJAY_EXAMPLES=OFF

$(eval $(cmake-package))
