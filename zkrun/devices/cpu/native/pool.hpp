// One pool of threads for the whole process.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "context.hpp"

namespace zkrun {

// Threads that work on a parallel loop, the caller's included. The default is the number of CPUs
// this process may run on.
int threads();
void set_threads(int count);

namespace detail {
using Piece = void (*)(void* body, size_t begin, size_t end);
void run_pieces(const Context& context, size_t size, size_t piece, Piece call, void* body);
size_t piece_size(size_t size, size_t grain);
}  // namespace detail

// Calls body(begin, end) so that the calls cover [0, size) exactly, in pieces that are multiples
// of `grain` (but the last), on several threads where there is more than one piece. The context
// is checked before each piece. The first exception stops the loop and is thrown from here.
// Loops may be nested and run from several threads at once: the caller always works itself, so
// nobody waits for a thread that is not already at work.
template <class Body>
void parallel_for(const Context& context, size_t size, size_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::run_pieces(
      context, size, detail::piece_size(size, grain),
      [](void* plain, size_t begin, size_t end) { (*static_cast<Plain*>(plain))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// Calls body(i) for each i below `count`, each as a piece of its own.
template <class Body>
void parallel_tasks(const Context& context, size_t count, Body&& body) {
  auto each = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) body(i);
  };
  using Each = decltype(each);
  detail::run_pieces(
      context, count, 1,
      [](void* plain, size_t begin, size_t end) { (*static_cast<Each*>(plain))(begin, end); },
      &each);
}

}  // namespace zkrun
