// Answers lines of hexadecimal words on standard input with the header's digests and ciphers, for compare.py:
//   md5 DATA | sha256 DATA | hmac KEY DATA | aes KEY BLOCK | gcm KEY NONCE ADDITIONAL SEALED
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;
using octets = std::vector<std::uint8_t>;

static octets unhex(const std::string& digits) {
  octets out;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return out;
}
static void print(const std::uint8_t* data, std::size_t length) {
  for (std::size_t at = 0; at < length; ++at) std::printf("%02x", data[at]);
  std::printf("\n");
}
static jj::bytes view(const octets& input) { return {input.data(), input.size()}; }

template <std::size_t Length> struct fixed {
  std::uint8_t data[Length] = {};
  explicit fixed(const octets& from) { std::memcpy(data, from.data(), from.size() < Length ? from.size() : Length); }
};

template <class Digest> static void digest(Digest&& digest, const octets& data) {
  std::uint8_t sum[std::is_same_v<std::decay_t<Digest>, jj::md5> ? 16 : 32];
  digest.update(view(data));
  digest.finish(sum);
  print(sum, sizeof sum);
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, word;
    std::vector<octets> given;
    words >> what;
    while (words >> word) given.push_back(word == "-" ? octets{} : unhex(word));
    if (what == "md5") {
      digest(jj::md5(), given.at(0));
    } else if (what == "sha256") {
      digest(jj::sha256(), given.at(0));
    } else if (what == "hmac") {
      digest(jj::hmac_sha256(view(given.at(0))), given.at(1));
    } else if (what == "aes") {
      std::uint8_t out[16];
      jj::aes128(fixed<16>(given.at(0)).data).encrypt(fixed<16>(given.at(1)).data, out);
      print(out, sizeof out);
    } else {
      jj::aes128_gcm gcm(fixed<16>(given.at(0)).data, fixed<12>(given.at(1)).data);
      gcm.authenticate(view(given.at(2)));
      const octets& sealed = given.at(3);
      octets plain;
      const bool genuine = gcm.is_genuine(view(sealed));
      for (std::size_t at = 0; genuine && at + 16 < sealed.size(); ++at) plain.push_back(gcm.plain(at, sealed[at]));
      genuine ? print(plain.data(), plain.size()) : static_cast<void>(std::puts("forged"));
    }
  }
}
