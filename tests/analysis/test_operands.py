"""Kinds, ranges, devices, streams and overlap of operands."""

from __future__ import annotations

from short_programs import (
    SCALAR,
    STREAM,
    Instruction,
    accepted,
    allocate,
    array,
    blind,
    call,
    copy,
    element,
    equal,
    free,
    load,
    meta,
    record,
    refused,
    return_,
    rotation,
    show,
    slice_,
    stream,
    transfer,
    tuple_,
    wait,
)

BUFFER = {"kind": "GpuBuffer", "nbytes": 64}
TRANSCRIPT = {"kind": "Transcript", "hash": "blake2b"}
WRAPPED = [load("array", 0), rotation(0, 1, 3)]  # variable 1: elements 5 6 7 0 1 2 3 4


def buffer_slice(source: int, target: int, offset: int, length: int) -> Instruction:
    return {"op": "SliceBuffer", "src": source, "dst": target, "offset": offset, "len": length}


VALID: dict[str, list[Instruction]] = {
    "a slice of nothing": [load("array", 0), slice_(0, 1, 8, 8), return_(1)],
    "a slice of a slice of a rotation": [*WRAPPED, slice_(1, 2, 1, 7), slice_(2, 3, 0, 6), show(3)],
    "a rotation of a full slice": [*WRAPPED, slice_(1, 2, 0, 8), rotation(2, 3, -(2**63))],
    "any shift": [load("array", 0), rotation(0, 1, 2**64 - 1)],
    "a rotation of nothing": [allocate(0, array(0)), rotation(0, 1, 5), free(0)],
    "a view by place drops the slice": [*WRAPPED, slice_(1, 2, 1, 2), meta(2, 3, 7, 8)],
    "a rotation of such a view": [load("array", 0), meta(0, 1, 5, 8), rotation(1, 2, 1)],
    "views of points": [load("points", 0), rotation(0, 1, 1), slice_(1, 2, 3, 4), meta(2, 3, 0, 8)],
    "blind counts in the view": [
        allocate(0),
        rotation(0, 1, 3),
        slice_(1, 2, 2, 6),
        blind(2, 0, 4),
        show(2),
        free(0),
    ],
    "the last element": [load("array", 0), allocate(1, SCALAR), element(0, 1, 7), return_(1)],
    "a slice of a buffer of a buffer": [
        allocate(0, BUFFER, "gpu:0"),
        buffer_slice(0, 1, 32, 32),
        buffer_slice(1, 2, 31, 1),
        buffer_slice(2, 3, 1, 0),
        free(0),
    ],
    "transfers of every kind": [
        load("points", 0),
        allocate(1, {"kind": "PointArray", "len": 8}, "disk"),
        transfer(0, 1, "cpu", "disk"),
        allocate(2, TRANSCRIPT),
        allocate(3, TRANSCRIPT),
        transfer(2, 3),
        free(1),
        return_(3),
    ],
    "a stream of either side": [
        load("array", 0),
        allocate(1, device="gpu:0"),
        allocate(2, device="gpu:1"),
        stream(3),
        stream(4, "gpu:1"),
        transfer(0, 1, "cpu", "gpu:0", stream=3),
        record(0, 3),
        wait(0, 4, "gpu:1"),
        transfer(1, 2, "gpu:0", "gpu:1", stream=4),
        return_(2),
    ],
    "a sum in place": [allocate(0), blind(0), call("poly_add", [0], [0, 0]), return_(0)],
    "a sum in place of a rotation": [
        allocate(0),
        blind(0),
        rotation(0, 1, 2),
        copy(1, 2),
        call("poly_mul", [1], [2, 2]),
        return_(0),
    ],
    "neighbours that do not overlap": [
        allocate(0, array(16)),
        blind(0, 0, 16),
        slice_(0, 1, 0, 8),
        slice_(0, 2, 8, 16),
        transfer(1, 2),
        return_(0),
    ],
    "an empty view overlaps nothing": [
        allocate(0),
        blind(0),
        slice_(0, 1, 4, 4),
        transfer(1, 1),
        call("poly_add", [0], [0, 1]),
        return_(0),
    ],
    "a tuple of anything": [
        stream(0),
        load("array", 1),
        tuple_(2, 0, 1),
        tuple_(3, 2, 2),
        tuple_(4),
        return_(4),
    ],
    "equal tuples": [*WRAPPED, tuple_(2, 0, 1), tuple_(3, 1, 0), equal(2, 3), return_(2)],
}

