// Section 5: MD5, HMAC, HKDF, AES-128 and GCM against their standards. tests/ciphers/run.sh compares them with Python's and
// OpenSSL's over random inputs.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

std::string hex(const std::uint8_t* data, std::size_t length) {
  std::string out;
  for (std::size_t at = 0; at < length; ++at) {
    out += "0123456789abcdef"[data[at] / 16];
    out += "0123456789abcdef"[data[at] % 16];
  }
  return out;
}
std::vector<std::uint8_t> unhex(const std::string& digits) {
  std::vector<std::uint8_t> out;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return out;
}
template <std::size_t Length> void unhex(const std::string& digits, std::uint8_t (&out)[Length]) {
  const auto octets = unhex(digits);
  REQUIRE(octets.size() == Length);
  std::memcpy(out, octets.data(), Length);
}
jj::bytes view(const std::vector<std::uint8_t>& octets) { return {octets.data(), octets.size()}; }

std::string md5_of(const std::string& text) {
  jj::md5 digest;
  digest.update(text.data(), text.size());
  std::uint8_t sum[16];
  digest.finish(sum);
  return hex(sum, sizeof sum);
}

}  // namespace

TEST_CASE("MD5: the test suite of RFC 1321 A.5") {
  CHECK(md5_of("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_of("a") == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(md5_of("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5_of("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(md5_of("abcdefghijklmnopqrstuvwxyz") == "c3fcd3d76192e4007dfb496cca67e13b");
  CHECK(md5_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == "d174ab98d277d9f5a5611c2c9f419d9f");
  CHECK(md5_of("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("HMAC-SHA-256: RFC 4231 test cases 1 to 4") {
  const auto mac_of = [](const std::string& key, const std::string& data) {
    const auto k = unhex(key), d = unhex(data);
    jj::hmac_sha256 mac(view(k));
    mac.update(view(d));
    std::uint8_t sum[32];
    mac.finish(sum);
    return hex(sum, sizeof sum);
  };
  CHECK(mac_of("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(mac_of("4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(mac_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", std::string(50, 'd') + std::string(50, 'd')) ==
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  std::string many;
  for (int at = 0; at < 50; ++at) many += "cd";
  CHECK(mac_of("0102030405060708090a0b0c0d0e0f10111213141516171819", many) ==
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

TEST_CASE("HKDF-Expand-Label: the Initial keys of RFC 9001 A.1 and RFC 9369 A.1") {
  const auto initial_secret = [](const std::string& salt, std::uint8_t(&secret)[32]) {
    const auto salt_octets = unhex(salt), dcid = unhex("8394c8f03e515708");
    jj::hmac_sha256 extract(view(salt_octets));
    extract.update(view(dcid));
    std::uint8_t initial[32];
    extract.finish(initial);
    jj::hkdf_expand_label(initial, "", "client in", secret);
  };
  const auto expand = [](const std::uint8_t(&secret)[32], const char* prefix) {
    std::uint8_t key[16], iv[12], hp[16];
    jj::hkdf_expand_label(secret, prefix, "key", key);
    jj::hkdf_expand_label(secret, prefix, "iv", iv);
    jj::hkdf_expand_label(secret, prefix, "hp", hp);
    return hex(key, 16) + " " + hex(iv, 12) + " " + hex(hp, 16);
  };
  std::uint8_t secret[32];
  initial_secret("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", secret);
  CHECK(hex(secret, 32) == "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
  CHECK(expand(secret, "quic ") ==
        "1f369613dd76d5467730efcbe3b1a22d fa044b2f42a3fd3b46fb255c 9f50449e04a0e810283a1e9933adedd2");
  initial_secret("0dede3def700a6db819381be6e269dcbf9bd2ed9", secret);
  CHECK(expand(secret, "quicv2 ") ==
        "8b1a0bc121284290a29e0971b5cd045d 91f73e2351d8fa91660e909f 45b95e15235d6f45a6b19cbcb0294ba9");
}

TEST_CASE("AES-128: FIPS 197 appendices B and C.1") {
  const auto encrypt = [](const std::string& key, const std::string& plain) {
    std::uint8_t k[16], in[16], out[16];
    unhex(key, k);
    unhex(plain, in);
    jj::aes128(k).encrypt(in, out);
    return hex(out, 16);
  };
  CHECK(encrypt("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734") ==
        "3925841d02dc09fbdc118597196a0b32");
  CHECK(encrypt("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff") ==
        "69c4e0d86a7b0430d8cdb78070b4c55a");
}

namespace {

struct gcm_vector {
  const char *key, *nonce, *additional, *plain, *sealed;
};
// Test cases 1 to 4 of McGrew and Viega, "The Galois/Counter Mode of Operation", which SP 800-38D specifies.
constexpr gcm_vector gcm_vectors[] = {
    {"00000000000000000000000000000000", "000000000000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
    {"00000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b391aafd255",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
     "3d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
     "3d58e0915bc94fbc3221a5db94fae95ae7121a47"}};

}  // namespace

TEST_CASE("GCM opens what was sealed, in pieces or at once, and nothing that was touched") {
  for (const gcm_vector& v : gcm_vectors) {
    std::uint8_t key[16], nonce[12];
    unhex(v.key, key);
    unhex(v.nonce, nonce);
    const auto additional = unhex(v.additional), plain = unhex(v.plain);
    auto sealed = unhex(v.sealed);
    const auto opens = [&](std::size_t split) {
      jj::aes128_gcm gcm(key, nonce);
      gcm.authenticate(view(additional).first(split));
      gcm.authenticate(view(additional).after(split));
      return gcm.is_genuine(view(sealed));
    };
    for (std::size_t split = 0; split <= additional.size(); ++split) CHECK(opens(split));
    jj::aes128_gcm gcm(key, nonce);
    for (std::size_t at = 0; at < plain.size(); ++at) CHECK(gcm.plain(at, sealed[at]) == plain[at]);
    if (plain.size() > 20) CHECK(gcm.plain(3, sealed[3]) == plain[3]);  // back again
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      CHECK_FALSE(opens(0));
      sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
    sealed.resize(15);
    CHECK_FALSE(opens(0));
  }
}
