"""A program as text for people: one line an instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zkrun.program.document import Program
from zkrun.program.instructions import FuncCall, Instruction, Operand, operands

__all__ = ["line", "variable"]

_OWN_PLACE = {"op", "track", "source", "stream", "instructions"}


def variable(program: Program, id: int, types: Mapping[int, object] | None = None) -> str:
    """A variable with its name and its type where they are known: `%3 a: ScalarArray[8]`."""
    text = f"%{id}"
    if name := program.variables.get(str(id)):
        text += f" {name}"
    if types is not None and id in types:
        text += f": {types[id]}"
    return text


def line(
    program: Program, instruction: Instruction, types: Mapping[int, object] | None = None
) -> str:
    """One instruction, without its place: `ntt(inverse=true) [%3 a] ← [] on %9`.

    `types` gives the type of each variable at this instruction, where the analysis knows it. Names
    come from the program as they are: whoever shows them makes control characters harmless.
    """
    if isinstance(instruction, FuncCall):
        return _call(program, instruction, types)
    marks = dict(operands(type(instruction)))
    parts = [type(instruction).__name__]
    for field in fields(instruction):
        value = getattr(instruction, field.name)
        if field.name in _OWN_PLACE or value is None or value == "":
            continue
        parts.append(f"{field.name}={_operand(program, marks.get(field.name), value, types)}")
    if (inner := getattr(instruction, "instructions", None)) is not None:
        parts.append(f"({len(inner)} instructions)")
    if (stream := getattr(instruction, "stream", None)) is not None:
        parts.append(f"on {variable(program, stream)}")
    return " ".join(parts)


def _operand(
    program: Program, mark: Operand | None, value: Any, types: Mapping[int, object] | None
) -> str:
    if mark is None:
        return f'"{value}"' if isinstance(value, str) and not _is_word(value) else str(value)
    if isinstance(value, list):
        return f"[{', '.join(_operand(program, mark, item, types) for item in value)}]"
    match mark.space:
        case "variable":
            return variable(program, value, types)
        case "constant":
            return _entry(program.constants, value)
        case "input":
            return _entry(program.inputs, value)
        case _:
            return str(value)


def _entry(table: list[Any], index: int) -> str:
    """An entry of a table by its name, its index where there is none."""
    return f'{index} "{table[index].name}"' if index < len(table) else str(index)


def _call(program: Program, call: FuncCall, types: Mapping[int, object] | None) -> str:
    mutable = ", ".join(variable(program, id, types) for id in call.arg_mut)
    immutable = ", ".join(variable(program, id, types) for id in call.arg)
    name = f"function {call.func_id}"
    if call.func_id < len(program.functions):
        entry = program.functions[call.func_id]
        params = ", ".join(f"{key}={_parameter(value)}" for key, value in entry.params.items())
        name = f"{entry.name}({params})" if params else entry.name
    return f"{name} [{mutable}] ← [{immutable}]"


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _is_word(text: str) -> bool:
    return text.replace(":", "").replace("_", "").isalnum()
