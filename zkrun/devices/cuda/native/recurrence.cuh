// First-order recurrences over arrays: running products, and polynomials by Horner's rule.
//
//   scan_mul        z[i] = z[i - 1] a[i - 1]
//   kate_division   q[i - 1] = h[i] = p[i] + x h[i + 1]        (so p(x) = h[0])
//
// Both are sums of an associative law over runs of elements, so: every thread goes over its run of
// elements, the threads of a tile, the tiles of a group and the groups are joined in turn, what
// comes before each is handed down again, and at last joined to each output. About 2.5
// multiplications an element.
#pragma once

#include "elementwise.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "powers.cuh"
#include "shared_memory.cuh"

namespace zkrun {

inline constexpr int log_run_length = 3;  // elements of a thread
inline constexpr int log_tile_threads = 7;
inline constexpr int log_group_run = 2;  // tiles of a thread that joins them
inline constexpr int log_group_threads = 8;
inline constexpr int run_length = 1 << log_run_length;
inline constexpr int tile_threads = 1 << log_tile_threads;
inline constexpr int tile_elements = run_length * tile_threads;
inline constexpr int group_run = 1 << log_group_run;
inline constexpr int group_threads = 1 << log_group_threads;
inline constexpr int group_tiles = group_run * group_threads;

// The laws. What comes later is `length` elements long; `ratio` is x^length.
template <class F>
struct ProductLaw {
  static constexpr bool downwards = false;
  __device__ static __forceinline__ F neutral() { return F::one(); }
  __device__ static __forceinline__ F step(const F& before, const F& element, const F&) {
    return before * element;
  }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F*) {
    return before * after;
  }
  __device__ static __forceinline__ F continue_run(const F& before, const F& after, const F&) {
    return before * after;
  }
};

template <class F>
struct HornerLaw {
  static constexpr bool downwards = true;  // from the last element to the first
  __device__ static __forceinline__ F neutral() { return F::zero(); }
  __device__ static __forceinline__ F step(const F& before, const F& element, const F& x) {
    return before * x + element;
  }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F* ratio) {
    return before * load_constant(ratio) + after;
  }
  __device__ static __forceinline__ F continue_run(const F& before, const F& after,
                                                   const F& ratio) {
    return before * ratio + after;
  }
};

template <class F>
__device__ __forceinline__ F from_lane_before(const F& x, uint32_t distance) {
  F result;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) result.limb[i] = __shfl_up_sync(~0u, x.limb[i], distance);
  return result;
}

template <class F>
__device__ __forceinline__ F from_lane(const F& x, uint32_t lane) {
  F result;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) result.limb[i] = __shfl_sync(~0u, x.limb[i], lane);
  return result;
}

// From the summaries of a block's threads to what comes before each within the block; `total` gets
// the summary of all. powers[t] is the ratio for the runs of t threads.
//
// One warp does it, each of whose lanes takes several threads: that is fewer multiplications than
// any way in which all threads take part.
template <class F, class Law, int threads>
__device__ __forceinline__ F join_block(ulonglong2* shared, const F& value, const F* powers,
                                        F* total) {
  constexpr uint32_t each = threads / 32;
  const uint32_t thread = threadIdx.x;
  put_spread(shared, threads, thread, value);
  __syncthreads();
  if (thread < 32) {
    const uint32_t first = thread * each;
    F sum = get_spread<F>(shared, threads, first);
#pragma unroll 1
    for (uint32_t i = 1; i < each; i++) {
      sum = Law::join(sum, get_spread<F>(shared, threads, first + i), powers + 1);
    }
#pragma unroll 1
    for (uint32_t distance = 1; distance < 32; distance *= 2) {
      const F other = from_lane_before(sum, distance);
      if (thread >= distance) sum = Law::join(other, sum, powers + each * distance);
    }
    if (thread == 31 && total != nullptr) store(total, sum);
    F before = from_lane_before(sum, 1);
    if (thread == 0) before = Law::neutral();
#pragma unroll 1
    for (uint32_t i = 0; i < each; i++) {
      const F own = get_spread<F>(shared, threads, first + i);
      put_spread(shared, threads, first + i, before);
      if (i + 1 < each) before = Law::join(before, own, powers + 1);
    }
  }
  __syncthreads();
  return get_spread<F>(shared, threads, thread);
}

