// First-order recurrences over arrays: running products, and polynomials by Horner's rule.
//
//   scan_mul        z[i] = z[i - 1] a[i - 1]
//   kate_division   q[i - 1] = h[i] = p[i] + x h[i + 1]        (so p(x) = h[0])
//
// Both are sums of an associative law over runs of elements, found in one pass over memory. A block
// takes a tile: every thread goes over its run of elements, a few warps join the runs, the tile
// looks back at those before it, as in running_sums.cuh, and every thread goes over its run once
// more, which is still in L2.
//
// The last tile waits for some twenty joins one after the other, and a join takes several times as
// long beside warps that go over their runs. So tiles are large, with one or two of them on each
// multiprocessor, which go over their runs at the same time, and join at the same time. 32 tiles
// are a group: a tile looks at those before it in its group, by the warps that join its runs, and
// at the groups before, by another.
#pragma once

#include "async_copy.cuh"
#include "clear_words.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "powers.cuh"
#include "running_sums.cuh"
#include "shared_memory.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int log_short_run = 2, log_long_run = 4;  // elements of a thread
inline constexpr int log_tile_threads = 9;
inline constexpr int tile_threads = 1 << log_tile_threads;
inline constexpr int log_group_tiles = 5;  // as a warp has lanes
inline constexpr int group_tiles = 1 << log_group_tiles;
inline constexpr int lane_runs = 4;  // that a lane joins
inline constexpr int warp_runs = 32 * lane_runs;
inline constexpr int joiners = tile_threads / warp_runs;  // warps of a tile that join its runs
inline constexpr int joining_lanes = 32 * joiners;

// Places in shared memory for elements of a run: one is at hand, and others are on their way.
inline constexpr int run_places = 4;

// On a multiprocessor. Elsewhere shared memory has no room for two, nor has sm_80 the registers.
#if __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
inline constexpr int tiles_at_once = 2;
#else
inline constexpr int tiles_at_once = 1;
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

// An element whose limbs are another lane's, as `shuffle` takes a limb from there.
template <class F, class Shuffle>
__device__ __forceinline__ F shuffled(const F& x, Shuffle shuffle) {
  F result;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) result.limb[i] = shuffle(x.limb[i]);
  return result;
}

template <class F>
__device__ __forceinline__ F from_lane(const F& x, uint32_t lane) {
  return shuffled(x, [=](uint64_t limb) { return __shfl_sync(~0u, limb, lane); });
}

template <class F>
__device__ __forceinline__ F from_lane_before(const F& x, uint32_t distance) {
  return shuffled(x, [=](uint64_t limb) { return __shfl_up_sync(~0u, limb, distance); });
}

// By a warp: from the value of each lane to the sum of those up to it. Where fewer than 32 lanes in
// a row have something, there are so `many`, the first or the last ones, and what the lanes behind
// them get is of no use. powers[each] is the ratio for what one lane has.
//
// Blocks write tables of powers during the kernel: a table is read when it has been told, by the
// warp or by another of its block before a __syncthreads, and lies in sectors of its own, so that
// what L1 has of it is no older.
template <class F, class Law>
__device__ __forceinline__ F join_lanes(F sum, uint32_t many, const F* powers, uint32_t each) {
#pragma unroll 1
  for (uint32_t distance = 1; distance < many; distance *= 2) {
    const F other = from_lane_before(sum, distance);
    if (threadIdx.x % 32 >= distance) {
      sum = Law::join(other, sum, Law::ratio(powers + each * distance));
    }
  }
  return sum;
}

// By a warp that joins: the sum, in each lane, of the warp's runs up to and with the lane's. What
// comes before a run among its lane's takes the place of its sum; not so the first ones.
template <class F, class Law>
__device__ __forceinline__ F join_runs(ulonglong2* runs, const F* powers) {
  const uint32_t first = threadIdx.x * lane_runs;
  F sum = get_spread<F>(runs, tile_threads, first);
#pragma unroll 1
  for (uint32_t i = 1; i < lane_runs; i++) {
    const F run = get_spread<F>(runs, tile_threads, first + i);
    put_spread(runs, tile_threads, first + i, sum);
    sum = Law::join(sum, run, Law::ratio(powers + 1));
  }
  return join_lanes<F, Law>(sum, 32, powers, lane_runs);
}

