# ARMv7-A, hard float
# Debian packages: g++-arm-linux-gnueabihf qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(triplet arm-linux-gnueabihf)
set(emulator qemu-arm-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
