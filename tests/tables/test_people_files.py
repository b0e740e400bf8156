"""Files as people have them: what comes back, what the card says, and that both agree."""

import io
import re
import subprocess
import sys
import traceback

import numpy as np
import pandas as pd
import pytest

from aoai_magic.attach.resolve import resolve
from aoai_magic.results.read_table import TableError, read_table, read_tables
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.tables import child, launch, read_workbook
from aoai_magic.tables.errors import NoTable

from .test_hostile_files import ATTACKS, arrow_file

CITIES = {
    "cp932": "都市,人口\n東京,14000000\n大阪,8800000\n",
    "big5": "城市,人口\n臺北,2600000\n高雄,2700000\n",
    "gb18030": "城市,人口\n北京,21000000\n上海,24000000\n",
    "euc_kr": "도시,인구\n서울,9400000\n부산,3300000\n",
    "cp1252": "name,größe\nKöln,1\nMünchen,2\n",
    "utf-16": "都市,人口\n東京,14000000\n大阪,8800000\n",
    "utf-16-le": "都市,人口\n東京,14000000\n大阪,8800000\n",
    "utf-8-sig": "都市,人口\n東京,14000000\n大阪,8800000\n",
    "iso2022_jp": "都市,人口\n東京,14000000\n大阪,8800000\n",
}
SHORT = {
    "cp932": ["地域,値\n北,1\n南,2\n", "名前,値\nカメラ,1\nテレビ,2\n", "ｶﾅ,数\nﾃｽﾄ,1\nｱｲｳ,2\n"],
    "big5": ["縣市,數\n北,1\n南,2\n", "id,備註\n1,已付\n2,未付\n", "區,值\n甲,1\n乙,2\n"],
    "gb18030": ["省,数\n京,1\n沪,2\n", "id,备注\n1,已付\n2,未付\n", "区,值\n甲,1\n乙,2\n"],
    "euc_kr": [
        "지역,값\n북,1\n남,2\n",
        "id,비고\n1,완료\n2,미납\n",
        "월,매출\n일월,100\n이월,200\n",
    ],
    "cp1252": ["año,precio\n2024,10\n", "prénom,âge\nHélène,33\n", "Größe;Preis\nklein;1,50 €\n"],
}
SHORT_TEXTS = [(encoding, text) for encoding, texts in SHORT.items() for text in texts]


@pytest.fixture
def card(tmp_path):
    def write(name, data, **options):
        (tmp_path / name).write_bytes(data)
        [found] = resolve([f"@{name}"], "", {}, tmp_path, folder=tmp_path, **options)
        return found.card

    return write


def read_as_the_card_says(text, data):
    """Run the call that the card gives on the file, as a model's code would."""
    call = re.search(r"Read it with (pd\.read_\w+\(.*\))\.$", text, re.MULTILINE)[1]
    path = re.search(r'\("(/mnt/data/[^"]+)"', call)[1]
    code = call.replace(f'"{path}"', "file")
    return eval(code, {"pd": pd, "file": io.BytesIO(data)})


@pytest.mark.parametrize("encoding", CITIES)
def test_every_encoding_is_read_and_named(card, encoding):
    data = CITIES[encoding].encode(encoding)
    expected = pd.read_csv(io.StringIO(CITIES[encoding]))

    tables = read_tables(data, "a.csv")

    pd.testing.assert_frame_equal(tables.frame, expected)
    is_certain = encoding.startswith("utf-8") or encoding in ("utf-16", "iso2022_jp")
    assert bool(tables.notes) is not is_certain
    text = card("a.csv", data)
    pd.testing.assert_frame_equal(read_as_the_card_says(text, data), expected)
    assert ("is a guess" in text) is not is_certain
    assert expected.columns[0] in text.partition("It begins:")[2]


@pytest.mark.parametrize(("encoding", "text"), SHORT_TEXTS)
def test_two_or_three_lines_are_enough_for_a_guess(encoding, text):
    frame = read_table(text.encode(encoding), "a.csv")

    assert ",".join(frame.columns) == text.splitlines()[0].replace(";", ",")
    assert str(frame.iloc[0, 0]) == re.split("[,;]", text.splitlines()[1])[0]


