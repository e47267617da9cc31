"""Graphs as documents: nothing is lost, and no document gets further than a diagnostic."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import msgpack
import pytest
from graphs import random_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkrun.compiler import Coefficients, Lagrange, Point, PointArray, Proof, Scalar, permute
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.codec import decode, encode, load_graph, save_graph, to_raw
from zkrun.compiler.type2.document import OPERATIONS
from zkrun.compiler.type2.graph import Builder, Graph
from zkrun.errors import InvalidProgram, UsageError
from zkrun.program.diagnostic import Diagnostic

FORMS = ("json", "msgpack")


def example() -> Graph:
    """A graph with every operation, every kind of type and every form of data."""
    proof = Proof("bn254", name="all of it")
    f = proof.input("f", Coefficients(4))
    g = proof.input("g", Lagrange(4, coset=2**200))
    x = proof.input("x", Scalar())
    p = proof.input("p", Point("g2"))
    srs = proof.constant("srs", PointArray(4), file="srs.bin", offset=8, sha256="0" * 64)
    c = proof.constant("c", Scalar(), values=2**200)
    d = proof.constant("d", Lagrange(4), data=bytes(range(128)), encoding="canonical")
    t = proof.transcript("keccak256")
    t.absorb(x)
    y = t.squeeze("y")
    h = (-g + g.rotate(-1) * c - 5) ** 3 / g
    h = h.blind(1, 3).as_lagrange(7).to_coefficients()[1:3].padded(8).named("h")
    low, high = permute(d, d, 4)
    added = proof.call("poly_add", None, [f, f], [f.typ])
    packed = proof.call("ntt", {"inverse": True, "root": proof.root_of_unity(4)}, [low])
    return proof.graph((t, [srs[:2].commit(h[0:2]), (h[0], y)], high, p, added, packed, f(y)))


def fused() -> Graph:
    builder = Builder("bls12_381")
    builder.inputs["x"] = Scalar()
    x = builder.add(op.Input("x"), device="cpu")
    y = builder.add(op.Fused("y0 = x0^2; y1 = 3*x0", 2), [x], source="a.py:3", device="gpu:0")
    return builder.graph((y, y._replace(output=1)))


def test_the_examples_hold_every_operation() -> None:
    vertices = (*example().vertices, *fused().vertices)
    assert {type(vertex.operation).__name__ for vertex in vertices} == set(OPERATIONS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("graph", [example(), fused()], ids=["example", "fused"])
def test_nothing_is_lost(graph: Graph, form: Any) -> None:
    again = decode(encode(graph, form), Path("here"))
    assert again == graph
    assert repr(again.vertices) == repr(graph.vertices)  # True is not 1
    assert (list(again.inputs), list(again.constants)) == (
        list(graph.inputs),
        list(graph.constants),
    )
    assert again.folder == Path("here")
    assert encode(again, form) == encode(graph, form)


@settings(suppress_health_check=list(HealthCheck))
@given(graph=random_graph())
def test_nothing_is_lost_of_any_graph(graph: Graph) -> None:
    for form in FORMS:
        assert decode(encode(graph, form)) == graph  # type: ignore[arg-type]  # one of FORMS


def test_a_document_as_people_write_it() -> None:
    proof = Proof("bn254", name="square")
    x = proof.input("x", Scalar())
    raw = to_raw(proof.graph(x * x))
    for vertex in raw["vertices"]:
        del vertex["source"]
    assert raw == {
        "format": "zkrun-graph",
        "version": 1,
        "name": "square",
        "curve": "bn254",
        "inputs": [{"name": "x", "typ": {"kind": "Scalar"}}],
        "vertices": [
            {"op": "Input", "entry": "x", "label": "x"},
            {"op": "Multiply", "operands": [0, 0]},
        ],
        "result": 1,
    }
    del raw["vertices"][0]["label"]
    assert decode(json.dumps(raw).encode()).vertices[1].types == (Scalar(),)


def test_a_graph_is_saved_beside_the_files_of_its_constants(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    proof = Proof("bn254", folder=home)
    srs = proof.constant("srs", PointArray(2), file="srs.bin")
    graph = proof.graph(srs.commit(proof.poly([1, 2])))
    for name in ("a.json", "a.msgpack", "a"):
        save_graph(graph, home / name)
        assert load_graph(home / name) == graph
        assert load_graph(str(home / name)).folder == home
    assert (home / "a.json").read_bytes().startswith(b"{\n")
    assert (home / "a").read_bytes() == (home / "a.msgpack").read_bytes()
    with pytest.raises(UsageError, match="save the graph there"):
        save_graph(graph, other / "a.json")
    assert not other.exists()
    with pytest.raises(UsageError, match="cannot read the graph"):
        load_graph(other / "a.json")


SQUARE: dict[str, Any] = {
    "format": "zkrun-graph",
    "version": 1,
    "curve": "bn254",
    "inputs": [{"name": "x", "typ": {"kind": "Poly", "n": 4, "form": "lagrange"}}],
    "constants": [{"name": "c", "typ": {"kind": "Scalar"}, "data": {"values": 5}}],
    "vertices": [
        {"op": "Input", "entry": "x"},
        {"op": "Constant", "entry": "c"},
        {"op": "Multiply", "operands": [0, 1], "source": "plonk.py:3"},
        {"op": "Call", "function": "permute", "params": {"usable": 4}, "operands": [0, 2]},
    ],
    "result": [2, [{"vertex": 3, "output": 1}]],
}


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """SQUARE with one value in another's place; `to` is ... where the key is left out."""
    document = copy.deepcopy(SQUARE)
    owner: Any = document
    for key in path[:-1]:
        owner = owner[key]
    if to is ...:
        del owner[path[-1]]
    elif isinstance(owner, list) and path[-1] == len(owner):
        owner.append(to)
    else:
        owner[path[-1]] = to
    return document


