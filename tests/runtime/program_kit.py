"""Programs for tests of the runtime, written as the format has them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import zkrun
from zkrun.program.decode import decode
from zkrun.program.document import Program
from zkrun.runtime.engine import Outcome

SCALAR = {"kind": "Scalar"}
STREAM = {"kind": "Stream"}


def array(n: int) -> dict[str, Any]:
    return {"kind": "ScalarArray", "len": n}


def constant(name: str, typ: dict[str, Any], values: Any, device: str = "cpu") -> dict[str, Any]:
    return {"name": name, "typ": typ, "device": device, "data": {"values": values}}


def scalars(name: str, values: list[Any], device: str = "cpu") -> dict[str, Any]:
    return constant(name, array(len(values)), values, device)


def allocate(id: int, typ: dict[str, Any], device: str = "cpu", **more: Any) -> dict[str, Any]:
    return {"op": "Allocate", "device": device, "typ": typ, "id": id, **more}


def load(dst: int, src: int) -> dict[str, Any]:
    return {"op": "LoadConstant", "src": src, "dst": dst}


def copy(src: int, dst: int, source: str, target: str, stream: int | None = None) -> dict[str, Any]:
    more = {} if stream is None else {"stream": stream}
    devices = {"src_device": source, "dst_device": target}
    return {"op": "Transfer", **devices, "src_id": src, "dst_id": dst, **more}


def call(func_id: int, mut: list[int], arg: list[int], **more: Any) -> dict[str, Any]:
    return {"op": "FuncCall", "func_id": func_id, "arg_mut": mut, "arg": arg, **more}


def wait(event: int, stream: int | None = None, device: str = "gpu:0") -> dict[str, Any]:
    if stream is None:
        return {"op": "Wait", "slave": "cpu", "event": event}
    return {"op": "Wait", "slave": device, "stream": stream, "event": event}


def record(event: int, stream: int | None = None) -> dict[str, Any]:
    return {"op": "Record", "event": event, **({} if stream is None else {"stream": stream})}


def result(id: int) -> dict[str, Any]:
    return {"op": "Return", "id": id}


def program(*instructions: dict[str, Any], folder: Path | None = None, **keys: Any) -> Program:
    document = {"format": "zkrun", "version": 1, "curve": "bn254", **keys}
    functions = document.pop("functions", [])
    document["functions"] = [f if isinstance(f, dict) else {"name": f} for f in functions]
    document["instructions"] = list(instructions)
    return decode(json.dumps(document).encode(), folder)


def run(document: Program, inputs: dict[str, Any] | None = None, **options: Any) -> Outcome:
    """Runs with virtual GPUs, and checks that no thread is left."""
    options.setdefault("gpu", "virtual")
    before = set(threading.enumerate())
    try:
        return zkrun.run(document, inputs, zkrun.Options(**options))
    finally:
        assert set(threading.enumerate()) <= before


def numbers(outcome: Outcome) -> Any:
    """The result with its texts as integers."""

    def value(v: Any) -> Any:
        if isinstance(v, list):
            return [value(item) for item in v]
        return int(v, 16) if isinstance(v, str) else v

    return value(outcome.result.values)
