"""What is shown as one: a part of a turn, with the attempts that failed before it inside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from aoai_magic.turn import view as views


@dataclass(frozen=True)
class Step:
    """What one output shows.

    Attributes
    ----------
    part
        What stands in front.
    before
        Attempts that failed, what they printed, and thoughts in between; in their order.
    logs
        What the code of ``part`` has printed, where that belongs inside: code that failed,
        and, while a turn runs, code that may still fail.
    open
        Whether more of it may come.
    """

    part: views.Part
    before: tuple[views.Part, ...] = ()
    logs: views.Logs | None = None
    open: bool = False

    @property
    def id(self) -> str:
        """Its first part's id, which stays when a new attempt takes the place in front."""
        return (self.before[0] if self.before else self.part).id


def steps(parts: Iterable[views.Part], *, over: bool = True) -> list[Step]:
    """Give the steps of a turn in their order; ``over`` if no further part will come.

    While more may come, code that failed last is open: the next attempt takes its place.
    """
    shown: list[Step] = []
    chain = _Chain()
    for part in parts:
        if not chain.takes(part):
            shown += chain.closed()
            chain = _Chain()
            if not isinstance(part, views.Code):
                shown.append(Step(part, open=not part.done))
                continue
        chain.parts.append(part)
    return [*shown, *(chain.closed() if over else chain.so_far())]


@dataclass
class _Chain:
    """Attempts at the same thing, the last of which may have worked."""

    parts: list[views.Part] = field(default_factory=list)

    def takes(self, part: views.Part) -> bool:
        """Tell whether ``part`` goes on where the chain ends."""
        code = self._last_code()
        if code is None or _has_worked(code):
            return False
        if isinstance(part, views.Logs):
            return part.code == self.parts[-1].id
        return code.failed and isinstance(part, views.Code | views.Reasoning)

    def closed(self) -> list[Step]:
        """Give it as it stays; thoughts at its end led to something else."""
        code = self._last_code()
        if code is None:
            return []
        place = self.parts.index(code)
        before, after = tuple(self.parts[:place]), self.parts[place + 1 :]
        inside = None
        if after and isinstance(after[0], views.Logs) and code.failed:
            inside, *after = after[0], *after[1:]
        rest = [Step(part, open=not part.done) for part in after]
        return [Step(code, before, inside, open=not code.done), *rest]

    def so_far(self) -> list[Step]:
        """Give it as one step to which more may come."""
        code = self._last_code()
        if code is None or _has_worked(code):
            return self.closed()
        *before, last = self.parts
        if isinstance(last, views.Logs):
            before.pop()
            return [Step(code, tuple(before), last, open=True)]
        return [Step(last, tuple(before), open=True)]

    def _last_code(self) -> views.Code | None:
        codes = (part for part in reversed(self.parts) if isinstance(part, views.Code))
        return next(codes, None)


def _has_worked(code: views.Code) -> bool:
    return code.done and not code.failed


def attempts(before: Iterable[views.Part]) -> list[Step]:
    """Give what failed before as steps of their own: each attempt with what it printed."""
    alone: list[Step] = []
    for part in before:
        if isinstance(part, views.Logs):
            alone[-1] = replace(alone[-1], logs=part)
        else:
            alone.append(Step(part))
    return alone
