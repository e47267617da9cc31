"""`zkrun compile`: where programs go, what budgets they keep, what is refused before any work."""

import json
import mmap
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Zkrun

from zkrun.cli.compile import _check_disk, _validated
from zkrun.cli.options import parse_size
from zkrun.compiler import Lagrange, Point, PointArray, Proof, Scalar, save_graph
from zkrun.errors import ResourceLimit
from zkrun.program.decode import decode, load
from zkrun.program.document import File, Program
from zkrun.runtime.validate import validate

GENERATOR = (1).to_bytes(32, "little") + (2).to_bytes(32, "little")


def commitment(folder: Path, file: str = "srs.bin") -> None:
    """The graph of a commitment to two numbers, with its bases in a file."""
    (folder / file).parent.mkdir(exist_ok=True, parents=True)
    (folder / file).write_bytes(b"????" + GENERATOR + GENERATOR)
    proof = Proof("bn254", name="commitment", folder=folder)
    srs = proof.constant("srs", PointArray(2), file=file, offset=4, encoding="canonical")
    f = proof.poly([proof.input("x", Scalar()), 1])
    save_graph(proof.graph(srs.commit(f)), folder / "graph.json")
    (folder / "one.json").write_text('{"values": 1}')


def put_on_a_gpu(file: Path) -> None:
    """Has the calls of a graph run on a GPU, however small they are."""
    raw = json.loads(file.read_text())
    for vertex in raw["vertices"]:
        if vertex.get("function") in ("msm", "ntt"):
            vertex["device"] = "gpu:0"
    file.write_text(json.dumps(raw))


