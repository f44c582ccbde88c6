// Sections 8.1 and 9.3: hellos as bytes, fingerprints, certificates, key exchange; records and messages in any pieces.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "joyfuljay.hpp"
#include "tests/handshakes.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace handshakes;

namespace {

// ---- Fingerprints, from lists and not from bytes

bool is_grease(unsigned value) { return value % 256 == value / 256 && value % 16 == 10; }
numbers without_grease(const numbers& values) {
  numbers out;
  for (const unsigned value : values)
    if (!is_grease(value)) out.push_back(value);
  return out;
}
std::string joined(const numbers& values) {
  std::string out;
  for (const unsigned value : values) out += (out.empty() ? "" : "-") + std::to_string(value);
  return out;
}
std::string ja4_list(const numbers& values) {
  std::string out;
  for (const unsigned value : values) out += (out.empty() ? "" : ",") + hexadecimal(value, 4);
  return out;
}
std::string sha12(const std::string& text) {
  std::uint8_t digest[jj::sha256::digest_length];
  jj::sha256 hash;
  hash.update(text.data(), text.size());
  hash.finish(digest);
  return hexadecimal(digest, 6);
}

/// What a ClientHello offers; a fingerprint is made of it by the rules, the message by the builder.
struct offer {
  unsigned version = 0x0303;
  numbers ciphers, groups, formats, signatures, versions;
  numbers others;  ///< further extensions, empty
  std::vector<octets> protocols;

  client_hello hello() const {
    client_hello out;
    out.version = version;
    out.ciphers = ciphers;
    for (const unsigned type : others) out.extensions.push_back({type, {}});
    if (!groups.empty()) out = out.with(10, vector<2>(list16(groups)));
    octets points;
    for (const unsigned format : formats) points.push_back(static_cast<std::uint8_t>(format));
    if (!formats.empty()) out = out.with(11, vector<1>(points));
    if (!signatures.empty()) out = out.with(13, vector<2>(list16(signatures)));
    if (!protocols.empty()) out = out.with(16, alpn(protocols));
    if (!versions.empty()) out = out.with(43, vector<1>(list16(versions)));
    return out;
  }
  numbers types() const {
    numbers out;
    for (const extension& one : hello().extensions) out.push_back(one.type);
    return without_grease(out);
  }
  std::string ja3() const {
    return std::to_string(version) + "," + joined(without_grease(ciphers)) + "," + joined(types()) + "," +
           joined(without_grease(groups)) + "," + joined(formats);
  }
  std::string ja4() const {
    const numbers offered = without_grease(versions);
    const unsigned highest = offered.empty() ? version : *std::max_element(offered.begin(), offered.end());
    const std::map<unsigned, std::string> names = {{0x0304, "13"}, {0x0303, "12"}, {0x0302, "11"},
                                                   {0x0301, "10"}, {0x0300, "s3"}, {0x0002, "s2"},
                                                   {0xFEFF, "d1"}, {0xFEFD, "d2"}, {0xFEFC, "d3"}};
    const auto two = [](std::size_t count) {
      return std::string(count < 10 ? "0" : "") + std::to_string(std::min<std::size_t>(count, 99));
    };
    numbers sorted_ciphers = without_grease(ciphers), hashed;
    std::sort(sorted_ciphers.begin(), sorted_ciphers.end());
    for (const unsigned type : types())
      if (type != 0 && type != 16) hashed.push_back(type);
    std::sort(hashed.begin(), hashed.end());
    const numbers signed_by = without_grease(signatures);
    const bool named = std::count(others.begin(), others.end(), 0u) != 0;
    const std::string none = "000000000000";
    return "t" + (names.count(highest) != 0 ? names.at(highest) : "00") + (named ? "d" : "i") +
           two(sorted_ciphers.size()) + two(types().size()) + protocol() + "_" +
           (sorted_ciphers.empty() ? none : sha12(ja4_list(sorted_ciphers))) + "_" +
           (hashed.empty() ? none : sha12(ja4_list(hashed) + (signed_by.empty() ? "" : "_" + ja4_list(signed_by))));
  }
  std::string protocol() const {
    if (protocols.empty() || protocols[0].empty()) return "00";
    const unsigned first = protocols[0].front(), last = protocols[0].back();
    const auto readable = [](unsigned c) { return c < 128 && std::isalnum(static_cast<int>(c)) != 0; };
    if (readable(first) && readable(last)) return {static_cast<char>(first), static_cast<char>(last)};
    return {hexadecimal(first, 2)[0], hexadecimal(last, 2)[1]};
  }
};

std::string ja3_of(const jj::tls_client_hello& hello) {
  std::string out;
  jj::write_ja3(hello, [&out](char c) { out += c; });
  return out;
}
std::string ja4_of(const jj::tls_client_hello& hello, std::size_t length) {
  std::vector<std::uint16_t> scratch(length);  // twice as many as the message can hold: writing past it is seen
  return shown(jj::ja4_of(hello, 't', scratch.data()).to_text());
}
/// Parses from a buffer of exactly the message's length, and looks at everything.
struct parsed {
  explicit parsed(const octets& body) : exact(new std::uint8_t[body.size()]) {
    std::copy(body.begin(), body.end(), exact.get());
    fits = hello.parse({exact.get(), body.size()});
    if (!fits) return;
    ja3 = ja3_of(hello);
    ja4 = ja4_of(hello, body.size());
    const jj::bytes name = hello.host_name(), first = hello.protocol();
    host.assign(name.data, name.data + name.length);
    protocol.assign(first.data, first.data + first.length);
    hello.first_key_share(share);
    version = hello.highest_version(jj::detail::tls_version_number);
  }
  std::unique_ptr<std::uint8_t[]> exact;
  jj::tls_client_hello hello;
  bool fits = false;
  std::string ja3, ja4;
  octets host, protocol;
  jj::detail::tls_key_share share{};
  unsigned version = 0;
};

/// A hello of today's kind, with everything in it.
client_hello browser() {
  client_hello hello;
  hello.session_id = octets(32, 0x5A);
  hello.ciphers = {0x2A2A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F};
  return hello.with(0x4A4A, {})
      .with(0, sni(ascii("www.example.org")))
      .with(10, vector<2>(list16({0x6A6A, 0x11EC, 29, 23})))
      .with(11, vector<1>(octets{0}))
      .with(13, vector<2>(list16({0x0403, 0x0804})))
      .with(16, alpn({ascii("h2"), ascii("http/1.1")}))
      .with(35, {})
      .with(43, vector<1>(list16({0x3A3A, 0x0304, 0x0303})))
      .with(51, vector<2>(key_share(0x6A6A, 1) + key_share(0x11EC, 1216) + key_share(29, 32)));
}
server_hello tls13_answer() {
  server_hello hello;
  hello.session_id = octets(32, 0x5A);
  hello.cipher = 0x1302;
  return hello.with(43, u16(0x0304)).with(51, key_share(0x11EC, 1120));
}
octets server_key_exchange(const octets& body) { return message(12, body); }
octets named_curve(unsigned curve, std::size_t point) {
  return server_key_exchange(u8(3) + u16(curve) + vector<1>(octets(point, 4)) + octets(70, 0x99));
}
octets dhe_prime(const octets& prime) {
  return server_key_exchange(vector<2>(prime) + vector<2>(octets{2}) + vector<2>(octets(prime.size(), 7)));
}
octets ffdhe(std::size_t bits) {
  return octets{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xAD, 0xF8, 0x54, 0x58, 0xA2, 0xBB, 0x4A, 0x9A} +
         octets(bits / 8 - 16, 0x77);
}
const octets hello_done = message(14, {});

/// The server's side of TLS 1.2 with that ServerKeyExchange.
answers key_exchange_of(const octets& exchange) {
  return ask(conversation(handshake(message(client_hello{})),
                          handshake(message(server_hello{}) + certificates({500}) + exchange + hello_done)));
}

}  // namespace

