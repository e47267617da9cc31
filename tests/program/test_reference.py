"""The reference is what the definitions say."""

from pathlib import Path

from zkrun.program.functions.registry import BUILT_IN
from zkrun.program.instructions import OPS, operands
from zkrun.program.reference import SECTIONS, functions, instructions, refreshed, types
from zkrun.program.types import KINDS

README = Path(__file__).parents[2] / "programs" / "README.md"


def test_the_reference_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    for name in SECTIONS:
        assert f"<!-- begin generated: {name} -->" in text
    assert refreshed(text) == text, (
        "write it anew: python -m zkrun.program.reference programs/README.md"
    )


def test_sections_are_written_between_their_markers_and_nowhere_else() -> None:
    text = "a\n<!-- begin generated: types -->\nold\n<!-- end generated: types -->\nb\n"
    new = refreshed(text)
    assert new.startswith("a\n<!-- begin generated: types -->\n\n| kind")
    assert new.endswith("\n\n<!-- end generated: types -->\nb\n")
    assert "old" not in new
    assert refreshed(new) == new


def test_everything_is_in_it() -> None:
    assert all(f"| `{name}` |" in instructions() for name in OPS)
    assert all(f"| `{name}` |" in types() for name in KINDS)
    assert all(f"### `{name}`" in functions() for name in BUILT_IN)


def test_every_operand_is_marked_that_names_a_variable() -> None:
    marked = {name for cls in OPS.values() for name, _ in operands(cls)}
    plain = {"op", "track", "source", "device", "typ", "offset", "src_device", "dst_device"}
    plain |= {"slave", "instructions", "shift", "start", "end", "len", "idx", "msg", "label"}
    for cls in OPS.values():
        for name in cls.__dataclass_fields__:
            assert (name in marked) != (name in plain), (cls.__name__, name)
