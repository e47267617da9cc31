"""Field operations on the GPU against big-integer Python, on edges and at random."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from gpu_oracle import cupy, to_integers, to_words

from zkrun.algebra.curves import CURVES, Field
from zkrun.devices.cuda.kernels.compile import load
from zkrun.devices.cuda.kernels.field_units import field_unit

pytestmark = pytest.mark.gpu

FIELDS = [(curve, kind) for curve in CURVES for kind in ("scalar", "base")]
Expected = Callable[[int, int, int, int], int]

# On Montgomery forms: a product is divided by the radix R.
EXPECTED: dict[str, Expected] = {
    "add": lambda a, b, p, r_inverse: (a + b) % p,
    "subtract": lambda a, b, p, r_inverse: (a - b) % p,
    "multiply": lambda a, b, p, r_inverse: a * b * r_inverse % p,
    "square": lambda a, b, p, r_inverse: a * a * r_inverse % p,
    "sum_of_products": lambda a, b, p, r_inverse: (a * b + b * b) * r_inverse % p,
    "negate": lambda a, b, p, r_inverse: -a % p,
}


def edge_values(field: Field) -> list[int]:
    """Forms whose words are zero, full, or next to the modulus."""
    p = field.modulus
    bits = 64 * field.limbs
    values = {0, 1, 2, p - 1, p - 2, p // 2, p // 2 + 1, field.montgomery_radix % p}
    for i in range(0, bits, 32):
        values |= {1 << i, (1 << i) - 1, p - (1 << i), p - (1 << i) + 1, (0xFFFFFFFF << i)}
        values |= {((1 << bits) - 1) ^ (0xFFFFFFFF << i), p ^ (0xFFFFFFFF << i)}
    return sorted(value % p for value in values)


@pytest.mark.parametrize(("curve", "kind"), FIELDS)
@pytest.mark.parametrize("operation", [*EXPECTED, "inverse"])
def test_operation(curve: str, kind: str, operation: str) -> None:
    field: Field = getattr(CURVES[curve], kind)
    kernels = load(field_unit(CURVES[curve], kind))
    name = f"apply_{operation}"
    if name not in kernels:
        assert operation == "sum_of_products"
        assert field.modulus.bit_length() == 64 * field.limbs - 1
        return
    generator = random.Random(f"{curve} {kind} {operation}")
    edges = edge_values(field)
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [
        (generator.randrange(field.modulus), generator.randrange(field.modulus))
        for _ in range(20000)
    ]
    if operation == "inverse":
        pairs = pairs[:: len(pairs) // 500]
    a, b = (cupy.asarray(to_words(side, field.limbs)) for side in zip(*pairs, strict=True))
    c = cupy.full_like(a, np.iinfo(np.uint64).max)
    kernels[name]((-(-len(pairs) // 128),), (128,), (c, a, b, np.uint64(len(pairs))))
    results = to_integers(cupy.asnumpy(c))
    p, r_inverse = field.modulus, pow(field.montgomery_radix, -1, field.modulus)
    for (x, y), result in zip(pairs, results, strict=True):
        if operation == "inverse":
            value = x * r_inverse % p
            expected = pow(value, -1, p) * field.montgomery_radix % p if value else 0
        else:
            expected = EXPECTED[operation](x, y, p, r_inverse)
        assert result == expected, (hex(x), hex(y))
