"""One value of a notebook in one file, every type kept.

A parcel is an Arrow IPC file (also known as Feather, version 2), which any Arrow
reader opens. Its schema metadata holds a header under the key ``aoai_magic``: JSON
that says what Arrow does not know about the value (labels, index, dtypes), so that
`unpack` gives an equal one. What has no Arrow type at all (mixed objects, sparse
arrays, types of other packages) is pickled into one further column.

Arrow IPC and not Parquet: it was measured to write a mixed frame two to three times as
fast, and it keeps types that Parquet drops.

Parcels go from the notebook into a session, never back: `unpack` may unpickle, so
call it only where the file's author could run code anyway.
"""

from __future__ import annotations

from aoai_magic.frame_codec.file_format import Manifest, peek, plain
from aoai_magic.frame_codec.kinds import (
    Contents,
    contents,
    pack,
    shape,
    supported,
    unpack,
)
from aoai_magic.frame_codec.portable import Loss

__all__ = [
    "Contents",
    "Loss",
    "Manifest",
    "contents",
    "pack",
    "peek",
    "plain",
    "shape",
    "supported",
    "unpack",
]
