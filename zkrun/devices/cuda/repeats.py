"""Calls of several kernels, which are prepared once and queued again and again as one graph.

To launch a kernel takes the host some 4 µs, and a graph of any number of them less than 2. To make
a graph takes 20 to 70: so it is made the second time.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cupy.cuda import driver, runtime

from zkrun.devices.cuda.graphs import instantiate

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice
    from zkrun.devices.cuda.queue import Queue

__all__ = ["Clear", "Launch", "Repeats", "Step"]

_MOST_PREPARED = 64  # calls of which one function keeps what it queues


Step: TypeAlias = Callable[[int], None]
"""Queues something, with all that it depends on, on a stream given by its handle."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel with all its arguments."""

    numbers: tuple[int, ...]  # function, grid, threads of a block, bytes of shared memory
    pointers: ctypes.Array[ctypes.c_void_p]
    arguments: ctypes.Array[ctypes.c_char]

    def __call__(self, stream: int) -> None:
        driver.launchKernel(*self.numbers, stream, ctypes.addressof(self.pointers), 0)


@dataclass(frozen=True, slots=True)
class Clear:
    """Zeros for a stretch of memory."""

    address: int
    size: int

    def __call__(self, stream: int) -> None:
        runtime.memsetAsync(self.address, 0, self.size, stream)


class Repeats:
    """What the calls of one function queue, by what it depends on: addresses, that is."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._prepared: dict[Hashable, _Prepared] = {}

    def queue(self, queue: Queue, key: Hashable, prepare: Callable[[], Sequence[Step]]) -> None:
        """Queues what `prepare` gives for this key, the first time and from then on."""
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) == _MOST_PREPARED:
                self._prepared.clear()
            prepared = self._prepared[key] = _Prepared(prepare())
        prepared.queue(queue, self._device)


class _Prepared:
    """Steps, and their graph once there is one."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._graph = 0
        self._came_before = False
        self._lock = threading.Lock()

    def queue(self, queue: Queue, device: CudaDevice) -> None:
        may_be_graph = len(self._steps) > 1 and not queue.captures
        if may_be_graph and self._came_before and not self._graph:
            self._make_graph(device)
        self._came_before = True
        if may_be_graph and self._graph:
            runtime.graphLaunch(self._graph, queue.handle)
            return
        for step in self._steps:
            step(queue.handle)

    def _make_graph(self, device: CudaDevice) -> None:
        def launch() -> None:
            for step in self._steps:
                step(stream)

        # Without memory for a graph the kernels are launched one by one.
        with (
            self._lock,
            device.capturing() as stream,
            contextlib.suppress(runtime.CUDARuntimeError),
        ):
            if self._graph:  # another thread was faster
                return
            self._graph = instantiate(stream, launch)
            # The driver keeps what is running until it has passed.
            weakref.finalize(self, runtime.graphExecDestroy, self._graph).atexit = False
