"""Two instructions that nothing orders: which of them are faults, and what is said of them."""

from __future__ import annotations

import json

import pytest
from brute import Unsafe, orders
from short_programs import (
    SCALAR,
    Instruction,
    allocate,
    array,
    blind,
    call,
    copy,
    document,
    element,
    fork,
    found,
    free,
    join,
    load,
    meta,
    only,
    record,
    remove,
    return_,
    rotation,
    show,
    slice_,
    stream,
    transfer,
    tuple_,
    wait,
)
from test_mutants import tagged

from zkrun.program.decode import decode

MEMORY = {"gpu:0": 1024, "cpu": 1024, "disk": 1024}
HOST = [allocate(0), blind(0), allocate(1, device="gpu:0"), stream(2)]
UP = transfer(0, 1, "cpu", "gpu:0", stream=2)
FREED = [join(0), free(0), free(1)]
ARENA = [stream(0), stream(1), allocate(2, device="gpu:0", offset=0), call("fill", [2], [0])]


def filled_again(offset: int, stream: int) -> list[Instruction]:
    """Memory of the arena, filled on a stream, that is the result."""
    return [
        allocate(3, device="gpu:0", offset=offset),
        call("fill", [3], [stream]),
        return_(3),
    ]


VALID: dict[str, list[Instruction]] = {
    "both read": [*HOST, UP, show(0), record(0, 2), wait(0), free(0), return_(1)],
    "other elements of the same array": [
        *HOST,
        slice_(0, 3, 0, 4),
        slice_(0, 4, 4, 8),
        fork(0, blind(3, 0, 4)),
        blind(4, 0, 4),
        *FREED,
    ],
    "a view that wraps, and the elements between": [
        *HOST,
        meta(0, 3, 6, 4),
        slice_(0, 4, 2, 6),
        fork(0, blind(3, 0, 4)),
        blind(4, 0, 4),
        *FREED,
    ],
    "arena memory freed and made again on one stream": [*ARENA, free(2), *filled_again(128, 0)],
    "other bytes of the arena": [*ARENA, free(2), *filled_again(256, 1)],
    "a part that both allocations leave alone": [
        *ARENA[:3],
        slice_(2, 4, 0, 4),
        call("fill", [4], [0]),
        free(2),
        *filled_again(128, 1),
    ],
    "an alias removed while another thread frees": [
        load("array", 9),
        allocate(0),
        copy(0, 1),
        fork(0, free(0)),
        remove(1),
        join(0),
        return_(9),
    ],
    "two threads on one stream, other memory": [
        *HOST[2:],
        allocate(3, device="gpu:0"),
        fork(0, call("fill", [1], [2])),
        call("fill", [3], [2]),
        join(0),
        tuple_(4, 1, 3),
        return_(4),
    ],
    "a thread id for each round": [
        step for k in range(5) for step in (fork(k, load("array", k)), join(k), show(k))
    ],
}

