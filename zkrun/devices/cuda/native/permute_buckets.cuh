// halo2's permutation of a lookup whose values are spread evenly, as those are that a challenge has
// mixed: nothing comes from all over memory.
//
// The elements of both arrays are put into buckets of neighbouring values, the input's where t'
// comes and the table's in scratch memory. Nobody counts them before: a bucket has room for its
// share of the rows, and of the few elements that are more, the rows are listed. A block then has
// all that concerns a bucket at hand: it puts the input's in order, which is a part of a', finds
// their values in the table, and lists what of the table is not taken, ascending. When all have
// done so, rows that repeat know which of that they take, and t' has the values of a' elsewhere.
//
// Where a bucket would be too full, as of values that recur often, and where a value is missing,
// the sort of sort.cuh does all of the work instead.
#pragma once

#include "last_block.cuh"
#include "lookup_table.cuh"
#include "sort_pass.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int fill_threads = 512, fill_run = 4;      // elements of a thread
inline constexpr int bucket_threads = 384, bucket_run = 4;  // likewise, at most, of either array
inline constexpr int place_threads = 256;
inline constexpr uint32_t most_buckets = 1 << 14;  // as plans say
inline constexpr uint32_t most_in_bucket = 1280;   // as plans say; some have room for fewer
static_assert(most_in_bucket <= bucket_threads * bucket_run);
inline constexpr uint32_t bit_words = most_in_bucket / 32;
// A bucket's elements lie in cells by what their value has behind the bucket's number.
inline constexpr uint32_t thread_cells = 4, cells = thread_cells * bucket_threads;
inline constexpr uint32_t most_in_cell = 64;  // with more, to compare all with all takes too long

// 0 to begin with.
struct BucketState {
  uint32_t blocks_done[2];  // of fill_buckets and sort_buckets
  uint32_t uneven, failed;  // whether this is work for the sort; the latter from sort_buckets
  uint32_t padding[12];
};

// How many elements are in a bucket. Counts lie far from each other, since few parts of L2 would
// have to do all the counting if they were side by side. 0 to begin with.
struct BucketCount {
  uint32_t value, padding[31];
};
static_assert(sizeof(BucketCount) == 128, "as plans say");

template <class F>
struct Bucketing {
  DeviceView<F> permuted_a, permuted_t, input, table;
  F* table_elements;        // in their buckets
  uint32_t* more;           // rows of elements of either array that are more than a bucket's share
  uint16_t* left_ones;      // which elements of a bucket of the table are left, ascending
  unsigned char* repeated;  // rows of a' that repeat the one before
  uint32_t* placed;         // set when a' is there, and t' is known from it
  BucketState* state;       // followed by what each bucket has
  uint64_t count, buckets;
  uint64_t share;  // rows of each bucket, rounded down
  uint64_t most;   // that a bucket has room for
  uint64_t scale;  // 2^32 buckets / (1 + the highest word of the modulus)

  __device__ __forceinline__ BucketCount* counts(uint32_t array) const {
    return reinterpret_cast<BucketCount*>(state + 1) + array * buckets;
  }
  __device__ __forceinline__ uint32_t* numbers(uint32_t which) const {
    return reinterpret_cast<uint32_t*>(counts(2)) + which * (buckets + 1);
  }
  // Where a bucket's rows of a' begin.
  __device__ __forceinline__ uint32_t* starts() const { return numbers(0); }
  // How many rows repeat the one before, and how many of the table are left; later, how many
  // before.
  __device__ __forceinline__ uint32_t* repeats() const { return numbers(1); }
  __device__ __forceinline__ uint32_t* left() const { return numbers(2); }

