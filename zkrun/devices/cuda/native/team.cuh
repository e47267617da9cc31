// Group operations by teams of four neighbouring lanes, for chains of operations where nothing else
// is left to do: independent multiplications of a formula go to different lanes, so that a doubling
// takes the time of three multiplications, and an addition that of four.
//
// All lanes of a team hold the same operands and get the same result. All 32 lanes of a warp take
// part, each team with points of its own.
#pragma once

#include "group.hpp"

namespace zkrun {

constexpr uint32_t team_lanes = 4;

namespace team {

__device__ __forceinline__ uint32_t member() { return threadIdx.x % team_lanes; }

template <class T>
__device__ __forceinline__ T choose(const T& a, const T& b, const T& c, const T& d) {
  const uint32_t* const sources[4] = {
      reinterpret_cast<const uint32_t*>(&a), reinterpret_cast<const uint32_t*>(&b),
      reinterpret_cast<const uint32_t*>(&c), reinterpret_cast<const uint32_t*>(&d)};
  const bool odd = member() & 1, high = member() & 2;
  T result;
  ZK_UNROLL
  for (int i = 0; i < static_cast<int>(sizeof(T) / 4); i++) {
    const uint32_t low_word = odd ? sources[1][i] : sources[0][i];
    const uint32_t high_word = odd ? sources[3][i] : sources[2][i];
    reinterpret_cast<uint32_t*>(&result)[i] = high ? high_word : low_word;
  }
  return result;
}

// The value that a member of the team holds.
template <class T>
__device__ __forceinline__ T from_member(const T& value, int source) {
  T result;
  ZK_UNROLL
  for (int i = 0; i < static_cast<int>(sizeof(T) / 4); i++) {
    reinterpret_cast<uint32_t*>(&result)[i] = __shfl_sync(
        ~0u, reinterpret_cast<const uint32_t*>(&value)[i], source, team_lanes);
  }
  return result;
}

// The formulas are those of group.hpp.

// 2^count point. Each member keeps one coordinate, y, x, zz and zzz in this order, and gets no more
// of the others than it multiplies by.
template <class F>
__device__ __noinline__ Xyzz<F> dbl(const Xyzz<F>& point, uint32_t count) {
  const uint32_t role = member();
  const bool has_y = role == 0, has_x = role == 1, has_zzz = role == 3;
  F own = choose(point.y, point.x, point.zz, point.zzz);
  ZK_NO_UNROLL
  for (uint32_t i = 0; i < count; i++) {
    const F factor = has_y ? own.dbl() : own;
    const F first = factor.square();  // v = (2 y)^2, x^2
    const F v = from_member(first, has_zzz ? 1 : 0);
    const F x_squared = has_x ? first : v;  // of those who have x or zzz
    const F m = x_squared.dbl() + x_squared;
    const F second = (has_zzz ? m : factor) * (has_zzz ? m : v);  // w = 2 y v, s = x v, zz v, m^2
    const F other = from_member(second, has_x ? 3 : 0);           // w, and m^2 for who has x
    const F x3 = other - second.dbl();
    const F third = (has_x ? m : has_zzz ? other : second) * (has_x ? second - x3 : own);
    const F y3 = from_member(third, 1) - third;  // m (s - x3) - w y
    own = has_y ? y3 : has_x ? x3 : has_zzz ? third : second;
  }
  return {from_member(own, 1), from_member(own, 0), from_member(own, 2), from_member(own, 3)};
}

template <class F>
__device__ __noinline__ Xyzz<F> add(const Xyzz<F>& a, const Xyzz<F>& b) {
  const F first = choose(a.x, a.y, b.x, b.y) * choose(b.zz, b.zzz, a.zz, a.zzz);
  const F u1 = from_member(first, 0), s1 = from_member(first, 1);
  const F p = from_member(first, 2) - u1;
  const F r = from_member(first, 3) - s1;
  const F second = choose(p, r, a.zz, a.zzz) * choose(p, r, b.zz, b.zzz);
  const F pp = from_member(second, 0);
  const F third = choose(p, u1, second, second) * pp;  // the third member's own is zz1 zz2
  const F ppp = from_member(third, 0), q = from_member(third, 1);
  const F x3 = from_member(second, 1) - ppp - q.dbl();
  const F fourth = choose(r, s1, second, second) * choose(q - x3, ppp, ppp, ppp);
  Xyzz<F> sum = {x3, from_member(fourth, 0) - from_member(fourth, 1), from_member(third, 2),
                 from_member(fourth, 3)};
  const bool same_x = p.is_zero() && !a.is_infinity() && !b.is_infinity();
  // Every lane of the warp must come along to where lanes exchange values.
  if (__any_sync(~0u, same_x)) {
    const Xyzz<F> twice = dbl(a, 1);
    if (same_x) sum = r.is_zero() ? twice : Xyzz<F>::infinity();
  }
  if (a.is_infinity()) sum = b;
  if (b.is_infinity()) sum = a;
  return sum;
}

}  // namespace team

}  // namespace zkrun
