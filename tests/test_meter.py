"""Work that tells how far it has come, and ends when nobody waits for it."""

import asyncio
import threading
from contextlib import aclosing

import pytest

from aoai_magic.turn import progress
from aoai_magic.turn.events import Progress
from aoai_magic.turn.progress import (
    Metered,
    MeteredFile,
    Stopped,
    in_thread,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setattr(progress, "EVERY", 0.01)


async def test_short_work_says_nothing(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 60)

    async def work():
        progress.current().begin("packing", 2)
        return "done"

    work = Metered(work())
    assert [event async for event in work.events()] == []
    assert (work.result, work.succeeded) == ("done", True)


async def test_a_thread_tells_how_far_it_has_come():
    go_on = threading.Event()

    def pack():
        progress.current().begin("packing sales", 20)
        progress.current().add(5)
        assert go_on.wait(20)
        return "packed"

    work = Metered(in_thread(pack))
    seen = []
    async for event in work.events():
        seen.append(event)
        go_on.set()
    assert Progress("packing sales", 5, 20) in seen
    assert work.result == "packed"


async def test_what_fails_is_raised_by_the_result():
    async def work():
        raise ValueError("no room")

    work = Metered(work())
    assert [event async for event in work.events()] == []
    assert (work.done, work.succeeded) == (True, False)
    with pytest.raises(ValueError, match="no room"):
        _ = work.result


async def test_leaving_early_ends_the_thread_too():
    ended = []

    def pack():
        try:
            progress.current().begin("packing")
            while True:
                progress.current().add(1)
        except Stopped:
            ended.append(True)
            raise

    async with aclosing(Metered(in_thread(pack)).events()) as moves:
        async for _ in moves:
            break
    assert ended == [True]


async def test_work_that_nobody_watches_goes_on():
    progress.current().begin("packing", 2)
    progress.current().add(2)


async def test_a_file_tells_what_was_read_and_begins_again(tmp_path):
    (tmp_path / "x").write_bytes(b"abcdef")
    seen = []

    async def send():
        with MeteredFile(tmp_path / "x") as file:
            file.meter.begin("sending x", file.size)
            for _ in range(2):
                file.seek(0)
                while file.read(4):
                    seen.append(file.meter.done)
                    await asyncio.sleep(0)
            return file.meter.total

    work = Metered(send())
    assert [event.what async for event in work.events()] in ([], ["sending x"])
    assert (seen, work.result) == ([4, 6, 4, 6], 6)
