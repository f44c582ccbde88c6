// Section 8, DNS: messages good and bad (the classes of RFC 9267), the exchange that is kept, UDP and TCP, random bytes
// in buffers of exact size.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

using octets = std::vector<std::uint8_t>;

octets operator+(octets left, const octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
octets u16(unsigned value) { return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)}; }
octets u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xFFFF); }
octets label(const std::string& text) {
  return octets{static_cast<std::uint8_t>(text.size())} + octets(text.begin(), text.end());
}
octets name(const std::vector<std::string>& labels) {
  octets out;
  for (const std::string& one : labels) out = out + label(one);
  return out + octets{0};
}
octets pointer(unsigned target) { return u16(0xC000 | target); }
octets header(unsigned id, unsigned flags, unsigned questions, unsigned answers = 0, unsigned authority = 0,
              unsigned additional = 0) {
  return u16(id) + u16(flags) + u16(questions) + u16(answers) + u16(authority) + u16(additional);
}
octets question(const octets& of, unsigned type = 1) { return of + u16(type) + u16(1); }
octets record(const octets& of, std::uint32_t ttl, std::size_t data_length = 4) {
  return of + u16(1) + u16(1) + u32(ttl) + u16(static_cast<unsigned>(data_length)) + octets(data_length, 9);
}
constexpr unsigned response_bit = 0x8000, truncated_bit = 0x0200, desired_bit = 0x0100, available_bit = 0x0080;
const octets example = name({"www", "example", "org"});
octets query(unsigned id, const octets& of = example, unsigned flags = desired_bit) {
  return header(id, flags, 1) + question(of);
}
octets response(unsigned id, std::vector<std::uint32_t> ttls, unsigned flags = 0, const octets& of = example) {
  octets out = header(id, response_bit | flags, 1, static_cast<unsigned>(ttls.size())) + question(of);
  for (const std::uint32_t ttl : ttls) out = out + record(pointer(12), ttl);
  return out;
}

/// A copy of exactly its size, so that reading past it is seen.
struct exact {
  std::unique_ptr<std::uint8_t[]> memory;
  std::size_t length;
  explicit exact(const octets& o) : memory(new std::uint8_t[o.size()]), length(o.size()) {
    if (!o.empty()) std::memcpy(memory.get(), o.data(), o.size());
  }
  jj::bytes view() const { return {memory.get(), length}; }
};

bool parses(const octets& message, jj::dns_message& out) { return jj::parse_dns(exact(message).view(), out); }
bool parses(const octets& message) {
  jj::dns_message out;
  return parses(message, out);
}
std::string name_of(jj::bytes message) {
  std::string out;
  jj::write_dns_question_name(message, [&](char c) { out.push_back(c); });
  return out;
}
std::string name_of(const octets& message) { return name_of(exact(message).view()); }
template <std::size_t Capacity> std::string string_of(const jj::text<Capacity>& t) {
  return std::string(t.characters, t.length);
}

/// The facts of a flow and the name that is shown.
struct flow {
  jj::dns_facts facts;
  std::string shown;

  flow() { std::memset(static_cast<void*>(&facts), 0, sizeof facts); }
  flow& udp(const octets& message) {
    const exact e(message);
    jj::packet_effort effort = jj::packet_effort::of_packet<jj::default_config>();
    if (jj::dns_reader(facts, effort).datagram(e.view())) shown = name_of(e.view());
    return *this;
  }
  flow& tcp(const octets& message, jj::direction dir) {
    const exact e(message);
    jj::packet_effort effort = jj::packet_effort::of_packet<jj::default_config>();
    if (jj::dns_reader(facts, effort).stream_message(e.view(), dir)) shown = name_of(e.view());
    return *this;
  }
  std::string name() const { return facts.has_question ? shown : "-"; }
};

}  // namespace

static_assert(std::is_trivial_v<jj::dns_facts> && sizeof(jj::dns_facts) == 32);
static_assert(std::is_trivial_v<jj::dns_message>);