def refused(document: Any) -> list[Diagnostic]:
    found = []
    for data in (json.dumps(document).encode(), msgpack.packb(document)):
        with pytest.raises(InvalidProgram) as caught:
            decode(data)
        found.append(list(caught.value.diagnostics))
    assert found[0] == found[1]
    assert found[0]
    return found[0]


def vertex(**keys: Any) -> dict[str, Any]:
    """SQUARE with one more vertex."""
    return changed("vertices", 4, to=keys)


COSET = {"kind": "Poly", "n": 4, "form": "lagrange", "coset": 0}
R = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001

REFUSED: list[tuple[Any, str, str, str]] = [
    ([], "ZK001", "", "one map"),
    (changed("format", to="zkrun"), "ZK005", "/format", 'the format is "zkrun-graph"'),
    (changed("format", to=...), "ZK005", "", 'no zkrun graph: "format" is missing'),
    (changed("version", to=2), "ZK005", "/version", "reads version 1"),
    (changed("curve", to=...), "ZK006", "", '"curve" is missing'),
    (changed("curve", to="bn256"), "ZK012", "/curve", "'bn254' or 'bls12_381'"),
    (changed("result", to=...), "ZK006", "", '"result" is missing'),
    (changed("vertices", to={}), "ZK008", "/vertices", "a list belongs here, not a map"),
    (changed("memory", to={}), "ZK007", "/memory", 'unknown key "memory"'),
    (vertex(op="Multipy"), "ZK010", "/vertices/4", 'unknown operation "Multipy"'),
    (vertex(op="Rotation"), "ZK010", "/vertices/4", 'unknown operation "Rotation"'),
    (vertex(operands=[]), "ZK006", "/vertices/4", '"op" is missing'),
    (vertex(op="Slice", start=0, operands=[0]), "ZK006", "/vertices/4", '"end" is missing'),
    (vertex(op="Add", by=1), "ZK007", "/vertices/4/by", 'unknown key "by" in Add'),
    (vertex(op="Rotate", by=1.5, operands=[0]), "ZK008", "/vertices/4/by", "an integer"),
    (vertex(op="Rotate", by=2**63, operands=[0]), "ZK009", "/vertices/4/by", "greater than"),
    (vertex(op="Slice", start=-1, end=2), "ZK009", "/vertices/4/start", "less than 0"),
    (vertex(op="Number", value="five"), "ZK008", "/vertices/4/value", "neither decimal nor 0x"),
    (vertex(op="Number", value=hex(R)), "ZK029", "/vertices/4", "not below the modulus"),
    (vertex(op="Number", value=True), "ZK008", "/vertices/4/value", "not a boolean"),
    (vertex(op="View", form="values"), "ZK012", "/vertices/4/form", "'coefficients' or 'lagrange'"),
    (
        vertex(op="View", form="lagrange", coset=0, operands=[0]),
        *("ZK009", "/vertices/4/coset", "between 1 and r − 1"),
    ),
    (vertex(op="Add", device="tpu"), "ZK015", "/vertices/4/device", "no device"),
    (
        vertex(op="Negate", operands=[0], device="disk"),
        *("ZK032", "/vertices/4/device", "negate cannot run on disk"),
    ),
    (
        vertex(op="NewTranscript", hash="blake2b", device="gpu:0"),
        *("ZK032", "/vertices/4/device", "transcript cannot run on gpu:0"),
    ),
    (vertex(op="Add", label=None), "ZK008", "/vertices/4/label", "text belongs here"),
    (vertex(op="Add", operands=2), "ZK008", "/vertices/4/operands", "a list belongs here"),
    (vertex(op="Negate", operands=[4]), "ZK020", "/vertices/4/operands/0", "no vertex 4"),
    (vertex(op="Negate", operands=[-1]), "ZK020", "/vertices/4/operands/0", "no vertex -1"),
    (vertex(op="Negate", operands=["0"]), "ZK008", "/vertices/4/operands/0", 'the text "0"'),
    (vertex(op="Negate", operands=[True]), "ZK008", "/vertices/4/operands/0", "a boolean"),
    (
        vertex(op="Negate", operands=[{"vertex": 3, "output": 2}]),
        *("ZK020", "/vertices/4/operands/0", "vertex 3 has no output 2, only 2"),
    ),
    (
        vertex(op="Negate", operands=[{"vertex": 3}]),
        *("ZK006", "/vertices/4/operands/0", '"output" is missing'),
    ),
    (
        vertex(op="Negate", operands=[{"vertex": 3, "output": "1"}]),
        *("ZK008", "/vertices/4/operands/0/output", "an integer belongs here"),
    ),
    (
        vertex(op="Negate", operands=[{"vertex": 3, "output": 1, "of": 2}]),
        *("ZK007", "/vertices/4/operands/0/of", 'unknown key "of"'),
    ),
    (vertex(op="Add", operands=[0]), "ZK029", "/vertices/4", "add takes 2 operands, not 1"),
    (vertex(op="Input", entry="y"), "ZK020", "/vertices/4/entry", 'there is no input "y"'),
    (vertex(op="Constant", entry="x"), "ZK020", "/vertices/4/entry", 'no constant "x"'),
    (
        vertex(op="Input", entry="x", operands=[0]),
        *("ZK029", "/vertices/4/operands", "takes no operands"),
    ),
    (vertex(op="Call", function="mystery"), "ZK029", "/vertices/4", "there is no function"),
    (
        vertex(op="Call", function="ntt", params={"coset": "x"}, operands=[0]),
        *("ZK029", "/vertices/4", "coset"),
    ),
    (
        vertex(op="Call", function="ntt", params={"coset": {}}, operands=[0]),
        *("ZK008", "/vertices/4/params/coset", "not a map"),
    ),
    (
        vertex(op="Call", function="ntt", params={"~": [1.5]}, operands=[0]),
        *("ZK008", "/vertices/4/params/~0/0", "not the float 1.5"),
    ),
    (
        vertex(op="Call", function="ntt", results=[{"kind": "ScalarArray", "len": 4}]),
        *("ZK011", "/vertices/4/results/0", 'unknown type "ScalarArray"'),
    ),
    (
        vertex(op="Call", function="ntt", results=[COSET], operands=[0]),
        *("ZK009", "/vertices/4/results/0/coset", "between 1 and r − 1"),
    ),
    (
        vertex(op="Call", function="ntt", results=[], operands=[0]),
        *("ZK029", "/vertices/4/results", "at least one result"),
    ),
    (changed("result", to=4), "ZK020", "/result", "no vertex 4 among the 4 before"),
    (changed("result", to=[0, [None]]), "ZK008", "/result/1/0", "not null"),
    (changed("inputs", 0, "typ", to=COSET), "ZK009", "/inputs/0/typ/coset", "between 1 and"),
    (
        changed("inputs", 0, "typ", to={**COSET, "form": "coefficients", "coset": 3}),
        *("ZK008", "/inputs/0/typ/coset", "coefficients have no coset"),
    ),
    (
        changed("inputs", 0, "typ", to={"kind": "Transcript", "hash": "blake2b"}),
        *("ZK011", "/inputs/0/typ", "may not stand here, only Poly, Scalar, Point and PointArray"),
    ),
    (changed("inputs", 0, "of", to=1), "ZK007", "/inputs/0/of", 'unknown key "of" in GraphInput'),
    (changed("inputs", 1, to=SQUARE["inputs"][0]), "ZK014", "/inputs/1", 'is named "x"'),
    (changed("constants", 1, to=SQUARE["constants"][0]), "ZK014", "/constants/1", 'named "c"'),
    (changed("constants", 0, "data", to={}), "ZK016", "/constants/0/data", "DATA is a map"),
    (
        changed("constants", 0, "data", "values", to=[5]),
        *("ZK090", "/constants/0/data/values", "not a list"),
    ),
    (
        changed("constants", 0, "data", "values", to=hex(R)),
        *("ZK091", "/constants/0/data/values", "is not below the modulus"),
    ),
    (
        changed("constants", 0, "data", to={"file": "c", "nbytes": 8, "encoding": "canonical"}),
        *("ZK090", "/constants/0/data/nbytes", "a Scalar is 32 bytes, not 8"),
    ),
    (
        changed("constants", 0, "data", to={"file": "/c", "nbytes": 8, "encoding": "canonical"}),
        *("ZK017", "/constants/0/data/file", "may not leave"),
    ),
]


