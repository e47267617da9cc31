// Elements of 32 bytes in shared memory without bank conflicts: the lower halves of all, then the
// upper halves.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Where element i of an array lies, in units of 16 bytes, 8 of which fill all banks:
// eight threads whose numbers differ in any three neighbouring bits use different banks.
// That of i ^ j is bank_spread(i) ^ bank_spread(j).
__device__ __forceinline__ uint32_t bank_spread(uint32_t i) {
  return i ^ ((i >> 3 ^ i >> 6 ^ i >> 9) & 7);
}

template <class F>
__device__ __forceinline__ void put_at(ulonglong2* shared, uint32_t elements, uint32_t place,
                                       const F& x) {
  shared[place] = make_ulonglong2(x.limb[0], x.limb[1]);
  shared[place + elements] = make_ulonglong2(x.limb[2], x.limb[3]);
}

template <class F>
__device__ __forceinline__ F get_at(const ulonglong2* shared, uint32_t elements, uint32_t place) {
  const ulonglong2 low = shared[place], high = shared[place + elements];
  return F{{low.x, low.y, high.x, high.y}};
}

template <class F>
__device__ __forceinline__ void put_spread(ulonglong2* shared, uint32_t elements, uint32_t i,
                                           const F& x) {
  put_at(shared, elements, bank_spread(i), x);
}

template <class F>
__device__ __forceinline__ F get_spread(const ulonglong2* shared, uint32_t elements, uint32_t i) {
  return get_at<F>(shared, elements, bank_spread(i));
}

}  // namespace zkrun