BROKEN: dict[str, tuple[list[Instruction], list[tuple[str, str]]]] = {
    "the host writes what a stream still copies": (
        [*HOST, UP, blind(0), record(0, 2), wait(0), free(0), return_(1)],
        [("ZK100", "5")],
    ),
    "one element in common, through a view that wraps": (
        [
            *HOST,
            meta(0, 3, 6, 4),
            slice_(0, 4, 1, 6),
            fork(0, blind(3, 0, 4)),
            blind(4, 0, 5),
            *FREED,
        ],
        [("ZK100", "6/instructions/0")],
    ),
    "through a rotation": (
        [
            *HOST,
            rotation(0, 3, 1),
            slice_(3, 4, 0, 1),
            slice_(0, 5, 7, 8),
            fork(0, blind(4, 0, 1)),
            blind(5, 0, 1),
            *FREED,
        ],
        [("ZK100", "7/instructions/0")],
    ),
    "a leaf of a tuple of tuples": (
        [*HOST, tuple_(3, 0), tuple_(4, 3), fork(0, blind(0)), show(4), join(0), free(0), free(1)],
        [("ZK100", "6/instructions/0")],
    ),
    "the disk": (
        [
            *HOST,
            allocate(3, device="disk"),
            transfer(0, 3, "cpu", "disk"),
            transfer(3, 1, "disk", "gpu:0", stream=2),
            transfer(0, 3, "cpu", "disk"),
            record(0, 2),
            wait(0),
            free(0),
            free(3),
            return_(1),
        ],
        [("ZK100", "7")],
    ),
    "an element copied by a stream": (
        [
            *HOST,
            UP,
            allocate(5, SCALAR, "gpu:0"),
            element(1, 5, 3, stream=2),
            record(0, 2),
            wait(0),
            stream(6),
            call("fill", [1], [6]),
            element(1, 5, 4, stream=2),
            free(0),
            return_(5),
        ],
        [("ZK100", "11")],
    ),
    "arena memory made again on another stream": (
        [*ARENA, free(2), *filled_again(128, 1)],
        [("ZK104", "6")],
    ),
    "arena memory made again for the host": (
        [
            load("array", 9),
            allocate(0, offset=0),
            transfer(9, 0),
            stream(2),
            allocate(1, device="gpu:0"),
            UP,
            free(0),
            allocate(3, array(1), offset=192),
            blind(3, 0, 1),
            free(3),
            return_(1),
        ],
        [("ZK104", "8")],
    ),
    "two threads on one stream, the same memory": (
        [
            *HOST[2:],
            call("fill", [1], [2]),
            fork(0, call("ntt", [1], [2])),
            call("ntt", [1], [2]),
            join(0),
            return_(1),
        ],
        [("ZK100", "3/instructions/0")],
    ),
    "joined without an order to the fork": (
        [fork(0, fork(1), record(0)), fork(2, join(1)), wait(0), join(0), join(2)],
        [("ZK071", "1/instructions/0/thread")],
    ),
    "a variable bound in one thread, used in another": (
        [fork(0, show(5)), load("array", 5), join(0)],
        [("ZK101", "0/instructions/0/id")],
    ),
    "a dead variable bound again": (
        [allocate(0), copy(0, 1), fork(0, load("array", 1), show(1)), free(0), join(0)],
        [("ZK101", "2/instructions/0/dst")],
    ),
    "freed while another thread names an alias": (
        [allocate(0), blind(0), tuple_(1, 0), fork(0, free(0)), show(1), join(0)],
        [("ZK102", "3/instructions/0/id")],
    ),
    "freed on a stream before the work of another one": (
        [*HOST[2:], stream(3), call("fill", [1], [2]), free(1, stream=3), record(0, 3), wait(0, 2)],
        [("ZK044", "4")],
    ),
    "two streams, two threads, each Wait before the other's Record": (
        [
            stream(0),
            stream(1),
            fork(0, wait(1, 1), record(0, 0)),
            wait(0, 0),
            record(1, 1),
            join(0),
        ],
        [("ZK075", "3")],
    ),
    "the same, where the walk gets by": (
        [
            stream(0),
            stream(1),
            fork(1, wait(0, 1), record(3, 0)),
            fork(0, wait(1, 0), record(2, 1)),
            record(0, 0),
            record(1, 1),
            join(0),
            join(1),
        ],
        [("ZK105", "2/instructions/0")],
    ),
}


def slow_check_accepts(instructions: list[Instruction]) -> bool:
    raw = tagged(document(*instructions, memory=MEMORY))
    try:
        orders(decode(json.dumps(raw).encode(), None))
    except Unsafe:
        return False
    return True


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    assert found(*VALID[name], memory=MEMORY) == []
    assert slow_check_accepts(VALID[name])


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    instructions, expected = BROKEN[name]
    assert found(*instructions, memory=MEMORY) == expected
    assert not slow_check_accepts(instructions)


def test_a_race_names_both_the_bytes_and_the_mend() -> None:
    error = only(*HOST, UP, slice_(0, 3, 2, 5), blind(3, 0, 3), return_(1))
    assert "writes elements 2 to 4 of variable 0" in error.message
    assert "Transfer at /instructions/4 on stream variable 2, which reads them" in error.message
    assert [one.path for one in error.related] == ["/instructions/4"]
    assert error.help == (
        "Record an event on stream variable 2 behind the Transfer at /instructions/4, and Wait for "
        "it in the main thread before the Blind at /instructions/6"
    )


def test_an_event_that_is_there_is_named() -> None:
    error = only(*HOST, UP, record(7, 2), blind(0), wait(7), free(0), return_(1))
    assert error.help is not None
    assert error.help.startswith("Wait for event 7, which the Record at /instructions/5 records")


def test_the_last_known_point_is_named() -> None:
    error = only(
        *HOST, record(0, 2), wait(0), UP, blind(0), record(1, 2), wait(1), free(0), free(1)
    )
    assert [one.path for one in error.related] == ["/instructions/6", "/instructions/4"]
    assert "the last of stream variable 2 that is known to come before" in error.related[1].message


def test_related_instructions_carry_thread_and_source() -> None:
    first = {**blind(0), "source": "plonk.py:7"}
    error = only(allocate(0), fork(3, {**blind(0), "source": "b.py:1"}), first, join(3), free(0))
    assert (error.thread, error.source) == (3, "b.py:1")
    assert (error.related[0].thread, error.related[0].source) == (None, "plonk.py:7")
    assert error.to_json()["related"][0] == {
        "path": "/instructions/2",
        "message": "writes variable 0 in the main thread",
        "source": "plonk.py:7",
    }


def test_one_forgotten_wait_is_told_once() -> None:
    ends = [record(0, 2), wait(0), free(0), free(1)]
    assert found(*HOST, UP, *[blind(0)] * 10, *ends) == [("ZK100", "14")]
