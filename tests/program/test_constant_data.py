"""Values as people write them, and files beside a program."""

from pathlib import Path
from typing import Any

import pytest
from documents import as_json, constant, document
from hypothesis import given
from hypothesis import strategies as st

from zkrun.algebra.curves import BLS12_381, BN254
from zkrun.program.constants import BadFile, BadValue, parse_values, resolve_file
from zkrun.program.decode import decode
from zkrun.program.document import File
from zkrun.program.integers import NotANumber, parse_integer
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Stream, Typ

R, Q = BN254.r, BN254.q


@pytest.mark.parametrize(
    ("typ", "values", "flat"),
    [
        (Scalar(), 5, [5]),
        (Scalar(), "0x0A", [10]),
        (Scalar(), "0x" + "0" * 90 + "1", [1]),
        (Scalar(), "0" * 300 + "7", [7]),
        (Scalar(), str(R - 1), [R - 1]),
        (ScalarArray(0), [], []),
        (ScalarArray(3), [1, "2", hex(R - 1)], [1, 2, R - 1]),
        (Point(), None, [None]),
        (Point(), [1, "2"], [1, 2]),
        (Point(), [0, 0], [0, 0]),
        (Point("g2"), [["1", "2"], [3, hex(Q - 1)]], [1, 2, 3, Q - 1]),
        (PointArray(2), [None, [3, 4]], [None, 3, 4]),
        (PointArray(2, "g2"), [[[1, 2], [3, 4]], None], [1, 2, 3, 4, None]),
    ],
)
def test_values(typ: Typ, values: Any, flat: list[int | None]) -> None:
    assert parse_values(typ, values, BN254) == flat


@pytest.mark.parametrize(
    ("typ", "values", "path", "message"),
    [
        (Scalar(), str(R), "", "not below the modulus"),
        (Scalar(), [1], "", "not a list"),
        (Scalar(), None, "", "not null"),
        (Scalar(), True, "", "not a boolean"),
        (Scalar(), 1.0, "", "not the float 1.0"),
        (Scalar(), -1, "", "negative"),
        (Scalar(), 2**64, "", "written as text"),
        (Scalar(), b"1", "", "not binary"),
        (Scalar(), {"values": 1}, "", "not a map"),
        *((Scalar(), text, "", "neither decimal nor 0x") for text in
          ("", "+1", "-1", " 1", "1 ", "1_0", "0X1", "0x", "0xg", "1e3", "٣", "1\n", "0b1")),
        (ScalarArray(2), [1, 2, 3], "", "2 elements belong here, not 3"),
        (ScalarArray(2**60), [], "", "elements belong here, not 0"),
        (ScalarArray(1), "12", "", "a list of 1 elements belongs here"),
        (ScalarArray(3), [1, 2, "x"], "/2", "neither decimal"),
        (Point(), [1], "", "2 coordinates belong here, not 1"),
        (Point(), [1, str(Q)], "/1", "not below the modulus"),
        (Point("g2"), [[1, 2], [3]], "/1", "2 parts of a G2 coordinate"),
        (Point("g2"), [1, 2], "/0", "not the integer 1"),
        (PointArray(2, "g2"), [None, [[1, 2], [3, hex(Q)]]], "/1/1/1", "not below"),
        (PointArray(1), [[None, 1]], "/0/0", "not null"),
        (Stream(), 1, "", "has no values"),
    ],
)  # fmt: skip
def test_bad_values(typ: Typ, values: Any, path: str, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_values(typ, values, BN254)
    assert caught.value.path == path
    assert message in caught.value.message


def test_the_curve_decides_the_moduli() -> None:
    assert parse_values(Scalar(), str(R), BLS12_381) == [R]
    assert parse_values(Point(), [hex(Q), 0], BLS12_381) == [Q, 0]
    with pytest.raises(BadValue):
        parse_values(Scalar(), hex(BLS12_381.r), BLS12_381)


@given(st.integers(0, 10**9000) | st.integers(0, 2**64 - 1))
def test_integers_of_any_size(number: int) -> None:
    assert parse_integer(hex(number)) == number
    assert parse_integer(in_decimal(number)) == number
    if number < 2**64:
        assert parse_integer(number) == number


def in_decimal(number: int) -> str:
    """Decimal digits without Python's limit on their number."""
    pieces = []
    while number >= 10**4000:
        number, rest = divmod(number, 10**4000)
        pieces.append(f"{rest:04000d}")
    return "".join([str(number), *reversed(pieces)])


def test_integers_have_at_most_a_million_digits() -> None:
    with pytest.raises(NotANumber, match="at most"):
        parse_integer("1" * (2**20 + 1))


def test_files_stay_in_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "program"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.bin", "sub/b.bin"):
        (folder / name).write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "inside").symlink_to("sub/b.bin")
    (folder / "outside").symlink_to("../secret")
    (folder / "up").symlink_to("..")
    (folder / "circle").symlink_to("circle")
    (tmp_path / "linked").symlink_to(folder)
    assert resolve_file(folder, "a.bin") == (folder / "a.bin").resolve()
    assert resolve_file(folder, "inside") == (folder / "sub/b.bin").resolve()
    assert resolve_file(tmp_path / "linked", "sub/../a.bin").name == "a.bin"
    for name, why in [
        ("outside", "outside the program's folder"),
        ("up/secret", "outside the program's folder"),
        ("../secret", "outside the program's folder"),
        (str(tmp_path / "secret"), "outside the program's folder"),
        ("none", "cannot be opened"),
        ("circle", "cannot be opened"),
        ("a\0", "cannot be opened"),
        ("sub", "not a regular file"),
        ("", "not a regular file"),
    ]:
        with pytest.raises(BadFile, match=why):
            resolve_file(folder, name)


def test_a_path_may_go_up_inside_the_folder() -> None:
    path = "sub/../sub/a.bin"
    data = {"file": path, "nbytes": 32, "encoding": "montgomery"}
    (entry,) = decode(as_json(document(constants=[constant(data)]))).constants
    assert isinstance(entry.data, File)
    assert entry.data.file == path
