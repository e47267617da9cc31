// Kernels in a row, given to the driver by one call from Python: streams/rows.py says why and
// when.
//
// What Python would take several microseconds for: to write what a call gives into the arguments of
// kernels, to set those nodes of a graph that hold something else, and to launch it. No header and
// no library of CUDA is needed: the driver's functions come as addresses.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

namespace nb = nanobind;

namespace zkrun {
namespace {

constexpr size_t view_bytes = 32;  // of DeviceView, as functions/launch.py packs it

// CUDA_KERNEL_NODE_PARAMS_v2 of the driver (cuda.h).
struct KernelParameters {
  void* function;
  uint32_t blocks[3], threads[3], shared;
  void** arguments;
  void *extra, *kernel, *context;
};
static_assert(sizeof(KernelParameters) == 72);

void* handle(uintptr_t value) { return reinterpret_cast<void*>(value); }

// What the driver is asked for (CUDA driver API); each gives 0, or the number of an error.
struct Driver {
  using LaunchKernel = int (*)(void*, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,
                               uint32_t, void*, void**, void**);
  LaunchKernel launch_kernel;
  int (*create_graph)(void** graph, uint32_t flags);
  int (*add_node)(void** node, void* graph, void* const* before, size_t count,
                  const KernelParameters*);
  int (*set_node)(void* executable, void* node, const KernelParameters*);
  int (*launch_graph)(void* executable, void* stream);

  Driver(uintptr_t launch_kernel, uintptr_t create_graph, uintptr_t add_node, uintptr_t set_node,
         uintptr_t launch_graph)
      : launch_kernel(reinterpret_cast<LaunchKernel>(launch_kernel)),
        create_graph(reinterpret_cast<decltype(this->create_graph)>(create_graph)),
        add_node(reinterpret_cast<decltype(this->add_node)>(add_node)),
        set_node(reinterpret_cast<decltype(this->set_node)>(set_node)),
        launch_graph(reinterpret_cast<decltype(this->launch_graph)>(launch_graph)) {}
};

// A view, or an address in its first eight bytes.
using Value = std::array<uint8_t, view_bytes>;

Value read(const nb::handle& value, bool is_view) {
  Value result{};
  if (is_view) {
    if (!PyBytes_Check(value.ptr()) || PyBytes_GET_SIZE(value.ptr()) != view_bytes) {
      throw nb::type_error("a kernel is given a view that is none");
    }
    std::memcpy(result.data(), PyBytes_AS_STRING(value.ptr()), view_bytes);
    return result;
  }
  const uint64_t address = PyLong_AsUnsignedLongLong(value.ptr());
  if (address == ~uint64_t{0} && PyErr_Occurred()) throw nb::python_error();
  std::memcpy(result.data(), &address, sizeof address);
  return result;
}

// Where a value goes: into the arguments of a kernel, from byte `start` on.
struct Place {
  size_t kernel, start;
  std::optional<uint64_t> plus;  // of an address, to which so much is added; not of a view

  bool operator==(const Place& other) const {
    return kernel == other.kernel && start == other.start && plus == other.plus;
  }
  void write(std::vector<uint8_t>& arguments, const Value& value) const {
    if (!plus) {
      std::memcpy(arguments.data() + start, value.data(), view_bytes);
      return;
    }
    uint64_t address;
    std::memcpy(&address, value.data(), sizeof address);
    if (address != 0) address += *plus;  // an address that is 0 stays 0
    std::memcpy(arguments.data() + start, &address, sizeof address);
  }
};

struct Kernel {
  KernelParameters parameters{};
  std::vector<size_t> starts;      // of the arguments, in bytes
  std::vector<uint8_t> arguments;  // where values go, anything
  nb::object keeps;

