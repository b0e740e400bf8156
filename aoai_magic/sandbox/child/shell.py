"""IPython's shell without a kernel: what a cell shows goes to the host as frames."""
# mypy: allow-untyped-calls

from __future__ import annotations

import base64
import builtins
import json
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type

from aoai_magic.sandbox import framing
from aoai_magic.sandbox.child import bokeh_figures, chart_data, chart_style, vegalite
from aoai_magic.sandbox.child.rich_displays import PLOTLY, RichDisplays
from aoai_magic.sandbox.child.streams import flush_all
from aoai_magic.sandbox.protocol import CHART_NAME

_CELL = "<cell "
_LONGEST_TEXT = 1 << 20
_BINARY = ("image/", "audio/", "video/", "application/pdf", "application/octet-stream")
_TEXTUAL = ("image/svg+xml",)

Send = Callable[[framing.Frame], None]


def _as_json(value: Any) -> str:
    """Write JSON as a browser can read it: NaN and infinities become null."""
    strict = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    return json.dumps(strict, ensure_ascii=False)


def _as_bytes(mime: str, value: Any) -> bytes | None:
    """Return binary content, whichever way an object's repr gave it; None for text."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if mime.startswith(_BINARY) and mime not in _TEXTUAL and isinstance(value, str):
        return base64.b64decode(value)
    return None


def encode_bundle(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Write a MIME bundle as JSON: each value under ``"text"`` or ``"base64"``."""
    bundle = {}
    for mime, value in data.items():
        binary = _as_bytes(mime, value)
        if binary is not None:
            bundle[mime] = {"base64": base64.b64encode(binary).decode("ascii")}
        elif isinstance(value, str):
            bundle[mime] = {"text": value}
        else:
            bundle[mime] = {"text": _as_json(value)}
    return bundle


class _Publisher(DisplayPublisher):
    shell: Shell

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: str | None = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        if PLOTLY in data:  # figures of Plotly publish themselves, and not as an object
            figure = sys.modules["plotly.graph_objects"].Figure
            self.shell.keep_chart(figure(dict(data[PLOTLY]), skip_invalid=True))
            data = {**data, PLOTLY: chart_style.plotly(data[PLOTLY])}
        identity = (transient or {}).get("display_id")
        self.shell.show(data, id=identity, update=update)

    def clear_output(self, wait: bool = False) -> None:
        """Keep what was shown: a log has no use for animation."""


class _ResultHook(DisplayHook):
    shell: Shell
    _last: Any = ""

    def quiet(self) -> bool:
        """Return whether the cell ends with a semicolon (IPython asks its history)."""
        return bool(self.semicolon_at_end_of_expression(self.shell.code))

    def update_user_ns(self, result: Any) -> None:
        """Keep the last result as ``_``, unless the code uses that name for something else."""
        names = self.shell.user_ns
        if names.get("_", self._last) is self._last:
            names["_"] = self._last = result

    def write_output_prompt(self) -> None:
        """Describe nothing of ``Out[n]``."""

    def write_format_data(
        self, format_dict: Mapping[str, Any], md_dict: Mapping[str, Any] | None = None
    ) -> None:
        self.shell.show(format_dict, result=True)

    def finish_displayhook(self) -> None:
        """Do nothing: results are frames of their own."""


