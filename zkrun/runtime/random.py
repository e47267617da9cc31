"""Random field elements for Blind: ChaCha20 (RFC 8439), one key a run, one nonce an instruction.

The nonce counts the Blinds of the document, so what each of them draws depends on the key and on
its place among them alone: never on timing, and not on what else the program does. A compiler that
plans the same proof for less memory keeps their order, and so the proof.

An element is a block of the key stream, 64 bytes, as a little-endian integer modulo r: the bias is
below 2^-256. Element n has the block counter n mod 2^32; the nonce is the Blind's number in 8 bytes
and floor(n / 2^32) in 4, so that no array is too long.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any

from zkrun.algebra.curves import Curve
from zkrun.devices.cpu.native_module import native

__all__ = ["draw", "key"]


def key(seed: int | None) -> bytes:
    """The 32-byte key of a run: from the operating system, or repeatable where a seed is given."""
    if seed is None:
        return os.urandom(32)
    return hashlib.sha256(b"zkrun insecure seed " + str(seed).encode()).digest()


def draw(view: Any, curve: Curve, run_key: bytes, blind: int, element: int) -> None:
    """Writes the elements from number `element` on, of Blind number `blind`.

    To a native View, in memory form, on all threads.
    """
    getattr(native(), curve.name).random_scalars(_context(), view, run_key, blind, element)


@cache
def _context() -> Any:
    return native().Context()
