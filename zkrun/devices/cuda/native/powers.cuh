// Tables of powers, by one block, in as few steps one after the other as can be.
#pragma once

#include "field.hpp"
#include "memory.cuh"

namespace zkrun {

// base^(2^count)
template <class F>
__device__ __forceinline__ F square_often(F base, uint32_t count) {
#pragma unroll 1
  for (uint32_t i = 0; i < count; i++) base = base.square();
  return base;
}

// table[i] = base^i for i <= 2^log_size, in shared memory, by all threads of a block of at least
// half as many: each step doubles how many are known.
template <class F>
__device__ __forceinline__ void fill_powers(F* table, const F& base, uint32_t log_size) {
  const uint32_t thread = threadIdx.x;
  if (thread == 0) table[0] = F::one();
  if (thread == 1) table[1] = base;
#pragma unroll 1
  for (uint32_t level = 0; level < log_size; level++) {
    __syncthreads();
    const uint32_t known = 1u << level;  // and base^known too
    if (thread > 0 && thread <= known) table[known + thread] = table[known] * table[thread];
  }
  __syncthreads();
}

// stored[i] = x^(i 2^log_step) for i <= 2^log_size, by way of a table in shared memory, by a block
// as above. One warp squares: the others would only take turns with it.
template <class F>
__device__ __forceinline__ void store_powers(F* stored, F* table, const F* x, uint32_t log_step,
                                             uint32_t log_size) {
  F base = F::one();
  if (threadIdx.x < 32) base = square_often(load(x), log_step);
  fill_powers(table, base, log_size);
  for (uint32_t i = threadIdx.x; i <= 1u << log_size; i += blockDim.x) store(stored + i, table[i]);
}

}  // namespace zkrun