// ---- Fingerprints

TEST_CASE("JA4 of the published vector") {
  offer o;
  o.ciphers = {0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9,
               0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035};
  client_hello hello;
  hello.ciphers = o.ciphers;
  for (const unsigned type : numbers{0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D, 0x0005, 0x0023,
                                     0x0012, 0x002B, 0xFF01, 0x000B, 0x000A, 0x0015}) {
    octets data;
    if (type == 0x0010) data = alpn({ascii("h2")});
    if (type == 0x002B) data = vector<1>(list16({0x0304, 0x0303}));
    if (type == 0x000D) data = vector<2>(list16({0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}));
    hello.extensions.push_back({type, data});
  }
  const parsed p(hello.body());
  REQUIRE(p.fits);
  CHECK(p.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST_CASE("JA3 of hellos written by hand") {
  offer o;
  o.version = 769;
  o.ciphers = {47};
  client_hello bare = o.hello();
  bare.has_block = false;
  CHECK(parsed(bare.body()).ja3 == "769,47,,,");
  CHECK(parsed(bare.body()).ja4 == "t10i010000_" + sha12("002f") + "_000000000000");
  o.ciphers = {0x0A0A, 4865, 0xFAFA, 49195, 0x0A1A};  // 0x0A1A is no GREASE value
  o.groups = {0x1A1A, 29, 23};
  o.formats = {0, 1, 2};
  o.others = {0x5A5A, 23, 65281};
  CHECK(parsed(o.hello().body()).ja3 == "769,4865-49195-2586,23-65281-10-11,29-23,0-1-2");
}

TEST_CASE("the fingerprints of random hellos are those of their lists") {
  dice random(7);
  const auto some = [&random](unsigned most, unsigned limit) {
    numbers out(random.below(most + 1));
    for (unsigned& value : out)
      value = random.below(5) == 0 ? 0x0A0A + 0x1010 * (random.below(16)) : random.below(limit);
    return out;
  };
  for (int round = 0; round < 500; ++round) {
    offer o;
    const unsigned versions[] = {0x0304, 0x0303, 0x0302, 0x0301, 0x0300, 0x0002, 0xFEFF, 0xFEFD, 0xFEFC, 0x7F17, 0};
    o.version = versions[random.below(11)];
    o.ciphers = some(random.below(8) == 0 ? 150 : 12, 65536);
    o.groups = some(5, 65536);
    o.signatures = some(6, 65536);
    o.others = some(random.below(8) == 0 ? 130 : 10, 60);
    for (unsigned& type : o.others)
      if (type == 10 || type == 11 || type == 13 || type == 16 || type == 43) type += 200;
    for (const unsigned format : some(3, 200)) o.formats.push_back(format % 256);
    for (unsigned at = random.below(3); at > 0; --at) o.versions.push_back(versions[random.below(11)]);
    for (unsigned at = random.below(3); at > 0; --at) {
      o.protocols.push_back(random.bytes(random.below(4)));
    }
    const parsed p(o.hello().body());
    REQUIRE(p.fits);
    REQUIRE(p.ja3 == o.ja3());
    REQUIRE(p.ja4 == o.ja4());
    REQUIRE(p.hello.ciphers.count() == o.ciphers.size());
  }
}

TEST_CASE("all sixteen GREASE values are left out of the lists, and counted") {
  numbers grease;
  for (unsigned at = 0; at < 16; ++at) grease.push_back(0x0A0A + 0x1010 * at);
  client_hello hello;
  hello.ciphers = grease;
  for (const unsigned value : grease) hello = hello.with(value, {});
  const octets grease_name = u16(grease[3]);
  hello = hello.with(16, alpn({grease_name, ascii("h3")})).with(43, vector<1>(list16(grease)));
  hello = hello.with(51, vector<2>(key_share(grease[0], 4) + key_share(29, 32)));
  const answers got = ask(conversation(handshake(message(hello)), {}));
  CHECK(got.at("tls_cipher_count") == "16");
  CHECK(got.at("tls_extension_count") == "19");
  CHECK(got.at("tls_alpn") == "h3");
  CHECK(got.at("tls_key_exchange_group_name") == "x25519");
  CHECK(got.at("tls_version") == "771");
  CHECK(got.at("ja3_hash") == md5_of(std::string("771,,16-43-51,,")));
  CHECK(got.at("ja4").substr(0, 23) == "t12i00033a_000000000000");  // of the GREASE protocol 0x3A3A
}

TEST_CASE("radix_sort sorts like the standard library") {
  dice random(3);
  for (std::size_t count = 0; count < 200; ++count) {
    std::vector<std::uint16_t> values(count);
    for (std::uint16_t& value : values) value = static_cast<std::uint16_t>(random.below(1 + count * 3 / 2));
    std::vector<std::uint16_t> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    values.resize(2 * count);
    jj::detail::radix_sort(values.data(), count);
    values.resize(count);
    CHECK(values == sorted);
  }
}

TEST_CASE("65,535 bytes of ciphers, and as many of extensions") {
  client_hello hello;
  hello.ciphers.clear();
  for (unsigned at = 0; at < 32767; ++at) hello.ciphers.push_back((32766 - at + 40000 * (at % 2)) & 0xFFFF);
  octets odd = u16(0x0303) + octets(32, 1) + u8(0) + u16(65535) + list16(hello.ciphers) + u8(0xCC) + u16(0x0100);
  const parsed p(odd);
  REQUIRE(p.fits);  // the odd byte is left out
  CHECK(p.hello.ciphers.count() == 32767);
  CHECK(p.ja4.substr(0, 10) == "t12i990000");
  client_hello wide;
  for (unsigned at = 0; at < 16383; ++at) wide.extensions.push_back({at * 4, {}});
  const parsed q(wide.body());
  REQUIRE(q.fits);
  CHECK(q.hello.extension_count == 16383);
  CHECK(q.ja4.substr(0, 8) == "t12d0299");
}

// ---- Hellos

TEST_CASE("names of a ClientHello, well and badly formed") {
  struct row {
    octets data;
    std::string name;
  };
  const octets long_name(300, 'x');
  const row rows[] = {
      {sni(ascii("a.example")), "a.example"},
      {{}, ""},
      {sni({}), ""},
      {sni(octets{'a', 0, 'b', 0xFF, '\n', '~', ' '}), "a?b??~ "},
      {sni(long_name), std::string(255, 'x')},
      {sni(ascii("other"), 1), ""},
      {vector<2>(u8(1) + vector<2>(ascii("no")) + u8(0) + vector<2>(ascii("yes"))), "yes"},
      {vector<2>(u8(0) + vector<2>(ascii("first")) + u8(0) + vector<2>(ascii("second"))), "first"},
      {u16(4) + u8(0) + vector<2>(ascii("cut")), ""},    // the list ends inside the name
      {u16(99) + u8(0) + vector<2>(ascii("cut")), ""},   // and behind the extension
      {sni(ascii("good")) + ascii("trailing"), "good"},  // bytes behind the list
      {vector<2>(u8(0) + u16(9) + ascii("cut")), ""},    // the name ends behind the list
      {vector<2>(u8(0) + vector<2>(ascii("ok")) + u8(7)), "ok"},
  };
  for (const row& r : rows) {
    const answers got = ask(conversation(handshake(message(client_hello{}.with(0, r.data))), {}));
    CHECK(got.at("tls_sni") == r.name);
    CHECK(got.at("ja4")[3] == 'd');
  }
  const answers twice =
      ask(conversation(handshake(message(client_hello{}.with(0, sni(ascii("one"))).with(0, sni(ascii("two"))))), {}));
  CHECK(twice.at("tls_sni") == "one");
}

TEST_CASE("protocols that the client offers, and the one that the server chose") {
  const auto alpn_after = [](const octets& offered, const std::vector<octets>& chosen) {
    const server_hello plain;
    return ask(conversation(handshake(message(client_hello{}.with(16, offered))),
                            handshake(message(chosen.empty() ? plain : plain.with(16, chosen[0])))))
        .at("tls_alpn");
  };
  const octets offers = alpn({ascii("h2"), ascii("http/1.1")});
  CHECK(alpn_after(offers, {}) == "h2");
  CHECK(alpn_after(offers, {alpn({ascii("http/1.1")})}) == "http/1.1");
  CHECK(alpn_after(offers, {alpn({{}})}) == "");  // chosen, and empty
  CHECK(alpn_after(offers, {octets{}}) == "h2");  // nothing chosen
  CHECK(alpn_after(offers, {u16(7) + u8(9)}) == "h2");
  CHECK(alpn_after(alpn({{}}), {}) == "");
  CHECK(alpn_after(alpn({octets{0x0A, 0x0A}}), {}) == "");
  CHECK(alpn_after(alpn({octets{0x0A, 0x0A}, octets{0x0A, 0x1A}}), {}) == "??");
  CHECK(alpn_after(vector<2>(vector<1>(ascii("h2")) + u8(200)), {}) == "h2");  // as far as the list goes
  // The server's stream may be seen first: its choice stays.
  const octets hello = handshake(message(client_hello{}.with(16, offers)));
  const octets answer = handshake(message(server_hello{}.with(16, alpn({ascii("chosen")}))));
  CHECK(ask(pieces_of(false, 5, answer) + pieces_of(true, 5, hello)).at("tls_alpn") == "chosen");
}

TEST_CASE("versions: the field, supported_versions, drafts and vendors") {
  struct row {
    unsigned field;
    numbers offered;
    const char* name;
    const char* ja4;
  };
  const row rows[] = {{0x0300, {}, "SSL 3.0", "ts3"},       {0x0301, {}, "TLS 1.0", "t10"},
                      {0x0302, {}, "TLS 1.1", "t11"},       {0x0303, {}, "TLS 1.2", "t12"},
                      {0x0304, {}, "TLS 1.3", "t13"},       {0x0303, {0x0301, 0x0304, 0x0302}, "TLS 1.3", "t13"},
                      {0x0303, {0x7F1C}, "TLS 1.3", "t00"}, {0x0303, {0xFB1A, 0x0303}, "TLS 1.3", "t00"},
                      {0x0303, {0x0A0A}, "TLS 1.2", "t12"}, {0x0303, {0x0305}, "Unknown (0x0305)", "t00"}};
  for (const row& r : rows) {
    client_hello hello;
    hello.version = r.field;
    if (!r.offered.empty()) hello = hello.with(43, vector<1>(list16(r.offered)));
    const answers got = ask(conversation(handshake(message(hello)), {}));
    CHECK(got.at("tls_version_str") == r.name);
    CHECK(got.at("ja4").substr(0, 3) == r.ja4);
  }
  const auto answered = [](const server_hello& hello) {
    return ask(conversation(handshake(message(client_hello{})), handshake(message(hello)))).at("tls_version_str");
  };
  CHECK(answered(server_hello{}.with(43, u16(0x0304))) == "TLS 1.3");
  CHECK(answered(server_hello{}.with(43, u16(0x7F17))) == "TLS 1.3");
  CHECK(answered(server_hello{}.with(43, u8(3))) == "TLS 1.2");  // not two bytes
  CHECK(answered(server_hello{}.with(43, u16(0x0301)).with(43, u16(0x0304))) == "TLS 1.0");
}

TEST_CASE("a ServerHello of an early draft has neither session ID nor compression") {
  server_hello draft;
  draft.version = 0x7F12;
  draft.cipher = 0x1301;
  draft = draft.with(40, key_share(29, 32)).with(51, key_share(23, 65));
  const answers got = ask(conversation(handshake(message(client_hello{})), handshake(message(draft))));
  CHECK(got.at("tls_version_str") == "TLS 1.3");
  CHECK(got.at("tls_cipher_suite") == "4865");
  CHECK(got.at("tls_key_exchange_group_name") == "x25519");
  CHECK(got.at("ja3s_hash") == md5_of(std::string("32530,4865,40-51")));
  draft.version = 0x7F16;  // the drafts from 22 on look like TLS 1.3
  CHECK(ask(conversation({}, handshake(message(draft)))).at("tls_key_exchange_group_name") == "secp256r1");
}

TEST_CASE("JA3S, cipher and group are of the ServerHello behind a HelloRetryRequest") {
  const octets client = handshake(message(browser())) + change_cipher_spec() + handshake(message(browser()));
  const octets retry = handshake(message(hello_retry_request().with(51, u16(24))));
  const answers only_retry = ask(conversation(client, retry));
  CHECK(only_retry.at("tls_cipher_suite") == "4865");
  CHECK(only_retry.at("tls_key_exchange_group_name") == "secp384r1");
  CHECK(only_retry.at("tls_key_exchange_length") == "0");
  CHECK(only_retry.at("ja3s_hash") == md5_of(std::string("771,4865,43-51")));
  CHECK(only_retry.at("tls_session_resumed") == "false");

  for (const octets& between : {octets{}, change_cipher_spec()}) {
    const answers both = ask(conversation(
        client, retry + between + handshake(message(tls13_answer())) + change_cipher_spec() + application_data()));
    CHECK(both.at("tls_cipher_suite") == "4866");
    CHECK(both.at("tls_key_exchange_group_name") == "X25519MLKEM768");
    CHECK(both.at("tls_key_exchange_length") == std::to_string(1120 * 8));
  }
  // A second retry changes nothing, a second ServerHello neither.
  server_hello other = tls13_answer();
  other.cipher = 0x1303;
  const answers more =
      ask(conversation(client, retry + handshake(message(tls13_answer())) + handshake(message(other)) + retry));
  CHECK(more.at("tls_cipher_suite") == "4866");
}

TEST_CASE("a hello may end before its extensions, and inner lengths that lie make it none") {
  client_hello bare;
  bare.has_block = false;
  CHECK(ask(conversation(handshake(message(bare)), {})).at("tls_extension_count") == "0");
  server_hello bare_answer;
  bare_answer.has_block = false;
  CHECK(ask(conversation({}, handshake(message(bare_answer)))).at("ja3s_hash") == md5_of(std::string("771,49199,")));
  CHECK(ask(conversation(handshake(message(1, bare.body() + u8(0))), {})).at("ja3_hash") == "");
  CHECK(ask(conversation(handshake(message(1, bare.body() + zeros(2) + ascii("behind"))), {})).at("ja3_hash") != "");
  // A damaged hello is detected and not used; the next one is.
  octets damaged = browser().body();
  damaged[34] = 255;
  client_hello second;
  second.ciphers = {1, 2, 3};
  const answers got = ask(conversation(handshake(message(1, damaged) + message(second)), {}));
  CHECK(got.at("tls_detected") == "true");
  CHECK(got.at("tls_cipher_count") == "3");
}

TEST_CASE("every truncation, every flipped bit and lying lengths of a hello stay inside it") {
  const octets body = browser().body();
  for (std::size_t length = 0; length < body.size(); ++length) {
    const parsed p(slice(body, 0, length));
    // version, random, session ID, ciphers and compression are 2 + 32 + 33 + 14 + 2 bytes
    CHECK(p.fits == (length == 83));
  }
  for (std::size_t bit = 0; bit < 8 * std::min<std::size_t>(body.size(), 400); ++bit) {
    octets flipped = body;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1u << bit % 8);
    parsed p(flipped);
    static_cast<void>(p);
  }
  dice random(11);
  for (int round = 0; round < 3000; ++round) {
    octets lying = body;
    for (unsigned lies = 1 + random.below(3); lies > 0; --lies) {
      const std::size_t at = 34 + random.below(160);
      const unsigned value = lying[at];
      const unsigned values[] = {0, value - 1, value + 1, 255, value ^ 0x80};
      lying[at] = static_cast<std::uint8_t>(values[random.below(5)]);
    }
    lying.resize(random.below(4) == 0 ? random.below(lying.size()) : lying.size());
    parsed p(lying);
    if (p.fits) CHECK(p.ja4.size() == 36);
  }
}

TEST_CASE("every truncation and every flipped bit of a ServerHello stay inside it") {
  const octets body = tls13_answer().body();
  const auto look = [](const octets& message_body) {
    std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[message_body.size()]);
    std::copy(message_body.begin(), message_body.end(), exact.get());
    jj::tls_server_hello hello;
    const bool fits = hello.parse({exact.get(), message_body.size()});
    if (fits) jj::write_ja3s(hello, [](char c) { CHECK(c != 0); });
    return fits;
  };
  for (std::size_t length = 0; length <= body.size(); ++length)
    CHECK(look(slice(body, 0, length)) == (length == body.size() || length == 70));
  for (std::size_t bit = 0; bit < 8 * 90; ++bit) {
    octets flipped = body;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1u << bit % 8);
    look(flipped);
  }
}

