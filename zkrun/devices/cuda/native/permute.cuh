// halo2's permutation of a lookup's input and table (the halo2 book, "Lookup argument"), around
// the sort of sort.cuh.
//
// a' is the input in ascending order. Where a value first occurs in a', t' has the same value;
// repeated rows take what is left of the table: its values in ascending order, into those rows from
// the last one backwards, which is where halo2_proofs' permute_expression_pair puts them.
#pragma once

#include "elementwise.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "sort.cuh"

namespace zkrun {

template <class F>
struct Permutation {
  DeviceView<F> permuted_a, permuted_t, a, t;
  F *canonical_a, *canonical_t;   // integers
  F *sorted_a, *sorted_t, *left;  // ascending; what is left of the table
  Record *records_a, *records_t;  // to sort
  uint32_t *repeats, *leftover;   // 1 where so; then how many up to and including a row
  uint32_t* tile_sums;            // scratch of the running sums
  uint32_t* missing;              // 2^32 - 1 - the first row of a whose value t lacks
  uint64_t usable;
};

template <class F>
__device__ __forceinline__ F canonical(const F& x) {
  F result;
  x.to_canonical(result.limb);
  return result;
}

// Value i of an array, as an integer and as a record to sort.
template <class F>
__device__ __forceinline__ void take_value(F* integers, Record* records,
                                           const DeviceView<F>& values, uint64_t i) {
  const F integer = canonical(load(values.at(i)));
  store(integers + i, integer);
  store(records + i, Record{key_of(integer), i});
}

// The input's values.
template <class F>
__global__ void __launch_bounds__(elementwise_threads) input_keys(const Permutation<F> job) {
  const uint64_t i = element_number();
  if (i < job.usable) take_value(job.canonical_a, job.records_a, job.a, i);
}

// The table's, each marked as left over.
template <class F>
__global__ void __launch_bounds__(elementwise_threads) table_keys(const Permutation<F> job) {
  const uint64_t i = element_number();
  if (i >= job.usable) return;
  take_value(job.canonical_t, job.records_t, job.t, i);
  job.leftover[i] = 1;
}

// The first place of the sorted table whose value is not below x.
template <class F>
__device__ __forceinline__ uint64_t lower_bound(const F* sorted, uint64_t count, const F& x) {
  uint64_t low = 0, high = count;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (is_less(load(sorted + middle), x)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Marks the rows of a' that repeat the one before, and takes the other values from the table.
template <class F>
__global__ void __launch_bounds__(elementwise_threads) take_from_table(const Permutation<F> job) {
  const uint64_t row = element_number();
  if (row >= job.usable) return;
  const F x = load(job.sorted_a + row);
  const bool repeats = row > 0 && load(job.sorted_a + row - 1) == x;
  job.repeats[row] = repeats;
  if (repeats) return;
  const uint64_t place = lower_bound(job.sorted_t, job.usable, x);
  if (place < job.usable && load(job.sorted_t + place) == x) {
    job.leftover[place] = 0;
  } else {
    atomicMax(job.missing, 1u);  // which row of a that is, name_missing finds out
  }
}

template <class F>
__global__ void __launch_bounds__(elementwise_threads) name_missing(const Permutation<F> job) {
  const uint64_t row = element_number();
  if (row >= job.usable || *job.missing == 0) return;
  const F x = canonical(load(job.a.at(row)));
  const uint64_t place = lower_bound(job.sorted_t, job.usable, x);
  if (place < job.usable && load(job.sorted_t + place) == x) return;
  atomicMax(job.missing, 0xffffffffu - static_cast<uint32_t>(row));
}

// Running sums of `repeats` and `leftover`, in place: block 2 i takes tile i of one, 2 i + 1 of the
// other.
inline constexpr int sum_threads = 256;
inline constexpr int sum_run = 8;
inline constexpr int sum_tile = sum_threads * sum_run;

// From each thread's count to that of all threads up to and including it.
__device__ __forceinline__ uint32_t sum_up_threads(uint32_t count, uint32_t* shared) {
  const uint32_t thread = threadIdx.x;
  shared[thread] = count;
  for (uint32_t distance = 1; distance < sum_threads; distance *= 2) {
    __syncthreads();
    const uint32_t other = thread >= distance ? shared[thread - distance] : 0;
    __syncthreads();
    count += other;
    shared[thread] = count;
  }
  __syncthreads();
  return count;
}

template <class F>
__global__ void __launch_bounds__(sum_threads) sum_each_tile(const Permutation<F> job) {
  __shared__ uint32_t shared[sum_threads];
  const uint32_t* const counts = blockIdx.x % 2 ? job.leftover : job.repeats;
  const uint64_t start = blockIdx.x / 2 * uint64_t{sum_tile};
  uint32_t count = 0;
  for (int i = 0; i < sum_run; i++) {
    const uint64_t place = start + i * sum_threads + threadIdx.x;
    if (place < job.usable) count += counts[place];
  }
  count = sum_up_threads(count, shared);
  if (threadIdx.x == sum_threads - 1) job.tile_sums[blockIdx.x] = count;
}

// The sums of all tiles before each one, by one block.
template <class F>
__global__ void __launch_bounds__(sum_threads) sum_up_tiles(const Permutation<F> job) {
  __shared__ uint32_t shared[sum_threads];
  const uint64_t tiles = (job.usable + sum_tile - 1) / sum_tile;
  for (int which = 0; which < 2; which++) {
    uint32_t before = 0;
    for (uint64_t start = 0; start < tiles; start += sum_threads) {
      const uint64_t tile = start + threadIdx.x;
      const uint32_t own = tile < tiles ? job.tile_sums[2 * tile + which] : 0;
      const uint32_t up_to = sum_up_threads(own, shared);
      if (tile < tiles) job.tile_sums[2 * tile + which] = before + up_to - own;
      before += shared[sum_threads - 1];
      __syncthreads();
    }
  }
}

template <class F>
__global__ void __launch_bounds__(sum_threads) sum_up_counts(const Permutation<F> job) {
  __shared__ uint32_t shared[sum_threads];
  uint32_t* const counts = blockIdx.x % 2 ? job.leftover : job.repeats;
  uint32_t before = job.tile_sums[blockIdx.x];
  for (int i = 0; i < sum_run; i++) {
    const uint64_t place = blockIdx.x / 2 * uint64_t{sum_tile} + i * sum_threads + threadIdx.x;
    const uint32_t own = place < job.usable ? counts[place] : 0;
    const uint32_t up_to = sum_up_threads(own, shared);
    if (place < job.usable) counts[place] = before + up_to;
    before += shared[sum_threads - 1];
    __syncthreads();
  }
}

template <class F>
__global__ void __launch_bounds__(elementwise_threads) collect_left(const Permutation<F> job) {
  const uint64_t i = element_number();
  if (i >= job.usable) return;
  const uint32_t count = job.leftover[i], before = i == 0 ? 0 : job.leftover[i - 1];
  if (count != before) store(job.left + before, load(job.sorted_t + i));
}

template <class F>
__global__ void __launch_bounds__(elementwise_threads) place_permuted(const Permutation<F> job) {
  const uint64_t row = element_number();
  if (row >= job.usable || *job.missing != 0) return;
  const F value = F::from_canonical(load(job.sorted_a + row).limb);
  const uint32_t count = job.repeats[row], before = row == 0 ? 0 : job.repeats[row - 1];
  F partner = value;
  if (count != before) {
    const uint32_t all = job.repeats[job.usable - 1];
    partner = F::from_canonical(load(job.left + (all - count)).limb);
  }
  store(job.permuted_a.at(row), value);
  store(job.permuted_t.at(row), partner);
}

}  // namespace zkrun
