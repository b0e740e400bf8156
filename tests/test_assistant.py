"""A turn from the reading of its data on."""

import asyncio
import enum
import itertools
import os

import openai
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from serving import serving_app
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from aoai_magic.backends.local_engine import LAUNCHER
from aoai_magic.errors import AttachError, TurnInterrupted
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


async def test_a_table_that_cannot_be_read_is_named(here, script, capsys):
    broken = TOTALS.replace("totals.csv", "totals.parquet")
    assistant = Assistant({})
    turn = await assistant.ask("Totals?", Options(out="totals", model=script(broken)))

    assert turn.status == "completed"
    assert "totals" not in assistant.namespace
    said = capsys.readouterr().out
    assert "`totals` was not set: totals.parquet could not be read as a table" in said


SHOWN = r"""
turns:
  - when: "one"
    replies:
      - text: |
          The best:

          | region | revenue | code |
          |---|---:|---|
          | **North** | 1,234.5 | 007 |
          | A\|B | 2 | 010 |
  - when: "two"
    replies:
      - text: "|a|\n|-|\n|1|\n\nand\n\n|b|\n|-|\n|2|\n"
  - when: "."
    replies:
      - text: "North, by far | no table"
"""


async def test_a_table_that_is_shown_counts_where_none_was_saved(here, script, capsys):
    assistant = Assistant({"top": "before"})
    model = script(SHOWN)

    await assistant.ask("one", Options(out="top", model=model))
    top = assistant.namespace["top"]
    assert top.columns.tolist() == ["region", "revenue", "code"]
    assert top["region"].tolist() == ["North", "A|B"]
    assert top["revenue"].tolist() == [1234.5, 2.0]
    assert "`top` is the table that the answer shows" in capsys.readouterr().out
    await assistant.ask("two", Options(out="top", model=model))
    assert [frame.to_dict("list") for frame in assistant.namespace["top"].values()] == [
        {"a": [1]},
        {"b": [2]},
    ]
    assert "`top` holds the 2 tables" in capsys.readouterr().out


async def test_an_answer_without_a_table_does_not_fail_the_cell(here, script, capsys):
    assistant = Assistant({"top": "before"})
    for name, said in [("top", " and is what it was before."), ("best", ".")]:
        turn = await assistant.ask("Which?", Options(out=name, model=script(SHOWN)))
        assert turn.status == "completed"
        assert turn.troubles == [f"No table was returned, so `{name}` was not set{said}"]
        assert turn.troubles[0] in capsys.readouterr().out
    assert assistant.namespace["top"] == "before"
    assert "best" not in assistant.namespace


async def test_the_model_is_told_which_table_is_needed(here, monkeypatch):
    told = []

    async def complete(request):
        told.append(await request.body())
        return JSONResponse({"error": {"message": "enough"}}, status_code=400)

    routes = [Route("/v1/chat/completions", complete, methods=["POST"])]
    with serving_app(Starlette(routes=routes)) as url:
        monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        options = Options(out="top", model="openai:m", no_raise=True, instructions="Be brief.")
        await Assistant({}).ask("Best?", options)
        LAUNCHER.stop()
    body = told[0].decode()
    assert "becomes the variable `top` of the user's" in body
    assert "Be brief." in body


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


async def test_what_was_deleted_on_the_server_breaks_no_kernel(engine, here, script):
    assistant = Assistant({"rows": {"a": 1}})
    options = Options(items=("rows",), thread="report", model=script(TOTALS))
    first = await assistant.ask("Totals?", options)
    async with openai.AsyncOpenAI(base_url=f"{engine.url}/v1", api_key=engine.token) as api:
        for file in [file async for file in api.files.list()]:
            await api.files.delete(file.id)
        second = await assistant.ask("Totals?", options)
        assert (second.thread, second.troubles) == (first.thread, [])
        await api.delete(f"/conversations/{first.thread}", cast_to=object)
    third = await assistant.ask("Totals?", options)
    assert third.thread != first.thread
    assert "no longer has this thread" in third.parts[0].text
    fourth = await assistant.ask("Totals?", options)
    assert fourth.thread == third.thread


class Unit(enum.Enum):
    EUR = "euro"


SUM = """
turns:
  - when: "."
    replies:
      - code: print(sales.a.sum(), sales.unit.tolist())
      - text: Done.
"""


async def test_what_only_the_notebook_knows_is_replaced_and_said(here, script):
    sales = pd.DataFrame({"a": [1, 2], "unit": [Unit.EUR, Unit.EUR]})
    assistant = Assistant({"sales": sales})

    turn = await assistant.ask("Sum?", Options(items=("sales",), model=script(SUM)))

    assert turn.logs.strip() == "3 ['euro', 'euro']"
    notices = [part.text for part in turn.parts if isinstance(part, Notice)]
    assert any("unit: Unit as its value" in notice for notice in notices)


READ = """
turns:
  - when: "."
    replies:
      - code: print(open("/mnt/data/x.csv").read())
      - text: Done.
"""


@pytest.mark.parametrize("folder", ["a\\1", "a'b\"); raise SystemExit #", "line\nbreak"])
async def test_the_cell_of_a_turn_reads_a_file_of_any_path(
    here, script, tmp_path, monkeypatch, capsys, folder
):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / folder
    place.mkdir()
    (place / "x.csv").write_text("given")
    path = place / "x.csv"
    assistant = Assistant({"path": path})

    turn = await assistant.ask("Read.", Options(items=("path",), model=script(READ)))

    assert (turn.logs, turn.troubles) == ("given", [])
    capsys.readouterr()
    exec(turn.view.cell, {})
    assert capsys.readouterr().out == "given\n"
