// First-order recurrences over arrays: running products, and polynomials by Horner's rule.
//
//   scan_mul        z[i] = z[i - 1] a[i - 1]
//   kate_division   q[i - 1] = h[i] = p[i] + x h[i + 1]        (so p(x) = h[0])
//
// Both are sums of an associative law over runs of elements, found in one pass over memory. A block
// takes a tile: every thread goes over its run of elements, and a warp joins the runs. Then the
// tile looks back at those before it, as in running_sums.cuh, and every thread goes over its run
// once more, which is still in L2. Since a join takes long, 32 tiles are a group: a tile looks at
// all those before it in its group, by one warp, and at the groups before, by another. With runs of
// 16 elements that is 2.4 multiplications an element.
#pragma once

#include "clear_words.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "powers.cuh"
#include "running_sums.cuh"
#include "shared_memory.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int log_short_run = 3, log_long_run = 4;  // elements of a thread
inline constexpr int log_tile_threads = 7;
inline constexpr int log_group_tiles = 5;  // as a warp has lanes
inline constexpr int tile_threads = 1 << log_tile_threads;
inline constexpr int lane_runs = tile_threads / 32;  // that a lane joins
inline constexpr int group_tiles = 1 << log_group_tiles;
// On a multiprocessor: with 8 of them an H100 has all tiles of 2^21 elements at once, but for sm_80
// the compiler then has too few registers.
#if __CUDA_ARCH__ >= 900
inline constexpr int tiles_at_once = 8;
#else
inline constexpr int tiles_at_once = 7;
#endif

// The laws. What comes later is `length` elements long; `ratio` is x^length.
template <class F>
struct ProductLaw {
  static constexpr bool downwards = false;
  __device__ static __forceinline__ F neutral() { return F::one(); }
  __device__ static __forceinline__ F step(const F& before, const F& element, const F&) {
    return before * element;
  }
  __device__ static __forceinline__ F ratio(const F*) { return F::one(); }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F&) {
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
  __device__ static __forceinline__ F ratio(const F* power) { return load(power); }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F& ratio) {
    return before * ratio + after;
  }
};

// Powers of x for joins: of runs, tiles and groups. A block makes each of these tables.
inline constexpr uint32_t power_tables = 3;
inline constexpr uint32_t table_powers = tile_threads + 1;  // room in each; run_powers has as many

// What a tile or a group tells: 0 for nothing yet.
inline constexpr uint32_t told_own = 1, told_all = 2;

template <class F>
struct Recurrence {
  DeviceView<F> in, out;
  F *tiles, *groups, *reached;  // scratch: sums of each tile, of each group, of all up to its end
  const F* first;               // the value before everything; null: the neutral one
  const F* x;                   // Horner's x
  F* powers;                    // of x
  uint64_t count;               // of elements that take part
  uint64_t tile_count;
  uint32_t* statuses;           // 0 to begin with

  // x^(length i), for the length of a run, a tile or a group.
  __device__ __forceinline__ const F* run_powers() const { return powers; }
  __device__ __forceinline__ const F* tile_powers() const { return powers + table_powers; }
  __device__ __forceinline__ const F* group_powers() const { return powers + 2 * table_powers; }

  __device__ __forceinline__ uint32_t* tickets() const { return statuses; }
  __device__ __forceinline__ uint32_t* table_status(uint32_t i) const { return statuses + 1 + i; }
  __device__ __forceinline__ uint32_t* tile_status(uint64_t i) const {
    return table_status(power_tables) + i;
  }
  __device__ __forceinline__ uint32_t* group_status(uint64_t i) const {
    return tile_status(tile_count) + i;
  }
};

template <class F>
__device__ __forceinline__ F from_lane_before(const F& x, uint32_t distance) {
  F result;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) result.limb[i] = __shfl_up_sync(~0u, x.limb[i], distance);
  return result;
}

// By a warp: from the value of each lane to the sum of those up to it. powers[each] is the ratio
// for what one lane has.
template <class F, class Law>
__device__ __forceinline__ F join_lanes(F sum, const F* powers, uint32_t each) {
#pragma unroll 1
  for (uint32_t distance = 1; distance < 32; distance *= 2) {
    const F other = from_lane_before(sum, distance);
    if (threadIdx.x % 32 >= distance) {
      sum = Law::join(other, sum, Law::ratio(powers + each * distance));
    }
  }
  return sum;
}