class _Formatter(DisplayFormatter):
    parent: Shell

    def format(
        self, obj: Any, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Format a value; charts of Altair as data and a picture, not as a page with scripts."""
        if type(obj).__module__.startswith("bokeh.plotting"):
            self.parent.keep_chart(obj)
            return dict(bokeh_figures.bundle(obj)), {}
        if not type(obj).__module__.startswith("altair."):
            bundle, metadata = super().format(obj, include, exclude)
            is_figure = type(obj).__module__ == "matplotlib.figure"
            return {**bundle, **(chart_data.bundle(obj) if is_figure else {})}, metadata
        sys.modules["altair"].renderers.enable("mimetype")
        bundle, metadata = super().format(obj, include, exclude)
        bundle = {
            mime: chart_style.vega(value) if "vnd.vegalite" in mime else value
            for mime, value in bundle.items()
        }
        picture = vegalite.draw(bundle)
        self.parent.keep_chart(obj)
        return {**({"image/png": picture} if picture else {}), **bundle}, metadata


class _Compiler(CachingCompiler):
    """Names cells as a reader counts them."""

    cells = 0

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        self.cells += 1
        return f"{_CELL}{self.cells}>"


def _is_users(frame: traceback.FrameSummary, folder: str) -> bool:
    return frame.filename.startswith((_CELL, folder + "/"))


def _trim(error: traceback.TracebackException, folder: str) -> bool:
    """Keep the user's own frames; tell whether there were any."""
    own = [frame for frame in error.stack if _is_users(frame, folder)]
    error.stack = traceback.StackSummary.from_list(own)
    if error.__cause__ is not None and not _trim(error.__cause__, folder):
        error.__cause__ = None
        error.__suppress_context__ = True
    if error.__context__ is not None and not _trim(error.__context__, folder):
        error.__context__ = None
    return bool(own)


def format_error(kind: type[BaseException], value: BaseException, folder: str) -> str:
    """Write a traceback as plain text, with the frames of cells and of files in ``folder``."""
    error = traceback.TracebackException(kind, value, value.__traceback__, compact=True)
    _trim(error, folder)
    return "".join(error.format()).rstrip()


class Shell(InteractiveShell):
    """The shell; ``send`` and ``folder`` are set when a session begins, ``code`` with each cell."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_ResultHook)
    compiler_class = Type(_Compiler)
    compile: _Compiler

    send: Send = staticmethod(lambda frame: None)
    rich: RichDisplays
    folder: str = "/"
    code: str = ""
    _last_chart: Any = None

    def show(
        self,
        data: Mapping[str, Any],
        id: str | None = None,  # noqa: A002
        update: bool = False,
        result: bool = False,
    ) -> None:
        """Send a display, after all that was printed before it."""
        flush_all()
        data = self.rich.described(data, id)
        frame = {"type": "display", "data": encode_bundle(data), "id": id}
        try:
            self.send({**frame, "update": update, "result": result})
        except framing.FrameError as error:
            print(f"This display was left out: {error}.", file=sys.stderr)  # noqa: T201

    def keep_chart(self, chart: Any) -> None:
        """Keep the last chart as ``_chart``, unless the code uses that name for something else."""
        if self.user_ns.get(CHART_NAME, self._last_chart) is self._last_chart:
            self.user_ns[CHART_NAME] = self._last_chart = chart

    def init_display_formatter(self) -> None:
        """Install our own formatter."""
        super().init_display_formatter()
        self.display_formatter = _Formatter(parent=self)

    def forget_cells(self) -> None:
        """Count cells from one again."""
        self.compile.cells = 0

    @property
    def next_cell(self) -> str:
        """The name of the cell that is to be run, as it stands in tracebacks."""
        return f"{_CELL}{self.compile.cells + 1}>"

    def enable_matplotlib(self, gui: str | None = None) -> tuple[str, str]:
        """Accept ``%matplotlib``: figures are always captured."""
        return "inline", "agg"

    def enable_gui(self, gui: str | None = None) -> None:
        """Accept ``%gui``: there is no screen."""

    def ask_exit(self) -> NoReturn:
        """Turn ``exit`` and ``quit`` into what ``sys.exit()`` is."""
        raise SystemExit

    def system(self, cmd: str) -> None:
        """Run a shell command, its output in order with what the cell prints."""
        command = self.var_expand(cmd, depth=1)
        process = subprocess.Popen(  # noqa: S603  (what a session is for)
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                sys.stdout.buffer.write(line)
        self.user_ns["_exit_code"] = process.returncode

    def showtraceback(
        self,
        exc_tuple: tuple[type[BaseException], BaseException, TracebackType] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Send the error of a cell."""
        kind, value, _ = self._get_exc_info(exc_tuple)
        flush_all()
        frame = {
            "type": "error",
            "name": kind.__name__,
            "value": _text_of(value)[:_LONGEST_TEXT],
            "traceback": format_error(kind, value, self.folder)[-_LONGEST_TEXT:],
        }
        self.send(frame)

    def showsyntaxerror(self, filename: str | None = None, *args: Any, **kwargs: Any) -> None:
        """Send a syntax error like any other."""
        self.showtraceback()


def _text_of(value: BaseException) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"(its text could not be had: {error!r})"


def _refuse_input(prompt: object = "", /) -> NoReturn:
    message = "input() does not work here: nobody can type into this session"
    raise RuntimeError(message)


def make_shell() -> Shell:
    """Make the one shell of this process; before the fork, so that sessions find it ready."""
    HistoryManager.enabled = False  # type: ignore[assignment]
    shell: Shell = Shell.instance(colors="nocolor", cache_size=0)
    shell.rich = RichDisplays()
    shell.db = {}  # magics such as %cd remember in memory: the profile is the host's
    shell.set_hook("show_in_pager", _print_page, 0)
    builtins.input = _refuse_input
    warnings.filterwarnings("ignore", message="To exit: use 'exit'")
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", module="")
    return shell


def _print_page(_shell: Shell, data: Any, *args: Any, **kwargs: Any) -> None:
    text = data.get("text/plain", "") if isinstance(data, dict) else str(data)
    print(text)  # noqa: T201
