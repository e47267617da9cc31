"""The data of constants, inline and in files; points against py_ecc."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import py_ecc.bls12_381 as ecc_bls
import py_ecc.bn128 as ecc_bn
import pytest

from zkrun.algebra.curves import BLS12_381, BN254, CURVES, Curve
from zkrun.analysis import Analysis, analyse
from zkrun.analysis.points import point_fault
from zkrun.program.decode import decode

SCALAR = {"kind": "Scalar"}
ONE = (1).to_bytes(32, "little")


def analysed(
    typ: dict[str, Any],
    data: dict[str, Any],
    curve: str = "bn254",
    folder: Path | None = None,
    **options: Any,
) -> Analysis:
    raw = {
        "format": "zkrun",
        "version": 1,
        "curve": curve,
        "constants": [{"name": "c", "typ": typ, "data": data}],
        "instructions": [
            {"op": "LoadConstant", "src": 0, "dst": 0},
            {"op": "Return", "id": 0},
        ],
    }
    return analyse(decode(json.dumps(raw).encode(), folder), **options)


def found(*args: Any, **options: Any) -> list[tuple[str, str]]:
    return [
        (one.rule, one.path.removeprefix("/constants/0/data/"))
        for one in analysed(*args, **options).diagnostics
    ]


def inline(image: bytes, encoding: str = "canonical") -> dict[str, Any]:
    return {"bytes": base64.b64encode(image).decode(), "encoding": encoding}


def oracle(curve: Curve) -> Any:
    return ecc_bn if curve is BN254 else ecc_bls


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
@pytest.mark.parametrize("times", [1, 2, 3, 0xDEADBEEF, -1])
def test_points_of_the_groups(curve: Curve, times: int) -> None:
    ecc = oracle(curve)
    x, y = ecc.multiply(ecc.G1, times % curve.r)
    assert point_fault(curve, x.n, y.n) is None
    assert point_fault(curve, x.n, (y.n + 1) % curve.q) == "off the curve"
    x2, y2 = (tuple(map(int, c.coeffs)) for c in ecc.multiply(ecc.G2, times % curve.r))
    assert point_fault(curve, x2, y2) is None
    assert point_fault(curve, x2, (y2[0], (y2[1] + 1) % curve.q)) == "off the curve"


@pytest.mark.parametrize("group", ["g1", "g2"])
def test_points_outside_the_subgroup(group: str) -> None:
    """Points of the curve that the subgroup does not hold, found by trying x = 0, 1, 2, …"""
    curve, ecc = BLS12_381, ecc_bls
    outside = 0
    for x0 in range(12):
        if group == "g1":
            y = pow(x0**3 + 4, (curve.q + 1) // 4, curve.q)
            if y * y % curve.q != (x0**3 + 4) % curve.q:
                continue
            point: Any = (ecc.FQ(x0), ecc.FQ(y))
            fault = point_fault(curve, x0, y)
        else:
            x = ecc.FQ2([x0, 0])
            root = _root(x * x * x + ecc.b2)
            if root is None:
                continue
            point = (x, root)
            fault = point_fault(curve, (x0, 0), tuple(map(int, root.coeffs)))
        inside = ecc.multiply(point, curve.r) is None
        assert fault == (None if inside else "outside the subgroup")
        outside += not inside
    assert outside > 2


def _root(square: Any) -> Any:
    """A square root in Fq2 with q ≡ 3 mod 4, where there is one."""
    ecc, q = ecc_bls, BLS12_381.q
    a, b = map(int, square.coeffs)
    norm = pow(a * a + b * b, (q + 1) // 4, q)
    for sign in (1, -1):
        half = (a + sign * norm) * pow(2, -1, q) % q
        c0 = pow(half, (q + 1) // 4, q)
        if c0 and c0 * c0 % q == half:
            root = ecc.FQ2([c0, b * pow(2 * c0, -1, q) % q])
            if root * root == square:
                return root
    return None


def test_points_of_small_order() -> None:
    """(0, 2) has order 3 on the curve of BLS12-381, so adding and doubling meet on the way."""
    assert point_fault(BLS12_381, 0, 2) == "outside the subgroup"


@pytest.mark.parametrize("encoding", ["canonical", "montgomery"])
@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_inline_points(encoding: str, curve: Curve, group: str) -> None:
    generator = curve.g1 if group == "g1" else (*curve.g2[0], *curve.g2[1])
    factor = curve.base.montgomery_radix if encoding == "montgomery" else 1
    width = curve.base.bytes
    image = b"".join((n * factor % curve.q).to_bytes(width, "little") for n in generator)
    typ = {"kind": "PointArray", "len": 3, "group": group}
    good = image + bytes(len(image)) + image
    assert found(typ, inline(good, encoding), curve.name) == []
    off = good[:-1] + bytes([good[-1] ^ 1])
    assert found(typ, inline(off, encoding), curve.name) == [("ZK092", "bytes")]
    large = curve.q.to_bytes(width, "little") + good[width:]
    analysis = analysed(typ, inline(large, encoding), curve.name)
    assert [one.rule for one in analysis.diagnostics] == ["ZK091"]
    assert analysis.diagnostics[0].message.startswith("element 0: ")


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_inline_scalars(curve: Curve) -> None:
    edges = [0, 1, curve.r - 1]
    image = b"".join(n.to_bytes(32, "little") for n in edges)
    typ = {"kind": "ScalarArray", "len": 3}
    assert found(typ, inline(image), curve.name) == []
    assert found(typ, inline(image, "montgomery"), curve.name) == []
    assert found(typ, inline(image[:-1]), curve.name) == [("ZK090", "bytes")]
    assert found({"kind": "ScalarArray", "len": 0}, inline(b""), curve.name) == []
    for encoding in ("canonical", "montgomery"):
        large = image[:64] + curve.r.to_bytes(32, "little")
        assert found(typ, inline(large, encoding), curve.name) == [("ZK091", "bytes")]


def test_values() -> None:
    points = {"kind": "PointArray", "len": 2}
    assert found(points, {"values": [None, ["1", 2]]}) == []
    assert found(points, {"values": [None, [1, 3]]}) == [("ZK092", "values/1")]
    assert found(points, {"values": [None, [0, 0]]}) == [("ZK092", "values/1")]
    assert found(points, {"values": [None, [1]]}) == [("ZK090", "values/1")]
    assert found(points, {"values": [None, [1, hex(BN254.q)]]}) == [("ZK091", "values/1/1")]
    assert found({"kind": "Point"}, {"values": [1, 3]}) == [("ZK092", "values")]
    g2 = {"kind": "Point", "group": "g2"}
    generator = [list(map(str, coordinate)) for coordinate in BN254.g2]
    assert found(g2, {"values": generator}) == []
    assert found(g2, {"values": [[0, 0], [0, 0]]}) == [("ZK092", "values")]
    assert found(SCALAR, {"values": [1]}) == [("ZK090", "values")]
    huge = {"kind": "ScalarArray", "len": 2**60}
    assert found(huge, {"values": [1]}) == [("ZK090", "values")]


def test_another_check_of_images_takes_the_place_of_ours() -> None:
    typ = {"kind": "PointArray", "len": 1}
    asked = []

    def check_image(typ: Any, image: bytes, encoding: str, curve: Curve) -> Any:
        asked.append((str(typ), len(image), encoding, curve.name))
        return 0, "point", "no"

    assert found(typ, {"values": [[1, 2]]}, check_image=check_image) == [("ZK092", "values/0")]
    assert asked == [("PointArray<g1>[1]", 64, "canonical", "bn254")]


def file(name: str = "one.bin", nbytes: int = 32, **more: Any) -> dict[str, Any]:
    return {"file": name, "nbytes": nbytes, "encoding": "canonical", **more}


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "program"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "one.bin").write_bytes(bytes(7) + ONE)
    (folder / "inside").symlink_to("data")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "circle").symlink_to("circle")
    (tmp_path / "one.bin").write_bytes(ONE)
    os.mkfifo(folder / "pipe")
    digest = hashlib.sha256(ONE).hexdigest()

    def rules(**data: Any) -> list[tuple[str, str]]:
        return found(SCALAR, file(**data), folder=folder)

    assert rules(name="data/one.bin") == []
    assert rules(name="data/one.bin", offset=7, sha256=digest) == []
    assert rules(name="data/one.bin", offset=7, sha256=digest.upper()) == []
    assert rules(name="inside/one.bin") == []
    assert rules(name="outside/one.bin") == [("ZK094", "file")]
    for name in ("data/two.bin", "data", "circle", "pipe", "data/one.bin/x", "x" * 300):
        assert rules(name=name) == [("ZK093", "file")], name
    assert rules(name="data/one.bin", nbytes=31) == [("ZK090", "nbytes")]
    assert rules(name="data/one.bin", offset=8) == [("ZK095", "nbytes")]
    assert rules(name="data/one.bin", offset=2**64 - 1) == [("ZK095", "nbytes")]
    assert rules(name="data/one.bin", sha256=digest) == [("ZK096", "sha256")]
    assert found(SCALAR, file()) == [("ZK093", "file")]


def test_contents_of_files_are_trusted(tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(b"\xff" * 64)
    assert found({"kind": "Point"}, file(nbytes=64), folder=tmp_path) == []
