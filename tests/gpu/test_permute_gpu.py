"""halo2's lookup permutation on the GPU: against the CPU's and Python's sort, whatever shares the
leading bits that it sorts by first."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from gpu_values import LAYOUTS, agree, array, both_curves, images, opened, outcome

from zkrun.algebra.curves import Curve
from zkrun.devices.cuda.kernels.sources import sources
from zkrun.devices.cuda.plans.permute import SHORT, plan_permutation

pytestmark = pytest.mark.gpu

BUCKETED = (1 << 13) + 1  # rows, from which on there are buckets
LARGER = (1 << 18) + 1  # with larger buckets
MOST_IN_CELL = 64  # elements of a bucket that are compared with each other
LONGEST_RUN = 16  # of records with equal keys that are put in order where they are
SIZES = sorted(
    {1, 2, 3, 31, 32, 33, 255, 256, 257}
    | {
        tile * count + d
        for tile in (SHORT.match, SHORT.sort)
        for count in (1, 2)
        for d in (-1, 0, 1)
    }
    | {(1 << k) + d for k in (12, 14) for d in (-1, 0, 1)}
)


def image(values: Sequence[int], curve: Curve) -> bytes:
    return b"".join((v * 2**256 % curve.r).to_bytes(32, "little") for v in values)


def permutation(a: Sequence[int], t: Sequence[int]) -> tuple[list[int], list[int]]:
    """As the book on halo2 describes it, by Python's sort."""
    inputs, left = sorted(a), Counter(t)
    left.subtract(set(a))
    rest = sorted(left.elements(), reverse=True)  # the last one is taken first
    table = inputs[:]
    for row in reversed(range(len(inputs))):
        if row > 0 and inputs[row] == inputs[row - 1]:
            table[row] = rest.pop()
    return inputs, table


def kinds(curve: Curve, n: int, source: random.Random) -> Iterator[tuple[str, list[int]]]:
    """Tables of n values."""
    r, bits = curve.r, curve.r.bit_length()
    drawn = [source.randrange(r) for _ in range(n)]
    yield "random", drawn
    yield "sorted", sorted(drawn)
    yield "reversed", sorted(drawn, reverse=True)
    yield "equal", [source.randrange(r)] * n
    yield "equal and small", [5] * n
    yield "16 bits", [source.randrange(1 << 16) for _ in range(n)]
    yield "about 31 bits", [(1 << 31) + source.randrange(-n, n) for _ in range(n)]
    yield "64 bits", [source.randrange(1 << 64) for _ in range(n)]
    yield "of each length", [source.randrange(1 << (i % (bits - 1) + 1)) for i in range(n)]
    yield "the largest", [r - 1 - i for i in range(n)]
    yield "alike at the top", [(r >> 1) + source.randrange(1 << 70) for _ in range(n)]
    yield "alike at the bottom", [source.randrange(1 << 30) << (bits - 33) for _ in range(n)]
    yield "in one word", [(1 << (bits - 2)) + (source.randrange(1 << 20) << 90) for _ in range(n)]
    yield "half of them one", [v if i % 2 else drawn[0] for i, v in enumerate(drawn)]


@both_curves
def test_distributions_and_lengths(curve: Curve) -> None:
    source = random.Random(1)
    with opened("cpu", "gpu:0") as devices:
        for n in SIZES:
            outs = [array(images(curve, n, 8)), array(images(curve, n, 9))]
            for name, table in kinds(curve, n, source):
                if name not in ("sorted", "reversed"):
                    source.shuffle(table)
                items = {value: image([value], curve) for value in table}

                def joined(values: Sequence[int], items: dict[int, bytes] = items) -> bytes:
                    return b"".join(map(items.__getitem__, values))

                for inputs in (table[::-1], source.choices(table, k=n), [table[0]] * n):
                    ins = [array(joined(inputs)), array(joined(table))]
                    got = outcome(devices["gpu:0"], curve, "permute", {"usable": n}, outs, ins)
                    expected = [joined(values) for values in permutation(inputs, table)]
                    assert got == expected, (name, n)


@both_curves
@pytest.mark.parametrize("layout", LAYOUTS)
def test_fewer_rows_than_there_are(curve: Curve, layout: str) -> None:
    source = random.Random(3)
    with opened("cpu", "gpu:0") as devices:
        for n, usable in (
            (9, 4),
            (SHORT.sort + 7, SHORT.sort),
            (3 * SHORT.sort, 2 * SHORT.sort + 1),
        ):
            for _, table in kinds(curve, n, source):
                inputs = source.choices(table[:usable], k=n)
                outs = [array(images(curve, n, 8)), array(images(curve, n, 9))]
                ins = [array(image(inputs, curve)), array(image(table, curve))]
                agree(devices, curve, "permute", {"usable": usable}, outs, ins, layout)


@both_curves
def test_runs_of_values_that_share_their_leading_bits(curve: Curve) -> None:
    """As long as they are put in order one by one, and longer, in either array and in both."""
    source = random.Random(4)
    assert f"longest_run = {LONGEST_RUN};" in sources()["sort_runs.cuh"]
    tops = [source.randrange(1 << 28) << (curve.r.bit_length() - 30) for _ in range(300)]
    with opened("cpu", "gpu:0") as devices:
        for run in (2, 3, LONGEST_RUN - 1, LONGEST_RUN, LONGEST_RUN + 1, 3 * LONGEST_RUN):
            table = [top + source.randrange(1 << 100) for top in tops for _ in range(run)]
            repeated = [value for value in table[::7] for _ in range(40)][: len(table)]
            few = [table[source.randrange(3)] for _ in table]
            for inputs in (table[:], repeated + table[: len(table) - len(repeated)], few):
                source.shuffle(inputs)
                for rows in (table, sorted(table), sorted(table, reverse=True)):
                    n = len(rows)
                    outs = [array(bytes(32 * n))] * 2
                    ins = [array(image(inputs, curve)), array(image(rows, curve))]
                    agree(devices, curve, "permute", {"usable": n}, outs, ins)


