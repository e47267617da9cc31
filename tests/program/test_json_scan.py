"""The nesting of a JSON text is found without the recursion of the parser."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkrun.errors import InvalidProgram
from zkrun.program import json_scan
from zkrun.program.decode import decode
from zkrun.program.json_scan import is_nested_deeper

JSON = st.recursive(
    st.none() | st.text('[]{}"\\a\u00e9') | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\a'), inner),
    max_leaves=40,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def brackets(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + "".join(map(brackets, value.values())) + "}"
    return "[" + "".join(map(brackets, value)) + "]" if isinstance(value, list) else ""


@given(JSON, st.booleans())
def test_valid_texts_pass_at_their_own_depth(value: Any, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert not is_nested_deeper(data, max(depth(value), 1))


@given(JSON, st.integers(1, 40))
def test_pieces_are_cut_anywhere(value: Any, size: int) -> None:
    """A document is looked at in pieces: split as a whole, a long one took 17 times its size."""
    data = json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_scan, "_PIECE", size)
        assert b"".join(json_scan._brackets(data)).decode() == brackets(value)


@pytest.mark.parametrize("limit", [1, 8, 256])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b"[", b""), (b'{"\\"[":', b"")]
)
def test_deep_texts_do_not(limit: int, opening: bytes, closing: bytes) -> None:
    closed = closing * (2 * limit + 1)
    assert is_nested_deeper(opening * (2 * limit + 1) + closed, limit)
    assert is_nested_deeper(b'["[[[", ' + opening * 1000 * limit + closing * 1000 * limit, limit)


def test_deep_json_with_a_raised_recursion_limit_is_refused() -> None:
    """py_ecc raises the interpreter's limit, and the parser then overflowed the stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(InvalidProgram, match="nested"):
            decode(b'{"a":' + b"[" * 500_000)
    finally:
        sys.setrecursionlimit(before)
