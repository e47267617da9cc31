// Groups: the submodules g1 and g2 of a curve.
#include <nanobind/stl/pair.h>

#include <chrono>

#include "bind.hpp"
#include "msm.hpp"
#include "validity.hpp"

namespace zkrun {
namespace {

template <class Group>
using Point = Affine<typename Group::Field>;

// Calls body(coordinate) for every base-field coordinate of every point.
template <class Group, class Body>
void for_each_coordinate(Context& context, const View& points, Body body) {
  using Base = typename Group::BaseField;
  const Elements<Point<Group>> elements(points);
  parallel_for(context, elements.size(), 4096, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) {
      Base* const coordinates = reinterpret_cast<Base*>(&elements[i]);
      for (size_t j = 0; j < sizeof(Point<Group>) / sizeof(Base); j++) body(coordinates[j]);
    }
  });
}

template <class Group>
void to_montgomery(Context& context, const View& points) {
  using Base = typename Group::BaseField;
  for_each_coordinate<Group>(context, points,
                             [](Base& value) { value = Base::from_canonical(value.limb); });
}

template <class Group>
void from_montgomery(Context& context, const View& points) {
  using Base = typename Group::BaseField;
  for_each_coordinate<Group>(context, points, [](Base& value) {
    const Base montgomery = value;
    montgomery.to_canonical(value.limb);
  });
}

template <class Group>
int64_t first_not_canonical(Context& context, const View& points) {
  const size_t index =
      first_failing<Point<Group>>(context, points, 4096, has_canonical_coordinates<Group>);
  return index == points.size() ? -1 : static_cast<int64_t>(index);
}

template <class Group>
void add(Context&, const View& sum, const View& left, const View& right) {
  const auto extended = Xyzz<typename Group::Field>::from_affine(single<Point<Group>>(left));
  single<Point<Group>>(sum) = (extended + single<Point<Group>>(right)).to_affine();
}

template <class Group>
void scale_point(Context&, const View& product, const View& point, const View& scalar) {
  using Scalar = Fp<typename Group::Curve::ScalarField>;
  uint64_t multiplier[Scalar::N];
  single<Scalar>(scalar).to_canonical(multiplier);
  single<Point<Group>>(product) =
      scale(single<Point<Group>>(point), multiplier, Scalar::N).to_affine();
}

// Seconds that `count` multiplications in the base field take: independent ones, in the cache.
template <class Group>
double multiplications(size_t count) {
  const auto work = [&](auto* values, size_t lanes) {
    constexpr size_t width = 8;
    const auto start = std::chrono::steady_clock::now();
    for (size_t done = 0; done < count; done += width * lanes) {
      for (size_t i = 0; i < width; i++) values[i] = values[i] * values[i + width];
    }
    asm volatile("" : : "r"(values) : "memory");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  using Base = typename Group::BaseField;
  const Base start = Group::beta();
#ifdef __AVX512IFMA__
  using Vector = Fp8<typename Group::Curve::BaseField>;
  Vector values[16];
  for (Vector& value : values) value = Vector(Vector::broadcast(start));
  return work(values, 8);
#else
  Base values[16];
  for (Base& value : values) value = start;
  return work(values, 1);
#endif
}

template <class Group>
void bind_group(nb::module_& curve, const char* name) {
  nb::module_ group = curve.def_submodule(name);
  group.def("msm", &multi_scalar_multiply<Group>, nb::arg("context"), nb::arg("outs"),
            nb::arg("bases"), nb::arg("scalars"), ReleaseGil(),
            "outs[j] = sum of scalars[j][i] bases[i], for points of the subgroup.");
  group.def("to_montgomery", &to_montgomery<Group>, nb::arg("context"), nb::arg("points"),
            ReleaseGil());
  group.def("from_montgomery", &from_montgomery<Group>, nb::arg("context"), nb::arg("points"),
            ReleaseGil());
  group.def("first_not_canonical", &first_not_canonical<Group>, nb::arg("context"),
            nb::arg("points"), ReleaseGil(),
            "The first point with a coordinate of q or more, or -1.");
  group.def(
      "first_invalid",
      [](Context& context, const View& points, bool subgroup) {
        const auto [index, reason] = first_invalid<Group>(context, points, subgroup);
        return std::pair<int64_t, int>(index, static_cast<int>(reason));
      },
      nb::arg("context"), nb::arg("points"), nb::arg("subgroup"), ReleaseGil(),
      "(index, reason): 1 a coordinate of q or more, 2 off the curve, 3 outside the subgroup; "
      "(-1, 0) if all are valid.");
  group.def("add", &add<Group>, nb::arg("context"), nb::arg("sum"), nb::arg("left"),
            nb::arg("right"), ReleaseGil());
  group.def("scale", &scale_point<Group>, nb::arg("context"), nb::arg("product"),
            nb::arg("point"), nb::arg("scalar"), ReleaseGil());
  group.def("multiplications", &multiplications<Group>, nb::arg("count"), ReleaseGil(),
            "Seconds for this many multiplications in the base field.");
}

}  // namespace

template <class Curve>
void bind_groups(nb::module_& curve) {
  bind_group<G1<Curve>>(curve, "g1");
  bind_group<G2<Curve>>(curve, "g2");
}

template void bind_groups<ZKRUN_CURVE>(nb::module_& curve);

}  // namespace zkrun
