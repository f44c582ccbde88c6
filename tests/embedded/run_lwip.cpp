// Runs examples/embedded/lwip_hook.cpp with lwIP's headers and types; the stack behind the interface is a stub.
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

#include <cstdio>
#include <vector>

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
extern "C" err_t ethernet_input(pbuf*, netif*) { return ++passed, err_t{ERR_OK}; }
static err_t lower_output(netif*, pbuf*) { return ERR_OK; }

// The tcpip thread's mailbox. Without an OS the driver's thread is the only one.
struct message {
  pbuf* p;
  netif* from;
  netif_input_fn input;
};
static std::vector<message> mailbox;
#if NO_SYS
constexpr netif_input_fn driver_input = ethernet_input;
#else
extern "C" err_t tcpip_inpkt(pbuf* p, netif* from, netif_input_fn input) {
  return mailbox.push_back({p, from, input}), err_t{ERR_OK};
}
extern "C" err_t tcpip_input(pbuf* p, netif* from) { return tcpip_inpkt(p, from, ethernet_input); }
constexpr netif_input_fn driver_input = tcpip_input;
#endif

int main() {
  static netif interface;
  unsigned char frame[frame_length];
  pbuf p{};
  interface.input = driver_input;
  interface.linkoutput = lower_output;
  watch(&interface, {1, 2});
  put_frame(frame, false);
  p.payload = frame;
  p.len = p.tot_len = sizeof frame;
  for (unsigned packet = 0; packet < 20; ++packet) interface.input(&p, &interface);  // all at once: a flood
  if (passed + freed != (NO_SYS ? 20u : 0u)) return 1;  // nothing is judged in the driver's thread, if there is another
  for (const message& one : mailbox) one.input(one.p, one.from);
  for (unsigned second = 0; second < 70; ++second) milliseconds += 1000, watch_tick();
  std::printf("%u passed, %lu dropped, %lu reported\n", passed, watch_dropped(), watch_reported());
  return passed == 11 && watch_dropped() == 9 && freed == 9 && watch_reported() == 1 ? 0 : 1;
}
