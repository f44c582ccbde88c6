// bench: what a packet costs. One compiler call builds it: c++ -std=c++17 -O2 -I. tools/bench.cpp -o bench
//
//   bench [CAPTURE...] [--packets N] [--rounds N] [--load TEXT] [--only TEXT] [--json FILE] [--software-events]
//
// Loads: synthetic ones (below) and every capture given; --load and --only take those loads and variants whose name
// holds TEXT. Frames lie in memory before the clock starts; all variants run in turn within a round, on the processor's
// time, and medians over the rounds are printed.
// Yardstick a parses headers; yardstick b also finds and counts in a plain open-addressing table of 64-byte entries
// under an unkeyed hash. Every engine variant computes every feature of every row and writes it as a float vector; text
// is timed apart. Instructions and cache misses a packet are counted where the kernel lets this program do so
// (--software-events: page faults and processor time instead, to try that elsewhere). For instruction counts anywhere:
//   valgrind --tool=callgrind --toggle-collect='*feed_all*' ./bench --packets 100000 --rounds 1 --load small --only tcp
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/event_counters.hpp"
#include "tools/loads.hpp"
#include "tools/yardstick.hpp"

namespace jj = joyfuljay;
using loads::load;
using loads::vector_sink;

namespace {

// ---- Loads -------------------------------------------------------------------------------------------------------

bool read_capture(const std::string& path, load& result) {
  capture_file::reader reader;
  if (!reader.open(path.c_str())) {
    std::fprintf(stderr, "bench: %s\n", reader.error().c_str());
    return false;
  }
  result.name = path.substr(path.find_last_of('/') + 1);
  capture_file::record r;
  while (reader.next(r) == capture_file::reader::status::record)
    result.add(r.data, r.captured, r.wire_length, r.time_ns, static_cast<jj::link_type>(r.link_type));
  result.settle();
  return true;
}

// ---- Variants ----------------------------------------------------------------------------------------------------

using four_groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;

template <std::size_t Flows, class... Groups> struct config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr std::size_t max_flows = Flows;
  static constexpr std::size_t max_hosts = 65'536;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};
/// Apart, so that no engine's code is shared by two variants and all of it inlined alike.
template <class Config> struct in_batches : Config { static constexpr std::size_t batch_frames = 32; };
constexpr std::size_t large_table = 262'144, small_table = 4'096;

double processor_ns() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct cost {
  double ns = 0, instructions = 0, cache_misses = 0;
};
struct outcome {
  cost per_packet;
  std::size_t rows = 0, bytes_per_flow = 0;
};

const event_counters::pair* counters = nullptr;  // null where nothing is counted

/// From its construction on.
class stopwatch {
 public:
  cost per_packet(const load& input) const {
    const double ns = processor_ns() - began_.ns, packets = static_cast<double>(input.frames.size());
    const cost now = counted();
    return {ns / packets, (now.instructions - began_.instructions) / packets,
            (now.cache_misses - began_.cache_misses) / packets};
  }

 private:
  static cost counted() {
    if (counters == nullptr) return {};
    return {0, counters->instructions.read_now(), counters->cache_misses.read_now()};
  }
  static cost begin() {
    cost now = counted();
    now.ns = processor_ns();  // last, so that reading the counters is not in it
    return now;
  }
  cost began_ = begin();
};

volatile std::uint64_t not_optimised_away;

outcome parse_only(const load& input) {
  std::uint64_t sum = 0;
  const stopwatch watch;
  for (const jj::frame& f : input.frames) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) sum += p.ip_len + p.source_port;
  }
  not_optimised_away = sum;
  return {watch.per_packet(input), 0, 0};
}

outcome parse_and_plain_table(const load& input) {
  static yardstick::plain_table table;
  table.clear();
  const stopwatch watch;
  for (const jj::frame& f : input.frames) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) table.count(p);
  }
  return {watch.per_packet(input), 0, 64};
}

