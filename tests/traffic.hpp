// Packets of numbered conversations, as raw IPv4 frames: short to say in a test, different for different numbers.
#ifndef JOYFULJAY_TESTS_TRAFFIC_HPP
#define JOYFULJAY_TESTS_TRAFFIC_HPP

#include <cstdint>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/frame_builder.hpp"

namespace traffic {

namespace jj = joyfuljay;
namespace fb = frame_builder;

constexpr std::int64_t second = 1'000'000'000, millisecond = 1'000'000;
constexpr std::int64_t start = 1'700'000'000 * second;

/// Owns the bytes of one frame.
struct made_frame {
  fb::octets data;
  std::int64_t time_ns = 0;
  jj::link_type link = jj::link_type::raw;

  operator jj::frame() const {
    return {data.data(), data.size(), static_cast<std::uint32_t>(data.size()), time_ns, link};
  }
};

inline fb::address4 client(std::uint32_t conversation) {
  return {10, static_cast<std::uint8_t>(conversation >> 16), static_cast<std::uint8_t>(conversation >> 8),
          static_cast<std::uint8_t>(conversation)};
}
constexpr fb::address4 server{192, 0, 2, 1};
constexpr std::uint16_t client_port = 40000, server_port = 443;

inline fb::ipv4_header header_of(std::uint32_t conversation, bool from_client) {
  fb::ipv4_header h;
  h.source = from_client ? client(conversation) : server;
  h.target = from_client ? server : client(conversation);
  return h;
}

/// `at_ns` counts from `start`.
inline made_frame tcp(std::uint32_t conversation, bool from_client, std::int64_t at_ns,
                      std::uint8_t flags = fb::tcp_ack, std::size_t payload = 0) {
  fb::tcp_header h;
  h.source_port = from_client ? client_port : server_port;
  h.target_port = from_client ? server_port : client_port;
  h.flags = flags;
  return {fb::ipv4(header_of(conversation, from_client), fb::ip_protocol::tcp, fb::tcp(h, fb::zeros(payload))),
          start + at_ns};
}
inline made_frame udp(std::uint32_t conversation, bool from_client, std::int64_t at_ns, std::size_t payload = 0) {
  return {fb::ipv4(header_of(conversation, from_client), fb::ip_protocol::udp,
                   fb::udp(from_client ? client_port : server_port, from_client ? server_port : client_port,
                           fb::zeros(payload))),
          start + at_ns};
}

/// What a test wants to remember of a reported flow.
struct ended_flow {
  jj::end_reason why;
  std::uint64_t packets;
  fb::address4 initiator;
};
struct recorder {
  std::vector<ended_flow> flows;

  template <class Row, class Flow> void operator()(const Row&, const Flow& flow, jj::end_reason why) {
    const jj::ip_address from = flow.address(jj::fwd);
    flows.push_back({why, flow.packets(), {from.octets[0], from.octets[1], from.octets[2], from.octets[3]}});
  }
};

constexpr auto ignore = [](const auto&, const auto&, jj::end_reason) {};

}  // namespace traffic

#endif  // JOYFULJAY_TESTS_TRAFFIC_HPP
