// Sections 9 and 10: the fingerprint group: what each point of the Tor, VPN and DoH scores takes, and what just misses it.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;

namespace {

using octets = fb::octets;

struct alone : jj::default_config {
  using groups = jj::type_list<jj::fingerprint>;
  static constexpr jj::link_type link = jj::link_type::raw;
  static constexpr std::size_t max_flows = 4;
};
struct with_logs : alone {
  using groups = jj::type_list<jj::timing, jj::fingerprint>;
  static constexpr std::size_t sample_packets = 8;
};

struct message {
  bool from_client;
  octets payload;
};
struct conversation {
  std::uint8_t protocol = fb::ip_protocol::udp;
  std::uint16_t client_port = 40000, server_port = 12345;
  std::vector<message> messages;
};
octets frame_of(const conversation& c, const message& m) {
  const fb::ipv4_header header = traffic::header_of(1, m.from_client);
  const std::uint16_t from = m.from_client ? c.client_port : c.server_port;
  const std::uint16_t to = m.from_client ? c.server_port : c.client_port;
  fb::tcp_header h;
  h.source_port = from;
  h.target_port = to;
  return fb::ipv4(header, c.protocol,
                  c.protocol == fb::ip_protocol::udp   ? fb::udp(from, to, m.payload)
                  : c.protocol == fb::ip_protocol::tcp ? fb::tcp(h, m.payload)
                                                       : m.payload);
}
template <class Config = alone> jj::fingerprint judged(const conversation& c) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  jj::row_for<jj::type_list<jj::fingerprint>> row;
  std::int64_t now = traffic::start;
  for (const message& m : c.messages)
    row =
        engine->feed(traffic::made_frame{frame_of(c, m), ++now}, traffic::ignore).flow.template read<jj::fingerprint>();
  return row;
}
/// Starts with `head`, filled with zeros.
octets payload(octets head, std::size_t length) {
  head.resize(length);
  return head;
}
std::string type_of(const jj::fingerprint& row) { return {row.traffic_type.characters, row.traffic_type.length}; }

octets wireguard_data(std::size_t length, std::uint8_t counter_high = 0) {
  return payload({4, 0, 0, 0, 1, 2, 3, 4, 9, 0, 0, 0, counter_high}, length);
}

}  // namespace

// ---- Tor ---------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("Tor: cells, constant payloads and the port", Config, alone, with_logs) {
  conversation c{fb::ip_protocol::tcp, 40000, 9001, {}};
  c.messages.assign(12, {true, octets(586)});
  jj::fingerprint row = judged<Config>(c);
  CHECK(row.tor_confidence == 0.8);
  CHECK(row.likely_tor);
  CHECK(type_of(row) == "tor");

  c.server_port = 80;
  CHECK(judged<Config>(c).tor_confidence == 0.7);
  c.messages.push_back({false, octets(100)});  // now payloads vary
  CHECK(judged<Config>(c).tor_confidence == 0.4);
  CHECK_FALSE(judged<Config>(c).likely_tor);
  c.server_port = 443;
  CHECK(judged<Config>(c).likely_tor);
  CHECK(judged<Config>(c).tor_confidence == 0.5);
}

TEST_CASE("Tor: one packet with payload does not say that payloads are constant; empty ones do not disturb") {
  conversation c{fb::ip_protocol::tcp, 40000, 80, {{true, octets(50)}, {false, {}}}};
  CHECK(judged(c).tor_confidence == 0);
  c.messages.push_back({true, octets(55)});
  CHECK(judged(c).tor_confidence == 0.3);
  c.messages = {{true, octets(90)}, {true, octets(110)}};  // a coefficient of variation of just 0.1
  CHECK(judged(c).tor_confidence == 0);
  c.messages = {{true, octets(91)}, {false, octets(110)}};
  CHECK(judged(c).tor_confidence == 0.3);
}

TEST_CASE("Tor: the five ports, of the responder only") {
  for (const std::uint16_t port : std::vector<std::uint16_t>{443, 9001, 9030, 9050, 9051}) {
    CHECK(judged({fb::ip_protocol::tcp, 40000, port, {{true, {}}}}).tor_confidence == 0.1);
    CHECK(judged({fb::ip_protocol::tcp, port, 40000, {{true, {}}}}).tor_confidence == 0);
  }
}

// ---- VPN ---------------------------------------------------------------------------------------------------------

