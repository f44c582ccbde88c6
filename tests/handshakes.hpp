// Handshakes as bytes, TCP streams as segments, and what an engine says of them, by name of feature.
#ifndef JOYFULJAY_TESTS_HANDSHAKES_HPP
#define JOYFULJAY_TESTS_HANDSHAKES_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"
#include "tools/frame_builder.hpp"

namespace handshakes {

namespace jj = joyfuljay;
namespace fb = frame_builder;
using fb::ascii;
using fb::number;
using fb::octets;
using fb::u16;
using fb::u32;
using fb::u8;
using fb::zeros;
using fb::operator+;

using numbers = std::vector<unsigned>;
using sizes = std::vector<std::size_t>;

/// Random numbers, the same on every target.
class dice {
 public:
  explicit dice(std::uint32_t seed) : engine_(seed) {}
  unsigned below(std::size_t limit) { return static_cast<unsigned>(engine_() % limit); }
  bool one_in(unsigned limit) { return below(limit) == 0; }
  octets bytes(std::size_t count) {
    octets out(count);
    for (std::uint8_t& octet : out) octet = static_cast<std::uint8_t>(below(256));
    return out;
  }

 private:
  std::mt19937 engine_;
};

/// Bytes behind their own length of `Width` bytes.
template <unsigned Width> octets vector(const octets& inside) { return number(inside.size(), Width) + inside; }
inline octets list16(const numbers& values) {
  octets out;
  for (const unsigned value : values) out = std::move(out) + u16(value);
  return out;
}
inline octets slice(const octets& from, std::size_t begin, std::size_t end) {
  return octets(from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end));
}
/// `value` as `digits` hexadecimal digits.
inline std::string hexadecimal(unsigned value, unsigned digits) {
  std::string out;
  for (unsigned digit = digits; digit-- > 0;) out += "0123456789abcdef"[value >> 4 * digit & 15];
  return out;
}
inline std::string hexadecimal(const std::uint8_t* data, std::size_t length) {
  std::string out;
  for (std::size_t at = 0; at < length; ++at) out += hexadecimal(data[at], 2);
  return out;
}
inline std::string md5_of(const octets& data) {
  std::uint8_t digest[16];
  jj::md5 hash;
  hash.update(jj::bytes{data.data(), data.size()});
  hash.finish(digest);
  return hexadecimal(digest, sizeof digest);
}
inline std::string md5_of(const std::string& text) { return md5_of(ascii(text)); }

// ---- TLS

struct extension {
  unsigned type;
  octets data;
};
inline octets extensions_of(const std::vector<extension>& list) {
  octets out;
  for (const extension& one : list) out = std::move(out) + u16(one.type) + vector<2>(one.data);
  return vector<2>(out);
}

struct client_hello {
  unsigned version = 0x0303;
  octets session_id = {};
  numbers ciphers = {0x1301, 0xC02F};
  std::vector<extension> extensions = {};
  bool has_block = true;

  octets body() const {
    const octets head =
        u16(version) + octets(32, 0x11) + vector<1>(session_id) + vector<2>(list16(ciphers)) + vector<1>(octets{0});
    return has_block ? head + extensions_of(extensions) : head;
  }
  client_hello with(unsigned type, const octets& data) const {
    client_hello out = *this;
    out.extensions.push_back({type, data});
    return out;
  }
};
/// SHA-256 of "HelloRetryRequest" [RFC 8446 4.1.3].
inline octets retry_random() {
  std::uint8_t digest[jj::sha256::digest_length];
  jj::sha256 hash;
  hash.update(jj::bytes{reinterpret_cast<const std::uint8_t*>("HelloRetryRequest"), 17});
  hash.finish(digest);
  return octets(digest, digest + sizeof digest);
}
struct server_hello {
  unsigned version = 0x0303;
  octets random = octets(32, 0x22);
  octets session_id = {};
  unsigned cipher = 0xC02F;
  std::vector<extension> extensions = {};
  bool has_block = true;

  octets body() const {
    const bool early_draft = version >= 0x7F00 && version <= 0x7F15;
    octets head = u16(version) + random;
    head = early_draft ? head + u16(cipher) : head + vector<1>(session_id) + u16(cipher) + u8(0);
    return has_block ? head + extensions_of(extensions) : head;
  }
  server_hello with(unsigned type, const octets& data) const {
    server_hello out = *this;
    out.extensions.push_back({type, data});
    return out;
  }
};
inline server_hello hello_retry_request() {
  server_hello out;
  out.random = retry_random();
  out.cipher = 0x1301;
  return out.with(43, u16(0x0304));
}

