// Sections 8.3 and 9.4: identification lines, KEXINIT of both sides, HASSH, roles, and the packets of a key exchange.
#include <doctest/doctest.h>

#include <memory>

#include "joyfuljay.hpp"
#include "tests/handshakes.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using namespace handshakes;

namespace {

const octets client_line = ascii("SSH-2.0-OpenSSH_9.6 Debian\r\n"), server_line = ascii("SSH-2.0-dropbear\r\n");
const octets newkeys = ssh_packet(21, 0, 10);

/// "version software" of the client's side, which has that stream; "-" when SSH is not detected.
std::string identified(const octets& stream, std::size_t size = 1400) {
  const answers got = ask(conversation(stream, {}, size));
  CHECK(got.at("handshake_dropped") == "false");
  if (got.at("ssh_detected") == "false") return "-";
  return got.at("ssh_client_version") + " " + got.at("ssh_client_software");
}
/// Whether packets behind the line are read.
bool reads_packets_behind(const octets& line) {
  return ask(conversation(line + kexinit(lists_of("c")), {})).at("ssh_hassh") != "";
}
answers whole_exchange(std::size_t size) {
  return ask(conversation(client_line + kexinit(lists_of("c")) + ssh_packet(30) + newkeys + octets(40, 0xAA),
                          server_line + kexinit(lists_of("s"), 11) + ssh_packet(31) + newkeys + octets(90, 0xBB),
                          size));
}

}  // namespace

// ---- Identification lines

TEST_CASE("identification lines, as they should be and otherwise") {
  struct row {
    const char *line, *what;
  };
  const row rows[] = {
      {"SSH-2.0-OpenSSH_9.6\r\n", "2.0 OpenSSH_9.6"},
      {"SSH-2.0-OpenSSH_9.6 Debian-1\r\n", "2.0 OpenSSH_9.6"},
      {"SSH-2.0-OpenSSH_9.6\n", "2.0 OpenSSH_9.6"},
      {"SSH-2.0-OpenSSH_9.6\r", "2.0 OpenSSH_9.6"},  // CR only: the line has not ended
      {"SSH-2.0-OpenSSH_9.6", "2.0 OpenSSH_9.6"},
      {"SSH-2.0-a\rb\n", "2.0 a"},
      {"SSH-2.0-a\tb\n", "2.0 a"},
      {"SSH-2.0-a\vb\n", "2.0 a"},
      {"SSH-2.0-  a b\n", "2.0 a"},
      {"SSH-2.0-\n", "2.0 "},
      {"SSH-2.0-  \r\n", "2.0 "},
      {"SSH-2.0- \ra\n", "2.0 "},
      {"SSH-1.99-x\n", "1.99 x"},
      {"SSH-123.456-x-y\n", "123.456 x-y"},
      {"SSH-2.0\n", "-"},
      {"SSH-2-x\n", "-"},
      {"SSH-2.-x\n", "-"},
      {"SSH-.0-x\n", "-"},
      {"SSH-2.0x-y\n", "-"},
      {"SSH-2.0.1-y\n", "-"},
      {"SSH- 2.0-y\n", "-"},
      {"ssh-2.0-y\n", "-"},
      {"SSSH-2.0-y\n", "-"},
      {"xSSH-2.0-y\n", "-"},
      {" SSH-2.0-y\n", "-"},
      {"SSH\n-2.0-y\n", "-"},
      {"SSH-2.0-\x80\x01~\n", "2.0 ??~"},
      {"\nSSH-2.0-y\n", "2.0 y"},
      {"\r\n\r\nSSH-2.0-y\n", "2.0 y"},
      {"hello\r\nSS\nSSH\nSSH-2.0-y\n", "2.0 y"},
      {"hello\rSSH-2.0-y\n", "-"},    // lines end with LF
      {"SSH-bad\nSSH-2.0-y\n", "-"},  // the first line that begins so decides
      {"SSH-2.0-one\nSSH-2.0-two\n", "2.0 one"},
  };
  for (const row& r : rows) {
    CAPTURE(r.line);
    for (const std::size_t size : sizes{1, 2, 5, 1400}) CHECK(identified(ascii(r.line), size) == r.what);
  }
}