TEST_CASE("dns: a query and a response") {
  jj::dns_message m;
  REQUIRE(parses(query(0x1234), m));
  CHECK(m.id == 0x1234);
  CHECK_FALSE(m.is_response());
  CHECK(m.has_question);
  CHECK(m.question_type == 1);
  CHECK_FALSE(m.has_ttl);
  CHECK(name_of(query(1)) == "www.example.org");
  REQUIRE(parses(response(7, {300, 60, 86400}, available_bit | 3), m));
  CHECK(m.is_response());
  CHECK(m.answers == 3);
  CHECK(m.min_ttl == 60);
  CHECK(m.max_ttl == 86400);
  REQUIRE(parses(header(1, response_bit, 0, 1, 2, 3) + record(example, 0xFFFFFFFF), m));
  CHECK_FALSE(m.has_question);
  CHECK(m.authority == 2);
  CHECK(m.additional == 3);
  CHECK(m.min_ttl == 0xFFFFFFFF);  // unsigned
  REQUIRE(parses(header(1, 0, 1, 1) + question(example) + record(pointer(12), 5), m));
  CHECK_FALSE(m.has_ttl);  // a query's records are not read
}

TEST_CASE("dns: what is a message and what is not") {
  CHECK_FALSE(parses({}));
  const octets good = query(1);
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK_FALSE(parses(octets(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))));
  for (unsigned opcode = 0; opcode < 16; ++opcode)
    CHECK(parses(header(1, opcode << 11, 1) + question(example)) == (opcode <= 6 && opcode != 3));
  CHECK_FALSE(parses(header(1, 0, 0)));
  CHECK(parses(header(1, response_bit, 0)));  // a response may be empty
  CHECK(parses(header(1, 0, 0, 1)));
  CHECK(parses(header(1, 0, 0, 0, 1)));
  CHECK(parses(header(1, 0, 0, 0, 0, 1)));
}

TEST_CASE("dns: errors behind the first question end the reading and no more") {
  jj::dns_message m;
  const octets whole = header(1, response_bit, 2, 3) + question(example) + question(pointer(12)) +
                       record(pointer(12), 10) + record(pointer(12), 20) + record(pointer(12), 30);
  REQUIRE(parses(whole, m));
  CHECK(m.max_ttl == 30);
  const std::size_t first_question = 12 + example.size() + 4, second = first_question + 6;
  for (std::size_t length = 12; length <= whole.size(); ++length) {
    const bool valid = parses(octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)), m);
    CHECK(valid == (length >= first_question));
    if (!valid) continue;
    CHECK(m.answers == 3);
    // A record counts with its ten bytes of fields; its data may be missing.
    const std::size_t records = length < second + 12 ? 0 : (std::min)(std::size_t{3}, (length - second - 12) / 16 + 1);
    CHECK(m.has_ttl == (records != 0));
    CHECK(m.max_ttl == records * 10);
  }
  octets far = header(1, response_bit, 1, 2) + question(example) + record(pointer(12), 10);
  far[far.size() - 6] = 0xFF;  // RDLENGTH past the end [RFC 9267 6]
  REQUIRE(parses(far + record(pointer(12), 20), m));
  CHECK(m.max_ttl == 10);
  REQUIRE(parses(header(1, response_bit, 1, 65535) + question(example) + record(pointer(12), 10), m));  // counts [5]
  CHECK(m.answers == 65535);
  CHECK(m.max_ttl == 10);
  REQUIRE(parses(header(1, response_bit, 65535, 1) + question(example) + record(pointer(12), 10), m));
  CHECK_FALSE(m.has_ttl);
}

