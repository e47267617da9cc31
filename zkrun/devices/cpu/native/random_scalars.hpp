// Uniform field elements from a key: what Blind writes.
#pragma once

#include <cstring>

#include "chacha20.hpp"
#include "wide_reduce.hpp"

namespace zkrun {

namespace detail {

// Which block each lane makes, so that the words of two lanes that are joined to 64 bits come out
// in the order of the elements.
inline constexpr StreamWord stream_places =
#if defined(__AVX512IFMA__)
    {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
#elif defined(__AVX512F__)
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(__AVX2__)
    {0, 1, 2, 3, 4, 5, 6, 7};
#else
    {0, 1, 2, 3};
#endif

// The elements of the blocks `first` to `first` + stream_lanes.
template <class F>
ZK_INLINE void draw_lanes(F* to, uint64_t first, const KeyStream& stream,
                          const WideReduction<F>& reduced) {
  StreamWord x[16];
  stream.blocks(x, first, stream_places);
#ifdef __AVX512IFMA__
  __m512i low[8], high[8];  // 64-bit words of the first eight elements, and of the others
  ZK_UNROLL
  for (int w = 0; w < 8; w++) {
    const __m512i even = reinterpret_cast<__m512i>(x[2 * w]);
    const __m512i odd = reinterpret_cast<__m512i>(x[2 * w + 1]);
    low[w] = _mm512_unpacklo_epi32(even, odd);
    high[w] = _mm512_unpackhi_epi32(even, odd);
  }
  reduced(low).store_unconverted(to);
  reduced(high).store_unconverted(to + 8);
#else
  typedef uint64_t Word __attribute__((vector_size(8 * stream_lanes)));
  Word words[8];
  ZK_UNROLL
  for (int w = 0; w < 8; w++) {
    words[w] = __builtin_convertvector(x[2 * w], Word) |
               __builtin_convertvector(x[2 * w + 1], Word) << 32;
  }
  for (int lane = 0; lane < stream_lanes; lane++) {
    F low, high;
    for (int w = 0; w < 4; w++) low.limb[w] = words[w][lane], high.limb[w] = words[4 + w][lane];
    to[lane] = reduced(low, high);
  }
#endif
}

// Not part of its caller, so that what it leaves on the stack lies below the caller's frame.
template <class F>
ZK_NOINLINE void draw(F* to, size_t count, uint64_t first, const KeyStream& stream,
                      const WideReduction<F>& reduced) {
  constexpr size_t lanes = stream_lanes;
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) draw_lanes(to + i, first + i, stream, reduced);
  if (i == count) return;
  F rest[lanes];
  draw_lanes(rest, first + i, stream, reduced);
  std::memcpy(static_cast<void*>(to + i), rest, (count - i) * sizeof(F));
}

// Overwrites what a call that has just returned left on the stack, in up to 8 KiB.
inline ZK_NOINLINE void wipe_stack() {
  unsigned char left[8192];
  std::memset(left, 0, sizeof left);
  asm volatile("" : : "r"(left) : "memory");
}

}  // namespace detail

// a[i] = block `first` + i of the key stream, a little-endian integer, mod p.
template <class F>
void random_scalars(const Context& context, const View& a, const unsigned char* key,
                    uint64_t number, uint64_t first) {
  const Elements<F> elements(a);
  const KeyStream stream(key, number);
  const WideReduction<F> reduced;
  parallel_for(context, elements.size(), elementwise_grain, [&](size_t begin, size_t end) {
    uint64_t block = first + begin;
    for_each_run(
        begin, end,
        [&](size_t count, F* to) {
          detail::draw(to, count, block, stream, reduced);
          block += count;
        },
        elements);
    detail::wipe_stack();
  });
}

}  // namespace zkrun
