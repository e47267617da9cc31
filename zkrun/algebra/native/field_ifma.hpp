// Eight field elements at once with AVX-512 IFMA: Fp8<P, Bound>.
//
// Representation. Each 64-bit lane holds one element as L limbs of 52 bits (limbs always in
// [0, 2^52)), in Montgomery form with R' = 2^(52 L). The value is reduced lazily: an Fp8<P, B> is
// in [0, B p). The bound is part of the type, so that the compiler proves it everywhere:
//
//   a + b, a - b      bounds add up; nothing is reduced
//   a * b             bounds multiply to at most `capacity`; the result is below 2p
//   Fp8<P, A> x = b   a smaller bound than b's reduces; a larger one costs nothing
//
// So generic code that only ever names Fp8<P> (the bound 2) is right, and `auto` keeps what is
// lazy.
// capacity = 2^(52 L - bits) <= R' / p bounds everything (64, 32 and 2^35 for our fields): a value
// below capacity * p fits in L limbs.
//
// The two forms. Memory holds a R with R = 2^(64 N); 2^shift = R' / R is 16 or 2^32. `load` turns
// that into a R' by a left shift that is free while repacking, at the price of the bound 2^shift.
// `load_unconverted` keeps a R, with bound 1. The product of an unconverted and a converted
// operand is again unconverted, (a R)(b R') / R' = (a b) R, so data that is only added up
// and multiplied by converted constants never needs converting.
#pragma once

#ifdef __AVX512IFMA__

#include <immintrin.h>

#include <cstddef>

#include "field.hpp"
#include "transpose_avx512.hpp"

