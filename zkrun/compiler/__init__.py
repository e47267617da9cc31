"""The compiler: a proof as a graph in, a program that fits the memory there is out.

    type2/  the graph of typed operations, the interface that authors write it with, and the passes
    type3/  the chunk: instructions over registers with devices, addresses and tracks; its planning
            and its lowering to a program

Data goes one way: author's code → Type2 graph → passes → Type3 chunk → Program.

What authors need is named here, and imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkrun.compiler.type2.author import (
        Bases,
        Coefficients,
        Lagrange,
        PointValue,
        Polynomial,
        Proof,
        ScalarValue,
        TranscriptValue,
        permute,
    )
    from zkrun.compiler.type2.codec import load_graph, save_graph
    from zkrun.compiler.type2.given import Point, PointArray, Scalar, Transcript
    from zkrun.compiler.type2.graph import Graph, GraphError

__all__ = [
    "Bases",
    "Coefficients",
    "Graph",
    "GraphError",
    "Lagrange",
    "Point",
    "PointArray",
    "PointValue",
    "Polynomial",
    "Proof",
    "Scalar",
    "ScalarValue",
    "Transcript",
    "TranscriptValue",
    "load_graph",
    "permute",
    "save_graph",
]

_HOMES = {
    "Graph": "zkrun.compiler.type2.graph",
    "GraphError": "zkrun.compiler.type2.graph",
    "Point": "zkrun.compiler.type2.given",
    "PointArray": "zkrun.compiler.type2.given",
    "Scalar": "zkrun.compiler.type2.given",
    "Transcript": "zkrun.compiler.type2.given",
    "load_graph": "zkrun.compiler.type2.codec",
    "save_graph": "zkrun.compiler.type2.codec",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'zkrun.compiler' has no attribute {name!r}")
    import importlib

    home = _HOMES.get(name, "zkrun.compiler.type2.author")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
