"""Where results and traces go: refused before the run, written whole, never lost in silence."""

import json
import os
import signal
from pathlib import Path

import pytest
from conftest import START, Shell, Zkrun

SUM = ("exec", "sum.json", "--input", "x=x.json")
NEVER = "import zkrun.runtime.engine as e; e.run = lambda *_: 1 / 0; " + START
"""A zkrun that has a defect as soon as it runs a program."""


@pytest.mark.parametrize("option", ["--output", "--trace"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (".", "Is a directory"),
        ("x.json/result", "Not a directory"),
        ("x.json/a/b", "Not a directory"),
        ("a" * 300, "File name too long"),
        ("circle", "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_written_is_found_before_the_run(
    option: str, target: str, reason: str, zkrun: Zkrun, folder: Path
) -> None:
    (folder / "circle").symlink_to("circle")
    done = zkrun(*SUM, "--output", "result.json", option, target, code=NEVER)
    assert done.returncode == 4
    assert done.stderr.decode().startswith("error: cannot write ")
    assert done.stderr.decode().endswith(f": {reason}\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_found_before_the_run(zkrun: Zkrun, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o500)
    done = zkrun(*SUM, "--output", "closed/result.json", code=NEVER)
    assert (done.returncode, b"Permission denied" in done.stderr) == (4, True)


def test_folders_on_the_way_are_made(zkrun: Zkrun, folder: Path) -> None:
    done = zkrun(*SUM, "--output", "a/b/result.json", "--trace", "a/c/trace")
    assert done.returncode == 0, done.stderr
    assert (folder / "a/b/result.json").is_file()
    assert (folder / "a/c/trace").is_file()


@pytest.mark.parametrize(
    "options",
    [
        ("--output", "one", "--trace", "./one"),
        ("--output", "sum.json"),
        ("--trace", "sum.json"),
        ("--output", "link.json"),
        ("--output", "x.json"),
        ("--trace", "x.json"),
        ("--output", "wrong.json", "--expect", "wrong.json"),
    ],
)
def test_one_file_for_two_things_is_refused(
    options: tuple[str, ...], zkrun: Zkrun, folder: Path
) -> None:
    (folder / "link.json").symlink_to("x.json")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = zkrun(*SUM, *options)
    assert done.returncode == 2
    assert b"are the same file" in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_device_takes_several_things(zkrun: Zkrun) -> None:
    assert zkrun(*SUM, "--output", "/dev/null", "--trace", "/dev/null").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (*SUM, "--output", "/dev/full"),
        (*SUM, "--trace", "/dev/full"),
        (*SUM, "--output", "result.json", "--trace", "/dev/full"),
        ("trace", "commitment.msgpack", "--perfetto", "/dev/full"),
        ("convert", "sum.json", "/dev/full"),
    ],
)
def test_a_full_disk_is_a_limit(arguments: tuple[str, ...], zkrun: Zkrun) -> None:
    done = zkrun(*arguments)
    assert done.returncode == 6
    assert done.stderr.endswith(b"error: cannot write /dev/full: No space left on device\n")


@pytest.mark.parametrize(
    "arguments", ["--help", "exec --help", "--version", "schema", " ".join(SUM)]
)
def test_standard_output_on_a_full_disk_is_a_limit(arguments: str, shell: Shell) -> None:
    done = shell(f"zkrun {arguments} >/dev/full")
    assert done.returncode == 6
    assert done.stderr == b"error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("exec nothing.json", 2), ("exec --none", 2), ("exec sum.json --input x=7.json", 3)],
)
def test_standard_error_on_a_full_disk_leaves_the_exit_code(
    arguments: str, code: int, shell: Shell
) -> None:
    assert shell(f"zkrun {arguments} 2>/dev/full").returncode == code


def test_a_defect_that_cannot_be_said_is_one(shell: Shell) -> None:
    assert shell(f"zkrun {' '.join(SUM)} 2>/dev/full", code=NEVER).returncode == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [("", 4), ("--output -", 4), ("--json --output r.json", 4), ("--output r.json", 0)],
)
def test_a_result_is_not_lost_on_a_closed_standard_output(
    options: str, code: int, shell: Shell
) -> None:
    done = shell(f"zkrun exec sum.json --input x=x.json {options} >&-")
    assert done.returncode == code
    assert (b"standard output: it is closed" in done.stderr) == (code == 4)


def test_a_trace_goes_through_a_pipe(zkrun: Zkrun) -> None:
    sent = zkrun(*SUM, "--output", "result.json", "--trace", "-")
    assert sent.returncode == 0
    shown = zkrun("trace", "-", stdin=sent.stdout)
    assert shown.stdout == zkrun("trace").stdout


@pytest.mark.parametrize("options", [(), ("--output", "-"), ("--output", "r.json", "--json")])
def test_the_trace_and_the_result_do_not_share_standard_output(
    options: tuple[str, ...], zkrun: Zkrun
) -> None:
    done = zkrun(*SUM, "--trace", "-", *options)
    assert done.returncode == 2
    assert b"cannot both take standard output" in done.stderr


def test_standard_input_is_read_once(zkrun: Zkrun, folder: Path) -> None:
    program = (folder / "sum.json").read_text().replace('"inputs": [', '"inputs": [' + TWIN)
    (folder / "two.json").write_text(program)
    done = zkrun("exec", "two.json", "--input", "x=-", "--input", "twin=-")
    assert done.returncode == 2
    assert b"cannot both come from standard input" in done.stderr


