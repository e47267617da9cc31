"""Python's cyclic collector while programs run."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from program_kit import (
    SCALAR,
    STREAM,
    allocate,
    array,
    call,
    constant,
    copy,
    load,
    program,
    record,
    result,
    run,
    scalars,
    wait,
)

from zkrun.collector import rare_collector
from zkrun.errors import RunFailed


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Thresholds as Python has them, and whatever they were afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@contextmanager
def elsewhere() -> Iterator[list[int]]:
    """Generations of the collections in other threads than this one."""
    here, seen = threading.get_ident(), list[int]()

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and threading.get_ident() != here:
            seen.append(info["generation"])

    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


def test_no_collection_while_thousands_of_calls_are_queued() -> None:
    document = program(
        allocate(1, STREAM, "gpu:0"),
        *(allocate(id, array(2), "gpu:0") for id in (2, 3)),
        load(4, 0),
        copy(4, 2, "cpu", "gpu:0", 1),
        *(call(0, [3], [2, 2, 1]) for _ in range(5000)),
        allocate(5, array(2)),
        copy(3, 5, "gpu:0", "cpu", 1),
        record(6, 1),
        wait(6),
        result(5),
        functions=["poly_add"],
        constants=[scalars("c", [1, 2])],
    )
    with elsewhere() as seen:
        assert run(document).result.values == ["0x2", "0x4"]
    assert seen == []
    assert gc.get_threshold() == (700, 10, 10)


def test_thresholds_are_as_before_once_all_have_left() -> None:
    with rare_collector():
        assert gc.get_threshold() == (100_000, 10, 10)
        entered, leave = threading.Event(), threading.Event()

        def other() -> None:
            with rare_collector():
                entered.set()
                leave.wait()

        thread = threading.Thread(target=other)
        thread.start()
        entered.wait()
    assert gc.get_threshold() == (100_000, 10, 10)  # the other one is still there
    leave.set()
    thread.join()
    assert gc.get_threshold() == (700, 10, 10)


def test_thresholds_are_as_before_where_a_run_fails() -> None:
    document = program(
        load(0, 0),
        allocate(1, SCALAR),
        copy(0, 1, "cpu", "cpu"),
        call(0, [1], []),
        result(1),
        functions=["scalar_invert"],
        constants=[constant("zero", SCALAR, 0)],
    )
    with pytest.raises(RunFailed):
        run(document)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("threshold", [(0, 10, 10), (200_000, 5, 5)])
def test_a_collector_that_is_off_or_rarer_stays_so(threshold: tuple[int, int, int]) -> None:
    gc.set_threshold(*threshold)
    with rare_collector():
        assert gc.get_threshold() == threshold
    assert gc.get_threshold() == threshold
