// What holds of every parsed packet, whatever the frame was.
#ifndef JOYFULJAY_TESTS_PACKETS_HPP
#define JOYFULJAY_TESTS_PACKETS_HPP

#include <algorithm>

#include "joyfuljay.hpp"

namespace packets {

namespace jj = joyfuljay;
using jj::link_type;
using jj::verdict;

constexpr link_type every_link[] = {link_type::null,        link_type::ethernet,  link_type::ppp,   link_type::raw_bsd,
                                    link_type::raw_openbsd, link_type::ppp_hdlc,  link_type::pppoe, link_type::raw,
                                    link_type::loop,        link_type::linux_sll, link_type::ipv4,  link_type::ipv6,
                                    link_type::linux_sll2};

inline bool same_place(jj::bytes a, const std::uint8_t* a_base, jj::bytes b, const std::uint8_t* b_base) {
  return a.length == b.length && (a.empty() || a.data - a_base == b.data - b_base);
}
/// Every field that the parser fills.
inline bool same(const jj::packet& a, const std::uint8_t* a_base, const jj::packet& b, const std::uint8_t* b_base) {
  const bool is_fragment = a.is_first_fragment || a.is_later_fragment;
  return a.time_ns == b.time_ns && a.ip_len == b.ip_len && a.payload_len == b.payload_len &&
         a.tcp_flags == b.tcp_flags && a.has_tcp_header == b.has_tcp_header && a.frame_len == b.frame_len &&
         a.is_ethernet == b.is_ethernet && a.is_first_fragment == b.is_first_fragment &&
         a.is_later_fragment == b.is_later_fragment && a.ip_version == b.ip_version && a.protocol == b.protocol &&
         (!is_fragment || (a.fragment_protocol == b.fragment_protocol && a.fragment_id == b.fragment_id)) &&
         a.source_port == b.source_port && a.target_port == b.target_port &&
         std::equal(a.source, a.source + 2, b.source) && std::equal(a.target, a.target + 2, b.target) &&
         same_place(a.network, a_base, b.network, b_base) && same_place(a.transport, a_base, b.transport, b_base) &&
         same_place(a.payload, a_base, b.payload, b_base);
}

inline bool lies_in(jj::bytes view, const std::uint8_t* data, std::size_t length) {
  if (view.empty()) return true;
  const std::size_t from = static_cast<std::size_t>(view.data - data);
  return view.data >= data && from <= length && view.length <= length - from;
}
/// What holds for every packet that is counted.
inline bool is_sound(const jj::packet& p, const std::uint8_t* data, std::size_t captured) {
  const bool has_ports = !p.is_later_fragment && (p.protocol == 6 || p.protocol == 17);
  return lies_in(p.network, data, captured) && lies_in(p.transport, data, captured) &&
         lies_in(p.payload, data, captured) && !p.network.empty() && p.payload.length <= p.payload_len &&
         p.payload_len < p.ip_len && p.frame_len >= captured && (p.ip_version == 4 || p.ip_version == 6) &&
         p.network.data[0] >> 4 == p.ip_version && !(p.is_first_fragment && p.is_later_fragment) &&
         p.has_tcp_header == (p.protocol == 6 && !p.is_later_fragment) && (p.has_tcp_header || p.tcp_flags == 0) &&
         (has_ports || (p.source_port == 0 && p.target_port == 0)) && (!p.is_later_fragment || p.transport.empty()) &&
         (p.ip_version == 6 || (p.source[0] == 0 && p.target[0] == 0 && p.source[1] <= 0xFFFFFFFF));
}

template <link_type Fixed> verdict parse_fixed(jj::frame f, jj::packet& p) {
  f.link = link_type::per_frame;  // is not read
  return jj::parse_frame<Fixed>(f, p);
}
/// By the code that an engine for the frame's link type alone has; `refused` when there is none.
inline verdict parse_with_fixed_link(const jj::frame& f, jj::packet& p) {
  switch (f.link) {
    case link_type::null: return parse_fixed<link_type::null>(f, p);
    case link_type::ethernet: return parse_fixed<link_type::ethernet>(f, p);
    case link_type::ppp: return parse_fixed<link_type::ppp>(f, p);
    case link_type::raw_bsd: return parse_fixed<link_type::raw_bsd>(f, p);
    case link_type::raw_openbsd: return parse_fixed<link_type::raw_openbsd>(f, p);
    case link_type::ppp_hdlc: return parse_fixed<link_type::ppp_hdlc>(f, p);
    case link_type::pppoe: return parse_fixed<link_type::pppoe>(f, p);
    case link_type::raw: return parse_fixed<link_type::raw>(f, p);
    case link_type::loop: return parse_fixed<link_type::loop>(f, p);
    case link_type::linux_sll: return parse_fixed<link_type::linux_sll>(f, p);
    case link_type::ipv4: return parse_fixed<link_type::ipv4>(f, p);
    case link_type::ipv6: return parse_fixed<link_type::ipv6>(f, p);
    case link_type::linux_sll2: return parse_fixed<link_type::linux_sll2>(f, p);
    case link_type::per_frame: break;
  }
  return verdict::refused;
}

}  // namespace packets

#endif  // JOYFULJAY_TESTS_PACKETS_HPP
