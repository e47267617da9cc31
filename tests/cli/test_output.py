"""What every command owes the shell: streams, color, pipes, exit codes, and no traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import START, Shell, Zkrun

VIRTUAL = ("exec", "gpu.json", "--gpu", "virtual", "--input", "x=x.json")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (VIRTUAL, 0),
        (("exec", "nothing.json"), 2),
        (("exec", "--no-such-option"), 2),
        (("exec", "unordered.json"), 3),
        (("exec", "gpu.json", "--input", "x=x.json"), 4),
        (("exec", "inverse.json", "--input", "s=0.json"), 4),
        (("exec", "assert.json", "--input", "seven=7.json"), 5),
        ((*VIRTUAL, "--expect", "wrong.json"), 5),
        ((*VIRTUAL, "--limit", "gpu:0=1KiB"), 6),
        ((*VIRTUAL, "--timeout", "0.000001"), 6),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int, zkrun: Zkrun) -> None:
    assert zkrun(*arguments).returncode == code


def test_a_defect_is_one_line_and_exit_1(zkrun: Zkrun) -> None:
    broken = f"import zkrun.program.decode as d; d.load = lambda path: 1 / 0; {START}"
    done = zkrun("validate", "sum.json", code=broken)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "error: ZeroDivisionError: division by zero",
        "this is a defect of zkrun; ZKRUN_DEBUG=1 shows where",
    ]
    asked = zkrun("validate", "sum.json", code=broken, ZKRUN_DEBUG="1")
    assert asked.returncode == 1
    assert b"Traceback" in asked.stderr


def test_running_out_of_memory_is_a_limit_not_a_defect(zkrun: Zkrun) -> None:
    code = f"""
