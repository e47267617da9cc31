// Prime field arithmetic on CUDA devices, in 32-bit words with the carry flag of PTX.
//
// The products of an accumulator's even words with a factor, low half and high half, lie side by
// side, and so do those of its odd words. Kept in two arrays, `even` (word j has weight 2^(32 j))
// and `odd` (weight 2^(32 (j + 1))), each row of products is one carry chain of wide
// multiply-adds, IMAD.WIDE.U32.X, with nothing in between. (The arrangement is known from sppark
// and from the ZPrize entries of 2022.)
//
// The carry flag lives from one asm statement to the next. They are volatile, hence stay in order,
// and nothing that a compiler puts between them touches the flag.
#pragma once

#include "platform.hpp"

#if defined(__CUDACC__)

namespace zkrun {

namespace ptx {

#define ZK_DEVICE __device__ __forceinline__

#define ZK_TWO_WORDS(name, instruction)                                              \
  ZK_DEVICE uint32_t name(uint32_t a, uint32_t b) {                                  \
    uint32_t r;                                                                      \
    asm volatile(instruction " %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));             \
    return r;                                                                        \
  }
#define ZK_THREE_WORDS(name, instruction)                                            \
  ZK_DEVICE uint32_t name(uint32_t a, uint32_t b, uint32_t c) {                      \
    uint32_t r;                                                                      \
    asm volatile(instruction " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); \
    return r;                                                                        \
  }

// a + b or a - b, with the carry in where the name has a c, and the carry out where it ends so.
ZK_TWO_WORDS(add_cc, "add.cc.u32")
ZK_TWO_WORDS(addc_cc, "addc.cc.u32")
ZK_TWO_WORDS(addc, "addc.u32")
ZK_TWO_WORDS(sub_cc, "sub.cc.u32")
ZK_TWO_WORDS(subc_cc, "subc.cc.u32")
ZK_TWO_WORDS(subc, "subc.u32")
// The low or high half of a b, plus c, likewise.
ZK_THREE_WORDS(mad_lo_cc, "mad.lo.cc.u32")
ZK_THREE_WORDS(madc_lo_cc, "madc.lo.cc.u32")
ZK_THREE_WORDS(madc_hi_cc, "madc.hi.cc.u32")

#undef ZK_TWO_WORDS
#undef ZK_THREE_WORDS

// N limbs as 2 N words.
template <int N>
ZK_DEVICE void to_words(uint32_t* words, const uint64_t* limbs) {
  ZK_UNROLL
  for (int i = 0; i < N; i++) {
    words[2 * i] = static_cast<uint32_t>(limbs[i]);
    words[2 * i + 1] = static_cast<uint32_t>(limbs[i] >> 32);
  }
}
template <int N>
ZK_DEVICE void to_limbs(uint64_t* limbs, const uint32_t* words) {
  ZK_UNROLL
  for (int i = 0; i < N; i++) {
    limbs[i] = words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32;
  }
}

// x = products of the even words of a with b. With a + 1 for a: of its odd words.
template <int n>
ZK_DEVICE void set_row(uint32_t* x, const uint32_t* a, uint32_t b) {
  ZK_UNROLL
  for (int j = 0; j < n; j += 2) {
    const uint64_t product = static_cast<uint64_t>(a[j]) * b;
    x[j] = static_cast<uint32_t>(product);
    x[j + 1] = static_cast<uint32_t>(product >> 32);
  }
}

// The same added to x. The carry flag is left to whoever comes next.
template <int n>
ZK_DEVICE void add_row(uint32_t* x, const uint32_t* a, uint32_t b) {
  x[0] = mad_lo_cc(a[0], b, x[0]);
  x[1] = madc_hi_cc(a[0], b, x[1]);
  ZK_UNROLL
  for (int j = 2; j < n; j += 2) {
    x[j] = madc_lo_cc(a[j], b, x[j]);
    x[j + 1] = madc_hi_cc(a[j], b, x[j + 1]);
  }
}

// The same added to x / 2^64, with the carry flag added in.
template <int n>
ZK_DEVICE void add_row_shifted(uint32_t* x, const uint32_t* a, uint32_t b) {
  ZK_UNROLL
  for (int j = 0; j < n - 2; j += 2) {
    x[j] = madc_lo_cc(a[j], b, x[j + 2]);
    x[j + 1] = madc_hi_cc(a[j], b, x[j + 3]);
  }
  x[n - 2] = madc_lo_cc(a[n - 2], b, 0);
  x[n - 1] = madc_hi_cc(a[n - 2], b, 0);
}

// even + 2^32 odd += a b. What the caller knows of its bounds must keep the sum below
// 2^(32 (n + 1)), so that nothing is carried out of `odd`.
template <int n>
ZK_DEVICE void add_product(uint32_t* even, uint32_t* odd, const uint32_t* a, uint32_t b) {
  add_row<n>(odd, a + 1, b);
  add_row<n>(even, a, b);
  odd[n - 1] = addc(odd[n - 1], 0);
}

// Divides even + 2^32 odd, of which even[0] = 0, by 2^32 and adds a b. The arrays change roles:
// the caller's next `even` is this `odd`.
template <int n>
ZK_DEVICE void shift_and_add_product(uint32_t* even, uint32_t* odd, const uint32_t* a,
                                     uint32_t b) {
  odd[0] = add_cc(odd[0], even[1]);
  add_row_shifted<n>(even, a + 1, b);
  add_row<n>(odd, a, b);
  even[n - 1] = addc(even[n - 1], 0);
}

// x = even / 2^32 + odd, of which even[0] = 0.
template <int n>
ZK_DEVICE void merge(uint32_t* x, const uint32_t* even, const uint32_t* odd) {
  x[0] = add_cc(even[1], odd[0]);
  ZK_UNROLL
  for (int j = 1; j < n - 1; j++) x[j] = addc_cc(even[j + 1], odd[j]);
  x[n - 1] = addc(odd[n - 1], 0);
}

// multiple * p in words, for a multiple of 1 or 2.
template <class P, int multiple>
ZK_DEVICE void modulus_words(uint32_t* p) {
  const Limbs<P::N> modulus = P::modulus();
  to_words<P::N>(p, modulus.limb);
  if (multiple == 2) {
    ZK_UNROLL
    for (int j = 2 * P::N - 1; j > 0; j--) p[j] = p[j] << 1 | p[j - 1] >> 31;
    p[0] <<= 1;
  }
}

// From [0, 2 m) to [0, m) for m = multiple * p. Nothing for a multiple of 0.
template <class P, int multiple>
ZK_DEVICE void reduce(uint32_t* x) {
  if (multiple == 0) return;
  constexpr int n = 2 * P::N;
  uint32_t m[n], difference[n];
  modulus_words<P, multiple>(m);
  difference[0] = sub_cc(x[0], m[0]);
  ZK_UNROLL
  for (int j = 1; j < n; j++) difference[j] = subc_cc(x[j], m[j]);
  const bool below = subc(0, 0) != 0;
  ZK_UNROLL
  for (int j = 0; j < n; j++) x[j] = below ? x[j] : difference[j];
}

}  // namespace ptx

// -1 / p mod 2^32, from constant memory: as an immediate, 0xffffffff would turn half of the
// multiplications by it into subtractions, which break the chains.
template <class P>
__constant__ uint32_t negative_inverse32 = static_cast<uint32_t>(P::negative_inverse);

// result = (a b + c d) / R mod p, or a b / R mod p with `two` false, for factors below
// `factors` p (1 or 2), reduced once by `multiple` p.
//
// Each round adds b[i] a (+ d[i] c) + m p to t and divides by 2^32. Before a round t is below
// a (+ c) + p, so that the sum stays below 2^(32 (n + 1)) as long as that bound is at most
// 2^(32 n). The result, before it is reduced, is below (ab + cd) / R + p.
template <class P, bool two, int factors, int multiple>
ZK_DEVICE void multiply_words(uint32_t* result, const uint32_t* a, const uint32_t* b,
                              const uint32_t* c, const uint32_t* d) {
  constexpr int n = 2 * P::N;
  static_assert(P::modulus()[P::N - 1] < ~uint64_t{0} / ((two ? 2 : 1) * factors + 1),
                "no room for the carries");
  uint32_t p[n], even[n], odd[n];
  const Limbs<P::N> modulus = P::modulus();
  ptx::to_words<P::N>(p, modulus.limb);
  const uint32_t inverse = negative_inverse32<P>;
  ZK_UNROLL
  for (int i = 0; i < n; i++) {
    uint32_t* const e = i % 2 ? odd : even;
    uint32_t* const o = i % 2 ? even : odd;
    if (i == 0) {
      ptx::set_row<n>(e, a, b[0]);
      ptx::set_row<n>(o, a + 1, b[0]);
    } else {
      ptx::shift_and_add_product<n>(o, e, a, b[i]);
    }
    if (two) ptx::add_product<n>(e, o, c, d[i]);
    ptx::add_product<n>(e, o, p, e[0] * inverse);
  }
  ptx::merge<n>(result, odd, even);
  ptx::reduce<P, multiple>(result);
}

namespace ptx {

// x += the products of a[i] with a[first], a[first + 2], ..., the first of them at `place`.
template <int n>
ZK_DEVICE void add_square_row(uint32_t* x, const uint32_t* a, int i, int first, int place) {
  if (first >= n) return;
  x[place] = mad_lo_cc(a[i], a[first], x[place]);
  x[place + 1] = madc_hi_cc(a[i], a[first], x[place + 1]);
  place += 2;
  ZK_UNROLL
  for (int j = first + 2; j < n; j += 2) {
    x[place] = madc_lo_cc(a[i], a[j], x[place]);
    x[place + 1] = madc_hi_cc(a[i], a[j], x[place + 1]);
    place += 2;
  }
  if (place < 2 * n) x[place] = addc(x[place], 0);
}

// t = a^2, of 2 n words: products a[i] a[j] with i < j, doubled, and the squares a[i]^2.
template <int n>
ZK_DEVICE void square_words(uint32_t* t, const uint32_t* a) {
  // Products with i + j even, and those with i + j odd: odd[k] has weight 2^(32 (k + 1)).
  uint32_t even[2 * n] = {}, odd[2 * n] = {};
  ZK_UNROLL
  for (int i = 0; i < n - 1; i++) {
    add_square_row<n>(odd, a, i, i + 1, 2 * i);
    add_square_row<n>(even, a, i, i + 2, 2 * i + 2);
  }
  // t = even + 2^32 odd, twice.
  t[0] = 0;
  t[1] = odd[0];
  t[2] = add_cc(even[2], odd[1]);
  ZK_UNROLL
  for (int k = 3; k < 2 * n - 1; k++) t[k] = addc_cc(even[k], odd[k - 1]);
  t[2 * n - 1] = addc(even[2 * n - 1], odd[2 * n - 2]);
  t[1] = add_cc(t[1], t[1]);
  ZK_UNROLL
  for (int k = 2; k < 2 * n - 1; k++) t[k] = addc_cc(t[k], t[k]);
  t[2 * n - 1] = addc(t[2 * n - 1], t[2 * n - 1]);
  t[0] = mad_lo_cc(a[0], a[0], t[0]);
  t[1] = madc_hi_cc(a[0], a[0], t[1]);
  ZK_UNROLL
  for (int i = 1; i < n; i++) {
    t[2 * i] = madc_lo_cc(a[i], a[i], t[2 * i]);
    t[2 * i + 1] = madc_hi_cc(a[i], a[i], t[2 * i + 1]);
  }
}

}  // namespace ptx

// result = (t + m p) / R, at most p, for t of n words and that m below R which makes it whole.
template <class P>
ZK_DEVICE void divide_by_radix(uint32_t* result, uint32_t* multiple, const uint32_t* t) {
  constexpr int n = 2 * P::N;
  uint32_t p[n], even[n], odd[n];
  const Limbs<P::N> modulus = P::modulus();
  ptx::to_words<P::N>(p, modulus.limb);
  const uint32_t inverse = negative_inverse32<P>;
  ZK_UNROLL
  for (int j = 0; j < n; j++) even[j] = t[j];
  ZK_UNROLL
  for (int i = 0; i < n; i++) {
    uint32_t* const e = i % 2 ? odd : even;
    uint32_t* const o = i % 2 ? even : odd;
    uint32_t& m = multiple[i];
    if (i == 0) {
      m = e[0] * inverse;
      ptx::set_row<n>(o, p + 1, m);
      ptx::add_row<n>(e, p, m);
    } else {
      // m must be known before the row that takes the carry of the shift: the carry is found as
      // a word of its own.
      e[0] = ptx::add_cc(e[0], o[1]);
      const uint32_t carry = ptx::addc(0, 0);
      m = e[0] * inverse;
      ptx::add_cc(carry, 0xffffffffu);
      ptx::add_row_shifted<n>(o, p + 1, m);
      ptx::add_row<n>(e, p, m);
    }
    o[n - 1] = ptx::addc(o[n - 1], 0);
  }
  ptx::merge<n>(result, odd, even);
}

// result = t / R mod p, for t of 2 n words, reduced once by `multiple` p: the lower half, divided,
// is at most p, and the upper one, t / R, is added.
template <class P, int multiple>
ZK_DEVICE void reduce_words(uint32_t* result, const uint32_t* t) {
  constexpr int n = 2 * P::N;
  uint32_t m[n];
  divide_by_radix<P>(result, m, t);
  result[0] = ptx::add_cc(result[0], t[n]);
  ZK_UNROLL
  for (int j = 1; j < n - 1; j++) result[j] = ptx::addc_cc(result[j], t[n + j]);
  result[n - 1] = ptx::addc(result[n - 1], t[2 * n - 1]);
  ptx::reduce<P, multiple>(result);
}

// The operations of a field on limbs, for operands and results below `bound` p: 1, or 2, which
// spares the reduction of products where p is so far below R that they are below 2p anyway.
template <class P, int bound = 1>
struct DeviceField {
  static constexpr int n = 2 * P::N;
  using Words = uint32_t[n];

  // Products of factors below 2p are below 4 p^2 / R + p, which is below 2p for p < R / 4.
  static_assert(bound == 1 || P::bits <= 64 * P::N - 2, "products would not be below 2p");
  static constexpr int product_multiple = bound == 1 ? 1 : 0;

  static ZK_DEVICE void add(uint64_t* sum, const uint64_t* a, const uint64_t* b) {
    Words x, y;
    ptx::to_words<P::N>(x, a);
    ptx::to_words<P::N>(y, b);
    x[0] = ptx::add_cc(x[0], y[0]);
    ZK_UNROLL
    for (int j = 1; j < n - 1; j++) x[j] = ptx::addc_cc(x[j], y[j]);
    x[n - 1] = ptx::addc(x[n - 1], y[n - 1]);
    ptx::reduce<P, bound>(x);
    ptx::to_limbs<P::N>(sum, x);
  }

  static ZK_DEVICE void subtract(uint64_t* difference, const uint64_t* a, const uint64_t* b) {
    Words x, y, m;
    ptx::to_words<P::N>(x, a);
    ptx::to_words<P::N>(y, b);
    ptx::modulus_words<P, bound>(m);
    x[0] = ptx::sub_cc(x[0], y[0]);
    ZK_UNROLL
    for (int j = 1; j < n; j++) x[j] = ptx::subc_cc(x[j], y[j]);
    const uint32_t mask = ptx::subc(0, 0);
    x[0] = ptx::add_cc(x[0], m[0] & mask);
    ZK_UNROLL
    for (int j = 1; j < n - 1; j++) x[j] = ptx::addc_cc(x[j], m[j] & mask);
    x[n - 1] = ptx::addc(x[n - 1], m[n - 1] & mask);
    ptx::to_limbs<P::N>(difference, x);
  }

  static ZK_DEVICE void multiply(uint64_t* product, const uint64_t* a, const uint64_t* b) {
    Words x, y;
    ptx::to_words<P::N>(x, a);
    ptx::to_words<P::N>(y, b);
    multiply_words<P, false, bound, product_multiple>(x, x, y, x, y);
    ptx::to_limbs<P::N>(product, x);
  }

  static ZK_DEVICE void square(uint64_t* product, const uint64_t* a) {
    Words x;
    uint32_t t[2 * n];
    ptx::to_words<P::N>(x, a);
    ptx::square_words<n>(t, x);
    reduce_words<P, product_multiple>(x, t);
    ptx::to_limbs<P::N>(product, x);
  }

  // a b + c d, with one reduction. Before that it is below 2 bound^2 p^2 / R + p, which is below
  // 2 bound p, as p < R / 5 or, with the bound 1, p < R / 3.
  static ZK_DEVICE void sum_of_products(uint64_t* sum, const uint64_t* a, const uint64_t* b,
                                        const uint64_t* c, const uint64_t* d) {
    Words x, y, z, w;
    ptx::to_words<P::N>(x, a);
    ptx::to_words<P::N>(y, b);
    ptx::to_words<P::N>(z, c);
    ptx::to_words<P::N>(w, d);
    multiply_words<P, true, bound, bound>(x, x, y, z, w);
    ptx::to_limbs<P::N>(sum, x);
  }

  // From below 2p to below p.
  static ZK_DEVICE void reduce(uint64_t* reduced, const uint64_t* a) {
    Words x;
    ptx::to_words<P::N>(x, a);
    ptx::reduce<P, 1>(x);
    ptx::to_limbs<P::N>(reduced, x);
  }
};

#undef ZK_DEVICE

}  // namespace zkrun

#endif