// By a warp, from what join_runs has given to each lane: the sum, in lane i < joiners, of what the
// warps up to number i have.
template <class F, class Law>
__device__ __forceinline__ F join_warps(const ulonglong2* lanes, const F* powers) {
  const uint32_t lane = threadIdx.x % 32;
  F sum = Law::neutral();
  if (lane < joiners) sum = get_at<F>(lanes, joining_lanes, 32 * lane + 31);
  return join_lanes<F, Law>(sum, joiners, powers, warp_runs);
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
  return join_lanes<F, Law>(sum, before, job.tile_powers(), 1);
}

// By a warp: the sum, in its last lane, of all that comes before a group. The warp sees 32 groups
// at once, and takes from the last one on that tells the sum of all up to it. Where none does, it
// keeps what it has in shared memory, for registers are scarce: `far` has room for two elements.
template <class F, class Law>
__device__ __forceinline__ F join_groups(const Recurrence<F>& job, uint32_t group,
                                         ulonglong2* far) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t next = group;  // groups from here on have been seen
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
    sum = join_lanes<F, Law>(sum, __popc(needed), job.group_powers(), 1);
    if (next != group) sum = Law::join(sum, get_at<F>(far, 2, 0), get_at<F>(far, 2, 1));
    __syncwarp();  // the caller may use `far` again
    if (complete != 0) return sum;
    if (lane == 31) {
      F ratio = Law::ratio(job.group_powers() + 32);
      if (Law::downwards && next != group) ratio = ratio * get_at<F>(far, 2, 1);
      put_at(far, 2, 0, sum);
      put_at(far, 2, 1, ratio);
    }
    __syncwarp();
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
  store_powers(job.powers + which * table_powers, powers, job.x, log_length, log_count);
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

// The run of a thread: its elements one by one, with the next ones on their way to the ring, which
// has run_places elements for each thread of a tile. A place is written again when the element
// after the one that it had has been taken.
template <class F, class Law, int log_run>
struct Run {
  static constexpr uint32_t length = 1 << log_run;
  const Recurrence<F>& job;
  ulonglong2* const ring;
  const volatile uint32_t& tile;  // in shared memory: where it is needed, registers are scarce

  // The number of its element i among all, in the order of the recurrence.
  __device__ __forceinline__ uint64_t number_of(uint32_t i) const {
    return ((uint64_t{tile} * tile_threads + threadIdx.x) << log_run) + i;
  }
  __device__ __forceinline__ void begin() const {
    ZK_UNROLL
    for (uint32_t i = 0; i < run_places - 1; i++) send_for(i);
  }
  // Element i, anything beyond the end; called in order.
  __device__ __forceinline__ F take(uint32_t i) const {
    wait_for_copies<run_places - 2>();
    const ulonglong2 low = *place(i, 0), high = *place(i, 1);
    send_for(i + run_places - 1);
    return F{{low.x, low.y, high.x, high.y}};
  }

  __device__ __forceinline__ ulonglong2* place(uint32_t i, uint32_t half) const {
    return ring + ((i % run_places * 2 + half) * tile_threads + threadIdx.x);
  }
  __device__ __forceinline__ void send_for(uint32_t i) const {
    const uint64_t end = i < length ? job.count : 0;
    const F* const element = number<F, Law>(job.in, end, number_of(i));
    if (element != nullptr) {
      const ulonglong2* const source = reinterpret_cast<const ulonglong2*>(element);
      copy_to_shared(place(i, 0), source);
      copy_to_shared(place(i, 1), source + 1);
    }
    end_of_copies();
  }
};

// The sum of a run that has begun.
template <class F, class Law, int log_run>
__device__ __forceinline__ F join_run(const Run<F, Law, log_run>& run) {
  const F x = Law::downwards ? load_constant(run.job.x) : F::one();
  F sum = Law::neutral();
#pragma unroll 1
  for (uint32_t i = 0; i < run.length; i++) {
    const F own = run.take(i);
    // A run that is cut short is the last one: what its sum lacks, nothing comes after. To go on
    // from the neutral element takes no multiplication.
    if (run.number_of(i) < run.job.count) sum = i == 0 ? own : Law::step(sum, own, x);
  }
  return sum;
}

