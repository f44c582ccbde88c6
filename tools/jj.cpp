// jj: joyfuljay on the command line. One compiler call builds it: c++ -std=c++17 -O2 -I. tools/jj.cpp -o jj
//
//   jj extract FILE...   one record a flow
//   jj live INTERFACE    the same from a network interface (Linux)
//   jj features          the catalogue
//   jj footprint         where the bytes are
//
// Contents
//   1. Engine          the configuration behind the tool
//   2. Options         what the command line says
//   3. Output          a file that reports a full disk, records in the order of the reference
//   4. extract         frames in, records out
//   5. live            the same from an interface, and a screen
//   6. features        the catalogue in four formats
//   7. footprint       bytes by configuration, group and pool, or by member
//   8. main
#include "tools/capture_file.hpp"
// comes first: it sets the size of file offsets
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/layout.hpp"
#include "tools/several_engines.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/stat.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include "tools/live.hpp"
#endif

namespace jj = joyfuljay;

// ---- 1. Engine ---------------------------------------------------------------------------------------------------
// Every group and every option is compiled in; options choose columns and times. Pools are large, and memory that a
// capture does not need is never touched. The groups of connection come last: see record_store.

struct tool_config : jj::default_config {
  using groups = jj::type_list<jj::flow_identifier, jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences,
                               jj::size, jj::tcp, jj::tls, jj::tls_texts, jj::quic, jj::quic_texts, jj::ssh, jj::dns,
                               jj::fingerprint, jj::entropy, jj::padding, jj::handshake_state, jj::flow_ending,
                               jj::connection, jj::connection_truncation>;
  struct user_data {
    std::uint64_t number;  // in order of creation
  };
  static constexpr std::size_t max_flows = 262'144;
  static constexpr std::size_t max_fragments = 16'384;
  static constexpr std::size_t handshake_records = max_flows;
  static constexpr std::size_t handshake_buffers = 4'096;
  static constexpr std::size_t handshake_buffer_bytes = 16'384, held_pieces = 255;
  static constexpr std::size_t max_name = 255, max_protocol_name = 255;
  static constexpr std::uint32_t quic_initials = 32;
  static constexpr std::size_t max_hosts = 131'072;
  static constexpr std::size_t max_edges = 262'144;
  static constexpr std::size_t max_pair_ports = 524'288;
  static constexpr jj::link_type link = jj::link_type::per_frame;
  static constexpr std::size_t batch_frames = 32;

  static inline std::int64_t idle_timeout_ns = default_config::idle_timeout_ns;
  static inline std::int64_t active_timeout_ns = default_config::active_timeout_ns;
  static inline std::int64_t tcp_linger_ns = default_config::tcp_linger_ns;
  static inline std::int64_t fragment_timeout_ns = default_config::fragment_timeout_ns;
  static inline std::int64_t burst_threshold_ns = default_config::burst_threshold_ns;
  static inline std::int64_t entropy_sample_bytes = default_config::entropy_sample_bytes;
  static inline bool anonymize_addresses = false;
  // Files join recordings whose clocks differ, and can be waited for. An interface has one clock, and does not wait.
  static inline bool expire_while_feeding = false;
  static inline std::uint32_t packet_effort = 0xFFFFFFFF;
  static inline std::int32_t dns_steps = 0x7FFFFFFF;
  static void watch_interface() {
    expire_while_feeding = true;
    packet_effort = default_config::packet_effort;
    dns_steps = default_config::dns_steps;
  }
};
using tool_engine = jj::engine<tool_config>;
using tool_row = tool_engine::row;
using connection_groups = jj::type_list<jj::connection, jj::connection_truncation>;
using connection_row = jj::row_for<connection_groups>;

// ---- 2. Options --------------------------------------------------------------------------------------------------

constexpr int wrong_use = 1, damaged_capture = 2;

constexpr unsigned in_extract = 1, in_live = 2, in_features = 4, in_footprint = 8;
struct command_form {
  const char* name;
  unsigned bit;
};
constexpr command_form command_forms[] = {
    {"extract", in_extract}, {"live", in_live}, {"features", in_features}, {"footprint", in_footprint}};

struct option_form {
  const char* name;
  bool takes_value;
  unsigned commands;           // that know it
  const char* elsewhere = "";  // what others have instead
};
constexpr option_form option_forms[] = {{"--groups", true, in_extract | in_live},
                                        {"--format", true, in_extract | in_live | in_features},
                                        {"-o", true, in_extract | in_live | in_features},
                                        {"--output", true, in_extract | in_live | in_features},
                                        {"--set", true, in_extract | in_live},
                                        {"--all", false, in_extract | in_live},
                                        {"--quiet", false, in_extract | in_live},
                                        {"-q", false, in_extract | in_live},
                                        {"--jobs", true, in_extract, "; live has --workers"},
                                        {"--unsorted", false, in_extract, "; live never waits to sort"},
                                        {"--workers", true, in_live, "; extract has --jobs"},
                                        {"--seconds", true, in_live},
                                        {"--layout", false, in_footprint},
                                        {"--help", false, in_extract | in_live | in_features | in_footprint},
                                        {"-h", false, in_extract | in_live | in_features | in_footprint}};

struct options {
  std::vector<std::string> files;
  std::vector<std::string> groups;  // empty: all
  std::string format;
  std::string output;
  std::string salt;
  bool include_flow_id = true, include_splt = true, include_sequences = false;
  bool include_addresses = true, include_ports = true, include_graph = true;
  bool all = false, quiet = false, unsorted = false, layout = false, help = false;
  std::int64_t jobs = 1;                               // of extract
  std::int64_t workers = 1, run_time_ns = 0;           // of live; 0: until a signal comes
  std::int64_t sort_memory = std::int64_t{256} << 20;  // bytes of records that wait in memory
  std::int64_t graph_steps = 10'000'000'000;           // most work on the graph of addresses: about a minute
};

int complain(const std::string& what) {
  std::fprintf(stderr, "jj: %s\n", what.c_str());
  return wrong_use;
}

/// The exit status of what was printed.
int finish_standard_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  return complain(std::string("cannot write standard output: ") + std::strerror(errno));
}

