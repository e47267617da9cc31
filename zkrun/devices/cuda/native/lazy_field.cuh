// Additions and subtractions of elements that need not be fully reduced: those of transforms, whose
// products are by fixed factors and below 2p as they come (D. Harvey, "Faster arithmetic for
// number-theoretic transforms", 2014).
//
// What only multiplications take may be larger still: "wide", below 4p where that is below R, and
// below 2p otherwise.
#pragma once

#include "field.hpp"

namespace zkrun {

namespace ptx {

// x += m if the mask, 0 or ~0, is not 0.
template <int n>
__device__ __forceinline__ void add_if(uint32_t* x, const uint32_t* m, uint32_t mask) {
  static_assert(n == 8);
  asm volatile(
      "{\n .reg .pred p;\n setp.ne.u32 p, %16, 0;\n"
      " @p add.cc.u32 %0, %0, %8;\n @p addc.cc.u32 %1, %1, %9;\n"
      " @p addc.cc.u32 %2, %2, %10;\n @p addc.cc.u32 %3, %3, %11;\n"
      " @p addc.cc.u32 %4, %4, %12;\n @p addc.cc.u32 %5, %5, %13;\n"
      " @p addc.cc.u32 %6, %6, %14;\n @p addc.u32 %7, %7, %15;\n}"
      : "+r"(x[0]), "+r"(x[1]), "+r"(x[2]), "+r"(x[3]), "+r"(x[4]), "+r"(x[5]), "+r"(x[6]),
        "+r"(x[7])
      : "r"(m[0]), "r"(m[1]), "r"(m[2]), "r"(m[3]), "r"(m[4]), "r"(m[5]), "r"(m[6]), "r"(m[7]),
        "r"(mask));
}

// x - y, where x has a word `high` above it. Returns what is left there: ~0 if x < y.
template <int n>
__device__ __forceinline__ uint32_t subtract(uint32_t* difference, const uint32_t* x,
                                             const uint32_t* y, uint32_t high = 0) {
  difference[0] = sub_cc(x[0], y[0]);
  ZK_UNROLL
  for (int j = 1; j < n; j++) difference[j] = subc_cc(x[j], y[j]);
  return subc(high, 0);
}

// x + y, and what is carried out of it where that is asked for.
template <int n, bool carries>
__device__ __forceinline__ uint32_t add(uint32_t* sum, const uint32_t* x, const uint32_t* y) {
  sum[0] = add_cc(x[0], y[0]);
  ZK_UNROLL
  for (int j = 1; j < n - 1; j++) sum[j] = addc_cc(x[j], y[j]);
  if (!carries) {
    sum[n - 1] = addc(x[n - 1], y[n - 1]);
    return 0;
  }
  sum[n - 1] = addc_cc(x[n - 1], y[n - 1]);
  return addc(0, 0);
}

}  // namespace ptx

template <class P>
struct LazyField {
  static constexpr int n = 2 * P::N;
  static constexpr bool roomy = P::bits <= 64 * P::N - 2;  // 4p < R
  struct Element {
    uint32_t word[n];
  };

  static __device__ __forceinline__ Element from(const Fp<P>& limbs) {
    Element x;
    ptx::to_words<P::N>(x.word, limbs.limb);
    return x;
  }
  // The limbs as they are.
  static __device__ __forceinline__ Fp<P> limbs(const Element& x) {
    Fp<P> result;
    ptx::to_limbs<P::N>(result.limb, x.word);
    return result;
  }

  // x <- x + y, y <- x - y. Both are below 2p; the sum is again, and the difference, or is wide.
  template <bool wide_difference>
  static __device__ __forceinline__ void butterfly(Element& x, Element& y) {
    Element twice, sum, difference;
    ptx::modulus_words<P, 2>(twice.word);
    const uint32_t carry = ptx::add<n, !roomy>(sum.word, x.word, y.word);
    const uint32_t negative = ptx::subtract<n>(difference.word, x.word, y.word);
    if (wide_difference && roomy) {
      ptx::add<n, false>(difference.word, difference.word, twice.word);
    } else {
      ptx::add_if<n>(difference.word, twice.word, negative);
    }
    const uint32_t below = ptx::subtract<n>(x.word, sum.word, twice.word, carry);
    ZK_UNROLL
    for (int j = 0; j < n; j++) x.word[j] = below ? sum.word[j] : x.word[j];
    y = difference;
  }

  // The same with both wide.
  static __device__ __forceinline__ void wide_butterfly(Element& x, Element& y) {
    if (!roomy) return butterfly<false>(x, y);
    Element twice, sum;
    ptx::modulus_words<P, 2>(twice.word);
    ptx::add<n, false>(sum.word, x.word, y.word);
    ptx::subtract<n>(y.word, x.word, y.word);
    ptx::add<n, false>(y.word, y.word, twice.word);
    x = sum;
  }

  // From wide to below 2p, and to below p.
  static __device__ __forceinline__ void narrow(Element& x) {
    if (roomy) ptx::reduce<P, 2>(x.word);
  }
  static __device__ __forceinline__ void reduce(Element& x) {
    narrow(x);
    ptx::reduce<P, 1>(x.word);
  }
};

}  // namespace zkrun
