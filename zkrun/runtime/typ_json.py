"""Types as they stand in a document, for results and inputs in files."""

from __future__ import annotations

from typing import Any

from zkrun.program import types
from zkrun.program.types import Typ

__all__ = ["raw_typ", "same_typ"]


def raw_typ(typ: Typ) -> dict[str, Any]:
    """The map of a type, `kind` first; the group of points always stands."""
    raw: dict[str, Any] = {"kind": typ.kind}
    match typ:
        case types.ScalarArray(len=n):
            raw["len"] = n
        case types.Point(group=group):
            raw["group"] = group
        case types.PointArray(len=n, group=group):
            raw |= {"len": n, "group": group}
        case types.Transcript(hash=name):
            raw["hash"] = name
        case types.Tuple(items=items):
            raw["items"] = [raw_typ(item) for item in items]
        case types.GpuBuffer(nbytes=nbytes):
            raw["nbytes"] = nbytes
    return raw


def same_typ(raw: Any, typ: Typ) -> bool:
    """Whether a map read from a file is this type; the group of points may be left out for G1."""
    same: bool = _plain(raw) == raw_typ(typ)
    return same


def _plain(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    plain = dict(raw)
    if raw.get("kind") in ("Point", "PointArray"):
        plain.setdefault("group", "g1")
    if isinstance(raw.get("items"), list):
        plain["items"] = [_plain(item) for item in raw["items"]]
    return plain