TEST_CASE("lying lengths of records, messages and certificates say the same in any segments") {
  const octets client = handshake(message(browser()));
  const octets server =
      handshake(message(server_hello{}) + certificates({300, 400}) + named_curve(23, 65) + hello_done);
  dice random(23);
  for (int round = 0; round < 400; ++round) {
    octets lying = random.one_in(2) ? client : server;
    // Record and message header, or the header of the Certificate and its lists.
    const std::size_t places[] = {3, 4, 6, 7, 8, 53, 54, 55, 56, 57, 58, 59, 60, 61};
    for (unsigned lies = 1 + random.below(3); lies > 0; --lies) {
      std::uint8_t& octet = lying[places[random.below(14)]];
      const unsigned values[] = {0, octet - 1u, octet + 1u, 255, random.below(256)};
      octet = static_cast<std::uint8_t>(values[random.below(5)]);
    }
    if (random.one_in(3)) std::fill(lying.begin() + 6, lying.begin() + 9, std::uint8_t{255});
    const bool of_client = random.one_in(2);
    const octets& a = of_client ? lying : client;
    const octets& b = of_client ? server : lying;
    answers whole = ask(conversation(a, b, 16000));
    whole.erase("tls_handshake_packets");
    REQUIRE(difference(ask(conversation(a, b, 1 + random.below(9))), whole) == "");
  }
}

