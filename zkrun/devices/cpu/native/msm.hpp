// Multi-scalar multiplication: sum of s_i P_i, by Pippenger's buckets.
//
//  1. Bases become a table of rows P and (beta x, y) = lambda P, in the form the Adder computes
//     with, once for all scalar vectors.
//  2. Each scalar becomes k1 + k2 lambda, and both halves signed digits of c bits (msm_digits.hpp).
//  3. Jobs, each of some windows of digits, sort rows into buckets by digit (msm_sort.hpp), sum the
//     buckets up, and sum these by the bits of their digit (msm_buckets.hpp), all in rounds of
//     independent affine additions which share inversions (msm_additions.hpp).
//  4. One pass of doublings puts the sums over bits together.
//
// Bases must be in the subgroup of order r, where the endomorphism is multiplication by lambda.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "context.hpp"
#include "endomorphism.hpp"
#include "group.hpp"
#include "msm_adder.hpp"
#include "msm_buckets.hpp"
#include "msm_plan.hpp"
#include "msm_sort.hpp"
#include "pool.hpp"
#include "view.hpp"

namespace zkrun {

// Longer inputs are taken in pieces of this many points, which bounds the scratch.
constexpr size_t msm_piece = size_t{1} << 18;

namespace detail {

// Operands that are summed up while their work rows stay in the cache.
constexpr size_t operand_chunk = size_t{1} << 14;

template <class Group>
using AffinePoint = Affine<typename Group::Field>;

// bit_sums[w c + t] for all windows of the block (msm_buckets.hpp).
template <class Group>
void run_job(Context& context, const typename Adder<Group>::Row* table, const DigitBlock& block,
             AffinePoint<Group>* bit_sums) {
  const size_t buckets = block.buckets();
  const size_t chunk =
      std::min(operand_chunk, block.rows * static_cast<size_t>(block.windows));
  Adder<Group> adder(context, table, work_rows(buckets, chunk), longest_round(buckets, chunk));
  Scratch<Operand> bucket_sums(context, buckets);
  {
    const SortedDigits sorted(context, block);
    sum_buckets(context, adder, sorted, buckets, chunk, bucket_sums.data());
  }
  const size_t bits = static_cast<size_t>(block.windows) * static_cast<size_t>(block.window_bits);
  Scratch<Operand> sums(context, bits);
  sum_bits(context, adder, block, buckets, bucket_sums.data(), sums.data());
  for (size_t i = 0; i < bits; i++) {
    bit_sums[i] =
        sums[i] == no_operand ? AffinePoint<Group>::infinity() : adder.read(sums[i]);
  }
}

// Digits of both halves of each scalar: digits[w * 2 count + 2 i] and the next. Rows of a base at
// infinity get the digit 0, so that buckets hold none.
template <class Group>
void fill_digits(Context& context, const Elements<AffinePoint<Group>>& bases,
                 const Elements<Fp<typename Group::Curve::ScalarField>>& scalars,
                 const MsmPlan& plan, Digit* digits) {
  const size_t count = scalars.size();
  parallel_for(context, count, 2048, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) {
      HalfScalar halves[2] = {};
      if (!bases[i].is_infinity()) {
        uint64_t canonical[4];
        scalars[i].to_canonical(canonical);
        split_scalar<typename Group::Curve>(canonical, halves[0], halves[1]);
      }
      for (size_t half = 0; half < 2; half++) {
        recode(halves[half], plan.window_bits, plan.windows, digits + 2 * i + half, 2 * count);
      }
    }
  });
}

// The sum over as many points of a table as there are scalars.
template <class Group>
Xyzz<typename Group::Field> multiply_table(Context& context,
                                           const typename Adder<Group>::Row* table,
                                           const Elements<AffinePoint<Group>>& bases,
                                           const Elements<Fp<typename Group::Curve::ScalarField>>&
                                               scalars) {
  const size_t rows = 2 * scalars.size();
  const MsmPlan plan = plan_msm(rows, static_cast<size_t>(threads()));
  const size_t positions = static_cast<size_t>(plan.windows * plan.window_bits);
  Scratch<Digit> digits(context, static_cast<size_t>(plan.windows) * rows);
  fill_digits<Group>(context, bases, scalars, plan, digits.data());

  Scratch<AffinePoint<Group>> bit_sums(context, plan.parts * positions);
  parallel_tasks(context, plan.jobs(), [&](size_t job) {
    const size_t part = job / plan.jobs_per_part();
    const int window = static_cast<int>(job % plan.jobs_per_part()) * plan.windows_per_job;
    const size_t first_row = rows * part / plan.parts;
    const DigitBlock block{digits.data() + static_cast<size_t>(window) * rows,
                           rows,
                           first_row,
                           rows * (part + 1) / plan.parts - first_row,
                           std::min(plan.windows_per_job, plan.windows - window),
                           plan.window_bits};
    run_job<Group>(context, table, block,
                   &bit_sums[part * positions + static_cast<size_t>(window * plan.window_bits)]);
  });

  auto sum = Xyzz<typename Group::Field>::infinity();
  for (size_t position = positions; position-- > 0;) {
    sum = sum.dbl();
    for (size_t part = 0; part < plan.parts; part++) {
      sum = sum + bit_sums[part * positions + position];
    }
  }
  return sum;
}

}  // namespace detail

// outs[j] = sum of scalars[j][i] bases[i]; scalars may be shorter than bases, or empty.
template <class Group>
void multi_scalar_multiply(Context& context, const std::vector<View>& outs, const View& bases,
                           const std::vector<View>& scalars) {
  using Point = detail::AffinePoint<Group>;
  using Scalar = Fp<typename Group::Curve::ScalarField>;
  using Row = typename Adder<Group>::Row;
  std::vector<Xyzz<typename Group::Field>> sums(outs.size());
  size_t longest = 0;
  for (const View& vector : scalars) longest = std::max(longest, vector.size());

  for (size_t begin = 0; begin < longest; begin += msm_piece) {
    const size_t count = std::min(msm_piece, longest - begin);
    const Elements<Point> points(part(bases, begin, count));
    Scratch<Row> table(context, 2 * count);
    parallel_for(context, count, 1024, [&](size_t first, size_t last) {
      Adder<Group>::fill_table(table.data(), points, first, last);
    });
    for (size_t j = 0; j < scalars.size(); j++) {
      if (scalars[j].size() <= begin) continue;
      const size_t used = std::min(count, scalars[j].size() - begin);
      const Elements<Scalar> vector(part(scalars[j], begin, used));
      sums[j] = sums[j] + detail::multiply_table<Group>(context, table.data(), points, vector);
    }
  }
  for (size_t j = 0; j < outs.size(); j++) single<Point>(outs[j]) = sums[j].to_affine();
}

}  // namespace zkrun
