// Lists of some of the places of an array, in order, in one pass over tiles (running_sums.cuh).
#pragma once

#include "running_sums.cuh"

namespace zkrun {

inline constexpr int match_threads = 256;
inline constexpr int match_warps = match_threads / 32;

// Of the places of a tile, in rows of match_threads, a thread's are some of those listed: where
// each of them goes in the list of all tiles.
template <int run>
struct Listing {
  static constexpr int groups = run * match_warps;
  static constexpr int each = groups / 32 == 0 ? 1 : groups / 32;  // of a lane

  uint32_t counts[groups];
  uint32_t before;  // listed in the tiles before

  // Bit k of `listed`: whether the thread's place in row k is listed. Calls put(k, number) for
  // those. All threads of a block must call it.
  template <class Put>
  __device__ __forceinline__ void list(uint32_t listed, uint32_t* statuses, uint32_t tile,
                                       Put put) {
    const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    ZK_UNROLL
    for (int k = 0; k < run; k++) {
      const uint32_t votes = __ballot_sync(~0u, listed >> k & 1);
      if (lane == 0) counts[k * match_warps + warp] = __popc(votes);
    }
    __syncthreads();
    if (warp == 0) {
      uint32_t own = 0;
      if (lane * each < groups) {
        ZK_UNROLL
        for (int i = 0; i < each; i++) {
          const uint32_t count = counts[lane * each + i];
          counts[lane * each + i] = own;
          own += count;
        }
      }
      const uint32_t sum = sum_up_lanes(own);
      if (lane * each < groups) {
        ZK_UNROLL
        for (int i = 0; i < each; i++) counts[lane * each + i] += sum - own;
      }
      if (lane == 31 && tile != 0) write_status(statuses + tile, tell_own(sum));
      const uint32_t others = look_back_together(statuses, tile);
      if (lane == 31) {
        write_status(statuses + tile, tell_all(others + sum));
        before = others;
      }
    }
    __syncthreads();
    ZK_UNROLL
    for (int k = 0; k < run; k++) {
      const bool is_listed = listed >> k & 1;
      const uint32_t votes = __ballot_sync(~0u, is_listed);
      const uint32_t number =
          before + counts[k * match_warps + warp] + __popc(votes & ((1u << lane) - 1));
      if (is_listed) put(k, number);
    }
  }
};

}  // namespace zkrun
