"""The driver refuses memory, streams, events or graphs at any point: the run ends clean."""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import gpu_values
import pytest

import zkrun
from zkrun.devices.cuda import memory
from zkrun.errors import ResourceLimit
from zkrun.program.decode import decode
from zkrun.program.document import Program

pytestmark = pytest.mark.gpu
assert gpu_values.HAS_GPU

N = 1 << 12
LARGE = (9 << 20) // 32  # more than what the driver takes at once, and than a slab


def sample() -> Program:
    typ = {"kind": "ScalarArray", "len": N}
    large = {"kind": "ScalarArray", "len": LARGE}
    scalar = {"kind": "Scalar"}

    def allocate(id: int, typ: dict[str, Any], device: str = "gpu:0", **more: Any) -> Any:
        return {"op": "Allocate", "device": device, "typ": typ, "id": id, **more}

    def copy(src: int, dst: int, source: str, target: str, **more: Any) -> Any:
        devices = {"src_device": source, "dst_device": target}
        return {"op": "Transfer", **devices, "src_id": src, "dst_id": dst, **more}

    def call(func: int, mut: list[int], arg: list[int]) -> Any:
        return {"op": "FuncCall", "func_id": func, "arg_mut": mut, "arg": arg}

    instructions = [
        allocate(0, {"kind": "Stream"}),
        {"op": "LoadInput", "src": 0, "dst": 1},
        allocate(2, typ, offset=0),
        allocate(3, typ),
        allocate(4, scalar),
        allocate(5, large),
        allocate(6, large, "cpu"),
        copy(1, 2, "cpu", "gpu:0", stream=0),
        {"op": "GetScalarFromArray", "src": 2, "dst": 4, "idx": 1, "stream": 0},
        call(0, [2], [0]),
        call(1, [3], [2, 2, 0]),
        call(2, [3], [0]),
        call(3, [4], [0]),
        call(4, [5], [0]),
        copy(5, 6, "gpu:0", "cpu", stream=0),
        allocate(7, typ, "cpu"),
        copy(3, 7, "gpu:0", "cpu", stream=0),
        {"op": "Deallocate", "id": 5, "stream": 0},
        {"op": "Record", "event": 0, "stream": 0},
        {"op": "Wait", "slave": "cpu", "event": 0},
        {"op": "Return", "id": 7},
    ]
    functions: list[dict[str, Any]] = [
        *({"name": name} for name in ("ntt", "poly_mul", "batch_invert", "scalar_invert")),
        {"name": "fill", "params": {"value": "one_coef"}},
    ]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "functions": functions,
        "inputs": [{"name": "a", "typ": typ}],
        "memory": {"gpu:0": 32 * N},
        "instructions": instructions,
    }
    return decode(json.dumps(document).encode())


VALUES = {"a": [i + 1 for i in range(N)]}


def refused(runtime: Any) -> BaseException:
    error: BaseException = runtime.CUDARuntimeError(2)  # cudaErrorMemoryAllocation
    return error


@pytest.mark.parametrize(
    "name",
    [
        "mallocAsync",
        "hostAlloc",
        "streamCreateWithFlags",
        "eventCreateWithFlags",
        "graphInstantiate",
    ],
)
@pytest.mark.parametrize("iterations", [1, 2])
def test_the_driver_refuses_from_some_point_on(
    name: str, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = memory.runtime
    original: Callable[..., Any] = getattr(runtime, name)
    document = sample()
    expected = zkrun.run(document, VALUES).result.values
    counting = threading.Lock()
    state = {"count": 0, "from": 0}

    def limited(*arguments: Any) -> Any:
        with counting:
            state["count"] += 1
            if 0 < state["from"] <= state["count"]:
                raise refused(runtime)
        return original(*arguments)

    def run() -> Any:
        if name == "hostAlloc":  # slabs of earlier runs do not help
            monkeypatch.setattr(memory.pinned, "_free", [])
            monkeypatch.setattr(memory.pinned, "_left", 8)
        options = zkrun.Options(iterations=iterations, timeout=60)
        return zkrun.run(document, VALUES, options).result.values

    monkeypatch.setattr(runtime, name, limited)
    assert run() == expected
    points, ended = state["count"], 0
    # Many of one kind are made before the run, where one is like another.
    for point in sorted({*range(1, points + 1)[:8], *range(1, points + 1)[-16:]}):
        state |= {"count": 0, "from": point}
        with contextlib.suppress(ResourceLimit):
            ended += 1
            assert run() == expected  # where there is another way, it is taken
            ended -= 1
        state |= {"from": 0}
        assert run() == expected
    # A graph is never needed; neither is a further slab, once there is one.
    assert ended or name == "graphInstantiate" or not points
    assert not [t.name for t in threading.enumerate() if "stream" in t.name]


def test_memory_of_a_real_gpu_is_exhausted() -> None:
    document = sample()
    free, _ = memory.runtime.memGetInfo()
    allocate = {"op": "Allocate", "device": "gpu:0"}
    text = json.dumps(
        {
            "format": "zkrun",
            "version": 1,
            "curve": "bn254",
            "variables": {"8": "wires"},
            "constants": [{"name": "x", "typ": {"kind": "Scalar"}, "data": {"values": "0x7"}}],
            "instructions": [
                {**allocate, "id": 8, "typ": {"kind": "ScalarArray", "len": 1 << 25}},
                {**allocate, "id": 9, "typ": {"kind": "ScalarArray", "len": free // 32}},
                {"op": "LoadConstant", "src": 0, "dst": 7},
                {"op": "Return", "id": 7},
            ],
        }
    )
    with pytest.raises(ResourceLimit, match=r"held: wires 1.00 GiB"):
        zkrun.run(decode(text.encode()), {})
    assert len(zkrun.run(document, VALUES).result.values) == N
