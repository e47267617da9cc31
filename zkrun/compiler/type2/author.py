"""A proof as its author writes it: inputs, constants, arithmetic, commitments, challenges.

    proof = Proof("bn254", name="product")
    srs = proof.constant("srs", PointArray(8), file="srs.bin")
    a, b = (proof.input(name, Coefficients(4)) for name in "ab")
    c = (a.to_lagrange(8) * b.to_lagrange(8)).to_coefficients()
    transcript = proof.transcript("blake2b")
    transcript.write(srs.commit(c))
    z = transcript.squeeze()
    transcript.write(c(z))
    transcript.write(srs.commit(c.divide_by_linear(z)))
    graph = proof.graph(transcript)

What is wrong is said at once, with the line of the author's file (`GraphError`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, Unpack, overload

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import given
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.given import Coefficients, ConstantData, Lagrange
from zkrun.compiler.type2.graph import ConstantEntry, Graph, Result
from zkrun.compiler.type2.handles import (
    Bases,
    PointValue,
    Polynomial,
    ScalarValue,
    TranscriptValue,
    check_forms,
)
from zkrun.compiler.type2.recorder import (
    Handle,
    Recorder,
    error,
    expect,
    integer,
    several,
    text,
)
from zkrun.compiler.type2.types import Form, Poly, ValueType
from zkrun.program.explain import found
from zkrun.program.functions.transform import default_root
from zkrun.program.types import Point, PointArray, Scalar

__all__ = [
    "Bases",
    "Coefficients",
    "Lagrange",
    "PointValue",
    "Polynomial",
    "Proof",
    "ScalarValue",
    "TranscriptValue",
    "permute",
]

Results: TypeAlias = "Handle | int | Sequence[Results]"
"""What a proof gives: a value, or values in nested tuples."""

_H = TypeVar("_H", bound=Handle)


def permute(a: Polynomial, table: Polynomial, usable: int) -> tuple[Polynomial, Polynomial]:
    """halo2's lookup permutation (a′, t′) over the first `usable` rows of two of one form.

    The later rows hold nothing: blind them, or slice them off.
    """
    if not isinstance(a, Polynomial) or not isinstance(table, Polynomial):
        raise error("permute takes two polynomials")
    check_forms((a, table))
    rows = integer(usable, "the number of usable rows")
    first, second = a.recorder.add(op.call("permute", {"usable": rows}), (a, table))
    assert isinstance(first, Polynomial)
    assert isinstance(second, Polynomial)
    return first, second


class Proof:
    """A proof over a curve, in the making. `folder` is where files of its constants lie."""

    def __init__(
        self,
        curve: Literal["bn254", "bls12_381"],
        name: str | None = None,
        folder: str | Path = ".",
    ) -> None:
        if not isinstance(curve, str) or curve not in CURVES:
            raise error(f"a curve is {' or '.join(CURVES)}, not {found(curve)}")
        self.name = None if name is None else text(name, "the name of a proof")
        self.folder = given.folder(folder)
        self._recorder = Recorder(curve)
        self._builder = self._recorder.builder

    @property
    def modulus(self) -> int:
        """The number r of elements of the scalar field."""
        return self._recorder.modulus

    def root_of_unity(self, n: int) -> int:
        """ω of the domain of n values: the primitive n-th root that the program format fixes."""
        field = self._builder.curve.scalar
        count = given.count(n)
        if count == 0 or count & (count - 1) or count.bit_length() > field.two_adicity + 1:
            raise error(f"a domain has 2^k values with k at most {field.two_adicity}, not {n}")
        return default_root(count, field.modulus, field.root_of_unity, field.two_adicity)

    @overload
    def input(self, name: str, typ: Poly) -> Polynomial: ...
    @overload
    def input(self, name: str, typ: Scalar) -> ScalarValue: ...
    @overload
    def input(self, name: str, typ: Point) -> PointValue: ...
    @overload
    def input(self, name: str, typ: PointArray) -> Bases: ...

    def input(self, name: str, typ: Poly | Scalar | Point | PointArray) -> Any:
        """A value that is given by this name when the program runs."""
        self._check_entry("input", name, typ, self._builder.inputs)
        self._builder.inputs[name] = typ
        return self._recorder.add(op.Input(name), (), name)[0]

    @overload
    def constant(self, name: str, typ: Poly, **data: Unpack[ConstantData]) -> Polynomial: ...
    @overload
    def constant(self, name: str, typ: Scalar, **data: Unpack[ConstantData]) -> ScalarValue: ...
    @overload
    def constant(self, name: str, typ: Point, **data: Unpack[ConstantData]) -> PointValue: ...
    @overload
    def constant(self, name: str, typ: PointArray, **data: Unpack[ConstantData]) -> Bases: ...

    def constant(
        self,
        name: str,
        typ: Poly | Scalar | Point | PointArray,
        **data: Unpack[ConstantData],
    ) -> Any:
        """A value that is part of the program, and where it comes from: see `ConstantData`.

        Files are named relative to the folder of the proof, which is that of its saved graph.
        """
        self._check_entry("constant", name, typ, self._builder.constants)
        form = given.constant_data(typ, self._builder.curve, **data)
        self._builder.constants[name] = ConstantEntry(typ, form)
        return self._recorder.add(op.Constant(name), (), name)[0]

    def number(self, value: int) -> ScalarValue:
        """A scalar that is known."""
        return self._made(ScalarValue, op.Number(self._recorder.known(value)))

    def poly(self, scalars: Sequence[ScalarValue | int]) -> Polynomial:
        """The polynomial with these coefficients, the constant one first."""
        coefficients = several(scalars, "the coefficients of a polynomial")
        return self._made(Polynomial, op.call("assemble_poly"), coefficients)

    def interpolate(
        self, xs: Sequence[ScalarValue | int], ys: Sequence[ScalarValue | int]
    ) -> Polynomial:
        """The coefficients of the polynomial of least degree with p(xs[i]) = ys[i].

        Where two of the xs are equal there is none: the run fails.
        """
        arguments, values = several(xs, "arguments"), several(ys, "values")
        if len(arguments) != len(values):
            raise error(f"there are {len(arguments)} arguments and {len(values)} values")
        taken = [self._recorder.take(x) for x in arguments]
        first: dict[object, int] = {}
        for at, x in enumerate(taken):
            number = self._recorder.number_of(x)
            same = first.setdefault(x.value if number is None else number, at)
            if same != at:
                raise error(f"no polynomial has two values at one argument: xs[{same}] = xs[{at}]")
        return self._made(Polynomial, op.call("interpolate"), (*taken, *values))

    def fill(
        self, value: Literal[0, 1, "zero", "one_lagrange", "one_coef"], n: int, form: Form
    ) -> Polynomial:
        """The polynomial 0 or 1 in this form; or, in any form, elements that are all 0 ("zero") or
        all 1 ("one_lagrange"), or 1 and then zeros ("one_coef")."""
        typ = Poly(given.count(n), given.form(form))
        params = {"value": given.fill_value(value, typ.form)}
        return self._made(Polynomial, op.call("fill", params, [typ]))

    def random(self, n: int, form: Form) -> Polynomial:
        """A polynomial of n uniformly random elements."""
        return self._made(Polynomial, op.Random(given.count(n), given.form(form)))

    def concatenate(self, parts: Sequence[Polynomial], n: int | None = None) -> Polynomial:
        """The elements of all parts, which have one form, one after the other, then zeros up to `n`
        if stated."""
        taken = several(parts, "the parts")
        if not taken or not all(isinstance(part, Polynomial) for part in taken):
            raise error("only polynomials can be concatenated, at least one")
        check_forms(taken)
        total = given.count(sum(part.n for part in taken) if n is None else n)
        return self._made(Polynomial, op.Concatenate(total), taken)

    def transcript(self, hash: Literal["blake2b", "keccak256"]) -> TranscriptValue:
        """An empty Fiat-Shamir transcript."""
        return self._made(TranscriptValue, op.NewTranscript(given.hash_name(hash)))

    def call(
        self,
        function: str,
        params: Mapping[str, Any] | None = None,
        operands: Sequence[Handle | int] = (),
        results: Sequence[ValueType] | None = None,
    ) -> Any:
        """A call of any function: its result, or the tuple of them where there are several.

        Operands are those of the mutable arguments that it updates, then the immutable ones.
        `results` are the types of the mutable arguments, which `fill` and functions of packages
        need.
        """
        types = None if results is None else several(results, "results")
        if types is not None and not all(isinstance(typ, ValueType) for typ in types):
            raise error("results are types such as Lagrange(8) or Scalar()")
        if types is not None and not types:
            raise error("a call has at least one result")
        name, fixed = text(function, "the name of a function"), given.parameters(params)
        taken = several(operands, "operands")
        made = self._recorder.add(op.call(name, fixed, types), taken)
        return made[0] if len(made) == 1 else made

    def graph(self, result: Results) -> Graph:
        """The graph that computes this: handles in nested tuples. A transcript is its state now."""
        made = self._builder.graph(self._values(result))
        if next(made.results(), None) is None:
            raise error("a proof gives at least one value")
        return replace(
            made,
            inputs=dict(made.inputs),
            constants=dict(made.constants),
            name=self.name,
            folder=self.folder,
        )

    def _made(self, kind: type[_H], operation: op.Operation, operands: Sequence[Any] = ()) -> _H:
        return expect(self._recorder.add(operation, operands)[0], kind)

    def _values(self, result: Any) -> Result:
        if isinstance(result, tuple | list):
            return tuple(self._values(one) for one in result)
        return self._recorder.take(result).value

    def _check_entry(self, kind: str, name: Any, typ: object, taken: Mapping[str, Any]) -> None:
        if text(name, "a name") in taken:
            raise error(f'a second {kind} is named "{name}"')
        given.check_type(name, typ)
        if isinstance(typ, Poly):
            self._recorder.coset(typ.coset)
