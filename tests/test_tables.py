import csv
import datetime as dt
import gzip
import io
import json
import pickle
import resource
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoai_magic import frame_codec
from aoai_magic.results.read_table import read_table
from aoai_magic.text.file_names import safe_name

FRAME = pd.DataFrame(
    {
        "name": ["Ann", "Bob", None],
        "n": [1, 2, 3],
        "x": [1.5, None, 2.5],
        "ok": [True, False, True],
        "when": pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-31"]).as_unit("us"),
    }
)
# The to_json of pandas 2.0 takes all times for nanoseconds.
NANOSECONDS = FRAME.astype({"when": "datetime64[ns]"})
RECORDS = [
    {"name": "Ann", "n": 1, "x": 1.5, "ok": True, "when": "2024-01-31T00:00:00.000"},
    {"name": "Bob", "n": 2, "x": None, "ok": False, "when": "2024-02-29T00:00:00.000"},
    {"name": None, "n": 3, "x": 2.5, "ok": True, "when": "2024-03-31T00:00:00.000"},
]
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


def csv_bytes(**options):
    return FRAME.to_csv(index=False, **options).encode()


def written(method, **options):
    out = io.BytesIO()
    getattr(FRAME, method)(out, **options)
    return out.getvalue()


FILES = {
    "a.csv": csv_bytes(),
    "a.tsv": csv_bytes(sep="\t"),
    "A.CSV": b"\xef\xbb\xbf" + csv_bytes(),
    "a.parquet": written("to_parquet"),
    "a.feather": written("to_feather"),
    "a.arrow": written("to_feather", compression="uncompressed"),
    "a.xlsx": written("to_excel", index=False),
    "a.json": json.dumps(RECORDS).encode(),
    "a.jsonl": "\n".join(map(json.dumps, RECORDS)).encode(),
    "a.csv.gz": gzip.compress(csv_bytes()),
    "a.jsonl.gz": gzip.compress("\n".join(map(json.dumps, RECORDS)).encode()),
    "semicolons.csv": csv_bytes(sep=";", decimal=","),
    "tabs.csv": csv_bytes(sep="\t"),
    "utf-16.csv": FRAME.to_csv(index=False).encode("utf-16"),
    "columns.json": NANOSECONDS.to_json(date_format="iso").encode(),
    "split.json": NANOSECONDS.to_json(orient="split", date_format="iso").encode(),
    "table.json": NANOSECONDS.to_json(orient="table").encode(),
    "rows.xlsx": written("to_excel"),
}
FILES["b.json"] = json.dumps(
    {
        "name": ["Ann", "Bob", None],
        "n": [1, 2, 3],
        "x": [1.5, None, 2.5],
        "ok": [True, False, True],
        "when": ["2024-01-31", "2024-02-29", "2024-03-31"],
    }
).encode()


@pytest.mark.parametrize("name", FILES)
def test_every_format_comes_back_typed_in_pandas(name):
    frame = read_table(FILES[name], name)

    assert list(frame.columns) == list(FRAME.columns)
    assert frame["name"].tolist()[:2] == ["Ann", "Bob"]
    assert frame["name"].isna().tolist() == [False, False, True]
    assert (frame["n"].dtype, frame["x"].dtype, frame["ok"].dtype) == ("int64", "float64", "bool")
    assert [stamp.date() for stamp in frame["when"]] == [d.date() for d in FRAME["when"]]
    assert frame["when"].dtype.kind == "M"


@pytest.mark.parametrize("name", FILES)
def test_every_format_comes_back_in_polars(name):
    frame = read_table(FILES[name], name, "polars")

    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == list(FRAME.columns)
    assert frame["when"].dtype.is_temporal()
    assert frame["when"].cast(pl.Date).to_list() == [stamp.date() for stamp in FRAME["when"]]
    assert frame["name"].to_list() == ["Ann", "Bob", None]
    assert frame["n"].to_list() == [1, 2, 3]
    assert frame["x"].to_list() == [1.5, None, 2.5]
    assert frame["ok"].dtype == pl.Boolean


def test_a_path_is_read_as_its_bytes_are(tmp_path):
    (tmp_path / "a.csv").write_bytes(FILES["a.csv"])

    assert read_table(tmp_path / "a.csv", "a.csv").shape == FRAME.shape
    assert read_table(tmp_path / "gone.csv", "gone.csv") is None
    assert read_table(tmp_path, "a.csv") is None


@pytest.mark.parametrize("library", LIBRARIES)
def test_several_sheets_are_a_dict(library):
    out = io.BytesIO()
    with pd.ExcelWriter(out) as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="One", index=False)
        pd.DataFrame({"b": [2.5, None], "b ": ["x", "y"]}).to_excel(
            book, sheet_name="Two", index=False
        )
        pd.DataFrame().to_excel(book, sheet_name="Empty", index=False)

    sheets = read_table(out.getvalue(), "book.xlsx", library)

    assert list(sheets) == ["One", "Two"]
    assert all(isinstance(frame, LIBRARIES[library]) for frame in sheets.values())
    assert sheets["Two"].shape == (2, 2)


