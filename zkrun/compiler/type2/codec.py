"""Graphs as documents: JSON or MessagePack of the format "zkrun-graph", version 1, without loss.

The shape of a document is read as that of a program is; then `reader` looks at what it means.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.document import FORMAT, GraphDocument
from zkrun.compiler.type2.graph import Graph, Result, Value, Vertex
from zkrun.compiler.type2.reader import read_graph
from zkrun.compiler.type2.recorder import described, error
from zkrun.compiler.type2.types import Poly, ValueType
from zkrun.errors import UsageError
from zkrun.program.decode import read_bytes
from zkrun.program.document import File
from zkrun.program.encode import to_json, to_msgpack
from zkrun.program.reading import DocumentFormat, read_document
from zkrun.program.shape import read_shape
from zkrun.program.types import MAX_INTEGER

__all__ = ["decode", "encode", "from_raw", "load_graph", "save_graph", "to_raw"]


def load_graph(path: str | Path) -> Graph:
    """The graph in a file, or on standard input for `-`; its constants' files lie beside it.

    Raises UsageError where the file cannot be read, InvalidProgram where it is no graph.
    """
    file = _path(path)
    return decode(read_bytes(path, "graph"), Path() if str(path) == "-" else file.parent)


def decode(data: bytes, folder: Path | None = None) -> Graph:
    """The graph in these bytes, JSON or MessagePack; `folder` is where its constants' files lie.

    Raises InvalidProgram with a diagnostic for each finding of shape, or the first one of meaning.
    """
    return from_raw(*read_document(data), folder)


def from_raw(document: Any, form: DocumentFormat, folder: Path | None = None) -> Graph:
    """The graph in a document already read. `form` says how `bytes` of constants are written."""
    read: GraphDocument = read_shape(document, form, FORMAT)
    return read_graph(read, folder)


def save_graph(graph: Graph, path: str | Path) -> None:
    """Writes a graph: JSON where the path ends in .json, else MessagePack; whole or not at all.

    Folders that are missing are made.
    Raises UsageError where it would no longer lie beside the files of its constants.
    """
    from zkrun.runtime.files import write_whole

    if not isinstance(graph, Graph):
        raise error(f"a graph to save is what proof.graph(…) gives, not {described(graph)}")
    target = _path(path)
    files = any(isinstance(entry.data, File) for entry in graph.constants.values())
    if files and graph.folder is not None and graph.folder.resolve() != target.parent.resolve():
        raise UsageError(
            f"files of the graph's constants lie in {graph.folder}: save the graph there, or copy "
            f"them to {target.parent} and make that the folder of the proof"
        )
    write_whole(target, encode(graph, "json" if target.suffix == ".json" else "msgpack"))


def _path(given: Any) -> Path:
    try:
        return Path(given)
    except TypeError:
        raise error(f"a graph's file is a path, not {described(given)}") from None


def encode(graph: Graph, form: DocumentFormat) -> bytes:
    """The document of a graph."""
    raw = to_raw(graph)
    return to_json(raw) if form == "json" else to_msgpack(raw, "msgpack")


def to_raw(graph: Graph) -> dict[str, Any]:
    """The document as MessagePack carries it. Keys that hold their default are left out."""
    raw: dict[str, Any] = {"format": "zkrun-graph", "version": 1}
    if graph.name is not None:
        raw["name"] = graph.name
    raw["curve"] = graph.curve
    if graph.inputs:
        raw["inputs"] = [
            {"name": name, "typ": _raw_type(typ)} for name, typ in graph.inputs.items()
        ]
    if graph.constants:
        raw["constants"] = [
            {"name": name, "typ": _raw_type(entry.typ), "data": _changed(entry.data)}
            for name, entry in graph.constants.items()
        ]
    raw["vertices"] = [_raw_vertex(vertex) for vertex in graph.vertices]
    raw["result"] = _raw_result(graph.result)
    return raw


def _raw_vertex(vertex: Vertex) -> dict[str, Any]:
    operation = vertex.operation
    raw: dict[str, Any] = {"op": type(operation).__name__, **_changed(operation)}
    if isinstance(operation, op.Call):
        if operation.params:
            raw["params"] = {name: _raw_parameter(value) for name, value in operation.params}
        if operation.results is not None:
            raw["results"] = [_raw_type(typ) for typ in operation.results]
    if vertex.operands:
        raw["operands"] = [_raw_value(operand) for operand in vertex.operands]
    for key in ("label", "source", "device"):
        if (value := getattr(vertex, key)) is not None:
            raw[key] = value
    return raw


def _changed(record: Any) -> dict[str, Any]:
    """The fields of a record that do not hold their default; large numbers as text."""
    shown: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.init and (field.default is MISSING or value != field.default):
            large = type(value) is int and value > MAX_INTEGER
            shown[field.name] = hex(value) if large else value
    return shown


def _raw_type(typ: ValueType) -> dict[str, Any]:
    kind = "Poly" if isinstance(typ, Poly) else typ.kind
    return {"kind": kind, **_changed(typ)}


def _raw_parameter(value: Any) -> Any:
    return [_raw_parameter(item) for item in value] if isinstance(value, tuple) else value


def _raw_result(result: Result) -> Any:
    if isinstance(result, Value):
        return _raw_value(result)
    return [_raw_result(one) for one in result]


def _raw_value(value: Value) -> int | dict[str, int]:
    return value.vertex if value.output == 0 else value._asdict()
