// Codes sorted by window and bucket, in two passes: by the coarse bits of the bucket's index into
// partitions, and each partition by its fine bits. The order within a bucket does not matter.
//
// A block takes a tile of digits, counts them in shared memory, reserves room for each of its
// counts at once, and writes. Tiles are of equal size whatever the distribution of the digits.
#pragma once

#include "clear_words.cuh"
#include "msm_plan.cuh"

namespace zkrun {

// Exclusive prefix sums of one value a thread; the sum of all goes to `total`. All threads of a
// block of at most 1024 must call it, with 32 words of shared memory.
__device__ __forceinline__ uint32_t exclusive_scan(uint32_t value, uint32_t* warp_sums,
                                                   uint32_t& total) {
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  uint32_t sum = value;
  for (uint32_t distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(~0u, sum, distance);
    if (lane >= distance) sum += other;
  }
  if (lane == 31) warp_sums[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    uint32_t warp_sum = lane < warps ? warp_sums[lane] : 0;
    for (uint32_t distance = 1; distance < 32; distance *= 2) {
      const uint32_t other = __shfl_up_sync(~0u, warp_sum, distance);
      if (lane >= distance) warp_sum += other;
    }
    if (lane < warps) warp_sums[lane] = warp_sum;
  }
  __syncthreads();
  total = warp_sums[warps - 1];
  const uint32_t before = (warp == 0 ? 0 : warp_sums[warp - 1]) + sum - value;
  __syncthreads();
  return before;
}

// Where partitions begin, among codes and among tiles, from their sizes: both arrays get
// partitions + 1 elements. `cursors` is what the first pass moves on. One block of 1024 threads.
__global__ void __launch_bounds__(1024)
    lay_out_partitions(uint32_t* starts, uint32_t* tile_starts, uint32_t* cursors,
                       const uint32_t* counts, uint32_t partitions) {
  __shared__ uint32_t warp_sums[32];
  uint32_t codes_before = 0, tiles_before = 0;
  for (uint32_t first = 0; first < partitions; first += blockDim.x) {
    const uint32_t k = first + threadIdx.x;
    const uint32_t count = k < partitions ? counts[k] : 0;
    uint32_t codes, tiles;
    const uint32_t start = codes_before + exclusive_scan(count, warp_sums, codes);
    const uint32_t tile_start =
        tiles_before + exclusive_scan((count + tile_size - 1) / tile_size, warp_sums, tiles);
    if (k < partitions) {
      starts[k] = start;
      cursors[k] = start;
      tile_starts[k] = tile_start;
    }
    codes_before += codes;
    tiles_before += tiles;
  }
  if (threadIdx.x == 0) {
    starts[partitions] = codes_before;
    tile_starts[partitions] = tiles_before;
  }
}

// A tile's items, put in the order of their bins in shared memory, so that each bin's are written
// side by side. An item is two words.
struct Staging {
  uint32_t *counts, *local_starts, *global_starts;  // of every bin
  uint32_t *first_words, *second_words;             // of every item