namespace zkrun {

inline constexpr uint64_t mask52 = (uint64_t{1} << 52) - 1;

// multiple * p << shift as 52-bit limbs; it must fit in L of them.
template <class P>
constexpr Limbs<P::L> shifted_multiple52(uint64_t multiple, int shift) {
  constexpr int L = P::L;
  const Limbs<L> p = P::modulus52();
  Limbs<L> result{};
  unsigned __int128 carry = 0;
  for (int i = 0; i < L; i++) {
    carry += static_cast<unsigned __int128>(p[i]) * multiple << shift;
    result.limb[i] = static_cast<uint64_t>(carry) & mask52;
    carry >>= 52;
  }
  return result;
}

// 2^(52 L) - p as 52-bit limbs.
template <class P>
constexpr Limbs<P::L> negated_modulus52() {
  const Limbs<P::L> p = P::modulus52();
  Limbs<P::L> result{};
  uint64_t carry = 1;
  for (int i = 0; i < P::L; i++) {
    carry += mask52 - p[i];
    result.limb[i] = carry & mask52;
    carry >>= 52;
  }
  return result;
}

// The constants above as objects in memory, so that instructions broadcast them from there.
template <class P, uint64_t multiple, int shift = 0>
inline constexpr Limbs<P::L> modulus_multiple = shifted_multiple52<P>(multiple, shift);
template <class P>
inline constexpr Limbs<P::L> negated_modulus = negated_modulus52<P>();

namespace ifma {

ZK_INLINE __m512i lo(__m512i c, __m512i a, __m512i b) { return _mm512_madd52lo_epu64(c, a, b); }
ZK_INLINE __m512i hi(__m512i c, __m512i a, __m512i b) { return _mm512_madd52hi_epu64(c, a, b); }
ZK_INLINE __m512i all(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }

// Moves what limbs 0 .. L-2 have beyond 52 bits upwards. Limbs are signed, |limb| < 2^63, so
// that it also settles differences; the top limb keeps all of its bits.
template <int L>
ZK_INLINE void carry(__m512i* v) {
  const __m512i mask = all(mask52);
  ZK_UNROLL
  for (int i = 0; i < L - 1; i++) {
    v[i + 1] = _mm512_add_epi64(v[i + 1], _mm512_srai_epi64(v[i], 52));
    v[i] = _mm512_and_si512(v[i], mask);
  }
}

// t = (t + m p) / 2^52 for m = -t / p mod 2^52, on L + 1 columns; column L becomes 0.
//
// lo(m p_0) is not computed: it is -t_0 mod 2^52, so t_0 + lo(m p_0) is t_0 rounded up to a
// multiple of 2^52, whose carry is (t_0 + 2^52 - 1) >> 52.
template <class P>
ZK_INLINE void reduce_column(__m512i* t) {
  constexpr int L = P::L;
  const Limbs<L> p = P::modulus52();
  const __m512i m = lo(_mm512_setzero_si512(), t[0], all(P::negative_inverse52));
  const __m512i carry_out = _mm512_srli_epi64(_mm512_add_epi64(t[0], all(mask52)), 52);
  ZK_UNROLL
  for (int j = 1; j < L; j++) t[j] = lo(t[j], m, all(p[j]));
  ZK_UNROLL
  for (int j = 0; j < L; j++) t[j + 1] = hi(t[j + 1], m, all(p[j]));
  t[1] = _mm512_add_epi64(t[1], carry_out);
}

// z = a b / R' mod p, and z < a b / R' + p, since the m of all columns together are below R'. The
// operands' limbs are below 2^52, as the instructions ignore higher bits. Each column gathers at
// most 4 L terms below 2^52 and a carry: below 2^58.
template <class P>
ZK_INLINE void multiply(__m512i* z, const __m512i* a, const __m512i* b) {
  constexpr int L = P::L;
  __m512i t[L + 1];
  ZK_UNROLL
  for (int j = 0; j <= L; j++) t[j] = _mm512_setzero_si512();
  ZK_UNROLL
  for (int i = 0; i < L; i++) {
    ZK_UNROLL
    for (int j = 0; j < L; j++) t[j] = lo(t[j], a[j], b[i]);
    ZK_UNROLL
    for (int j = 0; j < L; j++) t[j + 1] = hi(t[j + 1], a[j], b[i]);
    reduce_column<P>(t);
    ZK_UNROLL
    for (int j = 0; j < L; j++) t[j] = t[j + 1];
    t[L] = _mm512_setzero_si512();
  }
  carry<L>(t);
  ZK_UNROLL
  for (int j = 0; j < L; j++) z[j] = t[j];
}

// z = t / R' mod p, z < t / R' + p, for 2 L columns t below 2^62 each; t is overwritten.
template <class P>
ZK_INLINE void reduce_columns(__m512i* z, __m512i* t) {
  constexpr int L = P::L;
  ZK_UNROLL
  for (int i = 0; i < L; i++) reduce_column<P>(t + i);
  carry<L>(t + L);
  ZK_UNROLL
  for (int j = 0; j < L; j++) z[j] = t[L + j];
}

// t += a b on 2 L columns, each of which gains at most 2 L terms below 2^52.
template <int L>
ZK_INLINE void add_product(__m512i* t, const __m512i* a, const __m512i* b) {
  ZK_UNROLL
  for (int i = 0; i < L; i++) {
    ZK_UNROLL
    for (int j = 0; j < L; j++) t[i + j] = lo(t[i + j], a[j], b[i]);
    ZK_UNROLL
    for (int j = 0; j < L; j++) t[i + j + 1] = hi(t[i + j + 1], a[j], b[i]);
  }
}

// t = a^2 on 2 L columns. Doubled columns, not limbs: a doubled limb would not fit in 52 bits.
template <int L>
ZK_INLINE void square_columns(__m512i* t, const __m512i* a) {
  ZK_UNROLL
  for (int j = 0; j < 2 * L; j++) t[j] = _mm512_setzero_si512();
  ZK_UNROLL
  for (int i = 0; i < L; i++) {
    ZK_UNROLL
    for (int j = i + 1; j < L; j++) {
      t[i + j] = lo(t[i + j], a[i], a[j]);
      t[i + j + 1] = hi(t[i + j + 1], a[i], a[j]);
    }
  }
  ZK_UNROLL
  for (int j = 1; j < 2 * L - 1; j++) t[j] = _mm512_add_epi64(t[j], t[j]);
  ZK_UNROLL
  for (int i = 0; i < L; i++) {
    t[2 * i] = lo(t[2 * i], a[i], a[i]);
    t[2 * i + 1] = hi(t[2 * i + 1], a[i], a[i]);
  }
}

// x - c where that is not negative, else x. c and x have L limbs.
template <int L>
ZK_INLINE void subtract_if_not_below(__m512i* x, const Limbs<L>& c) {
  __m512i difference[L];
  ZK_UNROLL
  for (int i = 0; i < L; i++) difference[i] = _mm512_sub_epi64(x[i], all(c[i]));
  carry<L>(difference);
  const __mmask8 negative = _mm512_movepi64_mask(difference[L - 1]);
  ZK_UNROLL
  for (int i = 0; i < L; i++) x[i] = _mm512_mask_mov_epi64(difference[i], negative, x[i]);
}

}  // namespace ifma

template <class P, int64_t B = 2>
struct alignas(64) Fp8 {
  using Parameters = P;
  using Scalar = Fp<P>;
  static constexpr int L = P::L;
  static constexpr int N = P::N;
  static constexpr int64_t bound = B;
  static constexpr int64_t capacity = int64_t{1} << (52 * L - P::bits);
  static constexpr int shift = 52 * L - 64 * N;
  static constexpr int64_t loaded_bound = int64_t{1} << shift;
  static_assert(B >= 1 && B <= capacity, "the value might not fit in L limbs");

