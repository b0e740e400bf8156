import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoai_magic.attach import fingerprint
from aoai_magic.frame_codec import contents

BASE = pd.DataFrame(
    {
        "i": range(100),
        "f": np.linspace(0, 1, 100),
        "s": ["a", "b"] * 50,
        "c": pd.Categorical(["x", "y"] * 50),
        "t": pd.date_range("2024", periods=100, tz="UTC"),
        "o": [[n] for n in range(100)],
    },
    index=pd.Index(range(100, 200), name="key"),
)


def digest(value):
    return fingerprint.of_contents(contents(value), "x")


def changed(function):
    frame = BASE.copy()
    return function(frame) if (result := function(frame)) is None else result


def _cell(frame, row, column, value):
    frame = frame.copy()
    frame.loc[frame.index[row], column] = value
    return frame


CHANGES = {
    "a number": lambda f: _cell(f, 99, "i", -1),
    "a float by the last bit": lambda f: _cell(f, 50, "f", np.nextafter(f["f"].iloc[50], 2)),
    "minus zero": lambda f: _cell(f, 0, "f", -0.0),
    "a text": lambda f: _cell(f, 3, "s", "B"),
    "a null": lambda f: _cell(f, 3, "s", None),
    "a category": lambda f: _cell(f, 3, "c", "x"),
    "a time": lambda f: _cell(f, 3, "t", f["t"].iloc[4]),
    "an object": lambda f: f.assign(o=[[n] for n in range(99)] + [["99"]]),
    "a dtype": lambda f: f.astype({"i": "int32"}),
    "a unit": lambda f: f.assign(t=f["t"].dt.as_unit("s")),
    "a zone": lambda f: f.assign(t=f["t"].dt.tz_convert("Asia/Tokyo")),
    "an unused category": lambda f: f.assign(c=f["c"].cat.add_categories("z")),
    "the categories' order": lambda f: f.assign(c=f["c"].cat.reorder_categories(["y", "x"])),
    "an ordered category": lambda f: f.assign(c=f["c"].cat.as_ordered()),
    "renamed categories": lambda f: f.assign(c=f["c"].cat.rename_categories({"x": "X"})),
    "columns' order": lambda f: f[list(f.columns[::-1])],
    "columns' names": lambda f: f.rename(columns={"i": "j"}),
    "rows' order": lambda f: f.iloc[::-1],
    "the index": lambda f: f.set_index(f.index + 1),
    "the index's name": lambda f: f.rename_axis("id"),
    "no index": lambda f: f.reset_index(drop=True),
    "a row less": lambda f: f.iloc[:-1],
    "a column less": lambda f: f.drop(columns="f"),
    "the attrs": lambda f: _with_attrs(f),
}


def _with_attrs(frame):
    frame = frame.copy()
    frame.attrs["a"] = 1
    return frame


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(change):
    assert digest(change(BASE)) != digest(BASE)


def test_a_copy_is_the_same():
    assert digest(BASE.copy()) == digest(BASE)
    assert digest(pd.concat([BASE[:30], BASE[30:]])) == digest(BASE)


def test_the_variables_name_belongs_to_it():
    parts = contents(BASE)

    assert fingerprint.of_contents(parts, "a") != fingerprint.of_contents(parts, "b")


def test_a_part_of_a_table_is_as_a_table_of_its_own():
    whole = pa.table(
        {
            "s": pa.array([str(n) for n in range(1000)], pa.large_string()),
            "b": pa.array([b"%d" % n for n in range(1000)]),
            "n": range(1000),
            "x": [None if n % 3 else n / 2 for n in range(1000)],
        }
    )
    own = pa.table(
        {name: whole[name].to_pylist()[11:20] for name in whole.column_names}, whole.schema
    )

    assert digest(whole.slice(11, 9)) == digest(own)


def test_chunks_do_not_matter():
    whole = pa.table({"d": pa.array(["a", "b", "a"]).dictionary_encode(), "n": [1, 2, 3]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])

    assert digest(parts) == digest(whole)


def test_equal_dictionaries_in_other_chunks_are_told_apart_by_value():
    one = pa.chunked_array(
        [pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]
    )
    two = pa.chunked_array(
        [pa.array(["a"]).dictionary_encode(), pa.array(["a"]).dictionary_encode()]
    )

    assert digest(pa.table({"d": one})) != digest(pa.table({"d": two}))


def test_nested_dictionaries_are_seen():
    kind = pa.list_(pa.dictionary(pa.int8(), pa.string()))

    assert digest(pa.table({"d": pa.array([["a"]], kind)})) != digest(
        pa.table({"d": pa.array([["b"]], kind)})
    )


@pytest.mark.skipif(not hasattr(pa, "string_view"), reason="this pyarrow has no views")
def test_views_are_hashed_by_value():
    a, b = (pa.table({"v": pa.array([text * 20, "x"], pa.string_view())}) for text in "ab")

    assert digest(a) != digest(b)
    assert digest(a) == digest(pa.table({"v": pa.array(["a" * 20, "x"], pa.string_view())}))


def test_pieces_larger_than_one_are_all_seen(monkeypatch):
    monkeypatch.setattr(fingerprint, "PIECE", 64)

    assert len({digest(change(BASE)) for change in CHANGES.values()} | {digest(BASE)}) == (
        len(CHANGES) + 1
    )


def test_libraries_are_told_apart():
    values = {"a": [1, 2]}

    assert len({digest(make(values)) for make in (pd.DataFrame, pl.DataFrame, pa.table)}) == 3


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.none() | st.text(max_size=3), min_size=2, max_size=2), max_size=4),
    st.lists(st.lists(st.none() | st.text(max_size=3), min_size=2, max_size=2), max_size=4),
)
def test_hashes_are_equal_exactly_where_values_are(one, two):
    a, b = (pl.DataFrame(rows, schema={"x": str, "y": str}, orient="row") for rows in (one, two))

    assert (digest(a) == digest(b)) == (one == two)


def test_dates_and_their_text_differ():
    day = dt.date(2024, 1, 1)

    assert digest(pd.Series([day])) != digest(pd.Series([str(day)]))