  static __device__ __forceinline__ Staging in(uint32_t* shared, uint32_t bins) {
    return {shared, shared + bins, shared + 2 * bins, shared + 3 * bins,
            shared + 3 * bins + tile_size};
  }
};

// Once all counts are there: reserves room for every bin in the output, by `cursors`, and in the
// tile. Returns the number of items. All threads of the block must call it.
__device__ __forceinline__ uint32_t reserve(const Staging& staging, uint32_t* cursors,
                                            uint32_t bins) {
  __shared__ uint32_t warp_sums[32];
  uint32_t items = 0;
  for (uint32_t first = 0; first < bins; first += blockDim.x) {
    const uint32_t k = first + threadIdx.x;
    const uint32_t count = k < bins ? staging.counts[k] : 0;
    uint32_t total;
    const uint32_t start = items + exclusive_scan(count, warp_sums, total);
    if (k < bins) {
      staging.local_starts[k] = start;
      if (count != 0) staging.global_starts[k] = atomicAdd(&cursors[k], count);
    }
    items += total;
  }
  __syncthreads();
  return items;
}

// The first pass: codes, and the fine bits of their buckets beside them. Blocks: tiles of a window
// by windows. Shared memory: 3 words a bin, 2^coarse_bits of them, and 2 an item of a tile.
__global__ void __launch_bounds__(sort_threads)
    partition_digits(uint32_t* codes, uint16_t* fine_bits, uint32_t* cursors,
                     const uint32_t* digits, MsmPlan plan) {
  extern __shared__ uint32_t shared_words[];
  const uint32_t bins = 1u << plan.coarse_bits;
  const Staging staging = Staging::in(shared_words, bins);
  const uint32_t window = blockIdx.y, first = blockIdx.x * tile_size + threadIdx.x;
  for (uint32_t k = threadIdx.x; k < bins; k += blockDim.x) staging.counts[k] = 0;
  __syncthreads();

  digits += static_cast<uint64_t>(window) * plan.rows();
  uint32_t values[tile_items], ranks[tile_items];
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    const uint32_t row = first + item * sort_threads;
    values[item] = row < plan.rows() ? digits[row] : 0;
  }
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    if (values[item] != 0) {
      const uint32_t bucket = (values[item] >> 1) - 1;
      ranks[item] = atomicAdd(&staging.counts[bucket >> plan.fine_bits], 1u);
    }
  }
  __syncthreads();
  const uint32_t items = reserve(staging, cursors + (window << plan.coarse_bits), bins);
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    if (values[item] == 0) continue;
    const uint32_t row = first + item * sort_threads;
    const bool endomorphism = row >= plan.points;
    const uint32_t base = endomorphism ? row - plan.points : row;
    const uint32_t bucket = (values[item] >> 1) - 1;
    const uint32_t place = staging.local_starts[bucket >> plan.fine_bits] + ranks[item];
    staging.first_words[place] = make_code(base, endomorphism, values[item] & 1);
    staging.second_words[place] = bucket;
  }
  __syncthreads();
  for (uint32_t place = threadIdx.x; place < items; place += blockDim.x) {
    const uint32_t bucket = staging.second_words[place];
    const uint32_t bin = bucket >> plan.fine_bits;
    const uint32_t target = staging.global_starts[bin] + place - staging.local_starts[bin];
    codes[target] = staging.first_words[place];
    fine_bits[target] = static_cast<uint16_t>(bucket & ((1u << plan.fine_bits) - 1));
  }
}

// The tile of a partition that is this block's.
struct Tile {
  uint32_t partition, begin, end;  // the codes [begin, end), none in blocks beyond the last tile
};

__device__ __forceinline__ Tile find_tile(const uint32_t* starts, const uint32_t* tile_starts,
                                          uint32_t partitions) {
  __shared__ Tile tile;
  if (threadIdx.x == 0) {
    tile = {0, 0, 0};
    if (blockIdx.x < tile_starts[partitions]) {
      uint32_t low = 0, high = partitions;  // tile_starts[low] <= block < tile_starts[high]
      while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (tile_starts[middle] <= blockIdx.x) {
          low = middle;
        } else {
          high = middle;
        }
      }
      const uint32_t begin = starts[low] + (blockIdx.x - tile_starts[low]) * tile_size;
      tile = {low, begin, min(begin + tile_size, starts[low + 1])};
    }
  }
  __syncthreads();
  return tile;
}

