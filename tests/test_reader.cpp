// Section 4: blocks and the reader, on heap buffers of the exact size, so that a sanitizer sees any byte too many.
#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

/// Octets on the heap, none of them zero, with nothing behind the last.
class exact_buffer {
 public:
  explicit exact_buffer(std::size_t length) : octets_(new std::uint8_t[length]), length_(length) {
    for (std::size_t at = 0; at < length; ++at) octets_[at] = static_cast<std::uint8_t>(at % 251 + 1);
  }
  jj::bytes all() const { return {octets_.get(), length_}; }
  std::uint8_t operator[](std::size_t at) const { return octets_[at]; }

 private:
  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t length_;
};

/// What the reader is meant to do, in the plainest form.
struct model {
  std::vector<std::uint8_t> octets;
  std::size_t position = 0;
  bool failed = false;

  std::size_t left() const { return failed ? 0 : octets.size() - position; }
  std::uint64_t field(std::size_t length) const {  // the first eight octets of the next `length`, as one number
    std::uint64_t value = 0;
    for (std::size_t at = 0; at < 8 && at < length; ++at)
      value = value << 8 | (length <= left() ? octets[position + at] : 0u);
    return value;
  }
  void skip(std::size_t count) {
    if (count > left())
      failed = true;
    else
      position += count;
  }
};

template <std::size_t Length> std::uint64_t field_of(const jj::block<Length>& block) {
  if constexpr (Length >= 8) return block.template u64<0>();
  if constexpr (Length == 4) return block.template u32<0>();
  if constexpr (Length == 2) return block.template u16<0>();
  if constexpr (Length == 1) return block.template u8<0>();
}

template <std::size_t Length> void take_in_both(jj::reader& reader, model& expected) {
  const std::uint64_t next = expected.field(Length);
  CHECK(field_of(reader.peek<Length>()) == next);
  CHECK(reader.failed() == expected.failed);  // looking is no failure
  CHECK(reader.left() == expected.left());
  const std::uint8_t last =
      expected.left() >= Length ? expected.octets[expected.position + Length - 1] : std::uint8_t{0};
  const auto taken = reader.take<Length>();
  expected.skip(Length);
  CHECK(field_of(taken) == next);
  CHECK(taken.template u8<Length - 1>() == last);
}

}  // namespace

TEST_CASE("a block reads big-endian fields at every offset") {
  const exact_buffer octets(11);
  const jj::block<11> block(octets.all().data);
  CHECK(block.u8<0>() == 0x01);
  CHECK(block.u8<10>() == 0x0b);
  CHECK(block.u16<0>() == 0x0102);
  CHECK(block.u16<9>() == 0x0a0b);
  CHECK(block.u32<0>() == 0x01020304);
  CHECK(block.u32<7>() == 0x08090a0b);
  CHECK(block.u64<0>() == 0x0102030405060708);
  CHECK(block.u64<3>() == 0x0405060708090a0b);
}

TEST_CASE("a block keeps the highest bit of every field") {
  const std::uint8_t octets[8] = {0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA, 0xF9, 0xF8};
  const jj::block<8> block(octets);
  CHECK(block.u8<0>() == 0xFF);
  CHECK(block.u16<0>() == 0xFFFE);
  CHECK(block.u32<0>() == 0xFFFEFDFC);
  CHECK(block.u32<4>() == 0xFBFAF9F8);
  CHECK(block.u64<0>() == 0xFFFEFDFCFBFAF9F8);
}

TEST_CASE("a reader takes its bytes in order, to the last one") {
  const exact_buffer octets(9);
  jj::reader reader(octets.all());
  CHECK(reader.left() == 9);
  CHECK(reader.position() == 0);
  CHECK(reader.take<2>().u16<0>() == 0x0102);
  CHECK(reader.take<4>().u32<0>() == 0x03040506);
  CHECK(reader.position() == 6);
  CHECK(reader.skip(2));
  CHECK(reader.rest().data == octets.all().data + 8);
  CHECK(reader.rest().length == 1);
  CHECK(reader.take<1>().u8<0>() == 9);
  CHECK(reader.left() == 0);
  CHECK(reader.position() == 9);
  CHECK(reader.rest().empty());
  CHECK_FALSE(reader.failed());
}

