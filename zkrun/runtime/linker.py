"""What the names in a program become before it runs: slots, events, threads, bound functions.

Each is resolved once, however many instructions name it; the steps are closures over what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import ParamSpec

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Device, Event, Function, Ranges
from zkrun.errors import RunFailed
from zkrun.program.document import Program, walk
from zkrun.program.instructions import FuncCall
from zkrun.program.signature import Call
from zkrun.program.types import Typ
from zkrun.runtime.chains import Chain, find_chains
from zkrun.runtime.ranges import in_range, name_of
from zkrun.runtime.state import Body, Run

__all__ = ["CallTypes", "Linker", "Submit"]

P = ParamSpec("P")

CallTypes = tuple[str, tuple[Typ, ...], tuple[Typ, ...]]
"""What a FuncCall will see: its device, the types of `arg_mut`, and of `arg` without the stream."""


Submit = Callable[..., None]
"""Queues work: (work, *its operands)."""


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
        self.chains: dict[int, Chain] = {}  # by position
        self.ranges: Ranges | None = None
        self._slots: dict[int, int] = {}
        self._functions: dict[tuple[int, CallTypes], tuple[Call, Function]] = {}
        self._calls: dict[tuple[int, CallTypes], Call] = {}
        self.names: list[str] = []  # for `ranges`, by position

    def slot(self, variable: int) -> int:
        """The index of a variable in the run's list of values."""
        index = self._slots.get(variable)
        if index is None:
            index = self._slots[variable] = len(self._slots)
            self.run.slots.append(None)
        return index

    def variables(self) -> Iterable[tuple[int, int]]:
        """(variable, index of its slot), in the order in which the program comes to them."""
        return self._slots.items()

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

    def submitter(self, at: int, stream: int) -> Submit:
        """How instruction `at` queues its work on the stream of this variable."""
        slots = self.run.slots
        queue = self.slot(stream)
        chain = self.chains.get(at)
        if chain is not None:
            return partial(chain.add, at)
        return lambda work, *operands: slots[queue].run(at, self.named(at, work), *operands)

    def named(self, at: int, work: Callable[P, None]) -> Callable[P, None]:
        """The work of instruction `at`, which a profiler that listens is told the name of."""
        return work if self.ranges is None else in_range(self.ranges, self.names[at], work)

    def function(self, func_id: int, types: CallTypes) -> tuple[Call, Function]:
        """The implementation of a function for these types, on their device."""
        found = self._functions.get((func_id, types))
        if found is None:
            call = self.call(func_id, types)
            found = self._functions[func_id, types] = (call, self.device(types[0]).bind(call))
        return found

    def call(self, func_id: int, types: CallTypes) -> Call:
        """A call of a function with these types, resolved once."""
        found = self._calls.get((func_id, types))
        if found is None:
            from zkrun.program.calls import resolve_call

            entry = self.program.functions[func_id]
            call, problems = resolve_call(entry, self.curve, *types[1:])
            if call is None or problems:
                raise RunFailed(f"{entry.name}: {problems[0] if problems else 'unknown function'}")
            found = self._calls[func_id, types] = call
        return found

    def foresee(self, types: Mapping[int, CallTypes]) -> None:
        """Tells each device which calls it will be asked for."""
        wanted: dict[str, dict[tuple[int, CallTypes], Call]] = {}
        for position, (_, _, it) in enumerate(walk(self.program)):
            if isinstance(it, FuncCall):
                key = (it.func_id, types[position])
                wanted.setdefault(types[position][0], {})[key] = self.call(*key)
        for name, calls in wanted.items():
            self.device(name).foresee(list(calls.values()))

    def chain(self, types: Mapping[int, CallTypes]) -> None:
        """Makes chains of what is queued together."""
        for stream, positions in find_chains(self.program, types):
            chain = Chain(self.run.slots, self.slot(stream), positions[-1])
            self.chains |= dict.fromkeys(positions, chain)

    def name_ranges(self, ranges: Ranges) -> None:
        """Makes what runs be named to a profiler."""
        self.ranges = ranges
        self.names = [name_of(self.program, it) for _, _, it in walk(self.program)]
