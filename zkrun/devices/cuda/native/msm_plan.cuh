// How a multi-scalar multiplication is cut up, and what its kernels agree on.
//
//  1. Bases get a table of beta x, so that lambda P costs no multiplication (msm_digits.cuh).
//  2. Each scalar becomes k1 + k2 lambda, and both halves signed digits of c bits. With every digit
//     goes a code for its summand, +-P or +-lambda P; zero digits have none.
//  3. Codes are sorted by window and bucket, |digit| - 1, in two passes of counting sort
//     (msm_sort.cuh).
//  4. The sorted codes are cut into segments of equal length, one a thread, whatever the sizes of
//     the buckets, and summed up (msm_accumulate.cuh).
//  5. Buckets are summed by the bits of their index, windows by doublings (msm_reduce.cuh).
//
// With multiples of the bases at hand, 2^(c j) P for every digit j, all digits of a scalar go to
// the buckets of one window: fewer buckets, which can be more and smaller then, and no doublings
// at the end. `points` counts these multiples, of digit 0 first (msm_multiples.cuh).
//
// Bases must be in the subgroup of order r: the endomorphism is multiplication by lambda only
// there. Several scalar vectors over the same bases are more windows, until the last kernel.
#pragma once

#include "memory.cuh"
#include "platform.hpp"

namespace zkrun {

constexpr int max_vectors_at_once = 8;

// The members are those of PLAN in functions/msm.py.
struct MsmPlan {
  uint32_t points;       // summands that codes tell apart: bases in use, or their multiples
  uint32_t bases;        // in use
  uint32_t digits;       // of half a scalar
  uint32_t vectors;      // scalar vectors in this pass, at most max_vectors_at_once
  uint32_t windows;      // of each vector: as many as digits, or 1 with multiples
  uint32_t window_bits;  // c
  uint32_t coarse_bits;  // of a bucket's index: those of the first sorting pass
  uint32_t fine_bits;    // and of the second; together c - 1

  __device__ uint32_t rows() const { return 2 * points; }
  __device__ uint32_t all_windows() const { return vectors * windows; }
  __device__ uint32_t buckets() const { return 1u << (window_bits - 1); }  // of a window
  __device__ uint32_t partitions() const { return all_windows() << coarse_bits; }
};

// A digit of base i: bit 0 says that it is negative, bit 1 that it belongs to lambda P.
__device__ __forceinline__ uint32_t make_code(uint32_t base, bool endomorphism, bool negative) {
  return base << 2 | static_cast<uint32_t>(endomorphism) << 1 | static_cast<uint32_t>(negative);
}

// Threads of the kernels that sort, and digits that a block takes at once.
constexpr int sort_threads = 512;
constexpr int tile_items = 16;
constexpr int tile_size = sort_threads * tile_items;

}  // namespace zkrun
