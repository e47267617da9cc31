"""A temporary file without a name: nothing of it is left however the process ends."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path

from zkrun.devices.account import bytes_text
from zkrun.errors import ResourceLimit, RunFailed

__all__ = ["ScratchFile", "read_into", "write_from"]

_PUNCH_HOLE = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_MOST = 64 << 20  # bytes of one call to the system, between two looks at whether the run goes on


class ScratchFile:
    """The file descriptor of a fresh, empty, unnamed file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.fd = _open_unnamed(folder)
        except OSError as error:
            raise RunFailed(f"disk: no file can be made in {folder}: {error.strerror}") from None

    def reserve(self, offset: int, nbytes: int) -> None:
        """Sets space aside, so that later writes find it. ResourceLimit where there is none."""
        if nbytes > (free := self.space()):
            raise ResourceLimit(
                f"disk: {bytes_text(nbytes)} more do not fit into {self.folder}, "
                f"where {bytes_text(free)} are free; give the run another folder for its files"
            )
        try:
            os.posix_fallocate(self.fd, offset, nbytes)
        except OSError as error:
            self.release(offset, nbytes)  # a failure may leave part of it set aside
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ResourceLimit(
                    f"disk: {bytes_text(nbytes)} more do not fit into {self.folder}: "
                    f"{error.strerror}"
                ) from None
            raise RunFailed(f"disk: {self.folder}: {error.strerror}") from None

    def release(self, offset: int, nbytes: int) -> None:
        """Gives the space of a range back to the file system, where it can do that."""
        _libc.fallocate(self.fd, _PUNCH_HOLE, ctypes.c_long(offset), ctypes.c_long(nbytes))

    def space(self) -> int:
        """Bytes that are free in the file system."""
        stat = os.fstatvfs(self.fd)
        return stat.f_bavail * stat.f_frsize

    def close(self) -> None:
        os.close(self.fd)


_libc = ctypes.CDLL(None, use_errno=True)


def _open_unnamed(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(folder, flags | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    fd, name = tempfile.mkstemp(prefix="zkrun-", dir=folder)  # a file system without O_TMPFILE
    Path(name).unlink()
    return fd


def read_into(fd: int, target: memoryview, position: int) -> int:
    """Fills some of `target` from `position` of a file; returns how many bytes, at least one."""
    try:
        count = os.preadv(fd, [target[:_MOST]], position)
    except OSError as error:
        raise RunFailed(f"disk: reading failed: {error.strerror}") from None
    if not count:
        raise RunFailed("disk: a file ended early: was it changed during the run?")
    return count


def write_from(fd: int, source: memoryview, position: int) -> int:
    """Writes some of `source` at `position` of a file; returns how many bytes, at least one."""
    try:
        return os.pwrite(fd, source[:_MOST], position)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceLimit("disk: no space is left") from None
        raise RunFailed(f"disk: writing failed: {error.strerror}") from None
