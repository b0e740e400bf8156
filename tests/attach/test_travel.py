"""From the notebook into a real session and back: what is attached is what code finds there."""

import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from any_frame import frames
from hypothesis import HealthCheck, given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import resolve
from aoai_magic.results.read_table import read_table
from aoai_magic.sandbox.host.local import open_sandbox
from aoai_magic.sandbox.protocol import (
    Done,
    Error,
    Limits,
    SandboxError,
    Stream,
)

pytestmark = [
    pytest.mark.lengthy,
    pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox is for Linux"),
]

FRAME = pd.DataFrame(
    {
        "integers": [1, 2, 3],
        "floats": [1.5, np.nan, -0.0],
        "text": ["a", None, "日本"],
        "nullable": pd.array([1, None, 3], "Int64"),
        "ordered": pd.Categorical(["b", "a", None], ["b", "a", "unused"], ordered=True),
        "zone": pd.date_range("2024-10-27", periods=3, freq="h", tz="Europe/Berlin"),
        "period": pd.period_range("2024", periods=3, freq="M"),
        "interval": pd.interval_range(0, 3),
        "duration": pd.to_timedelta([1, None, 3], "h"),
        "decimal": [Decimal("1.50"), None, Decimal("2.25")],
        "nested": [[1], {"a": None}, None],
        "sparse": pd.arrays.SparseArray([0, 0, 1]),
    },
    index=pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=["k", None]),
)
TWINS = FRAME[["integers", "text"]].set_axis([1, 1], axis=1)

COPY = """
from pathlib import Path
from aoai_magic import frame_codec as parcel
Path("/mnt/data/back").mkdir(exist_ok=True)
for name, value in {"frame": frame, "twins": twins, "cube": cube}.items():
    parcel.pack(value, name, Path("/mnt/data/back"))
"""


@pytest.fixture
def open_folder():
    # Every folder above must be open to the account that sessions run as.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
async def session(open_folder):
    sandbox = open_sandbox("", open_folder, Limits())
    try:
        await sandbox.start()
    except SandboxError as error:
        pytest.skip(f"no isolation on this machine: {error}")
    yield await sandbox.open("travel")
    await sandbox.close()


async def test_what_is_attached_is_equal_there_and_back(session, tmp_path):
    values = {"frame": FRAME, "twins": TWINS, "cube": np.arange(24.0).reshape(2, 3, 4)}
    for item in resolve(list(values), "", values, tmp_path, folder=tmp_path / "packed"):
        await session.put(item.filename, item.path)

    events = [event async for event in session.run(COPY)]

    assert not [event for event in events if isinstance(event, Error)]
    assert isinstance(events[-1], Done)
    back = {name: _read(session, name, tmp_path) for name in values}
    pd.testing.assert_frame_equal(back["frame"], FRAME, check_exact=True)
    pd.testing.assert_frame_equal(back["twins"], TWINS, check_exact=True)
    np.testing.assert_array_equal(back["cube"], values["cube"])


TRAVELS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
BACK = """
from pathlib import Path
from aoai_magic import frame_codec as parcel
parcel.pack(frame, "back", Path("/mnt/data"))
"""


async def _travelled(session, value, folder):
    """Return what a session has of a value when its code names it."""
    [item] = resolve(["frame"], "", {"frame": value}, folder, folder=folder / "packed")
    await session.put(item.filename, item.path)
    item.path.unlink()
    events = [event async for event in session.run(BACK)]
    assert isinstance(events[-1], Done), events
    assert events[-1].ok, events
    path = folder / "returned.arrow"
    with session.open("back.arrow") as file:
        path.write_bytes(file.read())
    return frame_codec.unpack(path)


@TRAVELS
@given(frame=frames())
async def test_any_frame_of_pandas_is_equal_there_and_back(session, tmp_path, frame):
    back = await _travelled(session, frame, tmp_path)

    pd.testing.assert_frame_equal(
        back, frame, check_exact=True, check_freq=True, check_column_type=True, check_flags=True
    )
    for place in range(frame.shape[1]):
        assert list(map(repr, back.iloc[:, place])) == list(map(repr, frame.iloc[:, place]))


