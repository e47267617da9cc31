// halo2's permutation of a lookup whose values are spread evenly, as those are that a challenge has
// mixed: nothing comes from all over memory.
//
// The elements of both arrays are put into buckets of neighbouring values, the input's in a' and
// the table's in scratch memory. A block then has all that concerns a bucket at hand: it puts the
// input's in order, finds their values in the table, and of the table leaves what is not taken,
// ascending. When all have done so, rows that repeat know which of that they take.
//
// Where a bucket would be too full, as of values that recur often, and where a value is missing,
// the sort of sort.cuh does all of the work instead.
#pragma once

#include "last_block.cuh"
#include "lookup_table.cuh"
#include "sort_pass.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int chunks = 128;  // that the rows of each array are dealt out to, in tiles
inline constexpr int chunk_threads = 512, chunk_batch = 4;  // elements of a thread at once
inline constexpr int sum_threads = 512, sum_parts = 4;      // that sum up a bucket's counts
inline constexpr int sum_buckets = sum_threads / sum_parts;
inline constexpr int fill_threads = 256, fill_run = 2;      // elements of a thread
inline constexpr int bucket_threads = 320, bucket_run = 4;  // elements of a thread, of either array
inline constexpr uint32_t most_in_bucket = bucket_threads * bucket_run;
// A bucket's elements lie in cells by what their value has behind the bucket's number.
inline constexpr uint32_t cell_bits = 11, cells = 1 << cell_bits;
inline constexpr uint32_t most_in_cell = 64;  // with more, to compare all with all takes too long

// 0 to begin with.
struct BucketState {
  uint32_t blocks_done[2];  // of sum_chunks and sort_buckets
  uint32_t uneven, failed;  // whether this is work for the sort; the latter from sort_buckets
  uint32_t padding[12];
};

template <class F>
struct Bucketing {
  DeviceView<F> permuted_a, permuted_t, input, table;
  F* table_elements;        // those of the table in their buckets, in the end what is left of each
  unsigned char* repeated;  // rows of a' that repeat the one before
  uint32_t* placed;         // set when t' lacks nothing but repeated rows
  BucketState* state;       // followed by what each bucket has
  uint64_t count, buckets;
  uint64_t scale;  // 2^32 buckets / (1 + the highest word of the modulus)

  __device__ __forceinline__ bool uneven() const { return state->uneven != 0; }
  __device__ __forceinline__ uint32_t* numbers(uint32_t which) const {
    return reinterpret_cast<uint32_t*>(state + 1) + which * (buckets + 1);
  }
  // Where the elements of an array begin.
  __device__ __forceinline__ uint32_t* starts(uint32_t array) const { return numbers(array); }
  // How many rows repeat the one before, and how many of the table are left; later, how many
  // before.
  __device__ __forceinline__ uint32_t* repeats() const { return numbers(2); }
  __device__ __forceinline__ uint32_t* left() const { return numbers(3); }
  // Where t' comes there are others until then: how many elements of a chunk are in a bucket, and
  // how many of an array's have been put there. The latter lie far from each other, since few parts
  // of L2 would have to do all the counting if they were side by side.
  __device__ __forceinline__ uint32_t* count_of(uint32_t array, uint32_t chunk,
                                                uint32_t bucket) const {
    const uint64_t place = (array * chunks + chunk) * buckets + bucket;
    return reinterpret_cast<uint32_t*>(permuted_t.at(place / 8)) + place % 8;
  }
  __device__ __forceinline__ uint32_t* filled(uint32_t array, uint32_t bucket) const {
    constexpr uint32_t counted = 2 * chunks / 8, each = 4;  // elements of t' for a bucket
    const uint64_t place = counted * buckets + each * (array * buckets + bucket);
    return reinterpret_cast<uint32_t*>(permuted_t.at(place));
  }

  __device__ __forceinline__ F* element(uint32_t array, uint32_t place) const {
    return array == 0 ? permuted_a.at(place) : table_elements + place;
  }
  // The number of a value's bucket, and 32 bits that tell where in it. Larger values have none
  // that are smaller.
  __device__ __forceinline__ uint64_t place_of(const F& x) const {
    const Integer integer = integer_of(x);
    return integer.word[integer_words - 1] * scale +
           (integer.word[integer_words - 2] * scale >> 32);
  }
  __device__ __forceinline__ uint32_t bucket_of(const F& x) const {
    return static_cast<uint32_t>(place_of(x) >> 32);
  }
};

