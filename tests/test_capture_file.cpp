// tools/capture_file.hpp: both formats in all their forms, and damage that takes nothing of what stands before it.
// Bare metal has no files.
#if defined(__unix__) || defined(__APPLE__) || defined(_WIN32)
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

using capture_file::reader;
using status = capture_file::reader::status;

namespace {

using octets = std::vector<std::uint8_t>;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max(),
                       earliest = std::numeric_limits<std::int64_t>::min();

octets operator+(octets left, const octets& right) {
  for (const std::uint8_t octet : right) left.push_back(octet);
  return left;
}
octets text(const std::string& characters) { return octets(characters.begin(), characters.end()); }

// ---- The two formats, written in either byte order

struct byte_order {
  bool big;

  octets number(std::uint64_t value, unsigned count) const {
    octets out(count);
    for (unsigned at = 0; at < count; ++at)
      out[big ? count - 1 - at : at] = static_cast<std::uint8_t>(value >> (8 * at));
    return out;
  }
  octets u16(std::uint64_t value) const { return number(value, 2); }
  octets u32(std::uint64_t value) const { return number(value, 4); }
  octets u64(std::uint64_t value) const { return number(value, 8); }

  // pcap
  octets pcap(std::uint32_t magic = 0xA1B2C3D4, std::uint32_t link = 1) const {
    return u32(magic) + u16(2) + u16(4) + u32(0) + u32(0) + u32(65535) + u32(link);
  }
  octets record(std::uint32_t seconds, std::uint32_t ticks, const octets& data, std::uint32_t wire_length = 0) const {
    return u32(seconds) + u32(ticks) + u32(data.size()) + u32(wire_length) + data;
  }

  // pcapng
  static octets padded(octets body) {
    body.resize((body.size() + 3) / 4 * 4, 0xEE);
    return body;
  }
  octets block(std::uint32_t type, const octets& body) const {
    const octets whole = padded(body), total = u32(12 + whole.size());
    return u32(type) + total + whole + total;
  }
  octets section() const { return block(0x0A0D0D0A, u32(0x1A2B3C4D) + u16(1) + u16(0) + u64(0xFFFFFFFFFFFFFFFF)); }
  octets option(std::uint32_t code, const octets& value) const { return u16(code) + u16(value.size()) + padded(value); }
  octets interface(std::uint32_t link, const octets& options = {}, std::uint32_t snap_length = 0) const {
    return block(1, u16(link) + u16(0) + u32(snap_length) + options);
  }
  octets ticks_in_words(std::uint64_t ticks) const { return u32(ticks >> 32) + u32(ticks & 0xFFFFFFFF); }
  octets enhanced(std::uint32_t number, std::uint64_t ticks, const octets& data, std::uint32_t wire_length = 0) const {
    return block(6, u32(number) + ticks_in_words(ticks) + u32(data.size()) + u32(wire_length) + padded(data));
  }
  octets obsolete(std::uint32_t number, std::uint64_t ticks, const octets& data, std::uint32_t wire_length = 0) const {
    return block(2, u16(number) + u16(9) + ticks_in_words(ticks) + u32(data.size()) + u32(wire_length) + padded(data));
  }
  octets simple(const octets& data, std::uint32_t wire_length) const { return block(3, u32(wire_length) + data); }
};
constexpr byte_order little{false}, big{true};
constexpr byte_order both[] = {little, big};
constexpr std::uint32_t name_resolution = 5, option_resolution = 9, option_offset = 14;

// ---- What a reader says of it

struct frame {
  octets data;
  std::uint32_t wire_length, link_type;
  std::int64_t time_ns;

