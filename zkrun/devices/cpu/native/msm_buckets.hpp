// Summing up buckets, and the buckets of a window weighted by their digits, as rounds of
// independent additions.
//
// Any two operands of a bucket may be added first, so a round pairs them all up: as a tree, a
// bucket of m operands takes m - 1 additions in log2(m) rounds. No addition ever waits for another
// of its round, and one bucket with all points is summed as fast as many small ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "msm_additions.hpp"
#include "msm_sort.hpp"

namespace zkrun {

// Additions of a round, collected and handed over.
template <class Adder>
class Round {
 public:
  Round(Context& context, Adder& adder, size_t capacity)
      : adder_(adder), additions_(context, capacity) {}

  Operand add(size_t destination, Operand left, Operand right) {
    additions_[count_++] = {static_cast<uint32_t>(destination), left, right};
    return work_operand(destination);
  }
  bool finish() {
    const bool any = count_ != 0;
    adder_.add(additions_.data(), count_);
    count_ = 0;
    return any;
  }

 private:
  Adder& adder_;
  Scratch<Addition> additions_;
  size_t count_ = 0;
};

// Operands to be summed up to one.
struct OperandList {
  uint32_t begin;
  uint32_t count;
  uint32_t bucket;
};

// Sums every bucket: buckets[b] becomes the operand that holds the sum, or no_operand where b is
// empty.
//
// Sorted operands are taken in chunks, small enough that the rows of a chunk stay in the cache. A
// bucket may be cut by the border of a chunk; its sum so far then counts as one more operand.
// Work rows below bucket_count belong to the buckets, those after them to the chunk at hand.
template <class Adder>
void sum_buckets(Context& context, Adder& adder, const SortedDigits& sorted, size_t bucket_count,
                 size_t chunk_size, Operand* buckets) {
  std::fill_n(buckets, bucket_count, no_operand);
  const size_t total = sorted.begins[bucket_count];
  Scratch<Operand> operands(context, chunk_size + 1);
  Scratch<OperandList> lists(context, std::min(chunk_size, bucket_count));
  Round<Adder> round(context, adder, chunk_size / 2 + 1);
  size_t bucket = 0;
  for (size_t position = 0; position < total;) {
    const size_t end = std::min(position + chunk_size, total);
    size_t list_count = 0, operand_count = 0;
    size_t free_row = bucket_count;
    while (position < end) {
      while (sorted.begins[bucket + 1] <= position) bucket++;
      const size_t count = std::min<size_t>(sorted.begins[bucket + 1], end) - position;
      OperandList& list = lists[list_count++];
      list = {static_cast<uint32_t>(operand_count), static_cast<uint32_t>(count),
              static_cast<uint32_t>(bucket)};
      std::copy_n(&sorted.operands[position], count, &operands[operand_count]);
      operand_count += count;
      position += count;
      if (buckets[bucket] != no_operand) {  // only the first of a chunk
        operands[operand_count++] = buckets[bucket];
        list.count++;
      }
    }
    while (list_count > 0) {
      size_t unfinished = 0;
      for (size_t i = 0; i < list_count; i++) {
        OperandList list = lists[i];
        Operand* const items = &operands[list.begin];
        if (list.count == 1) {
          buckets[list.bucket] = items[0];
          continue;
        }
        const uint32_t pairs = list.count / 2;
        for (uint32_t j = 0; j < pairs; j++) {
          const Operand left = items[2 * j], right = items[2 * j + 1];
          // The last sum of a bucket goes to the row of the bucket, others replace an operand.
          const size_t row = list.count == 2   ? list.bucket
                             : is_work(left)   ? row_of(left)
                             : is_work(right)  ? row_of(right)
                                               : free_row++;
          items[j] = round.add(row, left, right);
        }
        if (list.count % 2 != 0) items[pairs] = items[list.count - 1];
        list.count = pairs + list.count % 2;
        lists[unfinished++] = list;
      }
      round.finish();
      list_count = unfinished;
    }
  }
}

// Work rows that sum_buckets uses beyond those of the buckets: table operands are paired up in
// the first round, at most one of a list is left for a later one, which meets a work row there.
inline size_t chunk_work_rows(size_t chunk_size) { return chunk_size / 2 + 1; }

// Additions of a round, at most: of a chunk, or of all levels and lists of all windows.
inline size_t longest_round(size_t bucket_count, size_t chunk_size) {
  return std::max(chunk_size / 2 + 1, bucket_count);
}

// Work rows for the buckets, and behind them for what sum_buckets and then sum_bits use.
inline size_t work_rows(size_t bucket_count, size_t chunk_size) {
  return bucket_count + std::max(chunk_work_rows(chunk_size), bucket_count / 2);
}

// The sums over bits: bit_sums[w c + t] is the sum of those buckets of window w whose |digit| has
// bit t, for t < c. The windows' result is the sum of 2^(c w + t) bit_sums[w c + t].
//
// With A_0[d] the bucket of digit d and A_(t+1)[j] = A_t[2 j] + A_t[2 j + 1], the sum over bit t is
// that of A_t at odd j. So a window of M buckets takes about 2 M additions, as running sums do, but
// in rounds of independent ones. A_t[0] has no weight and is left out. Overwrites buckets.
//
// A_(t+1)[j] takes the work row of the bucket of A_t[2 j], which nothing else reads. The rows of
// odd ones are read by A and by their list, so the list adds two of them into a row of its own,
// from first_row on, and further ones to that: M / 2 rows a window do for the M - 1 odd ones.
template <class Adder>
void sum_bits(Context& context, Adder& adder, const DigitBlock& block, size_t first_row,
              Operand* buckets, Operand* bit_sums) {
  const size_t size = block.window_buckets();
  const size_t windows = static_cast<size_t>(block.windows);
  const size_t bits = static_cast<size_t>(block.window_bits);
  size_t free_row = first_row;
  Round<Adder> round(context, adder, windows * size);
  Scratch<Operand> odd_operands(context, windows * size);
  Scratch<OperandList> odd_lists(context, windows * bits);
  const auto is_of_list = [&](Operand operand) {
    return is_work(operand) && row_of(operand) >= first_row;
  };
  const auto add_to_list = [&](Operand left, Operand right) {
    const size_t row = is_of_list(left)    ? row_of(left)
                       : is_of_list(right) ? row_of(right)
                                           : free_row++;
    return round.add(row, left, right);
  };
  size_t odd_count = 0, list_count = 0;

  // Bucket M = 2^(c - 1) is alone in having bit c - 1.
  for (size_t w = 0; w < windows; w++) {
    std::fill_n(&bit_sums[w * bits], bits, no_operand);
    bit_sums[w * bits + bits - 1] = buckets[w * size + size - 1];
  }
  for (size_t t = 0;; t++) {
    const bool level = t + 1 < bits;
    for (size_t w = 0; level && w < windows; w++) {
      Operand* const digit_one = &buckets[w * size];  // A_t[1], followed by A_t[2] and so on
      const size_t level_size = size >> t;
      OperandList list{static_cast<uint32_t>(odd_count), 0, static_cast<uint32_t>(w * bits + t)};
      for (size_t j = 1; j < level_size; j += 2) {
        const Operand odd = digit_one[j - 1];
        if (odd != no_operand) odd_operands[list.begin + list.count++] = odd;
        if (j == 1) continue;
        const Operand even = digit_one[j - 2];
        const size_t even_row = w * size + ((j - 1) << t) - 1;
        digit_one[j / 2 - 1] = even == no_operand  ? odd
                               : odd == no_operand ? even
                                                   : round.add(even_row, even, odd);
      }
      odd_count += list.count;
      if (list.count > 0) odd_lists[list_count++] = list;
    }
    size_t unfinished = 0;
    for (size_t i = 0; i < list_count; i++) {
      OperandList list = odd_lists[i];
      Operand* const items = &odd_operands[list.begin];
      if (list.count == 1) {
        bit_sums[list.bucket] = items[0];
        continue;
      }
      const uint32_t pairs = list.count / 2;
      for (uint32_t j = 0; j < pairs; j++) {
        items[j] = add_to_list(items[2 * j], items[2 * j + 1]);
      }
      if (list.count % 2 != 0) items[pairs] = items[list.count - 1];
      list.count = pairs + list.count % 2;
      odd_lists[unfinished++] = list;
    }
    list_count = unfinished;
    if (!round.finish() && !level && list_count == 0) break;
  }
}

}  // namespace zkrun
