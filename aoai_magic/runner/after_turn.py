"""What is done with a turn once its stream has ended: none of it can lose the turn.

The turn is in ``_assistant`` before the first of these steps. Each step runs by itself; what
goes wrong in it is logged, told in ``turn.troubles`` and costs that step alone. A Ctrl-C ends
the step that is going on, and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.runner.cancel import CancelToken, interrupts
from aoai_magic.runner.follow import TICK, with_trouble

if TYPE_CHECKING:
    from aoai_magic.runner.turn import Turn

_log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One thing to do after a turn.

    Attributes
    ----------
    trouble
        The sentence for the user where it fails, with a place for the ``{reason}``.
    work
        Does it; in a thread, unless ``is_here``.
    is_asked
        Whether the user asked for it, so that the cell fails where it does.
    is_here
        Whether it has to be done in the thread of the event loop.
    """

    trouble: str
    work: Callable[[], object]
    is_asked: bool = False
    is_here: bool = False


SHOW = later("The turn could not be shown ({reason}); _assistant holds it.")


async def finish(
    turn: Turn, steps: Sequence[Step], show: Callable[[], object], cancel: CancelToken
) -> list[str]:
    """Run all steps, then show the turn; return the troubles that the cell is to fail by."""
    failed: list[str] = []
    cancel.renew()
    with interrupts(cancel):
        for step in steps:
            trouble = await trouble_of(step, cancel)
            if trouble:
                add_trouble(turn, trouble)
            if trouble and step.is_asked:
                failed.append(trouble)
        trouble = await trouble_of(Step(SHOW, show, is_here=True), cancel)
    if trouble:
        add_trouble(turn, trouble)
        _print(trouble)
    return failed


def add_trouble(turn: Turn, sentence: str) -> None:
    """Return the user of a trouble: in ``turn.troubles``, and as a notice below the answer."""
    turn.view = with_trouble(turn.view, sentence)


async def trouble_of(step: Step, cancel: CancelToken) -> str | None:
    """Run a step; return the sentence for the user where it fails."""
    try:
        await _do(step, cancel)
    except AssistantError as error:
        _log.info("After the turn: %s", error, exc_info=True)
        return str(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _(step.trouble).format(reason=_("interrupted"))
    except OSError as error:
        _log.info("After the turn: %s", error, exc_info=True)
        return _(step.trouble).format(reason=error.strerror or repr(error))
    except Exception as error:
        _log.exception("After the turn")
        return _(step.trouble).format(reason=repr(error))
    return None


async def _do(step: Step, cancel: CancelToken) -> None:
    if step.is_here:
        step.work()
        return
    working = asyncio.ensure_future(asyncio.to_thread(step.work))
    cancelled = asyncio.ensure_future(cancel.wait())
    try:
        while not working.done():
            # Not for good: a signal is heard only when the loop wakes up.
            await asyncio.wait(
                {working, cancelled}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED
            )
            if cancel.ending and not working.done():
                raise KeyboardInterrupt
        working.result()
    finally:
        cancelled.cancel()
        if not working.done():
            # Of a thread nobody can say when it ends; what comes of it is no news any more.
            working.add_done_callback(lambda late: late.cancelled() or late.exception())
            cancel.renew()


def _print(sentence: str) -> None:
    # What could not show the turn may not take this either.
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201