TEST_CASE("peek sees what take will take and moves nothing") {
  const exact_buffer octets(4);
  const jj::reader reader(octets.all());
  CHECK(reader.peek<2>().u16<0>() == 0x0102);
  CHECK(reader.peek<4>().u32<0>() == 0x01020304);
  CHECK(reader.left() == 4);
  CHECK(reader.position() == 0);
}

TEST_CASE("peeking beyond the end sees zeros and is no failure") {
  const exact_buffer octets(3);
  jj::reader reader(octets.all());
  CHECK(reader.peek<4>().u32<0>() == 0);
  CHECK_FALSE(reader.failed());
  CHECK(reader.take<3>().u8<2>() == 3);
  CHECK(reader.peek<1>().u8<0>() == 0);
  CHECK_FALSE(reader.failed());
}

TEST_CASE("taking beyond the end yields zeros, fails, and failure sticks") {
  const exact_buffer octets(7);
  jj::reader reader(octets.all());
  REQUIRE(reader.skip(4));
  CHECK(reader.take<4>().u32<0>() == 0);
  CHECK(reader.failed());
  CHECK(reader.take<1>().u8<0>() == 0);  // three bytes were left, and are out of reach now
  CHECK(reader.peek<1>().u8<0>() == 0);
  CHECK_FALSE(reader.skip(1));
  CHECK(reader.left() == 0);
  CHECK(reader.rest().empty());
  CHECK(reader.position() == 4);
  reader.skip(0);
  CHECK(reader.failed());
}

TEST_CASE("skipping beyond the end fails, also by more than memory holds") {
  const exact_buffer octets(5);
  for (const std::size_t count : {std::size_t{6}, std::size_t{1} << 31, SIZE_MAX - 3, SIZE_MAX}) {
    jj::reader reader(octets.all());
    REQUIRE(reader.skip(1));
    CHECK_FALSE(reader.skip(count));
    CHECK(reader.failed());
    CHECK(reader.position() == 1);
    CHECK(reader.left() == 0);
  }
}

TEST_CASE("a reader of nothing fails with the first byte and not before") {
  const exact_buffer none(0);
  for (const jj::bytes input : {jj::bytes{}, none.all()}) {
    jj::reader reader(input);
    CHECK_FALSE(reader.failed());
    CHECK(reader.skip(0));
    CHECK(reader.rest().empty());
    CHECK(reader.position() == 0);
    CHECK(reader.take<1>().u8<0>() == 0);
    CHECK(reader.failed());
  }
}

TEST_CASE("the largest block is zeros to its last byte when the bytes are missing") {
  const exact_buffer octets(jj::detail::largest_block - 1);
  jj::reader reader(octets.all());
  const auto block = reader.take<jj::detail::largest_block>();
  CHECK(block.u64<0>() == 0);
  CHECK(block.u64<jj::detail::largest_block - 8>() == 0);
  CHECK(reader.failed());
}

TEST_CASE("bytes behind the input stay unseen") {
  const exact_buffer octets(64);
  for (std::size_t length = 0; length < 8; ++length) {
    jj::reader reader(octets.all().after(20).first(length));
    CHECK(reader.take<8>().u64<0>() == 0);
    CHECK(reader.failed());
  }
}

TEST_CASE("any sequence of operations does what the model does") {
  std::mt19937 random(4);
  for (int round = 0; round < 2000; ++round) {
    const exact_buffer octets(random() % 120);
    jj::reader reader(octets.all());
    model expected;
    expected.octets.assign(octets.all().data, octets.all().data + octets.all().length);
    for (int step = 0; step < 12; ++step) {
      switch (random() % 8) {
        case 0: take_in_both<1>(reader, expected); break;
        case 1: take_in_both<2>(reader, expected); break;
        case 2: take_in_both<4>(reader, expected); break;
        case 3: take_in_both<8>(reader, expected); break;
        case 4: take_in_both<20>(reader, expected); break;
        case 5: take_in_both<40>(reader, expected); break;
        default: {
          const std::size_t count = random() % 16 == 0 ? SIZE_MAX - random() % 200 : 1 + random() % 24;
          const bool fits = count <= expected.left();
          expected.skip(count);
          CHECK(reader.skip(count) == fits);
        }
      }
      CHECK(reader.failed() == expected.failed);
      CHECK(reader.left() == expected.left());
      CHECK(reader.position() == expected.position);
      CHECK(reader.rest().length == expected.left());
      if (!expected.failed) CHECK(reader.rest().data == octets.all().data + expected.position);
    }
  }
}
