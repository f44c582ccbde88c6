// Fuzz target: any bytes as frames of every link type. What the parser makes of a frame must lie inside it, must not
// depend on what stood in the packet before, must be what the code for that link type alone makes of it, and is what an
// engine counts.
//
// Input: see frame_commands.hpp.
#include <cstring>

#include "joyfuljay.hpp"
#include "tests/audit.hpp"
#include "tests/fuzz/frame_commands.hpp"
#include "tests/fuzz/must.hpp"
#include "tests/packets.hpp"

namespace jj = joyfuljay;

namespace {

struct any_link : jj::default_config {
  using groups = jj::type_list<jj::flow_totals, jj::tcp>;
  static constexpr std::size_t max_flows = 8;
  static constexpr std::size_t max_fragments = 2;
  static constexpr jj::link_type link = jj::link_type::per_frame;
};

/// As the parser may find it: filled by another frame.
jj::packet used_packet() {
  jj::packet p;
  std::memset(static_cast<void*>(&p), 1, sizeof p);
  return p;
}
/// The verdict, once it is sure that both ways to parse the frame agree.
jj::verdict parse(const jj::frame& f) {
  jj::packet p{}, by_fixed_link = used_packet();
  const jj::verdict what = jj::parse_frame<jj::link_type::per_frame>(f, p);
  const jj::verdict fixed = packets::parse_with_fixed_link(f, by_fixed_link);
  if (what == jj::verdict::unknown_link) {
    must(fixed == jj::verdict::refused);
    return what;
  }
  must(what == fixed && what != jj::verdict::refused);
  if (what != jj::verdict::counted) return what;
  must(packets::is_sound(p, f.data, f.captured));
  must(packets::same(p, f.data, by_fixed_link, f.data));
  return what;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using frame_commands::command;
  static jj::engine<any_link> engine;
  std::memset(static_cast<void*>(&engine), 0, sizeof engine);
  if (size == 0) return 0;
  ++data, --size;  // the settings of an engine with more to set
  audit::account seen;
  std::int64_t now_ns = 0;
  while (size >= command::header) {
    const command next(data, size, now_ns);
    const frame_commands::exact_frame exact(next, now_ns);
    must(seen.note(engine.feed(exact.frame, seen)).what == parse(exact.frame));
    data += next.length();
    size -= next.length();
  }
  engine.flush(seen);
  if (const char* const wrong = audit::fault(engine, seen)) must_not(wrong);
  return 0;
}
