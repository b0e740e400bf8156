"""A turn from the reading of its data on."""

import asyncio
import itertools
import os

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aoai_magic.errors import AssistantError, AttachError, TurnInterrupted
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.turn import progress
from aoai_magic.turn.view import Notice

SCHEMA = pa.schema([("a", pa.int64())])
TOTALS = """
turns:
  - when: "."
    replies:
      - code: |
          open("/mnt/data/totals.csv", "w").write("region,revenue\\nN,1\\nS,2\\n")
      - text: "See [the totals](sandbox:/mnt/data/totals.csv)."
"""


class Endless:
    """A stream of rows that does not end; in the middle of it somebody presses Stop."""

    def __init__(self, assistant):
        self.assistant = assistant

    def __arrow_c_stream__(self, requested_schema=None):
        reader = pa.RecordBatchReader.from_batches(SCHEMA, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self):
        for place in itertools.count():
            if place == 100:
                self.assistant.stop()
            yield pa.record_batch([[1, 2, 3]], schema=SCHEMA)


@pytest.fixture
def here(engine, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")


async def test_the_reading_of_data_can_be_stopped(here, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    assistant = Assistant({})
    assistant.namespace["rows"] = Endless(assistant)

    # With one row to be kept, reading goes on for ever and takes no memory.
    with pytest.raises(TurnInterrupted, match="The turn was stopped"):
        await assistant.ask("Sum?", Options(items=("rows",), rows=1))
    assert assistant.last.status == "interrupted"


SLOW = """
turns:
  - when: "."
    replies:
      - code: "import time; time.sleep(100)"
      - text: never
"""


async def test_a_thread_is_known_by_its_name_from_the_beginning_of_its_first_turn(here, script):
    assistant = Assistant({})
    options = Options(thread="report", model=script(SLOW))
    turn = asyncio.create_task(assistant.ask("Go.", options))

    # A kernel that dies now leaves the thread to the next one.
    threads, target = assistant.threads(assistant.settings()), os.environ["AOAI_MAGIC_TARGET"]
    while not (known := threads.get("report", target)):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)
    assistant.stop()
    with pytest.raises(TurnInterrupted):
        await turn
    assert assistant.last.thread == known


async def test_what_cannot_be_attached_begins_no_turn(here, capsys):
    assistant = Assistant({"rows": pl.LazyFrame({"a": [1]}).select("missing")})

    with pytest.raises(AttachError, match="rows cannot be attached because reading its rows"):
        await assistant.ask("Sum?", Options(items=("rows",)))
    assert assistant.last is None
    assert capsys.readouterr().out == ""


async def test_a_table_that_cannot_be_read_is_named(here, script):
    broken = TOTALS.replace("totals.csv", "totals.parquet")
    options = Options(out="totals", model=script(broken))

    with pytest.raises(AssistantError, match=r"totals is not set because totals\.parquet cannot"):
        await Assistant({}).ask("Totals?", options)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (pd.DataFrame({"a": [1]}), pd.DataFrame),
        (pl.LazyFrame({"a": [1]}), pl.DataFrame),
        (pa.table({"a": [1]}), pa.Table),
        ("just a text", pd.DataFrame),
    ],
)
async def test_tables_come_back_in_the_library_of_what_was_attached(here, script, value, kind):
    assistant = Assistant({"rows": value, "secret": "value"})

    options = Options(items=("rows",), out="totals", model=script(TOTALS))
    turn = await assistant.ask("Totals for {{secret}}?\n", options)

    # What was typed, and not the value that was sent.
    assert turn.question == "Totals for {{secret}}?"
    assert type(assistant.namespace["totals"]) is kind
    assert list(turn.files) == ["totals.csv"]
    assert turn.files["totals.csv"].text.startswith("region,revenue")


async def test_what_stays_text_is_said_in_the_answer(here, script):
    turn = await Assistant({}).ask("Use @property.", Options(model=script(TOTALS)))
    notices = [part.text for part in turn.parts if isinstance(part, Notice)]
    assert notices == ["Sent as text, since no variable or file has that name: @property"]