  // The row of an element of a bucket that is more than its share.
  __device__ __forceinline__ uint32_t* row_of_more(uint32_t array, uint32_t bucket,
                                                   uint32_t i) const {
    return more + (array * buckets + bucket) * (most - share) + (i - share);
  }
  // Element i of a bucket's share.
  __device__ __forceinline__ F* shared_element(uint32_t array, uint32_t bucket, uint32_t i) const {
    const uint64_t place = bucket * share + i;
    return array == 0 ? permuted_t.at(place) : table_elements + place;
  }
  // Element i of a bucket.
  __device__ __forceinline__ const F* element(uint32_t array, uint32_t bucket, uint32_t i) const {
    if (i < share) return shared_element(array, bucket, i);
    const uint32_t row = *row_of_more(array, bucket, i);
    return array == 0 ? input.at(row) : table.at(row);
  }
  __device__ __forceinline__ uint16_t* left_of(uint32_t bucket) const {
    return left_ones + bucket * most;
  }
  // The number of a value's bucket, and 32 bits that tell where in it. Larger values have none
  // that are smaller.
  __device__ __forceinline__ uint64_t place_of(const F& x) const {
    const Integer integer = integer_of(x);
    return integer.word[integer_words - 1] * scale +
           (integer.word[integer_words - 2] * scale >> 32);
  }
};

// By a block: of numbers i below `many`, the sums of those before i, for i up to `many`.
template <class Number>
__device__ __forceinline__ void sum_up(uint32_t* sums, uint32_t many, Number number) {
  constexpr uint32_t run = 4;  // of a thread at once: they come together
  __shared__ uint32_t warp_sums[32], all;
  uint32_t before = 0;
  for (uint32_t first = 0; first < many; first += run * blockDim.x) {
    const uint32_t begin = first + run * threadIdx.x;
    uint32_t own[run], sum = 0;
    ZK_UNROLL
    for (uint32_t i = 0; i < run; i++) own[i] = begin + i < many ? number(begin + i) : 0;
    ZK_UNROLL
    for (uint32_t i = 0; i < run; i++) sum += own[i];
    uint32_t next = before + sum_before(sum, warp_sums);
    if (threadIdx.x == blockDim.x - 1) all = next + sum;
    ZK_UNROLL
    for (uint32_t i = 0; i < run; i++) {
      if (begin + i < many) sums[begin + i] = next;
      next += own[i];
    }
    __syncthreads();
    before = all;
  }
  if (threadIdx.x == 0) sums[many] = before;
}

// Puts the elements into their buckets. The first half of the blocks has the input, so that few
// places are written to at a time, and neighbours leave L2 together. A block has its elements of a
// bucket counted at once: L2 has enough to do with the elements.
template <class F>
__global__ void __launch_bounds__(fill_threads, 2) fill_buckets(const Bucketing<F> job) {
  extern __shared__ __align__(16) unsigned char shared_bytes[];
  uint32_t* const counts = reinterpret_cast<uint32_t*>(shared_bytes);  // of buckets
  const uint32_t half = gridDim.x / 2, array = blockIdx.x >= half;
  const DeviceView<F> elements = array == 0 ? job.input : job.table;
  const uint32_t count = static_cast<uint32_t>(job.count);
  const uint32_t start = (blockIdx.x - array * half) * (fill_threads * fill_run) + threadIdx.x;
  F x[fill_run];
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    const uint32_t row = start + k * fill_threads;
    x[k] = row < count ? load(elements.at(row)) : F::zero();
  }
  for (uint32_t i = threadIdx.x; i < job.buckets; i += fill_threads) counts[i] = 0;
  if (__syncthreads_or(threadIdx.x == 0 && read_status(&job.state->uneven) != 0)) return;
  static_assert(fill_threads * fill_run < 1 << 16 && most_buckets <= 1 << 16);
  uint32_t places[fill_run];  // in the block's part of a bucket, whose number is in the upper half
  bool fits = true;
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    if (start + k * fill_threads >= count) continue;
    const uint32_t bucket = static_cast<uint32_t>(job.place_of(x[k]) >> 32);
    const uint32_t place = atomicAdd(counts + bucket, 1u);
    places[k] = bucket << 16 | place;
    fits = fits && place < job.most;
  }
  if (__syncthreads_or(!fits)) {
    job.state->uneven = 1;
    return;
  }
  // The first one of a bucket has room made for all of them, and tells them where.
  uint32_t before[fill_run];
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    if (start + k * fill_threads >= count || (places[k] & 0xffff) != 0) continue;
    const uint32_t bucket = places[k] >> 16;
    before[k] = atomicAdd(&job.counts(array)[bucket].value, counts[bucket]);
  }
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    if (start + k * fill_threads >= count || (places[k] & 0xffff) != 0) continue;
    counts[places[k] >> 16] = before[k];
  }
  __syncthreads();
  // Those who sum up the counts need not wait for the elements.
  const bool is_last = threadIdx.x == 0 && is_last_arrival(job.state->blocks_done);
  ZK_UNROLL
  for (int k = 0; k < fill_run; k++) {
    const uint32_t row = start + k * fill_threads;
    F* target = nullptr;
    if (row < count) {
      const uint32_t bucket = places[k] >> 16, place = counts[bucket] + (places[k] & 0xffff);
      if (place < job.share) {
        target = job.shared_element(array, bucket, place);
      } else if (place < job.most) {
        *job.row_of_more(array, bucket, place) = row;
      } else {
        fits = false;
      }
    }
    store_whole_sectors(target, x[k]);
  }
  if (!fits) job.state->uneven = 1;
  if (!__syncthreads_or(is_last)) return;
  const BucketCount* const sizes = job.counts(0);
  sum_up(job.starts(), static_cast<uint32_t>(job.buckets),
         [&](uint32_t bucket) { return __ldcg(&sizes[bucket].value); });
}

