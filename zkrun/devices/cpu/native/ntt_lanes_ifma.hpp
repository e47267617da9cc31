// Eight neighbouring columns of a transform, one in each lane of AVX-512 registers, with the 52-bit
// multiply-add instructions (see ntt_column.hpp for what is done with them).
//
// Number format. A value is kept in L = 5 limbs of radix 2^52, one register a limb. With
// M = 2^260, limbs are signed and may exceed 52 bits ("loose"): a loose vector stands for the value
// (sum of limb_i 2^(52 i)) mod M, taken in [0, M). What that value is congruent to mod p is the
// element, as in memory, times R = 2^256: constants carry no Montgomery factor at all, so that
// data is never converted. Multiply instructions read the low 52 bits of a limb only, so a
// multiplicand must first have its carries moved up (`settle`), which also makes it correct mod M;
// bits above 52 may stay, nobody reads them. Addends need nothing.
//
// Bounds on values, in units of p (M > 35 p for BLS12-381, M > 84 p for BN254):
// - loaded elements are below 1, results of `scale` below 2, of `multiply` below 2 (see there);
// - a - b is computed as a - b + 2p with b below 2 (or + 4p with b below 4), hence never negative;
// - so radix4 with twiddles takes its operands from a bound B to B + 4, and the layers without
//   twiddles take theirs from 2 to 8 (radix 4) or to 4 (radix 2). After m layers: at most
//   8 + 2 (m - 2) = 2m + 4 for even m, 4 + 2 (m - 1) = 2m + 2 for odd m. That is at most 30 for
//   m <= 13 on BLS12-381 and 32 for any m that exists on BN254 (m <= 14): below M, and
//   within the capacity of Fp8 (32 and 64), which `store` hands the values to.
// Bounds on limbs: a product of `scale` adds less than 18 * 2^52 to a limb (at most 10 low and 8
// high halves), all else less than 2^55; 16 layers of them stay below 2^62.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "field_ifma.hpp"

namespace zkrun {

template <class P>
struct IfmaLanes {
  using F = Fp<P>;
  static constexpr int L = P::L;
  static_assert(L == 5 && P::N == 4, "scalar fields of 254 or 255 bits");
  // The largest m of the bounds above.
  static constexpr int max_log_size = P::bits <= 254 ? P::two_adicity / 2 : 13;
  static_assert(P::bits <= 254 ? P::two_adicity <= 28 : P::bits == 255);
  // Elements of a block of a transform that stays in the first-level cache (20 KiB).
  static constexpr size_t block = 64;

  struct alignas(64) Vector {
    __m512i limb[L];
  };
  // A number w below p, and the quotient floor(w M / p) (Shoup's multiplication by a constant).
  struct Constant {
    uint64_t value[L];
    uint64_t quotient[L];
  };
  struct Twiddles {
    Constant inner, outer, outer_turned;
  };

  // w is the field element `value`. With x = w M mod p, w M = quotient p + x, so the quotient is
  // -x / p mod M: the digits that a Montgomery reduction of x by M multiplies p with.
  static Constant constant(const F& value) {
    Constant result;
    uint64_t canonical[F::N];
    value.to_canonical(canonical);
    split(canonical, result.value);
    uint64_t rest[L];
    split(times_16(value).limb, rest);  // value.limb is w 2^256 mod p
    const auto p = P::modulus52();
    for (int i = 0; i < L; i++) {
      const uint64_t digit = rest[0] * P::negative_inverse52 & mask52;
      result.quotient[i] = digit;
      __extension__ using uint128 = unsigned __int128;
      uint128 carry = 0;
      for (int j = 0; j < L; j++) {
        carry += static_cast<uint128>(digit) * p[j] + rest[j];
        if (j > 0) rest[j - 1] = static_cast<uint64_t>(carry) & mask52;
        carry >>= 52;
      }
      rest[L - 1] = static_cast<uint64_t>(carry);
    }
    return result;
  }

  // Eight consecutive elements.
  static ZK_INLINE Vector load(const F* source) {
    return from(Fp8<P, 1>::load_unconverted(source));
  }
  // The fully reduced elements of `a`, to eight consecutive places.
  static ZK_INLINE void store(F* target, const Vector& a) {
    constexpr auto capacity = Fp8<P>::capacity;
    static_assert(2 * max_log_size + 4 <= capacity);
    Fp8<P, capacity> value;
    const __m512i mask = ifma::all(mask52);
    const Vector carried = settled(a);
    ZK_UNROLL
    for (int i = 0; i < L; i++) value.v[i] = _mm512_and_si512(carried.limb[i], mask);
    value.store_unconverted(target);
  }
  static ZK_INLINE void prefetch(const F* source) {
    for (int line = 0; line < 4; line++) __builtin_prefetch(source + 2 * line);
  }

