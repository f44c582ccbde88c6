// Section 8: what reading one packet may cost is a matter of the configuration. What is too dear for the default is read
// whole by engines that may spend more, whether that is a constant or chosen at run time.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "joyfuljay.hpp"
#include "tests/handshakes.hpp"
#include "tools/quic_sealer.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace handshakes;

namespace {

struct thrifty : jj::default_config {
  using groups = jj::type_list<jj::tls, jj::quic, jj::dns, jj::handshake_state>;
  static constexpr std::size_t max_flows = 16;
  static constexpr std::size_t handshake_buffer_bytes = 16'384;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct generous : thrifty {
  static constexpr std::uint32_t packet_effort = 0xFFFFFFFF;
  static constexpr std::uint32_t dns_steps = 0x7FFFFFFF;
};
struct chosen_later : thrifty {
  static inline std::uint32_t packet_effort = thrifty::packet_effort;
  static inline std::uint32_t dns_steps = thrifty::dns_steps;
};

/// One row's values; `Config` says what may be spent.
template <class Config> answers row_of(const std::vector<traffic::made_frame>& frames) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  answers out;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason) {
    out["ja3_hash"] = shown(row.ja3_hash);
    out["ja4"] = shown(row.ja4);
    out["tls_cipher_count"] = shown(row.tls_cipher_count);
    out["ja3s_hash"] = shown(row.ja3s_hash);
    out["quic_sni"] = shown(row.quic_sni);
    out["quic_ja3_hash"] = shown(row.quic_ja3_hash);
    out["dns_query_name"] = shown(row.dns_query_name);
    out["dns_max_ttl"] = shown(row.dns_max_ttl);
    out["dropped"] = shown(row.handshake_dropped);
  };
  for (const traffic::made_frame& f : frames) engine->feed(f, sink);
  engine->flush(sink);
  return out;
}
answers row_when_chosen(const std::vector<traffic::made_frame>& frames, std::uint32_t effort, std::uint32_t steps) {
  chosen_later::packet_effort = effort;
  chosen_later::dns_steps = steps;
  const answers out = row_of<chosen_later>(frames);
  chosen_later::packet_effort = thrifty::packet_effort;
  chosen_later::dns_steps = thrifty::dns_steps;
  return out;
}

std::vector<traffic::made_frame> frames_of(const segments& all) {
  std::vector<traffic::made_frame> out;
  for (const segment& s : all) out.push_back(frame_of(s, static_cast<std::int64_t>(out.size()) * 1000));
  return out;
}
traffic::made_frame datagram(std::uint16_t server_port, bool backward, const octets& payload) {
  const octets body = backward ? fb::udp(server_port, 40000, payload) : fb::udp(40000, server_port, payload);
  return {fb::ipv4(traffic::header_of(1, !backward), fb::ip_protocol::udp, body), traffic::start};
}

/// Ciphers without GREASE, and the text of JA3 over them.
numbers many_ciphers(std::size_t count) {
  numbers out;
  for (unsigned at = 0; out.size() < count; ++at)
    if ((at & 0x0F) != 0x0A) out.push_back(at);
  return out;
}
std::string ja3_text(const numbers& ciphers, const std::string& extensions) {
  std::string list;
  for (const unsigned cipher : ciphers) list += (list.empty() ? "" : "-") + std::to_string(cipher);
  return "771," + list + "," + extensions + ",,";
}

/// A response whose answers have the ends of a chain of pointers for names, in turn one of two: `links` steps each.
octets chained_answers(unsigned links, unsigned answers_behind) {
  octets chain;
  const unsigned begin = 12 + 5 + 11;  // header, question, front of the first record
  for (unsigned at = 0; at < links; ++at) chain = chain + u16(0xC000 | (at == 0 ? 12 : begin + 2 * (at - 1)));
  const auto record_of = [](const octets& name, unsigned ttl, const octets& data) {
    return name + u16(16) + u16(1) + u32(ttl) + vector<2>(data);
  };
  octets out = u16(7) + u16(0x8180) + u16(1) + u16(1 + answers_behind) + u16(0) + u16(0) + u8(0) + u16(1) + u16(1);
  out = out + record_of(u8(0), 1, chain);
  for (unsigned at = 0; at < answers_behind; ++at)
    out = out + record_of(u16(0xC000 | (begin + 2 * (links - 1 - at % 2))), 2 + at, {});
  return out;
}

}  // namespace