FILES = {
    "trailing": (b"name,amount\na,10,\nb,20,\n", {"name": ["a", "b"], "amount": [10, 20]}),
    "trailing header": (b"name,amount,\na,10,\nb,20,\n", {"name": ["a", "b"], "amount": [10, 20]}),
    "title": (
        b"Company X;;\nExport of 2024;;\n;;\nid;name;amount\n1;a;10\n2;b;20\n",
        {"id": [1, 2], "name": ["a", "b"], "amount": [10, 20]},
    ),
    "bare title": (b"Report\n\nname,amount\na,1\nb,2\n", {"name": ["a", "b"], "amount": [1, 2]}),
    "excel": (b"sep=;\r\na;b\r\n1;x\r\n", {"a": [1], "b": ["x"]}),
    "NA is Namibia": (b"iso,v\nNA,1\nDE,3\nNA,5\n", {"iso": ["NA", "DE", "NA"], "v": [1, 3, 5]}),
    "NA is missing": (b"iso,v\nNA,1\nDE,NA\n", {"iso": ["NA", "DE"], "v": [1, None]}),
    "codes": (b"zip,v\n00123,1\n02139,3\n", {"zip": ["00123", "02139"], "v": [1, 3]}),
    "long codes": (
        b"id,v\n12345678901234567890123,1\n2,3\n",
        {"id": ["12345678901234567890123", "2"], "v": [1, 3]},
    ),
    "articles": (b"no,v\n1E2,1\n12E5,3\n", {"no": ["1E2", "12E5"], "v": [1, 3]}),
    "decimal comma": (
        b"name;betrag;n\na;1.234,50;1.234\nb;7,5;567\n",
        {"name": ["a", "b"], "betrag": [1234.5, 7.5], "n": [1234, 567]},
    ),
    "dates with decimal comma": (
        b"tag;betrag\n01.02.2024;1.234,50\n03.04.2024;7,5\n",
        {"tag": ["01.02.2024", "03.04.2024"], "betrag": [1234.5, 7.5]},
    ),
    "grouped": (b'a,n\nx,"1,234.50"\ny,"1,234,567"\n', {"a": ["x", "y"], "n": [1234.5, 1234567]}),
    "either comma": (b'a,n\nx,"1,234"\ny,"5,678"\n', {"a": ["x", "y"], "n": ["1,234", "5,678"]}),
    "short lines": (b"a,b,c\n1,2\n4,5,6\n", {"a": [1, 4], "b": [2, 5], "c": [None, 6.0]}),
    "nothing named": (b"name,\na,1\nb,2\n", {"name": ["a", "b"], "Unnamed: 1": [1, 2]}),
    "day": (b"day,v\n2024-01-31,1\n2024-02-29,2\n", None),
    "one zone": (b"ts,v\n2024-01-31T12:00:00+09:00,1\n2024-02-29T12:00:00+09:00,2\n", None),
}


@pytest.mark.parametrize("name", FILES)
def test_the_reader_and_the_card_agree(card, name):
    data, columns = FILES[name]
    frame = read_table(data, "a.csv")
    text = card("a.csv", data)

    if columns:
        pd.testing.assert_frame_equal(frame, pd.DataFrame(columns), check_dtype=False)
    else:
        assert frame.dtypes.iloc[0].kind == "M"
    by_card = read_as_the_card_says(text, data)
    pd.testing.assert_frame_equal(frame, by_card, check_dtype=False)


@pytest.mark.parametrize("time", ["", " 12:00:00", "T12:00:00+09:00"])
def test_times_that_nanoseconds_do_not_reach_are_times(time):
    """In the unit of pandas 2 they would overflow."""
    frame = read_table(f"until,v\n9999-12-31{time},1\n2024-02-29{time},2\n".encode(), "a.csv")
    assert frame["until"].dt.year.tolist() == [9999, 2024]


def test_offsets_that_change_are_moments_in_utc(card):
    data = b"ts,v\n2024-03-30T12:00:00+01:00,1\n2024-03-31T12:00:00+02:00,2\n"

    tables = read_tables(data, "a.csv")

    times = pd.to_datetime(["2024-03-30T11:00Z", "2024-03-31T10:00Z"])
    assert (tables.frame["ts"] == times).all()
    assert "UTC" in tables.notes[0]
    assert "utc=True" in card("a.csv", data)


