"""NVRTC of the wheel `nvidia-cuda-nvrtc`, called as CuPy calls it, without CuPy and without a GPU.

The functions are those of the module `cupy.cuda.nvrtc` that `sources.build` uses.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

Program = ctypes.c_void_p
Text = ctypes.c_char_p


class NVRTCError(RuntimeError):
    """What NVRTC says of a call that failed."""


def createProgram(  # noqa: N802  # CuPy's name
    source: str, name: str, headers: Sequence[bytes], names: Sequence[bytes]
) -> Program:
    program = Program()
    count = len(headers)
    arrays = ((Text * count)(*headers), (Text * count)(*names))
    _call("CreateProgram", ctypes.byref(program), source.encode(), name.encode(), count, *arrays)
    return program


def addNameExpression(program: Program, expression: str) -> None:  # noqa: N802  # CuPy's name
    _call("AddNameExpression", program, expression.encode())


def compileProgram(program: Program, options: Sequence[str]) -> None:  # noqa: N802  # CuPy's name
    texts = (Text * len(options))(*(option.encode() for option in options))
    _call("CompileProgram", program, len(options), texts)


def getProgramLog(program: Program) -> str:  # noqa: N802  # CuPy's name
    return _content("ProgramLog", program).rstrip(b"\0").decode()


def getCUBIN(program: Program) -> bytes:  # noqa: N802  # CuPy's name
    return _content("CUBIN", program)


def getLoweredName(program: Program, expression: str) -> str:  # noqa: N802  # CuPy's name
    lowered = Text()
    _call("GetLoweredName", program, expression.encode(), ctypes.byref(lowered))
    assert lowered.value is not None
    return lowered.value.decode()


def destroyProgram(program: Program) -> None:  # noqa: N802  # CuPy's name
    _call("DestroyProgram", ctypes.byref(program))


def _content(what: str, program: Program) -> bytes:
    size = ctypes.c_size_t()
    _call(f"Get{what}Size", program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    _call(f"Get{what}", program, buffer)
    return buffer.raw


def _call(name: str, *arguments: object) -> None:
    library = _library()
    status = getattr(library, f"nvrtc{name}")(*arguments)
    if status:
        library.nvrtcGetErrorString.restype = Text
        raise NVRTCError(f"{name}: {library.nvrtcGetErrorString(status).decode()}")


@cache
def _library() -> ctypes.CDLL:
    found = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (found and found.submodule_search_locations) or ()]
    libraries = [path for folder in folders for path in folder.glob("*/lib/libnvrtc.so.*")]
    assert libraries, "NVRTC is not installed: pip install nvidia-cuda-nvrtc"
    return ctypes.CDLL(str(max(libraries, key=_version)))


def _version(library: Path) -> list[int]:
    return [int(part) for part in library.name.removeprefix("libnvrtc.so.").split(".")]