TEST_CASE("dns: names: the classes of RFC 9267") {
  const auto asks = [](const octets& of) { return parses(header(1, 0, 1) + question(of)); };
  // Compression pointers [2]
  CHECK_FALSE(asks(pointer(12)));                   // to itself
  CHECK_FALSE(asks(label("a") + pointer(12)));      // to its own start
  CHECK_FALSE(asks(label("a") + pointer(14)));      // to the pointer
  CHECK_FALSE(asks(label("a") + pointer(13)));      // into its label
  CHECK_FALSE(asks(label("a") + pointer(18)));      // forwards
  CHECK_FALSE(asks(label("a") + pointer(0x3FFF)));  // out of the message
  CHECK_FALSE(parses(header(1, 0, 1) + octets{0xC0}));
  CHECK(asks(label("a") + pointer(4)));  // into the header, where a zero stands: strange, and it ends
  CHECK(name_of(header(1, 0, 1) + question(label("a") + pointer(2))) == "a");
  octets mutual = header(1, response_bit, 1, 1) + question(example);
  const unsigned here = static_cast<unsigned>(mutual.size());
  jj::dns_message m;
  CHECK(parses(mutual + record(label("a") + pointer(here + 2), 9), m));  // a loop of two, behind the question
  CHECK_FALSE(m.has_ttl);
  CHECK(parses(mutual + record(pointer(12), 9), m));
  CHECK(m.has_ttl);
  // Labels and names [3, 4]
  CHECK(asks(label(std::string(63, 'a')) + octets{0}));
  CHECK_FALSE(asks(octets{64} + octets(64, 'a') + octets{0}));
  CHECK_FALSE(asks(octets{0x80} + octets(128, 'a') + octets{0}));
  CHECK_FALSE(parses(header(1, 0, 1) + octets{5, 'a', 'b'}));  // a label that does not end
  CHECK_FALSE(parses(header(1, 0, 1) + label("abc")));         // a name that does not
  const octets three = label(std::string(63, 'a')) + label(std::string(63, 'b')) + label(std::string(63, 'c'));
  CHECK(asks(three + label(std::string(61, 'd')) + octets{0}));  // 255 bytes
  CHECK(name_of(header(1, 0, 1) + question(three + label(std::string(61, 'd')) + octets{0})).size() == 253);
  CHECK_FALSE(asks(three + label(std::string(62, 'd')) + octets{0}));  // 256
  octets ones;
  for (int at = 0; at < 127; ++at) ones = ones + label("x");
  CHECK(asks(ones + octets{0}));
  CHECK_FALSE(asks(ones + label("x") + octets{0}));
  octets longer = header(1, response_bit, 1, 2) + question(ones + octets{0});
  CHECK(parses(longer + record(pointer(12), 5), m));
  CHECK(m.has_ttl);
  CHECK(parses(longer + record(label("y") + pointer(12), 5), m));  // 257 bytes by way of a pointer
  CHECK_FALSE(m.has_ttl);
  CHECK(name_of(query(1, octets{0})).empty());
  CHECK(asks(octets{0}));
  // The text rule
  CHECK(name_of(query(1, label(std::string("A.b\x1f \x7e\x7f\xe9", 8)) + label("c") + octets{0})) == "A.b? ~??.c");
}

TEST_CASE("dns: a message that is nothing but pointers ends when its steps are used up") {
  // The data of the first answer is a chain of pointers, each to the one before, 600 steps long. Every further answer has
  // an end of the chain for its name, in turn one of two: a suffix is only known when it is the last one found.
  constexpr unsigned links = 600;
  octets message = header(1, response_bit, 1, 65535) + question(octets{0}) + record(octets{0}, 1, 2 * links);
  const std::size_t begin = message.size() - 2 * links;
  for (std::size_t at = begin; at < message.size(); at += 2) {
    const octets link = pointer(static_cast<unsigned>(at == begin ? 12 : at - 2));
    message[at] = link[0], message[at + 1] = link[1];
  }
  const unsigned end_of_chain = static_cast<unsigned>(message.size() - 2);
  octets one_end = message;
  for (std::uint32_t ttl = 2; message.size() + 12 < 15000; ++ttl) {
    message = message + record(pointer(end_of_chain - ttl % 2 * 2), ttl, 0);
    one_end = one_end + record(pointer(end_of_chain), ttl, 0);
  }
  jj::dns_message m;
  REQUIRE(parses(message, m));
  CHECK(m.max_ttl == 4);  // 2048 steps are enough for three chains; all 1100 would be 660,000
  flow f;
  jj::packet_effort effort = jj::packet_effort::of_packet<jj::default_config>();
  jj::dns_reader reader(f.facts, effort);
  reader.datagram(exact(message).view());
  CHECK(reader.was_cut());
  CHECK(f.facts.has_response);
  CHECK(f.facts.max_ttl == 4);

  REQUIRE(parses(one_end, m));  // one step each behind the first
  CHECK(m.max_ttl > 1000);
  jj::packet_effort again = jj::packet_effort::of_packet<jj::default_config>();
  flow g;
  jj::dns_reader other(g.facts, again);
  other.datagram(exact(one_end).view());
  CHECK_FALSE(other.was_cut());
}

