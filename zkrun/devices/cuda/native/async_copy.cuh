// Copies of 16 bytes from an array to shared memory, for which no thread waits and which take no
// registers: cp.async of PTX, from sm_80 on.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Queues a copy for the calling thread.
__device__ __forceinline__ void copy_to_shared(ulonglong2* shared, const ulonglong2* source) {
  const uint32_t target = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(target), "l"(source) : "memory");
}

// What the thread has queued since the last time is one group.
__device__ __forceinline__ void end_of_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Until all the thread's groups but the last so many are there.
template <int but>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(but) : "memory");
}

}  // namespace zkrun
