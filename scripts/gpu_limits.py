"""What measurements of a GPU are held against."""

from __future__ import annotations

from zkrun.program.signature import Call, Cost

# Milliseconds at most, by the logarithm of the size.
MULTIPLICATION = {
    "bn254": {16: 1.5, 18: 2.2, 20: 5.0, 22: 14.0, 24: 46.0},
    "bls12_381": {16: 3.0, 18: 4.8, 20: 11.0, 22: 31.0, 24: 105.0},
}
TRANSFORM = {16: 0.028, 18: 0.070, 20: 0.25, 22: 1.05, 24: 4.4}

INSTRUCTION = 10.0  # microseconds at most

LARGE = 22  # from this logarithm on, a launch weighs little beside a function over an array
SHARE = 0.9  # of what the GPU's rates allow, for functions of each element by itself
INDIRECT = ("evaluate", "kate_division", "scan_mul", "batch_invert", "permute")
"""Functions that are more than one pass over memory: within 2 of the others."""

# Multiplications an element that an algorithm for many processors needs, where one that goes from
# element to element needs fewer: a prefix circuit of size s and depth d over n elements has
# s + d >= 2 n - 2 (M. Snir, "Depth-size trade-offs for parallel prefix computation", J. Algorithms
# 7, 1986), so 2 n operations as soon as the depth is far below n. Both of these give all prefixes:
# products, and remainders by Horner's rule. A sum (`evaluate`) and Montgomery's trick
# (`batch_invert`, whose products may be a tree) have no such price.
PARALLEL = {"scan_mul": 2, "kate_division": 2}

# Bytes that a row of the input, and one of the table, costs a `permute` that sorts by parts of
# keys; its signature counts each operand once, which no sort gets by with. Elements that are read
# in another order than they lie in count by their 32 bytes, though memory moves 64 for each. Passes
# are by 8 bits, as in the fastest sort published for GPUs ("Onesweep": Adinets and Merrill, 2022).
# Three by 11 bits would move 16 bytes fewer, which is 9 %; but of the records that a block's shared
# memory holds, some two have the same digit then, and fill no sector of memory together.
PERMUTED_ROW = (
    32  # the element is read, for its key
    + 8  # a record is written: a key of 32 bits, which tells nearly all values apart, and the row
    + 4 * 16  # it is read and written in each of four passes
    + 8  # it is read in order
    + 32  # the element is read in that order
    + 32  # a' or t' is written
)


def needs(call: Call) -> Cost:
    """The multiplications and bytes that a GPU needs for a call at least."""
    cost = call.signature.cost(call)
    if call.signature.name == "permute":
        return Cost(cost.multiplications, 2 * call.params.usable * PERMUTED_ROW)
    each = PARALLEL.get(call.signature.name, 1)
    return Cost(each * cost.multiplications, cost.bytes)


def needed_share(name: str) -> float:
    """The share of what the rates allow that is asked of a function."""
    return SHARE / 2 if name in INDIRECT else SHARE
