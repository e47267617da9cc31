// Splitting a scalar k into k1 + k2 lambda with k1, k2 of half its length, so that
// k P = k1 P + k2 (beta x, y): Gallant, Lambert, Vanstone, CRYPTO 2001.
#pragma once

#include "limbs.hpp"
#include "platform.hpp"

namespace zkrun {

// An integer of absolute value below 3/4 2^127.
struct HalfScalar {
  uint64_t magnitude[2];
  bool negative;
};

namespace detail {

// round(k g / 2^320), below 2^128.
ZK_HD ZK_INLINE Limbs<2> rounded_quotient(const uint64_t* k, const Limbs<4>& g) {
  uint64_t product[8] = {};
  ZK_UNROLL
  for (int i = 0; i < 4; i++) {
    uint64_t carry = 0;
    ZK_UNROLL
    for (int j = 0; j < 4; j++) product[i + j] = multiply_add(k[i], g[j], product[i + j], carry);
    product[i + 4] = carry;
  }
  unsigned char carry = static_cast<unsigned char>(product[4] >> 63);
  Limbs<2> quotient{};
  quotient.limb[0] = add_carry(product[5], 0, carry);
  quotient.limb[1] = add_carry(product[6], 0, carry);
  return quotient;
}

// value -= c v modulo 2^192.
ZK_HD ZK_INLINE void subtract_product(uint64_t* value, const Limbs<2>& c, const Limbs<3>& v) {
  uint64_t product[3] = {};
  uint64_t carry = 0;
  ZK_UNROLL
  for (int j = 0; j < 3; j++) product[j] = multiply_add(c[0], v[j], 0, carry);
  carry = 0;
  product[1] = multiply_add(c[1], v[0], product[1], carry);
  product[2] += c[1] * v[1] + carry;
  unsigned char borrow = 0;
  ZK_UNROLL
  for (int j = 0; j < 3; j++) value[j] = sub_borrow(value[j], product[j], borrow);
}

ZK_HD ZK_INLINE HalfScalar from_twos_complement(const uint64_t* value) {
  const bool negative = value[2] >> 63;
  const uint64_t flip = negative ? ~uint64_t{0} : 0;
  unsigned char carry = negative;
  HalfScalar half;
  half.negative = negative;
  half.magnitude[0] = add_carry(value[0] ^ flip, 0, carry);
  half.magnitude[1] = add_carry(value[1] ^ flip, 0, carry);
  return half;
}

}  // namespace detail

// k = k1 + k2 lambda mod r, for a canonical k < r.
//
// (k1, k2) = (k, 0) - c1 (a1, b1) - c2 (a2, b2) with c1, c2 the exact rational coordinates up to
// 1/2 + 2^-64 (k < 2^256 times the rounding error 2^-321 of g / 2^320), so |k1| and |k2| are at
// most (1/2 + 2^-64) (|a1| + |a2|) and likewise for b, which curves_header.py bounds by
// 3/4 2^127. Hence computing modulo 2^192 loses nothing.
template <class Curve>
ZK_HD ZK_INLINE void split_scalar(const uint64_t* k, HalfScalar& k1, HalfScalar& k2) {
  const Limbs<2> c1 = detail::rounded_quotient(k, Curve::split_g1());
  const Limbs<2> c2 = detail::rounded_quotient(k, Curve::split_g2());
  uint64_t first[3] = {k[0], k[1], k[2]};
  detail::subtract_product(first, c1, Curve::split_a1());
  detail::subtract_product(first, c2, Curve::split_a2());
  uint64_t second[3] = {0, 0, 0};
  detail::subtract_product(second, c1, Curve::split_b1());
  detail::subtract_product(second, c2, Curve::split_b2());
  k1 = detail::from_twos_complement(first);
  k2 = detail::from_twos_complement(second);
}

}  // namespace zkrun
