// live: frames from a network interface of Linux, flows on a terminal. Used by `jj live`; no library but pthreads.
//
//   top_flows     the open flows with most bytes
//   worker        one ring, one engine, one thread
//   screen        the terminal while the program runs
#ifndef JOYFULJAY_TOOLS_LIVE_HPP
#define JOYFULJAY_TOOLS_LIVE_HPP

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "joyfuljay.hpp"
#include "tools/packet_ring.hpp"
#include "tools/several_engines.hpp"

namespace live {
namespace jj = joyfuljay;

/// Set by SIGINT, SIGTERM and SIGHUP, by a worker whose interface is gone, and by the caller.
inline std::atomic<bool> stopped{false};

inline void stop_on_signals() {
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopped = true; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &stop, nullptr);
}

// ---- Flows with most bytes ---------------------------------------------------------------------------------------

struct top_flow {
  std::uint64_t number, bytes, packets;
  std::string ends, name;
};

/// Keeps the largest open flows: those that grew beyond the least of them. A flow that ended makes room.
class top_flows {
 public:
  template <class View> void note(const View& flow) {
    const auto& counted = flow.template accumulated<jj::wire_bytes>();
    const std::uint64_t bytes = counted.frame_bytes[jj::fwd] + counted.frame_bytes[jj::bwd];
    if (bytes < least_) return;
    top_flow& mine = place_of(flow);
    mine.bytes = bytes;
    mine.packets = flow.packets();
    if (mine.name.empty() && (mine.packets <= looked_at || mine.packets % 1024 == 0)) mine.name = name_of(flow);
    least_ = kept_.size() < capacity ? 0 : least()->bytes;
  }
  void forget(std::uint64_t number) {
    const auto same = find(number);
    if (same == kept_.end()) return;
    kept_.erase(same);
    least_ = 0;
  }
  const std::vector<top_flow>& kept() const { return kept_; }

 private:
  static constexpr std::size_t capacity = 32;
  static constexpr std::uint64_t looked_at = 32;  // packets in which a handshake says its name, ample

  std::vector<top_flow>::iterator find(std::uint64_t number) {
    return std::find_if(kept_.begin(), kept_.end(), [&](const top_flow& flow) { return flow.number == number; });
  }
  std::vector<top_flow>::iterator least() {
    return std::min_element(kept_.begin(), kept_.end(),
                            [](const top_flow& a, const top_flow& b) { return a.bytes < b.bytes; });
  }
  template <class View> top_flow& place_of(const View& flow) {
    const std::uint64_t number = flow.user().number;
    const auto same = find(number);
    if (same != kept_.end()) return *same;
    if (kept_.size() < capacity) return kept_.emplace_back(top_flow{number, 0, 0, ends_of(flow), ""});
    return *least() = {number, 0, 0, ends_of(flow), ""};
  }
  template <class View> static std::string ends_of(const View& flow) {
    const auto row = flow.template read<jj::flow_addresses>();  // pseudonyms, where they are wanted
    const auto end = [&](const jj::ip_address& address, jj::direction which) {
      const auto text = address.to_text();
      const std::string host(text.characters, text.length);
      if (flow.port(which) == 0) return host;
      return (address.form == jj::ip_address::v6 ? "[" + host + "]" : host) + ":" + std::to_string(flow.port(which));
    };
    return protocol_name(flow.protocol()) + " " + end(row.src_ip, jj::fwd) + " > " + end(row.dst_ip, jj::bwd);
  }
  static std::string protocol_name(unsigned number) {
    if (number == 1 || number == 58) return "icmp";
    return number == 6 ? "tcp" : number == 17 ? "udp" : "ip-" + std::to_string(number);
  }
  /// The network chose the characters: only those that a terminal prints as they are.
  template <class View> static std::string name_of(const View& flow) {
    const auto row = flow.template read<jj::tls, jj::quic, jj::dns, jj::ssh>();
    for (const jj::text_view& name : {row.tls_sni, row.quic_sni, row.dns_query_name, row.ssh_server_software}) {
      std::string printable(name.characters, name.length);
      for (char& c : printable)
        if (c < ' ' || c > '~') c = '?';
      if (!printable.empty()) return printable;
    }
    return "";
  }

  std::vector<top_flow> kept_;
  std::uint64_t least_ = 0;
};

// ---- Worker ------------------------------------------------------------------------------------------------------

/// What a worker says of itself, and the sum of several.
struct report {
  jj::engine_statistics engine = {};
  std::uint64_t bytes = 0, dropped = 0;
  std::vector<top_flow> top;

  std::uint64_t frames() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : engine.frames) sum += count;
    return sum;
  }
  void add(const report& other) {
    several::add_up(engine, other.engine);
    bytes += other.bytes;
    dropped += other.dropped;
    top.insert(top.end(), other.top.begin(), other.top.end());
  }
};

