"""Large domains are worked on class by class, so that no array is as long as the domain.

The N values of a polynomial over the coset g·ω^i fall into e classes: class j has those at
g·ω^j·(ω^e)^t, t = 0 … N/e − 1, which is a coset of its own, h_j = g·ω^j. On it
f mod (X^(N/e) − h_j^(N/e)) has the values of f, so a transform of N elements becomes e of N/e, and
what is element by element stays so. Back: the N/e coefficients u_j of each class are

    u_j = Σ_i h_j^(i·N/e)·f_i = Σ_i ω_e^(ij)·(g^(N/e))^i·f_i,    ω_e = ω^(N/e),

for the pieces f_i of N/e coefficients of f, which a transform of e elements undoes, index by index.
It takes no more multiplications than the transform of N elements, whose first or last levels it is
(Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.padding import unpadded
from zkrun.compiler.type2.passes.rewrite import Rewriter, uses_of
from zkrun.compiler.type2.passes.transform import Transform, transform_of
from zkrun.compiler.type2.types import Poly
from zkrun.program.functions.transform import default_root

__all__ = ["split_domains"]

_ELEMENT_WISE = op.Add | op.Subtract | op.Multiply | op.Negate | op.Power | op.Invert
_MOST_POWERS = 64
"""Elements of an array of repeated factors that is taken apart."""

_ARRAYS = 8
"""Arrays that one vertex has at hand."""

_BYTES = 32
_LEAST = 16
"""Elements of a class."""

_MOST_CLASSES = 16
"""Classes for lack of memory: each pair of them is a term of the way back."""


def split_domains(graph: Graph, most: int | None) -> Graph:
    """Splits the domains that are larger than the polynomials that come to them, to their length,
    and further while eight arrays take more than `most` bytes; nothing where that is None.

    Values that something needs in their natural order, as a whole, are left as they are, and so is
    all arithmetic with them.
    """
    if most is None:
        return graph
    classes = _classes(graph, most)
    if not any(count > 1 for count in classes.values()):
        return graph
    splitter = _Splitter(graph, classes)
    for index, vertex in enumerate(graph.vertices):
        splitter.vertex(index, vertex)
    return splitter.rewriter.finish()


# -- what is split, and into how many classes ------------------------------------------------------


def _classes(graph: Graph, most: int) -> dict[Value, int]:
    """The classes of each polynomial: of all that arithmetic joins the same number, or none.

    Values are joined by arithmetic and rotations; the group is split if each of its values comes
    from a transform or from arithmetic, and goes to arithmetic or to an inverse transform.
    """
    groups = _Groups()
    whole: set[Value] = set()  # one of a group is enough to keep it
    for index, vertex in enumerate(graph.vertices):
        result = Value(index)
        polys = [value for value in vertex.operands if isinstance(graph.type(value), Poly)]
        joined = _joined(graph, vertex, polys)
        if joined is None:
            whole.update(polys)
            whole.update(Value(index, output) for output in range(len(vertex.types)))
            continue
        for value in joined:
            groups.join(result, value)
        transform = transform_of(vertex)
        if transform is None:
            whole.update(value for value in polys if value not in joined)
        else:  # coefficients are never split
            whole.add(result if transform.inverse else polys[0])
    whole.update(graph.results())
    kept = {groups.of(value) for value in whole}
    found: dict[Value, int] = {}
    longest = _longest(graph, groups)
    for index, vertex in enumerate(graph.vertices):
        typ, value = vertex.types[0], Value(index)
        group = groups.of(value)
        if isinstance(typ, Poly) and typ.form == "lagrange" and group not in kept:
            found[value] = _count(typ.n, longest.get(group, typ.n), most)
    return found


def _longest(graph: Graph, groups: _Groups) -> dict[Value, int]:
    """By group the coefficients of the longest polynomial that is transformed to it."""
    found: dict[Value, int] = {}
    for index, vertex in enumerate(graph.vertices):
        transform = transform_of(vertex)
        if transform is not None and not transform.inverse:
            group = groups.of(Value(index))
            _, n = _unpadded(graph, vertex.operands[0])
            found[group] = max(n, found.get(group, 1))
    return found


def _unpadded(graph: Graph, value: Value) -> tuple[Value, int]:
    """What a value is with zeros behind, and its length."""
    value = unpadded(graph.vertices, value)
    typ = graph.type(value)
    assert isinstance(typ, Poly)
    return value, typ.n


def _joined(graph: Graph, vertex: Vertex, polys: Sequence[Value]) -> Sequence[Value] | None:
    """The operands that are split as the result is; None where the operation needs them whole."""
    typ = vertex.types[0]
    match vertex.operation:
        case op.Add() | op.Subtract() | op.Multiply() | op.Negate() | op.Power() | op.Invert():
            return polys if isinstance(typ, Poly) and typ.form == "lagrange" else None
        case op.Rotate():
            return polys
        case op.Call(function="distribute_powers"):
            powers = graph.type(vertex.operands[1])
            fits = isinstance(powers, Poly) and 0 < powers.n <= _MOST_POWERS
            return polys[:1] if fits and polys[0] != polys[1] else None
        case op.Call() if transform_of(vertex) is not None:
            return ()
        case _:
            return None


def _count(n: int, longest: int, most: int) -> int:
    """How many classes are no longer than any polynomial, and make eight arrays fit."""
    count = 1
    while n // (2 * count) >= max(longest, _LEAST):
        count *= 2
    while (
        n // count * _BYTES * _ARRAYS > most
        and n // (2 * count) >= _LEAST
        and count < _MOST_CLASSES
    ):
        count *= 2
    return count if n & (n - 1) == 0 else 1


class _Groups:
    """Disjoint sets of values."""

    def __init__(self) -> None:
        self._above: dict[Value, Value] = {}

    def of(self, value: Value) -> Value:
        """The value that stands for the set of this one."""
        path = []
        while (above := self._above.get(value, value)) != value:
            path.append(value)
            value = above
        for one in path:
            self._above[one] = value
        return value

    def join(self, one: Value, other: Value) -> None:
        self._above[self.of(one)] = self.of(other)


# -- the new graph -----------------------------------------------------------------------------


class _Splitter:
    """Writes the graph anew; of a value that is split `parts` has its classes instead."""

    def __init__(self, graph: Graph, classes: dict[Value, int]) -> None:
        self.graph = graph
        self.classes = classes
        self.rewriter = Rewriter(graph)
        self.parts: dict[Value, list[Value]] = {}
        self.uses = uses_of(graph)
        self.modulus = graph.curve_record.r
        self.like: Vertex | None = None

    def vertex(self, index: int, vertex: Vertex) -> None:
        self.like = vertex
        value = Value(index)
        count = self.classes.get(value, 1)
        transform = transform_of(vertex)
        if transform is not None and not transform.inverse and count > 1:
            self.parts[value] = self._forward(vertex, transform, count)
        elif transform is not None and vertex.operands[0] in self.parts:
            self.rewriter.put(value, self._back(vertex, transform))
        elif count > 1:
            self.parts[value] = self._part_by_part(vertex, count)
        else:
            self.rewriter.keep(index)

    def add(self, operation: op.Operation, *operands: Value) -> Value:
        assert self.like is not None
        return self.rewriter.add(operation, operands, self.like)

    def number(self, value: int) -> Value:
        assert self.like is not None
        return self.rewriter.number(value, self.like)

    def root(self, n: int) -> int:
        field = self.graph.curve_record.scalar
        return default_root(n, field.modulus, field.root_of_unity, field.two_adicity)

    def _forward(self, vertex: Vertex, transform: Transform, count: int) -> list[Value]:
        n = _length(vertex)
        size, root = n // count, self.root(n)
        pieces = self._pieces(vertex.operands[0], size)
        parts = []
        for j in range(count):
            coset = transform.coset * pow(root, j, self.modulus) % self.modulus
            ratio = pow(coset, size, self.modulus)
            terms = [
                self._times(piece, pow(ratio, i, self.modulus)) for i, piece in enumerate(pieces)
            ]
            parts.append(self.add(Transform(False, coset).operation, self._sum(terms)))
        return parts

    def _pieces(self, value: Value, size: int) -> list[Value]:
        """The coefficients of a value in pieces of `size`; those behind that are zero are left out.

        The last piece that is there is padded.
        """
        inner, n = _unpadded(self.graph, value)
        source = self.rewriter[inner]
        pieces = []
        for start in range(0, max(n, 1), size):
            end = min(start + size, n)
            piece = source if end - start == n else self.add(op.Slice(start, end), source)
            if end - start < size:
                piece = self.add(op.Concatenate(size), piece)
            pieces.append(piece)
        return pieces

    def _back(self, vertex: Vertex, transform: Transform) -> Value:
        parts = self.parts[vertex.operands[0]]
        n, count = _length(vertex), len(parts)
        size, r = n // count, self.modulus
        root = self.root(n)
        inner = [
            self.add(Transform(True, transform.coset * pow(root, j, r) % r).operation, parts[j])
            for j in range(count)
        ]
        shift = pow(pow(transform.coset, size, r), -1, r)
        back = pow(pow(root, size, r), -1, r)
        pieces = []
        for i in range(count):
            factor = pow(shift, i, r) * pow(count, -1, r)
            terms = [self._times(inner[j], factor * pow(back, i * j, r) % r) for j in range(count)]
            pieces.append(self._sum(terms))
        return self.add(op.Concatenate(n), *pieces)

    def _times(self, value: Value, factor: int) -> Value:
        return value if factor == 1 else self.add(op.Multiply(), value, self.number(factor))

    def _sum(self, terms: Sequence[Value]) -> Value:
        total = terms[0]
        for term in terms[1:]:
            total = self.add(op.Add(), total, term)
        return total

    def _part_by_part(self, vertex: Vertex, count: int) -> list[Value]:
        match vertex.operation:
            case op.Rotate(by=by):
                return self._rotated(vertex, by, count)
            case op.Call(function="distribute_powers"):
                return self._with_powers(vertex, count)
            case _:
                return [
                    self.add(vertex.operation, *map(self._class(j), vertex.operands))
                    for j in range(count)
                ]

    def _class(self, j: int) -> Callable[[Value], Value]:
        """Class j of a value that is split, or a value that is none of a polynomial."""
        return lambda value: self.parts[value][j] if value in self.parts else self.rewriter[value]

    def _rotated(self, vertex: Vertex, by: int, count: int) -> list[Value]:
        """Element i is the operand's element i + by: of another class, once around further on."""
        parts = self.parts[vertex.operands[0]]
        found = []
        for j in range(count):
            turns, source = divmod(j + by, count)
            value = parts[source]
            if turns % (_length(vertex) // count):
                value = self.add(op.Rotate(turns), value)
            typ, own = self.rewriter.type(value), self.rewriter.type(parts[j])
            assert isinstance(typ, Poly)
            assert isinstance(own, Poly)
            if typ != own:
                value = self.add(op.View("lagrange", own.coset), value)
            found.append(value)
        return found

    def _with_powers(self, vertex: Vertex, count: int) -> list[Value]:
        """Element i times powers[i mod p]: within a class every count-th of them."""
        value, powers = vertex.operands
        factors = self.rewriter[powers]
        p = _length(self.graph.vertices[powers.vertex])
        found = []
        for j, part in enumerate(self.parts[value]):
            taken: list[int] = []
            while (at := (j + count * len(taken)) % p) not in taken:
                taken.append(at)
            scalars = [self.add(op.Element(at), factors) for at in taken]
            if len(scalars) == 1:
                found.append(self.add(op.Multiply(), part, scalars[0]))
            else:
                some = self.add(op.call("assemble_poly"), *scalars)
                found.append(self.add(op.call("distribute_powers"), part, some))
        return found


def _length(vertex: Vertex) -> int:
    typ = vertex.types[0]
    assert isinstance(typ, Poly)
    return typ.n
