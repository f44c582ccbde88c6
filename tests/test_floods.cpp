// Section 15 under attack: floods, chosen keys, and attackers who aim at one pool each. Established conversations keep
// one unbroken record as far as the eviction order promises; every flow is reported once. Figures: tests/hostile/flood.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/floods.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using floods::attacker;
using floods::conversations;
using floods::kind;
using jj::end_reason;

namespace {

// Less where the tests run under an emulator.
constexpr bool is_small = sizeof(void*) == 4;
constexpr std::uint32_t table = is_small ? 512 : 4096, established_flows = table / 2;
constexpr std::uint32_t flood_packets = is_small ? 20'000 : 500'000;

struct guarded : jj::default_config {
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  static constexpr std::size_t max_flows = table;
  static constexpr std::size_t log_chunks = table * 8;
  static constexpr jj::link_type link = jj::link_type::raw;
};

template <class Config> std::unique_ptr<jj::engine<Config>> make_engine() {
  auto engine = std::make_unique<jj::engine<Config>>();
  engine->seed({0x0123456789ABCDEF, 0xFEDCBA9876543210});
  return engine;
}
template <class Config> void check(jj::engine<Config>& engine, const audit::account& seen) {
  const char* const wrong = audit::fault(engine, seen);
  REQUIRE_MESSAGE(wrong == nullptr, wrong);
}
template <class Config> std::uint32_t survivors(kind what) {
  const auto engine = make_engine<Config>();
  conversations established(established_flows);
  attacker flood(what);
  std::int64_t now_ns = traffic::start;
  floods::establish(*engine, established, now_ns);
  floods::send(*engine, established, &flood, flood_packets, now_ns);
  check(*engine, established.seen);
  CHECK(engine->statistics().open_flows == table);
  engine->flush(established);
  check(*engine, established.seen);
  return established.unbroken();
}

}  // namespace

// ---- Floods against the table

TEST_CASE("floods of one-sided flows leave every established conversation one unbroken record") {
  for (const kind what : {kind::syn, kind::udp, kind::icmp, kind::fragment}) {
    CAPTURE(floods::names[static_cast<int>(what)]);
    CHECK(survivors<guarded>(what) == established_flows);
  }
}

TEST_CASE("an attacker who forges both directions competes by last use: the quiet lose, all are reported whole") {
  CHECK(survivors<guarded>(kind::two_way) < established_flows);
}

TEST_CASE("fragments of made-up datagrams leave the table of fragments as large as it was, the oldest out") {
  const auto engine = make_engine<guarded>();
  attacker flood(kind::fragment);
  audit::account seen;
  for (std::uint32_t at = 0; at < flood_packets / 10; ++at)
    seen.note(engine->feed(flood.next(traffic::start + at), seen));
  fb::ipv4_header h = traffic::header_of(1, true);
  h.id = 77, h.flags_and_offset = fb::more_fragments;
  const fb::octets first = fb::ipv4(h, fb::ip_protocol::udp, fb::udp(1000, 2000, fb::zeros(16)));
  h.flags_and_offset = 3;
  const fb::octets later = fb::ipv4(h, fb::ip_protocol::udp, fb::zeros(16));
  seen.note(engine->feed({first.data(), first.size(), 0, traffic::start + traffic::second}, seen));
  CHECK(
      seen.note(engine->feed({later.data(), later.size(), 0, traffic::start + traffic::second}, seen)).flow.packets() ==
      2);
  check(*engine, seen);
}

// ---- Chosen keys

namespace {

struct exposed : guarded {
  static constexpr std::size_t max_flows = 1024;
  static constexpr std::size_t log_chunks = 0;
};
/// Feeds each frame twice under this key. The longest chain, or 0 when flows were lost to it.
unsigned longest_chain(const std::vector<traffic::made_frame>& frames, bool is_seeded) {
  const auto engine = std::make_unique<jj::engine<exposed>>();
  if (is_seeded) engine->seed({0x243F6A8885A308D3, 0x13198A2E03707344});
  audit::account seen;
  for (unsigned round = 0; round < 2; ++round)
    for (const traffic::made_frame& f : frames) seen.note(engine->feed(f, seen));
  jj::detail::engine_audit<jj::engine<exposed>> audit(*engine);
  CHECK(audit.fault() == nullptr);
  return engine->statistics().evicted_for_chain == 0 ? audit.longest_chain : 0;
}

}  // namespace

