"""Programs that ask for much: each family makes one of about `n` instructions.

They are meant to find what does not grow with the length of the document alone: many threads,
streams or events that know of each other, many pieces of one array, many names of one thing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import isqrt
from typing import Any

import short_programs
from short_programs import (
    SCALAR,
    Instruction,
    allocate,
    array,
    blind,
    call,
    copy,
    element,
    equal,
    fork,
    free,
    join,
    load,
    meta,
    record,
    return_,
    rotation,
    show,
    slice_,
    stream,
    transfer,
    tuple_,
    wait,
)

__all__ = ["FAMILIES"]

Raw = dict[str, Any]
FAMILIES: dict[str, Callable[[int], Raw]] = {}


def document(*instructions: Instruction) -> Raw:
    """A program that ends with ids far from those of the families."""
    return short_programs.document(*instructions, load("array", 2**60), return_(2**60))


def family(make: Callable[[int], Raw]) -> Callable[[int], Raw]:
    FAMILIES[make.__name__.rstrip("_")] = make
    return make


# Threads


@family
def forks(n: int) -> Raw:
    return document(*(fork(id) for id in range(n)))


@family
def forks_joined_later(n: int) -> Raw:
    return document(
        *(fork(id, record(id)) for id in range(n // 3)), *(join(id) for id in range(n // 3))
    )


@family
def forks_joined_backwards(n: int) -> Raw:
    half = n // 2
    return document(*(fork(id) for id in range(half)), *(join(id) for id in reversed(range(half))))


@family
def chained_threads(n: int) -> Raw:
    """Each thread is forked after the main thread has heard from the one before."""
    body = [
        step
        for id in range(n // 4)
        for step in (fork(id, record(2 * id), wait(2 * id + 1)), wait(2 * id))
    ]
    return document(*body, *(record(2 * id + 1) for id in range(n // 4)))


@family
def nested_threads(n: int) -> Raw:
    """Deep in one another, the innermost with all the instructions."""
    body = [step for id in range(n // 2) for step in (allocate(id, SCALAR), free(id))]
    for depth in range(120):
        body = [fork(depth, *body), join(depth)]
    return document(*body)


def _relayed(threads: int, rounds: int, *, closed: bool) -> Raw:
    """Threads in a row, each of which waits each round for the event of the one before.

    In a closed ring the first waits too, for the last of the round before.
    """
    bodies = [
        [
            step
            for turn in range(rounds)
            for step in (
                *([wait(turn * threads + id - 1)] if id or (closed and turn) else []),
                record(turn * threads + id),
            )
        ]
        for id in range(threads)
    ]
    return document(*(fork(id, *body) for id, body in enumerate(bodies)))


@family
def relay(n: int) -> Raw:
    """Threads in a row, each waits for each event of the one before."""
    return _relayed(isqrt(n // 2), isqrt(n // 2), closed=False)


@family
def ring(n: int) -> Raw:
    """As before, and the first waits for the last of the round before: all know of all."""
    return _relayed(64, n // 2 // 64, closed=True)


@family
def wide_ring(n: int) -> Raw:
    return _relayed(1000, max(1, n // 2 // 1000), closed=True)


# Streams


@family
def streams(n: int) -> Raw:
    return document(*(stream(id) for id in range(n)))


@family
def stream_chain(n: int) -> Raw:
    """Each stream waits for the one before."""
    third = n // 3
    body = [
        step
        for id in range(third)
        for step in (stream(id), *([wait(id - 1, id)] if id else []), record(id, id))
    ]
    return document(*body, wait(third - 1))


@family
def streams_all_to_all(n: int) -> Raw:
    count = isqrt(n)
    body = [stream(id) for id in range(count)]
    for turn in range(count):
        event = turn * count
        for id in range(count // 2):
            body += [record(event + id, id)]
        for id in range(count // 2):
            body += [wait(event + (id * 7 + turn) % (count // 2), id)]
    return document(*body)


@family
def threads_on_one_stream(n: int) -> Raw:
    """Many threads queue on one stream; each hears of another between."""
    threads = isqrt(n // 3)
    turns = range(threads)
    bodies = [
        [
            step
            for turn in turns
            for step in (
                *([wait(turn * threads + id - 1)] if id else []),
                record(10**9 + turn * threads + id, 0),
                record(turn * threads + id),
            )
        ]
        for id in range(threads)
    ]
    return document(stream(0), *(fork(id, *body) for id, body in enumerate(bodies)))


@family
def threads_on_one_stream_in_order(n: int) -> Raw:
    """32 threads take turns on one stream."""
    threads, bodies = 32, [[] for _ in range(32)]
    for turn in range(n // 3):
        body = bodies[turn % threads]
        body += [wait(turn - 1)] if turn else []
        body += [record(10**9 + turn, 0), record(turn)]
    return document(stream(0), *(fork(id, *body) for id, body in enumerate(bodies)))


@family
def loose_waits(n: int) -> Raw:
    """Two threads queue Waits on one stream without an order."""
    third = n // 3
    return document(
        stream(0),
        stream(1),
        *(record(id, 1) for id in range(third)),
        fork(1, *(wait(id, 0) for id in range(third))),
        *(wait(id, 0) for id in range(third)),
        join(1),
    )


@family
def loose_threads(n: int) -> Raw:
    """A thousand threads queue Waits on one stream without an order."""
    threads = 1000
    each = n // threads // 2
    return document(
        stream(0),
        stream(1),
        *(record(id, 1) for id in range(each)),
        *(
            fork(
                id,
                *(
                    step
                    for at in range(each)
                    for step in (wait(at, 0), record(10**9 + id * each + at, 0))
                ),
            )
            for id in range(threads)
        ),
    )


@family
def loose_streams(n: int) -> Raw:
    """Two threads queue on many streams, crosswise, in ways that cannot get stuck."""
    count = n // 8
    ones = [stream(id) for id in range(count)]
    first = [
        s
        for id in range(count)
        for s in (record(2 * id, id), *([wait(2 * id - 2, id)] if id else []))
    ]
    second = [
        s
        for id in range(count)
        for s in (record(2 * id + 1, id), *([wait(2 * id - 1, id)] if id else []))
    ]
    return document(*ones, fork(1, *first), *second, join(1))


@family
def blocked_again_and_again(n: int) -> Raw:
    """A long chain of streams, at whose end one waits for event after event."""
    count = n // 4
    body = [stream(id) for id in range(count)]
    for id in range(count - 1):
        body += [wait(count + id + 1, id), record(count + id, id)]
    last = count - 1
    body += [wait(at, last) for at in range(count)] + [record(count + last, last)]
    return document(
        fork(1, *body, wait(count), record(10**9)),
        *(record(at) for at in range(count)),
        wait(10**9),
        join(1),
    )


# Bytes


def _threaded(*body: Instruction, before: tuple[Instruction, ...] = ()) -> Raw:
    """The same with a second thread about, so that accesses are remembered."""
    return document(*before, fork(1), *body)


@family
def pieces_at_random(n: int) -> Raw:
    length = n
    order = list(range(0, length, 2))
    random.Random(0).shuffle(order)
    body = [blind(0, at, at + 1) for at in order]
    return _threaded(allocate(0, array(length)), *body)


@family
def pieces_read_whole(n: int) -> Raw:
    third = n // 3
    body = [blind(0, at, at + 1) for at in range(third)]
    return _threaded(allocate(0, array(third)), *body, *(show(0) for _ in range(third)))


@family
def pieces_read_by_many(n: int) -> Raw:
    fifth = n // 5
    return document(
        allocate(0, array(fifth)),
        blind(0, 0, fifth),
        *(fork(id, show(0)) for id in range(fifth)),
        *(slice_(0, 1 + at, at, at + 1) for at in range(fifth)),
        *(show(1 + at) for at in range(fifth)),
    )


@family
def views(n: int) -> Raw:
    half = n // 2
    body = [rotation(0, 1 + id, id) for id in range(half)]
    return _threaded(allocate(0), *body, blind(0), *(show(1 + id) for id in range(half)))


@family
def wrapped_views(n: int) -> Raw:
    third = n // 3
    body = [meta(0, 1 + id, third - 1 - id, 2 * id % third) for id in range(third)]
    calls = [blind(1 + id, 0, 2 * id % third) for id in range(third)]
    return _threaded(allocate(0, array(third)), *body, *calls)


@family
def copies(n: int) -> Raw:
    body = [copy(id, id + 1) for id in range(n // 2)]
    return _threaded(allocate(0), *body, free(0), *(copy(5, n + id) for id in range(n // 2)))


@family
def arena_pieces(n: int) -> Raw:
    third = n // 3
    order = list(range(third))
    random.Random(0).shuffle(order)
    body = [allocate(id, SCALAR, offset=64 * id) for id in order]
    random.Random(1).shuffle(order)
    body += [free(id) for id in order]
    whole = [allocate(n, array(2 * third), offset=0), blind(n, 0, 2 * third), free(n)]
    return _threaded(*body, *whole) | {"memory": {"cpu": 64 * third}}


@family
def arena_on_streams(n: int) -> Raw:
    """Many places of an arena, touched on eight streams."""
    part = n // 9
    body = [stream(n + at) for at in range(8)]
    for at in range(part):
        on = n + at % 8
        body += [
            allocate(at, array(2), "gpu:0", offset=64 * at),
            call("fill", [at], [on]),
            free(at),
        ]
    for at in range(part):
        body += [record(at, n + at % 8), wait(at, n + (at + 1) % 8)]
    body += [allocate(n + 9, array(2 * part), "gpu:0", offset=0)]
    body += [call("fill", [n + 9], [n]) for _ in range(part)]
    return document(*body) | {"memory": {"gpu:0": 64 * part}}


@family
def wide_calls(n: int) -> Raw:
    """Few calls of many operands."""
    half = n // 2
    body = [s for id in range(half) for s in (allocate(id, SCALAR), element(n, id, 0))]
    arrays = [allocate(2 * n, array(half)), call("assemble_poly", [2 * n], range(half))]
    return document(load("array", n), *body, *arrays)


@family
def wide_msm(n: int) -> Raw:
    quarter = n // 4
    point = {"kind": "Point"}
    body = [allocate(id, point) for id in range(quarter)]
    scalars = [slice_(n, n + 1 + id, 0, id % 8) for id in range(quarter)]
    raw = document(
        load("array", n),
        load("points", 3 * n),
        *body,
        *scalars,
        {
            "op": "FuncCall",
            "func_id": len(short_programs.FUNCTIONS),
            "arg_mut": [*range(quarter)],
            "arg": [3 * n, *(n + 1 + id for id in range(quarter))],
        },
    )
    raw["functions"] = [*raw["functions"], {"name": "msm"}]
    return raw


@family
def lengths(n: int) -> Raw:
    """Every call has types of its own."""
    third = n // 3
    body = [s for id in range(third) for s in (allocate(id, array(id)), call("fill", [id]))]
    return document(*body)


# Tuples


@family
def tuple_shown_often(n: int) -> Raw:
    third = n // 3
    body = [s for id in range(third) for s in (allocate(id, SCALAR), element(n, id, 0))]
    return _threaded(
        *body,
        tuple_(2 * n, *range(third)),
        *(show(2 * n) for _ in range(third)),
        before=(load("array", n),),
    )


@family
def tuples_of_one(n: int) -> Raw:
    half = n // 2
    body = [tuple_(1 + id, 0, 0, 0) for id in range(half)]
    return _threaded(allocate(0), blind(0), *body, *(show(1 + id) for id in range(half)))


@family
def tuples_doubled(n: int) -> Raw:
    """Many tuples of a million values each, all different."""
    body: list[Instruction] = [load("array", 0)]
    id = 1
    while len(body) < n - 1:
        body += [tuple_(id, 0, 0), tuple_(id + 1, id, 0)]
        body += [tuple_(id + at, id + at - 1, id + at - 1) for at in range(2, 18)]
        body += [equal(id + 17, id + 17)]
        id += 18
    return document(*body)


@family
def tuples_freed(n: int) -> Raw:
    half = n // 3
    body = [s for id in range(half) for s in (allocate(id, SCALAR),)]
    return _threaded(
        *body,
        tuple_(n, *range(half)),
        *(tuple_(n + 1 + id, n) for id in range(half)),
        *(free(id) for id in range(half)),
    )


# Memory


@family
def leaks(n: int) -> Raw:
    return document(*(allocate(id, SCALAR) for id in range(n)))


@family
def peak_of_many_threads(n: int) -> Raw:
    part = n // 6
    bodies = [
        [allocate(2 * id, array(id % 97)), record(2 * id), wait(2 * id + 1), free(2 * id)]
        for id in range(part)
    ]
    return document(
        *(fork(id, *body) for id, body in enumerate(bodies)),
        *(wait(2 * id) for id in range(part)),
        *(record(2 * id + 1) for id in range(part)),
        *(join(id) for id in range(part)),
    )


@family
def peak_after_joins(n: int) -> Raw:
    part = n // 4
    body = [s for id in range(part) for s in (join(id), allocate(id, array(1 + id % 5)))]
    return document(
        *(fork(id, allocate(n + id, SCALAR), free(n + id)) for id in range(part)),
        *body,
        *(free(id) for id in range(part)),
    )


@family
def peak_of_streams(n: int) -> Raw:
    """Work that is freed on streams which wait for each other at random."""
    choice = random.Random(3)
    count, body = 60, []
    body += [stream(10**6 + id) for id in range(count)]
    for at in range(n // 5):
        on, other = (10**6 + choice.randrange(count) for _ in range(2))
        body += [allocate(at, array(choice.randrange(50)), "gpu:0"), call("fill", [at], [on])]
        body += [free(at, stream=on), record(at, on), wait(at, other)]
    return document(*body)


@family
def devices(n: int) -> Raw:
    return document(*(allocate(id, SCALAR, f"gpu:{id % 10000}") for id in range(n)))


# Errors


@family
def races_(n: int) -> Raw:
    half = n // 2
    return document(
        allocate(0, array(half)),
        fork(1, *(blind(0, at, at + 1) for at in range(half))),
        *(blind(0, at, at + 1) for at in range(half)),
        join(1),
    )


@family
def races_of_threads(n: int) -> Raw:
    return document(allocate(0), *(fork(id, blind(0)) for id in range(n // 2)))


@family
def bad_bindings(n: int) -> Raw:
    return document(*(show(id) for id in range(n)))


@family
def poisoned(n: int) -> Raw:
    return document(show(0), *(copy(0, 1 + id) for id in range(n)))


@family
def never_written(n: int) -> Raw:
    """Reads of what nothing has written, with many streams and threads about."""
    third = n // 3
    return document(
        *(stream(n + id) for id in range(third)),
        *(fork(id, wait(10**9)) for id in range(third)),
        *(s for id in range(40) for s in (allocate(id), show(id))),
        record(10**9),
    )


@family
def blocked_threads(n: int) -> Raw:
    return document(*(fork(id, wait(id)) for id in range(n // 2)))


@family
def races_with_events(n: int) -> Raw:
    """Fifty races, with many events about that could mend them."""
    half = n // 2
    return document(
        *(allocate(id, SCALAR) for id in range(50)),
        load("array", 200),
        fork(1, *(element(200, id, 0) for id in range(50)), *(record(id) for id in range(half))),
        *(element(200, id, 0) for id in range(50)),
        *(stream(300 + id) for id in range(1)),
        join(1),
    )


@family
def transfers(n: int) -> Raw:
    """Copies on two streams that wait for each other, as programs have them."""
    body = [stream(0), stream(1), allocate(2, device="gpu:0"), allocate(3), blind(3)]
    for at in range(n // 6):
        body += [transfer(3, 2, "cpu", "gpu:0", stream=0), record(2 * at, 0), wait(2 * at, 1)]
        body += [call("ntt", [2], [1]), record(2 * at + 1, 1), wait(2 * at + 1, 0)]
    return document(*body, wait(2 * (n // 6) - 1), free(2), free(3))
