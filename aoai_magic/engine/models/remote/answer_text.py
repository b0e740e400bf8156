"""The text of an answer, and what models write into it: calls, thoughts, code in fences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aoai_magic.engine.models.base import Reasoning, Request, Text, ToolCall
from aoai_magic.engine.models.remote import fenced_code
from aoai_magic.engine.models.remote.cited_numbers import CitedNumbers
from aoai_magic.engine.models.remote.inline_tool_calls import SpokenReader
from aoai_magic.engine.models.remote.learned import Learned
from aoai_magic.engine.models.remote.questions import is_how_to
from aoai_magic.engine.models.remote.repetition import Repetition

Piece = Text | Reasoning | ToolCall


class AnswerText:
    """Turns the streamed text of one answer into text, thoughts and calls.

    ``official`` services make calls of all that their models mean as calls: there, text is
    text.
    """

    def __init__(self, request: Request, learned: Learned, *, official: bool) -> None:
        self._repetition = Repetition()
        self._cited = CitedNumbers()
        # A model that was never seen to call a tool may write its code as an answer.
        fence = request.runs_python and not (learned.tools and (learned.calls or official))
        fence = fence and not is_how_to(request)
        self._fence = fenced_code.FenceReader(eager=not learned.tools) if fence else None
        names = {tool["function"]["name"] for tool in request.tools}
        plain = request.tool_choice == "none" or "response_format" in request.options
        self._spoken = None if official else SpokenReader(() if plain else names)

    @property
    def done(self) -> bool:
        """Whether nothing of what follows matters."""
        return self._fence is not None and self._fence.done

    @property
    def called(self) -> bool:
        """Whether a call was found in the text."""
        return any(reader is not None and reader.called for reader in (self._fence, self._spoken))

    @property
    def by_hand(self) -> bool:
        """Whether a call was found that is written in no form of calls that models are taught."""
        spoken = self._spoken is not None and self._spoken.called and not self._spoken.tagged
        return spoken or (self._fence is not None and self._fence.called)

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield what can be told from the text so far; raise `ModelError` if it repeats itself."""
        self._repetition.feed(text)
        for piece in self._spoken.feed(text) if self._spoken else [Text(text)]:
            yield from self._fenced(piece)

    def _fenced(self, piece: Piece) -> Iterator[Piece]:
        pieces: Iterable[Piece] = [piece]
        if self._fence and isinstance(piece, Text):
            pieces = self._fence.feed(piece.text)
        for one in pieces:
            yield from self._shown(one)

    def _shown(self, piece: Piece) -> Iterator[Piece]:
        if not isinstance(piece, Text):
            yield piece
        elif text := self._cited.feed(piece.text):
            yield Text(text)

    def end(self) -> Iterator[Piece]:
        """Yield what was held back."""
        for piece in self._spoken.end() if self._spoken and not self.done else ():
            yield from self._fenced(piece)
        for piece in self._fence.end() if self._fence else ():
            yield from self._shown(piece)
        if held := self._cited.end():
            yield Text(held)
