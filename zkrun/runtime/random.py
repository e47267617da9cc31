"""Random field elements for Blind: ChaCha20 (RFC 8439), one key a run, one nonce an instruction.

The nonce is the position of the instruction in the document, so what a Blind draws depends on the
program and the key alone, never on timing.
"""

from __future__ import annotations

import hashlib
import os

__all__ = ["BYTES_PER_ELEMENT", "key", "keystream"]

BYTES_PER_ELEMENT = 64
"""Bytes reduced modulo r for one element: the bias is below 2^-256."""


def key(seed: int | None) -> bytes:
    """The 32-byte key of a run: from the operating system, or repeatable where a seed is given."""
    if seed is None:
        return os.urandom(32)
    return hashlib.sha256(b"zkrun insecure seed " + str(seed).encode()).digest()


def keystream(run_key: bytes, position: int, element: int, n: int) -> bytearray:
    """The bytes of `n` elements from number `element` on, of the Blind at `position`.

    A buffer of their own, so that who has used them can wipe them.
    """
    from Crypto.Cipher import ChaCha20

    cipher = ChaCha20.new(key=run_key, nonce=position.to_bytes(12, "little"))
    cipher.seek(element * BYTES_PER_ELEMENT)
    stream = bytearray(n * BYTES_PER_ELEMENT)
    cipher.encrypt(stream, output=stream)
    return stream
