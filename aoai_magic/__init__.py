"""Ask a model about the data in your notebook; a sandbox runs the Python that it writes.

``%load_ext aoai_magic`` gives the magic ``%%assistant``; `ask` and `aask` do the same
from Python. Nothing heavy is imported until the first question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aoai_magic._version import __version__

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from IPython.core.interactiveshell import InteractiveShell

    from aoai_magic.runner.background import PendingTurn
    from aoai_magic.runner.turn import Turn


__all__ = [
    "PendingTurn",
    "Turn",
    "__version__",
    "aask",
    "ask",
    "errors",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%%assistant``, ``%%aoai`` and their line forms."""
    from aoai_magic.notebook.magics import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove the magics."""
    from aoai_magic.notebook.magics import unregister

    unregister(shell)


def ask(prompt: str, *items: Any, **options: Any) -> Turn | PendingTurn | None:
    """Ask, show the answer as it comes, and give the turn (None for a dry run).

    With ``background=True`` give a `PendingTurn`, which can be awaited, once the server has
    the question and its data.

    Parameters
    ----------
    prompt
        The question; ``@name`` in it attaches a variable or a file.
    *items
        Names of variables, of the calling function first, ``@path`` or ``@glob`` of files, or
        the objects themselves.
    **options
        The options of ``%%assistant`` as keywords: ``out``, ``thread``, ``new``, ``model``,
        ``on``, ``instructions``, ``search``, ``tool`` (functions or their names), ``mcp``,
        ``tool_choice``, ``rows``, ``cells``, ``schema_only``, ``save``, ``overwrite``,
        ``dry_run``, ``plan``, ``background``, ``timeout`` (seconds), ``max_tokens``,
        ``max_cost``, ``no_raise``, ``quiet``, ``verbose``, ``as_`` (the type of
        ``turn.value``), ``raw``, which is true here: braces in the prompt stay as they are, and
        ``mentions``: false if ``@name`` in the prompt is to attach nothing, as in a prompt made
        of text that others wrote.

    Raises
    ------
    errors.AssistantError
        If the turn could not be started, or (`errors.TurnError`) failed.
    """
    from aoai_magic.notebook.python_api import ask

    return ask(prompt, items, options)


def aask(
    prompt: str, *items: Any, **options: Any
) -> Coroutine[Any, Any, Turn | PendingTurn | None]:
    """Run `ask` asynchronously: ``turn = await aask(…)``."""
    from aoai_magic.notebook.python_api import aask

    return aask(prompt, items, options)


def __getattr__(name: str) -> Any:
    # Imported at first use, so that loading the extension stays cheap.
    if name == "Turn":
        from aoai_magic.runner.turn import Turn

        return Turn
    if name == "PendingTurn":
        from aoai_magic.runner.background import PendingTurn

        return PendingTurn
    if name == "errors":
        import importlib

        return importlib.import_module(".errors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