def value(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["values"]


def test_from_standard_input_to_standard_output(zkrun: Zkrun, folder: Path) -> None:
    compiled = zkrun("compile", "-", "-o", "-", stdin=(folder / "cubes.graph.json").read_bytes())
    assert compiled.returncode == 0, compiled.stderr
    assert compiled.stderr == b""
    assert decode(compiled.stdout).name == "cubes"
    direct = zkrun("compile", "cubes.graph.json", "-o", "cubes.msgpack")
    assert (direct.stdout, direct.stderr) == (b"", b"")
    assert (folder / "cubes.msgpack").read_bytes() == compiled.stdout
    named = zkrun("compile", "cubes.graph.json", "-o", "/dev/stdout")
    assert named.stdout == compiled.stdout


def test_the_program_names_files_from_where_it_lies(zkrun: Zkrun, folder: Path) -> None:
    home = folder / "home"
    commitment(home)
    results = []
    for output in ("home/program.json", "program.json"):
        assert zkrun("compile", "home/graph.json", "-o", output).returncode == 0
        assert validate(load(folder / output)).diagnostics == ()
        results.append(value(zkrun("exec", output, "--input", "x=home/one.json")))
    constants = (one.data for one in load(folder / "program.json").constants)
    (data,) = (data for data in constants if isinstance(data, File))
    assert (data.file, data.offset) == ("home/srs.bin", 4)
    piped = zkrun("compile", "home/graph.json", "-o", "-").stdout
    results.append(value(zkrun("exec", "-", "--input", "x=home/one.json", stdin=piped)))
    assert results[0] == results[1] == results[2]
    refused = zkrun("compile", "home/graph.json", "-o", "other/program.json")
    assert refused.returncode == 2
    assert b"write the program there" in refused.stderr
    assert not (folder / "other").exists()


def test_files_that_the_program_needs_are_not_replaced(zkrun: Zkrun, folder: Path) -> None:
    commitment(folder)
    before = (folder / "srs.bin").read_bytes()
    done = zkrun("compile", "graph.json", "-o", "srs.bin")
    assert done.returncode == 2
    assert b"the file of the constant srs are the same file" in done.stderr
    assert (folder / "srs.bin").read_bytes() == before


def test_what_does_not_compile_leaves_the_file_alone(zkrun: Zkrun, folder: Path) -> None:
    (folder / "old.json").write_text("kept")
    for graph, options, code in (
        ("late.graph.json", (), 3),
        ("cubes.graph.json", ("--memory", "cpu=1"), 6),
        ("cubes.graph.json", ("--machine", "x.json"), 2),
    ):
        done = zkrun("compile", graph, "-o", "old.json", *options)
        assert (done.returncode, done.stdout) == (code, b"")
        assert (folder / "old.json").read_text() == "kept"
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_a_file_that_cannot_be_written_is_refused_first(zkrun: Zkrun, folder: Path) -> None:
    (folder / "folder").mkdir()
    done = zkrun("compile", "cubes.graph.json", "-o", "folder")
    assert done.returncode == 4
    assert b"cannot write folder: Is a directory" in done.stderr


def test_budgets_are_kept(zkrun: Zkrun, folder: Path) -> None:
    shutil.copy(folder / "cubes.graph.json", folder / "gpu.graph.json")
    put_on_a_gpu(folder / "gpu.graph.json")
    refused = zkrun("compile", "gpu.graph.json", "-o", "program.json")
    assert refused.returncode == 2
    assert b"the vertex at /vertices/4, cubes.py:7 is to run on gpu:0" in refused.stderr
    limits = ("gpu:0=8MiB", "cpu=1MiB")
    memory = [part for limit in limits for part in ("--memory", limit)]
    done = zkrun("compile", "gpu.graph.json", "-o", "program.json", "--json", *memory)
    told = json.loads(done.stdout)
    assert {name: one["budget"] for name, one in told["devices"].items()} == {
        "gpu:0": 8 << 20,
        "cpu": 1 << 20,
    }
    assert all(one["peak"] <= one["budget"] for one in told["devices"].values())
    assert told["bytes"] == (folder / "program.json").stat().st_size
    # an arena takes whole pages
    bounds = ["--limit", "gpu:0=8MiB", "--limit", f"cpu={(1 << 20) + mmap.PAGESIZE}"]
    assert zkrun("validate", "program.json", *bounds).stderr == b""
    here = value(zkrun("exec", "program.json", "--gpu", "virtual", "--input", "x=x.json", *bounds))
    zkrun("compile", "cubes.graph.json", "-o", "cpu.json")
    assert value(zkrun("exec", "cpu.json", "--input", "x=x.json")) == here


def test_virtual_gpus_have_no_scratch_memory_for_kernels(zkrun: Zkrun, folder: Path) -> None:
    commitment(folder)
    zkrun("compile", "graph.json", "-o", "cpu.json")
    wanted = value(zkrun("exec", "cpu.json", "--input", "x=one.json"))
    put_on_a_gpu(folder / "graph.json")
    small = ("compile", "graph.json", "-o", "small.json", "--memory", "gpu:0=64KiB")
    assert zkrun(*small).returncode == 6
    assert zkrun(*small, "--gpu", "virtual").returncode == 0
    run = ("exec", "small.json", "--gpu", "virtual", "--limit", "gpu:0=64KiB")
    assert value(zkrun(*run, "--input", "x=one.json")) == wanted


def test_the_disk_takes_what_fits_nowhere_else(zkrun: Zkrun, folder: Path) -> None:
    n = 1 << 10
    proof = Proof("bn254")
    f = proof.input("x", Lagrange(n)).to_coefficients()
    kept = [f]
    for z in range(8):
        kept.append(kept[-1].divide_by_linear(z))
    y = proof.number(3)
    for f in reversed(kept):
        y = f(y)
    save_graph(proof.graph(y), folder / "deep.json")
    (folder / "x.json").write_text(json.dumps({"values": list(range(n))}))
    small = ("--memory", f"cpu={n * 32 * 5}")
    refused = zkrun("compile", "deep.json", "-o", "deep.msgpack", *small)
    assert refused.returncode == 6
    assert b"would do" in refused.stderr
    done = zkrun("compile", "deep.json", "-o", "deep.msgpack", *small, "--disk", ".", "--explain")
    assert done.returncode == 0, done.stderr
    assert "→disk" in done.stderr.decode()
    spilled = value(zkrun("exec", "deep.msgpack", "--disk", ".", "--input", "x=x.json"))
    zkrun("compile", "deep.json", "-o", "whole.msgpack")
    assert value(zkrun("exec", "whole.msgpack", "--input", "x=x.json")) == spilled


def test_a_machine_with_rates_that_none_has_is_refused(zkrun: Zkrun, folder: Path) -> None:
    text = '{"schema": "zkrun-machine/1", "devices": {"cpu": {"scalar": 1e-300}}}'
    (folder / "machine.json").write_text(text)
    done = zkrun("compile", "cubes.graph.json", "--explain", "--machine", "machine.json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"machine.json: the float 1e-300 at /devices/cpu/scalar is no rate" in done.stderr


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        *(("1048576", 1 << 20), ("512MiB", 512 << 20), ("2GB", 2 * 10**9), ("1.5GiB", 3 << 29)),
        *(("1B", 1), ("3kB", 3000), ("1KiB", 1024), ("1TB", 10**12), ("1TiB", 1 << 40)),
    ],
)
def test_sizes_as_the_help_writes_them(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


def test_a_disk_without_room_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "tests" / "cli" / "programs" / "sum.json", folder)
    program = load(folder / "sum.json")
    analysis = validate(program)
    analysis.forecast["disk"] = analysis.forecast["cpu"]
    _check_disk(folder, analysis)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(ResourceLimit, match="where 0 B are free"):
        _check_disk(folder, analysis)
    _check_disk(None, analysis)


_OFF_CURVE = (1).to_bytes(32, "little") + (3).to_bytes(32, "little")


@pytest.mark.parametrize(
    ("data", "rule", "place"),
    [
        ({"data": _OFF_CURVE, "encoding": "canonical"}, "ZK092", "/constants/1/data/bytes"),
        ({"file": "none.bin"}, "ZK093", "/constants/1/data/file"),
        ({"data": b"\xff" * 64, "encoding": "canonical"}, "ZK091", "/constants/1/data/bytes"),
    ],
)
def test_constants_are_checked_where_they_stand_in_the_graph(
    zkrun: Zkrun, folder: Path, data: Any, rule: str, place: str
) -> None:
    proof = Proof("bn254", folder=folder)
    proof.constant("unused", Scalar(), values=1)
    save_graph(proof.graph(proof.constant("p", Point(), **data)), folder / "graph.json")
    done = zkrun("compile", "graph.json", "--json")
    assert done.returncode == 3
    (found,) = json.loads(done.stdout)["error"]["diagnostics"]
    assert (found["rule"], found["path"]) == (rule, place)
    assert rule != "ZK093" or "from the folder of the document" in found["help"]


def test_a_compiled_program_with_a_finding_would_be_a_defect() -> None:
    with pytest.raises(AssertionError, match="the compiled program breaks ZK"):
        _validated(Program(curve="bn254", instructions=[]))
