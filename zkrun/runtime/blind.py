"""Blind: uniform random field elements, written to memory of any device in pieces."""

from __future__ import annotations

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Cancelled, Data
from zkrun.runtime.images import wide_reduce, wipe
from zkrun.runtime.random import keystream
from zkrun.runtime.views import part

__all__ = ["overwrite"]

_PIECE = 1 << 14  # elements drawn at a time: 1 MiB of key stream


def overwrite(
    data: Data, start: int, end: int, curve: Curve, key: bytes, number: int, stop: list[bool]
) -> None:
    """Overwrites elements start to end of a view; `number` is the Blind's, the nonce."""
    for first in range(start, end, _PIECE):
        if stop:
            raise Cancelled("the run was cancelled")
        last = min(first + _PIECE, end)
        stream = keystream(key, number, first - start, last - first)
        image = wide_reduce(stream, curve)
        wipe(stream)
        try:
            data.block.device.write(part(data, first, last, curve), image)
        finally:
            wipe(image)
