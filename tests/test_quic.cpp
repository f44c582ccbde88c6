// Section 8, QUIC: the examples of RFC 9001 and RFC 9369, datagrams built packet by packet, and damage of every kind in
// buffers of exact size.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/quic_sealer.hpp"

namespace jj = joyfuljay;
using namespace quic_sealer;
using kind = jj::quic_packet_type;

namespace {

std::string hex(const std::uint8_t* data, std::size_t length) {
  std::string out;
  for (std::size_t at = 0; at < length; ++at) {
    out += "0123456789abcdef"[data[at] / 16];
    out += "0123456789abcdef"[data[at] % 16];
  }
  return out;
}
std::string hex(const octets& o) { return hex(o.data(), o.size()); }
octets unhex(const std::string& digits) {
  octets out;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return out;
}
jj::bytes view(const octets& o) { return {o.data(), o.size()}; }
octets copy(jj::bytes b) { return octets(b.data, b.data + b.length); }
template <std::size_t Capacity> std::string string_of(const jj::text<Capacity>& t) {
  return std::string(t.characters, t.length);
}

/// A copy of exactly its size, so that reading past it is seen.
struct exact {
  std::unique_ptr<std::uint8_t[]> memory;
  jj::packet p{};

  explicit exact(const octets& payload, jj::direction dir = jj::fwd, std::uint32_t wire_length = 0)
      : memory(new std::uint8_t[payload.size()]) {
    if (!payload.empty()) std::memcpy(memory.get(), payload.data(), payload.size());
    p.dir = dir;
    p.payload = {memory.get(), payload.size()};
    p.payload_len = wire_length != 0 ? wire_length : static_cast<std::uint32_t>(payload.size());
  }
};

using window = jj::byte_window<16384>;

/// A flow with as many windows as connections.
struct flow {
  jj::quic_facts facts;
  jj::quic_connection connections[4];
  std::unique_ptr<window[]> windows{new window[4]};
  std::size_t windows_to_be_had = 4;
  bool is_well_formed = true;
  std::vector<octets> hellos;
  std::vector<unsigned> hello_connections;

  flow() {
    std::memset(static_cast<void*>(&facts), 0, sizeof facts);
    std::memset(static_cast<void*>(connections), 0, sizeof connections);
    for (unsigned at = 0; at < 4; ++at) windows[at].clear();
  }
  flow& read(const octets& payload, jj::direction dir = jj::fwd, std::uint32_t wire_length = 0) {
    const exact datagram(payload, dir, wire_length);
    jj::packet_effort effort = jj::packet_effort::of_packet<jj::default_config>();
    jj::quic_key_cache cache;
    jj::read_quic<32>(
        datagram.p, facts, connections, effort, cache,
        [&](unsigned number) { return number < windows_to_be_had ? &windows[number] : nullptr; },
        [&](jj::bytes hello, unsigned number) {
          hellos.push_back(copy(hello));
          hello_connections.push_back(number);
          if (is_well_formed) std::memset(static_cast<void*>(connections), 0xEE, sizeof connections);
          return is_well_formed;
        });
    return *this;
  }
};

std::vector<kind> kinds(const octets& payload, std::uint32_t wire_length = 0, bool known = false) {
  const exact datagram(payload, jj::fwd, wire_length);
  std::vector<kind> out;
  jj::walk_quic_datagram(datagram.p.payload, datagram.p.payload_len, known,
                         [&](const jj::quic_packet& p) { out.push_back(p.type); });
  return out;
}
using some = std::vector<kind>;

octets random_octets(std::mt19937& random, std::size_t length) {
  octets out;
  while (out.size() < length) out.push_back(static_cast<std::uint8_t>(random()));
  return out;
}
const octets& some_hello() {  // a hello for the reader of QUIC; what is in it concerns the one of TLS
  static const octets hello = [] {
    std::mt19937 random(5);
    return client_hello(random_octets(random, 700));
  }();
  return hello;
}
octets body_of(const octets& hello) { return octets(hello.begin() + 4, hello.end()); }
octets padded(const octets& frames, std::size_t length = 1162) {
  return frames.size() < length ? frames + zeros(length - frames.size()) : frames;
}

std::string keys_of(std::uint32_t version, const octets& id, jj::quic_side side) {
  jj::quic_keys keys;
  jj::derive_quic_keys(version, view(id), side, keys);
  return hex(keys.key, 16) + " " + hex(keys.iv, 12) + " " + hex(keys.header_protection, 16);
}

// [RFC 9001 A.2], the same in [RFC 9369 A.2]
const char* const example_client_frame =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113020100"
    "00c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e00"
    "0500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d74800"
    "2b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffff"
    "ff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";
// [RFC 9001 A.3], the same in [RFC 9369 A.3]
const char* const example_server_frames =
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100"
    "002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";
// [RFC 9001 A.4]: a Retry in answer to the client's packet
const char* const example_retry = "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba";

}  // namespace

