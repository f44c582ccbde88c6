// Fuzz target: what no client and server say to each other. Both sides of a few flows speak whole messages, parts and lies
// of TLS, SSH, DNS and QUIC in turns, in order, early, late and over what they said before, to an engine with hardly any
// room for handshakes. Every protocol's reader so meets what another one left in the flow's record and buffers.
//
// Input: commands of 6 bytes: who speaks and where in the stream, what, how far from there, how
// much of it now (the rest comes with the side's next words), longest segment and how often the bytes that follow are
// repeated, and how many they are, at most 63.
#include <algorithm>
#include <memory>

#include "tests/audit.hpp"
#include "tests/fuzz/must.hpp"
#include "tests/handshakes.hpp"
#include "tools/quic_sealer.hpp"

using namespace handshakes;

namespace {

struct listener : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::tls, jj::quic, jj::ssh, jj::dns, jj::handshake_state>;
  static constexpr std::size_t max_flows = 6;
  static constexpr std::size_t handshake_records = 3, handshake_buffers = 2;
  static constexpr std::size_t handshake_buffer_bytes = 512, held_pieces = 3;
  static constexpr std::size_t max_name = 8, max_protocol_name = 8;
  static constexpr std::size_t quic_connections = 2;
  static constexpr std::uint32_t quic_initials = 3;
  static constexpr std::size_t max_fragments = 0;
  static constexpr jj::link_type link = jj::link_type::raw;
};
using engine_type = jj::engine<listener>;

struct command {
  static constexpr std::size_t header = 6;
  const std::uint8_t* data;

  unsigned flow() const { return data[0] & 3; }
  bool forward() const { return (data[0] & 4) != 0; }
  enum place : unsigned { next = 0, early = 1, late = 2, not_yet = 3 };
  place where() const { return static_cast<place>(data[0] >> 3 & 3); }
  bool is_datagram() const { return (data[0] & 0xE0) == 0xE0; }
  bool ends_stream() const { return (data[0] & 0xE0) == 0x20; }
  unsigned what() const { return data[1] & 15; }
  unsigned detail() const { return data[1] >> 4; }
  std::uint32_t distance() const { return data[2] * 8u; }
  std::size_t portion() const { return data[3] == 0 ? SIZE_MAX : data[3] < 128 ? data[3] : (data[3] - 127u) * 8; }
  std::size_t longest_segment() const { return (data[4] & 0x80) != 0 ? 100 : 1400; }
  unsigned repeats() const { return (data[4] & 0x7F) % 40; }
  std::size_t bytes_here(std::size_t size) const { return std::min<std::size_t>(data[5] % 64, size - header); }
};

/// Port of the second side: three that a protocol is looked for on, and one that none is.
constexpr std::uint16_t ports_of_flows[] = {53, 22, 443, 8000};

octets dns_message(unsigned flags, const octets& name) {
  return u16(7) + u16(flags) + u16(1) + u16(0) + u16(0) + u16(0) +
         vector<1>(slice(name, 0, std::min<std::size_t>(name.size(), 63))) + u8(0) + u16(1) + u16(1);
}
/// The whole of a hello, a half of it, or anything, in an Initial packet.
octets sealed(unsigned detail, const octets& bytes) {
  quic_sealer::initial p;
  p.number = detail;
  p.destination_id = octets(8, static_cast<std::uint8_t>(detail & 1));
  p.key_id = p.destination_id;
  p.side = (detail & 2) != 0 ? jj::from_server : jj::from_client;
  const octets hello = message(client_hello{}.with(0, sni(bytes)).with(16, alpn({ascii("h3")})));
  const std::size_t half = hello.size() / 2;
  const octets parts[] = {quic_sealer::crypto(0, hello), quic_sealer::crypto_part(hello, 0, half),
                          quic_sealer::crypto_part(hello, half, hello.size()), quic_sealer::crypto(detail, bytes)};
  return quic_sealer::seal(p, parts[detail >> 2] + octets(20, 0));
}
octets built(const command& c, const octets& bytes) {
  switch (c.what()) {
    case 0: return bytes;
    case 1: return handshake(bytes);
    case 2: return handshake(message(c.detail(), bytes));
    case 3:
      return handshake(message(client_hello{}.with(0, sni(bytes)).with(16, alpn({slice(bytes, 0, bytes.size() / 9)}))));
    case 4: return handshake(message(server_hello{}.with(43, u16(0x0304)).with(51, bytes)));
    case 5: return u8(22) + u16(0x0303) + u16(c.detail() * 40u) + bytes;  // a length that may lie
    case 6: return u8(22) + u16(0x0303) + vector<2>(u8(c.detail() & 3) + number(bytes.size() * 2, 3) + bytes);
    case 7: return handshake(certificates({bytes.size(), c.detail()})) + change_cipher_spec();
    case 8: return ascii("SSH-2.0-") + bytes + ascii("\r\n");
    case 9: return kexinit(std::vector<std::string>(10, std::string(bytes.begin(), bytes.end())));
    case 10: return ssh_packet(c.detail() + 20, bytes.size());
    case 11: return u32(c.detail() * 40u) + u8(4) + u8(20) + bytes;
    case 12: return vector<2>(dns_message(0x0100, bytes));
    case 13: return vector<2>(dns_message(0x8180, bytes) + bytes);
    case 14: return u16(c.detail() * 40u) + bytes;
    default: return sealed(c.detail(), bytes);
  }
}

