"""What is known when the program is compiled is not computed when it runs.

Known are numbers, and polynomials all of whose elements are one number: those that `fill` makes.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter, zeros
from zkrun.compiler.type2.passes.transform import transform_of
from zkrun.compiler.type2.types import Poly

__all__ = ["fold_constants"]


def fold_constants(graph: Graph) -> Graph:
    """Arithmetic of known numbers is done, and x·1, x + 0, x·0, x^1 and their like are no work."""
    folder = _Folder(graph)
    for index in range(len(graph.vertices)):
        folder.vertex(index)
    return folder.rewriter.finish()


class _Folder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.r = self.rewriter.builder.curve.r
        self.known: dict[Value, int] = {}  # numbers, and the element of filled polynomials

    def vertex(self, index: int) -> None:
        vertex = self.graph.vertices[index]
        operands = self.rewriter.operands(index)
        found = self._simpler(vertex, operands)
        if found is None:
            self._note(vertex, self.rewriter.keep(index))
        else:
            self.rewriter.put(Value(index), found)
            self._note(self.rewriter.builder.vertices[found.vertex], found)

    def _note(self, vertex: Vertex, value: Value) -> None:
        match vertex.operation:
            case op.Number(value=number):
                self.known[value] = number
            case op.Call(function="fill"):
                filled = {"zero": 0, "one_lagrange": 1}
                number_of = filled.get(vertex.operation.parameters()["value"])
                if number_of is not None:
                    self.known[value] = number_of

    def _simpler(self, vertex: Vertex, operands: Sequence[Value]) -> Value | None:
        """A value that is what the vertex gives, for less; None to keep it."""
        match vertex.operation:
            case op.Add():
                return self._add(vertex, *operands)
            case op.Subtract():
                return self._subtract(vertex, *operands)
            case op.Multiply():
                return self._multiply(vertex, *operands)
            case op.Negate():
                return self._negate(vertex, *operands)
            case op.Power(exponent=exponent):
                return self._power(vertex, operands[0], exponent)
            case op.Invert():
                return self._invert(vertex, operands[0])
            case op.Rotate():
                return operands[0] if operands[0] in self.known else None
            case op.Element():
                number = self.known.get(operands[0])
                return None if number is None else self.rewriter.number(number, vertex)
            case op.Call():
                return self._call(vertex, operands)
            case _:
                return None

    # -- arithmetic --------------------------------------------------------------------------

    def _add(self, vertex: Vertex, a: Value, b: Value) -> Value | None:
        u, v = self._uniform(vertex, a), self._uniform(vertex, b)
        if u is not None and v is not None:
            return self._constant(vertex, u + v)
        if u == 0:
            return self._extended(vertex, b)
        if v == 0:
            return self._extended(vertex, a)
        return self._with_numbers(vertex, a, b)

    def _subtract(self, vertex: Vertex, a: Value, b: Value) -> Value | None:
        u, v = self._uniform(vertex, a), self._uniform(vertex, b)
        if u is not None and v is not None:
            return self._constant(vertex, u - v)
        if a == b:
            return self._constant(vertex, 0)
        if v == 0:
            return self._extended(vertex, a)
        if u == 0 and self._is_alike(vertex, b):
            return self._new(op.Negate(), (b,), vertex)
        return self._with_numbers(vertex, a, b)

    def _multiply(self, vertex: Vertex, a: Value, b: Value) -> Value | None:
        u, v = self.known.get(a), self.known.get(b)
        if u is not None and v is not None:
            return self._constant(vertex, u * v)
        if u is not None:
            a, b, u, v = b, a, v, u
        if v == 0:
            return self._constant(vertex, 0)
        if v == 1 and self._is_alike(vertex, a):
            return a
        if v == self.r - 1 and self._is_alike(vertex, a):
            return self._new(op.Negate(), (a,), vertex)
        return self._with_numbers(vertex, a, b)

    def _negate(self, vertex: Vertex, a: Value) -> Value | None:
        if (u := self.known.get(a)) is not None:
            return self._constant(vertex, -u)
        inner = self.rewriter.builder.vertices[a.vertex]
        return inner.operands[0] if isinstance(inner.operation, op.Negate) else None

    def _power(self, vertex: Vertex, a: Value, exponent: int) -> Value | None:
        if exponent == 0:
            return self._constant(vertex, 1)
        if (u := self.known.get(a)) is not None:
            return self._constant(vertex, pow(u, exponent, self.r))
        return a if exponent == 1 else None

    def _invert(self, vertex: Vertex, a: Value) -> Value | None:
        u = self.known.get(a)
        if u is not None and (u or isinstance(vertex.types[0], Poly)):  # 1/0 fails the run
            return self._constant(vertex, pow(u, -1, self.r) if u else 0)
        inner = self.rewriter.builder.vertices[a.vertex]
        twice = isinstance(inner.operation, op.Invert) and isinstance(vertex.types[0], Poly)
        return inner.operands[0] if twice else None

    # -- functions ---------------------------------------------------------------------------

    def _call(self, vertex: Vertex, operands: Sequence[Value]) -> Value | None:
        assert isinstance(vertex.operation, op.Call)
        typ = vertex.types[0]
        match vertex.operation.function:
            case "ntt" if transform_of(vertex) is not None and isinstance(typ, Poly):
                if self.known.get(operands[0]) == 0:
                    return self.rewriter.add(zeros(typ), (), vertex)
                if typ.n == 1:  # the value of a constant anywhere is that constant
                    return self.rewriter.add(op.View(typ.form, typ.coset), operands, vertex)
            case "evaluate":
                a, x = operands
                poly = self.rewriter.type(a)
                assert isinstance(poly, Poly)
                if poly.n == 0 or self.known.get(a) == 0:
                    return self.rewriter.number(0, vertex)
                if poly.n == 1 or self.known.get(x) == 0:
                    return self.rewriter.add(op.Element(0), (a,), vertex)
        return None

    # -- pieces ------------------------------------------------------------------------------

    def _is_alike(self, vertex: Vertex, value: Value) -> bool:
        return self.rewriter.type(value) == vertex.types[0]

    def _uniform(self, vertex: Vertex, value: Value) -> int | None:
        """The number that stands for every element of an operand of a sum."""
        number = self.known.get(value)
        typ, own = self.rewriter.type(value), vertex.types[0]
        shorter = isinstance(typ, Poly) and isinstance(own, Poly) and typ.n < own.n
        return None if shorter and number != 0 else number

    def _extended(self, vertex: Vertex, value: Value) -> Value | None:
        """The operand itself where the other one is zero, with zeros behind if it is shorter."""
        if self._is_alike(vertex, value):
            return value
        typ = vertex.types[0]
        if not isinstance(typ, Poly) or not isinstance(self.rewriter.type(value), Poly):
            return None
        return self.rewriter.add(op.Concatenate(typ.n), (value,), vertex)

    def _constant(self, vertex: Vertex, number: int) -> Value | None:
        """A number, or a polynomial of it where `fill` has one."""
        typ, number = vertex.types[0], number % self.r
        if not isinstance(typ, Poly):
            return self.rewriter.number(number, vertex)
        if number == 0:
            return self.rewriter.add(zeros(typ), (), vertex)
        if number == 1:
            ones = op.call("fill", {"value": "one_lagrange"}, [typ])
            return self.rewriter.add(ones, (), vertex)
        return None

    def _with_numbers(self, vertex: Vertex, a: Value, b: Value) -> Value | None:
        """The operation with a number in place of a filled polynomial; None if there is none."""
        typ = vertex.types[0]
        if not isinstance(typ, Poly) or typ.form != "lagrange":
            return None
        taken = [
            self.rewriter.number(self.known[one], vertex)
            if one in self.known and isinstance(self.rewriter.type(one), Poly)
            else one
            for one in (a, b)
        ]
        if taken == [a, b] or not any(isinstance(self.rewriter.type(one), Poly) for one in taken):
            return None
        return self.rewriter.add(vertex.operation, taken, vertex)

    def _new(self, operation: op.Operation, operands: Sequence[Value], vertex: Vertex) -> Value:
        return self.rewriter.add(operation, operands, vertex)
