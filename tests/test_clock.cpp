// Section 15: clocks that step back, jump ahead, stand still, end or wrap; and callers who do not keep to the rules.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace traffic;
using jj::end_reason;

namespace {

constexpr std::int64_t day = 86'400 * second, year = 365 * day;

struct small : jj::default_config {
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  static constexpr std::size_t max_flows = 64;
  static constexpr std::size_t sample_packets = 20;
  static constexpr std::size_t long_flows = 64;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct patient : small {
  static constexpr bool expire_while_feeding = false;
};
struct chosen_at_run_time : small {
  inline static std::int64_t idle_timeout_ns = 0, tcp_linger_ns = 0, fragment_timeout_ns = 0;
};

/// An engine and an account of it, held against each other after every call.
template <class Config = small> struct watched {
  std::unique_ptr<jj::engine<Config>> engine = std::make_unique<jj::engine<Config>>();
  audit::account seen;
  double least_gap = 0, least_duration = 0;

  template <class Row, class View> void operator()(const Row& row, const View& flow, end_reason why) {
    seen(row, flow, why);
    least_gap = std::min(least_gap, row.iat_min);
    least_duration = std::min(least_duration, row.duration);
  }
  auto feed(const jj::frame& f) {
    const auto fed = seen.note(engine->feed(f, *this));
    check();
    return fed;
  }
  std::size_t tick(std::int64_t now_ns, std::size_t most = 64) {
    const std::size_t ended = engine->tick(now_ns, *this, most);
    check();
    return ended;
  }
  void flush() {
    engine->flush(*this);
    check();
    CHECK(least_gap >= 0);
    CHECK(least_duration >= 0);
  }
  void check() {
    const char* const wrong = audit::fault(*engine, seen);
    REQUIRE_MESSAGE(wrong == nullptr, wrong);
  }
  std::uint64_t rows(end_reason why) const { return seen.reported[static_cast<std::size_t>(why)]; }
};
jj::frame at_time(const made_frame& made, std::int64_t time_ns) {
  jj::frame f = made;
  f.time_ns = time_ns;
  return f;
}

}  // namespace

// ---- Steps back

TEST_CASE("a step back of any size ends and splits nothing by itself, and no time is negative") {
  for (const std::int64_t step : {std::int64_t{1}, second, day, year, start, 2 * start}) {
    watched<> w;
    for (std::uint32_t flow = 0; flow < 20; ++flow) w.feed(udp(flow, true, flow));
    for (std::uint32_t flow = 0; flow < 20; ++flow) {
      const auto fed = w.feed(at_time(udp(flow, false, 0), start - step + second));
      CHECK(fed.flow.packets() == 2);
      CHECK(fed.flow.end_ns() >= fed.flow.start_ns());
    }
    CHECK(w.engine->statistics().flows_created == 20);
    w.flush();
  }
}

TEST_CASE("after a step back it is still the flows out of use that give their slots") {
  for (const std::int64_t step : {std::int64_t{0}, 5 * second, 3600 * second}) {
    constexpr std::uint32_t capacity = static_cast<std::uint32_t>(small::max_flows), fresh = 40, at_once = 8;
    watched<> w;
    for (const bool forward : {true, false})
      for (std::uint32_t flow = 0; flow < capacity; ++flow) w.feed(udp(flow, forward, flow));
    std::int64_t now = start - step;
    for (std::uint32_t first = 0; first < fresh; first += at_once)
      for (unsigned packet = 0; packet < 10; ++packet)
        for (std::uint32_t flow = 0; flow < at_once; ++flow)
          w.feed(at_time(udp(1000 + first + flow, packet % 2 == 0, 0), ++now));
    CHECK(w.rows(end_reason::evicted) == fresh);
    CHECK(w.engine->statistics().flows_created == capacity + fresh);  // none of the new ones was cut in two
    w.flush();
  }
}

TEST_CASE("after a step back silent flows end within two timeouts of the new clock, others go on") {
  for (const std::int64_t step : {600 * second, day, 30 * year}) {
    watched<> w;
    for (std::uint32_t flow = 0; flow < 10; ++flow) w.feed(udp(flow, true, flow));
    const std::int64_t now = start - step;
    for (std::int64_t at = 0; at <= 60; ++at) w.feed(at_time(udp(3, false, 0), now + at * second));
    CHECK(w.rows(end_reason::idle) == 0);
    for (std::int64_t at = 61; at < 140; ++at) w.feed(at_time(udp(3, false, 0), now + at * second));
    CHECK(w.rows(end_reason::idle) == 9);
    CHECK(w.engine->statistics().open_flows == 1);
    // ... and that one too, when it falls silent, although its largest time lies ahead
    w.feed(at_time(udp(50, true, 0), now + 250 * second));
    CHECK(w.rows(end_reason::idle) == 10);
    w.flush();
  }
}

TEST_CASE("after a step back tick ends silent flows on a link without packets") {
  watched<> w;
  for (std::uint32_t flow = 0; flow < 10; ++flow) w.feed(udp(flow, true, flow));
  CHECK(w.tick(start - year) == 0);
  CHECK(w.tick(start - year + 60 * second) == 0);
  CHECK(w.tick(start - year + 60 * second + 1) == 10);
}

TEST_CASE("one packet from the far future does not keep the flows behind it") {
  watched<> w;
  w.feed(at_time(udp(1, true, 0), start + 100 * year));
  for (std::uint32_t flow = 2; flow < 10; ++flow) w.feed(udp(flow, true, flow));
  for (std::int64_t at = 1; at < 140; ++at) w.feed(udp(20, true, at * second));
  CHECK(w.engine->statistics().open_flows == 1);
  w.flush();
}

TEST_CASE("after one packet from the far future a flow's pauses end it with other traffic or without") {
  std::uint64_t rows[2];
  for (const bool others : {false, true}) {
    watched<> w;
    w.feed(udp(1, true, 0));
    w.feed(at_time(udp(1, true, 0), start + year));
    for (std::int64_t at = 1; at <= 10; ++at) {
      w.feed(udp(1, true, at * 600 * second));
      if (others)
        for (std::int64_t more = 1; more < 60; ++more) w.feed(udp(2, true, (at * 600 + more * 10) * second));
    }
    w.flush();
    rows[others] = w.engine->statistics().flows_created;
  }
  CHECK(rows[true] == rows[false] + 1);
}

TEST_CASE("closed flows whose closing lies ahead of the clock end as well") {
  watched<> w;
  w.feed(tcp(1, true, 0));
  w.feed(tcp(1, true, 0, fb::tcp_rst));
  w.feed(at_time(tcp(1, false, 0), start - day));  // a straggler
  w.feed(at_time(udp(2, true, 0), start - day + 2 * second));
  CHECK(w.rows(end_reason::closed) == 1);
}

// ---- Jumps ahead, no movement, the ends of time

TEST_CASE("a jump ahead by 100 years ends every flow once") {
  watched<> w;
  for (std::uint32_t flow = 0; flow < 30; ++flow) w.feed(udp(flow, true, flow));
  for (int at = 0; at < 40; ++at) w.feed(at_time(udp(99, true, 0), start + 100 * year + at));
  CHECK(w.rows(end_reason::idle) == 30);
  CHECK(w.engine->statistics().flows_created == 31);
  w.flush();
}

TEST_CASE("packets that all have one time are one flow without gaps") {
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{-1}, -start, start}) {
    watched<> w;
    for (int at = 0; at < 50; ++at) w.feed(at_time(udp(1, at % 2 == 0, 0), time));
    const auto fed = w.feed(at_time(udp(1, true, 0), time));
    CHECK(fed.flow.packets() == 51);
    CHECK(fed.flow.read<jj::timing>().iat_max == 0);
    w.flush();
  }
}

