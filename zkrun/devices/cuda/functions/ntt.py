"""The number theoretic transform: ntt.cuh, and the tables that it needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cupy.cuda import runtime

from zkrun.algebra.curves import Curve, Field
from zkrun.devices.cuda.functions.elementwise import THREADS
from zkrun.devices.cuda.functions.launch import (
    Kernel,
    Launch,
    Values,
    blocks,
    kernels,
    montgomery,
)
from zkrun.devices.cuda.kernels.units import elementwise_unit, ntt_units
from zkrun.devices.cuda.plans.ntt import (
    ELEMENT,
    FACTOR,
    LARGEST_TABLE,
    Shape,
    best_shape,
    held_by,
)
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.devices.cuda.streams.rows import (
    Argument,
    Given,
    Step,
    Steps,
    constant,
    mutable_operand,
    queue_once,
    scratch_memory,
)
from zkrun.errors import RunFailed
from zkrun.program.signature import Call
from zkrun.program.types import length

if TYPE_CHECKING:
    from zkrun.devices.cuda.device import CudaDevice

__all__ = ["Plan", "ntt"]

_ELEMENTS, _FACTORS, _SINGLE_FACTORS = 0, 1, 2  # layouts of tables
_BYTES = (ELEMENT, FACTOR, FACTOR)  # of an entry
_SHARED = 64 << 10  # at most: of a tile of 2^11 elements
_POWER_RUN = 16  # columns that a thread of power_table fills


def ntt(call: Call, device: CudaDevice) -> Launch:
    curve, params = call.curve, call.params
    typ: Any = call.mutable[0]
    k = typ.len.bit_length() - 1
    field = curve.scalar
    root = params.root
    if root is None:
        root = pow(field.root_of_unity, 1 << (field.two_adicity - k), field.modulus)
    key = ("ntt", curve.name, k, params.inverse, params.coset, root, params.tables)
    if key not in device.plans:
        device.plans[key] = Plan(
            device, curve, k, root, params.coset, params.inverse, tables=params.tables
        )
    plan: Any = device.plans[key]
    if not call.immutable:
        launch_plan: Launch = plan.launch
        return launch_plan
    check = kernels(*ntt_units(curve, 0))["check"]
    grid = blocks(length(call.immutable[0]), 256)
    job: Argument = [Given(0), Given(1, 0), 0, montgomery(root, field)]
    checked = Steps([check.step(grid, 256, job)], 2)

    def launch(queue: Queue, mutable: Values, immutable: Values) -> None:
        number, word = queue.failure_word()
        checked.queue_on(queue, (immutable[0], word))
        plan(queue, mutable[0], word)
        queue.fail_if_set(number, lambda word: RunFailed(_WRONG))

    return launch


_WRONG = "ntt: the twiddles are not the powers of the root of unity"


@dataclass(frozen=True, slots=True)
class _Pass:
    """One launch: what of its struct does not depend on the call."""

    places: bytes  # from `in` to `factor_column`
    sizes: bytes  # from `log_rows` on
    grid: int
    threads: int
    shared: int


class Plan:
    """The tables and passes of one transform of 2^k elements, on one GPU.

    `coset` scales the input's element j by coset^j; the inverse undoes that and divides by 2^k.
    Transforms longer than `largest_table`, and those that are to keep no long `tables`, take two
    multiplications for a factor between passes, rather than a table as long as they are.
    """

    largest_table = LARGEST_TABLE

    def __init__(
        self,
        device: CudaDevice,
        curve: Curve,
        k: int,
        root: int,
        coset: int,
        inverse: bool,
        shape: Shape | None = None,
        tables: bool = True,
    ) -> None:
        self._device, self._curve, self._k = device, curve, k
        self._field: Field = curve.scalar
        r = self._field.modulus
        held = shape.held if shape else held_by(k)
        self._kernels: Mapping[str, Kernel] = kernels(*ntt_units(curve, held))
        self._inverse = inverse
        self._root = pow(root, -1, r) if inverse else root
        self._coset = coset if not inverse else 1
        self._shift = pow(coset, -1, r) if inverse else 1
        self._scale = pow(1 << k, -1, r) if inverse else 1
        self._tables: dict[tuple[int, ...], int] = {}
        self._passes: list[_Pass] = []
        self._geometric: tuple[int, int, int] | None = None
        if not held:
            self._constants = b"".join(
                montgomery(v, self._field)
                for v in (self._root, self._coset, self._shift, self._scale)
            )
        else:
            self._plan_passes(shape or best_shape(k), k > self.largest_table or not tables)
        self._steps = Steps(list(self._kernels_in_order()), 3)
        self._scratch = ELEMENT << self._k if len(self._passes) > 1 else 0
        scratch = scratch_memory(self._scratch) if self._scratch else constant(0)
        self.launch: Launch = self._steps.launch(mutable_operand(0), scratch, constant(0))

    def _plan_passes(self, shape: Shape, geometric: bool) -> None:
        self._run_pass: Kernel = self._kernels["pass"]
        self._run_pass.allow_shared(_SHARED)
        if geometric:
            self._plan_geometric()
        for number in range(len(shape.passes)):
            self._passes.append(self._plan_pass(shape, number))
        runtime.streamSynchronize(self._device.prepare().handle)

    def __call__(self, queue: Queue, a: Any, stop: int) -> None:
        """Queues the transform of `a`, which is left as it is where the word at `stop` is not 0."""
        scratch = queue.scratch(self._scratch) if self._scratch else 0
        self._steps.queue_on(queue, (a, scratch, stop))

    def _kernels_in_order(self) -> Iterator[Step]:
        """For values: (view of the array, address of scratch, address of the word to stop)."""
        user, stop, n, last = Given(0), Given(2, 0), 1 << self._k, len(self._passes) - 1
        if not self._passes:
            yield self._kernels["tiny"].step(1, 32, [user, stop, 0, self._constants])
            return
        between = [Given(1, 0), struct.pack("<3Q", n, 0, n)]
        if not self._inverse:
            yield from self._multiply_geometric(user)
        for number, one in enumerate(self._passes):
            source = [user] if number == 0 else between
            target = [user] if number == last else between
            job = [*source, *target, one.places, stop, one.sizes]
            yield self._run_pass.step(one.grid, one.threads, job, shared=one.shared)
        if self._inverse:
            yield from self._multiply_geometric(user)

    def _plan_pass(self, shape: Shape, number: int) -> _Pass:
        k, r, root = self._k, self._field.modulus, self._root
        m, held = shape.passes[number], shape.held
        before = sum(shape.passes[:number])  # bits of the rows that passes before have dealt with
        first, last = number == 0, number == len(shape.passes) - 1
        columns = k - before - m  # bits of how many there are
        if last:
            columns = shape.passes[0] if number else 0
        c = min(max(shape.tile - m, 0), columns)
        tile_columns, rest = 1 << c, 1 << (k - m - before)
        factors = fixed = high = low_bits = factor_row = factor_column = 0
        if last:
            column_in = 1 << (k - shape.passes[0]) if number else 0
            places_in = (1 << m, column_in * tile_columns, 1, column_in)
            places_out = (1 << shape.passes[0], tile_columns, 1 << (k - m), 1)
            scale = 1 if number else self._scale
            if (self._shift != 1 or scale != 1) and self._geometric is None:
                ratio = pow(self._shift, 1 << (k - m), r)
                fixed = self._table(_SINGLE_FACTORS, 1, 1 << m, scale, 1, 1, ratio)
                factor_row = 1
        else:
            places_in = places_out = (rest << m, tile_columns, rest, 1)
            w = pow(root, 1 << before, r)  # of the order of this pass and those behind it
            if self._geometric is None:
                shift = pow(self._shift, 1 << before, r)
                ratio, scale = (self._coset, self._scale) if first else (1, 1)
                powers = (1 << m, rest, scale, shift, w, ratio)
                if first:  # as many as there are elements: quotients would cost more than they save
                    factors = self._table(_ELEMENTS, *powers)
                else:
                    fixed = self._table(_SINGLE_FACTORS, *powers)
                factor_row, factor_column = rest, 1
            else:
                order = k - before
                low_bits = order // 2
                fixed, high = self._two_tables(_SINGLE_FACTORS, order, low_bits, 1, w)
        row_factors = 0
        if first and self._coset != 1 and self._geometric is None:
            row_factors = self._table(_FACTORS, 1, 1 << m, 1, 1, 1, pow(self._coset, rest, r))
        places = struct.pack(
            "<15Q",
            *places_in,
            *places_out,
            row_factors,
            self._twiddles(m, held),
            factors,
            fixed,
            high,
            factor_row,
            factor_column,
        )
        column_last = int(last and number > 0)
        sizes = struct.pack("<6I", m, c, columns - c, low_bits, column_last, 0) + self._units()
        return _Pass(places, sizes, 1 << (k - m - c), 1 << (m + c - held), ELEMENT << (m + c))

    def _units(self) -> bytes:
        r = self._field.modulus
        w, half = pow(self._root, 1 << (self._k - 3), r), (r + 1) // 2
        units = (w**2, (w + w**3) * half, (w - w**3) * half)
        return b"".join(_fixed(value % r, self._field) for value in units)

    def _twiddles(self, m: int, held: int) -> int:
        """The twiddles of all steps within tiles of 2^m rows, in the order of the steps."""
        low, digits, steps = m - held, held, []
        while low > 0:
            steps.append((low, digits))
            digits = min(low, held)
            low -= digits
        key = (m, held)
        if key not in self._tables:
            size = sum((1 << held) << low for low, _ in steps)
            address = self._tables[key] = self._device.pool.allocate(size * _BYTES[_FACTORS])
            for low, digits in steps:
                base = pow(self._root, 1 << (self._k - low - digits), self._field.modulus)
                self._fill_table(address, _FACTORS, 1 << held, 1 << low, 1, 1, base, 1, digits)
                address += (_BYTES[_FACTORS] << held) << low
        return self._tables[key]

    def _two_tables(
        self, layout: int, bits: int, low: int, scale: int, ratio: int
    ) -> tuple[int, int]:
        """Of which ratio^e, for an e of so many bits, takes one element each: by its `low` bits,
        times the scale, and by those above."""
        high_ratio = pow(ratio, 1 << low, self._field.modulus)
        return (
            self._table(layout, 1, 1 << low, scale, 1, 1, ratio),
            self._table(layout, 1, 1 << (bits - low), 1, 1, 1, high_ratio),
        )

    def _table(self, *powers: int) -> int:
        """A table of power_table: layout, rows, columns, scale, row, base, ratio."""
        if powers not in self._tables:
            layout, rows, columns, scale, row, base, ratio = powers
            nbytes = rows * columns * _BYTES[layout]
            address = self._tables[powers] = self._device.pool.allocate(nbytes)
            self._fill_table(address, layout, rows, columns, scale, row, base, ratio, 0)
        return self._tables[powers]

    def _fill_table(
        self,
        address: int,
        layout: int,
        rows: int,
        columns: int,
        scale: int,
        row: int,
        base: int,
        ratio: int,
        reversed_bits: int,
    ) -> None:
        payload = struct.pack("<3Q2I", address, rows, columns, reversed_bits, layout) + b"".join(
            montgomery(value, self._field) for value in (scale, row, base, ratio)
        )
        threads = rows * blocks(columns, _POWER_RUN)
        step = self._kernels["table"].step(blocks(threads, 128), 128, payload)
        queue_once([step], (), self._device.prepare().handle)

    def _plan_geometric(self) -> None:
        """For long transforms: the powers of the coset and the scale in a pass of their own."""
        k = self._k
        ratio = self._shift if self._inverse else self._coset
        if ratio == 1 and self._scale == 1:
            self._geometric = (0, 0, 0)
            return
        low = k // 2
        self._geometric = (*self._two_tables(_ELEMENTS, k, low, self._scale, ratio), low)

    def _multiply_geometric(self, user: Given) -> Iterator[Step]:
        if self._geometric is not None and self._geometric[0]:
            kernel = kernels(elementwise_unit(self._curve))["multiply_geometric"]
            factors = struct.pack("<4Q", *self._geometric, 0)
            yield kernel.step(blocks(1 << self._k, THREADS), THREADS, [user, factors])


def _fixed(value: int, field: Field) -> bytes:
    """A factor of fixed_factor.cuh: its integer, and its quotient floor(value R / p)."""
    quotient = (value << 8 * ELEMENT) // field.modulus
    return b"".join(part.to_bytes(ELEMENT, "little") for part in (value, quotient))
