"""What attaching a frame costs, beside writing it as CSV.

    python benchmarks/attach.py [--rows 1000000] [--rounds 3] [--objects]

Starts the local engine, takes a mixed frame of 20 columns, and prints the medians of

- ``to_csv``: writing the frame as CSV, which others do first, without sending it,
- ``first``: describing, hashing, packing and sending it, as ``%%assistant frame`` does,
- ``again``: the same frame unchanged (described and hashed, found in the ledger),
- ``load``: what the session does when its code first names the variable,

with their ratios, after checking that what the engine then holds is equal to the frame.
``--objects`` makes the text columns Python objects, as pandas before version 3 does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openai
import pandas as pd

from aoai_magic import parcel
from aoai_magic.attach.item import Attachment
from aoai_magic.attach.ledger import Ledger
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.launch import LAUNCHER

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
        self.ledger = Ledger(home)
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
        for entry in self.ledger.entries():
            self.ledger.forget(TARGET, entry.file_id)
        return self.again()

    def again(self) -> str:
        """Attach the frame."""
        item = self.described()
        known = self.ledger.lookup(TARGET, item.sha256)
        if known:
            return known
        file = self._send(item.path)
        self.ledger.record(TARGET, item.sha256, file, item.name, item.bytes)
        return file

    def load(self) -> None:
        """Unpack what was packed last."""
        parcel.unpack(max(self.home.rglob("frame.arrow"), key=lambda path: path.stat().st_mtime))

    def check(self) -> None:
        """Compare what the engine holds with the frame."""
        data = self.client.files.content(self.first()).content
        path = self.home / "returned.arrow"
        path.write_bytes(data)
        pd.testing.assert_frame_equal(parcel.unpack(path), self.frame, check_exact=True)

    def _send(self, path: Path) -> str:
        with path.open("rb") as file:
            return self.client.files.create(file=file, purpose="assistants").id


def measure(call: Callable[[], object], rounds: int) -> float:
    """Give the median of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--objects", action="store_true")
    options = parser.parse_args()
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
