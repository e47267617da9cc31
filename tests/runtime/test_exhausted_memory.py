"""Memory that runs out at any point: the run ends, says who holds what, and leaves nothing."""

from __future__ import annotations

import gc
import mmap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program_kit import (
    STREAM,
    allocate,
    array,
    call,
    copy,
    load,
    numbers,
    program,
    record,
    result,
    run,
    scalars,
    wait,
)

from zkrun.devices.account import Account
from zkrun.errors import ResourceLimit
from zkrun.program.document import Program

N = 16
VALUES = list(range(1, N + 1))


def sample() -> Program:
    """Every kind of allocation: at offsets, from pools, on disk, by kernels, in a thread."""
    return program(
        allocate(0, STREAM, "gpu:0"),
        load(1, 0),
        load(2, 1),
        allocate(3, array(N), "gpu:0", offset=0),
        allocate(4, array(N), "gpu:0"),
        copy(1, 3, "cpu", "gpu:0", 0),
        {
            "op": "Fork",
            "new_thread": 0,
            "instructions": [
                allocate(5, array(N), "disk"),
                copy(1, 5, "cpu", "disk"),
                allocate(6, array(N)),
                copy(5, 6, "disk", "cpu"),
                {"op": "Deallocate", "id": 5},
            ],
        },
        call(0, [3], [0]),
        call(1, [4], [3, 3, 0]),
        call(2, [3], [0]),
        allocate(7, array(N)),
        copy(4, 7, "gpu:0", "cpu", 0),
        record(0, 0),
        {"op": "Deallocate", "id": 4, "stream": 0},
        {"op": "Join", "thread": 0},
        wait(0),
        allocate(8, array(N)),
        call(1, [8], [6, 7]),
        result(8),
        constants=[scalars("a", VALUES), scalars("b", VALUES, "gpu:0")],
        functions=["ntt", "poly_mul", "batch_invert"],
        memory={"gpu:0": 32 * N},
    )


def failing(n: int, function: Any, error: Callable[..., BaseException], count: list[int]) -> Any:
    """The function, of which the n-th call and all that follow raise instead."""

    def called(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if 0 < n <= count[0]:
            raise error(*arguments)
        return function(*arguments, **named)

    return called


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def check_each_point(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Callable[..., BaseException]
) -> None:
    """Makes the calls of `owner.name` fail from each on; afterwards the same program runs."""
    document, original = sample(), getattr(owner, name)
    expected = numbers(run(document))
    count = [0]
    monkeypatch.setattr(owner, name, failing(0, original, error, count))
    run(document)
    points = count[0]
    assert points
    files = open_files()
    for n in range(1, points + 1):
        monkeypatch.setattr(owner, name, failing(n, original, error, [0]))
        with pytest.raises(ResourceLimit) as caught:
            run(document, timeout=60)
        assert caught.value.exit_code == 6
        assert "held" in str(caught.value)
        monkeypatch.setattr(owner, name, original)
        assert numbers(run(document)) == expected
    caught = None
    gc.collect()
    assert open_files() <= files
    assert [t.name for t in threading.enumerate() if "stream" in t.name] == []


def test_each_allocation_that_is_counted_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Account, nbytes: int, *rest: object) -> BaseException:
        return self.refusal(nbytes, "the test says so")

    check_each_point(monkeypatch, Account, "take", refused)


def test_the_system_may_give_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkrun.devices.cpu.pool._take_kept", lambda size: None)
    check_each_point(monkeypatch, mmap, "mmap", lambda *_: OSError(12, "Cannot allocate memory"))


def test_who_holds_what_is_said() -> None:
    document = program(
        load(0, 0),
        allocate(1, array(1 << 12), "gpu:0"),
        allocate(2, array(1 << 10), "gpu:0", offset=0),
        {"op": "Slice", "src": 1, "dst": 3, "start": 0, "end": 4},
        allocate(4, array(1 << 11), "gpu:0"),
        result(0),
        constants=[scalars("c", VALUES), scalars("d", VALUES, "gpu:0")],
        variables={"1": "wires"},
        memory={"gpu:0": 3 << 15},
    )
    with pytest.raises(ResourceLimit) as caught:
        run(document, limits={"gpu:0": 1 << 18})
    held = "held: wires 128.00 KiB, the arena 96.00 KiB, constant d 512 bytes"
    assert str(caught.value).startswith("Allocate at /instructions/4 (the main thread): gpu:0: ")
    assert str(caught.value).endswith(held)


def test_many_holders_are_counted() -> None:
    document = program(
        load(0, 0),
        *[allocate(i, array(1 << i), "gpu:0") for i in range(1, 10)],
        allocate(10, array(1 << 20), "gpu:0"),
        result(0),
        constants=[scalars("c", VALUES)],
    )
    with pytest.raises(ResourceLimit, match=r"held: variable 9 16.00 KiB, .*, and 4 more$"):
        run(document, limits={"gpu:0": 1 << 20})
