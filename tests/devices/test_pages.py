"""Locked pages of the host, with a lock that only notes what it is asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from zkrun.devices import host
from zkrun.devices.account import Account
from zkrun.devices.cpu import pool as pool_module
from zkrun.devices.cpu.pool import Pool
from zkrun.devices.pages import SEGMENT, LockedPages, locked

Ranges = list[tuple[int, int]]
BASE = 1 << 40


class Locker:
    """Notes what is locked now; refuses where told to."""

    def __init__(self, refuses: bool = False) -> None:
        self.now: Ranges = []
        self.asked = 0
        self.refuses = refuses

    def __call__(self, address: int, nbytes: int) -> Callable[[], None] | None:
        self.asked += 1
        if self.refuses:
            return None
        self.now.append((address, nbytes))
        return lambda: self.now.remove((address, nbytes))


def test_a_segment_is_locked_when_it_is_copied_again() -> None:
    pages, lock, whole = LockedPages(), Locker(), (BASE, 4 * SEGMENT)
    for part in range(4):
        start = BASE + part * SEGMENT // 4
        assert list(pages.copy(lock, whole, start, SEGMENT // 4)) == [(start, SEGMENT // 4, False)]
        assert not pages.overlap(BASE, 4 * SEGMENT)
        assert pages.know(BASE, 1)
    assert list(pages.copy(lock, whole, BASE, 100)) == [(BASE, 100, True)]
    assert lock.now == [(BASE, SEGMENT)]
    assert pages.overlap(BASE + SEGMENT - 1, 1)
    assert not pages.overlap(BASE + SEGMENT, 3 * SEGMENT)
    assert not pages.know(BASE + SEGMENT, 3 * SEGMENT)
    assert not pages.overlap(BASE - 10, 10)


def test_a_large_copy_is_cut_by_segments() -> None:
    pages, lock, whole = LockedPages(), Locker(), (BASE, 3 * SEGMENT + 4096)
    list(pages.copy(lock, whole, *whole))
    parts = list(pages.copy(lock, whole, BASE + 100, 3 * SEGMENT + 3996))
    assert parts == [
        (BASE + 100, SEGMENT - 100, True),
        (BASE + SEGMENT, SEGMENT, True),
        (BASE + 2 * SEGMENT, SEGMENT, True),
        (BASE + 3 * SEGMENT, 4096, True),
    ]
    assert lock.now[-1] == (BASE + 3 * SEGMENT, 4096)


def test_only_whole_pages_of_the_memory_are_locked() -> None:
    pages, lock, whole = LockedPages(), Locker(), (BASE + 16, 2 * 4096)
    list(pages.copy(lock, whole, *whole))
    assert list(pages.copy(lock, whole, *whole)) == [
        (BASE + 16, 4080, False),
        (BASE + 4096, 4096, True),
        (BASE + 8192, 16, False),
    ]
    assert lock.now == [(BASE + 4096, 4096)]
    small = (BASE + (1 << 20) + 16, 100)
    for _ in range(3):
        assert list(pages.copy(lock, small, *small)) == [(*small, False)]


def test_what_cannot_be_locked_is_not_asked_for_again() -> None:
    pages, lock, whole = LockedPages(), Locker(refuses=True), (BASE, SEGMENT)
    for _ in range(3):
        assert list(pages.copy(lock, whole, BASE, SEGMENT)) == [(BASE, SEGMENT, False)]
    assert lock.asked == 1
    pages.unlock(*whole)  # other memory may come to lie there
    for _ in range(2):
        list(pages.copy(lock, whole, BASE, SEGMENT))
    assert lock.asked == 2


def test_unlocking_is_of_the_range_alone() -> None:
    pages, lock = LockedPages(), Locker()
    for start in (2, 0, 4):
        whole = (BASE + start * SEGMENT, SEGMENT)
        for _ in range(2):
            list(pages.copy(lock, whole, *whole))
    pages.unlock(BASE + SEGMENT, 2 * SEGMENT)
    assert sorted(lock.now) == [(BASE, SEGMENT), (BASE + 4 * SEGMENT, SEGMENT)]
    pages.unlock(BASE, 5 * SEGMENT)
    assert lock.now == []
    assert pages.parts(BASE, 10) == [(BASE, 10, False)]


@pytest.mark.parametrize("seed", range(5))
def test_parts_say_of_each_byte_whether_it_is_locked(seed: int) -> None:
    source, pages, lock = random.Random(seed), LockedPages(), Locker()
    memories = [(BASE + 100 * i * 4096, 4096 * source.randrange(1, 90)) for i in range(20)]
    for _ in range(200):
        whole = source.choice(memories)
        start = source.randrange(whole[1])
        nbytes = source.randrange(whole[1] - start + 1)
        parts = list(pages.copy(lock, whole, whole[0] + start, nbytes))
        check(parts, whole[0] + start, nbytes, lock.now)
        if not source.randrange(5):
            pages.unlock(*source.choice(memories))
        start, end = sorted(source.randrange(2000 * 4096) for _ in range(2))
        check(pages.parts(BASE + start, end - start), BASE + start, end - start, lock.now)


def check(parts: list[tuple[int, int, bool]], address: int, nbytes: int, now: Ranges) -> None:
    assert sum(size for _, size, _ in parts) == nbytes
    for start, size, is_locked in parts:
        assert start == address
        assert size > 0
        inside = any(a <= start and start + size <= a + n for a, n in now)
        outside = all(start + size <= a or a + n <= start for a, n in now)
        assert inside if is_locked else outside
        address = start + size


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(Account("cpu"))
    yield made
    made.close()
    Pool(Account("cpu")).close()  # gives back what the first one kept
    assert not pool_module._KEPT


@pytest.mark.parametrize("nbytes", [4 << 20, 20 << 20, 70 << 20])
def test_locked_memory_is_wiped_where_it_is_and_kept_for_the_next_run(
    pool: Pool, nbytes: int
) -> None:
    lock = Locker()
    address, region = pool.allocate(nbytes)
    content = host.memory(address, nbytes)
    content[:] = b"\xaa" * nbytes
    whole = (region.address, region.nbytes)
    for _ in range(40):
        list(locked.copy(lock, whole, address, nbytes))
    held = sorted(lock.now)
    assert held
    pool.free(address, region, nbytes)
    assert bytes(content) == bytes(nbytes)
    again, same = pool.allocate(nbytes)
    assert again == address
    content[:] = b"\xbb" * nbytes
    pool.close()
    assert bytes(content) == bytes(nbytes)
    assert sorted(lock.now) == held  # its pages stay locked
    other = Pool(Account("cpu"))
    address, kept = other.allocate(nbytes)
    assert (kept.address, kept.nbytes) == (same.address, same.nbytes)
    assert kept not in pool_module._KEPT
    other.close()
    Pool(Account("cpu")).close()  # a run that does not use it
    assert lock.now == []


def test_memory_that_was_never_locked_goes_back_to_the_system(pool: Pool) -> None:
    address, region = pool.allocate(20 << 20)
    pool.free(address, region, 20 << 20)
    pool.close()
    assert not pool_module._KEPT
