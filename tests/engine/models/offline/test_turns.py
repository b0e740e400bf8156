"""Turns through the front door: the notebook's side, a real engine, the real sandbox."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from offline_notebook import bold, number, table

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


async def test_the_code_of_a_turn_runs_in_the_notebook(here, sales, capsys):
    assistant = Assistant({"sales": sales})
    turn = await assistant.ask("Average revenue by region", Options(items=("sales",)))
    exec(turn.code, {"sales": sales})
    assert capsys.readouterr().out.strip().endswith(turn.logs.strip())
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