  // Factors for `multiply`: field elements in Montgomery form with radix M, below p.
  static Vector factors(const F* values) { return from(Fp8<P, 1>(Fp8<P>::load(values))); }
  static Vector broadcast_factor(const F& value) {
    return from(Fp8<P, 1>(Fp8<P>::broadcast(value)));
  }

  // a b / M mod p, settled, for settled operands: below a b / M + p. In p, with M > 35: below 2
  // for b below 1.12 and a up to 30, and below 1.12 for a and b both below 2.
  static ZK_INLINE Vector multiply(const Vector& a, const Vector& b) {
    Vector product;
    ifma::multiply<P>(product.limb, a.limb, b.limb);
    return product;
  }

  // a w mod p, below 2p, loose, for any settled a. With X = a quotient, exact arithmetic gives
  // a w - floor(X / M) p = ((X mod M) p + a x) / M < p (1 + a / M), x < p as in `constant`. Here
  // the partial products of X below column 4 are left out: they are at most 7, 5, 3, 1 halves of
  // 52 bits in columns 3, 2, 1, 0 and sum to less than 2^211, so the quotient is one too small at
  // most, and only where X mod M < 2^211: there the value is below p (1 + 2^-49 + a / M) as well.
  // The value is computed mod M, which is all that matters as it is below M.
  static ZK_INLINE Vector scale(const Vector& a, const Constant& w) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i q[L + 1] = {zero, zero, zero, zero, zero, zero};  // columns 4 to 9 of X
    ZK_UNROLL
    for (int j = 0; j < L; j++) {
      const __m512i quotient = ifma::all(w.quotient[j]);
      ZK_UNROLL
      for (int i = 0; i < L; i++) {
        const int k = i + j - (L - 1);
        if (k >= 0) q[k] = ifma::lo(q[k], a.limb[i], quotient);
        if (k >= -1) q[k + 1] = ifma::hi(q[k + 1], a.limb[i], quotient);
      }
    }
    ZK_UNROLL
    for (int k = 0; k < L; k++) {
      q[k + 1] = _mm512_add_epi64(q[k + 1], _mm512_srli_epi64(q[k], 52));
    }
    Vector r = {{zero, zero, zero, zero, zero}};
    ZK_UNROLL
    for (int j = 0; j < L; j++) {
      const __m512i value = ifma::all(w.value[j]);
      ZK_UNROLL
      for (int i = 0; i + j < L; i++) {
        r.limb[i + j] = ifma::lo(r.limb[i + j], a.limb[i], value);
        if (i + j + 1 < L) r.limb[i + j + 1] = ifma::hi(r.limb[i + j + 1], a.limb[i], value);
      }
    }
    subtract_multiple(r, q + 1);
    return r;
  }

  // Rows become columns: a[i] lane j and a[j] lane i change places. Loose or settled alike.
  static ZK_INLINE void transpose(Vector* a) {
    ZK_UNROLL
    for (int k = 0; k < L; k++) {
      __m512i u[8], v[8];
      ZK_UNROLL
      for (int i = 0; i < 4; i++) {
        u[2 * i] = _mm512_unpacklo_epi64(a[2 * i].limb[k], a[2 * i + 1].limb[k]);
        u[2 * i + 1] = _mm512_unpackhi_epi64(a[2 * i].limb[k], a[2 * i + 1].limb[k]);
      }
      ZK_UNROLL
      for (int h = 0; h < 8; h += 4) {
        v[h] = _mm512_shuffle_i64x2(u[h], u[h + 2], 0x88);
        v[h + 1] = _mm512_shuffle_i64x2(u[h + 1], u[h + 3], 0x88);
        v[h + 2] = _mm512_shuffle_i64x2(u[h], u[h + 2], 0xdd);
        v[h + 3] = _mm512_shuffle_i64x2(u[h + 1], u[h + 3], 0xdd);
      }
      ZK_UNROLL
      for (int i = 0; i < 4; i++) {
        a[i].limb[k] = _mm512_shuffle_i64x2(v[i], v[i + 4], 0x88);
        a[i + 4].limb[k] = _mm512_shuffle_i64x2(v[i], v[i + 4], 0xdd);
      }
    }
  }