// ---- Key exchange, certificates, resumption

TEST_CASE("the key exchange of a ServerKeyExchange: curves, primes, and what is neither") {
  struct row {
    octets exchange;
    const char *group, *name, *bits;
  };
  const row rows[] = {
      {named_curve(23, 65), "23", "secp256r1", "520"},
      {named_curve(29, 32), "29", "x25519", "256"},
      {named_curve(1, 30), "1", "unknown(0x0001)", "240"},
      {named_curve(41, 30), "41", "unknown(0x0029)", "240"},
      {dhe_prime(octets(128, 0x80)), "0", "dhe1024", "1024"},
      {dhe_prime(zeros(1) + octets(256, 0x80)), "0", "dhe2048", "2048"},
      {dhe_prime(zeros(3) + ffdhe(3072)), "257", "ffdhe3072", "3072"},
      {dhe_prime(ffdhe(2048)), "256", "ffdhe2048", "2048"},
      {dhe_prime(ffdhe(4096)), "258", "ffdhe4096", "4096"},
      {dhe_prime(ffdhe(6144)), "259", "ffdhe6144", "6144"},
      {dhe_prime(ffdhe(8192)), "260", "ffdhe8192", "8192"},
      {dhe_prime(ffdhe(2056)), "0", "dhe2056", "2056"},
      {dhe_prime(slice(ffdhe(2048), 0, 12) + octets(244, 1)), "0", "dhe2048", "2048"},
      {dhe_prime(ffdhe(2048) + zeros(128)), "257", "ffdhe3072", "3072"},  // zeros behind the first byte are no lead
      {dhe_prime(octets(15, 0x80)), "0", "", "0"},
      {dhe_prime(zeros(16)), "0", "dhe0", "0"},
      {server_key_exchange(u16(0) + octets(40, 1)), "0", "", "0"},
      {server_key_exchange({}), "0", "", "0"},
      {server_key_exchange(u8(3) + u16(23)), "0", "", "0"},
  };
  for (const row& r : rows) {
    const answers got = key_exchange_of(r.exchange);
    CHECK(got.at("tls_key_exchange_group") == r.group);
    CHECK(got.at("tls_key_exchange_group_name") == r.name);
    CHECK(got.at("tls_key_exchange_length") == r.bits);
  }
  // Explicit curves start with 1: the two bytes are the length of a prime that is not there.
  CHECK(key_exchange_of(server_key_exchange(octets{1, 0, 1} + octets(12, 1))).at("tls_key_exchange_group_name") == "");
}

