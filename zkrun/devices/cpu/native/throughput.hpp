// How fast this build multiplies: the yardstick of the benches.
#pragma once

#include <chrono>

#include "field.hpp"
#include "field_ifma.hpp"

namespace zkrun {

// Seconds that `rounds` rounds of 16 independent x = x y take, with data in the first-level cache.
template <class V>
double time_products(int64_t rounds, V* x, const V* y) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t round = 0; round < rounds; round++) {
    for (int i = 0; i < 16; i++) x[i] = x[i] * y[i];
    asm volatile("" : : "r"(x) : "memory");
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds for n multiplications (rounded up to whole rounds, then scaled back) on one thread:
// one by one, or with vectors where this build has them.
template <class F>
double multiplications(int64_t n, bool vector) {
  F x[16], y[16];
  F value = F::constant(F::Parameters::generator());
  for (int i = 0; i < 16; i++) {
    x[i] = value = value.square() + F::one();
    y[i] = value = value.square() + F::one();
  }
  int64_t lanes = 1;
  double seconds;
  int64_t rounds;
#ifdef __AVX512IFMA__
  if (vector) {
    using V = Fp8<typename F::Parameters>;
    V vx[16], vy[16];
    for (int i = 0; i < 16; i++) vx[i] = V::broadcast(x[i]), vy[i] = V::broadcast(y[i]);
    lanes = 8;
    rounds = (n + 16 * lanes - 1) / (16 * lanes);
    seconds = time_products(rounds, vx, vy);
  } else
#else
  static_cast<void>(vector);
#endif
  {
    rounds = (n + 15) / 16;
    seconds = time_products(rounds, x, y);
  }
  return rounds > 0 ? seconds * static_cast<double>(n) / static_cast<double>(rounds * 16 * lanes)
                    : 0.0;
}

}  // namespace zkrun
