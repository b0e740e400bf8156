import datetime as dt
import enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoai_magic.attach.resolve import resolve
from aoai_magic.attach.schema_card import LIMIT

FRAME = pd.DataFrame(
    {
        "region": pd.Categorical(["EMEA", "NA", "EMEA", None]),
        "revenue": [482.13, None, 14082.8, 7.0],
        "units": pd.array([1, None, 3, 4], "Int64"),
        "when": pd.to_datetime(["2024-01-31", "2024-02-29", None, "2024-03-31"]),
        "customer": ["Ann", "Bob", "Ann", "Zoë"],
        "paid": [True, False, True, True],
        "mixed": [1, "a", None, [2]],
        "month": pd.period_range("2024-01", periods=4, freq="M"),
    }
)


@pytest.fixture
def card(tmp_path):
    def write(value, **options):
        [found] = resolve(["sales"], "", {"sales": value}, tmp_path, folder=tmp_path, **options)
        return found.card

    return write


def test_a_card_of_a_frame(card):
    lines = card(FRAME).splitlines()

    assert lines[:11] == [
        "`sales`: pandas.DataFrame, 4 rows × 8 columns.",
        "Index: 0 to 3.",
        "Columns:",
        "- region: category (EMEA, NA); 1 null",
        "- revenue: float64 (7 to 14082.8); 1 null",
        "- units: Int64 (1 to 4); 1 null",
        f"- when: {FRAME['when'].dtype} (2024-01-31 00:00:00 to 2024-03-31 00:00:00); 1 null",
        f"- customer: {FRAME['customer'].dtype} (Ann, Bob, Zoë)",
        "- paid: bool (3 true)",
        "- mixed: object; 1 null",
        "- month: period[M] (2024-01 to 2024-04)",
    ]
    assert lines[11:14] == [
        "First rows:",
        "region | revenue | units | when | customer | paid | mixed | month",
        "EMEA | 482.13 | 1 | 2024-01-31 00:00:00 | Ann | True | 1 | 2024-01",
    ]
    assert len(lines) == 17


def test_a_card_names_the_index(card):
    frame = FRAME.set_index(["customer", "when"])

    assert f"\nIndex: customer: {FRAME['customer'].dtype} (Ann, Bob, Zoë); when: " in card(frame)
    assert "Index: 0 to 8." in card(pd.DataFrame({"a": [1] * 5}, index=range(0, 10, 2)))
    assert "Index: no rows." in card(pd.DataFrame({"a": []}))


def test_times_are_told_in_their_zone(card):
    when = pd.Series(pd.to_datetime(["2024-01-01 12:00"]).tz_localize("Asia/Tokyo"), name="when")

    assert "2024-01-01 12:00:00+09:00" in card(when)


def test_a_card_of_polars_arrow_and_numpy(card):
    assert "- x: Int64 (1 to 2); 1 null" in card(pl.DataFrame({"x": [1, 2, None]}))
    assert "- x: Int64 (1 to 2)" in card(pl.Series("x", [1, 2]))
    assert "- x: int64 (1 to 2)" in card(pa.table({"x": [1, 2]}))
    assert "numpy.ndarray, shape (2, 3), dtype float64" in card(np.ones((2, 3)))


SECRETS = ("4711", "4,711", "Geheim", "2031")


class Level(enum.Enum):
    HIGH = "Geheim"


def secretive():
    text = ["Geheim 1", "Geheim 2"]
    stamps = pd.to_datetime(["2031-01-01", "2031-02-01"])
    plain = pd.DataFrame(
        {
            "text": text,
            "number": [4711, 4711],
            "when": stamps,
            "category": pd.Categorical(text),
            "sparse": pd.arrays.SparseArray([4711, 4711], fill_value=4711),
            "interval": pd.arrays.IntervalArray.from_breaks([1, 4711, 9999]),
            "object": [Level.HIGH, {"a": 4711}],
        }
    )
    yield plain
    yield plain.set_index(["text", "when"])
    yield plain.set_index("number")["text"]
    yield pd.Index(text)
    yield pd.DataFrame({"a": [1]}, index=pd.RangeIndex(4711, 4712))
    yield pl.DataFrame({"e": pl.Series(text, dtype=pl.Enum(text)), "n": [4711, 4711]})
    yield pl.DataFrame({"e": pl.Series([text], dtype=pl.List(pl.Enum(text)))})
    yield pa.table({"d": pa.array(text).dictionary_encode(), "n": [4711, 4711]})
    yield np.array([4711, 4711])


