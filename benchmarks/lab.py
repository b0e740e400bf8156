"""What the extension costs JupyterLab: bytes to load, and time of the page's main thread.

    python benchmarks/lab.py [--runs 5]

Opens JupyterLab in Chromium with the extension built in this checkout, and samples the
main thread until the application has been restored. Counted are all samples in which
code of the extension runs, or what it calls of the browser. JupyterLab's own modules, which
load once for whoever needs them first, are not the extension's.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "aoai_magic" / "labextension"
OURS = "extensions/aoai-magic/"
INTERVAL = 100  # microseconds between two samples
RESTORED = "() => window.jupyterapp?.restored.then(() => true)"


def sizes() -> dict[str, int]:
    """Return the bytes of each script, compressed as a server would."""
    scripts = sorted((BUILT / "static").glob("*.js"))
    return {path.name: len(gzip.compress(path.read_bytes())) for path in scripts}


def start(browser: Any, url: str) -> float:
    """Open JupyterLab once; give the milliseconds in which our code ran."""
    context = browser.new_context()
    page = context.new_page()
    profiler = context.new_cdp_session(page)
    profiler.send("Profiler.enable")
    profiler.send("Profiler.setSamplingInterval", {"interval": INTERVAL})
    profiler.send("Profiler.start")
    page.goto(f"{url}/lab")
    page.wait_for_function(RESTORED, timeout=120_000)
    profile = profiler.send("Profiler.stop")["profile"]
    context.close()
    return spent(profile)


def spent(profile: dict[str, Any]) -> float:
    """Add up the samples in which our code runs, in milliseconds."""
    ours = set(below(profile["nodes"]))
    pairs = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return sum(delta for sample, delta in pairs if sample in ours) / 1000


def below(nodes: list[dict[str, Any]]) -> Iterator[int]:
    """Return the nodes that are code of ours, and what that called of the browser's own."""
    by_id = {node["id"]: node for node in nodes}
    waiting = [node for node in nodes if OURS in node["callFrame"]["url"]]
    while waiting:
        node = waiting.pop()
        yield node["id"]
        called = (by_id[child] for child in node.get("children", ()))
        waiting += [child for child in called if not child["callFrame"]["url"]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=5)
    runs = options.parse_args().runs
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import lab as labs

    for name, size in sizes().items():
        print(f"{name:40} {size:>8,} bytes gzip")
    print(f"{'all':40} {sum(sizes().values()):>8,} bytes gzip")
    with tempfile.TemporaryDirectory() as folder:
        root, home, share = (Path(folder, name) for name in ("root", "home", "share"))
        for path in (root, home, share / "labextensions"):
            path.mkdir(parents=True)
        (share / "labextensions" / "aoai-magic").symlink_to(BUILT)
        env = {"JUPYTER_PATH": str(share)}
        with labs.open_lab(root, home, env) as lab, labs.open_browser() as browser:
            start(browser, lab.url)  # the server reads its files for the first time
            times = [start(browser, lab.url) for _ in range(runs)]
    listed = ", ".join(f"{each:.1f}" for each in sorted(times))
    print(f"start: {statistics.median(times):.1f} ms of the main thread (of {listed})")


if __name__ == "__main__":
    main()
