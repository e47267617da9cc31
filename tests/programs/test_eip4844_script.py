"""The script of the EIP-4844 programs, as a process."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "eip4844.py"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"typ": 1, "values": 2}',
        b'{"typ": {"kind": "Scalar"}, "values": "0x2"}',
        b'{"typ": {"kind": "Point"}, "values": ["0x1"]}',
        b'{"typ": {"kind": "Point"}, "values": [1, 2]}',
        b'{"typ": {"kind": "Point"}, "values": ["0x%s", "0x1"]}' % (b"f" * 200),
        b'{"typ": {"kind": "Tuple"}, "values": [null]}',
    ],
)
def test_what_is_no_result_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    command = [sys.executable, str(SCRIPT), "show", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"eip4844: {path} is not a result of these programs: `zkrun exec --output` writes one\n"
    )