TWIN = '{"name": "twin", "typ": {"kind": "Scalar"}}, '
IMPORTS = """
import os, signal, sys
import zkrun.__main__
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == "{name}":
            try: os.kill(os.getpid(), signal.SIGINT)
            except BaseException: pass
sys.meta_path.insert(0, Press())
zkrun.__main__.main()
"""


@pytest.mark.parametrize("name", ["typer", "zkrun.cli.exec", "zkrun.analysis"])
def test_ctrl_c_during_imports_ends_zkrun_quietly(name: str, zkrun: Zkrun) -> None:
    done = zkrun(*SUM, code=IMPORTS.format(name=name))
    assert done.returncode == -signal.SIGINT  # a shell says 130
    assert (done.stdout, done.stderr) == (b"", b"")


def test_ctrl_c_that_is_ignored_stays_so(zkrun: Zkrun) -> None:
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    assert zkrun(*SUM, code=ignored + IMPORTS.format(name="typer")).returncode == 0


def test_an_expected_result_may_come_through_a_pipe(shell: Shell) -> None:
    run = f"zkrun {' '.join(SUM)}"
    done = shell(f"{run} --output expected.json && {run} --expect <(cat expected.json)")
    assert done.returncode == 0, done.stderr


def test_a_trace_that_cannot_be_written_does_not_take_the_result_along(zkrun: Zkrun) -> None:
    done = zkrun(*SUM, "--trace", "/dev/full")
    assert done.returncode == 6
    assert done.stdout == zkrun(*SUM).stdout


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_has_several_names(name: str, shell: Shell, zkrun: Zkrun) -> None:
    plain = zkrun(*SUM, "--output", "-").stdout
    assert zkrun(*SUM, "--output", name).stdout == plain
    assert zkrun(*SUM, "--output", name, "--trace", "-").returncode == 2
    trace = zkrun(*SUM, "--output", "result.json", "--trace", name).stdout
    assert zkrun("trace", "-", stdin=trace).returncode == 0
    converted = zkrun("convert", "sum.json", "-").stdout
    assert zkrun("convert", "sum.json", name).stdout == converted
    exported = zkrun("trace", "commitment.msgpack", "--perfetto", "-").stdout
    assert zkrun("trace", "commitment.msgpack", "--perfetto", name).stdout == exported
    done = shell(f"zkrun {' '.join(SUM)} --output {name} >&-")
    assert (done.returncode, b"it is closed" in done.stderr) == (4, True)


@pytest.mark.parametrize("option", ["--output", "--trace"])
def test_a_constant_is_not_replaced(option: str, zkrun: Zkrun, folder: Path) -> None:
    data = {"file": "setup/a.bin", "nbytes": 64, "encoding": "montgomery"}
    typ = {"kind": "ScalarArray", "len": 2}
    document = {
        "format": "zkrun",
        "version": 1,
        "curve": "bn254",
        "constants": [{"name": "a", "typ": typ, "data": data}],
        "instructions": [
            {"op": "LoadConstant", "src": 0, "dst": 0},
            {"op": "Return", "id": 0},
        ],
    }
    (folder / "setup").mkdir()
    (folder / "setup/a.bin").write_bytes(bytes(64))
    (folder / "constant.json").write_text(json.dumps(document))
    done = zkrun("exec", "constant.json", option, "setup/../setup/a.bin")
    assert done.returncode == 2
    assert b"and constant 0, 'a', are the same file" in done.stderr
    assert (folder / "setup/a.bin").read_bytes() == bytes(64)
    assert zkrun("exec", "constant.json", option, "other").returncode == 0


def test_a_trace_is_not_replaced_by_its_export(zkrun: Zkrun, folder: Path) -> None:
    before = (folder / "commitment.msgpack").read_bytes()
    done = zkrun("trace", "commitment.msgpack", "--perfetto", "./commitment.msgpack")
    assert (done.returncode, b"would replace the trace" in done.stderr) == (2, True)
    assert (folder / "commitment.msgpack").read_bytes() == before


@pytest.mark.parametrize(
    ("file", "reason"),
    [("nothing", "No such file"), (".", "Is a directory"), ("a" * 300, "File name too long")],
)
def test_what_nothing_can_be_compared_with_is_found_before_the_run(
    file: str, reason: str, zkrun: Zkrun
) -> None:
    done = zkrun(*SUM, "--expect", file, code=NEVER)
    assert done.returncode == 2
    assert f"--expect: cannot read {file}: {reason}" in done.stderr.decode()


def test_an_input_of_a_long_name_is_not_read(zkrun: Zkrun, folder: Path) -> None:
    (folder / "r.json").touch()
    done = zkrun("exec", "sum.json", "--input", f"x={'a' * 300}.bin", "--output", "r.json")
    assert (done.returncode, b"File name too long" in done.stderr) == (2, True)


PRESS = """
import os, signal
import zkrun.report.tables as tables
def press(*_): os.kill(os.getpid(), signal.SIGINT)
tables.tables = press
"""


def test_ctrl_c_during_the_report_is_said(zkrun: Zkrun) -> None:
    done = zkrun(*SUM, code=PRESS + START)
    assert (done.returncode, done.stderr) == (130, b"error: interrupted\n")
    assert done.stdout == zkrun(*SUM).stdout
