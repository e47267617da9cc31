// Elements of arrays in device memory, by 16-byte loads and stores.
#pragma once

#include "platform.hpp"

namespace zkrun {

// An array of `whole` elements at `base`, seen from element `offset` on, cyclically: element i, for
// i < length <= whole, is (offset + i) mod whole.
template <class T>
struct DeviceView {
  T* base;
  uint64_t whole, offset, length;

  __device__ __forceinline__ T* at(uint64_t i) const {
    const uint64_t place = offset + i;
    return base + (place < whole ? place : place - whole);
  }
};

// Arrays begin at multiples of 16 bytes, and elements are multiples of 16 bytes long, of which `get`
// loads as many.
template <class T, class Get>
__device__ __forceinline__ T load_by(const T* address, Get get) {
  static_assert(sizeof(T) % 16 == 0, "loads are of 16 bytes");
  T value;
  const ulonglong2* const source = reinterpret_cast<const ulonglong2*>(address);
  uint64_t* const words = reinterpret_cast<uint64_t*>(&value);
  ZK_UNROLL
  for (int i = 0; i < static_cast<int>(sizeof(T) / 16); i++) {
    const ulonglong2 pair = get(source + i);
    words[2 * i] = pair.x;
    words[2 * i + 1] = pair.y;
  }
  return value;
}

template <class T>
__device__ __forceinline__ T load(const T* address) {
  return load_by(address, [](const ulonglong2* source) { return *source; });
}

// The same for data that no thread writes during the kernel.
template <class T>
__device__ __forceinline__ T load_constant(const T* address) {
  return load_by(address, [](const ulonglong2* source) { return __ldg(source); });
}

// The same for data that other blocks may write during the kernel: what L1 has may be old.
template <class T>
__device__ __forceinline__ T load_current(const T* address) {
  return load_by(address, [](const ulonglong2* source) { return __ldcg(source); });
}

template <class T>
__device__ __forceinline__ void store(T* address, const T& value) {
  static_assert(sizeof(T) % 16 == 0, "stores are of 16 bytes");
  ulonglong2* const target = reinterpret_cast<ulonglong2*>(address);
  const uint64_t* const words = reinterpret_cast<const uint64_t*>(&value);
  ZK_UNROLL
  for (int i = 0; i < static_cast<int>(sizeof(T) / 16); i++) {
    target[i] = make_ulonglong2(words[2 * i], words[2 * i + 1]);
  }
}

}  // namespace zkrun
