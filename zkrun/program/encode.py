"""Documents as bytes: JSON or MessagePack, the same keys in the same order.

`convert` works on documents as they were read, not on Programs, so that whatever a person wrote
(the order of keys, 0x or decimal text, an explicit null) is still there afterwards.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import msgpack

from zkrun.program.diagnostic import pointer
from zkrun.program.document import Program
from zkrun.program.explain import found
from zkrun.program.reading import DocumentFormat, flat, refuse, values

__all__ = ["program_to_raw", "to_json", "to_msgpack"]


def to_json(document: dict[str, Any], form: DocumentFormat = "msgpack") -> bytes:
    """The document as JSON text, one instruction a line. `form` is what it was read from.

    Raises InvalidProgram (ZK004, ZK008, ZK009) for what neither encoding of a program may carry.
    """
    _check(document, _bad_number)
    if form == "msgpack":
        document = _with_bytes(document, _to_base64)
    _check(document, _binary)
    lines = []
    for key, value in document.items():
        name = _dumps(key)
        if isinstance(value, list) and value:
            items = ",\n".join("  " + _dumps(item) for item in value)
            lines.append(f" {name}: [\n{items}\n ]")
        else:
            lines.append(f" {name}: {_dumps(value)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def to_msgpack(document: dict[str, Any], form: DocumentFormat = "json") -> bytes:
    """The document as MessagePack. `form` is what it was read from; errors as in `to_json`."""
    _check(document, _bad_number)
    if form == "json":
        document = _with_bytes(document, _from_base64)
    packed: bytes = msgpack.packb(document, use_bin_type=True)
    return packed


def program_to_raw(program: Program) -> dict[str, Any]:
    """The document of a Program, as MessagePack carries it: `bytes` of constants are binary.

    Keys that hold their default are left out.
    """
    raw = _plain(program)
    return {"format": "zkrun", "version": 1, **raw}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if not is_dataclass(value):
        return value
    shown: dict[str, Any] = {}
    for key in ("op", "kind"):
        if hasattr(value, key):
            shown[key] = getattr(value, key)
    for field in fields(value):
        if not field.init:
            continue
        item = getattr(value, field.name)
        if not _is_default(field, item):
            shown[field.name] = _plain(item)
    return shown


def _is_default(field: Any, value: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(value == field.default_factory())
    return field.default is not MISSING and bool(value == field.default)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _with_bytes(
    document: dict[str, Any], change: Callable[[Any, tuple[str | int, ...]], Any]
) -> dict[str, Any]:
    """A copy in which `change` has been applied to the `bytes` of each constant."""
    constants = document.get("constants")
    if not isinstance(constants, list):
        return document
    changed = []
    for index, constant in enumerate(constants):
        data = constant.get("data") if isinstance(constant, dict) else None
        if isinstance(data, dict) and "bytes" in data:
            path = ("constants", index, "data", "bytes")
            data = {
                key: change(value, path) if key == "bytes" else value for key, value in data.items()
            }
            constant = {**constant, "data": data}
        changed.append(constant)
    return {**document, "constants": changed}


def _from_base64(value: Any, path: tuple[str | int, ...]) -> bytes:
    try:
        decoded = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise refuse("ZK013", "this is not base64 text", pointer(path)) from None
    if base64.b64encode(decoded).decode() != value:
        raise refuse("ZK013", "this base64 text has stray bits at its end", pointer(path))
    return decoded


def _to_base64(value: Any, path: tuple[str | int, ...]) -> str:
    if not isinstance(value, bytes):
        raise refuse("ZK013", "here `bytes` is binary, not text", pointer(path))
    return base64.b64encode(value).decode()


def _check(document: dict[str, Any], bad: Callable[[Any], str | None]) -> None:
    """Refuses the first value that `bad` finds a rule for, wherever it stands."""
    if any(map(bad, flat(document))):
        path, value = next((path, value) for path, value in values(document) if bad(value))
        rule = bad(value) or ""
        raise refuse(rule, f"{found(value)} {_WHY[rule]}", pointer(path))


_WHY = {
    "ZK004": "stands only under the `bytes` of a constant",
    "ZK008": "stands in no program",
    "ZK009": "has more than 64 bits and is written as text",
}


def _bad_number(value: Any) -> str | None:
    if type(value) is float:
        return "ZK008"
    return "ZK009" if type(value) is int and not -(2**63) <= value < 2**64 else None


def _binary(value: Any) -> str | None:
    return "ZK004" if type(value) is bytes else None
