// Fuzz target: SSH in the clear. The target builds lines, packets and name-lists with lengths that fit out of what it is
// given, so that the fuzzer reaches what lies behind them, or puts bytes there as they are. An engine must say of both
// streams, in segments of any size, what a slow reading of them says.
//
// Input: one byte of settings, one of the size of segments, then commands: what to build and for whom, length in 16 bits,
// and as many bytes.
#include <algorithm>
#include <vector>

#include "tests/fuzz/must.hpp"
#include "tests/stream_model.hpp"

using namespace handshakes;
using stream_model::direction_stream;
using stream_model::ssh_side;

namespace {

struct ssh_alone : roomy {
  using groups = jj::type_list<jj::ssh, jj::handshake_state>;
};

/// Ten lists that share the bytes.
octets kexinit_of(const octets& bytes) {
  std::vector<std::string> lists;
  const std::size_t share = bytes.size() / 10;
  for (std::size_t list = 0; list < 10; ++list) {
    const octets part = slice(bytes, list * share, (list + 1) * share);
    lists.emplace_back(part.begin(), part.end());
  }
  return kexinit(lists, bytes.empty() ? 4 : bytes[0]);
}
octets built(unsigned kind, const octets& bytes) {
  switch (kind) {
    case 0: return ascii("SSH-2.0-") + bytes + ascii("\r\n");
    case 1: return ascii("SSH-") + bytes + ascii("\n");
    case 2: return bytes + ascii("\n");
    case 3: return kexinit_of(bytes);
    case 4: return ssh_packet(bytes.empty() ? 30 : bytes[0], bytes.size());
    case 5: return ssh_packet(21, bytes.size());
    case 6: return vector<4>(bytes);  // padding length and number are the fuzzer's
    default: return bytes;
  }
}

/// What must be said of streams that begin where `handshakes` has them begin.
answers read_slowly(const segments& packets, bool forward_is_client) {
  const direction_stream streams[2] = {{packets, true}, {packets, false}};
  const ssh_side sides[2] = {ssh_side(streams[0].data), ssh_side(streams[1].data)};
  const ssh_side &client = sides[forward_is_client ? 0 : 1], &server = sides[forward_is_client ? 1 : 0];
  std::size_t exchange = 0, encrypted = 0;
  for (unsigned side = 0; side < 2; ++side) {
    exchange += streams[side].bringing(sides[side].exchange);
    if (sides[side].clear_end >= 0) encrypted += streams[side].beyond(sides[side].clear_end);
  }
  return {{"ssh_detected", client.version.empty() && server.version.empty() ? "false" : "true"},
          {"ssh_version", client.version.empty() ? server.version : client.version},
          {"ssh_client_version", client.version},
          {"ssh_server_version", server.version},
          {"ssh_client_software", client.software},
          {"ssh_server_software", server.software},
          {"ssh_hassh", client.hassh(false)},
          {"ssh_hassh_server", server.hassh(true)},
          {"ssh_kex_packets", std::to_string(exchange)},
          {"ssh_encrypted_packets", std::to_string(encrypted)}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned settings = data[0];
  const std::size_t longest = std::size_t{data[1]} * ((settings & 8) != 0 ? 8 : 1) + 1;
  data += 2, size -= 2;
  octets streams[2];
  while (size >= 3) {
    const std::size_t length =
        std::min<std::size_t>(static_cast<std::size_t>(data[1] << 8 | data[2]) & 0x3FFF, size - 3);
    octets& stream = streams[data[0] & 1];
    if (stream.size() < 20'000) stream = stream + built(data[0] >> 1 & 7, octets(data + 3, data + 3 + length));
    data += 3 + length, size -= 3 + length;
  }
  const bool has_syn = (settings & 1) != 0;
  const ports of{static_cast<std::uint16_t>((settings & 2) != 0 ? 22 : 40000),
                 static_cast<std::uint16_t>((settings & 4) != 0 ? 22 : 443)};
  const segments packets = (has_syn ? opening() : segments{{true, client_start, {}}}) +
                           pieces_of(true, client_start, streams[0], longest) +
                           pieces_of(false, server_start, streams[1], longest);
  const answers told = ask<ssh_alone>(packets, of);
  if (told.at("handshake_dropped") == "true") return 0;
  const bool forward_is_client = has_syn || of.client != 22 || of.server == 22;
  const std::string wrong = difference(told, read_slowly(packets, forward_is_client));
  if (!wrong.empty()) must_not(wrong.c_str());
  return 0;
}