def test_a_sheet_with_gaps():
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["a", None, "a"], [1, 2, 3], [], [4, None, None, 5]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)

    frame = read_table(out.getvalue(), "a.xlsx")

    assert list(frame.columns) == ["a", "Unnamed: 1", "a.1", "Unnamed: 3"]
    assert frame.shape == (3, 4)
    assert frame["Unnamed: 3"].tolist()[2] == 5


def test_row_numbers_that_to_csv_wrote_are_no_column():
    data = FRAME.to_csv().encode()

    assert list(read_table(data, "a.csv").columns) == list(FRAME.columns)
    assert read_table(data, "a.csv", "polars").columns == list(FRAME.columns)
    kept = FRAME.set_axis(list("xyz")).to_csv().encode()
    assert read_table(kept, "a.csv").shape == (3, 6)


@pytest.mark.parametrize(
    "values",
    [["2024-02-30", "2024-01-01"], ["2024-01", "2024-02"], ["12-11-2024"], ["a", "2024-01-01"]],
)
def test_text_that_only_looks_like_dates_stays_text(values):
    data = pd.DataFrame({"t": values, "u": 1}).to_csv(index=False).encode()

    assert read_table(data, "a.csv")["t"].tolist() == values


REGIONS = (
    b"region,code,n,x,day\nNA,007,NA,0.1,2024-01-01\nnull,1234,2,null,\n,010,,nan,2024-02-29\n"
)


def test_texts_that_look_like_something_else_are_kept():
    frame = read_table(REGIONS, "a.csv")

    assert frame["region"].tolist()[:2] == ["NA", "null"]
    assert frame["code"].tolist() == ["007", "1234", "010"]
    assert frame["n"].dtype == frame["x"].dtype == "float64"
    assert frame.isna().sum().tolist() == [1, 0, 2, 2, 1]
    assert frame["day"].dtype.kind == "M"


def test_texts_that_look_like_something_else_are_kept_in_polars():
    frame = read_table(REGIONS, "a.csv", "polars")

    assert frame["region"].to_list() == ["NA", "null", None]
    assert frame["code"].to_list() == ["007", "1234", "010"]
    assert frame["n"].to_list() == [None, 2, None]
    assert frame["x"].to_list() == [0.1, None, None]
    assert frame["day"].to_list() == [dt.date(2024, 1, 1), None, dt.date(2024, 2, 29)]


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(st.floats(allow_nan=False), min_size=1))
def test_floats_come_back_to_the_last_bit(numbers):
    data = pd.DataFrame({"x": numbers, "y": "a"}).to_csv(index=False).encode()

    for library in LIBRARIES:
        assert [float(x) for x in read_table(data, "a.csv", library)["x"]] == numbers


def test_labels_of_rows_come_back_from_json():
    frame = pd.DataFrame({"a": [1, 2]}, index=[10, 20])
    named = frame.set_axis(["x", "y"])

    for orient in ("columns", "split"):
        got = read_table(frame.to_json(orient=orient).encode(), "a.json")
        pd.testing.assert_frame_equal(got, frame)
        text = read_table(named.to_json(orient=orient).encode(), "a.json")
        assert text.index.tolist() == ["x", "y"]
        table = read_table(named.to_json(orient=orient).encode(), "a.json", "polars")
        assert table.to_dict(as_series=False) == {"index": ["x", "y"], "a": [1, 2]}