/// `Output` is the engine's sink, by way of Output::sink, which it inherits; pause() tells it that writing suits now.
/// `top`, where it is not null, is told of every packet; telling it of ends is up to the output.
template <class Engine, class Output> class worker {
 public:
  using sink = typename Output::sink;

  worker(Output& output, top_flows* top, bool wants_graph) : output_(output), top_(top), wants_graph_(wants_graph) {}

  packet_ring ring;
  Engine* engine = nullptr;

  /// Until `stopped`, and then what waits in the ring.
  void run() {
    sink& rows = output_;
    std::size_t late = 0;
    for (bool ending = false; !ending || late < most_late_blocks; ending = stopped) {
      if (ending) ++late;
      const bool had_block = ring.take_block([&](const jj::frame& frame) { add(frame); }, [&] { feed_batch(); });
      if (!had_block && !idle() && ending) break;  // a signal that ends the wait is not the end of what the ring holds
      if (clock::now() >= next_report_) make_report();
    }
    engine->flush(rows);
    output_.pause();
    make_report();
  }
  /// As of a quarter of a second ago, at most. Called by another thread.
  report latest() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return latest_;
  }
  bool interface_is_gone() const { return gone_; }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t most_late_blocks = 64, batch_frames = Engine::config::batch_frames;

  void add(const jj::frame& frame) {
    batch_[batched_++] = frame;
    bytes_ += frame.wire_length;
    if (batched_ == batch_frames) feed_batch();
  }
  void feed_batch() {
    sink& rows = output_;
    engine->feed_batch(batch_, batched_, rows, [&](const typename Engine::fed& fed) {
      if (!fed.flow) return;
      if (fed.flow.packets() == 1) fed.flow.user().number = ++created_;
      if (top_ != nullptr) top_->note(fed.flow);
    });
    batched_ = 0;
    output_.pause();
  }
  /// False: nothing came meanwhile.
  bool idle() {
    sink& rows = output_;
    while (engine->tick(now_ns(), rows) == 64) {
    }
    output_.pause();
    const auto what = ring.wait(stopped ? 2 * packet_ring::block_wait_ms : 100);
    if (what == packet_ring::waited::gone) stopped = gone_ = true;
    return what == packet_ring::waited::ready;
  }
  /// A little behind the clock: frames may wait so long in a block.
  static std::int64_t now_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() -
           2 * std::int64_t{packet_ring::block_wait_ms} * 1'000'000;
  }
  void make_report() {
    next_report_ = clock::now() + std::chrono::milliseconds(250);
    if (wants_graph_) engine->refresh(1'000'000);  // some milliseconds
    dropped_ += ring.newly_dropped();
    const std::lock_guard<std::mutex> lock(mutex_);
    latest_.engine = engine->statistics();
    latest_.bytes = bytes_;
    latest_.dropped = dropped_;
    if (top_ != nullptr) latest_.top = top_->kept();
  }

  Output& output_;
  top_flows* top_;
  bool wants_graph_;
  std::atomic<bool> gone_{false};
  jj::frame batch_[batch_frames];
  std::size_t batched_ = 0;
  std::uint64_t bytes_ = 0, dropped_ = 0, created_ = 0;
  clock::time_point next_report_ = {};
  std::mutex mutex_;
  report latest_;
};

// ---- Screen ------------------------------------------------------------------------------------------------------

