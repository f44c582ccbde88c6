// What must hold is checked in every build of a fuzz target.
#ifndef JOYFULJAY_TESTS_FUZZ_MUST_HPP
#define JOYFULJAY_TESTS_FUZZ_MUST_HPP

#include <cstdio>
#include <cstdlib>

[[noreturn]] inline void must_not(const char* what) {
  std::fprintf(stderr, "must not be: %s\n", what);
  std::abort();
}
inline void must(bool condition) {
  if (!condition) must_not("a condition that does not hold");
}

#endif  // JOYFULJAY_TESTS_FUZZ_MUST_HPP
