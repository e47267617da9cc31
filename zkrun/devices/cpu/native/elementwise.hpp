// Functions of Fr that treat each element by itself.
#pragma once

#include <algorithm>
#include <atomic>

#include "field.hpp"
#include "field_ifma.hpp"
#include "pool.hpp"
#include "view.hpp"

namespace zkrun {

// Elements a piece of a parallel loop has at least: some tens of microseconds of work.
inline constexpr size_t elementwise_grain = 1024;

// Calls body(count, pointers...) on all threads for contiguous runs that cover all arrays, which
// have one length.
template <class Body, class... Arrays>
void for_each_run_parallel(const Context& context, size_t size, Body&& body,
                           const Arrays&... arrays) {
  parallel_for(context, size, elementwise_grain, [&](size_t begin, size_t end) {
    for_each_run(begin, end, body, arrays...);
  });
}

// c = a + b or a - b, the shorter extended by zeros; c has the length of the longer.
template <class F, bool subtract>
void add_or_subtract(const Context& context, const View& c, const View& a, const View& b) {
  const Elements<F> out(c), left(a), right(b);
  const size_t common = std::min(left.size(), right.size());
  parallel_for(context, out.size(), elementwise_grain, [&](size_t begin, size_t end) {
    const size_t middle = std::clamp(common, begin, end);
    for_each_run(
        begin, middle,
        [&](size_t count, F* to, const F* x, const F* y) {
          for (size_t i = 0; i < count; i++) to[i] = subtract ? x[i] - y[i] : x[i] + y[i];
        },
        out, left, right);
    const auto copy = [](size_t count, F* to, const F* from) {
      std::memmove(static_cast<void*>(to), from, count * sizeof(F));
    };
    const auto negate = [](size_t count, F* to, const F* from) {
      for (size_t i = 0; i < count; i++) to[i] = -from[i];
    };
    if (left.size() > right.size()) {
      for_each_run(middle, end, copy, out, left);
    } else if (subtract) {
      for_each_run(middle, end, negate, out, right);
    } else {
      for_each_run(middle, end, copy, out, right);
    }
  });
}

// c = a b, element by element.
template <class F>
void multiply(const Context& context, const View& c, const View& a, const View& b) {
  const auto run = [](size_t count, F* to, const F* x, const F* y) {
    size_t i = 0;
#ifdef __AVX512IFMA__
    using V = Fp8<typename F::Parameters>;
    for (; i + 8 <= count; i += 8) {
      (V::load(x + i) * V::load_unconverted(y + i)).store_unconverted(to + i);
    }
#endif
    for (; i < count; i++) to[i] = x[i] * y[i];
  };
  for_each_run_parallel(context, c.size(), run, Elements<F>(c), Elements<F>(a), Elements<F>(b));
}

// c = a s for one factor s, given by value.
template <class F>
void scale(const Context& context, const Elements<F>& c, const Elements<F>& a, const F& s) {
  const auto run = [&s](size_t count, F* to, const F* x) {
    size_t i = 0;
#ifdef __AVX512IFMA__
    using V = Fp8<typename F::Parameters>;
    const V factor = V::broadcast(s);
    for (; i + 8 <= count; i += 8) {
      (V::load_unconverted(x + i) * factor).store_unconverted(to + i);
    }
#endif
    for (; i < count; i++) to[i] = x[i] * s;
  };
  for_each_run_parallel(context, c.size(), run, c, a);
}

// Plain integers below p to Montgomery form: a factor R^2 before the Montgomery reduction.
template <class F>
void to_montgomery(const Context& context, const View& a) {
  const Elements<F> elements(a);
  scale(context, elements, elements, F::constant(F::Parameters::radix()));
}

// And back, by the factor 1.
template <class F>
void from_montgomery(const Context& context, const View& a) {
  F plain_one = F::zero();
  plain_one.limb[0] = 1;
  const Elements<F> elements(a);
  scale(context, elements, elements, plain_one);
}

// The index of the first element whose limbs are not below p, or -1.
template <class F>
int64_t first_not_canonical(const Context& context, const View& a) {
  const Elements<F> elements(a);
  std::atomic<size_t> first{elements.size()};
  parallel_for(context, elements.size(), 4 * elementwise_grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) {
      if (F::is_canonical(elements[i].limb)) continue;
      size_t seen = first.load();
      while (i < seen && !first.compare_exchange_weak(seen, i)) {
      }
      return;
    }
  });
  return first < elements.size() ? static_cast<int64_t>(first) : -1;
}

// 0: all 0; 1: all 1; 2: 1, 0, 0, ...
template <class F>
void fill(const Context& context, const View& a, int kind) {
  const Elements<F> elements(a);
  const F value = kind == 1 ? F::one() : F::zero();
  const auto run = [&value](size_t count, F* to) { std::fill_n(to, count, value); };
  for_each_run_parallel(context, elements.size(), run, elements);
  if (kind == 2 && elements.size() > 0) elements[0] = F::one();
}

// a[i] = a[i] powers[i mod len(powers)].
template <class F>
void distribute_powers(const Context& context, const View& a, const View& powers) {
  const Elements<F> elements(a), factors(powers);
  if (elements.size() == 0 || factors.size() == 0) return;
  parallel_for(context, elements.size(), elementwise_grain, [&](size_t begin, size_t end) {
    while (begin < end) {
      const size_t at = begin % factors.size();
      const size_t count = std::min({end - begin, elements.run(begin), factors.run(at)});
      F* to = elements.at(begin);
      const F* factor = factors.at(at);
      size_t i = 0;
#ifdef __AVX512IFMA__
      using V = Fp8<typename F::Parameters>;
      for (; i + 8 <= count; i += 8) {
        (V::load(factor + i) * V::load_unconverted(to + i)).store_unconverted(to + i);
      }
#endif
      for (; i < count; i++) to[i] *= factor[i];
      begin += count;
    }
  });
}

}  // namespace zkrun
