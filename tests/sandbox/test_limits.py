"""Limits strike, are named, and the session survives where it can."""

from __future__ import annotations

import asyncio

import pytest

from aoai_magic.sandbox.protocol import (
    Limit,
    Limits,
    SandboxError,
    Stream,
)

from .cells import run

pytestmark = pytest.mark.lengthy

MB = 1 << 20

LEVELS = ["namespaces", "landlock"]


@pytest.mark.parametrize("level", LEVELS)
async def test_memory_of_the_interpreter_is_bounded(make_sandbox, level):
    sandbox = await make_sandbox(Limits(memory=300 * MB), level)
    session = await sandbox.open("a")
    await run(session, "x = 1")
    outcome = await run(session, "kept = bytearray(50 << 30)")
    assert outcome.error.name == "MemoryError"
    assert outcome.limits == ["memory"]
    outcome = await run(session, "kept = []\nwhile True: kept.append(bytearray(1 << 20))")
    assert outcome.limits == ["memory"]
    outcome = await run(session, "kept = None\nx")
    assert outcome.result == "1"


@pytest.mark.parametrize("level", LEVELS)
async def test_memory_of_children_is_bounded_and_the_session_lives(make_sandbox, level):
    sandbox = await make_sandbox(Limits(memory=300 * MB), level)
    session = await sandbox.open("a")
    await run(session, "x = 1")
    code = """
import subprocess, sys
hog = "import time\\nx = bytearray(200 << 20)\\nx[::4096] = bytes(len(x[::4096]))\\ntime.sleep(30)"
children = [subprocess.Popen([sys.executable, "-S", "-c", hog]) for _ in range(4)]
print([child.wait() for child in children if child.wait()][:1])
for child in children: child.kill()
"""
    code = code.replace("[child.wait() for child in children if child.wait()][:1]", "wait_any()")
    waiting = "import time\ndef wait_any():\n    while True:\n" + (
        "        done = [c.returncode for c in children if c.poll() is not None]\n"
        "        if done: return done\n        time.sleep(0.05)\n"
    )
    outcome = await run(session, waiting + code)
    assert outcome.limits == ["memory"]
    assert "-9" in outcome.text
    assert (await run(session, "x")).result == "1"


async def test_shared_anonymous_memory_is_bounded(make_sandbox):
    sandbox = await make_sandbox(Limits(memory=300 * MB))
    session = await sandbox.open("a")
    code = "import mmap, time\nm = mmap.mmap(-1, 1 << 30)\nm[::4096] = bytes(len(m) // 4096)"
    outcome = await run(session, code + "\ntime.sleep(30)")
    assert outcome.limits == ["memory"]
    assert outcome.ended
    assert (await run(session, "1 + 1")).result == "2"


@pytest.mark.parametrize("level", LEVELS)
async def test_processes_are_bounded(make_sandbox, level):
    sandbox = await make_sandbox(Limits(processes=20), level)
    session, other = await sandbox.open("a"), await sandbox.open("b")
    code = """
import os, time
try:
    for _ in range(400):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
except OSError as error:
    raise
time.sleep(60)
"""
    outcome = await run(session, code)
    assert outcome.limits == ["processes"]
    assert (await run(other, "import subprocess\nsubprocess.run('true').returncode")).result == "0"


async def test_disk_is_bounded_and_can_be_freed(make_sandbox):
    sandbox = await make_sandbox(Limits(disk=20 * MB))
    session = await sandbox.open("a")
    code = """
import os, time
for i in range(10_000):
    with open(f"{i}.bin", "wb") as f:
        f.write(os.urandom(1 << 20))
    time.sleep(0.01)
"""
    outcome = await run(session, code)
    assert outcome.limits == ["disk"]
    assert outcome.ended == []
    freeing = "import glob, time\ntime.sleep(0.5)\nfor name in glob.glob('*'): os.remove(name)"
    outcome = await run(session, freeing)
    assert outcome.done.ok
    assert await session.files() == []


async def test_one_file_is_bounded_and_space_cannot_be_reserved(make_sandbox):
    sandbox = await make_sandbox(Limits(file=5 * MB))
    session = await sandbox.open("a")
    outcome = await run(session, "open('big', 'wb').write(bytes(10 << 20))")
    assert outcome.limits == ["disk"]
    outcome = await run(session, "import os\nos.posix_fallocate(os.open('r', 66), 0, 1 << 20)")
    usage = session.folder.used()
    assert usage.bytes <= 7 * MB