TEST_CASE("times from one end of 64 bits to the other, in any order, break nothing") {
  std::mt19937_64 random(3);
  constexpr std::int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
  watched<> w;
  for (int round = 0; round < 4000; ++round) {
    const std::int64_t end = ends[random() % 7];
    const std::int64_t time = random() % 3 == 0 ? static_cast<std::int64_t>(random()) : end;
    const std::uint32_t flow = static_cast<std::uint32_t>(random() % 90);
    w.feed(at_time(random() % 4 == 0 ? tcp(flow, true, 0, fb::tcp_rst) : udp(flow, random() % 2 == 0, 0), time));
    if (random() % 16 == 0) w.tick(ends[random() % 7], random() % 4);
  }
  w.flush();
}

TEST_CASE("seconds and milliseconds of 32 bits wrap without notice: 2038, 2106, 49.7 days") {
  const auto rows_from = [](std::int64_t begin) {
    const auto engine = std::make_unique<jj::engine<small>>();
    std::string rows;
    const auto sink = [&](const auto& row, const auto&, end_reason why) {
      const auto keep = [](const jj::feature_info& f) {
        const std::string name = f.name;
        return name != "start_time" && name != "end_time" && name != "time_first" && name != "time_last";
      };
      jj::write_json([&](const char* c, std::size_t length) { rows.append(c, length); }, row, keep);
      rows += jj::end_reason_names[static_cast<std::size_t>(why)];
    };
    for (std::int64_t at = 0; at < 300; ++at)
      engine->feed(at_time(udp(static_cast<std::uint32_t>(at % 70 / 10), at % 3 == 0, 0), begin + at * second / 2),
                   sink);
    engine->flush(sink);
    return rows;
  };
  const std::string plain = rows_from(1000 * second);
  CHECK(plain.find("idle") != std::string::npos);
  for (const std::int64_t wrap : {std::int64_t{1} << 31, std::int64_t{1} << 32, std::int64_t{4'294'967}})
    CHECK(rows_from(wrap * second - 60 * second) == plain);
}