TEST_CASE("a line split at every byte, in both orders") {
  const octets stream = ascii("Welcome\r\nSSH-2.0-OpenSSH_9.6 Debian\r\n");
  for (std::uint32_t at = 1; at < stream.size(); ++at) {
    const segment first{true, client_start, slice(stream, 0, at)};
    const segment second{true, client_start + at, slice(stream, at, stream.size())};
    CHECK(ask(opening() + segments{first, second}).at("ssh_client_software") == "OpenSSH_9.6");
    CHECK(ask(opening() + segments{second, first}).at("ssh_client_software") == "OpenSSH_9.6");
  }
}

TEST_CASE("what is there of a line that has not ended is told, from the hyphen on") {
  const octets line = ascii("SSH-2.0-abc\n");
  for (std::size_t length = 1; length <= line.size(); ++length) {
    const std::string software = std::string("abc").substr(0, std::min<std::size_t>(length > 8 ? length - 8 : 0, 3));
    CHECK(identified(slice(line, 0, length)) == (length < 8 ? "-" : "2.0 " + software));
  }
}

TEST_CASE("a line ends within 255 bytes, or nothing behind it is read") {
  for (const std::size_t length : sizes{253, 254, 255, 256, 257, 400}) {
    const std::string software(length - 9, 'x');  // with "SSH-2.0-" and LF: `length` bytes
    const octets line = ascii("SSH-2.0-" + software + "\n");
    REQUIRE(line.size() == length);
    for (const std::size_t size : sizes{1, 100, 254, 255, 256, 1400}) {
      CHECK(identified(line, size) == "2.0 " + software.substr(0, 247));
      const octets stream = line + kexinit(lists_of("c"));
      CHECK((ask(conversation(stream, {}, size)).at("ssh_hassh") != "") == (length <= 255));
    }
  }
  // Digits without end.
  CHECK(identified(ascii("SSH-2." + std::string(300, '1') + "-x\n")) == "-");
  CHECK(identified(ascii("SSH-2." + std::string(248, '1') + "-x\n")) == "2." + std::string(248, '1') + " ");
}

TEST_CASE("the line starts at offset 1024 at the latest") {
  for (const std::size_t offset : {1u, 1000u, 1023u, 1024u, 1025u, 1026u, 1400u})
    for (const std::size_t size : sizes{1, 7, 1024, 1025, 1400}) {
      const octets one_line = octets(offset - 1, 'l') + ascii("\n"), many(offset, '\n');
      const std::string wanted = offset <= 1024 ? "2.0 y" : "-";
      CHECK(identified(one_line + ascii("SSH-2.0-y\r\n"), size) == wanted);
      CHECK(identified(many + ascii("SSH-2.0-y\r\n"), size) == wanted);
      CHECK(identified(octets(offset, 'l') + ascii("SSH-2.0-y\r\n"), size) == "-");
    }
}

TEST_CASE("a stream without such a line is let go behind its first kilobyte") {
  jj::engine<roomy>& engine = fresh_engine<roomy>();
  for (const segment& s : conversation(octets(5000, '\n'), octets(5000, 'S'), 100))
    engine.feed(frame_of(s), traffic::ignore);
  CHECK(engine.statistics().most_used_records == 0);
}

TEST_CASE("packets follow a line of version 1.99 or from 2.0 on") {
  for (const char* line : {"SSH-2.0-x\n", "SSH-1.99-x\n", "SSH-2.1-x\n", "SSH-3.5-x\n", "SSH-10.0-x\n", "SSH-0.9-x\n"})
    CHECK(reads_packets_behind(ascii(line)));
  for (const char* line : {"SSH-1.5-x\n", "SSH-1.3-x\n", "SSH-1.9-x\n", "SSH-1.999-x\n", "SSH-1.990-x\n"})
    CHECK_FALSE(reads_packets_behind(ascii(line)));
}

// ---- KEXINIT

