"""Short copies to memory of the host whose pages are not locked, which nobody has to wait for.

The GPU copies to pinned memory; when that has passed, whoever lands it brings it to its place,
before any event that follows it completes. A GPU does not know of that last part: as long as it is
to come, copies from and to that place are not given to one (`awaited`), but wait for what is before
them in their stream.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence

from cupy.cuda import runtime

from zkrun.devices.cuda.memory import SLOT, PinnedSlots

__all__ = ["Delivery", "awaited", "deliver", "give_up"]

_TO_HOST = 2

_open: set[Delivery] = set()
"""Of all GPUs: those that are to come."""


class Delivery:
    """Pieces, each (target, place in a slot, bytes), that go on to their targets."""

    __slots__ = ("_pieces", "_slot", "_slots", "stream")

    def __init__(
        self, slots: PinnedSlots, slot: int, pieces: list[tuple[int, int, int]], stream: int
    ) -> None:
        self._slots, self._slot, self._pieces, self.stream = slots, slot, pieces, stream
        _open.add(self)

    def __call__(self) -> None:
        for target, place, nbytes in self._pieces:
            ctypes.memmove(target, place, nbytes)
        self.release()

    def release(self) -> None:
        """It is done, or will never be."""
        _open.remove(self)
        self._slots.give(self._slot)

    def overlaps(self, address: int, nbytes: int) -> bool:
        """Whether some of it goes to these bytes."""
        end = address + nbytes
        return any(target < end and address < target + size for target, _, size in self._pieces)


def deliver(
    slots: PinnedSlots, stream: int, runs: Sequence[tuple[int, int, int]]
) -> Delivery | None:
    """Queues copies (target, source, bytes) that are short together; None where they are not."""
    if sum(nbytes for _, _, nbytes in runs) > SLOT:
        return None
    slot = place = slots.take()
    pieces = []
    for target, source, nbytes in runs:
        runtime.memcpyAsync(place, source, nbytes, _TO_HOST, stream)
        pieces.append((target, place, nbytes))
        place += nbytes
    return Delivery(slots, slot, pieces, stream)


def awaited(runs: Iterable[tuple[int, int]]) -> bool:
    """Whether something is still to come to any of these (address, bytes)."""
    deliveries = _open.copy()  # of one piece, for other threads change it
    return any(one.overlaps(*run) for run in runs for one in deliveries)


def give_up(stream: int) -> None:
    """Nothing will land on a stream any more, whose work has passed."""
    for delivery in _open.copy():
        if delivery.stream == stream:
            delivery.release()
