// Multiples of bases that are kept from one multiplication to the next.
#pragma once

#include "group.hpp"
#include "inversion.cuh"
#include "memory.cuh"
#include "msm_reduce.cuh"

namespace zkrun {

template <class F>
__device__ __noinline__ Xyzz<F> double_call(const Xyzz<F>& point) {
  return point.dbl();
}

// multiples[j * count + i] = 2^(window_bits j) bases[i], and table[j * count + i] = beta x of
// that, for j < digits. Where multiples[i] is bases[i] already, nothing is done: then so are the
// others. It is written last, and holds no point at first.
//
// Stack frame of keep_multiples<*>: doubling is a call, with points in memory.
// Spills in keep_multiples<*<Bls12381>>: a point has 48 or 96 words, its doubling as many again.
template <class Group>
__global__ void __launch_bounds__(128)
    keep_multiples(Affine<typename Group::Field>* multiples, typename Group::Field* table,
                   DeviceView<Affine<typename Group::Field>> bases, uint32_t count, uint32_t digits,
                   uint32_t window_bits) {
  using F = typename Group::Field;
  const uint64_t i = blockIdx.x * uint64_t{128} + threadIdx.x;
  if (i >= count) return;
  const Affine<F> base = load(bases.at(i));
  if (load(multiples + i) == base) return;
  store(table + i, base.x * Group::beta());
  Xyzz<F> point = Xyzz<F>::from_affine(base);
  ZK_NO_UNROLL
  for (uint32_t j = 1; j < digits; j++) {
    ZK_NO_UNROLL
    for (uint32_t k = 0; k < window_bits; k++) point = double_call(point);
    Affine<F> multiple = Affine<F>::infinity();
    if (!point.is_infinity()) {
      const F inverse_zzz = invert(point.zzz);
      multiple = {point.x * (point.zz * inverse_zzz).square(), point.y * inverse_zzz};
    }
    store(multiples + j * count + i, multiple);
    store(table + j * count + i, multiple.x * Group::beta());
  }
  store(multiples + i, base);
}

}  // namespace zkrun
