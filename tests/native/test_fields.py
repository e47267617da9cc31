"""Field arithmetic on raw limbs, in every build, up to the very bounds that its comments prove.

`fields.cpp` beside this file is compiled once for each instruction set; it applies one operation to
operands from standard input. What comes back is compared with big-integer Python.
"""

import random
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from compiled import compiled
from oracle import each_isa

from zkrun.algebra.curves import CURVES, Field
from zkrun.devices.cpu.native_module import supported_isas

FIELDS: dict[str, Field] = {
    f"{curve.name}.{kind}": getattr(curve, kind)
    for curve in CURVES.values()
    for kind in ("scalar", "base")
}
each_field = pytest.mark.parametrize("name", list(FIELDS))

Operation = Callable[[str, Iterable[int]], list[int]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fields")


@pytest.fixture
def run(isa: str, name: str, folder: Path) -> Operation:
    """run(operation, words) applies the operation to as many operands as the words make."""
    if isa not in supported_isas():
        pytest.skip(f"this processor cannot run the {isa} build")
    program = compiled("fields", isa, folder, "-O1")

    def apply(operation: str, words: Iterable[int]) -> list[int]:
        data = b"".join(word.to_bytes(8, "little") for word in words)
        result = subprocess.run(
            [program, name, operation], input=data, capture_output=True, check=True
        ).stdout
        return [int.from_bytes(result[i : i + 8], "little") for i in range(0, len(result), 8)]

    return apply


def words(values: Iterable[int], count: int) -> list[int]:
    """Little-endian 64-bit words, `count` of them a value."""
    return [value >> (64 * i) & (1 << 64) - 1 for value in values for i in range(count)]


def integers(limbs: Sequence[int], count: int) -> list[int]:
    """The integers whose 64-bit words `words` gives."""
    return [
        sum(limb << (64 * i) for i, limb in enumerate(limbs[at : at + count]))
        for at in range(0, len(limbs), count)
    ]


def forms(field: Field) -> list[int]:
    """Integers below p that are extreme as they are, or as Montgomery forms."""
    p, radix = field.modulus, field.montgomery_radix
    bits = p.bit_length()
    edges = [0, 1, 2, p - 1, p - 2, p // 2, p // 2 + 1, radix % p, -radix % p, radix * radix % p]
    edges += [(1 << n) - 1 for n in (52, 64, 104, 128, 192, 208, bits - 1)]
    edges += [p >> n << n for n in (52, 64, 128, 208)]
    edges += [(p >> n << n) - 1 for n in (52, 64, 128, 208)]
    generator = random.Random(bits)
    return edges + [generator.randrange(p) for _ in range(20)]


def pairs(values: Sequence[int]) -> tuple[list[int], list[int]]:
    return [a for a in values for _ in values], list(values) * len(values)


def interleaved(count: int, *operands: Sequence[int]) -> list[int]:
    return words([value for group in zip(*operands, strict=True) for value in group], count)


@each_isa
@each_field
class TestPrimeField:
    def test_two_operands(self, run: Operation, name: str) -> None:
        field = FIELDS[name]
        p, n = field.modulus, field.limbs
        inverse_radix = pow(field.montgomery_radix, -1, p)
        a, b = pairs(forms(field))
        expected: dict[str, Callable[[int, int], int]] = {
            "add": lambda x, y: (x + y) % p,
            "sub": lambda x, y: (x - y) % p,
            "mul": lambda x, y: x * y * inverse_radix % p,
        }
        for operation, want in expected.items():
            got = integers(run(f"fp.{operation}", interleaved(n, a, b)), n)
            assert got == [want(x, y) for x, y in zip(a, b, strict=True)], operation

    def test_one_operand(self, run: Operation, name: str) -> None:
        field = FIELDS[name]
        p, n, radix = field.modulus, field.limbs, field.montgomery_radix
        inverse_radix = pow(radix, -1, p)

        def inverse(x: int) -> int:
            return pow(x, -1, p) * radix * radix % p if x else 0

        expected: dict[str, Callable[[int], int]] = {
            "square": lambda x: x * x * inverse_radix % p,
            "negate": lambda x: -x % p,
            "dbl": lambda x: 2 * x % p,
            "inverse": inverse,
            "invert": inverse,
            "from_canonical": lambda x: x * radix % p,
            "to_canonical": lambda x: x * inverse_radix % p,
        }
        values = forms(field)
        for operation, want in expected.items():
            got = integers(run(f"fp.{operation}", words(values, n)), n)
            assert got == [want(x) for x in values], operation

    def test_limbs_at_or_above_the_modulus(self, run: Operation, name: str) -> None:
        field = FIELDS[name]
        p, n, radix = field.modulus, field.limbs, field.montgomery_radix
        raw = [0, p - 1, p, p + 1, 2 * p, radix - 1, radix - 2, radix >> 1, radix - p]
        assert run("fp.is_canonical", words(raw, n)) == [int(value < p) for value in raw]
        a = [value for value in forms(field) for _ in raw]
        b = raw * len(forms(field))
        got = integers(run("fp.product_with_raw", interleaved(n, a, b)), n)
        assert got == [x * y * pow(radix, -1, p) % p for x, y in zip(a, b, strict=True)]


@each_isa
@each_field
class TestQuadraticExtension:
    def test_operations(self, run: Operation, name: str) -> None:
        field = FIELDS[name]
        p, n, radix = field.modulus, field.limbs, field.montgomery_radix
        inverse_radix = pow(radix, -1, p)
        few = [0, 1, p - 1, radix % p, *forms(field)[-4:]]
        elements = [(x, y) for x in few for y in few]
        # i^2 = -1 has no solution in the base fields, where this is a field.
        a = [x for x in elements for _ in range(5)]
        b = (elements[3:] + elements[:3]) * 5

        def pack(values: Iterable[tuple[int, int]]) -> list[int]:
            return [component for value in values for component in value]

        def results(flat: list[int]) -> list[tuple[int, int]]:
            got = integers(flat, n)
            return list(zip(got[::2], got[1::2], strict=True))

        def multiply(x: tuple[int, int], y: tuple[int, int]) -> tuple[int, int]:
            return (
                (x[0] * y[0] - x[1] * y[1]) * inverse_radix % p,
                (x[0] * y[1] + x[1] * y[0]) * inverse_radix % p,
            )

        both = words([v for x, y in zip(a, b, strict=True) for v in (*x, *y)], n)
        assert results(run("fp2.mul", both)) == [multiply(x, y) for x, y in zip(a, b, strict=True)]
        for operation, sign in (("add", 1), ("sub", -1)):
            assert results(run(f"fp2.{operation}", both)) == [
                ((x[0] + sign * y[0]) % p, (x[1] + sign * y[1]) % p)
                for x, y in zip(a, b, strict=True)
            ]
        one = words(pack(elements), n)
        assert results(run("fp2.square", one)) == [multiply(x, x) for x in elements]
        assert results(run("fp2.dbl", one)) == [(2 * x % p, 2 * y % p) for x, y in elements]
        assert results(run("fp2.negate", one)) == [(-x % p, -y % p) for x, y in elements]
        assert results(run("fp2.conjugate", one)) == [(x, -y % p) for x, y in elements]
        invertible = [e for e in elements if (e[0] ** 2 + e[1] ** 2) % p]
        for operation in ("inverse", "invert"):
            inverses = results(run(f"fp2.{operation}", words(pack(invertible), n)))
            products = [multiply(x, y) for x, y in zip(invertible, inverses, strict=True)]
            assert products == [(radix % p, 0)] * len(invertible)
            assert results(run(f"fp2.{operation}", words([0, 0], n))) == [(0, 0)]


class Vectors:
    """Values of Fp8: raw integers of L limbs of 52 bits, eight to a vector."""

    def __init__(self, field: Field) -> None:
        self.p = field.modulus
        self.n = field.limbs
        self.limbs = (64 * self.n + 4 + 51) // 52
        self.radix = 1 << (52 * self.limbs)
        self.capacity = 1 << (52 * self.limbs - self.p.bit_length())
        self.loaded = self.radix // field.montgomery_radix

    def edges(self, bound: int) -> list[int]:
        """8 k values below bound p: around multiples of p, ones in all low limbs, random."""
        p, top = self.p, bound * self.p
        multiples = {0, 1, 2, 3, 4, bound // 2, bound - 1, bound}
        values = {m * p + d for m in multiples for d in (-2, -1, 0, 1, 2, p // 2)}
        for bits in range(52, 52 * self.limbs, 52):
            values |= {(1 << bits) - 1, 1 << bits, (top >> bits << bits) - 1, top >> bits << bits}
        generator = random.Random(bound)
        inside = [value for value in sorted(values) if 0 <= value < top]
        inside += [generator.randrange(top) for _ in range(20)]
        inside += [generator.randrange(max(0, top - p), top) for _ in range(-len(inside) % 8)]
        return inside

    def pack(self, *operands: Sequence[int]) -> list[int]:
        """Vectors of the operands in turn, eight values each."""
        packed = []
        for at in range(0, len(operands[0]), 8):
            for operand in operands:
                packed += [
                    value >> (52 * limb) & (1 << 52) - 1
                    for limb in range(self.limbs)
                    for value in operand[at : at + 8]
                ]
        return packed

    def unpack(self, flat: Sequence[int]) -> list[int]:
        assert all(limb < 1 << 52 for limb in flat), "a limb has more than 52 bits"
        values = []
        for at in range(0, len(flat), 8 * self.limbs):
            for lane in range(8):
                limbs = flat[at + lane : at + 8 * self.limbs : 8]
                values.append(sum(limb << (52 * i) for i, limb in enumerate(limbs)))
        return values

    def check(self, got: Sequence[int], bound: int, congruent: Sequence[int]) -> None:
        assert len(got) == len(congruent)
        assert all(0 <= value < bound * self.p for value in got), "a bound is not kept"
        assert [value % self.p for value in got] == [value % self.p for value in congruent]


def crossed(left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """All pairs; both lists have a multiple of eight elements."""
    return [x for x in left for _ in right], right * len(left)


@pytest.mark.parametrize("isa", ["ifma"])
@each_field
class TestVectorField:
    def test_products(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        inverse = pow(v.radix, -1, v.p)
        for operation, left, right in (("most", v.capacity, 1), ("even", v.capacity // 4, 4)):
            a, b = crossed(v.edges(left), v.edges(right))
            got = v.unpack(run(f"fp8.mul.{operation}", v.pack(a, b)))
            v.check(got, 2, [x * y * inverse for x, y in zip(a, b, strict=True)])
        a = v.edges(5)
        v.check(v.unpack(run("fp8.square.five", v.pack(a))), 2, [x * x * inverse for x in a])

    def test_sum_of_products(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        bounds = (v.capacity // 8, 4, v.capacity // 2, 1)
        lists = [v.edges(bound) for bound in bounds]
        size = min(map(len, lists))
        cases = [values[-size:] for values in lists]
        cases[1] = cases[1][8:] + cases[1][:8]
        largest = [[bound * v.p - 1] * 8 for bound in bounds]
        a, b, c, d = ([*case, *most] for case, most in zip(cases, largest, strict=True))
        got = v.unpack(run("fp8.sum_of_products", v.pack(a, b, c, d)))
        inverse = pow(v.radix, -1, v.p)
        want = [(x * y + z * w) * inverse for x, y, z, w in zip(a, b, c, d, strict=True)]
        v.check(got, 2, want)

    def test_sums(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        half = v.capacity // 2
        a, b = crossed(v.edges(half), v.edges(half))
        got = v.unpack(run("fp8.add", v.pack(a, b)))
        assert got == [x + y for x, y in zip(a, b, strict=True)]
        got = v.unpack(run("fp8.sub", v.pack(a, b)))
        assert got == [x + half * v.p - y for x, y in zip(a, b, strict=True)]
        a = v.edges(half)
        assert v.unpack(run("fp8.dbl", v.pack(a))) == [2 * x for x in a]
        a = v.edges(5)
        v.check(v.unpack(run("fp8.negate", v.pack(a))), 6, [-x for x in a])

    def test_reductions(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        for source, bound in (("most", v.capacity), ("four", 4), ("two", 2)):
            a = v.edges(bound)
            if source != "two":
                v.check(v.unpack(run(f"fp8.reduced.{source}", v.pack(a))), 2, a)
            got = v.unpack(run(f"fp8.canonical.{source}", v.pack(a)))
            assert got == [x % v.p for x in a]

    def test_zero_lanes(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        for source, bound in (("most", v.capacity), ("two", 2), ("one", 1)):
            a = v.edges(bound)
            masks = run(f"fp8.is_zero.{source}", v.pack(a))
            lanes = [mask >> lane & 1 for mask in masks for lane in range(8)]
            assert lanes == [int(x % v.p == 0) for x in a]
            assert any(lanes)
            assert not all(lanes)

    def test_select(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        a, b = v.edges(2)[:8], v.edges(2)[8:16]
        for mask in (0, 1, 0b10110010, 0xFF):
            got = v.unpack(run("fp8.select", [mask, *v.pack(a, b)]))
            assert got == [
                x if mask >> i & 1 else y for i, (x, y) in enumerate(zip(a, b, strict=True))
            ]

    def test_loads(self, run: Operation, name: str) -> None:
        field = FIELDS[name]
        v = Vectors(field)
        a = forms(field)[: len(forms(field)) // 8 * 8]
        memory = words(a, v.n)
        assert v.unpack(run("fp8.load", memory)) == [x * v.loaded for x in a]
        assert v.unpack(run("fp8.load_unconverted", memory)) == a
        each = [x for x in a for _ in range(8)]
        v.check(v.unpack(run("fp8.broadcast", memory)), 2, [x * v.loaded for x in each])
        assert v.unpack(run("fp8.broadcast_unconverted", memory)) == each
        assert v.unpack(run("fp8.one", [0])) == [v.radix % v.p] * 8
        sixteen = words(a[:16], v.n)
        gathered = v.unpack(run("fp8.gather", sixteen))
        assert gathered == [x * v.loaded for x in a[14::-2]][-8:]

    def test_stores(self, run: Operation, name: str) -> None:
        v = Vectors(FIELDS[name])
        inverse = pow(v.loaded, -1, v.p)
        for source, bound in (("most", v.capacity), ("loaded", v.loaded)):
            a = v.edges(bound)
            got = integers(run(f"fp8.store.{source}", v.pack(a)), v.n)
            assert got == [x * inverse % v.p for x in a]
        a = v.edges(v.capacity)
        got = integers(run("fp8.store_unconverted.most", v.pack(a)), v.n)
        assert got == [x % v.p for x in a]
        a = v.edges(2)[:8]
        got = integers(run("fp8.scatter", v.pack(a)), v.n)
        assert got[14::-2] == [x * inverse % v.p for x in a]
        assert got[1::2] == [0] * 8
