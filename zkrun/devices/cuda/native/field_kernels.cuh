// Field operations on arrays, each by itself, and how fast they are: for tests and benches.
#pragma once

#include "field.hpp"
#include "group.hpp"
#include "memory.cuh"

namespace zkrun {

enum class FieldOperation {
  add, subtract, multiply, square, sum_of_products, negate, inverse
};

// c[i] = a[i] op b[i]; sum_of_products is a b + b b.
//
// Stack frame of apply_field_operation<*, FieldOperation::inverse>: invert() takes its argument by
// address.
template <class F, FieldOperation operation>
__global__ void apply_field_operation(F* c, const F* a, const F* b, uint64_t count) {
  const uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
  if (i >= count) return;
  const F x = load(a + i);
  const F y = load(b + i);
  F result;
  if (operation == FieldOperation::add) result = x + y;
  if (operation == FieldOperation::subtract) result = x - y;
  if (operation == FieldOperation::multiply) result = x * y;
  if (operation == FieldOperation::square) result = x.square();
  if constexpr (operation == FieldOperation::sum_of_products) {
    result = F::sum_of_products(x, y, y, y);
  }
  if (operation == FieldOperation::negate) result = -x;
  if (operation == FieldOperation::inverse) result = x.inverse();
  store(c + i, result);
}

// Each thread takes `rounds` times two dependent operations, all in registers.
template <class F, FieldOperation operation>
__global__ void __launch_bounds__(256) repeat_field_operation(F* values, int rounds) {
  F* const place = values + blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
  F x = load(place);
  F y = x + x;
  for (int i = 0; i < rounds; i++) {
    if (operation == FieldOperation::add) {
      x = x + y;
      y = y + x;
    } else if (operation == FieldOperation::multiply) {
      x = x * y;
      y = y * x;
    } else if (operation == FieldOperation::square) {
      x = x.square();
      y = y.square();
    }
  }
  store(place, x + y);
}

// points[i] = (first + i) times the base.
//
// Stack frame of multiples<*>: the group law is a call, with operands in memory.
// Spills in multiples<G2<Bls12381>>: two sums have 192 words, in 255 registers.
template <class Group>
__global__ void __launch_bounds__(128)
    multiples(Affine<typename Group::Field>* points, const Affine<typename Group::Field>* base,
              uint64_t first, uint64_t count) {
  const uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
  if (i >= count) return;
  const uint64_t multiplier = first + i;
  store(points + i, scale(load(base), &multiplier, 1).to_affine());
}

}  // namespace zkrun
