"""Chains: work that a thread queues on one stream, with nothing between that anyone could notice.

A program that runs several times queues the same chains each time. So a chain is queued as a whole,
together with all that it depends on, and a device may replay what it made of it the last time (CUDA
graphs). Only work within one GPU belongs to chains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from zkrun.devices.base import Data, Value, Work
from zkrun.program.document import Program, walk
from zkrun.program.instructions import (
    Allocate,
    Deallocate,
    FuncCall,
    Instruction,
    MoveRegister,
    Transfer,
)
from zkrun.program.types import gpu_index

if TYPE_CHECKING:
    from zkrun.runtime.linker import CallTypes

__all__ = ["Chain", "find_chains"]

_SHORTEST, _LONGEST = 8, 64
"""Instructions: the GPU gets nothing to do before the last one of a chain has been reached, so the
first of several chains is short, and they grow.
"""

_QUIET = {
    *("RemoveRegister", "MoveRegister", "CopyRegister", "AssembleTuple"),
    *("Rotation", "Slice", "SetSliceMeta", "SliceBuffer", "LoadConstant", "LoadInput"),
}


class Chain:
    """What has been collected of one chain, until its last instruction queues it."""

    __slots__ = ("_key", "_works", "last", "slots", "stream")

    def __init__(self, slots: list[Value], stream: int, last: int) -> None:
        self.slots, self.stream, self.last = slots, stream, last
        self._works: list[tuple[int, Work]] = []
        self._key: list[int] = []

    def add(self, at: int, work: Callable[..., None], *operands: Value) -> None:
        """Collects an instruction; `operands` are the Data that it works on, or lists of them."""
        self._works.append((at, partial(work, *operands)))
        for operand in operands:
            for data in (operand,) if isinstance(operand, Data) else operand:
                self._key += (data.address, data.offset, data.length, data.whole)
        if at == self.last:
            works, self._works = self._works, []
            key, self._key = self._key, []
            self.slots[self.stream].run_all(works, tuple(key))


def find_chains(program: Program, types: Mapping[int, CallTypes]) -> list[tuple[int, list[int]]]:
    """All chains of a program: (variable of the stream, positions of what it queues).

    `types` say of each FuncCall, by its position, on which device it runs.
    """
    chains: list[tuple[int, list[int]]] = []
    # By thread and stream: the chain, and how long it may get.
    growing: dict[int | None, dict[int, tuple[list[int], int]]] = {}
    offsets = _variables_of_arenas(program)
    for position, (_, thread, it) in enumerate(walk(program)):
        stream = _queue_of(it, position, types)
        if stream is None:
            if not _is_quiet(it, offsets):
                growing.pop(thread, None)
            continue
        streams = growing.setdefault(thread, {})
        chain, most = streams.get(stream, ([], 0))
        if len(chain) == most:
            chain, most = [], min(max(2 * most, _SHORTEST), _LONGEST)
            streams[stream] = chain, most
            chains.append((stream, chain))
        chain.append(position)
    return chains


def _queue_of(it: Instruction, position: int, types: Mapping[int, CallTypes]) -> int | None:
    """The stream of work within one GPU."""
    if isinstance(it, FuncCall):
        return None if types[position][0] == "cpu" else it.arg[-1]
    if isinstance(it, Transfer) and it.src_device == it.dst_device:
        return None if gpu_index(it.src_device) is None else it.stream
    return None


def _is_quiet(it: Instruction, offsets: set[int]) -> bool:
    """Whether it makes no difference if the work before it is queued only after it."""
    if isinstance(it, Allocate):
        return it.offset is not None
    return it.op in _QUIET or (isinstance(it, Deallocate) and it.id in offsets)


def _variables_of_arenas(program: Program) -> set[int]:
    """Those that own memory at offsets only, whose Deallocate is bookkeeping."""
    found, others = set[int](), set[int]()
    for _, _, it in walk(program):
        if isinstance(it, Allocate):
            (others if it.offset is None else found).add(it.id)
        elif isinstance(it, MoveRegister):
            others.add(it.dst)
    return found - others
