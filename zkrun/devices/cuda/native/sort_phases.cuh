// The phases of a sort, and what they are known by.
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
  uint32_t alike;  // records that have the key of the one before, which others may have, too
  uint32_t mixed;  // whether a long run of them is out of order
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
  SortState* states;      // of the input and of the table
  uint64_t* records;      // two buffers of `count` for the input, two for the table
  uint32_t* statuses;     // of tiles, likewise
  unsigned char* taken;   // which records of the table are; none to begin with
  uint32_t* tickets;      // for either sort, and one more; then whether there is nothing to do
  uint64_t count, tile;   // records: all, and those of a tile

  __device__ __forceinline__ DeviceView<F> elements(uint32_t array) const {
    return array == 0 ? input : table;
  }
  __device__ __forceinline__ uint64_t* buffer(uint32_t array, uint32_t which) const {
    return records + (2 * array + which % 2) * count;
  }
  __device__ __forceinline__ bool placed() const { return tickets[3] != 0; }
  __device__ __forceinline__ uint32_t tiles() const {
    return static_cast<uint32_t>((count + tile - 1) / tile);
  }
  __device__ __forceinline__ uint32_t* status_buffer(uint32_t array, uint32_t which) const {
    return statuses + (2 * array + which % 2) * (uint64_t{values} * tiles());
  }

  // How many passes an array has been through when the sorts are over: the buffer that its records
  // are in. Every warp of the kernels behind them asks, so that the answers must come from L1: the
  // part of L2 that has them would need a third of a millisecond for 2^24 rows.
  __device__ __forceinline__ uint32_t passes(uint32_t array) const {
    const SortState& state = states[array];
    uint32_t count = varying_digits(state.set[key_word] & state.clear[key_word]);
    if (state.mixed == 0) return count;
    for (int word = 0; word < integer_words; word++) {
      count += varying_digits(state.set[word] & state.clear[word]);
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
  uint32_t buffer;      // that the records are in
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

}  // namespace zkrun
