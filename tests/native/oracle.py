"""Big-integer Python beside the extension: values, their memory, and views of it.

Arrays hold Montgomery forms unless a name says otherwise, as the extension's functions take them.
"""

import random
from collections import deque
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zkrun.algebra.curves import CURVES
from zkrun.devices.cpu.native_module import ISAS, load, supported_isas

Limbs = NDArray[np.uint64]

each_curve = pytest.mark.parametrize("curve", list(CURVES))
each_isa = pytest.mark.parametrize("isa", ISAS)

RADIX = 1 << 256


class Scalars:
    """The scalar field of one curve in one build: Python integers in, Python integers out.

    `functions` is the curve's submodule and `context` an account for its calls.
    """

    def __init__(self, isa: str, curve: str) -> None:
        if isa not in supported_isas():
            pytest.skip(f"this processor cannot run the {isa} build")
        self.module: ModuleType = load(isa)
        self.functions: Any = getattr(self.module, curve)
        self.context: Any = self.module.Context()
        self.r = CURVES[curve].r
        self.random = random.Random(f"{isa} {curve}")
        # A view does not keep its memory alive, so the arrays seen last are held here.
        self._held: deque[Limbs] = deque(maxlen=128)

    def array(self, values: Sequence[int]) -> Limbs:
        """Montgomery forms of the values, in memory of their own."""
        return to_limbs([value * RADIX % self.r for value in values])

    def empty(self, length: int) -> Limbs:
        """Memory full of ones bits, which no right result leaves as it is."""
        return np.full((length, 4), np.iinfo(np.uint64).max, dtype=np.uint64)

    def values(self, array: Limbs) -> list[int]:
        """The values whose Montgomery forms the array holds; each form must be below r."""
        forms = to_integers(array)
        assert all(form < self.r for form in forms), "a result is not fully reduced"
        inverse = pow(RADIX, -1, self.r)
        return [form * inverse % self.r for form in forms]

    def view(self, array: Limbs, offset: int = 0, length: int | None = None) -> Any:
        """`length` elements of the array from `offset` on, wrapping at its end."""
        self._held.append(array)
        length = len(array) if length is None else length
        return self.module.View(array.ctypes.data, len(array), offset, length)

    def edges(self) -> list[int]:
        """Values whose forms or limbs are extreme, canonically and in Montgomery form."""
        r, inverse = self.r, pow(RADIX, -1, self.r)
        forms = [0, 1, 2, r - 1, r - 2, (r - 1) // 2, (r + 1) // 2]
        forms += [(1 << bits) - 1 for bits in (52, 64, 104, 128, 156, 192, 208, 252)]
        forms += [1 << bits for bits in (51, 52, 63, 64, 104, 156, 208, 253)]
        # The largest forms below r with all-ones low limbs, in either radix.
        forms += [(r >> bits << bits) - 1 for bits in (52, 64, 104, 128, 156, 192, 208)]
        return forms + [form * inverse % r for form in forms]

    def random_values(self, length: int) -> list[int]:
        """Uniform values with edges among them."""
        values = [self.random.randrange(self.r) for _ in range(length)]
        edges = self.edges()
        for i in range(length):
            if self.random.random() < 0.2:
                values[i] = self.random.choice(edges)
        return values


def to_limbs(integers: Sequence[int], limbs: int = 4) -> Limbs:
    """(n, limbs) little-endian 64-bit limbs of integers below 2^(64 limbs)."""
    data = b"".join(integer.to_bytes(8 * limbs, "little") for integer in integers)
    return np.frombuffer(data, dtype="<u8").reshape(-1, limbs).copy()


def to_integers(array: Limbs) -> list[int]:
    """The integers that the rows of an array of limbs hold."""
    data, size = array.tobytes(), 8 * array.shape[1]
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


def rolled(values: Sequence[int], offset: int, length: int) -> list[int]:
    """What a view at `offset` of `length` elements shows of an array with these values."""
    return [values[(offset + i) % len(values)] for i in range(length)]
