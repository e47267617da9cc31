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
// Within a tile: decimation in frequency, in place. Each thread holds 2^H elements whose row numbers
// differ in H neighbouring bits, transforms along these, multiplies by twiddles and passes the
// elements on through shared memory, where every thread writes what it had read. Row number r ends
// up with output number bit_reverse(r), which costs nothing: it only changes addresses.
#pragma once

#include "field.hpp"
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
  DeviceView<F> source, target;
  NttPlaces in, out;
  const F* row_factors;  // by input row, or null: powers of a coset
  const F* twiddles;     // of the steps within a tile, one after the other
  const F* factors;      // of the output, at row * factor_row + column number * factor_column, or null
  const F* high_factors;  // with these, w^e for e = row * column number is
                          // high_factors[e >> log_low] * factors[e mod 2^log_low]
  uint64_t factor_row, factor_column;
  const uint32_t* stop;  // nothing is done where this is not 0
  uint32_t log_rows, log_columns, log_blocks, log_low;
  uint32_t column_last;  // threads that follow each other load along rows: these are contiguous
  uint32_t padding;
  F units[3];  // w_8, w_4, w_8^3 for the primitive eighth root of unity w_8 of this transform
};

// Butterflies between elements whose numbers differ in bit b, the differences times powers of the
// root of unity of order 2^(b + 1).
template <int b, int size, class F>
__device__ __forceinline__ void butterflies(F* x, const F* units) {
  ZK_UNROLL
  for (int i = 0; i < size; i++) {
    if (i & 1 << b) continue;
    const int j = i | 1 << b;
    const int exponent = (i & ((1 << b) - 1)) << (2 - b);  // of w_8
    const F difference = x[i] - x[j];
    x[i] = x[i] + x[j];
    x[j] = difference;
    if (exponent == 1) x[j] = x[j] * units[0];
    if (exponent == 2) x[j] = x[j] * units[1];
    if (exponent == 3) x[j] = x[j] * units[2];
  }
}

// Stack frame of ntt_pass<Fp<Bn254ScalarField>, 3>: two registers too many on sm_100.
// Spills in ntt_pass<Fp<Bn254ScalarField>, 3>: these two; the bounds are those of an H200.
template <class F, int H>
__global__ void __launch_bounds__(H == 3 ? 256 : 512, H == 3 ? 2 : 1) ntt_pass(const NttPass<F> pass) {
  static_assert(F::N == 4);
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

  F x[size];
  {
    const uint64_t origin = outer * pass.in.outer + block * pass.in.block + column * pass.in.column;
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      x[i] = load(pass.source.at(origin + (row + (i << low)) * pass.in.row));
    }
  }
  if (pass.row_factors != nullptr) {
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      x[i] = x[i] * load_constant(pass.row_factors + row + (i << low));
    }
  }

  const F* twiddles = pass.twiddles;
#pragma unroll 1
  while (true) {
    if (H > 2 && digits > 2) butterflies<(H > 2 ? 2 : 0), size>(x, pass.units);
    if (H > 1 && digits > 1) butterflies<(H > 1 ? 1 : 0), size>(x, pass.units);
    butterflies<0, size>(x, pass.units);
    if (low == 0) break;

    const uint32_t rest = row & ((1u << low) - 1);
    ZK_UNROLL
    for (int i = 1; i < size; i++) x[i] = x[i] * load_constant(twiddles + (i << low) + rest);
    twiddles += size << low;

    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      put_spread(shared, elements, (row + (i << low)) << log_columns | column, x[i]);
    }
    __syncthreads();
    digits = low < H ? low : H;
    low -= digits;
    column = thread & ((1u << log_columns) - 1);
    const uint32_t number = thread >> log_columns;
    row = (number >> low) << (low + H) | (number & ((1u << low) - 1));
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      x[i] = get_spread<F>(shared, elements, (row + (i << low)) << log_columns | column);
    }
  }

  const uint32_t first_row = row == 0 ? 0 : __brev(row) >> (32 - log_rows);
  const uint64_t number = (block << log_columns) + column;
  if (pass.factors != nullptr) {
    ZK_UNROLL
    for (int i = 0; i < size; i++) {
      const uint32_t output = first_row | __brev(i) >> (32 - log_rows);
      if (pass.high_factors == nullptr) {
        const uint64_t place = output * pass.factor_row + number * pass.factor_column;
        x[i] = x[i] * load_constant(pass.factors + place);
      } else {
        const uint64_t exponent = output * number;
        x[i] = x[i] * load_constant(pass.factors + (exponent & ((1ull << pass.log_low) - 1)));
        x[i] = x[i] * load_constant(pass.high_factors + (exponent >> pass.log_low));
      }
    }
  }
  const uint64_t origin = outer * pass.out.outer + block * pass.out.block + column * pass.out.column;
  ZK_UNROLL
  for (int i = 0; i < size; i++) {
    const uint32_t output = first_row | __brev(i) >> (32 - log_rows);
    store_whole_sectors(pass.target.at(origin + output * pass.out.row), x[i]);
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

// table[r][c] = scale row^e (base^e ratio)^c over `rows` rows of `columns` columns, where e = r, or
// the bit reversal of the lowest `reversed` bits of r where that is not 0.
template <class F>
struct PowerTable {
  F* table;
  uint64_t rows, columns;
  uint32_t reversed, padding;
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
    store(job.table + r * job.columns + c, value);
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
