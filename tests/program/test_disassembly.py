"""One line an instruction, as a person reads it."""

from typing import Any

import pytest
from documents import SCALAR, as_json, constant, document

from zkrun.program.decode import decode
from zkrun.program.disassembly import line, variable
from zkrun.program.instructions import OPS
from zkrun.program.types import ScalarArray

ARRAY = {"kind": "ScalarArray", "len": 8}
LINES: list[tuple[dict[str, Any], str]] = [
    (
        {"op": "Allocate", "device": "gpu:0", "typ": ARRAY, "id": 1, "offset": 64, "track": "t"},
        "Allocate device=gpu:0 typ=ScalarArray[8] id=%1 a offset=64",
    ),
    ({"op": "Deallocate", "id": 1, "stream": 9}, "Deallocate id=%1 a on %9"),
    ({"op": "RemoveRegister", "id": 2}, "RemoveRegister id=%2"),
    (
        {"op": "Transfer", "src_device": "cpu", "dst_device": "disk", "src_id": 1, "dst_id": 2},
        "Transfer src_device=cpu dst_device=disk src_id=%1 a dst_id=%2",
    ),
    (
        {"op": "FuncCall", "func_id": 0, "arg_mut": [1], "arg": [2, 9], "source": "a.py:1"},
        "ntt(inverse=true, coset=0x7) [%1 a] ← [%2, %9]",
    ),
    ({"op": "FuncCall", "func_id": 1, "arg_mut": [1], "arg": []}, "batch_invert [%1 a] ← []"),
    ({"op": "FuncCall", "func_id": 7, "arg_mut": [], "arg": []}, "function 7 [] ← []"),
    ({"op": "Wait", "slave": "gpu:0", "stream": 9, "event": 3}, "Wait slave=gpu:0 event=3 on %9"),
    ({"op": "Record", "event": 3}, "Record event=3"),
    (
        {"op": "Fork", "new_thread": 4, "instructions": [{"op": "Join", "thread": 0}]},
        "Fork new_thread=4 (1 instructions)",
    ),
    ({"op": "Join", "thread": 4}, "Join thread=4"),
    ({"op": "Rotation", "src": 1, "dst": 2, "shift": -3}, "Rotation src=%1 a dst=%2 shift=-3"),
    (
        {"op": "Slice", "src": 1, "dst": 2, "start": 0, "end": 4},
        "Slice src=%1 a dst=%2 start=0 end=4",
    ),
    (
        {"op": "SetSliceMeta", "src": 1, "dst": 2, "offset": 7, "len": 4},
        "SetSliceMeta src=%1 a dst=%2 offset=7 len=4",
    ),
    ({"op": "LoadConstant", "src": 0, "dst": 2}, 'LoadConstant src=0 "k" dst=%2'),
    ({"op": "LoadConstant", "src": 5, "dst": 2}, "LoadConstant src=5 dst=%2"),
    ({"op": "LoadInput", "src": 0, "dst": 2}, 'LoadInput src=0 "in" dst=%2'),
    ({"op": "AssembleTuple", "vars": [1, 2], "dst": 3}, "AssembleTuple vars=[%1 a, %2] dst=%3"),
    ({"op": "Blind", "dst": 1, "start": 0, "end": 2}, "Blind dst=%1 a start=0 end=2"),
    (
        {"op": "GetScalarFromArray", "src": 1, "dst": 2, "idx": 3, "stream": 9},
        "GetScalarFromArray src=%1 a dst=%2 idx=3 on %9",
    ),
    ({"op": "MoveRegister", "src": 1, "dst": 2}, "MoveRegister src=%1 a dst=%2"),
    ({"op": "CopyRegister", "src": 1, "dst": 2}, "CopyRegister src=%1 a dst=%2"),
    (
        {"op": "SliceBuffer", "src": 1, "dst": 2, "offset": 0, "len": 4},
        "SliceBuffer src=%1 a dst=%2 offset=0 len=4",
    ),
    (
        {"op": "AssertEq", "value": 1, "expected": 2, "msg": "not so"},
        'AssertEq value=%1 a expected=%2 msg="not so"',
    ),
    ({"op": "Print", "id": 1}, "Print id=%1 a"),
    ({"op": "Return", "id": 1}, "Return id=%1 a"),
]


@pytest.mark.parametrize(("raw", "text"), LINES)
def test_lines(raw: dict[str, Any], text: str) -> None:
    program = decode(
        as_json(
            document(
                raw,
                functions=[
                    {"name": "ntt", "params": {"inverse": True, "coset": "0x7"}},
                    {"name": "batch_invert"},
                ],
                constants=[constant({"values": 1})],
                inputs=[{"name": "in", "typ": SCALAR}],
                variables={"1": "a"},
            )
        )
    )
    assert line(program, program.instructions[0]) == text


def test_every_instruction_has_a_line() -> None:
    assert {raw["op"] for raw, _ in LINES} == set(OPS)


def test_types_are_shown_where_they_are_known() -> None:
    program = decode(as_json(document({"op": "Return", "id": 1}, variables={"1": "a"})))
    assert line(program, program.instructions[0], {1: ScalarArray(4)}) == (
        "Return id=%1 a: ScalarArray[4]"
    )
    assert variable(program, 2, {1: ScalarArray(4)}) == "%2"
