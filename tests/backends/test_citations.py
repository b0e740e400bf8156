"""Citations of an answer: numbers in the text, and the passages that they stand for."""

from __future__ import annotations

import pytest

from aoai_magic.backends.responses_api.citations import LONGEST_QUOTE, Citations
from aoai_magic.turn.events import Passage

FOUND = [
    {"file_id": "file-1", "filename": "a.md", "text": "Alpha."},
    {"file_id": "file-2", "filename": "b.md", "text": "Beta."},
    {"file_id": "file-1", "filename": "a.md", "text": "Another alpha."},
]


def cite(file_id, index):
    return {"type": "file_citation", "file_id": file_id, "filename": "a.md", "index": index}


@pytest.fixture
def citations():
    made = Citations()
    made.add(FOUND, {})
    return made


def test_a_service_cites_files_and_repeats_itself(citations):
    text, passages = citations.resolve(
        "One. Two.", [cite("file-2", 9), cite("file-1", 4), cite("file-1", 4), cite("file-2", 4)]
    )
    assert text == "One.[1][2] Two.[2]"
    assert passages == (
        Passage(1, "a.md", "", "Alpha.\n\n…\n\nAnother alpha."),
        Passage(2, "a.md", "", "Beta."),
    )


def test_an_engine_cites_passages_with_their_places():
    citations = Citations()
    citations.add(FOUND, {"number": "4", "places": ["page 1", "line 2", "page 3"]})
    mark = "【4:2†a.md】"
    text, passages = citations.resolve(f"So {mark}.", [cite("file-1", 3)])
    assert text == "So [1]."
    assert passages == (Passage(1, "a.md", "page 3", "Another alpha."),)


def test_what_an_earlier_turn_found_has_only_a_name(citations):
    text, passages = citations.resolve("So 【0:9†c.md】.", [cite("file-9", 3)])
    assert (text, passages) == ("So [1].", (Passage(1, "a.md"),))
    citations.add(FOUND, {"number": "1", "places": ["", "", ""]})
    _text, passages = citations.resolve("So 【0:0†a.md】.", [cite("file-1", 3)])
    assert passages == (Passage(1, "a.md"),)


def test_rows_of_a_column_are_told_apart():
    citations = Citations()
    cut = 'end of a row"}\n{"row": "3", "text": "slow\\nzebra"}\n{"row": "4", "text": "quick"}'
    citations.add([{"file_id": "f", "text": cut}], {})
    _text, (passage,) = citations.resolve("So.", [cite("f", 3)])
    assert passage.place == "rows 3 – 4"
    assert passage.text == 'end of a row"}\n3: slow\nzebra\n4: quick'


def test_a_long_passage_is_cut():
    citations = Citations()
    citations.add([{"file_id": "f", "text": "x" * 9_000}], {})
    _text, (passage,) = citations.resolve("So.", [cite("f", 3)])
    assert len(passage.text) == LONGEST_QUOTE
    assert passage.text.endswith("…")


def test_other_annotations_and_odd_places_change_nothing(citations):
    assert citations.resolve("So.", [{"type": "url_citation", "url": "x"}]) == ("So.", ())
    assert citations.resolve("So.", [cite("file-2", 99)])[0] == "So.[1]"
