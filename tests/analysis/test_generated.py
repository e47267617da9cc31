"""Programs that are correct by construction pass, whatever threads, streams and events they use."""

from __future__ import annotations

from random import Random

import pytest
from correct_programs import program, programs
from hypothesis import given, settings
from hypothesis import strategies as st
from short_programs import Instruction, allocate, array, blind, check, document, meta, show

QUIET = settings(max_examples=150)


def expect_valid(raw: Instruction) -> None:
    analysis = check(raw)
    assert [one for one in analysis.diagnostics if one.severity == "error"] == []
    assert {one.rule for one in analysis.diagnostics} <= {"ZK045"}


@QUIET
@given(programs())
def test_programs_of_one_thread(raw: Instruction) -> None:
    expect_valid(raw)


@QUIET
@given(programs(streams=3))
def test_programs_with_streams(raw: Instruction) -> None:
    expect_valid(raw)


@QUIET
@given(programs(threads=4, streams=4))
def test_programs_with_threads_and_streams(raw: Instruction) -> None:
    expect_valid(raw)


@pytest.mark.parametrize("seed", range(100))
def test_long_programs(seed: int) -> None:
    expect_valid(program(Random(seed), threads=4, streams=4, least=50, most=100))


@QUIET
@given(st.data())
def test_what_is_read_before_it_is_written_is_told(data: st.DataObject) -> None:
    """One thread, all reads allowed: the errors are those that lists of elements predict."""
    whole = data.draw(st.integers(1, 8))
    written: set[int] = set()
    instructions = [allocate(0, array(whole))]
    views = {0: list(range(whole))}
    expected: list[tuple[str, str]] = []
    for id in range(1, data.draw(st.integers(1, 20))):
        offset = data.draw(st.integers(0, whole - 1))
        length = data.draw(st.integers(0, whole))
        views[id] = [(offset + index) % whole for index in range(length)]
        instructions.append(meta(0, id, offset, length))
        seen = data.draw(st.sampled_from(sorted(views)))
        if data.draw(st.booleans()):
            instructions.append(show(seen))
            if not written.issuperset(views[seen]):
                expected.append(("ZK060", f"/instructions/{len(instructions) - 1}"))
        else:
            instructions.append(blind(seen, 0, len(views[seen])))
        written |= set(views[seen])  # what was complained about once is not complained about again
    told = check(document(*instructions)).diagnostics
    assert [(one.rule, one.path) for one in told if one.severity == "error"] == expected
