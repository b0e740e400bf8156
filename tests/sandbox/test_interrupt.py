"""An interrupt stops the cell it was meant for, whenever it comes, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time

import pytest

from aoai_magic.sandbox.host.interrupt_grace import GRACE, InterruptGrace
from aoai_magic.sandbox.protocol import Stream

from .cells import Outcome, run

LEVELS = ["namespaces", "landlock"]


async def interrupted(session, code: str) -> Outcome:
    """Run a cell and interrupt it when it has printed something."""
    events = []
    async for event in session.run(code, 60):
        events.append(event)
        if isinstance(event, Stream):
            session.cell.interrupt()
    return Outcome(events)


@pytest.mark.parametrize("level", LEVELS)
async def test_an_interrupt_at_any_moment_ends_no_session(make_sandbox, level):
    session = await (await make_sandbox(level=level)).open("a")
    await run(session, "kept = 1")
    moments = random.Random(7)
    for round_ in range(40):
        cell = asyncio.ensure_future(run(session, "for _ in range(3000): pass"))
        await asyncio.sleep(moments.uniform(0, 0.004))
        await session.interrupt()
        assert (await cell).ended == [], round_
        # What comes late must not strike the cell after the one it was meant for.
        assert (await run(session, "kept")).result == "1", round_


async def test_an_interrupt_before_the_code_begins_is_not_lost(make_sandbox):
    session = await (await make_sandbox()).open("a")
    await run(session, "kept = 1")
    for _ in range(5):
        cell = asyncio.ensure_future(run(session, "while True: pass"))
        await asyncio.sleep(0)
        await session.interrupt()
        assert not (await cell).done.ok
    assert (await run(session, "kept")).result == "1"


async def test_the_code_may_take_the_interrupt(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = """
import time
try:
    print("now", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    taken = True
"""
    outcome = await interrupted(session, code)
    assert outcome.error is None
    assert not outcome.done.ok
    assert (await run(session, "taken")).result == "True"


@pytest.mark.parametrize(
    "handler", ["signal.SIG_DFL", "signal.SIG_IGN", "signal.default_int_handler"]
)
async def test_what_a_cell_makes_of_interrupts_ends_with_it(make_sandbox, handler):
    session = await (await make_sandbox()).open("a")
    await run(session, f"import signal\nkept = 1\nsignal.signal(signal.SIGINT, {handler})")
    outcome = await interrupted(session, "print('now', flush=True)\nwhile True: pass")
    assert outcome.ended == []
    assert (await run(session, "kept")).result == "1"


async def test_library_code_written_in_c_is_interrupted(make_sandbox):
    session = await (await make_sandbox()).open("a")
    await run(session, "kept = 1")
    for code in (
        "import re\nprint('now', flush=True)\nre.match('(a+)+$', 'a' * 60 + 'b')",
        "import threading\nprint('now', flush=True)\nthreading.Event().wait()",
        "import subprocess\nprint('now', flush=True)\nsubprocess.run(['sleep', '60'])",
        "import os\nprint('now', flush=True)\nos.system('sleep 60; sleep 60')",
        "%%bash\necho now\nsleep 60\n",
        "import asyncio\nprint('now', flush=True)\nawait asyncio.sleep(60)",
    ):
        outcome = await interrupted(session, code)
        assert outcome.ended == [], code
        assert not outcome.done.ok
    assert (await run(session, "kept")).result == "1"


def _python(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-S", "-c", f"print('on', flush=True)\n{code}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "on\n"
    return process


def _until_over(grace: InterruptGrace) -> float:
    started = time.monotonic()
    while not grace.over:
        time.sleep(0.02)
    return time.monotonic() - started


# A session's processes are those below its first; this one kills its child when told to end.
PARENT = """
import signal, subprocess, sys
with subprocess.Popen([sys.executable, '-S', '-c', %r]) as child:
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
"""


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "while True: pass"])
def test_patience_ends_with_who_sleeps_and_who_computes(code):
    with _python(PARENT % f"print('on', flush=True)\n{code}") as process:
        assert process.stdout.readline() == "on\n"
        assert _until_over(InterruptGrace(process.pid)) >= GRACE
        process.terminate()


IDLE = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n"


@pytest.mark.slow
def test_patience_lasts_while_other_work_takes_the_processor():
    cpu = min(os.sched_getaffinity(0))
    pinned = f"import os; os.sched_setaffinity(0, [{cpu}])\n"
    with _python(f"{pinned}while True: pass") as hog:
        starved = f"{pinned}{IDLE}print('on', flush=True)\nwhile True: pass"
        with _python(PARENT % starved) as process:
            assert process.stdout.readline() == "on\n"
            grace = InterruptGrace(process.pid)
            time.sleep(2 * GRACE)
            assert not grace.over
            hog.kill()
            _until_over(grace)
            process.terminate()
