"""Kernels in a row, queued as one graph whose nodes are set anew from call to call.

To launch a kernel takes the host 3 to 4 µs, to launch a graph 1.2 (of fifteen kernels 2), and to
put another kernel, or other arguments, in one of its nodes 0.4. So each stream has a graph for
every length of rows that it was asked for, and only what is not there from the last time is put in
its nodes. What has been launched of a graph is not touched by that (CUDA driver API,
cuGraphExecKernelNodeSetParams), and a graph runs on one stream, where it is in turn anyway.

To make a graph takes as long as to launch some twenty kernels. One of each length is made before
the run, and what streams have had, others take over; where there is none, it is made when it pays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cupy.cuda import runtime

from zkrun.devices.cuda import _rows
from zkrun.devices.cuda.errors import OUT_OF_MEMORY, give_back

if TYPE_CHECKING:
    from zkrun.devices.base import Data
    from zkrun.devices.cuda.streams.queue import Queue

__all__ = [
    "COUNTER",
    "VIEW_BYTES",
    "Argument",
    "Given",
    "Part",
    "Rows",
    "Source",
    "Step",
    "Steps",
    "Values",
    "constant",
    "immutable_operand",
    "mutable_operand",
    "queue_once",
    "scratch_memory",
    "size",
]

VIEW_BYTES = 32
"""Of the struct DeviceView."""

_FEW = 16  # kernels that a stream launches one by one before it makes a graph for such rows
_MOST_BYTES = 4096  # of arguments of a kernel in a row


class Given(NamedTuple):
    """What a call brings, by its number: a view, or where `plus` is given, an address and so much.

    An address that is 0 stays 0.
    """

    number: int
    plus: int | None = None


Part: TypeAlias = "bytes | int | Given"
"""Bytes as they are, a number in eight of them, or what calls give."""

Argument: TypeAlias = "Part | list[Part]"
"""Of a kernel: a part, or a struct of several."""

Values: TypeAlias = "tuple[Data | bytes | int, ...]"
"""What a call gives to kernels: values in memory, of which they take the view, or the address of
the first element; views as they are, and addresses."""


class Source(NamedTuple):
    """Where a call takes a value from; the kinds are those of launch.hpp."""

    kind: int
    which: int


def mutable_operand(number: int) -> Source:
    """The mutable operand of this number."""
    return Source(0, number)


def immutable_operand(number: int) -> Source:
    """The immutable operand of this number."""
    return Source(1, number)


def scratch_memory(nbytes: int) -> Source:
    """The address of so much scratch memory of the queue."""
    return Source(2, nbytes)


COUNTER = Source(3, 0)
"""The address of the queue's counter."""


def constant(address: int) -> Source:
    """An address that all calls give."""
    return Source(4, address)


def size(part: Part) -> int:
    """The bytes of a part."""
    if isinstance(part, Given):
        return VIEW_BYTES if part.plus is None else 8
    return len(part) if isinstance(part, bytes) else 8


class Step(NamedTuple):
    """A kernel, by the handle of its function, with its arguments, some of which calls give.

    `keeps` is what the function is there as long as.
    """

    function: int
    grid: tuple[int, int]
    threads: int
    arguments: Sequence[Argument]
    shared: int = 0
    keeps: object = None

    def put(self, kernels: _rows.Kernels) -> int:
        """Adds it to others; how many bytes its arguments have."""
        image, starts, given = bytearray(), [], []
        for argument in self.arguments:
            starts.append(len(image))
            for part in argument if isinstance(argument, list) else [argument]:
                if isinstance(part, Given):
                    given.append((part.number, len(image), part.plus))
                    image += bytes(size(part))
                else:
                    image += part if isinstance(part, bytes) else part.to_bytes(8, "little")
        kernels.add(
            *(self.function, *self.grid, self.threads, self.shared, bytes(image), starts),
            self.keeps,
        )
        for number, start, plus in given:
            kernels.give(number, start, plus)
        return len(image)


class Steps:
    """Kernels, each of which may depend on all that are before it; made before the run.

    They are given so many `values`. Those of calls with other lengths, say, are others. A kernel
    of no blocks is left out.
    """

    def __init__(self, steps: Sequence[Step], values: int) -> None:
        some = [step for step in steps if step.grid[0]]
        self.kernels = _rows.Kernels(values)
        sizes = [step.put(self.kernels) for step in some]
        self.length = len(some) if max(sizes, default=0) <= _MOST_BYTES else 0  # of their row
        if self.length:
            _make_ready(self)

    def launch(self, *sources: Source) -> _rows.Launch:
        """What queues them with a source for each value: (queue, mutable, immutable operands)."""
        return _rows.Launch(self, self.kernels, self.length, _check, sources)

    def queue_on(self, queue: Queue, values: Values) -> None:
        """Queues them with these values. What `values` point to must stay until they have run."""
        row = queue.rows.ready.get(self.length) or queue.rows.another(self)
        if row is not None:
            status = row.queue(self.kernels, values, queue.handle)
        else:
            status = self.kernels.launch(_driver(), values, queue.handle)
        _check(status)


