"""What is printed of what code prints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_magic.display.log_fold import (
    HEAD_LINES,
    LINE_CHARS,
    TAIL_LINES,
    last_lines,
    plain_logs,
)

from . import hostile


@given(st.text(alphabet="ab\n\r\x1b[31m", max_size=600))
def test_any_text_is_shortened(text):
    assert len(plain_logs(text).splitlines()) <= HEAD_LINES + TAIL_LINES + 1
    assert len(last_lines(text, 3).splitlines()) <= 3


def test_the_newest_lines_are_those_of_a_terminal():
    text = "".join(f"line {i}\n" for i in range(2_000))
    assert last_lines(text, 2) == "line 1998\nline 1999"
    assert last_lines(text + "50 %\r\x1b[31m60 %\x1b[0m", 1) == "60 %"
    assert last_lines("", 2) == ""


def test_nothing_is_left_out_of_what_just_fits():
    text = "x\n" * (HEAD_LINES + TAIL_LINES)
    assert plain_logs(text) == text.rstrip()
    assert "1 line left out" in plain_logs(text + "x\n")


def test_a_progress_bar_is_one_line_as_a_terminal_would_show_it():
    assert plain_logs("10 %\r50 %\r100 %\nready\r\n") == "100 %\nready"


def test_an_endless_line_is_cut():
    assert len(plain_logs("x" * 1_000_000)) == LINE_CHARS


@pytest.mark.parametrize("text", hostile.LOGS)
def test_no_terminal_sequence_is_left(text):
    printed = plain_logs(text)
    assert "\x1b" not in printed
    assert not set(printed) & set("\x07\x9b\u202e")
