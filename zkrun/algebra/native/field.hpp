// Prime fields in Montgomery form: Fp<P> for a parameter struct P of curves.hpp.
//
// An element a is stored as a R mod p with R = 2^(64 N), fully reduced, so that equal elements have
// equal bytes. All moduli leave the top bit of their highest limb free (p < 2^(64 N - 1)), which
// is what lets a + b and the Montgomery product go without an extra limb.
#pragma once

#include "curves.hpp"
#include "limbs.hpp"
#include "platform.hpp"

#if defined(__ADX__) && defined(__BMI2__) && !defined(__CUDACC__)
#include "montgomery_adx.hpp"
#else
#include "montgomery_portable.hpp"
#endif
#include "montgomery_ptx.hpp"

namespace zkrun {

template <class P>
struct Fp {
  using Parameters = P;
  static constexpr int N = P::N;

  uint64_t limb[N];

  ZK_HD static ZK_INLINE Fp zero() { return Fp{}; }
  ZK_HD static ZK_INLINE Fp one() { return constant(P::one()); }
  ZK_HD static ZK_INLINE Fp constant(const Limbs<N>& montgomery) {
    Fp result;
    ZK_UNROLL
    for (int i = 0; i < N; i++) result.limb[i] = montgomery[i];
    return result;
  }

  // The element whose canonical integer, below p, is given; and back.
  ZK_HD static Fp from_canonical(const uint64_t* integer) {
    Fp result;
    ZK_UNROLL
    for (int i = 0; i < N; i++) result.limb[i] = integer[i];
    return result * constant(P::radix());
  }
  ZK_HD void to_canonical(uint64_t* integer) const {
    Fp plain_one = zero();
    plain_one.limb[0] = 1;
    const Fp canonical = *this * plain_one;
    ZK_UNROLL
    for (int i = 0; i < N; i++) integer[i] = canonical.limb[i];
  }

  // a raw / R mod p for any N limbs `raw`, whether below p or not: a raw < p R, so that the
  // Montgomery product is below 2p all the same (its bound needs `a`, the first factor, below p).
  ZK_HD static ZK_INLINE Fp product_with_raw(const Fp& a, const Fp& raw) {
    return a * raw;
  }

  // Whether N limbs are an integer below p.
  ZK_HD static bool is_canonical(const uint64_t* integer) {
    const Limbs<N> p = P::modulus();
    return less_than<N>(integer, p.limb);
  }

  ZK_HD ZK_INLINE bool is_zero() const {
    uint64_t any = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) any |= limb[i];
    return any == 0;
  }
  ZK_HD ZK_INLINE bool operator==(const Fp& other) const {
    uint64_t difference = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) difference |= limb[i] ^ other.limb[i];
    return difference == 0;
  }
  ZK_HD ZK_INLINE bool operator!=(const Fp& other) const { return !(*this == other); }

  ZK_HD friend ZK_INLINE Fp operator+(const Fp& a, const Fp& b) {
#if defined(__CUDA_ARCH__)
    Fp sum;
    DeviceField<P>::add(sum.limb, a.limb, b.limb);
    return sum;
#else
    Fp sum;
    unsigned char carry = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) sum.limb[i] = add_carry(a.limb[i], b.limb[i], carry);
    return sum.reduced_once();
#endif
  }
  ZK_HD friend ZK_INLINE Fp operator-(const Fp& a, const Fp& b) {
#if defined(__CUDA_ARCH__)
    Fp difference;
    DeviceField<P>::subtract(difference.limb, a.limb, b.limb);
    return difference;
#else
    const Limbs<N> p = P::modulus();
    Fp difference;
    unsigned char borrow = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) difference.limb[i] = sub_borrow(a.limb[i], b.limb[i], borrow);
    const uint64_t mask = uint64_t{0} - borrow;
    unsigned char carry = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) {
      difference.limb[i] = add_carry(difference.limb[i], p[i] & mask, carry);
    }
    return difference;
#endif
  }
  ZK_HD friend ZK_INLINE Fp operator*(const Fp& a, const Fp& b) {
#if defined(__CUDA_ARCH__)
    Fp product;
    DeviceField<P>::multiply(product.limb, a.limb, b.limb);
    return product;
#else
    Fp product;
    montgomery_multiply<P>(product.limb, a.limb, b.limb);
    return product.reduced_once();
#endif
  }
  ZK_HD ZK_INLINE Fp& operator+=(const Fp& other) { return *this = *this + other; }
  ZK_HD ZK_INLINE Fp& operator-=(const Fp& other) { return *this = *this - other; }
  ZK_HD ZK_INLINE Fp& operator*=(const Fp& other) { return *this = *this * other; }

  ZK_HD ZK_INLINE Fp operator-() const { return zero() - *this; }
  ZK_HD ZK_INLINE Fp dbl() const { return *this + *this; }
  ZK_HD ZK_INLINE Fp square() const {
#if defined(__CUDA_ARCH__)
    Fp product;
    DeviceField<P>::square(product.limb, limb);
    return product;
#else
    return *this * *this;
#endif
  }

  // a b + c d and a b - c d: a CUDA device takes one reduction for both products. There, the field
  // must leave two bits free.
  ZK_HD static ZK_INLINE Fp sum_of_products(const Fp& a, const Fp& b, const Fp& c, const Fp& d) {
#if defined(__CUDA_ARCH__)
    Fp sum;
    DeviceField<P>::sum_of_products(sum.limb, a.limb, b.limb, c.limb, d.limb);
    return sum;
#else
    return a * b + c * d;
#endif
  }
  ZK_HD static ZK_INLINE Fp difference_of_products(const Fp& a, const Fp& b, const Fp& c,
                                                   const Fp& d) {
#if defined(__CUDA_ARCH__)
    return sum_of_products(a, b, -c, d);
#else
    return a * b - c * d;
#endif
  }

  // this^exponent for a little-endian integer of any number of limbs; x^0 = 1, also for x = 0.
  ZK_HD Fp pow(const uint64_t* exponent, int limbs) const {
    Fp result = one();
    bool started = false;
    ZK_NO_UNROLL
    for (int i = 64 * limbs - 1; i >= 0; i--) {
      if (started) result = result.square();
      if (exponent[i / 64] >> (i % 64) & 1) {
        result = started ? result * *this : *this;
        started = true;
      }
    }
    return result;
  }
  ZK_HD Fp pow(uint64_t exponent) const { return pow(&exponent, 1); }

  // 1 / this, and 0 for 0 (Fermat: this^(p - 2)).
  ZK_HD ZK_NOINLINE Fp inverse() const {
    const Limbs<N> exponent = P::modulus_minus_two();
    return pow(exponent.limb, N);
  }

 private:
  // From [0, 2p) to [0, p).
  ZK_HD ZK_INLINE Fp reduced_once() const {
    const Limbs<N> p = P::modulus();
    Fp difference;
    unsigned char borrow = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) difference.limb[i] = sub_borrow(limb[i], p[i], borrow);
    ZK_UNROLL
    for (int i = 0; i < N; i++) difference.limb[i] = borrow ? limb[i] : difference.limb[i];
    return difference;
  }
};

}  // namespace zkrun
