// Section 11b, and its place in section 12: tables of hosts, edges and ports, and what the graph says of a host. Values
// by hand, against models written in the plainest way, and under everything that must not matter: the order of flows,
// how a refresh is sliced, flows that end in the middle of one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/talk.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using talk::ends;
using talk::first_v6;
using talk::flow;

namespace {

struct graph_config : jj::default_config {
  using groups = jj::type_list<jj::flow_meta, jj::connection, jj::connection_truncation>;
  static constexpr std::size_t max_flows = 16;
  static constexpr jj::link_type link = jj::link_type::raw;
  static constexpr std::size_t max_hosts = 3000, max_edges = 7000, max_pair_ports = 20000;
};
using graph_engine = jj::engine<graph_config>;
struct eager : graph_config {
  using snapshot_packets = jj::packet_numbers<1, 2>;
};
struct anonymous : graph_config {
  static constexpr bool anonymize_addresses = true;
};
struct few_flows : graph_config {
  static constexpr std::size_t max_flows = 5;
};
struct tight : graph_config {
  static constexpr std::size_t max_hosts = 4, max_edges = 3, max_pair_ports = 6;
};
struct single : graph_config {
  static constexpr std::size_t max_hosts = 1, max_edges = 1, max_pair_ports = 1;
};
struct crowded : graph_config {
  static constexpr std::size_t max_hosts = 30, max_edges = 90, max_pair_ports = 250;
};
struct constant_hash {
  static std::uint32_t hash(const jj::hash_key&, const std::uint64_t*, std::size_t) { return 7; }
};
struct unlucky : graph_config {
  using keyed_hash = constant_hash;
};
struct price_none : jj::default_config {
  using groups = jj::type_list<jj::flow_meta>;
};
struct price_none_larger : price_none {
  static constexpr std::size_t max_hosts = 100'000;
};
struct price_counts : price_none {
  using groups = jj::type_list<jj::flow_meta, jj::connection_counts>;
  static constexpr std::size_t max_hosts = 2048;
};
struct price_whole : price_counts {
  using groups = jj::type_list<jj::flow_meta, jj::connection>;
};

const auto ignore = [](const auto&, const auto&, jj::end_reason) {};

template <class Config = graph_config> std::unique_ptr<jj::engine<Config>> after(const std::vector<flow>& flows) {
  auto engine = std::make_unique<jj::engine<Config>>();
  engine->seed({0x0123456789abcdef, 0xfedcba9876543210});
  talk::speaker<jj::engine<Config>>(*engine).say_all(flows, ignore);
  return engine;
}
template <class Engine> void refresh(Engine& engine) {
  while (!engine.refresh(1000)) {
  }
}
std::vector<flow> arrows(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs) {
  std::vector<flow> flows;
  for (const auto& [from, to] : pairs) flows.push_back({from, to});
  return flows;
}
/// Both ways: for graphs where directions should not matter.
std::vector<flow> links(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs) {
  std::vector<flow> flows;
  for (const auto& [from, to] : pairs) flows.push_back({from, to}), flows.push_back({to, from});
  return flows;
}

/// What the graph says of one host.
struct place {
  double betweenness, clustering;
  std::int32_t community;
};
bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }
bool operator==(const place& a, const place& b) {
  return same_bits(a.betweenness, b.betweenness) && same_bits(a.clustering, b.clustering) && a.community == b.community;
}
template <class Engine> place place_of(const Engine& engine, std::uint32_t host) {
  const auto row = engine.reread(ends(host, host));
  CHECK(row.conn_src_betweenness == row.conn_dst_betweenness);
  CHECK(row.conn_src_clustering == row.conn_dst_clustering);
  CHECK(row.conn_src_community == row.conn_dst_community);
  return {row.conn_src_betweenness, row.conn_src_clustering, row.conn_src_community};
}
template <class Engine> std::vector<place> places(const Engine& engine, const std::vector<flow>& flows) {
  std::set<std::uint32_t> hosts;
  for (const flow& f : flows) hosts.insert({f.from, f.to});
  std::vector<place> result;
  for (const std::uint32_t host : hosts) result.push_back(place_of(engine, host));
  return result;
}

// ---- The models

struct counts_model {
  std::map<std::uint32_t, std::set<std::uint32_t>> targets, sources;
  std::map<std::uint32_t, std::set<std::uint16_t>> ports;
  std::map<std::uint32_t, std::uint64_t> out, in, sent, sent_bytes, received, received_bytes;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> pairs;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint16_t>, std::uint32_t> pair_ports;

