// Scripts of frames, as make_corpus.cpp writes them: one byte of settings, then commands. A command is 7 bytes (link type
// and action, time step in two forms, wire length in two forms, captured length in 16 bits), and the frame.
#ifndef JOYFULJAY_TESTS_FUZZ_FRAME_COMMANDS_HPP
#define JOYFULJAY_TESTS_FUZZ_FRAME_COMMANDS_HPP

#include <cstring>
#include <memory>

#include "joyfuljay.hpp"

namespace frame_commands {

namespace jj = joyfuljay;

constexpr jj::link_type links[] = {
    jj::link_type::ethernet, jj::link_type::raw,         jj::link_type::linux_sll, jj::link_type::linux_sll2,
    jj::link_type::null,     jj::link_type::loop,        jj::link_type::ppp,       jj::link_type::ppp_hdlc,
    jj::link_type::pppoe,    jj::link_type::ipv4,        jj::link_type::ipv6,      static_cast<jj::link_type>(147),
    jj::link_type::ethernet, jj::link_type::raw_openbsd, jj::link_type::raw_bsd,   jj::link_type::ethernet};

/// The command at the front of `data`; the clock is moved by its step.
struct command {
  static constexpr std::size_t header = 7;
  const std::uint8_t* data;
  std::size_t captured;

  command(const std::uint8_t* at, std::size_t size, std::int64_t& now_ns)
      : data(at), captured(static_cast<std::size_t>(at[5] << 8 | at[6])) {
    if (captured > size - header) captured = size - header;
    const std::uint64_t step = std::uint64_t{at[1]} << (at[2] % 64);
    now_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(now_ns) + (at[2] >= 0xC0 ? 0 - step : step));
  }
  unsigned action() const { return data[0] >> 4; }
  jj::link_type link() const { return links[data[0] % 16]; }
  std::uint32_t wire_length() const { return std::uint32_t{data[3]} << (data[4] % 24); }
  std::size_t length() const { return header + captured; }
};

/// The frame of a command where its memory ends with it, so that reading beyond is seen, at any alignment.
class exact_frame {
 public:
  exact_frame(const command& c, std::int64_t now_ns)
      : offset_(c.action() & 7), memory_(new std::uint8_t[offset_ + c.captured]) {
    if (c.captured != 0) std::memcpy(memory_.get() + offset_, c.data + command::header, c.captured);
    frame = {memory_.get() + offset_, c.captured, c.wire_length(), now_ns, c.link()};
  }
  jj::frame frame;

 private:
  std::size_t offset_;
  std::unique_ptr<std::uint8_t[]> memory_;
};

}  // namespace frame_commands

#endif  // JOYFULJAY_TESTS_FUZZ_FRAME_COMMANDS_HPP
