// What a group says of a flow is the same whether it is selected alone or with all others: a model trained on everything
// runs on a device that computes a part. alone CAPTURE...: each group by itself, bit for bit, against an engine with all.
//
// The connection groups say what was known when the flow was reported, and in which order flows are depends on what they
// hold: they are read again when all have ended. Left out: end_reason, because which flows a packet finds idle depends on
// that, too; handshake_state, which tells what the other groups selected could not keep. ja4 needs what reads hellos in
// QUIC, so tls stands beside quic.
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

/// Room for everything, so that nothing is said early or left out.
template <class... Groups> struct with : jj::default_config {
  using groups = jj::type_list<Groups...>;
  static constexpr std::size_t max_flows = 8192, log_chunks = 65'536, sample_chunks = 65'536, long_flows = 1024;
  static constexpr std::size_t text_chunks = 65'536, handshake_records = 8192, handshake_buffers = 512;
  static constexpr std::size_t handshake_buffer_bytes = 16'384, max_fragments = 512;
  static constexpr std::size_t max_hosts = 8192;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};
/// Each alone; and together all.
using selections =
    jj::type_list<jj::flow_identifier, jj::flow_addresses, jj::flow_ports, jj::flow_totals, jj::timing,
                  jj::gap_sequences, jj::splt_sequences, jj::size, jj::tcp, jj::type_list<jj::tls, jj::quic>, jj::quic,
                  jj::ssh, jj::dns, jj::tls_texts, jj::quic_texts, jj::fingerprint, jj::entropy, jj::padding>;

// ---- Captures

struct captured_frame {
  std::vector<std::uint8_t> octets;
  jj::frame frame;
};
/// Those that can be read of it.
std::vector<captured_frame> frames_of(const char* path) {
  constexpr std::size_t enough = 30'000;
  std::vector<captured_frame> out;
  capture_file::reader reader;
  capture_file::record r;
  if (!reader.open(path)) return out;
  while (out.size() < enough && reader.next(r) == capture_file::reader::status::record) {
    out.push_back({{r.data, r.data + r.captured},
                   {nullptr, r.captured, r.wire_length, r.time_ns, static_cast<jj::link_type>(r.link_type)}});
    out.back().frame.data = out.back().octets.data();
  }
  return out;
}

// ---- Rows

template <class Value> std::string bits_of(const Value& value) {
  static_assert(std::is_arithmetic_v<Value>, "padding would be compared");
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string bits_of(const char* value) { return value; }
std::string bits_of(const jj::ip_address& value) {
  return std::string(reinterpret_cast<const char*>(value.octets), sizeof value.octets) +
         bits_of(static_cast<unsigned>(value.form));
}
std::string bits_of(const jj::text_view& value) { return {value.characters, value.length}; }
template <std::size_t Capacity> std::string bits_of(const jj::text<Capacity>& value) {
  return {value.characters, value.length};
}
std::string bits_of(const jj::splt_step& step) {
  return bits_of(step.ip_len) + bits_of(step.gap) + bits_of(step.direction_sign);
}
template <class Value> std::string bits_of(const jj::list<Value>& values) {
  std::string out;
  for (const Value& value : values) out += bits_of(value);
  return out;
}

using features = std::vector<std::pair<std::string, std::string>>;
using flows = std::multimap<std::string, features>;

/// Start, then end points: what tells the flows of a capture apart.
template <class View> std::string name_of(const View& flow) {
  return bits_of(flow.start_ns()) + bits_of(flow.address(jj::fwd)) + bits_of(flow.address(jj::bwd)) +
         bits_of(flow.port(jj::fwd)) + bits_of(flow.port(jj::bwd)) + bits_of(flow.protocol()) + bits_of(flow.packets());
}
template <class Row> features features_of(const Row& row) {
  features out;
  jj::for_each_feature(
      row, [&out](const jj::feature_info& info, const auto& value) { out.emplace_back(info.name, bits_of(value)); });
  return out;
}
/// An engine through which the whole capture went; tell(row, flow) is called for every flow.
template <class Config, class Tell> jj::engine<Config>& fed(const std::vector<captured_frame>& capture, Tell&& tell) {
  static jj::engine<Config> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  const auto sink = [&tell](const auto& row, const auto& flow, jj::end_reason) { tell(row, flow); };
  for (const captured_frame& one : capture) engine.feed(one.frame, sink);
  engine.flush(sink);
  return engine;
}
template <class Config> flows told_by(const std::vector<captured_frame>& capture) {
  flows out;
  fed<Config>(capture, [&out](const auto& row, const auto& flow) { out.emplace(name_of(flow), features_of(row)); });
  return out;
}
/// Of the connection groups, when everything is known.
template <class Config> flows told_at_the_end(const std::vector<captured_frame>& capture) {
  std::vector<std::pair<std::string, jj::flow_ends>> reported;
  auto& engine = fed<Config>(
      capture, [&reported](const auto&, const auto& flow) { reported.emplace_back(name_of(flow), flow.ends()); });
  while (!engine.refresh(1'000'000)) {
  }
  flows out;
  for (const auto& [name, ends] : reported) out.emplace(name, features_of(engine.reread(ends)));
  return out;
}

// ---- Comparison

std::size_t compared = 0, different = 0;

void differs(const char* path, const std::string& what) {
  constexpr std::size_t shown = 20;
  if (++different <= shown) std::printf("%s: %s\n", path, what.c_str());
}
void compare(const char* path, const features& alone, const features& all) {
  auto place = all.begin();  // the features of a group stand in the same order in both
  for (const auto& [name, value] : alone) {
    place = std::find_if(place, all.end(), [&name = name](const auto& feature) { return feature.first == name; });
    ++compared;
    if (place == all.end()) return differs(path, name + " is not among all features");
    if (place->second != value) differs(path, name);
  }
}
void compare(const char* path, const flows& alone, const flows& all) {
  if (alone.size() != all.size()) return differs(path, "another number of flows");
  for (auto one = alone.begin(), other = all.begin(); one != alone.end(); ++one, ++other) {
    if (one->first != other->first) return differs(path, "other flows");
    compare(path, one->second, other->second);
  }
}
template <class... Selections>
void compare_each(const char* path, const std::vector<captured_frame>& capture, jj::type_list<Selections...>) {
  const flows all = told_by<with<Selections...>>(capture);
  (compare(path, told_by<with<Selections>>(capture), all), ...);
}
void compare_groups(const char* path) {
  const std::vector<captured_frame> capture = frames_of(path);
  compare_each(path, capture, selections{});
  const flows at_the_end = told_at_the_end<with<jj::flow_groups, jj::connection>>(capture);
  compare(path, told_at_the_end<with<jj::connection>>(capture), at_the_end);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: alone CAPTURE...\n");
    return 1;
  }
  for (int at = 1; at < count; ++at) compare_groups(arguments[at]);
  std::printf("%zu values compared, %zu differ\n", compared, different);
  return compared == 0 || different != 0 ? 1 : 0;
}
