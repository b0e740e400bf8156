"""Looking a question up in the user's documents: the search, and what it found, quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, Request
from aoai_magic.engine.models.offline.findings import plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.search.terms import asked, terms

_FOUND: Phrase = {
    "en": "The documents say:",
    "ja": "文書には次のようにあります。",
    "zh": "文件中寫道：",
}
_NOTHING: Phrase = {
    "en": "Nothing in the documents fits the question.",
    "ja": "質問に合う内容は文書に見つかりませんでした。",
    "zh": "文件中找不到符合問題的內容。",
}
_MARKER = re.compile(r"^(【\d+:\d+†[^】\n]*】)\n", re.MULTILINE)
_BETWEEN = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+|\n+")
_MOST_QUOTED, _LONGEST_QUOTE = 3, 400


def offered(request: Request) -> bool:
    """Tell whether the documents can be searched."""
    names = {tool["function"]["name"] for tool in request.tools}
    return FILE_SEARCH_TOOL in names and request.tool_choice != "none"


def demanded(request: Request) -> bool:
    """Tell whether they have to be."""
    choice = request.tool_choice
    return isinstance(choice, Mapping) and choice["function"]["name"] == FILE_SEARCH_TOOL


def output(request: Request) -> str | None:
    """Give what the last search of this turn found; None if there was none yet."""
    ids: set[str] = set()
    told: str | None = None
    for message in request.messages:
        if message["role"] == "user":
            ids, told = set(), None
        for call in message.get("tool_calls") or ():
            if call["function"]["name"] == FILE_SEARCH_TOOL:
                ids.add(call["id"])
        if message["role"] == "tool" and message["tool_call_id"] in ids:
            told = str(message["content"])
    return told


def told(found: str, prompt: str, language: Language) -> str:
    """Quote the sentences that fit the prompt best, with the markers of their passages."""
    wanted = set(asked(prompt))
    quotes = [quote for quote in (_best(*one, wanted) for one in _passages(found)) if quote]
    if not quotes:
        return _NOTHING[language]
    most = max(count for count, _ in quotes)
    shown = [text for count, text in quotes if 2 * count >= most][:_MOST_QUOTED]
    return "\n\n".join([_FOUND[language], *(f"> {text}" for text in shown)])


def _passages(found: str) -> Iterator[tuple[str, str]]:
    parts = _MARKER.split(found)
    return zip(parts[1::2], parts[2::2], strict=True)


def _best(marker: str, passage: str, wanted: set[str]) -> tuple[int, str] | None:
    """Give how many of the wanted terms the best sentence has, and the quote."""
    sentences = _BETWEEN.split(passage.strip())
    rated = [(len(wanted.intersection(terms(s))), s) for s in sentences]
    count, text = max(rated, key=lambda one: one[0], default=(0, ""))
    return (count, f"{plain(text, _LONGEST_QUOTE)} {marker}") if count else None
