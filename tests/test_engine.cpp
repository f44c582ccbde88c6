// Section 12: flows begin, end for the right reason, can be read while they live, and give way in the right order.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace traffic;
using jj::end_reason;

namespace {

struct raw_config : jj::default_config {
  static constexpr std::size_t max_flows = 16;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct four_groups : raw_config {
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
};
struct totals_only : raw_config {
  using groups = jj::type_list<jj::flow_totals>;
};

template <class Config> std::unique_ptr<jj::engine<Config>> make_engine() {
  auto engine = std::make_unique<jj::engine<Config>>();
  engine->seed({1, 2});
  return engine;
}
std::vector<end_reason> reasons(const recorder& sink) {
  std::vector<end_reason> out;
  for (const ended_flow& flow : sink.flows) out.push_back(flow.why);
  return out;
}
template <class Engine> std::uint64_t rows(const Engine& engine, end_reason why) {
  return engine.statistics().rows[static_cast<std::size_t>(why)];
}

}  // namespace

TEST_CASE_TEMPLATE("both directions of a conversation are one flow, named after who spoke first", Config, four_groups,
                   totals_only) {
  const auto engine = make_engine<Config>();
  recorder sink;
  engine->feed(udp(1, false, 0), sink);
  engine->feed(udp(1, true, 1), sink);
  const auto fed = engine->feed(udp(1, false, 2), sink);
  CHECK(fed.what == jj::verdict::counted);
  CHECK(fed.flow.packets(jj::fwd) == 2);
  CHECK(fed.flow.packets(jj::bwd) == 1);
  CHECK(fed.flow.port(jj::fwd) == server_port);
  CHECK(fed.flow.protocol() == fb::ip_protocol::udp);
  CHECK(fed.flow.start_ns() == start);
  CHECK(fed.flow.end_ns() == start + 2);
  CHECK_FALSE(fed.flow.handshake_dropped());
  engine->flush(sink);
  REQUIRE(sink.flows.size() == 1);
  CHECK(sink.flows[0].why == end_reason::flushed);
  CHECK(sink.flows[0].packets == 3);
  CHECK(sink.flows[0].initiator == server);
}

TEST_CASE("addresses, ports and protocol tell flows apart, and equal endpoints work") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  engine->feed(udp(1, true, 0), sink);
  engine->feed(udp(2, true, 0), sink);
  engine->feed(tcp(1, true, 0), sink);
  fb::ipv4_header to_itself;
  to_itself.source = to_itself.target = server;
  const made_frame same{fb::ipv4(to_itself, fb::ip_protocol::udp, fb::udp(7, 7)), start};
  engine->feed(same, sink);
  engine->feed(same, sink);
  CHECK(engine->statistics().flows_created == 4);
  engine->flush(sink);
  CHECK(std::count_if(sink.flows.begin(), sink.flows.end(), [](const ended_flow& f) { return f.packets == 2; }) == 1);
}

TEST_CASE("every frame is counted under one verdict, and what is no packet yields no flow") {
  const auto engine = make_engine<four_groups>();
  const std::uint8_t nothing[] = {0x20, 0}, cut[] = {0x45, 0, 0};
  CHECK_FALSE(engine->feed({nothing, sizeof nothing, sizeof nothing, 0}, ignore).flow);
  CHECK(engine->feed({cut, sizeof cut, 60, 0}, ignore).what == jj::verdict::malformed_ip);
  CHECK(engine->feed({nullptr, 0, 0, 0}, ignore).what == jj::verdict::malformed_link);
  engine->feed(udp(1, true, 0), ignore);
  const jj::engine_statistics& s = engine->statistics();
  CHECK(s.frames[static_cast<int>(jj::verdict::not_ip)] == 1);
  CHECK(s.frames[static_cast<int>(jj::verdict::malformed_ip)] == 1);
  CHECK(s.frames[static_cast<int>(jj::verdict::malformed_link)] == 1);
  CHECK(s.frames[static_cast<int>(jj::verdict::counted)] == 1);
  CHECK(s.open_flows == 1);
}

TEST_CASE("silence longer than idle_timeout ends a flow, silence as long does not") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  engine->feed(udp(1, true, 0), sink);
  engine->feed(udp(1, true, 60 * second), sink);
  CHECK(sink.flows.empty());
  engine->feed(udp(1, true, 120 * second + 1), sink);
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::idle});
  CHECK(sink.flows[0].packets == 2);
}

