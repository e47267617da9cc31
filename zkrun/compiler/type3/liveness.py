"""When each value of a scheduled graph is needed, and where.

Positions are indices of vertices; the result is needed at the position behind the last one, on the
CPU. Views are not values of their own: a use of a view is one of what it views, its base.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value
from zkrun.compiler.type2.types import memory_type
from zkrun.compiler.type3.chunk import PolyMeta, Rotated, Sliced
from zkrun.program import types

__all__ = ["Liveness", "Viewed", "is_rotated_slice", "liveness"]


@dataclass(frozen=True, slots=True)
class Viewed:
    """A value as a view of its base: rotations and slices, the innermost first."""

    base: Value
    metas: tuple[PolyMeta, ...] = ()


@dataclass(slots=True)
class Liveness:
    """`views` has every value; `uses` the ascending positions at which one is needed, on any
    device and by device, of bases with all their views and of views by themselves."""

    views: dict[Value, Viewed] = field(default_factory=dict)
    uses: dict[Value, list[int]] = field(default_factory=dict)
    uses_on: dict[Value, dict[str, list[int]]] = field(default_factory=dict)

    def used_after(self, value: Value, position: int) -> bool:
        """Whether a value is needed behind a position."""
        uses = self.uses.get(value)
        return bool(uses) and uses[-1] > position  # type: ignore[index]  # bool() says it is a list

    def next_use(self, value: Value, device: str, position: int) -> float:
        """The first position from `position` on where a device needs a value; infinity if none."""
        uses = self.uses_on.get(value, {}).get(device, ())
        at = bisect_left(uses, position)
        return uses[at] if at < len(uses) else float("inf")

    def ends(self, value: Value, operands: Sequence[Value], position: int) -> bool:
        """Whether nobody needs an operand behind a position, where it is taken once and whole."""
        viewed = self.views[value]
        if viewed.metas or self.used_after(viewed.base, position):
            return False
        return sum(self.views[operand].base == viewed.base for operand in operands) == 1

    def devices(self, value: Value) -> tuple[str, ...]:
        """The devices that need a value."""
        return tuple(self.uses_on.get(value, ()))

    def _note(self, value: Value, device: str, position: int) -> None:
        self.uses.setdefault(value, []).append(position)
        self.uses_on.setdefault(value, {}).setdefault(device, []).append(position)


def liveness(graph: Graph, devices: Sequence[str]) -> Liveness:
    """The liveness of a graph whose vertices run in order on these devices."""
    found = Liveness()
    for index, vertex in enumerate(graph.vertices):
        view = vertex.operation
        operand = found.views[vertex.operands[0]] if view.is_view else Viewed(Value(index))
        if view.is_view and not is_rotated_slice(view, operand):
            n = types.length(memory_type(graph.type(vertex.operands[0])))
            found.views[Value(index)] = Viewed(operand.base, _extend(operand.metas, view, n))
            continue
        for operand_value in dict.fromkeys(vertex.operands):
            viewed = found.views[operand_value]
            found._note(viewed.base, devices[index], index)
            if viewed.metas:
                found._note(operand_value, devices[index], index)
        for output in range(len(vertex.types)):
            found.views[Value(index, output)] = Viewed(Value(index, output))
    end = len(graph.vertices)
    for result in dict.fromkeys(graph.results()):
        viewed = found.views[result]
        found._note(viewed.base, "cpu", end)
        if viewed.metas:
            found._note(result, "cpu", end)
    return found


def is_rotated_slice(operation: op.Operation, operand: Viewed) -> bool:
    """Whether a rotation is of a part of an array, which no view is: it is copied."""
    sliced = any(isinstance(meta, Sliced) for meta in operand.metas)
    return sliced and isinstance(operation, op.Rotate)


def _extend(metas: tuple[PolyMeta, ...], view: op.Operation, n: int) -> tuple[PolyMeta, ...]:
    """The views of an operand with one more; `n` is the length of the operand."""
    match view:
        case op.Rotate(by=by):
            if metas and isinstance(metas[-1], Rotated):
                by += metas[-1].by
                metas = metas[:-1]
            by %= max(n, 1)
            return (*metas, Rotated(by)) if by else metas
        case op.Slice(start=start, end=end):
            return metas if end - start == n else (*metas, Sliced(start, end))
        case _:
            return metas
