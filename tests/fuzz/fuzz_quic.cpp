// Fuzz target: datagrams of QUIC. The target seals what it is given as frames of Initial packets, with the keys that
// the header derives, so that the fuzzer reaches what lies behind the encryption; it may also damage or not seal it.
//
// Input: commands of 4 bytes (what to build, how, length in 16 bits) and as many bytes of frames, or of a datagram.
#include <cstring>
#include <memory>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/fuzz/must.hpp"
#include "tools/frame_builder.hpp"
#include "tools/quic_sealer.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using octets = std::vector<std::uint8_t>;

namespace {

struct listener : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::quic, jj::handshake_state>;
  using snapshot_packets = jj::packet_numbers<2>;
  static constexpr std::size_t max_flows = 3;
  static constexpr std::size_t handshake_records = 2, handshake_buffers = 2;
  static constexpr std::size_t handshake_buffer_bytes = 600, held_pieces = 4;
  static constexpr std::size_t max_name = 8, max_protocol_name = 8;
  static constexpr std::size_t quic_connections = 2;
  static constexpr std::uint32_t quic_initials = 6;
  static constexpr jj::link_type link = jj::link_type::raw;
};
using engine_type = jj::engine<listener>;

/// What the first bytes of a command ask for.
struct command {
  std::uint8_t what, how;

  bool is_raw() const { return (what & 7) == 7; }
  bool is_damaged() const { return (what & 7) == 6; }
  bool joins_next() const { return (what & 8) != 0; }
  unsigned flow() const { return what >> 4 & 3; }
  bool from_client() const { return (what & 0x40) == 0; }

  quic_sealer::initial initial(std::uint64_t number) const {
    constexpr std::uint32_t versions[] = {1, 0x6B3343CF, 0xFF00001D, 0xFF00001B};
    quic_sealer::initial p;
    p.version = versions[how & 3];
    p.number = number;
    p.number_length = 1u + (how >> 2 & 3u);
    p.destination_id.resize(how >> 4 & 7);
    p.key_id.assign(p.destination_id.begin(), p.destination_id.end());
    p.side = from_client() ? jj::from_client : jj::from_server;
    if ((how & 0x80) != 0) p.token = octets(40, 0x55);
    return p;
  }
};

octets built(const command& c, const octets& bytes, std::uint64_t number) {
  if (c.is_raw()) return bytes;
  octets plain = bytes;
  if (plain.size() < 4) plain.resize(4);
  octets sealed = quic_sealer::seal(c.initial(number), plain);
  if (c.is_damaged()) sealed[sealed.size() / 2] ^= 0x10;
  return sealed;
}

class conversation {
 public:
  conversation() : engine_(std::make_unique<engine_type>()) {}
  void send(const octets& datagram, const command& c) {
    fb::ipv4_header h;
    h.source = {10, 0, 0, static_cast<std::uint8_t>(c.from_client() ? 1 : 2)};
    h.target = {10, 0, 0, static_cast<std::uint8_t>(c.from_client() ? 2 : 1)};
    const std::uint16_t client_port = static_cast<std::uint16_t>(40000 + c.flow());
    const octets frame =
        fb::ipv4(h, fb::ip_protocol::udp,
                 fb::udp(c.from_client() ? client_port : 443, c.from_client() ? 443 : client_port, datagram));
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[frame.size()]);
    std::memcpy(exact.get(), frame.data(), frame.size());
    seen_.note(engine_->feed({exact.get(), frame.size(), 0, ++now_ns_}, seen_));
    check();
  }
  void end() {
    engine_->flush(seen_);
    check();
  }

 private:
  void check() {
    if (const char* const wrong = audit::fault(*engine_, seen_)) must_not(wrong);
  }
  std::unique_ptr<engine_type> engine_;
  audit::account seen_;
  std::int64_t now_ns_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  conversation talk;
  octets datagram;
  for (std::uint64_t number = 0; size >= 4; ++number) {
    const command c{data[0], data[1]};
    std::size_t length = static_cast<std::size_t>(data[2] << 8 | data[3]) & 0x7FF;
    data += 4, size -= 4;
    if (length > size) length = size;
    datagram = quic_sealer::operator+(datagram, built(c, octets(data, data + length), number));
    data += length, size -= length;
    if (c.joins_next() && datagram.size() < 3000) continue;
    talk.send(datagram, c);
    datagram.clear();
  }
  talk.end();
  return 0;
}
