"""Plans the memory of a scheduled graph: what lies where at each step, and what moves when.

One walk over the vertices; `residence.py` says what happens to each value at a step. While a vertex
runs, the operands of those behind it are brought, as far as there is room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Result, Value, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import Lowered, lower, resolve
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Load,
    Register,
    Sliced,
    Transfer,
    Tuple,
    Type2,
    gpu,
)
from zkrun.compiler.type3.demand import Demands
from zkrun.compiler.type3.liveness import Liveness, liveness
from zkrun.compiler.type3.residence import Residence
from zkrun.program import types
from zkrun.program.signature import arguments_of

__all__ = ["Pace", "Plan", "plan"]

_AHEAD = 16
"""Vertices at most whose operands are brought ahead of time."""

_SMALL = 4096
"""Bytes up to which a value is sent at once to wherever it will be needed."""


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
    buffers: Mapping[int, int],
    spilled: Iterable[Value] = (),
    tight: Collection[str] = (),
    live: Liveness | None = None,
) -> Plan:
    """The chunk of a graph whose vertices run in order on `devices`.

    `budgets` are the bytes of arena that each device may use, None for no limit; the disk is used
    only where it has an entry. `buffers` are the bytes that vertices take, by position, to work in.
    `spilled` are values that will have to leave their GPU: they are copied to the CPU as soon as
    they are there, so that leaving takes no time. `tight` are devices where each vertex has room
    for all that it demands at once, whatever has to leave, and nothing comes before its time: where
    no vertex demands more than there is, that always fits. `live` is the liveness of the graph,
    where it is known. Raises DoesNotFit.
    """
    live = live or liveness(graph, devices)
    planner = _Planner(graph, devices, budgets, pace, buffers, frozenset(spilled), tight, live)
    planner.run()
    return Plan(planner.chunk, planner.at.evicted, planner.at.spilled)


class _Planner:
    def __init__(
        self,
        graph: Graph,
        devices: Sequence[str],
        budgets: Mapping[str, int | None],
        pace: Pace,
        buffers: Mapping[int, int],
        spilled: frozenset[Value],
        tight: Collection[str],
        live: Liveness,
    ) -> None:
        self.graph = graph
        self.devices = devices
        self.budgets = budgets
        self.pace = pace
        self.buffers = buffers
        self.early = spilled
        self.tight = tight
        self.live = live
        self.demands = Demands(graph, devices, buffers, live)
        self.chunk = Chunk(graph.curve)
        self.slots = self._slots()
        self.at = Residence(graph, self.live, self.chunk, budgets, self.slots)

    def run(self) -> None:
        for position, vertex in enumerate(self.graph.vertices):
            self.at.position, self.at.source = position, vertex.source
            if self.devices[position] in self.tight:
                demand = self.demands.of(position)
                self.at.alone = demand.values
                self.at.make_room(demand)
            else:
                self.at.alone = None
                self.at.narrow = self._is_narrow(vertex, self.devices[position])
            self._vertex(position, vertex)
        self._finish()
        self.chunk.memory = {device: space.top for device, space in self.at.spaces.items()}

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
                read = tuple(self.at.fetch(value, device) for value in vertex.operands)
                result = self.at.take(Value(position), device)
                if not isinstance(operation, op.NewTranscript):
                    self.at.emit(Type2(operation, (result,), read))
            case _:
                self._call(position, vertex, device)
        self._produced(position, vertex, device)
        self._release(position, vertex)
        self.at.pinned.clear()

    def _is_narrow(self, vertex: Vertex, device: str) -> bool:
        """Whether the vertex has no room beside the arrays that its operands are slices of."""
        budget = self.budgets.get(device)
        if budget is None or vertex.operation.is_view:
            return False
        position = self.at.position
        whole: dict[Value, None] = {Value(position, i): None for i in range(len(vertex.types))}
        for value in vertex.operands:
            base = self.live.views[value].base
            whole[base if device in self.at.copies.get(base, {}) else value] = None
        taken = sum(map(self.at.nbytes, whole)) + self.buffers.get(position, 0)
        return 4 * taken > 3 * budget

    def _call(self, position: int, vertex: Vertex, device: str) -> None:
        results = tuple(Value(position, output) for output in range(len(vertex.types)))
        operands = tuple(self.graph.type(value) for value in vertex.operands)
        lowered = lower(vertex.operation, operands, vertex.types)
        assert lowered is not None, vertex.operation
        # First the buffer, as the largest: what is in its way would come back if it were needed.
        nbytes = self.buffers.get(position, 0)
        buffer = self.at.buffer(device, nbytes) if nbytes else None
        registers = {i: self.at.fetch(vertex.operands[i], device) for i in lowered.reads}
        written: list[int] = []
        for result, updated in zip(results, lowered.updates, strict=True):
            if updated is not None:
                written.append(self._updated(result, vertex, updated, device))
            else:
                written.append(self._written(result, vertex, lowered, registers, device))
        if buffer:
            written.append(self.at.copies[buffer][device])
        self._ahead(position)
        read = tuple(registers[index] for index in lowered.reads)
        call = Call(lowered.function, lowered.params, tuple(written), read)
        self.at.emit(call)
        if buffer:
            self.at.drop(buffer, device)
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
        rest = self.at.view(register, (Sliced(start, n),))
        self.at.emit(Call("fill", (("value", "zero"),), (rest,), ()))

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
            return self.at.take(result, device)
        typ = memory_type(self.graph.type(result))
        for index in lowered.reads:
            operand = vertex.operands[index]
            if (
                operand in self.at.copies
                and memory_type(self.graph.type(operand)) == typ
                and self.at.dies(operand, vertex, device)
            ):
                before = self.at.copies[operand][device]
                after = self.at.take_over(operand, result, device)
                for other, register in registers.items():
                    if register == before:
                        registers[other] = after
                return after
        return self.at.take(result, device)

    def _updated(self, result: Value, vertex: Vertex, index: int, device: str) -> int:
        """Memory that holds an operand and will hold the result."""
        operand = vertex.operands[index]
        if self.at.dies(operand, vertex, device, resident=False):
            self.at.fetch(operand, device)
            if self.at.dies(operand, vertex, device):
                return self.at.take_over(self.live.views[operand].base, result, device)
        source, place = self.at.anywhere(operand, device)
        with self.at.holding(place):
            target = self.at.take(result, device)
        self.at.emit(Transfer(source, target))
        return target

    def _update(self, result: Value, vertex: Vertex, device: str, start: int) -> None:
        part, place = self.at.anywhere(vertex.operands[1], device)
        self.at.pinned.add(place)
        target = self._updated(result, vertex, 0, device)
        n = types.length(self.chunk.registers[part].typ)
        self.chunk.emit(
            Transfer(part, self.at.view(target, (Sliced(start, start + n),))), self.at.source
        )

    def _concatenate(self, result: Value, vertex: Vertex, device: str) -> None:
        target = self.at.whole(result, device)
        start = 0
        for operand in vertex.operands:
            n = types.length(memory_type(self.graph.type(operand)))
            if self.at.slotted.get((operand, device)) != result:
                part, _ = self.at.anywhere(operand, device)
                place = self.at.view(target, (Sliced(start, start + n),))
                self.at.emit(Transfer(part, place))
            start += n
        if start < types.length(self.chunk.registers[target].typ):
            self._fill_zero(target, start)

    def _rotated_copy(self, result: Value, vertex: Vertex, device: str, by: int) -> None:
        """The rotation of a part of an array: both its ends change places."""
        source, place = self.at.anywhere(vertex.operands[0], device)
        with self.at.holding(place):
            target = self.at.take(result, device)
        n = types.length(self.chunk.registers[target].typ)
        by %= max(n, 1)
        for start, end in ((by, n), (0, by)):
            if start < end:
                at = (start - by) % n
                part = self.at.view(source, (Sliced(start, end),))
                there = self.at.view(target, (Sliced(at, at + end - start),))
                self.at.emit(Transfer(part, there))

    def _load(self, value: Value, operation: op.Operation, vertex: Vertex) -> None:
        if not self.live.uses.get(value):
            return
        typ = memory_type(vertex.types[0])
        register = self.chunk.register(Register(typ, "cpu", label=vertex.label))
        self.at.emit(Load(operation, register))
        self.at.read_only.add(register)
        self.at.copies[value] = {"cpu": register}

    def _finish(self) -> None:
        self.at.position, self.at.source = len(self.graph.vertices), None
        if "cpu" in self.tight:
            self.at.make_room(self.demands.of_results())
        returned: set[Value] = set()

        def assemble(result: Result) -> int:
            if isinstance(result, Value):
                viewed = self.live.views[result]
                kept = result if viewed.metas else viewed.base  # a view as an array of its own
                returned.add(kept)
                return self.at.bring(kept, "cpu")
            items = tuple(assemble(one) for one in result)
            typ = types.Tuple(tuple(self.chunk.registers[item].typ for item in items))
            target = self.chunk.register(Register(typ, "cpu"))
            self.at.emit(Tuple(items, target))
            return target

        self.chunk.result = assemble(self.graph.result)
        for value in list(self.at.copies):
            for device in list(self.at.copies[value]):
                if device != "cpu" or value not in returned:
                    self.at.drop(value, device)

    def _produced(self, position: int, vertex: Vertex, device: str) -> None:
        """Sends results at once to where they will be needed, or kept."""
        for output in range(len(vertex.types)):
            value = Value(position, output)
            if value not in self.at.copies:
                continue
            nbytes = self.at.nbytes(value)
            for other in self.live.devices(value):
                if other in self.at.copies[value]:
                    continue
                if (value, other) in self.slots or other == "cpu" or nbytes <= _SMALL:
                    self.at.try_bring(value, other)
            if value in self.early and "cpu" not in self.at.copies[value]:
                self.at.try_bring(value, "cpu")

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
            if not gpu(device) or device in self.tight or vertex.operation.is_view or moved:
                continue
            for operand in vertex.operands:
                base = self.live.views[operand].base
                if base.vertex >= position or not self.at.copies.get(base):
                    continue
                if device not in self.at.copies[base]:
                    copying += self.pace.byte * self.at.nbytes(operand)
                patience = later if copying >= computing else len(self.graph.vertices)
                if not self.at.try_fetch(operand, device, patience) and copying >= computing:
                    return

    def _release(self, position: int, vertex: Vertex) -> None:
        """Frees what nobody needs any more, or not where it lies."""
        results = (Value(position, output) for output in range(len(vertex.types)))
        touched: dict[Value, None] = {}
        for value in (*vertex.operands, *results):
            touched[value] = None
            touched[self.live.views[value].base] = None
        for value in touched:
            copies = self.at.copies.get(value)
            if copies is None:
                continue
            if not self.live.used_after(value, position):
                for device in list(copies):
                    self.at.drop(value, device)
                continue
            for device in list(copies):
                elsewhere = len(copies) > 1 or self.at.is_redundant(value)
                idle = self.live.next_use(value, device, position + 1) == float("inf")
                if gpu(device) and elsewhere and idle:
                    self.at.drop(value, device)

    def _slots(self) -> dict[tuple[Value, str], tuple[Value, int, int]]:
        """Values that go into a concatenation and nowhere else, and where they lie in it."""
        found: dict[tuple[Value, str], tuple[Value, int, int]] = {}
        for position, vertex in enumerate(self.graph.vertices):
            if not isinstance(vertex.operation, op.Concatenate):
                continue
            if self.devices[position] in self.tight:
                continue  # the whole would have to stay from its first part on
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
