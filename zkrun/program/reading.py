"""From bytes to plain maps, lists, texts and integers: the two encodings of a document.

Whoever wrote the bytes may be hostile. Size, nesting and counts are checked first; whatever is
wrong ends as InvalidProgram.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgpack

from zkrun.collector import paused_collector
from zkrun.errors import InvalidProgram
from zkrun.program.diagnostic import Diagnostic, pointer
from zkrun.program.json_scan import is_nested_deeper
from zkrun.program.limits import (
    MAX_BUILT,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_KEYS,
    MAX_VALUES,
    MAX_WIDE,
    TEXT_BYTES,
    list_bytes,
    map_bytes,
)
from zkrun.program.msgpack_scan import scan

__all__ = ["DocumentFormat", "flat", "read_document", "refuse", "values"]

DocumentFormat = Literal["json", "msgpack"]


def refuse(rule: str, message: str, path: str = "", help: str | None = None) -> InvalidProgram:
    """An InvalidProgram with one finding."""
    where = f" (at {path})" if path else ""
    found = Diagnostic(rule, "error", path, message, help=help)
    return InvalidProgram(message + where, [found])


def read_document(data: bytes) -> tuple[dict[str, Any], DocumentFormat]:
    """The document as it stands, keys in order, and which of the encodings it came in.

    Raises InvalidProgram (ZK001 to ZK004, ZK019). What the map holds is not looked at.
    """
    if len(data) > MAX_BYTES:
        raise refuse(
            "ZK002",
            f"the document has more than {MAX_BYTES} bytes",
            help="keep large constants in files beside the program",
        )
    start = data[:64].lstrip(b" \t\r\n")[:1] or data.lstrip(b" \t\r\n")[:1]
    if not start:
        raise refuse("ZK001", "the document is empty")
    try:
        with paused_collector():
            if start == b"{":
                return _read_json(data), "json"
            if data[0] & 0xF0 == 0x80 or data[0] in (0xDE, 0xDF):
                return _read_msgpack(data), "msgpack"
    except RecursionError:
        raise _too_deep() from None
    except MemoryError:
        raise refuse("ZK002", "the document needs more memory than there is") from None
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise refuse(
            "ZK001", "the document starts with a byte order mark", help="write plain UTF-8"
        )
    raise refuse("ZK001", "a program is one map, in JSON or MessagePack; this is neither")


class _Maps:
    """Builds maps, and remembers the ones in which a key stands twice."""

    def __init__(self) -> None:
        self.repeated: list[tuple[dict[str, Any], str]] = []

    def build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs) and not self.repeated:
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self.repeated.append((built, key))
                    break
                seen.add(key)
        return built

    def check(self, document: Any) -> None:
        for owner, key in self.repeated:
            path = next((at for at, value in values(document) if value is owner), ())
            raise refuse("ZK003", f"the key {key!r} stands twice", pointer((*path, key)))


def _read_json(data: bytes) -> dict[str, Any]:
    _check_counts(data)
    if is_nested_deeper(data, MAX_DEPTH):
        raise _too_deep()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of the document is not valid UTF-8"
        raise refuse("ZK004", message) from None
    maps = _Maps()
    try:
        document = json.loads(text, object_pairs_hook=maps.build)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if error.msg == "Extra data":
            raise refuse("ZK019", f"something follows the program at {where}") from None
        message = f"not valid JSON: {error.msg} at {where}"
        raise refuse("ZK001", message) from None
    except ValueError:  # an integer of thousands of digits
        message = "an integer of thousands of digits"
        raise refuse("ZK009", message, help="large numbers are written as text") from None
    _check_shape(document)
    if re.search(r"\\u[dD][89a-fA-F]", text):
        _check_unicode(document)
    maps.check(document)
    return document  # type: ignore[no-any-return]  # the text starts with a brace


def _check_counts(data: bytes) -> None:
    """How much would be built from JSON; marks within texts count too, which makes it more."""
    commas, colons = data.count(b","), data.count(b":")
    lists, maps = data.count(b"["), data.count(b"{")
    if commas + colons + lists + maps >= MAX_VALUES:
        raise refuse(
            "ZK002",
            f"the document has more than {MAX_VALUES} values",
            help="keep large constants in files beside the program",
        )
    texts = data.count(b'"') // 2 - colons  # a key is kept once, however often it stands there
    built = maps * map_bytes(0) + lists * list_bytes(1) + texts * TEXT_BYTES + commas * 8
    if built > MAX_BUILT:
        raise refuse("ZK002", f"the document would take more than {MAX_BUILT >> 20} MiB of memory")
    if len(data) > MAX_WIDE and not data.isascii():
        raise refuse(
            "ZK002",
            f"a JSON document with other than ASCII characters has at most {MAX_WIDE} bytes",
            help="write \\u escapes, or MessagePack",
        )


def _read_msgpack(data: bytes) -> dict[str, Any]:
    scanned = scan(data)
    if isinstance(scanned, tuple):
        rule, message = scanned
        raise refuse(rule, message)
    try:
        document: dict[str, Any] = msgpack.unpackb(data, raw=False)
        if scanned != _keys(document):
            maps = _Maps()
            maps.check(msgpack.unpackb(data, raw=False, object_pairs_hook=maps.build))
    except UnicodeDecodeError as error:
        shown = error.object[max(0, error.start - 20) : error.start + 1]
        raise refuse("ZK004", f"a text is not valid UTF-8, after {shown!r}") from None
    except (ValueError, msgpack.UnpackException) as error:
        raise refuse("ZK001", f"not valid MessagePack: {error}") from None
    return document


def _keys(document: dict[str, Any]) -> int:
    """How many keys all maps have together."""
    total = 0
    level: list[Any] = [document]
    while level:
        total += sum(len(owner) for owner in level if type(owner) is dict)
        level = [
            item
            for owner in level
            for item in (owner.values() if type(owner) is dict else owner)
            if item and (type(item) is dict or type(item) is list)
        ]
    return total


def values(document: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every map, list, text and number with the way to it, in no special order."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack.extend(((*path, key), item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend(((*path, index), item) for index, item in enumerate(value))


def flat(document: Any) -> Iterator[Any]:
    """Every value below a map, without the way to it, which takes longer."""
    level: list[Any] = [document]
    while level:
        below: list[Any] = []
        for owner in level:
            items = owner.values() if type(owner) is dict else owner
            yield from items
            below += [item for item in items if type(item) is dict or type(item) is list]
        level = below


def _check_shape(document: dict[str, Any]) -> None:
    """The nesting, and the number of keys of a map, level by level."""
    names = document.get("variables")
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        if any(type(item) is dict and len(item) > MAX_KEYS for item in level):
            wide = [at for at in level if type(at) is dict and len(at) > MAX_KEYS]
            if any(item is not names for item in wide):
                raise refuse("ZK002", f"a map has more than {MAX_KEYS} keys")
        level = [
            item
            for owner in level
            for item in (owner.values() if type(owner) is dict else owner)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise _too_deep()


def _check_unicode(document: Any) -> None:
    """Half of a surrogate pair is no character: it can be neither encoded nor printed."""
    for path, value in values(document):
        for text in value if isinstance(value, dict) else (value,):
            if isinstance(text, str) and not _is_unicode(text):
                message = "a \\u escape is half of a surrogate pair"
                raise refuse("ZK004", message, pointer(path).encode("ascii", "replace").decode())


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_deep() -> InvalidProgram:
    return refuse("ZK002", f"maps and lists are nested deeper than {MAX_DEPTH}")
