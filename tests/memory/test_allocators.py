"""Both allocators against the plain model: disjoint, aligned, inside, and all comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkrun.memory import Arena, ArenaConflict, BestFitAllocator, BuddyAllocator
from zkrun.memory.ordered import OrderedSet

Allocator = BuddyAllocator | BestFitAllocator

# A step is a request of so many bytes, or (below zero) the free of the live block of that index.
steps = st.lists(st.one_of(st.integers(0, 5000), st.integers(-100, -1)), max_size=120)
sizes = st.one_of(st.integers(0, 1 << 15), st.sampled_from([0, 63, 64, 4096, 1 << 15]))


def drive(allocator: Allocator, alignment: int, program: list[int]) -> dict[int, int]:
    live: dict[int, int] = {}
    for step in program:
        if step < 0:
            if live:
                offset = list(live)[step % len(live)]
                assert allocator.free(offset) == live.pop(offset)
        else:
            offset_or_none = allocator.allocate(step)
            if offset_or_none is not None:
                offset, block = offset_or_none, allocator.block_size(step)
                assert block >= max(step, 1)
                assert offset % alignment == 0
                assert 0 <= offset <= offset + block <= allocator.size
                assert all(offset + block <= o or o + n <= offset for o, n in live.items())
                live[offset] = block
        assert allocator.used == sum(live.values())
    return live


@given(sizes, steps)
@settings(max_examples=150)
def test_buddy_blocks_are_disjoint_and_merge_back(size: int, program: list[int]) -> None:
    allocator = BuddyAllocator(size)
    live = drive(allocator, 64, program)
    assert all(offset % block == 0 for offset, block in live.items())
    for offset in live:
        allocator.free(offset)
    assert allocator.used == 0
    if size >= 64:  # everything has merged: the largest power of two fits again
        assert allocator.allocate(1 << (size.bit_length() - 1)) == 0


@given(sizes, steps)
@settings(max_examples=150)
def test_best_fit_blocks_are_disjoint_and_merge_back(size: int, program: list[int]) -> None:
    allocator = BestFitAllocator(size)
    live = drive(allocator, 64, program)
    for offset in live:
        allocator.free(offset)
    assert allocator.used == 0
    if allocator.size:
        assert allocator.allocate(allocator.size) == 0


def test_best_fit_takes_the_smallest_hole_that_fits() -> None:
    allocator = BestFitAllocator(64 * 100)
    offsets = [allocator.allocate(64 * n) for n in (5, 1, 3, 1, 4, 1)]
    for index in (0, 2, 4):
        allocator.free(offsets[index] or 0)
    assert allocator.allocate(64 * 3) == offsets[2]
    assert allocator.allocate(64 * 4) == offsets[4]
    assert allocator.allocate(64 * 4) == offsets[0]


def test_none_where_full_and_unchanged_afterwards() -> None:
    for allocator in (BuddyAllocator(1 << 12), BestFitAllocator(1 << 12)):
        assert allocator.allocate((1 << 12) + 1) is None
        offset = allocator.allocate(1 << 12)
        assert offset == 0
        assert allocator.allocate(0) is None
        allocator.free(offset)
        assert allocator.used == 0


def test_freeing_what_is_not_taken_is_an_error() -> None:
    for allocator in (BuddyAllocator(1 << 12), BestFitAllocator(1 << 12)):
        with pytest.raises(KeyError):
            allocator.free(0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2**64 - 1) | st.integers(0, 600))))
def test_ordered_set(program: list[tuple[bool, int]]) -> None:
    ordered, model = OrderedSet(), set[int]()
    for add, key in program:
        if add:
            ordered.add(key)
            model.add(key)
        elif key in model:
            ordered.remove(key)
            model.remove(key)
        else:
            with pytest.raises(KeyError):
                ordered.remove(key)
        assert bool(ordered) == bool(model)
        for probe in (0, key, key + 1, max(0, key - 1)):
            assert ordered.ceiling(probe) == min((k for k in model if k >= probe), default=None)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.booleans()), max_size=60))
def test_arena_refuses_exactly_the_overlaps(program: list[tuple[int, int, bool]]) -> None:
    arena, live, peak = Arena(40), dict[int, int](), 0
    for offset, nbytes, free in program:
        if free:
            known = live.get(offset) == nbytes
            if known or not nbytes:
                arena.free(offset, nbytes)
                live.pop(offset, None) if known else None
            else:
                with pytest.raises(KeyError):
                    arena.free(offset, nbytes)
            continue
        clash = any(offset < o + n and o < offset + nbytes for o, n in live.items())
        if offset + nbytes > 40 or (nbytes and clash):
            with pytest.raises(ArenaConflict):
                arena.allocate(offset, nbytes)
        else:
            arena.allocate(offset, nbytes)
            if nbytes:
                live[offset] = nbytes
        assert arena.used == sum(live.values())
        peak = max(peak, arena.used)
        assert arena.peak == peak
