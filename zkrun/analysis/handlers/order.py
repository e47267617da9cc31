"""Fork, Join, Record and Wait: the order between threads and streams."""

from __future__ import annotations

from zkrun.analysis.machine import Machine
from zkrun.analysis.order import Completes, Demands, Event, Thread, WaitsFor
from zkrun.analysis.reporter import Refused
from zkrun.analysis.rules import operands, order
from zkrun.program.instructions import Fork, Join, Record, Wait

__all__ = ["fork", "join", "record", "wait"]


def fork(m: Machine, i: Fork) -> None:
    place = m.place
    strand = m.order.fork(m.thread.strand, m.node)
    thread = Thread(
        i.new_thread, f"{place.path}/instructions", i.instructions, strand, forked=place
    )
    m.races.threads = m.races.possible = True
    m.start(thread)
    first = m.threads.setdefault(i.new_thread, thread)
    if first is thread:
        return
    assert first.forked is not None
    thread.joined = place  # no Join can mean this one: say nothing about that
    m.report.add(
        order.FORKED_TWICE,
        f"thread {i.new_thread} is forked already by the {m.report.at(first.forked)}",
        place=place,
        operand="/new_thread",
        help="use another id",
    )


def join(m: Machine, i: Join) -> bool:
    thread = m.threads.get(i.thread)
    if thread is None:
        raise Refused(
            order.JOINED_BEFORE_FORK,
            f"no thread {i.thread} is forked before this",
            "put the Fork before it, or order the two by an event",
            "/thread",
        )
    place = m.place
    if thread.joined is None:
        thread.joined = place
    elif thread.joined != place:
        raise Refused(
            order.JOINED_TWICE,
            f"thread {i.thread} is joined already by the {m.report.at(thread.joined)}",
            "Wait for an event that the thread records",
            "/thread",
        )
    if thread.ended:
        m.races.join(thread)
        m.order.join(m.thread.strand, thread.strand, len(thread.instructions))
        return False
    thread.joiner = m.thread
    m.thread.waits_for = f"thread {i.thread} to end"
    return True


def record(m: Machine, i: Record) -> None:
    event = m.event(i.event)
    if event.recorded is not None:
        raise Refused(
            order.RECORDED_TWICE,
            f"event {i.event} is recorded already by the {m.report.at(event.recorded)}",
            "use another event",
            "/event",
        )
    if i.stream is None:
        event.complete = True
        event.node = m.node
    else:
        queue = m.stream("/stream", i.stream).storage.queue
        assert queue is not None
        event.queue = queue
        event.position = queue.put(Completes(m.place, event, m.node))
    m.recorded(event)


def wait(m: Machine, i: Wait) -> bool:
    event = m.event(i.event)
    if i.stream is not None:
        stream = m.stream("/stream", i.stream)
        _slave(i, stream.storage.device, f"the stream is of {stream.storage.device}")
        assert stream.storage.queue is not None
        stream.storage.queue.put(WaitsFor(m.place, event, m.node))
        return False
    _slave(i, "cpu", "without a stream it is the thread that waits, on the CPU")
    return wait_for(m, event)


def wait_for(m: Machine, event: Event) -> bool:
    """Blocks the running thread until an event is complete."""
    thread = m.thread
    if not event.complete:
        thread.waits_for = f"event {event.id}"
        if event.recorded is None:
            event.waiters.append(thread)
            return True
        if thread.demands is None:
            assert event.queue is not None
            thread.demands = Demands(event.queue, event.position + 1)
        if m.advance(thread):
            return True
    # What it demanded may be done by now because another thread demanded it too.
    thread.waits_for, thread.demands = "", None
    assert event.node is not None
    thread.strand.learn(event.node)
    return False


def _slave(i: Wait, device: str, why: str) -> None:
    if i.slave != device:
        raise Refused(
            operands.DEVICE_MISMATCH,
            f"slave is {i.slave}, but {why}",
            f'write "{device}" here',
            "/slave",
        )
