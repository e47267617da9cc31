"""Binding, owning, freeing, and what is left over."""

from __future__ import annotations

from short_programs import (
    SCALAR,
    Instruction,
    accepted,
    allocate,
    array,
    blind,
    call,
    check,
    copy,
    document,
    fork,
    free,
    join,
    load,
    meta,
    move,
    record,
    refused,
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

VALID: dict[str, list[Instruction]] = {
    "sparse ids": [load("array", 2**64 - 1), copy(2**64 - 1, 5), return_(5)],
    "an id again after each way of unbinding": [
        allocate(0),
        free(0),
        load("array", 0),
        remove(0),
        load("array", 0),
        move(0, 1),
        allocate(0),
        free(0),
    ],
    "a dead alias is unbound": [
        allocate(0),
        copy(0, 1),
        slice_(0, 2, 0, 1),
        free(0),
        allocate(1),
        free(1),
        load("array", 2),
    ],
    "a dead tuple is unbound": [
        allocate(0),
        tuple_(1, 0),
        tuple_(2, 1),
        free(0),
        load("array", 1),
        load("array", 2),
    ],
    "a dead alias can be removed": [allocate(0), copy(0, 1), free(0), remove(1)],
    "the owner moves": [allocate(0), move(0, 1), move(1, 0), free(0)],
    "a view outlives its variable": [
        allocate(0),
        blind(0),
        copy(0, 1),
        remove(0),
        show(1),
        return_(1),
    ],
    "a tuple keeps what it was made of": [
        load("array", 0),
        tuple_(1, 0),
        remove(0),
        load("scalar", 0),
        return_(1),
    ],
    "a stream on itself": [stream(0), free(0, stream=0), stream(0), free(0)],
    "another thread frees": [allocate(0), fork(0, free(0)), join(0)],
    "queued work runs in its order": [
        allocate(0, device="gpu:0"),
        stream(1),
        call("fill", [0], [1]),
        free(0, stream=1),
        free(1),
    ],
    "a free ordered by an event on another stream": [
        allocate(0, device="gpu:0"),
        stream(1),
        stream(2),
        call("fill", [0], [1]),
        record(0, 1),
        wait(0, 2),
        free(0, stream=2),
    ],
    "a free after the host has waited": [
        allocate(0, device="gpu:0"),
        stream(1),
        call("fill", [0], [1]),
        record(0, 1),
        wait(0),
        free(0),
    ],
    "arena memory is freed while its work is queued": [
        allocate(0, device="gpu:0", offset=0),
        stream(1),
        call("fill", [0], [1]),
        free(0),
        allocate(0, device="gpu:0", offset=0),
        call("fill", [0], [1]),
        free(0),
    ],
}

BROKEN: dict[str, tuple[list[Instruction], list[tuple[str, str]]]] = {
    "unbound, once": ([show(0), show(0), slice_(0, 1, 0, 1), show(1)], [("ZK040", "0/id")]),
    "moved": ([load("array", 0), move(0, 1), show(0)], [("ZK040", "2/id")]),
    "moved onto itself": ([load("array", 0), move(0, 0)], [("ZK042", "1/dst")]),
    "removed twice": ([load("array", 0), remove(0), remove(0)], [("ZK040", "2/id")]),
    "freed twice": ([allocate(0), free(0), free(0)], [("ZK041", "2/id")]),
    "freed by the owner, used through a copy of a view": (
        [allocate(0), blind(0), rotation(0, 1, 1), meta(1, 2, 0, 8), copy(2, 3), free(0), show(3)],
        [("ZK041", "6/id")],
    ),
    "freed, used through a tuple of tuples": (
        [allocate(0), blind(0), tuple_(1, 0), tuple_(2, 1), free(0), return_(2)],
        [("ZK041", "5/id")],
    ),
    "a live alias is bound": ([allocate(0), copy(0, 1), allocate(1)], [("ZK042", "2/id")]),
    "free a view": ([allocate(0), slice_(0, 1, 0, 8), free(1)], [("ZK043", "2/id")]),
    "free an input": ([load("array", 0), free(0)], [("ZK043", "1/id")]),
    "free a tuple": ([allocate(0), tuple_(1, 0), free(1)], [("ZK043", "2/id")]),
    "free the old name": ([allocate(0), copy(0, 2), move(0, 1), free(2)], [("ZK043", "3/id")]),
    "free after losing the owner": (
        [allocate(0), copy(0, 1), remove(0), free(1)],
        [("ZK043", "3/id")],
    ),
    "freed on a stream that is not ordered": (
        [
            allocate(0, device="gpu:0"),
            stream(1),
            stream(2),
            call("fill", [0], [1]),
            free(0, stream=2),
            record(0, 2),
            wait(0),
        ],
        [("ZK044", "4")],
    ),
    "host memory freed under a queued copy": (
        [
            load("array", 9),
            allocate(0),
            transfer(9, 0),
            allocate(1, device="gpu:0"),
            stream(2),
            transfer(0, 1, "cpu", "gpu:0", stream=2),
            free(0),
            return_(1),
        ],
        [("ZK044", "6")],
    ),
    "freed all the same where the stream is wrong": (
        [
            allocate(0, device="gpu:0", offset=0),
            stream(1, "gpu:1"),
            free(0, stream=1),
            allocate(0, device="gpu:0", offset=0),
            free(0, stream=5),
            allocate(0),
            free(0),
        ],
        [("ZK033", "2/stream"), ("ZK040", "4/stream")],
    ),
    "bound in a thread that is not joined before": (
        [fork(0, load("array", 0)), show(0), join(0)],
        [("ZK040", "1/id")],
    ),
    "the result freed by another thread": (
        [allocate(0), blind(0), fork(0, free(0)), return_(0)],
        [("ZK102", "2/instructions/0/id")],
    ),
}


test_valid = accepted(VALID, memory={"gpu:0": 256})
test_broken = refused(BROKEN, memory={"gpu:0": 256})


def warnings(*instructions: Instruction) -> list[tuple[str, str]]:
    analysis = check(document(*instructions))
    assert analysis.valid
    return [(one.rule, one.path) for one in analysis.diagnostics]


def test_what_is_left_is_a_warning() -> None:
    assert warnings(allocate(0), allocate(1), free(1)) == [("ZK045", "/instructions/0/id")]
    lost = [allocate(0), blind(0), copy(0, 1), remove(0)]
    assert warnings(*lost) == [("ZK045", "/instructions/0/id")]


def test_the_result_and_what_has_no_bytes_is_not_left_over() -> None:
    assert warnings(stream(0), allocate(1, array(0))) == []
    parts = [allocate(0), blind(0), slice_(0, 1, 0, 1), allocate(2), blind(2), tuple_(3, 1, 2)]
    assert warnings(*parts, return_(3)) == []


def test_many_warnings_are_counted() -> None:
    analysis = check(document(*(allocate(id, SCALAR) for id in range(30))))
    assert len(analysis.diagnostics) == 10
    assert analysis.diagnostics[-1].message.endswith("(and 20 more like it)")


def test_many_errors_end_the_analysis() -> None:
    analysis = check(document(*(show(id) for id in range(200))))
    assert len(analysis.diagnostics) == 50
