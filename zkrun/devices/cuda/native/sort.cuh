// Sorting canonical integers of 32 bytes: tiles in shared memory by a bitonic network (Batcher,
// 1968), then merges of ever longer runs, of which each block does an equal part ("merge path": Odeh,
// Green, Mwassi, Shmueli, Birk, 2012).
#pragma once

#include "field.hpp"
#include "memory.cuh"
#include "shared_memory.cuh"

namespace zkrun {

inline constexpr int sort_threads = 256;
inline constexpr int sort_run = 4;  // elements that a thread merges
inline constexpr int sort_tile = sort_threads * sort_run;

template <class F>
struct Sort {
  const F* source;
  F* target;
  uint64_t count;
  uint64_t width;  // of the sorted runs of `source`
};

// Whether a < b for canonical integers.
template <class F>
__device__ __forceinline__ bool is_less(const F& a, const F& b) {
  return less_than<F::N>(a.limb, b.limb);
}

template <class F>
__global__ void __launch_bounds__(sort_threads) sort_tiles(const Sort<F> job) {
  __shared__ ulonglong2 tile[2 * sort_tile];
  const uint64_t start = blockIdx.x * uint64_t{sort_tile};
  F largest;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) largest.limb[i] = ~uint64_t{0};
  for (uint32_t i = threadIdx.x; i < sort_tile; i += sort_threads) {
    F x = largest;
    if (start + i < job.count) x = load(job.source + start + i);
    put_spread(tile, sort_tile, i, x);
  }
#pragma unroll 1
  for (uint32_t size = 2; size <= sort_tile; size *= 2) {
#pragma unroll 1
    for (uint32_t distance = size / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (uint32_t pair = threadIdx.x; pair < sort_tile / 2; pair += sort_threads) {
        const uint32_t i = 2 * pair - (pair & (distance - 1)), j = i + distance;
        const F x = get_spread<F>(tile, sort_tile, i), y = get_spread<F>(tile, sort_tile, j);
        const bool ascending = (i & size) == 0;
        if (ascending ? is_less(y, x) : is_less(x, y)) {
          put_spread(tile, sort_tile, i, y);
          put_spread(tile, sort_tile, j, x);
        }
      }
    }
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < sort_tile; i += sort_threads) {
    if (start + i < job.count) store(job.target + start + i, get_spread<F>(tile, sort_tile, i));
  }
}

// How many of the first `number` elements of the merge of two runs are of the first run.
template <class At, class Less>
__device__ __forceinline__ uint64_t split_merge(uint64_t first, uint64_t second, uint64_t number,
                                                At at, Less less) {
  uint64_t low = number > second ? number - second : 0;
  uint64_t high = number < first ? number : first;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (less(at(1, number - 1 - middle), at(0, middle))) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// Merges runs 2 i and 2 i + 1 of `width` elements, a tile of the result a block.
template <class F>
__global__ void __launch_bounds__(sort_threads) merge_runs(const Sort<F> job) {
  __shared__ ulonglong2 tile[2 * sort_tile];
  __shared__ uint64_t splits[2];
  const uint64_t start = blockIdx.x * uint64_t{sort_tile};  // of the tile, width is a multiple of it
  const uint64_t pair = start / (2 * job.width) * (2 * job.width);
  const uint64_t middle = pair + job.width < job.count ? pair + job.width : job.count;
  const uint64_t end = pair + 2 * job.width < job.count ? pair + 2 * job.width : job.count;
  const uint64_t tile_end = start + sort_tile < end ? start + sort_tile : end;
  const auto less = [](const F& a, const F& b) { return is_less(a, b); };
  if (threadIdx.x < 2) {
    const auto at = [&](int run, uint64_t i) {
      return load(job.source + (run == 0 ? pair : middle) + i);
    };
    const uint64_t number = (threadIdx.x == 0 ? start : tile_end) - pair;
    splits[threadIdx.x] = split_merge(middle - pair, end - middle, number, at, less);
  }
  __syncthreads();
  const uint64_t first_start = pair + splits[0];
  const uint64_t second_start = middle + (start - pair - splits[0]);
  const uint32_t first = static_cast<uint32_t>(splits[1] - splits[0]);
  const uint32_t count = static_cast<uint32_t>(tile_end - start);
  for (uint32_t i = threadIdx.x; i < count; i += sort_threads) {
    const uint64_t place = i < first ? first_start + i : second_start + (i - first);
    put_spread(tile, sort_tile, i, load(job.source + place));
  }
  __syncthreads();
  const uint32_t number = threadIdx.x * sort_run;
  if (number >= count) return;
  const auto at = [&](int run, uint64_t i) {
    return get_spread<F>(tile, sort_tile, (run == 0 ? 0 : first) + static_cast<uint32_t>(i));
  };
  uint32_t i = static_cast<uint32_t>(split_merge(first, count - first, number, at, less));
  uint32_t j = first + number - i;
  for (uint32_t k = number; k < number + sort_run && k < count; k++) {
    bool take_second = i >= first;
    if (!take_second && j < count) {
      take_second =
          is_less(get_spread<F>(tile, sort_tile, j), get_spread<F>(tile, sort_tile, i));
    }
    store(job.target + start + k, get_spread<F>(tile, sort_tile, take_second ? j++ : i++));
  }
}

}  // namespace zkrun
