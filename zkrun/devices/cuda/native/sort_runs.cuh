// Runs of records with equal keys of different integers: found, and put in order one by one where
// they are short.
#pragma once

#include "sort.cuh"

namespace zkrun {

inline constexpr int run_threads = 256;
inline constexpr int run_records = 8;  // that a thread looks at
inline constexpr uint32_t longest_run = 16;

// Lists the records that have the key of the one before, unless that is of one integer. Even blocks
// look at the input, odd ones at the table.
template <class F>
__global__ void __launch_bounds__(run_threads) list_alike(const Sorting<F> job) {
  constexpr uint32_t tile = run_records * run_threads;
  __shared__ uint32_t alike[tile];
  __shared__ uint32_t count, begin;
  const uint32_t array = blockIdx.x & 1, thread = threadIdx.x;
  SortState& state = job.states[array];
  if ((state.set[key_word] & first_shared_key) == 0) return;  // none in any key
  const uint64_t* const records = job.sorted(array);
  for (uint64_t start = (blockIdx.x >> 1) * uint64_t{tile}; start < job.count;
       start += (gridDim.x >> 1) * uint64_t{tile}) {
    __syncthreads();  // what is shared is not needed any more
    if (thread == 0) count = 0;
    __syncthreads();
    // All loads come before the first count, which none of them could pass.
    uint32_t keys[run_records], before[run_records];
    ZK_UNROLL
    for (int k = 0; k < run_records; k++) {
      const uint64_t i = start + k * run_threads + thread;
      keys[k] = i < job.count ? key_of(records[i]) : 0;
      before[k] = thread % 32 == 0 && i > 0 && i < job.count ? key_of(records[i - 1]) : 0;
    }
    ZK_UNROLL
    for (int k = 0; k < run_records; k++) {
      const uint32_t other = __shfl_up_sync(~0u, keys[k], 1);
      if (thread % 32 != 0) before[k] = other;
      if (keys[k] >= first_shared_key && keys[k] == before[k]) {
        alike[atomicAdd(&count, 1u)] = static_cast<uint32_t>(start + k * run_threads + thread);
      }
    }
    __syncthreads();
    if (count == 0) continue;
    if (thread == 0) begin = atomicAdd(&state.alike, count);
    __syncthreads();
    uint32_t* const list = job.spare(array) + begin;
    for (uint32_t k = thread; k < count; k += run_threads) list[k] = alike[k];
  }
}

// Record i, which has the key of the one before, and its run. One thread of a short run sorts it,
// by insertion: equal integers stay in the order of their rows. Those of a long one only look.
template <class F>
__device__ __forceinline__ void order_run(const DeviceView<F>& elements, uint64_t* records,
                                          uint64_t count, uint64_t i, uint32_t* mixed) {
  const uint32_t key = key_of(records[i]);
  uint64_t begin = i - 1, end = i + 1;
  bool is_long = (i >= longest_run && key_of(records[i - longest_run]) == key) ||
                 (i + longest_run < count && key_of(records[i + longest_run]) == key);
  if (!is_long) {
    while (begin > 0 && key_of(records[begin - 1]) == key) begin--;
    while (end < count && key_of(records[end]) == key) end++;
    is_long = end - begin > longest_run;
  }
  if (is_long) {
    const F before = load(elements.at(row_of(records[i - 1])));
    const F own = load(elements.at(row_of(records[i])));
    if (own != before && is_below(integer_of(own), integer_of(before))) *mixed = 1;
    return;
  }
  if (i != begin + 1) return;
  for (; i < end; i++) {
    const uint64_t record = records[i];
    const Integer integer = integer_of(elements, record);
    uint64_t place = i;
    for (; place > begin; place--) {
      const uint64_t before = records[place - 1];
      if (!is_below(integer, integer_of(elements, before))) break;
      records[place] = before;
    }
    if (place != i) records[place] = record;
  }
}

template <class F>
__global__ void __launch_bounds__(run_threads) order_runs(const Sorting<F> job) {
  const uint32_t array = blockIdx.x & 1;
  SortState& state = job.states[array];
  uint64_t* const records = job.sorted(array);
  const uint32_t* const list = job.spare(array);
  const DeviceView<F> elements = job.elements(array);
  const uint32_t stride = gridDim.x / 2 * run_threads;
  for (uint32_t number = (blockIdx.x >> 1) * run_threads + threadIdx.x; number < state.alike;
       number += stride) {
    if (read_status(&state.mixed) != 0) return;
    order_run(elements, records, job.count, list[number], &state.mixed);
  }
}

}  // namespace zkrun
