// Work of one block that needs what all the others have done, without a kernel of its own.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Whether this block is the last one to come here; it sees what all others have stored, where it
// does not read from L1 what it had there before. `arrivals` is 0 to begin with.
__device__ __forceinline__ bool is_last_block(uint32_t* arrivals) {
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  const uint32_t last = gridDim.x - 1;
  if (threadIdx.x == 0) is_last = atomicInc(arrivals, last) == last;  // which makes it 0 again
  __syncthreads();
  __threadfence();
  return is_last;
}

}  // namespace zkrun
