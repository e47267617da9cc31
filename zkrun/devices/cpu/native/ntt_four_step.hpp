// Transforms of any larger size in two passes over memory (Bailey's four-step algorithm).
//
// The array of n = rows * columns elements is read as a matrix, x[r * columns + c]. With
// k = k1 + rows * k2, r < rows, c < columns, and w^n = 1,
//
//   y[k] = sum_c (w^rows)^(c k2) * w^(c k1) * sum_r (w^columns)^(r k1) x[r * columns + c]
//
// so pass 1 transforms columns and multiplies by w^(c k1); pass 2 transforms rows. Both take eight
// neighbouring columns (rows) at a time, which fit in the second-level cache up to n = 2^21. What
// lies between them is kept in vectors: element (k1, c) is lane k1 mod 8 of vector
// (k1 / 8) * columns + c.
//
// A coset and the factor 1/n of the inverse cost next to nothing. Forward, x[r * columns + c] is
// to be multiplied by g^(r * columns) g^c: the first makes pass 1 a transform over the coset
// g^columns, the second joins w^(c k1). Inverse, y[k] is to be multiplied by
// h^k1 (h^rows)^k2 / n, h = 1/g: the first and 1/n join w^(c k1), only the second is a
// multiplication of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "context.hpp"
#include "ntt_column.hpp"
#include "ntt_key.hpp"
#include "pool.hpp"

namespace zkrun {

template <class Lanes>
struct FourStepPlan {
  using F = typename Lanes::F;

  static constexpr int min_log_size = 6;  // eight rows and eight columns
  static constexpr int max_log_size = 2 * Lanes::max_log_size;

  size_t rows, columns;
  F root;                                // w
  F column_coset;                        // g
  F row_coset;                           // h
  F scale;                               // 1 or 1/n
  ColumnPlan<Lanes> column_plan;         // of pass 1
  ColumnPlan<Lanes> row_plan;            // of pass 2
  typename Lanes::Vector root_powers;    // w^0 .. w^7
  typename Lanes::Vector coset_powers;   // g^0 .. g^7
  typename Lanes::Vector output_powers;  // h^0 .. h^7
  std::vector<typename Lanes::Constant> output_factors;  // (h^rows)^k2, empty where h = 1

  explicit FourStepPlan(const NttKey<F>& key)
      : rows(size_t{1} << (key.k + 1) / 2),
        columns(size_t{1} << key.k / 2),
        root(key.transform_root()),
        column_coset(key.inverse ? F::one() : key.coset),
        row_coset(key.output_coset()),
        scale(key.scale()),
        column_plan((key.k + 1) / 2, root.pow(columns), column_coset.pow(columns)),
        row_plan(key.k / 2, root.pow(rows), F::one()),
        root_powers(powers(root)),
        coset_powers(powers(column_coset)),
        output_powers(powers(row_coset)) {
    if (row_coset == F::one()) return;
    const F step = row_coset.pow(rows);
    F factor = F::one();
    output_factors.reserve(columns);
    for (size_t i = 0; i < columns; i++, factor *= step) {
      output_factors.push_back(Lanes::constant(factor));
    }
  }

  size_t bytes() const {
    return sizeof *this + column_plan.bytes() + row_plan.bytes() +
           output_factors.size() * sizeof(typename Lanes::Constant);
  }

 private:
  static typename Lanes::Vector powers(const F& base) {
    F values[8] = {F::one()};
    for (int i = 1; i < 8; i++) values[i] = values[i - 1] * base;
    return Lanes::factors(values);
  }
};

// Pass 1 of columns c .. c + 7; y is room for `rows` vectors.
template <class Lanes>
void transform_columns(const FourStepPlan<Lanes>& plan, const typename Lanes::F* x, size_t c,
                       typename Lanes::Vector* between, typename Lanes::Vector* y) {
  using Vector = typename Lanes::Vector;
  constexpr size_t ahead = 4;  // rows to fetch early: no hardware prefetcher follows such strides
  column_transform<Lanes>(y, plan.column_plan, [&](size_t r) __attribute__((always_inline)) {
    Lanes::prefetch(x + (r + ahead) % plan.rows * plan.columns + c);
    return Lanes::load(x + r * plan.columns + c);
  });

  // In lane l: step = w^(c + l) h, factor[j] = g^(c + l) step^(k1 + j) / n.
  const Vector step = Lanes::multiply(
      plan.root_powers, Lanes::broadcast_factor(plan.root.pow(c) * plan.row_coset));
  Vector factor[8];
  factor[0] = Lanes::multiply(plan.coset_powers,
                              Lanes::broadcast_factor(plan.column_coset.pow(c) * plan.scale));
  for (int j = 1; j < 8; j++) factor[j] = Lanes::multiply(factor[j - 1], step);
  Vector step8 = step;
  for (int i = 0; i < 3; i++) step8 = Lanes::multiply(step8, step8);

  Vector* target = between + c;
  for (size_t k1 = 0; k1 < plan.rows; k1 += 8, target += plan.columns) {
    Vector tile[8];
    for (int j = 0; j < 8; j++) {
      tile[j] = Lanes::multiply(Lanes::settled(y[k1 + j]), factor[j]);
      factor[j] = Lanes::multiply(factor[j], step8);
    }
    Lanes::transpose(tile);
    for (int j = 0; j < 8; j++) target[j] = tile[j];
  }
}

// Pass 2 of rows k1 .. k1 + 7; y is room for `columns` vectors.
template <class Lanes>
void transform_rows(const FourStepPlan<Lanes>& plan, const typename Lanes::Vector* between,
                    size_t k1, typename Lanes::F* x, typename Lanes::Vector* y) {
  const typename Lanes::Vector* source = between + k1 / 8 * plan.columns;
  column_transform<Lanes>(y, plan.row_plan,
                          [&](size_t c) __attribute__((always_inline)) { return source[c]; });
  const bool scaled = !plan.output_factors.empty();
  for (size_t k2 = 0; k2 < plan.columns; k2++) {
    typename Lanes::F* target = x + k2 * plan.rows + k1;
    if (scaled) {
      Lanes::store(target, Lanes::scale(Lanes::settled(y[k2]), plan.output_factors[k2]));
    } else {
      Lanes::store(target, y[k2]);
    }
  }
}

// In place, natural order in and out.
template <class Lanes>
void four_step_ntt(Context& context, const FourStepPlan<Lanes>& plan, typename Lanes::F* x) {
  using Vector = typename Lanes::Vector;
  constexpr size_t piece_elements = size_t{1} << 12;  // some 0.1 ms, worth handing to a thread
  Scratch<Vector> between(context, plan.rows * plan.columns / 8);
  const auto in_eights = [&](size_t count, size_t length, auto&& transform) {
    const size_t grain = std::max<size_t>(1, piece_elements / (8 * length));
    parallel_for(context, count / 8, grain, [&](size_t begin, size_t end) {
      Scratch<Vector> y(context, length);
      for (size_t i = begin; i < end; i++) {
        context.check();
        transform(8 * i, y.data());
      }
    });
  };
  in_eights(plan.columns, plan.rows, [&](size_t c, Vector* y) {
    transform_columns(plan, x, c, between.data(), y);
  });
  in_eights(plan.rows, plan.columns, [&](size_t k1, Vector* y) {
    transform_rows(plan, between.data(), k1, x, y);
  });
}

}  // namespace zkrun
