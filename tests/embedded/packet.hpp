// An IPv4 packet of UDP, 192.0.2.10:49152 to 198.51.100.53:53, or the answer.
#pragma once
#include <cstring>

constexpr std::size_t packet_length = 20 + 8 + 12;
inline void put_packet(unsigned char* at, bool answer) {
  static const unsigned char query[packet_length] = {0x45, 0, 0,  packet_length, 0,  0,   0,  0,    64, 17, 0,  0, 192,
                                                     0,    2, 10, 198,           51, 100, 53, 0xC0, 0,  0,  53, 0, 20};
  std::memcpy(at, query, packet_length);
  if (!answer) return;
  std::memcpy(at + 12, query + 16, 4), std::memcpy(at + 16, query + 12, 4);
  std::memcpy(at + 20, query + 22, 2), std::memcpy(at + 22, query + 20, 2);
}
// The same in an Ethernet frame.
constexpr std::size_t frame_length = 14 + packet_length;
inline void put_frame(unsigned char* at, bool answer) {
  std::memset(at, 2, 12);
  at[12] = 0x08, at[13] = 0x00;
  put_packet(at + 14, answer);
}
