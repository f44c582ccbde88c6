// event_counters: instructions and cache misses of a stretch of code, counted by the processor where Linux lets a program
// ask for it (perf_event_open; virtual machines and containers often do not).
#ifndef JOYFULJAY_TOOLS_EVENT_COUNTERS_HPP
#define JOYFULJAY_TOOLS_EVENT_COUNTERS_HPP

#include <cstdint>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace event_counters {

/// One event of this process, user code only. Says by itself whether it can be counted.
class counter {
 public:
#if defined(__linux__)
  counter(std::uint32_t type, std::uint64_t event) {
    perf_event_attr wanted{};
    wanted.size = sizeof wanted;
    wanted.type = type;
    wanted.config = event;
    wanted.exclude_kernel = 1;  // all that the usual perf_event_paranoid of 2 allows
    wanted.exclude_hv = 1;
    wanted.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    file_ = static_cast<int>(syscall(SYS_perf_event_open, &wanted, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  }
  ~counter() {
    if (file_ >= 0) close(file_);
  }
  /// Counted since this was made; when events share a counter, the kernel's share is scaled up.
  double read_now() const {
    std::uint64_t values[3] = {};  // count, time enabled, time running
    if (file_ < 0 || read(file_, values, sizeof values) != static_cast<ssize_t>(sizeof values) || values[2] == 0)
      return 0;
    return static_cast<double>(values[0]) * (static_cast<double>(values[1]) / static_cast<double>(values[2]));
  }
#else
  counter(std::uint32_t, std::uint64_t) {}
  double read_now() const { return 0; }
#endif
  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;
  bool counts() const { return file_ >= 0; }

 private:
  int file_ = -1;
};

/// The two events that a benchmark prints. `use_software` takes two that any kernel counts, to try the path where the
/// processor's are not to be had: nanoseconds of processor time, and page faults.
class pair {
 public:
#if defined(__linux__)
  explicit pair(bool use_software)
      : instructions(type(use_software), event(use_software, PERF_COUNT_SW_TASK_CLOCK, PERF_COUNT_HW_INSTRUCTIONS)),
        cache_misses(type(use_software), event(use_software, PERF_COUNT_SW_PAGE_FAULTS, PERF_COUNT_HW_CACHE_MISSES)) {}
#else
  explicit pair(bool) : instructions(0, 0), cache_misses(0, 0) {}
#endif
  bool counts() const { return instructions.counts() && cache_misses.counts(); }

#if defined(__linux__)
 private:
  static std::uint32_t type(bool use_software) { return use_software ? PERF_TYPE_SOFTWARE : PERF_TYPE_HARDWARE; }
  static std::uint64_t event(bool use_software, std::uint64_t software, std::uint64_t hardware) {
    return use_software ? software : hardware;
  }

 public:
#endif
  counter instructions, cache_misses;
};

}  // namespace event_counters

#endif  // JOYFULJAY_TOOLS_EVENT_COUNTERS_HPP
