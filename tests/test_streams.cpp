// Section 9: streams of segments in any order against a model that keeps every byte; what happens when buffers or
// records run out; what a flow costs that speaks none of the protocols.
#include <doctest/doctest.h>

#include <map>
#include <memory>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/handshakes.hpp"
#include "tests/stream_model.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace handshakes;
using stream_model::expected;

namespace {

// ---- Random traffic

/// The bytes of both directions of a handshake, from records and packets of any kind.
struct both_streams {
  octets client, server;
};
octets random_tail(dice& random) { return random.one_in(6) ? random.bytes(random.below(20000)) : octets{}; }
octets random_records(dice& random, const octets& messages) {
  octets out;
  for (std::size_t at = 0; at < messages.size();) {
    if (random.one_in(6)) out = std::move(out) + record(21, octets{1, 0});
    if (at != 0 && random.one_in(8)) out = std::move(out) + record(24, octets(random.below(9), 1));
    const std::size_t size = 1 + random.below(random.one_in(3) ? 12 : 900);
    const std::size_t end = std::min(at + size, messages.size());
    out = std::move(out) + handshake(slice(messages, at, end));
    at = end;
  }
  return out;
}
both_streams random_tls(dice& random) {
  client_hello client;
  client.session_id = random.bytes(random.below(2) * 32);
  client = client.with(0, sni(ascii("host" + std::to_string(random.below(1000)) + ".example")))
               .with(51, vector<2>(key_share(0x11EC, random.below(1300))))
               .with(43, vector<1>(list16({0x0304, 0x0303})));
  server_hello server;
  if (random.one_in(2)) server.session_id = client.session_id;
  octets answer = random.one_in(5) ? message(hello_retry_request()) : octets{};
  if (random.one_in(2)) {
    answer = answer + message(server.with(43, u16(0x0304)).with(51, key_share(0x11EC, 1120)));
  } else {
    answer = answer + message(server);
    if (random.one_in(2)) answer = answer + certificates({1 + random.below(900), random.below(900)});
    if (random.one_in(2)) answer = answer + message(12, octets{3, 0, 23, 65} + octets(80, 4));
    if (random.one_in(2)) answer = answer + message(14, {});
  }
  const octets ccs = random.one_in(2) ? change_cipher_spec() : octets{};
  const octets finished = random.one_in(2) ? handshake(random.bytes(40)) : octets{};
  return {random_records(random, message(client)) + ccs + finished + application_data(random.below(300)) +
              random_tail(random),
          random_records(random, answer) + ccs + finished + application_data(random.below(300)) + random_tail(random)};
}
octets random_ssh_side(dice& random, const std::string& name) {
  octets out;
  for (unsigned lines = random.below(3); lines > 0; --lines) out = out + octets(random.below(500), 'l') + ascii("\r\n");
  out = out + ascii("SSH-2.0-" + name + (random.one_in(2) ? " comment\r\n" : "\n")) +
        kexinit(lists_of(name + std::string(random.below(60), 'x')), 4 + random.below(9));
  for (unsigned more = random.below(4); more > 0; --more)
    out = out + ssh_packet(random.one_in(3) ? 1 + random.below(4) : 30 + random.below(10), random.below(200));
  if (!random.one_in(5)) out = out + ssh_packet(21, 0, 10);
  return out + random.bytes(random.below(400)) + random_tail(random);
}

/// The packets of one direction: cuts, overlaps with other bytes, repetitions, losses, swaps, cut captures.
segments random_segments(dice& random, bool forward, std::uint32_t start, const octets& stream) {
  segments out;
  const unsigned usual = random.one_in(3) ? 20 : 1400;
  const unsigned trouble = random.one_in(4) ? 1000000 : 4 + random.below(30);
  const auto packet = [&](std::size_t begin, std::size_t end) {
    return segment{forward, start + static_cast<std::uint32_t>(begin), slice(stream, begin, end)};
  };
  for (std::size_t at = 0; at < stream.size() && out.size() < 3000;) {
    const std::size_t end = std::min(at + 1 + random.below(usual), stream.size());
    segment s = packet(at, end);
    if (random.one_in(8)) s.flags = fb::tcp_fin | fb::tcp_ack;
    if (random.one_in(trouble)) s.captured = random.below(s.payload.size());
    if (!random.one_in(3 * trouble)) out.push_back(s);
    if (random.one_in(trouble)) {  // again, from earlier on or beyond, perhaps with other bytes
      const std::size_t from = at - std::min<std::size_t>(at, random.below(40));
      segment other = packet(from, std::min(end + random.below(60), stream.size()));
      if (random.one_in(2))
        for (std::uint8_t& octet : other.payload) octet ^= 0x80;
      if (random.one_in(5)) other.flags = fb::tcp_rst;
      out.push_back(other);
    }
    if (random.one_in(trouble)) out.push_back({forward, start + static_cast<std::uint32_t>(at) - 1, octets{0}});
    at = end;
  }
  for (std::size_t at = 0; at + 1 < out.size(); ++at)
    if (random.one_in(trouble)) std::swap(out[at], out[std::min(at + 1 + random.below(5), out.size() - 1)]);
  return out;
}
/// SYNs in front of a direction's packets: none, one, several of which the last one counts, or one of another stream;
/// sometimes with the first payload on it.
segments random_syns(dice& random, bool forward, bool is_answer, std::uint32_t start, segments& packets) {
  const std::uint8_t flags = static_cast<std::uint8_t>(fb::tcp_syn | (is_answer ? fb::tcp_ack : 0));
  segments out;
  if (random.one_in(4)) return out;
  if (random.one_in(8)) return out.push_back({forward, start + 20000 + random.below(1u << 29), {}, flags}), out;
  if (random.one_in(6)) out.push_back({forward, start - 1 - random.below(100000), {}, flags});
  out.push_back({forward, start - 1, {}, flags});
  if (random.one_in(6)) out.push_back(out.back());
  if (random.one_in(6) && !packets.empty() && packets[0].sequence == start && (packets[0].flags & fb::tcp_rst) == 0) {
    packets[0].sequence = start - 1;
    packets[0].flags = flags;
  }
  return out;
}
segments random_flow(dice& random, const both_streams& streams) {
  const std::uint32_t client = random.one_in(3) ? 0xFFFFFFFF - random.below(3000) : random.below(1u << 31);
  const std::uint32_t server = random.one_in(3) ? 0xFFFFFFFF - random.below(3000) : random.below(1u << 31);
  segments a = random_segments(random, true, client, streams.client);
  segments b = random_segments(random, false, server, streams.server);
  const segments syn = random_syns(random, true, false, client, a),
                 answer = random_syns(random, false, true, server, b);
  segments out = random.one_in(6) ? answer + syn : syn + answer;
  std::size_t next_a = 0, next_b = 0;
  const unsigned share = 2 + random.below(8);
  while (next_a < a.size() || next_b < b.size()) {
    const bool take_a = next_b == b.size() || (next_a < a.size() && random.below(10) < share);
    out.push_back(take_a ? a[next_a++] : b[next_b++]);
  }
  // A SYN behind a RST opens another flow.
  bool behind_syn = false;
  for (std::size_t at = out.size(); at-- > 0;) {
    behind_syn = behind_syn || (out[at].flags & fb::tcp_syn) != 0;
    if (behind_syn && (out[at].flags & fb::tcp_rst) != 0) out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return out;
}

// ---- Port 53

struct with_dns : roomy {
  using groups = jj::type_list<jj::tls, jj::ssh, jj::dns, jj::handshake_state>;
};
struct cramped : with_dns {
  static constexpr std::size_t max_flows = 8;
  static constexpr std::size_t handshake_records = 6;
  static constexpr std::size_t handshake_buffers = 4;
  static constexpr std::size_t handshake_buffer_bytes = 512;
  static constexpr std::size_t held_pieces = 4;
};
struct one_buffer : with_dns {
  static constexpr std::size_t max_flows = 4;
  static constexpr std::size_t handshake_buffers = 1;
};
struct short_dns_names : with_dns {
  static constexpr std::size_t max_name = 8;
};
constexpr ports dns_ports{traffic::client_port, 53};

/// A message with its length before it [RFC 1035 4.2.2]: one question, for the root or one label.
octets dns_message(unsigned flags, const std::string& label = {}) {
  const octets name = label.empty() ? octets{} : u8(static_cast<unsigned>(label.size())) + ascii(label);
  return vector<2>(u16(7) + u16(flags) + u16(1) + octets(6, 0) + name + octets{0, 0, 1, 0, 1});
}

// ---- Small engines

struct crowded : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::tls, jj::ssh, jj::handshake_state>;
  static constexpr std::size_t max_flows = 64;
  static constexpr std::size_t handshake_records = 32;
  static constexpr std::size_t handshake_buffers = 3;
  static constexpr std::size_t handshake_buffer_bytes = 2048;
  static constexpr std::size_t held_pieces = 4;
  static constexpr std::size_t max_fragments = 0;
  static constexpr bool expire_while_feeding = false;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct few_records : crowded {
  static constexpr std::size_t handshake_records = 4;
};
struct one_of_each : crowded {
  static constexpr std::size_t handshake_records = 1;
  static constexpr std::size_t handshake_buffers = 1;
  static constexpr std::size_t handshake_buffer_bytes = 512;
  static constexpr std::size_t held_pieces = 1;
};

/// Rows by the last byte of the initiator's address.
struct rows_by_flow {
  std::map<unsigned, answers> rows;
  std::vector<unsigned> order;
  std::uint64_t packets = 0;

  template <class Row, class Flow> void operator()(const Row& row, const Flow& flow, jj::end_reason) {
    const jj::ip_address from = flow.address(jj::fwd);
    const unsigned number =
        from.octets[3] == 1 && from.octets[0] == 192 ? flow.address(jj::bwd).octets[3] : from.octets[3];
    answers& mine = rows[number];
    mine.clear();
    mine["tls_sni"] = shown(row.tls_sni);
    mine["tls_detected"] = shown(row.tls_detected);
    mine["dropped"] = shown(row.handshake_dropped);
    mine["total_packets"] = shown(row.total_packets);
    order.push_back(number);
    packets += flow.packets();
  }
};
octets hello_named(unsigned number, std::size_t share = 32) {
  return handshake(message(
      client_hello{}.with(0, sni(ascii("host" + std::to_string(number)))).with(51, vector<2>(key_share(29, share)))));
}
template <class Engine, class Sink>
auto feed(Engine& engine, unsigned flow, const segment& s, Sink& sink, std::int64_t at = 0) {
  const traffic::made_frame made = frame_of(s, at, flow);
  return engine.feed(on_wire(made, s), sink);
}

}  // namespace

// ---- Against the model

TEST_CASE("any order, cut, overlap, loss and repetition of TLS segments gives what the assembled streams give") {
  for (unsigned round = 0; round < 400; ++round) {
    dice random(round);
    const segments packets = random_flow(random, random_tls(random));
    if (packets.empty()) continue;
    CAPTURE(round);
    REQUIRE(difference(ask(packets), expected(packets, {})) == "");
  }
}

TEST_CASE("any order, cut, overlap, loss and repetition of SSH segments gives what the assembled streams give") {
  for (unsigned round = 0; round < 400; ++round) {
    dice random(1000 + round);
    const ports of{static_cast<std::uint16_t>(random.one_in(3) ? 22 : 40000),
                   static_cast<std::uint16_t>(random.one_in(2) ? 22 : 2222)};
    const octets client = random_ssh_side(random, "client"), server = random_ssh_side(random, "server");
    const segments packets = random_flow(random, {client, server});
    if (packets.empty()) continue;
    CAPTURE(round);
    REQUIRE(difference(ask(packets, of), expected(packets, of)) == "");
  }
}

TEST_CASE("a small flow in all orders of its segments") {
  const octets hello = hello_named(7);
  const std::size_t cut = hello.size() / 4 + 1;
  segments parts = pieces_of(true, client_start, hello, cut);
  REQUIRE(parts.size() == 4);
  parts.push_back({true, client_start + 3, slice(hello, 3, hello.size() - 5)});
  std::vector<unsigned> order = {0, 1, 2, 3, 4};
  do {
    segments packets = opening();
    for (const unsigned at : order) packets.push_back(parts[at]);
    answers wanted = expected(packets, {});
    REQUIRE(difference(ask(packets), wanted) == "");
    REQUIRE(ask(packets).at("handshake_dropped") == "false");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("held packets are told apart however many come meanwhile") {
  // One packet's bytes are held in two pieces, with 256 swapped pairs in front of them: it counts once.
  const octets stream = handshake(message(client_hello{}.with(21, octets(1200, 0))));
  segments packets = opening();
  const auto piece = [&](std::size_t begin, std::size_t end) {
    packets.push_back({true, client_start + static_cast<std::uint32_t>(begin), slice(stream, begin, end)});
  };
  piece(900, 910);
  piece(890, 920);  // held in front of that and behind it
  for (std::size_t at = 0; at < 600; at += 2) piece(at + 1, at + 2), piece(at, at + 1);
  piece(600, 890);
  piece(920, stream.size());
  CHECK(difference(ask(packets), expected(packets, {})) == "");
}

// ---- Sequence numbers

TEST_CASE("where a stream begins: SYNs, none, payload on them, and numbers that wrap") {
  const octets hello = hello_named(3);
  const auto name = [](const segments& packets) { return ask(packets).at("tls_sni"); };
  const segments late = pieces_of(true, 0, slice(hello, 0, 20)),
                 rest = pieces_of(true, 20, slice(hello, 20, hello.size()));
  const segment syn{true, 0xFFFFFFFF, {}, fb::tcp_syn};
  CHECK(name({syn, rest[0], late[0]}) == "host3");
  CHECK(name({rest[0], late[0]}) == "");  // without a SYN the payload begins
  CHECK(name({late[0], rest[0]}) == "host3");
  CHECK(name({syn, syn, rest[0], late[0]}) == "host3");
  CHECK(name({{true, 77777, {}, fb::tcp_syn}, syn, rest[0], late[0]}) == "host3");  // the latest counts
  CHECK(name({syn, {true, 1u << 30, {}, fb::tcp_syn}, late[0], rest[0]}) == "host3");
  CHECK(name({{true, 0u - 20000, {}, fb::tcp_syn}, late[0], rest[0]}) == "host3");  // too far in front
  CHECK(name({{true, 0u - 101, {}, fb::tcp_syn}, late[0], rest[0]}) == "");         // a gap of 100 bytes
  CHECK(name({syn, late[0], {true, 500, {}, fb::tcp_syn}, rest[0]}) == "host3");    // none behind the first payload
  CHECK(name({{true, 0xFFFFFFFF, hello, fb::tcp_syn}}) == "host3");
  CHECK(name({{true, 0xFFFFFFFF, slice(hello, 0, 20), fb::tcp_syn}, rest[0]}) == "host3");
  CHECK(name({{true, 0, hello, fb::tcp_fin | fb::tcp_ack}}) == "host3");
  CHECK(name({syn, {true, 0, octets(20, 1), fb::tcp_rst}, late[0], rest[0]}) == "host3");
  CHECK(name(pieces_of(true, 0xFFFFFFF0, hello, 7)) == "host3");
}

TEST_CASE("bytes that are there are never replaced, and what lies before the stream or behind the window is ignored") {
  const octets hello = hello_named(5);
  const octets evil = hello_named(6);
  const auto piece = [](const octets& from, std::size_t begin, std::size_t end) {
    return segment{true, client_start + static_cast<std::uint32_t>(begin), slice(from, begin, end)};
  };
  const std::size_t size = hello.size();
  CHECK(ask(opening() + segments{piece(hello, 60, size), piece(evil, 0, size)}).at("tls_sni") == "host5");
  CHECK(ask(opening() + segments{piece(hello, 0, 60), piece(evil, 0, size)}).at("tls_sni") == "host6");
  CHECK(ask(opening() + segments{piece(evil, 60, size), piece(hello, 50, size), piece(hello, 0, 60)}).at("tls_sni") ==
        "host6");
  const segment before{true, client_start - 50, octets(50, 1)}, behind{true, client_start + 16384, octets(50, 1)};
  const segment across{true, client_start - 4, octets(4, 1) + hello};
  const answers got = ask(opening() + segments{piece(hello, 0, 5), before, behind, across});
  CHECK(got.at("tls_sni") == "host5");
  CHECK(got.at("handshake_dropped") == "false");
}

TEST_CASE("the window of a direction ends at 16,384 bytes") {
  const octets hello = message(client_hello{}.with(21, octets(9000, 0)).with(0, sni(ascii("edge"))));
  for (const int slack : {-1, 0, 1}) {
    // Alerts in front, so that the hello ends at the window's end.
    const std::size_t room = static_cast<std::size_t>(16384 - 5 - static_cast<int>(hello.size()) + slack);
    octets front;
    while (front.size() + 7 + 5 <= room) front = std::move(front) + record(21, octets{1, 0});
    front = front + record(21, octets(room - front.size() - 5, 1));
    const answers got = ask(conversation(front + handshake(hello), {}));
    CHECK(got.at("tls_sni") == (slack <= 0 ? "edge" : ""));
    CHECK(got.at("tls_detected") == "true");
  }
}

// ---- What is sent to be read in two ways

TEST_CASE("a SYN behind the end of both streams changes nothing but what is counted") {
  const octets secret(40, 0xAA);
  const octets client = ascii("SSH-2.0-client\r\n") + kexinit(lists_of("client")) + ssh_packet(21, 0) + secret;
  const octets server = ascii("SSH-2.0-server\r\n") + kexinit(lists_of("server")) + ssh_packet(21, 0) + secret;
  const segments ssh = pieces_of(true, client_start, client) + pieces_of(false, server_start, server);
  const octets ccs_and_data = change_cipher_spec() + application_data();
  const segments tls = pieces_of(true, client_start, hello_named(4) + ccs_and_data) +
                       pieces_of(false, server_start, handshake(message(server_hello{})) + ccs_and_data);
  for (const segments& talk : {ssh, tls, opening() + ssh, opening() + tls})
    for (const bool forward : {true, false})
      for (const std::uint8_t flags : {fb::tcp_syn, static_cast<std::uint8_t>(fb::tcp_syn | fb::tcp_ack)}) {
        const segments late = {{forward, 77777, {}, flags},
                               {forward, 77778, handshake(message(client_hello{}))},
                               {true, client_start + 9000, octets(30, 1)},
                               {false, server_start + 9000, octets(30, 1)}};
        answers wanted = ask(talk);
        const answers got = ask(talk + late);
        const bool is_ssh = wanted.at("ssh_detected") == "true";
        wanted.erase("ssh_encrypted_packets");
        CHECK(difference(got, wanted) == "");
        CHECK(got.at("ssh_encrypted_packets") == (is_ssh ? "5" : "0"));  // one that brings NEWKEYS and more, each way
      }
}

TEST_CASE("both sides may begin with a SYN, and urgent data is data") {
  const octets client = ascii("SSH-2.0-client\r\n"), server = ascii("SSH-2.0-server\r\n");
  const segments both = {{true, client_start - 1, {}, fb::tcp_syn}, {false, server_start - 1, {}, fb::tcp_syn}};
  segments talk = both + pieces_of(false, server_start, server, 5) + pieces_of(true, client_start, client, 5);
  for (segment& s : talk)
    if (!s.payload.empty()) s.flags = fb::tcp_urg | fb::tcp_ack;
  const answers got = ask(talk);
  CHECK(got.at("ssh_client_software") == "client");
  CHECK(got.at("ssh_server_software") == "server");
  CHECK(difference(got, expected(talk, {})) == "");
}

TEST_CASE("a port that is used again is another flow with a handshake of its own") {
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  std::vector<std::string> names;
  const auto sink = [&names](const auto& row, const auto&, jj::end_reason) { names.push_back(shown(row.tls_sni)); };
  for (const unsigned host : {1u, 2u}) {
    for (const segment& s : opening() + pieces_of(true, client_start, hello_named(host), 20)) feed(engine, 1, s, sink);
    feed(engine, 1, {false, server_start, {}, fb::tcp_rst}, sink);
  }
  engine.flush(sink);
  CHECK(names == std::vector<std::string>{"host1", "host2"});
}

TEST_CASE("without a SYN a port that is used again is the same flow, whose first handshake counts") {
  const segments first = conversation(hello_named(1), {}), second = pieces_of(true, 1u << 30, hello_named(2));
  CHECK(ask(first + second).at("tls_sni") == "host1");
}

// ---- Port 53

TEST_CASE("on the port of DNS a stream is what its first bytes say") {
  for (const std::size_t size : sizes{1, 2, 3, 1400}) {
    const answers ssh =
        ask<with_dns>(conversation(ascii("SSH-2.0-client\r\n"), ascii("SSH-2.0-server\r\n"), size), dns_ports);
    CHECK(ssh.at("ssh_client_software") == "client");
    CHECK(ssh.at("ssh_server_software") == "server");
    CHECK(ssh.at("dns_detected") == "false");
    const answers tls = ask<with_dns>(conversation(hello_named(5), {}, size), dns_ports);
    CHECK(tls.at("tls_sni") == "host5");
    CHECK(tls.at("dns_detected") == "false");
    const answers dns = ask<with_dns>(conversation(dns_message(0x0100), dns_message(0x8180), size), dns_ports);
    CHECK(dns.at("dns_is_query") == "true");
    CHECK(dns.at("dns_is_response") == "true");
    CHECK(dns.at("ssh_detected") == "false");
  }
}

TEST_CASE("on the port of DNS messages are cut at every length, whatever the segments") {
  const octets query = dns_message(0x0100, "name"), answer = dns_message(0x8183);
  const octets client = query + dns_message(0x0100, "another"), server = answer + dns_message(0x8180);
  for (std::size_t size = 1; size <= client.size(); ++size) {
    const answers both = ask<with_dns>(conversation(client, server, size), dns_ports);
    CHECK(both.at("dns_query_name") == "name");
    CHECK(both.at("dns_response_code") == "3");
    const octets unfinished = vector<2>(slice(answer, 2, answer.size()) + octets(9, 'x'));
    const answers cut = ask<with_dns>(conversation(client, slice(unfinished, 0, answer.size()), size), dns_ports);
    CHECK(cut.at("dns_response_code") == "3");
  }
}

TEST_CASE("on the port of DNS a direction that turns to SSH late leaves the other's message alone") {
  // One letter of "SSH-" comes before the other side's message, the rest while that is being joined.
  const octets name = dns_message(0x8183);
  const octets message = vector<2>(slice(name, 2, name.size()) + octets(900, 'A'));
  const segments late{{true, client_start, ascii("S")},
                      {false, server_start, slice(message, 0, 600)},
                      {true, client_start + 1, ascii("SH-2.0-x\r\n")}};
  const segments rest = pieces_of(false, server_start + 600, slice(message, 600, message.size()), 50);
  for (const answers& found :
       {ask<with_dns>(opening() + late + rest, dns_ports), ask<cramped>(opening() + late + rest, dns_ports)}) {
    CHECK(found.at("dns_is_response") == "true");
    CHECK(found.at("dns_response_code") == "3");
    CHECK(found.at("ssh_detected") == "false");
  }
}

TEST_CASE("on the port of DNS two sides may speak anything in turns: nothing is held twice, lost or joined too far") {
  jj::engine<cramped>& engine = fresh_engine<cramped>();
  audit::account seen;
  const auto sink = [&](const auto& row, const auto& flow, jj::end_reason why) { seen(row, flow, why); };
  dice random(5);
  const auto utterance = [&random]() -> octets {
    switch (random.below(8)) {
      case 0: return ascii("S");
      case 1: return ascii("SSH-2.0-name\r\n");
      case 2: return kexinit(lists_of(std::string(random.below(60), 'x')), 4);
      case 3: return slice(hello_named(1, 700), 0, 1 + random.below(700));
      case 4: return u16(12 + random.below(2000));
      case 5: return dns_message(random.one_in(2) ? 0x0100 : 0x8180);
      case 6: return octets(random.below(1400), 'l');
      default: return random.bytes(random.below(40));
    }
  };
  for (unsigned round = 0; round < 3000; ++round) {
    const unsigned flow = round % 5;
    octets said[2] = {};
    for (unsigned turn = 0; turn < 12; ++turn) {
      const unsigned side = random.below(2);
      const octets more = utterance();
      const std::uint32_t at =
          (side == 0 ? client_start : server_start) + static_cast<std::uint32_t>(said[side].size());
      said[side] = said[side] + more;
      for (std::size_t cut = 0; cut < more.size(); cut += 700) {
        const segment s{side == 0, at + static_cast<std::uint32_t>(cut),
                        slice(more, cut, std::min(cut + 700, more.size()))};
        const traffic::made_frame made = frame_of(s, round, flow, dns_ports);
        seen.note(engine.feed(on_wire(made, s), sink));
        const char* const wrong = audit::fault(engine, seen);
        REQUIRE_MESSAGE(wrong == nullptr, wrong);
      }
    }
    if (random.one_in(2)) engine.flush(sink);
  }
}

TEST_CASE("a buffer that is taken away costs the message of DNS in it, and not the other side's") {
  jj::engine<one_buffer>& engine = fresh_engine<one_buffer>();
  answers row;
  const auto sink = [&row](const auto& r, const auto& flow, jj::end_reason) {
    if (flow.port(jj::bwd) == 53) row = answers_of(r);
  };
  const octets query = dns_message(0x0100, "name"), response = dns_message(0x8183);
  const auto feed_to = [&](unsigned flow, const ports& of, const segments& packets) {
    for (const segment& s : packets) {
      const traffic::made_frame made = frame_of(s, 0, flow, of);
      engine.feed(on_wire(made, s), sink);
    }
  };
  feed_to(1, dns_ports, opening() + pieces_of(true, client_start, slice(query, 0, 12)));
  feed_to(2, {}, {{true, client_start, slice(hello_named(2), 0, 40)}});  // takes the buffer
  feed_to(1, dns_ports, pieces_of(true, client_start + 12, slice(query, 12, query.size())));
  feed_to(1, dns_ports, pieces_of(false, server_start, response));
  engine.flush(sink);
  CHECK(row.at("dns_detected") == "true");
  CHECK(row.at("dns_response_code") == "3");
  CHECK(row.at("handshake_dropped") == "true");
}

TEST_CASE("a name of DNS longer than max_name is cut, and the row says so") {
  const auto asked_for = [](const std::string& label) {
    return ask<short_dns_names>(conversation(dns_message(0x0100, label), {}), dns_ports);
  };
  CHECK(asked_for("12345678").at("dns_query_name") == "12345678");
  CHECK(asked_for("12345678").at("handshake_name_cut") == "false");
  CHECK(asked_for("123456789").at("dns_query_name") == "12345678");
  CHECK(asked_for("123456789").at("handshake_name_cut") == "true");
}

TEST_CASE("a stream of DNS that ends behind a length begins with a message that is none") {
  const segments length_alone = opening() + pieces_of(true, client_start, slice(dns_message(0x0100), 0, 2));
  const segments answer = pieces_of(false, server_start, dns_message(0x8180));
  CHECK(ask<with_dns>(length_alone + answer, dns_ports).at("dns_detected") == "false");
  const segments rest = pieces_of(true, client_start + 2, slice(dns_message(0x0100), 2, 19));
  CHECK(ask<with_dns>(length_alone + answer + rest, dns_ports).at("dns_detected") == "true");
  // Behind a whole message it changes nothing; a length that no message has ends the stream before that message.
  const octets good = dns_message(0x0100);
  CHECK(ask<with_dns>(conversation(good + u16(17), dns_message(0x8180)), dns_ports).at("dns_is_query") == "true");
  CHECK(ask<with_dns>(conversation(u16(11), dns_message(0x8180)), dns_ports).at("dns_detected") == "true");
}

// ---- When something runs out

TEST_CASE("a hole that never closes costs the handshake and says so; one that closes costs nothing") {
  const octets hello = hello_named(9, 900);
  const segments parts = pieces_of(true, client_start, hello, 400);
  const answers holed = ask(opening() + segments{parts[0], parts[2]});
  CHECK(holed.at("handshake_dropped") == "true");
  CHECK(holed.at("tls_detected") == "true");
  CHECK(holed.at("tls_sni") == "");
  CHECK(holed.at("tls_handshake_packets") == "1");
  const answers closed = ask(opening() + segments{parts[0], parts[2], parts[1]});
  CHECK(closed.at("handshake_dropped") == "false");
  CHECK(closed.at("tls_sni") == "host9");
}

TEST_CASE("a segment far ahead changes nothing, a stream that goes on there costs the handshake") {
  const octets hello = hello_named(9, 900);
  const segments parts = pieces_of(true, client_start, hello, 400);
  const auto far = [](std::uint32_t gigabytes) {
    return segment{true, client_start + (gigabytes << 30) + 500, octets(10, 1)};
  };
  for (const std::uint32_t stray : {1u, 2u, 3u}) {
    const segments packets = opening() + segments{parts[0], far(stray), far(stray), parts[1], parts[2]};
    CHECK(ask(packets).at("tls_sni") == "host9");
    CHECK(ask(packets).at("handshake_dropped") == "false");
    CHECK(difference(ask(packets), expected(packets, {})) == "");
  }
  // The hole is still open when the numbers wrap: what comes next does not belong there.
  segments beyond = opening() + segments{parts[0], far(0), far(1), far(2), far(3), parts[1], parts[2]};
  CHECK(ask(beyond).at("tls_sni") == "");
  CHECK(ask(beyond).at("handshake_dropped") == "true");
  CHECK(difference(ask(beyond), expected(beyond, {})) == "");
  for (segment& s : beyond) s.forward = !s.forward;  // a mark for each direction
  CHECK(difference(ask(beyond), expected(beyond, {})) == "");
}

TEST_CASE("a message larger than the buffer is dropped alone") {
  rows_by_flow sink;
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  const octets large = handshake(message(client_hello{}.with(21, octets(2100, 0))));
  const octets server = handshake(message(server_hello{}) + certificates({700, 900, 1000}));
  std::string certificates_seen;
  const auto look = [&](const auto& row, const auto& flow, jj::end_reason why) {
    certificates_seen = shown(row.tls_cert_count) + " " + shown(row.tls_cipher_suite);
    sink(row, flow, why);
  };
  for (const segment& s : conversation(large, server)) feed(engine, 1, s, look);
  engine.flush(look);
  CHECK(sink.rows[1]["dropped"] == "true");
  CHECK(sink.rows[1]["tls_detected"] == "true");
  CHECK(certificates_seen == "3 49199");  // walked, not kept
}

TEST_CASE("too many pieces to hold cost the direction") {
  const octets hello = hello_named(1, 500);
  const segments parts = pieces_of(true, client_start, hello, 20);
  for (const unsigned held : {4u, 5u}) {
    rows_by_flow sink;
    jj::engine<crowded>& engine = fresh_engine<crowded>();
    feed(engine, 1, opening()[0], sink);
    for (unsigned at = 0; at < held; ++at) feed(engine, 1, parts[1 + 2 * at], sink);
    for (const segment& s : parts) feed(engine, 1, s, sink);
    CHECK(engine.statistics().used_records == (held == 4 ? 1 : 0));
    engine.flush(sink);
    CHECK(sink.rows[1]["dropped"] == (held == 4 ? "false" : "true"));
    CHECK(sink.rows[1]["tls_sni"] == (held == 4 ? "host1" : ""));
  }
}

TEST_CASE("when buffers run out the one held longest is taken away, and nothing else is lost") {
  rows_by_flow sink;
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  constexpr unsigned flows = 8;
  std::map<unsigned, segments> parts;
  for (unsigned flow = 1; flow <= flows; ++flow)
    parts[flow] = pieces_of(true, client_start, hello_named(flow, 300), 200);
  for (unsigned flow = 1; flow <= flows; ++flow) {
    feed(engine, flow, opening()[0], sink);
    const auto fed = feed(engine, flow, parts[flow][0], sink);
    CHECK_FALSE(fed.flow.handshake_dropped());
  }
  CHECK(engine.statistics().used_records == flows);
  for (unsigned flow = 1; flow <= flows; ++flow) {
    const auto fed = feed(engine, flow, parts[flow][1], sink);
    CHECK(fed.flow.handshake_dropped() == (flow <= flows - 3));
  }
  engine.flush(sink);
  CHECK(sink.rows.size() == flows);
  for (unsigned flow = 1; flow <= flows; ++flow) {
    CHECK(sink.rows[flow]["dropped"] == (flow <= flows - 3 ? "true" : "false"));
    CHECK(sink.rows[flow]["tls_sni"] == (flow <= flows - 3 ? "" : "host" + std::to_string(flow)));
    CHECK(sink.rows[flow]["tls_detected"] == "true");
    CHECK(sink.rows[flow]["total_packets"] == "3");
  }
  CHECK(engine.statistics().used_records == 0);
  CHECK(engine.statistics().evicted_for_record == 0);
}

TEST_CASE("a flow whose buffer was taken away says so although its record is gone") {
  rows_by_flow sink;
  jj::engine<one_of_each>& engine = fresh_engine<one_of_each>();
  // Both directions hold a piece in front of a hole; there is one buffer.
  for (const segment& s : opening()) feed(engine, 1, s, sink);
  feed(engine, 1, {true, client_start + 9, octets(20, 'a')}, sink);
  feed(engine, 1, {false, server_start + 9, octets(20, 'b')}, sink);
  feed(engine, 1, {false, server_start, octets(2000, 'b')}, sink);
  CHECK(engine.statistics().used_records == 0);
  engine.flush(sink);
  CHECK(sink.rows[1]["dropped"] == "true");
}

TEST_CASE("when records run out the least recently used holder is reported, complete; one-sided ones keep a quarter") {
  rows_by_flow sink;
  jj::engine<few_records>& engine = fresh_engine<few_records>();
  std::int64_t at = 0;
  feed(engine, 50, {true, 1, octets(30, 'x')}, sink, ++at);  // the oldest flow of all holds none
  for (unsigned flow = 1; flow <= 4; ++flow) {
    feed(engine, flow, {true, 1, hello_named(flow)}, sink, ++at);
    feed(engine, flow, {false, 1, {}}, sink, ++at);
  }
  feed(engine, 1, {true, 900, octets(9, 1)}, sink, ++at);  // 2 is the least recently used now
  for (unsigned flow = 5; flow <= 7; ++flow) feed(engine, flow, {true, 1, hello_named(flow)}, sink, ++at);
  CHECK(sink.order == std::vector<unsigned>{2, 3, 5});  // 5 and 6, of one side, would have held half
  CHECK(sink.rows[2]["tls_sni"] == "host2");
  CHECK(sink.rows[2]["dropped"] == "false");
  CHECK(engine.statistics().evicted_for_record == 3);
  CHECK(engine.statistics().used_records == 4);
  CHECK(engine.statistics().most_used_records == 4);
  engine.flush(sink);
  CHECK(sink.packets == 2 * 4 + 1 + 1 + 3);
  CHECK(sink.rows.size() == 8);
  CHECK(engine.statistics().used_records == 0);
}

TEST_CASE_TEMPLATE("rows and records are conserved under random handshakes, however little room there is", Config,
                   crowded, few_records, one_of_each) {
  jj::engine<Config>& engine = fresh_engine<Config>();
  rows_by_flow sink;
  dice random(17);
  std::uint64_t fed = 0;
  constexpr std::size_t records = Config::handshake_records;
  std::vector<std::pair<unsigned, segments>> flows;
  std::vector<std::size_t> next;
  for (unsigned flow = 0; flow < 120; ++flow) {
    const bool is_tls = random.one_in(2);
    const octets c = random_ssh_side(random, "c"), s = random_ssh_side(random, "s");
    flows.emplace_back(flow, random_flow(random, is_tls ? random_tls(random) : both_streams{c, s}));
  }
  next.resize(flows.size());
  std::size_t first = 0;
  while (first < flows.size()) {
    const std::size_t at = std::min<std::size_t>(first + random.below(12), flows.size() - 1);
    for (unsigned burst = 1 + random.below(4); burst > 0 && next[at] < flows[at].second.size(); --burst) {
      feed(engine, flows[at].first, flows[at].second[next[at]++], sink, static_cast<std::int64_t>(fed));
      ++fed;
    }
    while (first < flows.size() && (next[first] == flows[first].second.size() || next[first] > 200)) ++first;
    REQUIRE(engine.statistics().used_records <= records);
  }
  engine.flush(sink);
  CHECK(sink.packets == fed);
  CHECK(engine.statistics().open_flows == 0);
  CHECK(engine.statistics().used_records == 0);
  CHECK(engine.statistics().most_used_records <= records);
}

TEST_CASE("every record is given back when its flow ends for whatever reason") {
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  rows_by_flow sink;
  for (unsigned flow = 0; flow < 20; ++flow) feed(engine, flow, {true, 1, hello_named(flow)}, sink);
  CHECK(engine.statistics().used_records == 20);
  for (unsigned flow = 0; flow < 5; ++flow) feed(engine, flow, {true, 900, {}, fb::tcp_rst}, sink);
  for (unsigned flow = 0; flow < 5; ++flow) feed(engine, flow, {true, 1, {}, fb::tcp_syn}, sink);
  CHECK(engine.statistics().used_records == 15);
  engine.tick(traffic::start + 100 * traffic::second, sink, 10);
  CHECK(engine.statistics().used_records <= 15);
  engine.tick(traffic::start + 100 * traffic::second, sink);
  CHECK(engine.statistics().used_records == 0);
  CHECK(engine.statistics().open_flows == 0);
}

// ---- What it costs

TEST_CASE("a flow that speaks none of the protocols takes no record, and a false start gives it back") {
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  rows_by_flow sink;
  const octets none[] = {ascii("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                         ascii("220 mail ESMTP\r\n"),
                         octets(1400, 0),
                         octets{22},
                         octets{22, 3, 1, 0, 9, 7, 0, 0, 5, 3, 3},
                         octets{22, 2, 0},
                         octets{21, 3, 1, 0, 2, 1, 0, 23, 3, 3, 0, 0},
                         ascii("SSX-2.0-x\r\n"),
                         ascii("SSH-2.x\n")};
  unsigned flow = 0;
  for (const octets& stream : none) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{1400}})
      for (const segment& s : conversation(stream, stream, size)) feed(engine, flow, s, sink);
    // Only the beginning of a record header keeps the record: the rest may still come.
    CHECK(engine.statistics().used_records == (stream.size() == 1 ? 1 : 0));
    if (stream.size() == 1) feed(engine, flow, {true, client_start + 1, octets(9, 'x')}, sink);
    if (stream.size() == 1) feed(engine, flow, {false, server_start + 1, octets(9, 'x')}, sink);
    ++flow;
  }
  CHECK(engine.statistics().used_records == 0);
  engine.flush(sink);
  for (unsigned at = 0; at < flow; ++at) CHECK(sink.rows[at]["dropped"] == "false");
}

TEST_CASE("a stream that turns out to be nothing gives back what it held of later segments") {
  jj::engine<crowded>& engine = fresh_engine<crowded>();
  rows_by_flow sink;
  feed(engine, 1, {true, client_start - 1, {}, fb::tcp_syn}, sink);
  feed(engine, 1, {true, client_start + 3000 - 2000, octets(50, 'x')}, sink);
  feed(engine, 1, {true, client_start + 1500, octets(50, 'x')}, sink);
  CHECK(engine.statistics().used_records == 1);
  feed(engine, 1, {true, client_start, octets(1200, 'x')}, sink);  // longer than lines may be in front of SSH
  CHECK(engine.statistics().used_records == 0);
  engine.flush(sink);
  CHECK(sink.rows[1]["dropped"] == "false");
}

struct device : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::tls, jj::ssh>;
  static constexpr std::size_t max_flows = 100;
};

TEST_CASE("a record takes at most 256 bytes, its link aside") {
  constexpr jj::engine_footprint f = jj::engine<device>::footprint();
  static_assert(f.record <= 256 + 4);
  static_assert(f.records == 50 && f.buffers == 4);
  CHECK(f.buffer <= 4096 + 32 * 8 + 24 + 4);
  struct without : device {
    using groups = jj::type_list<jj::flow_totals>;
  };
  CHECK(jj::engine<without>::footprint().records == 0);
  CHECK(jj::engine<device>::footprint().slot <= jj::engine<without>::footprint().slot + 24);
}
