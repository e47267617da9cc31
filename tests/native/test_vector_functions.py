"""Functions of the scalar field over arrays, in every build, against big-integer Python."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from oracle import Scalars, each_curve, each_isa, rolled, to_limbs

pytestmark = [each_isa, each_curve]

LENGTHS = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 257, 1023, 1025, 4097]
RECURRENCE_LENGTHS = [*LENGTHS, 4095, 4096, 8191, 8193, 16400]


@cache
def field(isa: str, curve: str) -> Scalars:
    return Scalars(isa, curve)


def check_elementwise(
    scalars: Scalars,
    length: int,
    call: Callable[..., object],
    expected: Callable[[int, int], int],
) -> None:
    """c = call(a, b) with separate arrays, in place of either input, and through wrapped views."""
    a, b = scalars.random_values(length), scalars.random_values(length)
    a[: len(scalars.edges())] = scalars.edges()[:length]
    want = [expected(x, y) for x, y in zip(a, b, strict=True)]
    for place in ("fresh", "first", "second"):
        left, right = scalars.array(a), scalars.array(b)
        out = {"fresh": scalars.empty(length), "first": left, "second": right}[place]
        call(scalars.context, scalars.view(out), scalars.view(left), scalars.view(right))
        assert scalars.values(out) == want

    if length < 3:
        return
    offsets = length - 1, 1, length // 2
    out = scalars.empty(length)
    call(
        scalars.context,
        scalars.view(out, offsets[0]),
        scalars.view(scalars.array(a), offsets[1]),
        scalars.view(scalars.array(b), offsets[2]),
    )
    pairs = zip(rolled(a, offsets[1], length), rolled(b, offsets[2], length), strict=True)
    assert rolled(scalars.values(out), offsets[0], length) == [expected(x, y) for x, y in pairs]


@pytest.mark.parametrize("length", LENGTHS)
def test_add_subtract_multiply(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    r, functions = scalars.r, scalars.functions
    check_elementwise(scalars, length, functions.poly_add, lambda x, y: (x + y) % r)
    check_elementwise(scalars, length, functions.poly_sub, lambda x, y: (x - y) % r)
    check_elementwise(scalars, length, functions.poly_mul, lambda x, y: x * y % r)


def test_products_of_all_pairs_of_edges(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    edges = scalars.edges()
    a = [x for x in edges for _ in edges]
    b = edges * len(edges)
    out = scalars.empty(len(a))
    scalars.functions.poly_mul(
        scalars.context,
        scalars.view(out),
        scalars.view(scalars.array(a)),
        scalars.view(scalars.array(b)),
    )
    assert scalars.values(out) == [x * y % scalars.r for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize(("left", "right"), [(0, 5), (5, 0), (9, 30), (30, 9), (1500, 3000)])
def test_the_shorter_operand_is_extended_by_zeros(
    isa: str, curve: str, left: int, right: int
) -> None:
    scalars = field(isa, curve)
    a, b = scalars.random_values(left), scalars.random_values(right)
    longest = max(left, right)
    padded = zip(
        a + [0] * (longest - left),
        b + [0] * (longest - right),
        strict=True,
    )
    pairs = list(padded)
    for offset in (0, longest // 3):
        for call, sign in ((scalars.functions.poly_add, 1), (scalars.functions.poly_sub, -1)):
            out = scalars.empty(longest)
            call(
                scalars.context,
                scalars.view(out, offset),
                scalars.view(scalars.array(a)),
                scalars.view(scalars.array(b)),
            )
            got = rolled(scalars.values(out), offset, longest)
            assert got == [(x + sign * y) % scalars.r for x, y in pairs]


@pytest.mark.parametrize("length", LENGTHS)
def test_scale(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(length)
    for factor in (0, 1, scalars.r - 1, *scalars.random_values(2)):
        array = scalars.array(values)
        offset = min(5, max(length - 1, 0))
        scalars.functions.poly_scale(
            scalars.context,
            scalars.view(array, offset),
            scalars.view(array, offset),
            scalars.view(scalars.array([factor])),
        )
        assert scalars.values(array) == [x * factor % scalars.r for x in values]


@pytest.mark.parametrize("length", LENGTHS)
def test_montgomery_form_and_back(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(length)
    array = to_limbs(values)
    view = scalars.view(array, length // 2)
    scalars.functions.to_montgomery(scalars.context, view)
    assert scalars.values(array) == values
    scalars.functions.from_montgomery(scalars.context, view)
    assert np.array_equal(array, to_limbs(values))


def test_first_not_canonical(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    length = 20000
    good = [scalars.random.randrange(scalars.r) for _ in range(length)]
    good[7], good[length - 1] = scalars.r - 1, 0

    def first(values: Sequence[int], offset: int = 0) -> int:
        array = to_limbs(values)
        index = scalars.functions.first_not_canonical(scalars.context, scalars.view(array, offset))
        assert isinstance(index, int)
        return index

    assert first([]) == -1
    assert first(good) == -1
    for bad in (scalars.r, scalars.r + 1, (1 << 256) - 1, 1 << 255):
        for place in (0, 1, 4095, 12345, length - 1):
            values = list(good)
            values[place] = values[length - 1] = bad
            assert first(values) == place
            assert first(values, 100) == min((place - 100) % length, length - 101)


@pytest.mark.parametrize("length", [0, 1, 2, 33, 1500])
def test_wide_reduce(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    integers = [scalars.random.getrandbits(512) for _ in range(length)]
    edges = [0, 1, scalars.r, scalars.r**2, (1 << 512) - 1, (1 << 256) - 1, 1 << 511]
    integers[: len(edges)] = edges[:length]
    data = b"".join(integer.to_bytes(64, "little") for integer in integers)
    for bytes_like in (data, bytearray(data), memoryview(data)):
        array = scalars.empty(length)
        offset = length // 2
        scalars.functions.wide_reduce(scalars.context, scalars.view(array, offset), bytes_like)
        got = rolled(scalars.values(array), offset, length)
        assert got == [integer % scalars.r for integer in integers]


@pytest.mark.parametrize("length", LENGTHS)
def test_fill(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    offset = min(3, max(length - 1, 0))
    for kind, want in enumerate(([0] * length, [1] * length, [1, *[0] * length][:length])):
        array = scalars.empty(length)
        scalars.functions.fill(scalars.context, scalars.view(array, offset), kind)
        assert rolled(scalars.values(array), offset, length) == want


@pytest.mark.parametrize("length", [0, 1, 8, 100, 5000])
@pytest.mark.parametrize("period", [1, 2, 3, 8, 24, 100, 7000])
def test_distribute_powers(isa: str, curve: str, length: int, period: int) -> None:
    scalars = field(isa, curve)
    values, powers = scalars.random_values(length), scalars.random_values(period)
    array = scalars.array(values)
    offset, shift = length // 3, period // 2
    scalars.functions.distribute_powers(
        scalars.context, scalars.view(array, offset), scalars.view(scalars.array(powers), shift)
    )
    factors = rolled(powers, shift, period)
    want = [x * factors[i % period] for i, x in enumerate(rolled(values, offset, length))]
    assert rolled(scalars.values(array), offset, length) == [x % scalars.r for x in want]


@pytest.mark.parametrize("length", [*LENGTHS, 3000])
def test_batch_invert(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    for values in (scalars.random_values(length), [0] * length, [0, 1] * (length // 2)):
        array = scalars.array(values)
        offset = len(values) // 3
        scalars.functions.batch_invert(scalars.context, scalars.view(array, offset))
        want = [pow(x, -1, scalars.r) if x else 0 for x in values]
        assert scalars.values(array) == want


def test_scalar_invert(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    for value in scalars.edges() + scalars.random_values(100):
        array = scalars.array([value])
        done = scalars.functions.scalar_invert(scalars.context, scalars.view(array))
        assert done is (value != 0)
        assert scalars.values(array) == [pow(value, -1, scalars.r) if value else 0]


def test_scalar_pow(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    exponents = [0, 1, 2, 255, 256, scalars.r - 1, scalars.r, scalars.random.getrandbits(3000)]
    for value in (0, 1, scalars.r - 1, *scalars.random_values(3)):
        for exponent in exponents:
            encoded = exponent.to_bytes((exponent.bit_length() + 7) // 8, "little")
            for padding in (b"", b"\0\0"):
                array = scalars.array([value])
                scalars.functions.scalar_pow(
                    scalars.context, scalars.view(array), encoded + padding
                )
                assert scalars.values(array) == [pow(value, exponent, scalars.r)]


@pytest.mark.parametrize("length", RECURRENCE_LENGTHS)
def test_evaluate(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(length)
    offset = length // 3
    for x in (0, 1, scalars.r - 1, *scalars.random_values(1)):
        y = scalars.empty(1)
        scalars.functions.evaluate(
            scalars.context,
            scalars.view(y),
            scalars.view(scalars.array(values), offset),
            scalars.view(scalars.array([x])),
        )
        want = 0
        for coefficient in reversed(rolled(values, offset, length)):
            want = (want * x + coefficient) % scalars.r
        assert scalars.values(y) == [want]


@pytest.mark.parametrize("length", RECURRENCE_LENGTHS)
def test_kate_division(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(length)
    offset, shift = length // 3, length // 2
    p = rolled(values, offset, length)
    for b in (0, 1, scalars.r - 1, *scalars.random_values(1)):
        quotient = scalars.empty(length)
        scalars.functions.kate_division(
            scalars.context,
            scalars.view(quotient, shift),
            scalars.view(scalars.array(values), offset),
            scalars.view(scalars.array([b])),
        )
        q = rolled(scalars.values(quotient), shift, length)
        # q (X - b) = p - p(b): all coefficients but the constant one, and the last of q is 0.
        assert q[-1:] == [0] * min(length, 1)
        product = [(low - b * high) % scalars.r for low, high in pairwise(q)]
        assert product == p[1:]


@pytest.mark.parametrize("length", RECURRENCE_LENGTHS)
def test_scan_mul(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    for available in (length, length - 1):
        if available < 0:
            continue
        values = [x or 2 for x in scalars.random_values(available)]
        start = scalars.random_values(1)[0] or 3
        offset, shift = available // 3, length // 2
        z = scalars.empty(length)
        scalars.functions.scan_mul(
            scalars.context,
            scalars.view(z, shift),
            scalars.view(scalars.array(values), offset),
            scalars.view(scalars.array([start])),
        )
        want = [start]
        for factor in rolled(values, offset, available):
            want.append(want[-1] * factor % scalars.r)
        assert rolled(scalars.values(z), shift, length) == want[:length]


def test_scan_mul_past_a_zero(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    length = 9000
    values = [x or 1 for x in scalars.random_values(length)]
    values[4500] = 0
    z = scalars.empty(length)
    scalars.functions.scan_mul(
        scalars.context,
        scalars.view(z),
        scalars.view(scalars.array(values)),
        scalars.view(scalars.array([1])),
    )
    got = scalars.values(z)
    assert all(got[:4501])
    assert not any(got[4501:])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(isa: str, curve: str, threads: int) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(30000)
    before = scalars.module.threads()
    scalars.module.set_threads(threads)
    try:
        assert scalars.module.threads() == threads
        z = scalars.empty(len(values))
        scalars.functions.scan_mul(
            scalars.context,
            scalars.view(z),
            scalars.view(scalars.array(values)),
            scalars.view(scalars.array([1])),
        )
        want = [1]
        for factor in values[:-1]:
            want.append(want[-1] * factor % scalars.r)
        assert scalars.values(z) == want
        scalars.functions.batch_invert(scalars.context, scalars.view(z))
        assert scalars.values(z) == [pow(x, -1, scalars.r) if x else 0 for x in want]
    finally:
        scalars.module.set_threads(before)


def test_many_python_threads_at_once(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    values = scalars.random_values(20000)
    results: list[list[int]] = []

    def work() -> None:
        array = scalars.array(values)
        view = scalars.view(array)
        for _ in range(3):
            scalars.functions.poly_mul(scalars.context, view, view, view)
        results.append(scalars.values(array))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [[pow(x, 8, scalars.r) for x in values]] * 4


def test_scratch_is_counted_and_given_back(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    context = scalars.module.Context()
    array = scalars.array(scalars.random_values(5000))
    scalars.functions.batch_invert(context, scalars.view(array))
    assert context.current == 0
    assert context.peak >= 1024 * 32
    context.add(1 << 40)
    context.sub(1 << 40)
    assert (context.current, context.peak) == (0, 1 << 40)


def test_a_cancelled_context_stops_calls(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    context = scalars.module.Context()
    view = scalars.view(scalars.array(scalars.random_values(100)))
    assert not context.cancelled
    context.cancel()
    assert context.cancelled
    with pytest.raises(scalars.module.Cancelled, match="cancelled"):
        scalars.functions.poly_mul(context, view, view, view)


def test_cancelling_interrupts_a_call_that_runs(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    context = scalars.module.Context()
    array = scalars.array([3])
    exponent = b"\xff" * 100_000_000  # hours of work

    def cancel() -> None:
        time.sleep(0.05)
        context.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(scalars.module.Cancelled):
        scalars.functions.scalar_pow(context, scalars.view(array), exponent)
    canceller.join()


def test_the_throughput_loop_reports_seconds(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    assert scalars.functions.multiplications(0, True) == 0.0
    for vector in (False, True):
        assert scalars.functions.multiplications(10000, vector) > 0
