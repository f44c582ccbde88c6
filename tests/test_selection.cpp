// Sections 3, 8 and 12: what a configuration selects is all that it pays for. The script tests/header/run.sh compares
// generated code; here are the sizes.
#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"

namespace jj = joyfuljay;

namespace {

template <class... Groups> struct with : jj::default_config { using groups = jj::type_list<Groups...>; };
template <class... Groups> constexpr jj::engine_footprint footprint = jj::engine<with<Groups...>>::footprint();

struct tag {
  unsigned char value;
};
struct tagged : with<jj::flow_meta, jj::timing, jj::size, jj::tcp> {
  struct user_data {
    tag first;
  };
};

/// An accumulator of 16 bytes for every flow, and one group that reads it.
struct heavy {
  using needs = jj::type_list<>;
  std::uint64_t heavy_sums[2];
  template <class Flow> void update(const jj::packet& p, const Flow&) { heavy_sums[p.dir] += p.frame_len; }
};
struct heavy_group {
  JOYFULJAY_GROUP(heavy, heavy)
  JOYFULJAY_FEATURE(std::uint64_t, heavy_first, "bytes", "Bytes forward.") { return flow.heavy_sums[0]; }
};
struct heavy_twice {
  JOYFULJAY_GROUP(heavy, heavy)
  JOYFULJAY_FEATURE(std::uint64_t, heavy_second, "bytes", "Bytes backward.") { return flow.heavy_sums[1]; }
};

}  // namespace

TEST_CASE("sizes of slots, chunks and long states on 64-bit machines") {
  if (sizeof(void*) != 8) {
    MESSAGE("skipped: not a 64-bit machine");
    return;
  }
  constexpr auto four = footprint<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  CHECK(four.slot == 120);
  CHECK(four.index == 16);
  CHECK(four.chunk == 68);
  CHECK(four.long_state <= 3072);
  CHECK(footprint<jj::flow_meta, jj::tcp>.slot == 176);
  CHECK(jj::engine<tagged>::footprint().slot <= 128);
  CHECK(sizeof(jj::detail::log_chunk) == 64);
  CHECK(jj::detail::log_chunk::entries == 7);
}

TEST_CASE("parts of one group stand side by side, whatever the list says, so that JSON has one member for them") {
  using row = jj::engine<with<jj::flow_addresses, jj::flow_groups, jj::tls_texts, jj::splt_sequences>>::row;
  std::vector<std::string> names;
  jj::for_each_feature(row{}, [&](const jj::feature_info& feature, const auto&) {
    if (names.empty() || names.back() != feature.group) names.push_back(feature.group);
  });
  CHECK(names == std::vector<std::string>{"flow_meta", "timing", "size", "tcp", "tls", "quic", "ssh", "dns",
                                          "fingerprint", "entropy", "padding"});
  using plain = jj::engine<with<jj::size, jj::timing>>::row;
  CHECK(std::is_same_v<plain, jj::feature_row<jj::size, jj::timing>>);
}

TEST_CASE("a group that is not selected takes no byte; an accumulator of two groups is held once") {
  CHECK(footprint<jj::flow_meta, heavy_group>.slot == footprint<jj::flow_meta>.slot + sizeof(heavy));
  CHECK(footprint<jj::flow_meta, heavy_group, heavy_twice>.slot == footprint<jj::flow_meta, heavy_group>.slot);
  CHECK(footprint<jj::flow_meta, jj::type_list<jj::flow_meta>>.slot == footprint<jj::flow_meta>.slot);
  CHECK(footprint<jj::flow_ports, jj::flow_addresses>.slot == footprint<>.slot);  // read from the key
}

TEST_CASE("without sampled features there are no logs and no long states") {
  constexpr auto counters = footprint<jj::flow_meta, jj::tcp>;
  CHECK(counters.chunk == 0);
  CHECK(counters.chunks == 0);
  CHECK(counters.long_states == 0);
  CHECK(counters.engine < 1024 * (counters.slot + counters.index) + 8192);
  CHECK(footprint<jj::timing>.long_state < footprint<jj::timing, jj::size>.long_state);
}

TEST_CASE("the parts of flow_meta are flow_meta") {
  using parts = with<jj::flow_addresses, jj::flow_ports, jj::flow_totals>;
  CHECK(jj::schema_hash<jj::engine<parts>::row>() == jj::schema_hash<jj::engine<with<jj::flow_meta>>::row>());
  CHECK(jj::schema_hash<jj::engine<with<jj::flow_totals>>::row>() !=
        jj::schema_hash<jj::engine<with<jj::flow_meta>>::row>());
}

TEST_CASE("sizeof is the whole footprint") {
  constexpr auto f = footprint<jj::flow_meta, jj::timing, jj::size, jj::tcp>;
  const std::size_t parts = f.flow_slots * (f.slot + f.index) + f.chunks * f.chunk + f.long_states * f.long_state +
                            f.fragment_bytes + f.workspace;
  CHECK(f.engine >= parts);
  CHECK(f.engine < parts + 1024);
}
