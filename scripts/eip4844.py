#!/usr/bin/env python3
"""EIP-4844 with zkrun: builds the two programs, prepares blobs, checks results against ckzg.

    eip4844.py build                      programs/eip4844_commit and programs/eip4844_proof
    eip4844.py blob TEXT-OR-BLOB -o OUT   an input file for `zkrun exec --input blob=OUT`
    eip4844.py show RESULT                a result as hex, as Ethereum writes it
    eip4844.py check RESULT --blob OUT    asks ckzg whether the commitment or proof is right

The programs take `blob`, a ScalarArray of 4096 elements in the order of the blob: element i is the
value of the polynomial at w^bitrev(i). The trusted setup of the Ethereum ceremony comes with the
package eth-account, or from a file in the same format.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import util
from pathlib import Path
from types import FrameType
from typing import Any

import command_line

from zkrun.algebra.curves import BLS12_381

N = 4096
BITS = 12
R = BLS12_381.r
Q = BLS12_381.q
FIELD_BYTES = 32
COORDINATE_BYTES = 48
ROOT = Path(__file__).resolve().parent.parent

Json = dict[str, Any]


# -- the trusted setup ---------------------------------------------------------------------------


def default_setup() -> Path:
    """The file inside the installed package eth-account."""
    spec = util.find_spec("eth_account")
    if spec is None or spec.origin is None:
        raise SystemExit("eip4844: no trusted setup: pip install eth-account, or name --setup FILE")
    folder = Path(spec.origin).parent / "typed_transactions" / "blob_transactions"
    return folder / "kzg_trusted_setup.txt"


def decompress(text: str) -> tuple[int, int] | None:
    """A compressed G1 point (48 bytes of hex, the encoding of the Zcash BLS12-381 library)."""
    raw = int(text, 16)
    flags, x = raw >> 381, raw & ((1 << 381) - 1)
    if len(text) != 2 * COORDINATE_BYTES or not flags & 4 or x >= Q:
        raise SystemExit(f"eip4844: not a compressed G1 point: {text[:20]}…")
    if flags & 2:
        return None
    square = (x * x * x + BLS12_381.b) % Q
    y = pow(square, (Q + 1) // 4, Q)
    if y * y % Q != square:
        raise SystemExit(f"eip4844: not on the curve: {text[:20]}…")
    return x, y if (y > Q - y) == bool(flags & 1) else Q - y


def compress(point: tuple[int, int] | None) -> bytes:
    """The inverse of `decompress`."""
    if point is None:
        return bytes([0xC0]) + bytes(COORDINATE_BYTES - 1)
    x, y = point
    return (x | (4 | (y > Q - y)) << 381).to_bytes(COORDINATE_BYTES, "big")


def point_image(points: Iterable[tuple[int, int] | None]) -> bytes:
    """Points as they lie in memory: x then y, little-endian, Montgomery form."""
    radix = BLS12_381.base.montgomery_radix
    return b"".join(
        bytes(2 * COORDINATE_BYTES)
        if point is None
        else b"".join((c * radix % Q).to_bytes(COORDINATE_BYTES, "little") for c in point)
        for point in points
    )


def read_setup(path: Path) -> tuple[bytes, bytes]:
    """Memory images of (Lagrange points in the order of a blob, powers of tau), 4096 of G1 each."""
    words = path.read_text().split()
    if words[:2] != [str(N), "65"] or len(words) != 2 + N + 65 + N:
        raise SystemExit(f"eip4844: {path} is not a trusted setup of {N} points")
    lagrange = [decompress(word) for word in words[2 : 2 + N]]
    monomial = [decompress(word) for word in words[2 + N + 65 :]]
    return point_image(lagrange[bit_reverse(i)] for i in range(N)), point_image(monomial)


def bit_reverse(i: int) -> int:
    """The 12 bits of i in reverse."""
    return int(format(i, f"0{BITS}b")[::-1], 2)


# -- the programs --------------------------------------------------------------------------------


class Draft:
    """A program being written: hands out ids, arena offsets and names."""

    def __init__(self, name: str, device: str) -> None:
        self.device = device
        self.functions: list[Json] = []
        self.constants: list[Json] = []
        self.inputs: list[Json] = []
        self.names: dict[str, str] = {}
        self.arena = 0
        self.owned: list[int] = []  # what lies on the device, to be freed at the end
        self.events = 0
        self.name = name

    def constant(self, name: str, typ: Json, file: str, offset: int, nbytes: int) -> int:
        data = {"file": file, "offset": offset, "nbytes": nbytes, "encoding": "montgomery"}
        self.constants.append({"name": name, "typ": typ, "data": data})
        return len(self.constants) - 1

    def input(self, name: str, typ: Json) -> int:
        self.inputs.append({"name": name, "typ": typ})
        return len(self.inputs) - 1

    def function(self, name: str, **params: object) -> int:
        entry = {"name": name, "params": params} if params else {"name": name}
        if entry not in self.functions:
            self.functions.append(entry)
        return self.functions.index(entry)

    def variable(self, name: str) -> int:
        self.names[str(len(self.names))] = name
        return len(self.names) - 1

    def event(self) -> int:
        self.events += 1
        return self.events - 1

    def document(self, instructions: list[Json]) -> Json:
        memory = {self.device: self.arena} if self.arena else {}
        return {
            "format": "zkrun",
            "version": 1,
            "name": self.name,
            "curve": "bls12_381",
            "functions": self.functions,
            "constants": self.constants,
            "inputs": self.inputs,
            "memory": memory,
            "variables": self.names,
            "instructions": instructions,
        }


class Thread:
    """The instructions of one thread; `stream` queues what it can on a stream of the device."""

    def __init__(self, draft: Draft, track: str, stream: int | None) -> None:
        self.draft = draft
        self.track = track
        self.stream = stream
        self.instructions: list[Json] = []

    def emit(self, op: str, **operands: object) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame and frame.f_code.co_qualname.startswith("Thread."):
            frame = frame.f_back
        here = f"scripts/eip4844.py:{frame.f_lineno}" if frame else None
        kept = {key: value for key, value in operands.items() if value is not None}
        self.instructions.append({"op": op, **kept, "track": self.track, "source": here})

    def allocate(self, name: str, typ: Json, nbytes: int, device: str | None = None) -> int:
        draft = self.draft
        device = device or draft.device
        id_ = draft.variable(name)
        offset = None
        if device == draft.device:
            draft.owned.append(id_)
            if nbytes:
                offset = draft.arena
                draft.arena += -(-nbytes // 64) * 64
        self.emit("Allocate", device=device, typ=typ, id=id_, offset=offset)
        return id_

    def load(self, op: str, index: int, name: str) -> int:
        """Binds a constant or an input, where it lives: on the CPU."""
        id_ = self.draft.variable(name)
        self.emit(op, src=index, dst=id_)
        return id_

    def upload(self, src: int, name: str, typ: Json, nbytes: int) -> int:
        """A copy on the device of what lies on the CPU."""
        if self.draft.device == "cpu":
            return src
        dst = self.allocate(name, typ, nbytes)
        self.transfer("cpu", self.draft.device, src, dst)
        return dst

    def download(self, src: int, name: str, typ: Json) -> int:
        """A copy on the CPU of what lies on the device."""
        if self.draft.device == "cpu":
            return src
        dst = self.allocate(name, typ, 0, "cpu")
        self.transfer(self.draft.device, "cpu", src, dst)
        return dst

    def transfer(self, source: str, target: str, src: int, dst: int) -> None:
        self.emit(
            "Transfer",
            src_device=source,
            dst_device=target,
            stream=self.stream,
            src_id=src,
            dst_id=dst,
        )

    def rotate(self, src: int, shift: int, name: str) -> int:
        dst = self.draft.variable(name)
        self.emit("Rotation", src=src, dst=dst, shift=shift)
        return dst

    def call(self, func_id: int, mutable: list[int], immutable: Sequence[int] = ()) -> None:
        stream = [] if self.stream is None else [self.stream]
        self.emit("FuncCall", func_id=func_id, arg_mut=mutable, arg=[*immutable, *stream])

    def record(self, event: int) -> None:
        self.emit("Record", stream=self.stream, event=event)

    def wait(self, event: int) -> None:
        """What is queued from here on waits for the event."""
        device = "cpu" if self.stream is None else self.draft.device
        self.emit("Wait", slave=device, stream=self.stream, event=event)

    def deallocate(self, *ids: int) -> None:
        for id_ in ids:
            self.emit("Deallocate", id=id_)


SCALAR: Json = {"kind": "Scalar"}
SCALARS: Json = {"kind": "ScalarArray", "len": N}
POINT: Json = {"kind": "Point"}
POINTS: Json = {"kind": "PointArray", "len": N}
STREAM: Json = {"kind": "Stream"}
POINT_BYTES = 2 * COORDINATE_BYTES


def open_streams(main: Thread, loader: Thread) -> None:
    """Gives each thread a stream of its own, where the device has any."""
    if main.draft.device != "cpu":
        main.stream = main.allocate("compute", STREAM, 0)
        loader.stream = main.allocate("copy", STREAM, 0)


def finish(main: Thread, result: int, *parts: int) -> None:
    """Waits for all that is queued, frees everything but the result and its parts, and returns."""
    if main.stream is not None:
        done = main.draft.event()
        main.record(done)
        main.emit("Wait", slave="cpu", event=done)
    main.deallocate(*(id_ for id_ in reversed(main.draft.owned) if id_ not in (result, *parts)))
    main.emit("Return", id=result)


def commit_program(device: str) -> Json:
    """sum blob[i]·L[i]: one thread brings the Lagrange points, another the blob."""
    draft = Draft("eip4844_commit", device)
    bases = draft.constant("lagrange_points", POINTS, "lagrange.bin", 0, N * POINT_BYTES)
    blob_input = draft.input("blob", SCALARS)
    main = Thread(draft, "Gpu", None)
    loader = Thread(draft, "ToGpu", None)
    open_streams(main, loader)

    points = loader.upload(
        loader.load("LoadConstant", bases, "lagrange_points"),
        "lagrange_points_on_device",
        POINTS,
        N * POINT_BYTES,
    )
    loaded = draft.event()
    loader.record(loaded)

    main.emit("Fork", new_thread=0, instructions=loader.instructions)
    blob = main.load("LoadInput", blob_input, "blob")
    blob = main.upload(blob, "blob_on_device", SCALARS, N * FIELD_BYTES)
    commitment = main.allocate("commitment_on_device", POINT, POINT_BYTES)
    main.emit("Join", thread=0)
    main.wait(loaded)
    main.call(draft.function("msm"), [commitment], [points, blob])
    finish(main, main.download(commitment, "commitment", POINT))
    return draft.document(main.instructions)


def swap_masks() -> list[tuple[int, bytes, bytes]]:
    """What reverses 12 bits in six steps, each swapping bit j with bit 11 − j.

    Swapping moves an element by ±d, d = 2^(11−j) − 2^j, or not at all; so a step is
    b = a + plus·(roll(a, d) − a) + minus·(roll(a, −d) − a) with masks of zeros and ones.
    """
    one = (BLS12_381.scalar.montgomery_radix % R).to_bytes(FIELD_BYTES, "little")
    zero = bytes(FIELD_BYTES)
    steps = []
    for low in range(BITS // 2):
        high = BITS - 1 - low
        bits = [(i >> high & 1, i >> low & 1) for i in range(N)]
        plus = b"".join(one if pair == (1, 0) else zero for pair in bits)
        minus = b"".join(one if pair == (0, 1) else zero for pair in bits)
        steps.append(((1 << high) - (1 << low), plus, minus))
    return steps


def proof_program(device: str, shifts: list[int]) -> Json:
    """The opening at z: p(z) and the commitment to (p(X) − p(z)) / (X − z)."""
    draft = Draft("eip4844_proof", device)
    nbytes = N * FIELD_BYTES
    mask_constants = [
        draft.constant(f"{side}_{step}", SCALARS, "masks.bin", (2 * step + k) * nbytes, nbytes)
        for step in range(len(shifts))
        for k, side in enumerate(("plus", "minus"))
    ]
    bases = draft.constant("powers_of_tau", POINTS, "powers.bin", 0, N * POINT_BYTES)
    blob_input = draft.input("blob", SCALARS)
    z_input = draft.input("z", SCALAR)
    main = Thread(draft, "Gpu", None)
    loader = Thread(draft, "ToGpu", None)
    open_streams(main, loader)

    masks = []
    for index, constant in enumerate(mask_constants):
        name = draft.constants[constant]["name"]
        mask = loader.load("LoadConstant", constant, name)
        masks.append(loader.upload(mask, f"mask_{index}", SCALARS, nbytes))
    masks_loaded = draft.event()
    loader.record(masks_loaded)
    points = loader.upload(
        loader.load("LoadConstant", bases, "powers_of_tau"),
        "powers_of_tau_on_device",
        POINTS,
        N * POINT_BYTES,
    )
    points_loaded = draft.event()
    loader.record(points_loaded)

    main.emit("Fork", new_thread=0, instructions=loader.instructions)
    blob = main.load("LoadInput", blob_input, "blob")
    blob = main.upload(blob, "blob_on_device", SCALARS, nbytes)
    z = main.load("LoadInput", z_input, "z")
    z = main.upload(z, "z_on_device", SCALAR, FIELD_BYTES)
    ping = main.allocate("ping", SCALARS, nbytes)
    pong = main.allocate("pong", SCALARS, nbytes)
    proof = main.allocate("proof_on_device", POINT, POINT_BYTES)
    y = main.allocate("y_on_device", SCALAR, FIELD_BYTES)
    main.emit("Join", thread=0)

    main.wait(masks_loaded)
    swap = draft.function("fused_arith", expr="y0 = x0 + x3*(x1 - x0) + x4*(x2 - x0)")
    source, target = blob, ping
    for step, shift in enumerate(shifts):
        forth = main.rotate(source, shift, f"forth_{step}")
        back = main.rotate(source, -shift, f"back_{step}")
        main.call(swap, [target], [source, forth, back, masks[2 * step], masks[2 * step + 1]])
        source, target = target, pong if target == ping else ping

    coefficients, quotient = source, target
    main.call(draft.function("ntt", inverse=True), [coefficients])
    main.call(draft.function("evaluate"), [y], [coefficients, z])
    main.call(draft.function("kate_division"), [quotient], [coefficients, z])
    main.wait(points_loaded)
    main.call(draft.function("msm"), [proof], [points, quotient])
    proof = main.download(proof, "proof", POINT)
    y = main.download(y, "y", SCALAR)
    result = draft.variable("proof_and_y")
    main.emit("AssembleTuple", vars=[proof, y], dst=result)
    finish(main, result, proof, y)
    return draft.document(main.instructions)


def build(setup: Path, out: Path, device: str) -> list[Path]:
    """Writes both programs with their constants; returns the paths of the programs."""
    lagrange, monomial = read_setup(setup)
    steps = swap_masks()
    masks = b"".join(plus + minus for _, plus, minus in steps)
    written = []
    for document, files in (
        (commit_program(device), {"lagrange.bin": lagrange}),
        (
            proof_program(device, [shift for shift, _, _ in steps]),
            {"powers.bin": monomial, "masks.bin": masks},
        ),
    ):
        folder = out / document["name"]
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        path = folder / "program.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        written.append(path)
    return written


# -- blobs and results ---------------------------------------------------------------------------


def blob_elements(content: bytes) -> list[int]:
    """The 4096 elements of a blob (131072 bytes, or their hex), or of any shorter content.

    Other content is packed as rollups do: 31 bytes an element, so that each is below r.
    """
    text = content.strip()
    if len(text) in (2 * N * FIELD_BYTES, 2 * N * FIELD_BYTES + 2):
        with suppress(ValueError):  # not hex: packed as it is
            content = bytes.fromhex(text.decode().removeprefix("0x"))
    size = FIELD_BYTES
    if len(content) != N * FIELD_BYTES:
        size = FIELD_BYTES - 1
        if len(content) > N * size:
            raise SystemExit(f"eip4844: {len(content)} bytes do not fit; a blob takes {N * size}")
        content = content.ljust(N * size, b"\0")
    return [int.from_bytes(content[i : i + size], "big") for i in range(0, len(content), size)]


def result_values(path: Path) -> tuple[bytes, int | None]:
    """(commitment or proof as 48 bytes, the evaluation or None) of a result file."""
    try:
        document = json.loads(path.read_bytes())
        values = document["values"]
        point, y = values if document["typ"]["kind"] == "Tuple" else (values, None)
        coordinates = None if point is None else (int(point[0], 16), int(point[1], 16))
        return compress(coordinates), None if y is None else int(y, 16)
    except (ValueError, LookupError, TypeError, OverflowError):
        raise SystemExit(
            f"eip4844: {path} is not a result of these programs: `zkrun exec --output` writes one"
        ) from None


def check(result: Path, blob: Path, z: int | None, setup: Path) -> bool:
    """Whether ckzg computes the same commitment, or the same proof and evaluation at z."""
    import ckzg

    trusted = ckzg.load_trusted_setup(str(setup), 0)
    little = blob.read_bytes()
    chunks = [little[i : i + FIELD_BYTES] for i in range(0, len(little), FIELD_BYTES)]
    big = b"".join(chunk[::-1] for chunk in chunks)
    point, y = result_values(result)
    if y is None:
        return bool(ckzg.blob_to_kzg_commitment(big, trusted) == point)
    if z is None:
        raise SystemExit("eip4844: the result is a proof: --z says at which point")
    proof, value = ckzg.compute_kzg_proof(big, z.to_bytes(FIELD_BYTES, "big"), trusted)
    return bool(proof == point and int.from_bytes(value, "big") == y)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="write the two programs and their constants")
    command.add_argument("--setup", type=Path, help="trusted setup (default: of eth-account)")
    command.add_argument("--device", default="gpu:0", help="where to compute: gpu:N or cpu")
    command.add_argument("--out", type=Path, default=ROOT / "programs")
    command = commands.add_parser("blob", help="make an input file")
    command.add_argument("content", type=Path, help="a blob (binary or hex), or any file")
    command.add_argument("-o", "--output", type=Path, required=True)
    command = commands.add_parser("show", help="print a result as hex")
    command.add_argument("result", type=Path)
    command = commands.add_parser("check", help="compare a result with ckzg")
    command.add_argument("result", type=Path)
    command.add_argument("--blob", type=Path, required=True, help="the input file of the run")
    command.add_argument("--z", type=lambda text: int(text, 0), help="the point of a proof")
    command.add_argument("--setup", type=Path, help="trusted setup (default: of eth-account)")
    args = parser.parse_args()

    match args.command:
        case "build":
            for path in build(args.setup or default_setup(), args.out, args.device):
                print(path)
        case "blob":
            elements = blob_elements(args.content.read_bytes())
            image = b"".join(element.to_bytes(FIELD_BYTES, "little") for element in elements)
            args.output.write_bytes(image)
        case "show":
            point, y = result_values(args.result)
            print("0x" + point.hex())
            if y is not None:
                print(f"0x{y:064x}")
        case _:
            if not check(args.result, args.blob, args.z, args.setup or default_setup()):
                print("differs from ckzg")
                return 5
            print("ckzg agrees")
    return 0


if __name__ == "__main__":
    command_line.run(main)
