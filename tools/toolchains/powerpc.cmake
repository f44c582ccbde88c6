# PowerPC, 32 bit, big endian
# Debian packages: g++-powerpc-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR ppc)
set(triplet powerpc-linux-gnu)
set(emulator qemu-ppc-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
