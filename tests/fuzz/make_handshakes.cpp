// Writes inputs of fuzz_tls: handshakes of every kind, each with a script that cuts them, one file for each:
// make_handshakes FOLDER
#include <cstdio>
#include <string>

#include "tests/handshakes.hpp"

using namespace handshakes;

namespace {

/// Opening packets, then segments of both streams in turn, every third one early and every fifth one again.
octets script_for(const octets& client, const octets& server, unsigned size) {
  octets out{0, fb::tcp_syn, 0, 0, 0, 1, fb::tcp_syn | fb::tcp_ack, 0, 0, 0};
  unsigned number_of = 0;
  for (std::size_t at = 0; at < std::max(client.size(), server.size()); at += size) {
    for (const unsigned side : {0u, 1u}) {
      const std::size_t place = ++number_of % 3 == 0 ? at + size : at;
      out = out + u8(side) + u8(fb::tcp_ack) + u16(place) + u8(size);
      if (number_of % 3 == 0 || number_of % 5 == 0) out = out + u8(side) + u8(fb::tcp_ack) + u16(at) + u8(size);
    }
  }
  return out;
}
client_hello full_hello() {
  client_hello hello;
  hello.session_id = octets(32, 9);
  hello.ciphers = {0x2A2A, 0x1301, 0xC02B, 0x002F};
  return hello.with(0x4A4A, {})
      .with(0, sni(ascii("seed.example")))
      .with(10, vector<2>(list16({0x6A6A, 29, 23})))
      .with(11, vector<1>(octets{0}))
      .with(13, vector<2>(list16({0x0403, 0x0804})))
      .with(16, alpn({ascii("h2"), ascii("http/1.1")}))
      .with(35, {})
      .with(43, vector<1>(list16({0x3A3A, 0x0304, 0x0303})))
      .with(51, vector<2>(key_share(0x6A6A, 1) + key_share(29, 32)))
      .with(41, octets(5, 5));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: make_handshakes FOLDER\n");
    return 1;
  }
  const octets hello = message(full_hello()), ccs = change_cipher_spec();
  server_hello tls13;
  tls13 = tls13.with(43, u16(0x0304)).with(51, key_share(29, 32));
  server_hello draft;
  draft.version = 0x7F12;
  draft = draft.with(40, key_share(29, 32));
  const octets curve = message(12, octets{3, 0, 23, 65} + octets(65, 4));
  const octets prime = message(12, vector<2>(zeros(1) + octets(128, 0x80)));
  const octets old_answer = message(server_hello{}.with(16, alpn({ascii("h2")}))) + certificates({300, 200});
  const octets kex = ssh_packet(30), newkeys = ssh_packet(21, 0), secret(60, 0xAA);
  const octets ssh_client =
      ascii("SSH-2.0-OpenSSH_9.6 comment\r\n") + kexinit(lists_of("client")) + kex + newkeys + secret;
  const octets ssh_server =
      ascii("welcome\r\nSSH-1.99-dropbear\r\n") + kexinit(lists_of("server")) + kex + newkeys + secret;
  const octets alert = record(21, octets{1, 112});
  struct {
    octets client, server;
  } const seeds[] = {
      {handshake(hello) + ccs + application_data(), handshake(message(tls13)) + ccs + application_data()},
      {handshake(hello) + ccs + handshake(octets(40, 7)), handshake(old_answer + curve + message(14, {})) + ccs},
      {handshake_in(hello, 50), alert + handshake_in(old_answer + prime + message(14, {}), 90)},
      {handshake(hello) + ccs + handshake(hello),
       handshake(message(hello_retry_request())) + ccs + handshake(message(tls13))},
      {handshake(hello), handshake(message(draft))},
      {handshake(hello), handshake(hello)},
      {handshake(message(tls13)), handshake(old_answer)},
      {ssh_client, ssh_server},
      {ascii("SSH-1.5-old\n") + octets(30, 1), ascii("SSH-2.0-cut")},
      {ascii("GET / HTTP/1.1\r\n\r\n"), octets(1100, '\n') + ssh_server},
  };
  unsigned made = 0;
  for (const auto& seed : seeds)
    for (const unsigned size : {1u, 20u, 120u, 250u}) {
      if (size == 1 && seed.client.size() > 400) continue;
      const octets input = vector<2>(seed.client) + vector<2>(seed.server) + script_for(seed.client, seed.server, size);
      const std::string path = std::string(arguments[1]) + "/" + std::to_string(++made) + ".bin";
      std::FILE* file = std::fopen(path.c_str(), "wb");
      if (file == nullptr || std::fwrite(input.data(), 1, input.size(), file) != input.size() ||
          std::fclose(file) != 0) {
        std::fprintf(stderr, "make_handshakes: cannot write %s\n", path.c_str());
        return 1;
      }
    }
  return 0;
}
