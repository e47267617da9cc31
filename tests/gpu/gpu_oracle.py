"""Big-integer Python beside the GPU: field elements and points, and their memory there.

Points are affine, (x, y) or None for infinity, with coordinates in Fq[u]/(u² + 1) for both groups:
G1 has those with c1 = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zkrun.algebra.curves import CURVES, Curve, Fp2Element

Point = tuple[Fp2Element, Fp2Element] | None
Words = NDArray[np.uint64]

cupy: Any = pytest.importorskip("cupy")
try:
    HAS_GPU = cupy.cuda.runtime.getDeviceCount() > 0
except cupy.cuda.runtime.CUDARuntimeError:
    HAS_GPU = False
if not HAS_GPU:
    pytest.skip("needs an NVIDIA GPU", allow_module_level=True)


def to_words(values: Sequence[int], limbs: int) -> Words:
    """Little-endian 64-bit words, one row a value."""
    data = b"".join(value.to_bytes(8 * limbs, "little") for value in values)
    return np.frombuffer(data, dtype=np.uint64).reshape(-1, limbs).copy()


def to_integers(words: Words) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in words]


@dataclass(frozen=True)
class Oracle:
    """The group law of one group, and what its points look like in memory."""

    curve: Curve
    group: str

    @property
    def q(self) -> int:
        return self.curve.q

    @property
    def generator(self) -> Point:
        if self.group == "g2":
            return self.curve.g2
        return (self.curve.g1[0], 0), (self.curve.g1[1], 0)

    @property
    def words(self) -> int:
        """64-bit words of a point."""
        return (2 if self.group == "g1" else 4) * self.curve.base.limbs

    def times(self, a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] * b[0] - a[1] * b[1]) % self.q, (a[0] * b[1] + a[1] * b[0]) % self.q

    def minus(self, a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] - b[0]) % self.q, (a[1] - b[1]) % self.q

    def inverse(self, a: Fp2Element) -> Fp2Element:
        scale = pow(a[0] * a[0] + a[1] * a[1], -1, self.q)
        return a[0] * scale % self.q, -a[1] * scale % self.q

    def negative(self, point: Point) -> Point:
        return None if point is None else (point[0], self.minus((0, 0), point[1]))

    def add(self, left: Point, right: Point) -> Point:
        if left is None or right is None:
            return right if left is None else left
        if left[0] == right[0]:
            if left[1] != right[1] or left[1] == (0, 0):
                return None
            numerator = self.times((3, 0), self.times(left[0], left[0]))
            denominator = self.times((2, 0), left[1])
        else:
            numerator = self.minus(right[1], left[1])
            denominator = self.minus(right[0], left[0])
        slope = self.times(numerator, self.inverse(denominator))
        x = self.minus(self.minus(self.times(slope, slope), left[0]), right[0])
        return x, self.minus(self.times(slope, self.minus(left[0], x)), left[1])

    def multiply(self, point: Point, scalar: int) -> Point:
        result: Point = None
        for bit in bin(scalar)[2:]:
            result = self.add(result, result)
            if bit == "1":
                result = self.add(result, point)
        return result

    def multiply_generator(self, scalar: int) -> Point:
        return self.multiply(self.generator, scalar % self.curve.r)

    def point_words(self, points: Sequence[Point]) -> Words:
        """Montgomery forms; infinity is all zero."""
        radix, limbs = self.curve.base.montgomery_radix, self.curve.base.limbs
        values: list[int] = []
        for point in points:
            coordinates = point or ((0, 0), (0, 0))
            for c0, c1 in coordinates:
                values += [c0] if self.group == "g1" else [c0, c1]
        return to_words([value * radix % self.q for value in values], limbs).reshape(-1, self.words)

    def to_points(self, words: Words) -> list[Point]:
        limbs = self.curve.base.limbs
        inverse = pow(self.curve.base.montgomery_radix, -1, self.q)
        points: list[Point] = []
        for row in words:
            forms = to_integers(row.reshape(-1, limbs))
            assert all(form < self.q for form in forms), "a coordinate is not reduced"
            values = [form * inverse % self.q for form in forms]
            if not any(values):
                points.append(None)
            elif self.group == "g1":
                points.append(((values[0], 0), (values[1], 0)))
            else:
                points.append(((values[0], values[1]), (values[2], values[3])))
        return points

    def scalar_words(self, scalars: Sequence[int]) -> Words:
        field = self.curve.scalar
        return to_words([s * field.montgomery_radix % field.modulus for s in scalars], field.limbs)


GROUPS = [(curve, group) for curve in CURVES for group in ("g1", "g2")]
each_group = pytest.mark.parametrize(("curve_name", "group"), GROUPS)
