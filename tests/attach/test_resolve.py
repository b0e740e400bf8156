import decimal
import enum
import functools
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import (
    attachable,
    describe,
    mentioned_outside,
    resolve,
    unattached,
)
from aoai_magic.errors import AttachError

SALES = pd.DataFrame({"region": ["N", "S", "N"], "revenue": [1.5, None, 3.0]})


@pytest.fixture
def attach(tmp_path):
    cwd = tmp_path / "notebooks"
    cwd.mkdir()

    def call(*items, prompt="", namespace=None, **options):
        names = {"sales": SALES, "np": np} if namespace is None else namespace
        return resolve(items, prompt, names, cwd, folder=tmp_path / "packed", **options)

    call.cwd = cwd
    return call


def filenames(attachments):
    return [a.filename for a in attachments]


def test_a_variable_is_packed_under_its_name(attach):
    [sales] = attach("sales")

    assert (sales.name, sales.kind, sales.filename) == ("sales", "pandas.DataFrame", "sales.arrow")
    assert sales.origin == "variable"
    pd.testing.assert_frame_equal(frame_codec.unpack(sales.path), SALES)
    assert frame_codec.peek(sales.path).name == "sales"
    assert sales.bytes == sales.path.stat().st_size


def test_nothing_is_written_before_it_is_asked_for(attach, tmp_path):
    [sales] = attach("sales")

    assert sales.bytes > 0
    assert not (tmp_path / "packed").exists()
    assert sales.path == sales.path
    assert len(list((tmp_path / "packed").rglob("*.arrow"))) == 1


def test_files_patterns_and_folders(attach):
    (attach.cwd / "a.csv").write_text("x\n1\n")
    (attach.cwd / "b.csv").write_text("x\n2\n")
    (attach.cwd / "docs" / ".git").mkdir(parents=True)
    (attach.cwd / "docs" / ".git" / "config").write_text("secret")
    (attach.cwd / "docs" / "notes.txt").write_text("hello")
    (attach.cwd / "docs" / "link.txt").symlink_to("/etc/passwd")

    found = attach("@*.csv", "@docs", "@./a.csv")

    assert filenames(found) == ["a.csv", "b.csv", "docs.zip"]
    assert [a.origin for a in found] == ["file"] * 3
    assert found[0].path == attach.cwd / "a.csv"
    with zipfile.ZipFile(found[2].path) as archive:
        assert archive.namelist() == ["notes.txt"]


def test_a_pattern_is_read_below_a_folder_with_brackets(attach, tmp_path):
    cwd = tmp_path / "run [1]"
    cwd.mkdir()
    (cwd / "a.csv").write_text("x\n1\n")

    assert filenames(resolve(["@*.csv"], "", {}, cwd, folder=tmp_path)) == ["a.csv"]
    assert filenames(resolve([f"@{cwd}/a.csv"], "", {}, tmp_path, folder=tmp_path)) == ["a.csv"]


def test_two_files_of_one_name_do_not_collide(attach):
    for folder in ("one", "two"):
        (attach.cwd / folder).mkdir()
        (attach.cwd / folder / "data.csv").write_text(folder)
    (attach.cwd / "sales.arrow").write_text("not ours")

    found = attach("sales", "@one/data.csv", "@two/data.csv", "@sales.arrow")

    assert filenames(found) == ["sales.arrow", "data.csv", "data-2.csv", "sales-2.arrow"]
    assert [a.path.read_bytes() for a in found[1:3]] == [b"one", b"two"]
    assert len({a.sha256 for a in found}) == 4


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("sum of @sales", ["sales.arrow"]),
        ("sum of @sales, please. @sales!", ["sales.arrow"]),
        ("(@sales) and @sales's sum", ["sales.arrow"]),
        ("Compare with @budget.xlsx.", ["budget.xlsx"]),
        ("@売上の合計と@salesを比べて", ["売上.arrow", "sales.arrow"]),
        ("@budget.xlsxを見て", ["budget.xlsx"]),
        ("see @sub/deep.txt", ["deep.txt"]),
        ("mail me@sales.com, @nobody, @np, a decorator @property", []),
        ("https://example.org/@sales and @@sales", []),
        ("@sales*2 @sales?", ["sales.arrow"]),
        ("@_hidden @In @*gone* @{x} @ @/ @~nobody/x 5 @ 3 %", []),
        ("npm i @scope/package @types/node; ask “@sales_team” or '@slaes'", []),
        ("In `@sales` and ``x ` @sales`` or\n```python\n@sales\n```\n~~~\n@budget.xlsx", []),
        ("`\n\n@sales `", ["sales.arrow"]),
        ("@budget.xlsx `code` @sales", ["budget.xlsx", "sales.arrow"]),
        (f"@{'long' * 2000}", []),
    ],
)
def test_mentions_in_the_prompt(attach, prompt, expected):
    (attach.cwd / "budget.xlsx").write_bytes(b"PK")
    (attach.cwd / "sub").mkdir()
    (attach.cwd / "sub" / "deep.txt").write_text("x")
    names = {"sales": SALES, "売上": SALES, "np": np, "_hidden": SALES, "In": ["x"]}

    assert filenames(attach(prompt=prompt, namespace=names)) == expected


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (
            "plot @slaes please",
            r"no variable or file slaes; did you mean @sales\? .*@slaes as text",
        ),
        ("plot @Sales", "did you mean @sales"),
        ("@slaesを見て", "did you mean @sales"),
        ("@sales.mean() of it", "did you mean @sales"),
        ("see @budget", r"did you mean @budget\.xlsx"),
        ("see @sub/depe.txt", r"did you mean @sub/deep\.txt"),
        ("see @gone/x.csv", "There is no file gone/x.csv, and no folder .*; check the path"),
        ("see @~/no-such-file", "There is no file ~/no-such-file"),
        ("all of @sub", "@sub is a folder; to attach all files in it, name it on the magic line"),
        ("all of @*.xlsx", r"@\*\.xlsx in the question attaches nothing; patterns go on the magic"),
        ("all of @*.parquet", "patterns go on the magic line"),
        ("by @model", "model is of type object, which cannot be attached"),
    ],
)
def test_a_mention_that_goes_wrong_is_pointed_out(attach, prompt, sentence):
    (attach.cwd / "budget.xlsx").write_bytes(b"PK")
    (attach.cwd / "sub").mkdir()
    (attach.cwd / "sub" / "deep.txt").write_text("x")

    with pytest.raises(AttachError, match=sentence):
        attach(prompt=prompt, namespace={"sales": SALES, "np": np, "model": object()})


