// Scalars as signed digits: k = sum over w of digit_w 2^(c w), with |digit| <= 2^(c - 1).
//
// Signed digits halve the number of buckets, since -P costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "endomorphism.hpp"

namespace zkrun {

using Digit = int16_t;

// Widths for which every digit fits a Digit and the topmost one overflows into no carry.
constexpr int min_window_bits = 3;
constexpr int max_window_bits = 16;

// Half scalars are below 3/4 2^127 in absolute value. The topmost of these windows holds at most
// 3/4 2^(c - 1) + 1 with its carry, which stays below the threshold 2^(c - 1) from c = 4 on; at
// c = 3 the windows cover 129 bits, so it holds at most 3/4 2^1 + 1.
constexpr int window_count(int window_bits) { return (128 + window_bits - 1) / window_bits; }

// Writes digit w to digits[w * stride]. Digits are in [-2^(c - 1), 2^(c - 1) - 1]: a negative
// scalar is recoded with the mirrored range before its digits are negated.
inline void recode(const HalfScalar& scalar, int window_bits, int windows, Digit* digits,
                   size_t stride) {
  uint64_t low = scalar.magnitude[0];
  uint64_t high = scalar.magnitude[1];
  const int32_t mask = (int32_t{1} << window_bits) - 1;
  const int32_t largest = (int32_t{1} << (window_bits - 1)) - (scalar.negative ? 0 : 1);
  int32_t carry = 0;
  for (int w = 0; w < windows; w++) {
    int32_t digit = static_cast<int32_t>(low & static_cast<uint64_t>(mask)) + carry;
    carry = digit > largest;
    digit -= carry << window_bits;
    digits[static_cast<size_t>(w) * stride] =
        static_cast<Digit>(scalar.negative ? -digit : digit);
    low = low >> window_bits | high << (64 - window_bits);
    high >>= window_bits;
  }
}

}  // namespace zkrun
