// Sections 6, 9 and 10: shares, varieties and the padding group: thresholds in exact integers, bursts, Tor cells, and what
// the sketches say of long flows.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;

// ---- Shares ------------------------------------------------------------------------------------------------------

TEST_CASE("a share in units of 2^-64 is rounded down, by either way of dividing") {
  const auto is = [](const jj::wide<2>& got, std::uint64_t low, std::uint64_t high) {
    return got.word[0] == low && got.word[1] == high;
  };
  constexpr std::uint64_t largest = 0xFFFFFFFFFFFFFFFF;
  CHECK(is(jj::binary_share(0, 1), 0, 0));
  CHECK(is(jj::binary_share(1, 1), 0, 1));
  CHECK(is(jj::binary_share(1, 2), std::uint64_t{1} << 63, 0));
  CHECK(is(jj::binary_share(1, 3), largest / 3, 0));
  CHECK(is(jj::binary_share(largest, largest), 0, 1));
  CHECK(is(jj::binary_share(largest / 3, largest), largest / 3, 0));  // (2^64 - 1)/3 of 2^64 - 1 is 1/3
  CHECK(is(jj::binary_share(std::uint64_t{1} << 40, std::uint64_t{1} << 41), std::uint64_t{1} << 63, 0));
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t whole = 1 + (random() >> 33), part = random() % (whole + 1), factor = (random() >> 36) + 1;
    const jj::wide<2> narrow = jj::binary_share(part, whole), broad = jj::binary_share(part * factor, whole * factor);
    CHECK(is(broad, narrow.word[0], narrow.word[1]));
  }
}

