// Whether points of the curve are in the subgroup of prime order r.
#pragma once

#include "group.hpp"

namespace zkrun {

namespace detail {

// psi(x, y) = (psi_x conj(x), psi_y conj(y)): untwist, Frobenius, twist. On all of the twist,
// psi^2 - t psi + q = 0 with t the trace of Frobenius on the curve over Fq.
template <class Curve>
Affine<typename G2<Curve>::Field> twisted_frobenius(
    const Affine<typename G2<Curve>::Field>& point) {
  using Base = typename G2<Curve>::BaseField;
  const typename G2<Curve>::Field psi_x{Base::constant(Curve::psi_x_c0()),
                                        Base::constant(Curve::psi_x_c1())};
  const typename G2<Curve>::Field psi_y{Base::constant(Curve::psi_y_c0()),
                                        Base::constant(Curve::psi_y_c1())};
  if (point.is_infinity()) return point;
  return {point.x.conjugate() * psi_x, point.y.conjugate() * psi_y};
}

}  // namespace detail

// Of a point of the curve: r P = infinity, which the definitions below replace by faster tests.
template <class Group>
struct Subgroup {
  static bool contains(const Affine<typename Group::Field>& point) {
    const auto order = Group::Curve::ScalarField::modulus();
    return scale(point, order.limb, Group::Curve::ScalarField::N).is_infinity();
  }
};

// The cofactor is 1.
template <>
struct Subgroup<G1<Bn254>> {
  static bool contains(const Affine<G1<Bn254>::Field>&) { return true; }
};

// phi(P) = lambda P, for phi(x, y) = (beta x, y) and lambda = x^2 - 1 (Scott, eprint 2021/1130).
// phi^2 + phi + 1 = 0 on the curve, so such a P is killed by lambda^2 + lambda + 1 = x^4 - x^2 + 1,
// which is r. On the subgroup it holds by the choice of beta.
template <>
struct Subgroup<G1<Bls12381>> {
  static bool contains(const Affine<G1<Bls12381>::Field>& point) {
    const uint64_t x = Bls12381::x_magnitude;
    const auto x_squared_times = scale(scale(point, &x, 1), &x, 1);
    const Affine<G1<Bls12381>::Field> phi{point.x * G1<Bls12381>::beta(), point.y};
    return (x_squared_times + -point).same_point(phi);
  }
};

// psi(P) = (t - 1) P, where t - 1 = 6 x^2. Then ((t - 1)^2 - t (t - 1) + q) P = infinity, and
// that number is q + 1 - t = r. On the subgroup it holds as psi is multiplication by q there, and
// q = t - 1 mod r.
template <>
struct Subgroup<G2<Bn254>> {
  static bool contains(const Affine<G2<Bn254>::Field>& point) {
    const uint64_t x = Bn254::x_magnitude;
    const uint64_t six = 6;
    const auto multiple = scale(scale(scale(point, &x, 1), &x, 1), &six, 1);
    return multiple.same_point(detail::twisted_frobenius<Bn254>(point));
  }
};

// psi(P) = (t - 1) P, where t - 1 = x < 0 (Scott, eprint 2021/1130). As above, q + 1 - t kills P:
// here that is the order of the curve over Fq, h1 r. So does h2 r, the order of the twist, and h1
// and h2 have no common divisor, so r does. On the subgroup it holds as above.
template <>
struct Subgroup<G2<Bls12381>> {
  static bool contains(const Affine<G2<Bls12381>::Field>& point) {
    const uint64_t x = Bls12381::x_magnitude;
    return scale(point, &x, 1).same_point(-detail::twisted_frobenius<Bls12381>(point));
  }
};

}  // namespace zkrun
