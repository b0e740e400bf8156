"""The work behind a turn's answer, attempt by attempt: code, what it printed, thoughts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aoai_magic.turn import view as views

WORK = (views.Code, views.Logs, views.Reasoning)


def work(parts: Iterable[views.Part]) -> list[views.Part]:
    """Return the parts that led to the answer, in their order."""
    return [part for part in parts if isinstance(part, WORK)]


def announcements(parts: Sequence[views.Part]) -> list[views.Text]:
    """Return the texts that announced an attempt which failed and that others have followed."""
    last = max((at for at, one in enumerate(parts) if isinstance(one, views.Text)), default=0)
    return [
        text
        for text, code in pairwise(one for one in parts if not isinstance(one, views.Reasoning))
        if isinstance(text, views.Text) and isinstance(code, views.Code) and code.failed
        if text is not parts[last]
    ]


@dataclass(frozen=True)
class Step:
    """One piece of work.

    Attributes
    ----------
    part
        What stands in front.
    before
        Attempts that failed, what announced them, what they printed, and thoughts in between;
        in their order.
    logs
        What the code of ``part`` has printed.
    """

    part: views.Part
    before: tuple[views.Part, ...] = ()
    logs: views.Logs | None = None


def steps(parts: Iterable[views.Part]) -> list[Step]:
    """Return work as steps: each piece of code with what it printed and its failed attempts."""
    shown: list[Step] = []
    before: list[views.Part] = []
    parts = list(parts)
    announced = announcements(parts)
    for part in (one for one in parts if isinstance(one, WORK) or one in announced):
        if isinstance(part, views.Logs):
            shown, before = _with_logs(shown, before, part)
            continue
        if before and not _continues(before, part):
            shown, before = [*shown, *attempts(before)], []
        if isinstance(part, views.Code) and not part.failed:
            shown, before = [*shown, Step(part, tuple(before))], []
        else:
            before.append(part)
    return [*shown, *attempts(before)]


def _continues(before: list[views.Part], part: views.Part) -> bool:
    """Return whether `part` follows failed attempts; thoughts alone are steps of their own."""
    failed = any(isinstance(one, views.Code | views.Text) for one in before)
    return failed and isinstance(part, views.Code | views.Reasoning | views.Text)


def _with_logs(
    shown: list[Step], before: list[views.Part], logs: views.Logs
) -> tuple[list[Step], list[views.Part]]:
    """Put what was printed with the code that printed it."""
    if shown and shown[-1].part.id == logs.code:
        return [*shown[:-1], replace(shown[-1], logs=logs)], before
    return shown, [*before, logs]


def attempts(before: Iterable[views.Part]) -> list[Step]:
    """Return failed attempts and thoughts as steps: each attempt with what it printed."""
    alone: list[Step] = []
    for part in before:
        if isinstance(part, views.Logs) and alone:
            alone[-1] = replace(alone[-1], logs=part)
        else:
            alone.append(Step(part))
    return alone
