"""Fused graphs in every build, against the same operations on Python integers."""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from oracle import Scalars, each_curve, each_isa, rolled

pytestmark = [each_isa, each_curve]

ADD, SUB, MUL, SQUARE, NEGATE, DBL, MOVE = range(7)
REGISTER, INPUT, CONSTANT = range(3)
OUTPUT = 1

Operand = tuple[int, int]


@dataclass(frozen=True)
class Graph:
    """Operations are (opcode, destination, a, b), operands (kind, index)."""

    outs: int
    scalar_ins: Sequence[bool]
    constants: Sequence[int]
    operations: Sequence[tuple[int, Operand, Operand, Operand]]
    registers: int

    def code(self, r: int) -> bytes:
        ins = len(self.scalar_ins)
        mask = sum(scalar << i for i, scalar in enumerate(self.scalar_ins))
        words = [self.outs, ins, len(self.constants), len(self.operations), self.registers]
        words += [mask >> (32 * i) & 0xFFFFFFFF for i in range((ins + 31) // 32)]
        for constant in self.constants:
            form = (constant << 256) % r
            words += [form >> (32 * i) & 0xFFFFFFFF for i in range(8)]
        for opcode, *operands in self.operations:
            words += [opcode, *(kind << 30 | index for kind, index in operands)]
        return struct.pack(f"<{len(words)}I", *words)

    def evaluate(self, inputs: Sequence[int], r: int) -> list[int]:
        """The outputs for one element of each input."""
        registers = [0] * self.registers
        outputs = [0] * self.outs
        places = {REGISTER: registers, INPUT: inputs, CONSTANT: self.constants}
        for opcode, (kind, index), (a_kind, a_index), (b_kind, b_index) in self.operations:
            a, b = places[a_kind][a_index], places[b_kind][b_index]
            value = (a + b, a - b, a * b, a * a, -a, 2 * a, a)[opcode] % r
            (outputs if kind == OUTPUT else registers)[index] = value
        return outputs


EVERY_OPERATION = Graph(
    outs=7,
    scalar_ins=[False, False],
    constants=[],
    operations=[(opcode, (OUTPUT, opcode), (INPUT, 0), (INPUT, 1)) for opcode in range(7)],
    registers=1,
)


def run(
    scalars: Scalars, graph: Graph, inputs: list[list[int]], length: int, offsets: Sequence[int]
) -> None:
    """Checks the graph over arrays seen through views at the given offsets."""
    views, seen = [], []
    for values, scalar, offset in zip(inputs, graph.scalar_ins, offsets, strict=False):
        shift = 0 if scalar else offset % max(length, 1)
        views.append(scalars.view(scalars.array(values), shift))
        seen.append(rolled(values, shift, len(values)) * (length if scalar else 1))
    shifts = [offset % max(length, 1) for offset in offsets[-graph.outs :]]
    outs = [scalars.empty(length) for _ in shifts]
    out_views = [scalars.view(out, shift) for out, shift in zip(outs, shifts, strict=True)]
    scalars.functions.fused(scalars.context, out_views, views, graph.code(scalars.r))
    got = [
        rolled(scalars.values(out), shift, length) for out, shift in zip(outs, shifts, strict=True)
    ]
    want = [graph.evaluate(row, scalars.r) for row in zip(*seen, strict=True)]
    assert [list(row) for row in zip(*got, strict=True)] == want


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 63, 64, 65, 127, 130, 1023, 1025, 3000])
def test_every_operation(isa: str, curve: str, length: int) -> None:
    scalars = Scalars(isa, curve)
    inputs = [scalars.random_values(length), scalars.random_values(length)]
    for offsets in ([0] * 9, [5, 11, *range(3, 10)]):
        run(scalars, EVERY_OPERATION, inputs, length, offsets)


def test_all_pairs_of_edges(isa: str, curve: str) -> None:
    scalars = Scalars(isa, curve)
    edges = scalars.edges()
    inputs = [[x for x in edges for _ in edges], edges * len(edges)]
    run(scalars, EVERY_OPERATION, inputs, len(edges) ** 2, [0] * 9)


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(isa: str, curve: str, seed: int) -> None:
    scalars = Scalars(isa, curve)
    choose = random.Random(seed)
    ins, outs, constants, registers = (choose.randint(1, most) for most in (40, 4, 5, 6))
    operations: list[tuple[int, Operand, Operand, Operand]] = []

    def operand(written: int) -> Operand:
        kind = choose.choice([REGISTER, INPUT, CONSTANT])
        if kind == REGISTER and not written:
            kind = INPUT
        return kind, choose.randrange({REGISTER: written, INPUT: ins, CONSTANT: constants}[kind])

    for i in range(registers + 30):
        written = min(i, registers)
        index = i if i < registers else choose.randrange(registers)
        step = choose.randrange(7), (REGISTER, index), operand(written), operand(written)
        operations.append(step)
    for index in range(outs):
        operations.append((MUL, (OUTPUT, index), operand(registers), operand(registers)))
    graph = Graph(
        outs=outs,
        scalar_ins=[choose.random() < 0.3 for _ in range(ins)],
        constants=[0, 1, scalars.r - 1, *scalars.random_values(3)][:constants],
        operations=operations,
        registers=registers,
    )
    length = choose.choice([1, 65, 700])
    inputs = [scalars.random_values(1 if scalar else length) for scalar in graph.scalar_ins]
    run(scalars, graph, inputs, length, [choose.randrange(length) for _ in range(ins + outs)])


def test_outputs_may_be_inputs(isa: str, curve: str) -> None:
    scalars = Scalars(isa, curve)
    a, b = scalars.random_values(1000), scalars.random_values(1000)
    swap = Graph(
        2, [False, False], [], [(MOVE, (1, 0), (1, 1), (1, 1)), (ADD, (1, 1), (1, 0), (1, 1))], 0
    )
    first, second = scalars.array(a), scalars.array(b)
    views = [scalars.view(first, 10), scalars.view(second, 10)]
    scalars.functions.fused(scalars.context, views, views, swap.code(scalars.r))
    assert scalars.values(first) == b
    assert scalars.values(second) == [(x + y) % scalars.r for x, y in zip(a, b, strict=True)]
