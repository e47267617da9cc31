// The extension module: contexts, views, threads, and a submodule for each curve.
#include "bind.hpp"

namespace zkrun {
namespace {

template <class Curve>
void bind_curve(nb::module_& module) {
  nb::module_ curve = module.def_submodule(Curve::name);
  bind_field<Curve>(curve);
  bind_ntt<Curve>(curve);
  bind_groups<Curve>(curve);
}

void bind_shared(nb::module_& module) {
  nb::class_<Context>(module, "Context", "Counts scratch memory and carries cancellation.")
      .def(nb::init<>())
      .def_prop_ro("current", &Context::current, "Scratch bytes held now.")
      .def_prop_ro("peak", &Context::peak, "The most scratch bytes held at once.")
      .def_prop_ro("cancelled", &Context::cancelled)
      .def("add", &Context::add, nb::arg("bytes"))
      .def("sub", &Context::sub, nb::arg("bytes"))
      .def("cancel", &Context::cancel, "Makes running and later calls raise Cancelled.");
  nb::class_<View>(module, "View", "Elements (offset + i) mod whole at an address, i < length.")
      .def(nb::init<uintptr_t, int64_t, int64_t, int64_t>(), nb::arg("address"), nb::arg("whole"),
           nb::arg("offset"), nb::arg("length"))
      .def_ro("address", &View::address)
      .def_ro("whole", &View::whole)
      .def_ro("offset", &View::offset)
      .def_ro("length", &View::length);
  nb::exception<Cancelled>(module, "Cancelled");
  module.def("threads", &threads, "Threads of a parallel loop, the caller's included.");
  module.def("set_threads", &set_threads, nb::arg("count"));
}

}  // namespace
}  // namespace zkrun

NB_MODULE(ZKRUN_MODULE, module) {
  using namespace zkrun;
  module.attr("isa") = ZKRUN_ISA;
  bind_shared(module);
  bind_curve<Bn254>(module);
  bind_curve<Bls12381>(module);
}
