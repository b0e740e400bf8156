"""Runs the cells of one session, in the process that the zygote forked for it."""
# mypy: allow-untyped-calls

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from aoai_magic.sandbox.child import bokeh_figures, fonts, open_files
from aoai_magic.sandbox.child.channel import Channel
from aoai_magic.sandbox.child.figures import Figures
from aoai_magic.sandbox.child.lazy_frames import LazyFrames
from aoai_magic.sandbox.child.main_module import MainModule, refuse_pools
from aoai_magic.sandbox.child.path_rewrite import FolderPaths
from aoai_magic.sandbox.child.saved_pictures import SavedPictures
from aoai_magic.sandbox.child.shell import Shell, make_shell
from aoai_magic.sandbox.child.streams import Budget, Printed, flush_all, open_stream
from aoai_magic.sandbox.framing import Frame
from aoai_magic.sandbox.protocol import MOUNT
from aoai_magic.sandbox.spec import Plan

_COLUMNS, _WIDTH = 20, 120

_WARM_UP = """
import io
from aoai_magic.sandbox.child import chart_data
from matplotlib import pyplot
pyplot.figure()
pyplot.plot([1, 2], label="x")
pyplot.bar([1, 2], [1, 2])
pyplot.legend()
pyplot.title("x")
figure = pyplot.gcf()
figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
chart_data.bundle(figure)
pyplot.close("all")
"""


# Numbers alone: text would go through Arrow, which computes with threads.
_WARM_UP_FRAMES = """
import pandas
frame = pandas.DataFrame({"x": [1.5, 2.0]})
repr(frame), frame._repr_html_()
"""


class _Prepared:
    """What is made once in the zygote and inherited by every session."""

    shell: Shell
    figures: Figures


def prepare() -> list[str]:
    """Make the shell and what it shows with; in the zygote, after its imports.

    Returns what sessions lack; see `protocol.Isolation`.
    """
    lacks: list[str] = []
    _Prepared.shell = shell = make_shell()
    assert shell.display_formatter is not None
    _Prepared.figures = Figures(shell.display_formatter, shell.show, shell.keep_chart)
    if "pandas" in sys.modules:
        pandas = sys.modules["pandas"]
        pandas.set_option("display.max_columns", _COLUMNS, "display.width", _WIDTH)
        shell.run_cell(_WARM_UP_FRAMES, silent=True, store_history=False)
    if "matplotlib" in sys.modules:
        if not fonts.install():
            lacks.append(fonts.CJK)
        # Draws with numpy and FreeType alone: no thread is started, and the first figure
        # of each session finds modules and fonts loaded.
        _Prepared.figures.attach()
        shell.run_cell(_WARM_UP, silent=True, store_history=False)
    shell.run_cell("1 + 1", silent=True, store_history=False)
    shell.reset(new_session=False)
    shell.forget_cells()
    return lacks


def _reseed() -> None:
    """Return each session random numbers of its own; `random` sees to itself."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(int.from_bytes(os.urandom(4), "little"))


class Worker:
    """Answers the host's requests with the frames of the cell, one cell after another."""

    def __init__(self, channel: Channel, plan: Plan, pipe: int) -> None:
        self._channel = channel
        self._budget = Budget(plan.output)
        self._pipe = pipe
        self._streams: dict[str, TextIO] = {}
        self._shell = _Prepared.shell
        self._figures = _Prepared.figures
        self._shell.send = channel.send
        self._shell.folder = self._workdir = plan.workdir
        self._frames = LazyFrames(Path(plan.workdir), self._shell.user_ns)
        self._shell.rich.folder = Path(plan.workdir)
        self._pictures = SavedPictures(Path(plan.workdir), self._shell.show)
        self._main = MainModule(self._shell.transform_cell)
        if not plan.isolated:
            places = {MOUNT: plan.data, "/tmp": plan.scratch, **plan.folders}  # noqa: S108
            self._shell.ast_transformers.append(FolderPaths(places))
        if plan.level == "landlock":
            refuse_pools()

    def connect_streams(self) -> None:
        """Send what is printed from here on to the host."""
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115  (lives as long as the process)
        self._printed = Printed(self._channel, self._pipe, self._budget)
        for descriptor, name in enumerate(("stdout", "stderr"), start=1):
            self._streams[name] = open_stream(self._printed, name, descriptor)
        del sys.stdout, sys.stderr
        self._restore_streams()

    def _restore_streams(self) -> None:
        """Put back what a cell has taken away; what it has put there instead stays."""
        for name, stream in self._streams.items():
            if getattr(sys, name, None) is None:
                setattr(sys, name, stream)

    def _restore_folder(self) -> None:
        """Go back to the session's folder where a cell has deleted the one it worked in."""
        try:
            Path.cwd()
        except OSError:
            with contextlib.suppress(OSError):
                os.chdir(self._workdir)

    def run(self, request: Frame) -> None:
        """Run one cell and say that it is done."""
        started = time.perf_counter()
        self._budget.reset()
        self._printed.begin()
        ok = False
        with contextlib.suppress(KeyboardInterrupt):
            ok = self._run_cell(str(request["code"]), request.get("put", ()))
        with contextlib.suppress(KeyboardInterrupt):
            ok = self._write_out() and ok
        seconds = time.perf_counter() - started
        flush_all()
        self._printed.end()
        dropped = self._budget.dropped
        self._channel.send({"type": "done", "ok": ok, "seconds": seconds, "dropped": dropped})

    def _write_out(self) -> bool:
        """Complete the files that the cell left open; tell whether there was room."""
        try:
            unfinished = open_files.flush(self._shell.folder)
        except Exception:
            self._shell.showtraceback()
            return False
        for name in unfinished:
            text = f"{name} is not complete: close it (best by 'with'), for it is taken as it is."
            print(text, file=self._streams["stderr"])
        return True

    def take_interrupts(self) -> None:
        """Handle SIGINT here, whatever a cell has made of it."""
        signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, _number: int, where: FrameType | None) -> None:
        """Raise KeyboardInterrupt in the cell; outside of it there is nothing to stop.

        Where the signal strikes decides, and not a flag: there is no moment between a cell
        and what surrounds it at which an interrupt could end the session.
        """
        while where is not None:
            if where.f_code is Worker._run_cell.__code__:
                self._channel.on_interrupt()
                return
            where = where.f_back

    def _run_cell(self, code: str, put: Sequence[str]) -> bool:
        self._restore_streams()
        self._restore_folder()
        self._figures.attach()
        self._shell.rich.reset()
        self._pictures.begin()
        self._frames.prepare(code, put)
        self._main.add(code, self._shell.next_cell)
        self._shell.code = code
        try:
            bokeh_figures.attach(code, self._shell.show, self._shell.keep_chart)
            result = self._shell.run_cell(code, store_history=False)
            self._figures.flush()
            self._pictures.flush(self._figures)
        except Exception:  # of the shell, when the cell broke what it stands on; or of a figure
            self._restore_streams()
            self._shell.showtraceback()
            return False
        finally:
            self.take_interrupts()
        return bool(result.success)


def serve(connection: socket.socket, plan: Plan, pipe: int) -> None:
    """Serve the host until it hangs up; ``pipe`` is where to read what children print."""
    channel = Channel(connection)
    worker = Worker(channel, plan, pipe)
    os.chdir(plan.workdir)
    sys.path.insert(0, "")
    sys.dont_write_bytecode = True  # nothing but what the code wrote belongs in the folder
    worker.connect_streams()
    worker.take_interrupts()
    _reseed()
    channel.send({"type": "ready"})
    while (request := channel.receive()) is not None:
        worker.run(request)
