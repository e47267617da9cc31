// Functions of each element by itself. A thread takes one element; what it reads and writes of an
// array is one element too, so that an output may be exactly an input.
#pragma once

#include "field.hpp"
#include "inversion.cuh"
#include "memory.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

inline constexpr int elementwise_threads = 256;

// The element that a thread of an element-wise kernel takes.
__device__ __forceinline__ uint64_t element_number() {
  return blockIdx.x * static_cast<uint64_t>(elementwise_threads) + threadIdx.x;
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

// c[i] = a[i] b[i mod length of b]: scaling, where b is one element.
template <class F>
__global__ void __launch_bounds__(elementwise_threads) multiply_cyclic(const Pairwise<F> job) {
  const uint64_t i = element_number();
  const uint64_t period = job.b.length;
  uint64_t j = 0;
  if (period > 1) {
    if ((i | period) >> 32 == 0) {
      j = static_cast<uint32_t>(i) % static_cast<uint32_t>(period);
    } else {
      j = i % period;
    }
  }
  F c = F::zero();
  if (i < job.c.length) c = load(job.a.at(i)) * load(job.b.at(j));
  store_element(job.c, i, c);
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

// Stack frame of invert_scalar<*>: invert() takes its argument by address.
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
