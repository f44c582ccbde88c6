// Runs examples/embedded/lwip_hook.cpp with lwIP's headers and types; the stack behind the interface is a stub.
#include <lwip/netif.h>
#include <lwip/pbuf.h>

#include <cstdio>

#include "joyfuljay.hpp"
#include "packet.hpp"

void watch(netif* interface, const joyfuljay::hash_key& random);
void watch_tick();
unsigned long watch_reported();
unsigned long watch_dropped();

static std::uint32_t milliseconds = 0xFFFFFFF0;  // about to wrap
static unsigned passed, freed;
extern "C" u32_t sys_now(void) { return milliseconds; }
extern "C" u8_t pbuf_free(struct pbuf*) { return ++freed, u8_t{1}; }
static err_t upper_input(pbuf*, netif*) { return ++passed, err_t{ERR_OK}; }
static err_t lower_output(netif*, pbuf*) { return ERR_OK; }

int main() {
  static netif interface;
  unsigned char frame[frame_length];
  pbuf p{};
  interface.input = upper_input;
  interface.linkoutput = lower_output;
  watch(&interface, {1, 2});
  put_frame(frame, false);
  p.payload = frame;
  p.len = p.tot_len = sizeof frame;
  for (unsigned packet = 0; packet < 20; ++packet) interface.input(&p, &interface);  // all at once: a flood
  for (unsigned second = 0; second < 70; ++second) milliseconds += 1000, watch_tick();
  std::printf("%u passed, %lu dropped, %lu reported\n", passed, watch_dropped(), watch_reported());
  return passed == 11 && watch_dropped() == 9 && freed == 9 && watch_reported() == 1 ? 0 : 1;
}
