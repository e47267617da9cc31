"""Points for the oracles of these tests: arkworks (from the wheel of zksnake) behind plain tuples.

A point is (x, y) with integers on G1 and pairs of them on G2, canonical; infinity is None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from py_arkworks_bls12381 import G1Point
from zksnake import ecc

from zkrun.algebra.curves import CURVES

Fp2: TypeAlias = tuple[int, int]
Point: TypeAlias = tuple[int, int] | tuple[Fp2, Fp2] | None

_ARKWORKS: dict[str, Any] = {"bn254": ecc.ec_bn254, "bls12_381": ecc.ec_bls12_381}


def sum_of_products(
    curve: str, group: str, points: Sequence[Point], scalars: Sequence[int]
) -> Point:
    """Σ scalars[i]·points[i]."""
    module = _ARKWORKS[curve]
    terms = [(p, s) for p, s in zip(points, scalars, strict=True) if p is not None and s]
    if not terms:
        return None
    add_all = module.multiscalar_mul_g1 if group == "g1" else module.multiscalar_mul_g2
    return _plain(add_all([_arkworks(module, p) for p, _ in terms], [s for _, s in terms]))


def pairing_product_is_one(curve: str, pairs: Sequence[tuple[Point, Point]]) -> bool:
    """Whether the product of e(P, Q) over pairs of a point of G1 and one of G2 is 1."""
    module = _ARKWORKS[curve]
    kept = [(p, q) for p, q in pairs if p is not None and q is not None]
    if not kept:
        return True
    # e(O, G2) is the one to compare with.
    one = module.pairing(module.g1() * 0, module.g2())
    left = [_arkworks(module, p) for p, _ in kept]
    right = [_arkworks(module, q) for _, q in kept]
    return bool(module.multi_pairing(left, right) == one)


def _arkworks(module: Any, point: Any) -> Any:
    x, y = point
    return module.PointG1(x, y) if isinstance(x, int) else module.PointG2(*x, *y)


def _plain(point: Any) -> Point:
    if point.is_zero():
        return None
    x, y = point.x, point.y
    return (x, y) if isinstance(x, int) else (tuple(x), tuple(y))


def coordinates(point: Point, group: str) -> list[int]:
    """x, y; of G2 x0, x1, y0, y1; of infinity zeros."""
    if point is None:
        return [0] * (2 if group == "g1" else 4)
    return [part for c in point for part in ([c] if isinstance(c, int) else c)]


def points_from(flat: Sequence[int], group: str) -> list[Point]:
    """The inverse of `coordinates`, for many."""
    step = 2 if group == "g1" else 4
    points: list[Point] = []
    for i in range(0, len(flat), step):
        one = flat[i : i + step]
        if not any(one):
            points.append(None)
        else:
            points.append((one[0], one[1]) if step == 2 else ((one[0], one[1]), (one[2], one[3])))
    return points


def compress(curve: str, group: str, point: Point) -> bytes:
    """How a blake2b proof holds a point: as halo2curves does, on BLS12-381 as Zcash."""
    size, q = CURVES[curve].base.bytes, CURVES[curve].q
    flat = coordinates(point, group)
    x, y = flat[: len(flat) // 2], flat[len(flat) // 2 :]
    if curve == "bn254":
        encoded = bytearray(b"".join(c.to_bytes(size, "little") for c in x))
        encoded[-1] |= 0x40 if point is None else 0x80 * (y[0] & 1)
        return bytes(encoded)
    encoded = bytearray(b"".join(c.to_bytes(size, "big") for c in reversed(x)))
    deciding = next((c for c in reversed(y) if c), 0)
    encoded[0] |= 0x80 | (0x40 if point is None else 0x20 * (deciding > q // 2))
    return bytes(encoded)


class NotAPoint(ValueError):
    """Bytes that encode no point of G1, or not in the one way that they should."""


def decompress_g1(curve: str, encoded: bytes) -> Point:
    """The point of G1 that `compress` encodes so. NotAPoint for anything else."""
    record = CURVES[curve]
    little = curve == "bn254"
    raw = bytearray(encoded[::-1] if little else encoded)
    infinity, flags = bool(raw[0] & 0x40), raw[0] & (0xC0 if little else 0xE0)
    raw[0] ^= flags
    x = int.from_bytes(raw, "big")
    if infinity:
        point: Point = None
    else:
        square = (x * x * x + record.b) % record.q
        y = pow(square, (record.q + 1) // 4, record.q)
        candidates: list[Point] = [(x, y), (x, -y % record.q)]
        found = [one for one in candidates if compress(curve, "g1", one) == encoded]
        if x >= record.q or y * y % record.q != square or len(found) != 1:
            raise NotAPoint(encoded.hex())
        point = found[0]
        if not little and not _is_in_subgroup(encoded):
            raise NotAPoint(encoded.hex())
    if compress(curve, "g1", point) != encoded:
        raise NotAPoint(encoded.hex())
    return point


def _is_in_subgroup(encoded: bytes) -> bool:
    """Whether r kills this point of the curve BLS12-381; all points of BN254 are in its group."""
    try:
        G1Point.from_compressed_bytes(encoded)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Transcript:
    """What a transcript has absorbed since its last reset, and the proof written so far."""

    hash: str
    curve: str
    absorbed: bytes = b""
    proof: bytes = b""

    def absorb_scalars(self, values: Sequence[int], write: bool = False) -> Transcript:
        little = self.hash == "blake2b"
        encoded = [value.to_bytes(32, "little" if little else "big") for value in values]
        prefix = b"\x02" if little else b""
        return self._with(b"".join(prefix + one for one in encoded), b"".join(encoded), write)

    def absorb_points(
        self, points: Sequence[Point], group: str = "g1", write: bool = False
    ) -> Transcript:
        size = CURVES[self.curve].base.bytes
        absorbed, written = b"", b""
        for point in points:
            flat = coordinates(point, group)
            if self.hash == "blake2b":
                absorbed += b"\x01" + b"".join(c.to_bytes(size, "little") for c in flat)
                written += compress(self.curve, group, point)
            else:
                half = len(flat) // 2  # on G2, c1 before c0
                order = flat[:half][::-1] + flat[half:][::-1]
                absorbed += b"".join(c.to_bytes(size, "big") for c in order)
        return self._with(absorbed, written if self.hash == "blake2b" else absorbed, write)

    def squeeze(self) -> tuple[Transcript, int]:
        """The transcript after the challenge, and the challenge."""
        r = CURVES[self.curve].r
        if self.hash == "blake2b":
            absorbed = self.absorbed + b"\0"
            digest = hashlib.blake2b(absorbed, digest_size=64, person=b"Halo2-Transcript").digest()
            after = Transcript(self.hash, self.curve, absorbed, self.proof)
            return after, int.from_bytes(digest, "little") % r
        from Crypto.Hash import keccak

        digest = keccak.new(digest_bits=256, data=self.absorbed).digest()
        after = Transcript(self.hash, self.curve, b"", self.proof)
        return after, int.from_bytes(digest, "big") % r

    def _with(self, absorbed: bytes, written: bytes, write: bool) -> Transcript:
        proof = self.proof + written if write else self.proof
        return Transcript(self.hash, self.curve, self.absorbed + absorbed, proof)
