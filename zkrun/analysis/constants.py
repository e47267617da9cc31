"""The data of constants: shapes, numbers below their moduli, points of the groups, files.

Inline data is checked in full. The contents of a file are trusted, or compared with its sha256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from zkrun.algebra.curves import Curve
from zkrun.analysis.effort import Effort, Exhausted
from zkrun.analysis.points import point_fault_text
from zkrun.analysis.reporter import Reporter
from zkrun.analysis.rules import constants as rules
from zkrun.program import types
from zkrun.program.constants import BadFile, BadValue, parse_values, resolve_file
from zkrun.program.document import Bytes, Constant, Encoding, File, Program, Values
from zkrun.program.types import Typ

__all__ = ["ImageCheck", "ImageFault", "check_constants", "check_in_python"]

ImageFault: TypeAlias = tuple[int, Literal["range", "point"], str]
"""An element's index; a number not below its modulus, or a point not of the group; words for it."""

ImageCheck: TypeAlias = Callable[[Typ, bytes, Encoding, Curve], ImageFault | None]
"""Finds the first element of a memory image, of as many bytes as its type has, that is no value."""

_WHERE = "files of constants are looked for from the folder of the document that names them"
_PIECE = 1 << 20
_SUBGROUP = 200  # steps to see whether a point lies in the subgroup


def check_constants(
    program: Program, report: Reporter, check_image: ImageCheck, effort: Effort
) -> None:
    """Checks the data of every constant; one finding for each at most."""
    digests: dict[tuple[Path, int, int], str] = {}

    def checked(typ: Typ, image: bytes, encoding: Encoding, curve: Curve) -> ImageFault | None:
        group = typ.group if isinstance(typ, types.Point | types.PointArray) else None
        cofactors = {"g1": curve.g1_cofactor, "g2": curve.g2_cofactor}
        if group is not None and cofactors[group] != 1:
            effort.spend(_SUBGROUP * types.length(typ))
        return check_image(typ, image, encoding, curve)

    for index, constant in enumerate(program.constants):
        path = f"/constants/{index}/data"
        try:
            match constant.data:
                case Values():
                    _values(program, report, constant, constant.data, path, checked)
                case Bytes():
                    _bytes(program, report, constant, constant.data, path, checked)
                case File():
                    _file(program, report, constant, constant.data, path, digests)
        except Exhausted:
            report.add(
                rules.TOO_MANY_POINTS,
                f"the points of this {constant.typ} and of the constants before it are more than "
                "are checked in a document",
                path=path,
                help="keep them in a file beside the program",
            )
            return


def _values(
    program: Program,
    report: Reporter,
    constant: Constant,
    data: Values,
    path: str,
    check_image: ImageCheck,
) -> None:
    curve, typ = program.curve_record, constant.typ
    try:
        numbers = parse_values(typ, data.values, curve)
    except BadValue as bad:
        rule = rules.NOT_CANONICAL if bad.too_large else rules.WRONG_SHAPE
        report.add(rule, bad.message, path=f"{path}/values{bad.path}")
        return
    if isinstance(typ, types.Scalar | types.ScalarArray):
        return
    if (zero := _zero_point(typ, numbers)) is not None:
        element = f"/{zero}" if isinstance(typ, types.PointArray) else ""
        message = f"(0, 0) is not on the curve {curve.name}"
        help = "infinity is written as null"
        report.add(rules.NOT_A_POINT, message, path=f"{path}/values{element}", help=help)
        return
    infinity = bytes(types.element_size(typ, curve))
    width = curve.base.bytes
    image = b"".join(
        infinity if number is None else number.to_bytes(width, "little") for number in numbers
    )
    fault = check_image(typ, image, "canonical", curve)
    if fault:
        element = f"/{fault[0]}" if isinstance(typ, types.PointArray) else ""
        _report(report, fault, f"{path}/values{element}", "")


def _zero_point(typ: Typ, numbers: list[int | None]) -> int | None:
    """The first point whose coordinates are all 0, which in memory would be infinity."""
    width = 4 if getattr(typ, "group", "g1") == "g2" else 2
    at = index = 0
    while at < len(numbers):
        if numbers[at] is None:
            at += 1
        else:
            if not any(numbers[at : at + width]):
                return index
            at += width
        index += 1
    return None


