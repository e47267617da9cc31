"""Scalars from a key, in every build, against another ChaCha20 and big-integer Python."""

import threading
from functools import cache

import pytest
from Crypto.Cipher import ChaCha20
from oracle import Scalars, each_curve, each_isa, rolled

pytestmark = [each_isa, each_curve]

KEY = bytes(range(32))
LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 1023, 1025, (1 << 14) - 1, (1 << 14) + 1]

# Key streams of RFC 8439: section 2.3.2, and test vectors 3, 4 and 5 of appendix A.1.
RFC_BLOCKS = [
    (
        KEY,
        "000000090000004a00000000",
        1,
        (
            "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
        ),
    ),
    (
        bytes(31) + b"\1",
        "000000000000000000000000",
        1,
        (
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
        ),
    ),
    (
        b"\0\xff" + bytes(30),
        "000000000000000000000000",
        2,
        (
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"
        ),
    ),
    (
        bytes(32),
        "000000000000000000000002",
        0,
        (
            "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
            "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"
        ),
    ),
]


@cache
def field(isa: str, curve: str) -> Scalars:
    return Scalars(isa, curve)


def expected(key: bytes, number: int, first: int, n: int, r: int) -> list[int]:
    """The elements `first` to `first + n`, one block at a time where the counter overflows."""
    drawn = b""
    while n:
        upper, counter = divmod(first, 1 << 32)
        # That library refuses to begin at the very last block, and ends before it.
        blocks = min(n, (1 << 32) - 1 - counter)
        assert blocks > 0, "the library cannot make the last block of a nonce"
        nonce = (number | upper << 64).to_bytes(12, "little")
        cipher = ChaCha20.new(key=key, nonce=nonce)
        cipher.seek(64 * counter)
        drawn += cipher.encrypt(bytes(64 * blocks))
        first, n = first + blocks, n - blocks
    return [int.from_bytes(drawn[i : i + 64], "little") % r for i in range(0, len(drawn), 64)]


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_and_every_view(isa: str, curve: str, length: int) -> None:
    scalars = field(isa, curve)
    want = expected(KEY, 7, 0, length, scalars.r)
    for offset in {0, 1 % max(length, 1), length // 2, max(length - 1, 0)}:
        array = scalars.empty(length)
        view = scalars.view(array, offset)
        scalars.functions.random_scalars(scalars.context, view, KEY, 7, 0)
        assert rolled(scalars.values(array), offset, length) == want


def test_only_the_view_is_written(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    array = scalars.array(list(range(100)))
    view = scalars.view(array, 90, 37)  # elements 90 to 100, then 0 to 27
    scalars.functions.random_scalars(scalars.context, view, KEY, 0, 5)
    want = expected(KEY, 0, 5, 37, scalars.r)
    assert scalars.values(array) == want[10:] + list(range(27, 90)) + want[:10]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads(isa: str, curve: str, threads: int) -> None:
    scalars = field(isa, curve)
    before = scalars.module.threads()
    scalars.module.set_threads(threads)
    try:
        array = scalars.empty(20011)
        view = scalars.view(array, 12345)
        scalars.functions.random_scalars(scalars.context, view, bytearray(KEY), 1, 0)
    finally:
        scalars.module.set_threads(before)
    assert rolled(scalars.values(array), 12345, 20011) == expected(KEY, 1, 0, 20011, scalars.r)


@pytest.mark.parametrize("number", [0, 1, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
@pytest.mark.parametrize(
    "first", [1, 1 << 20, (1 << 32) - 50, 1 << 32, (1 << 32) + 3, (1 << 40) + 12345, 5 << 61]
)
def test_every_number_and_place(isa: str, curve: str, number: int, first: int) -> None:
    scalars = field(isa, curve)
    array = scalars.empty(49)
    scalars.functions.random_scalars(scalars.context, scalars.view(array), KEY, number, first)
    assert scalars.values(array) == expected(KEY, number, first, 49, scalars.r)


def test_blocks_on_both_sides_of_the_counters_end(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    end = 3 << 32
    for before in range(1, 18):
        array = scalars.empty(40)
        first = end - before
        scalars.functions.random_scalars(scalars.context, scalars.view(array), KEY, 9, first)
        got = scalars.values(array)
        head = expected(KEY, 9, first, before - 1, scalars.r)
        tail = expected(KEY, 9, end, 40 - before, scalars.r)
        assert got[: before - 1] + got[before:] == head + tail
        last = scalars.empty(1)  # the block that the other library does not make
        scalars.functions.random_scalars(scalars.context, scalars.view(last), KEY, 9, end - 1)
        assert got[before - 1] == scalars.values(last)[0]
        assert got[before - 1] not in head + tail


def test_the_vectors_of_the_rfc(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    for key, nonce, counter, block in RFC_BLOCKS:
        parts = bytes.fromhex(nonce)
        number = int.from_bytes(parts[:8], "little")
        first = int.from_bytes(parts[8:], "little") << 32 | counter
        array = scalars.empty(1)
        scalars.functions.random_scalars(scalars.context, scalars.view(array), key, number, first)
        want = int.from_bytes(bytes.fromhex(block), "little") % scalars.r
        assert scalars.values(array) == [want]


def test_a_key_of_another_length_is_refused(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    for key in (b"", KEY[:31], KEY + b"\0"):
        with pytest.raises(ValueError, match="the key has 32 bytes"):
            scalars.functions.random_scalars(
                scalars.context, scalars.view(scalars.empty(1)), key, 0, 0
            )


def test_a_cancelled_context_stops_it(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    context = scalars.module.Context()
    context.cancel()
    with pytest.raises(scalars.module.Cancelled, match="cancelled"):
        scalars.functions.random_scalars(context, scalars.view(scalars.empty(3)), KEY, 0, 0)


def test_cancelling_interrupts_it(isa: str, curve: str) -> None:
    scalars = field(isa, curve)
    context = scalars.module.Context()
    view = scalars.view(scalars.empty(1 << 16))
    stopped = []

    def work() -> None:
        try:
            while True:
                scalars.functions.random_scalars(context, view, KEY, 0, 0)
        except scalars.module.Cancelled:
            stopped.append(True)

    worker = threading.Thread(target=work)
    worker.start()
    context.cancel()
    worker.join(timeout=60)
    assert stopped == [True]