// bucket_counts[bucket] += codes of this tile. Shared memory: 2^fine_bits words.
__global__ void __launch_bounds__(sort_threads)
    count_buckets(uint32_t* bucket_counts, const uint16_t* fine_bits, const uint32_t* starts,
                  const uint32_t* tile_starts, MsmPlan plan) {
  extern __shared__ uint32_t counts[];
  const Tile tile = find_tile(starts, tile_starts, plan.partitions());
  if (tile.begin == tile.end) return;
  const uint32_t bins = 1u << plan.fine_bits;
  for (uint32_t k = threadIdx.x; k < bins; k += blockDim.x) counts[k] = 0;
  __syncthreads();
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    const uint32_t place = tile.begin + item * sort_threads + threadIdx.x;
    if (place < tile.end) atomicAdd(&counts[fine_bits[place]], 1u);
  }
  __syncthreads();
  bucket_counts += static_cast<uint64_t>(tile.partition) << plan.fine_bits;
  for (uint32_t k = threadIdx.x; k < bins; k += blockDim.x) {
    if (counts[k] != 0) atomicAdd(&bucket_counts[k], counts[k]);
  }
}

// Where buckets begin: bucket_starts gets one element more than there are buckets. `cursors` holds
// counts before, starts after. One block a partition.
__global__ void __launch_bounds__(sort_threads)
    lay_out_buckets(uint32_t* bucket_starts, uint32_t* cursors, const uint32_t* starts,
                    MsmPlan plan) {
  __shared__ uint32_t warp_sums[32];
  const uint32_t bins = 1u << plan.fine_bits;
  uint32_t before = starts[blockIdx.x];
  const uint64_t first_bucket = static_cast<uint64_t>(blockIdx.x) << plan.fine_bits;
  for (uint32_t first = 0; first < bins; first += blockDim.x) {
    const uint32_t k = first + threadIdx.x;
    const uint32_t count = k < bins ? cursors[first_bucket + k] : 0;
    uint32_t total;
    const uint32_t start = before + exclusive_scan(count, warp_sums, total);
    if (k < bins) {
      bucket_starts[first_bucket + k] = start;
      cursors[first_bucket + k] = start;
    }
    before += total;
  }
  if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) bucket_starts[first_bucket + bins] = before;
}

// The second pass, of the same shape: bins are buckets of a partition.
__global__ void __launch_bounds__(sort_threads)
    sort_partitions(uint32_t* sorted, uint32_t* cursors, const uint32_t* codes,
                    const uint16_t* fine_bits, const uint32_t* starts,
                    const uint32_t* tile_starts, MsmPlan plan) {
  extern __shared__ uint32_t shared_words[];
  const Tile tile = find_tile(starts, tile_starts, plan.partitions());
  if (tile.begin == tile.end) return;
  const uint32_t bins = 1u << plan.fine_bits;
  const Staging staging = Staging::in(shared_words, bins);
  for (uint32_t k = threadIdx.x; k < bins; k += blockDim.x) staging.counts[k] = 0;
  __syncthreads();
  uint32_t values[tile_items], places[tile_items];  // a place: bin, and above it the rank there
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    const uint32_t place = tile.begin + item * sort_threads + threadIdx.x;
    if (place < tile.end) {
      values[item] = codes[place];
      places[item] = fine_bits[place];
    }
  }
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    const uint32_t place = tile.begin + item * sort_threads + threadIdx.x;
    if (place < tile.end) places[item] |= atomicAdd(&staging.counts[places[item]], 1u) << 16;
  }
  __syncthreads();
  const uint64_t first_bucket = static_cast<uint64_t>(tile.partition) << plan.fine_bits;
  const uint32_t items = reserve(staging, cursors + first_bucket, bins);
#pragma unroll
  for (int item = 0; item < tile_items; item++) {
    const uint32_t place = tile.begin + item * sort_threads + threadIdx.x;
    if (place >= tile.end) continue;
    const uint32_t bin = places[item] & 0xffff;
    const uint32_t target = staging.local_starts[bin] + (places[item] >> 16);
    staging.first_words[target] = values[item];
    staging.second_words[target] = bin;
  }
  __syncthreads();
  for (uint32_t place = threadIdx.x; place < items; place += blockDim.x) {
    const uint32_t bin = staging.second_words[place];
    sorted[staging.global_starts[bin] + place - staging.local_starts[bin]] =
        staging.first_words[place];
  }
}

}  // namespace zkrun