// ---- Order

TEST_CASE("with 4 % of neighbours swapped every flow keeps its packets") {
  std::mt19937 random(4);
  std::vector<jj::frame> frames;
  std::vector<made_frame> made;
  for (std::uint32_t at = 0; at < 20'000; ++at)
    made.push_back(udp(static_cast<std::uint32_t>(random() % 40), random() % 2 == 0, at * 5 * millisecond));
  frames.assign(made.begin(), made.end());
  const auto packets_of = [&](const std::vector<jj::frame>& order) {
    watched<> w;
    for (const jj::frame& f : order) w.feed(f);
    w.flush();
    return std::pair(w.engine->statistics().flows_created, w.seen.reported_packets);
  };
  const auto in_order = packets_of(frames);
  for (std::size_t at = 0; at + 1 < frames.size(); ++at)
    if (random() % 25 == 0) std::swap(frames[at], frames[at + 1]);
  CHECK(packets_of(frames) == in_order);
  CHECK(in_order.first == 40);
}

// ---- tick

TEST_CASE("tick ends as many flows as it is allowed to, and all of them in the end") {
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    watched<patient> w;
    for (std::uint32_t flow = 0; flow < 60; ++flow)
      w.feed(flow % 2 == 0 ? udp(flow, true, flow) : tcp(flow, true, 0, fb::tcp_rst));
    std::size_t ended = 0, calls = 0;
    for (std::size_t now = most; now == most; ++calls) {
      now = w.tick(start + day, most);
      CHECK(now <= most);
      ended += now;
    }
    CHECK(ended == 60);
    CHECK(calls == 60 / most + 1);
  }
  watched<patient> none;
  none.feed(udp(1, true, 0));
  CHECK(none.tick(start + day, 0) == 0);
  CHECK(none.tick(start + day) == 1);
}

// ---- Callers who do not keep to the rules

struct with_graph : small {
  using groups = jj::type_list<jj::flow_totals, jj::timing, jj::connection>;
};

TEST_CASE("whatever changes the engine is refused inside a sink, and counted; reading is not") {
  const auto engine = std::make_unique<jj::engine<with_graph>>();
  int rows = 0;
  const auto nobody = [](const auto&, const auto&, end_reason) { FAIL("refused calls report nothing"); };
  const auto sink = [&](const auto& row, const auto& flow, end_reason) {
    ++rows;
    CHECK(engine->feed(udp(5, true, 0), nobody).what == jj::verdict::refused);
    CHECK(engine->tick(INT64_MAX, nobody) == 0);
    engine->flush(nobody);
    CHECK_FALSE(engine->refresh(1000));
    engine->clear_connections();
    engine->count_foreign(flow.ends(), {1, 1}, {100, 100});
    CHECK_FALSE(engine->seed({1, 2}));
    CHECK(engine->reread(flow.ends()).conn_src_total_flows == row.conn_src_total_flows);
    CHECK(flow.template read<jj::flow_totals>().total_packets == row.total_packets);
  };
  for (std::uint32_t flow = 0; flow < 3; ++flow) engine->feed(udp(flow, true, 0), sink);
  engine->flush(sink);
  CHECK(rows == 3);
  CHECK(engine->statistics().frames[static_cast<std::size_t>(jj::verdict::refused)] == 3);
  CHECK(engine->statistics().refused_calls == 15);
  CHECK(engine->refresh(1'000'000));
}

struct in_batches : small {
  static constexpr std::size_t batch_frames = 2;
};

