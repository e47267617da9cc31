// First-order recurrences over arrays: running products, and polynomials by Horner's rule.
//
//   scan_mul        z[i] = z[i - 1] a[i - 1]
//   kate_division   q[i - 1] = h[i] = p[i] + x h[i + 1]        (so p(x) = h[0])
//
// Both are sums of an associative law over runs of elements, so: every thread joins its run of
// `run_length` elements, a block its threads (Kogge, Stone, 1973), one block the blocks, and then
// everything is handed down again, so that in the end every thread goes over its run once more,
// starting from what comes before it. About 3 multiplications an element.
#pragma once

#include "elementwise.cuh"
#include "field.hpp"
#include "memory.cuh"
#include "shared_memory.cuh"

namespace zkrun {

inline constexpr int run_length = 8;
inline constexpr int tile_threads = 128;
inline constexpr int tile_elements = run_length * tile_threads;
inline constexpr int joining_threads = 1024;  // of the one block that joins all tiles
inline constexpr int power_count = 48;        // x^(2^i) for i below; no array is longer

// One value for each thread of a block, in shared memory.
template <class F>
struct SharedValues {
  ulonglong2* memory;
  uint32_t threads;

  __device__ __forceinline__ void put(uint32_t i, const F& x) const {
    memory[i] = make_ulonglong2(x.limb[0], x.limb[1]);
    memory[i + threads] = make_ulonglong2(x.limb[2], x.limb[3]);
  }
  __device__ __forceinline__ F get(uint32_t i) const {
    const ulonglong2 low = memory[i], high = memory[i + threads];
    return F{{low.x, low.y, high.x, high.y}};
  }
};

// The laws. A run's summary is an element; joining needs to know how long the latter run is, which
// is always run << level: `ratios[level]` is x^(run << level).
template <class F>
struct ProductLaw {
  static constexpr bool downwards = false;
  __device__ static __forceinline__ F neutral() { return F::one(); }
  __device__ static __forceinline__ F step(const F& before, const F& element, const F&) {
    return before * element;
  }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F&) {
    return before * after;
  }
};

template <class F>
struct HornerLaw {
  static constexpr bool downwards = true;  // from the last element to the first
  __device__ static __forceinline__ F neutral() { return F::zero(); }
  __device__ static __forceinline__ F step(const F& before, const F& element, const F& x) {
    return before * x + element;
  }
  __device__ static __forceinline__ F join(const F& before, const F& after, const F& ratio) {
    return before * ratio + after;
  }
};

// From each thread's summary to what comes before its run within the block; `total` is the summary
// of the whole block.
template <class F, class Law>
__device__ __forceinline__ F join_block(const SharedValues<F>& shared, F value, const F* ratios,
                                        F& total) {
  const uint32_t thread = threadIdx.x;
  shared.put(thread, value);
  __syncthreads();
  int level = 0;
#pragma unroll 1
  for (uint32_t distance = 1; distance < shared.threads; distance *= 2, level++) {
    F other;
    const bool joins = thread >= distance;
    if (joins) other = shared.get(thread - distance);
    __syncthreads();
    if (joins) {
      value = Law::join(other, value, Law::downwards ? load_constant(ratios + level) : other);
      shared.put(thread, value);
    }
    __syncthreads();
  }
  total = shared.get(shared.threads - 1);
  return thread == 0 ? Law::neutral() : shared.get(thread - 1);
}

template <class F>
struct Recurrence {
  DeviceView<F> in, out;
  F *threads_before, *tiles;  // scratch: one for each thread, one for each tile
  const F* first;             // the value before everything; null: the neutral one
  const F* x;                 // Horner's x
  const F* powers;            // of x, see recurrence_powers
  uint64_t count;             // of elements that take part
  uint64_t tile_count;
  uint64_t log_joined;        // of the tiles that one thread joins
};

// Element number i in the order of the recurrence.
template <class F, class Law>
__device__ __forceinline__ const F* element(const Recurrence<F>& job, uint64_t i) {
  return job.in.at(Law::downwards ? job.count - 1 - i : i);
}

