// bench: what a packet costs. One compiler call builds it: c++ -std=c++17 -O2 -I. tools/bench.cpp -o bench
//
//   bench [CAPTURE...] [--packets N] [--rounds N] [--load TEXT] [--only TEXT]
//
// Loads: three synthetic ones (mixed, small, scan) and every capture given. Frames lie in memory before the clock
// starts; all variants run in turn within a round, on the processor's time, and medians over the rounds are printed.
// Yardstick a parses headers; yardstick b also finds and counts in a plain open-addressing table of 64-byte entries
// under an unkeyed hash. Every engine variant computes every feature of every row and writes it as a float vector; text
// is timed apart.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/capture_file.hpp"

namespace jj = joyfuljay;

namespace {

// ---- Loads -------------------------------------------------------------------------------------------------------

struct load {
  std::string name;
  std::vector<std::uint8_t> bytes;
  std::vector<jj::frame> frames;  // data is an offset into bytes until `settle`
  std::vector<std::size_t> offsets;

  void add(const std::uint8_t* data, std::size_t captured, std::uint32_t wire_length, std::int64_t time_ns,
           jj::link_type link) {
    offsets.push_back(bytes.size());
    bytes.insert(bytes.end(), data, data + captured);
    frames.push_back({nullptr, captured, wire_length, time_ns, link});
  }
  void settle() {
    for (std::size_t at = 0; at < frames.size(); ++at) frames[at].data = bytes.data() + offsets[at];
    offsets = {};
  }
};

/// xorshift64* (Vigna, 2016): the same loads on every machine.
struct generator {
  std::uint64_t state;
  std::uint64_t next() {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return state * 0x2545F4914F6CDD1D;
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>((next() >> 32) * limit >> 32); }
};

/// An Ethernet frame with IPv4 and TCP headers of the conversation `flow`; the payload is only promised.
void add_tcp(load& to, std::uint32_t flow, bool backward, std::uint8_t flags, std::uint32_t payload,
             std::int64_t time_ns) {
  std::uint8_t f[54] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};
  const auto put16 = [&](std::size_t at, std::uint32_t value) {
    f[at] = static_cast<std::uint8_t>(value >> 8), f[at + 1] = static_cast<std::uint8_t>(value);
  };
  put16(16, 40 + payload);
  f[22] = 64, f[23] = 6;
  const std::uint32_t client = 0x0A000000 | (flow * 2654435761u >> 8), server = 0xC6336400 | (flow & 0xFF);
  const std::uint32_t source = backward ? server : client, target = backward ? client : server;
  put16(26, source >> 16), put16(28, source), put16(30, target >> 16), put16(32, target);
  const std::uint32_t client_port = 1024 + flow % 60000, server_port = 443;
  put16(34, backward ? server_port : client_port), put16(36, backward ? client_port : server_port);
  f[46] = 0x50, f[47] = flags;
  to.add(f, sizeof f, 54 + payload, time_ns, jj::link_type::ethernet);
}

constexpr std::uint8_t syn = jj::tcp_flag::syn, ack = jj::tcp_flag::ack, psh = jj::tcp_flag::psh,
                       fin = jj::tcp_flag::fin;

/// Flow lengths as on a mixed link: four in ten have one packet, three in four at most seven, one in 25 over fifty.
load mixed(std::size_t packets) {
  load result;
  result.name = "mixed";
  generator random{88172645463325252u};
  struct conversation {
    std::uint32_t flow, length, sent;
  };
  std::vector<conversation> open(std::max<std::size_t>(packets / 40, 1));
  std::uint32_t flows = 0;
  const auto start = [&](conversation& c) {
    const std::uint32_t kind = random.below(1000);
    const std::uint32_t length = kind < 380   ? 1
                                 : kind < 600 ? 2
                                 : kind < 750 ? 3 + random.below(5)
                                 : kind < 960 ? 8 + random.below(42)
                                 : kind < 990 ? 50 + random.below(200)
                                              : 250 + random.below(1500);
    c = {flows++, length, 0};
  };
  for (conversation& c : open) start(c);
  std::int64_t now = 1'700'000'000'000'000'000;
  while (result.frames.size() < packets) {
    conversation& c = open[random.below(static_cast<std::uint32_t>(open.size()))];
    const std::uint32_t burst = std::min(c.length - c.sent, 1 + random.below(8));
    for (std::uint32_t at = 0; at < burst; ++at, ++c.sent) {
      now += 1000 + random.below(20'000);
      const bool backward = c.sent != 0 && random.below(2) != 0;
      const std::uint8_t flags = c.sent == 0                              ? syn
                                 : c.sent + 2 >= c.length && c.length > 4 ? fin | ack
                                 : random.below(2) != 0                   ? psh | ack
                                                                          : ack;
      add_tcp(result, c.flow, backward, flags,
              c.sent < 2 || random.below(3) == 0 ? 0
              : backward                         ? 1400 - random.below(200) * (random.below(4) == 0)
                                                 : random.below(500),
              now);
    }
    if (c.sent >= c.length) start(c);
  }
  result.settle();
  return result;
}

/// 20 packets of each flow, all flows open at once, in random order: the worst case for caches.
load small_packets(std::size_t packets) {
  load result;
  result.name = "small";
  generator random{0x9E3779B97F4A7C15u};
  const std::uint32_t flows = static_cast<std::uint32_t>(std::max<std::size_t>(packets / 20, 1));
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::size_t at = 0; at < packets; ++at, now += 500)
    add_tcp(result, random.below(flows), random.below(2) != 0, psh | ack, random.below(64), now);
  result.settle();
  return result;
}

