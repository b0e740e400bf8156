"""``%%assistant`` and ``%assistant``: options, help, settings; the work is elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import copy
import shlex
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, kwds, magic_arguments
from IPython.utils._process_common import arg_split
from traitlets import Bool, Float, Int, Unicode

from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.notebook import stopped_turns
from aoai_magic.notebook.caller import caller_variables
from aoai_magic.notebook.early_start import EarlyStart
from aoai_magic.notebook.transformers import NAMES, QuestionLine, as_async_cell
from aoai_magic.runner.options import Options

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell
    from traitlets import Bunch

    from aoai_magic.config.settings import Settings
    from aoai_magic.runner.background import PendingTurn
    from aoai_magic.runner.kernel_state import Assistant
    from aoai_magic.runner.turn import Turn

HELP = later(
    """Ask the assistant; it writes Python and runs it on the data that you name.

The cell below the line is the question. In it, @name attaches a variable or a
file, and {{expression}} is replaced by its value. Afterwards `_assistant` is the
turn (.text .code .images .files .frames .usage), and the next cell goes on in the
same thread. %assistant QUESTION asks in one line, and %assistant COMMAND does
what is not a question: %assistant help lists the commands."""
)

GROUPS = (later("positional arguments"), later("options"))
"""Headings of the help, which argparse has in English alone."""


@magics_class
class AssistantMagics(Magics):
    """The magics and their settings (``%config AssistantMagics``)."""

    target = Unicode(help="local, container, azure, openai or an engine's URL; empty: chosen").tag(
        config=True
    )
    model = Unicode(help="model SPEC, deployment or model name").tag(config=True)
    sandbox = Unicode("local", help="sandbox SPEC of the local engine").tag(config=True)
    embeddings = Unicode(
        "", help="SPEC of the model with which file search compares meanings; empty: words alone"
    ).tag(config=True)
    instructions = Unicode(help="what the model is told at each start").tag(config=True)
    effort = Unicode(help="reasoning effort; empty: the model's own").tag(config=True)
    timeout = Float(600.0, help="seconds that a turn may take, 0: no limit").tag(config=True)
    max_tokens = Int(help="tokens that a turn may take, 0: no limit").tag(config=True)
    max_cost = Float(help="US dollars that a turn may cost, 0: no limit").tag(config=True)
    save = Unicode(help="folder to write what comes back into; empty: nowhere").tag(config=True)
    display = Unicode("auto", help="auto, live, frozen, terminal, quiet or verbose").tag(
        config=True
    )
    confirm_upload = Bool(help="ask before data leaves this machine").tag(config=True)
    guide = Bool(True, help="send assistant.md or AGENTS.md of the working folder along").tag(
        config=True
    )
    attach_named = Bool(True, help="attach DataFrames whose names stand in the question").tag(
        config=True
    )
    suggest_questions = Bool(True, help="let the model offer questions to be asked next").tag(
        config=True
    )
    mcp_allow = Unicode(help="MCP tools called without asking: SERVER or SERVER.TOOL, …").tag(
        config=True
    )
    recordings = Unicode(help="folder to record turns in, or to play them from").tag(config=True)
    recordings_mode = Unicode("auto", help="auto, record or replay").tag(config=True)
    keep_days = Int(90, help="days that unused threads and files are kept, 0: for ever").tag(
        config=True
    )
    keep_mb = Int(10_000, help="megabytes of files that are kept, 0: no limit").tag(config=True)
    start_early = Bool(True, help="start the engine while the kernel is idle").tag(config=True)
    container_program = Unicode(help="what runs the container; empty: Docker or Podman").tag(
        config=True
    )
    container_image = Unicode(help="image of the container; empty: this version's").tag(config=True)
    home = Unicode(help="data directory").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell, parent=shell)
        self._file = {name: getattr(self, name) for name in self.config.get("AssistantMagics", {})}
        self._config: dict[str, Any] = {}
        self.early_start = EarlyStart(shell, self._settings)
        self.observe(self._configured, names=list(self.traits(config=True)))

    @cached_property
    def state(self) -> Assistant:
        """What the kernel keeps between turns; made at the first use, to load quickly."""
        from aoai_magic.runner.kernel_state import Assistant

        assert self.shell is not None  # as in any magic
        return Assistant(self.shell.user_ns, self._layers)

    def _configured(self, change: Bunch) -> None:
        self._config[change.name] = change.new

    def _settings(self) -> Settings:
        """Return the current settings, without making the `state`, which is the cells' to make."""
        from aoai_magic.config.settings import resolve

        state = vars(self).get("state")
        return resolve({}, *self._layers(), front_end=state.front_end if state else {})

    def _layers(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._config, self._file

    def recall(self, info: ExecutionInfo) -> None:
        """Bind ``_assistant`` to the last turn of the kernel before, for a cell that names it."""
        shell = self.shell
        if shell and "_assistant" in (info.raw_cell or "") and "_assistant" not in shell.user_ns:
            with contextlib.suppress(AssistantError):  # of settings; a turn will say so
                self.state.recall()

    # IPython puts the first of the two signs.
    @magic_arguments("%assistant")
    @kwds(description=HELP)
    @argument(
        "items", nargs="*", metavar="ITEM", help=later("variable, or @path or @glob of files")
    )
    @argument("-o", "--out", metavar="NAME", help=later("store returned tables in NAME"))
    @argument("-t", "--thread", metavar="NAME", help=later("continue the thread of that name"))
    @argument("--new", action="store_true", help=later("start a new thread"))
    @argument(
        "-m", "--model", metavar="SPEC", help=later("offline, azure:DEPLOYMENT, openai:MODEL, …")
    )
    @argument("--on", metavar="TARGET", help=later("local, azure, openai or an engine's URL"))
    @argument("--effort", metavar="LEVEL", help=later("reasoning effort: none, minimal, low … max"))
    @argument("--instructions", metavar="TEXT", help=later("system prompt"))
    @argument(
        "--search", nargs="+", action="extend", metavar="PATH", help=later("search these files")
    )
    @argument(
        "--tool", action="append", metavar="NAME", help=later("offer a function of the notebook")
    )
    @argument(
        "--mcp",
        action="append",
        metavar="NAME",
        help=later("offer the tools of an MCP server that .mcp.json names"),
    )
    @argument(
        "--tool-choice", metavar="CHOICE", help=later("auto, none, required, or a tool's name")
    )
    @argument("--rows", type=int, metavar="N", help=later("attach a sample of N rows"))
    @argument(
        "--cells", type=int, metavar="N", help=later("send the source of the last N cells along")
    )
    @argument("--schema-only", action="store_true", help=later("describe data without values"))
    @argument(
        "--about", type=int, metavar="N", help=later("send the code and error of cell [N] along")
    )
    @argument("--save", metavar="DIR", help=later("save returned files in DIR"))
    @argument("--overwrite", action="store_true", help=later("let --save overwrite files"))
    @argument(
        "--dry-run", action="store_true", help=later("show what would be sent, and send nothing")
    )
    @argument("--plan", action="store_true", help=later("show the plan first, and ask"))
    @argument("--background", action="store_true", help=later("run the turn in the background"))
    @argument(
        "--timeout", type=float, metavar="SECONDS", help=later("stop the turn after that time")
    )
    @argument(
        "--max-tokens", type=int, metavar="N", help=later("stop the turn after so many tokens")
    )
    @argument("--max-cost", type=float, metavar="USD", help=later("stop it at so many US dollars"))
    @argument(
        "--no-raise", action="store_true", help=later("do not fail the cell when the turn fails")
    )
    @argument("--quiet", action="store_true", help=later("show the answer alone"))
    @argument("--verbose", action="store_true", help=later("show the work unfolded"))
    @argument(
        "--as",
        dest="as_",
        metavar="TYPE",
        help=later("give the answer's value as int, float, str, bool, date, list, dict, frame, …"),
    )
    @argument("--raw", action="store_true", help=later("send {{…}} in the prompt unchanged"))
    @no_var_expand
    @line_cell_magic
    def assistant(self, line: str, cell: str | None = None) -> PendingTurn | None:
        """Ask what the cell says, or do the line's command; for users there is `HELP`."""
        if cell is None:
            from aoai_magic.notebook.line_commands import is_question, run_command

            if not is_question(line):
                run_command(self.state, line)
                return None
            line, cell = split_question(line)
        data = caller_variables(self.state.namespace)
        return _pending(self.state.ask_now(cell, self.options(line), data))

    async def assistant_async(self, line: str, cell: str) -> PendingTurn | None:
        """Run `assistant` in an asynchronous cell, which can receive its Stop button."""
        return _pending(await self.state.ask(cell, self.options(line)))

    async def question_async(self, line: str) -> PendingTurn | None:
        """Run `assistant_async` for ``%assistant QUESTION``."""
        return await self.assistant_async(*split_question(line))

    def options(self, line: str) -> Options:
        """Return the options of a magic line; raise `UsageError`."""
        try:
            # Intermixed: items may stand before, between and after options.
            known, unknown = parser().parse_known_intermixed_args(arg_split(line))
        except (IPythonUsageError, ValueError, TypeError) as error:
            refused = _("{error}; %%assistant? shows all options.")
            raise UsageError(refused.format(error=error)) from error
        if unknown:
            raise UsageError(_unknown_option(unknown))
        given = vars(known)
        lists = {name: tuple(given[name] or ()) for name in ("items", "search", "tool", "mcp")}
        return Options(**{**given, **lists})


def split_question(line: str) -> tuple[str, str]:
    """Return the options at the beginning of a line, and the question that follows them."""
    if not line.lstrip().startswith("-"):
        return "", line
    made = copy.deepcopy(parser())
    items = next(action for action in made._actions if action.dest == "items")
    items.nargs = argparse.REMAINDER
    words = arg_split(line)
    try:
        question = vars(made.parse_known_args(words)[0])["items"]
    except (IPythonUsageError, ValueError, TypeError):
        return line, ""  # said by `options`, which reads the same words
    return shlex.join(words[: len(words) - len(question)]), " ".join(question)


def _unknown_option(words: list[str]) -> str:
    """Describe that an option does not exist, and which is similar."""
    name = words[0].partition("=")[0]
    options = [option for action in parser()._actions for option in action.option_strings]
    import difflib

    near = difflib.get_close_matches(name, options, 1)
    if near:
        refused = _("There is no option {name!r}; did you mean {near}?")
    else:
        refused = _("There is no option {name!r}; %%assistant? shows all options.")
    return refused.format(name=name, near="".join(near))


def _pending(asked: Turn | PendingTurn | None) -> PendingTurn | None:
    """Return what is the cell's value: a turn that is over stands in the cell already."""
    from aoai_magic.runner.background import PendingTurn

    return asked if isinstance(asked, PendingTurn) else None


def parser() -> argparse.ArgumentParser:
    """Return the parser of the magic line."""
    made: argparse.ArgumentParser = AssistantMagics.assistant.parser
    return made


def help_text() -> str:
    """Return the magic's help in the reader's language."""
    made = copy.deepcopy(parser())
    made.description = _(HELP)
    for group, title in zip(made._action_groups, GROUPS, strict=True):
        group.title = _(title)
    for action in made._actions:
        if action.help:
            action.help = _(action.help)
    return made.format_help()


# IPython's ? asks an object for its help by this name.
AssistantMagics.assistant.getdoc = help_text


def register(shell: InteractiveShell) -> AssistantMagics:
    """Add the magics, the asynchronous cell and the completer to a shell; idempotent."""
    from aoai_magic.notebook.completion import complete

    magics = shell.magics_manager.registry.get("AssistantMagics")
    if isinstance(magics, AssistantMagics):
        return magics
    magics = AssistantMagics(shell)
    shell.register_magics(magics)
    for name in NAMES:
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind][name] = magics.assistant
    shell.events.register("pre_run_cell", magics.recall)
    stopped_turns.register(shell)
    # Last, after those that take away prompts and indents.
    shell.input_transformers_cleanup.append(as_async_cell)
    shell.input_transformer_manager.token_transformers.append(QuestionLine)
    if hasattr(shell.Completer, "custom_matchers"):
        shell.Completer.custom_matchers.append(complete(magics))
    # Elsewhere no process outlives its cell's questions for long, or nothing tells who is idle.
    if getattr(shell, "kernel", None) is not None:
        magics.early_start.register()
    return magics


def unregister(shell: InteractiveShell) -> None:
    """Undo `register`."""
    magics = shell.magics_manager.registry.pop("AssistantMagics", None)
    for name in NAMES:
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop(name, None)
    if magics:
        shell.events.unregister("pre_run_cell", magics.recall)
        stopped_turns.unregister(shell)
        magics.early_start.unregister()
        if "state" in vars(magics):
            from aoai_magic.notebook.line_commands import stop_sharing

            stop_sharing(magics.state)
            magics.state.mcp_servers.stop()
    if magics and as_async_cell in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(as_async_cell)
        shell.input_transformer_manager.token_transformers.remove(QuestionLine)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if not getattr(m, "of_assistant", False)]