  void add(const flow& f) {
    targets[f.from].insert(f.to), sources[f.to].insert(f.from), ports[f.from].insert(f.port);
    ++out[f.from], ++in[f.to], ++pairs[{f.from, f.to}], ++pair_ports[{f.from, f.to, f.port}];
    const std::uint64_t bytes = talk::frame_bytes(f);
    sent[f.from] += f.packets_out, received[f.to] += f.packets_out;
    sent[f.to] += f.packets_back, received[f.from] += f.packets_back;
    sent_bytes[f.from] += f.packets_out * bytes, received_bytes[f.to] += f.packets_out * bytes;
    sent_bytes[f.to] += f.packets_back * bytes, received_bytes[f.from] += f.packets_back * bytes;
  }
  template <class Row> bool agrees(const Row& row, const flow& f) {
    return row.conn_src_unique_dsts == targets[f.from].size() && row.conn_dst_unique_srcs == sources[f.to].size() &&
           row.conn_src_dst_flows == pairs[{f.from, f.to}] &&
           row.conn_src_port_flows == pair_ports[{f.from, f.to, f.port}] && row.conn_src_total_flows == out[f.from] &&
           row.conn_dst_total_flows == in[f.to] && row.conn_src_total_packets == sent[f.from] &&
           row.conn_src_total_bytes == sent_bytes[f.from] && row.conn_dst_total_packets == received[f.to] &&
           row.conn_dst_total_bytes == received_bytes[f.to] && row.conn_src_unique_ports == ports[f.from].size() &&
           row.conn_src_out_degree == targets[f.from].size() && row.conn_dst_in_degree == sources[f.to].size();
  }
};

/// All by definition: counts of shortest paths between all pairs, neighbours as sets, Louvain over maps.
struct graph_model {
  std::vector<std::uint32_t> hosts;  // ascending, which is canonical
  std::map<std::uint32_t, std::size_t> rank;
  std::vector<std::set<std::size_t>> successors;
  std::vector<std::map<std::size_t, std::int64_t>> weight;

  explicit graph_model(const std::vector<flow>& flows) {
    for (const flow& f : flows) rank[f.from], rank[f.to];
    for (auto& [host, at] : rank) at = hosts.size(), hosts.push_back(host);
    successors.resize(hosts.size());
    weight.resize(hosts.size());
    for (const flow& f : flows) {
      const std::size_t a = rank[f.from], b = rank[f.to];
      successors[a].insert(b);
      if (a != b) ++weight[a][b], ++weight[b][a];
    }
  }
  std::vector<double> betweenness() const {
    const std::size_t n = hosts.size(), unreached = n;
    std::vector<double> paths(n * n, 0), score(n, 0);
    std::vector<std::size_t> distance(n * n, unreached);
    for (std::size_t s = 0; s < n; ++s) {
      std::vector<std::size_t> queue{s};
      distance[s * n + s] = 0, paths[s * n + s] = 1;
      for (std::size_t at = 0; at < queue.size(); ++at)
        for (const std::size_t b : successors[queue[at]]) {
          const std::size_t from = s * n + queue[at], to = s * n + b;
          if (distance[to] == unreached) distance[to] = distance[from] + 1, queue.push_back(b);
          if (distance[to] == distance[from] + 1) paths[to] += paths[from];
        }
    }
    for (std::size_t v = 0; v < n; ++v)
      for (std::size_t s = 0; s < n; ++s)
        for (std::size_t t = 0; t < n; ++t)
          if (s != t && s != v && t != v && distance[s * n + t] != unreached &&
              distance[s * n + v] + distance[v * n + t] == distance[s * n + t])
            score[v] += paths[s * n + v] * paths[v * n + t] / paths[s * n + t];
    if (n > 2)
      for (double& x : score) x /= static_cast<double>((n - 1) * (n - 2));
    return score;
  }
  double clustering(std::size_t a) const {
    double linked = 0;
    const double k = static_cast<double>(weight[a].size());
    for (const auto& [b, w] : weight[a])
      for (const auto& [c, x] : weight[a]) linked += b < c && weight[b].count(c) != 0;
    return k < 2 ? 0 : 2 * linked / (k * (k - 1));
  }
  std::vector<std::int32_t> communities() const {
    auto level = weight;
    std::vector<std::int64_t> degree;
    std::int64_t total = 0;
    for (const auto& row : level) {
      degree.push_back(0);
      for (const auto& [b, w] : row) degree.back() += w, total += w;
    }
    std::vector<std::size_t> member(hosts.size());
    for (std::size_t at = 0; at < member.size(); ++at) member[at] = at;
    for (int round = 0; round < 16; ++round) {
      std::vector<std::size_t> group(level.size());
      for (std::size_t at = 0; at < group.size(); ++at) group[at] = at;
      move(level, degree, total, group);
      std::map<std::size_t, std::size_t> renumbered;
      for (const std::size_t g : group) renumbered.emplace(g, renumbered.size());
      if (renumbered.size() == level.size()) break;
      std::vector<std::map<std::size_t, std::int64_t>> next(renumbered.size());
      std::vector<std::int64_t> next_degree(renumbered.size());
      for (std::size_t at = 0; at < level.size(); ++at) {
        const std::size_t g = renumbered[group[at]];
        next_degree[g] += degree[at];
        for (const auto& [b, w] : level[at])
          if (renumbered[group[b]] != g) next[g][renumbered[group[b]]] += w;
      }
      for (std::size_t& m : member) m = renumbered[group[m]];
      level = next, degree = next_degree;
    }
    return std::vector<std::int32_t>(member.begin(), member.end());
  }

