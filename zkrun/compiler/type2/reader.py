"""The second look at the document of a graph: what its parts mean.

Vertices are read in their order: operands come before what takes them, and their types must be
those that the operation takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from zkrun.algebra.curves import CURVES
from zkrun.compiler.type2 import document as raw
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import ConstantEntry, Graph, Result, Value, Vertex
from zkrun.compiler.type2.infer import Refusal, infer
from zkrun.compiler.type2.placement import may_run_on
from zkrun.compiler.type2.types import Poly, ValueType, memory_type
from zkrun.errors import InvalidProgram
from zkrun.program.constants import BadValue, parse_values
from zkrun.program.diagnostic import Diagnostic, pointer
from zkrun.program.document import Bytes, Data, Values
from zkrun.program.explain import did_you_mean, found
from zkrun.program.types import size

__all__ = ["read_graph"]

_VALUE = 'a value is the index of a vertex, or {"vertex": i, "output": j} for one of its results'

_Path: TypeAlias = tuple[str | int, ...]


def read_graph(document: raw.GraphDocument, folder: Path | None) -> Graph:
    """The graph of a document whose shape is right; `folder` is where files of constants lie.

    Raises InvalidProgram with the first thing that is wrong.
    """
    return _Reader(document).graph(folder)


class _Reader:
    def __init__(self, document: raw.GraphDocument) -> None:
        self.document = document
        self.inputs: dict[str, ValueType] = {}
        self.constants: dict[str, ConstantEntry] = {}
        self.vertices: list[Vertex] = []
        self.curve = CURVES[document.curve]

    def graph(self, folder: Path | None) -> Graph:
        document = self.document
        for at, one in enumerate(document.inputs):
            self._check_name(one.name, self.inputs, ("inputs", at), "input")
            self.inputs[one.name] = self._type(one.typ, ("inputs", at, "typ"))
        for at, constant in enumerate(document.constants):
            path = ("constants", at)
            self._check_name(constant.name, self.constants, path, "constant")
            typ = self._type(constant.typ, (*path, "typ"))
            self._check_data(typ, constant.data, (*path, "data"))
            self.constants[constant.name] = ConstantEntry(typ, constant.data)
        for at, vertex in enumerate(document.vertices):
            self.vertices.append(self._vertex(vertex, ("vertices", at)))
        result = self._result(document.result, ("result",))
        vertices = tuple(self.vertices)
        graph = Graph(
            document.curve, vertices, result, self.inputs, self.constants, document.name, folder
        )
        for at, made in enumerate(vertices):
            if made.device is not None and not may_run_on(graph, made, made.device):
                message = f"{made.operation.name} cannot run on {made.device}"
                raise _refusal("ZK032", ("vertices", at, "device"), message, source=made.source)
        return graph

    def _check_name(self, name: str, taken: Iterable[str], path: _Path, kind: str) -> None:
        if name in taken:
            help = "no two have one name: give it another, or leave it out"
            raise _refusal("ZK014", path, f'a second {kind} is named "{name}"', help)

    def _type(self, typ: Any, path: _Path) -> ValueType:
        """The type that a map stands for."""
        if not isinstance(typ, raw.Poly):
            known: ValueType = typ
            return known
        if typ.form == "coefficients" and typ.coset != 1:
            help = 'leave it out, or make the form "lagrange"'
            raise _refusal("ZK008", (*path, "coset"), "coefficients have no coset", help)
        self._check_coset(typ.coset, (*path, "coset"))
        return Poly(typ.n, typ.form, typ.coset)

    def _check_coset(self, coset: int, path: _Path) -> None:
        if not 0 < coset < self.curve.r:
            raise _refusal("ZK009", path, "a coset is between 1 and r − 1")

    def _check_data(self, typ: ValueType, data: Data, path: _Path) -> None:
        """Whether the data is as large as its type. What is in a file is not looked at."""
        nbytes = size(memory_type(typ), self.curve)
        if isinstance(data, Values):
            try:
                parse_values(memory_type(typ), data.values, self.curve)
            except BadValue as bad:
                rule = "ZK091" if bad.too_large else "ZK090"
                at = pointer((*path, "values")) + bad.path
                raise _refusal(rule, at, bad.message) from None
            return
        key, given = "nbytes", len(data.bytes) if isinstance(data, Bytes) else data.nbytes
        if given != nbytes:
            key = "bytes" if isinstance(data, Bytes) else key
            raise _refusal("ZK090", (*path, key), f"a {typ} is {nbytes} bytes, not {given}")

    def _vertex(self, vertex: Any, path: _Path) -> Vertex:
        operation = self._operation(vertex, path)
        operands = tuple(
            self._value(one, (*path, "operands", at)) for at, one in enumerate(vertex.operands)
        )
        types = self._types(operation, operands, path, vertex.source)
        return Vertex(operation, operands, types, vertex.source, vertex.label, vertex.device)

    def _operation(self, vertex: Any, path: _Path) -> op.Operation:
        cls = raw.OPERATIONS[vertex.op]
        given = {field.name: getattr(vertex, field.name) for field in fields(cls)}
        if cls is op.Call:
            results = given["results"]
            if results is not None:
                if not results:
                    raise _refusal("ZK029", (*path, "results"), "a call has at least one result")
                given["results"] = tuple(
                    self._type(typ, (*path, "results", at)) for at, typ in enumerate(results)
                )
            given["params"] = tuple(
                (name, _parameter(value, (*path, "params", name)))
                for name, value in sorted(given["params"].items())
            )
        if cls is op.View:
            self._check_coset(given["coset"], (*path, "coset"))
        return cls(**given)

    def _types(
        self, operation: op.Operation, operands: Sequence[Value], path: _Path, source: str | None
    ) -> tuple[ValueType, ...]:
        if isinstance(operation, op.Input | op.Constant):
            table: dict[str, Any] = (
                self.inputs if isinstance(operation, op.Input) else self.constants
            )
            if operation.entry not in table:
                message = f'there is no {operation.name} "{operation.entry}"'
                help = did_you_mean(operation.entry, table) or _first_of(table, operation.name)
                raise _refusal("ZK020", (*path, "entry"), message, help, source)
            if operands:
                message = f"{operation.name} takes no operands"
                raise _refusal("ZK029", (*path, "operands"), message, source=source)
            entry = table[operation.entry]
            return (entry.typ if isinstance(entry, ConstantEntry) else entry,)
        try:
            taken = tuple(self.vertices[at].types[output] for at, output in operands)
            return infer(operation, taken, self.curve)
        except Refusal as refusal:
            raise _refusal("ZK029", path, str(refusal), refusal.help, source) from None

    def _result(self, result: Any, path: _Path) -> Result:
        if isinstance(result, list):
            return tuple(self._result(one, (*path, at)) for at, one in enumerate(result))
        return self._value(result, path)

    def _value(self, given: Any, path: _Path) -> Value:
        """The value of a vertex that has been read already."""
        if type(given) is int:
            vertex, output = given, 0
        elif isinstance(given, dict):
            for key in ("vertex", "output"):
                if key not in given:
                    raise _refusal("ZK006", path, f'"{key}" is missing in a value', _VALUE)
                if type(given[key]) is not int:
                    message = f"an integer belongs here, not {found(given[key])}"
                    raise _refusal("ZK008", (*path, key), message)
            if len(given) > 2:
                key = next(key for key in given if key not in ("vertex", "output"))
                message = f'unknown key "{key[:60]}" in a value'
                raise _refusal("ZK007", (*path, key), message, _VALUE)
            vertex, output = given["vertex"], given["output"]
        else:
            message = f"a value is the index of a vertex, not {found(given)}"
            quoted = isinstance(given, str) and given.strip().isdecimal()
            help = "write the number without quotes" if quoted else _VALUE
            raise _refusal("ZK008", path, message, help)
        known = len(self.vertices)
        if not 0 <= vertex < known:
            message = f"there is no vertex {_shown(vertex)} among the {known} before"
            help = "a vertex takes values of those that stand before it"
            if vertex < 0:
                help = "vertices are counted from 0, none from the end"
            elif path[0] == "result":
                help = f"the last vertex is {known - 1}" if known else "there are no vertices"
            raise _refusal("ZK020", path, message, help)
        outputs = len(self.vertices[vertex].types)
        if not 0 <= output < outputs:
            message = f"vertex {vertex} has no output {_shown(output)}, only {outputs}"
            help = f"write {vertex} for the only one" if outputs == 1 else "they are counted from 0"
            raise _refusal("ZK020", path, message, help)
        return Value(vertex, output)


def _parameter(value: Any, path: _Path) -> Any:
    """A parameter as graphs hold it: a list is a tuple there."""
    if isinstance(value, list):
        return tuple(_parameter(item, (*path, at)) for at, item in enumerate(value))
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        message = "an integer of more than 64 bits is written as text"
        raise _refusal("ZK009", path, message)
    if value is None or isinstance(value, str | bool | int):
        return value
    message = f"a parameter is text, a flag, an integer or a list of such, not {found(value)}"
    raise _refusal("ZK008", path, message)


def _first_of(table: Iterable[str], kind: str) -> str:
    """What there is in place of a name that there is not."""
    names = [f'"{name[:60]}"' for name in itertools.islice(table, 7)]
    if not names:
        return f"the graph has no {kind}s"
    return f"the {kind}s are {', '.join(names[:6])}" + (" and others" if len(names) > 6 else "")


def _shown(number: int) -> str:
    return found(number).removeprefix("the integer ")


def _refusal(
    rule: str,
    path: _Path | str,
    message: str,
    help: str | None = None,
    source: str | None = None,
) -> InvalidProgram:
    at = path if isinstance(path, str) else pointer(path)
    where = f"{at}, {source}" if source else at
    finding = Diagnostic(rule, "error", at, message, source=source, help=help)
    return InvalidProgram(f"{message} (at {where})", [finding])
