// A firewall that blocks by name: packets come from a netfilter queue, the answer is accept or drop. A flow is blocked
// when its TLS or QUIC server name or its first DNS question is on the list, from the packet that says so on. Raw
// netlink, no library; root or CAP_NET_ADMIN.
// Build and run: c++ -std=c++17 -O2 -I. examples/firewall_nfqueue.cpp -o firewall_nfqueue
//   sudo iptables -I FORWARD -j NFQUEUE --queue-num 3 --queue-bypass     # or: nft ... queue num 3 bypass
//   sudo ./firewall_nfqueue 3 ads.example tracker.example                # these and what ends in .ads.example ...
// It fails open, in three places: `bypass` lets packets pass while this program does not run; FAIL_OPEN lets them pass
// while the queue is full; and what cannot be judged (no IP, malformed, no name in 16 packets) passes. Names under
// Encrypted ClientHello are those of the outer hello. A DNS flow is judged by its first question only.
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

enum class decision : std::uint8_t { undecided, pass, block };  // user_data starts as zero bytes

struct firewall : jj::default_config {
  static constexpr std::size_t max_flows = 4096;
  static constexpr std::size_t max_name = 255;               // all of a name: what is listed is its end
  static constexpr jj::link_type link = jj::link_type::raw;  // the queue hands over packets, without link headers
  using groups = jj::type_list<jj::flow_meta, jj::tls, jj::quic, jj::dns>;
  struct user_data {
    decision verdict;
  };
};
static jj::engine<firewall> engine;
static volatile std::sig_atomic_t stopped = 0;
static char** blocked_names = nullptr;
static unsigned long long answers[2];  // accepted, dropped

// ---- The decision

static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// `name` is `listed`, or ends in a dot and `listed`. Names of the network may have any case.
static bool is_listed(const jj::text_view& name, const char* listed) {
  const std::size_t length = std::strlen(listed);
  if (name.length < length) return false;
  const char* end = name.characters + name.length - length;
  for (std::size_t at = 0; at < length; ++at)
    if (lower(end[at]) != listed[at]) return false;
  return name.length == length || end[-1] == '.';
}

/// What the flow said of itself so far. Most flows are decided within four packets, and never looked at again.
template <class View> decision decide(const View& flow) {
  constexpr std::uint64_t enough_packets = 16;
  const auto now = flow.template read<jj::tls, jj::quic, jj::dns>();
  bool named = false;
  for (const jj::text_view& name : {now.tls_sni, now.quic_sni, now.dns_query_name}) {
    named = named || name.length != 0;
    for (char** listed = blocked_names; name.length != 0 && *listed != nullptr; ++listed)
      if (is_listed(name, *listed)) return std::printf("blocked: %s\n", *listed), decision::block;
  }
  return named || flow.packets() >= enough_packets ? decision::pass : decision::undecided;
}

template <class Sink> bool may_pass(const jj::frame& packet, Sink& sink) {
  const auto fed = engine.feed(packet, sink);
  if (!fed.flow) return true;
  decision& verdict = fed.flow.user().verdict;
  if (verdict == decision::undecided) verdict = decide(fed.flow);
  return verdict != decision::block;
}

// ---- Netlink [linux/netfilter/nfnetlink_queue.h]: a header, four bytes, attributes of type and length

struct message {
  nlmsghdr header;
  nfgenmsg queue;
  unsigned char attributes[64];

  message(unsigned kind, std::uint16_t number, unsigned flags) : header(), queue(), attributes() {
    header.nlmsg_len = offsetof(message, attributes);
    header.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_QUEUE << 8 | kind);
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    queue.res_id = htons(number);
  }
  template <class Value> void add(std::uint16_t type, const Value& value) {
    const nlattr attribute = {NLA_HDRLEN + sizeof value, type};
    unsigned char* to = reinterpret_cast<unsigned char*>(this) + header.nlmsg_len;
    std::memcpy(to, &attribute, sizeof attribute);
    std::memcpy(to + NLA_HDRLEN, &value, sizeof value);
    header.nlmsg_len += static_cast<std::uint32_t>(NLA_ALIGN(attribute.nla_len));
  }
  bool send_to(int fd) const { return send(fd, this, header.nlmsg_len, 0) == static_cast<ssize_t>(header.nlmsg_len); }
};