// Elements `first`, `first` + `stride` and so on of an array, 0 where there are none.
template <int many, int stride, class F>
__device__ __forceinline__ void load_each(F* x, const DeviceView<F>& elements, uint64_t first,
                                          uint64_t count) {
  ZK_UNROLL
  for (int k = 0; k < many; k++) {
    const uint64_t row = first + k * stride;
    x[k] = row < count ? load(elements.at(row)) : F::zero();
  }
}

// By a block: of counts i below `many`, the sums of those before i, for i up to `many`, in their
// place. Returns the largest count that the thread saw.
__device__ __forceinline__ uint32_t sum_up(uint32_t* counts, uint32_t many) {
  __shared__ uint32_t warp_sums[32];
  const uint32_t each = (many + blockDim.x - 1) / blockDim.x;
  const uint32_t begin = threadIdx.x * each;
  const uint32_t end = begin + each < many ? begin + each : many;
  uint32_t own = 0, most = 0;
#pragma unroll 8
  for (uint32_t i = begin; i < end; i++) {
    const uint32_t count = __ldcg(counts + i);
    own += count;
    most = count > most ? count : most;
  }
  uint32_t before = sum_before(own, warp_sums);
#pragma unroll 8
  for (uint32_t i = begin; i < end; i++) {
    const uint32_t count = __ldcg(counts + i);
    counts[i] = before;
    before += count;
  }
  if (threadIdx.x == blockDim.x - 1) counts[many] = before;
  return most;
}

// A block for each chunk of the input, then of the table.
template <class F>
__global__ void __launch_bounds__(chunk_threads, 2) count_chunks(const Bucketing<F> job) {
  extern __shared__ __align__(16) unsigned char shared_bytes[];
  __shared__ uint32_t uneven;
  uint32_t* const counts = reinterpret_cast<uint32_t*>(shared_bytes);
  const uint32_t array = blockIdx.x / chunks, chunk = blockIdx.x % chunks;
  const uint32_t buckets = static_cast<uint32_t>(job.buckets);
  for (uint32_t i = threadIdx.x; i < buckets; i += chunk_threads) counts[i] = 0;
  if (threadIdx.x == 0) uneven = 0;
  __syncthreads();
  const DeviceView<F> elements = array == 0 ? job.input : job.table;
  constexpr uint32_t tile = chunk_threads * chunk_batch;
  bool fits = true;
  for (uint64_t start = chunk * tile + threadIdx.x; start < job.count && fits;
       start += chunks * tile) {
    F x[chunk_batch];
    load_each<chunk_batch, chunk_threads>(x, elements, start, job.count);
    ZK_UNROLL
    for (int k = 0; k < chunk_batch; k++) {
      if (start + k * chunk_threads >= job.count) continue;
      if (atomicAdd(counts + job.bucket_of(x[k]), 1u) >= most_in_bucket) fits = false;
    }
  }
  if (!fits) atomicOr(&uneven, 1u);
  __syncthreads();
  if (uneven != 0) {
    job.state->uneven = 1;
    return;
  }
  for (uint32_t i = threadIdx.x; i < buckets; i += chunk_threads) {
    *job.count_of(array, chunk, i) = counts[i];
  }
}

// Where buckets begin. The first half of the blocks has those of the input.
template <class F>
__global__ void __launch_bounds__(sum_threads) sum_chunks(const Bucketing<F> job) {
  __shared__ uint32_t sums[sum_parts][sum_buckets];
  if (job.uneven()) return;
  const uint32_t buckets = static_cast<uint32_t>(job.buckets);
  const uint32_t half = gridDim.x / 2, array = blockIdx.x >= half;
  const uint32_t column = threadIdx.x % sum_buckets, part = threadIdx.x / sum_buckets;
  const uint32_t bucket = (blockIdx.x - array * half) * sum_buckets + column;
  uint32_t sum = 0;
  if (bucket < buckets) {
#pragma unroll 16
    for (uint32_t i = 0; i < chunks / sum_parts; i++) {
      sum += *job.count_of(array, i * sum_parts + part, bucket);
    }
  }
  sums[part][column] = sum;
  __syncthreads();
  if (part == 0 && bucket < buckets) {
    for (int i = 1; i < sum_parts; i++) sum += sums[i][column];
    job.starts(array)[bucket] = sum;
    *job.filled(array, bucket) = 0;
  }
  if (!is_last_block(job.state->blocks_done)) return;
  for (uint32_t which = 0; which < 2; which++) {
    if (sum_up(job.starts(which), buckets) > most_in_bucket) job.state->uneven = 1;
  }
}

