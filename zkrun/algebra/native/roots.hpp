// Roots of unity of a prime field, and the inverse of a power of two.
#pragma once

#include "field.hpp"

namespace zkrun {

// The program format's primitive 2^k-th root of unity: w^(2^(s - k)), k at most the two-adicity s.
template <class F>
ZK_HD F root_of_unity(int k) {
  using P = typename F::Parameters;
  F root = F::constant(P::root_of_unity());
  for (int i = P::two_adicity; i > k; i--) root = root.square();
  return root;
}

// a / 2^k, without an inversion: an odd representative becomes even by adding p, as 2^(64 N) > 2p.
template <class F>
ZK_HD F divide_by_power_of_two(F a, int k) {
  const auto p = F::Parameters::modulus();
  for (; k > 0; k--) {
    const uint64_t odd = uint64_t{0} - (a.limb[0] & 1);
    unsigned char carry = 0;
    for (int i = 0; i < F::N; i++) a.limb[i] = add_carry(a.limb[i], p[i] & odd, carry);
    for (int i = 0; i < F::N; i++) {
      a.limb[i] = a.limb[i] >> 1 | (i + 1 < F::N ? a.limb[i + 1] << 63 : 0);
    }
  }
  return a;
}

}  // namespace zkrun
