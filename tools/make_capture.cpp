// make_capture: writes a small capture of made-up traffic, the same on every machine. One compiler call builds it:
// c++ -std=c++17 -O2 -I. tools/make_capture.cpp -o make_capture
//
//   make_capture OUT.pcap [ROUNDS]
//
// A round is one of each kind of conversation that a home gateway sees: TLS, QUIC and SSH from their handshakes on, web,
// video and a shell in ciphers that nobody knows, DNS over both IP versions, NTP, ping, a fragmented datagram,
// VLAN-tagged telemetry, a port scan, a refused and an abandoned connection. Ten rounds unless told. Everything comes
// from documentation prefixes and names [RFC 5737, RFC 3849, RFC 2606].
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tools/conversations.hpp"
#include "tools/frame_builder.hpp"

using namespace frame_builder;

namespace {

struct timed_frame {
  std::int64_t time_ns;
  octets data;
};

/// Everything random comes from here: xorshift64* (Vigna, 2016).
class dice {
 public:
  std::uint32_t below(std::uint32_t limit) {
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>(((state_ * 0x2545F4914F6CDD1D) >> 32) * limit >> 32);
  }
  std::uint32_t between(std::uint32_t least, std::uint32_t most) { return least + below(most - least + 1); }
  octets payload(std::size_t length) {
    octets out(length);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(below(256));
    return out;
  }

 private:
  std::uint64_t state_ = 0x9E3779B97F4A7C15;
};

constexpr std::int64_t microsecond = 1'000, millisecond = 1'000'000, second = 1'000'000'000;

class scene {
 public:
  void add(octets frame) { frames_.push_back({now_ns_, std::move(frame)}); }
  void wait(std::int64_t least_ns, std::int64_t spread_ns) {
    now_ns_ += least_ns + static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(spread_ns / microsecond))) *
                              microsecond;
  }
  void start_at(std::int64_t ns) { now_ns_ = ns; }
  std::vector<timed_frame> in_order() {
    std::stable_sort(frames_.begin(), frames_.end(),
                     [](const timed_frame& a, const timed_frame& b) { return a.time_ns < b.time_ns; });
    return std::move(frames_);
  }
  dice random;

 private:
  std::int64_t now_ns_ = 0;
  std::vector<timed_frame> frames_;
};

/// A TCP connection over IPv4, seen from the middle: sequence numbers are kept for both ends.
class connection {
 public:
  connection(scene& on, address4 client, address4 server, std::uint16_t client_port, std::uint16_t server_port)
      : scene_(on), ends_{{client, client_port}, {server, server_port}} {}