class talk {
 public:
  void end() {
    engine_.flush(seen_);
    check();
  }
  void run(const command& c, const octets& said) {
    if (c.is_datagram()) {  // without the length that stands in front of DNS messages in streams
      const std::size_t in_front = c.what() == 12 || c.what() == 13 ? 2 : 0;
      return send(c, fb::ip_protocol::udp, fb::udp(port(c, true), port(c, false), slice(said, in_front, said.size())));
    }
    std::uint32_t& spoken = spoken_[c.flow()][c.forward()];
    octets& unsaid = unsaid_[c.flow()][c.forward()];
    unsaid = unsaid + said;
    const octets now = slice(unsaid, 0, std::min(unsaid.size(), c.portion()));
    std::uint32_t at = spoken;
    if (c.where() == command::early) at += c.distance();
    if (c.where() == command::late) at -= std::min(c.distance(), at);
    if (c.where() == command::next) spoken += static_cast<std::uint32_t>(now.size());
    if (c.where() != command::not_yet) unsaid = slice(unsaid, now.size(), unsaid.size());
    for (const segment& s : pieces_of(c.forward(), at, now, c.longest_segment()))
      send(c, s.sequence, fb::tcp_ack, s.payload);
    if (c.ends_stream()) send(c, spoken, (c.detail() & 1) != 0 ? fb::tcp_syn : fb::tcp_fin | fb::tcp_ack, {});
  }

 private:
  static std::uint16_t port(const command& c, bool of_source) {
    return of_source == c.forward() ? std::uint16_t{40000} : ports_of_flows[c.flow()];
  }
  void send(const command& c, std::uint32_t sequence, std::uint8_t flags, const octets& payload) {
    fb::tcp_header h;
    h.source_port = port(c, true);
    h.target_port = port(c, false);
    h.sequence = sequence;
    h.flags = flags;
    send(c, fb::ip_protocol::tcp, fb::tcp(h, payload));
  }
  void send(const command& c, std::uint8_t protocol, const octets& transport) {
    const octets made = fb::ipv4(traffic::header_of(1, c.forward()), protocol, transport);
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[made.size()]);  // reading beyond is seen
    std::memcpy(exact.get(), made.data(), made.size());
    seen_.note(engine_.feed({exact.get(), made.size(), 0, ++now_ns_}, seen_));
    check();
  }
  void check() {
    if (const char* const wrong = audit::fault(engine_, seen_)) must_not(wrong);
  }

  engine_type& engine_ = fresh_engine<listener>();
  audit::account seen_;
  std::uint32_t spoken_[4][2] = {};
  octets unsaid_[4][2];
  std::int64_t now_ns_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  talk of_both;
  constexpr unsigned most_commands = 100;
  for (unsigned count = 0; count < most_commands && size >= command::header; ++count) {
    const command c{data};
    const std::size_t here = c.bytes_here(size);
    octets bytes;
    for (unsigned times = 0; times <= c.repeats(); ++times)
      bytes.insert(bytes.end(), data + command::header, data + command::header + here);
    of_both.run(c, built(c, bytes));
    data += command::header + here;
    size -= command::header + here;
  }
  of_both.end();
  return 0;
}
