"""Files that attack whoever reads them: this process lives, and shows nothing of its memory."""

import contextlib
import gzip
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aoai_magic.display.saved.table_preview import previews
from aoai_magic.results.read_table import TableError, read_table, read_tables
from aoai_magic.sandbox.isolation import syscalls
from aoai_magic.shared import confined
from aoai_magic.shared.isolated_python import isolated, package_paths
from aoai_magic.tables import launch, process
from aoai_magic.tables.errors import NoTable
from aoai_magic.turn.view import File

SECRET = b"foreign bytes of another variable "
KEPT = [SECRET * 2_000 for _ in range(50)]


def arrow_file(attack, *, stream=False):
    """Write a good column, and put wrong offsets or codes into the file."""
    column, good, wrong, width = attack
    out = io.BytesIO()
    batch = pa.record_batch([column], names=["a"])
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(out, batch.schema) as writer:
        writer.write_batch(batch)
    kind = f"<{len(good)}{width}"
    before = struct.pack(kind, *good)
    assert before in out.getvalue()
    return out.getvalue().replace(before, struct.pack(kind, *wrong))


TEXTS = pa.array(["abc", "defgh"])
CODES = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 1], pa.int32()), ["x", "y"])
OFFSETS, INDICES = (0, 3, 8), (1, 0, 1, 1)
# Before pyarrow 15 it takes the ends as numbers alone.
RUNS = pa.RunEndEncodedArray.from_arrays(
    [2, 7], ["x" * 999, "y"], pa.run_end_encoded(pa.int32(), pa.string())
)
ATTACKS = {
    "offset behind the end": (TEXTS, OFFSETS, (0, 3, 40_000_000), "i"),
    "offset far behind the end": (TEXTS, OFFSETS, (0, 3, 2**31 - 1), "i"),
    "offset before the start": (TEXTS, OFFSETS, (0, -2_000, 8), "i"),
    "offsets that go back": (TEXTS, OFFSETS, (5, 1, 6), "i"),
    "large offset": (TEXTS.cast(pa.large_string()), OFFSETS, (0, 3, 2**40), "q"),
    "binary offset": (TEXTS.cast(pa.binary()), OFFSETS, (0, 3, 50_000), "i"),
    "no text": (TEXTS, b"abcdefgh", b"ab\xff\xfe\xfd\xfcgh", "B"),
    "code behind the end": (CODES, INDICES, (1, 0, 5_000_000, 1), "i"),
    "code before the start": (CODES, INDICES, (1, 0, -7, 1), "i"),
    "wrong dictionary": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), TEXTS),
        OFFSETS,
        (0, 3, 40_000_000),
        "i",
    ),
    "list offset": (pa.array([[1] * 3, [2] * 5]), OFFSETS, (0, 3, 90_000), "i"),
    "texts in a list": (pa.array([["abc", "defgh"]]), OFFSETS, (0, 3, 40_000_000), "i"),
    "texts in a struct": (
        pa.StructArray.from_arrays([TEXTS], names=["b"]),
        OFFSETS,
        (0, 3, 40_000_000),
        "i",
    ),
    "codes in a struct": (
        pa.StructArray.from_arrays([CODES], names=["b"]),
        INDICES,
        (1, 0, 99_999, 1),
        "i",
    ),
    "runs": (RUNS, (2, 7), (2, -9), "i"),
}
if hasattr(pa, "string_view"):  # since pyarrow 16
    views = pa.array(["abc" * 20, "defgh" * 20], pa.string_view())
    ATTACKS["views"] = (views, (60,), (60_000_000,), "i")


@pytest.fixture(params=ATTACKS)
def attack(request):
    return ATTACKS[request.param]


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_that_points_outside_of_itself_is_broken(attack, stream):
    data = arrow_file(attack, stream=stream)
    with pytest.raises(TableError, match="broken"):
        read_tables(data, "a.arrow")
    assert previews(File("a.arrow", data)) == ()


def test_what_the_process_answers_is_checked_again(attack):
    """As if the file had taken over the process that reads it."""
    stream = arrow_file(attack, stream=True)
    [found] = process.read(b"a,b\n1,2\n", "a.csv")
    words = {"reason": "", "detail": "", "log": ""}
    tables = [{"bytes": len(stream), "facts": found.facts.encode()}]
    answer = json.dumps({**words, "tables": tables}).encode() + b"\n" + stream
    with pytest.raises((ValueError, NoTable)):
        process._checked(answer, 1 << 20)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"reason": "x", "detail": "", "log": "", "tables": []}\n',
        b'{"reason": "", "detail": "", "log": "", "tables": [{"bytes": -1, "facts": {}}]}\n',
        b'{"reason": "", "detail": "", "log": "", "tables": [{"bytes": 9e99, "facts": {}}]}\n',
        b"[" * 200_000 + b"\n",
        b'{"reason": "", "detail": "", "log": "", "tables": 3}\n',
    ],
)
def test_an_answer_that_is_none_is_a_broken_file(answer, monkeypatch):
    monkeypatch.setattr(launch, "run", lambda *_: answer)
    with pytest.raises(NoTable, match="broken"):
        process.read(b"a,b\n1,2\n", "a.csv")


@pytest.mark.parametrize("key", ["labels", "level_names", "index", "kept", "encoding", "rows"])
@pytest.mark.parametrize("value", [7, -1, [["a"]], "x", {"code": [3]}])
def test_facts_of_another_type_are_refused_or_harmless(key, value, monkeypatch):
    [found] = process.read(b"a,b\n1,2\n", "a.csv")
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, found.table.schema) as writer:
        writer.write_table(found.table)
    stream = out.getvalue().to_pybytes()
    facts = {**found.facts.encode(), key: value}
    tables = [{"bytes": len(stream), "facts": facts}]
    header = {"reason": "", "detail": "", "log": "", "tables": tables}
    answer = json.dumps(header).encode() + b"\n" + stream
    monkeypatch.setattr(launch, "run", lambda *_: answer)
    with contextlib.suppress(TableError):
        assert read_tables(b"a,b\n1,2\n", "a.csv").frame.shape[0] == 1


