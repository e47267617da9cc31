// Products of many elements with one factor, for three quarters of the multiplications.
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

// x += the products of a[i] with b[start] and what follows, of a product a b in words: those with
// i + j even, or odd, from column `first` on and up to the word `end`. What is carried is left to
// whoever comes next.
template <int n, int first, int end, int start = 0>
__device__ __forceinline__ void add_columns(uint32_t* x, const uint32_t* a, const uint32_t* b,
                                            int i, int parity) {
  bool begun = false;
  ZK_UNROLL
  for (int j = start; j < n; j++) {
    const int column = i + j;
    if (column < first || column >= end || column % 2 != parity) continue;
    x[column] = begun ? madc_lo_cc(a[i], b[j], x[column]) : mad_lo_cc(a[i], b[j], x[column]);
    if (column + 1 < end) x[column + 1] = madc_hi_cc(a[i], b[j], x[column + 1]);
    begun = true;
  }
}

}  // namespace ptx

template <class P>
struct FixedFactor {
  static constexpr int n = 2 * P::N;
  uint32_t integer[n], quotient[n];

  __device__ __forceinline__ FixedFactor() {}
  __device__ __forceinline__ explicit FixedFactor(const Fp<P>& factor) {
    uint32_t image[n];
    ptx::to_words<P::N>(image, factor.limb);
    // What makes the image divisible by R is a multiple m of p: image + m p = w R, so m is v.
    divide_by_radix<P>(integer, quotient, image);
  }

  __device__ __forceinline__ Fp<P> operator*(const Fp<P>& element) const {
    uint32_t x[n];
    ptx::to_words<P::N>(x, element.limb);
    multiply(x, x);
    ptx::reduce<P, 1>(x);
    Fp<P> result;
    ptx::to_limbs<P::N>(result.limb, x);
    return result;
  }

  // result = x w mod p, and perhaps p more, for any x up to R - R / 2^29; below
  // (1 + x / R + 2^-29) p.
  __device__ __forceinline__ void multiply(uint32_t* result, const uint32_t* x) const {
    // Columns below n - 2 are left out: q is less by 2^-29 at most before it is rounded down.
    uint32_t q[n], even[2 * n] = {}, odd[2 * n] = {};
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      uint32_t* const last = (i + n - 1) % 2 == 0 ? even : odd;  // has the row's last column
      uint32_t* const other = (i + n - 1) % 2 == 0 ? odd : even;
      ptx::add_columns<n, n - 2, 2 * n>(last, x, quotient, i, (i + n - 1) % 2);
      ptx::add_columns<n, n - 2, 2 * n>(other, x, quotient, i, (i + n) % 2);
      // Nothing was in the last column before: its upper word has room for what others carry.
      last[i + n] = ptx::addc(last[i + n], 0);
    }
    ptx::add_cc(even[n - 1], odd[n - 1]);
    ZK_UNROLL
    for (int j = 0; j < n - 1; j++) q[j] = ptx::addc_cc(even[n + j], odd[n + j]);
    q[n - 1] = ptx::addc(even[2 * n - 1], odd[2 * n - 1]);

    uint32_t lower_even[n], lower_odd[n] = {};
    multiply_by_negative_modulus(lower_even, lower_odd, q);
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      ptx::add_columns<n, 0, n>(lower_even, x, integer, i, 0);
      ptx::add_columns<n, 0, n>(lower_odd, x, integer, i, 1);
    }
    result[0] = lower_even[0];
    result[1] = ptx::add_cc(lower_even[1], lower_odd[1]);
    ZK_UNROLL
    for (int j = 2; j < n - 1; j++) result[j] = ptx::addc_cc(lower_even[j], lower_odd[j]);
    result[n - 1] = ptx::addc(lower_even[n - 1], lower_odd[n - 1]);
  }

 private:
  // even + odd = q (R - p) mod R. A field with a root of unity of order 2^s has p = 1 mod 2^s, and
  // where the lowest word of R - p is but 2^s - 1, its products are a shift and a subtraction; a
  // second word of 0 has none.
  static __device__ __forceinline__ void multiply_by_negative_modulus(uint32_t* even, uint32_t* odd,
                                                                      const uint32_t* q) {
    constexpr uint32_t lowest = -static_cast<uint32_t>(P::modulus()[0]);
    constexpr int s = P::two_adicity <= 32 ? P::two_adicity : 32;
    constexpr bool shifts = lowest == ~uint32_t{0} >> (32 - s);
    constexpr bool skips = static_cast<uint32_t>(P::modulus()[0] >> 32) == ~uint32_t{0};
    constexpr int start = !shifts ? 0 : skips ? 2 : 1;
    uint32_t m[n];
    const Limbs<P::N> modulus = P::modulus();
    ptx::to_words<P::N>(m, modulus.limb);
    m[0] = -m[0];  // R - p, as p is odd
    ZK_UNROLL
    for (int j = 1; j < n; j++) m[j] = ~m[j];

    if (shifts) {
      ZK_UNROLL
      for (int j = 0; j < n; j++) {
        const uint32_t below = j > 0 ? q[j - 1] : 0;
        const uint32_t shifted = s == 32 ? below : __funnelshift_l(below, q[j], s);
        even[j] = j == 0       ? ptx::sub_cc(shifted, q[j])
                  : j == n - 1 ? ptx::subc(shifted, q[j])
                               : ptx::subc_cc(shifted, q[j]);
      }
    } else {
      ZK_UNROLL
      for (int j = 0; j < n; j++) even[j] = 0;
    }
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      ptx::add_columns<n, 0, n, start>(even, q, m, i, 0);
      ptx::add_columns<n, 0, n, start>(odd, q, m, i, 1);
    }
  }
};

// A table of `count` factors is four arrays of 16 bytes each, so that neighbouring threads load
// what lies together: the integers' lower and upper halves, then the quotients'. So a factor by
// itself, as those are that no neighbours load together, is a table of one.
template <class P>
__device__ __forceinline__ FixedFactor<P> load_factor(const ulonglong2* table, uint64_t count,
                                                      uint64_t i) {
  static_assert(P::N == 4);
  FixedFactor<P> factor;
  ZK_UNROLL
  for (int half = 0; half < 4; half++) {
    const ulonglong2 limbs = __ldg(table + half * count + i);
    uint32_t* const words = half < 2 ? factor.integer : factor.quotient;
    ptx::to_words<2>(words + half % 2 * 4, reinterpret_cast<const uint64_t*>(&limbs));
  }
  return factor;
}

template <class P>
__device__ __forceinline__ void store_factor(ulonglong2* table, uint64_t count, uint64_t i,
                                             const FixedFactor<P>& factor) {
  static_assert(P::N == 4);
  ZK_UNROLL
  for (int half = 0; half < 4; half++) {
    uint64_t limbs[2];
    ptx::to_limbs<2>(limbs, (half < 2 ? factor.integer : factor.quotient) + half % 2 * 4);
    table[half * count + i] = make_ulonglong2(limbs[0], limbs[1]);
  }
}

}  // namespace zkrun
