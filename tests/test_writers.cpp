// Section 13: numbers and text that read back, and rows as JSON, CSV, vectors, hash and reference.
#include <doctest/doctest.h>

#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace std::string_literals;

namespace {

template <class... Groups> using row_of = jj::row_for<jj::type_list<Groups...>>;

/// A sink that keeps what it receives.
struct collector {
  std::string text;
  std::size_t pieces = 0, empty_pieces = 0;
  void operator()(const char* characters, std::size_t length) {
    text.append(characters, length);
    ++pieces;
    empty_pieces += length == 0;
  }
};
template <class Row> std::string json(const Row& row) {
  collector out;
  jj::write_json(out, row);
  return out.text;
}
template <class Row> std::string csv(const Row& row) {
  collector out;
  jj::write_csv(out, row);
  return out.text;
}
template <class Row> std::string csv_header() {
  collector out;
  jj::write_csv_header<Row>(out);
  return out.text;
}

/// What stands between two ends that must be there.
std::string between(const std::string& begin, const std::string& text, const std::string& end) {
  REQUIRE(text.size() >= begin.size() + end.size());
  REQUIRE(text.substr(0, begin.size()) == begin);
  REQUIRE(text.substr(text.size() - end.size()) == end);
  return text.substr(begin.size(), text.size() - begin.size() - end.size());
}

// ---- Numbers

struct one_number {
  JOYFULJAY_GROUP(numbers, /* no accumulators */)
  JOYFULJAY_FEATURE(double, number, "", "A number.") { return flow.number; }
};
std::string written(double x) {
  row_of<one_number> row;
  row.number = x;
  const std::string record = csv(row);
  return record.substr(0, record.size() - 2);  // the end of line
}
double double_of(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
std::uint64_t bits_of(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// Without sign, point, exponent, and zeros at both ends.
std::string significant_digits(const std::string& text) {
  std::string digits;
  for (const char c : text.substr(0, text.find('e')))
    if (c >= '0' && c <= '9' && !(c == '0' && digits.empty())) digits += c;
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  return digits;
}
/// Whether some decimal with one digit less reads back as x: the nearest one, or a neighbour of that, because below a
/// power of two the doubles lie closer than above.
bool has_shorter(double x, int digits) {
  if (digits <= 1) return false;
  char text[64];
  std::snprintf(text, sizeof text, "%.*e", digits - 2, std::fabs(x));
  const char* const exponent = std::strchr(text, 'e');
  long long nearest = 0;
  for (const char* at = text; at != exponent; ++at)
    if (*at != '.') nearest = nearest * 10 + (*at - '0');
  for (const long long candidate : {nearest - 1, nearest, nearest + 1}) {
    std::snprintf(text, sizeof text, "%llde%d", candidate, std::atoi(exponent + 1) - (digits - 2));
    if (std::strtod(text, nullptr) == std::fabs(x)) return true;
  }
  return false;
}
/// Empty when the text of x reads back, is the shortest, and of the shortest the closest.
std::string problem_with(double x) {
  const std::string text = written(x), digits = significant_digits(text);
  char* end = nullptr;
  if (bits_of(std::strtod(text.c_str(), &end)) != bits_of(x)) return text + " reads back as another double";
  if (*end != '\0') return text + " does not end with the number";
  if (text.find_first_of(".e") == std::string::npos) return text + " looks like an integer";
  if (has_shorter(x, static_cast<int>(digits.size()))) return text + " is not the shortest";
#ifdef __cpp_lib_to_chars
  char buffer[64];
  const auto made = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::scientific);
  const std::string expected(buffer, made.ptr);
  if (digits != significant_digits(expected)) return text + " instead of " + expected;
#endif
  return {};
}
void check_number(double x) {
  const std::string problem = problem_with(x);
  if (!problem.empty()) FAIL_CHECK(problem);
}
void check_with_neighbours(double x) {
  check_number(x);
  check_number(-x);
  check_number(std::nextafter(x, 0.0));
  const double above = std::nextafter(x, std::numeric_limits<double>::infinity());
  if (std::isfinite(above)) check_number(above);
}

constexpr std::size_t rounds = sizeof(void*) >= 8 ? 200'000 : 20'000;  // small machines are emulated ones

// ---- Text

struct one_text {
  JOYFULJAY_GROUP(texts, /* no accumulators */)
  JOYFULJAY_FEATURE(jj::text<1100>, words, "", "Some text.") { return flow.words; }
};
row_of<one_text> row_with(const std::string& text) {
  row_of<one_text> row;
  for (const char c : text) row.words.append(c);
  REQUIRE(row.words.length == text.size());
  return row;
}
std::string json_text(const std::string& text) {
  return between("{\"texts\":{\"words\":\"", json(row_with(text)), "\"}}");
}
std::string csv_text(const std::string& text) { return between("\"", csv(row_with(text)), "\"\r\n"); }

/// The bytes of a code point, by the table of RFC 3629, section 3.
std::string utf8(std::uint32_t c) {
  const auto byte = [](std::uint32_t value) { return std::string(1, static_cast<char>(value)); };
  const auto tail = [&](unsigned shift) { return byte(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) return byte(0xC0 | c >> 6) + tail(0);
  if (c < 0x10000) return byte(0xE0 | c >> 12) + tail(6) + tail(0);
  return byte(0xF0 | c >> 18) + tail(12) + tail(6) + tail(0);
}
/// The bytes at the start that are the encoding of a code point: a guess from the bits, encoded again.
std::string leading_character(const std::string& text) {
  for (unsigned length = 1; length <= 4 && length <= text.size(); ++length) {
    const auto bits = [&](unsigned at, unsigned mask) { return static_cast<std::uint32_t>(text[at]) & mask; };
    std::uint32_t c = bits(0, length == 1 ? 0x7F : 0x7Fu >> length);
    for (unsigned at = 1; at < length; ++at) c = c << 6 | bits(at, 0x3F);
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) continue;
    if (utf8(c) == text.substr(0, length)) return utf8(c);
  }
  return {};
}
std::string expected_json(std::string text) {
  std::string out;
  while (!text.empty()) {
    const std::string character = leading_character(text);
    char escape[16];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(text[0]) & 0xFF);
    if (character.empty())
      out += "\\ufffd";
    else if (text[0] == '"' || text[0] == '\\')
      out += "\\" + character;
    else if (character.size() == 1 && std::iscntrl(text[0]) != 0)
      out += escape;
    else
      out += character;
    text.erase(0, character.empty() ? 1 : character.size());
  }
  return out;
}
std::string expected_csv(std::string text) {
  std::string out = !text.empty() && "=+-@\t\r"s.find(text[0]) != std::string::npos ? "'" : "";
  while (!text.empty()) {
    const std::string character = leading_character(text);
    const bool unfit = character.empty() || (character.size() == 1 && std::iscntrl(text[0]) != 0);
    out += unfit ? "?" : character == "\"" ? "\"\"" : character;
    text.erase(0, character.empty() ? 1 : character.size());
  }
  return out;
}

// ---- A group with every kind of value

const double some_doubles[] = {1.5, 0};
const std::uint32_t some_lengths[] = {60, 4294967295};
const std::int8_t some_directions[] = {1, -1};
const jj::splt_step some_steps[] = {{40, 0, 1}, {1500, 0.25, -1}};

struct specimen {
  JOYFULJAY_GROUP(specimen, /* no accumulators */)

