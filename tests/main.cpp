// The test program's entry point. Every other file in this folder tests the section of the header that it is named for.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
