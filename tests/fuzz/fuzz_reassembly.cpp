// Fuzz target: the streams of both sides of a conversation, cut, reordered, repeated, overlapping with equal or other
// bytes, with holes, by a script; then, mostly, both streams in order. What an engine says of it must be what a model says
// that keeps every byte: a byte that is there is never replaced.
//
// Input: that of fuzz_tls, whose seeds serve here: the length of the first stream in 16 bits and the stream, the same for
// the second, then the script in records of 5 bytes: direction and what is done, offset in the stream in 16 bits, length,
// captured length. The last byte of all is that of settings.
#include <algorithm>

#include "tests/fuzz/must.hpp"
#include "tests/stream_model.hpp"

using namespace handshakes;

namespace {

constexpr std::size_t record_length = 5, most_segments = 200;

/// A segment of the script, of streams that begin at `starts`; one of them wraps.
constexpr std::uint32_t starts[] = {0xFFFFFF00, 7};

segment made(const std::uint8_t* record, const octets (&streams)[2]) {
  const unsigned what = record[0], side = what & 1;
  const octets& stream = streams[side];
  const std::size_t begin = std::min(static_cast<std::size_t>(record[1] << 8 | record[2]), stream.size());
  const std::size_t length = std::size_t{record[3]} * ((what & 0x40) != 0 ? 8 : 1);
  segment s{side == 0, starts[side] + static_cast<std::uint32_t>(begin),
            slice(stream, begin, std::min(begin + length, stream.size()))};
  if ((what & 2) != 0)
    for (std::uint8_t& octet : s.payload) octet ^= 0x80;
  if ((what & 0x80) != 0) s.captured = record[4];
  switch (what >> 2 & 7) {
    case 4: s.flags = fb::tcp_fin | fb::tcp_ack; break;
    case 5: s.flags = fb::tcp_rst; break;
    case 6:
      s.flags = side == 0 ? fb::tcp_syn : fb::tcp_syn | fb::tcp_ack;
      --s.sequence;
      break;
    case 7: s.flags = fb::tcp_psh | fb::tcp_ack; break;
    default: break;
  }
  return s;
}

/// Bytes that begin like TLS, with the letters of SSH behind them on either side: the engine makes of a flow what it
/// recognises first, the model both.
bool is_ambiguous(const segments& packets) {
  const octets ssh = ascii("SSH-");
  bool may_be_tls = false, may_be_ssh = false;
  for (const bool forward : {true, false}) {
    const octets data = stream_model::direction_stream(packets, forward).data;
    may_be_tls = may_be_tls || (!data.empty() && (data[0] == 21 || data[0] == 22));
    may_be_ssh = may_be_ssh || std::search(data.begin(), data.end(), ssh.begin(), ssh.end()) != data.end();
  }
  return may_be_tls && may_be_ssh;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned settings = data[--size];
  octets streams[2];
  for (octets& stream : streams) {
    if (size < 2) return 0;
    const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(data[0] << 8 | data[1]), size - 2);
    stream.assign(data + 2, data + 2 + length);
    data += 2 + length;
    size -= 2 + length;
  }
  segments packets;
  bool may_have_ended = false;  // then a SYN opens another flow
  bool has_payload = false, has_late_syn = false;
  for (; size >= record_length && packets.size() < most_segments; data += record_length, size -= record_length) {
    const segment s = made(data, streams);
    may_have_ended = may_have_ended || (s.flags & (fb::tcp_fin | fb::tcp_rst)) != 0;
    const bool is_syn = (s.flags & fb::tcp_syn) != 0;
    if (may_have_ended && is_syn) continue;
    packets.push_back(s);
    has_late_syn = has_late_syn || (is_syn && has_payload);
    has_payload = has_payload || !s.payload.empty();
  }
  if ((settings & 1) == 0)
    packets = packets + pieces_of(true, starts[0], streams[0]) + pieces_of(false, starts[1], streams[1]);
  if (packets.empty() || is_ambiguous(packets)) return 0;
  const ports of{static_cast<std::uint16_t>((settings & 2) != 0 ? 22 : 40000),
                 static_cast<std::uint16_t>((settings & 4) != 0 ? 22 : 443)};
  const answers told = ask(packets, of);
  // A SYN that says who is the client behind a KEXINIT comes too late for its HASSH.
  if (told.at("handshake_dropped") == "true" || (has_late_syn && told.at("ssh_detected") == "true")) return 0;
  const std::string wrong = difference(told, stream_model::expected(packets, of));
  if (!wrong.empty()) must_not(wrong.c_str());
  return 0;
}
