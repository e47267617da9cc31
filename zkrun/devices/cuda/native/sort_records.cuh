// What sorting field elements by their integers sorts in their place: records of a key of 32 bits
// and the row where the element lies, in one word of 64 bits.
//
// Keys order as the integers do, but integers may share one. Those below 2^31 have keys of their
// own. The few others that are small beside the modulus have their length in bits and the 22 bits
// behind the leading one, and the large ones their highest 30 bits, so that among n random elements
// some n^2 / 2^31 pairs are left that only the integers themselves tell apart.
#pragma once

#include "field.hpp"
#include "memory.cuh"

namespace zkrun {

inline constexpr int integer_words = 8;
inline constexpr int key_word = integer_words;  // a key's place behind the words of its integer
inline constexpr uint32_t first_shared_key = 1u << 31;  // keys below belong to one integer

struct Integer {
  uint32_t word[integer_words];
};

template <class P>
__device__ __forceinline__ Integer integer_of(const Fp<P>& x) {
  static_assert(2 * P::N == integer_words);
  uint32_t words[2 * integer_words] = {};
  ptx::to_words<P::N>(words, x.limb);
  Integer integer;
  reduce_words<P, 1>(integer.word, words);
  return integer;
}

__device__ __forceinline__ bool is_below(const Integer& a, const Integer& b) {
  ptx::sub_cc(a.word[0], b.word[0]);
  ZK_UNROLL
  for (int j = 1; j < integer_words; j++) ptx::subc_cc(a.word[j], b.word[j]);
  return ptx::subc(0, 0) != 0;
}

template <int bits>
__device__ __forceinline__ uint32_t key_of(const Integer& integer) {
  static_assert(bits == 254 || bits == 255, "the highest 30 bits are of the highest word");
  constexpr uint32_t shared_bits = 22;
  const uint32_t highest = integer.word[integer_words - 1] >> (bits - 254);
  if (highest >> shared_bits != 0) return 3u << 30 | highest;
  uint32_t high = 0, low = 0;  // the highest word that is not 0, and the one below it
  uint32_t place = 0;
  ZK_UNROLL
  for (int i = 0; i < integer_words; i++) {
    if (integer.word[i] == 0) continue;
    high = integer.word[i];
    low = i > 0 ? integer.word[i - 1] : 0;
    place = i;
  }
  const uint32_t zeros = __clz(static_cast<int>(high));
  if (place == 0 && high < first_shared_key) return high;
  const uint32_t length = 32 * place + 32 - zeros;
  const uint32_t behind = __funnelshift_l(low, high, zeros) << 1;
  return first_shared_key | length << shared_bits | behind >> (32 - shared_bits);
}

__device__ __forceinline__ uint64_t make_record(uint32_t key, uint32_t row) {
  return static_cast<uint64_t>(key) << 32 | row;
}
__device__ __forceinline__ uint32_t key_of(uint64_t record) {
  return static_cast<uint32_t>(record >> 32);
}
__device__ __forceinline__ uint32_t row_of(uint64_t record) {
  return static_cast<uint32_t>(record);
}

// The integer of a record of these elements.
template <class F>
__device__ __forceinline__ Integer integer_of(const DeviceView<F>& elements, uint64_t record) {
  return integer_of(load(elements.at(row_of(record))));
}

}  // namespace zkrun
