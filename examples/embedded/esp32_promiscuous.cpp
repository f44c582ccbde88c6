// ESP32: flows of the stations around, from the Wi-Fi driver's promiscuous callback. Compiled and run by the tests under a
// stub header with ESP-IDF's names and layouts; not built with ESP-IDF, not run on a chip.
//
// What it can see: unencrypted networks only. Frames of WPA networks arrive encrypted here and are skipped; to watch
// those, be their access point and hook esp_netif, where frames are Ethernet (lwip_hook.cpp).
//
// The callback runs in the Wi-Fi driver's task. A packet costs some microseconds there, a row that is reported a few
// hundred: hand it on instead (freertos_task.cpp) where other work waits.
#include <esp_wifi.h>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

struct config : jj::presets::microcontroller {
  static constexpr jj::link_type link = jj::link_type::raw;  // from the IP header on
};
using engine_type = jj::engine<config>;
engine_type engine;  // 30 KB of .bss
unsigned long reported, encrypted;

void on_flow(const engine_type::row& row, void*) {
  ++reported;
  float features[jj::vector_length<engine_type::row>()];
  jj::to_vector(row, features);
  static_cast<void>(features);  // a model's input; or write_json to a socket
}
constexpr jj::callback_sink<engine_type::row> sink{on_flow, nullptr};

// The IP packet in an 802.11 data frame [IEEE 802.11-2016 9.2.4, 9.3.2]: addresses, QoS and HT control as the frame
// control field says, then LLC and SNAP [RFC 1042].
jj::bytes ip_packet(jj::bytes frame) {
  if (frame.length < 24) return {};
  const unsigned type = frame.data[0], flags = frame.data[1];
  const bool is_qos = (type & 0x80) != 0;
  if ((type & 0x0C) != 0x08 || (type & 0x40) != 0) return {};  // no data frame, or one without data
  if ((flags & 0x40) != 0) return ++encrypted, jj::bytes{};
  std::size_t header = 24;
  if ((flags & 0x03) == 0x03) header += 6;            // between access points: a fourth address
  if (is_qos) header += (flags & 0x80) != 0 ? 6 : 2;  // HT control behind QoS control
  static constexpr std::uint8_t snap[] = {0xAA, 0xAA, 0x03, 0, 0, 0};
  if (frame.length < header + 8 || std::memcmp(frame.data + header, snap, sizeof snap) != 0) return {};
  const unsigned ether_type = static_cast<unsigned>(frame.data[header + 6] << 8 | frame.data[header + 7]);
  if (ether_type != 0x0800 && ether_type != 0x86DD) return {};
  return {frame.data + header + 8, frame.length - header - 8};
}

void on_frame(void* buffer, wifi_promiscuous_pkt_type_t type) {
  static std::uint32_t last_us;
  static std::int64_t now_us;
  if (type != WIFI_PKT_DATA) return;
  const auto& received = *static_cast<const wifi_promiscuous_pkt_t*>(buffer);
  now_us += static_cast<std::uint32_t>(received.rx_ctrl.timestamp - last_us);  // 32 bits wrap after 71 minutes
  last_us = received.rx_ctrl.timestamp;
  const std::size_t length = received.rx_ctrl.sig_len;
  if (length < 4) return;
  const jj::bytes packet = ip_packet({received.payload, length - 4});  // without the checksum
  if (packet.length != 0)
    engine.feed({packet.data, packet.length, static_cast<std::uint32_t>(packet.length), now_us * 1000}, sink);
}

}  // namespace

// After esp_wifi_start. Retransmissions are frames of their own here, so that counts may exceed what the hosts sent.
extern "C" bool watch_air(const std::uint64_t random[2]) {
  engine.seed({random[0], random[1]});  // esp_fill_random
  wifi_promiscuous_filter_t filter = {};
  filter.filter_mask = WIFI_PROMIS_FILTER_MASK_DATA;
  return esp_wifi_set_promiscuous_filter(&filter) == ESP_OK && esp_wifi_set_promiscuous_rx_cb(on_frame) == ESP_OK &&
         esp_wifi_set_promiscuous(true) == ESP_OK;
}
// In the driver's task too, before the next start or when the callback is off.
extern "C" unsigned long watch_air_end() {
  esp_wifi_set_promiscuous(false);
  engine.flush(sink);
  return reported;
}
