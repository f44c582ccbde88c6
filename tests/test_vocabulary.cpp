// Section 2: borrowed bytes, short texts, lists, and the names of verdicts and end reasons.
#include <doctest/doctest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

template <std::size_t Capacity> std::string str(const jj::text<Capacity>& text) {
  return std::string(text.characters, text.length);
}

// Switches without a default: the compiler reports an enumerator that was added and is not named here.
std::string name_of(jj::verdict verdict) {
  switch (verdict) {
    case jj::verdict::counted: return "counted";
    case jj::verdict::not_ip: return "not_ip";
    case jj::verdict::unknown_link: return "unknown_link";
    case jj::verdict::malformed_link: return "malformed_link";
    case jj::verdict::malformed_ip: return "malformed_ip";
    case jj::verdict::malformed_transport: return "malformed_transport";
    case jj::verdict::refused: return "refused";
  }
  return "no enumerator";
}
std::string name_of(jj::end_reason reason) {
  switch (reason) {
    case jj::end_reason::idle: return "idle";
    case jj::end_reason::active: return "active";
    case jj::end_reason::closed: return "closed";
    case jj::end_reason::full: return "full";
    case jj::end_reason::evicted: return "evicted";
    case jj::end_reason::flushed: return "flushed";
    case jj::end_reason::snapshot: return "snapshot";
  }
  return "no enumerator";
}

}  // namespace

TEST_CASE("bytes are empty until they are given some") {
  const jj::bytes nothing;
  CHECK(nothing.empty());
  CHECK(nothing.data == nullptr);
  CHECK(nothing.length == 0);
  const std::uint8_t one = 7;
  CHECK_FALSE(jj::bytes{&one, 1}.empty());
}

TEST_CASE("first and after cut bytes in two at every place, also beyond the end") {
  const std::uint8_t octets[5] = {1, 2, 3, 4, 5};
  const jj::bytes all{octets, sizeof octets};
  for (std::size_t count = 0; count <= 8; ++count) {
    CAPTURE(count);
    const std::size_t there = count < 5 ? count : 5;
    const jj::bytes head = all.first(count), tail = all.after(count);
    CHECK(head.data == octets);
    CHECK(head.length == there);
    CHECK(tail.length == 5 - there);
    CHECK(tail.empty() == (there == 5));
    if (!tail.empty()) CHECK(tail.data == octets + count);
  }
  CHECK(all.first(SIZE_MAX).length == 5);
  CHECK(all.after(SIZE_MAX).empty());
}

TEST_CASE("nothing can be cut from no bytes") {
  const jj::bytes nothing;
  CHECK(nothing.first(3).empty());
  CHECK(nothing.after(0).empty());
  CHECK(nothing.after(3).empty());
}

TEST_CASE("a text takes characters and literals in order") {
  jj::text<16> text;
  CHECK(str(text) == "");
  text.append('a');
  text.append("bc");
  text.append("");
  text.append(std::string(1, '\xFF').c_str());
  CHECK(str(text) == "abc\xFF");
  text.clear();
  CHECK(str(text) == "");
  text.append('x');
  CHECK(str(text) == "x");
}

TEST_CASE("texts become strings and views of strings") {
  jj::text<8> text;
  CHECK(text.empty());
  text.append("name");
  CHECK_FALSE(text.empty());
  const std::string_view view = text;
  const std::string copy = text;
  CHECK(view == "name");
  CHECK(view.data() == text.characters);
  CHECK(copy == std::string(text));
  const jj::text_view borrowed{text.characters, 2};
  CHECK(std::string(borrowed) == "na");
  CHECK(jj::text_view{}.empty());
  CHECK(std::string_view(jj::text_view{}).empty());
}

TEST_CASE("a text drops what does not fit and keeps what was there") {
  jj::text<4> text;
  text.append("abc");
  text.append("def");
  CHECK(str(text) == "abcd");
  text.append('x');
  text.append_decimal(12);
  text.append_hexadecimal(0xAB);
  CHECK(str(text) == "abcd");
  text.clear();
  text.append_decimal(987654);
  CHECK(str(text) == "9876");
  text.clear();
  text.append_hexadecimal(0x12345);
  CHECK(str(text) == "1234");
}

TEST_CASE("the longest text is full at 65535 bytes") {
  const auto text = std::make_unique<jj::text<65535>>();
  for (int count = 0; count < 65540; ++count) text->append(count < 65535 ? 'a' : 'b');
  CHECK(str(*text) == std::string(65535, 'a'));
}

