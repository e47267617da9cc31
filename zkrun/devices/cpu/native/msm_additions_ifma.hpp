// The adder of additions in G1 for AVX-512 IFMA: eight additions at a time.
//
// Rows look like affine points, but their words hold a R' mod p (field_ifma.hpp), so that eight
// rows become vectors, and back, by transposing and repacking alone. Each of the eight lanes has a
// product of denominators of its own; only their eight inverses are found one by one.
#pragma once

#ifdef __AVX512IFMA__

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "field_ifma.hpp"
#include "group.hpp"
#include "inversion.hpp"
#include "msm_additions.hpp"

namespace zkrun {

template <class Group>
class VectorAdder {
 public:
  using Field = typename Group::Field;
  using Row = Affine<Field>;

  static void fill_table(Row* table, const Elements<Row>& points, size_t begin, size_t end) {
    const Vector<2> beta = Vector<2>::broadcast(Group::beta());
    for (size_t i = begin; i < end; i += 8) {
      // Lanes beyond the end repeat the last point, into the same rows.
      const auto point = [=](int lane) {
        return std::min(i + static_cast<size_t>(lane), end - 1);
      };
      const Vector<1> x = load_converted([&](int lane) { return points[point(lane)].x.limb; });
      const Vector<1> y = load_converted([&](int lane) { return points[point(lane)].y.limb; });
      const Vector<2> image_x = x * beta;
      x.store_unconverted_rows([=](int lane) { return table[2 * point(lane)].x.limb; });
      y.store_unconverted_rows([=](int lane) { return table[2 * point(lane)].y.limb; });
      image_x.store_unconverted_rows([=](int lane) { return table[2 * point(lane) + 1].x.limb; });
      y.store_unconverted_rows([=](int lane) { return table[2 * point(lane) + 1].y.limb; });
    }
  }

  VectorAdder(Context& context, const Row* table, size_t work_rows, size_t longest)
      : context_(context),
        table_(table),
        work_(context, work_rows + 1),
        spare_row_(work_rows),
        pending_(context, std::min(batch_size, (longest + 7) / 8)) {}

  // As ScalarAdder::add.
  void add(const Addition* additions, size_t count) {
    for (size_t begin = 0; begin < count; begin += 8 * batch_size) {
      context_.check();
      add_batch(additions + begin, std::min(8 * batch_size, count - begin));
    }
  }

  Row read(Operand operand) const {
    const Row& row = row_at(operand);
    Field x[8], y[8];
    Vector<1>::broadcast_unconverted(row.x).store(x);
    Vector<1>::broadcast_unconverted(row.y).store(y);
    const Row point{x[0], y[0]};
    return is_negated(operand) ? -point : point;
  }

 private:
  template <int64_t bound>
  using Vector = Fp8<typename Group::Curve::BaseField, bound>;
  static constexpr size_t batch_size = 128;
  static constexpr size_t prefetch_distance = 3;

  // What eight additions keep from the way forth to the way back.
  struct Pending {
    Vector<2> prefix;       // of the product of denominators
    Vector<2> denominator;  // x2 - x1, or 2 y1 to double, or 1
    Vector<4> numerator;    // y2 - y1, or 3 x1^2 to double
    Vector<1> x1;
    Vector<2> y1;
    Vector<2> x_sum;
    __mmask8 trivial;  // lanes whose sum takes no division: an operand or the sum is infinity
  };

  template <class Address>
  static Vector<1> load_converted(Address address) {
    __m512i words[Field::N];
    load_rows<Field::N>(words, address);
    constexpr int shift = Vector<1>::shift;
    return Vector<Vector<1>::loaded_bound>::template unpack<shift>(words).canonical();
  }

  const Row& row_at(Operand operand) const {
    return (is_work(operand) ? work_.data() : table_)[row_of(operand)];
  }

  // The eight additions of step i of a batch. Where there are fewer, the last one is repeated, with
  // the spare row as its destination.
  struct Eight {
    Eight(const Addition* additions, size_t count, size_t step, size_t spare_row)
        : first(additions + 8 * step) {
      const size_t used = count - 8 * step;
      if (used >= 8) return;
      for (size_t lane = 0; lane < 8; lane++) {
        padded[lane] = first[std::min(lane, used - 1)];
        if (lane >= used) padded[lane].destination = static_cast<uint32_t>(spare_row);
      }
      first = padded;
    }
    Eight(const Eight&) = delete;
    const Addition& operator[](int lane) const { return first[lane]; }

    const Addition* first;
    Addition padded[8];
  };

  void prefetch(const Addition& addition) const {
    for (const Operand operand : {addition.left, addition.right}) {
      const char* const row = reinterpret_cast<const char*>(&row_at(operand));
      _mm_prefetch(row, _MM_HINT_T0);
      _mm_prefetch(row + sizeof(Row) - 1, _MM_HINT_T0);
    }
  }

  // Rows as operands: y negated where asked for.
  struct Operands {
    Vector<1> x;
    Vector<2> y;
  };

  ZK_INLINE Operands load(const Eight& additions, Operand Addition::*side) const {
    const Row* rows[8];
    unsigned negated = 0;
    for (int lane = 0; lane < 8; lane++) {
      const Operand operand = additions[lane].*side;
      rows[lane] = &row_at(operand);
      negated |= static_cast<unsigned>(is_negated(operand)) << lane;
    }
    const Vector<1> x =
        Vector<1>::load_unconverted_rows([&](int lane) { return rows[lane]->x.limb; });
    const Vector<1> y =
        Vector<1>::load_unconverted_rows([&](int lane) { return rows[lane]->y.limb; });
    if (negated == 0) return {x, y};
    return {x, select(static_cast<__mmask8>(negated), -y, y)};
  }

