// What is asked of a number theoretic transform, and what follows from it.
#pragma once

#include <cstddef>

#include "field.hpp"
#include "roots.hpp"

namespace zkrun {

// a[i] <- sum_j a[j] (coset root^i)^j over 2^k elements, or the inverse of that map. `root` is a
// primitive 2^k-th root of unity (of the forward map, also where the inverse is asked for).
template <class F>
struct NttKey {
  int k;
  bool inverse;
  F root, coset;

  bool operator==(const NttKey& other) const {
    return k == other.k && inverse == other.inverse && root == other.root && coset == other.coset;
  }

  // The inverse is the plain transform with 1/root, then a[i] *= output_coset^i scale.
  F transform_root() const { return inverse ? root.pow((uint64_t{1} << k) - 1) : root; }
  F output_coset() const {
    return !inverse || coset == F::one() ? F::one() : coset.inverse();
  }
  F scale() const { return divide_by_power_of_two(F::one(), inverse ? k : 0); }
};

inline size_t bit_reverse(size_t value, int bits) {
  size_t result = 0;
  for (int i = 0; i < bits; i++) result = result << 1 | (value >> i & 1);
  return result;
}

}  // namespace zkrun
