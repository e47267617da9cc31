"""Runs a program: opens its devices, links it, runs its threads, reads its result.

The program's main thread runs on a thread of its own, so that Python's main thread can wait and
take Ctrl-C. When `run` returns or raises, every thread has ended and every device is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkrun.collector import paused_collector, rare_collector
from zkrun.devices.base import Data, Device
from zkrun.devices.cpu.device import CpuDevice
from zkrun.devices.host import address_of
from zkrun.devices.pages import locked
from zkrun.devices.registry import close_devices, open_devices
from zkrun.errors import Interrupted, InvalidProgram, ResourceLimit, UsageError, ZkrunError
from zkrun.program.document import Program, walk
from zkrun.program.instructions import Allocate, FuncCall, Transfer, Wait
from zkrun.runtime import random
from zkrun.runtime.constants import LoadedConstant, close_constants, load_constants, place
from zkrun.runtime.images import wipe
from zkrun.runtime.inputs import load_inputs
from zkrun.runtime.interrupts import CtrlC
from zkrun.runtime.link import link
from zkrun.runtime.linker import CallTypes, Linker
from zkrun.runtime.options import Options
from zkrun.runtime.record import Recording, build_trace
from zkrun.runtime.result import Result, check_size, read_result
from zkrun.runtime.state import Run
from zkrun.runtime.threads import Pool
from zkrun.runtime.trace import DeviceUse, Trace
from zkrun.runtime.validate import validate
from zkrun.runtime.views import whole

if TYPE_CHECKING:
    from zkrun.analysis import Analysis

__all__ = ["Outcome", "run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives: its result, and what happened."""

    result: Result
    trace: Trace


def run(
    program: Program,
    inputs: Mapping[str, object] | None = None,
    options: Options | None = None,
    analysis: Analysis | None = None,
) -> Outcome:
    """Runs a program on values for its inputs (see `load_inputs`).

    The program is validated first, unless what `validate` found is given as `analysis`. Raises one
    of the errors of `zkrun.errors`; those of an instruction say where in the program it stands.
    """
    options = options or Options()
    names, calls = _survey(program)
    _check_options(names, options)
    ctrl_c = CtrlC()
    try:
        with ctrl_c.deferred(), ExitStack() as cleanup:
            with ctrl_c.taken():
                found = _checked(program, analysis)
                types = _call_types(calls, found)
                _check_result(program, found)
                images = load_inputs(program, inputs or {})
                for image in images:  # of the witness: they do not outlive the run
                    cleanup.callback(wipe, image)
                    cleanup.callback(_unlock, image)
                constants = load_constants(program)
            cleanup.callback(close_constants, constants)
            return _iterate(_Job(program, images, constants, names, types, options, ctrl_c))
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    except MemoryError:
        raise ResourceLimit("the host's memory is exhausted") from None


def _check_options(named: list[str], options: Options) -> None:
    if options.iterations < 1 or options.warmup < 0:
        raise UsageError("a run needs at least one iteration, and no fewer than 0 to warm up")
    if options.timeout is not None and not options.timeout > 0:
        raise UsageError("the time limit must be more than 0 seconds")
    if options.sanitize and options.gpu != "virtual":
        raise UsageError("only virtual GPUs can be watched: the sanitizer needs them")
    for name, limit in options.limits.items():
        if name not in named:
            known = ", ".join(named)
            raise UsageError(
                f"a limit is set for {name!r}, which the program does not use: {known}"
            )
        if limit < 0:
            raise UsageError(f"the limit of {name} is negative")
        if limit >> 63:
            raise UsageError(f"the limit of {name} is more than any memory has")


def _survey(program: Program) -> tuple[list[str], dict[int, str]]:
    """All devices that a program names, the CPU first; the path of each FuncCall by position."""
    names = {"cpu": None} | dict.fromkeys(program.memory)
    names |= {constant.device: None for constant in program.constants}
    calls: dict[int, str] = {}
    for position, (path, _, it) in enumerate(walk(program)):
        if isinstance(it, FuncCall):
            calls[position] = path
        elif isinstance(it, Allocate):
            names[it.device] = None
        elif isinstance(it, Transfer):
            names |= {it.src_device: None, it.dst_device: None}
        elif isinstance(it, Wait):
            names[it.slave] = None
    return list(names), calls


def _checked(program: Program, analysis: Analysis | None) -> Analysis:
    """What the analysis says, operands included. InvalidProgram where there are errors."""
    if analysis is None or (analysis.valid and not analysis.operands):
        analysis = validate(program)
    if not analysis.valid:
        errors = [one for one in analysis.diagnostics if one.severity == "error"]
        first = errors[0]
        where = f" (at {first.path})" if first.path else ""
        raise InvalidProgram(f"{first.message}{where}", analysis.diagnostics)
    return analysis


def _check_result(program: Program, analysis: Analysis) -> None:
    """ResourceLimit where the program returns more than is written."""
    (returned,) = analysis.operands[f"/instructions/{len(program.instructions) - 1}"]
    check_size(returned.typ, program.curve_record)


