"""The first rows of tables that came back."""

from __future__ import annotations

import io
from datetime import datetime

import pytest

from aoai_magic.display.saved import table_preview
from aoai_magic.display.saved.bundles import PREVIEWED, bundles
from aoai_magic.display.saved.table_preview import previews
from aoai_magic.turn.view import File, Text, View

from . import hostile

pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'aoai-magic[data]'")


def only(file):
    (one,) = previews(file)
    return one


def written(frame, suffix):
    target = io.BytesIO()
    getattr(frame, {"xlsx": "to_excel", "parquet": "to_parquet"}[suffix])(target, index=False)
    return target.getvalue()


def test_a_table_is_shown_with_its_size():
    data = b"region,revenue,day\nNorth,1.6500001,2026-01-02\n,12,2026-01-03\n"
    shown = only(File("out/top.csv", data))
    assert shown.marked == (
        "`out/top.csv`: 2 rows × 3 columns\n\n"
        "| region | revenue | day |\n"
        "| :--- | ---: | :--- |\n"
        "| North | 1.65 | 2026-01-02 |\n"
        "|  | 12 | 2026-01-03 |"
    )
    assert shown.plain.splitlines()[1:] == [
        "region  revenue  day",
        "North      1.65  2026-01-02",
        "             12  2026-01-03",
    ]


def test_east_asian_text_stands_in_columns_of_its_width():
    assert only(File("a.csv", "地域,値\n北,1\nOsaka,22\n".encode())).plain.splitlines()[1:] == [
        "地域   値",
        "北      1",
        "Osaka  22",
    ]


def test_of_a_long_and_wide_table_only_the_corner_is_shown():
    data = "\n".join(",".join(f"c{i}" for i in range(30)) for _ in range(1000)).encode()
    rows = only(File("x.csv", data)).marked.splitlines()[2:]
    assert len(rows) == table_preview.ROWS + 3
    assert all(row.count("|") == table_preview.COLUMNS + 2 for row in rows)
    assert set(rows[-1].split()) == {"|", "…"}


def test_a_huge_file_is_not_read_whole(monkeypatch):
    monkeypatch.setattr(table_preview, "MOST_BYTES", 1000)
    monkeypatch.setattr(table_preview, "HEAD_BYTES", 500)
    data = b"a,b\n" + b"1,2\n" * 1000
    assert only(File("x.csv", data)).marked.startswith("`x.csv`: more than 124 rows × 2 columns")
    assert list(previews(File("x.json", b"[" + b" " * 2000 + b"]"))) == []


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_encoded_tables_are_shown_too(suffix):
    frame = pandas.DataFrame({"n": [1, 2], "when": [datetime(2026, 1, 2), datetime(2026, 1, 3)]})
    shown = only(File(f"x.{suffix}", written(frame, suffix))).marked
    assert "2 rows × 2 columns" in shown
    assert "| 2 | 2026-01-03 |" in shown


@pytest.mark.parametrize("text", [*hostile.PROSE, *hostile.NAMES, *hostile.LOGS])
def test_nothing_in_a_cell_leaves_it(text):
    cell = text.encode("utf-8", "replace").decode()
    quoted = cell.replace('"', '""')  # by hand: csv of Python 3.10 writes no NUL
    data = f'"{quoted or "x"}",b\n"{quoted}",end\n'.encode()
    for shown in previews(File("x.csv", data)):
        _caption, _blank, *rows = shown.marked.split("\n")
        assert len(rows) == 3
        for row in rows:
            unescaped = row.replace("\\|", "").replace("<span>\\$</span>", "")
            assert unescaped.count("|") == 3
            assert "<" not in unescaped


@pytest.mark.parametrize("data", [b"", b"\0\1\2", b"PK\x03\x04", b"PAR1", b"[1, 2]", b"{"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx", "json", "arrow", "txt"])
def test_what_is_no_table_is_only_listed(data, suffix):
    for shown in previews(File(f"x.{suffix}", data)):
        assert shown.marked.startswith("`x.")


def test_a_turn_shows_the_first_tables_above_the_list():
    files = tuple(File(f"{i}.csv", f"a,b\n1,{i}\n".encode()) for i in range(PREVIEWED + 2))
    tables, listed, *_ = (output.data for output in bundles(View(files=files)))
    assert tables["text/markdown"].count("1 row × 2 columns") == PREVIEWED
    assert tables["text/plain"].count("a  b\n1") == PREVIEWED
    assert listed["text/plain"].count("(1 row × 2 columns, 8 bytes)") == PREVIEWED + 2


TOTALS = b"region,total,share\nNorth,1670.4,0.51234\nSouth,-1260,0.48766\n"


@pytest.mark.parametrize(
    "rows",
    [
        "|North|1,670.4|0.51|\n|South|-1,260|0.49|",
        "|South|**-$1,260**|0.488|\n|East|1|2|\n|North|1670|0.512|",
        "|0|North|1670.4|0.51234|\n|1|South|-1260|0.48766|",
    ],
)
def test_a_table_that_the_answer_shows_is_not_shown_again(rows):
    width = rows.split("\n")[0].count("|") - 1
    text = f"|{'x|' * width}\n|{'-|' * width}\n{rows}"
    view = View(parts=(Text("t", text, True),), files=(File("totals.csv", TOTALS),))
    shown = [output.data["text/plain"] for output in bundles(view)]
    assert len(shown) == 3
    assert shown[1].startswith("- ▦ totals.csv (2 rows × 3 columns, ")


@pytest.mark.parametrize(
    "rows",
    [
        "|North|1,670.4|0.51|",
        "|North|1,671.4|0.51|\n|South|-1,260|0.49|",
        "|North|1,670.4|0.51|\n|South|1,260|0.49|",
        "|North|1,670.4|a|0.51|x|\n|South|-1,260|a|0.49|x|",
    ],
)
def test_a_table_with_other_rows_is_shown_beside_that_of_the_answer(rows):
    width = rows.split("\n")[0].count("|") - 1
    text = f"|{'x|' * width}\n|{'-|' * width}\n{rows}"
    view = View(parts=(Text("t", text, True),), files=(File("totals.csv", TOTALS),))
    table = bundles(view)[1].data
    # One file, which the list names.
    assert table["text/plain"].startswith("region   total")
    assert table["text/markdown"].startswith("| region | total |")


LONG = "|month|region|total|\n|-|-|-|\n|1|North|310|\n|1|South|520|\n|2|North|420|\n|2|South|610|"
WIDE = "|month|North|South|\n|-|-|-|\n|1|310|520|\n|2|420|610|"
WIDE_FILE = b"month,North,South\n1,310,520\n2,420,610\n"
LONG_FILE = b"month,region,total\n1,North,310\n1,South,520\n2,North,420\n2,South,610\n"


@pytest.mark.parametrize(("text", "data"), [(LONG, WIDE_FILE), (WIDE, LONG_FILE)])
def test_a_table_by_columns_is_the_same_as_one_by_rows(text, data):
    view = View(parts=(Text("t", text, True),), files=(File("a.csv", data),))
    assert len(bundles(view)) == 3
    other = File("a.csv", data.replace(b"610", b"611"))
    assert len(bundles(View(parts=view.parts, files=(other,)))) == 4


def test_two_files_of_one_table_are_one_table():
    frame = pandas.read_csv(io.BytesIO(TOTALS))
    files = (File("a.csv", TOTALS), File("a.xlsx", written(frame, "xlsx")))
    tables, listed, *_ = (output.data for output in bundles(View(files=files)))
    assert tables["text/plain"].count("North") == 1
    assert listed["text/plain"].count("2 rows × 3 columns") == 2