// A bucket's elements of an array, those of a cell together.
struct Cells {
  uint32_t keys[most_in_bucket];   // the 32 bits behind the bucket's number
  uint16_t order[most_in_bucket];  // which elements they are
};

// A bucket, as the block has it that sorts it.
struct BucketMemory {
  __align__(16) uint32_t ends[cells];  // of cells: the input's in the lower half
  Cells of[2];                         // the keys in the order of the elements at first
  bool taken[most_in_bucket];       // of the table, by their places in cells
  uint16_t left[most_in_bucket];    // elements of the table by their places in order
  uint32_t left_bits[bit_words];    // which of those places are left
  uint32_t left_before[bit_words];  // how many bits are set before a word
  uint32_t warp_sums[bucket_threads / 32];
  uint32_t sizes[2], larger;  // the latter: of the two
  uint32_t begin;             // of its rows of a'
  uint32_t left_ones;         // how many of the table are left
  uint32_t fails, alike;      // whether it is work for the sort; whether keys are not enough

  __device__ __forceinline__ static uint32_t cell_of(uint32_t key) { return __umulhi(key, cells); }
  __device__ __forceinline__ uint32_t end(uint32_t array, uint32_t cell) const {
    return ends[cell] >> 16 * array & 0xffff;
  }
  __device__ __forceinline__ uint32_t start(uint32_t array, uint32_t cell) const {
    return cell == 0 ? 0 : end(array, cell - 1);
  }
};

// Where an element of a bucket goes among those of its array, by all of it, from its place in the
// cells; `repeats` says whether one before it has the same value.
template <class F>
__device__ __forceinline__ uint32_t rank_by_value(const Bucketing<F>& job,
                                                  const BucketMemory& memory, uint32_t array,
                                                  uint32_t own, bool& repeats) {
  const uint32_t cell = memory.cell_of(memory.of[array].keys[own]);
  const uint32_t end = memory.end(array, cell);
  const uint16_t* const order = memory.of[array].order;
  uint32_t i = memory.start(array, cell), rank = i;
  repeats = false;
#pragma unroll 1
  for (; i < end; i++) {
    const uint32_t key = memory.of[array].keys[own], other = memory.of[array].keys[i];
    rank += other < key;
    if (other != key || i == own) continue;
    // One after the other: registers lack.
    const Integer y = integer_of(load(job.element(array, blockIdx.x, order[i])));
    asm volatile("" ::: "memory");
    const Integer x = integer_of(load(job.element(array, blockIdx.x, order[own])));
    const bool below = is_below(y, x);
    const bool same_before = i < own && !below && !is_below(x, y);
    rank += below || same_before;
    repeats |= same_before;
  }
  return rank;
}

