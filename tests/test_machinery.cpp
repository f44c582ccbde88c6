// Section 8: lists of types, the two macros and what follows from them, groups and accumulators of a user's own; and
// the declarations held against the catalogue of the reference, where that lies beside this repository.
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tests/traffic.hpp"

namespace jj = joyfuljay;
namespace fb = frame_builder;
using jj::type_list;

namespace upstairs {
/// A group without any feature.
struct attic {
  JOYFULJAY_GROUP(attic, /* no accumulators */)
};
}  // namespace upstairs
using upstairs::attic;

namespace {

template <class Expected, class Found> constexpr bool same(Found) { return std::is_same_v<Expected, Found>; }

struct a {};
struct b {};
struct c {};
struct d {};

// Accumulators that need each other: a diamond over `ground`, and one that stands by itself.
struct ground {
  using needs = type_list<>;
};
struct left {
  using needs = type_list<ground>;
};
struct right {
  using needs = type_list<ground>;
};
struct roof {
  using needs = type_list<left, right>;
};
struct tower {
  using needs = type_list<roof, ground>;
};
struct shed {
  using needs = type_list<>;
};

template <class Type> struct is_left_or_right : std::bool_constant<same<left>(Type{}) || same<right>(Type{})> {};

// ---- Two groups, and a flow of a single number for them

struct small_flow {
  int start;
  mutable int looked_at = 0;
  int look() const { return ++looked_at, start; }
};
struct stairs {
  JOYFULJAY_GROUP(stairs, roof)

  JOYFULJAY_FEATURE(int, first, "steps", "The start.") { return flow.start; }
  JOYFULJAY_FEATURE(double, second, "", "One more than first.") { return first + 1; }
  JOYFULJAY_STEP(int, landing) { return flow.look() * 10; }
  JOYFULJAY_FEATURE(int, third, "", "Reads a step.") { return landing + 3; }
  JOYFULJAY_FEATURE(bool, fourth, "", "Reads two features and a step.") {
    return third == landing + 3 && second == first + 1;
  }
};
struct cellar {
  JOYFULJAY_GROUP(cellar, shed, ground)

  JOYFULJAY_STEP(int, dark) { return -flow.start; }
  JOYFULJAY_FEATURE(int, depth, "m", "Begins with a step.") { return dark; }
  JOYFULJAY_STEP(int, darker) { return dark; }
};
template <class Row> std::string names_of(const Row& row) {
  std::string names;
  jj::for_each_feature(row, [&](const jj::feature_info& f, const auto&) { names += std::string(f.name) + " "; });
  return names;
}

// ---- Accumulators that check how they are fed

struct live_counter {
  using needs = type_list<>;
  std::uint32_t live_packets;
  template <class Flow> void update(const jj::packet&, const Flow&) { ++live_packets; }
};
/// Finds `live_counter` up to date, and the rest of the flow as the previous packet left it.
struct live_witness {
  using needs = type_list<live_counter>;
  std::uint32_t live_seen, live_surprises;
  template <class Flow> void update(const jj::packet&, const Flow& flow) {
    live_surprises += flow.total_packets() != live_seen;
    live_surprises += flow.live_packets != ++live_seen;
  }
};
struct logged_counter {
  using needs = type_list<>;
  static constexpr bool from_log = true;
  std::uint32_t logged_packets;
  template <class Flow> void update(const jj::logged_packet&, const Flow&) { ++logged_packets; }
};
struct logged_witness {
  using needs = type_list<logged_counter>;
  static constexpr bool from_log = true;
  std::uint32_t logged_seen, logged_surprises;
  template <class Flow> void update(const jj::logged_packet& p, const Flow& flow) {
    logged_surprises += p.opens_flow != (logged_seen == 0);
    logged_surprises += flow.logged_packets != ++logged_seen;
  }
};
/// Sums payloads in both of its forms, and says which one answered.
struct sampled_sum {
  using needs = type_list<logged_counter>;
  std::uint64_t sum_of_sample;
  std::uint32_t sample_surprises;
  bool sketch_answered;

  struct sketch {
    std::uint64_t sketch_sum;
    std::uint32_t sketch_seen, sketch_surprises;
    template <class Flow> void add(const jj::logged_packet& p, const Flow& flow) {
      sketch_sum += p.payload_len;
      sketch_surprises += flow.logged_packets != ++sketch_seen;
    }
    template <class Flow> void answer(sampled_sum& result, const Flow&) const {
      result = {sketch_sum, sketch_surprises, true};
    }
  };
  template <class Config> struct exact {
    std::uint64_t exact_sum;
    std::uint32_t exact_seen, exact_surprises;
    void clear() { exact_sum = exact_seen = exact_surprises = 0; }
    template <class Flow> void add(const jj::logged_packet& p, const Flow& flow) {
      exact_sum += p.payload_len;
      exact_surprises += flow.logged_packets != ++exact_seen;
    }
    template <class Flow> void answer(sampled_sum& result, const Flow&) const {
      result = {exact_sum, exact_surprises, false};
    }
  };
};

struct audit {
  JOYFULJAY_GROUP(audit, live_witness, logged_witness)

