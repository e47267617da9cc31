// The quadratic extension F[u] / (u^2 + 1), for a field F in which -1 is not a square.
#pragma once

#include "platform.hpp"

// On CUDA devices a product is a function of its own: formulas of ten of them would be too long for
// the instruction caches, and take minutes to compile. Its factors come by value, in registers.
#if defined(__CUDACC__)
#define ZK_FP2_PRODUCT ZK_NOINLINE
#define ZK_FP2_FACTOR const Fp2
#else
#define ZK_FP2_PRODUCT
#define ZK_FP2_FACTOR const Fp2&
#endif

namespace zkrun {

template <class F>
struct Fp2 {
  using BaseField = F;

  F c0, c1;  // c0 + c1 u

  ZK_HD static ZK_INLINE Fp2 zero() { return {F::zero(), F::zero()}; }
  ZK_HD static ZK_INLINE Fp2 one() { return {F::one(), F::zero()}; }
  ZK_HD ZK_INLINE bool is_zero() const { return c0.is_zero() && c1.is_zero(); }
  ZK_HD ZK_INLINE bool operator==(const Fp2& other) const {
    return c0 == other.c0 && c1 == other.c1;
  }
  ZK_HD ZK_INLINE bool operator!=(const Fp2& other) const { return !(*this == other); }

  ZK_HD friend ZK_INLINE Fp2 operator+(const Fp2& a, const Fp2& b) {
    return {a.c0 + b.c0, a.c1 + b.c1};
  }
  ZK_HD friend ZK_INLINE Fp2 operator-(const Fp2& a, const Fp2& b) {
    return {a.c0 - b.c0, a.c1 - b.c1};
  }
  // Karatsuba: three multiplications in F. A CUDA device saves two reductions instead, which costs
  // less there.
  ZK_HD friend ZK_FP2_PRODUCT Fp2 operator*(ZK_FP2_FACTOR a, ZK_FP2_FACTOR b) {
#if defined(__CUDA_ARCH__)
    return {F::difference_of_products(a.c0, b.c0, a.c1, b.c1),
            F::sum_of_products(a.c0, b.c1, a.c1, b.c0)};
#else
    const F low = a.c0 * b.c0;
    const F high = a.c1 * b.c1;
    const F cross = (a.c0 + a.c1) * (b.c0 + b.c1);
    return {low - high, cross - low - high};
#endif
  }
  ZK_HD static ZK_INLINE Fp2 difference_of_products(const Fp2& a, const Fp2& b, const Fp2& c,
                                                    const Fp2& d) {
    return a * b - c * d;
  }
  ZK_HD friend Fp2 operator*(const Fp2& a, const F& b) { return {a.c0 * b, a.c1 * b}; }
  ZK_HD ZK_INLINE Fp2& operator+=(const Fp2& other) { return *this = *this + other; }
  ZK_HD ZK_INLINE Fp2& operator-=(const Fp2& other) { return *this = *this - other; }
  ZK_HD ZK_INLINE Fp2& operator*=(const Fp2& other) { return *this = *this * other; }

  ZK_HD ZK_INLINE Fp2 operator-() const { return {-c0, -c1}; }
  ZK_HD ZK_INLINE Fp2 dbl() const { return {c0.dbl(), c1.dbl()}; }
  ZK_HD ZK_INLINE Fp2 square() const { return square_of(*this); }
  ZK_HD ZK_INLINE Fp2 conjugate() const { return {c0, -c1}; }

  // 1 / this = conjugate / (c0^2 + c1^2), and 0 for 0.
  ZK_HD Fp2 inverse() const {
    const F scale = (c0.square() + c1.square()).inverse();
    return {c0 * scale, -(c1 * scale)};
  }

 private:
  // (c0 + c1)(c0 - c1) + 2 c0 c1 u
  ZK_HD static ZK_FP2_PRODUCT Fp2 square_of(ZK_FP2_FACTOR a) {
    return {(a.c0 + a.c1) * (a.c0 - a.c1), (a.c0 * a.c1).dbl()};
  }
};

}  // namespace zkrun
