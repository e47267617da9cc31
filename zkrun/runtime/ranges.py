"""Ranges: what runs is named to a profiler that is attached, such as Nsight Systems.

Where none is, nothing here is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from zkrun.devices.base import Ranges
from zkrun.program.document import Program
from zkrun.program.instructions import FuncCall, Instruction
from zkrun.program.text import printable

__all__ = ["in_range", "name_of"]

P = ParamSpec("P")

_DEVICES = ("src_device", "dst_device", "device", "slave")


def name_of(program: Program, it: Instruction) -> str:
    """`ntt`, `Transfer cpu gpu:0`: what a profiler shows of an instruction."""
    if isinstance(it, FuncCall):
        return printable(program.functions[it.func_id].name)
    devices = [getattr(it, field) for field in _DEVICES if hasattr(it, field)]
    return " ".join((it.op, *dict.fromkeys(devices)))


def in_range(ranges: Ranges, name: str, work: Callable[P, None]) -> Callable[P, None]:
    """The work with a range around it, on the thread that calls it."""
    begin, end = ranges

    def named(*arguments: P.args, **options: P.kwargs) -> None:
        begin(name)
        try:
            work(*arguments, **options)
        finally:
            end()

    return named
