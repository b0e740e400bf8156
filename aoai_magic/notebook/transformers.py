"""How IPython reads cells that ask: they are awaited, and may end with a question mark."""

from __future__ import annotations

import re
import sys
from tokenize import TokenInfo

from IPython.core.getipython import get_ipython
from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd

NAMES = ("assistant", "aoai")
"""Two names for one magic: another package registers ``%%assistant`` too."""

_CELL = re.compile(rf"%%(?:{'|'.join(NAMES)})(?=\s|$)")
_LINE = re.compile(rf"\s*%(?:{'|'.join(NAMES)})(?=\s|$)")


class QuestionLine(EscapedCommand):
    """The line ``%assistant What is the mean?``, which IPython takes for help on ``mean``."""

    priority = HelpEnd.priority - 1

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> QuestionLine | None:
        """Return the first such line, if there is one."""
        for tokens in tokens_by_line:
            first = next((token for token in tokens if token.string.strip()), None)
            if first is not None and first.string == "%" and _asks(first.line):
                return cls(first.start)
        return None


def as_async_cell(lines: list[str]) -> list[str]:
    """Rewrite a cell that begins with ``%%assistant`` so that the kernel awaits it.

    A cell that blocks the kernel's event loop cannot hear its Stop button. Only the kernel
    awaits: ``%%time``, ``%run`` and ``run_cell`` transform what they run too, but run it
    without awaiting, so for them the cell stays the blocking magic that it is.
    """
    call = _call(lines)
    if call is None or not _kernel_awaits():
        return lines
    return [f"await get_ipython().magics_manager.registry['AssistantMagics'].{call}\n"]


def _call(lines: list[str]) -> str | None:
    """Return the call that does what a cell asks, if it does nothing else."""
    if lines and _CELL.match(lines[0]):
        line = _CELL.sub("", lines[0], count=1).strip()
        return f"assistant_async({line!r}, {''.join(lines[1:])!r})"
    if len(lines) != 1 or not _asks(lines[0]):
        return None
    return f"question_async({_LINE.sub('', lines[0], count=1).strip()!r})"


def _asks(line: str) -> bool:
    from aoai_magic.notebook.line_commands import is_question

    found = _LINE.match(line)
    return found is not None and is_question(line[found.end() :])


def _kernel_awaits() -> bool:
    """Return whether the cell that is being transformed is one that ipykernel will await."""
    kernel = sys.modules.get("ipykernel.ipkernel")
    shell = get_ipython()
    # ipykernel's own condition; %autoawait changes either.
    if kernel is None or shell is None or not shell.autoawait:
        return False
    if shell.loop_runner is not getattr(kernel, "_asyncio_runner", None):
        return False
    # Nothing says for whom a cell is transformed, so the caller of `transform_cell` is
    # looked up: it is the kernel's `do_execute` for its own cells alone.
    frame = sys._getframe()
    while frame.f_back and frame.f_code is not type(shell).transform_cell.__code__:
        frame = frame.f_back
    asking = frame.f_back
    return asking is not None and asking.f_globals.get("__name__") == kernel.__name__


# IPython leaves transformers so marked out when it asks whether a cell is complete. In a
# terminal a magic's cell is complete after an empty line; rewritten, its first line would be.
as_async_cell.has_side_effects = True  # type: ignore[attr-defined]