/// 12,345,678
inline std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}
/// Three digits and a prefix: 12.3 M
inline std::string scaled(double value, const char* unit) {
  const char* const prefixes[] = {"", "k", "M", "G", "T", "P"};
  std::size_t at = 0;
  for (; value >= 999.5 && at < 5; ++at) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s%s", at == 0 || value >= 99.95 ? 0 : 1, value, prefixes[at], unit);
  return text;
}
/// Memory of this process that is really there, as /proc says.
inline double resident_bytes() {
  unsigned long whole = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu %lu", &whole, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// The alternate screen of a terminal, without cursor and echo. Everything is as before when this object is gone.
class screen {
 public:
  screen(std::string title, const jj::engine_footprint& one, std::size_t engines)
      : title_(std::move(title)), one_(one), engines_(engines), began_(clock::now()), drawn_(began_) {
    changed_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (changed_) {
      termios quiet = before_;
      quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
      tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    put("\x1b[?1049h\x1b[?25l");
  }
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;
  ~screen() {
    put("\x1b[?25h\x1b[?1049l");
    if (changed_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  /// One write, over what is there: nothing flickers.
  void draw(report now) {
    read_size();
    const auto moment = clock::now();
    const double since = std::chrono::duration<double>(moment - drawn_).count();
    lines_.clear();
    add_heading(moment);
    add_counts(now, since > 0 ? since : 1);
    add_memory(now);
    add_top(now);
    std::string all = "\x1b[H";
    for (std::size_t at = 0; at < lines_.size() && at < rows_; ++at)
      all += (at != 0 ? "\r\n" : "") + lines_[at].substr(0, columns_) + "\x1b[K";
    put(all + "\x1b[J");
    before_counts_ = std::move(now);
    drawn_ = moment;
  }
  /// Waits, at most so long. True: the user pressed q.
  bool wait(int milliseconds) const {
    pollfd keys{changed_ ? STDIN_FILENO : -1, POLLIN, 0};
    char key = 0;
    return poll(&keys, 1, milliseconds) > 0 && read(STDIN_FILENO, &key, 1) == 1 && key == 'q';
  }

 private:
  using clock = std::chrono::steady_clock;

  static void put(const std::string& text) {
    if (write(STDOUT_FILENO, text.data(), text.size()) < 0) stopped = true;
  }
  void read_size() {
    winsize size{};
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0;
    rows_ = known ? size.ws_row : 24;
    columns_ = known ? size.ws_col : 80;
  }
  static std::string cell(const std::string& text, int width) {
    char padded[160];
    std::snprintf(padded, sizeof padded, "%*s", width, text.c_str());
    return padded;
  }
  void add_heading(clock::time_point now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
    char time[32];
    std::snprintf(time, sizeof time, "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                  static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
    lines_.push_back(title_ + "   " + time + "   q ends");
    lines_.emplace_back();
  }
  void add_rate(const char* name, std::uint64_t now, std::uint64_t before, double seconds) {
    const double rate = static_cast<double>(now - before) / seconds;
    lines_.push_back(cell(name, -10) + cell(scaled(rate, "/s"), 12) + cell(grouped(now), 22) + " in all");
  }
  template <std::size_t Count>
  void add_list(const char* name, const std::uint64_t (&counts)[Count], const char* const (&names)[Count]) {
    std::string line = cell(name, -10);
    for (std::size_t at = 0; at < Count; ++at)
      if (counts[at] != 0) line += "  " + std::string(names[at]) + " " + grouped(counts[at]);
    lines_.push_back(line);
  }
  void add_counts(const report& now, double seconds) {
    const report& then = before_counts_;
    add_rate("frames", now.frames(), then.frames(), seconds);
    add_rate("bits", now.bytes * 8, then.bytes * 8, seconds);
    add_rate("new flows", now.engine.flows_created, then.engine.flows_created, seconds);
    add_rate("dropped", now.dropped, then.dropped, seconds);
    add_list("verdicts", now.engine.frames, jj::verdict_names);
    add_list("ended", now.engine.rows, jj::end_reason_names);
  }
  std::string share(const char* name, std::uint64_t used, std::size_t one) const {
    const std::size_t whole = one * engines_;
    const double percent = whole != 0 ? 100.0 * static_cast<double>(used) / static_cast<double>(whole) : 0;
    char text[64];
    std::snprintf(text, sizeof text, "  %s %.*f %%", name, percent < 10 ? 1 : 0, percent);
    return text;
  }
  void add_memory(const report& now) {
    lines_.push_back(cell("open", -10) + "  " + grouped(now.engine.open_flows) + " flows  " +
                     scaled(resident_bytes(), "B") + " of memory");
    lines_.push_back(cell("pools", -10) + share("slots", now.engine.open_flows, one_.flow_slots) +
                     share("chunks", now.engine.used_chunks, one_.chunks) +
                     share("long flows", now.engine.used_long_states, one_.long_states) +
                     share("handshakes", now.engine.used_records, one_.records));
    lines_.emplace_back();
  }
  void add_top(report& now) {
    std::sort(now.top.begin(), now.top.end(), [](const top_flow& a, const top_flow& b) { return a.bytes > b.bytes; });
    const std::size_t before = lines_.size(), room = rows_ > before + 1 ? rows_ - before - 1 : 0;
    const std::size_t shown = std::min(room, now.top.size());
    std::size_t longest = 4;
    for (std::size_t at = 0; at < shown; ++at) longest = std::max(longest, now.top[at].ends.size());
    const int width = -static_cast<int>(std::min<std::size_t>(longest, 100));
    lines_.push_back(cell("bytes", 10) + cell("packets", 12) + "  " + cell("flow", width) + "  name");
    for (std::size_t at = 0; at < shown; ++at) {
      const top_flow& flow = now.top[at];
      lines_.push_back(cell(scaled(static_cast<double>(flow.bytes), "B"), 10) + cell(grouped(flow.packets), 12) + "  " +
                       cell(flow.ends, width) + "  " + flow.name);
    }
  }

  std::string title_;
  jj::engine_footprint one_;
  std::size_t engines_;
  std::size_t rows_ = 24, columns_ = 80;
  clock::time_point began_, drawn_;
  termios before_{};
  bool changed_ = false;
  report before_counts_;
  std::vector<std::string> lines_;
};

}  // namespace live

#endif  // JOYFULJAY_TOOLS_LIVE_HPP