  JOYFULJAY_FEATURE(std::uint32_t, audit_live, "packets", "Seen live.") { return flow.live_packets; }
  JOYFULJAY_FEATURE(std::uint32_t, audit_logged, "packets", "Seen through the log.") { return flow.logged_packets; }
  JOYFULJAY_FEATURE(std::uint32_t, audit_surprises, "", "Packets that found a flow in the wrong state.") {
    return flow.live_surprises + flow.logged_surprises;
  }
};
struct sampled_audit {
  JOYFULJAY_GROUP(audit, sampled_sum)

  JOYFULJAY_FEATURE(std::uint64_t, audit_payload, "bytes", "All payload.") { return flow.sum_of_sample; }
  JOYFULJAY_FEATURE(bool, audit_sketched, "", "The sketch answered.") { return flow.sketch_answered; }
  JOYFULJAY_FEATURE(std::uint32_t, audit_unordered, "", "Packets before their counter.") {
    return flow.sample_surprises;
  }
};

struct small_config : jj::default_config {
  static constexpr std::size_t max_flows = 8, sample_packets = 8, max_sequence_length = 4;
  static constexpr jj::link_type link = jj::link_type::raw;
};
struct without_log : small_config {
  using groups = type_list<audit, jj::flow_totals>;
};
struct with_log : small_config {
  using groups = type_list<jj::timing, audit, jj::flow_totals>;
};
struct with_own_sample : small_config {
  using groups = type_list<audit, jj::flow_totals, sampled_audit>;
};

/// The row of a conversation whose packets carry 0, 10, 20, ... bytes.
template <class Config, class Visit> void for_conversation(int packets, const Visit& visit) {
  const auto engine = std::make_unique<jj::engine<Config>>();
  std::size_t rows = 0;
  const auto sink = [&](const auto& row, const auto&, jj::end_reason) { visit(row), ++rows; };
  for (int at = 0; at < packets; ++at)
    engine->feed(traffic::udp(1, at % 3 != 1, at * traffic::millisecond, static_cast<std::size_t>(at) * 10), sink);
  engine->flush(sink);
  CHECK(rows == 1);
}

// ---- The catalogue

using all_groups = type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                             jj::size, jj::tcp, jj::connection>;
using catalogue_row = jj::row_for<all_groups>;

/// Records of RFC 4180 without line breaks inside.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t at = 0; at < line.size() && line[at] != '\r'; ++at) {
    const bool doubled = quoted && line.compare(at, 2, "\"\"") == 0;
    if (line[at] == '"' && !doubled)
      quoted = !quoted;
    else if (line[at] == ',' && !quoted)
      cells.emplace_back();
    else
      cells.back() += line[at], at += doubled;
  }
  return cells;
}

}  // namespace

// ---- Lists of types

TEST_CASE("nested lists become one list, each type once, in order of first appearance") {
  using jj::detail::flattened;
  CHECK(std::is_same_v<flattened<type_list<>>, type_list<>>);
  CHECK(std::is_same_v<flattened<type_list<a, b>>, type_list<a, b>>);
  CHECK(std::is_same_v<flattened<type_list<type_list<type_list<b>>>>, type_list<b>>);
  CHECK(std::is_same_v<flattened<type_list<a, type_list<>, type_list<b, type_list<c>, a>, d>>, type_list<a, b, c, d>>);
  CHECK(std::is_same_v<flattened<type_list<type_list<d, a>, a, d, type_list<c, d>>>, type_list<d, a, c>>);
  CHECK(std::is_same_v<flattened<type_list<jj::flow_meta>>,
                       type_list<jj::flow_addresses, jj::flow_ports, jj::flow_totals>>);
}

TEST_CASE("the union of two lists keeps the first one's order and appends what is new") {
  using jj::detail::operator|;
  CHECK(same<type_list<>>(type_list<>{} | type_list<>{}));
  CHECK(same<type_list<a>>(type_list<>{} | type_list<a>{}));
  CHECK(same<type_list<a>>(type_list<a>{} | type_list<>{}));
  CHECK(same<type_list<a, b, c>>(type_list<a, b>{} | type_list<b, c>{}));
  CHECK(same<type_list<b, a, d, c>>(type_list<b, a>{} | type_list<d, a, c, b, d>{}));
}

