# IBM Z, 64 bit, big endian
# Debian packages: g++-s390x-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(triplet s390x-linux-gnu)
set(emulator qemu-s390x-static)
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