// Looks for a value in the bucket of the table, at the places of a cell from `place` on, and takes
// it from there.
template <class F>
__device__ __forceinline__ void take(const Bucketing<F>& job, BucketMemory& memory, const F& x,
                                     uint32_t key, uint32_t place) {
  const Cells& table = memory.of[1];
  const uint32_t end = memory.end(1, memory.cell_of(key));
  for (; place < end; place++) {
    if (table.keys[place] != key) continue;
    if (load(job.element(1, blockIdx.x, table.order[place])) != x) continue;
    memory.taken[place] = true;
    return;
  }
  atomicOr(&memory.fails, 1u);  // a value is missing: the sort finds out in which row
}

// Puts the input's elements of a bucket in order, and takes their values from the table. Those with
// equal keys are taken to have equal values; `alike` is set where that is wrong.
template <class F>
__device__ __forceinline__ void place_by_keys(const Bucketing<F>& job, BucketMemory& memory) {
  const uint32_t bucket = blockIdx.x;
  const Cells& input = memory.of[0];
  const Cells& table = memory.of[1];
#pragma unroll 1
  for (uint32_t first = 0; first < memory.sizes[0]; first += bucket_threads) {
    const uint32_t own = first + threadIdx.x;
    const F* source = nullptr;
    const F* partner = nullptr;  // the element that is likely to have the same value
    uint32_t row = 0, place = 0;
    bool repeats = false;
    if (own < memory.sizes[0]) {
      const uint32_t key = input.keys[own], cell = memory.cell_of(key);
      const uint32_t end = memory.end(0, cell);
      uint32_t i = memory.start(0, cell), before = 0;
      row = i;
#pragma unroll 1
      for (; i < end; i++) {
        const uint32_t other = input.keys[i];
        const bool same_before = other == key && i < own;
        row += other < key || same_before;
        if (same_before) before = i;
        repeats |= same_before;
      }
      row += memory.begin;
      source = job.element(0, bucket, input.order[own]);
      if (repeats) {
        partner = job.element(0, bucket, input.order[before]);
      } else {
        const uint32_t table_end = memory.end(1, cell);
        place = memory.start(1, cell);
        while (place < table_end && table.keys[place] != key) place++;
        if (place < table_end) partner = job.element(1, bucket, table.order[place]);
      }
    }
    const F x = load_whole_sectors(source), y = load_whole_sectors(partner);
    if (own < memory.sizes[0]) {
      const bool equal = partner != nullptr && x == y;
      if (repeats) {
        if (!equal) atomicOr(&memory.alike, 1u);
      } else if (equal) {
        memory.taken[place] = true;
      } else {
        take(job, memory, x, input.keys[own], place);
      }
      job.repeated[row] = repeats;
    }
    store_whole_sectors(source != nullptr ? job.permuted_a.at(row) : nullptr, x);
  }
}

// The same whatever the values are.
template <class F>
__device__ __forceinline__ void place_by_values(const Bucketing<F>& job, BucketMemory& memory) {
  const Cells& input = memory.of[0];
#pragma unroll 1
  for (uint32_t own = threadIdx.x; own < memory.sizes[0]; own += bucket_threads) {
    bool repeats;
    uint32_t row = rank_by_value(job, memory, 0, own, repeats);
    row += memory.begin;
    const F x = load(job.element(0, blockIdx.x, input.order[own]));
    store(job.permuted_a.at(row), x);
    job.repeated[row] = repeats;
    const uint32_t key = input.keys[own];
    if (!repeats) take(job, memory, x, key, memory.start(1, memory.cell_of(key)));
  }
}