TEST_CASE("dns: a suffix that is known counts with the labels before it") {
  // Answers with the name of the question behind a label, as long as names may be and one byte longer.
  const octets longest = label(std::string(63, 'a')) + label(std::string(63, 'b')) + label(std::string(63, 'c'));
  for (const std::size_t more : {61u, 62u}) {
    octets message = header(1, response_bit, 1, 3) + question(longest + octets{0});
    message = message + record(pointer(12), 1, 0) + record(pointer(12), 2, 0);
    message = message + record(label(std::string(more, 'd')) + pointer(12), 3, 0);
    jj::dns_message m;
    REQUIRE(parses(message, m));
    CHECK(m.max_ttl == (more == 61 ? 3 : 2));
  }
}

TEST_CASE("dns: names of types and codes") {
  CHECK(string_of(jj::dns_type_name(1)) == "A");
  CHECK(string_of(jj::dns_type_name(28)) == "AAAA");
  CHECK(string_of(jj::dns_type_name(65)) == "HTTPS");
  CHECK(string_of(jj::dns_type_name(255)) == "ANY");
  CHECK(string_of(jj::dns_type_name(0)) == "TYPE0");
  CHECK(string_of(jj::dns_type_name(65535)) == "TYPE65535");
  CHECK(string_of(jj::dns_rcode_name(0)) == "NOERROR");
  CHECK(string_of(jj::dns_rcode_name(2)) == "SERVFAIL");
  CHECK(string_of(jj::dns_rcode_name(5)) == "REFUSED");
  CHECK(string_of(jj::dns_rcode_name(6)) == "RCODE6");
  CHECK(string_of(jj::dns_rcode_name(15)) == "RCODE15");
}

TEST_CASE("dns: Q and R of a UDP flow") {
  const octets other = name({"other"});
  flow f;
  CHECK_FALSE(f.facts.detected());
  f.udp(octets(20, 0xFF));
  CHECK_FALSE(f.facts.detected());
  f.udp(query(5));
  CHECK(f.facts.detected());
  CHECK(f.facts.has_query);
  CHECK_FALSE(f.facts.has_response);
  CHECK(f.facts.recursion_desired());
  CHECK(f.name() == "www.example.org");
  f.udp(response(6, {1}, truncated_bit, other));  // does not fit, but there is no other
  CHECK(f.facts.response_id == 6);
  CHECK(f.facts.truncated());
  CHECK(f.name() == "www.example.org");
  f.udp(response(5, {30, 20}, available_bit | 3));
  CHECK(f.facts.response_id == 5);
  CHECK_FALSE(f.facts.truncated());
  CHECK(f.facts.recursion_available());
  CHECK(f.facts.rcode() == 3);
  CHECK(f.facts.answers == 2);
  CHECK(f.facts.min_ttl == 20);
  CHECK(f.facts.max_ttl == 30);
  f.udp(response(5, {1}, 0, other)).udp(query(7, other)).udp(response(7, {1}));  // all too late
  CHECK(f.facts.min_ttl == 20);
  CHECK(f.facts.query_id == 5);
  CHECK(f.name() == "www.example.org");

  flow response_first;
  response_first.udp(response(5, {8}, desired_bit));
  CHECK(response_first.name() == "www.example.org");
  CHECK(response_first.facts.recursion_desired());  // there is no query to ask
  response_first.udp(query(5, other, 0));
  CHECK(response_first.name() == "other");
  CHECK(response_first.facts.response_id == 5);
  CHECK_FALSE(response_first.facts.recursion_desired());
  response_first.udp(response(5, {99}));
  CHECK(response_first.facts.max_ttl == 8);

  flow no_question;  // the name then comes from R, as long as that is R
  no_question.udp(header(5, 0, 0, 0, 0, 1)).udp(response(6, {1}, 0, other));
  CHECK(no_question.name() == "other");
  no_question.udp(header(5, response_bit, 0));
  CHECK(no_question.name() == "-");
  CHECK(no_question.facts.response_id == 5);
  CHECK(no_question.facts.min_ttl == 0);
  flow root;
  root.udp(query(1, octets{0})).udp(response(1, {1}, 0, other));
  CHECK(root.name().empty());
}

