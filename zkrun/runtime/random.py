"""Random field elements for Blind: ChaCha20 (RFC 8439), one key a run, one nonce an instruction.

The nonce counts the Blinds of the document, so what each of them draws depends on the key and on
its place among them alone: never on timing, and not on what else the program does. A compiler that
plans the same proof for less memory keeps their order, and so the proof.
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


def keystream(run_key: bytes, blind: int, element: int, n: int) -> bytearray:
    """The bytes of `n` elements from number `element` on, of Blind number `blind`.

    A buffer of their own, so that who has used them can wipe them.
    """
    from Crypto.Cipher import ChaCha20

    cipher = ChaCha20.new(key=run_key, nonce=blind.to_bytes(12, "little"))
    cipher.seek(element * BYTES_PER_ELEMENT)
    stream = bytearray(n * BYTES_PER_ELEMENT)
    cipher.encrypt(stream, output=stream)
    return stream