template <class F>
struct Recurrence {
  DeviceView<F> in, out;
  F *threads_before, *tiles, *groups;  // scratch: one for each thread, tile, group
  const F* first;                      // the value before everything; null: the neutral one
  const F* x;                          // Horner's x
  F* powers;                           // of x: recurrence_powers
  uint64_t count;                      // of elements that take part
  uint64_t tile_count;

  // Of x^run_length, up to the power tile_threads; of x^(group_run tile_elements), up to
  // group_threads; of x, up to run_length.
  __device__ __forceinline__ F* run_powers() const { return powers; }
  __device__ __forceinline__ F* group_powers() const { return powers + tile_threads + 1; }
  __device__ __forceinline__ F* element_powers() const {
    return group_powers() + group_threads + 1;
  }
};

// Element number i in the order of the recurrence.
template <class F, class Law>
__device__ __forceinline__ const F* element(const Recurrence<F>& job, uint64_t i) {
  return job.in.at(Law::downwards ? job.count - 1 - i : i);
}

// A block for each of the tables.
template <class F>
__global__ void __launch_bounds__(group_threads) recurrence_powers(const Recurrence<F> job) {
  __shared__ F powers[group_threads + 1];
  F* table = job.run_powers();
  uint32_t log_base = log_run_length, log_size = log_tile_threads;
  if (blockIdx.x == 1) {
    table = job.group_powers();
    log_base = log_run_length + log_tile_threads + log_group_run;
    log_size = log_group_threads;
  } else if (blockIdx.x == 2) {
    table = job.element_powers();
    log_base = 0;
    log_size = log_run_length;
  }
  fill_powers(powers, square_often(load(job.x), log_base), log_size);
  for (uint32_t i = threadIdx.x; i <= 1u << log_size; i += group_threads) {
    store(table + i, powers[i]);
  }
}

// A tile lies in dynamic shared memory, so that threads that go over runs load and store whole
// lines.
template <class F, class Law>
__device__ __forceinline__ void load_tile(const Recurrence<F>& job, ulonglong2* tile) {
  const uint64_t start = blockIdx.x * uint64_t{tile_elements};
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < tile_elements; i += tile_threads) {
    if (start + i < job.count) {
      put_spread(tile, tile_elements, i, load(element<F, Law>(job, start + i)));
    }
  }
  __syncthreads();
}

// Where element number i of the recurrence goes.
template <class F, class Law>
__device__ __forceinline__ F* place_of(const Recurrence<F>& job, uint64_t i) {
  return job.out.at(Law::downwards ? job.out.length - 1 - i : i);
}

// out[i] = what comes before element i within its run, in the order of the recurrence; the product
// law has one more output than elements at most. Horner's out[i - 1] is for element i, and its
// last is 0.
template <class F, class Law>
__global__ void __launch_bounds__(tile_threads) join_tiles(const Recurrence<F> job) {
  extern __shared__ ulonglong2 tile[];
  __shared__ ulonglong2 summaries[2 * tile_threads];
  const uint64_t number = blockIdx.x * uint64_t{tile_threads} + threadIdx.x;
  load_tile<F, Law>(job, tile);
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F summary = Law::neutral();
  const uint32_t first = threadIdx.x * run_length;
  // After the neutral element, a step comes to the element itself, without a multiplication.
  if (number * run_length < job.count) summary = get_spread<F>(tile, tile_elements, first);
  put_spread(tile, tile_elements, first, Law::neutral());
  // A run that is cut short is the last one: what its summary lacks, nothing comes after.
#pragma unroll 1
  for (int i = 1; i < run_length; i++) {
    const uint32_t own = first + i;
    const F before = summary;
    if (number * run_length + i < job.count) {
      summary = Law::step(summary, get_spread<F>(tile, tile_elements, own), x);
    }
    put_spread(tile, tile_elements, own, before);
  }
  const F before = join_block<F, Law, tile_threads>(summaries, summary, job.run_powers(),
                                                    job.tiles + blockIdx.x);
  store(job.threads_before + number, before);
  const uint64_t start = blockIdx.x * uint64_t{tile_elements};
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < tile_elements; i += tile_threads) {
    if (start + i >= job.out.length) break;
    store(place_of<F, Law>(job, start + i), get_spread<F>(tile, tile_elements, i));
  }
}