 private:
  static void move(const std::vector<std::map<std::size_t, std::int64_t>>& level,
                   const std::vector<std::int64_t>& degree, std::int64_t total, std::vector<std::size_t>& group) {
    std::vector<std::int64_t> sum = degree;
    bool moved = true;
    for (int sweep = 0; sweep < 16 && moved; ++sweep) {
      moved = false;
      for (std::size_t at = 0; at < level.size(); ++at) {
        std::map<std::size_t, std::int64_t> toward;
        for (const auto& [b, w] : level[at]) toward[group[b]] += w;
        sum[group[at]] -= degree[at];
        std::size_t best = group[at];
        std::int64_t most = toward[best] * total - degree[at] * sum[best];
        for (const auto& [g, w] : toward) {
          const std::int64_t gain = w * total - degree[at] * sum[g];
          if (gain > most) best = g, most = gain;
        }
        sum[best] += degree[at];
        moved = moved || best != group[at];
        group[at] = best;
      }
    }
  }
};

bool near(double a, double b) { return std::abs(a - b) <= 1e-11 * std::max(std::abs(a), std::abs(b)); }
template <class Engine> void check_graph(const Engine& engine, const std::vector<flow>& flows) {
  const graph_model model(flows);
  const std::vector<double> betweenness = model.betweenness();
  const std::vector<std::int32_t> communities = model.communities();
  for (std::size_t at = 0; at < model.hosts.size(); ++at) {
    CAPTURE(model.hosts[at]);
    const place found = place_of(engine, model.hosts[at]);
    CHECK(near(found.betweenness, betweenness[at]));
    CHECK(same_bits(found.clustering, model.clustering(at)));
    CHECK(found.community == communities[at]);
  }
}

/// Clusters, hubs, loops, both IP versions, ports that repeat.
std::vector<flow> random_flows(std::uint64_t seed, std::uint32_t hosts, std::size_t count) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
  std::vector<flow> flows;
  for (std::size_t at = 0; at < count; ++at) {
    const std::uint32_t version = below(3) == 0 ? first_v6 : 0;
    const std::uint32_t from = below(hosts);
    std::uint32_t to = below(4) == 0 ? below(3) : below(2) == 0 ? from / 6 * 6 + below(6) : below(hosts);
    if (to >= hosts) to = from;
    flows.push_back({version + from, version + to, static_cast<std::uint16_t>(below(6) * below(6)), 1 + below(3),
                     below(3), below(50)});
  }
  return flows;
}

}  // namespace

// ---- Counts

TEST_CASE("counts of one flow, of its answer, and of another flow of the pair") {
  const auto engine = after({{1, 2, 443, 3, 2, 10}, {2, 1, 80, 1, 0, 0}, {1, 2, 22, 1, 1, 100}, {1, 3, 443, 1, 0, 0}});
  const auto row = engine->reread(ends(1, 2, 443));
  CHECK(row.conn_src_unique_dsts == 2);
  CHECK(row.conn_dst_unique_srcs == 1);
  CHECK(row.conn_src_dst_flows == 2);
  CHECK(row.conn_src_port_flows == 1);
  CHECK(row.conn_src_total_flows == 3);
  CHECK(row.conn_dst_total_flows == 2);
  CHECK(row.conn_src_total_packets == 3 + 1 + 1);
  CHECK(row.conn_src_total_bytes == 3 * 38 + 128 + 28);
  CHECK(row.conn_dst_total_packets == 3 + 1);
  CHECK(row.conn_dst_total_bytes == 3 * 38 + 128);
  CHECK(row.conn_src_unique_ports == 2);
  CHECK(row.conn_src_out_degree == 2);
  CHECK(row.conn_dst_in_degree == 1);
  CHECK_FALSE(row.conn_truncated);
  CHECK(engine->reread(ends(2, 1, 80)).conn_src_total_packets == 2 + 1 + 1);
  const auto statistics = engine->connection_statistics();
  CHECK(statistics.hosts == 3);
  CHECK(statistics.edges == 3);
  CHECK(statistics.pair_ports == 4 + 3);  // (pair, port), and (source, port) once for 1 to 443
  CHECK(statistics.flows == 4);
}

