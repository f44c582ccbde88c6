// Fuzz target: any bytes as a capture file. Built for libFuzzer or with tests/fuzz/replay.cpp.
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> exact(data, data + size);  // reading past it is seen
  capture_file::reader reader;
  if (!reader.open_memory(exact.data(), exact.size())) return reader.error().empty() ? std::abort(), 0 : 0;
  capture_file::record record;
  capture_file::reader::status what;
  unsigned sum = 0;
  std::uint64_t before = 0;
  while ((what = reader.next(record)) == capture_file::reader::status::record) {
    for (std::size_t at = 0; at < record.captured; ++at) sum += record.data[at];
    if (record.wire_length < record.captured || reader.position() < before) std::abort();
    before = reader.position();
  }
  const bool damaged = what == capture_file::reader::status::damaged;
  if (damaged == reader.error().empty() || reader.next(record) != what) std::abort();
  return sum == 0xFFFFFFFF ? 1 : 0;
}
