// Section 11: keys, log entries, pools and remembered fragments, each by itself.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

jj::packet between(std::uint8_t version, std::uint64_t source, std::uint16_t source_port, std::uint64_t target,
                   std::uint16_t target_port) {
  jj::packet p{};
  p.ip_version = version;
  p.protocol = p.fragment_protocol = 17;
  p.source[0] = version == 6 ? 0x20010DB800000000 : 0;
  p.target[0] = p.source[0];
  p.source[1] = source;
  p.target[1] = target;
  p.source_port = source_port;
  p.target_port = target_port;
  return p;
}

}  // namespace

TEST_CASE("a key is the same in both directions and remembers both ends") {
  for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
    const auto there = jj::detail::packet_key::of(between(version, 5, 1000, 9, 53));
    const auto back = jj::detail::packet_key::of(between(version, 9, 53, 5, 1000));
    CHECK(there.key == back.key);
    CHECK(there.from_second != back.from_second);
    CHECK(there.key.ip_version() == version);
    CHECK(there.key.protocol() == 17);
    CHECK(there.key.address(0, 1) == 5);
    CHECK(there.key.address(1, 1) == 9);
    CHECK(there.key.port(0) == 1000);
    CHECK(there.key.port(1) == 53);
    CHECK(there.key.words() == (version == 4 ? 2 : 5));
  }
}

TEST_CASE("every part of a key counts") {
  const auto key_of = [](const jj::packet& p) { return jj::detail::packet_key::of(p).key; };
  const auto base = key_of(between(6, 5, 1000, 9, 53));
  CHECK_FALSE(base == key_of(between(6, 6, 1000, 9, 53)));
  CHECK_FALSE(base == key_of(between(6, 5, 1001, 9, 53)));
  CHECK_FALSE(base == key_of(between(6, 5, 1000, 10, 53)));
  CHECK_FALSE(base == key_of(between(6, 5, 1000, 9, 54)));
  CHECK_FALSE(base == key_of(between(6, 5, 53, 9, 1000)));
  CHECK_FALSE(base == key_of(between(4, 5, 1000, 9, 53)));
  jj::packet other_network = between(6, 5, 1000, 9, 53);
  other_network.target[0] += 1;
  CHECK_FALSE(base == key_of(other_network));
}