TEST_CASE("an address that talks to itself counts once as each end") {
  const auto engine = after({{5, 5, 80, 2, 0, 0}});  // all packets are forward: both ends are the same
  const auto row = engine->reread(ends(5, 5, 80));
  CHECK(row.conn_src_unique_dsts == 1);
  CHECK(row.conn_dst_unique_srcs == 1);
  CHECK(row.conn_src_total_flows == 1);
  CHECK(row.conn_src_total_packets == 2);
  CHECK(row.conn_dst_total_packets == 2);
  refresh(*engine);
  CHECK(place_of(*engine, 5) == place{0, 0, 0});
}

TEST_CASE("IPv4 and IPv6 addresses never coincide") {
  auto flows = arrows({{1, 2}, {first_v6 + 2, first_v6 + 4}});
  auto engine = after(flows);
  CHECK(engine->connection_statistics().hosts == 4);
  auto mapped = ends(1, 2);  // ::10.0.0.1
  mapped.ip_version = 6;
  CHECK(engine->reread(mapped).conn_src_total_flows == 0);
  CHECK(engine->reread(ends(first_v6 + 2, first_v6 + 4)).conn_src_total_flows == 1);
  refresh(*engine);
  CHECK(place_of(*engine, 1).community == 0);
  CHECK(place_of(*engine, first_v6 + 2).community == 1);  // behind all of IPv4
}

TEST_CASE("a row counts the flows reported so far, itself included; a snapshot counts nothing") {
  jj::engine<eager> engine;
  std::vector<std::uint64_t> at_end, at_snapshot;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason why) {
    (why == jj::end_reason::snapshot ? at_snapshot : at_end).push_back(row.conn_src_total_flows);
  };
  talk::speaker<jj::engine<eager>> speaker(engine);
  speaker.say({1, 2}, sink);
  speaker.say({1, 3}, sink);
  engine.flush(sink);
  speaker.say({1, 3, 443, 2}, sink);
  engine.flush(sink);
  CHECK(at_end == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(at_snapshot == std::vector<std::uint64_t>{0, 0, 2, 2});
  CHECK(engine.connection_statistics().flows == 3);
}

TEST_CASE("ends taken at the report serve later, with anonymous addresses too; a live flow can be read") {
  auto engine = std::make_unique<jj::engine<anonymous>>();
  std::vector<jj::flow_ends> kept;
  const auto sink = [&](const auto& row, const auto& f, jj::end_reason) {
    CHECK(row.src_ip.form == jj::ip_address::pseudonym);
    kept.push_back(f.ends());
  };
  talk::speaker<jj::engine<anonymous>>(*engine).say_all(arrows({{1, 2}, {1, 3}, {4, 2}}), sink);
  REQUIRE(kept.size() == 3);
  for (const auto& one : kept)
    CHECK(engine->reread(one).conn_src_total_flows == (one.address[0][1] % 256 == 4 ? 1 : 2));
  CHECK(engine->reread<jj::connection_counts>(kept[0]).conn_src_dst_flows == 1);

  fb::ipv4_header h;
  h.source = talk::v4(1), h.target = talk::v4(2);
  const auto data = fb::ipv4(h, fb::ip_protocol::udp, fb::udp(1, 443));
  const auto fed = engine->feed({data.data(), data.size(), 28, 2'000'000'000, jj::link_type::raw}, sink);
  CHECK(fed.flow.read<jj::connection_counts>().conn_src_total_flows == 2);  // itself not yet
}

TEST_CASE("counts against a model, at every report") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto flows = random_flows(seed, 40, 600);
    auto engine = std::make_unique<jj::engine<few_flows>>();
    counts_model model;
    std::size_t wrong = 0, next = 0;
    const auto sink = [&](const auto& row, const auto& view, jj::end_reason) {  // in some order, each with its port
      const std::size_t at = view.port(jj::fwd) - 20000u;
      REQUIRE(at < flows.size());
      model.add(flows[at]);
      wrong += !model.agrees(row, flows[at]);
      ++next;
    };
    talk::speaker<jj::engine<few_flows>>(*engine).say_all(flows, sink);
    CHECK(next == flows.size());
    CHECK(wrong == 0);
    for (const flow& f : flows) wrong += !model.agrees(engine->reread(ends(f.from, f.to, f.port)), f);
    CHECK(wrong == 0);
  }
}

