"""Frames with shapes: there with their coordinates, and back as what they are."""

import io

import numpy as np
import pandas as pd
import pytest

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import resolve
from aoai_magic.results.read_table import read_table

geopandas = pytest.importorskip("geopandas")
pytest.importorskip("geopandas.testing")


@pytest.fixture
def places():
    points = geopandas.points_from_xy([10.7, 12.5, np.nan], [59.9, 41.9, np.nan])
    frame = geopandas.GeoDataFrame(
        {"city": ["Oslo", "Rome", None], "people": [1, 2, 3]}, geometry=points, crs="EPSG:4326"
    )
    frame["around"] = frame.geometry.to_crs(3857).buffer(1000)
    return frame.set_geometry("around")


def same(got, want):
    geopandas.testing.assert_geodataframe_equal(got, want)
    assert got.geometry.name == want.geometry.name
    assert [got[name].crs for name in ("geometry", "around")] == [
        want[name].crs for name in ("geometry", "around")
    ]


def test_a_frame_of_shapes_keeps_geometry_and_coordinates(places, tmp_path):
    [item] = resolve(["places"], "", {"places": places}, tmp_path, folder=tmp_path)

    same(frame_codec.unpack(item.path), places)
    assert item.kind == "geopandas.GeoDataFrame"
    assert "- geometry: geometry[EPSG:4326]" in item.card
    assert "- around: geometry[EPSG:3857]" in item.card


def test_a_series_of_shapes(places, tmp_path):
    [item] = resolve(["shapes"], "", {"shapes": places["geometry"]}, tmp_path, folder=tmp_path)

    geopandas.testing.assert_geoseries_equal(frame_codec.unpack(item.path), places["geometry"])


def test_a_moved_point_is_seen(places, tmp_path):
    def digest(value):
        [item] = resolve(["x"], "", {"x": value}, tmp_path, folder=tmp_path)
        return item.sha256

    moved = places.copy()
    moved.loc[0, "geometry"] = moved.loc[1, "geometry"]

    assert digest(places) == digest(places.copy())
    assert digest(places) != digest(moved)
    assert digest(places) != digest(places.set_geometry("geometry"))


def test_geoparquet_comes_back_as_a_geodataframe(places):
    out = io.BytesIO()
    places.to_parquet(out)

    same(read_table(out.getvalue(), "places.parquet"), places)


def test_parquet_without_shapes_stays_a_dataframe():
    out = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(out)

    assert type(read_table(out.getvalue(), "a.parquet")) is pd.DataFrame
