// Two files of one program include the header: nothing in it may be defined twice.
#include <joyfuljay.hpp>

int version_seen_by_b();

int main() { return version_seen_by_b() == JOYFULJAY_VERSION_MINOR ? 0 : 1; }
