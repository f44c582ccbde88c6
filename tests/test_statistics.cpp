// Section 6: wide integers, rounding to double, moments, order statistics, and the stated bounds of the sketches.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

using generator = std::mt19937_64;

/// Of any length between 0 and 64 bits.
std::uint64_t random_word(generator& random) {
  const std::uint64_t bits = random();
  return random() % 16 == 0 ? 0 : bits >> random() % 64;
}
template <unsigned Words> jj::wide<Words> random_wide(generator& random) {
  jj::wide<Words> result{};
  for (std::uint64_t& word : result.word) word = random() % 4 == 0 ? UINT64_MAX : random_word(random);
  return result;
}

// Products too long for any native type are compared modulo primes below 2^31.
constexpr std::uint64_t primes[] = {2147483647, 2147483629, 2147483587};

template <unsigned Words> std::uint64_t residue(const jj::wide<Words>& x, std::uint64_t modulus) {
  std::uint64_t rest = 0;
  for (unsigned at = Words; at-- > 0;) {
    rest = (rest << 32 | x.word[at] >> 32) % modulus;
    rest = (rest << 32 | (x.word[at] & 0xFFFFFFFF)) % modulus;
  }
  return rest;
}

/// count^2 times the variance, from the definition.
template <class Value> std::uint64_t scaled_variance(const std::vector<Value>& values, std::uint64_t modulus) {
  std::uint64_t sum = 0, squares = 0;
  for (const Value value : values) {
    const std::uint64_t x = value % modulus;
    sum = (sum + x) % modulus;
    squares = (squares + x * x) % modulus;
  }
  return (squares * (values.size() % modulus) + (modulus - sum) * sum) % modulus;
}

template <unsigned ValueBits, class Value> jj::moments<ValueBits> moments_of(const std::vector<Value>& values) {
  jj::moments<ValueBits> result{};
  for (std::size_t at = 0; at < values.size(); ++at) result.add(values[at], at == 0);
  return result;
}

std::uint64_t below(generator& random, std::uint64_t limit) { return random() % limit; }
/// Above 0, at most 1.
double unit(generator& random) { return static_cast<double>((random() >> 11) + 1) / 9007199254740992.0; }

using draw = std::uint64_t (*)(generator&);

