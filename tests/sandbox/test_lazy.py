"""Frames that are put into a session are its variables."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from aoai_magic import frame_codec
from aoai_magic.frame_codec import file_format

from .cells import run


@pytest.fixture
async def sandbox(make_sandbox):
    return await make_sandbox(preload=["IPython", "pandas", "pyarrow"])


async def put(session, folder, value, name="sales"):
    folder.mkdir(exist_ok=True)
    path = frame_codec.pack(value, name, folder)
    await session.put(path.name, path)
    path.unlink()


def frame(*values):
    return pd.DataFrame({"x": list(values)})


async def test_a_frame_is_there_as_variable_and_file(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1, 2, 3))
    assert (await run(session, "int(sales['x'].sum())")).result == "6"
    (file,) = await session.files()
    assert file.name.startswith("sales.")


async def test_a_frame_is_loaded_only_when_it_is_named(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1))
    loaded = "[type(v).__name__ for n, v in {0}.items() if n.startswith('sal')]"
    # A frame object of this very cell, by a way that no word of the code gives away.
    unseen = loaded.format("getattr((x for x in ()).gi_frame, 'f_glo' + 'bals')")
    assert (await run(session, unseen)).result == "['Unloaded']"
    assert (await run(session, "sales_total = 1; 'sa' 'les' in dir()")).result == "True"
    assert (await run(session, unseen)).result == "['Unloaded', 'int']"
    assert (await run(session, "len(sales)")).result == "1"


WAYS = [
    "frame = globals()[name]",
    "frame = vars()[name]",
    "frame = locals()[name]",
    "frame = eval(name)",
    "exec('frame = ' + name)",
    "import __main__; frame = getattr(__main__, name)",
    "import sys; frame = getattr(sys.modules[__name__], name)",
    "import sys; frame = sys._getframe().f_globals[name]",
    "import pandas as pd; frame = pd.eval(name)",
    "frame = get_ipython().user_ns[name]",
    "(frame,) = [v for v in list(globals().values()) if type(v).__name__ == 'DataFrame']",
]


@pytest.mark.parametrize("way", WAYS)
async def test_code_reaches_a_frame_without_its_name(sandbox, tmp_path, way):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1, 2))
    outcome = await run(session, f"name = 'sa' + 'les'\n{way}\nprint(frame.x.sum())")
    assert (outcome.text, outcome.error) == ("3\n", None)


async def test_names_are_there_before_they_are_loaded(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1))
    assert (await run(session, "[name for name in dir() if name[0] == 's']")).result == "['sales']"


async def test_a_function_of_an_earlier_cell_sees_the_frame_of_now(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1))
    await run(
        session, "def total(): return int(sales.x.sum())\ndef of(name): return globals()[name]"
    )
    assert (await run(session, "total()")).result == "1"
    await put(session, tmp_path / "p", frame(1, 2))
    assert (await run(session, "total()")).result == "3"
    await put(session, tmp_path / "p", frame(7), "costs")
    assert (await run(session, "int(of('co' + 'sts').x.sum())")).result == "7"


async def test_types_come_back(sandbox, tmp_path):
    session = await sandbox.open("a")
    value = pd.DataFrame(
        {"c": pd.Categorical(["a", "b"]), "t": pd.to_datetime(["2026-01-01", None], utc=True)},
        index=pd.Index([5, 7], name="key"),
    )
    await put(session, tmp_path / "p", value)
    expected = f"{[str(kind) for kind in value.dtypes]}"
    assert (await run(session, "[str(kind) for kind in sales.dtypes]")).result == expected
    assert (await run(session, "sales.index.name")).result == "'key'"


async def test_new_content_is_bound_again(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1))
    await run(session, "sales['y'] = 2")
    await put(session, tmp_path / "p", frame(1, 2))
    assert (await run(session, "sales.shape")).result == "(2, 1)"


TAKEN = ["sales = 5", "import json as sales", "def sales(): ...", "from os import path as sales"]


@pytest.mark.parametrize("code", TAKEN)
async def test_a_frame_takes_its_name_from_whatever_had_it(sandbox, tmp_path, code):
    session = await sandbox.open("a")
    await run(session, code)
    await put(session, tmp_path / "p", frame(1, 2))
    assert (await run(session, "sales.shape")).result == "(2, 1)"


@pytest.mark.parametrize("name", ["list", "max", "print", "display", "match", "_"])
async def test_a_frame_may_have_the_name_of_a_builtin(sandbox, tmp_path, name):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1, 2), name)
    assert (await run(session, f"{name}.shape")).result == "(2, 1)"


@pytest.mark.parametrize("change", ["sales = sales.head(1)", "sales['y'] = 1", "del sales"])
async def test_what_code_made_of_a_frame_stays_until_it_is_put_again(sandbox, tmp_path, change):
    session = await sandbox.open("a")
    folder = tmp_path / "p"
    folder.mkdir()
    path = frame_codec.pack(frame(1, 2), "sales", folder)
    await session.put(path.name, path)
    await run(session, change)
    shape = "sales.shape if 'sales' in dir() else None"
    changed = (await run(session, shape)).result
    assert changed != "(2, 1)"
    await session.put(path.name, path, bind=False)
    assert (await run(session, shape)).result == changed
    await session.put(path.name, path)
    assert (await run(session, shape)).result == "(2, 1)"


async def test_an_untouched_file_is_not_copied_again(sandbox, tmp_path):
    session = await sandbox.open("a")
    source = tmp_path / "x.csv"
    source.write_text("a\n1\n")
    node = "__import__('os').stat('x.csv').st_ino"
    await session.put("x.csv", source)
    first = (await run(session, node)).result
    await session.put("x.csv", source)
    assert (await run(session, node)).result == first
    # The same size and time: only the time of the change itself tells.
    forge = "import os; s = os.stat('x.csv'); open('x.csv', 'w').write('b\\n2\\n')\n"
    await run(session, f"{forge}os.utime('x.csv', ns=(s.st_atime_ns, s.st_mtime_ns))")
    await session.put("x.csv", source)
    assert (await run(session, "open('x.csv').read()")).result == "'a\\n1\\n'"
    source.write_text("c\n3\n")
    await session.put("x.csv", source)
    assert (await run(session, "open('x.csv').read()")).result == "'c\\n3\\n'"


async def test_a_frame_that_cannot_be_loaded_is_no_variable(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path, frame(1))
    await run(session, "sales")
    header = {"name": "sales", "kind": "no.Such", "rows": 1, "columns": 1, "value": {}}
    path = tmp_path / "sales.arrow"
    file_format.write(path, pa.table({"x": [1]}), header, lambda _: None)
    await session.put(path.name, path)
    outcome = await run(session, "sales")
    assert "sales could not be loaded from sales.arrow" in outcome.text
    assert outcome.error.name == "NameError"


async def test_a_fresh_interpreter_finds_the_frames_again(sandbox, tmp_path):
    session = await sandbox.open("a")
    await put(session, tmp_path / "p", frame(1, 2))
    await run(session, "sales")
    await session.close()
    assert (await run(session, "len(sales)")).result == "2"


async def test_files_that_are_no_parcels_are_left_alone(sandbox, tmp_path):
    session = await sandbox.open("a")
    code = """
import os
open("broken.parquet", "w").write("no")
os.mkfifo("pipe.arrow")
os.mkdir("directory.parquet")
"""
    await run(session, code)
    assert (await run(session, "broken = pipe = 1\nbroken")).result == "1"