TEST_CASE("HASSH of both sides, whatever the segments") {
  for (const std::size_t size : sizes{1, 2, 3, 5, 6, 7, 50, 333, 1400}) {
    const answers got = whole_exchange(size);
    CHECK(got.at("ssh_version") == "2.0");
    CHECK(got.at("ssh_client_software") == "OpenSSH_9.6");
    CHECK(got.at("ssh_server_software") == "dropbear");
    CHECK(got.at("ssh_hassh") == hassh_of(lists_of("c"), false));
    CHECK(got.at("ssh_hassh_server") == hassh_of(lists_of("s"), true));
  }
}

TEST_CASE("HASSH joins the four lists with semicolons, empty ones too") {
  const std::vector<std::string> lists = {"a", "", "b,c", "", "d", "", "none", "", "", ""};
  CHECK(ask(conversation(client_line + kexinit(lists), {})).at("ssh_hassh") == md5_of(std::string("a;b,c;d;none")));
  const std::vector<std::string> empty(10);
  CHECK(ask(conversation(client_line + kexinit(empty), {})).at("ssh_hassh") == md5_of(std::string(";;;")));
}

TEST_CASE("a KEXINIT whose lists lie has no HASSH, and the next one does not count") {
  const octets good = kexinit(lists_of("c"));
  const auto hassh = [](const octets& packets) { return ask(conversation(client_line + packets, {})).at("ssh_hassh"); };
  const std::size_t lists = 4 + 1 + 1 + 16;
  for (const std::uint64_t lie : {0xFFFFFFFFull, 0x80000000ull, 0x7FFFFFFFull, 5000ull}) {
    octets lying = good;
    const octets length = u32(lie);
    std::copy(length.begin(), length.end(), lying.begin() + static_cast<std::ptrdiff_t>(lists));
    CHECK(hassh(lying) == "");
    CHECK(hassh(lying + good) == "");
  }
  octets all_lies = u8(20) + octets(16, 1);
  for (unsigned at = 0; at < 10; ++at) all_lies = all_lies + u32(0xFFFFFFFF);
  CHECK(hassh(vector<4>(u8(4) + all_lies + zeros(4))) == "");
  for (std::size_t length = 0; length < 60; ++length)
    CHECK(hassh(vector<4>(u8(4) + u8(20) + octets(length, 0) + zeros(4))).empty() == (length < 16 + 8 * 4));
  // Padding is no part of the lists.
  octets all_padding = good;
  all_padding[4] = 255;
  CHECK(hassh(all_padding) == "");
}

TEST_CASE("every truncation of an exchange, and every bit flipped in its first packets") {
  const octets stream = client_line + kexinit(lists_of("c")) + ssh_packet(30) + newkeys + octets(40, 0xAA);
  const std::size_t behind_kexinit = client_line.size() + kexinit(lists_of("c")).size();
  for (std::size_t length = 1; length <= stream.size(); ++length) {
    const answers got = ask(conversation(slice(stream, 0, length), {}));
    CHECK((got.at("ssh_hassh") != "") == (length >= behind_kexinit));
    CHECK(got.at("ssh_kex_packets") == (length >= client_line.size() + 6 ? "1" : "0"));
  }
  for (std::size_t bit = 0; bit < 8 * (client_line.size() + 40); ++bit) {
    octets flipped = stream;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1u << bit % 8);
    const answers whole = ask(conversation(flipped, {}));
    answers cut = ask(conversation(flipped, {}, 3));
    cut["ssh_kex_packets"] = whole.at("ssh_kex_packets");
    cut["ssh_encrypted_packets"] = whole.at("ssh_encrypted_packets");
    CHECK(difference(cut, whole) == "");
  }
}