const char usage[] =
    "usage: jj extract FILE... [--groups a,b] [--format jsonl|csv] [-o OUT] [--all] [--set key=value]... [--jobs N]\n"
    "               [--unsorted] [--quiet]\n"
    "       jj live INTERFACE [--workers N] [--seconds S] [--groups a,b] [--format jsonl|csv] [-o OUT] [--all]\n"
    "               [--set key=value]... [--quiet]\n"
    "       jj features [--format text|csv|json|markdown]\n"
    "       jj footprint [--layout]\n"
    "       jj --version\n"
    "--layout shows the members of a flow slot and of the entries of the pools instead.\n"
    "FILE is a pcap or pcapng file, or - for standard input; each file is a capture of its own.\n"
    "--set keys, with the member of default_config in brackets where its name is another:\n"
    "            flow_timeout [idle_timeout_ns], active_timeout [active_timeout_ns], tcp_linger [tcp_linger_ns],\n"
    "            fragment_timeout [fragment_timeout_ns] (seconds), burst_threshold_ms [burst_threshold_ns],\n"
    "            entropy_sample_bytes (of each direction's payload, up to 65535),\n"
    "            include_flow_id, include_splt, include_sequences, include_ip_addresses, include_ports,\n"
    "            anonymize_ips [anonymize_addresses], connection_include_graph_metrics (true or false),\n"
    "            anonymization_salt (text),\n"
    "            graph_steps_millions (after which betweenness of a very large graph is given up),\n"
    "            sort_memory_mb (of records that wait to be sorted; what is more waits in a temporary file)\n"
    "--all adds the raw sequences, the strings behind JA3, and the groups handshake and ending.\n"
    "--unsorted writes records as flows end, without waiting for the end of the file.\n"
    "--jobs N shares the flows among N threads with an engine each. The records are the same, but with --unsorted "
    "their\n"
    "order is not, and the group connection, which depends on it, cannot be had.\n"
    "live (Linux, root or CAP_NET_RAW) writes records as flows end, all of them after an interrupt or S seconds. On a\n"
    "terminal it shows rates and the largest flows instead; records go there with -o -, or to a file with -o OUT.\n"
    "--workers N shares the flows among N threads with an engine each: the group connection then knows the flows of\n"
    "its worker only. sort_memory_mb and graph_steps_millions say nothing to live.\n"
    "--option=value is --option value, and -- ends the options.\n";

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::string without_outer_blanks(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

bool parse_bool(const std::string& text, bool& value) {
  const bool yes = text == "true" || text == "1" || text == "yes" || text == "on";
  const bool no = text == "false" || text == "0" || text == "no" || text == "off";
  if (yes || no) value = yes;
  return yes || no;
}

/// Digits, with at most one point where `unit` has parts, times `unit`, without rounding through a double.
bool parse_scaled(const std::string& text, std::int64_t unit, std::int64_t& result) {
  std::int64_t whole = 0, fraction = 0, scale = unit;
  bool point = false, digits = false;
  for (const char c : text) {
    if (c == '.' && !point && unit > 1) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits = true;
      if (!point) {
        if (whole > 1'000'000'000) return false;
        whole = whole * 10 + (c - '0');
      } else {
        scale /= 10;
        fraction += scale * (c - '0');
      }
    } else {
      return false;
    }
  }
  if (!digits || whole > 1'000'000'000) return false;
  result = whole * unit + fraction;
  return true;
}

/// Why a key of --set is refused.
std::string unknown_setting(const std::string& key) {
  const struct {
    const char *member, *key;
  } members[] = {{"idle_timeout_ns", "flow_timeout, in seconds"},
                 {"active_timeout_ns", "active_timeout, in seconds"},
                 {"tcp_linger_ns", "tcp_linger, in seconds"},
                 {"fragment_timeout_ns", "fragment_timeout, in seconds"},
                 {"burst_threshold_ns", "burst_threshold_ms, in milliseconds"},
                 {"anonymize_addresses", "anonymize_ips"}};
  if (key == "max_sequence_length")
    return "max_sequence_length is fixed when jj is built: " + std::to_string(tool_config::max_sequence_length);
  for (const auto& one : members)
    if (key == one.member) return "unknown setting '" + key + "': its key is " + one.key;
  return "unknown setting '" + key + "'";
}

/// Empty when all is well.
std::string apply_setting(const std::string& assignment, options& chosen) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) return "--set wants key=value, not '" + assignment + "'";
  const std::string key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
  constexpr std::int64_t second = 1'000'000'000, millisecond = 1'000'000;
  const struct {
    const char* name;
    std::int64_t* target;
    std::int64_t unit;
  } numbers[] = {{"flow_timeout", &tool_config::idle_timeout_ns, second},
                 {"active_timeout", &tool_config::active_timeout_ns, second},
                 {"tcp_linger", &tool_config::tcp_linger_ns, second},
                 {"fragment_timeout", &tool_config::fragment_timeout_ns, second},
                 {"burst_threshold_ms", &tool_config::burst_threshold_ns, millisecond},
                 {"sort_memory_mb", &chosen.sort_memory, std::int64_t{1} << 20},
                 {"graph_steps_millions", &chosen.graph_steps, 1'000'000}};
  if (key == "entropy_sample_bytes") {
    const bool fits = parse_scaled(value, 1, tool_config::entropy_sample_bytes) &&
                      tool_config::entropy_sample_bytes <= static_cast<std::int64_t>(jj::detail::longest_sample);
    return fits ? "" : "--set entropy_sample_bytes wants a number up to 65535, not '" + value + "'";
  }
  for (const auto& number : numbers)
    if (key == number.name)
      return parse_scaled(value, number.unit, *number.target)
                 ? ""
                 : "--set " + key + " wants a number up to 10^9, not '" + value + "'";
  const struct {
    const char* name;
    bool* target;
  } switches[] = {{"include_flow_id", &chosen.include_flow_id},
                  {"include_splt", &chosen.include_splt},
                  {"include_sequences", &chosen.include_sequences},
                  {"include_ip_addresses", &chosen.include_addresses},
                  {"include_ports", &chosen.include_ports},
                  {"anonymize_ips", &tool_config::anonymize_addresses},
                  {"connection_include_graph_metrics", &chosen.include_graph}};
  for (const auto& choice : switches)
    if (key == choice.name)
      return parse_bool(value, *choice.target) ? "" : "--set " + key + " wants true or false, not '" + value + "'";
  if (key == "anonymization_salt") {
    chosen.salt = value;
    return "";
  }
  return unknown_setting(key);
}

/// "--jobs belongs to extract; live has --workers".
std::string belongs_elsewhere(const option_form& form) {
  std::string owners;
  for (const command_form& one : command_forms)
    if ((form.commands & one.bit) != 0) owners += std::string(owners.empty() ? "" : ", ") + one.name;
  return std::string(form.name) + " belongs to " + owners + form.elsewhere;
}