// By one warp: the sum, in each lane, of the runs of a tile up to and with the lane's. What comes
// before a run among its lane's takes the place of its sum; not so the first ones.
template <class F, class Law>
__device__ __forceinline__ F join_runs(ulonglong2* runs, const F* powers) {
  const uint32_t first = threadIdx.x % 32 * lane_runs;
  F sum = get_spread<F>(runs, tile_threads, first);
#pragma unroll 1
  for (uint32_t i = 1; i < lane_runs; i++) {
    const F run = get_spread<F>(runs, tile_threads, first + i);
    put_spread(runs, tile_threads, first + i, sum);
    sum = Law::join(sum, run, Law::ratio(powers + 1));
  }
  return join_lanes<F, Law>(sum, powers, lane_runs);
}

// Between two looks at a status: who waits is not to keep others from working.
__device__ __forceinline__ void pause() { __nanosleep(40); }

// By a warp: until it is told.
__device__ __forceinline__ void wait_until_told(const uint32_t* status) {
  while (read_status(status) == 0) pause();
  __threadfence();
}

template <class F>
__device__ __forceinline__ void tell(F* place, const F& sum, uint32_t* status, uint32_t what) {
  store(place, sum);
  __threadfence();
  write_status(status, what);
}

// By a warp: the sum, in its last lane, of the tiles before `tile` in its group.
template <class F, class Law>
__device__ __forceinline__ F join_group(const Recurrence<F>& job, uint32_t tile) {
  const uint32_t before = tile % group_tiles, lane = threadIdx.x % 32;
  const bool looks = lane >= 32 - before;
  const uint32_t other = tile - 32 + lane;
  while (__any_sync(~0u, looks && read_status(job.tile_status(other)) == 0)) pause();
  __threadfence();
  const F sum = looks ? load_current(job.tiles + other) : Law::neutral();
  return join_lanes<F, Law>(sum, job.tile_powers(), 1);
}

// By a warp: the sum, in its last lane, of all that comes before a group. The warp sees 32 groups
// at once, and takes from the last one on that tells the sum of all up to it.
template <class F, class Law>
__device__ __forceinline__ F join_groups(const Recurrence<F>& job, uint32_t group) {
  const uint32_t lane = threadIdx.x % 32;
  F value = Law::neutral(), ratio = F::one();
  uint32_t next = group;  // groups from here on are in `value`
  while (true) {
    const uint32_t place = next + lane;  // of group place - 32; 31 is what comes before all groups
    const uint32_t other = place - 32;
    const uint32_t status = place < 32 ? told_all : read_status(job.group_status(other));
    const uint32_t complete = __ballot_sync(~0u, status == told_all);
    const uint32_t untold = __ballot_sync(~0u, status == 0);
    const uint32_t needed = complete == 0 ? ~0u : ~0u << (31 - __clz(complete));
    if ((untold & needed) != 0) {
      pause();
      continue;
    }
    __threadfence();
    F sum = Law::neutral();
    if (needed >> lane & 1) {
      if (place >= 32) {
        sum = load_current((status == told_all ? job.reached : job.groups) + other);
      } else if (job.first != nullptr) {
        sum = load(job.first);
      }
    }
    sum = join_lanes<F, Law>(sum, job.group_powers(), 1);
    value = next == group ? sum : Law::join(sum, value, ratio);
    if (complete != 0) return value;
    if (Law::downwards) ratio = ratio * load(job.group_powers() + 32);
    next -= 32;
  }
}

