"""The arena of a device at run time: one range of its memory, divided by a program's offsets."""

from __future__ import annotations

import threading
from typing import Any

from zkrun.devices.base import Block, Device
from zkrun.errors import RunFailed
from zkrun.memory import Arena, ArenaConflict

__all__ = ["ReservedArena"]


class ReservedArena:
    """`nbytes` from `address`; `owner` is that of its blocks. Thread-safe."""

    def __init__(self, device: str, nbytes: int, address: int, owner: Any) -> None:
        self._owner = owner
        self._device = device
        self._address = address
        self._ranges = Arena(nbytes)
        self._lock = threading.Lock()

    @staticmethod
    def block(arena: ReservedArena | None, device: Device, offset: int, nbytes: int) -> Block:
        """The block at an offset. RunFailed without an arena, outside of it, or on a live one."""
        if arena is None:
            raise RunFailed(
                f"{device.name}: an allocation at offset {offset} needs an entry in `memory`"
            )
        try:
            with arena._lock:
                arena._ranges.allocate(offset, nbytes)
                block = Block(device, arena._address + offset, nbytes, arena._owner, True)
        except ArenaConflict as conflict:
            raise RunFailed(f"{device.name}: {conflict}") from None
        return block

    def free(self, block: Block) -> None:
        """Ends the life of a block of this arena."""
        with self._lock:
            self._ranges.free(block.address - self._address, block.nbytes)
