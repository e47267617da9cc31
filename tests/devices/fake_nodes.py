"""What the CUDA driver has for nodes of graphs, and CuPy does not, in front of a model of it."""

# ruff: noqa: N802 - the names are the driver's

from __future__ import annotations

import ctypes
import struct
from typing import Any, NamedTuple, Protocol

OUT_OF_MEMORY = 2


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
    def create(self) -> int | None:
        """The number of a new graph; None where there is no memory."""

    def add(self, graph: int, before: int | None, kernel: Kernel) -> int:
        """The number of a new node, which waits for the one before it."""

    def change(self, graph: int, node: int, kernel: Kernel) -> int:
        """Puts another kernel in a node; 0, or the number of an error."""


class _Library:
    """The functions as they are called through ctypes."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def cuGraphCreate(self, graph: Any, flags: int) -> int:
        assert flags == 0
        number = self._model.create()
        if number is None:
            return OUT_OF_MEMORY
        graph._obj.value = number
        return 0

    def cuGraphAddKernelNode_v2(
        self, node: Any, graph: Any, before: Any, count: Any, parameters: Any
    ) -> int:
        assert count.value == (before is not None)
        waited = None if before is None else before._obj.value
        node._obj.value = self._model.add(graph.value, waited, _kernel(parameters))
        return 0

    def cuGraphExecKernelNodeSetParams_v2(self, graph: Any, node: Any, parameters: Any) -> int:
        return self._model.change(graph.value, node.value, _kernel(parameters))


def _kernel(parameters: Any) -> Kernel:
    """CUDA_KERNEL_NODE_PARAMS_v2."""
    function, x, y, z, *threads, shared, pointers, extra, _, _ = struct.unpack(
        "<Q7I4x4Q", parameters._obj.raw
    )
    assert (z, *threads[1:], extra) == (1, 1, 1, 0)
    return Kernel(function, x * y, threads[0], shared, pointers)


def stand_in(rows: Any, model: Model) -> None:
    """Lets the module `rows` call the model in place of the driver."""
    rows._library = lambda: _Library(model)