// A bucket's part of a', and what is left of its part of the table.
template <class F>
__global__ void __launch_bounds__(bucket_threads, 4) sort_buckets(const Bucketing<F> job) {
  __shared__ BucketMemory memory;
  const uint32_t thread = threadIdx.x, bucket = blockIdx.x;
  const uint32_t sizes[2] = {job.counts(0)[bucket].value, job.counts(1)[bucket].value};
  if (job.state->uneven != 0) return;
  for (uint32_t i = thread; i < cells; i += bucket_threads) memory.ends[i] = 0;
  for (uint32_t i = thread; i < most_in_bucket; i += bucket_threads) memory.taken[i] = false;
  if (thread < bit_words) memory.left_bits[thread] = 0;
  if (thread == 0) {
    memory.sizes[0] = sizes[0];
    memory.sizes[1] = sizes[1];
    memory.larger = sizes[0] > sizes[1] ? sizes[0] : sizes[1];
    memory.begin = job.starts()[bucket];
    memory.fails = memory.alike = 0;
  }
  __syncthreads();

  // Elements are counted by cells, and find their places there by that.
#pragma unroll 1
  for (uint32_t i = thread; i < memory.larger; i += bucket_threads) {
    F x[2];
    ZK_UNROLL
    for (uint32_t array = 0; array < 2; array++) {
      x[array] = i < memory.sizes[array] ? load(job.element(array, bucket, i)) : F::zero();
    }
    ZK_UNROLL
    for (uint32_t array = 0; array < 2; array++) {
      if (i >= memory.sizes[array]) continue;
      const uint32_t key = static_cast<uint32_t>(job.place_of(x[array]));
      memory.of[array].keys[i] = key;
      const uint32_t before = atomicAdd(memory.ends + memory.cell_of(key), 1u << 16 * array);
      if ((before >> 16 * array & 0xffff) >= most_in_cell) atomicOr(&memory.fails, 1u);
    }
  }
  __syncthreads();
  if (memory.fails != 0) {
    job.state->failed = 1;
    return;
  }
  uint32_t* const own_cells = memory.ends + thread * thread_cells;
  uint32_t counts[thread_cells], sum = 0;
  ZK_UNROLL
  for (uint32_t i = 0; i < thread_cells; i++) {
    counts[i] = own_cells[i];
    sum += counts[i];
  }
  sum = sum_before(sum, memory.warp_sums);
  ZK_UNROLL
  for (uint32_t i = 0; i < thread_cells; i++) {
    own_cells[i] = sum;  // where the cell begins, until its elements are there
    sum += counts[i];
  }
  uint32_t keys[2][bucket_run];
  ZK_UNROLL
  for (uint32_t array = 0; array < 2; array++) {
    ZK_UNROLL
    for (int k = 0; k < bucket_run; k++) {
      const uint32_t i = k * bucket_threads + thread;
      if (i < memory.sizes[array]) keys[array][k] = memory.of[array].keys[i];
    }
  }
  __syncthreads();
  ZK_UNROLL
  for (uint32_t array = 0; array < 2; array++) {
    ZK_UNROLL
    for (int k = 0; k < bucket_run; k++) {
      const uint32_t i = k * bucket_threads + thread;
      if (i >= memory.sizes[array]) continue;
      uint32_t* const cell = memory.ends + memory.cell_of(keys[array][k]);
      const uint32_t place = atomicAdd(cell, 1u << 16 * array) >> 16 * array & 0xffff;
      memory.of[array].keys[place] = keys[array][k];
      memory.of[array].order[place] = static_cast<uint16_t>(i);
    }
  }
  __syncthreads();

  place_by_keys(job, memory);
  __syncthreads();
  if (memory.alike != 0) {
    place_by_values(job, memory);
    __syncthreads();
  }
  if (memory.fails != 0) {
    job.state->failed = 1;
    return;
  }
#pragma unroll 1
  for (uint32_t own = thread; own < memory.sizes[1]; own += bucket_threads) {
    if (memory.taken[own]) continue;
    bool repeats;
    const uint32_t place = rank_by_value(job, memory, 1, own, repeats);
    memory.left[place] = memory.of[1].order[own];
    atomicOr(memory.left_bits + place / 32, 1u << place % 32);
  }
  __syncthreads();
  const uint32_t own_left = thread < bit_words ? __popc(memory.left_bits[thread]) : 0;
  const uint32_t before = sum_before(own_left, memory.warp_sums);
  if (thread < bit_words) memory.left_before[thread] = before;
  if (thread == bucket_threads - 1) memory.left_ones = before;
  __syncthreads();
  bool is_last = false;
  if (thread == 0) {
    job.left()[bucket] = memory.left_ones;
    // As many values come from the table as do not repeat.
    job.repeats()[bucket] = memory.left_ones + memory.sizes[0] - memory.sizes[1];
    is_last = is_last_arrival(job.state->blocks_done + 1);
  }
  for (uint32_t place = thread; place < memory.sizes[1]; place += bucket_threads) {
    const uint32_t bits = memory.left_bits[place / 32], bit = 1u << place % 32;
    if ((bits & bit) == 0) continue;
    const uint32_t number = memory.left_before[place / 32] + __popc(bits & (bit - 1));
    job.left_of(bucket)[number] = memory.left[place];
  }
  if (!__syncthreads_or(is_last)) return;
  const uint32_t buckets = static_cast<uint32_t>(job.buckets);
  uint32_t* const repeats = job.repeats();
  uint32_t* const left_ones = job.left();
  sum_up(repeats, buckets, [&](uint32_t i) { return __ldcg(repeats + i); });
  sum_up(left_ones, buckets, [&](uint32_t i) { return __ldcg(left_ones + i); });
  if (thread == 0 && __ldcg(&job.state->failed) == 0) *job.placed = 1;
}

