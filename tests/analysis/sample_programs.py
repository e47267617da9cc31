"""The programs of `programs/`, with stand-ins for the files of constants, which are built."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from zkrun.algebra.curves import CURVES

__all__ = ["ROOT", "SAMPLES", "files_of_points", "files_of_zeros"]

ROOT = Path(__file__).parents[2]

Raw = dict[str, Any]

SAMPLES: dict[str, Raw] = {
    path.parent.name: json.loads(path.read_bytes())
    for path in sorted((ROOT / "programs").glob("*/program.json"))
}


def files_of_zeros(raw: Raw, folder: Path) -> None:
    """Files of zeros: points at infinity."""
    for constant in raw.get("constants", []):
        data = constant["data"]
        if "file" in data:
            with (folder / data["file"]).open("ab") as file:
                file.truncate(max(file.tell(), data["offset"] + data["nbytes"]))


def files_of_points(raw: Raw, folder: Path) -> Raw:
    """Files of the generator and its negative in turn, or of small numbers, and no digests."""
    raw = copy.deepcopy(raw)
    files_of_zeros(raw, folder)
    for constant in raw.get("constants", []):
        data = constant["data"]
        if "file" not in data:
            continue
        data.pop("sha256", None)
        image = _image(raw["curve"], constant["typ"])
        with (folder / data["file"]).open("r+b") as file:
            file.seek(data["offset"])
            file.write((image * (data["nbytes"] // len(image) + 1))[: data["nbytes"]])
    return raw


def _image(curve_name: str, typ: Raw) -> bytes:
    curve = CURVES[curve_name]
    if typ["kind"].startswith("Scalar"):
        return b"".join(number.to_bytes(32, "little") for number in range(1, 14))
    field = curve.base
    x, y = curve.g1
    points = [(x, y), (x, field.modulus - y), (x, y), (x, y), (0, 0)]
    return b"".join(
        (coordinate * field.montgomery_radix % field.modulus).to_bytes(field.bytes, "little")
        for point in points
        for coordinate in point
    )