TEST_CASE("a batch from inside a sink is refused frame by frame, and the batch under way goes on") {
  const auto engine = std::make_unique<jj::engine<in_batches>>();
  const std::vector<made_frame> made{udp(1, true, 0), udp(2, true, 0), udp(1, true, 100 * second), udp(3, true, 0)};
  const std::vector<jj::frame> frames(made.begin(), made.end());
  std::size_t rows = 0, refused = 0;
  const auto nobody = [](const auto&, const auto&, end_reason) { FAIL("refused calls report nothing"); };
  const auto sink = [&](const auto&, const auto&, end_reason) {
    ++rows;
    engine->feed_batch(frames.data(), frames.size(), nobody,
                       [&](const auto& fed) { refused += fed.what == jj::verdict::refused; });
  };
  engine->feed_batch(frames.data(), frames.size(), sink);
  engine->flush(sink);
  CHECK(rows == 4);
  CHECK(refused == 16);
  CHECK(engine->statistics().frames[static_cast<std::size_t>(jj::verdict::counted)] == 4);
}

TEST_CASE("a batch from what a batch calls after every frame is refused, single frames are not") {
  const auto engine = std::make_unique<jj::engine<in_batches>>();
  const std::vector<made_frame> made{udp(1, true, 0), udp(2, true, 0), udp(3, true, 0), udp(4, true, 0)};
  const std::vector<jj::frame> frames(made.begin(), made.end());
  std::size_t refused = 0;
  engine->feed_batch(frames.data(), frames.size(), ignore, [&](const auto&) {
    engine->feed_batch(frames.data(), 3, ignore, [&](const auto& fed) { refused += fed.what == jj::verdict::refused; });
    CHECK(engine->feed(udp(9, true, 0), ignore).what == jj::verdict::counted);
  });
  CHECK(refused == 12);
  recorder rows;
  engine->flush(rows);
  REQUIRE(rows.flows.size() == 5);
  std::uint64_t packets = 0;
  for (const ended_flow& flow : rows.flows) packets += flow.packets;
  CHECK(packets == 8);
}

TEST_CASE("timeouts below zero, which only a variable can be, are none") {
  using config = chosen_at_run_time;
  for (const std::int64_t timeout : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    config::idle_timeout_ns = config::tcp_linger_ns = config::fragment_timeout_ns = timeout;
    watched<config> w;
    for (const std::int64_t at_ns : {std::int64_t{0}, std::int64_t{0}, std::int64_t{1}, day})
      w.feed(udp(1, true, at_ns));
    CHECK(w.engine->statistics().flows_created == 3);
    for (unsigned packet = 0; packet < 3; ++packet)
      w.feed(tcp(2, true, 2 * day, packet == 0 ? fb::tcp_rst : fb::tcp_ack));
    CHECK(w.engine->statistics().flows_created == 5);  // a closed flow takes no stragglers
    for (const std::int64_t time_ns : {INT64_MAX, INT64_MIN}) w.feed(made_frame{udp(1, true, 0).data, time_ns});
    w.tick(INT64_MAX);
    w.flush();
  }
}

TEST_CASE("an engine that nobody seeded works, and says so") {
  watched<> w;
  w.feed(udp(1, true, 0));
  CHECK_FALSE(w.engine->statistics().seeded);
  CHECK_FALSE(w.engine->seed({1, 2}));
  CHECK_FALSE(w.engine->statistics().seeded);
}

TEST_CASE("frames that are nowhere, empty or of two lengths get a verdict") {
  const made_frame good = udp(1, true, 0, 100);
  watched<> w;
  CHECK(w.feed({nullptr, 0, 0, 0}).what == jj::verdict::malformed_link);
  CHECK(w.feed({nullptr, 1500, 1500, 0}).what == jj::verdict::malformed_link);
  CHECK(w.feed({nullptr, SIZE_MAX, 0xFFFFFFFF, 0}).what == jj::verdict::malformed_link);
  CHECK(w.feed({good.data.data(), 0, 1500, 0}).what == jj::verdict::malformed_link);
  for (const std::uint32_t wire : {0u, 1u, 127u, 128u, 129u, 0xFFFFFFFFu}) {
    const auto fed = w.feed({good.data.data(), good.data.size(), wire, start});
    CHECK(fed.what == jj::verdict::counted);
    CHECK(fed.flow.read<jj::flow_totals>().bytes_fwd >= 128);
  }
  w.flush();
}
