// What an attack costs: nanoseconds a packet of floods between established conversations, and of keys that were chosen
// to collide, beside ordinary traffic in the same run. flood [PACKETS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/floods.hpp"

namespace jj = joyfuljay;
using namespace floods;

namespace {

struct guarded : jj::default_config {
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  static constexpr std::size_t max_flows = 4096;
  static constexpr std::size_t log_chunks = 49'152;
  static constexpr jj::link_type link = jj::link_type::raw;
};
using engine_type = jj::engine<guarded>;

constexpr jj::hash_key secret{0x243F6A8885A308D3, 0x13198A2E03707344}, public_key{0, 0};
int failures = 0;

/// Of processor time: what others do on the machine does not count.
template <class Run> double seconds(const Run& run) {
  const std::clock_t began = std::clock();
  run();
  return static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
}
void demand(bool holds, const char* what) {
  if (holds) return;
  std::printf("  NOT SO: %s\n", what);
  ++failures;
}
void audit_all(engine_type& engine, const audit::account& seen) {
  const char* const wrong = audit::fault(engine, seen);
  demand(wrong == nullptr, wrong != nullptr ? wrong : "");
}

/// Ordinary traffic: conversations of 8 packets, 2048 open at a time. What the floods are held against.
double ordinary(std::uint32_t packets) {
  constexpr std::uint32_t open = 2048;
  const auto engine = std::make_unique<engine_type>();
  engine->seed(secret);
  audit::account seen;
  seen.looks_at_features = false;
  std::vector<traffic::made_frame> made;
  for (std::uint32_t at = 0; at < 32'768; ++at)
    for (const bool from_client : {true, false}) made.push_back(traffic::udp(at, from_client, 0, 200));
  std::int64_t now_ns = traffic::start;
  const double took = seconds([&] {
    for (std::uint32_t at = 0; at < packets; ++at, now_ns += 10'000) {
      const std::uint32_t conversation = at / (open * 8) * open + at % open;
      traffic::made_frame& f = made[2 * (conversation % 32'768) + at / open % 2];
      f.time_ns = now_ns;
      seen.note(engine->feed(f, seen));
    }
  });
  engine->flush(seen);
  audit_all(*engine, seen);
  return took * 1e9 / packets;
}
void flood(kind what, std::uint32_t packets, double normal_ns) {
  const auto engine = std::make_unique<engine_type>();
  engine->seed(secret);
  conversations established(2048);
  established.seen.looks_at_features = false;
  attacker attack(what);
  std::int64_t now_ns = traffic::start;
  establish(*engine, established, now_ns);
  const double took = seconds([&] { send(*engine, established, &attack, packets, now_ns); });
  audit_all(*engine, established.seen);
  engine->flush(established);
  audit_all(*engine, established.seen);
  const double ns = took * 1e9 / packets;
  std::printf("%-18s %10u packets %7.0f ns, %4.2f times ordinary; %u of 2048 conversations unbroken\n",
              names[static_cast<int>(what)], packets, ns, ns / normal_ns, established.unbroken());
  demand(ns < 3 * normal_ns, "at most three times the cost of ordinary traffic");
  if (what != kind::two_way) demand(established.unbroken() == 2048, "every conversation keeps one unbroken record");
}

double cost_of(const std::vector<traffic::made_frame>& frames, const jj::hash_key& key, unsigned& longest) {
  const auto engine = std::make_unique<engine_type>();
  engine->seed(key);
  audit::account seen;
  const auto round = [&] {
    for (const traffic::made_frame& f : frames) seen.note(engine->feed(f, seen));
  };
  round();
  double best = 1e9;
  for (unsigned at = 0; at < 20; ++at)
    best = std::min(best, seconds([&] {
                            for (unsigned again = 0; again < 10; ++again) round();
                          }) / 10);
  jj::detail::engine_audit<engine_type> audit(*engine);
  audit.fault();
  longest = audit.longest_chain;
  return best * 1e9 / static_cast<double>(frames.size());
}
void collisions() {
  constexpr std::size_t keys = 4000;
  std::mt19937_64 random(2);
  std::vector<traffic::made_frame> any;
  while (any.size() < keys) any.push_back(made_key::random(random).frame());
  const auto fnv = colliding(keys, [](const auto& key) { return fnv1a(key) % guarded::max_flows; });
  const auto crc = colliding(keys, [](const auto& key) { return crc32c(key) % guarded::max_flows; });
  const auto ours = colliding(keys, [](const auto& key) {
    const std::uint32_t hash = guarded::keyed_hash::hash(public_key, key.word, key.words());
    return static_cast<std::uint64_t>(hash) * guarded::max_flows >> 32;
  });
  unsigned longest = 0;
  const double normal = cost_of(any, secret, longest);
  std::printf("%-18s %10zu keys    %7.0f ns, longest chain %u\n", "random keys", keys, normal, longest);
  const struct {
    const char* name;
    const std::vector<traffic::made_frame>& frames;
    const jj::hash_key& key;
  } cases[] = {{"against FNV-1a", fnv, secret},
               {"against CRC-32C", crc, secret},
               {"against key 0", ours, secret},
               {"the same, key 0", ours, public_key}};
  for (const auto& c : cases) {
    const double ns = cost_of(c.frames, c.key, longest);
    std::printf("%-18s %10zu keys    %7.0f ns, %4.2f times random keys, longest chain %u\n", c.name, keys, ns,
                ns / normal, longest);
    if (&c.key != &secret) continue;
    demand(ns < 1.5 * normal, "at most 1.5 times the cost of random keys");
    demand(longest <= 16, "no chain beyond 16");
  }
}

}  // namespace

int main(int count, char** arguments) {
  const std::uint32_t packets =
      count > 1 ? static_cast<std::uint32_t>(std::strtoul(arguments[1], nullptr, 10)) : 1'000'000;
  ordinary(packets / 10);  // warms up
  const double normal_ns = ordinary(packets);
  std::printf("%-18s %10u packets %7.0f ns\n", "ordinary", packets, normal_ns);
  for (const kind what : {kind::syn, kind::udp, kind::icmp, kind::two_way, kind::fragment})
    flood(what, packets, normal_ns);
  collisions();
  return failures == 0 ? 0 : 1;
}
