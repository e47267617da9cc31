"""Threads, events, streams: what goes on, what never does, and what has happened when."""

from __future__ import annotations

from short_programs import (
    SCALAR,
    Instruction,
    accepted,
    allocate,
    blind,
    call,
    check,
    document,
    element,
    equal,
    errors,
    fork,
    found,
    free,
    join,
    load,
    only,
    record,
    refused,
    return_,
    show,
    slice_,
    stream,
    transfer,
    wait,
)

GPU = [allocate(0, device="gpu:0"), stream(1), stream(2)]

VALID: dict[str, list[Instruction]] = {
    "an event across threads": [
        fork(0, allocate(0), blind(0), record(7)),
        wait(7),
        show(0),
        join(0),
        free(0),
    ],
    "a wait before the record": [
        fork(0, wait(1), record(2)),
        fork(1, record(1)),
        wait(2),
        join(0),
        join(1),
    ],
    "forks in forks, joined elsewhere": [
        fork(0, fork(1, fork(2, load("array", 0))), join(1), join(2)),
        join(0),
        return_(0),
    ],
    "a thread joined by its sibling": [
        fork(0, load("array", 0)),
        fork(1, join(0)),
        join(1),
        return_(0),
    ],
    "streams that wait for each other": [
        *GPU,
        call("fill", [0], [1]),
        record(0, 1),
        wait(0, 2),
        call("ntt", [0], [2]),
        record(1, 2),
        wait(1, 1),
        call("ntt", [0], [1]),
        record(2, 1),
        wait(2),
        show(0),
        free(0),
    ],
    "a stream that waits for a later record": [
        *GPU,
        wait(0, 1),
        call("ntt", [0], [1]),
        call("fill", [0], [2]),
        record(0, 2),
        return_(0),
    ],
    "a stream that waits for a thread": [
        *GPU,
        allocate(3),
        wait(0, 1),
        transfer(3, 0, "cpu", "gpu:0", stream=1),
        record(1, 1),
        fork(0, blind(3), record(0)),
        wait(1),
        show(0),
        free(3),
        free(0),
        join(0),
    ],
    "return waits for queued work": [*GPU, call("fill", [0], [1]), return_(0)],
    "return waits for threads": [allocate(0), fork(0, blind(0)), return_(0)],
    "a host wait through a chain of streams": [
        *GPU,
        call("fill", [0], [1]),
        record(0, 1),
        wait(0, 2),
        record(1, 2),
        wait(1),
        show(0),
        free(0),
    ],
    "an event that nobody waits for": [record(0)],
    "two threads wait for one event": [
        fork(0, wait(0)),
        fork(1, wait(0)),
        record(0),
        join(0),
        join(1),
    ],
}

BROKEN: dict[str, tuple[list[Instruction], list[tuple[str, str]]]] = {
    "no wait for a queued write": (
        [*GPU, allocate(3), call("fill", [0], [1]), transfer(0, 3, "gpu:0", "cpu")],
        [("ZK060", "5")],
    ),
    "no wait between streams": (
        [*GPU, call("fill", [0], [1]), call("ntt", [0], [2]), record(0, 2), wait(0)],
        [("ZK060", "4")],
    ),
    "an event recorded too early": (
        [*GPU, record(0, 1), call("fill", [0], [1]), wait(0), show(0)],
        [("ZK060", "6")],
    ),
    "no join before use": ([allocate(0), fork(0, blind(0)), show(0), join(0)], [("ZK060", "2")]),
    "a thread never told": (
        [*GPU, wait(5, 1), call("fill", [0], [1]), wait(5, 2), return_(0)],
        [("ZK074", "3/event"), ("ZK074", "5/event")],
    ),
    "joins itself": ([fork(0, join(0))], [("ZK075", "0/instructions/0")]),
    "waits for what it records later": ([wait(0), record(0)], [("ZK075", "0")]),
    "threads in a circle": (
        [fork(0, wait(0), record(1)), fork(1, wait(1), record(0)), join(0), join(1)],
        [("ZK075", "2")],
    ),
    "streams in a circle": (
        [stream(0), stream(1), wait(0, 0), record(1, 0), wait(1, 1), record(0, 1)],
        [("ZK075", "2")],
    ),
    "a host that waits for streams in a circle": (
        [stream(0), stream(1), wait(0, 0), record(1, 0), wait(1, 1), record(0, 1), wait(1)],
        [("ZK075", "6")],
    ),
    "a stream that waits for itself": (
        [stream(0), wait(0, 0), record(0, 0)],
        [("ZK075", "1")],
    ),
    "a join behind what the thread waits for": (
        [fork(0, wait(0)), join(0), record(0)],
        [("ZK075", "1")],
    ),
    "recorded in two threads": (
        [fork(0, record(0)), record(0), join(0)],
        [("ZK073", "0/instructions/0/event")],
    ),
    "forked twice, the second runs as well": (
        [fork(0, load("array", 0)), fork(0, show(5)), join(0), return_(0)],
        [("ZK070", "1/new_thread"), ("ZK040", "1/instructions/0/id")],
    ),
    "joined before the fork of another thread": (
        [fork(0, fork(1)), join(1), join(0)],
        [("ZK071", "1/thread")],
    ),
    "return in a thread": (
        [load("array", 0), fork(0, return_(0)), join(0), return_(0)],
        [("ZK077", "1/instructions/0")],
    ),
    "return twice": ([load("array", 0), return_(0), return_(0)], [("ZK077", "1")]),
}


