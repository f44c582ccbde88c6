// several_engines: the flows of one program shared out among several engines. Used by jj.
//
//   make_engine     an engine in memory that is touched when it is needed, in large pages
//   add_up          what engines say of themselves, together
//   flow_splitter   which engine a frame belongs to
//   frame_batch     frames on their way to an engine, bytes and all
//   handover        batches from one thread to another
#ifndef JOYFULJAY_TOOLS_SEVERAL_ENGINES_HPP
#define JOYFULJAY_TOOLS_SEVERAL_ENGINES_HPP

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "joyfuljay.hpp"

namespace several {
namespace jj = joyfuljay;

/// Memory that the system fills with zeros when it is first touched, in large pages where it has them: the flows of a
/// large table lie anywhere in it, and a small page for each would cost the processor's address cache more than the
/// memory itself. It stays until the program ends. Null: there is none.
inline void* zeroed_pages(std::size_t bytes) {
#if defined(__linux__)
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: kernels without them refuse it
  return memory;
#else
  return std::calloc(1, bytes);
#endif
}

/// An engine in such pages: all zeros is how an engine starts, and an object of this kind needs no constructor to begin
/// its life [basic.types, implicit-lifetime]. Null: no memory.
template <class Engine> Engine* make_engine() {
  static_assert(std::is_trivially_copyable_v<Engine> && std::is_trivially_destructible_v<Engine>);
  return static_cast<Engine*>(zeroed_pages(sizeof(Engine)));
}

/// Adds the counters and the pools in use. The fullest moments of engines are not the same moment: they stay 0.
inline void add_up(jj::engine_statistics& sum, const jj::engine_statistics& one) {
  for (std::size_t at = 0; at < jj::verdict_count; ++at) sum.frames[at] += one.frames[at];
  for (std::size_t at = 0; at < jj::end_reason_count; ++at) sum.rows[at] += one.rows[at];
  sum.flows_created += one.flows_created;
  sum.evicted_for_slot += one.evicted_for_slot;
  sum.evicted_for_chunk += one.evicted_for_chunk;
  sum.evicted_for_long_state += one.evicted_for_long_state;
  sum.open_flows += one.open_flows;
  sum.used_chunks += one.used_chunks;
  sum.used_long_states += one.used_long_states;
  sum.used_records += one.used_records;
}

/// All packets of a flow belong to one engine. Later fragments have no ports: the splitter remembers first fragments as
/// an engine does, in a table as large, so that they go where their first went and find it there.
template <class Config> class flow_splitter {
 public:
  flow_splitter(const jj::hash_key& secret, std::size_t engines) : secret_(secret), engines_(engines) {}

  /// Frames that belong to no flow go to the first engine, which counts them.
  std::size_t engine_of(const jj::frame& frame) {
    jj::packet p;
    if (engines_ == 1 || jj::parse_frame<Config::link>(frame, p) != jj::verdict::counted) return 0;
    if (p.is_first_fragment) fragments_->remember(secret_, p);
    if (p.is_later_fragment) fragments_->complete(secret_, p, Config::fragment_timeout_ns);
    const jj::detail::flow_key key = jj::detail::packet_key::of(p).key;
    const std::uint64_t hash = Config::keyed_hash::hash(secret_, key.word, key.words());
    return static_cast<std::size_t>(hash * engines_ >> 32);
  }

 private:
  using fragment_table = jj::detail::fragment_table<Config::max_fragments, typename Config::keyed_hash>;
  jj::hash_key secret_;
  std::size_t engines_;
  std::unique_ptr<fragment_table> fragments_ = std::make_unique<fragment_table>();
};

/// Copies of frames, each with the number that it has in its capture.
class frame_batch {
 public:
  frame_batch() {
    bytes_.reserve(most_bytes);
    frames_.reserve(most_frames);
    numbers_.reserve(most_frames);
  }
  /// One frame of any length always fits.
  bool has_room_for(const jj::frame& frame) const {
    return frames_.empty() || (frames_.size() < most_frames && bytes_.size() + frame.captured <= most_bytes);
  }
  void add(const jj::frame& frame, std::uint64_t number) {
    const std::size_t before = bytes_.size();
    bytes_.insert(bytes_.end(), frame.data, frame.data + frame.captured);
    frames_.push_back(frame);
    frames_.back().data = bytes_.data() + before;
    numbers_.push_back(number);
  }
  void clear() {
    bytes_.clear();
    frames_.clear();
    numbers_.clear();
  }
  const std::vector<jj::frame>& frames() const { return frames_; }
  const std::vector<std::uint64_t>& numbers() const { return numbers_; }

 private:
  static constexpr std::size_t most_bytes = std::size_t{1} << 17, most_frames = 1024;
  std::vector<std::uint8_t> bytes_;  // moves only while there is no other frame in it
  std::vector<jj::frame> frames_;
  std::vector<std::uint64_t> numbers_;
};

/// Batches in the order in which they were put. There are as many of them as somebody made.
class handover {
 public:
  using item = std::unique_ptr<frame_batch>;

  void put(item batch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(batch));
    filled_.notify_one();
  }
  /// Waits for one.
  item take() {
    std::unique_lock<std::mutex> lock(mutex_);
    filled_.wait(lock, [&] { return !waiting_.empty(); });
    item first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<item> waiting_;
};

}  // namespace several

#endif  // JOYFULJAY_TOOLS_SEVERAL_ENGINES_HPP
