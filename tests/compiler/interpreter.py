"""What a graph means, in big-integer Python: the oracle of the compiler's tests.

Values are plain and canonical: a polynomial is a list of integers, a scalar an integer, a point a
tuple (see group_law), a transcript a `Transcript`. Nothing here knows of Montgomery forms, views,
devices or the functions of zkrun, and nothing is fast.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

from group_law import Point, Transcript, points_from, sum_of_products

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import ConstantEntry, Graph, Value, Vertex, map_result
from zkrun.compiler.type2.types import Poly
from zkrun.program.document import Bytes, File, Values
from zkrun.program.types import Point as PointType
from zkrun.program.types import PointArray, Scalar

UNDEFINED = None
"""An element that nothing has written: arithmetic with it raises TypeError."""


class Fails(Exception):
    """The run of such a program would fail."""


def interpret(
    graph: Graph, inputs: Mapping[str, Any] | None = None, drawn: Sequence[int] = ()
) -> Any:
    """The result: the value of each Value in it, in the same tuples.

    `drawn` are the elements that the Randoms draw, one Random after the other in the order of the
    graph; there must be exactly as many as they take. Fails where a run would fail.
    """
    values = values_of(graph, inputs, drawn)

    def value(wanted: Value) -> Any:
        return values[wanted.vertex][wanted.output]

    return map_result(graph.result, value)


def values_of(
    graph: Graph, inputs: Mapping[str, Any] | None = None, drawn: Sequence[int] = ()
) -> list[tuple[Any, ...]]:
    """The values of every vertex."""
    given = inputs or {}
    assert set(given) == set(graph.inputs), "inputs that the graph does not have, or too few"
    room = _Room(graph, given, iter(drawn))
    values: list[tuple[Any, ...]] = []
    for vertex in graph.vertices:
        operands = [values[value.vertex][value.output] for value in vertex.operands]
        found = _evaluate(vertex.operation, room, vertex, operands)
        assert len(found) == len(vertex.types)
        for typ, value in zip(vertex.types, found, strict=True):
            _check(typ, value, room.r)
        values.append(tuple(found))
    assert next(room.drawn, None) is None, "more elements are given than are drawn"
    return values


def drawn_by(graph: Graph) -> int:
    """How many random elements a run draws."""
    return sum(v.operation.n for v in graph.vertices if isinstance(v.operation, op.Random))


def document_values(value: Any) -> Any:
    """A value as result files have it: numbers as 0x text, a transcript as its proof in hex."""
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, Transcript):
        return value.proof.hex()
    if value is None:
        return None
    return [document_values(one) for one in value]


class _Room:
    """What the operations of one evaluation share."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Any], drawn: Iterator[int]) -> None:
        self.graph = graph
        self.inputs = inputs
        self.drawn = drawn
        self.curve = graph.curve
        self.r = CURVES[graph.curve].r

    def root(self, n: int) -> int:
        """The n-th root of unity of the program format."""
        generator = {"bn254": 5, "bls12_381": 7}[self.curve]
        return pow(generator, (self.r - 1) // n, self.r)


def _check(typ: Any, value: Any, r: int) -> None:
    """A defect of the oracle or of the graph, where a value is not of its type."""
    if isinstance(typ, Poly):
        assert len(value) == typ.n
        assert all(element is UNDEFINED or 0 <= element < r for element in value)
    elif isinstance(typ, Scalar):
        assert 0 <= value < r
    elif isinstance(typ, PointArray):
        assert len(value) == typ.len
    elif isinstance(typ, PointType):
        assert value is None or len(value) == 2
    else:
        assert isinstance(value, Transcript)
        assert value.hash == typ.hash


# -- operations ----------------------------------------------------------------------------------


@singledispatch
def _evaluate(operation: op.Operation, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    raise AssertionError(f"the oracle does not know {operation}")


@_evaluate.register
def _(operation: op.Input, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return [room.inputs[operation.entry]]


@_evaluate.register
def _(operation: op.Constant, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    entry = room.graph.constants[operation.entry]
    return [constant_value(entry, room.curve, room.graph.folder)]


@_evaluate.register
def _(operation: op.Number, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return [operation.value]


@_evaluate.register(op.Add)
@_evaluate.register(op.Subtract)
@_evaluate.register(op.Multiply)
@_evaluate.register(op.Negate)
@_evaluate.register(op.Power)
def _(operation: op.Operation, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    def one(a: int, b: int = 0) -> int:
        match operation:
            case op.Add():
                return (a + b) % room.r
            case op.Subtract():
                return (a - b) % room.r
            case op.Multiply():
                return a * b % room.r
            case op.Power():
                return pow(a, operation.exponent, room.r)
            case _:
                return -a % room.r

    return [_element_wise(one, vertex, operands)]


def _element_wise(one: Callable[..., int], vertex: Vertex, operands: list[Any]) -> Any:
    """Of scalars a scalar; else element by element, scalars standing for all, zeros behind."""
    (typ,) = vertex.types
    if not isinstance(typ, Poly):
        return one(*operands)
    columns = [
        [a] * typ.n if isinstance(a, int) else [*a, *[0] * (typ.n - len(a))] for a in operands
    ]
    return [one(*row) for row in zip(*columns, strict=True)]


@_evaluate.register
def _(operation: op.Invert, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    (a,) = operands
    return [_inverses(a, room.r) if isinstance(a, list) else _inverse(a, room.r)]


def _inverse(a: int, r: int) -> int:
    if a == 0:
        raise Fails("zero is inverted")
    return pow(a, -1, r)


def _inverses(a: list[int], r: int) -> list[int]:
    return [pow(element, -1, r) if element else 0 for element in a]


@_evaluate.register
def _(operation: op.Fused, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    typ = vertex.types[0]
    if not isinstance(typ, Poly):
        return fused(operation.expr, operands, room.r)
    columns = [[a] * typ.n if isinstance(a, int) else a for a in operands]
    rows = zip(*columns, strict=True) if columns else [()] * typ.n
    results = [fused(operation.expr, row, room.r) for row in rows]
    return [[row[j] for row in results] for j in range(operation.outputs)]


def fused(expr: str, inputs: Sequence[int], r: int) -> list[int]:
    """The outputs of an expression of `fused_arith` for one element of each input.

    The language is Python's with ^ for **, so Python's own parser reads it.
    """
    names: dict[str, int] = {f"x{i}": value for i, value in enumerate(inputs)}
    for line in expr.replace(";", "\n").replace("^", "**").splitlines():
        if line.strip():
            (assignment,) = ast.parse(line.strip()).body
            assert isinstance(assignment, ast.Assign)
            (target,) = assignment.targets
            assert isinstance(target, ast.Name)
            assert target.id not in names, "a name is assigned twice"
            names[target.id] = _node(assignment.value, names, r)
    outputs = [name for name in names if name[0] == "y" and name[1:].isdigit()]
    return [names[f"y{j}"] for j in range(len(outputs))]


def _node(node: ast.expr, names: Mapping[str, int], r: int) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_node(operand, names, r) % r
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(exponent))):
            return pow(_node(left, names, r), exponent, r)
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _node(left, names, r), _node(right, names, r)
            match operator:
                case ast.Add():
                    return (a + b) % r
                case ast.Sub():
                    return (a - b) % r
                case ast.Mult():
                    return a * b % r
    raise AssertionError(f"no expression of fused_arith: {ast.dump(node)}")


@_evaluate.register
def _(operation: op.Rotate, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    (a,) = operands
    return [[a[(i + operation.by) % len(a)] for i in range(len(a))]]


@_evaluate.register
def _(operation: op.Slice, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return [operands[0][operation.start : operation.end]]


@_evaluate.register
def _(operation: op.View, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return [list(operands[0])]


@_evaluate.register
def _(operation: op.Element, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    element = operands[0][operation.index]
    assert element is not UNDEFINED
    return [element]


@_evaluate.register
def _(operation: op.Concatenate, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    joined = list(itertools.chain(*operands))
    return [joined + [0] * (operation.n - len(joined))]


@_evaluate.register
def _(operation: op.Update, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    a, part = operands
    return [a[: operation.start] + part + a[operation.start + len(part) :]]


@_evaluate.register
def _(operation: op.Random, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    values = list(itertools.islice(room.drawn, operation.n))
    assert len(values) == operation.n, "too few random elements are given"
    return [values]


@_evaluate.register
def _(operation: op.NewTranscript, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return [Transcript(operation.hash, room.curve)]


@_evaluate.register
def _(operation: op.Call, room: _Room, vertex: Vertex, operands: list[Any]) -> Any:
    return _FUNCTIONS[operation.function](room, vertex, operation.parameters(), *operands)


# -- the functions of the program format ---------------------------------------------------------


def _integer(value: Any) -> int:
    return int(value, 0) if isinstance(value, str) else int(value)


def transform(values: list[int], root: int, coset: int, r: int) -> list[int]:
    """Σ_j a[j]·(coset·root^i)^j for every i, as a recursion over even and odd coefficients."""
    factor, scaled = 1, []
    for a in values:
        scaled.append(a * factor)
        factor = factor * coset % r
    return [a % r for a in _fourier(scaled, root, r)]


def _fourier(values: list[int], root: int, r: int) -> list[int]:
    if len(values) == 1:
        return [values[0] % r]
    even = _fourier(values[0::2], root * root % r, r)
    odd = _fourier(values[1::2], root * root % r, r)
    factor, low, high = 1, [], []
    for a, b in zip(even, odd, strict=True):
        b = b * factor % r
        low.append(a + b)
        high.append(a - b)
        factor = factor * root % r
    return low + high


def _ntt(room: _Room, vertex: Vertex, params: dict[str, Any], a: list[int], *_: Any) -> Any:
    r, n, coset = room.r, len(a), _integer(params.get("coset", 1))
    given = params.get("root")
    root = room.root(n) if given is None else _integer(given)
    if not params.get("inverse", False):
        return [transform(a, root, coset, r)]
    scaled = transform(a, pow(root, -1, r), 1, r)
    factor, undo, result = pow(n, -1, r), pow(coset, -1, r), []
    for value in scaled:
        result.append(value * factor % r)
        factor = factor * undo % r
    return [result]


def _msm(
    room: _Room, vertex: Vertex, params: dict[str, Any], bases: list[Point], *scalars: list[int]
) -> Any:
    typ = vertex.types[0]
    assert isinstance(typ, PointType)
    return [sum_of_products(room.curve, typ.group, bases[: len(one)], one) for one in scalars]


def _combine(one: Callable[[int, int], int]) -> Callable[..., Any]:
    def function(room: _Room, vertex: Vertex, params: dict[str, Any], a: Any, b: Any) -> Any:
        return [_element_wise(lambda x, y: one(x, y) % room.r, vertex, [a, b])]

    return function


def _fused_arith(room: _Room, vertex: Vertex, params: dict[str, Any], *inputs: Any) -> Any:
    fused_operation = op.Fused(params["expr"], len(vertex.types))
    return _evaluate(fused_operation, room, vertex, list(inputs))


def _distribute_powers(
    room: _Room, vertex: Vertex, params: dict[str, Any], a: list[int], powers: list[int]
) -> Any:
    return [[value * powers[i % len(powers)] % room.r for i, value in enumerate(a)]]


def _fill(room: _Room, vertex: Vertex, params: dict[str, Any]) -> Any:
    (typ,) = vertex.types
    assert isinstance(typ, Poly)
    first, rest = {"zero": (0, 0), "one_lagrange": (1, 1), "one_coef": (1, 0)}[params["value"]]
    return [[first, *[rest] * (typ.n - 1)][: typ.n]]


def evaluate(a: Sequence[int], x: int, r: int) -> int:
    """Σ a[i]·x^i, as Horner does."""
    result = 0
    for coefficient in reversed(a):
        result = (result * x + coefficient) % r
    return result


def _kate_division(
    room: _Room, vertex: Vertex, params: dict[str, Any], p: list[int], b: int
) -> Any:
    """Synthetic division from the highest coefficient down."""
    quotient, carry = [0] * len(p), 0
    for i in range(len(p) - 1, 0, -1):
        carry = (p[i] + carry * b) % room.r
        quotient[i - 1] = carry
    return [quotient]


def _scan_mul(room: _Room, vertex: Vertex, params: dict[str, Any], a: list[int], z0: int) -> Any:
    (typ,) = vertex.types
    assert isinstance(typ, Poly)
    result = [z0][: typ.n]
    while len(result) < typ.n:
        result.append(result[-1] * a[len(result) - 1] % room.r)
    return [result]


def _permute(
    room: _Room, vertex: Vertex, params: dict[str, Any], a: list[int], t: list[int]
) -> Any:
    """The steps of halo2_proofs' permute_expression_pair: counts, and a stack of rows."""
    usable = int(params["usable"])
    permuted_a, left = sorted(a[:usable]), sorted(t[:usable])
    permuted_t, free = [0] * usable, []
    for row, value in enumerate(permuted_a):
        if row and permuted_a[row - 1] == value:
            free.append(row)
        elif value in left:
            permuted_t[row] = value
            left.remove(value)
        else:
            raise Fails(f"{value:#x} is not in the table")
    for value in left:
        permuted_t[free.pop()] = value
    assert not free
    rest = [len(column) - usable for column in (a, t)]
    return [permuted_a + [UNDEFINED] * rest[0], permuted_t + [UNDEFINED] * rest[1]]


def _interpolate(room: _Room, vertex: Vertex, params: dict[str, Any], *points: int) -> Any:
    """Lagrange's formula, term by term."""
    r, n = room.r, len(points) // 2
    xs, ys = points[:n], points[n:]
    if len(set(xs)) < n:
        raise Fails("an x is repeated")
    result = [0] * n
    for i in range(n):
        basis, denominator = [1], 1
        for j in range(n):
            if j != i:
                shifted = [0, *basis]
                basis = [(s - xs[j] * b) % r for s, b in zip(shifted, [*basis, 0], strict=True)]
                denominator = denominator * (xs[i] - xs[j]) % r
        factor = ys[i] * pow(denominator, -1, r) % r
        result = [(c + factor * b) % r for c, b in zip(result, basis, strict=True)]
    return [result]


def _absorb(write: bool) -> Callable[..., Any]:
    def function(
        room: _Room, vertex: Vertex, params: dict[str, Any], transcript: Transcript, value: Any
    ) -> Any:
        typ = room.graph.type(vertex.operands[1])
        if isinstance(typ, PointType):
            return [transcript.absorb_points([value], typ.group, write)]
        if isinstance(typ, PointArray):
            return [transcript.absorb_points(value, typ.group, write)]
        return [transcript.absorb_scalars([value] if isinstance(value, int) else value, write)]

    return function


def _power(room: _Room, vertex: Vertex, params: dict[str, Any], s: int) -> Any:
    return [pow(s, _integer(params["exp"]), room.r)]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ntt": _ntt,
    "msm": _msm,
    "poly_add": _combine(lambda a, b: a + b),
    "poly_sub": _combine(lambda a, b: a - b),
    "poly_mul": _combine(lambda a, b: a * b),
    "poly_scale": _combine(lambda a, b: a * b),
    "fused_arith": _fused_arith,
    "batch_invert": lambda room, vertex, params, a: [_inverses(a, room.r)],
    "distribute_powers": _distribute_powers,
    "fill": _fill,
    "scalar_invert": lambda room, vertex, params, s: [_inverse(s, room.r)],
    "scalar_pow": _power,
    "evaluate": lambda room, vertex, params, a, x: [evaluate(a, x, room.r)],
    "kate_division": _kate_division,
    "scan_mul": _scan_mul,
    "permute": _permute,
    "interpolate": _interpolate,
    "assemble_poly": lambda room, vertex, params, *scalars: [list(scalars)],
    "assemble_points": lambda room, vertex, params, *points: [list(points)],
    "hash_transcript": _absorb(write=False),
    "write_transcript": _absorb(write=True),
    "squeeze_scalar": lambda room, vertex, params, transcript: transcript.squeeze(),
}


# -- constants -----------------------------------------------------------------------------------


def constant_value(entry: ConstantEntry, curve: str, folder: Path | None) -> Any:
    """The value of a constant, from wherever its data is."""
    typ, data = entry.typ, entry.data
    record = CURVES[curve]
    is_points = isinstance(typ, PointType | PointArray)
    group = typ.group if isinstance(typ, PointType | PointArray) else "g1"
    modulus, size = (record.q, record.base.bytes) if is_points else (record.r, 32)
    if isinstance(data, Values):
        flat = [_integer(n) for n in _flattened(data.values, 2 if group == "g1" else 4)]
    else:
        flat = [int.from_bytes(c, "little") for c in _cut(_image(data, folder), size)]
        if data.encoding == "montgomery":
            inverse = pow(1 << (8 * size), -1, modulus)
            flat = [n * inverse % modulus for n in flat]
    assert all(0 <= n < modulus for n in flat)
    value: list[Any] = points_from(flat, group) if is_points else flat
    return value[0] if isinstance(typ, PointType | Scalar) else value


def _flattened(values: Any, coordinates: int) -> Iterator[Any]:
    """The numbers in nested lists; infinity as zeros."""
    if isinstance(values, list | tuple):
        for one in values:
            yield from _flattened(one, coordinates)
    elif values is None:
        yield from [0] * coordinates
    else:
        yield values


def _image(data: Bytes | File, folder: Path | None) -> bytes:
    if isinstance(data, Bytes):
        return bytes(data.bytes)
    assert folder is not None, "the folder of the constants' files is not known"
    image = (folder / data.file).read_bytes()[data.offset : data.offset + data.nbytes]
    assert len(image) == data.nbytes
    assert data.sha256 in (None, hashlib.sha256(image).hexdigest())
    return image


def _cut(image: bytes, size: int) -> Iterator[bytes]:
    return (image[i : i + size] for i in range(0, len(image), size))
