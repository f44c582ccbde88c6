# SPARC V9: 64 bit, big endian, traps on unaligned access
# Debian packages: g++-sparc64-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR sparc64)
set(triplet sparc64-linux-gnu)
set(emulator qemu-sparc64-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
