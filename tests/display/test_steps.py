"""What of a turn is its answer, and what the work behind it."""

from __future__ import annotations

import pytest

from aoai_magic.display.answer import answer, final_answer
from aoai_magic.display.steps import Step, attempts, steps, work
from aoai_magic.turn.view import (
    Code,
    Image,
    Logs,
    Notice,
    Reasoning,
    Text,
    View,
)

FAILED = Code("c1", "x", "failed", error="KeyError")
TRACE = Logs("c1/logs", "c1", "Traceback", True)
THOUGHT = Reasoning("r", "A typo.", done=True)
DONE = Code("c2", "y", "done", attempt=2)
PRINTED = Logs("c2/logs", "c2", "3", True)
STOPPED = Code("c2", "y", "failed", attempt=2, error="interrupted")
TEXT = Text("t", "So.", True)
SAID = Text("u", "It is 3.", True)
PICTURE = Image("i", "a.png", b"")
NOTICE = Notice("n", "New session.")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], []),
        ([TEXT, DONE, PRINTED], [Step(DONE, logs=PRINTED)]),
        ([FAILED, TRACE, DONE, PRINTED], [Step(DONE, (FAILED, TRACE), PRINTED)]),
        ([FAILED, TRACE, THOUGHT, DONE], [Step(DONE, (FAILED, TRACE, THOUGHT))]),
        ([FAILED, TRACE, TEXT, DONE], [Step(DONE, (FAILED, TRACE))]),
        ([TEXT, FAILED, TRACE, DONE, SAID], [Step(DONE, (TEXT, FAILED, TRACE))]),
        ([TEXT, FAILED, TRACE], [Step(FAILED, logs=TRACE)]),
        ([FAILED, TRACE, THOUGHT, TEXT], [Step(FAILED, logs=TRACE), Step(THOUGHT)]),
        ([THOUGHT, DONE], [Step(THOUGHT), Step(DONE)]),
        ([FAILED, STOPPED, PRINTED], [Step(STOPPED, (FAILED,), PRINTED)]),
        ([FAILED, PICTURE], [Step(FAILED)]),
        ([PRINTED], [Step(PRINTED)]),
    ],
)
def test_failed_attempts_go_with_the_one_that_follows(parts, expected):
    assert steps(parts) == expected


def test_the_answer_is_what_is_no_work():
    parts = [THOUGHT, TEXT, FAILED, TRACE, DONE, PRINTED, PICTURE, NOTICE]
    assert answer(View(parts=tuple(parts))) == [TEXT, PICTURE, NOTICE]
    assert work(parts) == [THOUGHT, FAILED, TRACE, DONE, PRINTED]


def test_what_announced_a_failed_attempt_is_no_part_of_the_final_answer():
    parts = (TEXT, FAILED, TRACE, DONE, SAID)
    assert final_answer(View(parts=parts)) == [SAID]
    assert final_answer(View(parts=parts[:3])) == [TEXT]


def test_what_failed_before_is_told_attempt_by_attempt():
    assert attempts([FAILED, TRACE, THOUGHT]) == [Step(FAILED, logs=TRACE), Step(THOUGHT)]