  static __mmask8 infinite(const Operands& point) {
    __m512i any = _mm512_setzero_si512();
    for (int i = 0; i < Vector<1>::L; i++) {
      any = _mm512_or_si512(any, _mm512_or_si512(point.x.v[i], point.y.v[i]));
    }
    return _mm512_testn_epi64_mask(any, any);
  }

  // Lanes that may not simply be added: some necessary conditions on the lowest limbs. Infinity
  // has x = 0, and x2 - x1 + p is p where x2 = x1, as both are fully reduced.
  static bool may_be_special(const Operands& left, const Operands& right,
                             const Vector<2>& difference) {
    const __m512i p = ifma::all(modulus_multiple<typename Group::Curve::BaseField, 1>[0]);
    return (_mm512_testn_epi64_mask(left.x.v[0], left.x.v[0]) |
            _mm512_testn_epi64_mask(right.x.v[0], right.x.v[0]) |
            _mm512_cmpeq_epi64_mask(difference.v[0], p)) != 0;
  }

  // Exact, lane by lane: doublings and sums without division.
  static ZK_NOINLINE void treat_special(const Operands& left, const Operands& right,
                                        Pending& step) {
    const __mmask8 same_x = step.denominator.is_zero_mask();
    const __mmask8 same_y = step.numerator.is_zero_mask() & ~left.y.is_zero_mask();
    const __mmask8 any_infinite = infinite(left) | infinite(right);
    const __mmask8 doubled = same_x & same_y & ~any_infinite;
    step.trivial = any_infinite | (same_x & ~doubled);
    const Vector<2> x_squared = left.x.square();
    step.numerator =
        select(doubled, Vector<4>(x_squared.dbl() + x_squared), step.numerator);
    step.denominator = select(doubled, Vector<2>(left.y.dbl()), step.denominator);
    step.denominator = select(step.trivial, Vector<2>::one(), step.denominator);
  }

  // The sum of an addition whose lane is trivial.
  Row trivial_sum(const Addition& addition) const {
    const Row& left = row_at(addition.left);
    const Row& right = row_at(addition.right);
    if (!left.is_infinity() && !right.is_infinity()) return Row::infinity();
    const bool take_left = right.is_infinity();
    const Row& sum = take_left ? left : right;
    return is_negated(take_left ? addition.left : addition.right) ? -sum : sum;
  }

  // 1 / a in each lane.
  static Vector<2> invert_lanes(const Vector<2>& a) {
    Field values[8], prefixes[8];
    a.store(values);
    Field product = Field::one();
    for (int lane = 0; lane < 8; lane++) {
      prefixes[lane] = product;
      product *= values[lane];
    }
    Field inverse = invert(product);
    for (int lane = 7; lane >= 0; lane--) {
      const Field value = values[lane];
      values[lane] = inverse * prefixes[lane];
      inverse *= value;
    }
    return Vector<2>::load(values);
  }

  void add_batch(const Addition* additions, size_t count) {
    const size_t steps = (count + 7) / 8;
    Vector<2> product = Vector<2>::one();
    for (size_t i = 0; i < steps; i++) {
      const Eight eight(additions, count, i, spare_row_);
      const size_t ahead = 8 * (i + prefetch_distance);
      for (size_t j = ahead; j < std::min(ahead + 8, count); j++) prefetch(additions[j]);

      const Operands left = load(eight, &Addition::left);
      const Operands right = load(eight, &Addition::right);
      Pending& step = pending_[i];
      step.denominator = right.x - left.x;
      step.numerator = right.y - left.y;
      step.x1 = left.x;
      step.y1 = left.y;
      step.x_sum = left.x + right.x;
      step.trivial = 0;
      if (may_be_special(left, right, step.denominator)) treat_special(left, right, step);
      step.prefix = product;
      product = product * step.denominator;
    }
    Vector<2> inverse = invert_lanes(product);
    for (size_t i = steps; i-- > 0;) {
      const Pending& step = pending_[i];
      const Vector<2> slope = step.numerator * (inverse * step.prefix);
      inverse = inverse * step.denominator;
      const Vector<1> x = slope.square() - step.x_sum;
      const Vector<1> y = slope * (step.x1 - x) - step.y1;
      store(Eight(additions, count, i, spare_row_), x, y, step.trivial);
    }
  }

  ZK_INLINE void store(const Eight& additions, const Vector<1>& x, const Vector<1>& y,
                       __mmask8 trivial) {
    Row trivial_sums[8];
    if (trivial != 0) {  // before any operand is overwritten
      for (int lane = 0; lane < 8; lane++) trivial_sums[lane] = trivial_sum(additions[lane]);
    }
    Row* rows[8];
    for (int lane = 0; lane < 8; lane++) rows[lane] = &work_[additions[lane].destination];
    x.store_unconverted_rows([&](int lane) { return rows[lane]->x.limb; });
    y.store_unconverted_rows([&](int lane) { return rows[lane]->y.limb; });
    for (int lane = 0; trivial != 0 && lane < 8; lane++) {
      if (trivial >> lane & 1) *rows[lane] = trivial_sums[lane];
    }
  }

  Context& context_;
  const Row* table_;
  Scratch<Row> work_;
  size_t spare_row_;  // takes what lanes without an addition store
  Scratch<Pending> pending_;
};

}  // namespace zkrun

#endif  // __AVX512IFMA__