/// One SYN a flow.
load scan(std::size_t packets) {
  load result;
  result.name = "scan";
  for (std::size_t at = 0; at < packets; ++at)
    add_tcp(result, static_cast<std::uint32_t>(at), false, syn, 0,
            1'700'000'000'000'000'000 + static_cast<std::int64_t>(at) * 10'000);
  result.settle();
  return result;
}

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

template <std::size_t Flows, class... Groups> struct config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr std::size_t max_flows = Flows;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static constexpr std::size_t batch_frames = 32;
};
constexpr std::size_t large_table = 262'144, small_table = 4'096;

struct outcome {
  double ns_per_packet = 0;
  std::size_t rows = 0, bytes_per_flow = 0;
};

double processor_ns() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

volatile std::uint64_t not_optimised_away;

/// Takes rows as an exporter would: a float vector into an output buffer.
struct vector_sink {
  static constexpr std::size_t numbers = 1 << 16;
  std::unique_ptr<float[]> buffer = std::make_unique<float[]>(numbers);
  std::size_t used = 0, rows = 0;
  template <class Row, class Flow> void operator()(const Row& row, const Flow&, jj::end_reason) {
    if (used + jj::vector_length<Row>() > numbers) used = 0;
    jj::to_vector(row, buffer.get() + used);
    used += jj::vector_length<Row>();
    ++rows;
  }
};

outcome parse_only(const load& input) {
  std::uint64_t sum = 0;
  const double began = processor_ns();
  for (const jj::frame& f : input.frames) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) sum += p.ip_len + p.source_port;
  }
  not_optimised_away = sum;
  return {(processor_ns() - began) / static_cast<double>(input.frames.size()), 0, 0};
}

/// The plainest table that finds flows at all: 64-byte entries, an unkeyed hash, eight probes, then the first gives
/// way.
struct plain_table {
  struct entry {
    jj::detail::flow_key key;
    std::uint64_t bytes;
    std::uint32_t packets[2];
    std::uint32_t last_seconds;
    std::uint8_t flags[2];
  };
  static_assert(sizeof(entry) == 64, "the yardstick is a table of 64-byte entries");
  std::vector<entry> entries = std::vector<entry>(2 * large_table);

  void count(const jj::packet& p) {
    const jj::detail::packet_key from = jj::detail::packet_key::of(p);
    std::uint64_t hash = from.key.word[0] ^ from.key.word[1] ^ from.key.word[2] ^ from.key.word[3] ^ from.key.word[4];
    hash *= 0x9E3779B97F4A7C15;
    const std::size_t mask = entries.size() - 1, home = static_cast<std::size_t>(hash >> 32) & mask;
    entry* found = &entries[home];
    for (std::size_t probe = 0; probe < 8; ++probe) {
      entry& candidate = entries[(home + probe) & mask];
      if (candidate.key == from.key || candidate.key.word[0] == 0) {
        found = &candidate;
        break;
      }
    }
    if (!(found->key == from.key)) *found = entry{from.key, 0, {0, 0}, 0, {0, 0}};
    found->bytes += p.frame_len;
    ++found->packets[from.from_second];
    found->last_seconds = static_cast<std::uint32_t>(p.time_ns / 1'000'000'000);
    found->flags[from.from_second] |= p.tcp_flags;
  }
};

outcome parse_and_plain_table(const load& input) {
  static plain_table table;
  std::fill(table.entries.begin(), table.entries.end(), plain_table::entry{});
  const double began = processor_ns();
  for (const jj::frame& f : input.frames) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) table.count(p);
  }
  return {(processor_ns() - began) / static_cast<double>(input.frames.size()), 0, 64};
}