@TRAVELS
@given(frame=dataframes(max_cols=4, max_size=4, excluded_dtypes=[pl.Object]))
async def test_any_frame_of_polars_is_equal_there_and_back(session, tmp_path, frame):
    back = await _travelled(session, frame, tmp_path)

    assert_frame_equal(back, frame)


SAVE = """
frame.to_parquet("/mnt/data/frame.parquet")
frame.to_feather("/mnt/data/frame.feather")
"""
KEPT = FRAME.drop(columns=["nested", "sparse", "interval"]).reset_index(drop=True)


async def test_what_code_saves_comes_back_with_its_types(session, tmp_path):
    [item] = resolve(["frame"], "", {"frame": KEPT}, tmp_path, folder=tmp_path / "packed")
    await session.put(item.filename, item.path)

    events = [event async for event in session.run(SAVE)]

    assert events[-1].ok, events
    for name in ("frame.parquet", "frame.feather"):
        with session.open(name) as file:
            back = read_table(file.read(), name)
        pd.testing.assert_frame_equal(back, KEPT, check_exact=True)


PEAK = "import resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, end='')"


async def test_a_session_needs_little_more_memory_than_the_frame(session, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(1_000_000, 24))
    frame = pd.DataFrame(numbers, columns=[f"c{n}" for n in range(24)])
    [item] = resolve(["frame"], "", {"frame": frame}, tmp_path, folder=tmp_path / "packed")
    await session.put(item.filename, item.path)

    before = await _printed(session, PEAK)
    after = await _printed(session, f"total = frame['c23'].sum()\n{PEAK}")

    assert (int(after) - int(before)) * 1024 < 1.6 * frame.memory_usage().sum()


async def _printed(session, code):
    return "".join([e.text async for e in session.run(code) if isinstance(e, Stream)])


def _read(session, name, folder):
    # The product never unpickles what a session wrote; here the session's code is ours.
    path = folder / f"{name}.arrow"
    with session.open(f"back/{name}.arrow") as file:
        path.write_bytes(file.read())
    return frame_codec.unpack(path)


LOOK = """
import json, numpy, scipy.sparse, xarray
from PIL import Image
assert grid.dims == ("y", "x") and grid.sel(x=20).values.tolist() == [1.0, 4.0], grid
assert scipy.sparse.issparse(matrix) and matrix.toarray().tolist() == [[0, 2], [0, 0]]
assert cube.shape == (2, 3, 4) and cube.dtype == "int16"
assert Image.open("/mnt/data/picture.png").getpixel((0, 0)) == (255, 0, 0)
assert json.load(open("/mnt/data/figure.json"))["data"][0]["y"] == [1, 2]
assert json.load(open("/mnt/data/chart.json"))["mark"]["type"] == "bar"
print("all there")
"""


async def test_arrays_pictures_and_figures_arrive(session, tmp_path):
    scipy, xarray = pytest.importorskip("scipy.sparse"), pytest.importorskip("xarray")
    figures, altair = pytest.importorskip("plotly.graph_objects"), pytest.importorskip("altair")
    image = pytest.importorskip("PIL.Image")
    values = {
        "grid": xarray.DataArray(
            np.arange(6.0).reshape(2, 3), dims=("y", "x"), coords={"x": [10, 20, 30]}
        ),
        "matrix": scipy.csr_matrix([[0, 2], [0, 0]]),
        "cube": np.zeros((2, 3, 4), "int16"),
        "picture": image.new("RGB", (2, 2), "red"),
        "figure": figures.Figure(figures.Scatter(y=[1, 2])),
        "chart": altair.Chart(pd.DataFrame({"a": [1]})).mark_bar().encode(x="a"),
    }
    for item in resolve(list(values), "", values, tmp_path, folder=tmp_path / "packed"):
        await session.put(item.filename, item.path)

    events = [event async for event in session.run(LOOK)]

    assert [event.traceback for event in events if isinstance(event, Error)] == []
