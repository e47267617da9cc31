// Uniform elements from uniform integers: 64 bytes reduced modulo p, in Montgomery form.
#pragma once

#include <cstring>

#include "elementwise.hpp"
#include "field.hpp"
#include "field_ifma.hpp"
#include "pool.hpp"
#include "view.hpp"

namespace zkrun {

// What the reduction needs to be computed once, and the reduction itself: x R mod p for x < 2^512.
template <class F>
class WideReduction {
 public:
  static constexpr int words = 8;
  static_assert(F::N == 4, "64 bytes are twice the limbs of a scalar");

  WideReduction() {
#ifdef __AVX512IFMA__
    F power = times_power_of_two(F::one(), 2 * 52);
    for (int i = 0; i < limbs; i++) {
      const auto split = V::broadcast_unconverted(power);
      for (int j = 0; j < L; j++) {
        const __m128i lanes = _mm512_castsi512_si128(split.v[j]);
        powers_[i][j] = static_cast<uint64_t>(_mm_cvtsi128_si64(lanes));
      }
      power = times_power_of_two(power, 52);
    }
#endif
  }

  // Of low + high 2^256. In Montgomery form that is low R^2 / R + high R^3 / R. Products need only
  // their first factor below p, so the raw halves can be the others.
  F operator()(const F& low, const F& high) const {
    return F::product_with_raw(square_, low) + F::product_with_raw(cube_, high);
  }

#ifdef __AVX512IFMA__
  using V = Fp8<typename F::Parameters>;

  // Of eight integers, lane by lane, as they are in memory: not converted to the vectors' form.
  //
  // With ten limbs x_i of 52 bits and c_i = 2^(52 i) R 2^104 mod p, t = sum x_i c_i is below
  // 10 2^52 p, and two columns of Montgomery's reduction divide it by 2^104: t / 2^104 + p < 2p is
  // left. That is two thirds of the work of two products. Each column gathers at most 40 terms
  // below 2^52 and two carries.
  ZK_INLINE V operator()(const __m512i* x) const {
    __m512i t[L + 2];
    ZK_UNROLL
    for (int j = 0; j < L + 2; j++) t[j] = _mm512_setzero_si512();
    ZK_UNROLL
    for (int i = 0; i < limbs; i++) {
      const int word = 52 * i / 64, offset = 52 * i % 64;
      __m512i limb = _mm512_srli_epi64(x[word], offset);  // its upper bits are ignored
      if (offset > 12 && word + 1 < words) {
        limb = _mm512_or_si512(limb, _mm512_slli_epi64(x[word + 1], 64 - offset));
      }
      ZK_UNROLL
      for (int j = 0; j < L; j++) t[j] = ifma::lo(t[j], limb, ifma::all(powers_[i][j]));
      ZK_UNROLL
      for (int j = 0; j < L; j++) t[j + 1] = ifma::hi(t[j + 1], limb, ifma::all(powers_[i][j]));
    }
    ifma::reduce_column<typename F::Parameters>(t);
    ifma::reduce_column<typename F::Parameters>(t + 1);
    ifma::carry<L>(t + 2);
    V result;
    ZK_UNROLL
    for (int j = 0; j < L; j++) result.v[j] = t[2 + j];
    return result;
  }
#endif

 private:
  static F times_power_of_two(const F& x, int exponent) {
    uint64_t power[F::N] = {};
    power[exponent / 64] = uint64_t{1} << exponent % 64;
    return x * F::from_canonical(power);
  }

  F square_ = F::constant(F::Parameters::radix());
  F cube_ = square_ * square_;
#ifdef __AVX512IFMA__
  static constexpr int L = V::L;
  static constexpr int limbs = 10;
  static_assert(L == 5 && 52 * limbs >= 64 * words);
  uint64_t powers_[limbs][L];
#endif
};

// a[i] = the i-th integer of 64 little-endian bytes, mod p.
template <class F>
void wide_reduce(const Context& context, const View& a, const unsigned char* integers) {
  constexpr size_t bytes = 64;
  const Elements<F> elements(a);
  const WideReduction<F> reduced;
  parallel_for(context, elements.size(), elementwise_grain, [&](size_t begin, size_t end) {
    const unsigned char* from = integers + bytes * begin;
    for_each_run(
        begin, end,
        [&](size_t count, F* to) {
          size_t i = 0;
#ifdef __AVX512IFMA__
          for (; i + 8 <= count; i += 8, from += 8 * bytes) {
            __m512i x[8];
            for (int half = 0; half < 2; half++) {
              load_rows<4>(x + 4 * half, [=](int row) ZK_LAMBDA_INLINE {
                return from + bytes * static_cast<size_t>(row) + bytes / 2 * half;
              });
            }
            reduced(x).store_unconverted(to + i);
          }
#endif
          for (; i < count; i++, from += bytes) {
            F low, high;
            std::memcpy(low.limb, from, bytes / 2);
            std::memcpy(high.limb, from + bytes / 2, bytes / 2);
            to[i] = reduced(low, high);
          }
        },
        elements);
  });
}

}  // namespace zkrun