  JOYFULJAY_FEATURE(bool, yes, "", "True.") { return flow.yes; }
  JOYFULJAY_FEATURE(std::int8_t, least, "steps", "Not a character.") { return flow.least; }
  JOYFULJAY_FEATURE(std::int64_t, lowest, "", "The lowest of all.") { return flow.lowest; }
  JOYFULJAY_STEP(double, hidden) { return 1; }
  JOYFULJAY_FEATURE(std::uint64_t, highest, "bytes", "The highest of all.") { return flow.highest; }
  JOYFULJAY_FEATURE(double, third, "s", "A third.") { return flow.third; }
  JOYFULJAY_FEATURE(float, half, "", "Half.") { return flow.half; }
  JOYFULJAY_FEATURE(const char*, literal, "", "A literal.") { return flow.literal; }
  JOYFULJAY_FEATURE(jj::text<4>, four, "", "At most four characters.") { return flow.four; }
  JOYFULJAY_FEATURE(jj::ip_address, host, "", "An address.") { return flow.host; }
  JOYFULJAY_FEATURE(jj::list<double>, gaps, "s", "Padded.") { return flow.gaps; }
  JOYFULJAY_FEATURE(jj::list<std::uint32_t>, lengths, "bytes", "Not padded.") { return flow.lengths; }
  JOYFULJAY_FEATURE(jj::list<std::int8_t>, directions, "", "Signs.") { return flow.directions; }
  JOYFULJAY_FEATURE(jj::list<jj::splt_step>, steps, "", "Steps.") { return flow.steps; }
};
/// A second group, so that there is something behind the first.
struct aftermath {
  JOYFULJAY_GROUP(aftermath, /* no accumulators */)
  JOYFULJAY_FEATURE(bool, over, "", "False.") { return flow.over; }
};
using specimen_row = row_of<specimen, aftermath>;

specimen_row filled_specimen() {
  specimen_row row;
  row.yes = true;
  row.least = -128;
  row.lowest = std::numeric_limits<std::int64_t>::min();
  row.highest = std::numeric_limits<std::uint64_t>::max();
  row.third = 1.0 / 3;
  row.half = 0.5f;
  row.literal = "a \"b\"";
  row.four.append("five!");
  row.host.form = jj::ip_address::v4;
  row.host.octets[0] = 192, row.host.octets[2] = 2, row.host.octets[3] = 255;
  row.gaps = {some_doubles, 2, 4};
  row.lengths = {some_lengths, 2, 1};
  row.directions = {some_directions, 2};
  row.steps = {some_steps, 2, 3};
  return row;
}
constexpr auto not_lists = [](const jj::feature_info& feature) { return std::strchr(feature.type, '[') == nullptr; };
constexpr auto nothing = [](const jj::feature_info&) { return false; };

// ---- Readers: as much of JSON and CSV as it takes to see that rows are well-formed

struct cell {
  std::string group, name, value;
};

/// An object of objects. Values stay text; arrays hold no strings.
class json_reader {
 public:
  explicit json_reader(std::string text) : text_(std::move(text)) {}

