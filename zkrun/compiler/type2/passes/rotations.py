"""Views: rotations, slices and other forms are put where they cost nothing.

A view is the memory of what it views. Here views of views become one, views of what has just been
put together become its parts, and a view of arithmetic that nothing else takes becomes arithmetic
of views, so that it does not end a region that could be fused.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter, uses_of
from zkrun.compiler.type2.types import Poly

__all__ = ["place_views"]

_DEEPEST = 100
"""Levels of arithmetic that a view is taken through."""

_ARITHMETIC = op.Add | op.Subtract | op.Multiply | op.Negate | op.Power | op.Invert


def place_views(graph: Graph) -> Graph:
    """Takes views to the operands of arithmetic, and makes the fewest of them."""
    return _Placer(graph).placed()


class _Placer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.uses = uses_of(graph)
        self.single: set[Value] = set()

    def placed(self) -> Graph:
        for index, vertex in enumerate(self.graph.vertices):
            fresh = len(self.rewriter.builder.vertices)
            found = self._better(vertex, self.rewriter.operands(index))
            if found is None:
                found = self.rewriter.keep(index)
            else:
                self.rewriter.put(Value(index), found)
            uses = self.uses.get(Value(index), [])
            if len(uses) == 1 and uses[0] >= 0 and found.vertex >= fresh:
                self.single.add(found)
            else:
                self.single.discard(found)
        return self.rewriter.finish()

    def _better(self, vertex: Vertex, operands: Sequence[Value]) -> Value | None:
        match vertex.operation:
            case op.Rotate(by=by):
                return self._rotate(operands[0], by, vertex)
            case op.Slice(start=start, end=end):
                return self._slice(operands[0], start, end, vertex)
            case op.View():
                return self._view(operands[0], vertex)
            case op.Element(index=index):
                return self._element(operands[0], index, vertex)
            case op.Concatenate():
                only = len(operands) == 1 and self.rewriter.type(operands[0]) == vertex.types[0]
                return operands[0] if only else None
            case op.Update():
                return self._update(vertex, *operands)
        return None

    def _before(self, value: Value) -> Vertex:
        return self.rewriter.builder.vertices[value.vertex]

    def _poly(self, value: Value) -> Poly:
        typ = self.rewriter.type(value)
        assert isinstance(typ, Poly)
        return typ

    # -- rotations ---------------------------------------------------------------------------

    def _rotate(self, value: Value, by: int, like: Vertex, levels: int = _DEEPEST) -> Value:
        """The rotation of a value by the least number of elements to the left."""
        before = self._before(value)
        n = self._poly(value).n
        if isinstance(before.operation, op.Rotate):
            by += before.operation.by
            value = before.operands[0]
            before = self._before(value)
        by = by % n if n else 0
        if by == 0:
            return value
        if levels and value in self.single and self._is_plain(before):
            operands = [
                self._rotate(one, by, like, levels - 1)
                if isinstance(self.rewriter.type(one), Poly)
                else one
                for one in before.operands
            ]
            return self.rewriter.add(before.operation, operands, before)
        return self.rewriter.add(op.Rotate(by), (value,), like)

    def _is_plain(self, vertex: Vertex) -> bool:
        """Whether a vertex is arithmetic element by element, of operands as long as the result."""
        if not isinstance(vertex.operation, _ARITHMETIC):
            return False
        types = [self.rewriter.type(one) for one in vertex.operands]
        return all(typ == vertex.types[0] for typ in types if isinstance(typ, Poly))

    # -- slices and other forms --------------------------------------------------------------

    def _slice(
        self, value: Value, start: int, end: int, like: Vertex, levels: int = _DEEPEST
    ) -> Value | None:
        typ = self.rewriter.type(value)
        if not isinstance(typ, Poly):
            before = self._before(value)
            if isinstance(before.operation, op.Slice):
                inner, first = before.operands[0], before.operation.start
                return self.rewriter.add(op.Slice(first + start, first + end), (inner,), like)
            return value if self.rewriter.type(value) == like.types[0] else None
        if end - start == typ.n:
            return value
        if start == end:
            return None
        before = self._before(value)
        match before.operation:
            case op.Slice(start=first):
                return self._slice(before.operands[0], first + start, first + end, like)
            case op.Concatenate():
                found = self._part(before, start, end)
                if found is not None:
                    part, first = found
                    return self._as(self._sliced(part, start - first, end - first, like), like)
            case op.Update(start=first):
                a, part = before.operands
                n = self._poly(part).n
                if end <= first or first + n <= start:
                    return self._slice(a, start, end, like)
                if first <= start and end <= first + n:
                    return self._as(self._sliced(part, start - first, end - first, like), like)
        if levels and value in self.single and self._is_plain(before):
            operands = [
                self._sliced(one, start, end, like, levels - 1)
                if isinstance(self.rewriter.type(one), Poly)
                else one
                for one in before.operands
            ]
            return self.rewriter.add(before.operation, operands, before)
        return self.rewriter.add(op.Slice(start, end), (value,), like)

    def _sliced(
        self, value: Value, start: int, end: int, like: Vertex, levels: int = _DEEPEST
    ) -> Value:
        found = self._slice(value, start, end, like, levels)
        return self.rewriter.add(op.Slice(start, end), (value,), like) if found is None else found

    def _part(self, vertex: Vertex, start: int, end: int) -> tuple[Value, int] | None:
        """The operand of a Concatenate in which a range lies, and where that begins."""
        first = 0
        for part in vertex.operands:
            n = self._poly(part).n
            if first <= start and end <= first + n:
                return part, first
            first += n
        return None

    def _as(self, value: Value, like: Vertex) -> Value:
        """The value as the polynomial that a vertex gives."""
        typ = like.types[0]
        assert isinstance(typ, Poly)
        if self.rewriter.type(value) == typ:
            return value
        return self.rewriter.add(op.View(typ.form, typ.coset), (value,), like)

    def _view(self, value: Value, like: Vertex) -> Value:
        before = self._before(value)
        if isinstance(before.operation, op.View):
            value = before.operands[0]
        return self._as(value, like)

    # -- elements and parts ------------------------------------------------------------------

    def _element(self, value: Value, index: int, like: Vertex) -> Value | None:
        """One element, of the array in which it lies."""
        first = (value, index)
        while True:
            before = self._before(value)
            match before.operation:
                case op.Rotate(by=by):
                    value, index = before.operands[0], (index + by) % self._poly(value).n
                case op.Slice(start=start):
                    value, index = before.operands[0], index + start
                case op.View():
                    value = before.operands[0]
                case op.Concatenate():
                    found = self._part(before, index, index + 1)
                    if found is None:
                        return self.rewriter.number(0, like)
                    value, index = found[0], index - found[1]
                case op.Update(start=start):
                    a, part = before.operands
                    inside = start <= index < start + self._poly(part).n
                    value, index = (part, index - start) if inside else (a, index)
                case op.Call(function="assemble_poly"):
                    return before.operands[index]
                case _:
                    break
        if (value, index) == first:
            return None
        return self.rewriter.add(op.Element(index), (value,), like)

    def _update(self, vertex: Vertex, a: Value, part: Value) -> Value | None:
        """Nothing where the part is empty, the part where it is everything."""
        n = self._poly(part).n
        if n == 0:
            return a
        return self._as(part, vertex) if n == self._poly(a).n else None