TEST_CASE("a ServerKeyExchange says the same in any pieces") {
  for (const octets& exchange : {named_curve(24, 97), dhe_prime(zeros(2) + ffdhe(2048)), dhe_prime(octets(60, 9))}) {
    const octets body = slice(exchange, 4, exchange.size());
    jj::detail::key_exchange_walk whole{};
    whole.read({body.data(), body.size()});
    for (std::size_t size = 1; size < 40; ++size) {
      jj::detail::key_exchange_walk cut{};
      for (std::size_t at = 0; at < body.size(); at += size)
        cut.read(jj::bytes{body.data() + at, body.size() - at}.first(size));
      CHECK(cut.is_curve() == whole.is_curve());
      CHECK(cut.is_prime() == whole.is_prime());
      CHECK(cut.ffdhe_group() == whole.ffdhe_group());
      if (whole.is_prime()) CHECK(cut.prime_bits() == whole.prime_bits());
    }
  }
}

TEST_CASE("the client's first key share serves without a ServerHello") {
  const auto shares = [](const octets& data) {
    const answers got = ask(conversation(handshake(message(client_hello{}.with(51, data))), {}));
    return got.at("tls_key_exchange_group") + " " + got.at("tls_key_exchange_group_name") + " " +
           got.at("tls_key_exchange_length");
  };
  CHECK(shares(vector<2>(key_share(29, 32) + key_share(23, 65))) == "29 x25519 256");
  CHECK(shares(vector<2>(key_share(0x1A1A, 1) + key_share(0x6399, 1216))) == "25497 X25519Kyber768Draft00 9728");
  CHECK(shares(vector<2>({})) == "0  0");
  CHECK(shares(vector<2>(u16(29) + u16(33) + octets(32, 1))) == "0  0");  // longer than the list
  CHECK(shares(vector<2>(key_share(0, 5))) == "0 unknown(0x0000) 40");
  CHECK(shares(vector<2>(key_share(0xABCD, 0))) == "43981 unknown(0xabcd) 0");
}

TEST_CASE("all named groups have their names") {
  const std::map<unsigned, std::string> names = {{0x0017, "secp256r1"},
                                                 {0x0018, "secp384r1"},
                                                 {0x0019, "secp521r1"},
                                                 {0x001D, "x25519"},
                                                 {0x001E, "x448"},
                                                 {0x0100, "ffdhe2048"},
                                                 {0x0101, "ffdhe3072"},
                                                 {0x0102, "ffdhe4096"},
                                                 {0x0103, "ffdhe6144"},
                                                 {0x0104, "ffdhe8192"},
                                                 {0x0200, "MLKEM512"},
                                                 {0x0201, "MLKEM768"},
                                                 {0x0202, "MLKEM1024"},
                                                 {0x11EB, "SecP256r1MLKEM768"},
                                                 {0x11EC, "X25519MLKEM768"},
                                                 {0x11ED, "SecP384r1MLKEM1024"},
                                                 {0x6399, "X25519Kyber768Draft00"},
                                                 {0x639A, "SecP256r1Kyber768Draft00"}};
  for (unsigned group = 0; group < 65536; ++group) {
    const char* const name = jj::tls_group_name(static_cast<std::uint16_t>(group));
    const auto known = names.find(group);
    if (known == names.end())
      REQUIRE(name == nullptr);
    else
      CHECK(name == known->second);
  }
}

