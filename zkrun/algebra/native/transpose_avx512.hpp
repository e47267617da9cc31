// Eight elements of 4 or 6 words in memory, as vectors of their words, and back.
//
// `row(i)` is the address of element i. Word w of element i is lane i of words[w].
#pragma once

#include <immintrin.h>

#include "platform.hpp"

namespace zkrun {

// Four words: two rows a register, split by word with two-register permutes, then joined.
template <class Row>
ZK_INLINE void load_rows4(__m512i* words, Row row) {
  __m512i pair[4];
  ZK_UNROLL
  for (int i = 0; i < 4; i++) {
    const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row(2 * i)));
    const __m256i odd = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row(2 * i + 1)));
    pair[i] = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
  }
  const __m512i words01 = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
  const __m512i words23 = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i first01 = _mm512_permutex2var_epi64(pair[0], words01, pair[1]);
  const __m512i first23 = _mm512_permutex2var_epi64(pair[0], words23, pair[1]);
  const __m512i last01 = _mm512_permutex2var_epi64(pair[2], words01, pair[3]);
  const __m512i last23 = _mm512_permutex2var_epi64(pair[2], words23, pair[3]);
  words[0] = _mm512_shuffle_i64x2(first01, last01, 0x44);
  words[1] = _mm512_shuffle_i64x2(first01, last01, 0xee);
  words[2] = _mm512_shuffle_i64x2(first23, last23, 0x44);
  words[3] = _mm512_shuffle_i64x2(first23, last23, 0xee);
}

template <class Row>
ZK_INLINE void store_rows4(const __m512i* words, Row row) {
  const __m512i evens = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
  const __m512i odds = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i first01 = _mm512_shuffle_i64x2(words[0], words[1], 0x44);
  const __m512i last01 = _mm512_shuffle_i64x2(words[0], words[1], 0xee);
  const __m512i first23 = _mm512_shuffle_i64x2(words[2], words[3], 0x44);
  const __m512i last23 = _mm512_shuffle_i64x2(words[2], words[3], 0xee);
  const __m512i pair[4] = {_mm512_permutex2var_epi64(first01, evens, first23),
                           _mm512_permutex2var_epi64(first01, odds, first23),
                           _mm512_permutex2var_epi64(last01, evens, last23),
                           _mm512_permutex2var_epi64(last01, odds, last23)};
  ZK_UNROLL
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row(2 * i)), _mm512_castsi512_si256(pair[i]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row(2 * i + 1)),
                        _mm512_extracti64x4_epi64(pair[i], 1));
  }
}

// Six words: pairs of rows are interleaved word by word, then 128-bit blocks are collected.
template <class Row>
ZK_INLINE void load_rows6(__m512i* words, Row row) {
  __m512i low[4], high[4];  // of rows 2i and 2i + 1: words 0, 2, 4 and words 1, 3, 5
  ZK_UNROLL
  for (int i = 0; i < 4; i++) {
    const __m512i even = _mm512_maskz_loadu_epi64(0x3f, row(2 * i));
    const __m512i odd = _mm512_maskz_loadu_epi64(0x3f, row(2 * i + 1));
    low[i] = _mm512_unpacklo_epi64(even, odd);
    high[i] = _mm512_unpackhi_epi64(even, odd);
  }
  const auto collect = [words](const __m512i* half, int first) __attribute__((always_inline)) {
    const __m512i outer0 = _mm512_shuffle_i64x2(half[0], half[1], 0x88);  // blocks 0, 2
    const __m512i outer1 = _mm512_shuffle_i64x2(half[2], half[3], 0x88);
    const __m512i middle0 = _mm512_shuffle_i64x2(half[0], half[1], 0x55);  // block 1, twice
    const __m512i middle1 = _mm512_shuffle_i64x2(half[2], half[3], 0x55);
    words[first] = _mm512_shuffle_i64x2(outer0, outer1, 0x88);
    words[first + 2] = _mm512_shuffle_i64x2(middle0, middle1, 0x88);
    words[first + 4] = _mm512_shuffle_i64x2(outer0, outer1, 0xdd);
  };
  collect(low, 0);
  collect(high, 1);
}

template <class Row>
ZK_INLINE void store_rows6(const __m512i* words, Row row) {
  ZK_UNROLL
  for (int w = 0; w < 6; w += 2) {
    const __m512i even = _mm512_unpacklo_epi64(words[w], words[w + 1]);
    const __m512i odd = _mm512_unpackhi_epi64(words[w], words[w + 1]);
    const auto put = [&](int i, __m128i block) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(row(i) + w), block);
    };
    put(0, _mm512_castsi512_si128(even));
    put(1, _mm512_castsi512_si128(odd));
    put(2, _mm512_extracti64x2_epi64(even, 1));
    put(3, _mm512_extracti64x2_epi64(odd, 1));
    put(4, _mm512_extracti64x2_epi64(even, 2));
    put(5, _mm512_extracti64x2_epi64(odd, 2));
    put(6, _mm512_extracti64x2_epi64(even, 3));
    put(7, _mm512_extracti64x2_epi64(odd, 3));
  }
}

template <int N, class Row>
ZK_INLINE void load_rows(__m512i* words, Row row) {
  static_assert(N == 4 || N == 6);
  if constexpr (N == 4) {
    load_rows4(words, row);
  } else {
    load_rows6(words, row);
  }
}

template <int N, class Row>
ZK_INLINE void store_rows(const __m512i* words, Row row) {
  static_assert(N == 4 || N == 6);
  if constexpr (N == 4) {
    store_rows4(words, row);
  } else {
    store_rows6(words, row);
  }
}

}  // namespace zkrun
