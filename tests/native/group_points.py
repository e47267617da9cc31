"""Points of G1 and G2 for the tests beside this file: big-integer arithmetic, and memory.

Points are affine, (x, y) or None for infinity, with coordinates in Fq[u]/(u² + 1) for both groups:
G1 has those with c1 = 0. One implementation, slow and plain, is the oracle of both; it is itself
compared with py_ecc in test_groups.py.
"""

import functools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zkrun.algebra.curves import CURVES, Fp2Element

Point = tuple[Fp2Element, Fp2Element] | None
Words = NDArray[np.uint64]

GROUPS = [(curve, group) for curve in CURVES for group in ("g1", "g2")]
each_group = pytest.mark.parametrize(("curve", "group"), GROUPS)


@dataclass(frozen=True)
class Oracle:
    """The group law, and what a group's points look like in memory."""

    curve_name: str
    group: str

    @property
    def q(self) -> int:
        return CURVES[self.curve_name].q

    @property
    def r(self) -> int:
        return CURVES[self.curve_name].r

    @property
    def b(self) -> Fp2Element:
        curve = CURVES[self.curve_name]
        return (curve.b, 0) if self.group == "g1" else curve.b2

    @property
    def generator(self) -> Point:
        curve = CURVES[self.curve_name]
        if self.group == "g2":
            return curve.g2
        return (curve.g1[0], 0), (curve.g1[1], 0)

    @property
    def coordinates(self) -> int:
        """Base-field elements of a point in memory."""
        return 2 if self.group == "g1" else 4

    @property
    def words(self) -> int:
        """64-bit words of a point in memory."""
        return self.coordinates * CURVES[self.curve_name].base.limbs

    def times(self, a: Fp2Element, b: Fp2Element) -> Fp2Element:
        q = self.q
        return (a[0] * b[0] - a[1] * b[1]) % q, (a[0] * b[1] + a[1] * b[0]) % q

    def minus(self, a: Fp2Element, b: Fp2Element) -> Fp2Element:
        return (a[0] - b[0]) % self.q, (a[1] - b[1]) % self.q

    def inverse(self, a: Fp2Element) -> Fp2Element:
        scale = pow(a[0] * a[0] + a[1] * a[1], -1, self.q)
        return a[0] * scale % self.q, -a[1] * scale % self.q

    def on_curve(self, point: Point) -> bool:
        if point is None:
            return True
        x, y = point
        cube = self.times(self.times(x, x), x)
        return self.minus(self.minus(self.times(y, y), cube), self.b) == (0, 0)

    def negative(self, point: Point) -> Point:
        return None if point is None else (point[0], self.minus((0, 0), point[1]))

    def add(self, left: Point, right: Point) -> Point:
        return self.add_all([(left, right)])[0]

    def add_all(self, pairs: Sequence[tuple[Point, Point]]) -> list[Point]:
        """The sums of all pairs, with one inversion."""
        denominators = [self._denominator(*pair) for pair in pairs]
        prefixes, product = [], (1, 0)
        for denominator in denominators:
            prefixes.append(product)
            product = self.times(product, denominator)
        inverse = self.inverse(product)
        sums: list[Point] = []
        for index in reversed(range(len(pairs))):
            one_over = self.times(inverse, prefixes[index])
            inverse = self.times(inverse, denominators[index])
            sums.append(self._sum(*pairs[index], one_over))
        return sums[::-1]

    def _denominator(self, left: Point, right: Point) -> Fp2Element:
        if left is None or right is None:
            return 1, 0
        if left[0] != right[0]:
            return self.minus(right[0], left[0])
        return (1, 0) if left[1] != right[1] else self.times((2, 0), left[1])

    def _sum(self, left: Point, right: Point, one_over: Fp2Element) -> Point:
        if left is None or right is None:
            return right if left is None else left
        if left[0] == right[0]:
            if left[1] != right[1]:
                return None
            numerator = self.times((3, 0), self.times(left[0], left[0]))
        else:
            numerator = self.minus(right[1], left[1])
        slope = self.times(numerator, one_over)
        x = self.minus(self.minus(self.times(slope, slope), left[0]), right[0])
        return x, self.minus(self.times(slope, self.minus(left[0], x)), left[1])

    def multiply(self, scalar: int, point: Point) -> Point:
        result: Point = None
        for bit in bin(scalar)[2:] if scalar else "":
            result = self.add(result, result)
            if bit == "1":
                result = self.add(result, point)
        return result

    def multiply_generator(self, scalar: int) -> Point:
        """scalar G, by a table of the multiples of 256^i G."""
        result: Point = None
        for digit, row in zip((scalar % self.r).to_bytes(32, "little"), _table(self), strict=True):
            result = self.add(result, row[digit])
        return result

    def to_words(self, points: Iterable[Point]) -> Words:
        """The memory of these points: (n, words), Montgomery form."""
        radix = CURVES[self.curve_name].base.montgomery_radix
        return self.to_raw_words(points, radix)

    def to_raw_words(self, points: Iterable[Point], factor: int = 1) -> Words:
        """Coordinates as plain integers, times a factor."""
        size = CURVES[self.curve_name].base.bytes
        data = bytearray()
        for point in points:
            for coordinate in point or ((0, 0), (0, 0)):
                for value in coordinate[: self.coordinates // 2]:
                    data += (value * factor % self.q).to_bytes(size, "little")
        return np.frombuffer(bytes(data), dtype="<u8").reshape(-1, self.words).copy()

    def to_points(self, words: Words) -> list[Point]:
        """The points that memory in Montgomery form holds."""
        base = CURVES[self.curve_name].base
        inverse_radix = pow(base.montgomery_radix, -1, self.q)
        points: list[Point] = []
        for row in words:
            data = row.tobytes()
            values = [
                int.from_bytes(data[i : i + base.bytes], "little") * inverse_radix % self.q
                for i in range(0, len(data), base.bytes)
            ]
            if not any(values):
                points.append(None)
            elif self.group == "g1":
                points.append(((values[0], 0), (values[1], 0)))
            else:
                points.append(((values[0], values[1]), (values[2], values[3])))
        return points

    def scalar_words(self, scalars: Iterable[int]) -> Words:
        """The memory of these scalars: (n, 4), Montgomery form."""
        data = b"".join(((s << 256) % self.r).to_bytes(32, "little") for s in scalars)
        return np.frombuffer(data, dtype="<u8").reshape(-1, 4).copy()

    def native(self, module: ModuleType) -> Any:
        return getattr(getattr(module, self.curve_name), self.group)


@functools.cache
def _table(oracle: Oracle) -> list[list[Point]]:
    """Row i holds d 256^i G for d < 256: all rows are filled at once, doubling their lengths."""
    starts = [oracle.generator]
    for _ in range(31):
        point = starts[-1]
        for _ in range(8):
            point = oracle.add(point, point)
        starts.append(point)
    rows: list[list[Point]] = [[None, start] for start in starts]
    while len(rows[0]) < 256:
        length = len(rows[0])
        tops = oracle.add_all([(row[length - 1], row[1]) for row in rows])
        pairs = [(top, item) for row, top in zip(rows, tops, strict=True) for item in row]
        sums = oracle.add_all(pairs)
        for i, row in enumerate(rows):
            row += sums[i * length : (i + 1) * length]
    return rows


@functools.cache
def known_points(oracle: Oracle, count: int) -> tuple[list[int], list[Point]]:
    """Logarithms k and points k G, random and distinct, at most 2^12 of them."""
    generator = random.Random(f"points of {oracle.curve_name} {oracle.group}")
    side = 1
    while side * side < count:
        side *= 2
    steps = [generator.randrange(oracle.r) for _ in range(2 * side)]
    points = [oracle.multiply_generator(k) for k in steps]
    indices = [(i, side + j) for i in range(side) for j in range(side)][:count]
    sums = oracle.add_all([(points[i], points[j]) for i, j in indices])
    return [(steps[i] + steps[j]) % oracle.r for i, j in indices], sums


def curve_point_outside(oracle: Oracle, seed: int) -> Point:
    """A point of the curve that r does not kill; the curve's order must not be r."""
    generator = random.Random(f"outside {oracle.curve_name} {oracle.group} {seed}")
    while True:
        x = (generator.randrange(oracle.q), 0)
        if oracle.group == "g2":
            x = (x[0], generator.randrange(oracle.q))
        cube = oracle.times(oracle.times(x, x), x)
        y = _square_root(oracle, ((cube[0] + oracle.b[0]) % oracle.q, (cube[1] + oracle.b[1])))
        if y is None:
            continue
        point = (x, y)
        if oracle.multiply(oracle.r, point) is not None:
            return point


def _square_root(oracle: Oracle, a: Fp2Element) -> Fp2Element | None:
    """In Fq for c1 = 0, by the norm otherwise; q = 3 mod 4."""
    q = oracle.q
    if a[1] % q == 0:
        root = pow(a[0], (q + 1) // 4, q)
        return (root, 0) if root * root % q == a[0] % q else None
    norm = pow(a[0] * a[0] + a[1] * a[1], (q + 1) // 4, q)
    for half in ((a[0] + norm) * pow(2, -1, q) % q, (a[0] - norm) * pow(2, -1, q) % q):
        c0 = pow(half, (q + 1) // 4, q)
        if c0 and c0 * c0 % q == half:
            square_root = c0, a[1] * pow(2 * c0, -1, q) % q
            exact = oracle.minus(oracle.times(square_root, square_root), a) == (0, 0)
            return square_root if exact else None
    return None
