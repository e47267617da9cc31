// Sorting canonical integers of 32 bytes, by records of 16 bytes: tiles in shared memory by a
// bitonic network (Batcher, 1968), then merges of ever longer runs, of which each block does an
// equal part ("merge path": Odeh, Green, Mwassi, Shmueli, Birk, 2012).
//
// A record is a key, which orders as the integers do, and where the integer lies. The key is the
// integer's length in bits and the 56 bits behind its leading one: all of it up to 57 bits, and
// enough of longer ones that others seldom share it. Where they do, the integers themselves
// decide.
#pragma once

#include "field.hpp"
#include "memory.cuh"

namespace zkrun {

inline constexpr int sort_threads = 512;
inline constexpr int split_threads = 128;
inline constexpr int sort_run = 4;  // records that a thread merges
inline constexpr int sort_tile = sort_threads * sort_run;

struct Record {
  uint64_t key, index;
};

inline constexpr int exact_bits = 57;
inline constexpr uint64_t no_integer = ~uint64_t{0};  // a key above all: integers are below 2^255

template <class F>
struct Sort {
  const Record* source;
  Record* target;
  const F* integers;
  uint64_t count;
  uint64_t width;    // of the sorted runs of `source`
  uint32_t* splits;  // of the tiles, by find_splits; or null
};

__device__ __forceinline__ uint64_t at_most(uint64_t i, uint64_t largest) {
  return i < largest ? i : largest;
}

// Whether a < b for canonical integers.
template <class F>
__device__ __forceinline__ bool is_less(const F& a, const F& b) {
  return less_than<F::N>(a.limb, b.limb);
}

template <class F>
__device__ __forceinline__ uint64_t key_of(const F& integer) {
  static_assert(F::N == 4 && F::Parameters::bits <= 255);
  uint64_t high = 0, low = 0;  // the highest limb that is not 0, and the one below it
  int place = 0;
  ZK_UNROLL
  for (int i = 0; i < F::N; i++) {
    if (integer.limb[i] == 0) continue;
    high = integer.limb[i];
    low = i > 0 ? integer.limb[i - 1] : 0;
    place = i;
  }
  if (high == 0) return 0;
  const int zeros = __clzll(static_cast<int64_t>(high));
  const uint64_t length = 64 * place + 64 - zeros;
  if (zeros > 0) high = high << zeros | low >> (64 - zeros);
  return length << 56 | (high << 1) >> 8;
}

template <class F>
__device__ __forceinline__ bool is_less(const Record& a, const Record& b, const F* integers) {
  if (a.key != b.key) return a.key < b.key;
  if (a.key >> 56 <= exact_bits || a.key == no_integer) return false;
  return is_less(load(integers + a.index), load(integers + b.index));
}

template <class F>
__global__ void __launch_bounds__(sort_threads) sort_tiles(const Sort<F> job) {
  __shared__ Record tile[sort_tile];
  const uint64_t start = blockIdx.x * uint64_t{sort_tile};
  for (uint32_t i = threadIdx.x; i < sort_tile; i += sort_threads) {
    tile[i] = start + i < job.count ? load(job.source + start + i) : Record{no_integer, 0};
  }
#pragma unroll 1
  for (uint32_t size = 2; size <= sort_tile; size *= 2) {
#pragma unroll 1
    for (uint32_t distance = size / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (uint32_t pair = threadIdx.x; pair < sort_tile / 2; pair += sort_threads) {
        const uint32_t i = 2 * pair - (pair & (distance - 1)), j = i + distance;
        const Record x = tile[i], y = tile[j];
        const bool ascending = (i & size) == 0;
        if (ascending ? is_less(y, x, job.integers) : is_less(x, y, job.integers)) {
          tile[i] = y;
          tile[j] = x;
        }
      }
    }
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < sort_tile; i += sort_threads) {
    if (start + i < job.count) store(job.target + start + i, tile[i]);
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

// The runs that a tile of the result is merged from.
struct Runs {
  uint64_t start, end;           // of the tile, in records
  uint64_t pair, middle, limit;  // where the two runs begin, and the second one ends

  template <class F>
  __device__ __forceinline__ Runs(const Sort<F>& job, uint64_t tile) {
    start = tile * sort_tile;  // the width is a multiple of it
    pair = start / (2 * job.width) * (2 * job.width);
    middle = at_most(pair + job.width, job.count);
    limit = at_most(pair + 2 * job.width, job.count);
    end = at_most(start + sort_tile, limit);
  }
};

// How many of a tile's first run come before the tile, or before its end.
template <class F>
__device__ __forceinline__ uint32_t find_split(const Sort<F>& job, const Runs& runs, bool at_end) {
  const auto at = [&](int run, uint64_t i) {
    return load(job.source + (run == 0 ? runs.pair : runs.middle) + i);
  };
  const auto less = [&](const Record& a, const Record& b) { return is_less(a, b, job.integers); };
  const uint64_t merged = (at_end ? runs.end : runs.start) - runs.pair;
  return static_cast<uint32_t>(
      split_merge(runs.middle - runs.pair, runs.limit - runs.middle, merged, at, less));
}

// splits[2 i] and splits[2 i + 1]: those of tile i, ahead of the merge, whose blocks would wait
// long.
template <class F>
__global__ void __launch_bounds__(split_threads) find_splits(const Sort<F> job) {
  const uint64_t number = blockIdx.x * uint64_t{split_threads} + threadIdx.x;
  if (number / 2 * sort_tile >= job.count) return;
  job.splits[number] = find_split(job, Runs(job, number / 2), number % 2 != 0);
}

// Merges runs 2 i and 2 i + 1 of `width` records, a tile of the result a block.
template <class F>
__global__ void __launch_bounds__(sort_threads) merge_runs(const Sort<F> job) {
  __shared__ Record tile[sort_tile];
  const Runs runs(job, blockIdx.x);
  const uint64_t start = runs.start;
  __shared__ uint32_t splits[2];
  if (threadIdx.x < 2) {
    splits[threadIdx.x] = job.splits != nullptr ? job.splits[2 * blockIdx.x + threadIdx.x]
                                                : find_split(job, runs, threadIdx.x == 1);
  }
  __syncthreads();
  const uint32_t before = splits[0], first = splits[1] - before;
  const uint32_t count = static_cast<uint32_t>(runs.end - start);
  const uint64_t first_start = runs.pair + before;
  const uint64_t second_start = runs.middle + (start - runs.pair - before);
  const auto less = [&](const Record& a, const Record& b) { return is_less(a, b, job.integers); };
  for (uint32_t i = threadIdx.x; i < count; i += sort_threads) {
    tile[i] = load(job.source + (i < first ? first_start + i : second_start + (i - first)));
  }
  __syncthreads();
  const uint32_t number = threadIdx.x * sort_run;
  Record merged[sort_run];
  if (number < count) {
    const auto at = [&](int run, uint64_t i) {
      return tile[(run == 0 ? 0 : first) + static_cast<uint32_t>(i)];
    };
    uint32_t i = static_cast<uint32_t>(split_merge(first, count - first, number, at, less));
    uint32_t j = first + number - i;
    ZK_UNROLL
    for (uint32_t k = 0; k < sort_run; k++) {
      bool take_second = i >= first;
      if (!take_second && j < count) take_second = less(tile[j], tile[i]);
      if (number + k < count) merged[k] = tile[take_second ? j++ : i++];
    }
  }
  __syncthreads();
  ZK_UNROLL
  for (uint32_t k = 0; k < sort_run; k++) {
    if (number + k < count) tile[number + k] = merged[k];
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < count; i += sort_threads) {
    store(job.target + start + i, tile[i]);
  }
}

// sorted[i] = the integer of record i.
template <class F>
struct Collection {
  F* sorted;
  const F* integers;
  const Record* records;
  uint64_t count;
};

template <class F>
__global__ void __launch_bounds__(sort_threads) collect_sorted(const Collection<F> job) {
  const uint64_t i = blockIdx.x * uint64_t{sort_threads} + threadIdx.x;
  if (i < job.count) store(job.sorted + i, load(job.integers + load(job.records + i).index));
}

}  // namespace zkrun
