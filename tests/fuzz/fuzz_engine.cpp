// Fuzz target: any bytes as frames through a small engine with everything in it. Built for libFuzzer (clang
// -fsanitize=fuzzer) or, with tests/fuzz/replay.cpp, into a program that runs given inputs.
//
// Input: records of 7 bytes (link type, time step in two forms, wire length, captured length in 16 bits) and the frame.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
  using groups =
      jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences, jj::size,
                    jj::tcp, jj::tls, jj::tls_texts, jj::quic, jj::quic_texts, jj::ssh, jj::dns, jj::fingerprint,
                    jj::entropy, jj::padding, jj::handshake_state, jj::connection, jj::connection_truncation>;
  using snapshot_packets = jj::packet_numbers<1, 4>;
  static constexpr std::size_t max_flows = 5;
  static constexpr std::size_t sample_packets = 8;
  static constexpr std::size_t log_chunks = 4;
  static constexpr std::size_t sample_chunks = 4;
  static constexpr std::size_t entropy_sample_bytes = 300;
  static constexpr std::size_t long_flows = 1;
  static constexpr std::size_t max_fragments = 2;
  static constexpr std::size_t max_hosts = 6, max_edges = 9, max_pair_ports = 12;
  static constexpr std::size_t max_sequence_length = 6;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};

/// What must hold is checked in every build.
void must(bool condition) {
  if (!condition) std::abort();
}

constexpr jj::link_type links[] = {
    jj::link_type::ethernet, jj::link_type::raw,         jj::link_type::linux_sll, jj::link_type::linux_sll2,
    jj::link_type::null,     jj::link_type::loop,        jj::link_type::ppp,       jj::link_type::ppp_hdlc,
    jj::link_type::pppoe,    jj::link_type::ipv4,        jj::link_type::ipv6,      static_cast<jj::link_type>(147),
    jj::link_type::ethernet, jj::link_type::raw_openbsd, jj::link_type::raw_bsd,   jj::link_type::ethernet};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static jj::engine<everything> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  std::uint64_t packets = 0, written = 0, fed_packets = 0;
  const auto count = [&](const char* characters, std::size_t length) {
    for (std::size_t at = 0; at < length; ++at)
      must(static_cast<unsigned char>(characters[at]) >= 0x20 || characters[at] == '\r' || characters[at] == '\n');
    written += length;
  };
  const auto sink = [&](const auto& row, const auto& flow, jj::end_reason why) {
    jj::write_json(count, row);
    jj::write_csv(count, row);
    must(row.total_packets == flow.packets());
    if (why != jj::end_reason::snapshot) {
      packets += row.total_packets;
      must(row.conn_truncated || (row.conn_src_total_flows > 0 && row.conn_src_dst_flows > 0));
      must(engine.reread(flow.ends()).conn_src_total_bytes == row.conn_src_total_bytes);
    }
    jj::for_each_feature(row, [](const jj::feature_info&, const auto& value) {
      if constexpr (std::is_floating_point_v<std::decay_t<decltype(value)>>) must(value - value == 0);  // finite
    });
  };
  std::int64_t now_ns = 0;
  constexpr std::size_t head = 7;
  while (size >= head) {
    const std::uint64_t step = std::uint64_t{data[1]} << (data[2] % 48);
    now_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(now_ns) + (data[2] >= 0xF0 ? 0 - step : step));
    std::size_t captured = static_cast<std::size_t>(data[5] << 8 | data[6]);
    if (captured > size - head) captured = size - head;
    const std::vector<std::uint8_t> exact(data + head, data + head + captured);  // reading past it is seen
    const std::uint32_t wire_length = std::uint32_t{data[3]} << (data[4] % 24);
    const auto fed = engine.feed({exact.data(), captured, wire_length, now_ns, links[data[0] % 16]}, sink);
    fed_packets += fed.what == jj::verdict::counted;
    must((fed.what == jj::verdict::counted) == static_cast<bool>(fed.flow));
    if (fed.flow && data[0] >= 0xF0) must(fed.flow.template read<jj::size>().pkt_len_max >= 20);
    if (data[0] == 0xEE) engine.tick(now_ns, sink, 2);
    engine.refresh(data[1] % 64);
    if (data[0] == 0xED) engine.clear_connections();
    data += head + captured;
    size -= head + captured;
  }
  engine.flush(sink);
  must(packets == fed_packets);
  must(engine.statistics().open_flows == 0 && engine.statistics().used_chunks == 0 &&
       engine.statistics().used_long_states == 0);
  return 0;
}
