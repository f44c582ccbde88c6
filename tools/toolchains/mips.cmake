# MIPS32r2, big endian, o32, hard float
# Debian packages: g++-mips-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR mips)
set(triplet mips-linux-gnu)
set(emulator qemu-mips-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
