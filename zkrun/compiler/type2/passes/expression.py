"""Texts of `fused_arith` for graphs of arithmetic."""

from __future__ import annotations

from collections import Counter

from zkrun.program.functions.graph import Graph, Node

__all__ = ["write"]

_BINARY = ("+", "-", "*")
_LEAVES = ("input", "constant")

_LONG = 80
"""Characters of a text that is written within another one."""

_ATOM, _POWER, _FACTOR, _TERM = 4, 3, 2, 1
"""How tightly a text binds: a name or number, a power, a product, a sum."""


def write(graph: Graph) -> str:
    """The expression that `parse` reads as this graph, its operations in the same order.

    What is short and taken once, by the operation right behind it, is written there; the rest gets
    a name.
    """
    uses = Counter(graph.outputs)
    for operation, a, b in graph.nodes:
        if operation in _BINARY:
            uses.update((a, b))
        elif operation not in _LEAVES:
            uses[a] += 1
    outputs: dict[int, list[int]] = {}
    for output, node in enumerate(graph.outputs):
        outputs.setdefault(node, []).append(output)
    texts: list[tuple[str, int]] = []
    lines: list[str] = []
    for index, one in enumerate(graph.nodes):
        text, binding = _text(one, texts)
        leaf = one[0] in _LEAVES
        named = outputs.get(index, [])
        if named:
            lines.extend(f"y{output} = {text}" for output in named[:1])
            if not leaf:
                text, binding = f"y{named[0]}", _ATOM
            lines.extend(f"y{output} = {text}" for output in named[1:])
        elif not leaf and (len(text) > _LONG or not _follows(graph, index, uses)):
            lines.append(f"t{index} = {text}")
            text, binding = f"t{index}", _ATOM
        texts.append((text, binding))
    return "; ".join(lines)


def _follows(graph: Graph, index: int, uses: Counter[int]) -> bool:
    """Whether the next operation takes a node, and is the only one to."""
    if uses[index] != 1:
        return False
    for operation, a, b in graph.nodes[index + 1 :]:
        if operation in _LEAVES:
            continue
        return index == a or (index == b and operation in _BINARY)
    return False


def _text(node: Node, texts: list[tuple[str, int]]) -> tuple[str, int]:
    """The text of a node from those of its operands, and how tightly it binds."""
    operation, a, b = node

    def operand(index: int, least: int) -> str:
        text, binding = texts[index]
        return text if binding >= least else f"({text})"

    match operation:
        case "input":
            return f"x{a}", _ATOM
        case "constant":
            return (str(a) if a < 1 << 16 else hex(a)), _ATOM
        case "*":
            return f"{operand(a, _FACTOR)}*{operand(b, _POWER)}", _FACTOR
        case "square":
            text, binding = texts[a]
            base, _, exponent = text.rpartition("^")
            if binding == _POWER and not 2 * int(exponent) >> 64:  # x^4 rather than (x^2)^2
                return f"{base}^{2 * int(exponent)}", _POWER
            return f"{operand(a, _ATOM)}^2", _POWER
        case "double":
            return f"2*{operand(a, _POWER)}", _FACTOR
        case "negate":
            return f"-{operand(a, _POWER)}", _TERM
        case _:
            return f"{operand(a, _TERM)} {operation} {operand(b, _FACTOR)}", _TERM
