// Scalars to signed digits.
#pragma once

#include "endomorphism.hpp"
#include "group.hpp"
#include "msm_plan.cuh"

namespace zkrun {

// table[i] = beta x of base i.
template <class Group>
__global__ void __launch_bounds__(256)
    fill_endomorphism_table(typename Group::Field* table,
                            DeviceView<Affine<typename Group::Field>> bases, uint32_t points) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < points) store(table + i, load_constant(&bases.at(i)->x) * Group::beta());
}

template <class Scalar>
struct ScalarVectors {
  DeviceView<Scalar> vector[max_vectors_at_once];
};

// digits[window * rows + row], where rows i and points + i are those of base i and of its image
// under the endomorphism: 0, or (bucket + 1) << 1, with bit 0 set for a negative digit. With
// multiples of the bases, digit j has the rows j * bases + i and points + j * bases + i of the one
// window. coarse_counts[partition] += digits with these coarse bits. One row of blocks a vector.
//
// Halves of scalars are below 3/4 2^127 in absolute value, so that with ceil(128 / c) windows,
// c >= 3, the topmost digit is at most 2^(c - 1) with its carry, and carries nothing out.
template <class Curve>
__global__ void __launch_bounds__(256)
    split_into_digits(uint32_t* digits, uint32_t* coarse_counts,
                      ScalarVectors<Fp<typename Curve::ScalarField>> scalars, MsmPlan plan) {
  extern __shared__ uint32_t counts[];
  const uint32_t vector = blockIdx.y;
  const uint32_t partitions = plan.windows << plan.coarse_bits;
  for (uint32_t k = threadIdx.x; k < partitions; k += blockDim.x) counts[k] = 0;
  __syncthreads();

  const auto view = scalars.vector[vector];
  const uint32_t largest = plan.buckets();
  const uint64_t mask = 2 * static_cast<uint64_t>(largest) - 1;
  digits += static_cast<uint64_t>(vector * plan.windows) * plan.rows();
  const bool one_window = plan.windows < plan.digits;
  const uint64_t stride = one_window ? plan.bases : plan.rows();
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < plan.bases;
       i += gridDim.x * blockDim.x) {
    HalfScalar halves[2] = {};
    if (i < view.length) {
      uint64_t canonical[4];
      load_constant(view.at(i)).to_canonical(canonical);
      split_scalar<Curve>(canonical, halves[0], halves[1]);
    }
    ZK_UNROLL
    for (uint32_t half = 0; half < 2; half++) {
      uint64_t low = halves[half].magnitude[0];
      uint64_t high = halves[half].magnitude[1];
      uint32_t* target = digits + half * plan.points + i;
      uint32_t carry = 0;
      for (uint32_t number = 0; number < plan.digits; number++) {
        const uint32_t window = one_window ? 0 : number;
        uint32_t digit = static_cast<uint32_t>(low & mask) + carry;
        carry = digit > largest;
        if (carry) digit = 2 * largest - digit;
        uint32_t value = 0;
        if (digit != 0) {
          value = digit << 1 | (static_cast<uint32_t>(halves[half].negative) ^ carry);
          const uint32_t bucket = digit - 1;
          atomicAdd(&counts[(window << plan.coarse_bits) + (bucket >> plan.fine_bits)], 1u);
        }
        *target = value;
        target += stride;
        low = low >> plan.window_bits | high << (64 - plan.window_bits);
        high >>= plan.window_bits;
      }
    }
  }

  __syncthreads();
  coarse_counts += vector * partitions;
  for (uint32_t k = threadIdx.x; k < partitions; k += blockDim.x) {
    if (counts[k] != 0) atomicAdd(&coarse_counts[k], counts[k]);
  }
}

}  // namespace zkrun
