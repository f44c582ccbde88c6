// lwIP: watches a network interface by wrapping its input and output, and blocks chatty flows of the device's neighbours.
// Compiled by the tests against Debian's liblwip-dev and run there on made-up pbufs; not run on a board.
//
//   watch(&netif);                      // once, after netif_add, in the tcpip thread
//   watch_tick();                       // every second or so, in the same thread: sys_timeout
//
// An engine belongs to one thread. Under an OS the driver calls netif->input in a thread of its own: frames are handed to
// the tcpip thread, as tcpip_input does, and judged there, where output and ticks are.
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/sys.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

struct config : jj::presets::microcontroller {
  struct user_data {
    bool blocked;
  };
};
using engine_type = jj::engine<config>;
engine_type engine;  // 30 KB of .bss
err_t (*lower_input)(pbuf*, netif*);
err_t (*lower_output)(netif*, pbuf*);
unsigned long reported, dropped;

// sys_now counts milliseconds in 32 bits: seven weeks. Both directions are stamped here, so that time runs forward.
std::int64_t now_ns() {
  static std::uint32_t last;
  static std::int64_t total_ms;
  const std::uint32_t now = sys_now();
  total_ms += static_cast<std::uint32_t>(now - last);
  last = now;
  return total_ms * 1'000'000;
}

void on_flow(const engine_type::row& row, void*) {
  ++reported;
  float features[jj::vector_length<engine_type::row>()];
  jj::to_vector(row, features);
  static_cast<void>(features);  // a model's input; or write_json into a socket's buffer
}
constexpr jj::callback_sink<engine_type::row> sink{on_flow, nullptr};

// A frame may be a chain of pbufs. Headers lie in the first one; what is behind it counts by its length only.
bool is_blocked(const pbuf* p) {
  const auto fed = engine.feed({static_cast<const std::uint8_t*>(p->payload), p->len, p->tot_len, now_ns()}, sink);
  if (!fed.flow) return false;
  auto& verdict = fed.flow.user();
  if (fed.flow.packets() == 12 && fed.flow.read<jj::timing>().iat_mean < 0.001) verdict.blocked = true;
  return verdict.blocked;
}
err_t input(pbuf* p, netif* interface) {
  if (!is_blocked(p)) return lower_input(p, interface);
  ++dropped;
  pbuf_free(p);  // an input function that answers ERR_OK has taken the pbuf
  return ERR_OK;
}
err_t output(netif* interface, pbuf* p) {
  is_blocked(p);  // what the device says itself is counted, not stopped
  return lower_output(interface, p);
}

}  // namespace

// `random` comes from the board's generator.
void watch(netif* interface, const jj::hash_key& random) {
  engine.seed(random);
  lower_output = interface->linkoutput;
#if NO_SYS
  lower_input = interface->input;
  interface->input = input;
#else
  lower_input = ethernet_input;  // to which tcpip_input leads
  interface->input = [](pbuf* p, netif* from) { return tcpip_inpkt(p, from, input); };
#endif
  interface->linkoutput = output;
}
void watch_tick() { engine.tick(now_ns(), sink); }
unsigned long watch_reported() { return reported; }
unsigned long watch_dropped() { return dropped; }
