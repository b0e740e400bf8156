"""Samples of what has its rows elsewhere."""

from fractions import Fraction

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from aoai_magic import frame_codec
from aoai_magic.attach import sample
from aoai_magic.attach.resolve import resolve

SCHEMA = pa.schema([("a", pa.int64())])


@pytest.fixture
def taken(tmp_path):
    def call(value, rows):
        [found] = resolve(["x"], "", {"x": value}, tmp_path, folder=tmp_path, rows=rows)
        return found

    return call


def stream(sizes):
    start = 0
    for size in sizes:
        yield pa.record_batch([pa.array(np.arange(start, start + size))], schema=SCHEMA)
        start += size


def chosen(sizes, rows):
    table, total = sample.of_batches(stream(sizes), SCHEMA, rows)
    assert total == sum(sizes)
    return table["a"].to_pylist()


def test_a_stream_is_sampled_as_it_goes_by(monkeypatch):
    monkeypatch.setattr(sample, "_SLACK", 10)
    sizes = [7, 0, 100, 1, 3000]

    got = chosen(sizes, 20)

    assert len(got) == 20
    assert got == sorted(set(got))
    assert got == chosen(sizes, 20)


def test_every_row_of_a_stream_has_the_same_chance(monkeypatch):
    monkeypatch.setattr(sample, "_SLACK", 0)
    got = chosen([100] * 200, 2_000)

    share = Fraction(sum(place < 10_000 for place in got), len(got))
    assert Fraction(45, 100) < share < Fraction(55, 100)


@pytest.mark.parametrize("sizes", [[], [0], [3, 2]])
def test_short_streams_are_taken_whole(sizes):
    assert chosen(sizes, 10) == list(range(sum(sizes)))
    assert chosen(sizes, None) == list(range(sum(sizes)))


def test_a_polars_query_gives_only_the_rows_of_the_sample(taken):
    whole = pl.LazyFrame({"row_": range(1_000)})
    query = whole.with_columns(pl.col("row_") * 2)

    found = taken(query, 10)
    got = frame_codec.unpack(found.path)

    assert got.columns == ["row_"]
    assert len(got) == 10
    assert got["row_"].is_sorted()
    assert "a random sample of 10 of 1,000 rows" in found.card
    assert frame_codec.unpack(taken(query, 5_000).path).equals(query.collect())


def test_a_duckdb_relation_and_a_dataset(taken):
    duckdb = pytest.importorskip("duckdb")
    # Long enough not to be one batch.
    relation = duckdb.sql("select range as a from range(300000)")
    dataset = ds.dataset(pa.table({"a": range(300_000)}))

    for value in (relation, dataset):
        found, again = taken(value, 50), taken(value, 50)
        numbers = frame_codec.unpack(found.path)["a"].to_pylist()
        assert len(numbers) == 50
        assert numbers == sorted(set(numbers))
        assert numbers[-1] > 150_000
        assert found.sha256 == again.sha256