TEST_CASE("packets that cannot be end the reading") {
  const octets good = kexinit(lists_of("c"));
  const auto reads_behind = [&good](const octets& packet) {
    return ask(conversation(client_line + packet + good, {})).at("ssh_hassh") != "";
  };
  for (const unsigned message : {1u, 2u, 3u, 4u, 22u, 30u, 49u}) CHECK(reads_behind(ssh_packet(message)));
  for (const unsigned message : {0u, 5u, 6u, 19u, 50u, 80u, 255u}) CHECK_FALSE(reads_behind(ssh_packet(message)));
  CHECK_FALSE(reads_behind(newkeys));
  CHECK(reads_behind(u32(2) + u8(0) + u8(2)));  // nothing but a message number
  CHECK_FALSE(reads_behind(u32(1) + u8(0) + u8(2)));
  CHECK_FALSE(reads_behind(u32(9) + u8(8) + u8(2) + zeros(7)));
  CHECK(reads_behind(u32(10) + u8(8) + u8(2) + zeros(8)));
  CHECK_FALSE(reads_behind(u32(35001) + u8(4) + u8(2) + zeros(100)));
  CHECK_FALSE(reads_behind(u32(0xFFFFFFFF) + u8(4) + u8(2) + zeros(100)));
  CHECK(reads_behind(u32(9000) + u8(4) + u8(2) + zeros(8998)));
}

// ---- Roles

TEST_CASE("the client sent the first SYN; without one the server is on port 22, or is the responder") {
  const octets a = client_line + kexinit(lists_of("a")), b = server_line + kexinit(lists_of("b"));
  const std::uint8_t answer = fb::tcp_syn | fb::tcp_ack;
  struct row {
    segments before;
    bool a_first;
    ports of;
    bool a_is_client;
  };
  const row rows[] = {
      {{{true, client_start - 1, {}, fb::tcp_syn}}, true, {40000, 2222}, true},
      {{{true, client_start - 1, {}, answer}}, true, {40000, 2222}, false},
      {{{false, server_start - 1, {}, answer}}, true, {40000, 2222}, true},
      {{{false, server_start - 1, {}, fb::tcp_syn}}, true, {40000, 22}, false},
      {{{true, client_start - 1, {}, answer}, {true, client_start - 1, {}, fb::tcp_syn}}, true, {40000, 22}, false},
      {{}, true, {40000, 2222}, true},
      {{}, false, {40000, 2222}, false},
      {{}, true, {40000, 22}, true},
      {{}, false, {40000, 22}, true},
      {{}, true, {22, 40000}, false},
      {{}, true, {22, 22}, true},
      {{}, false, {22, 22}, false},
  };
  for (const row& r : rows) {
    const segments first = pieces_of(true, client_start, a, 100), second = pieces_of(false, server_start, b, 100);
    const answers got = ask(r.before + (r.a_first ? first + second : second + first), r.of);
    CHECK(got.at("ssh_client_software") == (r.a_is_client ? "OpenSSH_9.6" : "dropbear"));
    CHECK(got.at("ssh_server_software") == (r.a_is_client ? "dropbear" : "OpenSSH_9.6"));
    CHECK(got.at("ssh_hassh") == hassh_of(lists_of(r.a_is_client ? "a" : "b"), false));
    CHECK(got.at("ssh_hassh_server") == hassh_of(lists_of(r.a_is_client ? "b" : "a"), true));
  }
  const answers server_only = ask(opening() + pieces_of(false, server_start, ascii("SSH-1.5-old\n")));
  CHECK(server_only.at("ssh_version") == "1.5");
  CHECK(server_only.at("ssh_client_version") == "");
}

TEST_CASE("a SYN behind the lines tells who is the client, too, while a stream is open") {
  const segments line = pieces_of(true, client_start, client_line);
  for (const unsigned reset : {0u, 0u + fb::tcp_rst}) {
    const segment from_responder{false, server_start - 1, {}, static_cast<std::uint8_t>(fb::tcp_syn | reset)};
    const segment answered{true, client_start - 1, {}, static_cast<std::uint8_t>(fb::tcp_syn | fb::tcp_ack | reset)};
    for (const segment& s : {from_responder, answered}) {
      const answers got = ask(line + segments{s});
      CHECK(got.at("ssh_client_software") == "");
      CHECK(got.at("ssh_server_software") == "OpenSSH_9.6");
    }
  }
  CHECK(ask(line).at("ssh_client_software") == "OpenSSH_9.6");
}