// Table 0 to 2: of run_powers, tile_powers or group_powers.
template <class F, int log_run>
__device__ __forceinline__ void make_powers(const Recurrence<F>& job, uint32_t which, F* powers) {
  const uint32_t log_length = which == 0   ? log_run
                              : which == 1 ? log_run + log_tile_threads
                                           : log_run + log_tile_threads + log_group_tiles;
  const uint32_t log_count = which == 0 ? log_tile_threads : log_group_tiles;
  fill_powers(powers, square_often(load(job.x), log_length), log_count);
  for (uint32_t i = threadIdx.x; i <= 1u << log_count; i += tile_threads) {
    store(job.powers + which * table_powers + i, powers[i]);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  write_status(job.table_status(which), told_own);
}

// Number i, in the order of the recurrence, of the first `count` of a view; null where i is more.
template <class F, class Law>
__device__ __forceinline__ F* number(const DeviceView<F>& view, uint64_t count, uint64_t i) {
  if (i >= count) return nullptr;
  return view.at(Law::downwards ? count - 1 - i : i);
}

// The sum of a run, from element `first` on.
template <class F, class Law, int run_length>
__device__ __forceinline__ F join_run(const Recurrence<F>& job, uint64_t first) {
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F sum = Law::neutral(), next = load_whole_sectors<F>(number<F, Law>(job.in, job.count, first));
#pragma unroll 1
  for (uint32_t i = 0; i < run_length; i++) {
    const F own = next;
    if (i + 1 < run_length) {
      next = load_whole_sectors<F>(number<F, Law>(job.in, job.count, first + i + 1));
    }
    // A run that is cut short is the last one: what its sum lacks, nothing comes after. To go on
    // from the neutral element takes no multiplication.
    if (first + i < job.count) sum = i == 0 ? own : Law::step(sum, own, x);
  }
  return sum;
}

// The outputs of a run, from what comes before it.
template <class F, class Law, int run_length>
__device__ __forceinline__ void put_run(const Recurrence<F>& job, uint64_t first, F value) {
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F next = load_whole_sectors<F>(number<F, Law>(job.in, job.count, first));
#pragma unroll 1
  for (uint32_t i = 0; i < run_length; i++) {
    const F own = next;
    if (i + 1 < run_length) {
      next = load_whole_sectors<F>(number<F, Law>(job.in, job.count, first + i + 1));
    }
    store_whole_sectors(number<F, Law>(job.out, job.out.length, first + i), value);
    if (i + 1 < run_length) value = Law::step(value, own, x);
  }
}

// out[i] = what comes before element i, in the order of the recurrence; the product law has one
// more output than elements at most. Horner's out[i - 1] is for element i, and its last is 0.
//
// A block for each tile, and before those, for Horner's law, one for each table of powers. None
// waits for what no block has taken, so that no number of blocks stops it. Tests have fewer groups
// tell the sum of all up to them, so that tiles look further back.
template <class F, class Law, int log_run, int telling_groups = 1>
__global__ void __launch_bounds__(tile_threads, tiles_at_once) recur(const Recurrence<F> job) {
  constexpr int run_length = 1 << log_run;
  __shared__ ulonglong2 runs[2 * table_powers], lanes[2 * 32], before[2 * 2];
  const uint32_t thread = threadIdx.x, role = thread / 32, lane = thread % 32;
  uint32_t tile = take_ticket(job.tickets());
  if (Law::downwards) {
    if (tile < power_tables) {
      make_powers<F, log_run>(job, tile, reinterpret_cast<F*>(runs));
      return;
    }
    tile -= power_tables;
  }
  const uint64_t first = (uint64_t{tile} * tile_threads + thread) << log_run;
  put_spread(runs, tile_threads, thread, join_run<F, Law, run_length>(job, first));
  __syncthreads();

  const uint32_t group = tile / group_tiles;
  const bool is_last = tile % group_tiles == group_tiles - 1;  // which tells of the group
  F sum = Law::neutral();  // of the runs up to the lane's
  if (role == 0) {
    if (Law::downwards) wait_until_told(job.table_status(0));
    sum = join_runs<F, Law>(runs, job.run_powers());
    if (lane == 31) tell(job.tiles + tile, sum, job.tile_status(tile), told_own);
  } else if (role == 1) {
    if (Law::downwards) wait_until_told(job.table_status(2));
    const F others = join_groups<F, Law>(job, group);
    if (lane == 31) put_at(before, 2, 1, others);
  }
  if (role == (is_last ? 0 : 2)) {
    if (Law::downwards) wait_until_told(job.table_status(1));
    const F others = join_group<F, Law>(job, tile);
    if (lane == 31) {
      put_at(before, 2, 0, others);
      if (is_last) {
        const F all = Law::join(others, sum, Law::ratio(job.tile_powers() + 1));
        tell(job.groups + group, all, job.group_status(group), told_own);
      }
    }
  }
  __syncthreads();
  if (role == 0) {
    F value = get_at<F>(before, 2, 1);
    if (is_last && lane == 31 && (group + 1) % telling_groups == 0) {
      const F all = load_current(job.groups + group);
      tell(job.reached + group, Law::join(value, all, Law::ratio(job.group_powers() + 1)),
           job.group_status(group), told_all);
    }
    const F* const tile_ratio = job.tile_powers() + tile % group_tiles;
    value = Law::join(value, get_at<F>(before, 2, 0), Law::ratio(tile_ratio));
    const F other_lanes = from_lane_before(sum, 1);
    const F* const lane_ratio = job.run_powers() + lane * lane_runs;
    if (lane != 0) value = Law::join(value, other_lanes, Law::ratio(lane_ratio));
    put_at(lanes, 32, lane, value);
  }
  __syncthreads();
  F value = get_at<F>(lanes, 32, thread / lane_runs);
  if (thread % lane_runs != 0) {
    const F* const run_ratio = job.run_powers() + thread % lane_runs;
    value = Law::join(value, get_spread<F>(runs, tile_threads, thread), Law::ratio(run_ratio));
  }
  put_run<F, Law, run_length>(job, first, value);
}

}  // namespace zkrun
