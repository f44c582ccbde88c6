# MIPS64r2, big endian, n64
# Debian packages: g++-mips64-linux-gnuabi64 qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR mips64)
set(triplet mips64-linux-gnuabi64)
set(emulator qemu-mips64-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
