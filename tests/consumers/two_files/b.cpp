#include <joyfuljay.hpp>

int version_seen_by_b() { return JOYFULJAY_VERSION_MINOR; }
