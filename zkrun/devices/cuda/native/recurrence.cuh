// First-order recurrences over arrays: running products, and polynomials by Horner's rule.
//
//   scan_mul        z[i] = z[i - 1] a[i - 1]
//   kate_division   q[i - 1] = h[i] = p[i] + x h[i + 1]        (so p(x) = h[0])
//
// Both are sums of an associative law over runs of elements, so: every thread joins its run of
// elements, the threads of a tile, the tiles of a group and the groups are joined in turn, and
// everything is handed down again, so that in the end every thread goes over its run once more,
// starting from what comes before it. About 2.5 multiplications an element.
#pragma once

#include "elementwise.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "powers.cuh"
#include "shared_memory.cuh"

namespace zkrun {

inline constexpr int log_run_length = 3;  // elements of a thread
inline constexpr int log_tile_threads = 7;
inline constexpr int log_group_run = 2;     // tiles of a thread that joins them
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
};

template <class F>
__device__ __forceinline__ F from_lane_before(const F& x, uint32_t distance) {
  F result;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) result.limb[i] = __shfl_up_sync(~0u, x.limb[i], distance);
  return result;
}

// From the summaries of a block's threads to what comes before each within the block; `total` gets
// the summary of all. powers[t] is the ratio for the runs of t threads.
//
// One warp does it, each of whose lanes takes several threads: that is fewer multiplications than any
// way in which all threads take part. Not the same warp in all blocks, for that would be the work of
// one of a multiprocessor's four schedulers.
template <class F, class Law, int threads>
__device__ __forceinline__ F join_block(ulonglong2* shared, const F& value, const F* powers,
                                        F* total) {
  constexpr uint32_t each = threads / 32;
  const uint32_t thread = threadIdx.x, lane = thread % 32;
  const uint32_t chosen = blockIdx.x * 0x9e3779b9u >> 16;
  put_spread(shared, threads, thread, value);
  __syncthreads();
  if (thread / 32 == chosen % each) {
    const uint32_t first = lane * each;
    F sum = get_spread<F>(shared, threads, first);
#pragma unroll 1
    for (uint32_t i = 1; i < each; i++) {
      sum = Law::join(sum, get_spread<F>(shared, threads, first + i), powers + 1);
    }
#pragma unroll 1
    for (uint32_t distance = 1; distance < 32; distance *= 2) {
      const F other = from_lane_before(sum, distance);
      if (lane >= distance) sum = Law::join(other, sum, powers + each * distance);
    }
    if (lane == 31 && total != nullptr) store(total, sum);
    F before = from_lane_before(sum, 1);
    if (lane == 0) before = Law::neutral();
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

  // x^(t run_length) for t <= tile_threads, then x^(t group_run tile_elements), t <= group_threads
  __device__ __forceinline__ F* run_powers() const { return powers; }
  __device__ __forceinline__ F* group_powers() const { return powers + tile_threads + 1; }
};

// Element number i in the order of the recurrence.
template <class F, class Law>
__device__ __forceinline__ const F* element(const Recurrence<F>& job, uint64_t i) {
  return job.in.at(Law::downwards ? job.count - 1 - i : i);
}

// Two blocks, for the two tables.
template <class F>
__global__ void __launch_bounds__(group_threads) recurrence_powers(const Recurrence<F> job) {
  static_assert(tile_threads <= group_threads);
  __shared__ F shared[group_threads + 1];
  const F x = load(job.x);
  if (blockIdx.x == 0) {
    fill_powers(job.run_powers(), shared, square_often(x, log_run_length), log_tile_threads);
  } else {
    const F base = square_often(x, log_run_length + log_tile_threads + log_group_run);
    fill_powers(job.group_powers(), shared, base, log_group_threads);
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

template <class F, class Law>
__global__ void __launch_bounds__(tile_threads) join_tiles(const Recurrence<F> job) {
  extern __shared__ ulonglong2 tile[];
  __shared__ ulonglong2 summaries[2 * tile_threads];
  const uint64_t number = blockIdx.x * uint64_t{tile_threads} + threadIdx.x;
  load_tile<F, Law>(job, tile);
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F summary = Law::neutral();
  // A run that is cut short is taken to begin with neutral elements: only the last one can be, and
  // nothing comes after it.
#pragma unroll 1
  for (int i = 0; i < run_length; i++) {
    if (number * run_length + i < job.count) {
      const F next = get_spread<F>(tile, tile_elements, threadIdx.x * run_length + i);
      summary = Law::step(summary, next, x);
    }
  }
  const F before = join_block<F, Law, tile_threads>(summaries, summary, job.run_powers(),
                                                    job.tiles + blockIdx.x);
  store(job.threads_before + number, before);
}

// What a thread of the blocks that join tiles makes of its tiles.
template <class F, class Law>
__device__ __forceinline__ F join_own_tiles(const Recurrence<F>& job, uint64_t start) {
  F summary = Law::neutral();
#pragma unroll 1
  for (uint64_t i = start; i < start + group_run && i < job.tile_count; i++) {
    summary = Law::join(summary, load(job.tiles + i), job.run_powers() + tile_threads);
  }
  return summary;
}

// The summaries of groups. A block for each.
template <class F, class Law>
__global__ void __launch_bounds__(group_threads) join_groups(const Recurrence<F> job) {
  __shared__ ulonglong2 summaries[2 * group_threads];
  const uint64_t start = blockIdx.x * uint64_t{group_tiles} + threadIdx.x * group_run;
  join_block<F, Law, group_threads>(summaries, join_own_tiles<F, Law>(job, start),
                                    job.group_powers(), job.groups + blockIdx.x);
}

// From the tiles' summaries to what comes before each tile. A block for each group.
template <class F, class Law>
__global__ void __launch_bounds__(group_threads) hand_down_groups(const Recurrence<F> job) {
  __shared__ ulonglong2 summaries[2 * group_threads];
  const uint64_t start = blockIdx.x * uint64_t{group_tiles} + threadIdx.x * group_run;
  const F* const whole_group = job.group_powers() + group_threads;
  F value = Law::neutral();
  if (!Law::downwards && job.first != nullptr) value = load(job.first);
#pragma unroll 1
  for (uint32_t i = 0; i < blockIdx.x; i++) {
    value = Law::join(value, load(job.groups + i), whole_group);
  }
  const F before = join_block<F, Law, group_threads>(
      summaries, join_own_tiles<F, Law>(job, start), job.group_powers(), nullptr);
  value = Law::join(value, before, job.group_powers() + threadIdx.x);
#pragma unroll 1
  for (uint64_t i = start; i < start + group_run && i < job.tile_count; i++) {
    const F own = load(job.tiles + i);
    store(job.tiles + i, value);
    value = Law::join(value, own, job.run_powers() + tile_threads);
  }
}

// out[i] = what comes before element i, in the order of the recurrence; the product law has one
// more output than elements at most. Horner's out[i - 1] is for element i, and its last is 0.
template <class F, class Law>
__global__ void __launch_bounds__(tile_threads) hand_down(const Recurrence<F> job) {
  extern __shared__ ulonglong2 tile[];
  load_tile<F, Law>(job, tile);
  const uint64_t number = blockIdx.x * uint64_t{tile_threads} + threadIdx.x;
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F value = Law::join(load(job.tiles + blockIdx.x), load(job.threads_before + number),
                      job.run_powers() + threadIdx.x);
#pragma unroll 1
  for (int i = 0; i < run_length; i++) {
    const uint64_t place = number * run_length + i;
    if (place >= job.out.length) break;
    const uint32_t own = threadIdx.x * run_length + i;
    const F before = value;
    if (place < job.count) {
      value = Law::step(value, get_spread<F>(tile, tile_elements, own), x);
    }
    put_spread(tile, tile_elements, own, before);
  }
  __syncthreads();
  const uint64_t start = blockIdx.x * uint64_t{tile_elements};
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < tile_elements; i += tile_threads) {
    if (start + i >= job.out.length) break;
    const uint64_t place = Law::downwards ? job.out.length - 1 - (start + i) : start + i;
    store(job.out.at(place), get_spread<F>(tile, tile_elements, i));
  }
}

}  // namespace zkrun
