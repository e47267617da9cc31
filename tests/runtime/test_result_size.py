"""How much of a result is written: references of tuples are cheap, their text is not."""

from __future__ import annotations

from typing import Any

import pytest
from program_kit import allocate, array, call, load, program, run, scalars
from program_kit import result as returned

from zkrun.errors import ResourceLimit
from zkrun.program.document import Program
from zkrun.runtime import result


def pair(*ids: int, dst: int) -> dict[str, Any]:
    return {"op": "AssembleTuple", "vars": list(ids), "dst": dst}


def pairs(count: int) -> Program:
    """Returns `count` references to two scalars, through a tuple of tuples."""
    return program(
        load(0, 0),
        {"op": "Print", "id": 0, "label": "it runs"},
        pair(*[0] * (count // 2), dst=1),
        pair(1, 1, dst=2),
        returned(2),
        constants=[scalars("c", [1, 2])],
    )


def test_every_reference_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(result, "MAX_RESULT", 6 * 64)
    assert run(pairs(6)).result.values == [[["0x1", "0x2"]] * 3] * 2
    assert "it runs" in capsys.readouterr().err
    with pytest.raises(ResourceLimit, match=r"the result is 512 bytes, .* at most 384 "):
        run(pairs(8))
    assert capsys.readouterr().err == ""  # it is known before the run


def test_a_million_references_to_one_array() -> None:
    document = program(
        allocate(0, array(1 << 20)),
        {"op": "Blind", "dst": 0, "start": 0, "end": 1 << 20},
        pair(*[0] * 1000, dst=1),
        pair(*[1] * 999, dst=2),
        returned(2),
    )
    with pytest.raises(ResourceLimit, match="33,520,877,568,000 bytes"):
        run(document)


def test_a_proof_counts_once_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    document = program(
        load(0, 0),
        allocate(1, {"kind": "Transcript", "hash": "blake2b"}),
        call(0, [1], [0]),
        pair(1, 1, 1, dst=2),
        returned(2),
        functions=["write_transcript"],
        constants=[scalars("c", [1, 2])],
    )
    assert len(run(document).result.values) == 3
    monkeypatch.setattr(result, "MAX_RESULT", 3 * 64 - 1)
    with pytest.raises(ResourceLimit, match="the result is 192 bytes"):
        run(document)
