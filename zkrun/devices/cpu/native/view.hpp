// Arrays as programs see them: a stretch of a larger array, which may wrap at its end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "context.hpp"

namespace zkrun {

// Element i of the view is physical element (offset + i) mod whole at `address`.
// 0 <= offset < whole (or whole = 0), 0 <= length <= whole.
struct View {
  uintptr_t address;
  int64_t whole;
  int64_t offset;
  int64_t length;

  size_t size() const { return static_cast<size_t>(length); }
  bool wraps() const { return offset + length > whole; }
};

// Elements [begin, begin + count) of a view that has them.
inline View part(const View& view, size_t begin, size_t count) {
  const int64_t offset = view.offset + static_cast<int64_t>(begin);
  return {view.address, view.whole, offset < view.whole ? offset : offset - view.whole,
          static_cast<int64_t>(count)};
}

// Typed access to a view, without copying.
template <class T>
class Elements {
 public:
  explicit Elements(const View& view)
      : data_(reinterpret_cast<T*>(view.address)),
        whole_(static_cast<size_t>(view.whole)),
        offset_(static_cast<size_t>(view.offset)),
        size_(view.size()) {}

  size_t size() const { return size_; }
  T& operator[](size_t i) const { return data_[physical(i)]; }
  // The address of element i, and how many elements from there lie one after the other.
  T* at(size_t i) const { return data_ + physical(i); }
  size_t run(size_t i) const { return std::min(whole_ - physical(i), size_ - i); }
  // How many elements before element i, i > 0, lie one after the other.
  size_t run_before(size_t i) const { return std::min(physical(i - 1) + 1, i); }

 private:
  size_t physical(size_t i) const {
    const size_t position = offset_ + i;
    return position < whole_ ? position : position - whole_;
  }

  T* data_;
  size_t whole_, offset_, size_;
};

// Calls body(count, pointers...) for the joint contiguous runs of [begin, end) of all arrays.
template <class Body, class... Ts>
void for_each_run(size_t begin, size_t end, Body&& body, const Elements<Ts>&... arrays) {
  while (begin < end) {
    const size_t count = std::min({end - begin, arrays.run(begin)...});
    body(count, arrays.at(begin)...);
    begin += count;
  }
}

// The same from the end on, run by run.
template <class Body, class... Ts>
void for_each_run_backwards(size_t begin, size_t end, Body&& body, const Elements<Ts>&... arrays) {
  while (begin < end) {
    const size_t count = std::min({end - begin, arrays.run_before(end)...});
    end -= count;
    body(count, arrays.at(end)...);
  }
}

template <class T>
void copy_in(T* destination, const Elements<T>& source) {
  for_each_run(
      0, source.size(),
      [&](size_t count, const T* from) {
        std::memcpy(static_cast<void*>(destination), from, count * sizeof(T));
        destination += count;
      },
      source);
}

template <class T>
void copy_out(const Elements<T>& destination, const T* source) {
  for_each_run(
      0, destination.size(),
      [&](size_t count, T* to) {
        std::memcpy(static_cast<void*>(to), source, count * sizeof(T));
        source += count;
      },
      destination);
}

// A view as one contiguous array: the memory itself where it does not wrap, else a copy, which
// `finish` writes back.
template <class T>
class Contiguous {
 public:
  Contiguous(Context& context, const View& view) : view_(view) {
    if (view.wraps()) {
      copy_.emplace(context, view.size());
      copy_in(copy_->data(), Elements<T>(view));
      data_ = copy_->data();
    } else {
      data_ = reinterpret_cast<T*>(view.address) + view.offset;
    }
  }

  T* data() { return data_; }

  void finish() {
    if (copy_) copy_out(Elements<T>(view_), data_);
  }

 private:
  View view_;
  std::optional<Scratch<T>> copy_;
  T* data_;
};

// A view of one element.
template <class T>
T& single(const View& view) {
  return *(reinterpret_cast<T*>(view.address) + view.offset);
}

}  // namespace zkrun
