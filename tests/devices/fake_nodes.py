"""What the CUDA driver has for nodes of graphs, and CuPy does not, in front of a model of it."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

OUT_OF_MEMORY, UNKNOWN = 2, 999


class Kernel(NamedTuple):
    """What a node is to launch; `pointers` is the address of the pointers to its arguments."""

    function: int
    blocks: int
    threads: int
    shared: int
    pointers: int

    def arguments(self, sizes: tuple[int, ...]) -> tuple[bytes, ...]:
        """Copies of the arguments, of so many bytes each."""
        places = (ctypes.c_void_p * len(sizes)).from_address(self.pointers)
        return tuple(
            ctypes.string_at(at or 0, size) for at, size in zip(places, sizes, strict=True)
        )


class Model(Protocol):
    """Each gives 0, or the number of an error, unless it says otherwise."""

    def create(self) -> int | None:
        """The number of a new graph; None where there is no memory."""

    def add(self, graph: int, before: int | None, kernel: Kernel) -> int:
        """The number of a new node, which waits for the one before it."""

    def change(self, graph: int, node: int, kernel: Kernel) -> int:
        """Puts another kernel in a node."""

    def launch_kernel(self, kernel: Kernel, stream: int) -> int: ...

    def launch_graph(self, graph: int, stream: int) -> int: ...

    def record_event(self, event: int, stream: int) -> int: ...

    def current_device(self) -> int:
        """The number of the GPU that is the calling thread's."""


_ADDRESS, _NUMBER = ctypes.c_size_t, ctypes.c_uint32
_Call = Callable[..., int]


class _Functions:
    """The driver's functions as C calls them."""

    def __init__(self, model: Model, problems: list[BaseException]) -> None:
        self._model, self._problems = model, problems
        self._kept: list[object] = []

    def driver(self, rows: Any) -> Any:
        two, three = [_ADDRESS] * 2, [_ADDRESS] * 3
        return rows.Driver(
            self._address(self._launch_kernel, _ADDRESS, *[_NUMBER] * 7, *three),
            self._address(self._create_graph, _ADDRESS, _NUMBER),
            self._address(self._add_node, *three, *two),
            self._address(self._set_node, *three),
            self._address(self._launch_graph, *two),
            self._address(self._record_event, *two),
            self._address(self._current_device, _ADDRESS),
        )

    def _address(self, call: _Call, *types: Any) -> int:
        def safely(*arguments: int) -> int:
            try:
                return call(*arguments)
            except BaseException as error:  # cannot go through C
                if not hasattr(error, "status"):
                    self._problems.append(error)
                return getattr(error, "status", UNKNOWN)

        function = ctypes.CFUNCTYPE(ctypes.c_int, *types)(safely)
        self._kept.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    def _launch_kernel(self, function: int, *numbers: int) -> int:
        x, y, z, threads, more, most, shared, stream, pointers, extra = numbers
        assert (z, more, most, extra) == (1, 1, 1, 0)
        return self._model.launch_kernel(Kernel(function, x * y, threads, shared, pointers), stream)

    def _create_graph(self, graph: int, flags: int) -> int:
        assert flags == 0
        number = self._model.create()
        if number is None:
            return OUT_OF_MEMORY
        _write(graph, number)
        return 0

    def _add_node(self, node: int, graph: int, before: int, count: int, parameters: int) -> int:
        assert count == (before != 0)
        waited = _ADDRESS.from_address(before).value if before else None
        _write(node, self._model.add(graph, waited, _kernel(parameters)))
        return 0

    def _set_node(self, graph: int, node: int, parameters: int) -> int:
        return self._model.change(graph, node, _kernel(parameters))

    def _launch_graph(self, graph: int, stream: int) -> int:
        return self._model.launch_graph(graph, stream)

    def _record_event(self, event: int, stream: int) -> int:
        return self._model.record_event(event, stream)

    def _current_device(self, device: int) -> int:
        _NUMBER.from_address(device).value = self._model.current_device()
        return 0


def _write(address: int, value: int) -> None:
    _ADDRESS.from_address(address).value = value


def _kernel(parameters: int) -> Kernel:
    """CUDA_KERNEL_NODE_PARAMS_v2."""
    function, x, y, z, *threads, shared, pointers, extra, kernel, context = struct.unpack(
        "<Q7I4x4Q", ctypes.string_at(parameters, 72)
    )
    assert (z, *threads[1:], extra, kernel, context) == (1, 1, 1, 0, 0, 0)
    return Kernel(function, x * y, threads[0], shared, pointers)


@contextmanager
def standing_in(rows: Any, model: Model) -> Iterator[None]:
    """Lets the module `rows` call the model in place of the driver."""
    problems: list[BaseException] = []
    functions = _Functions(model, problems)
    driver = functions.driver(rows._rows)
    rows._driver = lambda: driver
    yield
    assert problems == []