@pytest.mark.parametrize(
    ("document", "rule", "path", "message"),
    REFUSED,
    ids=[f"{rule} {path} {message}" for _, rule, path, message in REFUSED],
)
def test_refusals(document: Any, rule: str, path: str, message: str) -> None:
    first = refused(document)[0]
    assert (first.rule, first.path) == (rule, path)
    assert message in first.message


def test_the_square_itself_is_a_graph() -> None:
    assert len(decode(json.dumps(SQUARE).encode()).vertices) == 4


def test_help_and_source_come_along() -> None:
    assert refused(vertex(op="Multipy"))[0].help == 'did you mean "Multiply"?'
    late = changed("vertices", 2, "operands", to=[0, 3])
    assert refused(late)[0].help == "a vertex takes values of those that stand before it"


@pytest.mark.parametrize(
    ("document", "help"),
    [
        (changed("extra", to=1), "the keys are format, version, name, curve, inputs, constants"),
        (vertex(op="Negate", operands=[0], extra=1), "the keys are op, operands, label, source"),
        (vertex(op="Negate", operands=[0], lable="a"), 'did you mean "label"?'),
        (vertex(op="Negate", operands=[-1]), "vertices are counted from 0, none from the end"),
        (vertex(op="Negate", operands=["0"]), "write the number without quotes"),
        (vertex(op="Negate", operands=[None]), 'or {"vertex": i, "output": j}'),
        (vertex(op="Negate", operands=[{"vertex": 3}]), 'or {"vertex": i, "output": j}'),
        (
            vertex(op="Negate", operands=[{"vertex": 3, "output": 1, "of": 2}]),
            'or {"vertex": i, "output": j}',
        ),
        (vertex(op="Negate", operands=[{"vertex": 0, "output": 1}]), "write 0 for the only one"),
        (changed("result", to=4), "the last vertex is 3"),
        (vertex(op="Input", entry="xs"), 'did you mean "x"?'),
        (vertex(op="Input", entry="other"), 'the inputs are "x"'),
        (vertex(op="Call", function="nttt", operands=[0]), 'did you mean "ntt"?'),
        (vertex(op="Call", function="zzz"), "`zkrun functions` lists them"),
        (
            vertex(op="Call", function="ntt", params={"inverse": True, "roots": 1}, operands=[0]),
            'did you mean "root"?',
        ),
        (changed("inputs", 1, to=SQUARE["inputs"][0]), "no two have one name"),
    ],
)
def test_findings_say_how_to_mend_them(document: Any, help: str) -> None:
    assert help in (refused(document)[0].help or "")
    sum_of = changed("vertices", 2, to={"op": "Power", "exponent": 1, "source": "plonk.py:7"})
    (found,) = refused(sum_of)
    assert (found.source, found.path) == ("plonk.py:7", "/vertices/2")


