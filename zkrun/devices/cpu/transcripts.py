"""Fiat-Shamir transcripts, byte for byte as the verifiers out there follow them.

`blake2b` is the Blake2bWrite of halo2 with Challenge255; `keccak256` is the transcript of snarkjs's
PLONK. What they absorb is fixed by the program format; where that is silent:

- Infinity is absorbed as zeros by both (halo2curves lets its coordinates pass as (0, 0)).
- Points in a blake2b proof are compressed as halo2curves 0.7 and later do it. BN254: x
  little-endian, in its last byte bit 7 where y is odd (on G2: where c0 of y is) and bit 6 for
  infinity. BLS12-381: the big-endian encoding of its specification (bit 7 of the first byte always,
  bit 6 for infinity, bit 5 where y is the larger of y and -y). On G2, c0 before c1 on BN254 and c1
  before c0 on BLS12-381.
- A coordinate on G2 is absorbed c0 before c1 by blake2b (as halo2curves lays it out) and c1 before
  c0 by keccak256 (as ffjavascript and EIP-197 have it).
- An array is absorbed as its elements one by one, each with its prefix byte; an empty one changes
  nothing.

Sources: halo2_proofs `transcript.rs`; halo2curves `serde.rs`, `derive/curve.rs`; appendix C of
draft-irtf-cfrg-pairing-friendly-curves; snarkjs `Keccak256Transcript.js`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any

from zkrun.algebra.curves import Curve, Field
from zkrun.devices import host
from zkrun.devices.base import Data
from zkrun.devices.cpu.native_module import native
from zkrun.program.types import Point, PointArray

__all__ = ["Blake2bTranscript", "Keccak256Transcript", "Transcript", "new_transcript"]

_PIECE = 1 << 14  # elements converted at a time


class Transcript(ABC):
    """The state of a transcript: what it has absorbed, and the proof written so far."""

    hash: str

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self._proof = bytearray()

    @property
    def proof(self) -> bytes:
        """What was written so far."""
        return bytes(self._proof)

    def absorb(self, value: Data, write: bool, context: Any) -> None:
        """Absorbs a scalar, a point or the elements of an array; with `write`, into the proof as
        well.

        `context` is the native Context of the device.
        """
        is_point = isinstance(value.typ, Point | PointArray)
        for start in range(0, value.length, _PIECE):
            piece = host.part(value, start, min(_PIECE, value.length - start))
            canonical = _canonical(piece, self.curve, is_point, context)
            if is_point:
                self._absorb_points(canonical, value.item, write)
            else:
                self._absorb_scalars(canonical, write)

    @abstractmethod
    def squeeze(self) -> int:
        """The next challenge, below the order of the scalar field."""

    @abstractmethod
    def assign(self, other: Transcript) -> None:
        """Becomes a copy of another transcript of the same hash and curve."""

    @abstractmethod
    def _absorb_scalars(self, canonical: bytes, write: bool) -> None: ...

    @abstractmethod
    def _absorb_points(self, canonical: bytes, item: int, write: bool) -> None: ...


class Blake2bTranscript(Transcript):
    """halo2's Blake2bWrite: one running hash, a prefix byte before everything."""

    hash = "blake2b"

    def __init__(self, curve: Curve) -> None:
        super().__init__(curve)
        self._state = hashlib.blake2b(digest_size=64, person=b"Halo2-Transcript")

    def squeeze(self) -> int:
        self._state.update(b"\0")
        return int.from_bytes(self._state.digest(), "little") % self.curve.r

    def assign(self, other: Transcript) -> None:
        assert isinstance(other, Blake2bTranscript)
        self._state = other._state.copy()
        self._proof = bytearray(other._proof)

    def _absorb_scalars(self, canonical: bytes, write: bool) -> None:
        self._state.update(_prefixed(canonical, self.curve.scalar.bytes, 2))
        if write:
            self._proof += canonical

    def _absorb_points(self, canonical: bytes, item: int, write: bool) -> None:
        self._state.update(_prefixed(canonical, item, 1))
        if write:
            for start in range(0, len(canonical), item):
                self._proof += compress(canonical[start : start + item], self.curve)