// Puts the elements into their buckets. The first half of the blocks has the input, so that few
// places are written to at a time, and neighbours leave L2 together.
template <class F>
__global__ void __launch_bounds__(fill_threads, 5) fill_buckets(const Bucketing<F> job) {
  if (job.uneven()) return;
  const uint32_t half = gridDim.x / 2, array = blockIdx.x >= half;
  const DeviceView<F> elements = array == 0 ? job.input : job.table;
  const uint64_t start =
      (blockIdx.x - array * half) * uint64_t{fill_threads * fill_run} + threadIdx.x;
  F x[fill_run];
  uint32_t places[fill_run];
  load_each<fill_run, fill_threads>(x, elements, start, job.count);
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    places[k] = 0;
    if (start + k * fill_threads >= job.count) continue;
    const uint32_t bucket = job.bucket_of(x[k]);
    places[k] = job.starts(array)[bucket] + atomicAdd(job.filled(array, bucket), 1u);
  }
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    const bool any = start + k * fill_threads < job.count;
    store_whole_sectors(any ? job.element(array, places[k]) : nullptr, x[k]);
  }
}

// A bucket's elements of an array, as those of its cells lie together.
struct Cells {
  uint32_t keys[most_in_bucket];  // the 32 bits behind the bucket's number
  uint16_t rows[most_in_bucket];  // which elements they are
};

template <class F>
struct BucketMemory {
  F elements[most_in_bucket];  // of the input; then what is left of the table, in order
  Cells of[2];
  uint32_t starts[cells + 1];                 // of cells: the input's in the lower half
  bool taken[most_in_bucket];                 // of the table, by their places in cells
  uint32_t left_bits[most_in_bucket / 32];    // which places of the table in order are left
  uint32_t left_before[most_in_bucket / 32];  // how many bits are set before a word
  uint32_t warp_sums[bucket_threads / 32];
  uint32_t repeats, fails;

  __device__ __forceinline__ uint32_t start(uint32_t array, uint32_t cell) const {
    return starts[cell] >> 16 * array & 0xffff;
  }
  // Element i of the bucket, of either array.
  __device__ __forceinline__ F element(uint32_t array, uint32_t i, const F* table) const {
    return load(array == 0 ? elements + i : table + i);
  }
  // Where an element goes among those of its array, from its place in the cells; `repeats` becomes
  // whether one before it has the same value.
  __device__ __forceinline__ uint32_t rank(uint32_t array, const F& x, uint32_t own,
                                           const F* table, bool& repeats) const {
    const uint32_t key = of[array].keys[own], cell = key >> (32 - cell_bits);
    const uint32_t end = start(array, cell + 1);
    uint32_t place = start(array, cell);
#pragma unroll 1
    for (uint32_t i = place; i < end; i++) {
      const uint32_t other = of[array].keys[i];
      place += other < key;
      if (other != key || i == own) continue;
      const F y = element(array, of[array].rows[i], table);
      if (y != x) {
        place += is_below(integer_of(y), integer_of(x));
      } else if (i < own) {
        place++;
        repeats = true;
      }
    }
    return place;
  }
};
inline constexpr int bucket_bytes = 68608;  // as launches say

