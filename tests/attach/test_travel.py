"""From the notebook into a real session and back: what is attached is what code finds there."""

import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aoai_magic import parcel
from aoai_magic.attach.resolve import resolve
from aoai_magic.sandbox.local import open_sandbox
from aoai_magic.sandbox.session import Done, Error, Limits, SandboxError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox is for Linux")

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
from aoai_magic import parcel
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


def _read(session, name, folder):
    # The product never unpickles what a session wrote; here the session's code is ours.
    path = folder / f"{name}.arrow"
    with session.open(f"back/{name}.arrow") as file:
        path.write_bytes(file.read())
    return parcel.unpack(path)


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
