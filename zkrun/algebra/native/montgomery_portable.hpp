// Montgomery multiplication in plain C++.
#pragma once

#include "limbs.hpp"
#include "platform.hpp"

namespace zkrun {

// result = a b / R mod p, in [0, 2p), for a, b in [0, p) (more generally a b < R p).
//
// Coarsely integrated operand scanning (Koc, Acar, Kaliski, 1996). Because the top bit of p is
// free, the two carries of a round add up without overflow and no extra limb is needed
// (gnark-crypto's "no-carry" observation): before each round t < a + p < 2^(64 N).
//
// Out of line: the code that compilers make of it is so long that to have it everywhere takes
// transforms a quarter more time, and compilers three times as much.
template <class P>
ZK_HD ZK_NOINLINE void montgomery_multiply(uint64_t* result, const uint64_t* a,
                                           const uint64_t* b) {
  constexpr int N = P::N;
  const Limbs<N> p = P::modulus();
  uint64_t t[N] = {};
  ZK_UNROLL
  for (int i = 0; i < N; i++) {
    uint64_t product_carry = 0;
    const uint64_t lowest = multiply_add(a[0], b[i], t[0], product_carry);
    const uint64_t m = lowest * P::negative_inverse;
    uint64_t reduction_carry = 0;
    multiply_add(m, p[0], lowest, reduction_carry);
    ZK_UNROLL
    for (int j = 1; j < N; j++) {
      const uint64_t sum = multiply_add(a[j], b[i], t[j], product_carry);
      t[j - 1] = multiply_add(m, p[j], sum, reduction_carry);
    }
    t[N - 1] = product_carry + reduction_carry;
  }
  ZK_UNROLL
  for (int i = 0; i < N; i++) result[i] = t[i];
}

}  // namespace zkrun
