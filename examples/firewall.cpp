// A firewall decides while the flow lives: after eight packets it reads the features of the running flow, keeps its
// verdict with the flow, and spends nothing on the packets after that.
// Build and run: c++ -std=c++17 -I. examples/firewall.cpp -o firewall && ./firewall
#include <cstdio>
#include <cstring>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

enum class decision : unsigned char { undecided, pass, slow_down };  // user_data starts as zero bytes

struct firewall : jj::default_config {
  static constexpr std::size_t max_flows = 256;
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size>;
  using snapshot_packets = jj::packet_numbers<32>;  // a row for the log after 32 packets, while the flow goes on
  struct user_data {
    decision verdict;
    unsigned char decided_at;
  };
};
static jj::engine<firewall> engine;

/// Called for every packet on its way through. The answer is what happens to the packet.
template <class Sink> decision judge(const jj::frame& frame, Sink& sink) {
  const auto fed = engine.feed(frame, sink);
  if (!fed.flow) return decision::pass;  // not IP, or malformed: somebody else's business
  auto& mine = fed.flow.user();
  if (mine.verdict == decision::undecided && fed.flow.packets() == 8) {
    const auto now = fed.flow.template read<jj::timing, jj::size>();
    const bool bulk = now.iat_mean < 0.001 && now.pkt_len_mean > 1000;
    mine.verdict = bulk ? decision::slow_down : decision::pass;
    mine.decided_at = 8;
  }
  return mine.verdict;
}

/// An IPv4 and UDP frame from 192.0.2.x; the payload is only promised by the length fields.
static jj::frame udp_frame(unsigned char (&room)[42], unsigned char host, unsigned length, std::int64_t time_ns) {
  static const unsigned char headers[42] = {2,   0,    0, 0, 0,   1,  2,   0, 0,    0,    0,    2,   8,
                                            0,   0x45, 0, 0, 0,   0,  0,   0, 0,    64,   17,   0,   0,
                                            192, 0,    2, 0, 198, 51, 100, 1, 0x30, 0x39, 0x13, 0xC4};
  std::memcpy(room, headers, sizeof room);
  room[16] = static_cast<unsigned char>(length >> 8), room[17] = static_cast<unsigned char>(length);
  room[29] = host;
  return {room, sizeof room, length + 14, time_ns};
}

int main() {
  const auto on_flow = [](const auto& row, const auto& flow, jj::end_reason why) {
    static const char* const names[] = {"undecided", "pass", "slow down"};
    std::printf("%-8s %s, %u packets, mean %.0f bytes, decided \"%s\" at packet %u\n",
                jj::end_reason_names[static_cast<int>(why)], why == jj::end_reason::snapshot ? "so far" : "in all",
                static_cast<unsigned>(row.total_packets), row.pkt_len_mean,
                names[static_cast<int>(flow.user().verdict)], static_cast<unsigned>(flow.user().decided_at));
  };
  unsigned char room[42];
  unsigned slowed = 0;
  for (int at = 0; at < 40; ++at) {
    const std::int64_t now = 1'700'000'000'000'000'000 + at * 100'000;
    slowed += judge(udp_frame(room, 1, 1400, now), on_flow) == decision::slow_down;    // bulk
    if (at % 10 == 0) judge(udp_frame(room, 2, 120, now + at * 20'000'000), on_flow);  // a chat
  }
  engine.flush(on_flow);
  std::printf("%u packets slowed down\n", slowed);
  return slowed == 33 ? 0 : 1;
}
