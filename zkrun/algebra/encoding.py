"""Field elements as integers, limbs and bytes, for small amounts.

Plain Python and NumPy: a few microseconds an element. Large arrays are converted by the functions
of a device. "Form" is the Montgomery form a·R mod p, which is what memory holds.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zkrun.algebra.curves import Field

Limbs = NDArray[np.uint64]


def to_montgomery(field: Field, value: int) -> int:
    """The form of an element."""
    return value * field.montgomery_radix % field.modulus


def from_montgomery(field: Field, form: int) -> int:
    """The element of a form."""
    return form * pow(field.montgomery_radix, -1, field.modulus) % field.modulus


def to_bytes(integers: Iterable[int], limbs: int) -> bytes:
    """Little-endian memory of integers, 8·limbs bytes each; OverflowError if one does not fit."""
    return b"".join(integer.to_bytes(8 * limbs, "little") for integer in integers)


def from_bytes(data: bytes, limbs: int) -> list[int]:
    """The integers that `to_bytes` encodes; ValueError if the length is no multiple of theirs."""
    size = 8 * limbs
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are no whole number of {size}-byte integers")
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def to_limbs(integers: Sequence[int], limbs: int) -> Limbs:
    """A writable (n, limbs) array of little-endian 64-bit limbs."""
    return np.frombuffer(to_bytes(integers, limbs), dtype="<u8").reshape(-1, limbs).copy()


def from_limbs(array: Limbs) -> list[int]:
    """The integers in the rows of an (n, limbs) array."""
    return from_bytes(array.astype("<u8", copy=False).tobytes(), array.shape[1])
