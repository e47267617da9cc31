// The groups G1 and G2 of a curve y^2 = x^3 + b: affine points as they lie in memory, extended
// Jacobian points to compute with.
//
// Every operation is exact for all inputs: infinity, P + P and P + (-P) included. Formulas: the
// Explicit-Formulas Database, "XYZZ coordinates" for short Weierstrass curves with a = 0
// (add-2008-s, madd-2008-s, dbl-2008-s-1).
#pragma once

#include "field.hpp"
#include "fp2.hpp"
#include "platform.hpp"

namespace zkrun {

// Infinity is x = y = 0, which is on no curve with b != 0.
template <class F>
struct Affine {
  F x, y;

  ZK_HD static ZK_INLINE Affine infinity() { return {F::zero(), F::zero()}; }
  ZK_HD ZK_INLINE bool is_infinity() const { return x.is_zero() && y.is_zero(); }
  ZK_HD ZK_INLINE bool operator==(const Affine& other) const {
    return x == other.x && y == other.y;
  }
  ZK_HD ZK_INLINE Affine operator-() const { return {x, -y}; }
};

// The affine point (x / zz, y / zzz) where zz^3 = zzz^2; infinity is zz = zzz = 0.
template <class F>
struct Xyzz {
  F x, y, zz, zzz;

  ZK_HD static ZK_INLINE Xyzz infinity() {
    return {F::zero(), F::zero(), F::zero(), F::zero()};
  }
  ZK_HD ZK_INLINE bool is_infinity() const { return zz.is_zero(); }

  ZK_HD static Xyzz from_affine(const Affine<F>& point) {
    if (point.is_infinity()) return infinity();
    return {point.x, point.y, F::one(), F::one()};
  }
  // One inversion: 1 / zz = (zz / zzz)^2.
  ZK_HD Affine<F> to_affine() const {
    if (is_infinity()) return Affine<F>::infinity();
    const F inverse_zzz = zzz.inverse();
    const F inverse_zz = (zz * inverse_zzz).square();
    return {x * inverse_zz, y * inverse_zzz};
  }

  ZK_HD Xyzz dbl() const {
    // 2 (x, 0) is infinity; with y = 0 the formulas give zz = 0, which says so too.
    const F u = y.dbl();
    const F v = u.square();
    const F w = u * v;
    const F s = x * v;
    const F x_squared = x.square();
    const F m = x_squared.dbl() + x_squared;
    const F x3 = m.square() - s.dbl();
    return {x3, F::difference_of_products(m, s - x3, w, y), v * zz, w * zzz};
  }

  ZK_HD friend Xyzz operator+(const Xyzz& a, const Xyzz& b) {
    if (a.is_infinity()) return b;
    if (b.is_infinity()) return a;
    const F u1 = a.x * b.zz;
    const F s1 = a.y * b.zzz;
    const F p = b.x * a.zz - u1;
    const F r = b.y * a.zzz - s1;
    if (p.is_zero()) return r.is_zero() ? a.dbl() : infinity();
    const F pp = p.square();
    const F ppp = p * pp;
    const F q = u1 * pp;
    const F x3 = r.square() - ppp - q.dbl();
    const F y3 = F::difference_of_products(r, q - x3, s1, ppp);
    return {x3, y3, a.zz * b.zz * pp, a.zzz * b.zzz * ppp};
  }

  ZK_HD friend Xyzz operator+(const Xyzz& a, const Affine<F>& b) {
    if (b.is_infinity()) return a;
    if (a.is_infinity()) return from_affine(b);
    const F p = b.x * a.zz - a.x;
    const F r = b.y * a.zzz - a.y;
    if (p.is_zero()) return r.is_zero() ? a.dbl() : infinity();
    const F pp = p.square();
    const F ppp = p * pp;
    const F q = a.x * pp;
    const F x3 = r.square() - ppp - q.dbl();
    return {x3, F::difference_of_products(r, q - x3, a.y, ppp), a.zz * pp, a.zzz * ppp};
  }

  // Whether both are the same point, whatever their coordinates.
  ZK_HD bool same_point(const Affine<F>& b) const {
    if (is_infinity() || b.is_infinity()) return is_infinity() && b.is_infinity();
    return x == b.x * zz && y == b.y * zzz;
  }
};

// multiplier * point, for a little-endian integer of any number of limbs (not reduced) and an
// affine or extended Jacobian point.
template <template <class> class Point, class F>
ZK_HD Xyzz<F> scale(const Point<F>& point, const uint64_t* multiplier, int limbs) {
  Xyzz<F> result = Xyzz<F>::infinity();
  ZK_NO_UNROLL
  for (int i = 64 * limbs - 1; i >= 0; i--) {
    result = result.dbl();
    if (multiplier[i / 64] >> (i % 64) & 1) result = result + point;
  }
  return result;
}

// What differs between the two groups of a curve: the field of the coordinates, b, and the
// endomorphism (x, y) -> (beta x, y), which is multiplication by Curve::lambda(). On G2 that takes
// the other cube root of one, beta^2, with the records of curves.py.
template <class C>
struct G1 {
  using Curve = C;
  using BaseField = Fp<typename C::BaseField>;
  using Field = BaseField;
  ZK_HD static Field b() { return BaseField::constant(C::b()); }
  ZK_HD static BaseField beta() { return BaseField::constant(C::beta()); }
};

template <class C>
struct G2 {
  using Curve = C;
  using BaseField = Fp<typename C::BaseField>;
  using Field = Fp2<BaseField>;
  ZK_HD static Field b() {
    return {BaseField::constant(C::b2_c0()), BaseField::constant(C::b2_c1())};
  }
  ZK_HD static BaseField beta() { return BaseField::constant(C::beta()).square(); }
};

// y^2 = x^3 + b, or infinity.
template <class Group>
ZK_HD bool is_on_curve(const Affine<typename Group::Field>& point) {
  return point.is_infinity() || point.y.square() == point.x.square() * point.x + Group::b();
}

}  // namespace zkrun