def test_what_is_sent_as_text_is_listed(attach):
    prompt = "Use @property and @np. @sales? @property! `@code`"
    assert unattached(prompt, {"sales": SALES, "np": np}, attach.cwd) == ["@property", "@np"]


def test_files_outside_the_folder_are_listed_unless_the_line_names_them(attach, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    (attach.cwd / "inside.txt").write_text("x")
    (attach.cwd / "link.txt").symlink_to(secret)
    prompt = f"@inside.txt @link.txt @../secret.txt @{secret} @report"

    found = mentioned_outside([], prompt, {"report": secret}, attach.cwd)
    assert found == [secret.resolve()]
    for item in (f"@{secret}", "@../secret.txt", "@link.txt"):
        assert mentioned_outside([item], prompt, {"report": secret}, attach.cwd) == []


def test_a_variable_may_be_named_by_an_at_on_the_line(attach):
    assert filenames(attach("@sales")) == ["sales.arrow"]


def test_what_is_named_twice_is_attached_once(attach):
    (attach.cwd / "a.csv").write_text("x")

    found = attach("sales", "@a.csv", prompt="@sales @a.csv @sales")

    assert filenames(found) == ["sales.arrow", "a.csv"]


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("slaes", "There is no variable slaes; did you mean sales?"),
        ("zzz", "No variable is named zzz. You can attach sales; use @path for a file."),
        ("here.csv", "There is no variable here.csv; to attach the file of that name, write @here"),
        ("np", "np is of type module, which cannot be attached; DataFrames, Series, "),
        ("@heer.csv", "There is no file heer.csv; did you mean @here.csv?"),
        ("@gone/x.csv", "There is no file gone/x.csv, and no folder .*gone either; check the"),
        ("@*.parquet", r"No file matches \*.parquet; check the pattern, it starts at"),
        ("@https://example.org/a.csv", "a.csv is a URL, and the interpreter has no network"),
        ("@empty", "empty holds no files that could be attached; name another folder."),
        ("@pipe", "pipe cannot be read .pipe is not a regular file.; check the path and its"),
    ],
)
def test_what_cannot_be_attached_is_said_in_one_sentence(attach, item, sentence):
    (attach.cwd / "here.csv").write_text("x")
    (attach.cwd / "empty").mkdir()
    os.mkfifo(attach.cwd / "pipe")

    with pytest.raises(AttachError, match=sentence):
        attach(item)


def test_nothing_to_attach_is_said_too(attach):
    with pytest.raises(AttachError, match="none here can be attached"):
        attach("sales", namespace={})


def test_a_url_in_a_variable_is_refused_with_the_reason(attach):
    with pytest.raises(AttachError, match=r"no network to open it; .*pd.read_csv\(link\)"):
        attach("link", namespace={"link": "https://example.org/a.csv"})


def test_what_can_be_turned_into_a_frame_is_told_how(attach):
    class Remote:
        def to_pandas(self): ...

    with pytest.raises(AttachError, match=r"attach the result of far.to_pandas\(\)"):
        attach("far", namespace={"far": Remote()})


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_said(attach):
    path = attach.cwd / "a.csv"
    path.write_text("x")
    path.chmod(0)

    with pytest.raises(AttachError, match="cannot be read"):
        attach("@a.csv")


