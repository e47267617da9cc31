"""`zkrun devices --warm`: with GPUs that are made up here, and without any."""

import json

from conftest import START, Zkrun
from test_output import VIRTUAL

MADE_UP = """
from types import SimpleNamespace
from zkrun.devices import registry

def warm(notify):
    notify("compiling kernels for sm_90: 0 of 2")
    notify("compiling kernels for sm_90: 2 of 2 after 0.5 s, ntt\\x1b[2J")
    notify("")
    return [registry.Warmed(
        devices=("gpu:0", "gpu:1"), architecture="sm_90", units=39, compiled=2, seconds=0.512
    )]

kind = SimpleNamespace(
    describe=lambda: [registry.DeviceInfo("gpu:0", "cuda", "a made up GPU")], warm=warm
)
registry._gpu_kinds = lambda: iter([("cuda", kind)])
"""


def test_nothing_to_compile_for_says_what_is_there_and_what_to_install(zkrun: Zkrun) -> None:
    hidden = "import importlib.util as u; find = u.find_spec\n"
    hidden += "u.find_spec = lambda name, *more: None if name == 'cupy' else find(name, *more)\n"
    done = zkrun("devices", "--warm", code=hidden + START)
    assert done.returncode == 4
    assert done.stdout == b""
    assert done.stderr == (
        b"error: there is no GPU whose kernels could be compiled ahead of time (this machine has: "
        b"cpu, disk). CuPy is not installed: pip install 'zkrun[cuda13]' (or cuda12).\n"
    )
    done = zkrun("devices", "--warm", "--json", code=hidden + START)
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["message"].startswith("there is no GPU")


def test_progress_goes_to_standard_error_and_the_outcome_to_standard_output(zkrun: Zkrun) -> None:
    done = zkrun("devices", "--warm", code=MADE_UP + START)
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == [
        "compiling kernels for sm_90: 0 of 2",
        "compiling kernels for sm_90: 2 of 2 after 0.5 s, ntt\\x1b[2J",
    ]
    last = "gpu:0, gpu:1: all 39 units of kernels for sm_90 are on disk, 2 of them compiled now"
    assert last in " ".join(done.stdout.decode().split())


def test_a_run_says_what_it_compiles_first(zkrun: Zkrun) -> None:
    compiles = """
from zkrun.devices import virtual
opened = virtual.open_device

def open_device(name, settings):
    settings.notify("compiling kernels for sm_90: 0 of 1")
    settings.notify("")
    return opened(name, settings)

virtual.open_device = open_device
"""
    done = zkrun(*VIRTUAL, code=compiles + START)
    assert done.returncode == 0
    assert done.stderr.startswith(b"compiling kernels for sm_90: 0 of 1\n")


def test_as_json(zkrun: Zkrun) -> None:
    document = json.loads(zkrun("devices", "--warm", "--json", code=MADE_UP + START).stdout)
    assert document["schema"] == "zkrun-devices/1"
    assert document["warmed"] == [
        {
            "devices": ["gpu:0", "gpu:1"],
            "architecture": "sm_90",
            "units": 39,
            "compiled": 2,
            "seconds": 0.512,
        }
    ]
    assert "warmed" not in json.loads(zkrun("devices", "--json", code=MADE_UP + START).stdout)