// A bucket's part of a', and of t' where a value first occurs; what is left of its part of the
// table.
template <class F>
__global__ void __launch_bounds__(bucket_threads, 3) sort_buckets(const Bucketing<F> job) {
  static_assert(sizeof(BucketMemory<F>) <= bucket_bytes);
  extern __shared__ __align__(16) unsigned char shared_bytes[];
  BucketMemory<F>& memory = *reinterpret_cast<BucketMemory<F>*>(shared_bytes);
  if (job.uneven()) return;
  const uint32_t thread = threadIdx.x, bucket = blockIdx.x;
  uint32_t begin[2], size[2];
  ZK_UNROLL
  for (uint32_t array = 0; array < 2; array++) {
    begin[array] = job.starts(array)[bucket];
    size[array] = job.starts(array)[bucket + 1] - begin[array];
  }
  F* const table = job.element(1, begin[1]);
  for (uint32_t i = thread; i < cells; i += bucket_threads) memory.starts[i] = 0;
  for (uint32_t i = thread; i < most_in_bucket; i += bucket_threads) memory.taken[i] = false;
  if (thread < most_in_bucket / 32) memory.left_bits[thread] = 0;
  if (thread == 0) {
    memory.starts[cells] = size[1] << 16 | size[0];
    memory.repeats = memory.fails = 0;
  }
  __syncthreads();

  // Elements are counted by cells, and find their places there by that.
  uint32_t keys[2][bucket_run], places[2][bucket_run];
  ZK_UNROLL
  for (int array = 0; array < 2; array++) {
    F x[bucket_run];
    ZK_UNROLL
    for (int k = 0; k < bucket_run; k++) {
      const uint32_t i = k * bucket_threads + thread;
      x[k] = i < size[array] ? load(job.element(array, begin[array] + i)) : F::zero();
    }
    ZK_UNROLL
    for (int k = 0; k < bucket_run; k++) {
      const uint32_t i = k * bucket_threads + thread;
      if (i >= size[array]) continue;
      if (array == 0) store(memory.elements + i, x[k]);
      keys[array][k] = static_cast<uint32_t>(job.place_of(x[k]));
      uint32_t* const cell = memory.starts + (keys[array][k] >> (32 - cell_bits));
      places[array][k] = atomicAdd(cell, 1u << 16 * array) >> 16 * array & 0xffff;
      if (places[array][k] >= most_in_cell) atomicOr(&memory.fails, 1u);
    }
  }
  __syncthreads();
  if (memory.fails != 0) {
    job.state->failed = 1;
    return;
  }
  constexpr uint32_t each = (cells + bucket_threads - 1) / bucket_threads;
  uint32_t counts[each], sum = 0;
  ZK_UNROLL
  for (uint32_t i = 0; i < each; i++) {
    counts[i] = thread * each + i < cells ? memory.starts[thread * each + i] : 0;
    sum += counts[i];
  }
  sum = sum_before(sum, memory.warp_sums);
  ZK_UNROLL
  for (uint32_t i = 0; i < each; i++) {
    if (thread * each + i < cells) memory.starts[thread * each + i] = sum;
    sum += counts[i];
  }
  __syncthreads();
  ZK_UNROLL
  for (int array = 0; array < 2; array++) {
    ZK_UNROLL
    for (int k = 0; k < bucket_run; k++) {
      const uint32_t i = k * bucket_threads + thread;
      if (i >= size[array]) continue;
      const uint32_t cell = keys[array][k] >> (32 - cell_bits);
      const uint32_t place = memory.start(array, cell) + places[array][k];
      memory.of[array].keys[place] = keys[array][k];
      memory.of[array].rows[place] = static_cast<uint16_t>(i);
    }
  }
  __syncthreads();

  uint32_t repeated = 0;
#pragma unroll 1
  for (uint32_t first = 0; first < size[0]; first += bucket_threads) {
    const uint32_t own = first + thread;
    const bool any = own < size[0];
    F x = F::zero();
    uint32_t row = 0;
    bool repeats = false;
    if (any) {
      x = load(memory.elements + memory.of[0].rows[own]);
      row = begin[0] + memory.rank(0, x, own, table, repeats);
      job.repeated[row] = repeats;
      repeated += repeats;
    }
    if (any && !repeats) {
      const uint32_t key = memory.of[0].keys[own], cell = key >> (32 - cell_bits);
      const uint32_t end = memory.start(1, cell + 1);
      uint32_t i = memory.start(1, cell);
#pragma unroll 1
      for (; i < end; i++) {
        if (memory.of[1].keys[i] == key && load(table + memory.of[1].rows[i]) == x) break;
      }
      if (i < end) {
        memory.taken[i] = true;
      } else {
        atomicOr(&memory.fails, 1u);  // a value is missing: the sort finds out in which row
      }
    }
    store_whole_sectors(any ? job.permuted_a.at(row) : nullptr, x);
    store_whole_sectors(any && !repeats ? job.permuted_t.at(row) : nullptr, x);
  }
  repeated = __reduce_add_sync(~0u, repeated);
  if (thread % 32 == 0 && repeated != 0) atomicAdd(&memory.repeats, repeated);
  __syncthreads();
  if (memory.fails != 0) {
    job.state->failed = 1;
    return;
  }
  const uint32_t left = size[1] - (size[0] - memory.repeats);
  if (left != 0) {
    uint16_t* const ranks = memory.of[0].rows;  // of the input's rows no one knows any more
#pragma unroll 1
    for (uint32_t own = thread; own < size[1]; own += bucket_threads) {
      if (memory.taken[own]) continue;
      bool ignored = false;
      const F x = load(table + memory.of[1].rows[own]);
      const uint32_t place = memory.rank(1, x, own, table, ignored);
      ranks[own] = static_cast<uint16_t>(place);
      atomicOr(memory.left_bits + place / 32, 1u << place % 32);
    }
    __syncthreads();
    const bool has_word = thread < most_in_bucket / 32;
    const uint32_t before =
        sum_before(has_word ? __popc(memory.left_bits[thread]) : 0, memory.warp_sums);
    if (has_word) memory.left_before[thread] = before;
    __syncthreads();
    for (uint32_t own = thread; own < size[1]; own += bucket_threads) {
      if (memory.taken[own]) continue;
      const uint32_t word = ranks[own] / 32, bit = ranks[own] % 32;
      const uint32_t below = memory.left_bits[word] & ((1u << bit) - 1);
      store(memory.elements + memory.left_before[word] + __popc(below),
            load(table + memory.of[1].rows[own]));
    }
    __syncthreads();
    for (uint32_t i = thread; i < left; i += bucket_threads) {
      store(table + i, load(memory.elements + i));
    }
  }
  if (thread == 0) {
    job.repeats()[bucket] = memory.repeats;
    job.left()[bucket] = left;
  }
  if (!is_last_block(job.state->blocks_done + 1)) return;
  const uint32_t buckets = static_cast<uint32_t>(job.buckets);
  sum_up(job.repeats(), buckets);
  sum_up(job.left(), buckets);
  if (thread == 0 && __ldcg(&job.state->failed) == 0) *job.placed = 1;
}

