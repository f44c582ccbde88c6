// Sections 6, 9, 10 and 12: logarithms and entropies in integers, coded histograms, and the entropy group: payload samples
// of any traffic, in pools of any size, against samples that the test keeps itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using jj::end_reason;

// ---- Logarithms --------------------------------------------------------------------------------------------------

namespace {

constexpr double unit = 1.0 / (std::uint64_t{1} << 58);

double error_of_logarithm(std::uint64_t x) {
  const std::uint64_t got = jj::logarithm(x);
  const double fraction = static_cast<double>(got & ((std::uint64_t{1} << 58) - 1)) * unit;
  int exponent = 0;
  const double mantissa = 2 * std::frexp(static_cast<double>(x), &exponent);
  REQUIRE((got >> 58) >= static_cast<unsigned>(exponent) - 1);
  return std::fabs(static_cast<double>((got >> 58) - (static_cast<unsigned>(exponent) - 1)) + fraction -
                   std::log2(mantissa));
}

/// In a form that loses nothing when one count is nearly everything.
double entropy_of(const std::vector<std::uint64_t>& counts) {
  double n = 0, sum = 0;
  for (const std::uint64_t c : counts) n += static_cast<double>(c);
  for (const std::uint64_t c : counts)
    if (c != 0) sum -= static_cast<double>(c) / n * std::log1p(-(n - static_cast<double>(c)) / n) / std::log(2.0);
  return sum;
}
double bits_of(const jj::shannon_entropy& sum, std::uint64_t total) {
  return jj::quotient(sum.scaled(total), jj::product(total, std::uint64_t{1} << jj::logarithm_bits));
}
double our_entropy(const std::vector<std::uint64_t>& counts) {
  jj::shannon_entropy sum;
  std::uint64_t total = 0;
  for (const std::uint64_t c : counts) sum.add(c), total += c;
  return bits_of(sum, total);
}
bool close(double got, double wanted) { return std::fabs(got - wanted) <= 1e-9 * std::fabs(wanted); }

}  // namespace