  std::vector<cell> read() {
    std::vector<cell> cells;
    expect('{');
    do {
      const std::string group = string();
      expect(':'), expect('{');
      do {
        const std::string name = string();
        expect(':');
        cells.push_back({group, name, value()});
      } while (accept(','));
      expect('}');
    } while (accept(','));
    expect('}');
    REQUIRE(at_ == text_.size());
    return cells;
  }

 private:
  bool accept(char c) { return at_ < text_.size() && text_[at_] == c && ++at_ != 0; }
  void expect(char c) {
    INFO("in front of ", text_.substr(at_, 20));
    REQUIRE(accept(c));
  }
  std::string string() {
    expect('"');
    const std::size_t begin = at_;
    while (!accept('"')) {
      REQUIRE(at_ < text_.size());
      REQUIRE(static_cast<unsigned char>(text_[at_]) >= 0x20);
      at_ += text_[at_] == '\\' ? 2 : 1;
    }
    return text_.substr(begin, at_ - 1 - begin);
  }
  void digits() {
    REQUIRE(std::isdigit(text_[at_]) != 0);
    while (std::isdigit(text_[at_]) != 0) ++at_;
  }
  std::string value() {
    const std::size_t begin = at_;
    if (text_[at_] == '"') return string();
    if (accept('[')) {
      if (!accept(']')) {
        do value();
        while (accept(','));
        expect(']');
      }
    } else if (text_[at_] == 't' || text_[at_] == 'f') {
      for (const char c : text_[at_] == 't' ? "true"s : "false"s) expect(c);
    } else {  // a number [RFC 8259 6]
      accept('-');
      if (!accept('0')) digits();
      if (accept('.')) digits();
      if (accept('e')) accept('-'), digits();
    }
    return text_.substr(begin, at_ - begin);
  }

  std::string text_;
  std::size_t at_ = 0;
};

/// One record [RFC 4180].
std::vector<std::string> csv_cells(const std::string& record) {
  const std::string text = between("", record, "\r\n") + ",";
  std::vector<std::string> cells;
  for (std::size_t at = 0; at < text.size();) {
    std::string value;
    if (text[at] == '"') {
      for (++at; text.at(at) != '"' || text.at(at + 1) == '"'; ++at) {
        if (text[at] == '"') ++at;
        value += text[at];
      }
      ++at;
    } else {
      while (text[at] != ',') {
        REQUIRE(text[at] != '"');
        value += text[at++];
      }
    }
    REQUIRE(text.at(at++) == ',');
    cells.push_back(value);
  }
  return cells;
}

struct everything : jj::default_config {
  static constexpr std::size_t max_flows = 8, sample_packets = 8, max_sequence_length = 5;
  static constexpr jj::link_type link = jj::link_type::raw;
  using groups = jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                               jj::size, jj::tcp>;
};
using engine_row = jj::engine<everything>::row;

/// Feeds a short, a long and an unanswered flow, and calls visit(row) for each.
template <class Visit> void for_engine_rows(const Visit& visit) {
  const auto engine = std::make_unique<jj::engine<everything>>();
  std::size_t rows = 0;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason) { visit(row), ++rows; };
  for (int at = 0; at < 3; ++at) engine->feed(traffic::tcp(1, at != 1, at * 7'000'001, fb::tcp_ack, 100), sink);
  for (int at = 0; at < 40; ++at)
    engine->feed(traffic::udp(2, at % 3 != 0, at * 1'234'567, static_cast<std::size_t>(at) * 31 % 500), sink);
  engine->feed(traffic::udp(3, true, 5), sink);
  engine->flush(sink);
  REQUIRE(rows == 3);
}

}  // namespace

// ---- Numbers

