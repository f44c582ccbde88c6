# ARMv5TE, soft float: no unaligned loads, no FPU
# Debian packages: g++-arm-linux-gnueabi qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR armv5tel)
set(triplet arm-linux-gnueabi)
set(emulator qemu-arm-static)
set(emulator_options -cpu arm926)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
