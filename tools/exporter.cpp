// joyfuljay-exporter: a daemon for routers. Reads an Ethernet or IP interface and sends one JSON line for every flow that
// ends: a datagram to a collector, or a line on standard output. No library but C's; memory is fixed when it is compiled.
//
//   joyfuljay-exporter [-c ADDRESS] [-p PORT] [-u USER] [-s SECONDS] INTERFACE
//     -c ADDRESS   IPv4 or IPv6 address of a collector of JSON over UDP (Vector, Fluent Bit, Telegraf, ...)
//     -p PORT      its port, 9995 unless given
//     -u USER      go on as this user once the sockets are open
//     -s SECONDS   write counts to standard error so often; 0, the default: at the end only
//     -h, --help   say so
//
// SIGTERM and SIGINT report what is open and end it. An interface that goes away is waited for.
// Build: c++ -std=c++17 -Os -fno-exceptions -fno-rtti -I. -c tools/exporter.cpp && cc exporter.o -lm -o joyfuljay-exporter
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>

#include <csignal>
#include <cstdlib>

#include "tools/packet_ring.hpp"

#ifndef EXPORTER_GROUPS  // the feature groups of a row
#define EXPORTER_GROUPS jj::flow_meta, jj::timing, jj::size, jj::tcp, jj::tls, jj::quic, jj::ssh, jj::dns
#endif
#ifndef EXPORTER_FLOWS  // open at once
#define EXPORTER_FLOWS 4096
#endif

namespace jj = joyfuljay;

namespace {

struct exporter : jj::default_config {
  using groups = jj::type_list<EXPORTER_GROUPS>;
  static constexpr std::size_t max_flows = EXPORTER_FLOWS;
  static constexpr std::size_t batch_frames = 32;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static constexpr std::int64_t active_timeout_ns = 300'000'000'000;  // a collector hears of long flows, too
};
jj::engine<exporter> engine;
live::packet_ring ring;
constexpr std::size_t ring_blocks = 16;  // 4 MB of frames that wait
volatile std::sig_atomic_t stopped = 0;

// ---- Rows ----------------------------------------------------------------------------------------------------------

/// Where rows go. A row that cannot be sent is counted and not kept: a router has no memory to wait in.
struct output {
  bool has_collector;
  int collector;  ///< a UDP socket
  std::uint64_t sent, lost;
  std::size_t length;
  char line[16384];  ///< the row that is being written

  void add(const char* text, std::size_t count) {
    if (count <= sizeof line - length) std::memcpy(line + length, text, count);
    length += count <= sizeof line - length ? count : sizeof line;  // too long: stays so
  }
  void send_line() {
    const bool whole = length <= sizeof line;
    const bool done = whole && (has_collector ? send(collector, line, length, MSG_DONTWAIT) >= 0
                                              : std::fwrite(line, 1, length, stdout) == length);
    ++(done ? sent : lost);
    length = 0;
  }
} out;

const auto on_flow = [](const auto& row, const auto&, jj::end_reason) {
  const auto add = [](const char* text, std::size_t count) { out.add(text, count); };
  jj::write_json(add, row), out.add("\n", 1), out.send_line();
};

/// A datagram socket that knows its receiver; -1 with errno set.
int connect_to(const char* address, unsigned short port) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET, v4.sin_port = htons(port);
  v6.sin6_family = AF_INET6, v6.sin6_port = htons(port);
  const bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) return errno = EINVAL, -1;
  const int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int connected = is_v4 ? connect(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
                              : connect(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  return connected == 0 ? fd : -1;
}

// ---- Counts --------------------------------------------------------------------------------------------------------

void write_counts() {
  static std::uint64_t dropped = 0;
  dropped += ring.newly_dropped();
  const jj::engine_statistics& now = engine.statistics();
  std::uint64_t frames = 0;
  for (const std::uint64_t count : now.frames) frames += count;
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long>(value); };
  std::fprintf(stderr, "joyfuljay-exporter: %lu frames, %lu dropped by the kernel, %lu flows, %lu evicted, %lu open, ",
               number(frames), number(dropped), number(now.flows_created),
               number(now.rows[static_cast<int>(jj::end_reason::evicted)]), number(now.open_flows));
  std::fprintf(stderr, "%lu rows sent, %lu lost\n", number(out.sent), number(out.lost));
}

/// Calls `write_counts` every so many seconds.
struct counts_timer {
  long every;
  std::int64_t next;
  void look(std::int64_t now_ns) {
    if (every == 0 || now_ns < next) return;
    if (next != 0) write_counts();
    next = now_ns + std::int64_t{every} * 1'000'000'000;
  }
} counts;

// ---- Frames --------------------------------------------------------------------------------------------------------

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A block at a time, whose bytes are ours until it is done with. False: there was none.
bool feed_block() {
  jj::frame batch[exporter::batch_frames];
  std::size_t count = 0;
  const auto feed = [&] { engine.feed_batch(batch, count, on_flow), count = 0; };
  return ring.take_block(
      [&](const jj::frame& frame) {
        batch[count++] = frame;
        if (count == exporter::batch_frames) feed();
      },
      feed);
}