TEST_CASE("VPN: ports and protocols") {
  const struct {
    std::uint8_t protocol;
    std::uint16_t client, server;
    double confidence;
    const char* type;
  } cases[] = {
      {fb::ip_protocol::udp, 40000, 1194, 0.5, "openvpn"},
      {fb::ip_protocol::tcp, 1194, 40000, 0.5, "openvpn"},
      {fb::ip_protocol::udp, 40000, 51820, 0.5, "wireguard"},
      {fb::ip_protocol::tcp, 40000, 51820, 0, ""},
      {fb::ip_protocol::udp, 51820, 40000, 0, ""},
      {50, 0, 0, 0.7, "ipsec-esp"},
      {51, 0, 0, 0.7, "ipsec-ah"},
      {fb::ip_protocol::udp, 500, 500, 0.4, "ipsec-ike"},
      {fb::ip_protocol::udp, 40000, 4500, 0.4, "ipsec-ike"},
      {fb::ip_protocol::tcp, 40000, 500, 0, ""},
      {fb::ip_protocol::udp, 40000, 1701, 0.4, "l2tp"},
      {fb::ip_protocol::udp, 1194, 51820, 1, "wireguard"},
      {fb::ip_protocol::udp, 1194, 1701, 0.9, "l2tp"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.type);
    const jj::fingerprint row = judged({one.protocol, one.client, one.server, {{true, octets(20)}}});
    CHECK(row.vpn_confidence == one.confidence);
    CHECK(std::string(row.vpn_type) == one.type);
    CHECK(row.likely_vpn == (one.confidence >= 0.4));
    CHECK(type_of(row) == (one.confidence >= 0.4 ? "vpn:" + std::string(one.type) : "encrypted"));
  }
}

TEST_CASE("VPN: more than half of the packets nearly full, which names no type") {
  conversation c{fb::ip_protocol::udp, 40000, 12345, {{true, octets(1372)}, {true, octets(1371)}}};  // 1400 and 1399
  CHECK(judged(c).vpn_confidence == 0);
  c.messages.push_back({false, octets(1472)});  // 1500
  CHECK(judged(c).vpn_confidence == 0.2);
  CHECK(std::string(judged(c).vpn_type).empty());
  CHECK_FALSE(judged(c).likely_vpn);
  c.messages.push_back({false, octets(1473)});
  CHECK(judged(c).vpn_confidence == 0);
}

TEST_CASE_TEMPLATE("OpenVPN over UDP: a client's reset answered by a server's", Config, alone, with_logs) {
  for (const std::uint8_t opcode : octets{0x38, 0x50}) {
    conversation c{fb::ip_protocol::udp, 40000, 12345, {{true, payload({opcode}, 14)}}};
    CHECK(judged<Config>(c).vpn_confidence == 0);
    c.messages.push_back({false, payload({0x40}, 26)});
    CHECK(judged<Config>(c).vpn_confidence == 0.4);
    CHECK(type_of(judged<Config>(c)) == "vpn:openvpn");
    c.messages[1].payload.resize(13);
    CHECK(judged<Config>(c).vpn_confidence == 0);
  }
  conversation c{fb::ip_protocol::udp, 40000, 12345, {{true, payload({0x40}, 14)}, {false, payload({0x38}, 14)}}};
  CHECK(judged<Config>(c).vpn_confidence == 0);
  c.messages = {{true, payload({0x39}, 14)}, {false, payload({0x40}, 14)}};
  CHECK(judged<Config>(c).vpn_confidence == 0);
  c.messages = {
      {true, octets(20)}, {true, payload({0x38}, 14)}, {false, payload({0x40}, 14)}};  // not the first payload
  CHECK(judged<Config>(c).vpn_confidence == 0);
}

TEST_CASE("OpenVPN over TCP: a length goes before the packet and must fit the segment") {
  conversation c{fb::ip_protocol::tcp, 40000, 12345, {{true, {}}, {false, {}}}};
  c.messages.push_back({true, payload({0, 14, 0x38}, 16)});
  c.messages.push_back({false, payload({0, 14, 0x40}, 40)});
  CHECK(judged(c).vpn_confidence == 0.4);
  c.messages[2].payload[1] = 15;  // one more than there is
  CHECK(judged(c).vpn_confidence == 0);
  c.messages[2].payload[1] = 13;  // too short for a reset
  CHECK(judged(c).vpn_confidence == 0);
  c.messages[2] = {true, payload({0x38}, 16)};  // without a length
  CHECK(judged(c).vpn_confidence == 0);
  c.messages[2] = {true, {0, 14}};
  CHECK(judged(c).vpn_confidence == 0);
}

TEST_CASE("other protocols have no OpenVPN or WireGuard") {
  CHECK(judged({47, 0, 0, {{true, payload({0x38}, 20)}, {false, payload({0x40}, 20)}}}).vpn_confidence == 0);
  CHECK(judged({47, 0, 0, {{true, payload({1}, 148)}}}).vpn_confidence == 0);
  CHECK(judged({fb::ip_protocol::tcp, 40000, 12345, {{true, payload({1}, 148)}}}).vpn_confidence == 0);
}

