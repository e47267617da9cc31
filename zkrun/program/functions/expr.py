"""The expressions of `fused_arith`.

    y0 = x0*x1 + 3*x2; y1 = -x0^2

Assignments are separated by `;` or a line end. `x0`, `x1`, … are the inputs in the order of the
call, of which not every one need be used; `y0`, `y1`, … are its outputs, each assigned once. Any
other name is a value for later assignments, assigned once too; an output may be used in later ones
likewise. `+`, `-`, `*` and parentheses are those of the field. `^` takes a non-negative integer of
at most 64 bits, binds tighter than a minus sign before it and stands in no chain such as a^b^c; 0^0
is 1. Numbers are decimal or 0x text below the modulus.

`parse` gives the graph, in which equal subexpressions are one node; `compile_expr` the words that
the native kernels run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from zkrun.program.functions.graph import Builder, Graph, to_code
from zkrun.program.integers import parse_integer
from zkrun.program.signature import Call
from zkrun.program.types import Scalar

__all__ = ["MAX_TEXT", "ExpressionError", "compile_expr", "parse"]

MAX_TEXT = 1 << 16
"""Characters of an expression."""

_TOKEN = re.compile(
    r"[ \t\r]*(?:(0x[0-9a-fA-F]+|[0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|([-+*^()=;\n])|([^ \t\r]))"
)
_INPUT = re.compile("x(0|[1-9][0-9]{0,3})")
_OUTPUT = re.compile("y(0|[1-9][0-9]{0,3})")
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "negate": 3, "(": 0}


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which character."""


@lru_cache(maxsize=256)
def parse(text: str, modulus: int) -> Graph:
    """The graph of an expression over the field of this modulus. Raises ExpressionError."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"longer than {MAX_TEXT} characters")
    return _Parser(text, modulus).graph()


def compile_expr(call: Call) -> bytes:
    """The code of a resolved call of `fused_arith`, for the native kernels.

    Inputs behind the last one that is named are no part of it.
    """
    graph = parse(call.params.expr, call.curve.r)
    scalars = [isinstance(typ, Scalar) for typ in call.immutable[: graph.inputs]]
    return to_code(graph, scalars, call.curve.scalar.montgomery_radix)


@dataclass(slots=True)
class _Token:
    kind: str  # "number", "name", "end", or the sign itself
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip(" \t\r")):
        number, name, sign, other = match.groups()
        at = match.start(match.lastindex or 0)
        if other:
            raise ExpressionError(f"unexpected {other!r} at character {at}")
        if number:
            tokens.append(_Token("number", number, at))
        elif name:
            tokens.append(_Token("name", name, at))
        else:
            tokens.append(_Token(";" if sign == "\n" else sign, sign, at))
    tokens.append(_Token("end", "the end", len(text)))
    return tokens


class _Parser:
    """Operator precedence with stacks of its own: no nesting of the text can exhaust Python's."""

    def __init__(self, text: str, modulus: int) -> None:
        self.tokens = _tokens(text)
        self.next = 0
        self.modulus = modulus
        self.builder = Builder(modulus)
        self.names: dict[str, int] = {}
        self.outputs: dict[int, int] = {}

    def graph(self) -> Graph:
        while True:
            while self.tokens[self.next].kind == ";":
                self.next += 1
            if self.tokens[self.next].kind == "end":
                break
            self.assignment()
        count = len(self.outputs)
        if not count:
            raise ExpressionError('no output is assigned, as in "y0 = x0 + x1"')
        for index in range(count):
            if index not in self.outputs:
                raise ExpressionError(f"y{max(self.outputs)} is assigned, y{index} is not")
        return self.builder.graph([self.outputs[index] for index in range(count)])

    def take(self) -> _Token:
        token = self.tokens[self.next]
        self.next += 1
        return token

    def assignment(self) -> None:
        name, sign = self.take(), self.tokens[self.next]
        if name.kind != "name" or sign.kind != "=":
            wrong = name if name.kind != "name" else sign
            raise ExpressionError(
                f'expected "name = …", found {wrong.text!r} at character {wrong.at}'
            )
        self.next += 1
        if _INPUT.fullmatch(name.text):
            raise ExpressionError(f"{name.text} is an input and cannot be assigned")
        if name.text in self.names:
            raise ExpressionError(f"{name.text} is assigned twice, at character {name.at} again")
        node = self.expression()
        self.names[name.text] = node
        if output := _OUTPUT.fullmatch(name.text):
            self.outputs[int(output[1])] = node

    def expression(self) -> int:
        """One expression, to the `;` or the end behind it."""
        values: list[int] = []
        pending: list[str] = []  # operators and open parentheses
        while True:
            token = self.take()
            if token.kind == "-":
                pending.append("negate")
                continue
            if token.kind == "(":
                pending.append("(")
                continue
            values.append(self.atom(token))
            while True:  # behind a value
                token = self.take()
                if token.kind == "^":
                    values.append(self.power(values.pop()))
                elif token.kind == ")":
                    self.reduce(values, pending, 0)
                    if not pending:
                        raise ExpressionError(f'")" without "(" at character {token.at}')
                    pending.pop()
                else:
                    break
            if token.kind in ("+", "-", "*"):
                self.reduce(values, pending, _PRECEDENCE[token.kind])
                pending.append(token.kind)
                continue
            if token.kind not in (";", "end"):
                raise ExpressionError(f"unexpected {token.text!r} at character {token.at}")
            self.reduce(values, pending, 0)
            if pending:
                raise ExpressionError(f'")" is missing before character {token.at}')
            self.next -= 1
            return values.pop()

    def reduce(self, values: list[int], pending: list[str], least: int) -> None:
        """Applies pending operators that bind at least as tightly."""
        while pending and _PRECEDENCE[pending[-1]] >= max(least, 1):
            operator, right = pending.pop(), values.pop()
            if operator == "negate":
                values.append(self.builder.negate(right))
            else:
                values.append(self.builder.binary(operator, values.pop(), right))
            self.limit()

    def atom(self, token: _Token) -> int:
        if token.kind == "number":
            value = parse_integer(token.text)
            if value >= self.modulus:
                raise ExpressionError(
                    f"the number at character {token.at} is not below the modulus"
                )
            return self.builder.constant(value)
        if token.kind != "name":
            doubled = token.kind == "*" and self.tokens[self.next - 2].kind == "*"
            hint = ': a power is written with "^"' if doubled else ""
            raise ExpressionError(
                f"a value is missing before {token.text!r} at character {token.at}{hint}"
            )
        if match := _INPUT.fullmatch(token.text):
            return self.builder.input(int(match[1]))
        if token.text not in self.names:
            raise ExpressionError(f"{token.text} at character {token.at} is not assigned before")
        return self.names[token.text]

    def power(self, base: int) -> int:
        token = self.take()
        if token.kind != "number":
            raise ExpressionError(
                f"the exponent at character {token.at} must be a non-negative integer"
            )
        exponent = parse_integer(token.text)
        if exponent >> 64:
            raise ExpressionError(f"the exponent at character {token.at} has more than 64 bits")
        if self.tokens[self.next].kind == "^":
            at = self.tokens[self.next].at
            raise ExpressionError(f'"^" follows "^" at character {at}: write parentheses')
        result = self.builder.constant(1)
        for bit in f"{exponent:b}":
            result = self.builder.binary("*", result, result)
            if bit == "1":
                result = self.builder.binary("*", result, base)
            self.limit()
        return result

    def limit(self) -> None:
        if self.builder.is_full():
            raise ExpressionError("more operations than one pass takes; split the expression")