TEST_CASE("flows of several engines counted by one give what one engine gives") {
  const auto flows = random_flows(3, 40, 600);
  const auto alone = after(flows);
  const std::unique_ptr<jj::engine<graph_config>> engines[] = {after({}), after({})};
  const auto tell_first = [&](const auto&, const auto& view, jj::end_reason) {
    engines[0]->count_foreign(view.ends(), {view.packets(jj::fwd), view.packets(jj::bwd)},
                              view.template accumulated<jj::wire_bytes>().frame_bytes);
  };
  for (const unsigned half : {0u, 1u}) {
    talk::speaker<jj::engine<graph_config>> speaker(*engines[half]);
    for (const flow& f : flows) {
      if ((f.from + f.to) % 2 != half) continue;
      if (half == 0)
        speaker.say(f, ignore);
      else
        speaker.say(f, tell_first);
    }
  }
  engines[1]->flush(tell_first);
  engines[0]->flush(ignore);
  refresh(*engines[0]);
  refresh(*alone);
  CHECK(engines[0]->connection_statistics().flows == flows.size());
  CHECK(places(*engines[0], flows) == places(*alone, flows));
  counts_model model;
  for (const flow& f : flows) model.add(f);
  std::size_t wrong = 0;
  for (const flow& f : flows) wrong += !model.agrees(engines[0]->reread(ends(f.from, f.to, f.port)), f);
  CHECK(wrong == 0);
}

TEST_CASE("the secret cannot change once flows of another engine were counted") {
  const auto engine = std::make_unique<jj::engine<graph_config>>();
  engine->count_foreign(ends(1, 2, 80), {1, 1}, {100, 100});
  CHECK_FALSE(engine->seed({3, 4}));
  CHECK(engine->reread(ends(1, 2, 80)).conn_src_total_flows == 1);
}

// ---- Clustering

TEST_CASE("clustering by hand: a triangle with a tail, whatever the directions") {
  const auto flows = arrows({{1, 2}, {2, 3}, {1, 3}, {3, 1}, {3, 4}, {4, 4}});
  const auto engine = after(flows);
  refresh(*engine);
  CHECK(place_of(*engine, 1).clustering == 1.0);
  CHECK(place_of(*engine, 2).clustering == 1.0);
  CHECK(same_bits(place_of(*engine, 3).clustering, 1.0 / 3));  // one of three pairs
  CHECK(place_of(*engine, 4).clustering == 0.0);
}

// ---- Betweenness

TEST_CASE("betweenness by hand: a path, a star, a split way, directions") {
  {
    const auto engine = after(arrows({{1, 2}, {2, 3}, {3, 4}}));
    refresh(*engine);
    CHECK(place_of(*engine, 1).betweenness == 0.0);
    CHECK(same_bits(place_of(*engine, 2).betweenness, 2.0 / 6));  // 1 to 3 and 4, of (4-1)(4-2)
    CHECK(same_bits(place_of(*engine, 3).betweenness, 2.0 / 6));
  }
  {
    const auto engine = after(links({{9, 1}, {9, 2}, {9, 3}}));
    refresh(*engine);
    CHECK(place_of(*engine, 9).betweenness == 1.0);
    CHECK(place_of(*engine, 1).betweenness == 0.0);
  }
  {
    const auto engine = after(arrows({{1, 2}, {1, 3}, {2, 4}, {3, 4}}));
    refresh(*engine);
    CHECK(same_bits(place_of(*engine, 2).betweenness, 0.5 / 6));
  }
  {
    const auto engine = after(arrows({{1, 9}, {2, 9}, {3, 9}}));  // nothing passes through a sink
    refresh(*engine);
    CHECK(place_of(*engine, 9).betweenness == 0.0);
  }
}

TEST_CASE("two hosts have no betweenness; an empty engine has nothing to do") {
  const auto engine = after(links({{1, 2}}));
  refresh(*engine);
  CHECK(place_of(*engine, 1) == place{0, 0, 0});
  CHECK(place_of(*engine, 2) == place{0, 0, 0});
  CHECK(std::make_unique<graph_engine>()->refresh(1));
}

TEST_CASE("shortest paths beyond the range of a double") {
  // Layers of two hosts, each joined to both of the next: 2^(layers - 1) shortest paths from end to end. Beside them a
  // chain as long, with one path, from the same beginning.
  constexpr std::uint32_t layers = 1200, chain = 2 * layers + 1;
  std::vector<flow> flows;
  for (std::uint32_t layer = 0; layer + 1 < layers; ++layer) {
    for (std::uint32_t a = 0; a < 2; ++a)
      for (std::uint32_t b = 0; b < 2; ++b) flows.push_back({1 + 2 * layer + a, 1 + 2 * (layer + 1) + b});
    if (layer < 500) flows.push_back({layer == 0 ? 1 : chain + layer, chain + layer + 1});
  }
  const auto engine = after(flows);
  CHECK(engine->connection_statistics().lost_edges == 0);
  refresh(*engine);
  const double n = engine->connection_statistics().hosts;
  for (const std::uint32_t layer : std::initializer_list<std::uint32_t>{1, 2, 77, 600, 1100, layers - 2}) {
    // 2 layer hosts before, 2 (layers - 1 - layer) behind, and half of the paths
    const double pairs = 2.0 * layer * (layers - 1 - layer);
    for (std::uint32_t side = 0; side < 2; ++side)
      CHECK(near(place_of(*engine, 1 + 2 * layer + side).betweenness, pairs / ((n - 1) * (n - 2))));
  }
  for (const std::uint32_t step : {1u, 250u, 499u})
    CHECK(near(place_of(*engine, chain + step).betweenness, step * (500.0 - step) / ((n - 1) * (n - 2))));
}

