"""Plans the memory of a scheduled graph: what lies where at each step, and what moves when.

One walk over the vertices. Operands are brought to the device of their vertex; results take over
the memory of operands that die, or get fresh memory. Where there is no room, what is needed
furthest in the future leaves: from a GPU to the CPU, from there to the disk; what lies elsewhere as
well is only dropped. While a vertex runs, the operands of those behind it are brought, as far as
there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Result, Value, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import Lowered, lower, resolve
from zkrun.compiler.type3.chunk import (
    ALIGNMENT,
    Call,
    Chunk,
    Free,
    Load,
    Malloc,
    Move,
    PolyMeta,
    Register,
    SetPolyMeta,
    Sliced,
    Transfer,
    Tuple,
    Type2,
    gpu,
)
from zkrun.compiler.type3.liveness import Liveness, liveness
from zkrun.compiler.type3.space import Space
from zkrun.program import types
from zkrun.program.signature import arguments_of

__all__ = ["DoesNotFit", "Pace", "Plan", "plan"]

_AHEAD = 16
"""Vertices at most whose operands are brought ahead of time."""

_SMALL = 4096
"""Bytes up to which a value is sent at once to wherever it will be needed."""


class DoesNotFit(Exception):
    """No room for `nbytes` more on a device at a vertex, whatever leaves.

    The vertex is None where it is not even enough for what is there all the time.
    """

    def __init__(self, device: str, nbytes: int, what: Vertex | None = None) -> None:
        super().__init__(f"{nbytes} bytes have no room on {device}")
        self.device, self.nbytes, self.what = device, nbytes, what


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take: each vertex, and a byte on its way to a GPU, in seconds."""

    vertices: Sequence[float]
    byte: float


@dataclass(slots=True)
class Plan:
    """A chunk with addresses, and what the plan had to do: bytes that left each device for lack of
    room, and the values that did."""

    chunk: Chunk
    evicted: dict[str, int] = field(default_factory=dict)
    spilled: set[Value] = field(default_factory=set)


def plan(
    graph: Graph,
    devices: Sequence[str],
    budgets: Mapping[str, int | None],
    pace: Pace,
    spilled: Iterable[Value] = (),
) -> Plan:
    """The chunk of a graph whose vertices run in order on `devices`.

    `budgets` are the bytes of arena that each device may use, None for no limit; the disk is used
    only where it has an entry. `spilled` are values that will have to leave their GPU: they are
    copied to the CPU as soon as they are there, so that leaving takes no time. Raises DoesNotFit.
    """
    planner = _Planner(graph, devices, budgets, pace, frozenset(spilled))
    planner.run()
    return planner.plan


