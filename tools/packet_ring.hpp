// packet_ring: frames from a network interface of Linux, by an AF_PACKET socket with a TPACKET_V3 ring, alone or as one of a
// fanout group. Needs the C library only.
#ifndef JOYFULJAY_TOOLS_PACKET_RING_HPP
#define JOYFULJAY_TOOLS_PACKET_RING_HPP

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "joyfuljay.hpp"

namespace live {
namespace jj = joyfuljay;

/// Frames are read where the kernel put them. Time stamps are the kernel's clock; they run backwards where sent and
/// received packets meet. Frames have up to 65 KiB where the kernel joins segments (GRO, GSO).
class packet_ring {
 public:
  static constexpr int block_wait_ms = 20;  ///< then the kernel hands over a block that is not full

  packet_ring() = default;
  packet_ring(const packet_ring&) = delete;
  packet_ring& operator=(const packet_ring&) = delete;
  ~packet_ring() {
    if (ring_ != nullptr) munmap(ring_, blocks_ * block_bytes);
    if (socket_ >= 0) close(socket_);
  }

  /// Of the members of a fanout group each sees both directions of its flows, by the kernel's symmetric hash; IPv4
  /// fragments are joined before. 0: no group. Nothing arrives before `start`, so that all members begin together.
  /// The ring takes `blocks` times 256 KiB, or less where memory is short.
  /// The answer says what is wrong, and is empty when all is well.
  const char* open(const char* interface, unsigned fanout_group, std::size_t blocks) {
    socket_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (socket_ < 0)
      return errno == EPERM || errno == EACCES
                 ? say("no permission to read ", interface, ": root or CAP_NET_RAW is needed")
                 : failure("open a packet socket");
    ifreq request{};
    if (!name(request, interface)) return say("no interface '", interface, "'");
    if (ioctl(socket_, SIOCGIFHWADDR, &request) != 0)
      return errno == ENODEV ? say("no interface '", interface, "'") : failure("look at ", interface);
    const unsigned kind = request.ifr_hwaddr.sa_family;
    if (is_monitor(kind)) return say("", interface, " is in monitor mode, whose frames are encrypted");
    if (!choose_link(kind)) return failure("open a packet socket");
    if (!is_up(interface)) return say("", interface, " is down");
    if (!make_ring(blocks)) return failure("make a packet ring");
    if (!hold_back() || !bind_to(interface)) return failure("read ", interface);
    if (fanout_group != 0 && !join(fanout_group)) return failure("share ", interface, " among workers");
    return "";
  }
  bool start() {
    const int unused = 0;
    return setsockopt(socket_, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) == 0;
  }

