"""Frames of Spark, pandas on Spark and Ray; `scripts/test` runs this in its own environment."""

import datetime as dt

import pandas as pd
import pytest
from many_types import FRAME, ROWS

from aoai_magic import frame_codec

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(900)]

MISSING = "needs Spark and Ray: pip install -e '.[test-distributed]'"


@pytest.fixture(scope="module")
def spark():
    pytest.importorskip("pyspark", reason=MISSING)
    from pyspark.sql import SparkSession

    zone = ("spark.sql.session.timeZone", "Asia/Tokyo")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config(*zone).getOrCreate()
    yield session
    session.stop()


def test_a_spark_frame(attach, spark):
    noon = dt.datetime(2024, 7, 1, 12, tzinfo=dt.timezone.utc)
    rows = [(i, None if i % 2 else "a", noon + dt.timedelta(hours=i)) for i in range(500)]
    frame = spark.createDataFrame(rows, ["number", "text", "moment"])

    found, few = attach(frame), attach(frame, rows=20)

    back = frame_codec.unpack(found.path)
    assert (found.kind, len(back)) == ("pyspark.DataFrame", 500)
    assert back["number"].tolist() == list(range(500))
    assert back["moment"][0] == pd.Timestamp(noon)
    assert str(back["moment"].dt.tz) == "Asia/Tokyo"
    assert len(frame_codec.unpack(few.path)) == 20


def test_a_frame_of_pandas_on_spark(attach, spark):
    from pyspark import pandas as ps

    made = FRAME.drop(columns="zone").assign(nanoseconds=FRAME["nanoseconds"].dt.floor("us"))
    index = pd.MultiIndex.from_arrays([FRAME["number"] // 10, FRAME["number"] % 10])
    for frame in (made, made.set_index("number"), made.set_index(index).rename_axis(["a", None])):
        found, few = attach(ps.from_pandas(frame)), attach(ps.from_pandas(frame), rows=20)

        back = frame_codec.unpack(found.path)
        assert found.kind == "pyspark.pandas.DataFrame"
        pd.testing.assert_frame_equal(
            back, ps.from_pandas(frame).to_pandas(), check_index_type="equiv", check_freq=False
        )
        assert len(frame_codec.unpack(few.path)) == 20
        assert "made of a pyspark.pandas.DataFrame" in found.card


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason=MISSING)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_a_ray_dataset(attach, ray):
    dataset = ray.data.from_pandas(FRAME[["number", "zone", "text"]])

    found, few = attach(dataset), attach(dataset, rows=20)

    back = frame_codec.unpack(found.path)
    assert (found.kind, back["number"].tolist()) == ("ray.Dataset", list(range(ROWS)))
    assert str(back["zone"].dt.tz) == "Europe/Vienna"
    assert len(frame_codec.unpack(few.path)) == 20
