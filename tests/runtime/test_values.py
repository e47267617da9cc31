"""Values from outside: inputs of every form, results, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_kit import SCALAR, array, load, numbers, program, result, run, scalars

import zkrun
from zkrun.algebra.curves import BLS12_381, BN254, CURVES, Curve
from zkrun.analysis import constants
from zkrun.errors import InvalidProgram, Mismatch, UsageError
from zkrun.program.document import Program
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Typ, element_size
from zkrun.runtime.constants import close_constants, load_constants
from zkrun.runtime.images import check_image, from_canonical, parse, render, to_canonical

CURVE = st.sampled_from([BN254, BLS12_381])


def echo(typ: dict[str, Any], curve: str = "bn254") -> Program:
    """A program that returns its input."""
    return program(
        {"op": "LoadInput", "src": 0, "dst": 0},
        result(0),
        curve=curve,
        inputs=[{"name": "a", "typ": typ}],
    )


def edge(curve: Curve) -> list[int]:
    return [0, 1, 2, curve.r - 1, curve.r - 2, 2**64, 2**128 - 1, 2**192]


@settings(max_examples=60)
@given(st.data())
def test_scalars_to_memory_and_back(data: st.DataObject) -> None:
    curve = data.draw(CURVE)
    field = st.integers(0, curve.r - 1) | st.sampled_from(edge(curve))
    values = data.draw(st.lists(field, max_size=20))
    written = [
        data.draw(st.sampled_from([hex(v), str(v), hex(v).replace("0x", "0x00")])) for v in values
    ]
    typ = ScalarArray(len(values))
    image = parse(typ, written, curve)
    assert image == b"".join(v.to_bytes(32, "little") for v in values)
    assert from_canonical(typ, image, curve) is None
    radix = curve.scalar.montgomery_radix
    assert image == b"".join((v * radix % curve.r).to_bytes(32, "little") for v in values)
    assert check_image(typ, bytes(image), "montgomery", curve) is None
    assert render(typ, image, curve) == [hex(v) for v in values]
    assert to_canonical(typ, image, curve) == parse(typ, written, curve)


def points(curve: Curve, group: str) -> list[Any]:
    """Infinity, the generator and its opposite, as canonical values."""
    if group == "g1":
        x, y = curve.g1
        return [None, [x, y], [x, curve.q - y]]
    (x0, x1), (y0, y1) = curve.g2
    return [None, [[x0, x1], [y0, y1]], [[x0, x1], [curve.q - y0, curve.q - y1]]]


def in_hex(value: Any) -> Any:
    if isinstance(value, list):
        return [in_hex(item) for item in value]
    return None if value is None else hex(value)


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda c: c.name)
@pytest.mark.parametrize("group", ["g1", "g2"])
@pytest.mark.parametrize("n", [0, 1, 3, 9])
def test_points_to_memory_and_back(curve: Curve, group: str, n: int) -> None:
    values = [points(curve, group)[i % 3] for i in range(n)]
    typ = {"kind": "PointArray", "len": n, "group": group}
    outcome = run(echo(typ, curve.name), {"a": values})
    assert outcome.result.values == in_hex(values)
    outcome.result.write(Path("/dev/null"))


def bad_points(curve: Curve, group: str) -> list[tuple[Any, str]]:
    if group == "g1":
        x, y = curve.g1
        return [
            ([x, y + 1], "not on the curve"),
            ([0, 0], "null"),
            ([x, curve.q + y], "modulus"),
            ([x], "2"),
            ([x, y, 1], "2"),
            (x, "list"),
        ]
    (x0, x1), (y0, y1) = curve.g2
    return [
        ([[x0, x1], [y0, y1 + 1]], "not on the curve"),
        ([[0, 0], [0, 0]], "null"),
        ([[x0, x1], [y0, curve.q]], "modulus"),
        ([x0, y0], "list"),
    ]


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda c: c.name)
@pytest.mark.parametrize("group", ["g1", "g2"])
def test_bad_points_are_refused_with_their_index(curve: Curve, group: str) -> None:
    typ = {"kind": "PointArray", "len": 3, "group": group}
    good = points(curve, group)
    for bad, words in bad_points(curve, group):
        with pytest.raises(InvalidProgram, match=words) as caught:
            run(echo(typ, curve.name), {"a": [good[0], good[1], bad]})
        if bad is not None and words != "list":
            assert "input 'a', element 2" in str(caught.value)


def test_points_outside_the_subgroup_are_refused() -> None:
    curve = BLS12_381
    q = curve.q
    x = next(
        x for x in range(1, 100) if pow(x**3 + 4, (q - 1) // 2, q) == 1
    )  # small abscissae are outside: the cofactor is large
    y = pow(x**3 + 4, (q + 1) // 4, q)
    with pytest.raises(InvalidProgram, match="outside the subgroup G1"):
        run(echo({"kind": "Point"}, "bls12_381"), {"a": [x, y]})


FORMS: list[tuple[str, Typ, dict[str, Any], Any]] = [
    ("bn254", Scalar(), SCALAR, 5),
    ("bn254", ScalarArray(3), array(3), [0, 1, BN254.r - 1]),
    ("bls12_381", Point("g1"), {"kind": "Point"}, list(BLS12_381.g1)),
    (
        "bls12_381",
        PointArray(2, "g2"),
        {"kind": "PointArray", "len": 2, "group": "g2"},
        [points(BLS12_381, "g2")[1], None],
    ),
]


@pytest.mark.parametrize(("curve", "typ", "raw", "value"), FORMS)
def test_files_of_every_form(
    curve: str,
    typ: Typ,
    raw: dict[str, Any],
    value: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document, record = echo(raw, curve), CURVES[curve]
    expected = run(document, {"a": value})
    image = bytes(parse(typ, in_hex(value), record))
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps({"values": in_hex(value)}))
    binary = tmp_path / "a.bin"
    binary.write_bytes(image)
    limbs = element_size(typ, record) // 8
    shape = (-1, limbs) if typ.kind.endswith("Array") else (limbs,)
    limb_array = numpy.frombuffer(image, "<u8").reshape(shape)
    numpy.save(tmp_path / "a.npy", limb_array)
    numpy.save(tmp_path / "big.npy", numpy.asfortranarray(limb_array).astype(">u8"))
    saved = tmp_path / "result.json"
    expected.result.write(saved)
    names = [plain, binary, tmp_path / "a.npy", tmp_path / "big.npy", saved]
    for given_value in (*names, limb_array):
        assert run(document, {"a": given_value}).result == expected.result
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(plain.read_bytes())))
    assert run(document, {"a": Path("-")}).result == expected.result
    expected.result.check(saved)


def refusal(kind: type[Exception], value: Any, typ: dict[str, Any] | None = None) -> str:
    with pytest.raises(kind) as caught:
        run(echo(typ or array(3)), {"a": value})
    return str(caught.value)


def test_elements_at_or_above_the_modulus_are_refused_with_their_index(tmp_path: Path) -> None:
    r = BN254.r
    for bad in (r, r + 1, 2**256 - 1):
        assert "input 'a', element 1: " in refusal(InvalidProgram, [0, bad, 1])
        raw = b"".join(v.to_bytes(32, "little") for v in (0, bad, 1))
        (tmp_path / "a.bin").write_bytes(raw)
        text = refusal(InvalidProgram, tmp_path / "a.bin")
        assert f"input 'a', element 1: the scalar {bad:#x} is not below r" in text
        numpy.save(tmp_path / "a.npy", numpy.frombuffer(raw, "<u8").reshape(3, 4))
        assert "element 1" in refusal(InvalidProgram, tmp_path / "a.npy")


@pytest.mark.parametrize(
    "value",
    [[1, 2], [1, 2, 3, 4], 5, "123", None, {"values": []}, [1, 2, -3], [1, 2, True], [1, 2, 3.0]]
    + [["0x1,0x2", "0x3", "0x4"], ["0x1", "0x2", "0x3,"], ["0x1", "0x2", ""]]
    + [[1, 2, text] for text in ("", "0x", "1_0", " 1", "+1", "１", "0X1", "1e3", "0b1")],
)
def test_wrong_values_are_refused(value: Any) -> None:
    assert refusal(InvalidProgram, value).startswith("input 'a'")


def test_arrays_of_the_wrong_shape_or_kind_are_refused(tmp_path: Path) -> None:
    for bad in (
        numpy.zeros((3, 5), "<u8"),
        numpy.zeros((2, 4), "<u8"),
        numpy.zeros(12, "<u8"),
        numpy.zeros((3, 4), "<i8"),
        numpy.zeros((3, 4), "<f8"),
        numpy.zeros((3, 4), "<u4"),
    ):
        assert "array" in refusal(InvalidProgram, bad)
        numpy.save(tmp_path / "bad.npy", bad)
        assert "array" in refusal(InvalidProgram, tmp_path / "bad.npy")


def test_files_that_are_no_values(tmp_path: Path) -> None:
    for name, content, kind in [
        ("a.json", b"[1, 2, 3]", InvalidProgram),
        ("a.json", b'{"values": [1, 2, 3], "x": 1}', InvalidProgram),
        ("a.json", b'{"values": [1, 2, 3], "values": [1, 2, 3]}', InvalidProgram),
        ("a.json", b'{"typ": {"kind": "Scalar"}, "values": [1, 2, 3]}', InvalidProgram),
        ("a.json", b'{"values": [1, 2, 3]', InvalidProgram),
        ("a.json", b"\xff\xfe", InvalidProgram),
        ("a.json", b"[" * 100_000, InvalidProgram),
        ("a.json", b'{"values": [1, 2, ' + b"9" * 5000 + b"]}", InvalidProgram),
        ("a.bin", bytes(95), InvalidProgram),
        ("a.npy", b"nonsense", InvalidProgram),
        ("a.npy", b"", InvalidProgram),
        ("a.txt", b"1", UsageError),
    ]:
        (tmp_path / name).write_bytes(content)
        assert "input 'a'" in refusal(kind, tmp_path / name)
    for name in ("no.json", "no.bin", "no.npy"):
        assert "cannot read" in refusal(UsageError, tmp_path / name)


NPY = b"\x93NUMPY\x01\x00"


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04garbage",  # NumPy takes it for an archive
        NPY + b"\x40\x00" + b"(" * 63 + b"\n",
        NPY
        + b"\x4a\x00{'descr': '<u8', 'fortran_order': False, 'shape': (99999999999999999999,)} \n",
        NPY
        + b"\x40\x00"
        + b"{1: 2, 'descr': '<u8', 'fortran_order': False, 'shape': ()}".ljust(63)
        + b"\n",
    ],
)
def test_broken_npy_files_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(content)
    document = program(
        {"op": "LoadInput", "src": 0, "dst": 0},
        result(0),
        inputs=[{"name": "x", "typ": array(2)}],
    )
    with pytest.raises(InvalidProgram, match=r"is not a \.npy file of one array|has shape"):
        run(document, {"x": file})


def npy(shape: str, data: bytes, order: bool = False) -> bytes:
    """A file of uint64 whose header states this shape, whatever its data is."""
    header = f"{{'descr': '<u8', 'fortran_order': {order}, 'shape': {shape}}}".encode()
    header = header.ljust(117) + b"\n"
    return NPY + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy("(10000000000, 4)", bytes(96)), "shape"),
        (npy("(-1, 4)", bytes(96)), "shape"),
        (npy("(3, 4)", bytes(95)), "ends within its array"),
        (npy("(3, 4)", bytes(97)), "goes on after its array"),
        (npy("(3, 4)", bytes(1 << 20)), "goes on after its array"),
    ],
)
def test_headers_of_npy_files_are_checked_before_the_data(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    assert words in refusal(InvalidProgram, tmp_path / "a.npy")


def test_arrays_by_columns_and_through_pipes(tmp_path: Path) -> None:
    rows = numpy.arange(12, dtype="<u8").reshape(3, 4)
    (tmp_path / "a.npy").write_bytes(npy("(3, 4)", rows.tobytes(order="F"), order=True))
    os.mkfifo(tmp_path / "b.npy")
    plain = io.BytesIO()
    numpy.save(plain, rows)
    writer = threading.Thread(target=lambda: (tmp_path / "b.npy").write_bytes(plain.getvalue()))
    writer.start()
    wanted = [sum(int(limb) << 64 * i for i, limb in enumerate(row)) for row in rows]
    for name in ("a.npy", "b.npy"):
        outcome = zkrun.run(echo(array(3)), {"a": tmp_path / name})
        assert numbers(outcome) == wanted
    writer.join()


def test_files_without_an_end_are_read_up_to_a_bound(tmp_path: Path) -> None:
    for name in ("a.bin", "a.npy", "a.json"):
        (tmp_path / name).symlink_to("/dev/zero")
    assert "has more than 96 bytes" in refusal(InvalidProgram, tmp_path / "a.bin")
    assert "a.npy" in refusal(InvalidProgram, tmp_path / "a.npy")
    assert "more than its values can take" in refusal(InvalidProgram, tmp_path / "a.json")


def test_names_of_inputs() -> None:
    document = echo(SCALAR)
    with pytest.raises(UsageError, match="no value is given for input 'a'"):
        run(document)
    with pytest.raises(UsageError, match="no input 'b'; its inputs: 'a'"):
        run(document, {"a": 1, "b": 2})


def test_the_python_interface_takes_integers_of_any_size() -> None:
    values = [BN254.r - 1, 2**253, 7]
    assert numbers(run(echo(array(3)), {"a": values})) == values
    assert numbers(run(echo(array(3)), {"a": tuple(values)})) == values


def test_large_results_are_written_whole(tmp_path: Path) -> None:
    source = random.Random(1)
    values = [source.randrange(BN254.r) for _ in range(1 << 14)]
    outcome = run(echo(array(1 << 14)), {"a": values})
    file = tmp_path / "deep" / "result.json"
    outcome.result.write(file)
    written = json.loads(file.read_text())
    assert [int(v, 16) for v in written["values"]] == values
    assert [p.name for p in file.parent.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"typ": array(3), "values": [1, "2", "0x0003"]}, None),
        ({"typ": array(3), "values": [1, 2, 4]}, r"at \[2\]: found 0x3, expected 4"),
        ({"typ": array(2), "values": [1, 2]}, "expects"),
        ({"typ": SCALAR, "values": 1}, "expects"),
    ],
)
def test_expected_results(expected: Any, words: str | None, tmp_path: Path) -> None:
    outcome = run(echo(array(3)), {"a": [1, 2, 3]})
    file = tmp_path / "expected.json"
    file.write_text(json.dumps(expected))
    if words is None:
        outcome.result.check(file)
    else:
        with pytest.raises(Mismatch, match=words):
            outcome.result.check(file)


@pytest.mark.parametrize(
    "expected",
    [
        {"values": [1, 2, 3]},
        {"typ": array(3), "values": [1, 2]},
        {"typ": array(3), "values": 7},
        {"typ": array(3), "values": [1, 2, BN254.r]},
        {"typ": array(3), "values": [1, 2, None]},
    ],
)
def test_expected_results_that_are_none(expected: Any, tmp_path: Path) -> None:
    outcome = run(echo(array(3)), {"a": [1, 2, 3]})
    file = tmp_path / "expected.json"
    file.write_text(json.dumps(expected))
    with pytest.raises(InvalidProgram, match="the expected result"):
        outcome.result.check(file)


def test_expected_points_in_either_spelling(tmp_path: Path) -> None:
    outcome = run(echo({"kind": "Point"}), {"a": list(BN254.g1)})
    file = tmp_path / "expected.json"
    for typ in ({"kind": "Point"}, {"kind": "Point", "group": "g1"}):
        file.write_text(json.dumps({"typ": typ, "values": ["1", 2]}))
        outcome.result.check(file)


def test_constants_in_files(tmp_path: Path) -> None:
    values = [3, 1, BN254.r - 1, 4, 1, 5]
    typ = ScalarArray(6)
    canonical = parse(typ, in_hex(values), BN254)
    montgomery = bytearray(canonical)
    from_canonical(typ, montgomery, BN254)
    (tmp_path / "data").mkdir()
    for lead in (0, 8, 3, 4096 + 8):
        (tmp_path / "data" / f"m{lead}").write_bytes(bytes(lead) + montgomery + b"more")
        (tmp_path / "data" / f"c{lead}").write_bytes(bytes(lead) + canonical)
    for device in ("cpu", "gpu:0", "disk"):
        for lead in (0, 8, 3, 4096 + 8):
            for encoding in ("montgomery", "canonical"):
                data = {
                    "file": f"data/{encoding[0]}{lead}",
                    "offset": lead,
                    "nbytes": 192,
                    "encoding": encoding,
                }
                document = program(
                    load(0, 0),
                    {"op": "Rotation", "src": 0, "dst": 1, "shift": 2},
                    result(1),
                    constants=[{"name": "c", "typ": array(6), "device": device, "data": data}],
                    folder=tmp_path,
                )
                outcome = run(document)
                assert numbers(outcome) == values[-2:] + values[:-2]


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = bytes(64)
    (tmp_path / "c.bin").write_bytes(image)
    data = {"file": "c.bin", "nbytes": 64, "encoding": "montgomery"}
    digest = hashlib.sha256(image).hexdigest()
    entries = [{"name": name, "typ": array(2), "data": {**data, "sha256": digest}} for name in "ab"]
    document = program(load(0, 0), load(1, 1), result(0), folder=tmp_path, constants=entries)
    hashed = 0
    real = hashlib.sha256

    def counted() -> Any:
        nonlocal hashed
        hashed += 1
        return real()

    monkeypatch.setattr(constants, "hashlib", SimpleNamespace(sha256=counted))
    analysis = zkrun.validate(document)
    assert numbers(zkrun.run(document, analysis=analysis)) == [0, 0]
    assert hashed == 1


def test_a_mapped_constant_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "srs").open("wb") as file:
        file.truncate(1 << 32)  # a hole: four GiB of zeros
    data = {"file": "srs", "nbytes": 1 << 32, "encoding": "montgomery"}
    document = program(
        load(0, 0),
        {"op": "Slice", "src": 0, "dst": 1, "start": (1 << 27) - 2, "end": 1 << 27},
        result(1),
        constants=[{"name": "srs", "typ": array(1 << 27), "data": data}],
        folder=tmp_path,
    )
    outcome = run(document)
    assert numbers(outcome) == [0, 0]
    assert outcome.trace.devices[0].peak < 1 << 20


def test_an_interrupted_copy_of_a_mapped_constant_still_lets_it_be_closed(tmp_path: Path) -> None:
    """The frames of an exception hold pieces of the mapping while everything is being closed."""
    (tmp_path / "srs.bin").write_bytes(bytes(64))
    data = {"file": "srs.bin", "nbytes": 64, "encoding": "montgomery"}
    constant = {"name": "srs", "typ": array(2), "data": data}
    document = program(load(0, 0), result(0), constants=[constant, constant], folder=tmp_path)
    loaded = load_constants(document)
    piece = memoryview(loaded[0].payload)[:32]
    close_constants(loaded)
    assert piece.tobytes() == bytes(32)
    assert all(one.fd is None for one in loaded)


def test_constants_are_never_changed_by_a_run() -> None:
    document = program(load(0, 0), result(0), constants=[scalars("c", [1, 2])])
    assert numbers(run(document, iterations=3, warmup=2)) == [1, 2]
