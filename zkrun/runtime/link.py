"""Linking: each instruction becomes a bound step, a closure over slots, devices and functions.

What a program names is resolved here, once, before anything runs: variables become slots of a list,
events, threads and devices become objects, and each call of a function is bound to the device's
implementation for the types it will see. The loop of a thread then only calls steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Device, Event, Function
from zkrun.errors import RunFailed, Where
from zkrun.program.document import Program
from zkrun.program.signature import Call
from zkrun.program.types import Typ
from zkrun.runtime.state import Body, Run

__all__ = ["CallTypes", "Linker", "link"]

CallTypes = tuple[str, tuple[Typ, ...], tuple[Typ, ...]]
"""What a FuncCall will see: its device, the types of `arg_mut`, and of `arg` without the stream."""


class Linker:
    """What the steps of one run are bound to."""

    def __init__(
        self,
        run: Run,
        program: Program,
        constants: list[Data],
        inputs: list[Data],
        random_key: bytes,
    ) -> None:
        self.run = run
        self.program = program
        self.curve: Curve = program.curve_record
        self.constants = constants
        self.inputs = inputs
        self.random_key = random_key
        self.blinds = 0  # that have been linked
        self.calls: dict[int, Call] = {}  # by position: what the trace takes costs from
        self.threads: dict[int, Body] = {}
        self._slots: dict[int, int] = {}
        self._functions: dict[tuple[int, CallTypes], tuple[Call, Function]] = {}

    def slot(self, variable: int) -> int:
        """The index of a variable in the run's list of values."""
        index = self._slots.get(variable)
        if index is None:
            index = self._slots[variable] = len(self._slots)
            self.run.slots.append(None)
        return index

    def device(self, name: str) -> Device:
        return self.run.devices[name]

    def event(self, name: int) -> Event:
        found = self.run.events.get(name)
        if found is None:
            found = self.run.events[name] = Event()
        return found

    def body(self, thread: int) -> Body:
        """The body of a thread, filled at its Fork; a Join may stand before it in the document."""
        found = self.threads.get(thread)
        if found is None:
            found = self.threads[thread] = Body(thread, 0)
        return found

    def function(self, func_id: int, types: CallTypes) -> tuple[Call, Function]:
        """The implementation of a function for these types, on their device."""
        found = self._functions.get((func_id, types))
        if found is None:
            from zkrun.program.calls import resolve_call

            device, mutable, immutable = types
            entry = self.program.functions[func_id]
            call, problems = resolve_call(entry, self.curve, mutable, immutable)
            if call is None or problems:
                raise RunFailed(f"{entry.name}: {problems[0] if problems else 'unknown function'}")
            found = (call, self.device(device).bind(call))
            self._functions[func_id, types] = found
        return found


def link(linker: Linker, types: Mapping[int, CallTypes]) -> None:
    """Links the whole program into `linker.run`; `types` by position of each FuncCall.

    Positions count instructions in the order of the document, each Fork before its own ones.
    """
    from zkrun.runtime.steps import STEPS

    run, program = linker.run, linker.program
    main = Body(None, 0)
    run.bodies.append(main)
    position = 0
    stack: list[tuple[str, Body, Any]] = [
        ("/instructions", main, iter(enumerate(program.instructions)))
    ]
    while stack:
        prefix, body, items = stack[-1]
        steps, at, places, thread = body.steps, body.at, run.places, body.thread
        for index, instruction in items:
            path = f"{prefix}/{index}"
            op = instruction.op
            places.append(Where(op, path, thread, instruction.source, instruction.track))
            at.append(position)
            if op == "FuncCall":
                step = STEPS[op](linker, position, instruction, types.get(position))
            else:
                step = STEPS[op](linker, position, instruction)
            if run.sanitizer is not None:
                step = run.sanitizer.step(linker, body, position, instruction, step)
            steps.append(step)
            position += 1
            if op == "Fork":
                inner = linker.body(instruction.new_thread)
                inner.track = len(run.bodies)
                run.bodies.append(inner)
                stack.append(
                    (f"{path}/instructions", inner, iter(enumerate(instruction.instructions)))
                )
                break
        else:
            stack.pop()
