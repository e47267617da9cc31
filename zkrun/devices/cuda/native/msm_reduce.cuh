// The weighted sum of a window's buckets, sum of (index + 1) B_index, and of the windows.
//
// With S_t the sum of the buckets whose index has bit t, and A the sum of all, it is
// A + sum of 2^t S_t. Over 2^k neighbouring buckets keep A and S_0 .. S_(k - 1); two neighbours
// make one of 2^(k + 1) by adding these, with S_k the upper one's A. That is two additions a bucket
// in all, every step of it wide.
#pragma once

#include "group.hpp"
#include "inversion.cuh"
#include "loose_field.cuh"
#include "msm_plan.cuh"
#include "team.cuh"

namespace zkrun {

// Nodes that a block folds, as a power of two: 32 KiB of shared memory or less.
template <class F>
struct FoldShape {
  static constexpr int bits = sizeof(F) <= 32 ? 8 : sizeof(F) <= 64 ? 7 : 6;
  static constexpr int nodes = 1 << bits;
  static constexpr int threads = nodes / 2;
};

// Points in shared memory, by 16-byte words of the same rank: lanes that take neighbouring points
// take neighbouring words.
template <class Point, int count>
struct SharedPoints {
  static constexpr int words_each = sizeof(Point) / 16;
  ulonglong2* words;

  __device__ __forceinline__ Point get(uint32_t index) const {
    Point point;
    uint64_t* const target = reinterpret_cast<uint64_t*>(&point);
    ZK_UNROLL
    for (int i = 0; i < words_each; i++) {
      const ulonglong2 pair = words[i * count + index];
      target[2 * i] = pair.x;
      target[2 * i + 1] = pair.y;
    }
    return point;
  }
  __device__ __forceinline__ void set(uint32_t index, const Point& point) const {
    const uint64_t* const source = reinterpret_cast<const uint64_t*>(&point);
    ZK_UNROLL
    for (int i = 0; i < words_each; i++) {
      words[i * count + index] = make_ulonglong2(source[2 * i], source[2 * i + 1]);
    }
  }
};

// Folds blocks of 2^bits points. all[window, block] is the sum of a block;
// by_bit[(window * bits + t) * blocks + block] the sum of those whose index has bit t.
//
// Blocks: blocks of a window by windows. With bucket_starts, points of empty buckets are not read.
//
// Stack frame of fold_points<G2<*>>: that is where it spills.
// Spills in fold_points<G2<*>>: two sums have 128 or 192 words, in 255 registers.
template <class Group>
__global__ void __launch_bounds__(FoldShape<typename Group::Field>::threads)
    fold_points(Xyzz<typename Group::Field>* all, Xyzz<typename Group::Field>* by_bit,
                const Xyzz<typename Group::Field>* points, const uint32_t* bucket_starts,
                uint32_t bits) {
  using F = typename Group::Field;
  using Point = Xyzz<F>;
  __shared__ ulonglong2 words[FoldShape<F>::nodes * sizeof(Point) / 16];
  const SharedPoints<Point, FoldShape<F>::nodes> nodes{words};
  const uint32_t window = blockIdx.y, block = blockIdx.x, blocks = gridDim.x;
  const uint64_t first = (static_cast<uint64_t>(window) * blocks + block) << bits;
  for (uint32_t i = threadIdx.x; i < 1u << bits; i += blockDim.x) {
    const bool empty = bucket_starts != nullptr &&
                       bucket_starts[first + i] == bucket_starts[first + i + 1];
    nodes.set(i, empty ? Point::infinity() : load_reduced(points + first + i));
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
      upper = nodes.get((2 * node + 1) * sums + sum);
      both = nodes.get(2 * node * sums + sum) + upper;
    }
    __syncthreads();
    if (active) {
      const uint32_t target = node * (sums + 1);
      nodes.set(target + (sum == level ? sum + 1 : sum), both);
      if (sum == level) nodes.set(target + level, upper);
    }
    __syncthreads();
  }

  for (uint32_t i = threadIdx.x; i <= bits; i += blockDim.x) {
    Point* const target = i == bits ? all + static_cast<uint64_t>(window) * blocks + block
                                    : by_bit + (window * bits + i) * blocks + block;
    store(target, nodes.get(i));
  }
}

constexpr int sum_threads = 64, sum_halvings = 6;
static_assert(sum_threads == 1 << sum_halvings);

// What the folds left of their bits: fold k accounts for `bits` bits of the index from first_bit on
// and left `blocks` points for each at by_bit + offset. Folds that there are not begin behind the
// last bit.
struct FoldedBits {
  static constexpr int most = 4;
  uint32_t first_bit[most], bits[most], blocks[most];
  uint64_t offset[most];
};

