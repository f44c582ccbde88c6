// A slow model of what section 9 of the header does with streams: every byte of a direction in a table, as the reference
// puts it together, and the packets that brought it. For tests that send segments in any order.
#ifndef JOYFULJAY_TESTS_STREAM_MODEL_HPP
#define JOYFULJAY_TESTS_STREAM_MODEL_HPP

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/handshakes.hpp"

namespace stream_model {

using namespace handshakes;

constexpr std::int64_t window = 16384;

inline std::int64_t signed_difference(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b); }

/// One direction of a flow. A byte that is there is never replaced.
struct direction_stream {
  struct arrival {
    std::int64_t end;                 ///< offset behind the last byte on the wire
    std::vector<std::int64_t> fresh;  ///< offsets that this packet was first to bring, ascending
    std::int64_t contiguous;          ///< length of what is there without a gap, once it has arrived
  };
  std::vector<int> there = std::vector<int>(window, -1);  ///< by offset; -1: not yet
  std::vector<arrival> packets;
  octets data;

  direction_stream(const segments& all, bool forward) {
    bool has_base = false;
    std::uint32_t base = 0;
    bool has_syn = false;
    std::uint32_t behind_syn = 0;  // of several the latest; the reference also tries those before it
    std::int64_t highest = 0, contiguous = 0;
    for (const segment& s : all) {
      if (s.forward != forward || (s.flags & fb::tcp_rst) != 0) continue;
      const bool is_syn = (s.flags & fb::tcp_syn) != 0;
      const std::uint32_t sequence = s.sequence + (is_syn ? 1 : 0);
      if (is_syn) has_syn = true, behind_syn = sequence;
      if (s.payload.empty()) continue;
      if (!has_base) {
        const std::int64_t ahead = signed_difference(sequence, behind_syn);
        base = has_syn && ahead >= 0 && ahead < window ? behind_syn : sequence;
        has_base = true;
      }
      const std::int64_t start =
          highest + static_cast<std::int32_t>(sequence - base - static_cast<std::uint32_t>(highest));
      const std::int64_t end = start + static_cast<std::int64_t>(s.payload.size());
      highest = std::max(highest, end);
      arrival now{end, {}, 0};
      for (std::size_t at = 0; at < std::min(s.payload.size(), s.captured); ++at) {
        const std::int64_t offset = start + static_cast<std::int64_t>(at);
        if (offset < 0 || offset >= window || there[static_cast<std::size_t>(offset)] >= 0) continue;
        there[static_cast<std::size_t>(offset)] = s.payload[at];
        now.fresh.push_back(offset);
      }
      for (; contiguous < window && there[static_cast<std::size_t>(contiguous)] >= 0; ++contiguous)
        data.push_back(static_cast<std::uint8_t>(there[static_cast<std::size_t>(contiguous)]));
      now.contiguous = contiguous;
      packets.push_back(now);
    }
  }
  using ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

  std::size_t bringing(const ranges& wanted) const {
    std::size_t count = 0;
    for (const arrival& p : packets) {
      const auto brings = [&](const std::pair<std::int64_t, std::int64_t>& range) {
        const auto first = std::lower_bound(p.fresh.begin(), p.fresh.end(), range.first);
        return first != p.fresh.end() && *first < std::min<std::int64_t>(range.second, std::int64_t(data.size()));
      };
      count += std::any_of(wanted.begin(), wanted.end(), brings);
    }
    return count;
  }
  std::size_t beyond(std::int64_t offset) const {
    return static_cast<std::size_t>(std::count_if(packets.begin(), packets.end(), [offset](const arrival& p) {
      return p.contiguous >= offset && p.end > offset;
    }));
  }
};

/// The handshake records of a direction, and the hello that it opens with: 1, 2, or 0 for none.
struct tls_side {
  direction_stream::ranges records;
  unsigned opens_with = 0;

  explicit tls_side(const octets& data) {
    octets messages;
    for (std::size_t at = 0; at + 5 <= data.size();) {
      const unsigned type = data[at];
      const std::size_t length = static_cast<std::size_t>(data[at + 3] << 8 | data[at + 4]);
      if (type < 20 || type > 24 || data[at + 1] != 3 || data[at + 2] > 4 || length > 18432 || type == 23) break;
      if (records.empty() && type != 22 && type != 21) break;
      const std::size_t end = std::min(at + 5 + length, data.size());
      if (type == 22) {
        records.emplace_back(at, at + 5 + length);
        messages = messages + slice(data, at + 5, end);
      }
      if (type == 20 && !is_whole(messages)) return;  // amid the first message
      at += 5 + length;
    }
    const bool is_hello = messages.size() >= 6 && (messages[1] != 0 || messages[2] != 0 || messages[3] >= 2);
    if (!is_hello || (messages[0] != 1 && messages[0] != 2)) return;
    const bool is_draft = messages[0] == 2 && messages[4] == 0x7F;
    if (is_draft || (messages[4] == 3 && messages[5] <= 4)) opens_with = messages[0];
  }
  /// The records, when they begin with a hello.
  direction_stream::ranges counted() const { return opens_with == 0 ? direction_stream::ranges{} : records; }
  static bool is_whole(const octets& m) {
    return m.size() >= 4 && m.size() - 4 >= static_cast<std::size_t>(m[1] << 16 | m[2] << 8 | m[3]);
  }
};

/// The identification line of a direction, its packets with message numbers of a key exchange, and where NEWKEYS ends.
struct ssh_side {
  direction_stream::ranges exchange;
  std::int64_t clear_end = -1;

