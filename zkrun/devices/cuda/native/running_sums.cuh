// Running sums over tiles that blocks take in order, in one kernel: each tile tells its own sum,
// then looks back for those before it, until one tells the sum of all up to it ("decoupled
// look-back": Merrill and Garland, 2016).
//
// No tile waits for one that no block has taken, so that no number of blocks stops it.
#pragma once

#include "platform.hpp"

namespace zkrun {

// What a tile tells: 0 for nothing yet; a count of its own, plus 1; or, with the highest bit, the
// count of all tiles up to it, below 2^31.
inline constexpr uint32_t all_before = 1u << 31;

__device__ __forceinline__ uint32_t tell_own(uint32_t count) { return count + 1; }
__device__ __forceinline__ uint32_t tell_all(uint32_t count) { return all_before | count; }

__device__ __forceinline__ uint32_t read_status(const uint32_t* status) {
  return *static_cast<const volatile uint32_t*>(status);
}
__device__ __forceinline__ void write_status(uint32_t* status, uint32_t value) {
  *static_cast<volatile uint32_t*>(status) = value;
}

// The sum of all tiles before `tile`, which is not the first one. Status i is statuses[stride i].
__device__ __forceinline__ uint32_t look_back(const uint32_t* statuses, uint32_t stride,
                                              uint32_t tile) {
  constexpr int at_once = 4;  // so many reads hide behind one another
  uint32_t before = 0, next = tile - 1;
  bool open = true;
  while (open) {
    uint32_t seen[at_once];
    ZK_UNROLL
    for (uint32_t i = 0; i < at_once; i++) {
      const uint64_t place = next >= i ? next - i : 0;
      seen[i] = read_status(statuses + place * stride);
    }
    uint32_t taken = 0;
    bool told = true;
    ZK_UNROLL
    for (int i = 0; i < at_once; i++) {
      told = told && open && seen[i] != 0;
      if (!told) continue;
      if (seen[i] & all_before) {
        before += seen[i] & ~all_before;
        open = false;
      } else {
        before += seen[i] - 1;
        taken++;
      }
    }
    next -= taken;
  }
  return before;
}

// The same by all lanes of a warp together, which see 32 tiles at once; statuses lie side by side.
__device__ __forceinline__ uint32_t look_back_together(const uint32_t* statuses, uint32_t tile) {
  const uint32_t lane = threadIdx.x % 32;
  uint32_t before = 0, next = tile;  // tiles from `next` on are summed up
  while (true) {
    const uint32_t status = lane < next ? read_status(statuses + (next - 1 - lane)) : all_before;
    const uint32_t complete = __ballot_sync(~0u, (status & all_before) != 0);
    const uint32_t untold = __ballot_sync(~0u, status == 0);
    const uint32_t needed = complete == 0 ? ~0u : complete ^ (complete - 1);
    if ((untold & needed) != 0) continue;
    const uint32_t count = status & all_before ? status & ~all_before : status - 1;
    before += __reduce_add_sync(~0u, needed >> lane & 1 ? count : 0);
    if (complete != 0) return before;
    next -= 32;
  }
}

// A number that no other block has, counted up from 0. All threads of a block must call it.
__device__ __forceinline__ uint32_t take_ticket(uint32_t* counter) {
  __shared__ uint32_t ticket;
  __syncthreads();
  if (threadIdx.x == 0) ticket = atomicAdd(counter, 1u);
  __syncthreads();
  return ticket;
}

// The sum of `count` over the lanes of a warp up to this one.
__device__ __forceinline__ uint32_t sum_up_lanes(uint32_t count) {
  const uint32_t lane = threadIdx.x % 32;
  ZK_UNROLL
  for (uint32_t distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(~0u, count, distance);
    if (lane >= distance) count += other;
  }
  return count;
}

}  // namespace zkrun
