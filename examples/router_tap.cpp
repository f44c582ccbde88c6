// A tap on a router: every frame of an Ethernet interface, read without copying from a ring that the kernel fills
// (AF_PACKET, TPACKET_V3), one JSON line on standard output as each flow ends. No library; root or CAP_NET_RAW.
// Build and run: c++ -std=c++17 -O2 -I. examples/router_tap.cpp -o router_tap && sudo ./router_tap eth0
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

struct tap : jj::presets::gateway {  // every group that looks at one flow; 3.6 MB
  static constexpr std::size_t max_flows = 4096;
  static constexpr std::size_t batch_frames = 32;
};
static jj::engine<tap> engine;
static volatile std::sig_atomic_t stopped = 0;

constexpr std::size_t block_bytes = 1 << 18, blocks = 16;  // 4 MB that wait; a frame may have 65 KiB: see GRO
constexpr unsigned block_wait_ms = 20;                     // then the kernel hands a block over that is not full
constexpr unsigned tag_bytes = 4;

/// The socket, or -1 with errno set. Nothing arrives before `bind` names the interface.
static int open_socket(const char* interface) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) return -1;
  const auto kind = request.ifr_hwaddr.sa_family;
  if (kind != ARPHRD_ETHER && kind != ARPHRD_LOOPBACK) return errno = EPROTONOSUPPORT, -1;  // tun: link_type::raw

  const int version = TPACKET_V3, room = tag_bytes;
  tpacket_req3 ring{};
  ring.tp_block_size = block_bytes, ring.tp_block_nr = blocks;
  ring.tp_frame_size = 2048, ring.tp_frame_nr = block_bytes / 2048 * blocks;  // not a limit in version 3
  ring.tp_retire_blk_tov = block_wait_ms;
  packet_mreq all{};
  sockaddr_ll where{};
  all.mr_type = PACKET_MR_PROMISC, where.sll_family = AF_PACKET, where.sll_protocol = htons(ETH_P_ALL);
  all.mr_ifindex = where.sll_ifindex = static_cast<int>(if_nametoindex(interface));
  const bool ready = setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) == 0 &&
                     setsockopt(fd, SOL_PACKET, PACKET_RESERVE, &room, sizeof room) == 0 &&
                     setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) == 0 &&
                     setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) == 0 &&
                     bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
  return ready ? fd : -1;
}

/// Network cards and the kernel take the outer VLAN tag out of a frame; PACKET_RESERVE left room to put it back.
static void put_tag_back(std::uint8_t*& data, const tpacket3_hdr& header) {
  const bool named = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
  const std::uint16_t tag[2] = {htons(static_cast<std::uint16_t>(named ? header.hv1.tp_vlan_tpid : ETH_P_8021Q)),
                                htons(static_cast<std::uint16_t>(header.hv1.tp_vlan_tci))};
  data -= tag_bytes;
  std::memmove(data, data + tag_bytes, 2 * ETH_ALEN);
  std::memcpy(data + 2 * ETH_ALEN, tag, sizeof tag);
}

/// What stands in the ring at `at`. False: a frame to itself, which loopback shows twice.
static bool take_frame(std::uint8_t* at, jj::frame& frame) {
  const tpacket3_hdr& header = *reinterpret_cast<const tpacket3_hdr*>(at);
  const auto& from = *reinterpret_cast<const sockaddr_ll*>(at + TPACKET_ALIGN(sizeof header));
  std::uint8_t* data = at + header.tp_mac;
  const bool tagged = (header.tp_status & TP_STATUS_VLAN_VALID) != 0 && header.tp_snaplen >= 2 * ETH_ALEN;
  if (tagged) put_tag_back(data, header);
  frame.data = data;
  frame.captured = header.tp_snaplen + (tagged ? tag_bytes : 0);
  frame.wire_length = header.tp_len + (tagged ? tag_bytes : 0);
  frame.time_ns = std::int64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec;
  return !(from.sll_hatype == ARPHRD_LOOPBACK && from.sll_pkttype == PACKET_OUTGOING);
}

/// Feeds one block, whose bytes are ours until its status says otherwise.
template <class Sink> void feed_block(std::uint8_t* block, Sink& sink) {
  const tpacket_hdr_v1& about = reinterpret_cast<const tpacket_block_desc*>(block)->hdr.bh1;
  jj::frame batch[tap::batch_frames];
  std::size_t count = 0;
  std::uint8_t* at = block + about.offset_to_first_pkt;
  for (std::uint32_t left = about.num_pkts; left != 0; --left) {
    if (take_frame(at, batch[count])) ++count;
    if (count == tap::batch_frames || left == 1) engine.feed_batch(batch, count, sink), count = 0;
    at += reinterpret_cast<const tpacket3_hdr*>(at)->tp_next_offset;
  }
}

/// A little behind the clock: frames may wait so long in a block.
static std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec - 2 * std::int64_t{block_wait_ms} * 1'000'000;
}

/// Until a signal comes, and then what waits in the ring. False: the interface is gone or down.
template <class Sink> bool run(int fd, std::uint8_t* ring, Sink& sink) {
  for (std::size_t at = 0, left = blocks; !stopped || left-- != 0;) {
    std::uint8_t* const block = ring + at * block_bytes;
    std::uint32_t& status = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1.block_status;
    if ((__atomic_load_n(&status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0) {
      feed_block(block, sink);
      __atomic_store_n(&status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
      at = (at + 1) % blocks;
      continue;
    }
    while (engine.tick(now_ns(), sink) == 64) {
    }  // nothing is waiting: time for the flows that are over
    std::fflush(stdout);
    pollfd wanted{fd, POLLIN, 0};
    const int ready = poll(&wanted, 1, stopped ? 2 * block_wait_ms : 250);
    if (ready > 0 && (wanted.revents & POLLERR) != 0) return false;
    if (stopped && ready == 0) break;
  }
  return true;
}

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: router_tap INTERFACE\n", stderr), 2;
  const int fd = open_socket(arguments[1]);
  void* ring = MAP_FAILED;
  if (fd >= 0) ring = mmap(nullptr, block_bytes * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ring == MAP_FAILED) return std::fprintf(stderr, "router_tap: %s: %s\n", arguments[1], std::strerror(errno)), 1;
  jj::hash_key secret;
  if (getrandom(&secret, sizeof secret, 0) == sizeof secret) engine.seed(secret);
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGINT, &stop, nullptr), sigaction(SIGTERM, &stop, nullptr);

  const auto print = [](const char* text, std::size_t length) { std::fwrite(text, 1, length, stdout); };
  const auto on_flow = [&](const auto& row, const auto&, jj::end_reason) {
    jj::write_json(print, row), print("\n", 1);
  };
  const bool up = run(fd, static_cast<std::uint8_t*>(ring), on_flow);
  engine.flush(on_flow);

  tpacket_stats_v3 kernel{};
  socklen_t length = sizeof kernel;
  getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &length);
  if (!up) std::fprintf(stderr, "router_tap: %s is gone or down\n", arguments[1]);
  std::fprintf(stderr, "router_tap: %u frames, %u dropped by the kernel, %llu flows\n", kernel.tp_packets,
               kernel.tp_drops, static_cast<unsigned long long>(engine.statistics().flows_created));
  return up ? 0 : 1;
}