  explicit ssh_side(const octets& data) {
    const std::size_t behind_line = identify(data);
    if (behind_line != 0 && (version == "1.99" || version.compare(0, 2, "1.") != 0)) packets(data, behind_line);
  }
  std::string version, software;
  bool has_kexinit = false;
  std::vector<octets> lists;  ///< of the first KEXINIT, empty when they do not fit in it

  std::string hassh(bool of_server) const {
    if (lists.empty()) return "";
    const octets semicolon = ascii(";");
    return md5_of(of_server ? lists[0] + semicolon + lists[3] + semicolon + lists[5] + semicolon + lists[7]
                            : lists[0] + semicolon + lists[2] + semicolon + lists[4] + semicolon + lists[6]);
  }

 private:
  /// The offset behind the identification line, 0 without one.
  std::size_t identify(const octets& data) {
    std::size_t at = 0;
    const auto line_at = [&data](std::size_t from) {
      return std::string(data.begin() + static_cast<std::ptrdiff_t>(from), data.end()).substr(0, 255);
    };
    while (at <= 1024 && line_at(at).compare(0, 4, "SSH-") != 0) {
      const auto end = std::find(data.begin() + static_cast<std::ptrdiff_t>(at), data.end(), '\n');
      if (end == data.end()) return 0;
      at = static_cast<std::size_t>(end - data.begin()) + 1;
    }
    if (at > 1024) return 0;
    const std::string line = line_at(at), digits = "0123456789", spaces = " \t\v\f";
    const std::size_t dot = line.find_first_not_of(digits, 4);
    if (dot == 4 || dot == std::string::npos || line[dot] != '.') return 0;
    const std::size_t hyphen = line.find_first_not_of(digits, dot + 1);
    if (hyphen == dot + 1 || hyphen == std::string::npos || line[hyphen] != '-') return 0;
    version = line.substr(4, hyphen - 4);
    const std::string rest = line.substr(hyphen + 1, line.find_first_of("\r\n", hyphen) - hyphen - 1);
    const std::size_t begin = std::min(rest.find_first_not_of(spaces), rest.size());
    software = rest.substr(begin, rest.find_first_of(spaces, begin) - begin);
    for (char& c : software)
      if (c < 0x20 || c > 0x7E) c = '?';
    const std::size_t end = line.find('\n');
    return end == std::string::npos ? 0 : at + end + 1;
  }
  void packets(const octets& data, std::size_t at) {
    while (at + 6 <= data.size()) {
      const std::size_t length = number_at(data, at), padding = data[at + 4], end = at + 4 + length;
      const unsigned kind = data[at + 5];
      if (length < padding + 2 || length > 35000 || kind == 0 || (kind > 4 && kind < 20) || kind > 49) return;
      if (kind >= 20) exchange.emplace_back(at, end);
      if (kind == 20 && !has_kexinit && end <= data.size()) {
        has_kexinit = true;
        read_lists(slice(data, at + 5, end - padding));
      }
      if (kind == 21 && end <= data.size()) clear_end = static_cast<std::int64_t>(end);
      if (kind == 21) return;
      at = end;
    }
  }
  void read_lists(const octets& payload) {
    std::size_t at = 17;  // message number and cookie
    for (unsigned list = 0; list < 8; ++list) {
      const std::size_t length = at + 4 <= payload.size() ? number_at(payload, at) : payload.size();
      if (length > payload.size() || at + 4 + length > payload.size()) return lists.clear();
      lists.push_back(slice(payload, at + 4, at + 4 + length));
      at += 4 + length;
    }
  }
  static std::size_t number_at(const octets& data, std::size_t at) {
    return std::size_t{data[at]} << 24 |
           static_cast<std::size_t>(data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]);
  }
};

/// What the engine must say: the features of the assembled streams in one segment each, and the model's counts.
inline answers expected(const segments& packets, const ports& of) {
  const direction_stream forward(packets, true), backward(packets, false);
  segments plain;
  for (const segment& s : packets)
    if ((s.flags & fb::tcp_syn) != 0) {
      plain.push_back({s.forward, s.forward ? client_start - 1 : server_start - 1, {}, s.flags});
      break;
    }
  if (plain.empty()) plain.push_back({packets[0].forward, 5, {}, fb::tcp_ack});
  // The initiator is the sender of the first packet, whatever that was.
  if (packets[0].forward != plain[0].forward) plain.insert(plain.begin(), {packets[0].forward, 5, {}, fb::tcp_ack});
  plain.push_back({true, client_start, forward.data});
  plain.push_back({false, server_start, backward.data});
  answers out = ask(plain, of);
  if (out.at("tls_detected") == "true") {
    const tls_side a(forward.data), b(backward.data);
    // When both open with a ClientHello the initiator is the client, and the other is nothing.
    const bool two_clients = a.opens_with == 1 && b.opens_with == 1, forward_began = packets[0].forward;
    std::size_t bringing = two_clients && !forward_began ? 0 : forward.bringing(a.counted());
    if (!two_clients || !forward_began) bringing += backward.bringing(b.counted());
    out["tls_handshake_packets"] = std::to_string(bringing);
  }
  if (out.at("ssh_detected") == "true") {
    const ssh_side a(forward.data), b(backward.data);
    out["ssh_kex_packets"] = std::to_string(forward.bringing(a.exchange) + backward.bringing(b.exchange));
    std::size_t encrypted = 0;
    if (a.clear_end >= 0) encrypted += forward.beyond(a.clear_end);
    if (b.clear_end >= 0) encrypted += backward.beyond(b.clear_end);
    out["ssh_encrypted_packets"] = std::to_string(encrypted);
  }
  // What is held at the end was lost; but a stream may be over before.
  out.erase("handshake_dropped");
  return out;
}

}  // namespace stream_model

#endif  // JOYFULJAY_TESTS_STREAM_MODEL_HPP