/// Empty when all is well.
std::string apply_option(const std::string& name, const std::string& value, options& chosen) {
  if (name == "--groups") {
    chosen.groups = split(value, ',');
    for (std::string& group : chosen.groups) group = without_outer_blanks(group);
  }
  if (name == "--format") chosen.format = value;
  if (name == "-o" || name == "--output") chosen.output = value;
  if (name == "--set") return apply_setting(value, chosen);
  if (name == "--all") chosen.all = chosen.include_sequences = true;
  if (name == "--unsorted") chosen.unsorted = true;
  if (name == "--layout") chosen.layout = true;
  if (name == "--quiet" || name == "-q") chosen.quiet = true;
  if (name == "--help" || name == "-h") chosen.help = true;
  if (name == "--workers" || name == "--jobs") {
    std::int64_t& threads = name == "--workers" ? chosen.workers : chosen.jobs;
    if (!parse_scaled(value, 1, threads) || threads < 1 || threads > 64)
      return name + " wants a number from 1 to 64, not '" + value + "'";
  }
  if (name == "--seconds" && (!parse_scaled(value, 1'000'000'000, chosen.run_time_ns) || chosen.run_time_ns == 0))
    return "--seconds wants a number above 0 and up to 10^9, not '" + value + "'";
  return "";
}

/// What stands behind the command. Empty when all is well.
std::string read_arguments(const command_form& command, const std::vector<std::string>& arguments, options& chosen) {
  bool may_be_option = true;
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    if (may_be_option && *at == "--") {
      may_be_option = false;
      continue;
    }
    if (!may_be_option || at->size() < 2 || (*at)[0] != '-') {
      chosen.files.push_back(*at);
      continue;
    }
    const std::size_t equals = at->compare(0, 2, "--") == 0 ? at->find('=') : std::string::npos;
    const std::string name = at->substr(0, equals);
    const auto form = std::find_if(std::begin(option_forms), std::end(option_forms),
                                   [&](const option_form& one) { return name == one.name; });
    if (form == std::end(option_forms)) return "unknown option '" + name + "'";
    if ((form->commands & command.bit) == 0) return belongs_elsewhere(*form);
    std::string value;
    if (equals != std::string::npos) {
      if (!form->takes_value) return name + " takes no value";
      value = at->substr(equals + 1);
    } else if (form->takes_value) {
      if (++at == arguments.end()) return name + " wants a value";
      value = *at;
    }
    const std::string wrong = apply_option(name, value, chosen);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::vector<std::string> group_names() {
  std::vector<std::string> names;
  jj::for_each_feature(tool_row{}, [&](const jj::feature_info& feature, const auto&) {
    if (names.empty() || names.back() != feature.group) names.push_back(feature.group);
  });
  return names;
}

bool is_connection(const jj::feature_info& feature) { return std::strcmp(feature.group, "connection") == 0; }

/// Which columns are written. Asked for every feature of a row in turn, so the answer is looked up by position.
class column_filter {
 public:
  /// Of the features of `Row` those that were chosen and that `part(feature)` lets pass.
  template <class Row, class Part> static column_filter of(const options& chosen, Part part) {
    column_filter filter;
    jj::for_each_feature(Row{}, [&](const jj::feature_info& feature, const auto&) {
      filter.keep_.push_back(part(feature) && wanted(feature, chosen));
    });
    return filter;
  }
  bool any() const { return std::find(keep_.begin(), keep_.end(), true) != keep_.end(); }
  bool operator()(const jj::feature_info&) const {
    const bool keep = keep_[at_];
    at_ = at_ + 1 == keep_.size() ? 0 : at_ + 1;
    return keep;
  }

 private:
  static bool wanted(const jj::feature_info& feature, const options& chosen) {
    const std::string name = feature.name;
    const auto starts = [&](const char* prefix) { return name.compare(0, std::strlen(prefix), prefix) == 0; };
    if (!chosen.groups.empty() &&
        std::find(chosen.groups.begin(), chosen.groups.end(), feature.group) == chosen.groups.end())
      return false;
    if (name == "flow_id") return chosen.include_flow_id;
    if (name == "src_ip" || name == "dst_ip") return chosen.include_addresses;
    if (name == "src_port" || starts("dst_port")) return chosen.include_ports;
    if (starts("splt")) return chosen.include_splt;
    if (name == "iat_sequence" || name == "timestamp_sequence") return chosen.include_sequences;
    if (name == "ja3_str" || name == "ja3s_str" || name == "quic_ja3_str") return chosen.all;
    if (std::strcmp(feature.group, "handshake") == 0 || std::strcmp(feature.group, "ending") == 0)
      return chosen.all || !chosen.groups.empty();
    if (is_graph_metric(name)) return chosen.include_graph;
    return true;
  }
  static bool is_graph_metric(const std::string& name) {
    bool found = false;
    jj::for_each_feature(jj::row_for<jj::type_list<jj::connection_graph>>{},
                         [&](const jj::feature_info& feature, const auto&) { found = found || name == feature.name; });
    return found;
  }
  std::vector<bool> keep_;
  mutable std::size_t at_ = 0;
};

// ---- 3. Output ---------------------------------------------------------------------------------------------------

/// Standard output or a file. Remembers the first failure, so that a full disk is reported.
class output_file {
 public:
  ~output_file() {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }
  bool open(const std::string& path) {
    file_ = path.empty() || path == "-" ? stdout : std::fopen(path.c_str(), "wb");
    name_ = file_ == stdout ? "standard output" : path;
    if (file_ == nullptr) error_ = errno;
    return file_ != nullptr;
  }
  void write(const char* characters, std::size_t length) {
    if (error_ == 0 && std::fwrite(characters, 1, length, file_) != length) error_ = errno != 0 ? errno : EIO;
  }
  bool flush() {
    if (std::fflush(file_) != 0 && error_ == 0) error_ = errno;
    return error_ == 0;
  }
  bool close() {
    if (file_ != nullptr && std::fflush(file_) != 0 && error_ == 0) error_ = errno;
    if (file_ != nullptr && file_ != stdout && std::fclose(file_) != 0 && error_ == 0) error_ = errno;
    file_ = nullptr;
    return error_ == 0;
  }
  bool failed() const { return error_ != 0; }
  std::string failure() const { return "cannot write " + name_ + ": " + std::strerror(error_); }

 private:
  std::FILE* file_ = nullptr;
  std::string name_;
  int error_ = 0;
};

/// A flow as the connection tables count it.
struct counted_ends {
  jj::flow_ends ends;
  std::uint32_t packets[2];
  std::uint64_t frame_bytes[2];
};

/// Records as text, to be written in the order of their flows' start and creation. Some wait in memory; what is more
/// waits in a temporary file, and only 96 bytes a record stay, among them the ends of the flow: what its addresses did
/// in the whole capture is known at the end.
class record_store {
 public:
  explicit record_store(std::uint64_t longest_text) : longest_text_(longest_text) {}
  ~record_store() { clear(); }
  record_store(const record_store&) = delete;
  record_store& operator=(const record_store&) = delete;

  void begin(std::int64_t start_ns, std::uint64_t number, const counted_ends& flow) {
    records_.push_back({start_ns, number, spilled_ + text_.size(), 0, flow});
  }
  void add(const char* characters, std::size_t length) { text_.append(characters, length); }
  /// False: the temporary file cannot be written.
  bool end() {
    records_.back().length = static_cast<std::size_t>(spilled_ + text_.size() - records_.back().offset);
    return text_.size() <= longest_text_ || spill();
  }
  /// After the last record. False: the temporary file cannot be written.
  bool sort() {
    std::sort(records_.begin(), records_.end());
    return spilled_ == 0 || spill();
  }
  template <class Visit> void each_flow(const Visit& visit) const {
    for (const record& one : records_) visit(one.flow);
  }
  bool has_more() const { return next_ != records_.size(); }
  /// Whether the next record comes before that of another store. Both have one.
  bool precedes(const record_store& other) const { return records_[next_] < other.records_[other.next_]; }
  /// Calls write(characters, length, ends) for the next record. False: the temporary file cannot be read.
  template <class Write> bool write_next(const Write& write) {
    const record& one = records_[next_++];
    if (spill_ == nullptr) {
      write(text_.data() + static_cast<std::size_t>(one.offset), one.length, one.flow.ends);
      return true;
    }
    piece_.resize(one.length);
    if (!seek(spill_, one.offset) || std::fread(&piece_[0], 1, one.length, spill_) != one.length) return false;
    write(piece_.data(), piece_.size(), one.flow.ends);
    return true;
  }
  void clear() {
    records_.clear();
    text_.clear();
    if (spill_ != nullptr) std::fclose(spill_);
    spill_ = nullptr;
    spilled_ = 0;
    next_ = 0;
  }

 private:
  struct record {
    std::int64_t start_ns;
    std::uint64_t number;
    std::uint64_t offset;
    std::size_t length;
    counted_ends flow;
    bool operator<(const record& other) const {
      return start_ns != other.start_ns ? start_ns < other.start_ns : number < other.number;
    }
  };
  static bool seek(std::FILE* file, std::uint64_t offset) {
#if defined(__unix__) || defined(__APPLE__)
    return fseeko(file, static_cast<off_t>(offset), SEEK_SET) == 0;
#else
    return offset <= 0x7FFFFFFF && std::fseek(file, static_cast<long>(offset), SEEK_SET) == 0;
#endif
  }
  bool spill() {
    if (spill_ == nullptr) spill_ = std::tmpfile();
    if (spill_ == nullptr || std::fwrite(text_.data(), 1, text_.size(), spill_) != text_.size()) return false;
    spilled_ += text_.size();
    text_.clear();
    return true;
  }
  std::uint64_t longest_text_;
  std::vector<record> records_;
  std::string text_, piece_;
  std::FILE* spill_ = nullptr;
  std::uint64_t spilled_ = 0;
  std::size_t next_ = 0;
};

// ---- 4. extract --------------------------------------------------------------------------------------------------

bool is_terminal(std::FILE* file) {
#if defined(__unix__) || defined(__APPLE__)
  return isatty(fileno(file)) != 0;
#else
  (void)file;
  return false;
#endif
}

/// A bar on the terminal once the work has taken a second.
class progress_bar {
 public:
  explicit progress_bar(bool enabled)
      : enabled_(enabled && is_terminal(stderr)), began_(clock::now()), next_(began_ + std::chrono::seconds(1)) {}
  double seconds() const { return std::chrono::duration<double>(clock::now() - began_).count(); }
  void show(std::uint64_t position, std::uint64_t whole) {
    if (!enabled_ || clock::now() < next_) return;
    next_ = clock::now() + std::chrono::milliseconds(200);
    shown_ = true;
    constexpr std::uint64_t width = 40;
    const std::uint64_t filled = whole != 0 ? width * std::min(position, whole) / whole : 0;  // files may grow
    std::fprintf(stderr, "\r[%.*s%*s] %llu MiB", static_cast<int>(filled), "########################################",
                 static_cast<int>(width - filled), "", static_cast<unsigned long long>(position >> 20));
  }
  void clear() {
    if (shown_) std::fprintf(stderr, "\r%60s\r", "");
    shown_ = false;
  }

 private:
  using clock = std::chrono::steady_clock;
  bool enabled_, shown_ = false;
  clock::time_point began_, next_;
};

void print_summary(const jj::engine_statistics& s, double elapsed) {
  unsigned long long frames = 0, flows = 0;
  std::string by_verdict, by_reason;
  for (std::size_t at = 0; at < jj::verdict_count; ++at) {
    frames += s.frames[at];
    if (s.frames[at] != 0)
      by_verdict +=
          std::string(by_verdict.empty() ? "" : ", ") + std::to_string(s.frames[at]) + " " + jj::verdict_names[at];
  }
  for (std::size_t at = 0; at < jj::end_reason_count; ++at) {
    flows += s.rows[at];
    if (s.rows[at] != 0)
      by_reason +=
          std::string(by_reason.empty() ? "" : ", ") + std::to_string(s.rows[at]) + " " + jj::end_reason_names[at];
  }
  std::fprintf(stderr, "jj: %llu frames (%s)\n", frames, by_verdict.empty() ? "none" : by_verdict.c_str());
  std::fprintf(stderr, "jj: %llu flows (%s), %.2f s, %.0f packets/s\n", flows,
               by_reason.empty() ? "none" : by_reason.c_str(), elapsed,
               elapsed > 0 ? static_cast<double>(frames) / elapsed : 0.0);
  const auto evicted = s.rows[static_cast<std::size_t>(jj::end_reason::evicted)];
  if (evicted != 0)
    std::fprintf(stderr,
                 "jj: %llu flows were cut short for want of room (%llu slots, %llu log chunks, %llu long states): "
                 "later packets of "
                 "theirs opened new flows\n",
                 static_cast<unsigned long long>(evicted), static_cast<unsigned long long>(s.evicted_for_slot),
                 static_cast<unsigned long long>(s.evicted_for_chunk),
                 static_cast<unsigned long long>(s.evicted_for_long_state));
}

/// A secret from the machine, where it offers one; records do not depend on it.
jj::hash_key random_key() {
  jj::hash_key key{0x6a09e667f3bcc908, 0xbb67ae8584caa73b};
  if (std::FILE* source = std::fopen("/dev/urandom", "rb")) {
    if (std::fread(&key, sizeof key, 1, source) != 1) key.low ^= 1;
    std::fclose(source);
  }
  return key;
}

/// What the engines of this program report to. One type, so that the engine's code is compiled once.
class row_sink {
 public:
  virtual void operator()(const tool_row& row, const tool_engine::view& flow, jj::end_reason) = 0;

 protected:
  ~row_sink() = default;
};

/// Rows as JSON Lines or CSV.
class row_format {
 public:
  explicit row_format(const options& chosen) : csv_(chosen.format == "csv") {}
  /// Without the end of a line, in JSON.
  template <class Out, class Row> void write(Out&& out, const Row& row, const column_filter& columns) const {
    if (csv_)
      jj::write_csv(out, row, columns);
    else
      jj::write_json(out, row, columns);
  }
  template <class Out> void write_header(Out&& out, const column_filter& columns) const {
    if (csv_) jj::write_csv_header<tool_row>(out, columns);
  }
  bool leaves_lines_open() const { return !csv_; }
  /// How many characters stand in front of a line's values and behind them.
  std::size_t opening() const { return csv_ ? 0 : 1; }
  std::size_t closing() const { return csv_ ? 2 : 1; }

 private:
  bool csv_;
};

/// Whole lines of one thread, on their way to an output that several write to.
class line_buffer {
 public:
  /// `out` is null when nobody wants them; `written` is held while something goes out.
  line_buffer(const options& chosen, output_file* out, std::mutex& written)
      : columns_(column_filter::of<tool_row>(chosen, [](const jj::feature_info&) { return true; })),
        format_(chosen),
        out_(out),
        written_(written) {}
  void add_header() {
    if (out_ != nullptr) format_.write_header(to_text(), columns_);
  }
  void add(const tool_row& row) {
    if (out_ == nullptr) return;
    format_.write(to_text(), row, columns_);
    if (format_.leaves_lines_open()) text_ += '\n';
  }
  bool is_long() const { return text_.size() >= std::size_t{1} << 16; }
  /// False: the output cannot be written.
  bool pass_on() {
    if (text_.empty()) return true;
    const std::lock_guard<std::mutex> lock(written_);
    out_->write(text_.data(), text_.size());
    text_.clear();
    return out_->flush();
  }

 private:
  struct to_string {
    std::string& text;
    void operator()(const char* characters, std::size_t length) const { text.append(characters, length); }
  };
  to_string to_text() { return {text_}; }

  column_filter columns_;
  row_format format_;
  output_file* out_;
  std::mutex& written_;
  std::string text_;
};

/// An engine that gets some of a capture's flows, and its rows. Rows that are to be sorted wait without the group
/// connection, which is the last part of a record and is added when it is written.
class extract_job final : public row_sink {
 public:
  extract_job(const options& chosen, output_file& out, std::mutex& written, tool_engine& some_engine)
      : engine(some_engine),
        store(static_cast<std::uint64_t>(chosen.sort_memory / chosen.jobs)),
        columns_(column_filter::of<tool_row>(chosen, [](const jj::feature_info& f) { return !is_connection(f); })),
        format_(chosen),
        lines_(chosen, &out, written),
        unsorted_(chosen.unsorted) {
    for (unsigned spare = 0; spare < 7; ++spare) empty_.put(std::make_unique<several::frame_batch>());
  }
  tool_engine& engine;
  record_store store;

  void operator()(const tool_row& row, const tool_engine::view& flow, jj::end_reason) override {
    if (unsorted_) {
      lines_.add(row);
      if (lines_.is_long() && !lines_.pass_on()) failed_ = true;
      return;
    }
    const auto& bytes = flow.accumulated<jj::wire_bytes>().frame_bytes;
    store.begin(flow.start_ns(), flow.user().number,
                {flow.ends(), {flow.packets(jj::fwd), flow.packets(jj::bwd)}, {bytes[jj::fwd], bytes[jj::bwd]}});
    format_.write([&](const char* characters, std::size_t length) { store.add(characters, length); }, row, columns_);
    if (!store.end()) stored_ = false, failed_ = true;
  }
  /// Whether more frames are of no use: what they say cannot be written. Asked by another thread.
  bool failed() const { return failed_; }

  /// Before the first frame of a capture, if it is to be done by a thread.
  void start_thread() {
    thread_ = std::thread([this] { run(); });
  }
  void add(const jj::frame& frame, std::uint64_t number) {
    if (!filling_->has_room_for(frame)) pass_on();
    filling_->add(frame, number);
  }
  /// After the last frame of a capture.
  void end() {
    pass_on();
    if (thread_.joinable())
      full_.put(nullptr);
    else
      finish();
  }
  /// Until everything is stored, or written. False: the temporary file cannot be written.
  bool wait() {
    if (thread_.joinable()) thread_.join();
    return stored_;
  }

 private:
  void pass_on() {
    if (thread_.joinable()) {
      full_.put(std::move(filling_));
      filling_ = empty_.take();
    } else {
      feed(*filling_);
    }
  }
  void run() {
    for (auto batch = full_.take(); batch != nullptr; batch = full_.take()) {
      feed(*batch);
      empty_.put(std::move(batch));
    }
    finish();
  }
  void feed(several::frame_batch& batch) {
    row_sink& sink = *this;
    auto number = batch.numbers().begin();
    engine.feed_batch(batch.frames().data(), batch.frames().size(), sink, [&](const tool_engine::fed& fed) {
      if (fed.flow && fed.flow.packets() == 1) fed.flow.user().number = *number;
      ++number;
    });
    batch.clear();
  }
  void finish() {
    row_sink& sink = *this;
    engine.flush(sink);
    stored_ = store.sort() && stored_;
    lines_.pass_on();
  }

  column_filter columns_;
  row_format format_;
  line_buffer lines_;
  bool unsorted_, stored_ = true;
  std::atomic<bool> failed_{false};
  several::handover::item filling_ = std::make_unique<several::frame_batch>();
  several::handover full_, empty_;  // a null batch is the end of a capture
  std::thread thread_;
};
using extract_jobs = std::vector<std::unique_ptr<extract_job>>;

bool wants_graph(const options& chosen) {
  return column_filter::of<jj::row_for<jj::type_list<jj::connection_graph>>>(chosen, is_connection).any();
}

/// Writes the records of all jobs in order, with what their addresses did in the whole capture.
class capture_writer {
 public:
  capture_writer(const options& chosen, output_file& out)
      : all_(column_filter::of<tool_row>(chosen, [](const jj::feature_info&) { return true; })),
        connection_(column_filter::of<connection_row>(chosen, is_connection)),
        format_(chosen),
        out_(out),
        unsorted_(chosen.unsorted),
        wants_graph_(wants_graph(chosen)),
        graph_steps_(static_cast<std::uint64_t>(chosen.graph_steps)) {}
  bool wants_connection() const { return connection_.any(); }
  void write_header() { format_.write_header(to_output(), all_); }
  /// False: a temporary file failed.
  bool finish_file(const extract_jobs& jobs) {
    tool_engine& book = jobs[0]->engine;  // of its connections, and from here on those of the other jobs
    if (wants_connection())
      for (std::size_t at = 1; at < jobs.size(); ++at)
        jobs[at]->store.each_flow(
            [&](const counted_ends& flow) { book.count_foreign(flow.ends, flow.packets, flow.frame_bytes); });
    note_losses(book.connection_statistics());
    if (!unsorted_ && wants_graph_ && !book.refresh(graph_steps_)) ++graphs_given_up_;
    const bool written = write_merged(book, jobs);
    for (const auto& job : jobs) {
      job->store.clear();
      job->engine.clear_connections();
    }
    return written;
  }
  void print_summary() const {
    if (graphs_given_up_ != 0)
      std::fprintf(
          stderr,
          "jj: a graph of addresses was too large: betweenness is 0 in %llu captures; "
          "--set graph_steps_millions=N allows more work, connection_include_graph_metrics=false leaves it out\n",
          static_cast<unsigned long long>(graphs_given_up_));
    if (lost_ != 0)
      std::fprintf(stderr,
                   "jj: the tables of addresses, pairs and ports were too small for %llu flows: conn_truncated says in "
                   "which records\n",
                   static_cast<unsigned long long>(lost_));
  }

 private:
  struct to_output_file {
    output_file& out;
    void operator()(const char* characters, std::size_t length) const { out.write(characters, length); }
  };
  to_output_file to_output() const { return {out_}; }
  bool write_merged(const tool_engine& book, const extract_jobs& jobs) {
    for (;;) {
      record_store* first = nullptr;
      for (const auto& job : jobs)
        if (job->store.has_more() && (first == nullptr || job->store.precedes(*first))) first = &job->store;
      if (first == nullptr) return true;
      const auto write = [&](const char* characters, std::size_t length, const jj::flow_ends& ends) {
        write_completed(book, characters, length, ends);
      };
      if (!first->write_next(write)) return false;
    }
  }
  /// Joins "{own}" and "{connection}", or "own\r\n" and "connection\r\n".
  void write_completed(const tool_engine& book, const char* characters, std::size_t length, const jj::flow_ends& ends) {
    if (!wants_connection()) {
      out_.write(characters, length);
    } else {
      added_.clear();
      format_.write([&](const char* more, std::size_t count) { added_.append(more, count); },
                    book.reread<connection_groups>(ends), connection_);
      const bool is_first = length == format_.opening() + format_.closing();
      out_.write(characters, length - format_.closing());
      if (!is_first) out_.write(",", 1);
      out_.write(added_.data() + format_.opening(), added_.size() - format_.opening());
    }
    if (format_.leaves_lines_open()) out_.write("\n", 1);
  }
  void note_losses(const jj::connection_statistics& s) { lost_ += s.lost_hosts + s.lost_edges + s.lost_ports; }

  column_filter all_, connection_;
  row_format format_;
  output_file& out_;
  std::string added_;
  bool unsorted_, wants_graph_;
  std::uint64_t graph_steps_, graphs_given_up_ = 0, lost_ = 0;
};

/// Whether standard input was redirected from this file.
bool is_standard_input(const std::string& file) {
#if defined(__unix__) || defined(__APPLE__)
  struct stat input, named;
  return fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode) && stat(file.c_str(), &named) == 0 &&
         input.st_dev == named.st_dev && input.st_ino == named.st_ino;
#else
  (void)file;
  return false;
#endif
}

/// Opening the output would empty the capture before it is read.
bool is_one_of(const std::vector<std::string>& files, const std::string& output) {
  std::error_code missing;
  return !output.empty() && std::any_of(files.begin(), files.end(), [&](const std::string& file) {
    return file == "-" ? is_standard_input(output) : std::filesystem::equivalent(file, output, missing);
  });
}

std::string no_memory_for(std::size_t engines) {
  constexpr std::size_t mebibytes = (sizeof(tool_engine) + (std::size_t{1} << 20) - 1) >> 20;
  const std::string each = std::to_string(mebibytes) + " MiB of address space";
  return (engines == 1 ? "no memory for an engine: it takes " + each
                       : "no memory for " + std::to_string(engines) + " engines: each takes " + each) +
         "; `ulimit -v` says how many KB a process may have";
}

/// Empty when all is well.
std::string open_jobs(const options& chosen, output_file& out, std::mutex& written, extract_jobs& jobs) {
  for (std::int64_t at = 0; at < chosen.jobs; ++at) {
    tool_engine* const engine = several::make_engine<tool_engine>();
    if (engine == nullptr) return no_memory_for(static_cast<std::size_t>(chosen.jobs));
    engine->seed(random_key());
    engine->set_salt(chosen.salt.data(), chosen.salt.size());
    jobs.push_back(std::make_unique<extract_job>(chosen, out, written, *engine));
  }
  return "";
}

/// Feeds the frames of captures to the jobs. Numbers go on from capture to capture.
class capture_feeder {
 public:
  capture_feeder(extract_jobs& jobs, progress_bar& progress)
      : jobs_(jobs), progress_(progress), splitter_(random_key(), jobs.size()) {}
  /// Until the end of the capture or the first damage; `record`: it was given up, because a job failed.
  capture_file::reader::status feed(capture_file::reader& reader) {
    frames_before_ = frames_;
    unknown_before_ = frames_of_unknown_link();
    if (jobs_.size() > 1)
      for (const auto& job : jobs_) job->start_thread();
    capture_file::record record;
    capture_file::reader::status what;
    while ((what = reader.next(record)) == capture_file::reader::status::record) {
      const jj::frame frame{record.data, record.captured, record.wire_length, record.time_ns,
                            static_cast<jj::link_type>(record.link_type)};
      extract_job& job = *jobs_[splitter_.engine_of(frame)];
      if (job.failed()) break;
      job.add(frame, ++frames_);
      if (frames_ == frames_before_ + 1) first_link_type_ = record.link_type;
      if ((frames_ & 0xFFFF) == 0) progress_.show(reader.position(), reader.size());
    }
    for (const auto& job : jobs_) job->end();
    return what;
  }
  /// Once the jobs are done with the capture: why none of its frames could be read, if it is for their link layer. Empty
  /// otherwise.
  std::string unknown_link() const {
    const std::uint64_t frames = frames_ - frames_before_;
    if (frames == 0 || frames_of_unknown_link() - unknown_before_ != frames) return "";
    return "no frame could be read: link type " + std::to_string(first_link_type_) + " is not known";
  }

 private:
  std::uint64_t frames_of_unknown_link() const {
    std::uint64_t sum = 0;
    for (const auto& job : jobs_)
      sum += job->engine.statistics().frames[static_cast<std::size_t>(jj::verdict::unknown_link)];
    return sum;
  }
  extract_jobs& jobs_;
  progress_bar& progress_;
  several::flow_splitter<tool_config> splitter_;
  std::uint64_t frames_ = 0, frames_before_ = 0, unknown_before_ = 0;  // before: when the capture began
  std::uint32_t first_link_type_ = 0;
};

int extract(const options& chosen) {
  if (chosen.files.empty())
    return complain(
        "extract wants a capture file, or - for what is piped in: `jj extract FILE...`, `... | jj extract -`");
  if (is_one_of(chosen.files, chosen.output)) return complain("the output " + chosen.output + " is also an input");
  output_file out;
  std::mutex written;
  capture_writer writer(chosen, out);
  if (chosen.jobs > 1 && chosen.unsorted && writer.wants_connection())
    return complain(
        "--jobs with --unsorted has no group connection: its values depend on the order of all flows. Leave one of "
        "them "
        "out, or name other groups");
  extract_jobs jobs;
  const std::string wrong = open_jobs(chosen, out, written, jobs);
  if (!wrong.empty()) return complain(wrong);
  progress_bar progress(!chosen.quiet);
  capture_feeder feeder(jobs, progress);
  int status = 0;
  bool opened = false;

  for (const std::string& file : chosen.files) {
    capture_file::reader reader;
    if (!reader.open(file.c_str())) {
      status = complain(reader.error());
      continue;
    }
    if (!opened) {
      if (!out.open(chosen.output)) return complain(out.failure());
      writer.write_header();
      opened = true;
    }
    const capture_file::reader::status what = feeder.feed(reader);
    bool stored = true;
    for (const auto& job : jobs) stored = job->wait() && stored;
    if (!stored || !writer.finish_file(jobs))
      return complain("cannot write a temporary file for records that wait to be sorted; --unsorted needs none");
    if (out.failed()) break;  // `close` says so
    const std::string unread = feeder.unknown_link();
    if (!unread.empty()) {  // no error: the summary counts such frames, and a network of that kind has no flows
      progress.clear();
      complain(file + ": " + unread);
    }
    if (what == capture_file::reader::status::damaged) {
      progress.clear();
      std::fprintf(stderr, "jj: %s\n", reader.error().c_str());
      if (status == 0) status = damaged_capture;
    } else if (reader.passed_over() != 0) {
      progress.clear();
      std::fprintf(stderr, "jj: damaged capture %s: %llu packet blocks of impossible length or interface passed over\n",
                   file.c_str(), static_cast<unsigned long long>(reader.passed_over()));
      if (status == 0) status = damaged_capture;
    }
  }
  progress.clear();
  if (opened && !out.close()) return complain(out.failure());
  if (!chosen.quiet && opened) {
    jj::engine_statistics sum = {};
    for (const auto& job : jobs) several::add_up(sum, job->engine.statistics());
    print_summary(sum, progress.seconds());
    writer.print_summary();
  }
  return status;
}

// ---- 5. live -----------------------------------------------------------------------------------------------------

#if defined(__linux__)

/// Records of one worker, passed on in whole lines.
class live_writer final : public row_sink {
 public:
  live_writer(const options& chosen, output_file* out, std::mutex& written, live::top_flows* top)
      : lines_(chosen, out, written), top_(top) {}
  void operator()(const tool_row& row, const tool_engine::view& flow, jj::end_reason) override {
    if (top_ != nullptr) top_->forget(flow.user().number);
    lines_.add(row);
  }
  void write_header() {
    lines_.add_header();
    pause();
  }
  void pause() {
    if (!lines_.pass_on()) live::stopped = true;
  }
  using sink = row_sink;

 private:
  line_buffer lines_;
  live::top_flows* top_;
};

/// One of the workers with what belongs to it.
struct live_worker {
  live_worker(const options& chosen, output_file* out, std::mutex& written, bool shown)
      : writer(chosen, out, written, shown ? &top : nullptr),
        worker(writer, shown ? &top : nullptr, wants_graph(chosen)) {}
  live::top_flows top;
  live_writer writer;
  live::worker<tool_engine, live_writer> worker;
  std::thread thread;
};
using live_workers = std::vector<std::unique_ptr<live_worker>>;

constexpr std::size_t ring_blocks = 64;  // 16 MB for each worker

/// Empty when all is well.
std::string open_workers(const options& chosen, live_workers& workers) {
  const unsigned group = workers.size() > 1 ? 1 + static_cast<unsigned>(getpid()) % 0xFFFF : 0;
  for (const auto& one : workers) {
    const std::string wrong = one->worker.ring.open(chosen.files[0].c_str(), group, ring_blocks);
    if (!wrong.empty()) return wrong;
    one->worker.engine = several::make_engine<tool_engine>();
    if (one->worker.engine == nullptr) return no_memory_for(workers.size());
    one->worker.engine->seed(random_key());
    one->worker.engine->set_salt(chosen.salt.data(), chosen.salt.size());
  }
  return "";
}

live::report sum_of(const live_workers& workers) {
  live::report sum;
  for (const auto& one : workers) sum.add(one->worker.latest());
  return sum;
}

/// Until a signal, the time chosen, or q on the screen.
void watch(const options& chosen, const live_workers& workers, bool shown) {
  using clock = std::chrono::steady_clock;
  const auto began = clock::now(), end = began + std::chrono::nanoseconds(chosen.run_time_ns);
  const std::string title =
      "jj live " + chosen.files[0] + (workers.size() > 1 ? ", " + std::to_string(workers.size()) + " workers" : "");
  std::unique_ptr<live::screen> screen;
  if (shown) screen = std::make_unique<live::screen>(title, tool_engine::footprint(), workers.size());
  for (auto next = began; !live::stopped && (chosen.run_time_ns == 0 || clock::now() < end);) {
    if (!shown) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    if (clock::now() >= next) {
      screen->draw(sum_of(workers));
      next += std::chrono::seconds(1);
    }
    if (screen->wait(100)) break;
  }
  live::stopped = true;
}

int live_view(const options& chosen) {
  if (chosen.files.size() != 1) return complain("live wants one interface");
  const bool shown = chosen.output.empty() && is_terminal(stdout);
  const bool on_screen = is_terminal(stdout) && chosen.output != "-";
  output_file out;
  std::mutex written;
  live_workers workers;
  for (std::int64_t at = 0; at < chosen.workers; ++at)
    workers.push_back(std::make_unique<live_worker>(chosen, shown ? nullptr : &out, written, on_screen));
  const std::string wrong = open_workers(chosen, workers);
  if (!wrong.empty()) return complain(wrong);
  if (!shown && !out.open(chosen.output)) return complain(out.failure());
  workers[0]->writer.write_header();
  tool_config::watch_interface();
  live::stop_on_signals();
  const auto began = std::chrono::steady_clock::now();
  for (const auto& one : workers)
    if (!one->worker.ring.start()) return complain("cannot start to read " + chosen.files[0]);
  for (const auto& one : workers) one->thread = std::thread([&worker = one->worker] { worker.run(); });
  watch(chosen, workers, on_screen);
  bool gone = false;
  for (const auto& one : workers) {
    one->thread.join();
    gone = gone || one->worker.interface_is_gone();
  }
  if (!shown && !out.close()) return complain(out.failure());
  if (!chosen.quiet) {
    const live::report sum = sum_of(workers);
    print_summary(sum.engine, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    std::fprintf(stderr, "jj: %llu frames dropped by the kernel for want of room\n",
                 static_cast<unsigned long long>(sum.dropped));
  }
  return gone ? complain(chosen.files[0] + " is gone or down") : 0;
}

#else

int live_view(const options&) { return complain("live reads network interfaces of Linux, and this is another system"); }

#endif

// ---- 6. features -------------------------------------------------------------------------------------------------

int features(const options& chosen) {
  output_file out;
  if (!out.open(chosen.output)) return complain(out.failure());
  const auto put = [&](const char* characters, std::size_t length) { out.write(characters, length); };
  const auto say = [&](const std::string& text) { out.write(text.data(), text.size()); };
  const auto json = [](const char* text) {
    std::string quoted;
    const auto append = [&](const char* characters, std::size_t length) { quoted.append(characters, length); };
    {
      jj::detail::text_stream<const decltype(append)> stream(append);
      jj::detail::put_json_text(stream, text, std::strlen(text));
    }
    return quoted;
  };
  const auto csv = [](const char* text) {
    std::string quoted = "\"";
    for (; *text != '\0'; ++text) quoted += *text == '"' ? std::string("\"\"") : std::string(1, *text);
    return quoted + "\"";
  };
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(jj::schema_hash<tool_row>()));
  std::size_t count = 0;
  const char* group = "";

  if (chosen.format == "markdown") {
    jj::write_reference<tool_row>(put);
  } else if (chosen.format == "csv") {
    say("group,name,type,unit,definition\r\n");
    jj::for_each_feature(tool_row{}, [&](const jj::feature_info& f, const auto&) {
      say(std::string(f.group) + "," + f.name + "," + f.type + "," + csv(f.unit) + "," + csv(f.about) + "\r\n");
    });
  } else if (chosen.format == "json") {
    say(std::string("{\"schema_hash\":\"") + hash + "\",\"features\":[");
    jj::for_each_feature(tool_row{}, [&](const jj::feature_info& f, const auto&) {
      say(std::string(count++ != 0 ? ",\n" : "\n") + "{\"group\":" + json(f.group) + ",\"name\":" + json(f.name) +
          ",\"type\":" + json(f.type) + ",\"unit\":" + json(f.unit) + ",\"definition\":" + json(f.about) + "}");
    });
    say("\n]}\n");
  } else {
    jj::for_each_feature(tool_row{}, [&](const jj::feature_info& f, const auto&) {
      if (std::strcmp(group, f.group) != 0) say(std::string(count != 0 ? "\n" : "") + f.group + "\n");
      group = f.group;
      ++count;
      const std::string kind = std::string(f.type) + (*f.unit != '\0' ? std::string(", ") + f.unit : "");
      say(std::string("  ") + f.name + " (" + kind + ")\n      " + f.about + "\n");
    });
    say("\n" + std::to_string(count) + " features, schema " + hash + "\n");
  }
  return out.close() ? 0 : complain(out.failure());
}

// ---- 7. footprint ------------------------------------------------------------------------------------------------

template <class... Groups> struct sized_config : jj::default_config { using groups = jj::type_list<Groups...>; };
struct four_groups : sized_config<jj::flow_meta, jj::timing, jj::size, jj::tcp> {};

/// One line; the engine types are only measured, never made.
template <class Config> void print_footprint(const char* name) {
  constexpr jj::engine_footprint f = jj::engine<Config>::footprint();
  std::printf("| %-34s | %7zu | %5zu | %5zu | %10zu | %9zu | %8zu | %10zu |\n", name, f.flow_slots, f.slot, f.index,
              f.long_state, f.workspace, (f.engine + f.flow_slots / 2) / f.flow_slots, f.engine);
}

/// Of some group lists, from the shortest slot to the longest; then what the largest preset has beside its slots.
void print_layouts() {
  std::printf("Where the members of an open flow, and of what it may hold, are.\n");
  layout::print_slot<sized_config<>>("Slot without groups");
  layout::print_slot<sized_config<jj::flow_meta>>("Slot of flow_meta");
  layout::print_slot<sized_config<jj::flow_meta, jj::tcp>>("Slot of flow_meta, tcp");
  layout::print_slot<four_groups>("Slot of flow_meta, timing, size, tcp, and of presets::microcontroller");
  layout::print_slot<jj::presets::gateway>("Slot of presets::gateway");
  layout::print_slot<jj::presets::router>("Slot of presets::router");
  std::printf("\nEntries of the other pools of presets::router\n");
  layout::print_chunk<jj::presets::router>();
  layout::print_long_state<jj::presets::router>();
  layout::print_record<jj::presets::router>();
  layout::print_connections<jj::presets::router>();
}

void print_footprints() {
  std::printf(
      "Bytes of an engine with its pools. By default: five log chunks and three sample chunks for every two flows, a\n"
      "handshake record for every two, a long state for one in sixteen.\n\n");
  std::printf(
      "| groups                             |   flows |  slot | index | long state | workspace | per flow |      total "
      "|\n");
  std::printf(
      "| ---------------------------------- | ------: | ----: | ----: | ---------: | --------: | -------: | ---------: "
      "|\n");
  print_footprint<sized_config<>>("none");
  print_footprint<sized_config<jj::flow_meta>>("flow_meta");
  print_footprint<sized_config<jj::tcp>>("tcp");
  print_footprint<sized_config<jj::flow_meta, jj::tcp>>("flow_meta, tcp");
  print_footprint<sized_config<jj::timing>>("timing");
  print_footprint<sized_config<jj::size>>("size");
  print_footprint<sized_config<jj::tls>>("tls");
  print_footprint<sized_config<jj::quic>>("quic");
  print_footprint<sized_config<jj::ssh>>("ssh");
  print_footprint<sized_config<jj::dns>>("dns");
  print_footprint<sized_config<jj::entropy>>("entropy");
  print_footprint<sized_config<jj::padding>>("padding");
  print_footprint<sized_config<jj::fingerprint>>("fingerprint");
  print_footprint<four_groups>("flow_meta, timing, size, tcp");
  print_footprint<sized_config<jj::flow_meta, jj::timing, jj::gap_sequences, jj::splt_sequences, jj::size, jj::tcp>>(
      "the same with sequences and SPLT");
  print_footprint<sized_config<jj::flow_meta, jj::connection_counts>>("flow_meta, connection_counts");
  print_footprint<sized_config<jj::flow_meta, jj::connection>>("flow_meta, connection");
  print_footprint<sized_config<jj::flow_groups>>("all that look at one flow");
  print_footprint<sized_config<jj::all_groups>>("all twelve groups");
  print_footprint<jj::presets::microcontroller>("presets::microcontroller");
  print_footprint<jj::presets::gateway>("presets::gateway");
  print_footprint<jj::presets::router>("presets::router");
  print_footprint<tool_config>("jj");

  constexpr jj::engine_footprint f = jj::engine<jj::presets::router>::footprint();
  std::printf(
      "\nPools of presets::router:\n\n| pool             |  count | bytes each |    total |\n| "
      "---------------- | -----: | ---------: | -------: |\n");
  const auto pool = [](const char* name, std::size_t count, std::size_t each) {
    std::printf("| %-16s | %6zu | %10zu | %8zu |\n", name, count, each, count * each);
  };
  pool("flow slots", f.flow_slots, f.slot);
  pool("index", f.flow_slots, f.index);
  pool("chunks", f.chunks, f.chunk);
  pool("long states", f.long_states, f.long_state);
  pool("records", f.records, f.record);
  pool("buffers", f.buffers, f.buffer);
  pool("fragments", f.fragments, f.fragments != 0 ? f.fragment_bytes / f.fragments : 0);
  pool("hosts", f.connections.hosts, f.connections.host);
  pool("edges", f.connections.edges, f.connections.edge);
  pool("pair_ports", f.connections.pair_ports, f.connections.pair_port);
  pool("workspace", 1, f.workspace);
}

int footprint(const options& chosen) {
  chosen.layout ? print_layouts() : print_footprints();
  return finish_standard_output();
}

// ---- 8. main -----------------------------------------------------------------------------------------------------

int main(int count, char** arguments) {
  const std::string command = count > 1 ? arguments[1] : "";
  if (command == "--version") {
    std::printf("jj %d.%d.%d\n", JOYFULJAY_VERSION_MAJOR, JOYFULJAY_VERSION_MINOR, JOYFULJAY_VERSION_PATCH);
    return finish_standard_output();
  }
  if (command == "--help" || command == "-h") return std::fputs(usage, stdout), finish_standard_output();
  const auto known_command = std::find_if(std::begin(command_forms), std::end(command_forms),
                                          [&](const command_form& one) { return command == one.name; });
  if (known_command == std::end(command_forms)) {
    if (!command.empty()) return complain("unknown command '" + command + "'; `jj --help` lists them");
    std::fputs(usage, stderr);
    return wrong_use;
  }

  options chosen;
  const std::string wrong = read_arguments(*known_command, {arguments + 2, arguments + count}, chosen);
  if (!wrong.empty()) return complain(wrong);
  if (chosen.help) return std::fputs(usage, stdout), finish_standard_output();
  const std::vector<std::string> known = group_names();
  for (const std::string& group : chosen.groups)
    if (std::find(known.begin(), known.end(), group) == known.end())
      return complain("unknown group '" + group + "'; `jj features` lists them");
  const std::vector<std::string> formats = command == "extract" || command == "live"
                                               ? std::vector<std::string>{"", "jsonl", "csv"}
                                               : std::vector<std::string>{"", "text", "csv", "json", "markdown"};
  if (std::find(formats.begin(), formats.end(), chosen.format) == formats.end())
    return complain("unknown format '" + chosen.format + "'");
  if (command != "extract" && command != "live" && !chosen.files.empty()) return complain(command + " takes no file");

  if (command == "extract") return extract(chosen);
  if (command == "live") return live_view(chosen);
  return command == "features" ? features(chosen) : footprint(chosen);
}
