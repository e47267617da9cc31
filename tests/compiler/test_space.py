"""Room among blocks: against a search of every place there is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from zkrun.compiler.type3.space import Space

Block = tuple[int, int, int]  # offset, bytes, owner


def every_window(blocks: list[Block], capacity: int, size: int) -> list[tuple[int, set[int]]]:
    """All multiples of 64 where `size` bytes end inside, and whose blocks are in the way there."""
    return [
        (
            start,
            {owner for at, nbytes, owner in blocks if at < start + size and start < at + nbytes},
        )
        for start in range(0, capacity - size + 1, 64)
    ]


@given(
    capacity=st.integers(0, 40).map(lambda n: n * 6400),
    requests=st.lists(
        st.tuples(st.integers(1, 12).map(lambda n: n * 3200), st.integers(0, 9)), max_size=30
    ),
    pinned=st.sets(st.integers(0, 29)),
)
def test_room_is_found_where_there_is_any(
    capacity: int, requests: list[tuple[int, int]], pinned: set[int]
) -> None:
    space: Space[int] = Space(capacity, 64)
    blocks: list[Block] = []
    uses = {owner: use for owner, (_, use) in enumerate(requests)}

    def next_use(owner: int) -> float | None:
        return None if owner in pinned else uses[owner]

    for owner, (nbytes, _) in enumerate(requests):
        size = space.block(nbytes)
        assert size % 64 == 0
        assert nbytes <= size < nbytes + 64
        places = every_window(blocks, capacity, size)
        free = [start for start, owners in places if not owners]
        possible = [owners for _, owners in places if not owners & pinned]
        window = space.find(nbytes, next_use)
        if window is None:
            assert not possible
            continue
        assert window.offset % 64 == 0
        assert 0 <= window.offset <= capacity - size
        inside = next(owners for start, owners in places if start == window.offset)
        assert inside <= set(window.victims)
        assert not set(window.victims) & pinned
        if free:
            assert window.victims == ()
        else:
            soonest = min(uses[one] for one in window.victims)
            assert soonest == max(
                min((uses[one] for one in owners), default=math.inf) for owners in possible
            )
        for victim in window.victims:
            space.free(victim)
            blocks = [block for block in blocks if block[2] != victim]
        space.take(window.offset, nbytes, owner)
        blocks.append((window.offset, size, owner))
        assert owner in space
    assert space.top <= capacity
    assert space.top >= max((at + nbytes for at, nbytes, _ in blocks), default=0)


def test_without_a_limit_there_is_always_room() -> None:
    space: Space[str] = Space(None, 64)
    for name in "abc":
        window = space.find(1 << 20, lambda owner: 0.0)
        assert window is not None
        assert window.victims == ()
        space.take(window.offset, 1 << 20, name)
    assert space.top == 3 << 20
    space.free("b")
    window = space.find(5000, lambda owner: 0.0)
    assert window == (1 << 20, ())


def test_small_blocks_lie_at_the_upper_end() -> None:
    space: Space[str] = Space(1 << 20, 64)
    window = space.find(32, lambda owner: None)
    assert window == ((1 << 20) - 64, ())


def test_a_block_can_change_its_owner() -> None:
    space: Space[str] = Space(128, 64)
    space.take(64, 64, "a")
    space.rename("a", "b")
    assert "a" not in space
    assert space.find(128, lambda owner: None if owner == "b" else 0.0) is None
    space.free("b")
    assert space.find(128, lambda owner: None) == (0, ())
