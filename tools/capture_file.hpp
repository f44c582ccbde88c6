// capture_file: reads pcap and pcapng, from a file, a pipe or memory. Used by jj, bench and the tests; the header
// itself never touches files.
//
// pcap: draft-ietf-opsawg-pcap, both byte orders, micro- and nanoseconds. pcapng: draft-ietf-opsawg-pcapng, sections of
// either byte order, interfaces with their own resolution and offset; enhanced, simple and obsolete packet blocks.
// Every length is checked against what is there before it is used. A file that is cut or absurd is reported as damaged
// after everything before the damage was delivered.
#ifndef JOYFULJAY_TOOLS_CAPTURE_FILE_HPP
#define JOYFULJAY_TOOLS_CAPTURE_FILE_HPP

#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64  // captures over 2 GB on 32-bit systems: for what is included from here on
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#if defined(__unix__)
#include <sys/types.h>
static_assert(sizeof(off_t) == 8, "files of 2 GB and more could not be opened: include capture_file.hpp first");
#endif

namespace capture_file {

/// One captured frame. The bytes are valid until the next call of the reader.
struct record {
  const std::uint8_t* data = nullptr;
  std::size_t captured = 0;
  std::uint32_t wire_length = 0;  ///< at least `captured`: some writers store 0
  std::int64_t time_ns = 0;       ///< since 1970; clamped where the file says something beyond the years 1678 to 2262
  std::uint32_t link_type = 0;    ///< LINKTYPE_ number
};

/// Time stamps of any unit as nanoseconds: `ticks` of 10^-resolution seconds, or of 2^-(resolution - 128) from 128 on
/// (pcapng's if_tsresol). Rounds down; what is too large is the largest.
inline std::int64_t ticks_to_ns(std::uint64_t ticks, std::uint8_t resolution) {
  constexpr std::uint64_t second = 1'000'000'000;
  constexpr std::uint64_t largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if ((resolution & 0x80) == 0) {
    std::uint64_t ns = ticks;
    for (unsigned digit = resolution; digit < 9; ++digit) {
      if (ns > largest / 10) return static_cast<std::int64_t>(largest);
      ns *= 10;
    }
    for (unsigned digit = 9; digit < resolution && ns != 0; ++digit) ns /= 10;
    return static_cast<std::int64_t>(std::min(ns, largest));
  }
  const unsigned shift = resolution & 0x7F;
  const std::uint64_t low_product = (ticks & 0xFFFFFFFF) * second;
  const std::uint64_t high_product = (ticks >> 32) * second + (low_product >> 32);  // below 2^62: cannot wrap
  const std::uint64_t high = high_product >> 32, low = high_product << 32 | (low_product & 0xFFFFFFFF);
  if (shift >= 64) return static_cast<std::int64_t>(shift < 128 ? high >> (shift - 64) : 0);
  if (shift == 0 ? high != 0 : high >> shift != 0) return static_cast<std::int64_t>(largest);
  const std::uint64_t ns = shift == 0 ? low : high << (64 - shift) | low >> shift;
  return static_cast<std::int64_t>(std::min(ns, largest));
}

inline std::int64_t add_clamped(std::int64_t a, std::int64_t b) {
  using limits = std::numeric_limits<std::int64_t>;
  if (b > 0 && a > limits::max() - b) return limits::max();
  if (b < 0 && a < limits::min() - b) return limits::min();
  return a + b;
}

/// Nothing in a capture is longer than this; a length beyond it is damage.
constexpr std::size_t longest_record = std::size_t{256} << 20;
/// In a section; each takes memory.
constexpr std::size_t most_interfaces = 65536;

class reader {
 public:
  enum class status { record, end, damaged };

  reader() = default;
  ~reader() { close(); }
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  /// A path, or "-" for standard input. False: `error` says why in one line.
  bool open(const char* path) {
    close();
    const bool is_input = std::strcmp(path, "-") == 0;
    name_ = is_input ? "standard input" : path;
    file_ = is_input ? stdin : std::fopen(path, "rb");
    if (file_ == nullptr) return fail("cannot open", std::strerror(errno));
    std::error_code unknown;
    const auto length = is_input ? 0 : std::filesystem::file_size(path, unknown);
    size_ = unknown ? 0 : length;
    return read_file_header();
  }
  /// A capture in memory, which must outlive the reader.
  bool open_memory(const std::uint8_t* data, std::size_t length) {
    close();
    name_ = "memory";
    at_ = data;
    available_ = length;
    size_ = length;
    return read_file_header();
  }
  status next(record& r) {
    if (is_damaged_) return status::damaged;
    const status found = is_pcapng_ ? next_pcapng(r) : next_pcap(r);
    if (file_ == nullptr) fetch_ahead();
    return found;
  }
  /// One line that names the file. Empty when nothing is wrong.
  const std::string& error() const { return error_; }
  /// Packet blocks whose lengths or interface cannot be right: what follows them is read all the same.
  std::uint64_t passed_over() const { return passed_over_; }
  /// Bytes of the file; 0 when that is not known.
  std::uint64_t size() const { return size_; }
  /// Bytes read so far.
  std::uint64_t position() const { return position_; }

