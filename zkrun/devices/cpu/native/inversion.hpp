// Inversion in a prime field by division steps: Bernstein and Yang, "Fast constant-time gcd
// computation and modular inversion" (eprint 2019/266), in its variable-time form with 62 steps at
// a time. Several times faster than Fermat's little theorem; time depends on the value.
#pragma once

#include <cstdint>
#include <utility>

#include "field.hpp"
#include "fp2.hpp"

namespace zkrun {

namespace detail {

__extension__ using int128 = __int128;

constexpr uint64_t mask62 = ~uint64_t{0} >> 2;

// A signed integer of n limbs: all but the highest are in [0, 2^62).
template <int n>
struct Signed62 {
  int64_t limb[n];

  template <int N>
  static Signed62 from_words(const uint64_t* words) {
    Signed62 result;
    for (int i = 0; i < n; i++) {
      const int word = 62 * i / 64;
      const int shift = 62 * i % 64;
      uint64_t bits = word < N ? words[word] >> shift : 0;
      if (shift > 2 && word + 1 < N) bits |= words[word + 1] << (64 - shift);
      result.limb[i] = static_cast<int64_t>(bits & mask62);
    }
    return result;
  }
  template <int N>
  void to_words(uint64_t* words) const {  // of a number that is not negative and fits
    for (int i = 0; i < N; i++) {
      const int first = 64 * i / 62;
      const int shift = 64 * i % 62;
      words[i] = static_cast<uint64_t>(limb[first]) >> shift;
      if (first + 1 < n) words[i] |= static_cast<uint64_t>(limb[first + 1]) << (62 - shift);
    }
  }
  bool is_zero() const {
    int64_t any = 0;
    for (int i = 0; i < n; i++) any |= limb[i];
    return any == 0;
  }
  bool is_negative() const { return limb[n - 1] < 0; }

