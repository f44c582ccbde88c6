// Feeds synthetic loads to three engines, and tells callgrind where a packet's work ends and a row's begins: see run.sh.
// Prints a line for each pair of dumps that callgrind writes: load, groups, packets, rows.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <memory>
#include <string>

#include "joyfuljay.hpp"
#include "tools/loads.hpp"

namespace jj = joyfuljay;

namespace {

template <class... Groups> struct counted_config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr std::size_t max_flows = 16'384, log_chunks = 65'536, long_flows = 4'096;
};
using flow_meta_tcp = counted_config<jj::flow_meta, jj::tcp>;
using four_groups = counted_config<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
using all_twelve = counted_config<jj::all_groups>;
constexpr std::size_t packets = 10'000;  // below max_flows: nothing is evicted, not even in the scan

/// What flows have at the end is reported apart: few end before, so packets are counted without rows.
template <class Config> void count(const loads::load& input, const char* groups) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  loads::vector_sink sink;
  engine->seed({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  CALLGRIND_ZERO_STATS;
  for (const jj::frame& frame : input.frames) engine->feed(frame, sink);
  CALLGRIND_DUMP_STATS_AT("packets");
  engine->flush(sink);
  CALLGRIND_DUMP_STATS_AT("rows");
  std::printf("%s %s %zu %zu\n", input.name.c_str(), groups, input.frames.size(), sink.rows);
}

}  // namespace

int main() {
  for (const loads::maker& one : loads::synthetic) {
    const std::string name = one.name;
    const bool is_wanted =
        name == "mixed" || name == "small" || name == "scan" || name == "tls" || name == "quic" || name == "bulk, QUIC";
    if (!is_wanted) continue;
    loads::load input = one.make(packets);
    input.name = name == "bulk, QUIC" ? "bulk_quic" : name;
    count<flow_meta_tcp>(input, "flow_meta,tcp");
    count<four_groups>(input, "four_groups");
    count<all_twelve>(input, "all_twelve");
  }
}
