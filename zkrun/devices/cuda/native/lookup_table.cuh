// Searching the sorted table of a lookup.
#pragma once

#include "sort_records.cuh"

namespace zkrun {

// By a warp: how many of `count` places count, which those do that come first.
template <class Counts>
__device__ __forceinline__ uint32_t count_first(uint32_t count, Counts counts) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t low = 0, high = count;  // the answer is between them
  while (low < high) {
    const uint32_t step = (high - low + 31) / 32;
    const uint32_t place = low + lane * step;  // below 2^31 + 2^31
    const uint32_t many = __popc(__ballot_sync(~0u, place < high && counts(place)));
    if (many == 0) return low;
    const uint32_t last = low + (many - 1) * step;  // counts, and the next one looked at does not
    if (last + step < high) high = last + step;
    low = last + 1;
  }
  return low;
}

// The table, as the rows of a tile look for their values in it.
template <class F>
struct Table {
  DeviceView<F> elements;
  const uint64_t* records;
  uint32_t begin, end;   // where keys of the tile are
  const uint32_t* keys;  // copied to shared memory, or null

  __device__ __forceinline__ uint32_t key(uint32_t place) const {
    return keys != nullptr ? keys[place - begin] : key_of(records[place]);
  }

  // The first records with each of some keys, or `end`, in steps for all of them at once.
  template <int many>
  __device__ __forceinline__ void find_keys(uint32_t* places, const uint32_t* wanted) const {
    const uint32_t size = end - begin;
    uint32_t low[many] = {};  // so many records have keys below
    for (uint32_t step = size == 0 ? 0 : 1u << (31 - __clz(static_cast<int>(size))); step != 0;
         step /= 2) {
      ZK_UNROLL
      for (int k = 0; k < many; k++) {
        const uint32_t next = low[k] + step;
        if (next <= size && key(begin + next - 1) < wanted[k]) low[k] = next;
      }
    }
    ZK_UNROLL
    for (int k = 0; k < many; k++) {
      places[k] = low[k] < size && key(begin + low[k]) == wanted[k] ? begin + low[k] : end;
    }
  }

  // The first record with a key, or `end`.
  __device__ __forceinline__ uint32_t find_key(uint32_t wanted) const {
    uint32_t low = begin, high = end;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (key(middle) < wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < end && key(low) == wanted ? low : end;
  }

  // The first record of an element with that key, or `end`.
  __device__ __forceinline__ uint32_t find_element(uint32_t wanted, const F& x) const {
    uint32_t low = find_key(wanted);
    if (low == end || load(elements.at(row_of(records[low]))) == x) return low;
    if (wanted < first_shared_key) return end;
    const Integer integer = integer_of(x);
    uint32_t high = end;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      const uint64_t record = records[middle];
      if (key_of(record) == wanted && is_below(integer_of(elements, record), integer)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == end || key(low) != wanted) return end;
    return load(elements.at(row_of(records[low]))) == x ? low : end;
  }
};

}  // namespace zkrun
