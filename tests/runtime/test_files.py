"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from zkrun.runtime.files import write_whole

MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="there is no such folder here")
def test_a_file_in_shared_memory_is_replaced_as_any_other() -> None:
    file = MEMORY / f"zkrun-test-{os.getpid()}.json"
    try:
        write_whole(file, b"one")
        write_whole(file, b"two")
        assert file.read_bytes() == b"two"
    finally:
        file.unlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"one")
    reader.join()
    assert got == [b"one"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_open_descriptor_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        write_whole(Path(f"/dev/fd/{file.fileno()}"), b"one")
        write_whole(Path(f"/proc/self/fd/{file.fileno()}"), b"two")
        assert (tmp_path / "log").read_bytes() == b"onetwo"


def test_a_private_file_is_never_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is the temporary one, at the moment in which it gets its first byte."""
    file, modes = tmp_path / "result.json", list[int]()
    file.touch(0o600)
    real = os.fdopen

    def watched(handle: int, mode: str) -> object:
        opened = real(handle, mode)
        write = opened.write

        class Watched:
            def __enter__(self) -> object:
                return self

            def __exit__(self, *_: object) -> None:
                opened.close()

            def fileno(self) -> int:
                return opened.fileno()

            def write(self, payload: bytes) -> None:
                modes.append(os.fstat(handle).st_mode & 0o777)
                write(payload)

        return Watched()

    monkeypatch.setattr(os, "fdopen", watched)
    write_whole(file, b"secret")
    assert modes == [0o600]
    assert file.read_bytes() == b"secret"
    assert file.stat().st_mode & 0o777 == 0o600
