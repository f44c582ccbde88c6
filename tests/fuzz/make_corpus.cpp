// Turns captures into inputs of fuzz_engine, one file for each: make_corpus FOLDER CAPTURE... Frames keep their link
// type where the target has it, their time roughly, and lose what is beyond 1600 bytes.
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace {

/// `value` as a byte, shifted left by so many bits, rounded down.
struct shifted {
  unsigned char byte, bits;
};
shifted shifted_of(std::uint64_t value) {
  unsigned char bits = 0;
  for (; value > 255; value >>= 1) ++bits;
  return {static_cast<unsigned char>(value), bits};
}

std::vector<unsigned char> commands_of(capture_file::reader& reader) {
  constexpr std::size_t enough = 16'384, longest_frame = 1600;
  std::vector<unsigned char> out{0};
  capture_file::record record;
  std::int64_t before = 0;
  while (out.size() < enough && reader.next(record) == capture_file::reader::status::record) {
    constexpr std::uint32_t links[] = {1, 101, 113, 276, 0, 108, 9, 50, 51, 228, 229};
    const auto* const found = std::find(std::begin(links), std::end(links), record.link_type);
    const std::size_t captured = std::min(record.captured, longest_frame);
    const bool steps_back = record.time_ns < before;
    const shifted step =
        shifted_of(static_cast<std::uint64_t>(steps_back ? before - record.time_ns : record.time_ns - before));
    const shifted wire = shifted_of(record.wire_length);
    before = record.time_ns;
    out.push_back(static_cast<unsigned char>(found - std::begin(links)));
    out.insert(out.end(), {step.byte, static_cast<unsigned char>(steps_back ? 0xC0 | step.bits : step.bits), wire.byte,
                           wire.bits, static_cast<unsigned char>(captured >> 8), static_cast<unsigned char>(captured)});
    out.insert(out.end(), record.data, record.data + captured);
  }
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: make_corpus FOLDER CAPTURE...\n");
    return 1;
  }
  for (int at = 2; at < count; ++at) {
    capture_file::reader reader;
    if (!reader.open(arguments[at])) continue;
    const std::vector<unsigned char> out = commands_of(reader);
    const std::string path = std::string(arguments[1]) + "/" + std::to_string(at) + ".bin";
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(out.data(), 1, out.size(), file) != out.size() || std::fclose(file) != 0) {
      std::fprintf(stderr, "make_corpus: cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return 0;
}