inline octets message(unsigned type, const octets& body) { return u8(type) + vector<3>(body); }
inline octets message(const client_hello& hello) { return message(1, hello.body()); }
inline octets message(const server_hello& hello) { return message(2, hello.body()); }
inline octets record(unsigned type, const octets& body, unsigned version = 0x0303) {
  return u8(type) + u16(version) + vector<2>(body);
}
inline octets handshake(const octets& messages) { return record(22, messages); }
/// The same in records of at most `size` bytes.
inline octets handshake_in(const octets& messages, std::size_t size) {
  octets out;
  for (std::size_t at = 0; at < messages.size(); at += size)
    out = std::move(out) + handshake(slice(messages, at, std::min(at + size, messages.size())));
  return out;
}
inline octets change_cipher_spec() { return record(20, u8(1)); }
inline octets application_data(std::size_t length = 20) { return record(23, octets(length, 0xEE)); }

inline octets sni(const octets& name, unsigned type = 0) { return vector<2>(u8(type) + vector<2>(name)); }
inline octets alpn(const std::vector<octets>& names) {
  octets out;
  for (const octets& name : names) out = std::move(out) + vector<1>(name);
  return vector<2>(out);
}
inline octets key_share(unsigned group, std::size_t length) { return u16(group) + vector<2>(octets(length, 0x33)); }
inline octets certificates(const std::vector<std::size_t>& lengths) {
  octets out;
  for (const std::size_t length : lengths) out = std::move(out) + vector<3>(octets(length, 0x44));
  return message(11, vector<3>(out));
}

// ---- SSH

inline octets kexinit(const std::vector<std::string>& lists, unsigned padding = 4) {
  octets payload = u8(20) + octets(16, 0x55);
  for (const std::string& list : lists) payload = std::move(payload) + vector<4>(ascii(list));
  payload = payload + u8(0) + u32(0);
  return vector<4>(u8(padding) + payload + octets(padding, 0x66));
}
/// A binary packet with that message number.
inline octets ssh_packet(unsigned number, std::size_t length = 20, unsigned padding = 4) {
  return vector<4>(u8(padding) + u8(number) + octets(length, 0x77) + octets(padding, 0x66));
}
inline std::vector<std::string> lists_of(const std::string& side) {
  std::vector<std::string> out;
  for (unsigned at = 0; at < 10; ++at) out.push_back(side + "-list" + std::to_string(at));
  return out;
}
inline std::string hassh_of(const std::vector<std::string>& l, bool of_server) {
  return md5_of(of_server ? l[0] + ";" + l[3] + ";" + l[5] + ";" + l[7] : l[0] + ";" + l[2] + ";" + l[4] + ";" + l[6]);
}

// ---- Segments

/// One TCP packet. `forward` is from the client's address, port 40000, to the server's, port 443, unless said otherwise.
struct segment {
  bool forward = true;
  std::uint32_t sequence = 0;
  octets payload = {};
  std::uint8_t flags = fb::tcp_ack;
  std::size_t captured = SIZE_MAX;  ///< bytes of the payload
};
using segments = std::vector<segment>;
struct ports {
  std::uint16_t client = traffic::client_port, server = traffic::server_port;
};

inline traffic::made_frame frame_of(const segment& s, std::int64_t at_ns = 0, std::uint32_t conversation = 1,
                                    const ports& of = {}) {
  fb::tcp_header h;
  h.source_port = s.forward ? of.client : of.server;
  h.target_port = s.forward ? of.server : of.client;
  h.flags = s.flags;
  h.sequence = s.sequence;
  traffic::made_frame out{
      fb::ipv4(traffic::header_of(conversation, s.forward), fb::ip_protocol::tcp, fb::tcp(h, s.payload)),
      traffic::start + at_ns};
  const std::size_t cut = s.payload.size() - std::min(s.captured, s.payload.size());
  out.data.resize(out.data.size() - cut);
  return out;
}
/// As the engine is given it: the wire length is that of the whole packet.
inline jj::frame on_wire(const traffic::made_frame& made, const segment& s) {
  const std::size_t cut = s.payload.size() - std::min(s.captured, s.payload.size());
  return {made.data.data(), made.data.size(), static_cast<std::uint32_t>(made.data.size() + cut), made.time_ns,
          made.link};
}

