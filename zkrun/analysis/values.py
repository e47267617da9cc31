"""What variables are bound to: views of allocations, and tuples of them.

One `Storage` stands for one piece of memory (or a stream, or a transcript); a `Value` is a
reference to it: a view of `length` elements from element `offset` of its `whole`, wrapping at the
end. Copies of a variable share the Value, views of one memory share the Storage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from zkrun.analysis.intervals import IntervalSet
from zkrun.program import types
from zkrun.program.types import Typ

if TYPE_CHECKING:
    from zkrun.analysis.accesses import Space
    from zkrun.analysis.clocks import Node
    from zkrun.analysis.effort import Effort
    from zkrun.analysis.order import Place, Queue

__all__ = [
    "MAX_TUPLE_DEPTH",
    "MAX_TUPLE_VALUES",
    "POISON",
    "Bound",
    "Storage",
    "TupleValue",
    "Value",
    "kill",
    "leaves",
    "overlap",
    "pieces",
    "unwritten",
    "write",
]

MAX_TUPLE_VALUES = 1_000_000
MAX_TUPLE_DEPTH = 64

_FEW_ITEMS = 64  # of a tuple, that are not counted as effort
_ITEM = 8  # steps for each of more


class Storage:
    """One allocation, constant or input, or a stream; `whole` elements of `item` bytes."""

    __slots__ = (
        "born",
        "device",
        "freed",
        "gone",
        "holders",
        "item",
        "offset",
        "owner",
        "queue",
        "read_only",
        "space",
        "typ",
        "users",
        "whole",
        "written",
    )

    def __init__(self, typ: Typ, device: str, whole: int, item: int) -> None:
        self.typ = typ
        self.device = device
        self.whole = whole
        self.item = item
        self.written: IntervalSet | bool = False  # which elements; True: all of them
        self.read_only = ""  # which constant or input it is, such as "input blob"
        self.owner: int | None = None  # the variable that may free it
        self.offset: int | None = None  # the place in the device's arena
        self.born: Place | None = None
        self.freed: Place | None = None  # the Deallocate; every reference is dead from there on
        self.holders: list[TupleValue] = []  # the tuples that refer to it
        self.gone: Place | None = None  # that Deallocate, once the memory has really gone back
        self.queue: Queue | None = None  # of a stream
        self.space: Space | None = None  # who has touched it last
        self.users: dict[int, Node] | None = None  # the last use of each thread's chain

    @property
    def nbytes(self) -> int:
        return self.whole * self.item


class Value:
    """A reference to the elements (offset + i) mod whole, i < length, of a storage."""

    __slots__ = ("length", "offset", "storage", "typ")

    def __init__(self, storage: Storage, typ: Typ, offset: int, length: int) -> None:
        self.storage = storage
        self.typ = typ
        self.offset = offset
        self.length = length

    @property
    def freed(self) -> Place | None:
        """The Deallocate that has killed it."""
        return self.storage.freed

    def part(self, start: int, length: int) -> Value:
        """Elements start ≤ i < start + length of this view; its type is not adapted."""
        whole = self.storage.whole
        return Value(self.storage, self.typ, (self.offset + start) % whole if whole else 0, length)


class TupleValue:
    """References to other values. `count`: how many it holds, those of inner tuples too."""

    __slots__ = ("count", "depth", "freed", "holders", "items", "typ", "users")

    def __init__(self, typ: types.Tuple, items: tuple[Bound, ...]) -> None:
        self.typ = typ
        self.items = items
        self.count: int = sum(item.count if isinstance(item, TupleValue) else 1 for item in items)
        inner = (item.depth for item in items if isinstance(item, TupleValue))
        self.depth: int = 1 + max(inner, default=0)
        self.freed: Place | None = None  # the Deallocate of anything that it refers to
        self.holders: list[TupleValue] = []
        self.users: dict[int, Node] | None = None
        for item in items:
            (item.storage if isinstance(item, Value) else item).holders.append(self)


Bound: TypeAlias = Value | TupleValue

POISON = Value(Storage(types.Scalar(), "cpu", 1, 0), types.Scalar(), 0, 1)
"""Bound where an error has been reported: whatever uses it says nothing more."""


def kill(storage: Storage, place: Place) -> list[TupleValue]:
    """Marks a storage and every tuple that refers to it as freed; returns those tuples."""
    storage.freed = place
    killed: list[TupleValue] = []
    rest, storage.holders = storage.holders, []
    while rest:
        holder = rest.pop()
        if holder.freed is None:
            holder.freed = place
            killed.append(holder)
            rest += holder.holders
    return killed


def leaves(value: Bound, effort: Effort | None = None) -> Iterator[Value]:
    """The values that are no tuples, each shared inner tuple looked into once."""
    if isinstance(value, Value):
        yield value
        return
    seen = {id(value)}
    looked_at = 0
    rest: list[Bound] = [value]
    while rest:
        current = rest.pop()
        if isinstance(current, Value):
            yield current
            continue
        looked_at += len(current.items)
        if effort and looked_at > _FEW_ITEMS:
            effort.spend(_ITEM * len(current.items))
        for item in reversed(current.items):
            if isinstance(item, Value) or id(item) not in seen:
                seen.add(id(item))
                rest.append(item)


def pieces(value: Value) -> tuple[tuple[int, int], ...]:
    """The physical intervals of a view in the order of its elements, at most two."""
    end = value.offset + value.length
    whole = value.storage.whole
    if end <= whole:
        return ((value.offset, end),)
    return ((value.offset, whole), (0, end - whole))


def overlap(a: Value, b: Value) -> bool:
    """Whether two views share an element. Live storages never share bytes with each other."""
    if a.storage is not b.storage or not a.length or not b.length:
        return False
    return any(
        start < other_end and other_start < end
        for start, end in pieces(a)
        for other_start, other_end in pieces(b)
    )


def write(value: Value) -> None:
    """Marks the elements of a view as written."""
    storage = value.storage
    if storage.written is True:
        return
    if value.length == storage.whole:
        storage.written = True
        return
    if storage.written is False:
        storage.written = IntervalSet(storage.whole)
    for start, end in pieces(value):
        storage.written.add(start, end)
    if storage.written.covers(0, storage.whole):
        storage.written = True


def unwritten(value: Value) -> tuple[int, int] | None:
    """The first physical elements of a view (start, end) that nothing has written."""
    written = value.storage.written
    if written is True or not value.length:
        return None
    for start, end in pieces(value):
        lacking = (start, end) if written is False else written.missing(start, end)
        if lacking:
            return lacking
    return None
