// Sorting the input and the table of a lookup by their integers, by radix sorts of records
// (sort_records.cuh), the lowest digit first.
//
// sort_by_keys sorts by keys. Runs of equal keys whose integers are out of order are put in order
// one by one where they are short. Where one is long, sort_by_integers sorts that array by all its
// integers, a word after another: so that whatever the values are, it takes so many passes at most.
// Digits that all integers have in common are left out, in either.
//
// All passes are one kernel. Its blocks take items of work in order: a tile of a phase, and the
// phases of both arrays in turns. An item waits for the phase of its array that comes before,
// which blocks that run have taken, so that no number of blocks stops it, whatever else runs.
#pragma once

#include "sort_pass.cuh"
#include "sort_records.cuh"

namespace zkrun {

// What is known of an array; 0 to begin with.
struct SortState {
  uint32_t set[integer_words + 1], clear[integer_words + 1];  // bits that are 1, or 0, in any word
  uint32_t finished[2];                                       // items of either sort
  uint32_t mixed;  // whether there is a long run out of order
  uint32_t runs;   // short ones out of order
  uint32_t histograms[integer_words + 1][digits][values];

  // The bits of a word that are not the same in all.
  __device__ __forceinline__ uint32_t varying(uint32_t word) const {
    return __ldcg(set + word) & __ldcg(clear + word);
  }
};

__device__ __forceinline__ bool digit_varies(uint32_t varying, uint32_t digit) {
  return (varying >> 8 * digit & (values - 1)) != 0;
}
__device__ __forceinline__ uint32_t varying_digits(uint32_t varying) {
  uint32_t count = 0;
  ZK_UNROLL
  for (int digit = 0; digit < digits; digit++) count += digit_varies(varying, digit);
  return count;
}

template <class F>
struct Sorting {
  DeviceView<F> input, table;
  SortState* states;   // of the input and of the table
  uint64_t* records;   // two buffers of `count` for the input, two for the table
  uint32_t* statuses;  // of tiles, likewise
  unsigned char* taken;     // which records of the table are; none to begin with
  uint32_t* tickets;   // for either sort
  uint64_t count, tile;  // records, and of a tile

  __device__ __forceinline__ DeviceView<F> elements(uint32_t array) const {
    return array == 0 ? input : table;
  }
  __device__ __forceinline__ uint64_t* buffer(uint32_t array, uint32_t which) const {
    return records + (2 * array + which % 2) * count;
  }
  __device__ __forceinline__ uint32_t tiles() const {
    return static_cast<uint32_t>((count + tile - 1) / tile);
  }
  __device__ __forceinline__ uint32_t* status_buffer(uint32_t array, uint32_t which) const {
    return statuses + (2 * array + which % 2) * (uint64_t{values} * tiles());
  }

  // How many passes an array has been through: the buffer that its records are in.
  __device__ __forceinline__ uint32_t passes(uint32_t array) const {
    uint32_t count = varying_digits(states[array].varying(key_word));
    if (__ldcg(&states[array].mixed) == 0) return count;
    for (int word = 0; word < integer_words; word++) {
      count += varying_digits(states[array].varying(word));
    }
    return count;
  }
  __device__ __forceinline__ uint64_t* sorted(uint32_t array) const {
    return buffer(array, passes(array));
  }
  __device__ __forceinline__ uint32_t* spare(uint32_t array) const {
    return reinterpret_cast<uint32_t*>(buffer(array, passes(array) + 1));
  }
};

enum class Work : uint32_t { none, survey, make_keys, take_words, sort };

struct Item {
  Work work;
  uint32_t array, word, digit;
  uint32_t buffer;  // that the records are in
  uint32_t first, end;  // the tickets of its tiles
};

__device__ __forceinline__ void wait_for(const uint32_t* finished, uint32_t items) {
  while (read_status(finished) < items) {
  }
  __threadfence();
}

// What a block's first thread knows of the phases of a sort.
template <bool by_integers>
struct Phases {
  static constexpr uint32_t steps = 1 + digits;  // of a word
  static constexpr uint32_t all = 2 + 2 * (by_integers ? steps * integer_words + 1 : digits);

  uint32_t next;        // the phase to look at next
  uint32_t earlier[2];  // phases of each array before that, and passes among them
  uint32_t passes[2];

  __device__ __forceinline__ void begin() {
    next = 0;
    ZK_UNROLL
    for (int array = 0; array < 2; array++) earlier[array] = passes[array] = 0;
  }

