"""The rendered C++ constants, read back as integers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from py_ecc import bls12_381, bn128

from zkrun.algebra import curves_header
from zkrun.algebra.curves import BLS12_381, BN254, Curve

ROOT = Path(__file__).resolve().parents[2]


def constants(struct: str) -> dict[str, list[int]]:
    """The limbs of each constant of a struct of the header."""
    text = curves_header.render()
    body = text[text.index(f"struct {struct} {{") :]
    body = body[: body.index("\n};")]
    functions = re.findall(r"Limbs<\d+> (\w+)\(\) \{\s*return \{\{(.*?)\}\};", body, re.DOTALL)
    return {
        name: [int(word.rstrip("u"), 16) for word in re.findall(r"0x[0-9a-f]{16}u", limbs)]
        for name, limbs in functions
    }


def integer(limbs: list[int], bits: int = 64) -> int:
    assert all(limb < 1 << bits for limb in limbs)
    return sum(limb << (bits * i) for i, limb in enumerate(limbs))


@pytest.mark.parametrize(
    ("curve", "prefix"), [(BN254, "Bn254"), (BLS12_381, "Bls12381")], ids=["bn254", "bls12_381"]
)
class TestConstants:
    def test_of_the_fields(self, curve: Curve, prefix: str) -> None:
        for field, suffix in ((curve.scalar, "ScalarField"), (curve.base, "BaseField")):
            found = constants(prefix + suffix)
            p, radix = field.modulus, field.montgomery_radix
            assert integer(found["modulus"]) == integer(found["modulus52"], 52) == p
            assert integer(found["modulus_minus_two"]) == p - 2
            assert integer(found["one"]) == radix % p
            assert integer(found["radix"]) == radix * radix % p
            assert integer(found["root_of_unity"]) == field.root_of_unity * radix % p
            vector_radix = 1 << (52 * len(found["one52"]))
            assert integer(found["one52"], 52) == vector_radix % p
            assert vector_radix >= 16 * radix

    def test_of_the_twist_endomorphism(self, curve: Curve, prefix: str) -> None:
        """ψ is multiplication by q in G2, checked on the generator with py_ecc."""
        library = bn128 if curve is BN254 else bls12_381
        found = constants(prefix)
        inverse_radix = pow(curve.base.montgomery_radix, -1, curve.q)

        def element(name: str) -> list[int]:
            parts = (found[f"{name}_c0"], found[f"{name}_c1"])
            return [integer(part) * inverse_radix % curve.q for part in parts]

        def image(coordinate: tuple[int, int], constant: str) -> object:
            conjugate = library.FQ2([coordinate[0], -coordinate[1] % curve.q])
            return library.FQ2(element(constant)) * conjugate

        x, y = curve.g2
        generator = (library.FQ2(x), library.FQ2(y))
        expected = library.multiply(generator, curve.q % curve.r)
        assert (image(x, "psi_x"), image(y, "psi_y")) == expected
        assert element("g2_x") == list(x)
        assert element("b2") == list(curve.b2)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs the CUDA compiler")
def test_a_cuda_compiler_takes_the_headers(tmp_path: Path) -> None:
    (tmp_path / "curves.hpp").write_text(curves_header.render(), encoding="utf-8")
    source = tmp_path / "kernel.cu"
    source.write_text(
        """
        #include "field.hpp"
        #include "fp2.hpp"
        using namespace zkrun;
        template <class F> __global__ void kernel(F* a, Fp2<F>* b) {
          a[threadIdx.x] = a[threadIdx.x] * F::one() + a[0].inverse() - a[1].pow(5);
          b[threadIdx.x] = b[threadIdx.x].square() * b[0].inverse();
        }
        template __global__ void kernel(Fp<Bls12381BaseField>*, Fp2<Fp<Bls12381BaseField>>*);
        """,
        encoding="utf-8",
    )
    subprocess.run(
        [
            "nvcc",
            "-std=c++17",
            "-ptx",
            f"-I{ROOT / 'zkrun/algebra/native'}",
            f"-I{tmp_path}",
            str(source),
            "-o",
            str(tmp_path / "kernel.ptx"),
        ],
        check=True,
        capture_output=True,
    )
