"""Frames that are put into a session are its variables."""

from __future__ import annotations

import pandas as pd
import pytest

from aoai_magic import frame_codec

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
    assert (await run(session, "len([n for n in globals() if n.startswith('sal')])")).result == "0"
    assert (await run(session, "sales_total = 1")).error is None
    assert (await run(session, "len(sales)")).result == "1"


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


async def test_the_sessions_own_variables_are_never_overwritten(sandbox, tmp_path):
    session = await sandbox.open("a")
    await run(session, "sales = 'mine'")
    await put(session, tmp_path / "p", frame(1))
    assert (await run(session, "sales")).result == "'mine'"
    await put(session, tmp_path / "p", frame(1), "costs")
    await run(session, "costs = costs.assign(y=1)")
    await put(session, tmp_path / "p", frame(1, 2, 3), "costs")
    assert (await run(session, "costs.shape")).result == "(1, 2)"


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
