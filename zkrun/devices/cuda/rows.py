"""Kernels in a row, queued as one graph whose nodes are set anew from call to call.

To launch a kernel takes the host 3 to 4 µs, to launch a graph 1.2 (of fifteen kernels 2), and to
put another kernel, or other arguments, in one of its nodes 0.6. So each stream has a graph for
every length of rows that it was asked for, and only what is not there from the last time is put in
its nodes. What has been launched of a graph is not touched by that (CUDA driver API,
cuGraphExecKernelNodeSetParams), and a graph runs on one stream, where it is in turn anyway.

To make a graph takes as long as to launch some twenty kernels. One of each length is made before
the run, and what streams have had, others take over; where there is none, it is made when it pays.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from cupy.cuda import driver, runtime

from zkrun.devices.cuda.errors import OUT_OF_MEMORY, give_back

__all__ = [
    "MOST_BYTES",
    "VIEW_BYTES",
    "Argument",
    "Given",
    "Row",
    "Rows",
    "Step",
    "Steps",
    "Values",
    "make_ready",
    "running",
]

_FEW = 16  # kernels that a stream launches one by one before it makes a graph for such rows
_MOST_ARGUMENTS = 16
MOST_BYTES = 4096  # of arguments of a kernel in a row
VIEW_BYTES = 32
_ADDRESS = struct.Struct("<Q")
_pack_address = _ADDRESS.pack_into
_ADDRESSES = [struct.Struct(f"<{count}Q") for count in range(_MOST_ARGUMENTS + 1)]


class Given(NamedTuple):
    """What a call brings, by its number: a view, or where `plus` is given, an address and so much.

    An address that is 0 stays 0.
    """

    number: int
    plus: int | None = None


Argument: TypeAlias = "bytes | int | Given | list[bytes | int | Given]"
"""Of a kernel: bytes as they are, a number in eight of them, or a struct of such parts."""

Values: TypeAlias = "tuple[bytes | int, ...]"
"""What a call gives to kernels: views, and addresses."""


Place: TypeAlias = "int | slice"
"""Where an address, or a view, is among the bytes of arguments."""


class Step:
    """A kernel with its arguments, some of which are given by each call."""

    def __init__(
        self,
        function: int,
        grid: tuple[int, int],
        threads: int,
        arguments: Sequence[Argument],
        shared: int = 0,
        keeps: object = None,
    ) -> None:
        """`keeps` is what the function, which is a handle, is there as long as."""
        self.function, self.grid, self.threads, self.shared = function, grid, threads, shared
        self._keeps = keeps
        self.starts: list[int] = []  # of the arguments, in bytes
        self.places: list[tuple[int, Place, int | None]] = []  # number, where in the image, plus
        image = bytearray()
        for argument in arguments:
            self.starts.append(len(image))
            for part in argument if isinstance(argument, list) else [argument]:
                if isinstance(part, Given):
                    start, is_view = len(image), part.plus is None
                    place = slice(start, start + VIEW_BYTES) if is_view else start
                    self.places.append((part.number, place, part.plus))
                    image += bytes(VIEW_BYTES if is_view else _ADDRESS.size)
                else:
                    image += part if isinstance(part, bytes) else _ADDRESS.pack(part)
        self.image = bytes(image)

    def launch(self, values: Values, stream: int) -> None:
        """Queues the kernel by itself."""
        buffer = bytearray(self.image)
        for number, place, plus in self.places:
            _write(buffer, place, values[number], plus)
        start = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        pointers = (ctypes.c_void_p * len(self.starts))(*(start + place for place in self.starts))
        driver.launchKernel(
            *(self.function, *self.grid, 1, self.threads, 1, 1, self.shared, stream),
            *(ctypes.addressof(pointers), 0),
        )


def _write(buffer: Any, place: Any, value: Any, plus: int | None) -> None:
    if plus is None:
        buffer[place] = value
    else:
        _pack_address(buffer, place, value and value + plus)


class Steps:
    """Kernels, each of which may depend on all that are before it; made before the run.

    They are given so many `values`. Those of calls with other lengths, say, are others.
    """

    def __init__(self, steps: Sequence[Step], values: int) -> None:
        self.steps = tuple(steps)
        # Of each value: where it is, (number of the kernel, place in its arguments, plus), and a
        # bit for each of these kernels.
        self.places: list[list[tuple[int, Place, int | None]]] = [[] for _ in range(values)]
        self.users = [0] * values
        for index, step in enumerate(steps):
            for number, place, plus in step.places:
                self.places[number].append((index, place, plus))
                self.users[number] |= 1 << index
        make_ready(self.steps, self)

    def queue(self, values: Values, stream: int) -> None:
        """Queues them with these values. What `values` point to must stay until they have run."""
        rows = running.get(stream)
        row = None if rows is None else rows.row(self.steps)
        if row is not None:
            row.queue(self, values, stream)
            return
        for step in self.steps:
            step.launch(values, stream)


# CUDA_KERNEL_NODE_PARAMS_v2 of the driver: the function, three numbers of blocks, three of threads,
# bytes of shared memory; pointers to the arguments, and three that are not used.
_PARAMETERS = struct.Struct("<Q7I4x4Q")
_pack_kernel = struct.Struct("<Q7I").pack_into


class _Node:
    """A node of a graph, and what is to be in it. The first argument is where `bytes` begin."""

    __slots__ = ("_pointers", "_start", "bytes", "handle", "parameters", "pointer")

    def __init__(self, step: Step) -> None:
        buffer = ctypes.create_string_buffer(max(MOST_BYTES, len(step.image)))
        self.bytes = memoryview(buffer).cast("B")
        self._start = ctypes.addressof(buffer)
        pointers = ctypes.create_string_buffer(_ADDRESSES[_MOST_ARGUMENTS].size)
        self._pointers = memoryview(pointers).cast("B")
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        arguments = ctypes.addressof(pointers)
        _PARAMETERS.pack_into(parameters, 0, 0, *[0] * 7, arguments, 0, 0, 0)
        self.parameters = memoryview(parameters).cast("B")
        self.pointer = ctypes.byref(parameters)
        self.handle = ctypes.c_void_p()
        self.become(step)

    def become(self, step: Step) -> None:
        """Puts a kernel here, without the values that it is given."""
        x, y = step.grid
        _pack_kernel(self.parameters, 0, step.function, x, y, 1, step.threads, 1, 1, step.shared)
        places = [self._start + place for place in step.starts]
        _ADDRESSES[len(places)].pack_into(self._pointers, 0, *places)
        self.bytes[: len(step.image)] = step.image


class Row:
    """A graph of so many kernels in a row, for one stream at a time.

    Its nodes hold `steps`, those of `whose`, without their values. Raises CUDARuntimeError where
    there is no memory for it.
    """

    def __init__(self, steps: Sequence[Step], whose: Steps | None = None) -> None:
        self._nodes = [_Node(step) for step in steps]
        self._steps = whose  # what the nodes hold, with these values
        self._values: tuple[bytes | int | None, ...] = (None,) * (len(whose.users) if whose else 0)
        library = _library()
        # Stays as long as the graph that runs is to be set: what is set is named by its nodes.
        template, before = ctypes.c_void_p(), None
        _check(library.cuGraphCreate(ctypes.byref(template), 0))
        try:
            for node in self._nodes:
                _check(
                    library.cuGraphAddKernelNode_v2(
                        *(ctypes.byref(node.handle), template),
                        *(before and ctypes.byref(before), ctypes.c_size_t(before is not None)),
                        node.pointer,
                    )
                )
                before = node.handle
            self._graph: int = runtime.graphInstantiate(template.value)
        except runtime.CUDARuntimeError:
            runtime.graphDestroy(template.value)
            raise
        self._template = template.value
        try:
            runtime.graphUpload(self._graph, 0)
        except runtime.CUDARuntimeError as error:
            if error.status == OUT_OF_MEMORY:  # else the first launch has to do it
                self.close()
                raise
        graph, put = ctypes.c_void_p(self._graph), library.cuGraphExecKernelNodeSetParams_v2
        self._setters = [partial(put, graph, node.handle, node.pointer) for node in self._nodes]
        self._buffers = [node.bytes for node in self._nodes]
        self._kernel = self._nodes[0].parameters
        self._puts: dict[int, tuple[Callable[[], int], ...]] = {}

    def queue(self, steps: Steps, values: Values, stream: int) -> None:
        """Queues as many kernels as there are nodes."""
        before = self._values
        touched = 0  # a bit for each node
        same, self._steps = self._steps is steps, None  # until all of it is there
        if not same:
            for node, step in zip(self._nodes, steps.steps, strict=True):
                node.become(step)
            before, touched = (None,) * len(values), (1 << len(self._nodes)) - 1
        for old, value, places, users in zip(
            before, values, steps.places, steps.users, strict=True
        ):
            if value != old:
                touched |= users
                for index, place, plus in places:
                    _write(self._buffers[index], place, value, plus)
        if touched:
            for put in self._puts.get(touched) or self._puts_of(touched):
                if status := put():
                    _check(status)
        self._steps, self._values = steps, values
        runtime.graphLaunch(self._graph, stream)

    def _puts_of(self, nodes: int) -> tuple[Callable[[], int], ...]:
        """What sets each of some nodes, which are bits."""
        found = tuple(put for index, put in enumerate(self._setters) if nodes >> index & 1)
        self._puts[nodes] = found
        return found

    def queue_one(
        self, function: int, blocks: int, threads: int, payload: bytes, shared: int, stream: int
    ) -> None:
        """Queues the kernel that is given one struct, where there is one node."""
        self._steps = None
        _pack_kernel(self._kernel, 0, function, blocks, 1, 1, threads, 1, 1, shared)
        self._buffers[0][: len(payload)] = payload
        if status := self._setters[0]():
            _check(status)
        runtime.graphLaunch(self._graph, stream)

    def close(self) -> None:
        """Gives the graph back, when nothing of it is running any more."""
        give_back(runtime.graphExecDestroy, self._graph)
        give_back(runtime.graphDestroy, self._template)


class Rows:
    """The graphs of one stream by their length. Used by one thread at a time.

    One that `takes` those that are ready need not launch anything one by one first, and leaves its
    own to others.
    """

    def __init__(self, device: int, takes: bool) -> None:
        self._device, self._takes = device, takes
        self._rows: dict[int, Row | None] = {}  # None: there is no memory for one
        self._launched: dict[int, int] = {}
        self.single: Row | None = None

    def row(self, steps: Sequence[Step]) -> Row | None:
        """The graph for such a row, if there is one already or it pays to make one."""
        length = len(steps)
        if length in self._rows:
            return self._rows[length]
        row = _take_spare(self._device, length) if self._takes else None
        if row is None:
            launched = self._launched[length] = self._launched.get(length, 0) + length
            if launched < _FEW:
                return None
            row = _make(steps)
        self._rows[length] = row
        if length == 1:
            self.single = row
        return row

    def close(self) -> None:
        """Leaves the graphs to others, or gives them back, when what they have queued has passed.

        Who takes none leaves none: there would be more of them with each GPU that is opened.
        """
        for length, row in self._rows.items():
            if row is None:
                continue
            if self._takes:
                _spare.setdefault((self._device, length), []).append(row)
            else:
                row.close()
        self._rows.clear()
        self.single = None


running: dict[int, Rows] = {}
"""Those of streams by their handle. One on which work is only captured has none."""

_spare: dict[tuple[int, int], list[Row]] = {}
"""Graphs that no stream has, by GPU and length: they stay as long as the process does."""


def _take_spare(device: int, length: int) -> Row | None:
    try:
        return _spare[device, length].pop()
    except LookupError:
        return None


def _make(steps: Sequence[Step], whose: Steps | None = None) -> Row | None:
    try:
        return Row(steps, whose)
    except (runtime.CUDARuntimeError, OSError):
        return None  # then kernels are launched one by one


def make_ready(steps: Sequence[Step], whose: Steps | None = None) -> None:
    """Has a graph for such a row on the current GPU, for the first stream that asks for one."""
    key = runtime.getDevice(), len(steps)
    if steps and key not in _spare:
        row = _make(steps, whose)
        ready = _spare.setdefault(key, [])  # others may have left some meanwhile
        if row is not None:
            ready.append(row)


def _library() -> ctypes.PyDLL:
    """The driver, for CuPy has no calls for nodes. They are short: other threads need not run."""
    return ctypes.PyDLL("libcuda.so.1")


def _check(status: int) -> None:
    if status:
        raise runtime.CUDARuntimeError(status)