TEST_CASE("random doubles read back from the shortest digits") {
  std::mt19937_64 random(1);
  for (std::size_t round = 0; round < rounds; ++round) {
    const double x = double_of(random());
    if (std::isfinite(x)) check_number(x);
  }
}

TEST_CASE("random doubles of everyday size read back from the shortest digits") {
  std::mt19937_64 random(2);
  for (std::size_t round = 0; round < rounds / 2; ++round) {
    const std::uint64_t exponent = 1023 - 40 + random() % 100;  // 10^-12 to 10^18
    check_number(double_of(exponent << 52 | random() >> 12));
  }
}

TEST_CASE("powers of ten and two and their neighbours read back from the shortest digits") {
  for (int power = -323; power <= 308; ++power) {
    const std::string text = "1e" + std::to_string(power);
    const double x = std::strtod(text.c_str(), nullptr);
    check_with_neighbours(x);
    CHECK(significant_digits(written(x)) == "1");
  }
  for (int power = -1074; power <= 1023; ++power) check_with_neighbours(std::ldexp(1.0, power));
}

TEST_CASE("subnormal doubles and the extremes read back from the shortest digits") {
  std::mt19937_64 random(3);
  for (std::size_t round = 0; round < rounds / 20; ++round) check_number(double_of(random() >> (12 + random() % 52)));
  for (std::uint64_t bits = 1; bits < 2000; ++bits) check_number(double_of(bits));
  check_number(std::numeric_limits<double>::min());
  check_number(std::numeric_limits<double>::max());
  CHECK(written(double_of(1)) == "5e-324");
  CHECK(written(std::numeric_limits<double>::max()) == "1.7976931348623157e308");
}

TEST_CASE("integers read back from the shortest digits") {
  std::mt19937_64 random(4);
  for (int x = 0; x < 3000; ++x) {
    check_number(x);
    CHECK(written(x) == std::to_string(x) + ".0");
  }
  for (std::size_t round = 0; round < rounds / 10; ++round) {
    check_number(static_cast<double>(static_cast<std::int64_t>(random() >> (1 + random() % 62))));
  }
  for (const double x : {4503599627370495.0, 4503599627370496.0, 9007199254740991.0, 9007199254740992.0})
    check_with_neighbours(x);
}

TEST_CASE("multiples of a nanosecond and a microsecond, and their neighbours, read back from the shortest digits") {
  std::mt19937_64 random(5);
  for (std::size_t round = 0; round < rounds / 10; ++round) {
    const auto multiple = static_cast<double>(static_cast<std::int64_t>(random() >> (11 + random() % 52)));
    check_number(multiple / 1e9);
    check_number(multiple / 1e6);
    check_number(std::nextafter(multiple / 1e9, 1e300));
    check_number(std::nextafter(multiple / 1e6, 0.0));
  }
  for (const double limit : {4503599.627370496, 4503598.627370496, 4503599627.370496, 4503599626.370496})
    check_with_neighbours(limit);
  CHECK(written(1234567 / 1e9) == "0.001234567");
  CHECK(written(1700000000.5) == "1700000000.5");
}

TEST_CASE("numbers are positional from 0.0001 to below 10^16, else they have an exponent") {
  CHECK(written(0) == "0.0");
  CHECK(written(-0.0) == "-0.0");
  CHECK(written(-1.5) == "-1.5");
  CHECK(written(0.1) == "0.1");
  CHECK(written(100) == "100.0");
  CHECK(written(0.0001) == "0.0001");
  CHECK(written(0.00012345) == "0.00012345");
  CHECK(written(0.00001) == "1e-5");
  CHECK(written(-0.000012345) == "-1.2345e-5");
  CHECK(written(9999999999999998.0) == "9999999999999998.0");
  CHECK(written(1e15) == "1000000000000000.0");
  CHECK(written(1e16) == "1e16");
  CHECK(written(1.25e16) == "1.25e16");
  CHECK(written(123456.789) == "123456.789");
}

TEST_CASE("what is no number is written as 0") {
  for (const std::uint64_t sign : {std::uint64_t{0}, std::uint64_t{1} << 63})
    for (const std::uint64_t fraction : {0ull, 1ull, 0x8000000000000ull, 0xFFFFFFFFFFFFFull})
      CHECK(written(double_of(sign | std::uint64_t{0x7FF} << 52 | fraction)) == "0.0");
}

TEST_CASE("a locale with a decimal comma changes nothing") {
  const char* found = nullptr;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8", "nl_NL.UTF-8", "German"})
    if (found == nullptr && std::setlocale(LC_ALL, name) != nullptr) found = name;
  const bool comma = found != nullptr && std::strcmp(std::localeconv()->decimal_point, ",") == 0;
  const std::string short_one = written(0.5), long_one = written(1.0 / 3), large = written(1234567.0);
  std::setlocale(LC_ALL, "C");
  if (!comma) MESSAGE("skipped: no locale with a decimal comma is here");
  CHECK(short_one == "0.5");
  CHECK(long_one == "0.3333333333333333");
  CHECK(large == "1234567.0");
}

