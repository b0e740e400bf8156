import datetime as dt
import decimal
import uuid
import zoneinfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as hpd

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
D = decimal.Decimal
DAY = dt.date(2024, 2, 29)
STAMPS = pd.date_range("2024-03-30 22:30", periods=4, freq="h")


def objects(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


VALUES = {
    **{name: np.array([0, 1, 2, 3], name) for name in ("int8", "int64", "uint8", "uint64", ">i4")},
    **{name: np.array([0.5, np.nan, -0.0, np.inf], name) for name in ("f2", "f4", "f8", ">f8")},
    "longdouble": np.array([1, 2, 3, 4], np.longdouble) / 3,
    "complex": np.array([1j, 2, np.nan, 0]),
    "bool": np.array([True, False, True, True]),
    **{f"datetime64[{u}]": STAMPS.as_unit(u).to_numpy() for u in ("s", "ms", "us", "ns")},
    **{
        f"timedelta64[{u}]": np.array([1, -1, "NaT", 0], f"m8[{u}]")
        for u in ("s", "ms", "us", "ns")
    },
    "datetime with NaT": pd.array([STAMPS[0], pd.NaT, STAMPS[1], STAMPS[2]], "datetime64[ns]"),
    "zone": STAMPS.tz_localize("UTC").tz_convert("Europe/Berlin").array,
    "zone over the clock's change": pd.date_range(
        "2024-10-27 00:00", periods=4, freq="30min", tz="UTC"
    )
    .tz_convert("Europe/Berlin")
    .array,
    "UTC": STAMPS.tz_localize("UTC").array,
    "zoneinfo": STAMPS.tz_localize(zoneinfo.ZoneInfo("Asia/Tokyo")).array,
    "offset": STAMPS.tz_localize(dt.timezone(dt.timedelta(hours=5, minutes=45))).array,
    "odd offset": STAMPS.tz_localize(dt.timezone(dt.timedelta(seconds=3661))).array,
    "zone in seconds": STAMPS.as_unit("s").tz_localize("Asia/Tokyo").array,
    "zone with NaT": pd.array([STAMPS[0], pd.NaT, STAMPS[1], pd.NaT], "datetime64[ns, UTC]"),
    "period": pd.period_range("2024", periods=4, freq="Q-NOV").array,
    "period with NaT": pd.PeriodIndex(["2024-01", "NaT", "2024-03", "2024-04"], freq="M").array,
    "interval": pd.interval_range(0, 4, closed="both").array,
    "interval of floats": pd.arrays.IntervalArray.from_breaks([0, 0.5, 1, 1.5, 2], "neither"),
    "interval with null": pd.arrays.IntervalArray.from_tuples([(0, 1), None, (1, 2), (2, 3)]),
    "interval of dates": pd.arrays.IntervalArray.from_breaks(
        pd.date_range("2024", periods=5, tz="UTC")
    ),
    **{name: pd.array([1, None, 3, 0], name) for name in ("Int8", "Int64", "UInt16", "Float64")},
    "Float64 with NaN": pd.arrays.FloatingArray(
        np.array([1, np.nan, 2, 0.0]), np.array([False, False, True, False])
    ),
    "boolean": pd.array([True, None, False, True], "boolean"),
    "string": pd.array(["a", None, "", "ü\0"], "string[python]"),
    "string[pyarrow]": pd.array(["a", None, "", "日本"], "string[pyarrow]"),
    "default str": pd.Series(["a", None, "b", "c"]).array,
    "category": pd.Categorical(["b", "a", None, "b"], ["c", "b", "a", "unused"]),
    "ordered": pd.Categorical(["b", "a", None, "b"], ["b", "a"], ordered=True),
    "category of integers": pd.Categorical([1, 2, 1, 3]),
    "category of dates": pd.Categorical(STAMPS.tz_localize("Asia/Tokyo")),
    "category of intervals": pd.cut([1, 2, 3, 4], 2),
    "category of tuples": pd.Categorical(objects((1, 2), (3, 4), (1, 2), (3, 4))),
    "category of mixed": pd.Categorical(objects("a", 1, "a", 1)),
    "category of nothing": pd.Categorical([None] * 4),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 0]),
    "sparse floats": pd.arrays.SparseArray([np.nan, 1.5, np.nan, np.nan]),
    "arrow list": pd.array([[1], None, [], [2, 3]], pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow struct": pd.array(
        [{"a": 1}, None, {"a": None}, {"a": 2}], pd.ArrowDtype(pa.struct([("a", pa.int8())]))
    ),
    "arrow decimal": pd.array([D("1.50"), None, D(0), D(2)], pd.ArrowDtype(pa.decimal128(9, 2))),
    "arrow time": pd.array([dt.time(1, 2), None] * 2, pd.ArrowDtype(pa.time64("us"))),
    "arrow date": pd.array([DAY, None] * 2, pd.ArrowDtype(pa.date32())),
    "arrow dictionary": pd.arrays.ArrowExtensionArray(
        pa.array(["a", "b", None, "a"]).dictionary_encode()
    ),
    "strings and None": objects("a", None, "", "b"),
    "strings and NaN": objects("a", np.nan, "", "b"),
    "strings and NA": objects("a", pd.NA, "", "b"),
    "strings and both": objects("a", None, np.nan, "b"),
    "strings of NumPy": objects(np.str_("a"), "b", "c", "d"),
    "lone surrogates": objects("\ud800", "b", "c", "d"),
    "bytes": objects(b"a", None, b"", b"\0"),
    "booleans and None": objects(True, None, False, True),
    "numbers as objects": objects(1, 2, None, 3),
    "huge integers": objects(2**70, -1, None, 3),
    "floats as objects": objects(1.5, float("nan"), None, 3.0),
    "integers and floats": objects(1, 2.0, 3, 4),
    "booleans and integers": objects(True, 1, False, 0),
    "dates": objects(DAY, None, DAY, DAY),
    "datetimes": objects(dt.datetime(2024, 1, 1), None, dt.datetime.max, dt.datetime.min),
    "stamps": objects(*STAMPS),
    "decimals": objects(D("1.50"), D("-2.25"), None, D("0.00")),
    "decimals of all kinds": objects(D("1.5"), D("1.50"), D("NaN"), D("1E+3")),
    "lists": objects([1], [], None, [1, "a", [2.0]]),
    "dicts": objects({"a": 1}, {}, None, {"b": {"c": [1]}}),
    "tuples and sets": objects((1, 2), {3}, frozenset({4}), ()),
    "arrays": objects(np.arange(2), np.arange(3.0), None, np.arange(0)),
    "uuids": objects(*(uuid.UUID(int=n) for n in range(4))),
    "a bit of everything": objects(1, "a", None, STAMPS[0]),
    "only None": objects(None, None, None, None),
    "only NaT": objects(pd.NaT, pd.NaT, pd.NaT, pd.NaT),
}
each_dtype = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)


