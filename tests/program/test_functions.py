"""The function table: every call that fits, and what is said of those that do not."""

from typing import Any

import pytest

from zkrun.algebra.curves import BLS12_381, BN254, Curve
from zkrun.program.calls import open_entry, resolve_call
from zkrun.program.document import FunctionEntry
from zkrun.program.functions.group import bucket_multiplications
from zkrun.program.functions.registry import BUILT_IN, names
from zkrun.program.signature import Argument, arguments_of, match
from zkrun.program.types import Point, PointArray, Scalar, ScalarArray, Stream, Transcript, Typ

A = ScalarArray
S = Scalar()
P = PointArray
T = Transcript("blake2b")
ROOT_4 = pow(BN254.scalar.root_of_unity, 1 << 26, BN254.r)

TABLE = """
ntt msm assemble_points poly_add poly_sub poly_mul poly_scale fused_arith batch_invert
scalar_invert scalar_pow evaluate kate_division scan_mul distribute_powers permute interpolate
assemble_poly fill
hash_transcript write_transcript squeeze_scalar
""".split()  # noqa: SIM905  # a table of words is easier to compare with the format's

FITTING: list[tuple[str, dict[str, Any], list[Typ], list[Typ]]] = [
    ("ntt", {}, [A(8)], []),
    ("ntt", {}, [A(1)], [A(0)]),
    ("ntt", {"inverse": True, "coset": "0x7"}, [A(2**28)], [A(2**27)]),
    ("ntt", {"root": str(ROOT_4), "coset": str(BN254.r - 1)}, [A(4)], []),
    ("ntt", {"root": str(pow(ROOT_4, 3, BN254.r))}, [A(4)], []),
    ("ntt", {"root": 1}, [A(1)], []),
    ("ntt", {"root": hex(BN254.r - 1)}, [A(2)], []),
    ("msm", {}, [Point()], [P(4), A(4)]),
    ("msm", {}, [Point()], [P(0), A(0)]),
    ("msm", {"window": 12}, [Point("g2")] * 2, [P(4, "g2"), A(3), A(0)]),
    *((name, {}, [A(4)], [A(4), A(2)]) for name in ("poly_add", "poly_sub")),
    *((name, {}, [A(4)], [A(0), A(4)]) for name in ("poly_add", "poly_sub")),
    ("poly_mul", {}, [A(4)], [A(4), A(4)]),
    ("poly_mul", {}, [A(0)], [A(0), A(0)]),
    ("poly_scale", {}, [A(4)], [A(4), S]),
    ("fused_arith", {"expr": "y0 = x0*x1; y1 = 3"}, [A(4), A(4)], [A(4), S]),
    ("fused_arith", {"expr": "y0 = 1"}, [A(4)], []),
    ("fused_arith", {"expr": "y0 = x0 + x1"}, [S], [S, S]),
    ("fused_arith", {"expr": "y0 = x1"}, [A(4)], [A(4), A(4), S]),
    ("fused_arith", {"expr": "y0 = x0 + x1"}, [A(3)], [S, S]),
    ("batch_invert", {}, [A(3)], []),
    ("scalar_invert", {}, [S], []),
    ("scalar_pow", {"exp": 0}, [S], []),
    ("scalar_pow", {"exp": "9" * 10_000}, [S], []),
    ("evaluate", {}, [S], [A(0), S]),
    ("kate_division", {}, [A(4)], [A(4), S]),
    ("kate_division", {}, [A(0)], [A(0), S]),
    ("scan_mul", {}, [A(4)], [A(4), S]),
    ("scan_mul", {}, [A(4)], [A(3), S]),
    ("scan_mul", {}, [A(0)], [A(0), S]),
    ("distribute_powers", {}, [A(4)], [A(3)]),
    ("distribute_powers", {}, [A(2)], [A(3)]),
    ("distribute_powers", {}, [A(0)], [A(0)]),
    ("permute", {"usable": 3}, [A(4), A(4)], [A(4), A(4)]),
    ("permute", {"usable": 0}, [A(0), A(0)], [A(0), A(0)]),
    ("interpolate", {}, [A(2)], [S] * 4),
    ("interpolate", {}, [A(0)], []),
    ("assemble_poly", {}, [A(3)], [S] * 3),
    ("assemble_poly", {}, [A(0)], []),
    ("assemble_points", {}, [P(2)], [Point()] * 2),
    ("assemble_points", {}, [P(1, "g2")], [Point("g2")]),
    ("assemble_points", {}, [P(0)], []),
    *(("fill", {"value": value}, [A(4)], []) for value in ("zero", "one_lagrange", "one_coef")),
    *(
        (name, {}, [T], [value])
        for name in ("hash_transcript", "write_transcript")
        for value in (S, A(4), Point(), P(2))
    ),
    ("squeeze_scalar", {}, [T, S], []),
]