// ---- Text

TEST_CASE("JSON text escapes what must be escaped and nothing else") {
  CHECK(json_text("") == "");
  CHECK(json_text("plain / text's") == "plain / text's");
  CHECK(json_text("say \"hi\" \\ bye") == "say \\\"hi\\\" \\\\ bye");
  CHECK(json_text("\n\t\r\b\f"s) == "\\u000a\\u0009\\u000d\\u0008\\u000c");
  CHECK(json_text("\0\x1f\x7f"s) == "\\u0000\\u001f\\u007f");
  CHECK(json_text("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA6") == "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA6");
}

TEST_CASE("bytes that are no UTF-8 become U+FFFD each, and what follows them survives") {
  const std::string bad = "\\ufffd";
  CHECK(json_text("\x80") == bad);
  CHECK(json_text("a\xFFz") == "a" + bad + "z");
  CHECK(json_text("\xC0\x80") == bad + bad);                                   // overlong NUL
  CHECK(json_text("\xC1\xBF") == bad + bad);                                   // overlong DEL
  CHECK(json_text("\xE0\x9F\xBF") == bad + bad + bad);                         // overlong U+07FF
  CHECK(json_text("\xF0\x8F\xBF\xBF") == bad + bad + bad + bad);               // overlong U+FFFF
  CHECK(json_text("\xED\xA0\x80") == bad + bad + bad);                         // the surrogate U+D800
  CHECK(json_text("\xED\xBF\xBF") == bad + bad + bad);                         // the surrogate U+DFFF
  CHECK(json_text("\xED\x9F\xBF\xEE\x80\x80") == "\xED\x9F\xBF\xEE\x80\x80");  // U+D7FF, U+E000
  CHECK(json_text("\xF4\x8F\xBF\xBF") == "\xF4\x8F\xBF\xBF");                  // U+10FFFF
  CHECK(json_text("\xF4\x90\x80\x80") == bad + bad + bad + bad);               // U+110000
  CHECK(json_text("\xF5\x80\x80\x80") == bad + bad + bad + bad);
  CHECK(json_text("\xE2\x82") == bad + bad);  // cut at the end
  CHECK(json_text("\xF0\x9F\x90") == bad + bad + bad);
  CHECK(json_text("\xE2\x82\"") == bad + bad + "\\\"");  // cut by a quote, which must be escaped
  CHECK(json_text("\xC3\\") == bad + "\\\\");
  CHECK(json_text("\xE2\xC3\xA4") == bad + "\xC3\xA4");
}

TEST_CASE("every code point passes through JSON and CSV, no surrogate does") {
  for (std::uint32_t first = 0x80; first <= 0x10FFFF; first += 0x80) {
    std::string block, surrogates;
    for (std::uint32_t c = first; c < first + 0x80; ++c) block += utf8(c);
    if (first >= 0xD800 && first <= 0xDFFF) {
      std::string bad;
      for (std::size_t at = 0; at < block.size(); ++at) bad += "\\ufffd";
      CHECK(json_text(block) == bad);
      CHECK(csv_text(block) == std::string(block.size(), '?'));
    } else if (json_text(block) != block || csv_text(block) != block) {
      FAIL_CHECK("a code point from " << first << " on was changed");
    }
  }
}

TEST_CASE("random bytes become the JSON and CSV text that a slow reading of the rules gives") {
  static const std::string alphabet =
      "\0\t\r\n\x1f =+-@\"\\az'\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf3\xf4\xf5\xff"s;
  std::mt19937_64 random(6);
  for (std::size_t round = 0; round < rounds / 4; ++round) {
    std::string text(static_cast<std::size_t>(random() % 9), ' ');
    for (char& c : text) c = alphabet[static_cast<std::size_t>(random() % alphabet.size())];
    if (json_text(text) != expected_json(text)) FAIL_CHECK("JSON gives " << json_text(text));
    if (csv_text(text) != expected_csv(text)) FAIL_CHECK("CSV gives " << csv_text(text));
  }
}

TEST_CASE("CSV text is quoted, and what cannot be shown is a question mark") {
  CHECK(csv_text("") == "");
  CHECK(csv_text("a,b;c") == "a,b;c");
  CHECK(csv_text("say \"hi\"") == "say \"\"hi\"\"");
  CHECK(csv_text("back\\slash") == "back\\slash");
  CHECK(csv_text("two\r\nlines\0\x7f"s) == "two??lines??");
  CHECK(csv_text("\xC3\xA4 \xE2\x82 \xED\xA0\x80") == "\xC3\xA4 ?? ???");
}

