"""`zkrun devices`: what this machine can run programs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zkrun.cli.options import ColorOption, JsonOption

if TYPE_CHECKING:
    from zkrun.devices.registry import DeviceInfo, Warmed

__all__ = ["command"]

_NO_GPU = "no GPU is there to use; a program that names one runs on the CPU with --gpu virtual"


def command(
    warm: Annotated[
        bool,
        typer.Option(
            "--warm",
            help="Compile all kernels for the GPUs that are here, so that no program waits for "
            "them; those of fused_arith are each program's own.",
        ),
    ] = False,
    json: JsonOption = False,
    color: ColorOption = None,
) -> None:
    """Lists the devices of this machine, and what is missing."""
    from dataclasses import asdict

    from zkrun.cli.terminal import emit_json
    from zkrun.devices.registry import describe_devices, missing_devices

    warmed = _warm() if warm else []
    devices = describe_devices()
    missing = [] if any(_is_gpu(device) for device in devices) else [*missing_devices(), _NO_GPU]
    if json:
        emit_json(
            {
                "schema": "zkrun-devices/1",
                "devices": [asdict(device) for device in devices],
                "missing": missing,
                **({"warmed": [asdict(one) for one in warmed]} if warm else {}),
            }
        )
    else:
        _show(devices, missing, warmed)


def _warm() -> list[Warmed]:
    from zkrun.cli.progress import Progress
    from zkrun.devices.registry import warm_devices

    with Progress("compiling kernels") as progress:
        return warm_devices(progress.tell)


def _is_gpu(device: DeviceInfo) -> bool:
    return device.name.startswith("gpu:") and device.kind != "virtual"


def _show(devices: list[DeviceInfo], missing: list[str], warmed: list[Warmed]) -> None:
    import sys

    from rich.text import Text

    from zkrun.cli.terminal import show
    from zkrun.report.text import safe

    width = max((len(key) for device in devices for key in device.details), default=0)
    lines = []
    for device in devices:
        lines.append(Text.assemble((safe(device.name), "bold cyan"), f"  {safe(device.title)}"))
        for key, value in device.details.items():
            lines.append(Text(f"  {safe(key):<{width}}  {safe(value)}"))
        lines.append(Text())
    lines += [Text(line, style="yellow") for line in missing]
    for one in warmed:
        names = ", ".join(map(safe, one.devices))
        lines.append(
            Text(
                f"{names}: all {one.units} units of kernels for {safe(one.architecture)} are on "
                f"disk, {one.compiled} of them compiled now, in {one.seconds:.1f} s"
            )
        )
    show(*lines, stream=sys.stdout)
