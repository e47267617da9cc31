"""A run as a Gantt chart in the terminal: one row a track, time from left to right.

Bars carry their names, so the chart reads the same without colour: `┣msm━━━━┫` is work, `░`
waiting, `·` a little work in an idle stretch, a blank nothing. Beside them stands how long each
track worked: a stream on its device, by the events there, and for it the threads of the host. Below
them, each device's memory.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise

from rich.text import Text

from zkrun.report.summary import Summary, TrackSummary
from zkrun.report.text import count, duration, safe, size
from zkrun.runtime.trace import DeviceUse, InstructionInfo, MemorySample, Trace, Track

__all__ = ["timeline"]

_MOST_TRACKS = 40
_LEAST_COLUMNS = 20
_LEAST_BESIDE = 40  # columns that the chart keeps at least where times stand beside it
_TIME = 10  # columns of a time
_MOST_LABEL = 18
_WAITING, _LITTLE, _IDLE = "waiting", "little", "idle"  # cells that hold no work of a name
_FILL = {_WAITING: "░", _LITTLE: "·", _IDLE: " "}
_COLOURS = ("green", "blue", "magenta", "cyan", "bright_red", "bright_blue", "bright_magenta")
_LEVELS = "▁▂▃▄▅▆▇█"

_Work = tuple[int, int, str]  # start, end, name, or one of the three above
_Cell = tuple[bool, str]  # whether it is work, and its name


def timeline(trace: Trace, summary: Summary, width: int) -> list[Text]:
    """The lines of the chart, none wider than `width` unless that leaves no room for one."""
    work = _work(trace)
    shown, hidden = _chosen(trace.tracks, work)
    memory = _memory(trace.memory)
    labels = [_cut(safe(track.name)) for track in shown]
    label_width = max(map(len, (*labels, "memory")))
    device_width = max(map(len, ("cpu", *(track.device for track in shown), *memory)))
    margin = label_width + device_width + 4
    columns = max(width - margin - 1, _LEAST_COLUMNS)
    beside = columns - 2 * _TIME >= _LEAST_BESIDE
    columns -= 2 * _TIME if beside else 0
    wall = max(trace.wall, max(trace.spans.end, default=0), 1)

    def row(label: str, device: str, content: Text, *times: str) -> Text:
        line = Text.assemble((f"{label:<{label_width}} ", "bold"), f" {device:<{device_width}} ")
        line.append("│", style="dim").append_text(content).append("│", style="dim")
        return line.append("".join(f"{time:>{_TIME}}" for time in times)) if beside else line

    colours: dict[str, str] = {}
    lines = [_axis(wall, columns, margin)]
    if beside:
        lines[0].append(f" {'device':>{_TIME}}{'host':>{_TIME}}", style="dim")
    for track, label in zip(shown, labels, strict=True):
        bars = _bars(_cells(work[track.id], columns, wall), colours)
        lines.append(row(label, track.device, bars, *_times(summary.tracks[track.id])))
    if hidden:
        lines.append(Text(f"… {count(hidden, 'more track')} with less work", style="dim"))
    for device, samples in memory.items():
        lines.append(row("memory", device, _sparkline(samples, columns, wall)))
    return [*lines, Text(), *_legend(wall / columns, trace.devices)]


def _times(track: TrackSummary) -> tuple[str, str]:
    """How long a track worked on its device, and how long threads worked for it."""
    return "–" if track.kind == "thread" else duration(track.busy), duration(track.host)


def _work(trace: Trace) -> dict[int, list[_Work]]:
    """The spans of each track that has any, in order of time."""
    names = [_name(info) for info in trace.instructions]
    work: defaultdict[int, list[_Work]] = defaultdict(list)
    for track, at, start, end, kind in trace.spans:
        work[track].append((start, end, _WAITING if kind == "wait" else names[at]))
    for spans in work.values():
        spans.sort(key=lambda span: span[:2])
    return work


def _name(info: InstructionInfo) -> str:
    if info.function is not None:
        return safe(info.function, 40)
    return f"{info.src}→{info.dst}" if info.src is not None else info.op


def _chosen(tracks: Sequence[Track], work: dict[int, list[_Work]]) -> tuple[list[Track], int]:
    """The tracks to show, in their order, and how many are left out: those with the least work."""
    shown = [track for track in tracks if track.id in work]
    if len(shown) <= _MOST_TRACKS:
        return shown, 0
    busy = {
        track: sum(end - start for start, end, name in spans if name != _WAITING)
        for track, spans in work.items()
    }
    longest = sorted(shown, key=lambda track: -busy[track.id])[:_MOST_TRACKS]
    return sorted(longest, key=lambda track: track.id), len(shown) - _MOST_TRACKS


def _cells(spans: Sequence[_Work], columns: int, wall: int) -> list[_Cell]:
    """What fills most of each column."""
    filled: list[dict[str, int]] = [{} for _ in range(columns)]
    for start, end, name in spans:
        first, last = start * columns // wall, min(end * columns // wall, columns - 1)
        for column in range(first, last + 1):
            left, right = column * wall // columns, (column + 1) * wall // columns
            part = min(end, right) - max(start, left)
            if part > 0:
                filled[column][name] = filled[column].get(name, 0) + part
    return [_cell(names, wall // columns) for names in filled]


def _cell(names: dict[str, int], whole: int) -> _Cell:
    waiting = names.pop(_WAITING, 0)
    working = sum(names.values())
    if working and working >= waiting and 2 * working >= whole:
        return True, max(names, key=lambda name: names[name])
    if 2 * waiting >= whole:
        return False, _WAITING
    return False, _LITTLE if working else _IDLE


def _bars(cells: list[_Cell], colours: dict[str, str]) -> Text:
    text = Text()
    for (works, name), group in groupby(cells):
        length = len(list(group))
        if works:
            colour = colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])
            text.append(_bar(name, length), style=colour)
        else:
            text.append(_FILL[name] * length, style="dim" if name == _WAITING else "")
    return text


def _bar(name: str, length: int) -> str:
    """Work over `length` columns, with as much of its name as fits."""
    if length == 1:
        return "┃"
    inner = length - 2
    return f"┣{name[:inner] if inner >= 3 else '':━<{inner}}┫"


def _memory(samples: Sequence[MemorySample]) -> dict[str, list[tuple[int, int]]]:
    """Samples of each device in order of time: (time, bytes)."""
    memory: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for time, device, nbytes in samples:
        memory[device].append((time, nbytes))
    return {device: sorted(memory[device]) for device in sorted(memory)}


def _sparkline(samples: Sequence[tuple[int, int]], columns: int, wall: int) -> Text:
    """The most that was taken in each column, against the peak."""
    highest = [0] * columns
    for (start, nbytes), (end, _) in pairwise([*samples, (wall, 0)]):
        first = min(start * columns // wall, columns - 1)
        last = max(first, min((end * columns - 1) // wall, columns - 1))
        for column in range(first, last + 1):
            highest[column] = max(highest[column], nbytes)
    peak = max(highest) or 1
    levels = "".join(
        _LEVELS[-(-value * len(_LEVELS) // peak) - 1] if value else " " for value in highest
    )
    return Text(levels, style="yellow")


def _axis(wall: int, columns: int, margin: int) -> Text:
    """Times at round places, about one every 16 columns, and the end."""
    step = _round_up(wall * 16 // columns)
    end = f"{duration(wall)}╷"
    line = [" "] * margin
    for tick in range(0, wall, step):
        label = "╷" + (re.sub(r"\.0+ ", " ", duration(tick)) if tick else "0")
        place = margin + tick * columns // wall
        if len(line) <= place and place + len(label) < margin + columns - len(end):
            line += [*" " * (place - len(line)), *label]
    return Text("".join(line) + f"{end:>{margin + columns - len(line)}}", style="dim")


def _round_up(nanoseconds: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= nanoseconds:
                return digit * power
        power *= 10


def _legend(column: float, devices: Sequence[DeviceUse]) -> list[Text]:
    key = f"┣name┫ work  {_FILL[_WAITING]} waiting  {_FILL[_LITTLE]} little work"
    lines = [Text(f"{key}  1 column: {duration(column)}", style="dim")]
    peaks = [f"{device.name} {size(device.peak)}" for device in devices]
    if peaks:
        lines.append(Text(f"memory at its peak: {', '.join(peaks)}", style="dim"))
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LABEL else text[: _MOST_LABEL - 1] + "…"
