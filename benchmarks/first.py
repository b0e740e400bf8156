"""A kernel's first question, beside an ipykernel that starts and imports pandas and matplotlib.

Asked at once after `%load_ext aoai_magic`, and asked three seconds later, when the engine and
the sandbox that start in the background are there; the model answers at once with a plot.
Also what `%load_ext` itself costs. The runs of all sides are interleaved.

Usage: python benchmarks/first.py [RUNS]
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from turn import seconds

SCRIPT = """
turns:
  - when: "."
    replies:
      - code: |
          import pandas as pd
          ax = pd.Series([1, 2, 3]).plot.bar()
      - text: Done.
"""
IMPORTS = "import pandas, matplotlib.pyplot"
LOAD = "%load_ext aoai_magic"
QUESTION = "%%assistant\nplot"
LATER = 3.0  # seconds


def fresh(work):
    """Return what `work` measures in a kernel of its own."""
    manager, client = start_new_kernel()
    try:
        return work(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def kernel():
    """Start a kernel and import what the sandbox has imported; give seconds."""
    began = time.perf_counter()
    return fresh(lambda client: seconds(client, IMPORTS) and time.perf_counter() - began)


def first(client, wait):
    """Return the seconds of `%load_ext`, and of the first question asked ``wait`` later."""
    bare = seconds(client, "%load_ext autoreload")
    load = seconds(client, LOAD) - bare
    time.sleep(wait)
    return load, seconds(client, QUESTION)


def main(runs):
    loads, kernels, at_once, later = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.yaml").write_text(SCRIPT)
        os.environ.update(AOAI_MAGIC_HOME=str(folder / "home"), AOAI_MAGIC_TARGET="local")
        os.environ["AOAI_MAGIC_MODEL"] = f"scripted:{folder / 'script.yaml'}"
        fresh(lambda client: first(client, 0))  # the data directory's first: not a kernel's
        for _ in range(runs):
            kernels.append(kernel())
            for wait, times in ((0, at_once), (LATER, later)):
                load, took = fresh(lambda client, wait=wait: first(client, wait))
                loads.append(load)
                times.append(took)
    show("an ipykernel with pandas and matplotlib", kernels, kernels)
    show("first question, asked at once", at_once, kernels)
    show(f"first question, {LATER:g} s after the load", later, kernels)
    print(f"{LOAD:40} {statistics.median(loads) * 1000:8.0f} ms")


def show(label, times, beside):
    ratio = statistics.median(a / b for a, b in zip(times, beside, strict=True))
    print(f"{label:40} {statistics.median(times) * 1000:8.0f} ms {ratio:6.2f} ×")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
