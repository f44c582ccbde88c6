// Section 7: one frame in, one packet or a verdict out, whatever stands in front of IP and however much was captured.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "joyfuljay.hpp"
#include "tests/packets.hpp"
#include "tools/frame_builder.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using fb::operator+;
using fb::octets;
using jj::link_type;
using jj::verdict;
using packets::every_link;
using packets::is_sound;
using packets::same;

namespace {

constexpr fb::address4 client4{192, 0, 2, 1}, server4{198, 51, 100, 2};
constexpr fb::address6 client6{0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
    server6{0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
constexpr std::uint16_t client_port = 40000, server_port = 443;
constexpr std::uint8_t fin_psh_ack = fb::tcp_fin | fb::tcp_psh | fb::tcp_ack;
constexpr std::size_t tcp_options = 12;

octets some_tcp(std::size_t payload = 5) {
  fb::tcp_header h;
  h.source_port = client_port;
  h.target_port = server_port;
  h.flags = fin_psh_ack;
  h.options = octets(tcp_options, 1);
  return fb::tcp(h, octets(payload, 'x'));
}
octets some_udp(std::size_t payload = 7) { return fb::udp(client_port, server_port, octets(payload, 'u')); }
fb::ipv4_header header4() {
  fb::ipv4_header h;
  h.source = client4;
  h.target = server4;
  h.id = 0x1234;
  return h;
}
fb::ipv6_header header6() {
  fb::ipv6_header h;
  h.source = client6;
  h.target = server6;
  return h;
}
octets tcp4() { return fb::ipv4(header4(), fb::ip_protocol::tcp, some_tcp()); }
octets udp4() { return fb::ipv4(header4(), fb::ip_protocol::udp, some_udp()); }
octets udp6() { return fb::ipv6(header6(), fb::ip_protocol::udp, some_udp()); }
octets fragment4(std::uint8_t protocol, std::uint16_t flags_and_offset, const octets& body) {
  fb::ipv4_header h = header4();
  h.flags_and_offset = flags_and_offset;
  return fb::ipv4(h, protocol, body);
}
octets in_ethernet(const octets& ip) {
  return fb::ethernet(ip[0] >> 4 == 4 ? fb::ethertype::ipv4 : fb::ethertype::ipv6, ip);
}

/// A frame and what became of it. The views of `packet` point into `data`.
struct parsed {
  octets data;
  jj::packet packet{};
  verdict what;

  parsed(octets frame, link_type link, std::uint32_t wire_length = 0) : data(std::move(frame)) {
    what = jj::parse_frame<link_type::per_frame>({data.data(), data.size(), wire_length, 77, link}, packet);
  }
  explicit parsed(const octets& ip) : parsed(in_ethernet(ip), link_type::ethernet) {}
  parsed(const parsed&) = delete;
  parsed& operator=(const parsed&) = delete;
};

// ---- Frames of every kind

/// One way to wrap an IP packet, and the frame's bytes in front of it.
struct wrapping {
  std::string name;
  link_type link;
  bool names_version;  ///< some field tells IPv4 from IPv6; otherwise the first byte of IP has to
  octets before4, before6;
};
wrapping by_type(const std::string& name, link_type link, octets (*wrap)(std::uint16_t type)) {
  return {name, link, true, wrap(fb::ethertype::ipv4), wrap(fb::ethertype::ipv6)};
}
wrapping alike(const std::string& name, link_type link, const octets& before) {
  return {name, link, false, before, before};
}
std::vector<wrapping> wrappings() {
  using namespace fb;
  const octets none;
  std::vector<wrapping> out{
      by_type("Ethernet", link_type::ethernet, [](std::uint16_t type) { return ethernet(type, {}); }),
      by_type("VLAN", link_type::ethernet,
              [](std::uint16_t type) { return ethernet(ethertype::vlan, vlan(42, type, {})); }),
      by_type(
          "QinQ", link_type::ethernet,
          [](std::uint16_t type) { return ethernet(ethertype::qinq, vlan(7, ethertype::vlan, vlan(42, type, {}))); }),
      by_type("old QinQ", link_type::ethernet,
              [](std::uint16_t type) { return ethernet(0x9100, vlan(7, 0x9100, vlan(42, type, {}))); }),
      alike("MPLS, one label", link_type::ethernet, ethernet(ethertype::mpls, mpls(1, none))),
      alike("MPLS, three labels", link_type::ethernet, ethernet(ethertype::mpls, mpls(3, none))),
      alike("MPLS multicast", link_type::ethernet, ethernet(0x8848, mpls(2, none))),
      alike("MPLS in VLAN", link_type::ethernet, ethernet(ethertype::vlan, vlan(1, ethertype::mpls, mpls(2, none)))),
      by_type("SLL", link_type::linux_sll, [](std::uint16_t type) { return linux_sll(type, {}); }),
      by_type("SLL, VLAN", link_type::linux_sll,
              [](std::uint16_t type) { return linux_sll(ethertype::vlan, vlan(42, type, {})); }),
      by_type("SLL2", link_type::linux_sll2, [](std::uint16_t type) { return linux_sll2(type, {}); }),
      by_type("SLL2, VLAN", link_type::linux_sll2,
              [](std::uint16_t type) { return linux_sll2(ethertype::vlan, vlan(42, type, {})); }),
      alike("SLL2, MPLS", link_type::linux_sll2, linux_sll2(ethertype::mpls, mpls(1, none)))};
  for (const link_type link :
       {link_type::raw, link_type::raw_bsd, link_type::raw_openbsd, link_type::ipv4, link_type::ipv6})
    out.push_back(alike("raw", link, none));
  for (const link_type link : {link_type::null, link_type::loop})
    for (const std::uint8_t family6 : {std::uint8_t{10}, std::uint8_t{24}, std::uint8_t{28}, std::uint8_t{30}}) {
      out.push_back({"loopback, little endian", link, true, {2, 0, 0, 0}, {family6, 0, 0, 0}});
      out.push_back({"loopback, big endian", link, true, {0, 0, 0, 2}, {0, 0, 0, family6}});
    }
  const octets ppp4 = ppp(ppp_ipv4, none), ppp6 = ppp(ppp_ipv6, none), short4{0x21}, short6{0x57}, hdlc{0xFF, 3};
  for (const link_type link : {link_type::ppp, link_type::ppp_hdlc}) {
    out.push_back({"PPP", link, true, ppp4, ppp6});
    out.push_back({"PPP, one-byte protocol", link, true, short4, short6});
    out.push_back({"PPP in HDLC", link, true, hdlc + ppp4, hdlc + ppp6});
    out.push_back({"PPP in HDLC, one-byte protocol", link, true, hdlc + short4, hdlc + short6});
  }
  for (const auto& [in4, in6] :
       {std::pair(ppp4, ppp6), std::pair(short4, short6), std::pair(hdlc + ppp4, hdlc + ppp6)}) {
    const octets session4 = pppoe(in4), session6 = pppoe(in6);
    out.push_back({"PPPoE", link_type::pppoe, true, session4, session6});
    out.push_back({"PPPoE in Ethernet", link_type::ethernet, true, ethernet(ethertype::pppoe, session4),
                   ethernet(ethertype::pppoe, session6)});
    out.push_back({"PPPoE in VLAN", link_type::ethernet, true,
                   ethernet(ethertype::vlan, vlan(42, ethertype::pppoe, session4)),
                   ethernet(ethertype::vlan, vlan(42, ethertype::pppoe, session6))});
  }
  return out;
}

/// An IP packet, and how many of its bytes make the network header (`ip`) and all headers (`all`) complete.
struct inside {
  std::string name;
  octets data;
  std::size_t ip, all;
};
octets with_extensions(unsigned count) {
  constexpr std::uint8_t kinds[] = {fb::ipv6_next::hop_by_hop, fb::ipv6_next::routing,
                                    fb::ipv6_next::destination_options};
  std::uint8_t next = fb::ip_protocol::udp;
  octets body = some_udp();
  for (unsigned at = 0; at < count; ++at) {
    body = fb::ipv6_extension(next, body);
    next = kinds[at % 3];
  }
  return fb::ipv6(header6(), next, body);
}
octets with_options(std::size_t length) {
  fb::ipv4_header h = header4();
  h.options = octets(length, 1);
  return fb::ipv4(h, fb::ip_protocol::udp, some_udp());
}
octets fragment6(unsigned offset, bool more, const octets& body) {
  return fb::ipv6(header6(), fb::ipv6_next::fragment,
                  fb::ipv6_fragment(fb::ip_protocol::udp, offset, more, 0xA1B2C3D4, body));
}
std::vector<inside> insides() {
  using namespace fb;
  return {
      {"TCP", tcp4(), 20, 40},
      {"UDP", udp4(), 20, 28},
      {"ICMP", ipv4(header4(), ip_protocol::icmp, octets(12, 3)), 20, 20},
      {"four bytes of options", with_options(4), 24, 32},
      {"forty bytes of options", with_options(40), 60, 68},
      {"first fragment", fragment4(ip_protocol::tcp, more_fragments, some_tcp()), 20, 40},
      {"later fragment", fragment4(ip_protocol::tcp, more_fragments | 3, octets(24, 9)), 20, 20},
      {"last fragment", fragment4(ip_protocol::udp, 5, octets(3, 9)), 20, 20},
      {"IPv6 TCP", ipv6(header6(), ip_protocol::tcp, some_tcp()), 40, 60},
      {"IPv6 UDP", udp6(), 40, 48},
      {"ICMPv6", ipv6(header6(), ip_protocol::icmpv6, octets(12, 3)), 40, 40},
      {"nothing next", ipv6(header6(), ipv6_next::none, {}), 40, 40},
      {"one extension header", with_extensions(1), 48, 56},
      {"eight extension headers", with_extensions(8), 104, 112},
      {"a long extension header", ipv6(header6(), ipv6_next::routing, ipv6_extension(ip_protocol::udp, some_udp(), 2)),
       48, 72},
      {"IPv6 first fragment", fragment6(0, true, some_udp()), 48, 56},
      {"IPv6 later fragment", fragment6(3, true, octets(24, 9)), 48, 48},
      {"IPv6 atomic fragment", fragment6(0, false, some_udp()), 48, 56},
  };
}

/// A frame that parses, and the captured lengths from which on each layer is complete.
struct sample {
  std::string name;
  link_type link;
  octets data;
  std::size_t start, link_complete, ip_complete, complete;
  std::size_t lone_ff;  ///< ends between FF and 03 of HDLC, where FF reads as a one-byte protocol; 0: nowhere
};
std::vector<sample> samples() {
  std::vector<sample> out;
  const auto add = [&](const wrapping& outer, const inside& inner) {
    const octets& before = inner.data[0] >> 4 == 4 ? outer.before4 : outer.before6;
    const octets hdlc{0xFF, 3};
    const std::size_t at = before.size();
    const auto found = std::search(before.begin(), before.end(), hdlc.begin(), hdlc.end());
    const auto lone_ff = found == before.end() ? 0 : found - before.begin() + 1;
    out.push_back({outer.name + ": " + inner.name, outer.link, before + inner.data, at,
                   at + (outer.names_version ? 0 : 1), at + inner.ip, at + inner.all,
                   static_cast<std::size_t>(lone_ff)});
  };
  const std::vector<wrapping> outer = wrappings();
  const std::vector<inside> inner = insides();
  for (const wrapping& w : outer) add(w, {"TCP", tcp4(), 20, 40}), add(w, {"IPv6 UDP", udp6(), 40, 48});
  for (const inside& i : inner) add(outer[0], i);
  return out;
}

/// Parses a copy that ends where the allocation ends, so that sanitizers see any step beyond.
struct exact_copy {
  std::unique_ptr<std::uint8_t[]> data;
  jj::packet packet{};
  verdict what;

  exact_copy(const octets& frame, std::size_t captured, std::uint32_t wire_length, link_type link)
      : data(new std::uint8_t[captured]) {
    std::copy_n(frame.begin(), captured, data.get());
    what = jj::parse_frame<link_type::per_frame>({data.get(), captured, wire_length, 77, link}, packet);
  }
};

/// Whether a frame means the same with other bytes behind its captured part, in a packet that was used before.
bool ignores_what_follows(const octets& frame, std::size_t captured, std::uint32_t wire_length, link_type link,
                          const exact_copy& expected) {
  for (const std::uint8_t filler : {std::uint8_t{0}, std::uint8_t{0xFF}, std::uint8_t{0x45}}) {
    octets longer(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(captured));
    longer.resize(captured + 64, filler);
    jj::packet used{};
    used.is_ethernet = used.is_first_fragment = used.is_later_fragment = used.has_tcp_header = filler != 0;
    used.source[0] = used.target[0] = used.source_port = used.target_port = used.tcp_flags = filler;
    used.transport = used.payload = {longer.data(), 1};
    const verdict what = jj::parse_frame<link_type::per_frame>({longer.data(), captured, wire_length, 77, link}, used);
    if (what != expected.what) return false;
    if (what == verdict::counted && !same(used, longer.data(), expected.packet, expected.data.get())) return false;
  }
  return true;
}

}  // namespace

// ---- Link layers

TEST_CASE("every wrapping leads to the same packets") {
  for (const wrapping& w : wrappings()) {
    CAPTURE(w.name);
    CAPTURE(static_cast<std::uint32_t>(w.link));
    const parsed four(w.before4 + tcp4(), w.link), six(w.before6 + udp6(), w.link);
    REQUIRE(four.what == verdict::counted);
    REQUIRE(six.what == verdict::counted);
    CHECK(four.packet.ip_version == 4);
    CHECK(six.packet.ip_version == 6);
    CHECK(four.packet.network.data == four.data.data() + w.before4.size());
    CHECK(six.packet.network.data == six.data.data() + w.before6.size());
    CHECK(four.packet.is_ethernet == (w.link == link_type::ethernet));
    CHECK(four.packet.source_port == client_port);
    CHECK(six.packet.target_port == server_port);
    CHECK(four.packet.ip_len == 20 + 32 + 5);
    CHECK(six.packet.ip_len == 40 + 8 + 7);
    CHECK(four.packet.frame_len == w.before4.size() + 57);
    CHECK(four.packet.time_ns == 77);
  }
}

TEST_CASE("a link type fixed at compile time reads like the same one said by each frame") {
  for (const sample& s : samples()) {
    CAPTURE(s.name);
    const parsed expected(s.data, s.link);
    jj::packet fixed{};
    CHECK(packets::parse_with_fixed_link({s.data.data(), s.data.size(), 0, 77, s.link}, fixed) == verdict::counted);
    CHECK(same(fixed, s.data.data(), expected.packet, expected.data.data()));
  }
}

TEST_CASE("link types that nobody opens are unknown") {
  for (const std::uint32_t number : {2u, 8u, 100u, 102u, 105u, 127u, 147u, 277u, 0x10001u, 0xFFFFFFFFu}) {
    CAPTURE(number);
    CHECK(parsed(in_ethernet(tcp4()), static_cast<link_type>(number)).what == verdict::unknown_link);
    CHECK(parsed({}, static_cast<link_type>(number)).what == verdict::unknown_link);
  }
}

TEST_CASE("what carries no IP is not IP") {
  using namespace fb;
  const octets body(46, 0);
  for (const unsigned type : {0x0806u, 0x88CCu, 0x8863u, 0x0000u, 0x05DCu, 0x0027u, 0x88E7u, 0x0801u, 0x9200u}) {
    const std::uint16_t ether_type = static_cast<std::uint16_t>(type);
    CAPTURE(type);
    CHECK(parsed(ethernet(ether_type, body), link_type::ethernet).what == verdict::not_ip);
    CHECK(parsed(ethernet(ethertype::vlan, vlan(1, ether_type, body)), link_type::ethernet).what == verdict::not_ip);
    CHECK(parsed(linux_sll(ether_type, body), link_type::linux_sll).what == verdict::not_ip);
    CHECK(parsed(linux_sll2(ether_type, body), link_type::linux_sll2).what == verdict::not_ip);
  }
  for (const unsigned protocol : {0xC021u, 0x8021u, 0x002Du, 0x00FDu, 0x0023u, 0x2045u, 0x5600u, 0x2357u, 0xC121u}) {
    CAPTURE(protocol);  // an odd first byte is the whole protocol
    for (const link_type link : {link_type::ppp, link_type::ppp_hdlc})
      CHECK(parsed(ppp(static_cast<std::uint16_t>(protocol), body), link).what == verdict::not_ip);
    CHECK(parsed(pppoe(ppp(static_cast<std::uint16_t>(protocol), body)), link_type::pppoe).what == verdict::not_ip);
  }
  for (const std::uint8_t family : octets{0, 1, 6, 16, 23, 29, 31})
    for (const link_type link : {link_type::null, link_type::loop}) {
      CHECK(parsed(octets{family, 0, 0, 0} + tcp4(), link).what == verdict::not_ip);
      CHECK(parsed(octets{0, 0, 0, family} + tcp4(), link).what == verdict::not_ip);
    }
  for (const std::uint8_t first : octets{0x00, 0x35, 0x55, 0x75, 0xF5}) {
    CHECK(parsed(octets(60, first), link_type::raw).what == verdict::not_ip);
    CHECK(parsed(ethernet(ethertype::mpls, mpls(1, octets(60, first))), link_type::ethernet).what == verdict::not_ip);
  }
}

TEST_CASE("a version that contradicts the link layer is malformed, and without one the first byte decides") {
  CHECK(parsed(fb::ethernet(fb::ethertype::ipv4, udp6()), link_type::ethernet).what == verdict::malformed_ip);
  CHECK(parsed(fb::ethernet(fb::ethertype::ipv6, tcp4()), link_type::ethernet).what == verdict::malformed_ip);
  CHECK(parsed(fb::ppp(fb::ppp_ipv6, tcp4()), link_type::ppp).what == verdict::malformed_ip);
  CHECK(parsed(octets{2, 0, 0, 0} + udp6(), link_type::null).what == verdict::malformed_ip);
  CHECK(parsed(udp6(), link_type::ipv4).packet.ip_version == 6);
  CHECK(parsed(tcp4(), link_type::ipv6).packet.ip_version == 4);
}

TEST_CASE("128 VLAN tags are opened, more are malformed") {
  for (const unsigned tags : {127u, 128u, 129u, 130u, 1000u}) {
    CAPTURE(tags);
    octets body = fb::vlan(1, fb::ethertype::ipv4, tcp4());
    for (unsigned at = 1; at < tags; ++at) body = fb::vlan(1, fb::ethertype::vlan, body);
    const parsed p(fb::ethernet(fb::ethertype::vlan, body), link_type::ethernet);
    CHECK(p.what == (tags <= 128 ? verdict::counted : verdict::malformed_link));
  }
}

TEST_CASE("128 MPLS labels are opened, more are malformed") {
  for (const unsigned labels : {127u, 128u, 129u, 130u, 1000u}) {
    CAPTURE(labels);
    const parsed p(fb::ethernet(fb::ethertype::mpls, fb::mpls(labels, tcp4())), link_type::ethernet);
    CHECK(p.what == (labels <= 128 ? verdict::counted : verdict::malformed_link));
  }
}

// ---- IP

TEST_CASE("an IPv4 header says who, whom and how long") {
  const parsed p(tcp4());
  REQUIRE(p.what == verdict::counted);
  CHECK(p.packet.source[0] == 0);
  CHECK(p.packet.source[1] == 0xC0000201);
  CHECK(p.packet.target[0] == 0);
  CHECK(p.packet.target[1] == 0xC6336402);
  CHECK(p.packet.protocol == 6);
  CHECK(p.packet.network.length == 57);
  CHECK(p.packet.transport.length == 37);
  CHECK(p.packet.transport.data == p.packet.network.data + 20);
  CHECK_FALSE(p.packet.is_first_fragment);  // don't fragment is no fragment
  CHECK_FALSE(p.packet.is_later_fragment);
}

TEST_CASE("an IPv6 header says who, whom and how long") {
  const parsed p(udp6());
  REQUIRE(p.what == verdict::counted);
  CHECK(p.packet.source[0] == 0x20010DB800000000);
  CHECK(p.packet.source[1] == 1);
  CHECK(p.packet.target[0] == 0x20010DB800000000);
  CHECK(p.packet.target[1] == 2);
  CHECK(p.packet.protocol == 17);
  CHECK(p.packet.network.length == 55);
  CHECK(p.packet.transport.length == 15);
  CHECK(p.packet.payload_len == 7);
}

TEST_CASE("IPv4 options are passed over") {
  for (std::size_t length = 0; length <= 40; length += 4) {
    CAPTURE(length);
    const parsed p(with_options(length));
    REQUIRE(p.what == verdict::counted);
    CHECK(p.packet.source_port == client_port);
    CHECK(p.packet.ip_len == 20 + length + 15);
    CHECK(p.packet.payload_len == 7);
  }
}

TEST_CASE("an IPv4 header below 20 bytes, or longer than the packet, is malformed") {
  octets packet = udp4();
  for (std::uint8_t words = 0; words < 16; ++words) {
    CAPTURE(static_cast<unsigned>(words));
    packet[0] = static_cast<std::uint8_t>(0x40 | words);
    const bool holds_udp = words >= 5 && 35 - 4 * words >= 8, fits = words >= 5 && 4 * words <= 35;
    CHECK(parsed(packet).what == (holds_udp ? verdict::counted
                                  : fits    ? verdict::malformed_transport
                                            : verdict::malformed_ip));
  }
}

TEST_CASE("a total length below the IPv4 header is malformed") {
  fb::ipv4_header h = header4();
  for (h.total_length = 1; h.total_length < 36; ++h.total_length) {
    CAPTURE(h.total_length);
    CHECK(parsed(fb::ipv4(h, fb::ip_protocol::udp, some_udp())).what == (h.total_length < 20 ? verdict::malformed_ip
                                                                         : h.total_length < 28
                                                                             ? verdict::malformed_transport
                                                                             : verdict::counted));
  }
}

TEST_CASE("a length of 0 is that of the frame on the wire") {
  fb::ipv4_header h4 = header4();
  h4.total_length = 0;
  fb::ipv6_header h6 = header6();
  h6.payload_length = 0;
  const octets four = in_ethernet(fb::ipv4(h4, fb::ip_protocol::tcp, some_tcp(100)));
  const octets six = in_ethernet(fb::ipv6(h6, fb::ip_protocol::tcp, some_tcp(100)));

  const parsed whole(four, link_type::ethernet), cut(four, link_type::ethernet, 70'000);
  CHECK(whole.packet.ip_len == 20 + 32 + 100);
  CHECK(whole.packet.payload_len == 100);
  CHECK(cut.packet.ip_len == 70'000 - 14);
  CHECK(cut.packet.payload_len == 70'000 - 14 - 52);
  CHECK(cut.packet.payload.length == 100);
  const parsed whole6(six, link_type::ethernet), cut6(six, link_type::ethernet, 70'000);
  CHECK(whole6.packet.ip_len == 40 + 32 + 100);
  CHECK(cut6.packet.ip_len == 70'000 - 14);
  CHECK(cut6.packet.payload_len == 70'000 - 14 - 72);
}

TEST_CASE("an IPv6 packet with nothing in it has 40 bytes") {
  fb::ipv6_header h = header6();
  h.payload_length = 0;
  const parsed p(fb::ipv6(h, fb::ipv6_next::none, octets(20, 1)));
  REQUIRE(p.what == verdict::counted);
  CHECK(p.packet.ip_len == 40);
  CHECK(p.packet.payload_len == 0);
  CHECK(p.packet.payload.empty());
  CHECK(p.packet.protocol == 59);
}

TEST_CASE("up to eight IPv6 extension headers are walked, more are malformed") {
  for (unsigned count = 0; count <= 10; ++count) {
    CAPTURE(count);
    const parsed p(count == 0 ? udp6() : with_extensions(count));
    CHECK(p.what == (count <= 8 ? verdict::counted : verdict::malformed_ip));
    if (p.what != verdict::counted) continue;
    CHECK(p.packet.protocol == 17);
    CHECK(p.packet.source_port == client_port);
    CHECK(p.packet.payload_len == 7);
    CHECK(p.packet.ip_len == 40 + 8 * count + 15);
  }
}

TEST_CASE("a long extension header counts in units of eight bytes and need not be captured") {
  const octets ip =
      fb::ipv6(header6(), fb::ipv6_next::routing, fb::ipv6_extension(fb::ip_protocol::icmpv6, octets(16, 5), 255));
  const parsed p(ip);
  REQUIRE(p.what == verdict::counted);
  CHECK(p.packet.payload_len == 16);
  CHECK(p.packet.payload.length == 16);
  const exact_copy cut(ip, 100, 0, link_type::raw);
  CHECK(cut.what == verdict::counted);
  CHECK(cut.packet.payload_len == 16);
  CHECK(cut.packet.payload.empty());
}

TEST_CASE("an extension header that runs past the datagram is malformed") {
  fb::ipv6_header h = header6();
  const octets body = fb::ipv6_extension(fb::ip_protocol::icmpv6, octets(40, 5), 2);
  for (h.payload_length = 1; h.payload_length <= 64; ++h.payload_length) {
    CAPTURE(h.payload_length);
    const parsed p(fb::ipv6(h, fb::ipv6_next::destination_options, body));
    CHECK(p.what == (h.payload_length < 24 ? verdict::malformed_ip : verdict::counted));
  }
}

TEST_CASE("headers that the walk does not know are the protocol") {
  for (const std::uint8_t next : octets{50, 51, 135, 139, 140, 253}) {
    const parsed p(fb::ipv6(header6(), fb::ipv6_next::hop_by_hop, fb::ipv6_extension(next, octets(24, 4))));
    CHECK(p.what == verdict::counted);
    CHECK(p.packet.protocol == next);
    CHECK(p.packet.payload_len == 24);
  }
}

// ---- Fragments

TEST_CASE("the first fragment of a datagram has its transport header and counts what it carries") {
  const parsed four(fragment4(fb::ip_protocol::udp, fb::more_fragments, some_udp(16))),
      six(fragment6(0, true, some_udp(16)));
  for (const parsed* p : {&four, &six}) {
    REQUIRE(p->what == verdict::counted);
    CHECK(p->packet.is_first_fragment);
    CHECK_FALSE(p->packet.is_later_fragment);
    CHECK(p->packet.fragment_protocol == 17);
    CHECK(p->packet.source_port == client_port);
    CHECK(p->packet.payload_len == 16);
  }
  CHECK(four.packet.fragment_id == 0x1234);
  CHECK(six.packet.fragment_id == 0xA1B2C3D4);
}

TEST_CASE("a later fragment has neither ports nor flags, and is all payload") {
  const octets body = some_tcp(8);  // looks like a header and is none
  const octets six = fb::ipv6(header6(), fb::ipv6_next::fragment,
                              fb::ipv6_fragment(fb::ip_protocol::tcp, 0x1FFF, false, 0xA1B2C3D4, body));
  for (const octets& ip : {fragment4(fb::ip_protocol::tcp, fb::more_fragments | 1, body),
                           fragment4(fb::ip_protocol::tcp, 0x1FFF, body), six}) {
    const parsed p(ip);
    REQUIRE(p.what == verdict::counted);
    CHECK(p.packet.is_later_fragment);
    CHECK_FALSE(p.packet.is_first_fragment);
    CHECK(p.packet.protocol == 6);
    CHECK(p.packet.fragment_protocol == 6);
    CHECK_FALSE(p.packet.has_tcp_header);
    CHECK(p.packet.tcp_flags == 0);
    CHECK(p.packet.source_port == 0);
    CHECK(p.packet.payload_len == body.size());
    CHECK(p.packet.payload.length == body.size());
    CHECK(p.packet.transport.empty());
  }
}

TEST_CASE("a later fragment may be shorter than a transport header, a first one may not") {
  CHECK(parsed(fragment4(fb::ip_protocol::tcp, 2, octets(1, 0))).what == verdict::counted);
  CHECK(parsed(fragment4(fb::ip_protocol::udp, fb::more_fragments, octets(7, 0))).what == verdict::malformed_transport);
  CHECK(parsed(fragment6(2, false, octets(1, 0))).what == verdict::counted);
  CHECK(parsed(fragment6(0, true, octets(7, 0))).what == verdict::malformed_transport);
}

TEST_CASE("an IPv6 fragment header with nothing before or after it is passed over") {
  const parsed p(fragment6(0, false, some_udp()));
  REQUIRE(p.what == verdict::counted);
  CHECK_FALSE(p.packet.is_first_fragment);
  CHECK_FALSE(p.packet.is_later_fragment);
  CHECK(p.packet.source_port == client_port);
  CHECK(p.packet.payload_len == 7);
}

TEST_CASE("behind a first IPv6 fragment header the walk goes on, behind a later one it stops") {
  const octets options = fb::ipv6_extension(fb::ip_protocol::udp, some_udp());
  const auto ip = [&](unsigned offset) {
    return fb::ipv6(header6(), fb::ipv6_next::fragment,
                    fb::ipv6_fragment(fb::ipv6_next::destination_options, offset, true, 1, options));
  };
  const parsed first(ip(0)), later(ip(1));
  CHECK(first.packet.protocol == 17);
  CHECK(first.packet.fragment_protocol == 60);
  CHECK(first.packet.source_port == client_port);
  CHECK(later.packet.protocol == 60);
  CHECK(later.packet.payload_len == options.size());
}

// ---- Transport

TEST_CASE("a TCP header gives ports, flags and the length of what follows") {
  const parsed p(tcp4());
  REQUIRE(p.what == verdict::counted);
  CHECK(p.packet.has_tcp_header);
  CHECK(p.packet.source_port == client_port);
  CHECK(p.packet.target_port == server_port);
  CHECK(p.packet.tcp_flags == fin_psh_ack);
  CHECK(p.packet.payload_len == 5);
  CHECK(p.packet.payload.length == 5);
  CHECK(p.packet.payload.data[0] == 'x');
}

TEST_CASE("all eight TCP flags are read, the four bits beside the data offset are not") {
  for (unsigned flags = 0; flags < 256; ++flags) {
    octets ip = tcp4();
    ip[20 + 12] |= 0x0F;
    ip[20 + 13] = static_cast<std::uint8_t>(flags);
    CHECK(parsed(ip).packet.tcp_flags == flags);
  }
}

TEST_CASE("a TCP data offset below five words or past the datagram is malformed") {
  octets ip = tcp4();  // 37 bytes of TCP
  for (unsigned words = 0; words < 16; ++words) {
    CAPTURE(words);
    ip[20 + 12] = static_cast<std::uint8_t>(words << 4);
    const parsed p(ip);
    const bool fits = words >= 5 && 4 * words <= 37;
    CHECK(p.what == (fits ? verdict::counted : verdict::malformed_transport));
    if (fits) CHECK(p.packet.payload_len == 37 - 4 * words);
  }
}

TEST_CASE("the data offset is held against the datagram, not against what was captured") {
  const exact_copy cut(tcp4(), 40, 0, link_type::raw);  // no byte of the options
  CHECK(cut.what == verdict::counted);
  CHECK(cut.packet.payload_len == 5);
  CHECK(cut.packet.payload.empty());
}

TEST_CASE("UDP is eight bytes of header, whatever its own length field says") {
  for (const std::uint8_t low : octets{0, 1, 7, 8, 255}) {
    octets ip = udp4();
    ip[20 + 4] = ip[20 + 5] = low;
    const parsed p(ip);
    CHECK(p.what == verdict::counted);
    CHECK(p.packet.payload_len == 7);
    CHECK_FALSE(p.packet.has_tcp_header);
    CHECK(p.packet.payload.data[0] == 'u');
  }
  CHECK(parsed(fb::ipv4(header4(), fb::ip_protocol::udp, octets(7, 0))).what == verdict::malformed_transport);
  CHECK(parsed(fb::ipv4(header4(), fb::ip_protocol::udp, octets(8, 0))).what == verdict::counted);
}

TEST_CASE("other protocols are all payload and may be empty") {
  for (const std::uint8_t protocol : octets{0, 1, 4, 41, 47, 50, 51, 58, 132, 255})
    for (const std::size_t length : {std::size_t{0}, std::size_t{30}}) {
      CAPTURE(static_cast<unsigned>(protocol));
      const parsed p(fb::ipv4(header4(), protocol, octets(length, 9)));
      REQUIRE(p.what == verdict::counted);
      CHECK(p.packet.protocol == protocol);
      CHECK(p.packet.source_port == 0);
      CHECK(p.packet.target_port == 0);
      CHECK(p.packet.payload_len == length);
      CHECK(p.packet.payload.length == length);
      CHECK(p.packet.transport.length == length);
    }
}

// ---- Lengths

TEST_CASE("padding behind the IP packet belongs to the frame and to nothing else") {
  for (const octets& ip : {tcp4(), udp6(), fragment4(fb::ip_protocol::udp, 2, octets(3, 1))}) {
    const parsed bare(ip), padded(ip + octets(40, 0xEE));
    REQUIRE(padded.what == verdict::counted);
    CHECK(padded.packet.ip_len == bare.packet.ip_len);
    CHECK(padded.packet.payload_len == bare.packet.payload_len);
    CHECK(padded.packet.payload.length == bare.packet.payload.length);
    CHECK(padded.packet.transport.length == bare.packet.transport.length);
    CHECK(padded.packet.frame_len == bare.packet.frame_len + 40);
  }
}

TEST_CASE("the frame is as long as the larger of its two lengths") {
  for (const std::uint32_t wire_length : {0u, 1u, 70u, 71u, 72u, 1514u, 0xFFFFFFFFu})
    CHECK(parsed(in_ethernet(tcp4()), link_type::ethernet, wire_length).packet.frame_len ==
          (std::max)(wire_length, std::uint32_t{71}));
}

TEST_CASE("an IP length beyond the frame is taken as written") {
  fb::ipv4_header h = header4();
  h.total_length = 65535;
  const parsed p(fb::ipv4(h, fb::ip_protocol::udp, some_udp()));
  CHECK(p.what == verdict::counted);
  CHECK(p.packet.ip_len == 65535);
  CHECK(p.packet.payload_len == 65535 - 28);
  CHECK(p.packet.payload.length == 7);
}

// ---- Hostile input

TEST_CASE("a frame may be cut anywhere: the verdict names the first header that is incomplete") {
  for (const sample& s : samples()) {
    CAPTURE(s.name);
    const exact_copy whole(s.data, s.data.size(), 0, s.link);
    REQUIRE(whole.what == verdict::counted);
    const auto wire_length = static_cast<std::uint32_t>(s.data.size());
    for (std::size_t captured = 0; captured <= s.data.size(); ++captured) {
      CAPTURE(captured);
      const exact_copy cut(s.data, captured, wire_length, s.link);
      const verdict expected = captured != 0 && captured == s.lone_ff ? verdict::not_ip
                               : captured < s.link_complete           ? verdict::malformed_link
                               : captured < s.ip_complete             ? verdict::malformed_ip
                               : captured < s.complete                ? verdict::malformed_transport
                                                                      : verdict::counted;
      CHECK(cut.what == expected);
      CHECK(ignores_what_follows(s.data, captured, wire_length, s.link, cut));
      if (cut.what != verdict::counted) continue;
      CHECK(is_sound(cut.packet, cut.data.get(), captured));
      CHECK(cut.packet.ip_len == whole.packet.ip_len);
      CHECK(cut.packet.payload_len == whole.packet.payload_len);
      CHECK(cut.packet.frame_len == whole.packet.frame_len);
      CHECK(cut.packet.network.length == captured - s.start);
      const std::size_t missing = s.data.size() - captured, all = whole.packet.payload.length;
      CHECK(cut.packet.payload.length == (missing < all ? all - missing : 0));
    }
  }
}

TEST_CASE("no frame at all is a malformed link") {
  for (const link_type link : every_link) {
    jj::packet p{};
    CHECK(jj::parse_frame<link_type::per_frame>({nullptr, 0, 1500, 0, link}, p) == verdict::malformed_link);
  }
}

TEST_CASE("frames at every alignment give the same packet") {
  for (const sample& s : samples()) {
    CAPTURE(s.name);
    const parsed expected(s.data, s.link);
    for (std::size_t shift = 1; shift < 16; ++shift) {
      const octets shifted = octets(shift, 0xAA) + s.data;
      const std::uint8_t* data = shifted.data() + shift;
      jj::packet p{};
      CHECK(jj::parse_frame<link_type::per_frame>({data, s.data.size(), 0, 77, s.link}, p) == verdict::counted);
      CHECK(same(p, data, expected.packet, expected.data.data()));
    }
  }
}

TEST_CASE("100000 damaged frames get a verdict, and what is counted holds together") {
  std::mt19937_64 random(7);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  const std::vector<sample> originals = samples();
  unsigned unsound = 0, reads_on = 0;
  unsigned by_verdict[jj::verdict_count] = {};
  for (unsigned round = 0; round < 100'000; ++round) {
    const sample& s = originals[below(originals.size())];
    octets frame = s.data;
    for (std::size_t changes = 1 + below(4); changes != 0; --changes) {
      std::uint8_t& byte = frame[below(frame.size())];
      switch (below(4)) {
        case 0: byte = static_cast<std::uint8_t>(random()); break;
        case 1: byte = static_cast<std::uint8_t>(byte ^ 1u << below(8)); break;
        case 2: byte = below(2) == 0 ? 0 : 0xFF; break;
        default: byte = frame[below(frame.size())]; break;
      }
    }
    const std::size_t captured = below(4) == 0 ? below(frame.size() + 1) : frame.size();
    const std::uint32_t wire_length = below(4) == 0   ? static_cast<std::uint32_t>(random())
                                      : below(2) == 0 ? 0
                                                      : static_cast<std::uint32_t>(frame.size());
    const link_type link = below(16) == 0 ? every_link[below(std::size(every_link))] : s.link;
    const exact_copy p(frame, captured, wire_length, link);
    by_verdict[static_cast<std::size_t>(p.what)] += 1;
    if (p.what == verdict::counted && !is_sound(p.packet, p.data.get(), captured)) unsound += 1;
    if (!ignores_what_follows(frame, captured, wire_length, link, p)) reads_on += 1;
  }
  CHECK(unsound == 0);
  CHECK(reads_on == 0);
  for (const verdict possible : {verdict::counted, verdict::not_ip, verdict::malformed_link, verdict::malformed_ip,
                                 verdict::malformed_transport})
    CHECK(by_verdict[static_cast<std::size_t>(possible)] > 1000);
  CHECK(by_verdict[static_cast<std::size_t>(verdict::unknown_link)] == 0);
  CHECK(by_verdict[static_cast<std::size_t>(verdict::refused)] == 0);
}
