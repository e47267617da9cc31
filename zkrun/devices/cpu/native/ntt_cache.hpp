// The tables of recent transforms, kept for the next ones.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

#include "ntt_key.hpp"

namespace zkrun {

// Most recently used first; older ones go when all together exceed `limit`, whatever their number.
// A plan of n elements takes some 160 sqrt(n) bytes. Safe to use from several threads.
template <class Plan, class F>
class NttCache {
 public:
  static constexpr size_t limit = size_t{4} << 20;

  std::shared_ptr<const Plan> get(const NttKey<F>& key) {
    {
      std::lock_guard lock(mutex_);
      for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->key == key) {
          entries_.splice(entries_.begin(), entries_, entry);
          return entry->plan;
        }
      }
    }
    // Two threads may build the same plan at once: both are right, and one is soon forgotten.
    auto plan = std::make_shared<const Plan>(key);
    std::lock_guard lock(mutex_);
    entries_.push_front({key, plan});
    size_t total = 0;
    auto entry = entries_.begin();
    while (entry != entries_.end() && (total += entry->plan->bytes()) <= limit) ++entry;
    entries_.erase(entry, entries_.end());
    return plan;
  }

 private:
  struct Entry {
    NttKey<F> key;
    std::shared_ptr<const Plan> plan;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace zkrun