TEST_CASE("logarithms of powers of two are whole, all others as near as a double can tell") {
  for (unsigned power = 0; power < 63; ++power)
    CHECK(jj::logarithm(std::uint64_t{1} << power) == std::uint64_t{power} << 58);
  double worst = 0;
  for (std::uint64_t x = 1; x < 70'000; ++x) worst = std::max(worst, error_of_logarithm(x));
  std::mt19937_64 random(1);
  for (int at = 0; at < 100'000; ++at) {
    const std::uint64_t x = random() >> (12 + random() % 51);  // 52 bits: a double holds them
    if (x != 0) worst = std::max(worst, error_of_logarithm(x));
  }
  CHECK(worst < 4e-16);  // the last place of the C library's answer
  CHECK(jj::logarithm((std::uint64_t{1} << 63) - 1) <= std::uint64_t{63} << 58);
  CHECK(jj::logarithm((std::uint64_t{1} << 63) - 1) > (std::uint64_t{63} << 58) - 3);
}

TEST_CASE("logarithms obey log(ab) = log(a) + log(b) to the last bits") {
  std::mt19937_64 random(2);
  for (int at = 0; at < 100'000; ++at) {
    const std::uint64_t a = random() >> (33 + random() % 30), b = random() >> (33 + random() % 30);
    if (a == 0 || b == 0) continue;
    const std::uint64_t sum = jj::logarithm(a) + jj::logarithm(b), whole = jj::logarithm(a * b);
    CHECK((sum > whole ? sum - whole : whole - sum) <= 4);
  }
}

TEST_CASE("logarithms have the same bits on every target") {
  std::uint64_t digest = 0;
  for (std::uint64_t x = 1; x < 20'000; ++x) digest = digest * 0x100000001b3 + jj::logarithm(x * x * x + x);
  CHECK(digest == 0x85e13f3c89aede1f);
}

TEST_CASE(
    "counts times their logarithms: rounded like the logarithm, whole for powers of two, the same from the table") {
  CHECK(jj::weighted_logarithm(0) == 0);
  for (unsigned power = 0; power <= 17; ++power)
    CHECK(jj::weighted_logarithm(1u << power) == std::uint64_t{power << power} << jj::weighted_bits);
  double worst = 0;
  for (std::uint32_t count = 1; count <= 131'072; ++count) {
    const jj::wide<2> exact = jj::product(count, jj::logarithm(count));
    const std::uint64_t upper = exact.word[1] << 48 | exact.word[0] >> 16, weight = jj::weighted_logarithm(count);
    REQUIRE(weight - upper == ((exact.word[0] & 0xFFFF) >= 0x8000 ? 1 : 0));
    const double wanted = count * std::log2(static_cast<double>(count));
    worst = std::max(worst, std::fabs(std::ldexp(static_cast<double>(weight), -42) - wanted) / std::max(wanted, 1.0));
  }
  CHECK(worst < 3e-14);  // half a unit, 2^-43, of 3 log2(3)
  for (std::uint32_t count = 0; count < jj::detail::weight_table::size; ++count)
    CHECK(jj::detail::small_weights.of[count] == jj::weighted_logarithm(count));
}

TEST_CASE("entropies known by heart") {
  CHECK(our_entropy({}) == 0);
  CHECK(our_entropy({1}) == 0);
  CHECK(our_entropy({123456}) == 0);
  CHECK(our_entropy({1, 1}) == 1);
  CHECK(our_entropy({40, 40}) == 1);
  CHECK(our_entropy({0, 2, 2, 0, 4}) == 1.5);
  CHECK(our_entropy(std::vector<std::uint64_t>(256, 1)) == 8);
  CHECK(our_entropy(std::vector<std::uint64_t>(256, 77)) == 8);
}

TEST_CASE("entropies are right to 1e-9 of their value, also when nearly all is one value") {
  CHECK(close(our_entropy({65534, 2}), entropy_of({65534, 2})));
  CHECK(close(our_entropy({131'069, 1}), entropy_of({131'069, 1})));
  CHECK(close(our_entropy({10'000'000, 1}), entropy_of({10'000'000, 1})));
  CHECK(close(our_entropy({4'294'967'294, 1}), entropy_of({4'294'967'294, 1})));
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::uint64_t> counts(1 + random() % 256);
    for (std::uint64_t& count : counts) count = random() >> (random() % 32);
    CHECK(close(our_entropy(counts), entropy_of(counts)));
  }
}

TEST_CASE("items spread over values count as that many values with equal counts") {
  jj::shannon_entropy spread, single;
  spread.add(600, 6);
  spread.add(44);
  for (int value = 0; value < 6; ++value) single.add(100);
  single.add(44);
  CHECK(bits_of(spread, 644) == doctest::Approx(bits_of(single, 644)).epsilon(1e-14));
}

// ---- Coded histograms --------------------------------------------------------------------------------------------

namespace {

using octets = std::vector<std::uint8_t>;
jj::bytes view(const octets& o) { return {o.data(), o.size()}; }

/// Words of exactly the length that the code promises: one more is seen.
std::vector<std::uint32_t> coded(const jj::byte_histogram& counts, std::size_t sampled) {
  std::vector<std::uint32_t> words((jj::byte_histogram::coded_bits(sampled) + 31) / 32);
  std::size_t at = 0;
  counts.write_coded([&]() -> std::uint32_t& { return words.at(at++); });
  return words;
}
void read_coded(jj::byte_histogram& counts, const std::vector<std::uint32_t>& words) {
  std::size_t at = 0;
  counts.read_coded([&] { return words.at(at++); });
  CHECK(at == words.size());
}
octets random_sample(std::mt19937& random, std::size_t length) {
  octets sample(length);
  const unsigned kind = random() % 4;
  for (std::uint8_t& byte : sample)
    byte = static_cast<std::uint8_t>(kind == 0   ? random()
                                     : kind == 1 ? 'a' + random() % 26
                                     : kind == 2 ? 255
                                                 : random() & random() & random());
  return sample;
}

}  // namespace

TEST_CASE("256 bytes of any kind are a histogram of 64 bytes") { CHECK(jj::byte_histogram::coded_bits(256) == 512); }

TEST_CASE("a coded histogram reads back, in place of what was there") {
  std::mt19937 random(4);
  jj::byte_histogram again{};
  for (const std::size_t length :
       std::vector<std::size_t>{0, 1, 2, 31, 32, 33, 64, 65, 255, 256, 257, 512, 4000, 65535})
    for (int round = 0; round < 8; ++round) {
      jj::byte_histogram counts{};
      counts.add(view(random_sample(random, length)));
      read_coded(again, coded(counts, length));
      for (unsigned byte = 0; byte < 256; ++byte) REQUIRE(again.count(byte) == counts.count(byte));
    }
}

// ---- The group ---------------------------------------------------------------------------------------------------

namespace {

template <class... Groups> struct raw_config : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr jj::link_type link = jj::link_type::raw;
  static constexpr std::size_t max_flows = 16;
};
struct only_entropy : raw_config<jj::entropy> {};
struct long_samples : raw_config<jj::entropy> {
  static constexpr std::size_t entropy_sample_bytes = 65535;
};
struct beside_logs : raw_config<jj::entropy, jj::timing, jj::gap_sequences> {
  static constexpr std::size_t sample_packets = 60;
};

traffic::made_frame with_payload(std::uint32_t conversation, bool from_client, std::int64_t at_ns,
                                 const octets& payload) {
  const fb::ipv4_header header = traffic::header_of(conversation, from_client);
  return {fb::ipv4(header, fb::ip_protocol::udp,
                   fb::udp(from_client ? traffic::client_port : traffic::server_port,
                           from_client ? traffic::server_port : traffic::client_port, payload)),
          traffic::start + at_ns};
}
octets text(const char* characters) { return fb::ascii(characters); }

/// Feeds the payloads, forward and backward in turn where both have one left, and reads the flow.
template <class Config>
jj::entropy read_entropy(const std::vector<octets>& forward, const std::vector<octets>& backward) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  jj::row_for<jj::type_list<jj::entropy>> row;
  for (std::size_t at = 0; at < std::max(forward.size(), backward.size()); ++at) {
    const std::int64_t now = static_cast<std::int64_t>(at);
    if (at < forward.size())
      row = engine->feed(with_payload(1, true, now, forward[at]), traffic::ignore).flow.template read<jj::entropy>();
    if (at < backward.size())
      row = engine->feed(with_payload(1, false, now, backward[at]), traffic::ignore).flow.template read<jj::entropy>();
  }
  engine->flush(traffic::ignore);
  CHECK(engine->statistics().used_chunks == 0);
  return row;
}

