# RV64GC
# Debian packages: g++-riscv64-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(triplet riscv64-linux-gnu)
set(emulator qemu-riscv64-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
