// Fuzz target: two streams of bytes, cut into segments by a script, through an engine with tls and ssh that is too small
// for them; and the same streams in order, in one piece and in several, which must tell the same. Built for libFuzzer or
// with tests/fuzz/replay.cpp.
//
// Input: the length of the first stream in 16 bits and the stream, the same for the second, then the script in records
// of 5 bytes: flow and direction, TCP flags, offset in the stream in 16 bits, length.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/frame_builder.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using fb::octets;

namespace {

struct small : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::tls, jj::ssh, jj::handshake_state>;
  static constexpr std::size_t max_flows = 3;
  static constexpr std::size_t handshake_records = 2;
  static constexpr std::size_t handshake_buffers = 2;
  static constexpr std::size_t handshake_buffer_bytes = 512;
  static constexpr std::size_t held_pieces = 3;
  static constexpr std::size_t max_name = 16;
  static constexpr std::size_t max_protocol_name = 8;
  static constexpr std::size_t max_fragments = 0;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct roomy : small {
  using groups = jj::type_list<jj::tls, jj::ssh, jj::handshake_state>;
  static constexpr std::size_t max_flows = 1;
  static constexpr std::size_t handshake_buffer_bytes = 16384;
};

/// What must hold is checked in every build.
void must(bool condition) {
  if (!condition) std::abort();
}

octets frame_of(unsigned flow, bool forward, std::uint32_t sequence, std::uint8_t flags, const octets& payload) {
  fb::ipv4_header ip;
  ip.source = {10, 0, 0, static_cast<std::uint8_t>(forward ? 0 : flow + 1)};
  ip.target = {10, 0, 0, static_cast<std::uint8_t>(forward ? flow + 1 : 0)};
  fb::tcp_header tcp;
  tcp.source_port = forward ? 40000 : 22;
  tcp.target_port = forward ? 22 : 40000;
  tcp.sequence = sequence;
  tcp.flags = flags;
  return fb::ipv4(ip, fb::ip_protocol::tcp, fb::tcp(tcp, payload));
}
template <class Engine, class Sink> bool feed(Engine& engine, const octets& frame, std::int64_t at, Sink& sink) {
  const auto fed = engine.feed({frame.data(), frame.size(), static_cast<std::uint32_t>(frame.size()), at}, sink);
  must(fed.what == jj::verdict::counted);
  return static_cast<bool>(fed.flow);
}
octets slice(const octets& from, std::size_t begin, std::size_t end) {
  return octets(from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end));
}
constexpr std::uint32_t starts[] = {0xFFFFFF00, 7};  // of the streams; one wraps

/// Segments as the script says, several conversations at once.
void play(const octets (&streams)[2], const std::uint8_t* script, std::size_t size) {
  static jj::engine<small> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  std::uint64_t reported = 0, fed = 0;
  const auto sink = [&](const auto& row, const auto& flow, jj::end_reason) {
    must(row.total_packets == flow.packets() && row.tls_sni.length <= 16 &&
         row.tls_handshake_packets <= flow.packets());
    must(row.ssh_kex_packets + row.ssh_encrypted_packets <= 2 * flow.packets());
    must(row.tls_detected || (row.ja3_hash.length == 0 && row.tls_cert_count == 0));
    must(!row.tls_detected || !row.ssh_detected);
    reported += flow.packets();
  };
  for (; size >= 5; script += 5, size -= 5) {
    const octets& stream = streams[script[0] & 1];
    const std::size_t begin =
        std::min<std::size_t>(static_cast<std::size_t>(script[2] << 8 | script[3]), stream.size());
    octets payload = slice(stream, begin, std::min(begin + script[4], stream.size()));
    if ((script[0] & 0x20) != 0)
      for (std::uint8_t& octet : payload) octet = static_cast<std::uint8_t>(octet ^ script[4]);
    const bool forward = (script[0] & 1) == 0;
    const std::uint32_t sequence = starts[script[0] & 1] + static_cast<std::uint32_t>(begin) -
                                   ((script[1] & fb::tcp_syn) != 0 ? 1 : 0) + ((script[0] & 0x40) != 0 ? 1u << 31 : 0);
    fed += feed(engine, frame_of(script[0] >> 1 & 3, forward, sequence, script[1], payload), 0, sink);
    must(engine.statistics().used_records <= 2);
  }
  engine.flush(sink);
  must(reported == fed && engine.statistics().open_flows == 0 && engine.statistics().used_records == 0);
}

/// The features of both streams in order, the script's lengths being those of the segments; without the counts of
/// packets.
std::string told(const octets (&streams)[2], const std::uint8_t* script, std::size_t size) {
  static jj::engine<roomy> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  std::string text;
  const auto sink = [&text](const auto& row, const auto&, jj::end_reason) {
    auto plain = row;
    plain.tls_handshake_packets = 0;
    plain.ssh_kex_packets = plain.ssh_encrypted_packets = 0;
    jj::write_json([&text](const char* characters, std::size_t length) { text.append(characters, length); }, plain);
  };
  std::size_t step = 4;
  for (unsigned side = 0; side < 2; ++side) {
    feed(engine, frame_of(0, side == 0, starts[side] - 1, side == 0 ? fb::tcp_syn : fb::tcp_syn | fb::tcp_ack, {}), 0,
         sink);
    for (std::size_t at = 0; at < streams[side].size();) {
      const std::size_t length = step < size ? std::size_t{script[step]} + 1 : streams[side].size();
      const std::size_t end = std::min(at + length, streams[side].size());
      feed(engine,
           frame_of(0, side == 0, starts[side] + static_cast<std::uint32_t>(at), fb::tcp_ack,
                    slice(streams[side], at, end)),
           0, sink);
      at = end;
      step += 5;
    }
  }
  engine.flush(sink);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  octets streams[2];
  for (octets& stream : streams) {
    if (size < 2) return 0;
    const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(data[0] << 8 | data[1]), size - 2);
    stream.assign(data + 2, data + 2 + length);
    data += 2 + length;
    size -= 2 + length;
  }
  play(streams, data, size);
  must(told(streams, data, size) == told(streams, data, 0));
  return 0;
}
