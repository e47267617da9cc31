"""Streams of a run: opened by Allocate, and closed when a deallocated one has done its work.

Deallocating a stream never waits and drops nothing, as cudaStreamDestroy: the work queued on it
still runs, and the stream goes when that has passed.
"""

from __future__ import annotations

from zkrun.devices.base import Device, Event, Stream
from zkrun.runtime.state import Run, StreamRecord

__all__ = ["open_stream", "retire"]


def open_stream(run: Run, variable: int, device: Device) -> Stream:
    """A new stream on a GPU, with a track of its own in the trace."""
    with run.lock:
        passed: list[StreamRecord] = []
        waiting: list[StreamRecord] = []
        for record in run.retired:
            (passed if record.has_passed() else waiting).append(record)
        run.retired = waiting
        entry = StreamRecord(variable, device.name, len(run.bodies) + len(run.streams))
        run.streams.append(entry)
    for old in passed:
        old.close()
    stream = device.open_stream(entry.stamp, run.fail)
    entry.stream = stream if run.sanitizer is None else run.sanitizer.stream(stream)
    run.open_streams[entry.stream] = entry
    return entry.stream


def retire(run: Run, stream: Stream, at: int) -> None:
    """Lets a stream end once its work has passed."""
    entry = run.open_streams.pop(stream)
    done = Event()
    done.wanted = True
    stream.record(at, done)
    entry.retired = done
    with run.lock:
        run.retired.append(entry)