  // Moves carries up, so that the low 52 bits of every limb are right.
  static ZK_INLINE Vector settled(Vector a) {
    ZK_UNROLL
    for (int i = 0; i + 1 < L; i++) {
      a.limb[i + 1] = _mm512_add_epi64(a.limb[i + 1], _mm512_srai_epi64(a.limb[i], 52));
    }
    return a;
  }
  template <bool multiplicand>
  static ZK_INLINE void settle(Vector& a) {
    if constexpr (multiplicand) a = settled(a);
  }

  // Layers without twiddles, of operands below 2p.
  static ZK_INLINE void radix2(Vector& a0, Vector& a1) {
    const Vector sum = add(a0, a1);
    a1 = subtract<2>(a0, a1);
    a0 = sum;
  }
  static ZK_INLINE void radix4(Vector& a0, Vector& a1, Vector& a2, Vector& a3,
                               const Constant& fourth_root) {
    const Vector b0 = add(a0, a1), b1 = subtract<2>(a0, a1);
    const Vector b2 = add(a2, a3), b3 = scale(settled(subtract<2>(a2, a3)), fourth_root);
    a0 = add(b0, b2);
    a1 = add(b1, b3);
    a2 = subtract<4>(b0, b2);
    a3 = subtract<2>(b1, b3);
  }
  static ZK_INLINE void radix2(Vector& a0, Vector& a1, const Constant& twiddle) {
    a1 = scale(settled(a1), twiddle);
    radix2(a0, a1);
  }
  // A layer with twiddles: a1 and a3 are settled, and so are the results for a `multiplicand`.
  template <bool multiplicand>
  static ZK_INLINE void radix4(Vector& a0, Vector& a1, Vector& a2, Vector& a3, const Twiddles& w) {
    const Vector t1 = scale(a1, w.inner), t3 = scale(a3, w.inner);
    const Vector b2 = settled(add(a2, t3)), b3 = settled(subtract<2>(a2, t3));
    const Vector c2 = scale(b2, w.outer), c3 = scale(b3, w.outer_turned);
    const Vector b0 = add(a0, t1), b1 = subtract<2>(a0, t1);
    a0 = result<multiplicand>(add(b0, c2));
    a1 = result<multiplicand>(add(b1, c3));
    a2 = result<multiplicand>(subtract<2>(b0, c2));
    a3 = result<multiplicand>(subtract<2>(b1, c3));
  }

 private:
  template <bool multiplicand>
  static ZK_INLINE Vector result(const Vector& a) {
    return multiplicand ? settled(a) : a;
  }
  static ZK_INLINE Vector add(const Vector& a, const Vector& b) {
    Vector sum;
    ZK_UNROLL
    for (int i = 0; i < L; i++) sum.limb[i] = _mm512_add_epi64(a.limb[i], b.limb[i]);
    return sum;
  }
  // a - b + multiple p.
  template <int multiple>
  static ZK_INLINE Vector subtract(const Vector& a, const Vector& b) {
    const auto p = P::modulus52();
    Vector difference;
    ZK_UNROLL
    for (int i = 0; i < L; i++) {
      difference.limb[i] = _mm512_sub_epi64(
          _mm512_add_epi64(a.limb[i], ifma::all(multiple * p[i])), b.limb[i]);
    }
    return difference;
  }

  // r - q p mod M, for settled q.
  static ZK_INLINE void subtract_multiple(Vector& r, const __m512i* q) {
    constexpr Limbs<L> negated = negated_modulus52<P>();
    ZK_UNROLL
    for (int i = 0; i < L; i++) {
      ZK_UNROLL
      for (int j = 0; i + j < L; j++) {
        const __m512i limb = ifma::all(negated[j]);
        r.limb[i + j] = ifma::lo(r.limb[i + j], q[i], limb);
        if (i + j + 1 < L) r.limb[i + j + 1] = ifma::hi(r.limb[i + j + 1], q[i], limb);
      }
    }
  }

  static ZK_INLINE Vector from(const Fp8<P, 1>& a) {
    Vector result;
    ZK_UNROLL
    for (int i = 0; i < L; i++) result.limb[i] = a.v[i];
    return result;
  }
  static void split(const uint64_t* words, uint64_t* limbs) {
    limbs[0] = words[0] & mask52;
    limbs[1] = (words[0] >> 52 | words[1] << 12) & mask52;
    limbs[2] = (words[1] >> 40 | words[2] << 24) & mask52;
    limbs[3] = (words[2] >> 28 | words[3] << 36) & mask52;
    limbs[4] = words[3] >> 16;
  }
  // From Montgomery form with R = 2^256 to M = 2^260.
  static F times_16(const F& a) { return a.dbl().dbl().dbl().dbl(); }
};

}  // namespace zkrun