// sums[window, bit] = the sum over blocks of what was left for the bit. Blocks of threads: bits by
// windows.
//
// Stack frame of sum_blocks<G2<*>>: that is where it spills.
// Spills in sum_blocks<G2<*>>: two sums have 128 or 192 words, in 255 registers.
template <class Group>
__global__ void __launch_bounds__(sum_threads)
    sum_blocks(Xyzz<typename Group::Field>* sums, const Xyzz<typename Group::Field>* by_bit,
               FoldedBits folded) {
  using Point = Xyzz<typename Group::Field>;
  __shared__ Point partial[sum_threads];
  const uint32_t bit = blockIdx.x, window = blockIdx.y;
  uint32_t bits = 0, blocks = 0;
  const Point* points = nullptr;
  ZK_UNROLL
  for (int fold = 0; fold < FoldedBits::most; fold++) {
    if (folded.first_bit[fold] > bit) continue;
    bits = folded.bits[fold];
    blocks = folded.blocks[fold];
    points = by_bit + folded.offset[fold] +
             static_cast<uint64_t>(window * bits + bit - folded.first_bit[fold]) * blocks;
  }
  Point sum = Point::infinity();
  // First each thread's own, then by halves. One addition does for both: it is most of what there
  // is to compile, which takes seconds.
  const uint32_t rounds = (blocks + sum_threads - 1) / sum_threads;
  ZK_NO_UNROLL
  for (uint32_t round = 0; round < rounds + sum_halvings; round++) {
    Point next;
    if (round < rounds) {
      const uint32_t i = round * sum_threads + threadIdx.x;
      if (i >= blocks) continue;
      next = load(points + i);
    } else {
      const uint32_t width = sum_threads / 2 >> (round - rounds);
      if (width >= blocks) continue;  // the upper half is infinity
      __syncthreads();
      partial[threadIdx.x] = sum;
      __syncthreads();
      if (threadIdx.x >= width) continue;
      next = partial[threadIdx.x + width];
    }
    sum = sum + next;
  }
  if (threadIdx.x == 0) store(sums + window * gridDim.x + bit, sum);
}

template <class Group>
struct Results {
  Affine<typename Group::Field>* vector[max_vectors_at_once];
};

template <class F>
__device__ __forceinline__ Fp2<F> invert(const Fp2<F>& a) {
  const F scale = invert(a.c0.square() + a.c1.square());
  return {a.c0 * scale, -(a.c1 * scale)};
}

constexpr uint32_t add_threads = 32 * team_lanes;

// results[vector] = sum over windows w of 2^(c w) (all[w] + sum of 2^t sums[w, t]), for at most 32
// windows: with a team of lanes for each window first, or several, each for a part of the bits, as
// far as the block reaches. One block a vector.
//
// Stack frame of add_windows<*>: the operations of a team are calls, with points in memory.
// Spills in add_windows<G2<Bls12381>>: an addition needs more than 255 registers, once a result.
template <class Group>
__global__ void __launch_bounds__(add_threads)
    add_windows(Results<Group> results, const Xyzz<typename Group::Field>* sums,
                const Xyzz<typename Group::Field>* all, uint32_t windows, uint32_t window_bits) {
  using Point = Xyzz<typename Group::Field>;
  __shared__ Point window_sums[32];  // of parts by windows
  const uint32_t vector = blockIdx.x, bits = window_bits - 1;
  // Whole warps take the same part: all lanes of a warp go through the same operations.
  const uint32_t lanes = (team_lanes * windows + 31) / 32 * 32, parts = add_threads / lanes;
  const uint32_t part = threadIdx.x / lanes, own = threadIdx.x % lanes / team_lanes;
  const uint32_t window = vector * windows + min(own, windows - 1);
  const bool writes = own < windows && threadIdx.x % team_lanes == 0;
  if (part < parts) {
    const uint32_t each = (bits + parts - 1) / parts;
    const uint32_t low = min(part * each, bits), high = min(low + each, bits);
    Point sum = Point::infinity();
    ZK_NO_UNROLL
    for (uint32_t t = high; t-- > low;) {
      const Point next = load(sums + window * bits + t);
      sum = t + 1 == high ? next : team::add(team::dbl(sum, 1), next);
    }
    sum = part == 0 ? team::add(sum, load(all + window)) : team::dbl(sum, low);
    if (writes) window_sums[part * windows + own] = sum;
  }
  __syncthreads();
  if (part == 0 && parts > 1) {
    Point sum = window_sums[min(own, windows - 1)];
    ZK_NO_UNROLL
    for (uint32_t k = 1; k < parts; k++) {
      sum = team::add(sum, window_sums[k * windows + min(own, windows - 1)]);
    }
    if (writes) window_sums[own] = sum;
  }
  __syncthreads();
  if (threadIdx.x >= 32) return;
  Point sum = window_sums[windows - 1];
  ZK_NO_UNROLL
  for (uint32_t window = windows - 1; window-- > 0;) {
    sum = team::add(team::dbl(sum, window_bits), window_sums[window]);
  }
  if (threadIdx.x != 0) return;
  Affine<typename Group::Field> result = Affine<typename Group::Field>::infinity();
  if (!sum.is_infinity()) {
    const auto inverse_zzz = invert(sum.zzz);
    result = {sum.x * (sum.zz * inverse_zzz).square(), sum.y * inverse_zzz};
  }
  store(results.vector[vector], result);
}

}  // namespace zkrun
