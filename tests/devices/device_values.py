"""Values on a device for tests: any view of any type from plain integers, and back."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from py_ecc import optimized_bls12_381, optimized_bn128

from zkrun.algebra.curves import BLS12_381, BN254, Curve
from zkrun.devices.base import Data, Device, Function
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.types import (
    Group,
    Point,
    PointArray,
    Scalar,
    ScalarArray,
    Transcript,
    Typ,
    element_size,
    length,
)

CURVES = (BN254, BLS12_381)

# How a view lies in its whole array, from its length: (whole, offset).
LAYOUTS: dict[str, Callable[[int], tuple[int, int]]] = {
    "whole": lambda n: (n, 0),
    "slice": lambda n: (n + 5, 3),
    "rotated": lambda n: (n, n // 2 if n > 1 else 0),
    "wrapped slice": lambda n: (n + 3, n + 3 - (n + 1) // 2),
}


def place(device: Device, typ: Typ, curve: Curve, layout: str = "whole") -> Data:
    """Fresh memory for a value, as a view of this layout."""
    item, n = element_size(typ, curve), length(typ)
    whole, offset = LAYOUTS[layout](n) if isinstance(typ, ScalarArray | PointArray) else (n, 0)
    block = device.allocate(whole * item, None)
    return Data(typ, block, block.address, item, whole, offset % max(whole, 1), n)


def encode(values: Sequence[int], modulus: int, size: int) -> bytes:
    return b"".join((v * 2 ** (8 * size) % modulus).to_bytes(size, "little") for v in values)


def decode(raw: bytes, modulus: int, size: int) -> list[int]:
    inverse = pow(2 ** (8 * size), -1, modulus)
    words = [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
    assert all(word < modulus for word in words), "not fully reduced"
    return [word * inverse % modulus for word in words]


def scalars(device: Device, curve: Curve, values: Sequence[int], layout: str = "whole") -> Data:
    data = place(device, ScalarArray(len(values)), curve, layout)
    device.write(data, encode(values, curve.r, 32))
    return data


def scalar(device: Device, curve: Curve, value: int) -> Data:
    data = place(device, Scalar(), curve)
    device.write(data, encode([value], curve.r, 32))
    return data


def scalar_values(data: Data, curve: Curve) -> list[int]:
    return decode(bytes(data.block.device.read(data)), curve.r, 32)


# Points are canonical coordinates as in memory: (x, y) or (x0, x1, y0, y1); infinity is None.

PointValue = tuple[int, ...] | None


def points(
    device: Device, curve: Curve, group: Group, values: Sequence[PointValue], layout: str = "whole"
) -> Data:
    data = place(device, PointArray(len(values), group), curve, layout)
    coordinates = 2 if group == "g1" else 4
    flat = [c for value in values for c in (value or (0,) * coordinates)]
    device.write(data, encode(flat, curve.q, curve.base.bytes))
    return data


def point(device: Device, curve: Curve, group: Group, value: PointValue) -> Data:
    many = points(device, curve, group, [value])
    return Data(Point(group), many.block, many.address, many.item, 1, 0, 1)


def point_values(data: Data, curve: Curve) -> list[PointValue]:
    flat = decode(bytes(data.block.device.read(data)), curve.q, curve.base.bytes)
    n = data.item // curve.base.bytes
    tuples = [tuple(flat[i : i + n]) for i in range(0, len(flat), n)]
    return [value if any(value) else None for value in tuples]


def call(
    device: Device,
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Any],
    immutable: Sequence[Any] = (),
) -> None:
    """Checks and binds a call, and runs it once."""
    bind(device, curve, name, params, mutable, immutable)(mutable, immutable)


def bind(
    device: Device,
    curve: Curve,
    name: str,
    params: dict[str, Any],
    mutable: Sequence[Any],
    immutable: Sequence[Any] = (),
) -> Function:
    def types(values: Sequence[Any]) -> list[Typ]:
        return [v.typ if isinstance(v, Data) else Transcript(v.hash) for v in values]

    resolved, problems = resolve_call(
        FunctionEntry(name, params), curve, types(mutable), types(immutable)
    )
    assert resolved is not None, problems
    return device.bind(resolved)


def random_scalars(curve: Curve, n: int, seed: int = 1) -> list[int]:
    """Random elements with the edges 0, 1 and r - 1 among the first."""
    source = random.Random(seed)
    values = [source.randrange(curve.r) for _ in range(n)]
    for i, edge in enumerate((0, 1, curve.r - 1)):
        if 2 * i + 1 < n:
            values[2 * i + 1] = edge
    return values


def multiples(curve: Curve, group: Group, factors: Sequence[int]) -> list[PointValue]:
    """k·G for each factor, by py_ecc."""
    module: Any = optimized_bn128 if curve is BN254 else optimized_bls12_381
    base = module.G1 if group == "g1" else module.G2
    results: list[PointValue] = []
    for factor in factors:
        if factor % curve.r == 0:
            results.append(None)
            continue
        x, y = module.normalize(module.multiply(base, factor % curve.r))
        flat = (x, y) if group == "g1" else (*x.coeffs, *y.coeffs)
        results.append(tuple(int(c) for c in flat))
    return results