inline constexpr int log_run_length = 3;
inline constexpr int log_tile_elements = 10;
static_assert(1 << log_run_length == run_length && 1 << log_tile_elements == tile_elements);

// A tile lies in dynamic shared memory, so that threads that go over runs load and store whole
// lines.
template <class F, class Law>
__device__ __forceinline__ void load_tile(const Recurrence<F>& job, ulonglong2* tile) {
  const uint64_t start = blockIdx.x * uint64_t{tile_elements};
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < tile_elements; i += tile_threads) {
    if (start + i < job.count) {
      put_spread(tile, tile_elements, i, load(element<F, Law>(job, start + i)));
    }
  }
  __syncthreads();
}

template <class F, class Law>
__global__ void __launch_bounds__(tile_threads) join_tiles(const Recurrence<F> job) {
  extern __shared__ ulonglong2 tile[];
  __shared__ ulonglong2 memory[2 * tile_threads];
  const SharedValues<F> shared{memory, tile_threads};
  const uint64_t number = blockIdx.x * uint64_t{tile_threads} + threadIdx.x;
  load_tile<F, Law>(job, tile);
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F summary = Law::neutral();
  // A run that is cut short is taken to begin with neutral elements: only the last one can be, and
  // nothing comes after it.
#pragma unroll 1
  for (int i = 0; i < run_length; i++) {
    const uint64_t place = number * run_length + i;
    if (place < job.count) {
      const F next = get_spread<F>(tile, tile_elements, threadIdx.x * run_length + i);
      summary = Law::step(summary, next, x);
    }
  }
  F total;
  const F before = join_block<F, Law>(shared, summary, job.powers + log_run_length, total);
  store(job.threads_before + number, before);
  if (threadIdx.x == 0) store(job.tiles + blockIdx.x, total);
}

// From the tiles' summaries to what comes before each tile, by one block.
template <class F, class Law>
__global__ void __launch_bounds__(joining_threads) join_all(const Recurrence<F> job) {
  __shared__ ulonglong2 memory[2 * joining_threads];
  const SharedValues<F> shared{memory, joining_threads};
  const uint64_t joined = uint64_t{1} << job.log_joined;
  const uint64_t start = threadIdx.x * joined;
  const F ratio = Law::downwards ? load_constant(job.powers + log_tile_elements) : F::one();
  F summary = Law::neutral();
#pragma unroll 1
  for (uint64_t i = start; i < start + joined && i < job.tile_count; i++) {
    summary = Law::join(summary, load(job.tiles + i), ratio);
  }
  F total;
  const F* const ratios = job.powers + log_tile_elements + job.log_joined;
  F before = join_block<F, Law>(shared, summary, ratios, total);
  if (!Law::downwards && job.first != nullptr) before = load(job.first) * before;
#pragma unroll 1
  for (uint64_t i = start; i < start + joined && i < job.tile_count; i++) {
    const F tile = load(job.tiles + i);
    store(job.tiles + i, before);
    before = Law::join(before, tile, ratio);
  }
}

// out[i] = what comes before element i, in the order of the recurrence; the product law has one
// more output than elements at most. Horner's out[i - 1] is for element i, and its last is 0.
template <class F, class Law>
__global__ void __launch_bounds__(tile_threads) hand_down(const Recurrence<F> job) {
  extern __shared__ ulonglong2 tile[];
  load_tile<F, Law>(job, tile);
  const uint64_t number = blockIdx.x * uint64_t{tile_threads} + threadIdx.x;
  const F x = Law::downwards ? load_constant(job.x) : F::one();
  F value = load(job.tiles + blockIdx.x);
  F ratio = F::one();  // what comes before the thread in its tile is threadIdx.x runs long
  if (Law::downwards) ratio = load_constant(job.powers + power_count + threadIdx.x);
  value = Law::join(value, load(job.threads_before + number), ratio);
#pragma unroll 1
  for (int i = 0; i < run_length; i++) {
    const uint64_t place = number * run_length + i;
    if (place >= job.out.length) break;
    const uint32_t own = threadIdx.x * run_length + i;
    const F before = value;
    if (place < job.count) {
      value = Law::step(value, get_spread<F>(tile, tile_elements, own), x);
    }
    put_spread(tile, tile_elements, own, before);
  }
  __syncthreads();
  const uint64_t start = blockIdx.x * uint64_t{tile_elements};
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < tile_elements; i += tile_threads) {
    if (start + i >= job.out.length) break;
    const uint64_t place = Law::downwards ? job.out.length - 1 - (start + i) : start + i;
    store(job.out.at(place), get_spread<F>(tile, tile_elements, i));
  }
}

