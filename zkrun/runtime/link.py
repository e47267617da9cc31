"""Linking: each instruction becomes a bound step, a closure over slots, devices and functions.

What a program names is resolved here, once, before anything runs: variables become slots of a list,
events, threads and devices become objects, and each call of a function is bound to the device's
implementation for the types it will see. The loop of a thread then only calls steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from zkrun.errors import Where
from zkrun.runtime.holders import holders
from zkrun.runtime.linker import CallTypes, Linker
from zkrun.runtime.state import Body
from zkrun.runtime.steps import STEPS

__all__ = ["link"]


def link(linker: Linker, types: Mapping[int, CallTypes]) -> None:
    """Links the whole program into `linker.run`; `types` by position of each FuncCall.

    Positions count instructions in the order of the document, each Fork before its own ones.
    """
    run, program = linker.run, linker.program
    run.holders = partial(holders, linker)
    linker.foresee(types)
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
            steps.append(linker.named(position, step))
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
