// Fuzz target: any bytes as DNS messages, by themselves, in datagrams, and in a TCP stream that is cut in two ways: the
// features must not depend on where it is cut.
//
// Input: one byte of kind, one of cutting, then datagrams (two bytes of length and the message each) or a stream.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/fuzz/must.hpp"
#include "tools/frame_builder.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;

namespace {

struct resolver : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::dns, jj::handshake_state>;
  static constexpr std::size_t max_flows = 2;
  static constexpr std::size_t handshake_records = 1, handshake_buffers = 1;
  static constexpr std::size_t handshake_buffer_bytes = 4096;
  static constexpr std::size_t max_name = 255;
  static constexpr jj::link_type link = jj::link_type::raw;
};
using octets = std::vector<std::uint8_t>;

void read_message(jj::bytes message) {
  jj::dns_message m;
  if (!jj::parse_dns(message, m)) return;
  if (m.has_ttl) must(m.min_ttl <= m.max_ttl);
  if (!m.has_question) return;
  std::size_t length = 0;
  jj::write_dns_question_name(message, [&](char c) {
    must(c >= 0x20 && c <= 0x7E);
    ++length;
  });
  must(length <= 253);
}

/// An engine with one flow, and what it said of it.
class observer {
 public:
  void datagram(const octets& message, bool from_client) {
    feed(fb::ip_protocol::udp, fb::udp(from_client ? 40000 : 53, from_client ? 53 : 40000, message), from_client);
  }
  void segment(const octets& part, bool from_client) {
    fb::tcp_header h;
    h.source_port = from_client ? 40000 : 53;
    h.target_port = from_client ? 53 : 40000;
    h.sequence = 1000 + sent_[from_client];
    sent_[from_client] += static_cast<std::uint32_t>(part.size());
    feed(fb::ip_protocol::tcp, fb::tcp(h, part), from_client);
  }
  std::string end() {
    engine_->flush(*this);
    if (const char* const wrong = audit::fault(*engine_, seen_)) must_not(wrong);
    return text_;
  }
  template <class Row, class View> void operator()(const Row& row, const View& flow, jj::end_reason why) {
    seen_(row, flow, why);
    const auto keep = [](const jj::feature_info& f) { return std::strcmp(f.group, "flow_meta") != 0; };
    jj::write_json([&](const char* c, std::size_t length) { text_.append(c, length); }, row, keep);
    if (flow.handshake_dropped()) has_dropped = true;
  }
  bool has_dropped = false;

 private:
  void feed(std::uint8_t protocol, const octets& body, bool from_client) {
    fb::ipv4_header h;
    h.source = {10, 0, 0, static_cast<std::uint8_t>(from_client ? 1 : 2)};
    h.target = {10, 0, 0, static_cast<std::uint8_t>(from_client ? 2 : 1)};
    const octets frame = fb::ipv4(h, protocol, body);
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[frame.size()]);
    std::memcpy(exact.get(), frame.data(), frame.size());
    seen_.note(engine_->feed({exact.get(), frame.size(), 0, ++now_ns_}, *this));
    if (const char* const wrong = audit::fault(*engine_, seen_)) must_not(wrong);
  }
  std::unique_ptr<jj::engine<resolver>> engine_ = std::make_unique<jj::engine<resolver>>();
  audit::account seen_;
  std::string text_;
  std::uint32_t sent_[2] = {};
  std::int64_t now_ns_ = 0;
};

void read_datagrams(const std::uint8_t* data, std::size_t size) {
  observer flow;
  for (unsigned number = 0; size >= 2; ++number) {
    std::size_t length = static_cast<std::size_t>(data[0] << 8 | data[1]) & 0x3FFF;
    data += 2, size -= 2;
    if (length > size) length = size;
    const octets message(data, data + length);
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[length]);
    if (length != 0) std::memcpy(exact.get(), data, length);
    read_message({exact.get(), length});
    flow.datagram(message, number % 2 == 0);
    data += length, size -= length;
  }
  flow.end();
}
std::string read_stream(const octets& stream, std::size_t longest, bool& has_dropped) {
  observer flow;
  const std::size_t half = stream.size() / 2;  // the rest is the other side's answer
  for (const bool from_client : {true, false}) {
    const std::size_t begin = from_client ? 0 : half, end = from_client ? half : stream.size();
    for (std::size_t at = begin; at < end; at += longest) {
      const auto first = stream.begin() + static_cast<std::ptrdiff_t>(at);
      flow.segment(octets(first, first + static_cast<std::ptrdiff_t>(end - at < longest ? end - at : longest)),
                   from_client);
    }
  }
  const std::string text = flow.end();
  has_dropped = flow.has_dropped;
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  if (data[0] % 2 == 0) {
    read_datagrams(data + 2, size - 2);
    return 0;
  }
  const octets stream(data + 2, data + size);
  bool dropped[2] = {};
  const std::string whole = read_stream(stream, 16384, dropped[0]), cut = read_stream(stream, 1u + data[1], dropped[1]);
  if (!dropped[0] && !dropped[1]) must(whole == cut);
  return 0;
}
