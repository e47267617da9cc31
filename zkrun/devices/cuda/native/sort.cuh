// Sorting the input and the table of a lookup by their integers, by radix sorts of records
// (sort_records.cuh), the lowest digit first.
//
// sort_by_keys sorts by keys. Runs of equal keys whose integers are out of order are put in order
// one by one where they are short (sort_runs.cuh). Where one is long, sort_by_integers sorts that
// array by all of its integers, a word after another: whatever the values are, there are so many
// passes at most. Digits that all integers have in common are left out, in either.
#pragma once

#include "sort_phases.cuh"

namespace zkrun {

// Counts of digits that a block gathers in shared memory, before it adds them to those of all.
struct Counts {
  uint32_t of_digit[digits * values];
  uint32_t set, clear;  // bits of the words that are counted

  // The digits of a word. All threads of a warp must call it, some with nothing to count.
  __device__ __forceinline__ void add(uint32_t word, bool counts_too) {
    const uint32_t other = __shfl_sync(~0u, word, 0);
    const bool whole = __all_sync(~0u, counts_too);
    const uint32_t differing = __reduce_or_sync(~0u, word ^ other);
    ZK_UNROLL
    for (int digit = 0; digit < digits; digit++) {
      uint32_t* const count = of_digit + digit * values + (word >> 8 * digit & (values - 1));
      // One addition for the lanes of a warp that all have the same digit.
      if (whole && !digit_varies(differing, digit)) {
        if (threadIdx.x % 32 == 0) atomicAdd(count, 32u);
      } else if (counts_too) {
        atomicAdd(count, 1u);
      }
    }
  }
  __device__ __forceinline__ void add_bits(uint32_t own_set, uint32_t own_clear) {
    const uint32_t any_set = __reduce_or_sync(~0u, own_set);
    const uint32_t any_clear = __reduce_or_sync(~0u, own_clear);
    if (threadIdx.x % 32 != 0) return;
    atomicOr(&set, any_set);
    atomicOr(&clear, any_clear);
  }
  __device__ __forceinline__ void begin() {
    for (uint32_t i = threadIdx.x; i < digits * values; i += sort_threads) of_digit[i] = 0;
    if (threadIdx.x == 0) set = clear = 0;
    __syncthreads();
  }
  __device__ __forceinline__ void hand_over(SortState& state, uint32_t word) const {
    uint32_t* const all = &state.histograms[word][0][0];
    for (uint32_t i = threadIdx.x; i < digits * values; i += sort_threads) {
      if (of_digit[i] != 0) atomicAdd(all + i, of_digit[i]);
    }
    // Those of integers are known beforehand.
    if (word == key_word && threadIdx.x == 0) {
      atomicOr(state.set + word, set);
      atomicOr(state.clear + word, clear);
    }
  }
};

template <class F>
__device__ __forceinline__ F load_or_zero(const DeviceView<F>& elements, uint64_t row,
                                          uint64_t count) {
  return row < count ? load(elements.at(row)) : F::zero();
}

// Makes the records of a tile, and empties what others need of it.
template <int run, class F>
__device__ __forceinline__ void make_keys(const Sorting<F>& job, const Item& item, uint32_t tile,
                                          Counts& counts) {
  const DeviceView<F> elements = job.elements(item.array);
  uint64_t* const records = job.buffer(item.array, item.buffer);
  const uint64_t start = uint64_t{tile} * (sort_threads * run);
  uint32_t set = 0, clear = 0;
  F next = load_or_zero(elements, start + threadIdx.x, job.count);
#pragma unroll 1
  for (int k = 0; k < run; k++) {
    const uint64_t row = start + k * sort_threads + threadIdx.x;
    const F x = next;
    if (k + 1 < run) next = load_or_zero(elements, row + sort_threads, job.count);
    const uint32_t key = key_of<F::Parameters::bits>(integer_of(x));
    if (row < job.count) {
      records[row] = make_record(key, static_cast<uint32_t>(row));
      set |= key;
      clear |= ~key;
    }
    counts.add(key, row < job.count);
  }
  counts.add_bits(set, clear);
  uint32_t* const statuses = job.status_buffer(item.array, item.buffer);
  if (threadIdx.x < values) statuses[uint64_t{tile} * values + threadIdx.x] = 0;
  if (item.array == 0) return;
  for (uint32_t k = 0; k < run; k++) {
    const uint64_t row = start + k * sort_threads + threadIdx.x;
    if (row < job.count) job.taken[row] = 0;
  }
}

// Puts a word of the integers in the place of the keys, or a key in that of words.
template <int run, class F>
__device__ __forceinline__ void take_words(const Sorting<F>& job, const Item& item, uint32_t tile,
                                           Counts& counts) {
  const DeviceView<F> elements = job.elements(item.array);
  uint64_t* const records = job.buffer(item.array, item.buffer);
#pragma unroll 1
  for (int k = 0; k < run; k++) {
    const uint64_t place = uint64_t{tile} * (sort_threads * run) + k * sort_threads + threadIdx.x;
    uint32_t word = 0;
    if (place < job.count) {
      const uint64_t record = __ldcg(records + place);
      const Integer integer = integer_of(elements, record);
      if (item.word == key_word) word = key_of<F::Parameters::bits>(integer);
      ZK_UNROLL
      for (uint32_t i = 0; i < integer_words; i++) {
        word |= integer.word[i] & (i == item.word ? ~0u : 0u);  // no index: it stays in registers
      }
      records[place] = make_record(word, row_of(record));
    }
    counts.add(word, place < job.count);
  }
}

// Which bits of the integers are not the same in all.
template <int run, class F>
__device__ __forceinline__ void survey(const Sorting<F>& job, const Item& item, uint32_t tile) {
  const DeviceView<F> elements = job.elements(item.array);
  SortState& state = job.states[item.array];
  Integer set = {}, clear = {};
#pragma unroll 1
  for (int k = 0; k < run; k++) {
    const uint64_t row = uint64_t{tile} * (sort_threads * run) + k * sort_threads + threadIdx.x;
    if (row >= job.count) continue;
    const Integer integer = integer_of(load(elements.at(row)));
    ZK_UNROLL
    for (int i = 0; i < integer_words; i++) {
      set.word[i] |= integer.word[i];
      clear.word[i] |= ~integer.word[i];
    }
  }
  ZK_UNROLL
  for (int i = 0; i < integer_words; i++) {
    const uint32_t any_set = __reduce_or_sync(~0u, set.word[i]);
    const uint32_t any_clear = __reduce_or_sync(~0u, clear.word[i]);
    if (threadIdx.x % 32 != 0) continue;
    if (any_set & ~read_status(state.set + i)) atomicOr(state.set + i, any_set);
    if (any_clear & ~read_status(state.clear + i)) atomicOr(state.clear + i, any_clear);
  }
}

template <class F>
__device__ __forceinline__ Pass describe_pass(const Sorting<F>& job, const Item& item) {
  return {job.buffer(item.array, item.buffer),
          job.buffer(item.array, item.buffer + 1),
          job.states[item.array].histograms[item.word][item.digit],
          job.status_buffer(item.array, item.buffer),
          job.status_buffer(item.array, item.buffer + 1),
          static_cast<uint32_t>(job.count),
          8 * item.digit};
}

template <int run, bool by_integers>
struct SortMemory {
  union {  // passes come when the counts of what is before them have been handed over
    PassMemory<run> tile;
    Counts counts;
  };
  Phases<by_integers> phases;
  Item item;
  Pass pass;
  uint32_t tickets[2];  // this one and the next, in turns
};

inline constexpr int short_sort_bytes = 26624, long_sort_bytes = 51200;  // as launches say

template <int run, bool by_integers, class F>
__device__ __forceinline__ void sort_in_phases(const Sorting<F>& job) {
  using Memory = SortMemory<run, by_integers>;
  static_assert(sizeof(Memory) <= (run == short_sort_run ? short_sort_bytes : long_sort_bytes));
  extern __shared__ __align__(16) unsigned char shared_bytes[];
  Memory& memory = *reinterpret_cast<Memory*>(shared_bytes);
  const uint32_t tiles = job.tiles();
  uint32_t* const tickets = job.tickets + by_integers;
  uint32_t next_ticket = 0;  // taken ahead: that hides how long it takes
  if (threadIdx.x == 0) {
    memory.phases.begin();
    memory.item = {};
    next_ticket = atomicAdd(tickets, 1u);
  }
  const Item& item = memory.item;
  uint64_t records[run];
  uint32_t done = 0;  // items of the phase, which the others do not know of yet
  if (threadIdx.x == 0) memory.tickets[0] = next_ticket;
  for (uint32_t turn = 0;; turn ^= 1) {
    __syncthreads();
    const uint32_t ticket = memory.tickets[turn];
    const bool moves_on = ticket >= item.end;
    if (moves_on) {
      // What is done is told before this block waits for any other.
      if (done != 0 && (item.work == Work::make_keys || item.work == Work::take_words)) {
        memory.counts.hand_over(job.states[item.array], item.word);
      }
      __syncthreads();
      if (threadIdx.x == 0 && done != 0) {
        __threadfence();
        atomicAdd(job.states[item.array].finished + by_integers, done);
      }
      done = 0;
      if (threadIdx.x == 0) {
        memory.phases.move_on(memory.item, job.states, tiles, ticket);
        if (item.work == Work::sort) memory.pass = describe_pass(job, item);
      }
      __syncthreads();
      if (item.work == Work::none) return;
      if (item.work != Work::sort) memory.counts.begin();
    }
    if (threadIdx.x == 0) next_ticket = atomicAdd(tickets, 1u);
    const uint32_t tile = ticket - item.first;
    done++;
    if (item.work == Work::sort) {
      const Pass& pass = memory.pass;
      if (moves_on) load_tile<run>(records, pass, tile);
      const auto learn = [&] {
        if (threadIdx.x == 0) memory.tickets[turn ^ 1] = next_ticket;
      };
      const auto prepare = [&] {
        const uint32_t next = memory.tickets[turn ^ 1];
        if (next < item.end) load_tile<run>(records, pass, next - item.first);
      };
      sort_by_digit(memory.tile, pass, tile, records, learn, prepare);
      continue;
    }
    if (!by_integers) {
      make_keys<run>(job, item, tile, memory.counts);
    } else if (item.work == Work::take_words) {
      take_words<run>(job, item, tile, memory.counts);
    } else {
      survey<run>(job, item, tile);
    }
    if (threadIdx.x == 0) memory.tickets[turn ^ 1] = next_ticket;
  }
}

template <class F, int run>
__global__ void __launch_bounds__(sort_threads, 2) sort_by_keys(const Sorting<F> job) {
  if (job.placed()) return;
  sort_in_phases<run, false>(job);
}

template <class F, int run>
__global__ void __launch_bounds__(sort_threads, 2) sort_by_integers(const Sorting<F> job) {
  if (__ldcg(&job.states[0].mixed) == 0 && __ldcg(&job.states[1].mixed) == 0) return;
  sort_in_phases<run, true>(job);
}

}  // namespace zkrun
