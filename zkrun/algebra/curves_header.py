"""Renders ``curves.hpp``, the C++ constants of every curve, from the records of ``curves.py``.

Run by the build as ``python -m zkrun.algebra.curves_header OUTPUT``, and called by whoever compiles
the headers of ``algebra/native`` at run time. Standard library only.

Field elements are rendered in Montgomery form, as they lie in memory; plain integers (scalars,
cofactors, moduli) are canonical. Constants are functions, not arrays, because device code of a CUDA
compiler cannot take the address of a host constant.
"""

import sys
from pathlib import Path

from zkrun.algebra.curves import CURVES, Curve, Field, Fp2Element

VECTOR_LIMB_BITS = 52


def render() -> str:
    """The text of ``curves.hpp``."""
    parts = [
        "// Rendered by zkrun/algebra/curves_header.py from curves.py. Not to be edited.",
        "#pragma once",
        '#include "platform.hpp"',
        "",
        "namespace zkrun {",
    ]
    for curve in CURVES.values():
        prefix = "".join(part.capitalize() for part in curve.name.split("_"))
        parts += _field(f"{prefix}ScalarField", curve.scalar)
        parts += _field(f"{prefix}BaseField", curve.base)
        parts += _curve(prefix, curve)
    return "\n".join([*parts, "", "}  // namespace zkrun", ""])