REFUSED: list[tuple[str, dict[str, Any], list[Typ], list[Typ], str]] = [
    ("nnt", {}, [A(8)], [], 'name: there is no function "nnt"'),
    ("ntt", {}, [A(0)], [], "power of two"),
    ("ntt", {}, [A(6)], [], "power of two of elements, not 6"),
    ("ntt", {}, [A(2**29)], [], "no transform longer than 2^28"),
    ("ntt", {}, [A(8)], [A(8)], "twiddles must have n/2 = 4 elements, not 8"),
    ("ntt", {}, [A(8)], [A(4), A(4)], "[twiddles] as its immutable arguments, not 2"),
    ("ntt", {}, [P(8)], [], "a must be a ScalarArray, not PointArray<g1>[8]"),
    ("ntt", {"coset": 0}, [A(8)], [], "coset is 0"),
    ("ntt", {"coset": "0x0"}, [A(8)], [], "coset is 0"),
    ("ntt", {"coset": str(BN254.r)}, [A(8)], [], "coset is not below the modulus"),
    ("ntt", {"root": "1"}, [A(8)], [], "root is not a primitive 8-th root"),
    ("ntt", {"root": "0"}, [A(1)], [], "root is not a primitive 1-th root"),
    ("ntt", {"root": str(ROOT_4)}, [A(8)], [], "root is not a primitive 8-th root"),
    ("ntt", {"root": str(ROOT_4)}, [A(2)], [], "root is not a primitive 2-th root"),
    ("ntt", {"root": str(BN254.r + 1)}, [A(1)], [], "root is not below the modulus"),
    ("ntt", {"inverse": 1}, [A(8)], [], "params.inverse: a boolean belongs here"),
    ("ntt", {"coset": True}, [A(8)], [], "params.coset: "),
    ("ntt", {"coset": -1}, [A(8)], [], "params.coset: the integer -1 is negative"),
    ("ntt", {"coset": "+1"}, [A(8)], [], "params.coset: "),
    ("ntt", {"coste": 1}, [A(8)], [], 'params.coste: unknown key "coste"'),
    ("msm", {}, [], [P(4)], "msm takes p … as its mutable arguments, not 0"),
    ("msm", {}, [Point()], [P(4)], "msm takes bases, s … as its immutable arguments, not 1"),
    ("msm", {}, [Point()], [P(4), A(1), A(1)], "s stands 2 times, its counterpart 1 times"),
    ("msm", {}, [Point()], [P(4), A(5)], "s[0] has 5 scalars, more than the 4 bases"),
    ("msm", {}, [Point("g2")], [P(4), A(4)], "p[0] is in g2, the bases are in g1"),
    ("msm", {"window": 0}, [Point()], [P(4), A(4)], "params.window: the integer 0 is less than 1"),
    ("poly_add", {}, [A(3)], [A(4), A(2)], "c has 3 elements"),
    ("poly_sub", {}, [A(5)], [A(4), A(2)], "c has 5 elements"),
    ("poly_mul", {}, [A(4)], [A(4), A(3)], "equally long, not 4, 3 and 4"),
    ("poly_mul", {"x": 1}, [A(4)], [A(4), A(4)], "poly_mul takes no parameters"),
    ("poly_scale", {}, [A(4)], [A(3), S], "equally long"),
    ("poly_scale", {}, [A(4)], [A(4), A(1)], "s must be a Scalar, not ScalarArray[1]"),
    ("fused_arith", {}, [A(4)], [], '"expr" is missing'),
    ("fused_arith", {"expr": 1}, [A(4)], [], "params.expr: text belongs here"),
    ("fused_arith", {"expr": "y0 = "}, [A(4)], [], "expr: a value is missing"),
    (
        "fused_arith",
        {"expr": "y0 = x1"},
        [A(4)],
        [A(4)],
        "names 2 inputs x, the call gives 1",
    ),
    ("fused_arith", {"expr": "y0 = 1"}, [A(4), A(4)], [], "assigns 1 outputs y, the call gives 2"),
    ("fused_arith", {"expr": "y0 = x0"}, [A(4)], [A(3)], "equally long, not 3, 4"),
    ("fused_arith", {"expr": "y0 = x0"}, [S], [A(1)], "an output is a Scalar only where"),
    ("fused_arith", {"expr": "y0 = x0"}, [], [A(1)], "y … as its mutable arguments, not 0"),
    ("scalar_invert", {}, [A(1)], [], "s must be a Scalar"),
    ("scalar_pow", {}, [S], [], '"exp" is missing'),
    ("scalar_pow", {"exp": -1}, [S], [], "params.exp: the integer -1 is negative"),
    ("scalar_pow", {"exp": "-1"}, [S], [], "params.exp: "),
    ("scalar_pow", {"exp": 2**64}, [S], [], "more than 64 bits"),
    ("kate_division", {}, [A(3)], [A(4), S], "q must be as long as p (4), not 3"),
    ("scan_mul", {}, [A(4)], [A(2), S], "a must be as long as z (4) or one shorter, not 2"),
    ("scan_mul", {}, [A(4)], [A(5), S], "not 5"),
    ("distribute_powers", {}, [A(1)], [A(0)], "powers is empty"),
    ("permute", {"usable": 4}, [A(4), A(4)], [A(4), A(3)], "t has 3 rows, fewer than the 4"),
    ("permute", {"usable": "4"}, [A(4)] * 2, [A(4)] * 2, "an integer belongs here"),
    ("permute", {}, [A(4)] * 2, [A(4)] * 2, '"usable" is missing'),
    ("interpolate", {}, [A(2)], [S] * 3, "[x …], [y …] as its immutable arguments, not 3"),
    ("interpolate", {}, [A(3)], [S] * 4, "one element for each x (2), not 3"),
    ("assemble_poly", {}, [A(3)], [S] * 4, "one element for each scalar (4), not 3"),
    ("assemble_points", {}, [P(3)], [Point()] * 2, "one element for each point (2), not 3"),
    ("assemble_points", {}, [P(1)], [Point("g2")], "p[0] is in g2, a is in g1"),
    ("assemble_points", {}, [P(1)], [S], "p must be a Point"),
    ("fill", {"value": "one"}, [A(4)], [], "params.value: must be"),
    ("fill", {"value": None}, [A(4)], [], "params.value: must be"),
    ("hash_transcript", {}, [S], [S], "t must be a Transcript, not Scalar"),
    ("write_transcript", {}, [T], [T], "value must be a Scalar or Point"),
    ("squeeze_scalar", {}, [T], [], "t, s as its mutable arguments, not 1"),
    ("evaluate", {}, [S], [A(1), S, Stream()], "a, x as its immutable arguments, not 3"),
]


