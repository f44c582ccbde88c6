# ARMv8-A, 64 bit
# Debian packages: g++-aarch64-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triplet aarch64-linux-gnu)
set(emulator qemu-aarch64-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