BROKEN: dict[str, tuple[list[Instruction], list[tuple[str, str]]]] = {
    "a slice of points as scalars": (
        [load("points", 0), allocate(1, SCALAR), element(0, 1, 0)],
        [("ZK025", "2/src")],
    ),
    "blind points": ([load("points", 0), blind(0)], [("ZK025", "1/dst")]),
    "a stream that is none": (
        [load("array", 0), allocate(1), transfer(0, 1, stream=0)],
        [("ZK025", "2/stream")],
    ),
    "transfer of a tuple": (
        [load("array", 0), tuple_(1, 0), transfer(1, 0)],
        [("ZK025", "2/src_id")],
    ),
    "transfer of a stream": ([stream(0), transfer(0, 0)], [("ZK025", "1/src_id")]),
    "print a stream": ([stream(0), show(0)], [("ZK025", "1/id")]),
    "return a buffer in a tuple": (
        [allocate(0, BUFFER, "gpu:0"), tuple_(1, 0), tuple_(2, 1), return_(2)],
        [("ZK025", "3/id")],
    ),
    "a tuple as an argument": (
        [load("array", 0), tuple_(1, 0), allocate(2), call("poly_add", [2], [1, 0])],
        [("ZK025", "3/arg/0")],
    ),
    "slice ends before it starts": ([load("array", 0), slice_(0, 1, 3, 2)], [("ZK026", "1/end")]),
    "a slice of a slice, too long": (
        [load("array", 0), slice_(0, 1, 2, 6), slice_(1, 2, 0, 5)],
        [("ZK026", "2/end")],
    ),
    "an offset at the end": ([load("array", 0), meta(0, 1, 8, 0)], [("ZK026", "1/offset")]),
    "longer than the whole": ([load("array", 0), meta(0, 1, 0, 9)], [("ZK026", "1/len")]),
    "an index at the end": (
        [load("array", 0), slice_(0, 1, 0, 4), allocate(2, SCALAR), element(1, 2, 4)],
        [("ZK026", "3/idx")],
    ),
    "blind beyond the view": (
        [allocate(0), slice_(0, 1, 0, 4), blind(1, 0, 5), free(0)],
        [("ZK026", "2/end")],
    ),
    "bytes beyond the buffer": (
        [allocate(0, BUFFER, "gpu:0"), buffer_slice(0, 1, 60, 5)],
        [("ZK026", "1/len")],
    ),
    "types that differ in a tuple": (
        [load("array", 0), load("scalar", 1), tuple_(2, 0), tuple_(3, 1), equal(2, 3)],
        [("ZK028", "4/expected")],
    ),
    "a scalar for an array of one": (
        [load("array", 0), slice_(0, 1, 0, 1), allocate(2, SCALAR), transfer(1, 2)],
        [("ZK028", "3/dst_id")],
    ),
    "a transform of seven": (
        [allocate(0, array(7)), blind(0, 0, 7), call("ntt", [0])],
        [("ZK029", "2")],
    ),
    "too few arguments": ([allocate(0), call("poly_add", [0])], [("ZK029", "1")]),
    "a stream on the CPU": ([allocate(0, STREAM)], [("ZK030", "0/device")]),
    "a buffer on the disk": ([allocate(0, BUFFER, "disk")], [("ZK030", "0/device")]),
    "a transcript on a GPU": ([allocate(0, TRANSCRIPT, "gpu:0")], [("ZK030", "0/device")]),
    "a tuple allocated": (
        [allocate(0, {"kind": "Tuple", "items": [SCALAR]})],
        [("ZK030", "0/device")],
    ),
    "the wrong source device": (
        [load("array", 0), allocate(1), transfer(0, 1, "gpu:0", "cpu")],
        [("ZK031", "2/src_device")],
    ),
    "a thread that waits on a GPU": ([record(0), wait(0, slave="gpu:0")], [("ZK031", "1/slave")]),
    "a stream that waits elsewhere": (
        [stream(0), record(0), wait(0, 0, "gpu:1")],
        [("ZK031", "2/slave")],
    ),
    "an argument elsewhere": (
        [
            allocate(0, device="gpu:0"),
            load("array", 1),
            stream(2),
            call("poly_add", [0], [1, 1, 2]),
        ],
        [("ZK032", "3")],
    ),
    "a call on the disk": (
        [allocate(0, device="disk"), call("fill", [0])],
        [("ZK032", "1")],
    ),
    "assemble on a GPU": (
        [allocate(0, array(0), "gpu:0"), stream(1), call("assemble_poly", [0], [1])],
        [("ZK032", "2")],
    ),
    "a stream for a call on the CPU": (
        [allocate(0), stream(1), call("fill", [0], [1])],
        [("ZK033", "2/arg/0")],
    ),
    "a stream of another GPU": (
        [allocate(0, device="gpu:0"), stream(1, "gpu:1"), call("fill", [0], [1])],
        [("ZK033", "2/arg/0")],
    ),
    "a transfer on a stream of neither": (
        [load("array", 0), allocate(1), stream(2), transfer(0, 1, stream=2)],
        [("ZK033", "3/stream")],
    ),
    "free host memory on a stream": (
        [allocate(0), stream(1), free(0, stream=1)],
        [("ZK033", "2/stream")],
    ),
    "a transform with itself": (
        [allocate(0, array(2)), blind(0, 0, 2), slice_(0, 1, 0, 1), call("ntt", [0], [1])],
        [("ZK034", "3/arg_mut/0")],
    ),
    "two outputs that overlap": (
        [load("array", 0), allocate(1), rotation(1, 2, 1), call("permute", [1, 2], [0, 0])],
        [("ZK034", "3/arg_mut/0")],
    ),
    "the same elements in another order": (
        [allocate(0), blind(0), rotation(0, 1, 1), call("poly_mul", [0], [0, 1])],
        [("ZK034", "3/arg_mut/0")],
    ),
    "a shorter input that overlaps": (
        [allocate(0), blind(0), slice_(0, 1, 0, 4), call("poly_add", [0], [0, 1])],
        [("ZK034", "3/arg_mut/0")],
    ),
    "overlap around the end": (
        [
            allocate(0, array(8)),
            blind(0),
            meta(0, 1, 6, 4),
            slice_(0, 2, 1, 5),
            transfer(1, 2),
        ],
        [("ZK034", "4/dst_id")],
    ),
    "a copy to itself": ([allocate(0), blind(0), transfer(0, 0)], [("ZK034", "2/dst_id")]),
    "write through a view of an input": (
        [load("array", 0), rotation(0, 1, 1), slice_(1, 2, 0, 8), call("fill", [2])],
        [("ZK035", "3/arg_mut/0")],
    ),
    "transfer into an input": (
        [load("array", 0), load("array", 1), transfer(0, 1)],
        [("ZK035", "2/dst_id")],
    ),
    "an element into an input": (
        [load("array", 0), load("scalar", 1), element(0, 1, 0)],
        [("ZK035", "2/dst")],
    ),
}


test_valid = accepted(VALID)
test_broken = refused(BROKEN)
