// Sections 9, 11 and 12 under random traffic: against a model with unlimited memory where there is room, and by what must
// hold for any traffic where there is none.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <tuple>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/model.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using jj::end_reason;

namespace {

// ---- A diary: a digest of every packet in order, kept once as packets pass and once replayed from the log --------

std::uint64_t mixed(std::uint64_t digest, std::uint64_t value) {
  digest = (digest ^ value) * 0x9E3779B97F4A7C15;
  return digest ^ digest >> 29;
}
template <class Packet> std::uint64_t with_packet(std::uint64_t digest, const Packet& p, bool forward, bool has_tcp) {
  digest = mixed(digest, static_cast<std::uint64_t>(p.time_ns));
  digest = mixed(digest, std::uint64_t{p.ip_len} << 32 | p.payload_len);
  return mixed(digest, (forward ? 1u : 0u) | (has_tcp ? 2u : 0u));
}
std::uint64_t with_logged(std::uint64_t digest, const jj::logged_packet& p) {
  digest = with_packet(digest, p, p.dir == jj::fwd, p.has_tcp_header);
  digest = mixed(digest, p.tcp_flags);
  return mixed(mixed(digest, p.gap_ns), p.opens_flow ? 1 : 0);
}

struct passing_diary {
  using needs = jj::type_list<>;
  std::uint64_t digest_as_passed;
  template <class Flow> void update(const jj::packet& p, const Flow&) {
    digest_as_passed = with_logged(digest_as_passed, p);
  }
};
struct logged_diary {
  using needs = jj::type_list<>;
  static constexpr bool from_log = true;
  std::uint64_t digest_as_logged;
  template <class Flow> void update(const jj::logged_packet& p, const Flow&) {
    digest_as_logged = with_logged(digest_as_logged, p);
  }
};
struct diary {
  JOYFULJAY_GROUP(diary, passing_diary, logged_diary)
  JOYFULJAY_FEATURE(std::uint64_t, diary_passed, "", "Digest of the packets as they passed.") {
    return flow.digest_as_passed;
  }
  JOYFULJAY_FEATURE(std::uint64_t, diary_logged, "", "Digest of the packets from the log.") {
    return flow.digest_as_logged;
  }
};
std::uint64_t diary_of(const model::flow& f) {
  std::uint64_t digest = 0;
  std::int64_t before = f.packets[0].time_ns;
  for (const model::seen_packet& p : f.packets) {
    digest = with_packet(digest, p, p.forward, p.has_tcp);
    digest = mixed(digest, p.flags);
    digest = mixed(digest, p.time_ns > before ? static_cast<std::uint64_t>(p.time_ns - before) : 0);
    digest = mixed(digest, &p == &f.packets[0] ? 1 : 0);
    before = p.time_ns;
  }
  return digest;
}

// ---- Traffic that visits the corners -----------------------------------------------------------------------------

class random_traffic {
 public:
  random_traffic(std::uint64_t seed, std::uint32_t conversations) : random_(seed), conversations_(conversations) {}

