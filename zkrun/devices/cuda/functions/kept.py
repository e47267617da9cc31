"""Memory that stays from call to call: for the multiples of bases, which take long to make."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cupy.cuda import runtime

from zkrun.errors import ResourceLimit

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.streams.queue import Queue, ScratchMemory

__all__ = ["NO_POINT", "kept_memory"]

NO_POINT = 0xFF
"""What every byte is at first: no point, for the coordinates are above the modulus."""

_MOST_KEPT = 16  # for one GPU: programs that move their bases about gain nothing by more
_KEY = "kept"


@dataclass(slots=True, eq=False)
class _Kept:
    address: int
    user: weakref.ref[ScratchMemory]


_lock = threading.Lock()


def kept_memory(device: CudaDevice, queue: Queue, of_what: tuple[object, ...], nbytes: int) -> int:
    """The address of memory for this, which a stream, with its graphs, has to itself; or 0.

    There is none where much is kept already, or where no memory is left.
    """
    found = queue.memory.kept.get(of_what)
    if found is not None:
        return found
    with _lock:
        all_kept = device.plans.setdefault(_KEY, {})
        assert isinstance(all_kept, dict)
        known: list[_Kept] = all_kept.setdefault(of_what, [])
        for kept in known:
            if kept.user() is None:  # its stream was closed, and what it did has passed
                kept.user = weakref.ref(queue.memory)
                queue.memory.kept[of_what] = kept.address
                return kept.address
        if sum(map(len, all_kept.values())) >= _MOST_KEPT:
            return 0
        try:
            address = device.pool.allocate(nbytes)
        except ResourceLimit:
            queue.memory.kept[of_what] = 0  # to ask again would wait for the whole GPU each time
            return 0
        # Not on the queue, which may only be recording what is to be done again and again.
        runtime.memsetAsync(address, NO_POINT, nbytes, device.pool.stream)
        runtime.streamSynchronize(device.pool.stream)
        known.append(_Kept(address, weakref.ref(queue.memory)))
        queue.memory.kept[of_what] = address
        return address
