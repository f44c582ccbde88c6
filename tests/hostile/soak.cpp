// A long run: mixed traffic with churn, generated in place, through an engine of gateway size. Checks that every packet is
// in exactly one row, that memory stays what it was, and that a packet costs at the end what it cost at the start.
// soak [MILLIONS OF PACKETS [all]]: 20 without argument; "all": all twelve groups instead of four.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;

namespace {

struct gateway : jj::default_config {
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  static constexpr std::size_t max_flows = 4096;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct everything : gateway {
  using groups = jj::all_groups;
};

/// Conversations of 2 to 300 packets, TCP and UDP, two thousand open at a time, and among them packets that nobody
/// answers: a scan. Busy stretches, in which the table overflows, take turns with quiet ones, in which flows fall idle.
class generator {
 public:
  generator() : open_(2048) {
    fb::ipv4_header h;
    h.source = h.target = {10, 0, 0, 0};
    tcp_ = fb::ipv4(h, fb::ip_protocol::tcp, fb::tcp({}, fb::zeros(payload)));
    udp_ = fb::ipv4(h, fb::ip_protocol::udp, fb::udp(0, 0, fb::zeros(payload)));
    for (conversation& c : open_) begin(c);
  }
  jj::frame next() {
    now_ns_ += (sent_++ >> 15 & 1) != 0 ? 2'000'000 : 10'000;  // 500 and 100,000 packets a second
    const std::uint32_t dice = random();
    if (dice % 16 == 0) return frame_of(++scanned_ << 3 | 6, 50000, true, fb::tcp_syn, 0);
    conversation& c = open_[dice >> 8 & 2047];
    const bool forward = c.sent % 3 != 1;
    const std::uint8_t flags = c.sent == 0 ? fb::tcp_syn : c.left == 1 ? fb::tcp_rst : fb::tcp_ack;
    const jj::frame f = frame_of(c.id << 3 | (c.is_udp ? 1u : 0u), c.port, forward, flags, dice >> 20 & 1023);
    ++c.sent;
    if (--c.left == 0) begin(c);
    return f;
  }

 private:
  static constexpr std::size_t payload = 1023;
  struct conversation {
    std::uint32_t id, left, sent;
    std::uint16_t port;
    bool is_udp;
  };

  std::uint32_t random() {  // xorshift64* [Vigna 2016]
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>(state_ * 0x2545F4914F6CDD1D >> 32);
  }
  void begin(conversation& c) {
    const std::uint32_t dice = random();
    const std::uint32_t length = dice % 64 == 0 ? 300 : 2 + dice % 23;
    c = {++begun_, length, 0, static_cast<std::uint16_t>(dice >> 16 | 1024), (dice >> 8) % 4 == 0};
  }
  /// The lowest three bits of `number` tell a scan from conversations; the rest names the client.
  jj::frame frame_of(std::uint32_t number, std::uint16_t port, bool forward, std::uint8_t flags, std::uint32_t length) {
    const bool is_udp = (number & 7) == 1;
    fb::octets& data = is_udp ? udp_ : tcp_;
    const std::size_t header = is_udp ? 28 : 40;
    const std::uint32_t client = 0x0A000000u | (number >> 3 & 0xFFFFFF), server = 0xC0000200u | (number & 7);
    put(data, 2, static_cast<std::uint32_t>(header + length), 2);
    put(data, 12, forward ? client : server, 4);
    put(data, 16, forward ? server : client, 4);
    put(data, 20, forward ? port : 443u, 2);
    put(data, 22, forward ? 443u : port, 2);
    if (!is_udp) data[33] = flags;
    return {data.data(), header + length, 0, now_ns_};
  }
  static void put(fb::octets& data, std::size_t at, std::uint32_t value, unsigned bytes) {
    for (unsigned byte = 0; byte < bytes; ++byte)
      data[at + byte] = static_cast<std::uint8_t>(value >> 8 * (bytes - 1 - byte));
  }

  std::vector<conversation> open_;
  fb::octets tcp_, udp_;
  std::uint64_t state_ = 0x9E3779B97F4A7C15;
  std::uint32_t begun_ = 0, scanned_ = 0, sent_ = 0;
  std::int64_t now_ns_ = traffic::start;
};

/// Of this process, in pages. 0 where the system does not say.
unsigned long resident_pages() {
  unsigned long whole = 0, resident = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu %lu", &whole, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident;
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Config> int soak(std::uint64_t millions) {
  constexpr unsigned slices = 200;  // of processor time: what others do on the machine does not count
  const std::uint64_t in_slice = millions * 1'000'000 / slices;
  const auto engine = std::make_unique<jj::engine<Config>>();
  engine->seed({0x243F6A8885A308D3, 0x13198A2E03707344});
  audit::account seen;
  seen.looks_at_features = false;
  generator traffic;
  std::vector<double> costs;
  costs.reserve(slices);
  const char* wrong = nullptr;
  unsigned long pages_before = 0;
  for (unsigned slice = 0; slice < slices && wrong == nullptr; ++slice) {
    if (slice == slices / 10) pages_before = resident_pages();  // every pool has been touched
    const std::clock_t began = std::clock();
    for (std::uint64_t packet = 0; packet < in_slice; ++packet) seen.note(engine->feed(traffic.next(), seen));
    costs.push_back(static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC * 1e9 / static_cast<double>(in_slice));
    wrong = audit::fault(*engine, seen);
  }
  const unsigned long pages_after = resident_pages();
  const jj::engine_statistics& s = engine->statistics();
  if (wrong == nullptr) engine->flush(seen), wrong = audit::fault(*engine, seen);
  if (wrong == nullptr && (s.open_flows != 0 || seen.counted != in_slice * slices))
    wrong = "not every packet was counted";
  // A fifth of the run at either end; the first tenth fills caches and pools.
  const auto at = [&](unsigned slice) { return costs.begin() + static_cast<std::ptrdiff_t>(slice); };
  const bool is_whole = costs.size() == slices;
  const auto rows = [&s](jj::end_reason why) { return static_cast<unsigned long long>(s.rows[static_cast<int>(why)]); };
  const double first = is_whole ? median({at(slices / 10), at(slices * 3 / 10)}) : 0;
  const double last = is_whole ? median({at(slices * 8 / 10), costs.end()}) : 0;
  std::printf("%llu M packets, %llu flows: %llu evicted, %llu closed, %llu idle\n",
              static_cast<unsigned long long>(millions), static_cast<unsigned long long>(s.flows_created),
              rows(jj::end_reason::evicted), rows(jj::end_reason::closed), rows(jj::end_reason::idle));
  std::printf(
      "%zu bytes of engine, resident pages %lu then %lu; %.0f ns a packet at the start, %.0f at the end (%+.1f %%)\n",
      sizeof(*engine), pages_before, pages_after, first, last, 100 * (last / first - 1));
  if (wrong != nullptr) return std::printf("soak: %s\n", wrong), 1;
  if (pages_after > pages_before + 64) return std::printf("soak: memory grew\n"), 1;
  // A short run's slices are of a few milliseconds, which a busy machine disturbs.
  if (last > first * (millions >= 200 ? 1.05 : 1.25)) return std::printf("soak: packets became dearer\n"), 1;
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::uint64_t millions = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 20;
  if (count > 2 && std::strcmp(arguments[2], "all") == 0) return soak<everything>(millions);
  return soak<gateway>(millions);
}
