"""Integers, limbs, bytes and Montgomery forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkrun.algebra import encoding
from zkrun.algebra.curves import BLS12_381, BN254, Field

FIELDS = [BN254.scalar, BN254.base, BLS12_381.scalar, BLS12_381.base]


@given(st.sampled_from(FIELDS), st.data())
def test_montgomery_form_and_back(field: Field, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, field.modulus - 1))
    form = encoding.to_montgomery(field, value)
    assert 0 <= form < field.modulus
    assert (form - (value << 64 * field.limbs)) % field.modulus == 0
    assert encoding.from_montgomery(field, form) == value


@given(st.sampled_from([1, 4, 6]), st.data())
def test_limbs_and_bytes(limbs: int, data: st.DataObject) -> None:
    integers = data.draw(st.lists(st.integers(0, (1 << 64 * limbs) - 1), max_size=5))
    array = encoding.to_limbs(integers, limbs)
    assert array.shape == (len(integers), limbs)
    assert array.dtype == np.uint64
    for row, integer in zip(array, integers, strict=True):
        assert sum(int(limb) << (64 * i) for i, limb in enumerate(row)) == integer
    assert array.tobytes() == encoding.to_bytes(integers, limbs)
    assert encoding.from_limbs(array) == integers
    assert encoding.from_limbs(array[::-1]) == integers[::-1]


def test_what_does_not_fit() -> None:
    with pytest.raises(OverflowError):
        encoding.to_bytes([1 << 256], 4)
    with pytest.raises(OverflowError):
        encoding.to_bytes([-1], 4)
    with pytest.raises(ValueError, match="33 bytes are no whole number of 32-byte"):
        encoding.from_bytes(bytes(33), 4)