def frames():
    frame = pd.DataFrame(
        {
            "r": ["N", "S", "N", "S"],
            "y": ["a", "a", "b", "b"],
            "v": [1, 2, 3, 4],
            "w": [1.5, 2.0, 3.0, 4.0],
        }
    )
    yield "pivot", frame.pivot_table(index="r", columns="y", values=["v", "w"])
    yield "agg", frame.groupby("r").agg({"v": ["min", "max"], "w": ["mean"]})
    yield "agg of two", frame.groupby(["r", "y"]).agg({"v": ["min", "max"], "w": ["mean"]})
    yield "agg reset", frame.groupby("r").agg({"v": ["min", "max"], "w": ["mean"]}).reset_index()
    yield "plain", frame


@pytest.mark.parametrize(("name", "frame"), list(frames()))
def test_what_pandas_writes_comes_back_equal(card, name, frame):
    data = frame.to_csv().encode()
    pd.testing.assert_frame_equal(read_table(data, "a.csv"), frame)
    if name != "agg reset":  # pandas itself names the gap in the second row "Unnamed: …"
        pd.testing.assert_frame_equal(read_as_the_card_says(card("a.csv", data), data), frame)
    book = io.BytesIO()
    frame.to_excel(book)
    back = read_table(book.getvalue(), "a.xlsx")
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


def test_values_that_pandas_writes_come_back_equal():
    frame = pd.DataFrame(
        {
            "int": [1, -2, 2**62],
            "big": np.array([1, 2, 2**64 - 1], "uint64"),
            "float": [0.1, 1e300, float("inf")],
            "text": ["a", 'x "y"\nz', None],
            "flag": [True, False, True],
            "time": pd.to_datetime(["2024-01-31 10:00:00.123456", "2024-02-29 00:00:00.5", None]),
            "none": [None, None, float("nan")],
        }
    )
    for options in ({}, {"sep": ";"}, {"sep": "\t"}, {"lineterminator": "\r\n"}):
        data = frame.to_csv(index=False, **options).encode()
        back = read_table(data, "a.csv")
        pd.testing.assert_frame_equal(back, frame.astype({"none": "float64"}))


def test_merged_cells_are_filled_and_numbers_in_the_middle_are_not():
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Sales of 2024"],
        [],
        ["region", "shop", "sum", "v"],
        ["North", "a", 10, 1],
        [None, "b", None, 2],
        ["South", "c", 20, 3],
    ):
        sheet.append(row)
    sheet.merge_cells("A1:D1")
    sheet.merge_cells("A4:A5")
    sheet.merge_cells("C4:C5")
    out = io.BytesIO()
    book.save(out)

    tables = read_tables(out.getvalue(), "a.xlsx")

    assert tables.frame["region"].tolist() == ["North", "North", "South"]
    assert tables.frame["sum"].fillna(0).tolist() == [10, 0, 20]
    assert any("region" in note for note in tables.notes)
    assert any("1 line above" in note for note in tables.notes)


def test_formulas_that_nobody_computed_are_said(card):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=A2*2"], [2, "=A3*2"]):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)

    assert "2 formulas have no value" in read_tables(out.getvalue(), "a.xlsx").notes[0]
    assert "2 formulas have no value" in card("a.xlsx", out.getvalue())


def test_schema_only_shows_no_value(card):
    data = b"secret1,secret2\n007,2024-01-01\n008,2024-01-02\n"
    text = card("a.csv", data, schema_only=True)
    assert "pd.read_csv" in text
    assert "secret" not in text


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    book = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_excel(book)
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(NoTable) as caught:
        read_workbook.read_workbook(book.getvalue())
    answer = child._header(caught.value.reason, caught.value.detail, "", [])
    monkeypatch.setattr(launch, "run", lambda *_: answer)
    with pytest.raises(TableError, match="pip install python-calamine"):
        read_tables(book.getvalue(), "a.xlsx")


