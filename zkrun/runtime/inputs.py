"""Values for the inputs of a program: files, Python numbers and lists, NumPy arrays."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from zkrun.algebra.curves import Curve
from zkrun.errors import InvalidProgram, UsageError
from zkrun.program.constants import BadValue
from zkrun.program.document import Program
from zkrun.program.json_scan import is_nested_deeper
from zkrun.program.limits import MAX_DEPTH
from zkrun.program.types import PointArray, ScalarArray, Typ, element_size, length, size
from zkrun.runtime.files import read_bounded
from zkrun.runtime.images import from_canonical, parse
from zkrun.runtime.typ_json import same_typ

__all__ = ["load_inputs", "read_json"]

_FEW, _WORDY = 1 << 20, 64  # bytes of JSON: for anything, and for each byte of the value
_NPY_HEADER = 1 << 16


def load_inputs(program: Program, given: Mapping[str, object]) -> list[bytearray]:
    """The images in memory form of all inputs, in the order of the program.

    A `pathlib.Path` names a file (`-` is standard input, as JSON): `.json` holds `{"values": V}` or
    a result, `.bin` canonical bytes, `.npy` canonical uint64 limbs. Anything else is the value: an
    integer or text, a list, a NumPy array shaped as in a file. UsageError for a missing or unknown
    name or a file that cannot be read, InvalidProgram for a wrong type, length or range.
    """
    wanted = [entry.name for entry in program.inputs]
    unknown = [name for name in given if name not in wanted]
    missing = [name for name in wanted if name not in given]
    if unknown:
        names = ", ".join(map(repr, wanted)) or "none"
        raise UsageError(f"the program has no input {unknown[0]!r}; its inputs: {names}")
    if missing:
        raise UsageError(
            f"no value is given for input {missing[0]!r}; give one with --input {missing[0]}=FILE"
        )
    if sum(isinstance(value, Path) and str(value) == "-" for value in given.values()) > 1:
        raise UsageError("only one input can come from standard input")
    curve = program.curve_record
    return [
        _load(f"input {entry.name!r}", entry.typ, curve, given[entry.name])
        for entry in program.inputs
    ]


def _load(name: str, typ: Typ, curve: Curve, value: object) -> bytearray:
    try:
        if isinstance(value, Path):
            image = _from_file(name, typ, curve, value)
        elif _is_array(value):
            image = _from_array(name, typ, curve, value)
        else:
            image = parse(typ, _texts(value), curve)
    except BadValue as error:
        index = error.path.split("/")[1] if error.path else None
        _refuse(_at(name, typ, index), error.message)
    problem = from_canonical(typ, image, curve)
    if problem is not None:
        _refuse(_at(name, typ, problem.element), problem.text)
    return image


def _at(name: str, typ: Typ, index: int | str | None) -> str:
    array = isinstance(typ, ScalarArray | PointArray)
    return f"{name}, element {index}" if array and index is not None else name


def _texts(value: Any) -> Any:
    """Python's integers of any size, nested, as the format has them: text beyond 64 bits."""
    if type(value) is int:
        return hex(value) if value >> 64 and value > 0 else value
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else value


def _from_file(name: str, typ: Typ, curve: Curve, path: Path) -> bytearray:
    suffix = ".json" if str(path) == "-" else path.suffix.lower()
    if suffix == ".json":
        return _from_json(name, typ, curve, path)
    if suffix not in (".bin", ".npy"):
        raise UsageError(f"{name}: {path} is no .json, .bin or .npy file; its name must say which")
    nbytes = size(typ, curve)
    payload = _read(name, path, nbytes + _NPY_HEADER)
    if suffix == ".npy":
        return _from_npy(name, typ, curve, path, payload)
    if len(payload) != nbytes:
        cut = len(payload) > nbytes + _NPY_HEADER
        found = f"more than {nbytes}" if cut else len(payload)
        _refuse(name, f"{path} has {found} bytes; a {typ} has {nbytes}")
    return payload


def _from_npy(name: str, typ: Typ, curve: Curve, path: Path, payload: bytearray) -> bytearray:
    import numpy
    from numpy.lib import format

    header = io.BytesIO(payload[:_NPY_HEADER])
    try:
        old = format.read_magic(header) == (1, 0)
        read = format.read_array_header_1_0 if old else format.read_array_header_2_0
        shape, by_columns, dtype = read(header)
    except Exception as error:  # NumPy and what it parses headers with raise a dozen kinds
        reason = str(error) or type(error).__name__
        _refuse(name, f"{path} is not a .npy file of one array: {reason}")
    _check_array(name, typ, curve, dtype, shape)
    rest = len(payload) - header.tell() - size(typ, curve)
    if rest:
        _refuse(name, f"{path} {'goes on after' if rest > 0 else 'ends within'} its array")
    array = numpy.frombuffer(payload, dtype, offset=header.tell())
    array = array.reshape(shape, order="F" if by_columns else "C")
    return _from_array(name, typ, curve, array)


def _read(name: str, path: Path, most: int) -> bytearray:
    try:
        return read_bounded(path, most)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{name}: cannot read {path}: {reason}") from None


def _from_json(name: str, typ: Typ, curve: Curve, path: Path) -> bytearray:
    document = read_json(name, path, _FEW + _WORDY * size(typ, curve))
    keys = set(document) if isinstance(document, dict) else set()
    if keys not in ({"values"}, {"typ", "values"}):
        _refuse(name, f'{path} must hold {{"values": …}}, or a result with "typ" and "values"')
    if "typ" in keys and not same_typ(document["typ"], typ):
        found = json.dumps(document["typ"])[:80]
        _refuse(name, f"{path} holds a value of type {found}; the input is a {typ}")
    return parse(typ, document["values"], curve)


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")  # where it is not loaded, nothing is an array of it
    return numpy is not None and isinstance(value, numpy.ndarray)


def _from_array(name: str, typ: Typ, curve: Curve, array: Any) -> bytearray:
    _check_array(name, typ, curve, array.dtype, array.shape)
    return bytearray(array.astype("<u8", order="C", copy=False).tobytes())


def _check_array(name: str, typ: Typ, curve: Curve, dtype: Any, found: tuple[int, ...]) -> None:
    limbs = element_size(typ, curve) // 8
    shape = (length(typ), limbs) if isinstance(typ, ScalarArray | PointArray) else (limbs,)
    if dtype.kind != "u" or dtype.itemsize != 8:
        _refuse(name, f"the array holds {dtype}, not uint64 limbs")
    if found != shape:
        _refuse(name, f"the array has shape {found}; that of a {typ} is {shape}")


def read_json(name: str, path: Path, most: int) -> Any:
    """A JSON file of values, of `most` bytes, or standard input for `-`.

    Keys that stand twice are refused.
    """
    data = _read(name, path, most)
    if len(data) > most:
        _refuse(name, f"{path} has more than {most:,} bytes, and more than its values can take")
    if is_nested_deeper(data, MAX_DEPTH):
        _refuse(name, f"{path} is nested deeper than {MAX_DEPTH} lists")
    try:
        return json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        _refuse(name, f"{path} is not JSON that can be read: {error}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one map")
    return found


def _refuse(where: str, message: str) -> NoReturn:
    raise InvalidProgram(f"{where}: {message}")