static_assert(std::is_trivial_v<jj::quic_facts> && sizeof(jj::quic_facts) == 24);
static_assert(std::is_trivial_v<jj::quic_connection> && sizeof(jj::quic_connection) == 40);
static_assert(std::is_trivial_v<jj::spin_watch> && sizeof(jj::spin_watch) == 1);
static_assert(std::is_trivial_v<window> && sizeof(window) == 16384 + 32 * 4 + 2);

TEST_CASE("quic: Initial keys of RFC 9001 A.1, RFC 9369 A.1 and draft 29") {
  const octets id = unhex("8394c8f03e515708");
  CHECK(keys_of(1, id, jj::from_client) ==
        "1f369613dd76d5467730efcbe3b1a22d fa044b2f42a3fd3b46fb255c 9f50449e04a0e810283a1e9933adedd2");
  CHECK(keys_of(1, id, jj::from_server) ==
        "cf3a5331653c364c88f0f379b6067e37 0ac1493ca1905853b0bba03e c206b8d9b9f0f37644430b490eeaa314");
  CHECK(keys_of(0x6B3343CF, id, jj::from_client) ==
        "8b1a0bc121284290a29e0971b5cd045d 91f73e2351d8fa91660e909f 45b95e15235d6f45a6b19cbcb0294ba9");
  CHECK(keys_of(0x6B3343CF, id, jj::from_server) ==
        "82db637861d55e1d011f19ea71d5d2a7 dd13c276499c0249d3310652 edf6d05c83121201b436e16877593c3a");
  CHECK(keys_of(0xFF00001D, id, jj::from_client) ==
        "175257a31eb09dea9366d8bb79ad80ba 6b26114b9cba2b63a9e8dd4f 9ddd12c994c0698b89374a9c077a3077");
  CHECK(keys_of(0xFF000022, id, jj::from_client) == keys_of(1, id, jj::from_client));
}

TEST_CASE("quic: names of versions") {
  CHECK(string_of(jj::quic_version_name(1)) == "QUIC v1");
  CHECK(string_of(jj::quic_version_name(0x6B3343CF)) == "QUIC v2");
  for (std::uint32_t draft = 22; draft <= 34; ++draft)
    CHECK(string_of(jj::quic_version_name(0xFF000000 | draft)) == "QUIC draft-" + std::to_string(draft));
  CHECK(string_of(jj::quic_version_name(0xFACEB001)) == "QUIC mvfst-22");
  CHECK(string_of(jj::quic_version_name(0xFACEB002)) == "QUIC mvfst-27");
  CHECK(string_of(jj::quic_version_name(0xFACEB00E)) == "QUIC mvfst-exp");
  for (const std::uint32_t other :
       {0u, 2u, 0xFF000015u, 0xFF000023u, 0x51303433u, 0xFACEB000u, 0xFACEB003u, 0xFFFFFFFFu})
    CHECK(string_of(jj::quic_version_name(other)).empty());
}

