"""Expressions against Python's own arithmetic, and the code words against what they mean."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkrun.algebra.curves import BLS12_381, BN254
from zkrun.program.calls import resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.expr import MAX_TEXT, ExpressionError, compile_expr, parse
from zkrun.program.types import Scalar, ScalarArray

R = BN254.r
RADIX = 2**256
SCALARS = st.sampled_from([0, 1, 2, R - 1]) | st.integers(0, R - 1)

TEXTS = st.recursive(
    st.sampled_from(["x0", "x1", "x2", "0", "1", "2", "3", "0x10", str(R - 1)]),
    lambda inner: (
        st.builds(
            lambda a, sign, b: f"{a}{sign}{b}", inner, st.sampled_from(["+", "-", " * "]), inner
        )
        | st.builds(lambda a: f"({a})", inner)
        | st.builds(lambda a: f"-{a}", inner)
        | st.builds(lambda a, e: f"({a})^{e}", inner, st.integers(0, 5))
    ),
    max_leaves=12,
)


def by_python(text: str, inputs: Sequence[int]) -> int:
    """The same expression read by Python, whose precedence of -, ^ and * is the same with **."""
    names = {f"x{index}": value for index, value in enumerate(inputs)}
    value: int = eval(text.replace("^", "**"), {"__builtins__": {}}, names)
    return value % R


def run(code: bytes, inputs: Sequence[int]) -> list[int]:
    """One element through the code words, as their reference in graph.py reads."""
    words = struct.unpack(f"<{len(code) // 4}I", code)
    n_outs, n_ins, n_consts, n_ops, n_regs = words[:5]
    assert n_ins == len(inputs)
    at = 5 + (n_ins + 31) // 32
    constants = []
    for _ in range(n_consts):
        limbs = words[at : at + 8]
        constants.append(sum(limb << (32 * i) for i, limb in enumerate(limbs)) * pow(RADIX, -1, R))
        at += 8
    registers: list[int | None] = [None] * n_regs
    outputs: list[int | None] = [None] * n_outs
    sources = (registers, inputs, constants)
    for _ in range(n_ops):
        opcode, target, *operands = words[at : at + 4]
        at += 4
        a, b = (sources[word >> 30][word & (2**30 - 1)] for word in operands)
        assert a is not None, "a register is read before it is written"
        assert b is not None, "a register is read before it is written"
        value = (a + b, a - b, a * b, a * a, -a, 2 * a, a)[opcode] % R
        (registers, outputs)[target >> 30][target & (2**30 - 1)] = value
    assert at == len(words)
    return [value for value in outputs if value is not None]


def compiled(text: str, n_outs: int, n_ins: int) -> bytes:
    entry = FunctionEntry(name="fused_arith", params={"expr": text})
    call, problems = resolve_call(entry, BN254, [ScalarArray(4)] * n_outs, [ScalarArray(4)] * n_ins)
    assert call is not None, problems
    return compile_expr(call)


@given(st.lists(TEXTS, min_size=1, max_size=3), SCALARS, SCALARS, SCALARS)
def test_graph_and_code_mean_what_python_means(texts: list[str], a: int, b: int, c: int) -> None:
    inputs = [a, b, c]
    text = "; ".join(f"y{index} = {one}" for index, one in enumerate(texts)) + "\n;unused = x2"
    expected = [by_python(one, inputs) for one in texts]
    graph = parse(text, R)
    assert graph.inputs == 3
    assert graph.evaluate(inputs) == expected
    assert run(compiled(text, len(texts), 3), inputs) == expected


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"),
    [
        ("y0 = x0*x1 + 3*x2; y1 = -x0^2", [2, 5, 7], [31, R - 4]),
        ("y0 = -x0^2", [3], [R - 9]),
        ("y0 = (-x0)^2", [3], [9]),
        ("y0 = x0 - x1 - x2", [1, 2, 4], [R - 5]),
        ("y0 = 2 - 3*4", [], [R - 10]),
        ("y0 = 2*-x0", [3], [R - 6]),
        ("y0 = --x0", [3], [3]),
        ("y0 = x0^0", [0], [1]),
        ("y0 = 7" + " \t" * 30_000, [], [7]),
        ("y0 = x0^18446744073709551615", [5], [pow(5, 2**64 - 1, R)]),
        ("t = x0 + 1\ny1 = t*t\n\ny0 = y1 - t", [1], [2, 4]),
        ("y0=x0;y1=x0;y2=7;", [9], [9, 9, 7]),
        ("y0 = x0; y1 = y0 + y0", [9], [9, 18]),
        ("y0 = x0 - x0", [9], [0]),
        ("y0 = " + "(" * 20_000 + "x0" + ")" * 20_000, [9], [9]),
        ("y0 = " + "-" * 60_001 + "x0", [1], [R - 1]),
        ("y0 = " + "+".join(["x0*x1"] * 1000), [3, 5], [15_000]),
    ],
)
def test_values(text: str, inputs: list[int], outputs: list[int]) -> None:
    graph = parse(text, R)
    assert graph.evaluate(inputs) == outputs
    assert run(compiled(text, len(outputs), graph.inputs), inputs) == outputs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no output is assigned"),
        ("t = x0", "no output is assigned"),
        ("y1 = x0", "y0 is not"),
        ("y0", "expected \"name = …\", found 'the end' at character 2"),
        ("3 = x0", 'expected "name = …"'),
        ("y0 = ", "a value is missing before 'the end'"),
        ("y0 = x0 +", "a value is missing"),
        ("y0 = * x0", "a value is missing"),
        ("y0 = x0 x1", "unexpected 'x1' at character 8"),
        ("y0 = x0 = x1", "unexpected '='"),
        ("y0 = (x0", '")" is missing'),
        ("y0 = x0)", '")" without "("'),
        ("y0 = ()", "a value is missing"),
        ("y0 = x0**2", "missing before '*' at character 8: a power is written with \"^\""),
        ("y0 = x0^x1", "the exponent at character 8 must be"),
        ("y0 = x0^-1", "exponent"),
        ("y0 = x0^18446744073709551616", "64 bits"),
        ("y0 = x0 / x1", "unexpected '/' at character 8"),
        ("y0 = x٣", "unexpected"),
        ("y0 = t", "t at character 5 is not assigned before"),
        ("y0 = y0", "not assigned before"),
        ("x0 = 1", "is an input"),
        ("y0 = 1; y0 = 2", "assigned twice"),
        ("y0 = x10000", "not assigned before"),
        ("y0 = x01", "not assigned before"),
        (f"y0 = {R}", "not below the modulus"),
        ("y0 = " + "9" * 30_000, "not below the modulus"),
        ("y0 = 1.5", "unexpected '.'"),
        ("y0 = x0^2^3", "write parentheses"),
        ("y0 = " + "(" * 6000 + "x0" + "^2)" * 6000, "more operations"),
        ("y0 = " + "*".join(f"x{i}" for i in range(9999)), "more operations"),
        ("y0 = 1" + " " * MAX_TEXT, "longer than"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, R)
    assert message in str(caught.value)


@given(st.text(st.sampled_from("xy01 +-*^()=;\n,t"), max_size=30))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        graph = parse(text, R)
    except ExpressionError:
        return
    assert len(graph.evaluate([1] * graph.inputs)) == len(graph.outputs)


def test_equal_subexpressions_are_one_and_unused_ones_are_none() -> None:
    graph = parse("t = x0*x1; y0 = t + x1*x0; unused = x0^9", R)
    assert graph.multiplications == 1
    assert parse("y0 = (x0 + x1)^2 * 1 + 0", R).multiplications == 1


def test_constants_are_in_the_field_of_the_curve() -> None:
    parse(f"y0 = {R}", BLS12_381.r)


def test_code_marks_scalars() -> None:
    text = "y0 = " + " + ".join(f"x{i}" for i in range(34))
    types = [Scalar() if i in (1, 33) else ScalarArray(2) for i in range(34)]
    entry = FunctionEntry(name="fused_arith", params={"expr": text})
    call, _ = resolve_call(entry, BN254, [ScalarArray(2)], types)
    assert call is not None
    code = compile_expr(call)
    assert struct.unpack_from("<7I", code)[5:] == (1 << 1, 1 << 1)
    assert run(code, list(range(34))) == [33 * 17]


def test_inputs_behind_the_last_one_named_take_no_room() -> None:
    """The kernels hold a piece of each input of the code, and a call may give a million more."""
    assert compiled("y0 = x1", 1, 40) == compiled("y0 = x1", 1, 2)
