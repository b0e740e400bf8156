"""What an answer cites: each source unfolds into its passage, and does no harm."""

from __future__ import annotations

import json

import jsonschema
import pytest

from aoai_magic.display.saved.bundles import bundles
from aoai_magic.display.saved.turn_record import record
from aoai_magic.turn import event_json, events
from aoai_magic.turn.view import Sources, Text, View, fold

from . import hostile
from .test_frozen import SCHEMA

CITED = events.Cited(
    "t",
    (
        events.Passage(1, "hand`book.pdf", "page 3", "Travel is paid\n$1 < *all*"),
        events.Passage(2, "old.md"),
    ),
)


def turn():
    view = fold(View(), events.TextDone("t", "Paid [1], once [2]."))
    return fold(view, event_json.read(json.loads(json.dumps(event_json.written(CITED)))))


def test_a_source_unfolds_into_its_passage():
    _text, sources, _footer = bundles(turn())
    first, second = sources.data["text/markdown"].split("\n\n</details>")[:2]
    title, quote = first.split("</summary>\n\n")
    assert title == "<details>\n<summary>[1] hand`book.pdf, page 3"
    assert quote == "```\nTravel is paid\n$1 < *all*\n```"
    assert "<summary>[2] old.md</summary>" in second
    plain = "[1] hand`book.pdf, page 3\n  Travel is paid $1 < *all*\n[2] old.md"
    assert sources.data["text/plain"] == plain


def test_the_place_is_named_in_the_readers_language(monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_LANG", "ja")
    _text, sources, _footer = bundles(turn())
    assert "[1] hand`book.pdf, 3 ページ" in sources.data["text/plain"]


@pytest.mark.parametrize("passage", [one for one in hostile.sources().passages if one.text.strip()])
def test_a_hostile_passage_cannot_leave_its_fold(passage):
    (sources, _footer) = bundles(View(parts=(Sources("s", (passage,)),)))
    summary, _end, quote = sources.data["text/markdown"].partition("</summary>\n\n")
    assert "\n" not in summary.removeprefix("<details>\n")
    assert "<" not in summary.removeprefix("<details>\n<summary>").replace("<span>&#36;</span>", "")
    assert quote.endswith("\n\n</details>")
    opening, *body, closing = quote.removesuffix("\n\n</details>").split("\n")
    assert set(opening) == {"`"}
    assert closing == opening
    assert not any(line.lstrip().startswith(closing) for line in body)


def test_the_record_names_the_sources_and_not_their_text():
    saved = record(turn())
    jsonschema.validate(saved, SCHEMA)
    assert saved["parts"][1]["passages"][0] == {
        "number": 1,
        "file": "hand`book.pdf",
        "place": "page 3",
    }
    assert "Travel is paid" not in json.dumps(saved)
    assert turn().parts[0] == Text("t", "Paid [1], once [2].", done=True)
