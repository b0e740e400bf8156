"""What attaching a frame costs, beside writing it as CSV.

    python benchmarks/attach.py [--rows 1000000] [--rounds 3] [--objects]
    python benchmarks/attach.py --memory [--gigabytes 2]

Starts the local engine, takes a mixed frame of 20 columns, and prints the medians of

- ``to_csv``: writing the frame as CSV, which others do first, without sending it,
- ``first``: describing, hashing, packing and sending it, as ``%%assistant frame`` does,
- ``again``: the same frame unchanged (described and hashed, found in the upload log),
- ``load``: what the session does when its code first names the variable,

with their ratios, after checking that what the engine then holds is equal to the frame.
``--objects`` makes the text columns Python objects, as pandas before version 3 does.

``--memory`` takes one frame of so many gigabytes from the variable to the engine's disk,
as a turn does, and prints the most memory that this process held beyond the frame (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openai
import pandas as pd
import pyarrow as pa

from aoai_magic import frame_codec
from aoai_magic.attach.attachment import Attachment
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.local_engine import LAUNCHER
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint
from aoai_magic.runner.follow import Stop, follow
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn.events import Event
from aoai_magic.turn.progress import Metered, in_thread
from aoai_magic.turn.view import View

TARGET = "benchmark"


def mixed(rows: int, objects: bool) -> pd.DataFrame:
    """Make a frame of 20 columns: numbers, flags, times, categories, texts, nullables."""
    dice = np.random.default_rng(0)
    texts = np.array([f"customer {n}" for n in range(10_000)], dtype=object)
    regions = [f"region {n}" for n in range(50)]
    start = pd.Timestamp("2020-01-01", tz="Europe/Berlin")
    columns = {
        **{f"float {n}": dice.normal(size=rows) for n in range(6)},
        **{f"integer {n}": dice.integers(0, 10**6, rows) for n in range(5)},
        **{f"time {n}": start + pd.to_timedelta(dice.integers(0, 10**8, rows), "s") for n in "ab"},
        **{
            f"category {n}": pd.Categorical.from_codes(dice.integers(0, 50, rows), regions)
            for n in "ab"
        },
        **{f"text {n}": texts[dice.integers(0, 10_000, rows)] for n in "abc"},
        "flag": dice.random(rows) > 0.5,
        "nullable": pd.array(dice.integers(0, 100, rows), "Int64"),
    }
    frame = pd.DataFrame(columns)
    frame.loc[::7, "nullable"] = pd.NA
    frame.loc[::11, "float 0"] = np.nan
    names = ["text a", "text b", "text c"]
    return frame.astype(dict.fromkeys(names, object)) if objects else frame


class Bench:
    """The operations that are measured, over one engine and one folder."""

    def __init__(self, frame: pd.DataFrame, home: Path) -> None:
        engine = LAUNCHER.ensure(home, "local")
        self.frame = frame
        self.home = home
        self.upload_log = UploadLog(home)
        self.client = openai.OpenAI(
            base_url=f"{engine.url}/v1",
            api_key=engine.token,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )

    def to_csv(self) -> None:
        """Write CSV."""
        self.frame.to_csv(self.home / "frame.csv")

    def described(self) -> Attachment:
        """Describe and hash the frame."""
        folder = Path(tempfile.mkdtemp(dir=self.home))
        [item] = resolve(["frame"], "", {"frame": self.frame}, self.home, folder=folder)
        return item

    def first(self) -> str:
        """Attach the frame where nothing is known of it."""
        for entry in self.upload_log.entries():
            self.upload_log.forget(TARGET, entry.file_id)
        return self.again()

    def again(self) -> str:
        """Attach the frame."""
        item = self.described()
        known = self.upload_log.lookup(TARGET, item.sha256)
        if known:
            return known
        file = self._send(item.path)
        self.upload_log.record(TARGET, item.sha256, file, item.name, item.bytes)
        return file

    def load(self) -> None:
        """Unpack what was packed last."""
        frame_codec.unpack(
            max(self.home.rglob("frame.arrow"), key=lambda path: path.stat().st_mtime)
        )

    def check(self) -> None:
        """Compare what the engine holds with the frame."""
        data = self.client.files.content(self.first()).content
        path = self.home / "returned.arrow"
        path.write_bytes(data)
        pd.testing.assert_frame_equal(frame_codec.unpack(path), self.frame, check_exact=True)

    def _send(self, path: Path) -> str:
        with path.open("rb") as file:
            return self.client.files.create(file=file, purpose="assistants").id


def measure(call: Callable[[], object], rounds: int) -> float:
    """Return the median of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_memory(gigabytes: float, objects: bool) -> None:
    """Attach one large frame and send it; print the peak of memory beyond it."""
    sample = mixed(100_000, objects).memory_usage(deep=False).sum() / 100_000
    empty = _resident("VmRSS")
    frame = mixed(int(gigabytes * 1e9 / sample), objects)
    size = frame.memory_usage(deep=False).sum()
    pa.default_memory_pool().release_unused()
    with tempfile.TemporaryDirectory() as home, _engine(Path(home)) as endpoint:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        start = time.perf_counter()
        told = asyncio.run(_taken(frame, Path(home), endpoint))
        seconds = time.perf_counter() - start
        # Not beyond what is resident now: what the making of the frame left free would
        # be used again, and not be seen.
        extra = _resident("VmHWM") - empty - size
    print(f"frame of {len(frame):,} × {frame.shape[1]}, {size / 1e9:.2f} GB, in {seconds:.1f} s")
    print(f"events of progress: {', '.join(told)}")
    print(f"extra memory at most {extra / 1e9:.2f} GB, {extra / size:.2f} × the frame")


