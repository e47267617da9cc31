"""How long a chunk would take: its instructions played through on a machine's rates.

The main thread issues one instruction after the other; work of a stream starts when it has been
issued, when the stream is free, and when what it waits for has ended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from zkrun.analysis.cost import Field, Task
from zkrun.analysis.rates import Rates
from zkrun.compiler.type3.calls import resolve
from zkrun.compiler.type3.chunk import Call, Chunk, Instruction, Register, Transfer, Type2, gpu
from zkrun.compiler.type3.tracks import HOST, Queue, Schedule
from zkrun.program import types
from zkrun.program.signature import Call as ResolvedCall
from zkrun.program.signature import Cost

__all__ = ["Prediction", "call_seconds", "predict"]

ISSUE_SECONDS = 6e-6
"""What the main thread takes for an instruction of a stream."""

LAUNCH_SECONDS = 4e-6
"""The least that work of a stream takes."""

MSM_SECONDS = 0.5e-3
"""What a multi-scalar multiplication takes on a GPU beside its additions: sorting, and the steps at
its end, which have little to do side by side."""

RANDOM_SECONDS = 2e-9
"""What a random element takes to be drawn and reduced, on some ten threads."""

STEP_SECONDS = 0.5e-6
"""What any other instruction takes at least."""


@dataclass(slots=True)
class Prediction:
    """`busy`: seconds of each track; `moved`: bytes over each link, (from, to)."""

    seconds: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)
    moved: dict[tuple[str, str], int] = field(default_factory=dict)


def predict(chunk: Chunk, schedule: Schedule, rates: Rates) -> Prediction:
    """Plays a chunk through."""
    clock = _Costs(chunk, rates)
    busy: dict[str, float] = {}
    moved: Counter[tuple[str, str]] = Counter()
    ends: dict[int, float] = {}
    free: dict[Queue, float] = {}
    host = 0.0
    aside = set(schedule.aside)
    for index, instruction in enumerate(chunk.instructions):
        queue = schedule.queues[index]
        seconds = clock.seconds(instruction)
        after = max((ends[one] for one in schedule.waits.get(index, ())), default=0.0)
        if isinstance(instruction, Transfer):
            source, target = (
                chunk.registers[one] for one in (instruction.source, instruction.target)
            )
            moved[source.device, target.device] += types.size(source.typ, chunk.curve_record)
        host = max([host, *(ends[one] for one in schedule.joins.get(index, ()))])
        if index in aside:
            ends[index] = max(host, after) + seconds
            _add(busy, "Cpu, aside", seconds)
            continue
        if queue is HOST:
            host = max(host, after) + seconds
            _add(busy, chunk.track(instruction).value, seconds)
            continue
        host += ISSUE_SECONDS
        seconds = max(seconds, LAUNCH_SECONDS)
        ends[index] = free[queue] = max(host, after, free.get(queue, 0.0)) + seconds
        assert queue is not None
        _add(busy, f"{queue[1].value} of {queue[0]}", seconds)
    return Prediction(max([host, *ends.values()]), busy, dict(moved))


def call_seconds(call: ResolvedCall, device: str, rates: Rates) -> float:
    """How long a call takes on a device."""
    cost = call.signature.cost(call)
    points = any(isinstance(typ, types.Point | types.PointArray) for typ in call.mutable)
    kind: Field = "base" if points else "scalar"
    extra = MSM_SECONDS if call.signature.name == "msm" and gpu(device) else 0.0
    task = Task("", None, device, kind, cost.multiplications, cost.bytes)  # type: ignore[arg-type]  # rates do not look at its node
    return extra + rates.seconds(task)


def _add(sums: dict[str, float], key: str, seconds: float) -> None:
    sums[key] = sums.get(key, 0.0) + seconds


class _Costs:
    def __init__(self, chunk: Chunk, rates: Rates) -> None:
        self.chunk = chunk
        self.rates = rates
        self.known: dict[object, float] = {}

    def seconds(self, instruction: Instruction) -> float:
        registers = self.chunk.registers
        match instruction:
            case Call(function, params, written, read):
                key = (
                    function,
                    params,
                    tuple(registers[one].typ for one in written),
                    tuple(registers[one].typ for one in read),
                    registers[written[0]].device,
                )
                if key not in self.known:
                    self.known[key] = self._call(instruction)
                return self.known[key]
            case Transfer(source, target):
                return self._copy(registers[source], registers[target])
            case Type2(_, written, _):
                elements = types.length(registers[written[0]].typ)
                return STEP_SECONDS + elements * RANDOM_SECONDS
            case _:
                return STEP_SECONDS

    def _call(self, instruction: Call) -> float:
        device = self.chunk.registers[instruction.written[0]].device
        return STEP_SECONDS + call_seconds(resolve(self.chunk, instruction), device, self.rates)

    def _copy(self, source: Register, target: Register) -> float:
        nbytes = types.size(source.typ, self.chunk.curve_record)
        same = source.device == target.device and gpu(source.device)
        if same:
            return self._task(source.device, "scalar", Cost(0, 2 * nbytes), None)
        return self._task(target.device, "scalar", Cost(0, nbytes), (source.device, target.device))

    def _task(self, device: str, kind: Field, cost: Cost, link: tuple[str, str] | None) -> float:
        task = Task("", None, device, kind, cost.multiplications, cost.bytes, link)  # type: ignore[arg-type]  # rates do not look at its node
        return STEP_SECONDS + self.rates.seconds(task)