def _field(name: str, field: Field) -> list[str]:
    p, n = field.modulus, field.limbs
    vector_limbs = _vector_limbs(field)
    quotient_bits = VECTOR_LIMB_BITS - 1 + p.bit_length()
    vector_radix = 1 << (VECTOR_LIMB_BITS * vector_limbs)
    return [
        "",
        f"struct {name} {{",
        _constant("int", "N", n),
        _constant("int", "bits", p.bit_length()),
        _constant("int", "two_adicity", field.two_adicity),
        _constant("uint64_t", "negative_inverse", _word(_negative_inverse(p, 64))),
        *_integer("modulus", p, n),
        *_integer("modulus_minus_two", p - 2, n),
        *_element("one", 1, field),
        *_element("radix", field.montgomery_radix, field),
        *_element("generator", field.generator, field),
        *_element("root_of_unity", field.root_of_unity, field),
        "",
        "  // Radix 2^52, for vectors: R' = 2^(52 L). quotient52 = floor(2^(51 + bits) / p).",
        _constant("int", "L", vector_limbs),
        _constant("uint64_t", "negative_inverse52", _word(_negative_inverse(p, VECTOR_LIMB_BITS))),
        _constant("uint64_t", "quotient52", _word((1 << quotient_bits) // p)),
        *_integer("modulus52", p, vector_limbs, VECTOR_LIMB_BITS),
        *_integer("one52", vector_radix % p, vector_limbs, VECTOR_LIMB_BITS),
        "};",
    ]


def _negative_inverse(modulus: int, bits: int) -> int:
    """-1 / modulus mod 2^bits."""
    return -pow(modulus, -1, 1 << bits) % (1 << bits)


def _vector_limbs(field: Field) -> int:
    """52-bit limbs that leave room for lazy reduction: R' is at least 16 R."""
    bits = 64 * field.limbs
    return (bits + 4 + VECTOR_LIMB_BITS - 1) // VECTOR_LIMB_BITS


def _curve(prefix: str, curve: Curve) -> list[str]:
    base = curve.base
    psi_x, psi_y = _twist_endomorphism(curve)
    return [
        "",
        f"struct {prefix} {{",
        f'  static constexpr const char* name = "{curve.name}";',
        f"  using ScalarField = {prefix}ScalarField;",
        f"  using BaseField = {prefix}BaseField;",
        _constant("uint64_t", "x_magnitude", _word(abs(curve.x))),
        _constant("bool", "x_is_negative", "true" if curve.x < 0 else "false"),
        "",
        "  // y^2 = x^3 + b, and its twist y^2 = x^3 + (b2_c0 + b2_c1 u).",
        *_element("b", curve.b, base),
        *_element2("b2", curve.b2, base),
        *_element("g1_x", curve.g1[0], base),
        *_element("g1_y", curve.g1[1], base),
        *_element2("g2_x", curve.g2[0], base),
        *_element2("g2_y", curve.g2[1], base),
        "",
        "  // lambda (x, y) = (beta x, y) in G1.",
        *_element("beta", curve.beta, base),
        *_integer("lambda", curve.lambda_, curve.scalar.limbs),
        *_decomposition(curve),
        "",
        "  // psi(x, y) = (psi_x conj(x), psi_y conj(y)) is multiplication by q in G2.",
        *_element2("psi_x", psi_x, base),
        *_element2("psi_y", psi_y, base),
        "};",
    ]


def _twist_endomorphism(curve: Curve) -> tuple[Fp2Element, Fp2Element]:
    """Constants of untwist, Frobenius, twist (Galbraith, Scott, eprint 2008/117)."""
    q = curve.q
    xi = curve.xi if curve.twist == "D" else _fp2_inverse(curve.xi, q)
    return _fp2_pow(xi, (q - 1) // 3, q), _fp2_pow(xi, (q - 1) // 2, q)


def _decomposition(curve: Curve) -> list[str]:
    """Constants that split a scalar k into k1 + k2·lambda of half its length.

    (a1, b1) and (a2, b2) are a reduced basis, of determinant ±r, of the lattice of pairs (a, b)
    with a + b·lambda = 0 mod r (Gallant, Lambert, Vanstone, CRYPTO 2001). Babai's rounding takes
    round(k·b2/r)·(a1, b1) + round(-k·b1/r)·(a2, b2) from (k, 0). The C++ code finds the rounded
    quotients as k·g/2^320 with g >= 0, so signs are moved into the vectors, which are rendered
    modulo 2^192.
    """
    r = curve.r
    (a1, b1), (a2, b2) = (r, 0), (curve.lambda_, -1)
    while a2 * a2 > r:  # Euclid's algorithm, stopped half-way
        quotient = a1 // a2
        (a1, b1), (a2, b2) = (a2, b2), (a1 - quotient * a2, b1 - quotient * b2)
    quotient = a1 // a2
    longer = [(a1, b1), (a1 - quotient * a2, b1 - quotient * b2)]
    a1, b1 = min(longer, key=lambda vector: max(abs(vector[0]), abs(vector[1])))
    determinant = a1 * b2 - a2 * b1
    if abs(determinant) != r or max(abs(a1) + abs(a2), abs(b1) + abs(b2)) > 3 << 126:
        raise ValueError(f"{curve.name}: the endomorphism does not halve scalars")
    lines = ["  // Splitting scalars by lambda: see curves_header.py."]
    numerators = (b2, -b1) if determinant > 0 else (-b2, b1)
    for index, numerator, vector in ((1, numerators[0], (a1, b1)), (2, numerators[1], (a2, b2))):
        sign = -1 if numerator < 0 else 1
        g = ((abs(numerator) << 320) + r // 2) // r
        lines += _integer(f"split_g{index}", g, 4)
        lines += _integer(f"split_a{index}", sign * vector[0] % (1 << 192), 3)
        lines += _integer(f"split_b{index}", sign * vector[1] % (1 << 192), 3)
    return lines


def _fp2_multiply(a: Fp2Element, b: Fp2Element, q: int) -> Fp2Element:
    return (a[0] * b[0] - a[1] * b[1]) % q, (a[0] * b[1] + a[1] * b[0]) % q


def _fp2_inverse(a: Fp2Element, q: int) -> Fp2Element:
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, q)
    return a[0] * norm % q, -a[1] * norm % q


def _fp2_pow(a: Fp2Element, exponent: int, q: int) -> Fp2Element:
    result = (1, 0)
    for bit in bin(exponent)[2:]:
        result = _fp2_multiply(result, result, q)
        if bit == "1":
            result = _fp2_multiply(result, a, q)
    return result


def _element2(name: str, value: Fp2Element, field: Field) -> list[str]:
    return [
        *_element(f"{name}_c0", value[0], field),
        *_element(f"{name}_c1", value[1], field),
    ]


def _element(name: str, value: int, field: Field) -> list[str]:
    return _integer(name, value * field.montgomery_radix % field.modulus, field.limbs)


def _integer(name: str, value: int, limbs: int, limb_bits: int = 64) -> list[str]:
    mask = (1 << limb_bits) - 1
    words = [_word(value >> (limb_bits * i) & mask) for i in range(limbs)]
    lines = [", ".join(words[i : i + 4]) for i in range(0, limbs, 4)]
    return [
        f"  ZK_HD static constexpr Limbs<{limbs}> {name}() {{",
        "    return {{" + ",\n             ".join(lines) + "}};",
        "  }",
    ]


def _constant(typ: str, name: str, value: int | str) -> str:
    return f"  static constexpr {typ} {name} = {value};"


def _word(value: int) -> str:
    return f"0x{value:016x}u"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