  // The work of the phase `next`; `none` where there is nothing to do in it.
  __device__ __forceinline__ Item describe(const SortState* states) const {
    Item item = {Work::none, next % 2, key_word, 0, 0, 0, 0};
    const SortState& state = states[item.array];
    if (by_integers && __ldcg(&state.mixed) == 0) return item;
    if (next < 2) {
      item.work = by_integers ? Work::survey : Work::make_keys;
      return item;
    }
    const uint32_t step = (next - 2) / 2;
    item.digit = step;
    bool sorts = true;
    if (by_integers) {
      item.word = step / steps;
      sorts = step % steps != 0;
      item.digit = sorts ? step % steps - 1 : 0;
    }
    const uint32_t varying = state.varying(item.word);
    if (sorts && digit_varies(varying, item.digit)) item.work = Work::sort;
    // At the end the keys come back, for those who look for elements.
    if (!sorts && (varying != 0 || item.word == key_word)) item.work = Work::take_words;
    return item;
  }

  // From the item of one ticket to that of a later one, once it may begin.
  __device__ __forceinline__ void move_on(Item& item, SortState* states, uint32_t tiles,
                                          uint32_t ticket) {
    while (ticket >= item.end) {
      if (next == 2) {
        for (int array = 0; array < 2; array++) {
          wait_for(states[array].finished + by_integers, earlier[array] * tiles);
          if (by_integers) passes[array] = varying_digits(states[array].varying(key_word));
        }
      }
      const uint32_t end = item.end;
      if (next == all) {
        item.work = Work::none;
        return;
      }
      item = describe(states);
      next++;
      item.first = item.end = end;
      if (item.work == Work::none) continue;
      item.end += tiles;
      item.buffer = passes[item.array];
      passes[item.array] += item.work == Work::sort;
      const uint32_t before = earlier[item.array]++;
      if (ticket < item.end) wait_for(states[item.array].finished + by_integers, before * tiles);
    }
  }
};

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

template <int run, bool by_integers>
struct SortMemory {
  union {  // passes come when the counts of what is before them have been handed over
    PassMemory<run> pass;
    Counts counts;
  };
  Phases<by_integers> phases;
  Item item;
  uint32_t ticket;
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
  uint32_t done = 0;  // items of the phase, which the others do not know of yet
  while (true) {
    __syncthreads();
    if (threadIdx.x == 0) memory.ticket = next_ticket;
    __syncthreads();
    const uint32_t ticket = memory.ticket;
    if (ticket >= item.end) {
      if (done != 0) {  // told before this block waits for any other
        if (item.work == Work::make_keys || item.work == Work::take_words) {
          memory.counts.hand_over(job.states[item.array], item.word);
        }
      }
      __syncthreads();
      if (threadIdx.x == 0 && done != 0) {
        __threadfence();
        atomicAdd(job.states[item.array].finished + by_integers, done);
      }
      done = 0;
      if (threadIdx.x == 0) memory.phases.move_on(memory.item, job.states, tiles, ticket);
      __syncthreads();
      if (item.work == Work::none) return;
      if (item.work != Work::sort) memory.counts.begin();
    }
    if (threadIdx.x == 0) next_ticket = atomicAdd(tickets, 1u);
    const uint32_t tile = ticket - item.first;
    done++;
    if (item.work == Work::sort) {
      const Pass pass = {job.buffer(item.array, item.buffer),
                         job.buffer(item.array, item.buffer + 1),
                         job.states[item.array].histograms[item.word][item.digit],
                         job.status_buffer(item.array, item.buffer),
                         job.status_buffer(item.array, item.buffer + 1),
                         tile,
                         static_cast<uint32_t>(job.count),
                         8 * item.digit};
      sort_by_digit(memory.pass, pass);
    } else if (!by_integers) {
      make_keys<run>(job, item, tile, memory.counts);
    } else if (item.work == Work::take_words) {
      take_words<run>(job, item, tile, memory.counts);
    } else {
      survey<run>(job, item, tile);
    }
  }
}

template <class F, int run>
__global__ void __launch_bounds__(sort_threads, 2) sort_by_keys(const Sorting<F> job) {
  sort_in_phases<run, false>(job);
}

template <class F, int run>
__global__ void __launch_bounds__(sort_threads, 2) sort_by_integers(const Sorting<F> job) {
  if (__ldcg(&job.states[0].mixed) == 0 && __ldcg(&job.states[1].mixed) == 0) return;
  sort_in_phases<run, true>(job);
}

}  // namespace zkrun
