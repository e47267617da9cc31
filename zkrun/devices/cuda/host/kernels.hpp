// Kernels in order, queued one by one or as a graph whose nodes are set anew: streams/rows.py says
// why and when.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "driver.hpp"
#include "values.hpp"

namespace zkrun {

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

  // How many values they are given.
  size_t values() const { return content_->places.size(); }

  // A value of a call. One that no kernel takes may be anything.
  Value value(size_t number, const nb::handle& given) const {
    return content_->places[number].empty() ? Value{} : read(given, content_->are_views[number]);
  }

  // Queues them one by one.
  int launch(const Driver& driver, const nb::tuple& values, uintptr_t stream) const {
    std::vector<std::vector<uint8_t>> arguments;
    for (const Kernel& kernel : content_->kernels) arguments.push_back(kernel.arguments);
    const std::vector<Value> given = read_all(values);
    for (size_t number = 0; number < given.size(); number++) {
      for (const Place& place : content_->places[number]) {
        place.write(arguments[place.kernel], given[number]);
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

  std::vector<Value> read_all(const nb::tuple& values) const {
    if (values.size() != this->values()) {
      throw nb::value_error("kernels are given another number of values than they take");
    }
    std::vector<Value> result;
    for (size_t i = 0; i < values.size(); i++) result.push_back(value(i, values[i]));
    return result;
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
    return queue(kernels, kernels.read_all(values), stream);
  }

  // With `event`, that one is recorded behind them.
  int queue(const Kernels& kernels, const std::vector<Value>& values, uintptr_t stream,
            uintptr_t event = 0) {
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
      const Value& value = values[number];
      if (last_[number] == value) continue;
      last_[number] = value;
      for (const Place& place : content->places[number]) {
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
    const int status = driver_.launch_graph(handle(executable), handle(stream));
    if (status != 0 || event == 0) return status;
    return driver_.record_event(handle(event), handle(stream));
  }

  const Driver& driver() const { return driver_; }

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

}  // namespace zkrun
