"""A whole turn in a real kernel, beside the same work done in a fresh kernel of its own.

Attach a frame of 100,000 × 10, draw one plot, get the image back, rendered: on `local`
with a model that answers at once; and, as what a user would pick instead to keep
model-written code out of their kernel: write the frame as CSV, start a second kernel,
read, plot. Also what `%load_ext aoai_magic` costs.

Usage: python benchmarks/turn.py [RUNS]
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

SCRIPT = """
turns:
  - when: "."
    replies:
      - code: |
          ax = big.groupby("k")["a"].sum().plot.bar()
          print(big.shape)
      - text: Done.
"""
FRAME = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
big = pd.DataFrame(rng.random((100_000, 8)), columns=list("abcdefgh"))
big["k"] = rng.choice(["x", "y", "z"], len(big))
big["t"] = pd.date_range("2020-01-01", periods=len(big), freq="min")
"""
APART = "import pandas as pd; big = pd.read_csv({path!r}, parse_dates=['t']);"
PLOT = "ax = big.groupby('k')['a'].sum().plot.bar(); print(big.shape)"


def seconds(client, code):
    """Run a cell; give the seconds until it is over."""
    began = time.perf_counter()
    reply = client.execute_interactive(code, timeout=120, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok", reply["content"]
    return time.perf_counter() - began


def own_kernel(client, folder):
    """Do the same by hand in a second kernel."""
    path = str(folder / "big.csv")
    began = time.perf_counter()
    seconds(client, f"big.to_csv({path!r}, index=False)")
    manager, second = start_new_kernel()
    seconds(second, APART.format(path=path) + PLOT)
    took = time.perf_counter() - began
    second.stop_channels()
    manager.shutdown_kernel(now=True)
    return took


def main(runs):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.yaml").write_text(SCRIPT)
        os.environ.update(AOAI_MAGIC_HOME=str(folder / "home"), AOAI_MAGIC_TARGET="local")
        os.environ["AOAI_MAGIC_MODEL"] = f"scripted:{folder / 'script.yaml'}"
        manager, client = start_new_kernel()
        load = seconds(client, "%load_ext aoai_magic") - seconds(client, "1")
        seconds(client, FRAME)
        first = seconds(client, "%%assistant big\nplot")
        turns, apart = [], []
        for run in range(runs):
            seconds(client, f"big.iat[{run}, 0] = 0.5")  # changed, so it is sent again
            turns.append(seconds(client, "%%assistant big\nplot"))
            apart.append(own_kernel(client, folder))
        client.stop_channels()
        manager.shutdown_kernel()
    ratios = [b / a for a, b in zip(turns, apart, strict=True)]
    print(f"%load_ext aoai_magic            {load * 1000:8.0f} ms")
    print(f"first turn in a kernel          {first * 1000:8.0f} ms")
    print(f"whole turn, median              {statistics.median(turns) * 1000:8.0f} ms")
    print(f"CSV and a second kernel, median {statistics.median(apart) * 1000:8.0f} ms")
    print(f"ratio, median of pairs          {statistics.median(ratios):8.1f} ×")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
