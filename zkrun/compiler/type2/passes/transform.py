"""A call of `ntt` as the passes see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Vertex
from zkrun.program.integers import parse_integer

__all__ = ["Transform", "transform_of"]


class Transform(NamedTuple):
    """A transform over coset·ω^i with the ω of the program format."""

    inverse: bool
    coset: int

    @property
    def operation(self) -> op.Call:
        """Equal transforms are equal operations."""
        params: dict[str, Any] = {"inverse": True} if self.inverse else {}
        if self.coset != 1:
            params["coset"] = hex(self.coset) if self.coset >> 64 else self.coset
        return op.call("ntt", params)


def transform_of(vertex: Vertex) -> Transform | None:
    """The transform that a vertex is; None for one with a root, twiddles or a hint of its own."""
    operation = vertex.operation
    if not isinstance(operation, op.Call) or operation.function != "ntt":
        return None
    params = operation.parameters()
    if len(vertex.operands) != 1 or params.get("root") is not None or "tables" in params:
        return None
    return Transform(bool(params.get("inverse", False)), parse_integer(params.get("coset", 1)))