// t' in the rows of a bucket that repeat: what is left of the table, ascending, goes into such rows
// from the last one backwards.
template <class F>
__global__ void __launch_bounds__(bucket_threads) place_left_of_buckets(const Bucketing<F> job) {
  __shared__ uint32_t warp_sums[bucket_threads / 32], nearest;
  if (*job.placed == 0) return;
  const uint32_t* const repeats = job.repeats();
  const uint32_t* const left = job.left();
  const uint32_t bucket = blockIdx.x, buckets = static_cast<uint32_t>(job.buckets);
  if (repeats[bucket] == repeats[bucket + 1]) return;
  const uint32_t begin = job.starts(0)[bucket], end = job.starts(0)[bucket + 1];
  uint32_t next = repeats[buckets] - 1 - repeats[bucket];  // what the bucket's first one takes
  if (threadIdx.x < 32) {
    const uint32_t up_to =
        count_first(buckets, [&](uint32_t other) { return left[other] <= next; });
    if (threadIdx.x == 0) nearest = up_to - 1;
  }
  const uint32_t first = begin + threadIdx.x * bucket_run;
  uint32_t repeated = 0;
  ZK_UNROLL
  for (int k = 0; k < bucket_run; k++) {
    if (first + k < end && job.repeated[first + k]) repeated |= 1u << k;
  }
  next -= sum_before(__popc(repeated), warp_sums);
  uint32_t source = nearest;
  ZK_UNROLL
  for (int k = 0; k < bucket_run; k++) {
    const bool any = repeated >> k & 1;
    while (any && left[source] > next) source--;
    const F* const element =
        any ? job.element(1, job.starts(1)[source] + (next - left[source])) : nullptr;
    store_whole_sectors(any ? job.permuted_t.at(first + k) : nullptr,
                        load_whole_sectors(element));
    next -= any;
  }
}

}  // namespace zkrun