TEST_CASE("an apostrophe keeps a spreadsheet from calculating CSV text") {
  CHECK(csv_text("=1+1") == "'=1+1");
  CHECK(csv_text("+1") == "'+1");
  CHECK(csv_text("-1") == "'-1");
  CHECK(csv_text("@SUM(A1)") == "'@SUM(A1)");
  CHECK(csv_text("\t=1") == "'?=1");
  CHECK(csv_text("\r=1") == "'?=1");
  CHECK(csv_text("=\"\"") == "'=\"\"\"\"");
  CHECK(csv_text("a=1") == "a=1");
  CHECK(csv_text(" =1") == " =1");
}

// ---- Rows

TEST_CASE("a row of every kind of value as JSON") {
  const std::string filled =
      R"({"specimen":{"yes":true,"least":-128,"lowest":-9223372036854775808,"highest":18446744073709551615,)"
      R"("third":0.3333333333333333,"half":0.5,"literal":"a \"b\"","four":"five","host":"192.0.2.255",)"
      R"("gaps":[1.5,0.0,0.0,0.0],"lengths":[60,4294967295],"directions":[1,-1],)"
      R"("steps":[[40,0.0,1],[1500,0.25,-1],[0,0.0,0]]},"aftermath":{"over":false}})";
  CHECK(json(filled_specimen()) == filled);
  specimen_row empty;
  empty.literal = "";
  CHECK(json(empty) == R"({"specimen":{"yes":false,"least":0,"lowest":0,"highest":0,"third":0.0,"half":0.0,)"
                       R"("literal":"","four":"","host":"","gaps":[],"lengths":[],"directions":[],"steps":[]},)"
                       R"("aftermath":{"over":false}})");
}

TEST_CASE("a row of every kind of value as CSV") {
  CHECK(csv_header<specimen_row>() ==
        "yes,least,lowest,highest,third,half,literal,four,host,gaps,lengths,directions,steps,over\r\n");
  CHECK(csv(filled_specimen()) ==
        "true,-128,-9223372036854775808,18446744073709551615,0.3333333333333333,0.5,\"a \"\"b\"\"\",\"five\","
        "\"192.0.2.255\",\"[1.5,0.0,0.0,0.0]\",\"[60,4294967295]\",\"[1,-1]\","
        "\"[[40,0.0,1],[1500,0.25,-1],[0,0.0,0]]\",false\r\n");
}

TEST_CASE("keep says which features are written") {
  collector object, record, names, table;
  jj::write_json(object, filled_specimen(), not_lists);
  jj::write_csv(record, filled_specimen(), not_lists);
  jj::write_csv_header<specimen_row>(names, not_lists);
  jj::write_reference<specimen_row>(table, not_lists);
  CHECK(between("", object.text, R"("four":"five","host":"192.0.2.255"},"aftermath":{"over":false}})").find('[') ==
        std::string::npos);
  CHECK(csv_cells(record.text).size() == 10);
  CHECK(names.text == "yes,least,lowest,highest,third,half,literal,four,host,over\r\n");
  CHECK(table.text.find("list") == std::string::npos);
  CHECK(table.text.find("| aftermath | over |") != std::string::npos);

  collector last_group;
  jj::write_json(last_group, filled_specimen(), [](const jj::feature_info& f) { return f.group == "aftermath"s; });
  CHECK(last_group.text == R"({"aftermath":{"over":false}})");
}

TEST_CASE("without any feature kept the forms are empty but whole") {
  collector object, record, names, table;
  jj::write_json(object, filled_specimen(), nothing);
  jj::write_csv(record, filled_specimen(), nothing);
  jj::write_csv_header<specimen_row>(names, nothing);
  jj::write_reference<specimen_row>(table, nothing);
  CHECK(object.text == "{}");
  CHECK(record.text == "\r\n");
  CHECK(names.text == "\r\n");
  CHECK(table.text == "| group | feature | type | unit | definition |\n| --- | --- | --- | --- | --- |\n");
}

TEST_CASE("the vector holds the numbers and booleans in the order of for_each_vector_feature") {
  static_assert(jj::vector_length<specimen_row>() == 7);
  double doubles[8] = {0, 0, 0, 0, 0, 0, 0, 77}, by_tables[8] = {0, 0, 0, 0, 0, 0, 0, 77};
  float floats[8] = {0, 0, 0, 0, 0, 0, 0, 77};
  jj::to_vector(filled_specimen(), doubles);
  jj::to_vector(filled_specimen(), floats);
  jj::detail::copy_by_tables(filled_specimen(), by_tables);
  const double expected[8] = {1, -128, -9223372036854775808.0, 18446744073709551615.0, 1.0 / 3, 0.5, 0, 77};
  for (std::size_t at = 0; at < 8; ++at) {
    CHECK(doubles[at] == expected[at]);
    CHECK(by_tables[at] == expected[at]);
    CHECK(floats[at] == static_cast<float>(expected[at]));
  }
  std::string names;
  jj::for_each_vector_feature<specimen_row>([&](const jj::feature_info& feature) { names += feature.name + " "s; });
  CHECK(names == "yes least lowest highest third half over ");
}

