# x86, 32 bit. SSE arithmetic, because x87 rounds twice and features would differ in the last bit.
# Debian packages: g++-i686-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_PROCESSOR i686)
set(triplet i686-linux-gnu)
set(emulator qemu-i386-static)
set(CMAKE_CXX_FLAGS_INIT "-msse2 -mfpmath=sse")
include(${CMAKE_CURRENT_LIST_DIR}/linux.cmake)
