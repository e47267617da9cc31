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
inline constexpr size_t block_vectors = 2;
inline constexpr size_t block_lanes = 8 * block_vectors;
#else
inline constexpr size_t block_lanes = 1;
#endif

// Block k is [k length, (k + 1) length), and `block_lanes` blocks at a time are a group.
struct Blocks {
  size_t length = 0, groups = 0;

  explicit Blocks(size_t size) {
    constexpr size_t group = 4096;  // elements, roughly
    if (size < 16 * block_lanes) return;
    if (block_lanes == 1 && threads() == 1) return;  // a second pass would be for nothing
    groups = (size + group / 2) / group;
    if (groups == 0) groups = 1;
    length = size / (groups * block_lanes);
    // Lanes whose distance is a multiple of a page would compete for the same lines of the cache.
    if (length % 8 == 0) length -= 4;
  }
  size_t count() const { return groups * block_lanes; }
  size_t covered() const { return count() * length; }
};

// The values of the blocks as polynomials at x: result[k] = sum over j of a[k length + j] x^j.
template <class F>
void evaluate_blocks(const Context& context, const F* a, const Blocks& blocks, const F& x,
                     F* result) {
  parallel_tasks(context, blocks.groups, [&, length = blocks.length](size_t group) {
    const size_t first = group * block_lanes;
    const F* start = a + first * length;
#ifdef __AVX512IFMA__
    using P = typename F::Parameters;
    const Fp8<P> factor = Fp8<P>::broadcast(x);
    Fp8<P, 3> sum[block_vectors];
    for (auto& lanes : sum) lanes = Fp8<P, 3>::zero();
    for (size_t j = length; j-- > 0;) {
      ZK_UNROLL
      for (size_t v = 0; v < block_vectors; v++) {
        const F* row = start + 8 * v * length + j;
        sum[v] = sum[v] * factor + Fp8<P>::load_unconverted_rows([=](size_t lane) {
                   return row[lane * length].limb;
                 });
      }
    }
    for (size_t v = 0; v < block_vectors; v++) sum[v].store_unconverted(result + first + 8 * v);
#else
    F sum = F::zero();
    for (size_t j = length; j-- > 0;) sum = sum * x + start[j];
    result[first] = sum;
#endif
  });
}

// sum of a[i] x^i, over contiguous elements.
template <class F>
F evaluate_run(Context& context, const F* a, size_t size, const F& x) {
  const Blocks blocks(size);
  Scratch<F> values(context, blocks.count());
  evaluate_blocks(context, a, blocks, x, values.data());
  F sum = F::zero();
  for (size_t i = size; i-- > blocks.covered();) sum = sum * x + a[i];
  const F step = x.pow(blocks.length);
  for (size_t k = blocks.count(); k-- > 0;) sum = sum * step + values[k];
  return sum;
}

// sum of a[i] x^i.
template <class F>
F evaluate(Context& context, const View& polynomial, const F& x) {
  const Elements<F> a(polynomial);
  F sum = F::zero();
  size_t done = 0;
  for_each_run(
      0, a.size(),
      [&](size_t count, const F* from) {
        const F value = evaluate_run(context, from, count, x);
        sum += done == 0 ? value : value * x.pow(done);
        done += count;
      },
      a);
  return sum;
}

// q[i] = p[i] + b q[i + 1] over contiguous elements, where the last q + 1 is `sum`. Returns q[0].
template <class F>
F divide_run(Context& context, F* q, const F* p, size_t size, const F& b, F sum) {
  const Blocks blocks(size);
  Scratch<F> values(context, blocks.count());
  evaluate_blocks(context, p, blocks, b, values.data());

  // values[k] becomes the sum that enters block k from above.
  for (size_t i = size; i-- > blocks.covered();) q[i] = sum = sum * b + p[i];
  const F step = b.pow(blocks.length);
  for (size_t k = blocks.count(); k-- > 0;) {
    const F entering = sum;
    sum = sum * step + values[k];
    values[k] = entering;
  }

  parallel_tasks(context, blocks.groups, [&, length = blocks.length](size_t group) {
    const size_t first = group * block_lanes;
    const size_t start = first * length;
#ifdef __AVX512IFMA__
    using P = typename F::Parameters;
    const Fp8<P> factor = Fp8<P>::broadcast(b);
    Fp8<P, 3> running[block_vectors];
    for (size_t v = 0; v < block_vectors; v++) {
      running[v] = Fp8<P>::load_unconverted(&values[first + 8 * v]);
    }
    for (size_t j = length; j-- > 0;) {
      ZK_UNROLL
      for (size_t v = 0; v < block_vectors; v++) {
        const size_t at = start + 8 * v * length + j;
        const F* from = p + at;
        F* to = q + at;
        running[v] = running[v] * factor + Fp8<P>::load_unconverted_rows([=](size_t lane) {
                       return from[lane * length].limb;
                     });
        running[v].store_unconverted_rows([=](size_t lane) { return to[lane * length].limb; });
      }
    }
#else
    F running = values[first];
    for (size_t i = start + length; i-- > start;) q[i] = running = running * b + p[i];
#endif
  });
  return sum;
}

