// The dearest packets that input can produce, in instructions, beside the median packet of ordinary traffic.
//
//   worst [--search SECONDS] [--seed N] [--largest]
//   valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=FILE worst --callgrind FILE [--largest]
//
// Candidates are constructed, one for each thing that costs. With --search each is changed at random for so long, and
// what takes more time is kept; time is the guide, because counting takes too long. Frames have up to 1,514 bytes; with
// --largest up to 65,549, which links of this world do not carry, but interfaces that join segments do.
//
// Instructions are counted exactly, by callgrind in seconds, or by the processor's trap flag in minutes, where every
// instruction of `feed` raises SIGTRAP: a search needs the processor's own time. x86-64 and Linux only. Iterations of
// string instructions count one each. What a sink does with rows is its own affair: here it counts them. Exit status 1:
// something costs more than its limit.
#include <signal.h>
#include <valgrind/callgrind.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/conversations.hpp"
#include "tools/loads.hpp"

namespace jj = joyfuljay;
using namespace frame_builder;
namespace say = conversations;

namespace {

// ---- Counting ----------------------------------------------------------------------------------------------------

volatile std::uint64_t traps;
void on_trap(int) { traps = traps + 1; }

/// Names what callgrind writes: FILE.1, FILE.2, ...; empty: callgrind does not run.
std::string dump_name;

/// What callgrind found since the last dump.
std::uint64_t dumped_instructions() {
  static unsigned dumps = 0;
  CALLGRIND_DUMP_STATS;
  const std::string name = dump_name + "." + std::to_string(++dumps);
  std::ifstream dump(name);
  const std::string totals = "totals: ";
  for (std::string line; std::getline(dump, line);)
    if (line.compare(0, totals.size(), totals) == 0)
      return std::remove(name.c_str()), std::stoull(line.substr(totals.size()));
  std::fprintf(stderr, "worst: no totals in %s\n", name.c_str());
  std::exit(1);
}

/// Instructions that `run` takes.
template <class Run> std::uint64_t instructions_of(const Run& run) {
  if (!dump_name.empty()) {
    CALLGRIND_START_INSTRUMENTATION;
    run();
    CALLGRIND_STOP_INSTRUMENTATION;
    return dumped_instructions();
  }
  constexpr unsigned long long trap_flag = 0x100;
  traps = 0;
  __writeeflags(__readeflags() | trap_flag);
  run();
  __writeeflags(__readeflags() & ~trap_flag);
  return traps;
}

// ---- Frames ------------------------------------------------------------------------------------------------------

struct timed_frame {
  octets data;
  std::int64_t time_ns;
};
constexpr std::int64_t second = 1'000'000'000, start = 1'700'000'000 * second;

/// One packet of the numbered conversation. `length`: of the IP packet, when less of it was captured.
octets packet_of(std::uint32_t flow, bool backward, std::uint8_t protocol, octets body, int length = -1) {
  const std::uint8_t high = static_cast<std::uint8_t>(flow >> 8), low = static_cast<std::uint8_t>(flow);
  ipv4_header h;
  (backward ? h.target : h.source) = {10, 0, high, low};
  (backward ? h.source : h.target) = {198, 51, high, low};
  h.total_length = length;
  return ethernet(ethertype::ipv4, ipv4(h, protocol, body));
}
octets udp_of(std::uint32_t flow, bool backward, std::uint16_t server_port, const octets& payload, int length = -1) {
  const std::uint16_t client_port = 40000;
  return packet_of(flow, backward, ip_protocol::udp,
                   backward ? udp(server_port, client_port, payload) : udp(client_port, server_port, payload), length);
}
octets tcp_of(std::uint32_t flow, bool backward, std::uint8_t flags, std::uint32_t sequence, const octets& payload = {},
              int length = -1) {
  tcp_header h;
  (backward ? h.target_port : h.source_port) = 40000;
  (backward ? h.source_port : h.target_port) = 443;
  h.flags = flags;
  h.sequence = sequence;
  return packet_of(flow, backward, ip_protocol::tcp, tcp(h, payload), length);
}

// ---- What is dear ------------------------------------------------------------------------------------------------

/// What a packet may cost depends on what it is dear for: its headers and messages, digests and ciphers over a
/// handshake, or statistics of whole flows.
enum class work { reading, handshake, statistics };

/// The last frame is the one that counts.
struct candidate {
  std::string name;
  work kind;
  std::vector<timed_frame> before;
  timed_frame last;
};

class scene {
 public:
  scene& add(octets frame, std::int64_t gap_ns = 1000) {
    now_ns_ += gap_ns;
    frames_.push_back({std::move(frame), now_ns_});
    return *this;
  }
  scene& wait(std::int64_t gap_ns) {
    now_ns_ += gap_ns;
    return *this;
  }
  candidate ending(std::string name, octets last, work kind = work::reading) const {
    return {std::move(name), kind, frames_, {std::move(last), now_ns_ + 1000}};
  }