  __m512i v[L];

  Fp8() = default;
  template <int64_t A>
  ZK_INLINE Fp8(const Fp8<P, A>& other) {
    ZK_UNROLL
    for (int i = 0; i < L; i++) v[i] = other.v[i];
    if constexpr (A > B) reduce_from<A>();
  }

  static ZK_INLINE Fp8 zero() {
    Fp8 result;
    ZK_UNROLL
    for (int i = 0; i < L; i++) result.v[i] = _mm512_setzero_si512();
    return result;
  }
  static ZK_INLINE Fp8 one() {
    Fp8 result;
    const Limbs<L> one52 = P::one52();
    ZK_UNROLL
    for (int i = 0; i < L; i++) result.v[i] = ifma::all(one52[i]);
    return result;
  }

  // The elements whose limbs are at row(0), ..., row(7): in R' form, or as they are. With the
  // latter the words may also hold a R', computed with as it is.
  template <class Row>
  static ZK_INLINE Fp8<P, loaded_bound> load_rows(Row row) {
    __m512i words[N];
    zkrun::load_rows<N>(words, row);
    return Fp8<P, loaded_bound>::template unpack<shift>(words);
  }
  template <class Row>
  static ZK_INLINE Fp8<P, 1> load_unconverted_rows(Row row) {
    __m512i words[N];
    zkrun::load_rows<N>(words, row);
    return Fp8<P, 1>::template unpack<0>(words);
  }
  // Eight consecutive elements.
  static ZK_INLINE Fp8<P, loaded_bound> load(const Scalar* elements) {
    return load_rows([=](int i) ZK_LAMBDA_INLINE { return elements[i].limb; });
  }
  static ZK_INLINE Fp8<P, 1> load_unconverted(const Scalar* elements) {
    return load_unconverted_rows([=](int i) ZK_LAMBDA_INLINE { return elements[i].limb; });
  }
  // The elements base[index[0] * stride], ..., base[index[7] * stride].
  template <class Index>
  static ZK_INLINE Fp8<P, loaded_bound> gather(const Scalar* base, const Index* index,
                                               size_t stride = 1) {
    return load_rows([=](int i) ZK_LAMBDA_INLINE { return base[index[i] * stride].limb; });
  }
  template <class Index>
  static ZK_INLINE Fp8<P, 1> gather_unconverted(const Scalar* base, const Index* index,
                                                size_t stride = 1) {
    return load_unconverted_rows(
        [=](int i) ZK_LAMBDA_INLINE { return base[index[i] * stride].limb; });
  }
  // One element in all lanes.
  static ZK_INLINE Fp8 broadcast(const Scalar& element) {
    __m512i words[N];
    ZK_UNROLL
    for (int i = 0; i < N; i++) words[i] = ifma::all(element.limb[i]);
    return Fp8<P, loaded_bound>::template unpack<shift>(words);
  }
  static ZK_INLINE Fp8<P, 1> broadcast_unconverted(const Scalar& element) {
    __m512i words[N];
    ZK_UNROLL
    for (int i = 0; i < N; i++) words[i] = ifma::all(element.limb[i]);
    return Fp8<P, 1>::template unpack<0>(words);
  }

