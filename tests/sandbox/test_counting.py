"""Limits count what they say: also what has no name, lies in the kernel, or outlives its cell."""

from __future__ import annotations

import asyncio
import time

import pytest

from aoai_magic.sandbox.host import processes, watchdog
from aoai_magic.sandbox.protocol import Error, Limits

from .cells import run

pytestmark = pytest.mark.lengthy

MB = 1 << 20
LEVELS = ["namespaces", "landlock"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("held", ["open", "mapped", "by a child"])
async def test_files_without_a_name_count(make_sandbox, level, held):
    sandbox = await make_sandbox(Limits(disk=32 * MB), level)
    session = await sandbox.open("a")
    code = f"""
import mmap, os, subprocess, time
kept = []
for i in range(40):
    f = open("x", "w+b"); f.write(os.urandom(2 << 20)); f.flush()
    os.unlink("x")
    if {held!r} == "open": kept.append(f)
    elif {held!r} == "mapped": kept.append(mmap.mmap(f.fileno(), 2 << 20)); f.close()
    else: kept.append(subprocess.Popen(["sleep", "100"], stdin=f)); f.close()
    time.sleep(0.05)
time.sleep(30)
"""
    if held == "mapped":  # Python's own mapping holds a descriptor too; the C library's none
        code = code.replace("kept.append(mmap.mmap(f.fileno(), 2 << 20))", "keep(f.fileno())")
        code = (
            "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
            "def keep(fd): assert libc.mmap(None, ctypes.c_size_t(2 << 20), 1, 1, fd, "
            f"ctypes.c_long(0)) != -1\n{code}"
        )
    outcome = await run(session, code, 60)
    assert outcome.limits == ["disk"]


async def test_names_count_too(make_sandbox):
    sandbox = await make_sandbox(Limits(disk=8 * MB))
    session = await sandbox.open("a")
    outcome = await run(session, "for i in range(200_000): open(str(i), 'w').close()", 100)
    assert outcome.limits == ["disk"]
    assert len(list(session.data.iterdir())) < 100_000


async def test_what_waits_in_sockets_counts_as_memory(make_sandbox):
    sandbox = await make_sandbox(Limits(memory=300 * MB))
    session = await sandbox.open("a")
    code = """
import socket, time
kept = []
try:
    while True:
        pair = socket.socketpair(); kept.append(pair)
        for one in pair:
            one.setblocking(False)
            try:
                while True: one.send(bytes(1 << 16))
            except BlockingIOError: pass
except OSError: pass
time.sleep(30)
"""
    outcome = await run(session, code, 60)
    assert "memory" in outcome.limits


async def test_page_tables_count_as_memory(make_sandbox):
    sandbox = await make_sandbox(Limits(memory=300 * MB))
    session = await sandbox.open("a")
    code = """
import mmap, time
kept = mmap.mmap(-1, 1 << 38, mmap.MAP_PRIVATE | 0x4000, mmap.PROT_READ)
for at in range(0, 1 << 38, 2 << 20): kept[at]
time.sleep(30)
"""
    outcome = await run(session, code, 100)
    assert "memory" in outcome.limits


async def test_ordinary_use_of_sockets_is_not_charged(make_sandbox):
    session = await (await make_sandbox()).open("a")
    await run(session, "import socket\nkept = [socket.socketpair() for _ in range(20)]")
    pids = processes.descendants(session.interpreter.pid)
    assert sum(map(processes.kernel_memory, pids)) < 10 * MB


async def test_errors_of_a_cell_share_one_limit(make_sandbox):
    session = await (await make_sandbox(Limits(output=100_000))).open("a")
    code = """
from IPython import get_ipython
for i in range(300):
    try: raise ValueError("x" * 50_000)
    except ValueError: get_ipython().showtraceback()
"""
    outcome = await run(session, code, 60)
    errors = [event for event in outcome.events if isinstance(event, Error)]
    assert 1 <= len(errors) <= 50
    assert sum(len(error.value) + len(error.traceback) for error in errors) <= 100_000
    assert outcome.limits == ["output"]


@pytest.mark.parametrize("level", LEVELS)
async def test_what_computes_on_after_its_cell_is_ended_and_told(make_sandbox, level, monkeypatch):
    monkeypatch.setattr(watchdog, "_AFTER_CELL", 1.0)
    monkeypatch.setattr(watchdog, "_IDLE", 0.1)
    session = await (await make_sandbox(level=level)).open("a")
    hog = "subprocess.Popen([sys.executable, '-S', '-c', 'while True: pass'])"
    await run(session, f"import subprocess, sys, time\nx = 1\nchild = {hog}\nidle = 5")
    await _until(lambda: session._notes)
    outcome = await run(session, "print(child.wait(), x)")
    assert "after the cell" in outcome.text
    assert outcome.text.endswith("-9 1\n")


async def test_a_thread_that_computes_on_ends_the_session_which_says_so(make_sandbox, monkeypatch):
    monkeypatch.setattr(watchdog, "_AFTER_CELL", 1.0)
    monkeypatch.setattr(watchdog, "_IDLE", 0.1)
    session = await (await make_sandbox()).open("a")
    code = "import threading\ndef burn():\n    while True: pass\n"
    await run(session, f"{code}threading.Thread(target=burn, daemon=True).start()")
    await _until(lambda: not session.alive)
    assert (await run(session, "1 + 1")).ended


async def _until(holds) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
