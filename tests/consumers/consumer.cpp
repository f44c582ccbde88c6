// A user's program. Prints the version of the header that it was given; fails unless it is the one that was asked for.
#include <cstdio>
#include <cstring>
#include <joyfuljay.hpp>

int main(int, char** argv) {
  char version[32];
  std::snprintf(version, sizeof version, "%d.%d.%d", JOYFULJAY_VERSION_MAJOR, JOYFULJAY_VERSION_MINOR,
                JOYFULJAY_VERSION_PATCH);
  std::puts(version);
  return argv[1] != nullptr && std::strcmp(version, argv[1]) == 0 ? 0 : 1;
}