  bool operator==(const frame& other) const {
    return data == other.data && wire_length == other.wire_length && link_type == other.link_type &&
           time_ns == other.time_ns;
  }
};
struct outcome {
  bool opened = false;
  status last = status::end;
  std::string error;
  std::vector<frame> frames = {};
  bool sound = true;  ///< positions never went back, and the end remained the end
};
outcome read(reader& from) {
  outcome out;
  out.opened = true;
  capture_file::record r;
  std::uint64_t position = from.position();
  while ((out.last = from.next(r)) == status::record) {
    out.frames.push_back({octets(r.data, r.data + r.captured), r.wire_length, r.link_type, r.time_ns});
    out.sound = out.sound && from.position() >= position && r.wire_length >= r.captured;
    position = from.position();
  }
  out.error = from.error();
  for (int again = 0; again < 3; ++again) out.sound = out.sound && from.next(r) == out.last;
  out.sound = out.sound && from.error() == out.error && out.error.empty() == (out.last == status::end);
  return out;
}
/// Ends where the allocation ends, so that sanitizers see any step beyond.
outcome read_memory(const octets& file) {
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[file.size()]);
  std::copy(file.begin(), file.end(), exact.get());
  reader from;
  if (from.open_memory(exact.get(), file.size())) return read(from);
  outcome refused;
  refused.error = from.error();
  refused.sound = !from.error().empty();
  return refused;
}

/// A file with this content, for as long as the object lives.
class temporary_file {
 public:
  explicit temporary_file(const octets& content)
      : path_((std::filesystem::temp_directory_path() / ("joyfuljay-" + std::to_string(std::random_device{}())))
                  .string()) {
    std::FILE* file = std::fopen(path_.c_str(), "wb");
    REQUIRE(file != nullptr);
    REQUIRE((content.empty() || std::fwrite(content.data(), 1, content.size(), file) == content.size()));
    REQUIRE(std::fclose(file) == 0);
  }
  ~temporary_file() { std::remove(path_.c_str()); }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
};

octets small_pcap(const byte_order& order) {
  return order.pcap() + order.record(5, 6, text("first"), 99) + order.record(7, 8, {}) + order.record(9, 1, text("x"));
}
octets small_pcapng(const byte_order& order) {
  return order.section() + order.interface(1, order.option(option_resolution, {9})) +
         order.enhanced(0, 5, text("first"), 99) + order.block(5, octets(8, 1)) + order.simple(text("second"), 6) +
         order.obsolete(0, 6, text("third"));
}

}  // namespace

// ---- pcap