 private:
  std::vector<timed_frame> frames_;
  std::int64_t now_ns_ = start;
};

/// More tags, labels and extension headers than anybody has, but not more than are allowed.
octets tower_of_headers() {
  octets inside = ipv6_fragment(ip_protocol::udp, 0, true, 7, udp(40000, 443, octets(64, 0x99)));
  for (unsigned at = 0; at < 7; ++at)
    inside = ipv6_extension(at == 0 ? ipv6_next::fragment : ipv6_next::destination_options, inside);
  octets frame = mpls(128, ipv6({{1}, {2}, 64, -1}, ipv6_next::destination_options, inside));
  for (unsigned at = 0; at < 127; ++at) frame = vlan(1, at == 0 ? ethertype::mpls : ethertype::vlan, frame);
  return ethernet(ethertype::vlan, frame);
}

/// A response whose records are named by one long chain of pointers.
octets dns_chain(std::size_t length) {
  const std::size_t pointers = length / 4, records = (length - 2 * pointers - 40) / 12;
  octets chain;
  const std::size_t chain_at = 12 + 5 + 11;  // header, question, front of the first record
  for (std::size_t at = 0; at < pointers; ++at) chain = chain + u16(0xC000 | (at == 0 ? 12 : chain_at + 2 * (at - 1)));
  octets message = u16(1) + u16(0x8180) + u16(1) + u16(1 + records) + u16(0) + u16(0) + u8(0) + u16(1) + u16(1) +
                   u8(0) + u16(16) + u16(1) + u32(300) + say::counted16(chain);
  for (std::size_t at = 0; at < records; ++at)
    message = message + u16(0xC000 | (chain_at + 2 * (pointers - 1))) + u16(16) + u16(1) + u32(300) + u16(0);
  return message;
}

/// A ClientHello of `length` bytes that is nearly all cipher suites, or nearly all extensions, none twice.
octets crowded_hello(std::size_t length, bool with_ciphers) {
  octets ciphers = u16(0x1301), extensions = say::extension(43, say::counted8({3, 4}));
  const std::size_t fixed = 4 + 34 + 1 + 4 + 2 + 2 + extensions.size();
  for (std::size_t at = 0; fixed + (with_ciphers ? 2 : 4) * (at + 1) <= length; ++at) {
    const std::uint32_t value = 0xF000 - static_cast<std::uint32_t>(at) * 7;
    if (with_ciphers)
      ciphers = ciphers + u16(value);
    else
      extensions = extensions + say::extension(static_cast<std::uint16_t>(value), {});
  }
  return say::message(
      1, octets{3, 3} + octets(32, 0x11) + u8(0) + say::counted16(ciphers) + octets{1, 0} + say::counted16(extensions));
}
/// How long such a hello may be to have its fingerprints taken.
std::size_t digested_length(bool with_ciphers) {
  const std::size_t numbers = jj::default_config::packet_effort / jj::packet_effort::of_hello_number;
  return std::min<std::size_t>(jj::default_config::handshake_buffer_bytes - 5, 46 + (with_ciphers ? 2 : 4) * numbers);
}
/// An Initial with a ClientHello that together take nearly all the effort of a packet.
octets initial_with_hello() {
  using effort = jj::packet_effort;
  constexpr std::size_t of_cipher = 2 * (effort::of_sealed_byte + effort::of_plain_byte) + effort::of_hello_number;
  constexpr std::size_t of_the_rest = effort::of_keys + 100 * (effort::of_sealed_byte + effort::of_plain_byte) + 5000;
  const octets hello = crowded_hello(60 + 2 * ((jj::default_config::packet_effort - of_the_rest) / of_cipher), true);
  quic_sealer::initial p;
  return quic_sealer::seal(p, octets{6, 0} + u16(0x4000 | hello.size()) + hello);  // one CRYPTO frame
}
octets crowded_key_exchange(std::size_t length) {
  octets lists = octets{20} + octets(16, 0x55);
  for (unsigned list = 0; list < 10; ++list)
    lists = lists + say::ssh_list(list < 8 ? std::string((length - 80) / 8, 'a') : "");
  return say::ssh_packet(lists + zeros(5));
}

/// Packets of a flow: as many as a log holds, or more.
constexpr unsigned full_log = jj::default_config::sample_packets, beyond_log = 200;

/// Packets without payload that was captured: all sizes, gaps of all lengths, both directions. `packet` makes one, of
/// some direction and length.
template <class Packet> void talk(scene& to, std::uint32_t flow, unsigned packets, const Packet& packet) {
  std::mt19937 random(flow);
  for (unsigned at = 0; at < packets; ++at) {
    const bool backward = random() % 2 != 0;
    const int length = 40 + static_cast<int>(random() % 1460);
    to.add(packet(backward, length), std::int64_t{1} << random() % 20);
  }
}
void udp_flow(scene& to, std::uint32_t flow, unsigned packets) {
  talk(to, flow, packets, [&](bool backward, int length) { return udp_of(flow, backward, 443, {}, length); });
}
/// Behind the hellos of TLS.
void tls_flow(scene& to, std::uint32_t flow, unsigned packets) {
  const octets hello = say::record(22, say::client_hello(true, "h2", 1300)),
               answer = say::record(22, say::server_hello());
  to.add(tcp_of(flow, false, tcp_syn, 1)).add(tcp_of(flow, true, tcp_syn | tcp_ack, 1));
  to.add(tcp_of(flow, false, tcp_ack, 2, hello)).add(tcp_of(flow, true, tcp_ack, 2, answer));
  talk(to, flow, packets - 4,
       [&](bool backward, int length) { return tcp_of(flow, backward, tcp_ack, 9000, {}, length); });
}

octets dns_query() {
  const octets frame = say::dns()[0].frame;
  return octets(frame.begin() + 42, frame.end());
}
/// A full table: the oldest flow has a slot, its log or a long state, and no record, the next one has one. Two more such
/// flows of `packets` packets have been silent for too long when the next packet comes.
scene full_table(std::size_t flows, unsigned packets) {
  const std::uint32_t large_flows = static_cast<std::uint32_t>(flows / 16);
  const std::uint32_t records = static_cast<std::uint32_t>(flows / 2), all = static_cast<std::uint32_t>(flows);
  scene s;
  udp_flow(s, 0, packets);
  for (std::uint32_t flow = 1; flow < large_flows; ++flow) tls_flow(s, flow, packets);
  s.wait(59 * second);
  for (std::uint32_t flow = large_flows; flow < all; ++flow)
    for (const bool backward : {false, true})
      s.add(flow <= records ? udp_of(flow, backward, 53, dns_query()) : udp_of(flow, backward, 443, {}, 100));
  return s.wait(3 * second / 2);
}
/// All long states are taken, and one more flow has a full log.
scene full_long_states(std::size_t flows) {
  scene s;
  for (std::uint32_t flow = 0; flow < flows / 16; ++flow) tls_flow(s, flow + 2, beyond_log);
  udp_flow(s, 1, full_log);
  return s;
}

/// Initials with a wrong tag, or with a right one, of `each` bytes and some more, as many as fit.
octets initials(std::size_t length, std::size_t each, bool intact) {
  octets datagram;
  for (unsigned number = 9;; ++number) {
    quic_sealer::initial p;
    p.number = number;
    octets sealed = quic_sealer::seal(p, zeros(each));  // PADDING
    if (!intact) sealed.back() ^= 1;
    if (datagram.size() + sealed.size() > length) return datagram;
    datagram = datagram + sealed;
  }
}

/// The last of the segments that a direction's first bytes come in.
candidate last_segment(const std::string& name, const octets& bytes, std::size_t room) {
  scene s;
  s.add(tcp_of(1, false, tcp_syn, 1));
  for (std::size_t at = 0;; at += room) {
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const bool is_last = bytes.size() - at <= room;
    const octets segment(from, is_last ? bytes.end() : from + static_cast<std::ptrdiff_t>(room));
    const octets frame = tcp_of(1, false, tcp_ack, static_cast<std::uint32_t>(2 + at), segment);
    if (is_last) return s.ending(name, frame, work::handshake);
    s.add(frame);
  }
}
/// The same in 31 pieces, of which the first comes last.
candidate first_piece_last(const std::string& name, const octets& bytes) {
  const std::size_t room = bytes.size() / 31 + 1;
  scene s;
  s.add(tcp_of(1, false, tcp_syn, 1));
  const auto piece = [&](std::size_t at) {
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t some = std::min(room, bytes.size() - at);
    return tcp_of(1, false, tcp_ack, static_cast<std::uint32_t>(2 + at),
                  octets(from, from + static_cast<std::ptrdiff_t>(some)));
  };
  for (std::size_t at = room; at < bytes.size(); at += room) s.add(piece(at));
  return s.ending(name, piece(0), work::handshake);
}

std::vector<candidate> candidates(std::size_t mtu, std::size_t flows) {
  constexpr std::size_t buffer = jj::default_config::handshake_buffer_bytes;
  const std::size_t udp_room = mtu - 28, tcp_room = mtu - 40;
  std::vector<candidate> all;
  all.push_back(scene().ending("a flow's first packet", tcp_of(1, false, tcp_syn, 1)));
  all.push_back(scene().ending("255 tags and labels, 8 extension headers", tower_of_headers()));
  scene half_sampled;
  octets values;
  for (unsigned value = 0; value < 128; ++value) values.push_back(static_cast<std::uint8_t>(2 * value));
  half_sampled.add(udp_of(1, false, 443, octets(128, 0x5A)));
  all.push_back(half_sampled.ending("second half of a payload sample", udp_of(1, false, 443, values)));
  const octets next = udp_of(1, false, 443, {}, 1400);
  scene grown;
  udp_flow(grown, 1, full_log);
  all.push_back(grown.ending("the packet with which a flow outgrows its log", next, work::statistics));
  all.push_back(
      full_long_states(flows).ending("the same, where a long flow has to give its room", next, work::statistics));
  const octets opening = tcp_of(9999, false, tcp_ack, 2, say::record(22, say::client_hello(true, "h2", 1300)));
  all.push_back(full_table(flows, full_log)
                    .ending("a new flow, whose room flows with full logs have to give", opening, work::statistics));
  all.push_back(full_table(flows, beyond_log)
                    .ending("a new flow, whose room long flows have to give", opening, work::statistics));

  all.push_back(
      scene()
          .add(udp_of(1, false, 53, dns_query()))
          .ending("DNS, a chain of pointers", udp_of(1, true, 53, dns_chain(std::min<std::size_t>(udp_room, 16'000)))));
  const octets lists = ascii("SSH-2.0-x\r\n") + crowded_key_exchange(buffer);
  all.push_back(last_segment("SSH, a KEXINIT of 4 KB", lists, tcp_room));
  for (const bool with_ciphers : {true, false}) {
    const std::string what = with_ciphers ? "ciphers" : "extensions";
    const octets full = say::record(22, crowded_hello(buffer - 5, with_ciphers));
    all.push_back(last_segment("TLS, a hello of 4 KB, all " + what + ", not digested", full, tcp_room));
    const octets longest = say::record(22, crowded_hello(digested_length(with_ciphers), with_ciphers));
    all.push_back(last_segment("TLS, as many " + what + " as are digested", longest, tcp_room));
    all.push_back(first_piece_last("TLS, as many " + what + " as are digested, in 31 pieces", longest));
  }

  scene known;  // four client connection IDs, so that an Initial is tried under five keys
  for (unsigned id = 0; id < 4; ++id) {
    quic_sealer::initial p;
    p.destination_id = p.key_id = octets(8, static_cast<std::uint8_t>(id));
    p.source_id = octets(8, 0x77);
    known.add(udp_of(1, false, 443, quic_sealer::sealed_elsewhere(1, p, 60)));
  }
  for (const bool is_large : {false, true})
    for (const bool intact : {true, false}) {
      const std::size_t each = is_large ? std::min<std::size_t>(udp_room, 16'000) - 60 : 140;
      const std::string name = std::string("QUIC, ") + (is_large ? "one Initial that " : "Initials that ") +
                               (intact ? "can be opened" : "cannot be opened");
      all.push_back(known.ending(name, udp_of(1, false, 443, initials(udp_room, each, intact)), work::handshake));
    }
  all.push_back(scene().ending("QUIC, a hello as crowded as can be read", udp_of(1, false, 443, initial_with_hello()),
                               work::handshake));
  return all;
}

// ---- Measuring ---------------------------------------------------------------------------------------------------

template <class Groups> struct measured_config : jj::default_config {
  using groups = Groups;
  static constexpr std::size_t max_flows = 512, max_hosts = 512;
};

template <class Groups> class meter {
 public:
  using engine_type = jj::engine<measured_config<Groups>>;
  static constexpr std::size_t flows = engine_type::config::max_flows;

  void prepare(const candidate& c) {
    auto fresh = std::make_unique<engine_type>();
    std::memcpy(static_cast<void*>(engine_.get()), fresh.get(), sizeof(engine_type));
    engine_->seed({0x0706050403020100, 0x0f0e0d0c0b0a0908});
    for (const timed_frame& f : c.before) feed(f);
    std::memcpy(static_cast<void*>(before_.get()), engine_.get(), sizeof(engine_type));
  }
  /// Of the candidate that was prepared, and as often as wanted.
  std::uint64_t cost(const timed_frame& last) {
    std::memcpy(static_cast<void*>(engine_.get()), before_.get(), sizeof(engine_type));
    rows_ = 0;
    return instructions_of([&] { feed(last); });
  }
  /// Rows that were reported meanwhile.
  std::size_t rows() const { return rows_; }
  /// Clock ticks, the least of three.
  std::uint64_t ticks(const timed_frame& last) {
    std::uint64_t least = ~std::uint64_t{0};
    for (unsigned time = 0; time < 3; ++time) {
      std::memcpy(static_cast<void*>(engine_.get()), before_.get(), sizeof(engine_type));
      const std::uint64_t began = __rdtsc();
      feed(last);
      least = std::min<std::uint64_t>(least, __rdtsc() - began);
    }
    return least;
  }
  /// Of a packet of ordinary traffic: flows of all lengths, as bench has them. Of every sixteenth, that is.
  std::uint64_t median() {
    prepare({});
    std::vector<std::uint64_t> costs;
    const auto traffic = loads::mixed(400);
    for (std::size_t at = 0; at < traffic.frames.size(); ++at) {
      const auto feed = [&] { engine_->feed(traffic.frames[at], count_); };
      at % 16 == 0 ? costs.push_back(instructions_of(feed)) : feed();
    }
    std::nth_element(costs.begin(), costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2), costs.end());
    return costs[costs.size() / 2];
  }

 private:
  void feed(const timed_frame& f) {
    engine_->feed(
        {f.data.data(), f.data.size(), static_cast<std::uint32_t>(f.data.size()), f.time_ns, jj::link_type::ethernet},
        count_);
  }
  struct counting_sink {
    std::size_t& rows;
    void operator()(const typename engine_type::row&, const typename engine_type::view&, jj::end_reason) const {
      ++rows;
    }
  };
  std::unique_ptr<engine_type> engine_ = std::make_unique<engine_type>(), before_ = std::make_unique<engine_type>();
  std::size_t rows_ = 0;
  counting_sink count_{rows_};
};

/// Changes behind the Ethernet header: bytes, runs, and how many there are, up to the MTU.
octets changed(octets frame, std::size_t longest, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random()) % limit; };
  const std::uint8_t telling[] = {0, 1, 2, 3, 0x0C, 0x16, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF};
  for (std::size_t times = 1 + below(4); times != 0 && frame.size() > 20; --times) {
    const std::size_t at = 14 + below(frame.size() - 14), run = 1 + below(std::min<std::size_t>(32, frame.size() - at));
    const auto from = frame.begin() + static_cast<std::ptrdiff_t>(at);
    const octets copied(from, from + static_cast<std::ptrdiff_t>(run));
    switch (below(5)) {
      case 0: frame[at] = static_cast<std::uint8_t>(random()); break;
      case 1: frame[at] = telling[below(sizeof telling)]; break;
      case 2: frame[at] = static_cast<std::uint8_t>(frame[at] + (below(2) != 0 ? 1 : 255)); break;
      case 3:
        std::copy(copied.begin(), copied.end(),
                  frame.begin() + static_cast<std::ptrdiff_t>(14 + below(frame.size() - 14 - run + 1)));
        break;
      default:
        if (frame.size() + run <= longest) frame.insert(from, copied.begin(), copied.end());
    }
  }
  return frame;
}

/// At most so many times the median.
struct limits {
  std::uint64_t reading, handshake, statistics;

  std::uint64_t of(work kind) const {
    return kind == work::reading ? reading : kind == work::handshake ? handshake : statistics;
  }
};

/// Time that a search may take, and how it is random.
struct search {
  double seconds;
  unsigned seed;
};
/// What takes longest of the changed forms of a frame.
template <class Meter> void make_dearer(Meter& m, timed_frame& frame, std::size_t longest, const search& how) {
  using clock = std::chrono::steady_clock;
  std::mt19937 random(how.seed);
  const auto end = clock::now() + std::chrono::duration<double>(how.seconds);
  std::uint64_t most = m.ticks(frame);
  while (clock::now() < end) {
    timed_frame other = frame;
    other.data = changed(other.data, longest, random);
    const std::uint64_t ticks = m.ticks(other);
    if (ticks < most) continue;
    most = ticks;
    frame = other;
  }
}

/// What the candidates cost with one group list.
struct column {
  std::string groups;
  std::uint64_t median;
  limits most;
  std::vector<std::uint64_t> costs;
};
template <class... Groups> column measure(const char* groups, std::size_t mtu, const search& how, const limits& most) {
  meter<jj::type_list<Groups...>> m;
  column result{groups, m.median(), most, {}};
  for (candidate& c : candidates(mtu, m.flows)) {
    m.prepare(c);
    std::uint64_t cost = m.cost(c.last);
    if (how.seconds > 0) {
      make_dearer(m, c.last, mtu + 14, how);
      cost = std::max(cost, m.cost(c.last));
    }
    result.costs.push_back(cost);
  }
  return result;
}

/// Prints all columns, and what is over its limit. False: something is.
bool print_table(const std::vector<column>& columns, const std::vector<candidate>& all, std::size_t mtu) {
  std::printf("| instructions of a packet, frames of up to %zu bytes |", mtu + 14);
  for (const column& one : columns) std::printf(" %s |", one.groups.c_str());
  std::printf("\n| --- |");
  for (std::size_t at = 0; at < columns.size(); ++at) std::printf(" ---: |");
  std::printf("\n| the median of ordinary traffic |");
  for (const column& one : columns) std::printf(" %llu |", static_cast<unsigned long long>(one.median));
  std::string over;
  for (std::size_t at = 0; at < all.size(); ++at) {
    std::printf("\n| %s |", all[at].name.c_str());
    for (const column& one : columns) {
      const std::uint64_t most = one.most.of(all[at].kind);
      std::printf(" %llu (%llu ×) |", static_cast<unsigned long long>(one.costs[at]),
                  static_cast<unsigned long long>((one.costs[at] + one.median / 2) / one.median));
      if (one.costs[at] > most * one.median)
        over += "over " + std::to_string(most) + " times the median: " + all[at].name + ", " + one.groups + "\n";
    }
  }
  std::printf("\n");
  std::fputs(over.c_str(), stderr);
  return over.empty();
}

}  // namespace

int main(int count, char** arguments) {
  search how{0, 1};
  std::size_t mtu = 1500;
  for (int at = 1; at < count; ++at) {
    const bool has_value = at + 1 < count;
    if (std::strcmp(arguments[at], "--largest") == 0)
      mtu = 65'535;
    else if (std::strcmp(arguments[at], "--search") == 0 && has_value)
      how.seconds = std::atof(arguments[++at]);
    else if (std::strcmp(arguments[at], "--seed") == 0 && has_value)
      how.seed = static_cast<unsigned>(std::atoi(arguments[++at]));
    else if (std::strcmp(arguments[at], "--callgrind") == 0 && has_value)
      dump_name = arguments[++at];
    else
      return std::fprintf(stderr, "usage: worst [--search SECONDS] [--seed N] [--largest] [--callgrind FILE]\n"), 1;
  }
  signal(SIGTRAP, on_trap);
  // Reading and handshakes: what is promised. Statistics: what was measured, and a tenth more.
  const std::vector<column> columns = {
      measure<jj::flow_meta, jj::tcp>("flow_meta, tcp", mtu, how, {50, 50, 4}),
      measure<jj::flow_meta, jj::timing, jj::size, jj::tcp>("four groups", mtu, how, {50, 50, 126}),
      measure<jj::all_groups>("all twelve", mtu, how, {50, 400, 257})};
  return print_table(columns, candidates(mtu, meter<jj::type_list<>>::flows), mtu) ? 0 : 1;
}
