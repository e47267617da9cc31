// Functions of each element by itself. A thread takes an element or two; what it reads and writes
// of an array are the same, so that an output may be exactly an input.
#pragma once

#include "field.hpp"
#include "fixed_factor.cuh"
#include "inversion.cuh"
#include "memory.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int elementwise_threads = 256;

// The element that a thread of an element-wise kernel takes; `number` of the `each` that it takes.
__device__ __forceinline__ uint64_t element_number(uint32_t each = 1, uint32_t number = 0) {
  return blockIdx.x * static_cast<uint64_t>(each * elementwise_threads) +
         (number * elementwise_threads + threadIdx.x);
}

template <class F>
struct Pairwise {
  DeviceView<F> c, a, b;
};

// By all threads of a block: a[i] = x, if there is such an element.
template <class F>
__device__ __forceinline__ void store_element(const DeviceView<F>& a, uint64_t i, const F& x) {
  store_whole_sectors(i < a.length ? a.at(i) : nullptr, x);
}

// The same by each thread alone. Where multiplications take as long as the memory, exchanging
// halves costs more than whole sectors spare.
template <class F>
__device__ __forceinline__ void store_plainly(const DeviceView<F>& a, uint64_t i, const F& x) {
  if (i < a.length) store(a.at(i), x);
}

template <class F>
__device__ __forceinline__ F load_or_zero(const DeviceView<F>& a, uint64_t i) {
  return i < a.length ? load(a.at(i)) : F::zero();
}

enum class PairwiseOperation { add, subtract, multiply };

// c[i] = a[i] op b[i], where what lies beyond the end of a or b is 0.
template <class F, PairwiseOperation operation>
__global__ void __launch_bounds__(elementwise_threads) pairwise(const Pairwise<F> job) {
  const uint64_t i = element_number();
  const F a = load_or_zero(job.a, i), b = load_or_zero(job.b, i);
  F c;
  if (operation == PairwiseOperation::add) c = a + b;
  if (operation == PairwiseOperation::subtract) c = a - b;
  if (operation == PairwiseOperation::multiply) c = a * b;
  store_element(job.c, i, c);
}

// Kernels of one multiplication an element, which takes as long as the memory. All that a thread
// needs next is on its way while it multiplies, and small blocks make room for others sooner.
inline constexpr int product_threads = 128;
inline constexpr int product_blocks = 8;  // on a multiprocessor: with 64 registers a thread

// c[i] = a[i] b[i mod period], where the period is b's length.
template <class F>
struct Cyclic {
  DeviceView<F> c, a, b;
  uint64_t step;  // product_threads mod period; for multiply_strided see there
  uint64_t padding;
};

__device__ __forceinline__ uint64_t product_number(uint32_t number) {
  return blockIdx.x * uint64_t{2 * product_threads} + (number * product_threads + threadIdx.x);
}

// i mod period, where divisions of 64 bits, which are many instructions, are seldom needed.
__device__ __forceinline__ uint64_t remainder(uint64_t i, uint64_t period) {
  if ((period & (period - 1)) == 0) return i & (period - 1);
  if ((i | period) >> 32 == 0) return static_cast<uint32_t>(i) % static_cast<uint32_t>(period);
  return i % period;
}

// For a period of 1. A thread takes two elements.
template <class F>
__global__ void __launch_bounds__(product_threads, product_blocks)
    multiply_all(const Cyclic<F> job) {
  const uint64_t first = product_number(0), second = product_number(1);
  const F factor = load(job.b.at(0));
  const F x = load_or_zero(job.a, first), y = load_or_zero(job.a, second);
  store_plainly(job.c, first, x * factor);
  store_plainly(job.c, second, y * factor);
}

// For any period. A thread takes two elements.
template <class F>
__global__ void __launch_bounds__(product_threads, product_blocks)
    multiply_cyclic(const Cyclic<F> job) {
  const uint64_t first = product_number(0), second = product_number(1);
  if (first >= job.a.length) return;
  const bool both = second < job.a.length;
  const uint64_t period = job.b.length, i = remainder(first, period);
  uint64_t j = i + job.step;
  if (j >= period) j -= period;
  const F x = load(job.a.at(first)), y = load(job.a.at(both ? second : first));
  const F x_factor = load(job.b.at(i)), y_factor = load(job.b.at(j));
  store(job.c.at(first), x * x_factor);
  if (both) store(job.c.at(second), y * y_factor);
}

// For long arrays. There are `step` threads, a multiple of the period, and a thread takes elements
// so far apart: they have one factor.
template <class F>
__global__ void __launch_bounds__(product_threads, product_blocks)
    multiply_strided(const Cyclic<F> job) {
  const uint64_t first = blockIdx.x * uint64_t{product_threads} + threadIdx.x;
  if (first >= job.step) return;
  F next = load_or_zero(job.a, first);
  const FixedFactor<typename F::Parameters> factor(
      load(job.b.at(remainder(first, job.b.length))));
#pragma unroll 1
  for (uint64_t i = first; i < job.a.length; i += job.step) {
    const F x = next;
    next = load_or_zero(job.a, i + job.step);
    store(job.c.at(i), factor * x);
  }
}

// a[i] *= low[i mod 2^log_low] high[i >> log_low].
template <class F>
struct Geometric {
  DeviceView<F> a;
  const F *low, *high;
  uint64_t log_low, padding;
};

template <class F>
__global__ void __launch_bounds__(elementwise_threads) multiply_geometric(const Geometric<F> job) {
  const uint64_t i = element_number();
  if (i >= job.a.length) return;
  const F low = load_constant(job.low + (i & ((1ull << job.log_low) - 1)));
  const F high = load_constant(job.high + (i >> job.log_low));
  F* const place = job.a.at(i);
  store(place, load(place) * low * high);
}

// a[0] = first, and every other element = others.
template <class F>
struct Fill {
  DeviceView<F> a;
  F first, others;
};

template <class F>
__global__ void __launch_bounds__(elementwise_threads) fill(const Fill<F> job) {
  const uint64_t i = element_number();
  F value = job.others;
  if (i == 0) value = job.first;
  store_element(job.a, i, value);
}

// s = 1 / s. *failed becomes 1 where s is 0, which stays.
template <class F>
struct ScalarInverse {
  F* s;
  uint32_t* failed;
};

template <class F>
__global__ void __launch_bounds__(32) invert_scalar(const ScalarInverse<F> job) {
  if (threadIdx.x != 0) return;
  const F s = load(job.s);
  if (s.is_zero()) {
    *job.failed = 1;
  } else {
    store(job.s, invert(s));
  }
}

// s = s^exponent, for an exponent of `limbs` little-endian limbs.
template <class F>
struct ScalarPower {
  F* s;
  const uint64_t* exponent;
  uint64_t limbs, padding;
};

template <class F>
__global__ void __launch_bounds__(32) raise_scalar(const ScalarPower<F> job) {
  if (threadIdx.x != 0) return;
  store(job.s, load(job.s).pow(job.exponent, static_cast<int>(job.limbs)));
}

}  // namespace zkrun