TEST_CASE("arithmetic of numbers beyond doubles") {
  using jj::detail::scaled;
  scaled big{1, 0};
  for (int doubling = 0; doubling < 3000; ++doubling) big.add(scaled(big));
  CHECK(big.exponent == 6);  // 2^3000 = 2^-72 * 2^(6 * 512)
  CHECK(big.mantissa == 0x1p-72);
  scaled one{1, 0}, sum = big;
  sum.add(one);
  CHECK(sum.mantissa == big.mantissa);
  sum = one;
  sum.add(big);
  CHECK(sum.exponent == 6);
  CHECK(big.over(big) == 1.0);
  CHECK(one.over(big) == 0.0);
  const scaled inverse = big.inverse();
  CHECK(inverse.exponent == -6);
  CHECK(inverse.mantissa == 0x1p72);
  scaled edge{0x1p255, 0}, zero{};
  edge.add(scaled{0x1p255, 0});
  CHECK(edge.exponent == 1);
  CHECK(edge.mantissa == 0x1p-256);
  CHECK(edge.over(scaled{0x1p250, 0}) == 64.0);
  CHECK((scaled{0x1p250, 0}).over(edge) == 0x1p-6);
  scaled fresh{};
  fresh.add(inverse);  // 0 has no exponent
  CHECK(fresh.exponent == -6);
  CHECK(fresh.mantissa == 0x1p72);
  CHECK(edge.inverse().mantissa == 0x1p-256);
  CHECK(edge.inverse().exponent == 0);
  zero.add(scaled{0x1p-200, 1});
  CHECK(zero.exponent == 1);
  zero.add(scaled{0x1p250, 0});  // the smaller exponent, but the larger share
  CHECK(zero.mantissa == 0x1p-200 + 0x1p-262);
  scaled low{0x1p250, 0};
  low.add(scaled{0x1p-200, 1});
  CHECK(low.mantissa == zero.mantissa);
  CHECK(low.exponent == 1);
}

// ---- Communities

TEST_CASE("communities by hand: two triangles with a bridge, a pair, a loner, in order of smallest address") {
  const auto engine =
      after(arrows({{20, 21}, {21, 22}, {20, 22}, {10, 11}, {11, 12}, {12, 10}, {12, 20}, {5, 30}, {15, 15}}));
  refresh(*engine);
  const std::map<std::uint32_t, std::int32_t> expected{{5, 0},  {30, 0}, {10, 1}, {11, 1}, {12, 1},
                                                       {15, 2}, {20, 3}, {21, 3}, {22, 3}};
  for (const auto& [host, community] : expected) CHECK(place_of(*engine, host).community == community);
  CHECK(engine->reread(ends(10, 11)).conn_same_community);
  CHECK_FALSE(engine->reread(ends(12, 20)).conn_same_community);
}

TEST_CASE("before a refresh: communities -1 and never the same, betweenness and clustering 0, degrees known") {
  const auto engine = after(links({{1, 2}, {2, 3}, {3, 1}}));
  auto row = engine->reread(ends(1, 2));
  CHECK(row.conn_src_community == -1);
  CHECK(row.conn_dst_community == -1);
  CHECK_FALSE(row.conn_same_community);
  CHECK(row.conn_src_clustering == 0.0);
  CHECK(row.conn_src_out_degree == 2);
  refresh(*engine);
  talk::speaker<graph_engine>(*engine).say_all(arrows({{1, 9}}), ignore);  // 9 came later
  row = engine->reread(ends(1, 9));
  CHECK(row.conn_src_community == 0);
  CHECK(row.conn_dst_community == -1);
  CHECK_FALSE(row.conn_same_community);
}

TEST_CASE("weights that would overflow are halved until they fit") {
  jj::detail::connection_tables<graph_config> tables;
  jj::detail::graph_metrics<graph_config> graph;
  const std::uint32_t packets[2] = {1, 0};
  const std::uint64_t bytes[2] = {100, 0};
  for (const auto& [from, to] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {1, 2}, {2, 3}, {3, 1}, {4, 5}, {5, 6}, {6, 4}, {3, 4}, {7, 1}})
    tables.count({}, ends(from, to), packets, bytes);
  const auto flows_of = [&](std::uint32_t number) -> std::uint32_t& {
    return const_cast<jj::detail::edge_record&>(tables.edges()[number]).flows;
  };
  for (std::uint32_t number = 1; number <= 6; ++number) flows_of(number) = 0xFFFFFFFF;
  flows_of(7) = 0x80000000;
  tables.count({}, ends(1, 2), packets, bytes);
  CHECK(flows_of(1) == 0xFFFFFFFF);  // does not wrap, and says so
  jj::connection_tallies tallies;
  tables.read(tables.find({}, ends(1, 2)), tallies);
  CHECK(tallies.tables_overflowed);
  CHECK(graph.refresh(tables, 1'000'000));
  std::vector<std::int32_t> found;
  for (std::uint32_t host = 1; host <= 7; ++host) {
    jj::graph_position position;
    graph.read(tables.find({}, ends(host, host)), position);
    found.push_back(position.community[0]);
  }
  CHECK(found == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 0});  // 7, of weight 1, stays with 1
}

