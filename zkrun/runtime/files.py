"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from zkrun.errors import RunFailed

__all__ = ["write_whole"]


def write_whole(path: Path, payload: bytes) -> None:
    """Writes a temporary file beside `path`, then renames it. RunFailed where that cannot be done.

    The file gets the permissions of any new file (a temporary file alone would be private); a file
    that is there keeps its own.
    """
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to rename over
            path.write_bytes(payload)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
                os.fchmod(file.fileno(), _mode(path))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise RunFailed(f"cannot write {path}: {error.strerror}") from error


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
