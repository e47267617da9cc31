"""Looking around a program after an error, for what to say about it.

Nothing here is on the way of a valid program, so it may look at everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from zkrun.analysis.operands import BINDING
from zkrun.analysis.order import Place, Queue, Thread, Work
from zkrun.analysis.values import Storage, Value
from zkrun.program import types
from zkrun.program.document import Program, walk
from zkrun.program.instructions import Record, operands

__all__ = ["LOOKED_AT", "binders", "element_range", "queued_writes", "records", "running"]

LOOKED_AT = 10_000  # of each thing that there can be many of


def binders(program: Program) -> dict[int, list[str]]:
    """The paths of the first two instructions that bind each variable."""
    found: dict[int, list[str]] = {}
    for path, _, instruction in walk(program):
        for name, mark in operands(type(instruction)):
            if mark.effect in BINDING:
                paths = found.setdefault(getattr(instruction, name), [])
                if len(paths) < 2:
                    paths.append(path)
    return found


def records(program: Program) -> dict[int, str]:
    """Every event that some instruction records, with the first one's path."""
    found: dict[int, str] = {}
    for path, _, instruction in walk(program):
        if isinstance(instruction, Record):
            found.setdefault(instruction.event, path)
    return found


def queued_writes(queues: Iterable[Queue], storage: Storage) -> tuple[Queue, int, Place] | None:
    """A stream, and work among the next to run there that will write to a storage.

    The integer is the position of that work in the queue.
    """
    left = LOOKED_AT
    for queue in islice(queues, LOOKED_AT):
        for index, item in enumerate(islice(queue.items, left)):
            left -= 1
            if isinstance(item, Work) and any(v.storage is storage for v in item.writes):
                return queue, queue.done + index, item.place
    return None


def running(threads: Iterable[Thread], but: Thread) -> list[Thread]:
    """A few threads that have not ended, other than one."""
    few = (one for one in islice(threads, LOOKED_AT) if one is not but and not one.ended)
    return [*islice(few, 3)]


def element_range(value: Value, physical: tuple[int, int]) -> str:
    """Words for physical elements of a view, counted in the view."""
    typ = value.typ
    if not isinstance(typ, types.ScalarArray | types.PointArray | types.GpuBuffer):
        return f"a {typ}"
    first = (physical[0] - value.offset) % value.storage.whole
    last = first + physical[1] - physical[0] - 1
    what = "byte" if isinstance(typ, types.GpuBuffer) else "element"
    if (first, last) == (0, types.length(typ) - 1):
        return f"a {typ}"
    where = f"{what} {first}" if first == last else f"{what}s {first} to {last}"
    return f"{where} of a {typ}"