TEST_CASE("a text writes decimal numbers") {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{65535},
                                    std::uint64_t{1000000007}, UINT64_MAX}) {
    jj::text<20> text;
    text.append_decimal(value);
    CHECK(str(text) == std::to_string(value));
  }
}

TEST_CASE("a text writes hexadecimal numbers in lower case without leading zeros") {
  jj::text<40> text;
  for (const std::uint32_t value : {0u, 9u, 0xau, 0xfu, 0x10u, 0x9abcu, 0xdef0u, 0xffffffffu}) {
    text.append_hexadecimal(value);
    text.append(' ');
  }
  CHECK(str(text) == "0 9 a f 10 9abc def0 ffffffff ");
}

TEST_CASE("addresses have the text that RFC 5952 recommends") {
  const auto text_of = [](jj::ip_address::kind form, std::initializer_list<std::uint16_t> groups) {
    jj::ip_address a;
    a.form = form;
    unsigned at = 0;
    for (const std::uint16_t group : groups) {
      a.octets[at++] = static_cast<std::uint8_t>(group >> 8);
      a.octets[at++] = static_cast<std::uint8_t>(group);
    }
    const auto text = a.to_text();
    return std::string(text.characters, text.length);
  };
  const auto v6 = jj::ip_address::v6;
  CHECK(text_of(jj::ip_address::v4, {0xC000, 0x02FF}) == "192.0.2.255");
  CHECK(text_of(jj::ip_address::pseudonym, {0x0123, 0x4567, 0x89AB, 0xCDEF}) == "0123456789abcdef");
  CHECK(text_of(v6, {0x2001, 0xDB8, 1, 2, 3, 4, 5, 0xABCD}) == "2001:db8:1:2:3:4:5:abcd");
  CHECK(text_of(v6, {0, 0, 0, 0, 0, 0, 0, 0}) == "::");
  CHECK(text_of(v6, {0, 0, 0, 0, 0, 0, 0, 1}) == "::1");
  CHECK(text_of(v6, {0xFE80, 0, 0, 0, 0, 0, 0, 0}) == "fe80::");
  CHECK(text_of(v6, {1, 0, 0, 2, 0, 0, 0, 3}) == "1:0:0:2::3");       // the longest run
  CHECK(text_of(v6, {1, 0, 0, 2, 0, 0, 3, 4}) == "1::2:0:0:3:4");     // the first of equals
  CHECK(text_of(v6, {1, 0, 2, 3, 4, 5, 6, 7}) == "1:0:2:3:4:5:6:7");  // never a single group
  CHECK(text_of(v6, {0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x0201}) == "::ffff:192.0.2.1");
  CHECK(text_of(v6, {0, 0, 0, 0, 0, 0xFFFE, 0xC000, 0x0201}) == "::fffe:c000:201");
  CHECK(text_of(v6, {0, 0, 0, 0, 0xFFFF, 0, 0xC000, 0x0201}) == "::ffff:0:c000:201");
}

TEST_CASE("a list is walked from its first element to its last") {
  const int elements[3] = {4, 5, 6};
  const jj::list<int> three{elements, 3, 10};
  int sum = 0, count = 0;
  for (const int element : three) sum = 10 * sum + element, ++count;
  CHECK(sum == 456);
  CHECK(count == 3);
  const jj::list<int> none;
  CHECK(none.begin() == none.end());
  CHECK(none.padded_length == 0);
}

TEST_CASE("every verdict has its name in the table and the table has no more") {
  for (std::size_t at = 0; at < jj::verdict_count; ++at)
    CHECK(jj::verdict_names[at] == name_of(static_cast<jj::verdict>(at)));
  CHECK(name_of(static_cast<jj::verdict>(jj::verdict_count)) == "no enumerator");
}

TEST_CASE("every end reason has its name in the table and the table has no more") {
  for (std::size_t at = 0; at < jj::end_reason_count; ++at)
    CHECK(jj::end_reason_names[at] == name_of(static_cast<jj::end_reason>(at)));
  CHECK(name_of(static_cast<jj::end_reason>(jj::end_reason_count)) == "no enumerator");
}

TEST_CASE("the statistics count every verdict and every end reason") {
  const jj::engine_statistics statistics{};
  CHECK(sizeof statistics.frames / sizeof *statistics.frames == jj::verdict_count);
  CHECK(sizeof statistics.rows / sizeof *statistics.rows == jj::end_reason_count);
}
