"""Functions of installed packages, as real distributions on the path of a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from zkrun.program.signature import Argument, Signature

class entry:
    a = Argument("a", ("ScalarArray",), "updates")
    signature = Signature("double", "a[i] \\u2190 2\\u00b7a[i].", (a,))
    implementations = {"cpu": lambda call: None}
"""

LOOK = """
import sys
from zkrun.errors import UsageError
from zkrun.program.functions import registry
try:
    found = registry.signature(sys.argv[1])
    print("none" if found is None else found.doc, *registry.implementations(sys.argv[1]))
except UsageError as error:
    print("UsageError:", error)
"""


def install(folder: Path, package: str, entries: str, code: str) -> None:
    """A distribution of one module, as pip would lay it out."""
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[zkrun.functions]\n{entries}\n")


def look(folder: Path, name: str) -> str:
    """What the registry says of a name in an interpreter that has the folder's packages."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-P", "-c", LOOK, name],
        env={"PYTHONPATH": f"{folder}:{root}", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_package_adds_a_function(tmp_path: Path) -> None:
    install(tmp_path, "doubling", "double = doubling:entry", GOOD)
    assert look(tmp_path, "double") == "a[i] ← 2·a[i]. cpu"
    assert look(tmp_path, "triple") == "none"
    assert look(tmp_path, "ntt").startswith("In place, natural order")


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        (
            "double = doubling:entry",
            "1/0",
            "cannot be loaded for its function 'double': ZeroDivision",
        ),
        ("double = doubling:entry", "raise SystemError('no')", "cannot be loaded"),
        ("double = doubling:missing", GOOD, "cannot be loaded"),
        ("double = nowhere:entry", GOOD, "cannot be loaded"),
        ("double = doubling:entry", "entry = 3", "has no signature of the name 'double'"),
        ("double = doubling:entry", GOOD.replace('"double"', '"half"'), "has no signature"),
        (
            "double = doubling:entry",
            GOOD.replace('{"cpu": lambda call: None}', "None"),
            "has no mapping `implementations`",
        ),
        ("ntt = doubling:entry\ndouble = doubling:entry", GOOD, "which zkrun has built in"),
    ],
)
def test_a_broken_package_is_named(tmp_path: Path, entries: str, code: str, message: str) -> None:
    install(tmp_path, "doubling", entries, code)
    said = look(tmp_path, "double")
    assert said.startswith("UsageError: the package doubling")
    assert message in said
    assert look(tmp_path, "msm").startswith("p[j]")  # what is built in still works


def test_two_packages_of_one_name_are_both_named(tmp_path: Path) -> None:
    for package in ("doubling", "twofold"):
        install(tmp_path, package, f"double = {package}:entry", GOOD)
    said = look(tmp_path, "double")
    assert "the package doubling and the package twofold" in said.replace(
        "twofold and the package doubling", "doubling and the package twofold"
    )
