// halo2's permutation of a lookup's input and table (the halo2 book, "Lookup argument"), around
// the sort of sort.cuh.
//
// a' is the input in ascending order. Where a value first occurs in a', t' has the same value;
// repeated rows take what is left of the table: its values in ascending order, into those rows from
// the last one backwards, which is where halo2_proofs' permute_expression_pair puts them.
#pragma once

#include "listing.cuh"
#include "lookup_table.cuh"
#include "permute_buckets.cuh"
#include "sort.cuh"
#include "sort_runs.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

// Rows of a thread: few where tiles would not be enough for all multiprocessors.
inline constexpr int short_match_run = 2, long_match_run = 8;
inline constexpr int match_batch = 4;  // of which so many at once, at most
inline constexpr int match_keys = 4096;  // of the table, that a block keeps

// 0 to begin with.
struct PermutationState {
  uint32_t tickets[3];  // of sort_by_keys, sort_by_integers, list_rows
  uint32_t placed;      // whether buckets have done all of the work
  uint32_t repeats;     // how many rows of a' repeat the one before
  uint32_t padding[11];
  SortState sorts[2];
};
static_assert(sizeof(PermutationState) - sizeof(SortState[2]) == 64, "as launches say");

inline constexpr int state_bytes = 73984;  // as launches say
static_assert(sizeof(PermutationState) <= state_bytes);

template <class F>
struct Permutation {
  DeviceView<F> permuted_a, permuted_t;
  Sorting<F> sorting;
  PermutationState* state;
  uint32_t* statuses;  // of the tiles of list_rows, for either list; 0 to begin with
  uint32_t* missing;   // 2^32 - 1 - the first row of a whose value t lacks

  __device__ __forceinline__ uint32_t tiles(uint32_t tile) const {
    return static_cast<uint32_t>((sorting.count + tile - 1) / tile);
  }
  // The rows of a' that repeat the one before, ascending; and a bit for each row, whether it does.
  __device__ __forceinline__ uint32_t* repeated() const { return sorting.spare(0); }
  __device__ __forceinline__ uint32_t* repeated_bits() const {
    return sorting.spare(0) + sorting.count;
  }
  // The rows of t whose values are left over, these ascending.
  __device__ __forceinline__ uint32_t* left() const { return sorting.spare(1); }
};

// a', and t' where a value first occurs; takes those values from the table, and marks the other
// rows.
template <class F, int run>
__global__ void __launch_bounds__(match_threads, 4) match_rows(const Permutation<F> job) {
  constexpr uint32_t tile_rows = match_threads * run;
  constexpr int batch = run < match_batch ? run : match_batch;
  __shared__ uint32_t keys[match_keys];
  __shared__ uint32_t bounds[2];
  const Sorting<F>& sorting = job.sorting;
  if (sorting.placed()) return;
  const uint32_t count = static_cast<uint32_t>(sorting.count);
  const uint32_t start = blockIdx.x * tile_rows, warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint64_t* const records = sorting.sorted(0);
  Table<F> table = {sorting.table, sorting.sorted(1), 0, 0, keys};
  if (warp < 2) {
    const uint32_t limit = count - start < tile_rows ? count - start : tile_rows;
    const uint32_t key = key_of(records[warp == 0 ? start : start + limit - 1]);
    const uint32_t bound = count_first(count, [&](uint32_t place) {
      const uint32_t other = key_of(table.records[place]);
      return other < key || (warp == 1 && other == key);
    });
    if (threadIdx.x % 32 == 0) bounds[warp] = bound;
  }
  __syncthreads();
  table.begin = bounds[0];
  table.end = bounds[1];
  if (table.end - table.begin <= match_keys) {
    for (uint32_t i = table.begin + threadIdx.x; i < table.end; i += match_threads) {
      keys[i - table.begin] = key_of(table.records[i]);
    }
  } else {
    table.keys = nullptr;
  }
  __syncthreads();

  // Bits of rows: with an element that has come before; with the key of the row before; and those
  // for which the search must go on.
  uint32_t repeated = 0, alike = 0, others = 0;
#pragma unroll 1
  for (int first = 0; first < run; first += batch) {
    // What comes from memory comes in three steps, each for all rows at once: the records, the
    // rows of the table, and the elements.
    uint32_t keys[batch], rows[batch], places[batch], partners[batch];
    uint32_t first_ones = 0;  // bits of rows that the table is searched for
    ZK_UNROLL
    for (int k = 0; k < batch; k++) {
      const uint32_t row = start + (first + k) * match_threads + threadIdx.x;
      const uint64_t record = row < count ? records[row] : 0;
      keys[k] = key_of(record);
      rows[k] = row_of(record);
      // The record before: of the lane before, but for the first one.
      const bool loads = lane == 0 && row > 0 && row < count;
      partners[k] = loads ? row_of(records[row - 1]) : 0;
      places[k] = loads ? key_of(records[row - 1]) : ~keys[k];
    }
    ZK_UNROLL
    for (int k = 0; k < batch; k++) {
      const uint32_t row = start + (first + k) * match_threads + threadIdx.x;
      const uint32_t bit = 1u << (first + k);
      const uint32_t key = keys[k];
      const uint32_t key_before = __shfl_up_sync(~0u, key, 1);
      const uint32_t row_before = __shfl_up_sync(~0u, rows[k], 1);
      const bool same_key = (lane == 0 ? places[k] : key_before) == key && row < count;
      const bool repeats = same_key && key < first_shared_key;
      // A row that repeats another of its warp takes its element from there.
      const uint32_t firsts = __ballot_sync(~0u, !repeats) & ((2u << lane) - 1);
      rows[k] = __shfl_sync(~0u, rows[k], firsts == 0 ? 0 : 31 - __clz(firsts));
      if (repeats) {
        repeated |= bit;
      } else if (same_key) {
        alike |= bit;
        if (lane != 0) partners[k] = row_before;
      } else if (row < count) {
        first_ones |= bit;
      }
    }
    if (__any_sync(~0u, first_ones != 0)) table.template find_keys<batch>(places, keys);
    ZK_UNROLL
    for (int k = 0; k < batch; k++) {
      const uint32_t bit = 1u << (first + k);
      if ((first_ones & bit) == 0) continue;
      if (places[k] == table.end) {
        others |= bit;
      } else {
        partners[k] = row_of(table.records[places[k]]);
      }
    }
    ZK_UNROLL
    for (int k = 0; k < batch; k++) {
      const uint32_t row = start + (first + k) * match_threads + threadIdx.x;
      const uint32_t bit = 1u << (first + k);
      const bool compares = row < count && ((repeated | others) & bit) == 0;
      const bool repeats = alike & bit;
      const F* const source = row < count ? sorting.input.at(rows[k]) : nullptr;
      const F* partner = nullptr;
      if (compares) {
        partner = repeats ? sorting.input.at(partners[k]) : sorting.table.at(partners[k]);
      }
      const F x = load_whole_sectors(source), y = load_whole_sectors(partner);
      bool first_of_value = false;
      if (compares) {
        if (x != y) {
          others |= bit;
        } else if (repeats) {
          repeated |= bit;
        } else {
          sorting.taken[places[k]] = 1;
          first_of_value = true;
        }
      }
      store_whole_sectors(row < count ? job.permuted_a.at(row) : nullptr, x);
      store_whole_sectors(first_of_value ? job.permuted_t.at(row) : nullptr, x);
    }
  }
  for (int k = 0; others >> k != 0; k++) {
    if ((others >> k & 1) == 0) continue;
    const uint32_t row = start + k * match_threads + threadIdx.x;
    const uint64_t record = records[row];
    const F x = load(sorting.input.at(row_of(record)));
    const uint32_t place = table.find_element(key_of(record), x);
    if (place == table.end) {
      atomicMax(job.missing, ~row_of(record));  // 2^32 - 1 - row
    } else {
      sorting.taken[place] = 1;
      store(job.permuted_t.at(row), x);
    }
  }
  uint32_t* const bits = job.repeated_bits();
  uint32_t repeats = 0;
  ZK_UNROLL
  for (int k = 0; k < run; k++) {
    const uint32_t votes = __ballot_sync(~0u, repeated >> k & 1);
    const uint32_t row = start + k * match_threads + threadIdx.x;
    if (lane == 0 && row < count) bits[row / 32] = votes;
    repeats += __popc(votes);
  }
  if (lane == 0 && repeats != 0) atomicAdd(&job.state->repeats, repeats);
}

