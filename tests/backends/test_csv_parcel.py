"""What is sent to a service comes out of the loader as it went in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from scipy import sparse

from aoai_magic import frame_codec
from aoai_magic.backends.responses_api.typed_csv import convert
from aoai_magic.errors import AttachError

ODD = ["", r"\N", "\\", "a,b", 'say "x"', "two\nlines", "cr\rcrlf\r\n", "NaN", " 1 ", "日本"]
REGIONS = ["NA", "EMEA", "APAC"]
FRAME = pd.DataFrame(
    {
        "region": pd.Categorical(
            ["EMEA", "NA", "EMEA", None], ["NA", "EMEA", "APAC"], ordered=True
        ),
        "revenue": [482.13, None, 0.1 + 0.2, np.inf],
        "single": np.array([0.1, 1 / 3, 1e-30, np.nan], "float32"),
        "units": pd.array([1, None, 2**62 + 1, 4], "Int64"),
        "count": np.array([1, 2, 3, 2**64 - 1], "uint64"),
        "small": np.array([1, -2, 3, 4], "int8"),
        "when": pd.to_datetime([0, 1, None, 10**18]),
        "there": pd.to_datetime(["2024-07-01", None] * 2).tz_localize("Europe/Oslo"),
        "took": pd.to_timedelta([1, None, 3, 4], "ms"),
        "customer": ["Ann", None, "", r"\N"],
        "noted": pd.array(["a", None, "", r"\N"], "string"),
        "paid": [True, False, True, True],
        "maybe": pd.array([True, None, False, True], "boolean"),
        "ratio": pd.array([0.1, None, 2, 3], "Float64"),
        "mixed": [1, "a", None, [2, {"b": 3}]],
        "day": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 3), dt.date(1, 1, 1)],
        "price": [Decimal("1.10"), Decimal(2), None, Decimal("1e10")],
        "month": pd.period_range("2024-01", periods=4, freq="M"),
        "bin": pd.Categorical([10, 20, 10, 10]),
    }
)
FRAMES = [
    FRAME,
    FRAME.set_index("when"),
    FRAME.set_index(["region", "month"])[["revenue", "customer"]],
    pd.DataFrame({"text": ODD}),
    pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"], index=["x", "y"]).rename_axis("row"),
    pd.DataFrame({1: [1], ("a", 2): [2], None: ["x"]}),
    pd.DataFrame([[1.5]], columns=pd.MultiIndex.from_tuples([("a", 1)], names=["l", "m"])),
    pd.DataFrame({"a": []}, dtype="int64"),
    pd.DataFrame(index=range(3)),
    pd.DataFrame(index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["", None])),
    pd.DataFrame({"": ["", None]}),
    pd.DataFrame({"Unnamed: 0": [1], "Unnamed: 1": [2], "Unnamed: 0.1": [3]}),
    pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 14, 2, name="i")),
]


@pytest.fixture
def through(tmp_path):
    """Send a value and load it where it arrived, under a name with a hash before it."""

    def through(value):
        typed = convert(frame_codec.pack(value, "data", tmp_path))
        (tmp_path / f"88e12fa445d32636f190a0b33daed6cb-{typed.filename}").write_bytes(typed.data)
        (tmp_path / f"other-{typed.filename}").write_bytes(b"not this one")
        names: dict[str, object] = {}
        exec(typed.loader.replace("/mnt/data", str(tmp_path)), names)
        return names["data"], typed

    return through


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_frames_keep_their_types(through, frame):
    loaded, typed = through(frame)
    assert_frame_equal(loaded, frame, check_freq=False)
    assert typed.as_text == ()


def test_the_loader_takes_what_was_sent_with_it_and_nothing_else(tmp_path):
    values = [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})]
    packed = [convert(frame_codec.pack(value, "data", tmp_path)) for value in values]
    for number, typed in enumerate(packed):
        (tmp_path / f"{str(number) * 32}-data.csv").write_bytes(typed.data)
    for value, typed in zip(values, packed, strict=True):
        names: dict[str, object] = {}
        exec(typed.loader.replace("/mnt/data", str(tmp_path)), names)
        assert_frame_equal(names["data"], value)
    (tmp_path / f"{'0' * 32}-data.csv").write_bytes(b"changed")
    with pytest.raises(FileNotFoundError, match="as it was sent"):
        exec(packed[0].loader.replace("/mnt/data", str(tmp_path)), {})


def test_names_of_other_files_are_left_to_them(tmp_path):
    path = frame_codec.pack(pd.DataFrame({"a": [1]}), "data", tmp_path)
    typed = convert(path, ["data.csv", "load_data.py"])
    assert (typed.filename, typed.loader_name) == ("data-2.csv", "load_data-2.py")
    (tmp_path / "data.csv").write_text("a file of the user's")
    (tmp_path / typed.filename).write_bytes(typed.data)
    names: dict[str, object] = {}
    exec(typed.loader.replace("/mnt/data", str(tmp_path)), names)
    assert names["data"].a.tolist() == [1]


def test_the_file_reads_well_without_the_loader(tmp_path):
    frame = pd.DataFrame(
        {
            "region": pd.Categorical(["EMEA", None, "NA"]),
            "note": ["a", None, ""],
            "revenue": [1.5, None, 3],
        },
        index=pd.Index([7, 8, 9], name="id"),
    )
    typed = convert(frame_codec.pack(frame, "data", tmp_path))
    assert typed.data.decode().splitlines() == [
        '"region","note","revenue","id"',
        '"EMEA","a","1.5","7"',
        '"","","nan","8"',
        '"NA","\\","3.0","9"',
    ]


def test_categories_of_one_text_are_kept_apart_or_sent_as_text(through):
    numbers = pd.DataFrame({"a": pd.Categorical(["1", 1], [1, "1"])})
    loaded, typed = through(numbers)
    assert_frame_equal(loaded, numbers)
    assert typed.as_text == ()
    loaded, typed = through(pd.DataFrame({"a": pd.Categorical([int, str(int)])}))
    assert loaded["a"].tolist() == [str(int), str(int)]
    assert typed.as_text == ("a",)


def test_series_indexes_and_arrays(through):
    series = pd.Series([1.5, None], index=["a", "b"], name="s")
    assert_series_equal(through(series)[0], series)
    unnamed = pd.Series([1, 2])
    assert_series_equal(through(unnamed)[0], unnamed)
    index = pd.Index(["a", "b"], name="i")
    assert_index_equal(through(index)[0], index)
    array = np.arange(24, dtype="int16").reshape(2, 3, 4)
    loaded = through(array)[0]
    assert loaded.dtype == array.dtype
    assert (loaded == array).all()


def test_frames_of_other_libraries_arrive_as_pandas(through):
    expected = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    for frame in (pl.from_pandas(expected), pa.Table.from_pandas(expected, preserve_index=False)):
        assert_frame_equal(through(frame)[0], expected)


def test_large_frames_are_zipped(through):
    frame = pd.DataFrame({"a": np.arange(50_000), "b": ["text"] * 50_000})
    loaded, typed = through(frame)
    assert typed.filename == "data.zip"
    assert len(typed.data) < 500_000
    assert_frame_equal(loaded, frame)


def test_what_has_no_text_of_its_own_goes_as_text_and_is_named(through):
    loaded, typed = through(pd.DataFrame({"a": [complex(1, 2), object], "b": [1, 2]}))
    assert typed.as_text == ("a",)
    assert loaded["a"][0] == "(1+2j)"


def test_what_is_no_table_is_refused(through):
    with pytest.raises(AttachError, match="cannot be sent as CSV"):
        through(sparse.csr_array([[1, 0], [0, 2]]))


def test_other_files_are_left_alone(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    assert convert(path) is None