  // To the limbs at row(0), ..., row(7), to consecutive elements, or to base[index[i] * stride],
  // fully reduced: back in R form, or as they are.
  template <class Row>
  ZK_INLINE void store_rows(Row row) const {
    __m512i words[N];
    pack_converted(words);
    zkrun::store_rows<N>(words, row);
  }
  template <class Row>
  ZK_INLINE void store_unconverted_rows(Row row) const {
    __m512i words[N];
    const Fp8<P, 1> exact = canonical();
    pack<0>(words, exact.v);
    zkrun::store_rows<N>(words, row);
  }
  ZK_INLINE void store(Scalar* elements) const {
    store_rows([=](int i) ZK_LAMBDA_INLINE { return elements[i].limb; });
  }
  ZK_INLINE void store_unconverted(Scalar* elements) const {
    store_unconverted_rows([=](int i) ZK_LAMBDA_INLINE { return elements[i].limb; });
  }
  template <class Index>
  ZK_INLINE void scatter(Scalar* base, const Index* index, size_t stride = 1) const {
    store_rows([=](int i) ZK_LAMBDA_INLINE { return base[index[i] * stride].limb; });
  }

  // In [0, 2p) and in [0, p).
  ZK_INLINE Fp8<P, (B < 2 ? B : 2)> reduced() const { return *this; }
  ZK_INLINE Fp8<P, 1> canonical() const { return *this; }

  template <int64_t A>
  ZK_INLINE Fp8<P, A + B> operator+(const Fp8<P, A>& other) const {
    Fp8<P, A + B> sum;
    ZK_UNROLL
    for (int i = 0; i < L; i++) sum.v[i] = _mm512_add_epi64(v[i], other.v[i]);
    ifma::carry<L>(sum.v);
    return sum;
  }
  // this + A p - other, which is in (0, (A + B) p).
  template <int64_t A>
  ZK_INLINE Fp8<P, A + B> operator-(const Fp8<P, A>& other) const {
    Fp8<P, A + B> difference;
    ZK_UNROLL
    for (int i = 0; i < L; i++) {
      const __m512i raised = _mm512_add_epi64(v[i], ifma::all(modulus_multiple<P, A>[i]));
      difference.v[i] = _mm512_sub_epi64(raised, other.v[i]);
    }
    ifma::carry<L>(difference.v);
    return difference;
  }
  ZK_INLINE Fp8<P, B + 1> operator-() const {
    Fp8<P, 1> zero = Fp8<P, 1>::zero();
    return zero - *this;
  }
  ZK_INLINE Fp8<P, 2 * B> dbl() const { return *this + *this; }

  // A B p^2 / R' + p <= p (A B p / 2^(52 L)) + p < 2p, as A B <= capacity < 2^(52 L) / p.
  template <int64_t A>
  ZK_INLINE Fp8<P, 2> operator*(const Fp8<P, A>& other) const {
    static_assert(A <= capacity / B, "reduce an operand first: the product might reach 2p");
    Fp8<P, 2> product;
    if constexpr (L <= 5) {
      ifma::multiply<P>(product.v, v, other.v);
    } else {
      multiply_call(product.v, v, other.v);
    }
    return product;
  }
  ZK_INLINE Fp8<P, 2> square() const {
    static_assert(B <= capacity / B, "reduce the operand first: the square might reach 2p");
    Fp8<P, 2> result;
    if constexpr (L <= 5) {
      square_inline(result.v, v);
    } else {
      square_call(result.v, v);
    }
    return result;
  }

