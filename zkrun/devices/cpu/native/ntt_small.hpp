// Transforms of at most 2^5 elements, too small for eight columns and eight rows.
#pragma once

#include <cstddef>

#include "ntt_key.hpp"

namespace zkrun {

inline constexpr int small_ntt_max_log_size = 5;

// a[j] *= first * base^j
template <class F>
void multiply_by_powers(F* a, size_t n, const F& base, const F& first) {
  F factor = first;
  for (size_t j = 0; j < n; j++, factor *= base) a[j] *= factor;
}

// Decimation in time, radix 2, in place.
template <class F>
void small_ntt(F* a, const NttKey<F>& key) {
  const size_t n = size_t{1} << key.k;
  if (!key.inverse && key.coset != F::one()) multiply_by_powers(a, n, key.coset, F::one());

  F y[size_t{1} << small_ntt_max_log_size];
  for (size_t j = 0; j < n; j++) y[bit_reverse(j, key.k)] = a[j];
  const F root = key.transform_root();
  for (size_t half = 1; half < n; half *= 2) {
    const F step = root.pow(n / (2 * half));
    for (size_t start = 0; start < n; start += 2 * half) {
      F twiddle = F::one();
      for (size_t j = start; j < start + half; j++, twiddle *= step) {
        const F odd = y[j + half] * twiddle;
        y[j + half] = y[j] - odd;
        y[j] += odd;
      }
    }
  }
  for (size_t j = 0; j < n; j++) a[j] = y[j];

  if (key.inverse) multiply_by_powers(a, n, key.output_coset(), key.scale());
}

}  // namespace zkrun
