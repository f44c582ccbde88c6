// Runs a fuzz target without libFuzzer: on the files given, or all in a folder, and on as many made-up inputs as --rounds
// says. Half of those are mutations of the files, the rest random bytes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// The file, or those in the folder, in the order of their names.
static std::vector<std::string> files_of(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

int main(int count, char** arguments) {
  using octets = std::vector<std::uint8_t>;
  unsigned long rounds = 0;
  std::vector<octets> corpus;
  for (int at = 1; at < count; ++at) {
    const std::string argument = arguments[at];
    if (argument == "--rounds" && at + 1 < count) {
      rounds = std::strtoul(arguments[++at], nullptr, 10);
      continue;
    }
    for (const std::string& path : files_of(argument)) {
      std::ifstream file(path, std::ios::binary);
      if (!file) {
        std::fprintf(stderr, "replay: cannot read %s\n", path.c_str());
        return 1;
      }
      corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
      LLVMFuzzerTestOneInput(corpus.back().data(), corpus.back().size());
    }
  }
  std::mt19937 random(1);  // 32 bits: the same on every target
  for (unsigned long round = 0; round < rounds; ++round) {
    octets input;
    if (!corpus.empty() && random() % 2 != 0) {
      input = corpus[random() % corpus.size()];
      for (unsigned changes = 1 + static_cast<unsigned>(random() % 16); changes > 0 && !input.empty(); --changes)
        input[random() % input.size()] = static_cast<std::uint8_t>(random());
      if (random() % 4 == 0) input.resize(random() % (input.size() + 1));
    } else {
      input.resize(random() % 4096);
      for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu files and %lu made-up inputs\n", corpus.size(), rounds);
  return 0;
}
