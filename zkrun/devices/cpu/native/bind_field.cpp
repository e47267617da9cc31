// The functions of the scalar field.
#include "batch_invert.hpp"
#include "bind.hpp"
#include "elementwise.hpp"
#include "fused.hpp"
#include "random_scalars.hpp"
#include "recurrence.hpp"
#include "throughput.hpp"
#include "wide_reduce.hpp"

namespace zkrun {

namespace {

// x^exponent for an integer of any size, little-endian bytes; x^0 = 1.
template <class F>
F power(const Context& context, const F& x, const unsigned char* exponent, size_t bytes) {
  F result = F::one();
  for (size_t i = bytes; i-- > 0;) {
    if (i % 4096 == 0) context.check();
    for (int bit = 7; bit >= 0; bit--) {
      result = result.square();
      if (exponent[i] >> bit & 1) result *= x;
    }
  }
  return result;
}

}  // namespace

template <class Curve>
void bind_field(nb::module_& curve) {
  using F = Fp<typename Curve::ScalarField>;
  const ReleaseGil release;
  curve.def("to_montgomery", &to_montgomery<F>, nb::arg("ctx"), nb::arg("a"), release);
  curve.def("from_montgomery", &from_montgomery<F>, nb::arg("ctx"), nb::arg("a"), release);
  curve.def("first_not_canonical", &first_not_canonical<F>, nb::arg("ctx"), nb::arg("a"), release);
  curve.def(
      "wide_reduce",
      [](const Context& context, const View& a, nb::handle data) {
        const ByteBuffer bytes(data);
        const nb::gil_scoped_release unlocked;
        wide_reduce<F>(context, a, bytes.data());
      },
      nb::arg("ctx"), nb::arg("a"), nb::arg("data"));
  curve.def(
      "random_scalars",
      [](const Context& context, const View& a, nb::handle key, uint64_t number, uint64_t first) {
        const ByteBuffer bytes(key);
        if (bytes.size() != KeyStream::key_bytes) throw nb::value_error("the key has 32 bytes");
        const nb::gil_scoped_release unlocked;
        random_scalars<F>(context, a, bytes.data(), number, first);
      },
      nb::arg("ctx"), nb::arg("a"), nb::arg("key"), nb::arg("number"), nb::arg("first"),
      "Blocks of 64 bytes of ChaCha20's key stream, from block `first` on, each reduced.");
  curve.def("poly_add", &add_or_subtract<F, false>, nb::arg("ctx"), nb::arg("c"), nb::arg("a"),
            nb::arg("b"), release);
  curve.def("poly_sub", &add_or_subtract<F, true>, nb::arg("ctx"), nb::arg("c"), nb::arg("a"),
            nb::arg("b"), release);
  curve.def("poly_mul", &multiply<F>, nb::arg("ctx"), nb::arg("c"), nb::arg("a"), nb::arg("b"),
            release);
  curve.def(
      "poly_scale",
      [](const Context& context, const View& c, const View& a, const View& s) {
        scale(context, Elements<F>(c), Elements<F>(a), F(single<F>(s)));
      },
      nb::arg("ctx"), nb::arg("c"), nb::arg("a"), nb::arg("s"), release);
  curve.def("distribute_powers", &distribute_powers<F>, nb::arg("ctx"), nb::arg("a"),
            nb::arg("powers"), release);
  curve.def(
      "fused",
      [](Context& context, const std::vector<View>& outs, const std::vector<View>& ins,
         nb::handle code) {
        const ByteBuffer bytes(code);
        const nb::gil_scoped_release unlocked;
        fused<F>(context, outs, ins, bytes.data());
      },
      nb::arg("ctx"), nb::arg("outs"), nb::arg("ins"), nb::arg("code"));
  curve.def("batch_invert", &batch_invert<F>, nb::arg("ctx"), nb::arg("a"), release);
  curve.def(
      "scalar_invert",
      [](const Context&, const View& s) {
        F& scalar = single<F>(s);
        if (scalar.is_zero()) return false;
        scalar = invert(scalar);
        return true;
      },
      nb::arg("ctx"), nb::arg("s"), release, "In place; False, and nothing done, for zero.");
  curve.def(
      "scalar_pow",
      [](const Context& context, const View& s, nb::handle exponent) {
        const ByteBuffer bytes(exponent);
        const nb::gil_scoped_release unlocked;
        F& scalar = single<F>(s);
        scalar = power(context, F(scalar), bytes.data(), bytes.size());
      },
      nb::arg("ctx"), nb::arg("s"), nb::arg("exp"), "In place; exp is little-endian bytes.");
  curve.def(
      "evaluate",
      [](Context& context, const View& y, const View& a, const View& x) {
        single<F>(y) = evaluate(context, a, F(single<F>(x)));
      },
      nb::arg("ctx"), nb::arg("y"), nb::arg("a"), nb::arg("x"), release);
  curve.def(
      "kate_division",
      [](Context& context, const View& q, const View& p, const View& b) {
        kate_division(context, q, p, F(single<F>(b)));
      },
      nb::arg("ctx"), nb::arg("q"), nb::arg("p"), nb::arg("b"), release);
  curve.def(
      "scan_mul",
      [](Context& context, const View& z, const View& a, const View& z0) {
        scan_mul(context, z, a, F(single<F>(z0)));
      },
      nb::arg("ctx"), nb::arg("z"), nb::arg("a"), nb::arg("z0"), release);
  curve.def("multiplications", &multiplications<F>, nb::arg("n"), nb::arg("vector"), release,
            "Seconds for n multiplications on one thread, data in the first-level cache.");
  curve.def("fill", &fill<F>, nb::arg("ctx"), nb::arg("a"), nb::arg("kind"), release);
}

template void bind_field<ZKRUN_CURVE>(nb::module_&);

}  // namespace zkrun
