"""Files that are read up to a bound, and written whole or not at all."""

import errno
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from zkrun.errors import ResourceLimit, RunFailed, ZkrunError

__all__ = ["check_writable", "is_full", "read_bounded", "write_whole"]

_PIECE = 16 << 20


def read_bounded(path: Path, most: int) -> bytearray:
    """The bytes of a file, or of standard input for `-`; of a longer one `most` and one more.

    Pipes and devices are read as files are. Raises OSError.
    """
    payload = bytearray()
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
        while piece := file.read(min(most + 1 - len(payload), _PIECE)):
            payload += piece
    return payload


def write_whole(path: Path, payload: bytes) -> None:
    """Writes a temporary file beside `path`, then renames it.

    A file that is there keeps its permissions. What is no regular file (a pipe, a device) is
    written to directly, for there is nothing to rename over. Raises ResourceLimit where the disk
    is full, and RunFailed where the file cannot be written for another reason.
    """
    try:
        if _is_stream(path):
            with path.open("ab") as file:
                file.write(payload)
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with os.fdopen(handle, "wb") as file:
                if path.exists():  # before anything can be read
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                file.write(payload)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go in a circle
        raise _refusal(path, error) from error


def check_writable(path: Path) -> None:
    """Raises what `write_whole` would, as far as it can be known; writes nothing."""
    try:
        place = path
        if path.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_stream(path):
            path = path.resolve()
            place = next(parent for parent in path.parents if parent.exists())
            if not place.is_dir():
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        needed = os.W_OK | os.X_OK if place.is_dir() else os.W_OK
        if not os.access(place, needed):
            read_only = os.statvfs(place).f_flag & os.ST_RDONLY
            reason = errno.EROFS if read_only else errno.EACCES
            raise OSError(reason, os.strerror(reason))
    except (OSError, RuntimeError) as error:
        raise _refusal(path, error) from error


def is_full(error: OSError) -> bool:
    """Whether it says that the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_stream(path: Path) -> bool:
    """Whether it is no regular file, or the name of an open one, which a rename would not reach."""
    if str(path) in ("/dev/stdout", "/dev/stderr"):
        return True
    if path.is_relative_to("/dev/fd") or path.is_relative_to("/proc"):
        return True
    return path.exists() and not path.is_file()


def _refusal(path: Path, error: OSError | RuntimeError) -> ZkrunError:
    if not isinstance(error, OSError):
        return RunFailed(f"cannot write {path}: {os.strerror(errno.ELOOP)}")
    kind = ResourceLimit if is_full(error) else RunFailed
    return kind(f"cannot write {path}: {error.strerror}")