  /// After `wait` said `gone`: takes up an interface that is up again, or is there again under the same name. No privilege
  /// is needed for it. False: not yet.
  bool reopen(const char* interface) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length);  // what was reported is forgotten
    return is_up(interface) && bind_to(interface);
  }

  /// Calls each(const jj::frame&) for the frames of the next block, and done() while their bytes are still there.
  /// False: there is none yet.
  template <class Each, class Done> bool take_block(Each&& each, Done&& done) {
    std::uint8_t* const block = ring_ + at_ * block_bytes;
    tpacket_hdr_v1& about = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1;
    if ((__atomic_load_n(&about.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return false;
    std::uint8_t* at = block + about.offset_to_first_pkt;
    for (std::uint32_t left = about.num_pkts; left != 0; --left) {
      jj::frame frame;
      if (take_frame(at, frame)) each(static_cast<const jj::frame&>(frame));
      at += reinterpret_cast<const tpacket3_hdr*>(at)->tp_next_offset;
    }
    done();
    __atomic_store_n(&about.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    at_ = (at_ + 1) % blocks_;
    return true;
  }
  enum class waited { ready, nothing, gone };
  waited wait(int milliseconds) const {
    pollfd wanted{socket_, POLLIN, 0};
    const int ready = poll(&wanted, 1, milliseconds);
    if (ready > 0 && (wanted.revents & POLLERR) != 0) return waited::gone;
    return ready > 0 ? waited::ready : waited::nothing;
  }
  /// Frames that found no room, since the last call.
  std::uint64_t newly_dropped() const {
    tpacket_stats_v3 kernel{};
    socklen_t length = sizeof kernel;
    return getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &kernel, &length) == 0 ? kernel.tp_drops : 0;
  }

 private:
  static constexpr std::size_t block_bytes = 1 << 18, fewest_blocks = 4;
  static constexpr unsigned tag_bytes = 4;

  const char* say(const char* before, const char* interface, const char* after) {
    std::snprintf(problem_, sizeof problem_, "%s%s%s", before, interface, after);
    return problem_;
  }
  const char* failure(const char* what, const char* interface = "", const char* after = "") {
    std::snprintf(problem_, sizeof problem_, "cannot %s%s%s: %s", what, interface, after, std::strerror(errno));
    return problem_;
  }
  static bool name(ifreq& request, const char* interface) {
    const std::size_t length = std::strlen(interface);
    if (length >= sizeof request.ifr_name) return false;
    std::memcpy(request.ifr_name, interface, length + 1);
    return true;
  }
  bool is_up(const char* interface) const {
    ifreq request{};
    return name(request, interface) && ioctl(socket_, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
  }
  static bool is_monitor(unsigned kind) {
    return kind == ARPHRD_IEEE80211 || kind == ARPHRD_IEEE80211_PRISM || kind == ARPHRD_IEEE80211_RADIOTAP;
  }
  /// Ethernet as it is; of other devices the kernel takes the link header off.
  bool choose_link(unsigned kind) {
    if (kind == ARPHRD_ETHER || kind == ARPHRD_LOOPBACK) return true;
    link_ = jj::link_type::raw;
    close(socket_);
    socket_ = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return socket_ >= 0;
  }
  bool make_ring(std::size_t blocks) {
    const int version = TPACKET_V3, room = tag_bytes;
    if (setsockopt(socket_, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return false;
    if (setsockopt(socket_, SOL_PACKET, PACKET_RESERVE, &room, sizeof room) != 0) return false;
    for (blocks_ = blocks; blocks_ >= fewest_blocks; blocks_ /= 2) {
      tpacket_req3 wanted{};
      wanted.tp_block_size = block_bytes;
      wanted.tp_block_nr = static_cast<unsigned>(blocks_);
      wanted.tp_frame_size = 2048;  // not a limit in version 3
      wanted.tp_frame_nr = static_cast<unsigned>(block_bytes / 2048 * blocks_);
      wanted.tp_retire_blk_tov = block_wait_ms;
      if (setsockopt(socket_, SOL_PACKET, PACKET_RX_RING, &wanted, sizeof wanted) == 0) break;
      if (errno != ENOMEM || blocks_ == fewest_blocks) return false;
    }
    void* const memory = mmap(nullptr, blocks_ * block_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, socket_, 0);
    if (memory == MAP_FAILED) return false;
    ring_ = static_cast<std::uint8_t*>(memory);
    return true;
  }
  bool hold_back() {
    sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog filter = {1, &nothing};
    return setsockopt(socket_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
  }
  bool bind_to(const char* interface) {
    packet_mreq all{};
    all.mr_type = PACKET_MR_PROMISC;
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ALL);
    all.mr_ifindex = where.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (where.sll_ifindex == 0) return false;                                   // which would be all of them
    setsockopt(socket_, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &all, sizeof all);  // it is counted, and kept while down
    setsockopt(socket_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all);   // tunnels have no such mode
    return bind(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
  }
  bool join(unsigned group) {
    const unsigned how = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG;
    const unsigned argument = (group & 0xFFFF) | how << 16;
    return setsockopt(socket_, SOL_PACKET, PACKET_FANOUT, &argument, sizeof argument) == 0;
  }
  /// False: a frame to the machine itself, which the loopback device shows when it is sent and when it arrives.
  bool take_frame(std::uint8_t* at, jj::frame& frame) const {
    const tpacket3_hdr& header = *reinterpret_cast<const tpacket3_hdr*>(at);
    const auto& from = *reinterpret_cast<const sockaddr_ll*>(at + TPACKET_ALIGN(sizeof header));
    const bool has_addresses = link_ == jj::link_type::ethernet && header.tp_snaplen >= 2 * ETH_ALEN;
    const bool tagged = has_addresses && (header.tp_status & TP_STATUS_VLAN_VALID) != 0;
    std::uint8_t* data = at + (link_ == jj::link_type::ethernet ? header.tp_mac : header.tp_net);
    if (tagged) put_tag_back(data, header);
    frame.data = data;
    frame.captured = header.tp_snaplen + (tagged ? tag_bytes : 0);
    frame.wire_length = header.tp_len + (tagged ? tag_bytes : 0);
    frame.time_ns = std::int64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec;
    frame.link = link_;
    return !(from.sll_hatype == ARPHRD_LOOPBACK && from.sll_pkttype == PACKET_OUTGOING);
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

  int socket_ = -1;
  std::uint8_t* ring_ = nullptr;
  std::size_t blocks_ = 0, at_ = 0;
  jj::link_type link_ = jj::link_type::ethernet;
  char problem_[160] = "";
};

}  // namespace live

#endif  // JOYFULJAY_TOOLS_PACKET_RING_HPP
