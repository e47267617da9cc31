// Which Adder a group has on this machine.
#pragma once

#include "msm_additions.hpp"

namespace zkrun {

template <class Group>
using Adder = ScalarAdder<Group>;

}  // namespace zkrun
