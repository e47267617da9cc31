// Number theoretic transforms of any size that a field has, on any instruction set.
#pragma once

#include <memory>

#include "context.hpp"
#include "ntt_cache.hpp"
#include "ntt_four_step.hpp"
#include "ntt_key.hpp"
#include "ntt_lanes_scalar.hpp"
#include "ntt_small.hpp"
#ifdef __AVX512IFMA__
#include "ntt_lanes_ifma.hpp"
#endif

namespace zkrun {

// For as long as this lives, memory that was taken elsewhere counts as the context's.
class Charge {
 public:
  Charge(Context& context, size_t bytes) : context_(context), bytes_(static_cast<int64_t>(bytes)) {
    context_.add(bytes_);
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() { context_.sub(bytes_); }

 private:
  Context& context_;
  int64_t bytes_;
};

template <class Lanes>
void planned_ntt(Context& context, typename Lanes::F* a, const NttKey<typename Lanes::F>& key) {
  using Plan = FourStepPlan<Lanes>;
  // Never destroyed: worker threads may outlive static destruction.
  static auto& cache = *new NttCache<Plan, typename Lanes::F>;
  const std::shared_ptr<const Plan> plan = cache.get(key);
  const Charge charge(context, plan->bytes());
  four_step_ntt(context, *plan, a);
}

// In place over 2^key.k elements, natural order in and out; key.k at most the two-adicity.
template <class P>
void ntt(Context& context, Fp<P>* a, const NttKey<Fp<P>>& key) {
  static_assert(FourStepPlan<ScalarLanes<P>>::min_log_size == small_ntt_max_log_size + 1);
  if (key.k <= small_ntt_max_log_size) return small_ntt(a, key);
#ifdef __AVX512IFMA__
  if (key.k <= FourStepPlan<IfmaLanes<P>>::max_log_size) {
    return planned_ntt<IfmaLanes<P>>(context, a, key);
  }
#endif
  planned_ntt<ScalarLanes<P>>(context, a, key);
}

}  // namespace zkrun
