"""What is said of two instructions that nothing orders: both, why not, and the likely mend.

Nothing here is on the way of a valid program.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from zkrun.analysis.accesses import Access
from zkrun.analysis.clocks import Node, Strand
from zkrun.analysis.order import Event, Place, Queue, Thread
from zkrun.analysis.queues import Behind
from zkrun.analysis.rules import binding, order, races
from zkrun.analysis.rules.rule import Rule
from zkrun.analysis.search import LOOKED_AT
from zkrun.analysis.values import Storage, pieces
from zkrun.program import types
from zkrun.program.diagnostic import Related
from zkrun.program.instructions import Allocate

if TYPE_CHECKING:
    from zkrun.analysis.machine import Machine

__all__ = [
    "binding_race",
    "data_race",
    "freed_in_other_thread",
    "freed_in_use",
    "joined_unordered",
    "mend",
    "place_of",
    "queue_deadlock",
    "reallocated",
    "related",
    "track_of",
]


def data_race(m: Machine, first: Access, second: Access) -> None:
    """Two accesses to the same bytes. The one that the program comes to last is complained of."""
    if _issued_before(m, second.node, first.node):
        first, second = second, first
    reuse = first.value.storage is not second.value.storage
    what = _shared_bytes(m, first, second)
    done, doing = ("writes" if access.writes else "reads" for access in (first, second))
    them = "the same" if reuse else "them"
    earlier = place_of(m, first.node)
    _report(
        m,
        races.REUSE_RACE if reuse else races.DATA_RACE,
        f"{doing} {what}{_through(m, second) if reuse else ''}, and nothing orders it after the "
        f"{m.report.at(earlier)} {_on(m, first.node)}, which {done} {them}"
        + (_through(m, first) if reuse else ""),
        first.node,
        second.node,
        f"{done} {what} {_on(m, first.node)}",
    )


def freed_in_use(m: Machine, first: Access, storage: Storage, second: Node) -> None:
    """Memory of a pool goes back while an access to it may not have happened."""
    work = place_of(m, first.node)
    done = "written" if first.writes else "read"
    _report(
        m,
        binding.FREED_WHILE_QUEUED,
        f"this frees {_memory(m, storage)}, which the {m.report.at(work)} {_on(m, first.node)} may "
        f"not have {done} yet",
        first.node,
        second,
        f"the memory is {done} here, {_on(m, first.node)}",
    )


def reallocated(m: Machine, first: Access, second: Access) -> None:
    """An Allocate over bytes of an arena whose Deallocate is not ordered before."""
    what = _shared_bytes(m, first, second)
    _report(
        m,
        races.ARENA_RACE,
        f"takes {what}, and nothing orders it after the {m.report.at(place_of(m, first.node))}, "
        "which frees them",
        first.node,
        second.node,
        "the bytes are freed here",
        operand="/offset",
    )


def binding_race(
    m: Machine, id: int, first: tuple[Node, str], second: tuple[Node, str], operand: str
) -> None:
    """A variable is changed and used, or changed twice, without an order."""
    name, place = m.report.variable(id), place_of(m, first[0])
    _report(
        m,
        races.BINDING_RACE,
        f"{name} is {second[1]} here and {first[1]} by the {m.report.at(place)} in "
        f"{place.thread}, and nothing orders the two",
        first[0],
        second[0],
        f"{name} is {first[1]} here",
        operand=operand,
    )


def freed_in_other_thread(m: Machine, first: Node, storage: Storage, second: Node) -> None:
    """A Deallocate without an order to an instruction that names the memory."""
    place = place_of(m, first)
    _report(
        m,
        races.FREE_RACE,
        f"frees {_memory(m, storage)}, and nothing orders that after the {m.report.at(place)} in "
        f"{place.thread}, which uses it",
        first,
        second,
        "the memory is used here",
        operand="/id",
    )


def joined_unordered(m: Machine, thread: Thread, first: Node, second: Node) -> None:
    """A Join without an order to its Fork."""
    _report(
        m,
        order.JOINED_BEFORE_FORK,
        f"nothing orders this after the {m.report.at(place_of(m, first))}, which forks thread "
        f"{thread.id}",
        first,
        second,
        "the thread is forked here",
        operand="/thread",
    )


def queue_deadlock(m: Machine, circle: Sequence[Behind]) -> None:
    """Waits that may stand in queues before the work that leads to their events."""
    first = circle[0]
    notes = []
    for step in circle:
        stream = track_of(m, step.wait)
        if step is not first:
            notes.append(related(place_of(m, step.wait), f"a Wait that may then stand on {stream}"))
        notes.append(related(place_of(m, step.work), f"work that may be behind it on {stream}"))
    work = place_of(m, first.work)
    m.report.add(
        races.QUEUE_DEADLOCK,
        f"nothing orders this before or after the {m.report.at(work)} in {work.thread}; where it "
        f"comes first, it stands on {track_of(m, first.wait)} before work that leads to its event, "
        "and the stream never goes on",
        place=place_of(m, first.wait),
        help=mend(m, first.work_issue, first.wait_issue),
        related=tuple(notes),
    )


def _report(
    m: Machine,
    rule: Rule,
    message: str,
    first: Node,
    second: Node,
    what: str,
    operand: str = "",
) -> None:
    notes = [related(place_of(m, first), what)]
    if known := _last_known(m, first, second):
        notes.append(known)
    m.report.add(
        rule,
        message,
        place=place_of(m, second),
        operand=operand,
        help=mend(m, first, second),
        related=tuple(notes),
    )


def related(place: Place, message: str) -> Related:
    """A note at an instruction."""
    return Related(place.path, message, place.thread.id, place.instruction.source)


# Places and tracks


def place_of(m: Machine, node: Node) -> Place:
    """The instruction of a node; of an execution, the one that queued it."""
    owner, index = m.order.owner(*node.issue)
    assert isinstance(owner, Strand)
    thread = next(thread for thread in m.all_threads if thread.strand is owner)
    return Place(thread, min(index, len(thread.instructions) - 1))


def track_of(m: Machine, node: Node) -> str:
    """Where a node happens: "thread 3", "stream variable 5"."""
    queue = _queue(m, node)
    if queue is not None:
        return f"stream {m.report.variable(queue.variable)}"
    return str(place_of(m, node).thread)


def _on(m: Machine, node: Node) -> str:
    return f"on {track_of(m, node)}" if node.issuer >= 0 else f"in {track_of(m, node)}"


def _queue(m: Machine, node: Node) -> Queue | None:
    """The stream of an execution; None of a node of a thread."""
    owner, _ = m.order.owner(node.chain, node.position)
    if isinstance(owner, Strand):
        return None
    assert isinstance(owner.stream, Queue)
    return owner.stream


def _issued_before(m: Machine, a: Node, b: Node) -> bool:
    """Whether the instruction of `a` is ordered before that of `b`."""
    (chain, position), (other, latest) = a.issue, b.issue
    return position < latest if chain == other else b.knows(chain) >= position


def _last_known(m: Machine, first: Node, second: Node) -> Related | None:
    """The last point of the first's track that is known to come before the second."""
    position = second.knows(first.chain)
    if position < 0:
        return None
    owner, index = m.order.owner(first.chain, position)
    if owner is not m.order.owner(first.chain, first.position)[0]:
        return None
    node = Node(first.chain, position, {}) if isinstance(owner, Strand) else owner.nodes[index]
    return related(
        place_of(m, node),
        f"the last of {track_of(m, first)} that is known to come before; what follows it there may "
        "come later",
    )


