"""Arrays of scalar field elements as the extension sees them, for the tests beside this file.

Values are the raw integers of memory: a transform, a permutation of rows and a sum are the same
maps whether these are read as Montgomery forms or not, so only factors need converting.
"""

import random
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import ISAS, load, supported_isas

Limbs = NDArray[np.uint64]

MODULI = {name: curve.scalar.modulus for name, curve in CURVES.items()}

each_curve = pytest.mark.parametrize("curve", list(CURVES))
each_isa = pytest.mark.parametrize("isa", ISAS)


def module_for(isa: str) -> ModuleType:
    """The build for `isa`; skips where this processor cannot run it."""
    if isa not in supported_isas():
        pytest.skip(f"this processor cannot run the {isa} build")
    return load(isa)


def random_values(curve: str, n: int, seed: int) -> list[int]:
    """n integers below the modulus, among them the smallest and largest."""
    p = MODULI[curve]
    generator = random.Random(f"{curve} {n} {seed}")
    edges = (0, 1, p - 1, p - 2, 1 << 52, (1 << 208) - 1, 1 << 253)
    values = [generator.randrange(p) for _ in range(n)]
    for edge in edges[: n // 4]:
        values[generator.randrange(n)] = edge
    return values


def montgomery(curve: str, value: int) -> int:
    """value R mod p: the integer in memory that stands for `value`."""
    return (value << 256) % MODULI[curve]


def to_limbs(values: Sequence[int]) -> Limbs:
    """The memory of these integers, (n, 4) limbs."""
    data = b"".join(value.to_bytes(32, "little") for value in values)
    return np.frombuffer(data, dtype="<u8").reshape(-1, 4).copy()


def to_integers(limbs: Limbs) -> list[int]:
    """The integers that (n, 4) limbs hold."""
    data = limbs.tobytes()
    return [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]


def view(module: ModuleType, limbs: Limbs, offset: int = 0, length: int | None = None) -> Any:
    """`length` elements of the array from element `offset` on, wrapping at its end."""
    whole = len(limbs)
    return module.View(limbs.ctypes.data, whole, offset, whole if length is None else length)
