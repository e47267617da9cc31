// What a call of a function comes to: kernels, and where their values come from.
#pragma once

#include <utility>
#include <vector>

#include "kernels.hpp"

namespace zkrun {

// Where a call takes a value from: the operand of that number, so many bytes of scratch memory, the
// counter of the queue, or the number itself.
enum class Source { mutable_operand, immutable_operand, scratch, counter, constant };

// What queues kernels whenever it is called with a queue and operands. Where the queue has no graph
// ready for them, `steps` is asked to.
class Launch {
 public:
  Launch(nb::object steps, const Kernels& kernels, nb::object length, nb::callable check,
         const std::vector<std::pair<int, nb::object>>& sources)
      : steps_(std::move(steps)), kernels_(kernels), length_(std::move(length)), check_(check) {
    if (sources.size() != kernels.values()) {
      throw nb::value_error("kernels are given another number of values than they take");
    }
    for (const auto& [kind, which] : sources) {
      const bool operand = kind < static_cast<int>(Source::scratch);
      sources_.push_back({static_cast<Source>(kind), which, operand ? nb::cast<size_t>(which) : 0});
    }
  }

  void operator()(const nb::handle& queue, const nb::handle& mutables,
                  const nb::handle& immutables) const {
    const Names& name = names();
    const nb::object ready = attribute(attribute(queue, name.rows), name.ready);
    const nb::handle row = PyDict_GetItemWithError(ready.ptr(), length_.ptr());
    if (!row.is_valid()) {
      if (PyErr_Occurred()) throw nb::python_error();
      nb::list values;
      for (const Taken& taken : sources_) values.append(take(taken, queue, mutables, immutables));
      nb::object(attribute(steps_, name.queue_on))(queue, nb::tuple(values));
      return;
    }
    const nb::object keeps = nb::borrow(row);  // others may run while it is being queued
    this->queue(nb::cast<Row&>(row), queue, number(attribute(queue, name.handle)), mutables,
                immutables);
  }

  // Queues them by the graph of a queue whose handle is `stream`, and an event behind them.
  void queue(Row& row, const nb::handle& queue, uintptr_t stream, const nb::handle& mutables,
             const nb::handle& immutables, uintptr_t event = 0) const {
    std::vector<Value> values;
    values.reserve(sources_.size());
    for (size_t i = 0; i < sources_.size(); i++) {
      values.push_back(kernels_.value(i, take(sources_[i], queue, mutables, immutables)));
    }
    const int status = row.queue(kernels_, values, stream, event);
    if (status != 0) check_(status);
  }

  const nb::object& length() const { return length_; }

 private:
  struct Taken {
    Source kind;
    nb::object which;
    size_t operand;
  };

  static nb::object take(const Taken& taken, const nb::handle& queue, const nb::handle& mutables,
                         const nb::handle& immutables) {
    switch (taken.kind) {
      case Source::mutable_operand:
        return item(mutables, taken.operand);
      case Source::immutable_operand:
        return item(immutables, taken.operand);
      case Source::scratch:
        return ask(names().scratch, queue, taken.which);
      case Source::counter:
        return ask(names().counter, queue);
      case Source::constant:
        break;
    }
    return taken.which;
  }

  template <class... Arguments>
  static nb::object ask(PyObject* method, const nb::handle& queue, const Arguments&... arguments) {
    PyObject* all[] = {queue.ptr(), arguments.ptr()...};
    PyObject* found = PyObject_VectorcallMethod(method, all, sizeof all / sizeof *all, nullptr);
    if (found == nullptr) throw nb::python_error();
    return nb::steal(found);
  }

  static nb::object item(const nb::handle& operands, size_t number) {
    PyObject* found = PySequence_GetItem(operands.ptr(), static_cast<Py_ssize_t>(number));
    if (found == nullptr) throw nb::python_error();
    return nb::steal(found);
  }

  nb::object steps_;
  Kernels kernels_;
  nb::object length_, check_;
  std::vector<Taken> sources_;
};

}  // namespace zkrun