TEST_CASE("what an accumulator needs comes before it, once") {
  using jj::detail::with_needs;
  CHECK(same<type_list<>>(with_needs(type_list<>{})));
  CHECK(same<type_list<ground, left>>(with_needs(type_list<left>{})));
  CHECK(same<type_list<ground, left, right, roof>>(with_needs(type_list<roof>{})));
  CHECK(same<type_list<ground, left, right, roof, tower>>(with_needs(type_list<tower, left>{})));
  CHECK(same<type_list<shed, ground, right, left>>(with_needs(type_list<shed, right, left, ground>{})));
}

TEST_CASE("the accumulators of some groups are the union of what each needs") {
  using jj::detail::accumulators_of;
  CHECK(same<type_list<>>(accumulators_of(type_list<>{})));
  CHECK(same<type_list<shed, ground>>(accumulators_of(type_list<cellar, attic>{})));
  CHECK(same<type_list<shed, ground, left, right, roof>>(accumulators_of(type_list<cellar, stairs>{})));
  CHECK(same<type_list<ground, left, right, roof, shed>>(accumulators_of(type_list<stairs, cellar>{})));
}

TEST_CASE("a filter keeps the order") {
  CHECK(same<type_list<right, left>>(jj::detail::filtered<is_left_or_right>(type_list<right, ground, left, shed>{})));
  CHECK(same<type_list<>>(jj::detail::filtered<is_left_or_right>(type_list<shed>{})));
}

// ---- Declarations

TEST_CASE("features are visited in the order of declaration, groups in the order of the list") {
  CHECK(names_of(jj::row_for<type_list<stairs, cellar>>{}) == "first second third fourth depth ");
  CHECK(names_of(jj::row_for<type_list<cellar, attic, type_list<stairs, cellar>>>{}) ==
        "depth first second third fourth ");
  CHECK(names_of(jj::row_for<type_list<attic>>{}) == "");
}

TEST_CASE("a visit brings group, name, type, unit, definition and value") {
  jj::row_for<type_list<stairs, cellar>> row;
  row.first = 7, row.second = 0.5, row.fourth = true, row.depth = -1;
  std::ostringstream seen;
  jj::for_each_feature(row, [&](const jj::feature_info& f, const auto& value) {
    seen << f.group << '/' << f.name << '/' << f.type << '/' << f.unit << '/' << f.about << '=' << value << '\n';
  });
  CHECK(seen.str() ==
        "stairs/first/int/steps/The start.=7\n"
        "stairs/second/float//One more than first.=0.5\n"
        "stairs/third/int//Reads a step.=0\n"
        "stairs/fourth/bool//Reads two features and a step.=1\n"
        "cellar/depth/int/m/Begins with a step.=-1\n");
}

TEST_CASE("a feature reads the features and steps above it, and a step is computed once") {
  jj::row_for<type_list<stairs, cellar>> row;
  const small_flow flow{4};
  row.compute(flow);
  CHECK(row.first == 4);
  CHECK(row.second == 5);
  CHECK(row.third == 43);
  CHECK(row.fourth);
  CHECK(row.depth == -4);
  CHECK(row.landing == 40);
  CHECK(row.darker == -4);
  CHECK(flow.looked_at == 1);
}

TEST_CASE("a step is shown by nothing") {
  using row_type = jj::row_for<type_list<cellar>>;
  row_type row;
  row.compute(small_flow{4});
  std::string out;
  const auto append = [&](const char* characters, std::size_t length) { out.append(characters, length); };
  jj::write_json(append, row);
  jj::write_csv_header<row_type>(append);
  jj::write_csv(append, row);
  jj::write_reference<row_type>(append);
  CHECK(out.find("dark") == std::string::npos);
  CHECK(out.find("{\"cellar\":{\"depth\":-4}}depth\r\n-4\r\n") == 0);
  CHECK(jj::vector_length<row_type>() == 1);
}

TEST_CASE("the members of a row are values of the declared types and start as zero") {
  const jj::row_for<type_list<stairs>> row;
  CHECK(std::is_same_v<decltype(jj::row_for<type_list<stairs>>::second), double>);
  CHECK(std::is_same_v<decltype(jj::row_for<type_list<stairs>>::fourth), bool>);
  CHECK(row.first == 0);
  CHECK(row.second == 0);
  CHECK_FALSE(row.fourth);
}

TEST_CASE("types have the names of the reference") {
  const auto name = [](auto value) { return std::string(jj::type_name<decltype(value)>::value); };
  CHECK(name(true) == "bool");
  CHECK(name(std::uint8_t{}) == "int");
  CHECK(name(std::int64_t{}) == "int");
  CHECK(name(1.0f) == "float");
  CHECK(name(1.0) == "float");
  CHECK(name("literal") == "str");
  CHECK(name(jj::text<3>{}) == "str");
  CHECK(name(jj::ip_address{}) == "str");
  CHECK(name(jj::list<double>{}) == "list[float]");
  CHECK(name(jj::list<std::uint32_t>{}) == "list[int]");
  CHECK(name(jj::list<std::int8_t>{}) == "list[int]");
  CHECK(name(jj::list<jj::splt_step>{}) == "list[tuple]");
}

