import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

ARRAYS = {
    "cube": np.arange(24.0).reshape(2, 3, 4),
    "no dimensions": np.array(3),
    "no rows": np.zeros((0, 3), "f4"),
    "no columns": np.zeros((3, 0)),
    "text": np.array([["a", "bb"], ["", "日本"]]),
    "bytes": np.array([b"a", b"bc"]),
    "record": np.array([(1, 2.5, "x")], dtype=[("a", "i4"), ("b", "f8", ()), ("c", "U3")]),
    "record of objects": np.array([(1, None)], dtype=[("a", "i4"), ("b", "O")]),
    "objects": np.array([[1, None], ["x", 2.5]], dtype=object),
    "masked": np.ma.array([1, 2], mask=[False, True]),
    "big-endian": np.arange(6, dtype=">i4"),
    "months": np.array(["2020-01", "NaT"], "M8[M]"),
    "weeks": np.array([1, 2], "m8[7D]"),
    "transposed": np.arange(6).reshape(2, 3).T,
    "every other": np.arange(10)[::2],
    "booleans": np.array([[True, False]]),
    "complex": np.array([1 + 2j, np.nan]),
    "half": np.array([0.5, 1], "f2"),
}


def same(got, want):
    assert type(got) is type(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if want.dtype.kind == "V" and not want.dtype.hasobject:
        assert got.tobytes() == want.tobytes()  # NaN in a record is unequal to itself
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_every_kind_of_array(there_and_back, array):
    same(there_and_back(array), array)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(hnp.scalar_dtypes() | hnp.array_dtypes(max_size=3), hnp.array_shapes(min_side=0)))
def test_any_array_of_hypothesis(there_and_back, array):
    same(there_and_back(array), array)
