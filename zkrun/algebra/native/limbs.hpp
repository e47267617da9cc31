// Carry arithmetic on little-endian arrays of 64-bit limbs, for hosts and CUDA devices.
#pragma once

#include "platform.hpp"

#if defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif

namespace zkrun {

// a + b + carry; carry, 0 or 1, becomes the carry out.
ZK_HD ZK_INLINE uint64_t add_carry(uint64_t a, uint64_t b, unsigned char& carry) {
#if defined(__x86_64__) && !defined(__CUDACC__)
  unsigned long long sum;
  carry = _addcarry_u64(carry, a, b, &sum);
  return sum;
#else
  const uint64_t partial = a + b;
  const uint64_t sum = partial + carry;
  carry = static_cast<unsigned char>((partial < a) | (sum < partial));
  return sum;
#endif
}

// a - b - borrow; borrow, 0 or 1, becomes the borrow out.
ZK_HD ZK_INLINE uint64_t sub_borrow(uint64_t a, uint64_t b, unsigned char& borrow) {
#if defined(__x86_64__) && !defined(__CUDACC__)
  unsigned long long difference;
  borrow = _subborrow_u64(borrow, a, b, &difference);
  return difference;
#else
  const uint64_t partial = a - b;
  const uint64_t difference = partial - borrow;
  borrow = static_cast<unsigned char>((a < b) | (partial < borrow));
  return difference;
#endif
}

// The low half of a * b + c + carry, which fits in 128 bits; carry becomes the high half.
ZK_HD ZK_INLINE uint64_t multiply_add(uint64_t a, uint64_t b, uint64_t c, uint64_t& carry) {
#if defined(__CUDA_ARCH__)
  const uint64_t low = a * b;
  uint64_t high = __umul64hi(a, b);
  const uint64_t partial = low + c;
  high += partial < low;
  const uint64_t sum = partial + carry;
  high += sum < partial;
  carry = high;
  return sum;
#else
  __extension__ using uint128 = unsigned __int128;
  const uint128 product = static_cast<uint128>(a) * b + c + carry;
  carry = static_cast<uint64_t>(product >> 64);
  return static_cast<uint64_t>(product);
#endif
}

// Whether a < b.
template <int N>
ZK_HD ZK_INLINE bool less_than(const uint64_t* a, const uint64_t* b) {
  unsigned char borrow = 0;
  ZK_UNROLL
  for (int i = 0; i < N; i++) sub_borrow(a[i], b[i], borrow);
  return borrow != 0;
}

}  // namespace zkrun