def test_a_parcel_that_was_copied_is_read_without_unpickling(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    frame = pd.DataFrame({"a": [1, 2], "o": [Bomb(), {}]})
    path = frame_codec.pack(frame, "x", tmp_path)
    with pa.ipc.open_file(str(path)) as file:
        pq.write_table(file.read_all(), tmp_path / "x.parquet")

    for name in ("x.arrow", "x.parquet"):
        for library in LIBRARIES:
            read = read_table(tmp_path / name, name, library)
            assert list(read.columns) == ["a"]


def test_pandas_metadata_of_a_stranger_is_no_code(tmp_path):
    meta = json.dumps({"index_columns": [], "columns": [], "pandas_version": "9"}).encode()
    evil = pickle.dumps(print)
    table = pa.table({"a": [1]}).replace_schema_metadata(
        {b"pandas": meta, b"aoai_magic": b'{"version": 1}', b"aoai_magic.pickle": evil}
    )
    pq.write_table(table, tmp_path / "a.parquet")

    assert read_table(tmp_path / "a.parquet", "a.parquet")["a"].tolist() == [1]


ODD = {
    "nothing.csv": b"",
    "binary.csv": bytes(range(256)) * 4,
    "ragged.csv": b"a,b\n1\n1,2,3\n",
    "wide.csv": b"a," * 400_000 + b"\n1\n",
    "wide in quotes.csv": b'"\n",' + b"a," * 30_000 + b"\n1\n",
    "header without end.csv": b'"' + b"a" * (2 << 20),
    "broken.parquet": b"PAR1" + b"\0" * 100 + b"PAR1",
    "broken.feather": b"ARROW1\0\0" + b"\xff" * 100,
    "broken.xlsx": b"PK\x03\x04" + b"\0" * 100,
    "scalar.json": b"3",
    "empty.json": b"[]",
    "nested.json": b"[" * 200_000,
    "uneven.json": b'{"a": [1], "b": [1, 2]}',
    "mixed.json": b'[{"a": 1}, 2]',
    "settings.json": b'{"model": {"name": "x"}, "data": {"path": "y"}}',
    "odd split.json": b'{"columns": ["a"], "data": [[1, 2]]}',
    "split of numbers.json": b'{"columns": ["a"], "data": [1, 2]}',
    "split.json": b'{"columns": 3, "data": 4}',
    "odd table.json": b'{"schema": {}, "data": [1]}',
    "broken.csv.gz": gzip.compress(b"a,b\n1,2\n" * 100)[:-9],
    "text.csv.gz": b"a,b\n1,2\n",
    "sparse.json": json.dumps([{f"k{n}": n} for n in range(6_000)]).encode(),
    "digits.json": b'[{"a": ' + b"9" * 10_000 + b"}]",
    "text.txt": b"a,b\n1,2\n",
    "none": b"a,b\n1,2\n",
    "page.html": b"<table><tr><td>1</td></tr></table>",
    "evil.pkl": pickle.dumps([1]),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_no_table(name, library):
    assert read_table(ODD[name], name, library) is None


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode),
    name=st.sampled_from(sorted(FILES)),
    library=st.sampled_from(sorted(LIBRARIES)),
    cut=st.integers(0, 10_000),
    base=st.sampled_from(sorted(FILES)),
)
def test_no_file_makes_it_raise(data, name, library, cut, base):
    read_table(data, name, library)
    good = FILES[base]
    place = cut % len(good)
    read_table(good[:place] + data[:20] + good[place + 20 :], base, library)
    read_table(good[:place], base, library)


def test_a_workbook_that_unpacks_too_large_is_no_table():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (64 << 20))

    assert read_table(out.getvalue(), "bomb.xlsx") is None


def test_one_cell_in_the_last_corner_costs_nothing():
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active["XFD1048576"] = 1
    out = io.BytesIO()
    book.save(out)

    assert read_table(out.getvalue(), "corner.xlsx") is None


def test_a_file_that_holds_more_than_is_bearable_is_no_table():
    # A page that stands for a text of a megabyte two thousand times over.
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000, "i4")), ["x" * (1 << 20)])
    out = io.BytesIO()
    pq.write_table(pa.table({"a": column}), out, store_schema=False)

    assert len(out.getvalue()) < 200_000
    assert read_table(out.getvalue(), "a.parquet") is None


def test_a_batch_that_asks_for_more_memory_than_there_is_for_it_gets_none():
    # Sixteen columns of one buffer: four gigabytes, which Arrow wants at once.
    zeros = pa.array(np.zeros(32 << 20))
    batch = pa.record_batch([zeros] * 16, names=[str(n) for n in range(16)])
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(out, batch.schema, options=options) as file:
        file.write_batch(batch)

    assert len(out.getvalue()) < 1_000_000
    assert read_table(out.getvalue(), "a.feather") is None
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert kilobytes << 10 < 3 << 30


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_tables_come_in_the_library_that_is_asked_for(library):
    for name, data in {"a.csv": b"a,b\n1,x\n", "a.json": b'[{"a": 1, "b": "x"}]'}.items():
        frame = read_table(data, name, library)
        assert type(frame).__module__.partition(".")[0] == library
    if library == "pyarrow":
        assert frame.to_pylist() == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.csv", "report.csv"),
        ("売上 2024.xlsx", "売上 2024.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        ("/mnt/data/out/", "out"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("a\0b\nc.csv", "a_b_c.csv"),
        ("gnp.\u202evsc", "gnp._vsc"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("a:b*?.csv", "a_b__.csv"),
        ("trailing. ", "trailing"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_names_are_made_safe(name, safe):
    assert safe_name(name, set()) == safe


def test_taken_names_get_a_number_in_any_case():
    assert safe_name("a.csv", {"a.csv"}) == "a-2.csv"
    assert safe_name("A.csv", {"a.csv", "a-2.CSV"}) == "A-3.csv"
    assert safe_name("archive", {"archive"}) == "archive-2"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.lists(st.text(max_size=5), max_size=3))
def test_any_name_is_safe(tmp_path_factory, name, taken):
    safe = safe_name(name, taken)

    assert safe
    assert safe not in taken
    assert not set(safe) & set("/\\\0\n\r\t")
    assert safe not in {".", ".."}
    assert len(safe.encode()) <= 250
    assert safe_name(safe, ()) == safe
    (tmp_path_factory.getbasetemp() / safe).touch()


def test_csv_with_quotes_and_newlines():
    out = io.StringIO()
    csv.writer(out).writerows([["a", "b"], ['x "y"', "1\n2"], [dt.date(2024, 1, 1), ""]])

    assert read_table(out.getvalue().encode(), "a.csv").shape == (2, 2)