def test_what_only_the_notebook_knows_is_replaced_and_named(attach):
    frame = pd.DataFrame({"n": [1, 2], "f": [lambda: 1, None]})
    frame.attrs = {"check": lambda x: x, "unit": "EUR"}

    [found] = attach("sales", namespace={"sales": frame})

    changed = "attrs['check']: function left out; f: function as text"
    assert found.notice == (
        f"sales has parts that only this notebook can load; they were sent so: {changed}."
    )
    assert f"\nChanged on the way from the notebook: {changed}.\n" in found.card
    back = frame_codec.unpack(found.path)
    assert back.attrs == {"unit": "EUR"}
    assert back.n.tolist() == [1, 2]
    assert back.f[0].startswith("<function ")


def test_json_holds_what_only_the_notebook_knows_in_plain_form(attach):
    class Unit(enum.Enum):
        EUR = "euro"

    class Rate:
        def __repr__(self):
            return "a rate"

    value = {"unit": Unit.EUR, "rate": [Rate()], "price": decimal.Decimal("1.50")}

    [found] = attach("config", namespace={"config": value})

    assert json.loads(found.path.read_bytes()) == {
        "unit": "euro",
        "rate": ["a rate"],
        "price": "1.50",
    }
    assert "Unit as its value; Rate as text; Decimal as text" in found.notice
    assert "Unit as its value; Rate as text; Decimal as text" in found.card


def test_values_that_cannot_be_written_are_an_attach_error(attach):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray([1], attrs={"f": functools.partial(lambda: 1)})

    with pytest.raises(AttachError, match="bad cannot be attached because some of its values"):
        attach("bad", namespace={"bad": array})


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": range(1000)}),
        pd.Series(range(1000)),
        pd.Index(range(1000)),
        pl.DataFrame({"a": range(1000)}),
        pl.Series(range(1000)),
        pa.table({"a": range(1000)}),
        np.arange(1000),
        pl.LazyFrame({"a": range(1000)}),
    ],
    ids=lambda v: f"{type(v).__module__.partition('.')[0]}.{type(v).__name__}",
)
def test_a_sample_is_random_in_order_and_the_same_each_time(attach, value):
    [first] = attach("x", namespace={"x": value}, rows=10)
    [again] = attach("x", namespace={"x": value}, rows=10)
    [whole] = attach("x", namespace={"x": value}, rows=1000)

    values = _numbers(frame_codec.unpack(first.path))
    assert len(values) == 10
    assert values == sorted(values)
    assert values[-1] > 100
    assert first.sha256 == again.sha256 != whole.sha256
    assert "a random sample of 10 of 1,000 rows, kept in their order" in first.card
    assert "sample" not in whole.card


def _numbers(value):
    if isinstance(value, pa.Table):
        return value["a"].to_pylist()
    return [int(v) for v in np.asarray(value).ravel()]


def test_a_file_that_is_a_table_cannot_be_sampled(attach):
    (attach.cwd / "a.csv").write_text("x\n1\n")
    (attach.cwd / "a.pdf").write_bytes(b"%PDF-")

    with pytest.raises(AttachError, match=r"--rows takes a sample of frames, and a\.csv"):
        attach("@a.csv", rows=10)
    assert filenames(attach("@a.pdf", rows=10)) == ["a.pdf"]


def test_streams_of_arrow_are_taken(attach):
    class Relation:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    [found] = attach("rel", namespace={"rel": Relation()})
    reader = pa.RecordBatchReader.from_batches(
        pa.schema([("a", pa.int64())]), pa.table({"a": [1]}).to_batches()
    )
    [read] = attach("reader", namespace={"reader": reader})

    assert frame_codec.unpack(found.path).equals(pa.table({"a": [1, 2]}))
    assert frame_codec.unpack(read.path).equals(pa.table({"a": [1]}))


def test_datasets_and_the_interchange_protocol_are_taken(attach):
    dataset = pytest.importorskip("pyarrow.dataset")

    class Foreign:
        def __dataframe__(self, nan_as_null=False, allow_copy=True):
            return pa.table({"a": [1, 2]}).__dataframe__(nan_as_null, allow_copy)

    for value in (dataset.dataset(pa.table({"a": [1, 2]})), Foreign()):
        [found] = attach("x", namespace={"x": value})
        assert frame_codec.unpack(found.path).equals(pa.table({"a": [1, 2]}))


