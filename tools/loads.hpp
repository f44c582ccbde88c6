// loads: frames in memory, for what measures the engine. The same on every machine.
#ifndef JOYFULJAY_TOOLS_LOADS_HPP
#define JOYFULJAY_TOOLS_LOADS_HPP

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/conversations.hpp"

namespace loads {
namespace jj = joyfuljay;

struct load {
  std::string name;
  std::vector<std::uint8_t> bytes;
  std::vector<jj::frame> frames;  // data is an offset into bytes until `settle`
  std::vector<std::size_t> offsets;

  void add(const std::uint8_t* data, std::size_t captured, std::uint32_t wire_length, std::int64_t time_ns,
           jj::link_type link) {
    offsets.push_back(bytes.size());
    bytes.insert(bytes.end(), data, data + captured);
    frames.push_back({nullptr, captured, wire_length, time_ns, link});
  }
  void settle() {
    for (std::size_t at = 0; at < frames.size(); ++at) frames[at].data = bytes.data() + offsets[at];
    offsets = {};
  }
};

/// xorshift64* (Vigna, 2016): the same loads on every machine.
struct generator {
  std::uint64_t state;
  std::uint64_t next() {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return state * 0x2545F4914F6CDD1D;
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>((next() >> 32) * limit >> 32); }
};

/// An Ethernet frame with IPv4 and TCP headers of the conversation `flow`; the payload is only promised.
inline void add_tcp(load& to, std::uint32_t flow, bool backward, std::uint8_t flags, std::uint32_t payload,
                    std::int64_t time_ns) {
  std::uint8_t f[54] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};
  const auto put16 = [&](std::size_t at, std::uint32_t value) {
    f[at] = static_cast<std::uint8_t>(value >> 8), f[at + 1] = static_cast<std::uint8_t>(value);
  };
  put16(16, 40 + payload);
  f[22] = 64, f[23] = 6;
  const std::uint32_t client = 0x0A000000 | (flow * 2654435761u >> 8), server = 0xC6336400 | (flow & 0xFF);
  const std::uint32_t source = backward ? server : client, target = backward ? client : server;
  put16(26, source >> 16), put16(28, source), put16(30, target >> 16), put16(32, target);
  const std::uint32_t client_port = 1024 + flow % 60000, server_port = 443;
  put16(34, backward ? server_port : client_port), put16(36, backward ? client_port : server_port);
  f[46] = 0x50, f[47] = flags;
  to.add(f, sizeof f, 54 + payload, time_ns, jj::link_type::ethernet);
}

constexpr std::uint8_t syn = jj::tcp_flag::syn, ack = jj::tcp_flag::ack, psh = jj::tcp_flag::psh,
                       fin = jj::tcp_flag::fin;

/// Flow lengths as on a mixed link: four in ten have one packet, three in four at most seven, one in 25 over fifty.
inline load mixed(std::size_t packets) {
  load result;
  generator random{88172645463325252u};
  struct conversation {
    std::uint32_t flow, length, sent;
  };
  std::vector<conversation> open(std::max<std::size_t>(packets / 40, 1));
  std::uint32_t flows = 0;
  const auto start = [&](conversation& c) {
    const std::uint32_t kind = random.below(1000);
    const std::uint32_t length = kind < 380   ? 1
                                 : kind < 600 ? 2
                                 : kind < 750 ? 3 + random.below(5)
                                 : kind < 960 ? 8 + random.below(42)
                                 : kind < 990 ? 50 + random.below(200)
                                              : 250 + random.below(1500);
    c = {flows++, length, 0};
  };
  for (conversation& c : open) start(c);
  std::int64_t now = 1'700'000'000'000'000'000;
  while (result.frames.size() < packets) {
    conversation& c = open[random.below(static_cast<std::uint32_t>(open.size()))];
    const std::uint32_t burst = std::min(c.length - c.sent, 1 + random.below(8));
    for (std::uint32_t at = 0; at < burst; ++at, ++c.sent) {
      now += 1000 + random.below(20'000);
      const bool backward = c.sent != 0 && random.below(2) != 0;
      const std::uint8_t flags = c.sent == 0                              ? syn
                                 : c.sent + 2 >= c.length && c.length > 4 ? fin | ack
                                 : random.below(2) != 0                   ? psh | ack
                                                                          : ack;
      add_tcp(result, c.flow, backward, flags,
              c.sent < 2 || random.below(3) == 0 ? 0
              : backward                         ? 1400 - random.below(200) * (random.below(4) == 0)
                                                 : random.below(500),
              now);
    }
    if (c.sent >= c.length) start(c);
  }
  result.settle();
  return result;
}

/// All flows open at once, packets in random order: the worst case for caches, if there are many.
inline load small_packets(std::size_t packets, std::size_t all_flows) {
  load result;
  generator random{0x9E3779B97F4A7C15u};
  const std::uint32_t flows = static_cast<std::uint32_t>(std::max<std::size_t>(all_flows, 1));
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::size_t at = 0; at < packets; ++at, now += 500)
    add_tcp(result, random.below(flows), random.below(2) != 0, psh | ack, random.below(64), now);
  result.settle();
  return result;
}