 private:
  struct interface {
    std::uint32_t link_type, snap_length;
    std::uint8_t resolution;
    std::int64_t offset_ns;
  };

  // ---- Bytes
  // `at_` points at the bytes not yet taken, `available_` of them; `want` gets more of them from the file.

  void close() {
    if (file_ != nullptr && file_ != stdin) std::fclose(file_);
    file_ = nullptr;
    at_ = nullptr;
    available_ = pending_ = 0;
    size_ = position_ = passed_over_ = fetched_ = 0;
    interfaces_.clear();
    last_time_ns_ = 0;
    is_damaged_ = false;
    error_.clear();
  }
  /// Whether `count` bytes are there. Memory grows with what was read, not with what a length field claims.
  bool want(std::size_t count) {
    constexpr std::size_t piece = std::size_t{1} << 18;
    while (available_ < count && file_ != nullptr) {
      if (available_ != 0 && at_ != buffer_.data()) std::memmove(buffer_.data(), at_, available_);
      if (buffer_.size() < available_ + piece) buffer_.resize(available_ + std::max(piece, available_));
      const std::size_t got = std::fread(buffer_.data() + available_, 1, buffer_.size() - available_, file_);
      at_ = buffer_.data();
      available_ += got;
      if (got != 0) continue;
      if (std::ferror(file_)) return fail("cannot read", std::strerror(errno));
      break;
    }
    return available_ >= count;
  }
  void take(std::size_t count) {
    at_ += count;
    available_ -= count;
    position_ += count;
  }
  std::uint32_t u16(const std::uint8_t* p) const {
    return big_endian_ ? static_cast<std::uint32_t>(p[0] << 8 | p[1]) : static_cast<std::uint32_t>(p[1] << 8 | p[0]);
  }
  std::uint32_t u32(const std::uint8_t* p) const {
    const auto at = [p](unsigned byte) { return std::uint32_t{p[byte]}; };
    return big_endian_ ? at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3)
                       : at(3) << 24 | at(2) << 16 | at(1) << 8 | at(0);
  }
  std::uint64_t u64(const std::uint8_t* p) const {
    const std::uint64_t first = u32(p), second = u32(p + 4);
    return big_endian_ ? first << 32 | second : second << 32 | first;
  }

  /// Of a file that is mapped: where a record begins stands in the one before, so each would wait for memory.
  void fetch_ahead() {
#if defined(__GNUC__)
    constexpr std::size_t distance = 2048, line = 64;
    const std::uint64_t end = position_ + std::min(available_, pending_ + distance);
    for (fetched_ = std::max(fetched_, position_); fetched_ < end; fetched_ += line)
      __builtin_prefetch(at_ + (fetched_ - position_));
#endif
  }

  // ---- Failure

  bool fail(const char* what, const char* why) {
    if (error_.empty()) error_ = std::string(what) + " " + name_ + ": " + why;
    return false;
  }
  status damaged(const char* why) {
    is_damaged_ = true;
    fail("damaged capture", (std::string(why) + " at byte " + std::to_string(position_)).c_str());
    return status::damaged;
  }
  /// The end of the file: clean when nothing is left.
  status ended() {
    if (!error_.empty()) return is_damaged_ = true, status::damaged;  // a read error
    return available_ == 0 ? status::end : damaged("the last record is cut short");
  }

  // ---- pcap

  bool read_file_header() {
    if (!want(1)) return fail("cannot use", "it is empty");
    if (want(2) && at_[0] == 0x1F && at_[1] == 0x8B) return fail("cannot use", "gzip: use `zcat FILE | jj extract -`");
    if (!want(4)) return fail("cannot use", "neither a pcap nor a pcapng file");
    const std::uint8_t *m = at_, section[4] = {0x0A, 0x0D, 0x0D, 0x0A};
    is_pcapng_ = std::memcmp(m, section, 4) == 0;
    if (is_pcapng_) {
      if (!want(12)) return fail("cannot use", "truncated pcapng header");
      return read_byte_order(at_ + 8) || fail("cannot use", "pcapng header without a byte-order magic");
    }
    big_endian_ = m[0] == 0xA1;
    const std::uint32_t magic = u32(m);
    if (magic != 0xA1B2C3D4 && magic != 0xA1B23C4D) return fail("cannot use", "neither a pcap nor a pcapng file");
    tick_ns_ = magic == 0xA1B23C4D ? 1 : 1000;
    if (!want(24)) return fail("cannot use", "truncated pcap header");
    link_type_ = u32(at_ + 20) & 0xFFFF;  // what stands above it tells of frame check sequences
    take(24);
    return true;
  }
  status next_pcap(record& r) {
    take(pending_);
    pending_ = 0;
    if (!want(16)) return ended();
    const std::uint32_t captured = u32(at_ + 8), wire_length = u32(at_ + 12);
    if (captured > longest_record) return damaged("a record of absurd length");
    if (!want(16 + std::size_t{captured})) return ended();
    const std::int64_t time_ns = std::int64_t{u32(at_)} * 1'000'000'000 + std::int64_t{u32(at_ + 4)} * tick_ns_;
    r = {at_ + 16, captured, std::max(wire_length, captured), time_ns, link_type_};
    pending_ = 16 + std::size_t{captured};
    return status::record;
  }

