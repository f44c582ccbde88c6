// Four engines in four threads, for the thread sanitizer: engines share nothing. Each must report the same.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;

namespace {

struct everything : jj::default_config {
  using groups = jj::all_groups;
  static constexpr std::size_t max_flows = 64;
  static constexpr jj::link_type link = jj::link_type::raw;
};

void run(std::string& rows) {
  const auto engine = std::make_unique<jj::engine<everything>>();
  engine->seed({1, 2});
  const auto sink = [&rows](const auto& row, const auto&, jj::end_reason) {
    jj::write_json([&rows](const char* c, std::size_t length) { rows.append(c, length); }, row);
  };
  for (std::uint32_t at = 0; at < 3'000; ++at)
    engine->feed(traffic::udp(at * 7 % 300, at % 3 != 0, at * traffic::millisecond, at % 300), sink);
  engine->refresh(1'000'000);
  engine->flush(sink);
}

}  // namespace

int main() {
  std::string rows[4];
  std::vector<std::thread> threads;
  for (std::string& mine : rows) threads.emplace_back(run, std::ref(mine));
  for (std::thread& thread : threads) thread.join();
  for (const std::string& other : rows)
    if (other.empty() || other != rows[0]) return std::printf("threads: engines disagree\n"), 1;
  std::printf("four engines, %zu bytes of rows each\n", rows[0].size());
  return 0;
}
