// The few names of ESP-IDF's esp_wifi.h that the example uses, laid out as for the ESP32. Implemented in run_esp32.cpp.
#pragma once
#include <cstdint>
using esp_err_t = int;
#define ESP_OK 0
enum wifi_promiscuous_pkt_type_t { WIFI_PKT_MGMT, WIFI_PKT_CTRL, WIFI_PKT_DATA, WIFI_PKT_MISC };
#define WIFI_PROMIS_FILTER_MASK_DATA (1u << 2)
struct wifi_promiscuous_filter_t {
  std::uint32_t filter_mask;
};
struct wifi_pkt_rx_ctrl_t {
  unsigned radio_1[4];
  unsigned timestamp;  // microseconds
  unsigned radio_2[2];
  unsigned sig_len : 12;  // with the checksum
  unsigned : 12;
  unsigned rx_state : 8;
};
struct wifi_promiscuous_pkt_t {
  wifi_pkt_rx_ctrl_t rx_ctrl;
  __extension__ std::uint8_t payload[];  // as in ESP-IDF
};
using wifi_promiscuous_cb_t = void (*)(void* buf, wifi_promiscuous_pkt_type_t type);
esp_err_t esp_wifi_set_promiscuous_filter(const wifi_promiscuous_filter_t* filter);
esp_err_t esp_wifi_set_promiscuous_rx_cb(wifi_promiscuous_cb_t cb);
esp_err_t esp_wifi_set_promiscuous(bool en);
