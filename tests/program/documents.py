"""Small documents that the tests change one thing of."""

import json
from typing import Any

import msgpack

SCALAR = {"kind": "Scalar"}


def document(*instructions: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A whole document with these instructions and further keys."""
    head = {"format": "zkrun", "version": 1, "curve": "bn254"}
    return {**head, "instructions": list(instructions), **keys}


def as_json(raw: Any) -> bytes:
    return json.dumps(raw).encode()


def as_msgpack(raw: Any) -> bytes:
    packed: bytes = msgpack.packb(raw)
    return packed


def constant(data: Any, **keys: Any) -> dict[str, Any]:
    """An entry of the constant table: a Scalar unless `typ` says otherwise."""
    return {"name": "k", "typ": SCALAR, "data": data, **keys}