// ---- Counts

TEST_CASE("key exchange packets are those that bring bytes of messages 20 to 49 in the clear") {
  CHECK(whole_exchange(16000).at("ssh_kex_packets") == "2");
  const std::size_t exchange = kexinit(lists_of("c")).size() + ssh_packet(30).size() + newkeys.size();
  const std::size_t other = kexinit(lists_of("s"), 11).size() + ssh_packet(31).size() + newkeys.size();
  CHECK(whole_exchange(1).at("ssh_kex_packets") == std::to_string(exchange + other));
  const octets ignored = ssh_packet(2, 100);
  const segments line = pieces_of(true, client_start, client_line);
  const std::uint32_t behind = client_start + static_cast<std::uint32_t>(client_line.size());
  const auto kex = [&](const octets& packets, std::size_t size) {
    return ask(opening() + line + pieces_of(true, behind, packets, size) + line).at("ssh_kex_packets");
  };
  CHECK(kex(ignored, 10) == "0");
  CHECK(kex(ignored + ignored, 1) == "0");
  CHECK(kex(ssh_packet(30, 100), 10) == "11");  // 110 bytes
  CHECK(kex(ssh_packet(30, 100), 3) == std::to_string((110 + 2) / 3));
  // Five packets bring a header one byte each, and wait for the sixth.
  CHECK(kex(slice(ssh_packet(30, 100), 0, 5), 1) == "0");
  CHECK(kex(slice(ssh_packet(30, 100), 0, 6), 1) == "6");
  CHECK(kex(slice(ignored, 0, 6), 1) == "0");
}

TEST_CASE("encrypted packets: those that end behind NEWKEYS, once that is complete, repeated ones included") {
  const octets clear = client_line + kexinit(lists_of("c")) + newkeys;
  const std::uint32_t end = client_start + static_cast<std::uint32_t>(clear.size());
  const auto encrypted = [](const segments& packets) { return ask(opening() + packets).at("ssh_encrypted_packets"); };
  const segments opened = pieces_of(true, client_start, clear);
  const segment secret{true, end, octets(40, 0xAA)}, keep_alive{true, end + 39, octets{0xAA}};
  CHECK(encrypted(opened) == "0");
  CHECK(encrypted(opened + opened) == "0");
  CHECK(encrypted(opened + segments{secret}) == "1");
  CHECK(encrypted(opened + segments{secret, secret, keep_alive}) == "3");
  CHECK(encrypted(opened + segments{{true, end - 1, octets{0}}}) == "0");
  CHECK(encrypted(opened + segments{{true, end, {}, fb::tcp_ack}}) == "0");
  CHECK(encrypted(opened + segments{{true, end, octets(9, 9), fb::tcp_rst}}) == "0");
  CHECK(encrypted(opened + segments{{true, end + 90000, octets(9, 9)}}) == "1");  // needs no window
  // In front of the completion nothing counts; the packet that completes does when it goes on.
  CHECK(encrypted(segments{secret} + opened) == "0");
  CHECK(encrypted(pieces_of(true, client_start, clear + octets(5, 1))) == "1");
  CHECK(encrypted(pieces_of(true, client_start, clear + octets(5, 1), 1)) == "5");
  segment cut{true, client_start, clear + octets(100, 1)};
  cut.captured = clear.size();
  CHECK(encrypted({cut}) == "1");  // by its length on the wire
  cut.captured = clear.size() - 1;
  CHECK(encrypted({cut}) == "0");
}

TEST_CASE("encrypted packets are counted beyond four gigabytes, and across every wrap of the sequence number") {
  const octets clear = client_line + kexinit(lists_of("c")) + newkeys;
  for (const std::uint32_t start : {1000u, 0xFFFFFFFFu, 0xFFFFFF00u, 0x7FFFFFF0u}) {
    segments packets = {{true, start - 1, {}, fb::tcp_syn}};
    packets = packets + pieces_of(true, start, clear, 50);
    const std::uint32_t end = start + static_cast<std::uint32_t>(clear.size());
    unsigned count = 0;
    for (std::uint64_t at = 0; at < (std::uint64_t{1} << 34); at += 500'000'000, ++count)
      packets.push_back({true, end + static_cast<std::uint32_t>(at), octets(100, 7)});
    CHECK(ask(packets).at("ssh_encrypted_packets") == std::to_string(count));
  }
}

