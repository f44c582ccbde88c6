// joyfuljay.hpp 0.1.0: what encrypted traffic shows without decrypting it, computed from raw frames.
//
// One C++17 header, standard library only. A fixed-capacity flow engine for routers, firewalls and gateways: feed it
// frames, receive one row of features for each flow. No heap, exceptions, RTTI, threads, globals; sizeof(engine) is all
// the memory there is. The same frames give the same rows, bit for bit, on every target.
// SPDX-License-Identifier: MIT
//
// Quick start
//
//   #include "joyfuljay.hpp"
//   namespace jj = joyfuljay;
//
//   struct gateway : jj::default_config {                          // inherit, override what differs
//     static constexpr std::size_t max_flows = 4096;
//     using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
//   };
//   static jj::engine<gateway> engine;                             // lies in .bss; about 500 bytes a flow
//
//   const auto on_flow = [](const auto& row, const auto& flow, jj::end_reason why) {
//     use(row.iat_mean, row.pkt_len_p90, row.tcp_fstat);           // a flow ended: every feature is a plain member
//   };
//   engine.seed({random_64_bits, random_64_bits});                 // once, before the first frame: see `seed`
//   const auto fed = engine.feed({data, captured, wire_length, time_ns}, on_flow);
//   if (fed.flow && fed.flow.packets() == 8)                       // or decide while the flow lives
//     decide(fed.flow.template read<jj::timing>().iat_mean);
//   engine.tick(now_ns, on_flow);                                  // the link is quiet: let idle flows end
//   engine.flush(on_flow);                                         // shutting down: report every open flow
//
// Memory and time
//
//   A packet of a young flow updates a slot of 120 bytes and appends 9 bytes to the flow's log; features are computed
//   when the flow is reported or read. A flow beyond `sample_packets` is promoted to a long-flow state, whose sketches
//   keep stated error bounds. `engine<my_config>::footprint()` has every byte of a configuration, `tools/bench.cpp`
//   measures its speed.
//
// What bad input does
//
//   Nothing on the wire is an error of the program: `feed` answers with a verdict, and `statistics` counts it. Frames
//   may be cut, lie about every length and stand at any alignment; clocks may run backwards.
//
// Contents
//
//    1. Platform             versions, assertion, the few compiler differences
//    2. Vocabulary           bytes, text, lists, frames, link types, verdicts, end reasons
//    3. Configuration        the groups by name; every number and type a user may change
//    4. Byte reader          big-endian fields from borrowed bytes; failure sticks
//    5. Digests, ciphers     MD5, SHA-256, HMAC, AES-128-GCM; SipHash and HalfSipHash for the flow table
//    6. Statistics           wide integers, moments, order statistics, sketches
//    7. Frames               link layers, IPv4, IPv6, TCP, UDP: one frame in, one packet out
//    8. Protocol parsers     TLS, QUIC, SSH, DNS: messages in, plain structs out
//    9. Handshakes           TCP streams put together; what a flow learned from its first messages
//   10. Feature machinery    type sets, JOYFULJAY_GROUP, JOYFULJAY_FEATURE, for_each_feature
//   11. Accumulators         what a flow remembers
//   12. Feature groups       what a flow reports: the twelve of the reference
//   13. Flow storage         key, index, slots, log chunks, lists, fragments: the fixed pools
//   14. Connection graph     all flows together: degrees, clustering, betweenness, communities of their addresses
//   15. Engine               feed, tick, flush, live reading
//   16. Writers              JSON, CSV, float vector, schema hash, reference
//
// Conventions: times are integer nanoseconds inside and double seconds in features; `fwd` is the direction of the
// flow's first packet; a quantity carries its unit in its name or at its declaration. References of the form
// [RFC 9293 3.1] name the section that a constant or rule comes from.
#ifndef JOYFULJAY_HPP
#define JOYFULJAY_HPP

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "joyfuljay.hpp needs C++17: compile with -std=c++17 or later"
#endif

#include <cstddef>      // size_t
#include <cstdint>      // fixed-width integers
#include <cstring>      // memcpy
#include <type_traits>  // is_same, conditional, is_invocable
#include <utility>      // integer_sequence

// ---- 1. Platform -------------------------------------------------------------------------------------------------
// Versions, the assertion, and what differs between compilers. Nothing here is configuration: see section 3.

// Major: layouts or meanings changed, rows of different majors do not mix. Minor: features or functions were added.
// Patch: neither. While the major is 0 a minor may change both. The build files read the version from here.
#define JOYFULJAY_VERSION_MAJOR 0
#define JOYFULJAY_VERSION_MINOR 1
#define JOYFULJAY_VERSION_PATCH 0

/// States an invariant of this header, never a property of the input. Define it before the include to replace it.
#ifndef JOYFULJAY_ASSERT
#include <cassert>
#define JOYFULJAY_ASSERT(condition) assert(condition)
#endif

#if !defined(__GNUC__)
#include <cmath>  // sqrt; g++ and clang have it built in, which spares 12,000 lines
#endif

/// A function whose variables must not lie in its caller's stack frame, where they would also be above what the caller
/// calls next. tests/stack adds the frames up: at most 2 KiB for a call of the engine.
#if defined(__GNUC__)
#define JOYFULJAY_OWN_FRAME __attribute__((noinline))
#else
#define JOYFULJAY_OWN_FRAME
#endif

/// A small function that runs often, for each packet of a log, say: a copy for each of its callers, but one for all where
/// flash counts (-Os). Left to itself g++ -O2 makes one, too, which costs 3 % of a row.
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define JOYFULJAY_INLINE_FOR_SPEED __attribute__((always_inline))
#else
#define JOYFULJAY_INLINE_FOR_SPEED
#endif

/// A large function that has one caller, or one that a loop seldom calls and lends its registers to. Left to itself
/// g++ -O2 inlines it or not, by luck, which may cost a packet 10 % with all groups; at -Os inlined it takes less flash
/// and stack.
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define JOYFULJAY_APART_FOR_SPEED __attribute__((noinline))
#else
#define JOYFULJAY_APART_FOR_SPEED
#endif

/// A function that g++ must not take for the equal one of another engine: it would inline that, and warn that an engine
/// of the other's size does not lie there (-Warray-bounds).
#if defined(__GNUC__) && !defined(__clang__)
#define JOYFULJAY_NOT_MERGED __attribute__((no_icf))
#else
#define JOYFULJAY_NOT_MERGED
#endif

/// A function of which nothing may be left but what its caller needs of it.
#if defined(__GNUC__)
#define JOYFULJAY_INLINED __attribute__((always_inline))
#else
#define JOYFULJAY_INLINED
#endif

namespace joyfuljay {
inline namespace v0 {
namespace detail {

/// The only function of the mathematical library that the header uses: IEEE 754 rounds it the same way everywhere.
inline double square_root(double x) {
#if defined(__GNUC__)
  return __builtin_sqrt(x);
#else
  return std::sqrt(x);
#endif
}

/// Number of bits needed to write x: 0 for 0, 64 for the largest value.
constexpr unsigned bit_length(std::uint64_t x) {
#if defined(__GNUC__)
  return x == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(x));
#else
  unsigned bits = 0;
  for (unsigned step = 32; step != 0; step /= 2)
    if (x >> step != 0) x >>= step, bits += step;
  return bits + static_cast<unsigned>(x);
#endif
}

/// Number of the lowest bit that is set; x is not 0.
inline unsigned lowest_bit(std::uint32_t x) {
#if defined(__GNUC__)
  return static_cast<unsigned>(__builtin_ctz(x));
#else
  return bit_length(x & (0 - x)) - 1;
#endif
}

/// Stands where a configuration leaves something out.
struct nothing {};

/// Asks for a cache line that will be written soon. On Cortex-M, nearly all without a cache, it would only take flash.
inline void prefetch(const void* at) {
#if defined(__GNUC__) && !(defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M')
  __builtin_prefetch(at, 1);
#else
  static_cast<void>(at);
#endif
}

}  // namespace detail

// ---- 2. Vocabulary -----------------------------------------------------------------------------------------------
// The types that the caller sees: what goes into the engine and what it says about it.

/// A list of types: feature groups in a configuration, accumulators that a group needs.
template <class... Types> struct type_list {};

/// A stretch of somebody else's memory. Never owns, never null when not empty.
struct bytes {
  const std::uint8_t* data = nullptr;
  std::size_t length = 0;

  bool empty() const { return length == 0; }
  /// The first `count` bytes, fewer when there are fewer.
  bytes first(std::size_t count) const { return {data, count < length ? count : length}; }
  /// What follows the first `count` bytes; empty when there is nothing.
  bytes after(std::size_t count) const { return count < length ? bytes{data + count, length - count} : bytes{}; }
};

/// A short string of fixed capacity, not terminated. What does not fit is dropped. Converts to std::string_view,
/// std::string and their like, which this header does not include; what a view sees goes with the text.
template <std::size_t Capacity> struct text {
  static_assert(Capacity < 65536, "joyfuljay: a text holds at most 65535 bytes");
  char characters[Capacity] = {};
  std::uint16_t length = 0;

  template <class String, class = decltype(String::npos)> operator String() const { return String(characters, length); }
  bool empty() const { return length == 0; }
  void clear() { length = 0; }
  void append(char c) {
    if (length < Capacity) characters[length++] = c;
  }
  void append(const char* literal) {
    while (*literal != '\0') append(*literal++);
  }
  void append_decimal(std::uint64_t value) {
    char digits[20];
    unsigned count = 0;
    for (; value >= 10; value /= 10) digits[count++] = static_cast<char>('0' + value % 10);
    append(static_cast<char>('0' + value));
    while (count != 0) append(digits[--count]);
  }
  /// Lower case, without leading zeros.
  void append_hexadecimal(std::uint32_t value) {
    unsigned shift = 28;
    while (shift != 0 && value >> shift == 0) shift -= 4;
    for (;; shift -= 4) {
      append("0123456789abcdef"[value >> shift & 15]);
      if (shift == 0) break;
    }
  }
};

/// A string that lies in the engine, not terminated. Valid until the next call on it. Converts as `text` does.
struct text_view {
  const char* characters = nullptr;
  std::size_t length = 0;

  template <class String, class = decltype(String::npos)> operator String() const { return String(characters, length); }
  bool empty() const { return length == 0; }
};

/// A feature with several values. The elements belong to the engine: valid until the next call on it.
template <class Value> struct list {
  const Value* elements = nullptr;
  std::size_t length = 0;
  std::size_t padded_length = 0;  ///< writers fill up to this many with zeros, where that is more

  const Value* begin() const { return elements; }
  const Value* end() const { return elements + length; }
};

/// One packet in a sequence of packet lengths and times (SPLT).
struct splt_step {
  std::uint32_t ip_len;        ///< bytes
  double gap;                  ///< seconds since the packet before, 0 for the first
  std::int8_t direction_sign;  ///< 1 forward, -1 backward
};

/// Which end of the flow sent a packet. The sender of the flow's first packet is the initiator; nobody swaps later.
enum direction : std::uint8_t { fwd, bwd };

namespace detail {
/// for (const direction dir : directions{}): a counter, where {fwd, bwd} would be an array in memory.
struct directions {
  struct place {
    unsigned at;
    direction operator*() const { return static_cast<direction>(at); }
    place& operator++() { return ++at, *this; }
    bool operator!=(const place& other) const { return at != other.at; }
  };
  place begin() const { return {0}; }
  place end() const { return {2}; }
};
}  // namespace detail

/// An IPv4 or IPv6 address as it stands in the header, or the pseudonym that replaces it (`anonymize_addresses`).
struct ip_address {
  enum kind : std::uint8_t { none = 0, v4 = 4, v6 = 6, pseudonym = 8 };
  std::uint8_t octets[16] = {};  ///< 4, 16 or 8 of them count
  kind form = none;

  static constexpr std::size_t longest_text = 39;  // eight groups of four digits, seven colons
  text<longest_text> to_text() const;
};

/// The link-layer header types of capture files that the parser opens (www.tcpdump.org/linktypes.html).
enum class link_type : std::uint32_t {
  null = 0,      ///< BSD loopback, address family in the byte order of the capturing host
  ethernet = 1,  ///< Ethernet II with VLAN, QinQ, MPLS and PPPoE
  ppp = 9,       ///< PPP, with or without HDLC address and control
  raw_bsd = 12,  ///< IP header at once, as some BSDs number it
  raw_openbsd = 14,
  ppp_hdlc = 50,
  pppoe = 51,
  raw = 101,        ///< IP header at once: netfilter queues, tun devices
  loop = 108,       ///< OpenBSD loopback
  linux_sll = 113,  ///< Linux cooked capture
  ipv4 = 228,
  ipv6 = 229,
  linux_sll2 = 276,
  per_frame = 0xFFFFFFFF  ///< in a configuration: each frame says its own (`frame::link`)
};

/// One captured frame. The bytes are only read during the call, at any alignment.
struct frame {
  const std::uint8_t* data = nullptr;
  std::size_t captured = 0;         ///< bytes at `data`
  std::uint32_t wire_length = 0;    ///< bytes on the wire, link header included; `captured` counts when it is larger
  std::int64_t time_ns = 0;         ///< any epoch; Unix time where features are compared. May run backwards.
  link_type link = link_type::raw;  ///< read only when the configuration's link is `per_frame`
};

/// What became of a frame. Every frame is counted under exactly one verdict in `engine_statistics::frames`.
enum class verdict : std::uint8_t {
  counted,              ///< belongs to a flow
  not_ip,               ///< ARP, STP, LLDP, IPX ...: no IPv4 or IPv6 inside, as far as links are opened
  unknown_link,         ///< the link type is none of `link_type`
  malformed_link,       ///< link header cut short, or more than 128 tags or labels
  malformed_ip,         ///< IP header cut short, wrong version, impossible length, over eight extension headers
  malformed_transport,  ///< TCP or UDP header cut short, impossible data offset
  refused               ///< fed from inside a sink of the same engine, or as a batch from inside one
};
inline constexpr std::size_t verdict_count = 7;
inline constexpr const char* verdict_names[verdict_count] = {
    "counted", "not_ip", "unknown_link", "malformed_link", "malformed_ip", "malformed_transport", "refused"};

/// Why a row is reported.
enum class end_reason : std::uint8_t {
  idle,     ///< no packet for `idle_timeout_ns`
  active,   ///< older than `active_timeout_ns`
  closed,   ///< TCP closing or reset, and `tcp_linger_ns` passed, or another SYN came, or `flush`
  full,     ///< `flow_packet_limit` was reached, the next packet opened another flow
  evicted,  ///< room was needed for another flow
  flushed,  ///< `flush`
  snapshot  ///< one of `snapshot_packets` was reached: the flow goes on
};
inline constexpr std::size_t end_reason_count = 7;
inline constexpr const char* end_reason_names[end_reason_count] = {"idle",    "active",  "closed",  "full",
                                                                   "evicted", "flushed", "snapshot"};

/// The secret of the flow table. Whoever knows it can make packets slow, nothing else.
struct hash_key {
  std::uint64_t low = 0, high = 0;
};

/// What the engine says of itself. All counters are from its start; those of 64 bits never wrap in practice.
struct engine_statistics {
  std::uint64_t frames[verdict_count];   ///< by verdict; their sum is the number of frames fed
  std::uint64_t flows_created;           ///< equals the sum of rows over all reasons but snapshot, plus open flows
  std::uint64_t rows[end_reason_count];  ///< reported, by reason
  std::uint64_t evicted_for_slot;        ///< rows[evicted], by what was missing
  std::uint64_t evicted_for_chunk;
  std::uint64_t evicted_for_long_state;
  std::uint64_t evicted_for_record;
  std::uint64_t evicted_for_chain;              ///< more than `max_chain` flows under one hash: see `seed`
  std::uint64_t promoted;                       ///< flows that outgrew `sample_packets`
  std::uint64_t fragments_followed;             ///< later fragments that found their first
  std::uint64_t fragments_orphaned;             ///< later fragments that did not: a flow of their own, ports 0
  std::uint32_t open_flows, most_open_flows;    ///< now, and at the fullest moment
  std::uint32_t used_chunks, most_used_chunks;  ///< of logs, payload samples and texts
  std::uint32_t used_long_states, most_used_long_states;
  std::uint32_t used_records, most_used_records;  ///< of handshakes
  std::uint32_t refused_calls;                    ///< of tick, flush and the like from inside a sink
  bool seeded;                                    ///< false: the flow table runs under the public key 0
};

// ---- 3. Configuration --------------------------------------------------------------------------------------------
// Inherit default_config, override what differs, and pass the result on: engine<my_config>. A misspelt name is silently
// a new member; `engine<my_config>::footprint()` has the capacities in effect.

// The feature groups, in the order of the reference; section 12 defines them.
struct flow_identifier;  // flow_meta: flow_id, a salted digest of the five-tuple. A SHA-256 a row; off by default.
struct flow_addresses;   // flow_meta: src_ip, dst_ip
struct flow_ports;       // flow_meta: src_port, dst_port and the class of the latter
struct flow_totals;      // flow_meta: protocol, times, packets, bytes, rates, TCP milestones, header names
struct flow_ending;      // ending: why the row was reported, in the row itself. Off by default.
struct timing;           // inter-arrival times: moments, quantiles, bursts, idle periods, response time
struct gap_sequences;    // timing: the first inter-arrival times and time stamps, one by one. Off by default.
struct splt_sequences;   // timing: lengths, times and directions of the first packets (SPLT). Off by default.
struct size;             // packet and payload lengths: moments, quantiles, mode, asymmetry
struct tcp;              // flag counts and ratios, handshake, closing, anomalies
struct tls;              // ClientHello, ServerHello, certificates, key exchange, JA3, JA3S, JA4
struct quic;             // versions, connection IDs, packets by type, spin bit; SNI, ALPN and JA3 of the hello inside
struct ssh;              // identification, HASSH, key exchange and encrypted packets
struct dns;              // the first query and its response: name, type, code, counts, TTLs
struct fingerprint;      // Tor, VPN and DNS-over-HTTPS scores
struct entropy;          // of the first payload bytes of each direction
struct padding;          // constant sizes and rates, Tor cells, variety of lengths, payload shares of bursts
struct tls_texts;        // tls: the strings behind ja3_hash and ja3s_hash. Off by default.
struct quic_texts;       // quic: the string behind quic_ja3_hash. Off by default.
struct handshake_state;  // handshake: whether something it said was lost or cut. Off by default.

struct connection_counts;      // connection: flows, packets, bytes, peers and ports of both addresses, over all flows
struct connection_graph;       // connection: degrees, betweenness, clustering, communities; see `engine::refresh`
struct connection_truncation;  // connection: whether a table was too small for the counts of a row. Off by default.

/// The whole group of the reference. Leave addresses or ports out by naming the parts instead.
using flow_meta = type_list<flow_addresses, flow_ports, flow_totals>;
/// The same. The counts by themselves need no memory for the graph.
using connection = type_list<connection_counts, connection_graph>;
/// All that look at one flow, and all twelve of the reference.
using flow_groups = type_list<flow_meta, timing, size, tcp, tls, quic, ssh, dns, fingerprint, entropy, padding>;
using all_groups = type_list<flow_groups, connection>;

struct siphash;      // keyed hash for 64-bit machines
struct halfsiphash;  // keyed hash for 32-bit machines: half the work there, a 64-bit key

/// The packet counts at which a row is reported while the flow goes on.
template <std::uint32_t... Packets> struct packet_numbers {};

/// Every number and type a user may change. A value that is not a size may also be a static variable of the derived
/// struct, for programs that choose it at run time (tools/jj.cpp does); as a constant it costs nothing.
struct default_config {
  // What is computed.
  using groups = type_list<flow_meta, timing, size, tcp>;  ///< in column order; nested lists are flattened
  struct user_data {};                                     ///< the caller's own members of each flow; start as zero
  using snapshot_packets = packet_numbers<>;               ///< in any order; rows with end_reason::snapshot

  // How much memory there is.
  static constexpr std::size_t max_flows = 1024;      ///< open at once; 1 to 2^28 - 1
  static constexpr std::size_t sample_packets = 128;  ///< flows up to here are exact in quantiles and modes; 1 to 1000
  static constexpr std::size_t log_chunks = 0;        ///< of 64 bytes, seven packets each; 0: five for every two flows
  static constexpr std::size_t long_flows = 0;        ///< states of about 3 KB for longer flows; 0: one in 16 flows
  static constexpr std::size_t sample_chunks = 0;     ///< of 64 bytes for the entropy group; 0: three for two flows
  static constexpr std::size_t max_fragments = 64;    ///< first fragments that are remembered, the latest; 0: none
  static constexpr std::size_t max_sequence_length = 50;    ///< packets in the sequences and SPLT; below sample_packets
  static constexpr std::size_t entropy_sample_bytes = 256;  ///< of payload and direction, at most 65535. A chunk holds
                                                            ///< 64 up to 255, then 256 coded, each further one 512
  static constexpr std::size_t batch_frames = 0;            ///< of `feed_batch`, about 200 bytes each; 0: none

  // What is kept of handshakes (tls, quic, ssh, dns). A flow that speaks none of them takes no record.
  static constexpr std::size_t handshake_records = 0;  ///< of about 250 bytes; 0: one for every two flows
  static constexpr std::size_t handshake_buffers = 0;  ///< for messages in pieces; 0: one for 64 flows, 4 to 16,384
  static constexpr std::size_t handshake_buffer_bytes = 4096;  ///< longest ClientHello, KEXINIT, ...; 512 to 16384
  static constexpr std::size_t held_pieces = 32;  ///< of a stream that wait for an earlier one in a buffer; 1 to 255
  static constexpr std::size_t max_name = 64;     ///< bytes of server names, DNS names, software; 8 to 255
  static constexpr std::size_t max_protocol_name = 16;  ///< bytes of ALPN names and SSH versions; 8 to 255
  static constexpr std::size_t quic_connections = 4;    ///< client connection IDs that are remembered; 1 to 4
  static constexpr std::uint32_t quic_initials = 8;  ///< Initial packets of a flow that are opened; 0.1 ms each, or so
  // What reading one packet may cost; what goes beyond is left out (`handshake_dropped`). As they are: less than 400
  // packets of ordinary traffic. Clients' Initials of 1,200 to 1,450 bytes are opened with it, or hellos of 418 numbers
  // digested, where a browser's has some 60 and one with all cipher suites of IANA some 400.
  static constexpr std::uint32_t packet_effort = 360'000;  ///< instructions for keys, Initials, JA3, JA4; from 50'000
  static constexpr std::uint32_t dns_steps = 2048;  ///< labels and pointers behind the first question, 10 instructions
                                                    ///< each; a zone transfer that fills 16 KB has 1,600. From 128

  static constexpr std::size_t text_chunks = 0;  ///< of 64 bytes for tls_texts and quic_texts; 0: four for each flow

  // How much the group connection remembers; nothing at all where it is not selected.
  static constexpr std::size_t max_hosts = 1024;    ///< 1 to 2^24 addresses, 84 bytes each, 144 with the graph
  static constexpr std::size_t max_edges = 0;       ///< (source, target), 20 or 44 bytes; 0: two for every host
  static constexpr std::size_t max_pair_ports = 0;  ///< (source, target, port), and (source, port) as well, 20 bytes
                                                    ///< each; 0: three for every host

  // What the frames are.
  static constexpr link_type link = link_type::ethernet;  ///< or per_frame, which compiles the code of all link types

  // When flows end (SEMANTICS: flow_timeout, active_timeout, tcp_linger, fragment_timeout, burst_threshold_ms). Times are
  // not negative; timeouts that are, chosen at run time, count as 0.
  static constexpr std::int64_t idle_timeout_ns = 60'000'000'000;  ///< silence that ends a flow
  static constexpr std::int64_t active_timeout_ns = 0;             ///< age that ends a flow; 0: never
  static constexpr std::int64_t tcp_linger_ns = 1'000'000'000;     ///< a closed flow takes stragglers so long, if it is
                                                                   ///< not idle before
  static constexpr std::int64_t fragment_timeout_ns = 30'000'000'000;  ///< how long a first fragment is remembered
  static constexpr std::int64_t burst_threshold_ns = 50'000'000;       ///< a gap of at least this parts two bursts
  static constexpr std::uint32_t flow_packet_limit = 0xFFFFFFFF;       ///< packets that end a flow; from 1
  static constexpr bool expire_while_feeding = true;  ///< end idle flows as packets pass, one at most a packet; false:
                                                      ///< when their next packet comes, room is needed, or at `tick`

  // What is shown.
  static constexpr bool anonymize_addresses = false;  ///< src_ip, dst_ip: 64 bits of SHA-256 over salt and address

  // How the flow table hashes. Records do not depend on it.
  using keyed_hash = std::conditional_t<(sizeof(std::size_t) >= 8), siphash, halfsiphash>;
};

/// Configurations to start from: engine<presets::gateway>, or inherit one. `jj footprint` lists their bytes.
namespace presets {

/// 64 flows and the four basic groups in less than 32 KiB.
struct microcontroller : default_config {
  static constexpr std::size_t max_flows = 64;
  static constexpr std::size_t sample_packets = 16;
  static constexpr std::size_t log_chunks = 96;
  static constexpr std::size_t long_flows = 4;
  static constexpr std::size_t max_fragments = 4;
};
/// 512 flows and everything that looks at one flow in less than 640 KiB.
struct gateway : default_config {
  using groups = flow_groups;
  static constexpr std::size_t max_flows = 512;
};
/// 4,096 flows, 2,048 hosts and all groups in less than 5 MiB. See `engine::refresh` for the graph.
struct router : default_config {
  using groups = all_groups;
  static constexpr std::size_t max_flows = 4096;
  static constexpr std::size_t max_hosts = 2048;
};

}  // namespace presets

// ---- 4. Byte reader ----------------------------------------------------------------------------------------------
// Fields from borrowed bytes. Reading past the end fails, a failed reader yields zeros and stays failed, so a parser
// reads what it needs and asks once. Nothing here can read outside the bytes it was given.

/// `Length` bytes that are there for certain. Offsets are checked by the compiler.
template <std::size_t Length> class block {
 public:
  explicit block(const std::uint8_t* at) : at_(at) {}
  template <std::size_t Offset> std::uint8_t u8() const { return *at<Offset, 1>(); }
  template <std::size_t Offset> std::uint16_t u16() const {
    const std::uint8_t* const b = at<Offset, 2>();
    return static_cast<std::uint16_t>(b[0] << 8 | b[1]);
  }
  /// Byte by byte; compilers make one load and a swap of it where alignment is free.
  template <std::size_t Offset> std::uint32_t u32() const {
    const std::uint8_t* const b = at<Offset, 4>();
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }
  template <std::size_t Offset> std::uint64_t u64() const {
    return std::uint64_t{u32<Offset>()} << 32 | u32<Offset + 4>();
  }

 private:
  template <std::size_t Offset, std::size_t Count> const std::uint8_t* at() const {
    static_assert(Offset + Count <= Length, "joyfuljay: offset outside the block");
    return at_ + Offset;
  }
  const std::uint8_t* at_;
};

namespace detail {
inline constexpr std::size_t largest_block = 40;  // the IPv6 header
inline constexpr std::uint8_t zeros[largest_block] = {};
}  // namespace detail

/// Reads borrowed bytes from begin to end. What lies beyond the end is zeros or nothing, and `failed`.
class reader {
 public:
  explicit reader(bytes input) : begin_(input.data), next_(input.data), left_(input.length) {}

  bool failed() const { return failed_; }
  std::size_t left() const { return left_; }
  /// Bytes read so far.
  std::size_t position() const { return static_cast<std::size_t>(next_ - begin_); }

  /// The next `Length` bytes, or as many zeros.
  template <std::size_t Length> block<Length> take() {
    static_assert(Length <= detail::largest_block, "joyfuljay: enlarge detail::zeros");
    const block<Length> here = peek<Length>();
    skip(Length);
    return here;
  }
  /// The same without moving on. Too few bytes are zeros and no failure.
  template <std::size_t Length> block<Length> peek() const {
    static_assert(Length <= detail::largest_block, "joyfuljay: enlarge detail::zeros");
    return block<Length>(left_ >= Length ? next_ : detail::zeros);
  }
  /// Moves on. False, and a failure, when there are fewer bytes, and ever after.
  bool skip(std::size_t count) {
    if (failed_ || count > left_) return fail();
    next_ += count;
    left_ -= count;
    return true;
  }
  /// The next `count` bytes; none, and a failure, when there are fewer.
  bytes view(std::size_t count) {
    const std::uint8_t* const at = next_;
    return skip(count) ? bytes{at, count} : bytes{};
  }
  /// Bytes behind a length of `Width` bytes.
  template <std::size_t Width> bytes vector() {
    const bytes length = view(Width);
    std::size_t count = 0;
    for (std::size_t at = 0; at < length.length; ++at) count = count << 8 | length.data[at];
    return view(count);
  }
  /// All that is left.
  bytes rest() const { return {next_, left_}; }

 private:
  bool fail() {
    failed_ = true;
    left_ = 0;
    return false;
  }
  const std::uint8_t* begin_;
  const std::uint8_t* next_;
  std::size_t left_;
  bool failed_ = false;
};

// ---- 5. Digests, ciphers -----------------------------------------------------------------------------------------
// Written from the standards. None of this protects a secret against side channels of the machine it runs on.

namespace detail {

/// What SHA-256 and MD5 share: blocks of 64 bytes, the last filled with a one bit, zeros and the length in bits.
template <class Digest> class block_digest {
 public:
  void update(bytes input) { take(input.data, input.length); }
  template <std::size_t Capacity> void update(const text<Capacity>& input) { take(input.characters, input.length); }
  void update(const char* characters, std::size_t length) { take(characters, length); }
  void update(std::uint8_t byte) {
    block_[length_++ % 64] = byte;
    if (length_ % 64 == 0) compress();
  }

 protected:
  enum byte_order { big_endian, little_endian };
  void pad(byte_order order) {
    const std::uint64_t bits = length_ * 8;
    update(std::uint8_t{0x80});
    if (length_ % 64 > 56) fill_with_zeros(64), compress(), length_ = 0;
    fill_with_zeros(56);
    for (int at = 0; at < 8; ++at)
      block_[56 + at] = static_cast<std::uint8_t>(bits >> 8 * (order == big_endian ? 7 - at : at));
    compress();
  }
  std::uint64_t length_ = 0;
  std::uint8_t block_[64];

 private:
  void compress() { static_cast<Digest*>(this)->compress(); }
  void fill_with_zeros(std::size_t end) { std::memset(block_ + length_ % 64, 0, end - length_ % 64); }
  void take(const void* input, std::size_t length) {
    for (const char* next = static_cast<const char*>(input); length != 0;) {
      const std::size_t room = 64 - length_ % 64, some = length < room ? length : room;
      std::memcpy(block_ + length_ % 64, next, some);
      length_ += some, next += some, length -= some;
      if (length_ % 64 == 0) compress();
    }
  }
};

}  // namespace detail

/// SHA-256 [FIPS 180-4]. A table of 256 bytes.
class sha256 : public detail::block_digest<sha256> {
 public:
  static constexpr std::size_t digest_length = 32;

  /// Ends the message. The object is spent.
  void finish(std::uint8_t (&digest)[digest_length]) {
    pad(big_endian);
    for (std::size_t at = 0; at < digest_length; ++at)
      digest[at] = static_cast<std::uint8_t>(state_[at / 4] >> (24 - at % 4 * 8));
  }

 private:
  friend class detail::block_digest<sha256>;
  friend class hmac_sha256;
  static std::uint32_t rotate(std::uint32_t x, unsigned right) { return x >> right | x << (32 - right); }

  void compress() {
    static constexpr std::uint32_t round_constants[64] = {
        // [FIPS 180-4 4.2.2]
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    std::uint32_t words[24];  // sixteen of the message schedule, and the next eight
    for (std::size_t t = 0; t < 16; ++t) {
      const block<4> four(block_ + 4 * t);
      words[t] = four.u32<0>();
    }
    std::uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
    std::uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
    const std::uint32_t* constants = round_constants;
    for (unsigned eight = 0; eight < 8; ++eight, constants += 8) {
      if (eight != 0) schedule(words);
      for (std::size_t t = 0; t < 8; t += 4) {  // four rounds, in which the variables change their roles and stay
        h += first_sum(e, f, g) + constants[t] + words[t], d += h, h += second_sum(a, b, c);
        g += first_sum(d, e, f) + constants[t + 1] + words[t + 1], c += g, g += second_sum(h, a, b);
        f += first_sum(c, d, e) + constants[t + 2] + words[t + 2], b += f, f += second_sum(g, h, a);
        e += first_sum(b, c, d) + constants[t + 3] + words[t + 3], a += e, e += second_sum(f, g, h);
        swap(a, e), swap(b, f), swap(c, g), swap(d, h);
      }
    }
    state_[0] += a, state_[1] += b, state_[2] += c, state_[3] += d;
    state_[4] += e, state_[5] += f, state_[6] += g, state_[7] += h;
  }
  // The sums and functions of FIPS 180-4 4.1.2, rotations one inside the other: fewer instructions.
  static std::uint32_t first_sum(std::uint32_t x, std::uint32_t y, std::uint32_t z) {
    return rotate(x ^ rotate(x ^ rotate(x, 14), 5), 6) + (z ^ (x & (y ^ z)));
  }
  static std::uint32_t second_sum(std::uint32_t x, std::uint32_t y, std::uint32_t z) {
    return rotate(x ^ rotate(x ^ rotate(x, 9), 11), 2) + ((x & y) | (z & (x | y)));
  }
  static void swap(std::uint32_t& x, std::uint32_t& y) {
    const std::uint32_t was = x;
    x = y, y = was;
  }
  /// Eight words further.
  JOYFULJAY_OWN_FRAME static void schedule(std::uint32_t (&words)[24]) {
    for (std::size_t t = 16; t < 24; ++t) {
      const std::uint32_t w15 = words[t - 15], w2 = words[t - 2];
      words[t] = words[t - 16] + (rotate(w15 ^ rotate(w15, 11), 7) ^ w15 >> 3) + words[t - 7] +
                 (rotate(w2 ^ rotate(w2, 2), 17) ^ w2 >> 10);
    }
    std::memmove(words, words + 8, 16 * sizeof words[0]);
  }

  std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,  // [FIPS 180-4 5.3.3]
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

/// MD5 [RFC 1321]: a fingerprint, no protection. A table of 256 bytes.
class md5 : public detail::block_digest<md5> {
 public:
  static constexpr std::size_t digest_length = 16;

  /// Ends the message. The object is spent.
  void finish(std::uint8_t (&digest)[digest_length]) {
    pad(little_endian);
    for (std::size_t at = 0; at < digest_length; ++at)
      digest[at] = static_cast<std::uint8_t>(state_[at / 4] >> at % 4 * 8);
  }

 private:
  friend class detail::block_digest<md5>;
  static std::uint32_t rotate(std::uint32_t x, unsigned left) { return x << left | x >> (32 - left); }

  void compress() {
    static constexpr std::uint32_t sines[64] = {
        // floor(2^32 * abs(sin(step))) [RFC 1321 3.4]
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
    std::uint32_t words[16], state[4];
    for (std::size_t at = 0; at < 16; ++at) {
      const std::uint8_t* const word = block_ + 4 * at;  // little-endian
      words[at] = std::uint32_t{word[3]} << 24 | std::uint32_t{word[2]} << 16 | std::uint32_t{word[1]} << 8 | word[0];
    }
    std::memcpy(state, state_, sizeof state);
    using number = std::uint32_t;
    pass<0, 1, 7, 12, 17, 22>(state, words, sines, [](number b, number c, number d) { return d ^ (b & (c ^ d)); });
    pass<1, 5, 5, 9, 14, 20>(state, words, sines + 16, [](number b, number c, number d) { return c ^ (d & (b ^ c)); });
    pass<5, 3, 4, 11, 16, 23>(state, words, sines + 32, [](number b, number c, number d) { return b ^ c ^ d; });
    pass<0, 7, 6, 10, 15, 21>(state, words, sines + 48, [](number b, number c, number d) { return c ^ (b | ~d); });
    for (std::size_t at = 0; at < 4; ++at) state_[at] += state[at];
  }
  /// One of the four rounds: the word it starts with, the stride to the next, and by how much it rotates [RFC 1321 3.4].
  template <unsigned Word, unsigned Stride, unsigned R0, unsigned R1, unsigned R2, unsigned R3, class Mix>
  static void pass(std::uint32_t (&state)[4], const std::uint32_t (&words)[16], const std::uint32_t* sines,
                   const Mix& mix) {
    std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned step = 0, at = Word; step < 16; step += 4, at += 4 * Stride) {
      a = b + rotate(a + mix(b, c, d) + sines[step] + words[at % 16], R0);
      d = a + rotate(d + mix(a, b, c) + sines[step + 1] + words[(at + Stride) % 16], R1);
      c = d + rotate(c + mix(d, a, b) + sines[step + 2] + words[(at + 2 * Stride) % 16], R2);
      b = c + rotate(b + mix(c, d, a) + sines[step + 3] + words[(at + 3 * Stride) % 16], R3);
    }
    state[0] = a, state[1] = b, state[2] = c, state[3] = d;
  }

  std::uint32_t state_[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};  // [RFC 1321 3.3]
};

/// HMAC with SHA-256 [RFC 2104], for keys of at most 64 bytes. A copy taken before the first `update` spares two of the
/// four compressions that another short message under the same key would cost.
class hmac_sha256 {
 public:
  explicit hmac_sha256(bytes key) {
    JOYFULJAY_ASSERT(key.length <= 64);
    absorb(key, 0x5C);
    std::memcpy(outer_, digest_.state_, sizeof outer_);
    digest_ = {};
    absorb(key, 0x36);
  }
  template <class... Input> void update(const Input&... input) { digest_.update(input...); }
  /// Ends the message. The object is spent.
  void finish(std::uint8_t (&digest)[sha256::digest_length]) {
    digest_.finish(digest);
    std::memcpy(digest_.state_, outer_, sizeof outer_);
    digest_.length_ = 64;
    digest_.update({digest, sizeof digest});
    digest_.finish(digest);
  }

 private:
  void absorb(bytes key, unsigned mask) {
    for (std::size_t at = 0; at < 64; ++at)
      digest_.update(static_cast<std::uint8_t>((at < key.length ? key.data[at] : 0u) ^ mask));
  }
  sha256 digest_;           // the inner one, then the outer
  std::uint32_t outer_[8];  // what its first block, the key, left behind
};

namespace detail {

/// HKDF-Expand-Label without context, for at most one digest of output [RFC 5869 2.3, RFC 8446 7.1].
inline void expand_label(hmac_sha256 mac, const char* prefix, const char* label, std::uint8_t length,
                         std::uint8_t (&digest)[sha256::digest_length]) {
  text<32> whole;
  JOYFULJAY_ASSERT(std::strlen(prefix) + std::strlen(label) <= 26);
  whole.append("tls13 ");
  whole.append(prefix);
  whole.append(label);
  mac.update(std::uint8_t{0});
  mac.update(length);
  mac.update(static_cast<std::uint8_t>(whole.length));
  mac.update(whole);
  mac.update(std::uint8_t{0});  // no context
  mac.update(std::uint8_t{1});  // the first round
  mac.finish(digest);
}

}  // namespace detail

/// HKDF-Expand-Label without context [RFC 8446 7.1] for the label "tls13 ", `prefix`, `label`, of which the latter two have
/// at most 26 characters together; of a secret, or of the HMAC that has it as key and nothing as message so far.
template <std::size_t Length>
void hkdf_expand_label(const hmac_sha256& secret, const char* prefix, const char* label, std::uint8_t (&out)[Length]) {
  static_assert(Length <= sha256::digest_length, "joyfuljay: longer output needs another round of HKDF");
  std::uint8_t digest[sha256::digest_length];
  detail::expand_label(secret, prefix, label, static_cast<std::uint8_t>(Length), digest);
  std::memcpy(out, digest, Length);
}
template <std::size_t Length>
void hkdf_expand_label(const std::uint8_t (&secret)[sha256::digest_length], const char* prefix, const char* label,
                       std::uint8_t (&out)[Length]) {
  hkdf_expand_label(hmac_sha256({secret, sizeof secret}), prefix, label, out);
}

/// AES with a 128-bit key, encryption only [FIPS 197]. A table of 256 bytes.
class aes128 {
 public:
  static constexpr std::size_t block_length = 16, key_length = 16;

  explicit aes128(const std::uint8_t (&key)[key_length]) {
    const block<16> words(key);
    round_keys_[0] = words.u32<0>(), round_keys_[1] = words.u32<4>();
    round_keys_[2] = words.u32<8>(), round_keys_[3] = words.u32<12>();
    std::uint32_t round_constant = 1;
    for (std::size_t at = 4; at < 44; ++at) {  // [FIPS 197 5.2]
      std::uint32_t word = round_keys_[at - 1];
      if (at % 4 == 0) {
        word = substituted(word << 8 | word >> 24, word << 8 | word >> 24, word << 8 | word >> 24,
                           word << 8 | word >> 24) ^
               round_constant << 24;
        round_constant = round_constant << 1 ^ (round_constant >> 7) * 0x11B;
      }
      round_keys_[at] = round_keys_[at - 4] ^ word;
    }
  }
  void encrypt(const std::uint8_t (&in)[block_length], std::uint8_t (&out)[block_length]) const {
    const block<16> words(in);
    const std::uint32_t* key = round_keys_;
    std::uint32_t a = words.u32<0>() ^ key[0], b = words.u32<4>() ^ key[1];  // columns
    std::uint32_t c = words.u32<8>() ^ key[2], d = words.u32<12>() ^ key[3];
    for (unsigned round = 1; round <= 10; ++round) {
      key += 4;
      const std::uint32_t shifted[4] = {substituted(a, b, c, d), substituted(b, c, d, a), substituted(c, d, a, b),
                                        substituted(d, a, b, c)};
      const bool is_last = round == 10;
      a = (is_last ? shifted[0] : mixed(shifted[0])) ^ key[0];
      b = (is_last ? shifted[1] : mixed(shifted[1])) ^ key[1];
      c = (is_last ? shifted[2] : mixed(shifted[2])) ^ key[2];
      d = (is_last ? shifted[3] : mixed(shifted[3])) ^ key[3];
    }
    const std::uint32_t columns[4] = {a, b, c, d};
    for (std::size_t at = 0; at < block_length; ++at)
      out[at] = static_cast<std::uint8_t>(columns[at / 4] >> (24 - at % 4 * 8));
  }

 private:
  /// SubBytes and ShiftRows of one column, whose bytes come from four [FIPS 197 5.1.1, 5.1.2].
  static std::uint32_t substituted(std::uint32_t first, std::uint32_t second, std::uint32_t third,
                                   std::uint32_t fourth) {
    static constexpr std::uint8_t s_box[256] = {
        // [FIPS 197 5.1.1, figure 7]
        0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76, 0xca, 0x82,
        0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0, 0xb7, 0xfd, 0x93, 0x26,
        0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15, 0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96,
        0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75, 0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0,
        0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84, 0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb,
        0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf, 0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f,
        0x50, 0x3c, 0x9f, 0xa8, 0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff,
        0xf3, 0xd2, 0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
        0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb, 0xe0, 0x32,
        0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79, 0xe7, 0xc8, 0x37, 0x6d,
        0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08, 0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6,
        0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a, 0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e,
        0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e, 0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e,
        0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf, 0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f,
        0xb0, 0x54, 0xbb, 0x16};
    return std::uint32_t{s_box[first >> 24]} << 24 | std::uint32_t{s_box[second >> 16 & 0xFF]} << 16 |
           std::uint32_t{s_box[third >> 8 & 0xFF]} << 8 | s_box[fourth & 0xFF];
  }
  /// MixColumns of one column: four multiplications by x in GF(2^8) at once [FIPS 197 5.1.3].
  static std::uint32_t mixed(std::uint32_t column) {
    const auto rotated = [](std::uint32_t x, unsigned left) { return x << left | x >> (32 - left); };
    const std::uint32_t doubled = (column & 0x7F7F7F7F) << 1 ^ (column >> 7 & 0x01010101) * 0x1B;
    return doubled ^ rotated(column ^ doubled ^ rotated(column ^ rotated(column, 8), 8), 8);
  }
  std::uint32_t round_keys_[44];
};

/// The authenticated decryption of AES-128-GCM with 96-bit nonces and 128-bit tags [SP 800-38D]. The sealed text is
/// checked first and then read piece by piece, so that no second buffer is needed. A table of 32 bytes in flash, and
/// 256 bytes in the object.
class aes128_gcm {
 public:
  static constexpr std::size_t nonce_length = 12, tag_length = 16;

  aes128_gcm(const std::uint8_t (&key)[aes128::key_length], const std::uint8_t (&nonce)[nonce_length]) : cipher_(key) {
    std::memcpy(counter_, nonce, nonce_length);
    const std::uint8_t zero[16] = {};
    std::uint8_t h[16];
    cipher_.encrypt(zero, h);
    const block<16> words(h);
    multiples_[8] = {words.u64<0>(), words.u64<8>()};  // bits are read from the left: 8 stands for 1
    for (unsigned at = 4; at > 0; at /= 2) {
      const element& last = multiples_[2 * at];
      multiples_[at] = {last.high >> 1 ^ ((last.low & 1) != 0 ? std::uint64_t{0xE1} << 56 : 0),
                        last.low >> 1 | last.high << 63};
    }
    multiples_[0] = {0, 0};
    for (unsigned at = 2; at < 16; at *= 2)
      for (unsigned less = 1; less < at; ++less)
        multiples_[at + less] = {multiples_[at].high ^ multiples_[less].high,
                                 multiples_[at].low ^ multiples_[less].low};
  }
  /// The data that is authenticated only, in any number of pieces, before `is_genuine`.
  void authenticate(bytes piece) {
    additional_length_ += piece.length;
    absorb(piece);
  }
  /// Whether the tag at the end of `sealed` fits. False for anything shorter than a tag.
  bool is_genuine(bytes sealed) {
    if (sealed.length < tag_length) return false;
    fill_block();
    absorb(sealed.first(sealed.length - tag_length));
    fill_block();
    const std::uint64_t bits[2] = {additional_length_ * 8, std::uint64_t{sealed.length - tag_length} * 8};
    for (const std::uint64_t length : bits)
      for (int shift = 56; shift >= 0; shift -= 8) absorb(static_cast<std::uint8_t>(length >> shift));
    std::uint8_t mask[16], differences = 0;
    keystream(1, mask);
    const std::uint8_t* const tag = sealed.data + sealed.length - tag_length;
    for (std::size_t at = 0; at < tag_length; ++at) {
      const std::uint64_t half = at < 8 ? sum_.high : sum_.low;
      differences |=
          static_cast<std::uint8_t>(tag[at] ^ mask[at] ^ static_cast<std::uint8_t>(half >> (56 - at % 8 * 8)));
    }
    return differences == 0;
  }
  /// The byte at `position` of the plain text, given the sealed one. Cheap in ascending order.
  std::uint8_t plain(std::size_t position, std::uint8_t sealed) {
    const std::uint32_t number = static_cast<std::uint32_t>(position / 16 + 2);
    if (number != stream_number_) keystream(stream_number_ = number, stream_);
    return static_cast<std::uint8_t>(sealed ^ stream_[position % 16]);
  }

 private:
  struct element {  // of GF(2^128)
    std::uint64_t high, low;
  };
  void keystream(std::uint32_t number, std::uint8_t (&out)[16]) {
    for (unsigned at = 0; at < 4; ++at) counter_[12 + at] = static_cast<std::uint8_t>(number >> (24 - 8 * at));
    cipher_.encrypt(counter_, out);
  }
  void absorb(bytes input) {
    while (!input.empty()) {
      const bool is_block = used_ == 0 && input.length >= 16;
      is_block ? absorb(block<16>(input.data)) : absorb(input.data[0]);
      input = input.after(is_block ? 16 : 1);
    }
  }
  void absorb(const block<16>& whole) {
    sum_.high ^= whole.u64<0>();
    sum_.low ^= whole.u64<8>();
    multiply();
  }
  void absorb(std::uint8_t byte) {
    (used_ < 8 ? sum_.high : sum_.low) ^= std::uint64_t{byte} << (56 - used_ % 8 * 8);
    if (++used_ == 16) multiply();
  }
  void fill_block() {
    if (used_ != 0) multiply();
  }
  /// sum *= H, four bits at a time [SP 800-38D 6.3].
  void multiply() {
    static constexpr std::uint16_t reductions[16] = {0x0000, 0x1c20, 0x3840, 0x2460, 0x7080, 0x6ca0, 0x48c0, 0x54e0,
                                                     0xe100, 0xfd20, 0xd940, 0xc560, 0x9180, 0x8da0, 0xa9c0, 0xb5e0};
    element product{0, 0};
    for (std::uint64_t half : {sum_.low, sum_.high})
      for (unsigned nibble = 0; nibble < 16; ++nibble, half >>= 4) {
        const std::uint64_t reduction = std::uint64_t{reductions[product.low & 15]} << 48;
        const element& multiple = multiples_[half & 15];
        product.low = (product.low >> 4 | product.high << 60) ^ multiple.low;
        product.high = product.high >> 4 ^ reduction ^ multiple.high;
      }
    sum_ = product;
    used_ = 0;
  }

  aes128 cipher_;
  element multiples_[16];  // of H, by four bits
  element sum_ = {0, 0};
  unsigned used_ = 0;  // bytes of the block that `sum_` has taken
  std::uint64_t additional_length_ = 0;
  std::uint8_t counter_[16] = {};
  std::uint8_t stream_[16] = {};
  std::uint32_t stream_number_ = 0;  // of the keystream block at hand
};

namespace detail {

/// SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) and its 32-bit relative HalfSipHash: one
/// construction over words of 64 or 32 bits. The message is whole words, which stand for their little-endian bytes.
template <class Word, unsigned First, unsigned Second, unsigned Third, unsigned Fourth, unsigned Half> class sip_state {
 public:
  sip_state(Word k0, Word k1, Word c0, Word c1, Word c2, Word c3)
      : v0_(k0 ^ c0), v1_(k1 ^ c1), v2_(k0 ^ c2), v3_(k1 ^ c3) {}

  template <unsigned Rounds> void absorb(Word message) {
    v3_ ^= message;
    rounds<Rounds>();
    v0_ ^= message;
  }
  /// v1 ^ v3 is the 32-bit result of HalfSipHash, the xor of all four the 64-bit result of SipHash.
  template <unsigned Rounds> void finish() {
    v2_ ^= 0xff;
    rounds<Rounds>();
  }
  Word odd() const { return v1_ ^ v3_; }
  Word all() const { return v0_ ^ v1_ ^ v2_ ^ v3_; }

 private:
  static constexpr unsigned width = sizeof(Word) * 8;
  static Word rotate(Word x, unsigned left) { return x << left | x >> (width - left); }

  template <unsigned Rounds> void rounds() {
    for (unsigned round = 0; round < Rounds; ++round) {
      v0_ += v1_, v1_ = rotate(v1_, First) ^ v0_, v0_ = rotate(v0_, Half);
      v2_ += v3_, v3_ = rotate(v3_, Second) ^ v2_;
      v0_ += v3_, v3_ = rotate(v3_, Third) ^ v0_;
      v2_ += v1_, v1_ = rotate(v1_, Fourth) ^ v2_, v2_ = rotate(v2_, Half);
    }
  }
  Word v0_, v1_, v2_, v3_;
};

/// SipHash-C-D over whole 64-bit words.
template <unsigned C, unsigned D>
std::uint64_t sip64(const hash_key& key, const std::uint64_t* words, std::size_t count) {
  sip_state<std::uint64_t, 13, 16, 21, 17, 32> state(key.low, key.high, 0x736f6d6570736575, 0x646f72616e646f6d,
                                                     0x6c7967656e657261, 0x7465646279746573);
  for (std::size_t at = 0; at < count; ++at) state.template absorb<C>(words[at]);
  state.template absorb<C>(static_cast<std::uint64_t>(count * 8) << 56);
  state.template finish<D>();
  return state.all();
}

/// HalfSipHash-C-D over whole 64-bit words, keyed by the low half of the key.
template <unsigned C, unsigned D>
std::uint32_t sip32(const hash_key& key, const std::uint64_t* words, std::size_t count) {
  sip_state<std::uint32_t, 5, 8, 7, 13, 16> state(
      static_cast<std::uint32_t>(key.low), static_cast<std::uint32_t>(key.low >> 32), 0, 0, 0x6c796765, 0x74656462);
  for (std::size_t at = 0; at < count; ++at) {
    state.template absorb<C>(static_cast<std::uint32_t>(words[at]));
    state.template absorb<C>(static_cast<std::uint32_t>(words[at] >> 32));
  }
  state.template absorb<C>(static_cast<std::uint32_t>(count * 8) << 24);
  state.template finish<D>();
  return state.odd();
}

}  // namespace detail

/// SipHash-1-3: 128-bit key. 8 ns for an IPv4 flow key on x86-64, no more than FNV-1a.
struct siphash {
  static std::uint32_t hash(const hash_key& key, const std::uint64_t* words, std::size_t count) {
    return static_cast<std::uint32_t>(detail::sip64<1, 3>(key, words, count));
  }
};

/// HalfSipHash-1-3: only the low 64 bits of the key count. 168 instead of 354 instructions on 32-bit MIPS.
struct halfsiphash {
  static std::uint32_t hash(const hash_key& key, const std::uint64_t* words, std::size_t count) {
    return detail::sip32<1, 3>(key, words, count);
  }
};

// ---- 6. Statistics -----------------------------------------------------------------------------------------------
// Integers in, quotients out. Sums of any length are exact; a double appears only when a feature is computed, as one
// division of two integers, of which the dividend may be under a square root: IEEE 754 rounds conversion, root and
// division the same way on every target, and there is no product and sum for a compiler to fuse. What flows keep
// starts as zero bytes and has no initialisers, so that the pools that hold it lie in .bss.

namespace detail {
/// word -= other, which is not larger; one function for all widths.
inline void subtract_words(std::uint64_t* word, const std::uint64_t* other, unsigned words) {
  bool borrow = false;
  for (unsigned at = 0; at < words; ++at) {
    const std::uint64_t difference = word[at] - other[at];
    const bool below = word[at] < other[at] || (difference == 0 && borrow);
    word[at] = difference - borrow;
    borrow = below;
  }
}
}  // namespace detail

/// An unsigned integer of `Words` times 64 bits. Sums and products wrap only where the caller chose too few words.
template <unsigned Words> struct wide {
  std::uint64_t word[Words];  ///< least significant first

  static wide from(std::uint64_t value) {
    wide result{};
    result.word[0] = value;
    return result;
  }
  template <unsigned Fewer> static wide from(const wide<Fewer>& value) {
    static_assert(Fewer <= Words, "joyfuljay: this would lose the upper words");
    wide result{};
    for (unsigned at = 0; at < Fewer; ++at) result.word[at] = value.word[at];
    return result;
  }
  template <unsigned Fewer> wide& operator+=(const wide<Fewer>& other) {
    static_assert(Fewer <= Words, "joyfuljay: this would lose the upper words");
    for (unsigned at = 0; at < Fewer; ++at)
      if (other.word[at] != 0) add_at(at, other.word[at]);
    return *this;
  }
  wide& operator+=(std::uint64_t value) {
    add_at(0, value);
    return *this;
  }
  /// The caller knows that `other` is not larger.
  wide& operator-=(const wide& other) {
    detail::subtract_words(word, other.word, Words);
    return *this;
  }
  /// Returns the remainder.
  std::uint32_t divide(std::uint32_t divisor) {
    std::uint64_t rest = 0;
    for (unsigned at = Words; at-- > 0;) {
      const std::uint64_t high = rest << 32 | word[at] >> 32;
      const std::uint64_t low = high % divisor << 32 | (word[at] & 0xFFFFFFFF);
      word[at] = high / divisor << 32 | low / divisor;
      rest = low % divisor;
    }
    return static_cast<std::uint32_t>(rest);
  }
  bool operator<(const wide& other) const {
    for (unsigned at = Words; at-- > 0;)
      if (word[at] != other.word[at]) return word[at] < other.word[at];
    return false;
  }
  void multiply(std::uint64_t factor);

 private:
  /// Sums grow slowly: the carry is rare, and a branch that is never taken is cheaper than passing it on.
  void add_at(unsigned at, std::uint64_t value) {
    word[at] += value;
    for (bool carry = word[at] < value; carry && ++at < Words; carry = word[at] == 0) ++word[at];
  }
};

/// All 128 bits of a product.
constexpr wide<2> product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ typedef unsigned __int128 native;
  const native both = static_cast<native>(a) * b;
  return {{static_cast<std::uint64_t>(both), static_cast<std::uint64_t>(both >> 64)}};
#else
  const std::uint64_t a_low = a & 0xFFFFFFFF, a_high = a >> 32, b_low = b & 0xFFFFFFFF, b_high = b >> 32;
  const std::uint64_t low = a_low * b_low, high = a_high * b_high;
  const std::uint64_t first = a_high * b_low + (low >> 32);  // at most 2^64 - 2^32
  const std::uint64_t second = a_low * b_high + (first & 0xFFFFFFFF);
  return {{second << 32 | (low & 0xFFFFFFFF), high + (first >> 32) + (second >> 32)}};
#endif
}

namespace detail {
/// word = word + a * factor + carry, and the carry into the next word. Fits: (2^64-1)^2 + 2 (2^64-1) = 2^128 - 1.
inline void multiply_word(std::uint64_t& word, std::uint64_t a, std::uint64_t factor, std::uint64_t& carry) {
#if defined(__SIZEOF_INT128__)
  __extension__ typedef unsigned __int128 native;
  const native sum = static_cast<native>(a) * factor + word + carry;
  word = static_cast<std::uint64_t>(sum);
  carry = static_cast<std::uint64_t>(sum >> 64);
#else
  wide<2> part = product(a, factor);
  part += carry;
  part += word;
  word = part.word[0];
  carry = part.word[1];
#endif
}
/// result += a * b, into words that are zero; one function for all widths.
inline void multiply_words(std::uint64_t* result, const std::uint64_t* a, unsigned a_words, const std::uint64_t* b,
                           unsigned b_words) {
  for (unsigned i = 0; i < a_words; ++i) {
    std::uint64_t carry = 0;
    for (unsigned j = 0; j < b_words; ++j) multiply_word(result[i + j], a[i], b[j], carry);
    result[i + b_words] = carry;
  }
}
/// result = squares * count - sum * sum, into words that are zero: as many as both have together.
inline void variance_words(std::uint64_t* result, const std::uint64_t* squares, unsigned square_words,
                           const std::uint64_t* sum, unsigned sum_words, std::uint64_t count) {
  std::uint64_t squared_sum[6] = {};
  multiply_words(result, squares, square_words, &count, 1);
  multiply_words(squared_sum, sum, sum_words, sum, sum_words);
  subtract_words(result, squared_sum, square_words + sum_words);
}
}  // namespace detail

template <unsigned Words> void wide<Words>::multiply(std::uint64_t factor) {
  std::uint64_t carry = 0;
  for (std::uint64_t& each : word) {
    const std::uint64_t a = each;
    each = 0;
    detail::multiply_word(each, a, factor, carry);
  }
}

/// All bits of a product of several words.
template <unsigned A, unsigned B> wide<A + B> product(const wide<A>& a, const wide<B>& b) {
  wide<A + B> result{};
  detail::multiply_words(result.word, a.word, A, b.word, B);
  return result;
}

template <unsigned Words> wide<2 * Words> square(const wide<Words>& x) { return product(x, x); }

namespace detail {

/// The double whose mantissa is the top 53 bits of `top`, rounded to even, and whose value is `top` * 2^exponent.
/// `top` has its highest bit set; `sticky` says that there are more bits below it.
inline double round_to_double(std::uint64_t top, bool sticky, unsigned exponent) {
  const std::uint64_t dropped = top & 0x7FF;
  std::uint64_t mantissa = top >> 11;
  if (dropped > 0x400 || (dropped == 0x400 && (sticky || (mantissa & 1) != 0))) ++mantissa;
  // Adding the mantissa with its hidden bit carries into the exponent, also when rounding made it 2^53.
  const std::uint64_t encoded = (static_cast<std::uint64_t>(exponent + 63 + 1022) << 52) + mantissa;
  double value;
  std::memcpy(&value, &encoded, sizeof value);
  return value;
}

}  // namespace detail

/// The nearest double, ties to even. In integers, because compilers' run-time libraries are not all needed or trusted.
inline double to_double(std::uint64_t x) {
  if (x >> 53 == 0) return static_cast<double>(static_cast<std::int64_t>(x));
  const unsigned shift = 64 - detail::bit_length(x);
  // x * 2^shift has its top bit set; its exponent is -shift, and 63 + 1022 - shift stays positive.
  return detail::round_to_double(x << shift, false, 0u - shift);
}
namespace detail {
/// One function for all widths.
inline double words_to_double(const std::uint64_t* word, unsigned words) {
  unsigned top = words - 1;
  while (top > 0 && word[top] == 0) --top;
  if (top == 0) return to_double(word[0]);
  const unsigned shift = 64 - bit_length(word[top]);
  std::uint64_t leading = word[top] << shift, below = word[top - 1];
  if (shift != 0) leading |= below >> (64 - shift), below <<= shift;
  bool sticky = below != 0;
  for (unsigned at = 0; at + 1 < top; ++at) sticky = sticky || word[at] != 0;
  return round_to_double(leading, sticky, top * 64 - shift);
}
}  // namespace detail
template <unsigned Words> double to_double(const wide<Words>& x) { return detail::words_to_double(x.word, Words); }

namespace detail {
/// One function for all: on a machine without a double unit a division here and there is what fills the flash.
/// Only a positive zero has no bit set, and asking for that needs no comparison of doubles either.
JOYFULJAY_OWN_FRAME inline double divided(double a, double b) {
  std::uint64_t bits;
  std::memcpy(&bits, &b, sizeof bits);
  return bits != 0 ? a / b : 0;
}
}  // namespace detail

/// One division of two integers; 0 when the divisor is 0. Words by value: registers instead of two addresses on the
/// stack.
template <unsigned Words> double quotient(const wide<Words>& a, std::uint64_t b) {
  return detail::divided(to_double(a), to_double(b));
}
template <unsigned Words, unsigned Others> double quotient(const wide<Words>& a, const wide<Others>& b) {
  return detail::divided(to_double(a), to_double(b));
}
template <unsigned Words> double quotient(std::uint64_t a, const wide<Words>& b) {
  return detail::divided(to_double(a), to_double(b));
}
JOYFULJAY_INLINE_FOR_SPEED inline double quotient(std::uint64_t a, std::uint64_t b) {
  return detail::divided(to_double(a), to_double(b));
}
/// The same of the root of an integer.
template <unsigned Words> double root_quotient(double root, const wide<Words>& b) {
  return detail::divided(root, to_double(b));
}
inline double root_quotient(double root, std::uint64_t b) { return detail::divided(root, to_double(b)); }
/// The same of a difference of counters, which may be negative.
inline double quotient_of_difference(std::uint64_t a, std::uint64_t minus, std::uint64_t b) {
  return a >= minus ? quotient(a - minus, b) : -quotient(minus - a, b);
}
/// A ratio between the two directions: over nothing it is the numerator itself.
inline double direction_ratio(std::uint64_t forward, std::uint64_t backward) {
  return quotient(forward, backward != 0 ? backward : 1);
}

inline constexpr unsigned logarithm_bits = 58;  ///< of fraction in `logarithm`
inline constexpr unsigned weighted_bits = 42;   ///< of fraction in `weighted_logarithm`

namespace detail {
inline constexpr std::uint64_t logarithms_of_sixteenths[16] = {
    0x0000000000000000, 0x0598fdbeb244c59f, 0x0ae00d1cfdeb43cf, 0x0fde0b5c81340511, 0x149a784bcd1b8afe,
    0x191bba891f1708b4, 0x1d6753e032ea0efe, 0x21820a01ac754cb1, 0x2570068e7ef5a1e7, 0x2934f0979a3715fc,
    0x2cd4011c8f11979a, 0x305013ab7ce0e5b7, 0x33abb3faa02166cc, 0x36e9291eaa65b496, 0x3a0a7eda4c112ce6,
    0x3d118d66c4d4e554};  // log2(1 + i/16), 62 bits of fraction
inline constexpr std::uint64_t logarithms_of_256ths[16] = {
    0x0000000000000000, 0x005c2711b5eab1dd, 0x00b7f285b778428b, 0x011363117a97b0c4,
    0x016e79685c2d2298, 0x01c9363ba850f866, 0x02239a3aa266825d, 0x027da6128d0b44c4,
    0x02d75a6eb1dfb0e6, 0x0330b7f8692a328c, 0x0389bf5721556bde, 0x03e27130664a73f4,
    0x043ace27e8a7e6ac, 0x0492d6df84d68f22, 0x04ea8bf749fc70b6, 0x0541ee0d80ceedb5};  // log2(1 + j/256)

/// The leading bits choose from the two tables of sixteen logarithms, 256 bytes in all; what remains is 1 + v with v below
/// 2^-8, whose series ends after seven terms. Numbers of at most five significant bits, which is what most counts are,
/// need only the first table.
constexpr std::uint64_t logarithm(std::uint64_t x) {
  const unsigned exponent = bit_length(x) - 1;
  const std::uint64_t fraction = x << (63 - exponent) << 1;  // of x / 2^exponent, 64 bits
  const unsigned sixteenths = static_cast<unsigned>(fraction >> 60);
  std::uint64_t sum = logarithms_of_sixteenths[sixteenths];
  if (const std::uint64_t rest = fraction << 4; rest != 0) {
    const std::uint64_t u = rest / (16 + sixteenths);  // x = 2^exponent (1 + i/16) (1 + u)
    const unsigned parts = static_cast<unsigned>(u >> 56);
    const std::uint64_t v = (u << 8) / (256 + parts);  // 1 + u = (1 + j/256) (1 + v)
    const auto times = [](std::uint64_t a, std::uint64_t b) { return product(a, b).word[1]; };
    std::uint64_t series = ~std::uint64_t{0} / 7;
    for (unsigned term = 6; term >= 2; --term) series = ~std::uint64_t{0} / term - times(v, series);
    const std::uint64_t natural = v - times(v, times(v, series));  // ln(1 + v) = v - v^2/2 + v^3/3 - ...
    sum += logarithms_of_256ths[parts] + (natural >> 2) + (times(natural, 0x71547652b82fe177) >> 2);  // log2(e) - 1
  }
  return (std::uint64_t{exponent} << logarithm_bits) + ((sum + 8) >> 4);
}
}  // namespace detail

/// log2(x) in units of 2^-58, within 2^-57, of x from 1 to 2^63.
inline std::uint64_t logarithm(std::uint64_t x) {
  JOYFULJAY_ASSERT(x != 0 && x >> 63 == 0);
  return detail::logarithm(x);
}
/// count * log2(count) in units of 2^-42, within two of them, of at most 2^17; 0 for 0. Whole for powers of two.
JOYFULJAY_APART_FOR_SPEED constexpr std::uint64_t weighted_logarithm(std::uint32_t count) {
  if (count == 0) return 0;
  const wide<2> exact = product(count, detail::logarithm(count));
  constexpr unsigned dropped = logarithm_bits - weighted_bits;
  return (exact.word[1] << (64 - dropped) | exact.word[0] >> dropped) + (exact.word[0] >> (dropped - 1) & 1);
}
namespace detail {
struct weight_table {
  static constexpr std::uint32_t size = 64;
  std::uint64_t of[size] = {};
  constexpr weight_table() {
    for (std::uint32_t count = 0; count < size; ++count) of[count] = weighted_logarithm(count);
  }
};
inline constexpr weight_table small_weights;
}  // namespace detail

/// Shannon's entropy of a distribution given by its counts c: H = log2(n) - sum of c log2(c) / n. Repeated small counts
/// take one logarithm. What is subtracted nearly cancels when one value has nearly everything; the 58 bits leave a
/// relative error below 1e-11 for up to 131,072 items, below 1e-9 for up to 2^32.
class shannon_entropy {
 public:
  /// So many items, spread evenly over so many values, of which there are never more than items.
  void add(std::uint64_t count, std::uint64_t values = 1) {
    if (values > count) values = count;
    if (values <= 1 && count < few)
      ++few_counts_[count];
    else
      minus_ += product(count, logarithm(count) - logarithm(values));
  }
  /// n H in units of 2^-58 bits, n being the sum of all counts; 0 for nothing or a single value.
  wide<2> scaled(std::uint64_t total) const {
    if (total == 0) return {};
    wide<2> result = product(total, logarithm(total)), less = minus_;
    for (unsigned count = 2; count < few; ++count)
      if (few_counts_[count] != 0) less += product(std::uint64_t{few_counts_[count]} * count, logarithm(count));
    if (result < less) return {};  // rounding, with values spread over fractions
    result -= less;
    return result;
  }

 private:
  static constexpr std::uint64_t few = 32;
  wide<2> minus_ = {};
  std::uint32_t few_counts_[few] = {};  // how many values had this count
};

/// n H in units of `weighted_logarithm` over n, of at most 2^18: entropy in bits.
inline double entropy_bits(std::uint64_t information, std::uint64_t total) {
  return quotient(information, total << weighted_bits);
}

/// part / whole in units of 2^-64, rounded down, for shares up to 1.
inline wide<2> binary_share(std::uint64_t part, std::uint64_t whole) {
  JOYFULJAY_ASSERT(part <= whole && whole != 0);
  wide<2> share{{0, part}};
  if (whole >> 32 == 0) {
    share.divide(static_cast<std::uint32_t>(whole));
    return share;
  }
  share.word[1] = part / whole;  // beyond 4 GB, which is rare, bit by bit
  std::uint64_t rest = part % whole;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const bool carry = rest >> 63 != 0;
    rest <<= 1;
    const bool fits = carry || rest >= whole;
    if (fits) rest -= whole;
    share.word[0] = share.word[0] << 1 | fits;
  }
  return share;
}

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;
/// The nearest double. Times of day exceed 2^53 ns, where dividing doubles would round twice and show as a stray digit.
inline double seconds(std::uint64_t ns) {
  if (ns >> 53 == 0) return quotient(ns, ns_per_second);
  const std::uint64_t whole = ns / ns_per_second;             // 24 to 35 bits
  const unsigned fraction_bits = whole >> 32 == 0 ? 32 : 29;  // with those at least 56: more than a double holds
  const std::uint64_t fraction = (ns % ns_per_second) << fraction_bits;
  const std::uint64_t fixed = whole << fraction_bits | fraction / ns_per_second;
  const unsigned shift = 64 - detail::bit_length(fixed);
  return detail::round_to_double(fixed << shift, fraction % ns_per_second != 0, 0u - fraction_bits - shift);
}

/// Sum, sum of squares and extremes of integers below 2^`ValueBits`, of at most 2^32 of them. Exact. Two additions, a
/// multiplication and two comparisons a value. The count is kept elsewhere, because several moments share it.
template <unsigned ValueBits> struct moments {
  static_assert(ValueBits == 32 || ValueBits == 64, "joyfuljay: moments are of 32-bit or 64-bit values");
  using value = std::conditional_t<ValueBits == 32, std::uint32_t, std::uint64_t>;
  static constexpr unsigned sum_words = ValueBits == 32 ? 1 : 2;     // 2^32 values of 32 (64) bits
  static constexpr unsigned square_words = ValueBits == 32 ? 2 : 3;  // and their squares

  wide<square_words> squares;
  wide<sum_words> sum;
  value least, most;

  void add(value x, bool is_first) {
    sum += x;
    if constexpr (ValueBits == 32)
      squares += static_cast<std::uint64_t>(x) * x;
    else
      squares += product(x, x);
    if (x < least || is_first) least = x;
    if (x > most) most = x;
  }
  /// The moments of two disjoint sets of values together.
  moments joined(const moments& other, bool mine_empty, bool other_empty) const {
    if (mine_empty) return other;
    if (other_empty) return *this;
    moments both = *this;
    both.sum += other.sum;
    both.squares += other.squares;
    if (other.least < both.least) both.least = other.least;
    if (other.most > both.most) both.most = other.most;
    return both;
  }

  /// count^2 times the population variance: an integer, and never negative (Cauchy, Schwarz).
  wide<sum_words + square_words> scaled_variance(std::uint64_t count) const {
    wide<sum_words + square_words> result{};
    detail::variance_words(result.word, squares.word, square_words, sum.word, sum_words, count);
    return result;
  }
  /// count times the standard deviation: divided by count it is the deviation, by the sum the coefficient of variation.
  double scaled_deviation(std::uint64_t count) const {
    return count > 1 ? detail::square_root(to_double(scaled_variance(count))) : 0;
  }
  double variance(std::uint64_t count) const {
    return count > 1 ? quotient(scaled_variance(count), product(count, count)) : 0;
  }
  /// Whether the coefficient of variation is below 0.1, without rounding. Values that are all 0 do not vary.
  bool varies_below_tenth(std::uint64_t count) const {
    const auto mean_squared = wide<sum_words + square_words>::from(square(sum));
    auto hundredfold = scaled_variance(count);
    hundredfold.multiply(100);
    return hundredfold < mean_squared || !(wide<sum_words>{} < sum);
  }
  double mean(std::uint64_t count) const {
    if constexpr (sum_words == 1)
      return quotient(sum.word[0], count);
    else
      return quotient(sum, count);
  }
  double mean_seconds(std::uint64_t count) const { return quotient(sum, count * ns_per_second); }
};

/// Standard deviation of `count` lengths from the sums of their squares and of themselves.
inline double deviation(const wide<2>& squares, std::uint64_t sum, std::uint64_t count) {
  return root_quotient(moments<32>{squares, {{sum}}, 0, 0}.scaled_deviation(count), count);
}

/// Order statistics between two neighbours: the percentile of n sorted values lies at position (n-1) p / 100.
struct percentile {
  std::uint64_t low, high;  ///< the values around the position
  std::uint32_t rest;       ///< hundredths of the way from low to high

  double value(std::uint64_t unit = 1) const {
    if (rest == 0 || low == high) return quotient(low, unit);
    wide<2> sum = product(low, 100 - rest);
    sum += product(high, rest);
    return quotient(sum, 100 * unit);
  }
};

namespace detail {

/// Where the percentile lies: an index and hundredths. `count` is at least 1.
struct rank_position {
  std::uint64_t index;
  std::uint32_t rest;
  rank_position(std::uint64_t count, unsigned percent)
      : index((count - 1) * percent / 100), rest(static_cast<std::uint32_t>((count - 1) * percent % 100)) {}
};

/// Ascending. Runs of four by a sorting network, then merging into `spare`, which holds as many words: n log n steps
/// whatever the input, and hardly a branch that depends on it.
inline void sort(std::uint64_t* keys, std::size_t count, std::uint64_t* spare) {
  constexpr std::size_t run = 4;
  const auto order = [](std::uint64_t& a, std::uint64_t& b) {
    const std::uint64_t least = a < b ? a : b, most = a < b ? b : a;
    a = least, b = most;
  };
  std::size_t begin = 0;
#if !defined(__OPTIMIZE_SIZE__)  // the network is faster than the loop below, and as long as everything else here
  for (; begin + run <= count; begin += run) {
    std::uint64_t* const k = keys + begin;
    order(k[0], k[1]), order(k[2], k[3]), order(k[0], k[2]), order(k[1], k[3]), order(k[1], k[2]);
  }
#endif
  for (std::size_t at = begin + 1; at < count; ++at)
    for (std::size_t down = at; down % run != 0; --down) order(keys[down - 1], keys[down]);

  std::uint64_t *from = keys, *to = spare;
  for (std::size_t span = run; span < count; span *= 2) {
    for (begin = 0; begin < count; begin += 2 * span) {
      const std::size_t middle = begin + span < count ? begin + span : count;
      const std::size_t end = begin + 2 * span < count ? begin + 2 * span : count;
      // The half with the greater last key outlasts the other one, whose end alone must be looked for.
      const bool left_outlasts = middle == end || from[middle - 1] > from[end - 1];
      std::size_t ending = left_outlasts ? middle : begin, lasting = left_outlasts ? begin : middle, at = begin;
      for (const std::size_t last = left_outlasts ? end : middle; ending < last; ++at) {
        const std::uint64_t a = from[ending], b = from[lasting];
        const bool is_less = a <= b;
        to[at] = is_less ? a : b;
        ending += is_less;
        lasting += !is_less;
      }
      while (at < end) to[at++] = from[lasting++];
    }
    std::uint64_t* const swapped = from;
    from = to;
    to = swapped;
  }
  if (from != keys) std::memcpy(keys, from, count * sizeof *keys);
}

/// Those that features ask for, as the members that hold them are numbered.
inline constexpr std::uint8_t usual_percentiles[] = {25, 50, 75, 90, 99};

/// Of up to a thousand values, so the position is computed in 32 bits. 0 without values.
inline double exact_percentile(const std::uint64_t* sorted, std::size_t count, unsigned percent, std::uint64_t unit) {
  if (count == 0) return 0;
  const std::uint32_t position = static_cast<std::uint32_t>(count - 1) * percent, index = position / 100;
  return percentile{sorted[index], sorted[index + 1 < count ? index + 1 : index], position % 100}.value(unit);
}

/// Finds ascending percentiles of a histogram in one pass over its buckets. Until then the answers hold the ranks that
/// are looked for.
class percentile_search {
 public:
  /// Of `total` values. Of none, all are 0.
  percentile_search(std::uint64_t total, const std::uint8_t* percents, percentile* answers, std::size_t count)
      : answers_(answers), left_(total != 0 ? count : 0) {
    for (std::size_t at = 0; at < count; ++at) {
      const rank_position position(total != 0 ? total : 1, percents[at]);
      answers[at] = {position.index, position.index + 1 < total ? position.index + 1 : position.index, position.rest};
    }
  }
  bool is_over() const { return left_ == 0; }
  /// The next bucket, in which there is something.
  void pass(std::uint64_t values, std::uint64_t value) {
    seen_ += values;
    while (lows_ < left_ && answers_[lows_].low < seen_) answers_[lows_++].low = value;
    while (left_ != 0 && answers_->high < seen_) answers_++->high = value, --left_, --lows_;
  }

 private:
  percentile* answers_;   // the first whose upper neighbour comes
  std::size_t left_;      // from there on
  std::size_t lows_ = 0;  // of those: how many have their lower neighbour
  std::uint64_t seen_ = 0;
};

/// Lets 16-bit counters hold any number of values. When one is full, all of its histogram's are halved, and from then on
/// one value in 2^halvings counts, so that early and late values weigh the same. In each block of 256 values the
/// multiples of the golden ratio say which, since they spread evenly over any stretch and any step (Knuth: "The Art of
/// Computer Programming", 3, 6.4). Each block starts elsewhere: otherwise packets that repeat with a Fibonacci number
/// as their period would always be the same ones (a loop of 987 packets lost 1 % of rank, and loses 0.03 % with this).
struct thinning {
  std::uint32_t seen;     ///< values, modulo 2^32
  std::uint8_t halvings;  ///< at most 17 for 2^32 values

  /// Whether the next value counts. Up to three multiplications.
  bool takes_next() {
    const std::uint32_t number = seen++;
    if (halvings == 0) return true;
    std::uint32_t start = (number >> 8) * 0x85EBCA6Bu;  // the two constants are MurmurHash3's
    start = (start ^ start >> 15) * 0xC2B2AE35u;
    const std::uint32_t place = (start ^ start >> 16) + number * 0x9E3779B9u;  // 2^32 over the golden ratio
    return place >> (32 - halvings) == 0;
  }
  std::uint64_t weight(std::uint32_t count) const { return std::uint64_t{count} << halvings; }
  /// About how many were counted.
  std::uint32_t counted() const { return seen >> halvings; }
};

/// What one counter loses to rounding its neighbour gains: halving a histogram in order halves every rank, rounded
/// down.
inline void halve(std::uint16_t& count, std::uint32_t& rest) {
  const std::uint32_t sum = count + rest;
  count = static_cast<std::uint16_t>(sum / 2);
  rest = sum % 2;
}
template <std::size_t Length> void halve(std::uint16_t (&counts)[Length], std::uint32_t& rest) {
  for (std::uint16_t& count : counts) halve(count, rest);
}

}  // namespace detail

/// Quantiles of gaps in nanoseconds, in 404 bytes. Seven logarithmic buckets an octave of (gap + 20 us); an answer is
/// the middle of a bucket, within 4.95 % + 1 us of the value for every distribution, rank exact until a bucket has
/// counted 65,534 packets and within 0.5 % of rank after that: loops, ramps and drifts lose 0.03 %, independent values
/// have a standard error of 0.1 % (worst of 60 flows read 50 times each: 0.38 %), and only traffic that is shaped after
/// the sequence that thins it can lose more. Gaps above 73 minutes share one bucket, whose answer is the largest.
class gap_sketch {
 public:
  void add(std::uint64_t gap) {
    if (!thinning_.takes_next() || ++counts_[bucket_of(gap)] != 0xFFFF) return;
    std::uint32_t rest = 0;
    detail::halve(counts_, rest);
    ++thinning_.halvings;
  }
  /// Ascending percentiles, between the exact extremes.
  void answer(const std::uint8_t* percents, percentile* answers, std::size_t count, std::uint64_t least,
              std::uint64_t most) const {
    std::uint32_t counted = 0;
    for (const std::uint16_t bucket : counts_) counted += bucket;
    detail::percentile_search search(thinning_.weight(counted), percents, answers, count);
    for (std::size_t bucket = 0; bucket < buckets && !search.is_over(); ++bucket)
      if (counts_[bucket] != 0) search.pass(thinning_.weight(counts_[bucket]), value_of(bucket, least, most));
  }
  percentile at(unsigned percent, std::uint64_t least, std::uint64_t most) const {
    percentile result;
    const auto percent_wanted = static_cast<std::uint8_t>(percent);
    answer(&percent_wanted, &result, 1, least, most);
    return result;
  }

 private:
  static constexpr std::uint64_t offset = 20'000;  // spends the permitted microsecond: 16 % fewer buckets
  static constexpr unsigned lowest_octave = 14;    // 2^14 is below the offset
  static constexpr unsigned octaves = 28;          // up to 2^42 ns
  static constexpr unsigned per_octave = 7;
  static constexpr std::size_t buckets = octaves * per_octave + 1;

  static std::size_t bucket_of(std::uint64_t gap) {
    // 2^(k/7), k = 1..6, without the leading 1, in 32 bits. No eighth of an octave holds two of them, so the top three
    // bits of the mantissa choose the one to compare with; where an eighth holds none, nothing is above the limit.
    static constexpr std::uint32_t limit[8] = {0x1aa59c41, 0x38114762, 0x588cea3f, 0x7c6a1f29,
                                               0xffffffff, 0xa402feeb, 0xcfbb031a, 0xffffffff};
    static constexpr std::uint8_t below[8] = {0, 1, 2, 3, 4, 4, 5, 6};
    if (gap >= (std::uint64_t{1} << (lowest_octave + octaves)) - offset) return buckets - 1;
    const std::uint64_t x = gap + offset;
    const unsigned exponent = detail::bit_length(x) - 1;
    const std::uint32_t mantissa = static_cast<std::uint32_t>(x << (63 - exponent) >> 31);  // the leading 1 falls off
    const unsigned eighth = mantissa >> 29;
    return (exponent - lowest_octave) * per_octave + below[eighth] + (mantissa > limit[eighth]);
  }
  /// 2 lo hi / (lo + hi), which is as far from both ends in proportion.
  static std::uint64_t middle_of(std::size_t bucket) {
    static constexpr std::uint32_t middle[per_octave] = {0x0caa1283, 0x28a125ff, 0x478168c6, 0x69986bb8,
                                                         0x8f3bd29b, 0xb8ca2b3c, 0xe6abdaf9};  // over 1, in 32 bits
    const std::uint64_t mantissa = std::uint64_t{1} << 32 | middle[bucket % per_octave];
    const std::uint64_t x = mantissa << bucket / per_octave >> (32 - lowest_octave);  // at most 2^60 on the way
    return x > offset ? x - offset : 0;
  }
  static std::uint64_t value_of(std::size_t bucket, std::uint64_t least, std::uint64_t most) {
    if (bucket + 1 == buckets) return most;
    const std::uint64_t value = middle_of(bucket);
    return value < least ? least : value > most ? most : value;
  }

  detail::thinning thinning_;
  std::uint16_t counts_[buckets];
};

/// Lengths from here on are jumbo to the sketches: more than the 1,500 bytes of Ethernet, and rare.
inline constexpr std::uint32_t jumbo_length = 1536;

/// Quantiles of packet lengths by direction. Below 1,536 bytes in buckets of 8, answered by their middle: within 4
/// bytes. Above, in a sparse list of 24 buckets of 16 bytes: within 8 bytes for flows with up to 24 such jumbo sizes
/// apart. When it is full, neighbours become one, rare ones first: frequent sizes keep their own bucket however many rare
/// ones come between them. Ranks as in gap_sketch, each direction by itself. 936 bytes.
class length_sketch {
 public:
  void add(std::uint32_t length, direction dir) {
    if (!thinning_[dir].takes_next()) return;
    std::uint16_t& count = length < jumbo_length ? counts_[dir][length / width] : jumbo_bucket(length).count[dir];
    if (++count == 0xFFFF) halve(dir);
    if (jumbo_used_ > jumbo_buckets) merge_closest_jumbos();
  }
  /// Ascending percentiles of one direction, or of both, between the exact extremes.
  void answer(const std::uint8_t* percents, percentile* answers, std::size_t count, bool forward, bool backward,
              std::uint32_t least, std::uint32_t most) const {
    detail::percentile_search search((forward ? total(fwd) : 0) + (backward ? total(bwd) : 0), percents, answers,
                                     count);
    for (std::size_t at = 0; at < buckets + jumbo_used_ && !search.is_over(); ++at) {
      if (is_empty(at)) continue;
      if (const std::uint64_t packets = (forward ? count_of(at, fwd) : 0) + (backward ? count_of(at, bwd) : 0);
          packets != 0)
        search.pass(packets, value_of(at, least, most));
    }
  }
  percentile at(unsigned percent, bool forward, bool backward, std::uint32_t least, std::uint32_t most) const {
    percentile result;
    const auto percent_wanted = static_cast<std::uint8_t>(percent);
    answer(&percent_wanted, &result, 1, forward, backward, least, most);
    return result;
  }
  /// Packets that its buckets stand for.
  std::uint64_t total() const { return total(fwd) + total(bwd); }
  /// Packets of both directions by length: visit(least length, one beyond the largest, packets) for each bucket that holds
  /// some, ascending, and one for all lengths from `jumbo_length` on.
  template <class Visit> void for_each_bucket(Visit&& visit) const {
    std::uint64_t left = total();
    for (std::size_t at = 0; at <= buckets; ++at) {
      if (is_empty(at)) continue;
      const std::uint64_t packets = at < buckets ? count_of(at, fwd) + count_of(at, bwd) : left;
      left -= packets;
      if (packets != 0)
        visit(std::uint64_t{at} * width, at < buckets ? std::uint64_t{at + 1} * width : UINT64_MAX, packets);
    }
  }

 private:
  static constexpr std::uint32_t width = 8;
  static constexpr std::size_t buckets = jumbo_length / width;
  static constexpr std::size_t jumbo_buckets = 24;
  static constexpr std::uint32_t jumbo_width = 16, last_jumbo = 0xFFFF;  // from 1,048,560 bytes on all share the last

  struct jumbo_entry {
    std::uint16_t number;  // length / jumbo_width
    std::uint16_t count[2];
  };

  /// Ascending by number, so that the list reads as a histogram.
  jumbo_entry& jumbo_bucket(std::uint32_t length) {
    const std::uint32_t number = length / jumbo_width < last_jumbo ? length / jumbo_width : last_jumbo;
    std::size_t at = 0;
    while (at < jumbo_used_ && jumbo_[at].number < number) ++at;
    if (at == jumbo_used_ || jumbo_[at].number != number) {
      std::memmove(jumbo_ + at + 1, jumbo_ + at, (jumbo_used_ - at) * sizeof(jumbo_entry));
      ++jumbo_used_;
      jumbo_[at] = {static_cast<std::uint16_t>(number), {0, 0}};
    }
    return jumbo_[at];
  }
  /// What both entries have of their direction's packets, in parts of both directions' product. Of two directions the
  /// greater share counts, so that the few packets of the quieter one stay apart. Less than 2^41.
  std::uint64_t share_of(const jumbo_entry& a, const jumbo_entry& b) const {
    const auto share = [&](direction dir) {
      return std::uint64_t{thinning_[1 - dir].counted() + 1} * static_cast<std::uint32_t>(a.count[dir] + b.count[dir]);
    };
    return share(fwd) > share(bwd) ? share(fwd) : share(bwd);
  }
  /// Two neighbours become one: those that have the fewest packets the least apart. The more frequent one gives the
  /// length, so rare sizes between frequent ones take nothing from these.
  void merge_closest_jumbos() {
    std::size_t at = 0;
    std::uint64_t least = UINT64_MAX;
    for (std::size_t other = 0; other < jumbo_buckets; ++other) {
      const jumbo_entry &a = jumbo_[other], &b = jumbo_[other + 1];
      const std::uint64_t cost = share_of(a, b) * static_cast<std::uint32_t>(b.number - a.number);
      if (cost < least) least = cost, at = other;
    }
    for (const direction dir : detail::directions{})
      if (std::uint32_t{jumbo_[at].count[dir]} + jumbo_[at + 1].count[dir] >= 0xFFFF) halve(dir);
    jumbo_entry& kept = jumbo_[at];
    const jumbo_entry gone = jumbo_[at + 1];
    if (share_of(gone, gone) > share_of(kept, kept)) kept.number = gone.number;
    for (const direction dir : detail::directions{})
      kept.count[dir] = static_cast<std::uint16_t>(kept.count[dir] + gone.count[dir]);
    std::memmove(&kept + 1, &kept + 2, (jumbo_buckets - 1 - at) * sizeof(jumbo_entry));
    jumbo_used_ = jumbo_buckets;
  }
  void halve(direction dir) {
    std::uint32_t rest = 0;
    detail::halve(counts_[dir], rest);
    for (std::size_t at = 0; at < jumbo_used_; ++at) detail::halve(jumbo_[at].count[dir], rest);
    ++thinning_[dir].halvings;
  }
  /// Most buckets are, and nothing else need be known of them. False for all of jumbo lengths.
  bool is_empty(std::size_t at) const { return at < buckets && (counts_[fwd][at] | counts_[bwd][at]) == 0; }
  std::uint64_t count_of(std::size_t at, direction dir) const {
    return thinning_[dir].weight(at < buckets ? counts_[dir][at] : jumbo_[at - buckets].count[dir]);
  }
  std::uint64_t total(direction dir) const {
    std::uint32_t counted = 0;
    for (const std::uint16_t bucket : counts_[dir]) counted += bucket;
    for (std::size_t at = 0; at < jumbo_used_; ++at) counted += jumbo_[at].count[dir];
    return thinning_[dir].weight(counted);
  }
  std::uint32_t value_of(std::size_t at, std::uint32_t least, std::uint32_t most) const {
    if (at >= buckets && jumbo_[at - buckets].number == last_jumbo) return most;
    const std::uint32_t value = at < buckets ? static_cast<std::uint32_t>(at) * width + (width - 1) / 2
                                             : jumbo_[at - buckets].number * jumbo_width + (jumbo_width - 1) / 2;
    return value < least ? least : value > most ? most : value;
  }

  detail::thinning thinning_[2];
  std::uint16_t counts_[2][buckets];
  jumbo_entry jumbo_[jumbo_buckets + 1];  // one more for the moment until two are merged
  std::uint8_t jumbo_used_;
};

/// The most frequent packet length, by Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent
/// and top-k elements in data streams", 2005) with 32 counters. Right wherever the mode has more than a 32nd of the
/// packets and leads by as much; its share is a lower bound, at most a 32nd too small. One pass over 32 sizes a packet
/// whose size is new, three at worst.
class mode_sketch {
 public:
  static constexpr std::size_t counters = 32;

  void add(std::uint32_t length) {
    for (std::size_t at = 0; at < counters; at += 2) {  // two a turn: long flows of many sizes spend their time here
      if (sizes_[at] == length) return count(at);
      if (sizes_[at + 1] == length) return count(at + 1);
    }
    sizes_[rarest_] = length;
    errors_[rarest_] = counts_[rarest_];  // what others had counted here before
    count(rarest_);
  }
  std::uint32_t size() const { return sizes_[best()]; }
  /// Packets of that length, for certain.
  std::uint32_t certain_count() const { return counts_[best()] - errors_[best()]; }
  /// visit(length, certain packets, packets that may be of other lengths) for each counter.
  template <class Visit> void for_each_size(Visit&& visit) const {
    for (std::size_t at = 0; at < counters && counts_[at] != 0; ++at)
      visit(sizes_[at], counts_[at] - errors_[at], errors_[at]);
  }

 private:
  /// A counter that has overtaken its neighbour changes places with it: frequent sizes are found first.
  void count(std::size_t at) {
    const std::uint32_t before = counts_[at]++;
    if (at == rarest_) return find_rarest(before);
    if (at == 0 || counts_[at] <= counts_[at - 1]) return;
    swap(sizes_, at);
    swap(counts_, at);
    swap(errors_, at);
    if (at == rarest_ + 1u) ++rarest_;
  }
  /// The rarest counter no longer has the `least` count. Those before it have more, so the next one is behind it; when
  /// there is none, all have more.
  void find_rarest(std::uint32_t least) {
    while (++rarest_ < counters)
      if (counts_[rarest_] == least) return;
    for (rarest_ = 0; rarest_ < counters - 1 && counts_[rarest_] != least + 1;) ++rarest_;
  }
  static void swap(std::uint32_t (&values)[counters], std::size_t at) {
    const std::uint32_t value = values[at];
    values[at] = values[at - 1];
    values[at - 1] = value;
  }
  std::size_t best() const {
    std::size_t best = 0;
    for (std::size_t at = 1; at < counters; ++at)
      if (counts_[at] - errors_[at] > counts_[best] - errors_[best]) best = at;
    return best;
  }

  std::uint32_t sizes_[counters], counts_[counters], errors_[counters];  // those not in use, the last ones, are zeros
  std::uint8_t rarest_;                                                  // the first of those with the least count
};

/// How many different lengths there were, and their entropy, beside a length_sketch and a mode_sketch. One bit for each
/// length below 1,536; longer ones in a hashed bitmap with linear counting (Whang, Vander-Zanden, Taylor: "A linear-time
/// probabilistic counting algorithm", 1990). Its standard error is 2.2 % of up to 500 of them, 2.5 % of 1,000, 5 % of 3,500;
/// it never says more than 7,098. Two lengths may share a bit, which a sender can choose, but those that have a counter of
/// the mode_sketch are told apart. 320 bytes, one bit operation a packet.
class variety_sketch {
 public:
  void add(std::uint32_t length) {
    if (length < jumbo_length)
      seen_[length / 32] |= std::uint32_t{1} << length % 32;
    else
      hashed_[hash(length) / 32] |= std::uint32_t{1} << hash(length) % 32;
  }
  std::uint64_t distinct(const mode_sketch& modes) const {
    return distinct_among(0, jumbo_length) + distinct_jumbo(modes);
  }
  static constexpr std::uint64_t fine = 64;  ///< parts of a packet, so that scaling does not round

  /// A counter that holds little but its own length counts as that length. What is left in a bucket is spread evenly
  /// over its other lengths; what is left of jumbo lengths, which may be counted in a neighbour's bucket, over all of
  /// those. In parts of a packet.
  shannon_entropy entropy(const length_sketch& lengths, const mode_sketch& modes) const {
    const std::uint64_t scale = lengths.total();  // not the flow's packets: counters may have been halved
    own_sizes own;
    own.take(modes);
    const std::uint64_t jumbo = distinct_jumbo(modes);
    shannon_entropy sum;
    std::size_t next = 0;
    lengths.for_each_bucket([&](std::uint64_t begin, std::uint64_t end, std::uint64_t packets) {
      while (next < own.used && own.size[next] < begin) ++next;  // of buckets that hold nothing
      std::uint64_t rest = packets * fine;
      std::uint64_t values = begin >= jumbo_length ? jumbo : distinct_among(begin, end);
      for (; next < own.used && own.size[next] < end; ++next) {
        std::uint64_t mass = own.scaled(next, scale * fine);
        if (mass > rest) mass = rest;
        rest -= mass;
        if (mass != 0) sum.add(mass);
        if (values != 0) --values;
      }
      if (rest != 0) sum.add(rest, values != 0 ? values : 1);
    });
    return sum;
  }

 private:
  static constexpr unsigned hashed_bits_log2 = 10;
  static constexpr std::uint32_t hashed_bits = 1u << hashed_bits_log2;

  /// The lengths of the mode counters, ascending.
  struct own_sizes {
    std::uint32_t size[mode_sketch::counters], packets[mode_sketch::counters];
    std::size_t used = 0;
    std::uint32_t total = 0;  // packets over all counters, which is every packet of the flow

    /// What its packets are of `whole`, when that is all packets.
    std::uint64_t scaled(std::size_t at, std::uint64_t whole) const {
      wide<2> mass = product(packets[at], whole);
      mass.divide(total);
      return mass.word[0];
    }
    void take(const mode_sketch& modes) {
      modes.for_each_size([&](std::uint32_t length, std::uint32_t certain, std::uint32_t uncertain) {
        total += certain + uncertain;
        if (uncertain > certain / 4) return;
        std::size_t at = used++;
        for (; at > 0 && size[at - 1] > length; --at) size[at] = size[at - 1], packets[at] = packets[at - 1];
        size[at] = length, packets[at] = certain;
      });
    }
  };

  /// MurmurHash3's finaliser: sizes come in series, which a weaker mixture would spread too evenly.
  static std::uint32_t hash(std::uint32_t x) {
    x = (x ^ x >> 16) * 0x85ebca6b;
    x = (x ^ x >> 13) * 0xc2b2ae35;
    return (x ^ x >> 16) % hashed_bits;
  }
  static std::uint64_t ones(std::uint32_t x) {
    x -= x >> 1 & 0x55555555;
    x = (x & 0x33333333) + (x >> 2 & 0x33333333);
    return ((x + (x >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
  }
  /// Of lengths below 1,536, from `least` on; both ends lie in one word or at the start of one.
  std::uint64_t distinct_among(std::uint64_t least, std::uint64_t end) const {
    if (end - least < 32) return ones(seen_[least / 32] >> least % 32 & ((std::uint32_t{1} << (end - least)) - 1));
    std::uint64_t count = 0;
    for (std::uint64_t word = least / 32; word < end / 32; ++word) count += ones(seen_[word]);
    return count;
  }
  std::uint64_t distinct_jumbo(const mode_sketch& modes) const {
    const std::uint64_t likely = likely_jumbo();
    std::uint64_t certain = 0;
    modes.for_each_size([&](std::uint32_t length, std::uint32_t, std::uint32_t) { certain += length >= jumbo_length; });
    return likely < certain ? certain : likely;
  }
  /// m ln(m / zeros), to the nearest.
  std::uint64_t likely_jumbo() const {
    std::uint64_t used = 0;
    for (const std::uint32_t word : hashed_) used += ones(word);
    if (used == 0) return 0;
    const std::uint64_t zeros = used < hashed_bits ? hashed_bits - used : 1;
    const std::uint64_t octaves = logarithm(hashed_bits) - logarithm(zeros);
    constexpr std::uint64_t ln2 = 0xb17217f7d1cf79ab;  // 64 bits of fraction
    return ((product(octaves, ln2).word[1] >> (logarithm_bits - hashed_bits_log2 - 1)) + 1) / 2;
  }

  std::uint32_t seen_[jumbo_length / 32], hashed_[hashed_bits / 32];
};

/// How often each byte occurs in a sample, and its code: for each byte value as many zeros as it occurs, and a one. So
/// 64 bytes hold the histogram of 256.
class byte_histogram {
 public:
  static constexpr std::size_t values = 256;
  static constexpr std::size_t coded_bits(std::size_t sampled) { return sampled + values; }

  void clear() { *this = {}; }
  void add(bytes piece) {
    for (std::size_t at = 0; at < piece.length; ++at) ++counts_[piece.data[at]];
  }
  std::uint32_t count(std::size_t byte) const { return counts_[byte]; }
  bool has_any_of_four(std::size_t byte) const {
    std::uint64_t four;
    std::memcpy(&four, counts_ + byte, sizeof four);
    return four != 0;
  }

  /// Becomes what a code says. `next` returns its words one after the other.
  template <class Next> void read_coded(Next&& next) {
    std::uint32_t begin = 0;  // of a value's zeros, from the word at hand
    for (std::size_t value = 0; value < values; begin -= 32)
      for (std::uint32_t word = next(); word != 0 && value < values; word &= word - 1) {
        const std::uint32_t end = detail::lowest_bit(word);
        counts_[value++] = static_cast<std::uint16_t>(end - begin);
        begin = end + 1;
      }
  }
  /// Writes the code to the words that `next` returns references to.
  template <class Next> void write_coded(Next&& next) const {
    std::uint32_t word = 0, at = 0;
    for (const std::uint32_t count : counts_) {
      for (at += count; at >= 32; at -= 32) next() = word, word = 0;
      word |= std::uint32_t{1} << at++;
    }
    next() = word;
  }

 private:
  std::uint16_t counts_[values];
};

// ---- 7. Frames ---------------------------------------------------------------------------------------------------
// One frame in, one packet or a verdict out; nothing is remembered from frame to frame. All lengths come from header
// fields, so neither Ethernet padding nor the snap length changes them. Checksums are not verified.

/// What a flow's log remembers of a packet: enough to compute every feature that needs no payload.
struct logged_packet {
  std::int64_t time_ns;
  std::uint64_t gap_ns;       ///< since the flow's previous packet; 0 for the first and when the clock stepped back
  std::uint32_t ip_len;       ///< bytes, IP header included
  std::uint32_t payload_len;  ///< bytes behind the TCP or UDP header; of later fragments and other protocols, behind IP
  direction dir;
  std::uint8_t tcp_flags;  ///< CWR ECE URG ACK PSH RST SYN FIN; 0 without a TCP header
  bool has_tcp_header;     ///< false for later fragments of a TCP packet, too
  bool opens_flow;         ///< the first packet of its flow

  bool has_flag(std::uint8_t flag) const { return (tcp_flags & flag) != 0; }
};

/// One parsed packet. Views borrow the frame and are cut where the capture was.
struct packet : logged_packet {
  std::uint32_t frame_len;  ///< bytes on the wire, link header included
  bool is_ethernet;
  bool is_first_fragment, is_later_fragment;
  std::uint8_t ip_version;         ///< 4 or 6
  std::uint8_t protocol;           ///< the next header after the IPv6 extension headers 0, 43, 44, 60
  std::uint8_t fragment_protocol;  ///< of fragments: the protocol that keys the datagram
  std::uint32_t fragment_id;
  std::uint16_t source_port, target_port;  ///< 0 unless TCP or UDP
  std::uint64_t source[2], target[2];      ///< addresses as big-endian numbers: IPv4 in source[1], IPv6 high half first
  bytes network;                           ///< from the IP header on
  bytes transport;  ///< what stands behind IP: from the TCP or UDP header on; empty for later fragments
  bytes payload;    ///< the captured part, at most payload_len
};

/// TCP header flags [RFC 9293 3.1, RFC 3168 6.1].
namespace tcp_flag {
inline constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20, ece = 0x40,
                              cwr = 0x80;
}

/// Assigned Internet Protocol Numbers (IANA) that the header treats in a way of their own.
namespace ip_protocol {
inline constexpr std::uint8_t hop_by_hop = 0, icmp = 1, tcp = 6, udp = 17, routing = 43, fragment = 44, esp = 50,
                              ah = 51, no_next_header = 59, destination_options = 60;
}

namespace detail {

/// EtherTypes [IEEE 802 numbers, IANA].
namespace ether_type {
inline constexpr std::uint16_t ipv4 = 0x0800, ipv6 = 0x86DD, vlan = 0x8100, service_vlan = 0x88A8, old_qinq = 0x9100,
                               mpls = 0x8847, mpls_multicast = 0x8848, pppoe_session = 0x8864;
}

inline constexpr unsigned max_tags = 128;           ///< VLAN tags, and as many MPLS labels; more is malformed
inline constexpr unsigned max_ipv6_extensions = 8;  ///< more is malformed

/// Reads what stands before the IP header. Each function leaves the reader there and says which version to expect.
class link_parser {
 public:
  explicit link_parser(reader& input) : input_(input) {}
  std::uint8_t ip_version = 0;
  bool is_ethernet = false;

  verdict parse(link_type link) {
    switch (link) {
      case link_type::ethernet: return ethernet();
      case link_type::linux_sll: return after_ether_type(input_.take<16>().u16<14>());
      case link_type::linux_sll2: return after_ether_type(input_.take<20>().u16<0>());
      case link_type::null:
      case link_type::loop: return address_family();
      case link_type::ppp:
      case link_type::ppp_hdlc: return ppp();
      case link_type::pppoe: input_.skip(pppoe_header); return ppp();
      case link_type::raw:
      case link_type::raw_bsd:
      case link_type::raw_openbsd:
      case link_type::ipv4:
      case link_type::ipv6: return version_nibble();
      case link_type::per_frame: break;
    }
    return verdict::unknown_link;
  }
  verdict ethernet() {
    is_ethernet = true;
    return after_ether_type(input_.take<14>().u16<12>());
  }

 private:
  static constexpr std::size_t pppoe_header = 6;  // [RFC 2516 4]

  verdict expect(std::uint8_t version) {
    ip_version = version;
    return verdict::counted;
  }
  verdict after_ether_type(std::uint16_t type) {
    for (unsigned tags = 0; !input_.failed() && tags <= max_tags; ++tags) {
      switch (type) {
        case ether_type::ipv4: return expect(4);
        case ether_type::ipv6: return expect(6);
        case ether_type::vlan:
        case ether_type::service_vlan:
        case ether_type::old_qinq: type = input_.take<4>().u16<2>(); continue;  // [IEEE 802.1Q 9.6]
        case ether_type::mpls:
        case ether_type::mpls_multicast: return mpls();
        case ether_type::pppoe_session: input_.skip(pppoe_header); return ppp();
        default: return verdict::not_ip;
      }
    }
    return verdict::malformed_link;
  }
  verdict mpls() {  // [RFC 3032 2.1]
    for (unsigned labels = 0; labels < max_tags; ++labels) {
      const bool bottom_of_stack = (input_.take<4>().u8<2>() & 1) != 0;
      if (input_.failed()) return verdict::malformed_link;
      if (bottom_of_stack) return version_nibble();
    }
    return verdict::malformed_link;
  }
  verdict ppp() {  // [RFC 1661 2, RFC 1662 3.1]: address and control are optional, the protocol may take one byte
    if (input_.peek<2>().u16<0>() == 0xFF03) input_.skip(2);
    std::uint16_t protocol = input_.peek<1>().u8<0>();
    if ((protocol & 1) != 0)
      input_.skip(1);
    else
      protocol = input_.take<2>().u16<0>();
    if (input_.failed()) return verdict::malformed_link;
    return protocol == 0x0021 ? expect(4) : protocol == 0x0057 ? expect(6) : verdict::not_ip;
  }
  verdict address_family() {  // written by a host of either byte order
    const auto field = input_.take<4>();
    if (input_.failed()) return verdict::malformed_link;
    const std::uint32_t big = field.u32<0>();
    const std::uint32_t little = static_cast<std::uint32_t>(field.u8<3>()) << 24 |
                                 static_cast<std::uint32_t>(field.u8<2>()) << 16 |
                                 static_cast<std::uint32_t>(field.u8<1>()) << 8 | field.u8<0>();
    const std::uint32_t family = little > 0xFFFF ? big : little;
    if (family == 2) return expect(4);
    return family == 10 || family == 24 || family == 28 || family == 30 ? expect(6) : verdict::not_ip;
  }
  /// No field says which version follows.
  verdict version_nibble() {
    if (input_.failed() || input_.left() == 0) return verdict::malformed_link;
    const unsigned version = input_.peek<1>().u8<0>() >> 4;
    return version == 4 || version == 6 ? expect(static_cast<std::uint8_t>(version)) : verdict::not_ip;
  }
  reader& input_;
};

/// The IPv4 header [RFC 791 3.1]; leaves the reader behind its options. `body` is the length of what follows.
inline bool parse_ipv4(reader& input, packet& p, std::uint32_t& body) {
  const std::size_t start = input.position();
  const auto header = input.take<20>();
  const std::uint32_t header_len = (header.u8<0>() & 15u) * 4;
  if (input.failed() || header_len < 20 || !input.skip(header_len - 20)) return false;
  p.ip_len = header.u16<2>();
  if (p.ip_len == 0)
    p.ip_len = p.frame_len - static_cast<std::uint32_t>(start);  // segmentation offload: the frame decides
  if (p.ip_len < header_len) return false;
  body = p.ip_len - header_len;

  p.protocol = header.u8<9>();
  p.source[0] = p.target[0] = 0;
  p.source[1] = header.u32<12>();
  p.target[1] = header.u32<16>();
  const unsigned more = header.u16<6>() & 0x2000u, offset = header.u16<6>() & 0x1FFFu;
  p.is_later_fragment = offset != 0;
  p.is_first_fragment = offset == 0 && more != 0;
  p.fragment_protocol = p.protocol;
  p.fragment_id = header.u16<4>();
  return true;
}

/// The IPv6 header and the extension headers in front of the upper layer [RFC 8200 3, 4].
inline bool parse_ipv6(reader& input, packet& p, std::uint32_t& body) {
  const std::size_t start = input.position();
  const auto header = input.take<40>();
  if (input.failed()) return false;
  const std::uint32_t payload_length = header.u16<4>();
  std::uint8_t following = header.u8<6>();
  p.ip_len = 40 + payload_length;
  if (payload_length == 0 && following != ip_protocol::no_next_header) {  // jumbogram or segmentation offload
    p.ip_len = p.frame_len - static_cast<std::uint32_t>(start);
    if (p.ip_len < 40) return false;
  }
  body = p.ip_len - 40;
  p.is_first_fragment = p.is_later_fragment = false;
  p.source[0] = header.u64<8>();
  p.source[1] = header.u64<16>();
  p.target[0] = header.u64<24>();
  p.target[1] = header.u64<32>();

  const auto is_walked = [](std::uint8_t next) {
    return next == ip_protocol::hop_by_hop || next == ip_protocol::routing || next == ip_protocol::fragment ||
           next == ip_protocol::destination_options;
  };
  for (unsigned walked = 0; is_walked(following) && !p.is_later_fragment; ++walked) {
    if (walked == max_ipv6_extensions || body < 8 || input.left() < 8) return false;
    const auto extension = input.peek<8>();
    std::uint32_t length = 8;
    if (following == ip_protocol::fragment) {  // [RFC 8200 4.5]; offset 0 and nothing to come is no fragment
      const unsigned more = extension.u16<2>() & 1u, offset = extension.u16<2>() >> 3;
      if (more != 0 || offset != 0) {
        p.is_later_fragment = offset != 0;
        p.is_first_fragment = offset == 0;
        p.fragment_protocol = extension.u8<0>();
        p.fragment_id = extension.u32<4>();
      }
    } else {
      length = (extension.u8<1>() + 1u) * 8;
    }
    following = extension.u8<0>();
    if (length > body) return false;
    body -= length;
    input.skip(length < input.left() ? length : input.left());  // not all of it need be captured
  }
  p.protocol = following;
  return true;
}

/// TCP and UDP [RFC 9293 3.1, RFC 768]; any other protocol is all payload. `body` is what IP promises, input what there
/// is.
inline bool parse_transport(reader& input, packet& p, std::uint32_t body) {
  const bytes captured = input.rest().first(body);
  const bool whole = !p.is_later_fragment;
  std::uint32_t header_len = 0;
  p.source_port = p.target_port = 0;
  p.tcp_flags = 0;
  p.has_tcp_header = whole && p.protocol == ip_protocol::tcp;
  if (p.has_tcp_header) {
    if (captured.length < 20) return false;
    const auto header = input.peek<20>();
    header_len = (header.u8<12>() >> 4) * 4u;
    if (header_len < 20 || header_len > body) return false;
    p.source_port = header.u16<0>();
    p.target_port = header.u16<2>();
    p.tcp_flags = header.u8<13>();
  } else if (whole && p.protocol == ip_protocol::udp) {
    if (captured.length < 8) return false;
    const auto header = input.peek<8>();
    header_len = 8;
    p.source_port = header.u16<0>();
    p.target_port = header.u16<2>();
  }
  p.payload_len = body - header_len;
  p.transport = whole ? captured : bytes{};
  p.payload = captured.after(header_len);
  return true;
}

}  // namespace detail

/// Takes a frame apart. Anything but `counted` leaves `p` unspecified. `Link` is fixed or `per_frame`. What belongs to a
/// flow (`gap_ns`, `dir`, `opens_flow`) is not written, `fragment_protocol` and `fragment_id` only of fragments.
template <link_type Link> verdict parse_frame(const frame& f, packet& p) {
  constexpr std::size_t longest = 0xFFFFFFFF;
  const std::size_t captured = f.data == nullptr ? 0 : f.captured < longest ? f.captured : longest;
  p.time_ns = f.time_ns;
  p.frame_len = f.wire_length > captured ? f.wire_length : static_cast<std::uint32_t>(captured);

  reader input({f.data, captured});
  detail::link_parser link(input);
  const verdict found = Link == link_type::per_frame  ? link.parse(f.link)
                        : Link == link_type::ethernet ? link.ethernet()
                                                      : link.parse(Link);
  if (found != verdict::counted) return input.failed() ? verdict::malformed_link : found;
  if (input.failed()) return verdict::malformed_link;
  p.is_ethernet = link.is_ethernet;
  p.ip_version = link.ip_version;
  p.network = input.rest();

  if (input.peek<1>().u8<0>() >> 4 != p.ip_version) return verdict::malformed_ip;
  std::uint32_t body = 0;
  if (!(p.ip_version == 4 ? detail::parse_ipv4(input, p, body) : detail::parse_ipv6(input, p, body)))
    return verdict::malformed_ip;
  return detail::parse_transport(input, p, body) ? verdict::counted : verdict::malformed_transport;
}

// ---- 8. Protocol parsers -----------------------------------------------------------------------------------------
// Messages in, plain structs out. A parser sees bytes that lie in a row, in the frame or in a handshake buffer, borrows
// what it returns from them, and remembers nothing; section 9 puts the messages together. A message whose inner
// lengths do not fit is none.

/// What reading one packet may still cost of what a sender can make dear: opening Initials, digests of hellos, names
/// that are chains of pointers. What would cost too much is left out, and the flow says so (`handshake_dropped`). Costs
/// are instructions, counted on x86-64 (tests/hostile/worst.cpp) and rounded up.
struct packet_effort {
  static constexpr std::uint32_t of_keys = 74'000, of_sealed_byte = 41, of_plain_byte = 135;  ///< of an Initial
  static constexpr std::uint32_t of_crypto_frame = 300;
  static constexpr std::uint32_t of_hello_number = 860;  ///< in JA3 and JA4, sorting included

  std::uint32_t instructions;
  std::int32_t dns_steps;  ///< negative once one was wanted that was not to be had

  template <class Config> static packet_effort of_packet() {
    return {static_cast<std::uint32_t>(Config::packet_effort), static_cast<std::int32_t>(Config::dns_steps)};
  }
  /// False when that is not to be had any more; it costs nothing then.
  bool spend(std::uint64_t cost) {
    if (cost > instructions) return false;
    instructions -= static_cast<std::uint32_t>(cost);
    return true;
  }
  /// The same for one label or pointer of a DNS name, behind the first question.
  bool spend_dns_step() { return --dns_steps >= 0; }
  bool ran_out_of_dns_steps() const { return dns_steps < 0; }
};

namespace detail {

/// Decimal digits to put(char).
template <class Put> void put_decimal(Put& put, std::uint32_t value) {
  char digits[10];
  unsigned count = 0;
  do digits[count++] = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  while (count != 0) put(digits[--count]);
}
/// Exactly `Digits` hexadecimal digits to put(char), lower case.
template <unsigned Digits, class Put> void put_hexadecimal(Put& put, std::uint32_t value) {
  for (unsigned digit = Digits; digit-- > 0;) put("0123456789abcdef"[value >> 4 * digit & 15]);
}

/// A list of 16-bit numbers on the wire. An odd byte at the end is left out.
struct wire_numbers {
  bytes raw;

  std::size_t count() const { return raw.length / 2; }
  std::uint16_t operator[](std::size_t at) const {
    return static_cast<std::uint16_t>(raw.data[2 * at] << 8 | raw.data[2 * at + 1]);
  }
};

/// What a vector holds that stands alone in an extension; empty when its length does not fit.
template <std::size_t Width> bytes inner_vector(bytes extension) { return reader(extension).template vector<Width>(); }

/// Sorts `count` numbers by their digits, last one first, in the same time whatever they are: they come from the
/// network. `values` has room for twice as many.
JOYFULJAY_OWN_FRAME inline void radix_sort(std::uint16_t* values, std::size_t count) {
  std::uint16_t* from = values;
  std::uint16_t* to = values + count;
  for (unsigned shift = 0; shift < 16; shift += 4) {
    std::size_t ends[17] = {};  // ends[d + 1]: how many have the digit d; then where the next of them goes is ends[d]
    for (std::size_t at = 0; at < count; ++at) ++ends[(from[at] >> shift & 15) + 1];
    for (unsigned digit = 1; digit < 16; ++digit) ends[digit] += ends[digit - 1];
    for (std::size_t at = 0; at < count; ++at) to[ends[from[at] >> shift & 15]++] = from[at];
    std::uint16_t* const sorted = to;
    to = from, from = sorted;
  }
}

}  // namespace detail

// ---- 8.1 TLS [RFC 8446, RFC 5246]

/// The constants of TLS that the header names.
namespace tls_constant {
// Record types [RFC 8446 5.1, RFC 6520 3].
inline constexpr std::uint8_t change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23,
                              heartbeat = 24;
inline constexpr std::uint16_t longest_record = 16384 + 2048;  // [RFC 5246 6.2.3]
// Handshake types [IANA TLS HandshakeType].
inline constexpr std::uint8_t client_hello = 1, server_hello = 2, certificate = 11, server_key_exchange = 12,
                              server_hello_done = 14;
// Extensions [IANA TLS ExtensionType Values].
inline constexpr std::uint16_t server_name = 0, supported_groups = 10, ec_point_formats = 11, signature_algorithms = 13,
                               alpn = 16, session_ticket = 35, early_draft_key_share = 40, pre_shared_key = 41,
                               early_data = 42, supported_versions = 43, key_share = 51;
// Named groups that are recognised by their primes, too [RFC 7919 2, A].
inline constexpr std::uint16_t ffdhe2048 = 0x0100, ffdhe3072 = 0x0101, ffdhe4096 = 0x0102, ffdhe6144 = 0x0103,
                               ffdhe8192 = 0x0104;
inline constexpr std::uint16_t tls13 = 0x0304;
}  // namespace tls_constant

namespace detail {

/// GREASE values, sixteen of them: both bytes equal, low nibble A [RFC 8701 2].
constexpr bool is_grease(std::uint16_t value) { return (value & 0x0F0F) == 0x0A0A && value >> 8 == (value & 0xFF); }

/// Handshake types that a stream may hold; another one ends the reading.
inline bool is_handshake_type(std::uint8_t type) {
  constexpr std::uint32_t low = 0x03F1F97F;  // 0..6, 8, 11..16, 20..25
  return type < 32 ? (low >> type & 1) != 0 : type == 67 || type == 203 || type == 254;
}

/// Draft and vendor numbers of TLS 1.3 (0x7Fxx, 0xFBxx) count as TLS 1.3.
inline std::uint16_t tls_version_number(std::uint16_t version) {
  return version >> 8 == 0x7F || version >> 8 == 0xFB ? tls_constant::tls13 : version;
}

/// Calls visit(type, data) for each extension. False when the block does not fit its length; a message that ends before
/// the block has none.
template <class Visit> bool for_each_extension(reader& message, const Visit& visit) {
  if (message.left() == 0) return true;
  reader block(message.vector<2>());
  if (message.failed()) return false;
  while (block.left() != 0) {
    const std::uint16_t type = block.take<2>().u16<0>();
    const bytes data = block.vector<2>();
    if (block.failed()) return false;
    visit(type, data);
  }
  return true;
}

/// The first protocol of an ALPN list that is wanted; `data` is null when there is none [RFC 7301 3.1].
template <class Wanted> bytes find_alpn(bytes extension, const Wanted& wanted) {
  for (reader names(inner_vector<2>(extension)); names.left() != 0;) {
    const bytes name = names.vector<1>();
    if (names.failed()) break;
    if (wanted(name)) return name;
  }
  return {};
}
inline bytes first_alpn(bytes extension) {
  return find_alpn(extension, [](bytes) { return true; });
}

/// The first key share of a list that is not GREASE.
struct tls_key_share {
  std::uint16_t group, length;  ///< length: of the public value, in bytes
};

}  // namespace detail

/// A ClientHello [RFC 8446 4.1.2]. Views borrow the message. Extensions are the first of their type; null when absent.
struct tls_client_hello {
  std::uint16_t version;  ///< the version field
  bytes session_id;
  detail::wire_numbers ciphers;
  bytes extension_block;
  std::uint16_t extension_count;
  bytes server_name, groups, point_formats, signatures, alpn, versions, key_shares;
  bool has_server_name, has_ticket, has_psk, has_early_data;

  bool parse(bytes body);

  detail::wire_numbers offered_groups() const { return {detail::inner_vector<2>(groups)}; }
  detail::wire_numbers offered_signatures() const { return {detail::inner_vector<2>(signatures)}; }
  /// How many numbers the fingerprints digest, or more.
  std::uint32_t numbers() const {
    return static_cast<std::uint32_t>(ciphers.count() + extension_count + groups.length / 2 + signatures.length / 2 +
                                      point_formats.length / 2);
  }
  /// The highest of supported_versions without GREASE, else the version field; `number` translates code points.
  template <class Number> std::uint16_t highest_version(const Number& number) const {
    const detail::wire_numbers offered{detail::inner_vector<1>(versions)};
    std::uint16_t highest = 0;
    bool found = false;
    for (std::size_t at = 0; at < offered.count(); ++at) {
      if (detail::is_grease(offered[at])) continue;
      const std::uint16_t value = number(offered[at]);
      if (!found || value > highest) highest = value;
      found = true;
    }
    return found ? highest : number(version);
  }
  /// The first entry of type host_name [RFC 6066 3].
  bytes host_name() const {
    for (reader names(detail::inner_vector<2>(server_name)); names.left() != 0;) {
      const bool is_host_name = names.take<1>().u8<0>() == 0;
      const bytes name = names.vector<2>();
      if (names.failed()) break;
      if (is_host_name) return name;
    }
    return {};
  }
  /// The first protocol offered that is not GREASE.
  bytes protocol() const {
    return detail::find_alpn(
        alpn, [](bytes name) { return name.length != 2 || !detail::is_grease(detail::wire_numbers{name}[0]); });
  }
  /// False when there is none.
  bool first_key_share(detail::tls_key_share& share) const {
    for (reader shares(detail::inner_vector<2>(key_shares)); shares.left() != 0;) {
      const std::uint16_t group = shares.take<2>().u16<0>();
      const bytes value = shares.vector<2>();
      if (shares.failed()) break;
      if (detail::is_grease(group)) continue;
      share = {group, static_cast<std::uint16_t>(value.length)};
      return true;
    }
    return false;
  }
};

inline bool tls_client_hello::parse(bytes body) {
  *this = {};
  reader message(body);
  version = message.take<2>().u16<0>();
  message.skip(32);  // random
  session_id = message.vector<1>();
  ciphers = {message.vector<2>()};
  message.vector<1>();  // compression methods
  if (message.failed()) return false;
  extension_block = message.rest();
  return detail::for_each_extension(message, [this](std::uint16_t type, bytes data) {
    ++extension_count;
    const auto keep = [data](bytes& first) {
      if (first.data == nullptr) first = data;
    };
    switch (type) {
      case tls_constant::server_name: has_server_name = true; return keep(server_name);
      case tls_constant::supported_groups: return keep(groups);
      case tls_constant::ec_point_formats: return keep(point_formats);
      case tls_constant::signature_algorithms: return keep(signatures);
      case tls_constant::alpn: return keep(alpn);
      case tls_constant::supported_versions: return keep(versions);
      case tls_constant::key_share: return keep(key_shares);
      case tls_constant::session_ticket: has_ticket = true; return;
      case tls_constant::pre_shared_key: has_psk = true; return;
      case tls_constant::early_data: has_early_data = true; return;
      default: return;
    }
  });
}

/// A ServerHello or HelloRetryRequest [RFC 8446 4.1.3, 4.1.4].
struct tls_server_hello {
  std::uint16_t version;  ///< the version field
  std::uint16_t chosen_version;
  std::uint16_t cipher;
  bytes session_id;
  bytes extension_block;
  bytes protocol;  ///< of ALPN; null without
  bool is_retry, has_psk, has_key_share;
  std::uint16_t extension_count;
  detail::tls_key_share share;

  bool parse(bytes body);
};

inline bool tls_server_hello::parse(bytes body) {
  // SHA-256 of "HelloRetryRequest" [RFC 8446 4.1.3]
  static constexpr std::uint8_t retry_random[32] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C,
                                                    0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB,
                                                    0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};
  *this = {};
  reader message(body);
  version = message.take<2>().u16<0>();
  const bytes random = message.view(32);
  const bool early_draft = version >= 0x7F00 && version <= 0x7F15;  // TLS 1.3 before draft 22 has no legacy fields
  if (!early_draft) session_id = message.vector<1>();
  cipher = message.take<2>().u16<0>();
  if (!early_draft) message.skip(1);  // compression method
  if (message.failed()) return false;
  is_retry = std::memcmp(random.data, retry_random, sizeof retry_random) == 0;
  chosen_version = detail::tls_version_number(version);
  extension_block = message.rest();
  const std::uint16_t share_type = early_draft ? tls_constant::early_draft_key_share : tls_constant::key_share;
  bytes versions, shares, alpn;
  const bool fits = detail::for_each_extension(message, [&](std::uint16_t type, bytes data) {
    if (type == tls_constant::supported_versions && versions.data == nullptr) versions = data;
    if (type == share_type && shares.data == nullptr) shares = data;
    if (type == tls_constant::alpn && alpn.data == nullptr) alpn = data;
    has_psk = has_psk || type == tls_constant::pre_shared_key;
    ++extension_count;
  });
  if (!fits) return false;
  if (versions.length == 2) chosen_version = detail::tls_version_number(detail::wire_numbers{versions}[0]);
  has_key_share = shares.length >= 2;  // a HelloRetryRequest names the group alone
  if (has_key_share)
    share = {detail::wire_numbers{shares}[0], static_cast<std::uint16_t>(shares.length > 4 ? shares.length - 4 : 0)};
  protocol = detail::first_alpn(alpn);
  return true;
}

/// JA3 (Althouse, Atkinson, Atkins, 2017): version,ciphers,extensions,groups,point formats, decimal, without GREASE.
/// `put` takes characters.
template <class Put> void write_ja3(const tls_client_hello& hello, Put&& put) {
  bool first = true;
  const auto put_number = [&](std::uint32_t value) {
    if (!first) put('-');
    first = false;
    detail::put_decimal(put, value);
  };
  const auto put_list = [&](const detail::wire_numbers& list) {
    put(',');
    first = true;
    for (std::size_t at = 0; at < list.count(); ++at)
      if (!detail::is_grease(list[at])) put_number(list[at]);
  };
  detail::put_decimal(put, hello.version);
  put_list(hello.ciphers);
  put(',');
  first = true;
  reader extensions(hello.extension_block);
  detail::for_each_extension(extensions, [&](std::uint16_t type, bytes) {
    if (!detail::is_grease(type)) put_number(type);
  });
  put_list(hello.offered_groups());
  put(',');
  first = true;
  const bytes formats = detail::inner_vector<1>(hello.point_formats);
  for (std::size_t at = 0; at < formats.length; ++at) put_number(formats.data[at]);
}

/// JA3S: version,cipher,extensions of the ServerHello.
template <class Put> void write_ja3s(const tls_server_hello& hello, Put&& put) {
  detail::put_decimal(put, hello.version);
  put(',');
  detail::put_decimal(put, hello.cipher);
  put(',');
  bool first = true;
  reader extensions(hello.extension_block);
  detail::for_each_extension(extensions, [&](std::uint16_t type, bytes) {
    if (detail::is_grease(type)) return;
    if (!first) put('-');
    first = false;
    detail::put_decimal(put, type);
  });
}

/// JA4, the TLS client fingerprint (FoxIO, BSD 3-clause; none of the other JA4+ methods): a readable part and two
/// digests. Starts as zero bytes.
struct ja4_fingerprint {
  static constexpr std::size_t text_length = 36;
  char readable[10];
  std::uint8_t ciphers[6], extensions[6];

  text<text_length> to_text() const {
    text<text_length> out;
    if (readable[0] == '\0') return out;
    const auto put = [&out](char c) { out.append(c); };
    for (const char c : readable) put(c);
    for (const auto& digest : {ciphers, extensions}) {
      put('_');
      for (unsigned at = 0; at < 6; ++at) detail::put_hexadecimal<2>(put, digest[at]);
    }
    return out;
  }
};

namespace detail {

/// Two characters for the highest version of a ClientHello; "00" for drafts and what else is unknown.
inline const char* ja4_version(std::uint16_t version) {
  switch (version) {
    case 0x0304: return "13";
    case 0x0303: return "12";
    case 0x0302: return "11";
    case 0x0301: return "10";
    case 0x0300: return "s3";
    case 0x0002: return "s2";
    case 0xFEFF: return "d1";
    case 0xFEFD: return "d2";
    case 0xFEFC: return "d3";
    default: return "00";
  }
}
/// First and last character of a protocol name; of its hexadecimal form when one is no ASCII letter or digit.
inline void ja4_protocol(bytes name, char (&out)[2]) {
  out[0] = out[1] = '0';
  if (name.empty()) return;
  const auto is_alphanumeric = [](std::uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  const std::uint8_t first = name.data[0], last = name.data[name.length - 1];
  const bool readable = is_alphanumeric(first) && is_alphanumeric(last);
  out[0] = readable ? static_cast<char>(first) : "0123456789abcdef"[first >> 4];
  out[1] = readable ? static_cast<char>(last) : "0123456789abcdef"[last & 15];
}

/// Sorts numbers and takes the start of SHA-256 over them, four hexadecimal digits each, between commas; behind `_`
/// the signature algorithms as they are, without GREASE. `numbers` has room for twice as many.
inline void ja4_digest(std::uint16_t* numbers, std::size_t count, const wire_numbers& signatures,
                       std::uint8_t (&out)[6]) {
  if (count == 0) return;
  radix_sort(numbers, count);
  sha256 digest;
  char separator = '\0';
  const auto add = [&](std::uint16_t value) {
    char characters[5] = {separator};
    char* next = characters + 1;
    const auto put = [&next](char c) { *next++ = c; };
    put_hexadecimal<4>(put, value);
    const bool is_first = separator == '\0';
    digest.update(is_first ? characters + 1 : characters, is_first ? 4 : 5);
    separator = ',';
  };
  for (std::size_t at = 0; at < count; ++at) add(numbers[at]);
  separator = '_';
  for (std::size_t at = 0; at < signatures.count(); ++at)
    if (!is_grease(signatures[at])) add(signatures[at]);
  std::uint8_t sum[sha256::digest_length];
  digest.finish(sum);
  std::memcpy(out, sum, sizeof out);
}

}  // namespace detail

/// `transport` is t for TCP, q for QUIC. `scratch` sorts: it must hold twice as many numbers as the hello has ciphers, or
/// extensions.
inline ja4_fingerprint ja4_of(const tls_client_hello& hello, char transport, std::uint16_t* scratch) {
  ja4_fingerprint out{};
  const auto two_digits = [](char* to, std::size_t count) {
    count = count < 99 ? count : 99;
    to[0] = static_cast<char>('0' + count / 10);
    to[1] = static_cast<char>('0' + count % 10);
  };

  std::size_t ciphers = 0;
  for (std::size_t at = 0; at < hello.ciphers.count(); ++at)
    if (!detail::is_grease(hello.ciphers[at])) scratch[ciphers++] = hello.ciphers[at];
  detail::ja4_digest(scratch, ciphers, {}, out.ciphers);

  std::size_t extensions = 0, hashed = 0;
  reader block(hello.extension_block);
  detail::for_each_extension(block, [&](std::uint16_t type, bytes) {
    if (detail::is_grease(type)) return;
    ++extensions;
    if (type != tls_constant::server_name && type != tls_constant::alpn) scratch[hashed++] = type;
  });
  detail::ja4_digest(scratch, hashed, hello.offered_signatures(), out.extensions);

  out.readable[0] = transport;
  const char* const version = detail::ja4_version(hello.highest_version([](std::uint16_t value) { return value; }));
  out.readable[1] = version[0], out.readable[2] = version[1];
  out.readable[3] = hello.has_server_name ? 'd' : 'i';
  two_digits(out.readable + 4, ciphers);
  two_digits(out.readable + 6, extensions);
  char protocol[2];
  detail::ja4_protocol(detail::first_alpn(hello.alpn), protocol);
  out.readable[8] = protocol[0], out.readable[9] = protocol[1];
  return out;
}

namespace detail {

/// A number of three bytes that may come in pieces.
struct split_u24 {
  std::uint32_t value : 24;
  std::uint32_t have : 8;

  /// Takes the next byte. True when the number is complete; it then starts anew with the next.
  bool add(std::uint8_t octet) {
    const std::uint32_t before = have == 0 ? 0u : value;
    value = (before << 8 | octet) & 0xFFFFFFu;
    have = have == 2 ? 0u : (have + 1u) & 0xFFu;
    return have == 0;
  }
};

/// Counts the certificates of a Certificate message of TLS 1.2 and below without keeping them [RFC 5246 7.4.2]. Bytes
/// may come in any pieces. Starts as zero bytes.
struct certificate_walk {
  split_u24 number;
  std::uint32_t list_left;  ///< bytes of the list not yet passed
  std::uint32_t skip;       ///< bytes of the certificate not yet passed
  std::uint32_t total_length, first_length;
  std::uint16_t count;
  bool in_list, over;

  void read(bytes piece) {
    while (!piece.empty() && !over) {
      if (skip != 0) {
        const std::size_t some = piece.first(skip).length;
        skip -= static_cast<std::uint32_t>(some);
        piece = piece.after(some);
        continue;
      }
      const std::uint8_t octet = piece.data[0];
      piece = piece.after(1);
      if (number.add(octet)) in_list ? begin_certificate(number.value) : begin_list(number.value);
    }
  }

 private:
  void begin_list(std::uint32_t length) {
    in_list = true;
    list_left = length;
    over = list_left < 3;
  }
  void begin_certificate(std::uint32_t length) {
    if (length != 0) {
      if (count == 0) first_length = length;
      if (count < 0xFFFF) ++count;
      total_length += length;
    }
    skip = length;
    // the next length must lie inside the list
    if (length >= list_left || list_left - length < 6)
      over = true;
    else
      list_left -= 3 + length;
  }
};

/// What a ServerKeyExchange says of group and size, from its first bytes [RFC 8422 5.4, RFC 5246 7.4.3]. Bytes may come
/// in any pieces. Starts as zero bytes.
struct key_exchange_walk {
  std::uint8_t head[4];
  std::uint16_t have;           ///< bytes seen so far, at most 65535
  std::uint16_t leading_zeros;  ///< of the prime
  std::uint8_t matched;         ///< bytes behind the zeros that are those of an RFC 7919 prime
  bool differs;

  void read(bytes piece) {
    for (std::size_t at = 0; at < piece.length && have < 0xFFFF; ++at, ++have) {
      if (have >= sizeof head && (differs || matched == sizeof ffdhe_start)) {  // of the rest only the length counts
        const std::size_t rest = piece.length - at, room = 0xFFFFu - have;
        have = static_cast<std::uint16_t>(have + (rest < room ? rest : room));
        return;
      }
      if (have < sizeof head) head[have] = piece.data[at];
      if (have >= 2 && have - 2u < prime_length()) read_prime(piece.data[at]);
    }
  }
  bool is_curve() const { return have >= 4 && head[0] == named_curve && curve() >= 1 && curve() <= 41; }
  std::uint16_t curve() const { return static_cast<std::uint16_t>(head[1] << 8 | head[2]); }
  /// Bits of the curve point.
  std::uint32_t point_bits() const { return head[3] * 8u; }
  bool is_prime() const { return have >= 4 && prime_length() != 0 && prime_seen() >= sizeof ffdhe_start; }
  std::uint32_t prime_bits() const { return (std::uint32_t{prime_length()} - leading_zeros) * 8; }
  /// The group of RFC 7919 that the prime belongs to, else 0.
  std::uint16_t ffdhe_group() const {
    if (matched < sizeof ffdhe_start) return 0;
    switch (prime_bits()) {
      case 2048: return tls_constant::ffdhe2048;
      case 3072: return tls_constant::ffdhe3072;
      case 4096: return tls_constant::ffdhe4096;
      case 6144: return tls_constant::ffdhe6144;
      case 8192: return tls_constant::ffdhe8192;
      default: return 0;
    }
  }

 private:
  static constexpr std::uint8_t named_curve = 3;  // [RFC 8422 5.4]
  static constexpr std::uint8_t ffdhe_start[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                                   0xAD, 0xF8, 0x54, 0x58, 0xA2, 0xBB, 0x4A, 0x9A};  // [RFC 7919 A]
  std::uint16_t prime_length() const { return static_cast<std::uint16_t>(head[0] << 8 | head[1]); }
  std::uint32_t prime_seen() const {
    const std::uint32_t behind = have < 2 ? 0u : have - 2u;
    return behind < prime_length() ? behind : prime_length();
  }
  void read_prime(std::uint8_t octet) {
    if (octet == 0 && matched == 0 && !differs) {
      ++leading_zeros;
    } else if (!differs && matched < sizeof ffdhe_start) {
      if (octet == ffdhe_start[matched])
        ++matched;
      else
        differs = true;
    }
  }
};

}  // namespace detail

/// Named groups of TLS [IANA TLS Supported Groups]; null when not in the table.
inline const char* tls_group_name(std::uint16_t group) {
  switch (group) {
    case 0x0017: return "secp256r1";
    case 0x0018: return "secp384r1";
    case 0x0019: return "secp521r1";
    case 0x001D: return "x25519";
    case 0x001E: return "x448";
    case tls_constant::ffdhe2048: return "ffdhe2048";
    case tls_constant::ffdhe3072: return "ffdhe3072";
    case tls_constant::ffdhe4096: return "ffdhe4096";
    case tls_constant::ffdhe6144: return "ffdhe6144";
    case tls_constant::ffdhe8192: return "ffdhe8192";
    case 0x0200: return "MLKEM512";
    case 0x0201: return "MLKEM768";
    case 0x0202: return "MLKEM1024";
    case 0x11EB: return "SecP256r1MLKEM768";
    case 0x11EC: return "X25519MLKEM768";
    case 0x11ED: return "SecP384r1MLKEM1024";
    case 0x6399: return "X25519Kyber768Draft00";
    case 0x639A: return "SecP256r1Kyber768Draft00";
    default: return nullptr;
  }
}

// ---- 8.2 QUIC [RFC 9000, 9001, 9369]
// UDP datagrams in; counts, versions and the client's ClientHello out. Long headers are read, Initial packets opened
// with the keys that everybody can derive [RFC 9001 5.2]; all else stays sealed. The tag of a Retry is not checked.

/// What a QUIC packet is. The first four stand in the order of the type bits of version 1 [RFC 9000 17.2].
enum class quic_packet_type : std::uint8_t {
  initial,
  zero_rtt,
  handshake,
  retry,
  one_rtt,      ///< short header [RFC 9000 17.3]
  negotiation,  ///< version 0 [RFC 9000 17.2.1]
  reserved      ///< version 0x?A?A?A?A, which asks for a negotiation [RFC 9000 15]
};

/// Who sealed an Initial packet.
enum quic_side : std::uint8_t { from_client, from_server };

namespace detail {

inline constexpr std::uint32_t quic_version_2 = 0x6B3343CF;  // [RFC 9369 3.1]; its own packet types and labels
inline constexpr std::size_t longest_quic_id = 20;           // connection IDs of known versions [RFC 9000 17.2]
inline constexpr std::size_t shortest_numbered = 20;      // packet number, sealed text: a sample fits [RFC 9001 5.4.2]
inline constexpr std::uint32_t shortest_one_rtt = 21;     // a first byte and the same
inline constexpr std::uint32_t shortest_reserved = 1200;  // a client's first datagram [RFC 9000 14.1]
inline constexpr std::size_t longest_datagram = 65527;    // bytes behind a UDP header [RFC 768]
// Packets looked at in a datagram: 1500 bytes hold no 54 of the smallest (28 bytes), 65527 no 55 of the usual 1200.
inline constexpr unsigned max_quic_packets = 64;
inline constexpr unsigned max_quic_versions = 512;  // looked at in a negotiation; 1500 bytes hold 366

/// Salts of the Initial secret.
inline constexpr std::uint8_t quic_salts[5][20] = {
    {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,  // [RFC 9001 5.2]
     0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
    {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,  // [RFC 9369 3.3.1]
     0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
    {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,  // [draft-ietf-quic-tls-29 5.2]
     0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99},
    {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,  // [draft-ietf-quic-tls-23 5.2]
     0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02},
    {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a,  // [draft-ietf-quic-tls-22 5.2]
     0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a}};

/// Successive version numbers with one salt.
struct quic_versions {
  std::uint32_t first;
  std::uint8_t count;
  std::uint8_t salt;
  char name[10];  ///< behind "QUIC "; one that ends in '-' is followed by the number of the draft
};
inline constexpr quic_versions known_quic_versions[] = {
    {0x00000001, 1, 0, "v1"},        // [RFC 9000 15]
    {quic_version_2, 1, 1, "v2"},    // [RFC 9369 3.1]
    {0xFF000021, 2, 0, "draft-"},    // 33 and 34 have the salt of version 1
    {0xFF00001D, 4, 2, "draft-"},    // 29 to 32
    {0xFF000017, 6, 3, "draft-"},    // 23 to 28
    {0xFF000016, 1, 4, "draft-"},    // 22
    {0xFACEB001, 1, 4, "mvfst-22"},  // these three: QuicVersion in Meta's mvfst
    {0xFACEB002, 1, 3, "mvfst-27"}, {0xFACEB00E, 1, 3, "mvfst-exp"}};

/// Null for versions whose packets cannot be read.
inline const quic_versions* find_quic_version(std::uint32_t number) {
  for (const quic_versions& known : known_quic_versions)
    if (number - known.first < known.count) return &known;
  return nullptr;
}

/// A variable-length integer [RFC 9000 16]. `next` yields the following byte.
template <class NextByte> std::uint64_t quic_integer(NextByte&& next) {
  const std::uint8_t first = next();
  std::uint64_t value = first & 0x3Fu;
  for (unsigned more = (1u << (first >> 6)) - 1; more != 0; --more) value = value << 8 | next();
  return value;
}
inline std::uint64_t quic_integer(reader& input) {
  return quic_integer([&input] { return input.take<1>().u8<0>(); });
}

}  // namespace detail

/// "QUIC v1", "QUIC draft-29"; empty for versions that are not known.
inline text<14> quic_version_name(std::uint32_t version) {
  text<14> name;
  const detail::quic_versions* const known = detail::find_quic_version(version);
  if (known == nullptr) return name;
  name.append("QUIC ");
  name.append(known->name);
  if (name.characters[name.length - 1] == '-') name.append_decimal(version & 0xFF);
  return name;
}

/// One packet of a datagram, as far as it can be read without a key. Views borrow the datagram.
struct quic_packet {
  quic_packet_type type = quic_packet_type::one_rtt;
  std::uint8_t first = 0;     ///< the first byte; its low bits are protected
  std::uint32_t version = 0;  ///< 0 for short headers and negotiations
  bytes destination_id, source_id;
  bytes header;  ///< up to the packet number; of the three types that have a length field
  bytes body;    ///< packet number and sealed text, `shortest_numbered` bytes or more; empty unless captured whole
};

namespace detail {

// An open packet takes 550 bytes of stack, deriving its keys as many; neither is to lie in the other's frame, nor above
// the parser's variables: see JOYFULJAY_OWN_FRAME.

/// The packets of one datagram, in order.
class quic_datagram {
 public:
  /// With `fixed_bit_may_be_clear` long headers are taken without it, too [RFC 9287 3].
  quic_datagram(bytes captured, std::uint32_t wire_length, bool fixed_bit_may_be_clear)
      : captured_(captured.first(longest_datagram).first(wire_length)),
        wire_length_(wire_length),
        fixed_bit_may_be_clear_(fixed_bit_may_be_clear) {}

  /// False when the datagram ends, or what follows is not QUIC.
  JOYFULJAY_OWN_FRAME bool next(quic_packet& p) {
    const bytes rest = captured_.after(at_);
    if (rest.empty() || packets_ == max_quic_packets) return false;
    reader input(rest);
    p = {};
    p.first = input.take<1>().u8<0>();
    const bool found = (p.first & 0x80) != 0 ? long_header(input, p) : short_header(input.rest(), p);
    if (packets_++ == 0)
      id_ = p.destination_id;
    else if (p.type != quic_packet_type::one_rtt && !is_same(p.destination_id, id_))  // [RFC 9000 12.2]
      return false;
    fixed_bit_may_be_clear_ = true;
    return found;
  }

 private:
  static bool is_same(bytes a, bytes b) {
    return a.length == b.length && (a.empty() || std::memcmp(a.data, b.data, a.length) == 0);
  }
  static bytes connection_id(reader& input) {
    const std::size_t length = input.take<1>().u8<0>();
    const bytes id = input.rest().first(length);
    input.skip(length);
    return id;
  }
  void end_datagram() { at_ = captured_.length; }

  /// Padding, unless there is room for a packet and, behind others, it has their Destination Connection ID.
  bool short_header(bytes behind_first, const quic_packet& p) {
    const std::size_t left = wire_length_ - at_;
    end_datagram();
    return (p.first & 0x40) != 0 && left >= shortest_one_rtt && is_same(behind_first.first(id_.length), id_);
  }
  bool long_header(reader& input, quic_packet& p) {
    p.version = input.take<4>().u32<0>();
    p.destination_id = connection_id(input);
    p.source_id = connection_id(input);
    if (input.failed()) return false;
    if (p.version == 0) return negotiation(input, p);
    if ((p.first & 0x40) == 0 && !fixed_bit_may_be_clear_) return false;
    if (p.destination_id.length > longest_quic_id || p.source_id.length > longest_quic_id) return false;
    if ((p.version & 0x0F0F0F0F) == 0x0A0A0A0A && at_ == 0 && wire_length_ >= shortest_reserved) {
      p.type = quic_packet_type::reserved;
      end_datagram();
      return true;
    }
    if (find_quic_version(p.version) == nullptr) return false;
    const unsigned bits = p.first >> 4 & 3u;
    p.type = static_cast<quic_packet_type>(p.version == quic_version_2 ? (bits + 3) & 3 : bits);  // [RFC 9369 3.2]
    return p.type == quic_packet_type::retry ? retry(input) : numbered(input, p);
  }
  /// Counts when it offers a version that is known.
  bool negotiation(reader& input, quic_packet& p) {
    p.type = quic_packet_type::negotiation;
    const std::size_t list_length = wire_length_ - at_ - input.position();
    if (at_ != 0 || list_length < 4 || list_length % 4 != 0) return false;
    end_datagram();
    for (unsigned looked_at = 0; looked_at < max_quic_versions && input.left() >= 4; ++looked_at)
      if (find_quic_version(input.take<4>().u32<0>()) != nullptr) return true;
    return false;
  }
  /// A token and the integrity tag of 16 bytes [RFC 9000 17.2.5].
  bool retry(reader& input) {
    const std::size_t left = wire_length_ - at_ - input.position();
    end_datagram();
    return left >= 16;
  }
  /// Initial, 0-RTT, Handshake [RFC 9000 17.2.2 to 17.2.4].
  bool numbered(reader& input, quic_packet& p) {
    if (p.type == quic_packet_type::initial) {
      const std::uint64_t token_length = quic_integer(input);
      if (input.failed() || token_length > input.left()) return false;
      input.skip(static_cast<std::size_t>(token_length));
    }
    const std::uint64_t length = quic_integer(input);
    const std::size_t left = wire_length_ - at_ - input.position();
    if (input.failed() || length < shortest_numbered || length > left) return false;
    p.header = captured_.after(at_).first(input.position());
    if (length <= input.left()) p.body = input.rest().first(static_cast<std::size_t>(length));
    at_ += input.position() + static_cast<std::size_t>(length);
    return true;
  }

  bytes captured_;
  std::size_t wire_length_;
  std::size_t at_ = 0;  // where the next packet starts; beyond what was captured when the last one was cut
  bytes id_;            // Destination Connection ID of the first packet
  unsigned packets_ = 0;
  bool fixed_bit_may_be_clear_;
};

}  // namespace detail

/// Calls visit(const quic_packet&) for each packet of a UDP datagram, at most 64. `known`: a long header of a known
/// version was seen in the flow before.
template <class Visit> void walk_quic_datagram(bytes captured, std::uint32_t wire_length, bool known, Visit&& visit) {
  detail::quic_datagram datagram(captured, wire_length, known);
  for (quic_packet p; datagram.next(p);) visit(static_cast<const quic_packet&>(p));
}

/// What protects the Initial packets of one side [RFC 9001 5.1].
struct quic_keys {
  std::uint8_t key[aes128::key_length];
  std::uint8_t iv[aes128_gcm::nonce_length];
  std::uint8_t header_protection[aes128::key_length];
};

namespace detail {

/// The secret from which one side's keys follow [RFC 9001 5.2, RFC 5869 2.2].
JOYFULJAY_OWN_FRAME inline void derive_quic_secret(std::uint32_t version, bytes client_destination_id, quic_side side,
                                                   std::uint8_t (&secret)[sha256::digest_length]) {
  const quic_versions* const known = find_quic_version(version);
  JOYFULJAY_ASSERT(known != nullptr);
  {
    hmac_sha256 extract({quic_salts[known->salt], sizeof quic_salts[0]});
    extract.update(client_destination_id);
    extract.finish(secret);
  }
  hkdf_expand_label(secret, side == from_client ? "client" : "server", " in", secret);
}

/// The keys that follow from that secret [RFC 9001 5.1, RFC 9369 3.3.2].
JOYFULJAY_OWN_FRAME inline void expand_quic_keys(std::uint32_t version,
                                                 const std::uint8_t (&secret)[sha256::digest_length], quic_keys& out) {
  const hmac_sha256 keyed({secret, sizeof secret});
  const char* const prefix = version == quic_version_2 ? "quicv2 " : "quic ";
  hkdf_expand_label(keyed, prefix, "key", out.key);
  hkdf_expand_label(keyed, prefix, "iv", out.iv);
  hkdf_expand_label(keyed, prefix, "hp", out.header_protection);
}

}  // namespace detail

/// The keys that were derived last: packets that share a datagram mostly share them.
struct quic_key_cache {
  quic_keys keys;
  std::uint32_t version;  ///< 0: none yet
  unsigned connection;
};

/// The keys that follow from the Destination Connection ID of the client's first packet. `version` is a known one.
/// Sixteen compressions of SHA-256.
inline void derive_quic_keys(std::uint32_t version, bytes client_destination_id, quic_side side, quic_keys& out) {
  std::uint8_t secret[sha256::digest_length];
  detail::derive_quic_secret(version, client_destination_id, side, secret);
  detail::expand_quic_keys(version, secret, out);
}

/// The whole packet number [RFC 9000 A.3]. `expected` is one more than the largest so far, 0 before the first.
inline std::uint64_t decode_quic_packet_number(std::uint32_t truncated, unsigned length, std::uint64_t expected) {
  const std::uint64_t window = std::uint64_t{1} << length * 8;
  const std::uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + window / 2 <= expected && candidate < (std::uint64_t{1} << 62) - window) return candidate + window;
  return candidate > expected + window / 2 && candidate >= window ? candidate - window : candidate;
}

/// The sealed text of an opened packet, decrypted byte after byte: no second buffer is needed. Reading past the end
/// fails, yields zeros and stays failed.
class quic_plain_text {
 public:
  quic_plain_text(aes128_gcm& cipher, bytes sealed) : cipher_(cipher), sealed_(sealed) {}

  bool failed() const { return failed_; }
  std::size_t left() const { return sealed_.length - at_; }
  /// The byte `ahead` of the next one, 0 where there is none. Cheap in ascending order.
  std::uint8_t peek(std::size_t ahead) {
    return ahead < left() ? cipher_.plain(at_ + ahead, sealed_.data[at_ + ahead]) : std::uint8_t{0};
  }
  std::uint8_t u8() {
    const std::uint8_t octet = peek(0);
    skip(1);
    return octet;
  }
  std::uint64_t integer() {
    return detail::quic_integer([this] { return u8(); });
  }
  void skip(std::size_t count) {
    failed_ = failed_ || count > left();
    at_ = failed_ ? sealed_.length : at_ + count;
  }

 private:
  aes128_gcm& cipher_;
  bytes sealed_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

/// Calls visit(offset, length, fetch) for each CRYPTO frame until it returns false; fetch(at) yields a byte of it. Ends
/// at a frame that Initial packets do not carry, or that does not fit [RFC 9000 17.2.2, 19].
template <class Visit> void for_each_crypto_frame(quic_plain_text& plain, Visit&& visit) {
  enum frame_type : std::uint64_t { padding = 0, ping = 1, ack = 2, ack_ecn = 3, crypto = 6 };
  while (plain.left() != 0) {
    if (plain.peek(0) == padding) {  // most bytes are
      plain.skip(1);
      continue;
    }
    const std::uint64_t type = plain.integer();
    if (type == padding || type == ping) continue;  // padding in more than one byte
    if (type == ack || type == ack_ecn) {
      // Largest acknowledged, delay, count of ranges, first range; the ranges; the counts of ECN [RFC 9000 19.3].
      plain.integer(), plain.integer();
      std::uint64_t ranges = plain.integer();
      plain.integer();
      for (; ranges != 0 && !plain.failed(); --ranges) plain.integer(), plain.integer();  // two bytes or more
      for (unsigned counts = type == ack_ecn ? 3 : 0; counts != 0; --counts) plain.integer();
    } else if (type == crypto) {  // [RFC 9000 19.6]
      const std::uint64_t offset = plain.integer(), length = plain.integer();
      if (plain.failed() || length > plain.left()) return;
      const auto fetch = [&plain](std::size_t at) { return plain.peek(at); };
      if (!visit(offset, static_cast<std::size_t>(length), fetch)) return;
      plain.skip(static_cast<std::size_t>(length));
    } else {
      return;
    }
  }
}

/// The part of an Initial packet's header that is protected, laid open [RFC 9001 5.4].
struct quic_protected_header {
  std::uint64_t packet_number;
  std::uint8_t first;          ///< first byte of the packet
  std::uint8_t number_length;  ///< of the packet number, 1 to 4
  std::uint8_t number_octets[4];
};

/// Takes header protection off a packet whose `body` was captured. `expected` is one more than the largest packet
/// number so far.
JOYFULJAY_OWN_FRAME inline void unprotect_quic_header(const quic_packet& p, const quic_keys& keys,
                                                      std::uint64_t expected, quic_protected_header& out) {
  std::uint8_t sample[aes128::block_length], mask[aes128::block_length];
  std::memcpy(sample, p.body.data + sizeof out.number_octets, sizeof sample);
  aes128(keys.header_protection).encrypt(sample, mask);
  out.first = static_cast<std::uint8_t>(p.first ^ (mask[0] & 0x0F));
  out.number_length = static_cast<std::uint8_t>((out.first & 3) + 1);
  std::uint32_t truncated = 0;
  for (unsigned at = 0; at < out.number_length; ++at) {
    out.number_octets[at] = static_cast<std::uint8_t>(p.body.data[at] ^ mask[at + 1]);
    truncated = truncated << 8 | out.number_octets[at];
  }
  out.packet_number = decode_quic_packet_number(truncated, out.number_length, expected);
}

namespace detail {

/// The packet number worked into the initialisation vector [RFC 9001 5.3].
struct quic_nonce {
  std::uint8_t octets[aes128_gcm::nonce_length];

  quic_nonce(const std::uint8_t (&iv)[aes128_gcm::nonce_length], std::uint64_t number) {
    std::memcpy(octets, iv, sizeof octets);
    for (unsigned at = 0; at < 8; ++at) octets[11 - at] ^= static_cast<std::uint8_t>(number >> 8 * at);
  }
};

}  // namespace detail

/// An Initial packet whose `body` was captured, and the keys that may open it. About 550 bytes.
class quic_initial {
 public:
  quic_initial(const quic_packet& p, const quic_protected_header& header, const quic_keys& keys)
      : sealed_(p.body.after(header.number_length)),
        cipher_(keys.key, detail::quic_nonce(keys.iv, header.packet_number).octets) {
    cipher_.authenticate({&header.first, 1});  // [RFC 9001 5.3]
    cipher_.authenticate(p.header.after(1));
    cipher_.authenticate({header.number_octets, header.number_length});
  }
  /// Whether the tag fits. To be asked once, before anything is read.
  bool is_genuine() { return cipher_.is_genuine(sealed_); }
  quic_plain_text plain_text() { return {cipher_, sealed_.first(sealed_.length - aes128_gcm::tag_length)}; }

 private:
  bytes sealed_;
  aes128_gcm cipher_;
};

/// Bytes of a stream laid into a window in any order; the first that comes for a place stays. Starts as zero bytes.
/// `Pieces`: how many stretches with gaps between them it can tell apart.
template <std::size_t Size, std::size_t Pieces = 32> struct byte_window {
  static_assert(Size < 65536 && Pieces > 0, "joyfuljay: a byte_window has 1 to 65535 bytes and at least one piece");
  struct piece {
    std::uint16_t begin, end;
  };
  piece pieces[Pieces];  ///< sorted, with gaps between them
  std::uint16_t piece_count;
  std::uint8_t octets[Size];

  void clear() { piece_count = 0; }
  /// What came without a gap from the start on.
  bytes contiguous() const {
    const bool started = piece_count != 0 && pieces[0].begin == 0;
    return {octets, started ? pieces[0].end : std::size_t{0}};
  }
  /// Lays fetch(0) to fetch(length - 1) from `offset` on; what lies beyond the window is ignored. False when there are
  /// too many gaps: nothing is taken then. At most `Pieces` steps, and one for each byte.
  template <class Fetch> bool add(std::uint64_t offset, std::size_t length, Fetch&& fetch) {
    if (offset >= Size || length == 0) return true;
    const std::size_t begin = static_cast<std::size_t>(offset);
    const std::size_t end = begin + (length < Size - begin ? length : Size - begin);
    const auto fill = [&](std::size_t from, std::size_t to) {
      for (std::size_t at = from; at < to; ++at) octets[at] = fetch(at - begin);
    };
    // The pieces [first, last) overlap or touch the new one and become one with it.
    std::size_t first = 0;
    while (first < piece_count && pieces[first].end < begin) ++first;
    std::size_t last = first, filled = begin;
    for (; last < piece_count && pieces[last].begin <= end; ++last) {
      fill(filled, pieces[last].begin);
      if (pieces[last].end > filled) filled = pieces[last].end;
    }
    if (first == last && piece_count == Pieces) return false;
    fill(filled, end);
    replace(first, last, begin, end);
    return true;
  }

 private:
  void replace(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
    if (first != last) {
      if (pieces[first].begin < begin) begin = pieces[first].begin;
      if (pieces[last - 1].end > end) end = pieces[last - 1].end;
    }
    std::memmove(pieces + first + 1, pieces + last, (piece_count - last) * sizeof(piece));
    pieces[first] = {static_cast<std::uint16_t>(begin), static_cast<std::uint16_t>(end)};
    piece_count = static_cast<std::uint16_t>(piece_count + 1 - (last - first));
  }
};

/// Which values the spin bit had in short-header packets, by direction [RFC 9000 17.4]. One byte; starts as zero.
struct spin_watch {
  std::uint8_t seen;  ///< two bits a direction: a zero, a one

  void note(direction dir, std::uint8_t first_byte) {
    const unsigned value = (first_byte & 0x20) != 0 ? 2 : 1;
    seen = static_cast<std::uint8_t>(seen | value << 2 * dir);
  }
  void note(const spin_watch& other) { seen = static_cast<std::uint8_t>(seen | other.seen); }
  /// Whether the bit changed within a direction.
  bool spins() const { return (seen & 3) == 3 || (seen & 12) == 12; }
};

/// What a flow shows of QUIC in numbers. Starts as zero bytes.
struct quic_facts {
  std::uint32_t versions[2];  ///< of the first long header of a known version, by direction; 0: none yet
  std::uint32_t initial_packets;
  std::uint8_t destination_id_length, source_id_length;
  std::uint8_t packet_number_length;  ///< of the first Initial that was opened, 1 to 4; 0: none yet
  std::uint8_t connections;           ///< client Destination Connection IDs that opened a packet
  direction client;                   ///< of the first of them; the initiator until then
  spin_watch spin;
  bool detected;         ///< a long header of a known version, a negotiation or a reserved version was seen
  bool has_long_header;  ///< the first of these
  bool zero_rtt, retry;
  bool has_hello;   ///< a whole and well-formed ClientHello was seen
  bool hello_lost;  ///< bytes of one were dropped for want of a window or of pieces in it

  /// The answering side's version is the one that both agreed on. 0 when only negotiations were seen.
  std::uint32_t version() const {
    const std::uint32_t answer = versions[client == fwd ? bwd : fwd];
    return answer != 0 ? answer : versions[client];
  }
  /// Whether a further Initial packet would be opened: until then windows are needed.
  bool opens_more(std::uint32_t max_initials) const { return !has_hello && initial_packets < max_initials; }

  void note(const quic_packet& p, direction dir) {
    if (p.type == quic_packet_type::one_rtt) return spin.note(dir, p.first);
    const bool is_known = p.type != quic_packet_type::negotiation && p.type != quic_packet_type::reserved;
    if (!detected || (is_known && !has_long_header)) {
      destination_id_length = static_cast<std::uint8_t>(p.destination_id.length);
      source_id_length = static_cast<std::uint8_t>(p.source_id.length);
    }
    detected = true;
    if (!is_known) return;
    has_long_header = true;
    if (versions[dir] == 0) versions[dir] = p.version;
    zero_rtt = zero_rtt || p.type == quic_packet_type::zero_rtt;
    retry = retry || p.type == quic_packet_type::retry;
    if (p.type == quic_packet_type::initial && initial_packets != 0xFFFFFFFF) ++initial_packets;
  }
};

/// The keys of a client-chosen Destination Connection ID, as far as they must be remembered. Starts as zero bytes.
struct quic_connection {
  std::uint64_t expected[2];  ///< by side: one more than the largest packet number opened so far
  std::uint8_t id[detail::longest_quic_id];
  std::uint8_t id_length;
  direction client;

  void start(bytes destination_id, direction client_direction) {
    *this = {};
    id_length = static_cast<std::uint8_t>(destination_id.length);
    if (id_length != 0) std::memcpy(id, destination_id.data, id_length);
    client = client_direction;
  }
  bool is_of(bytes destination_id, direction client_direction) const {
    return client == client_direction && id_length == destination_id.length &&
           (id_length == 0 || std::memcmp(id, destination_id.data, id_length) == 0);
  }
};

namespace detail {

/// Whether the datagram opens with a short header and so is one packet or none [RFC 9000 12.2], of which only the spin
/// bit is of interest: nearly all datagrams of a long flow.
inline bool note_short_header(const packet& p, spin_watch& spin) {
  if (p.payload.empty() || p.payload_len == 0 || (p.payload.data[0] & 0x80) != 0) return false;
  if ((p.payload.data[0] & 0x40) != 0 && p.payload_len >= shortest_one_rtt) spin.note(p.dir, p.payload.data[0]);
  return true;
}

}  // namespace detail

/// For flows that are not QUIC yet: whether this datagram makes them so. If not, it is noted for the spin bit alone;
/// if so, it is to be read with `read_quic`.
inline bool starts_quic(const packet& p, spin_watch& spin) {
  if (p.is_later_fragment || detail::note_short_header(p, spin)) return false;
  detail::quic_datagram datagram(p.payload, p.payload_len, false);
  quic_packet first;
  return datagram.next(first);
}

namespace detail {

/// The body of the ClientHello that a stream of handshake messages opens with; empty until it is whole [RFC 8446 4].
inline bytes whole_client_hello(bytes stream) {
  reader input(stream);
  const auto header = input.take<4>();
  const std::size_t length = header.u32<0>() & 0xFFFFFF;
  if (input.failed() || header.u8<0>() != 1 || length > input.left()) return {};
  return input.rest().first(length);
}

/// Opens the Initial packets of one datagram.
template <std::size_t Count, class Windows, class OnHello> struct quic_opener {
  quic_facts& facts;
  quic_connection (&connections)[Count];
  Windows& window_of;
  OnHello& on_hello;
  packet_effort& effort;
  quic_key_cache& cache;
  direction dir;

  /// As a packet of the connections known so far, and as the first of a new client. At most one of these keys fits, so
  /// the likeliest are tried first: for a client's packet that of its own Destination Connection ID, unless that is new
  /// because the server chose it, which leaves the keys as they are but after a Retry [RFC 9001 5.2]; for a server's that
  /// of the newest connection. A client whose packet numbers start anew under a known ID is not opened.
  JOYFULJAY_OWN_FRAME void open(const quic_packet& p) {
    if (p.body.empty()) return;
    const unsigned known = facts.connections;
    unsigned own = 0;
    while (own < known && !connections[own].is_of(p.destination_id, dir)) ++own;
    if (own == known && own < Count) connections[own].start(p.destination_id, dir);
    const bool own_first = dir == facts.client && (own < known || known == 0 || facts.retry);
    if (own_first && own < Count && open(p, own)) return;
    for (unsigned number = known; number-- > 0;)
      if (number != own && open(p, number)) return;
    if (!own_first && own < Count) open(p, own);
  }

 private:
  bool open(const quic_packet& p, unsigned number) {
    const bool has_keys = cache.version == p.version && cache.connection == number;
    const std::uint64_t of_text = std::uint64_t{packet_effort::of_sealed_byte} * p.body.length;
    if (!effort.spend(of_text + (has_keys ? 0 : packet_effort::of_keys))) {
      facts.hello_lost = true;
      return false;
    }
    quic_connection& connection = connections[number];
    const quic_side side = dir == connection.client ? from_client : from_server;
    if (!has_keys) derive_quic_keys(p.version, {connection.id, connection.id_length}, side, cache.keys);
    cache.version = p.version;
    cache.connection = number;
    quic_protected_header header;
    unprotect_quic_header(p, cache.keys, connection.expected[side], header);
    bytes hello;
    if (!read(p, header, side, number, hello)) return false;
    if (facts.packet_number_length == 0) facts.packet_number_length = header.number_length;
    if (header.packet_number >= connection.expected[side]) connection.expected[side] = header.packet_number + 1;
    if (facts.connections == 0) facts.client = dir;
    if (facts.connections == number) ++facts.connections;
    if (!hello.empty()) facts.has_hello = on_hello(hello, number);  // last: it may overwrite the connections
    return true;
  }
  /// False unless the tag fits.
  JOYFULJAY_OWN_FRAME bool read(const quic_packet& p, const quic_protected_header& header, quic_side side,
                                unsigned number, bytes& hello) {
    quic_initial initial(p, header, cache.keys);
    if (!initial.is_genuine()) return false;
    if (side != from_client) return true;
    if (effort.spend(std::uint64_t{packet_effort::of_plain_byte} * p.body.length))
      hello = take_crypto(initial.plain_text(), number);
    else
      facts.hello_lost = true;
    return true;
  }
  /// Lays CRYPTO bytes into the connection's window. The ClientHello's body once it is whole.
  bytes take_crypto(quic_plain_text plain, unsigned number) {
    decltype(window_of(number)) window = nullptr;
    bytes hello;
    for_each_crypto_frame(plain, [&](std::uint64_t offset, std::size_t length, const auto& fetch) {
      if (window == nullptr) window = window_of(number);
      const bool is_affordable = effort.spend(packet_effort::of_crypto_frame);
      if (!is_affordable || window == nullptr) return facts.hello_lost = true, false;
      const bool is_taken = window->add(offset, length, fetch);
      if (!is_taken || offset + length > sizeof window->octets) facts.hello_lost = true;
      hello = whole_client_hello(window->contiguous());
      return hello.empty();  // what follows a whole hello is not worth its decryption
    });
    return hello;
  }
};

}  // namespace detail

/// Reads one UDP datagram of a flow.
///   window_of(unsigned connection)             a pointer to the byte_window that this connection has or gets, null
///                                              when there is none; called when CRYPTO bytes are to be laid into it
///   on_hello(bytes body, unsigned connection)  whether the ClientHello is well-formed. When it says true, windows and
///                                              `connections` are not touched again: its results may lie there
/// Nothing is opened once there was a well-formed hello, nor behind the first `MaxInitials` Initials of the flow. An
/// Initial costs at most `Connections` + 1 attempts, as far as `effort` goes.
template <std::uint32_t MaxInitials, std::size_t Connections, class Windows, class OnHello>
void read_quic(const packet& p, quic_facts& facts, quic_connection (&connections)[Connections], packet_effort& effort,
               quic_key_cache& cache, Windows&& window_of, OnHello&& on_hello) {
  if (p.is_later_fragment || detail::note_short_header(p, facts.spin)) return;
  detail::quic_opener<Connections, std::remove_reference_t<Windows>, std::remove_reference_t<OnHello>> opener{
      facts, connections, window_of, on_hello, effort, cache, p.dir};
  cache.version = 0;
  walk_quic_datagram(p.payload, p.payload_len, facts.has_long_header, [&](const quic_packet& found) {
    const bool is_opened = found.type == quic_packet_type::initial && facts.opens_more(MaxInitials);
    facts.note(found, p.dir);
    if (is_opened)
      opener.open(found);
    else if (found.type == quic_packet_type::initial && !facts.has_hello)
      facts.hello_lost = true;
  });
}

// ---- 8.3 SSH [RFC 4253]

/// An identification line [RFC 4253 4.2]. Views borrow the line.
struct ssh_identification {
  bytes version, software;

  /// `rest` is what follows "SSH-", up to 251 bytes of it. False when it is no identification line (yet).
  bool parse(bytes rest) {
    const auto is_digit = [](std::uint8_t c) { return c >= '0' && c <= '9'; };
    const auto is_space = [](std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
    std::size_t at = 0;
    const auto digits = [&] {
      const std::size_t begin = at;
      while (at < rest.length && is_digit(rest.data[at])) ++at;
      return at > begin;
    };
    const auto is = [&](char c) { return at < rest.length && rest.data[at] == static_cast<std::uint8_t>(c); };
    if (!digits() || !is('.')) return false;
    ++at;
    if (!digits() || !is('-')) return false;
    version = rest.first(at);
    ++at;
    while (at < rest.length && is_space(rest.data[at]) && !is('\r') && !is('\n')) ++at;
    const std::size_t begin = at;
    while (at < rest.length && !is_space(rest.data[at])) ++at;
    software = rest.first(at).after(begin);
    return true;
  }
  /// Whether binary packets follow the line: versions 1.99, 2.0 and above.
  bool has_packets() const {
    const auto starts = [this](const char* with, std::size_t length) {
      return version.length >= length && std::memcmp(version.data, with, length) == 0;
    };
    return !starts("1.", 2) || (version.length == 4 && starts("1.99", 4));
  }
};

/// HASSH (Salesforce, 2018): MD5 over four name-lists of a KEXINIT [RFC 4253 7.1]. `lists` is the message behind its
/// cookie. False when a list does not fit.
inline bool hassh_of(bytes lists, bool of_server, std::uint8_t (&out)[md5::digest_length]) {
  // key exchange, then encryption, MAC and compression of the sender's direction
  const unsigned wanted = of_server ? 1u << 0 | 1u << 3 | 1u << 5 | 1u << 7 : 1u << 0 | 1u << 2 | 1u << 4 | 1u << 6;
  reader input(lists);
  md5 digest;
  for (unsigned number = 0; number < 8; ++number) {
    const bytes list = input.vector<4>();
    if (input.failed()) return false;
    if ((wanted >> number & 1) == 0) continue;
    if (number != 0) digest.update(std::uint8_t{';'});
    digest.update(list);
  }
  digest.finish(out);
  return true;
}

// ---- 8.4 DNS [RFC 1035]
// Messages in; the first query and its response out. Names are walked with the traps of RFC 9267 in mind: pointers only
// go back, names end after 255 bytes, and all the names of a message together have a number of steps to go.

/// The second word of a header [RFC 1035 4.1.1].
namespace dns_flag {
inline constexpr std::uint16_t response = 0x8000, truncated = 0x0200, recursion_desired = 0x0100,
                               recursion_available = 0x0080;
constexpr unsigned opcode_of(std::uint16_t flags) { return flags >> 11 & 15u; }
constexpr unsigned rcode_of(std::uint16_t flags) { return flags & 15u; }
}  // namespace dns_flag

/// A message, as far as it was read.
struct dns_message {
  std::uint16_t id, flags;                       ///< as in the header
  std::uint16_t answers, authority, additional;  ///< counts of the header
  std::uint16_t question_type;                   ///< of the first question
  bool has_question;
  bool has_ttl;                    ///< an answer was read
  std::uint32_t min_ttl, max_ttl;  ///< over the answers of a response, seconds

  bool is_response() const { return (flags & dns_flag::response) != 0; }
};

namespace detail {

inline constexpr std::size_t longest_dns_message = 65535;  // [RFC 1035 4.2.2]
inline constexpr std::size_t dns_header_length = 12;       // [RFC 1035 4.1.1]; the first question follows
inline constexpr unsigned longest_dns_name = 255;          // length bytes included [RFC 1035 3.1]

inline bool is_dns_opcode(unsigned opcode) {  // query, inverse, status, notify, update, stateful operations (IANA)
  return opcode <= 6 && opcode != 3;
}

/// The end of a name that a pointer led to and that was found to be well formed: names that follow often share it.
struct dns_suffix {
  std::size_t offset;
  unsigned length;  ///< length bytes included, without that of the root; `none`: there is no suffix yet

  static constexpr unsigned none = 255;
};

/// Walks a name from `at` on and leaves `at` behind it. `effort` pays for it; null for a name that ends by itself.
template <class Visit>
bool walk_dns_name(bytes message, std::size_t& at, dns_suffix& known, packet_effort* effort, Visit&& visit_label) {
  std::size_t here = at;
  std::size_t run = at;                    // where the labels being read start: a pointer goes before them [RFC 9267 2]
  dns_suffix suffix{0, dns_suffix::none};  // offset: the first pointer's target; length: what comes before it
  unsigned length = 1;
  for (;;) {
    if (here >= message.length || (effort != nullptr && !effort->spend_dns_step())) return false;
    const unsigned label = message.data[here++];
    if (label >= 0xC0) {  // [RFC 1035 4.1.4]
      if (here == message.length) return false;
      const std::size_t target = (label & 0x3Fu) << 8 | message.data[here++];
      if (target >= run) return false;
      if (suffix.length == dns_suffix::none) {
        at = here;
        if (known.length != dns_suffix::none && known.offset == target)
          return length + known.length <= longest_dns_name;
        suffix = {target, length};
      }
      here = run = target;
    } else if (label > 63) {
      return false;
    } else if (label == 0) {
      if (suffix.length == dns_suffix::none)
        at = here;
      else
        known = {suffix.offset, length - suffix.length};
      return true;
    } else {
      length += 1 + label;
      if (length > longest_dns_name || label > message.length - here) return false;
      visit_label(bytes{message.data + here, label});
      here += label;
    }
  }
}

/// Walks the records of one message.
class dns_parser {
 public:
  explicit dns_parser(bytes message) : message_(message.first(longest_dns_message)) {}

  /// Header and first question, whose name ends by itself: labels lie in the message, and in front of it are 12 bytes.
  /// False when the message is none of DNS.
  bool parse_head(dns_message& out) {
    reader input(message_);
    const auto header = input.take<dns_header_length>();
    if (input.failed()) return false;
    out = {};
    out.id = header.u16<0>();
    out.flags = header.u16<2>();
    out.answers = header.u16<6>();
    out.authority = header.u16<8>();
    out.additional = header.u16<10>();
    questions_ = header.u16<4>();
    if (!is_dns_opcode(dns_flag::opcode_of(out.flags))) return false;
    if ((questions_ | out.answers | out.authority | out.additional) == 0 && !out.is_response()) return false;
    at_ = dns_header_length;
    if (questions_ == 0) return true;
    block<4> fields(zeros);
    if (!skip_name(nullptr) || !take(fields)) return false;
    out.question_type = fields.u16<0>();
    return out.has_question = true;
  }
  /// The answers of a response, after its head. False when `effort` ends before them.
  bool parse_answers(dns_message& out, packet_effort& effort) {
    if (skip_questions(effort)) read_answers(out, effort);
    return !effort.ran_out_of_dns_steps();
  }

 private:
  bool skip_name(packet_effort* effort) {
    return walk_dns_name(message_, at_, known_, effort, [](bytes) {});
  }
  /// The next `Length` bytes, when they are there.
  template <std::size_t Length> bool take(block<Length>& out) {
    if (at_ > message_.length || message_.length - at_ < Length) return false;
    out = block<Length>(message_.data + at_);
    at_ += Length;
    return true;
  }
  bool skip_questions(packet_effort& effort) {  // [RFC 1035 4.1.2], five bytes or more each
    block<4> fields(zeros);
    for (unsigned number = 1; number < questions_; ++number)
      if (!skip_name(&effort) || !take(fields)) return false;
    return true;
  }
  void read_answers(dns_message& out, packet_effort& effort) {  // [RFC 1035 4.1.3], eleven bytes or more each
    block<10> fields(zeros);
    for (unsigned number = 0; number < out.answers && skip_name(&effort) && take(fields); ++number) {
      const std::uint32_t ttl = fields.u32<4>();
      if (!out.has_ttl || ttl < out.min_ttl) out.min_ttl = ttl;
      if (!out.has_ttl || ttl > out.max_ttl) out.max_ttl = ttl;
      out.has_ttl = true;
      at_ += fields.u16<8>();
    }
  }

  bytes message_;
  std::size_t at_ = 0;
  unsigned questions_ = 0;
  dns_suffix known_{0, dns_suffix::none};
};

}  // namespace detail

/// False for what is not DNS: too short, an unknown operation, a query without records, a first question that is not
/// whole. What is wrong behind the first question ends the reading and no more, and so do the steps of default_config.
inline bool parse_dns(bytes message, dns_message& out) {
  detail::dns_parser parser(message);
  packet_effort effort = packet_effort::of_packet<default_config>();
  if (!parser.parse_head(out)) return false;
  if (out.is_response()) parser.parse_answers(out, effort);
  return true;
}

/// Calls put(char) for the characters of the first question's name, at most 253: labels as they are, dots between
/// them, `?` for what is not printable ASCII. `message` is one that `parse_dns` found to have a question.
template <class Put> void write_dns_question_name(bytes message, Put&& put) {
  std::size_t at = detail::dns_header_length;
  detail::dns_suffix none{0, detail::dns_suffix::none};
  bool is_first = true;
  detail::walk_dns_name(message, at, none, nullptr, [&](bytes label) {
    if (!is_first) put('.');
    is_first = false;
    for (std::size_t i = 0; i < label.length; ++i) {
      const std::uint8_t octet = label.data[i];
      put(octet >= 0x20 && octet <= 0x7E ? static_cast<char>(octet) : '?');
    }
  });
}

/// "A", "AAAA", "TYPE4711" [RFC 1035 3.2.2, RFC 3596, RFC 2782, RFC 9460, RFC 3597 5].
inline text<9> dns_type_name(std::uint16_t type) {
  struct entry {
    std::uint16_t type;
    char name[6];
  };
  static constexpr entry entries[] = {{1, "A"},    {2, "NS"},    {5, "CNAME"}, {6, "SOA"},    {12, "PTR"}, {15, "MX"},
                                      {16, "TXT"}, {28, "AAAA"}, {33, "SRV"},  {65, "HTTPS"}, {255, "ANY"}};
  text<9> name;
  for (const entry& known : entries)
    if (known.type == type) name.append(known.name);
  if (name.length != 0) return name;
  name.append("TYPE");
  name.append_decimal(type);
  return name;
}

/// "NOERROR", "NXDOMAIN", "RCODE9" [RFC 1035 4.1.1].
inline text<8> dns_rcode_name(unsigned rcode) {
  static constexpr char names[][9] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
  text<8> name;
  if (rcode < sizeof names / sizeof names[0]) {
    name.append(names[rcode]);
  } else {
    name.append("RCODE");
    name.append_decimal(rcode);
  }
  return name;
}

/// One exchange of a flow: Q is its first query, R the first response with Q's ID, else the first response. Starts as
/// zero bytes.
///
/// "First" is by arrival in UDP; in TCP the initiator's messages come before the responder's, whenever they arrive. Two
/// things are not remembered: of the responses that arrive before Q all but the first, and R's question when a query
/// without one takes Q's place.
struct dns_facts {
  std::uint32_t min_ttl, max_ttl;  ///< of R, seconds; 0 without answers
  std::uint16_t query_id, query_flags, response_id, response_flags;
  std::uint16_t answers, authority, additional;  ///< of R
  std::uint16_t question_type;                   ///< of Q, else of R
  bool has_query, has_response;
  bool has_question;                       ///< Q or R has one; its name is the one that the reader said was to be kept
  bool is_querys_question;                 ///< it is Q's
  std::uint8_t query_rank, response_rank;  ///< lower is earlier, whenever it arrives

  enum outcome : std::uint8_t { none, valid, invalid };
  outcome first_message[2];  ///< TCP: the first message of each direction

  /// TCP flows whose first message is not valid are not DNS.
  bool detected() const {
    const outcome first = first_message[fwd] != none ? first_message[fwd] : first_message[bwd];
    return first != invalid && (has_query || has_response);
  }
  bool truncated() const { return ((has_response ? response_flags : query_flags) & dns_flag::truncated) != 0; }
  bool recursion_desired() const {
    return ((has_query ? query_flags : response_flags) & dns_flag::recursion_desired) != 0;
  }
  bool recursion_available() const { return (response_flags & dns_flag::recursion_available) != 0; }
  unsigned rcode() const { return dns_flag::rcode_of(response_flags); }
};

/// Feeds messages to dns_facts. Both functions return whether the first question of this message is the one to show:
/// its name is to be written (`write_dns_question_name`) over the one kept so far. A name only counts while
/// `has_question`.
class dns_reader {
 public:
  dns_reader(dns_facts& facts, packet_effort& effort) : facts_(facts), effort_(effort) {}

  /// Whether the effort ended before the answers that the TTLs are of.
  bool was_cut() const { return was_cut_; }
  /// The payload of a UDP packet.
  bool datagram(bytes message) {
    dns_message m;
    detail::dns_parser parser(message);
    return parser.parse_head(m) && take(m, 0, parser);
  }
  /// One message of a TCP stream, without its length, in the order of its direction.
  bool stream_message(bytes message, direction dir) {
    dns_message m;
    detail::dns_parser parser(message);
    const bool is_valid = parser.parse_head(m);
    if (facts_.first_message[dir] == dns_facts::none)
      facts_.first_message[dir] = is_valid ? dns_facts::valid : dns_facts::invalid;
    return is_valid && take(m, dir == fwd ? 0 : 1, parser);
  }

 private:
  bool take(dns_message& m, std::uint8_t rank, detail::dns_parser& parser) {
    return m.is_response() ? take_response(m, rank, parser) : take_query(m, rank);
  }
  bool take_query(const dns_message& m, std::uint8_t rank) {
    if (facts_.has_query && rank >= facts_.query_rank) return false;
    facts_.has_query = true;
    facts_.query_id = m.id;
    facts_.query_flags = m.flags;
    facts_.query_rank = rank;
    if (m.has_question) return show_question(m, true);
    if (facts_.is_querys_question) facts_.has_question = facts_.is_querys_question = false;
    return false;
  }
  /// Answers are only read of a response that counts.
  bool take_response(dns_message& m, std::uint8_t rank, detail::dns_parser& parser) {
    if (facts_.has_response) {
      const bool old_fits = fits(facts_.response_id), new_fits = fits(m.id);
      if (old_fits != new_fits ? old_fits : rank >= facts_.response_rank) return false;
    }
    was_cut_ = !parser.parse_answers(m, effort_);
    facts_.has_response = true;
    facts_.response_id = m.id;
    facts_.response_flags = m.flags;
    facts_.response_rank = rank;
    facts_.answers = m.answers;
    facts_.authority = m.authority;
    facts_.additional = m.additional;
    facts_.min_ttl = m.min_ttl;
    facts_.max_ttl = m.max_ttl;
    return !facts_.is_querys_question && show_question(m, false);
  }
  bool fits(std::uint16_t response_id) const { return facts_.has_query && facts_.query_id == response_id; }
  bool show_question(const dns_message& m, bool is_querys) {
    facts_.has_question = m.has_question;
    facts_.is_querys_question = is_querys;
    facts_.question_type = m.question_type;
    return m.has_question;
  }
  dns_facts& facts_;
  packet_effort& effort_;
  bool was_cut_ = false;
};

// ---- 9. Handshakes -----------------------------------------------------------------------------------------------
// Packets in, records out: what a flow learned from the messages in the clear at its beginning. A stream is read in
// order, byte by byte or whole segments alike, by small state machines that remember where in a record or message they
// are. A message that lies in one segment is parsed where it lies; only what is incomplete, or came too early, is kept,
// in one of a few handshake buffers. A buffer that is wanted elsewhere, a hole that does not close and a message that
// does not fit cost the flow its handshake (`handshake_dropped`) and nothing else.
//
// The rules of the streams are those of the reference: offset 0 is the byte behind the latest SYN, or the first payload
// seen; a byte that is there is never replaced, whatever a retransmission carries; the first 16,384 bytes of a
// direction are looked at; packets with RST and later fragments have no part in it.

/// Which handshake a record holds. `undecided` keeps early segments of a stream whose first bytes are still to come.
enum class handshake_protocol : std::uint8_t { none, undecided, tls, quic, ssh, dns };

namespace detail {

inline constexpr std::uint16_t stream_window = 16384;  ///< bytes of a direction that are looked at

/// A string from the wire: printable ASCII stands for itself, every other byte becomes "?". Starts as zero bytes.
template <std::size_t Capacity> struct wire_text {
  static_assert(Capacity >= 8 && Capacity <= 255, "joyfuljay: Config::max_name and max_protocol_name must be 8 to 255");
  std::uint8_t length;
  char characters[Capacity];

  /// True when something had to be cut that 255 bytes would have held.
  bool assign(bytes from) {
    length = static_cast<std::uint8_t>(from.first(Capacity).length);
    for (std::size_t at = 0; at < length; ++at) {
      const std::uint8_t octet = from.data[at];
      characters[at] = octet >= 0x20 && octet <= 0x7E ? static_cast<char>(octet) : '?';
    }
    return from.first(255).length > length;
  }
  text_view view() const { return {characters, length}; }
};

/// Whether a packet was counted for a unit of the protocol, or waits for the end of the header that its bytes are in.
enum class tally : std::uint8_t { open, waiting, counted };

/// One packet on its way through a stream.
struct passing_packet {
  bool from_client, on_dns_port;
  tally state;
  bool in_header;  ///< brought bytes of a header that is not complete yet
  bool settles;    ///< this run of its bytes completed the header that others wait for
  tally outcome;   ///< what became of those

  /// Passes the outcome on to another packet.
  void tell(tally& other) const {
    if (settles && other == tally::waiting) other = outcome;
  }
};

/// Counts packets that bring bytes of certain units (handshake records, key exchange packets), which only a complete
/// header can tell. Starts as zero bytes.
struct unit_counter {
  std::uint32_t packets : 29;
  std::uint32_t waiting : 3;  ///< packets whose bytes so far all stand in the incomplete header, of at most 6 bytes

  void count(passing_packet& now) {
    if (now.state != tally::counted) ++packets;
    now.state = tally::counted;
  }
  void header_is_complete(passing_packet& now, bool wanted) {
    if (!now.settles) now.outcome = wanted ? tally::counted : tally::open;
    now.settles = true;
    now.tell(now.state);
    if (wanted) {
      packets = (packets + waiting) & 0x1FFFFFFFu;
      count(now);
    }
    waiting = 0;
    now.in_header = false;
  }
  /// Behind each run of a packet's bytes.
  void run_is_over(passing_packet& now) {
    if (now.in_header && now.state == tally::open) {
      ++waiting;
      now.state = tally::waiting;
    }
    now.in_header = false;
  }
};

/// Where a direction of a TCP flow is read. Part of the slot.
struct stream_position {
  enum place : std::uint8_t { before_syn, behind_syn, at_start, between_lines, in_record, over };
  std::uint32_t next_sequence;  ///< of the next byte to read; before the first payload: of the byte behind the SYN
  std::uint16_t read;           ///< bytes read
  place stage;
  std::uint8_t letters;  ///< between lines: how many of "SSH-" the line began with, or `inside_line`

  static constexpr std::uint8_t inside_line = 0xFF;
};

/// Where "SSH-" begins a line [RFC 4253 4.2]: the offset behind it, or the length of the run when it does not come.
/// `letters` goes on from run to run. Lines count that start within the first 1,024 bytes of the stream.
inline constexpr std::uint32_t last_ssh_line_start = 1024;
inline std::size_t find_ssh_line(bytes run, std::uint32_t offset, std::uint8_t& letters, bool& found) {
  found = false;
  for (std::size_t at = 0; at < run.length; ++at) {
    if (letters == 0 && offset + at > last_ssh_line_start) letters = stream_position::inside_line;
    if (letters == stream_position::inside_line) {  // where it ends nothing may begin, or the next line
      if (offset + at >= last_ssh_line_start) break;
      const void* const end = std::memchr(run.data + at, '\n', run.length - at);
      if (end == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - run.data);
    }
    const std::uint8_t octet = run.data[at];
    if (letters != stream_position::inside_line && octet == static_cast<std::uint8_t>("SSH-"[letters])) {
      if (++letters == 4) return found = true, at + 1;
    } else {
      letters = octet == '\n' ? std::uint8_t{0} : stream_position::inside_line;
    }
  }
  return run.length;
}

}  // namespace detail

/// What a TLS handshake told. Starts as zero bytes.
struct tls_facts {
  enum opening : std::uint8_t { neither, client, server };

  std::uint8_t ja3[md5::digest_length], ja3s[md5::digest_length];
  ja4_fingerprint ja4;
  opening opens_with[2];  ///< the hello that the direction's stream opens with
  std::uint8_t session_id_length;
  bool has_client_hello : 1, has_server_hello : 1, server_hello_is_retry : 1;
  bool has_ja3 : 1, has_ja3s : 1;  ///< JA3 and JA4; no hello was too long for that
  bool has_ticket : 1, has_psk : 1, has_early_data : 1, offers_share : 1, server_has_psk : 1, server_has_share : 1,
      same_session_id : 1;
  bool has_certificate : 1, has_key_exchange : 1, has_hello_done : 1, has_cipher_change : 1,
      cipher_change_was_early : 1;
  std::uint32_t session_id_digest;  ///< of the client's hello, of the server's before that
  std::uint16_t offered_version, cipher_count, extension_count;
  std::uint16_t chosen_version, cipher;
  detail::tls_key_share offered_share, chosen_share;
  detail::certificate_walk certificates;
  detail::key_exchange_walk key_exchange;
  detail::unit_counter handshake_packets[2];

  bool detected() const { return opens_with[fwd] != neither || opens_with[bwd] != neither; }
  /// The client is the side that opens with a ClientHello, the initiator when both do.
  bool is_client(direction dir) const { return opens_with[dir] == client && (dir == fwd || opens_with[fwd] != client); }
  /// The server is the side that opens with a ServerHello, the initiator's peer when both do.
  bool is_server(direction dir) const { return opens_with[dir] == server && (dir == bwd || opens_with[bwd] != server); }
  bool is_resumed() const {
    if (!has_server_hello || server_hello_is_retry) return false;
    if (chosen_version >= tls_constant::tls13) return server_has_psk;
    if (has_certificate) return false;
    return (same_session_id && session_id_length != 0) || (has_cipher_change && cipher_change_was_early);
  }
  std::uint32_t packets() const {
    std::uint32_t sum = 0;
    for (const direction dir : {fwd, bwd})
      if (is_client(dir) || opens_with[dir] == server) sum += handshake_packets[dir].packets;
    return sum;
  }
};

/// What an SSH exchange told. Starts as zero bytes.
struct ssh_facts {
  std::uint8_t hassh[2][md5::digest_length];  ///< by direction
  bool has_hassh[2];
  detail::unit_counter kex_packets[2];
  std::uint32_t encrypted_packets;
};

namespace detail {

/// Where the reading of a TLS stream stands.
struct tls_stream {
  std::uint32_t message_left;
  std::uint16_t record_left;
  std::uint8_t record_type, message_type;
  std::uint8_t record_have : 4, message_have : 4;    // bytes of the header seen
  std::uint8_t opening_have : 2;                     // bytes of the first hello's version seen
  std::uint8_t any_record : 1, any_message : 1;      // a handshake record; a complete message
  std::uint8_t is_encrypted : 1, is_unreadable : 1;  // behind ChangeCipherSpec; behind an unknown message type
  std::uint8_t is_collected : 1, is_split : 1;       // the message is wanted as a whole; and lies in the buffer
  std::uint8_t is_walked : 1;                        // the message is the first Certificate or ServerKeyExchange
  std::uint8_t is_draft : 1;                         // the first hello has the version of a draft
};

/// Where the reading of an SSH stream stands.
struct ssh_stream {
  std::uint32_t packet_left;
  std::uint32_t clear_end;   // sequence number behind NEWKEYS
  std::uint8_t packet_have;  // bytes of the header seen
  std::uint8_t padding, message;
  std::uint8_t behind_line : 1, is_collected : 1, is_split : 1, has_kexinit : 1, is_encrypted : 1, is_far : 1;
};

template <class Config> struct tls_record : tls_facts {
  tls_stream streams[2];
  bool protocol_is_chosen;  // by the server
  wire_text<Config::max_name> server_name;
  wire_text<Config::max_protocol_name> protocol;
};
template <class Config> struct ssh_record : ssh_facts {
  ssh_stream streams[2];
  direction client;
  wire_text<Config::max_protocol_name> version[2];
  wire_text<Config::max_name> software[2];
};

/// What is learned from a ClientHello in QUIC takes the place of what it took to get there.
template <class Config> struct quic_hello {
  std::uint8_t ja3[md5::digest_length];
  ja4_fingerprint ja4;
  wire_text<Config::max_name> server_name;
  wire_text<Config::max_protocol_name> protocol;
};
template <class Config> struct quic_record {
  static_assert(Config::quic_connections >= 1 && Config::quic_connections <= 4,
                "joyfuljay: Config::quic_connections must be 1 to 4");
  quic_facts facts;
  union {
    quic_connection connections[Config::quic_connections];
    quic_hello<Config> hello;  // once facts.has_hello
  };
};

/// Where the reading of DNS messages in TCP stands [RFC 1035 4.2.2].
struct dns_stream {
  std::uint16_t message_left;
  std::uint8_t length_have;  // bytes of the length seen
  bool is_split;
};
template <class Config> struct dns_record {
  dns_facts facts;
  dns_stream streams[2];
  wire_text<Config::max_name> name;
};

/// One record of the pool.
template <class Config, bool Tls, bool Quic, bool Ssh, bool Dns> struct handshake_record {
  static constexpr unsigned streams = 4;
  handshake_protocol protocol;
  std::uint8_t lost;               // bit by stream: its buffer was taken away
  std::uint16_t buffers[streams];  // by direction, or by QUIC connection; 0: none
  union {
    std::conditional_t<Tls, tls_record<Config>, nothing> tls;
    std::conditional_t<Quic, quic_record<Config>, nothing> quic;
    std::conditional_t<Ssh, ssh_record<Config>, nothing> ssh;
    std::conditional_t<Dns, dns_record<Config>, nothing> dns;
  };
};

/// A stretch of a stream that came too early.
struct held_piece {
  std::uint16_t offset, length;  // in the stream
  std::uint16_t packet;          // which one brought it: one packet may fill several holes
  tally state;                   // of that packet
};

template <class Config> struct held_octets {
  held_piece pieces[Config::held_pieces];  // ascending
  std::uint8_t octets[Config::handshake_buffer_bytes];
};

/// The bytes of one stream that have to wait: at the start the message that is being joined, behind it, at their
/// distance from `origin`, the pieces that came too early. What is joined never reaches them, because a message is at
/// most as long as the stretch of stream it came in.
template <class Config> struct handshake_buffer {
  std::uint32_t record;
  std::uint16_t newer, older;  // in the order of taking
  std::uint16_t origin;        // offset in the stream of octets[0]
  std::uint16_t joined;
  std::uint16_t packets;  // that brought held pieces, each at least one unseen byte of the window
  std::uint8_t stream, held;
  union {
    held_octets<Config> tcp;
    byte_window<Config::handshake_buffer_bytes, Config::held_pieces> crypto;  // of a QUIC connection
  };
};

/// Defined by who looks inside: the tests, which hold what the engine counts against what its flows hold, and
/// tools/layout.hpp.
template <class Engine> struct engine_audit;

/// In place of all that, in an engine whose groups ask for no handshake.
struct no_handshakes {
  struct slot {};
  static bool was_dropped(const slot&) { return false; }
  using record_type = nothing;
  using buffer_type = nothing;
  static constexpr std::size_t record_capacity = 0, buffer_capacity = 0;
};

/// The part of a slot that handshakes need.
struct stream_positions {
  stream_position streams[2];
};
struct no_streams {};
struct short_headers {
  spin_watch spin;  // of datagrams that open with one, also before the first that shows QUIC
};
struct no_spin {};
template <bool Streams, bool Quic>
struct handshake_slot : std::conditional_t<Streams, stream_positions, no_streams>,
                        std::conditional_t<Quic, short_headers, no_spin> {
  std::uint32_t record;  // 0: none
  std::uint8_t handshake_marks;
  static constexpr std::uint8_t dropped = 1, name_cut = 2, initiator_is_client = 4, responder_is_client = 8,
                                settled = 16, settled_ssh = 32,  // both streams are over; and packets are counted
      far_ahead_fwd = 64, far_ahead_bwd = 128;                   // a segment came 1 GiB ahead, or more

  bool handshake_marked(std::uint8_t mark) const { return (handshake_marks & mark) != 0; }
};

/// The number of something that cannot but be there. No member of a template, whose whole name an assertion would hold.
inline std::uint32_t existing(std::uint32_t number) {
  JOYFULJAY_ASSERT(number != 0);
  return number;
}

/// Numbers from 1 to Capacity, handed out and taken back. `link` is the caller's array, which also chains what is in
/// use.
template <std::size_t Capacity> class number_pool {
 public:
  /// 0: none left.
  std::uint32_t take(std::uint32_t (&link)[Capacity]) {
    if (free_ == 0) return fresh_ < Capacity ? ++fresh_ : 0;
    const std::uint32_t number = free_;
    free_ = link[number - 1];
    return number;
  }
  void give_back(std::uint32_t number, std::uint32_t (&link)[Capacity]) {
    link[number - 1] = free_;
    free_ = number;
  }

 private:
  std::uint32_t free_ = 0, fresh_ = 0;  // fresh_: how many were ever taken, so that zero bytes are a full pool
};

/// Buffers by number from 1, and the order in which they were taken.
template <class Config, std::size_t Capacity> class buffer_pool {
 public:
  using buffer = handshake_buffer<Config>;
  static_assert(Capacity < 65536, "joyfuljay: Config::handshake_buffers must be below 65536");

  buffer& operator[](std::uint32_t number) { return buffers_[number - 1]; }
  const buffer& operator[](std::uint32_t number) const { return buffers_[number - 1]; }
  /// 0: none left.
  std::uint16_t take(std::uint32_t record, unsigned stream) {
    const std::uint32_t number = pool_.take(links_);
    if (number == 0) return 0;
    buffer& b = (*this)[number];
    b.record = record;
    b.stream = static_cast<std::uint8_t>(stream);
    b.origin = b.joined = b.packets = 0;
    b.held = 0;
    b.crypto.clear();
    b.newer = 0;
    b.older = newest_;
    (newest_ != 0 ? (*this)[newest_].newer : oldest_) = static_cast<std::uint16_t>(number);
    newest_ = static_cast<std::uint16_t>(number);
    return newest_;
  }
  void give_back(std::uint16_t number) {
    const buffer& b = (*this)[number];
    (b.older != 0 ? (*this)[b.older].newer : oldest_) = b.newer;
    (b.newer != 0 ? (*this)[b.newer].older : newest_) = b.older;
    pool_.give_back(number, links_);
  }
  std::uint16_t oldest() const { return oldest_; }

 private:
  buffer buffers_[Capacity] = {};
  std::uint32_t links_[Capacity] = {};
  number_pool<Capacity> pool_ = {};
  std::uint16_t oldest_ = 0, newest_ = 0;
};

/// The JA3 or JA3S string of the hello that was read last, until the engine puts it by. Numbers of two bytes make at
/// most six characters, the point formats, at most 255 of one byte, four.
template <std::size_t HelloBytes> struct hello_text {
  static constexpr std::size_t capacity = 3 * HelloBytes + 4 * 255;
  char characters[capacity];
  std::uint32_t length;
  bool is_new, of_server;
};

/// Records and buffers, and everything that reads into them. The engine gives flows their records, because for want of
/// one it ends another flow; a buffer is taken away from the stream that holds one longest.
template <class Config, bool Tls, bool Quic, bool Ssh, bool Dns, bool KeepsTexts> class handshake_reader {
  template <class Engine> friend struct engine_audit;

 public:
  static constexpr bool reads_streams = Tls || Ssh || Dns;
  using slot = handshake_slot<reads_streams, Quic>;
  using record_type = handshake_record<Config, Tls, Quic, Ssh, Dns>;
  using buffer_type = handshake_buffer<Config>;

  static constexpr std::size_t record_capacity =
      Config::handshake_records != 0 ? Config::handshake_records : (Config::max_flows + 1) / 2;
  static constexpr std::size_t buffer_capacity = Config::handshake_buffers != 0 ? Config::handshake_buffers
                                                 : Config::max_flows < 256      ? 4
                                                 : Config::max_flows < 1 << 20  ? Config::max_flows / 64
                                                                                : 1 << 14;
  static_assert(Config::handshake_buffer_bytes >= 512 && Config::handshake_buffer_bytes <= stream_window,
                "joyfuljay: Config::handshake_buffer_bytes must be between 512 and 16384");
  static_assert(Config::held_pieces >= 1 && Config::held_pieces <= 255,
                "joyfuljay: Config::held_pieces must be between 1 and 255");
  static constexpr bool is_between(std::uint64_t value, std::uint64_t least, std::uint64_t most) {
    return value >= least && value <= most;
  }
  static_assert(!std::is_const_v<decltype(Config::packet_effort)> ||
                    is_between(static_cast<std::uint64_t>(Config::packet_effort), 50'000, 0xFFFFFFFF),
                "joyfuljay: Config::packet_effort must be between 50000 instructions, which the digests of a browser's "
                "hello take, and 4294967295");
  static_assert(!std::is_const_v<decltype(Config::dns_steps)> ||
                    is_between(static_cast<std::uint64_t>(Config::dns_steps), 128, 0x7FFFFFFF),
                "joyfuljay: Config::dns_steps must be between 128, the labels of one name, and 2147483647");

  const record_type& record(const slot& flow) const { return records_[flow.record - 1]; }
  static constexpr bool reads_quic = Quic;
  bool shows_quic_hello(const slot& flow) const {
    return protocol_of(flow) == handshake_protocol::quic && record(flow).quic.facts.has_hello;
  }
  /// The protocol whose record the flow holds.
  handshake_protocol protocol_of(const slot& flow) const {
    return flow.record != 0 ? record(flow).protocol : handshake_protocol::none;
  }
  /// Whether something that the handshake said could not be kept.
  bool was_dropped(const slot& flow) const {
    if (flow.handshake_marked(slot::dropped)) return true;
    if (flow.record == 0) return false;
    const record_type& r = record(flow);
    if constexpr (Quic)
      if (r.protocol == handshake_protocol::quic)
        return !r.quic.facts.has_hello && (r.lost != 0 || r.quic.facts.hello_lost);
    if (r.lost != 0) return true;
    for (const std::uint16_t buffer : r.buffers)
      if (buffer != 0 && buffers_[buffer].held != 0) return true;
    return false;
  }
  /// The sender of the first SYN without ACK is the client, of one with ACK the server; without a SYN the side on the
  /// server's port, else the responder, is the server.
  static bool initiator_is_client(const slot& flow, std::uint16_t initiator_port, std::uint16_t responder_port) {
    if (flow.handshake_marked(slot::initiator_is_client)) return true;
    if (flow.handshake_marked(slot::responder_is_client)) return false;
    return initiator_port != ssh_port || responder_port == ssh_port;
  }

  /// Whether `recognise` and `read` have nothing to do. That is so for all packets of a long TCP flow but the first
  /// few, because both its streams are over: one test of the slot, though SSH goes on counting. And for datagrams with
  /// QUIC's short header, of which the spin bit is noted.
  bool pass_if_settled(slot& flow, const packet& p) {
    if constexpr (Quic)
      if (p.protocol == ip_protocol::udp && !p.is_later_fragment && !(Dns && is_on_dns_port(p)))
        return detail::note_short_header(p, flow.spin);
    if constexpr (reads_streams) {
      if (!flow.handshake_marked(slot::settled | slot::settled_ssh)) return false;
      if constexpr (Ssh)
        if (flow.handshake_marked(slot::settled_ssh) && p.payload_len != 0 && p.has_tcp_header &&
            !p.has_flag(tcp_flag::rst))
          count_encrypted(record(flow).ssh, p);
      return true;
    }
    return false;
  }
  /// The record that a flow without one must get before `read` can learn from the packet; `none` for most packets.
  handshake_protocol recognise(slot& flow, const packet& p) {
    if (flow.record != 0 || p.is_later_fragment || p.payload_len == 0) return handshake_protocol::none;
    if constexpr (reads_streams)
      if (p.protocol == ip_protocol::tcp)
        return segment_needs_record(flow, p) ? handshake_protocol::undecided : handshake_protocol::none;
    if (p.protocol != ip_protocol::udp) return handshake_protocol::none;
    if constexpr (Dns)
      if (is_on_dns_port(p) && opens_with_dns(p.payload)) return handshake_protocol::dns;
    if constexpr (Quic)
      if (starts_quic(p, flow.spin)) return handshake_protocol::quic;
    return handshake_protocol::none;
  }
  /// False when none is left.
  bool take_record(slot& flow, handshake_protocol protocol) {
    flow.record = pool_.take(links_);
    if (flow.record == 0) return false;
    record_type& r = record(flow);
    r = record_type{};
    r.protocol = protocol;
    if constexpr (Quic)
      if (protocol == handshake_protocol::quic) r.quic = {};
    if constexpr (Dns)
      if (protocol == handshake_protocol::dns) r.dns = {};
    return true;
  }
  void give_back_record(slot& flow) {
    for (unsigned stream = 0; stream < record_type::streams; ++stream) give_back_buffer(flow, stream);
    pool_.give_back(flow.record, links_);
    flow.record = 0;
  }
  /// Reads a packet of the flow. Afterwards the flow may hold no record any more.
  void read(slot& flow, const packet& p) {
    effort_ = packet_effort::of_packet<Config>();
    if constexpr (reads_streams)
      if (p.has_tcp_header) {
        if (flow.record != 0 && record(flow).lost != 0) note_losses(flow);
        read_segment(flow, p);
        if (flow.record != 0 && is_useless(flow)) give_back_record(flow);
        settle(flow);
        return;
      }
    if (flow.record == 0 || p.is_later_fragment || p.protocol != ip_protocol::udp) return;
    if constexpr (Quic)
      if (record(flow).protocol == handshake_protocol::quic) read_quic_datagram(flow, p);
    if constexpr (Dns)
      if (record(flow).protocol == handshake_protocol::dns) read_dns_datagram(flow, p);
  }
  /// The string of the hello that the last packet completed; `is_new` until the engine says otherwise.
  auto& text() { return text_; }
  /// The flow ends: what lies in a buffer is used as far as it goes.
  void finish(slot& flow) {
    effort_ = packet_effort::of_packet<Config>();
    if constexpr (Dns)
      if (protocol_of(flow) == handshake_protocol::dns)
        for (const direction dir : {fwd, bwd}) use_part_of_dns_message(flow, dir);
  }

 private:
  using place = stream_position::place;
  static constexpr std::uint16_t ssh_port = 22, dns_port = 53;
  static constexpr std::size_t buffer_bytes = Config::handshake_buffer_bytes;
  /// That a digested hello has: as many as can be paid for, and fit.
  static constexpr std::size_t most_numbers() {
    std::size_t most = buffer_bytes / 2;
    if constexpr (std::is_const_v<decltype(Config::packet_effort)>) {
      constexpr std::size_t paid = Config::packet_effort / packet_effort::of_hello_number;
      if (paid < most) most = paid;
    }
    return most;
  }

  record_type& record(const slot& flow) {
    JOYFULJAY_ASSERT(flow.record != 0 && flow.record <= record_capacity);
    return records_[flow.record - 1];
  }

  // ---- 9.1 Buffers

  buffer_type* buffer_of(const slot& flow, unsigned stream) {
    if (flow.record == 0 || record(flow).buffers[stream] == 0) return nullptr;
    return &buffers_[record(flow).buffers[stream]];
  }
  /// The buffer of a stream, a new one when it has none.
  buffer_type& take_buffer(slot& flow, unsigned stream, std::uint16_t origin) {
    std::uint16_t& number = record(flow).buffers[stream];
    if (number == 0) {
      if ((number = buffers_.take(flow.record, stream)) == 0) {
        const buffer_type& longest_held = buffers_[buffers_.oldest()];
        record_type& loser = records_[longest_held.record - 1];
        loser.lost = static_cast<std::uint8_t>(loser.lost | 1u << longest_held.stream);
        loser.buffers[longest_held.stream] = 0;
        buffers_.give_back(buffers_.oldest());
        number = buffers_.take(flow.record, stream);
      }
      buffers_[number].origin = origin;
    }
    return buffers_[number];
  }
  void give_back_buffer(slot& flow, unsigned stream) {
    std::uint16_t& number = record(flow).buffers[stream];
    if (number != 0) buffers_.give_back(number);
    number = 0;
  }
  /// After a message was used.
  void empty_buffer(slot& flow, direction dir) {
    buffer_type* const buffer = buffer_of(flow, dir);
    if (buffer == nullptr) return;
    buffer->joined = 0;
    if (buffer->held == 0) give_back_buffer(flow, dir);
  }
  /// Appends a part of a message. `at` is its offset in the stream. What does not fit is left out.
  bytes join(slot& flow, direction dir, std::uint16_t at, bytes part) {
    buffer_type& buffer = take_buffer(flow, dir, at);
    const bytes kept = part.first(buffer_bytes - buffer.joined);
    if (kept.length < part.length) flow.handshake_marks |= slot::dropped;
    if (!kept.empty()) std::memmove(buffer.tcp.octets + buffer.joined, kept.data, kept.length);  // perhaps from behind
    buffer.joined = static_cast<std::uint16_t>(buffer.joined + kept.length);
    return {buffer.tcp.octets, buffer.joined};
  }

  // ---- 9.2 TCP streams

  static std::uint32_t sequence_of(const packet& p) {
    const std::uint32_t sequence = block<20>(p.transport.data).template u32<4>();  // [RFC 9293 3.1]
    return p.has_flag(tcp_flag::syn) ? sequence + 1 : sequence;
  }
  /// Where the payload begins in the stream; negative for what was there before it.
  static std::int64_t offset_of(const stream_position& s, std::uint32_t sequence) {
    if (s.stage == place::before_syn) return 0;
    const std::int32_t ahead = static_cast<std::int32_t>(sequence - s.next_sequence);
    if (s.stage == place::behind_syn) return ahead >= 0 && ahead < stream_window ? ahead : 0;
    return std::int64_t{s.read} + ahead;
  }
  /// What of the payload lies inside the window and was not read; `offset` becomes where that begins.
  static bytes unread_part(const stream_position& s, const packet& p, std::int64_t& offset) {
    bytes part = p.payload;
    if (offset < s.read) {
      part = part.after(static_cast<std::size_t>(std::int64_t{s.read} - offset));
      offset = s.read;
    }
    return offset < stream_window ? part.first(static_cast<std::size_t>(stream_window - offset)) : bytes{};
  }
  bool segment_needs_record(const slot& flow, const packet& p) const {
    if (!p.has_tcp_header || p.has_flag(tcp_flag::rst)) return false;
    const stream_position& s = flow.streams[p.dir];
    if (s.stage == place::over) return false;
    std::int64_t offset = offset_of(s, sequence_of(p));
    const bytes part = unread_part(s, p, offset);
    if (part.empty()) return false;
    if (offset != s.read) return true;  // to be held
    if (s.read == 0 && (may_be_tls(part) || (Dns && is_on_dns_port(p)))) return true;
    return Ssh && has_ssh_line(s, part);
  }
  static bool is_on_dns_port(const packet& p) { return p.source_port == dns_port || p.target_port == dns_port; }
  JOYFULJAY_OWN_FRAME static bool opens_with_dns(bytes payload) {
    dns_message unused;
    return dns_parser(payload).parse_head(unused);
  }
  static bool has_ssh_line(const stream_position& s, bytes run) {
    std::uint8_t letters = s.letters;
    bool found = false;
    find_ssh_line(run, s.read, letters, found);
    return found;
  }
  /// The stream may open with a record of a handshake, or of an alert in front of it.
  static bool may_be_tls(bytes run) {
    return Tls && (run.data[0] == tls_constant::handshake || run.data[0] == tls_constant::alert);
  }

  void read_segment(slot& flow, const packet& p) {
    if (p.has_flag(tcp_flag::syn)) note_syn(flow, p);
    const bool is_read = p.payload_len != 0 && !p.has_flag(tcp_flag::rst);
    stream_position& s = flow.streams[p.dir];
    if (is_read && s.stage != place::over) read_payload(flow, p, s);
    if constexpr (Ssh)
      if (protocol_of(flow) == handshake_protocol::ssh) {
        record(flow).ssh.client = client_of(flow, p);  // which a SYN may have told
        if (is_read) count_encrypted(record(flow).ssh, p);
      }
  }
  /// Behind the end of both streams a SYN no longer changes who is the client.
  void settle(slot& flow) const {
    constexpr std::uint8_t marks = slot::settled | slot::settled_ssh;
    flow.handshake_marks = static_cast<std::uint8_t>(flow.handshake_marks & ~marks);
    if (flow.streams[fwd].stage == place::over && flow.streams[bwd].stage == place::over)
      flow.handshake_marks |= protocol_of(flow) == handshake_protocol::ssh ? slot::settled_ssh : slot::settled;
  }
  static direction client_of(const slot& flow, const packet& p) {
    const bool forward = p.dir == fwd;
    return initiator_is_client(flow, forward ? p.source_port : p.target_port, forward ? p.target_port : p.source_port)
               ? fwd
               : bwd;
  }
  static void note_syn(slot& flow, const packet& p) {
    stream_position& s = flow.streams[p.dir];
    if (!flow.handshake_marked(slot::initiator_is_client | slot::responder_is_client))
      flow.handshake_marks |=
          (p.dir == fwd) == !p.has_flag(tcp_flag::ack) ? slot::initiator_is_client : slot::responder_is_client;
    if (s.stage > place::behind_syn || p.has_flag(tcp_flag::rst)) return;
    s.next_sequence = sequence_of(p);
    s.stage = place::behind_syn;
  }
  void read_payload(slot& flow, const packet& p, stream_position& s) {
    constexpr std::int64_t out_of_reach = std::int64_t{1} << 30;
    const std::uint32_t sequence = sequence_of(p);
    std::int64_t offset = offset_of(s, sequence);
    if (s.stage <= place::behind_syn) {
      s.next_sequence = sequence - static_cast<std::uint32_t>(offset);
      s.stage = place::at_start;
    }
    // A stray segment far away changes nothing. A stream that went through both halves of what is far behind a hole has
    // come so far that its sequence numbers may soon be those of the window again.
    const std::uint8_t far_ahead = p.dir == fwd ? slot::far_ahead_fwd : slot::far_ahead_bwd;
    if (offset > out_of_reach) flow.handshake_marks |= far_ahead;
    if (offset < -out_of_reach && flow.handshake_marked(far_ahead)) return lose(flow, p.dir);
    bytes part = unread_part(s, p, offset);
    std::uint32_t at = static_cast<std::uint32_t>(offset);
    passing_packet now{p.dir == client_of(flow, p), Dns && is_on_dns_port(p), tally::open, false, false, tally::open};
    bool is_held = false;
    for (;;) {
      const std::size_t there = length_that_is_there(flow, p.dir, at);
      part = part.after(there);
      at += static_cast<std::uint32_t>(there);
      if (part.empty() || s.stage == place::over) break;
      const bytes run = part_before_held(flow, p.dir, at, part);
      if (at == s.read) {
        deliver(flow, p.dir, run, now);
        deliver_held(flow, p.dir, now);
      } else if (!hold(flow, p.dir, static_cast<std::uint16_t>(at), run)) {
        return lose(flow, p.dir);
      } else {
        is_held = true;
      }
    }
    buffer_type* const buffer = buffer_of(flow, p.dir);
    if (is_held && buffer != nullptr) ++buffer->packets;
  }
  /// What of the part comes before the next piece that is held.
  bytes part_before_held(const slot& flow, direction dir, std::uint32_t at, bytes part) {
    if (const buffer_type* const buffer = buffer_of(flow, dir))
      for (unsigned piece = 0; piece < buffer->held; ++piece)
        if (buffer->tcp.pieces[piece].offset >= at) return part.first(buffer->tcp.pieces[piece].offset - at);
    return part;
  }
  /// How many bytes from `at` on were read meanwhile, or are held.
  std::size_t length_that_is_there(const slot& flow, direction dir, std::uint32_t at) {
    std::uint32_t end = at < flow.streams[dir].read ? flow.streams[dir].read : at;
    if (const buffer_type* const buffer = buffer_of(flow, dir))
      for (unsigned number = 0; number < buffer->held; ++number) {
        const held_piece& piece = buffer->tcp.pieces[number];
        const std::uint32_t piece_end = std::uint32_t{piece.offset} + piece.length;
        if (piece.offset <= end && piece_end > end) end = piece_end;
      }
    return end - at;
  }
  /// Keeps a piece that came too early. It touches no other. False when there is no room.
  bool hold(slot& flow, direction dir, std::uint16_t offset, bytes piece) {
    buffer_type& buffer = take_buffer(flow, dir, flow.streams[dir].read);
    const std::size_t begin = std::size_t{offset} - buffer.origin;
    if (buffer.held == Config::held_pieces || begin + piece.length > buffer_bytes) return false;
    std::size_t at = 0;
    while (at < buffer.held && buffer.tcp.pieces[at].offset < offset) ++at;
    held_piece* const place_for_it = buffer.tcp.pieces + at;
    std::memmove(place_for_it + 1, place_for_it, (buffer.held - at) * sizeof(held_piece));
    ++buffer.held;
    *place_for_it = {offset, static_cast<std::uint16_t>(piece.length), buffer.packets, tally::open};
    std::memcpy(buffer.tcp.octets + begin, piece.data, piece.length);
    return true;
  }
  /// What follows a run of the packet that came last.
  void deliver_held(slot& flow, direction dir, passing_packet& last) {
    for (unsigned turn = 0; turn < Config::held_pieces; ++turn) {
      buffer_type* const buffer = buffer_of(flow, dir);
      if (buffer == nullptr || buffer->held == 0 || buffer->tcp.pieces[0].offset != flow.streams[dir].read) return;
      const held_piece piece = buffer->tcp.pieces[0];
      --buffer->held;
      std::memmove(buffer->tcp.pieces, buffer->tcp.pieces + 1, buffer->held * sizeof(held_piece));
      passing_packet now{last.from_client, last.on_dns_port, piece.state, false, false, tally::open};
      deliver(flow, dir, {buffer->tcp.octets + (piece.offset - buffer->origin), piece.length}, now);
      now.tell(last.state);
      if (buffer_type* const rest = buffer_of(flow, dir)) {
        for (unsigned at = 0; at < rest->held; ++at) {
          if (rest->tcp.pieces[at].packet == piece.packet) rest->tcp.pieces[at].state = now.state;
          now.tell(rest->tcp.pieces[at].state);
        }
        if (rest->held == 0 && rest->joined == 0) give_back_buffer(flow, dir);
      }
    }
  }
  /// The next bytes of a stream, in order.
  void deliver(slot& flow, direction dir, bytes run, passing_packet& now) {
    stream_position& s = flow.streams[dir];
    const std::uint16_t at = s.read;
    now.settles = false;
    s.read = static_cast<std::uint16_t>(s.read + run.length);
    s.next_sequence += static_cast<std::uint32_t>(run.length);
    if (s.stage == place::at_start) choose_reading(flow, s, run, now.on_dns_port);
    if (s.stage == place::between_lines) run = pass_lines(flow, dir, at, run);
    if (s.stage == place::in_record && !run.empty()) {
      const std::uint16_t begin = static_cast<std::uint16_t>(s.read - run.length);
      if constexpr (Tls)
        if (protocol_of(flow) == handshake_protocol::tls) read_tls(flow, dir, begin, run, now);
      if constexpr (Ssh)
        if (protocol_of(flow) == handshake_protocol::ssh) read_ssh(flow, dir, begin, run, now);
      if constexpr (Dns)
        if (protocol_of(flow) == handshake_protocol::dns) read_dns(flow, dir, begin, run);
    }
    run_is_over(flow, dir, now);
    if (s.read == stream_window || s.stage == place::over) end_stream(flow, dir);
  }
  /// On the port of DNS, where the first two bytes would be a message of more than 5,376 bytes, or of 21,248.
  static bool is_clearly_tls(bytes run) { return may_be_tls(run) && (run.length < 2 || run.data[1] == 3); }
  static bool is_clearly_ssh(bytes run) { return Ssh && run.data[0] == 'S' && (run.length < 2 || run.data[1] == 'S'); }
  /// What the first bytes of a stream say. A record goes to the protocol that is recognised first.
  void choose_reading(slot& flow, stream_position& s, bytes run, bool on_dns_port) {
    const handshake_protocol protocol = protocol_of(flow);
    const bool open = protocol == handshake_protocol::none || protocol == handshake_protocol::undecided;
    s.stage = place::over;
    if constexpr (Dns)
      if (on_dns_port && !is_clearly_tls(run) && !is_clearly_ssh(run) &&
          (open || protocol == handshake_protocol::dns)) {
        if (open) record(flow).protocol = handshake_protocol::dns, record(flow).dns = {};
        s.stage = place::in_record;
        return;
      }
    if ((open || protocol == handshake_protocol::tls) && may_be_tls(run)) {
      if constexpr (Tls)
        if (open) record(flow).protocol = handshake_protocol::tls, record(flow).tls = {};
      s.stage = place::in_record;
    } else if (Ssh && may_be_of_ssh(flow)) {
      s.stage = place::between_lines;
    }
  }
  /// A record of TLS is none while no hello was recognised: that its first byte may open one says little.
  bool may_be_of_ssh(const slot& flow) const {
    const handshake_protocol protocol = protocol_of(flow);
    if constexpr (Tls)
      if (protocol == handshake_protocol::tls) return !record(flow).tls.detected();
    return protocol != handshake_protocol::dns;
  }
  /// Goes on to the line that begins with "SSH-". Returns what follows these letters.
  bytes pass_lines(slot& flow, direction dir, std::uint16_t at, bytes run) {
    stream_position& s = flow.streams[dir];
    bool found = false;
    const std::size_t behind = find_ssh_line(run, at, s.letters, found);
    const bool begins = s.letters != stream_position::inside_line && s.letters != 0;
    // The other direction may have made it a record of another protocol by now, whose messages lie in its buffer.
    if (!may_be_of_ssh(flow) || (!found && !begins && at + run.length > last_ssh_line_start)) {
      s.stage = place::over;
    } else if (found) {
      if constexpr (Ssh)
        if (protocol_of(flow) != handshake_protocol::ssh) become_ssh(flow, dir);
      s.stage = place::in_record;
    }
    return run.after(behind);
  }
  /// What the other direction said so far, if it was to be TLS, comes to nothing.
  void become_ssh(slot& flow, direction dir) {
    if (protocol_of(flow) == handshake_protocol::tls) end_stream(flow, dir == fwd ? bwd : fwd);
    record(flow).protocol = handshake_protocol::ssh;
    record(flow).ssh = {};
  }
  void run_is_over(slot& flow, direction dir, passing_packet& now) {
    if constexpr (Tls)
      if (protocol_of(flow) == handshake_protocol::tls) record(flow).tls.handshake_packets[dir].run_is_over(now);
    if constexpr (Ssh)
      if (protocol_of(flow) == handshake_protocol::ssh) record(flow).ssh.kex_packets[dir].run_is_over(now);
  }
  /// Nothing more is wanted of the direction.
  void end_stream(slot& flow, direction dir) {
    flow.streams[dir].stage = place::over;
    if constexpr (Dns)
      if (protocol_of(flow) == handshake_protocol::dns) use_part_of_dns_message(flow, dir);
    if (flow.record != 0) give_back_buffer(flow, dir);
  }
  /// The same because something is missing.
  void lose(slot& flow, direction dir) {
    flow.handshake_marks |= slot::dropped;
    end_stream(flow, dir);
  }
  /// A record that turned out to be for nothing.
  bool is_useless(const slot& flow) const {
    const record_type& r = record(flow);
    for (const std::uint16_t buffer : r.buffers)
      if (buffer != 0) return false;
    if (r.protocol == handshake_protocol::undecided) return true;
    for (const stream_position& s : flow.streams)
      if (s.stage == place::in_record) return false;
    if constexpr (Tls)
      if (r.protocol == handshake_protocol::tls) return !r.tls.detected();
    if constexpr (Ssh)
      if (r.protocol == handshake_protocol::ssh) return r.ssh.version[fwd].length + r.ssh.version[bwd].length == 0;
    return false;
  }
  /// Streams whose buffer was taken away end.
  void note_losses(slot& flow) {
    for (const direction dir : {fwd, bwd})
      if ((record(flow).lost >> dir & 1) != 0) lose(flow, dir);
    record(flow).lost = 0;
  }
  void note_cut(slot& flow, bool cut) {
    if (cut) flow.handshake_marks |= slot::name_cut;
  }

  // ---- 9.3 TLS: records, messages, hellos

  void read_tls(slot& flow, direction dir, std::uint16_t at, bytes run, passing_packet& now) {
    tls_record<Config>& r = record(flow).tls;
    tls_stream& t = r.streams[dir];
    while (!run.empty()) {
      std::size_t some = 1;
      if (t.record_have < record_header) {
        now.in_header = true;
        if (!read_record_header(t, run.data[0]) || (t.record_have == record_header && !begin_record(dir, r, t, now)))
          return end_stream(flow, dir);
      } else {
        some = run.first(t.record_left).length;
        if (t.record_type == tls_constant::handshake) {
          r.handshake_packets[dir].count(now);
          read_messages(flow, dir, at, run.first(some));
          if (flow.streams[dir].stage == place::over) return;
        }
        t.record_left = static_cast<std::uint16_t>(t.record_left - some);
      }
      if (t.record_have == record_header && t.record_left == 0) t.record_have = 0;
      run = run.after(some);
      at = static_cast<std::uint16_t>(at + some);
    }
  }
  static constexpr unsigned record_header = 5, message_header = 4;

  /// One byte of a record's header [RFC 8446 5.1]. False when it fits none.
  static bool read_record_header(tls_stream& t, std::uint8_t octet) {
    switch (t.record_have++) {
      case 0:
        t.record_type = octet;
        return octet >= tls_constant::change_cipher_spec && octet <= tls_constant::heartbeat;
      case 1: return octet == 3;
      case 2: return octet <= 4;
      case 3: t.record_left = static_cast<std::uint16_t>(octet << 8); return true;
      default:
        t.record_left = static_cast<std::uint16_t>(t.record_left | octet);
        return t.record_left <= tls_constant::longest_record;
    }
  }
  /// False when the reading of the direction ends here.
  bool begin_record(direction dir, tls_record<Config>& r, tls_stream& t, passing_packet& now) {
    const bool is_handshake = t.record_type == tls_constant::handshake;
    if (!t.any_record && !is_handshake && t.record_type != tls_constant::alert) return false;
    r.handshake_packets[dir].header_is_complete(now, is_handshake);
    if (is_handshake) t.any_record = 1;
    if (t.record_type == tls_constant::change_cipher_spec && !t.is_encrypted) return change_cipher(dir, r, t);
    return t.record_type != tls_constant::application_data;
  }
  bool change_cipher(direction dir, tls_record<Config>& r, tls_stream& t) {
    if (!t.any_message) return forget(r, dir), false;  // a stream opens with a hello
    if (r.is_server(dir) && !r.has_cipher_change) {
      r.has_cipher_change = true;
      const bool amid_exchange =
          t.is_walked && t.message_have == message_header && t.message_type == tls_constant::server_key_exchange;
      r.cipher_change_was_early = (!r.has_key_exchange || amid_exchange) && !r.has_hello_done;
    }
    // after a HelloRetryRequest the ServerHello is still to come
    t.is_encrypted = !(r.is_server(dir) && r.has_server_hello && r.server_hello_is_retry);
    return true;
  }
  /// The stream opens with no hello: nothing of it counts.
  static void forget(tls_record<Config>& r, direction dir) {
    r.opens_with[dir] = tls_facts::neither;
    r.handshake_packets[dir] = {};
  }

  /// Bytes of handshake records.
  void read_messages(slot& flow, direction dir, std::uint16_t at, bytes run) {
    tls_record<Config>& r = record(flow).tls;
    tls_stream& t = r.streams[dir];
    while (!run.empty() && !t.is_encrypted && !t.is_unreadable) {
      std::size_t some = 1;
      if (t.message_have < message_header) {
        if (t.message_have++ == 0)
          t.message_type = run.data[0], t.message_left = 0;
        else
          t.message_left = t.message_left << 8 | run.data[0];
        if (t.message_have == message_header && !begin_message(flow, dir, r, t)) return;
      } else {
        some = run.first(t.message_left).length;
        if (!read_message(flow, dir, at, run.first(some), r, t)) return;
        t.message_left -= static_cast<std::uint32_t>(some);
      }
      if (t.message_have == message_header && t.message_left == 0) end_message(flow, dir, r, t);
      run = run.after(some);
      at = static_cast<std::uint16_t>(at + some);
    }
  }
  /// False when the stream is none of TLS, or ends.
  bool begin_message(slot& flow, direction dir, tls_record<Config>& r, tls_stream& t) {
    using namespace tls_constant;
    const bool is_hello = t.message_type == client_hello || t.message_type == server_hello;
    if (!is_handshake_type(t.message_type)) t.is_unreadable = 1;
    if (!t.any_message && (!is_hello || t.message_left < 2)) return forget(r, dir), end_stream(flow, dir), false;
    t.is_collected = is_hello && is_wanted(r, t, dir);
    t.is_split = t.is_walked = 0;
    if (t.is_collected && t.message_left > buffer_bytes) {
      t.is_collected = 0;
      flow.handshake_marks |= slot::dropped;
    }
    if (!r.is_server(dir)) return true;
    if (t.message_type == certificate) t.is_walked = !r.has_certificate, r.has_certificate = true;
    if (t.message_type == server_key_exchange) t.is_walked = !r.has_key_exchange, r.has_key_exchange = true;
    return true;
  }
  /// The first complete ClientHello of the client, and the first ServerHello of the server that is no retry. The
  /// stream's first hello is wanted before it is known whose it is.
  static bool is_wanted(const tls_record<Config>& r, const tls_stream& t, direction dir) {
    if (t.message_type == tls_constant::client_hello)
      return !t.any_message || (r.is_client(dir) && !r.has_client_hello);
    return !t.any_message || (r.is_server(dir) && (!r.has_server_hello || r.server_hello_is_retry));
  }
  bool read_message(slot& flow, direction dir, std::uint16_t at, bytes part, tls_record<Config>& r, tls_stream& t) {
    if (!t.any_message && r.opens_with[dir] == tls_facts::neither) {
      for (std::size_t next = 0; next < part.length && t.opening_have < 2; ++next, ++t.opening_have)
        if (!opens_hello(t, part.data[next])) return forget(r, dir), end_stream(flow, dir), false;
      if (t.opening_have == 2) {
        r.opens_with[dir] = t.message_type == tls_constant::client_hello ? tls_facts::client : tls_facts::server;
        if (r.opens_with[fwd] == r.opens_with[bwd]) settle_sides(r, dir);
      }
    }
    if (t.is_collected) {
      if (part.length == t.message_left && !t.is_split) {
        use_hello(flow, dir, part, r, t);
        t.is_collected = 0;
      } else {
        t.is_split = 1;
        join(flow, dir, at, part);
      }
    }
    if (t.is_walked)
      t.message_type == tls_constant::certificate ? r.certificates.read(part) : r.key_exchange.read(part);
    return true;
  }
  /// Both streams open with the same hello. What the one told that opened first was not of that side if the other one's
  /// takes precedence; and nobody has the opposite side.
  JOYFULJAY_OWN_FRAME static void settle_sides(tls_record<Config>& r, direction second) {
    if (!r.is_client(second) && !r.is_server(second)) return;
    tls_record<Config> fresh{};
    for (const direction dir : {fwd, bwd}) {
      fresh.streams[dir] = r.streams[dir];
      fresh.opens_with[dir] = r.opens_with[dir];
      fresh.handshake_packets[dir] = r.handshake_packets[dir];
      if (dir != second) fresh.streams[dir].is_walked = 0;
    }
    r = fresh;
  }
  /// The version of a hello: 3.0 to 3.4, or of a ServerHello in a draft of TLS 1.3, 0x7Fxx.
  static bool opens_hello(tls_stream& t, std::uint8_t octet) {
    if (t.opening_have == 0) {
      t.is_draft = t.message_type == tls_constant::server_hello && octet == 0x7F;
      return octet == 3 || t.is_draft;
    }
    return octet <= 4 || t.is_draft;
  }
  void end_message(slot& flow, direction dir, tls_record<Config>& r, tls_stream& t) {
    t.message_have = 0;
    t.any_message = 1;
    if (t.message_type == tls_constant::server_hello_done && r.is_server(dir)) r.has_hello_done = true;
    const buffer_type* const buffer = t.is_collected && t.is_split ? buffer_of(flow, dir) : nullptr;
    if (buffer != nullptr) {
      use_hello(flow, dir, {buffer->tcp.octets, buffer->joined}, r, t);
      empty_buffer(flow, dir);
    }
  }
  void use_hello(slot& flow, direction dir, bytes message, tls_record<Config>& r, const tls_stream& t) {
    if (t.message_type == tls_constant::client_hello && r.is_client(dir)) use_client_hello(flow, message, r);
    if (t.message_type == tls_constant::server_hello && r.is_server(dir)) use_server_hello(flow, message, r);
  }
  void use_client_hello(slot& flow, bytes message, tls_record<Config>& r) {
    tls_client_hello hello;
    if (!hello.parse(message)) return;
    note_client_hello(flow, hello, r);
    r.has_ja3 = fingerprint(flow, hello, 't', r.ja3, r.ja4);
  }
  JOYFULJAY_OWN_FRAME void note_client_hello(slot& flow, const tls_client_hello& hello, tls_record<Config>& r) {
    compare_sessions(r, hello.session_id, r.has_server_hello, true);
    r.has_client_hello = true;
    r.session_id_length = static_cast<std::uint8_t>(hello.session_id.length);
    r.offered_version = hello.highest_version(tls_version_number);
    r.cipher_count = static_cast<std::uint16_t>(hello.ciphers.count());
    r.extension_count = hello.extension_count;
    r.has_ticket = hello.has_ticket;
    r.has_psk = hello.has_psk;
    r.has_early_data = hello.has_early_data;
    r.offers_share = hello.first_key_share(r.offered_share);
    note_cut(flow, r.server_name.assign(hello.host_name()));
    if (!r.protocol_is_chosen) note_cut(flow, r.protocol.assign(hello.protocol()));
  }
  JOYFULJAY_OWN_FRAME void use_server_hello(slot& flow, bytes message, tls_record<Config>& r) {
    tls_server_hello hello;
    if (!hello.parse(message)) return;
    if (r.has_server_hello && hello.is_retry) return;
    compare_sessions(r, hello.session_id, r.has_client_hello, !r.has_client_hello);
    r.has_server_hello = true;
    r.server_hello_is_retry = hello.is_retry;
    r.chosen_version = hello.chosen_version;
    r.cipher = hello.cipher;
    r.server_has_psk = hello.has_psk;
    r.server_has_share = hello.has_key_share;
    r.chosen_share = hello.share;
    if (hello.protocol.data != nullptr) {
      r.protocol_is_chosen = true;
      note_cut(flow, r.protocol.assign(hello.protocol));
    }
    r.has_ja3s = effort_.spend(std::uint64_t{packet_effort::of_hello_number} * hello.extension_count);
    if (r.has_ja3s)
      digest_ja3s(hello, r.ja3s);
    else
      flow.handshake_marks |= slot::dropped;
  }
  /// Takes the characters of a hello's string: for its digest, and as they are where they are wanted.
  auto text_sink(md5& digest, [[maybe_unused]] bool of_server) {
    if constexpr (KeepsTexts) {
      text_.length = 0, text_.is_new = true, text_.of_server = of_server;
      return [this, &digest](char c) {
        digest.update(static_cast<std::uint8_t>(c));
        if (text_.length < sizeof text_.characters) text_.characters[text_.length++] = c;
      };
    } else {
      return [&digest](char c) { digest.update(static_cast<std::uint8_t>(c)); };
    }
  }
  /// False, and neither, when the hello is too long for that.
  bool fingerprint(slot& flow, const tls_client_hello& hello, char transport, std::uint8_t (&ja3)[md5::digest_length],
                   ja4_fingerprint& ja4) {
    if (!effort_.spend(std::uint64_t{packet_effort::of_hello_number} * hello.numbers())) {
      flow.handshake_marks |= slot::dropped;
      return false;
    }
    digest_ja3(hello, ja3);
    ja4 = ja4_of(hello, transport, sorted_);
    return true;
  }
  JOYFULJAY_OWN_FRAME void digest_ja3s(const tls_server_hello& hello, std::uint8_t (&ja3s)[md5::digest_length]) {
    md5 digest;
    write_ja3s(hello, text_sink(digest, true));
    digest.finish(ja3s);
  }
  JOYFULJAY_OWN_FRAME void digest_ja3(const tls_client_hello& hello, std::uint8_t (&ja3)[md5::digest_length]) {
    md5 digest;
    write_ja3(hello, text_sink(digest, false));
    digest.finish(ja3);
  }
  /// Whether both hellos have one session ID, told by a digest (FNV-1a): of the client's as soon as it is known.
  static void compare_sessions(tls_facts& facts, bytes id, bool other_is_known, bool keep) {
    std::uint32_t digest = 0x811c9dc5 ^ static_cast<std::uint32_t>(id.length);
    for (std::size_t at = 0; at < id.length; ++at) digest = (digest ^ id.data[at]) * 0x01000193;
    if (other_is_known) facts.same_session_id = digest == facts.session_id_digest;
    if (keep) facts.session_id_digest = digest;
  }

  // ---- 9.4 SSH: identification lines, packets in the clear

  static constexpr std::size_t longest_line = 255 - 4;  // behind "SSH-" [RFC 4253 4.2]

  void read_ssh(slot& flow, direction dir, std::uint16_t at, bytes run, passing_packet& now) {
    ssh_record<Config>& r = record(flow).ssh;
    ssh_stream& t = r.streams[dir];
    while (!run.empty() && flow.streams[dir].stage == place::in_record) {
      std::size_t some = 1;
      if (!t.behind_line) {
        some = read_line(flow, dir, at, run, r, t);
      } else if (t.packet_have < packet_header) {
        now.in_header = true;
        if (read_packet_header(t, run.data[0]) && !begin_packet(flow, dir, r, t, now)) return end_stream(flow, dir);
      } else {
        some = run.first(t.packet_left).length;
        if (is_key_exchange(t.message)) r.kex_packets[dir].count(now);
        read_packet(flow, dir, at, run.first(some), r, t, now);
        t.packet_left -= static_cast<std::uint32_t>(some);
      }
      at = static_cast<std::uint16_t>(at + some);
      run = run.after(some);
      if (t.packet_have == packet_header && t.packet_left == 0) end_packet(flow, dir, run, t);
    }
  }
  static constexpr unsigned packet_header = 6;
  static bool is_key_exchange(std::uint8_t message) { return message >= 20 && message <= 49; }  // [RFC 4250 4.1.2]

  /// Returns how many bytes belong to the line. What it says is taken from it as it grows: it may never end.
  std::size_t read_line(slot& flow, direction dir, std::uint16_t at, bytes run, ssh_record<Config>& r, ssh_stream& t) {
    const buffer_type* const buffer = buffer_of(flow, dir);
    const std::size_t joined = buffer != nullptr ? buffer->joined : 0;
    const bytes part = run.first(joined < longest_line ? longest_line - joined : 0);
    const void* const end = std::memchr(part.data, '\n', part.length);
    const std::size_t some =
        end != nullptr ? static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - part.data) + 1 : part.length;
    ssh_identification line;
    const bool is_whole = end != nullptr && joined == 0;
    const bool fits = line.parse(is_whole ? part.first(some) : join(flow, dir, at, part.first(some)));
    if (fits) {
      note_cut(flow, r.version[dir].assign(line.version));
      note_cut(flow, r.software[dir].assign(line.software));
    }
    if (end != nullptr || joined + some >= longest_line) {
      const bool goes_on = end != nullptr && fits && line.has_packets();
      empty_buffer(flow, dir);
      t.behind_line = 1;
      if (!goes_on) end_stream(flow, dir);
    }
    return some;
  }
  /// One byte of a packet's header: length, padding length, message number [RFC 4253 6]. True when it is complete.
  static bool read_packet_header(ssh_stream& t, std::uint8_t octet) {
    if (t.packet_have == 0) t.packet_left = 0;
    if (t.packet_have < 4) t.packet_left = t.packet_left << 8 | octet;
    if (t.packet_have == 4) t.padding = octet;
    if (t.packet_have == 5) t.message = octet;
    return ++t.packet_have == packet_header;
  }
  bool begin_packet(slot& flow, direction dir, ssh_record<Config>& r, ssh_stream& t, passing_packet& now) {
    constexpr std::uint32_t longest_packet = 35000;  // [RFC 4253 6.1]
    const bool is_known = (t.message >= 1 && t.message <= 4) || is_key_exchange(t.message);
    const bool fits = t.packet_left >= t.padding + 2u && t.packet_left <= longest_packet && is_known;
    r.kex_packets[dir].header_is_complete(now, fits && is_key_exchange(t.message));
    if (!fits) return false;
    t.packet_left -= 2;  // padding length and message number
    t.is_split = 0;
    t.is_collected = t.message == kexinit && !t.has_kexinit;
    if (t.is_collected && t.packet_left == 0) {  // without a body: it was the first, and says nothing
      t.has_kexinit = 1;
      t.is_collected = 0;
    }
    if (t.is_collected && t.packet_left > buffer_bytes) {
      t.is_collected = 0;
      flow.handshake_marks |= slot::dropped;
    }
    return true;
  }
  static constexpr std::uint8_t kexinit = 20, newkeys = 21;  // [RFC 4253 12]

  void read_packet(slot& flow, direction dir, std::uint16_t at, bytes part, ssh_record<Config>& r, ssh_stream& t,
                   const passing_packet& now) {
    if (!t.is_collected) return;
    const bool ends = part.length == t.packet_left;
    const bool is_whole = ends && !t.is_split;
    const bytes message = is_whole ? part : join(flow, dir, at, part);
    t.is_split = 1;
    if (!ends) return;
    constexpr std::size_t cookie = 16;
    r.has_hassh[dir] =
        hassh_of(message.first(message.length - t.padding).after(cookie), !now.from_client, r.hassh[dir]);
    t.has_kexinit = 1;
    if (!is_whole) empty_buffer(flow, dir);
  }
  void end_packet(slot& flow, direction dir, bytes behind, ssh_stream& t) {
    t.packet_have = 0;
    if (t.message != newkeys) return;
    t.is_encrypted = 1;
    t.clear_end = flow.streams[dir].next_sequence - static_cast<std::uint32_t>(behind.length);
    end_stream(flow, dir);
  }
  /// Packets whose last byte lies behind NEWKEYS, by their length on the wire.
  static void count_encrypted(ssh_record<Config>& r, const packet& p) {
    ssh_stream& t = r.streams[p.dir];
    if (!t.is_encrypted) return;
    const std::int32_t beyond = static_cast<std::int32_t>(sequence_of(p) + p.payload_len - t.clear_end);
    if (beyond > 1 << 30) t.is_far = 1;  // from here on every packet lies behind it, and sequence numbers may wrap
    if (beyond > 0 || t.is_far) ++r.encrypted_packets;
  }

  // ---- 9.5 DNS: messages in datagrams and streams

  /// Nothing more is learned once the query has its response.
  void read_dns_datagram(slot& flow, const packet& p) {
    dns_record<Config>& r = record(flow).dns;
    const bool is_answered = r.facts.has_query && r.facts.has_response && r.facts.query_id == r.facts.response_id;
    if (is_answered) return;
    dns_reader reader(r.facts, effort_);
    if (reader.datagram(p.payload)) write_dns_name(flow, p.payload, r);
    if (reader.was_cut()) flow.handshake_marks |= slot::dropped;
  }
  void write_dns_name(slot& flow, bytes message, dns_record<Config>& r) {
    r.name.length = 0;
    write_dns_question_name(message, [&](char c) {
      if (r.name.length < Config::max_name)
        r.name.characters[r.name.length++] = c;
      else
        flow.handshake_marks |= slot::name_cut;
    });
  }
  void read_dns(slot& flow, direction dir, std::uint16_t at, bytes run) {
    dns_stream& t = record(flow).dns.streams[dir];
    while (!run.empty()) {
      std::size_t some = 1;
      if (t.length_have < 2) {
        t.message_left =
            static_cast<std::uint16_t>(t.length_have == 0 ? run.data[0] << 8 : t.message_left | run.data[0]);
        if (++t.length_have == 2 && t.message_left < dns_header_length) return t.length_have = 0, end_stream(flow, dir);
      } else {
        some = run.first(t.message_left).length;
        read_dns_part(flow, dir, at, run.first(some), t);
        t.message_left = static_cast<std::uint16_t>(t.message_left - some);
        if (t.message_left == 0) t.length_have = 0;
      }
      run = run.after(some);
      at = static_cast<std::uint16_t>(at + some);
    }
  }
  void read_dns_part(slot& flow, direction dir, std::uint16_t at, bytes part, dns_stream& t) {
    if (part.length == t.message_left && !t.is_split) return use_dns_message(flow, dir, part);
    t.is_split = true;
    join(flow, dir, at, part);
    if (part.length == t.message_left) use_part_of_dns_message(flow, dir);
  }
  /// What was joined, whole or not; nothing at all when the stream ends behind a length.
  void use_part_of_dns_message(slot& flow, direction dir) {
    dns_stream& t = record(flow).dns.streams[dir];
    const bool is_joined = t.is_split, is_due = t.length_have == 2;
    t.is_split = false;
    t.length_have = 0;  // so that the end of the flow does not take it for a message without bytes
    const buffer_type* const buffer = buffer_of(flow, dir);
    if (!is_joined && is_due) use_dns_message(flow, dir, {});
    if (is_joined && buffer != nullptr) use_dns_message(flow, dir, {buffer->tcp.octets, buffer->joined});
    empty_buffer(flow, dir);
  }
  void use_dns_message(slot& flow, direction dir, bytes message) {
    dns_record<Config>& r = record(flow).dns;
    dns_reader reader(r.facts, effort_);
    if (reader.stream_message(message, dir)) write_dns_name(flow, message, r);
    if (reader.was_cut()) flow.handshake_marks |= slot::dropped;
  }

  // ---- 9.6 QUIC: a ClientHello in the windows of its connections

  void read_quic_datagram(slot& flow, const packet& p) {
    quic_record<Config>& r = record(flow).quic;
    const bool opened_more = r.facts.opens_more(Config::quic_initials);
    const auto window_of = [&](unsigned connection) -> decltype(buffer_type::crypto)* {
      if ((record(flow).lost >> connection & 1) != 0) return nullptr;
      return &take_buffer(flow, connection, 0).crypto;
    };
    const auto on_hello = [&](bytes body, unsigned) { return use_quic_hello(flow, body, r); };
    read_quic<Config::quic_initials>(p, r.facts, r.connections, effort_, keys_, window_of, on_hello);
    if (!opened_more || r.facts.opens_more(Config::quic_initials)) return;
    for (unsigned connection = 0; connection < Config::quic_connections; ++connection)
      give_back_buffer(flow, connection);
  }
  JOYFULJAY_OWN_FRAME bool use_quic_hello(slot& flow, bytes body, quic_record<Config>& r) {
    tls_client_hello hello;
    if (!hello.parse(body)) return false;
    r.hello = {};
    note_cut(flow, r.hello.server_name.assign(hello.host_name()));
    note_cut(flow, r.hello.protocol.assign(hello.protocol()));
    fingerprint(flow, hello, 'q', r.hello.ja3, r.hello.ja4);
    return true;
  }

  record_type records_[record_capacity] = {};
  std::uint32_t links_[record_capacity] = {};
  number_pool<record_capacity> pool_ = {};
  buffer_pool<Config, buffer_capacity> buffers_ = {};
  std::conditional_t<KeepsTexts, hello_text<buffer_bytes>, nothing> text_ = {};
  packet_effort effort_ = {};                                    // of the packet at hand
  std::conditional_t<Quic, quic_key_cache, nothing> keys_ = {};  // of its datagram
  std::uint16_t sorted_[2 * most_numbers()] = {};                // of its hello
};

}  // namespace detail

// ---- 10. Feature machinery ---------------------------------------------------------------------------------------
// One macro declares, documents and computes a feature; everything else is derived from that declaration. Users write
// groups of their own with the same two macros: examples/custom_group.cpp.

namespace detail {

template <class List> struct flat_list {
  static_assert(std::is_void_v<List>, "joyfuljay: Config::groups must be a list: jj::type_list<jj::timing>, say");
  using type = type_list<>;
};
template <class Type> struct flat { using type = type_list<Type>; };
template <class... Type> struct flat<type_list<Type...>> { using type = typename flat_list<type_list<Type...>>::type; };

/// Set union in order of first appearance: {a, b} | {b, c} is {a, b, c}.
template <class... A> constexpr auto operator|(type_list<A...> a, type_list<>) { return a; }
template <class... A, class B, class... More> constexpr auto operator|(type_list<A...>, type_list<B, More...>) {
  constexpr bool known = (std::is_same_v<A, B> || ...);
  return std::conditional_t<known, type_list<A...>, type_list<A..., B>>{} | type_list<More...>{};
}

template <class... Type> struct flat_list<type_list<Type...>> {
  using type = decltype((type_list<>{} | ... | typename flat<Type>::type{}));
};
/// Nested lists as one, each type once.
template <class List> using flattened = typename flat_list<List>::type;

constexpr bool same_name(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}
constexpr type_list<> gathered(type_list<>) { return {}; }
template <class First, class... More> constexpr auto gathered(type_list<First, More...>) {
  using same =
      decltype((type_list<First>{} | ... |
                std::conditional_t<same_name(First::jj_group, More::jj_group), type_list<More>, type_list<>>{}));
  using others =
      decltype((type_list<>{} | ... |
                std::conditional_t<same_name(First::jj_group, More::jj_group), type_list<>, type_list<More>>{}));
  return same{} | gathered(others{});
}
/// Nested lists of groups as one, those of one name side by side, so that JSON has one member for each name.
template <class List> using group_list = decltype(gathered(flattened<List>{}));

/// The given accumulators and all that these need in turn, each once, dependencies first.
template <class... A> constexpr auto with_needs(type_list<A...>) {
  return (type_list<>{} | ... | (with_needs(typename A::needs{}) | type_list<A>{}));
}
template <class... Groups> constexpr auto accumulators_of(type_list<Groups...>) {
  return (type_list<>{} | ... | with_needs(typename Groups::needs{}));
}

template <template <class...> class Keep, class... Type> constexpr auto filtered(type_list<Type...>) {
  return (type_list<>{} | ... | std::conditional_t<Keep<Type>::value, type_list<Type>, type_list<>>{});
}

template <std::size_t Number> struct number : std::integral_constant<std::size_t, Number> {};
template <std::size_t Number> struct rank : rank<Number - 1> {};
template <> struct rank<0> {};
using highest_rank = rank<128>;  ///< the most features that one group may declare

/// Where a feature lies in its group and what it is, for `to_vector` where flash counts.
enum class number_kind : std::uint8_t { octet, unsigned_16, unsigned_32, unsigned_64, real, other, none };
struct number_place {
  number_kind kind;
  std::size_t offset;
};
template <class Value> constexpr number_kind kind_of_number() {
  return !std::is_arithmetic_v<Value>                                         ? number_kind::none
         : std::is_same_v<Value, bool> || std::is_same_v<Value, std::uint8_t> ? number_kind::octet
         : std::is_same_v<Value, std::uint16_t>                               ? number_kind::unsigned_16
         : std::is_same_v<Value, std::uint32_t>                               ? number_kind::unsigned_32
         : std::is_same_v<Value, std::uint64_t>                               ? number_kind::unsigned_64
         : std::is_same_v<Value, double>                                      ? number_kind::real
                                                                              : number_kind::other;
}

}  // namespace detail

/// What is known about a feature besides its value. `type` is bool, int, float, str or list[...]; the unit of a plain
/// number is "".
struct feature_info {
  const char *group, *name, *type, *unit, *about;
};

/// How a feature's C++ type is called in tables. Specialise it for types of your own.
template <class Value> struct type_name {
  static constexpr const char* value = std::is_floating_point_v<Value> ? "float" : "int";
};
template <> struct type_name<bool> { static constexpr const char* value = "bool"; };
template <> struct type_name<const char*> { static constexpr const char* value = "str"; };
template <> struct type_name<text_view> { static constexpr const char* value = "str"; };
template <> struct type_name<ip_address> { static constexpr const char* value = "str"; };
template <std::size_t Capacity> struct type_name<text<Capacity>> { static constexpr const char* value = "str"; };
template <> struct type_name<list<double>> { static constexpr const char* value = "list[float]"; };
template <> struct type_name<list<std::uint32_t>> { static constexpr const char* value = "list[int]"; };
template <> struct type_name<list<std::int8_t>> { static constexpr const char* value = "list[int]"; };
template <> struct type_name<list<splt_step>> { static constexpr const char* value = "list[tuple]"; };

/// Opens a group: the name under which its features are reported, and the accumulators that they read.
#define JOYFULJAY_GROUP(name, ...)                   \
  using needs = ::joyfuljay::type_list<__VA_ARGS__>; \
  static constexpr const char* jj_group = #name;     \
  static ::joyfuljay::detail::number<0> jj_count(::joyfuljay::detail::rank<0>);

/// Declares the member `name`. The braces that follow compute it from `flow` and may read the features above it.
/// Features are numbered as they appear: each adds a jj_count that outranks the last one.
#define JOYFULJAY_FEATURE(value_type, name, unit, about)                                                              \
  JOYFULJAY_NUMBERED_MEMBER(value_type, name)                                                                         \
  template <class Visitor> constexpr void jj_visit(::joyfuljay::detail::number<jj_at_##name>, Visitor& visit) const { \
    visit(::joyfuljay::feature_info{jj_group, #name, ::joyfuljay::type_name<value_type>::value, unit, about}, name);  \
  }                                                                                                                   \
  template <class Group>                                                                                              \
  static constexpr ::joyfuljay::detail::number_place jj_place(::joyfuljay::detail::number<jj_at_##name>) {            \
    return {::joyfuljay::detail::kind_of_number<value_type>(), offsetof(Group, name)};                                \
  }                                                                                                                   \
  template <class Flow> value_type jj_value_of_##name([[maybe_unused]] const Flow& flow) const

/// The same for a result that several features share: computed once, in the row while the row is computed, never shown.
#define JOYFULJAY_STEP(value_type, name)                                                                         \
  JOYFULJAY_NUMBERED_MEMBER(value_type, name)                                                                    \
  template <class Visitor> constexpr void jj_visit(::joyfuljay::detail::number<jj_at_##name>, Visitor&) const {} \
  template <class Group>                                                                                         \
  static constexpr ::joyfuljay::detail::number_place jj_place(::joyfuljay::detail::number<jj_at_##name>) {       \
    return {::joyfuljay::detail::number_kind::none, 0};                                                          \
  }                                                                                                              \
  template <class Flow> value_type jj_value_of_##name([[maybe_unused]] const Flow& flow) const

#define JOYFULJAY_NUMBERED_MEMBER(value_type, name)                                                           \
  value_type name{};                                                                                          \
  enum : std::size_t { jj_at_##name = decltype(jj_count(::joyfuljay::detail::highest_rank{}))::value };       \
  static ::joyfuljay::detail::number<jj_at_##name + 1> jj_count(::joyfuljay::detail::rank<jj_at_##name + 1>); \
  template <class Flow> void jj_compute(::joyfuljay::detail::number<jj_at_##name>, const Flow& flow) {        \
    name = jj_value_of_##name(flow);                                                                          \
  }

namespace detail {

template <class Group>
using feature_numbers = std::make_index_sequence<decltype(Group::jj_count(highest_rank{}))::value>;

template <class Group, class Flow, std::size_t... At>
void compute_group(Group& group, const Flow& flow, std::index_sequence<At...>) {
  (group.jj_compute(number<At>{}, flow), ...);
}
template <class Group, class Visitor, std::size_t... At>
constexpr void visit_group(const Group& group, Visitor& visit, std::index_sequence<At...>) {
  (group.jj_visit(number<At>{}, visit), ...);
}

}  // namespace detail

/// The features of some groups side by side: row.iat_mean, not row.timing.iat_mean. Lists in it point into the engine.
template <class... Groups> struct feature_row : Groups... {
  template <class Flow> void compute(const Flow& flow) {
    (detail::compute_group<Groups>(*this, flow, detail::feature_numbers<Groups>{}), ...);
  }
};

namespace detail {
template <class... Groups> feature_row<Groups...> row_of(type_list<Groups...>);
}
template <class GroupList> using row_for = decltype(detail::row_of(detail::group_list<GroupList>{}));

/// Calls visit(const feature_info&, const Value& value) for every feature, in the order of declaration.
template <class... Groups, class Visitor>
constexpr void for_each_feature(const feature_row<Groups...>& row, Visitor&& visit) {
  (detail::visit_group<Groups>(row, visit, detail::feature_numbers<Groups>{}), ...);
}

namespace detail {

/// FNV-1a of each name; two of 32 bits that are equal by chance do not occur among names that people give.
template <std::size_t Capacity> struct name_hashes {
  std::uint32_t of[Capacity] = {};
  std::size_t count = 0;

  template <class Value> constexpr void operator()(const feature_info& feature, const Value&) {
    std::uint32_t hash = 0x811c9dc5;
    for (const char* next = feature.name; *next != '\0'; ++next)
      hash = (hash ^ static_cast<unsigned char>(*next)) * 0x01000193;
    of[count++] = hash;
  }
};
/// Whether no two features of the groups share a name, which would be the name of two columns.
template <class... Groups> constexpr bool names_differ(type_list<Groups...>) {
  name_hashes<(feature_numbers<Groups>::size() + ... + 1)> names;
  for_each_feature(feature_row<Groups...>{}, names);
  for (std::size_t a = 1; a < names.count; ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (names.of[a] == names.of[b]) return false;
  return true;
}

}  // namespace detail

// ---- 11. Accumulators --------------------------------------------------------------------------------------------
// What a flow remembers. An accumulator is a struct whose members start as zero bytes, with `needs` (others that must
// be updated before it) and one of three ways to be fed:
//
//   live       update(const packet&, const Flow&): at every packet, in the slot. For what the log does not hold, frame
//              lengths and payload. The default, and the simplest for accumulators of your own.
//   from_log   `static constexpr bool from_log = true` and update(const logged_packet&, const Flow&): replayed from the
//              log for short flows, kept in the long-flow state for long ones; in an engine without a log, in the slot.
//   sampled    `template <class Config> struct exact` and `struct sketch` with the same two functions, add and answer:
//              the first sees the log of a short flow, the second every packet of a long one. The accumulator itself
//              holds the answers. `exact` has clear(), too: its memory is used for one flow after the other. One of these
//              in an engine is what makes it keep logs. With `static constexpr bool reads_other_forms = true` answer
//              takes a third argument, which all exact forms, or all sketches, are bases of: those that it needs have
//              answered.
//
// Two are of kinds of their own, for which the engine keeps chunks of the logs' pool: payload_sample (bytes, or what they
// say) and hello_texts (strings). first_packets has an `exact` and no `sketch`: of long flows that part of the log is kept.
//
// A fourth kind, `learned`, says with `learned_from` which handshake it shows; the engine keeps that in a record.
//
// Beside these stand the two of the group connection, marked `from_tables`: nothing of them is in the flow, the engine
// fills them from its tables when features are computed.
//
// A flow inherits each accumulator that its groups need, once; so members have distinct names, and there is no common
// base class, because two equal empty bases could not share an address. In update(), `flow` is as the previous packet
// left it, but for `needs`, whose members are up to date. Flow::config is the engine's configuration.

/// Bytes on the wire by direction. One addition a packet.
struct wire_bytes {
  using needs = type_list<>;
  std::uint64_t frame_bytes[2];

  template <class Flow> void update(const packet& p, const Flow&) { frame_bytes[p.dir] += p.frame_len; }
};

/// Payload bytes by direction. One addition a packet.
struct payload_bytes {
  using needs = type_list<>;
  static constexpr bool from_log = true;
  std::uint64_t payload_sum[2];

  template <class Flow> void update(const logged_packet& p, const Flow&) { payload_sum[p.dir] += p.payload_len; }
};

/// Squares and extremes of payload lengths by direction, empty ones counted apart.
struct payload_spread {
  using needs = type_list<payload_bytes>;
  static constexpr bool from_log = true;
  wide<2> payload_squares[2];
  std::uint32_t packets_with_payload[2];
  std::uint32_t least_payload[2], most_payload[2];  ///< of packets with payload

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    if (p.payload_len == 0) return;
    payload_squares[p.dir] += static_cast<std::uint64_t>(p.payload_len) * p.payload_len;
    if (packets_with_payload[p.dir]++ == 0 || p.payload_len < least_payload[p.dir])
      least_payload[p.dir] = p.payload_len;
    if (p.payload_len > most_payload[p.dir]) most_payload[p.dir] = p.payload_len;
  }
};

/// Moments of the IP lengths by direction.
struct packet_lengths {
  using needs = type_list<>;
  static constexpr bool from_log = true;
  moments<32> lengths[2];
  bool length_seen[2];

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    lengths[p.dir].add(p.ip_len, !length_seen[p.dir]);
    length_seen[p.dir] = true;
  }
  moments<32> both_lengths() const { return lengths[fwd].joined(lengths[bwd], !length_seen[fwd], !length_seen[bwd]); }
};

/// Moments of the gaps between packets: of all, and of each direction by itself.
struct arrival_gaps {
  using needs = type_list<>;
  static constexpr bool from_log = true;
  moments<64> gaps, directed_gaps[2];
  std::int64_t directed_time_ns[2];  ///< of the direction's last packet
  std::int64_t first_response_ns;    ///< time of the first backward packet
  std::uint64_t directed_gap;        ///< the gap that the last packet made in its own direction
  std::uint8_t direction_seen[2];    ///< packets of it so far, at most 2

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    if (!p.opens_flow) gaps.add(p.gap_ns, direction_seen[fwd] + direction_seen[bwd] == 1);
    if (direction_seen[p.dir] != 0) {
      const std::int64_t before = directed_time_ns[p.dir];
      directed_gap =
          p.time_ns > before ? static_cast<std::uint64_t>(p.time_ns) - static_cast<std::uint64_t>(before) : 0;
      directed_gaps[p.dir].add(directed_gap, direction_seen[p.dir] == 1);
    } else if (p.dir == bwd) {
      first_response_ns = p.time_ns;
    }
    directed_time_ns[p.dir] = p.time_ns;
    if (direction_seen[p.dir] < 2) ++direction_seen[p.dir];
  }
  /// Whether the last packet of this direction made a gap with one before it.
  bool has_directed_gap(direction dir) const { return direction_seen[dir] == 2; }
};

/// Bursts, and the idle periods between them. One comparison and at most a handful of additions a packet.
struct bursts {
  using needs = type_list<arrival_gaps>;
  static constexpr bool from_log = true;
  wide<2> idle_sum;
  std::uint32_t idle_periods;
  std::uint32_t current_burst, longest_burst;  ///< packets

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    if (!p.opens_flow && p.gap_ns >= static_cast<std::uint64_t>(Flow::config::burst_threshold_ns)) {
      idle_sum += p.gap_ns;
      ++idle_periods;
      current_burst = 0;
    }
    if (++current_burst > longest_burst) longest_burst = current_burst;
  }
};

/// How much of each burst is payload. Two additions a packet; two divisions when a burst ends.
struct burst_shares {
  using needs = type_list<bursts>;
  static constexpr bool from_log = true;
  wide<2> ended_share_sum;  ///< payload over length of the bursts that ended, in units of 2^-64, each rounded down
  std::uint64_t burst_payload, burst_length;  ///< bytes of the burst under way

  template <class Flow> void update(const logged_packet& p, const Flow& flow) {
    if (flow.current_burst == 1 && !p.opens_flow) {
      ended_share_sum += binary_share(burst_payload, burst_length);
      burst_payload = burst_length = 0;
    }
    burst_payload += p.payload_len;
    burst_length += p.ip_len;
  }
  wide<2> share_sum() const {
    wide<2> sum = ended_share_sum;
    sum += binary_share(burst_payload, burst_length);
    return sum;
  }
};

/// Packets of telling sizes: Tor cells of 512 bytes in their TLS record, and nearly full Ethernet frames. Two comparisons
/// a packet.
struct telling_sizes {
  using needs = type_list<payload_spread>;
  static constexpr bool from_log = true;
  std::uint32_t tor_cells;      ///< payload of 580 to 600 bytes
  std::uint32_t large_packets;  ///< IP length of 1400 to 1500 bytes

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    tor_cells += p.payload_len - 580 <= 20;
    large_packets += p.ip_len - 1400 <= 100;
  }
};

/// What the first packet with payload of each direction looks like, later fragments passed over. One test a packet after
/// that.
struct first_payloads {
  using needs = type_list<>;
  std::uint8_t opening_marks[2];

  static constexpr std::uint8_t seen = 1, openvpn_client = 2, openvpn_server = 4, wireguard_handshake = 8,
                                wireguard_data = 16;

  template <class Flow> void update(const packet& p, const Flow&) {
    if (opening_marks[p.dir] == 0 && p.payload_len != 0 && !p.is_later_fragment) opening_marks[p.dir] = marks_of(p);
  }
  bool opened_with(direction dir, std::uint8_t mark) const { return (opening_marks[dir] & mark) != 0; }

 private:
  static std::uint8_t marks_of(const packet& p) {
    reader input(p.payload);
    const auto wireguard = input.peek<16>();
    const bool whole = input.left() >= 16;
    std::uint8_t marks = seen;
    if (starts_with(p.payload, p.dir == fwd ? 1 : 2) && p.payload_len == (p.dir == fwd ? 148u : 92u))
      marks |= wireguard_handshake;
    if (starts_with(p.payload, 4) && p.payload_len >= 32 && p.payload_len % 16 == 0 && whole &&
        wireguard.u32<12>() == 0)
      marks |= wireguard_data;  // a transport message with a counter below 2^32

    std::uint32_t length = p.payload_len;
    if (p.protocol == ip_protocol::tcp) {  // the packet's length goes before it
      length = input.take<2>().u16<0>();
      if (input.failed() || length + 2 > p.payload_len) return marks;
    }
    const std::uint8_t opcode = input.peek<1>().u8<0>();  // and key id 0
    if (length < 14) return marks;
    if (opcode == 0x38 || opcode == 0x50) marks |= openvpn_client;  // P_CONTROL_HARD_RESET_CLIENT_V2 or _V3
    if (opcode == 0x40) marks |= openvpn_server;                    // P_CONTROL_HARD_RESET_SERVER_V2
    return marks;
  }
  /// Message type and three bytes reserved.
  static bool starts_with(const bytes& payload, std::uint8_t type) {
    return payload.length >= 4 && payload.data[0] == type && (payload.data[1] | payload.data[2] | payload.data[3]) == 0;
  }
};

/// The first entropy_sample_bytes of each direction's captured payload, all protocols, later fragments too. The slot has
/// the head, 12 bytes. A sample lies in chunks of the logs' pool: below 256 bytes as it came, more as a coded histogram,
/// which of 256 bytes fills one chunk. When both are complete, what they say takes their place, one chunk, and counts
/// even where the setting grows later. What is here are these answers. A packet that adds to a coded sample has it decoded
/// and coded again; with the setting as it is no packet does, because 256 bytes are all. Of ordinary traffic an open flow
/// holds 1.6 chunks; coding from 65 bytes on would save 0.4 of them and cost where packets are small.
struct payload_sample {
  using needs = type_list<>;
  static constexpr bool samples_payload = true;
  struct head {
    std::uint32_t sample_chunk[2];  // the last of each direction's, 0 for none
    std::uint16_t sampled_bytes[2];
  };

  std::uint64_t sample_information[2], both_information;  ///< bytes times entropy, in units of `weighted_logarithm`
  std::uint64_t byte_count_squares;                       ///< sum over byte values, of both samples together
  std::uint32_t sampled[2];
  std::uint32_t printable_bytes, null_bytes, high_bytes;

  /// n H = n log2(n) - sum of c log2(c) for n bytes of which each value occurs c times. Within 1e-12 of its value; 0 for
  /// one value.
  void answer(const byte_histogram (&counts)[2], const head& sizes) {
    *this = {};
    for (const direction dir : {fwd, bwd}) sampled[dir] = sizes.sampled_bytes[dir];
    for (std::size_t group = 0; group < byte_histogram::values; group += 32) {
      const std::uint32_t bytes_of_group = add_group(group, counts);
      if (group >= 32 && group < 128) printable_bytes += bytes_of_group;
      if (group >= 128) high_bytes += bytes_of_group;
    }
    printable_bytes -= counts[fwd].count(127) + counts[bwd].count(127);
    null_bytes = counts[fwd].count(0) + counts[bwd].count(0);
    for (const direction dir : {fwd, bwd})
      sample_information[dir] = weighted_logarithm(sampled[dir]) - sample_information[dir];
    both_information = weighted_logarithm(sampled[fwd] + sampled[bwd]) - both_information;
  }

 private:
  /// The c log2(c) of 32 byte values. Returns how many bytes have one of them. Nearly all counts are in the table.
  std::uint32_t add_group(std::size_t group, const byte_histogram (&counts)[2]) {
    constexpr const std::uint64_t(&weights)[detail::weight_table::size] = detail::small_weights.of;
    std::uint64_t less[2] = {}, less_together = 0, squares = 0;  // registers: members would be stored each time
    std::uint32_t sum = 0;
    for (std::size_t four = group; four < group + 32; four += 4) {
      if (!counts[fwd].has_any_of_four(four) && !counts[bwd].has_any_of_four(four)) continue;
      for (std::size_t at = 0; at < 4; ++at) {
        const std::uint32_t forward = counts[fwd].count(four + at), backward = counts[bwd].count(four + at);
        const std::uint32_t together = forward + backward;
        if (together < detail::weight_table::size) {
          less[fwd] += weights[forward];
          less[bwd] += weights[backward];
          less_together += weights[together];
        } else {
          less[fwd] += weighted_logarithm(forward);
          less[bwd] += weighted_logarithm(backward);
          less_together += weighted_logarithm(together);
        }
        squares += std::uint64_t{together} * together;
        sum += together;
      }
    }
    sample_information[fwd] += less[fwd];
    sample_information[bwd] += less[bwd];
    both_information += less_together;
    byte_count_squares += squares;
    return sum;
  }
};

/// The TCP flags of each direction and what else flow_stat and fstat ask for. A few bit operations a packet.
struct tcp_milestones {
  using needs = type_list<>;
  static constexpr bool from_log = true;
  std::uint8_t tcp_flags_seen[2];
  bool syn_seen[2], synack_seen[2];  ///< SYN without, and with, ACK
  bool odd_flags_seen;

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    if (!p.has_tcp_header) return;
    using namespace tcp_flag;
    tcp_flags_seen[p.dir] |= p.tcp_flags;
    if (p.has_flag(syn)) (p.has_flag(ack) ? synack_seen : syn_seen)[p.dir] = true;
    odd_flags_seen |= is_odd(p);
  }
  bool any(std::uint8_t flag) const { return ((tcp_flags_seen[fwd] | tcp_flags_seen[bwd]) & flag) != 0; }

  /// Null scan, Xmas scan, bare FIN, SYN with FIN, SYN with RST: no stack sends these.
  static bool is_odd(const logged_packet& p) {
    using namespace tcp_flag;
    constexpr std::uint8_t xmas = fin | psh | urg;
    return p.tcp_flags == 0 || (p.tcp_flags & xmas) == xmas || (p.tcp_flags & (fin | ack | syn)) == fin ||
           (p.has_flag(syn) && p.has_flag(fin | rst));
  }
};

/// Packets by TCP flag. Four conditional additions for a packet with ACK and perhaps PSH, which nearly all are; eleven for
/// others.
struct tcp_counts {
  using needs = type_list<tcp_milestones>;
  static constexpr bool from_log = true;
  std::uint32_t flag_packets[8];  ///< by bit number: FIN SYN RST PSH ACK URG ECE CWR
  std::uint32_t synack_packets, tcp_data, tcp_ack_only;

  template <class Flow> void update(const logged_packet& p, const Flow&) {
    if (!p.has_tcp_header) return;
    using namespace tcp_flag;
    tcp_data += p.payload_len != 0;
    if ((p.tcp_flags | psh) == (ack | psh)) {
      ++flag_packets[bit_of(ack)];
      flag_packets[bit_of(psh)] += (p.tcp_flags & psh) != 0;
      tcp_ack_only += p.payload_len == 0;
      return;
    }
    for (unsigned bit = 0; bit < 8; ++bit) flag_packets[bit] += p.tcp_flags >> bit & 1u;
    synack_packets += (p.tcp_flags & (syn | ack)) == (syn | ack);
    tcp_ack_only += p.payload_len == 0 && (p.tcp_flags & (ack | syn | fin | rst)) == ack;
  }
  std::uint32_t with_flag(std::uint8_t flag) const { return flag_packets[bit_of(flag)]; }

 private:
  static unsigned bit_of(std::uint8_t flag) { return detail::lowest_bit(flag); }
};

/// Quantiles of the gaps, in seconds.
struct gap_quantiles {
  using needs = type_list<arrival_gaps>;
  enum : std::size_t { gap_p25, gap_median, gap_p75, gap_p90, gap_p99, gap_percentiles };
  double gap_at[gap_percentiles], directed_gap_median[2];

  template <class Config> struct exact {
    std::uint64_t all[Config::sample_packets], directed[2][Config::sample_packets], spare[Config::sample_packets];
    std::size_t used, directed_used[2];

    template <class Flow> void add(const logged_packet& p, const Flow& flow) {
      if (!p.opens_flow) all[used++] = p.gap_ns;
      if (flow.has_directed_gap(p.dir)) directed[p.dir][directed_used[p.dir]++] = flow.directed_gap;
    }
    void clear() { used = directed_used[fwd] = directed_used[bwd] = 0; }
    template <class Flow> void answer(gap_quantiles& q, const Flow&) {
      detail::sort(all, used, spare);
      for (std::size_t at = 0; at < gap_percentiles; ++at)
        q.gap_at[at] = detail::exact_percentile(all, used, detail::usual_percentiles[at], ns_per_second);
      for (const direction dir : detail::directions{}) {
        detail::sort(directed[dir], directed_used[dir], spare);
        q.directed_gap_median[dir] = detail::exact_percentile(directed[dir], directed_used[dir], 50, ns_per_second);
      }
    }
  };
  struct sketch {
    gap_sketch all, directed[2];

    template <class Flow> void add(const logged_packet& p, const Flow& flow) {
      if (!p.opens_flow) all.add(p.gap_ns);
      if (flow.has_directed_gap(p.dir)) directed[p.dir].add(flow.directed_gap);
    }
    template <class Flow> void answer(gap_quantiles& q, const Flow& flow) const {
      percentile found[gap_percentiles];
      all.answer(detail::usual_percentiles, found, gap_percentiles, flow.gaps.least, flow.gaps.most);
      for (std::size_t at = 0; at < gap_percentiles; ++at) q.gap_at[at] = found[at].value(ns_per_second);
      for (const direction dir : detail::directions{})
        q.directed_gap_median[dir] =
            directed[dir].at(50, flow.directed_gaps[dir].least, flow.directed_gaps[dir].most).value(ns_per_second);
    }
  };
};

/// Quantiles and mode of the IP lengths.
struct length_quantiles {
  using needs = type_list<packet_lengths>;
  enum : std::size_t { length_p25, length_median, length_p75, length_p90, length_percentiles };
  double length_at[length_percentiles], directed_length_median[2];
  std::uint32_t mode_length, mode_packets;

  template <class Config> struct exact {
    // Length, then number of appearance, then direction, in one word: sorted once, they answer everything.
    std::uint64_t keys[Config::sample_packets], spare[Config::sample_packets];
    std::size_t used;

    template <class Flow> void add(const logged_packet& p, const Flow&) {
      keys[used] = static_cast<std::uint64_t>(p.ip_len) << 32 | used << 1 | p.dir;
      ++used;
    }
    void clear() { used = 0; }
    template <class Flow> void answer(length_quantiles& q, const Flow&) {
      detail::sort(keys, used, spare);
      find_mode(q);
      for (const direction dir : detail::directions{}) {
        std::size_t count = 0;
        for (std::size_t at = 0; at < used; ++at)
          if ((keys[at] & 1) == dir) spare[count++] = keys[at] >> 32;
        q.directed_length_median[dir] = detail::exact_percentile(spare, count, 50, 1);
      }
      for (std::size_t at = 0; at < used; ++at) spare[at] = keys[at] >> 32;
      for (std::size_t at = 0; at < length_percentiles; ++at)
        q.length_at[at] = detail::exact_percentile(spare, used, detail::usual_percentiles[at], 1);
    }

   private:
    /// Of equally frequent lengths the one that appeared first.
    void find_mode(length_quantiles& q) const {
      std::uint64_t first_seen = 0;
      q.mode_length = q.mode_packets = 0;
      for (std::size_t begin = 0; begin < used;) {
        std::size_t end = begin + 1;
        while (end < used && keys[end] >> 32 == keys[begin] >> 32) ++end;
        const std::uint64_t appeared = keys[begin] & 0xFFFFFFFF;
        const bool wins = end - begin > q.mode_packets || (end - begin == q.mode_packets && appeared < first_seen);
        if (wins) {
          q.mode_length = static_cast<std::uint32_t>(keys[begin] >> 32);
          q.mode_packets = static_cast<std::uint32_t>(end - begin);
          first_seen = appeared;
        }
        begin = end;
      }
    }
  };
  struct sketch {
    length_sketch lengths_seen;
    mode_sketch modes;

    template <class Flow> void add(const logged_packet& p, const Flow&) {
      lengths_seen.add(p.ip_len, p.dir);
      modes.add(p.ip_len);
    }
    template <class Flow> void answer(length_quantiles& q, const Flow& flow) const {
      const moments<32> both = flow.both_lengths();
      percentile found[length_percentiles];
      lengths_seen.answer(detail::usual_percentiles, found, length_percentiles, true, true, both.least, both.most);
      for (std::size_t at = 0; at < length_percentiles; ++at) q.length_at[at] = found[at].value();
      for (const direction dir : detail::directions{})
        q.directed_length_median[dir] =
            lengths_seen.at(50, dir == fwd, dir == bwd, flow.lengths[dir].least, flow.lengths[dir].most).value();
      q.mode_length = modes.size();
      q.mode_packets = modes.certain_count();
    }
  };
};

/// How many different IP lengths there were, and their entropy.
struct length_variety {
  using needs = type_list<length_quantiles>;
  static constexpr bool reads_other_forms = true;
  std::uint64_t distinct_lengths;
  wide<2> length_information;  ///< entropy times `length_total`, as shannon_entropy::scaled gives it
  std::uint64_t length_total;

  void take(const shannon_entropy& entropy, std::uint64_t total, std::uint64_t distinct) {
    distinct_lengths = distinct;
    length_information = entropy.scaled(total);
    length_total = total;
  }

  template <class Config> struct exact {
    template <class Flow> void add(const logged_packet&, const Flow&) {}
    void clear() {}
    template <class Flow, class Forms>
    JOYFULJAY_OWN_FRAME void answer(length_variety& variety, const Flow&, const Forms& forms) const {
      const auto& sorted = static_cast<const length_quantiles::exact<Config>&>(forms);
      shannon_entropy entropy;
      std::uint64_t distinct = 0;
      for (std::size_t begin = 0, end = 0; begin < sorted.used; begin = end, ++distinct) {
        while (end < sorted.used && sorted.keys[end] >> 32 == sorted.keys[begin] >> 32) ++end;
        entropy.add(end - begin);
      }
      variety.take(entropy, sorted.used, distinct);
    }
  };
  struct sketch {
    variety_sketch seen;

    template <class Flow> void add(const logged_packet& p, const Flow&) { seen.add(p.ip_len); }
    template <class Flow, class Forms>
    JOYFULJAY_OWN_FRAME void answer(length_variety& variety, const Flow&, const Forms& forms) const {
      const auto& lengths = static_cast<const length_quantiles::sketch&>(forms);
      variety.take(seen.entropy(lengths.lengths_seen, lengths.modes), lengths.lengths_seen.total() * seen.fine,
                   seen.distinct(lengths.modes));
    }
  };
};

/// The first packets one by one, read from the log when the flow is reported; a long flow keeps that part of its log.
struct first_packets {
  using needs = type_list<>;
  static constexpr bool reads_log_head = true;
  list<std::uint32_t> head_lengths;
  list<double> head_gaps;             ///< seconds; 0 for the first packet
  list<double> head_true_gaps;        ///< the same without that 0, so it reaches one packet further
  list<double> head_times;            ///< seconds since the first packet, at least 0
  list<std::int8_t> head_directions;  ///< 1 forward, -1 backward
  list<splt_step> head_steps;         ///< the three together

  template <class Config> struct exact {
    // One more than asked for: that many gaps need one packet more.
    static constexpr std::size_t capacity = Config::max_sequence_length + 1;
    std::uint32_t lengths[capacity];
    double gaps[capacity], times[capacity];
    std::int8_t directions[capacity];
    splt_step steps[capacity];
    std::size_t used;
    std::int64_t start_ns;

    void clear() { used = 0; }
    template <class Flow> void add(const logged_packet& p, const Flow&) {
      if (used == capacity) return;
      if (used == 0) start_ns = p.time_ns;
      lengths[used] = p.ip_len;
      gaps[used] = seconds(p.gap_ns);
      times[used] = p.time_ns > start_ns
                        ? seconds(static_cast<std::uint64_t>(p.time_ns) - static_cast<std::uint64_t>(start_ns))
                        : 0;
      directions[used] = p.dir == fwd ? 1 : -1;
      steps[used] = {lengths[used], gaps[used], directions[used]};
      ++used;
    }
    template <class Flow> void answer(first_packets& head, const Flow&) const {
      constexpr std::size_t longest = Config::max_sequence_length;
      const std::size_t count = used < longest ? used : longest;
      head.head_lengths = {lengths, count};
      head.head_gaps = {gaps, count};
      head.head_true_gaps = {gaps + 1, used > 0 ? used - 1 : 0, longest};
      head.head_times = {times, count, longest};
      head.head_directions = {directions, count};
      head.head_steps = {steps, count};
    }
  };
};

/// What a TLS handshake told.
struct tls_handshake {
  using needs = type_list<>;
  static constexpr handshake_protocol learned_from = handshake_protocol::tls;
  const tls_facts* tls;
  const ja4_fingerprint* ja4;
  text_view tls_server_name, tls_protocol;

  template <class Reader, class Slot> void learn(const Reader& handshakes, const Slot& flow) {
    static constexpr tls_facts none{};
    tls = &none;
    ja4 = &none.ja4;
    if constexpr (Reader::reads_quic)
      if (handshakes.shows_quic_hello(flow)) ja4 = &handshakes.record(flow).quic.hello.ja4;
    if (handshakes.protocol_of(flow) != handshake_protocol::tls) return;
    const auto& record = handshakes.record(flow).tls;
    tls = &record;
    ja4 = &record.ja4;
    tls_server_name = record.server_name.view();
    tls_protocol = record.protocol.view();
  }
};

/// What QUIC packets told.
struct quic_handshake {
  using needs = type_list<>;
  static constexpr handshake_protocol learned_from = handshake_protocol::quic;
  const quic_facts* quic;
  const std::uint8_t (*quic_ja3)[md5::digest_length];  ///< null without a ClientHello, or when it was too long
  text_view quic_server_name, quic_protocol;
  spin_watch quic_spin;

  template <class Reader, class Slot> void learn(const Reader& handshakes, const Slot& flow) {
    static constexpr quic_facts none{};
    quic = &none;
    if (handshakes.protocol_of(flow) != handshake_protocol::quic) return;
    const auto& record = handshakes.record(flow).quic;
    quic = &record.facts;
    quic_spin = record.facts.spin;
    quic_spin.note(flow.spin);
    if (!record.facts.has_hello) return;
    quic_ja3 = record.hello.ja4.readable[0] != '\0' ? &record.hello.ja3 : nullptr;
    quic_server_name = record.hello.server_name.view();
    quic_protocol = record.hello.protocol.view();
  }
};

/// What a DNS exchange told.
struct dns_exchange {
  using needs = type_list<>;
  static constexpr handshake_protocol learned_from = handshake_protocol::dns;
  const dns_facts* dns;
  text_view dns_name;

  template <class Reader, class Slot> void learn(const Reader& handshakes, const Slot& flow) {
    static constexpr dns_facts none{};
    dns = &none;
    if (handshakes.protocol_of(flow) != handshake_protocol::dns) return;
    const auto& record = handshakes.record(flow).dns;
    if (!record.facts.detected()) return;
    dns = &record.facts;
    if (dns->has_question) dns_name = record.name.view();
  }
};

/// What an SSH exchange told.
struct ssh_handshake {
  using needs = type_list<>;
  static constexpr handshake_protocol learned_from = handshake_protocol::ssh;
  const ssh_facts* ssh;
  text_view ssh_versions[2], ssh_software[2];  ///< of the client and of the server
  direction ssh_client;

  template <class Reader, class Slot> void learn(const Reader& handshakes, const Slot& flow) {
    static constexpr ssh_facts none{};
    ssh = &none;
    if (handshakes.protocol_of(flow) != handshake_protocol::ssh) return;
    const auto& record = handshakes.record(flow).ssh;
    ssh = &record;
    ssh_client = record.client;
    for (const direction dir : {fwd, bwd}) {
      const unsigned side = dir == ssh_client ? 0 : 1;
      ssh_versions[side] = record.version[dir].view();
      ssh_software[side] = record.software[dir].view();
    }
  }
};

/// The strings behind JA3 and JA3S. They lie in chunks of the logs' pool, their ends in the slot: 12 bytes.
struct hello_texts {
  using needs = type_list<>;
  static constexpr bool keeps_texts = true;
  struct head {
    std::uint32_t text_chunk[2];  // the last of the client's and the server's, 0 for none
    std::uint16_t text_length[2];
  };
  text_view client_hello_text, server_hello_text;
};

/// What could not be kept of a handshake.
struct handshake_losses {
  using needs = type_list<>;
  static constexpr handshake_protocol learned_from = handshake_protocol::none;
  bool handshake_was_dropped, name_was_cut;

  template <class Reader, class Slot> void learn(const Reader& handshakes, const Slot& flow) {
    handshake_was_dropped = handshakes.was_dropped(flow);
    name_was_cut = flow.handshake_marked(Slot::name_cut);
  }
};

/// What all flows say together of the two addresses of one, as of now.
struct connection_tallies {
  using needs = type_list<wire_bytes>;  // what the tables add up when the flow ends
  static constexpr bool from_tables = true;
  std::uint64_t src_packets_sent, src_bytes_sent, dst_packets_received, dst_bytes_received;
  std::uint64_t src_flows_out, dst_flows_in;
  std::uint32_t src_peers_out, dst_peers_in, src_ports_out;  ///< different ones
  std::uint32_t pair_flows, pair_port_flows;
  bool tables_overflowed;  ///< one of the above is too low, because an entry found no room
};

/// What the graph says of the two addresses, as of the last refresh.
struct graph_position {
  using needs = type_list<connection_tallies>;
  static constexpr bool from_tables = true;
  double betweenness[2], clustering[2];  ///< of the initiator, of the responder
  std::int32_t community[2];             ///< -1: not part of a refresh yet
};

/// What every flow knows, whatever its groups.
struct flow_facts {
  std::int64_t start_ns, end_ns;  ///< time of the first packet, and the largest time seen
  std::uint32_t packets[2];
  std::uint64_t address[2][2];  ///< initiator and responder, as in `packet`
  std::uint16_t port[2];
  std::uint8_t protocol, ip_version;
  bool is_ethernet;    ///< the first packet came in an Ethernet frame
  end_reason outcome;  ///< of a row that is read while the flow lives: snapshot
  bytes salt;

  std::uint64_t total_packets() const { return std::uint64_t{packets[fwd]} + packets[bwd]; }
  std::uint64_t duration_ns() const {
    return static_cast<std::uint64_t>(end_ns) - static_cast<std::uint64_t>(start_ns);
  }
  /// Gaps between packets of one direction.
  std::uint64_t gap_count(direction dir) const { return packets[dir] != 0 ? packets[dir] - 1 : 0; }
  std::uint64_t gap_count() const { return total_packets() - 1; }
  ip_address true_address(direction end) const;
  ip_address pseudonym(direction end) const;
};

inline ip_address flow_facts::true_address(direction end) const {
  ip_address result;
  result.form = ip_version == 4 ? ip_address::v4 : ip_address::v6;
  const std::uint64_t high = address[end][0], low = address[end][1];
  if (ip_version == 4) {
    for (unsigned at = 0; at < 4; ++at) result.octets[at] = static_cast<std::uint8_t>(low >> (24 - 8 * at));
  } else {
    for (unsigned at = 0; at < 8; ++at) {
      result.octets[at] = static_cast<std::uint8_t>(high >> (56 - 8 * at));
      result.octets[8 + at] = static_cast<std::uint8_t>(low >> (56 - 8 * at));
    }
  }
  return result;
}

inline ip_address flow_facts::pseudonym(direction end) const {
  sha256 digest;
  digest.update(salt);
  digest.update(true_address(end).to_text());
  std::uint8_t sum[sha256::digest_length];
  digest.finish(sum);
  ip_address result;
  result.form = ip_address::pseudonym;
  std::memcpy(result.octets, sum, 8);
  return result;
}

/// Dotted decimal, or the recommended text of IPv6 [RFC 5952 4], where only ::ffff:0:0/96 ends in dotted decimal.
inline text<ip_address::longest_text> ip_address::to_text() const {
  text<longest_text> out;
  const auto dotted = [&](const std::uint8_t* four) {
    for (unsigned at = 0; at < 4; ++at) {
      if (at != 0) out.append('.');
      out.append_decimal(four[at]);
    }
  };
  if (form == v4) dotted(octets);
  if (form == pseudonym)
    for (unsigned at = 0; at < 8; ++at)
      out.append_hexadecimal(octets[at] >> 4), out.append_hexadecimal(octets[at] & 15u);
  if (form != v6) return out;

  std::uint32_t groups[8];
  unsigned zeros_at = 8, zeros_long = 1, run = 0;  // the longest run of at least two zero groups, the first of equals
  for (unsigned at = 0; at < 8; ++at) {
    groups[at] = static_cast<std::uint32_t>(octets[2 * at] << 8 | octets[2 * at + 1]);
    run = groups[at] == 0 ? run + 1 : 0;
    if (run > zeros_long) zeros_long = run, zeros_at = at + 1 - run;
  }
  const bool mapped = zeros_at == 0 && zeros_long == 5 && groups[5] == 0xFFFF;
  for (unsigned at = 0; at < 8; ++at) {
    if (at == zeros_at) {
      out.append("::");
      at += zeros_long - 1;
      continue;
    }
    if (at != 0 && at != zeros_at + zeros_long) out.append(':');
    if (mapped && at == 6) {
      dotted(octets + 12);
      break;
    }
    out.append_hexadecimal(groups[at]);
  }
  return out;
}

// ---- 12. Feature groups ------------------------------------------------------------------------------------------
// What a flow reports. One entry declares a feature's name, type, unit, documentation and formula. "Gap" is the time
// between consecutive packets in order of arrival, 0 where the clock stepped back; lengths are IP lengths unless the
// name says frame or payload. Standard deviations and variances are those of the population.

struct flow_identifier {
  JOYFULJAY_GROUP(flow_meta, /* no accumulators */)

  JOYFULJAY_FEATURE(text<32>, flow_id, "",
                    "First 32 hex digits of SHA-256 over salt and both endpoints with the protocol, "
                    "smaller address text first. Equal for both directions and for every flow of the five-tuple.") {
    const auto source = flow.true_address(fwd).to_text(), target = flow.true_address(bwd).to_text();
    const bool swapped = precedes(target, source) || (!precedes(source, target) && flow.port[bwd] < flow.port[fwd]);
    text<128> line;
    const auto append = [&](const auto& address, std::uint16_t port) {
      for (std::size_t at = 0; at < address.length; ++at) line.append(address.characters[at]);
      line.append(':');
      line.append_decimal(port);
      line.append(':');
    };
    append(swapped ? target : source, flow.port[swapped ? bwd : fwd]);
    append(swapped ? source : target, flow.port[swapped ? fwd : bwd]);
    line.append_decimal(flow.protocol);
    sha256 digest;
    digest.update(flow.salt);
    digest.update(line);
    std::uint8_t sum[sha256::digest_length];
    digest.finish(sum);
    text<32> id;
    for (unsigned at = 0; at < 16; ++at) id.append_hexadecimal(sum[at] >> 4), id.append_hexadecimal(sum[at] & 15u);
    return id;
  }

 private:
  /// In byte order; a text precedes its continuations.
  template <class Text> static bool precedes(const Text& a, const Text& b) {
    for (std::size_t at = 0; at < a.length && at < b.length; ++at)
      if (a.characters[at] != b.characters[at]) return a.characters[at] < b.characters[at];
    return a.length < b.length;
  }
};

struct flow_addresses {
  JOYFULJAY_GROUP(flow_meta, /* no accumulators */)

  JOYFULJAY_FEATURE(ip_address, src_ip, "",
                    "Address of the initiator, who sent the first packet; RFC 5952 text for IPv6. With "
                    "anonymize_addresses 16 hex digits of SHA-256 over salt and text.") {
    return flow.shown_address(fwd);
  }
  JOYFULJAY_FEATURE(ip_address, dst_ip, "", "Address of the responder, written like src_ip.") {
    return flow.shown_address(bwd);
  }
};

struct flow_ports {
  JOYFULJAY_GROUP(flow_meta, /* no accumulators */)

  JOYFULJAY_FEATURE(std::uint16_t, src_port, "port", "Source port of the first packet; 0 unless TCP or UDP.") {
    return flow.port[fwd];
  }
  JOYFULJAY_FEATURE(std::uint16_t, dst_port, "port", "Destination port of the first packet; 0 unless TCP or UDP.") {
    return flow.port[bwd];
  }
  JOYFULJAY_FEATURE(const char*, dst_port_class, "",
                    "well_known below 1024, registered below 49152 [RFC 6335 6], else dynamic.") {
    return dst_port < 1024 ? "well_known" : dst_port < 49152 ? "registered" : "dynamic";
  }
  JOYFULJAY_FEATURE(std::uint8_t, dst_port_class_num, "", "0, 1, 2 for the three values of dst_port_class.") {
    return dst_port < 1024 ? 0 : dst_port < 49152 ? 1 : 2;
  }
};

struct flow_totals {
  JOYFULJAY_GROUP(flow_meta, wire_bytes, payload_bytes, tcp_milestones)

  JOYFULJAY_FEATURE(std::uint8_t, protocol, "",
                    "IP protocol number; for IPv6 the next header after extension headers 0, 43, 44, 60.") {
    return flow.protocol;
  }
  JOYFULJAY_FEATURE(double, start_time, "s", "Time of the first packet, as frames give it: Unix time in captures.") {
    return signed_seconds(flow.start_ns);
  }
  JOYFULJAY_FEATURE(double, end_time, "s", "Largest time among the packets.") { return signed_seconds(flow.end_ns); }
  JOYFULJAY_FEATURE(double, duration, "s", "end_time - start_time, subtracted in nanoseconds.") {
    return seconds(flow.duration_ns());
  }
  JOYFULJAY_FEATURE(double, time_first, "s", "Equal to start_time.") { return start_time; }
  JOYFULJAY_FEATURE(double, time_last, "s", "Equal to end_time.") { return end_time; }
  JOYFULJAY_FEATURE(std::uint64_t, total_packets, "packets",
                    "Packets in both directions, later IP fragments included.") {
    return flow.total_packets();
  }
  JOYFULJAY_FEATURE(std::uint32_t, packets_fwd, "packets", "Packets sent by the initiator.") {
    return flow.packets[fwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, packets_bwd, "packets", "Packets sent by the responder.") {
    return flow.packets[bwd];
  }
  JOYFULJAY_FEATURE(double, packets_ratio, "", "packets_fwd / packets_bwd; packets_fwd without backward packets.") {
    return direction_ratio(packets_fwd, packets_bwd);
  }
  JOYFULJAY_FEATURE(std::uint64_t, total_bytes, "bytes",
                    "Sum of the frame lengths on the wire, link headers included.") {
    return flow.frame_bytes[fwd] + flow.frame_bytes[bwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, bytes_fwd, "bytes", "Frame lengths of the forward packets.") {
    return flow.frame_bytes[fwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, bytes_bwd, "bytes", "Frame lengths of the backward packets.") {
    return flow.frame_bytes[bwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, payload_bytes_fwd, "bytes", "Payload lengths of the forward packets.") {
    return flow.payload_sum[fwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, payload_bytes_bwd, "bytes", "Payload lengths of the backward packets.") {
    return flow.payload_sum[bwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, payload_bytes_total, "bytes", "Payload lengths of both directions.") {
    return payload_bytes_fwd + payload_bytes_bwd;
  }
  JOYFULJAY_FEATURE(double, bytes_ratio, "", "bytes_fwd / bytes_bwd; bytes_fwd without backward packets.") {
    return direction_ratio(bytes_fwd, bytes_bwd);
  }
  JOYFULJAY_FEATURE(double, packets_per_second, "packets/s",
                    "total_packets / duration; total_packets if the duration is 0.") {
    return per_second(total_packets, flow.duration_ns());
  }
  JOYFULJAY_FEATURE(double, bytes_per_second, "bytes/s", "total_bytes / duration; total_bytes if the duration is 0.") {
    return per_second(total_bytes, flow.duration_ns());
  }
  JOYFULJAY_FEATURE(double, avg_packet_size, "bytes", "total_bytes / total_packets.") {
    return quotient(total_bytes, total_packets);
  }
  JOYFULJAY_FEATURE(std::uint8_t, flow_stat, "bitmap",
                    "Bit 0: SYN without ACK seen; 1: SYN with ACK; 2: FIN forward; 3: FIN backward; "
                    "4: RST; 6: bits 0 and 1 and (2 and 3, or 4). 0 for other protocols than TCP.") {
    const bool opened = flow.syn_seen[fwd] || flow.syn_seen[bwd],
               accepted = flow.synack_seen[fwd] || flow.synack_seen[bwd];
    const bool fin_fwd = (flow.tcp_flags_seen[fwd] & tcp_flag::fin) != 0,
               fin_bwd = (flow.tcp_flags_seen[bwd] & tcp_flag::fin) != 0;
    const bool reset = flow.any(tcp_flag::rst), proper = opened && accepted && ((fin_fwd && fin_bwd) || reset);
    return static_cast<std::uint8_t>(opened | accepted << 1 | fin_fwd << 2 | fin_bwd << 3 | reset << 4 | proper << 6);
  }
  JOYFULJAY_FEATURE(std::uint8_t, num_hdrs, "headers", "Number of names in hdr_desc.") {
    return flow.is_ethernet ? 3 : 2;
  }
  JOYFULJAY_FEATURE(text<20>, hdr_desc, "",
                    "Headers of the first packet joined by a hyphen: ETH if the link is Ethernet; IP or IP6; TCP, "
                    "UDP, ICMP (protocol 1) or PROTO and the protocol number.") {
    text<20> names;
    if (flow.is_ethernet) names.append("ETH-");
    names.append(flow.ip_version == 4 ? "IP-" : "IP6-");
    switch (flow.protocol) {
      case ip_protocol::tcp: names.append("TCP"); break;
      case ip_protocol::udp: names.append("UDP"); break;
      case ip_protocol::icmp: names.append("ICMP"); break;
      default: names.append("PROTO"); names.append_decimal(flow.protocol);
    }
    return names;
  }

 private:
  static double signed_seconds(std::int64_t ns) {
    return ns >= 0 ? seconds(static_cast<std::uint64_t>(ns)) : -seconds(0 - static_cast<std::uint64_t>(ns));
  }
  static double per_second(std::uint64_t amount, std::uint64_t duration_ns) {
    return duration_ns != 0 ? quotient(product(amount, ns_per_second), duration_ns) : to_double(amount);
  }
};

struct flow_ending {
  JOYFULJAY_GROUP(ending, /* no accumulators */)

  JOYFULJAY_FEATURE(
      const char*, end_reason, "",
      "idle, active: timeouts; closed: by TCP; full: flow_packet_limit; evicted: room was needed; flushed: end "
      "of input; snapshot: the flow goes on. Evicted and flushed flows are what was seen until then.") {
    return end_reason_names[static_cast<std::size_t>(flow.outcome)];
  }
};

struct timing {
  JOYFULJAY_GROUP(timing, arrival_gaps, gap_quantiles, bursts)

  JOYFULJAY_FEATURE(
      double, iat_min, "s",
      "Smallest gap: time between consecutive packets, in order of arrival; 0 where the clock stepped back, and "
      "in a flow of one packet.") {
    return seconds(flow.gaps.least);
  }
  JOYFULJAY_FEATURE(double, iat_max, "s", "Largest gap.") { return seconds(flow.gaps.most); }
  JOYFULJAY_FEATURE(double, iat_mean, "s", "Mean gap.") { return flow.gaps.mean_seconds(flow.gap_count()); }
  JOYFULJAY_STEP(double, gap_spread) { return flow.gaps.scaled_deviation(flow.gap_count()); }
  JOYFULJAY_FEATURE(double, iat_std, "s", "Standard deviation of the gaps.") {
    return root_quotient(gap_spread, flow.gap_count() * ns_per_second);
  }
  JOYFULJAY_FEATURE(double, iat_median, "s", "Median gap, linear between neighbours. Sketch beyond sample_packets.") {
    return flow.gap_at[gap_quantiles::gap_median];
  }
  JOYFULJAY_FEATURE(double, iat_sum, "s", "Sum of the gaps; the duration, unless the clock stepped back.") {
    return quotient(flow.gaps.sum, ns_per_second);
  }
  JOYFULJAY_FEATURE(double, iat_p25, "s", "25th percentile of the gaps. Sketch beyond sample_packets.") {
    return flow.gap_at[gap_quantiles::gap_p25];
  }
  JOYFULJAY_FEATURE(double, iat_p75, "s", "75th percentile of the gaps. Sketch beyond sample_packets.") {
    return flow.gap_at[gap_quantiles::gap_p75];
  }
  JOYFULJAY_FEATURE(double, iat_p90, "s", "90th percentile of the gaps. Sketch beyond sample_packets.") {
    return flow.gap_at[gap_quantiles::gap_p90];
  }
  JOYFULJAY_FEATURE(double, iat_p99, "s", "99th percentile of the gaps. Sketch beyond sample_packets.") {
    return flow.gap_at[gap_quantiles::gap_p99];
  }
  JOYFULJAY_FEATURE(double, iat_fwd_min, "s", "Smallest gap between consecutive forward packets.") {
    return seconds(flow.directed_gaps[fwd].least);
  }
  JOYFULJAY_FEATURE(double, iat_fwd_max, "s", "Largest gap between consecutive forward packets.") {
    return seconds(flow.directed_gaps[fwd].most);
  }
  JOYFULJAY_FEATURE(double, iat_fwd_mean, "s", "Mean gap between consecutive forward packets.") {
    return flow.directed_gaps[fwd].mean_seconds(flow.gap_count(fwd));
  }
  JOYFULJAY_STEP(double, gap_spread_fwd) { return flow.directed_gaps[fwd].scaled_deviation(flow.gap_count(fwd)); }
  JOYFULJAY_FEATURE(double, iat_fwd_std, "s", "Standard deviation of the gaps between consecutive forward packets.") {
    return root_quotient(gap_spread_fwd, flow.gap_count(fwd) * ns_per_second);
  }
  JOYFULJAY_FEATURE(double, iat_fwd_median, "s",
                    "Median gap between consecutive forward packets. Sketch beyond sample_packets.") {
    return flow.directed_gap_median[fwd];
  }
  JOYFULJAY_FEATURE(double, iat_bwd_min, "s", "Smallest gap between consecutive backward packets.") {
    return seconds(flow.directed_gaps[bwd].least);
  }
  JOYFULJAY_FEATURE(double, iat_bwd_max, "s", "Largest gap between consecutive backward packets.") {
    return seconds(flow.directed_gaps[bwd].most);
  }
  JOYFULJAY_FEATURE(double, iat_bwd_mean, "s", "Mean gap between consecutive backward packets.") {
    return flow.directed_gaps[bwd].mean_seconds(flow.gap_count(bwd));
  }
  JOYFULJAY_STEP(double, gap_spread_bwd) { return flow.directed_gaps[bwd].scaled_deviation(flow.gap_count(bwd)); }
  JOYFULJAY_FEATURE(double, iat_bwd_std, "s", "Standard deviation of the gaps between consecutive backward packets.") {
    return root_quotient(gap_spread_bwd, flow.gap_count(bwd) * ns_per_second);
  }
  JOYFULJAY_FEATURE(double, iat_bwd_median, "s",
                    "Median gap between consecutive backward packets. Sketch beyond sample_packets.") {
    return flow.directed_gap_median[bwd];
  }
  JOYFULJAY_FEATURE(double, burstiness_index, "", "iat_std / iat_mean; 0 if the mean is 0.") {
    return root_quotient(gap_spread, flow.gaps.sum);
  }
  JOYFULJAY_FEATURE(double, burstiness_index_fwd, "", "iat_fwd_std / iat_fwd_mean; 0 if the mean is 0.") {
    return root_quotient(gap_spread_fwd, flow.directed_gaps[fwd].sum);
  }
  JOYFULJAY_FEATURE(double, burstiness_index_bwd, "", "iat_bwd_std / iat_bwd_mean; 0 if the mean is 0.") {
    return root_quotient(gap_spread_bwd, flow.directed_gaps[bwd].sum);
  }
  JOYFULJAY_FEATURE(std::uint64_t, burst_count, "bursts",
                    "Pieces left when the flow is cut at every gap of at least burst_threshold_ns; "
                    "one packet makes a piece. 0 for a flow of one packet.") {
    return flow.total_packets() > 1 ? std::uint64_t{flow.idle_periods} + 1 : 0;
  }
  JOYFULJAY_FEATURE(double, avg_burst_packets, "packets", "Packets over burst_count; 0 for a flow of one packet.") {
    return quotient(flow.total_packets(), burst_count);
  }
  JOYFULJAY_FEATURE(double, avg_burst_duration, "s",
                    "Sum of the gaps inside bursts over burst_count; 0 for a flow of one packet.") {
    wide<2> inside = flow.gaps.sum;
    inside -= flow.idle_sum;
    return quotient(inside, burst_count * ns_per_second);  // at most 2^32 bursts: fits
  }
  JOYFULJAY_FEATURE(std::uint32_t, max_burst_packets, "packets",
                    "Packets of the longest burst; 0 for a flow of one packet.") {
    return flow.total_packets() > 1 ? flow.longest_burst : 0;
  }
  JOYFULJAY_FEATURE(std::uint32_t, idle_count, "periods", "Gaps of at least burst_threshold_ns.") {
    return flow.idle_periods;
  }
  JOYFULJAY_FEATURE(double, avg_idle_duration, "s", "Mean of the gaps of at least burst_threshold_ns.") {
    return quotient(flow.idle_sum, idle_count * ns_per_second);
  }
  JOYFULJAY_FEATURE(double, max_idle_duration, "s", "Largest gap of at least burst_threshold_ns.") {
    return idle_count != 0 ? iat_max : 0;
  }
  JOYFULJAY_FEATURE(double, first_response_time, "s",
                    "Time from the first packet to the first backward packet, at least 0; 0 without one.") {
    const bool answered = flow.packets[bwd] != 0 && flow.first_response_ns > flow.start_ns;
    return answered
               ? seconds(static_cast<std::uint64_t>(flow.first_response_ns) - static_cast<std::uint64_t>(flow.start_ns))
               : 0;
  }
};

struct gap_sequences {
  JOYFULJAY_GROUP(timing, first_packets)

  JOYFULJAY_FEATURE(list<double>, iat_sequence, "s", "The first max_sequence_length gaps, filled up with 0.") {
    return flow.head_true_gaps;
  }
  JOYFULJAY_FEATURE(list<double>, timestamp_sequence, "s",
                    "Seconds from the first packet to each of the first max_sequence_length, at "
                    "least 0, filled up with 0.") {
    return flow.head_times;
  }
};

struct splt_sequences {
  JOYFULJAY_GROUP(timing, first_packets)

  JOYFULJAY_FEATURE(list<splt_step>, splt, "bytes, s, direction",
                    "Length, gap to the packet before (0 for the first) and direction (1 "
                    "forward, -1 backward) of the first max_sequence_length packets.") {
    return flow.head_steps;
  }
  JOYFULJAY_FEATURE(list<std::uint32_t>, splt_lengths, "bytes", "First members of splt.") { return flow.head_lengths; }
  JOYFULJAY_FEATURE(list<double>, splt_times, "s", "Second members of splt.") { return flow.head_gaps; }
  JOYFULJAY_FEATURE(list<std::int8_t>, splt_directions, "", "Third members of splt.") { return flow.head_directions; }
};

struct size {
  JOYFULJAY_GROUP(size, packet_lengths, length_quantiles, payload_bytes, payload_spread)

  JOYFULJAY_STEP(moments<32>, all_lengths) { return flow.both_lengths(); }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_min, "bytes", "Smallest IP length: IP header and what follows it.") {
    return all_lengths.least;
  }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_max, "bytes", "Largest IP length.") { return all_lengths.most; }
  JOYFULJAY_FEATURE(double, pkt_len_mean, "bytes", "Mean IP length.") { return all_lengths.mean(flow.total_packets()); }
  JOYFULJAY_FEATURE(double, pkt_len_std, "bytes", "Standard deviation of the IP lengths.") {
    return deviation(all_lengths.squares, all_lengths.sum.word[0], flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, pkt_len_median, "bytes",
                    "Median length, linear between neighbours. Sketch beyond sample_packets.") {
    return flow.length_at[length_quantiles::length_median];
  }
  JOYFULJAY_FEATURE(double, pkt_len_p25, "bytes", "25th percentile of the lengths. Sketch beyond sample_packets.") {
    return flow.length_at[length_quantiles::length_p25];
  }
  JOYFULJAY_FEATURE(double, pkt_len_p75, "bytes", "75th percentile of the lengths. Sketch beyond sample_packets.") {
    return flow.length_at[length_quantiles::length_p75];
  }
  JOYFULJAY_FEATURE(double, pkt_len_p90, "bytes", "90th percentile of the lengths. Sketch beyond sample_packets.") {
    return flow.length_at[length_quantiles::length_p90];
  }
  JOYFULJAY_FEATURE(double, pkt_len_variance, "bytes^2", "Variance of the IP lengths.") {
    return all_lengths.variance(flow.total_packets());
  }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_fwd_min, "bytes", "Smallest length of forward packets.") {
    return flow.lengths[fwd].least;
  }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_fwd_max, "bytes", "Largest length of forward packets.") {
    return flow.lengths[fwd].most;
  }
  JOYFULJAY_FEATURE(double, pkt_len_fwd_mean, "bytes", "Mean length of forward packets.") {
    return flow.lengths[fwd].mean(flow.packets[fwd]);
  }
  JOYFULJAY_FEATURE(double, pkt_len_fwd_std, "bytes", "Standard deviation of the lengths of forward packets.") {
    return deviation(flow.lengths[fwd].squares, flow.lengths[fwd].sum.word[0], flow.packets[fwd]);
  }
  JOYFULJAY_FEATURE(double, pkt_len_fwd_median, "bytes",
                    "Median length of forward packets. Sketch beyond sample_packets.") {
    return flow.directed_length_median[fwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_bwd_min, "bytes", "Smallest length of backward packets.") {
    return flow.lengths[bwd].least;
  }
  JOYFULJAY_FEATURE(std::uint32_t, pkt_len_bwd_max, "bytes", "Largest length of backward packets.") {
    return flow.lengths[bwd].most;
  }
  JOYFULJAY_FEATURE(double, pkt_len_bwd_mean, "bytes", "Mean length of backward packets.") {
    return flow.lengths[bwd].mean(flow.packets[bwd]);
  }
  JOYFULJAY_FEATURE(double, pkt_len_bwd_std, "bytes", "Standard deviation of the lengths of backward packets.") {
    return deviation(flow.lengths[bwd].squares, flow.lengths[bwd].sum.word[0], flow.packets[bwd]);
  }
  JOYFULJAY_FEATURE(double, pkt_len_bwd_median, "bytes",
                    "Median length of backward packets. Sketch beyond sample_packets.") {
    return flow.directed_length_median[bwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, payload_len_min, "bytes", "Smallest payload, 0 included.") {
    const std::uint32_t filled[2] = {flow.packets_with_payload[fwd], flow.packets_with_payload[bwd]};
    if (std::uint64_t{filled[fwd]} + filled[bwd] < flow.total_packets()) return 0;
    const bool forward = filled[bwd] == 0 || (filled[fwd] != 0 && flow.least_payload[fwd] < flow.least_payload[bwd]);
    return flow.least_payload[forward ? fwd : bwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, payload_len_max, "bytes", "Largest payload.") {
    return flow.most_payload[flow.most_payload[bwd] > flow.most_payload[fwd] ? bwd : fwd];
  }
  JOYFULJAY_STEP(std::uint64_t, payload_sum) { return flow.payload_sum[fwd] + flow.payload_sum[bwd]; }
  JOYFULJAY_STEP(wide<2>, payload_squares) {
    wide<2> sum = flow.payload_squares[fwd];
    sum += flow.payload_squares[bwd];
    return sum;
  }
  JOYFULJAY_FEATURE(double, payload_len_mean, "bytes", "Mean payload of all packets, empty ones included.") {
    return quotient(payload_sum, flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, payload_len_std, "bytes",
                    "Standard deviation of the payload lengths, empty ones included.") {
    return deviation(payload_squares, payload_sum, flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, payload_len_fwd_mean, "bytes", "Mean payload of forward packets, empty ones included.") {
    return quotient(flow.payload_sum[fwd], flow.packets[fwd]);
  }
  JOYFULJAY_FEATURE(double, payload_len_fwd_std, "bytes",
                    "Standard deviation of the forward payload lengths, empty ones included.") {
    return deviation(flow.payload_squares[fwd], flow.payload_sum[fwd], flow.packets[fwd]);
  }
  JOYFULJAY_FEATURE(double, payload_len_bwd_mean, "bytes", "Mean payload of backward packets, empty ones included.") {
    return quotient(flow.payload_sum[bwd], flow.packets[bwd]);
  }
  JOYFULJAY_FEATURE(double, payload_len_bwd_std, "bytes",
                    "Standard deviation of the backward payload lengths, empty ones included.") {
    return deviation(flow.payload_squares[bwd], flow.payload_sum[bwd], flow.packets[bwd]);
  }
  JOYFULJAY_FEATURE(std::uint64_t, packets_with_payload, "packets", "Packets with a payload.") {
    return std::uint64_t{flow.packets_with_payload[fwd]} + flow.packets_with_payload[bwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, packets_with_payload_fwd, "packets", "Forward packets with a payload.") {
    return flow.packets_with_payload[fwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, packets_with_payload_bwd, "packets", "Backward packets with a payload.") {
    return flow.packets_with_payload[bwd];
  }
  JOYFULJAY_FEATURE(double, header_only_ratio, "", "Share of packets without payload.") {
    return quotient(flow.total_packets() - packets_with_payload, flow.total_packets());
  }
  JOYFULJAY_FEATURE(std::uint32_t, dominant_pkt_size, "bytes",
                    "Most frequent IP length; of equally frequent ones the first seen. Sketch beyond "
                    "sample_packets.") {
    return flow.mode_length;
  }
  JOYFULJAY_FEATURE(double, dominant_pkt_ratio, "", "Share of packets of that length. Sketch beyond sample_packets.") {
    return quotient(flow.mode_packets, flow.total_packets());
  }
  JOYFULJAY_FEATURE(std::uint64_t, l7_bytes_fwd, "bytes", "Payload bytes of forward packets.") {
    return flow.payload_sum[fwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, l7_bytes_bwd, "bytes", "Payload bytes of backward packets.") {
    return flow.payload_sum[bwd];
  }
  JOYFULJAY_FEATURE(std::uint64_t, l7_bytes_total, "bytes", "l7_bytes_fwd + l7_bytes_bwd.") {
    return l7_bytes_fwd + l7_bytes_bwd;
  }
  JOYFULJAY_FEATURE(std::uint32_t, l7_pkt_min_fwd, "bytes", "Smallest payload of forward packets that have one.") {
    return flow.least_payload[fwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, l7_pkt_max_fwd, "bytes", "Largest payload of forward packets.") {
    return flow.most_payload[fwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, l7_pkt_min_bwd, "bytes", "Smallest payload of backward packets that have one.") {
    return flow.least_payload[bwd];
  }
  JOYFULJAY_FEATURE(std::uint32_t, l7_pkt_max_bwd, "bytes", "Largest payload of backward packets.") {
    return flow.most_payload[bwd];
  }
  JOYFULJAY_FEATURE(double, pkt_asymmetry, "", "(forward - backward packets) / all packets, -1 to 1.") {
    return quotient_of_difference(flow.packets[fwd], flow.packets[bwd], flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, byte_asymmetry, "",
                    "(F - B) / (F + B), F and B the sums of the lengths by direction, -1 to 1.") {
    const std::uint64_t forward = flow.lengths[fwd].sum.word[0], backward = flow.lengths[bwd].sum.word[0];
    return quotient_of_difference(forward, backward, forward + backward);
  }
};

struct tcp {
  JOYFULJAY_GROUP(tcp, tcp_milestones, tcp_counts)

  JOYFULJAY_FEATURE(bool, tcp_is_tcp, "", "The protocol is TCP.") { return flow.protocol == ip_protocol::tcp; }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_syn_count, "packets", "Packets with SYN, without ACK.") {
    return flow.with_flag(tcp_flag::syn) - flow.synack_packets;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_synack_count, "packets", "Packets with SYN and ACK.") {
    return flow.synack_packets;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_fin_count, "packets", "Packets with FIN.") {
    return flow.with_flag(tcp_flag::fin);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_rst_count, "packets", "Packets with RST.") {
    return flow.with_flag(tcp_flag::rst);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_ack_count, "packets", "Packets with ACK.") {
    return flow.with_flag(tcp_flag::ack);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_psh_count, "packets", "Packets with PSH.") {
    return flow.with_flag(tcp_flag::psh);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_urg_count, "packets", "Packets with URG.") {
    return flow.with_flag(tcp_flag::urg);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_ece_count, "packets", "Packets with ECE.") {
    return flow.with_flag(tcp_flag::ece);
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_cwr_count, "packets", "Packets with CWR.") {
    return flow.with_flag(tcp_flag::cwr);
  }
  JOYFULJAY_FEATURE(double, tcp_syn_ratio, "", "Packets with SYN, with or without ACK, over all packets of the flow.") {
    return quotient(flow.with_flag(tcp_flag::syn), flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, tcp_fin_ratio, "", "tcp_fin_count over all packets of the flow.") {
    return quotient(tcp_fin_count, flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, tcp_rst_ratio, "", "tcp_rst_count over all packets of the flow.") {
    return quotient(tcp_rst_count, flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, tcp_psh_ratio, "", "tcp_psh_count over all packets of the flow.") {
    return quotient(tcp_psh_count, flow.total_packets());
  }
  JOYFULJAY_FEATURE(bool, tcp_initiator_syn, "", "Some forward packet has SYN without ACK.") {
    return flow.syn_seen[fwd];
  }
  JOYFULJAY_FEATURE(bool, tcp_responder_synack, "", "Some backward packet has SYN and ACK.") {
    return flow.synack_seen[bwd];
  }
  JOYFULJAY_FEATURE(bool, tcp_complete_handshake, "", "tcp_initiator_syn and tcp_responder_synack.") {
    return tcp_initiator_syn && tcp_responder_synack;
  }
  JOYFULJAY_FEATURE(bool, tcp_graceful_close, "", "Both directions sent a FIN.") {
    return (flow.tcp_flags_seen[fwd] & flow.tcp_flags_seen[bwd] & tcp_flag::fin) != 0;
  }
  JOYFULJAY_FEATURE(bool, tcp_reset_close, "", "tcp_rst_count > 0.") { return tcp_rst_count > 0; }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_data_packets, "packets",
                    "Packets with a TCP header and a payload; later fragments have none.") {
    return flow.tcp_data;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tcp_ack_only_packets, "packets", "ACK set; SYN, FIN and RST clear; no payload.") {
    return flow.tcp_ack_only;
  }
  JOYFULJAY_FEATURE(bool, tcp_flags_anomaly, "",
                    "Some packet has no flag at all, FIN with PSH and URG, FIN without ACK and SYN, SYN with FIN "
                    "or SYN with RST.") {
    return flow.odd_flags_seen;
  }
  JOYFULJAY_FEATURE(std::uint8_t, tcp_fstat, "bitmap",
                    "Bit 0: tcp_initiator_syn; 1: tcp_responder_synack; 2: more ACK than SYN-ACK packets; "
                    "3: FIN forward; 4: FIN backward; 5: RST; 6: tcp_data_packets > 0; 7: tcp_flags_anomaly.") {
    const bool fin_fwd = (flow.tcp_flags_seen[fwd] & tcp_flag::fin) != 0,
               fin_bwd = (flow.tcp_flags_seen[bwd] & tcp_flag::fin) != 0;
    return static_cast<std::uint8_t>(tcp_initiator_syn | tcp_responder_synack << 1 |
                                     (tcp_ack_count > tcp_synack_count) << 2 | fin_fwd << 3 | fin_bwd << 4 |
                                     tcp_reset_close << 5 | (tcp_data_packets > 0) << 6 | tcp_flags_anomaly << 7);
  }
  JOYFULJAY_FEATURE(std::uint8_t, tcp_flags_agg, "bitmap",
                    "All flags seen: CWR 128, ECE 64, URG 32, ACK 16, PSH 8, RST 4, SYN 2, FIN 1.") {
    return static_cast<std::uint8_t>(flow.tcp_flags_seen[fwd] | flow.tcp_flags_seen[bwd]);
  }
  JOYFULJAY_FEATURE(std::uint8_t, tcp_flags_fwd, "bitmap", "Flags of the forward packets, in the same bits.") {
    return flow.tcp_flags_seen[fwd];
  }
  JOYFULJAY_FEATURE(std::uint8_t, tcp_flags_bwd, "bitmap", "Flags of the backward packets, in the same bits.") {
    return flow.tcp_flags_seen[bwd];
  }
};

namespace detail {

template <std::size_t Length> text<2 * Length> hexadecimal(const std::uint8_t (&octets)[Length]) {
  text<2 * Length> out;
  const auto put = [&out](char c) { out.append(c); };
  for (const std::uint8_t octet : octets) put_hexadecimal<2>(put, octet);
  return out;
}

}  // namespace detail

struct tls {
  JOYFULJAY_GROUP(tls, tls_handshake)

  JOYFULJAY_FEATURE(bool, tls_detected, "",
                    "A TCP stream of the flow opens with a TLS ClientHello or ServerHello, on any port; the hello need "
                    "not be complete.") {
    return flow.tls->detected();
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_version, "",
                    "Version chosen: supported_versions of the ServerHello, else its version field; without a "
                    "ServerHello the highest that the ClientHello offers. Drafts of TLS 1.3 read as 0x0304.") {
    return flow.tls->has_server_hello ? flow.tls->chosen_version : flow.tls->offered_version;
  }
  JOYFULJAY_FEATURE(text<16>, tls_version_str, "",
                    "SSL 3.0, TLS 1.0 to TLS 1.3, otherwise Unknown (0x....); empty for 0.") {
    text<16> name;
    if (tls_version == 0x0300)
      name.append("SSL 3.0");
    else if (tls_version > 0x0300 && tls_version <= tls_constant::tls13)
      name.append("TLS 1."), name.append(static_cast<char>('0' + tls_version - 0x0301));
    else if (tls_version != 0)
      append_number(name, "Unknown (0x", tls_version);
    return name;
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_cipher_suite, "",
                    "Cipher suite of the ServerHello; of the HelloRetryRequest without one.") {
    return flow.tls->cipher;
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_cipher_count, "count",
                    "Cipher suites of the first ClientHello, GREASE and signalling values included.") {
    return flow.tls->cipher_count;
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_extension_count, "count",
                    "Extensions of the first ClientHello, GREASE included.") {
    return flow.tls->extension_count;
  }
  JOYFULJAY_FEATURE(text_view, tls_sni, "",
                    "host_name of server_name in the first ClientHello [RFC 6066 3]; unprintable bytes are \"?\".") {
    return flow.tls_server_name;
  }
  JOYFULJAY_FEATURE(text_view, tls_alpn, "",
                    "Protocol that the server chose in the clear, else the client's first offer that is not GREASE "
                    "[RFC 7301].") {
    return flow.tls_protocol;
  }
  JOYFULJAY_FEATURE(text<32>, ja3_hash, "", "JA3 of the first ClientHello: MD5, 32 hex digits.") {
    return flow.tls->has_ja3 ? detail::hexadecimal(flow.tls->ja3) : text<32>{};
  }
  JOYFULJAY_FEATURE(text<32>, ja3s_hash, "", "JA3S of the ServerHello: MD5, 32 hex digits.") {
    return flow.tls->has_ja3s ? detail::hexadecimal(flow.tls->ja3s) : text<32>{};
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_cert_count, "count",
                    "Certificates in the server's first Certificate message; 0 for TLS 1.3, which encrypts it.") {
    return flow.tls->certificates.count;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tls_cert_total_length, "bytes", "Sum of the lengths of these certificates.") {
    return flow.tls->certificates.total_length;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tls_cert_first_length, "bytes", "Length of the first of them.") {
    return flow.tls->certificates.first_length;
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_cert_chain_length, "count", "Equal to tls_cert_count.") {
    return tls_cert_count;
  }
  JOYFULJAY_FEATURE(std::uint8_t, tls_session_id_len, "bytes", "Length of the session ID of the first ClientHello.") {
    return flow.tls->session_id_length;
  }
  JOYFULJAY_FEATURE(bool, tls_session_ticket_ext, "", "The first ClientHello has extension 35 [RFC 5077].") {
    return flow.tls->has_ticket;
  }
  JOYFULJAY_FEATURE(bool, tls_session_resumed, "",
                    "TLS 1.3: the ServerHello has pre_shared_key. Before: no Certificate from the server, and it "
                    "repeats the client's session ID or changes cipher without a key exchange.") {
    return flow.tls->is_resumed();
  }
  JOYFULJAY_FEATURE(bool, tls_psk_ext, "", "The first ClientHello has pre_shared_key, extension 41.") {
    return flow.tls->has_psk;
  }
  JOYFULJAY_FEATURE(bool, tls_early_data_ext, "", "The first ClientHello has early_data, extension 42.") {
    return flow.tls->has_early_data;
  }
  JOYFULJAY_FEATURE(std::uint16_t, tls_key_exchange_group, "",
                    "Group of the server's key_share, else curve of its ServerKeyExchange, else the group of RFC 7919 "
                    "of its DHE prime; without a ServerHello the client's first key share that is not GREASE.") {
    const tls_facts& t = *flow.tls;
    if (!t.has_server_hello) return t.offered_share.group;
    if (t.server_has_share) return t.chosen_share.group;
    if (!shows_key_exchange(t)) return 0;
    return t.key_exchange.is_curve() ? t.key_exchange.curve() : t.key_exchange.ffdhe_group();
  }
  JOYFULJAY_FEATURE(text<24>, tls_key_exchange_group_name, "",
                    "Name of that group, unknown(0x....) when it has none here; dhe and bits for another DHE prime.") {
    const tls_facts& t = *flow.tls;
    text<24> name;
    if (tls_key_exchange_group == 0 && shows_key_exchange(t) && !t.server_has_share) {
      name.append("dhe");
      name.append_decimal(t.key_exchange.prime_bits());
    } else if (tls_key_exchange_group != 0 || (t.has_server_hello ? t.server_has_share : t.offers_share)) {
      const char* const known = tls_group_name(tls_key_exchange_group);
      known != nullptr ? name.append(known) : append_number(name, "unknown(0x", tls_key_exchange_group);
    }
    return name;
  }
  JOYFULJAY_FEATURE(std::uint32_t, tls_key_exchange_length, "bits",
                    "8 times the length of the server's public value, or of the client's without a ServerHello; for "
                    "DHE of the prime without leading zeros.") {
    const tls_facts& t = *flow.tls;
    if (!t.has_server_hello) return t.offered_share.length * 8u;
    if (t.server_has_share) return t.chosen_share.length * 8u;
    if (!shows_key_exchange(t)) return 0;
    return t.key_exchange.is_curve() ? t.key_exchange.point_bits() : t.key_exchange.prime_bits();
  }
  JOYFULJAY_FEATURE(std::uint32_t, tls_handshake_packets, "packets",
                    "Packets that bring unseen bytes of a handshake record in front of the first application data of "
                    "their direction. Retransmissions do not count.") {
    return flow.tls->packets();
  }
  JOYFULJAY_FEATURE(
      text<ja4_fingerprint::text_length>, ja4, "",
      "JA4 of the first ClientHello, over TCP (t...) or in QUIC (q...), the latter where the group quic or "
      "fingerprint is selected, too.") {
    return flow.ja4->to_text();
  }

 private:
  /// Below TLS 1.3, where a ServerKeyExchange was seen that says something.
  static bool shows_key_exchange(const tls_facts& t) {
    return t.has_server_hello && t.chosen_version < tls_constant::tls13 &&
           (t.key_exchange.is_curve() || t.key_exchange.is_prime());
  }
  template <class Text> static void append_number(Text& name, const char* before, std::uint16_t number) {
    name.append(before);
    const auto put = [&name](char c) { name.append(c); };
    detail::put_hexadecimal<4>(put, number);
    name.append(')');
  }
};

struct quic {
  JOYFULJAY_GROUP(quic, quic_handshake)

  JOYFULJAY_FEATURE(bool, quic_detected, "",
                    "A UDP flow with a long header of a known version, a Version Negotiation that lists one, or a "
                    "reserved version in a datagram of 1200 bytes or more; on any port.") {
    return flow.quic->detected;
  }
  JOYFULJAY_FEATURE(std::uint32_t, quic_version, "",
                    "Version of the first long header from the side that is not the client, else of the client's.") {
    return flow.quic->version();
  }
  JOYFULJAY_FEATURE(text<14>, quic_version_str, "", "Its name: QUIC v1, QUIC v2, QUIC draft-29, QUIC mvfst-27 ...") {
    return quic_version_name(quic_version);
  }
  JOYFULJAY_FEATURE(std::uint8_t, quic_dcid_len, "bytes",
                    "Length of the Destination Connection ID in the flow's first long header of a known version; "
                    "without one, in the first negotiation or reserved version.") {
    return flow.quic->destination_id_length;
  }
  JOYFULJAY_FEATURE(std::uint8_t, quic_scid_len, "bytes", "Length of the Source Connection ID in the same packet.") {
    return flow.quic->source_id_length;
  }
  JOYFULJAY_FEATURE(std::uint8_t, quic_pn_length, "bytes",
                    "Length of the packet number of the first Initial that opened, 1 to 4; 0 when none did.") {
    return flow.quic->packet_number_length;
  }
  JOYFULJAY_FEATURE(std::uint32_t, quic_initial_packets, "packets",
                    "Initial packets of both directions; coalesced ones count one by one.") {
    return flow.quic->initial_packets;
  }
  JOYFULJAY_FEATURE(bool, quic_0rtt_detected, "", "A 0-RTT packet was seen.") { return flow.quic->zero_rtt; }
  JOYFULJAY_FEATURE(bool, quic_retry_detected, "", "A Retry packet was seen.") { return flow.quic->retry; }
  JOYFULJAY_FEATURE(bool, quic_spin_bit, "",
                    "The spin bit changed between short-header packets of one direction [RFC 9000 17.4].") {
    return flow.quic->detected && flow.quic_spin.spins();
  }
  JOYFULJAY_FEATURE(text_view, quic_alpn, "",
                    "First protocol that the ClientHello in the Initial packets offers and that is not GREASE.") {
    return flow.quic_protocol;
  }
  JOYFULJAY_FEATURE(text_view, quic_sni, "", "host_name of the same ClientHello.") { return flow.quic_server_name; }
  JOYFULJAY_FEATURE(text<32>, quic_ja3_hash, "", "JA3 of the same ClientHello: MD5, 32 hex digits.") {
    return flow.quic_ja3 != nullptr ? detail::hexadecimal(*flow.quic_ja3) : text<32>{};
  }
};

struct ssh {
  JOYFULJAY_GROUP(ssh, ssh_handshake)

  JOYFULJAY_FEATURE(bool, ssh_detected, "",
                    "A TCP stream of the flow has an identification line, on any port [RFC 4253 4.2].") {
    return flow.ssh_versions[0].length + flow.ssh_versions[1].length != 0;
  }
  JOYFULJAY_FEATURE(text_view, ssh_version, "", "ssh_client_version, or ssh_server_version when that is empty.") {
    return flow.ssh_versions[flow.ssh_versions[0].length != 0 ? 0 : 1];
  }
  JOYFULJAY_FEATURE(
      text_view, ssh_client_software, "",
      "Software of the client's line, without comments. The client sent the SYN, or its peer a SYN-ACK; without "
      "them the side on port 22 is the server, else the responder.") {
    return flow.ssh_software[0];
  }
  JOYFULJAY_FEATURE(text_view, ssh_server_software, "", "Software of the server's line.") {
    return flow.ssh_software[1];
  }
  JOYFULJAY_FEATURE(text_view, ssh_client_version, "", "Protocol version of the client's line.") {
    return flow.ssh_versions[0];
  }
  JOYFULJAY_FEATURE(text_view, ssh_server_version, "", "Protocol version of the server's line.") {
    return flow.ssh_versions[1];
  }
  JOYFULJAY_FEATURE(text<32>, ssh_hassh, "", "HASSH of the client's first KEXINIT: MD5, 32 hex digits.") {
    return hassh_text(flow, flow.ssh_client);
  }
  JOYFULJAY_FEATURE(text<32>, ssh_hassh_server, "", "HASSH of the server's first KEXINIT.") {
    return hassh_text(flow, flow.ssh_client == fwd ? bwd : fwd);
  }
  JOYFULJAY_FEATURE(std::uint32_t, ssh_kex_packets, "packets",
                    "Packets that bring unseen bytes of a key exchange message in the clear, numbers 20 to 49.") {
    return flow.ssh->kex_packets[fwd].packets + flow.ssh->kex_packets[bwd].packets;
  }
  JOYFULJAY_FEATURE(std::uint32_t, ssh_encrypted_packets, "packets",
                    "Packets whose last byte lies behind NEWKEYS of their direction, from its completion on.") {
    return flow.ssh->encrypted_packets;
  }

 private:
  template <class Flow> static text<32> hassh_text(const Flow& flow, direction dir) {
    return flow.ssh->has_hassh[dir] ? detail::hexadecimal(flow.ssh->hassh[dir]) : text<32>{};
  }
};

struct dns {
  JOYFULJAY_GROUP(dns, dns_exchange)

  JOYFULJAY_FEATURE(bool, dns_detected, "", "Port 53 on either side, UDP or TCP, and a valid DNS message.") {
    return flow.dns->detected();
  }
  JOYFULJAY_FEATURE(text_view, dns_query_name, "",
                    "Name of the first question of the flow's first query, Q; of its response, R, when Q has none. R "
                    "is the first response with Q's ID, else the first. No final dot; the root is empty.") {
    return flow.dns_name;
  }
  JOYFULJAY_FEATURE(std::uint16_t, dns_query_type, "", "Type of the same question.") {
    return flow.dns->has_question ? flow.dns->question_type : std::uint16_t{0};
  }
  JOYFULJAY_FEATURE(text<9>, dns_query_type_str, "", "A, AAAA, HTTPS ..., otherwise TYPE and number.") {
    return flow.dns->has_question ? dns_type_name(dns_query_type) : text<9>{};
  }
  JOYFULJAY_FEATURE(std::int8_t, dns_response_code, "", "RCODE of R; -1 without a response.") {
    return static_cast<std::int8_t>(flow.dns->has_response ? static_cast<int>(flow.dns->rcode()) : -1);
  }
  JOYFULJAY_FEATURE(text<8>, dns_response_code_str, "", "NOERROR, NXDOMAIN ..., otherwise RCODE and number.") {
    return flow.dns->has_response ? dns_rcode_name(flow.dns->rcode()) : text<8>{};
  }
  JOYFULJAY_FEATURE(std::uint16_t, dns_answer_count, "count", "ANCOUNT of R.") { return flow.dns->answers; }
  JOYFULJAY_FEATURE(std::uint16_t, dns_authority_count, "count", "NSCOUNT of R.") { return flow.dns->authority; }
  JOYFULJAY_FEATURE(std::uint16_t, dns_additional_count, "count", "ARCOUNT of R.") { return flow.dns->additional; }
  JOYFULJAY_FEATURE(std::uint32_t, dns_min_ttl, "s", "Smallest TTL of R's answers.") { return flow.dns->min_ttl; }
  JOYFULJAY_FEATURE(std::uint32_t, dns_max_ttl, "s", "Largest TTL of R's answers.") { return flow.dns->max_ttl; }
  JOYFULJAY_FEATURE(bool, dns_is_query, "", "The flow has a query.") { return flow.dns->has_query; }
  JOYFULJAY_FEATURE(bool, dns_truncated, "", "TC of R; of Q without a response.") { return flow.dns->truncated(); }
  JOYFULJAY_FEATURE(bool, dns_recursion_desired, "", "RD of Q; of R without a query.") {
    return flow.dns->recursion_desired();
  }
  JOYFULJAY_FEATURE(bool, dns_recursion_available, "", "RA of R.") { return flow.dns->recursion_available(); }
  JOYFULJAY_FEATURE(bool, dns_is_response, "", "The flow has a response.") { return flow.dns->has_response; }
};

struct connection_counts {
  JOYFULJAY_GROUP(connection, connection_tallies)

  JOYFULJAY_FEATURE(
      std::uint32_t, conn_src_unique_dsts, "addresses",
      "Different responders of the flows that src_ip initiated, src_ip itself included. All of this group are "
      "over the flows reported so far, this one included; jj extract: over the whole capture.") {
    return flow.src_peers_out;
  }
  JOYFULJAY_FEATURE(std::uint32_t, conn_dst_unique_srcs, "addresses",
                    "Different initiators of the flows whose responder is dst_ip.") {
    return flow.dst_peers_in;
  }
  JOYFULJAY_FEATURE(std::uint32_t, conn_src_dst_flows, "flows", "Flows with initiator src_ip and responder dst_ip.") {
    return flow.pair_flows;
  }
  JOYFULJAY_FEATURE(std::uint32_t, conn_src_port_flows, "flows",
                    "Flows with initiator src_ip, responder dst_ip and the same dst_port, of any protocol.") {
    return flow.pair_port_flows;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_src_total_flows, "flows", "Flows that src_ip initiated.") {
    return flow.src_flows_out;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_dst_total_flows, "flows", "Flows whose responder is dst_ip.") {
    return flow.dst_flows_in;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_src_total_packets, "packets",
                    "Packets that src_ip sent in all flows, in either role.") {
    return flow.src_packets_sent;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_src_total_bytes, "bytes", "Frame lengths of those packets.") {
    return flow.src_bytes_sent;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_dst_total_packets, "packets",
                    "Packets sent to dst_ip in all flows, in either role.") {
    return flow.dst_packets_received;
  }
  JOYFULJAY_FEATURE(std::uint64_t, conn_dst_total_bytes, "bytes", "Frame lengths of those packets.") {
    return flow.dst_bytes_received;
  }
  JOYFULJAY_FEATURE(std::uint32_t, conn_src_unique_ports, "ports",
                    "Different dst_port values of the flows that src_ip initiated, of any protocol; 0 counts.") {
    return flow.src_ports_out;
  }
};

/// The degrees are as of now; the rest is as of the last `refresh`, and of the addresses known when that began.
struct connection_graph {
  JOYFULJAY_GROUP(connection, connection_tallies, graph_position)

  JOYFULJAY_FEATURE(std::uint32_t, conn_src_out_degree, "addresses",
                    "Edges that leave src_ip, a loop included: conn_src_unique_dsts.") {
    return flow.src_peers_out;
  }
  JOYFULJAY_FEATURE(std::uint32_t, conn_dst_in_degree, "addresses",
                    "Edges that enter dst_ip, a loop included: conn_dst_unique_srcs.") {
    return flow.dst_peers_in;
  }
  JOYFULJAY_FEATURE(
      double, conn_src_betweenness, "",
      "Betweenness of src_ip: sum over ordered pairs of other addresses of the share of shortest directed "
      "paths between them that pass through it, / ((n - 1) (n - 2)). 0 before a refresh.") {
    return flow.betweenness[fwd];
  }
  JOYFULJAY_FEATURE(double, conn_dst_betweenness, "", "The same of dst_ip.") { return flow.betweenness[bwd]; }
  JOYFULJAY_FEATURE(
      std::int32_t, conn_src_community, "",
      "Community of src_ip (Louvain without chance), numbered by smallest address. -1 before a refresh.") {
    return flow.community[fwd];
  }
  JOYFULJAY_FEATURE(std::int32_t, conn_dst_community, "", "The same of dst_ip.") { return flow.community[bwd]; }
  JOYFULJAY_FEATURE(bool, conn_same_community, "", "Both are in the same community. False before a refresh.") {
    return conn_src_community == conn_dst_community && conn_src_community >= 0;
  }
  JOYFULJAY_FEATURE(double, conn_src_clustering, "",
                    "Share of the pairs of neighbours of src_ip that are neighbours, directions and loops left out. 0 "
                    "below two neighbours, and before a refresh.") {
    return flow.clustering[fwd];
  }
  JOYFULJAY_FEATURE(double, conn_dst_clustering, "", "The same of dst_ip.") { return flow.clustering[bwd]; }
};

struct connection_truncation {
  JOYFULJAY_GROUP(connection, connection_tallies)

  JOYFULJAY_FEATURE(bool, conn_truncated, "",
                    "Counts of this row are too low, because an address, pair or port found no room in its table.") {
    return flow.tables_overflowed;
  }
};

struct tls_texts {
  JOYFULJAY_GROUP(tls, tls_handshake, hello_texts)

  JOYFULJAY_FEATURE(text_view, ja3_str, "",
                    "What ja3_hash digests: version, ciphers, extensions, groups, point formats; decimal, no GREASE.") {
    return flow.tls->has_ja3 ? flow.client_hello_text : text_view{};
  }
  JOYFULJAY_FEATURE(text_view, ja3s_str, "", "What ja3s_hash digests: version, cipher, extensions.") {
    return flow.tls->has_ja3s ? flow.server_hello_text : text_view{};
  }
};

struct quic_texts {
  JOYFULJAY_GROUP(quic, quic_handshake, hello_texts)

  JOYFULJAY_FEATURE(text_view, quic_ja3_str, "", "What quic_ja3_hash digests, written like ja3_str.") {
    return flow.quic_ja3 != nullptr ? flow.client_hello_text : text_view{};
  }
};

struct handshake_state {
  JOYFULJAY_GROUP(handshake, handshake_losses)

  JOYFULJAY_FEATURE(
      bool, handshake_dropped, "",
      "A hole in the stream, a message larger than handshake_buffer_bytes, the want of a handshake buffer "
      "or a packet beyond packet_effort or dns_steps cost the flow something that its handshake said.") {
    return flow.handshake_was_dropped;
  }
  JOYFULJAY_FEATURE(bool, handshake_name_cut, "", "A name was longer than max_name or max_protocol_name.") {
    return flow.name_was_cut;
  }
};

namespace detail {

/// Packets with payload.
template <class Flow> std::uint64_t filled_packets(const Flow& flow) {
  return std::uint64_t{flow.packets_with_payload[fwd]} + flow.packets_with_payload[bwd];
}
/// At least five packets of a Tor cell's size, and two in five of those with payload.
template <class Flow> bool is_tor_like(const Flow& flow) {
  return flow.tor_cells >= 5 && 10 * std::uint64_t{flow.tor_cells} >= 4 * filled_packets(flow);
}

// Public DNS-over-HTTPS servers. A name stands for itself and for every name below it. The names are in order of their
// labels from the right; each is written as the number of labels that it shares with the one before, and the rest:
// after "0com.controld;" comes "1opendns.doh;" for doh.opendns.com.
// <doh table: tools/make_doh_table.py>
// 54 names and 33 addresses in 924 bytes.
// clang-format off
inline constexpr char doh_providers[] =
    "0app.tiar;0ca.cira.canadianshield;0ch.digitale-gesellschaft.dns;1switch.dns;0cn.360.doh;1rubyfish.dns;"
    "0com.1dot1dot1dot1;1adguard.dns;1adguard-dns.dns;2family;2unfiltered;1alidns.dns;1apple.dns;1cloudflare.dns;"
    "1cloudflare-dns;1controld;1decloudus.dns;1dnslify.doh;1google.dns;1opendns.doh;2familyshield.doh;1pi-dns;"
    "1umbrella.doh;1xfinity.doh;0cz.nic.odvr;0de.dnsforge;1dnshome.dns;0fr.bortzmeyer.doh;0google.dns;"
    "0gr.libredns.doh;0io.nextdns.dns;0is.flatuslifir.dns;0la.njal.dns;0li.doh;0net.ahadns;1applied-privacy.doh;"
    "1appliedprivacy.doh;1ffmuc.doh;1mullvad.dns;1quad9.dns;2dns10;2dns11;2dns12;2dns9;0one.one.one.one;"
    "0org.cleanbrowsing.doh;1powerdns.doh;1tiarap;0pub.dns;1doh;0sb.dns;1doh;0tw.twnic.dns;0uk.net.aa.dns;";
inline constexpr std::uint32_t doh_resolvers4[] = {
    0x01000001, 0x01000002, 0x01000003, 0x01010101, 0x01010102, 0x01010103, 0x08080404, 0x08080808, 0x09090909,
    0x0909090a, 0x0909090b, 0x5e8c0e0e, 0x5e8c0e0f, 0x5e8c0f0f, 0x5e8c0f10, 0x6810f8f9, 0x6810f9f9, 0x771d1d1d,
    0x9570700a, 0x9570700b, 0x95707070, 0xb9e4a809, 0xb9e4a80a, 0xd043dcdc, 0xd043dede, 0xdf050505, 0xdf060606,
};
inline constexpr std::uint64_t doh_resolvers6[][2] = {
    {0x2001486048600000, 0x0000000000008844}, {0x2001486048600000, 0x0000000000008888},
    {0x2606470047000000, 0x0000000000001001}, {0x2606470047000000, 0x0000000000001111},
    {0x262000fe00000000, 0x0000000000000009}, {0x262000fe00000000, 0x00000000000000fe},
};
// clang-format on
// </doh table>

inline constexpr std::size_t most_provider_labels = 4;

inline char lower_case(std::uint8_t c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }
/// Case ignored; `text` is lower case.
inline bool is_same_name(const bytes& name, const char* text, std::size_t length) {
  if (name.length != length) return false;
  for (std::size_t at = 0; at < length; ++at)
    if (lower_case(name.data[at]) != text[at]) return false;
  return true;
}
inline bool starts_with(const bytes& name, const char* text) {
  const std::size_t length = std::strlen(text);
  return name.length >= length && is_same_name(name.first(length), text, length);
}
inline bool ends_with(const bytes& name, const char* text) {
  const std::size_t length = std::strlen(text);
  return name.length >= length && is_same_name(name.after(name.length - length), text, length);
}

/// Whether the name is a provider's or below one. At most one pass over the list, to the end of the name's top level.
inline bool is_doh_provider(const bytes& name) {
  bytes labels[most_provider_labels];  // from the right
  std::size_t count = 0;
  for (std::size_t end = name.length; count < most_provider_labels;) {
    std::size_t begin = end;
    while (begin > 0 && name.data[begin - 1] != '.') --begin;
    labels[count++] = name.first(end).after(begin);
    if (begin == 0) break;
    end = begin - 1;
  }
  std::size_t agreeing = 0;  // labels that the name has in common with the entry
  for (const char* at = doh_providers; *at != '\0';) {
    std::size_t place = static_cast<std::size_t>(*at - '0');
    if (place == 0 && agreeing != 0) return false;  // in order: the rest is of later top levels
    if (place < agreeing) agreeing = place;
    do {
      const char* const begin = ++at;
      while (*at != '.' && *at != ';') ++at;
      const bool agrees = agreeing == place && place < count &&
                          is_same_name(labels[place], begin, static_cast<std::size_t>(at - begin));
      agreeing += agrees;
      ++place;
    } while (*at != ';');
    if (agreeing == place) return true;
    ++at;
  }
  return false;
}
inline bool is_doh_resolver(std::uint8_t ip_version, const std::uint64_t (&address)[2]) {
  if (ip_version == 4) {
    for (const std::uint32_t known : doh_resolvers4)
      if (address[1] == known) return true;
  } else {
    for (const auto& known : doh_resolvers6)
      if (address[0] == known[0] && address[1] == known[1]) return true;
  }
  return false;
}

/// Whether a label of a server's name says that it answers DNS queries: doh-2, dns1, rdns, nxdoh-eu.
inline bool label_says_dns(const bytes& label) {
  std::size_t length = 0;
  while (length < label.length && label.data[length] != '-') ++length;
  while (length > 0 && label.data[length - 1] >= '0' && label.data[length - 1] <= '9') --length;
  const bytes stem = label.first(length);
  return is_same_name(stem, "rdns", 4) || starts_with(stem, "doh") || ends_with(stem, "doh") ||
         (starts_with(stem, "dns") && length <= 5);
}
/// The same of any label but the last.
inline bool name_says_dns(bytes name) {
  for (std::size_t at = 0; at < name.length; ++at) {
    if (name.data[at] != '.') continue;
    if (label_says_dns(name.first(at))) return true;
    name = name.after(at + 1);
    at = static_cast<std::size_t>(-1);
  }
  return false;
}

/// Who the responder says it is, and in which protocol.
struct server_identity {
  bytes name;       ///< tls_sni, or quic_sni without one; in any case
  bytes protocol;   ///< tls_alpn, or quic_alpn without one
  bool speaks_tls;  ///< TLS or QUIC was recognised
};
/// What speaks for DNS over HTTPS, or against it.
struct doh_evidence {
  server_identity server;
  std::uint64_t address[2];  ///< of the responder, as in `packet`
  std::uint8_t ip_version;
  std::uint16_t port;
  std::uint64_t duration_ns, payload_bytes;
};
/// In hundredths. Who is asked counts most, how much is said a little.
inline unsigned doh_score(const doh_evidence& seen) {
  const bytes protocol = seen.server.protocol;
  const auto speaks = [&](const char* name) {
    return protocol.length == 3 && std::memcmp(protocol.data, name, 3) == 0;
  };
  if (seen.port == 853 || speaks("dot") || speaks("doq")) return 0;
  const bool known_address = seen.port == 443 && is_doh_resolver(seen.ip_version, seen.address);
  if (!seen.server.speaks_tls && !known_address) return 0;
  unsigned score = 0;
  if (known_address || is_doh_provider(seen.server.name))
    score = 60;
  else if (!protocol.empty() && protocol.data[0] == 'h' && name_says_dns(seen.server.name))
    score = 40;
  if (seen.duration_ns < ns_per_second) score += 10;
  if (seen.payload_bytes <= 12'000) score += 10;
  return score;
}

struct vpn_verdict {
  unsigned score;    // hundredths
  const char* kind;  // null: none; rows start as zeros, too

  void add(bool holds, unsigned points, const char* name) {
    if (holds) score += points, kind = name;
  }
};

template <class Flow> server_identity server_of(const Flow& flow) {
  const auto first_of = [](const text_view& a, const text_view& b) -> bytes {
    const text_view& chosen = a.length != 0 ? a : b;
    return {reinterpret_cast<const std::uint8_t*>(chosen.characters), chosen.length};
  };
  return {first_of(flow.tls_server_name, flow.quic_server_name), first_of(flow.tls_protocol, flow.quic_protocol),
          flow.tls->detected() || flow.quic->detected};
}

}  // namespace detail

struct fingerprint {
  JOYFULJAY_GROUP(fingerprint, payload_bytes, payload_spread, telling_sizes, first_payloads, tls_handshake,
                  quic_handshake)

  JOYFULJAY_STEP(unsigned, tor_score) {
    const std::uint64_t filled = detail::filled_packets(flow);
    const std::uint16_t port = flow.port[bwd];
    unsigned score = detail::is_tor_like(flow) ? 40 : 0;
    if (filled >= 2 && payloads_vary_little(flow, filled)) score += 30;
    if (port == 443 || port == 9001 || port == 9030 || port == 9050 || port == 9051) score += 10;
    return score;
  }
  JOYFULJAY_STEP(detail::vpn_verdict, vpn) { return judged(flow); }
  JOYFULJAY_STEP(unsigned, doh_points) {
    const std::uint64_t payload = flow.payload_sum[fwd] + flow.payload_sum[bwd];
    return detail::doh_score({detail::server_of(flow),
                              {flow.address[bwd][0], flow.address[bwd][1]},
                              flow.ip_version,
                              flow.port[bwd],
                              flow.duration_ns(),
                              payload});
  }

  JOYFULJAY_FEATURE(bool, likely_tor, "", "tor_confidence >= 0.5, summed in exact hundredths.") {
    return tor_score >= 50;
  }
  JOYFULJAY_FEATURE(
      double, tor_confidence, "",
      "0.4 if is_tor_like, + 0.3 if at least 2 packets have payload and the coefficient of variation of its "
      "length is below 0.1, + 0.1 if dst_port is 443, 9001, 9030, 9050 or 9051.") {
    return hundredths(tor_score);
  }
  JOYFULJAY_FEATURE(bool, likely_vpn, "", "vpn_confidence >= 0.4.") { return vpn.score >= 40; }
  JOYFULJAY_FEATURE(
      double, vpn_confidence, "",
      "At most 1. Port 1194 0.5; OpenVPN reset exchange 0.4; UDP dst_port 51820 0.5; WireGuard handshake or "
      "data 0.4; protocol 50 or 51 0.7; UDP dst_port 500, 4500 or 1701 0.4; more than half of the packets "
      "of 1400 to 1500 bytes 0.2.") {
    return hundredths(vpn.score);
  }
  JOYFULJAY_FEATURE(const char*, vpn_type, "",
                    "The last that held of openvpn, wireguard, ipsec-esp, ipsec-ah, ipsec-ike, l2tp; empty if none.") {
    return vpn.kind != nullptr ? vpn.kind : "";
  }
  JOYFULJAY_FEATURE(bool, likely_doh, "", "doh_confidence >= 0.5, summed in exact hundredths.") {
    return doh_points >= 50;
  }
  JOYFULJAY_FEATURE(
      double, doh_confidence, "",
      "0 with dst_port 853 or protocol dot or doq, and without TLS or QUIC unless a known resolver answers on "
      "port 443. 0.6 if the server's name or address is a known resolver's, else 0.4 if it speaks HTTP and a "
      "label of its name says DNS; + 0.1 below 1 s, + 0.1 up to 12000 bytes of payload.") {
    return hundredths(doh_points);
  }
  JOYFULJAY_FEATURE(
      text<16>, traffic_type, "",
      "tor if likely_tor, else vpn: and vpn_type if likely_vpn, else doh if likely_doh, else encrypted.") {
    text<16> type;
    type.append(likely_tor ? "tor" : likely_vpn ? "vpn:" : likely_doh ? "doh" : "encrypted");
    if (!likely_tor && likely_vpn) type.append(vpn_type);
    return type;
  }

 private:
  static double hundredths(unsigned score) {
    return quotient(std::uint64_t{score < 100 ? score : 100}, std::uint64_t{100});
  }
  template <class Flow> static bool payloads_vary_little(const Flow& flow, std::uint64_t filled) {
    moments<32> all{flow.payload_squares[fwd], wide<1>::from(flow.payload_sum[fwd] + flow.payload_sum[bwd]), 0, 0};
    all.squares += flow.payload_squares[bwd];
    return all.varies_below_tenth(filled);
  }
  template <class Flow> static detail::vpn_verdict judged(const Flow& flow) {
    const bool udp = flow.protocol == ip_protocol::udp, tcp = flow.protocol == ip_protocol::tcp;
    const std::uint16_t source = flow.port[fwd], target = flow.port[bwd];
    const auto both = [&](std::uint8_t forward, std::uint8_t backward) {
      return flow.opened_with(fwd, forward) && flow.opened_with(bwd, backward);
    };
    using f = first_payloads;
    detail::vpn_verdict result{};
    result.add((udp || tcp) && (source == 1194 || target == 1194), 50, "openvpn");
    result.add((udp || tcp) && both(f::openvpn_client, f::openvpn_server), 40, "openvpn");
    result.add(udp && target == 51820, 50, "wireguard");
    const bool handshake =
        flow.opened_with(fwd, f::wireguard_handshake) || flow.opened_with(bwd, f::wireguard_handshake);
    result.add(udp && (handshake || both(f::wireguard_data, f::wireguard_data)), 40, "wireguard");
    result.add(flow.protocol == ip_protocol::esp, 70, "ipsec-esp");
    result.add(flow.protocol == ip_protocol::ah, 70, "ipsec-ah");
    result.add(udp && (target == 500 || target == 4500), 40, "ipsec-ike");
    result.add(udp && target == 1701, 40, "l2tp");
    if (2 * std::uint64_t{flow.large_packets} > flow.total_packets()) result.score += 20;
    return result;
  }
};

struct entropy {
  JOYFULJAY_GROUP(entropy, payload_sample)

  JOYFULJAY_STEP(std::uint64_t, sampled_total) { return std::uint64_t{flow.sampled[fwd]} + flow.sampled[bwd]; }
  JOYFULJAY_FEATURE(
      double, entropy_payload, "bits",
      "Shannon entropy, -sum p log2 p over byte values, of both directions' samples together. A sample is "
      "the first entropy_sample_bytes captured payload bytes of a direction strung together.") {
    return entropy_bits(flow.both_information, sampled_total);
  }
  JOYFULJAY_FEATURE(double, entropy_initiator, "bits", "Shannon entropy of the forward sample.") {
    return entropy_bits(flow.sample_information[fwd], flow.sampled[fwd]);
  }
  JOYFULJAY_FEATURE(double, entropy_responder, "bits", "Shannon entropy of the backward sample.") {
    return entropy_bits(flow.sample_information[bwd], flow.sampled[bwd]);
  }
  JOYFULJAY_FEATURE(double, entropy_ratio, "",
                    "entropy_initiator / entropy_responder; entropy_initiator if the other is 0.") {
    return flow.sample_information[bwd] != 0 ? detail::divided(entropy_initiator, entropy_responder)
                                             : entropy_initiator;
  }
  JOYFULJAY_FEATURE(
      double, byte_distribution_uniformity, "",
      "1 - sum over the 256 byte values of (count - n/256)^2 / n^2 for n sampled bytes, 1/256 to 1; 0 below "
      "256 bytes.") {
    const std::uint64_t squared = sampled_total * sampled_total;
    return sampled_total >= 256 ? quotient(257 * squared - 256 * flow.byte_count_squares, 256 * squared) : 0;
  }
  JOYFULJAY_FEATURE(double, printable_ratio, "", "Share of sampled bytes 32 to 126.") {
    return quotient(flow.printable_bytes, sampled_total);
  }
  JOYFULJAY_FEATURE(double, null_ratio, "", "Share of sampled bytes equal to 0.") {
    return quotient(flow.null_bytes, sampled_total);
  }
  JOYFULJAY_FEATURE(double, high_byte_ratio, "", "Share of sampled bytes 128 to 255.") {
    return quotient(flow.high_bytes, sampled_total);
  }
  JOYFULJAY_FEATURE(std::uint64_t, payload_bytes_sampled, "bytes",
                    "Bytes in both samples, at most twice entropy_sample_bytes.") {
    return sampled_total;
  }
};

struct padding {
  JOYFULJAY_GROUP(padding, packet_lengths, length_variety, arrival_gaps, burst_shares, payload_bytes, telling_sizes)

  JOYFULJAY_STEP(moments<32>, padded_lengths) { return flow.both_lengths(); }
  JOYFULJAY_FEATURE(double, pkt_size_variance, "bytes^2", "Variance of the IP lengths.") {
    return padded_lengths.variance(flow.total_packets());
  }
  JOYFULJAY_FEATURE(double, pkt_size_cv, "", "Standard deviation over mean of the IP lengths.") {
    return root_quotient(padded_lengths.scaled_deviation(flow.total_packets()), padded_lengths.sum);
  }
  JOYFULJAY_FEATURE(bool, is_constant_size, "", "dominant_size_ratio > 0.95.") {
    return 100 * std::uint64_t{flow.mode_packets} > 95 * flow.total_packets();
  }
  JOYFULJAY_FEATURE(std::uint32_t, dominant_size_mode, "bytes", "Equal to dominant_pkt_size.") {
    return flow.mode_length;
  }
  JOYFULJAY_FEATURE(double, dominant_size_ratio, "", "Equal to dominant_pkt_ratio.") {
    return quotient(flow.mode_packets, flow.total_packets());
  }
  JOYFULJAY_FEATURE(std::uint64_t, unique_size_count, "",
                    "Number of different IP lengths. Sketch beyond sample_packets.") {
    return flow.distinct_lengths;
  }
  JOYFULJAY_FEATURE(
      double, size_entropy, "",
      "Shannon entropy of the IP lengths over log2(unique_size_count), 0 to 1; 0 if all are equal. Sketch beyond "
      "sample_packets.") {
    if (unique_size_count < 2) return 0;
    const wide<2> most = product(flow.length_total, logarithm(unique_size_count));
    return most < flow.length_information ? 1 : quotient(flow.length_information, most);
  }
  JOYFULJAY_FEATURE(double, iat_variance, "s^2", "Variance of the gaps.") {
    const std::uint64_t count = flow.gap_count();
    const wide<2> unit = product(ns_per_second, ns_per_second);
    return count > 1 ? quotient(flow.gaps.scaled_variance(count), product(product(count, count), unit)) : 0;
  }
  JOYFULJAY_FEATURE(double, iat_cv, "", "Equal to burstiness_index.") {
    return root_quotient(flow.gaps.scaled_deviation(flow.gap_count()), flow.gaps.sum);
  }
  JOYFULJAY_FEATURE(
      bool, is_constant_rate, "",
      "At least 2 packets and iat_cv < 0.1, decided in integers; gaps that are all 0 count as constant.") {
    return flow.gap_count() != 0 && flow.gaps.varies_below_tenth(flow.gap_count());
  }
  JOYFULJAY_FEATURE(std::uint32_t, tor_cell_count, "packets",
                    "Packets with 580 to 600 bytes of payload: a Tor cell of 512 bytes in its TLS record.") {
    return flow.tor_cells;
  }
  JOYFULJAY_FEATURE(double, tor_cell_ratio, "", "tor_cell_count over packets with payload.") {
    return quotient(tor_cell_count, detail::filled_packets(flow));
  }
  JOYFULJAY_FEATURE(bool, is_tor_like, "", "tor_cell_count >= 5 and tor_cell_ratio >= 0.4.") {
    return detail::is_tor_like(flow);
  }
  JOYFULJAY_FEATURE(double, burst_padding_ratio, "",
                    "burst_overhead_bytes over the sum of the lengths; 0 for a flow of one packet.") {
    return quotient(overhead(flow), padded_lengths.sum);
  }
  JOYFULJAY_FEATURE(std::uint64_t, burst_overhead_bytes, "bytes",
                    "IP lengths less payload lengths, summed; 0 for a flow of one packet.") {
    return overhead(flow);
  }
  JOYFULJAY_FEATURE(double, avg_burst_payload_efficiency, "",
                    "Mean over the bursts of payload over length; 1 for a flow of one packet.") {
    if (flow.total_packets() < 2) return 1;
    return quotient(flow.share_sum(), wide<2>{{0, std::uint64_t{flow.idle_periods} + 1}});
  }
  JOYFULJAY_FEATURE(
      double, padding_score, "",
      "0.3 is_constant_size + 0.2 (dominant_size_ratio > 0.8) + 0.2 is_constant_rate + 0.3 is_tor_like.") {
    const bool dominated = 10 * std::uint64_t{flow.mode_packets} > 8 * flow.total_packets();
    return quotient(std::uint64_t{3u * is_constant_size + 2u * dominated + 2u * is_constant_rate + 3u * is_tor_like},
                    std::uint64_t{10});
  }

 private:
  template <class Flow> static std::uint64_t overhead(const Flow& flow) {
    if (flow.total_packets() < 2) return 0;
    return flow.lengths[fwd].sum.word[0] + flow.lengths[bwd].sum.word[0] - flow.payload_sum[fwd] -
           flow.payload_sum[bwd];
  }
};

// ---- 13. Flow storage --------------------------------------------------------------------------------------------
// Fixed pools: slots, log chunks, long-flow states, remembered fragments. Everything is addressed by small numbers, of
// which 0 means none, and starts as zero bytes. A short flow is its log: the slot, and chunks of seven packets.

namespace detail {

/// Two endpoints and a protocol (or, for fragments, two addresses and a datagram) as numbers, the same on every target.
/// An IPv4 key fills two words, an IPv6 key five.
struct flow_key {
  std::uint64_t word[5];

  std::size_t words() const { return ip_version() == 4 ? 2 : 5; }
  std::uint8_t ip_version() const { return static_cast<std::uint8_t>(word[0] >> 40); }
  std::uint8_t protocol() const { return static_cast<std::uint8_t>(word[0] >> 32); }
  bool operator==(const flow_key& other) const {
    if (word[0] != other.word[0] || word[1] != other.word[1]) return false;
    return ip_version() == 4 || (word[2] == other.word[2] && word[3] == other.word[3] && word[4] == other.word[4]);
  }
  std::uint64_t address(unsigned end, unsigned half) const {
    if (ip_version() == 4) return half == 0 ? 0 : end == 0 ? word[1] >> 32 : word[1] & 0xFFFFFFFF;
    return word[1 + 2 * end + half];
  }
  std::uint16_t port(unsigned end) const {
    return static_cast<std::uint16_t>(static_cast<std::uint32_t>(word[0]) >> (end == 0 ? 16 : 0));
  }

  static flow_key of(std::uint8_t version, std::uint8_t protocol, std::uint32_t low, const std::uint64_t (&a)[2],
                     const std::uint64_t (&b)[2]) {
    const std::uint64_t first = std::uint64_t{version} << 40 | std::uint64_t{protocol} << 32 | low;
    if (version == 4) return {{first, a[1] << 32 | b[1], 0, 0, 0}};
    return {{first, a[0], a[1], b[0], b[1]}};
  }
};

/// The flow of a packet: its endpoints in ascending order, and whether the packet comes from the second of them.
struct packet_key {
  flow_key key;
  bool from_second;

  static packet_key of(const packet& p) {
    const bool from_second = p.source[0] != p.target[0]   ? p.source[0] > p.target[0]
                             : p.source[1] != p.target[1] ? p.source[1] > p.target[1]
                                                          : p.source_port > p.target_port;
    const std::uint32_t first = from_second ? p.target_port : p.source_port;
    const std::uint32_t second = from_second ? p.source_port : p.target_port;
    return {flow_key::of(p.ip_version, p.protocol, first << 16 | second, from_second ? p.target : p.source,
                         from_second ? p.source : p.target),
            from_second};
  }
};

/// Whether more than `limit` has passed. False when the clock stepped back; differences cannot overflow. A limit below
/// zero, which only a variable in a configuration can be, counts as none here and below.
inline bool has_passed(std::int64_t now, std::int64_t since, std::int64_t limit) {
  return now > since && static_cast<std::uint64_t>(now) - static_cast<std::uint64_t>(since) >
                            static_cast<std::uint64_t>(limit > 0 ? limit : 0);
}
inline std::int64_t saturating_sum(std::int64_t time, std::int64_t span) {
  constexpr std::int64_t latest = 0x7FFFFFFFFFFFFFFF;
  if (span <= 0) return time;
  return time > latest - span ? latest : time + span;
}

/// First fragments: which transport the later ones of the datagram belong to. Those of the last `Capacity` datagrams
/// (one whose first fragment comes again keeps its turn), whatever their hashes, so that rows depend neither on the secret
/// nor on the hash.
template <std::size_t Capacity, class Hash> class fragment_table {
 public:
  void remember(const hash_key& secret, const packet& p) {
    place found = find(secret, p);
    if (found.number == 0) {
      if (found.sharing == max_sharing) return;
      found.number = take_oldest(secret);
      at(found.number).key = found.key;
      at(found.number).next = buckets_[found.bucket];
      buckets_[found.bucket] = found.number;
    }
    entry& e = at(found.number);
    e.time_ns = p.time_ns, e.source_port = p.source_port, e.target_port = p.target_port, e.protocol = p.protocol;
  }
  /// Gives a later fragment the protocol and ports of its first. False: there is none, or it is too old.
  bool complete(const hash_key& secret, packet& p, std::int64_t timeout_ns) const {
    const std::uint32_t number = find(secret, p).number;
    if (number == 0 || has_passed(p.time_ns, at(number).time_ns, timeout_ns)) return false;
    p.protocol = at(number).protocol;
    p.source_port = at(number).source_port;
    p.target_port = at(number).target_port;
    return true;
  }

 private:
  // Datagrams under one hash; with a secret key there are not that many. Beyond them none is added to the chain until
  // others, under other hashes, have taken the places of its oldest.
  static constexpr unsigned max_sharing = 32;

  struct entry {
    flow_key key;  // word[0] is never 0 in use, because it holds the IP version
    std::int64_t time_ns;
    std::uint32_t next;  // under the same hash
    std::uint16_t source_port, target_port;
    std::uint8_t protocol;
  };
  struct place {
    flow_key key;
    std::size_t bucket;
    std::uint32_t number;  // 0: not there
    unsigned sharing;      // entries of the bucket that were passed
  };
  JOYFULJAY_OWN_FRAME place find(const hash_key& secret, const packet& p) const {
    place found = {flow_key::of(p.ip_version, p.fragment_protocol, p.fragment_id, p.source, p.target), 0, 0, 0};
    found.bucket = bucket_of(secret, found.key);
    found.number = buckets_[found.bucket];
    for (; found.number != 0 && !(at(found.number).key == found.key); found.number = at(found.number).next)
      ++found.sharing;
    return found;
  }
  static std::size_t bucket_of(const hash_key& secret, const flow_key& key) {
    const std::uint32_t hash = Hash::hash(secret, key.word, key.words());
    return static_cast<std::size_t>(static_cast<std::uint64_t>(hash) * Capacity >> 32);
  }
  entry& at(std::uint32_t number) { return entries_[number - 1]; }
  const entry& at(std::uint32_t number) const { return entries_[number - 1]; }
  /// The place that was taken first, out of its chain.
  std::uint32_t take_oldest(const hash_key& secret) {
    const std::uint32_t number = ++newest_;
    if (newest_ == Capacity) newest_ = 0;
    if (at(number).key.word[0] == 0) return number;
    std::uint32_t& first = buckets_[bucket_of(secret, at(number).key)];
    if (first == number) {
      first = at(number).next;
    } else {
      std::uint32_t before = first;
      while (at(before).next != number) before = at(before).next;
      at(before).next = at(number).next;
    }
    return number;
  }

  entry entries_[Capacity] = {};
  std::uint32_t buckets_[Capacity] = {};
  std::uint32_t newest_ = 0;  // places are taken in turn
};
/// No table at all.
template <class Hash> class fragment_table<0, Hash> {
 public:
  void remember(const hash_key&, const packet&) {}
  bool complete(const hash_key&, packet&, std::int64_t) const { return false; }
};

/// One packet in nine bytes: 36 bits of gap, 16 of IP length, 8 of header length, 4 of facts, 8 of TCP flags. What does
/// not fit sets `extended`, and the next entry holds the upper bits: gaps beyond 68 s, jumbo lengths, long extension
/// headers.
struct log_entry {
  std::uint64_t word;
  std::uint8_t flags;

  static constexpr std::uint64_t backward = 1, no_tcp = 2, clock_back = 4, extended = 8;
  static constexpr unsigned gap_bits = 36, length_bits = 16, header_bits = 8;

  static log_entry of(const logged_packet& p, std::uint64_t step, bool stepped_back) {
    const std::uint32_t header = p.ip_len - p.payload_len;
    const std::uint64_t facts =
        (p.dir == bwd ? backward : 0) | (p.has_tcp_header ? 0 : no_tcp) | (stepped_back ? clock_back : 0) |
        ((step >> gap_bits | p.ip_len >> length_bits | header >> header_bits) != 0 ? extended : 0);
    return {(step << 28) | (p.ip_len & std::uint64_t{0xFFFF}) << 12 | (header & std::uint64_t{0xFF}) << 4 | facts,
            p.tcp_flags};
  }
  bool is_extended() const { return (word & extended) != 0; }
  /// What `of` had to leave out.
  static log_entry upper_bits(const logged_packet& p, std::uint64_t step) {
    const std::uint32_t header = p.ip_len - p.payload_len;
    return {(step >> gap_bits) << 36 | std::uint64_t{p.ip_len >> length_bits} << 16 | header >> header_bits, 0};
  }
  /// The packet again. `time_ns` is that of the packet before and becomes this one's.
  static logged_packet decoded(const log_entry& entry, const log_entry& upper, std::int64_t& time_ns, bool opens_flow) {
    const std::uint64_t step = entry.word >> 28 | (upper.word >> 36) << gap_bits;
    const bool stepped_back = (entry.word & clock_back) != 0;
    const std::uint64_t before = static_cast<std::uint64_t>(time_ns);
    logged_packet p;
    p.time_ns = time_ns = static_cast<std::int64_t>(stepped_back ? before - step : before + step);
    p.gap_ns = stepped_back ? 0 : step;
    p.ip_len = static_cast<std::uint32_t>((entry.word >> 12 & 0xFFFF) | (upper.word >> 16 & 0xFFFF) << length_bits);
    const std::uint32_t header =
        static_cast<std::uint32_t>((entry.word >> 4 & 0xFF) | (upper.word & 0xFFFF) << header_bits);
    p.payload_len = p.ip_len - header;
    p.dir = (entry.word & backward) != 0 ? bwd : fwd;
    p.tcp_flags = entry.flags;
    p.has_tcp_header = (entry.word & no_tcp) == 0;
    p.opens_flow = opens_flow;
    return p;
  }
};

/// Seven entries in 64 bytes, every access aligned.
struct log_chunk {
  static constexpr std::size_t entries = 7;
  std::uint64_t words[entries];
  std::uint8_t flags[entries];
};

/// What a chunk of the pool holds: entries of a log, a part of a payload sample, or what two samples answered.
union pool_chunk {
  static constexpr std::size_t sample_words = 16;
  log_chunk log;
  payload_sample answers;
  std::uint32_t sample[sample_words];
  std::uint8_t raw_sample[4 * sample_words];
};

/// The longest sample of a direction: the configuration's, or any, where that is a variable.
inline constexpr std::size_t longest_sample = 65535;
template <class Config, std::size_t Bytes = static_cast<std::size_t>(Config::entropy_sample_bytes)>
constexpr std::size_t sample_capacity(int) {
  return Bytes;
}
template <class Config> constexpr std::size_t sample_capacity(long) { return longest_sample; }

// How an accumulator is fed: see section 11.
template <class A, class = void> struct is_from_log : std::false_type {};
template <class A> struct is_from_log<A, std::void_t<decltype(A::from_log)>> : std::bool_constant<A::from_log> {};
template <class A> struct is_not_from_log : std::bool_constant<!is_from_log<A>::value> {};
template <class A, class = void> struct reads_log_head : std::false_type {};
template <class A>
struct reads_log_head<A, std::void_t<decltype(A::reads_log_head)>> : std::bool_constant<A::reads_log_head> {};
template <class A, class = void> struct reads_other_forms : std::false_type {};
template <class A>
struct reads_other_forms<A, std::void_t<decltype(A::reads_other_forms)>> : std::bool_constant<A::reads_other_forms> {};
template <class A, class = void> struct samples_payload : std::false_type {};
template <class A>
struct samples_payload<A, std::void_t<decltype(A::samples_payload)>> : std::bool_constant<A::samples_payload> {};
template <class A, class = void> struct has_sketch : std::false_type {};
template <class A> struct has_sketch<A, std::void_t<typename A::sketch>> : std::true_type {};
template <class A, class = void> struct is_learned : std::false_type {};
template <class A> struct is_learned<A, std::void_t<decltype(A::learned_from)>> : std::true_type {};
template <class A> struct has_exact : std::bool_constant<has_sketch<A>::value || reads_log_head<A>::value> {};
template <class A, class = void> struct keeps_texts : std::false_type {};
template <class A> struct keeps_texts<A, std::void_t<decltype(A::keeps_texts)>> : std::bool_constant<A::keeps_texts> {};
template <class A, class = void> struct is_from_tables : std::false_type {};
template <class A> struct is_from_tables<A, std::void_t<decltype(A::from_tables)>> : std::true_type {};
template <class A>
struct lives_in_slot : std::bool_constant<!has_exact<A>::value && !samples_payload<A>::value && !is_learned<A>::value &&
                                          !keeps_texts<A>::value && !is_from_tables<A>::value> {};
template <class A> struct is_live : std::bool_constant<lives_in_slot<A>::value && !is_from_log<A>::value> {};
template <class... A> constexpr bool learns([[maybe_unused]] handshake_protocol protocol, type_list<A...>) {
  return ((A::learned_from == protocol) || ...);
}

/// The heads that samples and texts have in the slot.
template <class... A> type_list<typename A::head...> heads_of(type_list<A...>);
template <class... A, class... B> type_list<A..., B...> joined(type_list<A...>, type_list<B...>);
template <class... Type> constexpr bool is_empty(type_list<Type...>) { return sizeof...(Type) == 0; }
template <class... A> constexpr bool start_as_zero(type_list<A...>) {
  return ((std::is_trivially_default_constructible_v<A> && std::is_trivially_copyable_v<A>)&&...);
}
template <class... A, class... B> constexpr bool contains_all(type_list<A...>, type_list<B...> parts) {
  return std::is_same_v<decltype(type_list<A...>{} | parts), type_list<A...>>;
}

/// The part of a slot that exists only where logs are kept.
struct log_head {
  std::uint64_t first_word;  // the first entry, so that a flow of one packet needs no chunk
  std::uint32_t storage;     // last chunk of the log, or the long-flow state
  std::uint16_t entries;     // in the log, the first included
  std::uint8_t first_flags;
};

/// The caller's members, under one name, so that theirs can be any.
template <class User, bool = std::is_empty_v<User>> struct user_part {
  User of_caller;
  User& caller_data() { return of_caller; }
};
template <class User> struct user_part<User, true> : User {
  User& caller_data() { return *this; }
};

/// One open flow. 120 bytes for flow_meta, timing, size and tcp.
template <class Config, bool KeepsLog, class Handshake, class Live> struct flow_slot;
template <class Config, bool KeepsLog, class Handshake, class... Live>
struct flow_slot<Config, KeepsLog, Handshake, type_list<Live...>>
    : Live..., user_part<typename Config::user_data>, std::conditional_t<KeepsLog, log_head, nothing>, Handshake {
  using config = Config;
  std::uint8_t marks, list;   // first, because they fit into what alignment leaves behind the bases
  std::uint32_t last_number;  // of the last packet among all that were counted: no clock steps back there
  flow_key key;
  std::int64_t start_ns, end_ns, last_ns, closed_ns;  // end: the largest time; last: of the last packet
  std::uint32_t packets[2];

  static constexpr std::uint8_t initiator_is_second = 1, is_ethernet = 2, is_closed = 4, is_long = 8,
                                fin_seen = 16;  // 16, 32

  bool marked(std::uint8_t mark) const { return (marks & mark) != 0; }
  std::uint64_t total_packets() const { return std::uint64_t{packets[fwd]} + packets[bwd]; }
  bool is_one_sided() const { return packets[fwd] == 0 || packets[bwd] == 0; }
};

/// What a log is replayed into. A base of the summary of a short flow and of the state of a long one, so that there is
/// one function that feeds both.
template <class Config, class FromLog> struct log_state;
template <class Config, class... FromLog> struct log_state<Config, type_list<FromLog...>> : FromLog... {
  using config = Config;

  JOYFULJAY_INLINE_FOR_SPEED void update_from_log([[maybe_unused]] const logged_packet& p) {
    (FromLog::update(p, *this), ...);
  }
};

/// A flow that outgrew its log: the same accumulators, kept up to date, and sketches.
template <class Config, class FromLog, class Sampled> struct long_state;
template <class Config, class FromLog, class... Sampled>
struct long_state<Config, FromLog, type_list<Sampled...>> : log_state<Config, FromLog>, Sampled::sketch... {
  std::uint32_t kept_chunk;  // last chunk of the part of the log that is kept, 0 when that is none

  void update(const logged_packet& p) {
    this->update_from_log(p);
    (Sampled::sketch::add(p, *this), ...);
  }
};

/// What features are computed from: facts, replayed accumulators, live ones, answers of samples and sketches.
template <class Config, class FromLog, class Others> struct summary_parts;
template <class Config, class FromLog, class... Others>
struct summary_parts<Config, FromLog, type_list<Others...>> : flow_facts, log_state<Config, FromLog>, Others... {
  using log_state_type = log_state<Config, FromLog>;
};
template <class Config, class Accumulators>
struct flow_summary : summary_parts<Config, decltype(filtered<is_from_log>(Accumulators{})),
                                    decltype(filtered<is_not_from_log>(Accumulators{}))> {
  /// The address, or its pseudonym. Engines without pseudonyms hold no SHA-256.
  ip_address shown_address(direction end) const {
    return Config::anonymize_addresses ? this->pseudonym(end) : this->true_address(end);
  }
};

template <class Config, class Exact> struct exact_forms;
template <class Config, class... A> struct exact_forms<Config, type_list<A...>> : A::template exact<Config>... {};

struct sample_workspace {
  byte_histogram histograms[2];
};
template <std::size_t Longest> struct text_workspace { char hello_texts[2][Longest]; };
struct no_texts {};

/// Lets a sample or sketch answer. `all` has those of every accumulator as bases.
template <class A, class Form, class Summary, class Forms> void ask(Form& form, Summary& summary, const Forms& all) {
  if constexpr (reads_other_forms<A>::value)
    form.answer(static_cast<A&>(summary), summary, all);
  else
    form.answer(static_cast<A&>(summary), summary);
}

}  // namespace detail

// ---- 14. Connection graph ----------------------------------------------------------------------------------------
// All flows together: who spoke to whom, how often and how much, and what the graph of that says of an address. In come
// flows as they end, out come the accumulators of the group connection. Nothing here is per packet, and nothing
// allocates or recurses. Work for a flow is five look-ups in chains of at most `max_sharing` records; work on the graph
// is done by `refresh`, in slices.

/// The ends of a flow as the connection tables know them.
struct flow_ends {
  std::uint64_t address[2][2];  ///< initiator and responder, as in `packet`: of IPv4 the first word is 0
  std::uint16_t dst_port;       ///< the responder's; 0 without ports
  std::uint8_t ip_version;      ///< 4 or 6
};

/// What the connection tables say of themselves. Counters are from the start, or from `clear_connections`.
struct connection_statistics {
  std::uint32_t hosts, edges, pair_ports;            ///< records in use, which is also the most there were
  std::uint64_t flows;                               ///< that were counted
  std::uint64_t lost_hosts, lost_edges, lost_ports;  ///< how many of them found no room for an address, for the pair
                                                     ///< of both, for a port of either
  std::uint64_t refreshes;                           ///< completed
};

/// Bytes by record, and how many records there are room for.
struct connection_footprint {
  std::size_t host, edge, pair_port, hosts, edges, pair_ports;
};

namespace detail {

/// The flow's ends without the rest.
inline flow_ends ends_of(const flow_facts& facts) {
  flow_ends ends;
  std::memcpy(ends.address, facts.address, sizeof ends.address);
  ends.dst_port = facts.port[bwd];
  ends.ip_version = facts.ip_version;
  return ends;
}

/// Records numbered from 1 as they come, found by chains from a hash. They stay until all are cleared.
template <class Record, std::size_t Capacity> class record_table {
 public:
  static constexpr std::size_t record_bytes = sizeof(Record) + sizeof(std::uint32_t);

  std::uint32_t size() const { return used_; }
  Record& operator[](std::uint32_t number) { return records_[number - 1]; }
  const Record& operator[](std::uint32_t number) const { return records_[number - 1]; }
  /// Asks for the cache line that a search begins with.
  void fetch(std::uint32_t hash) const { prefetch(&heads_[bucket_of(hash)]); }
  /// 0: not there.
  template <class Is> std::uint32_t find(std::uint32_t hash, const Is& is) const {
    std::uint32_t number = heads_[bucket_of(hash)];
    while (number != 0 && !is(records_[number - 1])) number = records_[number - 1].next;
    return number;
  }
  /// A new record of zeros. 0: no room.
  std::uint32_t add(std::uint32_t hash) {
    std::uint32_t& head = heads_[bucket_of(hash)];
    unsigned sharing = 0;
    for (std::uint32_t number = head; number != 0; number = records_[number - 1].next) ++sharing;
    if (used_ == Capacity || sharing == max_sharing) return 0;
    records_[used_] = Record{};
    records_[used_].next = head;
    return head = ++used_;
  }
  void clear() {
    if (used_ != 0) std::memset(heads_, 0, sizeof heads_);
    used_ = 0;
  }

 private:
  static constexpr unsigned max_sharing = 32;  // records under one hash; with a secret key there are not that many
  static std::size_t bucket_of(std::uint32_t hash) {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(hash) * Capacity >> 32);
  }
  Record records_[Capacity] = {};
  std::uint32_t heads_[Capacity] = {};
  std::uint32_t used_ = 0;
};

/// An address. Of pairs, the first is as sender or initiator, the second as receiver or responder.
struct host_record {
  std::uint64_t address[2];
  std::uint64_t packets[2], bytes[2];
  std::uint64_t flows[2];
  std::uint32_t peers[2];  // different responders of its flows, different initiators
  std::uint32_t next;
  std::uint32_t ports : 24;  // different ones that its flows went to
  std::uint32_t ip_version : 4;
  std::uint32_t too_low : 2;  // a bit for each role: something found no room

  bool is(const flow_ends& ends, unsigned end) const {
    return address[1] == ends.address[end][1] && address[0] == ends.address[end][0] && ip_version == ends.ip_version;
  }
  /// Canonical order: IPv4 before IPv6, then by address.
  bool precedes(const host_record& other) const {
    if (ip_version != other.ip_version) return ip_version < other.ip_version;
    return address[0] != other.address[0] ? address[0] < other.address[0] : address[1] < other.address[1];
  }
};
struct edge_record {
  std::uint32_t source, target;  // numbers of hosts
  std::uint32_t flows;           // stays at its largest value
  std::uint32_t next;
};
struct port_record {
  std::uint32_t owner;  // number of an edge, or of the source
  std::uint32_t flows;  // stays at its largest value
  std::uint32_t next;
  std::uint16_t port;
  bool of_source;
};

/// Hosts, edges and ports of the flows that ended.
template <class Config> class connection_tables {
  static constexpr std::size_t or_else(std::size_t chosen, std::size_t derived) {
    return chosen != 0 ? chosen : derived;
  }

 public:
  static constexpr std::size_t host_capacity = Config::max_hosts;
  static constexpr std::size_t edge_capacity = or_else(Config::max_edges, 2 * host_capacity);
  static constexpr std::size_t port_capacity = or_else(Config::max_pair_ports, 3 * host_capacity);

  /// The numbers of a flow's records: of its hosts, of their pair, and of the pair's port. 0 for what is not there.
  struct place {
    std::uint32_t host[2], edge, port;
  };

  /// What each look-up needs is fetched before the ones in front of it wait for theirs.
  place count(const hash_key& secret, const flow_ends& ends, const std::uint32_t (&packets)[2],
              const std::uint64_t (&frame_bytes)[2]) {
    ++statistics_.flows;
    const std::uint32_t host_hash[2] = {hash_of_host(secret, ends, fwd), hash_of_host(secret, ends, bwd)};
    for (const std::uint32_t hash : host_hash) hosts_.fetch(hash);
    place at = {};
    for (unsigned role = 0; role < 2; ++role) at.host[role] = enter_host(host_hash[role], ends, role);
    const std::uint32_t source = at.host[fwd], target = at.host[bwd];
    const std::uint32_t edge_hash = hash_of_edge(secret, source, target);
    const std::uint32_t port_hash = hash_of_port(secret, source, ends.dst_port, true);
    edges_.fetch(edge_hash);
    ports_.fetch(port_hash);
    for (unsigned role = 0; role < 2; ++role)
      if (at.host[role] != 0) count_at(hosts_[at.host[role]], role, packets, frame_bytes);
    if (source != 0 && target != 0) at.edge = count_edge(edge_hash, source, target);
    bool is_new = false, lost_port = false;
    if (source != 0) lost_port = count_port(port_hash, source, ends.dst_port, true, is_new) == 0;
    if (is_new) ++hosts_[source].ports;
    if (at.edge != 0) {
      at.port = count_port(hash_of_port(secret, at.edge, ends.dst_port, false), at.edge, ends.dst_port, false, is_new);
      lost_port |= at.port == 0;
    }
    note_losses(at, lost_port);
    return at;
  }
  place find(const hash_key& secret, const flow_ends& ends) const {
    place at = {};
    for (unsigned role = 0; role < 2; ++role) at.host[role] = find_host(hash_of_host(secret, ends, role), ends, role);
    const std::uint32_t source = at.host[fwd], target = at.host[bwd];
    if (source != 0 && target != 0) at.edge = find_edge(hash_of_edge(secret, source, target), source, target);
    if (at.edge != 0)
      at.port = find_port(hash_of_port(secret, at.edge, ends.dst_port, false), at.edge, ends.dst_port, false);
    return at;
  }
  void read(const place& at, connection_tallies& out) const {
    out = {};
    out.tables_overflowed = (at.host[fwd] == 0 || at.host[bwd] == 0) && statistics_.lost_hosts != 0;
    if (at.host[fwd] != 0) read_source(hosts_[at.host[fwd]], out);
    if (at.host[bwd] != 0) read_target(hosts_[at.host[bwd]], out);
    if (at.edge != 0) out.pair_flows = edges_[at.edge].flows;
    if (at.port != 0) out.pair_port_flows = ports_[at.port].flows;
  }
  void clear() {
    hosts_.clear();
    edges_.clear();
    ports_.clear();
    statistics_ = {};
  }

  const auto& hosts() const { return hosts_; }
  const auto& edges() const { return edges_; }
  connection_statistics& statistics() { return statistics_; }
  connection_statistics statistics() const {
    connection_statistics result = statistics_;
    result.hosts = hosts_.size();
    result.edges = edges_.size();
    result.pair_ports = ports_.size();
    return result;
  }
  static constexpr connection_footprint footprint() {
    return {hosts_type::record_bytes,
            edges_type::record_bytes,
            ports_type::record_bytes,
            host_capacity,
            edge_capacity,
            port_capacity};
  }

 private:
  using hosts_type = record_table<host_record, host_capacity>;
  using edges_type = record_table<edge_record, edge_capacity>;
  using ports_type = record_table<port_record, port_capacity>;
  using keyed_hash = typename Config::keyed_hash;

  // Messages of different kinds differ in length, or go to different tables.
  static std::uint32_t hash_of_host(const hash_key& secret, const flow_ends& ends, unsigned end) {
    if (ends.ip_version == 4) return keyed_hash::hash(secret, &ends.address[end][1], 1);
    return keyed_hash::hash(secret, ends.address[end], 2);
  }
  static std::uint32_t hash_of_edge(const hash_key& secret, std::uint32_t source, std::uint32_t target) {
    const std::uint64_t word = std::uint64_t{source} << 32 | target;
    return keyed_hash::hash(secret, &word, 1);
  }
  static std::uint32_t hash_of_port(const hash_key& secret, std::uint32_t owner, std::uint16_t port, bool of_source) {
    const std::uint64_t word = std::uint64_t{owner} << 32 | (of_source ? 1u << 16 : 0u) | port;
    return keyed_hash::hash(secret, &word, 1);
  }

  std::uint32_t find_host(std::uint32_t hash, const flow_ends& ends, unsigned end) const {
    return hosts_.find(hash, [&](const host_record& host) { return host.is(ends, end); });
  }
  std::uint32_t find_edge(std::uint32_t hash, std::uint32_t source, std::uint32_t target) const {
    return edges_.find(hash, [&](const edge_record& edge) { return edge.source == source && edge.target == target; });
  }
  std::uint32_t find_port(std::uint32_t hash, std::uint32_t owner, std::uint16_t port, bool of_source) const {
    return ports_.find(hash, [&](const port_record& one) {
      return one.owner == owner && one.port == port && one.of_source == of_source;
    });
  }

  std::uint32_t enter_host(std::uint32_t hash, const flow_ends& ends, unsigned end) {
    std::uint32_t number = find_host(hash, ends, end);
    if (number != 0) return number;
    number = hosts_.add(hash);
    if (number == 0) return 0;
    host_record& host = hosts_[number];
    host.address[0] = ends.address[end][0];
    host.address[1] = ends.address[end][1];
    host.ip_version = ends.ip_version & 15u;
    return number;
  }
  static void count_at(host_record& host, unsigned role, const std::uint32_t (&packets)[2],
                       const std::uint64_t (&frame_bytes)[2]) {
    ++host.flows[role];
    for (unsigned way = 0; way < 2; ++way) {
      host.packets[way] += packets[role ^ way];
      host.bytes[way] += frame_bytes[role ^ way];
    }
  }
  /// 0: no room.
  std::uint32_t count_edge(std::uint32_t hash, std::uint32_t source, std::uint32_t target) {
    std::uint32_t number = find_edge(hash, source, target);
    if (number == 0) {
      number = edges_.add(hash);
      if (number == 0) return 0;
      edges_[number].source = source;
      edges_[number].target = target;
      ++hosts_[source].peers[fwd];
      ++hosts_[target].peers[bwd];
    }
    if (!count_up(edges_[number].flows)) mark(source, fwd), mark(target, bwd);
    return number;
  }
  /// 0: no room.
  std::uint32_t count_port(std::uint32_t hash, std::uint32_t owner, std::uint16_t port, bool of_source, bool& is_new) {
    std::uint32_t number = find_port(hash, owner, port, of_source);
    if (number == 0) {
      number = ports_.add(hash);
      if (number == 0) return 0;
      ports_[number].owner = owner;
      ports_[number].port = port;
      ports_[number].of_source = of_source;
      is_new = true;
    }
    count_up(ports_[number].flows);  // the edge, which is no smaller, says when this one is full
    return number;
  }
  void note_losses(const place& at, bool lost_port) {
    const bool both = at.host[fwd] != 0 && at.host[bwd] != 0;
    statistics_.lost_hosts += !both;
    statistics_.lost_edges += both && at.edge == 0;
    statistics_.lost_ports += lost_port;
    if (at.edge == 0 || lost_port) mark(at.host[fwd], fwd);
    if (at.edge == 0) mark(at.host[bwd], bwd);
  }
  static bool count_up(std::uint32_t& flows) {
    if (flows == 0xFFFFFFFF) return false;
    ++flows;
    return true;
  }
  void mark(std::uint32_t host, unsigned role) {
    if (host != 0) hosts_[host].too_low = (hosts_[host].too_low | 1u << role) & 3u;
  }

  static void read_source(const host_record& host, connection_tallies& out) {
    out.src_packets_sent = host.packets[0];
    out.src_bytes_sent = host.bytes[0];
    out.src_flows_out = host.flows[fwd];
    out.src_peers_out = host.peers[fwd];
    out.src_ports_out = host.ports;
    out.tables_overflowed |= (host.too_low & 1u << fwd) != 0;
  }
  static void read_target(const host_record& host, connection_tallies& out) {
    out.dst_packets_received = host.packets[1];
    out.dst_bytes_received = host.bytes[1];
    out.dst_flows_in = host.flows[bwd];
    out.dst_peers_in = host.peers[bwd];
    out.tables_overflowed |= (host.too_low & 1u << bwd) != 0;
  }

  hosts_type hosts_ = {};
  edges_type edges_ = {};
  ports_type ports_ = {};
  connection_statistics statistics_ = {};  // records in use are those of the tables
};

/// mantissa * 2^(512 * exponent): numbers of shortest paths, which may double with every second host and outgrow a
/// double by far. 0, or the mantissa is at least 2^-256 and below 2^256. Powers of two are exact, so it makes no
/// difference whether a compiler fuses them with what follows.
struct scaled {
  static constexpr double step = 0x1p512, limit = 0x1p256;
  double mantissa;
  std::int16_t exponent;

  /// `other` is not 0. What lies further apart than one step is below the last digit.
  void add(const scaled& other) {
    const int above = other.exponent - exponent;
    if (mantissa == 0 || above > 1)
      *this = other;
    else if (above == 0)
      mantissa += other.mantissa;
    else if (above == 1)
      *this = {mantissa / step + other.mantissa, other.exponent};
    else if (above == -1)
      mantissa += other.mantissa / step;
    settle();
  }
  scaled inverse() const {
    scaled result{1 / mantissa, static_cast<std::int16_t>(-exponent)};
    result.settle();
    return result;
  }
  /// A quotient that the caller knows to be no larger than a number of hosts. Below 2^-256 it is 0.
  double over(const scaled& divisor) const {
    const double ratio = mantissa / divisor.mantissa;
    const int above = exponent - divisor.exponent;
    if (above == 0) return ratio;
    if (above > 0) return ratio * step;
    return above == -1 && ratio >= limit ? ratio / step : 0;
  }

 private:
  void settle() {
    if (mantissa < limit) return;
    mantissa /= step;
    ++exponent;
  }
};

/// Clustering, communities and betweenness of the graph of hosts and edges [SEMANTICS "connection"]. A refresh copies
/// the edges when it begins, so that flows may be counted while it lasts; hosts keep their numbers and addresses.
/// Inside, hosts go by their rank in canonical order: results do not depend on the order in which flows came, nor on
/// how the work was sliced.
///
/// Every floating-point result is made of sums and quotients: there is no product for a compiler to fuse into a sum.
template <class Config> class graph_metrics {
  using tables_type = connection_tables<Config>;
  static constexpr std::size_t host_capacity = tables_type::host_capacity;
  static constexpr std::size_t edge_capacity = tables_type::edge_capacity;

 public:
  /// True: complete.
  bool refresh(tables_type& tables, std::uint64_t budget) {
    if (stage_ == stage::none) {
      if (tables.statistics().flows == flows_) return true;
      begin(tables);
    }
    if (budget == 0) budget = 1;
    while (stage_ != stage::none)
      if (!advance(tables, budget)) return false;
    ++tables.statistics().refreshes;
    return true;
  }
  void read(const typename tables_type::place& at, graph_position& out) const {
    out = {};
    for (unsigned end = 0; end < 2; ++end) {
      out.community[end] = -1;
      if (at.host[end] == 0) continue;
      const std::uint32_t host = at.host[end] - 1;
      out.betweenness[end] = betweenness_[host];
      out.clustering[end] = clustering_[host];
      out.community[end] = static_cast<std::int32_t>(community_[host]) - 1;
    }
  }
  /// Gives up a refresh that is under way.
  void clear() {
    for (std::uint32_t host = 0; host < hosts_; ++host) {
      betweenness_[host] = clustering_[host] = 0;
      community_[host] = 0;
    }
    stage_ = stage::none;
    flows_ = 0;
    hosts_ = 0;
  }
  static constexpr std::size_t host_bytes = sizeof(double) * 2 + sizeof(std::uint32_t) * 4 + 7 * sizeof(std::uint32_t);
  static constexpr std::size_t edge_bytes = 3 * 2 * sizeof(std::uint32_t);

 private:
  /// What is left to do, in this order. Communities go from `merge_groups` back to `move_nodes` for every level.
  enum class stage : std::uint8_t {
    none,
    // the graph by rank: order_, arcs_, links_
    list_hosts,
    sort_hosts,
    rank_hosts,
    count_arcs,
    sum_arcs,
    sort_by_target,
    sort_by_source,
    count_links,
    sum_links,
    fill_links,
    // clustering
    count_triangles,
    put_clustering,
    // communities
    add_degrees,
    move_nodes,
    number_groups,
    merge_groups,
    follow_groups,
    next_level,
    put_communities,
    // betweenness
    clear_scores,
    add_paths,
    put_betweenness
  };
  struct arc {
    std::uint32_t target, flows;
  };

  bool advance(const tables_type& tables, std::uint64_t& budget) {
    switch (stage_) {
      case stage::none: return true;
      case stage::list_hosts: return list_hosts(budget) && go(stage::sort_hosts);
      case stage::sort_hosts: return sort_hosts(tables, budget) && go(stage::rank_hosts);
      case stage::rank_hosts: return rank_hosts(budget) && go(stage::count_arcs);
      case stage::count_arcs: return count_arcs(tables, budget) && go(stage::sum_arcs);
      case stage::sum_arcs: return sum_arcs(budget) && go(stage::sort_by_target);
      case stage::sort_by_target: return sort_by_target(tables, budget) && go(stage::sort_by_source);
      case stage::sort_by_source: return sort_by_source(tables, budget) && go(stage::count_links);
      case stage::count_links: return count_links(budget) && go(stage::sum_links);
      case stage::sum_links: return sum_links(budget) && go(stage::fill_links);
      case stage::fill_links: return fill_links(budget) && go(stage::count_triangles);
      case stage::count_triangles: return count_triangles(budget) && go(stage::put_clustering);
      case stage::put_clustering: return put_clustering(budget) && go(stage::add_degrees);
      case stage::add_degrees: return add_degrees(budget) && go(stage::move_nodes);
      case stage::move_nodes: return move_nodes(budget) && go(after_sweep());
      case stage::number_groups: return number_groups(budget) && go(after_numbering());
      case stage::merge_groups: return merge_groups(budget) && go(stage::follow_groups);
      case stage::follow_groups: return follow_groups(budget) && go(stage::next_level);
      case stage::next_level: return next_level(budget) && go(after_level());
      case stage::put_communities: return put_communities(budget) && go(stage::clear_scores);
      case stage::clear_scores: return clear_scores(budget) && go(stage::add_paths);
      case stage::add_paths: return add_paths(budget) && go(stage::put_betweenness);
      case stage::put_betweenness: return put_betweenness(budget) && go(stage::none);
    }
    return true;
  }
  bool go(stage next) {
    stage_ = next;
    at_ = node_ = cursor_ = inner_ = running_ = 0;
    part_ = 0;
    return true;
  }

  // Stages are loops that stop when the budget is spent and know where they were.

  /// Calls visit(at) for at = cursor ... end - 1, as far as the budget goes. True: to the end.
  template <class Visit>
  static bool scan(std::uint32_t& cursor, std::uint32_t end, std::uint64_t& budget, const Visit& visit) {
    const std::uint32_t stop = budget < end - cursor ? cursor + static_cast<std::uint32_t>(budget) : end;
    budget -= stop - cursor;
    std::uint32_t at = cursor;
    for (; at != stop; ++at) visit(at);
    cursor = at;
    return at == end;
  }
  static void charge(std::uint64_t& budget, std::uint64_t steps) { budget -= budget < steps ? budget : steps; }
  /// Rows lie one behind the other, and `ends` says where each ends.
  static std::uint32_t row_begin(const std::uint32_t (&ends)[host_capacity], std::uint32_t row) {
    return row == 0 ? 0 : ends[row - 1];
  }
  /// Calls visit(source, target, flows) for every arc, by source and then by target.
  template <class Visit> bool scan_arcs(std::uint64_t& budget, const Visit& visit) {
    for (; node_ != hosts_; ++node_) {
      if (budget == 0) return false;
      if (!scan(cursor_, arc_ends_[node_], budget,
                [&](std::uint32_t at) { visit(node_, arcs_[at].target, arcs_[at].flows); }))
        return false;
      charge(budget, 1);
    }
    return true;
  }

  // ---- The graph by rank

  /// Copies what may change. Communities are computed in 64 bits, so beyond 2^31 all weights are halved until they fit;
  /// each stays at least 1.
  void begin(const tables_type& tables) {
    hosts_ = tables.hosts().size();
    arcs_used_ = 0;
    std::uint64_t flows = 0;
    for (std::uint32_t number = 1; number <= tables.edges().size(); ++number) {
      const edge_record& edge = tables.edges()[number];
      if (edge.source == edge.target) continue;  // loops count for degrees only
      arcs_[arcs_used_++] = {number, edge.flows};
      flows += edge.flows;
    }
    for (weight_shift_ = 0; flows >> weight_shift_ >= std::uint32_t{1} << 30; ++weight_shift_) {
    }
    flows_ = tables.statistics().flows;
    go(stage::list_hosts);
  }
  bool list_hosts(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) { order_[at] = at + 1; });
  }
  /// Heapsort: first n / 2 sifts that make the heap, then n - 1 that take it apart.
  bool sort_hosts(const tables_type& tables, std::uint64_t& budget) {
    if constexpr (host_capacity == 1) return true;  // or g++ warns of a second one
    const std::uint32_t making = hosts_ / 2, all = making + (hosts_ > 1 ? hosts_ - 1 : 0);
    for (; at_ < all; ++at_) {
      if (budget == 0) return false;
      if (at_ < making) {
        sift(tables, making - 1 - at_, hosts_);
      } else {
        const std::uint32_t last = hosts_ - 1 - (at_ - making), largest = order_[0];
        order_[0] = order_[last];
        order_[last] = largest;
        sift(tables, 0, last);
      }
      charge(budget, bit_length(hosts_));
    }
    return true;
  }
  void sift(const tables_type& tables, std::uint32_t at, std::uint32_t size) {
    const auto precedes = [&](std::uint32_t a, std::uint32_t b) {
      return tables.hosts()[a].precedes(tables.hosts()[b]);
    };
    const std::uint32_t host = order_[at];
    for (std::uint32_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && precedes(order_[child], order_[child + 1])) ++child;
      if (!precedes(host, order_[child])) break;
      order_[at] = order_[child];
      at = child;
    }
    order_[at] = host;
  }
  bool rank_hosts(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      scratch_.ranks.rank_of[order_[at] - 1] = at;
      scratch_.ranks.target_ends[at] = arc_ends_[at] = link_ends_[at] = 0;
    });
  }
  std::uint32_t source_of(const tables_type& tables, const arc& copied) const {
    return scratch_.ranks.rank_of[tables.edges()[copied.target].source - 1];
  }
  std::uint32_t target_of(const tables_type& tables, const arc& copied) const {
    return scratch_.ranks.rank_of[tables.edges()[copied.target].target - 1];
  }
  // Sorted by counting: by target, then by source. Until then the `target` of an arc is the number of its edge.
  bool count_arcs(const tables_type& tables, std::uint64_t& budget) {
    return scan(at_, arcs_used_, budget, [&](std::uint32_t at) {
      ++scratch_.ranks.target_ends[target_of(tables, arcs_[at])];
      ++arc_ends_[source_of(tables, arcs_[at])];
    });
  }
  /// Counts become beginnings, which filling turns into ends.
  bool sum_arcs(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      const std::uint32_t by_target = scratch_.ranks.target_ends[at], by_source = arc_ends_[at];
      scratch_.ranks.target_ends[at] = running_;
      arc_ends_[at] = inner_;
      running_ += by_target;
      inner_ += by_source;
    });
  }
  bool sort_by_target(const tables_type& tables, std::uint64_t& budget) {
    return scan(at_, arcs_used_, budget, [&](std::uint32_t at) {
      links_[scratch_.ranks.target_ends[target_of(tables, arcs_[at])]++] = arcs_[at];
    });
  }
  bool sort_by_source(const tables_type& tables, std::uint64_t& budget) {
    return scan(at_, arcs_used_, budget, [&](std::uint32_t at) {
      arcs_[arc_ends_[source_of(tables, links_[at])]++] = {target_of(tables, links_[at]), links_[at].flows};
    });
  }
  /// 0: no such arc.
  std::uint32_t flows_between(std::uint32_t source, std::uint32_t target) const {
    std::uint32_t low = row_begin(arc_ends_, source), high = arc_ends_[source];
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      (arcs_[middle].target < target ? low : high) = arcs_[middle].target < target ? middle + 1 : middle;
    }
    return low < arc_ends_[source] && arcs_[low].target == target ? arcs_[low].flows : 0;
  }
  // A link joins two hosts, whichever of them initiates. It stands in both their rows, first the links to hosts of
  // larger degree (by rank among equals): each triangle is found once, from its first corner, in O(m sqrt(m)) steps.
  bool count_links(std::uint64_t& budget) {
    return scan_arcs(budget, [&](std::uint32_t source, std::uint32_t target, std::uint32_t) {
      if (source > target && flows_between(target, source) != 0) return;  // counted with its twin
      ++link_ends_[source];
      ++link_ends_[target];
    });
  }
  bool sum_links(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      scratch_.triangles.upward_ends[at] = running_;
      running_ += link_ends_[at];
      scratch_.triangles.downward_begins[at] = link_ends_[at] = running_;
    });
  }
  bool fill_links(std::uint64_t& budget) {
    return scan_arcs(budget, [&](std::uint32_t source, std::uint32_t target, std::uint32_t flows) {
      const std::uint32_t back = flows_between(target, source);
      if (source > target && back != 0) return;
      const std::uint64_t weight = (std::uint64_t{flows} + back) >> weight_shift_;
      const arc there{target, weight != 0 ? static_cast<std::uint32_t>(weight) : 1};
      const bool up = degree(source) != degree(target) ? degree(source) < degree(target) : source < target;
      put_link(source, there, up);
      put_link(target, {source, there.flows}, !up);
    });
  }
  std::uint32_t degree(std::uint32_t host) const { return link_ends_[host] - row_begin(link_ends_, host); }
  void put_link(std::uint32_t host, const arc& link, bool up) {
    auto& s = scratch_.triangles;
    links_[up ? s.upward_ends[host]++ : --s.downward_begins[host]] = link;
  }

  // ---- Clustering

  bool count_triangles(std::uint64_t& budget) {
    auto& s = scratch_.triangles;
    if (part_ == 0) {  // the beginnings downward are the ends upward by now, and make room
      if (!scan(at_, hosts_, budget, [&](std::uint32_t at) { s.marks[at] = s.found[at] = 0; })) return false;
      part_ = 1;
    }
    for (; node_ != hosts_; ++node_, part_ = 1) {
      if (budget == 0) return false;
      const std::uint32_t end = s.upward_ends[node_], stamp = node_ + 1;
      if (part_ == 1) {
        if (!scan(cursor_, end, budget, [&](std::uint32_t at) { s.marks[links_[at].target] = stamp; })) return false;
        cursor_ = row_begin(link_ends_, node_);
        part_ = 2;
      }
      for (; cursor_ != end; ++cursor_, inner_ = 0) {
        const std::uint32_t middle = links_[cursor_].target, begin = row_begin(link_ends_, middle);
        const auto close = [&](std::uint32_t at) {
          const std::uint32_t last = links_[begin + at].target;
          if (s.marks[last] == stamp) ++s.found[node_], ++s.found[middle], ++s.found[last];
        };
        if (budget == 0 || !scan(inner_, s.upward_ends[middle] - begin, budget, close)) return false;
        charge(budget, 1);
      }
      cursor_ = link_ends_[node_];
      charge(budget, 1);
    }
    return true;
  }
  bool put_clustering(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      const std::uint64_t around = degree(at), linked = scratch_.triangles.found[at];
      clustering_[order_[at] - 1] = around < 2 ? 0 : to_double(2 * linked) / to_double(around * (around - 1));
    });
  }

  // ---- Communities: Louvain in fixed order and integers [SEMANTICS "Communities"]
  // A node of a level is a chain of hosts. Their links are not merged: weights add up the same way, and a level costs
  // at most as many steps as the first.

  static constexpr unsigned most_sweeps = 16, most_levels = 16;

  bool add_degrees(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    if (node_ == 0 && cursor_ == 0) begin_communities();
    for (; node_ != hosts_; ++node_) {
      if (budget == 0) return false;
      if (!scan(cursor_, link_ends_[node_], budget, [&](std::uint32_t at) { running_ += links_[at].flows; }))
        return false;
      s.degree[node_] = s.group_degree[node_] = running_;
      s.group[node_] = s.node_of[node_] = node_;
      s.first_host[node_] = node_ + 1;
      s.next_host[node_] = s.toward[node_] = 0;
      total_ += running_;
      running_ = 0;
      charge(budget, 1);
    }
    return true;
  }
  void begin_communities() {
    nodes_ = hosts_;
    groups_ = 0;
    total_ = 0;
    levels_ = sweeps_ = 0;
    moved_ = false;
  }
  void enter_node() {
    host_ = scratch_.communities.first_host[node_];
    cursor_ = row_begin(link_ends_, host_ - 1);
  }
  /// Calls visit(group, weight) for every link that leads out of the node.
  template <class Visit> bool scan_node(std::uint64_t& budget, const Visit& visit) {
    const auto& s = scratch_.communities;
    while (host_ != 0) {
      const auto follow = [&](std::uint32_t at) {
        const std::uint32_t other = s.node_of[links_[at].target];
        if (other != node_) visit(s.group[other], links_[at].flows);
      };
      if (budget == 0 || !scan(cursor_, link_ends_[host_ - 1], budget, follow)) return false;
      charge(budget, 1);
      host_ = s.next_host[host_ - 1];
      if (host_ != 0) cursor_ = row_begin(link_ends_, host_ - 1);
    }
    return true;
  }
  std::int64_t gain_of(std::uint32_t group) const {
    const auto& s = scratch_.communities;
    return static_cast<std::int64_t>(s.toward[group]) * static_cast<std::int64_t>(total_) -
           static_cast<std::int64_t>(s.degree[node_]) * static_cast<std::int64_t>(s.group_degree[group]);
  }
  /// One sweep. Each node looks at its links three times: add up the weights, choose a group, take the weights back.
  bool move_nodes(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    for (; node_ != nodes_; ++node_, part_ = 0) {
      const std::uint32_t own = s.group[node_];
      if (part_ == 0) enter_node(), part_ = 1;
      if (part_ == 1) {
        if (!scan_node(budget, [&](std::uint32_t group, std::uint32_t weight) { s.toward[group] += weight; }))
          return false;
        s.group_degree[own] -= s.degree[node_];
        best_ = own;
        best_gain_ = gain_of(own);
        enter_node(), part_ = 2;
      }
      if (part_ == 2) {
        if (!scan_node(budget, [&](std::uint32_t group, std::uint32_t) { consider(group, own); })) return false;
        enter_node(), part_ = 3;
      }
      if (!scan_node(budget, [&](std::uint32_t group, std::uint32_t) { s.toward[group] = 0; })) return false;
      s.group_degree[best_] += s.degree[node_];
      s.group[node_] = best_;
      moved_ |= best_ != own;
    }
    return true;
  }
  /// The node's own group wins ties, then the group with the lowest number.
  void consider(std::uint32_t group, std::uint32_t own) {
    const std::int64_t gain = gain_of(group);
    if (gain < best_gain_ || (gain == best_gain_ && (best_ == own || group >= best_))) return;
    best_ = group;
    best_gain_ = gain;
  }
  stage after_sweep() {
    const bool again = moved_ && ++sweeps_ < most_sweeps;
    moved_ = false;
    return again ? stage::move_nodes : stage::number_groups;
  }
  /// In the order of their first nodes.
  bool number_groups(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    return scan(at_, nodes_, budget, [&](std::uint32_t at) {
      if (s.toward[s.group[at]] == 0) s.toward[s.group[at]] = ++groups_;
    });
  }
  stage after_numbering() const { return groups_ == nodes_ ? stage::put_communities : stage::merge_groups; }
  bool merge_groups(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    return scan(at_, nodes_, budget, [&](std::uint32_t at) {
      if (s.toward[at] != 0) s.degree[s.toward[at] - 1] = s.group_degree[at];
      s.first_host[at] = 0;
    });
  }
  bool follow_groups(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      const std::uint32_t host = hosts_ - 1 - at;  // from behind, so that chains ascend
      const std::uint32_t node = s.toward[s.group[s.node_of[host]]] - 1;
      s.node_of[host] = node;
      s.next_host[host] = s.first_host[node];
      s.first_host[node] = host + 1;
    });
  }
  bool next_level(std::uint64_t& budget) {
    auto& s = scratch_.communities;
    return scan(at_, nodes_, budget, [&](std::uint32_t at) {
      s.toward[at] = 0;
      s.group[at] = at;
      s.group_degree[at] = s.degree[at];
    });
  }
  stage after_level() {
    nodes_ = groups_;
    groups_ = 0;
    sweeps_ = 0;
    return ++levels_ == most_levels ? stage::put_communities : stage::move_nodes;
  }
  /// At once, so that no row compares an old number with a new one.
  bool put_communities(std::uint64_t& budget) {
    for (std::uint32_t at = 0; at < hosts_; ++at) community_[order_[at] - 1] = scratch_.communities.node_of[at] + 1;
    charge(budget, hosts_);
    return true;
  }

  // ---- Betweenness
  // Brandes ("A faster algorithm for betweenness centrality", 2001), arranged so that it needs no products. With p(v)
  // paths from the source to v, and d(v) what Brandes calls its dependency, let q(v) = (1 + d(v)) / p(v). Then
  // q(v) = 1 / p(v) + the sum of q(w) over the successors w of v, and d(v) is that sum over 1 / p(v).

  bool clear_scores(std::uint64_t& budget) {
    return scan(at_, hosts_, budget, [&](std::uint32_t at) {
      scratch_.paths.score[at] = 0;
      scratch_.paths.distance[at] = 0;
    });
  }
  bool add_paths(std::uint64_t& budget) {
    auto& s = scratch_.paths;
    for (; node_ != hosts_; ++node_, part_ = 0) {
      if (budget == 0) return false;
      if (part_ == 0) {
        reached_ = inner_ = 0;
        reach(node_, 1, {1, 0});
        cursor_ = row_begin(arc_ends_, node_);
        part_ = 1;
      }
      if (part_ == 1) {
        if (!count_paths(budget)) return false;
        sum_ = {};
        part_ = 2;
      }
      if (part_ == 2) {
        if (!add_scores(budget)) return false;
        part_ = 3;
      }
      if (!scan(inner_, reached_, budget, [&](std::uint32_t at) { s.distance[s.queue[at]] = 0; })) return false;
    }
    return true;
  }
  void reach(std::uint32_t host, std::uint32_t distance, const scaled& paths) {
    auto& s = scratch_.paths;
    s.distance[host] = distance;
    s.queue[reached_++] = host;
    keep(host, paths);
  }
  void keep(std::uint32_t host, const scaled& value) {
    scratch_.paths.mantissa[host] = value.mantissa;
    scratch_.paths.exponent[host] = value.exponent;
  }
  scaled kept(std::uint32_t host) const { return {scratch_.paths.mantissa[host], scratch_.paths.exponent[host]}; }
  /// Breadth first. Leaves the cursor at the row of the last host.
  bool count_paths(std::uint64_t& budget) {
    auto& s = scratch_.paths;
    for (;;) {
      if (budget == 0) return false;
      const std::uint32_t host = s.queue[inner_], next = s.distance[host] + 1;
      const scaled paths = kept(host);
      const auto follow = [&](std::uint32_t at) {
        const std::uint32_t target = arcs_[at].target;
        if (s.distance[target] == 0) return reach(target, next, paths);
        if (s.distance[target] != next) return;
        scaled sum = kept(target);
        sum.add(paths);
        keep(target, sum);
      };
      if (!scan(cursor_, arc_ends_[host], budget, follow)) return false;
      charge(budget, 1);
      const bool last = inner_ + 1 == reached_;
      if (!last) ++inner_;
      cursor_ = row_begin(arc_ends_, s.queue[inner_]);
      if (last) return true;
    }
  }
  /// From the last host back to the source. The place of p(v) goes to q(v) once nobody asks for p(v) any more.
  bool add_scores(std::uint64_t& budget) {
    auto& s = scratch_.paths;
    for (;;) {
      if (budget == 0) return false;
      const std::uint32_t host = s.queue[inner_], next = s.distance[host] + 1;
      const auto add = [&](std::uint32_t at) {
        if (s.distance[arcs_[at].target] == next) sum_.add(kept(arcs_[at].target));
      };
      if (!scan(cursor_, arc_ends_[host], budget, add)) return false;
      charge(budget, 1);
      if (inner_ == 0) return true;
      const scaled inverse = kept(host).inverse();
      if (sum_.mantissa != 0) s.score[host] += sum_.over(inverse);
      sum_.add(inverse);
      keep(host, sum_);
      sum_ = {};
      cursor_ = row_begin(arc_ends_, s.queue[--inner_]);
    }
  }
  bool put_betweenness(std::uint64_t& budget) {
    const std::uint64_t pairs = hosts_ > 2 ? std::uint64_t{hosts_ - 1} * (hosts_ - 2) : 1;
    return scan(at_, hosts_, budget,
                [&](std::uint32_t at) { betweenness_[order_[at] - 1] = scratch_.paths.score[at] / to_double(pairs); });
  }

  // Results, by number of the host. Communities are one higher, so that 0 is none.
  double betweenness_[host_capacity] = {};
  double clustering_[host_capacity] = {};
  std::uint32_t community_[host_capacity] = {};

  // The graph, by rank.
  std::uint32_t order_[host_capacity] = {};                                     // numbers of hosts
  std::uint32_t arc_ends_[host_capacity] = {}, link_ends_[host_capacity] = {};  // rows
  arc arcs_[edge_capacity] = {};
  arc links_[2 * edge_capacity] = {};

  // What one part of the work needs and the next does not; each part fills what it reads.
  union scratch {
    struct {
      std::uint32_t rank_of[host_capacity], target_ends[host_capacity];
    } ranks;
    struct {
      std::uint32_t upward_ends[host_capacity];
      union {
        std::uint32_t downward_begins[host_capacity], marks[host_capacity];
      };
      std::uint32_t found[host_capacity];
    } triangles;
    struct {
      std::uint32_t node_of[host_capacity], next_host[host_capacity];  // of a host; the next is one higher, 0 is none
      std::uint32_t first_host[host_capacity], degree[host_capacity], group[host_capacity];  // of a node
      std::uint32_t group_degree[host_capacity], toward[host_capacity];                      // of a group
    } communities;
    struct {
      double mantissa[host_capacity], score[host_capacity];
      std::uint32_t distance[host_capacity];  // one higher; 0: not reached
      std::uint32_t queue[host_capacity];
      std::int16_t exponent[host_capacity];
    } paths;
  };
  scratch scratch_ = {};

  std::uint64_t flows_ = 0;  // that were counted when the last refresh began
  std::uint32_t hosts_ = 0, arcs_used_ = 0;
  unsigned weight_shift_ = 0;
  stage stage_ = stage::none;

  // Where the work stands.
  std::uint8_t part_ = 0;
  bool moved_ = false;
  unsigned sweeps_ = 0, levels_ = 0;
  std::uint32_t at_ = 0, node_ = 0, cursor_ = 0, inner_ = 0, running_ = 0;
  std::uint32_t nodes_ = 0, groups_ = 0, host_ = 0, best_ = 0, reached_ = 0;
  std::int64_t best_gain_ = 0;
  std::uint64_t total_ = 0;
  scaled sum_ = {};
};

/// Both, or the tables alone.
template <class Config, bool HasGraph> struct connection_state {
  connection_tables<Config> tables;
  std::conditional_t<HasGraph, graph_metrics<Config>, nothing> graph;

  static constexpr connection_footprint footprint() {
    connection_footprint result = connection_tables<Config>::footprint();
    if constexpr (HasGraph) {
      result.host += graph_metrics<Config>::host_bytes;
      result.edge += graph_metrics<Config>::edge_bytes;
    }
    return result;
  }
};

template <class... A> constexpr bool are_from_tables(type_list<A...>) {
  return sizeof...(A) != 0 && (is_from_tables<A>::value && ...);
}
template <class Group> struct reads_tables : std::bool_constant<are_from_tables(typename Group::needs{})> {};
/// Those groups that read nothing but the connection tables.
template <class Groups> using connection_groups = decltype(filtered<reads_tables>(Groups{}));

}  // namespace detail

// ---- 15. Engine --------------------------------------------------------------------------------------------------
// The flow table. Work per packet is bounded: a chain of at most `max_chain` index words; the end of the packet's own
// flow; one eviction for each thing it may need (slot, place in a chain, long state, record, each chunk), or one expired
// flow where nothing else is to be done; one promotion, one snapshot, one coding of a payload sample. Each flow that is
// reported or promoted has its log of at most `sample_packets` replayed.

template <class Config> class engine;

/// A flow while it lives, or while it is being reported. Valid until the next call of feed, feed_batch, tick or flush.
template <class Engine> class flow_view {
 public:
  using user_data = typename Engine::user_data;

  flow_view() = default;
  flow_view(Engine* owner, std::uint32_t slot) : owner_(owner), slot_(slot) {}

  /// False when the frame belongs to no flow: all else needs a view that is true.
  explicit operator bool() const { return owner_ != nullptr; }
  std::uint64_t packets() const { return flow().total_packets(); }
  std::uint32_t packets(direction dir) const { return flow().packets[dir]; }
  std::int64_t start_ns() const { return flow().start_ns; }
  std::int64_t end_ns() const { return flow().end_ns; }  ///< the largest time, which need not be the last packet's
  std::uint8_t protocol() const { return flow().key.protocol(); }
  ip_address address(direction end) const { return owner_->facts_of(flow()).true_address(end); }
  std::uint16_t port(direction end) const { return owner_->facts_of(flow()).port[end]; }
  /// Whether something that the handshake said was lost: a hole, a message too large, no buffer.
  bool handshake_dropped() const { return owner_->handshakes_.was_dropped(flow()); }
  /// What `reread` needs, also later. True addresses, whatever `anonymize_addresses` says.
  flow_ends ends() const { return detail::ends_of(owner_->facts_of(flow())); }
  /// The caller's own members. They start as zero bytes with the flow.
  user_data& user() const { return flow().caller_data(); }
  /// A live accumulator as it stands, for free.
  template <class Accumulator> const Accumulator& accumulated() const { return flow(); }
  /// The features of some groups as they stand now. A replay of the log, for short flows; a copy, for long ones.
  template <class... Groups> row_for<type_list<Groups...>> read() const {
    return owner_->template read<type_list<Groups...>>(flow());
  }

 private:
  auto& flow() const { return owner_->slot(slot_); }
  Engine* owner_ = nullptr;
  std::uint32_t slot_ = 0;
};

/// Bytes of an engine, by what they are for.
struct engine_footprint {
  std::size_t engine;                                      ///< sizeof: everything
  std::size_t slot, index;                                 ///< of one flow; its neighbours in a list count as index
  std::size_t chunk;                                       ///< of one chunk of the pool, its link included
  std::size_t long_state;                                  ///< of one long flow
  std::size_t flow_slots, chunks, long_states, fragments;  ///< how many of each
  std::size_t records, buffers;                            ///< of handshakes, how many
  std::size_t record, buffer;                              ///< bytes of one of each
  std::size_t fragment_bytes, workspace;                   ///< of all fragments; of the one computation under way
  connection_footprint connections;                        ///< of the connection tables and the graph
};

/// A sink for C-style callbacks: on_flow(row, context).
template <class Row> struct callback_sink {
  void (*on_flow)(const Row& row, void* context);
  void* context;
  template <class Flow> void operator()(const Row& row, const Flow&, end_reason) const { on_flow(row, context); }
};

/// The flow engine. About max_flows * 500 bytes with the default configuration: make it static, or a member of
/// something that is. One thread at a time; engines share nothing.
///
/// A sink is called as sink(const row&, const flow_view&, end_reason), once for every flow that ends and for every
/// snapshot. The rules of a sink:
///   1. Row and view are valid during the call only; copy what you keep (lists in the row point into the engine).
///   2. It may read the flow, but not call feed, feed_batch, tick, flush, refresh, count_foreign or clear_connections of
///      this engine: those are refused and counted. A refresh that is refused says that it is not complete.
///   3. It must not throw.
template <class Config> class engine {
 public:
  static_assert(std::is_base_of_v<default_config, Config>, "joyfuljay: Config must inherit joyfuljay::default_config");
  using config = Config;
  using groups = detail::group_list<typename Config::groups>;
  static_assert(detail::names_differ(groups{}),
                "joyfuljay: Config::groups has two features of one name; prefix those of your own group");
  using row = row_for<groups>;
  using user_data = typename Config::user_data;
  using view = flow_view<engine>;

  /// What feed says.
  struct fed {
    verdict what;
    view flow;  ///< false unless `what` is counted
  };

  /// Sets the secret of the flow table, once, before the first frame; draw it from the system's random numbers, never
  /// from the time or an address. False when frames have been fed or flows counted. Without it the table works, under a key that anybody
  /// knows: 32 packets with chosen addresses end a flow early, and `statistics().seeded` says false.
  bool seed(const hash_key& secret) {
    for (const std::uint64_t count : statistics_.frames)
      if (count != 0) return false;
    if (connection_statistics().flows != 0) return false;
    secret_ = secret;
    statistics_.seeded = true;
    return true;
  }
  /// The text in front of what flow_id and anonymize_addresses digest. It stays the caller's and must outlive the
  /// engine. Without a secret salt pseudonyms of IPv4 addresses can be reversed by trying them all.
  void set_salt(const char* characters, std::size_t length) {
    salt_ = {reinterpret_cast<const std::uint8_t*>(characters), length};
  }

  /// Counts one frame. Flows that end on the way go to the sink first.
  template <class Sink> fed feed(const frame& f, Sink&& sink) {
    arrival now;
    take_apart(f, now);
    return assign(now, sink);
  }
  /// The same for several frames in hand, whose bytes all stay valid during the call, in a table that does not fit the
  /// processor's caches: frames are taken apart `Config::batch_frames` at a time, and the memory of their flows is
  /// fetched ahead. Calls each(const fed&) after every frame; from there frames may be fed, but batches are refused.
  template <class Sink, class Each> void feed_batch(const frame* frames, std::size_t count, Sink&& sink, Each&& each) {
    static_assert(Config::batch_frames != 0, "joyfuljay: feed_batch needs Config::batch_frames, 32 for instance");
    for (std::size_t begin = 0; begin < count; begin += Config::batch_frames) {
      const std::size_t some = count - begin < Config::batch_frames ? count - begin : Config::batch_frames;
      if (reporting_ || in_batch_) {  // the batch belongs to the call that is under way
        for (std::size_t at = 0; at < some; ++at) each(refuse());
        continue;
      }
      for (std::size_t at = 0; at < some; ++at) {
        take_apart(frames[begin + at], batch_[at]);
        detail::prefetch(&heads_[bucket_of(batch_[at].hash)]);
      }
      for (std::size_t at = 0; at < some; ++at) prefetch_flow(heads_[bucket_of(batch_[at].hash)] & slot_mask);
      in_batch_ = true;
      for (std::size_t at = 0; at < some; ++at) each(assign(batch_[at], sink));
      in_batch_ = false;
    }
  }
  template <class Sink> void feed_batch(const frame* frames, std::size_t count, Sink&& sink) {
    feed_batch(frames, count, sink, [](const fed&) {});
  }

  /// Ends flows that are due by the caller's clock, which should be that of the frames: at most `most`, so that a call
  /// has a bound. Returns how many; call again while that equals `most`, which is at least 1. `active_timeout_ns` ends a flow only when its
  /// next packet comes.
  template <class Sink> std::size_t tick(std::int64_t now_ns, Sink&& sink, std::size_t most = 64) {
    return is_refused() ? 0 : expire(now_ns, most, sink);
  }
  /// Ends every flow.
  template <class Sink> void flush(Sink&& sink) {
    if (is_refused()) return;
    for (const flow_list& list : lists_)
      while (list.oldest != 0)
        finish(list.oldest, slot(list.oldest).marked(flow_type::is_closed) ? end_reason::closed : end_reason::flushed,
               sink);
  }

  const engine_statistics& statistics() const { return statistics_; }

  /// Recomputes what the group connection_graph says of addresses, over the flows reported so far: clustering, then
  /// communities, then betweenness, each put in force when it is complete. A call does about `budget` steps, of a few
  /// nanoseconds each, and goes on where the last one stopped. True: it is complete, or nothing changed since it was;
  /// the next call begins anew. Flows that are reported meanwhile count from the next refresh on.
  ///
  /// With n hosts and m edges: one copy of m words when it begins, and one of n words for the communities, are not
  /// divided; everything else is. O(m sqrt(m)) steps for clustering, at most 1536 m, but in practice about 100 m, for
  /// communities, O(n m) for betweenness; a step is a link, a host, or a level of a sort.
  bool refresh(std::uint64_t budget) {
    static_assert(has_graph, "joyfuljay: refresh needs the group connection_graph in Config::groups");
    return !is_refused() && connections_.graph.refresh(connections_.tables, budget);
  }
  /// The groups named, or all parts of connection that are selected, as they stand now for a flow that was reported
  /// before: see `view::ends`. Four look-ups.
  template <class... Chosen> auto reread(const flow_ends& ends) const {
    using chosen = std::conditional_t<sizeof...(Chosen) == 0, detail::connection_groups<groups>, type_list<Chosen...>>;
    using wanted = decltype(detail::accumulators_of(detail::flattened<chosen>{}));
    static_assert(has_connections && detail::contains_all(accumulators{}, wanted{}),
                  "joyfuljay: reread<Group>() needs the group in Config::groups");
    static_assert(detail::contains_all(type_list<wire_bytes, connection_tallies, graph_position>{}, wanted{}),
                  "joyfuljay: reread<Group>() is for groups that ask the connection tables alone: the flow is gone");
    detail::flow_summary<Config, wanted> summary{};
    ask_tables(connections_.tables.find(secret_, ends), summary, wanted{});
    row_for<chosen> result;
    result.compute(summary);
    return result;
  }
  /// Counts a flow that another engine reported, so that one engine knows the addresses of several. From its view: `ends`,
  /// `packets`, and `frame_bytes` of the accumulator wire_bytes, both by direction.
  void count_foreign(const flow_ends& ends, const std::uint32_t (&packets)[2], const std::uint64_t (&frame_bytes)[2]) {
    static_assert(has_connections, "joyfuljay: count_foreign needs the group connection in Config::groups");
    if (!is_refused()) connections_.tables.count(secret_, ends, packets, frame_bytes);
  }
  /// Forgets all addresses, for a new period of observation. O(table sizes).
  void clear_connections() {
    if (is_refused()) return;
    if constexpr (has_connections) connections_.tables.clear();
    if constexpr (has_graph) connections_.graph.clear();
  }
  /// All zeros without the group connection.
  joyfuljay::connection_statistics connection_statistics() const {
    if constexpr (has_connections) return connections_.tables.statistics();
    return {};
  }

  static constexpr engine_footprint footprint() {
    return {sizeof(engine),
            sizeof(flow_type),
            2 * sizeof(std::uint32_t) + sizeof(neighbours),
            uses_chunks ? sizeof(chunk_type) + sizeof(std::uint32_t) : 0,
            keeps_log ? sizeof(long_type) + sizeof(std::uint32_t) : 0,
            Config::max_flows,
            uses_chunks ? chunk_capacity : 0,
            keeps_log ? long_capacity : 0,
            Config::max_fragments,
            handshakes_type::record_capacity,
            handshakes_type::buffer_capacity,
            sizeof(typename handshakes_type::record_type) + sizeof(std::uint32_t),
            sizeof(typename handshakes_type::buffer_type) + sizeof(std::uint32_t),
            Config::max_fragments != 0 ? sizeof(fragments_type) : 0,
            sizeof(workspace),
            connection_sizes()};
  }

 private:
  friend view;
  friend struct detail::engine_audit<engine>;

  // What this configuration is made of.
  using accumulators = decltype(detail::accumulators_of(groups{}));
  using sampled = decltype(detail::filtered<detail::has_sketch>(accumulators{}));
  using heads = decltype(detail::filtered<detail::reads_log_head>(accumulators{}));
  using exact = decltype(detail::filtered<detail::has_exact>(accumulators{}));
  static constexpr bool keeps_log = !detail::is_empty(exact{});
  static constexpr bool keeps_heads = !detail::is_empty(heads{});
  using in_slot = std::conditional_t<keeps_log, decltype(detail::filtered<detail::is_live>(accumulators{})),
                                     decltype(detail::filtered<detail::lives_in_slot>(accumulators{}))>;
  using from_log =
      std::conditional_t<keeps_log, decltype(detail::filtered<detail::is_from_log>(accumulators{})), type_list<>>;
  using learned = decltype(detail::filtered<detail::is_learned>(accumulators{}));
  static constexpr bool reads_tls = detail::learns(handshake_protocol::tls, learned{}),
                        reads_quic = detail::learns(handshake_protocol::quic, learned{}),
                        reads_ssh = detail::learns(handshake_protocol::ssh, learned{}),
                        reads_dns = detail::learns(handshake_protocol::dns, learned{});
  static constexpr bool reads_handshakes = reads_tls || reads_quic || reads_ssh || reads_dns;
  static_assert(reads_handshakes || detail::is_empty(learned{}),
                "joyfuljay: Config::groups has handshake_state, which needs tls, quic, ssh or dns beside it");
  using texts = decltype(detail::filtered<detail::keeps_texts>(accumulators{}));
  static constexpr bool keeps_texts = !detail::is_empty(texts{});
  using handshakes_type =
      std::conditional_t<reads_handshakes,
                         detail::handshake_reader<Config, reads_tls, reads_quic, reads_ssh, reads_dns, keeps_texts>,
                         detail::no_handshakes>;
  using samples = decltype(detail::filtered<detail::samples_payload>(accumulators{}));
  static constexpr bool samples_payload = !detail::is_empty(samples{});
  static constexpr bool uses_chunks = keeps_log || samples_payload || keeps_texts;
  using slot_parts =
      decltype(detail::joined(detail::joined(in_slot{}, detail::heads_of(samples{})), detail::heads_of(texts{})));
  using flow_type = detail::flow_slot<Config, keeps_log, typename handshakes_type::slot, slot_parts>;
  using long_type = detail::long_state<Config, from_log, sampled>;
  using fragments_type = detail::fragment_table<Config::max_fragments, typename Config::keyed_hash>;
  static constexpr bool has_connections = !detail::is_empty(detail::filtered<detail::is_from_tables>(accumulators{}));
  static constexpr bool has_graph = detail::contains_all(accumulators{}, type_list<graph_position>{});
  using connections_type =
      std::conditional_t<has_connections, detail::connection_state<Config, has_graph>, detail::nothing>;
  using chunk_type = detail::pool_chunk;
  using log_chunk = detail::log_chunk;

  static constexpr std::size_t entries_per_flow = 2 * Config::sample_packets;  // every packet extended
  static constexpr std::size_t chunks_per_flow = (entries_per_flow - 1 + log_chunk::entries - 1) / log_chunk::entries;
  /// Bytes of a sample that stand in chunks as they came; more are coded.
  static constexpr std::size_t most_raw = 255;
  static constexpr std::size_t chunks_for_sample(std::size_t sampled) {
    constexpr std::size_t chunk_bytes = sizeof(chunk_type::raw_sample);
    const std::size_t octets = sampled <= most_raw ? sampled : (byte_histogram::coded_bits(sampled) + 7) / 8;
    return (octets + chunk_bytes - 1) / chunk_bytes;
  }
  static constexpr std::size_t most_chunks_for_sample(std::size_t capacity) {
    return larger(chunks_for_sample(capacity), chunks_for_sample(capacity < most_raw ? capacity : most_raw));
  }
  static constexpr std::size_t sample_chunks_per_flow = 2 * most_chunks_for_sample(detail::sample_capacity<Config>(0));
  /// What the configuration leaves to a variable is known at run time only.
  template <class Member> static constexpr bool is_constant = std::is_const_v<Member>;
  static constexpr std::size_t larger(std::size_t a, std::size_t b) { return a > b ? a : b; }
  static constexpr std::size_t log_chunk_capacity = !keeps_log ? 0
                                                    : Config::log_chunks != 0
                                                        ? Config::log_chunks
                                                        : larger(Config::max_flows * 5 / 2, chunks_per_flow);
  static constexpr std::size_t sample_chunk_capacity = !samples_payload ? 0
                                                       : Config::sample_chunks != 0
                                                           ? Config::sample_chunks
                                                           : larger(Config::max_flows * 3 / 2, sample_chunks_per_flow);
  static constexpr std::size_t longest_text = detail::hello_text<Config::handshake_buffer_bytes>::capacity;
  static constexpr std::size_t text_chunks_per_flow =
      2 * ((longest_text + sizeof(chunk_type) - 1) / sizeof(chunk_type));
  static constexpr std::size_t text_chunk_capacity = !keeps_texts ? 0
                                                     : Config::text_chunks != 0
                                                         ? Config::text_chunks
                                                         : larger(Config::max_flows * 4, text_chunks_per_flow);
  static constexpr std::size_t chunk_capacity =
      larger(log_chunk_capacity + sample_chunk_capacity + text_chunk_capacity, 1);
  static constexpr std::size_t long_capacity = !keeps_log                ? 1
                                               : Config::long_flows != 0 ? Config::long_flows
                                                                         : larger(Config::max_flows / 16, 1);
  static constexpr unsigned slot_bits = detail::bit_length(Config::max_flows);
  static constexpr std::uint32_t slot_mask = (std::uint32_t{1} << slot_bits) - 1;
  static constexpr unsigned max_chain = 32;  // with a secret key chains beyond 16 do not happen

  static_assert(Config::max_flows >= 1 && Config::max_flows < (std::size_t{1} << 28),
                "joyfuljay: Config::max_flows must be between 1 and 2^28 - 1");
  static_assert(
      chunk_capacity <= 0xFFFFFFFF && long_capacity <= 0xFFFFFFFF && handshakes_type::record_capacity <= 0xFFFFFFFF,
      "joyfuljay: Config::log_chunks, sample_chunks, text_chunks (together), long_flows and handshake_records "
      "must be below 2^32");
  static_assert(Config::max_fragments < (std::size_t{1} << 28), "joyfuljay: Config::max_fragments must be below 2^28");
  static_assert(
      Config::sample_packets >= 1 && Config::sample_packets <= 1000,
      "joyfuljay: Config::sample_packets must be between 1 and 1000; longer flows are what the sketches are for");
  static_assert(log_chunk_capacity >= (keeps_log ? chunks_per_flow : 0),
                "joyfuljay: Config::log_chunks must hold at least one flow of Config::sample_packets");
  static_assert(sample_chunk_capacity >= (samples_payload ? sample_chunks_per_flow : 0),
                "joyfuljay: Config::sample_chunks must hold the samples of one flow: two chunks for each 64 of "
                "Config::entropy_sample_bytes, but eight up to 1792, and beyond two more for each further 512");
  static_assert(text_chunk_capacity >= (keeps_texts ? text_chunks_per_flow : 0),
                "joyfuljay: Config::text_chunks must hold the texts of one flow: a tenth of "
                "Config::handshake_buffer_bytes, and 34 more");
  static_assert(detail::sample_capacity<Config>(0) <= detail::longest_sample,
                "joyfuljay: Config::entropy_sample_bytes must be at most 65535");
  static_assert(
      !keeps_heads || (Config::max_sequence_length >= 1 && Config::max_sequence_length < Config::sample_packets),
      "joyfuljay: Config::max_sequence_length must be at least 1 and below Config::sample_packets, because sequences "
      "are read from the log");
  static_assert((!is_constant<decltype(Config::idle_timeout_ns)> || Config::idle_timeout_ns >= 0) &&
                    (!is_constant<decltype(Config::active_timeout_ns)> || Config::active_timeout_ns >= 0) &&
                    (!is_constant<decltype(Config::tcp_linger_ns)> || Config::tcp_linger_ns >= 0) &&
                    (!is_constant<decltype(Config::fragment_timeout_ns)> || Config::fragment_timeout_ns >= 0),
                "joyfuljay: Config::idle_timeout_ns, active_timeout_ns, tcp_linger_ns and fragment_timeout_ns must not "
                "be negative");
  static_assert(!is_constant<decltype(Config::burst_threshold_ns)> || Config::burst_threshold_ns >= 0,
                "joyfuljay: Config::burst_threshold_ns must not be negative");
  static_assert(!is_constant<decltype(Config::flow_packet_limit)> ||
                    (Config::flow_packet_limit >= 1 &&
                     static_cast<std::uint64_t>(Config::flow_packet_limit) <= 0xFFFFFFFF),
                "joyfuljay: Config::flow_packet_limit must be between 1 and 2^32 - 1, because counters have 32 bits");
  static_assert(!has_connections || (Config::max_hosts >= 1 && Config::max_hosts <= (std::size_t{1} << 24)),
                "joyfuljay: Config::max_hosts must be between 1 and 2^24");
  static_assert(!has_connections ||
                    (Config::max_edges <= (std::size_t{1} << 27) && Config::max_pair_ports <= (std::size_t{1} << 27)),
                "joyfuljay: Config::max_edges and Config::max_pair_ports must be at most 2^27");
  static_assert(std::is_class_v<user_data> && std::is_trivially_default_constructible_v<user_data> &&
                    std::is_trivially_copyable_v<user_data>,
                "joyfuljay: Config::user_data must be a plain struct without initialisers: it starts as zero bytes "
                "with each flow");
  static_assert(detail::start_as_zero(in_slot{}) && detail::start_as_zero(from_log{}),
                "joyfuljay: accumulators must be plain structs without initialisers: they start as zero bytes");

  // ---- 15.1 A packet on its way to its flow

  /// Whether a sink is running, which must not change what it is looking at.
  bool is_refused() {
    statistics_.refused_calls += reporting_;
    return reporting_;
  }

  /// A frame that was taken apart, and where its flow is found.
  struct arrival {
    packet p;
    detail::packet_key from;
    std::uint32_t hash;
    verdict what;
  };
  void take_apart(const frame& f, arrival& now) const {
    now.what = reporting_ ? verdict::refused : parse_frame<Config::link>(f, now.p);
    now.hash = 0;
    if (now.what == verdict::counted) find_key(now);
  }
  void find_key(arrival& now) const {
    now.from = detail::packet_key::of(now.p);
    now.hash = hash_of(now.from.key);
  }
  std::uint32_t hash_of(const detail::flow_key& key) const {
    return Config::keyed_hash::hash(secret_, key.word, key.words());
  }
  fed refuse() {
    ++statistics_.frames[static_cast<std::size_t>(verdict::refused)];
    return {verdict::refused, {}};
  }
  template <class Sink> fed assign(arrival& now, Sink& sink) {
    ++statistics_.frames[static_cast<std::size_t>(now.what)];
    if (now.what != verdict::counted) return {now.what, {}};
    ended_or_promoted_ = false;
    packet& p = now.p;
    if (follow_fragment(p)) find_key(now);

    std::uint32_t number = find(now.from.key, now.hash);
    end_reason why = end_reason::idle;
    if (number != 0 && ends_before(slot(number), p, why)) {
      ended_or_promoted_ = true;
      finish(number, why, sink);
      number = 0;
    }
    if (number == 0)
      number = open(now, sink);
    else
      unlink(number);
    flow_type& flow = slot(number);
    p.dir = now.from.from_second == flow.marked(flow_type::initiator_is_second) ? fwd : bwd;
    update(flow, p, sink);
    link(number);
    if (Config::expire_while_feeding && may_be_due(p.time_ns)) expire(p.time_ns, ended_or_promoted_ ? 0 : 1, sink);
    if (is_snapshot(flow.total_packets(), typename Config::snapshot_packets{}))
      report(number, end_reason::snapshot, sink);
    return {now.what, view(this, number)};
  }
  /// The first flow of a chain: nearly always the one.
  void prefetch_flow(std::uint32_t number) const {
    if (number == 0) return;
    for (std::size_t line = 0; line < sizeof(flow_type); line += 64)
      detail::prefetch(reinterpret_cast<const unsigned char*>(&slots_[number - 1]) + line);
  }

  // ---- 15.2 Finding a flow: chains over words of slot number and hash tag, outside the slots

  flow_type& slot(std::uint32_t number) { return slots_[number - 1]; }

  static std::size_t bucket_of(std::uint32_t hash) {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(hash) * Config::max_flows >> 32);
  }
  std::uint32_t find(const detail::flow_key& key, std::uint32_t hash) {
    const std::uint32_t tag = hash << slot_bits;
    for (std::uint32_t word = heads_[bucket_of(hash)]; word != 0; word = next_[(word & slot_mask) - 1])
      if ((word & ~slot_mask) == tag && slot(word & slot_mask).key == key) return word & slot_mask;
    return 0;
  }
  template <class Sink> void enter_index(std::uint32_t number, std::uint32_t hash, Sink& sink) {
    unsigned length = 0;
    std::uint32_t last = 0;
    for (std::uint32_t word = heads_[bucket_of(hash)]; word != 0; word = next_[(word & slot_mask) - 1])
      ++length, last = word & slot_mask;
    if (length >= max_chain) evict(last, statistics_.evicted_for_chain, sink);
    std::uint32_t& head = heads_[bucket_of(hash)];
    next_[number - 1] = head;
    head = hash << slot_bits | number;
  }
  JOYFULJAY_NOT_MERGED void leave_index(std::uint32_t number, std::size_t bucket) {
    std::uint32_t* word = &heads_[bucket];
    for (std::uint32_t other; (other = *word & slot_mask) != number;) word = &next_[detail::existing(other) - 1];
    *word = next_[number - 1];
  }

  // ---- 15.3 Lists: closed, one-sided and two-sided flows, by what they hold, each in the order of last use

  enum kind : std::uint8_t { closed, one_sided, two_sided, kinds };
  /// What a flow holds besides its slot, as bits.
  enum holding : std::uint8_t { only_slot = 0, chunks = 1, long_state = 2, handshake_record = 4 };
  static constexpr std::size_t holdings = reads_handshakes ? 8 : keeps_log ? 4 : samples_payload ? 2 : 1;
  struct flow_list {
    std::uint32_t oldest, newest, flows;
  };
  /// Of a flow in its list, 0 for none. Outside the slots: a packet changes those of two other flows, whose slots would
  /// have to be fetched for it, a fifth of its time in a table that does not fit the caches.
  struct neighbours {
    std::uint32_t newer, older;
  };

  std::size_t list_of(const flow_type& flow) const {
    const kind what = flow.marked(flow_type::is_closed) ? closed : flow.is_one_sided() ? one_sided : two_sided;
    return what * holdings + held_by(flow);
  }
  std::size_t held_by(const flow_type& flow) const {
    std::size_t held = only_slot;
    if constexpr (keeps_log) {
      if (flow.marked(flow_type::is_long))
        held |= long_states_[flow.storage - 1].kept_chunk != 0 ? long_state | chunks : long_state;
      else if (flow.entries > 1)
        held |= chunks;
    }
    if constexpr (samples_payload)
      if (holds_sample(flow)) held |= chunks;
    if constexpr (keeps_texts)
      if ((flow.text_chunk[0] | flow.text_chunk[1]) != 0) held |= chunks;
    if constexpr (reads_handshakes)
      if (flow.record != 0) held |= handshake_record;
    return held;
  }
  void link(std::uint32_t number) {
    flow_type& flow = slot(number);
    flow.list = static_cast<std::uint8_t>(list_of(flow));
    flow.last_number = packets_so_far();
    flow_list& list = lists_[flow.list];
    const std::uint32_t older = list.newest;
    ++list.flows;
    list.newest = number;
    neighbours_[number] = {0, older};
    neighbours_[older].newer = number;
    if (older == 0) list.oldest = number;
    const std::int64_t deadline = deadline_of(flow);
    if (deadline < next_deadline_) next_deadline_ = deadline;
  }
  void unlink(std::uint32_t number) {
    flow_list& list = lists_[slot(number).list];
    const neighbours between = neighbours_[number];
    neighbours_[between.older].newer = between.newer;
    neighbours_[between.newer].older = between.older;
    if (between.older == 0) list.oldest = between.newer;
    if (between.newer == 0) list.newest = between.older;
    --list.flows;
  }

  // ---- 15.4 When flows end

  /// Whether the packet cannot belong to the flow any more.
  static bool ends_before(const flow_type& flow, const packet& p, end_reason& why) {
    const bool is_closed = flow.marked(flow_type::is_closed);
    why = is_closed ? end_reason::closed : end_reason::idle;
    const bool opening = p.has_tcp_header && (p.tcp_flags & (tcp_flag::syn | tcp_flag::ack)) == tcp_flag::syn;
    if (is_closed && (opening || Config::tcp_linger_ns <= 0)) return true;
    if (Config::expire_while_feeding) {  // as any other packet would have ended it
      if (p.time_ns > deadline_of(flow)) return true;
    } else {
      if (is_closed && detail::has_passed(p.time_ns, flow.closed_ns, Config::tcp_linger_ns)) return true;
      if (detail::has_passed(p.time_ns, flow.end_ns, Config::idle_timeout_ns)) return true;
    }
    if (Config::active_timeout_ns > 0 && detail::has_passed(p.time_ns, flow.start_ns, Config::active_timeout_ns))
      return why = end_reason::active, true;
    if (flow.total_packets() >= Config::flow_packet_limit) return why = end_reason::full, true;
    return false;
  }
  /// The last moment that does not end a flow, by its largest time or, when the clock has stepped back too far behind
  /// that, by the time of its last packet. A closed flow lingers from its closing, and no longer than it may be idle.
  static std::int64_t deadline_of(const flow_type& flow) {
    const bool is_closed = flow.marked(flow_type::is_closed);
    const bool lingers = is_closed && Config::tcp_linger_ns < Config::idle_timeout_ns;
    const std::int64_t deadline = deadline_since(lingers ? flow.closed_ns : flow.end_ns, flow.last_ns,
                                                 lingers ? Config::tcp_linger_ns : Config::idle_timeout_ns);
    if (!is_closed || lingers) return deadline;
    const std::int64_t lingering = deadline_since(flow.closed_ns, flow.last_ns, Config::tcp_linger_ns);
    return lingering < deadline ? lingering : deadline;
  }
  static std::int64_t deadline_since(std::int64_t since, std::int64_t last_ns, std::int64_t span) {
    return detail::saturating_sum(is_ahead(since, last_ns) ? last_ns : since, span);
  }
  static bool is_ahead(std::int64_t time_ns, std::int64_t now_ns) {
    return detail::has_passed(time_ns, now_ns, Config::idle_timeout_ns);
  }
  /// For flows that have had no packet since the clock stepped back: by their own times they would stay, and keep those
  /// behind them in their list, until the clock is there again. They end when it has run for the timeout.
  std::int64_t deadline_since_step(std::int64_t now_ns) {
    if (!clock_stepped_back_ || now_ns < stepped_back_to_) stepped_back_to_ = now_ns;
    clock_stepped_back_ = true;
    return detail::saturating_sum(stepped_back_to_, Config::idle_timeout_ns);
  }
  /// Only the oldest of each list are looked at, and those only when the earliest deadline known has passed.
  bool may_be_due(std::int64_t now_ns) const { return now_ns > next_deadline_ || is_ahead(next_deadline_, now_ns); }
  template <class Sink> std::size_t expire(std::int64_t now_ns, std::size_t most, Sink& sink) {
    if (!may_be_due(now_ns)) return 0;
    std::size_t ended = 0;
    std::int64_t next = 0x7FFFFFFFFFFFFFFF;
    bool any_ahead = false;
    for (const flow_list& list : lists_) {
      while (list.oldest != 0) {
        const flow_type& flow = slot(list.oldest);
        const bool ahead = is_ahead(flow.last_ns, now_ns);
        any_ahead = any_ahead || ahead;
        const std::int64_t deadline = ahead ? deadline_since_step(now_ns) : deadline_of(flow);
        if (now_ns <= deadline || ended == most) {
          if (deadline < next) next = deadline;
          break;
        }
        finish(list.oldest, flow.marked(flow_type::is_closed) ? end_reason::closed : end_reason::idle, sink);
        ++ended;
      }
    }
    next_deadline_ = next;
    clock_stepped_back_ = any_ahead;
    return ended;
  }
  /// A TCP flow is closed by a reset, or by a bare ACK after both sides' FIN [SEMANTICS "Flow assembly"].
  static void track_closing(flow_type& flow, const packet& p) {
    if (!p.has_tcp_header || flow.marked(flow_type::is_closed)) return;
    using namespace tcp_flag;
    constexpr std::uint8_t both_fins = flow_type::fin_seen * 3;
    const bool last_ack =
        (p.tcp_flags & (ack | syn | fin)) == ack && p.payload_len == 0 && (flow.marks & both_fins) == both_fins;
    if (p.has_flag(rst) || last_ack) {
      flow.marks |= flow_type::is_closed;
      flow.closed_ns = p.time_ns;
    }
    if (p.has_flag(fin)) flow.marks = static_cast<std::uint8_t>(flow.marks | flow_type::fin_seen << p.dir);
  }

  // ---- 15.5 Room

  /// Who goes when something is short: closed flows; one-sided flows while they hold more than a quarter of the table, or
  /// may hold as much of what is short, so that a flood cannot end conversations; then the least recently used. Only
  /// flows that hold what is short come into question, and the pools are large enough that one flow cannot hold all of
  /// it.
  std::uint32_t victim(holding wanted) const {
    std::uint32_t number = oldest_of(closed, closed, wanted);
    if (number == 0 && are_too_many(one_sided, wanted)) number = oldest_of(one_sided, one_sided, wanted);
    if (number == 0) number = oldest_of(one_sided, two_sided, wanted);
    return detail::existing(number);
  }
  bool are_too_many(kind what, holding wanted) const {
    std::size_t all = 0, holders = 0;
    for (std::size_t held = only_slot; held < holdings; ++held) {
      const std::size_t flows = lists_[what * holdings + held].flows;
      all += flows;
      if ((held & wanted) == wanted) holders += flows;
    }
    return all > Config::max_flows / 4 || holders > most_at_once(wanted) / 4;
  }
  /// How many flows can hold some of a pool at once, each as much as it may.
  static constexpr std::size_t most_at_once(holding wanted) {
    constexpr std::size_t chunks_at_most = (keeps_log ? chunks_per_flow : 0) +
                                           (samples_payload ? sample_chunks_per_flow : 0) +
                                           (keeps_texts ? text_chunks_per_flow : 0);
    return wanted == chunks             ? chunk_capacity / larger(chunks_at_most, 1)
           : wanted == long_state       ? long_capacity
           : wanted == handshake_record ? handshakes_type::record_capacity
                                        : Config::max_flows;
  }
  std::uint32_t packets_so_far() const {
    return static_cast<std::uint32_t>(statistics_.frames[static_cast<std::size_t>(verdict::counted)]);
  }
  std::uint32_t unused_for(std::uint32_t number) const { return packets_so_far() - slots_[number - 1].last_number; }
  std::uint32_t oldest_of(kind first, kind last, holding wanted) const {
    std::uint32_t oldest = 0;
    for (std::size_t what = first; what <= last; ++what)
      for (std::size_t held = wanted; held < holdings; ++held) {
        if ((held & wanted) != wanted) continue;
        const std::uint32_t candidate = lists_[what * holdings + held].oldest;
        if (candidate == 0) continue;
        if (oldest == 0 || unused_for(candidate) > unused_for(oldest)) oldest = candidate;
      }
    return oldest;
  }
  template <class Sink> void evict(std::uint32_t number, std::uint64_t& cause, Sink& sink) {
    ++cause;
    ended_or_promoted_ = true;
    finish(number, end_reason::evicted, sink);
  }
  template <class Sink> std::uint32_t open(const arrival& now, Sink& sink) {
    std::uint32_t number = slot_pool_.take(next_);
    if (number == 0) {
      evict(victim(only_slot), statistics_.evicted_for_slot, sink);
      number = slot_pool_.take(next_);
    }
    enter_index(number, now.hash, sink);
    flow_type& flow = slot(number);
    flow = flow_type{};
    flow.key = now.from.key;
    flow.start_ns = flow.end_ns = flow.last_ns = now.p.time_ns;
    flow.marks = static_cast<std::uint8_t>((now.from.from_second ? flow_type::initiator_is_second : 0) |
                                           (now.p.is_ethernet ? flow_type::is_ethernet : 0));
    ++statistics_.flows_created;
    count_use(statistics_.open_flows, statistics_.most_open_flows);
    return number;
  }
  template <class Sink> void finish(std::uint32_t number, end_reason why, Sink& sink) {
    const std::size_t bucket = bucket_of(hash_of(slot(number).key));  // slots have other use for the room of a hash
    if constexpr (uses_chunks) fetch_for_ending(number, bucket);
    if constexpr (reads_handshakes) handshakes_.finish(slot(number));
    report(number, why, sink);
    unlink(number);
    leave_index(number, bucket);
    if constexpr (keeps_log) release_storage(slot(number));
    if constexpr (reads_handshakes) release_record(slot(number));
    if constexpr (samples_payload)
      for (const std::uint32_t last_chunk : slot(number).sample_chunk) release_ring(last_chunk);
    if constexpr (keeps_texts)
      for (const std::uint32_t last_chunk : slot(number).text_chunk) release_ring(last_chunk);
    slot_pool_.give_back(number, next_);
    --statistics_.open_flows;
  }
  /// A flow that ends was quiet for long, and nothing of it is in the caches but its slot. What the report and the
  /// removal begin with is asked for before the first of them waits.
  void fetch_for_ending(std::uint32_t number, std::size_t bucket) {
    const flow_type& flow = slot(number);
    detail::prefetch(&heads_[bucket]);
    detail::prefetch(&next_[number - 1]);
    if constexpr (samples_payload)
      for (const std::uint32_t last_chunk : flow.sample_chunk)
        if (last_chunk != 0) detail::prefetch(&chunk_links_[last_chunk - 1]);
    if constexpr (keeps_log)
      if (!flow.marked(flow_type::is_long)) fetch_after(flow.storage);
  }
  /// Asks for the chunk behind one in its ring, which behind the last is the first.
  void fetch_after(std::uint32_t chunk) const {
    if (chunk != 0) detail::prefetch(&chunks_[chunk_links_[chunk - 1] - 1]);
  }
  static void count_use(std::uint32_t& used, std::uint32_t& most) {
    if (++used > most) most = used;
  }

  // ---- 15.6 One packet into its flow

  /// Whether the packet is a later fragment that now has the protocol and ports of its first.
  bool follow_fragment(packet& p) {
    if (p.is_first_fragment) fragments_.remember(secret_, p);
    if (!p.is_later_fragment) return false;
    const bool followed = fragments_.complete(secret_, p, Config::fragment_timeout_ns);
    ++(followed ? statistics_.fragments_followed : statistics_.fragments_orphaned);
    return followed;
  }
  /// The flow is in no list meanwhile, so that nothing evicts it.
  template <class Sink> JOYFULJAY_APART_FOR_SPEED void update(flow_type& flow, packet& p, Sink& sink) {
    const bool stepped_back = p.time_ns < flow.last_ns;
    const std::uint64_t now = static_cast<std::uint64_t>(p.time_ns), before = static_cast<std::uint64_t>(flow.last_ns);
    const std::uint64_t step = stepped_back ? before - now : now - before;
    p.gap_ns = stepped_back ? 0 : step;
    p.opens_flow = flow.total_packets() == 0;
    update_live(flow, p, in_slot{});
    if constexpr (samples_payload) sample_payload(flow, p, sink);
    if constexpr (keeps_log) {
      if (!flow.marked(flow_type::is_long) && flow.total_packets() == Config::sample_packets) promote(flow, sink);
      if (flow.marked(flow_type::is_long))
        long_states_[flow.storage - 1].update(p);
      else
        append(flow, p, step, stepped_back, sink);
    }
    if constexpr (reads_handshakes) read_handshake(flow, p, sink);
    ++flow.packets[p.dir];
    flow.last_ns = p.time_ns;
    if (p.time_ns > flow.end_ns) flow.end_ns = p.time_ns;
    track_closing(flow, p);
  }
  template <class... A> static void update_live(flow_type& flow, const packet& p, type_list<A...>) {
    (static_cast<A&>(flow).update(p, flow), ...);
  }
  template <std::uint32_t... Packets> static bool is_snapshot(std::uint64_t total, packet_numbers<Packets...>) {
    return ((total == Packets) || ...);
  }

  // ---- 15.7 Logs and long flows

  template <class Sink>
  void append(flow_type& flow, const packet& p, std::uint64_t step, bool stepped_back, Sink& sink) {
    const detail::log_entry entry = detail::log_entry::of(p, step, stepped_back);
    append(flow, entry, sink);
    if (entry.is_extended()) append(flow, detail::log_entry::upper_bits(p, step), sink);
  }
  template <class Sink> void append(flow_type& flow, const detail::log_entry& entry, Sink& sink) {
    if (flow.entries == 0) {
      flow.first_word = entry.word;
      flow.first_flags = entry.flags;
    } else {
      const std::size_t at = (flow.entries - 1u) % log_chunk::entries;
      if (at == 0) extend_ring(flow.storage, sink);
      log_chunk& chunk = chunks_[flow.storage - 1].log;
      chunk.words[at] = entry.word;
      chunk.flags[at] = entry.flags;
    }
    ++flow.entries;
  }
  /// Chunks of one flow and purpose form a ring: the last, which is the one that the flow knows, leads to the first.
  template <class Sink> void extend_ring(std::uint32_t& last, Sink& sink) {
    const std::uint32_t chunk = take_chunk(sink);
    std::uint32_t& link = chunk_links_[last != 0 ? last - 1 : chunk - 1];
    chunk_links_[chunk - 1] = last != 0 ? link : chunk;
    link = last = chunk;
  }
  void release_ring(std::uint32_t last) {
    if (last == 0) return;
    std::uint32_t chunk = chunk_links_[last - 1];
    for (bool more = true; more;) {
      const std::uint32_t next = chunk_links_[chunk - 1];
      more = chunk != last;
      give_back_chunk(chunk);
      chunk = next;
    }
  }
  template <class Sink> std::uint32_t take_chunk(Sink& sink) {
    std::uint32_t chunk = chunk_pool_.take(chunk_links_);
    if (chunk == 0) {
      evict(victim(chunks), statistics_.evicted_for_chunk, sink);
      chunk = chunk_pool_.take(chunk_links_);
    }
    count_use(statistics_.used_chunks, statistics_.most_used_chunks);
    return chunk;
  }
  void give_back_chunk(std::uint32_t chunk) {
    chunk_pool_.give_back(chunk, chunk_links_);
    --statistics_.used_chunks;
  }
  /// Gives all chunks back but those of the first `entries`. Returns the last of them.
  std::uint32_t trim_log(std::uint32_t last_chunk, std::size_t had_entries, std::size_t entries) {
    const auto chunks_for = [](std::size_t count) {
      return count == 0 ? 0 : (count - 1 + log_chunk::entries - 1) / log_chunk::entries;
    };
    return trim_ring(last_chunk, chunks_for(had_entries), chunks_for(entries));
  }
  /// Gives all chunks back but the first `kept`. Returns the last of them.
  std::uint32_t trim_ring(std::uint32_t last_chunk, std::size_t had, std::size_t kept) {
    if (had == kept) return last_chunk;
    const std::uint32_t first = chunk_links_[last_chunk - 1];
    std::uint32_t last_kept = 0, chunk = first;
    for (std::size_t at = 0; at < had; ++at) {
      const std::uint32_t next = chunk_links_[chunk - 1];
      if (at < kept)
        last_kept = chunk;
      else
        give_back_chunk(chunk);
      chunk = next;
    }
    if (last_kept != 0) chunk_links_[last_kept - 1] = first;
    return last_kept;
  }
  void release_storage(flow_type& flow) {
    if (!flow.marked(flow_type::is_long)) return release_ring(flow.storage);
    release_ring(long_states_[flow.storage - 1].kept_chunk);
    long_pool_.give_back(flow.storage, long_links_);
    --statistics_.used_long_states;
  }
  /// A place in the log of a flow. Not a template, so that all who read logs share it.
  struct log_place {
    std::uint32_t chunk;  // the last of the ring at first
    std::size_t at;       // entries so far
    std::int64_t time_ns;
  };
  JOYFULJAY_INLINE_FOR_SPEED detail::log_entry next_entry(const flow_type& flow, log_place& place) const {
    if (place.at == 0) return ++place.at, detail::log_entry{flow.first_word, flow.first_flags};
    const std::size_t entry = (place.at++ - 1) % log_chunk::entries;
    if (entry == 0) {
      place.chunk = chunk_links_[place.chunk - 1];
      detail::prefetch(&chunk_links_[place.chunk - 1]);
    }
    if (entry == log_chunk::entries / 2) fetch_after(place.chunk);  // its link is here by now
    const log_chunk& chunk = chunks_[place.chunk - 1].log;
    return {chunk.words[entry], chunk.flags[entry]};
  }
  JOYFULJAY_INLINE_FOR_SPEED logged_packet next_packet(const flow_type& flow, log_place& place) const {
    const bool opens_flow = place.at == 0;
    const detail::log_entry entry = next_entry(flow, place);
    const detail::log_entry upper = entry.is_extended() ? next_entry(flow, place) : detail::log_entry{0, 0};
    return detail::log_entry::decoded(entry, upper, place.time_ns, opens_flow);
  }
  /// Calls visit(const logged_packet&, entries so far) for each packet of the log.
  template <class Visit> void walk_log(const flow_type& flow, std::uint32_t last_chunk, Visit&& visit) const {
    log_place place{last_chunk, 0, flow.start_ns};
    while (place.at < flow.entries) {
      const logged_packet p = next_packet(flow, place);
      visit(p, place.at);
    }
  }
  /// The log becomes a long-flow state; what sequences need of it is kept.
  template <class Sink> void promote(flow_type& flow, Sink& sink) {
    std::uint32_t number = long_pool_.take(long_links_);
    if (number == 0) {
      evict(victim(long_state), statistics_.evicted_for_long_state, sink);
      number = long_pool_.take(long_links_);
    }
    count_use(statistics_.used_long_states, statistics_.most_used_long_states);
    ++statistics_.promoted;
    ended_or_promoted_ = true;
    move_log(flow, long_states_[number - 1]);
    flow.storage = number;
    flow.marks |= flow_type::is_long;
  }
  /// Replays the log into the state, and leaves of it what sequences need.
  JOYFULJAY_OWN_FRAME void move_log(flow_type& flow, long_type& state) {
    state = long_type{};
    std::size_t visited = 0, kept_entries = 0;
    walk_log(flow, flow.storage, [&](const logged_packet& p, std::size_t entries) {
      state.update(p);
      if (keeps_heads && visited++ <= Config::max_sequence_length) kept_entries = entries;
    });
    state.kept_chunk = trim_log(flow.storage, flow.entries, kept_entries);
    flow.entries = static_cast<std::uint16_t>(kept_entries);
  }

  // ---- 15.8 Handshakes

  template <class Sink> void read_handshake(flow_type& flow, const packet& p, Sink& sink) {
    if (handshakes_.pass_if_settled(flow, p)) return;
    const handshake_protocol wanted = handshakes_.recognise(flow, p);
    if (wanted != handshake_protocol::none) {
      if (!handshakes_.take_record(flow, wanted)) {
        evict(victim(handshake_record), statistics_.evicted_for_record, sink);
        handshakes_.take_record(flow, wanted);
      }
      count_use(statistics_.used_records, statistics_.most_used_records);
    }
    const bool had_record = flow.record != 0;
    handshakes_.read(flow, p);
    if (had_record && flow.record == 0) --statistics_.used_records;
    if constexpr (keeps_texts)
      if (handshakes_.text().is_new) keep_text(flow, sink);
  }
  /// A later hello replaces the text of an earlier one, as its facts do.
  template <class Sink> void keep_text(hello_texts::head& head, Sink& sink) {
    auto& text = handshakes_.text();
    text.is_new = false;
    std::uint32_t& last_chunk = head.text_chunk[text.of_server];
    release_ring(last_chunk);
    last_chunk = 0;
    head.text_length[text.of_server] = static_cast<std::uint16_t>(text.length);
    for (std::size_t at = 0; at < text.length; at += sizeof(chunk_type)) {
      extend_ring(last_chunk, sink);
      const std::size_t some = text.length - at < sizeof(chunk_type) ? text.length - at : sizeof(chunk_type);
      std::memcpy(&chunks_[last_chunk - 1], text.characters + at, some);
    }
  }
  text_view text_of(const hello_texts::head& head, unsigned side, char* characters) const {
    std::uint32_t chunk = head.text_chunk[side];
    for (std::size_t at = 0; at < head.text_length[side]; at += sizeof(chunk_type)) {
      chunk = chunk_links_[chunk - 1];
      const std::size_t left = head.text_length[side] - at;
      std::memcpy(characters + at, &chunks_[chunk - 1], left < sizeof(chunk_type) ? left : sizeof(chunk_type));
    }
    return {characters, head.text_length[side]};
  }
  template <class Summary, class... Texts>
  void show_texts(const flow_type& flow, Summary& summary, type_list<Texts...>) {
    ((static_cast<Texts&>(summary).client_hello_text = text_of(flow, 0, workspace_.hello_texts[0]),
      static_cast<Texts&>(summary).server_hello_text = text_of(flow, 1, workspace_.hello_texts[1])),
     ...);
  }
  void release_record(flow_type& flow) {
    if (flow.record == 0) return;
    handshakes_.give_back_record(flow);
    --statistics_.used_records;
  }
  template <class Summary, class... A> void learn(const flow_type& flow, Summary& summary, type_list<A...>) {
    (static_cast<A&>(summary).learn(handshakes_, static_cast<const typename handshakes_type::slot&>(flow)), ...);
  }

  // ---- 15.9 Payload samples: bytes, coded histograms or answers, in rings of chunks

  static bool holds_sample(const payload_sample::head& head) {
    return (head.sample_chunk[fwd] | head.sample_chunk[bwd]) != 0;
  }
  /// Both samples were complete; one chunk holds what they say, as that of the forward one.
  static bool is_answered(const payload_sample::head& head) {
    return head.sampled_bytes[bwd] != 0 && head.sample_chunk[bwd] == 0;
  }
  /// Short samples are bytes, long ones coded. When both are complete, only what they say is kept.
  template <class Sink> void sample_payload(flow_type& flow, const packet& p, Sink& sink) {
    const std::size_t had = flow.sampled_bytes[p.dir], wanted = static_cast<std::size_t>(Config::entropy_sample_bytes);
    const std::size_t limit = wanted < detail::longest_sample ? wanted : detail::longest_sample;
    if (p.payload.empty() || had >= limit || is_answered(flow)) return;
    const bytes piece = p.payload.first(limit - had);
    const std::size_t now = had + piece.length;
    if (now == limit && flow.sampled_bytes[p.dir ^ 1] >= limit) return keep_answers(flow, p.dir, piece);
    if (now <= most_raw)
      add_raw(had, flow.sample_chunk[p.dir], piece, sink);
    else
      add_coded(had, flow.sample_chunk[p.dir], piece, sink);
    flow.sampled_bytes[p.dir] = static_cast<std::uint16_t>(now);
  }
  template <class Sink> void add_raw(std::size_t had, std::uint32_t& last_chunk, const bytes& piece, Sink& sink) {
    constexpr std::size_t room = sizeof(chunk_type::raw_sample);
    for (std::size_t at = 0, some; at < piece.length; at += some) {
      const std::size_t place = (had + at) % room, rest = piece.length - at;
      if (place == 0) extend_ring(last_chunk, sink);
      some = rest < room - place ? rest : room - place;
      std::memcpy(chunks_[last_chunk - 1].raw_sample + place, piece.data + at, some);
    }
  }
  /// Chunks are taken first, because that may evict a flow, whose report needs the histograms.
  template <class Sink> void add_coded(std::size_t had, std::uint32_t& last_chunk, const bytes& piece, Sink& sink) {
    const std::size_t had_chunks = chunks_for_sample(had), now_chunks = chunks_for_sample(had + piece.length);
    for (std::size_t held = had_chunks; held < now_chunks; ++held) extend_ring(last_chunk, sink);
    code_again(had, last_chunk, piece);
    last_chunk = trim_ring(last_chunk, larger(had_chunks, now_chunks), now_chunks);
  }
  JOYFULJAY_OWN_FRAME void code_again(std::size_t had, std::uint32_t last_chunk, const bytes& piece) {
    byte_histogram& counts = workspace_.histograms[0];
    fetch_sample(had, last_chunk);
    count_sample(had, last_chunk, counts);
    counts.add(piece);
    counts.write_coded(sample_words(last_chunk));
  }
  /// The last bytes of the second sample have come: nothing can change what they say any more, which takes one chunk.
  JOYFULJAY_OWN_FRAME void keep_answers(payload_sample::head& head, direction dir, const bytes& piece) {
    fetch_samples(head);
    count_samples(head);
    workspace_.histograms[dir].add(piece);
    head.sampled_bytes[dir] = static_cast<std::uint16_t>(head.sampled_bytes[dir] + piece.length);
    release_ring(head.sample_chunk[dir]);
    const unsigned other = dir ^ 1u;
    const std::uint32_t chunk = trim_ring(head.sample_chunk[other], chunks_for_sample(head.sampled_bytes[other]), 1);
    payload_sample answers;
    answers.answer(workspace_.histograms, head);
    chunks_[chunk - 1].answers = answers;
    head.sample_chunk[fwd] = chunk;
    head.sample_chunk[bwd] = 0;
  }
  /// Chunks of a ring are found one after the other, but may come from memory together.
  void fetch_sample(std::size_t length, std::uint32_t last_chunk) const {
    if (last_chunk == 0) return;
    std::uint32_t chunk = last_chunk;
    for (std::size_t left = chunks_for_sample(length); left > 0; --left)
      fetch_after(chunk), chunk = chunk_links_[chunk - 1];
  }
  void fetch_samples(const payload_sample::head& head) const {
    for (const direction dir : {fwd, bwd}) fetch_sample(head.sampled_bytes[dir], head.sample_chunk[dir]);
  }
  void count_samples(const payload_sample::head& head) {
    for (const direction dir : {fwd, bwd})
      count_sample(head.sampled_bytes[dir], head.sample_chunk[dir], workspace_.histograms[dir]);
  }
  void count_sample(std::size_t length, std::uint32_t last_chunk, byte_histogram& counts) {
    if (length > most_raw) return counts.read_coded(sample_words(last_chunk));
    counts.clear();
    constexpr std::size_t room = sizeof(chunk_type::raw_sample);
    std::uint32_t chunk = last_chunk;
    for (std::size_t at = 0; at < length; at += room) {
      chunk = chunk_links_[chunk - 1];
      counts.add(bytes{chunks_[chunk - 1].raw_sample, room}.first(length - at));
    }
  }
  /// Each call returns the next word of a ring.
  auto sample_words(std::uint32_t last_chunk) {
    return [this, chunk = last_chunk, at = chunk_type::sample_words]() mutable -> std::uint32_t& {
      if (at == chunk_type::sample_words) chunk = chunk_links_[chunk - 1], at = 0;
      return chunks_[chunk - 1].sample[at++];
    };
  }
  /// `sample` is zero, which is what nothing answers.
  JOYFULJAY_OWN_FRAME void answer_sample(const payload_sample::head& head, payload_sample& sample) {
    if (is_answered(head)) {
      sample = chunks_[head.sample_chunk[fwd] - 1].answers;
    } else if (holds_sample(head)) {
      count_samples(head);
      sample.answer(workspace_.histograms, head);
    }
  }
  template <class Summary, class... Sample>
  void answer_samples(const flow_type& flow, Summary& summary, type_list<Sample...>) {
    (answer_sample(flow, static_cast<Sample&>(summary)), ...);
  }

  // ---- 15.10 Features

  detail::flow_summary<Config, type_list<>> facts_of(const flow_type& flow) const {
    detail::flow_summary<Config, type_list<>> facts{};
    fill_facts(facts, flow);
    return facts;
  }
  void fill_facts(flow_facts& facts, const flow_type& flow) const {
    const unsigned initiator = flow.marked(flow_type::initiator_is_second) ? 1 : 0;
    facts.start_ns = flow.start_ns;
    facts.end_ns = flow.end_ns;
    for (unsigned end = 0; end < 2; ++end) {
      facts.packets[end] = flow.packets[end];
      facts.port[end] = flow.key.port(end ^ initiator);
      for (unsigned half = 0; half < 2; ++half) facts.address[end][half] = flow.key.address(end ^ initiator, half);
    }
    facts.protocol = flow.key.protocol();
    facts.ip_version = flow.key.ip_version();
    facts.is_ethernet = flow.marked(flow_type::is_ethernet);
    facts.outcome = end_reason::snapshot;
    facts.salt = salt_;
  }
  static constexpr connection_footprint connection_sizes() {
    if constexpr (has_connections) return connections_type::footprint();
    return {};
  }
  /// Everything that some accumulators say of a flow.
  template <class Wanted> void summarise(const flow_type& flow, detail::flow_summary<Config, Wanted>& summary) {
    summary = {};
    fill_facts(summary, flow);
    learn(flow, summary, detail::filtered<detail::is_learned>(Wanted{}));
    if constexpr (samples_payload) fetch_samples(flow);
    show_texts(flow, summary, detail::filtered<detail::keeps_texts>(Wanted{}));
    if constexpr (!keeps_log) {
      copy(flow, summary, detail::filtered<detail::lives_in_slot>(Wanted{}));
    } else {
      copy(flow, summary, detail::filtered<detail::is_live>(Wanted{}));
      const auto logged = detail::filtered<detail::is_from_log>(Wanted{});
      if (flow.marked(flow_type::is_long)) {
        const long_type& state = long_states_[flow.storage - 1];
        if constexpr (std::is_same_v<decltype(logged), const from_log>)
          copy(state, summary, type_list<detail::log_state<Config, from_log>>{});  // all at once
        else
          copy(state, summary, logged);
        ask_sketches(state, summary, detail::filtered<detail::has_sketch>(Wanted{}));
        replay(flow, state.kept_chunk, summary, type_list<>{}, detail::filtered<detail::reads_log_head>(Wanted{}));
      } else {
        replay(flow, flow.storage, summary, logged, detail::filtered<detail::has_exact>(Wanted{}));
      }
    }
    answer_samples(flow, summary, detail::filtered<detail::samples_payload>(Wanted{}));
  }
  /// What the tables say of a flow that is reported. One that ends for good is counted there first.
  JOYFULJAY_OWN_FRAME void answer_connection(const flow_type& flow, end_reason why) {
    const flow_ends ends = detail::ends_of(workspace_.summary);
    const auto at = why == end_reason::snapshot
                        ? connections_.tables.find(secret_, ends)
                        : connections_.tables.count(secret_, ends, flow.packets, flow.frame_bytes);
    ask_tables(at, workspace_.summary, accumulators{});
  }
  template <class Place, class Summary, class... A>
  void ask_tables(const Place& at, Summary& summary, type_list<A...>) const {
    connections_.tables.read(at, summary);
    if constexpr (detail::contains_all(type_list<A...>{}, type_list<graph_position>{}))
      connections_.graph.read(at, summary);
  }
  template <class From, class Summary, class... A>
  static void copy(const From& from, Summary& summary, type_list<A...>) {
    ((static_cast<A&>(summary) = static_cast<const A&>(from)), ...);
  }
  template <class Summary, class... A>
  static void ask_sketches(const long_type& state, Summary& summary, type_list<A...>) {
    (detail::ask<A>(static_cast<const typename A::sketch&>(state), summary, state), ...);
  }
  template <class A> auto& exact_form() {
    return static_cast<typename A::template exact<Config>&>(workspace_.exact_samples);
  }
  template <class Summary, class... Logged, class... Exact>
  void replay(const flow_type& flow, std::uint32_t last_chunk, Summary& summary, type_list<Logged...>,
              type_list<Exact...>) {
    if constexpr (sizeof...(Logged) + sizeof...(Exact) != 0) {
      (exact_form<Exact>().clear(), ...);
      walk_log(flow, last_chunk, [&](const logged_packet& p, std::size_t) {
        if constexpr (sizeof...(Logged) != 0) summary.update_from_log(p);
        (exact_form<Exact>().add(p, summary), ...);
      });
      (detail::ask<Exact>(exact_form<Exact>(), summary, workspace_.exact_samples), ...);
    }
  }
  template <class Groups> row_for<Groups> read(const flow_type& flow) {
    using wanted = decltype(detail::accumulators_of(detail::flattened<Groups>{}));
    static_assert(detail::contains_all(accumulators{}, wanted{}),
                  "joyfuljay: read<Group>() needs the group, or others with the same accumulators, in Config::groups");
    detail::flow_summary<Config, wanted> summary;
    summarise(flow, summary);
    if constexpr (!detail::is_empty(detail::filtered<detail::is_from_tables>(wanted{})))
      ask_tables(connections_.tables.find(secret_, detail::ends_of(summary)), summary, wanted{});
    row_for<Groups> result;
    result.compute(summary);
    return result;
  }
  /// By itself, so that its stack frame and that of `summarise` are never there at once.
  /// Static: both lie far from the start of the engine, and each would be addressed by a long offset.
  JOYFULJAY_OWN_FRAME static void compute_features(row& features,
                                                   const detail::flow_summary<Config, accumulators>& summary) {
    features.compute(summary);
  }
  template <class Sink> void report(std::uint32_t number, end_reason why, Sink& sink) {
    static_assert(std::is_invocable_v<Sink&, const row&, const view&, end_reason>,
                  "joyfuljay: a sink is called as sink(const row&, const flow_view&, end_reason)");
    ++statistics_.rows[static_cast<std::size_t>(why)];
    summarise(slot(number), workspace_.summary);
    if constexpr (has_connections) answer_connection(slot(number), why);
    workspace_.summary.outcome = why;
    compute_features(workspace_.features, workspace_.summary);
    reporting_ = true;
    sink(static_cast<const row&>(workspace_.features), static_cast<const view&>(view(this, number)), why);
    reporting_ = false;
  }

  /// The one computation under way: too large for a device's stack.
  struct workspace : std::conditional_t<samples_payload, detail::sample_workspace, detail::nothing>,
                     std::conditional_t<keeps_texts, detail::text_workspace<longest_text>, detail::no_texts> {
    detail::flow_summary<Config, accumulators> summary;
    detail::exact_forms<Config, exact> exact_samples;
    row features;
  };
  static constexpr std::size_t slot_alignment = sizeof(flow_type) % 64 == 0 ? 64 : alignof(flow_type);

  // What every packet asks for comes first: 32-bit machines reach that with short offsets.
  flow_list lists_[kinds * holdings] = {};
  detail::number_pool<Config::max_flows> slot_pool_ = {};
  detail::number_pool<chunk_capacity> chunk_pool_ = {};
  detail::number_pool<long_capacity> long_pool_ = {};
  std::int64_t next_deadline_ = 0;  // no oldest flow is due before
  std::int64_t stepped_back_to_ = 0;
  bool ended_or_promoted_ = false;   // by this packet: idle flows wait, so that none pays for all
  bool reporting_ = false;           // a sink is running
  bool in_batch_ = false;            // `batch_` holds frames
  bool clock_stepped_back_ = false;  // by more than the idle timeout, as the last look at the lists saw
  engine_statistics statistics_ = {};
  hash_key secret_ = {};
  bytes salt_ = {};

  alignas(slot_alignment) flow_type slots_[Config::max_flows] = {};
  alignas(uses_chunks ? 64 : alignof(chunk_type)) chunk_type chunks_[chunk_capacity] = {};
  long_type long_states_[long_capacity] = {};
  std::uint32_t heads_[Config::max_flows] = {};
  std::uint32_t next_[Config::max_flows] = {};         // in the index, or in the pool of free slots
  neighbours neighbours_[Config::max_flows + 1] = {};  // by number; the first is written and never read
  std::uint32_t chunk_links_[chunk_capacity] = {};
  std::uint32_t long_links_[long_capacity] = {};
  fragments_type fragments_ = {};
  handshakes_type handshakes_ = {};
  workspace workspace_ = {};
  std::conditional_t<Config::batch_frames != 0, arrival[Config::batch_frames != 0 ? Config::batch_frames : 1],
                     detail::nothing>
      batch_ = {};
  connections_type connections_ = {};
};

// ---- 16. Writers -------------------------------------------------------------------------------------------------
// Rows as JSON, CSV and float vectors, and the schema as a reference and a hash: all derived from the declarations.
// Text goes to any `out(const char* characters, std::size_t length)`. No locale, no allocation; numbers have the
// shortest digits that read back to the same double. Whatever the network put into a string cannot break the format.

namespace detail {

/// digits * 10^exponent
struct decimal {
  std::uint64_t digits;
  int exponent;
};

inline constexpr unsigned largest_power_of_5 = 27;
struct power_table {
  std::uint64_t of_5[largest_power_of_5 + 1];
  constexpr power_table() : of_5() {
    of_5[0] = 1;
    for (unsigned at = 1; at <= largest_power_of_5; ++at) of_5[at] = of_5[at - 1] * 5;
  }
};
inline constexpr power_table powers{};

/// The integer part of a fixed-point number, and whether there is nothing behind it.
struct fixed_point {
  std::uint64_t whole;
  bool exact;
};

/// mantissa * 10^power * 2^exponent, with enough words for every intermediate bit.
template <unsigned Words> fixed_point scaled_up(std::uint64_t mantissa, unsigned power, int exponent) {
  const int twos = exponent + static_cast<int>(power);  // above 0 from 2^53 on, by a few
  const unsigned shift = twos < 0 ? static_cast<unsigned>(-twos) : 0;
  wide<Words> x = wide<Words>::from(twos > 0 ? mantissa << twos : mantissa);
  if constexpr (Words > 2)
    for (; power > largest_power_of_5; power -= largest_power_of_5) x.multiply(powers.of_5[largest_power_of_5]);
  x.multiply(powers.of_5[power]);
  bool exact = true;
  const unsigned skipped = shift / 64, bits = shift % 64;
  for (unsigned at = 0; at < skipped; ++at) exact = exact && x.word[at] == 0;
  std::uint64_t whole = x.word[skipped] >> bits;
  if (bits != 0) {
    exact = exact && x.word[skipped] << (64 - bits) == 0;
    if (skipped + 1 < Words) whole |= x.word[skipped + 1] << (64 - bits);
  }
  return {whole, exact};
}

/// mantissa * 2^shift / 10^power, for doubles from 10^17 on.
inline fixed_point scaled_down(std::uint64_t mantissa, unsigned power, unsigned shift) {
  constexpr unsigned words = 17;  // 1024 bits and the two below the mantissa
  wide<words> x{};
  x.word[shift / 64] = mantissa << shift % 64;
  if (shift % 64 != 0) x.word[shift / 64 + 1] = mantissa >> (64 - shift % 64);
  bool exact = true;
  for (; power != 0; --power) exact = x.divide(10) == 0 && exact;
  return {x.word[0], exact};
}

/// The shortest decimal that reads back to the positive, finite x; of the shortest, the closest (Steele, White: "How to
/// print floating-point numbers accurately", 1990; the digit removal is that of Adams: "Ryu", 2018). The ends of the
/// interval that reads back as x are held as exact integers of 18 digits.
inline decimal shortest_decimal(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const std::uint64_t fraction = bits & 0xFFFFFFFFFFFFF;
  const int biased = static_cast<int>(bits >> 52);
  const std::uint64_t mantissa = biased != 0 ? fraction | std::uint64_t{1} << 52 : fraction;
  const int exponent = (biased != 0 ? biased : 1) - 1075 - 2;  // of quarters of a unit in the last place
  const bool ends_included = mantissa % 2 == 0, lower_is_closer = fraction == 0 && biased > 1;
  const std::uint64_t quarters[3] = {4 * mantissa - (lower_is_closer ? 1 : 2), 4 * mantissa, 4 * mantissa + 2};

  // log10(2) = 78913 / 2^18, rounded down: x * 10^power lies between 10^17 and 2.1 * 10^18.
  const int binary_exponent = static_cast<int>(bit_length(mantissa)) - 1 + exponent + 2;
  const int power = 17 - (binary_exponent * 78913 >> 18);
  fixed_point ends[3];
  for (unsigned at = 0; at < 3; ++at) {
    if (power < 0)
      ends[at] = scaled_down(quarters[at], static_cast<unsigned>(-power), static_cast<unsigned>(exponent));
    else if (power <= static_cast<int>(largest_power_of_5))
      ends[at] = scaled_up<2>(quarters[at], static_cast<unsigned>(power), exponent);
    else
      ends[at] = scaled_up<14>(quarters[at], static_cast<unsigned>(power), exponent);
  }
  std::uint64_t low = ends[0].whole, middle = ends[1].whole, high = ends[2].whole;
  bool low_is_zeros = ends[0].exact && ends_included, middle_is_zeros = ends[1].exact;  // of what was cut off so far
  if (!ends_included && ends[2].exact) --high;

  int removed = 0;
  unsigned last_digit = 0;
  const auto remove_digit = [&] {
    low_is_zeros = low_is_zeros && low % 10 == 0;
    middle_is_zeros = middle_is_zeros && last_digit == 0;
    last_digit = static_cast<unsigned>(middle % 10);
    low /= 10, middle /= 10, high /= 10;
    ++removed;
  };
  while (high / 10 > low / 10) remove_digit();
  if (low_is_zeros)
    while (low % 10 == 0) remove_digit();
  if (middle_is_zeros && last_digit == 5 && middle % 2 == 0) last_digit = 4;  // exactly half: to even
  const bool up = (middle == low && !low_is_zeros) || last_digit >= 5;
  return {middle + up, removed - power};
}

/// Integers, and multiples of a nanosecond or microsecond, need no search: below 2^52 units neighbouring multiples read
/// back as different doubles, so the one that reads back as x is the shortest, once its zeros are dropped.
inline bool is_short_decimal(double x, decimal& result) {
  constexpr double limit = 4503599627370496.0;  // 2^52
  if (!(x < limit)) return false;
  for (int places = 0; places <= 9; places += places == 0 ? 6 : 3) {
    const double unit = places == 0 ? 1 : places == 6 ? 1e6 : 1e9;
    if (!(x < limit / unit - 1)) return false;
    const std::uint64_t multiple = static_cast<std::uint64_t>(x * unit + 0.5);
    if (static_cast<double>(static_cast<std::int64_t>(multiple)) / unit != x) continue;
    result = {multiple, -places};
    while (result.digits % 10 == 0 && result.digits != 0) result.digits /= 10, ++result.exponent;
    return true;
  }
  return false;
}

/// Characters on their way to `out`, in pieces of at most 256.
template <class Out> class text_stream {
 public:
  explicit text_stream(Out& out) : out_(out) {}
  ~text_stream() { flush(); }
  text_stream(const text_stream&) = delete;
  text_stream& operator=(const text_stream&) = delete;

  void put(char c) { *room_for(1) = c; }
  void put(char first, char second) {
    char* const room = room_for(2);
    room[0] = first, room[1] = second;
  }
  void put(const char* literal) { put(literal, std::strlen(literal)); }
  void put(const char* characters, std::size_t length) {
    if (length > sizeof piece_) return put_long(characters, length);
    copy(characters, length, room_for(length));
  }
  void put_unsigned(std::uint64_t value) {
    if (value < 10) return put(static_cast<char>('0' + value));
    char digits[20];
    const char* const first = put_digits(digits + sizeof digits, value);
    put(first, static_cast<std::size_t>(digits + sizeof digits - first));
  }
  void put_signed(std::int64_t value) {
    if (value < 0) put('-');
    put_unsigned(value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value));
  }
  /// Positional from 0.0001 up to 10^16, else with an exponent; always with a point or an exponent. What is no number
  /// is written as 0, so that no reader meets a NaN.
  void put_double(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits >> 52 & 0x7FF) == 0x7FF) x = 0, bits = 0;
    if (bits >> 63 != 0) put('-'), x = -x;
    if (bits << 1 == 0) return put("0.0", 3);
    decimal d{0, 0};
    if (!is_short_decimal(x, d)) d = shortest_decimal(x);

    char digits[4 + 17 + 16];  // zeros in front of the digits and behind them
    std::memset(digits, '0', sizeof digits);
    char* const end = digits + 4 + 17;
    const char* first = put_digits(end, d.digits);
    int count = static_cast<int>(end - first), point = count + d.exponent;  // digits in front of the point
    const int power = point - 1;
    const bool positional = point > -4 && point <= 16;
    if (!positional) point = 1;
    if (point <= 0) first -= 1 - point, count += 1 - point, point = 1;
    if (positional && count <= point) count = point + 1;
    put(first, static_cast<std::size_t>(point));
    if (count > point) {
      put('.');
      put(first + point, static_cast<std::size_t>(count - point));
    }
    if (!positional) {
      put('e');
      put_signed(power);
    }
  }
  JOYFULJAY_OWN_FRAME void flush() {
    if (used_ != 0) out_(static_cast<const char*>(piece_), used_);
    used_ = 0;
  }

 private:
  JOYFULJAY_OWN_FRAME void put_long(const char* characters, std::size_t length) {
    for (std::size_t part; length != 0; characters += part, length -= part) {
      part = length < sizeof piece_ ? length : sizeof piece_;
      copy(characters, part, room_for(part));
    }
  }
  char* room_for(std::size_t length) {
    if (length > sizeof piece_ - used_) flush();
    char* const room = piece_ + used_;
    used_ += length;
    return room;
  }
  /// For a few bytes: calling memcpy costs more, and what g++ makes of it in place (rep movsq) still more.
  static void copy(const char* from, std::size_t length, char* to) {
    constexpr std::size_t word = sizeof(std::uint64_t);
    if (length < word) {
      for (; length != 0; --length) *to++ = *from++;
      return;
    }
    const std::size_t last = length - word;
    for (std::size_t at = 0; at < last; at += word) std::memcpy(to + at, from + at, word);
    std::memcpy(to + last, from + last, word);
  }
  /// Writes them in front of `end` and returns the first. Divisions of 64 bits are dear where registers have 32.
  static char* put_digits(char* end, std::uint64_t value) {
    for (; value >> 32 != 0; value /= 10) *--end = static_cast<char>('0' + value % 10);
    std::uint32_t rest = static_cast<std::uint32_t>(value);
    do *--end = static_cast<char>('0' + rest % 10), rest /= 10;
    while (rest != 0);
    return end;
  }

  Out& out_;
  std::size_t used_ = 0;
  char piece_[256] = {};  // zeros, or callers compile with a false warning of g++
};

/// Length of the well-formed UTF-8 sequence at the start, 0 if there is none [RFC 3629 4].
inline std::size_t utf8_length(const char* characters, std::size_t left) {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(characters[index]); };
  const auto continues = [&](std::size_t index, unsigned least, unsigned most) {
    return index < left && at(index) >= least && at(index) <= most;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1, 0x80, 0xBF) ? 2 : 0;
  const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (lead >= 0xE0 && lead <= 0xEF) return continues(1, least, most) && continues(2, 0x80, 0xBF) ? 3 : 0;
  if (lead >= 0xF0 && lead <= 0xF4)
    return continues(1, least, most) && continues(2, 0x80, 0xBF) && continues(3, 0x80, 0xBF) ? 4 : 0;
  return 0;
}

/// Text with `escape` in front of quotes and of itself. `replace` writes what stands for control characters and for bytes
/// that are no UTF-8, which come as 0x80. All else is copied, as much at once as there is.
template <class Stream, class Replace>
void put_escaped(Stream& out, const char* characters, std::size_t length, char escape, const Replace& replace) {
  std::size_t at = 0, copied = 0;
  const auto copy = [&] {
    if (at != copied) out.put(characters + copied, at - copied);
    copied = at;
  };
  while (at < length) {
    const unsigned char c = static_cast<unsigned char>(characters[at]);
    const std::size_t sequence = c < 0x80 ? 1 : utf8_length(characters + at, length - at);
    if (sequence == 0 || c < 0x20 || c == 0x7F) {
      copy();
      replace(sequence != 0 ? c : 0x80u);
      copied = ++at;
    } else {
      if (c == '"' || characters[at] == escape) copy(), out.put(escape);
      at += sequence;
    }
  }
  copy();
}

/// JSON text [RFC 8259 7]. Control characters are escaped, bytes that are no UTF-8 become U+FFFD.
template <class Stream> void put_json_text(Stream& out, const char* characters, std::size_t length) {
  out.put('"');
  put_escaped(out, characters, length, '\\', [&](unsigned c) {
    if (c == 0x80) return out.put("\\ufffd");
    out.put("\\u00");
    out.put(static_cast<char>('0' + c / 16));
    out.put("0123456789abcdef"[c % 16]);
  });
  out.put('"');
}

/// CSV text [RFC 4180 2]: always quoted, control bytes and bytes that are no UTF-8 as "?", and an apostrophe in front
/// of what a spreadsheet would take for a formula.
template <class Stream> void put_csv_text(Stream& out, const char* characters, std::size_t length) {
  out.put('"');
  if (length != 0 && (characters[0] == '=' || characters[0] == '+' || characters[0] == '-' || characters[0] == '@' ||
                      characters[0] == '\t' || characters[0] == '\r'))
    out.put('\'');
  put_escaped(out, characters, length, '"', [&](unsigned) { out.put('?'); });
  out.put('"');
}

/// How a feature's value looks. One overload for each kind of type; `put_text` decides how text is quoted.
template <class Stream, class PutText, class Value> void put_value(Stream& out, const PutText&, const Value& value) {
  if constexpr (std::is_same_v<Value, bool>)
    out.put(value ? "true" : "false", value ? 4 : 5);
  else if constexpr (std::is_floating_point_v<Value>)
    out.put_double(static_cast<double>(value));
  else if constexpr (std::is_signed_v<Value>)
    out.put_signed(value);
  else
    out.put_unsigned(value);
}
template <class Stream, class PutText> void put_value(Stream& out, const PutText& put_text, const char* value) {
  if (value == nullptr) value = "";  // a row that no flow has filled
  put_text(out, value, std::strlen(value));
}
template <class Stream, class PutText, std::size_t Capacity>
void put_value(Stream& out, const PutText& put_text, const text<Capacity>& value) {
  put_text(out, value.characters, value.length);
}
template <class Stream, class PutText> void put_value(Stream& out, const PutText& put_text, const text_view& value) {
  put_text(out, value.characters, value.length);
}
template <class Stream, class PutText> void put_value(Stream& out, const PutText& put_text, const ip_address& value) {
  put_value(out, put_text, value.to_text());
}
template <class Stream, class PutText> void put_value(Stream& out, const PutText& put_text, const splt_step& value) {
  out.put('[');
  put_value(out, put_text, value.ip_len);
  out.put(',');
  put_value(out, put_text, value.gap);
  out.put(',');
  put_value(out, put_text, value.direction_sign);
  out.put(']');
}
template <class Stream, class PutText, class Element>
void put_value(Stream& out, const PutText& put_text, const list<Element>& value) {
  out.put('[');
  for (std::size_t at = 0; at < value.length || at < value.padded_length; ++at) {
    if (at != 0) out.put(',');
    put_value(out, put_text, at < value.length ? value.elements[at] : Element{});
  }
  out.put(']');
}

inline bool same_text(const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; }
struct keep_all {
  constexpr bool operator()(const feature_info&) const { return true; }
};
template <class Value> struct is_list : std::false_type {};
template <class Element> struct is_list<list<Element>> : std::true_type {};

/// Calls put(group, name, its length, value) for the features to write. Inlined, so that of a description group and name
/// alone are left: the definitions of all features take 14 KB. A name is no text_view, because compilers give each of
/// all such arguments a place of its own on the stack.
template <class Keep, class Put> struct kept_features {
  const Keep& keep;
  Put put;
  template <class Value> JOYFULJAY_INLINED void operator()(const feature_info& feature, const Value& value) {
    if (keep(feature)) put(feature.group, feature.name, std::strlen(feature.name), value);
  }
};
template <class Row, class Keep, class Put> void for_each_kept_feature(const Row& row, const Keep& keep, Put put) {
  for_each_feature(row, kept_features<Keep, Put>{keep, put});
}

}  // namespace detail

/// One JSON object: {"flow_meta":{"src_ip":"10.0.0.1",...},"timing":{...}}, a member for each group. No newline. `keep`
/// says which features to write.
template <class Out, class Row, class Keep = detail::keep_all>
void write_json(Out&& out, const Row& row, const Keep& keep = {}) {
  detail::text_stream<std::remove_reference_t<Out>> stream(out);
  const auto put_text = [](auto& to, const char* characters, std::size_t length) {
    detail::put_json_text(to, characters, length);
  };
  const char* open_group = nullptr;
  stream.put('{');
  detail::for_each_kept_feature(row, keep,
                                [&](const char* group, const char* name, std::size_t name_length, const auto& value) {
                                  if (open_group == nullptr || !detail::same_text(open_group, group)) {
                                    stream.put(open_group == nullptr ? "\"" : "},\"");
                                    stream.put(group);
                                    stream.put("\":{\"");
                                    open_group = group;
                                  } else {
                                    stream.put(',', '"');
                                  }
                                  stream.put(name, name_length);
                                  stream.put('"', ':');
                                  detail::put_value(stream, put_text, value);
                                });
  stream.put(open_group == nullptr ? "}" : "}}");
}

/// The names of the columns, with a newline.
template <class Row, class Out, class Keep = detail::keep_all> void write_csv_header(Out&& out, const Keep& keep = {}) {
  detail::text_stream<std::remove_reference_t<Out>> stream(out);
  bool first = true;
  detail::for_each_kept_feature(Row{}, keep, [&](const char*, const char* name, std::size_t name_length, const auto&) {
    if (!first) stream.put(',');
    first = false;
    stream.put(name, name_length);
  });
  stream.put("\r\n");
}
/// One record [RFC 4180]; lists are JSON arrays in quotes.
template <class Out, class Row, class Keep = detail::keep_all>
void write_csv(Out&& out, const Row& row, const Keep& keep = {}) {
  detail::text_stream<std::remove_reference_t<Out>> stream(out);
  const auto put_text = [](auto& to, const char* characters, std::size_t length) {
    detail::put_csv_text(to, characters, length);
  };
  bool first = true;
  detail::for_each_kept_feature(row, keep, [&](const char*, const char*, std::size_t, const auto& value) {
    if (!first) stream.put(',');
    first = false;
    constexpr bool quoted = detail::is_list<std::decay_t<decltype(value)>>::value;
    if (quoted) stream.put('"');
    detail::put_value(stream, put_text, value);
    if (quoted) stream.put('"');
  });
  stream.put("\r\n");
}

/// How many numbers `to_vector` writes: the features that are integers, floats or booleans.
template <class Row> constexpr std::size_t vector_length() {
  std::size_t count = 0;
  for_each_feature(Row{}, [&](const feature_info&, const auto& value) {
    count += std::is_arithmetic_v<std::decay_t<decltype(value)>>;
  });
  return count;
}
namespace detail {

/// The places of a group's numbers, each in 16 bits: the offset times 8, and the kind.
template <std::size_t Count> struct number_table { std::uint16_t places[Count]; };
template <class Group, std::size_t... At> constexpr std::size_t count_numbers(std::index_sequence<At...>) {
  return (std::size_t{Group::template jj_place<Group>(number<At>{}).kind != number_kind::none} + ... + 0);
}
template <class Group, std::size_t... At> constexpr auto table_of(std::index_sequence<At...> features) {
  number_table<count_numbers<Group>(features)> table{};
  std::size_t used = 0;
  for (const number_place& place : {Group::template jj_place<Group>(number<At>{})...})
    if (place.kind != number_kind::none)
      table.places[used++] = static_cast<std::uint16_t>(place.offset * 8 + static_cast<std::size_t>(place.kind));
  return table;
}
/// Whether a table can hold them. Signed numbers and floats are too rare to have code in every program.
template <class Group, std::size_t... At> constexpr bool has_table(std::index_sequence<At...> features) {
  if constexpr (std::is_standard_layout_v<Group> && sizeof(Group) < 8192)
    return count_numbers<Group>(features) != 0 &&
           ((Group::template jj_place<Group>(number<At>{}).kind != number_kind::other) && ...);
  return false;
}
template <class Value> const Value& value_at(const void* group, unsigned offset) {
  return *static_cast<const Value*>(static_cast<const void*>(static_cast<const unsigned char*>(group) + offset));
}
template <class Number>
Number* copy_numbers(const void* group, const std::uint16_t* places, std::size_t count, Number* out) {
  for (; count != 0; --count, ++places, ++out) {
    const unsigned offset = *places / 8u;
    switch (static_cast<number_kind>(*places % 8u)) {
      case number_kind::octet: *out = value_at<std::uint8_t>(group, offset); break;
      case number_kind::unsigned_16: *out = value_at<std::uint16_t>(group, offset); break;
      case number_kind::unsigned_32: *out = static_cast<Number>(value_at<std::uint32_t>(group, offset)); break;
      case number_kind::unsigned_64: *out = static_cast<Number>(value_at<std::uint64_t>(group, offset)); break;
      default: *out = static_cast<Number>(value_at<double>(group, offset));
    }
  }
  return out;
}
template <class Group, class Number> Number* copy_group(const Group& group, Number* out) {
  if constexpr (has_table<Group>(feature_numbers<Group>{})) {
    static constexpr auto table = table_of<Group>(feature_numbers<Group>{});
    return copy_numbers(&group, table.places, sizeof table.places / sizeof *table.places, out);
  } else {
    const auto copy = [&](const feature_info&, const auto& value) {
      if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) *out++ = static_cast<Number>(value);
    };
    visit_group(group, copy, feature_numbers<Group>{});
    return out;
  }
}
/// Group after group, by tables: two bytes of flash a number instead of ten, and four times the instructions.
template <class... Groups, class Number> void copy_by_tables(const feature_row<Groups...>& row, Number* out) {
  ((out = copy_group(static_cast<const Groups&>(row), out)), ...);
}

}  // namespace detail

/// Copies the numeric features in column order. `Number` is float or double; never NaN.
template <class Row, class Number> void to_vector(const Row& row, Number* out) {
#if defined(__OPTIMIZE_SIZE__)
  detail::copy_by_tables(row, out);
#else
  for_each_feature(row, [&](const feature_info&, const auto& value) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) *out++ = static_cast<Number>(value);
  });
#endif
}
/// Calls visit(const feature_info&) for each element of the vector.
template <class Row, class Visitor> void for_each_vector_feature(Visitor&& visit) {
  for_each_feature(Row{}, [&](const feature_info& feature, const auto& value) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) visit(feature);
  });
}

/// 64 bits over group, name, type and unit of every feature in order (FNV-1a): equal when rows can be mixed. Store it
/// with a model and compare it on the device.
template <class Row> std::uint64_t schema_hash() {
  std::uint64_t hash = 0xcbf29ce484222325;
  for_each_feature(Row{}, [&](const feature_info& feature, const auto&) {
    for (const char* part : {feature.group, feature.name, feature.type, feature.unit}) {
      for (; *part != '\0'; ++part) hash = (hash ^ static_cast<unsigned char>(*part)) * 0x100000001b3;
      hash = (hash ^ 0xFF) * 0x100000001b3;  // ends the part
    }
  });
  return hash;
}

/// The reference as a Markdown table, a line a feature.
template <class Row, class Out, class Keep = detail::keep_all> void write_reference(Out&& out, const Keep& keep = {}) {
  detail::text_stream<std::remove_reference_t<Out>> stream(out);
  stream.put("| group | feature | type | unit | definition |\n| --- | --- | --- | --- | --- |\n");
  for_each_feature(Row{}, [&](const feature_info& feature, const auto&) {
    if (!keep(feature)) return;
    for (const char* cell : {feature.group, feature.name, feature.type, feature.unit, feature.about}) {
      stream.put("| ");
      stream.put(cell);
      stream.put(' ');
    }
    stream.put("|\n");
  });
}

}  // namespace v0
}  // namespace joyfuljay

#undef JOYFULJAY_OWN_FRAME
#undef JOYFULJAY_INLINE_FOR_SPEED
#undef JOYFULJAY_APART_FOR_SPEED
#undef JOYFULJAY_NOT_MERGED
#undef JOYFULJAY_INLINED

#endif  // JOYFULJAY_HPP
