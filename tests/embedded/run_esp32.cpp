// Runs examples/embedded/esp32_promiscuous.cpp under a stub: two data frames of one flow, and frames that are skipped.
#include <cstdio>

#include "esp_wifi.h"
#include "packet.hpp"

extern "C" bool watch_air(const std::uint64_t random[2]);
extern "C" unsigned long watch_air_end();

static wifi_promiscuous_cb_t callback;
esp_err_t esp_wifi_set_promiscuous_filter(const wifi_promiscuous_filter_t*) { return ESP_OK; }
esp_err_t esp_wifi_set_promiscuous_rx_cb(wifi_promiscuous_cb_t cb) { return callback = cb, ESP_OK; }
esp_err_t esp_wifi_set_promiscuous(bool) { return ESP_OK; }

static void say(unsigned char control, unsigned char flags, std::size_t header, bool answer) {
  alignas(4) static unsigned char buffer[sizeof(wifi_promiscuous_pkt_t) + 200];
  std::memset(buffer, 0, sizeof buffer);
  auto& packet = *reinterpret_cast<wifi_promiscuous_pkt_t*>(buffer);
  unsigned char* const frame = buffer + sizeof(wifi_promiscuous_pkt_t);
  static const unsigned char snap[] = {0xAA, 0xAA, 0x03, 0, 0, 0, 0x08, 0x00};
  frame[0] = control, frame[1] = flags;
  std::memcpy(frame + header, snap, sizeof snap);
  put_packet(frame + header + sizeof snap, answer);
  packet.rx_ctrl.timestamp = 1000;
  packet.rx_ctrl.sig_len = (header + sizeof snap + packet_length + 4) & 0xFFF;
  callback(buffer, WIFI_PKT_DATA);
}

int main() {
  const std::uint64_t random[2] = {1, 2};
  if (!watch_air(random)) return 1;
  say(0x08, 0x01, 24, false);  // data, to the access point
  say(0x88, 0x02, 26, true);   // QoS data, from it
  say(0x88, 0x42, 26, true);   // encrypted
  say(0x48, 0x01, 24, true);   // no data
  const unsigned long flows = watch_air_end();
  std::printf("%lu flow\n", flows);
  return flows == 1 ? 0 : 1;
}