template <class Config, bool Batches = false> outcome run_engine(const load& input) {
  static std::unique_ptr<jj::engine<Config>> engine;
  engine.reset(new jj::engine<Config>);
  engine->seed({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  vector_sink sink;
  const double began = processor_ns();
  if constexpr (Batches)
    engine->feed_batch(input.frames.data(), input.frames.size(), sink);
  else
    for (const jj::frame& f : input.frames) engine->feed(f, sink);
  engine->flush(sink);
  const double took = processor_ns() - began;
  const jj::engine_statistics& s = engine->statistics();
  constexpr jj::engine_footprint f = jj::engine<Config>::footprint();
  const std::size_t used =
      s.most_open_flows * (f.slot + f.index) + s.most_used_chunks * f.chunk + s.most_used_long_states * f.long_state;
  return {took / static_cast<double>(input.frames.size()), sink.rows,
          s.most_open_flows != 0 ? used / s.most_open_flows : 0};
}

struct variant {
  const char* name;
  outcome (*run)(const load&);
};
const variant variants[] = {
    {"a: parse headers", parse_only},
    {"b: parse + plain 64-byte table", parse_and_plain_table},
    {"flow_meta, 262144 flows", run_engine<config<large_table, jj::flow_meta>>},
    {"flow_meta + tcp, 262144 flows", run_engine<config<large_table, jj::flow_meta, jj::tcp>>},
    {"four groups, 262144 flows", run_engine<config<large_table, jj::flow_meta, jj::timing, jj::size, jj::tcp>>},
    {"flow_meta + tcp, 262144 flows, batches", run_engine<config<large_table, jj::flow_meta, jj::tcp>, true>},
    {"four groups, 262144 flows, batches",
     run_engine<config<large_table, jj::flow_meta, jj::timing, jj::size, jj::tcp>, true>},
    {"flow_meta + tcp, 4096 flows", run_engine<config<small_table, jj::flow_meta, jj::tcp>>},
    {"four groups, 4096 flows", run_engine<config<small_table, jj::flow_meta, jj::timing, jj::size, jj::tcp>>},
};
constexpr std::size_t yardstick = 1;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const load& input, unsigned rounds, const std::string& only) {
  constexpr std::size_t count = sizeof variants / sizeof *variants;
  std::vector<double> times[count], ratios[count];
  outcome last[count];
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t at = 0; at < count; ++at) {
      if (at != yardstick && std::string(variants[at].name).find(only) == std::string::npos) continue;
      last[at] = variants[at].run(input);
      times[at].push_back(last[at].ns_per_packet);
    }
    for (std::size_t at = 0; at < count; ++at)
      if (!times[at].empty()) ratios[at].push_back(times[at].back() / times[yardstick].back());
  }
  std::printf(
      "\n%s: %zu frames, median of %u rounds\n\n| variant | ns/packet | Mpackets/s | times b | rows | bytes/open flow "
      "at peak |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
      input.name.c_str(), input.frames.size(), rounds);
  for (std::size_t at = 0; at < count; ++at)
    if (!times[at].empty())
      std::printf("| %s | %.1f | %.2f | %.2f | %zu | %zu |\n", variants[at].name, median(times[at]),
                  1000 / median(times[at]), median(ratios[at]), last[at].rows, last[at].bytes_per_flow);
}

/// What a row costs as text, by writing each row of a load many times.
template <class Write> double text_ns(const load& input, Write write) {
  using text_config = config<large_table, jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  auto engine = std::make_unique<jj::engine<text_config>>();
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

}  // namespace

int main(int count, char** arguments) {
  std::size_t packets = 2'000'000;
  unsigned rounds = 5;
  std::string only, wanted_load;
  std::vector<std::string> captures;
  for (int at = 1; at < count; ++at) {
    const std::string argument = arguments[at];
    if ((argument == "--packets" || argument == "--rounds" || argument == "--only" || argument == "--load") &&
        at + 1 < count) {
      const char* value = arguments[++at];
      if (argument == "--packets") packets = std::strtoul(value, nullptr, 10);
      if (argument == "--rounds") rounds = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
      if (argument == "--only") only = value;
      if (argument == "--load") wanted_load = value;
    } else if (argument[0] == '-') {
      std::fprintf(stderr, "usage: bench [CAPTURE...] [--packets N] [--rounds N] [--load TEXT] [--only TEXT]\n");
      return 1;
    } else {
      captures.push_back(argument);
    }
  }
  if (packets == 0 || rounds == 0) {
    std::fprintf(stderr, "bench: --packets and --rounds want numbers above 0\n");
    return 1;
  }
  const struct {
    const char* name;
    load (*make)(std::size_t);
  } synthetic[] = {{"mixed", mixed}, {"small", small_packets}, {"scan", scan}};
  for (const auto& one : synthetic)
    if (std::string(one.name).find(wanted_load) != std::string::npos) measure(one.make(packets), rounds, only);
  for (const std::string& path : captures) {
    load input;
    if (!read_capture(path, input) || input.frames.empty()) return 1;
    measure(input, rounds, only);
  }
  if (!only.empty() || !wanted_load.empty()) return 0;
  const load sample = mixed(std::min<std::size_t>(packets, 200'000));
  std::printf("\ntext, four groups: JSON %.0f ns a row, CSV %.0f ns a row\n",
              text_ns(sample, [](const auto& row, const auto& out) { jj::write_json(out, row); }),
              text_ns(sample, [](const auto& row, const auto& out) { jj::write_csv(out, row); }));
  return 0;
}