def queue_once(steps: Sequence[Step], values: Values, stream: int) -> None:
    """Queues kernels one by one, which nobody will ask for again."""
    kernels = _rows.Kernels(len(values))
    for step in steps:
        step.put(kernels)
    _check(kernels.launch(_driver(), values, stream))


class Rows:
    """The graphs of one stream by their length. Used by one thread at a time.

    One that `takes` those that are ready need not launch anything one by one first, and leaves its
    own to others. One that `makes` none has none: where work is only captured.
    """

    def __init__(self, device: int, takes: bool, makes: bool = True) -> None:
        self._device, self._takes, self._makes = device, takes, makes
        self.ready: dict[int, _rows.Row] = {}
        self._launched: dict[int, int] = {}
        self._without = {0}  # lengths for which there is no memory, and what fits in no row

    def another(self, steps: Steps) -> _rows.Row | None:
        """The graph for such a row, of which there is none yet, if it pays to make one."""
        length = steps.length
        if not self._makes or length in self._without:
            return None
        row = _take_spare(self._device, length) if self._takes else None
        if row is None:
            launched = self._launched[length] = self._launched.get(length, 0) + length
            if launched < _FEW:
                return None
            row = _make(steps)
        if row is None:
            self._without.add(length)
        else:
            self.ready[length] = row
        return row

    def close(self) -> None:
        """Leaves the graphs to others, or gives them back, when what they have queued has passed.

        Who takes none leaves none: there would be more of them with each GPU that is opened.
        """
        for length, row in self.ready.items():
            if self._takes:
                _spare.setdefault((self._device, length), []).append(row)
            else:
                _destroy(row)
        self.ready.clear()


_spare: dict[tuple[int, int], list[_rows.Row]] = {}
"""Graphs that no stream has, by GPU and length: they stay as long as the process does."""


def _take_spare(device: int, length: int) -> _rows.Row | None:
    try:
        return _spare[device, length].pop()
    except LookupError:
        return None


def _make_ready(steps: Steps) -> None:
    """Has a graph for such a row on the current GPU, for the first stream that asks for one."""
    key = runtime.getDevice(), steps.length
    if key not in _spare:
        row = _make(steps)
        ready = _spare.setdefault(key, [])  # others may have left some meanwhile
        if row is not None:
            ready.append(row)


def _make(steps: Steps) -> _rows.Row | None:
    try:
        row = _rows.Row(_driver(), steps.kernels)
        _instantiate(row)
    except runtime.CUDARuntimeError:
        return None  # then kernels are launched one by one
    return row


def _instantiate(row: _rows.Row) -> None:
    """Makes the graph that runs. Raises CUDARuntimeError where there is no memory for it."""
    try:
        _check(row.status)
        row.executable = runtime.graphInstantiate(row.graph)
        runtime.graphUpload(row.executable, 0)
    except runtime.CUDARuntimeError as error:
        if row.executable and error.status != OUT_OF_MEMORY:
            return  # the first launch uploads it
        _destroy(row)
        raise


def _destroy(row: _rows.Row) -> None:
    """Gives a graph back, when nothing of it is running any more."""
    if row.executable:
        give_back(runtime.graphExecDestroy, row.executable)
    if row.graph:  # it stays as long as the other is to be set: what is set is named by its nodes
        give_back(runtime.graphDestroy, row.graph)


@cache
def _driver() -> _rows.Driver:
    """The functions that CuPy has no calls for, or slow ones."""
    library = ctypes.CDLL("libcuda.so.1")
    names = (
        "cuLaunchKernel",
        "cuGraphCreate",
        "cuGraphAddKernelNode_v2",
        "cuGraphExecKernelNodeSetParams_v2",
        "cuGraphLaunch",
        "cuEventRecord",
        "cuCtxGetDevice",
    )
    addresses = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names)
    return _rows.Driver(*(address or 0 for address in addresses))


def _check(status: int) -> None:
    if status:
        raise runtime.CUDARuntimeError(status)