@pytest.mark.parametrize("level", LEVELS)
async def test_output_is_cut_with_a_note_of_how_much(make_sandbox, level):
    sandbox = await make_sandbox(Limits(output=1000), level)
    session = await sandbox.open("a")
    outcome = await run(session, "for i in range(1000): print('x' * 9)")
    assert outcome.text == "xxxxxxxxx\n" * 100
    assert outcome.limits == ["output"]
    (limit,) = [event for event in outcome.events if isinstance(event, Limit)]
    assert "9,000 bytes" in limit.message
    assert outcome.done.ok
    outcome = await run(session, "!head -c 5000 /dev/zero | tr '\\0' x")
    assert len(outcome.text) == 1000
    assert (await run(session, "import os; os.system('head -c 5000 /dev/zero')")).limits == [
        "output"
    ]
    assert (await run(session, "print('again')")).text == "again\n"


async def test_displays_are_bounded(make_sandbox):
    sandbox = await make_sandbox(Limits(output=1000))
    session = await sandbox.open("a")
    shown = "HTML('<b ' + 'x' * 9_900 + '>')"
    code = f"from IPython.display import HTML\nfor _ in range(5): display({shown})"
    outcome = await run(session, code)
    assert len(outcome.displays) == 3
    assert outcome.limits == ["output"]


async def test_time_is_bounded(make_sandbox):
    sandbox = await make_sandbox(Limits(cell_seconds=2))
    session = await sandbox.open("a")
    await run(session, "x = 1")
    outcome = await run(session, "print('before')\nwhile True: pass", None)
    assert outcome.limits == ["time"]
    assert outcome.text == "before\n"
    assert not outcome.done.ok
    assert (await run(session, "x")).result == "1"


@pytest.mark.parametrize("level", LEVELS)
async def test_processor_time_is_bounded_over_all_processes(make_sandbox, level):
    sandbox = await make_sandbox(Limits(cpu_seconds=1), level)
    session = await sandbox.open("a")
    await run(session, "x = 1")
    hog = "subprocess.run([sys.executable, '-S', '-c', 'while True: pass'])"
    for code in ("while True: pass", f"import subprocess, sys\n{hog}"):
        outcome = await run(session, f"print('before')\n{code}", 100)
        assert outcome.limits == ["cpu"]
        assert outcome.text.startswith("before\n")
        assert outcome.ended == []
    assert (await run(session, "x")).result == "1"


async def test_descriptors_are_bounded(make_sandbox):
    sandbox = await make_sandbox(Limits(open_files=64))
    session = await sandbox.open("a")
    outcome = await run(session, "kept = [open('/dev/null') for _ in range(100)]")
    assert "Too many open files" in outcome.error.value
    assert outcome.limits == ["open_files"]


async def test_the_longest_idle_session_makes_room(make_sandbox):
    sandbox = await make_sandbox(Limits(sessions=2))
    first, second = await sandbox.open("1"), await sandbox.open("2")
    await run(first, "x = 1\nopen('kept', 'w').write('x')")
    await run(second, "x = 2")
    third = await sandbox.open("3")
    assert [s.alive for s in (first, second, third)] == [False, True, True]
    outcome = await run(first, "import os\nos.listdir('.')")
    assert "made room" in outcome.ended[0]
    assert outcome.result == "['kept']"


async def test_running_sessions_are_not_put_away(make_sandbox):
    sandbox = await make_sandbox(Limits(sessions=1))
    first = await sandbox.open("1")
    started = asyncio.Event()

    async def occupy():
        async for event in first.run("print('on', flush=True)\nimport time; time.sleep(60)"):
            if isinstance(event, Stream):
                started.set()

    task = asyncio.get_running_loop().create_task(occupy())
    await started.wait()
    with pytest.raises(SandboxError, match="running code"):
        await sandbox.open("2")
    await first.interrupt()
    await task


@pytest.mark.parametrize("limits", [Limits(idle_seconds=0.2), Limits(life_seconds=0.2)])
async def test_old_and_idle_sessions_are_put_away_with_their_files_kept(make_sandbox, limits):
    sandbox = await make_sandbox(limits)
    session = await sandbox.open("1")
    await run(session, "x = 1\nopen('kept', 'w').write('x')")
    for _ in range(100):
        if not session.alive:
            break
        await asyncio.sleep(0.05)
    outcome = await run(await sandbox.open("1"), "import os\nos.listdir('.')")
    assert "0.2 seconds" in outcome.ended[0]
    assert outcome.result == "['kept']"


async def test_memory_that_libraries_reserve_is_not_taken_from_the_session(make_sandbox):
    preload = ["IPython", "numpy", "pandas", "pyarrow"]
    sandbox = await make_sandbox(Limits(memory=1024 * MB), preload=preload)
    session = await sandbox.open("a")
    code = "import numpy, pyarrow.feather\nx = numpy.ones(70 << 20)\nprint(len(x), end='')"
    outcome = await run(session, code, 60)
    assert outcome.error is None
    assert outcome.text == f"{70 << 20}"
