"""What is printed of what code prints."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_magic.display.log_fold import (
    HEAD_LINES,
    LINE_CHARS,
    TAIL_LINES,
    LogFold,
    fold_logs,
)

from . import hostile


@given(st.lists(st.text(alphabet="ab\n\r\x1b[31m", max_size=60), max_size=30))
def test_chunks_make_no_difference(chunks):
    fold = LogFold()
    printed = "".join([fold.feed(chunk) for chunk in chunks] + [fold.close()])
    assert printed == fold_logs("".join(chunks))


def test_lines_are_printed_as_soon_as_they_are_complete():
    fold = LogFold()
    assert fold.feed("one\ntwo") == "one\n"
    assert fold.pending == "two"
    assert fold.close() == "two\n"


def test_what_is_not_printed_can_be_glimpsed():
    fold = LogFold()
    fold.feed("".join(f"line {i}\n" for i in range(2_000)))
    assert fold.latest == "2,000: line 1999"
    fold.feed("50 %\r\x1b[31m60 %\x1b[0m")
    assert fold.latest == "60 %"


def test_nothing_is_left_out_of_what_just_fits():
    text = "x\n" * (HEAD_LINES + TAIL_LINES)
    assert fold_logs(text) == text


def test_a_progress_bar_is_one_line_as_a_terminal_would_show_it():
    assert fold_logs("10 %\r50 %\r100 %\nready\r\n") == "100 %\nready\n"


def test_an_endless_line_is_cut():
    assert len(fold_logs("x" * 1_000_000)) == LINE_CHARS + 1


@pytest.mark.parametrize("text", hostile.LOGS)
def test_of_terminal_sequences_only_colours_are_left(text):
    printed = fold_logs(text)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert not set(printed) & set("\x07\x9b\u202e")
