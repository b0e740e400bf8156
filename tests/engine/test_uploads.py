"""Files that are sent in parts, by the SDK."""

from __future__ import annotations

import hashlib
import io

import pytest
from openai import BadRequestError, NotFoundError

DATA = bytes(range(256)) * 9000


def begin(client, size, **options):
    return client.uploads.create(
        filename="big.csv", purpose="assistants", bytes=size, mime_type="text/csv", **options
    )


def test_a_file_in_parts_is_the_file(client):
    done = client.uploads.upload_file_chunked(
        file=DATA,
        filename="folder/big.csv",
        bytes=len(DATA),
        mime_type="text/csv",
        purpose="assistants",
        part_size=100_000,
        md5=hashlib.md5(DATA).hexdigest(),
    )
    assert (done.status, done.file.filename, done.file.bytes) == ("completed", "big.csv", len(DATA))
    assert client.files.content(done.file.id).content == DATA


def test_parts_are_joined_in_the_order_of_the_completion(client, engine):
    upload = begin(client, 6)
    ids = [client.uploads.parts.create(upload.id, data=data).id for data in (b"abc", b"def")]
    done = client.uploads.complete(upload.id, part_ids=ids[::-1])
    assert client.files.content(done.file.id).content == b"defabc"
    assert not [path for path in engine.data_dir.rglob("part_*") if path.is_file()]
    with pytest.raises(BadRequestError, match="is completed"):
        client.uploads.parts.create(upload.id, data=b"more")


@pytest.mark.parametrize(
    ("sent", "named", "md5", "message"),
    [
        ([b"abc"], [0], None, "hold 3 bytes, but the upload was announced with 6"),
        ([b"abc", b"def"], [0, 0], None, "Invalid part"),
        ([b"abc", b"def"], [0, 1], "0" * 32, "checksum"),
    ],
)
def test_an_upload_that_is_not_what_was_announced_is_refused(client, sent, named, md5, message):
    upload = begin(client, 6)
    ids = [client.uploads.parts.create(upload.id, data=data).id for data in sent]
    with pytest.raises(BadRequestError, match=message):
        client.uploads.complete(upload.id, part_ids=[ids[n] for n in named], md5=md5 or "")
    assert client.uploads.cancel(upload.id).status == "cancelled"


def test_parts_cannot_hold_more_than_was_announced(client):
    upload = begin(client, 4)
    client.uploads.parts.create(upload.id, data=b"abc")
    with pytest.raises(BadRequestError, match="more than the 4 bytes"):
        client.uploads.parts.create(upload.id, data=io.BytesIO(b"de"))


def test_unknown_uploads_and_purposes_are_named(client):
    with pytest.raises(NotFoundError, match="No such Upload object: upload_nosuch"):
        client.uploads.cancel("upload_nosuch")
    with pytest.raises(BadRequestError, match="Invalid value: 'nosuch'"):
        client.uploads.create(filename="a", purpose="nosuch", bytes=1, mime_type="text/plain")
