"""Turns through the front door: the notebook's side, a real engine, the real sandbox."""

from __future__ import annotations

import io
import re
import zipfile

import pandas as pd
import polars as pl
import pytest
from offline_notebook import bold, number, table

from aoai_magic.display import labels
from aoai_magic.notebook.line_commands import COMMANDS
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from tests.serving import TOKEN, serving


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine"), model="offline") as url:
        yield url


@pytest.fixture
def here(engine, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", TOKEN)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")


@pytest.fixture
def sales() -> pd.DataFrame:
    """The table of the README."""
    months = pd.date_range("2026-01-01", periods=6, freq="MS")
    return pd.DataFrame(
        {
            "region": ["North", "South"] * 6,
            "month": months.repeat(2),
            "revenue": [310, 520, 420, 610, 530, 540, 700, 430, 810, 620, 930, 650],
        }
    )


async def test_the_first_question_of_the_readme(here, sales):
    assistant = Assistant({"sales": sales})
    question = "Plot the monthly revenue per region, and save the table as a CSV file."
    turn = await assistant.ask(question, Options(items=("sales",), out="monthly"))
    monthly = assistant.namespace["monthly"]
    assert monthly[["North", "South"]].to_numpy().sum() == sales.revenue.sum()
    assert len(turn.images) == 1
    assert bold(turn.text)[0] == "2026-06, North"
    assert turn.code.count("\n") < 8


async def test_the_mean_per_region_after_the_first_question_of_the_readme(here, sales):
    assistant = Assistant({"sales": sales})
    question = "Plot the monthly revenue per region, and save the table as a CSV file."
    await assistant.ask(question, Options(items=("sales",)))
    turn = await assistant.ask("And the mean per region?", Options())
    means = sales.groupby("region").revenue.mean()
    assert table(turn.text) == {(name,): number(value) for name, value in means.items()}


async def test_the_code_of_a_turn_runs_in_the_notebook(here, sales):
    assistant = Assistant({"sales": sales})
    turn = await assistant.ask("Average revenue by region", Options(items=("sales",)))
    shown = []
    exec(turn.code, {"sales": sales, "display": shown.append})
    assert len(turn.code.splitlines()) == 2
    assert turn.logs.strip().endswith(shown[0].to_csv().strip())
    means = sales.groupby("region").revenue.mean()
    assert table(turn.text) == {(name,): number(value) for name, value in means.items()}


async def test_follow_ups_and_other_libraries(here, sales):
    assistant = Assistant({"sales": pl.from_pandas(sales)})
    turn = await assistant.ask("Total revenue by region", Options(items=("sales",)))
    assert bold(turn.text) == ["North"]
    turn = await assistant.ask("And per quarter?", Options())
    assert table(turn.text) == {("2026Q1",): "2,930", ("2026Q2",): "4,140"}
    assert "rules" not in turn.text


async def test_an_index_with_a_name(here, sales):
    indexed = sales.set_index(["region", "month"])
    options = Options(items=("indexed",))
    turn = await Assistant({"indexed": indexed}).ask("total revenue by region", options)
    assert table(turn.text) == {("North",): "3,700", ("South",): "3,370"}


async def test_a_file_is_read_once_with_care(here, sales, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sales.to_csv("orders.csv", sep=";", index=False)
    assistant = Assistant({})
    turn = await assistant.ask("Highest revenue by month in @orders.csv?", Options())
    assert "OPENAI_API_KEY" in turn.text
    turn = await assistant.ask("Total revenue of North", Options())
    assert bold(turn.text) == ["3,700"]


async def test_equations(here):
    turn = await Assistant({}).ask("Solve 2x + y = 5 and x - y = 1", Options())
    assert bold(turn.text) == ["x = 2, y = 1"]


ZIPS = {
    "zip": ["A0123", "A2139"],
    "amount": [1, 3],
    "day": pd.to_datetime(["2024-03-30", "2024-04-01"]),
}


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which zip has the highest amount?", "A2139"),
        ("How many rows are on a weekend?", "1"),
        ("Total amount by day of the week", "Monday"),
    ],
)
async def test_its_code_causes_no_warning(here, question, wanted):
    turn = await Assistant({"zips": pd.DataFrame(ZIPS)}).ask(question, Options(items=("zips",)))
    assert bold(turn.text)[0] == wanted
    assert "Warning" not in turn.logs


async def test_a_rank_of_groups_with_several_rows_is_refused(here):
    rows = pd.DataFrame({"city": [f"c{n // 2}" for n in range(120)], "level": range(0, 240, 2)})
    options = Options(items=("rows",))
    turn = await Assistant({"rows": rows}).ask("Which city has the highest level?", options)
    assert "each group has several rows" in turn.text


async def test_warnings_are_not_taken_for_the_answer(here, tmp_path):
    path, plain = tmp_path / "odd.xlsx", io.BytesIO()
    pd.DataFrame(ZIPS).to_excel(plain, index=False)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as odd:
        for name in source.namelist():
            odd.writestr(name, re.sub(b"<cellStyles.*</cellStyles>", b"", source.read(name)))
    turn = await Assistant({}).ask("Total amount by zip", Options(items=(f"@{path}",)))
    assert "no default style" in turn.logs
    assert table(turn.text) == {("A0123",): "1", ("A2139",): "3"}


async def test_a_turn_has_no_tokens_and_no_price(here, sales):
    assistant = Assistant({"sales": sales})
    options = Options(items=("sales",), max_tokens=1)
    turn = await assistant.ask("Total revenue by region", options)
    assert (turn.status, turn.usage.total_tokens, turn.view.cost) == ("completed", 0, None)
    assert not any("token" in fact for fact in labels.facts(turn.view))
    assert "token" not in COMMANDS["usage"](assistant, [])


@pytest.mark.parametrize("as_file", [True, False])
async def test_days_with_offsets_of_summer_time(here, tmp_path, as_file):
    written = [
        "2024-03-30T12:00:00+01:00",
        "2024-03-31T00:30:00+02:00",
        "2024-03-31T23:30:00+02:00",
    ]
    times = pd.DataFrame({"ts": written, "v": [1, 2, 5]})
    times.to_csv(tmp_path / "times.csv", index=False)
    item = f"@{tmp_path / 'times.csv'}" if as_file else "times"
    turn = await Assistant({"times": times}).ask("Total v by day of ts", Options(items=(item,)))
    assert table(turn.text) == {("2024-03-30",): "1", ("2024-03-31",): "7"}
    assert "without the offset to UTC" in turn.text
