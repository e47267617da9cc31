// What the headers of this folder need of the compiler: a host C++ compiler, nvcc or NVRTC.
#pragma once

#if defined(__CUDACC_RTC__)
using uint16_t = unsigned short;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
using int64_t = long long;
#else
#include <cstdint>
#endif

#if defined(__CUDACC__)
#define ZK_HD __host__ __device__
#define ZK_INLINE __forceinline__
#define ZK_NOINLINE __noinline__
#define ZK_UNROLL _Pragma("unroll")
#define ZK_NO_UNROLL _Pragma("unroll 1")
#else
#define ZK_HD
#define ZK_INLINE inline __attribute__((always_inline))
#define ZK_NOINLINE __attribute__((noinline))
#define ZK_UNROLL _Pragma("GCC unroll 16")
#define ZK_NO_UNROLL
#define ZK_LAMBDA_INLINE __attribute__((always_inline))
#endif

namespace zkrun {

// A plain little-endian integer, as a constant.
template <int N>
struct Limbs {
  uint64_t limb[N];
  ZK_HD constexpr uint64_t operator[](int i) const { return limb[i]; }
};

}  // namespace zkrun
