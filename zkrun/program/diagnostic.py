"""One finding about a program: which rule, where, what, and the likely mend.

The document's own rules (ZK001 to ZK019) are listed here; the analysis adds those of meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["STRUCTURE_RULES", "Diagnostic", "Related", "pointer"]


@dataclass(frozen=True, slots=True)
class Related:
    """Another instruction that a finding is about, and what it has to do with it."""

    path: str
    message: str
    thread: int | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As in `validate --json`; keys without a value are left out."""
        found: dict[str, Any] = {"path": self.path, "message": self.message}
        if self.thread is not None:
            found["thread"] = self.thread
        if self.source is not None:
            found["source"] = self.source
        return found


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """`path` is a JSON pointer into the document, `source` that of the instruction, if any."""

    rule: str
    severity: Literal["error", "warning"]
    path: str
    message: str
    thread: int | None = None
    source: str | None = None
    help: str | None = None
    related: tuple[Related, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form that `validate --json` prints; keys without a value are left out."""
        found: dict[str, Any] = {
            "rule": self.rule,
            "severity": self.severity,
            "path": self.path,
            "message": self.message,
        }
        for key in ("thread", "source", "help"):
            if (value := getattr(self, key)) is not None:
                found[key] = value
        if self.related:
            found["related"] = [related.to_json() for related in self.related]
        return found


def pointer(parts: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a list of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


STRUCTURE_RULES: dict[str, tuple[str, str]] = {
    "ZK001": (
        "neither JSON nor MessagePack",
        "A program is one map, as JSON text in UTF-8 or as MessagePack.",
    ),
    "ZK002": (
        "larger than zkrun reads",
        (
            "Documents are limited in bytes, in nesting and in the number of their values, so that "
            "reading one never exhausts the machine. Large constants belong into files beside it."
        ),
    ),
    "ZK003": ("a key stands twice in one map", "The two values could contradict each other."),
    "ZK004": (
        "text or binary out of place",
        (
            "Text is valid Unicode, keys are text, binary stands only under the `bytes` of a "
            "constant, and MessagePack extension types stand nowhere."
        ),
    ),
    "ZK005": (
        "not a zkrun program of version 1",
        'It starts with "format": "zkrun", "version": 1.',
    ),
    "ZK006": ("a key is missing", "Every key of the format that is not optional must be there."),
    "ZK007": ("unknown key", "Keys that the format does not name are errors, never ignored."),
    "ZK008": (
        "wrong kind of value",
        "For example a boolean or a float where an integer belongs, or a list for a map.",
    ),
    "ZK009": (
        "integer out of range",
        "Ids, lengths and sizes are from 0 to 2^64 - 1; larger numbers belong into text.",
    ),
    "ZK010": ("unknown instruction", "`op` names no instruction of the set."),
    "ZK011": ("unknown type", "`kind` names no type, or none that may stand here."),
    "ZK012": ("not one of the choices", "The key takes one of a few fixed texts."),
    "ZK013": (
        "inline bytes cannot be read",
        "The `bytes` of a constant are MessagePack binary, or base64 text (RFC 4648) in JSON.",
    ),
    "ZK014": ("two inputs of one name", "Values are given to inputs by name."),
    "ZK015": ("unknown device", 'A device is "cpu", "disk", "gpu:0", "gpu:1", …'),
    "ZK016": (
        "not one of the forms of data",
        (
            "The data of a constant is `values`, `bytes` with `encoding`, or `file` with `nbytes` "
            "and `encoding`."
        ),
    ),
    "ZK017": (
        "a constant's file cannot be named so",
        (
            "A file is named by a relative path inside the program's folder, its `sha256` is 64 "
            "hexadecimal digits."
        ),
    ),
    "ZK018": ("variables are named by their ids", "Keys of `variables` are ids as decimal text."),
    "ZK019": ("bytes after the program", "The document ends with its one map."),
}
"""Title and explanation of each rule that decoding checks."""
