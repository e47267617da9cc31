// Montgomery multiplication with mulx and the two carry chains of adcx and adox.
//
// The same algorithm and bounds as montgomery_portable.hpp. A compiler does not produce the two
// interleaved chains by itself, hence the assembly: in each round, adcx carries the high halves
// and adox the low halves of the products into t.
#pragma once

#include "platform.hpp"

namespace zkrun {

// The modulus as an array in memory, for assembly operands.
template <class P>
struct ModulusInMemory {
  alignas(64) static constexpr Limbs<P::N> value = P::modulus();
};

// t += a b_i; the carry out of t goes to `top`. One step a limb; xor clears both carry flags.
#define ZK_PRODUCT_BEGIN(i)                    \
  "xorl %%eax, %%eax\n\t"                      \
  "movq %[b" #i "], %%rdx\n\t"                 \
  "mulxq %[a0], %%rax, %[top]\n\t"             \
  "adoxq %%rax, %[t0]\n\t"
#define ZK_PRODUCT_STEP(j)                     \
  "adcxq %[top], %[t" #j "]\n\t"               \
  "mulxq %[a" #j "], %%rax, %[top]\n\t"        \
  "adoxq %%rax, %[t" #j "]\n\t"
#define ZK_PRODUCT_END                         \
  "movl $0, %%eax\n\t"                         \
  "adcxq %%rax, %[top]\n\t"                    \
  "adoxq %%rax, %[top]\n\t"

// The first round: t = a b_0.
#define ZK_FIRST_BEGIN                         \
  "movq %[b0], %%rdx\n\t"                      \
  "mulxq %[a0], %[t0], %[t1]\n\t"              \
  "mulxq %[a1], %%rax, %[t2]\n\t"              \
  "addq %%rax, %[t1]\n\t"
#define ZK_FIRST_STEP(j, next)                 \
  "mulxq %[a" #j "], %%rax, %[" #next "]\n\t"  \
  "adcq %%rax, %[t" #j "]\n\t"
#define ZK_FIRST_END "adcq $0, %[top]\n\t"

// t = (t + m p) / 2^64 with m = -t_0 / p mod 2^64, then the carry `top` enters the highest limb.
#define ZK_REDUCE_BEGIN                        \
  "movabsq %[inverse], %%rdx\n\t"                 \
  "imulq %[t0], %%rdx\n\t"                     \
  "xorl %%eax, %%eax\n\t"                      \
  "mulxq %[p0], %%rax, %[spare]\n\t"           \
  "adcxq %[t0], %%rax\n\t"                     \
  "movq %[spare], %[t0]\n\t"
#define ZK_REDUCE_STEP(j, previous)            \
  "adcxq %[t" #j "], %[t" #previous "]\n\t"    \
  "mulxq %[p" #j "], %%rax, %[t" #j "]\n\t"    \
  "adoxq %%rax, %[t" #previous "]\n\t"
#define ZK_REDUCE_END(last)                    \
  "movl $0, %%eax\n\t"                         \
  "adcxq %%rax, %[t" #last "]\n\t"             \
  "adoxq %[top], %[t" #last "]\n\t"

#define ZK_REDUCE4 \
  ZK_REDUCE_BEGIN ZK_REDUCE_STEP(1, 0) ZK_REDUCE_STEP(2, 1) ZK_REDUCE_STEP(3, 2) ZK_REDUCE_END(3)
#define ZK_ROUND4(i)                                                             \
  ZK_PRODUCT_BEGIN(i) ZK_PRODUCT_STEP(1) ZK_PRODUCT_STEP(2) ZK_PRODUCT_STEP(3)   \
  ZK_PRODUCT_END ZK_REDUCE4
#define ZK_REDUCE6                                                               \
  ZK_REDUCE_BEGIN ZK_REDUCE_STEP(1, 0) ZK_REDUCE_STEP(2, 1) ZK_REDUCE_STEP(3, 2) \
  ZK_REDUCE_STEP(4, 3) ZK_REDUCE_STEP(5, 4) ZK_REDUCE_END(5)
#define ZK_ROUND6(i)                                                             \
  ZK_PRODUCT_BEGIN(i) ZK_PRODUCT_STEP(1) ZK_PRODUCT_STEP(2) ZK_PRODUCT_STEP(3)   \
  ZK_PRODUCT_STEP(4) ZK_PRODUCT_STEP(5) ZK_PRODUCT_END ZK_REDUCE6

// result = a b / R mod p, in [0, 2p), for a, b in [0, p).
template <class P>
ZK_INLINE void montgomery_multiply(uint64_t* result, const uint64_t* a, const uint64_t* b) {
  static_assert(P::N == 4 || P::N == 6, "one block of assembly for each number of limbs");
  const uint64_t* p = ModulusInMemory<P>::value.limb;
  constexpr uint64_t inverse = P::negative_inverse;
  uint64_t t0, t1, t2, t3, top, spare;
  if constexpr (P::N == 4) {
    asm(ZK_FIRST_BEGIN ZK_FIRST_STEP(2, t3) ZK_FIRST_STEP(3, top) ZK_FIRST_END ZK_REDUCE4
        ZK_ROUND4(1) ZK_ROUND4(2) ZK_ROUND4(3)
        : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [top] "=&r"(top),
          [spare] "=&r"(spare)
        : [a0] "m"(a[0]), [a1] "m"(a[1]), [a2] "m"(a[2]), [a3] "m"(a[3]), [b0] "m"(b[0]),
          [b1] "m"(b[1]), [b2] "m"(b[2]), [b3] "m"(b[3]), [p0] "m"(p[0]), [p1] "m"(p[1]),
          [p2] "m"(p[2]), [p3] "m"(p[3]), [inverse] "n"(inverse)
        : "rax", "rdx", "cc");
  } else {
    uint64_t t4, t5;
    asm(ZK_FIRST_BEGIN ZK_FIRST_STEP(2, t3) ZK_FIRST_STEP(3, t4) ZK_FIRST_STEP(4, t5)
        ZK_FIRST_STEP(5, top) ZK_FIRST_END ZK_REDUCE6
        ZK_ROUND6(1) ZK_ROUND6(2) ZK_ROUND6(3) ZK_ROUND6(4) ZK_ROUND6(5)
        : [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [t4] "=&r"(t4),
          [t5] "=&r"(t5), [top] "=&r"(top), [spare] "=&r"(spare)
        : [a0] "m"(a[0]), [a1] "m"(a[1]), [a2] "m"(a[2]), [a3] "m"(a[3]), [a4] "m"(a[4]),
          [a5] "m"(a[5]), [b0] "m"(b[0]), [b1] "m"(b[1]), [b2] "m"(b[2]), [b3] "m"(b[3]),
          [b4] "m"(b[4]), [b5] "m"(b[5]), [p0] "m"(p[0]), [p1] "m"(p[1]), [p2] "m"(p[2]),
          [p3] "m"(p[3]), [p4] "m"(p[4]), [p5] "m"(p[5]), [inverse] "n"(inverse)
        : "rax", "rdx", "cc");
    result[4] = t4;
    result[5] = t5;
  }
  result[0] = t0;
  result[1] = t1;
  result[2] = t2;
  result[3] = t3;
}

#undef ZK_PRODUCT_BEGIN
#undef ZK_PRODUCT_STEP
#undef ZK_PRODUCT_END
#undef ZK_FIRST_BEGIN
#undef ZK_FIRST_STEP
#undef ZK_FIRST_END
#undef ZK_REDUCE_BEGIN
#undef ZK_REDUCE_STEP
#undef ZK_REDUCE_END
#undef ZK_REDUCE4
#undef ZK_ROUND4
#undef ZK_REDUCE6
#undef ZK_ROUND6

}  // namespace zkrun