struct patient : four_groups {
  static constexpr bool expire_while_feeding = false;
};

TEST_CASE("idle flows end while other packets pass, one at most a packet, or at tick, or not at all") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  for (std::uint32_t flow = 0; flow < 5; ++flow) engine->feed(udp(flow, true, flow), sink);
  engine->feed(udp(9, true, 100 * second), sink);
  CHECK(sink.flows.size() == 1);
  engine->feed(udp(0, true, 100 * second), sink);  // one that has ended comes again: nothing hinders
  CHECK(sink.flows.size() == 2);
  engine->feed(udp(3, true, 100 * second), sink);  // it ends the one before it, and no other
  CHECK(sink.flows.size() == 3);
  CHECK(sink.flows[0].initiator == client(0));
  CHECK(engine->tick(start + 100 * second, sink, 1) == 1);
  CHECK(engine->tick(start + 100 * second, sink) == 1);
  CHECK(engine->tick(start + 100 * second, sink) == 0);
  CHECK(reasons(sink) == std::vector<end_reason>(5, end_reason::idle));

  const auto waiting = make_engine<patient>();
  recorder late;
  waiting->feed(udp(1, true, 0), late);
  waiting->feed(udp(2, true, 100 * second), late);
  CHECK(late.flows.empty());
  CHECK(waiting->tick(start + 100 * second, late) == 1);
}

TEST_CASE("a clock that runs backwards neither splits nor ends a flow") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  engine->feed(udp(1, true, 100 * second), sink);
  engine->feed(udp(2, true, 0), sink);
  const auto fed = engine->feed(udp(1, true, 0), sink);
  CHECK(sink.flows.empty());
  CHECK(fed.flow.packets() == 2);
  CHECK(fed.flow.end_ns() - fed.flow.start_ns() == 0);
  CHECK(fed.flow.read<jj::timing>().iat_max == 0);
  // The ends of time itself.
  made_frame extreme = udp(3, true, 0);
  for (const std::int64_t time : {INT64_MIN, INT64_MAX, INT64_MIN, INT64_C(0)}) {
    extreme.time_ns = time;
    CHECK(engine->feed(extreme, sink).what == jj::verdict::counted);
  }
  engine->tick(INT64_MAX, sink);
  engine->tick(INT64_MIN, sink);
  engine->flush(sink);
  CHECK(engine->statistics().open_flows == 0);
}

struct aged : four_groups {
  static constexpr std::int64_t active_timeout_ns = 10 * second;
};

TEST_CASE("a flow older than active_timeout is reported and goes on as a new one") {
  const auto engine = make_engine<aged>();
  recorder sink;
  for (int at = 0; at <= 11; ++at) engine->feed(udp(1, true, at * second), sink);
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::active});
  CHECK(sink.flows[0].packets == 11);
}

struct limited : four_groups {
  static constexpr std::uint32_t flow_packet_limit = 3;
};

TEST_CASE("a flow ends full at flow_packet_limit") {
  const auto engine = make_engine<limited>();
  recorder sink;
  for (int at = 0; at < 7; ++at) engine->feed(udp(1, true, at), sink);
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::full, end_reason::full});
  CHECK(engine->statistics().open_flows == 1);
}

TEST_CASE("TCP closes with the ACK after both FINs, lingers for stragglers, and gives way to a new SYN") {
  const auto engine = make_engine<patient>();
  recorder sink;
  const auto talk = [&](bool from_client, std::int64_t at, std::uint8_t flags) {
    engine->feed(tcp(1, from_client, at, flags), sink);
  };
  talk(true, 0, fb::tcp_syn);
  talk(false, 1, fb::tcp_syn | fb::tcp_ack);
  talk(true, 2, fb::tcp_ack);
  talk(true, 3, fb::tcp_fin | fb::tcp_ack);
  talk(false, 4, fb::tcp_ack);
  talk(false, 5, fb::tcp_fin | fb::tcp_ack);
  talk(true, 6, fb::tcp_ack);           // closed here
  talk(false, second, fb::tcp_ack);     // within the linger second
  talk(true, second + 6, fb::tcp_ack);  // still: not more than a second
  CHECK(sink.flows.empty());
  SUBCASE("a straggler too late opens a flow of its own") { talk(true, second + 7, fb::tcp_ack); }
  SUBCASE("a SYN opens a flow of its own at once") { talk(true, second, fb::tcp_syn); }
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::closed});
  CHECK(sink.flows[0].packets == 9);
}

