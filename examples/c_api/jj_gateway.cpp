// The C++ side of jj_gateway.h: an engine in the caller's bytes, rows as plain C structs.
#include "jj_gateway.h"

#include <new>  // placement new, which is no allocation

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

using engine_type = jj::engine<jj::presets::gateway>;
using row = engine_type::row;
static_assert(sizeof(engine_type) <= JJ_GATEWAY_BYTES, "enlarge JJ_GATEWAY_BYTES");
static_assert(alignof(engine_type) <= alignof(jj_gateway));

engine_type& engine_in(jj_gateway* gateway) { return *std::launder(reinterpret_cast<engine_type*>(gateway->opaque)); }

struct sink {
  jj_on_flow* on_flow;
  void* context;

  void operator()(const row& r, const engine_type::view& view, jj::end_reason why) const {
    float features[jj::vector_length<row>()];
    jj::to_vector(r, features);
    const auto& name = r.tls_sni.length != 0 ? r.tls_sni : r.quic_sni;
    const jj_flow flow = {features,
                          name.characters,
                          name.length,
                          view.start_ns(),
                          view.end_ns(),
                          view.packets(),
                          jj::end_reason_names[static_cast<std::size_t>(why)],
                          view.port(jj::fwd),
                          view.port(jj::bwd),
                          view.protocol()};
    on_flow(&flow, context);
  }
};

}  // namespace

void jj_gateway_start(jj_gateway* gateway, const std::uint64_t seed[2]) {
  (::new (gateway->opaque) engine_type)->seed({seed[0], seed[1]});
}
std::uint64_t jj_gateway_feed(jj_gateway* gateway, const void* data, std::size_t captured, std::uint32_t wire_length,
                              std::int64_t time_ns, jj_on_flow* on_flow, void* context) {
  const jj::frame frame = {static_cast<const std::uint8_t*>(data), captured, wire_length, time_ns};
  const auto fed = engine_in(gateway).feed(frame, sink{on_flow, context});
  return fed.flow ? fed.flow.packets() : 0;
}
std::size_t jj_gateway_tick(jj_gateway* gateway, std::int64_t now_ns, jj_on_flow* on_flow, void* context) {
  return engine_in(gateway).tick(now_ns, sink{on_flow, context});
}
void jj_gateway_flush(jj_gateway* gateway, jj_on_flow* on_flow, void* context) {
  engine_in(gateway).flush(sink{on_flow, context});
}

std::size_t jj_gateway_feature_count() { return jj::vector_length<row>(); }
const char* jj_gateway_feature_name(std::size_t at) {
  const char* name = nullptr;
  std::size_t next = 0;
  jj::for_each_vector_feature<row>([&](const jj::feature_info& feature) {
    if (next++ == at) name = feature.name;
  });
  return name;
}
std::uint64_t jj_gateway_schema() { return jj::schema_hash<row>(); }
