"""Citations: what searches of documents found, and which of it an answer cites."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.text import sanitize
from aoai_magic.turn.events import Passage

LONGEST_QUOTE = 4_000
"""Characters of what is quoted for one citation."""

_MARK = re.compile(r"【(\d+:\d+)?[^【】\n]*】")
_OF_FILE = 3
"""Passages that are quoted where a service cites a file and not a passage of it."""


class Citations:
    """What the searches of a turn found."""

    def __init__(self) -> None:
        self._by_mark: dict[str, tuple[str, str]] = {}
        self._by_file: dict[str, list[tuple[str, str]]] = {}

    def add(self, results: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
        """Add what one search found, the best first.

        ``facts`` is what our engine alone reports: the search's ``number`` in its conversation,
        and the ``places`` of the results in their files.
        """
        places = facts.get("places") or [""] * len(results)
        for index, (result, place) in enumerate(zip(results, places, strict=True)):
            found = _read_rows(result.get("text") or "", place)
            if "number" in facts:
                self._by_mark[f"{facts['number']}:{index}"] = found
            known = self._by_file.setdefault(result.get("file_id") or "", [])
            known += [found] if found not in known else []

    def resolve(
        self, text: str, annotations: Sequence[Mapping[str, Any]]
    ) -> tuple[str, tuple[Passage, ...]]:
        """Return a text with its citations as numbers, and what each of these stands for."""
        cited = [one for one in annotations if one["type"] == "file_citation"]
        passages: dict[str, Passage] = {}
        written, end = "", 0
        for index, marks in _by_place(cited).items():
            numbers = []
            match = _MARK.match(text, index)
            for one in marks:
                # A service's marks number nothing that it reports.
                mark = match[1] if match and self._by_mark else ""
                key = mark or one["file_id"]
                if key not in passages:
                    passages[key] = self._passage(len(passages) + 1, key, one)
                numbers.append(f"[{passages[key].number}]")
            written += text[end:index] + "".join(dict.fromkeys(numbers))
            end = match.end() if match else index
        return written + text[end:], tuple(passages.values())

    def _passage(self, number: int, key: str, cited: Mapping[str, Any]) -> Passage:
        found = self._by_file.get(key, [])[:_OF_FILE]
        found = [self._by_mark[key]] if key in self._by_mark else found
        places = ", ".join(dict.fromkeys(place for place, _text in found if place))
        quote = "\n\n…\n\n".join(text.strip() for _place, text in found)
        name = cited.get("filename") or cited["file_id"]
        return Passage(number, name, places, sanitize.cut(quote, LONGEST_QUOTE))


def _by_place(cited: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """Return citations by their places in the text, in order; a service repeats some."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for one in sorted(cited, key=lambda one: int(one["index"])):
        found.setdefault(int(one["index"]), []).append(one)
    return found


def _read_rows(text: str, place: str) -> tuple[str, str]:
    """Return the place and text of a passage; one of JSON lines of a column shows its rows.

    See `attach.text_column`. A line that was cut stays as it is.
    """
    lines = text.split("\n")
    rows = [None if place else _row(line) for line in lines]
    labels = [row["row"] for row in rows if row]
    if not labels:
        return place, text
    pairs = zip(rows, lines, strict=True)
    shown = (f"{row['row']}: {row['text']}" if row else line for row, line in pairs)
    span = f"row {labels[0]}" if len(labels) == 1 else f"rows {labels[0]} – {labels[-1]}"
    return span, "\n".join(shown)


def _row(line: str) -> dict[str, str] | None:
    if not line.startswith('{"row": '):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    is_row = set(row) == {"row", "text"} and all(isinstance(one, str) for one in row.values())
    return row if is_row else None
