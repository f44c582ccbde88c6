// From captures to training data: what an engine of your own configuration says of each flow, as the numbers that
// `to_vector` hands to a model on the device. One CSV line a flow, and a hash of what the columns mean.
// Build and run: c++ -std=c++17 -O2 -I. examples/training_rows.cpp -o training_rows && ./training_rows *.pcap > rows.csv
//
// `jj extract` has larger tables than a device and no limit to what a packet may cost; this program has those of the
// device, so a model learns from the rows that it will be shown. Each capture gets an engine of its own.
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <cinttypes>
#include <cstdio>
#include <memory>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

struct device : jj::presets::gateway {                             // put here what the firmware has
  static constexpr jj::link_type link = jj::link_type::per_frame;  // but captures may be of any link
};
using engine_type = jj::engine<device>;

/// "nan" does not occur, and %.9g brings every float back.
static void write_line(const engine_type::row& row, jj::end_reason why) {
  float values[jj::vector_length<engine_type::row>()];
  jj::to_vector(row, values);
  std::fputs(jj::end_reason_names[static_cast<int>(why)], stdout);
  for (const float value : values) std::printf(",%.9g", static_cast<double>(value));
  std::fputc('\n', stdout);
}

/// False: the file is no capture, or damaged.
static bool read_capture(const char* path) {
  capture_file::reader reader;
  if (!reader.open(path)) return std::fprintf(stderr, "%s\n", reader.error().c_str()), false;
  const auto on_flow = [](const auto& row, const auto&, jj::end_reason why) { write_line(row, why); };
  const auto engine = std::make_unique<engine_type>();
  engine->seed({0x0123456789abcdef, 0xfedcba9876543210});  // rows do not depend on it
  capture_file::record r;
  capture_file::reader::status status;
  while ((status = reader.next(r)) == capture_file::reader::status::record)
    engine->feed({r.data, r.captured, r.wire_length, r.time_ns, static_cast<jj::link_type>(r.link_type)}, on_flow);
  engine->flush(on_flow);
  if (status == capture_file::reader::status::damaged) std::fprintf(stderr, "%s\n", reader.error().c_str());
  return status == capture_file::reader::status::end;
}

int main(int count, char** paths) {
  if (count < 2) return std::fprintf(stderr, "usage: training_rows CAPTURE... > rows.csv\n"), 2;
  std::printf("end_reason");  // rows of evicted and flushed flows are of what was seen until then
  jj::for_each_vector_feature<engine_type::row>([](const jj::feature_info& f) { std::printf(",%s", f.name); });
  std::printf("\n");
  bool all_well = true;
  for (int at = 1; at < count; ++at) all_well = read_capture(paths[at]) && all_well;
  std::fprintf(stderr, "schema %016" PRIx64 ": keep it with the model, and compare it on the device\n",
               jj::schema_hash<engine_type::row>());
  return all_well ? 0 : 1;
}
