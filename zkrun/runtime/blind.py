"""Blind: uniform random field elements, written to memory of any device in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Cancelled, Data
from zkrun.devices.cpu.native_module import native
from zkrun.devices.host import address_of
from zkrun.runtime.images import wipe
from zkrun.runtime.random import draw
from zkrun.runtime.views import part

__all__ = ["overwrite"]

_PIECE = 1 << 18  # elements drawn at a time: 8 MiB, some milliseconds of one thread


def overwrite(
    data: Data, start: int, end: int, curve: Curve, key: bytes, number: int, stop: list[bool]
) -> None:
    """Overwrites elements start to end of a view; `number` is the Blind's, the nonce."""
    view, device = native().View, data.block.device
    if device.host_memory:
        for first, last in _pieces(start, end, stop):
            to = part(data, first, last, curve)
            place = view(to.address, to.whole, to.offset, to.length)
            draw(place, curve, key, number, first - start)
        return
    image = bytearray(min(_PIECE, end - start) * curve.scalar.bytes)
    try:
        for first, last in _pieces(start, end, stop):
            n = last - first
            draw(view(address_of(image), n, 0, n), curve, key, number, first - start)
            written = memoryview(image)[: n * curve.scalar.bytes]
            device.write(part(data, first, last, curve), written)
    finally:
        wipe(image)


def _pieces(start: int, end: int, stop: list[bool]) -> Iterator[tuple[int, int]]:
    for first in range(start, end, _PIECE):
        if stop:
            raise Cancelled("the run was cancelled")
        yield first, min(first + _PIECE, end)
