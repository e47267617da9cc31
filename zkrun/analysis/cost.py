"""What a program costs: field multiplications, bytes moved, and what has to wait for what.

Costs are those that the signatures of functions state, at least what a call needs. The critical
path is the costliest chain of work of which each piece happens before the next; with the rates of a
machine it is a time that no schedule can beat, nor can it beat the time that the work of any one
device or link takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from zkrun.analysis.operands import OperandInfo
from zkrun.analysis.skeleton import chains_of
from zkrun.program import types
from zkrun.program.calls import resolve_call
from zkrun.program.document import Program
from zkrun.program.instructions import Blind, FuncCall, GetScalarFromArray, Transfer
from zkrun.program.signature import Cost

if TYPE_CHECKING:
    from zkrun.analysis.clocks import Node
    from zkrun.analysis.order import Place

__all__ = ["Done", "Field", "Task", "Totals", "critical_path", "tasks_of", "totals"]

Field = Literal["scalar", "base"]
Done = tuple["Place", "Node"]
"""Work of an instruction, and the point of the order at which it runs."""


class Task(NamedTuple):
    """Work of one instruction: a call on `device`, or a copy over `link`, (source, target)."""

    path: str
    node: Node
    device: str
    field: Field  # whose multiplications they are: of curve points, the base field's
    multiplications: int
    bytes: int  # that it reads and writes at least, or moves
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a program: by device (and field), and by link."""

    multiplications: Mapping[tuple[str, Field], int]
    traffic: Mapping[str, int]  # bytes that calls read and write
    moved: Mapping[tuple[str, str], int]


def tasks_of(
    program: Program, done: Sequence[Done], operands: Mapping[str, Sequence[OperandInfo]]
) -> list[Task]:
    """The work of a program in a legal order; `operands` by the path of each instruction."""
    found: list[Task] = []
    costs: dict[object, tuple[Field, Cost]] = {}
    curve = program.curve_record
    for place, node in done:
        it, path = place.instruction, place.path
        infos = {info.operand: info for info in operands.get(path, ())}
        if isinstance(it, FuncCall):
            arguments = [one for one in infos.values() if not isinstance(one.typ, types.Stream)]
            if not arguments:
                continue
            mutable = tuple(one.typ for one in arguments if one.operand.startswith("arg_mut"))
            immutable = tuple(one.typ for one in arguments[len(mutable) :])
            key = (it.func_id, mutable, immutable)
            if key not in costs:
                call, _ = resolve_call(program.functions[it.func_id], curve, mutable, immutable)
                cost = call.signature.cost(call) if call else Cost()
                points = any(isinstance(typ, types.Point | types.PointArray) for typ in mutable)
                costs[key] = "base" if points else "scalar", cost
            field, cost = costs[key]
            device = arguments[0].device
            found.append(Task(path, node, device, field, cost.multiplications, cost.bytes))
        elif isinstance(it, Blind):
            nbytes = 32 * (it.end - it.start)
            found.append(Task(path, node, infos["dst"].device, "scalar", 0, nbytes))
        elif isinstance(it, Transfer):
            nbytes = types.size(infos["src_id"].typ, curve)
            link = (it.src_device, it.dst_device)
            found.append(Task(path, node, it.dst_device, "scalar", 0, nbytes, link))
        elif isinstance(it, GetScalarFromArray):
            link = (infos["src"].device, infos["dst"].device)
            found.append(Task(path, node, link[1], "scalar", 0, 32, link))
    return found


def totals(tasks: Sequence[Task]) -> Totals:
    multiplications: Counter[tuple[str, Field]] = Counter()
    traffic: Counter[str] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        if task.link:
            moved[task.link] += task.bytes
        else:
            traffic[task.device] += task.bytes
            if task.multiplications:
                multiplications[task.device, task.field] += task.multiplications
    return Totals(multiplications, traffic, moved)


def critical_path(tasks: Sequence[Task], cost: Callable[[Task], float]) -> tuple[float, list[int]]:
    """The costliest chain of tasks, given in a legal order, that come one after the other.

    Returns its cost and its tasks by index; those that cost nothing are left out.
    """
    chains, needs, _ = chains_of([task.node for task in tasks])  # fewer edges, a shorter path
    previous = {
        index: earlier for indices in chains.values() for earlier, index in pairwise(indices)
    }
    until: list[float] = []  # the cost of the costliest chain that ends in each task
    through: list[int] = []  # the task before it there; -1 for none
    for index, task in enumerate(tasks):
        before = [*needs.get(index, ()), *([previous[index]] if index in previous else [])]
        last = max(before, key=until.__getitem__, default=-1)
        until.append(cost(task) + (until[last] if last >= 0 else 0))
        through.append(last)
    at = max(range(len(tasks)), key=until.__getitem__, default=-1)
    most = until[at] if at >= 0 else 0
    path: list[int] = []
    while at >= 0:
        if cost(tasks[at]):
            path.append(at)
        at = through[at]
    return most, path[::-1]
