// Damages every packet of captures in every way there is room for, and feeds it to an engine with all groups that has
// seen the packets before it whole, so that handshake parsers are met in mid-state:
//   cuts    every length from 0 to one byte short, in a buffer of exactly that size, the wire length told or not
//   flips   every bit of the first 128 bytes, of one packet in 16
//   places  the whole capture at offsets 0 to 7 in memory: the rows must be equal
// To be built with the address and undefined-behaviour sanitizers: what it looks for are their reports, and what
// tests/audit.hpp finds. damage [--seconds LIMIT] CAPTURE...
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
  using groups = jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                               jj::size, jj::tcp, jj::tls, jj::quic, jj::ssh, jj::dns, jj::fingerprint, jj::entropy,
                               jj::padding, jj::handshake_state, jj::connection, jj::connection_truncation>;
  static constexpr std::size_t max_flows = 12;
  static constexpr std::size_t sample_packets = 10;
  static constexpr std::size_t log_chunks = 16, sample_chunks = 20;
  static constexpr std::size_t long_flows = 1;
  static constexpr std::size_t max_fragments = 4;
  static constexpr std::size_t handshake_records = 6, handshake_buffers = 3;
  static constexpr std::size_t handshake_buffer_bytes = 2048, held_pieces = 6;
  static constexpr std::uint32_t quic_initials = 3;
  static constexpr std::size_t max_hosts = 16;
  static constexpr std::size_t max_sequence_length = 8;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};
using engine_type = jj::engine<everything>;
using octets = std::vector<std::uint8_t>;

struct kept_frame {
  octets data;
  std::uint32_t wire_length;
  std::int64_t time_ns;
  jj::link_type link;
};

/// What is done to each packet happens to a copy of the engine as it was before the packet.
class damager {
 public:
  damager() : state_(std::make_unique<engine_type>()), copy_(std::make_unique<engine_type>()) {}

  void run(const std::vector<kept_frame>& frames) {
    clear(*state_);
    before_ = {};
    for (const kept_frame& f : frames) {
      cut(f);
      if (packets++ % 16 == 0) flip(f);
      const std::unique_ptr<std::uint8_t[]> whole = exact(f.data, f.data.size(), 0);
      before_.note(state_->feed({whole.get(), f.data.size(), f.wire_length, f.time_ns, f.link}, before_));
    }
    state_->flush(before_);
    check(*state_, before_);
  }
  std::uint64_t packets = 0, cuts = 0, flips = 0;

  static std::unique_ptr<std::uint8_t[]> exact(const octets& data, std::size_t length, std::size_t offset) {
    std::unique_ptr<std::uint8_t[]> memory(new std::uint8_t[offset + length]);
    if (length != 0) std::memcpy(memory.get() + offset, data.data(), length);
    return memory;
  }
  static void clear(engine_type& engine) { std::memset(static_cast<void*>(&engine), 0, sizeof engine); }
  static void check(engine_type& engine, const audit::account& seen) {
    if (const char* const wrong = audit::fault(engine, seen)) {
      std::fprintf(stderr, "damage: %s\n", wrong);
      std::abort();
    }
  }

 private:
  void cut(const kept_frame& f) {
    for (std::size_t length = 0; length < f.data.size(); ++length, ++cuts)
      feed_copy(f, f.data, length, length % 2 == 0 ? f.wire_length : 0, cuts % 8 == 0);
  }
  void flip(const kept_frame& f) {
    octets damaged = f.data;
    for (std::size_t bit = 0; bit < 8 * std::min<std::size_t>(128, f.data.size()); ++bit, ++flips) {
      damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1u << bit % 8);
      feed_copy(f, damaged, damaged.size(), f.wire_length, flips % 4 == 0);
      damaged[bit / 8] = f.data[bit / 8];
    }
  }
  void feed_copy(const kept_frame& f, const octets& data, std::size_t length, std::uint32_t wire_length, bool to_end) {
    std::memcpy(static_cast<void*>(copy_.get()), static_cast<const void*>(state_.get()), sizeof(engine_type));
    audit::account seen = before_;
    const std::unique_ptr<std::uint8_t[]> memory = exact(data, length, 0);
    const auto fed = seen.note(copy_->feed({memory.get(), length, wire_length, f.time_ns, f.link}, seen));
    if (fed.flow) static_cast<void>(fed.flow.handshake_dropped());
    if (!to_end) return;
    copy_->flush(seen);
    check(*copy_, seen);
  }
  std::unique_ptr<engine_type> state_, copy_;
  audit::account before_;
};

/// All rows of a capture whose frames lie at this offset.
std::string rows_at(const std::vector<kept_frame>& frames, std::size_t offset, engine_type& engine) {
  damager::clear(engine);
  std::string rows;
  audit::account seen;
  const auto sink = [&](const auto& row, const auto& flow, jj::end_reason why) {
    seen(row, flow, why);
    jj::write_json([&](const char* characters, std::size_t length) { rows.append(characters, length); }, row);
    rows += jj::end_reason_names[static_cast<std::size_t>(why)];
  };
  for (const kept_frame& f : frames) {
    const std::unique_ptr<std::uint8_t[]> memory = damager::exact(f.data, f.data.size(), offset);
    seen.note(engine.feed({memory.get() + offset, f.data.size(), f.wire_length, f.time_ns, f.link}, sink));
  }
  engine.flush(sink);
  damager::check(engine, seen);
  return rows;
}

std::vector<kept_frame> frames_of(const char* path) {
  std::vector<kept_frame> frames;
  capture_file::reader reader;
  if (!reader.open(path)) return frames;
  capture_file::record r;
  while (reader.next(r) == capture_file::reader::status::record)
    frames.push_back(
        {octets(r.data, r.data + r.captured), r.wire_length, r.time_ns, static_cast<jj::link_type>(r.link_type)});
  return frames;
}

}  // namespace

int main(int count, char** arguments) {
  double limit = 1e9;
  std::vector<const char*> paths(arguments + 1, arguments + count);
  if (paths.size() >= 2 && std::strcmp(paths[0], "--seconds") == 0) {
    limit = std::atof(paths[1]);
    paths.erase(paths.begin(), paths.begin() + 2);
  }
  std::shuffle(paths.begin(), paths.end(), std::mt19937(1));  // what fits the limit is a sample of all
  const auto began = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };
  damager all;
  const auto engine = std::make_unique<engine_type>();
  std::size_t captures = 0;
  for (const char* const path : paths) {
    if (elapsed() > limit) break;
    const std::vector<kept_frame> frames = frames_of(path);
    ++captures;
    std::fprintf(stderr, "%s\n", path);  // the last line before a sanitizer's report
    const std::string rows = rows_at(frames, 0, *engine);
    for (std::size_t offset = 1; offset < 8; ++offset)
      if (rows_at(frames, offset, *engine) != rows) {
        std::fprintf(stderr, "damage: %s: rows differ at offset %zu\n", path, offset);
        return 1;
      }
    all.run(frames);
  }
  std::printf("%zu of %zu captures, %llu packets, %llu cuts, %llu flips in %.0f s\n", captures, paths.size(),
              static_cast<unsigned long long>(all.packets), static_cast<unsigned long long>(all.cuts),
              static_cast<unsigned long long>(all.flips), elapsed());
  return 0;
}
