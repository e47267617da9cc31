// halo2's permutation of a lookup's input and table (the halo2 book, "Lookup argument").
//
// a' is the input in ascending order. Where a value first occurs in a', t' has the same value;
// repeated rows take what is left of the table: its values in ascending order, into those rows
// from the last one backwards, which is where halo2_proofs' permute_expression_pair puts them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "field.hpp"
#include "pool.hpp"
#include "view.hpp"

namespace zkrun {

// The integer of a field element, ordered as one.
template <class F>
struct Canonical {
  uint64_t limb[F::N];

  explicit Canonical(const F& a) { a.to_canonical(limb); }
  F element() const { return F::from_canonical(limb); }
  bool operator==(const Canonical& other) const {
    return std::equal(limb, limb + F::N, other.limb);
  }
  bool operator<(const Canonical& other) const {
    for (int i = F::N - 1; i > 0; i--) {
      if (limb[i] != other.limb[i]) return limb[i] < other.limb[i];
    }
    return limb[0] < other.limb[0];
  }
};

inline constexpr size_t permute_grain = size_t{1} << 12;

template <class F>
void sort_canonical(Context& context, const Elements<F>& source, Canonical<F>* sorted, size_t n) {
  parallel_for(context, n, permute_grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) sorted[i] = Canonical<F>(source[i]);
  });
  // Between any two comparisons it may end: a flag costs nothing beside them.
  std::sort(sorted, sorted + n, [&](const Canonical<F>& one, const Canonical<F>& other) {
    context.check();
    return one < other;
  });
}

// Over the first `usable` rows; later rows of a' and t' are left as they were. Returns -1, or the
// first row of a whose value is not in t, and then a' and t' are untouched.
template <class F>
int64_t permute(Context& context, const Elements<F>& permuted_a, const Elements<F>& permuted_t,
                const Elements<F>& a, const Elements<F>& t, size_t usable) {
  Scratch<Canonical<F>> input(context, usable), table(context, usable);
  parallel_tasks(context, 2, [&](size_t i) {
    sort_canonical(context, i == 0 ? a : t, i == 0 ? input.data() : table.data(), usable);
  });
  const auto repeats = [&](size_t row) { return row > 0 && input[row] == input[row - 1]; };

  const auto in_table = [&](const Canonical<F>& value) {
    return std::binary_search(table.begin(), table.end(), value);
  };
  size_t next = 0;
  for (size_t row = 0; row < usable; row++) {
    if (repeats(row)) continue;
    while (next < usable && table[next] < input[row]) next++;
    if (next == usable || !(table[next] == input[row])) {
      for (size_t i = 0; i < usable; i++) {
        if (!in_table(Canonical<F>(a[i]))) return static_cast<int64_t>(i);
      }
    }
  }

  // What is left of the table moves to its front, in order.
  size_t left = next = 0;
  for (size_t row = 0; row < usable; row++) {
    if (repeats(row)) continue;
    while (!(table[next] == input[row])) table[left++] = table[next++];
    next++;
  }
  while (next < usable) table[left++] = table[next++];

  // As many values are left as rows repeat: usable, less the number of distinct inputs.
  size_t taken = 0;
  for (size_t row = usable; row-- > 0;) {
    if (row % permute_grain == 0) context.check();
    permuted_a[row] = input[row].element();
    permuted_t[row] = repeats(row) ? table[taken++].element() : permuted_a[row];
  }
  return -1;
}

}  // namespace zkrun