TEST_CASE("certificates are counted from lengths alone, in any pieces, as far as they go") {
  dice random(5);
  for (int round = 0; round < 300; ++round) {
    octets list;
    for (unsigned at = random.below(6); at > 0; --at) list = list + vector<3>(octets(random.below(50)));
    octets body = vector<3>(list);
    if (random.below(3) == 0 && !body.empty())
      body[random.below(body.size())] = static_cast<std::uint8_t>(random.below(256));
    if (random.below(3) == 0) body.resize(random.below(body.size() + 1));
    // The rule itself: lengths that begin inside the list and the message.
    std::size_t count = 0, total = 0, first = 0;
    const auto u24 = [&body](std::size_t at) {
      return static_cast<std::size_t>(body[at] << 16 | body[at + 1] << 8 | body[at + 2]);
    };
    if (body.size() >= 3)
      for (std::size_t at = 3; at + 3 <= std::min(3 + u24(0), body.size()); at += 3 + u24(at)) {
        if (u24(at) == 0) continue;
        if (count++ == 0) first = u24(at);
        total += u24(at);
      }
    for (const unsigned size : {1u, 1 + random.below(9), 1000u}) {
      jj::detail::certificate_walk walk{};
      for (std::size_t at = 0; at < body.size(); at += size)
        walk.read(jj::bytes{body.data() + at, body.size() - at}.first(size));
      REQUIRE(walk.count == count);
      REQUIRE(walk.total_length == total);
      REQUIRE(walk.first_length == first);
    }
  }
}

TEST_CASE("the first Certificate message of the server counts, the client's never") {
  const octets server = handshake(message(server_hello{}) + certificates({700, 0, 900}) + certificates({5}));
  const octets client = handshake(message(client_hello{}) + certificates({100}));
  const answers got = ask(conversation(client, server));
  CHECK(got.at("tls_cert_count") == "2");
  CHECK(got.at("tls_cert_chain_length") == "2");
  CHECK(got.at("tls_cert_total_length") == "1600");
  CHECK(got.at("tls_cert_first_length") == "700");
}

TEST_CASE("sessions are resumed by their ID, by an early change of cipher, or by a PSK") {
  client_hello client;
  client.session_id = octets(32, 7);
  server_hello same, other;
  same.session_id = client.session_id;
  other.session_id = octets(32, 8);
  const octets ccs = change_cipher_spec();
  const auto resumed = [](const client_hello& c, const octets& server) {
    return ask(conversation(handshake(message(c)), server)).at("tls_session_resumed");
  };
  CHECK(resumed(client, handshake(message(same))) == "true");
  CHECK(resumed(client, handshake(message(other))) == "false");
  CHECK(resumed(client_hello{}, handshake(message(server_hello{}))) == "false");  // both empty
  CHECK(resumed(client, handshake(message(same) + certificates({9}))) == "false");
  CHECK(resumed(client, handshake(message(other)) + ccs) == "true");
  CHECK(resumed(client, handshake(message(other) + hello_done) + ccs) == "false");
  CHECK(resumed(client, handshake(message(other) + named_curve(29, 32)) + ccs) == "false");
  CHECK(resumed(client, handshake(message(other) + hello_done)) == "false");
  // Neither message is complete when the cipher changes.
  const octets exchange = named_curve(29, 32);
  CHECK(resumed(client, handshake(message(other) + slice(exchange, 0, 30)) + ccs) == "true");
  CHECK(resumed(client, handshake(message(other) + u8(14) + number(5, 3)) + ccs) == "true");
  server_hello tls13 = same.with(43, u16(0x0304));
  CHECK(resumed(client, handshake(message(tls13)) + ccs) == "false");
  CHECK(resumed(client, handshake(message(tls13.with(41, u16(0))))) == "true");
  // The server's stream first.
  CHECK(ask(pieces_of(false, 9, handshake(message(same))) + pieces_of(true, 9, handshake(message(client))))
            .at("tls_session_resumed") == "true");
}

TEST_CASE("session ID, ticket, PSK and early data of the ClientHello") {
  client_hello hello;
  hello.session_id = octets(255, 1);
  const answers got =
      ask(conversation(handshake(message(hello.with(35, octets(9, 9)).with(42, {}).with(41, octets(3, 3)))), {}));
  CHECK(got.at("tls_session_id_len") == "255");
  CHECK(got.at("tls_session_ticket_ext") == "true");
  CHECK(got.at("tls_psk_ext") == "true");
  CHECK(got.at("tls_early_data_ext") == "true");
  const answers bare = ask(conversation(handshake(message(client_hello{})), {}));
  CHECK(bare.at("tls_session_ticket_ext") == "false");
  CHECK(bare.at("tls_psk_ext") == "false");
  CHECK(bare.at("tls_early_data_ext") == "false");
}

// ---- Records, messages, sides

TEST_CASE("the same conversation in segments and records of every size") {
  const octets client = message(browser()), server = message(tls13_answer());
  const octets old_server = message(server_hello{}) + certificates({900, 1200}) + named_curve(23, 65) + hello_done;
  for (const octets& other : {server, old_server}) {
    answers wanted = ask(conversation(handshake(client), handshake(other), 16000));
    CHECK(wanted.at("ja3_hash") != "");
    wanted.erase("tls_handshake_packets");
    for (const std::size_t size : sizes{1, 2, 3, 4, 5, 6, 7, 33, 100, 536, 1000})
      CHECK(difference(ask(conversation(handshake(client), handshake(other), size)), wanted) == "");
    for (std::size_t size = 1; size <= 200; size += size < 12 ? 1 : 47)
      CHECK(difference(ask(conversation(handshake_in(client, size), handshake_in(other, size))), wanted) == "");
    CHECK(difference(ask(conversation(handshake_in(client, 3), handshake_in(other, 7), 1)), wanted) == "");
  }
}

TEST_CASE("a hello split at every byte") {
  const octets stream = handshake(message(client_hello{}.with(0, sni(ascii("split.example")))));
  const answers wanted = ask(conversation(stream, {}));
  for (std::uint32_t at = 1; at < stream.size(); ++at) {
    const segment first{true, client_start, slice(stream, 0, at)};
    const segment second{true, client_start + at, slice(stream, at, stream.size())};
    answers split = wanted;
    split["tls_handshake_packets"] = "2";
    CHECK(difference(ask(opening() + segments{first, second}), split) == "");
    CHECK(difference(ask(opening() + segments{second, first}), split) == "");
    CHECK(difference(ask(opening() + segments{second, first, second}), split) == "");
  }
}