TEST_CASE("effort: a hello of 16 KB with thousands of numbers") {
  client_hello hello;
  hello.ciphers = many_ciphers(8000);
  hello.extensions = {{43, vector<1>(u16(0x0304))}};
  const auto frames = frames_of(conversation(handshake(message(hello)), {}));
  const answers little = row_of<thrifty>(frames);
  CHECK(little.at("tls_cipher_count") == "8000");
  CHECK(little.at("ja3_hash").empty());
  CHECK(little.at("ja4").empty());
  CHECK(little.at("dropped") == "true");
  for (const answers& all : {row_of<generous>(frames), row_when_chosen(frames, 0xFFFFFFFF, 128)}) {
    CHECK(all.at("ja3_hash") == md5_of(ja3_text(hello.ciphers, "43")));
    CHECK(all.at("ja4").substr(0, 11) == "t13i990100_");
    CHECK(all.at("dropped") == "false");
  }
}

TEST_CASE("effort: a ServerHello with thousands of extensions") {
  server_hello hello;
  std::string types;
  for (unsigned type = 100; type < 2500; ++type) {
    hello.extensions.push_back({type, {}});
    types += (types.empty() ? "" : "-") + std::to_string(type);
  }
  const auto frames = frames_of(conversation(handshake(message(client_hello{})), handshake(message(hello))));
  CHECK(row_of<thrifty>(frames).at("ja3s_hash").empty());
  CHECK(row_of<generous>(frames).at("ja3s_hash") == md5_of("771,49199," + types));
}

struct texts : thrifty {
  using groups = jj::type_list<jj::tls, jj::tls_texts, jj::handshake_state>;
};
TEST_CASE("effort: the string behind JA3S is that of the ServerHello, or none") {
  server_hello hello;
  for (unsigned type = 100; type < 700; ++type) hello.extensions.push_back({type, {}});
  const octets answer = handshake(message(hello_retry_request())) + handshake(message(hello));
  const auto engine = std::make_unique<jj::engine<texts>>();
  unsigned rows = 0;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason) {
    ++rows;
    CHECK(row.tls_version != 0);
    CHECK(row.ja3s_hash.empty());
    CHECK(row.ja3s_str.empty());
    CHECK(row.handshake_dropped);
  };
  for (const traffic::made_frame& f : frames_of(conversation(handshake(message(client_hello{})), answer)))
    engine->feed(f, sink);
  engine->flush(sink);
  CHECK(rows == 1);
}