TEST_CASE("RST closes at once; a FIN of one side alone does not; flush calls closed flows closed") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  engine->feed(tcp(1, true, 0, fb::tcp_syn), sink);
  engine->feed(tcp(1, false, 1, fb::tcp_rst | fb::tcp_ack), sink);
  engine->feed(tcp(2, true, 2, fb::tcp_fin | fb::tcp_ack), sink);
  engine->feed(tcp(2, true, 3), sink);
  engine->flush(sink);
  REQUIRE(sink.flows.size() == 2);
  CHECK(sink.flows[0].why == end_reason::closed);
  CHECK(sink.flows[0].initiator == client(1));
  CHECK(sink.flows[1].why == end_reason::flushed);
}

TEST_CASE("a closed flow is reported as closed, however late its next packet comes") {
  for (const bool others : {false, true}) {
    const auto engine = make_engine<four_groups>();
    recorder sink;
    engine->feed(tcp(1, true, 0, fb::tcp_rst), sink);
    if (others) engine->feed(udp(2, true, 90 * second), sink);
    engine->feed(tcp(1, true, 100 * second, fb::tcp_syn), sink);
    CHECK(reasons(sink) == std::vector<end_reason>{end_reason::closed});
  }
}

struct long_linger : four_groups {
  static constexpr std::int64_t tcp_linger_ns = 1000 * second;
};
TEST_CASE("a linger longer than the idle timeout ends with the latter") {
  const auto engine = make_engine<long_linger>();
  recorder sink;
  engine->feed(tcp(1, true, 0, fb::tcp_rst), sink);
  CHECK(engine->tick(start + 60 * second, sink) == 0);
  CHECK(engine->tick(start + 60 * second + 1, sink) == 1);
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::closed});
}

struct longer_linger : four_groups {
  static constexpr std::int64_t idle_timeout_ns = 5 * second, tcp_linger_ns = 10 * second;
};
struct longer_linger_unswept : longer_linger {
  static constexpr bool expire_while_feeding = false;
};
TEST_CASE_TEMPLATE("a linger longer than the idle timeout ends a flow with stragglers all the same", Config,
                   longer_linger, longer_linger_unswept) {
  const auto engine = make_engine<Config>();
  recorder sink;
  engine->feed(tcp(1, true, 0, fb::tcp_rst), sink);
  for (std::int64_t at = 1; at <= 100; ++at) engine->feed(tcp(1, false, at * second, fb::tcp_ack), sink);
  engine->flush(sink);
  REQUIRE(sink.flows.size() == 2);
  CHECK(sink.flows[0].packets == 11);
}

TEST_CASE("closed flows end a second later while other packets pass") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  engine->feed(tcp(1, true, 0, fb::tcp_rst), sink);
  engine->feed(udp(2, true, second), sink);
  CHECK(sink.flows.empty());
  engine->feed(udp(2, true, second + 1), sink);
  CHECK(reasons(sink) == std::vector<end_reason>{end_reason::closed});
}

struct with_data : four_groups {
  struct user_data {
    std::uint32_t verdict, seen;
  };
  using snapshot_packets = jj::packet_numbers<2, 5>;
};

TEST_CASE("user data starts as zero with each flow and stays with it") {
  const auto engine = make_engine<with_data>();
  std::uint32_t reported = 0;
  const auto sink = [&](const auto&, const auto& flow, end_reason why) {
    if (why != end_reason::snapshot) reported = flow.user().seen;
  };
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t at = 0; at < 4; ++at) {
      const auto fed = engine->feed(udp(1, true, at), sink);
      CHECK(fed.flow.user().seen == at);
      ++fed.flow.user().seen;
      CHECK(engine->feed(udp(2, true, at), sink).flow.user().seen == 0);
    }
    engine->flush(sink);
    CHECK((reported == 4 || reported == 0));
  }
}