/// What the group says of two samples, in doubles.
struct expected_entropy {
  double entropy[3], uniformity, printable, null, high;
  std::uint64_t sampled;

  expected_entropy(const octets& forward, const octets& backward) {
    octets both = forward;
    both.insert(both.end(), backward.begin(), backward.end());
    entropy[0] = of(forward), entropy[1] = of(backward), entropy[2] = of(both);
    sampled = both.size();
    const double n = static_cast<double>(sampled);
    std::uint64_t squares = 0;
    for (const std::uint64_t count : counts_of(both)) squares += count * count;
    uniformity = sampled < 256 ? 0 : 1 + 1.0 / 256 - static_cast<double>(squares) / (n * n);
    const auto share = [&](unsigned least, unsigned most) {
      const auto inside = std::count_if(both.begin(), both.end(), [&](unsigned b) { return b >= least && b <= most; });
      return sampled != 0 ? static_cast<double>(inside) / n : 0;
    };
    printable = share(32, 126), null = share(0, 0), high = share(128, 255);
  }
  bool agrees(const jj::entropy& row) const {
    const auto near = [](double a, double b) { return std::fabs(a - b) <= 1e-12; };
    const double ratio = entropy[1] != 0 ? entropy[0] / entropy[1] : entropy[0];
    return row.payload_bytes_sampled == sampled && near(row.entropy_initiator, entropy[0]) &&
           near(row.entropy_responder, entropy[1]) && near(row.entropy_payload, entropy[2]) &&
           std::fabs(row.entropy_ratio - ratio) <= 1e-9 * ratio && near(row.byte_distribution_uniformity, uniformity) &&
           near(row.printable_ratio, printable) && near(row.null_ratio, null) && near(row.high_byte_ratio, high);
  }

 private:
  static std::vector<std::uint64_t> counts_of(const octets& sample) {
    std::vector<std::uint64_t> counts(256);
    for (const std::uint8_t byte : sample) ++counts[byte];
    return counts;
  }
  static double of(const octets& sample) { return entropy_of(counts_of(sample)); }
};

}  // namespace

