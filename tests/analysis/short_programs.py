"""Short ways to write the programs of these tests, and to ask what the analysis says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from zkrun.analysis import Analysis, analyse
from zkrun.program.decode import decode
from zkrun.program.diagnostic import Diagnostic

Instruction = dict[str, Any]
Found = list[tuple[str, str]]
"""Errors: (rule, path within /instructions)."""

SCALAR = {"kind": "Scalar"}
STREAM = {"kind": "Stream"}
FUNCTIONS = [
    {"name": "fill", "params": {"value": "zero"}},
    {"name": "ntt"},
    {"name": "poly_add"},
    {"name": "poly_mul"},
    {"name": "evaluate"},
    {"name": "permute", "params": {"usable": 5}},
    {"name": "squeeze_scalar"},
    {"name": "assemble_poly"},
]
INPUTS = [
    {"name": "array", "typ": {"kind": "ScalarArray", "len": 8}},
    {"name": "scalar", "typ": SCALAR},
    {"name": "points", "typ": {"kind": "PointArray", "len": 8}},
]


def array(length: int = 8) -> dict[str, Any]:
    return {"kind": "ScalarArray", "len": length}


def allocate(
    id: int, typ: dict[str, Any] | None = None, device: str = "cpu", **more: Any
) -> Instruction:
    return {"op": "Allocate", "device": device, "typ": typ or array(), "id": id, **more}


def stream(id: int, device: str = "gpu:0") -> Instruction:
    return allocate(id, STREAM, device)


def free(id: int, **more: Any) -> Instruction:
    return {"op": "Deallocate", "id": id, **more}


def remove(id: int) -> Instruction:
    return {"op": "RemoveRegister", "id": id}


def call(name: str, mutable: Sequence[int], immutable: Sequence[int] = ()) -> Instruction:
    index = [entry["name"] for entry in FUNCTIONS].index(name)
    return {"op": "FuncCall", "func_id": index, "arg_mut": [*mutable], "arg": [*immutable]}


def load(name: str, id: int) -> Instruction:
    index = [entry["name"] for entry in INPUTS].index(name)
    return {"op": "LoadInput", "src": index, "dst": id}


def transfer(source: int, target: int, *devices: str, **more: Any) -> Instruction:
    source_device, target_device = devices or ("cpu", "cpu")
    return {
        "op": "Transfer",
        "src_device": source_device,
        "dst_device": target_device,
        "src_id": source,
        "dst_id": target,
        **more,
    }


def slice_(source: int, target: int, start: int, end: int) -> Instruction:
    return {"op": "Slice", "src": source, "dst": target, "start": start, "end": end}


def rotation(source: int, target: int, shift: int) -> Instruction:
    return {"op": "Rotation", "src": source, "dst": target, "shift": shift}


def meta(source: int, target: int, offset: int, length: int) -> Instruction:
    return {"op": "SetSliceMeta", "src": source, "dst": target, "offset": offset, "len": length}


def blind(id: int, start: int = 0, end: int = 8) -> Instruction:
    return {"op": "Blind", "dst": id, "start": start, "end": end}


def element(source: int, target: int, index: int, **more: Any) -> Instruction:
    return {"op": "GetScalarFromArray", "src": source, "dst": target, "idx": index, **more}


def move(source: int, target: int) -> Instruction:
    return {"op": "MoveRegister", "src": source, "dst": target}


def copy(source: int, target: int) -> Instruction:
    return {"op": "CopyRegister", "src": source, "dst": target}


def tuple_(target: int, *variables: int) -> Instruction:
    return {"op": "AssembleTuple", "vars": [*variables], "dst": target}


def fork(thread: int, *instructions: Instruction) -> Instruction:
    return {"op": "Fork", "new_thread": thread, "instructions": [*instructions]}


def join(thread: int) -> Instruction:
    return {"op": "Join", "thread": thread}


def record(event: int, stream: int | None = None) -> Instruction:
    return {"op": "Record", "event": event, **({} if stream is None else {"stream": stream})}


def wait(event: int, stream: int | None = None, slave: str | None = None) -> Instruction:
    where = {"slave": slave or ("cpu" if stream is None else "gpu:0")}
    return {"op": "Wait", "event": event, **where, **({} if stream is None else {"stream": stream})}


def show(id: int) -> Instruction:
    return {"op": "Print", "id": id}


def equal(value: int, expected: int) -> Instruction:
    return {"op": "AssertEq", "value": value, "expected": expected}


def return_(id: int) -> Instruction:
    return {"op": "Return", "id": id}


END = (load("array", 99), return_(99))
"""Ends a program whose result does not matter."""


def document(*instructions: Instruction, **more: Any) -> dict[str, Any]:
    """A program over FUNCTIONS and INPUTS; one without a Return gets END."""
    ends = bool(instructions) and instructions[-1]["op"] == "Return"
    return {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": FUNCTIONS,
        "inputs": INPUTS,
        "instructions": [*instructions, *(() if ends else END)],
        **more,
    }


def check(raw: dict[str, Any], folder: Path | None = None, **options: Any) -> Analysis:
    return analyse(decode(json.dumps(raw).encode(), folder), **options)


def errors(*instructions: Instruction, **more: Any) -> list[Diagnostic]:
    """What is found in a program, without the warnings."""
    diagnostics = check(document(*instructions, **more)).diagnostics
    return [one for one in diagnostics if one.severity == "error"]


def only(*instructions: Instruction, **more: Any) -> Diagnostic:
    """The one error of a program."""
    (error,) = errors(*instructions, **more)
    return error


def found(*instructions: Instruction, **more: Any) -> Found:
    """The errors of a program, in short."""
    return [
        (one.rule, one.path.removeprefix("/instructions/")) for one in errors(*instructions, **more)
    ]


def accepted(table: Mapping[str, list[Instruction]], **more: Any) -> Callable[[str], None]:
    """A test that nothing is wrong with any program of a table."""

    @pytest.mark.parametrize("name", table)
    def test(name: str) -> None:
        seen = found(*table[name], **more)
        assert seen == [], seen

    return test


def refused(
    table: Mapping[str, tuple[list[Instruction], Found]], **more: Any
) -> Callable[[str], None]:
    """A test that each program of a table has the errors that stand with it, and no others."""

    @pytest.mark.parametrize("name", table)
    def test(name: str) -> None:
        instructions, expected = table[name]
        seen = found(*instructions, **more)
        assert seen == expected, f"{seen} instead of {expected}"

    return test
