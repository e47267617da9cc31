"""ZK025 to ZK039: kinds, lengths, ranges and devices of operands."""

from zkrun.analysis.rules.rule import Rule

WRONG_KIND = Rule(
    "ZK025",
    "operand of the wrong kind",
    "operands",
    "Each instruction takes operands of certain kinds: Rotation, Slice and SetSliceMeta views are "
    "of ScalarArray and PointArray, SliceBuffer is of a GpuBuffer, Blind of a ScalarArray, "
    "GetScalarFromArray copies from a ScalarArray to a Scalar, `stream` is a Stream. A Stream or "
    "GpuBuffer is no value that Return, Print or AssertEq could show, alone or in a tuple.",
)
OUT_OF_RANGE = Rule(
    "ZK026",
    "range or index outside the array",
    "operands",
    "Slice needs 0 <= start <= end <= length and Blind the same of its range, both counted in the "
    "view; GetScalarFromArray needs idx < length; SetSliceMeta needs offset < and len <= the "
    "length of the whole array that `src` lies in; SliceBuffer stays inside its buffer.",
)
PARTIAL_ROTATION = Rule(
    "ZK027",
    "rotation of a part of an array",
    "operands",
    "A view is one interval of the whole array, wrapping at its end. A rotated part would be two "
    "intervals, so only a view of all elements can be rotated. Slice the rotated array instead.",
)
TYPES_DIFFER = Rule(
    "ZK028",
    "types differ",
    "operands",
    "Both sides of a Transfer or an AssertEq have the same kind, length and group (a Transcript: "
    "the same hash). Lengths are those of the views.",
)
CALL_DOES_NOT_FIT = Rule(
    "ZK029",
    "arguments do not fit the function",
    "operands",
    "The number of arguments, their kinds, their lengths and the parameters must fit what the "
    "function says (`zkrun functions NAME`). On a GPU the stream stands last in `arg` and counts "
    "as none of them.",
)
WRONG_DEVICE = Rule(
    "ZK030",
    "kind of memory that the device does not have",
    "operands",
    "Streams and GpuBuffers are allocated on a GPU, Transcripts on the CPU, and Tuples are not "
    "allocated but assembled. Scalars, points and arrays may be on any device.",
)
DEVICE_MISMATCH = Rule(
    "ZK031",
    "variable lives on another device",
    "operands",
    "`src_device` and `dst_device` of a Transfer are where the two variables live, and `slave` of "
    "a Wait is the GPU of its stream, or the CPU where it has none.",
)
CALL_DEVICE = Rule(
    "ZK032",
    "call cannot run where its arguments live",
    "operands",
    "A call runs where its arguments live: all of them on one device, scalars and points too, "
    "never on the disk. Transcript functions, interpolate, assemble_poly and assemble_points are "
    "for the CPU. Transfer the arguments first.",
)
WRONG_STREAM = Rule(
    "ZK033",
    "stream missing, out of place or of another GPU",
    "operands",
    "A call on a GPU takes a stream of that GPU as the last of `arg`; one on the CPU takes none. "
    "A Transfer or GetScalarFromArray takes a stream of the GPU of either side. The stream of a "
    "Deallocate is of the GPU whose memory is freed.",
)
OVERLAP = Rule(
    "ZK034",
    "operands of one instruction overlap",
    "operands",
    "What an instruction writes must not overlap its other operands: it would read what it has "
    "already written. The element-wise functions (poly_*, fused_arith) may write exactly an "
    "input: the same elements in the same order.",
)
READ_ONLY = Rule(
    "ZK035",
    "write to a constant or an input",
    "operands",
    "Constants and inputs are read-only, and so is every view of them. Transfer the value into "
    "allocated memory and change it there.",
)
TUPLE_TOO_LARGE = Rule(
    "ZK036",
    "tuple too large",
    "operands",
    "A tuple holds at most 1,000,000 values, those of the tuples in it included, nested at most "
    "64 deep. Tuples of tuples double with each instruction: without a limit a short program "
    "would have a result that no machine can write.",
)

RULES = (
    WRONG_KIND,
    OUT_OF_RANGE,
    PARTIAL_ROTATION,
    TYPES_DIFFER,
    CALL_DOES_NOT_FIT,
    WRONG_DEVICE,
    DEVICE_MISMATCH,
    CALL_DEVICE,
    WRONG_STREAM,
    OVERLAP,
    READ_ONLY,
    TUPLE_TOO_LARGE,
)