TEST_CASE("effort: JA3S costs numbers, not the bytes of a post-quantum key share") {
  server_hello hello;
  hello.extensions = {{43, u16(0x0304)}, {51, u16(0x11EC) + vector<2>(octets(1120, 1))}};
  const auto frames = frames_of(conversation(handshake(message(client_hello{})), handshake(message(hello))));
  const answers got = row_when_chosen(frames, 50'000, 128);
  CHECK(got.at("ja3s_hash") == md5_of("771,49199,43-51"));
  CHECK(got.at("dropped") == "false");
}

TEST_CASE(
    "effort: a client that goes on to the ID which the server chose keeps its keys, and is read at no extra cost") {
  client_hello hello;
  hello.extensions = {{0, sni(ascii("two.initials.example"))}, {0xFE00, octets(1500, 3)}};
  const octets stream = message(hello);
  const auto part = [&](std::size_t from, std::size_t end) {
    octets frames = quic_sealer::crypto(from, octets(stream.begin() + static_cast<std::ptrdiff_t>(from),
                                                     stream.begin() + static_cast<std::ptrdiff_t>(end)));
    if (frames.size() < 1150) frames.resize(1150);
    return frames;
  };
  quic_sealer::initial first, second;
  second = first;
  second.destination_id = {9, 8, 7, 6, 5, 4, 3, 2};
  second.number = 1;
  const std::vector<traffic::made_frame> sent = {
      datagram(443, false, quic_sealer::seal(first, part(0, 1100))),
      datagram(443, false, quic_sealer::seal(second, part(1100, stream.size())))};
  const answers got = row_of<thrifty>(sent);
  CHECK(got.at("quic_sni") == "two.initials.example");
  CHECK(got.at("dropped") == "false");
}

struct short_buffer : thrifty {
  static constexpr std::size_t handshake_buffer_bytes = 1024;
};
struct one_initial : thrifty {
  static constexpr std::uint32_t quic_initials = 1;
};
TEST_CASE(
    "a QUIC hello that does not fit into its buffer, or needs more Initials than are opened, is said to be lost") {
  client_hello hello;
  hello.extensions = {{0, sni(ascii("large.example"))}, {0xFE00, octets(1500, 3)}};
  const octets stream = message(hello);
  quic_sealer::initial p;
  std::vector<traffic::made_frame> sent;
  for (std::size_t from = 0; from < stream.size(); from += 1000, ++p.number) {
    const std::size_t end = std::min(from + 1000, stream.size());
    octets frames = quic_sealer::crypto(from, octets(stream.begin() + static_cast<std::ptrdiff_t>(from),
                                                     stream.begin() + static_cast<std::ptrdiff_t>(end)));
    if (frames.size() < 1150) frames.resize(1150);
    sent.push_back(datagram(443, false, quic_sealer::seal(p, frames)));
  }
  CHECK(row_of<thrifty>(sent).at("quic_sni") == "large.example");
  CHECK(row_of<thrifty>(sent).at("dropped") == "false");
  for (const answers& lost : {row_of<short_buffer>(sent), row_of<one_initial>(sent)}) {
    CHECK(lost.at("quic_sni").empty());
    CHECK(lost.at("dropped") == "true");
  }
}

TEST_CASE("effort: an Initial of 9,000 bytes") {
  client_hello hello;
  hello.ciphers = many_ciphers(100);
  hello.extensions = {{0, sni(ascii("jumbo.example"))}};
  quic_sealer::initial p;
  octets frames = quic_sealer::crypto(0, message(hello));
  frames.resize(9000 - 40);  // PADDING
  const std::vector<traffic::made_frame> sent = {datagram(443, false, quic_sealer::seal(p, frames))};
  const answers little = row_of<thrifty>(sent);
  CHECK(little.at("quic_sni").empty());
  CHECK(little.at("dropped") == "true");
  for (const answers& all : {row_of<generous>(sent), row_when_chosen(sent, 2'000'000, 128)}) {
    CHECK(all.at("quic_sni") == "jumbo.example");
    CHECK(all.at("quic_ja3_hash") == md5_of(ja3_text(hello.ciphers, "0")));
    CHECK(all.at("dropped") == "false");
  }
  CHECK(row_when_chosen(sent, 1'000'000, 128).at("quic_sni").empty());  // 9,000 bytes take 1.6 million
}

TEST_CASE("effort: DNS answers named by a chain of 2,000 pointers") {
  const octets query = u16(7) + u16(0x0100) + u16(1) + octets(6, 0) + u8(0) + u16(1) + u16(1);
  const std::vector<traffic::made_frame> sent = {datagram(53, false, query),
                                                 datagram(53, true, chained_answers(2000, 100))};
  const answers little = row_of<thrifty>(sent);
  CHECK(little.at("dns_max_ttl") == "2");  // the chain was walked once
  CHECK(little.at("dropped") == "true");
  for (const answers& all : {row_of<generous>(sent), row_when_chosen(sent, 50'000, 300'000)}) {
    CHECK(all.at("dns_max_ttl") == "101");
    CHECK(all.at("dropped") == "false");
  }
  const answers some =
      row_when_chosen(sent, 50'000, 20'000);  // the first name takes one step, the others 2,001 or 2,000
  CHECK(some.at("dns_max_ttl") == "10");
  CHECK(some.at("dropped") == "true");
}
