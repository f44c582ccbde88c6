// bench_process: what a packet of a capture costs a whole process: reading the file through mmap, page faults, every
// feature of every row written as a float vector, the end of the process. For Linux; on captures of a gigabyte.
//
//   c++ -std=c++17 -O2 -I. tools/bench_process.cpp -o bench_process && ./bench_process CAPTURE... [--rounds N]
//
// Each variant runs in a process of its own, all in turn within a round, as an engine of 262,144 flows would on one core.
// Printed are medians over the rounds of the processor's time, user and system, and of what it is in times the
// yardstick's in the same round: parsing and counting in a plain table of 64-byte entries.
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/loads.hpp"
#include "tools/several_engines.hpp"
#include "tools/yardstick.hpp"

namespace jj = joyfuljay;

namespace {

/// Gives the frames of a capture to visit(frame), from the pages that the system maps. The number of frames.
template <class Visit> std::size_t each_frame(const char* path, Visit&& visit) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat about {};
  if (file < 0 || fstat(file, &about) != 0) return 0;
  const std::size_t length = static_cast<std::size_t>(about.st_size);
  void* const pages = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file, 0);
  capture_file::reader reader;
  if (pages == MAP_FAILED || !reader.open_memory(static_cast<const std::uint8_t*>(pages), length)) return 0;
  capture_file::record r;
  std::size_t frames = 0;
  for (; reader.next(r) == capture_file::reader::status::record; ++frames)
    visit(jj::frame{r.data, r.captured, r.wire_length, r.time_ns, static_cast<jj::link_type>(r.link_type)});
  return frames;
}

// ---- Variants: each gets a path, and returns how many frames it took --------------------------------------------------

volatile std::uint64_t not_optimised_away;

std::size_t parse_only(const char* path) {
  std::uint64_t sum = 0;
  const std::size_t frames = each_frame(path, [&](const jj::frame& f) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) sum += p.ip_len + p.source_port;
  });
  not_optimised_away = sum;
  return frames;
}
std::size_t parse_and_plain_table(const char* path) {
  yardstick::plain_table table;
  return each_frame(path, [&](const jj::frame& f) {
    jj::packet p;
    if (jj::parse_frame<jj::link_type::per_frame>(f, p) == jj::verdict::counted) table.count(p);
  });
}

template <std::size_t Batch, class... Groups> struct config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr std::size_t max_flows = 262'144, max_hosts = 65'536, batch_frames = Batch;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};
template <std::size_t Batch, class... Groups> std::size_t run_engine(const char* path) {
  using engine_type = jj::engine<config<Batch, Groups...>>;
  engine_type* const engine = several::make_engine<engine_type>();
  if (engine == nullptr || !engine->seed({0x0706050403020100, 0x0f0e0d0c0b0a0908})) return 0;
  loads::vector_sink sink;
  std::size_t frames = 0;
  if constexpr (Batch == 0) {
    frames = each_frame(path, [&](const jj::frame& f) { engine->feed(f, sink); });
  } else {
    jj::frame waiting[Batch];
    std::size_t count = 0;
    frames = each_frame(path, [&](const jj::frame& f) {
      waiting[count++] = f;
      if (count < Batch) return;
      engine->feed_batch(waiting, count, sink);
      count = 0;
    });
    engine->feed_batch(waiting, count, sink);
  }
  engine->flush(sink);
  return frames;
}

using four_groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
struct variant {
  const char* name;
  std::size_t (*run)(const char* path);
};
const variant variants[] = {
    {"a: parse headers", parse_only},
    {"b: parse + plain 64-byte table", parse_and_plain_table},
    {"flow_meta + tcp", run_engine<0, jj::flow_meta, jj::tcp>},
    {"flow_meta + tcp, batches", run_engine<32, jj::flow_meta, jj::tcp>},
    {"four groups", run_engine<0, four_groups>},
    {"four groups, batches", run_engine<32, four_groups>},
    {"four + entropy, padding", run_engine<0, four_groups, jj::entropy, jj::padding>},
    {"four + entropy, padding, batches", run_engine<32, four_groups, jj::entropy, jj::padding>},
    {"all twelve", run_engine<0, jj::all_groups>},
    {"all twelve, batches", run_engine<32, jj::all_groups>},
};
constexpr std::size_t plain = 1;

// ---- Processes -------------------------------------------------------------------------------------------------------

double seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

/// Nanoseconds of processor time a packet that a process of its own takes; 0: it failed.
double ns_per_packet(const variant& v, const char* path, std::size_t& frames) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const pid_t child = fork();
  if (child == 0) {
    const std::size_t taken = v.run(path);
    _exit(write(ends[1], &taken, sizeof taken) == static_cast<ssize_t>(sizeof taken) ? 0 : 1);
  }
  close(ends[1]);
  frames = 0;
  const bool said = child > 0 && read(ends[0], &frames, sizeof frames) == static_cast<ssize_t>(sizeof frames);
  close(ends[0]);
  int status = 0;
  rusage used{};
  if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0 || !said || frames == 0) return 0;
  return (seconds(used.ru_utime) + seconds(used.ru_stime)) * 1e9 / static_cast<double>(frames);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool measure(const char* path, unsigned rounds) {
  constexpr std::size_t count = sizeof variants / sizeof *variants;
  std::vector<double> times[count], ratios[count];
  std::size_t frames = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t at = 0; at < count; ++at) times[at].push_back(ns_per_packet(variants[at], path, frames));
    for (std::size_t at = 0; at < count; ++at) {
      if (times[at].back() == 0) return std::fprintf(stderr, "bench_process: %s: no frames\n", path), false;
      ratios[at].push_back(times[at].back() / times[plain].back());
    }
  }
  std::printf("\n%s: %zu frames, median of %u rounds, processor time of a whole process\n\n", path, frames, rounds);
  std::printf("| variant | ns/packet | times b |\n| --- | ---: | ---: |\n");
  for (std::size_t at = 0; at < count; ++at)
    std::printf("| %s | %.0f | %.2f |\n", variants[at].name, median(times[at]), median(ratios[at]));
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  unsigned rounds = 5;
  std::vector<const char*> captures;
  for (int at = 1; at < count; ++at) {
    if (std::strcmp(arguments[at], "--rounds") == 0 && at + 1 < count)
      rounds = static_cast<unsigned>(std::strtoul(arguments[++at], nullptr, 10));
    else
      captures.push_back(arguments[at]);
  }
  if (captures.empty() || rounds == 0 || captures[0][0] == '-')
    return std::fprintf(stderr, "usage: bench_process CAPTURE... [--rounds N]\n"), 1;
  for (const char* const path : captures)
    if (!measure(path, rounds)) return 1;
  return 0;
}
