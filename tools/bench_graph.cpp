// bench_graph: what the connection group costs. One compiler call builds it:
// c++ -std=c++17 -O2 -I. tools/bench_graph.cpp -o bench_graph
//
//   bench_graph [--most HOSTS]
//
// Three kinds of traffic between 100, 1 000 and 10 000 hosts: a gateway (clients ask popular servers), a mesh (anybody
// asks anybody) and layers (where shortest paths are as many and as long as they get). For each: a flow counted, and a
// whole refresh, alone and in slices, with the longest slice.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

/// The parts of the engine that are measured, without flows around them.
struct bench_config : jj::default_config {
  static constexpr std::size_t max_hosts = 16'384, max_edges = 65'536, max_pair_ports = 131'072;
};
jj::detail::connection_tables<bench_config> tables;
jj::detail::graph_metrics<bench_config> graph;
constexpr jj::hash_key secret{0x0706050403020100, 0x0f0e0d0c0b0a0908};

double processor_ns() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// xorshift64* (Vigna, 2016): the same traffic on every machine.
struct generator {
  std::uint64_t state = 88172645463325252u;
  std::uint32_t below(std::uint32_t limit) {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return static_cast<std::uint32_t>(((state * 0x2545F4914F6CDD1D) >> 32) * limit >> 32);
  }
};

struct conversation {
  std::uint32_t from, to;
  std::uint16_t port;
};
using traffic = std::vector<conversation>;

/// A tenth are clients. Each asks twenty servers, half of which are among the first: two edges for every host.
traffic gateway(std::uint32_t hosts) {
  generator random;
  traffic result;
  const std::uint32_t clients = hosts / 10, servers = hosts - clients;
  for (std::uint32_t client = 0; client < clients; ++client)
    for (unsigned flow = 0; flow < 20; ++flow)
      result.push_back({client, clients + random.below(random.below(2) != 0 ? servers : servers / 50 + 1), 443});
  for (std::uint32_t server = 0; server < servers; ++server)
    result.push_back({random.below(clients), clients + server, 53});
  return result;
}
traffic mesh(std::uint32_t hosts) {
  generator random;
  traffic result;
  for (std::uint32_t flow = 0; flow < 2 * hosts; ++flow)
    result.push_back({random.below(hosts), random.below(hosts), static_cast<std::uint16_t>(random.below(8))});
  return result;
}
traffic layers(std::uint32_t hosts) {
  traffic result;
  for (std::uint32_t layer = 0; layer + 2 < hosts / 2; ++layer)
    for (std::uint32_t pair = 0; pair < 4; ++pair)
      result.push_back({2 * layer + pair / 2, 2 * layer + 2 + pair % 2, 80});
  return result;
}

double count(const traffic& all) {
  const std::uint32_t packets[2] = {10, 8};
  const std::uint64_t bytes[2] = {1000, 8000};
  const double began = processor_ns();
  for (const conversation& one : all)
    tables.count(secret, {{{0, 0x0A000000u + one.from}, {0, 0x0A000000u + one.to}}, one.port, 4}, packets, bytes);
  return (processor_ns() - began) / static_cast<double>(all.size());
}
/// Runs a whole refresh. Returns its time, and that of the longest slice.
std::pair<double, double> refresh(std::uint64_t budget, std::size_t& slices) {
  graph.clear();
  double whole = 0, longest = 0;
  slices = 0;
  for (bool done = false; !done;) {
    const double began = processor_ns();
    done = graph.refresh(tables, budget);
    const double took = processor_ns() - began;
    whole += took, longest = std::max(longest, took), ++slices;
  }
  return {whole, longest};
}

void measure(const char* name, traffic (*make)(std::uint32_t), std::uint32_t hosts) {
  tables.clear();
  graph.clear();
  const traffic all = make(hosts);
  const double per_flow = count(all);
  const jj::connection_statistics s = std::as_const(tables).statistics();
  std::size_t slices = 0;
  const double whole = refresh(~std::uint64_t{0}, slices).first;
  constexpr std::uint64_t budget = 10'000;
  const auto sliced = refresh(budget, slices);
  const double steps = static_cast<double>(slices) * budget;
  std::printf("| %s | %u | %u | %.0f | %.1f | %.2f | %.1f | %.0f |\n", name, s.hosts, s.edges, per_flow, steps / 1e6,
              whole / 1e6, whole / steps, sliced.second / 1e3);
}

}  // namespace

int main(int count_of_arguments, char** arguments) {
  std::uint32_t most = 10'000;
  if (count_of_arguments == 3 && std::strcmp(arguments[1], "--most") == 0)
    most = static_cast<std::uint32_t>(std::strtoul(arguments[2], nullptr, 10));
  else if (count_of_arguments != 1)
    return std::fprintf(stderr, "usage: bench_graph [--most HOSTS]\n"), 1;
  std::printf(
      "| traffic | hosts | edges | ns to count a flow | million steps | refresh, ms | ns a step | longest slice of 10 "
      "000 "
      "steps, us |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  count(mesh(most));  // brings the tables into memory
  for (std::uint32_t hosts = 100; hosts <= most; hosts *= 10) {
    measure("gateway", gateway, hosts);
    measure("mesh", mesh, hosts);
    measure("layers", layers, hosts);
  }
  return 0;
}
