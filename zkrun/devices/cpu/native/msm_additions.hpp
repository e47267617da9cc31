// Many independent affine additions at once.
//
// An affine addition costs 2 multiplications, a square and a division. Independent additions share
// one inversion (Montgomery's trick), after which a division costs 3 multiplications: 6 in all,
// where extended Jacobian coordinates take 10.
//
// Points lie in rows: those of a table that is only read, and work rows. An Adder works through a
// list of additions of rows; which additions to do in which order is decided elsewhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "group.hpp"
#include "inversion.hpp"
#include "view.hpp"

namespace zkrun {

// A row, possibly negated: bit 31 tells work rows from the table, bit 0 is the sign.
using Operand = uint32_t;
constexpr Operand no_operand = ~Operand{0};
constexpr Operand work_flag = Operand{1} << 31;

inline Operand table_operand(size_t row, bool negated) {
  return static_cast<Operand>(row << 1 | static_cast<size_t>(negated));
}
inline Operand work_operand(size_t row) { return static_cast<Operand>(row << 1) | work_flag; }
inline bool is_work(Operand operand) { return (operand & work_flag) != 0; }
inline bool is_negated(Operand operand) { return (operand & 1) != 0; }
inline size_t row_of(Operand operand) { return (operand & ~work_flag) >> 1; }

// work row `destination` = left + right
struct Addition {
  uint32_t destination;
  Operand left, right;
};

// The adder of any machine, one addition after the other.
template <class Group>
class ScalarAdder {
 public:
  using Field = typename Group::Field;
  using Row = Affine<Field>;

  // Writes table rows 2 i = P_i and 2 i + 1 = (beta x, y) for points [begin, end).
  static void fill_table(Row* table, const Elements<Row>& points, size_t begin, size_t end) {
    const auto beta = Group::beta();
    for (size_t i = begin; i < end; i++) {
      table[2 * i] = points[i];
      table[2 * i + 1] = {points[i].x * beta, points[i].y};
    }
  }

  // Lists of additions have at most `longest`.
  ScalarAdder(Context& context, const Row* table, size_t work_rows, size_t longest)
      : context_(context),
        table_(table),
        work_(context, work_rows),
        denominators_(context, std::min(batch_size, longest)),
        prefixes_(context, std::min(batch_size, longest)) {}

  // Additions of one list must be independent: none may write a row that another reads or writes.
  // An addition may overwrite an operand of its own.
  void add(const Addition* additions, size_t count) {
    for (size_t begin = 0; begin < count; begin += batch_size) {
      context_.check();
      add_batch(additions + begin, std::min(batch_size, count - begin));
    }
  }

  Affine<Field> read(Operand operand) const {
    const Row& row = (is_work(operand) ? work_.data() : table_)[row_of(operand)];
    return is_negated(operand) ? -row : row;
  }

 private:
  static constexpr size_t batch_size = 1024;

  // What to divide by: x2 - x1, or 2 y to double, or 1 where the sum needs no division.
  static Field denominator(const Row& left, const Row& right) {
    if (left.is_infinity() || right.is_infinity()) return Field::one();
    if (left.x != right.x) return right.x - left.x;
    return left.y == right.y && !left.y.is_zero() ? left.y.dbl() : Field::one();
  }

  static Row sum(const Row& left, const Row& right, const Field& inverse) {
    if (left.is_infinity()) return right;
    if (right.is_infinity()) return left;
    Field numerator = right.y - left.y;
    if (left.x == right.x) {
      if (left.y != right.y || left.y.is_zero()) return Row::infinity();
      const Field x_squared = left.x.square();
      numerator = x_squared.dbl() + x_squared;
    }
    const Field slope = numerator * inverse;
    const Field x = slope.square() - left.x - right.x;
    return {x, slope * (left.x - x) - left.y};
  }

  void add_batch(const Addition* additions, size_t count) {
    Field product = Field::one();
    for (size_t i = 0; i < count; i++) {
      denominators_[i] = denominator(read(additions[i].left), read(additions[i].right));
      prefixes_[i] = product;
      product *= denominators_[i];
    }
    Field inverse = invert(product);
    for (size_t i = count; i-- > 0;) {
      const Field inverse_denominator = inverse * prefixes_[i];
      inverse *= denominators_[i];
      work_[additions[i].destination] =
          sum(read(additions[i].left), read(additions[i].right), inverse_denominator);
    }
  }

  Context& context_;
  const Row* table_;
  Scratch<Row> work_;
  Scratch<Field> denominators_, prefixes_;
};

}  // namespace zkrun
