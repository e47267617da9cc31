// Number theoretic transforms of 2^k elements, natural order in and out, in one to three passes
// over memory.
//
// N = N1 N2 N3. The input index is j = (j1 N2 + j2) N3 + j3, the output index i = i1 + N1 (i2 +
// N2 i3). A pass transforms along one of j1, j2, j3 and replaces it by i1, i2, i3:
//
//   first    rows j1 -> i1 of every column (j2, j3), times w^(i1 (j2 N3 + j3))
//   second   rows j2 -> i2 of every column j3, for each i1, times (w^N1)^(i2 j3)
//   last     rows j3 -> i3 for each (i1, i2), stored where the output belongs
//
// (Gentleman, Sande, 1966; "four steps": Bailey, 1990.) All but the last store where they loaded. A
// block holds a tile of all rows by a few neighbouring columns, so that what it loads and stores
// lies together.
//
// Within a tile: decimation in frequency, in place. Each thread holds 2^H elements whose row
// numbers differ in H neighbouring bits, transforms along these, multiplies by twiddles and passes
// the elements on through shared memory, where every thread writes what it had read. Row number r
// ends up with output number bit_reverse(r), which costs nothing: it only changes addresses.
//
// Products are what takes the time. Factors that many elements share are fixed ones, with their
// quotients; products with them, and the sums of these, stay below 2p within a tile. Those between
// the first pass and the second are as many as the elements, and would cost more to load.
#pragma once

#include "field.hpp"
#include "fixed_factor.cuh"
#include "lazy_field.cuh"
#include "memory.cuh"
#include "shared_memory.cuh"
#include "whole_sectors.cuh"

namespace zkrun {

// One pass. A tile t of 2^log_columns columns stands for column block t mod 2^log_blocks of
// transform t / 2^log_blocks; `outer`, `block`, `row` and `column` are the strides in elements.
struct NttPlaces {
  uint64_t outer, block, row, column;
};

template <class F>
struct NttPass {
  using Factor = FixedFactor<typename F::Parameters>;