  bool is_like(const Kernel& other) const {
    const KernelParameters &own = parameters, &its = other.parameters;
    return own.function == its.function && own.shared == its.shared &&
           std::equal(own.blocks, own.blocks + 3, its.blocks) &&
           std::equal(own.threads, own.threads + 3, its.threads) && starts == other.starts &&
           arguments == other.arguments;
  }
};

// Kernels in order, and the values that they are given. Made by one thread, and not changed after.
class Kernels {
 public:
  explicit Kernels(size_t values) : content_(std::make_shared<Content>()) {
    content_->places.resize(values);
    content_->are_views.resize(values);
  }

  void add(uintptr_t function, uint32_t x, uint32_t y, uint32_t threads, uint32_t shared,
           nb::bytes arguments, std::vector<size_t> starts, nb::object keeps) {
    Kernel kernel;
    kernel.parameters.function = handle(function);
    const uint32_t blocks[3] = {x, y, 1}, block[3] = {threads, 1, 1};
    std::copy(blocks, blocks + 3, kernel.parameters.blocks);
    std::copy(block, block + 3, kernel.parameters.threads);
    kernel.parameters.shared = shared;
    kernel.arguments.assign(arguments.c_str(), arguments.c_str() + arguments.size());
    kernel.starts = std::move(starts);
    kernel.keeps = std::move(keeps);
    content_->kernels.push_back(std::move(kernel));
  }

  // The last kernel gets a value there: a view, or where `plus` is given, an address.
  void give(size_t number, size_t start, std::optional<uint64_t> plus) {
    std::vector<Place>& places = content_->places.at(number);
    const bool is_view = !plus;
    if (!places.empty() && content_->are_views[number] != is_view) {
      throw nb::value_error("a value is a view and an address");
    }
    const size_t end = start + (is_view ? view_bytes : sizeof(uint64_t));
    if (content_->kernels.empty() || end > content_->kernels.back().arguments.size()) {
      throw nb::value_error("there is no place for a value");
    }
    content_->are_views[number] = is_view;
    places.push_back({content_->kernels.size() - 1, start, plus});
  }

  // Queues them one by one.
  int launch(const Driver& driver, const nb::tuple& values, uintptr_t stream) const {
    check(values);
    std::vector<std::vector<uint8_t>> arguments;
    for (const Kernel& kernel : content_->kernels) arguments.push_back(kernel.arguments);
    for (size_t number = 0; number < content_->places.size(); number++) {
      if (content_->places[number].empty()) continue;
      const Value value = read(values[number], content_->are_views[number]);
      for (const Place& place : content_->places[number]) {
        place.write(arguments[place.kernel], value);
      }
    }
    std::vector<void*> pointers;
    nb::gil_scoped_release others_may_run;
    for (size_t i = 0; i < content_->kernels.size(); i++) {
      const KernelParameters& at = content_->kernels[i].parameters;
      pointers.clear();
      for (size_t start : content_->kernels[i].starts) {
        pointers.push_back(arguments[i].data() + start);
      }
      const int status = driver.launch_kernel(
          at.function, at.blocks[0], at.blocks[1], at.blocks[2], at.threads[0], at.threads[1],
          at.threads[2], at.shared, handle(stream), pointers.data(), nullptr);
      if (status != 0) return status;
    }
    return 0;
  }

 private:
  friend class Row;

  struct Content {
    std::vector<Kernel> kernels;
    std::vector<std::vector<Place>> places;  // of each value
    std::vector<bool> are_views;

    // Whether the same values make the same kernels of both.
    bool is_like(const Content& other) const {
      return places == other.places && are_views == other.are_views &&
             std::equal(kernels.begin(), kernels.end(), other.kernels.begin(), other.kernels.end(),
                        [](const Kernel& own, const Kernel& its) { return own.is_like(its); });
    }
  };

  void check(const nb::tuple& values) const {
    if (values.size() != content_->places.size()) {
      throw nb::value_error("kernels are given another number of values than they take");
    }
  }