// A bucket's part of t'. What is left of the table, ascending, goes into rows that repeat from the
// last one backwards.
template <class F>
__global__ void __launch_bounds__(place_threads) place_table(const Bucketing<F> job) {
  constexpr uint32_t warps = place_threads / 32, batches = bit_words / warps;
  static_assert(bit_words % warps == 0 && bit_words < bucket_threads);
  __shared__ uint32_t bits[bit_words], before[bit_words], warp_sums[warps], nearest;
  const uint32_t* const left = job.left();
  const uint32_t bucket = blockIdx.x, buckets = static_cast<uint32_t>(job.buckets);
  const uint32_t thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
  const uint32_t begin = job.starts()[bucket], size = job.starts()[bucket + 1] - begin;
  // What of the table that is left the bucket's first row that repeats takes.
  const uint32_t last = job.repeats()[buckets] - 1 - job.repeats()[bucket];
  if (*job.placed == 0) return;
  ZK_UNROLL
  for (uint32_t k = 0; k < batches; k++) {
    const uint32_t i = k * place_threads + thread;
    const uint32_t votes = __ballot_sync(~0u, i < size && job.repeated[begin + i]);
    if (lane == 0) bits[k * warps + warp] = votes;
  }
  if (warp == 0) {
    const uint32_t up_to =
        count_first(buckets, [&](uint32_t other) { return left[other] <= last; });
    if (lane == 0) nearest = up_to - 1;
  }
  __syncthreads();
  const uint32_t sum = sum_before(thread < bit_words ? __popc(bits[thread]) : 0, warp_sums);
  if (thread < bit_words) before[thread] = sum;
  __syncthreads();
  uint32_t source = nearest;
  ZK_UNROLL
  for (uint32_t k = 0; k < batches; k++) {
    const uint32_t i = k * place_threads + thread, word = k * warps + warp;
    const F* element = nullptr;
    if (bits[word] >> lane & 1) {
      const uint32_t number = last - before[word] - __popc(bits[word] & ((1u << lane) - 1));
      while (left[source] > number) source--;
      element = job.element(1, source, job.left_of(source)[number - left[source]]);
    } else if (i < size) {
      element = job.permuted_a.at(begin + i);
    }
    store_whole_sectors(i < size ? job.permuted_t.at(begin + i) : nullptr,
                        load_whole_sectors(element));
  }
}

}  // namespace zkrun