TEST_CASE("dns: a TCP flow goes by direction, whatever arrives first") {
  const octets other = name({"other"});
  flow f;
  f.tcp(query(9, other), jj::bwd).tcp(response(9, {1}), jj::bwd);
  CHECK(f.facts.detected());
  CHECK(f.name() == "other");
  f.tcp(query(5), jj::fwd);  // the initiator's comes first
  CHECK(f.facts.query_id == 5);
  CHECK(f.name() == "www.example.org");
  f.tcp(response(5, {2}), jj::bwd);
  CHECK(f.facts.max_ttl == 2);
  f.tcp(response(5, {3}), jj::fwd);  // strange, but first
  CHECK(f.facts.max_ttl == 3);
  f.tcp(query(6), jj::fwd).tcp(response(5, {4}), jj::fwd);
  CHECK(f.facts.query_id == 5);
  CHECK(f.facts.max_ttl == 3);

  flow q_without_question;
  q_without_question.tcp(query(9, other), jj::bwd).tcp(header(5, 0, 0, 1), jj::fwd);
  CHECK(q_without_question.name() == "-");

  const octets bad(12, 0xFF);
  CHECK_FALSE(flow().tcp(bad, jj::fwd).tcp(query(1), jj::fwd).tcp(response(1, {}), jj::bwd).facts.detected());
  CHECK_FALSE(flow().tcp(bad, jj::bwd).tcp(response(1, {}), jj::bwd).facts.detected());
  CHECK(flow().tcp(bad, jj::bwd).tcp(response(1, {}), jj::bwd).tcp(query(1), jj::fwd).facts.detected());
  CHECK_FALSE(flow().tcp(response(1, {}), jj::bwd).tcp(bad, jj::fwd).facts.detected());
  CHECK(flow().tcp(query(1), jj::fwd).tcp(bad, jj::fwd).tcp(bad, jj::bwd).facts.detected());
}

TEST_CASE("dns: random bytes and damaged messages") {
  std::mt19937 random(21);
  const octets good = header(1, response_bit, 2, 4, 1, 1) + question(example) + question(pointer(12)) +
                      record(pointer(16), 10) + record(label("a") + pointer(12), 20, 0) + record(pointer(12), 30, 40) +
                      record(example, 40);
  flow f;
  for (int round = 0; round < 60000; ++round) {
    octets message = good;
    if (round % 3 == 0) {
      message.resize(random() % 100);
      for (octets::value_type& o : message) o = static_cast<std::uint8_t>(random() % 4 == 0 ? 0xC0 : random());
    }
    for (auto damage = random() % 5; damage > 0 && !message.empty(); --damage)
      message[random() % message.size()] = static_cast<std::uint8_t>(random() % 3 == 0 ? 0xC0 : random());
    if (random() % 2 == 0) message.resize(random() % (message.size() + 1));
    const exact e(message);
    CHECK(name_of(e.view()).size() <= 253);  // of anything
    jj::dns_message m;
    if (jj::parse_dns(e.view(), m)) CHECK(m.min_ttl <= m.max_ttl);
    if (round % 10 == 0) f = flow();
    f.udp(message);
    f.tcp(message, random() % 2 == 0 ? jj::fwd : jj::bwd);
  }
}
