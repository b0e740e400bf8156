"""Files in an object store: a real S3 server, and two engines' folders of copies."""

from __future__ import annotations

import io

import httpx
import pytest

from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.storage.blobs import TooLarge, open_blobs


@pytest.fixture
def bucket(monkeypatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server._server.port}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    httpx.put(f"{url}/bucket", timeout=300).raise_for_status()
    yield "s3://bucket/folder"
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_one_engine_stores_another_reads_and_deletes(bucket, tmp_path):
    first, second, third = (open_blobs(bucket, tmp_path / name) for name in "abc")
    assert first.add("file-1", io.BytesIO(b"zebra"), 10) == 5
    assert (await first.path("file-1")).read_bytes() == b"zebra"
    assert (await second.path("file-1")).read_bytes() == b"zebra"
    assert (await second.path("file-1")).stat().st_mode & 0o777 == 0o600
    with pytest.raises(TooLarge):
        first.add("file-2", io.BytesIO(b"zebra"), 4)
    assert not (await second.path("file-2")).exists()
    second.discard("file-1")
    assert not (await second.path("file-1")).exists()
    with pytest.raises(FileNotFoundError):
        third.open("file-1")


def test_a_place_that_is_none_is_refused_in_one_line(tmp_path):
    with pytest.raises(StoreError, match=r"^The files cannot be kept where --blobs says: .*\Z"):
        open_blobs("nowhere://bucket", tmp_path)
