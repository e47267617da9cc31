"""Python's cyclic collector while programs run."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
from program_kit import (
    STREAM,
    allocate,
    array,
    call,
    copy,
    load,
    program,
    record,
    result,
    run,
    scalars,
    wait,
)

from zkrun.collector import paused_collector, rare_collector
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


@contextmanager
def held_by_another(manager: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """In another thread, which leaves after the `with`."""
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with manager():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    try:
        assert entered.wait(60)
        yield
    finally:
        leave.set()
        thread.join(60)


def test_thresholds_are_as_before_once_all_have_left() -> None:
    with ExitStack() as other:
        with rare_collector():
            assert gc.get_threshold() == (100_000, 10, 10)
            other.enter_context(held_by_another(rare_collector))
        assert gc.get_threshold() == (100_000, 10, 10)  # the other one is still there
    assert gc.get_threshold() == (700, 10, 10)


def test_a_paused_collector_stays_so_until_all_have_left_and_no_longer() -> None:
    """It went on while others were still at it, and could stay off for ever."""
    assert gc.isenabled()
    with ExitStack() as other:
        with paused_collector():
            assert not gc.isenabled()
            other.enter_context(held_by_another(paused_collector))
        assert not gc.isenabled()
        with paused_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize("manager", [rare_collector, paused_collector])
def test_it_is_as_before_where_something_fails(
    manager: Callable[[], AbstractContextManager[None]],
) -> None:
    with pytest.raises(RunFailed), manager():
        raise RunFailed("at once")
    assert (gc.isenabled(), gc.get_threshold()) == (True, (700, 10, 10))


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with paused_collector(), rare_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_others_have_set_meanwhile_stays() -> None:
    with rare_collector():
        gc.set_threshold(5000, 20, 20)
    assert gc.get_threshold() == (5000, 20, 20)


@pytest.mark.parametrize("threshold", [(0, 10, 10), (200_000, 5, 5)])
def test_thresholds_that_are_higher_or_0_stay_so(threshold: tuple[int, int, int]) -> None:
    gc.set_threshold(*threshold)
    with rare_collector():
        assert gc.get_threshold() == threshold
    assert gc.get_threshold() == threshold
