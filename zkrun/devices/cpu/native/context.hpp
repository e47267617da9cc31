// What a kernel owes its caller: memory that is counted, and an ear for cancellation.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <type_traits>

namespace zkrun {

struct Cancelled : std::exception {
  const char* what() const noexcept override { return "the call was cancelled"; }
};

// The account of one device in one run: scratch bytes held now and at most, and whether to stop.
class Context {
 public:
  int64_t current() const { return current_.load(std::memory_order_relaxed); }
  int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  void add(int64_t bytes) {
    const int64_t now = current_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    int64_t seen = peak();
    while (now > seen && !peak_.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
    }
  }
  void sub(int64_t bytes) { current_.fetch_sub(bytes, std::memory_order_relaxed); }

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Throws Cancelled after cancel(). Kernels call it every millisecond or so of work.
  void check() const {
    if (cancelled()) throw Cancelled();
  }

 private:
  std::atomic<int64_t> current_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<bool> cancelled_{false};
};

// Uninitialised memory for `size` objects, aligned to 64 bytes, counted by the context and wiped at
// the end.
// Throws std::bad_alloc, which becomes Python's MemoryError.
template <class T>
class Scratch {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Scratch(Context& context, size_t size) : context_(&context), size_(size) {
    if (size > PTRDIFF_MAX / sizeof(T) - huge_page) throw std::bad_alloc();
    const size_t alignment = size * sizeof(T) >= 2 * huge_page ? huge_page : cache_line;
    bytes_ = (size * sizeof(T) + alignment - 1) / alignment * alignment;
    if (bytes_ == 0) return;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, bytes_));
    if (data_ == nullptr) throw std::bad_alloc();
    // Advice only: fresh memory is then faulted in by 2 MiB instead of 4 KiB.
    if (alignment == huge_page) madvise(data_, bytes_, MADV_HUGEPAGE);
    context.add(static_cast<int64_t>(bytes_));
  }
  Scratch(Scratch&& other) noexcept
      : context_(other.context_), data_(other.data_), size_(other.size_), bytes_(other.bytes_) {
    other.data_ = nullptr;
    other.size_ = other.bytes_ = 0;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (data_ == nullptr) return;
    wipe();
    std::free(data_);
    context_->sub(static_cast<int64_t>(bytes_));
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }

 private:
  // What kernels leave behind may be a witness. Large blocks lose their pages, which costs less than
  // overwriting them and gives the next owner zeros.
  void wipe() {
    if (bytes_ >= 2 * huge_page && madvise(data_, bytes_, MADV_DONTNEED) == 0) return;
    std::memset(static_cast<void*>(data_), 0, bytes_);
    asm volatile("" : : "r"(data_) : "memory");  // the stores count, though nobody reads them
  }

  static constexpr size_t cache_line = 64;
  static constexpr size_t huge_page = size_t{1} << 21;

  Context* context_;
  T* data_ = nullptr;
  size_t size_;
  size_t bytes_ = 0;
};

}  // namespace zkrun
