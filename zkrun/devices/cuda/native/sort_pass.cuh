// One pass of a radix sort by 8 bits over one tile: reads each record once and writes it once
// ("Onesweep": Adinets and Merrill, 2022). How many records of other tiles go before a tile's own
// it knows from the histogram of all records and by looking back.
#pragma once

#include "running_sums.cuh"

namespace zkrun {

inline constexpr int sort_threads = 384;
inline constexpr int sort_warps = sort_threads / 32;
// Records of a thread: few where tiles would not be enough for all multiprocessors.
inline constexpr int short_sort_run = 4, long_sort_run = 12;
inline constexpr int digits = 4;    // of a word
inline constexpr int values = 256;  // of a digit

__device__ __forceinline__ uint32_t digit_of(uint64_t record, uint32_t shift) {
  return static_cast<uint32_t>(record >> 32) >> shift & (values - 1);
}

template <int run>
struct PassMemory {
  uint64_t records[sort_threads * run];
  uint32_t counts[sort_warps][values];
  uint32_t starts[values];
  uint32_t warp_sums[sort_warps];
};

struct Pass {
  const uint64_t* source;
  uint64_t* target;
  const uint32_t* histogram;  // of the digit, over all records
  uint32_t* statuses;         // of each tile and value, at 0 before the pass
  uint32_t* next_statuses;    // those of the next pass
  uint32_t count, shift;      // the latter: of the digit, in the key
};

// The sum of `count` over the threads before this one. All threads of the block must call it.
__device__ __forceinline__ uint32_t sum_before(uint32_t count, uint32_t* warp_sums) {
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t sum = sum_up_lanes(count);
  if (lane == 31) warp_sums[warp] = sum;
  __syncthreads();
  const uint32_t others = __reduce_add_sync(~0u, lane < warp ? warp_sums[lane] : 0);
  __syncthreads();
  return others + sum - count;
}

// The lanes of a warp that have the same digit. The vote and what it is combined by share their
// predicate, which compilers do not find.
__device__ __forceinline__ uint32_t lanes_with(uint32_t digit) {
  uint32_t lanes = ~0u;
  ZK_UNROLL
  for (int bit = 0; bit < 8; bit++) {
    asm volatile(
        "{\n"
        "  .reg .pred set;\n"
        "  .reg .b32 votes;\n"
        "  and.b32 votes, %1, %2;\n"
        "  setp.ne.u32 set, votes, 0;\n"
        "  vote.sync.ballot.b32 votes, set, 0xffffffff;\n"
        "  @!set not.b32 votes, votes;\n"
        "  and.b32 %0, %0, votes;\n"
        "}"
        : "+r"(lanes)
        : "r"(digit), "r"(1u << bit));
  }
  return lanes;
}

// The records of a tile, 32 neighbours of a warp after another. What lies behind the last one has
// the digits 255: it comes last, and is not written.
template <int run>
__device__ __forceinline__ void load_tile(uint64_t* records, const Pass& pass, uint32_t tile) {
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const uint32_t first = tile * (sort_threads * run) + warp * (32 * run) + lane;
  const uint64_t* const source = pass.source + first;
  ZK_UNROLL
  for (int k = 0; k < run; k++) {
    records[k] = first + 32 * k < pass.count ? __ldcg(source + 32 * k) : ~uint64_t{0};
  }
}

// By a whole block, from the records of a tile. `learn` is called when there has been time for an
// answer from memory, and `prepare` when the records are not needed any more, so that those of a
// next tile may come meanwhile.
template <int run, class Learn, class Prepare>
__device__ __forceinline__ void sort_by_digit(PassMemory<run>& memory, const Pass& pass,
                                              uint32_t tile, const uint64_t* records,
                                              Learn learn, Prepare prepare) {
  constexpr uint32_t tile_records = sort_threads * run;
  const uint32_t thread = threadIdx.x, lane = thread % 32, warp = thread / 32;

  uint32_t shift = pass.shift;

  // Ranks among the records of the warp, which keep their order.
  uint32_t* const own_counts = memory.counts[warp];
  for (uint32_t value = lane; value < values; value += 32) own_counts[value] = 0;
  __syncwarp();
  uint32_t ranks[(run + 1) / 2];  // two in a word
  ZK_UNROLL
  for (int k = 0; k < run; k++) {
    const uint32_t digit = digit_of(records[k], shift);
    const uint32_t same = lanes_with(digit);
    const uint32_t before = __popc(same & ((1u << lane) - 1));
    const uint32_t rank = own_counts[digit] + before;
    __syncwarp();
    if (before == 0) own_counts[digit] = rank + __popc(same);
    __syncwarp();
    if (k % 2 == 0) {
      ranks[k / 2] = rank;
    } else {
      ranks[k / 2] |= rank << 16;
    }
  }
  learn();
  __syncthreads();

  // A thread for each value: where the records with it begin, in the tile and among all.
  uint32_t own = 0;
  if (thread < values) {
    ZK_UNROLL
    for (int w = 0; w < sort_warps; w++) {
      const uint32_t count = memory.counts[w][thread];
      memory.counts[w][thread] = own;
      own += count;
    }
    if (tile != 0) write_status(pass.statuses + tile * values + thread, tell_own(own));
  }
  const uint32_t local_start = sum_before(own, memory.warp_sums);
  if (thread < values) memory.starts[thread] = local_start;
  uint32_t before = 0;
  if (tile == 0) {
    before = thread < values ? __ldcg(pass.histogram + thread) : 0;
    before = sum_before(before, memory.warp_sums);
  } else {
    __syncthreads();
  }
  asm volatile("" : "+r"(shift));  // digits are taken out again: to keep them, registers lack
  ZK_UNROLL
  for (int k = 0; k < run; k++) {
    const uint32_t rank = ranks[k / 2] >> (k % 2 * 16) & 0xffff;
    const uint32_t digit = digit_of(records[k], shift);
    memory.records[memory.starts[digit] + own_counts[digit] + rank] = records[k];
  }
  prepare();
  __syncthreads();
  if (thread < values) {
    if (tile != 0) before = look_back(pass.statuses + thread, values, tile);
    write_status(pass.statuses + tile * values + thread, tell_all(before + own));
    pass.next_statuses[tile * values + thread] = 0;
    memory.starts[thread] = before - local_start;
  }
  __syncthreads();
  const uint32_t left = pass.count - tile * tile_records;
  uint64_t* const target = pass.target;
  constexpr int at_once = 4;
  ZK_UNROLL
  for (int first = 0; first < run; first += at_once) {
    uint64_t written[at_once];
    uint32_t places[at_once];
    ZK_UNROLL
    for (int k = 0; k < at_once; k++) {
      written[k] = memory.records[(first + k) * sort_threads + thread];
    }
    ZK_UNROLL
    for (int k = 0; k < at_once; k++) places[k] = memory.starts[digit_of(written[k], shift)];
    ZK_UNROLL
    for (int k = 0; k < at_once; k++) {
      const uint32_t i = (first + k) * sort_threads + thread;
      if (i < left) target[places[k] + i] = written[k];
    }
  }
}

}  // namespace zkrun
