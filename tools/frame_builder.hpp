// frame_builder: frames as bytes, for the tests and for make_capture. Each function wraps what it is given into one
// header, so a frame reads from the outside in:
//
//   ethernet(ethertype::ipv4, ipv4({client, server}, ip_protocol::tcp, tcp({40000, 443, tcp_syn})))
//
// Lengths and checksums of IP are right unless the caller sets them; transport checksums are left 0, nobody reads them.
#ifndef JOYFULJAY_TOOLS_FRAME_BUILDER_HPP
#define JOYFULJAY_TOOLS_FRAME_BUILDER_HPP

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace frame_builder {

using octets = std::vector<std::uint8_t>;

inline octets operator+(octets left, const octets& right) {
  for (const std::uint8_t octet : right) left.push_back(octet);  // insert() makes g++ 12 warn of what cannot happen
  return left;
}
/// The low `count` bytes of a number, in network order.
inline octets number(std::uint64_t value, unsigned count) {
  octets out(count);
  for (unsigned at = 0; at < count; ++at) out[count - 1 - at] = static_cast<std::uint8_t>(value >> (8 * at));
  return out;
}
inline octets u8(std::uint64_t value) { return number(value, 1); }
inline octets u16(std::uint64_t value) { return number(value, 2); }
inline octets u32(std::uint64_t value) { return number(value, 4); }
inline octets ascii(const std::string& text) { return octets(text.begin(), text.end()); }
inline octets zeros(std::size_t count) { return octets(count, 0); }

// ---- Link layers

namespace ethertype {
constexpr std::uint16_t ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, ipv6 = 0x86DD, mpls = 0x8847, pppoe = 0x8864,
                        qinq = 0x88A8;
}

inline octets ethernet(std::uint16_t type, const octets& inside) {
  return octets{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2} + u16(type) + inside;
}
/// What stands behind the EtherType of a VLAN tag.
inline octets vlan(std::uint16_t id, std::uint16_t type, const octets& inside) { return u16(id) + u16(type) + inside; }
/// A stack of labels, the last one marked as the bottom.
inline octets mpls(unsigned labels, const octets& inside) {
  octets stack;
  for (unsigned at = 0; at < labels; ++at) stack = stack + number(16 + at, 2) + u8(at + 1 == labels ? 1 : 0) + u8(64);
  return stack + inside;
}
constexpr std::uint16_t ppp_ipv4 = 0x0021, ppp_ipv6 = 0x0057;
inline octets ppp(std::uint16_t protocol, const octets& inside) { return u16(protocol) + inside; }
inline octets pppoe(const octets& inside) { return octets{0x11, 0, 0, 1} + u16(inside.size()) + inside; }
inline octets linux_sll(std::uint16_t type, const octets& inside) {
  return octets{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0} + u16(type) + inside;
}
inline octets linux_sll2(std::uint16_t type, const octets& inside) {
  return u16(type) + octets{0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0} + inside;
}

// ---- IP

namespace ip_protocol {
constexpr std::uint8_t icmp = 1, tcp = 6, udp = 17, gre = 47, icmpv6 = 58;
}
using address4 = std::array<std::uint8_t, 4>;
using address6 = std::array<std::uint8_t, 16>;
inline octets bytes_of(const address4& a) { return octets(a.begin(), a.end()); }
inline octets bytes_of(const address6& a) { return octets(a.begin(), a.end()); }

inline std::uint16_t internet_checksum(const octets& header) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at + 1 < header.size(); at += 2)
    sum += static_cast<unsigned>(header[at] << 8 | header[at + 1]);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

struct ipv4_header {
  address4 source{}, target{};
  std::uint16_t id = 0;
  std::uint16_t flags_and_offset = 0x4000;  ///< don't fragment
  std::uint8_t ttl = 64;
  octets options = {};
  int total_length = -1;  ///< -1: what it is
};
constexpr std::uint16_t more_fragments = 0x2000;

inline octets ipv4(const ipv4_header& h, std::uint8_t protocol, const octets& body) {
  const std::size_t header_len = 20 + h.options.size();
  const std::size_t total = h.total_length < 0 ? header_len + body.size() : static_cast<std::size_t>(h.total_length);
  octets header = u8(0x40 | header_len / 4) + u8(0) + u16(total) + u16(h.id) + u16(h.flags_and_offset) + u8(h.ttl) +
                  u8(protocol) + u16(0) + bytes_of(h.source) + bytes_of(h.target) + h.options;
  const std::uint16_t sum = internet_checksum(header);
  header[10] = static_cast<std::uint8_t>(sum >> 8);
  header[11] = static_cast<std::uint8_t>(sum);
  return header + body;
}

struct ipv6_header {
  address6 source{}, target{};
  std::uint8_t hop_limit = 64;
  int payload_length = -1;  ///< -1: what it is
};
inline octets ipv6(const ipv6_header& h, std::uint8_t next, const octets& body) {
  const std::size_t length = h.payload_length < 0 ? body.size() : static_cast<std::size_t>(h.payload_length);
  return u32(0x60000000) + u16(length) + u8(next) + u8(h.hop_limit) + bytes_of(h.source) + bytes_of(h.target) + body;
}
namespace ipv6_next {
constexpr std::uint8_t hop_by_hop = 0, routing = 43, fragment = 44, none = 59, destination_options = 60;
}
/// A hop-by-hop, routing or destination options header of 8 * (1 + extra) bytes.
inline octets ipv6_extension(std::uint8_t next, const octets& inside, std::uint8_t extra = 0) {
  return u8(next) + u8(extra) + octets{1, 4, 0, 0, 0, 0} + zeros(8u * extra) + inside;
}
/// `offset` in units of 8 bytes.
inline octets ipv6_fragment(std::uint8_t next, unsigned offset, bool more, std::uint32_t id, const octets& inside) {
  return u8(next) + u8(0) + u16(offset << 3 | (more ? 1 : 0)) + u32(id) + inside;
}

// ---- Transport

constexpr std::uint8_t tcp_fin = 1, tcp_syn = 2, tcp_rst = 4, tcp_psh = 8, tcp_ack = 16, tcp_urg = 32, tcp_ece = 64,
                       tcp_cwr = 128;
struct tcp_header {
  std::uint16_t source_port = 0, target_port = 0;
  std::uint8_t flags = tcp_ack;
  octets options = {};  ///< a multiple of 4 bytes
  std::uint32_t sequence = 1, acknowledged = 1;
  std::uint16_t window = 64240;
};
inline octets tcp(const tcp_header& h, const octets& payload = {}) {
  return u16(h.source_port) + u16(h.target_port) + u32(h.sequence) + u32(h.acknowledged) +
         u8((5 + h.options.size() / 4) << 4) + u8(h.flags) + u16(h.window) + u16(0) + u16(0) + h.options + payload;
}
inline octets udp(std::uint16_t source_port, std::uint16_t target_port, const octets& payload = {}) {
  return u16(source_port) + u16(target_port) + u16(8 + payload.size()) + u16(0) + payload;
}

}  // namespace frame_builder

#endif  // JOYFULJAY_TOOLS_FRAME_BUILDER_HPP
