"""A graph as text for people: one line a vertex.

    %c: Poly[8, coefficients] = ntt(inverse=true) %7  ; product.py:6

A value is called by its author's name where that is one word and no other vertex has it, else by
the index of its vertex; `#1` is the second result of one that has several.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph, Result, Value, Vertex
from zkrun.program.text import printable

__all__ = ["applied", "lines", "operation_text", "value_names"]

_WORD = re.compile(r"[^\W\d]\w*")
_INFIX: dict[type[op.Operation], str] = {op.Add: "+", op.Subtract: "-", op.Multiply: "*"}


def lines(graph: Graph) -> Iterator[str]:
    """The lines of the text, in the order of the vertices; no control character is in them."""
    names = value_names(graph)
    name = f' "{graph.name}"' if graph.name is not None else ""
    yield printable(f"graph{name} over {graph.curve}")
    for index, vertex in enumerate(graph.vertices):
        results = ", ".join(
            f"{_value(Value(index, output), names, graph)}: {typ}"
            for output, typ in enumerate(vertex.types)
        )
        comment = _comment(vertex, names[index])
        operands = [_value(operand, names, graph) for operand in vertex.operands]
        right = operation_text(vertex.operation, operands)
        yield printable(f"  {results} = {right}{comment}")
    yield printable(f"  return {_result(graph.result, names, graph)}")


def value_names(graph: Graph) -> list[str]:
    """By vertex what its value is called, the sign % left out."""
    counts = Counter(vertex.label for vertex in graph.vertices)
    return [
        label
        if (label := vertex.label) is not None and counts[label] == 1 and _WORD.fullmatch(label)
        else str(index)
        for index, vertex in enumerate(graph.vertices)
    ]


def _value(value: Value, names: Sequence[str], graph: Graph) -> str:
    several = len(graph.vertices[value.vertex].types) > 1
    return f"%{names[value.vertex]}" + (f"#{value.output}" if several else "")


def _result(result: Result, names: Sequence[str], graph: Graph) -> str:
    if isinstance(result, Value):
        return _value(result, names, graph)
    return f"({', '.join(_result(one, names, graph) for one in result)})"


def operation_text(operation: op.Operation, operands: Sequence[str]) -> str:
    """An operation on operands, which are given as texts."""
    match operation:
        case op.Number(value=value):
            return _plain(value)
        case op.Input(entry=entry) | op.Constant(entry=entry):
            return f'{operation.name} "{entry}"'
        case op.Add() | op.Subtract() | op.Multiply():
            return f" {_INFIX[type(operation)]} ".join(operands)
        case op.Negate():
            return f"-{operands[0]}"
        case op.Power(exponent=exponent):
            return f"{operands[0]}^{exponent}"
        case op.Invert():
            return f"1/{operands[0]}"
        case op.Slice(start=start, end=end):
            return f"{operands[0]}[{start}:{end}]"
        case op.Element(index=index):
            return f"{operands[0]}[{index}]"
        case op.View(form=form, coset=coset):
            return f"{operands[0]} as {form}" + (f" on coset {coset:#x}" if coset != 1 else "")
        case op.Call(function=function, params=params):
            return applied(function, dict(params), operands)
        case other:
            told = {
                one.name: value
                for one in fields(other)
                if (value := getattr(other, one.name)) != one.default
            }
            return applied(other.name, told, operands)


def applied(name: str, params: dict[str, Any], operands: Sequence[str]) -> str:
    """A function with its parameters on operands: `ntt(inverse=true) %7`."""
    shown = ", ".join(f"{key}={_plain(value)}" for key, value in params.items())
    called = f"{name}({shown})" if shown else name
    return f"{called} {', '.join(operands)}".rstrip()


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return hex(value) if abs(value) >> 32 else str(value)
    text = str(value)
    return text if text.isidentifier() or text.startswith("0x") else f'"{text}"'


def _comment(vertex: Vertex, name: str) -> str:
    """Where it runs, its author's name where it is not called so, its source."""
    label = f'"{vertex.label}"' if vertex.label not in (None, name) else None
    device = f"on {vertex.device}" if vertex.device is not None else None
    notes = [note for note in (device, label, vertex.source) if note is not None]
    return f"  ; {', '.join(notes)}" if notes else ""
