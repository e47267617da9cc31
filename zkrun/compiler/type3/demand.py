"""What each vertex has to have on its device at once, whatever else is there.

No plan of a graph does with less than the largest of these; and a plan in which everything else may
leave before each vertex does with just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import ALIGNMENT
from zkrun.compiler.type3.liveness import Liveness, liveness
from zkrun.compiler.type3.space import block_bytes
from zkrun.program import types

__all__ = ["LOADED", "Demand", "Demands"]

LOADED = op.Input | op.Constant | op.Number
"""Operations whose results lie on the CPU, in no memory of the plan."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Bytes, in whole blocks: of `values` that come to the device or are there, and of `fresh`
    memory for the buffer and for results that take no operand's place.

    A part of a value comes alone where all that is needed of it takes less than the whole.
    """

    device: str
    values: Mapping[Value, int] = field(default_factory=dict)
    fresh: int = 0

    @property
    def nbytes(self) -> int:
        """All of it."""
        return sum(self.values.values()) + self.fresh


class Demands:
    """The demands of a graph whose vertices run in order on `devices`; `buffers` are the bytes that
    vertices take, by position, to work in."""

    def __init__(
        self,
        graph: Graph,
        devices: Sequence[str],
        buffers: Mapping[int, int],
        live: Liveness | None = None,
    ) -> None:
        self._graph = graph
        self._devices = devices
        self._buffers = buffers
        self._live = live or liveness(graph, devices)

    def __iter__(self) -> Iterator[tuple[Demand, Vertex | None]]:
        """Those of the vertices in order, and in the end that of the results."""
        for position, vertex in enumerate(self._graph.vertices):
            yield self.of(position), vertex
        results = self.of_results()
        largest = max(results.values, key=results.values.__getitem__, default=None)
        yield results, None if largest is None else self._graph.vertices[largest.vertex]

    def of(self, position: int) -> Demand:
        """What a vertex takes on its device."""
        vertex, device = self._graph.vertices[position], self._devices[position]
        results = [Value(position, output) for output in range(len(vertex.types))]
        match vertex.operation:
            case op.Rotate() if self._live.views[results[0]].base == results[0]:
                return Demand(device, fresh=self._size(results[0]))  # a copy
            case op.Rotate() | op.Slice() | op.View() | op.Input() | op.Constant() | op.Number():
                return Demand(device)
            case op.Concatenate() | op.Update():  # operands are copied from wherever they are
                return Demand(device, fresh=self._size(results[0]))
            case op.Element() | op.Random() | op.NewTranscript():
                read = self._read(device, vertex.operands)
                return Demand(device, read, sum(map(self._size, results)))
        return self._of_call(position, results)

    def of_results(self) -> Demand:
        """What the results of the graph take on the CPU, at its end."""
        values = {}
        for result in self._graph.results():
            viewed = self._live.views[result]
            kept = result if viewed.metas else viewed.base
            if viewed.metas or not self._is_loaded(kept):
                values[kept] = self._size(kept)
        return Demand("cpu", values)

    def _of_call(self, position: int, results: Sequence[Value]) -> Demand:
        vertex, device = self._graph.vertices[position], self._devices[position]
        lowered = lower(
            vertex.operation, tuple(map(self._graph.type, vertex.operands)), vertex.types
        )
        assert lowered is not None, vertex.operation
        reads = [vertex.operands[index] for index in lowered.reads]
        values = self._read(device, reads)
        buffer = self._buffers.get(position, 0)
        fresh = block_bytes(buffer, ALIGNMENT) if buffer else 0
        heirless = dict.fromkeys(reads) if lowered.elementwise else {}
        for result, updated in zip(results, lowered.updates, strict=True):
            if updated is not None:
                operand = vertex.operands[updated]
                if self._dies(operand, position):
                    values[operand] = self._size(operand)
                else:
                    fresh += self._size(result)
                continue
            for operand in heirless:
                if self._is_alike(operand, result) and self._dies(operand, position):
                    del heirless[operand]  # the result takes its place
                    break
            else:
                fresh += self._size(result)
        return Demand(device, values, fresh)

    def _read(self, device: str, operands: Iterable[Value]) -> dict[Value, int]:
        """What has to be there so that operands can be read."""
        parts: dict[Value, dict[Value, int]] = {}
        for operand in operands:
            base = self._live.views[operand].base
            if device != "cpu" or not self._is_loaded(base):
                taken = self._size(operand)
                key = operand if taken < self._size(base) else base
                parts.setdefault(base, {})[key] = taken
        found: dict[Value, int] = {}
        for base, some in parts.items():
            alone = base not in some and sum(some.values()) < self._size(base)
            found.update(some if alone else {base: self._size(base)})
        return found

    def _dies(self, value: Value, position: int) -> bool:
        """Whether a vertex may overwrite an operand: see `Residence.dies`."""
        operands, device = self._graph.vertices[position].operands, self._devices[position]
        if device == "cpu" and self._is_loaded(self._live.views[value].base):
            return False
        return self._live.ends(value, operands, position)

    def _is_loaded(self, base: Value) -> bool:
        return isinstance(self._graph.vertices[base.vertex].operation, LOADED)

    def _is_alike(self, one: Value, other: Value) -> bool:
        typ, of_other = (memory_type(self._graph.type(value)) for value in (one, other))
        return typ == of_other

    def _size(self, value: Value) -> int:
        typ = memory_type(self._graph.type(value))
        if isinstance(typ, types.Transcript):
            return 0  # of the host's memory
        return block_bytes(types.size(typ, self._graph.curve_record), ALIGNMENT)
