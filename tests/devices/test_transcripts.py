"""Transcripts against their descriptions, and against challenges that are known."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import pytest
from device_values import (
    CURVES,
    LAYOUTS,
    PointValue,
    call,
    multiples,
    place,
    point,
    points,
    random_scalars,
    scalar,
    scalar_values,
    scalars,
)
from py_ecc import optimized_bls12_381
from py_ecc.bls.point_compression import compress_G1, compress_G2

from zkrun.algebra.curves import BLS12_381, BN254, Curve
from zkrun.devices.base import Device
from zkrun.devices.cpu.transcripts import compress, new_transcript
from zkrun.devices.registry import open_devices
from zkrun.program.types import Scalar

model: Any = optimized_bls12_381
both_curves = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)


@pytest.fixture
def cpu() -> Iterator[Device]:
    device = open_devices(["cpu"])["cpu"]
    yield device
    device.close()


def squeeze(cpu: Device, curve: Curve, transcript: Any) -> int:
    out = place(cpu, Scalar(), curve)
    call(cpu, curve, "squeeze_scalar", {}, [transcript, out])
    return scalar_values(out, curve)[0]


def keccak256(data: bytes) -> bytes:
    """Keccak-f[1600] with rate 136 and the padding 0x01 … 0x80, as Ethereum has it."""
    mask = 2**64 - 1

    def rotate(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & mask if by else value

    def permute(lanes: list[list[int]]) -> None:
        lfsr = 1
        for _ in range(24):
            parity = [x[0] ^ x[1] ^ x[2] ^ x[3] ^ x[4] for x in lanes]
            for x in range(5):
                mix = parity[(x - 1) % 5] ^ rotate(parity[(x + 1) % 5], 1)
                lanes[x] = [lane ^ mix for lane in lanes[x]]
            x, y, current = 1, 0, lanes[1][0]
            for t in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                current, lanes[x][y] = lanes[x][y], rotate(current, (t + 1) * (t + 2) // 2 % 64)
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5] & mask)
            for j in range(7):
                lfsr = (lfsr << 1 ^ (lfsr >> 7) * 0x71) % 256
                if lfsr & 2:
                    lanes[0][0] ^= 1 << ((1 << j) - 1)

    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % 136))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for block in range(0, len(padded), 136):
        for i in range(17):
            word = padded[block + 8 * i : block + 8 * i + 8]
            lanes[i % 5][i // 5] ^= int.from_bytes(word, "little")
        permute(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def test_the_keccak_of_this_test() -> None:
    assert keccak256(b"").hex().startswith("c5d2460186f7233c927e7db2dcc703c0")
    assert keccak256(b"a" * 136)[:4] == bytes.fromhex("a6c4d403")


def flat(value: PointValue, group: str) -> tuple[int, ...]:
    return value or (0,) * (2 if group == "g1" else 4)


@both_curves
@pytest.mark.parametrize("layout", LAYOUTS)
def test_blake2b(cpu: Device, curve: Curve, layout: str) -> None:
    size = curve.base.bytes
    state, transcript = bytearray(), new_transcript("blake2b", curve)
    proof = b""

    def expected() -> int:
        state.append(0)
        digest = hashlib.blake2b(bytes(state), digest_size=64, person=b"Halo2-Transcript").digest()
        return int.from_bytes(digest, "little") % curve.r

    assert squeeze(cpu, curve, transcript) == expected()
    assert squeeze(cpu, curve, transcript) == expected()
    for n in (1, 0, 5, 40):
        values = random_scalars(curve, n)
        call(
            cpu, curve, "write_transcript", {}, [transcript], [scalars(cpu, curve, values, layout)]
        )
        encoded = [v.to_bytes(32, "little") for v in values]
        state += b"".join(b"\x02" + e for e in encoded)
        proof += b"".join(encoded)
        assert transcript.proof == proof
        assert squeeze(cpu, curve, transcript) == expected()
    for group in ("g1", "g2"):
        some = multiples(curve, group, [1, 5, 0, 7, curve.r - 1])
        array = points(cpu, curve, group, some, layout)
        call(cpu, curve, "hash_transcript", {}, [transcript], [array])
        for value in some:
            state += b"\x01" + b"".join(c.to_bytes(size, "little") for c in flat(value, group))
        assert squeeze(cpu, curve, transcript) == expected()
        call(cpu, curve, "hash_transcript", {}, [transcript], [point(cpu, curve, group, some[1])])
        state += b"\x01" + b"".join(c.to_bytes(size, "little") for c in flat(some[1], group))
        assert squeeze(cpu, curve, transcript) == expected()
    assert transcript.proof == proof


@both_curves
@pytest.mark.parametrize("layout", LAYOUTS)
def test_keccak256(cpu: Device, curve: Curve, layout: str) -> None:
    size = curve.base.bytes
    buffer, proof, transcript = b"", b"", new_transcript("keccak256", curve)

    def expected() -> int:
        nonlocal buffer
        digest, buffer = keccak256(buffer), b""
        return int.from_bytes(digest, "big") % curve.r

    assert squeeze(cpu, curve, transcript) == expected()
    for n in (1, 0, 6):
        values = random_scalars(curve, n)
        data = scalars(cpu, curve, values, layout)
        call(cpu, curve, "hash_transcript", {}, [transcript], [data])
        buffer += b"".join(v.to_bytes(32, "big") for v in values)
        some = multiples(curve, "g1", [3, 0, 8])
        array = points(cpu, curve, "g1", some, layout)
        call(cpu, curve, "write_transcript", {}, [transcript], [array])
        written = b"".join(c.to_bytes(size, "big") for p in some for c in flat(p, "g1"))
        buffer, proof = buffer + written, proof + written
        assert transcript.proof == proof
        assert squeeze(cpu, curve, transcript) == expected()
    some = multiples(curve, "g2", [3, 0])
    call(cpu, curve, "hash_transcript", {}, [transcript], [points(cpu, curve, "g2", some, layout)])
    for value in some:
        x0, x1, y0, y1 = flat(value, "g2")
        buffer += b"".join(c.to_bytes(size, "big") for c in (x1, x0, y1, y0))
    assert squeeze(cpu, curve, transcript) == expected()


def test_challenges_of_snarkjs(cpu: Device) -> None:
    """From a PLONK proof of snarkjs 0.7.6: gamma = H(beta), alpha = H(beta, gamma, [z])."""
    beta = 13480793904091182403010469444145151529481476400827713874274132028922774642391
    gamma = 3144455778639801058193406925049356871217547981587498057284041963009282189308
    alpha = 11865114660646855164755954363102346596233864883079278813878068165774482196044
    z = (
        6857062851387889832218302258915060894244344542199653945433314656553803593204,
        1455758835509449566204248371785040770913381780812854058788281094870317037511,
    )
    transcript = new_transcript("keccak256", BN254)
    call(cpu, BN254, "hash_transcript", {}, [transcript], [scalar(cpu, BN254, beta)])
    assert squeeze(cpu, BN254, transcript) == gamma
    call(cpu, BN254, "hash_transcript", {}, [transcript], [scalars(cpu, BN254, [beta, gamma])])
    call(cpu, BN254, "write_transcript", {}, [transcript], [point(cpu, BN254, "g1", z)])
    assert squeeze(cpu, BN254, transcript) == alpha
    assert transcript.proof.hex() == f"{z[0]:064x}{z[1]:064x}"


@both_curves
def test_long_arrays_are_absorbed_in_order(cpu: Device, curve: Curve) -> None:
    source = random.Random(9)
    values = [source.randrange(curve.r) for _ in range(20000)]  # more than is converted at a time
    data = scalars(cpu, curve, values, "wrapped slice")
    long, single = new_transcript("blake2b", curve), hashlib.blake2b(person=b"Halo2-Transcript")
    call(cpu, curve, "hash_transcript", {}, [long], [data])
    single.update(b"".join(b"\x02" + v.to_bytes(32, "little") for v in values) + b"\0")
    assert squeeze(cpu, curve, long) == int.from_bytes(single.digest(), "little") % curve.r


@pytest.mark.parametrize("hash", ["blake2b", "keccak256"])
def test_a_copy_goes_its_own_way(cpu: Device, hash: str) -> None:
    first, second = new_transcript(hash, BN254), new_transcript(hash, BN254)
    call(cpu, BN254, "write_transcript", {}, [first], [scalar(cpu, BN254, 5)])
    second.assign(first)
    assert second.proof == first.proof
    call(cpu, BN254, "write_transcript", {}, [second], [scalar(cpu, BN254, 6)])
    assert len(second.proof) == 64
    assert len(first.proof) == 32
    third = new_transcript(hash, BN254)
    call(cpu, BN254, "hash_transcript", {}, [third], [scalar(cpu, BN254, 5)])
    assert squeeze(cpu, BN254, first) == squeeze(cpu, BN254, third)
    assert squeeze(cpu, BN254, second) != squeeze(cpu, BN254, first)


def canonical(value: PointValue, curve: Curve, group: str) -> bytes:
    return b"".join(c.to_bytes(curve.base.bytes, "little") for c in flat(value, group))


def test_compressed_bls12_381_points_are_those_of_its_specification() -> None:
    factors = [1, 2, 3, 4, BLS12_381.r - 1, BLS12_381.r - 2, 0]
    for value in multiples(BLS12_381, "g1", factors):
        encoded = compress(canonical(value, BLS12_381, "g1"), BLS12_381)
        expected = compress_G1((*map(model.FQ, value), model.FQ(1)) if value else model.Z1)
        assert encoded == int(expected).to_bytes(48, "big")
    for value in multiples(BLS12_381, "g2", factors[:-1]):
        assert value is not None
        encoded = compress(canonical(value, BLS12_381, "g2"), BLS12_381)
        x, y = model.FQ2(value[:2]), model.FQ2(value[2:])
        pair = compress_G2((x, y, model.FQ2.one()))
        assert encoded == b"".join(int(z).to_bytes(48, "big") for z in pair)
    assert compress(bytes(192), BLS12_381) == b"\xc0" + bytes(95)


def test_compressed_bn254_points_decompress() -> None:
    """x little-endian; bit 7 of the last byte is the parity of y, bit 6 marks infinity."""
    q = BN254.q
    for value in multiples(BN254, "g1", [1, 2, 3, 4, BN254.r - 1, 77]):
        assert value is not None
        encoded = bytearray(compress(canonical(value, BN254, "g1"), BN254))
        odd = encoded[31] >> 7
        encoded[31] &= 0x7F
        x = int.from_bytes(encoded, "little")
        y = pow(x**3 + 3, (q + 1) // 4, q)
        assert (x, y if y % 2 == odd else q - y) == value
    assert compress(bytes(64), BN254) == bytes(31) + b"\x40"
    assert compress(bytes(128), BN254) == bytes(63) + b"\x40"
    for value in multiples(BN254, "g2", [1, 2, BN254.r - 2]):
        assert value is not None
        encoded = bytearray(compress(canonical(value, BN254, "g2"), BN254))
        assert encoded[63] >> 7 == value[2] % 2
        encoded[63] &= 0x7F
        assert encoded == canonical(value, BN254, "g2")[:64]