# Memory


def _memory(m: Machine, storage: Storage) -> str:
    return f"the memory of {_owner(m, storage)}"


def _owner(m: Machine, storage: Storage) -> str:
    if storage.owner is not None:
        return m.report.variable(storage.owner)
    assert storage.born is not None
    made = storage.born.instruction
    assert isinstance(made, Allocate)
    return m.report.variable(made.id)


def _through(m: Machine, access: Access) -> str:
    storage = access.value.storage
    assert storage.born is not None
    return f" through {_owner(m, storage)} (the {m.report.at(storage.born)})"


def _shared_bytes(m: Machine, first: Access, second: Access) -> str:
    """Words for the first run of bytes that two views share."""
    one, other = first.value.storage, second.value.storage
    if one is other:
        start, end = _common(
            [*pieces(first.value)],
            [*pieces(second.value)],
        )
        return f"{_elements(one, start, end)}{_owner(m, one)}"
    start, end = _common(
        [_bytes(one, piece) for piece in pieces(first.value)],
        [_bytes(other, piece) for piece in pieces(second.value)],
    )
    return f"bytes {start} to {end} of the arena of {one.device}"


def _bytes(storage: Storage, piece: tuple[int, int]) -> tuple[int, int]:
    assert storage.offset is not None
    return tuple(storage.offset + element * storage.item for element in piece)  # type: ignore[return-value]  # two


def _common(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> tuple[int, int]:
    return next(
        (max(start, other), min(end, other_end))
        for start, end in a
        for other, other_end in b
        if start < other_end and other < end
    )


def _elements(storage: Storage, start: int, end: int) -> str:
    if not isinstance(storage.typ, types.ScalarArray | types.PointArray | types.GpuBuffer):
        return ""
    if (start, end) == (0, storage.whole):
        return ""
    what = "byte" if isinstance(storage.typ, types.GpuBuffer) else "element"
    if end - start == 1:
        return f"{what} {start} of "
    return f"{what}s {start} to {end - 1} of "


# The mend


def mend(m: Machine, first: Node, second: Node) -> str:
    """What would order the first before the second."""
    queue, other = _queue(m, first), _queue(m, second)
    early, late = place_of(m, first), place_of(m, second)
    by_thread = other is None or queue is other
    if by_thread:
        wait = f"in {late.thread} before the {m.report.at(late)}"
    else:
        wait = f"on {track_of(m, second)} before the {m.report.at(late)}"
    event = _event_behind(m, first, second)
    if event is not None and event.recorded is not None and queue is not other:
        return f"Wait for event {event.id}, which the {m.report.at(event.recorded)} records, {wait}"
    join = ""
    thread = early.thread
    if queue is None and other is None and thread.id is not None and thread.joined is None:
        join = f"Join {thread} before, or "
    if queue is not None and queue is not other:
        return (
            f"Record an event on {track_of(m, first)} behind the {m.report.at(early)}, and Wait "
            f"for it {wait}"
        )
    return (
        f"{join}Record an event in {thread} behind the {m.report.at(early)}, and Wait for it {wait}"
    )


def _event_behind(m: Machine, first: Node, second: Node) -> Event | None:
    """An event that is recorded behind the first and that the second can wait for."""
    queue, best = _queue(m, first), None
    for event in islice(m.events.values(), LOOKED_AT):
        node = event.node
        if node is None:  # queued, and not passed as the first has
            if queue is not None and event.queue is queue:
                best = best or event
        elif (
            node.after(first)
            and not node.after(second)
            and (best is None or best.node is None or best.node.after(node))
        ):
            best = event
    return best
