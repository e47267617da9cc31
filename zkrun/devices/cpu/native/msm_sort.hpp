// Digits sorted by bucket: which rows of the table, with which sign, each bucket sums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "msm_additions.hpp"
#include "msm_digits.hpp"

namespace zkrun {

// Some windows of the digits of rows [first_row, first_row + rows) of the table. The digit of row
// i in window w is digits[w * stride + i].
struct DigitBlock {
  const Digit* digits;
  size_t stride;
  size_t first_row;
  size_t rows;
  int windows;
  int window_bits;

  // Buckets of a window: one for each |digit| from 1 to 2^(c - 1).
  size_t window_buckets() const { return size_t{1} << (window_bits - 1); }
  size_t buckets() const { return static_cast<size_t>(windows) * window_buckets(); }
};

// Bucket w 2^(c - 1) + |digit| - 1 owns operands[begins[bucket]] to operands[begins[bucket + 1]].
struct SortedDigits {
  SortedDigits(Context& context, const DigitBlock& block)
      : begins(context, block.buckets() + 1),
        operands(context, block.rows * static_cast<size_t>(block.windows)) {
    // A counting sort: count, sum up, then place, during which begins[bucket + 1] moves from the
    // begin of the bucket to its end.
    uint32_t* const ends = begins.data() + 1;
    for (size_t bucket = 0; bucket <= block.buckets(); bucket++) begins[bucket] = 0;
    for_each_digit(block, [&](size_t bucket, Operand) { ends[bucket]++; });
    uint32_t total = 0;
    for (size_t bucket = 0; bucket < block.buckets(); bucket++) {
      const uint32_t size = ends[bucket];
      ends[bucket] = total;
      total += size;
    }
    for_each_digit(block, [&](size_t bucket, Operand operand) {
      operands[ends[bucket]++] = operand;
    });
  }

  Scratch<uint32_t> begins;
  Scratch<Operand> operands;

 private:
  template <class Visit>
  static void for_each_digit(const DigitBlock& block, Visit visit) {
    for (int w = 0; w < block.windows; w++) {
      const size_t window = static_cast<size_t>(w);
      const Digit* const digits = block.digits + window * block.stride + block.first_row;
      const size_t base = window * block.window_buckets() - 1;
      for (size_t i = 0; i < block.rows; i++) {
        const int digit = digits[i];
        if (digit == 0) continue;
        const bool negative = digit < 0;
        visit(base + static_cast<size_t>(negative ? -digit : digit),
              table_operand(block.first_row + i, negative));
      }
    }
  }
};

}  // namespace zkrun
