// Work of one block that needs what all the others have done, without a kernel of its own.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Whether all other blocks have been here: they see what this one has stored, and the last one what
// all have, where it does not read from L1 what it had there before. Called by one thread, when the
// others of its block have passed a barrier: what each waits for by itself, memory has to answer.
// `arrivals` is 0 to begin with.
__device__ __forceinline__ bool is_last_arrival(uint32_t* arrivals) {
  const uint32_t last = gridDim.x - 1;
  __threadfence();
  const bool is_last = atomicInc(arrivals, last) == last;  // which makes it 0 again
  __threadfence();
  return is_last;
}

// The same for all threads of a block.
__device__ __forceinline__ bool is_last_block(uint32_t* arrivals) {
  __syncthreads();
  return __syncthreads_or(threadIdx.x == 0 && is_last_arrival(arrivals));
}

}  // namespace zkrun
