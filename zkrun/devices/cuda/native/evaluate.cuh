// y = sum of a[i] x^i. No order within a tile is needed, and so one multiplication an element:
// thread t of a tile takes the elements t, t + 256, ... by Horner's rule in x^256.
#pragma once

#include "elementwise.cuh"
#include "field.hpp"
#include "last_block.cuh"
#include "memory.cuh"
#include "powers.cuh"
#include "shared_memory.cuh"

namespace zkrun {

inline constexpr int log_evaluation_threads = 8;
inline constexpr int evaluation_threads = 1 << log_evaluation_threads;
inline constexpr int evaluation_rows = 4;

template <class F>
struct Evaluation {
  DeviceView<F> a;
  const F* x;
  F* powers;  // of x^elements of a tile: numbers 0 to 256
  F* sums;    // one for each tile
  F* result;
  uint64_t log_rows;  // of a tile, of 256 elements: at least evaluation_rows
  uint64_t tiles;
  uint32_t* arrivals;  // 0: how many blocks are done, for the last one
};

// The sum over a block, for its first thread.
template <class F>
__device__ __forceinline__ F sum_block(F value, ulonglong2* shared) {
  put_spread(shared, evaluation_threads, threadIdx.x, value);
#pragma unroll 1
  for (uint32_t distance = evaluation_threads / 2; distance > 0; distance /= 2) {
    __syncthreads();
    if (threadIdx.x < distance) {
      value = value + get_spread<F>(shared, evaluation_threads, threadIdx.x + distance);
      put_spread(shared, evaluation_threads, threadIdx.x, value);
    }
  }
  return value;
}

template <class F>
__device__ __forceinline__ void evaluate_tile(const Evaluation<F>& job, F* powers,
                                              ulonglong2* memory) {
  fill_powers(powers, load(job.x), log_evaluation_threads);
  const uint64_t tile = blockIdx.x - 1;
  const uint64_t start = (tile << job.log_rows) * evaluation_threads + threadIdx.x;
  const F step = powers[evaluation_threads];
  F value = F::zero();
#pragma unroll 1
  for (uint64_t row = uint64_t{1} << job.log_rows; row > 0; row -= evaluation_rows) {
    F next[evaluation_rows];
    ZK_UNROLL
    for (int k = 0; k < evaluation_rows; k++) {
      next[k] = load_or_zero(job.a, start + (row - 1 - k) * evaluation_threads);
    }
    ZK_UNROLL
    for (int k = 0; k < evaluation_rows; k++) value = value * step + next[k];
  }
  value = sum_block(value * powers[threadIdx.x], memory);
  if (threadIdx.x == 0) store(job.sums + tile, value);
}

template <class F>
__device__ __forceinline__ void sum_tiles(const Evaluation<F>& job, ulonglong2* memory) {
  const F step = load(job.powers + evaluation_threads);
  F value = F::zero();
  uint64_t i = (job.tiles - 1) / evaluation_threads * evaluation_threads + threadIdx.x;
#pragma unroll 1
  for (bool more = true; more; i -= evaluation_threads) {
    value = value * step;
    if (i < job.tiles) value = value + load(job.sums + i);
    more = i >= evaluation_threads;
  }
  value = sum_block(value * load(job.powers + threadIdx.x), memory);
  if (threadIdx.x == 0) store(job.result, value);
}

// The first block fills the table of powers, each of the others takes a tile, the last one to be
// done sums up the tiles.
template <class F>
__global__ void __launch_bounds__(evaluation_threads) evaluate(const Evaluation<F> job) {
  __shared__ ulonglong2 memory[2 * evaluation_threads];
  __shared__ F powers[evaluation_threads + 1];
  if (blockIdx.x == 0) {
    const uint32_t log_tile = static_cast<uint32_t>(job.log_rows) + log_evaluation_threads;
    store_powers(job.powers, powers, job.x, log_tile, log_evaluation_threads);
  } else {
    evaluate_tile(job, powers, memory);
  }
  if (is_last_block(job.arrivals)) sum_tiles(job, memory);
}

}  // namespace zkrun
