// yardstick: the plainest table that finds flows at all, which the benchmarks compare the engine with.
#ifndef JOYFULJAY_TOOLS_YARDSTICK_HPP
#define JOYFULJAY_TOOLS_YARDSTICK_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "joyfuljay.hpp"
#include "tools/several_engines.hpp"

namespace yardstick {
namespace jj = joyfuljay;

/// 64-byte entries, an unkeyed hash, eight probes, then the first gives way. Nothing ends and nothing is reported.
class plain_table {
 public:
  plain_table() {
    if (entries_ == nullptr) std::abort();
  }
  /// Starts again, with all of its memory touched.
  void clear() { std::memset(static_cast<void*>(entries_), 0, size * sizeof(entry)); }
  void count(const jj::packet& p) {
    const jj::detail::packet_key from = jj::detail::packet_key::of(p);
    entry& found = find(from.key);
    if (!(found.key == from.key)) found = entry{from.key, 0, {0, 0}, 0, {0, 0}};
    found.bytes += p.frame_len;
    ++found.packets[from.from_second];
    found.last_seconds = static_cast<std::uint32_t>(p.time_ns / 1'000'000'000);
    found.flags[from.from_second] |= p.tcp_flags;
  }

 private:
  struct entry {
    jj::detail::flow_key key;
    std::uint64_t bytes;
    std::uint32_t packets[2];
    std::uint32_t last_seconds;
    std::uint8_t flags[2];
  };
  static_assert(sizeof(entry) == 64, "the yardstick is a table of 64-byte entries");

  entry& find(const jj::detail::flow_key& key) {
    std::uint64_t hash = key.word[0] ^ key.word[1] ^ key.word[2] ^ key.word[3] ^ key.word[4];
    hash *= 0x9E3779B97F4A7C15;
    const std::size_t home = static_cast<std::size_t>(hash >> 32) & (size - 1);
    for (std::size_t probe = 0; probe < 8; ++probe) {
      entry& candidate = entries_[(home + probe) & (size - 1)];
      if (candidate.key == key || candidate.key.word[0] == 0) return candidate;
    }
    return entries_[home];
  }

  static constexpr std::size_t size = std::size_t{1} << 19;
  entry* entries_ = static_cast<entry*>(several::zeroed_pages(size * sizeof(entry)));
};

}  // namespace yardstick

#endif  // JOYFULJAY_TOOLS_YARDSTICK_HPP