  DeviceView<F> source, target;
  NttPlaces in, out;
  const ulonglong2* row_factors;  // by input row, or null: powers of a coset
  const ulonglong2* twiddles;     // of the steps within a tile, a table for each
  // Of the output, at row * factor_row + column number * factor_column: elements, where they are as
  // many as the transform is long, or fixed factors, each by itself; or both are null.
  const F* factors;
  const ulonglong2* fixed_factors;
  // With these, w^e for e = row * column number is high_factors[e >> log_low] times
  // fixed_factors[e mod 2^log_low].
  const ulonglong2* high_factors;
  uint64_t factor_row, factor_column;
  const uint32_t* stop;  // nothing is done where this is not 0
  uint32_t log_rows, log_columns, log_blocks, log_low;
  uint32_t column_last;  // threads that follow each other load along rows: these are contiguous
  uint32_t padding;
  // w^2, (w + w^3) / 2, (w - w^3) / 2 for the primitive eighth root of unity w of this transform.
  Factor units[3];
};

// Transforms 2^H elements, below 2p, along the lowest `digits` bits of their numbers, in place:
// output k lies where bit_reverse(k) is. The results are wide.
//
// Of eight, with d the differences of inputs four apart, outputs 1 and 5 are d0 + w^2 d2 with
// w d1 + w^3 d3 added or subtracted, and 3 and 7 are d0 - w^2 d2 with w^3 d1 + w d3. Those two take
// two multiplications, of d1 + d3 and of d1 - d3 (S. Winograd, "On computing the discrete Fourier
// transform", 1978).
template <int H, class P>
__device__ __forceinline__ void transform(typename LazyField<P>::Element* x, uint32_t digits,
                                          const FixedFactor<P>* units) {
  using Field = LazyField<P>;
  constexpr int size = 1 << H;
  if (H > 2 && digits > 2) {
    ZK_UNROLL
    for (int i = 0; i < 4; i++) {
      if (i == 2) Field::template butterfly<true>(x[i], x[i + 4]);
      else Field::template butterfly<false>(x[i], x[i + 4]);
    }
  }
  if (H > 1 && digits > 1) {
    ZK_UNROLL
    for (int i = 0; i < size; i += 4) {
      if (i == 4 && digits > 2) {
        units[0].multiply(x[6].word, x[6].word);
        Field::template butterfly<false>(x[4], x[6]);
        Field::wide_butterfly(x[5], x[7]);
        units[1].multiply(x[5].word, x[5].word);
        units[2].multiply(x[7].word, x[7].word);
        Field::template butterfly<false>(x[5], x[7]);
      } else {
        Field::template butterfly<false>(x[i], x[i + 2]);
        Field::template butterfly<true>(x[i + 1], x[i + 3]);
        units[0].multiply(x[i + 3].word, x[i + 3].word);
      }
    }
  }
  ZK_UNROLL
  for (int i = 0; i < size; i += 2) Field::wide_butterfly(x[i], x[i + 1]);
}

// Where a tile's elements first + 2^low i lie in shared memory, for i of H bits that `first` lacks.
template <int H>
__device__ __forceinline__ void places_of(uint32_t* places, uint32_t first, uint32_t low) {
  places[0] = bank_spread(first);
  ZK_UNROLL
  for (int bit = 0; bit < H; bit++) {
    const uint32_t change = bank_spread(1u << (low + bit));
    ZK_UNROLL
    for (int i = 0; i < 1 << bit; i++) places[i | 1 << bit] = places[i] ^ change;
  }
}

// Stack frame of ntt_pass<Fp<*>, 3>: some words of what is loaded or multiplied outside the steps.
// Spills in ntt_pass<Fp<*>, 3>: these, as two blocks of 256 threads are to share the registers.
template <class F, int H>
__global__ void __launch_bounds__(256, H == 3 ? 2 : 1) ntt_pass(const NttPass<F> pass) {
  static_assert(F::N == 4);
  using P = typename F::Parameters;
  using Field = LazyField<P>;
  constexpr int size = 1 << H;
  extern __shared__ ulonglong2 shared[];
  if (pass.stop != nullptr && *pass.stop != 0) return;

  const uint32_t log_rows = pass.log_rows, log_columns = pass.log_columns;
  const uint32_t elements = 1u << (log_rows + log_columns);
  const uint32_t thread = threadIdx.x;
  const uint64_t outer = blockIdx.x >> pass.log_blocks;
  const uint64_t block = blockIdx.x & ((1u << pass.log_blocks) - 1);

  uint32_t low = log_rows - H;  // the lowest of the row bits that tell a thread's elements apart
  uint32_t digits = H;          // along how many of these it transforms
  uint32_t column, row;
  if (pass.column_last) {
    column = thread >> low;
    row = thread & ((1u << low) - 1);
  } else {
    column = thread & ((1u << log_columns) - 1);
    row = thread >> log_columns;
  }

  typename Field::Element x[size];
  {
    const uint64_t origin = outer * pass.in.outer + block * pass.in.block + column * pass.in.column;
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      x[i] = Field::from(load(pass.source.at(origin + (row + (i << low)) * pass.in.row)));
    }
  }
  if (pass.row_factors != nullptr) {
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      load_factor<P>(pass.row_factors, 1u << log_rows, row + (i << low))
          .multiply(x[i].word, x[i].word);
    }
  }

  const ulonglong2* twiddles = pass.twiddles;
#pragma unroll 1
  while (true) {
    const uint32_t rest = row & ((1u << low) - 1), count = size << low;
    const auto twiddle = [&](int i) {
      return load_factor<P>(twiddles, count, (i << low) + rest);
    };
    FixedFactor<P> early[size];  // loaded while others are computed with, where registers allow
    if (H < 3 && low != 0) {
      ZK_UNROLL
      for (int i = 1; i < size; i++) early[i] = twiddle(i);
    }
    transform<H, P>(x, digits, pass.units);
    if (low == 0) break;

    Field::narrow(x[0]);
    ZK_UNROLL
    for (int i = 1; i < size; i++) {
      (H < 3 ? early[i] : twiddle(i)).multiply(x[i].word, x[i].word);
    }
    twiddles += 4 * count;

    uint32_t places[size];
    places_of<H>(places, row << log_columns | column, low + log_columns);
    ZK_UNROLL
    for (int i = 0; i < size; i++) put_at(shared, elements, places[i], Field::limbs(x[i]));
    __syncthreads();
    digits = low < H ? low : H;
    low -= digits;
    column = thread & ((1u << log_columns) - 1);
    const uint32_t number = thread >> log_columns;
    row = (number >> low) << (low + H) | (number & ((1u << low) - 1));
    places_of<H>(places, row << log_columns | column, low + log_columns);
    ZK_UNROLL
    for (int i = 0; i < size; i++) x[i] = Field::from(get_at<F>(shared, elements, places[i]));
  }

  const uint32_t first_row = row == 0 ? 0 : __brev(row) >> (32 - log_rows);
  const uint64_t number = (block << log_columns) + column;
  const auto output = [&](int i) { return first_row | __brev(i) >> (32 - log_rows); };
  F result[size];
  if (pass.factors != nullptr) {
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      const uint64_t place = output(i) * pass.factor_row + number * pass.factor_column;
      result[i] = F::product_with_raw(load_constant(pass.factors + place), Field::limbs(x[i]));
    }
  } else {
    const bool geometric = pass.high_factors != nullptr;
    const uint64_t below = (1ull << pass.log_low) - 1;
    if (pass.fixed_factors != nullptr) {
      ZK_UNROLL
      for (int i = 0; i < size; i++) {
        const uint64_t place = geometric
                                   ? output(i) * number & below
                                   : output(i) * pass.factor_row + number * pass.factor_column;
        load_factor<P>(pass.fixed_factors + 4 * place, 1, 0).multiply(x[i].word, x[i].word);
      }
    }
    if (geometric) {
      ZK_UNROLL
      for (int i = 0; i < size; i++) {
        const uint64_t place = output(i) * number >> pass.log_low;
        load_factor<P>(pass.high_factors + 4 * place, 1, 0).multiply(x[i].word, x[i].word);
      }
    }
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      Field::reduce(x[i]);
      result[i] = Field::limbs(x[i]);
    }
  }
  const uint64_t origin =
      outer * pass.out.outer + block * pass.out.block + column * pass.out.column;
  ZK_UNROLL
  for (int i = 0; i < size; i++) {
    store_whole_sectors(pass.target.at(origin + output(i) * pass.out.row), result[i]);
  }
}