  void open() {
    const octets offer{2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
    send(0, tcp_syn, {}, offer);
    scene_.wait(8 * millisecond, 10 * millisecond);
    send(1, tcp_syn | tcp_ack, {}, offer);
    scene_.wait(300 * microsecond, millisecond);
    send(0, tcp_ack);
  }
  void close() {
    send(0, tcp_fin | tcp_ack);
    scene_.wait(8 * millisecond, 10 * millisecond);
    send(1, tcp_fin | tcp_ack);
    scene_.wait(300 * microsecond, millisecond);
    send(0, tcp_ack);
  }
  void say(unsigned end, std::size_t length) { send(end, tcp_psh | tcp_ack, scene_.random.payload(length)); }
  void hold(const conversations::dialogue& turns) {
    for (const conversations::turn& one : turns) {
      for (const octets& segment : conversations::segments_of(one.said)) send(one.backward, tcp_psh | tcp_ack, segment);
      scene_.wait(8 * millisecond, 10 * millisecond);
    }
  }
  void send(unsigned end, std::uint8_t flags, const octets& payload = {}, const octets& options = {}) {
    const peer &from = ends_[end], &to = ends_[1 - end];
    scene_.add(ethernet(ethertype::ipv4,
                        ipv4({from.address, to.address}, ip_protocol::tcp,
                             tcp({from.port, to.port, flags, options, sequence_[end], sequence_[1 - end]}, payload))));
    sequence_[end] += static_cast<std::uint32_t>(payload.size()) + ((flags & (tcp_syn | tcp_fin)) != 0 ? 1 : 0);
  }

 private:
  struct peer {
    address4 address;
    std::uint16_t port;
  };
  scene& scene_;
  peer ends_[2];
  std::uint32_t sequence_[2] = {1000, 5000};
};

address4 client_of(unsigned round) { return {192, 0, 2, static_cast<std::uint8_t>(10 + round % 200)}; }
address4 server_number(std::uint32_t which) { return {198, 51, 100, static_cast<std::uint8_t>(1 + which)}; }
std::uint16_t ephemeral(scene& s) { return static_cast<std::uint16_t>(s.random.between(32768, 60999)); }

/// Where a round's TLS and QUIC connections go.
const char* host_of(unsigned round) {
  constexpr const char* hosts[] = {"www.example.org", "mail.example.net", "cdn.example.com", "api.example.org"};
  return hosts[round % 4];
}

void tls(scene& s, const address4& client, const char* host) {
  connection c(s, client, server_number(100 + s.random.below(50)), ephemeral(s), 443);
  c.open();
  c.hold(conversations::tls_turns(host));
  for (unsigned request = 0, requests = s.random.between(1, 4); request < requests; ++request) {
    c.hold({{false, conversations::record(23, s.random.payload(s.random.between(60, 500)))},
            {true, conversations::record(23, s.random.payload(s.random.between(400, 12'000)))}});
    c.send(0, tcp_ack);
    s.wait(50 * millisecond, second);
  }
  c.close();
}

void quic(scene& s, const address4& client, const char* host) {
  const address4 server = server_number(150 + s.random.below(50));
  const std::uint16_t port = ephemeral(s);
  const auto send = [&](bool backward, const octets& said) {
    const ipv4_header header = backward ? ipv4_header{server, client} : ipv4_header{client, server};
    s.add(ethernet(ethertype::ipv4,
                   ipv4(header, ip_protocol::udp, backward ? udp(443, port, said) : udp(port, 443, said))));
  };
  const auto short_header = [&](std::size_t length) { return octets{0x41} + s.random.payload(length); };
  for (const conversations::turn& one : conversations::quic_turns(host)) {
    send(one.backward, one.said);
    s.wait(8 * millisecond, 10 * millisecond);
  }
  for (unsigned piece = 0, pieces = s.random.between(4, 30); piece < pieces; ++piece) {
    send(true, short_header(1250));
    s.wait(100 * microsecond, 2 * millisecond);
    if (piece % 2 == 1) send(false, short_header(30));
  }
}

void web_page(scene& s, const address4& client) {
  connection c(s, client, server_number(s.random.below(50)), ephemeral(s), 443);
  c.open();
  for (unsigned request = 0, requests = s.random.between(2, 5); request < requests; ++request) {
    c.say(0, s.random.between(120, 600));
    s.wait(15 * millisecond, 30 * millisecond);
    for (unsigned piece = 0, pieces = s.random.between(2, 10); piece < pieces; ++piece) {
      c.say(1, piece + 1 == pieces ? s.random.between(40, 1400) : 1448);
      s.wait(40 * microsecond, millisecond);
      if (piece % 2 == 1) c.send(0, tcp_ack);
    }
    s.wait(100 * millisecond, 2 * second);
  }
  c.close();
}

/// Long enough to be promoted to a long-flow state.
void video(scene& s, const address4& client) {
  connection c(s, client, server_number(60), ephemeral(s), 443);
  c.open();
  c.say(0, 517);
  for (unsigned segment = 0; segment < 6; ++segment) {
    s.wait(second, second);
    c.say(0, s.random.between(300, 400));
    for (unsigned piece = 0; piece < 40; ++piece) {
      s.wait(100 * microsecond, 2 * millisecond);
      c.say(1, 1448);
      if (piece % 4 == 3) c.send(0, tcp_ack);
    }
  }
  c.close();
}

void type(scene& s, connection& c) {
  for (unsigned key = 0, keys = s.random.between(20, 40); key < keys; ++key) {
    s.wait(80 * millisecond, 400 * millisecond);
    c.say(0, 36);
    s.wait(9 * millisecond, 4 * millisecond);
    c.say(1, 36);
    c.send(0, tcp_ack);
  }
}

void shell(scene& s, const address4& client) {
  connection c(s, client, server_number(70), ephemeral(s), 22);
  c.open();
  type(s, c);
  c.send(0, tcp_rst);
}

void ssh(scene& s, const address4& client) {
  connection c(s, client, server_number(71), ephemeral(s), 22);
  c.open();
  c.hold(conversations::ssh_turns());
  type(s, c);
  c.close();
}

octets dns_question(std::uint16_t id, bool answer) {
  const octets name = u8(3) + ascii("www") + u8(7) + ascii("example") + u8(3) + ascii("org") + u8(0);
  const octets question = name + u16(1) + u16(1);
  const octets header = u16(id) + u16(answer ? 0x8180 : 0x0100) + u16(1) + u16(answer ? 1 : 0) + u16(0) + u16(0);
  if (!answer) return header + question;
  return header + question + octets{0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 1, 0x2C, 0, 4, 198, 51, 100, 1};
}

void dns(scene& s, const address4& client) {
  const address4 resolver = server_number(80);
  const std::uint16_t port = ephemeral(s), id = static_cast<std::uint16_t>(s.random.below(65536));
  s.add(ethernet(ethertype::ipv4, ipv4({client, resolver}, ip_protocol::udp, udp(port, 53, dns_question(id, false)))));
  s.wait(5 * millisecond, 20 * millisecond);
  s.add(ethernet(ethertype::ipv4, ipv4({resolver, client}, ip_protocol::udp, udp(53, port, dns_question(id, true)))));
}

address6 documentation6(std::uint8_t host) { return {0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host}; }

void dns_over_ipv6(scene& s) {
  const address6 client = documentation6(static_cast<std::uint8_t>(s.random.between(16, 99))),
                 resolver = documentation6(1);
  const std::uint16_t port = ephemeral(s), id = static_cast<std::uint16_t>(s.random.below(65536));
  s.add(ethernet(ethertype::ipv6, ipv6({client, resolver}, ip_protocol::udp, udp(port, 53, dns_question(id, false)))));
  s.wait(5 * millisecond, 20 * millisecond);
  s.add(ethernet(ethertype::ipv6, ipv6({resolver, client}, ip_protocol::udp, udp(53, port, dns_question(id, true)))));
}

void ntp(scene& s, const address4& client) {
  const address4 clock = server_number(90);
  for (unsigned poll = 0; poll < 3; ++poll) {
    s.add(ethernet(ethertype::ipv4, ipv4({client, clock}, ip_protocol::udp, udp(123, 123, s.random.payload(48)))));
    s.wait(20 * millisecond, 5 * millisecond);
    s.add(ethernet(ethertype::ipv4, ipv4({clock, client}, ip_protocol::udp, udp(123, 123, s.random.payload(48)))));
    s.wait(8 * second, second);
  }
}

void ping(scene& s, const address4& client) {
  const address4 target = server_number(99);
  for (std::uint16_t number = 0; number < 4; ++number) {
    for (const bool reply : {false, true}) {
      const octets echo = u8(reply ? 0 : 8) + u8(0) + u16(0) + u16(7) + u16(number) + zeros(56);
      const ipv4_header header = reply ? ipv4_header{target, client} : ipv4_header{client, target};
      s.add(ethernet(ethertype::ipv4, ipv4(header, ip_protocol::icmp, echo)));
      s.wait(reply ? 980 * millisecond : 12 * millisecond, 2 * millisecond);
    }
  }
}

/// One datagram in three fragments.
void fragmented(scene& s, const address4& client) {
  const octets datagram = udp(ephemeral(s), 5060, s.random.payload(3500));
  const std::uint16_t id = static_cast<std::uint16_t>(s.random.below(65536));
  for (std::size_t from = 0; from < datagram.size(); from += 1480) {
    const std::size_t to = std::min<std::size_t>(from + 1480, datagram.size());
    ipv4_header header{client, server_number(95), id};
    header.flags_and_offset = static_cast<std::uint16_t>((to < datagram.size() ? more_fragments : 0) | from / 8);
    const octets part(datagram.begin() + static_cast<std::ptrdiff_t>(from),
                      datagram.begin() + static_cast<std::ptrdiff_t>(to));
    s.add(ethernet(ethertype::ipv4, ipv4(header, ip_protocol::udp, part)));
    s.wait(20 * microsecond, 100 * microsecond);
  }
}

void tagged_telemetry(scene& s, const address4& client) {
  const std::uint16_t port = ephemeral(s);
  for (unsigned reading = 0; reading < 8; ++reading) {
    const octets packet = ipv4({client, server_number(97)}, ip_protocol::udp, udp(port, 5683, s.random.payload(24)));
    s.add(ethernet(ethertype::vlan, vlan(42, ethertype::ipv4, packet)));
    s.wait(5 * second, 10 * millisecond);
  }
}

void port_scan(scene& s, unsigned round) {
  const address4 scanner{203, 0, 113, static_cast<std::uint8_t>(7 + round % 100)};
  for (const int port : {21, 23, 25, 80, 445, 3389, 8080}) {
    connection probe(s, scanner, client_of(round), 54321, static_cast<std::uint16_t>(port));
    probe.send(0, tcp_syn);
    s.wait(200 * microsecond, millisecond);
    if (port != 80) probe.send(1, tcp_rst | tcp_ack);
    s.wait(10 * millisecond, 5 * millisecond);
  }
}

void abandoned(scene& s, const address4& client) {
  connection c(s, client, server_number(98), ephemeral(s), 8883);
  for (unsigned attempt = 0; attempt < 3; ++attempt) {
    c.send(0, tcp_syn);
    s.wait((1 << attempt) * second, millisecond);
  }
}

void not_ip(scene& s) { s.add(ethernet(ethertype::arp, zeros(46))); }

void add_round(scene& s, unsigned round) {
  const address4 client = client_of(round);
  const std::int64_t began = 1'700'000'000 * second + static_cast<std::int64_t>(round) * 20 * second;
  std::int64_t offset = 0;
  const auto at_own_time = [&](auto&& conversation) {
    s.start_at(began + offset);
    offset += 700 * millisecond;
    conversation();
  };
  at_own_time([&] { not_ip(s); });
  at_own_time([&] { dns(s, client); });
  at_own_time([&] { web_page(s, client); });
  at_own_time([&] { dns_over_ipv6(s); });
  at_own_time([&] { video(s, client); });
  at_own_time([&] { shell(s, client); });
  at_own_time([&] { ntp(s, client); });
  at_own_time([&] { ping(s, client); });
  at_own_time([&] { fragmented(s, client); });
  at_own_time([&] { tagged_telemetry(s, client); });
  at_own_time([&] { port_scan(s, round); });
  at_own_time([&] { abandoned(s, client); });
  at_own_time([&] { tls(s, client, host_of(round)); });
  at_own_time([&] { quic(s, client, host_of(round)); });
  at_own_time([&] { ssh(s, client); });
}

/// A classic pcap file with microseconds, in little-endian order wherever it is made.
bool write_pcap(const char* path, const std::vector<timed_frame>& frames) {
  std::FILE* out = std::fopen(path, "wb");
  if (out == nullptr) return false;
  bool written = true;
  const auto put32 = [&](std::uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8) written = std::fputc(value >> shift & 0xFF, out) != EOF && written;
  };
  for (const std::uint32_t word : {0xA1B2C3D4u, 0x00040002u, 0u, 0u, 262144u, 1u}) put32(word);
  for (const timed_frame& frame : frames) {
    const std::uint32_t length = static_cast<std::uint32_t>(frame.data.size());
    put32(static_cast<std::uint32_t>(frame.time_ns / second));
    put32(static_cast<std::uint32_t>(frame.time_ns % second / microsecond));
    put32(length);
    put32(length);
    written = std::fwrite(frame.data.data(), 1, length, out) == length && written;
  }
  return std::fclose(out) == 0 && written;
}

}  // namespace

int main(int count, char** arguments) {
  const long rounds = count > 2 ? std::strtol(arguments[2], nullptr, 10) : 10;
  if (count < 2 || count > 3 || rounds < 1 || rounds > 100'000) {
    std::fprintf(stderr,
                 "usage: make_capture OUT.pcap [ROUNDS]     1 to 100000 rounds of some 650 frames, 10 unless told\n");
    return 1;
  }
  scene s;
  for (long round = 0; round < rounds; ++round) add_round(s, static_cast<unsigned>(round));
  if (!write_pcap(arguments[1], s.in_order())) {
    std::fprintf(stderr, "make_capture: cannot write %s\n", arguments[1]);
    return 1;
  }
  return 0;
}
