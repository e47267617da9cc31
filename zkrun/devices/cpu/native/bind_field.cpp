// The functions of the scalar field.
#include "bind.hpp"
#include "elementwise.hpp"

namespace zkrun {

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
  curve.def("fill", &fill<F>, nb::arg("ctx"), nb::arg("a"), nb::arg("kind"), release);
}

template void bind_field<ZKRUN_CURVE>(nb::module_&);

}  // namespace zkrun
