"""Sessions without a zygote, and the level of macOS that stands on them.

What Seatbelt does can be seen on a Mac alone. Here are its profile as a text, the sessions
without their walls, and that no session starts where the walls cannot be put up.
"""

from __future__ import annotations

import asyncio

import psutil
import pytest

from aoai_magic.sandbox.host import levels, local
from aoai_magic.sandbox.host.cold import ColdNursery
from aoai_magic.sandbox.isolation import seatbelt
from aoai_magic.sandbox.protocol import Stream

from .cells import Outcome, run


def test_the_profile_denies_all_that_it_does_not_name():
    text = seatbelt.profile(["/opt/python"], ["/Users/a/s/data", '/Users/a/"x\\y'])
    lines = text.splitlines()
    assert lines[:2] == ["(version 1)", "(deny default)"]
    assert all(line.startswith("(allow ") for line in lines[2:])
    assert text.count("(") == text.count(")")
    assert "network" not in text
    (writing,) = [line for line in lines if "file-write*" in line]
    assert '(subpath "/Users/a/s/data")' in writing
    assert '(subpath "/Users/a/\\"x\\\\y")' in writing
    assert "/opt/python" not in writing
    (reading,) = [line for line in lines if "file-read* " in line]
    assert '(subpath "/opt/python")' in reading


@pytest.mark.parametrize("path", ["/", "//", "relative", "", "/./"])
def test_a_path_that_would_allow_everything_is_refused(path):
    with pytest.raises(ValueError, match="profile"):
        seatbelt.profile([path], [])
    with pytest.raises(ValueError, match="profile"):
        seatbelt.profile([], [path])


async def test_where_seatbelt_is_missing_no_session_starts(tmp_path):
    sandbox = local.LocalSandbox(tmp_path, local.Limits(), levels.SEATBELT, preload=[])
    with pytest.raises(local.SandboxError, match="sandbox-exec"):
        await sandbox.start()


def test_the_level_says_that_it_is_untried():
    assert "not been tried" in levels.SEATBELT.gaps[0]


@pytest.fixture
async def session(make_sandbox, monkeypatch):
    monkeypatch.setattr(local, "Nursery", ColdNursery)
    return await (await make_sandbox(level="none")).open("a")


async def test_a_cold_session_keeps_its_variables(session):
    await run(session, "x = 20")
    outcome = await run(session, "import os\nprint(os.getcwd(), flush=True)\n!echo out\nx + 1")
    assert outcome.text == "/mnt/data\nout\n"
    assert outcome.result == "21"


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)", "!sleep 60"])
async def test_a_cold_session_is_interrupted(session, code):
    await run(session, "x = 1")
    events = []
    async for event in session.run(f"print('now', flush=True)\n{code}"):
        events.append(event)
        if isinstance(event, Stream):
            session.cell.interrupt()
    assert Outcome(events).ended == []
    assert (await run(session, "x")).result == "1"


async def test_a_cold_session_ends_with_all_it_started(session):
    code = "import subprocess\nsubprocess.Popen(['setsid', 'sleep', '1000']).pid"
    await run(session, code)
    first, tree = psutil.Process(session.interpreter.pid), []
    while "sleep" not in [process.name() for process in tree]:  # setsid may not be there yet
        await asyncio.sleep(0.02)
        tree = first.children(recursive=True)
    await session.close()
    _, alive = await asyncio.to_thread(psutil.wait_procs, tree, 10)
    assert alive == []


async def test_a_cold_session_that_died_says_so_and_comes_back(session):
    outcome = await run(session, "import os\nos._exit(3)")
    assert "files are kept" in outcome.ended[0]
    assert (await run(session, "1 + 1")).result == "2"
