"""The buffer that a call works in is written by it: nothing else may use those bytes meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from short_programs import (
    Instruction,
    allocate,
    call,
    check,
    document,
    free,
    record,
    return_,
    slice_,
    stream,
    transfer,
    wait,
)

from zkrun.analysis import analyse
from zkrun.errors import RunFailed
from zkrun.program.decode import decode
from zkrun.runtime.engine import Outcome, run
from zkrun.runtime.options import Options

INPUTS: dict[str, Any] = {"array": [1] * 8, "scalar": 5, "points": [None] * 8}
MEMORY = {"memory": {"gpu:0": 1024}}


def buffer(id: int, nbytes: int = 64, **more: Any) -> Instruction:
    return allocate(id, {"kind": "GpuBuffer", "nbytes": nbytes}, "gpu:0", **more)


def part(source: int, target: int, offset: int, length: int) -> Instruction:
    return {"op": "SliceBuffer", "src": source, "dst": target, "offset": offset, "len": length}


START = [
    *(stream(0), stream(1)),
    *(allocate(2, device="gpu:0"), call("fill", [2], [0])),
    *(allocate(3, device="gpu:0"), call("fill", [3], [1])),
]
END = [  # the values of both arrays go back
    *(allocate(8), allocate(9)),
    *(transfer(2, 8, "gpu:0", "cpu", stream=0), transfer(3, 9, "gpu:0", "cpu", stream=1)),
    *(record(7, 0), record(8, 1), wait(7), wait(8)),
    return_(8),
]
VALID: dict[str, list[Instruction]] = {
    "calls of one stream take turns": [
        *(*START, buffer(4), call("ntt", [2, 4], [0]), call("ntt", [2, 4], [0])),
        *(free(4, stream=0), *END),
    ],
    "one of no bytes": [*START, buffer(4, 0), call("ntt", [2, 4], [0]), *END],
    "the other stream waits": [
        *(*START, buffer(4), call("ntt", [2, 4], [0]), record(0, 0), wait(0, 1)),
        *(call("ntt", [3, 4], [1]), *END),
    ],
    "each stream has its half": [
        *(*START, buffer(4), part(4, 5, 0, 32), part(4, 6, 32, 32)),
        *(call("ntt", [2, 5], [0]), call("ntt", [3, 6], [1]), *END),
    ],
    "its place in the arena is another's when the call has passed": [
        *(stream(0), allocate(2, device="gpu:0"), call("fill", [2], [0])),
        *(buffer(4, 256, offset=0), call("ntt", [2, 4], [0]), free(4)),
        *(allocate(3, device="gpu:0", offset=0), call("fill", [3], [0]), allocate(8)),
        *(transfer(3, 8, "gpu:0", "cpu", stream=0), record(7, 0), wait(7), return_(8)),
    ],
}
BROKEN: dict[str, tuple[str, list[Instruction]]] = {
    "two streams work in one buffer": (
        "ZK100",
        [*START, buffer(4), call("ntt", [2, 4], [0]), call("ntt", [3, 4], [1]), *END],
    ),
    "two parts that overlap": (
        "ZK100",
        [
            *(*START, buffer(4), part(4, 5, 0, 33), part(4, 6, 32, 32)),
            *(call("ntt", [2, 5], [0]), call("ntt", [3, 6], [1]), *END),
        ],
    ),
    "its place in the arena is another's too early": (
        "ZK104",
        [
            *(*START, buffer(4, 256, offset=0), call("ntt", [2, 4], [0]), free(4)),
            *(allocate(5, device="gpu:0", offset=0), call("fill", [5], [1]), *END),
        ],
    ),
}
BAD: dict[str, tuple[str, list[Instruction]]] = {
    "freed before the call": (
        "ZK04",
        [*START, buffer(4), free(4), call("ntt", [2, 4], [0]), *END],
    ),
    "freed while the call may run": (
        "ZK044",
        [*START, buffer(4), call("ntt", [2, 4], [0]), free(4), *END],
    ),
    "first": ("ZK029", [*START, buffer(4), call("ntt", [4, 2], [0]), *END]),
    "a buffer of another GPU": (
        "ZK032",
        [
            *(*START, allocate(4, {"kind": "GpuBuffer", "nbytes": 64}, "gpu:1")),
            *(call("ntt", [2, 4], [0]), *END),
        ],
    ),
    "two of them": ("ZK029", [*START, buffer(4), buffer(5), call("ntt", [2, 4, 5], [0]), *END]),
    "not the last one": (
        "ZK029",
        [*START, buffer(4), slice_(2, 5, 0, 4), call("ntt", [4, 5], [0]), *END],
    ),
}


def errors(instructions: list[Instruction]) -> list[str]:
    found = check(document(*instructions, **MEMORY)).diagnostics
    return [one.rule for one in found if one.severity == "error"]


def watched(instructions: list[Instruction]) -> Outcome:
    """Runs a program, whatever the analysis says against it."""
    program = decode(json.dumps(document(*instructions, **MEMORY)).encode())
    analysis = replace(analyse(program, operands=True), diagnostics=())
    options = Options(gpu="virtual", sanitize=True, timeout=60)
    return run(program, INPUTS, options, analysis)


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    assert errors(VALID[name]) == []
    assert len(watched(VALID[name]).result.values) == 8


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    rule, instructions = BROKEN[name]
    assert errors(instructions) == [rule]
    with pytest.raises(RunFailed, match="sanitizer"):
        watched(instructions)


@pytest.mark.parametrize("name", BAD)
def test_bad_operands(name: str) -> None:
    rule, instructions = BAD[name]
    found = errors(instructions)
    assert found
    assert found[0].startswith(rule)
