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

// Costs, measured, in units of one addition.
constexpr double bucket_cost = 2.2;     // sum_bits takes 2 additions a bucket, less well shared
constexpr double job_cost = 300;        // rounds too short to share an inversion well
constexpr double doubling_cost = 12;    // one of the 128 doublings at the end, not vectorised

// Small jobs take several windows at once, so that rounds are long enough to share inversions.
constexpr size_t rows_per_job = size_t{1} << 16;

// The cheapest plan for a table of `rows` rows.
inline MsmPlan plan_msm(size_t rows, size_t threads) {
  MsmPlan best{};
  double best_cost = 0;
  for (int bits = min_window_bits; bits <= max_window_bits; bits++) {
    MsmPlan plan{};
    plan.window_bits = bits;
    plan.windows = window_count(bits);
    const size_t windows = static_cast<size_t>(plan.windows);
    const size_t buckets = size_t{1} << (bits - 1);
    const size_t by_threads = (windows + threads - 1) / threads;
    const size_t by_size = std::max<size_t>(1, rows_per_job / std::max<size_t>(rows, 1));
    const size_t windows_per_job = std::min(by_threads, by_size);
    plan.windows_per_job = static_cast<int>(windows_per_job);
    for (plan.parts = 1; plan.parts <= threads; plan.parts *= 2) {
      const size_t rounds = (plan.jobs() + threads - 1) / threads;
      const double job = static_cast<double>(windows_per_job) *
                             (static_cast<double>(rows / plan.parts) +
                              bucket_cost * static_cast<double>(buckets)) +
                         job_cost;
      const double cost = static_cast<double>(rounds) * job +
                          doubling_cost * 128 * static_cast<double>(plan.parts + 1) / 2;
      if (best.windows == 0 || cost < best_cost) {
        best = plan;
        best_cost = cost;
      }
    }
  }
  return best;
}

}  // namespace zkrun