TEST_CASE("quic: packet numbers, RFC 9000 A.3 against its own wording in wide integers") {
  CHECK(jj::decode_quic_packet_number(0x9b32, 2, 0xa82f30ea + 1) == 0xa82f9b32);  // the example there
  const auto expect = [](std::int64_t truncated, unsigned length, std::int64_t expected) {
    const std::int64_t window = std::int64_t{1} << 8 * length, half = window / 2;
    const std::int64_t candidate = (expected & ~(window - 1)) | truncated;
    if (candidate <= expected - half && candidate < (std::int64_t{1} << 62) - window) return candidate + window;
    if (candidate > expected + half && candidate >= window) return candidate - window;
    return candidate;
  };
  std::mt19937_64 random(1);
  for (int round = 0; round < 200000; ++round) {
    const unsigned length = 1 + static_cast<unsigned>(random() % 4);
    const std::uint64_t truncated = random() & ((std::uint64_t{1} << 8 * length) - 1);
    std::uint64_t expected = random() >> (2 + random() % 62);
    if (round % 3 == 0) expected = (std::uint64_t{1} << 62) - random() % 300;
    if (round % 5 == 0) expected = random() % 600;
    const auto got = jj::decode_quic_packet_number(static_cast<std::uint32_t>(truncated), length, expected);
    REQUIRE(static_cast<std::int64_t>(got) ==
            expect(static_cast<std::int64_t>(truncated), length, static_cast<std::int64_t>(expected)));
  }
}

TEST_CASE("quic: the client's and the server's Initial of RFC 9001 A and RFC 9369 A") {
  struct example {
    std::uint32_t version;
    const char *client_start, *client_tag, *server;
  };
  const example examples[] = {
      {1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934",
       "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4c"
       "f73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7a"
       "af2f58891850abbdca3d20398c276456cbc42158407dd074ee"},
      {0x6B3343CF, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
       "a18b2faa745b6fe189cf772a9f84cbfc",
       "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358230035"
       "f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf"
       "21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140"}};
  for (const example& e : examples) {
    initial first;
    first.version = e.version;
    first.number = 2;
    first.number_length = 4;
    const octets client = seal(first, padded(unhex(example_client_frame)));
    REQUIRE(client.size() == 1200);
    CHECK(hex(client.data(), 32) == e.client_start);
    CHECK(hex(client.data() + client.size() - 16, 16) == e.client_tag);  // which covers all the rest

    initial answer = first;
    answer.destination_id = {};
    answer.source_id = unhex("f067a5502a4262b5");
    answer.number = 1;
    answer.number_length = 2;
    answer.side = jj::from_server;
    CHECK(hex(seal(answer, unhex(example_server_frames))) == e.server);

    flow f;
    f.read(client);
    CHECK(f.facts.detected);
    CHECK(f.facts.has_long_header);
    CHECK(f.facts.version() == e.version);
    CHECK(f.facts.destination_id_length == 8);
    CHECK(f.facts.source_id_length == 0);
    CHECK(f.facts.packet_number_length == 4);
    CHECK(f.facts.initial_packets == 1);
    CHECK(f.facts.connections == 1);
    CHECK(f.facts.client == jj::fwd);
    CHECK(f.facts.has_hello);
    CHECK_FALSE(f.facts.hello_lost);
    REQUIRE(f.hellos.size() == 1);
    CHECK(hex(f.hellos[0]) == std::string(example_client_frame + 16, 0xED * 2));
    f.read(unhex(e.server), jj::bwd);  // nothing is opened any more
    CHECK(f.facts.initial_packets == 2);
    CHECK(f.facts.packet_number_length == 4);

    flow server_opened;  // a hello that never completes leaves the server's packets to be opened
    server_opened.read(seal(first, padded(crypto_part(some_hello(), 0, 300)))).read(unhex(e.server), jj::bwd);
    CHECK(server_opened.connections[0].expected[jj::from_client] == 3);
    CHECK(server_opened.connections[0].expected[jj::from_server] == 2);
    CHECK(server_opened.facts.connections == 1);

    flow server_alone;  // nobody knows its keys
    server_alone.read(unhex(e.server));
    CHECK(server_alone.facts.detected);
    CHECK(server_alone.facts.packet_number_length == 0);
    CHECK(server_alone.facts.connections == 0);
  }
}

