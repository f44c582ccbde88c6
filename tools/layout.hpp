// layout: where the bytes of a flow slot and of the other pools' entries are. Used by `jj footprint --layout`.
//
// Offsets and sizes are measured on the types that an engine is made of; only names and purposes stand here. What no
// line below covers is shown as padding, so a member that is forgotten here shows up.
#ifndef JOYFULJAY_TOOLS_LAYOUT_HPP
#define JOYFULJAY_TOOLS_LAYOUT_HPP

#include <algorithm>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"

namespace joyfuljay {
inline namespace v0 {
namespace detail {

/// The types of an engine's pools.
template <class Config> struct engine_audit<engine<Config>> {
  using looked_at = engine<Config>;
  using slot = typename looked_at::flow_type;
  using slot_parts = typename looked_at::slot_parts;
  using handshakes = typename looked_at::handshakes_type;
  using chunk = typename looked_at::chunk_type;
  using long_state = typename looked_at::long_type;
  using from_log = typename looked_at::from_log;
  using sampled = typename looked_at::sampled;
  static constexpr bool keeps_log = looked_at::keeps_log;
};

}  // namespace detail
}  // namespace v0
}  // namespace joyfuljay

namespace layout {
namespace jj = joyfuljay;

// ---- What the accumulators keep ----------------------------------------------------------------------------------

struct description {
  const char *name, *about;
};
template <class Part> struct part {};
inline description about(part<jj::wire_bytes>) { return {"wire_bytes", "bytes on the wire, by direction"}; }
inline description about(part<jj::payload_bytes>) { return {"payload_bytes", "payload bytes, by direction"}; }
inline description about(part<jj::payload_spread>) {
  return {"payload_spread", "squares and extremes of payload lengths"};
}
inline description about(part<jj::packet_lengths>) { return {"packet_lengths", "moments of IP lengths, by direction"}; }
inline description about(part<jj::arrival_gaps>) {
  return {"arrival_gaps", "moments of gaps, of all and by direction; first response"};
}
inline description about(part<jj::bursts>) { return {"bursts", "bursts and idle periods"}; }
inline description about(part<jj::burst_shares>) { return {"burst_shares", "payload share of bursts"}; }
inline description about(part<jj::telling_sizes>) { return {"telling_sizes", "Tor cells, nearly full frames"}; }
inline description about(part<jj::first_payloads>) {
  return {"first_payloads", "what the first payload of a direction looks like"};
}
inline description about(part<jj::payload_sample::head>) {
  return {"payload_sample", "chunks and lengths of the payload samples"};
}
inline description about(part<jj::hello_texts::head>) {
  return {"hello_texts", "chunks and lengths of the strings behind JA3"};
}
inline description about(part<jj::tcp_milestones>) { return {"tcp_milestones", "flags seen, SYN and SYN-ACK"}; }
inline description about(part<jj::tcp_counts>) { return {"tcp_counts", "packets by TCP flag"}; }
inline description about(part<jj::gap_quantiles::sketch>) {
  return {"gap_quantiles", "sketches of gaps, of all and by direction"};
}
inline description about(part<jj::length_quantiles::sketch>) {
  return {"length_quantiles", "sketches of lengths and of their mode"};
}
inline description about(part<jj::length_variety::sketch>) { return {"length_variety", "different lengths"}; }

// ---- One entry of a pool -----------------------------------------------------------------------------------------

struct row {
  std::size_t offset, bytes;
  std::string name, about;
};

/// Rows of one entry, in the order of its bytes.
template <class Entry> class entry_layout {
 public:
  template <class Member, class Owner> void add(const char* name, Member Owner::*member, const char* about) {
    add_bytes(&(entry_.*member), sizeof(Member), name, about);
  }
  template <class... Base> void add_bases(jj::type_list<Base...>) {
    (add_bytes(static_cast<const Base*>(&entry_), sizeof(Base), about(part<Base>{}).name, about(part<Base>{}).about),
     ...);
  }
  /// Bit fields, of which there are no pointers, behind everything else.
  void add_rest(const char* name, const char* about) {
    std::size_t covered = 0;
    for (const row& one : rows_) covered = std::max(covered, one.offset + one.bytes);
    rows_.push_back({covered, sizeof(Entry) - covered, name, about});
  }
  /// `in_all`: with what the engine keeps of an entry in other arrays.
  void print(const std::string& title, std::size_t in_all) {
    std::stable_sort(rows_.begin(), rows_.end(), [](const row& a, const row& b) { return a.offset < b.offset; });
    std::printf("\n%s: %zu bytes, and %zu in other arrays\n\n", title.c_str(), sizeof(Entry), in_all - sizeof(Entry));
    std::printf(
        "| offset | bytes | member           | what it is for |\n| -----: | ----: | ---------------- | --- |\n");
    std::size_t covered = 0;
    for (std::size_t at = 0; at < rows_.size(); ++at) {
      row& one = rows_[at];
      print_padding(covered, one.offset);
      // The compiler may put what follows into the unused end of a base.
      if (at + 1 < rows_.size() && rows_[at + 1].offset > one.offset)
        one.bytes = std::min(one.bytes, rows_[at + 1].offset - one.offset);
      print_row(one);
      covered = std::max(covered, one.offset + one.bytes);
    }
    print_padding(covered, sizeof(Entry));
  }

 private:
  struct row {
    std::size_t offset, bytes;
    std::string name, about;
  };
  void add_bytes(const void* at, std::size_t bytes, const char* name, const char* about) {
    const char* const begin = reinterpret_cast<const char*>(&entry_);
    rows_.push_back({static_cast<std::size_t>(static_cast<const char*>(at) - begin), bytes, name, about});
  }
  static void print_row(const row& one) {
    std::printf("| %6zu | %5zu | %-16s | %s |\n", one.offset, one.bytes, one.name.c_str(), one.about.c_str());
  }
  static void print_padding(std::size_t from, std::size_t to) {
    if (to > from) print_row({from, to - from, "", "padding"});
  }
  const Entry entry_ = {};
  std::vector<row> rows_;
};

// ---- The pools ---------------------------------------------------------------------------------------------------

/// An open flow.
template <class Config> void print_slot(const std::string& title) {
  using types = jj::detail::engine_audit<jj::engine<Config>>;
  using slot = typename types::slot;
  entry_layout<slot> rows;
  rows.add_bases(typename types::slot_parts{});
  if constexpr (types::keeps_log) {
    rows.add("first_word", &slot::first_word, "first entry of the log: gap, lengths, direction");
    rows.add("first_flags", &slot::first_flags, "its TCP flags");
    rows.add("entries", &slot::entries, "in the log");
    rows.add("storage", &slot::storage, "last chunk of the log, or the long state");
  }
  if constexpr (std::is_base_of_v<jj::detail::stream_positions, slot>)
    rows.add("streams", &slot::streams, "where each direction's handshake is read");
  if constexpr (std::is_base_of_v<jj::detail::short_headers, slot>)
    rows.add("spin", &slot::spin, "spin bits of datagrams that open with QUIC's short header");
  if constexpr (!std::is_same_v<typename types::handshakes, jj::detail::no_handshakes>) {
    rows.add("record", &slot::record, "what a handshake told, by number");
    rows.add("handshake_marks", &slot::handshake_marks, "what was lost, who is the client, what is over");
  }
  rows.add("key", &slot::key, "addresses, ports, protocol, IP version");
  rows.add("start_ns", &slot::start_ns, "time of the first packet");
  rows.add("end_ns", &slot::end_ns, "largest time");
  rows.add("last_ns", &slot::last_ns, "time of the last packet");
  rows.add("closed_ns", &slot::closed_ns, "time of the reset or last ACK");
  rows.add("packets", &slot::packets, "by direction");
  rows.add("last_number", &slot::last_number, "of the last packet among all");
  rows.add("marks", &slot::marks, "initiator, link, closed, long, FINs seen");
  rows.add("list", &slot::list, "which list it is in");
  constexpr jj::engine_footprint f = jj::engine<Config>::footprint();
  rows.print(title, f.slot + f.index);
}

template <class Config> void print_chunk() {
  using chunk = typename jj::detail::engine_audit<jj::engine<Config>>::chunk;
  entry_layout<chunk> rows;
  rows.add("log", &chunk::log, "seven entries of a log, or");
  rows.add("sample", &chunk::sample, "a part of a long payload sample, coded, or");
  rows.add("raw_sample", &chunk::raw_sample, "a part of one of up to 255 bytes as it came, or");
  rows.add("answers", &chunk::answers, "what both samples, complete, say");
  rows.print("A chunk", jj::engine<Config>::footprint().chunk);
}
template <class Rows, class... Sampled> void add_sketches(Rows& rows, jj::type_list<Sampled...>) {
  rows.add_bases(jj::type_list<typename Sampled::sketch...>{});
}
template <class Config> void print_long_state() {
  using types = jj::detail::engine_audit<jj::engine<Config>>;
  using state = typename types::long_state;
  entry_layout<state> rows;
  rows.add_bases(typename types::from_log{});
  add_sketches(rows, typename types::sampled{});
  rows.add("kept_chunk", &state::kept_chunk, "last chunk of the log that sequences need");
  rows.print("A long state", jj::engine<Config>::footprint().long_state);
}
template <class Config> void print_record() {
  using record = typename jj::detail::engine_audit<jj::engine<Config>>::handshakes::record_type;
  entry_layout<record> rows;
  rows.add("protocol", &record::protocol, "which of those below");
  rows.add("lost", &record::lost, "whose buffer was taken away");
  rows.add("buffers", &record::buffers, "messages in pieces, by stream");
  rows.add("tls", &record::tls, "hellos and certificates, or");
  rows.add("quic", &record::quic, "connections, packets and the hello, or");
  rows.add("ssh", &record::ssh, "identification and key exchange, or");
  rows.add("dns", &record::dns, "the first query and its response");
  rows.print("A handshake record", jj::engine<Config>::footprint().record);
}
template <class Config> void print_connections() {
  constexpr jj::connection_footprint in_all = jj::engine<Config>::footprint().connections;
  using jj::detail::host_record;
  entry_layout<host_record> host;
  host.add("address", &host_record::address, "IPv4 in the second half");
  host.add("packets", &host_record::packets, "sent, received");
  host.add("bytes", &host_record::bytes, "sent, received");
  host.add("flows", &host_record::flows, "as initiator, as responder");
  host.add("peers", &host_record::peers, "different responders, different initiators");
  host.add("next", &host_record::next, "under the same hash");
  host.add_rest("ports ...", "ports, IP version, whether something found no room: bits");
  host.print("A host", in_all.host);
  using jj::detail::edge_record;
  entry_layout<edge_record> edge;
  edge.add("source", &edge_record::source, "number of a host");
  edge.add("target", &edge_record::target, "number of a host");
  edge.add("flows", &edge_record::flows, "between them");
  edge.add("next", &edge_record::next, "under the same hash");
  edge.print("An edge", in_all.edge);
  using jj::detail::port_record;
  entry_layout<port_record> port;
  port.add("owner", &port_record::owner, "an edge, or a host");
  port.add("flows", &port_record::flows, "to the port");
  port.add("next", &port_record::next, "under the same hash");
  port.add("port", &port_record::port, "its number");
  port.add("of_source", &port_record::of_source, "whose the port is");
  port.print("A port of a pair or source", in_all.pair_port);
}

}  // namespace layout

#endif  // JOYFULJAY_TOOLS_LAYOUT_HPP
