// What every binding file shares. Each bind_*.cpp is compiled once for each curve, with ZKRUN_CURVE
// naming the curve's struct of curves.hpp, and instantiates its function for that curve.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <vector>

#include "context.hpp"
#include "curves.hpp"
#include "field.hpp"
#include "pool.hpp"
#include "view.hpp"

namespace zkrun {

namespace nb = nanobind;

// Arguments that were converted from Python stay valid: nanobind holds them around the call.
using ReleaseGil = nb::call_guard<nb::gil_scoped_release>;

// The bytes of a Python object with the buffer protocol, for as long as this lives.
// Made and destroyed with the interpreter's lock held.
class ByteBuffer {
 public:
  explicit ByteBuffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_SIMPLE) != 0) throw nb::python_error();
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { PyBuffer_Release(&buffer_); }

  const unsigned char* data() const { return static_cast<const unsigned char*>(buffer_.buf); }
  size_t size() const { return static_cast<size_t>(buffer_.len); }

 private:
  Py_buffer buffer_;
};

// The scalar field's functions, into the curve's submodule.
template <class Curve>
void bind_field(nb::module_& curve);
template <class Curve>
void bind_ntt(nb::module_& curve);
// The submodules g1 and g2 of the curve's submodule.
template <class Curve>
void bind_groups(nb::module_& curve);

}  // namespace zkrun
