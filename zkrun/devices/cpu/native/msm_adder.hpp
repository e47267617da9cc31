// Which adder a group has in this build.
#pragma once

#include "msm_additions.hpp"
#include "msm_additions_ifma.hpp"

namespace zkrun {

template <class Group>
struct AdderOf {
  using Type = ScalarAdder<Group>;
};

#ifdef __AVX512IFMA__
template <class Curve>
struct AdderOf<G1<Curve>> {
  using Type = VectorAdder<G1<Curve>>;
};
#endif

template <class Group>
using Adder = typename AdderOf<Group>::Type;

}  // namespace zkrun
