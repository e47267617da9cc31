"""Cuts a region of arithmetic into pieces that one kernel each can compute.

A kernel holds what it works with in registers, so a piece has few values alive at a time. It also
takes a bounded number of arrays, and its expression a bounded number of operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Value, Vertex
from zkrun.compiler.type2.passes.rewrite import base_of
from zkrun.compiler.type2.types import Poly, memory_type
from zkrun.program.functions.expr import parse
from zkrun.program.types import size

__all__ = ["cut"]

REGISTERS = 24
"""Field elements alive at a time: an H200 has 255 registers of 32 bits a thread, an element takes
8, and a multiplication some for itself."""

OPERANDS = 48
"""Arrays and scalars that one call takes, its results included."""

NODES = 512
"""Operations of one expression, whose kernel the GPU's driver compiles in seconds."""


_ARRAYS = 4
"""Arrays that a piece may take however little memory there is; where that is still too much, it is
computed in slices."""


def cut(
    graph: Graph,
    region: Sequence[int],
    uses: Mapping[Value, Sequence[int]],
    most: int | None = None,
) -> list[list[int]]:
    """Pieces of a region, each in an order in which operands come first.

    `uses` are those of all values of the graph. The order follows operands to their ends before it
    goes on, so that few values are alive; cuts are where the fewest cross.

    The arrays that a piece reads have at most `most` bytes together, rotations of one counted once.
    """
    order = _depth_first(graph, region)
    place = {index: at for at, index in enumerate(order)}
    last_use = list(range(len(order)))
    for at, index in enumerate(order):
        for producer, _ in graph.vertices[index].operands:
            if producer in place:
                last_use[place[producer]] = max(last_use[place[producer]], at)
    crossing = _crossing(last_use)
    pieces: list[list[int]] = []
    start = 0
    while start < len(order):
        end = _longest(graph, order, start, uses, most)
        if end < len(order):
            least = start + 1 + (end - start) * 2 // 3
            ends = range(min(least, end), end + 1)
            end = min(ends, key=lambda at: (crossing[at - 1], -at))
        pieces.append(order[start:end])
        start = end
    return pieces


def _crossing(last_use: Sequence[int]) -> list[int]:
    """By place the values that are computed there or before and needed behind it."""
    ending = [0] * (len(last_use) + 1)
    for at in last_use:
        ending[at] += 1
    alive, found = 0, []
    for at in range(len(last_use)):
        alive += 1 - ending[at]
        found.append(alive)
    return found


def _depth_first(graph: Graph, region: Sequence[int]) -> list[int]:
    """The region with operands first, those that need most registers before the others."""
    inside = set(region)
    needs: dict[int, int] = {}  # registers, as Sethi and Ullman count them
    users: set[int] = set()
    for index in region:
        operands = _inner(graph, index, inside)
        users.update(operands)
        counts = sorted((needs[one] for one in operands), reverse=True)
        needs[index] = max((count + at for at, count in enumerate(counts)), default=1)
    order: list[int] = []
    done: set[int] = set()
    for root in (index for index in region if index not in users):
        stack = [(root, False)]
        while stack:
            index, ready = stack.pop()
            if ready:
                order.append(index)
            elif index not in done:
                done.add(index)
                stack.append((index, True))
                operands = [one for one in _inner(graph, index, inside) if one not in done]
                stack.extend((one, False) for one in sorted(operands, key=needs.__getitem__))
    return order


def _inner(graph: Graph, index: int, inside: set[int]) -> list[int]:
    operands = (producer for producer, _ in graph.vertices[index].operands)
    return [one for one in dict.fromkeys(operands) if one in inside]


def _longest(
    graph: Graph,
    order: Sequence[int],
    start: int,
    uses: Mapping[Value, Sequence[int]],
    most: int | None,
) -> int:
    """The end of the longest piece from a place on that keeps to all bounds; one vertex at least.

    Values are alive from where they are computed to their last use, those of operands from their
    first; results stay to the end, and so does, as far as is known here, what is needed behind.
    """
    stop = min(start + NODES, len(order))
    left: dict[Value, int] = {}  # uses to come: of operands here, of what is computed here anywhere
    for index in order[start:stop]:
        for operand in graph.vertices[index].operands:
            left[operand] = left.get(operand, 0) + 1
    operands: set[Value] = set()
    arrays: dict[Value, int] = {}  # bytes of what operands are, or are views of
    alive: set[Value] = set()
    nodes = 0
    for at in range(start, stop):
        vertex = graph.vertices[order[at]]
        nodes += _weight(graph, vertex)
        results = [Value(order[at], output) for output in range(len(vertex.types))]
        taken = [one for one in vertex.operands if not _is_number(graph, one)]
        for operand in taken:
            if operand not in alive:
                operands.add(operand)
                alive.add(operand)
                base = base_of(graph, operand)
                typ = graph.type(base)
                if isinstance(typ, Poly):
                    arrays[base] = size(memory_type(typ), graph.curve_record)
        alive.update(results)
        bounds = nodes <= NODES and len(operands) <= OPERANDS and len(alive) <= REGISTERS
        if most is not None and len(arrays) > _ARRAYS and sum(arrays.values()) > most:
            bounds = False
        if not bounds and at > start:
            return at
        for operand in taken:
            left[operand] -= 1
            if not left[operand]:
                alive.discard(operand)
        for result in results:
            left[result] = len(uses.get(result, ()))
    return stop


def _is_number(graph: Graph, value: Value) -> bool:
    return isinstance(graph.vertices[value.vertex].operation, op.Number)


def _weight(graph: Graph, vertex: Vertex) -> int:
    """Operations of the expression that a vertex is."""
    match vertex.operation:
        case op.Power(exponent=exponent):
            return exponent.bit_length() + exponent.bit_count()
        case op.Fused(expr=expr):
            return len(parse(expr, graph.curve_record.r).nodes)
        case _:
            return 1
