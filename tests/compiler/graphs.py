"""Random graphs for Hypothesis: well typed, every operation, small, never failing when they run.

@given(random_cases())
def test(case: Case) -> None:
    ... interpret(case.graph, case.inputs, case.drawn) ...
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from group_law import Point, coordinates, sum_of_products
from hypothesis import strategies as st
from interpreter import drawn_by

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, ConstantEntry, Graph, Value
from zkrun.compiler.type2.types import Form, Poly, ValueType
from zkrun.program.document import Bytes, Data, Values
from zkrun.program.types import Point as PointType
from zkrun.program.types import PointArray, Scalar, Transcript

__all__ = ["Case", "random_cases", "random_graph"]

COSETS = (1, 3, 0x1D0B5E9F3C)
BASES = 8


@dataclass(frozen=True)
class Case:
    """A graph with values of its inputs, and the elements that its Randoms draw."""

    graph: Graph
    inputs: dict[str, Any]
    drawn: list[int]


def random_cases(
    curves: Sequence[str] = ("bn254", "bls12_381"), most: int = 25
) -> st.SearchStrategy[Case]:
    """Cases of up to `most` steps, each of which is some vertices."""
    return _cases(tuple(curves), most)


def random_graph(
    curves: Sequence[str] = ("bn254", "bls12_381"), most: int = 25
) -> st.SearchStrategy[Graph]:
    """The graphs alone."""
    return random_cases(curves, most).map(lambda case: case.graph)


@st.composite
def _cases(draw: st.DrawFn, curves: tuple[str, ...], most: int) -> Case:
    author = _Author(draw, draw(st.sampled_from(curves)))
    for _ in range(draw(st.integers(1, most))):
        draw(st.sampled_from(_STEPS))(author)
    graph = author.graph()
    return Case(graph, author.inputs, author.elements(drawn_by(graph)))


@functools.cache
def some_points(curve: str, group: str, count: int) -> tuple[Point, ...]:
    """Points of the group, infinity, a repeated one and an opposite one among them."""
    record = CURVES[curve]
    generator: Any = record.g1 if group == "g1" else record.g2
    source = random.Random(f"{curve} {group}")
    factors = [source.randrange(record.r) for _ in range(count)]
    if count > 4:
        factors[1:5] = 0, factors[0], record.r - factors[0], 1
    return tuple(sum_of_products(curve, group, [generator], [k]) for k in factors)


class _Author:
    """Draws a graph operation by operation, over what is there already."""

    def __init__(self, draw: st.DrawFn, curve: str) -> None:
        self.draw = draw
        self.curve = curve
        self.r = CURVES[curve].r
        self.builder = Builder(curve)
        self.inputs: dict[str, Any] = {}
        self.pool: list[Value] = []
        self.n = draw(st.sampled_from([4, 8, 1, 2, 16]))
        for form in ("coefficients", "lagrange"):
            self.input(Poly(self.n, form))
        self.input(Scalar())
        self.constant(PointArray(BASES))
        self.add(op.NewTranscript(draw(st.sampled_from(["blake2b", "keccak256"]))))

    def graph(self) -> Graph:
        """The graph of all so far: some of it in the result, or all that nothing takes, so that
        no wrong value stays unseen."""
        some = st.lists(st.sampled_from(self.pool), min_size=1, max_size=6)
        results: tuple[Any, ...] = tuple(self.draw(some))
        if self.index(4):
            taken = {one for vertex in self.builder.vertices for one in vertex.operands}
            results += tuple(value for value in self.pool if value not in taken)
        shape = self.draw(st.sampled_from(["one", "tuple", "nested"]))
        if shape == "one":
            return self.builder.graph(results[0])
        return self.builder.graph(results if shape == "tuple" else (results[0], results[1:]))

    # -- values --------------------------------------------------------------------------------

    def elements(self, count: int) -> list[int]:
        """Field elements, many of them extreme or equal."""
        source = self.draw(st.randoms(use_true_random=False))
        some = [0, 1, 2, self.r - 1, source.randrange(self.r)]
        return [
            source.choice(some) if source.random() < 0.5 else source.randrange(self.r)
            for _ in range(count)
        ]

    def value(self, typ: ValueType) -> Any:
        if isinstance(typ, Scalar):
            return self.elements(1)[0]
        if isinstance(typ, Poly):
            return self.elements(typ.n)
        if isinstance(typ, PointType):
            return some_points(self.curve, typ.group, BASES)[self.index(BASES)]
        assert isinstance(typ, PointArray)
        return list(some_points(self.curve, typ.group, BASES)[: typ.len])

    def data(self, typ: ValueType) -> Data:
        """A value as the data of a constant, in any of the forms that need no file."""
        value = self.value(typ)
        group = typ.group if isinstance(typ, PointType | PointArray) else None
        one = isinstance(typ, Scalar | PointType)
        if group is None:
            flat, modulus, size = [value] if one else value, self.r, 32
        else:
            flat = [c for p in ([value] if one else value) for c in coordinates(p, group)]
            modulus, size = CURVES[self.curve].q, CURVES[self.curve].base.bytes
        encoding = self.draw(st.sampled_from(["values", "montgomery", "canonical"]))
        if encoding == "values":
            return Values(_texts(value))
        if encoding == "montgomery":
            flat = [(c << 8 * size) % modulus for c in flat]
        return Bytes(b"".join(c.to_bytes(size, "little") for c in flat), encoding)

    def index(self, count: int) -> int:
        return self.draw(st.integers(0, count - 1))

    def number(self) -> int:
        choices = st.sampled_from([0, 1, 2, self.r - 1]) | st.integers(0, self.r - 1)
        return self.draw(choices)

    # -- vertices ------------------------------------------------------------------------------

    def add(self, operation: op.Operation, *operands: Value) -> Value:
        """A vertex, all of whose results later steps may take."""
        first = self.hidden(operation, *operands)
        for output in range(len(self.builder.vertices[first.vertex].types)):
            self.pool.append(Value(first.vertex, output))
        return first

    def hidden(self, operation: op.Operation, *operands: Value) -> Value:
        """A vertex that only this step takes."""
        index = len(self.builder.vertices)
        return self.builder.add(operation, operands, source=f"author.py:{index}")

    def call(self, name: str, *operands: Value, **params: Any) -> Value:
        return self.add(op.call(name, params), *operands)

    def input(self, typ: ValueType) -> Value:
        name = f"input{len(self.inputs)}"
        self.builder.inputs[name] = typ
        self.inputs[name] = self.value(typ)
        return self.add(op.Input(name))

    def constant(self, typ: ValueType) -> Value:
        name = f"constant{len(self.builder.constants)}"
        self.builder.constants[name] = ConstantEntry(typ, self.data(typ))
        return self.add(op.Constant(name))

    def typ(self, value: Value) -> Any:
        return self.builder.type(value)

    def any(self, fits: Callable[[Any], bool]) -> Value | None:
        """One of the values of such a type; later ones are likelier."""
        found = [value for value in self.pool if fits(self.typ(value))]
        if not found:
            return None
        return found[max(self.index(len(found)), self.index(len(found)))]

    def poly(self, form: Form | None = None, like: Poly | None = None) -> Value:
        """A polynomial; of this form or of this type where given. There is always one."""

        def fits(typ: Any) -> bool:
            if like is not None:
                return bool(typ == like)
            return isinstance(typ, Poly) and form in (None, typ.form)

        found = self.any(fits)
        if found is not None:
            return found
        return self.input(like or Poly(self.n, form or "lagrange"))

    def scalar(self) -> Value:
        found = self.any(lambda typ: isinstance(typ, Scalar))
        assert found is not None
        return found

    def bases(self) -> Value:
        found = self.any(lambda typ: isinstance(typ, PointArray))
        assert found is not None
        return found

    def transcript(self) -> Value:
        """The latest state, now and then an earlier one."""
        states = [v for v in self.pool if isinstance(self.typ(v), Transcript)]
        return states[-1] if self.index(4) else states[self.index(len(states))]


def _texts(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value if value is None else hex(value)
    return [_texts(one) for one in value]


# -- steps: each adds one operation, with what it needs ------------------------------------------


def _power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


def _new_value(author: _Author) -> None:
    coset = author.draw(st.sampled_from(COSETS))
    typ: ValueType = author.draw(
        st.sampled_from(
            [
                Scalar(),
                Poly(author.n, "coefficients"),
                Poly(2 * author.n, "lagrange", coset),
                PointType(),
                PointType("g2"),
                PointArray(BASES, "g2"),
                PointArray(3),
            ]
        )
    )
    (author.input if author.index(2) else author.constant)(typ)


def _new_number(author: _Author) -> None:
    author.add(op.Number(author.number()))


def _fill(author: _Author) -> None:
    value = author.draw(st.sampled_from(["zero", "one_lagrange", "one_coef"]))
    form: Form = author.draw(st.sampled_from(["coefficients", "lagrange"]))
    author.add(op.call("fill", {"value": value}, [Poly(author.n, form)]))


def _arithmetic(author: _Author) -> None:
    """Of two alike, of a polynomial and a scalar, of two scalars, of different lengths."""
    operation = author.draw(st.sampled_from([op.Add(), op.Subtract(), op.Multiply()]))
    a = author.scalar() if author.index(4) == 0 else author.poly()
    b = author.scalar()
    typ = author.typ(a)
    if isinstance(typ, Poly):
        if typ.form == "coefficients" and not isinstance(operation, op.Multiply):
            b = author.poly("coefficients")
        elif typ.form == "lagrange" and author.index(3):
            b = author.poly(like=typ)
    author.add(operation, *([a, b] if author.index(2) else [b, a]))


def _unary(author: _Author) -> None:
    kind = author.draw(st.sampled_from(["negate", "power", "invert"]))
    if kind == "negate":
        author.add(op.Negate(), author.poly() if author.index(2) else author.scalar())
        return
    a = author.poly("lagrange") if author.index(2) else author.scalar()
    if kind == "power":
        exponents = st.integers(0, 9) | st.just(2**64 - 1)
        author.add(op.Power(author.draw(exponents)), a)
    elif author.typ(a) == Scalar():
        author.add(op.Invert(), _nonzero(author, a))
    else:
        author.add(op.Invert(), a)


def _nonzero(author: _Author, s: Value) -> Value:
    """s² − g, which is never zero: g is no square."""
    non_square = author.hidden(op.Number(CURVES[author.curve].scalar.generator))
    return author.add(op.Subtract(), author.add(op.Multiply(), s, s), non_square)


_EXPRESSIONS = (
    ("y0 = x0*x1 + 3*x2", 3, 1),
    ("y0 = x0 - x1; y1 = -y0^2", 2, 2),
    ("t = x0 + 0x10\ny1 = t^5\ny0 = t*x1 - x0", 2, 2),
    ("y0 = x2*(x0 - 1)^0 - x1", 3, 1),
)


def _fused(author: _Author) -> None:
    expr, inputs, outputs = author.draw(st.sampled_from(_EXPRESSIONS))
    operands = [author.poly("lagrange") if author.index(4) else author.scalar()]
    typ = author.typ(operands[0])
    while len(operands) < inputs:
        polynomial = isinstance(typ, Poly) and author.index(3)
        operands.append(author.poly(like=typ) if polynomial else author.scalar())
    author.add(op.Fused(expr, outputs), *author.draw(st.permutations(operands)))


def _rotate(author: _Author) -> None:
    author.add(op.Rotate(author.draw(st.integers(-3, 3))), author.poly("lagrange"))


def _slice(author: _Author) -> None:
    array = author.bases() if author.index(5) == 0 else author.poly()
    typ = author.typ(array)
    n = typ.n if isinstance(typ, Poly) else typ.len
    start, end = sorted([author.index(n + 1), author.index(n + 1)])
    author.add(op.Slice(start, end), array)


def _views_of_views(author: _Author) -> None:
    """Rotations and slices of each other and of arithmetic, which nothing else takes."""
    value = author.hidden(op.Multiply(), author.poly("lagrange"), author.scalar())
    for _ in range(1 + author.index(3)):
        typ = author.typ(value)
        match author.index(4):
            case 0:
                value = author.hidden(op.Subtract(), value, author.poly(like=typ))
            case 1:
                start = author.index(typ.n + 1)
                value = author.hidden(op.Slice(start, typ.n), value)
            case _:
                value = author.hidden(op.Rotate(author.draw(st.integers(-3, 3))), value)
    n = author.typ(value).n
    start, end = sorted([author.index(n + 1), author.index(n + 1)])
    author.add(op.Slice(start, end) if author.index(2) else op.Rotate(1), value)


def _view(author: _Author) -> None:
    if author.index(2):
        author.add(op.View("coefficients"), author.poly("lagrange"))
    else:
        coset = author.draw(st.sampled_from(COSETS))
        author.add(op.View("lagrange", coset), author.poly("coefficients"))


def _element(author: _Author) -> None:
    a = author.poly()
    if author.typ(a).n:
        author.add(op.Element(author.index(author.typ(a).n)), a)


def _concatenate(author: _Author) -> None:
    parts = [author.poly(author.draw(st.sampled_from(["coefficients", "lagrange"])))]
    for _ in range(author.index(3)):
        parts.append(author.poly(author.typ(parts[0]).form))
    total = sum(author.typ(part).n for part in parts)
    if total <= 64:
        n = author.draw(st.sampled_from([total, total + 1, 1 << total.bit_length()]))
        author.add(op.Concatenate(n), *parts)


def _update(author: _Author) -> None:
    """Blinding, or a part of something else."""
    a = author.poly()
    n = author.typ(a).n
    start, end = sorted([author.index(n + 1), author.index(n + 1)])
    if author.index(3):
        part = author.hidden(op.Random(end - start, author.typ(a).form))
    else:
        part = author.hidden(op.Slice(start, end), author.poly(like=author.typ(a)))
    author.add(op.Update(start), a, part)


def _random(author: _Author) -> None:
    form: Form = author.draw(st.sampled_from(["coefficients", "lagrange"]))
    author.add(op.Random(author.n, form))


def _transform(author: _Author) -> None:
    a = author.poly()
    typ = author.typ(a)
    if not _power_of_two(typ.n):
        padded = op.Concatenate(1 << typ.n.bit_length())
        a = author.hidden(padded, a)
        typ = author.typ(a)
    params: dict[str, Any] = {}
    if typ.form == "lagrange":
        params["inverse"] = True
        coset = typ.coset
    else:
        coset = author.draw(st.sampled_from(COSETS))
    if coset != 1:
        params["coset"] = coset if coset < 1 << 16 else hex(coset)
    author.call("ntt", a, **params)


def _there_and_back(author: _Author) -> None:
    """Pairs that a pass may cancel, on one coset or two."""
    a = author.poly("coefficients")
    if _power_of_two(author.typ(a).n):
        coset = author.draw(st.sampled_from(COSETS))
        there = author.call("ntt", a, coset=coset)
        author.call("ntt", there, coset=coset, inverse=True)


def _sum_of_transforms(author: _Author) -> None:
    """Sums that a pass may take before their transforms, if those are the same."""
    terms = []
    for _ in range(2):
        coset = author.draw(st.sampled_from(COSETS))
        values = author.hidden(
            op.View("lagrange", coset), author.poly(like=Poly(author.n, "lagrange"))
        )
        inverse = op.call("ntt", {"coset": hex(coset), "inverse": True})
        term = author.hidden(inverse, values)
        scaled = author.index(2)
        terms.append(author.hidden(op.Multiply(), term, author.scalar()) if scaled else term)
    author.add(author.draw(st.sampled_from([op.Add(), op.Subtract()])), *terms)


def _reduced(author: _Author) -> None:
    """A sum over what has just been put together: zeros behind one part need no work."""
    a = author.poly("coefficients")
    parts = [a, author.poly("coefficients")] if author.index(2) else [a]
    total = sum(author.typ(part).n for part in parts)
    whole = author.hidden(op.Concatenate(total + author.index(3)), *parts)
    if total + 2 > BASES or author.index(2):
        author.call("evaluate", whole, author.scalar())
    else:
        author.call("msm", author.hidden(op.Constant("constant0")), whole)


def _msm(author: _Author) -> None:
    bases = author.bases()
    room = author.typ(bases).len
    fitting = [author.poly() for _ in range(1 + author.index(3))]
    scalars = [a for a in fitting if author.typ(a).n <= room]
    for _ in range(author.index(3)):
        a = author.poly()
        end = min(room, author.typ(a).n)
        scalars.append(author.hidden(op.Slice(0, end), a))
    if scalars:
        author.call("msm", bases, *scalars)


def _functions_of_arrays(author: _Author) -> None:
    name = author.draw(st.sampled_from(["poly_add", "poly_sub", "poly_mul", "poly_scale"]))
    a = author.poly()
    typ = author.typ(a)
    results = [typ]
    if name == "poly_scale":
        b = author.scalar()
    elif name == "poly_mul":
        b = author.poly(like=typ)
    else:
        b = author.poly()
        results = [Poly(max(typ.n, author.typ(b).n), typ.form, typ.coset)]
    author.add(op.call(name, {}, results), a, b)


def _more_functions(author: _Author) -> None:
    name = author.draw(
        st.sampled_from(["batch_invert", "distribute_powers", "scalar_invert", "scalar_pow"])
    )
    if name == "batch_invert":
        a = author.poly()
        author.add(op.call(name, {}, [author.typ(a)]), a)
    elif name == "distribute_powers":
        powers = author.any(lambda typ: isinstance(typ, Poly) and typ.n > 0)
        assert powers is not None
        author.call(name, author.poly(), powers)
    elif name == "scalar_invert":
        author.add(op.call(name, {}, [Scalar()]), _nonzero(author, author.scalar()))
    else:
        exponent = author.draw(st.sampled_from([0, 1, 5, hex(author.r - 2), "123"]))
        author.add(op.call(name, {"exp": exponent}, [Scalar()]), author.scalar())


def _evaluate(author: _Author) -> None:
    author.call("evaluate", author.poly("coefficients"), author.scalar())


def _kate_division(author: _Author) -> None:
    author.call("kate_division", author.poly("coefficients"), author.scalar())


def _scan_mul(author: _Author) -> None:
    author.call("scan_mul", author.poly("lagrange"), author.scalar())


def _permute(author: _Author) -> None:
    """A lookup whose values are in its table, and blinding behind the usable rows."""
    n = author.n
    usable = author.index(n + 1)
    author.input(Poly(n, "lagrange"))
    author.input(Poly(n, "lagrange"))
    t, a = list(author.inputs)[-2:]
    source = author.draw(st.randoms(use_true_random=False))
    author.inputs[a] = [source.choice(author.inputs[t][:usable]) for _ in range(usable)]
    author.inputs[a] += author.elements(n - usable)
    operands = [author.hidden(op.Input(name)) for name in (a, t)]
    first = author.hidden(op.call("permute", {"usable": usable}), *operands)
    for output in range(2):
        blinding = author.hidden(op.Random(n - usable, "lagrange"))
        author.add(op.Update(usable), Value(first.vertex, output), blinding)


def _interpolate(author: _Author) -> None:
    count = author.index(4)
    xs = [author.hidden(op.Number(7 * i)) for i in range(count)]
    author.call("interpolate", *xs, *[author.scalar() for _ in xs])


def _assemble(author: _Author) -> None:
    author.call("assemble_poly", *[author.scalar() for _ in range(author.index(5))])
    point = author.any(lambda typ: isinstance(typ, PointType))
    if point is not None:
        author.call("assemble_points", *[point] * (1 + author.index(3)))


def _absorb(author: _Author) -> None:
    value = author.any(lambda typ: not isinstance(typ, Transcript))
    assert value is not None
    name = author.draw(st.sampled_from(["hash_transcript", "write_transcript"]))
    author.call(name, author.transcript(), value)


def _squeeze(author: _Author) -> None:
    author.call("squeeze_scalar", author.transcript())


def _again(author: _Author) -> None:
    """A vertex that computes what another one does."""
    vertices = author.builder.vertices
    vertex = vertices[author.index(len(vertices))]
    if vertex.operation.pure and "permute" not in str(vertex.operation):
        author.add(vertex.operation, *vertex.operands)


_STEPS: tuple[Callable[[_Author], None], ...] = (
    *(_arithmetic,) * 6,
    *(_unary, _fused, _rotate, _views_of_views, _transform) * 2,
    _new_value,
    _new_number,
    _fill,
    _slice,
    _view,
    _element,
    _concatenate,
    _update,
    _random,
    _there_and_back,
    _sum_of_transforms,
    _reduced,
    _msm,
    _functions_of_arrays,
    _more_functions,
    _evaluate,
    _kate_division,
    _scan_mul,
    _permute,
    _interpolate,
    _assemble,
    _absorb,
    _squeeze,
    _again,
)
