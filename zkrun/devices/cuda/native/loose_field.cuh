// Fields whose elements need not be fully reduced: below 2p rather than p. That spares the
// reduction of products, which matters where instructions beside the multiplications fill the issue
// slots.
//
// For moduli below R / 5. Elements of Fp<P> are elements of LooseFp<P> as they are.
#pragma once

#include "field.hpp"
#include "fp2.hpp"
#include "group.hpp"
#include "memory.cuh"

namespace zkrun {

template <class P>
struct LooseFp {
  static constexpr int N = P::N;
  using Operations = DeviceField<P, 2>;

  uint64_t limb[N];

  static __device__ __forceinline__ LooseFp zero() { return LooseFp{}; }
  static __device__ __forceinline__ LooseFp one() {
    const Fp<P> reduced = Fp<P>::one();
    LooseFp result;
    ZK_UNROLL
    for (int i = 0; i < N; i++) result.limb[i] = reduced.limb[i];
    return result;
  }
  __device__ __forceinline__ Fp<P> reduced() const {
    Fp<P> result;
    Operations::reduce(result.limb, limb);
    return result;
  }

  // Zero is 0 or p.
  __device__ __forceinline__ bool is_zero() const {
    const Limbs<N> p = P::modulus();
    uint64_t any = 0, difference = 0;
    ZK_UNROLL
    for (int i = 0; i < N; i++) {
      any |= limb[i];
      difference |= limb[i] ^ p[i];
    }
    return any == 0 || difference == 0;
  }

  __device__ friend __forceinline__ LooseFp operator+(const LooseFp& a, const LooseFp& b) {
    LooseFp sum;
    Operations::add(sum.limb, a.limb, b.limb);
    return sum;
  }
  __device__ friend __forceinline__ LooseFp operator-(const LooseFp& a, const LooseFp& b) {
    LooseFp difference;
    Operations::subtract(difference.limb, a.limb, b.limb);
    return difference;
  }
  __device__ friend __forceinline__ LooseFp operator*(const LooseFp& a, const LooseFp& b) {
    LooseFp product;
    Operations::multiply(product.limb, a.limb, b.limb);
    return product;
  }
  __device__ __forceinline__ LooseFp operator-() const { return zero() - *this; }
  __device__ __forceinline__ LooseFp dbl() const { return *this + *this; }
  __device__ __forceinline__ LooseFp square() const {
    LooseFp product;
    Operations::square(product.limb, limb);
    return product;
  }
  static __device__ __forceinline__ LooseFp sum_of_products(const LooseFp& a, const LooseFp& b,
                                                            const LooseFp& c, const LooseFp& d) {
    LooseFp sum;
    Operations::sum_of_products(sum.limb, a.limb, b.limb, c.limb, d.limb);
    return sum;
  }
  static __device__ __forceinline__ LooseFp difference_of_products(const LooseFp& a,
                                                                   const LooseFp& b,
                                                                   const LooseFp& c,
                                                                   const LooseFp& d) {
    return sum_of_products(a, b, -c, d);
  }
};

// The loose field with the elements of F, for a field or its quadratic extension.
template <class F>
struct LooseOf;
template <class P>
struct LooseOf<Fp<P>> {
  using Type = LooseFp<P>;
};
template <class F>
struct LooseOf<Fp2<F>> {
  using Type = Fp2<typename LooseOf<F>::Type>;
};
template <class F>
using Loose = typename LooseOf<F>::Type;

template <class P>
__device__ __forceinline__ Fp<P> reduced(const LooseFp<P>& a) {
  return a.reduced();
}
template <class P>
__device__ __forceinline__ Fp2<Fp<P>> reduced(const Fp2<LooseFp<P>>& a) {
  return {a.c0.reduced(), a.c1.reduced()};
}

// A point whose coordinates may lie in memory as loose ones.
template <class F>
__device__ __forceinline__ Xyzz<F> load_reduced(const Xyzz<F>* address) {
  const auto point = load(reinterpret_cast<const Xyzz<Loose<F>>*>(address));
  return {reduced(point.x), reduced(point.y), reduced(point.zz), reduced(point.zzz)};
}
template <class F>
__device__ __forceinline__ void store_loose(Xyzz<F>* address, const Xyzz<Loose<F>>& point) {
  store(reinterpret_cast<Xyzz<Loose<F>>*>(address), point);
}

}  // namespace zkrun