TEST_CASE("quic: the ClientHello comes in any order, in pieces that overlap, over several packets") {
  const octets& hello = some_hello();
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    std::vector<octets> frames;
    for (std::size_t at = 0; at < hello.size();) {  // every byte at least once
      const std::size_t to = (std::min)(hello.size(), at + 1 + random() % 90);
      frames.push_back(crypto_part(hello, at - (std::min)(at, std::size_t{random() % 9}), to));
      at = to;
    }
    for (std::size_t at = frames.size(); at > 1; --at) std::swap(frames[at - 1], frames[random() % at]);
    initial p;
    p.number_length = 1 + static_cast<unsigned>(random() % 4);
    flow f;
    std::size_t sent = 0;
    while (sent < frames.size()) {
      octets plain;
      for (std::size_t in_packet = 1 + random() % frames.size(); in_packet > 0 && sent < frames.size(); --in_packet) {
        const auto between = random() % 4;  // PADDING, PING, ACK with ranges, ACK with ECN counts
        if (between == 0) plain = plain + zeros(random() % 20);
        if (between == 1) plain.push_back(1);
        if (between == 2) plain = plain + octets{2, 5, 0, 2, 0, 1, 1, 0, 0};
        if (between == 3) plain = plain + octets{3, 5, 0, 0, 0, 1, 1, 1};
        plain = plain + frames[sent++];
      }
      f.read(seal(p, padded(plain, 20)));
      ++p.number;
    }
    REQUIRE(f.hellos.size() == 1);
    CHECK(f.hellos[0] == body_of(hello));
    CHECK(f.facts.has_hello);
    CHECK_FALSE(f.facts.hello_lost);
  }
}

TEST_CASE("quic: first bytes win, and frames that Initial packets do not carry end them") {
  const octets& hello = some_hello();
  octets other = hello;
  for (octets::value_type& o : other) o ^= 0x55;
  flow f;
  initial p;
  f.read(seal(p, crypto_part(hello, 0, 300)));
  p.number = 1;
  f.read(seal(p, crypto_part(other, 10, 290) + crypto_part(other, 100, 300)));
  CHECK(f.hellos.empty());
  p.number = 2;
  f.read(seal(p, octets{0x1C, 0, 0, 0} + crypto_part(hello, 250, hello.size())));  // CONNECTION_CLOSE
  CHECK(f.hellos.empty());
  p.number = 3;  // a frame that does not fit is none
  octets cut = crypto_part(hello, 250, hello.size());
  cut.pop_back();
  f.read(seal(p, cut));
  CHECK(f.hellos.empty());
  p.number = 4;
  f.read(seal(
      p, octets{0x40, 0x06} + octets(hello.begin(), hello.begin())));  // CRYPTO, its type in two bytes, nothing else
  f.read(seal(p, octets{0x40, 0x01} + crypto_part(hello, 250, hello.size())));
  REQUIRE(f.hellos.size() == 1);
  CHECK(f.hellos[0] == body_of(hello));
}

TEST_CASE("quic: a malformed hello leaves the flow open, others count by connection") {
  flow f;
  initial p;
  f.is_well_formed = false;
  f.read(seal(p, crypto_part(some_hello(), 0, some_hello().size())));
  CHECK(f.hellos.size() == 1);
  CHECK_FALSE(f.facts.has_hello);
  f.is_well_formed = true;
  p.destination_id = p.key_id = {1, 2, 3};
  f.read(seal(p, crypto_part(some_hello(), 0, some_hello().size())));
  REQUIRE(f.hellos.size() == 2);
  CHECK(f.hello_connections[1] == 1);
  CHECK(f.facts.has_hello);
  CHECK(f.facts.connections == 2);
}

TEST_CASE("quic: an opened hello that is not whole, not first or empty is none") {
  const octets& hello = some_hello();
  for (const octets& stream :
       {octets(hello.begin(), hello.end() - 1), octets{2, 0, 0, 1, 0}, octets{1, 0, 0, 0}, octets{1, 0, 0}}) {
    flow f;
    f.read(seal(initial{}, padded(crypto(0, stream), 20)));
    CHECK(f.facts.connections == 1);
    CHECK(f.hellos.empty());
  }
  flow longest;  // a hello that fills the window to its last byte, and one that is longer
  std::mt19937 random(9);
  const octets whole = client_hello(random_octets(random, 16380));
  initial p;
  for (std::size_t at = 0; at < whole.size(); at += 1024, ++p.number)
    longest.read(seal(p, crypto_part(whole, at, at + 1024)));
  REQUIRE(longest.hellos.size() == 1);
  CHECK(longest.hellos[0] == body_of(whole));
  const octets beyond = client_hello(random_octets(random, 16381));
  flow too_long;
  p.number = 0;
  for (std::size_t at = 0; at < beyond.size(); at += 1024, ++p.number)
    too_long.read(seal(p, padded(crypto_part(beyond, at, (std::min)(at + 1024, beyond.size())), 20)));
  CHECK(too_long.hellos.empty());
}

