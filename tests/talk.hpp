// Flows between numbered hosts, for tests that look at who speaks to whom.
#ifndef JOYFULJAY_TESTS_TALK_HPP
#define JOYFULJAY_TESTS_TALK_HPP

#include <cstdint>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/frame_builder.hpp"

namespace talk {

namespace jj = joyfuljay;
namespace fb = frame_builder;

/// Hosts are in canonical order as their numbers are: IPv4 below `first_v6`, IPv6 from there on.
constexpr std::uint32_t first_v6 = 1u << 24;

struct flow {
  std::uint32_t from, to;
  std::uint16_t port = 443;
  std::uint32_t packets_out = 1, packets_back = 0;
  std::size_t payload = 0;  ///< of each packet
};
inline bool is_v6(std::uint32_t host) { return host >= first_v6; }
/// Bytes of one packet on the wire: raw IP, UDP.
inline std::uint64_t frame_bytes(const flow& f) { return (is_v6(f.from) ? 40u : 20u) + 8u + f.payload; }

inline fb::address4 v4(std::uint32_t host) {
  return {10, static_cast<std::uint8_t>(host >> 16), static_cast<std::uint8_t>(host >> 8),
          static_cast<std::uint8_t>(host)};
}
/// Even hosts differ in the upper half of the address, odd ones in the lower; all are above ::a.b.c.d.
inline fb::address6 v6(std::uint32_t host) {
  fb::address6 address{0, 1};
  for (unsigned at = 0; at < 4; ++at) address[3 + at] = static_cast<std::uint8_t>((host / 2) >> (24 - 8 * at));
  address[15] = host % 2 != 0 ? 1 : 0;
  return address;
}
inline jj::flow_ends ends(std::uint32_t from, std::uint32_t to, std::uint16_t port = 443) {
  jj::flow_ends result{{{0, 0}, {0, 0}}, port, static_cast<std::uint8_t>(is_v6(from) ? 6 : 4)};
  for (unsigned end = 0; end < 2; ++end) {
    const std::uint32_t host = end == 0 ? from : to;
    if (!is_v6(from)) {
      result.address[end][1] = 10u << 24 | host;
      continue;
    }
    const fb::address6 octets = v6(host);
    for (unsigned at = 0; at < 16; ++at) result.address[end][at / 8] = result.address[end][at / 8] << 8 | octets[at];
  }
  return result;
}

/// Feeds flows one after the other, each with a source port of its own. They end when the engine makes room, or at
/// its flush.
template <class Engine> class speaker {
 public:
  explicit speaker(Engine& engine) : engine_(engine) {}
  template <class Sink> void say(const flow& f, Sink&& sink) {
    const std::uint16_t source_port = static_cast<std::uint16_t>(20000 + count_++ % 40000);
    for (std::uint32_t at = 0; at < f.packets_out + f.packets_back; ++at) {
      const bool out = at < f.packets_out;
      const fb::octets body = fb::udp(out ? source_port : f.port, out ? f.port : source_port, fb::zeros(f.payload));
      const std::uint32_t source = out ? f.from : f.to, target = out ? f.to : f.from;
      fb::octets data;
      if (is_v6(f.from)) {
        fb::ipv6_header h;
        h.source = v6(source), h.target = v6(target);
        data = fb::ipv6(h, fb::ip_protocol::udp, body);
      } else {
        fb::ipv4_header h;
        h.source = v4(source), h.target = v4(target);
        data = fb::ipv4(h, fb::ip_protocol::udp, body);
      }
      engine_.feed(
          {data.data(), data.size(), static_cast<std::uint32_t>(data.size()), 1'000'000'000, jj::link_type::raw}, sink);
    }
  }
  template <class Sink> void say_all(const std::vector<flow>& flows, Sink&& sink) {
    for (const flow& f : flows) say(f, sink);
    engine_.flush(sink);
  }

 private:
  Engine& engine_;
  std::uint32_t count_ = 0;
};

}  // namespace talk

#endif  // JOYFULJAY_TESTS_TALK_HPP