  // Lanes whose element is 0 mod p, exactly.
  ZK_INLINE __mmask8 is_zero_mask() const {
    const auto x = reduced();
    __m512i any = x.v[0];
    __m512i differs = _mm512_xor_si512(x.v[0], ifma::all(modulus_multiple<P, 1>[0]));
    ZK_UNROLL
    for (int i = 1; i < L; i++) {
      any = _mm512_or_si512(any, x.v[i]);
      differs = _mm512_or_si512(
          differs, _mm512_xor_si512(x.v[i], ifma::all(modulus_multiple<P, 1>[i])));
    }
    if constexpr (B == 1) return _mm512_testn_epi64_mask(any, any);
    return _mm512_testn_epi64_mask(any, any) | _mm512_testn_epi64_mask(differs, differs);
  }

  // Repacks 64-bit words to 52-bit limbs, shifted left by `by` bits.
  template <int by>
  static ZK_INLINE Fp8 unpack(const __m512i* words) {
    Fp8 result;
    ZK_UNROLL
    for (int i = 0; i < L; i++) {
      const int bit = 52 * i - by;
      const int word = bit / 64, offset = bit % 64;
      __m512i limb;
      if (bit < 0) {
        limb = _mm512_slli_epi64(words[0], -bit);
      } else if (word >= N) {
        limb = _mm512_setzero_si512();
      } else {
        limb = _mm512_srli_epi64(words[word], offset);
        if (offset > 12 && word + 1 < N) {
          limb = _mm512_or_si512(limb, _mm512_slli_epi64(words[word + 1], 64 - offset));
        }
      }
      result.v[i] = _mm512_and_si512(limb, ifma::all(mask52));
    }
    return result;
  }

 private:
  template <class, int64_t>
  friend struct Fp8;

  static ZK_NOINLINE void multiply_call(__m512i* z, const __m512i* a, const __m512i* b) {
    ifma::multiply<P>(z, a, b);
  }
  static ZK_NOINLINE void square_call(__m512i* z, const __m512i* a) { square_inline(z, a); }
  static ZK_INLINE void square_inline(__m512i* z, const __m512i* a) {
    __m512i t[2 * L];
    ifma::square_columns<L>(t, a);
    ifma::reduce_columns<P>(z, t);
  }

  // From [0, A p) to [0, B p), B < A.
  template <int64_t A>
  ZK_INLINE void reduce_from() {
    if constexpr (A > 4) {
      subtract_quotient();
    } else if constexpr (A > 2) {
      ifma::subtract_if_not_below<L>(v, modulus_multiple<P, 2>);
    }
    if constexpr (B == 1) ifma::subtract_if_not_below<L>(v, modulus_multiple<P, 1>);
  }

  // From [0, capacity p) to [0, 2p): subtracts q p for an estimate q of floor(x / p).
  //
  // With s = 52 (L - 1), the top limb h = floor(x / 2^s), k = bits - 1 - s and
  // mu = quotient52 = floor(2^(s + 52 + k) / p), which is below 2^52 as p > 2^(bits - 1):
  //   q = floor(h mu / 2^(52 + k)) <= x / p, and
  //   x / p - h mu / 2^(52 + k) < (h + 1) 2^s / p - h (2^s / p - 2^-(52 + k)) < 2^-k + 2^-k.
  // So x - q p is in [0, (1 + 2^(1 - k)) p), and k is at least 16 for our fields. It is
  // computed as x + q (2^(52 L) - p) mod 2^(52 L): q is below capacity < 2^52, a single limb.
  ZK_INLINE void subtract_quotient() {
    constexpr int k = P::bits - 1 - 52 * (L - 1);
    static_assert(k >= 1 && P::quotient52 <= mask52 && capacity <= int64_t(mask52));
    const Limbs<L> negated = negated_modulus<P>;
    const __m512i q = _mm512_srli_epi64(
        ifma::hi(_mm512_setzero_si512(), v[L - 1], ifma::all(P::quotient52)), k);
    ZK_UNROLL
    for (int i = 0; i < L; i++) v[i] = ifma::lo(v[i], q, ifma::all(negated[i]));
    ZK_UNROLL
    for (int i = 0; i < L - 1; i++) v[i + 1] = ifma::hi(v[i + 1], q, ifma::all(negated[i]));
    ifma::carry<L>(v);
    v[L - 1] = _mm512_and_si512(v[L - 1], ifma::all(mask52));
  }

