// What the kernels generated for fused_arith start from.
#pragma once

#include "elementwise.cuh"

namespace zkrun {

template <class F, int outputs, int inputs>
struct Fused {
  uint64_t count, padding;
  DeviceView<F> out[outputs], in[inputs];
};

__device__ __forceinline__ uint64_t at_most(uint64_t i, uint64_t largest) {
  return i < largest ? i : largest;
}

// By value, a kernel has room for so many operands; the struct of more comes in pieces.
template <class F>
struct Operands {
  ulonglong2* target;
  uint64_t count;
  DeviceView<F> views[1000];  // FEW_OPERANDS of kernels/fused_unit.py
};

template <class F>
__global__ void __launch_bounds__(256)
    keep_operands(const __grid_constant__ Operands<F> operands) {
  const auto* const words = reinterpret_cast<const ulonglong2*>(operands.views);
  for (uint32_t i = threadIdx.x; i < operands.count; i += 256) operands.target[i] = words[i];
}

// For expressions of so many operations that their code would not fit into the instruction cache.
template <class F>
__device__ __noinline__ F multiply_call(const F a, const F b) {
  return a * b;
}

// For expressions that the compiler would take too long for.
template <class F>
__device__ __noinline__ F add_call(const F a, const F b) {
  return a + b;
}
template <class F>
__device__ __noinline__ F subtract_call(const F a, const F b) {
  return a - b;
}

}  // namespace zkrun
