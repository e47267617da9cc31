"""Arithmetic graphs over a field, and the code of the native kernels for them.

A graph is a list of nodes in an order in which operands come first. Equal nodes are one, constants
are folded, and what no output needs is gone.

The code is little-endian 32-bit words: a header (outputs, inputs, constants, operations, registers,
then one word of bits for each 32 inputs that says which are scalars), the constants (8 words each,
in Montgomery form), and operations of four words: opcode, destination, two operands. The top two
bits of an operand say register (0), input (1) or constant (2); those of a destination register (0)
or output (1). No operation reads an output, whose memory may be that of an input.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Builder", "Graph", "Node", "to_code"]

MAX_NODES = 4096

_OPCODES = {"+": 0, "-": 1, "*": 2, "square": 3, "negate": 4, "double": 5, "move": 6}
_INPUT, _CONSTANT = 1 << 30, 2 << 30
_OUTPUT = 1 << 30

Node = tuple[str, int, int]
"""(operation, a, b): two nodes, or the index of an `input`, or the value of a `constant`."""


@dataclass(frozen=True, slots=True)
class Graph:
    """`outputs` are the nodes of y0, y1, …; `inputs` is how many inputs the expression names."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    inputs: int
    modulus: int

    @property
    def multiplications(self) -> int:
        """Field multiplications for each element."""
        return sum(operation in ("*", "square") for operation, _, _ in self.nodes)

    def evaluate(self, inputs: Sequence[int]) -> list[int]:
        """The outputs for one element's inputs: what the operations mean, in plain integers."""
        values: list[int] = []
        for operation, a, b in self.nodes:
            match operation:
                case "input":
                    value = inputs[a]
                case "constant":
                    value = a
                case "+":
                    value = values[a] + values[b]
                case "-":
                    value = values[a] - values[b]
                case "*":
                    value = values[a] * values[b]
                case "square":
                    value = values[a] ** 2
                case "negate":
                    value = -values[a]
                case _:
                    value = 2 * values[a]
            values.append(value % self.modulus)
        return [values[node] for node in self.outputs]


class Builder:
    """Collects nodes, each once."""

    def __init__(self, modulus: int) -> None:
        self.modulus = modulus
        self.nodes: list[Node] = []
        self.known: dict[Node, int] = {}
        self.inputs = 0

    def is_full(self) -> bool:
        return len(self.nodes) > MAX_NODES

    def node(self, operation: str, a: int, b: int = 0) -> int:
        key = (operation, a, b)
        if key not in self.known:
            self.known[key] = len(self.nodes)
            self.nodes.append(key)
        return self.known[key]

    def input(self, index: int) -> int:
        self.inputs = max(self.inputs, index + 1)
        return self.node("input", index)

    def constant(self, value: int) -> int:
        return self.node("constant", value % self.modulus)

    def value(self, node: int) -> int | None:
        """The value of a constant node."""
        operation, value, _ = self.nodes[node]
        return value if operation == "constant" else None

    def negate(self, a: int) -> int:
        if (value := self.value(a)) is not None:
            return self.constant(-value)
        operation, inner, _ = self.nodes[a]
        return inner if operation == "negate" else self.node("negate", a)

    def binary(self, operation: str, a: int, b: int) -> int:
        u, v = self.value(a), self.value(b)
        if u is not None and v is not None:
            return self.constant({"+": u + v, "-": u - v, "*": u * v}[operation])
        if operation == "-":
            if v == 0:
                return a
            if a == b:
                return self.constant(0)
            return self.negate(b) if u == 0 else self.node("-", a, b)
        a, b, u, v = (b, a, v, u) if u is not None or (v is None and a > b) else (a, b, u, v)
        if operation == "+":  # a constant, where there is one, is b
            if v == 0:
                return a
            return self.node("double", a) if a == b else self.node("+", a, b)
        if v is not None and v in (0, 1, 2):
            return (b, a, self.node("double", a))[v]
        return self.node("square", a) if a == b else self.node("*", a, b)

    def graph(self, outputs: Sequence[int]) -> Graph:
        """What the outputs need, renumbered."""
        needed = set(outputs)
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in needed:
                needed.update(_operands(self.nodes[index]))
        order = sorted(needed)
        number = {old: new for new, old in enumerate(order)}
        nodes: list[Node] = []
        for old in order:
            operation, a, b = self.nodes[old]
            operands = _operands(self.nodes[old])
            if operands:
                a, b = number[a], number[b] if len(operands) == 2 else 0
            nodes.append((operation, a, b))
        return Graph(
            tuple(nodes), tuple(number[node] for node in outputs), self.inputs, self.modulus
        )


def _operands(node: Node) -> tuple[int, ...]:
    """The nodes that a node reads."""
    operation, a, b = node
    if operation in ("input", "constant"):
        return ()
    return (a, b) if operation in ("+", "-", "*") else (a,)


def to_code(graph: Graph, scalar_inputs: Sequence[bool], radix: int) -> bytes:
    """The words that the native kernels run. `radix` is R of the Montgomery form."""
    constants: list[int] = []
    place: dict[int, int] = {}  # node → the operand word that reads it
    operations: list[tuple[int, int, int, int]] = []
    last_use = {a: index for index, node in enumerate(graph.nodes) for a in _operands(node)}
    written = {node: output for output, node in enumerate(graph.outputs)}
    outputs = Counter(graph.outputs)
    free: list[int] = []
    registers = 0
    for index, node in enumerate(graph.nodes):
        operation, a, _ = node
        if operation == "input":
            place[index] = _INPUT | a
            continue
        if operation == "constant":
            place[index] = _CONSTANT | len(constants)
            constants.append(a * radix % graph.modulus)
            continue
        operands = _operands(node)
        words = [place[operand] for operand in operands]
        free.extend(
            place[operand]
            for operand in dict.fromkeys(operands)
            if last_use[operand] == index and operand not in written and place[operand] < _INPUT
        )
        if index not in last_use and outputs[index] == 1:
            target = _OUTPUT | written.pop(index)
        elif free:
            target = place[index] = free.pop()
        else:
            target = place[index] = registers
            registers += 1
        operations.append((_OPCODES[operation], target, words[0], words[-1]))
    for output, of in enumerate(graph.outputs):
        if of in written:
            operations.append((_OPCODES["move"], _OUTPUT | output, place[of], place[of]))
    masks = [
        sum(1 << bit for bit, scalar in enumerate(scalar_inputs[at : at + 32]) if scalar)
        for at in range(0, len(scalar_inputs), 32)
    ]
    header = [len(graph.outputs), len(scalar_inputs), len(constants), len(operations), registers]
    words = [*header, *masks]
    return (
        struct.pack(f"<{len(words)}I", *words)
        + b"".join(value.to_bytes(32, "little") for value in constants)
        + b"".join(struct.pack("<4I", *operation) for operation in operations)
    )