  // The words of a R mod p, exact, from a R' = x: with m = -x / p mod 2^shift,
  // z = x + m p is a multiple of 2^shift, and z / 2^shift < (B / 2^shift + 1) p <= 2p. The last
  // subtraction is done on z, of 2^shift p; z < 2^(shift + 1) p fits as 2^(shift + 1) <= capacity.
  ZK_INLINE void pack_converted(__m512i* words) const {
    if constexpr (B > loaded_bound) {
      Fp8<P, 2>(*this).pack_converted(words);
    } else {
      static_assert(2 * loaded_bound <= capacity);
      const __m512i low = ifma::lo(_mm512_setzero_si512(), v[0], ifma::all(P::negative_inverse52));
      const __m512i m = _mm512_and_si512(low, ifma::all((uint64_t{1} << shift) - 1));
      const Limbs<L> p = P::modulus52();
      __m512i z[L];
      ZK_UNROLL
      for (int i = 0; i < L; i++) z[i] = ifma::lo(v[i], m, ifma::all(p[i]));
      ZK_UNROLL
      for (int i = 0; i < L - 1; i++) z[i + 1] = ifma::hi(z[i + 1], m, ifma::all(p[i]));
      ifma::carry<L>(z);
      ifma::subtract_if_not_below<L>(z, modulus_multiple<P, 1, shift>);
      pack<shift>(words, z);
    }
  }

  // Repacks 52-bit limbs to N words, shifted right by `by` bits.
  template <int by>
  static ZK_INLINE void pack(__m512i* words, const __m512i* limbs) {
    ZK_UNROLL
    for (int w = 0; w < N; w++) {
      const int bit = 64 * w + by;
      const int first = bit / 52, offset = bit % 52;
      __m512i word = _mm512_srli_epi64(limbs[first], offset);
      if (first + 1 < L) {
        word = _mm512_or_si512(word, _mm512_slli_epi64(limbs[first + 1], 52 - offset));
      }
      if (first + 2 < L && 104 - offset < 64) {
        word = _mm512_or_si512(word, _mm512_slli_epi64(limbs[first + 2], 104 - offset));
      }
      words[w] = word;
    }
  }
};

// mask ? a : b, lane by lane.
template <class P, int64_t A, int64_t B>
ZK_INLINE Fp8<P, (A > B ? A : B)> select(__mmask8 mask, const Fp8<P, A>& a, const Fp8<P, B>& b) {
  Fp8<P, (A > B ? A : B)> result;
  ZK_UNROLL
  for (int i = 0; i < P::L; i++) result.v[i] = _mm512_mask_mov_epi64(b.v[i], mask, a.v[i]);
  return result;
}

// a b + c d with one reduction: (A B + C D) p^2 / R' + p < 2p as A B + C D <= capacity.
template <class P, int64_t A, int64_t B, int64_t C, int64_t D>
ZK_INLINE Fp8<P, 2> sum_of_products(const Fp8<P, A>& a, const Fp8<P, B>& b, const Fp8<P, C>& c,
                                    const Fp8<P, D>& d) {
  constexpr int64_t capacity = Fp8<P>::capacity;
  static_assert(A <= capacity / B && C <= (capacity - A * B) / D, "reduce an operand first");
  constexpr int L = P::L;
  __m512i t[2 * L];
  ZK_UNROLL
  for (int j = 0; j < 2 * L; j++) t[j] = _mm512_setzero_si512();
  ifma::add_product<L>(t, a.v, b.v);
  ifma::add_product<L>(t, c.v, d.v);
  Fp8<P, 2> result;
  ifma::reduce_columns<P>(result.v, t);
  return result;
}

}  // namespace zkrun

#endif  // __AVX512IFMA__