template <class Engine>
[[gnu::noinline]] void feed_all(Engine& engine, const std::vector<jj::frame>& frames, vector_sink& sink) {
  if constexpr (Engine::config::batch_frames != 0)
    engine.feed_batch(frames.data(), frames.size(), sink);
  else
    for (const jj::frame& f : frames) engine.feed(f, sink);
  engine.flush(sink);
}
template <class Config> outcome run_engine(const load& input) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  engine->seed({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  vector_sink sink;
  const stopwatch watch;
  feed_all(*engine, input.frames, sink);
  const cost per_packet = watch.per_packet(input);
  const jj::engine_statistics& s = engine->statistics();
  constexpr jj::engine_footprint f = jj::engine<Config>::footprint();
  const std::size_t used = s.most_open_flows * (f.slot + f.index) + s.most_used_chunks * f.chunk +
                           s.most_used_long_states * f.long_state + s.most_used_records * f.record;
  return {per_packet, sink.rows, s.most_open_flows != 0 ? used / s.most_open_flows : 0};
}

struct variant {
  const char* name;
  outcome (*run)(const load&);
};
/// The four groups and some more.
template <class... More> constexpr auto four_and = run_engine<config<large_table, four_groups, More...>>;
const variant variants[] = {
    {"a: parse headers", parse_only},
    {"b: parse + plain 64-byte table", parse_and_plain_table},
    {"four groups", four_and<>},
    {"four groups, batches", run_engine<in_batches<config<large_table, four_groups>>>},
    {"four groups, 4096 flows", run_engine<config<small_table, four_groups>>},
    {"flow_meta", run_engine<config<large_table, jj::flow_meta>>},
    {"flow_meta + tcp", run_engine<config<large_table, jj::flow_meta, jj::tcp>>},
    {"flow_meta + tcp, batches", run_engine<in_batches<config<large_table, jj::flow_meta, jj::tcp>>>},
    {"flow_meta + tcp, 4096 flows", run_engine<config<small_table, jj::flow_meta, jj::tcp>>},
    {"four + tls", four_and<jj::tls>},
    {"four + quic", four_and<jj::quic>},
    {"four + ssh", four_and<jj::ssh>},
    {"four + dns", four_and<jj::dns>},
    {"four + tls, quic, ssh, dns", four_and<jj::tls, jj::quic, jj::ssh, jj::dns>},
    {"four + fingerprint", four_and<jj::fingerprint>},
    {"four + entropy", four_and<jj::entropy>},
    {"four + padding", four_and<jj::padding>},
    {"four + entropy, padding", four_and<jj::entropy, jj::padding>},
    {"four + connection_counts", four_and<jj::connection_counts>},
    {"four + connection", four_and<jj::connection>},
    {"all that look at one flow", run_engine<config<large_table, jj::flow_groups>>},
    {"all twelve", run_engine<config<large_table, jj::all_groups>>},
    {"all twelve, batches", run_engine<in_batches<config<large_table, jj::all_groups>>>},
    {"all twelve, 4096 flows", run_engine<config<small_table, jj::all_groups>>},
};
constexpr std::size_t plain = 1, four = 2;  // what the others are compared with, within a round

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// What a load showed, as a row of the table and as an object of the JSON file.
struct finding {
  std::string load_name, variant_name;
  std::size_t frames, rows, bytes_per_flow;
  cost per_packet;
  double times_b, over_four;  // over_four: ns a packet more than the four groups
};

void print_heading(const load& input, unsigned rounds) {
  std::printf(
      "\n%s: %zu frames, median of %u rounds, 262144 flows where nothing else is said\n\n"
      "| variant | ns/packet | times b | over four groups, ns/packet | ns/row | rows | rows/s | bytes/open flow |%s\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |%s\n",
      input.name.c_str(), input.frames.size(), rounds,
      counters != nullptr ? " instructions/packet | cache misses/packet |" : "",
      counters != nullptr ? " ---: | ---: |" : "");
}
void print_finding(const finding& f) {
  const double per_row = f.rows != 0 ? static_cast<double>(f.frames) / static_cast<double>(f.rows) : 0;
  std::printf("| %s | %.1f | %.2f | %.1f | %.0f | %zu | %.0f | %zu |", f.variant_name.c_str(), f.per_packet.ns,
              f.times_b, f.over_four, f.over_four * per_row, f.rows,
              per_row != 0 ? 1e9 / (f.per_packet.ns * per_row) : 0, f.bytes_per_flow);
  if (counters != nullptr) std::printf(" %.1f | %.3f |", f.per_packet.instructions, f.per_packet.cache_misses);
  std::printf("\n");
}

std::vector<finding> measure(const load& input, unsigned rounds, const std::string& only) {
  constexpr std::size_t count = sizeof variants / sizeof *variants;
  const auto is_wanted = [&](std::size_t at) {
    return at == plain || at == four || std::string(variants[at].name).find(only) != std::string::npos;
  };
  std::vector<double> times[count], ratios[count], differences[count], instructions[count], misses[count];
  outcome last[count];
  for (unsigned round = 0; round < rounds; ++round)
    for (std::size_t at = 0; at < count; ++at) {
      if (!is_wanted(at)) continue;
      last[at] = variants[at].run(input);
      times[at].push_back(last[at].per_packet.ns);
      instructions[at].push_back(last[at].per_packet.instructions);
      misses[at].push_back(last[at].per_packet.cache_misses);
      if (at < plain) continue;
      ratios[at].push_back(times[at].back() / times[plain].back());
      if (at >= four) differences[at].push_back(times[at].back() - times[four].back());
    }
  print_heading(input, rounds);
  std::vector<finding> findings;
  for (std::size_t at = 0; at < count; ++at) {
    if (times[at].empty()) continue;
    const auto median_of = [](const std::vector<double>& values) { return values.empty() ? 0 : median(values); };
    const cost per_packet{median(times[at]), median(instructions[at]), median(misses[at])};
    findings.push_back({input.name, variants[at].name, input.frames.size(), last[at].rows, last[at].bytes_per_flow,
                        per_packet, median_of(ratios[at]), median_of(differences[at])});
    print_finding(findings.back());
  }
  std::fflush(stdout);
  return findings;
}

/// What a row costs as text, by writing each row of a load many times.
template <class Groups, class Write> double text_ns(const load& input, Write write) {
  auto engine = std::make_unique<jj::engine<config<large_table, Groups>>>();
  double total = 0;
  std::size_t rows = 0;
  std::string out;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason) {
    constexpr int times = 4;
    const double began = processor_ns();
    for (int time = 0; time < times; ++time) {
      out.clear();
      write(row, [&](const char* characters, std::size_t length) { out.append(characters, length); });
    }
    total += (processor_ns() - began) / times;
    ++rows;
  };
  for (const jj::frame& f : input.frames) {
    engine->feed(f, sink);
    if (rows >= 20'000) break;
  }
  engine->flush(sink);
  not_optimised_away = out.size();
  return rows != 0 ? total / static_cast<double>(rows) : 0;
}

struct text_time {
  const char *groups, *format;
  double ns_per_row;
};
template <class Groups> void add_text(const char* groups, const load& input, std::vector<text_time>& times) {
  const auto json = [](const auto& row, const auto& out) { jj::write_json(out, row); };
  const auto csv = [](const auto& row, const auto& out) { jj::write_csv(out, row); };
  times.push_back({groups, "JSON", text_ns<Groups>(input, json)});
  times.push_back({groups, "CSV", text_ns<Groups>(input, csv)});
}
std::vector<text_time> measure_text(const load& input) {
  std::vector<text_time> times;
  add_text<four_groups>("four groups", input, times);
  add_text<jj::all_groups>("all twelve", input, times);
  std::printf("\ntext:");
  for (const text_time& t : times) std::printf(" %s %s %.0f ns a row;", t.groups, t.format, t.ns_per_row);
  std::printf("\n");
  return times;
}

bool write_json_file(const std::string& path, const std::vector<finding>& findings,
                     const std::vector<text_time>& texts) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return std::fprintf(stderr, "bench: cannot write %s\n", path.c_str()), false;
  const char* separator = "";
  std::fprintf(file, "{\"findings\": [");
  for (const finding& f : findings) {
    std::fprintf(file,
                 "%s\n  {\"load\": \"%s\", \"variant\": \"%s\", \"frames\": %zu, \"rows\": %zu, "
                 "\"bytes_per_open_flow\": %zu, \"ns_per_packet\": %.2f, \"times_b\": %.3f, \"over_four_ns\": %.2f",
                 separator, f.load_name.c_str(), f.variant_name.c_str(), f.frames, f.rows, f.bytes_per_flow,
                 f.per_packet.ns, f.times_b, f.over_four);
    if (counters != nullptr)
      std::fprintf(file, ", \"instructions_per_packet\": %.1f, \"cache_misses_per_packet\": %.3f",
                   f.per_packet.instructions, f.per_packet.cache_misses);
    std::fprintf(file, "}");
    separator = ",";
  }
  std::fprintf(file, "],\n\"text\": [");
  separator = "";
  for (const text_time& t : texts) {
    std::fprintf(file, "%s\n  {\"groups\": \"%s\", \"format\": \"%s\", \"ns_per_row\": %.0f}", separator, t.groups,
                 t.format, t.ns_per_row);
    separator = ",";
  }
  std::fprintf(file, "]}\n");
  return std::fclose(file) == 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t packets = 2'000'000;
  unsigned rounds = 5;
  std::string only, wanted_load, json;
  std::vector<std::string> captures;
  bool software_events = false;
  for (int at = 1; at < count; ++at) {
    const std::string argument = arguments[at];
    const bool is_option = argument == "--packets" || argument == "--rounds" || argument == "--only" ||
                           argument == "--load" || argument == "--json";
    if (is_option && at + 1 < count) {
      const char* value = arguments[++at];
      if (argument == "--packets") packets = std::strtoul(value, nullptr, 10);
      if (argument == "--rounds") rounds = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
      if (argument == "--only") only = value;
      if (argument == "--load") wanted_load = value;
      if (argument == "--json") json = value;
    } else if (argument == "--software-events") {
      software_events = true;
    } else if (argument[0] == '-') {
      std::fprintf(stderr,
                   "usage: bench [CAPTURE...] [--packets N] [--rounds N] [--load TEXT] [--only TEXT] [--json FILE]\n"
                   "             [--software-events]\n");
      return 1;
    } else {
      captures.push_back(argument);
    }
  }
  if (packets == 0 || rounds == 0) {
    std::fprintf(stderr, "bench: --packets and --rounds want numbers above 0\n");
    return 1;
  }
  const event_counters::pair events(software_events);
  if (events.counts())
    counters = &events;
  else
    std::printf("The kernel lets no instructions and cache misses be counted here: no columns for them.\n");
  if (counters != nullptr && software_events)
    std::printf("Instead of instructions nanoseconds, instead of cache misses page faults.\n");
  std::vector<finding> findings;
  const auto add = [&](const load& input) {
    for (const finding& f : measure(input, rounds, only)) findings.push_back(f);
  };
  for (const loads::maker& one : loads::synthetic) {
    if (std::string(one.name).find(wanted_load) == std::string::npos) continue;
    load input = one.make(packets);
    input.name = one.name;
    add(input);
  }
  for (const std::string& path : captures) {
    load input;
    if (!read_capture(path, input) || input.frames.empty()) return 1;
    add(input);
  }
  std::vector<text_time> texts;
  if (only.empty() && wanted_load.empty()) texts = measure_text(loads::mixed(std::min<std::size_t>(packets, 200'000)));
  return json.empty() || write_json_file(json, findings, texts) ? 0 : 1;
}
