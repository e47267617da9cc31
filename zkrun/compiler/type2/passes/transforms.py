"""Transforms: pairs that undo each other go, and linear work is done where it is least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter, uses_of
from zkrun.compiler.type2.passes.transform import Transform, transform_of
from zkrun.compiler.type2.types import Poly

__all__ = ["cancel_transforms", "mend_transforms"]

_ARITHMETIC = op.Add | op.Subtract | op.Multiply | op.Negate | op.Power | op.Fused


def cancel_transforms(graph: Graph) -> Graph:
    """A transform and its inverse over the same coset, one behind the other, are nothing."""
    rewriter = Rewriter(graph)
    for index, vertex in enumerate(graph.vertices):
        inner = _undone(rewriter, vertex, rewriter.operands(index))
        if inner is None:
            rewriter.keep(index)
        else:
            rewriter.put(Value(index), inner)
    return rewriter.finish()


def _undone(rewriter: Rewriter, vertex: Vertex, operands: Sequence[Value]) -> Value | None:
    """What a transform gives back, where its operand is the transform that it undoes."""
    outer = transform_of(vertex)
    if outer is None:
        return None
    before = rewriter.builder.vertices[operands[0].vertex]
    inner = transform_of(before)
    if inner is None or inner.coset != outer.coset or inner.inverse == outer.inverse:
        return None
    value = before.operands[0]
    return value if rewriter.type(value) == vertex.types[0] else None


def mend_transforms(graph: Graph) -> Graph:
    """What is linear is moved through what is linear, by values that nothing else takes:

    - T(a) + T(b) becomes T(a + b), scaled by scalars or not: one transform less;
    - T(s·f) becomes s·T(f) where arithmetic takes the result, which then does the scaling;
    - f(x) of s·f becomes s·f(x), and that of f with zeros behind f(x), as its commitment does.

    Pairs that undo each other go as well.
    """
    mender = _Mender(graph)
    for index in range(len(graph.vertices)):
        mender.vertex(index)
    return mender.rewriter.finish()


class _Scaling(NamedTuple):
    """Multiplies by a scalar, or negates where there is none."""

    scalar: Value | None

    def apply(self, rewriter: Rewriter, value: Value, like: Vertex) -> Value:
        if self.scalar is None:
            return rewriter.add(op.Negate(), (value,), like)
        return rewriter.add(op.Multiply(), (value, self.scalar), like)


class _Scaled(NamedTuple):
    """A transform of `inner`, and the scalings behind it."""

    transform: Transform
    inner: Value
    scalings: tuple[_Scaling, ...]


class _Mender:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.uses = uses_of(graph)
        self.single: set[Value] = set()  # new values that one vertex takes once

    def vertex(self, index: int) -> None:
        vertex = self.graph.vertices[index]
        operands = self.rewriter.operands(index)
        fresh = len(self.rewriter.builder.vertices)
        found = _undone(self.rewriter, vertex, operands)
        if found is None:
            found = self._better(index, vertex, operands)
        if found is None:
            found = self.rewriter.keep(index)
        else:
            self.rewriter.put(Value(index), found)
        uses = self.uses.get(Value(index), [])
        if len(uses) == 1 and uses[0] >= 0 and found.vertex >= fresh:
            self.single.add(found)
        else:
            self.single.discard(found)

    def _better(self, index: int, vertex: Vertex, operands: Sequence[Value]) -> Value | None:
        operation = vertex.operation
        if isinstance(operation, op.Add | op.Subtract):
            return self._sum(vertex, *operands)
        if transform_of(vertex) is not None:
            return self._scaled_transform(index, vertex, operands[0])
        match operation:
            case op.Call(function="evaluate"):
                return self._evaluation(vertex, *operands)
            case op.Call(function="msm"):
                return self._commitment(index, operands)
        return None

    def _sum(self, vertex: Vertex, a: Value, b: Value) -> Value | None:
        """T(a) ± T(b) as T(a ± b)."""
        one, other = self._peel(a), self._peel(b)
        if one is None or other is None or a == b or one.transform != other.transform:
            return None
        typ, like = self.rewriter.type(one.inner), self.rewriter.type(other.inner)
        if typ != like:
            return None
        terms = []
        for part in (one, other):
            value = part.inner
            for scaling in part.scalings:
                value = scaling.apply(self.rewriter, value, vertex)
            terms.append(value)
        total = self.rewriter.add(vertex.operation, terms, vertex)
        return self.rewriter.add(one.transform.operation, (total,), vertex)

    def _peel(self, value: Value) -> _Scaled | None:
        """The transform that a value is, times scalars, all of it taken by nothing else."""
        scalings: list[_Scaling] = []
        while value in self.single:
            vertex = self.rewriter.builder.vertices[value.vertex]
            transform = transform_of(vertex)
            if transform is not None:
                return _Scaled(transform, vertex.operands[0], tuple(reversed(scalings)))
            scaled = self._scaling(vertex)
            if scaled is None:
                return None
            value, scaling = scaled
            scalings.append(scaling)
        return None

    def _scaling(self, vertex: Vertex) -> tuple[Value, _Scaling] | None:
        """A polynomial that a vertex scales, and how."""
        if not isinstance(vertex.types[0], Poly):
            return None
        if isinstance(vertex.operation, op.Negate):
            return vertex.operands[0], _Scaling(None)
        if isinstance(vertex.operation, op.Multiply):
            a, b = vertex.operands
            if not isinstance(self.rewriter.type(b), Poly):
                return a, _Scaling(b)
            if not isinstance(self.rewriter.type(a), Poly):
                return b, _Scaling(a)
        return None

    def _scaled_transform(self, index: int, vertex: Vertex, operand: Value) -> Value | None:
        """T(s·f) as s·T(f), where the scaling costs nothing behind and something before."""
        if operand not in self.single:
            return None
        scaled = self._scaling(self.rewriter.builder.vertices[operand.vertex])
        if scaled is None:
            return None
        inner, scaling = scaled
        if isinstance(self.rewriter.builder.vertices[inner.vertex].operation, _ARITHMETIC):
            return None
        for user in self.uses.get(Value(index), []):
            if user < 0 or not isinstance(self.graph.vertices[user].operation, _ARITHMETIC):
                return None
        transformed = self.rewriter.add(vertex.operation, (inner,), vertex)
        return scaling.apply(self.rewriter, transformed, vertex)

    def _evaluation(self, vertex: Vertex, a: Value, x: Value) -> Value | None:
        short = self._unpadded(a)
        before = self.rewriter.builder.vertices[short.vertex]
        scaled = self._scaling(before) if short in self.single else None
        if scaled is None:
            if short == a:
                return None
            return self.rewriter.add(vertex.operation, (short, x), vertex)
        inner, scaling = scaled
        value = self.rewriter.add(vertex.operation, (inner, x), vertex)
        return scaling.apply(self.rewriter, value, vertex)

    def _commitment(self, index: int, operands: Sequence[Value]) -> Value | None:
        short = [operands[0], *map(self._unpadded, operands[1:])]
        if short == list(operands):
            return None
        return self.rewriter.keep(index, short)

    def _unpadded(self, value: Value) -> Value:
        """The array that a value is, without the zeros behind it."""
        vertex = self.rewriter.builder.vertices[value.vertex]
        if isinstance(vertex.operation, op.Concatenate) and len(vertex.operands) == 1:
            part = vertex.operands[0]
            typ = self.rewriter.type(part)
            if isinstance(typ, Poly) and typ.form == self._form(value):
                return part
        return value

    def _form(self, value: Value) -> str | None:
        typ = self.rewriter.type(value)
        return typ.form if isinstance(typ, Poly) else None
