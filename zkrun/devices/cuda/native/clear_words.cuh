// Zeros in memory that a kernel begins with, as a kernel: copies and the like cost a call each.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Zeros for `count` words, a multiple of four at a multiple of 16 bytes: 2048 a block of 256 threads.
__global__ void __launch_bounds__(256) clear_words(uint32_t* words, uint64_t count) {
  const uint64_t first = blockIdx.x * uint64_t{512} + threadIdx.x;
  for (uint64_t i = first; i < first + 512 && i < count / 4; i += 256) {
    reinterpret_cast<uint4*>(words)[i] = make_uint4(0, 0, 0, 0);
  }
}

}  // namespace zkrun
