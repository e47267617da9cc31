"""What tests of passes look at: how often each operation stands in a graph, and what it gives."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from interpreter import drawn_by, interpret

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type2.passes.dead import remove_dead
from zkrun.compiler.type2.types import Poly

__all__ = ["counts", "same"]


def counts(graph: Graph) -> Counter[str]:
    """Operations by name, calls by that of their function; of what the result needs."""
    return Counter(
        vertex.operation.function
        if isinstance(vertex.operation, op.Call)
        else vertex.operation.name
        for vertex in remove_dead(graph).vertices
    )


def same(before: Graph, after: Graph) -> bool:
    """Whether two graphs give equal results for some inputs, zeros and ones among them."""
    source = random.Random(len(before.vertices))
    r = before.curve_record.r

    def element() -> int:
        return source.choice([0, 1, r - 1, source.randrange(r), source.randrange(r)])

    inputs: dict[str, Any] = {
        name: [element() for _ in range(typ.n)]
        if isinstance(typ, Poly)
        else 1 + source.randrange(r - 1)
        for name, typ in before.inputs.items()
    }
    drawn = [element() for _ in range(drawn_by(before))]
    return bool(interpret(before, inputs, drawn) == interpret(after, inputs, drawn))
