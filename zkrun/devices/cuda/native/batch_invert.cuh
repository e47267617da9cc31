// a[i] <- 1 / a[i], zeros stay: one inversion for all (Montgomery's trick), as a tree in which a node
// stands for the product of up to eight elements of the level below. About 4.6 multiplications an
// element.
#pragma once

#include "field.hpp"
#include "inversion.cuh"
#include "memory.cuh"
#include "recurrence.cuh"

namespace zkrun {

inline constexpr int fan_in = 8;
inline constexpr int inversion_threads = 256;
inline constexpr int top_threads = 512;
inline constexpr int top_run = 8;  // elements of the top level that a thread takes at most

// Node g of `upper` stands for the elements g, g + groups, g + 2 groups, ... of `lower`.
template <class F>
struct InversionLevel {
  DeviceView<F> lower;
  F* upper;
  uint64_t groups;
};

template <class F>
__device__ __forceinline__ F load_nonzero(const DeviceView<F>& a, uint64_t i) {
  const F x = load(a.at(i));
  return x.is_zero() ? F::one() : x;
}

template <class F>
__global__ void __launch_bounds__(inversion_threads) multiply_groups(const InversionLevel<F> job) {
  const uint64_t g = blockIdx.x * uint64_t{inversion_threads} + threadIdx.x;
  if (g >= job.groups) return;
  F product = load_nonzero(job.lower, g);
#pragma unroll 1
  for (uint64_t i = g + job.groups; i < job.lower.length; i += job.groups) {
    product = product * load_nonzero(job.lower, i);
  }
  store(job.upper + g, product);
}

// From the inverses of the products to those of the elements.
template <class F>
__global__ void __launch_bounds__(inversion_threads) invert_groups(const InversionLevel<F> job) {
  const uint64_t g = blockIdx.x * uint64_t{inversion_threads} + threadIdx.x;
  if (g >= job.groups) return;
  F before[fan_in];  // before[i]: the product of the elements before number i
  before[0] = load_nonzero(job.lower, g);
  ZK_UNROLL
  for (int i = 1; i < fan_in; i++) {
    const uint64_t place = g + i * job.groups;
    before[i] = before[i - 1];
    if (place < job.lower.length) before[i] = before[i] * load_nonzero(job.lower, place);
  }
  F inverse = load(job.upper + g);
  ZK_UNROLL
  for (int i = fan_in; i-- > 0;) {
    const uint64_t place = g + i * job.groups;
    if (place >= job.lower.length) continue;
    F* const address = job.lower.at(place);
    const F x = load(address);
    if (x.is_zero()) continue;
    F result = inverse;
    if (i > 0) {
      result = result * before[i - 1];
      inverse = inverse * x;
    }
    store(address, result);
  }
}

// The top level: up to top_threads * top_run elements, by one block. Thread t takes the elements t,
// t + top_threads, ...
//
// Stack frame of invert_top<*>: invert() takes its argument by address.
template <class F>
__global__ void __launch_bounds__(top_threads) invert_top(const InversionLevel<F> job) {
  __shared__ ulonglong2 memory[2 * top_threads];
  const SharedValues<F> shared{memory, top_threads};
  const uint32_t thread = threadIdx.x;
  F product = F::one();
#pragma unroll 1
  for (uint64_t i = thread; i < job.lower.length; i += top_threads) {
    product = product * load_nonzero(job.lower, i);
  }
  F total;
  const F before = join_block<F, ProductLaw<F>>(shared, product, nullptr, total);
  __syncthreads();
  // The products of what comes after each thread: the same with the threads in reverse.
  shared.put(top_threads - 1 - thread, product);
  __syncthreads();
  const F reversed = shared.get(thread);
  __syncthreads();
  F again;
  const F after_reversed = join_block<F, ProductLaw<F>>(shared, reversed, nullptr, again);
  __syncthreads();
  shared.put(top_threads - 1 - thread, after_reversed);
  __syncthreads();
  const F after = shared.get(thread);
  __syncthreads();
  if (thread == 0) shared.put(0, invert(total));
  __syncthreads();
  F inverse = shared.get(0) * before * after;  // of the thread's product

  // The last element of a thread first: the product of those before it is computed anew each time,
  // for there are at most top_run.
#pragma unroll 1
  for (uint64_t count = (job.lower.length + top_threads - 1) / top_threads; count-- > 0;) {
    const uint64_t i = thread + count * top_threads;
    if (i >= job.lower.length) continue;
    F* const address = job.lower.at(i);
    const F x = load(address);
    if (x.is_zero()) continue;
    F result = inverse;
#pragma unroll 1
    for (uint64_t j = thread; j < i; j += top_threads) {
      result = result * load_nonzero(job.lower, j);
    }
    inverse = inverse * x;
    store(address, result);
  }
}

}  // namespace zkrun