// The rows of a' that repeat, and what of the table is left.
template <class F, int run>
__global__ void __launch_bounds__(match_threads) list_rows(const Permutation<F> job) {
  constexpr uint32_t tile_rows = match_threads * run;
  __shared__ Listing<run> listing;
  if (job.state->repeats == 0) return;
  const Sorting<F>& sorting = job.sorting;
  const uint64_t* const records = sorting.sorted(1);
  const uint32_t* const bits = job.repeated_bits();
  uint32_t* const rows = job.repeated();
  uint32_t* const list = job.left();
  const uint32_t tiles = job.tiles(tile_rows);
  while (true) {
    const uint32_t tile = take_ticket(job.state->tickets + 2);
    if (tile >= tiles) return;
    const uint64_t start = tile * uint64_t{tile_rows} + threadIdx.x;
    uint32_t repeated = 0, left = 0;
    ZK_UNROLL
    for (int k = 0; k < run; k++) {
      const uint64_t place = start + k * match_threads;
      if (place >= sorting.count) continue;
      repeated |= (bits[place / 32] >> place % 32 & 1) << k;
      if (sorting.taken[place] == 0) left |= 1u << k;
    }
    listing.list(repeated, job.statuses, tile, [&](uint32_t k, uint32_t number) {
      rows[number] = static_cast<uint32_t>(start) + k * match_threads;
    });
    __syncthreads();
    listing.list(left, job.statuses + tiles, tile, [&](uint32_t k, uint32_t number) {
      list[number] = row_of(records[start + k * match_threads]);
    });
  }
}

// t' in the rows that repeat.
template <class F>
__global__ void __launch_bounds__(match_threads) place_left(const Permutation<F> job) {
  const uint32_t repeats = job.state->repeats;
  if (*job.missing != 0) return;
  for (uint64_t begin = blockIdx.x * uint64_t{match_threads}; begin < repeats;
       begin += gridDim.x * uint64_t{match_threads}) {
    const uint64_t number = begin + threadIdx.x;
    const bool any = number < repeats;
    const F x = load_whole_sectors(
        any ? job.sorting.table.at(job.left()[repeats - 1 - number]) : nullptr);
    store_whole_sectors(any ? job.permuted_t.at(job.repeated()[number]) : nullptr, x);
  }
}

}  // namespace zkrun
