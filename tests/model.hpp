// A flow table with unlimited memory, written to be obviously right: what the engine is held against. It follows
// SEMANTICS, "Flow assembly", keeps every packet, and looks at everything.
#ifndef JOYFULJAY_TESTS_MODEL_HPP
#define JOYFULJAY_TESTS_MODEL_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"

namespace model {

namespace jj = joyfuljay;

struct seen_packet {
  std::int64_t time_ns;
  std::uint32_t ip_len, payload_len, frame_len;
  bool forward, has_tcp;
  std::uint8_t flags;
};

struct flow {
  std::vector<seen_packet> packets;
  std::int64_t end_ns = 0;
  bool fin[2] = {}, closed = false;
  std::int64_t closed_ns = 0;
  bool initiator_is_second = false;
  jj::end_reason why = jj::end_reason::flushed;
};

/// Addresses and ports of both ends in order, and the protocol.
using key = std::array<std::uint64_t, 8>;

struct settings {
  std::int64_t idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
  std::uint64_t packet_limit;
};

class table {
 public:
  explicit table(const settings& chosen) : settings_(chosen) {}

  void count(const jj::packet& p) {
    const std::array<std::uint64_t, 3> source{p.source[0], p.source[1], p.source_port};
    const std::array<std::uint64_t, 3> target{p.target[0], p.target[1], p.target_port};
    const bool from_second = source > target;
    const auto& [low, high] = std::minmax(source, target);
    const key k{low[0], low[1], low[2], high[0], high[1], high[2], p.protocol, p.ip_version};

    auto found = open_.find(k);
    if (found != open_.end() && ends_before(found->second, p)) {
      ended.push_back(std::move(found->second));
      open_.erase(found);
      found = open_.end();
    }
    if (found == open_.end()) {
      found = open_.emplace(k, flow{}).first;
      found->second.initiator_is_second = from_second;
      found->second.end_ns = p.time_ns;
    }
    add(found->second, p, from_second);
  }
  void flush() {
    for (auto& [k, f] : open_) {
      f.why = f.closed ? jj::end_reason::closed : jj::end_reason::flushed;
      ended.push_back(std::move(f));
    }
    open_.clear();
  }
  std::vector<flow> ended;

 private:
  bool ends_before(flow& f, const jj::packet& p) const {
    const bool opening = p.has_tcp_header && (p.tcp_flags & 0x12) == 0x02;
    if (f.closed && (opening || settings_.tcp_linger_ns == 0 || p.time_ns - f.closed_ns > settings_.tcp_linger_ns))
      f.why = jj::end_reason::closed;
    else if (p.time_ns - f.end_ns > settings_.idle_timeout_ns)
      f.why = f.closed ? jj::end_reason::closed : jj::end_reason::idle;
    else if (settings_.active_timeout_ns != 0 && p.time_ns - f.packets[0].time_ns > settings_.active_timeout_ns)
      f.why = jj::end_reason::active;
    else if (f.packets.size() == settings_.packet_limit)
      f.why = jj::end_reason::full;
    else
      return false;
    return true;
  }
  static void add(flow& f, const jj::packet& p, bool from_second) {
    const bool forward = from_second == f.initiator_is_second;
    f.packets.push_back({p.time_ns, p.ip_len, p.payload_len, p.frame_len, forward, p.has_tcp_header, p.tcp_flags});
    f.end_ns = std::max(f.end_ns, p.time_ns);
    if (!p.has_tcp_header) return;
    const bool pure_ack = (p.tcp_flags & 0x17) == 0x10 && p.payload_len == 0;
    if (!f.closed && ((p.tcp_flags & 0x04) != 0 || (pure_ack && f.fin[0] && f.fin[1]))) {
      f.closed = true;
      f.closed_ns = p.time_ns;
    }
    if ((p.tcp_flags & 0x01) != 0) f.fin[forward ? 0 : 1] = true;
  }
  settings settings_;
  std::map<key, flow> open_;
};

}  // namespace model

#endif  // JOYFULJAY_TESTS_MODEL_HPP
