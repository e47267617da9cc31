// Inversion in a prime field by division steps: Bernstein and Yang, "Fast constant-time gcd
// computation and modular inversion" (eprint 2019/266), in its variable-time form with 30 steps at
// a time. A thread by itself takes several times less time for it than for Fermat's little theorem;
// how long depends on the value.
#pragma once

#include "field.hpp"

namespace zkrun {

namespace steps {

inline constexpr uint32_t mask30 = 0x3fffffff;

// A signed integer of n limbs: all but the highest are in [0, 2^30).
template <int n>
struct Signed30 {
  int limb[n];

  template <int N>
  __device__ static __forceinline__ Signed30 from_words(const uint64_t* words) {
    Signed30 result;
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      const int word = 30 * i / 64, shift = 30 * i % 64;
      uint64_t bits = 0;
      if (word < N) bits = words[word] >> shift;
      if (shift > 34 && word + 1 < N) bits |= words[word + 1] << (64 - shift);
      result.limb[i] = static_cast<int>(static_cast<uint32_t>(bits) & mask30);
    }
    return result;
  }
  // Of a number that is not negative and fits.
  template <int N>
  __device__ __forceinline__ void to_words(uint64_t* words) const {
    ZK_UNROLL
    for (int i = 0; i < N; i++) words[i] = 0;
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      const int word = 30 * i / 64, shift = 30 * i % 64;
      const uint64_t bits = static_cast<uint64_t>(limb[i]);
      if (word < N) words[word] |= bits << shift;
      if (shift > 34 && word + 1 < N) words[word + 1] |= bits >> (64 - shift);
    }
  }
  __device__ __forceinline__ bool is_zero() const {
    int any = 0;
    ZK_UNROLL
    for (int i = 0; i < n; i++) any |= limb[i];
    return any == 0;
  }
  __device__ __forceinline__ bool is_negative() const { return limb[n - 1] < 0; }

  // this = sign * this + offset
  __device__ __forceinline__ void negate_and_add(bool negated, const Signed30& offset, bool added) {
    int carry = 0;
    ZK_UNROLL
    for (int i = 0; i < n; i++) {
      const int sum = (negated ? -limb[i] : limb[i]) + (added ? offset.limb[i] : 0) + carry;
      limb[i] = i < n - 1 ? static_cast<int>(static_cast<uint32_t>(sum) & mask30) : sum;
      carry = sum >> 30;
    }
  }
};

// 30 division steps map (f, g) to (u f + v g, q f + r g) / 2^30, with |u| + |v|, |q| + |r| <= 2^30.
struct Transition {
  int u, v, q, r;
};

// eta is minus the delta of the paper; f is odd. Only the low 30 bits of f and g matter.
__device__ __forceinline__ Transition division_steps(int& eta, uint32_t f, uint32_t g) {
  uint32_t u = 1, v = 0, q = 0, r = 1;
  int left = 30;
#pragma unroll 1
  for (;;) {
    const int zeros = __ffs(static_cast<int>(g | 0xffffffffu << left)) - 1;
    g >>= zeros;
    u <<= zeros;
    v <<= zeros;
    eta -= zeros;
    left -= zeros;
    if (left == 0) break;
    if (eta < 0) {
      eta = -eta;
      uint32_t swapped = f;
      f = g;
      g = -swapped;
      swapped = u;
      u = q;
      q = -swapped;
      swapped = v;
      v = r;
      r = -swapped;
    }
    // As long as eta stays nonnegative, g takes multiples of f only: cancel up to 6 low bits of g
    // at once, with f (2 - f^2) = 1 / f mod 2^6.
    const int bits = eta + 1 < left ? eta + 1 : left;
    const uint32_t w = g * f * (f * f - 2) & 0xffffffffu >> (32 - bits) & 63;
    g += f * w;
    q += u * w;
    r += v * w;
  }
  return {static_cast<int>(u), static_cast<int>(v), static_cast<int>(q), static_cast<int>(r)};
}

__device__ __forceinline__ int64_t product(int a, int b) { return static_cast<int64_t>(a) * b; }

__device__ __forceinline__ int low30(int64_t x) {
  return static_cast<int>(static_cast<uint32_t>(x) & mask30);
}