TEST_CASE("the reference is a Markdown table with a line for each feature") {
  collector out;
  jj::write_reference<row_of<one_number, aftermath>>(out);
  CHECK(out.text ==
        "| group | feature | type | unit | definition |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| numbers | number | float |  | A number. |\n"
        "| aftermath | over | bool |  | False. |\n");
}

// ---- Pieces

TEST_CASE("pieces are never empty, and strung together they are the text, whatever its length") {
  for (std::size_t length = 0; length <= 1100; ++length) {
    std::string text;
    for (std::size_t at = 0; at < length; ++at) text += static_cast<char>('a' + at % 26);
    collector out;
    jj::write_json(out, row_with(text));
    if (out.text != "{\"texts\":{\"words\":\"" + text + "\"}}") FAIL_CHECK("length " << length << ": " << out.text);
    if (out.empty_pieces != 0) FAIL_CHECK("length " << length << " makes an empty piece");
  }
}

static std::string received;
static void receive(const char* characters, std::size_t length) { received.append(characters, length); }

TEST_CASE("functions, function objects and temporary ones serve as sinks, and receive at their own address") {
  const std::string expected = json(filled_specimen());
  received.clear();
  jj::write_json(receive, filled_specimen());
  CHECK(received == expected);
  received.clear();
  jj::write_json(&receive, filled_specimen());
  CHECK(received == expected);
  std::string text;
  const auto append = [&](const char* characters, std::size_t length) { text.append(characters, length); };
  jj::write_json(append, filled_specimen());
  jj::write_json([&](const char* characters, std::size_t length) { text.append(characters, length); },
                 filled_specimen());
  CHECK(text == expected + expected);
  collector kept;  // a copy would count nothing here
  jj::write_json(kept, filled_specimen());
  CHECK(kept.pieces > 0);
}

// ---- The hash