TEST_CASE("alerts may come in front; anything else makes a stream none of TLS") {
  const octets alert = record(21, octets{1, 112}), hello = handshake(message(client_hello{}));
  const octets server = handshake(message(server_hello{}));
  const auto detected = [](const octets& client) { return ask(conversation(client, {})).at("tls_detected") == "true"; };
  CHECK(ask(conversation(hello, alert + alert + server)).at("tls_cipher_suite") == "49199");
  CHECK(ask(conversation(hello, alert + alert + server)).at("tls_handshake_packets") == "2");
  CHECK(detected(alert + hello));
  CHECK_FALSE(detected(alert));
  CHECK_FALSE(detected(change_cipher_spec() + hello));
  CHECK_FALSE(detected(application_data() + hello));
  CHECK_FALSE(detected(record(24, u8(1)) + hello));
  CHECK_FALSE(detected(alert + change_cipher_spec() + hello));
  CHECK_FALSE(detected(record(22, message(client_hello{}), 0x0305)));
  CHECK_FALSE(detected(record(22, message(client_hello{}), 0x0203)));
  CHECK_FALSE(detected(octets{22, 3, 1, 0x48, 0x01} + octets(300, 1)));  // a record of more than 18432 bytes
  CHECK(detected(octets{22, 3, 1, 0x48, 0x00} + message(client_hello{})));
  CHECK_FALSE(detected(handshake(message(0, {}) + message(client_hello{}))));  // HelloRequest first
  CHECK_FALSE(detected(handshake(message(7, octets(40, 3)))));
  CHECK_FALSE(detected(handshake(message(1, u8(3)))));
  CHECK_FALSE(detected(handshake(message(1, octets{3, 5}))));
  CHECK_FALSE(detected(handshake(message(1, octets{0x7F, 1}))));
  CHECK(detected(handshake(message(1, octets{3, 4}))));
  CHECK(detected(handshake(message(2, octets{0x7F, 0xFF}))));
  CHECK(detected(handshake({}) + hello));
}

TEST_CASE("a hello is detected from the second byte of its version on") {
  const octets stream = handshake(message(client_hello{}));
  for (std::size_t length = 1; length <= stream.size(); ++length) {
    const answers got = ask(conversation(slice(stream, 0, length), {}));
    CHECK(got.at("tls_detected") == (length >= 11 ? "true" : "false"));
    CHECK(got.at("tls_handshake_packets") == (length >= 11 ? "1" : "0"));
    CHECK(got.at("ja3_hash").empty() == (length < stream.size()));
  }
}

TEST_CASE("messages end at ChangeCipherSpec and at an unknown type, records at application data") {
  const octets hello = handshake(message(client_hello{}));
  const octets first = handshake(message(server_hello{})), rest = handshake(certificates({50}));
  const auto certs = [&hello](const octets& server) { return ask(conversation(hello, server)).at("tls_cert_count"); };
  CHECK(certs(first + rest) == "1");
  CHECK(certs(first + record(21, octets{1, 0}) + record(24, octets(7, 7)) + rest) == "1");
  CHECK(certs(first + change_cipher_spec() + rest) == "0");
  CHECK(certs(first + application_data() + rest) == "0");
  CHECK(certs(first + handshake(message(7, {})) + rest) == "0");
  CHECK(certs(first + handshake(message(67, octets(3, 3))) + rest) == "1");
  CHECK(certs(first + octets{19} + rest) == "0");
  // Messages in front of the cipher's change that lie to be 16 MiB long take everything.
  CHECK(certs(first + handshake(u8(4) + number(0xFFFFFF, 3)) + rest) == "0");
}

TEST_CASE("a ChangeCipherSpec inside the first hello makes the stream none of TLS") {
  const octets hello = message(client_hello{});
  const octets stream =
      handshake(slice(hello, 0, 20)) + change_cipher_spec() + handshake(slice(hello, 20, hello.size()));
  CHECK(ask(conversation(stream, {})).at("tls_detected") == "false");
  CHECK(ask(conversation(stream, {})).at("tls_handshake_packets") == "0");
}

TEST_CASE("the side that opens with a ClientHello is the client, whoever began") {
  client_hello hello;
  hello.ciphers = {1, 2, 3};
  const octets client = handshake(message(hello)), server = handshake(message(server_hello{}) + certificates({9}));
  const answers wanted = ask(conversation(client, server));
  CHECK(difference(ask(pieces_of(false, 1, server) + pieces_of(true, 1, client)), wanted) == "");
  CHECK(difference(ask(pieces_of(true, 1, server) + pieces_of(false, 1, client)), wanted) == "");
  const answers alone = ask(pieces_of(true, 1, server));
  CHECK(alone.at("tls_detected") == "true");
  CHECK(alone.at("tls_cert_count") == "1");
  CHECK(alone.at("ja3_hash") == "");
  CHECK(alone.at("tls_handshake_packets") == "1");
}

TEST_CASE("when both sides open with a ClientHello the initiator is the client, in every order") {
  client_hello one, two;
  one.ciphers = {1, 2, 3};
  one = one.with(0, sni(ascii("one")));
  two.ciphers = {4, 5};
  two.session_id = octets(4, 4);
  two = two.with(0, sni(ascii("two"))).with(16, alpn({ascii("h2")})).with(51, vector<2>(key_share(29, 32)));
  const octets first = handshake(message(one)), second = handshake(message(two));
  answers wanted = ask(opening() + pieces_of(true, client_start, first));

  for (const std::size_t size : sizes{1, 30, 1000}) {
    const segments a = pieces_of(true, client_start, first, size), b = pieces_of(false, server_start, second, size);
    wanted["tls_handshake_packets"] = std::to_string(a.size());
    CHECK(difference(ask(opening() + a + b), wanted) == "");
    CHECK(difference(ask(opening() + b + a), wanted) == "");
    segments mixed = opening();
    for (std::size_t at = 0; at < std::max(a.size(), b.size()); ++at) {
      if (at < a.size()) mixed.push_back(a[at]);
      if (at < b.size()) mixed.push_back(b[at]);
    }
    CHECK(difference(ask(mixed), wanted) == "");
  }
  // The initiator's hello never becomes complete: there is none.
  const answers none =
      ask(opening() + pieces_of(false, server_start, second) + pieces_of(true, client_start, slice(first, 0, 30)));
  CHECK(none.at("tls_detected") == "true");
  CHECK(none.at("ja3_hash") == "");
  CHECK(none.at("tls_sni") == "");
  CHECK(none.at("tls_alpn") == "");
  CHECK(none.at("tls_key_exchange_length") == "0");
}