@both_curves
def test_a_value_that_is_missing(curve: Curve) -> None:
    """The first row of a counts, also where the table has values that look alike."""
    source = random.Random(5)
    top = 3 << (curve.r.bit_length() - 4)
    near = [top + 2 * i for i in range(3000)]
    far = [source.randrange(curve.r) & ~1 for _ in range(3000)]
    with opened("cpu", "gpu:0") as devices:
        for table in (near, far, [2 * i for i in range(3000)]):
            source.shuffle(table)
            inputs = source.choices(table, k=len(table))
            for rows in ([2999], [17, 2998], [0, 1, 2999], [1234, 5]):
                for wrong in (table[7] + 1, curve.r - 1, 1):
                    asked = inputs[:]
                    for row in rows:
                        asked[row] = wrong + 2 * row % 8 if wrong == table[7] + 1 else wrong
                    outs = [array(bytes(32 * len(table)))] * 2
                    ins = [array(image(asked, curve)), array(image(table, curve))]
                    params = {"usable": len(table)}
                    agree(devices, curve, "permute", params, outs, ins)
                    text = outcome(devices["gpu:0"], curve, "permute", params, outs, ins)
                    assert text[0].endswith(b"row %d is not in the table" % min(rows))


def spread_tables(curve: Curve, n: int, source: random.Random) -> Iterator[list[int]]:
    """Of n values that fill buckets evenly, or nearly so."""
    r = curve.r
    drawn = [source.randrange(r) for _ in range(n)]
    yield [*drawn[2:], 0, r - 1]
    yield (drawn[: n // 2] * 3)[:n]  # twice each
    yield [v + d for v in drawn[: n // 2 + 1] for d in (0, -1)][:n]  # two that only the end tells
    for many in (MOST_IN_CELL - 4, MOST_IN_CELL + 1):  # in one cell, and a bit too many for it
        yield [drawn[0] + i for i in range(many)] + drawn[many:]
    yield [v >> 1 for v in drawn]  # buckets are too full, or empty


@both_curves
@pytest.mark.parametrize("n", [BUCKETED, LARGER])
def test_values_that_are_spread_evenly(curve: Curve, n: int) -> None:
    """In buckets of neighbouring values, as far as they can be."""
    source = random.Random(7)
    assert f"most_in_cell = {MOST_IN_CELL};" in sources()["permute_buckets.cuh"]
    assert plan_permutation(BUCKETED).buckets > plan_permutation(BUCKETED - 1).buckets == 0
    assert plan_permutation(LARGER).share > plan_permutation(BUCKETED).share
    more = images(curve, 77, 8)  # rows that are not used
    with opened("cpu", "gpu:0") as devices:
        outs = [array(images(curve, n + 77, 8)), array(images(curve, n + 77, 9))]
        for table in spread_tables(curve, n, source):
            source.shuffle(table)
            items = {value: image([value], curve) for value in table}
            whole = table[:]
            source.shuffle(whole)
            in_order = sorted(table)
            for inputs in (
                whole,
                source.choices(table, k=n),
                source.choices(in_order[: n * 9 // 10], k=n),
                source.choices(in_order[: n // 2], k=n),
                whole[n // 50 :] + [table[5]] * (n // 50),
                [*whole[1000:], *[table[5]] * 20, *whole[20:1000]],
            ):
                ins = [
                    array(b"".join([*map(items.__getitem__, values), more]))
                    for values in (inputs, table)
                ]
                agree(devices, curve, "permute", {"usable": n}, outs, ins, "wrapped slice")


@both_curves
@pytest.mark.parametrize("n", [BUCKETED, LARGER])
def test_a_value_that_is_missing_in_a_bucket(curve: Curve, n: int) -> None:
    source = random.Random(8)
    table = [source.randrange(curve.r) & ~1 for _ in range(n)]
    inputs = source.choices(table, k=len(table))
    outs = [array(bytes(32 * len(table)))] * 2
    rows = array(image(table, curve))
    with opened("cpu", "gpu:0") as devices:
        for missing in ([n - 1], [n // 50, n // 4]):
            asked = inputs[:]
            for row in missing:
                asked[row] += 1
            ins = [array(image(asked, curve)), rows]
            params = {"usable": len(table)}
            agree(devices, curve, "permute", params, outs, ins)
            text = outcome(devices["gpu:0"], curve, "permute", params, outs, ins)
            assert text[0].endswith(b"row %d is not in the table" % min(missing))


@both_curves
def test_many_rows(curve: Curve) -> None:
    """Tiles enough that blocks take several."""
    source = random.Random(6)
    small = image(range(1 << 12), curve)
    alike = image([(curve.r >> 1) + source.randrange(1 << 90) for _ in range(1 << 12)], curve)
    with opened("cpu", "gpu:0") as devices:
        for n, pool in (
            ((1 << 21) + 3, images(curve, (1 << 21) + 3, 7)),
            ((1 << 20) - 1, small),
            ((1 << 18) + 5, alike),
        ):
            items = [pool[i : i + 32] for i in range(0, len(pool), 32)]
            table = items + items[:1] * (n - len(items))
            inputs = source.choices(table, k=n)
            outs = [array(bytes(32 * n))] * 2
            ins = [array(b"".join(inputs)), array(b"".join(table))]
            agree(devices, curve, "permute", {"usable": n}, outs, ins)
