// The smallest program: three frames that lie in memory, one row for their flow.
// Build and run: c++ -std=c++17 -I. examples/quickstart.cpp -o quickstart && ./quickstart
#include <cstdio>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

// A DNS query over Ethernet, IPv4 and UDP. The answer is the same frame with both ends exchanged.
// clang-format off
static const unsigned char query[] = {
    0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08, 0x00,                       // Ethernet: to, from, IPv4
    0x45, 0, 0, 57, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 198, 51, 100, 53,  // IPv4: 57 bytes, UDP, two hosts
    0xC0, 0x00, 0, 53, 0, 37, 0, 0,                                                   // UDP: 49152 to 53
    0x2A, 0x2A, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1};
// clang-format on

struct gateway : jj::default_config {  // inherit, override what differs
  static constexpr std::size_t max_flows = 64;
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
};
static jj::engine<gateway> engine;  // lies in .bss; sizeof(engine) is all the memory there is

int main() {
  const auto on_flow = [](const auto& row, const auto&, jj::end_reason why) {
    std::printf("%s: %u packets forward, %u backward, answered after %.3f s\n",
                jj::end_reason_names[static_cast<int>(why)], static_cast<unsigned>(row.packets_fwd),
                static_cast<unsigned>(row.packets_bwd), row.first_response_time);
    jj::write_json([](const char* text, std::size_t length) { std::fwrite(text, 1, length, stdout); }, row);
    std::printf("\n");
  };
  engine.seed({0x0123456789abcdef, 0xfedcba9876543210});  // a device draws this from its random numbers

  unsigned char answer[sizeof query];
  for (std::size_t at = 0; at < sizeof query; ++at) answer[at] = query[at];
  for (std::size_t at = 0; at < 4; ++at) answer[26 + at] = query[30 + at], answer[30 + at] = query[26 + at];
  for (std::size_t at = 0; at < 2; ++at) answer[34 + at] = query[36 + at], answer[36 + at] = query[34 + at];

  const std::int64_t start_ns = 1'700'000'000'000'000'000;
  engine.feed({query, sizeof query, sizeof query, start_ns}, on_flow);
  engine.feed({query, sizeof query, sizeof query, start_ns + 5'000'000'000}, on_flow);  // nobody answered: asked again
  const auto fed = engine.feed({answer, sizeof answer, sizeof answer, start_ns + 5'020'000'000}, on_flow);
  std::printf("so far %u packets, mean gap %.3f s\n", static_cast<unsigned>(fed.flow.packets()),
              fed.flow.read<jj::timing>().iat_mean);
  engine.flush(on_flow);
}
