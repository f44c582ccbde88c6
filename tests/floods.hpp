// Attackers for tests: floods of made-up packets between those of established conversations, and keys that collide
// under hashes without a secret.
#ifndef JOYFULJAY_TESTS_FLOODS_HPP
#define JOYFULJAY_TESTS_FLOODS_HPP

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/traffic.hpp"

namespace floods {

namespace jj = joyfuljay;
namespace fb = frame_builder;

enum class kind { syn, udp, icmp, two_way, fragment };
constexpr const char* names[] = {"SYN", "UDP", "ICMP", "UDP, both ways", "first fragments"};

/// Raw IPv4 frames of one kind from random sources: a template, whose addresses and ports are written anew.
class attacker {
 public:
  explicit attacker(kind what, std::uint32_t seed = 1) : what_(what), random_(seed) {
    fb::ipv4_header h;
    h.target = {192, 0, 2, 2};
    if (what == kind::fragment) h.flags_and_offset = fb::more_fragments;
    if (what == kind::syn) {
      fb::tcp_header t;
      t.flags = fb::tcp_syn;
      frame_.data = fb::ipv4(h, fb::ip_protocol::tcp, fb::tcp(t));
    } else if (what == kind::icmp) {
      frame_.data = fb::ipv4(h, fb::ip_protocol::icmp, fb::zeros(8));
    } else {
      frame_.data = fb::ipv4(h, fb::ip_protocol::udp, fb::udp(0, 0, fb::zeros(12)));
    }
  }
  jj::frame next(std::int64_t time_ns) {
    if (what_ == kind::two_way && ++turn_ % 2 == 0) return answer(time_ns);
    const std::uint32_t source = static_cast<std::uint32_t>(random_()), ports = static_cast<std::uint32_t>(random_());
    write(12, 0xC6120000u | (source & 0x1FFFF));  // 198.18.0.0/15 [RFC 2544]
    if (what_ != kind::icmp) write(20, ports | 1);
    if (what_ == kind::fragment) write(4, source << 16 | fb::more_fragments);
    frame_.time_ns = time_ns;
    return frame_;
  }

 private:
  void write(std::size_t at, std::uint32_t value) {
    for (unsigned byte = 0; byte < 4; ++byte)
      frame_.data[at + byte] = static_cast<std::uint8_t>(value >> (24 - 8 * byte));
  }
  /// The last packet, from its target.
  jj::frame answer(std::int64_t time_ns) {
    for (std::size_t at = 0; at < 4; ++at) std::swap(frame_.data[12 + at], frame_.data[16 + at]);
    for (std::size_t at = 0; at < 2; ++at) std::swap(frame_.data[20 + at], frame_.data[22 + at]);
    back_ = frame_;
    for (std::size_t at = 0; at < 4; ++at) std::swap(frame_.data[12 + at], frame_.data[16 + at]);
    back_.time_ns = time_ns;
    return back_;
  }
  kind what_;
  std::mt19937 random_;
  unsigned turn_ = 0;
  traffic::made_frame frame_, back_;
};

/// Established two-sided conversations, client 10.x.x.x, and what became of each.
class conversations {
 public:
  explicit conversations(std::uint32_t count) : sent(count), pieces(count), reported(count) {
    for (std::uint32_t at = 0; at < count; ++at)
      for (const bool from_client : {true, false}) made_.push_back(traffic::udp(at, from_client, 0, 40));
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(sent.size()); }
  /// The next packet of the next conversation, in turns.
  jj::frame next(std::int64_t time_ns) {
    const std::uint32_t at = turn_++ % count();
    traffic::made_frame& made = made_[2 * at + (sent[at] % 2)];
    made.time_ns = time_ns;
    ++sent[at];
    return made;
  }
  /// The sink: rows of others only count.
  template <class Row, class View> void operator()(const Row& row, const View& flow, jj::end_reason why) {
    seen(row, flow, why);
    if (why == jj::end_reason::snapshot) return;
    const jj::ip_address client = flow.address(jj::fwd);
    if (client.octets[0] != 10) return;
    const std::uint32_t at =
        std::uint32_t{client.octets[1]} << 16 | std::uint32_t{client.octets[2]} << 8 | client.octets[3];
    if (at >= count()) return;
    ++pieces[at];
    reported[at] += flow.packets();
  }
  /// How many were reported once, with all packets.
  std::uint32_t unbroken() const {
    std::uint32_t whole = 0;
    for (std::uint32_t at = 0; at < count(); ++at) whole += pieces[at] == 1 && reported[at] == sent[at];
    return whole;
  }
  std::vector<std::uint64_t> sent, pieces, reported;
  audit::account seen;

