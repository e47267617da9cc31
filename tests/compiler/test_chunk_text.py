"""Chunks as text: one line an instruction, its track, what it waits for."""

import re

from graphs import random_graph
from hypothesis import HealthCheck, given, settings

from zkrun.compiler import Coefficients, Proof
from zkrun.compiler import Scalar as ScalarType
from zkrun.compiler.compile import compile_graph
from zkrun.compiler.type2 import operations as op
from zkrun.compiler.type2.graph import Graph
from zkrun.compiler.type3.chunk import (
    Call,
    Chunk,
    Free,
    Load,
    Malloc,
    Move,
    Register,
    Rotated,
    SetPolyMeta,
    Sliced,
    Track,
    Transfer,
    Tuple,
    Type2,
)
from zkrun.compiler.type3.text import lines
from zkrun.compiler.type3.tracks import schedule
from zkrun.program.types import Scalar, ScalarArray, Transcript

EXPECTED = """\
chunk over bn254, arenas: gpu:0 256 B
   0  MemoryManagement  Load %0 f: ScalarArray[4] = input "f"  ; a.py:1
   1  MemoryManagement  GpuMalloc %1: ScalarArray[4], 2^7 B of gpu:0 at 0
   2  ToGpu             Transfer %0 f of cpu → %1 of gpu:0  ; on gpu:0
   3  MemoryManagement  Move %1 → %2
   4  Gpu               ntt(inverse=true) [%2] ← []  ; after 2, on gpu:0, b\\x1b.py:2
   5  MemoryManagement  SetPolyMeta %3 = %2 sliced [1:4]
   6  MemoryManagement  CpuMalloc %4: ScalarArray[3], 96 B of cpu
   7  FromGpu           Transfer %3 of gpu:0 → %4 of cpu  ; after 4, on gpu:0
   8  MemoryManagement  DiskMalloc %5: ScalarArray[3], 96 B of disk
   9  ToDisk            Transfer %4 of cpu → %5 of disk  ; after 7
  10  Cpu               Type2 [%4] ← random(n=3, form=lagrange)
  11  MemoryManagement  SetPolyMeta %6 = %4 rotated by -1
  12  MemoryManagement  CpuMalloc %7: Scalar, 32 B of cpu
  13  Cpu               Type2 [%7] ← %6[2]
  14  MemoryManagement  CpuFree %4
  15  MemoryManagement  Tuple %8 = (%7, %0 f)
  return %8"""


def test_an_instruction_of_each_kind() -> None:
    registers = [
        Register(ScalarArray(4), "cpu", label="f"),
        Register(ScalarArray(4), "gpu:0", 0),
        Register(ScalarArray(4), "gpu:0", 0),
        Register(ScalarArray(3), "gpu:0", of=2),
        Register(ScalarArray(3), "cpu"),
        Register(ScalarArray(3), "disk"),
        Register(ScalarArray(3), "cpu", of=4),
        Register(Scalar(), "cpu"),
        Register(Transcript("blake2b"), "cpu"),
    ]
    chunk = Chunk("bn254", registers, memory={"gpu:0": 256, "cpu": 0}, result=8)
    chunk.emit(Load(op.Input("f"), 0), "a.py:1")
    chunk.emit(Malloc(1))
    chunk.emit(Transfer(0, 1))
    chunk.emit(Move(1, 2))
    chunk.emit(Call("ntt", (("inverse", True),), (2,), ()), "b\x1b.py:2")
    chunk.emit(SetPolyMeta(2, 3, Sliced(1, 4)))
    chunk.emit(Malloc(4))
    chunk.emit(Transfer(3, 4))
    chunk.emit(Malloc(5))
    chunk.emit(Transfer(4, 5))
    chunk.emit(Type2(op.Random(3, "lagrange"), (4,), ()))
    chunk.emit(SetPolyMeta(4, 6, Rotated(-1)))
    chunk.emit(Malloc(7))
    chunk.emit(Type2(op.Element(2), (7,), (6,)))
    chunk.emit(Free(4))
    chunk.emit(Tuple((7, 0), 8))
    assert "\n".join(lines(chunk, schedule(chunk))) == EXPECTED


def test_transcripts_lie_in_no_memory_of_a_device() -> None:
    proof = Proof("bn254")
    transcript = proof.transcript("blake2b")
    transcript.absorb(proof.input("x", ScalarType()))
    compiled = compile_graph(proof.graph(transcript.squeeze()))
    text = "\n".join(lines(compiled.chunk, compiled.schedule))
    assert re.search(r"StackMalloc %\d+: Transcript<blake2b>", text), text
    assert text.count("StackFree") == 1


def test_an_operation_of_the_cpu_and_a_gpu_has_a_track_of_its_own() -> None:
    registers = [
        Register(ScalarArray(4), "gpu:0", 0),
        Register(Scalar(), "cpu"),
        Register(Scalar(), "gpu:0", 128),
    ]
    chunk = Chunk("bn254", registers, memory={"gpu:0": 256, "cpu": 0}, result=1)
    assert chunk.track(Type2(op.Element(2), (1,), (0,))) == Track.CO_PROCESS
    assert chunk.track(Type2(op.Element(2), (2,), (0,))) == Track.GPU


def test_an_empty_memory_is_not_named() -> None:
    proof = Proof("bls12_381")
    compiled = compile_graph(proof.graph(proof.input("f", Coefficients(4))))
    first, *_, last = lines(compiled.chunk, compiled.schedule)
    assert first == "chunk over bls12_381"
    assert last.startswith("  return %")


@settings(suppress_health_check=list(HealthCheck))
@given(graph=random_graph())
def test_every_instruction_has_its_line_and_track(graph: Graph) -> None:
    compiled = compile_graph(graph)
    first, *middle, last = lines(compiled.chunk, compiled.schedule)
    assert (first[:6], last[:9]) == ("chunk ", "  return ")
    assert len(middle) == len(compiled.chunk.instructions)
    tracks = "|".join(track.value for track in Track)
    for index, line in enumerate(middle):
        assert re.match(rf"  +{index}  (?:{tracks}) ", line)