/// The socket, or -1 with errno set. The kernel's receipt comes as a message: `answer` reads it.
static int open_queue(std::uint16_t number) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) return -1;
  const int room = 4 << 20, on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  message claim(NFQNL_MSG_CONFIG, number, NLM_F_ACK);
  claim.add(NFQA_CFG_CMD, nfqnl_msg_config_cmd{NFQNL_CFG_CMD_BIND, 0, 0});
  claim.add(NFQA_CFG_PARAMS, nfqnl_msg_config_params{htonl(2048), NFQNL_COPY_PACKET});  // handshakes lie in front
  claim.add(NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));
  claim.add(NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));  // GSO: not cut into segments for us
  return claim.send_to(fd) ? fd : -1;
}

static std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// One message of the queue: the packet is judged and the verdict sent. False with errno set: the kernel refused.
template <class Sink>
bool answer(int fd, std::uint16_t number, const std::uint8_t* data, std::size_t length, Sink& sink) {
  nlmsghdr header;
  nfqnl_msg_packet_hdr packet{};
  jj::frame frame;
  bool identified = false;
  std::memcpy(&header, data, sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) {
    int error = 0;
    std::memcpy(&error, data + sizeof header, sizeof error);
    return errno = -error, error == 0;
  }
  if (header.nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) return true;
  for (std::size_t at = sizeof header + sizeof(nfgenmsg); at + NLA_HDRLEN <= length;) {
    nlattr attribute;
    std::memcpy(&attribute, data + at, sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > length - at) break;
    const std::uint8_t* value = data + at + NLA_HDRLEN;
    const std::size_t size = attribute.nla_len - std::size_t{NLA_HDRLEN};
    std::uint32_t whole = 0;
    if (attribute.nla_type == NFQA_PACKET_HDR && size >= sizeof packet)
      std::memcpy(&packet, value, sizeof packet), identified = true;
    if (attribute.nla_type == NFQA_PAYLOAD) frame.data = value, frame.captured = size;
    if (attribute.nla_type == NFQA_CAP_LEN && size == sizeof whole)
      std::memcpy(&whole, value, sizeof whole), frame.wire_length = ntohl(whole);
    at += NLA_ALIGN(attribute.nla_len);
  }
  if (!identified) return true;
  frame.time_ns = now_ns();
  const bool passes = may_pass(frame, sink);
  ++answers[passes ? 0 : 1];
  message verdict(NFQNL_MSG_VERDICT, number, 0);
  verdict.add(NFQA_VERDICT_HDR, nfqnl_msg_verdict_hdr{htonl(passes ? NF_ACCEPT : NF_DROP), packet.packet_id});
  verdict.send_to(fd);
  return true;
}

int main(int count, char** arguments) {
  if (count < 3) return std::fputs("usage: firewall_nfqueue QUEUE NAME...\n", stderr), 2;
  const std::uint16_t number = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  blocked_names = arguments + 2;
  for (char** name = blocked_names; *name != nullptr; ++name)
    for (char* at = *name; *at != '\0'; ++at) *at = lower(*at);
  jj::hash_key secret;
  if (getrandom(&secret, sizeof secret, 0) == sizeof secret) engine.seed(secret);
  const int fd = open_queue(number);
  const auto give_up = [&] {
    return std::fprintf(stderr, "firewall_nfqueue: queue %u: %s\n", number, std::strerror(errno)), 1;
  };
  if (fd < 0) return give_up();
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGINT, &stop, nullptr), sigaction(SIGTERM, &stop, nullptr);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);

  const auto on_flow = [](const auto&, const auto&, jj::end_reason) {};  // rows for a log, if wanted
  alignas(nlmsghdr) static std::uint8_t room[1 << 17];
  while (!stopped) {
    pollfd wanted{fd, POLLIN, 0};
    if (poll(&wanted, 1, 1000) > 0) {
      const ssize_t length = recv(fd, room, sizeof room, MSG_DONTWAIT);  // one packet a message
      if (length >= static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nfgenmsg)))
        if (!answer(fd, number, room, static_cast<std::size_t>(length), on_flow)) return give_up();
    }
    engine.tick(now_ns(), on_flow);
  }
  engine.flush(on_flow);
  std::printf("%llu packets accepted, %llu dropped\n", answers[0], answers[1]);
}
