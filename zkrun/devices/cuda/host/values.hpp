// What a call of a program gives to kernels, read from the objects of Python that it comes in.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace nb = nanobind;

namespace zkrun {

constexpr size_t view_bytes = 32;  // of DeviceView, as functions/launch.py packs it

// A view, or an address in its first eight bytes.
using Value = std::array<uint8_t, view_bytes>;

// The names of what is read of Python's objects, made once.
struct Names {
  PyObject *address = PyUnicode_InternFromString("address"),
           *whole = PyUnicode_InternFromString("whole"),
           *offset = PyUnicode_InternFromString("offset"),
           *length = PyUnicode_InternFromString("length"),
           *item = PyUnicode_InternFromString("item"),
           *native = PyUnicode_InternFromString("native"),
           *rows = PyUnicode_InternFromString("rows"),
           *ready = PyUnicode_InternFromString("ready"),
           *handle = PyUnicode_InternFromString("handle"),
           *scratch = PyUnicode_InternFromString("scratch"),
           *counter = PyUnicode_InternFromString("counter"),
           *queue_on = PyUnicode_InternFromString("queue_on");
};

inline const Names& names() {
  static const Names all;
  return all;
}

inline nb::object attribute(const nb::handle& object, PyObject* name) {
  PyObject* found = PyObject_GetAttr(object.ptr(), name);
  if (found == nullptr) throw nb::python_error();
  return nb::steal(found);
}

inline uint64_t number(const nb::handle& value) {
  const uint64_t result = PyLong_AsUnsignedLongLong(value.ptr());
  if (result == ~uint64_t{0} && PyErr_Occurred()) throw nb::python_error();
  return result;
}

inline void copy_view(Value& view, const nb::handle& bytes) {
  if (!PyBytes_Check(bytes.ptr()) || PyBytes_GET_SIZE(bytes.ptr()) != view_bytes) {
    throw nb::type_error("a kernel is given a view that is none");
  }
  std::memcpy(view.data(), PyBytes_AS_STRING(bytes.ptr()), view_bytes);
}

// Of a value in memory: Data of devices/base.py.
inline nb::object field(const nb::handle& data, PyObject* name) {
  PyObject* found = PyObject_GetAttr(data.ptr(), name);
  if (found == nullptr) {
    PyErr_Clear();
    throw nb::type_error("a kernel is given what is no value in memory");
  }
  return nb::steal(found);
}

// The view of a value in memory, which keeps it for the next call.
inline void read_view(Value& view, const nb::handle& data) {
  const Names& name = names();
  const nb::object kept = field(data, name.native);
  if (!kept.is_none()) return copy_view(view, kept);
  const uint64_t fields[] = {number(field(data, name.address)), number(field(data, name.whole)),
                             number(field(data, name.offset)), number(field(data, name.length))};
  static_assert(sizeof fields == view_bytes);
  std::memcpy(view.data(), fields, view_bytes);
  const nb::bytes made(view.data(), view_bytes);
  if (PyObject_SetAttr(data.ptr(), name.native, made.ptr()) != 0) throw nb::python_error();
}

// What a call gives: a value in memory, of which kernels take the view, or the address of the
// first element; or a view as it is, or an address.
inline Value read(const nb::handle& given, bool is_view) {
  Value result{};
  if (is_view) {
    PyBytes_Check(given.ptr()) ? copy_view(result, given) : read_view(result, given);
    return result;
  }
  const Names& name = names();
  uint64_t address;
  if (PyLong_Check(given.ptr())) {
    address = number(given);
  } else {
    address = number(field(given, name.address));
    address += number(field(given, name.offset)) * number(field(given, name.item));
  }
  std::memcpy(result.data(), &address, sizeof address);
  return result;
}

}  // namespace zkrun