TEST_CASE("a KEXINIT without a body is the first one all the same") {
  const octets empty = ssh_packet(20, 0, 0);
  const answers got = ask(conversation(client_line + empty + kexinit(lists_of("c")) + newkeys, {}));
  CHECK(got.at("ssh_hassh") == "");
}

// ---- Beside the others

struct only_ssh : roomy {
  using groups = jj::type_list<jj::ssh, jj::handshake_state>;
};

TEST_CASE("in an engine without TLS a stream may begin with its record types") {
  const answers got = ask<only_ssh>(conversation(octets{22} + ascii("\nSSH-2.0-x\n"), {}));
  CHECK(got.at("ssh_client_software") == "x");
}

TEST_CASE("SSH is not hidden by a byte of the other side that might have opened TLS") {
  const segments server = pieces_of(false, server_start, server_line + kexinit(lists_of("s")));
  const segments tempted{{true, client_start, octets{22}}}, early{{true, client_start + 50, octets(20, 'x')}};
  for (const segments& client : {tempted, tempted + early, early + tempted}) {
    const answers got = ask(client + server);
    CHECK(got.at("ssh_server_software") == "dropbear");
    CHECK(got.at("ssh_hassh_server") == hassh_of(lists_of("s"), true));
    CHECK(got.at("tls_detected") == "false");
  }
  const answers split = ask(opening() + pieces_of(false, server_start, slice(server_line, 0, 3)) + tempted +
                            pieces_of(false, server_start + 3, slice(server_line, 3, server_line.size())));
  CHECK(split.at("ssh_server_software") == "dropbear");
  const answers hello = ask(pieces_of(true, client_start, handshake(message(client_hello{}))) + server);
  CHECK(hello.at("tls_detected") == "true");
  CHECK(hello.at("ssh_detected") == "false");
}

struct small_buffer : roomy {
  static constexpr std::size_t handshake_buffer_bytes = 512;
  static constexpr std::size_t max_name = 8;
};

TEST_CASE("a KEXINIT larger than the buffer is dropped, the counts are not") {
  const octets large = kexinit({std::string(400, 'k'), std::string(400, 'h'), "", "", "", "", "", "", "", ""});
  for (const std::size_t size : sizes{30, 1400}) {
    const octets stream = ascii("SSH-2.0-long_software\n") + large + newkeys + octets(10, 1);
    const answers got = ask<small_buffer>(conversation(stream, {}, size));
    CHECK(got.at("ssh_hassh") == "");
    CHECK(got.at("handshake_dropped") == "true");
    CHECK(got.at("ssh_client_software") == "long_sof");
    CHECK(got.at("handshake_name_cut") == "true");
    CHECK(got.at("ssh_kex_packets") != "0");
    CHECK(got.at("ssh_encrypted_packets") == "1");
  }
}

TEST_CASE("a flow can be read right behind the packet that completes the line, the KEXINIT, the NEWKEYS") {
  jj::engine<roomy>& engine = fresh_engine<roomy>();
  const octets streams[] = {client_line, kexinit(lists_of("c")), newkeys + octets(1, 1)};
  std::uint32_t at = client_start;
  engine.feed(frame_of(opening()[0]), traffic::ignore);
  for (unsigned step = 0; step < 3; ++step) {
    const auto fed = engine.feed(frame_of({true, at, streams[step]}), traffic::ignore);
    at += static_cast<std::uint32_t>(streams[step].size());
    const auto now = fed.flow.read<jj::ssh>();
    CHECK(now.ssh_client_software.length == 11);
    CHECK((now.ssh_hassh.length != 0) == (step >= 1));
    CHECK(now.ssh_encrypted_packets == (step == 2 ? 1u : 0u));
  }
}
