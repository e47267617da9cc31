"""Programs of this folder, compiled as the extension is, once for each instruction set."""

import subprocess
from functools import cache
from pathlib import Path

from zkrun.algebra import curves_header

__all__ = ["compiled"]

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "zkrun/devices/cpu/native"
FLAGS = {
    "portable": [],
    "adx": ["-mbmi2", "-madx"],
    "ifma": ["-mbmi2", "-madx", *(f"-mavx512{part}" for part in ("f", "dq", "vl", "bw", "ifma"))],
}


@cache
def compiled(name: str, isa: str, folder: Path, *options: str) -> Path:
    """The program of `name`.cpp, made in `folder`; `options` may name sources of the extension."""
    (folder / "curves.hpp").write_text(curves_header.render(), encoding="utf-8")
    program = folder / f"{name}_{isa}"
    subprocess.run(
        [
            "g++",
            "-std=c++17",
            *FLAGS[isa],
            f"-I{ROOT / 'zkrun/algebra/native'}",
            f"-I{NATIVE}",
            f"-I{folder}",
            str(Path(__file__).with_name(f"{name}.cpp")),
            *(str(NATIVE / option) if option.endswith(".cpp") else option for option in options),
            "-o",
            str(program),
        ],
        check=True,
        capture_output=True,
    )
    return program
