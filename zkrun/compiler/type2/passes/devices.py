"""Where each vertex runs: on the kind of device that takes least time, and of several GPUs on the
one that is done first.

The time of a vertex is that of its call by the cost that its function states, at the rates of the
machine, with the copies of its operands to the device, and of its results to where they are needed
next. So the work of arrays goes to a GPU unless copying takes longer than what it saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from zkrun.analysis.cost import Field, Task
from zkrun.analysis.rates import Rates
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import uses_of
from zkrun.compiler.type2.placement import may_run_on
from zkrun.compiler.type2.types import ValueType, memory_type
from zkrun.compiler.type3.calls import lower
from zkrun.compiler.type3.chunk import gpu
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.signature import Cost
from zkrun.program.types import Point, PointArray, size

__all__ = ["choose_devices"]

_LATENCY = 10e-6
"""Seconds until a copy begins."""


def choose_devices(graph: Graph, devices: Sequence[str], rates: Rates) -> Graph:
    """Puts every vertex that has no device yet on one of these (the CPU is always there).

    Views, inputs, constants and numbers run nowhere and keep None.
    """
    gpus = [device for device in devices if gpu(device)]
    chooser = _Chooser(graph, gpus, rates)
    return replace(graph, vertices=tuple(map(chooser.vertex, range(len(graph.vertices)))))


class _Chooser:
    def __init__(self, graph: Graph, gpus: Sequence[str], rates: Rates) -> None:
        self.graph = graph
        self.gpus = gpus
        self.rates = rates
        self.sizes = [
            [size(memory_type(typ), graph.curve_record) for typ in vertex.types]
            for vertex in graph.vertices
        ]
        self.wanted = self._wanted()
        self.base = self._bases()
        self.at: dict[Value, dict[str, float]] = {}  # where values are, and from when on
        self.free = dict.fromkeys(("cpu", *gpus), 0.0)

    def vertex(self, index: int) -> Vertex:
        vertex = self.graph.vertices[index]
        operation = vertex.operation
        if operation.is_view:
            return vertex
        results = [Value(index, output) for output in range(len(vertex.types))]
        if isinstance(operation, op.Input | op.Constant | op.Number):
            self.at[results[0]] = {"cpu": 0.0}
            return vertex
        device = vertex.device or self._choose(index, vertex)
        done = self._done(vertex, device)
        for value in {self.base[operand] for operand in vertex.operands}:
            self.at[value].setdefault(device, done)
        for result in results:
            self.at[result] = {device: done}
        self.free[device] = done
        return replace(vertex, device=device)

    def _choose(self, index: int, vertex: Vertex) -> str:
        gpus = [one for one in self.gpus if may_run_on(self.graph, vertex, one)]
        if not gpus:
            return "cpu"
        home = min(gpus, key=lambda device: self._copies(vertex, device))
        if self._alone(index, vertex, "cpu") < self._alone(index, vertex, home):
            return "cpu"
        # Another GPU is taken only if that pays for what has to go there and to come back.
        back = sum(self.sizes[index]) / self._link(home, home)

        def finished(device: str) -> float:
            return self._done(vertex, device) + (device != home) * (_LATENCY + back)

        return min(gpus, key=lambda device: (finished(device), device != home))

    def _alone(self, index: int, vertex: Vertex, device: str) -> float:
        """Seconds for a vertex with its copies, if nothing else were to be done."""
        seconds = self._copies(vertex, device) + self._seconds(vertex, device)
        for nbytes, wanted in zip(self.sizes[index], self.wanted[index], strict=True):
            others = [one for one in ("cpu", "gpu") if one in wanted and one != _kind(device)]
            seconds += sum(_LATENCY + nbytes / self._link(device, other) for other in others)
        return seconds

    def _copies(self, vertex: Vertex, device: str) -> float:
        """Seconds to bring the operands that are not there, of views no more than they show."""
        return sum(
            _LATENCY + self.sizes[one.vertex][one.output] / self._link(self._nearest(one), device)
            for one in dict.fromkeys(vertex.operands)
            if device not in self.at[self.base[one]]
        )

    def _done(self, vertex: Vertex, device: str) -> float:
        """When a vertex would be done on a device, behind all that is planned there."""
        ready = max((min(self.at[self.base[one]].values()) for one in vertex.operands), default=0.0)
        start = max(self.free[device], ready + self._copies(vertex, device))
        return start + self._seconds(vertex, device)

    def _seconds(self, vertex: Vertex, device: str) -> float:
        operands = tuple(self.graph.type(value) for value in vertex.operands)
        field, cost = _cost(vertex.operation, operands, vertex.types, self.graph.curve)
        task = Task("", None, device, field, cost.multiplications, cost.bytes)  # type: ignore[arg-type]  # when it runs is not asked
        return self.rates.seconds(task)

    def _nearest(self, value: Value) -> str:
        places = self.at[self.base[value]]
        return min(places, key=lambda device: (device == "cpu", device))

    def _link(self, source: str, target: str) -> float:
        return self.rates.link(source, target) or float("inf")

    def _wanted(self) -> list[list[set[str]]]:
        """By result the kinds of device that need it: the CPU where nothing else will do."""
        uses = uses_of(self.graph)
        able = [
            bool(self.gpus) and may_run_on(self.graph, vertex, self.gpus[0])
            for vertex in self.graph.vertices
        ]
        found: list[list[set[str]]] = [[set() for _ in v.types] for v in self.graph.vertices]
        for index in range(len(found) - 1, -1, -1):
            for output, wanted in enumerate(found[index]):
                for user in uses.get(Value(index, output), ()):
                    if user >= 0 and self.graph.vertices[user].operation.is_view:
                        wanted |= found[user][0]
                    else:
                        wanted.add("gpu" if user >= 0 and able[user] else "cpu")
        return found

    def _bases(self) -> Mapping[Value, Value]:
        """By value the one whose memory it is."""
        found: dict[Value, Value] = {}
        for index, vertex in enumerate(self.graph.vertices):
            for output in range(len(vertex.types)):
                value = Value(index, output)
                view = vertex.operation.is_view
                found[value] = found[vertex.operands[0]] if view else value
        return found


@lru_cache(maxsize=4096)
def _cost(
    operation: op.Operation,
    operands: tuple[ValueType, ...],
    results: tuple[ValueType, ...],
    curve: str,
) -> tuple[Field, Cost]:
    """The cost of an operation: of functions as they state it, of others the bytes of results."""
    from zkrun.algebra.curves import CURVES

    record = CURVES[curve]
    typs = tuple(map(memory_type, results))
    lowered = lower(operation, operands, results)
    if lowered is None:
        return "scalar", Cost(bytes=2 * sum(size(typ, record) for typ in typs))
    call, _ = resolve_call(
        FunctionEntry(lowered.function, dict(lowered.params)),
        record,
        typs,
        tuple(memory_type(operands[index]) for index in lowered.reads),
    )
    points = any(isinstance(typ, Point | PointArray) for typ in typs)
    return "base" if points else "scalar", call.signature.cost(call) if call else Cost()


def _kind(device: str) -> str:
    return device.partition(":")[0]
