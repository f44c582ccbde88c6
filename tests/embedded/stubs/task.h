#pragma once
#include "FreeRTOS.h"
#define tskIDLE_PRIORITY 0
using TaskFunction_t = void (*)(void*);
using TaskHandle_t = struct stub_task*;
BaseType_t xTaskCreate(TaskFunction_t code, const char* name, std::uint32_t stack_words, void* parameters,
                       UBaseType_t priority, TaskHandle_t* created);
TickType_t xTaskGetTickCount();