/// Segments of a stream that begins at `sequence`, in pieces of at most `size` bytes.
inline segments pieces_of(bool forward, std::uint32_t sequence, const octets& stream, std::size_t size = 1400) {
  segments out;
  for (std::size_t at = 0; at < stream.size(); at += size)
    out.push_back(
        {forward, sequence + static_cast<std::uint32_t>(at), slice(stream, at, std::min(at + size, stream.size()))});
  return out;
}
inline segments operator+(segments left, const segments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
constexpr std::uint32_t client_start = 1000, server_start = 9000;
/// SYN and SYN-ACK in front of streams that begin at client_start and server_start.
inline segments opening() {
  return {{true, client_start - 1, {}, fb::tcp_syn}, {false, server_start - 1, {}, fb::tcp_syn | fb::tcp_ack}};
}
/// The client's stream, then the server's.
inline segments conversation(const octets& client, const octets& server, std::size_t size = 1400) {
  return opening() + pieces_of(true, client_start, client, size) + pieces_of(false, server_start, server, size);
}

// ---- Answers

/// Values by name, in the order in which they were given. (Not a std::map, whose work is done inside the library: fuzz
/// targets that look for uninitialised memory need all code instrumented.)
class answers {
 public:
  using entry = std::pair<std::string, std::string>;
  answers() = default;
  answers(std::initializer_list<entry> entries) : entries_(entries) {}

  std::vector<entry>::const_iterator find(const std::string& name) const {
    return std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return e.first == name; });
  }
  /// "missing" when it is.
  std::string at(const std::string& name) const {
    const auto found = find(name);
    return found == end() ? "missing" : found->second;
  }
  std::string& operator[](const std::string& name) {
    const auto found = find(name);
    if (found != end()) return entries_[static_cast<std::size_t>(found - begin())].second;
    entries_.emplace_back(name, "");
    return entries_.back().second;
  }
  void erase(const std::string& name) {
    const auto found = find(name);
    if (found != end()) entries_.erase(found);
  }
  void clear() { entries_.clear(); }
  std::vector<entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<entry>::const_iterator end() const { return entries_.end(); }

 private:
  std::vector<entry> entries_;
};

inline std::string shown(bool value) { return value ? "true" : "false"; }
inline std::string shown(const jj::text_view& value) { return {value.characters, value.length}; }
template <std::size_t Capacity> std::string shown(const jj::text<Capacity>& value) {
  return {value.characters, value.length};
}
template <class Number> std::enable_if_t<std::is_integral_v<Number>, std::string> shown(Number value) {
  return std::to_string(value);
}
template <class Row> answers answers_of(const Row& row) {
  answers out;
  jj::for_each_feature(row, [&out](const jj::feature_info& info, const auto& value) { out[info.name] = shown(value); });
  return out;
}
/// What two answers disagree about, for the test's output; empty when nothing.
inline std::string difference(const answers& got, const answers& wanted) {
  std::string out;
  for (const auto& [name, value] : wanted) {
    if (got.at(name) != value) out += name + ": " + got.at(name) + " is not " + value + "\n";
  }
  return out;
}

/// Large enough to lose nothing.
struct roomy : jj::default_config {
  using groups = jj::type_list<jj::tls, jj::ssh, jj::handshake_state>;
  static constexpr std::size_t max_flows = 2;
  static constexpr std::size_t handshake_buffers = 2;
  static constexpr std::size_t handshake_buffer_bytes = 16384;
  static constexpr std::size_t held_pieces = 255;
  static constexpr std::size_t max_name = 255;
  static constexpr std::size_t max_protocol_name = 255;
  static constexpr std::size_t max_fragments = 0;
  static constexpr jj::link_type link = jj::link_type::raw;
};
/// An engine that starts anew: it is made of zero bytes.
template <class Config> jj::engine<Config>& fresh_engine() {
  static jj::engine<Config> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  return engine;
}
/// What an engine says of one conversation. Every packet is given in a buffer of exactly its length.
template <class Config = roomy> answers ask(const segments& packets, const ports& of = {}) {
  jj::engine<Config>& engine = fresh_engine<Config>();
  answers out;
  const auto sink = [&out](const auto& row, const auto&, jj::end_reason) { out = answers_of(row); };
  std::int64_t at = 0;
  for (const segment& s : packets) {
    const traffic::made_frame made = frame_of(s, ++at, 1, of);
    engine.feed(on_wire(made, s), sink);
  }
  engine.flush(sink);
  return out;
}

}  // namespace handshakes

#endif  // JOYFULJAY_TESTS_HANDSHAKES_HPP
