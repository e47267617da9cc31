"""The sanitizer of the virtual GPU tells what is ordered by luck, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from short_programs import (
    Instruction,
    allocate,
    array,
    blind,
    call,
    copy,
    document,
    equal,
    fork,
    free,
    join,
    record,
    return_,
    show,
    slice_,
    stream,
    transfer,
    wait,
)

from zkrun.analysis import analyse
from zkrun.errors import RunFailed, UsageError
from zkrun.program.decode import decode
from zkrun.runtime.engine import Outcome, run
from zkrun.runtime.options import Options

INPUTS: dict[str, Any] = {"array": [1] * 8, "scalar": 5, "points": [None] * 8}
MEMORY = {"gpu:0": 1024, "cpu": 1024}


def watched(raw: dict[str, Any], shuffle: int = 0, **options: Any) -> Outcome:
    """Runs a program, whatever the analysis says against it."""
    program = decode(json.dumps(raw).encode())
    analysis = replace(analyse(program, operands=True), diagnostics=())
    chosen = {"gpu": "virtual", "sanitize": True, "shuffle": shuffle, "timeout": 60, **options}
    return run(program, INPUTS, Options(**chosen), analysis)


GPU_ARRAY = [stream(0), stream(1), allocate(2, device="gpu:0"), call("fill", [2], [0])]
BACK = transfer(2, 3, "gpu:0", "cpu", stream=1)

RACES: dict[str, tuple[list[Instruction], str, str]] = {
    "a stream does not wait for another": (
        [*GPU_ARRAY, allocate(3), record(0, 0), BACK, record(1, 1), wait(1)],
        "Transfer at /instructions/6",
        "the FuncCall at /instructions/3 (the main thread), which ",
    ),
    "the host does not wait for a stream": (
        [*GPU_ARRAY, allocate(3), record(0, 0), wait(0, 1), BACK, show(3)],
        "",
        "",
    ),
    "two threads write": (
        [allocate(2), fork(1, blind(2)), blind(2), join(1)],
        "Blind at /instructions/",
        "Blind at /instructions/",
    ),
    "one element in common": (
        [
            allocate(2),
            slice_(2, 3, 0, 5),
            slice_(2, 4, 4, 8),
            fork(1, blind(3, 0, 5)),
            blind(4, 0, 4),
            join(1),
        ],
        "Blind at /instructions/",
        "which writes",
    ),
    "freed while a stream writes": (
        [*GPU_ARRAY, free(2)],
        "",
        "",
    ),
    "freed on another stream": (
        [*GPU_ARRAY, free(2, stream=1)],
        "",
        "",
    ),
    "bytes of an arena that a stream still reads": (
        [
            stream(0),
            stream(1),
            allocate(2, device="gpu:0", offset=0),
            call("fill", [2], [0]),
            free(2),
            allocate(3, device="gpu:0", offset=128),
            call("fill", [3], [1]),
        ],
        "FuncCall at /instructions/",
        "FuncCall at /instructions/",
    ),
    "a variable of another thread": (
        [allocate(2), fork(1, copy(2, 3)), blind(2), copy(3, 4), join(1)],
        "",
        "",
    ),
    "what was never written": ([allocate(2), show(2)], "Print at /instructions/1", "nothing has"),
    "what an earlier allocation of these bytes has": (
        [allocate(2, offset=0), blind(2), free(2), allocate(3, offset=0), show(3)],
        "Print at /instructions/4",
        "nothing has",
    ),
}

RACES["another thread's Wait on the same stream is luck"] = (
    [
        *GPU_ARRAY,
        record(0, 0),
        fork(1, wait(0, 1)),
        allocate(3),
        BACK,
        record(1, 1),
        wait(1),
        join(1),
    ],
    "Transfer at /instructions/",
    "FuncCall at /instructions/3",
)
RACES["a variable bound anew while another thread frees what it refers to"] = (
    [allocate(2), copy(2, 3), allocate(5), fork(1, free(2)), copy(5, 3), join(1)],
    "CopyRegister at /instructions/4",
    "variable 3",
)

ORDERED: dict[str, list[Instruction]] = {
    "by an event": [*GPU_ARRAY, allocate(3), record(0, 0), wait(0, 1), BACK, free(2, stream=1)],
    "by a thread's event": [
        allocate(2),
        fork(1, blind(2), record(0)),
        wait(0),
        show(2),
        join(1),
    ],
    "by a join": [allocate(2), fork(1, blind(2)), join(1), show(2), free(2)],
    "other elements": [
        allocate(2),
        slice_(2, 3, 0, 4),
        slice_(2, 4, 4, 8),
        fork(1, blind(3, 0, 4)),
        blind(4, 0, 4),
        join(1),
        show(2),
    ],
    "two readers": [allocate(2), blind(2), fork(1, show(2)), show(2), equal(2, 2), join(1)],
    "bytes of an arena, after the work on them": [
        stream(0),
        stream(1),
        allocate(2, device="gpu:0", offset=0),
        call("fill", [2], [0]),
        free(2),
        record(0, 0),
        wait(0, 1),
        allocate(3, device="gpu:0", offset=128),
        call("fill", [3], [1]),
    ],
    "a stream that is freed while it works": [*GPU_ARRAY, free(0)],
}


@pytest.mark.parametrize("shuffle", range(5))
@pytest.mark.parametrize("name", RACES)
def test_luck_is_told(name: str, shuffle: int) -> None:
    instructions, place, other = RACES[name]
    with pytest.raises(RunFailed) as caught:
        watched(document(*instructions, memory=MEMORY), shuffle)
    text = str(caught.value)
    assert text.startswith(place)
    assert "sanitizer: " in text
    assert other in text


@pytest.mark.parametrize("name", ORDERED)
def test_order_is_not(name: str) -> None:
    for shuffle in range(5):
        watched(document(*ORDERED[name], memory=MEMORY), shuffle)


def test_both_instructions_are_named() -> None:
    source = {"source": "plonk.py:7"}
    raw = document(allocate(2, array(4)), fork(1, blind(2, 0, 4)), {**show(2), **source}, join(1))
    with pytest.raises(RunFailed) as caught:
        watched(raw)
    text = str(caught.value)
    assert "sanitizer: this " in text
    assert "Print at /instructions/2 (the main thread, plonk.py:7)" in text


def test_real_gpus_cannot_be_watched() -> None:
    with pytest.raises(UsageError, match="virtual"):
        watched(document(return_(99)) | {"instructions": []}, gpu="real")
