import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from aoai_magic.frame_codec import (
    Manifest,
    pack,
    peek,
    unpack,
)


def test_a_frame_comes_back_equal(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([5, 7], name="key"))

    path = pack(frame, "sales", tmp_path)

    assert path == tmp_path / "sales.arrow"
    pd.testing.assert_frame_equal(unpack(path), frame)


def test_peek_reads_name_kind_and_size(tmp_path):
    path = pack(pd.DataFrame({"a": [1, 2, 3], "b": 0}), "sales", tmp_path)

    assert peek(path) == Manifest("sales", "pandas.DataFrame", 3, 2)


@pytest.mark.parametrize(
    "data",
    [b"", b"ARROW1\0\0", b"PAR1", os.urandom(4096)],
    ids=["empty", "ipc", "parquet", "noise"],
)
def test_peek_gives_none_for_a_file_that_is_no_parcel(tmp_path, data):
    path = tmp_path / "odd.arrow"
    path.write_bytes(data)

    assert peek(path) is None


def test_peek_gives_none_for_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.arrow")

    assert peek(tmp_path) is None
    assert peek(tmp_path / "absent.arrow") is None
    assert peek(tmp_path / "fifo.arrow") is None


@pytest.mark.parametrize(
    "header",
    ["not json", "[]", "null", '{"version": 1}', '{"version": 99}', "[" * 100_000],
    ids=["text", "list", "null", "incomplete", "newer", "deep"],
)
def test_peek_gives_none_for_an_odd_header(tmp_path, header):
    schema = pa.schema([("a", pa.int64())], metadata={b"aoai_magic": header.encode()})
    path = tmp_path / "odd.arrow"
    with pa.ipc.new_file(str(path), schema):
        pass

    assert peek(path) is None


def test_unpack_refuses_a_file_that_is_no_parcel(tmp_path):
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), pa.schema([("a", pa.int64())])):
        pass

    with pytest.raises(ValueError, match=r"a\.arrow is not a parcel"):
        unpack(tmp_path / "a.arrow")


def test_what_cannot_be_packed_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="A generator cannot be packed"):
        pack((x for x in ()), "x", tmp_path)


def test_a_name_cannot_lead_out_of_the_folder(tmp_path):
    with pytest.raises(ValueError, match=r"'\.\./x' is no name of a variable"):
        pack(pd.DataFrame(), "../x", tmp_path)


def test_the_value_is_writable_again(tmp_path):
    frame = unpack(pack(pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}), "x", tmp_path))
    array = unpack(pack(np.arange(3), "x", tmp_path))

    frame.loc[0, "a"] = 9
    frame.loc[0, "b"] = "z"
    array[0] = 9

    assert frame.loc[0].tolist() == [9, "z"]
    assert array[0] == 9


def test_any_arrow_reader_opens_a_parcel(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])})

    read = pd.read_feather(pack(frame, "x", tmp_path))

    pd.testing.assert_frame_equal(read, frame)


def test_the_header_is_json(tmp_path):
    path = pack(pd.DataFrame({"a": [1]}), "sales", tmp_path)

    header = json.loads(pa.ipc.open_file(str(path)).schema.metadata[b"aoai_magic"])

    assert (header["version"], header["name"], header["kind"]) == (1, "sales", "pandas.DataFrame")


def test_a_failed_pack_leaves_nothing(tmp_path):
    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        pack(pd.DataFrame({"a": [Unpicklable()]}), "x", tmp_path)

    assert list(tmp_path.iterdir()) == []
