"""The memory that a multi-scalar multiplication on the CPU takes beside its operands.

Follows native/msm.hpp: which parts there are and how long each lives. The plan of
native/msm_plan.hpp is made here as well, in the same integers, as the memory follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zkrun.algebra.curves import Curve
from zkrun.devices.cpu.scratch_block import block_bytes

__all__ = ["MsmPlan", "msm_bytes", "plan_msm"]

PIECE = 1 << 18
"""Points that are taken at once."""

_OPERAND_CHUNK = 1 << 14
_ROWS_PER_JOB = 1 << 16
_WINDOW_BITS = range(3, 17)
_ADDITION_COST, _BUCKET_COST, _JOB_COST, _PART_COST = 10, 22, 3000, 15000
_BATCH = 1024  # additions that share an inversion
_LIMB_BITS = 52
_OPERAND, _DIGIT, _ADDITION, _LIST = 4, 2, 12, 12  # bytes


@dataclass(frozen=True, slots=True)
class MsmPlan:
    """Rows are taken by `parts` ranges, the windows of each by jobs of `windows_per_job`."""

    window_bits: int
    windows: int
    windows_per_job: int
    parts: int

    @property
    def jobs(self) -> int:
        return self.parts * -(-self.windows // self.windows_per_job)


def msm_bytes(curve: Curve, group: str, vectors: Sequence[int], threads: int) -> int:
    """At most so many bytes for sums with scalar vectors of these lengths, on 1 to `threads`."""
    longest = max(vectors, default=0)
    most = 0
    ends = {n // PIECE * PIECE for n in vectors}  # where a vector's last piece begins
    for begin in {0, *ends, *(end - PIECE for end in ends if end)}:
        if begin >= longest:
            continue
        points = min(PIECE, longest - begin)
        table = block_bytes(2 * points * _row_bytes(curve, group))
        used = {min(points, n - begin) for n in vectors if n > begin}
        most = max(most, table + max(_most_of_a_vector(curve, group, n, threads) for n in used))
    return most


@cache
def _most_of_a_vector(curve: Curve, group: str, n: int, threads: int) -> int:
    """With more threads a plan may take less, so all numbers of them are tried."""
    return max(_vector_bytes(curve, group, n, count) for count in range(1, threads + 1))


def _vector_bytes(curve: Curve, group: str, n: int, threads: int) -> int:
    """Of one scalar vector of n elements: its digits, the sums over bits, and the jobs at work."""
    rows = 2 * n
    plan = plan_msm(rows, threads)
    digits = block_bytes(plan.windows * rows * _DIGIT)
    sums = block_bytes(plan.parts * plan.windows * plan.window_bits * _row_bytes(curve, group))
    return digits + sums + min(threads, plan.jobs) * _job_bytes(curve, group, rows, plan)


def _job_bytes(curve: Curve, group: str, rows: int, plan: MsmPlan) -> int:
    windows, part_rows = plan.windows_per_job, -(-rows // plan.parts)
    buckets = windows << (plan.window_bits - 1)
    digits = part_rows * windows
    chunk = min(_OPERAND_CHUNK, digits)
    bits = windows * plan.window_bits
    longest = max(chunk // 2 + 1, buckets)

    work_rows = buckets + max(chunk // 2 + 1, buckets // 2) + 1
    adder = block_bytes(work_rows * _row_bytes(curve, group)) + _batch_bytes(curve, group, longest)
    sorted_digits = block_bytes((buckets + 1) * 4) + block_bytes(digits * _OPERAND)
    sum_buckets = (
        block_bytes((chunk + 1) * _OPERAND)
        + block_bytes(min(chunk, buckets) * _LIST)
        + block_bytes((chunk // 2 + 1) * _ADDITION)
    )
    sum_bits = (
        block_bytes(bits * _OPERAND)
        + block_bytes(buckets * _ADDITION)
        + block_bytes(buckets * _OPERAND)
        + block_bytes(bits * _LIST)
    )
    return adder + block_bytes(buckets * _OPERAND) + max(sorted_digits + sum_buckets, sum_bits)


def _batch_bytes(curve: Curve, group: str, longest: int) -> int:
    """What additions keep that share an inversion: of the adder of any machine (two elements of the
    field), and on G1 of that for AVX-512 (six vectors of eight and a mask for eight additions)."""
    count = min(_BATCH, longest)
    plain = 2 * block_bytes(count * _row_bytes(curve, group) // 2)
    if group != "g1":
        return plain
    limbs = -(-curve.base.modulus.bit_length() // _LIMB_BITS)
    return max(plain, block_bytes(-(-count // 8) * 64 * (6 * limbs + 1)))


def _row_bytes(curve: Curve, group: str) -> int:
    """An affine point."""
    return (2 if group == "g1" else 4) * curve.base.bytes


@cache
def plan_msm(rows: int, threads: int) -> MsmPlan:
    """The cheapest plan for a table of so many rows, of equal ones the first."""
    best, best_cost = None, 0
    for bits in _WINDOW_BITS:
        windows = -(-128 // bits)
        parts = 1
        while parts <= threads:
            part_rows = rows // parts
            by_size = -(-windows * part_rows // _ROWS_PER_JOB)
            jobs = min(windows, max(by_size, -(-threads // parts), 1))
            plan = MsmPlan(bits, windows, -(-windows // jobs), parts)
            busiest_jobs = -(-plan.jobs // threads)
            busiest_windows = min(busiest_jobs * plan.windows_per_job, windows * parts)
            cost = (
                busiest_windows * (_ADDITION_COST * part_rows + (_BUCKET_COST << (bits - 1)))
                + _JOB_COST * busiest_jobs
                + _PART_COST * parts
            )
            if best is None or cost < best_cost:
                best, best_cost = plan, cost
            parts *= 2
    assert best is not None
    return best