TEST_CASE("a log entry, with its second half where needed, is the packet again") {
  std::mt19937_64 random(1);
  const auto of_bits = [&](unsigned most) { return random() >> (64 - 1 - random() % most); };
  unsigned extended = 0;
  for (int round = 0; round < 100'000; ++round) {
    jj::logged_packet p{};
    const std::int64_t before = static_cast<std::int64_t>(random()) >> 2;
    const bool stepped_back = random() % 8 == 0;
    const std::uint64_t step = of_bits(62) + (stepped_back ? 1 : 0);
    p.time_ns = stepped_back ? before - static_cast<std::int64_t>(step) : before + static_cast<std::int64_t>(step);
    p.gap_ns = stepped_back ? 0 : step;
    p.ip_len = static_cast<std::uint32_t>(of_bits(32)) | 20;
    p.payload_len = p.ip_len - static_cast<std::uint32_t>(random() % (std::uint64_t{p.ip_len} + 1) % (1u << 24));
    p.dir = random() % 2 != 0 ? jj::bwd : jj::fwd;
    p.has_tcp_header = random() % 2 != 0;
    p.tcp_flags = static_cast<std::uint8_t>(random());

    using jj::detail::log_entry;
    const log_entry entry = log_entry::of(p, step, stepped_back);
    const log_entry upper = entry.is_extended() ? log_entry::upper_bits(p, step) : log_entry{0, 0};
    extended += entry.is_extended();
    std::int64_t time_ns = before;
    const jj::logged_packet again = log_entry::decoded(entry, upper, time_ns, false);
    REQUIRE(again.time_ns == p.time_ns);
    REQUIRE(time_ns == p.time_ns);
    REQUIRE(again.gap_ns == p.gap_ns);
    REQUIRE(again.ip_len == p.ip_len);
    REQUIRE(again.payload_len == p.payload_len);
    REQUIRE(again.dir == p.dir);
    REQUIRE(again.tcp_flags == p.tcp_flags);
    REQUIRE(again.has_tcp_header == p.has_tcp_header);
  }
  CHECK(extended > 10'000);
  CHECK(extended < 90'000);
}

TEST_CASE("a pool hands out each number once until it comes back") {
  std::uint32_t link[5] = {};
  jj::detail::number_pool<5> pool;
  std::set<std::uint32_t> taken;
  for (int at = 0; at < 5; ++at) taken.insert(pool.take(link));
  CHECK(taken == std::set<std::uint32_t>{1, 2, 3, 4, 5});
  CHECK(pool.take(link) == 0);
  pool.give_back(4, link);
  pool.give_back(2, link);
  CHECK(std::set<std::uint32_t>{pool.take(link), pool.take(link)} == std::set<std::uint32_t>{2, 4});
  CHECK(pool.take(link) == 0);
}

TEST_CASE("differences of times cannot overflow") {
  using jj::detail::has_passed;
  CHECK(has_passed(INT64_MAX, INT64_MIN, INT64_MAX));
  CHECK_FALSE(has_passed(INT64_MIN, INT64_MAX, 0));
  CHECK_FALSE(has_passed(10, 5, 5));
  CHECK(has_passed(11, 5, 5));
  CHECK(jj::detail::saturating_sum(INT64_MAX - 3, 5) == INT64_MAX);
  CHECK(jj::detail::saturating_sum(INT64_MIN, 5) == INT64_MIN + 5);
  CHECK(has_passed(6, 5, INT64_MIN));
  CHECK_FALSE(has_passed(5, 5, INT64_MIN));
  CHECK(jj::detail::saturating_sum(INT64_MAX, INT64_MIN) == INT64_MAX);
  CHECK(jj::detail::saturating_sum(INT64_MIN, -1) == INT64_MIN);
}

TEST_CASE("first fragments are remembered by addresses, protocol and id, and the oldest is forgotten") {
  jj::detail::fragment_table<4, jj::siphash> table;
  const jj::hash_key secret{1, 2};
  const auto fragment = [](std::uint8_t version, std::uint32_t id, std::int64_t time_ns) {
    jj::packet p = between(version, 5, 1000, 9, 53);
    p.fragment_id = id;
    p.time_ns = time_ns;
    return p;
  };
  const auto follows = [&](std::uint8_t version, std::uint32_t id, std::int64_t time_ns) {
    jj::packet p = fragment(version, id, time_ns);
    p.source_port = p.target_port = 0;
    return table.complete(secret, p, 100) && p.source_port == 1000 && p.target_port == 53;
  };
  table.remember(secret, fragment(4, 1, 0));
  table.remember(secret, fragment(6, 1, 1));
  CHECK(follows(4, 1, 100));
  CHECK(follows(6, 1, 101));
  CHECK_FALSE(follows(4, 1, 101));
  CHECK_FALSE(follows(4, 2, 0));
  table.remember(secret, fragment(4, 3, 3));
  table.remember(secret, fragment(4, 4, 4));
  table.remember(secret, fragment(4, 5, 5));  // no room: the oldest goes
  CHECK_FALSE(follows(4, 1, 10));
  CHECK(follows(6, 1, 10));
  CHECK(follows(4, 5, 10));
  table.remember(secret, fragment(4, 3, 50));  // again: renewed, not doubled
  CHECK(follows(4, 3, 140));
  CHECK(follows(6, 1, 10));
}

template <class Hash> void check_latest_fragments(const jj::hash_key& secret) {
  jj::detail::fragment_table<64, Hash> table;
  const auto fragment = [](std::uint32_t id) {
    jj::packet p = between(id % 2 == 0 ? 4 : 6, 5, 1000, 9, 53);
    p.fragment_id = id * 2654435761u;
    return p;
  };
  unsigned wrong = 0;
  for (std::uint32_t id = 0; id < 300; ++id) {
    table.remember(secret, fragment(id));
    for (std::uint32_t back = 0; back < 80 && back <= id; back += 3) {
      jj::packet p = fragment(id - back);
      wrong += table.complete(secret, p, 100) != (back < 64);
    }
  }
  CHECK(wrong == 0);
}
TEST_CASE("exactly the latest first fragments are remembered, whatever the secret and the hash") {
  check_latest_fragments<jj::siphash>({1, 2});
  check_latest_fragments<jj::siphash>({0xFEDCBA9876543210, 3});
  check_latest_fragments<jj::halfsiphash>({1, 2});
}

/// Everything has one hash.
struct constant_hash {
  static std::uint32_t hash(const jj::hash_key&, const std::uint64_t*, std::size_t) { return 7; }
};
TEST_CASE("fragments that all share a hash cost a bounded chain: beyond it no further one is remembered") {
  jj::detail::fragment_table<100, constant_hash> table;
  const auto fragment = [](std::uint32_t id) {
    jj::packet p = between(4, 5, 1000, 9, 53);
    p.fragment_id = id;
    return p;
  };
  const auto follows = [&](std::uint32_t id) {
    jj::packet p = fragment(id);
    return table.complete({}, p, 100);
  };
  for (std::uint32_t id = 0; id < 40; ++id) table.remember({}, fragment(id));
  CHECK(follows(0));
  CHECK(follows(31));
  CHECK_FALSE(follows(32));
}
