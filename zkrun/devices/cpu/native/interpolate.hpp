// The polynomial through given points.
//
// Lagrange's formula over M(X) = prod_j (X - x_j):
//   f = sum_i y_i / M'(x_i) * M / (X - x_i)
// with one inversion for all M'(x_i), in O(n^2) multiplications.
#pragma once

#include <cstddef>
#include <vector>

#include "context.hpp"
#include "field.hpp"
#include "view.hpp"

namespace zkrun {

// The coefficients of the polynomial of degree below n = coefficients.size() with f(x_i) = y_i.
// False, and nothing written, where two x are equal.
template <class F>
bool interpolate(Context& context, const Elements<F>& coefficients, const std::vector<F>& x,
                 const std::vector<F>& y) {
  const size_t n = x.size();

  // M, whose leading coefficient is 1.
  Scratch<F> vanishing(context, n + 1);
  vanishing[0] = F::one();
  for (size_t i = 0; i < n; i++) {
    context.check();
    vanishing[i + 1] = vanishing[i];
    for (size_t j = i; j > 0; j--) vanishing[j] = vanishing[j - 1] - x[i] * vanishing[j];
    vanishing[0] *= -x[i];
  }

  // M'(x_i), which is 0 exactly where x_i is repeated; M' from its highest coefficient on.
  Scratch<F> slopes(context, n), products(context, n + 1);
  products[0] = F::one();
  for (size_t i = 0; i < n; i++) {
    context.check();
    F slope = F::zero(), quotient = F::zero();
    // With q = M / (X - x_i), coefficient by coefficient, M'(x_i) = q(x_i).
    for (size_t j = n; j-- > 0;) {
      quotient = quotient * x[i] + vanishing[j + 1];
      slope = slope * x[i] + quotient;
    }
    if (slope.is_zero()) return false;
    slopes[i] = slope;
    products[i + 1] = products[i] * slope;
  }

  F inverse = products[n].inverse();  // of the product of the first slopes
  Scratch<F> result(context, n);
  for (size_t i = 0; i < n; i++) result[i] = F::zero();
  for (size_t i = n; i-- > 0;) {
    context.check();
    const F weight = y[i] * inverse * products[i];
    inverse *= slopes[i];
    F quotient = F::zero();
    for (size_t j = n; j-- > 0;) {
      quotient = quotient * x[i] + vanishing[j + 1];
      result[j] += weight * quotient;
    }
  }
  copy_out(coefficients, result.data());
  return true;
}

}  // namespace zkrun
