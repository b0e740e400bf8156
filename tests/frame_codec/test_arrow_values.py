import datetime as dt
import decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal, assert_series_equal
from polars.testing.parametric import dataframes

DAY = dt.date(2024, 2, 29)

SERIES = {
    "integers": pl.Series([1, None, 3], dtype=pl.Int8),
    "floats": pl.Series([1.5, float("nan"), None]),
    "text": pl.Series(["a", None, "日本"]),
    "bytes": pl.Series([b"a", None, b""]),
    "booleans": pl.Series([True, None, False]),
    "categories": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    "enum": pl.Series(["b", None, "a"], dtype=pl.Enum(["unused", "b", "a"])),
    "dates": pl.Series([DAY, None, DAY]),
    "times": pl.Series([dt.time(1, 2, 3), None, dt.time(0)]),
    "zone": pl.Series([dt.datetime(2024, 1, 1), None], dtype=pl.Datetime("ns", "Asia/Tokyo")),
    "milliseconds": pl.Series([dt.datetime(2024, 1, 1), None], dtype=pl.Datetime("ms")),
    "durations": pl.Series([dt.timedelta(1), None], dtype=pl.Duration("us")),
    "decimals": pl.Series([decimal.Decimal("1.50"), None], dtype=pl.Decimal(20, 2)),
    "lists": pl.Series([[1], None, []], dtype=pl.List(pl.Int64)),
    "lists of enums": pl.Series([["a"], None], dtype=pl.List(pl.Enum(["a", "b"]))),
    "arrays": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
    "structs": pl.Series([{"a": 1, "b": "x"}, {"a": None, "b": None}]),
    "nulls": pl.Series([None, None]),
}


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_every_dtype_of_polars(there_and_back, series):
    frame = pl.DataFrame({"x": series, "y": range(len(series))})

    assert_frame_equal(there_and_back(frame), frame)
    assert_frame_equal(there_and_back(frame.clear()), frame.clear())
    assert_series_equal(there_and_back(series.alias("s")), series.alias("s"))


def test_objects_of_polars(there_and_back):
    frame = pl.DataFrame({"a": [1, 2], "o": pl.Series([{1}, None], dtype=pl.Object), "z": "x"})

    got = there_and_back(frame)

    assert got.schema == frame.schema
    assert got["o"].to_list() == [{1}, None]


@pytest.mark.skipif(not hasattr(pl, "Int128"), reason="this polars has no Int128")
def test_a_dtype_that_arrow_lacks(there_and_back):
    frame = pl.DataFrame({"x": pl.Series([2**100, None], dtype=pl.Int128)})

    assert_frame_equal(there_and_back(frame), frame)


@pytest.mark.parametrize("frame", [pl.DataFrame(), pl.DataFrame({"a": []})], ids=["none", "rows"])
def test_empty_frames_of_polars(there_and_back, frame):
    assert_frame_equal(there_and_back(frame), frame)


@settings(max_examples=40, deadline=None)
@given(dataframes(max_cols=5, max_size=5, excluded_dtypes=[pl.Object]))
def test_any_frame_of_polars_own_strategy(there_and_back, frame):
    assert_frame_equal(there_and_back(frame), frame)


def test_a_table_keeps_its_schema(there_and_back):
    schema = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False, metadata={"unit": "m"}),
            pa.field("m", pa.map_(pa.string(), pa.int8())),
            pa.field("u", pa.dictionary(pa.int16(), pa.string(), ordered=True)),
        ],
        metadata={"origin": "here"},
    )
    table = pa.table({"a": [1, 2], "m": [[("k", 1)], None], "u": ["x", None]}, schema=schema)

    got = there_and_back(table)

    assert got.equals(table, check_metadata=True)


def test_a_table_may_have_two_columns_of_a_name_or_none(there_and_back):
    twins = pa.table([[1], [2]], names=["a", "a"])
    empty = pa.table({})

    assert there_and_back(twins).equals(twins)
    assert there_and_back(empty).equals(empty)


def test_a_batch(there_and_back):
    batch = pa.RecordBatch.from_pydict({"a": [1, None, 3], "b": ["x", "y", None]})

    got = there_and_back(batch.slice(1))

    assert isinstance(got, pa.RecordBatch)
    assert got.equals(batch.slice(1))
    assert there_and_back(batch.slice(3)).equals(batch.slice(3))