class Keccak256Transcript(Transcript):
    """snarkjs's Keccak256Transcript: a buffer that a challenge hashes and empties."""

    hash = "keccak256"

    def __init__(self, curve: Curve) -> None:
        super().__init__(curve)
        self._buffer = bytearray()

    def squeeze(self) -> int:
        from Crypto.Hash import (
            keccak,
        )  # here, so that programs without it do not pay for the import

        digest = keccak.new(digest_bits=256, data=bytes(self._buffer)).digest()
        self._buffer.clear()
        return int.from_bytes(digest, "big") % self.curve.r

    def assign(self, other: Transcript) -> None:
        assert isinstance(other, Keccak256Transcript)
        self._buffer = bytearray(other._buffer)
        self._proof = bytearray(other._proof)

    def _absorb_scalars(self, canonical: bytes, write: bool) -> None:
        self._append(_reversed_each(canonical, self.curve.scalar.bytes), write)

    def _absorb_points(self, canonical: bytes, item: int, write: bool) -> None:
        self._append(_reversed_each(canonical, item // 2), write)  # on G2, c1 before c0

    def _append(self, encoded: bytes, write: bool) -> None:
        self._buffer += encoded
        if write:
            self._proof += encoded


def new_transcript(hash: str, curve: Curve) -> Transcript:
    """An empty transcript: `hash` is "blake2b" or "keccak256"."""
    kinds: dict[str, type[Transcript]] = {
        kind.hash: kind for kind in (Blake2bTranscript, Keccak256Transcript)
    }
    return kinds[hash](curve)


def compress(canonical: bytes, curve: Curve) -> bytes:
    """The compressed form of a point, given as canonical little-endian coordinates."""
    half, size = len(canonical) // 2, curve.base.bytes
    x, y = canonical[:half], canonical[half:]
    if curve.name == "bn254":
        flag = 0x80 if y[0] & 1 else 0
        return x[:-1] + bytes([x[-1] | (flag if any(canonical) else 0x40)])
    encoded = x[::-1]  # all of it reversed: big-endian, and c1 before c0
    flag = 0x20 if _is_larger(y, size, curve.base) else 0
    return bytes([encoded[0] | 0x80 | (flag if any(canonical) else 0x40)]) + encoded[1:]


def _is_larger(y: bytes, size: int, field: Field) -> bool:
    """Whether y is larger than -y; on G2 the last coordinate that is not zero decides."""
    for start in range(len(y) - size, -1, -size):
        value = int.from_bytes(y[start : start + size], "little")
        if value:
            return value > field.modulus // 2
    return False


def _canonical(value: Data, curve: Curve, is_point: bool, context: Any) -> bytes:
    """The elements of a view, canonical and little-endian, in order."""
    module = native()
    arithmetic = getattr(module, curve.name)
    if is_point:
        arithmetic = arithmetic.g1 if value.item == 2 * curve.base.bytes else arithmetic.g2
    raw = host.read(value)
    view = module.View(host.address_of(raw), value.length, 0, value.length)
    arithmetic.from_montgomery(context, view)
    return bytes(raw)


def _prefixed(canonical: bytes, item: int, prefix: int) -> bytes:
    """Each element with a byte before it."""
    count, step = len(canonical) // item, item + 1
    if count == 1:
        return bytes([prefix]) + canonical
    out = bytearray([prefix]) * (count * step)
    for i in range(item):
        out[i + 1 :: step] = canonical[i::item]
    return bytes(out)


def _reversed_each(canonical: bytes, item: int) -> bytes:
    """Each element with its bytes reversed: little-endian to big-endian."""
    if len(canonical) == item:
        return canonical[::-1]
    out = bytearray(len(canonical))
    for i in range(item):
        out[i::item] = canonical[item - 1 - i :: item]
    return bytes(out)
