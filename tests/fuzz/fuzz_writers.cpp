// Fuzz target: a row whose texts and numbers are any bytes. As JSON it must pass a strict reader of RFC 8259 that also
// checks UTF-8, as CSV a reader of RFC 4180 must find as many cells as there are features; numbers must read back.
#include <cstdlib>
#include <cstring>
#include <string>

#include "joyfuljay.hpp"
#include "tests/fuzz/must.hpp"

namespace jj = joyfuljay;

namespace {

// ---- A row of every kind of value

struct any_bytes {
  JOYFULJAY_GROUP(any_bytes, /* no accumulators */)
  JOYFULJAY_FEATURE(jj::text<24>, short_text, "", "Text in the row.") { return {}; }
  JOYFULJAY_FEATURE(jj::text_view, long_text, "", "Text elsewhere.") { return {}; }
  JOYFULJAY_FEATURE(jj::ip_address, host, "", "An address of any form.") { return {}; }
  JOYFULJAY_FEATURE(double, real, "", "Any bits.") { return 0; }
  JOYFULJAY_FEATURE(std::uint64_t, natural, "", "Any bits.") { return 0; }
  JOYFULJAY_FEATURE(std::int64_t, whole, "", "Any bits.") { return 0; }
  JOYFULJAY_FEATURE(bool, truth, "", "Either.") { return false; }
  JOYFULJAY_FEATURE(jj::list<double>, reals, "", "Any bits.") { return {}; }
  JOYFULJAY_FEATURE(jj::list<jj::splt_step>, steps, "", "Any bits.") { return {}; }
};
using row_type = jj::row_for<jj::type_list<any_bytes>>;
constexpr std::size_t columns = 9;

/// Takes values from the input until there is none left, then zeros.
class source {
 public:
  source(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  template <class Value> Value take() {
    Value value{};
    const std::size_t some = left_ < sizeof value ? left_ : sizeof value;
    if (some != 0) std::memcpy(&value, data_, some);
    data_ += some, left_ -= some;
    return value;
  }
  jj::text_view rest() const { return {reinterpret_cast<const char*>(data_), left_}; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// ---- Strict readers

/// RFC 8259, without the freedoms it leaves: no white space.
class json_reader {
 public:
  explicit json_reader(const std::string& text) : at_(text.data()), end_(text.data() + text.size()) {}
  bool is_valid() { return value() && at_ == end_; }

 private:
  bool next_is(char c) const { return at_ != end_ && *at_ == c; }
  bool skip(char c) { return next_is(c) ? ++at_, true : false; }
  bool skip(const char* word) {
    const std::size_t length = std::strlen(word);
    if (static_cast<std::size_t>(end_ - at_) < length || std::memcmp(at_, word, length) != 0) return false;
    at_ += length;
    return true;
  }
  bool value() {
    if (next_is('{')) return object();
    if (next_is('[')) return array();
    if (next_is('"')) return text();
    return skip("true") || skip("false") || number();
  }
  bool object() {
    if (!skip('{')) return false;
    if (skip('}')) return true;
    do {
      if (!text() || !skip(':') || !value()) return false;
    } while (skip(','));
    return skip('}');
  }
  bool array() {
    if (!skip('[')) return false;
    if (skip(']')) return true;
    do {
      if (!value()) return false;
    } while (skip(','));
    return skip(']');
  }
  bool digits() {
    const char* const begin = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != begin;
  }
  bool number() {
    skip('-');
    if (!skip('0') && !digits()) return false;
    if (skip('.') && !digits()) return false;
    if (!skip('e')) return true;
    skip('-');
    return digits();
  }
  bool text() {
    if (!skip('"')) return false;
    while (at_ != end_ && *at_ != '"') {
      const unsigned char c = static_cast<unsigned char>(*at_);
      if (c < 0x20 || c == 0x7F) return false;
      if (!(c == '\\' ? escape() : character())) return false;
    }
    return skip('"');
  }
  bool escape() {
    ++at_;
    if (skip('"') || skip('\\')) return true;
    if (!skip('u')) return false;
    for (unsigned digit = 0; digit < 4; ++digit, ++at_)
      if (at_ == end_ || std::strchr("0123456789abcdef", *at_) == nullptr || *at_ == '\0') return false;
    return true;
  }
  /// One code point: neither overlong, nor a surrogate, nor beyond U+10FFFF [RFC 3629].
  bool character() {
    const unsigned char lead = static_cast<unsigned char>(*at_++);
    if (lead < 0x80) return true;
    const unsigned more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC0 || lead > 0xF4) return false;
    std::uint32_t point = lead & (0x3Fu >> more);
    for (unsigned at = 0; at < more; ++at, ++at_) {
      if (at_ == end_ || (static_cast<unsigned char>(*at_) & 0xC0) != 0x80) return false;
      point = point << 6 | (static_cast<unsigned char>(*at_) & 0x3Fu);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    return point >= least[more] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
  }
  const char* at_;
  const char* end_;
};

/// RFC 4180: how many cells the one record has, 0 when it is not well-formed.
std::size_t csv_cells(const std::string& text) {
  std::size_t cells = 1, at = 0;
  bool is_quoted = false;
  for (; at + 2 < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return 0;
    if (is_quoted) {
      if (c != '"') continue;
      if (text[at + 1] == '"')
        ++at;
      else if (text[at + 1] == ',' || text[at + 1] == '\r')
        is_quoted = false;
      else
        return 0;
    } else if (c == '"') {
      if (at != 0 && text[at - 1] != ',') return 0;
      is_quoted = true;
    } else if (c == ',') {
      ++cells;
    }
  }
  return !is_quoted && text.size() >= 2 && text.compare(text.size() - 2, 2, "\r\n") == 0 ? cells : 0;
}

template <class Write> std::string written(const Write& write) {
  std::string out;
  write([&](const char* characters, std::size_t length) { out.append(characters, length); });
  return out;
}
bool is_finite(double x) { return x - x == 0; }

/// The number behind "real": in the JSON text.
void must_read_back(const std::string& json, double x) {
  const std::size_t at = json.find("\"real\":");
  must(at != std::string::npos);
  const double again = std::strtod(json.c_str() + at + 7, nullptr);
  must(is_finite(x) ? again == x : again == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  source from(data, size);
  row_type row{};
  const std::uint8_t shape = from.take<std::uint8_t>();
  row.real = from.take<double>();
  row.natural = from.take<std::uint64_t>();
  row.whole = from.take<std::int64_t>();
  row.truth = (shape & 1) != 0;
  constexpr jj::ip_address::kind forms[] = {jj::ip_address::none, jj::ip_address::v4, jj::ip_address::v6,
                                            jj::ip_address::pseudonym};
  row.host.form = forms[shape >> 1 & 3];
  for (std::uint8_t& octet : row.host.octets) octet = from.take<std::uint8_t>();
  double reals[7];
  for (double& real : reals) real = from.take<double>();
  row.reals = {reals, shape >> 3 & 7u, shape >> 6 & 3u};
  const jj::splt_step steps[2] = {{from.take<std::uint32_t>(), from.take<double>(), from.take<std::int8_t>()},
                                  {from.take<std::uint32_t>(), from.take<double>(), from.take<std::int8_t>()}};
  row.steps = {steps, shape & 1u, shape >> 1 & 3u};
  for (unsigned at = 0; at < (shape >> 3 & 31u); ++at) row.short_text.append(from.take<char>());
  row.long_text = from.rest();

  const std::string json = written([&](auto&& out) { jj::write_json(out, row); });
  must(json_reader(json).is_valid());
  must_read_back(json, row.real);
  must(csv_cells(written([&](auto&& out) { jj::write_csv(out, row); })) == columns);
  double numbers[jj::vector_length<row_type>()];
  jj::to_vector(row, numbers);
  return 0;
}
