// conversations: the openings of TLS, QUIC, SSH and DNS, for the benchmark and for make_capture. A dialogue is what the
// two ends say; a script is one conversation as frames in Ethernet and IPv4; `speakers` makes it anybody's.
#ifndef JOYFULJAY_TOOLS_CONVERSATIONS_HPP
#define JOYFULJAY_TOOLS_CONVERSATIONS_HPP

#include <string>
#include <utility>
#include <vector>

#include "tools/frame_builder.hpp"
#include "tools/quic_sealer.hpp"

namespace conversations {

using namespace frame_builder;

struct step {
  bool backward;
  octets frame;
};
using script = std::vector<step>;

/// A piece of a TCP stream, or a datagram.
struct turn {
  bool backward;
  octets said;
};
using dialogue = std::vector<turn>;

inline octets frame_of(bool backward, std::uint8_t protocol, const octets& body) {
  ipv4_header h;
  (backward ? h.target : h.source) = {10, 0, 0, 1};
  (backward ? h.source : h.target) = {198, 51, 100, 1};
  return ethernet(ethertype::ipv4, ipv4(h, protocol, body));
}
/// Gives a frame of a script its client.
inline void speakers(std::uint8_t* frame, bool backward, std::uint32_t client, std::uint16_t client_port) {
  std::uint8_t* const address = frame + (backward ? 30 : 26);
  for (unsigned at = 0; at < 4; ++at) address[at] = static_cast<std::uint8_t>(client >> (24 - 8 * at));
  std::uint8_t* const port = frame + (backward ? 36 : 34);
  port[0] = static_cast<std::uint8_t>(client_port >> 8), port[1] = static_cast<std::uint8_t>(client_port);
}

/// A piece of a stream as segments of at most 1,400 bytes.
inline std::vector<octets> segments_of(const octets& stream) {
  std::vector<octets> segments;
  for (std::size_t at = 0; at < stream.size(); at += 1400) {
    const std::size_t end = at + 1400 < stream.size() ? at + 1400 : stream.size();
    segments.emplace_back(stream.data() + at, stream.data() + end);
  }
  return segments;
}

/// A TCP connection, which keeps its sequence numbers.
struct tcp_talk {
  std::uint16_t server_port;
  script steps = {};
  std::uint32_t next[2] = {1000, 2000};