/// Named like members of the engine's own parts of a flow.
struct awkward : raw_config {
  using groups = jj::flow_groups;
  struct user_data {
    std::uint32_t record, entries, storage, first_word, sample_chunk, hash, key, packets, marks, list, streams;
  };
};
TEST_CASE("members of user data may have any name") {
  const auto engine = make_engine<awkward>();
  engine->feed(udp(1, true, 0), ignore).flow.user().record = 7;
  const auto fed = engine->feed(udp(1, false, 1), ignore);
  CHECK(fed.flow.user().record == 7);
  CHECK(fed.flow.packets() == 2);
}

struct with_ending : with_data {
  using groups = jj::type_list<jj::flow_totals, jj::flow_ending>;
};
TEST_CASE("flow_ending says in the row what the sink is told") {
  const auto engine = make_engine<with_ending>();
  std::vector<std::string> said;
  const auto sink = [&](const auto& row, const auto&, end_reason why) {
    said.push_back(row.end_reason);
    CHECK(said.back() == jj::end_reason_names[static_cast<std::size_t>(why)]);
  };
  for (std::uint32_t flow = 0; flow < 20; ++flow) engine->feed(udp(flow, true, flow), sink);  // four are evicted
  engine->feed(tcp(50, true, 100, fb::tcp_rst), sink);
  engine->feed(udp(19, true, 200), sink);
  CHECK(engine->tick(start + 3 * second / 2, sink) == 1);
  CHECK(engine->feed(udp(51, true, 2 * second), sink).flow.read<jj::flow_ending>().end_reason ==
        std::string("snapshot"));
  engine->feed(udp(51, true, 90 * second), sink);
  engine->flush(sink);
  for (const char* reason : {"evicted", "snapshot", "closed", "idle", "flushed"})
    CHECK(std::count(said.begin(), said.end(), reason) > 0);
}

TEST_CASE("a snapshot is the row of the packets so far, and the flow goes on") {
  const auto engine = make_engine<with_data>();
  std::vector<std::uint64_t> packets;
  std::vector<end_reason> why_reported;
  const auto sink = [&](const auto& row, const auto& flow, end_reason why) {
    packets.push_back(row.total_packets);
    why_reported.push_back(why);
    CHECK(flow.packets() == row.total_packets);
  };
  for (int at = 0; at < 7; ++at) engine->feed(udp(1, true, at), sink);
  engine->flush(sink);
  CHECK(packets == std::vector<std::uint64_t>{2, 5, 7});
  CHECK(why_reported == std::vector<end_reason>{end_reason::snapshot, end_reason::snapshot, end_reason::flushed});
  CHECK(engine->statistics().flows_created == 1);
  CHECK(rows(*engine, end_reason::snapshot) == 2);
}

TEST_CASE("features of a living flow are those it would be reported with, before and after promotion") {
  const auto engine = make_engine<four_groups>();
  std::string live, reported;
  const auto to = [](std::string& text) {
    return [&text](const char* characters, std::size_t length) { text.append(characters, length); };
  };
  const auto sink = [&](const auto& row, const auto&, end_reason) { jj::write_json(to(reported), row); };
  for (const int packets : {1, 2, 8, 128, 129, 400}) {
    live.clear(), reported.clear();
    for (int at = 0; at < packets; ++at) {
      const auto fed =
          engine->feed(tcp(1, at % 3 != 0, at * millisecond, fb::tcp_ack, static_cast<std::size_t>(at % 700)), sink);
      if (at + 1 == packets) jj::write_json(to(live), fed.flow.read<jj::flow_meta, jj::timing, jj::size, jj::tcp>());
    }
    engine->flush(sink);
    CHECK(live == reported);
    CHECK(live.size() > 1000);
  }
}

TEST_CASE("a sink cannot feed, tick or flush the engine that calls it") {
  const auto engine = make_engine<four_groups>();
  jj::verdict inside = jj::verdict::counted;
  int calls = 0;
  const auto sink = [&](const auto&, const auto&, end_reason) {
    ++calls;
    inside = engine->feed(udp(5, true, 0), ignore).what;
    CHECK(engine->tick(INT64_MAX, ignore) == 0);
    engine->flush(ignore);
  };
  engine->feed(udp(1, true, 0), sink);
  engine->flush(sink);
  CHECK(calls == 1);
  CHECK(inside == jj::verdict::refused);
  CHECK(engine->statistics().frames[static_cast<int>(jj::verdict::refused)] == 1);
}