TEST_CASE("quic: of a frame that crosses the window's end the part inside counts") {
  const octets hello = client_hello(octets(16'168, 3)), stream = hello + octets(400, 0);
  flow f;
  for (std::size_t at = 0; at < 16'000; at += 1'000) f.read(seal(initial{}, crypto_part(stream, at, at + 1'000)));
  CHECK(f.hellos.empty());
  f.read(seal(initial{}, crypto_part(stream, 16'000, 16'500)));
  REQUIRE(f.hellos.size() == 1);
  CHECK(f.hellos[0].size() == 16'168);
}

TEST_CASE("quic: without a window, or with too many gaps, the hello is lost and the rest is not") {
  const octets& hello = some_hello();
  flow f;
  f.windows_to_be_had = 0;
  f.read(seal(initial{}, crypto_part(hello, 0, hello.size())));
  CHECK(f.facts.hello_lost);
  CHECK_FALSE(f.facts.has_hello);
  CHECK(f.facts.packet_number_length == 2);
  CHECK(f.facts.connections == 1);

  flow holes;
  octets every_other;
  for (std::size_t at = 0; at < 70; at += 2) every_other = every_other + crypto_part(hello, at, at + 1);
  holes.read(seal(initial{}, every_other));
  CHECK(holes.facts.hello_lost);
  CHECK_FALSE(holes.facts.has_hello);
}

TEST_CASE("quic: Retry and version negotiation make another connection") {
  initial p;
  p.source_id = {9, 9};
  const octets part = padded(crypto_part(some_hello(), 0, 300));
  flow f;
  f.read(seal(p, part)).read(unhex(example_retry), jj::bwd);
  CHECK(f.facts.retry);
  p.destination_id = p.key_id = unhex("f067a5502a4262b5");
  p.token = unhex("746f6b656e");
  p.number = 1;
  f.read(seal(p, crypto_part(some_hello(), 0, some_hello().size())));
  CHECK(f.facts.connections == 2);
  REQUIRE(f.hellos.size() == 1);
  CHECK(f.hello_connections[0] == 1);

  flow short_tag;  // fifteen bytes behind the connection IDs
  const octets retry = unhex(example_retry);
  short_tag.read(octets(retry.begin(), retry.begin() + 15 + 15));
  CHECK_FALSE(short_tag.facts.detected);

  const octets negotiation = unhex("80000000000209090812345678123456784a4a4a4a6b3343cf");
  flow n;
  n.read(negotiation, jj::bwd);
  CHECK(n.facts.detected);
  CHECK_FALSE(n.facts.has_long_header);
  CHECK(n.facts.destination_id_length == 2);
  CHECK(n.facts.source_id_length == 8);
  CHECK(n.facts.version() == 0);
  n.read(seal(initial{}, part));  // a long header of a known version is shown instead
  CHECK(n.facts.destination_id_length == 8);
  CHECK(n.facts.source_id_length == 0);
  CHECK(n.facts.version() == 1);
  CHECK(kinds(octets(negotiation.begin(), negotiation.end() - 1)).empty());      // no whole versions
  CHECK(kinds(octets(negotiation.begin(), negotiation.end() - 8)).empty());      // none at all
  CHECK(kinds(octets(negotiation.begin(), negotiation.end() - 4)).empty());      // none that is known
  CHECK(kinds(octets(negotiation.begin(), negotiation.end() - 1), 25).empty());  // it was not captured
  CHECK(kinds(seal(initial{}, part) + negotiation) == some{kind::initial});      // only as the first packet

  const octets reserved = octets{0xC0, 0x1A, 0x2A, 0x3A, 0x4A, 1, 7, 2, 8, 8};
  CHECK(kinds(padded(reserved, 1200)) == some{kind::reserved});
  CHECK(kinds(reserved, 1200) == some{kind::reserved});  // cut by the capture
  CHECK(kinds(padded(reserved, 1199)).empty());
}

TEST_CASE("quic: compatible negotiation: the packet's own version names the salt, the answer's version is shown") {
  initial p;
  flow f;
  f.read(seal(p, padded(crypto_part(some_hello(), 0, 300))));
  initial answer;
  answer.version = 0x6B3343CF;
  answer.destination_id = {};
  answer.source_id = {5};
  answer.side = jj::from_server;
  f.read(seal(answer, padded(octets{2, 0, 0, 0, 0}, 30)), jj::bwd);
  CHECK(f.facts.version() == 0x6B3343CF);
  CHECK(f.connections[0].expected[jj::from_server] == 1);
  p.version = 0x6B3343CF;
  p.destination_id = {5};
  p.number = 1;
  f.read(seal(p, crypto_part(some_hello(), 300, some_hello().size())));
  CHECK(f.facts.has_hello);
  CHECK(f.facts.connections == 1);
  CHECK(f.facts.versions[jj::fwd] == 1);

  flow turned;  // the capture begins with the server
  initial first;
  turned.read(seal(answer, padded(octets{2, 0, 0, 0, 0}, 30)));
  CHECK(turned.facts.version() == 0x6B3343CF);
  turned.read(seal(first, padded(crypto_part(some_hello(), 0, 300))), jj::bwd);
  CHECK(turned.facts.client == jj::bwd);
  CHECK(turned.facts.version() == 0x6B3343CF);
}

TEST_CASE("quic: coalesced packets") {
  initial p;
  const octets plain = padded(octets{1}, 30);
  const octets first = seal(p, plain), zero = sealed_elsewhere(1, p, 20), handshake = sealed_elsewhere(2, p, 33);
  octets one_rtt{0x40};
  one_rtt = one_rtt + p.destination_id + zeros(12);
  CHECK(kinds(first + zero + handshake + one_rtt) ==
        some{kind::initial, kind::zero_rtt, kind::handshake, kind::one_rtt});
  octets stranger = one_rtt;
  stranger[3] ^= 1;
  CHECK(kinds(first + stranger) == some{kind::initial});             // padding that happens to look like one
  CHECK(kinds(first + zeros(40) + one_rtt) == some{kind::initial});  // padding ends the datagram
  one_rtt.pop_back();
  CHECK(kinds(first + one_rtt) == some{kind::initial});
  CHECK(kinds(first + one_rtt, static_cast<std::uint32_t>(first.size() + 21)) == some{kind::initial, kind::one_rtt});
  initial other = p;
  other.destination_id = {1};
  CHECK(kinds(first + sealed_elsewhere(2, other, 33)) == some{kind::initial});
  other = p;
  other.version = 0x6B3343CF;
  CHECK(kinds(first + sealed_elsewhere(1, other, 33)) == some{kind::initial, kind::zero_rtt});
  other.version = 0x51303433;  // Google's Q043
  CHECK(kinds(first + sealed_elsewhere(1, other, 33)) == some{kind::initial});
  CHECK(kinds(sealed_elsewhere(1, other, 33)).empty());

  CHECK(kinds(sealed_elsewhere(2, p, 19)).empty());
  CHECK(kinds(sealed_elsewhere(2, p, 20)) == some{kind::handshake});
  octets longer = sealed_elsewhere(2, p, 20);
  longer.pop_back();
  CHECK(kinds(longer).empty());
  CHECK(kinds(longer, static_cast<std::uint32_t>(longer.size() + 1)) == some{kind::handshake});  // cut by the capture
  octets many;
  for (int at = 0; at < 70; ++at) many = many + sealed_elsewhere(2, p, 20);
  CHECK(kinds(many).size() == 64);

  flow f;
  f.read(first + zero + handshake + octets{0x60} + p.destination_id + zeros(12));
  CHECK(f.facts.zero_rtt);
  CHECK_FALSE(f.facts.retry);
  CHECK(f.facts.initial_packets == 1);
  CHECK(f.facts.spin.seen == 2);
}

TEST_CASE("quic: the fixed bit, connection IDs, tokens") {
  initial p;
  octets clear = sealed_elsewhere(2, p, 20);
  clear[0] ^= 0x40;
  CHECK(kinds(clear).empty());
  CHECK(kinds(clear, 0, true) == some{kind::handshake});
  CHECK(kinds(sealed_elsewhere(2, p, 20) + clear) == some{kind::handshake, kind::handshake});

  for (const std::size_t length : {std::size_t{0}, std::size_t{20}, std::size_t{21}, std::size_t{255}}) {
    initial ids;
    ids.destination_id = ids.key_id = octets(length, 7);
    CHECK(kinds(sealed_elsewhere(2, ids, 20)).size() == (length <= 20 ? 1 : 0));
    if (length <= 20) CHECK(flow().read(seal(ids, octets{1, 1, 1, 1})).facts.connections == 1);
    ids.source_id = octets(length, 7);
    ids.destination_id = {1};
    CHECK(kinds(sealed_elsewhere(2, ids, 20)).size() == (length <= 20 ? 1 : 0));
  }
  const octets start = long_header(0, p);
  CHECK(kinds(start + integer(0x3FFFFFFFFFFFFFFF) + zeros(50)).empty());              // token
  CHECK(kinds(start + octets{0} + integer(0x3FFFFFFFFFFFFFFF) + zeros(50)).empty());  // length
  CHECK(kinds(start + integer(3, 8) + zeros(3) + integer(20, 8) + zeros(20)) == some{kind::initial});
}

TEST_CASE("quic: at most four connections are kept and 32 Initials tried") {
  flow f;
  for (std::uint8_t client = 0; client < 6; ++client) {
    initial p;
    p.destination_id = p.key_id = {client};
    f.read(seal(p, octets{1, 1, 1, 1}));
  }
  CHECK(f.facts.connections == 4);
  CHECK(f.facts.initial_packets == 6);
  for (const auto& connection : f.connections) CHECK(connection.expected[jj::from_client] == 1);

  flow limited;
  initial p;
  octets wrong = seal(p, octets{1, 1, 1, 1});
  wrong.back() ^= 1;
  for (int at = 0; at < 31; ++at) limited.read(wrong);
  CHECK(limited.facts.opens_more(32));
  CHECK(limited.facts.connections == 0);
  flow just = std::move(limited);
  just.read(seal(p, octets{1, 1, 1, 1}));
  CHECK(just.facts.connections == 1);
  CHECK_FALSE(just.facts.opens_more(32));
  p.number = 1;
  just.read(seal(p, octets{1, 1, 1, 1}));
  CHECK(just.connections[0].expected[jj::from_client] == 1);
  CHECK(just.facts.initial_packets == 33);
}

TEST_CASE("quic: spin bit before and after the first long header") {
  const auto short_header = [](bool spin) { return octets{static_cast<std::uint8_t>(spin ? 0x60 : 0x40)} + zeros(30); };
  jj::spin_watch before{};
  const auto starts = [&](const octets& payload, jj::direction dir) {
    return jj::starts_quic(exact(payload, dir).p, before);
  };
  CHECK_FALSE(starts(short_header(false), jj::fwd));
  CHECK_FALSE(starts(short_header(true), jj::bwd));
  CHECK_FALSE(starts({}, jj::fwd));
  CHECK_FALSE(starts(octets{0x40, 1, 2}, jj::bwd));  // too short
  CHECK_FALSE(starts(octets(40, 0x20), jj::bwd));    // no fixed bit
  CHECK_FALSE(before.spins());
  const octets first = seal(initial{}, octets{1, 1, 1, 1}) + octets{0x60} + initial{}.destination_id + zeros(12);
  CHECK(starts(first, jj::fwd));
  CHECK_FALSE(before.spins());
  flow f;
  f.facts.spin = before;
  f.read(first);
  CHECK(f.facts.spin.spins());

  flow backwards;
  backwards.read(short_header(true), jj::fwd).read(short_header(false), jj::bwd).read(short_header(true), jj::fwd);
  CHECK_FALSE(backwards.facts.spin.spins());
  backwards.read(short_header(true), jj::bwd);
  CHECK(backwards.facts.spin.spins());
  CHECK_FALSE(backwards.facts.detected);  // short headers alone never make a flow QUIC

  exact fragment(first);
  fragment.p.is_later_fragment = true;
  CHECK_FALSE(jj::starts_quic(fragment.p, before));
}

TEST_CASE("quic: nothing opens when a bit is wrong or a byte is missing") {
  const octets good = seal(initial{}, crypto(0, client_hello(octets(20, 3))));
  CHECK(flow().read(good).facts.has_hello);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    octets bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    flow f;
    f.read(bad);
    CHECK(f.facts.connections == 0);
    CHECK_FALSE(f.facts.has_hello);
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    const octets cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    for (const std::size_t wire : {length, good.size()}) {
      flow f;
      f.read(cut, jj::fwd, static_cast<std::uint32_t>(wire));
      CHECK(f.facts.connections == 0);
      CHECK(f.facts.initial_packets == (length >= 18 && wire == good.size() ? 1 : 0));
    }
  }
}

TEST_CASE("quic: what is opened may hold anything") {
  std::mt19937 random(11);
  for (int round = 0; round < 1500; ++round) {
    octets plain = random_octets(random, 4 + random() % 120);
    for (octets::value_type& o : plain)
      if (random() % 3 != 0) o %= 8;  // types, and small numbers
    flow f;
    f.read(seal(initial{}, plain));
    CHECK(f.facts.connections == 1);
  }
  const auto reads = [](const octets& frames) { return flow().read(seal(initial{}, frames)).facts.connections == 1; };
  CHECK(reads(octets{2} + integer(1) + integer(1) + integer(0x3FFFFFFFFFFFFFFF) + zeros(30)));  // ranges without end
  CHECK(reads(octets{6} + integer(0x3FFFFFFFFFFFFFFF) + integer(4) + zeros(4)));
  CHECK(reads(octets{6} + integer(0) + integer(0x3FFFFFFFFFFFFFFF) + zeros(4)));
  CHECK(reads(crypto(16383, octets(9, 1)) + crypto(16384, octets(9, 1))));
}

TEST_CASE("quic: random datagrams") {
  std::mt19937 random(12);
  const octets good =
      seal(initial{}, padded(crypto_part(some_hello(), 0, 200), 300)) + sealed_elsewhere(2, initial{}, 40);
  flow f;
  for (int round = 0; round < 20000; ++round) {
    octets datagram = round % 2 == 0 ? good : random_octets(random, random() % 80);
    if (!datagram.empty() && round % 2 == 1) datagram[0] |= 0xC0;
    if (datagram.size() > 5 && round % 4 == 1) std::memcpy(datagram.data() + 1, good.data() + 1, 4);
    for (auto damage = random() % 4; damage > 0 && !datagram.empty(); --damage)
      datagram[random() % (std::min)(datagram.size(), std::size_t{40})] = static_cast<std::uint8_t>(random());
    if (random() % 2 == 0) datagram.resize(random() % (datagram.size() + 1));
    if (round % 20 == 0) f = flow();
    f.read(datagram, random() % 2 == 0 ? jj::fwd : jj::bwd,
           random() % 2 == 0 ? 0 : static_cast<std::uint32_t>(datagram.size() + 1 + random() % 1500));
    CHECK(f.facts.connections <= 4);
  }
}

TEST_CASE("byte_window: against a map of bytes") {
  using small = jj::byte_window<64, 4>;
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    const auto w = std::make_unique<small>();
    w->clear();
    int model[64];
    for (int& byte : model) byte = -1;
    for (int step = 0; step < 12; ++step) {
      const std::uint64_t offset = random() % 20 == 0 ? random() * std::uint64_t{0x100000001} : random() % 70;
      const std::size_t length = random() % 12;
      const octets piece = random_octets(random, length);
      unsigned pieces = 0;
      bool touches = false;
      for (int at = 0; at < 64; ++at) {
        pieces += model[at] >= 0 && (at == 0 || model[at - 1] < 0);
        const auto place = static_cast<std::uint64_t>(at);
        touches = touches || (model[at] >= 0 && place + 1 >= offset && place <= offset + length);
      }
      const bool fits = offset >= 64 || length == 0 || touches || pieces < 4;
      std::size_t asked = 0;
      CHECK(w->add(offset, length, [&](std::size_t at) {
        CHECK(at >= asked);  // in ascending order
        asked = at;
        return piece.at(at);
      }) == fits);
      for (std::size_t at = 0; at < length && fits; ++at)
        if (offset + at < 64 && model[offset + at] < 0) model[offset + at] = piece[at];
      std::size_t contiguous = 0;
      while (contiguous < 64 && model[contiguous] >= 0) ++contiguous;
      REQUIRE(w->contiguous().length == contiguous);
      for (std::size_t at = 0; at < contiguous; ++at) REQUIRE(w->contiguous().data[at] == model[at]);
    }
  }
}