  tcp_talk& say(bool backward, std::uint8_t flags, const octets& payload = {}) {
    tcp_header h;
    (backward ? h.target_port : h.source_port) = 40000;
    (backward ? h.source_port : h.target_port) = server_port;
    h.flags = flags;
    h.sequence = next[backward];
    h.acknowledged = next[!backward];
    next[backward] += static_cast<std::uint32_t>(payload.size() + ((flags & (tcp_syn | tcp_fin)) != 0 ? 1 : 0));
    steps.push_back({backward, frame_of(backward, ip_protocol::tcp, tcp(h, payload))});
    return *this;
  }
  tcp_talk& send(const dialogue& turns) {
    for (const turn& one : turns)
      for (const octets& segment : segments_of(one.said)) say(one.backward, tcp_ack | tcp_psh, segment);
    return *this;
  }
  tcp_talk& open() { return say(false, tcp_syn).say(true, tcp_syn | tcp_ack).say(false, tcp_ack); }
  tcp_talk& close() { return say(false, tcp_fin | tcp_ack).say(true, tcp_fin | tcp_ack).say(false, tcp_ack); }
};

// ---- TLS and QUIC

inline octets record(std::uint8_t type, const octets& body) { return octets{type, 3, 3} + u16(body.size()) + body; }
inline octets message(std::uint8_t type, const octets& body) { return u8(type) + number(body.size(), 3) + body; }
inline octets extension(std::uint16_t type, const octets& body) { return u16(type) + u16(body.size()) + body; }
inline octets counted16(const octets& body) { return u16(body.size()) + body; }
inline octets counted8(const octets& body) { return u8(body.size()) + body; }

inline constexpr char some_host[] = "www.example.com";

/// A browser's of today, padded to `length`. With the key share of X25519MLKEM768 it takes 1.7 KB, without 0.5 KB.
inline octets client_hello(bool post_quantum, const std::string& protocol, std::size_t length,
                           const std::string& host = some_host) {
  octets ciphers, groups, algorithms;
  for (const unsigned cipher : {0x0A0Au, 0x1301u, 0x1302u, 0x1303u, 0xC02Bu, 0xC02Fu, 0xC02Cu, 0xC030u, 0xCCA9u,
                                0xCCA8u, 0xC013u, 0xC014u, 0x9Cu, 0x9Du, 0x2Fu, 0x35u})
    ciphers = ciphers + u16(cipher);
  for (const unsigned group : {0x0A0Au, 0x11ECu, 29u, 23u, 24u}) groups = groups + u16(group);
  for (const unsigned algorithm : {0x0403u, 0x0804u, 0x0401u, 0x0503u, 0x0805u, 0x0501u, 0x0806u, 0x0601u})
    algorithms = algorithms + u16(algorithm);
  const octets shares = u16(0x0A0A) + counted16({0}) +
                        (post_quantum ? u16(0x11EC) + counted16(octets(1216, 0x5A)) : octets{}) + u16(29) +
                        counted16(octets(32, 0x5A));
  octets extensions = extension(0x0A0A, {}) + extension(0, counted16(u8(0) + counted16(ascii(host)))) +
                      extension(23, {}) + extension(0xFF01, {0}) + extension(10, counted16(groups)) +
                      extension(11, {1, 0}) + extension(35, {}) + extension(16, counted16(counted8(ascii(protocol)))) +
                      extension(5, {1, 0, 0, 0, 0}) + extension(13, counted16(algorithms)) + extension(18, {}) +
                      extension(51, counted16(shares)) + extension(45, {1, 1}) +
                      extension(43, counted8(octets{0x0A, 0x0A, 3, 4, 3, 3})) + extension(27, {2, 0, 2});
  const octets front = octets{3, 3} + octets(32, 0x11) + counted8(octets(32, 0x22)) + counted16(ciphers) + octets{1, 0};
  const std::size_t without = 4 + front.size() + 2 + extensions.size() + 4;
  if (without < length) extensions = extensions + extension(21, zeros(length - without));
  return message(1, front + counted16(extensions));
}
inline octets server_hello() {
  return message(2, octets{3, 3} + octets(32, 0x33) + counted8(octets(32, 0x22)) + octets{0x13, 1, 0} +
                        counted16(extension(43, {3, 4}) + extension(51, u16(0x11EC) + counted16(octets(1120, 0x44)))));
}

inline dialogue tls_turns(const std::string& host = some_host) {
  return {{false, record(22, client_hello(true, "h2", 1800, host))},
          {true, record(22, server_hello()) + record(20, {1}) + record(23, octets(1400, 0x99))},
          {false, record(20, {1}) + record(23, octets(69, 0x99))}};
}
inline tcp_talk tls_opening() { return tcp_talk{443}.open().send(tls_turns()); }
inline script tls() { return tls_opening().close().steps; }

inline octets quic_frame(bool backward, const octets& payload) {
  return frame_of(backward, ip_protocol::udp, backward ? udp(443, 40000, payload) : udp(40000, 443, payload));
}
inline dialogue quic_turns(const std::string& host = some_host) {
  quic_sealer::initial from_client, from_server;
  from_client.source_id = octets(8, 0x77);
  from_server.destination_id = from_client.source_id;
  from_server.source_id = octets(8, 0x88);
  from_server.key_id = from_client.destination_id;
  from_server.side = joyfuljay::from_server;
  const auto padded = [](octets frames, std::size_t length) {
    if (frames.size() < length) frames.resize(length);  // PADDING frames are zeros
    return frames;
  };
  const octets opening =
      quic_sealer::seal(from_client, padded(quic_sealer::crypto(0, client_hello(false, "h3", 0, host)), 1200 - 44));
  const octets answer = quic_sealer::seal(from_server, padded(quic_sealer::crypto(0, server_hello()), 0));
  return {{false, opening},
          {true, answer},
          {false, quic_sealer::sealed_elsewhere(2, from_server, 80)},
          {true, octets{0x41} + octets(60, 0x99)},
          {false, octets{0x41} + octets(60, 0x99)}};
}
inline script quic() {
  script steps;
  for (const turn& one : quic_turns()) steps.push_back({one.backward, quic_frame(one.backward, one.said)});
  return steps;
}

// ---- SSH and DNS

inline octets ssh_packet(const octets& payload) {
  const std::size_t padding = 4 + (8 - (payload.size() + 9) % 8) % 8;
  return u32(1 + payload.size() + padding) + u8(padding) + payload + zeros(padding);
}
inline octets ssh_list(const std::string& names) { return u32(names.size()) + ascii(names); }
inline octets key_exchange_init() {
  const std::string ciphers =
      "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com";
  const std::string digests =
      "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
      "hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1";
  return ssh_packet(octets{20} + octets(16, 0x55) +
                    ssh_list("sntrup761x25519-sha512@openssh.com,curve25519-sha256,ecdh-sha2-nistp256,ext-info-c") +
                    ssh_list("ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256") + ssh_list(ciphers) +
                    ssh_list(ciphers) + ssh_list(digests) + ssh_list(digests) + ssh_list("none,zlib@openssh.com") +
                    ssh_list("none,zlib@openssh.com") + ssh_list("") + ssh_list("") + zeros(5));
}
inline dialogue ssh_turns() {
  const octets line = ascii("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
  return {{false, line},
          {true, line},
          {false, key_exchange_init()},
          {true, key_exchange_init()},
          {false, ssh_packet(octets{30} + octets(1190, 0x66))},
          {true, ssh_packet(octets{31} + octets(1300, 0x66)) + ssh_packet({21})},
          {false, ssh_packet({21}) + octets(44, 0x99)},
          {true, octets(44, 0x99)}};
}
inline tcp_talk ssh_opening() { return tcp_talk{22}.open().send(ssh_turns()); }
inline script ssh() { return ssh_opening().close().steps; }

inline script dns() {
  const octets question =
      counted8(ascii("www")) + counted8(ascii("example")) + counted8(ascii("com")) + u8(0) + u16(1) + u16(1);
  const octets query = u16(0x1234) + u16(0x0100) + u16(1) + u16(0) + u16(0) + u16(0) + question;
  const octets answer = octets{0xC0, 12} + u16(1) + u16(1) + u32(300) + counted16({192, 0, 2, 1});
  const octets response = u16(0x1234) + u16(0x8180) + u16(1) + u16(2) + u16(0) + u16(0) + question + answer + answer;
  return {{false, frame_of(false, ip_protocol::udp, udp(40000, 53, query))},
          {true, frame_of(true, ip_protocol::udp, udp(53, 40000, response))}};
}

// ---- Bulk: an opening, and behind it three packets that are to be repeated, two of full size and a small one back

constexpr std::size_t repeated = 3;

inline script bulk(tcp_talk talk) {
  return talk.say(true, tcp_ack, octets(1460, 0x99)).say(true, tcp_ack, octets(1460, 0x99)).say(false, tcp_ack).steps;
}
inline script bulk_tls() { return bulk(tls_opening()); }
inline script bulk_ssh() { return bulk(ssh_opening()); }
inline script bulk_quic() {
  script steps = quic();
  for (const std::size_t length : {1250u, 1250u, 30u})
    steps.push_back({length == 1250, quic_frame(length == 1250, octets{0x41} + octets(length, 0x99))});
  return steps;
}

}  // namespace conversations

#endif  // JOYFULJAY_TOOLS_CONVERSATIONS_HPP