 private:
  std::vector<traffic::made_frame> made_;
  std::uint32_t turn_ = 0;
};

/// Sends `packets` of the flood at 100,000 a second, and of each conversation one packet a second in between.
template <class Engine>
void send(Engine& engine, conversations& established, attacker* flood, std::uint32_t packets, std::int64_t& now_ns) {
  constexpr std::int64_t step_ns = 10'000;
  const std::uint32_t apart = 100'000 / established.count() + 1;
  for (std::uint32_t at = 0; at < packets; ++at, now_ns += step_ns) {
    if (at % apart == 0) established.seen.note(engine.feed(established.next(now_ns), established));
    if (flood != nullptr) established.seen.note(engine.feed(flood->next(now_ns), established));
  }
}
/// Both packets that establish each conversation.
template <class Engine> void establish(Engine& engine, conversations& established, std::int64_t& now_ns) {
  for (unsigned round = 0; round < 2; ++round)
    for (std::uint32_t at = 0; at < established.count(); ++at, now_ns += 1000)
      established.seen.note(engine.feed(established.next(now_ns), established));
}

// ---- Collisions

inline std::uint32_t fnv1a(const jj::detail::flow_key& key) {
  std::uint32_t hash = 0x811C9DC5;
  for (unsigned byte = 0; byte < 16; ++byte)
    hash = (hash ^ static_cast<std::uint8_t>(key.word[byte / 8] >> 8 * (byte % 8))) * 0x01000193;
  return hash;
}
inline std::uint32_t crc32c(const jj::detail::flow_key& key) {
  static const std::vector<std::uint32_t> table = [] {
    std::vector<std::uint32_t> entries(256);
    for (std::uint32_t at = 0; at < 256; ++at) {
      std::uint32_t crc = at;
      for (unsigned bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
      entries[at] = crc;
    }
    return entries;
  }();
  std::uint32_t crc = 0xFFFFFFFF;
  for (unsigned byte = 0; byte < 16; ++byte)
    crc = crc >> 8 ^ table[(crc ^ static_cast<std::uint32_t>(key.word[byte / 8] >> 8 * (byte % 8))) & 0xFF];
  return ~crc;
}

/// A UDP packet between made-up ends, and the same as a frame.
struct made_key {
  std::uint32_t source, target;
  std::uint16_t source_port, target_port;

  static made_key random(std::mt19937_64& from) {
    const std::uint64_t a = from(), b = from();
    return {0x0B000000u | (static_cast<std::uint32_t>(a) & 0xFFFFFF), 0xC0000200u | static_cast<std::uint32_t>(a >> 56),
            static_cast<std::uint16_t>(b), static_cast<std::uint16_t>(b >> 16)};
  }
  jj::detail::flow_key key() const {
    jj::packet p{};
    p.ip_version = 4;
    p.protocol = 17;
    p.source[1] = source, p.target[1] = target;
    p.source_port = source_port, p.target_port = target_port;
    return jj::detail::packet_key::of(p).key;
  }
  traffic::made_frame frame() const {
    fb::ipv4_header h;
    for (unsigned at = 0; at < 4; ++at) {
      h.source[at] = static_cast<std::uint8_t>(source >> (24 - 8 * at));
      h.target[at] = static_cast<std::uint8_t>(target >> (24 - 8 * at));
    }
    return {fb::ipv4(h, fb::ip_protocol::udp, fb::udp(source_port, target_port)), traffic::start};
  }
};
/// `count` keys that fall into bucket 0 of `buckets` (a power of two) under the hash, by trial.
template <class BucketOf> std::vector<traffic::made_frame> colliding(std::size_t count, const BucketOf& bucket_of) {
  std::mt19937_64 random(9);
  std::vector<traffic::made_frame> found;
  while (found.size() < count) {
    const made_key key = made_key::random(random);
    if (bucket_of(key.key()) == 0) found.push_back(key.frame());
  }
  return found;
}

}  // namespace floods

#endif  // JOYFULJAY_TESTS_FLOODS_HPP