template <int n>
__device__ __forceinline__ void apply(const Transition& t, Signed30<n>& f, Signed30<n>& g) {
  int64_t sum_f = 0, sum_g = 0;
  ZK_UNROLL
  for (int i = 0; i < n; i++) {
    const int fi = f.limb[i], gi = g.limb[i];
    sum_f += product(t.u, fi) + product(t.v, gi);
    sum_g += product(t.q, fi) + product(t.r, gi);
    if (i > 0) {  // limb 0 of both sums is zero
      f.limb[i - 1] = low30(sum_f);
      g.limb[i - 1] = low30(sum_g);
    }
    sum_f >>= 30;
    sum_g >>= 30;
  }
  f.limb[n - 1] = static_cast<int>(sum_f);
  g.limb[n - 1] = static_cast<int>(sum_g);
}

// The same modulo p: a multiple of p makes the division by 2^30 exact. d and e stay in (-2p, p).
template <int n>
__device__ __forceinline__ void apply_modulo(const Transition& t, Signed30<n>& d, Signed30<n>& e,
                                             const Signed30<n>& p, uint32_t p_inverse) {
  // Adding p to negative d and e first brings them into (-p, p).
  const int d_sign = d.limb[n - 1] >> 31, e_sign = e.limb[n - 1] >> 31;
  int d_multiple = (t.u & d_sign) + (t.v & e_sign);
  int e_multiple = (t.q & d_sign) + (t.r & e_sign);
  int64_t sum_d = product(t.u, d.limb[0]) + product(t.v, e.limb[0]);
  int64_t sum_e = product(t.q, d.limb[0]) + product(t.r, e.limb[0]);
  d_multiple -= static_cast<int>(
      (p_inverse * static_cast<uint32_t>(sum_d) + static_cast<uint32_t>(d_multiple)) & mask30);
  e_multiple -= static_cast<int>(
      (p_inverse * static_cast<uint32_t>(sum_e) + static_cast<uint32_t>(e_multiple)) & mask30);
  sum_d = (sum_d + product(p.limb[0], d_multiple)) >> 30;
  sum_e = (sum_e + product(p.limb[0], e_multiple)) >> 30;
  ZK_UNROLL
  for (int i = 1; i < n; i++) {
    const int di = d.limb[i], ei = e.limb[i];
    sum_d += product(t.u, di) + product(t.v, ei) + product(p.limb[i], d_multiple);
    sum_e += product(t.q, di) + product(t.r, ei) + product(p.limb[i], e_multiple);
    d.limb[i - 1] = low30(sum_d);
    e.limb[i - 1] = low30(sum_e);
    sum_d >>= 30;
    sum_e >>= 30;
  }
  d.limb[n - 1] = static_cast<int>(sum_d);
  e.limb[n - 1] = static_cast<int>(sum_e);
}

}  // namespace steps

// 1 / a, and 0 for 0. Should limbs of `a` be p or more, as a faulty program may leave them, the
// steps end all the same: they are as many as bring any such value to 0.
template <class P>
__device__ __noinline__ Fp<P> invert(const Fp<P> a) {
  constexpr int n = (64 * P::N + 2 + 29) / 30;
  using Integer = steps::Signed30<n>;
  const Limbs<P::N> modulus = P::modulus();
  const Limbs<P::N> radix_squared = P::radix();  // R as an element: the integer R^2 mod p
  const Integer p = Integer::template from_words<P::N>(modulus.limb);
  const uint32_t p_inverse = -static_cast<uint32_t>(P::negative_inverse);
  // Invariants: f = d (a R) / R^2 and g = e (a R) / R^2 modulo p. At the end f is 1 or -1, so that
  // d is R / a, up to sign.
  Integer f = p, g = Integer::template from_words<P::N>(a.limb);
  Integer d, e = Integer::template from_words<P::N>(radix_squared.limb);
  ZK_UNROLL
  for (int i = 0; i < n; i++) d.limb[i] = 0;
  int eta = -1;
#pragma unroll 1
  for (int turn = 0; turn < 2 * (64 * P::N) / 30 + 20 && !g.is_zero(); turn++) {
    const steps::Transition t = steps::division_steps(eta, static_cast<uint32_t>(f.limb[0]),
                                                      static_cast<uint32_t>(g.limb[0]));
    steps::apply_modulo(t, d, e, p, p_inverse);
    steps::apply(t, f, g);
  }
  d.negate_and_add(false, p, d.is_negative());
  d.negate_and_add(f.is_negative(), p, false);
  d.negate_and_add(false, p, d.is_negative());
  Fp<P> result;
  d.template to_words<P::N>(result.limb);
  return result;
}

}  // namespace zkrun
