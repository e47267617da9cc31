#!/usr/bin/env python3
"""Runs every function of the GPU in small sizes, twice, and compares with the virtual GPU.

    scripts/gpu_small_sizes.py [--sizes 1,8,64,300] [--curves bn254,bls12_381]

Made for compute-sanitizer, which `scripts/test_gpu` runs it under: it is short, and it comes to
every kind of kernel, single and replayed in graphs, with views that wrap around. Lookups go by way
of buckets here where they have more than 128 rows, which pays from 2^13 on only.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import command_line
from command_line import names, numbers

import zkrun
from zkrun.algebra.curves import CURVES, Curve
from zkrun.devices.cuda.plans import permute as permute_plan
from zkrun.program.decode import decode
from zkrun.program.document import Program

STREAM, A, B, VIEW, POWERS, OUT, OTHER, S, X, Y, POINT, POINTS, ROWS, TABLE, HOST = range(15)


def functions(n: int) -> list[tuple[str, dict[str, Any], list[int], list[int]]]:
    """(name, params, mutable, immutable) of all that runs; `OUT` and `OTHER` are of length n."""
    calls: list[tuple[str, dict[str, Any], list[int], list[int]]] = [
        ("batch_invert", {}, [A], []),
        ("scan_mul", {}, [OUT], [VIEW, X]),
        ("poly_add", {}, [A], [A, OUT]),
        ("kate_division", {}, [OUT], [VIEW, X]),
        ("poly_sub", {}, [A], [A, OUT]),
        ("evaluate", {}, [Y], [VIEW, X]),
        ("poly_scale", {}, [OUT], [A, Y]),
        ("poly_mul", {}, [A], [OUT, VIEW]),
        ("distribute_powers", {}, [A], [POWERS]),
        ("permute", {"usable": n}, [OUT, OTHER], [A, A]),
        ("poly_add", {}, [A], [OUT, OTHER]),
        ("permute", {"usable": n}, [OUT, OTHER], [ROWS, TABLE]),
        ("poly_add", {}, [A], [A, OUT]),
        ("poly_sub", {}, [A], [A, OTHER]),
        ("fused_arith", {"expr": "y0 = x0*x1 + x2; y1 = x0^5 - 3*x1"}, [OUT, OTHER], [A, VIEW, Y]),
        ("poly_sub", {}, [A], [OUT, OTHER]),
        ("fill", {"value": "one_coef"}, [OTHER], []),
        ("scalar_invert", {}, [S], []),
        ("scalar_pow", {"exp": str(3**50)}, [S], []),
        ("msm", {}, [POINT], [POINTS, VIEW]),
    ]
    if n & (n - 1) == 0:
        calls += [
            ("ntt", {"coset": "7"}, [A], []),
            ("ntt", {"inverse": True}, [A], []),
        ]
    return calls


def program(curve: Curve, group: str, n: int) -> Program:
    array, scalar = {"kind": "ScalarArray", "len": n}, {"kind": "Scalar"}
    point = {"kind": "Point", "group": group}
    calls = functions(n)

    def allocate(id: int, typ: dict[str, Any], device: str = "gpu:0") -> dict[str, Any]:
        return {"op": "Allocate", "device": device, "typ": typ, "id": id}

    def copy(src: int, dst: int, source: str, target: str) -> dict[str, Any]:
        devices = {"src_device": source, "dst_device": target}
        return {"op": "Transfer", **devices, "src_id": src, "dst_id": dst, "stream": STREAM}

    values = [str(i * i + 3) for i in range(n)]
    spread = [str(pow(3, 1000 + i, curve.r)) for i in range(n)]
    generator = curve.g1 if group == "g1" else curve.g2
    coordinates = [list(map(str, c)) if isinstance(c, tuple) else str(c) for c in generator]
    constants: list[dict[str, Any]] = [
        {"name": "a", "typ": array, "data": {"values": values}},
        {"name": "x", "typ": scalar, "data": {"values": "31337"}},
        {
            "name": "powers",
            "typ": {"kind": "ScalarArray", "len": 3},
            "device": "gpu:0",
            "data": {"values": ["1", "5", "9"]},
        },
        {
            "name": "points",
            "typ": {"kind": "PointArray", "len": n, "group": group},
            "device": "gpu:0",
            "data": {"values": [coordinates if i % 5 else None for i in range(n)]},
        },
        *(
            {"name": name, "typ": array, "device": "gpu:0", "data": {"values": rows}}
            for name, rows in (
                ("rows", [spread[i // 2] for i in range(n)]),
                ("table", spread),
            )
        ),
    ]
    loads = [(20, 0), (21, 1), (POWERS, 2), (POINTS, 3), (ROWS, 4), (TABLE, 5)]
    host = {
        HOST: (A, array),
        HOST + 1: (S, scalar),
        HOST + 2: (Y, scalar),
        HOST + 3: (POINT, point),
    }
    instructions: list[dict[str, Any]] = [
        allocate(STREAM, {"kind": "Stream"}),
        *({"op": "LoadConstant", "src": source, "dst": variable} for variable, source in loads),
        *(allocate(id, array) for id in (A, B, OUT, OTHER)),
        *(allocate(id, scalar) for id in (S, X, Y)),
        allocate(POINT, point),
        *(copy(20, id, "cpu", "gpu:0") for id in (A, B)),
        *(copy(21, id, "cpu", "gpu:0") for id in (S, X)),
        {"op": "Rotation", "src": B, "dst": VIEW, "shift": n // 3},
        *(
            {"op": "FuncCall", "func_id": i, "arg_mut": mutable, "arg": [*immutable, STREAM]}
            for i, (_, _, mutable, immutable) in enumerate(calls)
        ),
        *(allocate(id, typ, "cpu") for id, (_, typ) in host.items()),
        *(copy(source, id, "gpu:0", "cpu") for id, (source, _) in host.items()),
        {"op": "Record", "event": 0, "stream": STREAM},
        {"op": "Wait", "slave": "cpu", "event": 0},
        {"op": "AssembleTuple", "vars": list(host), "dst": 30},
        {"op": "Return", "id": 30},
    ]
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": curve.name,
        "functions": [{"name": name, "params": params} for name, params, _, _ in calls],
        "constants": constants,
        "instructions": instructions,
    }
    return decode(json.dumps(document).encode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs every function of the GPU in small sizes.")
    parser.add_argument("--sizes", type=numbers(1, 1 << 20), default="1,8,64,300")
    parser.add_argument("--curves", type=names(CURVES), default=",".join(CURVES))
    arguments = parser.parse_args()
    permute_plan.BUCKETED_ROWS, permute_plan.BUCKET_ROWS = 128, 64
    wrong = 0
    for name in arguments.curves:
        for n in arguments.sizes:
            for group in ("g1", "g2"):
                document = program(CURVES[name], group, n)
                here, there = (
                    zkrun.run(document, {}, zkrun.Options(gpu=gpu, iterations=2)).result.values
                    for gpu in ("virtual", "real")
                )
                wrong += here != there
                says = "as on the virtual GPU" if here == there else "DIFFERS"
                print(f"{name} {group} {n}: {says}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    command_line.run(main)
