"""CUDA graphs: what instructions queued is recorded once, and queued again with one call.

A graph is captured on a stream of its own, on which nothing ever runs, and launched on the one that
asks for it. It holds addresses: those of its operands are in the key that it is found by; words for
failures belong to the lane and stay as long as the device does; scratch memory is the stream's, and
when that has grown the graph is made anew.

Graphs hold no events: more than a few dozen such nodes make launches wait for the GPU. So when the
instructions of a graph ran is not known one by one, but how long each took by itself is, from the
first time, when they were queued so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cupy.cuda import runtime

from zkrun.devices.base import Work
from zkrun.devices.cuda.errors import give_back
from zkrun.devices.cuda.streams.queue import AtLanding, Queue, ScratchMemory, current

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["Graph", "Lane", "Mark"]

_MOST_CAPTURES = 3  # of the same instructions, on other memory each time: then it does not pay
_MOST_GRAPHS = 1024  # of a lane, each of which takes memory and a millisecond to make

Works = Sequence[tuple[int, Work]]


class Mark(NamedTuple):
    """One instruction of a graph."""

    at: int
    checks: Sequence[AtLanding]


@dataclass(slots=True, eq=False)
class Graph:
    """The handle of an executable graph, its instructions in order, the scratch memory it uses."""

    handle: int
    marks: list[Mark]
    scratch: int

    def close(self) -> None:
        """Gives it back, when nothing of it is running any more."""
        give_back(runtime.graphExecDestroy, self.handle)
        _let_go(self.marks)


@dataclass(slots=True, eq=False)
class _Known:
    """The graph of some instructions, if they can be captured, and what they depended on."""

    key: object = None
    graph: Graph | None = None
    captures: int = 0

    def drop(self) -> None:
        graph, self.graph = self.graph, None
        if graph is not None:
            graph.close()


class Lane:
    """What a device's n-th stream has over all runs of the program: graphs, and scratch memory.

    One stream at a time has it.
    """

    def __init__(self, device: CudaDevice, number: int) -> None:
        self.number = number
        self.memory = ScratchMemory(device)
        self._device = device
        self._queue: Queue | None = None  # on which graphs are captured
        self._known: dict[int, _Known] = {}  # by the first instruction
        self.times: dict[int, int] = {}  # ns that instructions took by themselves

    def graph(self, works: Works, key: object) -> Graph | None:
        """What to launch for these instructions, or None where they are to be queued one by one.

        Called once a run for each, when the run before is over. The first time, and where they work
        on other memory than before, the answer is None, and the graph is made for the next.
        """
        first = works[0][0]
        known = self._known.get(first)
        if known is None:
            if len(self._known) == _MOST_GRAPHS:
                return None
            known = self._known[first] = _Known()
        grown = known.graph is not None and known.graph.scratch != self.memory.address
        if known.key == key and not grown:
            return known.graph
        if known.captures < _MOST_CAPTURES:
            known.drop()
            self._queue = self._queue or Queue(self._device, self.memory, captures=True)
            known.key, known.graph = key, _capture(self._queue, works)
            known.captures = known.captures + 1 if known.graph else _MOST_CAPTURES
        return None

    def close(self) -> None:
        for known in self._known.values():
            known.drop()
        self._known.clear()
        if self._queue is not None:
            self._queue.close_queue()
        give_back(self.memory.close)


def _capture(queue: Queue, works: Works) -> Graph | None:
    """The graph of what the works launch; None where one of them needs more than launching."""
    while True:
        scratch = queue.memory.address
        graph = _capture_once(queue, works)
        if graph is None or graph.scratch == scratch:
            return graph
        graph.close()  # its first kernels use memory that the others have outgrown


def _capture_once(queue: Queue, works: Works) -> Graph | None:
    marks: list[Mark] = []

    def launch() -> None:
        for at, work in works:
            work()
            marks.append(Mark(at, queue.checks))
            queue.checks = []

    here = current.here
    before, here.queue = here.queue, queue
    try:
        return Graph(_instantiate(queue.handle, launch), marks, queue.memory.address)
    except Exception:
        # Whatever it is, it happens again where the work is queued by itself, and is told there;
        # or there is no memory for one more graph.
        _let_go([*marks, Mark(0, queue.checks)])
        queue.checks = []
        return None
    finally:
        here.queue = before


def _instantiate(stream: int, launch: Callable[[], None]) -> int:
    """The handle of an executable graph of what `launch` queues on a stream, where it never runs.

    Raises what `launch` raises, and CUDARuntimeError where it cannot be captured or no memory is
    left.
    """
    runtime.streamBeginCapture(stream, runtime.streamCaptureModeRelaxed)
    try:
        launch()
    except BaseException:
        with contextlib.suppress(runtime.CUDARuntimeError):
            template = runtime.streamEndCapture(stream)
            if template:
                runtime.graphDestroy(template)
        raise
    template = runtime.streamEndCapture(stream)
    try:
        handle: int = runtime.graphInstantiate(template)
        return handle
    finally:
        runtime.graphDestroy(template)


def _let_go(marks: Sequence[Mark]) -> None:
    for mark in marks:
        for check in mark.checks:
            check.release()
