"""The records of the curves: consistent in themselves, and equal to those of py_ecc."""

import subprocess
import sys
from types import ModuleType

import py_ecc.bls12_381
import py_ecc.bn128
import pytest

from zkrun.algebra.curves import BLS12_381, BN254, CURVES, Curve, Field

LIBRARIES = [(BN254, py_ecc.bn128), (BLS12_381, py_ecc.bls12_381)]
FIELDS = [field for curve in CURVES.values() for field in (curve.scalar, curve.base)]


@pytest.mark.parametrize(("curve", "library"), LIBRARIES)
def test_the_same_curve_as_py_ecc(curve: Curve, library: ModuleType) -> None:
    assert curve.q == library.field_modulus
    assert curve.r == library.curve_order
    assert curve.b == int(library.b)
    assert curve.b2 == tuple(int(c) for c in library.b2.coeffs)
    assert curve.g1 == tuple(int(c) for c in library.G1)
    assert curve.g2 == tuple(tuple(int(c) for c in point.coeffs) for point in library.G2)


@pytest.mark.parametrize(("curve", "library"), LIBRARIES)
def test_the_generators_have_order_r(curve: Curve, library: ModuleType) -> None:
    g1 = tuple(library.FQ(c) for c in curve.g1)
    g2 = tuple(library.FQ2(c) for c in curve.g2)
    for generator, b in ((g1, library.FQ(curve.b)), (g2, library.FQ2(curve.b2))):
        assert library.is_on_curve(generator, b)
        assert library.multiply(generator, curve.r) is None


@pytest.mark.parametrize(("curve", "library"), LIBRARIES)
def test_the_endomorphism_of_g1(curve: Curve, library: ModuleType) -> None:
    assert (curve.lambda_**2 + curve.lambda_ + 1) % curve.r == 0
    assert pow(curve.beta, 3, curve.q) == 1 != curve.beta
    x, y = (library.FQ(c) for c in curve.g1)
    image = library.multiply((x, y), curve.lambda_)
    assert image == (library.FQ(curve.beta) * x, y)


def test_the_families() -> None:
    x = BN254.x
    assert BN254.q == 36 * x**4 + 36 * x**3 + 24 * x**2 + 6 * x + 1
    assert BN254.r == 36 * x**4 + 36 * x**3 + 18 * x**2 + 6 * x + 1
    x = BLS12_381.x
    assert BLS12_381.r == x**4 - x**2 + 1
    assert BLS12_381.q == (x - 1) ** 2 * BLS12_381.r // 3 + x


@pytest.mark.parametrize(("curve", "library"), LIBRARIES)
def test_the_cofactors(curve: Curve, library: ModuleType) -> None:
    """Hasse: there are about q and q² points; and the cofactor takes any point to order r."""
    assert abs(curve.g1_cofactor * curve.r - curve.q - 1) <= 2 * curve.q**0.5
    assert abs(curve.g2_cofactor * curve.r - curve.q**2 - 1) <= 2 * curve.q
    x = next(x for x in range(1, 100) if pow(x**3 + curve.b, (curve.q - 1) // 2, curve.q) == 1)
    y = pow(x**3 + curve.b, (curve.q + 1) // 4, curve.q)
    point = (library.FQ(x), library.FQ(y))
    assert library.multiply(library.multiply(point, curve.g1_cofactor), curve.r) is None


@pytest.mark.parametrize("curve", CURVES.values())
def test_the_twist(curve: Curve) -> None:
    """b2 is b·ξ (M) or b/ξ (D)."""
    factor, product = ((curve.b, 0), curve.b2) if curve.twist == "M" else (curve.b2, (curve.b, 0))
    (a, b), (c, d) = factor, curve.xi
    assert ((a * c - b * d) % curve.q, (a * d + b * c) % curve.q) == product


@pytest.mark.parametrize("field", FIELDS)
def test_roots_of_unity(field: Field) -> None:
    assert pow(2, field.modulus - 1, field.modulus) == 1
    order = 1 << field.two_adicity
    assert (field.modulus - 1) % order == 0
    assert (field.modulus - 1) // order % 2 == 1
    assert pow(field.root_of_unity, order // 2, field.modulus) == field.modulus - 1
    assert field.bytes == 8 * field.limbs
    assert field.modulus < field.montgomery_radix // 2


def test_the_two_adicities_of_the_scalar_fields() -> None:
    assert (BN254.scalar.two_adicity, BLS12_381.scalar.two_adicity) == (28, 32)
    assert (BN254.scalar.generator, BLS12_381.scalar.generator) == (5, 7)


def test_the_records_import_nothing_heavy() -> None:
    code = "import sys, zkrun.algebra.curves; print('numpy' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