TEST_CASE("WireGuard: a handshake from either side by length and first bytes") {
  const auto confidence = [](bool from_client, octets head, std::size_t length) {
    conversation c{fb::ip_protocol::udp, 40000, 12345, {{true, octets(3)}, {from_client, payload(head, length)}}};
    if (from_client) c.messages.erase(c.messages.begin());
    return judged(c).vpn_confidence;
  };
  CHECK(confidence(true, {1}, 148) == 0.4);
  CHECK(confidence(false, {2}, 92) == 0.4);
  CHECK(confidence(true, {1}, 147) == 0);
  CHECK(confidence(true, {2}, 148) == 0);
  CHECK(confidence(true, {1, 1}, 148) == 0);
  CHECK(confidence(true, {1, 0, 0, 1}, 148) == 0);
  CHECK(confidence(false, {2}, 148) == 0);
  CHECK(confidence(true, {2}, 92) == 0);
  CHECK(confidence(false, {1}, 148) == 0);
}

TEST_CASE("WireGuard: transport messages first on both sides") {
  const auto confidence = [](const octets& forward, const octets& backward) {
    return judged({fb::ip_protocol::udp, 40000, 12345, {{true, forward}, {false, backward}}}).vpn_confidence;
  };
  CHECK(confidence(wireguard_data(32), wireguard_data(1280)) == 0.4);
  CHECK(confidence(wireguard_data(32), octets(32)) == 0);
  CHECK(confidence(wireguard_data(33), wireguard_data(32)) == 0);
  CHECK(confidence(wireguard_data(16), wireguard_data(32)) == 0);
  CHECK(confidence(wireguard_data(32), wireguard_data(32, 1)) == 0);
}

TEST_CASE("first payloads that were not captured whole: lengths count as sent, bytes as captured") {
  const conversation c{fb::ip_protocol::udp, 40000, 12345, {{true, payload({1}, 148)}, {true, wireguard_data(64)}}};
  const auto confidence = [&](std::size_t message, std::size_t captured) {
    const auto engine = std::make_unique<jj::engine<alone>>();
    const octets data = frame_of(c, c.messages[message]);
    octets answer = frame_of(c, {false, wireguard_data(64)});
    engine->feed({data.data(), 28 + captured, 0, traffic::start}, traffic::ignore);
    const auto fed = engine->feed({answer.data(), answer.size(), 0, traffic::start}, traffic::ignore);
    return fed.flow.read<jj::fingerprint>().vpn_confidence;
  };
  CHECK(confidence(0, 4) == 0.4);
  CHECK(confidence(0, 3) == 0);
  CHECK(confidence(1, 16) == 0.4);
  CHECK(confidence(1, 15) == 0);
  CHECK(confidence(1, 0) == 0);
}

TEST_CASE("later fragments are passed over") {
  const auto engine = std::make_unique<jj::engine<alone>>();
  fb::ipv4_header header = traffic::header_of(1, true);
  header.flags_and_offset = 5;
  const octets fragment = fb::ipv4(header, 50, octets(20));
  CHECK(engine->feed(traffic::made_frame{fragment, traffic::start}, traffic::ignore)
            .flow.accumulated<jj::first_payloads>()
            .opening_marks[jj::fwd] == 0);
  header.flags_and_offset = 0;
  const octets whole = fb::ipv4(header, 50, octets(20));
  CHECK(engine->feed(traffic::made_frame{whole, traffic::start}, traffic::ignore)
            .flow.accumulated<jj::first_payloads>()
            .opening_marks[jj::fwd] == jj::first_payloads::seen);
}

// ---- DNS over HTTPS ----------------------------------------------------------------------------------------------

