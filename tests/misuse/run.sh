#!/usr/bin/env bash
# Wrong configurations do not compile, and the compiler says why in a sentence that begins with "joyfuljay: Config".
# shellcheck source=tests/checks.sh disable=SC2034,SC2317  # `note` is read by check; functions are called by name
. "$(dirname "$0")/../checks.sh"
flags=(-std=c++17 -fsyntax-only "-I$root")
tried=0
inherits=': jj::default_config'
own_group='JOYFULJAY_GROUP(own) JOYFULJAY_FEATURE(int, iat_mean, "", "Named like one of timing.") { return 1; }'

compile() { # COMPILER MEMBER...: an engine with these members of its configuration; what the compiler says is in said
  {
    printf '%s\n' '#include "joyfuljay.hpp"' 'namespace jj = joyfuljay;' "struct own { $own_group };" "struct config $inherits {"
    printf '  %s\n' "${@:2}"
    printf '%s\n' '};' 'jj::engine<config> engine; using engine_type = jj::engine<config>;' \
      'void feed(const jj::frame& f, void (*use)(const engine_type::row&, void*)) {' \
      '  engine.feed(f, jj::callback_sink<engine_type::row>{use, nullptr});' '}'
  } > "$work/config.cpp"
  "$1" "${flags[@]}" "$work/config.cpp" > "$work/said" 2>&1
}
refused() { # COMPILER SENTENCE MEMBER...: the sentence is what follows "joyfuljay: Config"
  tried=$((tried + 1))
  if compile "$1" "${@:3}"; then
    echo "compiles: ${*:3}"
    return 1
  fi
  grep -qF "joyfuljay: Config$2" "$work/said" && return
  echo "no sentence about it: ${*:3}"
  grep -m 5 error "$work/said"
  return 1
}
size() { echo "static constexpr std::size_t $1 = $2;"; }
groups() { echo "using groups = jj::type_list<$1>;"; }
time_ns() { echo "static constexpr std::int64_t $1 = $2;"; }

wrong_configurations() { # COMPILER
  local all_well=0 name
  must() { refused "$1" "::$2" "${@:3}" || all_well=1; }
  compile "$1" || { cat "$work/said" && return 1; }
  compile "$1" "$(groups own)" || { cat "$work/said" && return 1; }
  must "$1" 'groups has two features of one name' "$(groups 'jj::timing, own')"
  must "$1" 'groups must be a list' 'using groups = jj::timing;'
  inherits='' refused "$1" ' must inherit joyfuljay::default_config' "$(size max_flows 4)" || all_well=1
  must "$1" 'max_flows must be' "$(size max_flows 0)"
  must "$1" 'max_flows must be' "$(size max_flows '(std::size_t{1} << 28)')"
  must "$1" 'log_chunks, sample_chunks, text_chunks' "$(size long_flows '(std::size_t{1} << 32)')"
  must "$1" 'max_fragments must be' "$(size max_fragments '(std::size_t{1} << 28)')"
  must "$1" 'sample_packets must be' "$(size sample_packets 0)"
  must "$1" 'sample_packets must be' "$(size sample_packets 1001)"
  must "$1" 'log_chunks must hold' "$(size log_chunks 36)"
  must "$1" 'sample_chunks must hold' "$(groups jj::entropy)" "$(size sample_chunks 1)"
  must "$1" 'entropy_sample_bytes must be' "$(groups jj::entropy)" "$(size entropy_sample_bytes 65536)"
  must "$1" 'max_sequence_length must be' "$(groups jj::gap_sequences)" "$(size max_sequence_length 128)"
  must "$1" 'max_sequence_length must be' "$(groups jj::splt_sequences)" "$(size max_sequence_length 0)"
  must "$1" 'max_hosts must be' "$(groups jj::connection)" "$(size max_hosts 0)"
  must "$1" 'max_edges and Config::max_pair_ports' "$(groups jj::connection)" "$(size max_edges '(std::size_t{1} << 28)')"
  must "$1" 'user_data must be' 'struct user_data { int verdict = 1; };'
  must "$1" 'groups has handshake_state' "$(groups jj::handshake_state)"
  must "$1" 'handshake_buffer_bytes must be' "$(groups jj::tls)" "$(size handshake_buffer_bytes 511)"
  must "$1" 'handshake_buffer_bytes must be' "$(groups jj::tls)" "$(size handshake_buffer_bytes 16385)"
  must "$1" 'handshake_buffers must be' "$(groups jj::tls)" "$(size handshake_buffers 65536)"
  must "$1" 'held_pieces must be' "$(groups jj::tls)" "$(size held_pieces 0)"
  must "$1" 'held_pieces must be' "$(groups jj::tls)" "$(size held_pieces 256)"
  must "$1" 'packet_effort must be' "$(groups jj::tls)" "$(size packet_effort 370)"
  must "$1" 'packet_effort must be' "$(groups jj::quic)" "$(size packet_effort "5'000'000'000")"
  must "$1" 'dns_steps must be' "$(groups jj::dns)" "$(size dns_steps 64)"
  must "$1" 'dns_steps must be' "$(groups jj::dns)" 'static constexpr int dns_steps = -1;'
  must "$1" 'max_name and max_protocol_name' "$(groups jj::tls)" "$(size max_name 7)"
  must "$1" 'max_name and max_protocol_name' "$(groups jj::ssh)" "$(size max_protocol_name 256)"
  must "$1" 'quic_connections must be' "$(groups jj::quic)" "$(size quic_connections 5)"
  for name in idle_timeout_ns active_timeout_ns tcp_linger_ns fragment_timeout_ns; do
    must "$1" 'idle_timeout_ns, active_timeout_ns, tcp_linger_ns' "$(time_ns "$name" -1)"
  done
  must "$1" 'burst_threshold_ns must not' "$(time_ns burst_threshold_ns -1)"
  must "$1" 'flow_packet_limit must be' 'static constexpr std::uint32_t flow_packet_limit = 0;'
  must "$1" 'flow_packet_limit must be' 'static constexpr std::uint64_t flow_packet_limit = 1ull << 40;'
  note="$tried refused"
  return "$all_well"
}
wrong_gxx() { wrong_configurations g++; }
wrong_clangxx() { wrong_configurations clang++; }

check wrong_gxx g++
tried=0
check wrong_clangxx clang++
exit $((failed > 0))
