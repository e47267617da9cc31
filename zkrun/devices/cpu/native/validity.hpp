// Arrays of points from outside: whether each is one.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "context.hpp"
#include "group.hpp"
#include "pool.hpp"
#include "subgroup.hpp"
#include "view.hpp"

namespace zkrun {

enum class Invalid { no = 0, coordinate_not_reduced = 1, off_curve = 2, outside_subgroup = 3 };

// Whether all coordinates are below q.
template <class Group>
bool has_canonical_coordinates(const Affine<typename Group::Field>& point) {
  using Base = typename Group::BaseField;
  const Base* const coordinates = reinterpret_cast<const Base*>(&point);
  for (size_t i = 0; i < sizeof(point) / sizeof(Base); i++) {
    if (!Base::is_canonical(coordinates[i].limb)) return false;
  }
  return true;
}

template <class Group>
Invalid check_point(const Affine<typename Group::Field>& point, bool subgroup) {
  if (!has_canonical_coordinates<Group>(point)) return Invalid::coordinate_not_reduced;
  if (!is_on_curve<Group>(point)) return Invalid::off_curve;
  if (subgroup && !Subgroup<Group>::contains(point)) return Invalid::outside_subgroup;
  return Invalid::no;
}

// The index of the first element of an array that is not valid, or its size.
template <class T, class IsValid>
size_t first_failing(Context& context, const View& view, size_t grain, IsValid is_valid) {
  const Elements<const T> elements(view);
  std::atomic<size_t> first{elements.size()};
  parallel_for(context, elements.size(), grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end && i < first.load(std::memory_order_relaxed); i++) {
      if (is_valid(elements[i])) continue;
      size_t seen = first.load(std::memory_order_relaxed);
      while (i < seen && !first.compare_exchange_weak(seen, i, std::memory_order_relaxed)) {
      }
      return;
    }
  });
  return first.load(std::memory_order_relaxed);
}

// The first point of an array that is not on the curve, or (if asked for) not in the subgroup, and
// why; (-1, no) if there is none. Coordinates are in Montgomery form.
template <class Group>
std::pair<int64_t, Invalid> first_invalid(Context& context, const View& points, bool subgroup) {
  using Point = Affine<typename Group::Field>;
  const size_t index = first_failing<Point>(context, points, 16, [&](const Point& point) {
    return check_point<Group>(point, subgroup) == Invalid::no;
  });
  if (index == points.size()) return {-1, Invalid::no};
  const Point point = Elements<const Point>(points)[index];
  return {static_cast<int64_t>(index), check_point<Group>(point, subgroup)};
}

}  // namespace zkrun
