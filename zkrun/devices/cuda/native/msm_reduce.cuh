// The weighted sum of a window's buckets, sum of (index + 1) B_index, and of the windows.
//
// With S_t the sum of the buckets whose index has bit t, and A the sum of all, it is
// A + sum of 2^t S_t. Over 2^k neighbouring buckets keep A and S_0 .. S_(k - 1); two neighbours
// make one of 2^(k + 1) by adding these, with S_k the upper one's A. That is two additions a bucket
// in all, every step of it wide.
#pragma once

#include "group.hpp"
#include "msm_plan.cuh"

namespace zkrun {

// Nodes that a block folds, as a power of two: 32 KiB of shared memory or less.
template <class F>
struct FoldShape {
  static constexpr int bits = sizeof(F) <= 32 ? 8 : sizeof(F) <= 64 ? 7 : 6;
  static constexpr int nodes = 1 << bits;
  static constexpr int threads = nodes / 2;
};

// Folds blocks of 2^bits points. all[window, block] is the sum of a block;
// by_bit[(window * bits + t) * blocks + block] the sum of those whose index has bit t.
//
// Blocks: blocks of a window by windows. With bucket_starts, points of empty buckets are not read.
template <class Group>
__global__ void __launch_bounds__(FoldShape<typename Group::Field>::threads)
    fold_points(Xyzz<typename Group::Field>* all, Xyzz<typename Group::Field>* by_bit,
                const Xyzz<typename Group::Field>* points, const uint32_t* bucket_starts,
                uint32_t bits) {
  using F = typename Group::Field;
  using Point = Xyzz<F>;
  __shared__ Point nodes[FoldShape<F>::nodes];
  const uint32_t window = blockIdx.y, block = blockIdx.x, blocks = gridDim.x;
  const uint64_t first = (static_cast<uint64_t>(window) * blocks + block) << bits;
  for (uint32_t i = threadIdx.x; i < 1u << bits; i += blockDim.x) {
    const bool empty = bucket_starts != nullptr &&
                       bucket_starts[first + i] == bucket_starts[first + i + 1];
    nodes[i] = empty ? Point::infinity() : load(points + first + i);
  }
  __syncthreads();

  // Node i of level k holds S_0 .. S_(k - 1) and A at nodes[i (k + 1)] and up.
  ZK_NO_UNROLL
  for (uint32_t level = 0; level < bits; level++) {
    const uint32_t sums = level + 1;
    const uint32_t node = threadIdx.x / sums, sum = threadIdx.x % sums;
    const bool active = node < 1u << (bits - level - 1);
    Point upper, both;
    if (active) {
      upper = nodes[(2 * node + 1) * sums + sum];
      both = nodes[2 * node * sums + sum] + upper;
    }
    __syncthreads();
    if (active) {
      Point* const target = nodes + node * (sums + 1);
      target[sum == level ? sum + 1 : sum] = both;
      if (sum == level) target[level] = upper;
    }
    __syncthreads();
  }

  for (uint32_t i = threadIdx.x; i <= bits; i += blockDim.x) {
    Point* const target = i == bits ? all + static_cast<uint64_t>(window) * blocks + block
                                    : by_bit + (window * bits + i) * blocks + block;
    store(target, nodes[i]);
  }
}

constexpr int sum_threads = 64;

// sums[window, first_bit + t] = sum over blocks of by_bit[window, t, block]. Blocks of threads: bits
// by windows; sums has `stride` points a window.
template <class Group>
__global__ void __launch_bounds__(sum_threads)
    sum_blocks(Xyzz<typename Group::Field>* sums, const Xyzz<typename Group::Field>* by_bit,
               uint32_t blocks, uint32_t first_bit, uint32_t stride) {
  using Point = Xyzz<typename Group::Field>;
  __shared__ Point partial[sum_threads];
  const uint32_t bits = gridDim.x, bit = blockIdx.x, window = blockIdx.y;
  const Point* const points = by_bit + static_cast<uint64_t>(window * bits + bit) * blocks;
  Point sum = Point::infinity();
  ZK_NO_UNROLL
  for (uint32_t i = threadIdx.x; i < blocks; i += blockDim.x) sum = sum + load(points + i);
  ZK_NO_UNROLL
  for (uint32_t width = sum_threads / 2; width > 0; width /= 2) {
    if (width >= blocks) continue;  // the upper half is infinity
    partial[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x < width) sum = sum + partial[threadIdx.x + width];
    __syncthreads();
  }
  if (threadIdx.x == 0) store(sums + window * stride + first_bit + bit, sum);
}

template <class Group>
struct Results {
  Affine<typename Group::Field>* vector[max_vectors_at_once];
};

// results[vector] = sum over windows w of 2^(c w) (all[w] + sum of 2^t sums[w, t]), with a thread a
// window first, of at most 32 windows. One block of 32 threads a vector.
template <class Group>
__global__ void __launch_bounds__(32)
    add_windows(Results<Group> results, const Xyzz<typename Group::Field>* sums, const Xyzz<typename Group::Field>* all,
                uint32_t windows, uint32_t window_bits) {
  using Point = Xyzz<typename Group::Field>;
  __shared__ Point window_sums[32];
  const uint32_t vector = blockIdx.x, lane = threadIdx.x, bits = window_bits - 1;
  if (lane < windows) {
    const uint32_t window = vector * windows + lane;
    Point sum = Point::infinity();
    ZK_NO_UNROLL
    for (uint32_t t = bits; t-- > 0;) sum = sum.dbl() + load(sums + window * bits + t);
    window_sums[lane] = sum + load(all + window);
  }
  __syncthreads();
  if (lane != 0) return;
  Point sum = window_sums[windows - 1];
  ZK_NO_UNROLL
  for (uint32_t window = windows - 1; window-- > 0;) {
    ZK_NO_UNROLL
    for (uint32_t t = 0; t < window_bits; t++) sum = sum.dbl();
    sum = sum + window_sums[window];
  }
  store(results.vector[vector], sum.to_affine());
}

}  // namespace zkrun