// The outputs of a run that has begun, from what comes before it.
template <class F, class Law, int log_run>
__device__ __forceinline__ void put_run(const Run<F, Law, log_run>& run, F value) {
  const Recurrence<F>& job = run.job;
  const F x = Law::downwards ? load_constant(job.x) : F::one();
#pragma unroll 1
  for (uint32_t i = 0; i < run.length; i++) {
    const F own = run.take(i);
    store_whole_sectors(number<F, Law>(job.out, job.out.length, run.number_of(i)), value);
    if (i + 1 < run.length) value = Law::step(value, own, x);
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
  extern __shared__ ulonglong2 ring[];  // run_places elements for each thread
  __shared__ ulonglong2 runs[2 * table_powers], lanes[2 * joining_lanes];
  __shared__ ulonglong2 before[2 * 2];
  __shared__ volatile uint32_t own_tile;
  const uint32_t thread = threadIdx.x, role = thread / 32, lane = thread % 32;
  uint32_t ticket = take_ticket(job.tickets());
  if (Law::downwards) {
    if (ticket < power_tables) {
      make_powers<F, log_run>(job, ticket, reinterpret_cast<F*>(runs));
      return;
    }
    ticket -= power_tables;
  }
  if (thread == 0) own_tile = ticket;
  __syncthreads();
  const Run<F, Law, log_run> run = {job, ring, own_tile};
  run.begin();
  put_spread(runs, tile_threads, thread, join_run(run));
  run.begin();
  __syncthreads();

  const uint32_t tile = own_tile;
  const uint32_t group = tile / group_tiles;
  const bool is_last = tile % group_tiles == group_tiles - 1;  // which tells of the group
  const bool tells = thread == joiners - 1;  // in the first warp: has the sum of all that join
  if (role < joiners) {
    if (Law::downwards) wait_until_told(job.table_status(0));
    put_at(lanes, joining_lanes, thread, join_runs<F, Law>(runs, job.run_powers()));
  }
  __syncthreads();
  // The sum of what is between the groups before and the lane's first run, and its ratio.
  F value = Law::neutral(), ratio = F::one();
  if (role < joiners) {
    const F sums = join_warps<F, Law>(lanes, job.run_powers());
    if (tells) tell(job.tiles + tile, sums, job.tile_status(tile), told_own);
    const F warps_before = from_lane(sums, role - 1);
    if (lane != 0) value = get_at<F>(lanes, joining_lanes, thread - 1);
    if (role != 0) {
      value = Law::join(warps_before, value, Law::ratio(job.run_powers() + lane * lane_runs));
    }
    if (Law::downwards) wait_until_told(job.table_status(1));
    const F tiles_before = from_lane(join_group<F, Law>(job, tile), 31);
    if (tells && is_last) {
      const F own = load_current(job.tiles + tile);
      const F group_sum = Law::join(tiles_before, own, Law::ratio(job.tile_powers() + 1));
      tell(job.groups + group, group_sum, job.group_status(group), told_own);
    }
    ratio = Law::ratio(job.run_powers() + thread * lane_runs);
    value = Law::join(tiles_before, value, ratio);
    if (Law::downwards) ratio = ratio * Law::ratio(job.tile_powers() + tile % group_tiles);
  } else if (role == joiners) {
    if (Law::downwards) wait_until_told(job.table_status(2));
    const F groups_before = join_groups<F, Law>(job, group, before);
    if (lane == 31) put_at(before, 2, 0, groups_before);
  }
  __syncthreads();
  if (role < joiners) {
    const F groups_before = get_at<F>(before, 2, 0);
    if (tells && is_last && (group + 1) % telling_groups == 0) {
      const F group_sum = load_current(job.groups + group);
      const F all = Law::join(groups_before, group_sum, Law::ratio(job.group_powers() + 1));
      tell(job.reached + group, all, job.group_status(group), told_all);
    }
    put_at(lanes, joining_lanes, thread, Law::join(groups_before, value, ratio));
  }
  __syncthreads();
  value = get_at<F>(lanes, joining_lanes, thread / lane_runs);
  if (thread % lane_runs != 0) {
    const F* const run_ratio = job.run_powers() + thread % lane_runs;
    value = Law::join(value, get_spread<F>(runs, tile_threads, thread), Law::ratio(run_ratio));
  }
  put_run(run, value);
}

}  // namespace zkrun
