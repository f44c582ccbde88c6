// FreeRTOS: the network driver queues frames, a task of low priority counts them. Compiled and run by the tests under
// stub headers with FreeRTOS's names; not run under FreeRTOS.
//
// The queue holds copies of the headers, because the driver takes its buffers back. 128 bytes show everything that the
// basic groups look at; a group that reads payload (tls, entropy) wants whole frames, and presets::gateway.
//
// Stack: a call of the engine takes less than 2 KiB (tests/stack), the sink's own needs come on top.
#include <FreeRTOS.h>
#include <queue.h>
#include <task.h>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

void send_features(const float* values, unsigned count);  // the board's: to a model, to a socket

namespace {

struct queued_frame {
  std::uint16_t captured, wire_length;
  TickType_t ticks;
  std::uint8_t head[128];
};
constexpr unsigned queue_length = 16, stack_words = 768;  // 3 KiB

using engine_type = jj::engine<jj::presets::microcontroller>;
engine_type engine;  // 30 KB of .bss
QueueHandle_t frames;
unsigned long lost;

void on_flow(const engine_type::row& row, void*) {
  float features[jj::vector_length<engine_type::row>()];
  jj::to_vector(row, features);
  send_features(features, sizeof features / sizeof *features);
}
constexpr jj::callback_sink<engine_type::row> sink{on_flow, nullptr};

// Ticks wrap around after 49 days at 1 kHz; only the time between frames counts. It is signed: when two tasks queue
// frames, one may read the clock first and queue its frame last. The engine takes clocks that step back.
std::int64_t nanoseconds(TickType_t ticks) {
  static TickType_t last;
  static std::int64_t total_ns;
  const auto passed = static_cast<std::make_signed_t<TickType_t>>(ticks - last);
  total_ns += std::int64_t{1'000'000'000 / configTICK_RATE_HZ} * passed;
  last = ticks;
  return total_ns;
}

void run(void*) {
  static queued_frame next;  // off the stack
  for (;;) {
    if (xQueueReceive(frames, &next, pdMS_TO_TICKS(1000)) == pdTRUE)
      engine.feed({next.head, next.captured, next.wire_length, nanoseconds(next.ticks)}, sink);
    else
      engine.tick(nanoseconds(xTaskGetTickCount()), sink);  // the link is quiet
  }
}

}  // namespace

// The driver calls this for frames in both directions, in task context. Frames that find the queue full are not counted
// as packets of a flow; `lost` says how many there were.
extern "C" void watch_frame(const void* data, std::size_t length) {
  queued_frame copy;
  copy.captured = static_cast<std::uint16_t>(length < sizeof copy.head ? length : sizeof copy.head);
  copy.wire_length = static_cast<std::uint16_t>(length);
  copy.ticks = xTaskGetTickCount();
  std::memcpy(copy.head, data, copy.captured);
  if (xQueueSend(frames, &copy, 0) != pdTRUE) ++lost;
}
extern "C" unsigned long watch_lost() { return lost; }

// `random` comes from the board's generator.
extern "C" bool watch_start(const std::uint64_t random[2]) {
  engine.seed({random[0], random[1]});
  frames = xQueueCreate(queue_length, sizeof(queued_frame));
  return frames != nullptr && xTaskCreate(run, "flows", stack_words, nullptr, tskIDLE_PRIORITY + 1, nullptr) == pdPASS;
}