TEST_CASE_TEMPLATE("nothing sampled is 0 in everything", Config, only_entropy, beside_logs) {
  const jj::entropy row = read_entropy<Config>({{}}, {{}, {}});
  CHECK(expected_entropy({}, {}).agrees(row));
  CHECK(row.payload_bytes_sampled == 0);
  CHECK(row.entropy_ratio == 0);
}

TEST_CASE_TEMPLATE("hand-computed samples", Config, only_entropy, beside_logs) {
  const jj::entropy one = read_entropy<Config>({text("aabb")}, {});
  CHECK(one.entropy_initiator == 1);
  CHECK(one.entropy_payload == 1);
  CHECK(one.entropy_responder == 0);
  CHECK(one.entropy_ratio == 1);
  CHECK(one.printable_ratio == 1);
  CHECK(one.byte_distribution_uniformity == 0);

  const jj::entropy two = read_entropy<Config>({text("ab"), text("ab")}, {{0, 0, 0x80, 0xFF}});
  CHECK(two.entropy_responder == 1.5);
  CHECK(two.entropy_ratio == 1 / 1.5);
  CHECK(two.entropy_payload == 2.25);  // 2 2 2 1 1 of 8
  CHECK(two.printable_ratio == 0.5);
  CHECK(two.null_ratio == 0.25);
  CHECK(two.high_byte_ratio == 0.25);
  CHECK(two.payload_bytes_sampled == 8);
}

TEST_CASE("the ends of uniformity: every value once, and one value only") {
  octets all(256);
  for (unsigned byte = 0; byte < 256; ++byte) all[byte] = static_cast<std::uint8_t>(byte);
  CHECK(read_entropy<only_entropy>({all}, {}).byte_distribution_uniformity == 1);
  CHECK(read_entropy<only_entropy>({all}, {}).entropy_payload == 8);
  CHECK(read_entropy<only_entropy>({octets(256, 7)}, {}).byte_distribution_uniformity == 1.0 / 256);
  CHECK(read_entropy<only_entropy>({octets(255, 7)}, {}).byte_distribution_uniformity == 0);
}

TEST_CASE("shares of printable, null and high bytes at their edges") {
  const jj::entropy row = read_entropy<only_entropy>({{31, 32, 126, 127, 128, 255, 0, 1}}, {});
  CHECK(row.printable_ratio == 0.25);
  CHECK(row.null_ratio == 0.125);
  CHECK(row.high_byte_ratio == 0.25);
}

TEST_CASE_TEMPLATE("a sample is strung together from any number of packets and ends at its limit", Config, only_entropy,
                   beside_logs) {
  octets stream;
  std::vector<octets> tiny;
  std::mt19937 random(5);
  for (int at = 0; at < 700; ++at) {
    stream.push_back(static_cast<std::uint8_t>(random() % 200));
    tiny.push_back({stream.back()});
  }
  const octets sample(stream.begin(), stream.begin() + 256);
  CHECK(expected_entropy(sample, {}).agrees(read_entropy<Config>(tiny, {})));
  CHECK(expected_entropy(sample, {}).agrees(read_entropy<Config>({stream}, {})));
  CHECK(expected_entropy(sample, sample).agrees(read_entropy<Config>(tiny, tiny)));
  CHECK(expected_entropy(octets(stream.begin(), stream.begin() + 100), sample)
            .agrees(read_entropy<Config>({octets(stream.begin(), stream.begin() + 100)}, tiny)));
}