TEST_CASE("the secret is set before the first frame or not at all") {
  jj::engine<totals_only> engine;
  CHECK_FALSE(engine.statistics().seeded);
  CHECK(engine.seed({3, 4}));
  CHECK(engine.statistics().seeded);
  engine.feed(udp(1, true, 0), ignore);
  CHECK_FALSE(engine.seed({5, 6}));
}

TEST_CASE("rows do not depend on the secret, full tables included") {
  const auto rows = [](const jj::hash_key& key) {
    const auto engine = std::make_unique<jj::engine<four_groups>>();
    engine->seed(key);
    std::string text;
    const auto sink = [&text](const auto& row, const auto&, end_reason why) {
      jj::write_json([&](const char* c, std::size_t length) { text.append(c, length); }, row);
      text += jj::end_reason_names[static_cast<int>(why)];
    };
    for (std::uint32_t at = 0; at < 1500; ++at) engine->feed(udp(at * 7 % 900 / 3, at % 3 != 0, at, at % 200), sink);
    CHECK(engine->statistics().evicted_for_slot > 0);
    engine->flush(sink);
    return text;
  };
  CHECK(rows({1, 2}) == rows({0xFEDCBA9876543210, 0x0123456789ABCDEF}));
}

TEST_CASE("a C function can be the sink") {
  using engine_type = jj::engine<totals_only>;
  const auto engine = make_engine<totals_only>();
  std::uint64_t packets = 0;
  const jj::callback_sink<engine_type::row> sink{
      [](const engine_type::row& row, void* context) { *static_cast<std::uint64_t*>(context) += row.total_packets; },
      &packets};
  engine->feed(udp(1, true, 0), sink);
  engine->feed(udp(2, true, 0), sink);
  engine->flush(sink);
  CHECK(packets == 2);
}

// ---- Room --------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("when slots run out, closed flows go first, then the least recently used", Config, four_groups,
                   totals_only) {
  const auto engine = make_engine<Config>();
  recorder sink;
  const auto two_sided = [&](std::uint32_t flow, std::int64_t at) {
    engine->feed(udp(flow, true, at), sink);
    engine->feed(udp(flow, false, at), sink);
  };
  for (std::uint32_t flow = 0; flow < 15; ++flow) two_sided(flow, flow);
  engine->feed(tcp(15, true, 15, fb::tcp_rst), sink);
  two_sided(0, 16);  // used again
  two_sided(20, 17);
  two_sided(21, 18);
  REQUIRE(sink.flows.size() == 2);
  CHECK(sink.flows[0].initiator == client(15));
  CHECK(sink.flows[1].initiator == client(1));
  CHECK(reasons(sink) == std::vector<end_reason>(2, end_reason::evicted));
  CHECK(engine->statistics().evicted_for_slot == 2);
}

struct larger : four_groups {
  static constexpr std::size_t max_flows = 64;
};

