"""Interval sets against Python's sets of integers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zkrun.analysis.intervals import IntervalMap, IntervalSet
from zkrun.analysis.values import Storage, Value, overlap, unwritten, write
from zkrun.program.types import ScalarArray

PAIRS = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(st.lists(PAIRS), PAIRS)
def test_interval_set(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    intervals, integers = IntervalSet(20), set[int]()
    for start, end in added:
        intervals.add(start, end)
        integers |= set(range(start, end))
    lacking = sorted(set(range(*asked)) - integers)
    missing = intervals.missing(*asked)
    assert intervals.covers(*asked) == (not lacking)
    if not lacking:
        assert missing is None
    else:
        assert missing is not None
        first = list(range(*missing))
        assert first == lacking[: len(first)]
        assert missing[1] == asked[1] or missing[1] in integers


@given(st.lists(st.tuples(st.booleans(), PAIRS)))
def test_interval_map(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    intervals, live = IntervalMap(20), list[tuple[int, int]]()
    held: dict[tuple[int, int], object] = {}
    for add, (start, end) in steps:
        if add:
            value = (start, end)
            other = intervals.add(start, end, value)
            overlapping = [(s, e) for s, e in live if max(s, start) < min(e, end)]
            if start >= end:
                assert other is None
            elif overlapping:
                assert other in overlapping
            else:
                assert other is None
                live.append(value)
                held[value] = value
        elif live:
            start, end = live.pop(end % len(live))
            # The map tells values apart by identity, as storages are.
            intervals.remove(start, end, held[start, end])


@given(st.integers(1, 9), st.data())
def test_views_against_lists_of_elements(whole: int, data: st.DataObject) -> None:
    storage = Storage(ScalarArray(whole), "cpu", whole, 32)
    written: set[int] = set()
    views = st.tuples(st.integers(0, whole - 1), st.integers(0, whole))
    for offset, length in data.draw(st.lists(views, max_size=6)):
        view = Value(storage, ScalarArray(length), offset, length)
        elements = [(offset + i) % whole for i in range(length)]
        lacking = [e for e in elements if e not in written]
        told = unwritten(view)
        assert (told is None) == (not lacking)
        if told:
            assert told[0] == lacking[0]
            assert not set(range(*told)) & written
        other = Value(storage, ScalarArray(2), 0, min(2, whole))
        assert overlap(view, other) == bool(set(elements) & set(range(min(2, whole))))
        write(view)
        written |= set(elements)
        assert (storage.written is True) == (written == set(range(whole)))