@pytest.mark.parametrize("value", list(secretive()))
def test_schema_only_tells_no_value(card, value):
    text = card(value, schema_only=True)

    assert any(secret in card(value) for secret in SECRETS)
    assert not any(secret in text for secret in SECRETS)


def test_a_wide_frame_has_a_bounded_card(card):
    wide = pd.DataFrame(np.ones((3, 5_000)), columns=[f"measurement {n}" for n in range(5_000)])
    wide["text"] = "x"
    text = card(wide)

    assert len(text) <= LIMIT
    assert "- measurement 0: float64 (1)" in text
    assert "more of float64: measurement " in text
    assert f"- 1 more of {wide['text'].dtype}: text" in text
    assert "First rows (of the first " in text


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.text(max_size=300), min_size=1, max_size=60, unique=True),
    value=st.text(max_size=2_000),
)
def test_any_labels_and_values_stay_in_bounds_and_on_their_lines(tmp_path_factory, labels, value):
    frame = pd.DataFrame([[value] * len(labels)] * 3, columns=pd.Index(labels, dtype=object))
    folder = tmp_path_factory.getbasetemp()
    [found] = resolve(["x"], "", {"x": frame}, folder, folder=folder)

    assert len(found.card) <= LIMIT
    assert found.card.isprintable() or {c for c in found.card if not c.isprintable()} == {"\n"}
    columns, _, rows = found.card.partition("\nFirst rows")
    assert len(columns.splitlines()) <= 3 + len(labels)
    assert len(rows.splitlines()) <= 5


def test_a_date_beyond_pythons_years_does_no_harm(card):
    far = pa.table({"t": pa.array([2**60], pa.timestamp("s"))})

    assert "- t: timestamp[s]" in card(far)


def test_categories_that_arrow_cannot_name_are_told_too(card):
    frame = pd.DataFrame({"bin": pd.cut([1, 2, 3], 2), "month": pd.Categorical(FRAME["month"][:3])})

    text = card(frame)

    assert "- bin: category ((0.998, 2.0], (2.0, 3.0])\n" in text
    assert "- month: category (2024-01, 2024-02, 2024-03)\n" in text
    assert "(0.998, 2.0] | 2024-01" in text


def test_a_frame_with_rows_and_no_columns(card):
    text = card(pd.DataFrame(index=["a", "b"]))

    assert "2 rows × 0 columns" in text
    assert "Index: unnamed: " in text


def test_what_arrow_has_no_type_for_has_its_nulls_counted(card):
    frame = pd.DataFrame(
        {
            "objects": [{1}, None, np.nan],
            "periods": pd.PeriodIndex(["2024-03", None, "2024-01"], freq="M"),
            "sparse": pd.arrays.SparseArray([np.nan, np.nan, 1.0]),
            "none": pd.PeriodIndex([None] * 3, freq="D"),
        },
        index=pd.PeriodIndex(["2024", "2025", "2026"], freq="Y"),
    )

    text = card(frame)

    assert f"Index: unnamed: {frame.index.dtype} (2024 to 2026)." in text
    assert "- objects: object; 2 null" in text
    assert "- periods: period[M] (2024-01 to 2024-03); 1 null" in text
    assert "- sparse: Sparse[float64]; 2 null" in text
    assert "- none: period[D]; 3 null" in text


def test_an_object_without_a_text_does_no_harm(card):
    class Mute:
        def __str__(self):
            raise RuntimeError

        def __reduce__(self):
            return (int, ())

    assert "- o: object" in card(pd.DataFrame({"o": [Mute()]}))


def test_days_are_told(card):
    table = pa.table({"d": [dt.date(2024, 1, 1), dt.date(2024, 12, 31)]})

    assert "- d: date32[day] (2024-01-01 to 2024-12-31)" in card(table)