// The tiles of a thread of the blocks that join them; what there is not is neutral.
template <class F, class Law>
struct OwnTiles {
  uint64_t start;
  F tiles[group_run];

  __device__ __forceinline__ explicit OwnTiles(const Recurrence<F>& job)
      : start(blockIdx.x * uint64_t{group_tiles} + threadIdx.x * group_run) {
    ZK_UNROLL
    for (uint32_t i = 0; i < group_run; i++) {
      tiles[i] = start + i < job.tile_count ? load(job.tiles + start + i) : Law::neutral();
    }
  }
  __device__ __forceinline__ F joined(const F* ratio) const {
    F summary = tiles[0];
    ZK_UNROLL
    for (int i = 1; i < group_run; i++) summary = Law::join(summary, tiles[i], ratio);
    return summary;
  }
};

// The summaries of groups. A block for each.
template <class F, class Law>
__global__ void __launch_bounds__(group_threads) join_groups(const Recurrence<F> job) {
  __shared__ ulonglong2 summaries[2 * group_threads];
  const OwnTiles<F, Law> own(job);
  join_block<F, Law, group_threads>(summaries, own.joined(job.run_powers() + tile_threads),
                                    job.group_powers(), job.groups + blockIdx.x);
}

// From the tiles' summaries to what comes before each tile. A block for each group.
template <class F, class Law>
__global__ void __launch_bounds__(group_threads) hand_down_groups(const Recurrence<F> job) {
  __shared__ ulonglong2 summaries[2 * group_threads];
  const OwnTiles<F, Law> own(job);
  const F* const tile_ratio = job.run_powers() + tile_threads;
  const F before = join_block<F, Law, group_threads>(summaries, own.joined(tile_ratio),
                                                     job.group_powers(), nullptr);
  F value = Law::neutral();
  if (!Law::downwards && job.first != nullptr) value = load(job.first);
  F next = Law::neutral();
  if (blockIdx.x > 0) next = load(job.groups);
#pragma unroll 1
  for (uint32_t i = 0; i < blockIdx.x; i++) {
    const F group = next;
    if (i + 1 < blockIdx.x) next = load(job.groups + i + 1);
    value = Law::join(value, group, job.group_powers() + group_threads);
  }
  value = Law::join(value, before, job.group_powers() + threadIdx.x);
  ZK_UNROLL
  for (int i = 0; i < group_run; i++) {
    if (own.start + i < job.tile_count) store(job.tiles + own.start + i, value);
    if (i + 1 < group_run) value = Law::join(value, own.tiles[i], tile_ratio);
  }
}

// Joins what comes before each run to the outputs of its elements. A warp takes 32 runs, a lane
// first one of these and then, row by row, one element.
inline constexpr int outputs_threads = 128;
inline constexpr int rows_at_once = 2;

template <class F, class Law>
__global__ void __launch_bounds__(outputs_threads, 6) hand_down(const Recurrence<F> job) {
  static_assert(tile_threads % 32 == 0 && 32 % run_length == 0);
  const uint64_t warp = (blockIdx.x * uint64_t{outputs_threads} + threadIdx.x) / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint64_t start = warp * (32 * run_length);
  if (start >= job.out.length) return;
  const uint64_t run = warp * 32 + lane;
  const F before = Law::join(load(job.tiles + run / tile_threads), load(job.threads_before + run),
                             job.run_powers() + run % tile_threads);
  F ratio = F::one();  // for the elements of a run that come before the lane's own
  if (Law::downwards) ratio = load_constant(job.element_powers() + lane % run_length);
#pragma unroll 1
  for (int row = 0; row < run_length; row += rows_at_once) {
    F after[rows_at_once];
    ZK_UNROLL
    for (int k = 0; k < rows_at_once; k++) {
      const uint64_t i = start + (row + k) * 32 + lane;
      if (i < job.out.length) after[k] = load(place_of<F, Law>(job, i));
    }
    ZK_UNROLL
    for (int k = 0; k < rows_at_once; k++) {
      const uint64_t i = start + (row + k) * 32 + lane;
      const F own = from_lane(before, (row + k) * (32 / run_length) + lane / run_length);
      const F value = Law::continue_run(own, after[k], ratio);
      if (i < job.out.length) store(place_of<F, Law>(job, i), value);
    }
  }
}

}  // namespace zkrun