import zkrun.program.decode as decode
def load(path): raise MemoryError
decode.load = load
{START}"""
    done = zkrun("validate", "sum.json", code=code)
    assert (done.returncode, done.stderr) == (6, b"error: memory ran out\n")


def test_ctrl_c_after_a_second_of_work(folder: Path, tmp_path: Path) -> None:
    arguments = [*VIRTUAL, "--iterations", "10000000", "--output", "result.json"]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", START, *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "running on a gpu …\n".encode()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, b"", b"error: interrupted\n")
    assert not (folder / "result.json").exists()
    assert not list(folder.glob(".*"))


def test_a_reader_that_goes_away_is_no_error(folder: Path, tmp_path: Path) -> None:
    for arguments, code in (
        (["schema"], 0),
        (["--help"], 0),
        (["functions", "--json"], 0),
        (["exec", "assert.json", "--input", "seven=7.json", "--json"], 5),
    ):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-P", "-c", START, *arguments],
            cwd=folder,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(write)
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"Broken pipe" not in done.stderr


def test_nobody_has_to_read_what_a_program_prints(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "sum.json").read_text())
    document["instructions"].insert(2, {"op": "Print", "id": 1})
    (folder / "prints.json").write_text(json.dumps(document))
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-P", "-c", START, "exec", "prints.json", "--input", "x=x.json"],
        cwd=folder,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=write,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert json.loads(done.stdout)["values"]


@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        ("<&-", "validate -", 3),
        ("<&-", "exec sum.json --input x=-", 3),
        (">&-", "schema", 0),
        (">&-", "--version", 0),
        ("2>&-", "validate nothing.json", 2),
        ("<&- >&- 2>&-", "exec sum.json --input x=x.json", 4),
        ("<&- >&- 2>&-", "exec sum.json --input x=x.json --output result.json", 0),
        (">/dev/null", "exec sum.json --input x=x.json --output /dev/stdout", 0),
        ("| cat >/dev/null", "exec sum.json --input x=x.json --output /dev/stdout", 0),
    ],
)
def test_streams_that_are_closed_or_named(
    redirection: str, arguments: str, code: int, shell: Shell
) -> None:
    done = shell(f"zkrun {arguments} {redirection}")
    assert done.returncode == code, done.stderr
    assert b"defect" not in done.stderr


ESCAPE = b"\x1b["


@pytest.mark.parametrize(
    ("arguments", "environment", "colored"),
    [
        (("--color", "always"), {}, True),
        (("--color", "never"), {}, False),
        (("--color", "auto"), {}, False),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_color(
    arguments: tuple[str, ...], environment: dict[str, str], colored: bool, zkrun: Zkrun
) -> None:
    for command in (("validate", "leak.json"), ("inspect", "sum.json"), ("functions",)):
        done = zkrun(*command, *arguments, **environment)
        assert (ESCAPE in done.stdout + done.stderr) == colored
    before = zkrun(*arguments[:2], "functions", **environment)
    assert (ESCAPE in before.stdout) == colored


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_a_terminal_is_colored_and_shows_progress(
    no_color: str, colored: bool, folder: Path, tmp_path: Path
) -> None:
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START, *VIRTUAL, "--iterations", "10000000"],
        cwd=folder,
        env={**os.environ, "HOME": str(tmp_path), "TERM": "xterm", "NO_COLOR": no_color},
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    while b" s  on a gpu" not in seen:
        seen += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    os.close(master)
    done = pty_output(["validate", "leak.json"], folder, NO_COLOR=no_color)
    assert (b"\x1b[1;33mwarning" in done) == colored


def pty_output(arguments: list[str], folder: Path, **environment: str) -> bytes:
    """What a command writes to a terminal."""
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START, *arguments],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **environment},
        stdout=terminal,
        stderr=terminal,
    )
    process.wait(timeout=60)
    os.close(terminal)
    seen = b""
    try:
        while piece := os.read(master, 4096):
            seen += piece
    except OSError:  # the other side is closed and all has been read
        pass
    os.close(master)
    return seen


def test_a_terminal_is_shown_the_start_of_a_long_result(folder: Path, zkrun: Zkrun) -> None:
    program = json.loads((folder / "leak.json").read_text())
    program["instructions"][0]["typ"]["len"] = 100
    (folder / "long.json").write_text(json.dumps(program))
    seen = pty_output(["exec", "long.json"], folder).decode()
    assert '"… 92 more"' in seen
    assert "--output FILE writes all" in seen
    assert len(json.loads(zkrun("exec", "long.json").stdout)["values"]) == 100


def test_every_json_document_names_its_schema(zkrun: Zkrun) -> None:
    zkrun(*VIRTUAL)
    for command in (
        (*VIRTUAL, "--json"),
        (*VIRTUAL, "--dry-run", "--json"),
        ("validate", "sum.json", "--json"),
        ("trace", "--json"),
        ("inspect", "sum.json", "--json"),
        ("convert", "sum.json", "sum.msgpack", "--json"),
        ("functions", "--json"),
        ("devices", "--json"),
        ("exec", "nothing.json", "--json"),
    ):
        document = json.loads(zkrun(*command).stdout)
        name, _, version = document["schema"].partition("/")
        assert name.startswith("zkrun-")
        assert version == "1"
    schema = json.loads(zkrun("schema", "--json").stdout)
    assert schema["$schema"].endswith("/draft/2020-12/schema")
    assert schema["title"] == "A zkrun program, version 1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("exec", "--json"),
        ("exec", "--no-such", "--json"),
        ("exec", "sum.json", "--threads", "0", "--json"),
        ("exec", "", "--json"),
        ("--no-such", "exec", "--json"),
    ],
)
def test_a_mistake_in_usage_is_json_as_well(arguments: tuple[str, ...], zkrun: Zkrun) -> None:
    done = zkrun(*arguments)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["schema"] == "zkrun-error/1"
    assert document["error"]["exit_code"] == 2
    assert document["error"]["message"] in " ".join(done.stderr.decode().split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("exec", ""),
        ("exec", "sum.json", "--output", ""),
        ("exec", "sum.json", "--trace", ""),
        ("exec", "sum.json", "--expect", ""),
        ("validate", ""),
        ("inspect", "sum.json", "--machine", ""),
        ("convert", "", "out"),
        ("convert", "sum.json", ""),
        ("trace", "--perfetto", ""),
    ],
)
def test_an_empty_name_is_no_file(arguments: tuple[str, ...], zkrun: Zkrun) -> None:
    done = zkrun(*arguments)
    assert (done.returncode, done.stderr) == (2, b"error: the name of a file is empty\n")


@pytest.mark.parametrize(
    "command",
    ["exec", "validate", "inspect", "trace", "convert", "functions", "devices", "schema"],
)
def test_every_command_takes_json_and_color(command: str, zkrun: Zkrun) -> None:
    page = zkrun(command, "--help").stdout.decode()
    assert "--json" in page
    assert "--color" in page


def test_a_pipe_is_shown_all_of_a_program(zkrun: Zkrun, folder: Path) -> None:
    program = json.loads((folder / "gpu.json").read_text())
    program["inputs"][0]["name"] = "n" * 180
    (folder / "long.json").write_text(json.dumps(program))
    assert "n" * 180 + "   ScalarArray[4]" in zkrun("inspect", "long.json").stdout.decode()


def test_a_machine_may_come_from_standard_input(zkrun: Zkrun, folder: Path) -> None:
    machine = (folder / "machine.json").read_bytes()
    piped = zkrun("inspect", "gpu.json", "--machine", "-", stdin=machine)
    assert piped.returncode == 0
    assert piped.stdout == zkrun("inspect", "gpu.json", "--machine", "machine.json").stdout
    both = zkrun("inspect", "-", "--machine", "-", stdin=machine)
    assert (both.returncode, b"cannot both come from standard input" in both.stderr) == (2, True)


def test_a_failed_comparison_leaves_one_document(zkrun: Zkrun) -> None:
    done = zkrun(*VIRTUAL, "--expect", "wrong.json", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["schema"] == "zkrun-exec/1"


def test_the_last_run_is_shown_again(zkrun: Zkrun, folder: Path) -> None:
    zkrun(*VIRTUAL, "--trace", "run.msgpack")
    assert zkrun("trace").stdout == zkrun("trace", "run.msgpack").stdout
    chart = zkrun("trace", "--timeline").stdout.decode()
    assert "stream 9 (queue)" in chart
    assert zkrun("trace", "--perfetto", "out.json").returncode == 0
    assert json.loads((folder / "out.json").read_bytes())["traceEvents"]


def test_a_run_that_failed_is_shown(zkrun: Zkrun) -> None:
    done = zkrun("exec", "inverse.json", "--input", "s=0.json", "--trace", "run.msgpack")
    assert (done.returncode, done.stdout) == (4, b"")
    shown = zkrun("trace")
    assert shown.stdout == zkrun("trace", "run.msgpack").stdout
    lines = shown.stdout.decode().splitlines()
    assert lines[0].endswith("failed")
    assert lines[1] == done.stderr.decode().removeprefix("error: ").rstrip()
    assert "FuncCall scalar_invert   inverse.py:2" in lines[5]
    assert "scalar_invert" in zkrun("trace", "--timeline").stdout.decode()
    assert json.loads(zkrun("trace", "--json").stdout)["failure"]["path"] == "/instructions/3"


def test_a_failure_counts_more_than_its_trace(zkrun: Zkrun) -> None:
    for target in ("/dev/full", "-"):
        done = zkrun("exec", "inverse.json", "--input", "s=0.json", "--trace", target)
        assert done.returncode == (4 if target == "/dev/full" else 2)
        assert done.stderr.startswith(b"note: cannot write" if target == "/dev/full" else b"error")


def test_a_home_that_takes_no_trace_does_not_fail_the_run(zkrun: Zkrun) -> None:
    done = zkrun(*VIRTUAL, XDG_STATE_HOME="/dev/null/state")
    assert done.returncode == 0
    assert b"`zkrun trace` will not show this run" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (("--version",), {"rich", "pydantic", "numpy", "zkrun.program", "zkrun.runtime"}),
        (("--help",), {"rich", "pydantic", "numpy", "zkrun.program", "zkrun.runtime"}),
        (("exec", "sum.json", "--input", "x=x.json"), {"numpy"}),
    ],
)
def test_start_up_imports_only_what_it_uses(
    arguments: tuple[str, ...], absent: set[str], zkrun: Zkrun
) -> None:
    code = START.replace("main()", "").rstrip("; ") + "\n"
    code += "try: main()\nfinally: print('\\n' + ' '.join(sys.modules))"
    done = zkrun(*arguments, code=code)
    assert done.returncode == 0
    assert not absent & set(done.stdout.decode().splitlines()[-1].split())


@pytest.mark.parametrize("seed", range(4))
def test_broken_programs_never_end_in_a_traceback(seed: int, zkrun: Zkrun, folder: Path) -> None:
    pieces = (folder / "gpu.json").read_bytes()
    broken = {
        0: b"",
        1: pieces[: len(pieces) // 2],
        2: b"\xff\xfe" + pieces,
        3: b"[" * 100_000,
    }[seed]
    (folder / "broken").write_bytes(broken)
    for command in ("validate", "exec", "inspect"):
        done = zkrun(command, "broken")
        assert done.returncode == 3
        assert done.stdout == b""
        assert done.stderr.startswith(b"error[ZK0")
        assert b"Traceback" not in done.stderr
    assert zkrun("convert", "broken", "out.json").returncode == 3
    assert zkrun("trace", "broken").returncode == 2
