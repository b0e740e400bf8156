"""Where a turn's time went, from its own events to the block below the answer."""

import json

import pytest

from aoai_magic.display.saved.bundles import bundles
from aoai_magic.display.saved.turn_record import MEDIA_TYPE
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.turn import event_json
from aoai_magic.turn.events import (
    CodeDelta,
    CodeDone,
    CodeRunning,
    Finished,
    ImageMade,
    LogsDelta,
    Progress,
    ReasoningDelta,
    ReasoningDone,
    Started,
    TextDelta,
    TextDone,
    Times,
)
from aoai_magic.turn.times import STARTING, Stopwatch
from aoai_magic.turn.view import Code, View

STARTED = Started("thread", "local", "model")
SLEEPS = """
turns:
  - when: "."
    replies:
      - code: |
          import time
          time.sleep(0.3)
      - text: Done.
"""


def measured(*events):
    """Let one second pass before each event."""
    watch = Stopwatch(0.0)
    for at, event in enumerate(events, 1):
        watch.take(event, float(at))
    return watch.times


@pytest.mark.parametrize(
    ("events", "times"),
    [
        ((STARTED, TextDelta("t", "a"), TextDelta("t", "b")), Times(0, 1, 1, 1, 0)),
        ((Progress("sending", 1, 2), Progress(STARTING, 0), STARTED), Times(2, 1)),
        ((Progress(STARTING, 0), Progress("sending", 1, 2), STARTED), Times(1, 2)),
        ((STARTED, Progress("busy; trying again in 3 s", 0)), Times(0, 1, 1)),
        (
            (STARTED, CodeDelta("c", "1"), CodeRunning("c"), LogsDelta("c", "1"), CodeDone("c")),
            Times(0, 1, 1, 1, 2),
        ),
        ((STARTED, CodeDelta("c", "1"), CodeDone("c", None, 0.75)), Times(0, 1, 1, 0.25, 0.75)),
        ((STARTED, CodeDelta("c", "1"), CodeDone("c", None, 9.0)), Times(0, 1, 1, 0, 1)),
        (
            (STARTED, CodeRunning("c"), ImageMade("i", "i", b""), CodeDone("c")),
            Times(0, 1, 1, 0, 2),
        ),
        ((STARTED, ReasoningDelta("r", "x"), ReasoningDone("r", "x")), Times(0, 1, 1, 1)),
        (
            (STARTED, TextDelta("t", "a"), TextDone("t", "a"), Finished("completed")),
            Times(0, 1, 1, 1),
        ),
    ],
)
def test_time_is_counted_for_what_went_on(events, times):
    assert measured(*events) == times


async def test_a_turn_says_where_its_time_went(engine, monkeypatch, script):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    turn = await Assistant({}).ask("Wait.", Options(model=script(SLEEPS)))
    assert 0.3 <= turn.times.code <= turn.view.seconds
    *_, work, footer = bundles(turn.view)
    assert "running code 0." in work.data["text/markdown"]
    assert footer.data[MEDIA_TYPE]["times"]["code"] == turn.times.code


def test_an_answer_without_times_shows_none():
    view = View(parts=(Code("c", "1", "done"),), seconds=1.0)
    assert "running code" not in str([bundle.data for bundle in bundles(view)])


def test_times_are_kept_in_recordings():
    event = Finished("completed", None, 3.0, Times(1, 0, 0.5, 0.2, 0.1))
    assert event_json.read(json.loads(json.dumps(event_json.written(event)))) == event
