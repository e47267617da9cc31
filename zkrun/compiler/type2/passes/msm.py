"""Sums of products over the same bases become one call, which reads the bases once."""

from __future__ import annotations

from collections.abc import Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value
from zkrun.compiler.type2.passes.rewrite import Rewriter, needs_of, ordered, uses_of
from zkrun.compiler.type2.types import Poly

__all__ = ["batch_msm"]

_LARGE = 1 << 14
"""Scalars from which on a sum is worth a GPU of its own."""

_BYTES = 32

_Key = tuple[Value, op.Operation, int, int]


def batch_msm(graph: Graph, gpus: int = 1, most: int | None = None) -> Graph:
    """Joins sums over the same bases whose results are needed at the same time.

    That is, before the same challenge: no sum waits for one. A call takes at most `most` bytes of
    scalars, where given; large vectors are dealt out to as many calls as there are GPUs.
    """
    groups = [group for group in _groups(graph) if len(group) > 1 or gpus > 1]
    if not groups:
        return graph
    grouped = {index for group in groups for index in group}
    units = [[index] for index in range(len(graph.vertices)) if index not in grouped]
    units += groups
    rewriter = Rewriter(graph)
    for number in ordered(units, needs_of(graph)):
        if units[number][0] in grouped:
            _join(rewriter, units[number], gpus, most)
        else:
            rewriter.keep(units[number][0])
    return rewriter.finish()


def _groups(graph: Graph) -> list[list[int]]:
    """Sums that may be one call.

    They are needed behind equally many challenges, and equally many sums lie before them since the
    last challenge. Whatever follows from a sum has more of one or the other, so none waits for
    another one of its group, nor two groups for each other.
    """
    challenges: list[int] = []  # by vertex, in the longest chain of what it waits for
    sums: list[int] = []
    for vertex in graph.vertices:
        before = [value.vertex for value in vertex.operands]
        own = vertex.operation
        function = own.function if isinstance(own, op.Call) else ""
        most = max((challenges[one] for one in before), default=0)
        challenges.append(most + (function == "squeeze_scalar"))
        most = max((sums[one] for one in before), default=0)
        sums.append(0 if function == "squeeze_scalar" else most + (function == "msm"))
    uses = uses_of(graph)
    last = len(graph.vertices)
    groups: dict[_Key, list[int]] = {}
    for index, vertex in enumerate(graph.vertices):
        if not isinstance(vertex.operation, op.Call) or vertex.operation.function != "msm":
            continue
        users = [
            user
            for output in range(len(vertex.types))
            for user in uses.get(Value(index, output), ())
        ]
        needed = min((challenges[user] if user >= 0 else last for user in users), default=last)
        key = (vertex.operands[0], vertex.operation, needed, sums[index])
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _join(rewriter: Rewriter, group: Sequence[int], gpus: int, most: int | None) -> None:
    """Calls for all vectors of a group."""
    graph = rewriter.graph
    vectors = [  # the result of each, its length, and its scalars
        (Value(index, output), _length(graph, operand), operand)
        for index in group
        for output, operand in enumerate(graph.vertices[index].operands[1:])
    ]
    bases = rewriter[graph.vertices[group[0]].operands[0]]
    for call in _dealt([n for _, n, _ in vectors], gpus, most):
        results = [vectors[number][0] for number in call]
        like = graph.vertices[results[0].vertex]
        scalars = [rewriter[vectors[number][2]] for number in call]
        first = rewriter.add(like.operation, [bases, *scalars], like)
        for output, result in enumerate(results):
            rewriter.put(result, Value(first.vertex, output))


def _length(graph: Graph, value: Value) -> int:
    typ = graph.type(value)
    assert isinstance(typ, Poly)
    return typ.n


def _dealt(lengths: Sequence[int], gpus: int, most: int | None) -> list[list[int]]:
    """Vectors by number, in calls of about equal work, in the order given."""
    share = sum(lengths) / gpus if max(lengths, default=0) >= _LARGE else sum(lengths)
    bound = min(share, most / _BYTES if most is not None else share)
    calls: list[list[int]] = []
    taken = 0
    for number, n in enumerate(lengths):
        if not calls or taken + n > bound:
            calls.append([])
            taken = 0
        calls[-1].append(number)
        taken += n
    return calls
