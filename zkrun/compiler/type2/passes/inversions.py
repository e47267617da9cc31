"""Inversions are dear: products share one, and scalars that are inverted at a time as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import Rewriter, needs_of, ordered, uses_of
from zkrun.compiler.type2.types import Poly
from zkrun.program.types import Scalar

__all__ = ["batch_inversions", "join_inversions"]


def join_inversions(graph: Graph) -> Graph:
    """1/a·1/b becomes 1/(a·b) within products, whose scalars are multiplied first.

    Of polynomials zeros stay zero, since a product is zero where a factor is; of scalars a zero
    fails the run as before. Only inverses that nothing else takes are joined.
    """
    rewriter = Rewriter(graph)
    uses = uses_of(graph)
    for index, vertex in enumerate(graph.vertices):
        product = None
        if isinstance(vertex.operation, op.Multiply) and not _is_inner(graph, uses, index):
            product = _factors(graph, uses, index)
        if product is None or not product.pays:
            rewriter.keep(index)
        else:
            rewriter.put(Value(index), _rebuilt(rewriter, product, vertex))
    return rewriter.finish()


@dataclass(slots=True)
class _Product:
    """The factors of a product, in order; `multiplications` of polynomials as it stands."""

    polys: list[Value] = field(default_factory=list)
    scalars: list[Value] = field(default_factory=list)
    divisors: list[Value] = field(default_factory=list)  # polynomials to divide by
    scalar_divisors: list[Value] = field(default_factory=list)
    multiplications: int = 0

    @property
    def pays(self) -> bool:
        if len(self.divisors) > 1 or len(self.scalar_divisors) > 1:
            return True
        factors = len(self.polys) + len(self.divisors)
        scaled = bool(self.scalars or self.scalar_divisors)
        return factors > 0 and factors - 1 + scaled < self.multiplications


def _is_inner(graph: Graph, uses: dict[Value, list[int]], index: int) -> bool:
    """Whether a product is a factor of a larger one, and nothing else."""
    users = uses.get(Value(index), [])
    if len(users) != 1 or users[0] < 0:
        return False
    return isinstance(graph.vertices[users[0]].operation, op.Multiply)


def _factors(graph: Graph, uses: dict[Value, list[int]], root: int) -> _Product:
    product = _Product()
    stack = [Value(root)]
    while stack:
        value = stack.pop()
        vertex = graph.vertices[value.vertex]
        poly = isinstance(vertex.types[value.output], Poly)
        own = value.vertex == root or len(uses[value]) == 1
        if isinstance(vertex.operation, op.Multiply) and own:
            product.multiplications += poly
            stack.extend(reversed(vertex.operands))
        elif isinstance(vertex.operation, op.Invert) and own:
            (product.divisors if poly else product.scalar_divisors).append(vertex.operands[0])
        else:
            (product.polys if poly else product.scalars).append(value)
    return product


def _rebuilt(rewriter: Rewriter, product: _Product, like: Vertex) -> Value:
    """The product with one inverse of polynomials and one of scalars, scalars first."""

    def multiplied(values: Sequence[Value]) -> Value:
        result = values[0]
        for value in values[1:]:
            result = rewriter.add(op.Multiply(), (result, value), like)
        return result

    def taken(values: Sequence[Value], divisors: Sequence[Value]) -> list[Value]:
        """The product of values over divisors, or nothing."""
        factors = [rewriter[value] for value in values]
        if divisors:
            divisor = multiplied([rewriter[value] for value in divisors])
            factors.append(rewriter.add(op.Invert(), (divisor,), like))
        return [multiplied(factors)] if factors else []

    polys = taken(product.polys, product.divisors)
    scalars = taken(product.scalars, product.scalar_divisors)
    return multiplied([*polys, *scalars])


def batch_inversions(graph: Graph) -> Graph:
    """Scalars whose inverses do not depend on each other are inverted at once.

    P. L. Montgomery's trick: the inverse of the product of all, then two multiplications for each.
    One zero among them makes the product zero, and fails the run as before.
    """
    groups = _independent(graph)
    if not groups:
        return graph
    grouped = {index for group in groups for index in group}
    units = [[index] for index in range(len(graph.vertices)) if index not in grouped]
    units += groups
    rewriter = Rewriter(graph)
    for number in ordered(units, needs_of(graph)):
        if len(units[number]) == 1:
            rewriter.keep(units[number][0])
        else:
            _batch(rewriter, units[number])
    return rewriter.finish()


def _independent(graph: Graph) -> list[list[int]]:
    """Inversions of scalars by the number of others that each has to wait for in a chain.

    Those of equal numbers cannot depend on each other, nor can two groups on one another.
    """
    before = [0] * len(graph.vertices)
    groups: dict[int, list[int]] = {}
    for index, vertex in enumerate(graph.vertices):
        waits = max((before[value.vertex] for value in vertex.operands), default=0)
        if isinstance(vertex.operation, op.Invert) and vertex.types[0] == Scalar():
            groups.setdefault(waits, []).append(index)
            waits += 1
        before[index] = waits
    return [group for group in groups.values() if len(group) > 1]


def _batch(rewriter: Rewriter, group: Sequence[int]) -> None:
    vertices = [rewriter.graph.vertices[index] for index in group]
    scalars = [rewriter.operands(index)[0] for index in group]
    products = scalars[:1]  # of the first ones
    for scalar, vertex in zip(scalars[1:], vertices[1:], strict=True):
        products.append(rewriter.add(op.Multiply(), (products[-1], scalar), vertex))
    inverse = rewriter.add(op.Invert(), (products[-1],), vertices[-1])
    for number in range(len(group) - 1, 0, -1):  # `inverse` is that of the product to `number`
        vertex = vertices[number]
        own = rewriter.add(op.Multiply(), (inverse, products[number - 1]), vertex)
        rewriter.put(Value(group[number]), own)
        inverse = rewriter.add(op.Multiply(), (inverse, scalars[number]), vertex)
    rewriter.put(Value(group[0]), inverse)
