// The functions of the driver that kernels are queued by. No header and no library of CUDA is
// needed: they come as addresses.
#pragma once

#include <cstdint>

namespace zkrun {

// CUDA_KERNEL_NODE_PARAMS_v2 of the driver (cuda.h).
struct KernelParameters {
  void* function;
  uint32_t blocks[3], threads[3], shared;
  void** arguments;
  void *extra, *kernel, *context;
};
static_assert(sizeof(KernelParameters) == 72);

inline void* handle(uintptr_t value) { return reinterpret_cast<void*>(value); }

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
  int (*record_event)(void* event, void* stream);
  int (*current_device)(int* device);

  Driver(uintptr_t launch_kernel, uintptr_t create_graph, uintptr_t add_node, uintptr_t set_node,
         uintptr_t launch_graph, uintptr_t record_event, uintptr_t current_device)
      : launch_kernel(reinterpret_cast<LaunchKernel>(launch_kernel)),
        create_graph(reinterpret_cast<decltype(this->create_graph)>(create_graph)),
        add_node(reinterpret_cast<decltype(this->add_node)>(add_node)),
        set_node(reinterpret_cast<decltype(this->set_node)>(set_node)),
        launch_graph(reinterpret_cast<decltype(this->launch_graph)>(launch_graph)),
        record_event(reinterpret_cast<decltype(this->record_event)>(record_event)),
        current_device(reinterpret_cast<decltype(this->current_device)>(current_device)) {}

  // Whether a GPU is the calling thread's.
  bool is_current(int device) const {
    int current = -1;
    return current_device(&current) == 0 && current == device;
  }
};

}  // namespace zkrun
