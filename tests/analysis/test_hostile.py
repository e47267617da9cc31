"""Documents that ask for much end soon, in findings or in a valid program.

ZKRUN_HOSTILE says how many instructions each has; 200,000 take some minutes.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgpack
import pytest
from bounds import validated
from hostile_programs import FAMILIES

SIZE = int(os.environ.get("ZKRUN_HOSTILE", "4000"))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_asks_for_much_ends_soon(name: str, tmp_path: Path) -> None:
    validated(msgpack.packb(FAMILIES[name](SIZE)), tmp_path)