  // this = sign * this + offset
  void negate_and_add(bool negated, const Signed62& offset, bool added) {
    int64_t carry = 0;
    for (int i = 0; i < n; i++) {
      const int64_t sum = (negated ? -limb[i] : limb[i]) + (added ? offset.limb[i] : 0) + carry;
      limb[i] = i < n - 1 ? static_cast<int64_t>(static_cast<uint64_t>(sum) & mask62) : sum;
      carry = sum >> 62;
    }
  }
};

// 62 division steps map (f, g) to (u f + v g, q f + r g) / 2^62, with |u| + |v|, |q| + |r| <= 2^62.
struct Transition {
  int64_t u, v, q, r;
};

// eta is minus the delta of the paper; f is odd. Only the low 62 bits of f and g matter.
inline Transition division_steps(int64_t& eta, uint64_t f, uint64_t g) {
  uint64_t u = 1, v = 0, q = 0, r = 1;
  int left = 62;
  for (;;) {
    const int zeros = __builtin_ctzll(g | ~uint64_t{0} << left);
    g >>= zeros;
    u <<= zeros;
    v <<= zeros;
    eta -= zeros;
    left -= zeros;
    if (left == 0) break;
    if (eta < 0) {
      eta = -eta;
      std::swap(f, g);
      std::swap(u, q);
      std::swap(v, r);
      g = -g;
      q = -q;
      r = -r;
    }
    // As long as eta stays nonnegative, g takes multiples of f only: cancel up to 6 low bits of g
    // at once, with f (2 - f^2) = 1 / f mod 2^6.
    const int64_t bits = eta + 1 < left ? eta + 1 : left;
    const uint64_t w = g * f * (f * f - 2) & ~uint64_t{0} >> (64 - bits) & 63;
    g += f * w;
    q += u * w;
    r += v * w;
  }
  return {static_cast<int64_t>(u), static_cast<int64_t>(v), static_cast<int64_t>(q),
          static_cast<int64_t>(r)};
}

template <int n>
void apply(const Transition& t, Signed62<n>& f, Signed62<n>& g) {
  int128 sum_f = 0, sum_g = 0;
  for (int i = 0; i < n; i++) {
    const int64_t fi = f.limb[i], gi = g.limb[i];
    sum_f += static_cast<int128>(t.u) * fi + static_cast<int128>(t.v) * gi;
    sum_g += static_cast<int128>(t.q) * fi + static_cast<int128>(t.r) * gi;
    if (i > 0) {  // limb 0 of both sums is zero
      f.limb[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(sum_f) & mask62);
      g.limb[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(sum_g) & mask62);
    }
    sum_f >>= 62;
    sum_g >>= 62;
  }
  f.limb[n - 1] = static_cast<int64_t>(sum_f);
  g.limb[n - 1] = static_cast<int64_t>(sum_g);
}

// The same modulo p: a multiple of p makes the division by 2^62 exact. d and e stay in (-2p, p).
template <int n>
void apply_modulo(const Transition& t, Signed62<n>& d, Signed62<n>& e, const Signed62<n>& p,
                  uint64_t p_inverse) {
  // Adding p to negative d and e first brings them into (-p, p).
  const int64_t d_sign = d.limb[n - 1] >> 63, e_sign = e.limb[n - 1] >> 63;
  int64_t d_multiple = (t.u & d_sign) + (t.v & e_sign);
  int64_t e_multiple = (t.q & d_sign) + (t.r & e_sign);
  int128 sum_d = static_cast<int128>(t.u) * d.limb[0] + static_cast<int128>(t.v) * e.limb[0];
  int128 sum_e = static_cast<int128>(t.q) * d.limb[0] + static_cast<int128>(t.r) * e.limb[0];
  d_multiple -= static_cast<int64_t>(
      (p_inverse * static_cast<uint64_t>(sum_d) + static_cast<uint64_t>(d_multiple)) & mask62);
  e_multiple -= static_cast<int64_t>(
      (p_inverse * static_cast<uint64_t>(sum_e) + static_cast<uint64_t>(e_multiple)) & mask62);
  sum_d = (sum_d + static_cast<int128>(p.limb[0]) * d_multiple) >> 62;
  sum_e = (sum_e + static_cast<int128>(p.limb[0]) * e_multiple) >> 62;
  for (int i = 1; i < n; i++) {
    const int64_t di = d.limb[i], ei = e.limb[i];
    sum_d += static_cast<int128>(t.u) * di + static_cast<int128>(t.v) * ei +
             static_cast<int128>(p.limb[i]) * d_multiple;
    sum_e += static_cast<int128>(t.q) * di + static_cast<int128>(t.r) * ei +
             static_cast<int128>(p.limb[i]) * e_multiple;
    d.limb[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(sum_d) & mask62);
    e.limb[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(sum_e) & mask62);
    sum_d >>= 62;
    sum_e >>= 62;
  }
  d.limb[n - 1] = static_cast<int64_t>(sum_d);
  e.limb[n - 1] = static_cast<int64_t>(sum_e);
}

}  // namespace detail

// 1 / a, and 0 for 0.
template <class P>
ZK_NOINLINE Fp<P> invert(const Fp<P>& a) {
  using namespace detail;
  constexpr int n = (64 * P::N + 2 + 61) / 62;
  using Integer = Signed62<n>;
  const Limbs<P::N> modulus = P::modulus();
  const Limbs<P::N> radix_squared = P::radix();  // R as an element: the integer R^2 mod p
  const Integer p = Integer::template from_words<P::N>(modulus.limb);
  const uint64_t p_inverse = -P::negative_inverse;
  // Invariants: f = d (a R) / R^2 and g = e (a R) / R^2 modulo p. At the end f is 1 or -1, so that
  // d is R / a, up to sign.
  Integer f = p, g = Integer::template from_words<P::N>(a.limb);
  Integer d{}, e = Integer::template from_words<P::N>(radix_squared.limb);
  int64_t eta = -1;
  while (!g.is_zero()) {
    const Transition t = division_steps(eta, static_cast<uint64_t>(f.limb[0]),
                                        static_cast<uint64_t>(g.limb[0]));
    apply_modulo(t, d, e, p, p_inverse);
    apply(t, f, g);
  }
  d.negate_and_add(false, p, d.is_negative());
  d.negate_and_add(f.is_negative(), p, false);
  d.negate_and_add(false, p, d.is_negative());
  Fp<P> result;
  d.template to_words<P::N>(result.limb);
  return result;
}

template <class F>
Fp2<F> invert(const Fp2<F>& a) {
  const F scale = invert(a.c0.square() + a.c1.square());
  return {a.c0 * scale, -(a.c1 * scale)};
}

}  // namespace zkrun
