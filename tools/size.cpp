// A firmware's use of the header, for size.sh to measure: -DPRESET=gateway. Feeds, ticks and flushes; the rows of flows
// that end become a float vector for a model, or with -DWRITERS text.
#include "joyfuljay.hpp"

namespace jj = joyfuljay;

using engine_type = jj::engine<jj::presets::PRESET>;
static engine_type engine;

extern "C" {
extern volatile const float* model;  // what a device does with a flow is not measured
extern void send(const char* text, std::size_t length);
bool next_frame(jj::frame* f);
}

static void on_flow(const engine_type::row& row, void*) {
#ifdef WRITERS
  jj::write_json(send, row);
  jj::write_csv(send, row);
#else
  static float values[jj::vector_length<engine_type::row>()];
  jj::to_vector(row, values);
  model = values;
#endif
}

int main() {
  const auto sink = jj::callback_sink<engine_type::row>{on_flow, nullptr};
  jj::frame frame{};
  engine.seed({1, 2});
  while (next_frame(&frame)) {
    engine.feed(frame, sink);
    engine.tick(frame.time_ns, sink);
  }
  engine.flush(sink);
}