  // ---- pcapng

  bool read_byte_order(const std::uint8_t* magic) {
    big_endian_ = magic[0] == 0x1A;
    return u32(magic) == 0x1A2B3C4D;
  }
  status next_pcapng(record& r) {
    for (;;) {
      take(pending_);
      pending_ = 0;
      if (!want(12)) return ended();
      const bool opens_section = at_[0] == 0x0A && at_[1] == 0x0D && at_[2] == 0x0D && at_[3] == 0x0A;
      if (opens_section) {  // the byte order may change here
        if (!read_byte_order(at_ + 8)) return damaged("a section without a byte-order magic");
        interfaces_.clear();
      }
      const std::size_t total = u32(at_ + 4);
      if (total < 12) return damaged("a block of impossible length");
      if (total > longest_record) return damaged("a block of absurd length");
      if (!want(total)) return ended();
      pending_ = total;
      const std::uint8_t* body = at_ + 8;
      const std::size_t length = total - 12;
      switch (u32(at_)) {
        case 1:
          if (interfaces_.size() == most_interfaces) return damaged("an absurd number of interfaces");
          if (!add_interface(body, length)) return damaged("a short interface block");
          break;
        case 2:  // obsolete packet block: interface and drop count in 16 bits each
          if (length >= 20 && read_packet(r, u16(body), body, length)) return status::record;
          ++passed_over_;
          break;
        case 3:
          if (length >= 4 && read_simple_packet(r, body, length)) return status::record;
          ++passed_over_;
          break;
        case 6:
          if (length >= 20 && read_packet(r, u32(body), body, length)) return status::record;
          ++passed_over_;
          break;
        default: break;
      }
    }
  }
  bool add_interface(const std::uint8_t* body, std::size_t length) {
    if (length < 8) return false;
    interface added {
      u16(body), u32(body + 4), 6, 0
    };
    for (std::size_t at = 8; at + 4 <= length;) {
      const std::uint32_t code = u16(body + at), size = u16(body + at + 2);
      const std::uint8_t* value = body + at + 4;
      if (code == 0 || at + 4 + size > length) break;
      if (code == 9 && size >= 1) added.resolution = value[0];
      if (code == 14 && size >= 8) added.offset_ns = seconds_to_ns(static_cast<std::int64_t>(u64(value)));
      at += 4 + (size + 3) / 4 * 4;
    }
    interfaces_.push_back(added);
    return true;
  }
  static std::int64_t seconds_to_ns(std::int64_t seconds) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
    if (seconds > most) return std::numeric_limits<std::int64_t>::max();
    return seconds < -most ? std::numeric_limits<std::int64_t>::min() : seconds * 1'000'000'000;
  }
  bool read_packet(record& r, std::uint32_t number, const std::uint8_t* body, std::size_t length) {
    const std::size_t captured = u32(body + 12);
    if (number >= interfaces_.size() || captured > length - 20) return false;
    const interface& from = interfaces_[number];
    const std::uint64_t ticks = std::uint64_t{u32(body + 4)} << 32 | u32(body + 8);
    last_time_ns_ = add_clamped(ticks_to_ns(ticks, from.resolution), from.offset_ns);
    deliver(r, body + 20, captured, u32(body + 16), from);
    return true;
  }
  /// Belongs to interface 0 and has no time of its own.
  bool read_simple_packet(record& r, const std::uint8_t* body, std::size_t length) {
    if (interfaces_.empty()) return false;
    const interface& from = interfaces_[0];
    const std::uint32_t wire_length = u32(body);
    std::size_t captured = std::min<std::size_t>(wire_length, length - 4);
    if (from.snap_length != 0) captured = std::min<std::size_t>(captured, from.snap_length);
    deliver(r, body + 4, captured, wire_length, from);
    return true;
  }
  void deliver(record& r, const std::uint8_t* data, std::size_t captured, std::uint32_t wire_length,
               const interface& from) const {
    r = {data, captured, std::max(wire_length, static_cast<std::uint32_t>(captured)), last_time_ns_, from.link_type};
  }

  std::string name_, error_;
  std::FILE* file_ = nullptr;
  std::vector<std::uint8_t> buffer_;
  const std::uint8_t* at_ = nullptr;
  std::size_t available_ = 0, pending_ = 0;  ///< pending: bytes of the record last delivered
  std::uint64_t size_ = 0, position_ = 0, passed_over_ = 0, fetched_ = 0;
  bool is_pcapng_ = false, big_endian_ = false, is_damaged_ = false;
  std::uint32_t link_type_ = 0;  ///< pcap
  std::int64_t tick_ns_ = 1000;
  std::vector<interface> interfaces_;  ///< pcapng, of the current section
  std::int64_t last_time_ns_ = 0;
};

}  // namespace capture_file

#endif  // JOYFULJAY_TOOLS_CAPTURE_FILE_HPP
