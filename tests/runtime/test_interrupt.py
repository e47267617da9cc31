"""Ctrl-C ends a run at once and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = """
import json, sys, threading
from pathlib import Path
import zkrun
from zkrun.program.decode import decode

folder = Path(sys.argv[1])
document = decode((folder / "program.json").read_bytes())
options = zkrun.Options(gpu="virtual", folder=folder / "disk")
try:
    outcome = zkrun.run(document, {}, options)
    outcome.result.write(folder / "result.json")
except zkrun.ZkrunError as error:
    if error.exit_code != 130:
        sys.exit(str(error))
    threads = [t.name for t in threading.enumerate() if t.name != "MainThread"]
    done = len(error.trace.spans)
    print(json.dumps([str(error), error.trace.failure.message, done > 5, threads]), flush=True)
    while True:  # further presses are none of the run's business
        try:
            sys.exit(sys.stdin.read() and error.exit_code)
        except KeyboardInterrupt:
            pass
"""


def _program(kind: str) -> dict[str, object]:
    power = {"op": "FuncCall", "func_id": 0, "arg_mut": [1], "arg": []}
    body: list[dict[str, object]] = [
        {"op": "LoadConstant", "src": 0, "dst": 0},
        {"op": "Allocate", "device": "disk", "typ": {"kind": "ScalarArray", "len": 4096}, "id": 3},
        {"op": "Allocate", "device": "gpu:0", "typ": {"kind": "Stream"}, "id": 4},
        {"op": "Allocate", "device": "cpu", "typ": {"kind": "Scalar"}, "id": 1},
        {"op": "Transfer", "src_device": "cpu", "dst_device": "cpu", "src_id": 0, "dst_id": 1},
        {"op": "Print", "id": 1, "label": "started"},
    ]
    slow = [power] * 10_000
    if kind == "main":
        body += slow
    elif kind == "thread":
        body += [
            {"op": "Fork", "new_thread": 0, "instructions": [*slow, {"op": "Record", "event": 0}]},
            {"op": "Wait", "slave": "gpu:0", "stream": 4, "event": 0},
            {"op": "Join", "thread": 0},
        ]
    body.append({"op": "Return", "id": 1})
    return {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": [{"name": "scalar_pow", "params": {"exp": "0x" + "f" * 60_000}}],
        "constants": [{"name": "s", "typ": {"kind": "Scalar"}, "data": {"values": 3}}],
        "instructions": body,
    }


@pytest.mark.parametrize("kind", ["main", "thread"])
@pytest.mark.parametrize("presses", [1, 3])
def test_interrupt_leaves_nothing(kind: str, presses: int, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "program.json").write_text(json.dumps(_program(kind)))
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    command = [sys.executable, "-P", "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("started = 0x3")
        for _ in range(presses):
            child.send_signal(signal.SIGINT)
            time.sleep(0.01)
        out, err = child.communicate("done", timeout=60)
    assert err == ""
    assert child.returncode == 130
    assert json.loads(out) == ["interrupted", "interrupted", True, []]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["disk", "program.json"]