TEST_CASE("pcap is read in both byte orders and both resolutions") {
  for (const byte_order& order : both)
    for (const bool nanoseconds : {false, true}) {
      CAPTURE(order.big);
      CAPTURE(nanoseconds);
      const outcome got = read_memory(order.pcap(nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4, 113) +
                                      order.record(1'700'000'000, 123'456, text("one"), 60) +
                                      order.record(0xFFFFFFFF, 999'999, text("two"), 3));
      CHECK(got.last == status::end);
      CHECK(got.sound);
      REQUIRE(got.frames.size() == 2);
      const std::int64_t tick = nanoseconds ? 1 : 1000;
      CHECK(got.frames[0] == frame{text("one"), 60, 113, 1'700'000'000 * second + 123'456 * tick});
      CHECK(got.frames[1] == frame{text("two"), 3, 113, 4'294'967'295 * second + 999'999 * tick});
    }
}

TEST_CASE("the upper half of pcap's link type says nothing about the link") {
  CHECK(read_memory(little.pcap(0xA1B2C3D4, 0x14000001) + little.record(0, 0, {1})).frames[0].link_type == 1);
  CHECK(read_memory(big.pcap(0xA1B2C3D4, 0xFFFF0114) + big.record(0, 0, {1})).frames[0].link_type == 276);
}

TEST_CASE("a wire length below what was captured is what was captured") {
  for (const byte_order& order : both) {
    const outcome pcap = read_memory(order.pcap() + order.record(0, 0, text("four"), 0) +
                                     order.record(0, 0, text("four"), 3) + order.record(0, 0, text("four"), 5));
    const outcome pcapng = read_memory(order.section() + order.interface(1) + order.enhanced(0, 0, text("four"), 0) +
                                       order.obsolete(0, 0, text("four"), 3) + order.enhanced(0, 0, text("four"), 5));
    for (const outcome* got : {&pcap, &pcapng}) {
      REQUIRE(got->frames.size() == 3);
      CHECK(got->frames[0].wire_length == 4);
      CHECK(got->frames[1].wire_length == 4);
      CHECK(got->frames[2].wire_length == 5);
    }
  }
}

TEST_CASE("a capture without records is no damage") {
  for (const byte_order& order : both)
    for (const octets& file : {order.pcap(), order.section(), order.section() + order.interface(1)}) {
      const outcome got = read_memory(file);
      CHECK(got.opened);
      CHECK(got.sound);
      CHECK(got.last == status::end);
      CHECK(got.frames.empty());
    }
}

// ---- pcapng

TEST_CASE("pcapng's three packet blocks are read in both byte orders") {
  for (const byte_order& order : both) {
    CAPTURE(order.big);
    const outcome got =
        read_memory(order.section() + order.interface(1) + order.interface(113) +
                    order.enhanced(0, 0x0006'0A24'181E'4000, text("enhanced"), 60) +
                    order.obsolete(1, 0x0006'0A24'181E'4001, text("obsolete"), 61) + order.simple(text("simple"), 6));
    CHECK(got.last == status::end);
    CHECK(got.sound);
    REQUIRE(got.frames.size() == 3);
    CHECK(got.frames[0] == frame{text("enhanced"), 60, 1, 0x0006'0A24'181E'4000 * 1000});
    CHECK(got.frames[1] == frame{text("obsolete"), 61, 113, 0x0006'0A24'181E'4001 * 1000});
    CHECK(got.frames[2] == frame{text("simple"), 6, 1, 0x0006'0A24'181E'4001 * 1000});
  }
}

TEST_CASE("a simple packet has the time of the packet before it, and none at the start") {
  const outcome got =
      read_memory(little.section() + little.interface(1) + little.simple({1}, 1) + little.enhanced(0, 42, {2}) +
                  little.simple({3}, 1) + little.enhanced(0, 41, {4}) + little.simple({5}, 1));
  std::vector<std::int64_t> times;
  for (const frame& f : got.frames) times.push_back(f.time_ns);
  CHECK(times == std::vector<std::int64_t>{0, 42'000, 42'000, 41'000, 41'000});
}

TEST_CASE("a simple packet is as long as its wire length, its block and the snap length allow") {
  const octets ten = text("0123456789");
  const auto captured = [&](std::uint32_t snap_length, std::uint32_t wire_length) {
    const outcome got = read_memory(big.section() + big.interface(1, {}, snap_length) + big.simple(ten, wire_length));
    REQUIRE(got.frames.size() == 1);
    CHECK(got.frames[0].wire_length == wire_length);
    return got.frames[0].data.size();
  };
  CHECK(captured(0, 10) == 10);  // the two bytes of padding are not taken
  CHECK(captured(0, 3) == 3);
  CHECK(captured(4, 10) == 4);
  CHECK(captured(4, 1500) == 4);
  CHECK(captured(0, 1500) == 12);
  CHECK(captured(0, 0) == 0);
}

TEST_CASE("each interface has its own link type, resolution and offset") {
  for (const byte_order& order : both) {
    CAPTURE(order.big);
    const octets hours(order.u64(7200)), before(order.u64(static_cast<std::uint64_t>(-7200)));
    const outcome got = read_memory(
        order.section() + order.interface(1) + order.interface(2, order.option(option_resolution, {9})) +
        order.interface(3, order.option(option_resolution, {0x8A})) +
        order.interface(4, order.option(option_resolution, {0}) + order.option(option_offset, hours)) +
        order.interface(5, order.option(option_offset, before)) + order.enhanced(0, 1, {}) + order.enhanced(1, 1, {}) +
        order.enhanced(2, 1, {}) + order.enhanced(3, 1, {}) + order.enhanced(4, 1, {}));
    REQUIRE(got.frames.size() == 5);
    CHECK(got.frames[0] == frame{{}, 0, 1, 1000});
    CHECK(got.frames[1] == frame{{}, 0, 2, 1});
    CHECK(got.frames[2] == frame{{}, 0, 3, 976'562});
    CHECK(got.frames[3] == frame{{}, 0, 4, 7201 * second});
    CHECK(got.frames[4] == frame{{}, 0, 5, -7200 * second + 1000});
  }
}

TEST_CASE("options are walked: others are passed over with their padding, the end option ends them") {
  for (const byte_order& order : both) {
    CAPTURE(order.big);
    const octets nanoseconds = order.option(option_resolution, {9});
    const auto tick = [&](const octets& options) {
      const outcome got = read_memory(order.section() + order.interface(1, options) + order.enhanced(0, 1, {7}));
      REQUIRE(got.frames.size() == 1);
      return got.frames[0].time_ns;
    };
    CHECK(tick(nanoseconds) == 1);
    for (const char* name : {"", "e", "et", "eth", "eth0", "eth01"}) {
      CHECK(tick(order.option(2, text(name)) + nanoseconds) == 1);
      CHECK(tick(order.option(2, text(name)) + nanoseconds + order.option(1, text(name))) == 1);
    }
    CHECK(tick(order.option(0, {}) + nanoseconds) == 1000);
    CHECK(tick(nanoseconds + order.option(0, {}) + order.option(option_resolution, {3})) == 1);
    CHECK(tick(order.option(option_resolution, {3}) + nanoseconds) == 1);  // the last one counts
    CHECK(tick(order.option(option_resolution, {}) + nanoseconds) == 1);
    CHECK(tick(order.option(option_resolution, {})) == 1000);
    CHECK(tick(order.option(option_offset, order.u32(1)) + nanoseconds) == 1);  // too short for an offset
    CHECK(tick(order.option(option_offset, order.u64(1) + order.u64(2))) == second + 1000);
    CHECK(tick(order.u16(2) + order.u16(100) + nanoseconds) == 1000);  // longer than its block
    CHECK(tick(order.u16(option_resolution) + order.u16(5) + octets{9, 0, 0, 0}) == 1000);
    CHECK(tick(order.u16(option_resolution) + order.u16(0xFFFF)) == 1000);
    CHECK(tick(order.option(name_resolution, octets(8, 9))) == 1000);
  }
}

TEST_CASE("a new section forgets the interfaces and may change the byte order") {
  const octets first = little.section() + little.interface(1) + little.interface(2) + little.enhanced(1, 1, text("a"));
  const octets other =
      big.section() + big.interface(3) + big.enhanced(1, 9, text("gone")) + big.enhanced(0, 2, text("b"));
  const octets third = little.section() + little.enhanced(0, 9, text("gone")) + little.simple(text("gone"), 4) +
                       little.interface(4) + little.enhanced(0, 3, text("c"));
  const outcome got = read_memory(first + other + third);
  CHECK(got.last == status::end);
  REQUIRE(got.frames.size() == 3);
  CHECK(got.frames[0] == frame{text("a"), 1, 2, 1000});
  CHECK(got.frames[1] == frame{text("b"), 1, 3, 2000});
  CHECK(got.frames[2] == frame{text("c"), 1, 4, 3000});
}

TEST_CASE("blocks that cannot be understood are passed over") {
  for (const byte_order& order : both) {
    CAPTURE(order.big);
    const octets lie = order.u32(0) + order.ticks_in_words(1) + order.u32(5) + order.u32(5) + octets(4, 1);
    const octets unusable[] = {order.block(4, text("name resolution")),
                               order.block(5, octets(30, 1)),
                               order.block(0x80000001, octets(7, 1)),
                               order.block(0, {}),
                               order.enhanced(1, 1, text("unknown interface")),
                               order.enhanced(0xFFFFFFFF, 1, text("unknown interface")),
                               order.obsolete(1, 1, text("unknown interface")),
                               order.block(6, octets(16, 0)),
                               order.block(2, octets(16, 0)),
                               order.block(3, {}),
                               order.block(6, lie),
                               order.block(2, lie),
                               order.block(6, octets(12, 0) + octets(8, 0xFF))};
    for (const octets& block : unusable) {
      const outcome got = read_memory(order.section() + order.interface(1) + order.enhanced(0, 1, text("before")) +
                                      block + order.enhanced(0, 2, text("after")));
      CHECK(got.last == status::end);
      REQUIRE(got.frames.size() == 2);
      CHECK(got.frames[0].data == text("before"));
      CHECK(got.frames[1].data == text("after"));
    }
  }
}

TEST_CASE("packet blocks that are passed over are counted, other blocks are not") {
  for (const byte_order& order : both) {
    const octets bytes = order.section() + order.interface(1) + order.block(4, text("name resolution")) +
                         order.enhanced(1, 1, text("unknown interface")) + order.block(3, {}) +
                         order.block(2, octets(16, 0)) + order.enhanced(0, 1, text("good"));
    capture_file::reader reader;
    REQUIRE(reader.open_memory(bytes.data(), bytes.size()));
    capture_file::record record;
    CHECK(reader.next(record) == status::record);
    CHECK(reader.passed_over() == 3);
    CHECK(reader.next(record) == status::end);
    REQUIRE(reader.open_memory(bytes.data(), bytes.size()));
    CHECK(reader.passed_over() == 0);
  }
}

TEST_CASE("a section has at most 65,536 interfaces, however many a hostile file lists") {
  octets bytes = little.section();
  const octets one = little.interface(1);
  for (std::size_t at = 0; at < capture_file::most_interfaces; ++at) bytes.insert(bytes.end(), one.begin(), one.end());
  const octets packet = little.enhanced(65535, 1, text("of the last"));
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  CHECK(read_memory(bytes + one + packet).frames.size() == 1);
  CHECK(read_memory(bytes + one + packet).last == status::damaged);
  CHECK(read_memory(bytes + little.section() + one).last == status::end);
}

// ---- Times

TEST_CASE("ticks of any unit become nanoseconds as integers of any size would") {
  const struct {
    std::uint64_t ticks;
    std::uint8_t resolution;
    std::int64_t ns;  // from Python: min(ticks * 10**9 // 10**r, 2**63 - 1), for powers of two ticks * 10**9 >> r
  } answers[] = {
      {0, 0x06, 0},
      {1, 0x06, 1000},
      {1700000000123456, 0x06, 1700000000123456000},
      {1700000000123456789, 0x09, 1700000000123456789},
      {1700000000, 0x00, 1700000000000000000},
      {17000000001, 0x01, 1700000000100000000},
      {1700000000123, 0x03, 1700000000123000000},
      {9223372036, 0x00, 9223372036000000000},
      {9223372037, 0x00, 9223372036854775807},
      {1099511627776, 0x00, 9223372036854775807},
      {18446744074, 0x00, 9223372036854775807},
      {9223372036854775, 0x06, 9223372036854775000},
      {9223372036854776, 0x06, 9223372036854775807},
      {9223372036854775807, 0x09, 9223372036854775807},
      {9223372036854775808u, 0x09, 9223372036854775807},
      {18446744073709551615u, 0x09, 9223372036854775807},
      {1700000000123456789, 0x0C, 1700000000123456},
      {999, 0x0C, 0},
      {1000, 0x0C, 1},
      {18446744073709551615u, 0x0C, 18446744073709551},
      {18446744073709551615u, 0x13, 1844674407},
      {18446744073709551615u, 0x14, 184467440},
      {10000000000000000000u, 0x1C, 1},
      {18446744073709551615u, 0x7F, 0},
      {1, 0x7F, 0},
      {1700000000, 0x80, 1700000000000000000},
      {17179869184, 0x80, 9223372036854775807},
      {18446744073709551615u, 0x80, 9223372036854775807},
      {18446744074, 0x80, 9223372036854775807},
      {3, 0x81, 1500000000},
      {36893488148, 0x81, 9223372036854775807},
      {1740800001023, 0x8A, 1700000000999023437},
      {7301444405347483648, 0xA0, 1700000000500000000},
      {7301444407494967295, 0xA0, 1700000000999999999},
      {18446744073709551615u, 0xA0, 4294967295999999999},
      {18446744073709551615u, 0x9D, 9223372036854775807},
      {18446744073709551615u, 0x9E, 9223372036854775807},
      {18446744073709551615u, 0x9F, 8589934591999999999},
      {18446744073709551615u, 0xBF, 1999999999},
      {18446744073709551615u, 0xC0, 999999999},
      {18446744073709551615u, 0xC1, 499999999},
      {18446744073709551615u, 0xDD, 1},
      {18446744073709551615u, 0xDE, 0},
      {18446744073709551615u, 0xFF, 0},
      {1, 0x9D, 1},
      {1, 0x9E, 0},
  };
  for (const auto& answer : answers) {
    CAPTURE(answer.ticks);
    CAPTURE(static_cast<unsigned>(answer.resolution));
    CHECK(capture_file::ticks_to_ns(answer.ticks, answer.resolution) == answer.ns);
    const outcome got =
        read_memory(big.section() + big.interface(1, big.option(option_resolution, {answer.resolution})) +
                    big.enhanced(0, answer.ticks, {}));
    CHECK(got.frames.at(0).time_ns == answer.ns);
  }
}

TEST_CASE("sums beyond 64 bits are the largest and the smallest time") {
  using capture_file::add_clamped;
  CHECK(add_clamped(latest, 1) == latest);
  CHECK(add_clamped(latest - 1, 1) == latest);
  CHECK(add_clamped(1, latest) == latest);
  CHECK(add_clamped(earliest, -1) == earliest);
  CHECK(add_clamped(earliest + 1, -1) == earliest);
  CHECK(add_clamped(-1, earliest) == earliest);
  CHECK(add_clamped(latest, earliest) == -1);
  CHECK(add_clamped(earliest, latest) == -1);
  CHECK(add_clamped(5, -7) == -2);
}

TEST_CASE("offsets of any size give a time, clamped where 64 bits end") {
  const auto time_with_offset = [](std::uint64_t offset, std::uint64_t ticks) {
    return read_memory(big.section() + big.interface(1, big.option(option_offset, big.u64(offset))) +
                       big.enhanced(0, ticks, {}))
        .frames.at(0)
        .time_ns;
  };
  CHECK(time_with_offset(9'223'372'036, 0) == 9'223'372'036 * second);
  CHECK(time_with_offset(9'223'372'037, 0) == latest);
  CHECK(time_with_offset(0x7FFFFFFFFFFFFFFF, 0) == latest);
  CHECK(time_with_offset(9'223'372'036, 1'000'000) == latest);
  CHECK(time_with_offset(static_cast<std::uint64_t>(-9'223'372'036), 0) == -9'223'372'036 * second);
  CHECK(time_with_offset(static_cast<std::uint64_t>(-9'223'372'037), 0) == earliest);
  CHECK(time_with_offset(0x8000000000000000, 0) == earliest);
  CHECK(time_with_offset(0x8000000000000000, 1) == earliest + 1000);
  CHECK(time_with_offset(1, 0xFFFFFFFFFFFFFFFF) == latest);
}

// ---- Damage

TEST_CASE("what is no capture is refused in one line") {
  const octets foreign[] = {{},
                            {0xD4},
                            {0xD4, 0xC3, 0xB2},
                            octets(40, 0),
                            text("not a capture, but long enough to hold one"),
                            {0xA1, 0xB2, 0xC3, 0xD5, 0, 0, 0, 0, 0, 0, 0, 0},
                            {0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0},
                            {0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x1A, 0x2B, 0x3C, 0x4E, 0, 0, 0, 0},
                            {0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B}};
  for (const octets& file : foreign) {
    const outcome got = read_memory(file);
    CHECK_FALSE(got.opened);
    CHECK(got.sound);
    CHECK(got.error.find("memory") != std::string::npos);
    CHECK(got.error.find('\n') == std::string::npos);
  }
}

TEST_CASE("damage in a pcap file leaves the records before it, and stays") {
  for (const byte_order& order : both) {
    const octets good = small_pcap(order);
    const std::vector<frame> expected = read_memory(good).frames;
    REQUIRE(expected.size() == 3);
    const octets absurd = octets(8, 0) + order.u32(0x10000001) + order.u32(60);
    const octets huge = octets(8, 0) + order.u32(0xFFFFFFFF) + order.u32(60);
    const octets cut = octets(8, 0) + order.u32(60) + order.u32(60) + octets(59, 1);
    const octets longest = octets(8, 0) + order.u32(0x10000000) + order.u32(60) + octets(100, 1);
    for (const auto& [damage, why] : {std::pair(absurd, "absurd length"), std::pair(huge, "absurd length"),
                                      std::pair(cut, "cut short"), std::pair(longest, "cut short"),
                                      std::pair(octets(15, 0), "cut short"), std::pair(octets(1, 0), "cut short")}) {
      const outcome got = read_memory(good + damage);
      CHECK(got.last == status::damaged);
      CHECK(got.sound);
      CHECK(got.frames == expected);
      CHECK(got.error.find(why) != std::string::npos);
      CHECK(got.error.find("byte " + std::to_string(good.size())) != std::string::npos);
    }
  }
}

TEST_CASE("damage in a pcapng file leaves the records before it, and stays") {
  for (const byte_order& order : both) {
    const octets good = small_pcapng(order), after = order.enhanced(0, 7, text("never seen"));
    const std::vector<frame> expected = read_memory(good).frames;
    REQUIRE(expected.size() == 3);
    const auto head = [&](std::uint32_t type, std::uint32_t total) { return order.u32(type) + order.u32(total); };
    const octets bad_section = head(0x0A0D0D0A, 28) + text("oops") + octets(16, 0);
    for (const auto& [damage, why] :
         {std::pair(head(6, 0) + octets(20, 0), "impossible length"),
          std::pair(head(6, 11) + octets(20, 0), "impossible length"),
          std::pair(head(6, 0x10000001) + octets(20, 0), "absurd length"),
          std::pair(head(6, 0xFFFFFFFF) + octets(20, 0), "absurd length"),
          std::pair(head(0x80000001, 0x10000000), "cut short"), std::pair(bad_section, "byte-order magic"),
          std::pair(order.block(1, octets(4, 0)), "short interface"),
          std::pair(order.block(1, {}), "short interface")}) {
      const outcome got = read_memory(good + damage + after);
      CHECK(got.last == status::damaged);
      CHECK(got.sound);
      CHECK(got.frames == expected);
      CHECK(got.error.find(why) != std::string::npos);
      CHECK(got.error.find("byte " + std::to_string(good.size())) != std::string::npos);
    }
  }
}

TEST_CASE("a file may be cut anywhere: whole records come out, and only a cut between blocks is clean") {
  for (const byte_order& order : both)
    for (const octets& file : {small_pcap(order), small_pcapng(order)}) {
      const outcome whole = read_memory(file);
      REQUIRE(whole.frames.size() == 3);
      std::size_t clean = 0, most = 0;
      for (std::size_t length = 0; length <= file.size(); ++length) {
        CAPTURE(length);
        const outcome got = read_memory(octets(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
        CHECK(got.sound);
        CHECK(got.frames.size() >= most);
        most = got.frames.size();
        CHECK(std::equal(got.frames.begin(), got.frames.end(), whole.frames.begin()));
        if (got.opened && got.last == status::end) clean += 1;
      }
      CHECK(most == 3);
      CHECK(clean == (file == small_pcap(order) ? 4 : 6));  // behind each record, or each block
    }
}

TEST_CASE("20000 damaged files are read to some end") {
  std::mt19937_64 random(11);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  unsigned unsound = 0, opened = 0, damaged = 0;
  for (unsigned round = 0; round < 20'000; ++round) {
    const byte_order& order = both[below(2)];
    octets file = below(4) == 0 ? small_pcap(order) : small_pcapng(order) + small_pcapng(both[below(2)]);
    for (std::size_t changes = 1 + below(3); changes != 0; --changes)
      file[below(file.size())] = below(2) == 0 ? static_cast<std::uint8_t>(random()) : file[below(file.size())];
    const outcome got = read_memory(file);
    unsound += got.sound ? 0 : 1;
    opened += got.opened ? 1 : 0;
    damaged += got.opened && got.last == status::damaged ? 1 : 0;
  }
  CHECK(unsound == 0);
  CHECK(opened > 15'000);
  CHECK(damaged > 1000);
}

// ---- Files

TEST_CASE("a file reads like the same bytes in memory") {
  octets large = little.pcap();  // larger than the reader's buffer, with records across its borders
  for (std::uint32_t at = 0; at < 40; ++at)
    large = large + little.record(at, at, octets(at * at * 41 % 70'000, static_cast<std::uint8_t>(at)), 70'000);
  const octets one_large = large + little.record(77, 0, octets(900'000, 1)) + little.record(78, 0, text("last"));
  octets cut = one_large;
  cut.resize(cut.size() - 1);
  for (const octets& file : {small_pcap(little), small_pcap(big), small_pcapng(little), small_pcapng(big), large,
                             one_large, cut, small_pcapng(big) + octets(3, 1), octets(), text("foreign")}) {
    const temporary_file copy(file);
    const outcome expected = read_memory(file);
    reader from;
    const bool opened = from.open(copy.path());
    REQUIRE(opened == expected.opened);
    if (!opened) {
      CHECK(from.error().find(copy.path()) != std::string::npos);
      continue;
    }
    CHECK(from.size() == file.size());
    const outcome got = read(from);
    CHECK(got.sound);
    CHECK(got.last == expected.last);
    CHECK((got.frames == expected.frames));
    CHECK(from.position() <= file.size());
    if (got.last == status::end) CHECK(from.position() == file.size());
    if (got.last == status::damaged) CHECK(from.error().find(copy.path()) != std::string::npos);
  }
}

TEST_CASE("a path that leads nowhere, or to a folder, is refused by name") {
  reader from;
  CHECK_FALSE(from.open("no such file.pcap"));
  CHECK(from.error().find("cannot open no such file.pcap: ") == 0);
  CHECK_FALSE(from.open("."));
  CHECK(from.error().find(" .: ") != std::string::npos);
}

TEST_CASE("a reader opens one capture after another and forgets the last one's damage") {
  octets cut = small_pcapng(big);
  cut.resize(cut.size() - 2);
  const octets good = small_pcap(little);
  reader from;
  REQUIRE(from.open_memory(cut.data(), cut.size()));
  CHECK(read(from).last == status::damaged);
  CHECK_FALSE(from.open_memory(cut.data(), 3));
  REQUIRE(from.open_memory(good.data(), good.size()));
  CHECK(from.error().empty());
  CHECK(from.position() <= 24);
  const outcome got = read(from);
  CHECK(got.last == status::end);
  CHECK((got.frames == read_memory(good).frames));
  const octets simple = little.section() + little.interface(1) + little.simple({1}, 1);
  REQUIRE(from.open_memory(simple.data(), simple.size()));
  CHECK(read(from).frames.at(0).time_ns == 0);  // not the time of a packet in another file
}

#endif