  std::shared_ptr<Content> content_;
};

// A graph of kernels, each of which waits for the one before. One thread at a time may use it.
class Row {
 public:
  // Makes the graph that the executable one is to be made of: `status` is not 0 where that failed.
  Row(const Driver& driver, const Kernels& kernels) : driver_(driver), holds_(kernels.content_) {
    for (const Kernel& kernel : holds_->kernels) become(nodes_.emplace_back(), kernel);
    last_.resize(holds_->places.size());
    status = driver_.create_graph(&graph_, 0);
    void** before = nullptr;
    for (Node& node : nodes_) {
      if (status != 0) return;
      status = driver_.add_node(&node.handle, graph_, before, before != nullptr, &node.parameters);
      before = &node.handle;
      node.changed = false;
    }
  }
  Row(const Row&) = delete;  // nodes have their places

  int status = 0;
  uintptr_t executable = 0;  // the handle, once there is one

  uintptr_t graph() const { return reinterpret_cast<uintptr_t>(graph_); }

  // Queues as many kernels as there are nodes; what they were given before is not set again.
  int queue(const Kernels& kernels, const nb::tuple& values, uintptr_t stream) {
    kernels.check(values);
    const std::shared_ptr<const Kernels::Content> content = kernels.content_;
    if (content->kernels.size() != nodes_.size()) {
      throw nb::value_error("a row of another number of kernels");
    }
    // A program that runs again has made its kernels anew.
    const bool same = holds_ == content || (holds_ && holds_->is_like(*content));
    holds_.reset();  // until all of it is there
    if (!same) {
      for (size_t i = 0; i < nodes_.size(); i++) become(nodes_[i], content->kernels[i]);
      last_.assign(content->places.size(), std::nullopt);
    }
    for (size_t number = 0; number < content->places.size(); number++) {
      const std::vector<Place>& places = content->places[number];
      if (places.empty()) continue;
      const Value value = read(values[number], content->are_views[number]);
      if (last_[number] == value) continue;
      last_[number] = value;
      for (const Place& place : places) {
        place.write(nodes_[place.kernel].bytes, value);
        nodes_[place.kernel].changed = true;
      }
    }
    for (Node& node : nodes_) {
      if (!node.changed) continue;
      if (const int status = driver_.set_node(handle(executable), node.handle, &node.parameters)) {
        return status;
      }
      node.changed = false;
    }
    holds_ = content;
    nb::gil_scoped_release others_may_run;  // the driver waits where it is far ahead of the GPU
    return driver_.launch_graph(handle(executable), handle(stream));
  }

 private:
  struct Node {
    void* handle = nullptr;
    KernelParameters parameters{};
    std::vector<uint8_t> bytes;  // of the arguments
    std::vector<void*> arguments;
    bool changed = false;
  };

  // Puts a kernel there, without the values that it is given.
  static void become(Node& node, const Kernel& kernel) {
    node.bytes = kernel.arguments;
    node.arguments.clear();
    for (size_t start : kernel.starts) node.arguments.push_back(node.bytes.data() + start);
    node.parameters = kernel.parameters;
    node.parameters.arguments = node.arguments.data();
    node.changed = true;
  }

  const Driver driver_;
  void* graph_ = nullptr;
  std::vector<Node> nodes_;
  std::shared_ptr<const Kernels::Content> holds_;  // what the nodes have, once all have been set
  std::vector<std::optional<Value>> last_;         // the values that they were given
};

}  // namespace
}  // namespace zkrun

NB_MODULE(_rows, module) {
  using namespace zkrun;
  nb::set_leak_warnings(false);  // graphs that are ready stay as long as the process does
  nb::class_<Driver>(module, "Driver")
      .def(nb::init<uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t>(),
           nb::arg("launch_kernel"), nb::arg("create_graph"), nb::arg("add_node"),
           nb::arg("set_node"), nb::arg("launch_graph"));
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
      .def("queue", &Row::queue, nb::arg("kernels"), nb::arg("values"), nb::arg("stream"));
}
