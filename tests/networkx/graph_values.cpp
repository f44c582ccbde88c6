// What the group connection says of every host of a graph, for comparison with other implementations.
// Standard input: lines "source target flows", hosts as numbers below 2^20. Standard output: a line for each host,
// "host out_degree in_degree betweenness clustering community". Argument: the budget of a slice.
#include <cstdio>
#include <cstdlib>
#include <set>

#include "joyfuljay.hpp"
#include "tests/talk.hpp"

namespace jj = joyfuljay;

namespace {

struct graph_config : jj::default_config {
  using groups = jj::type_list<jj::connection>;
  static constexpr std::size_t max_flows = 16;
  static constexpr jj::link_type link = jj::link_type::raw;
  static constexpr std::size_t max_hosts = 20'000, max_edges = 200'000, max_pair_ports = 250'000;
};
jj::engine<graph_config> engine;

}  // namespace

int main(int count, char** arguments) {
  const std::uint64_t budget = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 100'000;
  talk::speaker<jj::engine<graph_config>> speaker(engine);
  const auto ignore = [](const auto&, const auto&, jj::end_reason) {};
  std::set<std::uint32_t> hosts;
  unsigned source, target, flows;
  while (std::scanf("%u %u %u", &source, &target, &flows) == 3) {
    for (; flows != 0; --flows) speaker.say({source, target}, ignore);
    hosts.insert({source, target});
  }
  engine.flush(ignore);
  const jj::connection_statistics statistics = engine.connection_statistics();
  if (statistics.lost_hosts + statistics.lost_edges + statistics.lost_ports != 0) return 1;
  while (!engine.refresh(budget)) {
  }
  for (const std::uint32_t host : hosts) {
    const auto row = engine.reread(talk::ends(host, host));
    std::printf("%u %u %u %.17g %.17g %d\n", static_cast<unsigned>(host),
                static_cast<unsigned>(row.conn_src_out_degree), static_cast<unsigned>(row.conn_dst_in_degree),
                row.conn_src_betweenness, row.conn_src_clustering, static_cast<int>(row.conn_src_community));
  }
  return 0;
}