// Transforms of 1, 2 or 4 elements: a[i] <- scale shift^i sum_j a[j] (coset root^i)^j, by one warp.
template <class F>
struct TinyNtt {
  DeviceView<F> a;
  const uint32_t* stop;
  uint64_t padding;
  F root, coset, shift, scale;
};

template <class F>
__global__ void __launch_bounds__(32) ntt_tiny(const TinyNtt<F> job) {
  if (job.stop != nullptr && *job.stop != 0) return;
  const uint32_t i = threadIdx.x;
  F result = F::zero();
  if (i < job.a.length) {
    const F x = job.coset * job.root.pow(i);
    for (uint32_t j = static_cast<uint32_t>(job.a.length); j-- > 0;) {
      result = result * x + load(job.a.at(j));
    }
    result = result * job.scale * job.shift.pow(i);
  }
  __syncwarp();
  if (i < job.a.length) store(job.a.at(i), result);
}

enum class Layout : uint32_t { elements, factors, single_factors };  // the last each by itself

// table[r][c] = scale row^e (base^e ratio)^c over `rows` rows of `columns` columns, where e = r, or
// the bit reversal of the lowest `reversed` bits of r where that is not 0: elements, or a table of
// fixed factors, or such factors each by itself.
template <class F>
struct PowerTable {
  F* table;
  uint64_t rows, columns;
  uint32_t reversed;
  Layout layout;
  F scale, row, base, ratio;
};

inline constexpr int power_run = 16;  // columns that a thread fills

template <class F>
__global__ void __launch_bounds__(128) power_table(const PowerTable<F> job) {
  const uint64_t runs = (job.columns + power_run - 1) / power_run;
  const uint64_t number = blockIdx.x * uint64_t{128} + threadIdx.x;
  const uint64_t r = number / runs, start = number % runs * power_run;
  if (r >= job.rows) return;
  uint64_t e = r;
  if (job.reversed != 0) e = __brev(static_cast<uint32_t>(r) << (32 - job.reversed));
  const F ratio = job.base.pow(e) * job.ratio;
  F value = job.scale * job.row.pow(e) * ratio.pow(start);
  for (uint64_t c = start; c < start + power_run && c < job.columns; c++) {
    const uint64_t place = r * job.columns + c;
    if (job.layout == Layout::elements) {
      store(job.table + place, value);
    } else {
      const FixedFactor<typename F::Parameters> factor(value);
      ulonglong2* const table = reinterpret_cast<ulonglong2*>(job.table);
      if (job.layout == Layout::factors) store_factor(table, job.rows * job.columns, place, factor);
      else store_factor(table + 4 * place, 1, 0, factor);
    }
    value = value * ratio;
  }
}

// Sets *wrong where the elements of `powers` are not root^0, root^1, ...
template <class F>
struct PowerCheck {
  DeviceView<F> powers;
  uint32_t* wrong;
  uint64_t padding;
  F root;
};

template <class F>
__global__ void __launch_bounds__(256) check_powers(const PowerCheck<F> job) {
  const uint64_t i = blockIdx.x * uint64_t{256} + threadIdx.x;
  if (i >= job.powers.length) return;
  const F expected = i == 0 ? F::one() : load(job.powers.at(i - 1)) * job.root;
  if (load(job.powers.at(i)) != expected) *job.wrong = 1;
}

}  // namespace zkrun
