/* A C program with a flow engine: a DNS query, asked twice and answered, one record. How to build it: jj_gateway.h. */
#include <stdio.h>
#include <string.h>

#include "jj_gateway.h"

static struct jj_gateway gateway;

/* Ethernet, IPv4, UDP from port 49152 to 53, DNS. The answer is the same frame with both ends exchanged. */
static const unsigned char query[] = {0x02, 0,   0,   0,    0,    0x01, 0x02, 0,  0,  0,  0,   0x02, 0x08, 0x00, 0x45,
                                      0,    0,   57,  0x12, 0x34, 0,    0,    64, 17, 0,  0,   192,  0,    2,    10,
                                      198,  51,  100, 53,   0xC0, 0x00, 0,    53, 0,  37, 0,   0,    0x2A, 0x2A, 0x01,
                                      0,    0,   1,   0,    0,    0,    0,    0,  0,  7,  'e', 'x',  'a',  'm',  'p',
                                      'l',  'e', 3,   'o',  'r',  'g',  0,    0,  1,  0,  1};

static size_t feature(const char* name) {
  size_t at = 0;
  while (at < jj_gateway_feature_count() && strcmp(jj_gateway_feature_name(at), name) != 0) ++at;
  return at;
}

static void on_flow(const struct jj_flow* flow, void* context) {
  ++*(unsigned*)context;
  printf("%s: port %u to %u, %u packets, answered after %.3f s, mean length %.1f bytes\n", flow->end_reason,
         flow->source_port, flow->destination_port, (unsigned)flow->packets,
         flow->features[feature("first_response_time")], flow->features[feature("pkt_len_mean")]);
}

int main(void) {
  const uint64_t seed[2] = {0x0123456789abcdef, 0xfedcba9876543210}; /* a device draws this at random */
  const int64_t start_ns = 1700000000000000000, second = 1000000000;
  unsigned char answer[sizeof query];
  unsigned flows = 0;

  memcpy(answer, query, sizeof query);
  memcpy(answer + 26, query + 30, 4), memcpy(answer + 30, query + 26, 4);
  memcpy(answer + 34, query + 36, 2), memcpy(answer + 36, query + 34, 2);

  jj_gateway_start(&gateway, seed);
  jj_gateway_feed(&gateway, query, sizeof query, sizeof query, start_ns, on_flow, &flows);
  jj_gateway_feed(&gateway, query, sizeof query, sizeof query, start_ns + 5 * second, on_flow, &flows);
  jj_gateway_feed(&gateway, answer, sizeof answer, sizeof answer, start_ns + 5 * second + 20000000, on_flow, &flows);
  jj_gateway_tick(&gateway, start_ns + 10 * second, on_flow, &flows); /* too early */
  if (flows != 0) return 1;
  jj_gateway_flush(&gateway, on_flow, &flows);
  return flows == 1 ? 0 : 1;
}
