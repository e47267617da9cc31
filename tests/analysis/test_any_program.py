"""Whatever a decoded program says, the analysis answers with findings that point into it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from short_programs import (
    FUNCTIONS,
    SCALAR,
    STREAM,
    allocate,
    check,
    document,
    load,
    rotation,
    stream,
)

from zkrun.analysis import RULES
from zkrun.program.instructions import OPS, Effect, operands
from zkrun.report.diagnostics import diagnostics_json

IDS = st.integers(0, 5)
SMALL = st.sampled_from([0, 1, 2, 3, 4, 7, 8, 9, 64, 2**63, 2**64 - 1])
DEVICES = st.sampled_from(["cpu", "gpu:0", "gpu:1", "disk"])
TYPES = st.sampled_from(
    [
        {"kind": "Scalar"},
        {"kind": "ScalarArray", "len": 8},
        {"kind": "ScalarArray", "len": 0},
        {"kind": "ScalarArray", "len": 2**60},
        {"kind": "Point", "group": "g2"},
        {"kind": "PointArray", "len": 8},
        {"kind": "Transcript", "hash": "keccak256"},
        {"kind": "Tuple", "items": [STREAM]},
        STREAM,
        {"kind": "GpuBuffer", "nbytes": 64},
    ]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "device": DEVICES,
    "src_device": DEVICES,
    "dst_device": DEVICES,
    "slave": DEVICES,
    "typ": TYPES,
    "start": SMALL,
    "end": SMALL,
    "len": SMALL,
    "idx": SMALL,
    "shift": SMALL,
    "offset": SMALL,
    "func_id": st.integers(0, len(FUNCTIONS)),
    "msg": st.just("differs"),
    "label": st.just("value"),
}
LISTS = {"arg_mut", "arg", "vars"}
OPTIONAL = {"stream", "msg", "label"}


def instruction(op: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any instruction of one kind, with ids that often meet."""
    marked = dict(operands(OPS[op]))
    needed: dict[str, st.SearchStrategy[Any]] = {"op": st.just(op)}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name in OPS[op].__dataclass_fields__:
        if name in ("op", "track", "source"):
            continue
        value = FIELDS.get(name, IDS)
        if name == "instructions":
            value = st.lists(inner, max_size=6)
        elif name in LISTS:
            value = st.lists(IDS, max_size=4)
        loose = name in OPTIONAL or (op == "Allocate" and name == "offset")
        (optional if loose else needed)[name] = value
    assert marked
    return st.fixed_dictionaries(needed, optional=optional)


def instructions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of([instruction(op, inner) for op in OPS])


ANY = st.recursive(
    st.one_of([instruction(op, st.nothing()) for op in OPS if op != "Fork"]),
    instructions,
    max_leaves=20,
)


START = [
    allocate(0),
    allocate(1, device="gpu:0", offset=0),
    stream(2),
    load("array", 3),
    allocate(4, SCALAR),
    rotation(0, 5, 3),
]
"""Binds the ids, so that not every instruction fails for want of an operand."""


def resolve(raw: Any, path: str) -> Any:
    """What a JSON pointer leads to; KeyError, IndexError or ValueError where it leads nowhere."""
    for part in path.split("/")[1:]:
        raw = raw[int(part)] if isinstance(raw, list) else raw[part]
    return raw


@settings(max_examples=300)
@given(st.lists(ANY, max_size=25), st.booleans())
def test_any_instructions(body: list[dict[str, Any]], asked: bool) -> None:
    raw = document(*START, *body, memory={"gpu:0": 4096, "cpu": 512})
    analysis = check(raw, operands=asked)
    for diagnostic in analysis.diagnostics:
        assert diagnostic.rule in RULES
        assert diagnostic.severity == RULES[diagnostic.rule].severity
        resolve(raw, diagnostic.path)
    assert json.loads(json.dumps(diagnostics_json(analysis.diagnostics)))["valid"] == analysis.valid
    for device in analysis.forecast.values():
        assert min(device.arena, device.pool, device.constants, device.inputs) >= 0


def test_every_instruction_is_marked() -> None:
    """The walk goes on after an error by the marks alone, so each instruction needs them."""
    effects = {mark.effect for cls in OPS.values() for _, mark in operands(cls)}
    assert effects == set(Effect)
