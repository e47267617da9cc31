// Runs of records with equal keys whose integers are not in order: found, and sorted one by one
// where they are short.
#pragma once

#include "sort.cuh"

namespace zkrun {

inline constexpr int run_threads = 256;
inline constexpr int run_records = 8;  // that a thread looks at
inline constexpr uint32_t longest_run = 16;

// The key of a record and the one before it, if they share it without being the same integer.
__device__ __forceinline__ bool may_be_unordered(const uint64_t* records, uint64_t i) {
  const uint32_t key = key_of(records[i]);
  return key >= first_shared_key && key_of(records[i - 1]) == key;
}

template <class F>
__device__ __forceinline__ bool is_unordered(const DeviceView<F>& elements,
                                             const uint64_t* records, uint64_t i) {
  const F before = load(elements.at(row_of(records[i - 1])));
  const F own = load(elements.at(row_of(records[i])));
  return own != before && is_below(integer_of(own), integer_of(before));
}

// Record i, which is out of order: lists the run it is in, unless an earlier one does.
template <class F>
__device__ __forceinline__ void list_run(const Sorting<F>& job, uint32_t array,
                                         const uint64_t* records, uint64_t i) {
  SortState& state = job.states[array];
  if (read_status(&state.mixed) != 0) return;
  const uint32_t key = key_of(records[i]);
  uint64_t begin = i, end = i + 1;
  while (begin > 0 && key_of(records[begin - 1]) == key && end - begin <= longest_run) begin--;
  while (end < job.count && key_of(records[end]) == key && end - begin <= longest_run) end++;
  if (end - begin > longest_run) {
    state.mixed = 1;
    return;
  }
  const DeviceView<F> elements = job.elements(array);
  for (uint64_t k = begin + 1; k < i; k++) {
    if (is_unordered(elements, records, k)) return;
  }
  job.spare(array)[atomicAdd(&state.runs, 1u)] = static_cast<uint32_t>(begin);
}

// Lists the runs that are out of order, each once, by where it begins. Even blocks look at the
// input, odd ones at the table. Few records share their keys: a block gathers those, so that its
// threads look at their elements at once.
template <class F>
__global__ void __launch_bounds__(run_threads) find_unordered(const Sorting<F> job) {
  constexpr uint32_t tile = run_records * run_threads;
  __shared__ uint32_t suspects[tile];
  __shared__ uint32_t count;
  const uint32_t array = blockIdx.x & 1;
  const uint64_t start = (blockIdx.x >> 1) * uint64_t{tile};
  const uint64_t* const records = job.sorted(array);
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  ZK_UNROLL
  for (int k = 0; k < run_records; k++) {
    const uint64_t i = start + k * run_threads + threadIdx.x;
    if (i > 0 && i < job.count && may_be_unordered(records, i)) {
      suspects[atomicAdd(&count, 1u)] = static_cast<uint32_t>(i);
    }
  }
  __syncthreads();
  if (read_status(&job.states[array].mixed) != 0) return;
  const DeviceView<F> elements = job.elements(array);
  for (uint32_t k = threadIdx.x; k < count; k += run_threads) {
    if (is_unordered(elements, records, suspects[k])) list_run(job, array, records, suspects[k]);
  }
}

// Sorts them, by insertion: equal integers stay in the order of their rows.
template <class F>
__global__ void __launch_bounds__(run_threads) order_runs(const Sorting<F> job) {
  const uint32_t array = blockIdx.x & 1;
  const SortState& state = job.states[array];
  if (state.mixed != 0 || state.runs == 0) return;
  uint64_t* const records = job.sorted(array);
  const uint32_t* const list = job.spare(array);
  const DeviceView<F> elements = job.elements(array);
  const uint32_t stride = gridDim.x / 2 * run_threads;
  for (uint32_t number = (blockIdx.x >> 1) * run_threads + threadIdx.x; number < state.runs;
       number += stride) {
    const uint64_t begin = list[number];
    const uint32_t key = key_of(records[begin]);
    for (uint64_t i = begin + 1; i < job.count; i++) {
      const uint64_t record = records[i];
      if (key_of(record) != key) break;
      const Integer integer = integer_of(elements, record);
      uint64_t place = i;
      for (; place > begin; place--) {
        const uint64_t before = records[place - 1];
        if (!is_below(integer, integer_of(elements, before))) break;
        records[place] = before;
      }
      records[place] = record;
    }
  }
}

}  // namespace zkrun