def _call_types(calls: Mapping[int, str], analysis: Analysis) -> dict[int, CallTypes]:
    """What each FuncCall will see, by its position."""
    found: dict[int, CallTypes] = {}
    for position, path in calls.items():
        infos = analysis.operands[path]
        mutable = tuple(one.typ for one in infos if one.operand.startswith("arg_mut"))
        immutable = tuple(one.typ for one in infos[len(mutable) :])
        device = infos[0].device
        found[position] = (device, mutable, immutable if device == "cpu" else immutable[:-1])
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    """What all iterations have in common."""

    program: Program
    images: list[bytearray]
    constants: list[LoadedConstant]
    names: list[str]
    types: Mapping[int, CallTypes]
    options: Options
    ctrl_c: CtrlC


def _iterate(job: _Job) -> Outcome:
    """Runs all iterations, each on devices as good as new. The result is the last one's."""
    result: Result | None = None
    recordings: list[Recording] = []
    options = job.options
    warmup, total = options.warmup, options.warmup + options.iterations
    devices: dict[str, Device] = {}
    pool = Pool()
    try:
        for number in range(total):
            devices = open_devices(
                job.names,
                gpu=options.gpu,
                limits=options.limits,
                folder=options.folder,
                shuffle=options.shuffle,
                notify=options.notify,
                before=devices,
            )
            recording, result = _once(job, pool, devices, want_result=number == total - 1)
            if (failure := recording.run.failure) is not None:
                raise _traced(failure, job, recording)
            if number >= warmup:
                recordings.append(recording)
    finally:
        try:
            close_devices(devices)
        finally:
            pool.close()
    assert result is not None
    walls = [recording.wall for recording in recordings]
    median = sorted(range(len(walls)), key=walls.__getitem__)[(len(walls) - 1) // 2]
    with paused_collector():
        trace = build_trace(job.program, job.options, recordings[median], walls)
    return Outcome(result, trace)


def _traced(failure: BaseException, job: _Job, recording: Recording) -> BaseException:
    """The failure of a run, with the trace of what came before it."""
    if isinstance(failure, ZkrunError):
        with paused_collector(), suppress(MemoryError):  # which may be why it failed
            failure.trace = build_trace(job.program, job.options, recording, [recording.wall])
    return failure


def _once(
    job: _Job, pool: Pool, devices: dict[str, Device], want_result: bool
) -> tuple[Recording, Result | None]:
    program, options, curve = job.program, job.options, job.program.curve_record
    run = Run(devices, pool)
    if options.sanitize:
        from zkrun.runtime.sanitizer import Sanitizer

        run.sanitizer = Sanitizer(run.places)
    try:
        with job.ctrl_c.taken():
            for name, nbytes in program.memory.items():
                devices[name].reserve(nbytes)
            linker = Linker(
                run,
                program,
                [place(one, devices[one.constant.device], curve) for one in job.constants],
                _place_inputs(program, job.images, devices["cpu"]),
                random.key(options.seed),
            )
            ranges = next(filter(None, (device.ranges() for device in devices.values())), None)
            if ranges is not None:
                linker.name_ranges(ranges)
            elif options.warmup + options.iterations > 1 and not options.sanitize:
                linker.chain(job.types)
            with paused_collector():
                link(linker, job.types)
        for device in devices.values():
            run.memory.append((0, device.name, device.account.current))
        with rare_collector():
            _drive(run, pool, options.timeout, job.ctrl_c)
        result = None
        if want_result and run.failure is None:
            with job.ctrl_c.taken():
                result = read_result(run.result, curve)
        uses = [
            DeviceUse(
                name,
                device.account.peak,
                program.memory.get(name, 0),
                0,
                0,
                options.limits.get(name),
            )
            for name, device in devices.items()
        ]
        return Recording(run, linker.calls, uses), result
    finally:
        run.release()


def _place_inputs(program: Program, images: list[bytearray], cpu: Device) -> list[Data]:
    """The inputs as memory of the CPU, where they lie."""
    assert isinstance(cpu, CpuDevice)
    placed = []
    for entry, image in zip(program.inputs, images, strict=True):
        cpu.account.take(len(image))
        block = cpu.adopt(address_of(image), len(image), image)
        placed.append(whole(entry.typ, program.curve_record, block))
    return placed


def _drive(run: Run, pool: Pool, timeout: float | None, ctrl_c: CtrlC) -> None:
    """Starts the program and waits for its end. Ctrl-C is a failure of the run like any other."""
    pool.submit(run.main)
    try:
        with ctrl_c.taken():
            ended = run.wait(timeout)
        if timeout is not None and (not ended or run.end - run.start > timeout * 1e9):
            run.fail(None, ResourceLimit(f"the run took longer than {timeout:g} seconds"))
            run.wait()
    except KeyboardInterrupt:
        run.fail(None, Interrupted("interrupted"))
    finally:
        run.stop_and_wait()


def _unlock(image: bytearray) -> None:
    """Its memory goes; until now a GPU may have kept its pages locked, through all iterations."""
    locked.unlock(address_of(image), len(image))