TEST_CASE("keys chosen against FNV, CRC-32C or our own hash under key 0 mean nothing to a secret key") {
  constexpr std::size_t count = is_small ? 64 : 500;
  const auto bucket = [](std::uint32_t hash) { return static_cast<std::uint64_t>(hash) * exposed::max_flows >> 32; };
  const auto against_fnv =
      floods::colliding(count, [](const jj::detail::flow_key& key) { return floods::fnv1a(key) % exposed::max_flows; });
  const auto against_crc = floods::colliding(
      count, [](const jj::detail::flow_key& key) { return floods::crc32c(key) % exposed::max_flows; });
  const auto against_ours = floods::colliding(count, [&](const jj::detail::flow_key& key) {
    return bucket(exposed::keyed_hash::hash({0, 0}, key.word, key.words()));
  });
  for (const auto* const frames : {&against_fnv, &against_crc, &against_ours}) {
    const unsigned longest = longest_chain(*frames, true);
    CHECK(longest > 0);
    CHECK(longest <= 16);
  }
  CHECK(longest_chain(against_ours, false) == 0);  // under the public key they end each other
}

// ---- Attackers who aim at one pool

namespace {

constexpr std::uint32_t few = 16;  // conversations beside the attacker

/// A UDP packet of attacking flow `number`, to a target of the attacker's.
traffic::made_frame attack(std::uint32_t number, std::int64_t at_ns, const fb::octets& payload, bool answer = false,
                           std::uint16_t port = 443) {
  fb::ipv4_header h;
  h.source = {198, 18, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  h.target = {192, 0, 2, 9};
  if (answer) std::swap(h.source, h.target);
  return {fb::ipv4(h, fb::ip_protocol::udp, fb::udp(answer ? port : 5000, answer ? 5000 : port, payload)), at_ns};
}
/// Conversations of ten packets each, then an attack, then two further packets of each.
template <class Config> struct siege {
  std::unique_ptr<jj::engine<Config>> engine = make_engine<Config>();
  conversations established{few};
  std::int64_t now_ns = traffic::start;

  siege() {
    for (unsigned round = 0; round < 5; ++round) floods::establish(*engine, established, now_ns);
  }
  auto feed(const traffic::made_frame& made) {
    jj::frame f = made;
    f.time_ns = now_ns += 1000;
    return established.seen.note(engine->feed(f, established));
  }
  std::uint32_t unbroken() {
    floods::establish(*engine, established, now_ns);
    check(*engine, established.seen);
    engine->flush(established);
    check(*engine, established.seen);
    return established.unbroken();
  }
};

struct few_chunks : guarded {
  static constexpr std::size_t max_flows = 128;
  static constexpr std::size_t log_chunks = 128;
  static constexpr std::size_t sample_packets = 128;
};
struct few_samples : few_chunks {
  using groups = jj::type_list<jj::flow_meta, jj::entropy>;
  static constexpr std::size_t sample_chunks = 160;
};
struct few_long : few_chunks {
  static constexpr std::size_t sample_packets = 9;
  static constexpr std::size_t long_flows = 24;
};
struct few_records : few_chunks {
  using groups = jj::type_list<jj::flow_meta, jj::tls, jj::quic, jj::dns>;
  static constexpr std::size_t handshake_records = 48;
};

}  // namespace

TEST_CASE("log chunks: one-sided flows end each other and no conversation, many short ones as well as a few long") {
  for (const std::uint32_t length : {16u, 120u}) {
    siege<few_chunks> s;
    for (std::uint32_t packet = 0; packet < length; ++packet)
      for (std::uint32_t flow = 0; flow < 960 / length; ++flow) s.feed(attack(flow, 0, fb::zeros(1)));
    CHECK(s.engine->statistics().evicted_for_chunk > 0);
    CHECK(s.unbroken() == few);
  }
}

TEST_CASE("sample chunks: one-sided flows end each other and no conversation") {
  siege<few_samples> s;
  for (std::uint32_t flow = 0; flow < 300; ++flow) s.feed(attack(flow, 0, fb::zeros(250)));
  CHECK(s.engine->statistics().evicted_for_chunk > 0);
  CHECK(s.unbroken() == few);
}

TEST_CASE("long states: one-sided flows end each other and at most as many conversations as a quarter allows") {
  siege<few_long> s;
  for (std::uint32_t flow = 0; flow < 100; ++flow)
    for (unsigned packet = 0; packet < 10; ++packet) s.feed(attack(flow, 0, fb::zeros(1)));
  CHECK(s.engine->statistics().evicted_for_long_state > 0);
  CHECK(s.unbroken() == few);
}

struct tiny_pool : few_long {
  static constexpr std::size_t long_flows = few + 1;  // as in small presets: hardly more than the conversations take
};
TEST_CASE("long states: in a pool with room for one attacker, flows of the attacker end each other") {
  siege<tiny_pool> s;
  for (std::uint32_t flow = 0; flow < 100; ++flow)
    for (unsigned packet = 0; packet < 10; ++packet) s.feed(attack(flow, 0, fb::zeros(1)));
  CHECK(s.engine->statistics().evicted_for_long_state > 0);
  CHECK(s.unbroken() + 1 >= few - tiny_pool::long_flows / 4);
}

struct small_device : jj::presets::microcontroller {
  static constexpr jj::link_type link = jj::link_type::raw;
};
/// Two conversations and one-sided flows longer than the log, one after the other.
TEST_CASE("presets::microcontroller: one-sided long flows end no conversation") {
  const auto engine = std::make_unique<jj::engine<small_device>>();
  engine->seed({1, 2});
  unsigned rows = 0, evicted = 0;
  const auto sink = [&](const auto&, const auto& flow, jj::end_reason why) {
    if (flow.packets(jj::fwd) == 0 || flow.packets(jj::bwd) == 0) return;
    ++rows;
    evicted += why == jj::end_reason::evicted;
  };
  std::uint32_t attacker = 0;
  for (std::int64_t at = 0; at < 50; ++at) {
    for (std::uint32_t talk = 0; talk < 2; ++talk)
      for (std::int64_t packet = 0; packet < 20; ++packet)
        engine->feed(traffic::tcp(talk, packet % 2 == 0, at * traffic::second + packet), sink);
    for (unsigned flow = 0; flow < 10; ++flow, ++attacker)
      for (std::int64_t packet = 0; packet < 17; ++packet)
        engine->feed(traffic::udp(1000 + attacker, true, at * traffic::second + 500'000'000 + packet), sink);
  }
  engine->flush(sink);
  CHECK(engine->statistics().evicted_for_long_state > 0);
  CHECK(rows == 2);
  CHECK(evicted == 0);
}

TEST_CASE("handshake records: datagrams that look like DNS end each other and no conversation") {
  siege<few_records> s;
  const fb::octets query = fb::octets{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
  for (std::uint32_t flow = 0; flow < 300; ++flow) s.feed(attack(flow, 0, query, false, 53));
  CHECK(s.engine->statistics().evicted_for_record > 0);
  CHECK(s.engine->statistics().used_records <= 48);
  CHECK(s.unbroken() == few);
}

TEST_CASE("pools: an attacker who forges both directions competes by last use, and every row is whole") {
  siege<few_long> s;
  for (std::uint32_t flow = 0; flow < 100; ++flow)
    for (unsigned packet = 0; packet < 10; ++packet) s.feed(attack(flow, 0, fb::zeros(1), packet % 2 == 1));
  CHECK(s.unbroken() == 0);
}

TEST_CASE("handshake buffers: who holds one longest loses the handshake, and nothing else") {
  siege<few_records> s;
  const fb::octets half_hello = fb::operator+(fb::octets{22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3}, fb::zeros(80));
  const auto segment = [&](std::uint32_t conversation, std::uint32_t sequence, const fb::octets& part) {
    fb::tcp_header h;
    h.source_port = 5001, h.target_port = 443, h.sequence = sequence;
    return s.feed({fb::ipv4(traffic::header_of(1000 + conversation, true), fb::ip_protocol::tcp, fb::tcp(h, part)), 0});
  };
  CHECK_FALSE(segment(0, 1, half_hello).flow.handshake_dropped());
  for (std::uint32_t attacker = 1; attacker <= 4; ++attacker)
    CHECK_FALSE(segment(attacker, 1, half_hello).flow.handshake_dropped());
  const auto victim = segment(0, 1 + static_cast<std::uint32_t>(half_hello.size()), fb::zeros(40));
  CHECK(victim.flow.handshake_dropped());
  CHECK(victim.flow.packets() == 2);
  CHECK(s.engine->statistics().rows[static_cast<int>(end_reason::evicted)] == 0);
  CHECK(s.unbroken() == few);
}
