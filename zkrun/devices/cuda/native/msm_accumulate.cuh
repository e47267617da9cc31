// Sums of buckets.
//
// The sorted codes of all windows are cut into segments of one length, a segment a thread. A bucket
// belongs to the segment where it begins; what later segments hold of it, at most one stretch each
// and at their beginning, they leave as `heads`, with the bucket as key. Heads of one bucket are
// neighbours: they are summed up within warps until each sum meets its bucket.
#pragma once

#include "group.hpp"
#include "loose_field.cuh"
#include "msm_plan.cuh"

namespace zkrun {

constexpr uint32_t no_key = ~0u;

// Threads of a block, and blocks that a multiprocessor holds, for a given size of elements: as many
// as the registers of a mixed addition let be, without spilling.
template <class F>
struct AccumulationShape {
  static constexpr int threads = 128;
  static constexpr int blocks = sizeof(F) <= 32 ? 4 : 2;
};

namespace detail {

// The bucket that code `place` lies in: starts[result] <= place < starts[result + 1].
__device__ __forceinline__ uint32_t find_bucket(const uint32_t* starts, uint32_t low,
                                                uint32_t high, uint32_t place) {
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (__ldg(starts + middle) <= place) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

template <class Group>
__device__ __forceinline__ Affine<Loose<typename Group::Field>> load_summand(
    const DeviceView<Affine<typename Group::Field>>& bases, const typename Group::Field* table,
    uint32_t code) {
  using L = Loose<typename Group::Field>;
  const uint32_t base = code >> 2;
  const auto* const address = bases.at(base);
  Affine<L> point;
  point.x = load_constant(reinterpret_cast<const L*>(code & 2 ? table + base : &address->x));
  point.y = load_constant(reinterpret_cast<const L*>(&address->y));
  if (code & 1) point.y = -point.y;
  return point;
}

}  // namespace detail

// sums[bucket] for every bucket that is not empty, without its heads; heads and keys for every
// thread. Sums and heads are loose: whoever reads them reduces them.
//
// Stack frame of accumulate_buckets<G2<Bls12381>>: that is where it spills.
// Spills in accumulate_buckets<G2<Bls12381>>: a point and a sum have 144 words, in 255 registers.
template <class Group>
__global__ void __launch_bounds__(AccumulationShape<typename Group::Field>::threads,
                                  AccumulationShape<typename Group::Field>::blocks)
    accumulate_buckets(Xyzz<typename Group::Field>* sums, Xyzz<typename Group::Field>* heads,
                       uint32_t* keys, const uint32_t* codes, const uint32_t* bucket_starts,
                       uint32_t buckets, DeviceView<Affine<typename Group::Field>> bases,
                       const typename Group::Field* table) {
  using F = typename Group::Field;
  const uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  const uint32_t threads = gridDim.x * blockDim.x;
  const uint32_t count = bucket_starts[buckets];
  const uint32_t length = (count + threads - 1) / threads;
  const uint32_t begin = min(static_cast<uint64_t>(thread) * length, static_cast<uint64_t>(count));
  const uint32_t end = min(begin + length, count);
  if (begin == end) {
    keys[thread] = no_key;
    return;
  }

  uint32_t bucket = detail::find_bucket(bucket_starts, 0, buckets, begin);
  uint32_t bucket_end = __ldg(bucket_starts + bucket + 1);
  bool is_head = __ldg(bucket_starts + bucket) < begin;
  keys[thread] = is_head ? bucket : no_key;
  auto sum = Xyzz<Loose<F>>::infinity();
  uint32_t code = __ldg(codes + begin);
  ZK_NO_UNROLL
  for (uint32_t place = begin; place < end; place++) {
    if (place == bucket_end) {
      store_loose(is_head ? heads + thread : sums + bucket, sum);
      is_head = false;
      sum = Xyzz<Loose<F>>::infinity();
      bucket++;
      bucket_end = __ldg(bucket_starts + bucket + 1);
      if (bucket_end == place) {  // the next one is empty: look further
        bucket = detail::find_bucket(bucket_starts, bucket, buckets, place);
        bucket_end = __ldg(bucket_starts + bucket + 1);
      }
    }
    const auto summand = detail::load_summand<Group>(bases, table, code);
    if (place + 1 < end) code = __ldg(codes + place + 1);
    sum = sum + summand;
  }
  store_loose(is_head ? heads + thread : sums + bucket, sum);
}

// Sums up the heads of each key within a warp. A sum goes to its bucket, or, when the same key's
// heads begin in an earlier warp, to the next level's heads: one for each warp here.
//
// Stack frame of merge_heads<G2<*>>: that is where it spills.
// Spills in merge_heads<G2<*>>: two sums have 128 or 192 words, in 255 registers.
template <class Group>
__global__ void __launch_bounds__(128)
    merge_heads(Xyzz<typename Group::Field>* sums, Xyzz<typename Group::Field>* next_heads,
                uint32_t* next_keys, const Xyzz<typename Group::Field>* heads,
                const uint32_t* keys, uint32_t count) {
  using F = typename Group::Field;
  using Point = Xyzz<F>;
  const uint32_t place = blockIdx.x * blockDim.x + threadIdx.x;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t key = place < count ? keys[place] : no_key;
  if (!__any_sync(~0u, key != no_key)) {
    if (lane == 0 && place < count) next_keys[place / 32] = no_key;
    return;
  }
  const uint32_t previous_key = __shfl_up_sync(~0u, key, 1);
  const bool is_first = key != no_key && (lane == 0 || previous_key != key);
  const bool began_earlier = lane == 0 && key != no_key && place > 0 && keys[place - 1] == key;
  const bool is_whole = is_first && !began_earlier;
  Point sum = key != no_key ? load_reduced(heads + place) : Point::infinity();
  // The last round adds what the bucket has already. One addition does for all: it is most of what
  // there is to compile, which takes seconds.
  ZK_NO_UNROLL
  for (uint32_t distance = 1; distance <= 32; distance *= 2) {
    bool adds = is_whole;
    Point other;
    if (distance == 32) {
      if (adds) other = load_reduced(sums + key);
    } else {
      const uint32_t other_key = __shfl_down_sync(~0u, key, distance);
      adds = lane + distance < 32 && key != no_key && other_key == key;
      if (!__any_sync(~0u, adds)) {  // then no key stretches further
        distance = 16;
        continue;
      }
      const uint32_t* const source = reinterpret_cast<const uint32_t*>(&sum);
      uint32_t* const target = reinterpret_cast<uint32_t*>(&other);
      ZK_UNROLL
      for (int i = 0; i < static_cast<int>(sizeof(Point) / 4); i++) {
        target[i] = __shfl_down_sync(~0u, source[i], distance);
      }
    }
    if (adds) sum = sum + other;
  }
  if (is_first) store(is_whole ? sums + key : next_heads + place / 32, sum);
  if (lane == 0 && place < count) next_keys[place / 32] = began_earlier ? key : no_key;
}

}  // namespace zkrun