def same_frame(got, want):
    pd.testing.assert_frame_equal(got, want, check_exact=True, check_freq=True, check_flags=True)
    assert got.attrs == want.attrs
    assert type(got) is type(want)
    for a, b in zip(map(got.iloc.__getitem__, _columns(got)), _columns(want), strict=True):
        same_objects(a, want.iloc[b])


def _columns(frame):
    return [(slice(None), place) for place in range(frame.shape[1])]


def same_objects(got, want):
    """Equality that tells 1 from True and None from NaN, which pandas' own does not."""
    if got.dtype == object:
        assert list(map(type, got)) == list(map(type, want))
        assert list(map(repr, got)) == list(map(repr, want))


@each_dtype
def test_every_dtype_as_a_column(there_and_back, values):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=values.dtype), "y": 1})

    same_frame(there_and_back(frame), frame)


@each_dtype
def test_every_dtype_without_rows(there_and_back, values):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=values.dtype)}).iloc[:0]

    same_frame(there_and_back(frame), frame)


@each_dtype
def test_every_dtype_of_a_part(there_and_back, values):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=values.dtype)}).iloc[1:3]

    same_frame(there_and_back(frame), frame)


@each_dtype
def test_every_dtype_as_a_series(there_and_back, values):
    series = pd.Series(values, dtype=values.dtype, name="x", index=list("abcd"))

    got = there_and_back(series)

    pd.testing.assert_series_equal(got, series, check_exact=True)
    same_objects(got, series)


@each_dtype
def test_every_dtype_as_an_index(there_and_back, values):
    try:
        index = pd.Index(values, dtype=values.dtype, tupleize_cols=False, name=("a", 1))
    except NotImplementedError:
        pytest.skip("pandas has no index of this dtype")
    frame = pd.DataFrame({"x": range(4)}, index=index)

    pd.testing.assert_index_equal(there_and_back(index), index, exact=True)
    same_frame(there_and_back(frame), frame)


