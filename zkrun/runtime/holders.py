"""Who holds the memory of a device: said where none is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zkrun.devices.account import bytes_text
from zkrun.devices.base import Block, Data, Value

if TYPE_CHECKING:
    from zkrun.runtime.linker import Linker

__all__ = ["holders"]

_NAMED = 5
_WORTH_A_WORD = 1 << 20  # bytes beside the program's own


def holders(linker: Linker, device: str) -> str:
    """`held: a 1.00 GiB, the arena 512.00 MiB, …`: the largest first; nothing where nobody does."""
    program = linker.program
    found: list[tuple[int, str]] = []
    if device in program.memory:
        found.append((program.memory[device], "the arena"))
    seen = set[int]()
    for name, block in _blocks(linker):
        if block.device.name == device and not block.arena and id(block) not in seen:
            seen.add(id(block))
            found.append((block.nbytes, name))
    rest = linker.device(device).account.current - sum(nbytes for nbytes, _ in found)
    if rest >= _WORTH_A_WORD:
        found.append((rest, "the workspace of functions"))
    found.sort(key=lambda holder: holder[0], reverse=True)
    texts = [f"{name} {bytes_text(nbytes)}" for nbytes, name in found if nbytes]
    if len(texts) > _NAMED:
        texts[_NAMED:] = [f"and {len(texts) - _NAMED} more"]
    return f"held: {', '.join(texts)}" if texts else ""


def _blocks(linker: Linker) -> Iterator[tuple[str, Block]]:
    """All memory that variables, constants and inputs refer to, with a name for it."""
    slots, program = list(linker.run.slots), linker.program
    for variable, slot in linker.variables():
        name = program.variables.get(str(variable), f"variable {variable}")
        for block in _of(slots[slot]):
            yield name, block
    for constant, data in zip(program.constants, linker.constants, strict=True):
        yield f"constant {constant.name}", data.block
    for entry, data in zip(program.inputs, linker.inputs, strict=True):
        yield f"input {entry.name}", data.block


def _of(value: Value) -> Iterator[Block]:
    if isinstance(value, Data):
        yield value.block
    elif isinstance(value, tuple):
        for item in value:
            yield from _of(item)