// powers[i] = x^(2^i) for i < power_count, then x^(t run_length) for each thread t of a tile.
template <class F>
struct RecurrencePowers {
  const F* x;
  F* powers;
};

template <class F>
__global__ void __launch_bounds__(2 * tile_threads) recurrence_powers(const RecurrencePowers<F> job) {
  const uint32_t thread = threadIdx.x;
  F value = load(job.x);
  if (thread >= tile_threads) {
    const uint64_t t = thread - tile_threads;
    store(job.powers + power_count + t, value.pow(t * run_length));
  } else if (thread == 0) {
    for (int i = 0; i < power_count; i++) {
      store(job.powers + i, value);
      value = value.square();
    }
  }
}

// Evaluation alone needs no order within a tile, and so one multiplication an element: thread t of a
// tile takes the elements t, t + 256, ... by Horner's rule in x^256.
inline constexpr int evaluation_threads = 256;

template <class F>
struct Evaluation {
  DeviceView<F> a;
  const F* x;
  F* table;      // x^t for t <= 256, then x^(b * tile) for each block b
  F* sums;       // one for each block
  F* result;
  uint64_t rows;  // elements that a thread takes
  uint64_t blocks, padding;
};

template <class F>
__global__ void __launch_bounds__(128) evaluation_table(const Evaluation<F> job) {
  const uint64_t i = blockIdx.x * uint64_t{128} + threadIdx.x;
  if (i > evaluation_threads + job.blocks) return;
  uint64_t exponent = i;
  if (i > evaluation_threads) {
    exponent = (i - evaluation_threads - 1) * job.rows * evaluation_threads;
  }
  store(job.table + i, load(job.x).pow(exponent));
}

// The sum over a block, for its first thread.
template <class F, int threads>
__device__ __forceinline__ F sum_block(F value, ulonglong2* memory) {
  const SharedValues<F> shared{memory, threads};
  shared.put(threadIdx.x, value);
#pragma unroll 1
  for (uint32_t distance = threads / 2; distance > 0; distance /= 2) {
    __syncthreads();
    if (threadIdx.x < distance) {
      value = value + shared.get(threadIdx.x + distance);
      shared.put(threadIdx.x, value);
    }
  }
  return value;
}

template <class F>
__global__ void __launch_bounds__(evaluation_threads) evaluate_tiles(const Evaluation<F> job) {
  __shared__ ulonglong2 memory[2 * evaluation_threads];
  const uint64_t start = blockIdx.x * job.rows * evaluation_threads + threadIdx.x;
  const F step = load(job.table + evaluation_threads);
  F value = F::zero();
#pragma unroll 2
  for (uint64_t row = job.rows; row-- > 0;) {
    const uint64_t i = start + row * evaluation_threads;
    value = value * step + load_or_zero(job.a, i);
  }
  value = value * load(job.table + threadIdx.x);
  value = sum_block<F, evaluation_threads>(value, memory);
  if (threadIdx.x == 0) {
    const F scale = load(job.table + evaluation_threads + 1 + blockIdx.x);
    store(job.sums + blockIdx.x, value * scale);
  }
}

template <class F>
__global__ void __launch_bounds__(evaluation_threads) sum_tiles(const Evaluation<F> job) {
  __shared__ ulonglong2 memory[2 * evaluation_threads];
  F value = F::zero();
  for (uint64_t i = threadIdx.x; i < job.blocks; i += evaluation_threads) {
    value = value + load(job.sums + i);
  }
  value = sum_block<F, evaluation_threads>(value, memory);
  if (threadIdx.x == 0) store(job.result, value);
}

}  // namespace zkrun
