"""The constants of a program, placed on their devices before the run.

Data in Montgomery form in a file is mapped (on the disk device: used where it lies), never
converted and never copied on the host: a structured reference string of many GB costs nothing until
it is used, and its contents are trusted.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from zkrun.algebra.curves import Curve
from zkrun.devices.base import Data, Device
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.disk.device import DiskDevice
from zkrun.devices.host import address_of
from zkrun.devices.mapped import MappedFile
from zkrun.devices.pages import locked
from zkrun.errors import InvalidProgram
from zkrun.program.constants import BadFile, BadValue, resolve_file
from zkrun.program.document import Bytes, Constant, File, Program, Values
from zkrun.runtime.images import from_canonical, parse
from zkrun.runtime.views import whole

__all__ = ["LoadedConstant", "close_constants", "load_constants", "place"]

_LIMB = 8  # data at other offsets of a file is copied rather than mapped


@dataclass(slots=True, eq=False)
class LoadedConstant:
    """The data of a constant in memory form: a buffer, or a mapped range of an open file."""

    constant: Constant
    payload: bytearray | memoryview
    address: int
    file: MappedFile | None = None
    fd: int | None = None
    offset: int = 0

    def close(self) -> None:
        """Idempotent. Where an exception's frames still hold pieces of a mapping, it goes when they
        go."""
        if isinstance(self.payload, memoryview):
            self.payload.release()
        else:
            locked.unlock(self.address, len(self.payload))
            self.payload = bytearray()
        file, self.file = self.file, None
        if file is not None:
            locked.unlock(file.address, file.nbytes)
            with contextlib.suppress(BufferError):
                file.mapping.close()
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def load_constants(program: Program) -> list[LoadedConstant]:
    """All constants of a valid program on the host.

    The analysis has looked at their data already; InvalidProgram where a file has changed since.
    """
    loaded: list[LoadedConstant] = []
    try:
        for index, constant in enumerate(program.constants):
            try:
                loaded.append(_load(constant, program.curve_record, program.folder or Path()))
            except BadValue as error:
                place = f"element {error.path[1:]} of its data, " if error.path else ""
                message = f"constant {constant.name!r}: {place}{error.message}"
                raise InvalidProgram(f"{message} (at /constants/{index}/data)") from error
            except (BadFile, OSError, ValueError) as error:
                raise InvalidProgram(
                    f"constant {constant.name!r}: {error} (at /constants/{index}/data)"
                ) from error
    except BaseException:
        close_constants(loaded)
        raise
    return loaded


def close_constants(loaded: list[LoadedConstant]) -> None:
    """Closes files and mappings. No Data placed from them may be used any more."""
    for one in loaded:
        one.close()


def place(loaded: LoadedConstant, device: Device, curve: Curve) -> Data:
    """The constant on its device; on the CPU and the disk where it lies, wherever that can be."""
    typ, nbytes = loaded.constant.typ, len(loaded.payload)
    if isinstance(device, CpuDevice):
        if loaded.file is None:
            device.account.take(nbytes)
        else:
            loaded.file.count_in(device.account)
        owner = loaded.file or loaded.payload
        return whole(typ, curve, device.adopt(loaded.address, nbytes, owner))
    if isinstance(device, DiskDevice) and loaded.fd is not None:
        return whole(typ, curve, device.adopt(loaded.fd, loaded.offset, nbytes))
    data = whole(typ, curve, device.allocate(nbytes, None))
    device.write(data, loaded.payload)
    return data


def _load(constant: Constant, curve: Curve, folder: Path) -> LoadedConstant:
    typ, form = constant.typ, constant.data
    if isinstance(form, File):
        loaded = _map(constant, form, resolve_file(folder, form.file))
        if form.encoding == "montgomery":
            return loaded
        image = bytearray(loaded.payload)
        loaded.close()
    elif isinstance(form, Bytes):
        image = bytearray(form.bytes)
    else:
        image = parse(typ, form.values, curve)
    if isinstance(form, Values) or form.encoding == "canonical":
        problem = from_canonical(typ, image, curve, points=False)
        if problem is not None:
            raise BadValue(f"/{problem.element}", problem.text)
    return LoadedConstant(constant, image, address_of(image))


def _map(constant: Constant, form: File, path: Path) -> LoadedConstant:
    """The range of a file, mapped read-only."""
    with contextlib.ExitStack() as cleanup:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        cleanup.callback(os.close, fd)
        if form.offset + form.nbytes > os.fstat(fd).st_size:
            raise BadFile(f"{form.file} is shorter than it was")
        lead = form.offset % mmap.ALLOCATIONGRANULARITY
        if form.offset % _LIMB or not form.nbytes:
            image = bytearray(form.nbytes)
            if os.preadv(fd, [image], form.offset) != form.nbytes:
                raise BadFile(f"{form.file} cannot be read in one piece")
            return LoadedConstant(constant, image, address_of(image))
        mapping = mmap.mmap(
            fd, form.nbytes + lead, access=mmap.ACCESS_READ, offset=form.offset - lead
        )
        file, payload = MappedFile(mapping, _address(mapping)), memoryview(mapping)[lead:]
        cleanup.pop_all()
        return LoadedConstant(constant, payload, file.address + lead, file, fd, form.offset)


class _PyBuffer(ctypes.Structure):
    """Py_buffer of the C API: how the address of read-only memory is had without NumPy."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def _address(mapping: mmap.mmap) -> int:
    """Where a mapping lies. It stays there until it is closed."""
    buffer = _PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(mapping), ctypes.byref(buffer), 0)
    address = buffer.buf or 0
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address
