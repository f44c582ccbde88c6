// The few names of FreeRTOS that the example uses, with the types of its ARM ports. Implemented in run_freertos.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
using TickType_t = std::uint32_t;
using BaseType_t = long;
using UBaseType_t = unsigned long;
#define configTICK_RATE_HZ 1000
#define pdMS_TO_TICKS(ms) (static_cast<TickType_t>(ms))
#define pdTRUE 1
#define pdPASS 1