namespace {

// Four features that differ from the first in one thing each, and one that differs in its definition only.
namespace as_it_is {
struct group {
  JOYFULJAY_GROUP(hashed, /* no accumulators */)
  JOYFULJAY_FEATURE(double, value, "s", "One.") { return flow.value; }
};
}  // namespace as_it_is
namespace other_group {
struct group {
  JOYFULJAY_GROUP(hash, /* no accumulators */)
  JOYFULJAY_FEATURE(double, value, "s", "One.") { return flow.value; }
};
}  // namespace other_group
namespace other_name {
struct group {
  JOYFULJAY_GROUP(hashed, /* no accumulators */)
  JOYFULJAY_FEATURE(double, values, "s", "One.") { return flow.values; }
};
}  // namespace other_name
namespace other_type {
struct group {
  JOYFULJAY_GROUP(hashed, /* no accumulators */)
  JOYFULJAY_FEATURE(int, value, "s", "One.") { return flow.value; }
};
}  // namespace other_type
namespace other_unit {
struct group {
  JOYFULJAY_GROUP(hashed, /* no accumulators */)
  JOYFULJAY_FEATURE(double, value, "ms", "One.") { return flow.value; }
};
}  // namespace other_unit
namespace other_definition {
struct group {
  JOYFULJAY_GROUP(hashed, /* no accumulators */)
  JOYFULJAY_STEP(double, unseen) { return 1; }
  JOYFULJAY_FEATURE(float, value, "s", "Two.") { return static_cast<float>(flow.value); }
};
}  // namespace other_definition

template <class... Groups> std::uint64_t hash_of() { return jj::schema_hash<row_of<Groups...>>(); }

std::uint64_t fnv_1a(const std::string& text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

}  // namespace

TEST_CASE("the schema hash is FNV-1a over the parts of each feature, every part ended by 0xFF") {
  CHECK(hash_of<>() == fnv_1a(""));
  CHECK(hash_of<as_it_is::group>() == fnv_1a("hashed\xFFvalue\xFF"
                                             "float\xFFs\xFF"));
  CHECK(hash_of<as_it_is::group, aftermath>() == fnv_1a("hashed\xFFvalue\xFF"
                                                        "float\xFFs\xFF"
                                                        "aftermath\xFFover\xFF"
                                                        "bool\xFF\xFF"));
}

TEST_CASE("the schema hash depends on group, name, type, unit and order, not on definitions and steps") {
  const std::uint64_t hash = hash_of<as_it_is::group>();
  CHECK(hash_of<other_group::group>() != hash);
  CHECK(hash_of<other_name::group>() != hash);
  CHECK(hash_of<other_type::group>() != hash);
  CHECK(hash_of<other_unit::group>() != hash);
  CHECK(hash_of<other_definition::group>() == hash);
  CHECK(hash_of<as_it_is::group, aftermath>() != hash_of<aftermath, as_it_is::group>());
}

// ---- Rows of an engine

TEST_CASE("a flow's row as JSON is well-formed, in the order of its features, with a member for each group") {
  for_engine_rows([](const engine_row& row) {
    const std::vector<cell> cells = json_reader(json(row)).read();
    std::size_t at = 0;
    jj::for_each_feature(row, [&](const jj::feature_info& feature, const auto&) {
      REQUIRE(at < cells.size());
      CHECK(cells[at].group == feature.group);
      CHECK(cells[at++].name == feature.name);
    });
    CHECK(at == cells.size());
    std::size_t members = 0;
    const std::string text = json(row);
    for (std::size_t brace = text.find('{', 1); brace != std::string::npos; brace = text.find('{', brace + 1))
      ++members;
    CHECK(members == 4);
  });
}

TEST_CASE("a flow's row says the same as JSON, as CSV and as a vector") {
  const std::vector<std::string> names = csv_cells(csv_header<engine_row>());
  for_engine_rows([&](const engine_row& row) {
    const std::vector<cell> cells = json_reader(json(row)).read();
    const std::vector<std::string> values = csv_cells(csv(row));
    REQUIRE(values.size() == cells.size());
    REQUIRE(names.size() == cells.size());
    double vector[jj::vector_length<engine_row>()], by_tables[jj::vector_length<engine_row>()] = {};
    jj::to_vector(row, vector);
    jj::detail::copy_by_tables(row, by_tables);
    CHECK(std::memcmp(vector, by_tables, sizeof vector) == 0);
    std::size_t at = 0, numbers = 0;
    jj::for_each_feature(row, [&](const jj::feature_info& feature, const auto&) {
      CAPTURE(feature.name);
      CHECK(names[at] == feature.name);
      CHECK(values[at] == cells[at].value);
      const std::string type = feature.type, &value = values[at++];
      if (type == "bool") CHECK(vector[numbers++] == (value == "true" ? 1 : 0));
      if (type == "int" || type == "float") CHECK(vector[numbers++] == std::strtod(value.c_str(), nullptr));
    });
    CHECK(numbers == jj::vector_length<engine_row>());
  });
}

TEST_CASE("a row that no flow has filled can be written") {
  const jj::engine<everything>::row row{};
  const std::vector<cell> cells = json_reader(json(row)).read();
  CHECK(cells.size() == csv_cells(csv(row)).size());
  for (const cell& c : cells)
    if (c.name == "end_reason") CHECK(c.value.empty());
}

TEST_CASE("rows of absurd lengths and rates can be written") {
  // Total length 0: the frame's length counts (segmentation offload), and that is whatever the capture file says.
  const auto engine = std::make_unique<jj::engine<everything>>();
  const auto sink = [](const auto& row, const auto&, jj::end_reason) {
    const std::vector<cell> cells = json_reader(json(row)).read();
    std::size_t compared = 0;
    for (const cell& c : cells) {
      const double value = std::strtod(c.value.c_str(), nullptr);
      if (c.name == "pkt_len_variance") compared += value == row.pkt_len_variance;
      if (c.name == "bytes_per_second") compared += value == row.bytes_per_second;
    }
    CHECK(compared == 2);
    CHECK(row.pkt_len_variance > 9e15);
    CHECK(row.pkt_len_variance < 1.2e18);
    CHECK(row.bytes_per_second > 9e15);
    CHECK(row.bytes_per_second < 1.2e18);
  };
  fb::ipv4_header header = traffic::header_of(1, true);
  header.total_length = 0;
  const fb::octets packet = fb::ipv4(header, fb::ip_protocol::udp, fb::udp(1, 2));
  engine->feed({packet.data(), packet.size(), 1000, 0}, sink);
  engine->feed({packet.data(), packet.size(), 1u << 29, 1}, sink);
  engine->flush(sink);
}

TEST_CASE("single groups of a flow's row can be written") {
  for_engine_rows([](const engine_row& row) {
    collector out;
    jj::write_csv(out, row, [](const jj::feature_info& f) { return f.group == "tcp"s && f.name != "tcp_fstat"s; });
    CHECK(csv_cells(out.text).size() == 25);
    CHECK(csv_cells(out.text)[0] == (row.tcp_is_tcp ? "true" : "false"));
  });
}
