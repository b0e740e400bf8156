"""A sentence being read: tokens that patterns over their kinds take out, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aoai_magic.engine.models.offline.query import Refusal
from aoai_magic.engine.models.offline.scan import Token
from aoai_magic.engine.models.offline.schema import Column, Table


class Phrase:
    """The tokens of one sentence about one table; what is taken out leaves a "." behind."""

    def __init__(self, tokens: Sequence[Token], table: Table) -> None:
        self.table = table
        self.all = [
            replace(t, kind="r") if t.kind == "m" and t.value == "D" and table.days_are_rows else t
            for t in tokens
        ]
        # A column that is named twice in a row: "体重（body_mass_g）".
        named = [t.column if t.kind in "ncytf" else t for t in self.all if t.kind != "_"]
        left = [t for t in self.all if t.kind != "_"]
        self.left = _dated(t for i, t in enumerate(left) if not i or named[i] != named[i - 1])

    @property
    def kinds(self) -> str:
        """The kinds of the tokens that are left, one character each."""
        return "".join(token.kind for token in self.left)

    def take(self, *patterns: str) -> list[Token]:
        """Remove and return the first match of a pattern, leaving a mark where it was."""
        for pattern in patterns:
            match = re.search(pattern, self.kinds)
            if match and match[0]:
                taken = self.left[slice(*match.span())]
                self.left[slice(*match.span())] = [mark(taken)]
                return taken
        return []

    def take_all(self, kinds: str) -> list[Token]:
        """Remove and return all tokens of these kinds."""
        taken = of(kinds, self.left)
        self.left = [token for token in self.left if token.kind not in kinds]
        return taken

    def has(self, kinds: str) -> bool:
        """Return whether a token of one of these kinds is left."""
        return bool(of(kinds, self.left))

    def numbers(self) -> list[str]:
        """Return the names of columns that figures can be worked out of."""
        return [column.name for column in self.table.columns if column.is_measure]


def of(kinds: str, tokens: Iterable[Token]) -> list[Token]:
    """Return the tokens of these kinds."""
    return [token for token in tokens if token.kind in kinds]


def mark(taken: Sequence[Token]) -> Token:
    """Return what stands for tokens that were taken out."""
    return Token(".", None, "", taken[0].start, taken[-1].end)


def texts(tokens: Iterable[Token]) -> list[str]:
    """Return the words of the tokens."""
    return [token.text for token in tokens]


def columns(tokens: Iterable[Token]) -> list[Column]:
    """Return the columns of the tokens."""
    return [token.column for token in tokens]


def refuse(tokens: Iterable[Token]) -> None:
    """Refuse to answer because of these words, if there are any."""
    if words := texts(tokens):
        raise Refusal("words", *words)


def _dated(tokens: Iterable[Token]) -> list[Token]:
    """Join "day of ts" and "ts by day" each to one token: the unit, which knows its column."""
    joined: list[Token] = []
    for token in tokens:
        last = joined[-1:]
        units = of("mFY", (*last, token))
        times = [t for t in of("t", (*last, token)) if t.column.kind == "date"]
        if len(units) == len(times) == 1:
            joined[-1] = replace(units[0], start=last[0].start, end=token.end)
            joined[-1] = replace(joined[-1], dates=times[0].column)
        else:
            joined.append(token)
    return joined
