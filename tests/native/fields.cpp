// Field operations on raw limbs, for test_fields.py: `fields FIELD OPERATION < operands > results`.
//
// Operands and results are 64-bit words. Fp: N words an element. Fp2: two of those. Fp8: eight
// lanes of L limbs, limb by limb as in the registers, so that the tests choose values up to the
// very bound and see results before any further reduction.
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "field.hpp"
#include "field_ifma.hpp"
#include "fp2.hpp"
#include "inversion.hpp"

using namespace zkrun;

namespace {

std::vector<uint64_t> input, output;
size_t position = 0;

template <class T>
T take() {
  T value;
  std::memcpy(static_cast<void*>(&value), input.data() + position, sizeof(T));
  position += sizeof(T) / 8;
  return value;
}

template <class T>
void give(const T& value) {
  const size_t at = output.size();
  output.resize(at + sizeof(T) / 8);
  std::memcpy(output.data() + at, static_cast<const void*>(&value), sizeof(T));
}

using Operations = std::map<std::string, std::function<void()>>;

template <class F>
void add_ring_operations(Operations& operations, const std::string& prefix) {
  operations[prefix + "add"] = [] {
    F a = take<F>(), b = take<F>();
    give(a + b);
  };
  operations[prefix + "sub"] = [] {
    F a = take<F>(), b = take<F>();
    give(a - b);
  };
  operations[prefix + "mul"] = [] {
    F a = take<F>(), b = take<F>();
    give(a * b);
  };
  operations[prefix + "square"] = [] { give(take<F>().square()); };
  operations[prefix + "negate"] = [] { give(-take<F>()); };
  operations[prefix + "dbl"] = [] { give(take<F>().dbl()); };
  operations[prefix + "inverse"] = [] { give(take<F>().inverse()); };
  operations[prefix + "invert"] = [] { give(invert(take<F>())); };
}

template <class P>
void add_scalar_operations(Operations& operations) {
  using F = Fp<P>;
  add_ring_operations<F>(operations, "fp.");
  add_ring_operations<Fp2<F>>(operations, "fp2.");
  operations["fp.from_canonical"] = [] { give(F::from_canonical(take<F>().limb)); };
  operations["fp.to_canonical"] = [] {
    F canonical;
    take<F>().to_canonical(canonical.limb);
    give(canonical);
  };
  operations["fp.is_canonical"] = [] { give(uint64_t{F::is_canonical(take<F>().limb)}); };
  operations["fp.product_with_raw"] = [] {
    F a = take<F>(), raw = take<F>();
    give(F::product_with_raw(a, raw));
  };
  operations["fp2.conjugate"] = [] { give(take<Fp2<F>>().conjugate()); };
}

#ifdef __AVX512IFMA__
template <class P>
void add_vector_operations(Operations& operations) {
  using F = Fp<P>;
  using V = Fp8<P>;
  constexpr int64_t most = V::capacity;
  constexpr int64_t loaded = V::loaded_bound;
  struct Eight {
    F element[8];
  };
  struct Sixteen {
    F element[16];
  };

  operations["fp8.mul.most"] = [] {
    auto a = take<Fp8<P, most>>();
    auto b = take<Fp8<P, 1>>();
    give(a * b);
  };
  operations["fp8.mul.even"] = [] {
    auto a = take<Fp8<P, most / 4>>();
    auto b = take<Fp8<P, 4>>();
    give(a * b);
  };
  operations["fp8.square.five"] = [] { give(take<Fp8<P, 5>>().square()); };
  operations["fp8.add"] = [] {
    auto a = take<Fp8<P, most / 2>>();
    auto b = take<Fp8<P, most / 2>>();
    give(a + b);
  };
  operations["fp8.sub"] = [] {
    auto a = take<Fp8<P, most / 2>>();
    auto b = take<Fp8<P, most / 2>>();
    give(a - b);
  };
  operations["fp8.negate"] = [] { give(-take<Fp8<P, 5>>()); };
  operations["fp8.dbl"] = [] { give(take<Fp8<P, most / 2>>().dbl()); };
  operations["fp8.sum_of_products"] = [] {
    auto a = take<Fp8<P, most / 8>>();
    auto b = take<Fp8<P, 4>>();
    auto c = take<Fp8<P, most / 2>>();
    auto d = take<Fp8<P, 1>>();
    give(sum_of_products(a, b, c, d));
  };
  operations["fp8.reduced.most"] = [] { give(take<Fp8<P, most>>().reduced()); };
  operations["fp8.reduced.four"] = [] { give(take<Fp8<P, 4>>().reduced()); };
  operations["fp8.canonical.most"] = [] { give(take<Fp8<P, most>>().canonical()); };
  operations["fp8.canonical.four"] = [] { give(take<Fp8<P, 4>>().canonical()); };
  operations["fp8.canonical.two"] = [] { give(take<Fp8<P, 2>>().canonical()); };
  operations["fp8.is_zero.most"] = [] { give(uint64_t{take<Fp8<P, most>>().is_zero_mask()}); };
  operations["fp8.is_zero.two"] = [] { give(uint64_t{take<Fp8<P, 2>>().is_zero_mask()}); };
  operations["fp8.is_zero.one"] = [] { give(uint64_t{take<Fp8<P, 1>>().is_zero_mask()}); };
  operations["fp8.select"] = [] {
    const auto mask = static_cast<__mmask8>(take<uint64_t>());
    auto a = take<Fp8<P, 2>>();
    auto b = take<Fp8<P, 2>>();
    give(select(mask, a, b));
  };

  operations["fp8.load"] = [] {
    Eight from = take<Eight>();
    give(V::load(from.element));
  };
  operations["fp8.load_unconverted"] = [] {
    Eight from = take<Eight>();
    give(V::load_unconverted(from.element));
  };
  operations["fp8.broadcast"] = [] { give(V::broadcast(take<F>())); };
  operations["fp8.broadcast_unconverted"] = [] { give(V::broadcast_unconverted(take<F>())); };
  operations["fp8.one"] = [] {
    take<uint64_t>();
    give(V::one());
  };
  operations["fp8.store.most"] = [] {
    Eight to;
    take<Fp8<P, most>>().store(to.element);
    give(to);
  };
  operations["fp8.store.loaded"] = [] {
    Eight to;
    take<Fp8<P, loaded>>().store(to.element);
    give(to);
  };
  operations["fp8.store_unconverted.most"] = [] {
    Eight to;
    take<Fp8<P, most>>().store_unconverted(to.element);
    give(to);
  };
  // Every second of sixteen elements, in reverse.
  operations["fp8.gather"] = [] {
    Sixteen from = take<Sixteen>();
    const uint32_t index[8] = {7, 6, 5, 4, 3, 2, 1, 0};
    give(V::gather(from.element, index, 2));
  };
  operations["fp8.scatter"] = [] {
    Sixteen to = {};
    const uint32_t index[8] = {7, 6, 5, 4, 3, 2, 1, 0};
    take<Fp8<P, 2>>().scatter(to.element, index, 2);
    give(to);
  };
}
#endif

template <class P>
Operations all_operations() {
  Operations operations;
  add_scalar_operations<P>(operations);
#ifdef __AVX512IFMA__
  add_vector_operations<P>(operations);
#endif
  return operations;
}

}  // namespace

int main(int, char** arguments) {
  const std::map<std::string, Operations> fields = {
      {"bn254.scalar", all_operations<Bn254ScalarField>()},
      {"bn254.base", all_operations<Bn254BaseField>()},
      {"bls12_381.scalar", all_operations<Bls12381ScalarField>()},
      {"bls12_381.base", all_operations<Bls12381BaseField>()},
  };
  const auto& operation = fields.at(arguments[1]).at(arguments[2]);
  uint64_t buffer[512];
  while (const size_t count = std::fread(buffer, 8, 512, stdin)) {
    input.insert(input.end(), buffer, buffer + count);
  }
  while (position < input.size()) operation();
  std::fwrite(output.data(), 8, output.size(), stdout);
}
