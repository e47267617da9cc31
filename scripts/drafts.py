"""Programs being written: what the scripts that generate programs share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["STREAM", "Draft", "Json", "Queue"]

Json = dict[str, Any]

STREAM: Json = {"kind": "Stream"}


class Draft:
    """A program on one curve: hands out ids, and offsets in the arenas of its devices."""

    def __init__(self, name: str, curve: str) -> None:
        self.name = name
        self.curve = curve
        self.functions: list[Json] = []
        self.constants: list[Json] = []
        self.inputs: list[Json] = []
        self.instructions: list[Json] = []
        self.arenas: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.events = 0
        self.threads = 0

    def emit(self, op: str, track: str, **operands: object) -> None:
        """One more instruction; operands that are None are left out."""
        kept = {key: value for key, value in operands.items() if value is not None}
        self.instructions.append({"op": op, **kept, "track": track})

    def function(self, name: str, **params: object) -> int:
        entry = {"name": name, "params": params} if params else {"name": name}
        if entry not in self.functions:
            self.functions.append(entry)
        return self.functions.index(entry)

    def variable(self, name: str) -> int:
        self.names[str(len(self.names))] = name
        return len(self.names) - 1

    def event(self) -> int:
        self.events += 1
        return self.events - 1

    def constant(self, track: str, name: str, typ: Json, device: str, data: Json) -> int:
        """A constant and the variable that it is loaded to."""
        self.constants.append({"name": name, "typ": typ, "device": device, "data": data})
        id_ = self.variable(name)
        self.emit("LoadConstant", track, src=len(self.constants) - 1, dst=id_)
        return id_

    def input(self, track: str, name: str, typ: Json) -> int:
        """An input and the variable that it is loaded to."""
        self.inputs.append({"name": name, "typ": typ})
        id_ = self.variable(name)
        self.emit("LoadInput", track, src=len(self.inputs) - 1, dst=id_)
        return id_

    def allocate(self, track: str, name: str, typ: Json, device: str, nbytes: int = 0) -> int:
        """Memory of a device; with `nbytes` in its arena, behind what lies there already."""
        id_, offset = self.variable(name), None
        if nbytes:
            offset = self.arenas.get(device, 0)
            self.arenas[device] = offset + -(-nbytes // 64) * 64
        self.emit("Allocate", track, device=device, typ=typ, id=id_, offset=offset)
        return id_

    def part(self, track: str, src: int, name: str, start: int, end: int) -> int:
        """A view of the elements from `start` to `end` of an array."""
        id_ = self.variable(name)
        self.emit("Slice", track, src=src, dst=id_, start=start, end=end)
        return id_

    @contextmanager
    def fork(self, track: str) -> Iterator[int]:
        """A thread of what is emitted within the `with`; its id."""
        thread, outer, self.instructions = self.threads, self.instructions, []
        self.threads += 1
        yield thread
        inner, self.instructions = self.instructions, outer
        self.emit("Fork", track, new_thread=thread, instructions=inner)

    def queue(self, track: str, device: str) -> Queue:
        """A stream of a GPU, named as the track whose work it takes."""
        return Queue(self, track, device, self.allocate(track, track, STREAM, device))

    def write(self, folder: Path) -> Path:
        """Writes the program as `program.json` of a folder."""
        document = {
            "format": "zkrun",
            "version": 1,
            "name": self.name,
            "curve": self.curve,
            "functions": self.functions,
            "constants": self.constants,
            "inputs": self.inputs,
            "memory": self.arenas,
            "variables": self.names,
            "instructions": self.instructions,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "program.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        return path


class Queue:
    """What one track queues on one stream of a GPU."""

    def __init__(self, draft: Draft, track: str, device: str, stream: int) -> None:
        self.draft = draft
        self.track = track
        self.device = device
        self.stream = stream

    def transfer(self, source: str, target: str, src: int, dst: int) -> None:
        devices = {"src_device": source, "dst_device": target}
        ids = {"src_id": src, "dst_id": dst}
        self.draft.emit("Transfer", self.track, **devices, stream=self.stream, **ids)

    def call(self, func_id: int, mutable: list[int], *immutable: int) -> None:
        arguments = {"arg_mut": mutable, "arg": [*immutable, self.stream]}
        self.draft.emit("FuncCall", self.track, func_id=func_id, **arguments)

    def record(self) -> int:
        """The event of all that was queued so far."""
        event = self.draft.event()
        self.draft.emit("Record", self.track, stream=self.stream, event=event)
        return event

    def wait(self, event: int) -> None:
        """What is queued from here on waits for the event."""
        self.draft.emit("Wait", self.track, slave=self.device, stream=self.stream, event=event)

    def finish(self) -> None:
        """The thread waits for all that was queued; the stream ends."""
        event = self.record()
        self.draft.emit("Wait", self.track, slave="cpu", event=event)
        self.draft.emit("Deallocate", self.track, id=self.stream)