TEST_CASE("when both sides open with a ServerHello the initiator's peer is the server, in every order") {
  server_hello one, two;
  one.cipher = 1;
  two.cipher = 2;
  const octets first = handshake(message(one) + certificates({7, 7})) + change_cipher_spec();
  const octets second = handshake(message(two));
  const segments a = pieces_of(true, client_start, first), b = pieces_of(false, server_start, second);
  answers wanted = ask(opening() + b);
  wanted["tls_handshake_packets"] = "2";
  CHECK(difference(ask(opening() + a + b), wanted) == "");
  CHECK(difference(ask(opening() + b + a), wanted) == "");
  // A Certificate of the initiator that goes on meanwhile.
  const segments halves = pieces_of(true, client_start, first, 70);
  REQUIRE(halves.size() == 2);
  wanted["tls_handshake_packets"] = "3";
  CHECK(difference(ask(opening() + segments{halves[0]} + b + segments{halves[1]}), wanted) == "");
}

// ---- Packets that count

TEST_CASE("handshake packets: those that bring bytes of handshake records, each once") {
  const octets client = handshake(message(client_hello{}));
  const auto packets = [](const segments& list) { return ask(opening() + list).at("tls_handshake_packets"); };
  const segments whole = pieces_of(true, client_start, client), tens = pieces_of(true, client_start, client, 10);
  CHECK(packets(whole) == "1");
  CHECK(packets(whole + whole + tens) == "1");
  CHECK(packets(tens) == std::to_string(tens.size()));
  CHECK(packets(tens + whole) == std::to_string(tens.size()));
  segments backwards = tens;
  std::reverse(backwards.begin(), backwards.end());
  CHECK(packets(backwards) == std::to_string(tens.size()));
  // The encrypted Finished of TLS 1.2 counts, what follows in application data does not.
  const octets stream = client + change_cipher_spec() + handshake(octets(40, 0xAB)) + application_data(100);
  const std::uint32_t finished = client_start + static_cast<std::uint32_t>(client.size()) + 6;
  segments parts = whole;
  parts.push_back({true, finished - 6, change_cipher_spec()});
  CHECK(packets(parts) == "1");
  parts.push_back({true, finished, handshake(octets(40, 0xAB))});
  CHECK(packets(parts) == "2");
  parts.push_back({true, finished + 45, application_data(100)});
  CHECK(packets(parts) == "2");
  CHECK(packets(pieces_of(true, client_start, stream, 1)) == std::to_string(client.size() + 45));
  // A keep-alive repeats the last byte; a packet that ends in one new byte of a header counts when that is complete.
  parts.push_back({true, finished - 1, octets{0}});
  CHECK(packets(parts) == "2");
}

TEST_CASE("a packet whose bytes all lie in a header that turns out to be an alert's does not count") {
  const octets hello = handshake(message(client_hello{})), alert = record(21, octets{1, 0});
  const std::uint32_t behind = client_start + static_cast<std::uint32_t>(alert.size());
  segments parts = pieces_of(true, client_start, alert, 1) + pieces_of(true, behind, hello);
  CHECK(ask(opening() + parts).at("tls_handshake_packets") == "1");
  // One packet that brings the first bytes of the alert's header, and, around what another one brought, the hello.
  const segment middle{true, client_start + 3, slice(alert + hello, 3, 6)};
  const segment around{true, client_start, alert + hello};
  CHECK(ask(opening() + segments{middle, around}).at("tls_handshake_packets") == "1");
  // One that brings nothing but the alert, around the end of its header.
  const segment only_alert{true, client_start, alert};
  CHECK(ask(opening() + segments{middle, only_alert} + pieces_of(true, behind, hello)).at("tls_handshake_packets") ==
        "1");
  // The same with the hello in front of the hole: its packet waits with it.
  const segment outer{true, client_start + 1, slice(alert + hello, 1, alert.size() + hello.size())};
  const segment start{true, client_start, slice(alert, 0, 1)};
  CHECK(ask(opening() + segments{middle, outer, start}).at("tls_handshake_packets") == "1");
}

// ---- Live

TEST_CASE("a flow can be read right behind the packet that completes its hello") {
  jj::engine<roomy>& engine = fresh_engine<roomy>();
  const octets stream = handshake(message(browser()));
  std::int64_t at = 0;
  for (const segment& s : opening() + pieces_of(true, client_start, stream, 100)) {
    const auto fed = engine.feed(frame_of(s, ++at), traffic::ignore);
    const auto now = fed.flow.read<jj::tls>();
    const bool complete = s.sequence + s.payload.size() == client_start + stream.size();
    CHECK((now.tls_sni.length != 0) == complete);
    CHECK((now.ja4.length != 0) == complete);
  }
  CHECK(engine.statistics().used_records == 1);
}

struct snapping : roomy {
  using snapshot_packets = jj::packet_numbers<3, 4>;
};

TEST_CASE("snapshots show what the handshake told so far") {
  jj::engine<snapping>& engine = fresh_engine<snapping>();
  std::vector<answers> rows;
  const auto sink = [&rows](const auto& row, const auto&, jj::end_reason) { rows.push_back(answers_of(row)); };
  const octets client = handshake(message(browser())), server = handshake(message(tls13_answer()));
  for (const segment& s : conversation(client, server, 16000)) engine.feed(frame_of(s), sink);
  engine.flush(sink);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("tls_sni") == "www.example.org");
  CHECK(rows[0].at("ja3s_hash") == "");
  CHECK(rows[1].at("ja3s_hash") != "");
  CHECK(difference(rows[1], rows[2]) == "");
}

struct short_names : roomy {
  static constexpr std::size_t max_name = 8;
  static constexpr std::size_t max_protocol_name = 8;
};

TEST_CASE("names longer than max_name are cut, and the row says so") {
  const auto named = [](const octets& name, const octets& protocol) {
    return ask<short_names>(
        conversation(handshake(message(client_hello{}.with(0, sni(name)).with(16, alpn({protocol})))), {}));
  };
  const answers fits = named(ascii("12345678"), ascii("abcdefgh"));
  CHECK(fits.at("tls_sni") == "12345678");
  CHECK(fits.at("handshake_name_cut") == "false");
  CHECK(named(ascii("123456789"), ascii("h2")).at("tls_sni") == "12345678");
  CHECK(named(ascii("123456789"), ascii("h2")).at("handshake_name_cut") == "true");
  CHECK(named(ascii("1"), ascii("abcdefghi")).at("handshake_name_cut") == "true");
}