void wait_for_interface(const char* interface) {
  std::fprintf(stderr, "joyfuljay-exporter: %s is gone or down\n", interface);
  while (!stopped && !ring.reopen(interface)) {
    while (engine.tick(now_ns(), on_flow) == 64) {
    }
    std::fflush(stdout), sleep(1);
  }
  if (!stopped) std::fprintf(stderr, "joyfuljay-exporter: %s is back\n", interface);
}

/// Until a signal comes, and then what waits in the ring, for a second at most: a busy link is never quiet.
void run(const char* interface) {
  using waited = live::packet_ring::waited;
  constexpr int block_wait_ms = live::packet_ring::block_wait_ms;
  for (std::int64_t end_ns = 0;;) {
    const bool fed = feed_block(), stopping = stopped;
    const std::int64_t now = now_ns();
    counts.look(now);
    if (stopping && end_ns == 0) end_ns = now + 1'000'000'000;
    if (stopping && now >= end_ns) return;
    while (!fed && engine.tick(now - std::int64_t{2 * block_wait_ms} * 1'000'000, on_flow) == 64) {
    }  // a little behind the clock: frames may wait so long in a block
    std::fflush(stdout);
    if (fed) continue;
    const waited what = ring.wait(stopping ? 2 * block_wait_ms : 250);
    if (stopping && what != waited::ready) return;
    if (what == waited::gone) wait_for_interface(interface);
  }
}

// ---- Start ---------------------------------------------------------------------------------------------------------

/// A packet socket stays open, and may be bound again, whoever the process is.
bool become(const char* user) {
  const passwd* const who = getpwnam(user);
  if (who == nullptr) return errno = ENOENT, false;
  return setgroups(0, nullptr) == 0 && setgid(who->pw_gid) == 0 && setuid(who->pw_uid) == 0 &&
         prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

struct options {
  const char *collector = nullptr, *user = nullptr, *interface = nullptr;
  long port = 9995, statistics = 0;
};
bool number(const char* text, long least, long most, long& value) {
  char* end = nullptr;
  value = std::strtol(text, &end, 10);
  return end != text && *end == '\0' && value >= least && value <= most;
}
const char usage[] = "usage: joyfuljay-exporter [-c ADDRESS] [-p PORT] [-u USER] [-s SECONDS] INTERFACE\n";
const char explanation[] =
    "Sends a JSON line for every flow that ends on the interface.\n"
    "  -c ADDRESS   to a collector of JSON over UDP, IPv4 or IPv6, instead of to standard output\n"
    "  -p PORT      its port, 9995 unless given\n"
    "  -u USER      go on as this user once the sockets are open\n"
    "  -s SECONDS   write counts to standard error so often; 0, the default: at the end only\n";
bool asks_for_help(int count, char** arguments) {
  return count == 2 && (std::strcmp(arguments[1], "--help") == 0 || std::strcmp(arguments[1], "-h") == 0);
}
bool read_options(int count, char** arguments, options& chosen) {
  for (int letter; (letter = getopt(count, arguments, "c:p:u:s:")) != -1;) {
    if (letter == 'c') chosen.collector = optarg;
    if (letter == 'u') chosen.user = optarg;
    if (letter == 'p' && !number(optarg, 1, 65535, chosen.port)) return false;
    if (letter == 's' && !number(optarg, 0, 86400, chosen.statistics)) return false;
    if (letter == '?') return false;
  }
  chosen.interface = arguments[optind];
  return optind + 1 == count;
}

int fail(const char* what, const char* why) { return std::fprintf(stderr, "joyfuljay-exporter: %s%s\n", what, why), 1; }

}  // namespace

int main(int count, char** arguments) {
  if (asks_for_help(count, arguments)) return std::fputs(usage, stdout), std::fputs(explanation, stdout), 0;
  options chosen;
  if (!read_options(count, arguments, chosen)) return std::fputs(usage, stderr), 2;
  const char* const wrong = ring.open(chosen.interface, 0, ring_blocks);
  if (*wrong != '\0') return fail(wrong, "");
  if (chosen.collector != nullptr) {
    out.collector = connect_to(chosen.collector, static_cast<unsigned short>(chosen.port));
    out.has_collector = true;
    if (out.collector < 0) return fail("no way to the collector: ", std::strerror(errno));
  }
  if (chosen.user != nullptr && !become(chosen.user)) return fail("cannot become the user: ", std::strerror(errno));
  jj::hash_key secret;
  if (getrandom(&secret, sizeof secret, 0) != sizeof secret) return fail("no random numbers: ", std::strerror(errno));
  engine.seed(secret);
  counts.every = chosen.statistics;
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopped = 1; };
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &stop, nullptr);
  if (!ring.start()) return fail("cannot read: ", std::strerror(errno));

  run(chosen.interface);
  engine.flush(on_flow);
  std::fflush(stdout);
  write_counts();
  return 0;
}
