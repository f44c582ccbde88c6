// A feature group of your own, with an accumulator of your own: which packets carry a DSCP mark. Nothing in the header
// changes; JSON, CSV, vectors and the reference follow from the declarations.
// Build and run: c++ -std=c++17 -I. examples/custom_group.cpp -o custom_group && ./custom_group
#include <cstdio>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

/// What the flow remembers: a live accumulator sees every packet. Members start as zero, so there are no initialisers.
struct service_marks {
  using needs = jj::type_list<>;
  std::uint32_t marked_packets;
  std::uint8_t first_mark;  ///< DSCP of the first marked packet [RFC 2474 3]

  template <class Flow> void update(const jj::packet& p, const Flow&) {
    jj::reader network(p.network);
    const std::uint16_t word = network.take<2>().u16<0>();  // version and lengths, then traffic class, across the bytes
    const std::uint8_t traffic_class = static_cast<std::uint8_t>(p.ip_version == 4 ? word : word >> 4);
    if (traffic_class >> 2 == 0) return;
    if (marked_packets++ == 0) first_mark = static_cast<std::uint8_t>(traffic_class >> 2);
  }
};

/// What the flow reports. Other accumulators can be named too: they are shared with the groups that need them.
struct service {
  JOYFULJAY_GROUP(service, service_marks, jj::wire_bytes)

  JOYFULJAY_FEATURE(std::uint8_t, dscp_first, "", "DSCP of the first marked packet; 0 without one.") {
    return flow.first_mark;
  }
  JOYFULJAY_FEATURE(double, dscp_ratio, "", "Share of packets with a DSCP mark.") {
    return jj::quotient(flow.marked_packets, flow.total_packets());
  }
  JOYFULJAY_FEATURE(bool, dscp_bulk, "",
                    "Marked as low-priority data (CS1, 8) and more than 1,000 bytes on the wire.") {
    return dscp_first == 8 && flow.frame_bytes[jj::fwd] + flow.frame_bytes[jj::bwd] > 1000;
  }
};

struct access_point : jj::default_config {
  static constexpr std::size_t max_flows = 16;
  static constexpr jj::link_type link = jj::link_type::raw;  // frames begin with the IP header
  using groups = jj::type_list<jj::flow_ports, service>;
};
static jj::engine<access_point> engine;

int main() {
  const auto print = [](const char* text, std::size_t length) { std::fwrite(text, 1, length, stdout); };
  const auto on_flow = [&](const auto& row, const auto&, jj::end_reason) {
    jj::write_json(print, row);
    std::printf("\n");
  };
  unsigned char packet[28] = {0x45, 8 << 2, 4, 0, 0,   0,  0,   0, 64,   17,   0,    0,
                              192,  0,      2, 1, 198, 51, 100, 1, 0x1F, 0x90, 0x00, 0x35};
  engine.feed({packet, sizeof packet, 1024, 1'000'000'000}, on_flow);
  packet[1] = 0;
  engine.feed({packet, sizeof packet, 1024, 1'010'000'000}, on_flow);
  engine.flush(on_flow);
  jj::write_reference<jj::engine<access_point>::row>(print);
  std::printf("a flow takes %u bytes\n", static_cast<unsigned>(engine.footprint().slot));
}
