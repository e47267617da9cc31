// ntt, permute and interpolate of a curve's scalar field.
#include <nanobind/stl/optional.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "bind.hpp"
#include "interpolate.hpp"
#include "ntt.hpp"
#include "permute.hpp"

namespace zkrun {
namespace {

// A field element from the bytes that memory would hold.
template <class F>
F element_of(nb::handle object, const char* name) {
  const ByteBuffer bytes(object);
  F element;
  if (bytes.size() != sizeof element.limb) {
    throw nb::value_error((std::string(name) + " must be one element in Montgomery form").c_str());
  }
  std::memcpy(element.limb, bytes.data(), sizeof element.limb);
  return element;
}

// That twiddles[i] is root^i, seen at i = 0, 1, 2, 4, ...: our tables are smaller, so given ones
// are not used, but a program whose twiddles belong to another root must not pass in silence.
template <class F>
void check_twiddles(const Elements<F>& twiddles, const F& root) {
  bool match = twiddles.size() == 0 || twiddles[0] == F::one();
  F power = root;
  for (size_t i = 1; i < twiddles.size(); i *= 2, power = power.square()) {
    match = match && twiddles[i] == power;
  }
  if (!match) throw nb::value_error("the twiddles are not the powers of the root of unity");
}

template <class Curve>
void ntt_call(Context& context, const View& a, bool inverse, nb::handle coset, nb::handle root,
              const std::optional<View>& twiddles) {
  using F = Fp<typename Curve::ScalarField>;
  NttKey<F> key{0, inverse, F::one(), F::one()};
  while (size_t{1} << key.k < a.size()) key.k++;
  if (!coset.is_none()) key.coset = element_of<F>(coset, "coset");
  key.root = root.is_none() ? root_of_unity<F>(key.k) : element_of<F>(root, "root");

  const nb::gil_scoped_release released;
  if (a.size() == 0) return;
  if (twiddles) check_twiddles(Elements<F>(*twiddles), key.root);
  Contiguous<F> elements(context, a);
  ntt(context, elements.data(), key);
  elements.finish();
}

template <class Curve>
int64_t permute_call(Context& context, const View& permuted_a, const View& permuted_t,
                     const View& a, const View& t, size_t usable) {
  using F = Fp<typename Curve::ScalarField>;
  return permute(context, Elements<F>(permuted_a), Elements<F>(permuted_t), Elements<F>(a),
                 Elements<F>(t), usable);
}

template <class Curve>
bool interpolate_call(Context& context, const View& coefficients, const std::vector<View>& xs,
                      const std::vector<View>& ys) {
  using F = Fp<typename Curve::ScalarField>;
  std::vector<F> x, y;
  for (const View& view : xs) x.push_back(single<F>(view));
  for (const View& view : ys) y.push_back(single<F>(view));
  return interpolate(context, Elements<F>(coefficients), x, y);
}

}  // namespace

template <class Curve>
void bind_ntt(nb::module_& curve) {
  curve.def(
      "ntt", &ntt_call<Curve>, nb::arg("ctx"), nb::arg("a"), nb::arg("inverse"),
      nb::arg("coset").none(), nb::arg("root").none(), nb::arg("twiddles").none(),
      "a[i] <- sum_j a[j] (coset root^i)^j in place, or its inverse. a has 2^k elements, k at most "
      "the two-adicity; coset (1 if None, never 0) and root (a primitive 2^k-th root of unity, the "
      "format's if None) are elements in Montgomery form. Given twiddles, the powers of root "
      "below 2^(k-1), are compared with root: ValueError where they differ.");
  curve.def("permute", &permute_call<Curve>, ReleaseGil(), nb::arg("ctx"), nb::arg("a2"),
            nb::arg("t2"), nb::arg("a"), nb::arg("t"), nb::arg("usable"),
            "halo2's lookup permutation of the first `usable` rows. Returns -1, or the first row "
            "of a whose value t lacks, with the outputs untouched.");
  curve.def("interpolate", &interpolate_call<Curve>, ReleaseGil(), nb::arg("ctx"),
            nb::arg("coef"), nb::arg("xs"), nb::arg("ys"),
            "The coefficients of the polynomial of degree below len(xs) through the points, given "
            "as lists of one-element views. False, and nothing written, for a repeated x.");
}

template void bind_ntt<ZKRUN_CURVE>(nb::module_&);

}  // namespace zkrun