def resolved(name: str, params: dict[str, Any], mutable: Any, immutable: Any) -> Any:
    return resolve_call(FunctionEntry(name=name, params=params), BN254, mutable, immutable)


def test_the_table_is_that_of_the_format() -> None:
    assert sorted(BUILT_IN) == sorted(TABLE)
    assert list(names())[: len(BUILT_IN)] == list(BUILT_IN)


@pytest.mark.parametrize(("name", "params", "mutable", "immutable"), FITTING)
def test_fitting_calls(name: str, params: Any, mutable: Any, immutable: Any) -> None:
    call, problems = resolved(name, params, mutable, immutable)
    assert problems == []
    assert call.signature is BUILT_IN[name]
    cost = call.signature.cost(call)
    assert cost.multiplications >= 0
    assert cost.bytes >= 0
    for argument, typ in zip(sum(arguments_of(call), ()), (*mutable, *immutable), strict=True):
        assert typ.kind in argument.kinds
    if call.signature.touched:
        touched = call.signature.touched(call)
        wholes = [getattr(typ, "len", 1) for typ in (*mutable, *immutable)]
        assert all(0 <= some <= whole for some, whole in zip(touched, wholes, strict=True))


@pytest.mark.parametrize(("name", "params", "mutable", "immutable", "problem"), REFUSED)
def test_refused_calls(name: str, params: Any, mutable: Any, immutable: Any, problem: str) -> None:
    call, problems = resolved(name, params, mutable, immutable)
    assert call is None
    assert any(problem in text for text in problems), problems


def test_every_function_has_a_fitting_and_a_refused_call() -> None:
    assert {name for name, *_ in FITTING} == set(TABLE)
    never_refused = {"batch_invert"}  # its kinds are those of ntt
    assert {name for name, *_ in REFUSED} >= set(TABLE) - never_refused


@pytest.mark.parametrize("curve", [BN254, BLS12_381])
def test_the_longest_transform_is_the_fields(curve: Curve) -> None:
    entry = FunctionEntry(name="ntt")
    longest = 1 << curve.scalar.two_adicity
    assert resolve_call(entry, curve, [A(longest)], [])[0] is not None
    assert resolve_call(entry, curve, [A(2 * longest)], [])[0] is None


