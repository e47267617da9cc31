"""What is said where no NVIDIA GPU can be used: what to install, or that nothing would help."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from zkrun.devices import cuda
from zkrun.devices.cuda import description
from zkrun.devices.registry import open_devices, warm_devices
from zkrun.errors import RunFailed


def pretend_cupy(monkeypatch: pytest.MonkeyPatch, count: Callable[[], int] | None) -> None:
    """A CuPy that counts GPUs so; one that cannot be loaded without."""
    runtime: Any = ModuleType("cupy.cuda.runtime")
    modules: dict[str, Any] = {"cupy": ModuleType("cupy"), "cupy.cuda": ModuleType("cupy.cuda")}
    if count is not None:
        runtime.getDeviceCount = count
        modules["cupy.cuda"].runtime = runtime
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(description, "find_spec", lambda name: object())


def check(problem: str) -> None:
    assert cuda.describe() == []
    assert cuda.missing() == problem
    for ask in (lambda: open_devices(["gpu:0"]), warm_devices):
        with pytest.raises(RunFailed) as caught:
            ask()
        assert f"cpu, disk). {problem}." in str(caught.value)
        assert caught.value.exit_code == 4
    with pytest.raises(RunFailed, match=r"--gpu virtual$"):
        open_devices(["gpu:0"])


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "find_spec", lambda name: None)
    check("CuPy is not installed: pip install 'zkrun[cuda13]' (or cuda12)")


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cupy(monkeypatch, lambda: 1)
    found = {"cupy": object(), "zkrun.devices.cuda._rows": None}
    monkeypatch.setattr(description, "find_spec", found.get)
    check(
        "the extension that queues kernels is not installed; 'pip install .' builds it, and so "
        "does scripts/build_native in a source tree"
    )


def test_a_cupy_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cupy(monkeypatch, None)
    assert cuda.describe() == []
    text = cuda.missing() or ""
    assert text.startswith("CuPy cannot be loaded (")
    assert text.endswith("pip install 'zkrun[cuda13]' (or cuda12)")


@pytest.mark.parametrize("loaded", [False, True])
def test_a_driver_that_cannot_be_used(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver")

    pretend_cupy(monkeypatch, count)
    monkeypatch.setattr(description.Path, "exists", lambda self: loaded)
    used = "the NVIDIA driver cannot be used: cudaErrorInsufficientDriver"
    check(used if loaded else "no NVIDIA driver is loaded")


def test_a_driver_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cupy(monkeypatch, lambda: 0)
    assert cuda.describe() == []
    assert cuda.missing() is None
    with pytest.raises(RunFailed, match=r"it has: cpu, disk\)\. To run every GPU"):
        open_devices(["gpu:0"])


def test_a_gpu_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cupy(monkeypatch, lambda: 1)
    sys.modules["cupy.cuda"].Device = lambda index: SimpleNamespace(compute_capability="75")
    check("gpu:0 has compute capability 7.5, and 8.0 is the least")


def test_of_two_gpus_the_one_that_is_not_too_old_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number."""
    pretend_cupy(monkeypatch, lambda: 2)
    monkeypatch.setattr(description, "architecture_of", lambda index: 75 + 10 * index)
    monkeypatch.setattr(description, "_describe", lambda index: f"gpu:{index}")
    assert cuda.describe() == ["gpu:1"]
    assert cuda.missing() == "gpu:0 has compute capability 7.5, and 8.0 is the least"
