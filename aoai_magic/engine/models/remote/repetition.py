"""Repetition: a model that has begun to say the same for ever is stopped."""

from __future__ import annotations

from aoai_magic.engine.models.base import ModelError

WINDOW = 3_000
"""Characters at the end that are looked at."""

LONGEST = 300
"""Characters of what is said again and again."""

_EVERY = 500


class Repetition:
    """Watches a growing text.

    A text repeats itself when its last `WINDOW` characters are one and the same piece, of
    at most `LONGEST` characters, over and over.
    """

    def __init__(self) -> None:
        self._end = ""
        self._unseen = 0

    def feed(self, text: str) -> None:
        """Read on; raise `ModelError` where the text goes round in circles."""
        self._end = (self._end + text)[-WINDOW:]
        self._unseen += len(text)
        if self._unseen < _EVERY or len(self._end) < WINDOW:
            return
        self._unseen = 0
        if _period(self._end):
            raise ModelError(
                "The model began to repeat itself and was stopped; ask again, or use another model."
            )


def _period(text: str) -> bool:
    # A text of period p is equal to itself moved by p.
    place = text.find(text[:LONGEST], 1)
    return 0 < place <= LONGEST and text.startswith(text[place:])