def _bytes(
    program: Program,
    report: Reporter,
    constant: Constant,
    data: Bytes,
    path: str,
    check_image: ImageCheck,
) -> None:
    curve, typ = program.curve_record, constant.typ
    nbytes = types.size(typ, curve)
    if len(data.bytes) != nbytes:
        message = f"a {typ} is {nbytes} bytes, not {len(data.bytes)}"
        report.add(rules.WRONG_SHAPE, message, path=f"{path}/bytes")
        return
    fault = check_image(typ, data.bytes, data.encoding, curve)
    if fault:
        array = isinstance(typ, types.ScalarArray | types.PointArray)
        where = f"element {fault[0]}: " if array else ""
        _report(report, fault, f"{path}/bytes", where)


def _report(report: Reporter, fault: ImageFault, path: str, where: str) -> None:
    _, kind, text = fault
    rule = rules.NOT_CANONICAL if kind == "range" else rules.NOT_A_POINT
    report.add(rule, where + text, path=path, help="is it of another curve, or another encoding?")


def _file(
    program: Program,
    report: Reporter,
    constant: Constant,
    data: File,
    path: str,
    digests: dict[tuple[Path, int, int], str],
) -> None:
    nbytes = types.size(constant.typ, program.curve_record)
    if data.nbytes != nbytes:
        message = f"a {constant.typ} is {nbytes} bytes, not {data.nbytes}"
        report.add(rules.WRONG_SHAPE, message, path=f"{path}/nbytes")
        return
    if program.folder is None:
        message = f"the program has no folder in which {data.file!r} could lie"
        report.add(rules.NO_FILE, message, path=f"{path}/file")
        return
    try:
        file = resolve_file(program.folder, data.file)
        with file.open("rb") as stream:
            length = stream.seek(0, 2)
            if data.offset + nbytes > length:
                message = f"bytes {data.offset} to {data.offset + nbytes} of a file of {length}"
                report.add(rules.FILE_TOO_SHORT, message, path=f"{path}/nbytes")
                return
            if data.sha256 is None:
                return
            key = (file, data.offset, nbytes)
            if key not in digests:
                stream.seek(data.offset)
                digests[key] = _digest(stream, nbytes)
    except BadFile as bad:
        rule, help = (rules.FILE_OUTSIDE, None) if bad.outside else (rules.NO_FILE, _WHERE)
        report.add(rule, str(bad), path=f"{path}/file", help=help)
    except OSError as error:
        message = f"the file {data.file!r} cannot be read: {error.strerror}"
        report.add(rules.NO_FILE, message, path=f"{path}/file", help=_WHERE)
    else:
        if digests[key] != data.sha256.lower():
            message = f"the sha256 of these {nbytes} bytes of {data.file!r} is {digests[key]}"
            report.add(rules.WRONG_DIGEST, message, path=f"{path}/sha256")


def _digest(stream: BinaryIO, nbytes: int) -> str:
    digest = hashlib.sha256()
    while nbytes and (piece := stream.read(min(nbytes, _PIECE))):
        digest.update(piece)
        nbytes -= len(piece)
    return digest.hexdigest()


def check_in_python(typ: Typ, image: bytes, encoding: Encoding, curve: Curve) -> ImageFault | None:
    """An ImageCheck in plain integers: exact, some milliseconds for each point."""
    points = isinstance(typ, types.Point | types.PointArray)
    field, name = (curve.base, "q") if points else (curve.scalar, "r")
    width, modulus = field.bytes, field.modulus
    inverse = pow(field.montgomery_radix, -1, modulus) if encoding == "montgomery" else 1
    item = types.element_size(typ, curve)
    for index, start in enumerate(range(0, len(image), item)):
        raw = image[start : start + item]
        numbers = [int.from_bytes(raw[at : at + width], "little") for at in range(0, item, width)]
        for number in numbers:
            if number >= modulus:
                text = f"{number:#x} is not below the modulus {name} of {curve.name}, {modulus:#x}"
                return index, "range", text
        if not points or not any(raw):
            continue
        xy = [number * inverse % modulus for number in numbers]
        if fault := point_fault_text(curve, xy):
            return index, "point", fault
    return None