def test_every_finding_of_shape_is_told() -> None:
    document = changed("vertices", 0, "entry", to=1)
    document["vertices"][2]["op"] = "Times"
    document["inputs"][0]["typ"]["n"] = -1
    assert [found.path for found in refused(document)] == [
        "/inputs/0/typ/n",
        "/vertices/0/entry",
        "/vertices/2",
    ]


def test_large_integers_are_text() -> None:
    for key, value, place in (
        ("params", {"root": 2**64}, "/vertices/4/params/root"),
        ("params", {"root": [0, -(2**63) - 1]}, "/vertices/4/params/root/1"),
    ):
        document = vertex(op="Call", function="ntt", operands=[0], **{key: value})
        with pytest.raises(InvalidProgram) as caught:
            decode(json.dumps(document).encode())
        (found,) = caught.value.diagnostics
        assert (found.rule, found.path) == ("ZK009", place)


def test_inline_bytes_have_the_size_of_their_type() -> None:
    document = changed("constants", 0, "data", to={"bytes": b"\0" * 31, "encoding": "canonical"})
    with pytest.raises(InvalidProgram, match="a Scalar is 32 bytes, not 31"):
        decode(msgpack.packb(document))


def test_nested_results_as_deep_as_documents_go() -> None:
    result: Any = 0
    for _ in range(255):
        result = [result]
    graph = decode(json.dumps(changed("result", to=result)).encode())
    assert decode(encode(graph, "msgpack")) == graph
    assert refused(changed("result", to=[result]))[0].rule == "ZK002"


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.sampled_from([2**63, 2**64 - 1, R, 1.5])
    | st.sampled_from(["", "x", "c", "0x7", "lagrange", "coefficients", "ntt", "msm", "Scalar"])
    | st.sampled_from(sorted(OPERATIONS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "n", "form", "vertex", "output", "op", "values"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=4,
)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(junk=st.lists(JUNK, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_documents_with_anything_in_them(junk: list[Any], seed: int) -> None:
    source = random.Random(seed)
    document = to_raw(example())
    for value in junk:
        owner, key = _place(document, source)
        if source.random() < 0.2:
            del owner[key]
        else:
            owner[key] = value
    graph, findings = attempt(msgpack.packb(_narrow(document)))
    for found in findings:
        _resolve(document, found.path)
    if graph is not None:
        assert decode(encode(graph, "json")) == graph


@settings(max_examples=300)
@given(
    at=st.integers(0, 10**6),
    noise=st.binary(min_size=1, max_size=4),
    form=st.sampled_from(FORMS),
)
def test_bytes_with_anything_in_them(at: int, noise: bytes, form: Any) -> None:
    data = bytearray(encode(example(), form))
    place = at % len(data)
    data[place : place + len(noise)] = noise
    attempt(bytes(data))


def attempt(data: bytes) -> tuple[Graph | None, tuple[Diagnostic, ...]]:
    """The graph in these bytes, or what is wrong with them."""
    try:
        return decode(data), ()
    except InvalidProgram as refusal:
        findings = refusal.diagnostics
    assert findings
    return None, findings


def _place(document: Any, source: random.Random) -> tuple[Any, Any]:
    """A random map or list of the document, and a key in it."""
    owner: Any = document
    while True:
        keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
        if not keys:
            return document, "name"
        key = source.choice(keys)
        below = owner[key]
        if not isinstance(below, dict | list) or not below or source.random() < 0.2:
            return owner, key
        owner = below


def _narrow(value: Any) -> Any:
    """Integers of more than 64 bits as text, which no encoding takes otherwise."""
    if isinstance(value, dict):
        return {key: _narrow(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    return hex(value) if isinstance(value, int) and value >= 2**64 else value


def _resolve(document: Any, path: str) -> None:
    """Follows a pointer, whose last part may be what is missing."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for part in parts[:-1]:
        document = document[int(part) if isinstance(document, list) else part]