def test_an_entry_says_where_its_parameters_are_wrong() -> None:
    opened = open_entry(FunctionEntry(name="ntt", params={"coset": [], "rot": 1}), BN254)
    assert [(one.path, one.help) for one in opened.problems] == [
        ("/params/coset", None),
        ("/params/rot", 'did you mean "root"?'),
    ]
    (unknown,) = open_entry(FunctionEntry(name="poly_ad"), BN254).problems
    assert (unknown.path, unknown.help) == ("/name", 'did you mean "poly_add"?')
    assert (
        open_entry(FunctionEntry(name="scalar_pow", params={"exp": "0xff"}), BN254).params.exp
        == 255
    )


def test_arguments_are_matched_to_operands() -> None:
    one, two = Argument("a", ("Scalar",)), Argument("b", ("Scalar",), repeat="optional")
    some = Argument("c", ("Scalar",), repeat="some")
    any_ = Argument("d", ("Scalar",), repeat="any", group="g")
    other = Argument("e", ("Scalar",), repeat="any", group="g")
    assert match((one, two), 1) == (one,)
    assert match((one, two), 2) == (one, two)
    assert match((one, two), 0) is match((one, two), 3) is None
    assert match((one, some), 3) == (one, some, some)
    assert match((one, some), 1) is match((one, some), 0) is None
    assert match((any_, other), 4) == (any_, any_, other, other)
    assert match((any_, other), 0) == ()
    assert match((any_, other), 3) is None


@pytest.mark.parametrize(
    ("name", "params", "mutable", "immutable", "multiplications", "elements"),
    [
        ("ntt", {}, [A(8)], [], 12, 16),
        ("ntt", {"inverse": True}, [A(8)], [A(4)], 20, 20),
        ("ntt", {"coset": 3}, [A(8)], [], 20, 16),
        ("poly_add", {}, [A(4)], [A(4), A(2)], 0, 10),
        ("poly_mul", {}, [A(4)], [A(4), A(4)], 4, 12),
        ("poly_scale", {}, [A(4)], [A(4), S], 4, 9),
        ("fused_arith", {"expr": "y0 = x0*x1^2"}, [A(4)], [A(4), S], 8, 9),
        ("batch_invert", {}, [A(4)], [], 12, 8),
        ("scalar_pow", {"exp": 10}, [S], [], 4, 2),
        ("evaluate", {}, [S], [A(4), S], 4, 6),
        ("scan_mul", {}, [A(4)], [A(4), S], 3, 8),
        ("distribute_powers", {}, [A(2)], [A(9)], 2, 6),
        ("permute", {"usable": 3}, [A(4)] * 2, [A(5)] * 2, 0, 12),
        ("squeeze_scalar", {}, [T, S], [], 0, 1),
    ],
)
def test_costs(
    name: str, params: Any, mutable: Any, immutable: Any, multiplications: int, elements: int
) -> None:
    call, _ = resolved(name, params, mutable, immutable)
    cost = call.signature.cost(call)
    assert (cost.multiplications, cost.bytes) == (multiplications, 32 * elements)


def test_the_cost_of_an_msm_is_of_the_bases_it_needs() -> None:
    call, _ = resolved("msm", {}, [Point(), Point()], [P(100), A(10), A(7)])
    expected = bucket_multiplications(10, 254) + bucket_multiplications(7, 254)
    assert call.signature.cost(call).multiplications == expected
    assert call.signature.cost(call).bytes == 2 * 64 + 10 * 64 + 17 * 32
    assert bucket_multiplications(0, 254) == 0


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ntt", {"coset": 0}, "coset is 0"),
        ("ntt", {"coset": str(BN254.r)}, "coset is not below the modulus"),
        ("ntt", {"root": str(BN254.r + 1)}, "root is not below the modulus"),
        ("fused_arith", {"expr": "y0 ="}, "a value is missing"),
    ],
)
def test_parameters_are_checked_where_nothing_calls(name: str, params: Any, message: str) -> None:
    (problem,) = open_entry(FunctionEntry(name=name, params=params), BN254).problems
    assert problem.path == "/params"
    assert message in problem.message


def test_what_is_wrong_with_one_entry_is_not_remembered_of_an_equal_looking_one() -> None:
    """In Python True equals 1, and entries are what calls are remembered by."""
    types = [ScalarArray(4)]
    wrong = FunctionEntry(name="ntt", params={"inverse": 1})
    right = FunctionEntry(name="ntt", params={"inverse": True})
    assert wrong != right
    assert resolve_call(wrong, BN254, types, [])[0] is None
    assert resolve_call(right, BN254, types, [])[0] is not None