TEST_CASE("a sample that is nearly all one value loses no digits") {
  std::vector<octets> pieces(46, octets(1400, 'a'));
  pieces.push_back({'b'});
  const jj::entropy row = read_entropy<long_samples>(pieces, {});
  CHECK(row.payload_bytes_sampled == 64'401);
  const double wanted = entropy_of({64'400, 1});
  CHECK(std::fabs(row.entropy_initiator - wanted) <= 1e-12 * wanted);
  CHECK(row.entropy_payload == row.entropy_initiator);
}

TEST_CASE("later fragments, other protocols and cut captures: what was captured counts") {
  const auto engine = std::make_unique<jj::engine<only_entropy>>();
  fb::ipv4_header header = traffic::header_of(1, true);
  header.id = 9;
  header.flags_and_offset = fb::more_fragments;
  const octets datagram = fb::udp(traffic::client_port, traffic::server_port, text("ABCDEFGHlater"));
  const octets head(datagram.begin(), datagram.begin() + 16), tail(datagram.begin() + 16, datagram.end());
  engine->feed(traffic::made_frame{fb::ipv4(header, fb::ip_protocol::udp, head), traffic::start}, traffic::ignore);
  header.flags_and_offset = 2;
  auto fed =
      engine->feed(traffic::made_frame{fb::ipv4(header, fb::ip_protocol::udp, tail), traffic::start}, traffic::ignore);
  CHECK(fed.flow.packets() == 2);
  CHECK(expected_entropy(text("ABCDEFGHlater"), {}).agrees(fed.flow.read<jj::entropy>()));

  const traffic::made_frame gre{fb::ipv4(traffic::header_of(2, true), fb::ip_protocol::gre, text("anything")),
                                traffic::start};
  fed = engine->feed(gre, traffic::ignore);
  CHECK(expected_entropy(text("anything"), {}).agrees(fed.flow.read<jj::entropy>()));

  const traffic::made_frame whole = with_payload(3, true, 0, text("cut off here, not there"));
  jj::frame cut = whole;
  cut.captured = 28 + 7;
  fed = engine->feed(cut, traffic::ignore);
  CHECK(expected_entropy(text("cut off"), {}).agrees(fed.flow.read<jj::entropy>()));
  engine->flush(traffic::ignore);
  CHECK(engine->statistics().used_chunks == 0);
}

// ---- Pools of any size under any traffic -------------------------------------------------------------------------

namespace {

/// What a test remembers of the flows that are open: their samples, whole.
class sample_model {
 public:
  explicit sample_model(std::size_t limit) : limit_(limit) {}
  void add(std::uint32_t conversation, bool from_client, const octets& payload) {
    open_flow& flow = open_.emplace(conversation, open_flow{from_client, {}}).first->second;
    octets& sample = flow.sample[from_client == flow.client_opened ? 0 : 1];
    sample.insert(sample.end(), payload.begin(), payload.end());
    if (sample.size() > limit_) sample.resize(limit_);
  }
  template <class Flow> void end(const jj::entropy& row, const Flow& flow) {
    const auto found = open_.find(conversation_of(flow));
    REQUIRE(found != open_.end());
    REQUIRE(expected_entropy(found->second.sample[0], found->second.sample[1]).agrees(row));
    open_.erase(found);
    ++ended;
  }
  std::size_t open() const { return open_.size(); }
  std::uint64_t ended = 0;

 private:
  struct open_flow {
    bool client_opened;
    octets sample[2];
  };
  template <class Flow> static std::uint32_t conversation_of(const Flow& flow) {
    const jj::ip_address from = flow.address(jj::fwd), to = flow.address(jj::bwd);
    const std::uint8_t* const client = from.octets[0] == 10 ? from.octets : to.octets;
    return std::uint32_t{client[1]} << 16 | std::uint32_t{client[2]} << 8 | client[3];
  }
  std::size_t limit_;
  std::map<std::uint32_t, open_flow> open_;
};

template <std::size_t Flows, std::size_t Chunks, std::size_t Bytes> struct bare : raw_config<jj::entropy> {
  static constexpr std::size_t max_flows = Flows;
  static constexpr std::size_t sample_chunks = Chunks;
  static constexpr std::size_t entropy_sample_bytes = Bytes;
};
template <std::size_t Flows, std::size_t Chunks, std::size_t Sample>
struct logged : raw_config<jj::entropy, jj::timing> {
  static constexpr std::size_t max_flows = Flows;
  static constexpr std::size_t sample_chunks = Chunks;
  static constexpr std::size_t sample_packets = Sample;
  static constexpr std::size_t log_chunks = 2 * Sample / 7 + 1;
  static constexpr std::size_t long_flows = 2;
};
struct scarce_logged : logged<16, 2, 3> {
  static constexpr std::size_t entropy_sample_bytes = 64;
};
struct with_heads : raw_config<jj::entropy, jj::gap_sequences> {
  static constexpr std::size_t max_flows = 12;
  static constexpr std::size_t sample_chunks = 9;
  static constexpr std::size_t sample_packets = 9;
  static constexpr std::size_t log_chunks = 4;
  static constexpr std::size_t max_sequence_length = 8;
  static constexpr std::size_t long_flows = 2;
};
struct at_run_time : raw_config<jj::entropy> {
  static constexpr std::size_t sample_chunks = 300;
  static inline std::int64_t entropy_sample_bytes = 70;
};

}  // namespace

using pools = std::tuple<bare<1, 8, 256>, bare<5, 8, 256>, bare<40, 21, 256>, bare<40, 0, 256>, bare<9, 2, 1>,
                         bare<9, 2, 64>, bare<9, 4, 65>, bare<9, 8, 255>, bare<9, 9, 257>, bare<9, 9, 1000>,
                         bare<9, 10, 1793>, bare<9, 300, 65535>, bare<9, 2, 0>, logged<1, 8, 1>, logged<20, 8, 3>,
                         logged<20, 11, 40>, with_heads, at_run_time>;

TEST_CASE_TEMPLATE_DEFINE("every flow's samples are right, whatever runs short, and all chunks come back", Config,
                          any_pool) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    const auto engine = std::make_unique<jj::engine<Config>>();
    sample_model model(static_cast<std::size_t>(Config::entropy_sample_bytes));
    const auto sink = [&](const auto& row, const auto& flow, end_reason) { model.end(row, flow); };
    std::mt19937 random(seed);
    for (int round = 0; round < 2; ++round) {
      for (int at = 0; at < 4000; ++at) {
        const std::uint32_t conversation = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % 60 : random() % 6);
        const bool from_client = random() % 3 != 0;
        const std::size_t length = random() % 3 == 0 ? 0 : random() % 4 == 0 ? random() % 1400 : random() % 70;
        const octets payload = random_sample(random, length);
        const auto fed =
            engine->feed(with_payload(conversation, from_client, at * traffic::millisecond, payload), sink);
        REQUIRE(fed.what == jj::verdict::counted);
        model.add(conversation, from_client, payload);
      }
      engine->flush(sink);
      CHECK(model.open() == 0);
      CHECK(model.ended == engine->statistics().flows_created);
      CHECK(engine->statistics().used_chunks == 0);
      CHECK(engine->statistics().used_long_states == 0);
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(any_pool, pools);

TEST_CASE("want of a chunk ends the least recently used flow that holds one, and no other") {
  const auto engine = std::make_unique<jj::engine<bare<16, 3, 64>>>();
  traffic::recorder ended;
  std::int64_t now = 0;
  for (std::uint32_t conversation = 1; conversation <= 3; ++conversation)
    engine->feed(traffic::udp(conversation, true, ++now, 10), ended);
  for (std::uint32_t conversation = 4; conversation <= 9; ++conversation)
    engine->feed(traffic::udp(conversation, true, ++now, 0), ended);
  engine->feed(traffic::udp(1, true, ++now, 10), ended);
  CHECK(ended.flows.empty());
  engine->feed(traffic::udp(4, true, ++now, 10), ended);  // 2 goes: 1 was used since
  engine->feed(traffic::udp(1, false, ++now, 10), ended);
  REQUIRE(ended.flows.size() == 2);
  CHECK(ended.flows[0].initiator == traffic::client(2));
  CHECK(ended.flows[1].initiator == traffic::client(3));
  CHECK(engine->statistics().evicted_for_chunk == 2);
  CHECK(engine->statistics().used_chunks == 3);
  engine->flush(ended);
  CHECK(engine->statistics().used_chunks == 0);
}

TEST_CASE("a long flow that holds a sample gives way for a chunk; one without does not") {
  const auto engine = std::make_unique<jj::engine<scarce_logged>>();
  traffic::recorder ended;
  std::int64_t now = 0;
  for (int packet = 0; packet < 5; ++packet) engine->feed(traffic::udp(1, true, ++now, 0), ended);
  for (int packet = 0; packet < 5; ++packet) engine->feed(traffic::udp(2, packet % 2 == 0, ++now, 20), ended);
  CHECK(engine->statistics().used_long_states == 2);
  CHECK(engine->statistics().used_chunks == 2);
  engine->feed(traffic::udp(3, true, ++now, 20), ended);
  engine->feed(traffic::udp(3, false, ++now, 0), ended);  // no longer one-sided
  engine->feed(traffic::udp(4, true, ++now, 20), ended);
  REQUIRE(ended.flows.size() == 1);
  CHECK(ended.flows[0].initiator == traffic::client(2));
  CHECK(ended.flows[0].packets == 5);
  engine->flush(ended);
}

TEST_CASE("who opens flows of one full packet each takes a chunk a flow and no more") {
  const auto engine = std::make_unique<jj::engine<bare<32, 64, 256>>>();
  for (std::uint32_t conversation = 0; conversation < 200; ++conversation)
    engine->feed(traffic::udp(conversation, true, conversation, 1400), traffic::ignore);
  CHECK(engine->statistics().used_chunks == 32);
  CHECK(engine->statistics().evicted_for_chunk == 0);
  engine->flush(traffic::ignore);
}

TEST_CASE("what two complete samples say takes one chunk, and stays") {
  std::mt19937 random(6);
  const auto engine = std::make_unique<jj::engine<only_entropy>>();
  const octets forward = random_sample(random, 256), backward = random_sample(random, 256);
  const octets first(backward.begin(), backward.begin() + 100), rest(backward.begin() + 100, backward.end());
  std::int64_t now = 0;
  const auto feed = [&](bool from_client, const octets& payload) {
    return engine->feed(with_payload(1, from_client, ++now, payload), traffic::ignore)
        .flow.template read<jj::entropy>();
  };
  const auto used = [&] { return engine->statistics().used_chunks; };
  feed(true, forward);
  CHECK(used() == 1);
  CHECK(expected_entropy(forward, first).agrees(feed(false, first)));
  CHECK(used() == 3);
  CHECK(expected_entropy(forward, backward).agrees(feed(false, rest)));
  CHECK(used() == 1);
  for (const bool from_client : {true, false})
    CHECK(expected_entropy(forward, backward).agrees(feed(from_client, octets(300, 0))));
  CHECK(used() == 1);
  engine->flush(traffic::ignore);
  CHECK(used() == 0);
}

TEST_CASE("a setting that grows lengthens the samples that were not both complete") {
  const std::int64_t before = at_run_time::entropy_sample_bytes;
  const auto engine = std::make_unique<jj::engine<at_run_time>>();
  const octets payload(400, 'a');
  for (const std::uint32_t conversation : {1u, 2u})
    engine->feed(with_payload(conversation, true, conversation, payload), traffic::ignore);
  engine->feed(with_payload(1, false, 3, payload), traffic::ignore);
  at_run_time::entropy_sample_bytes = 300;
  const auto sampled = [&](std::uint32_t conversation, bool from_client, std::int64_t at) {
    return engine->feed(with_payload(conversation, from_client, at, payload), traffic::ignore)
        .flow.template read<jj::entropy>()
        .payload_bytes_sampled;
  };
  CHECK(sampled(1, true, 4) == 140);
  CHECK(sampled(1, false, 5) == 140);
  CHECK(sampled(2, true, 6) == 300);
  CHECK(sampled(2, false, 7) == 600);
  engine->flush(traffic::ignore);
  CHECK(engine->statistics().used_chunks == 0);
  at_run_time::entropy_sample_bytes = before;
}

TEST_CASE("samples take 12 bytes of a slot, and nothing where they are not wanted") {
  using with = jj::engine<raw_config<jj::flow_meta, jj::timing, jj::size, jj::tcp, jj::entropy>>;
  using without = jj::engine<raw_config<jj::flow_meta, jj::timing, jj::size, jj::tcp>>;
  CHECK(sizeof(jj::payload_sample::head) == 12);
  CHECK(with::footprint().slot <= without::footprint().slot + 16);
  CHECK(with::footprint().chunk == 68);
  CHECK(jj::engine<only_entropy>::footprint().long_states == 0);
  CHECK(jj::engine<only_entropy>::footprint().chunks == 24);
  CHECK(jj::engine<raw_config<jj::flow_meta, jj::tcp>>::footprint().chunks == 0);
}
