// Turns captures into inputs of fuzz_engine, one file for each: make_corpus FOLDER CAPTURE... Frames keep their link
// type where the target has it, and lose what is beyond 200 bytes.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/capture_file.hpp"

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: make_corpus FOLDER CAPTURE...\n");
    return 1;
  }
  for (int at = 2; at < count; ++at) {
    capture_file::reader reader;
    if (!reader.open(arguments[at])) continue;
    std::vector<unsigned char> out;
    capture_file::record record;
    while (out.size() < 16'384 && reader.next(record) == capture_file::reader::status::record) {
      constexpr std::uint32_t links[] = {1, 101, 113, 276, 0, 108, 9, 50, 51, 228, 229};
      const auto* const found = std::find(std::begin(links), std::end(links), record.link_type);
      const std::size_t captured = std::min<std::size_t>(record.captured, 200);
      out.push_back(static_cast<unsigned char>(found - std::begin(links)));
      out.insert(out.end(), {200, 16, 0, 0, 0, static_cast<unsigned char>(captured)});
      out.insert(out.end(), record.data, record.data + captured);
    }
    const std::string path = std::string(arguments[1]) + "/" + std::to_string(at) + ".bin";
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr || std::fwrite(out.data(), 1, out.size(), file) != out.size() || std::fclose(file) != 0) {
      std::fprintf(stderr, "make_corpus: cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return 0;
}
