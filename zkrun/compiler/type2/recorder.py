"""What writes a graph down while its author's file runs, and says what is wrong with which line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from operator import index
from pathlib import PurePath
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Builder, GraphError, Value
from zkrun.compiler.type2.types import ValueType
from zkrun.program.document import Values
from zkrun.program.integers import parse_integer
from zkrun.program.text import printable
from zkrun.program.types import Scalar

__all__ = [
    "Handle",
    "Recorder",
    "described",
    "error",
    "expect",
    "integer",
    "line",
    "several",
    "text",
]

_H = TypeVar("_H", bound="Handle")

_PACKAGE = "zkrun.compiler"


def line() -> str:
    """The author's line that is being run, as "file.py:12"."""
    frame = sys._getframe()
    while frame.f_back is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return printable(f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}")


def _is_own(module: str) -> bool:
    return module == _PACKAGE or module.startswith(_PACKAGE + ".")


def error(message: str) -> GraphError:
    """The error of the author's line."""
    return GraphError(f"{line()}: {message}")


def integer(value: Any, what: str) -> int:
    """An integer of Python's or of NumPy's, and nothing that only looks like one.

    `what` names it, as in "an exponent", or says what may stand there, an integer among it.
    """
    if not isinstance(value, bool):
        try:
            return index(value)
        except TypeError:
            pass
    wanted = what if "integer" in what else f"{what} is an integer"
    raise error(f"{wanted}, not {described(value)}")


def text(value: Any, what: str) -> str:
    """Text that a document can carry."""
    if not isinstance(value, str):
        raise error(f"{what} is text, not {described(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise error(f"{what} is no valid Unicode: {value!r}") from None
    return value


def several(values: Any, what: str) -> tuple[Any, ...]:
    """What stands in a list, or in anything else that can be gone through."""
    try:
        found = iter(values)
    except TypeError:
        raise error(f"{what} are a list, not {described(values)}") from None
    return tuple(found)


def expect(handle: Any, kind: type[_H]) -> _H:
    """The handle, which inference has found to be of this kind."""
    assert isinstance(handle, kind)
    return handle


def described(value: Any) -> str:
    """A value's type or kind, for messages."""
    if isinstance(value, Handle):
        return str(value.typ)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class Recorder:
    """Writes vertices down for the handles of one proof."""

    def __init__(self, curve: str) -> None:
        self.builder = Builder(curve)

    @property
    def modulus(self) -> int:
        """The number r of elements of the scalar field."""
        return self.builder.curve.r

    def coset(self, value: Any) -> int:
        """The g of a coset of values."""
        g = integer(value, "a coset")
        if not 0 < g < self.modulus:
            raise error("a coset is between 1 and r − 1")
        return g

    def add(
        self, operation: op.Operation, operands: Sequence[Any] = (), label: str | None = None
    ) -> tuple[Handle, ...]:
        """Adds a vertex, and gives a handle for each of its results. Operands may be numbers."""
        taken = [self.take(operand).value for operand in operands]
        first = self.builder.add(operation, taken, source=line(), label=label)
        types = self.builder.vertices[first.vertex].types
        return tuple(
            Handle.kinds[type(typ)](self, Value(first.vertex, output), typ)
            for output, typ in enumerate(types)
        )

    def take(self, operand: Any) -> Handle:
        """The handle that an operand is, or that of the number that it is."""
        if isinstance(operand, Handle):
            if operand.recorder is not self:
                raise error("a value of another Proof: each belongs to the one that made it")
            return operand
        return self.add(op.Number(self.known(operand)))[0]

    def known(self, number: Any) -> int:
        """A scalar that is known, canonical: a negative one is taken modulo r."""
        value = integer(number, "an operand is a value of the proof or an integer")
        if not -self.modulus < value < self.modulus:
            raise error("a number is not below the modulus of the scalar field (take it modulo r)")
        return value % self.modulus

    def number_of(self, handle: Handle) -> int | None:
        """The number that a scalar is, where that is written in the graph."""
        operation = self.builder.vertices[handle.value.vertex].operation
        if isinstance(operation, op.Number):
            return operation.value
        if isinstance(operation, op.Constant) and isinstance(handle.typ, Scalar):
            data = self.builder.constants[operation.entry].data
            return parse_integer(data.values) if isinstance(data, Values) else None
        return None


class Handle:
    """A value of a graph in the making; `typ` is its type.

    A subclass says with `of` which values it stands for.
    """

    kinds: ClassVar[dict[type, type[Handle]]] = {}  # the class of handles for each class of types
    __slots__ = ("recorder", "typ", "value")
    __array_ufunc__: ClassVar[None] = None  # numbers of NumPy leave arithmetic to the handle
    typ: ValueType

    def __init__(self, recorder: Recorder, value: Value, typ: Any) -> None:
        self.recorder, self.value, self.typ = recorder, value, typ

    def __init_subclass__(cls, of: type[ValueType] | None = None) -> None:
        if of is not None:
            Handle.kinds[of] = cls

    def named(self, label: str) -> Self:
        """The same value; texts and reports call it so."""
        vertices = self.recorder.builder.vertices
        at = self.value.vertex
        vertices[at] = replace(vertices[at], label=text(label, "a name"))
        return self

    def __repr__(self) -> str:
        vertex = self.recorder.builder.vertices[self.value.vertex]
        several = f"#{self.value.output}" if len(vertex.types) > 1 else ""
        name = "" if vertex.label is None else f'"{printable(vertex.label)}"{several}: '
        return f"<{type(self).__name__} {name}{self.typ}>"

    def __bool__(self) -> NoReturn:
        raise error("a value is known when the program runs: it cannot decide what is written")

    def __eq__(self, other: object) -> NoReturn:
        raise error("values are compared when the program runs; `is` tells handles apart")

    def __lt__(self, other: object) -> NoReturn:
        raise error("field elements have no order")

    __ne__ = __eq__
    __le__ = __gt__ = __ge__ = __lt__
    __hash__ = object.__hash__

    def __iter__(self) -> NoReturn:
        raise error("a value cannot be iterated over: its elements are known when the program runs")

    def __contains__(self, element: object) -> NoReturn:
        self.__iter__()

    def __reversed__(self) -> NoReturn:
        self.__iter__()


_SIGNS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "matmul": "@",
    "pow": "**",
    "and": "&",
    "or": "|",
    "xor": "^",
    "lshift": "<<",
    "rshift": ">>",
}
_SIGNS_OF_ONE = {"neg": "-", "pos": "+", "invert": "~", "abs": "abs"}


def _refuse(name: str, sign: str) -> None:
    """Has handles whose class does not say what an operator does refuse it, with the line."""

    def on_the_left(self: Handle, other: object) -> NoReturn:
        raise error(f"no operator {sign} is for {described(self)} and {described(other)}")

    def on_the_right(self: Handle, other: object) -> NoReturn:
        raise error(f"no operator {sign} is for {described(other)} and {described(self)}")

    setattr(Handle, f"__{name}__", on_the_left)
    setattr(Handle, f"__r{name}__", on_the_right)


def _refuse_of_one(name: str, sign: str) -> None:
    def refuse(self: Handle) -> NoReturn:
        raise error(f"no operator {sign} is for {described(self)}")

    setattr(Handle, f"__{name}__", refuse)


for _name, _sign in _SIGNS.items():
    _refuse(_name, _sign)
for _name, _sign in _SIGNS_OF_ONE.items():
    _refuse_of_one(_name, _sign)
