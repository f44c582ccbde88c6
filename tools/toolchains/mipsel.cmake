# MIPS32r2, little endian, o32, hard float
# Debian packages: g++-mipsel-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR mipsel)
set(triplet mipsel-linux-gnu)
set(emulator qemu-mipsel-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
