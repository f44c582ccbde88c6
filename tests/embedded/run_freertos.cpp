// Runs examples/embedded/freertos_task.cpp under a stub: a queue of four frames, two of them a tick out of
// order, then a quiet link for two minutes.
#include <csetjmp>
#include <cstdio>
#include <vector>

#include "FreeRTOS.h"
#include "packet.hpp"
#include "queue.h"
#include "task.h"

extern "C" bool watch_start(const std::uint64_t random[2]);
extern "C" void watch_frame(const void* data, std::size_t length);
extern "C" unsigned long watch_lost();

struct stub_queue {
  std::size_t capacity, item_size;
  std::vector<std::vector<unsigned char>> items;
};
static TaskFunction_t task;
static TickType_t ticks = 0xFFFFFF00;  // about to wrap
static std::jmp_buf out;
static unsigned rows;

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t item_size) { return new stub_queue{length, item_size, {}}; }
BaseType_t xQueueSend(QueueHandle_t queue, const void* item, TickType_t) {
  if (queue->items.size() == queue->capacity) return 0;
  const auto* bytes = static_cast<const unsigned char*>(item);
  queue->items.emplace_back(bytes, bytes + queue->item_size);
  return pdTRUE;
}
BaseType_t xQueueReceive(QueueHandle_t queue, void* item, TickType_t wait) {
  if (queue->items.empty()) {
    ticks += wait;
    if (ticks > 120'000 && ticks < 0xFFFFFF00) std::longjmp(out, 1);
    return 0;
  }
  std::memcpy(item, queue->items.front().data(), queue->item_size);
  queue->items.erase(queue->items.begin());
  return pdTRUE;
}
BaseType_t xTaskCreate(TaskFunction_t code, const char*, std::uint32_t, void*, UBaseType_t, TaskHandle_t*) {
  task = code;
  return pdPASS;
}
TickType_t xTaskGetTickCount() { return ticks; }

void send_features(const float*, unsigned count) {
  std::printf("a flow of %u features\n", count);
  ++rows;
}

int main() {
  const std::uint64_t random[2] = {1, 2};
  unsigned char frame[frame_length];
  if (!watch_start(random)) return 1;
  const TickType_t start = ticks;
  for (const TickType_t after : {0u, 101u, 100u, 300u}) {
    ticks = start + after;
    put_frame(frame, after == 300);
    watch_frame(frame, sizeof frame);
  }
  if (setjmp(out) == 0) task(nullptr);
  return rows == 1 && watch_lost() == 0 ? 0 : 1;
}
