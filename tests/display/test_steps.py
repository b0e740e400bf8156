"""What is shown as one output: attempts that failed go with the next one."""

from __future__ import annotations

import pytest

from aoai_magic.display.steps import Step, attempts, steps
from aoai_magic.turn.view import (
    Code,
    Image,
    Logs,
    Notice,
    Reasoning,
    Text,
)

FAILED = Code("c1", "x", "failed", error="KeyError")
TRACE = Logs("c1/logs", "c1", "Traceback", True)
THOUGHT = Reasoning("r", "A typo.", done=True)
DONE = Code("c2", "y", "done", attempt=2)
PRINTED = Logs("c2/logs", "c2", "3", True)
RUNNING = Code("c2", "y", "running", attempt=2)
STOPPED = Code("c2", "y", "failed", attempt=2, error="interrupted")
TEXT = Text("t", "So.", True)
PICTURE = Image("i", "a.png", b"")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], []),
        ([TEXT, DONE, PRINTED], [Step(TEXT), Step(DONE), Step(PRINTED)]),
        ([FAILED, TRACE, DONE, PRINTED], [Step(DONE, (FAILED, TRACE)), Step(PRINTED)]),
        ([FAILED, TRACE, THOUGHT, DONE], [Step(DONE, (FAILED, TRACE, THOUGHT))]),
        ([FAILED, TRACE, TEXT, DONE], [Step(FAILED, logs=TRACE), Step(TEXT), Step(DONE)]),
        ([FAILED, TRACE, THOUGHT, TEXT], [Step(FAILED, logs=TRACE), Step(THOUGHT), Step(TEXT)]),
        ([FAILED, STOPPED, PRINTED], [Step(STOPPED, (FAILED,)), Step(PRINTED)]),
        ([FAILED, PICTURE], [Step(FAILED), Step(PICTURE)]),
    ],
)
def test_a_turn_that_is_over(parts, expected):
    assert steps(parts) == expected


@pytest.mark.parametrize(
    ("parts", "last"),
    [
        ([TEXT, FAILED], Step(FAILED, open=True)),
        ([FAILED, TRACE], Step(FAILED, logs=TRACE, open=True)),
        ([FAILED, TRACE, THOUGHT], Step(THOUGHT, (FAILED, TRACE), open=True)),
        ([FAILED, RUNNING, PRINTED], Step(RUNNING, (FAILED,), PRINTED, open=True)),
        ([DONE, PRINTED], Step(PRINTED)),
        ([FAILED, Notice("n", "New session.")], Step(Notice("n", "New session."))),
    ],
)
def test_a_turn_that_goes_on(parts, last):
    assert steps(parts, over=False)[-1] == last


def test_a_step_keeps_its_name_when_another_attempt_takes_its_place():
    names = [
        steps([FAILED, TRACE, THOUGHT, DONE][:count], over=False)[0].id for count in range(1, 5)
    ]
    assert names == ["c1"] * 4


def test_what_failed_before_is_told_attempt_by_attempt():
    assert attempts([FAILED, TRACE, THOUGHT]) == [Step(FAILED, logs=TRACE), Step(THOUGHT)]