def test_what_narwhals_wraps_is_taken_out(attach):
    narwhals = pytest.importorskip("narwhals")
    frame = pd.DataFrame({"a": pd.Categorical(["x", None]), "b": pd.array([1, None], "Int64")})
    wrapped = narwhals.from_native(frame)
    lazy = narwhals.from_native(pl.LazyFrame({"a": [1, 2]}))

    [found] = attach("x", namespace={"x": wrapped})
    [query] = attach("x", namespace={"x": lazy})

    assert attachable(wrapped) == attachable(frame)
    assert found.kind == "pandas.DataFrame"
    pd.testing.assert_frame_equal(frame_codec.unpack(found.path), frame)
    assert frame_codec.unpack(query.path)["a"].to_list() == [1, 2]


@pytest.mark.parametrize("values", [pa.array([1, None]), pa.chunked_array([[1], [None]])])
def test_arrays_of_arrow_are_tables_of_one_column(attach, values):
    [found] = attach("x", namespace={"x": values})

    assert frame_codec.unpack(found.path).to_pydict() == {"values": [1, None]}


def test_a_query_that_fails_is_said(attach):
    lazy = pl.LazyFrame({"a": [1]}).select("missing")

    with pytest.raises(AttachError, match="x cannot be attached because reading its rows failed"):
        attach("x", namespace={"x": lazy})


def test_a_variable_that_is_a_path_attaches_the_file(attach):
    (attach.cwd / "a.csv").write_text("x")

    [found] = attach("where", namespace={"where": attach.cwd / "a.csv"})

    assert (found.filename, found.origin) == ("a.csv", "file")
    with pytest.raises(AttachError, match="cannot be read"):
        attach("where", namespace={"where": attach.cwd / "gone.csv"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pd.DataFrame(np.zeros((1234, 8))), "DataFrame, 1,234 × 8"),
        (pd.Series([1]), "Series, 1 value"),
        (np.zeros((2, 3, 4)), "ndarray, 2 × 3 × 4"),
        (np.array(1), "ndarray, no dimensions"),
        (pl.DataFrame({"a": [1]}), "DataFrame, 1 × 1"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame"),
        (pa.table({"a": [1, 2]}), "Table, 2 × 1"),
        ("hello", "text, length 5"),
        (b"hello", "bytes, length 5"),
        ({"a": 1}, "dict, length 1"),
        ([1, 2], "list, length 2"),
        (Path("x.csv"), "path, x.csv"),
        ("https://example.org", None),
        (pd.DataFrame, None),
        (np, None),
        (1, None),
        (None, None),
        (len, None),
    ],
)
def test_attachable_says_what_a_value_is(value, words):
    assert attachable(value) == words


def test_attachable_survives_hostile_objects():
    class Trap:
        @property
        def shape(self):
            raise RuntimeError

        def __getattr__(self, name):
            raise RuntimeError(name)

    class Frame(pd.DataFrame):
        @property
        def shape(self):
            raise RuntimeError

    assert attachable(Trap()) is None
    assert attachable(Frame()) is None


def test_detection_imports_no_library():
    code = """
import sys
from aoai_magic.attach.resolve import attachable, describe
from pathlib import Path
assert attachable([1]) and attachable(object()) is None
describe(["x"], "@x", {"x": {"a": 1}}, Path())
heavy = {"pandas", "polars", "pyarrow", "numpy", "matplotlib", "PIL", "openpyxl"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_describe_tells_what_would_go_without_reading_data(attach):
    (attach.cwd / "a.csv").write_text("x\n1\n")
    (attach.cwd / "docs").mkdir()
    (attach.cwd / "docs" / "n.txt").write_text("hello")
    names = {"sales": SALES, "notes": "hello", "cube": np.zeros((2, 3, 4))}

    found = describe(["sales", "@a.csv", "@docs"], "@notes @cube", names, attach.cwd)

    assert [(d.name, d.kind, d.rows, d.columns) for d in found] == [
        ("sales", "DataFrame, 3 × 2", 3, 2),
        ("a.csv", "file", None, None),
        ("docs", "folder", None, None),
        ("notes", "text, length 5", None, None),
        ("cube", "ndarray, 2 × 3 × 4", 2, 12),
    ]
    assert [d.bytes for d in found[1:]] == [4, 5, 5, 192]
    assert found[0].bytes > 0


def test_python_values_become_json(attach):
    value = {"n": np.int64(3), "when": pd.Timestamp(0), "list": (1, {2}), "text": "日本"}

    [found] = attach("value", namespace={"value": value})

    assert found.filename == "value.json"
    assert json.loads(found.path.read_bytes()) == {
        "n": 3,
        "when": "1970-01-01T00:00:00",
        "list": [1, [2]],
        "text": "日本",
    }


def test_json_that_cannot_be_is_said(attach):
    loop = []
    loop.append(loop)

    for value in ({"frame": SALES, "n": 1}, loop, {(1, 2): 3}):
        with pytest.raises(AttachError, match="is sent as JSON, which"):
            attach("x", namespace={"x": value})
