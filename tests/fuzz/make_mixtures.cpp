// Writes inputs of fuzz_mixture, one file for each pair of things that two sides can say: on every port one side begins the
// first with a byte, the other says a part of the second, both go on: make_mixtures FOLDER
#include <cstdio>
#include <string>

#include "tools/frame_builder.hpp"

using namespace frame_builder;

namespace {

/// As fuzz_mixture reads it. A portion of 0 is everything; above 127 it counts in eights.
octets command(unsigned flow, bool forward, unsigned what, unsigned portion, unsigned repeats, const octets& bytes) {
  constexpr unsigned longest_lie = 15;
  return u8(flow | (forward ? 4u : 0u)) + u8(what | longest_lie << 4) + u8(0) + u8(portion) + u8(repeats) +
         u8(static_cast<unsigned>(bytes.size())) + bytes;
}
octets go_on(unsigned flow, bool forward, unsigned portion) { return command(flow, forward, 0, portion, 0, {}); }

octets script(unsigned first, unsigned second) {
  const octets name = ascii("name.example"), part = octets(60, 'A');
  octets out;
  for (unsigned flow = 0; flow < 4; ++flow) {
    out = out + command(flow, true, first, 1, 0, name) + command(flow, false, second, 127 + 64, 15, part);
    out = out + go_on(flow, true, 0);
    for (unsigned times = 0; times < 8; ++times) out = out + go_on(flow, false, 50);
    out = out + go_on(flow, false, 0);
  }
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: make_mixtures FOLDER\n");
    return 1;
  }
  for (unsigned pair = 0; pair < 16 * 16; ++pair) {
    const octets input = script(pair / 16, pair % 16);
    const std::string path = std::string(arguments[1]) + "/" + std::to_string(pair) + ".bin";
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(input.data(), 1, input.size(), file) != input.size() || std::fclose(file) != 0) {
      std::perror(path.c_str());
      return 1;
    }
  }
  return 0;
}
