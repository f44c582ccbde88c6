// Instantiates everything that the header offers, as firmware would: one static engine, C-style callbacks. Compiled and
// inspected by the scripts: it must need no C++ library, allocate nothing and be all zeros at the start.
#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
#ifdef FOUR_GROUPS
  using groups = jj::type_list<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
#else
  using groups = jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                               jj::size, jj::tcp, jj::tls, jj::tls_texts, jj::quic, jj::quic_texts, jj::ssh, jj::dns,
                               jj::fingerprint, jj::entropy, jj::padding, jj::handshake_state, jj::flow_ending,
                               jj::connection, jj::connection_truncation>;
#endif
  struct user_data {
    unsigned char verdict;
  };
  using snapshot_packets = jj::packet_numbers<8, 32>;
  static constexpr std::size_t max_flows = 256, max_hosts = 128;
  static constexpr std::size_t batch_frames = 16;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static constexpr bool anonymize_addresses = true;
};
using whole_engine = jj::engine<everything>;
whole_engine engine;

volatile unsigned char consumed;
void consume(const char* characters, std::size_t length) {
  for (std::size_t at = 0; at < length; ++at) consumed = static_cast<unsigned char>(consumed ^ characters[at]);
}

void on_flow(const whole_engine::row& row, void*) {
  jj::write_json(consume, row);
  jj::write_csv(consume, row);
  float numbers[jj::vector_length<whole_engine::row>()];
  jj::to_vector(row, numbers);
  consume(reinterpret_cast<const char*>(numbers), sizeof numbers);
}

}  // namespace

int main() {
  const auto sink = jj::callback_sink<whole_engine::row>{on_flow, nullptr};
  unsigned char data[64] = {0x45, 0, 0, 40};
  jj::frame frame{data, sizeof data, sizeof data, 0, jj::link_type::raw};
  engine.seed({1, 2});
  engine.set_salt("salt", 4);
  for (unsigned at = 0; at < 1000; ++at) {
    data[12] = static_cast<unsigned char>(at);
    frame.time_ns += 1000;
    const auto fed = engine.feed(frame, sink);
    if (fed.flow) {
      fed.flow.user().verdict = 1;
      consumed = static_cast<unsigned char>(fed.flow.read<jj::timing>().iat_mean > 0);
    }
  }
  engine.feed_batch(&frame, 1, sink);
  engine.tick(frame.time_ns, sink);
  engine.flush(sink);
#ifndef FOUR_GROUPS
  const jj::flow_ends ends{{{0, 1}, {0, 2}}, 443, 4};
  engine.count_foreign(ends, {1, 1}, {60, 60});
  while (!engine.refresh(100)) {
  }
  consumed = engine.reread(ends).conn_truncated;
#endif
  engine.clear_connections();
  jj::write_csv_header<whole_engine::row>(consume);
  jj::write_reference<whole_engine::row>(consume);
  consumed = static_cast<unsigned char>(jj::schema_hash<whole_engine::row>() ^ engine.statistics().flows_created);
  return 0;
}