TEST_CASE("a flood of one-sided flows ends none of the conversations") {
  const auto engine = make_engine<larger>();
  recorder sink;
  for (std::uint32_t flow = 0; flow < 32; ++flow) {
    engine->feed(tcp(flow, true, flow), sink);
    engine->feed(tcp(flow, false, flow), sink);
  }
  for (std::uint32_t flow = 0; flow < 10'000; ++flow)
    engine->feed(tcp(100 + flow, true, second + flow, fb::tcp_syn), sink);
  CHECK(engine->statistics().open_flows == 64);
  CHECK(std::all_of(sink.flows.begin(), sink.flows.end(), [](const ended_flow& f) { return f.packets == 1; }));
  engine->flush(sink);
  CHECK(std::count_if(sink.flows.begin(), sink.flows.end(), [](const ended_flow& f) { return f.packets == 2; }) == 32);
  CHECK(sink.flows.size() == 10'032);
}

TEST_CASE("one-sided flows below a quarter of the table are not sacrificed for busier ones") {
  const auto engine = make_engine<four_groups>();
  recorder sink;
  for (std::uint32_t flow = 0; flow < 14; ++flow) {
    engine->feed(udp(flow, true, flow), sink);
    engine->feed(udp(flow, false, flow), sink);
  }
  engine->feed(udp(50, true, 20), sink);
  engine->feed(udp(51, true, 21), sink);
  engine->feed(udp(52, true, 22), sink);
  REQUIRE(sink.flows.size() == 1);
  CHECK(sink.flows[0].initiator == client(0));
}

struct few_chunks : four_groups {
  static constexpr std::size_t sample_packets = 20;
  static constexpr std::size_t log_chunks = 6;
};

TEST_CASE("want of log chunks ends a flow that holds some, never one that holds none") {
  const auto engine = make_engine<few_chunks>();
  recorder sink;
  engine->feed(udp(100, true, 0), sink);
  for (std::uint32_t flow = 0; flow < 8; ++flow)
    for (int at = 0; at < 3; ++at) engine->feed(udp(flow, at != 1, 1 + flow), sink);
  REQUIRE(sink.flows.size() == 2);
  CHECK(sink.flows[0].initiator == client(0));
  CHECK(sink.flows[1].initiator == client(1));
  CHECK(engine->statistics().evicted_for_chunk == 2);
  CHECK(engine->statistics().used_chunks == 6);
  engine->flush(sink);
  CHECK(engine->statistics().used_chunks == 0);
}

struct one_long : four_groups {
  static constexpr std::size_t sample_packets = 10;
  static constexpr std::size_t long_flows = 1;
};

TEST_CASE("want of long states ends a long flow, and its row is whole") {
  const auto engine = make_engine<one_long>();
  recorder sink;
  for (int at = 0; at < 30; ++at) engine->feed(udp(1, true, at), sink);
  for (int at = 0; at < 11; ++at) engine->feed(udp(2, true, 100 + at), sink);
  REQUIRE(sink.flows.size() == 1);
  CHECK(sink.flows[0].initiator == client(1));
  CHECK(sink.flows[0].packets == 30);
  CHECK(engine->statistics().evicted_for_long_state == 1);
  CHECK(engine->statistics().promoted == 2);
}

struct tiny : four_groups {
  static constexpr std::size_t max_flows = 1;
};

TEST_CASE("a table of one flow works") {
  const auto engine = make_engine<tiny>();
  recorder sink;
  for (std::uint32_t at = 0; at < 10; ++at) engine->feed(udp(at % 2, true, at), sink);
  engine->flush(sink);
  CHECK(sink.flows.size() == 10);
}

namespace {

/// Sends every key into one bucket under one tag.
struct constant_hash {
  static std::uint32_t hash(const jj::hash_key&, const std::uint64_t*, std::size_t) { return 0xABCD; }
};

}  // namespace

struct colliding : four_groups {
  static constexpr std::size_t max_flows = 200;
  using keyed_hash = constant_hash;
};

TEST_CASE("no chain of flows under one hash grows without bound") {
  const auto engine = make_engine<colliding>();
  recorder sink;
  for (std::uint32_t flow = 0; flow < 100; ++flow) engine->feed(udp(flow, true, flow), sink);
  CHECK(engine->statistics().evicted_for_chain == 68);
  CHECK(engine->statistics().open_flows == 32);
  const auto fed = engine->feed(udp(99, true, 200), sink);
  CHECK(fed.flow.packets() == 2);
  engine->flush(sink);
  CHECK(sink.flows.size() == 100);
}

// ---- Fragments ---------------------------------------------------------------------------------------------------

namespace {

made_frame fragment(std::uint16_t id, unsigned offset, bool more, std::int64_t at_ns,
                    std::uint16_t source_port = client_port) {
  fb::ipv4_header h = header_of(1, true);
  h.id = id;
  h.flags_and_offset = static_cast<std::uint16_t>((more ? fb::more_fragments : 0) | offset);
  const fb::octets first = fb::udp(source_port, server_port, fb::zeros(72));
  return {fb::ipv4(h, fb::ip_protocol::udp, offset == 0 ? first : fb::zeros(80)), start + at_ns};
}

}  // namespace

TEST_CASE("later fragments join the flow of their first, in time; others are flows of their own") {
  const auto engine = make_engine<patient>();
  recorder sink;
  engine->feed(fragment(7, 0, true, 0), sink);
  CHECK(engine->feed(fragment(7, 10, true, 1), sink).flow.packets() == 2);
  CHECK(engine->feed(fragment(7, 20, false, 30 * second), sink).flow.packets() == 3);
  CHECK(engine->feed(fragment(8, 10, false, 2), sink).flow.port(jj::fwd) == 0);
  CHECK(engine->feed(fragment(7, 30, false, 30 * second + 1), sink).flow.port(jj::fwd) == 0);
  CHECK(engine->statistics().fragments_followed == 2);
  CHECK(engine->statistics().fragments_orphaned == 2);
  CHECK(engine->statistics().flows_created == 2);
}

TEST_CASE("an id that is used again belongs to the datagram whose first fragment came last") {
  const auto engine = make_engine<patient>();
  engine->feed(fragment(7, 0, true, 0, 1001), ignore);
  CHECK(engine->feed(fragment(7, 10, true, 1), ignore).flow.port(jj::fwd) == 1001);
  engine->feed(fragment(7, 0, true, 2, 1002), ignore);
  CHECK(engine->feed(fragment(7, 20, false, 3), ignore).flow.port(jj::fwd) == 1002);
  CHECK(engine->feed(fragment(7, 30, false, 4), ignore).flow.port(jj::fwd) == 1002);
  CHECK(engine->statistics().fragments_followed == 3);
}

TEST_CASE("fragments that overlap, repeat, reach beyond 65,535 bytes or come before the first count as they come") {
  const auto engine = make_engine<patient>();
  std::uint64_t bytes = 0, packets = 0;
  const auto sink = [&](const auto& row, const auto& flow, end_reason) {
    if (flow.port(jj::fwd) != 0) bytes += row.total_bytes, packets += flow.packets();
  };
  engine->feed(fragment(7, 10, true, 0), sink);  // a flow of its own
  engine->feed(fragment(7, 0, true, 1), sink);
  for (const unsigned offset : {10u, 10u, 5u, 1u, 0x1FFFu, 0x1FF8u}) engine->feed(fragment(7, offset, true, 2), sink);
  engine->feed(fragment(7, 20, false, 3), sink);
  engine->flush(sink);
  CHECK(packets == 8);
  CHECK(bytes == 8 * 100);
  CHECK(engine->statistics().fragments_orphaned == 1);
}

struct one_fragment : four_groups {
  static constexpr std::size_t max_fragments = 1;
};

struct no_fragments : four_groups {
  static constexpr std::size_t max_fragments = 0;
};

TEST_CASE("the fragment table forgets the oldest, and an engine without one has orphans only") {
  const auto one = make_engine<one_fragment>();
  one->feed(fragment(1, 0, true, 0), ignore);
  one->feed(fragment(2, 0, true, 1), ignore);
  one->feed(fragment(1, 10, false, 2), ignore);
  one->feed(fragment(2, 10, false, 3), ignore);
  CHECK(one->statistics().fragments_followed == 1);
  CHECK(one->statistics().fragments_orphaned == 1);
  const auto none = make_engine<no_fragments>();
  none->feed(fragment(1, 0, true, 0), ignore);
  none->feed(fragment(1, 10, false, 1), ignore);
  CHECK(none->statistics().fragments_orphaned == 1);
}

// ---- Batches -----------------------------------------------------------------------------------------------------

struct batched : four_groups {
  static constexpr std::size_t batch_frames = 8;
  using snapshot_packets = jj::packet_numbers<3>;
};

TEST_CASE("a batch gives the same rows in the same order as frame by frame") {
  std::vector<made_frame> made;
  for (std::uint32_t at = 0; at < 1000; ++at)
    made.push_back(udp(at / 4 * 7 % 40, at % 3 != 0, at * 50 * millisecond, at % 300));
  made[500] = fragment(3, 0, true, 500 * 50 * millisecond);
  made[501] = fragment(3, 10, false, 501 * 50 * millisecond);
  std::vector<jj::frame> frames(made.begin(), made.end());
  const auto run = [&](bool in_batches) {
    const auto engine = make_engine<batched>();
    std::string text;
    const auto sink = [&](const auto& row, const auto&, end_reason why) {
      jj::write_json([&](const char* c, std::size_t length) { text.append(c, length); }, row);
      text += jj::end_reason_names[static_cast<int>(why)];
    };
    std::size_t answered = 0;
    if (in_batches)
      engine->feed_batch(frames.data(), frames.size(), sink, [&](const auto& fed) { answered += bool(fed.flow); });
    else
      for (const jj::frame& f : frames) answered += bool(engine->feed(f, sink).flow);
    engine->flush(sink);
    CHECK(answered == frames.size());
    return text;
  };
  const std::string one_by_one = run(false);
  CHECK(one_by_one == run(true));
  CHECK(one_by_one.find("evicted") != std::string::npos);
  CHECK(one_by_one.find("snapshot") != std::string::npos);
}
