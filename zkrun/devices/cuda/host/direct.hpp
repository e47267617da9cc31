// Bound functions queued on a stream with no Python in between: streams/stream.py.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>

#include "launch.hpp"

namespace zkrun {

// A function of a program, bound to its device: `function`, and what it comes to on a stream.
struct Bound {
  Bound(nb::object launch, nb::object function)
      : launch(nb::cast<const Launch&>(launch)), keeps(launch), function(std::move(function)) {}

  nb::object operator()(const nb::handle& mutables, const nb::handle& immutables) const {
    return function(mutables, immutables);
  }

  const Launch& launch;
  nb::object keeps, function;
};

// What a stream queues bound functions by, with no Python in between: stream.py.
class Direct {
 public:
  Direct(int device, uintptr_t stream, nb::object acquire, nb::object release, nb::object waiting,
         nb::dict ready, nb::object take, nb::object flight, nb::object fly)
      : device_(device),
        stream_(stream),
        parts_{std::move(acquire), std::move(release), std::move(waiting), std::move(ready),
               std::move(take),    std::move(flight),  std::move(fly)} {}

  bool is_open = true;

  // Whether it could.
  bool submit(const nb::handle& queue, const nb::handle& at, const nb::handle& work,
              const nb::tuple& operands) {
    if (!is_open || !nb::isinstance<Bound>(work) || operands.size() != 2) return false;
    const Launch& launch = nb::cast<const Bound&>(work).launch;
    call(parts_[acquire]);
    const Finally released{parts_[release]};
    if (!is_open || PyObject_Size(parts_[waiting].ptr()) != 0) return false;
    const nb::handle found = PyDict_GetItemWithError(parts_[ready].ptr(), launch.length().ptr());
    if (!found.is_valid()) {
      if (PyErr_Occurred()) throw nb::python_error();
      return false;
    }
    Row& row = nb::cast<Row&>(found);
    if (!row.driver().is_current(device_)) return false;
    const nb::object keeps = nb::borrow(found), event = call(parts_[take]);
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    launch.queue(row, queue, stream_, operands[0], operands[1], number(event));
    const nb::int_ submitted(now.tv_sec * int64_t{1000000000} + now.tv_nsec);
    static PyObject* const kind = PyUnicode_InternFromString("run");
    static PyObject* const checks = PyTuple_New(0);
    call(parts_[fly],
         call(parts_[flight], nb::handle(kind), at, submitted, event, nb::none(), nb::handle(checks)));
    return true;
  }

  template <class Visit>
  void visit(Visit visit) {
    for (nb::object& part : parts_) visit(part);
  }

 private:
  enum { acquire, release, waiting, ready, take, flight, fly, count };

  template <class... Arguments>
  static nb::object call(const nb::object& callable, const Arguments&... arguments) {
    PyObject* all[] = {nullptr, arguments.ptr()...};
    PyObject* found = PyObject_Vectorcall(
        callable.ptr(), all + 1, (sizeof all / sizeof *all - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET,
        nullptr);
    if (found == nullptr) throw nb::python_error();
    return nb::steal(found);
  }

  struct Finally {
    ~Finally() {
      nb::error_scope kept;
      call(release);
    }
    const nb::object& release;
  };

  const int device_;
  const uintptr_t stream_;
  std::array<nb::object, count> parts_;
};

inline int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  int result = 0;
  nb::inst_ptr<Direct>(self)->visit([&](nb::object& part) {
    if (result == 0 && part.is_valid()) result = visit(part.ptr(), arg);
  });
  return result;
}

inline int clear(PyObject* self) {
  Direct* direct = nb::inst_ptr<Direct>(self);
  direct->is_open = false;
  direct->visit([](nb::object& part) { part.reset(); });
  return 0;
}

inline PyType_Slot direct_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(clear)},
                              {0, nullptr}};

}  // namespace zkrun