// ---- Groups of a user's own in an engine

TEST_CASE_TEMPLATE("own accumulators see every packet once, after what they need, beside built-in groups", Config,
                   without_log, with_log, with_own_sample) {
  for (const int packets : {1, 2, 7, 8, 9, 40})
    for_conversation<Config>(packets, [&](const auto& row) {
      CHECK(row.total_packets == static_cast<std::uint64_t>(packets));
      CHECK(row.audit_live == row.total_packets);
      CHECK(row.audit_logged == row.total_packets);
      CHECK(row.audit_surprises == 0);
    });
}

TEST_CASE("an own sampled accumulator answers from the log of a short flow and from its sketch of a long one") {
  for (const int packets : {1, 8, 9, 40})
    for_conversation<with_own_sample>(packets, [&](const auto& row) {
      CHECK(row.audit_payload == row.payload_bytes_total);
      CHECK(row.audit_payload == static_cast<std::uint64_t>(packets * (packets - 1) * 5));
      CHECK(row.audit_sketched == (packets > 8));
      CHECK(row.audit_unordered == 0);
    });
}

TEST_CASE("the columns of an engine are those of its groups, own ones where the list has them") {
  using row = jj::engine<with_log>::row;
  const std::string all = names_of(row{});
  CHECK(all.find("iat_min ") == 0);
  CHECK(all.find("first_response_time audit_live audit_logged audit_surprises protocol ") != std::string::npos);
  CHECK(names_of(jj::engine<without_log>::row{}).find("audit_live audit_logged audit_surprises protocol ") == 0);
}

TEST_CASE("a living flow can be read for an own group, and for its live accumulators") {
  const auto engine = std::make_unique<jj::engine<with_own_sample>>();
  for (int at = 1; at <= 12; ++at) {
    const auto fed = engine->feed(traffic::udp(1, true, at, 10), traffic::ignore);
    const auto row = fed.flow.template read<audit, sampled_audit>();
    CHECK(row.audit_logged == static_cast<std::uint32_t>(at));
    CHECK(row.audit_payload == static_cast<std::uint64_t>(at * 10));
    CHECK(row.audit_surprises == 0);
    CHECK(fed.flow.template accumulated<live_counter>().live_packets == static_cast<std::uint32_t>(at));
  }
}

// ---- The catalogue

TEST_CASE("every feature has a name of its own, and a definition that fits into a table") {
  std::set<std::string> names;
  jj::for_each_feature(catalogue_row{}, [&](const jj::feature_info& f, const auto&) {
    CAPTURE(f.name);
    CHECK(names.insert(f.name).second);
    CHECK(std::strspn(f.name, "abcdefghijklmnopqrstuvwxyz0123456789_") == std::strlen(f.name));
    const std::string about = f.about;
    CHECK(about.size() > 8);
    CHECK(about.back() == '.');
    CHECK(about.find_first_of("|\r\n") == std::string::npos);
    CHECK(std::strpbrk(f.unit, "|\"\r\n") == nullptr);
  });
}

TEST_CASE("names, order, types and units are those of the reference's catalogue") {
  const std::string here = __FILE__;
  const std::size_t slash = here.find_last_of("/\\");
  const std::string folder = slash == std::string::npos ? "." : here.substr(0, slash);
  std::ifstream catalogue(folder + "/../../shared/reference/features.csv");
  std::string line;
  if (!std::getline(catalogue, line)) {
    MESSAGE("skipped: ../shared is not here");
    return;
  }
  const std::vector<std::string> columns = cells_of(line);
  REQUIRE(columns.size() >= 4);
  CHECK(columns[0] == "group");
  CHECK(columns[1] == "name");
  CHECK(columns[2] == "type");
  CHECK(columns[3] == "unit");

  std::vector<std::vector<std::string>> expected;
  while (std::getline(catalogue, line)) {
    const std::vector<std::string> cells = cells_of(line);
    REQUIRE(cells.size() == columns.size());
    if (cells[0] == "flow_meta" || cells[0] == "timing" || cells[0] == "size" || cells[0] == "tcp" ||
        cells[0] == "connection")
      expected.push_back({cells[0], cells[1], cells[2], cells[3]});
  }
  REQUIRE(expected.size() > 100);
  std::size_t at = 0;
  jj::for_each_feature(catalogue_row{}, [&](const jj::feature_info& f, const auto&) {
    REQUIRE(at < expected.size());
    const std::vector<std::string> found = {f.group, f.name, f.type, f.unit};
    for (std::size_t column = 0; column < found.size(); ++column) CHECK(found[column] == expected[at][column]);
    ++at;
  });
  CHECK(at == expected.size());
}