namespace {

struct asked {
  std::string name, protocol = "h2";
  bool speaks_tls = true;
  std::uint64_t address[2] = {0, 0x0A000001};
  std::uint8_t ip_version = 4;
  std::uint16_t port = 443;
  std::uint64_t duration_ns = 1'000'000'000, payload_bytes = 12'001;
};
jj::bytes view(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
unsigned score(const asked& a) {
  return jj::detail::doh_score({{view(a.name), view(a.protocol), a.speaks_tls},
                                {a.address[0], a.address[1]},
                                a.ip_version,
                                a.port,
                                a.duration_ns,
                                a.payload_bytes});
}

}  // namespace

TEST_CASE("DoH: providers, every name below them, any case, and nothing beside them") {
  for (const char* known : {"dns.google", "dns.google.com", "one.one.one.one", "doh.familyshield.opendns.com",
                            "tiar.app", "dns.aa.net.uk", "1dot1dot1dot1.com", "doh.pub", "cloudflare-dns.com", "doh.li",
                            "canadianshield.cira.ca", "unfiltered.adguard-dns.com", "dns9.quad9.net", "controld.com"}) {
    CAPTURE(known);
    const std::string name = known;
    CHECK(score({name, ""}) == 60);
    CHECK(score({"a.b.c.d.e.f." + name, ""}) == 60);
    CHECK(score({"x" + name, ""}) == 0);
    CHECK(score({name + ".", ""}) == 0);
    CHECK(score({name + ".example", ""}) == 0);
    CHECK(score({"." + name, ""}) == 60);  // below it, as the definition has it
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    CHECK(score({upper, ""}) == 60);
  }
  CHECK(score({"doh.dns.sb", ""}) == 60);  // below dns.sb, and so not in the table
  for (const char* other : {"", ".", "..", "google", "com", "one.one.one", "dns.quad9.com", "quad9.net", "opendns.com",
                            "familyshield.opendns.com", "adguard-dns.com", "net", "one", "aa.net.uk"})
    CHECK(score({other, ""}) == 0);
}

TEST_CASE("DoH: labels that say DNS count with HTTP and not in the last place") {
  const auto says = [](const char* name) { return score({name, "h2"}) == 40; };
  for (const char* name :
       {"doh.example", "doh-2.example", "dns.example", "dns1.example", "dnsxx.example", "rdns.example", "RDNS7.example",
        "mydoh.example", "nxdoh-eu.example", "dohserver.example", "a.doh.b.example", "DoH.x", "dns9-a-b.example"}) {
    CAPTURE(name);
    CHECK(says(name));
    CHECK(score({name, "http/1.1"}) == 40);
    CHECK(score({name, ""}) == 0);
    CHECK(score({name, "spdy"}) == 0);
    CHECK(score({name, "h3", false}) == 0);
  }
  for (const char* name :
       {"doh", "dns", "dnsxxx.example", "xdns.example", "rdnsx.example", "x-doh.example", "example.doh", "do.h.example",
        "d0h.example", "9dns.example", "-doh.example", "", "...", "www.dnsserver.example"})
    CHECK_MESSAGE(!says(name), name);
}

TEST_CASE("DoH: resolvers' addresses on port 443, with or without TLS") {
  asked a;
  a.speaks_tls = false;
  a.address[1] = 0x01010101;
  CHECK(score(a) == 60);
  a.port = 444;
  CHECK(score(a) == 0);
  a.port = 443;
  a.address[1] = 0x01010104;
  CHECK(score(a) == 0);
  a.ip_version = 6;
  a.address[0] = 0x262000fe00000000;
  a.address[1] = 0xfe;
  CHECK(score(a) == 60);
  a.address[0] = 0;
  a.address[1] = 0x01010101;  // ::1.1.1.1 is not 1.1.1.1
  CHECK(score(a) == 0);
}

TEST_CASE("DoH: short and small add a little; DNS over TLS or QUIC is none") {
  asked a{"dns.google"};
  CHECK(score(a) == 60);
  a.duration_ns -= 1;
  CHECK(score(a) == 70);
  a.payload_bytes -= 1;
  CHECK(score(a) == 80);
  a.port = 853;
  CHECK(score(a) == 0);
  a.port = 8443;
  for (const char* protocol : {"dot", "doq"}) {
    a.protocol = protocol;
    CHECK(score(a) == 0);
  }
  a.protocol = "dots";
  CHECK(score(a) == 80);
  CHECK(score({"www.example", "h2", true, {0, 1}, 4, 443, 5, 5}) == 20);
  CHECK(score({"www.example", "h2", false, {0, 1}, 4, 443, 5, 5}) == 0);
}

TEST_CASE("DoH by address, through the engine") {
  const auto engine = std::make_unique<jj::engine<alone>>();
  fb::ipv4_header header;
  header.source = {10, 0, 0, 1};
  header.target = {8, 8, 8, 8};
  fb::tcp_header h;
  h.source_port = 40000;
  h.target_port = 443;
  const octets frame = fb::ipv4(header, fb::ip_protocol::tcp, fb::tcp(h));
  const jj::fingerprint row =
      engine->feed(traffic::made_frame{frame, traffic::start}, traffic::ignore).flow.read<jj::fingerprint>();
  CHECK(row.doh_confidence == 0.8);
  CHECK(row.likely_doh);
  CHECK(type_of(row) == "doh");
  CHECK(row.tor_confidence == 0.1);
}

// ---- Sizes -------------------------------------------------------------------------------------------------------

TEST_CASE("a fingerprint takes two bytes of a slot beside a log") {
  CHECK(sizeof(jj::first_payloads) == 2);
  struct with_names : jj::default_config {  // a fingerprint asks for the server's name
    using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp, jj::tls, jj::quic>;
  };
  struct everything : jj::default_config {
    using groups =
        jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp, jj::fingerprint, jj::entropy, jj::padding>;
  };
  CHECK(jj::engine<everything>::footprint().slot <= jj::engine<with_names>::footprint().slot + 24);
}