const struct {
  std::string name;
  draw gap;  // nanoseconds, at most 73 minutes
} gap_distributions[] = {
    {"constant", [](generator&) { return std::uint64_t{1'234'567}; }},
    {"zero", [](generator&) { return std::uint64_t{0}; }},
    {"uniform, short", [](generator& random) { return below(random, 50'000); }},
    {"uniform, long", [](generator& random) { return below(random, 30'000'000'000); }},
    {"exponential", [](generator& random) { return static_cast<std::uint64_t>(-5e7 * std::log(unit(random))); }},
    {"bimodal",
     [](generator& random) {
       return below(random, 10) == 0 ? 900'000'000 + below(random, 1000) : std::uint64_t{12'000};
     }},
    {"heavy tail",
     [](generator& random) { return static_cast<std::uint64_t>((std::min)(1000 / std::pow(unit(random), 2), 4e12)); }},
};

const struct {
  std::string name;
  draw length;  // bytes, at most 24 buckets of 16 from 1,536 on
} length_distributions[] = {
    {"constant", [](generator&) { return std::uint64_t{1500}; }},
    {"uniform", [](generator& random) { return 20 + below(random, 1516); }},
    {"exponential",
     [](generator& random) {
       return static_cast<std::uint64_t>((std::min)(40 - 200 * std::log(unit(random)), 1535.0));
     }},
    {"bimodal", [](generator& random) { return below(random, 5) == 0 ? std::uint64_t{52} : std::uint64_t{1500}; }},
    {"jumbo sizes apart", [](generator& random) { return 1600 + 2700 * below(random, 24); }},
    {"half jumbo",
     [](generator& random) { return below(random, 2) == 0 ? 40 + below(random, 100) : 8960 + below(random, 320); }},
};

/// The percentile at a position between 0 and n - 1.
double at_position(const std::vector<std::uint64_t>& sorted, double position) {
  const double last = static_cast<double>(sorted.size() - 1);
  position = (std::min)((std::max)(position, 0.0), last);
  const std::size_t low = static_cast<std::size_t>(position), high = (std::min)(low + 1, sorted.size() - 1);
  const double a = static_cast<double>(sorted[low]), b = static_cast<double>(sorted[high]);
  return a + (b - a) * (position - std::floor(position));
}

struct bound {
  double relative, absolute;  // of the value
  double rank;                // in parts of all values
};

/// Whether the answer is as near to the percentile as the bound says.
bool holds(const bound& promised, double answer, const std::vector<std::uint64_t>& sorted, unsigned percent) {
  const double count = static_cast<double>(sorted.size());
  const double position = (count - 1) * percent / 100, slack = promised.rank * count;
  const double low = at_position(sorted, slack > 0 ? std::floor(position - slack) : position);
  const double high = at_position(sorted, slack > 0 ? std::ceil(position + slack) : position);
  const double rounded = 1e-9 * high;  // these positions and their values are doubles
  return answer >= low * (1 - promised.relative) - promised.absolute - rounded &&
         answer <= high * (1 + promised.relative) + promised.absolute + rounded;
}

constexpr bound exact_rank_of_gap{0.0495, 1000, 0}, rank_of_gap{0.0495, 1000, 0.005};
constexpr std::size_t exact_until = 65534;  // then a bucket may be full

void check_gaps(std::vector<std::uint64_t> gaps) {
  const auto sketch = std::make_unique<jj::gap_sketch>();
  for (const std::uint64_t gap : gaps) sketch->add(gap);
  std::sort(gaps.begin(), gaps.end());
  for (unsigned percent = 0; percent <= 100; ++percent) {
    CAPTURE(percent);
    const double answer = sketch->at(percent, gaps.front(), gaps.back()).value();
    CAPTURE(answer);
    CHECK(holds(gaps.size() <= exact_until ? exact_rank_of_gap : rank_of_gap, answer, gaps, percent));
    CHECK(answer >= static_cast<double>(gaps.front()));
    CHECK(answer <= static_cast<double>(gaps.back()));
  }
}

/// Lengths of every third packet go backward. `bytes` is how far the answer may be off, `rank` by how much of the rank,
/// up to the percentile `last`.
void check_lengths(const std::vector<std::uint64_t>& lengths, double bytes, double rank = 0, unsigned last = 100) {
  const auto sketch = std::make_unique<jj::length_sketch>();
  std::vector<std::uint64_t> sorted[3];  // forward, backward, both
  for (std::size_t at = 0; at < lengths.size(); ++at) {
    const jj::direction dir = at % 3 == 2 ? jj::bwd : jj::fwd;
    sketch->add(static_cast<std::uint32_t>(lengths[at]), dir);
    sorted[dir].push_back(lengths[at]);
    sorted[2].push_back(lengths[at]);
  }
  const bound promised{0, bytes, rank + (lengths.size() <= exact_until ? 0 : 0.005)};
  for (unsigned which = 0; which < 3; ++which) {
    auto& those = sorted[which];
    if (those.empty()) continue;
    std::sort(those.begin(), those.end());
    for (unsigned percent = 0; percent <= last; ++percent) {
      CAPTURE(which);
      CAPTURE(percent);
      const double answer =
          sketch
              ->at(percent, which != jj::bwd, which != jj::fwd, static_cast<std::uint32_t>(those.front()),
                   static_cast<std::uint32_t>(those.back()))
              .value();
      CAPTURE(answer);
      CHECK(holds(promised, answer, those, percent));
      CHECK(answer >= static_cast<double>(those.front()));
      CHECK(answer <= static_cast<double>(those.back()));
    }
  }
}

/// What holds for every sequence, and, where the mode leads as documented, that it is found.
void check_mode(const std::vector<std::uint32_t>& lengths) {
  const auto sketch = std::make_unique<jj::mode_sketch>();
  std::map<std::uint32_t, std::uint32_t> counts;
  for (const std::uint32_t length : lengths) sketch->add(length), ++counts[length];
  CHECK(sketch->certain_count() <= counts[sketch->size()]);

  std::vector<std::pair<std::uint32_t, std::uint32_t>> order;
  for (const auto& entry : counts) order.emplace_back(entry.second, entry.first);
  std::sort(order.rbegin(), order.rend());
  const std::uint32_t most = order[0].first, second = order.size() > 1 ? order[1].first : 0;
  if (std::uint64_t{most - second} * 32 <= lengths.size()) return;
  CHECK(sketch->size() == order[0].second);
  CHECK(std::uint64_t{most - sketch->certain_count()} * 32 <= lengths.size());
}

/// `share` percent of one length, the others anywhere below 1,400 bytes.
std::vector<std::uint32_t> with_mode(generator& random, std::uint64_t share, std::size_t count) {
  std::vector<std::uint32_t> lengths(count);
  for (std::uint32_t& length : lengths)
    length = below(random, 100) < share ? 1420 : static_cast<std::uint32_t>(below(random, 1400));
  return lengths;
}

}  // namespace

#if defined(__SIZEOF_INT128__)
namespace {

__extension__ typedef unsigned __int128 native;

native native_of(const jj::wide<2>& x) { return static_cast<native>(x.word[1]) << 64 | x.word[0]; }

}  // namespace

TEST_CASE("wide integers calculate as native ones of 128 bits do") {
  generator random(61);
  for (int round = 0; round < 20000; ++round) {
    const auto a = random_wide<2>(random), b = random_wide<2>(random);
    const std::uint64_t word = random_word(random);
    const native x = native_of(a), y = native_of(b);
    jj::wide<2> sum = a, one_word_more = a, times = a;
    sum += b;
    one_word_more += word;
    times.multiply(word);
    CHECK((native_of(sum) == x + y));
    CHECK((native_of(one_word_more) == x + word));
    CHECK((native_of(times) == x * word));
    CHECK((a < b) == (x < y));
    jj::wide<2> difference = x < y ? b : a;
    difference -= x < y ? a : b;
    CHECK((native_of(difference) == (x < y ? y - x : x - y)));
    jj::wide<2> product = jj::product(a.word[0], word);
    CHECK((native_of(product) == static_cast<native>(a.word[0]) * word));
    CHECK((native_of(jj::square(jj::wide<1>{{word}})) == static_cast<native>(word) * word));
    const std::uint32_t divisor = static_cast<std::uint32_t>(random_word(random)) | 1;
    jj::wide<2> divided = a;
    CHECK((divided.divide(divisor) == x % divisor));
    CHECK((native_of(divided) == x / divisor));
  }
}

TEST_CASE("128 bits become the double that the compiler's conversion gives") {
  generator random(62);
  for (int round = 0; round < 20000; ++round) {
    const auto x = random_wide<2>(random);
    CHECK(jj::to_double(x) == static_cast<double>(native_of(x)));
  }
}
#endif

TEST_CASE("a carry runs through every word, and a borrow runs back") {
  jj::wide<4> x{{UINT64_MAX, UINT64_MAX, UINT64_MAX, 5}};
  x += 1;
  CHECK((x.word[0] == 0 && x.word[1] == 0 && x.word[2] == 0 && x.word[3] == 6));
  x -= jj::wide<4>::from(1);
  CHECK((x.word[0] == UINT64_MAX && x.word[1] == UINT64_MAX && x.word[2] == UINT64_MAX && x.word[3] == 5));
  x += jj::wide<2>{{1, UINT64_MAX}};
  CHECK((x.word[0] == 0 && x.word[1] == UINT64_MAX && x.word[2] == 0 && x.word[3] == 6));
}

TEST_CASE("a wide integer takes its value from fewer words") {
  const auto x = jj::wide<3>::from(jj::wide<2>{{7, 8}});
  CHECK((x.word[0] == 7 && x.word[1] == 8 && x.word[2] == 0));
  const auto y = jj::wide<3>::from(9);
  CHECK((y.word[0] == 9 && y.word[1] == 0 && y.word[2] == 0));
}

TEST_CASE("the upper word decides which wide integer is less") {
  CHECK(jj::wide<3>{{9, 9, 1}} < jj::wide<3>{{0, 0, 2}});
  CHECK_FALSE(jj::wide<3>{{0, 0, 2}} < jj::wide<3>{{9, 9, 1}});
  CHECK(jj::wide<3>{{9, 1, 2}} < jj::wide<3>{{0, 2, 2}});
  CHECK_FALSE(jj::wide<3>{{4, 5, 6}} < jj::wide<3>{{4, 5, 6}});
}

TEST_CASE("products and squares of several words are right modulo three primes") {
  generator random(63);
  for (int round = 0; round < 5000; ++round) {
    const auto a = random_wide<3>(random);
    const auto b = random_wide<2>(random);
    for (const std::uint64_t p : primes) {
      CHECK(residue(jj::product(a, b), p) == residue(a, p) * residue(b, p) % p);
      CHECK(residue(jj::square(a), p) == residue(a, p) * residue(a, p) % p);
    }
  }
}

TEST_CASE("dividing five words and multiplying again gives them back") {
  generator random(64);
  for (int round = 0; round < 5000; ++round) {
    const auto x = random_wide<5>(random);
    const std::uint32_t divisor = static_cast<std::uint32_t>(random_word(random)) | 1;
    auto back = x;
    const std::uint32_t rest = back.divide(divisor);
    CHECK(rest < divisor);
    back.multiply(divisor);
    back += rest;
    CHECK(std::equal(x.word, x.word + 5, back.word));
  }
}

TEST_CASE("a word becomes the nearest double") {
  generator random(65);
  for (int round = 0; round < 20000; ++round) {
    const std::uint64_t x = random_word(random);
    CHECK(jj::to_double(x) == static_cast<double>(x));
  }
}

TEST_CASE("a number halfway between two doubles becomes the even one") {
  const std::uint64_t big = std::uint64_t{1} << 53;
  CHECK(jj::to_double(big) == 9007199254740992.0);
  CHECK(jj::to_double(big + 1) == 9007199254740992.0);
  CHECK(jj::to_double(big + 2) == 9007199254740994.0);
  CHECK(jj::to_double(big + 3) == 9007199254740996.0);
  CHECK(jj::to_double(UINT64_MAX) == 18446744073709551616.0);
  CHECK(jj::to_double(UINT64_MAX - 0x3FF) == 18446744073709551616.0);
  CHECK(jj::to_double(UINT64_MAX - 0x400) == 18446744073709549568.0);
}

TEST_CASE("a single bit far below decides between two doubles") {
  const double half = std::ldexp(1.0, 319), next = half + std::ldexp(1.0, 319 - 52);
  CHECK(jj::to_double(jj::wide<5>{{0, 0, 0, 0, 0x8000000000000400}}) == half);
  CHECK(jj::to_double(jj::wide<5>{{1, 0, 0, 0, 0x8000000000000400}}) == next);
  CHECK(jj::to_double(jj::wide<5>{{0, 0, 1, 0, 0x8000000000000400}}) == next);
  CHECK(jj::to_double(jj::wide<5>{{0, 0, 0, 1, 0x8000000000000400}}) == next);
  CHECK(jj::to_double(jj::wide<5>{{0, 0, 0, 0, 0x8000000000000C00}}) == next + std::ldexp(1.0, 319 - 52));
  CHECK(jj::to_double(jj::wide<5>{{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0x80000000000003FF}}) == half);
  const double lower_half = std::ldexp(1.0, 112), lower_next = lower_half + std::ldexp(1.0, 60);
  CHECK(jj::to_double(jj::wide<2>{{0x0800000000000000, 0x1000000000000}}) == lower_half);
  CHECK(jj::to_double(jj::wide<2>{{0x0800000000000001, 0x1000000000000}}) == lower_next);
}

TEST_CASE("every power of two up to 320 bits is a double of its own") {
  jj::wide<5> power = jj::wide<5>::from(1);
  for (int exponent = 0; exponent < 320; ++exponent) {
    CHECK(jj::to_double(power) == std::ldexp(1.0, exponent));
    power.multiply(2);
  }
  CHECK(jj::to_double(power) == 0);
}

TEST_CASE("a quotient is one division, and 0 over nothing") {
  CHECK(jj::quotient(std::uint64_t{1}, std::uint64_t{3}) == 1.0 / 3.0);
  CHECK(jj::quotient(std::uint64_t{0}, std::uint64_t{3}) == 0);
  CHECK(jj::quotient(std::uint64_t{5}, std::uint64_t{0}) == 0);
  CHECK(jj::quotient(jj::wide<3>{{0, 0, 6}}, jj::wide<2>{{0, 4}}) == std::ldexp(1.5, 64));
  CHECK(jj::quotient(jj::wide<3>{{0, 0, 6}}, jj::wide<2>{}) == 0);
  CHECK(jj::root_quotient(5.0, std::uint64_t{2}) == 2.5);
  CHECK(jj::root_quotient(5.0, std::uint64_t{0}) == 0);
  CHECK(jj::root_quotient(3.0, jj::wide<2>{{0, 1}}) == std::ldexp(3.0, -64));
}

TEST_CASE("a difference of counters may be negative") {
  CHECK(jj::quotient_of_difference(7, 4, 2) == 1.5);
  CHECK(jj::quotient_of_difference(4, 7, 2) == -1.5);
  CHECK(jj::quotient_of_difference(4, 4, 2) == 0);
  CHECK(jj::quotient_of_difference(4, 7, 0) == 0);
  CHECK(jj::quotient_of_difference(0, UINT64_MAX, 1) == -18446744073709551616.0);
}

TEST_CASE("a ratio over nothing backward is what went forward") {
  CHECK(jj::direction_ratio(3, 2) == 1.5);
  CHECK(jj::direction_ratio(3, 0) == 3);
  CHECK(jj::direction_ratio(0, 0) == 0);
}

TEST_CASE("seconds are the double nearest to the decimal fraction") {
  generator random(66);
  std::vector<std::uint64_t> times = {
      0, 1, 999'999'999, 1'000'000'000, UINT64_MAX, INT64_MAX, 1'700'000'000'123'456'789};
  for (unsigned bit = 1; bit < 64; ++bit)
    for (int more = -2; more <= 2; ++more)
      times.push_back((std::uint64_t{1} << bit) + static_cast<std::uint64_t>(more));
  for (std::uint64_t whole = 0x1'0000'0000 - 3; whole < 0x1'0000'0003; ++whole)  // where `seconds` changes its format
    for (const std::uint64_t rest : {0u, 1u, 500'000'000u, 999'999'999u}) times.push_back(whole * 1'000'000'000 + rest);
  for (int round = 0; round < 20000; ++round) times.push_back(random_word(random));
  for (const std::uint64_t ns : times) {
    char decimal[40];
    std::snprintf(decimal, sizeof decimal, "%llu.%09llu", static_cast<unsigned long long>(ns / 1'000'000'000),
                  static_cast<unsigned long long>(ns % 1'000'000'000));
    CAPTURE(ns);
    CHECK(jj::seconds(ns) == std::strtod(decimal, nullptr));
  }
}

TEST_CASE("moments of eight small values") {
  const auto m = moments_of<32>(std::vector<std::uint32_t>{4, 2, 4, 4, 9, 5, 5, 7});
  CHECK(m.mean(8) == 5);
  CHECK(m.variance(8) == 4);
  CHECK(m.scaled_deviation(8) == 16);
  CHECK(m.least == 2);
  CHECK(m.most == 9);
  CHECK(m.sum.word[0] == 40);
  CHECK(m.mean_seconds(8) == 5e-9);
}

TEST_CASE("moments of nothing, of one value and of equal values") {
  const jj::moments<64> none{};
  CHECK(none.mean(0) == 0);
  CHECK(none.variance(0) == 0);
  CHECK(none.scaled_deviation(0) == 0);
  CHECK(none.mean_seconds(0) == 0);
  const auto one = moments_of<64>(std::vector<std::uint64_t>{77});
  CHECK(one.mean(1) == 77);
  CHECK(one.variance(1) == 0);
  CHECK(one.scaled_deviation(1) == 0);
  CHECK((one.least == 77 && one.most == 77));
  const auto equal = moments_of<64>(std::vector<std::uint64_t>(1000, 123'456'789'012'345'678));
  CHECK(equal.mean(1000) == 123'456'789'012'345'678.0);
  CHECK(equal.variance(1000) == 0);
}

TEST_CASE("moments stay exact for the largest values, and as many as there may be") {
  auto ends = moments_of<64>(std::vector<std::uint64_t>{UINT64_MAX, 0});
  auto ends32 = moments_of<32>(std::vector<std::uint32_t>{UINT32_MAX, 0});
  for (int doubled = 0; doubled < 31; ++doubled) {
    ends = ends.joined(ends, false, false);
    ends32 = ends32.joined(ends32, false, false);
  }
  const std::uint64_t count = std::uint64_t{1} << 32;
  CHECK(ends.mean(count) == std::ldexp(1.0, 63));
  CHECK(ends.variance(count) == std::ldexp(1.0, 126));
  CHECK(ends.mean_seconds(count) == std::ldexp(1.0, 95) / (std::ldexp(1.0, 32) * 1e9));
  CHECK(ends32.mean(count) == 2147483647.5);
  CHECK(ends32.variance(count) == 4611686016279904256.25);
  CHECK(ends32.scaled_deviation(count) == 2147483647.5 * 4294967296.0);
}

TEST_CASE("the variance follows its definition modulo three primes") {
  generator random(67);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint64_t> values(static_cast<std::size_t>(1 + below(random, 60)));
    for (std::uint64_t& value : values) value = random_word(random);
    std::vector<std::uint32_t> shorter;
    for (const std::uint64_t value : values) shorter.push_back(static_cast<std::uint32_t>(value));
    const auto wide = moments_of<64>(values);
    const auto narrow = moments_of<32>(shorter);
    for (const std::uint64_t p : primes) {
      CHECK(residue(wide.scaled_variance(values.size()), p) == scaled_variance(values, p));
      CHECK(residue(narrow.scaled_variance(values.size()), p) == scaled_variance(shorter, p));
    }
    CHECK(wide.least == *std::min_element(values.begin(), values.end()));
    CHECK(wide.most == *std::max_element(values.begin(), values.end()));
  }
}

TEST_CASE("the moments of two parts joined are those of the whole") {
  const std::vector<std::uint64_t> left = {9, UINT64_MAX, 5}, right = {7, 3}, whole = {9, UINT64_MAX, 5, 7, 3};
  const auto a = moments_of<64>(left), b = moments_of<64>(right), all = moments_of<64>(whole);
  for (const auto& joined : {a.joined(b, false, false), b.joined(a, false, false)}) {
    CHECK(std::equal(joined.squares.word, joined.squares.word + 3, all.squares.word));
    CHECK(std::equal(joined.sum.word, joined.sum.word + 2, all.sum.word));
    CHECK(joined.least == 3);
    CHECK(joined.most == UINT64_MAX);
  }
  const jj::moments<64> none{};
  CHECK(a.joined(none, false, true).least == 5);
  CHECK(none.joined(a, true, false).least == 5);
  CHECK(none.joined(a, true, false).mean(3) == a.mean(3));
  CHECK(none.joined(none, true, true).most == 0);
}

static double exact_percentile(const std::uint64_t* sorted, std::size_t count, unsigned percent) {
  return jj::detail::exact_percentile(sorted, count, percent, 1);
}

TEST_CASE("percentiles lie between their neighbours in proportion") {
  const std::uint64_t ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(exact_percentile(ten, 10, 0) == 1);
  CHECK(exact_percentile(ten, 10, 25) == 3.25);
  CHECK(exact_percentile(ten, 10, 50) == 5.5);
  CHECK(exact_percentile(ten, 10, 90) == 9.1);
  CHECK(exact_percentile(ten, 10, 100) == 10);
  CHECK(exact_percentile(ten, 9, 50) == 5);
  CHECK(exact_percentile(ten, 1, 99) == 1);
  CHECK(exact_percentile(ten, 0, 50) == 0);
  CHECK(jj::detail::exact_percentile(ten, 10, 25, jj::ns_per_second) == 3.25e-9);
}

TEST_CASE("percentiles of the largest values do not wrap") {
  const std::uint64_t ends[] = {UINT64_MAX - 1, UINT64_MAX};
  CHECK(exact_percentile(ends, 2, 50) == std::ldexp(1.0, 64));
  CHECK(jj::percentile{0, UINT64_MAX, 50}.value() == std::ldexp(1.0, 63));
  CHECK(jj::percentile{UINT64_MAX, UINT64_MAX, 50}.value() == std::ldexp(1.0, 64));
}

TEST_CASE("between two equal values lies that value, rounded once") {
  generator random(78);
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t x = random_word(random);
    CHECK(jj::percentile{x, x, 37}.value() == static_cast<double>(x));
  }
}

TEST_CASE("percentiles follow their definition for every count and percent") {
  generator random(68);
  for (std::size_t count = 1; count < 130; ++count) {
    std::vector<std::uint64_t> sorted(count);
    for (std::uint64_t& value : sorted) value = below(random, 1'000'000'000);
    std::sort(sorted.begin(), sorted.end());
    for (unsigned percent = 0; percent <= 100; ++percent) {
      const std::size_t hundredths = (count - 1) * percent, low = hundredths / 100, rest = hundredths % 100;
      const std::uint64_t weighted = sorted[low] * (100 - rest) + (rest != 0 ? sorted[low + 1] * rest : 0);
      CHECK(exact_percentile(sorted.data(), count, percent) == static_cast<double>(weighted) / 100);
    }
  }
}

TEST_CASE("sort sorts as the standard library does, whatever the order and the length") {
  generator random(69);
  for (std::size_t count = 0; count < 1100; count += count < 140 ? 1 : 37) {
    for (const std::uint64_t values : {std::uint64_t{2}, std::uint64_t{20}, UINT64_MAX}) {
      std::vector<std::uint64_t> keys(count), spare(count);
      for (std::uint64_t& key : keys) key = values == UINT64_MAX ? random() : below(random, values);
      auto expected = keys;
      std::sort(expected.begin(), expected.end());
      const std::vector<std::uint64_t> descending(expected.rbegin(), expected.rend());
      for (auto order : {keys, expected, descending}) {
        jj::detail::sort(order.data(), count, spare.data());
        CHECK(order == expected);
      }
    }
  }
}

TEST_CASE("the gap sketch keeps its bounds while ranks are exact") {
  for (const auto& distribution : gap_distributions) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{129}, std::size_t{5000}, exact_until}) {
      CAPTURE(distribution.name);
      CAPTURE(count);
      generator random(70 + count);
      std::vector<std::uint64_t> gaps(count);
      for (std::uint64_t& gap : gaps) gap = distribution.gap(random);
      check_gaps(gaps);
    }
  }
}

TEST_CASE("the gap sketch keeps its bounds over 200,000 gaps") {
  for (const auto& distribution : gap_distributions) {
    CAPTURE(distribution.name);
    generator random(71);
    std::vector<std::uint64_t> gaps(200'000);
    for (std::uint64_t& gap : gaps) gap = distribution.gap(random);
    check_gaps(gaps);
  }
}

TEST_CASE("the gap sketch answers every value up to 73 minutes within 4.95 % and a microsecond") {
  generator random(72);
  for (int round = 0; round < 20000; ++round) {
    const std::uint64_t gap = (std::min)(random_word(random) >> 20, std::uint64_t{73} * 60 * jj::ns_per_second);
    jj::gap_sketch sketch{};
    sketch.add(gap);
    const double answer = sketch.at(50, 0, UINT64_MAX).value(), exact = static_cast<double>(gap);
    CAPTURE(gap);
    CHECK(std::fabs(answer - exact) <= 0.0495 * exact + 1000);
  }
}

TEST_CASE("gaps above 73 minutes share one bucket, whose answer is the largest") {
  jj::gap_sketch sketch{};
  const std::uint64_t hour = 3600 * jj::ns_per_second;
  for (const std::uint64_t gap : {2 * hour, 24 * hour, UINT64_MAX - 5}) sketch.add(gap);
  CHECK(sketch.at(0, 2 * hour, UINT64_MAX - 5).value() == std::ldexp(1.0, 64));
  CHECK(sketch.at(100, 2 * hour, 9 * hour).value() == static_cast<double>(9 * hour));
}

TEST_CASE("sketches of nothing answer 0") {
  CHECK(jj::gap_sketch{}.at(50, 3, 9).value() == 0);
  CHECK(jj::length_sketch{}.at(50, true, true, 3, 9).value() == 0);
  CHECK(jj::mode_sketch{}.certain_count() == 0);
  jj::length_sketch forward{};
  forward.add(100, jj::fwd);
  CHECK(forward.at(50, false, true, 100, 100).value() == 0);
  CHECK(forward.at(50, true, false, 100, 100).value() == 100);
}

TEST_CASE("the length sketch keeps its bounds while ranks are exact") {
  for (const auto& distribution : length_distributions) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{129}, std::size_t{5000}, exact_until}) {
      CAPTURE(distribution.name);
      CAPTURE(count);
      generator random(73 + count);
      std::vector<std::uint64_t> lengths(count);
      for (std::uint64_t& length : lengths) length = distribution.length(random);
      check_lengths(lengths, *std::max_element(lengths.begin(), lengths.end()) < 1536 ? 4 : 8);
    }
  }
}

TEST_CASE("the length sketch keeps its bounds over 200,000 lengths") {
  for (const auto& distribution : length_distributions) {
    CAPTURE(distribution.name);
    generator random(74);
    std::vector<std::uint64_t> lengths(200'000);
    for (std::uint64_t& length : lengths) length = distribution.length(random);
    check_lengths(lengths, *std::max_element(lengths.begin(), lengths.end()) < 1536 ? 4 : 8);
  }
}

TEST_CASE("the length sketch keeps the proportion of the directions over 200,000 lengths") {
  std::vector<std::uint64_t> lengths(200'000);
  for (std::size_t at = 0; at < lengths.size(); ++at) lengths[at] = at % 3 == 2 ? 1500 : 52;
  check_lengths(lengths, 4);
}

TEST_CASE("the length sketch answers every length of a packet within its bound") {
  for (std::uint32_t length = 0; length < 65536; ++length) {
    jj::length_sketch sketch{};
    sketch.add(length, jj::bwd);
    const double answer = sketch.at(50, false, true, 0, UINT32_MAX).value();
    if (std::fabs(answer - length) > (length < 1536 ? 4 : 8)) FAIL("length " << length << " answered by " << answer);
  }
}

TEST_CASE("the length sketch takes every length of 32 bits") {
  for (unsigned bit = 16; bit < 32; ++bit) {
    const std::uint32_t length = std::uint32_t{3} << (bit - 1) | 5;
    jj::length_sketch sketch{};
    sketch.add(length, jj::fwd);
    CAPTURE(length);
    CHECK(std::fabs(sketch.at(50, true, true, 0, length + 1).value() - length) <= 8);
  }
}

TEST_CASE("frequent jumbo sizes keep their buckets in the length sketch, however many rare ones come") {
  // Segmentation offload: sizes of so many segments are frequent, but the last of a transfer may have any size.
  generator random(75);
  std::vector<std::uint64_t> lengths(20'000);
  for (const unsigned odd : {0u, 5u, 10u}) {
    for (std::uint64_t& length : lengths)
      length = below(random, 100) < odd ? 1536 + below(random, 64000) : 52 + 1448 * (2 + below(random, 18));
    check_lengths(lengths, 8, 0.01, 90);
  }
}

TEST_CASE("more jumbo sizes than the length sketch can hold make it less fine, not wrong") {
  generator random(75);
  std::vector<std::uint64_t> lengths(exact_until);
  for (std::uint64_t& length : lengths) length = 1536 + below(random, 64000);
  check_lengths(lengths, 8, 0.06);
  std::sort(lengths.begin(), lengths.end());  // always a new largest
  check_lengths(lengths, 8, 0.06);
  for (std::uint64_t& length : lengths) length = below(random, 1 + below(random, UINT32_MAX));
  check_lengths(lengths, std::ldexp(1.0, 32));  // between the extremes
}

TEST_CASE("the few jumbo packets of one direction stay apart from the many of the other") {
  jj::length_sketch sketch{};
  generator random(76);
  for (unsigned at = 0; at < 20'000; ++at) {
    sketch.add(at % 2 == 0 ? 40 : static_cast<std::uint32_t>(2000 + below(random, 60000)), jj::fwd);
    if (at % 2000 == 0) sketch.add(4000 + at, jj::bwd);
  }
  for (unsigned at = 0; at < 10;
       ++at)  // the first of 10 is percentile 0, the last is percentile 100; close to the others
    CHECK(std::fabs(sketch.at((100 * at + 8) / 9, false, true, 4000, 22000).value() - (4000 + 2000 * at)) <= 200);
  CHECK(sketch.at(49, true, false, 40, 62000).value() <= 44);
  CHECK(sketch.at(51, true, false, 40, 62000).value() >= 2000);
}

TEST_CASE("the gap sketch keeps its ranks when the gaps change after 120,000 of 180,000") {
  jj::gap_sketch sketch{};
  for (int at = 0; at < 180'000; ++at) sketch.add(at < 120'000 ? 1'000'000 : 100'000'000);
  CHECK(sketch.at(66, 1'000'000, 100'000'000).value() <= 1'050'500);
  CHECK(sketch.at(67, 1'000'000, 100'000'000).value() >= 95'049'000);
}

TEST_CASE("the length sketch keeps its ranks when the lengths change after 120,000") {
  jj::length_sketch sketch{};
  for (int at = 0; at < 180'000; ++at) sketch.add(at < 120'000 ? 52 : 1500, jj::fwd);
  CHECK(sketch.at(66, true, false, 52, 1500).value() <= 56);
  CHECK(sketch.at(67, true, false, 52, 1500).value() >= 1496);
}

TEST_CASE("the length sketch keeps its ranks when full jumbo buckets merge") {
  jj::length_sketch sketch{};
  for (int again = 0; again < 60'000; ++again) {
    for (const std::uint32_t length : {100u, 2048u, 2064u}) sketch.add(length, jj::fwd);
  }
  for (std::uint32_t at = 0; at < 23; ++at) sketch.add(4096 + 64 * at, jj::fwd);
  CHECK(sketch.at(33, true, false, 100, 5504).value() <= 104);
  CHECK(sketch.at(34, true, false, 100, 5504).value() > 2000);
  // and when two that together are more than a counter holds become one
  for (std::uint32_t at = 0; at < 24; ++at) {
    for (int again = 0; again < 60'000; ++again) sketch.add(8192 + 64 * at, jj::bwd);
  }
  sketch.add(20'000, jj::bwd);
  CHECK(sketch.at(25, false, true, 8192, 20'000).value() == doctest::Approx(8192 + 64 * 6).epsilon(0.01));
  CHECK(sketch.at(75, false, true, 8192, 20'000).value() == doctest::Approx(8192 + 64 * 18).epsilon(0.01));
}

TEST_CASE("the length sketch knows the rarer direction exactly while the other is thinned") {
  jj::length_sketch sketch{};
  for (int at = 0; at < 1'000'000; ++at) sketch.add(1500, jj::fwd);
  for (int at = 0; at < 1000; ++at) sketch.add(at < 500 ? 52 : 580, jj::bwd);
  CHECK(sketch.at(49, false, true, 52, 580).value() <= 56);
  CHECK(sketch.at(51, false, true, 52, 580).value() >= 576);
  CHECK(sketch.at(1, true, true, 52, 1500).value() >= 1496);  // 0.1 % of all are backward
}

TEST_CASE("halving a histogram halves every rank, rounded down") {
  generator random(79);
  for (int round = 0; round < 200; ++round) {
    std::uint16_t counts[50], halved[50];
    for (std::uint16_t& count : counts)
      count = static_cast<std::uint16_t>(below(random, random() % 2 == 0 ? 3 : 65536));
    std::copy(counts, counts + 50, halved);
    std::uint32_t rest = 0, before = 0, after = 0;
    jj::detail::halve(halved, rest);
    for (int at = 0; at < 50; ++at) {
      before += counts[at];
      after += halved[at];
      CHECK(after == before / 2);
      if (counts[at] == 0) CHECK(halved[at] == 0);
    }
  }
}

TEST_CASE("after k halvings one value in 2^k counts, in any stretch and in any periodic part") {
  for (std::uint8_t halvings = 0; halvings <= 17; ++halvings)
    for (const std::uint32_t period : {1u, 2u, 3u, 7u, 8u, 10u, 64u}) {
      CAPTURE(unsigned{halvings});
      CAPTURE(period);
      jj::detail::thinning thinning{};
      thinning.halvings = halvings;
      const std::uint32_t weight = std::uint32_t{1} << halvings, values = 300'000;
      std::int64_t counted = 0;  // of every period-th value, times its weight
      double worst = 0;          // of the error over the standard error of independent choices
      for (std::uint32_t at = 0; at < values; ++at) {
        const bool taken = thinning.takes_next();
        if (at % period != 0) continue;
        counted += taken ? weight : 0;
        const double expected = at / period + 1, error = std::fabs(static_cast<double>(counted) - expected) / weight;
        worst = (std::max)(worst, error / (3 + std::sqrt(expected / weight)));
      }
      CHECK(worst <= 4);
      if (halvings == 0) CHECK(worst == 0);
      CHECK(thinning.weight(5) == 5 * weight);
    }
}

namespace {

/// Packet n of a long flow: a number of up to 11 bits, monotonous in what the sketches see.
using pattern = std::uint32_t (*)(std::uint32_t n, std::uint32_t total, generator&);
constexpr std::uint32_t pattern_values = 1480;
std::uint32_t scattered(std::uint32_t n) {
  std::uint64_t x = (n + 1) * 0x9E3779B97F4A7C15;
  x = (x ^ x >> 31) * 0xBF58476D1CE4E5B9;
  return static_cast<std::uint32_t>((x ^ x >> 29) % pattern_values);
}

const struct {
  std::string name;
  pattern value;
} long_patterns[] = {
    {"two values at random",
     [](std::uint32_t, std::uint32_t, generator& random) -> std::uint32_t { return random() % 2 == 0 ? 12u : 1460u; }},
    {"all values at random",
     [](std::uint32_t, std::uint32_t, generator& random) -> std::uint32_t {
       return static_cast<std::uint32_t>(below(random, pattern_values));
     }},
    {"alternating",
     [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return n % 2 == 0 ? 12u : 1460u; }},
    {"every eighth",
     [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return n % 8 == 7 ? 1460u : 12u; }},
    {"ramps of 5", [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return n % 5 * 296; }},
    {"ramps of 987", [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return n % 987; }},
    {"ramps of 1,024", [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return n % 1024; }},
    {"a loop of 987", [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return scattered(n % 987); }},
    {"a loop of 1,000",
     [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return scattered(n % 1000); }},
    {"a loop of 4,181",
     [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return scattered(n % 4181); }},
    {"drifting upward",
     [](std::uint32_t n, std::uint32_t total, generator& random) -> std::uint32_t {
       return n / (total / 1000) + static_cast<std::uint32_t>(below(random, 400));
     }},
    {"drifting downward",
     [](std::uint32_t n, std::uint32_t total, generator&) -> std::uint32_t { return 1460 - n / (total / 1400); }},
    {"a change late",
     [](std::uint32_t n, std::uint32_t total, generator&) -> std::uint32_t {
       return n < total / 10 * 9 ? 1460u : 12u;
     }},
    {"another value whenever the number of packets has doubled",
     [](std::uint32_t n, std::uint32_t, generator&) -> std::uint32_t { return 60 * jj::detail::bit_length(n); }},
};

/// How far the answer's rank is from the one asked for, as a share of all; values from `low` to `high` pass for it.
double rank_error(const std::vector<std::uint64_t>& counts, std::uint64_t total, double low, double high,
                  unsigned percent) {
  const double position = static_cast<double>(total - 1) * percent / 100;
  double below_low = 0, up_to_high = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (static_cast<double>(value) < low) below_low += static_cast<double>(counts[value]);
    if (static_cast<double>(value) <= high) up_to_high += static_cast<double>(counts[value]);
  }
  // An answer between two neighbours is at the rank of either.
  return (std::max)((std::max)(below_low - 1 - position, position - up_to_high), 0.0) / static_cast<double>(total);
}

}  // namespace

TEST_CASE("over 3,000,000 packets both sketches stay within 0.5 % of rank, whatever the order") {
  constexpr std::uint32_t total = 3'000'000;
  constexpr std::uint64_t step_ns = 1'000'000;  // gaps of that many times the pattern
  for (const auto& traffic : long_patterns) {
    CAPTURE(traffic.name);
    generator random(80);
    const auto lengths = std::make_unique<jj::length_sketch>();
    const auto gaps = std::make_unique<jj::gap_sketch>();
    std::vector<std::uint64_t> counts(1536);
    std::uint32_t least = UINT32_MAX, most = 0;
    for (std::uint32_t n = 0; n < total; ++n) {
      const std::uint32_t value = traffic.value(n, total, random);
      lengths->add(value, jj::fwd);
      gaps->add(value * step_ns);
      ++counts[value];
      least = (std::min)(least, value);
      most = (std::max)(most, value);
      if ((n & (n - 1)) != 0 && n + 1 != total && n % 600'000 != 0) continue;
      for (unsigned percent = 1; percent < 100; percent += n + 1 == total ? 1 : 7) {
        CAPTURE(n);
        CAPTURE(percent);
        const double length = lengths->at(percent, true, false, least, most).value();
        const double gap = gaps->at(percent, least * step_ns, most * step_ns).value() / step_ns;
        const double length_error = rank_error(counts, n + 1, length - 4, length + 4, percent);
        const double gap_error = rank_error(counts, n + 1, gap / 1.0495 - 0.001, gap / 0.9505 + 0.001, percent);
        if (n < exact_until) CHECK((length_error == 0 && gap_error == 0));
        CHECK(length_error <= 0.005);
        CHECK(gap_error <= 0.005);
      }
    }
  }
}

TEST_CASE("the mode is found where it leads, and its share is a lower bound") {
  generator random(76);
  for (const std::uint64_t share : {0u, 2u, 4u, 7u, 20u, 60u, 100u})
    for (const std::size_t count : {std::size_t{1}, std::size_t{129}, std::size_t{5000}, std::size_t{200'000}}) {
      CAPTURE(share);
      CAPTURE(count);
      auto lengths = with_mode(random, share, count);
      check_mode(lengths);
      std::sort(lengths.begin(), lengths.end());  // the mode comes last
      check_mode(lengths);
      std::reverse(lengths.begin(), lengths.end());  // and first
      check_mode(lengths);
    }
}

TEST_CASE("the mode of up to 32 sizes is exact") {
  generator random(77);
  for (int round = 0; round < 200; ++round) {
    jj::mode_sketch sketch{};
    std::map<std::uint32_t, std::uint32_t> counts;
    for (int at = 0; at < 500; ++at) {
      const auto length = static_cast<std::uint32_t>((std::min)(below(random, 32), below(random, 32)) * 45);
      sketch.add(length);
      ++counts[length];
    }
    std::uint32_t most = 0;
    for (const auto& entry : counts) most = (std::max)(most, entry.second);
    CHECK(sketch.certain_count() == most);
    CHECK(counts[sketch.size()] == most);
  }
}
