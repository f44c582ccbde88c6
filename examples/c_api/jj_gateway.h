/* A flow engine for C programs: joyfuljay.hpp's presets::gateway (512 flows, everything that looks at one flow) behind
 * functions. The engine lies in memory that the caller owns, allocates nothing and needs no C++ library:
 *
 *   c++ -std=c++17 -Os -fno-exceptions -fno-rtti -fno-math-errno -I../.. -c jj_gateway.cpp
 *   cc -std=c11 program.c jj_gateway.o -lm
 *
 * To wrap another configuration, change the first lines of jj_gateway.cpp and the size below. */
#ifndef JJ_GATEWAY_H
#define JJ_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At least sizeof(engine) on every target; the C++ file asserts it. */
enum { JJ_GATEWAY_BYTES = 462 * 1024 };

/* Make it static: it is zeros until jj_gateway_start, so it takes RAM and no flash. */
struct jj_gateway {
#ifdef __cplusplus
  alignas(64)
#else
  _Alignas(64)
#endif
      unsigned char opaque[JJ_GATEWAY_BYTES];
};

/* A flow that ended. All pointers are valid during the call only. */
struct jj_flow {
  const float* features;   /* jj_gateway_feature_count() of them, never NaN */
  const char* server_name; /* what TLS or QUIC asked for: not terminated, empty without */
  size_t server_name_length;
  int64_t start_ns, end_ns;
  uint64_t packets;
  const char* end_reason; /* "idle", "closed", "evicted", ... */
  uint16_t source_port, destination_port;
  uint8_t protocol;
};
/* Must not call functions of the same engine. */
typedef void jj_on_flow(const struct jj_flow* flow, void* context);

/* First, and to begin anew. The seed comes from the system's random numbers. */
void jj_gateway_start(struct jj_gateway* gateway, const uint64_t seed[2]);
/* An Ethernet frame. Returns the packets that its flow has by now, or 0 if it belongs to none (ARP, malformed, ...). */
uint64_t jj_gateway_feed(struct jj_gateway* gateway, const void* data, size_t captured, uint32_t wire_length,
                         int64_t time_ns, jj_on_flow* on_flow, void* context);
/* The link is quiet: ends flows that are due, at most 64; call again while it returns 64. */
size_t jj_gateway_tick(struct jj_gateway* gateway, int64_t now_ns, jj_on_flow* on_flow, void* context);
/* Reports all open flows. */
void jj_gateway_flush(struct jj_gateway* gateway, jj_on_flow* on_flow, void* context);

size_t jj_gateway_feature_count(void);
const char* jj_gateway_feature_name(size_t at); /* null beyond the last */
uint64_t jj_gateway_schema(void);               /* changes when the features do: keep it with a model */

#ifdef __cplusplus
}
#endif
#endif
