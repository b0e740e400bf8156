"""``@name`` in a question: where one stands, and what it may have been meant to name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# A word after an @ that does not itself follow a word, as it would in an address; a
# word of a language that is written without spaces may stand before it.
_MENTION = re.compile(r"(?<![A-Za-z0-9_@./+-])@([\w~./*-][\w~./*?-]*)")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_TICKS = re.compile(r"`+")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")
_LIKENESS = 0.75
"""Ratio of `difflib` from which a word counts as another one misspelled; `slaes` has 0.8."""
_QUOTES = "\"'“”‘’„«»「『"


@dataclass(frozen=True)
class Mention:
    """An ``@word``.

    Attributes
    ----------
    word
        What follows the @, as far as it may be a name or a path.
    quoted
        Whether a quotation mark stands before it, as before a handle that is quoted.
    """

    word: str
    quoted: bool

    @property
    def readings(self) -> Iterator[str]:
        """The word, then its beginnings that a letter beyond ASCII follows; each bare too.

        A sentence's full stop may follow a name, and in Japanese or Chinese so may the next
        word, without a space.
        """
        for end in range(len(self.word), 0, -1):
            if end == len(self.word) or self.word[end] in "*?" or not self.word[end].isascii():
                yield self.word[:end]
                yield self.word[:end].rstrip("./-?")

    @property
    def is_path(self) -> bool:
        """Whether it looks like a file's path; ``@scope/package`` of npm does not."""
        bare = self.word.rstrip("./-?")
        starts = bare.startswith(("./", "../", "~/", "/"))
        return bool(bare) and (starts or bool(_SUFFIX.search(bare)))


def find_mentions(prompt: str) -> Iterator[Mention]:
    """Yield the mentions of a prompt in order; what stands in code is none."""
    text = without_code(prompt)
    for match in _MENTION.finditer(text):
        yield Mention(match[1], text[match.start() - 1 : match.start()] in tuple(_QUOTES))


def near_misses(mention: Mention, known: Iterable[str]) -> list[str]:
    """Return those of the known names that a mention may have misspelled, the nearest first."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
        # Without its suffix too: @budget for budget.xlsx.
        folded.setdefault(_SUFFIX.sub("", name).casefold(), name)
    near = [
        found
        for word in mention.readings
        for found in difflib.get_close_matches(word.casefold(), folded, 3, _LIKENESS)
    ]
    # An attribute or a method: @sales.mean()
    near += [
        start for word in mention.readings if (start := word.split(".")[0].casefold()) in folded
    ]
    return list(dict.fromkeys(folded[word] for word in near))[:3]


def without_code(prompt: str) -> str:
    """Replace fenced blocks and code within lines by blanks; places stay as they are."""
    text, place = list(prompt), 0
    while opening := _FENCE.search(prompt, place):
        mark = opening[1]
        closing = re.compile(rf"^ {{0,3}}{re.escape(mark)}{re.escape(mark[0])}*\s*$", re.MULTILINE)
        end = closing.search(prompt, opening.end())
        place = end.end() if end else len(prompt)
        text[opening.start() : place] = " " * (place - opening.start())
    return _without_spans("".join(text))


def _without_spans(text: str) -> str:
    out, place = list(text), 0
    runs = list(_TICKS.finditer(text))
    for number, run in enumerate(runs):
        if run.start() < place:
            continue
        same = (one for one in runs[number + 1 :] if len(one[0]) == len(run[0]))
        end = next(same, None)
        if end and not re.search(r"\n\s*\n", text[run.end() : end.start()]):
            place = end.end()
            out[run.start() : place] = " " * (place - run.start())
    return "".join(out)
