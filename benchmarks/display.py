"""What a long streamed answer costs: the live view, an update per delta, and printing.

    python benchmarks/display.py [--tokens 20000] [--deltas 5000] [--rate 200] [MODE ...]

Starts JupyterLab and Chromium on this machine, streams the same answer in each mode and
prints one line per mode: bytes and messages on the kernel's channel, CPU time of the kernel
(less what the loop that plays the model takes, which is told too), CPU time of the browser's
main thread, and how long after the last delta it was on the screen. ``update`` is
`update_display` of Markdown for each delta; it is the usual way, grows with the square of
the answer, and is measured with the first tenth of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
CHARS_PER_TOKEN = 4.2
END = "The end of it."
WORDS = """
the of data frame value column mean median group plot series chart revenue region quarter growth
customer order model index because therefore compare between result shows trend
""".split()  # noqa: SIM905 - a page of quoted words reads worse
MODES = ("live", "print", "update")


def answer(tokens: int) -> str:
    """Return an answer of about that many tokens, the same each time."""
    dice = random.Random(1)
    blocks, length = [], 0
    while length < tokens * CHARS_PER_TOKEN:
        block = _block(dice)
        blocks.append(block)
        length += len(block)
    return "".join(blocks) + END


def _sentence(dice: random.Random) -> str:
    return " ".join(dice.choices(WORDS, k=dice.randint(8, 18))).capitalize() + ". "


def _block(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.12:
        return f"## {_sentence(dice)}\n\n"
    if kind < 0.6:
        return "".join(_sentence(dice) for _ in range(dice.randint(2, 6))) + "\n\n"
    if kind < 0.75:
        return "".join(f"- {_sentence(dice)}\n" for _ in range(dice.randint(3, 8))) + "\n"
    if kind < 0.85:
        rows = "".join(f"| {dice.choice(WORDS)} | {dice.random():.4f} |\n" for _ in range(9))
        return f"| a | b |\n|---|---|\n{rows}\n"
    lines = "".join(f"x = frame['{dice.choice(WORDS)}'].mean()\n" for _ in range(12))
    return f"```python\n{lines}```\n\n"


async def stream(mode: str, tokens: int, deltas: int, rate: float) -> dict[str, float]:
    """Show the answer in this kernel; give CPU seconds and when the last delta came."""
    from aoai_magic.turn import events
    from aoai_magic.turn.view import View, fold

    text = answer(tokens)
    show, close = _sink(mode)
    view = fold(View(), events.Started("t", "local", "model"))
    await asyncio.sleep(0.5)
    waiting = 10 * await _deltas(deltas // 10, rate, lambda i: None)

    def delta(i):
        nonlocal view
        piece = text[len(text) * i // deltas : len(text) * (i + 1) // deltas]
        view = fold(view, events.TextDelta("t1", piece))
        show(view, piece)

    cpu = await _deltas(deltas, rate, delta)
    last, before = time.time(), time.process_time()
    close(fold(fold(view, events.TextDone("t1", text)), events.Finished("completed")))
    cpu += time.process_time() - before
    return {"cpu": cpu - waiting, "waiting": waiting, "last": last, "chars": len(text)}


async def _deltas(count, rate, do):
    """Call ``do`` at that rate; give the CPU seconds that it took."""
    cpu, start = time.process_time(), time.perf_counter()
    for i in range(count):
        do(i)
        await asyncio.sleep(max(0.0, start + (i + 1) / rate - time.perf_counter()))
    return time.process_time() - cpu


def _sink(mode):
    if mode == "live":
        from aoai_magic.display import open_screen

        screen = open_screen("live")
        return lambda view, piece: screen.show(view), screen.close
    if mode == "print":
        return lambda view, piece: print(piece, end=""), lambda view: None
    from IPython.display import DisplayHandle

    handle = DisplayHandle()
    handle.display({"text/markdown": ""}, raw=True)
    return (
        lambda view, piece: handle.update({"text/markdown": view.text}, raw=True),
        lambda view: None,
    )


# Only near the end: reading all text again and again would be most of what is measured.
SEEN = """([end, wait]) => { window.seen = 0; setTimeout(() => setInterval(() => {
  const area = document.querySelector('.jp-Notebook .jp-OutputArea');
  if (!window.seen && area && area.textContent.includes(end)) window.seen = Date.now() / 1000;
}, 20), wait) }"""
CELL = """import json, sys; sys.path.insert(0, {here!r}); import display as bench
result = await bench.stream({mode!r}, {tokens}, {deltas}, {rate})"""


def measure(mode: str, tokens: int, deltas: int, rate: float) -> dict[str, float]:
    """Run one mode in JupyterLab and give its figures."""
    sys.path.insert(0, str(TESTS))
    from browser import lab as labs

    if mode == "update":
        tokens, deltas = tokens // 10, deltas // 10
    here = str(Path(__file__).parent)
    source = CELL.format(here=here, mode=mode, tokens=tokens, deltas=deltas, rate=rate)
    notebook = labs.make_notebook(source, "print(json.dumps(result))")
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as root,
        labs.open_lab(Path(root), Path(home)) as lab,
        labs.open_browser() as browser,
    ):
        lab.write("bench.ipynb", notebook)
        page = labs.open_notebook(browser.new_context(), lab, "bench.ipynb")
        return _run(page, 1.1 * deltas / rate)


def _run(notebook, seconds):
    traffic = {"messages": 0, "bytes": 0}
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.on("Network.webSocketFrameReceived", lambda event: _count(traffic, event))
    session.send("Network.enable")
    # CPU time of the thread: what other programs take of this machine does not count.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    notebook.page.evaluate(SEEN, [END, seconds * 950])
    before = _main_thread(session)
    notebook.run(0, timeout=seconds + 120)
    notebook.page.wait_for_function("() => window.seen > 0", timeout=120_000)
    spent = _main_thread(session) - before
    received = dict(traffic)
    notebook.run(1)
    result = json.loads(notebook.outputs(1).last.inner_text())
    return {
        "megabytes": received["bytes"] / 1e6,
        "messages": received["messages"],
        "kernel_cpu": result["cpu"],
        "waiting": result["waiting"],
        "browser_main": spent,
        "latency": notebook.page.evaluate("() => window.seen") - result["last"],
        "chars": result["chars"],
    }


def _count(traffic, event):
    response = event["response"]
    size = len(response["payloadData"])
    traffic["messages"] += 1
    traffic["bytes"] += size * 3 // 4 if response["opcode"] == 2 else size


def _main_thread(session):
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def main() -> None:
    """Measure the modes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modes", nargs="*", default=MODES, metavar="MODE", help=", ".join(MODES))
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--deltas", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=200, help="deltas per second")
    options = parser.parse_args()
    print("mode      chars     MB  messages  kernel s  (loop s)  browser s  last delta s")
    for mode in options.modes:
        row = measure(mode, options.tokens, options.deltas, options.rate)
        print(
            f"{mode:7} {row['chars']:7,.0f} {row['megabytes']:6.2f} {row['messages']:9,.0f}"
            f" {row['kernel_cpu']:9.2f} {row['waiting']:9.2f}"
            f" {row['browser_main']:10.2f} {row['latency']:13.2f}"
        )


if __name__ == "__main__":
    main()