class _Planner:
    def __init__(
        self,
        graph: Graph,
        devices: Sequence[str],
        budgets: Mapping[str, int | None],
        pace: Pace,
        spilled: frozenset[Value],
    ) -> None:
        self.graph = graph
        self.devices = devices
        self.budgets = budgets
        self.pace = pace
        self.early = spilled
        self.live: Liveness = liveness(graph, devices)
        self.chunk = Chunk(graph.curve)
        self.plan = Plan(self.chunk)
        self.spaces: dict[str, Space[Value]] = {}
        # Where each value is: a register by device. Only bases and slices that were brought alone.
        self.copies: dict[Value, dict[str, int]] = {}
        self.views: dict[tuple[int, tuple[PolyMeta, ...]], int] = {}
        self.pinned: set[tuple[Value, str]] = set()
        self.read_only: set[int] = set()  # registers of inputs, constants and numbers
        self.slots = self._slots()
        self.slotted: dict[tuple[Value, str], Value] = {}  # what lies inside another one's memory
        self.position = 0
        self.source: str | None = None
        self.narrow = False  # whether slices come alone although what they are slices of is there

    # -- the walk ----------------------------------------------------------------------------

    def run(self) -> None:
        for position, vertex in enumerate(self.graph.vertices):
            self.position, self.source = position, vertex.source
            self.narrow = self._is_narrow(vertex, self.devices[position])
            self._vertex(position, vertex)
        self._finish()
        self.chunk.memory = {device: space.top for device, space in self.spaces.items()}

    def _vertex(self, position: int, vertex: Vertex) -> None:
        device = self.devices[position]
        operation = vertex.operation
        match operation:
            case op.Rotate(by=by) if self.live.views[Value(position)].base == Value(position):
                self._rotated_copy(Value(position), vertex, device, by)
            case op.Rotate() | op.Slice() | op.View():
                return
            case op.Input() | op.Constant() | op.Number():
                self._load(Value(position), operation, vertex)
            case op.Concatenate():
                self._concatenate(Value(position), vertex, device)
            case op.Update(start=start):
                self._update(Value(position), vertex, device, start)
            case op.Element() | op.Random() | op.NewTranscript():
                read = tuple(self._fetch(value, device) for value in vertex.operands)
                result = self._take(Value(position), device)
                if not isinstance(operation, op.NewTranscript):
                    self.chunk.emit(Type2(operation, (result,), read), self.source)
            case _:
                self._call(position, vertex, device)
        self._produced(position, vertex, device)
        self._release(position, vertex)
        self.pinned.clear()

    def _is_narrow(self, vertex: Vertex, device: str) -> bool:
        """Whether the vertex has no room beside the arrays that its operands are slices of."""
        budget = self.budgets.get(device)
        if budget is None or vertex.operation.is_view:
            return False
        whole: dict[Value, None] = {Value(self.position, i): None for i in range(len(vertex.types))}
        for value in vertex.operands:
            base = self.live.views[value].base
            whole[base if device in self.copies.get(base, {}) else value] = None
        return 4 * sum(map(self._nbytes, whole)) > 3 * budget

    def _nbytes(self, value: Value) -> int:
        return types.size(memory_type(self.graph.type(value)), self.chunk.curve_record)

    def _call(self, position: int, vertex: Vertex, device: str) -> None:
        results = tuple(Value(position, output) for output in range(len(vertex.types)))
        operands = tuple(self.graph.type(value) for value in vertex.operands)
        lowered = lower(vertex.operation, operands, vertex.types)
        assert lowered is not None, vertex.operation
        registers = {index: self._fetch(vertex.operands[index], device) for index in lowered.reads}
        written: list[int] = []
        for result, updated in zip(results, lowered.updates, strict=True):
            if updated is not None:
                written.append(self._updated(result, vertex, updated, device))
            else:
                written.append(self._written(result, vertex, lowered, registers, device))
        self._ahead(position)
        read = tuple(registers[index] for index in lowered.reads)
        call = Call(lowered.function, lowered.params, tuple(written), read)
        self.chunk.emit(call, self.source)
        self._fill_rest(call)

    def _fill_rest(self, call: Call) -> None:
        """Zeros where a function leaves the end of a result as it was, which was nothing."""
        resolved = resolve(self.chunk, call)
        touched = resolved.signature.touched
        if touched is None:
            return
        arguments, _ = arguments_of(resolved)
        for register, argument, count in zip(
            call.written, arguments, touched(resolved), strict=False
        ):
            n = types.length(self.chunk.registers[register].typ)
            if argument.effect == "writes" and count < n:
                self._fill_zero(register, count)

    def _fill_zero(self, register: int, start: int) -> None:
        n = types.length(self.chunk.registers[register].typ)
        rest = self._view(register, (Sliced(start, n),))
        self.chunk.emit(Call("fill", (("value", "zero"),), (rest,), ()), self.source)

    def _written(
        self,
        result: Value,
        vertex: Vertex,
        lowered: Lowered,
        registers: dict[int, int],
        device: str,
    ) -> int:
        """Memory for a result that is written whole: an operand's, where it may be, or fresh."""
        if not lowered.elementwise or (result, device) in self.slots:
            return self._take(result, device)
        typ = memory_type(self.graph.type(result))
        for index in lowered.reads:
            operand = vertex.operands[index]
            if (
                operand in self.copies
                and memory_type(self.graph.type(operand)) == typ
                and self._dies(operand, vertex, device)
            ):
                before = self.copies[operand][device]
                after = self._take_over(operand, result, device)
                for other, register in registers.items():
                    if register == before:
                        registers[other] = after
                return after
        return self._take(result, device)

    def _updated(self, result: Value, vertex: Vertex, index: int, device: str) -> int:
        """Memory that holds an operand and will hold the result."""
        operand = vertex.operands[index]
        if self._dies(operand, vertex, device, resident=False):
            self._fetch(operand, device)
            if self._dies(operand, vertex, device):
                return self._take_over(self.live.views[operand].base, result, device)
        source, place = self._anywhere(operand, device)
        with self._pinned(place):
            target = self._take(result, device)
        self.chunk.emit(Transfer(source, target), self.source)
        return target

    def _update(self, result: Value, vertex: Vertex, device: str, start: int) -> None:
        part, place = self._anywhere(vertex.operands[1], device)
        self.pinned.add(place)
        target = self._updated(result, vertex, 0, device)
        n = types.length(self.chunk.registers[part].typ)
        self.chunk.emit(
            Transfer(part, self._view(target, (Sliced(start, start + n),))), self.source
        )

    def _concatenate(self, result: Value, vertex: Vertex, device: str) -> None:
        target = self._whole(result, device)
        start = 0
        for operand in vertex.operands:
            n = types.length(memory_type(self.graph.type(operand)))
            if self.slotted.get((operand, device)) != result:
                part, _ = self._anywhere(operand, device)
                place = self._view(target, (Sliced(start, start + n),))
                self.chunk.emit(Transfer(part, place), self.source)
            start += n
        if start < types.length(self.chunk.registers[target].typ):
            self._fill_zero(target, start)

    def _rotated_copy(self, result: Value, vertex: Vertex, device: str, by: int) -> None:
        """The rotation of a part of an array: both its ends change places."""
        source, place = self._anywhere(vertex.operands[0], device)
        with self._pinned(place):
            target = self._take(result, device)
        n = types.length(self.chunk.registers[target].typ)
        by %= max(n, 1)
        for start, end in ((by, n), (0, by)):
            if start < end:
                at = (start - by) % n
                part = self._view(source, (Sliced(start, end),))
                there = self._view(target, (Sliced(at, at + end - start),))
                self.chunk.emit(Transfer(part, there), self.source)

    def _load(self, value: Value, operation: op.Operation, vertex: Vertex) -> None:
        if not self.live.uses.get(value):
            return
        typ = memory_type(vertex.types[0])
        register = self.chunk.register(Register(typ, "cpu", label=vertex.label))
        self.chunk.emit(Load(operation, register), self.source)
        self.read_only.add(register)
        self.copies[value] = {"cpu": register}

    def _finish(self) -> None:
        self.position, self.source = len(self.graph.vertices), None

        returned: set[Value] = set()

        def assemble(result: Result) -> int:
            if isinstance(result, Value):
                viewed = self.live.views[result]
                kept = result if viewed.metas else viewed.base  # a view as an array of its own
                returned.add(kept)
                return self._bring(kept, "cpu")
            items = tuple(assemble(one) for one in result)
            typ = types.Tuple(tuple(self.chunk.registers[item].typ for item in items))
            target = self.chunk.register(Register(typ, "cpu"))
            self.chunk.emit(Tuple(items, target))
            return target

        self.chunk.result = assemble(self.graph.result)
        for value in list(self.copies):
            for device in list(self.copies[value]):
                if device != "cpu" or value not in returned:
                    self._drop(value, device)

    # -- where values are --------------------------------------------------------------------

    def _fetch(self, value: Value, device: str) -> int:
        """A register of the value on the device, where it stays while this vertex is planned."""
        viewed = self.live.views[value]
        if not viewed.metas:
            return self._bring(viewed.base, device)
        alone = self.narrow or device not in self.copies[viewed.base]
        if alone and self._is_part(value, viewed.base):
            return self._bring(value, device)
        return self._view(self._bring(viewed.base, device), viewed.metas)

    def _anywhere(self, value: Value, device: str) -> tuple[int, tuple[Value, str]]:
        """A register of the value, on the device if it is there, else wherever it is; and what has
        to stay in place for it."""
        viewed = self.live.views[value]
        for key, metas in ((value, ()), (viewed.base, viewed.metas)):
            copies = self.copies.get(key)
            if copies:
                place = device if device in copies else _nearest(copies)
                return self._view(copies[place], metas), (key, place)
        raise AssertionError(f"{value} is nowhere")

    def _bring(self, value: Value, device: str, patience: float = float("inf")) -> int:
        """The value itself (a base, or a slice as an array of its own) on a device."""
        self.pinned.add((value, device))
        copies = self.copies.setdefault(value, {})
        if device not in copies:
            source, place = self._anywhere(value, device)
            with self._pinned(place):
                register = self._take(value, device, patience)
            self.chunk.emit(Transfer(source, register), self.source)
        return copies[device]

    @contextmanager
    def _pinned(self, place: tuple[Value, str]) -> Iterator[None]:
        """Something has to stay in place for now."""
        fresh = place not in self.pinned
        self.pinned.add(place)
        try:
            yield
        finally:
            if fresh:
                self.pinned.discard(place)

    def _is_part(self, value: Value, base: Value) -> bool:
        one, whole = (memory_type(self.graph.type(each)) for each in (value, base))
        return types.length(one) < types.length(whole)

    def _view(self, register: int, metas: tuple[PolyMeta, ...]) -> int:
        """A register that views another one."""
        for count in range(1, len(metas) + 1):
            key = (register, metas[:count])
            if key not in self.views:
                inner = register if count == 1 else self.views[register, metas[: count - 1]]
                self.views[key] = self._meta(inner, metas[count - 1])
        return self.views[register, metas] if metas else register

    def _meta(self, register: int, meta: PolyMeta) -> int:
        viewed = self.chunk.registers[register]
        typ = viewed.typ
        if isinstance(meta, Sliced):
            assert isinstance(typ, types.ScalarArray | types.PointArray)
            typ = types.with_length(typ, meta.end - meta.start)
        target = self.chunk.register(Register(typ, viewed.device, of=register))
        self.chunk.emit(SetPolyMeta(register, target, meta), self.source)
        return target

    # -- taking and giving memory ------------------------------------------------------------

    def _take(self, value: Value, device: str, patience: float = float("inf")) -> int:
        """Memory for a value on a device: its place in a concatenation, or a block of its own."""
        slot = self.slots.get((value, device))
        if slot is not None:
            whole, start, end = slot
            register = self._view(self._whole(whole, device), (Sliced(start, end),))
            self.slotted[value, device] = whole
            self.copies.setdefault(value, {})[device] = register
            self.pinned.add((value, device))
            return register
        typ = memory_type(self.graph.type(value))
        nbytes = types.size(typ, self.chunk.curve_record)
        address = None
        if not isinstance(typ, types.Transcript):
            address = self._room(value, device, nbytes, patience)
        label = self.graph.vertices[value.vertex].label
        register = self.chunk.register(Register(typ, device, address, label))
        self.chunk.emit(Malloc(register), self.source)
        self.copies.setdefault(value, {})[device] = register
        self.pinned.add((value, device))
        return register

    def _whole(self, value: Value, device: str) -> int:
        """The memory of a concatenation, taken when the first of its parts needs it."""
        self.pinned.add((value, device))
        copies = self.copies.get(value, {})
        return copies[device] if device in copies else self._take(value, device)

    def _room(self, value: Value, device: str, nbytes: int, patience: float) -> int:
        """The address of a fresh block; others leave for it. Raises DoesNotFit.

        Nothing leaves that is needed before `patience` is over, where that is a position.
        """
        space = self.spaces.get(device)
        if space is None:
            space = self.spaces[device] = Space(self.budgets.get(device), ALIGNMENT)

        def next_use(owner: Value) -> float | None:
            if (owner, device) in self.pinned or self._is_open(owner):
                return None
            use = self.live.next_use(owner, device, self.position)
            return None if patience < float("inf") and use <= patience else use

        window = space.find(nbytes, next_use)
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
        nbytes = self._nbytes(value)
        self.plan.evicted[device] = self.plan.evicted.get(device, 0) + nbytes
        others = [other for other in self.copies[value] if other != device]
        if not others and not self._is_redundant(value):
            refuge = "disk" if device == "cpu" else "cpu"
            if refuge == "disk" and "disk" not in self.budgets:
                raise self._no_room(device, nbytes)
            pinned = set(self.pinned)
            self._bring(value, refuge)
            self.pinned = pinned
        if gpu(device):
            self.plan.spilled.add(value)
        self._drop(value, device)

    def _is_redundant(self, value: Value) -> bool:
        """Whether it is a slice that was brought alone: what it views is still elsewhere."""
        viewed = self.live.views[value]
        return bool(viewed.metas) and bool(self.copies.get(viewed.base))

    def _drop(self, value: Value, device: str) -> None:
        """Frees the copy of a value on a device."""
        register = self.copies[value].pop(device)
        if not self.copies[value]:
            del self.copies[value]
        if self.slotted.pop((value, device), None) is not None or register in self.read_only:
            return
        self.chunk.emit(Free(register), self.source)
        if self.chunk.registers[register].address is not None:
            self.spaces[device].free(value)

    def _dies(self, value: Value, vertex: Vertex, device: str, resident: bool = True) -> bool:
        """Whether a vertex may overwrite an operand: nobody needs it afterwards, it is taken once
        and whole, and its memory is its own."""
        viewed = self.live.views[value]
        base = viewed.base
        if viewed.metas or self.live.used_after(base, self.position):
            return False
        if sum(self.live.views[operand].base == base for operand in vertex.operands) > 1:
            return False
        copies = self.copies.get(base, {})
        if device not in copies:
            return not resident
        return copies[device] not in self.read_only and (base, device) not in self.slotted

    def _take_over(self, value: Value, heir: Value, device: str) -> int:
        """Gives the memory of a value that dies to another one."""
        base = self.live.views[value].base
        before = self.copies[base].pop(device)
        for other in list(self.copies[base]):
            self._drop(base, other)
        self.copies.pop(base, None)
        old = self.chunk.registers[before]
        label = self.graph.vertices[heir.vertex].label
        after = self.chunk.register(
            Register(memory_type(self.graph.type(heir)), device, old.address, label)
        )
        self.chunk.emit(Move(before, after), self.source)
        if old.address is not None:
            self.spaces[device].rename(base, heir)
        self.copies.setdefault(heir, {})[device] = after
        self.pinned.add((heir, device))
        return after

    # -- ahead of time and afterwards --------------------------------------------------------

    def _produced(self, position: int, vertex: Vertex, device: str) -> None:
        """Sends results at once to where they will be needed, or kept."""
        for output, typ in enumerate(vertex.types):
            value = Value(position, output)
            if value not in self.copies:
                continue
            nbytes = types.size(memory_type(typ), self.chunk.curve_record)
            for other in self.live.devices(value):
                if other in self.copies[value]:
                    continue
                if (value, other) in self.slots or other == "cpu" or nbytes <= _SMALL:
                    self._try_bring(value, other)
            if value in self.early and "cpu" not in self.copies[value]:
                self._try_bring(value, "cpu")

    def _ahead(self, position: int) -> None:
        """Brings operands of the next vertices, while this one runs.

        Where there is room anyway, all of them. What is needed later leaves for them only if they
        would else come too late: if bringing all that is needed until then takes longer than
        computing what comes before.
        """
        computing = copying = 0.0
        last = min(position + 1 + _AHEAD, len(self.graph.vertices))
        for later in range(position + 1, last):
            vertex, device = self.graph.vertices[later], self.devices[later]
            computing += self.pace.vertices[later - 1]
            moved = isinstance(vertex.operation, op.Concatenate | op.Update)
            if not gpu(device) or vertex.operation.is_view or moved:
                continue
            for operand in vertex.operands:
                base = self.live.views[operand].base
                if base.vertex >= position or not self.copies.get(base):
                    continue
                if device not in self.copies[base]:
                    copying += self.pace.byte * self._nbytes(operand)
                patience = later if copying >= computing else len(self.graph.vertices)
                if not self._try_fetch(operand, device, patience) and copying >= computing:
                    return

    def _try_fetch(self, value: Value, device: str, patience: int) -> bool:
        viewed = self.live.views[value]
        if device in self.copies[viewed.base]:
            return True
        key = value if viewed.metas and self._is_part(value, viewed.base) else viewed.base
        return self._try_bring(key, device, patience)

    def _try_bring(self, value: Value, device: str, patience: float = float("inf")) -> bool:
        """Brings a value if there is room. It is not held there."""
        if device in self.copies.get(value, {}):
            return True
        pinned = set(self.pinned)
        try:
            self._bring(value, device, patience)
        except DoesNotFit:
            return False
        finally:
            self.pinned = pinned
        return True

    def _release(self, position: int, vertex: Vertex) -> None:
        """Frees what nobody needs any more, or not where it lies."""
        results = (Value(position, output) for output in range(len(vertex.types)))
        touched: dict[Value, None] = {}
        for value in (*vertex.operands, *results):
            touched[value] = None
            touched[self.live.views[value].base] = None
        for value in touched:
            copies = self.copies.get(value)
            if copies is None:
                continue
            if not self.live.used_after(value, position):
                for device in list(copies):
                    self._drop(value, device)
                continue
            for device in list(copies):
                elsewhere = len(copies) > 1 or self._is_redundant(value)
                idle = self.live.next_use(value, device, position + 1) == float("inf")
                if gpu(device) and elsewhere and idle:
                    self._drop(value, device)

    def _slots(self) -> dict[tuple[Value, str], tuple[Value, int, int]]:
        """Values that go into a concatenation and nowhere else, and where they lie in it."""
        found: dict[tuple[Value, str], tuple[Value, int, int]] = {}
        for position, vertex in enumerate(self.graph.vertices):
            if not isinstance(vertex.operation, op.Concatenate):
                continue
            start = 0
            for operand in vertex.operands:
                n = types.length(memory_type(self.graph.type(operand)))
                operation = self.graph.vertices[operand.vertex].operation
                if (
                    self.live.uses.get(operand) == [position]
                    and self.live.views[operand].base == operand
                    and vertex.operands.count(operand) == 1
                    and not isinstance(operation, op.Input | op.Constant | op.Concatenate)
                ):
                    found[operand, self.devices[position]] = (Value(position), start, start + n)
                start += n
        return found


def _nearest(copies: Mapping[str, int]) -> str:
    """The device to copy from: the CPU, else a GPU, else the disk."""
    return min(copies, key=lambda device: (device == "disk", device != "cpu", device))
