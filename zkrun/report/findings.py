"""What the figures of a run mean: one sentence each, the most important first."""

from collections.abc import Iterator

from zkrun.report.summary import BottleneckSummary, Summary
from zkrun.report.text import duration, percent, safe, size

__all__ = ["findings"]

_CLEAR = 0.5  # share of the wall from which on a track is what everything waits for
_LARGE = 0.3  # shares from here on are worth a sentence
_FULL = 0.9  # a device's memory from here on is nearly full
_SHORT = 5_000_000  # ns: in a shorter run, what is done for the first time hides what it costs


def findings(summary: Summary) -> list[str]:
    """Where the time went and what is in the way; nothing of runs too short to say it."""
    return list(_findings(summary))


def _findings(summary: Summary) -> Iterator[str]:
    if summary.bottleneck is not None and summary.work and summary.wall >= _SHORT:
        yield _bottleneck(summary, summary.bottleneck)
        share = summary.transfer_work / summary.work
        if share >= _LARGE:
            slowest = summary.transfers[0]
            yield (
                f"Transfers are {percent(share)} of all work: {slowest.src}→{slowest.dst} alone "
                f"moved {size(slowest.bytes)} in {duration(slowest.total)}."
            )
        yield from _waiting(summary, summary.bottleneck)
    for device in summary.devices:
        if device.limit and device.peak >= _FULL * device.limit:
            yield (
                f"{device.name} held {size(device.peak)} at its peak, the workspace of kernels "
                f"included; its limit of {size(device.limit)} is for what the program allocates."
            )


def _bottleneck(summary: Summary, busiest: BottleneckSummary) -> str:
    name = _name(busiest.track, busiest.kind, busiest.device)
    if busiest.place is not None and busiest.place not in busiest.track:
        name = f"{name} ({safe(busiest.place)})"
    works = f"works {percent(busiest.share)} of the wall time"
    text = f"{name} is the bottleneck: it {works}"
    if busiest.share < _CLEAR:
        text = f"No track is the bottleneck: {name[:1].lower()}{name[1:]}, the busiest, {works}"
    longest = max(
        *((each.total, f"{safe(each.name)} on {each.device}") for each in summary.functions),
        *((each.total, f"{each.src}→{each.dst}") for each in summary.transfers),
        *((each.total, each.op) for each in summary.others),
        (0, ""),
    )
    return f"{text}; {longest[1]} is {percent(longest[0] / summary.work)} of all work."


def _waiting(summary: Summary, busiest: BottleneckSummary) -> Iterator[str]:
    gpus = {track.device for track in summary.tracks if track.kind == "stream"}
    shares = [device.share for device in summary.devices if device.name in gpus]
    busy = max(shares, default=1.0)  # of all streams of a GPU together
    if busy < 1 - _LARGE and busiest.kind == "thread":
        yield (
            f"No GPU works more than {percent(busy)} of the time: the host does not keep the "
            "queues full."
        )
    # A thread that waits while a device works is as it should be.
    working = max((device.share for device in summary.devices), default=0.0) * summary.wall
    idlers = [
        track
        for track in summary.tracks
        if (track.name, track.device) != (busiest.track, busiest.device)
        and track.waiting - (working if track.kind == "thread" else 0) >= _LARGE * summary.wall
    ]
    if idlers:
        most = max(idlers, key=lambda track: track.waiting)
        others = f" ({len(idlers) - 1} more wait as well)" if len(idlers) > 1 else ""
        name = _name(most.name, most.kind, most.device)
        yield f"{name} waits {percent(most.waiting / summary.wall)} of the time{others}."


def _name(track: str, kind: str, device: str) -> str:
    name = safe(track)
    if kind == "stream":
        return f"{name[:1].upper()}{name[1:]} of {device}"
    return "The main thread" if name == "main" else f"{name[:1].upper()}{name[1:]}"