async def _taken(frame: pd.DataFrame, home: Path, endpoint: Endpoint) -> list[str]:
    """Do what a turn does until the model is asked; give the kinds of progress it told."""
    told: dict[str, int] = {}

    def show(view: View) -> None:
        if view.progress:
            told[view.progress.what] = told.get(view.progress.what, 0) + 1

    backend = EngineBackend(endpoint, "local", UploadLog(home), "local")

    async def events() -> AsyncIterator[Event]:
        names = {"frame": frame}
        ready = Metered(
            in_thread(lambda: resolve(["frame"], "", names, home, folder=home / "packed"))
        )
        async for progress in ready.events():
            yield progress
        question = Question("Here?", ready.result, model="offline")
        async for event in backend.turn(question):
            yield event

    view = await follow(events(), show, Stop())
    assert backend.upload_log.entries(), view.error
    return [f"{what} ({count})" for what, count in told.items()]


SERVE = """
import os, sys
from pathlib import Path
from aoai_magic.engine.config import Bounds, EngineConfig
from aoai_magic.engine.server.process import serve
home, token = Path(sys.argv[1]), os.environ["AOAI_MAGIC_TOKEN"]
serve(EngineConfig(data_dir=home, port=0, token=token, bounds=Bounds(upload=1 << 40)))
"""


@contextmanager
def _engine(home: Path) -> Iterator[Endpoint]:
    """Run an engine that takes files of any size."""
    environ = {**os.environ, "AOAI_MAGIC_TOKEN": "benchmark"}
    command = [sys.executable, "-c", SERVE, str(home)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield Endpoint(json.loads(process.stdout.readline())["url"], "benchmark")
        finally:
            process.kill()


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) << 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--objects", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.gigabytes, options.objects)
        return
    frame = mixed(options.rows, options.objects)
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(frame, Path(home))
        bench.check()
        csv = measure(bench.to_csv, 1)
        first = measure(bench.first, options.rounds)
        again = measure(bench.again, options.rounds)
        load = measure(bench.load, options.rounds)
        LAUNCHER.stop()
    memory = frame.memory_usage(deep=False).sum() / 1e6
    print(f"frame of {len(frame):,} × {frame.shape[1]}, {memory:,.0f} MB; pandas {pd.__version__}")
    print(f"to_csv {csv * 1000:9,.0f} ms")
    print(f"first  {first * 1000:9,.0f} ms   {csv / first:5.1f} × faster than to_csv")
    print(f"again  {again * 1000:9,.0f} ms   {first / again:5.1f} × faster than first")
    print(f"load   {load * 1000:9,.0f} ms")
    print("every dtype, index, category, time zone and null was equal on return")


if __name__ == "__main__":
    main()