  /// Frames of any size up to jumbo, of which at most 60 bytes are captured; the clock jumps and steps back.
  traffic::made_frame next(std::uint32_t& wire_length) {
    now_ns_ += step();
    const std::uint32_t conversation = below(4) == 0 ? below(conversations_) : below(1 + conversations_ / 8);
    const bool from_client = below(3) != 0;
    fb::ipv4_header header = traffic::header_of(conversation, from_client);
    if (below(10) == 0) header.options = fb::zeros(4 * (1 + below(10)));
    const std::size_t header_len = 20 + header.options.size();
    const std::uint32_t payload = below(3) == 0 ? 0 : below(5) == 0 ? below(65000) : below(1400);
    const std::uint32_t length = static_cast<std::uint32_t>(header_len) + 20 + payload;
    header.total_length = static_cast<int>(length);
    wire_length = length;
    if (below(50) == 0) header.total_length = 0, wire_length = below(300'000) + 120;  // segmentation offload
    if (below(4) == 0) return {fb::ipv4(header, fb::ip_protocol::udp, fb::udp(1, 2, fb::zeros(12))), now_ns_};
    if (below(20) == 0) return {fb::ipv4(header, fb::ip_protocol::gre, fb::zeros(20)), now_ns_};
    fb::tcp_header h;
    h.source_port = from_client ? 40000 : 443;
    h.target_port = from_client ? 443 : 40000;
    h.flags = below(12) == 0 ? static_cast<std::uint8_t>(below(256)) : std::uint8_t{fb::tcp_ack};
    return {fb::ipv4(header, fb::ip_protocol::tcp, fb::tcp(h)), now_ns_};
  }

 private:
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  std::int64_t step() {
    const std::uint32_t kind = below(4000);
    if (kind < 400) return 0;
    if (kind < 480) return -static_cast<std::int64_t>(random_() % 2'000'000'000);
    if (kind < 484) return 90 * traffic::second;                               // beyond idle_timeout and an entry's gap
    if (kind < 486) return static_cast<std::int64_t>(random_() >> 12) / 4096;  // hours
    return static_cast<std::int64_t>(random_() % 30'000'000);
  }
  std::mt19937_64 random_;
  std::uint32_t conversations_;
  std::int64_t now_ns_ = traffic::start;
};

template <class Groups> struct random_config : jj::default_config {
  using groups = Groups;
  static constexpr jj::link_type link = jj::link_type::raw;
};

}  // namespace

// ---- With room: the model ----------------------------------------------------------------------------------------

struct roomy : random_config<jj::type_list<jj::flow_totals, jj::timing, jj::size, jj::tcp, diary>> {
  static constexpr std::size_t max_flows = 4096;
  static constexpr std::size_t sample_packets = 40;
  static constexpr std::size_t log_chunks = 60'000;
  static constexpr std::size_t long_flows = 1024;  // 30,000 packets make at most 731 of more than 40
  static constexpr std::int64_t active_timeout_ns = 20 * traffic::second;
  static constexpr std::uint32_t flow_packet_limit = 150;
  static constexpr bool expire_while_feeding = false;
};
struct roomy_in_slots : roomy {
  using groups = jj::type_list<jj::flow_totals, jj::tcp, diary>;  // nothing sampled: no log
};
struct roomy_with_heads : roomy {
  using groups = jj::type_list<jj::flow_totals, jj::gap_sequences, jj::splt_sequences, diary>;
  static constexpr std::size_t max_sequence_length = 30;
};

TEST_CASE_TEMPLATE("with room for everything the engine is the model", Config, roomy, roomy_in_slots,
                   roomy_with_heads) {
  using record = std::tuple<std::int64_t, std::int64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                            std::uint64_t, int>;
  std::uint64_t by_reason[jj::end_reason_count] = {};
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto engine = std::make_unique<jj::engine<Config>>();
    model::table table(
        {Config::idle_timeout_ns, Config::active_timeout_ns, Config::tcp_linger_ns, Config::flow_packet_limit});
    std::vector<record> got, wanted;
    const auto sink = [&](const auto& row, const auto& flow, end_reason why) {
      REQUIRE(row.diary_passed == row.diary_logged);
      got.emplace_back(flow.start_ns(), flow.end_ns(), row.packets_fwd, row.packets_bwd, row.bytes_fwd, row.bytes_bwd,
                       row.diary_logged, static_cast<int>(why));
    };
    random_traffic random(seed, seed == 1 ? 8 : 300);
    for (int at = 0; at < 30'000; ++at) {
      std::uint32_t wire_length = 0;
      const traffic::made_frame made = random.next(wire_length);
      jj::frame frame = made;
      frame.wire_length = wire_length;
      jj::packet p;
      REQUIRE(jj::parse_frame<jj::link_type::raw>(frame, p) == jj::verdict::counted);
      table.count(p);
      engine->feed(frame, sink);
    }
    engine->flush(sink);
    table.flush();
    for (const model::flow& f : table.ended) {
      std::uint64_t packets[2] = {}, bytes[2] = {};
      for (const model::seen_packet& p : f.packets) ++packets[!p.forward], bytes[!p.forward] += p.frame_len;
      wanted.emplace_back(f.packets[0].time_ns, f.end_ns, packets[0], packets[1], bytes[0], bytes[1], diary_of(f),
                          static_cast<int>(f.why));
    }
    std::sort(got.begin(), got.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(got.size() == wanted.size());
    CHECK(got == wanted);
    for (std::size_t why = 0; why < jj::end_reason_count; ++why) by_reason[why] += engine->statistics().rows[why];
  }
  for (const end_reason why :
       {end_reason::idle, end_reason::active, end_reason::closed, end_reason::full, end_reason::flushed})
    CHECK_MESSAGE(by_reason[static_cast<int>(why)] > 0, "the traffic never ends a flow for reason ",
                  static_cast<int>(why));
  CHECK(by_reason[static_cast<int>(end_reason::evicted)] == 0);
}

// ---- Without: what must hold whatever happens --------------------------------------------------------------------

template <std::size_t Flows, std::size_t Sample, std::size_t Chunks, std::size_t Long>
struct cramped : random_config<jj::type_list<jj::flow_totals, jj::timing, jj::size, jj::tcp, diary>> {
  static constexpr std::size_t max_flows = Flows;
  static constexpr std::size_t sample_packets = Sample;
  static constexpr std::size_t log_chunks = Chunks;
  static constexpr std::size_t long_flows = Long;
  using snapshot_packets = jj::packet_numbers<1, 3, 50>;
};
struct cramped_heads : cramped<20, 12, 30, 2> {
  using groups = jj::type_list<jj::gap_sequences, jj::splt_sequences, jj::flow_totals, diary>;
  static constexpr std::size_t max_sequence_length = 11;
};
struct cramped_slots : cramped<9, 12, 0, 0> {
  using groups = jj::type_list<jj::flow_totals, diary>;
};

TEST_CASE_TEMPLATE("in any table every packet is reported once, in a row that is whole, and all room comes back",
                   Config, cramped<1, 1, 1, 1>, cramped<2, 2, 1, 1>, cramped<7, 10, 3, 1>, cramped<33, 128, 37, 3>,
                   cramped<50, 128, 0, 0>, cramped_heads, cramped_slots) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const auto engine = std::make_unique<jj::engine<Config>>();
    std::uint64_t packets = 0, bytes = 0, flows = 0;
    audit::account seen;
    const auto check = [&] {
      const char* const wrong = audit::fault(*engine, seen);
      REQUIRE_MESSAGE(wrong == nullptr, wrong);
    };
    const auto sink = [&](const auto& row, const auto& flow, end_reason why) {
      seen(row, flow, why);
      REQUIRE(row.diary_passed == row.diary_logged);
      if (why == end_reason::snapshot) return;
      ++flows;
      packets += row.total_packets;
      bytes += row.total_bytes;
    };
    random_traffic random(seed, 60);
    std::uint64_t fed = 0, fed_bytes = 0;
    for (int round = 0; round < 2; ++round) {
      for (int at = 0; at < 8000; ++at) {
        std::uint32_t wire_length = 0;
        const traffic::made_frame made = random.next(wire_length);
        jj::frame frame = made;
        frame.wire_length = wire_length;
        const auto answer = seen.note(engine->feed(frame, sink));
        REQUIRE(answer.what == jj::verdict::counted);
        ++fed;
        fed_bytes += std::max<std::uint64_t>(wire_length, frame.captured);
        if (at % 97 == 0) {
          const auto live = answer.flow.template read<diary>();
          REQUIRE(live.diary_passed == live.diary_logged);
        }
        if (at % 500 == 0) engine->tick(made.time_ns, sink);
        if (at % 50 == 0) check();
      }
      engine->flush(sink);
      check();
      const jj::engine_statistics& s = engine->statistics();
      CHECK(packets == fed);
      CHECK(bytes == fed_bytes);
      CHECK(flows == s.flows_created);
      CHECK(s.open_flows == 0);
      CHECK(s.most_open_flows <= Config::max_flows);
    }
  }
}
