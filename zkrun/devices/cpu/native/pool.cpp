#include "pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

namespace zkrun {
namespace {

// One parallel loop. It lives on the stack of its caller, who leaves only when no worker is in it.
struct Loop {
  const Context* context;
  size_t size, piece;
  detail::Piece call;
  void* body;
  std::atomic<size_t> next{0};
  int workers = 0;           // guarded by the pool's mutex
  std::exception_ptr error;  // guarded by the pool's mutex

  bool exhausted() const { return next.load(std::memory_order_relaxed) >= size; }
};

int available_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return CPU_COUNT(&allowed);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

class Pool {
 public:
  int threads() {
    std::lock_guard lock(mutex_);
    return threads_;
  }

  void set_threads(int count) {
    {
      std::lock_guard lock(mutex_);
      threads_ = std::max(1, count);
    }
    work_.notify_all();
  }

  void run(Loop& loop) {
    std::list<Loop*>::iterator place;
    {
      std::lock_guard lock(mutex_);
      start_workers();
      place = loops_.insert(loops_.end(), &loop);
    }
    work_.notify_all();
    work_on(loop);
    std::unique_lock lock(mutex_);
    loops_.erase(place);
    finished_.wait(lock, [&] { return loop.workers == 0; });
    if (loop.error) std::rethrow_exception(loop.error);
  }

 private:
  // Workers beyond the wanted number end by themselves. Being short of threads is no error.
  void start_workers() {
    while (workers_ < threads_ - 1) {
      try {
        std::thread([this] { worker(); }).detach();
      } catch (const std::system_error&) {
        return;
      }
      workers_++;
    }
  }

  void worker() {
    std::unique_lock lock(mutex_);
    while (workers_ < threads_) {
      Loop* loop = waiting_loop();
      if (loop == nullptr) {
        work_.wait(lock);
        continue;
      }
      loop->workers++;
      lock.unlock();
      work_on(*loop);
      lock.lock();
      if (--loop->workers == 0) finished_.notify_all();
    }
    workers_--;
  }

  Loop* waiting_loop() {
    for (Loop* loop : loops_) {
      if (!loop->exhausted()) return loop;
    }
    return nullptr;
  }

  void work_on(Loop& loop) {
    try {
      for (;;) {
        const size_t begin = loop.next.fetch_add(loop.piece, std::memory_order_relaxed);
        if (begin >= loop.size) return;
        loop.context->check();
        loop.call(loop.body, begin, begin + std::min(loop.piece, loop.size - begin));
      }
    } catch (...) {
      loop.next.store(loop.size, std::memory_order_relaxed);
      std::lock_guard lock(mutex_);
      if (!loop.error) loop.error = std::current_exception();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;      // a loop was added, or the number of threads changed
  std::condition_variable finished_;  // a worker left a loop
  std::list<Loop*> loops_;
  int threads_ = available_cpus();
  int workers_ = 0;
};

// Never destroyed: detached workers may outlive static destruction. A forked child has none of
// the parent's threads, and perhaps a locked mutex, so it starts afresh.
std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
  static const bool once = [] {
    current_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { current_pool = new Pool; });
    return true;
  }();
  static_cast<void>(once);
  return *current_pool.load(std::memory_order_relaxed);
}

}  // namespace

int threads() { return pool().threads(); }
void set_threads(int count) { pool().set_threads(count); }

namespace detail {

size_t piece_size(size_t size, size_t grain) {
  // Eight pieces a thread level out what other processes take; sixteen grains are a bound on the
  // time between two looks at the context.
  grain = std::max<size_t>(grain, 1);
  const size_t share = size / (8 * static_cast<size_t>(threads()));
  return std::clamp(share / grain, size_t{1}, size_t{16}) * grain;
}

void run_pieces(const Context& context, size_t size, size_t piece, Piece call, void* body) {
  if (size == 0) return;
  if (size <= piece || threads() == 1) {
    for (size_t begin = 0; begin < size; begin += std::min(piece, size - begin)) {
      context.check();
      call(body, begin, begin + std::min(piece, size - begin));
    }
    return;
  }
  Loop loop;
  loop.context = &context;
  loop.size = size;
  loop.piece = piece;
  loop.call = call;
  loop.body = body;
  pool().run(loop);
}

}  // namespace detail
}  // namespace zkrun
