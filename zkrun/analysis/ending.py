"""The end of the walk: what never went on, what the result lacks, and what is left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkrun.analysis import explain
from zkrun.analysis.order import Demands, Place, Queue, WaitsFor, Work, advance
from zkrun.analysis.queues import circle
from zkrun.analysis.rules import binding, order
from zkrun.analysis.search import records
from zkrun.analysis.values import leaves
from zkrun.program.instructions import Return, Wait

if TYPE_CHECKING:
    from zkrun.analysis.machine import Machine

__all__ = ["finish"]

SHOWN = 8  # of those that a deadlock holds


def finish(m: Machine) -> None:
    """Lets the streams come to their ends, then looks at what is left.

    Return waits for all threads and for all queued work, so its value is looked at here.
    """
    for queue in m.queues:
        advance(Demands(queue, queue.done + len(queue.items)), m.passes)
    _return_place(m)
    if _deadlocks(m):
        return
    if not m.report.errors:
        stuck = circle(m.order, m.effort)
        if stuck:
            explain.queue_deadlock(m, stuck)
    if m.result:
        _result(m)
    for thread in m.all_threads[1:]:
        if thread.joined is None and thread.forked is not None:
            m.report.add(
                order.NEVER_JOINED,
                f"thread {thread.id} is never joined; the end of the program waits for it",
                place=thread.forked,
                operand="/new_thread",
                help=f"Join thread {thread.id} before Return",
            )
    if not m.report.errors:
        _leaks(m)


def _return_place(m: Machine) -> None:
    instructions = m.program.instructions
    misplaced = m.report.reported(order.RETURN_PLACE)
    if not misplaced and not (instructions and isinstance(instructions[-1], Return)):
        m.report.add(
            order.RETURN_PLACE,
            "the main thread does not end with a Return",
            path="/instructions",
            help="add a Return of the result as its last instruction",
        )


def _result(m: Machine) -> None:
    assert m.result is not None
    place, bound = m.result
    if bound.freed is None:  # else by another thread, which has been reported
        m.touch(Work(place, m.leaves(bound), (), m.main.node), None)


def _leaks(m: Machine) -> None:
    kept = {leaf.storage for leaf in leaves(m.result[1])} if m.result else set()
    for storage in m.live:
        if storage.nbytes and storage not in kept:
            assert storage.born is not None
            owner = m.report.variable(storage.owner) if storage.owner is not None else None
            m.report.add(
                binding.NEVER_FREED,
                f"the {storage.typ} on {storage.device} ({storage.nbytes} bytes) is never freed",
                place=storage.born,
                operand="/id",
                help=f"Deallocate {owner} after its last use"
                if owner
                else "its owner was unbound by a RemoveRegister: Deallocate it instead",
            )


def _deadlocks(m: Machine) -> bool:
    """Reports what can never go on; True where something cannot."""
    blocked: list[tuple[str, Place, int | None]] = []
    for thread in m.all_threads:
        if not thread.ended:
            i = thread.instructions[thread.at]
            what = f"{thread} for {thread.waits_for} ({m.report.at(thread.place)})"
            blocked.append((what, thread.place, _event(i)))
    for queue in m.queues:
        if queue.items:
            blocked.append(_blocked_queue(m, queue))
    if not blocked:
        return False
    recorded = records(m.program)
    waiting = "; ".join(what for what, _, _ in blocked[:SHOWN])
    if len(blocked) > SHOWN:
        waiting += f"; and {len(blocked) - SHOWN} more"
    roots = [
        (place, event) for _, place, event in blocked if event is not None and event not in recorded
    ]
    for place, event in roots:
        m.report.add(
            order.NEVER_RECORDED,
            f"nothing records event {event}, so this waits for ever"
            + (f". Waiting: {waiting}" if len(blocked) > 1 else ""),
            place=place,
            operand="/event",
            help="Record the event, or leave the Wait out",
        )
    if not roots:
        _, place, first = blocked[0]
        m.report.add(
            order.DEADLOCK,
            f"nothing can go on. Waiting: {waiting}",
            place=place,
            help=f"event {first} is recorded only by the Record at {recorded[first]}"
            if first is not None
            else None,
        )
    return True


def _event(instruction: object) -> int | None:
    return instruction.event if isinstance(instruction, Wait) else None


def _blocked_queue(m: Machine, queue: Queue) -> tuple[str, Place, int | None]:
    head = queue.items[0]
    assert isinstance(head, WaitsFor)
    stream = f"stream {m.report.variable(queue.variable)}"
    what = f"{stream} for event {head.event.id} ({m.report.at(head.place)})"
    return what, head.place, head.event.id
