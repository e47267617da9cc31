// How to cut a multi-scalar multiplication up: window width, and jobs for the threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "msm_digits.hpp"

namespace zkrun {

// Rows of the table are taken by `parts` ranges, the windows of each range by jobs of
// `windows_per_job` windows.
struct MsmPlan {
  int window_bits;
  int windows;
  int windows_per_job;
  size_t parts;

  size_t jobs_per_part() const {
    return static_cast<size_t>((windows + windows_per_job - 1) / windows_per_job);
  }
  size_t jobs() const { return parts * jobs_per_part(); }
};

// Costs, measured, in tenths of an addition. They are integers, as a plan must be the same wherever
// it is made: msm_scratch.py makes it too, for the memory that it takes.
constexpr size_t addition_cost = 10;
constexpr size_t bucket_cost = 22;    // sum_bits takes 2 additions a bucket, less well shared
constexpr size_t job_cost = 3000;     // rounds too short to share an inversion well
constexpr size_t part_cost = 15000;   // 128 additions at the end, one after the other

// Small jobs take several windows at once, so that rounds are long enough to share inversions.
constexpr size_t rows_per_job = size_t{1} << 16;

// The cheapest plan for a table of `rows` rows.
inline MsmPlan plan_msm(size_t rows, size_t threads) {
  MsmPlan best{};
  size_t best_cost = 0;
  for (int bits = min_window_bits; bits <= max_window_bits; bits++) {
    const size_t windows = static_cast<size_t>(window_count(bits));
    const size_t window_buckets = size_t{1} << (bits - 1);
    for (size_t parts = 1; parts <= threads; parts *= 2) {
      const size_t part_rows = rows / parts;
      const size_t by_size = (windows * part_rows + rows_per_job - 1) / rows_per_job;
      const size_t by_threads = (threads + parts - 1) / parts;
      const size_t jobs = std::min(windows, std::max({by_size, by_threads, size_t{1}}));
      MsmPlan plan{};
      plan.window_bits = bits;
      plan.windows = static_cast<int>(windows);
      plan.windows_per_job = static_cast<int>((windows + jobs - 1) / jobs);
      plan.parts = parts;

      // The busiest thread's jobs and windows.
      const size_t busiest_jobs = (plan.jobs() + threads - 1) / threads;
      const size_t busiest_windows = std::min(
          busiest_jobs * static_cast<size_t>(plan.windows_per_job), windows * parts);
      const size_t cost =
          busiest_windows * (addition_cost * part_rows + bucket_cost * window_buckets) +
          job_cost * busiest_jobs + part_cost * parts;
      if (best.windows == 0 || cost < best_cost) {
        best = plan;
        best_cost = cost;
      }
    }
  }
  return best;
}

}  // namespace zkrun
