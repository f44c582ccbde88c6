// Builds QUIC packets for tests, fuzz targets and the benchmark: the other half of what the header opens. The tag of
// GCM is computed bit by bit from SP 800-38D, not with the header's tables.
#ifndef JOYFULJAY_TOOLS_QUIC_SEALER_HPP
#define JOYFULJAY_TOOLS_QUIC_SEALER_HPP

#include <cstring>
#include <vector>

#include "joyfuljay.hpp"

namespace quic_sealer {

namespace jj = joyfuljay;
using octets = std::vector<std::uint8_t>;

inline octets operator+(octets left, const octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
inline octets big_endian(std::uint64_t value, unsigned length) {
  octets out;
  while (length-- > 0) out.push_back(static_cast<std::uint8_t>(value >> 8 * length));
  return out;
}
/// [RFC 9000 16], in the given number of bytes or the fewest.
inline octets integer(std::uint64_t value, unsigned length = 0) {
  if (length == 0) length = value < 64 ? 1 : value < 16384 ? 2 : value < 1073741824 ? 4 : 8;
  octets out = big_endian(value, length);
  out[0] = static_cast<std::uint8_t>(out[0] | (length == 1 ? 0 : length == 2 ? 0x40 : length == 4 ? 0x80 : 0xC0));
  return out;
}
inline octets zeros(std::size_t count) { return octets(count, 0); }

/// A CRYPTO frame with a part of the stream.
inline octets crypto(std::uint64_t offset, const octets& part) {
  return octets{6} + integer(offset) + integer(part.size()) + part;
}
inline octets crypto_part(const octets& stream, std::size_t from, std::size_t to) {
  const auto begin = stream.begin();
  return crypto(from, octets(begin + static_cast<std::ptrdiff_t>(from), begin + static_cast<std::ptrdiff_t>(to)));
}

/// The tag over additional data and ciphertext [SP 800-38D 6.4, 7.1].
inline octets tag(const jj::aes128& cipher, const std::uint8_t (&nonce)[12], const octets& additional,
                  const octets& sealed) {
  std::uint8_t zero[16] = {}, h[16], sum[16] = {};
  cipher.encrypt(zero, h);
  const auto absorb = [&](const octets& padded) {
    for (std::size_t at = 0; at < padded.size(); at += 16) {
      std::uint8_t product[16] = {}, factor[16];
      for (std::size_t i = 0; i < 16; ++i) sum[i] ^= padded[at + i];
      std::memcpy(factor, h, 16);
      for (unsigned bit = 0; bit < 128; ++bit) {
        if ((sum[bit / 8] >> (7 - bit % 8) & 1) != 0)
          for (std::size_t i = 0; i < 16; ++i) product[i] ^= factor[i];
        const bool carry = (factor[15] & 1) != 0;
        for (std::size_t i = 15; i > 0; --i)
          factor[i] = static_cast<std::uint8_t>(factor[i] >> 1 | (factor[i - 1] & 1) << 7);
        factor[0] = static_cast<std::uint8_t>((factor[0] >> 1) ^ (carry ? 0xE1 : 0));
      }
      std::memcpy(sum, product, 16);
    }
  };
  absorb(additional + zeros((16 - additional.size() % 16) % 16));
  absorb(sealed + zeros((16 - sealed.size() % 16) % 16));
  absorb(big_endian(additional.size() * 8, 8) + big_endian(sealed.size() * 8, 8));
  std::uint8_t counter[16] = {}, mask[16];
  std::memcpy(counter, nonce, 12);
  counter[15] = 1;
  cipher.encrypt(counter, mask);
  octets out;
  for (std::size_t i = 0; i < 16; ++i) out.push_back(static_cast<std::uint8_t>(sum[i] ^ mask[i]));
  return out;
}

/// Seals and protects: `header` ends with the packet number, whose length its first byte tells.
inline octets protect(const octets& header, const octets& plain, std::uint64_t number, const jj::quic_keys& keys) {
  std::uint8_t nonce[12];
  std::memcpy(nonce, keys.iv, 12);
  for (unsigned at = 0; at < 8; ++at) nonce[11 - at] ^= static_cast<std::uint8_t>(number >> 8 * at);
  jj::aes128_gcm gcm(keys.key, nonce);
  octets sealed;
  for (std::size_t at = 0; at < plain.size(); ++at) sealed.push_back(gcm.plain(at, plain[at]));
  octets out = header + sealed + tag(jj::aes128(keys.key), nonce, header, sealed);
  const std::size_t length = (header[0] & 3u) + 1, number_at = header.size() - length;
  std::uint8_t sample[16], mask[16];
  std::memcpy(sample, out.data() + number_at + 4, 16);
  jj::aes128(keys.header_protection).encrypt(sample, mask);
  out[0] ^= mask[0] & 0x0F;
  for (std::size_t at = 0; at < length; ++at) out[number_at + at] ^= mask[at + 1];
  return out;
}

/// The connection ID of the examples [RFC 9001 A]. Put together byte by byte: of a list g++ 12 says that it may be uninitialised.
inline octets example_id() {
  octets id;
  for (int shift = 56; shift >= 0; shift -= 8)
    id.push_back(static_cast<std::uint8_t>(std::uint64_t{0x8394c8f03e515708} >> shift));
  return id;
}
/// What an Initial packet is made of.
struct initial {
  std::uint32_t version = 1;
  octets destination_id = example_id(), source_id = {}, token = {};
  std::uint64_t number = 0;
  unsigned number_length = 2;
  octets key_id = destination_id;  // the client's first Destination Connection ID
  jj::quic_side side = jj::from_client;
};

/// First byte, version and connection IDs; `type` in the numbering of version 1 [RFC 9000 17.2, RFC 9369 3.2].
inline octets long_header(unsigned type, const initial& p) {
  if (p.version == 0x6B3343CF) type = (type + 1) & 3;
  octets out{static_cast<std::uint8_t>(0xC0 | type << 4 | (p.number_length - 1))};
  return out + big_endian(p.version, 4) + octets{static_cast<std::uint8_t>(p.destination_id.size())} +
         p.destination_id + octets{static_cast<std::uint8_t>(p.source_id.size())} + p.source_id;
}
/// `plain` should have four bytes or more.
inline octets seal(const initial& p, const octets& plain) {
  jj::quic_keys keys;
  jj::derive_quic_keys(p.version, {p.key_id.data(), p.key_id.size()}, p.side, keys);
  const octets header = long_header(0, p) + integer(p.token.size()) + p.token +
                        integer(p.number_length + plain.size() + 16, 2) + big_endian(p.number, p.number_length);
  return protect(header, plain, p.number, keys);
}
/// 0-RTT (1) or Handshake (2) with a body that nobody can read.
inline octets sealed_elsewhere(unsigned type, const initial& p, std::size_t length) {
  return long_header(type, p) + integer(length, 2) + octets(length, 0xA5);
}

/// A message of the handshake protocol.
inline octets client_hello(const octets& body) { return octets{1} + big_endian(body.size(), 3) + body; }

}  // namespace quic_sealer

#endif  // JOYFULJAY_TOOLS_QUIC_SEALER_HPP
