"""How long a session takes, beside a Jupyter kernel and bubblewrap with the same imports.

Run ``python benchmarks/sandbox.py [--runs N]``; the runs of all sides are interleaved, and
those of bubblewrap left out where it is not installed.
Prints medians, and the ratio that the README states.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
from jupyter_client import AsyncKernelManager

from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.host.processes import descendants
from aoai_magic.sandbox.protocol import Display, Limits, Stream

IMPORTS = "import numpy, pandas, matplotlib.pyplot, pyarrow"
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.title('x');"

Times = defaultdict[str, list[float]]


async def cell(session, code: str) -> float:
    """Run a cell to its end; return seconds."""
    started = time.perf_counter()
    async for _ in session.run(code):
        pass
    return time.perf_counter() - started


async def until(session, code: str, kind: type) -> float:
    """Return seconds until the first event of a kind, and end the cell."""
    started = time.perf_counter()
    taken = 0.0
    async for event in session.run(code):
        if isinstance(event, kind) and not taken:
            taken = time.perf_counter() - started
    return taken


async def time_session(sandbox: LocalSandbox, key: str, times: Times) -> None:
    """Time one session from the request on."""
    started = time.perf_counter()
    session = await sandbox.open(key)
    await until(session, f"{IMPORTS}\n1 + 1", Display)
    times["session: first result, imports there"].append(time.perf_counter() - started)
    times["session: first figure"].append(await cell(session, FIGURE))
    times["session: second figure"].append(await cell(session, FIGURE))
    for _ in range(20):
        times["session: a cell (x = 1)"].append(await cell(session, "x = 1"))
    times["session: print to host"].append(
        await until(session, "import time; print('x'); time.sleep(0.01)", Stream)
    )
    task = asyncio.get_running_loop().create_task(cell(session, "while True: pass"))
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    await session.interrupt()
    times["session: interrupt"].append(time.perf_counter() - started)
    await task
    started = time.perf_counter()
    await sandbox.discard(key)
    times["session: discard"].append(time.perf_counter() - started)


async def time_kernel(times: Times) -> None:
    """Time a Jupyter kernel from its start to the reply of the same first cell."""
    manager = AsyncKernelManager()
    started = time.perf_counter()
    await manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(60)
    await client.execute_interactive(f"{IMPORTS}\n1 + 1", output_hook=lambda _: None)
    times["kernel: first result, imports there"].append(time.perf_counter() - started)
    started = time.perf_counter()
    await client.execute_interactive("x = 1", output_hook=lambda _: None)
    times["kernel: a cell (x = 1)"].append(time.perf_counter() - started)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)


async def time_bubblewrap(times: Times, cache: str) -> None:
    """Time a Python in bubblewrap from its start to the same first result.

    Matplotlib keeps its list of fonts in ``cache``, as it does for the other sides.
    """
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]
    command += ["--dev", "/dev", "--proc", "/proc", "--bind", cache, "/tmp"]
    command += ["--setenv", "MPLCONFIGDIR", "/tmp", sys.executable, "-c"]
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, f"{IMPORTS}\nprint(1 + 1)", stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out == b"2\n"
    times["bubblewrap: first result, imports there"].append(time.perf_counter() - started)


def unshared(pid: int) -> float:
    """Return megabytes that are a session's own: its first process and all below it."""
    processes = [pid, *descendants(pid)]
    return sum(psutil.Process(process).memory_full_info().uss for process in processes) / 1e6


async def measure_many(sandbox: LocalSandbox, number: int) -> tuple[float, float]:
    """Open sessions; return sessions a second, and the median of their idle megabytes."""
    started = time.perf_counter()
    sessions = await asyncio.gather(*(sandbox.open(f"many {i}") for i in range(number)))
    rate = number / (time.perf_counter() - started)
    sizes = [unshared(session.interpreter.pid) for session in sessions]
    for session in sessions:
        await sandbox.discard(session.key)
    return rate, statistics.median(sizes)


def show(times: Times) -> None:
    """Print medians in milliseconds."""
    for name, values in sorted(times.items()):
        scaled = [value * 1000 for value in values]
        bounds = f"{min(scaled):.1f} to {max(scaled):.1f}, n = {len(scaled)}"
        print(f"{name:42} {statistics.median(scaled):9.1f} ms  ({bounds})")


async def main(runs: int) -> None:
    """Run the benchmark and print it."""
    times: Times = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        cache = tempfile.mkdtemp(dir=folder)
        sandbox = LocalSandbox(Path(folder), Limits())
        started = time.perf_counter()
        isolation = await sandbox.start()
        print(f"level {isolation.level}; start once {time.perf_counter() - started:.2f} s")
        for run in range(runs):
            await time_session(sandbox, f"run {run}", times)
            await time_kernel(times)
            if shutil.which("bwrap"):
                await time_bubblewrap(times, cache)
        rate, size = await measure_many(sandbox, 50)
        await sandbox.close()
    show(times)
    name = "first result, imports there"
    session = statistics.median(times[f"session: {name}"])
    for other in ("kernel", "bubblewrap"):
        if taken := times.get(f"{other}: {name}"):
            ratio = statistics.median(taken) / session
            print(f"a session is {ratio:.0f} times as fast as {other} to its first result")
    print(f"50 sessions: {rate:.0f} a second, {size:.1f} MB each (USS, with its first process)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    asyncio.run(main(parser.parse_args().runs))
