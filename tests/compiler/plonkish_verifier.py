"""The verifier of `scripts/plonkish.py`: big-integer Python and a pairing, nothing of the prover.

It takes a verifying key as its file holds it, the three public inputs and the bytes of a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from group_law import (
    NotAPoint,
    Point,
    Transcript,
    decompress_g1,
    pairing_product_is_one,
    sum_of_products,
)

from zkrun.algebra.curves import CURVES

COLUMNS = ("a", "b", "c", "d", "e", "p")
FIXED = ("q_gate", "q_lookup", "t_0", "t_1", *(f"sigma_{name}" for name in COLUMNS))
RANDOM_ROWS = 5


class Refused(Exception):
    """The proof proves nothing; the message says what is wrong with it."""


@dataclass(frozen=True)
class _Domain:
    """The rows: powers of ω."""

    r: int
    n: int
    omega: int

    def lagrange(self, row: int, x: int) -> int:
        """The polynomial that is 1 in this row and 0 in all others, at x."""
        point = pow(self.omega, row, self.r)
        top = (pow(x, self.n, self.r) - 1) * point
        return top * pow(self.n * (x - point), -1, self.r) % self.r


class _Reader:
    """The parts of a proof in order, each of them absorbed as it is read."""

    def __init__(self, curve: str, proof: bytes, transcript: Transcript) -> None:
        self.curve, self.proof, self.transcript = curve, proof, transcript
        self.at = 0

    def point(self) -> Point:
        try:
            point = decompress_g1(self.curve, self._take(CURVES[self.curve].base.bytes))
        except NotAPoint:
            raise Refused(f"no point before byte {self.at}") from None
        self.transcript = self.transcript.absorb_points([point])
        return point

    def scalar(self) -> int:
        value = int.from_bytes(self._take(32), "little")
        if value >= CURVES[self.curve].r:
            raise Refused(f"a scalar is too large before byte {self.at}")
        self.transcript = self.transcript.absorb_scalars([value])
        return value

    def challenge(self) -> int:
        self.transcript, challenge = self.transcript.squeeze()
        return challenge

    def _take(self, count: int) -> bytes:
        if self.at + count > len(self.proof):
            raise Refused("the proof is too short")
        self.at += count
        return self.proof[self.at - count : self.at]


def verify(key: dict[str, Any], public: Sequence[int], proof: bytes) -> None:
    """Refused, unless the proof is one for these public inputs."""
    curve, r, n = key["curve"], CURVES[key["curve"]].r, 1 << key["k"]
    generator = {"bn254": 5, "bls12_381": 7}[curve]
    domain = _Domain(r, n, pow(generator, (r - 1) // n, r))
    delta = pow(generator, (r - 1) & -(r - 1), r)
    end = n - RANDOM_ROWS - 1
    if len(public) != 3 or not all(0 <= value < r for value in public):
        raise Refused("the public inputs are three scalars")

    points: dict[str, Point] = {}
    for name in FIXED:
        x_text, y_text = key["commitments"][name]
        points[name] = (int(x_text, 16), int(y_text, 16))
    start = Transcript("blake2b", curve).absorb_points(list(points.values()))
    reader = _Reader(curve, proof, start.absorb_scalars(public))

    def commitments(*names: str) -> None:
        points.update({name: reader.point() for name in names})

    commitments("a", "b", "c", "d", "e")
    theta = reader.challenge()
    commitments("input'", "table'")
    beta, gamma = reader.challenge(), reader.challenge()
    commitments("z_0", "z_1", "z_lookup", "mask")
    y = reader.challenge()
    commitments("h_0", "h_1", "h_2", "h_3")
    x = reader.challenge()
    openings = list(_openings(end - n))
    values = {opening: reader.scalar() for opening in openings}
    v = reader.challenge()
    rotations = list(dict.fromkeys(rotation for _, rotation in openings))
    witnesses = [reader.point() for _ in rotations]
    u = reader.challenge()
    if reader.at != len(proof):
        raise Refused("the proof goes on after its end")
    x_to_n = pow(x, n, r)
    if x_to_n == 1:
        raise Refused("the challenge x lies in the domain")

    zeros = _constraints(domain, values, public, theta, beta, gamma, x, delta, end)
    total = 0
    for zero in zeros:
        total = (total * y + zero) % r
    quotient = total * pow(x_to_n - 1, -1, r) % r
    pieces = [points[f"h_{i}"] for i in range(4)]
    points["h"] = sum_of_products(curve, "g1", pieces, [pow(x_to_n, i, r) for i in range(4)])
    openings.append(("h", 0))
    values["h", 0] = quotient

    # e(Σ u^j W_j, τ·H) = e(Σ u^j (z_j·W_j + C_j − y_j·G), H), where C_j and y_j are the sums over
    # powers of v of what is opened at z_j.
    terms: list[tuple[int, Point]] = []
    generator_factor = 0
    for j, (rotation, witness) in enumerate(zip(rotations, witnesses, strict=True)):
        power = pow(u, j, r)
        terms.append((power * x * pow(domain.omega, rotation, r) % r, witness))
        batch = [opening for opening in openings if opening[1] == rotation]
        for i, opening in enumerate(reversed(batch)):
            factor = power * pow(v, i, r) % r
            terms.append((factor, points[opening[0]]))
            generator_factor -= factor * values[opening]
    terms.append((generator_factor % r, CURVES[curve].g1))
    right = sum_of_products(curve, "g1", [p for _, p in terms], [f for f, _ in terms])
    powers = [-pow(u, j, r) % r for j in range(len(witnesses))]
    left = sum_of_products(curve, "g1", witnesses, powers)
    tau: Any = tuple(tuple(int(part, 16) for part in c) for c in key["tau_g2"])
    if not pairing_product_is_one(curve, [(left, tau), (right, CURVES[curve].g2)]):
        raise Refused("the openings are not those of the commitments, or a constraint is broken")


def _openings(end: int) -> Iterator[tuple[str, int]]:
    """(polynomial, j) for each value at ω^j·x, in the order of the proof."""
    for name in ("a", "b", "c", "d", "e", *FIXED, "mask"):
        yield name, 0
    yield "a", 1
    yield from [("z_0", 0), ("z_0", 1), ("z_0", end), ("z_1", 0), ("z_1", 1)]
    yield from [("z_lookup", 0), ("z_lookup", 1), ("input'", 0), ("input'", -1), ("table'", 0)]


def _constraints(
    domain: _Domain,
    values: dict[tuple[str, int], int],
    public: Sequence[int],
    theta: int,
    beta: int,
    gamma: int,
    x: int,
    delta: int,
    end: int,
) -> list[int]:
    """Every constraint at x: zero in all rows, as polynomials."""
    r, n = domain.r, domain.n
    here = {name: value for (name, rotation), value in values.items() if rotation == 0}
    here["p"] = sum(value * domain.lagrange(row, x) for row, value in enumerate(public)) % r
    first, last = domain.lagrange(0, x), domain.lagrange(end, x)
    usable = (1 - last - sum(domain.lagrange(row, x) for row in range(end + 1, n))) % r

    a, b, c, d, e = (here[name] for name in "abcde")
    a_next = values["a", 1]
    zeros = [here["q_gate"] * (a * b + c * a_next - d)]

    before = 1
    for j, columns in enumerate((COLUMNS[:3], COLUMNS[3:])):
        own = following = 1
        for i, name in enumerate(columns, 3 * j):
            own = own * (here[name] + beta * pow(delta, i, r) * x + gamma) % r
            following = following * (here[name] + beta * here[f"sigma_{name}"] + gamma) % r
        z, z_next = here[f"z_{j}"], values[f"z_{j}", 1]
        zeros.append(first * (z - before))
        zeros.append(usable * (z_next * following - z * own))
        before = values["z_0", end - n]
    zeros.append(last * (here["z_1"] ** 2 - here["z_1"]))

    z, z_next = here["z_lookup"], values["z_lookup", 1]
    looked_up = here["q_lookup"] * (theta * b + e)
    table = theta * here["t_0"] + here["t_1"]
    sorted_input, sorted_table = here["input'"], here["table'"]
    zeros.append(first * (z - 1))
    both = z_next * (sorted_input + beta) * (sorted_table + gamma)
    zeros.append(usable * (both - z * (looked_up + beta) * (table + gamma)))
    zeros.append(last * (z * z - z))
    difference = sorted_input - sorted_table
    zeros.append(first * difference)
    zeros.append(usable * difference * (sorted_input - values["input'", -1]))
    return [zero % r for zero in zeros]
