"""Handles: what authors compute with. Each stands for one value of the graph that is being written.

An operation on handles adds a vertex, whose types are inferred at once, so that an error names the
line of the author's file: the innermost one outside of this package. What is known only when the
program runs (whether two values are equal, whether one is zero) cannot be asked of a handle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Self, TypeAlias

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.given import count, is_zero, position, slice_of
from zkrun.compiler.type2.points import Bases, PointValue
from zkrun.compiler.type2.recorder import Handle, Recorder, error, expect, integer, text
from zkrun.compiler.type2.types import Form, Poly
from zkrun.program.types import Scalar, Transcript

__all__ = [
    "Bases",
    "Operand",
    "PointValue",
    "Polynomial",
    "ScalarValue",
    "TranscriptValue",
    "check_forms",
]


class _Arithmetic(Handle):
    """What polynomials and scalars share: the operators, with themselves and with numbers."""

    __slots__ = ()

    def _operate(self, operation: op.Operation, *operands: Any) -> Any:
        return self.recorder.add(operation, operands)[0]

    def __neg__(self) -> Self:
        return expect(self._operate(op.Negate(), self), type(self))

    def __pos__(self) -> Self:
        return self

    def inverse(self) -> Self:
        """1/a. The scalar 0 has none and fails the run; zeros among values of a polynomial stay."""
        if self.recorder.number_of(self) == 0:
            raise error("division by zero")
        return expect(self._operate(op.Invert(), self), type(self))

    def __pow__(self, exponent: int) -> Self:
        power = integer(exponent, "an exponent")
        if abs(power) >> 64:
            raise error("an exponent is between −(2^64 − 1) and 2^64 − 1")
        base = self.inverse() if power < 0 else self
        return expect(self._operate(op.Power(abs(power)), base), type(self))

    def __rpow__(self, base: object) -> NoReturn:
        raise error("an exponent is an integer that is known, not a value of the proof")


class ScalarValue(_Arithmetic, of=Scalar):
    """An element of the scalar field."""

    __slots__ = ()
    typ: Scalar

    def __add__(self, other: ScalarValue | int) -> ScalarValue:
        return self._with(op.Add(), self, other)

    def __radd__(self, other: int) -> ScalarValue:
        return self if is_zero(other) else self._with(op.Add(), other, self)

    def __sub__(self, other: ScalarValue | int) -> ScalarValue:
        return self._with(op.Subtract(), self, other)

    def __rsub__(self, other: int) -> ScalarValue:
        return self._with(op.Subtract(), other, self)

    def __mul__(self, other: ScalarValue | int) -> ScalarValue:
        return self._with(op.Multiply(), self, other)

    def __rmul__(self, other: int) -> ScalarValue:
        return self._with(op.Multiply(), other, self)

    def __truediv__(self, other: ScalarValue | int) -> ScalarValue:
        if isinstance(other, Polynomial):
            return NotImplemented
        return self._with(op.Multiply(), self, _inverse(self.recorder, other))

    def __rtruediv__(self, other: int) -> ScalarValue:
        return self._with(op.Multiply(), other, self.inverse())

    def _with(self, operation: op.Operation, a: Any, b: Any) -> ScalarValue:
        if isinstance(b, Polynomial | PointValue):  # which know what becomes of it
            return NotImplemented  # type: ignore[no-any-return]  # operators may give this
        return expect(self._operate(operation, a, b), ScalarValue)


class Polynomial(_Arithmetic, of=Poly):
    """Coefficients, or values on a domain of roots of unity: `form` says which of the two.

    Of values, `+ - * / **` and `inverse` act value by value, a scalar standing for all of them. Of
    coefficients, `+` and `-` are those of polynomials, and `*` takes a scalar.
    """

    __slots__ = ()
    typ: Poly

    @property
    def n(self) -> int:
        """How many coefficients or values there are; `len(f)` says so too."""
        return self.typ.n

    def __len__(self) -> int:
        return self.typ.n

    @property
    def form(self) -> Form:
        """Whether they are "coefficients" or, of form "lagrange", values."""
        return self.typ.form

    @property
    def coset(self) -> int:
        """The g of values at g·ω^i."""
        return self.typ.coset

    def __add__(self, other: Operand) -> Polynomial:
        return self if is_zero(other) else self._two(op.Add(), self, other)

    def __radd__(self, other: ScalarValue | int) -> Polynomial:
        return self if is_zero(other) else self._two(op.Add(), other, self)

    def __sub__(self, other: Operand) -> Polynomial:
        return self if is_zero(other) else self._two(op.Subtract(), self, other)

    def __rsub__(self, other: ScalarValue | int) -> Polynomial:
        return -self if is_zero(other) else self._two(op.Subtract(), other, self)

    def __mul__(self, other: Operand) -> Polynomial:
        return self._two(op.Multiply(), self, other)

    def __rmul__(self, other: ScalarValue | int) -> Polynomial:
        return self._two(op.Multiply(), other, self)

    def __truediv__(self, other: Operand) -> Polynomial:
        return self._two(op.Multiply(), self, _inverse(self.recorder, other))

    def __rtruediv__(self, other: ScalarValue | int) -> Polynomial:
        return self._two(op.Multiply(), other, self.inverse())

    def _two(self, operation: op.Operation, a: Any, b: Any) -> Polynomial:
        return expect(self._operate(operation, a, b), Polynomial)

    def _one(self, operation: op.Operation, *more: Any) -> Polynomial:
        return expect(self._operate(operation, self, *more), Polynomial)

    def to_coefficients(self) -> Polynomial:
        """The coefficients of the polynomial that has these values."""
        if self.form == "coefficients":
            return self
        return self._one(op.call("ntt", {**_coset(self.coset), "inverse": True}))

    def to_lagrange(self, n: int | None = None, coset: int = 1) -> Polynomial:
        """The values at coset·ω^i for i below `n`, as many as there are elements if not stated.

        A larger n extends the polynomial: zeros follow its coefficients.
        """
        g = self.recorder.coset(coset)
        wanted = self.n if n is None else count(n)
        if self.typ == Poly(wanted, "lagrange", g):
            return self
        return self.to_coefficients().padded(wanted)._one(op.call("ntt", _coset(g)))

    def as_coefficients(self) -> Polynomial:
        """The same elements, taken as coefficients."""
        return self if self.form == "coefficients" else self._one(op.View("coefficients"))

    def as_lagrange(self, coset: int = 1) -> Polynomial:
        """The same elements, taken as values at coset·ω^i."""
        typ = Poly(self.n, "lagrange", self.recorder.coset(coset))
        return self if self.typ == typ else self._one(op.View("lagrange", typ.coset))

    def padded(self, n: int) -> Polynomial:
        """The elements, then zeros up to `n` of them."""
        wanted = count(n)
        return self if wanted == self.n else self._one(op.Concatenate(wanted))

    def rotate(self, by: int) -> Polynomial:
        """p(ω^by·X): the value at ω^i is that of p at ω^(i+by)."""
        turn = integer(by, "a rotation")
        if abs(turn) >= self.n:
            turn %= max(self.n, 1)
        return self._one(op.Rotate(turn))

    def __getitem__(self, at: int | slice) -> Any:
        """`f[i]` is an element, a ScalarValue; `f[start:end]` a Polynomial of the same form."""
        if isinstance(at, slice):
            return self._one(slice_of(at, self.n))
        return expect(self._operate(op.Element(position(at, self.n)), self), ScalarValue)

    def updated(self, start: int, part: Polynomial) -> Polynomial:
        """The same elements, but those of `part`, of the same form, from `start` on."""
        if isinstance(part, Polynomial):
            check_forms((self, part))
        return self._one(op.Update(position(start, self.n)), part)

    def blind(self, start: int, end: int | None = None) -> Polynomial:
        """The same elements, but uniformly random ones from `start` to before `end`, or to the
        last one if not stated."""
        first = position(start, self.n)
        last = self.n if end is None else position(end, self.n)
        if not first <= last <= self.n:
            raise error(f"[{first}:{last}] is no range of {self.n} elements")
        (noise,) = self.recorder.add(op.Random(last - first, self.form))
        return self._one(op.Update(first), noise)

    def __call__(self, x: ScalarValue | int) -> ScalarValue:
        """The polynomial, in coefficients, at x."""
        return expect(self._operate(op.call("evaluate"), self, x), ScalarValue)

    def divide_by_linear(self, z: ScalarValue | int) -> Polynomial:
        """(p(X) − p(z)) / (X − z), in coefficients; as many as p has, the last one 0."""
        return self._one(op.call("kate_division"), z)

    def running_product(self, z0: ScalarValue | int = 1) -> Polynomial:
        """z with z[0] = z0 and z[i] = z[i−1]·a[i−1]."""
        return self._one(op.call("scan_mul"), z0)

    def distribute_powers(self, powers: Polynomial) -> Polynomial:
        """a[i]·powers[i mod n], where n is how many powers there are."""
        return self._one(op.call("distribute_powers"), powers)


class TranscriptValue(Handle, of=Transcript):
    """A Fiat-Shamir transcript. Each call goes on from the state that the one before has left."""

    __slots__ = ()
    typ: Transcript

    def absorb(self, value: Handle | int) -> None:
        """Hashes a scalar, a point, or the elements of an array."""
        self._go_on("hash_transcript", value)

    def write(self, value: Handle | int) -> None:
        """Hashes a value, and appends it to the proof."""
        self._go_on("write_transcript", value)

    def squeeze(self, label: str | None = None) -> ScalarValue:
        """The next challenge."""
        name = None if label is None else text(label, "a name")
        state, challenge = self.recorder.add(op.call("squeeze_scalar"), (self,), name)
        self.value = state.value
        return expect(challenge, ScalarValue)

    def _go_on(self, function: str, value: Handle | int) -> None:
        (state,) = self.recorder.add(op.call(function), (self, value))
        self.value = state.value


def check_forms(polynomials: Sequence[Polynomial]) -> None:
    """Refuses to put elements of one form, or of values on one coset, among those of another."""
    first, *others = (polynomial.typ for polynomial in polynomials)
    for typ in others:
        if (typ.form, typ.coset) != (first.form, first.coset):
            raise error(
                f"the elements of a {first} and a {typ} do not go together: take both to the same "
                "form, or the elements for what they are not with as_lagrange or as_coefficients"
            )


Operand: TypeAlias = Polynomial | ScalarValue | int


def _inverse(recorder: Recorder, divisor: Any) -> Any:
    """1/divisor: of a number at once."""
    if isinstance(divisor, _Arithmetic):
        recorder.take(divisor)  # which looks whose it is
        return divisor.inverse()
    if isinstance(divisor, Handle):
        raise error(f"cannot divide by a {divisor.typ}")
    if not (number := recorder.known(divisor)):
        raise error("division by zero")
    return pow(number, -1, recorder.modulus)


def _coset(coset: int) -> dict[str, Any]:
    """The parameter of `ntt`: left out where it is 1, text where a document needs that."""
    return {} if coset == 1 else {"coset": hex(coset) if coset >> 64 else coset}