def good_files():
    frame = pd.DataFrame(
        {
            "text": ["a", "bc", None] * 20,
            "number": range(60),
            "kind": pd.Categorical(["x", "y", "x"] * 20),
            "when": pd.date_range("2024-01-01", periods=60),
            "list": [[1, 2], [], [3]] * 20,
        }
    )
    flat = frame.drop(columns="list")
    arrow, parquet, book = io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.to_feather(arrow, compression="uncompressed")
    pq.write_table(pa.Table.from_pandas(frame), parquet)
    flat.to_excel(book)
    text = flat.to_csv().encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", text)
    return {
        "a.arrow": arrow.getvalue(),
        "a.parquet": parquet.getvalue(),
        "a.xlsx": book.getvalue(),
        "a.csv.gz": gzip.compress(text),
        "a.csv.zip": packed.getvalue(),
        "a.json": flat.astype({"when": str}).to_json().encode(),
    }


GOOD = good_files()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", GOOD)
def test_no_mutation_ends_this_process_or_shows_its_memory(name, seed):
    dice = random.Random(seed)
    for _ in range(12):
        data = bytearray(GOOD[name])
        for _ in range(dice.choice([1, 2, 8])):
            place = dice.randrange(len(data))
            width = dice.choice([1, 2, 4, 8])
            data[place : place + width] = dice.choice(
                [dice.randbytes(width), b"\xff" * width, b"\x7f" * width, b"\0" * width, b""]
            )
        library = dice.choice(["pandas", "polars", "pyarrow"])
        frame = read_table(bytes(data), name, library)
        shown = repr(frame) + "".join(one.plain for one in previews(File(name, bytes(data))))
        if frame is not None and library == "pandas" and not isinstance(frame, dict):
            shown += frame.to_csv()
        assert SECRET.decode() not in shown
    assert all(kept == SECRET * 2_000 for kept in KEPT)


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
def test_what_takes_over_the_reader_reaches_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    paths = [*package_paths(), str(Path(__file__).parent)]
    command = isolated("aoai_magic.sandbox.confine", paths, "probe", str(secret), str(os.getpid()))
    with tempfile.TemporaryFile() as out:
        started = confined.start(command, subprocess.DEVNULL, out, subprocess.DEVNULL)
        assert started.wait(60) == 0
        out.seek(0)
        found = json.loads(out.read())
    assert set(found["environment"]) <= {
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS"),
        "LC_CTYPE",
    }
    assert (found["folder"], found["isolated"]) == ("/", 1)
    assert found["internet"] == found["unix"] == "OSError"
    if syscalls.landlock_version():
        for way in ("read", "passwd", "write", "memory"):
            assert found[way] == "PermissionError", way
    assert not (tmp_path / "secret-2").exists()


def test_a_file_beside_the_notebook_does_not_stop_the_reader(tmp_path):
    for name in ("random.py", "pyarrow.py", "numpy.py", "json.py", "chardet.py"):
        (tmp_path / name).write_text("raise SystemExit('mine')")
    code = (
        "import random, tempfile, json, pyarrow, pandas, sys, os\n"
        "import aoai_magic.results.read_table as reader\n"
        "import subprocess, psutil\n"
        "os.chdir(sys.argv[1]); sys.path[:0] = ['', sys.argv[1]]\n"
        "print(reader.read_table(bytes.fromhex(sys.stdin.read()), 'a.parquet').shape)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        input=GOOD["a.parquet"].hex(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.stdout, ran.stderr) == ("(60, 5)\n", "")


def test_a_packed_file_is_unpacked_no_further_than_it_is_looked_at():
    line = b"1,2,3,4,5,6,7,8,9\n"
    data = gzip.compress(b"a,b,c,d,e,f,g,h,i\n" + line * (96 * 1024 * 1024 // len(line)), 6)
    assert len(data) < 400_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    [shown] = previews(File("a.csv.gz", data))
    assert shown.shape.startswith("more than ")
    with pytest.raises(TableError, match="memory"):
        read_tables(data, "a.csv.gz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_workbook_that_unpacks_to_much_is_bounded():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(io.BytesIO(GOOD["a.xlsx"])) as good:
            for name in good.namelist():
                if name != "xl/worksheets/sheet1.xml":
                    archive.writestr(name, good.read(name))
        archive.writestr("xl/worksheets/sheet1.xml", b"<c " * 20_000_000)
    data = out.getvalue()
    assert len(data) < 200_000
    assert previews(File("a.xlsx", data)) == ()
    with pytest.raises(TableError):
        read_tables(data, "a.xlsx")


def test_the_reader_is_started_again_when_it_was_killed():
    assert read_table(b"a,b\n1,2\n", "a.csv").shape == (1, 2)
    if launch._READER._process is not None:
        launch._READER._process.kill()
        launch._READER._process.wait()
    assert read_table(b"a,b\n1,2\n", "a.csv").shape == (1, 2)


def test_where_forks_are_not_safe_each_file_has_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(confined, "_FORKS", False)
    for name, data in GOOD.items():
        assert len(read_table(data, name)) == 60
    with pytest.raises(TableError, match="broken"):
        read_tables(arrow_file(ATTACKS["list offset"]), "a.arrow")
