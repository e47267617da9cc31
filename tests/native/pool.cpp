// The thread pool under load, for test_pool.py: prints what went wrong, or nothing.
#include "pool.hpp"

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace zkrun;

namespace {

void expect(bool condition, const char* what) {
  if (!condition) std::printf("%s\n", what);
}

// Every element exactly once, pieces on multiples of the grain.
void covers(const Context& context, size_t size, size_t grain) {
  std::vector<std::atomic<int>> seen(size);
  parallel_for(context, size, grain, [&](size_t begin, size_t end) {
    expect(begin % grain == 0 && begin < end && end <= size, "a piece is off its grain");
    for (size_t i = begin; i < end; i++) seen[i]++;
  });
  for (auto& count : seen) expect(count == 1, "an element was not done exactly once");
}

void nested(const Context& context) {
  std::atomic<size_t> sum{0};
  parallel_tasks(context, 20, [&](size_t i) {
    parallel_for(context, 100, 3, [&](size_t begin, size_t end) {
      parallel_tasks(context, end - begin, [&](size_t j) { sum += i + begin + j; });
    });
  });
  expect(sum == 20 * 4950 + 100 * 190, "a nested sum is wrong");
}

void fails(const Context& context) {
  try {
    parallel_tasks(context, 1000, [](size_t i) {
      if (i == 50) throw std::runtime_error("fifty");
    });
    expect(false, "an exception was lost");
  } catch (const std::runtime_error& error) {
    expect(error.what() == std::string("fifty"), "another exception arrived");
  }
}

void cancels() {
  Context context;
  std::atomic<int> calls{0};
  try {
    parallel_tasks(context, 100000, [&](size_t) {
      if (++calls == 100) context.cancel();
    });
    expect(false, "a cancelled loop ran to its end");
  } catch (const Cancelled&) {
  }
  expect(calls < 100000, "the loop went on after it was cancelled");
}

}  // namespace

int main() {
  const Context context;
  for (int count : {1, 2, 5, 3, 1, 4}) {
    set_threads(count);
    expect(threads() == count, "the number of threads was not taken");
    for (size_t size : {0, 1, 2, 7, 64, 1000, 20000}) {
      for (size_t grain : {1, 3, 64, 5000}) covers(context, size, grain);
    }
    nested(context);
    fails(context);
    cancels();
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 30; round++) {
        nested(context);
        covers(context, 5000, 7);
        fails(context);
        if (caller == 0) set_threads(1 + round % 5);
      }
    });
  }
  for (auto& caller : callers) caller.join();
}
