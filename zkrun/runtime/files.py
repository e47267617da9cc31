"""Files that are written whole or not at all."""

import os
from pathlib import Path

from zkrun.errors import RunFailed

__all__ = ["write_whole"]


def write_whole(path: Path, payload: bytes) -> None:
    """Writes a temporary file beside `path`, then renames it. RunFailed where that cannot be done.

    A file that is there keeps its permissions. What is no regular file (a pipe, a device) is
    written to directly, for there is nothing to rename over.
    """
    try:
        stream = path.is_relative_to("/dev") or path.is_relative_to("/proc")  # even to a file
        if stream or (path.exists() and not path.is_file()):
            with path.open("ab") as file:
                file.write(payload)
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
                if path.exists():
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunFailed(f"cannot write {path}: {error.strerror}") from error
