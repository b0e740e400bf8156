"""Frames whose rows are with an engine: written by it in parts, and never collected."""

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pytest
from many_types import FRAME, ROWS

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import attachable, describe
from aoai_magic.errors import AttachError
from aoai_magic.frame_codec.mapped_values import Mapped, dump


def test_a_dask_frame_comes_back_as_what_it_computes(attach):
    # Twelve parts: the tenth comes after the second, though not in the alphabet.
    for frame in (FRAME, FRAME.rename_axis("row"), FRAME.set_index("zone")):
        lazy = dd.from_pandas(frame, npartitions=12)

        found = attach(lazy)

        assert found.kind == "dask.DataFrame"
        expected = lazy.compute()
        pd.testing.assert_frame_equal(
            frame_codec.unpack(found.path), expected, check_index_type="equiv", check_freq=False
        )


def test_what_is_said_of_a_dask_frame(attach):
    lazy = dd.from_pandas(FRAME, npartitions=3)

    card = attach(lazy).card

    assert card.startswith("`x`: pandas.DataFrame, 1,200 rows × 6 columns, made of a dask.Data")
    assert "Index: unnamed: int64 (0 to 1199)." in card
    assert "- region: category" in card
    assert "null_dask" not in card
    assert attachable(lazy) == "dask DataFrame"


def test_nothing_is_computed_to_describe_or_to_complete():
    def scheduler(*_, **__):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=scheduler):
        lazy = dd.from_pandas(FRAME, npartitions=3)
        [found] = describe(["x"], "", {"x": lazy}, None)
    assert (found.kind, found.rows, found.bytes) == ("dask DataFrame", None, 0)


def test_a_part_without_values_takes_the_type_of_the_others(attach):
    frame = pd.DataFrame({"a": pd.array([None, None, "x", "y"], "object")})

    with dask.config.set({"dataframe.convert-string": False}):
        found = attach(dd.from_pandas(frame, npartitions=2))

    assert list(frame_codec.unpack(found.path)["a"])[2:] == ["x", "y"]


def test_categories_that_dask_does_not_know_yet(attach):
    lazy = dd.from_pandas(FRAME[["text"]], npartitions=3).astype({"text": "category"})

    back = frame_codec.unpack(attach(lazy).path)

    assert list(back["text"].cat.categories) == ["a"]


def test_a_sample_is_taken_by_dask(attach):
    counted = dd.from_pandas(FRAME, npartitions=4)

    found, again = attach(counted, rows=50), attach(counted, rows=50)

    numbers = list(frame_codec.unpack(found.path)["number"])
    assert len(numbers) == 50
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > ROWS // 2
    assert found.sha256 == again.sha256
    assert "a random sample of 50 of 1,200 rows, kept in their order" in found.card
    assert "sample" not in attach(counted, rows=ROWS).card


def test_an_engine_that_fails_is_said(attach):
    lazy = dd.from_pandas(FRAME, npartitions=2).map_partitions(_broken, meta=FRAME)

    with pytest.raises(AttachError, match=r"x cannot be attached .* \(no such part\)"):
        attach(lazy)


def _broken(part):
    raise ValueError("no such part")


def test_parts_that_are_out_of_sight_are_said(attach, monkeypatch):
    monkeypatch.setattr(dd.DataFrame, "to_parquet", lambda *_, **__: None)

    with pytest.raises(AttachError, match="x cannot be attached: Dask wrote its parts where this"):
        attach(dd.from_pandas(FRAME, npartitions=2))


def test_unchanged_dask_frames_have_one_hash(attach):
    first, again = (attach(dd.from_pandas(FRAME, npartitions=3)) for _ in range(2))
    other = attach(dd.from_pandas(FRAME.assign(number=0), npartitions=3))

    assert first.sha256 == again.sha256 != other.sha256


def test_what_pandas_has_looked_up_of_a_dtype_changes_no_byte():
    dtype = pd.Int64Dtype()
    mapped = Mapped("dask.DataFrame", pa.table({"n": [1, None]}), dtypes={"n": dtype})
    before = dump(mapped)
    assert dtype.itemsize == 8  # pandas keeps it in the dtype
    assert dump(mapped) == before
