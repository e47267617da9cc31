// Transforms of eight columns at once, the inner step of ntt_four_step.hpp.
//
// One transform of size n = 2^m over a coset h: y[k] = sum_j x[j] (h w^k)^j, decimation in time.
// The polynomial splits into its even and odd halves, x(z) = even(z^2) + z odd(z^2), down to single
// coefficients, which therefore start in bit-reversed order. Two layers at a time (radix 4), so
// that memory is touched half as often. Each element of the arrays here is a `Lanes::Vector`, a row
// of eight neighbouring columns, all of which go through the same butterflies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ntt_key.hpp"

namespace zkrun {

// The twiddle factors of a transform of size 2^m, in the order in which butterflies take them.
template <class Lanes>
struct ColumnPlan {
  using F = typename Lanes::F;
  using Constant = typename Lanes::Constant;
  using Twiddles = typename Lanes::Twiddles;

  int m;
  bool plain;  // h = 1: the first layers multiply by 1, and by a fourth root of unity
  Constant fourth_root;
  Constant first_radix2;           // of the first layer, where m is odd
  Twiddles first_radix4;           // of the first two layers, where m is even
  std::vector<Twiddles> twiddles;  // of all further layers, from the innermost on

  // `root` is a primitive 2^m-th root of unity w, m >= 3.
  ColumnPlan(int m, const F& root, const F& coset) : m(m), plain(coset == F::one()) {
    // w and h to the power 2^m / size, for each size of a sub-transform.
    std::vector<F> roots(m + 1, root), cosets(m + 1, coset);
    for (int i = m; i > 0; i--) {
      roots[i - 1] = roots[i].square();
      cosets[i - 1] = cosets[i].square();
    }
    const F turn = roots[2];
    fourth_root = Lanes::constant(turn);
    first_radix2 = Lanes::constant(cosets[1]);
    first_radix4 = layer(cosets[2], turn);
    twiddles.reserve(size_t{1} << (m - 1));
    for (int i = first_log(); i < m; i += 2) {  // butterflies of elements 2^i apart
      F point = cosets[i + 2];
      for (size_t j = 0; j < size_t{1} << i; j++) {
        twiddles.push_back(layer(point, turn));
        point *= roots[i + 2];
      }
    }
  }

  int first_log() const { return m % 2 ? 1 : 2; }
  size_t size() const { return size_t{1} << m; }
  size_t bytes() const { return twiddles.size() * sizeof(Twiddles); }

 private:
  static Twiddles layer(const F& point, const F& turn) {
    return {Lanes::constant(point.square()), Lanes::constant(point), Lanes::constant(point * turn)};
  }
};

// One radix-4 layer over y[0 .. length): blocks of 4 * stride elements. What the next layer will
// multiply, the odd blocks, is prepared for it (`multiplicand`).
template <class Lanes>
inline void radix4_layer(typename Lanes::Vector* y, size_t length, size_t stride,
                         size_t first_block, const typename Lanes::Twiddles* twiddles) {
  size_t block = first_block;
  for (size_t start = 0; start < length; start += 4 * stride, block++) {
    typename Lanes::Vector* a = y + start;
    if (block % 2) {
      for (size_t j = 0; j < stride; j++) {
        Lanes::template radix4<true>(a[j], a[j + stride], a[j + 2 * stride], a[j + 3 * stride],
                                     twiddles[j]);
      }
    } else {
      for (size_t j = 0; j < stride; j++) {
        Lanes::template radix4<false>(a[j], a[j + stride], a[j + 2 * stride], a[j + 3 * stride],
                                      twiddles[j]);
      }
    }
  }
}

// The first one or two layers, while elements come in: load(r) is coefficient r of each column.
template <class Lanes, class Load>
inline void first_layers(typename Lanes::Vector* y, const ColumnPlan<Lanes>& plan, Load load) {
  const size_t n = plan.size();
  const int step_log = plan.m - plan.first_log();
  for (size_t r = 0; r < n >> plan.first_log(); r++) {
    const size_t block = bit_reverse(r, step_log);
    typename Lanes::Vector* a = y + (block << plan.first_log());
    if (plan.m % 2) {
      a[0] = load(r);
      a[1] = load(r + n / 2);
      if (plan.plain) {
        Lanes::radix2(a[0], a[1]);
      } else {
        Lanes::radix2(a[0], a[1], plan.first_radix2);
      }
    } else {
      a[0] = load(r);
      a[1] = load(r + n / 2);
      a[2] = load(r + n / 4);
      a[3] = load(r + n / 4 * 3);
      if (plan.plain) {
        Lanes::radix4(a[0], a[1], a[2], a[3], plan.fourth_root);
      } else {
        Lanes::template radix4<false>(a[0], a[1], a[2], a[3], plan.first_radix4);
      }
    }
    if (block % 2) {
      for (size_t i = 0; i < size_t{1} << plan.first_log(); i++) {
        Lanes::template settle<true>(a[i]);
      }
    }
  }
}

// y[k] = the transform of what load(0 .. n - 1) gives, in natural order; y has n elements.
template <class Lanes, class Load>
inline void column_transform(typename Lanes::Vector* y, const ColumnPlan<Lanes>& plan, Load load) {
  first_layers<Lanes>(y, plan, load);
  const size_t n = plan.size();
  const size_t block = n < Lanes::block ? n : Lanes::block;
  const typename Lanes::Twiddles* twiddles = plan.twiddles.data();
  size_t stride = size_t{1} << plan.first_log();

  // Layers within a block that the first-level cache holds, block by block.
  size_t next_stride = stride;
  const typename Lanes::Twiddles* next_twiddles = twiddles;
  for (size_t start = 0; start < n; start += block) {
    next_stride = stride;
    next_twiddles = twiddles;
    for (; 4 * next_stride <= block; next_stride *= 4) {
      radix4_layer<Lanes>(y + start, block, next_stride, start / (4 * next_stride), next_twiddles);
      next_twiddles += next_stride;
    }
  }
  // Layers over all of it.
  for (; 4 * next_stride <= n; next_stride *= 4) {
    radix4_layer<Lanes>(y, n, next_stride, 0, next_twiddles);
    next_twiddles += next_stride;
  }
}

}  // namespace zkrun
