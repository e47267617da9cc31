// Eight neighbouring columns of a transform, as eight scalar field elements (see ntt_column.hpp).
//
// Values are always fully reduced, so nothing here depends on how many layers a transform has.
#pragma once

#include <cstddef>
#include <utility>

#include "field.hpp"

namespace zkrun {

template <class P>
struct ScalarLanes {
  using F = Fp<P>;
  static constexpr int max_log_size = P::two_adicity;
  // Elements of a block of a transform that stays in the first-level cache (16 KiB).
  static constexpr size_t block = 64;

  struct alignas(64) Vector {
    F lane[8];
  };
  using Constant = F;
  // What multiplies in a butterfly of four: see radix4.
  struct Twiddles {
    Constant inner, outer, outer_turned;
  };

  static Constant constant(const F& value) { return value; }
  static Vector load(const F* source) {
    Vector result;
    for (int i = 0; i < 8; i++) result.lane[i] = source[i];
    return result;
  }
  static void store(F* target, const Vector& a) {
    for (int i = 0; i < 8; i++) target[i] = a.lane[i];
  }
  static void prefetch(const F* source) {
    for (int line = 0; line < 4; line++) __builtin_prefetch(source + 2 * line);
  }
  static Vector factors(const F* values) { return load(values); }
  static Vector broadcast_factor(const F& value) {
    Vector result;
    for (int i = 0; i < 8; i++) result.lane[i] = value;
    return result;
  }
  static Vector multiply(const Vector& a, const Vector& b) {
    Vector result;
    for (int i = 0; i < 8; i++) result.lane[i] = a.lane[i] * b.lane[i];
    return result;
  }
  static Vector scale(const Vector& a, const Constant& b) {
    Vector result;
    for (int i = 0; i < 8; i++) result.lane[i] = a.lane[i] * b;
    return result;
  }
  static void transpose(Vector* a) {
    for (int i = 0; i < 8; i++) {
      for (int j = 0; j < i; j++) std::swap(a[i].lane[j], a[j].lane[i]);
    }
  }

  static void radix2(Vector& a0, Vector& a1) {
    for (int i = 0; i < 8; i++) butterfly(a0.lane[i], a1.lane[i]);
  }
  static void radix2(Vector& a0, Vector& a1, const Constant& twiddle) {
    for (int i = 0; i < 8; i++) {
      a1.lane[i] *= twiddle;
      butterfly(a0.lane[i], a1.lane[i]);
    }
  }
  static void radix4(Vector& a0, Vector& a1, Vector& a2, Vector& a3, const Constant& fourth_root) {
    for (int i = 0; i < 8; i++) {
      butterfly(a0.lane[i], a1.lane[i]);
      butterfly(a2.lane[i], a3.lane[i]);
      a3.lane[i] *= fourth_root;
      butterfly(a0.lane[i], a2.lane[i]);
      butterfly(a1.lane[i], a3.lane[i]);
    }
  }
  template <bool multiplicand>
  static void radix4(Vector& a0, Vector& a1, Vector& a2, Vector& a3, const Twiddles& w) {
    for (int i = 0; i < 8; i++) {
      F b0 = a0.lane[i], b1 = a1.lane[i] * w.inner;
      F b2 = a2.lane[i], b3 = a3.lane[i] * w.inner;
      butterfly(b0, b1);
      butterfly(b2, b3);
      b2 *= w.outer;
      b3 *= w.outer_turned;
      butterfly(b0, b2);
      butterfly(b1, b3);
      a0.lane[i] = b0;
      a1.lane[i] = b1;
      a2.lane[i] = b2;
      a3.lane[i] = b3;
    }
  }
  static const Vector& settled(const Vector& a) { return a; }
  template <bool multiplicand>
  static void settle(Vector&) {}

 private:
  static void butterfly(F& a, F& b) {
    const F difference = a - b;
    a += b;
    b = difference;
  }
};

}  // namespace zkrun