TEST_CASE("a coefficient of variation is held against 0.1 without rounding") {
  const auto below = [](std::initializer_list<std::uint32_t> values) {
    jj::moments<32> m{};
    for (const std::uint32_t value : values) m.add(value, &value == values.begin());
    return m.varies_below_tenth(values.size());
  };
  CHECK(below({5}));
  CHECK(below({0, 0, 0}));
  CHECK_FALSE(below({90, 110}));  // exactly 0.1
  CHECK(below({91, 110}));
  CHECK_FALSE(below({900'000'000, 1'100'000'000}));
  CHECK(below({900'000'001, 1'100'000'000}));
  CHECK_FALSE(below({0, 1}));
}

// ---- The group ---------------------------------------------------------------------------------------------------

namespace {

template <class... Groups> struct raw_config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr jj::link_type link = jj::link_type::raw;
  static constexpr std::size_t max_flows = 4;
};
struct alone : raw_config<jj::padding> {
  static constexpr std::size_t sample_packets = 300;
};
struct with_others : raw_config<jj::timing, jj::size, jj::padding> {
  static constexpr std::size_t sample_packets = 300;
};
struct soon_long : raw_config<jj::timing, jj::size, jj::padding> {
  static constexpr std::size_t sample_packets = 10;
};

struct step {
  std::int64_t gap_ns;
  std::uint32_t ip_len, payload_len;
};
step with_length(std::uint32_t ip_len) { return {1000, ip_len, ip_len - 28}; }
/// 28 to 68 bytes of header, in steps of four. The frame carries what the header promises in its lengths only.
jj::frame sized_frame(traffic::made_frame& made, std::int64_t now_ns, const step& s) {
  fb::ipv4_header header = traffic::header_of(1, true);
  const std::uint32_t header_len = s.ip_len - s.payload_len - 8;
  REQUIRE(header_len <= 60);
  header.options = fb::zeros(header_len - 20);
  header.total_length = static_cast<int>(s.ip_len);
  const bool jumbo = s.ip_len > 65535;
  if (jumbo) header.total_length = 0;
  made = {fb::ipv4(header, fb::ip_protocol::udp, fb::udp(1000, 2000)), traffic::start + now_ns};
  jj::frame frame = made;
  if (jumbo) frame.wire_length = s.ip_len;
  return frame;
}
template <class Config> auto row_of(const std::vector<step>& steps) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  typename jj::engine<Config>::row result;
  const auto keep = [&](const auto& row, const auto&, jj::end_reason) { result = row; };
  std::int64_t now = 0;
  traffic::made_frame made;
  for (const step& s : steps) engine->feed(sized_frame(made, now += s.gap_ns, s), keep);
  engine->flush(keep);
  CHECK(engine->statistics().flows_created == 1);
  return result;
}
/// So many packets of one size, then so many of sizes of their own.
std::vector<step> mostly(std::size_t equal, std::size_t different) {
  std::vector<step> steps(equal, step{1000, 500, 472});
  for (std::size_t at = 0; at < different; ++at) steps.push_back(with_length(600 + static_cast<std::uint32_t>(at)));
  return steps;
}
std::vector<step> with_cells(std::size_t cells, std::size_t others, std::uint32_t cell = 586) {
  std::vector<step> steps(cells, step{1000, cell + 28, cell});
  steps.insert(steps.end(), others, step{1000, 128, 100});
  steps.insert(steps.end(), 3, step{1000, 28, 0});
  return steps;
}

struct expected_padding {
  double entropy = 0, efficiency = 0, overhead_ratio = 0;
  std::size_t distinct = 0;
  std::uint64_t overhead = 0;

  expected_padding(const std::vector<step>& steps, std::int64_t burst_threshold_ns) {
    std::map<std::uint32_t, std::size_t> counts;
    std::uint64_t lengths = 0;
    for (const step& s : steps) ++counts[s.ip_len], lengths += s.ip_len, overhead += s.ip_len - s.payload_len;
    const double n = static_cast<double>(steps.size());
    for (const auto& [size, count] : counts) {
      const double p = static_cast<double>(count) / n;
      entropy -= p * std::log1p(p - 1) / std::log(2.0);
    }
    distinct = counts.size();
    entropy = distinct > 1 ? entropy / std::log2(static_cast<double>(distinct)) : 0;
    overhead_ratio = static_cast<double>(overhead) / static_cast<double>(lengths);

    double bursts = 0, payload = 0, length = 0;
    for (const step& s : steps) {
      if (&s != &steps[0] && s.gap_ns >= burst_threshold_ns) {
        efficiency += payload / length;
        ++bursts;
        payload = length = 0;
      }
      payload += s.payload_len;
      length += s.ip_len;
    }
    efficiency = (efficiency + payload / length) / (bursts + 1);
  }
};
bool close(double got, double wanted) { return std::fabs(got - wanted) <= 1e-9 * std::fabs(wanted); }

}  // namespace

TEST_CASE("a flow of one packet") {
  const auto row = row_of<alone>({{0, 128, 100}});
  CHECK(row.pkt_size_variance == 0);
  CHECK(row.pkt_size_cv == 0);
  CHECK(row.is_constant_size);
  CHECK(row.dominant_size_mode == 128);
  CHECK(row.dominant_size_ratio == 1);
  CHECK(row.unique_size_count == 1);
  CHECK(row.size_entropy == 0);
  CHECK(row.iat_variance == 0);
  CHECK(row.iat_cv == 0);
  CHECK_FALSE(row.is_constant_rate);
  CHECK(row.burst_padding_ratio == 0);
  CHECK(row.burst_overhead_bytes == 0);
  CHECK(row.avg_burst_payload_efficiency == 1);
  CHECK(row.padding_score == 0.5);  // 0.3 + 0.2
}

TEST_CASE_TEMPLATE("three packets in two bursts, by hand", Config, alone, with_others) {
  const auto row = row_of<Config>({{0, 100, 72}, {49'999'999, 100, 32}, {50'000'000, 200, 152}});
  CHECK(row.pkt_size_variance == 20000.0 / 9);
  CHECK(row.pkt_size_cv == std::sqrt(20000.0 / 160000));
  CHECK(row.unique_size_count == 2);
  CHECK(close(row.size_entropy, 0.9182958340544896));
  CHECK(row.iat_variance == 0.25e-18);
  CHECK(row.is_constant_rate);
  CHECK(row.burst_overhead_bytes == 144);
  CHECK(row.burst_padding_ratio == 144.0 / 400);
  CHECK(row.avg_burst_payload_efficiency == doctest::Approx((104.0 / 200 + 152.0 / 200) / 2).epsilon(1e-15));
  CHECK(row.dominant_size_mode == 100);
  CHECK_FALSE(row.is_constant_size);
  CHECK(row.padding_score == 0.2);
}

TEST_CASE_TEMPLATE("constant size above 0.95, dominated above 0.8, decided on counts", Config, alone, with_others) {
  CHECK_FALSE(row_of<Config>(mostly(95, 5)).is_constant_size);
  CHECK(row_of<Config>(mostly(96, 4)).is_constant_size);
  CHECK_FALSE(row_of<Config>(mostly(19, 1)).is_constant_size);
  CHECK(row_of<Config>(mostly(20, 1)).is_constant_size);
  CHECK(row_of<Config>(mostly(80, 20)).padding_score == 0.2);  // the rate is constant
  CHECK(row_of<Config>(mostly(81, 19)).padding_score == 0.4);
  CHECK(row_of<Config>(mostly(96, 4)).padding_score == 0.7);
}

TEST_CASE("constant rate: two packets, gaps of 0, and a coefficient of variation of just 0.1") {
  const auto constant = [](std::vector<std::int64_t> gaps) {
    std::vector<step> steps{{0, 100, 72}};
    for (const std::int64_t gap : gaps) steps.push_back({gap, 100, 72});
    return row_of<alone>(steps).is_constant_rate;
  };
  CHECK(constant({7}));
  CHECK(constant({0, 0}));
  CHECK_FALSE(constant({90, 110}));
  CHECK(constant({91, 110}));
  CHECK_FALSE(constant({900'000'000, 1'100'000'000}));
  CHECK(constant({900'000'001, 1'100'000'000}));
}

TEST_CASE_TEMPLATE("Tor cells: at least five, and two in five of the packets with payload", Config, alone, soon_long) {
  CHECK_FALSE(row_of<Config>(with_cells(4, 0)).is_tor_like);
  CHECK(row_of<Config>(with_cells(5, 0)).is_tor_like);
  CHECK(row_of<Config>(with_cells(6, 9)).is_tor_like);  // exactly 0.4
  CHECK_FALSE(row_of<Config>(with_cells(6, 10)).is_tor_like);
  CHECK(row_of<Config>(with_cells(6, 9)).tor_cell_ratio == 0.4);
  for (const std::uint32_t size : {580u, 600u}) CHECK(row_of<Config>(with_cells(7, 2, size)).tor_cell_count == 7);
  for (const std::uint32_t size : {579u, 601u}) CHECK(row_of<Config>(with_cells(7, 2, size)).tor_cell_count == 0);
  CHECK(row_of<Config>(with_cells(0, 0)).tor_cell_ratio == 0);
}

TEST_CASE_TEMPLATE("random short flows agree with the formulas", Config, alone, with_others) {
  std::mt19937 random(2);
  for (int round = 0; round < 150; ++round) {
    std::vector<step> steps(2 + random() % 290);
    const std::uint32_t kinds = 1 + static_cast<std::uint32_t>(random() % 40);
    for (step& s : steps) {
      const std::uint32_t payload = static_cast<std::uint32_t>(random() % kinds * 37 % 1400);
      const std::int64_t gap = random() % 3 == 0 ? 50'000'000 + static_cast<std::int64_t>(random() % 1000) : 49'999'999;
      s = {gap, 28 + payload, payload};
    }
    const expected_padding wanted(steps, 50'000'000);
    const auto row = row_of<Config>(steps);
    CHECK(row.unique_size_count == wanted.distinct);
    CHECK(close(row.size_entropy, wanted.entropy));
    CHECK(close(row.avg_burst_payload_efficiency, wanted.efficiency));
    CHECK(row.burst_overhead_bytes == wanted.overhead);
    CHECK(row.burst_padding_ratio == wanted.overhead_ratio);
  }
}

TEST_CASE("the padding group says what timing and size say") {
  std::mt19937 random(3);
  std::vector<step> steps(200);
  for (step& s : steps) s = with_length(28 + static_cast<std::uint32_t>(random() % 1400));
  for (step& s : steps) s.gap_ns = static_cast<std::int64_t>(random() % 100'000'000);
  for (const std::size_t count : {2u, 9u, 10u, 11u, 200u}) {
    const auto row = row_of<soon_long>({steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(count)});
    CHECK(row.pkt_size_variance == row.pkt_len_variance);
    CHECK(row.dominant_size_mode == row.dominant_pkt_size);
    CHECK(row.dominant_size_ratio == row.dominant_pkt_ratio);
    CHECK(row.iat_cv == row.burstiness_index);
    CHECK(row.iat_variance == doctest::Approx(row.iat_std * row.iat_std).epsilon(1e-12));
  }
}

// ---- Long flows --------------------------------------------------------------------------------------------------

namespace {

/// Sizes as flows have them: a few very frequent ones, and a tail.
std::vector<step> long_flow(std::mt19937& random, std::size_t packets, std::uint32_t modes, std::uint32_t tail_percent,
                            std::uint32_t largest) {
  std::vector<std::uint32_t> frequent(modes);
  for (std::uint32_t& size : frequent) size = 28 + static_cast<std::uint32_t>(random() % largest);
  std::vector<step> steps(packets);
  for (step& s : steps) {
    const bool tail = random() % 100 < tail_percent;
    const std::size_t skewed = (std::min)(random() % modes, random() % modes);
    s = with_length(tail ? 28 + static_cast<std::uint32_t>(random() % largest) : frequent[skewed]);
  }
  return steps;
}

}  // namespace

TEST_CASE("distinct sizes of long flows: exact below 1536, within 5 per cent with up to some hundred jumbo sizes") {
  std::mt19937 random(4);
  for (const std::uint32_t largest : {100u, 1400u})
    for (int round = 0; round < 5; ++round) {
      const std::vector<step> steps = long_flow(random, 1500, 12, 30, largest);
      CHECK(row_of<soon_long>(steps).unique_size_count == expected_padding(steps, 1).distinct);
    }
  for (const std::uint32_t sizes : {1u, 2u, 10u, 40u, 100u}) {  // in series, as segmentation makes them
    std::vector<step> steps;
    for (std::uint32_t at = 0; at < 2 * sizes + 20; ++at) steps.push_back(with_length(1536 + 1448 * (at % sizes)));
    const double got = static_cast<double>(row_of<soon_long>(steps).unique_size_count);
    CHECK(std::fabs(got - sizes) <= (std::max)(1.0, 0.05 * sizes));
  }
}

TEST_CASE("jumbo sizes that share a bit of the map are told apart while there are few") {
  // Headers and 2, 10 or 3 segments of 1,448 bytes, as interfaces join them; the first two share a bit.
  const std::vector<std::vector<std::uint32_t>> cases = {{2948, 14532}, {2948, 14532, 4396}, {2948, 14532, 60}};
  for (const std::vector<std::uint32_t>& sizes : cases) {
    std::vector<step> steps;
    for (std::size_t at = 0; at < 100 * sizes.size(); ++at) steps.push_back(with_length(sizes[at % sizes.size()]));
    const auto row = row_of<soon_long>(steps);
    CHECK(row.unique_size_count == sizes.size());
    CHECK(row.size_entropy > 0.99);
  }
}

TEST_CASE("entropy of sizes of long flows is within 0.03, also beyond 65,535 packets") {
  std::mt19937 random(5);
  for (const std::size_t packets : {200u, 2000u, 70'000u})
    for (const std::uint32_t modes : {1u, 8u, 20u})
      for (const std::uint32_t tail : {0u, 30u}) {
        const std::vector<step> steps = long_flow(random, packets, modes, tail, 1400);
        const expected_padding wanted(steps, 1);
        const auto row = row_of<soon_long>(steps);
        CHECK_MESSAGE(std::fabs(row.size_entropy - wanted.entropy) <= 0.03, packets, " packets, ", modes, " modes, ",
                      tail, " % tail: ", row.size_entropy, " instead of ", wanted.entropy);
      }
}

TEST_CASE("sizes of a long flow that are all equal, or all different") {
  const auto equal = row_of<soon_long>(mostly(1000, 0));
  CHECK(equal.unique_size_count == 1);
  CHECK(equal.size_entropy == 0);
  CHECK(equal.is_constant_size);
  const auto different = row_of<soon_long>(mostly(1, 700));
  CHECK(different.unique_size_count == 701);
  CHECK(different.size_entropy > 0.97);
  CHECK(different.size_entropy <= 1);
}

TEST_CASE("bursts of long flows keep their shares, however many and however uneven") {
  std::mt19937 random(6);
  std::vector<step> steps(5000);
  for (step& s : steps) {
    const std::uint32_t payload = random() % 50 == 0 ? 1 : 0;
    s = {random() % 40 == 0 ? 50'000'000 : 10, 28 + payload, payload};
  }
  CHECK(close(row_of<soon_long>(steps).avg_burst_payload_efficiency, expected_padding(steps, 50'000'000).efficiency));
  for (step& s : steps) s = {10, 4'000'000'000, 3'999'999'000};  // a burst beyond 2^32 bytes
  steps[4000].gap_ns = 50'000'000;
  jj::burst_shares shares{};
  struct burst_now {
    std::uint32_t current_burst;
  } now{0};
  for (const step& s : steps) {
    jj::logged_packet p{};
    p.opens_flow = &s == &steps[0];
    p.ip_len = s.ip_len;
    p.payload_len = s.payload_len;
    now.current_burst = s.gap_ns == 50'000'000 ? 1 : now.current_burst + 1;
    shares.update(p, now);
  }
  CHECK(close(jj::quotient(shares.share_sum(), jj::wide<2>{{0, 2}}), 3'999'999'000.0 / 4e9));
}

TEST_CASE("size_entropy never leaves 0 to 1 and nothing overflows, for any sizes") {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<step> steps(11 + random() % 3000);
    const unsigned shift = static_cast<unsigned>(random() % 24);
    for (step& s : steps)
      s = with_length(28 + static_cast<std::uint32_t>(random() % 2 == 0 ? random() & 0xFFFFFF : random() & 0x7FF) %
                               (std::uint32_t{40} << shift));
    const auto row = row_of<soon_long>(steps);
    CHECK(row.size_entropy >= 0);
    CHECK(row.size_entropy <= 1);
    CHECK(row.unique_size_count >= 1);
  }
}

TEST_CASE("padding adds to a long state what timing and size do not keep, and nothing to a slot") {
  using with = jj::engine<with_others>;
  using without = jj::engine<raw_config<jj::timing, jj::size>>;
  CHECK(with::footprint().slot == without::footprint().slot);
  CHECK(with::footprint().long_state <= without::footprint().long_state + 368);
  CHECK(sizeof(jj::variety_sketch) == 320);
}
