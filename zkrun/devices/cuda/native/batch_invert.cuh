// a[i] <- 1 / a[i], zeros stay: each thread inverts the product of a run (Montgomery's trick).
// Three multiplications an element, and an inversion a run, which takes as long as some 20.
#pragma once

#include "field.hpp"
#include "inversion.cuh"
#include "memory.cuh"

namespace zkrun {

inline constexpr int inversion_threads = 128;

// Thread t takes the elements t, t + stride, ...
template <class F>
struct BatchInversion {
  DeviceView<F> a;
  F* products;  // scratch, one for each element: of those of its run before it
  uint64_t stride;
};

template <class F>
__global__ void __launch_bounds__(inversion_threads) invert_runs(const BatchInversion<F> job) {
  const uint64_t first = blockIdx.x * uint64_t{inversion_threads} + threadIdx.x;
  if (first >= job.stride) return;
  F product = F::one();
  F next = load(job.a.at(first));
  uint64_t i = first;
#pragma unroll 1
  for (; i < job.a.length; i += job.stride) {
    const F x = next;
    if (i + job.stride < job.a.length) next = load(job.a.at(i + job.stride));
    store(job.products + i, product);
    if (!x.is_zero()) product = product * x;
  }
  i -= job.stride;
  F inverse = invert(product);
  F x = load(job.a.at(i)), before = load(job.products + i);
#pragma unroll 1
  while (true) {
    const bool more = i >= job.stride;
    F next_before;
    if (more) {
      next = load(job.a.at(i - job.stride));
      next_before = load(job.products + (i - job.stride));
    }
    if (!x.is_zero()) {
      store(job.a.at(i), inverse * before);
      inverse = inverse * x;
    }
    if (!more) break;
    x = next;
    before = next_before;
    i -= job.stride;
  }
}

}  // namespace zkrun
