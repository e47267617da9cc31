// Products of many elements with one factor, for four fifths of the multiplications.
//
// With w the factor's integer and v = floor(w R / p), which is known beforehand, q = floor(x v / R)
// is x w / p, or at most one below it, so that x w - q p, of which only the lower half is needed,
// is the product up to one more p (V. Shoup's, known from NTL; D. Harvey, "Faster arithmetic for
// number-theoretic transforms", 2014). The image of x in memory, x R mod p, gives the image of the
// product: nothing else is in Montgomery form.
#pragma once

#include "field.hpp"

namespace zkrun {

namespace ptx {

// The columns of a product a b in words, each the products a[i] b[j] of one i + j, from column
// `first` on and up to the word `end`: those of even columns and those of odd ones. A row adds the
// products of one a[i].
template <int n, int first, int end>
__device__ __forceinline__ void add_columns(uint32_t* x, const uint32_t* a, const uint32_t* b,
                                            int i, int parity) {
  bool begun = false;
  int place = 0;
  ZK_UNROLL
  for (int j = 0; j < n; j++) {
    const int column = i + j;
    if (column < first || column >= end || column % 2 != parity) continue;
    x[column] = begun ? madc_lo_cc(a[i], b[j], x[column]) : mad_lo_cc(a[i], b[j], x[column]);
    if (column + 1 < end) x[column + 1] = madc_hi_cc(a[i], b[j], x[column + 1]);
    begun = true;
    place = column + 2;
  }
  if (begun && place < end) x[place] = addc(x[place], 0);
}

}  // namespace ptx

template <class P>
struct FixedFactor {
  static constexpr int n = 2 * P::N;
  uint32_t integer[n], quotient[n];

  __device__ __forceinline__ explicit FixedFactor(const Fp<P>& factor) {
    uint32_t image[n];
    ptx::to_words<P::N>(image, factor.limb);
    // What makes the image divisible by R is a multiple m of p: image + m p = w R, so m is v.
    divide_by_radix<P>(integer, quotient, image);
  }

  __device__ __forceinline__ Fp<P> operator*(const Fp<P>& element) const {
    uint32_t x[n], q[n], p[n];
    ptx::to_words<P::N>(x, element.limb);
    // Columns below n - 2 are left out: q is less by 2^-29 at most before it is rounded down, and
    // the result below (1 + p / R + 2^-29) p.
    uint32_t even[2 * n] = {}, odd[2 * n] = {};
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      ptx::add_columns<n, n - 2, 2 * n>(even, x, quotient, i, 0);
      ptx::add_columns<n, n - 2, 2 * n>(odd, x, quotient, i, 1);
    }
    ptx::add_cc(even[n - 1], odd[n - 1]);
    ZK_UNROLL
    for (int j = 0; j < n - 1; j++) q[j] = ptx::addc_cc(even[n + j], odd[n + j]);
    q[n - 1] = ptx::addc(even[2 * n - 1], odd[2 * n - 1]);

    const Limbs<P::N> modulus = P::modulus();
    ptx::to_words<P::N>(p, modulus.limb);
    p[0] = -p[0];  // R - p, as p is odd
    ZK_UNROLL
    for (int j = 1; j < n; j++) p[j] = ~p[j];
    uint32_t lower_even[n] = {}, lower_odd[n] = {};
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      ptx::add_columns<n, 0, n>(lower_even, x, integer, i, 0);
      ptx::add_columns<n, 0, n>(lower_odd, x, integer, i, 1);
    }
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      ptx::add_columns<n, 0, n>(lower_even, q, p, i, 0);
      ptx::add_columns<n, 0, n>(lower_odd, q, p, i, 1);
    }
    uint32_t r[n];
    r[0] = lower_even[0];
    r[1] = ptx::add_cc(lower_even[1], lower_odd[1]);
    ZK_UNROLL
    for (int j = 2; j < n - 1; j++) r[j] = ptx::addc_cc(lower_even[j], lower_odd[j]);
    r[n - 1] = ptx::addc(lower_even[n - 1], lower_odd[n - 1]);
    ptx::reduce<P, 1>(r);
    Fp<P> result;
    ptx::to_limbs<P::N>(result.limb, r);
    return result;
  }
};

}  // namespace zkrun
