"""Any frame of pandas that has rows: columns of every dtype under labels of every kind."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

TEXT = st.text(max_size=4)
WHOLE = st.integers(-(2**62), 2**62)
CENTS = st.integers(-(10**6), 10**6).map(lambda n: decimal.Decimal(n) / 100)
TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))
SPANS = st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)

PLAIN = {
    **{name: st.integers(0, 100) for name in ("int8", "uint16", "int32", "uint64")},
    "int64": WHOLE,
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "bool": st.booleans(),
    "datetime64[us]": TIMES,
    "datetime64[ns]": TIMES | st.none(),
    "datetime64[us, Europe/Berlin]": TIMES.map(lambda t: t.replace(tzinfo=dt.timezone.utc)),
    "timedelta64[us]": SPANS | st.none(),
    "period[D]": TIMES.map(lambda t: pd.Period(t, "D")),
    "Int64": WHOLE | st.none(),
    "UInt8": st.integers(0, 255) | st.none(),
    "Float64": st.floats(allow_nan=False) | st.none(),
    "boolean": st.booleans() | st.none(),
    "string": TEXT | st.none(),
    "Sparse[int64]": st.integers(0, 2),
    pd.ArrowDtype(pa.list_(pa.int64())): st.lists(WHOLE, max_size=2) | st.none(),
    pd.ArrowDtype(pa.decimal128(12, 2)): CENTS | st.none(),
}
OBJECTS = [
    TEXT | st.none(),
    st.binary(max_size=3) | st.none(),
    CENTS,
    st.dates() | st.none(),
    JSON,
    st.integers() | TEXT | st.none() | st.floats(),
    st.sets(st.integers(), max_size=2) | st.tuples(TEXT, st.booleans()),
]
LABELS = [
    st.text(max_size=3),
    st.integers(),
    st.sampled_from("aab"),
    st.none() | st.booleans() | st.integers() | TEXT,
    TIMES.map(pd.Timestamp),
    st.tuples(TEXT, st.integers()),
]


def lists(values, size):
    return st.lists(values, min_size=size, max_size=size)


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@st.composite
def categories(draw, size):
    known = draw(st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True))
    codes = draw(lists(st.integers(-1, len(known) - 1), size))
    return pd.Categorical.from_codes(codes, known, ordered=draw(st.booleans()))


@st.composite
def intervals(draw, size):
    starts = draw(lists(st.integers(-5, 5), size))
    closed = draw(st.sampled_from(["left", "right", "both", "neither"]))
    return pd.arrays.IntervalArray.from_arrays(starts, [n + 1 for n in starts], closed=closed)


@st.composite
def plain(draw, size):
    kind = draw(st.sampled_from(list(PLAIN)))
    return pd.array(_timed(draw(lists(PLAIN[kind], size)), kind), kind)


@st.composite
def mixed(draw, size):
    return objects(draw(lists(draw(st.sampled_from(OBJECTS)), size)))


@st.composite
def columns(draw, size):
    """Return values, of what has a form of its own as often as of all plain dtypes."""
    form = draw(st.sampled_from([plain, plain, mixed, categories, intervals]))
    return draw(form(size))


def _timed(values, kind):
    """Make times first: pandas before version 3 makes none of several zones or of None."""
    if "Berlin" in str(kind):
        return pd.to_datetime(values, utc=True).tz_convert("Europe/Berlin").as_unit("us")
    return values


@st.composite
def axes(draw, size):
    """Return labels for rows or columns."""
    kind = draw(st.sampled_from(["range", "labels", "levels", "times"]))
    if kind == "range":
        return pd.RangeIndex(3, 3 + 2 * size, 2, name=draw(TEXT | st.none()))
    if kind == "times":
        return pd.date_range("2024-01-31", periods=size, freq="D", tz="Asia/Tokyo")
    values = draw(lists(draw(st.sampled_from(LABELS)), size))
    if kind == "labels":
        return pd.Index(objects(values), dtype=object, name=draw(TEXT | st.none()))
    inner = draw(lists(st.integers(0, 2), size))
    return pd.MultiIndex.from_arrays([objects(values), inner], names=["k", None])


@st.composite
def frames(draw):
    """Return a DataFrame."""
    rows, width = draw(st.integers(0, 4)), draw(st.integers(0, 6))
    values = {place: draw(columns(rows)) for place in range(width)}
    index = draw(axes(rows))
    series = {n: pd.Series(v, index, dtype=v.dtype) for n, v in values.items()}
    frame = pd.DataFrame(series, index=index)
    frame.columns = draw(axes(width))
    return frame