LABELS = {
    "duplicates": ["a", "a", "b"],
    "integers": [0, 2, 1],
    "range": pd.RangeIndex(3),
    "mixed": [1, "1", None],
    "tuples": pd.Index([(1, 2), ("a",), ()], tupleize_cols=False),
    "dates": pd.date_range("2024", periods=3, name="when"),
    "multi": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", None]),
    "categories": pd.CategoricalIndex(["x", "y", "x"], ["y", "x", "z"], ordered=True),
    "intervals": pd.interval_range(0, 3),
    "NaN": [1.5, np.nan, 2],
    "text": pd.Index(["a", "b", "c"], name="letters"),
    "our own names": ["__pickled__", "index", "values"],
    "not UTF-8": pd.Index(["\ud800", "", "\0"], dtype=object),
    "objects": pd.Index(["a", "b", "c"], dtype=object, name=3),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_every_kind_of_label_on_both_axes(there_and_back, labels):
    frame = pd.DataFrame(np.arange(9).reshape(3, 3), columns=labels, index=labels)

    same_frame(there_and_back(frame), frame)
    same_frame(there_and_back(frame.astype(object)), frame.astype(object))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=range(3)),
        pd.DataFrame(index=list("abc")),
        pd.DataFrame(columns=list("abc")),
        pd.DataFrame(columns=pd.MultiIndex.from_product([["a"], [1, 2]])),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", None)])),
        pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["a", "b"])),
        pd.DataFrame({"a": objects({}, [])}).iloc[:0],
    ],
    ids=["nothing", "rows", "labelled rows", "columns", "levels", "null", "no rows", "objects"],
)
def test_empty_frames(there_and_back, frame):
    same_frame(there_and_back(frame), frame)


def test_levels_keep_their_dtypes(there_and_back):
    index = pd.MultiIndex.from_arrays(
        [
            pd.Categorical(["a", "b", "a"], ["b", "a"], ordered=True),
            pd.date_range("2024", periods=3, tz="Asia/Tokyo"),
            pd.array([1, None, 2], "Int64"),
            pd.period_range("2024", periods=3, freq="D"),
        ],
        names=["kind", "when", None, "kind"],
    )

    pd.testing.assert_index_equal(there_and_back(index), index, exact=True)


def test_attrs_flags_and_frequency_are_kept(there_and_back):
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024", periods=2, freq="MS"))
    frame.attrs = {"source": "ERP", "n": [1, {"x": DAY}]}
    frame.flags.allows_duplicate_labels = False

    same_frame(there_and_back(frame), frame)


class Measured(pd.DataFrame):
    _metadata = ("unit",)

    @property
    def _constructor(self):
        return Measured


def test_a_subclass_comes_back_as_itself(there_and_back):
    frame = Measured({"a": [1.5]})
    frame.unit = "m"

    got = there_and_back(frame)

    same_frame(got, frame)
    assert got.unit == "m"


def test_a_frame_of_many_chunks(there_and_back):
    part = pd.DataFrame({"s": ["a", "b"], "o": [[1], {}], "c": pd.Categorical(["x", "y"])})
    frame = pd.concat([part] * 500)

    same_frame(there_and_back(frame), frame)


def test_a_wide_frame(there_and_back):
    frame = pd.DataFrame(np.eye(3, 5_000))

    same_frame(there_and_back(frame), frame)


def test_a_transposed_mixed_frame(there_and_back):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": STAMPS[:2]}).T

    same_frame(there_and_back(frame), frame)


@QUICK
@given(
    hpd.data_frames(
        [
            hpd.column("i", dtype=np.int64),
            hpd.column("f", dtype=np.float64),
            hpd.column("b", dtype=np.bool_),
            hpd.column("d", dtype="datetime64[ns]"),
            hpd.column("t", elements=st.text(max_size=5) | st.none(), dtype=object),
            hpd.column("o", elements=st.integers() | st.none() | st.text(max_size=2), dtype=object),
        ],
        index=hpd.range_indexes(max_size=6) | hpd.indexes(dtype=np.int64, max_size=6),
    )
)
def test_any_frame_of_hypothesis(there_and_back, frame):
    same_frame(there_and_back(frame), frame)


@QUICK
@given(st.data())
def test_any_mixture_of_dtypes(there_and_back, data):
    # pandas itself takes no rows of big-endian columns.
    known = [name for name in sorted(VALUES) if not name.startswith(">")]
    names = data.draw(st.lists(st.sampled_from(known), max_size=6))
    rows = data.draw(st.lists(st.integers(0, 3), max_size=6))
    labels = data.draw(
        st.lists(
            st.text(max_size=3) | st.integers(-2, 2) | st.none(),
            min_size=len(names),
            max_size=len(names),
        )
    )
    columns = {n: pd.Series(VALUES[x], dtype=VALUES[x].dtype) for n, x in enumerate(names)}
    frame = pd.DataFrame(columns, index=range(4)).take(rows)
    frame.columns = pd.Index(labels, dtype=object)

    same_frame(there_and_back(frame), frame)
