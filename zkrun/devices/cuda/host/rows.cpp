// Kernels given to the driver by one call from Python, where Python would take several microseconds:
// to write what a call gives into the arguments of kernels, to set those nodes of a graph that hold
// something else, to launch it, and to let an event follow.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include "direct.hpp"

NB_MODULE(_rows, module) {
  using namespace zkrun;
  nb::set_leak_warnings(false);  // graphs that are ready stay as long as the process does
  nb::class_<Driver>(module, "Driver")
      .def(nb::init<uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t>(),
           nb::arg("launch_kernel"), nb::arg("create_graph"), nb::arg("add_node"),
           nb::arg("set_node"), nb::arg("launch_graph"), nb::arg("record_event"),
           nb::arg("current_device"));
  nb::class_<Kernels>(module, "Kernels")
      .def(nb::init<size_t>(), nb::arg("values"))
      .def("add", &Kernels::add, nb::arg("function"), nb::arg("x"), nb::arg("y"),
           nb::arg("threads"), nb::arg("shared"), nb::arg("arguments"), nb::arg("starts"),
           nb::arg("keeps").none())
      .def("give", &Kernels::give, nb::arg("number"), nb::arg("start"), nb::arg("plus").none())
      .def("launch", &Kernels::launch, nb::arg("driver"), nb::arg("values"), nb::arg("stream"));
  nb::class_<Row>(module, "Row")
      .def(nb::init<const Driver&, const Kernels&>(), nb::arg("driver"), nb::arg("kernels"))
      .def_ro("status", &Row::status)
      .def_rw("executable", &Row::executable)
      .def_prop_ro("graph", &Row::graph)
      .def("queue", nb::overload_cast<const Kernels&, const nb::tuple&, uintptr_t>(&Row::queue),
           nb::arg("kernels"), nb::arg("values"), nb::arg("stream"));
  nb::class_<Launch>(module, "Launch")
      .def(nb::init<nb::object, const Kernels&, nb::object, nb::callable,
                    const std::vector<std::pair<int, nb::object>>&>(),
           nb::arg("steps"), nb::arg("kernels"), nb::arg("length"), nb::arg("check"),
           nb::arg("sources"))
      .def("__call__", &Launch::operator(), nb::arg("queue"), nb::arg("mutable"),
           nb::arg("immutable"));
  nb::class_<Bound>(module, "Bound")
      .def(nb::init<nb::object, nb::object>(), nb::arg("launch"), nb::arg("function"))
      .def("__call__", &Bound::operator(), nb::arg("mutable"), nb::arg("immutable"));
  nb::class_<Direct>(module, "Direct", nb::type_slots(direct_slots))
      .def(nb::init<int, uintptr_t, nb::object, nb::object, nb::object, nb::dict, nb::object,
                    nb::object, nb::object>(),
           nb::arg("device"), nb::arg("stream"), nb::arg("acquire"), nb::arg("release"),
           nb::arg("waiting"), nb::arg("ready"), nb::arg("take"), nb::arg("flight"),
           nb::arg("fly"))
      .def_rw("is_open", &Direct::is_open)
      .def("submit", &Direct::submit, nb::arg("queue"), nb::arg("at"), nb::arg("work"),
           nb::arg("operands"));
}