/// One SYN a flow.
inline load scan(std::size_t packets) {
  load result;
  for (std::size_t at = 0; at < packets; ++at)
    add_tcp(result, static_cast<std::uint32_t>(at), false, syn, 0,
            1'700'000'000'000'000'000 + static_cast<std::int64_t>(at) * 10'000);
  result.settle();
  return result;
}

/// Every flow is the conversation of the script: 512 at a time, a packet of each in turn.
inline load repeated_script(const conversations::script& script, std::size_t packets) {
  constexpr std::size_t together = 512;
  load result;
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::uint32_t first = 0; result.frames.size() < packets; first += together)
    for (const conversations::step& step : script)
      for (std::uint32_t flow = first; flow < first + together; ++flow, now += 10'000) {
        result.add(step.frame.data(), step.frame.size(), static_cast<std::uint32_t>(step.frame.size()), now,
                   jj::link_type::ethernet);
        conversations::speakers(result.bytes.data() + result.offsets.back(), step.backward, 0x0A000000 | flow,
                                static_cast<std::uint16_t>(1024 + flow % 60000));
      }
  result.settle();
  return result;
}
/// Sixteen flows, a packet of each in turn: the script, and then its last packets again and again, of which only the
/// first bytes were captured.
inline load bulk_script(const conversations::script& script, std::size_t packets) {
  load result;
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::size_t at = 0; result.frames.size() < packets; ++at) {
    const bool opens = at < script.size();
    const std::size_t behind = at - script.size();
    const conversations::step& step =
        script[opens ? at : script.size() - conversations::repeated + behind % conversations::repeated];
    for (std::uint32_t flow = 0; flow < 16; ++flow, now += 1'200) {
      result.add(step.frame.data(), opens ? step.frame.size() : std::min<std::size_t>(step.frame.size(), 128),
                 static_cast<std::uint32_t>(step.frame.size()), now, jj::link_type::ethernet);
      conversations::speakers(result.bytes.data() + result.offsets.back(), step.backward, 0x0A000000 | flow, 40000);
    }
  }
  result.settle();
  return result;
}

struct maker {
  const char* name;
  load (*make)(std::size_t packets);
};
inline const maker synthetic[] = {
    {"mixed", mixed},
    {"small", [](std::size_t packets) { return small_packets(packets, packets / 20); }},
    {"small, 2000 flows", [](std::size_t packets) { return small_packets(packets, 2'000); }},
    {"small, 100000 flows", [](std::size_t packets) { return small_packets(packets, 100'000); }},
    {"scan", scan},
    {"tls", [](std::size_t packets) { return repeated_script(conversations::tls(), packets / 4); }},
    {"quic", [](std::size_t packets) { return repeated_script(conversations::quic(), packets / 4); }},
    {"ssh", [](std::size_t packets) { return repeated_script(conversations::ssh(), packets / 4); }},
    {"dns", [](std::size_t packets) { return repeated_script(conversations::dns(), packets / 4); }},
    {"bulk, TLS", [](std::size_t packets) { return bulk_script(conversations::bulk_tls(), packets); }},
    {"bulk, SSH", [](std::size_t packets) { return bulk_script(conversations::bulk_ssh(), packets); }},
    {"bulk, QUIC", [](std::size_t packets) { return bulk_script(conversations::bulk_quic(), packets); }},
};

/// Takes rows as an exporter would: a float vector into an output buffer.
struct vector_sink {
  static constexpr std::size_t numbers = 1 << 16;
  std::unique_ptr<float[]> buffer = std::make_unique<float[]>(numbers);
  std::size_t used = 0, rows = 0;
  template <class Row, class Flow> void operator()(const Row& row, const Flow&, jj::end_reason) {
    if (used + jj::vector_length<Row>() > numbers) used = 0;
    jj::to_vector(row, buffer.get() + used);
    used += jj::vector_length<Row>();
    ++rows;
  }
};

}  // namespace loads

#endif  // JOYFULJAY_TOOLS_LOADS_HPP
