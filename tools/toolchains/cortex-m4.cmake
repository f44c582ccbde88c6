# Cortex-M4F without an operating system, with newlib; tests run on QEMU's mps2-an386 board through semihosting.
# Debian packages: gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm
# A program that is to run also links ${BAREMETAL_STARTUP}, which is C.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(board ${CMAKE_CURRENT_LIST_DIR}/cortex-m)
set(BAREMETAL_STARTUP ${board}/startup.c)
set(cpu "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_INIT "${cpu}")
set(CMAKE_CXX_FLAGS_INIT "${cpu} -Wno-psabi -include ${board}/no_threads.hpp -Dthread_local= -DDOCTEST_CONFIG_NO_POSIX_SIGNALS")
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=rdimon.specs -nostartfiles -T ${board}/link.ld -Wl,--gc-sections")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-system-arm -M mps2-an386 -nographic -semihosting-config enable=on,target=native -kernel)
