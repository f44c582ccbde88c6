// Every public call of an engine with all groups, as a function of its own, for the script beside it.
#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
  using groups = jj::type_list<jj::all_groups, jj::flow_identifier, jj::gap_sequences, jj::splt_sequences,
                               jj::handshake_state, jj::connection_truncation>;
  using snapshot_packets = jj::packet_numbers<8, 32>;
  static constexpr std::size_t max_flows = 256, max_hosts = 128, batch_frames = 16;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static constexpr bool anonymize_addresses = true;
};
using engine_type = jj::engine<everything>;
using row = engine_type::row;
using sink = jj::callback_sink<row>;
engine_type engine;

}  // namespace

extern "C" {
bool call_seed(const jj::hash_key& secret) { return engine.seed(secret); }
bool call_feed(const jj::frame& f, const sink& use) { return static_cast<bool>(engine.feed(f, use).flow); }
void call_feed_batch(const jj::frame* frames, std::size_t count, const sink& use) {
  engine.feed_batch(frames, count, use);
}
std::size_t call_tick(std::int64_t now_ns, const sink& use) { return engine.tick(now_ns, use); }
void call_flush(const sink& use) { engine.flush(use); }
bool call_refresh(std::uint64_t budget) { return engine.refresh(budget); }
void call_count_foreign(const jj::flow_ends& ends, const std::uint32_t (&packets)[2], const std::uint64_t (&bytes)[2]) {
  engine.count_foreign(ends, packets, bytes);
}
void call_clear_connections() { engine.clear_connections(); }
bool call_reread(const jj::flow_ends& ends) { return engine.reread<jj::connection_truncation>(ends).conn_truncated; }
jj::flow_ends call_ends(const engine_type::view& flow) { return flow.ends(); }
double call_read_timing(const engine_type::view& flow) { return flow.read<jj::timing>().iat_mean; }
double call_read_size(const engine_type::view& flow) { return flow.read<jj::size>().pkt_len_mean; }
std::uint64_t call_read_tcp(const engine_type::view& flow) { return flow.read<jj::tcp>().tcp_syn_count; }
// What a sink may call.
void call_to_vector(const row& of, float* values) { jj::to_vector(of, values); }
void call_write_csv(const row& of, void (*write)(const char*, std::size_t)) { jj::write_csv(write, of); }
void call_write_json(const row& of, void (*write)(const char*, std::size_t)) { jj::write_json(write, of); }
}