// ---- What must not matter

TEST_CASE("the graph against models, on random traffic of both IP versions") {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    const auto flows = random_flows(seed, 5 + 4 * seed, 20 * seed);
    const auto engine = after(flows);
    refresh(*engine);
    check_graph(*engine, flows);
  }
}

TEST_CASE("the order of flows does not matter, to the last bit; nor does the secret") {
  auto flows = random_flows(77, 60, 500);
  const auto engine = after(flows);
  refresh(*engine);
  const auto expected = places(*engine, flows);
  std::mt19937 random(5);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(flows.begin(), flows.end(), random);
    auto other = std::make_unique<graph_engine>();
    other->seed({random(), random()});
    talk::speaker<graph_engine>(*other).say_all(flows, ignore);
    refresh(*other);
    CHECK(places(*other, flows) == expected);
  }
}

TEST_CASE("a refresh in slices of any size is the refresh in one, to the last bit") {
  const auto flows = random_flows(99, 50, 400);
  const auto engine = after(flows);
  CHECK(engine->refresh(~std::uint64_t{0}));
  const auto expected = places(*engine, flows);
  std::size_t calls_of_one = 0;
  for (const std::uint64_t budget : {0u, 1u, 2u, 3u, 10u, 101u, 5000u}) {
    CAPTURE(budget);
    const auto sliced = after(flows);
    std::size_t calls = 1;
    while (!sliced->refresh(budget)) ++calls;
    CHECK(places(*sliced, flows) == expected);
    if (budget <= 1) calls_of_one = calls;
    CHECK(calls * (budget + 7) >= calls_of_one);  // a sift of the sort is not divided: log2 of 100 hosts
    CHECK(sliced->connection_statistics().refreshes == 1);
  }
  CHECK(calls_of_one > 10'000);
}

TEST_CASE("flows that are reported in the middle of a refresh wait for the next") {
  const auto first = random_flows(3, 40, 200), later = random_flows(4, 60, 300);
  const auto engine = after(first);
  refresh(*engine);
  const auto expected = places(*engine, first);

  const auto busy = after(first);
  talk::speaker<graph_engine> speaker(*busy);
  std::size_t said = 0, calls = 0;
  while (!busy->refresh(40)) {
    ++calls;
    if (said < later.size()) speaker.say(later[said++], ignore);
  }
  CHECK(calls > later.size());
  CHECK(places(*busy, first) == expected);
  busy->flush(ignore);
  refresh(*busy);
  auto all = first;
  all.insert(all.end(), later.begin(), later.end());
  check_graph(*busy, all);
  CHECK(busy->connection_statistics().refreshes == 2);
  CHECK(busy->refresh(1));  // nothing new: nothing to do
  CHECK(busy->connection_statistics().refreshes == 2);
}

TEST_CASE("clear_connections forgets everything, in the middle of a refresh too") {
  const auto before = random_flows(8, 30, 200), flows = random_flows(9, 30, 200);
  const auto engine = after(before);
  refresh(*engine);
  talk::speaker<graph_engine>(*engine).say_all(random_flows(10, 50, 20), ignore);
  CHECK_FALSE(engine->refresh(300));
  engine->clear_connections();
  CHECK(engine->connection_statistics().hosts == 0);
  for (const flow& f : before) {
    const auto row = engine->reread(ends(f.from, f.to, f.port));
    CHECK(row.conn_src_total_flows == 0);
    CHECK(row.conn_src_community == -1);
    CHECK_FALSE(row.conn_truncated);
  }
  talk::speaker<graph_engine>(*engine).say_all(flows, ignore);
  refresh(*engine);
  check_graph(*engine, flows);
}

// ---- Room

TEST_CASE("full tables: rows say that they are truncated, what is counted of known hosts stays exact") {
  SUBCASE("hosts") {
    const auto engine = after<tight>({{1, 2, 443, 2, 1}, {3, 4}, {1, 9, 443, 5, 3}, {8, 2, 443, 1, 7}});
    const auto row = engine->reread(ends(1, 2));
    CHECK(row.conn_truncated);
    CHECK(row.conn_src_total_flows == 2);  // that to 9 included
    CHECK(row.conn_src_total_packets == 7);
    CHECK(row.conn_dst_total_packets == 2 + 1);
    CHECK(row.conn_dst_total_flows == 2);
    CHECK(row.conn_src_unique_dsts == 1);  // 9 is not known
    CHECK_FALSE(engine->reread(ends(3, 4)).conn_truncated);
    const auto unknown = engine->reread(ends(8, 9));
    CHECK(unknown.conn_truncated);
    CHECK(unknown.conn_src_total_flows == 0);
    CHECK(engine->connection_statistics().lost_hosts == 2);
    CHECK(engine->connection_statistics().hosts == 4);
  }
  SUBCASE("edges") {
    const auto engine = after<tight>(arrows({{1, 2}, {2, 3}, {3, 1}, {1, 3}}));
    CHECK(engine->reread(ends(1, 3)).conn_truncated);
    CHECK(engine->reread(ends(1, 3)).conn_src_dst_flows == 0);
    CHECK(engine->reread(ends(1, 3)).conn_src_total_flows == 2);
    CHECK(engine->reread(ends(2, 3)).conn_truncated);  // 3 misses an initiator
    CHECK_FALSE(engine->reread(ends(3, 1)).conn_truncated);
    CHECK(engine->connection_statistics().lost_edges == 1);
    refresh(*engine);
    CHECK(place_of(*engine, 1).clustering == 1.0);
  }
  SUBCASE("ports") {
    const auto engine = after<tight>({{1, 2, 1}, {1, 2, 2}, {1, 2, 3}, {3, 4, 1}, {1, 2, 1}});
    CHECK_FALSE(engine->reread(ends(1, 2, 1)).conn_truncated);
    CHECK(engine->reread(ends(1, 2, 1)).conn_src_port_flows == 2);
    CHECK(engine->reread(ends(3, 4, 1)).conn_truncated);
    CHECK(engine->reread(ends(3, 4, 1)).conn_src_dst_flows == 1);
    CHECK(engine->connection_statistics().lost_ports == 1);
  }
}

TEST_CASE("room for one of each") {
  const auto engine = after<single>(arrows({{1, 1}, {1, 2}, {3, 1}, {4, 5}}));
  refresh(*engine);
  CHECK(place_of(*engine, 1) == place{0, 0, 0});
  CHECK(engine->reread(ends(1, 1)).conn_src_total_flows == 2);
  CHECK(engine->reread(ends(1, 1)).conn_dst_total_flows == 2);
  CHECK(engine->reread(ends(1, 2)).conn_truncated);
}

TEST_CASE("overflow against the model: what is not truncated is exact") {
  for (std::uint64_t seed = 21; seed <= 26; ++seed) {
    const auto flows = random_flows(seed, 36, 400);
    const auto engine = after<crowded>(flows);
    counts_model model;
    for (const flow& f : flows) model.add(f);
    std::size_t exact = 0, wrong = 0;
    for (const flow& f : flows) {
      const auto row = engine->reread(ends(f.from, f.to, f.port));
      if (!row.conn_truncated) ++exact, wrong += !model.agrees(row, f);
      CHECK((row.conn_src_total_flows == 0 || row.conn_src_total_packets == model.sent[f.from]));
    }
    CHECK(wrong == 0);
    CHECK(exact < flows.size());
    refresh(*engine);  // of what is there
  }
}

TEST_CASE("without a secret, hosts under one hash are limited; the rest is truncated and nothing slows down") {
  std::vector<flow> flows;
  for (std::uint32_t host = 0; host < 200; ++host) flows.push_back({1, 2 + host});
  const auto engine = after<unlucky>(flows);
  CHECK(engine->connection_statistics().hosts == 32);
  CHECK(engine->connection_statistics().lost_hosts > 0);
  CHECK(engine->reread(ends(1, 2)).conn_truncated);
}

// ---- Price

TEST_CASE("memory: nothing when not selected, no graph for the counts alone, below 600 KiB for 2048 hosts") {
  CHECK(sizeof(jj::engine<price_none>) == sizeof(jj::engine<price_none_larger>));
  CHECK(jj::engine<price_none>::footprint().connections.host == 0);
  constexpr std::size_t without = sizeof(jj::engine<price_none>);
  CHECK(sizeof(jj::engine<price_counts>) - without < 384 * 1024);
  CHECK(sizeof(jj::engine<price_whole>) - without < 600 * 1024);
  constexpr auto price = jj::engine<price_whole>::footprint().connections;
  CHECK(price.host == 144);
  CHECK(price.edge == 44);
  CHECK(price.pair_port == 20);
  const std::size_t tables = price.hosts * price.host + price.edges * price.edge + price.pair_ports * price.pair_port;
  CHECK(sizeof(jj::engine<price_whole>) - without >= tables);
  CHECK(sizeof(jj::engine<price_whole>) - without < tables + 1024);
  CHECK(jj::engine<price_whole>::footprint().slot == jj::engine<price_none>::footprint().slot);
}