def test_a_mistake_of_ours_is_logged_with_its_traceback(monkeypatch, caplog):
    def fail(*_args, **_options):
        raise KeyError("ours")

    monkeypatch.setattr(child, "read_csv", fail)
    request = child.Request("a.csv", 1 << 20, None, True, 10)
    with pytest.raises(KeyError) as caught:
        child._read(b"a,b\n1,2\n", request)
    assert not child._is_of_file(caught.value)
    log = "".join(traceback.format_exception(caught.value))
    answer = child._header("our mistake", "", log, [])
    monkeypatch.setattr(launch, "run", lambda *_: answer)
    with pytest.raises(TableError, match="a bug of aoai_magic"):
        read_tables(b"a,b\n1,2\n", "a.csv")
    assert "KeyError: 'ours'" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("gone", [("pandas",), ("polars",), ("pandas", "polars")])
def test_a_csv_is_read_with_whatever_library_is_there(gone):
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {gone!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from aoai_magic.results.read_table import read_table\n"
        "for name in ('pandas', 'polars', 'pyarrow'):\n"
        "    frame = read_table(b'a,b\\n1,x\\n', 'a.csv', name)\n"
        "    print(type(frame).__module__.partition('.')[0], frame.shape)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    left = [name for name in ("pandas", "polars", "pyarrow") if name not in gone]
    asked = ("pandas", "polars", "pyarrow")
    expected = [f"{name if name in left else left[0]} (1, 2)" for name in asked]
    assert (ran.stdout.splitlines(), ran.stderr) == (expected, "")


OFFLINE = [
    ("trailing.csv", b"name,amount\na,10,\nb,20,\n", "What is the total amount?", "30"),
    (
        "title.csv",
        b"Company X;;\nExport of 2024;;\n;;\nid;name;amount\n1;a;10\n2;b;20\n",
        "What is the total amount?",
        "30",
    ),
    ("na.csv", b"iso,v\nNA,1\nDE,3\nNA,5\n", "Total v by iso.", "NA"),
    (
        "big5.csv",
        "城市,人口\n臺北,2600000\n高雄,2700000\n新北,4000000\n".encode("big5"),
        "人口最多的城市？",
        "新北",
    ),
]


@pytest.mark.parametrize(("name", "data", "question", "answer"), OFFLINE)
async def test_the_offline_model_reads_as_the_card_says(
    engine, monkeypatch, tmp_path, name, data, question, answer
):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(data)
    options = Options(items=(f"@{name}",), model="offline")

    turn = await Assistant({}).ask(question, options)

    assert answer in turn.text


LEFT = """
turns:
  - when: "."
    replies:
      - code: |
          open("/mnt/data/attack.arrow", "wb").write(bytes.fromhex("{attack}"))
          open("/mnt/data/cities.csv", "wb").write(bytes.fromhex("{cities}"))
      - text: "See [them](sandbox:/mnt/data/attack.arrow)."
"""


async def test_a_turn_outlives_the_files_that_it_left(engine, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.chdir(tmp_path)
    attack = arrow_file(ATTACKS["offset behind the end"])
    cities = CITIES["big5"].encode("big5")
    script = tmp_path / "script.yaml"
    script.write_text(LEFT.format(attack=attack.hex(), cities=cities.hex()))
    assistant = Assistant({})

    turn = await assistant.ask("Go", Options(out="cities", model=f"scripted:{script}"))

    assert turn.status == "completed"
    assert assistant.namespace["cities"].iloc[0, 0] == "臺北"
    assert turn.files["attack.arrow"].problem == "it is broken"
    assert turn.files["cities.csv"].notes == ("Read as Big5, which is a guess.",)
    said = capsys.readouterr().out
    assert "Read as Big5, which is a guess." in said
    assert "attack.arrow could not be read as a table: it is broken." in said


@pytest.mark.parametrize("column", [["00123", "00456"], ["12", "34"], ["NA", "DE"], ["1e3", "2e3"]])
def test_texts_of_a_workbook_stay_texts_by_the_call_of_its_card(card, column):
    frame = pd.DataFrame({"code": column, "n": [1.5, None]})
    book = io.BytesIO()
    frame.to_excel(book, index=False)
    data = book.getvalue()
    pd.testing.assert_frame_equal(read_table(data, "a.xlsx"), frame, check_dtype=False)
    said = read_as_the_card_says(card("a.xlsx", data), data)
    pd.testing.assert_frame_equal(said, frame, check_dtype=False)
