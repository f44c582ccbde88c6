// What must hold of an engine after any call, whatever it was fed: used by property tests, floods and fuzz targets.
// Every function says what is wrong, or null.
#ifndef JOYFULJAY_TESTS_AUDIT_HPP
#define JOYFULJAY_TESTS_AUDIT_HPP

#include <cstdint>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"

namespace joyfuljay {
inline namespace v0 {
namespace detail {

/// Walks everything that the flows of an engine hold, and counts it again.
template <class Config> struct engine_audit<engine<Config>> {
  using audited = engine<Config>;
  using flow_type = typename audited::flow_type;

  explicit engine_audit(audited& e) : engine_(e) {}
  unsigned longest_chain = 0;  ///< after fault()

  const char* fault() {
    if (const char* wrong = lists()) return wrong;
    if (const char* wrong = index()) return wrong;
    for (const std::uint32_t number : flows_)
      if (const char* wrong = holdings(engine_.slot(number))) return wrong;
    const engine_statistics& s = engine_.statistics_;
    if (used_chunks_ != s.used_chunks) return "used_chunks is not what flows hold";
    if (used_long_states_ != s.used_long_states) return "used_long_states is not what flows hold";
    if (used_records_ != s.used_records) return "used_records is not what flows hold";
    return buffers();
  }

 private:
  const char* lists() {
    for (std::size_t at = 0; at < audited::kinds * audited::holdings; ++at) {
      const std::size_t before = flows_.size();
      std::uint32_t older = 0;
      for (std::uint32_t number = engine_.lists_[at].oldest; number != 0; number = engine_.neighbours_[number].newer) {
        const flow_type& flow = engine_.slot(number);
        if (engine_.neighbours_[number].older != older || flow.list != at) return "a list is not linked both ways";
        if (engine_.list_of(flow) != at) return "a flow is in the wrong list";
        if (flow.total_packets() == 0) return "an open flow has no packet";
        if (flows_.size() == Config::max_flows) return "a list has a loop";
        flows_.push_back(number);
        older = number;
      }
      if (engine_.lists_[at].newest != older) return "the newest of a list is not its last";
      if (engine_.lists_[at].flows != flows_.size() - before) return "the flows of a list are miscounted";
    }
    return flows_.size() == engine_.statistics_.open_flows ? nullptr : "open_flows is not the number in the lists";
  }
  const char* index() {
    std::size_t found = 0;
    for (std::size_t bucket = 0; bucket < Config::max_flows; ++bucket) {
      unsigned length = 0;
      for (std::uint32_t word = engine_.heads_[bucket]; word != 0;) {
        const std::uint32_t number = word & audited::slot_mask;
        if (audited::bucket_of(engine_.hash_of(engine_.slot(number).key)) != bucket)
          return "a flow hangs in the wrong chain";
        if (++length > audited::max_chain) return "a chain is longer than max_chain";
        word = engine_.next_[number - 1];
      }
      found += length;
      if (length > longest_chain) longest_chain = length;
    }
    return found == flows_.size() ? nullptr : "the index does not hold each open flow once";
  }

  /// Marks a number as held. False: somebody holds it already, or there is no such number.
  static bool take(std::vector<bool>& held, std::uint32_t number, std::size_t capacity) {
    held.resize(capacity + 1);
    if (number == 0 || number > capacity || held[number]) return false;
    return held[number] = true;
  }
  bool ring(std::uint32_t last, std::size_t length) {
    std::uint32_t chunk = last;
    for (std::size_t at = 0; at < length; ++at) {
      if (!take(chunks_, chunk, audited::chunk_capacity)) return false;
      chunk = engine_.chunk_links_[chunk - 1];
    }
    used_chunks_ += length;
    return chunk == last;
  }
  const char* holdings(const flow_type& flow) {
    if constexpr (audited::keeps_log)
      if (const char* wrong = storage(flow)) return wrong;
    if constexpr (audited::samples_payload)
      for (unsigned dir = 0; dir < 2; ++dir)
        if (!ring(flow.sample_chunk[dir], chunks_of_sample(flow, dir)))
          return "the ring of a sample is not as long as it should be";
    if constexpr (audited::keeps_texts)
      for (unsigned side = 0; side < 2; ++side)
        if (!ring(flow.text_chunk[side], (flow.text_length[side] + sizeof(pool_chunk) - 1) / sizeof(pool_chunk)))
          return "the ring of a text is not as long as it should be";
    if constexpr (audited::reads_handshakes)
      if (const char* wrong = record(flow)) return wrong;
    return nullptr;
  }
  static std::size_t chunks_of_sample(const payload_sample::head& head, unsigned dir) {
    if (audited::is_answered(head)) return dir == fwd ? 1 : 0;
    return audited::chunks_for_sample(head.sampled_bytes[dir]);
  }
  const char* storage(const flow_type& flow) {
    constexpr std::size_t per_chunk = log_chunk::entries;
    std::uint32_t last = flow.storage;
    if (flow.marked(flow_type::is_long)) {
      if (!take(long_states_, flow.storage, audited::long_capacity)) return "two flows hold one long state";
      ++used_long_states_;
      last = engine_.long_states_[flow.storage - 1].kept_chunk;
    }
    const std::size_t length = flow.entries == 0 ? 0 : (flow.entries - 1 + per_chunk - 1) / per_chunk;
    return ring(last, length) ? nullptr : "the ring of a log is not as long as its entries need";
  }
  template <class Flow> const char* record(const Flow& flow) {
    if (flow.record == 0) return nullptr;
    auto& handshakes = engine_.handshakes_;
    if (!take(records_, flow.record, handshakes.record_capacity)) return "two flows hold one record";
    ++used_records_;
    const auto& r = handshakes.records_[flow.record - 1];
    for (unsigned stream = 0; stream < r.streams; ++stream) {
      const std::uint16_t number = r.buffers[stream];
      if (number == 0) continue;
      if (!take(buffers_, number, handshakes.buffer_capacity)) return "two streams hold one buffer";
      const auto& buffer = handshakes.buffers_[number];
      if (buffer.record != flow.record || buffer.stream != stream) return "a buffer does not know its stream";
      if (r.protocol != handshake_protocol::quic && buffer.joined > sizeof buffer.tcp.octets)
        return "more is joined than a buffer holds";
      ++used_buffers_;
    }
    return nullptr;
  }
  const char* buffers() {
    if constexpr (audited::reads_handshakes) {
      auto& pool = engine_.handshakes_.buffers_;
      std::size_t listed = 0;
      for (std::uint16_t number = pool.oldest(); number != 0; number = pool[number].newer)
        if (++listed > used_buffers_) break;
      if (listed != used_buffers_) return "the buffers in use are not those that streams hold";
    }
    return nullptr;
  }

  audited& engine_;
  std::vector<std::uint32_t> flows_;
  std::vector<bool> chunks_, long_states_, records_, buffers_;
  std::size_t used_chunks_ = 0, used_long_states_ = 0, used_records_ = 0, used_buffers_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace joyfuljay

namespace audit {

namespace jj = joyfuljay;

inline bool is_finite(double x) { return x - x == 0; }
template <class Value> bool is_finite(const Value&) { return true; }
inline bool is_finite(float x) { return is_finite(static_cast<double>(x)); }
inline bool is_finite(const jj::splt_step& step) { return is_finite(step.gap); }
template <class Value> bool is_finite(const jj::list<Value>& values) {
  for (const Value& value : values)
    if (!is_finite(value)) return false;
  return true;
}
/// Whether no feature of the row is infinite or no number.
template <class Row> bool is_finite_row(const Row& row) {
  bool all = true;
  jj::for_each_feature(row, [&](const jj::feature_info&, const auto& value) { all = all && is_finite(value); });
  return all;
}

/// What went in and what came out, as the caller saw it.
struct account {
  std::uint64_t fed = 0, counted = 0;                 // frames
  std::uint64_t reported[jj::end_reason_count] = {};  // rows
  std::uint64_t reported_packets = 0;
  const char* row_fault = nullptr;
  bool looks_at_features = true;  ///< which takes longer than to compute them

  template <class Fed> Fed note(const Fed& answer) {
    ++fed;
    counted += answer.what == jj::verdict::counted;
    return answer;
  }
  template <class Row, class View> void operator()(const Row& row, const View& flow, jj::end_reason why) {
    ++reported[static_cast<std::size_t>(why)];
    if (why != jj::end_reason::snapshot) reported_packets += flow.packets();
    if (looks_at_features && !is_finite_row(row)) row_fault = "a feature is infinite or no number";
    if (flow.packets() == 0 || flow.end_ns() < flow.start_ns()) row_fault = "a flow ends before it starts";
  }
};

/// What the statistics say by themselves.
inline const char* fault(const jj::engine_statistics& s) {
  std::uint64_t rows = 0;
  for (const std::uint64_t count : s.rows) rows += count;
  rows -= s.rows[static_cast<std::size_t>(jj::end_reason::snapshot)];
  if (s.flows_created != rows + s.open_flows) return "flows created are not rows and open flows";
  const std::uint64_t evicted =
      s.evicted_for_slot + s.evicted_for_chunk + s.evicted_for_long_state + s.evicted_for_record + s.evicted_for_chain;
  if (s.rows[static_cast<std::size_t>(jj::end_reason::evicted)] != evicted) return "evictions have other causes";
  if (s.open_flows > s.most_open_flows || s.used_chunks > s.most_used_chunks ||
      s.used_long_states > s.most_used_long_states || s.used_records > s.most_used_records)
    return "there is more than the most";
  if (s.open_flows == 0 && (s.used_chunks | s.used_long_states | s.used_records) != 0)
    return "no flow is open, and something is held";
  return nullptr;
}
/// Everything. Open flows hold `counted - reported_packets` packets, which are not added up here but at a flush.
template <class Config> const char* fault(jj::engine<Config>& engine, const account& seen) {
  const jj::engine_statistics& s = engine.statistics();
  std::uint64_t frames = 0;
  for (const std::uint64_t count : s.frames) frames += count;
  if (frames != seen.fed) return "frames in are not the sum of the verdicts";
  if (s.frames[static_cast<std::size_t>(jj::verdict::counted)] != seen.counted) return "frames counted differ";
  for (std::size_t why = 0; why < jj::end_reason_count; ++why)
    if (s.rows[why] != seen.reported[why]) return "rows reported are not those that the sink saw";
  if (seen.row_fault != nullptr) return seen.row_fault;
  if (s.open_flows == 0 && seen.reported_packets != seen.counted) return "packets counted are not packets reported";
  if (const char* wrong = fault(s)) return wrong;
  return jj::detail::engine_audit<jj::engine<Config>>(engine).fault();
}

}  // namespace audit

#endif  // JOYFULJAY_TESTS_AUDIT_HPP