test_valid = accepted(VALID)
test_broken = refused(BROKEN)


def told(*instructions: Instruction) -> tuple[str, str]:
    """The message and the help of the only error."""
    error = only(*instructions)
    return error.message, error.help or ""


def test_a_deadlock_names_all_who_wait() -> None:
    message, help = told(
        stream(0),
        wait(0, 0),
        record(1, 0),
        fork(3, wait(1)),
        join(3),
        record(0),
    )
    assert "the main thread for thread 3 to end (Join at /instructions/4)" in message
    assert "thread 3 for event 1 (Wait at /instructions/3/instructions/0)" in message
    assert "stream variable 0 for event 0 (Wait at /instructions/1)" in message
    assert "event" not in help


def test_a_missing_wait_names_the_queued_write() -> None:
    _, help = told(*GPU, call("fill", [0], [1]), show(0), return_(0))
    assert "FuncCall fill at /instructions/3 writes it, but is only queued on stream" in help


def test_a_missing_join_names_the_threads_that_may_write() -> None:
    _, help = told(allocate(0), fork(3, blind(0)), show(0), join(3), return_(0))
    assert "where it is thread 3 that writes it, Join that thread before, or Wait" in help


def test_a_missing_join_names_the_other_thread() -> None:
    _, help = told(fork(0, load("array", 0)), show(0), join(0))
    assert help.startswith("/instructions/0/instructions/0 in another thread binds it")


def test_a_use_before_the_binding_names_it() -> None:
    assert told(show(0), load("array", 0))[1] == "it is bound only later, at /instructions/1"


def test_places_carry_thread_and_source() -> None:
    analysis = check(document(fork(4, {**show(0), "source": "plonk.py:7"}), join(4)))
    (diagnostic,) = analysis.diagnostics
    assert (diagnostic.thread, diagnostic.source) == (4, "plonk.py:7")
    (diagnostic,) = check(document(show(0))).diagnostics
    assert (diagnostic.thread, diagnostic.source) == (None, None)


def test_names_of_variables_are_shown_and_harmless() -> None:
    analysis = check(document(show(0), variables={"0": "wit\x1b[31mness"}))
    (diagnostic,) = analysis.diagnostics
    assert (
        diagnostic.message == "variable 0 (wit\N{REPLACEMENT CHARACTER}[31mness) is not bound here"
    )


def test_threads_nested_deep_and_long_chains_of_streams() -> None:
    """The walk is a loop, never a recursion."""
    depth, count = 100, 3000
    inner: list[Instruction] = []
    for thread in range(depth):
        inner = [fork(thread, *inner), join(thread)]
    chain: list[Instruction] = [stream(1000 + id) for id in range(count)]
    for id in range(count):
        chain += [wait(id - 1, 1000 + id)] if id else []
        chain += [record(id, 1000 + id)]
    assert found(*inner, *chain, wait(count - 1)) == []


def test_definedness_by_element() -> None:
    assert found(
        allocate(0),
        blind(0, 6, 8),
        slice_(0, 1, 6, 8),
        show(1),
        allocate(2, SCALAR),
        element(0, 2, 7),
        element(0, 2, 5),
        free(2),
        free(0),
    ) == [("ZK060", "6")]


def test_a_function_defines_only_what_it_touches() -> None:
    """permute writes the first `usable` rows (here five) and leaves the others as they were."""
    rows = [load("array", 0), allocate(1), allocate(2), call("permute", [1, 2], [0, 0])]
    ends = [free(1), free(2)]
    assert found(*rows, slice_(1, 3, 0, 5), show(3), *ends) == []
    assert found(*rows, blind(2, 5, 8), show(2), *ends) == []
    assert found(*rows, show(1), *ends) == [("ZK060", "4")]
    assert found(*rows, equal(2, 0), *ends) == [("ZK060", "4")]


def test_another_thread_sees_to_what_a_wait_demands() -> None:
    """A thread that was blocked until the event was complete took its demands to its next Wait."""
    waits = [wait(11), wait(16)]
    for left in (waits, waits[:1], waits[1:], []):
        reader = [
            *left,
            stream(1002),
            allocate(4),
            transfer(3, 4, "gpu:0", "cpu", stream=1002),
            record(20, 1002),
            wait(20),
            show(4),
        ]
        writer = [stream(1000), allocate(3, device="gpu:0"), record(9, 1000)]
        writer += [call("fill", [3], [1000]), record(16, 1000)]
        main = [stream(1001), wait(9, 1001), record(11, 1001), record(12, 1001), wait(12)]
        rest = [join(1), join(2)]
        assert bool(errors(fork(1, *reader), fork(2, *writer), *main, *rest)) == (
            wait(16) not in left
        )