// q = (p(X) - p(b)) / (X - b): synthetic division, q[i] = p[i + 1] + b q[i + 1], where the last q
// is 0. This is Horner's rule with all sums kept.
template <class F>
void kate_division(Context& context, const View& quotient, const View& polynomial, const F& b) {
  const Elements<F> q(quotient);
  if (q.size() == 0) return;
  const size_t size = q.size() - 1;
  F sum = q[size] = F::zero();
  for_each_run_backwards(
      0, size,
      [&](size_t count, F* to, const F* from) {
        sum = divide_run(context, to, from, count, b, sum);
      },
      q, Elements<F>(part(polynomial, 1, size)));
}

// One pass of scan_mul over the blocks: block k starts from values[k] (write) or from 1, and goes
// through its factors. It writes its running products to z, or only the last one to values[k].
template <bool write, class F>
void scan_blocks(const Context& context, F* z, const F* a, const Blocks& blocks, F* values) {
  parallel_tasks(context, blocks.groups, [&, length = blocks.length](size_t group) {
    const size_t first = group * block_lanes;
    const size_t start = first * length;
#ifdef __AVX512IFMA__
    using P = typename F::Parameters;
    Fp8<P> running[block_vectors];
    for (size_t v = 0; v < block_vectors; v++) {
      running[v] = write ? Fp8<P, 1>::load_unconverted(values + first + 8 * v)
                         : Fp8<P, 1>::broadcast_unconverted(F::one());
    }
    for (size_t j = 0; j < length; j++) {
      ZK_UNROLL
      for (size_t v = 0; v < block_vectors; v++) {
        const size_t at = start + 8 * v * length + j;
        const F* from = a + at;
        if constexpr (write) {
          F* to = z + at;
          running[v].store_unconverted_rows([=](size_t lane) { return to[lane * length].limb; });
        }
        running[v] = running[v] * Fp8<P>::load_rows([=](size_t lane) {
                       return from[lane * length].limb;
                     });
      }
    }
    if constexpr (!write) {
      for (size_t v = 0; v < block_vectors; v++) {
        running[v].store_unconverted(values + first + 8 * v);
      }
    }
#else
    F running = write ? values[first] : F::one();
    for (size_t i = start; i < start + length; i++) {
      if constexpr (write) z[i] = running;
      running *= a[i];
    }
    if constexpr (!write) values[first] = running;
#endif
  });
}

// z[i] = `running` times the product of a[j], j < i, over contiguous elements. Returns the product
// that would be next.
template <class F>
F scan_run(Context& context, F* z, const F* a, size_t size, F running) {
  const Blocks blocks(size);
  Scratch<F> values(context, blocks.count());
  scan_blocks<false>(context, z, a, blocks, values.data());
  for (F& value : values) {
    const F product = value;
    value = running;
    running *= product;
  }
  scan_blocks<true>(context, z, a, blocks, values.data());
  for (size_t i = blocks.covered(); i < size; i++) {
    z[i] = running;
    running *= a[i];
  }
  return running;
}

// z[0] = z0, z[i] = z[i - 1] a[i - 1]; a has the length of z or one less.
template <class F>
void scan_mul(Context& context, const View& products, const View& factors, const F& z0) {
  const Elements<F> z(products);
  if (z.size() == 0) return;
  const size_t steps = z.size() - 1;
  F running = z0;
  for_each_run(
      0, steps,
      [&](size_t count, F* to, const F* from) {
        running = scan_run(context, to, from, count, running);
      },
      z, Elements<F>(factors));
  z[steps] = running;
}

}  // namespace zkrun
