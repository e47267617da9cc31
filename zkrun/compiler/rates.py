"""How fast the machine is that a program is compiled for, where nobody says."""

from __future__ import annotations

from zkrun.analysis.rates import Rates

__all__ = ["DEFAULT_RATES"]

DEFAULT_RATES = Rates(
    name="H200, PCIe 5, a server's CPU",
    multiplications={
        ("gpu", "scalar"): 58e9,
        ("gpu", "base"): 29e9,
        ("cpu", "scalar"): 2e9,
        ("cpu", "base"): 1e9,
    },
    bytes={"gpu": 4e12, "cpu": 40e9, "disk": 2e9},
    links={
        "cpu->gpu": 50e9,
        "gpu->cpu": 50e9,
        "gpu->gpu": 200e9,
        "cpu->cpu": 20e9,
        "cpu->disk": 1.5e9,
        "disk->cpu": 2.5e9,
        "gpu->disk": 1.5e9,
        "disk->gpu": 2.5e9,
    },
    threads=32,
)
"""What zkrun's own transforms and multi-scalar multiplications reach on an H200, its copies with
pinned memory, and what a server's CPU with some 32 threads does. For planning only: a wrong rate
makes a plan slower, never wrong."""
