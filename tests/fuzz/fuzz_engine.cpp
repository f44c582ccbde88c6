// Fuzz target: any bytes as a script for an engine with all groups and hardly any room: frames of every link type, steps
// of the clock, ticks, snapshots, reads, refreshes. Built for libFuzzer (clang -fsanitize=fuzzer) or, with
// tests/fuzz/replay.cpp, into a program that runs given inputs.
//
// Input: see frame_commands.hpp.
#include <cstdlib>
#include <cstring>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/fuzz/frame_commands.hpp"
#include "tests/fuzz/must.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
  using groups = jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                               jj::size, jj::tcp, jj::tls, jj::tls_texts, jj::quic, jj::quic_texts, jj::ssh, jj::dns,
                               jj::fingerprint, jj::entropy, jj::padding, jj::handshake_state, jj::flow_ending,
                               jj::connection, jj::connection_truncation>;
  using snapshot_packets = jj::packet_numbers<1, 4>;
  static constexpr std::size_t max_flows = 5;
  static constexpr std::size_t sample_packets = 8;
  static constexpr std::size_t log_chunks = 4;
  static constexpr std::size_t sample_chunks = 9;
  static constexpr std::size_t entropy_sample_bytes = 300;
  static constexpr std::size_t long_flows = 1;
  static constexpr std::size_t max_fragments = 2;
  static constexpr std::size_t handshake_records = 2, handshake_buffers = 1;
  static constexpr std::size_t handshake_buffer_bytes = 512, held_pieces = 3;
  static constexpr std::size_t max_name = 8, max_protocol_name = 8;
  static constexpr std::size_t quic_connections = 2;
  static constexpr std::uint32_t quic_initials = 3;
  static constexpr std::size_t max_hosts = 6, max_edges = 9, max_pair_ports = 12;
  static constexpr std::size_t max_sequence_length = 6;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static inline std::int64_t active_timeout_ns = 0, tcp_linger_ns = 0;
  static inline std::uint32_t flow_packet_limit = 0;
  static inline bool expire_while_feeding = true, anonymize_addresses = false;
};

void choose_settings(unsigned settings) {
  everything::active_timeout_ns = (settings & 1) != 0 ? 90'000'000'000 : 0;
  everything::tcp_linger_ns = (settings & 2) != 0 ? 0 : 1'000'000'000;
  everything::flow_packet_limit = (settings & 4) != 0 ? 11 : 0xFFFFFFFF;
  everything::expire_while_feeding = (settings & 8) == 0;
  everything::anonymize_addresses = (settings & 16) != 0;
}

using engine_type = jj::engine<everything>;
using frame_commands::command;

class script {
 public:
  explicit script(engine_type& engine) : engine_(engine) {}

  /// The sink.
  template <class Row, class View> void operator()(const Row& row, const View& flow, jj::end_reason why) {
    seen_(row, flow, why);
    jj::write_json(is_text, row);
    jj::write_csv(is_text, row);
    must(row.total_packets == flow.packets());
    if (why == jj::end_reason::snapshot) return;
    must(row.conn_truncated || (row.conn_src_total_flows > 0 && row.conn_src_dst_flows > 0));
    must(engine_.reread(flow.ends()).conn_src_total_bytes == row.conn_src_total_bytes);
  }
  void run(const command& c) {
    const unsigned argument = c.data[3];
    switch (c.action()) {
      case 12: engine_.tick(now_ns, *this, argument % 4u); break;
      case 13: engine_.tick(now_ns, *this); break;
      case 14:
        argument == 0xED ? engine_.clear_connections() : static_cast<void>(engine_.refresh(argument % 64));
        break;
      case 15: engine_.flush(*this); break;
      default: feed(c);
    }
    if (const char* const wrong = audit::fault(engine_, seen_)) must_not(wrong);
  }
  void end() {
    engine_.flush(*this);
    if (const char* const wrong = audit::fault(engine_, seen_)) must_not(wrong);
    must(engine_.statistics().open_flows == 0);
  }
  std::int64_t now_ns = 0;

 private:
  void feed(const command& c) {
    const frame_commands::exact_frame exact(c, now_ns);
    const auto fed = engine_.feed(exact.frame, *this);
    seen_.note(fed);
    must((fed.what == jj::verdict::counted) == static_cast<bool>(fed.flow));
    if (!fed.flow || c.data[4] < 0xC0) return;
    must(fed.flow.read<jj::size>().pkt_len_max >= 20);
    must(audit::is_finite_row(fed.flow.read<jj::timing, jj::tls, jj::connection>()));
  }
  static void is_text(const char* characters, std::size_t length) {
    for (std::size_t at = 0; at < length; ++at)
      must(static_cast<unsigned char>(characters[at]) >= 0x20 || characters[at] == '\r' || characters[at] == '\n');
  }

  engine_type& engine_;
  audit::account seen_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static engine_type engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  if (size == 0) return 0;
  choose_settings(data[0]);
  ++data, --size;
  script commands(engine);
  while (size >= command::header) {
    const command next(data, size, commands.now_ns);
    commands.run(next);
    data += next.length();
    size -= next.length();
  }
  commands.end();
  return 0;
}
