"""Pages of tables: any column can be sorted by, and any text found."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from aoai_magic.results.table_pages import LONGEST, Order, TablePages

TABLE = pa.table(
    {
        "name": ["Ann", "bob", None, "Eve"],
        "score": [10, 9, 100, None],
        "day": [dt.date(2026, 1, day) for day in (3, 1, 2, 4)],
        "tags": [["x"], ["y", "z"], [], None],
        "raw": [b"\xff", b"a", None, b""],
    }
)


def names(order: Order, offset: int = 0, limit: int = 10) -> list[str]:
    return [row[0] for row in TablePages(TABLE).rows(order, offset, limit)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(), ["Ann", "bob", "", "Eve"]),
        (Order(1), ["bob", "Ann", "", "Eve"]),  # nulls last
        (Order(1, descending=True), ["", "Ann", "bob", "Eve"]),
        (Order(2), ["bob", "", "Ann", "Eve"]),
        (Order(3), ["Ann", "bob", "", "Eve"]),
        (Order(words="BO"), ["bob"]),
        (Order(words="2026-01-0"), ["Ann", "bob", "", "Eve"]),
        (Order(1, words="0"), ["bob", "Ann", "", "Eve"]),
        (Order(words="nothing"), []),
    ],
)
def test_rows_are_sorted_and_found(order, expected):
    pages = TablePages(TABLE)
    assert pages.count(order) == len(expected)
    assert names(order) == expected


def test_a_page_is_a_part_of_the_order():
    assert names(Order(1), 1, 2) == ["Ann", ""]
    assert names(Order(), 3, 10) == ["Eve"]
    assert names(Order(), 99, 10) == []


def test_times_are_as_short_as_they_can_be():
    day = dt.datetime(2024, 5, 1, 12)
    times = pa.array([day, day.replace(microsecond=5), None], pa.timestamp("us"))
    pages = TablePages(pa.table({"x": times, "y": times.cast(pa.timestamp("us", "UTC"))}))
    assert pages.rows(Order(), 0, 3) == [
        ["2024-05-01 12:00:00", "2024-05-01 12:00:00Z"],
        ["2024-05-01 12:00:00.000005", "2024-05-01 12:00:00.000005Z"],
        ["", ""],
    ]


FAR = pa.array([[2**60], None, [0]], pa.list_(pa.timestamp("ms")))


@pytest.mark.parametrize(
    ("column", "sorted_"),
    [
        (FAR, ["<list<item: timestamp[ms]>>", "[datetime.datetime(1970, 1, 1, 0, 0)]", ""]),
        (pa.array([np.float16(2.5), None, np.float16(1.5)], pa.float16()), ["1.5", "2.5", ""]),
        (pa.array([pa.MonthDayNano([1, 2, 3]), None, None]), [None, "", ""]),
        (pa.array([2, None, 1], pa.timestamp("us", tz="Nowhere/X")), [None, None, ""]),
        (pa.array([2**62, None, -(2**62)], pa.duration("s")), [f"-{2**62}", f"{2**62}", ""]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["b", "a"]), ["a", "b", "b"]),
        (pa.array(["b", None, "a"]).dictionary_encode(), ["a", "b", ""]),
    ],
)
def test_whatever_a_file_holds_is_sorted_and_found(column, sorted_):
    """A file of Arrow may hold what Python, or Arrow itself, can do little with."""
    pages = TablePages(pa.table({"x": column}))
    rows = [text for (text,) in pages.rows(Order(0), 0, 9)]
    assert [row if text is not None else None for row, text in zip(rows, sorted_, strict=True)] == (
        sorted_
    )
    assert pages.count(Order(words="")) == 3
    assert pages.rows(Order(words="no such text"), 0, 9) == []


def test_columns_of_one_name_are_told_apart_and_long_texts_cut():
    table = pa.Table.from_arrays([pa.array([2, 1]), pa.array(["a", "b" * 1000])], ["x", "x"])
    pages = TablePages(table)
    assert pages.columns() == [{"name": "x", "isNumber": True}, {"name": "x", "isNumber": False}]
    assert pages.rows(Order(0), 0, 1) == [["1", f"{'b' * LONGEST}…"]]
    assert TablePages(pa.table({})).count(Order(words="x")) == 0
