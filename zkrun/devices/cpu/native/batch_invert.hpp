// Many inversions for the price of one and three multiplications each (Montgomery's trick).
#pragma once

#include "elementwise.hpp"
#include "inversion.hpp"

namespace zkrun {

// Elements that share one inversion: enough to make it cheap, few enough for the caches.
inline constexpr size_t inversion_block = 1024;

// x[i] = 1 / x[i] for `count` consecutive elements, zeros stay zero. `prefix` has room for `count`.
template <class F>
void invert_run(F* x, size_t count, F* prefix) {
  F product = F::one();
  for (size_t i = 0; i < count; i++) {
    prefix[i] = product;
    if (!x[i].is_zero()) product *= x[i];
  }
  F inverse = invert(product);
  for (size_t i = count; i-- > 0;) {
    if (x[i].is_zero()) continue;
    const F value = x[i];
    x[i] = inverse * prefix[i];
    inverse *= value;
  }
}

#ifdef __AVX512IFMA__
// The same for a multiple of 8 elements, each lane with a product of its own.
template <class F>
void invert_run(F* x, size_t count, Fp8<typename F::Parameters>* prefix) {
  using P = typename F::Parameters;
  using V = Fp8<P>;
  // Zeros take part as ones. The loaded bound times 2 is within capacity, so nothing is reduced.
  const auto load_nonzero = [x](size_t i) {
    const auto values = V::load(x + i);
    return select(Fp8<P, 1>::load_unconverted(x + i).is_zero_mask(), V::one(), values);
  };
  V product = V::one();
  for (size_t i = 0; i < count; i += 8) {
    prefix[i / 8] = product;
    product = product * load_nonzero(i);
  }
  F lanes[8], spare[8];
  product.store(lanes);
  invert_run(lanes, 8, spare);
  V inverse = V::load_unconverted(lanes);
  for (size_t i = count; i > 0;) {
    i -= 8;
    const __mmask8 zero = Fp8<P, 1>::load_unconverted(x + i).is_zero_mask();
    const V result = inverse * prefix[i / 8];
    inverse = inverse * load_nonzero(i);
    select(zero, V::zero(), result).store_unconverted(x + i);
  }
}
#endif

template <class F>
void batch_invert(Context& context, const View& a) {
  const Elements<F> elements(a);
  parallel_for(context, elements.size(), inversion_block, [&](size_t begin, size_t end) {
    Scratch<F> prefix(context, inversion_block);
#ifdef __AVX512IFMA__
    Scratch<Fp8<typename F::Parameters>> vector_prefix(context, inversion_block / 8);
#endif
    const auto block = [&](size_t count, F* x) {
#ifdef __AVX512IFMA__
      const size_t vectors = count >= 64 ? count / 8 * 8 : 0;
      if (vectors > 0) invert_run(x, vectors, vector_prefix.data());
      x += vectors;
      count -= vectors;
#endif
      if (count > 0) invert_run(x, count, prefix.data());
    };
    for (size_t i = begin; i < end; i += inversion_block) {
      context.check();
      for_each_run(i, std::min(i + inversion_block, end), block, elements);
    }
  });
}

}  // namespace zkrun
