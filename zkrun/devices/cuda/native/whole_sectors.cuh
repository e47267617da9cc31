// Stores and loads of elements of 32 bytes by whole sectors.
//
// Memory takes sectors of 32 bytes, but a thread stores or loads 16 at once. So two neighbouring
// threads swap halves, and store first the one's element together, then the other's, or load them
// so: sectors from all over memory come once, even where nothing keeps them.
#pragma once

#include "platform.hpp"

namespace zkrun {

// Called by all threads of a block, whose number is even and a multiple of 32 or below it; stores
// nothing where the address is null.
template <class F>
__device__ __forceinline__ void store_whole_sectors(F* address, const F& x) {
  static_assert(F::N == 4);
  const uint32_t all = blockDim.x < 32 ? (1u << blockDim.x) - 1 : ~0u;
  const bool second = threadIdx.x & 1;
  uint64_t keep[2], swap[2];  // halves: the first thread keeps its lower one, the second its upper
  ZK_UNROLL
  for (int i = 0; i < 2; i++) {
    keep[i] = second ? x.limb[2 + i] : x.limb[i];
    swap[i] = second ? x.limb[i] : x.limb[2 + i];
    swap[i] = __shfl_xor_sync(all, swap[i], 1);
  }
  const uint64_t own = reinterpret_cast<uint64_t>(address);
  const uint64_t other = __shfl_xor_sync(all, own, 1);
  const uint64_t targets[2] = {second ? other : own, second ? own : other};
  const uint64_t halves[2][2] = {{second ? swap[0] : keep[0], second ? swap[1] : keep[1]},
                                 {second ? keep[0] : swap[0], second ? keep[1] : swap[1]}};
  ZK_UNROLL
  for (int i = 0; i < 2; i++) {
    if (targets[i] == 0) continue;
    reinterpret_cast<ulonglong2*>(targets[i])[second] = make_ulonglong2(halves[i][0], halves[i][1]);
  }
}

// Likewise; returns 0 where the address is null.
template <class F>
__device__ __forceinline__ F load_whole_sectors(const F* address) {
  static_assert(F::N == 4);
  const uint32_t all = blockDim.x < 32 ? (1u << blockDim.x) - 1 : ~0u;
  const bool second = threadIdx.x & 1;
  const uint64_t own = reinterpret_cast<uint64_t>(address);
  const uint64_t other = __shfl_xor_sync(all, own, 1);
  const uint64_t sources[2] = {second ? other : own, second ? own : other};
  ulonglong2 halves[2] = {};  // the lower ones for the first thread, the upper ones for the second
  ZK_UNROLL
  for (int i = 0; i < 2; i++) {
    if (sources[i] != 0) halves[i] = reinterpret_cast<const ulonglong2*>(sources[i])[second];
  }
  const ulonglong2 keep = second ? halves[1] : halves[0], give = second ? halves[0] : halves[1];
  const uint64_t taken[2] = {__shfl_xor_sync(all, give.x, 1), __shfl_xor_sync(all, give.y, 1)};
  if (second) return F{{taken[0], taken[1], keep.x, keep.y}};
  return F{{keep.x, keep.y, taken[0], taken[1]}};
}

}  // namespace zkrun
