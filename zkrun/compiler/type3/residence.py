"""Where each value lies at a point of the plan, and how it gets to where it is needed.

Operands are brought to a device; results take over the memory of operands that die, or get fresh
memory. Where there is no room, what is needed furthest in the future leaves: from a GPU to the CPU,
from there to the disk; what lies elsewhere as well is only dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager

from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.chunk import (
    ALIGNMENT,
    Chunk,
    Free,
    Instruction,
    Malloc,
    Move,
    PolyMeta,
    Register,
    SetPolyMeta,
    Sliced,
    Transfer,
    gpu,
)
from zkrun.compiler.type3.demand import Demand
from zkrun.compiler.type3.liveness import Liveness
from zkrun.compiler.type3.space import Space
from zkrun.program import types

__all__ = ["DoesNotFit", "Residence"]


class DoesNotFit(Exception):
    """No room for `nbytes` more on a device at a vertex, whatever leaves.

    Where it is not even enough for what is there all the time, the vertex is the one that takes
    most of that; None if it is not in the graph.
    """

    def __init__(self, device: str, nbytes: int, what: Vertex | None = None) -> None:
        super().__init__(f"{nbytes} bytes have no room on {device}")
        self.device, self.nbytes, self.what = device, nbytes, what


class Residence:
    """The registers and addresses of values, while a walk over the vertices is at `position`.

    `narrow`: whether slices come alone although what they are slices of is there. `alone`: those
    that do, where that has been decided. `evicted`: bytes that have left each device for lack of
    room; `spilled`: the values that left a GPU.
    """

    def __init__(
        self,
        graph: Graph,
        live: Liveness,
        chunk: Chunk,
        budgets: Mapping[str, int | None],
        slots: Mapping[tuple[Value, str], tuple[Value, int, int]],
    ) -> None:
        self.graph = graph
        self.live = live
        self.chunk = chunk
        self.budgets = budgets
        self.slots = slots
        self.position = 0
        self.source: str | None = None
        self.narrow = False
        self.alone: Container[Value] | None = None
        self.evicted: dict[str, int] = {}
        self.spilled: set[Value] = set()
        # Where each value is: a register by device. Only bases and slices that were brought alone.
        self.copies: dict[Value, dict[str, int]] = {}
        self.pinned: set[tuple[Value, str]] = set()
        self.read_only: set[int] = set()  # registers of inputs, constants and numbers
        self.slotted: dict[tuple[Value, str], Value] = {}  # what lies inside another one's memory
        self.spaces: dict[str, Space[Value]] = {}
        self._views: dict[tuple[int, tuple[PolyMeta, ...]], int] = {}

    def emit(self, instruction: Instruction) -> None:
        """Adds an instruction for the vertex at hand."""
        self.chunk.emit(instruction, self.source)

    # -- where values are --------------------------------------------------------------------

    def nbytes(self, value: Value) -> int:
        """The bytes that a value takes."""
        return types.size(memory_type(self.graph.type(value)), self.chunk.curve_record)

    def fetch(self, value: Value, device: str) -> int:
        """A register of the value on the device, where it stays while this vertex is planned."""
        viewed = self.live.views[value]
        if not viewed.metas:
            return self.bring(viewed.base, device)
        if self._comes_alone(value, viewed.base, device):
            return self.bring(value, device)
        return self.view(self.bring(viewed.base, device), viewed.metas)

    def anywhere(self, value: Value, device: str) -> tuple[int, tuple[Value, str]]:
        """A register of the value, on the device if it is there, else wherever it is; and what has
        to stay in place for it."""
        viewed = self.live.views[value]
        for key, metas in ((value, ()), (viewed.base, viewed.metas)):
            copies = self.copies.get(key)
            if copies:
                place = device if device in copies else _nearest(copies)
                return self.view(copies[place], metas), (key, place)
        raise AssertionError(f"{value} is nowhere")

    def bring(self, value: Value, device: str, patience: float = float("inf")) -> int:
        """The value itself (a base, or a slice as an array of its own) on a device."""
        self.pinned.add((value, device))
        copies = self.copies.setdefault(value, {})
        if device not in copies:
            source, place = self.anywhere(value, device)
            with self.holding(place):
                register = self.take(value, device, patience)
            self.emit(Transfer(source, register))
        return copies[device]

    @contextmanager
    def holding(self, place: tuple[Value, str]) -> Iterator[None]:
        """Something has to stay in place for now."""
        fresh = place not in self.pinned
        self.pinned.add(place)
        try:
            yield
        finally:
            if fresh:
                self.pinned.discard(place)

    def _comes_alone(self, value: Value, base: Value, device: str) -> bool:
        if self.alone is not None:
            return value in self.alone
        alone = self.narrow or device not in self.copies[base]
        return alone and self._is_part(value, base)

    def _is_part(self, value: Value, base: Value) -> bool:
        one, whole = (memory_type(self.graph.type(each)) for each in (value, base))
        return types.length(one) < types.length(whole)

    def view(self, register: int, metas: tuple[PolyMeta, ...]) -> int:
        """A register that views another one."""
        for count in range(1, len(metas) + 1):
            key = (register, metas[:count])
            if key not in self._views:
                inner = register if count == 1 else self._views[register, metas[: count - 1]]
                self._views[key] = self._meta(inner, metas[count - 1])
        return self._views[register, metas] if metas else register

    def _meta(self, register: int, meta: PolyMeta) -> int:
        viewed = self.chunk.registers[register]
        typ = viewed.typ
        if isinstance(meta, Sliced):
            assert isinstance(typ, types.ScalarArray | types.PointArray)
            typ = types.with_length(typ, meta.end - meta.start)
        target = self.chunk.register(Register(typ, viewed.device, of=register))
        self.emit(SetPolyMeta(register, target, meta))
        return target

    # -- taking and giving memory ------------------------------------------------------------

    def take(self, value: Value, device: str, patience: float = float("inf")) -> int:
        """Memory for a value on a device: its place in a concatenation, or a block of its own."""
        slot = self.slots.get((value, device))
        if slot is not None:
            whole, start, end = slot
            register = self.view(self.whole(whole, device), (Sliced(start, end),))
            self.slotted[value, device] = whole
            self.copies.setdefault(value, {})[device] = register
            self.pinned.add((value, device))
            return register
        typ = memory_type(self.graph.type(value))
        address = None
        if not isinstance(typ, types.Transcript):
            address = self._room(value, device, self.nbytes(value), patience)
        label = self.graph.vertices[value.vertex].label
        return self._allocated(value, Register(typ, device, address, label))

    def buffer(self, device: str, nbytes: int) -> Value:
        """Memory of no value for the vertex at hand, by the value that stands for it."""
        owner = Value(self.position, -1)  # no result has this number
        address = self._room(owner, device, nbytes, float("inf"))
        self._allocated(owner, Register(types.GpuBuffer(nbytes), device, address))
        return owner

    def _allocated(self, value: Value, memory: Register) -> int:
        """The register of fresh memory, where a value is from now on."""
        register = self.chunk.register(memory)
        self.emit(Malloc(register))
        self.copies.setdefault(value, {})[memory.device] = register
        self.pinned.add((value, memory.device))
        return register

    def whole(self, value: Value, device: str) -> int:
        """The memory of a concatenation, taken when the first of its parts needs it."""
        self.pinned.add((value, device))
        copies = self.copies.get(value, {})
        return copies[device] if device in copies else self.take(value, device)

    def make_room(self, demand: Demand) -> None:
        """Lets leave what has to, so that all that a vertex demands has a place without anything
        leaving: what is not there yet finds one stretch. Where there is none, everything leaves."""
        device = demand.device
        here = [value for value in demand.values if device in self.copies.get(value, {})]
        missing = demand.nbytes - sum(demand.values[value] for value in here)
        if not missing:
            return
        space = self._space(device)
        self.pinned.update((value, device) for value in here)
        window = space.find(missing, self._next_use(device, float("inf")))
        if window is None:
            self.pinned.difference_update((value, device) for value in here)
        for victim in space.owners() if window is None else window.victims:
            self._evict(victim, device)

    def _space(self, device: str) -> Space[Value]:
        space = self.spaces.get(device)
        if space is None:
            space = self.spaces[device] = Space(self.budgets.get(device), ALIGNMENT)
        return space

    def _next_use(self, device: str, patience: float) -> Callable[[Value], float | None]:
        """When a device needs an owner of memory; None while it must stay: it is held, or needed
        before `patience` is over, where that is a position."""

        def next_use(owner: Value) -> float | None:
            if (owner, device) in self.pinned or self._is_open(owner):
                return None
            use = self.live.next_use(owner, device, self.position)
            return None if patience < float("inf") and use <= patience else use

        return next_use

    def _room(self, value: Value, device: str, nbytes: int, patience: float) -> int:
        """The address of a fresh block; others leave for it. Raises DoesNotFit.

        Nothing leaves that is needed before `patience` is over, where that is a position.
        """
        space = self._space(device)
        window = space.find(nbytes, self._next_use(device, patience))
        if window is None:
            raise self._no_room(device, nbytes)
        for victim in window.victims:
            self._evict(victim, device)
        space.take(window.offset, nbytes, value)
        return window.offset

    def _no_room(self, device: str, nbytes: int) -> DoesNotFit:
        vertices = self.graph.vertices
        return DoesNotFit(device, nbytes, vertices[min(self.position, len(vertices) - 1)])

    def _is_open(self, value: Value) -> bool:
        """Whether it is a concatenation that is not complete yet."""
        return value.vertex > self.position

    def _evict(self, value: Value, device: str) -> None:
        """Removes a value from a device; it goes elsewhere if it is nowhere else."""
        nbytes = self.nbytes(value)
        self.evicted[device] = self.evicted.get(device, 0) + nbytes
        others = [other for other in self.copies[value] if other != device]
        if not others and not self.is_redundant(value):
            refuge = "disk" if device == "cpu" else "cpu"
            if refuge == "disk" and "disk" not in self.budgets:
                raise self._no_room(device, nbytes)
            pinned = set(self.pinned)
            self.bring(value, refuge)
            self.pinned = pinned
        if gpu(device):
            self.spilled.add(value)
        self.drop(value, device)

    def is_redundant(self, value: Value) -> bool:
        """Whether it is a slice that was brought alone: what it views is still elsewhere."""
        viewed = self.live.views[value]
        return bool(viewed.metas) and bool(self.copies.get(viewed.base))

    def drop(self, value: Value, device: str) -> None:
        """Frees the copy of a value on a device."""
        register = self.copies[value].pop(device)
        if not self.copies[value]:
            del self.copies[value]
        if self.slotted.pop((value, device), None) is not None or register in self.read_only:
            return
        self.emit(Free(register))
        if self.chunk.registers[register].address is not None:
            self.spaces[device].free(value)

    def dies(self, value: Value, vertex: Vertex, device: str, resident: bool = True) -> bool:
        """Whether a vertex may overwrite an operand: nobody needs it afterwards, it is taken once
        and whole, and its memory is its own."""
        if not self.live.ends(value, vertex.operands, self.position):
            return False
        base = self.live.views[value].base
        copies = self.copies.get(base, {})
        if device not in copies:
            return not resident
        return copies[device] not in self.read_only and (base, device) not in self.slotted

    def take_over(self, value: Value, heir: Value, device: str) -> int:
        """Gives the memory of a value that dies to another one."""
        base = self.live.views[value].base
        before = self.copies[base].pop(device)
        for other in list(self.copies[base]):
            self.drop(base, other)
        self.copies.pop(base, None)
        old = self.chunk.registers[before]
        label = self.graph.vertices[heir.vertex].label
        after = self.chunk.register(
            Register(memory_type(self.graph.type(heir)), device, old.address, label)
        )
        self.emit(Move(before, after))
        if old.address is not None:
            self.spaces[device].rename(base, heir)
        self.copies.setdefault(heir, {})[device] = after
        self.pinned.add((heir, device))
        return after

    # -- ahead of time -----------------------------------------------------------------------

    def try_bring(self, value: Value, device: str, patience: float = float("inf")) -> bool:
        """Brings a value if there is room. It is not held there."""
        if device in self.copies.get(value, {}):
            return True
        pinned = set(self.pinned)
        try:
            self.bring(value, device, patience)
        except DoesNotFit:
            return False
        finally:
            self.pinned = pinned
        return True

    def try_fetch(self, value: Value, device: str, patience: float) -> bool:
        """The same for an operand: what it views, or it alone."""
        viewed = self.live.views[value]
        if device in self.copies[viewed.base]:
            return True
        key = value if viewed.metas and self._is_part(value, viewed.base) else viewed.base
        return self.try_bring(key, device, patience)


def _nearest(copies: Mapping[str, int]) -> str:
    """The device to copy from: the CPU, else a GPU, else the disk."""
    return min(copies, key=lambda device: (device == "disk", device != "cpu", device))
