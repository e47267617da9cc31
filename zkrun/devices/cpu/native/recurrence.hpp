// Functions of Fr in which each element depends on its neighbour: evaluation (Horner's rule),
// division by X - b, and running products.
//
// To keep lanes and threads busy, the array is cut into blocks of one length, each worked on by one
// lane. A first pass finds what each block does to a value that goes through it, a short serial
// pass finds the value that enters each block, and a second pass, where one is needed, writes the
// results. What does not fill the blocks is a tail at the end, done serially.
#pragma once

#include "elementwise.hpp"

namespace zkrun {

#ifdef __AVX512IFMA__
// Two vectors side by side, as one chain of products would leave the multipliers waiting.
inline constexpr size_t block_lanes = 16;
#else
inline constexpr size_t block_lanes = 1;
#endif

struct Blocks {
  size_t length, count;  // `count` is a multiple of block_lanes

  explicit Blocks(size_t size) {
    constexpr size_t group = 4096;  // elements of the blocks worked on together
    length = group / block_lanes;
    if (block_lanes == 1 && threads() == 1) length = size + 1;
    if (size < group) length = size / block_lanes;
    if (length < 8) length = size + 1;
    count = size / (length * block_lanes) * block_lanes;
  }
  size_t covered() const { return length * count; }
};

// The values of the blocks as polynomials at x: result[k] = sum over j of a[k length + j] x^j.
template <class F>
void evaluate_blocks(const Context& context, const Elements<F>& a, const Blocks& blocks, const F& x,
                     F* result) {
  parallel_tasks(context, blocks.count / block_lanes, [&](size_t group) {
    const size_t first = group * block_lanes;
#ifdef __AVX512IFMA__
    using P = typename F::Parameters;
    const Fp8<P> factor = Fp8<P>::broadcast(x);
    Fp8<P, 3> sum[2] = {Fp8<P, 3>::zero(), Fp8<P, 3>::zero()};
    for (size_t j = blocks.length; j-- > 0;) {
      ZK_UNROLL
      for (size_t v = 0; v < 2; v++) {
        const auto row = [&](size_t lane) {
          return a.at((first + 8 * v + lane) * blocks.length + j)->limb;
        };
        sum[v] = sum[v] * factor + Fp8<P>::load_unconverted_rows(row);
      }
    }
    for (size_t v = 0; v < 2; v++) sum[v].store_unconverted(result + first + 8 * v);
#else
    F sum = F::zero();
    for (size_t j = blocks.length; j-- > 0;) sum = sum * x + a[first * blocks.length + j];
    result[first] = sum;
#endif
  });
}

// sum of a[i] x^i.
template <class F>
F evaluate(Context& context, const Elements<F>& a, const F& x) {
  const Blocks blocks(a.size());
  Scratch<F> values(context, blocks.count);
  evaluate_blocks(context, a, blocks, x, values.data());
  F sum = F::zero();
  for (size_t i = a.size(); i-- > blocks.covered();) sum = sum * x + a[i];
  const F step = x.pow(blocks.length);
  for (size_t k = blocks.count; k-- > 0;) sum = sum * step + values[k];
  return sum;
}

// q = (p(X) - p(b)) / (X - b): synthetic division, q[i] = p[i + 1] + b q[i + 1], where the last q
// is 0. With s[i] = q[i - 1] this reads s[i] = p[i] + b s[i + 1], Horner's rule with all sums kept.
template <class F>
void kate_division(Context& context, const Elements<F>& q, const Elements<F>& p, const F& b) {
  const size_t size = p.size();
  if (size == 0) return;
  const Blocks blocks(size);
  Scratch<F> values(context, blocks.count);
  evaluate_blocks(context, p, blocks, b, values.data());

  // values[k] becomes the sum that enters block k from above.
  F sum = F::zero();
  q[size - 1] = sum;
  const auto emit = [&q](size_t i, const F& s) {
    if (i > 0) q[i - 1] = s;
  };
  for (size_t i = size; i-- > blocks.covered();) {
    sum = sum * b + p[i];
    emit(i, sum);
  }
  const F step = b.pow(blocks.length);
  for (size_t k = blocks.count; k-- > 0;) {
    const F entering = sum;
    sum = sum * step + values[k];
    values[k] = entering;
  }

  parallel_tasks(context, blocks.count / block_lanes, [&](size_t group) {
    const size_t first = group * block_lanes;
#ifdef __AVX512IFMA__
    using P = typename F::Parameters;
    const Fp8<P> factor = Fp8<P>::broadcast(b);
    Fp8<P, 3> running[2] = {Fp8<P>::load_unconverted(&values[first]),
                            Fp8<P>::load_unconverted(&values[first + 8])};
    for (size_t j = blocks.length; j-- > 0;) {
      ZK_UNROLL
      for (size_t v = 0; v < 2; v++) {
        const auto index = [&](size_t lane) { return (first + 8 * v + lane) * blocks.length + j; };
        const auto from = [&](size_t lane) { return p.at(index(lane))->limb; };
        running[v] = running[v] * factor + Fp8<P>::load_unconverted_rows(from);
        F unwanted;  // s[0] is p(b), which is no coefficient of q
        running[v].store_unconverted_rows([&](size_t lane) {
          return index(lane) > 0 ? q.at(index(lane) - 1)->limb : unwanted.limb;
        });
      }
    }
#else
    F running = values[first];
    for (size_t j = blocks.length; j-- > 0;) {
      const size_t i = first * blocks.length + j;
      running = running * b + p[i];
      emit(i, running);
    }
#endif
  });
}

// z[0] = z0, z[i] = z[i - 1] a[i - 1]; a has the length of z or one less.
template <class F>
void scan_mul(Context& context, const Elements<F>& z, const Elements<F>& a, const F& z0) {
  if (z.size() == 0) return;
  const size_t steps = z.size() - 1;
  const Blocks blocks(steps);
  Scratch<F> values(context, blocks.count);

  const auto pass = [&](bool write) {
    parallel_tasks(context, blocks.count / block_lanes, [&](size_t group) {
      const size_t first = group * block_lanes;
#ifdef __AVX512IFMA__
      using P = typename F::Parameters;
      const auto start = [&](size_t v) -> Fp8<P> {
        if (write) return Fp8<P>::load_unconverted(&values[first + 8 * v]);
        return Fp8<P>::broadcast_unconverted(F::one());
      };
      Fp8<P> running[2] = {start(0), start(1)};
      for (size_t j = 0; j < blocks.length; j++) {
        ZK_UNROLL
        for (size_t v = 0; v < 2; v++) {
          const auto index = [&](size_t lane) {
            return (first + 8 * v + lane) * blocks.length + j;
          };
          const auto to = [&](size_t lane) { return z.at(index(lane))->limb; };
          const auto from = [&](size_t lane) { return a.at(index(lane))->limb; };
          if (write) running[v].store_unconverted_rows(to);
          running[v] = running[v] * Fp8<P>::load_rows(from);
        }
      }
      if (!write) {
        for (size_t v = 0; v < 2; v++) running[v].store_unconverted(&values[first + 8 * v]);
      }
#else
      F running = write ? values[first] : F::one();
      for (size_t j = 0; j < blocks.length; j++) {
        const size_t i = first * blocks.length + j;
        if (write) z[i] = running;
        running *= a[i];
      }
      if (!write) values[first] = running;
#endif
    });
  };

  pass(false);
  F running = z0;
  for (size_t k = 0; k < blocks.count; k++) {
    const F product = values[k];
    values[k] = running;
    running *= product;
  }
  pass(true);
  for (size_t i = blocks.covered(); i < steps; i++) {
    z[i] = running;
    running *= a[i];
  }
  z[steps] = running;
}

}  // namespace zkrun
