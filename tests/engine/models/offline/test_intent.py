"""What prompts are read as, with no code run."""

from __future__ import annotations

import pytest

from aoai_magic.engine.models.offline import algebra
from aoai_magic.engine.models.offline.clauses import clauses
from aoai_magic.engine.models.offline.intent import read_tasks
from aoai_magic.engine.models.offline.language import count, detect
from aoai_magic.engine.models.offline.schema import Column, Table

PENGUINS = Table(
    "penguins",
    "penguins.csv",
    344,
    (
        Column("species", "text", distinct=3, values=("Adelie", "Gentoo", "Chinstrap")),
        Column("island", "text", distinct=3, values=("Biscoe", "Dream", "Torgersen")),
        Column("bill_length_mm", "number", distinct=164, low="32.1", high="59.6"),
        Column("bill_depth_mm", "number", distinct=80, low="13.1", high="21.5"),
        Column("flipper_length_mm", "number", distinct=55, low="172", high="231"),
        Column("body_mass_g", "number", distinct=94, low="2700", high="6300"),
        Column("sex", "text", distinct=2, values=("male", "female")),
    ),
)
WEATHER = Table(
    "weather",
    "weather.csv",
    1461,
    (
        Column("date", "date", distinct=1461, low="2012-01-01", high="2015-12-31"),
        Column("precipitation", "number", distinct=111),
        Column("temp_max", "number", distinct=67),
        Column("wind", "number", distinct=79),
        Column("weather", "text", distinct=3, values=("rain", "sun", "fog")),
    ),
)


@pytest.mark.parametrize(
    ("prompt", "kind", "measure", "group"),
    [
        ("Compare the mean body mass by species.", "compare", "body_mass_g", "species"),
        ("Which species is heaviest?", "top", "body_mass_g", "species"),
        ("males vs females body mass", "compare", "body_mass_g", "sex"),
        ("What share of the penguins does each island have?", "share", None, "island"),
        ("How many penguins are there per species?", "compare", None, "species"),
        ("How are bill length and flipper length correlated?", "correlate", "bill_length_mm", None),
        ("Show the distribution of the flipper length.", "distribution", "flipper_length_mm", None),
        ("Save the five heaviest penguins as an Excel file", "top", "body_mass_g", None),
        ("種ごとの平均体重を比較してください。", "compare", "body_mass_g", "species"),
        ("請比較各島嶼的平均 body_mass_g，並畫成長條圖。", "compare", "body_mass_g", "island"),
        ("Translate the island names", "help", None, None),
        ("Is it nicer on the island when there is no snow around?", "help", None, None),
    ],
)  # fmt: skip
def test_one_task(prompt, kind, measure, group):
    (task,) = read_tasks(prompt, [PENGUINS], None)
    names = [column and column.name for column in (task.measure, task.group)]
    assert (task.kind, *names) == (kind, measure, group)


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("the ten days with the most rain", 10),
        ("top 7 days by wind", 7),
        ("the three hottest days", 3),
        ("風速が高い順に5件", 5),
        ("wind最高的三天前十二名", 12),
        ("the windiest days of 2013", None),
    ],
)
def test_how_many(prompt, number):
    (task,) = read_tasks(prompt, [WEATHER], None)
    assert (task.kind, task.number) == ("top", number)


def test_a_question_about_the_series_before_it_is_no_second_task():
    prompt = "Plot the total precipitation per month. Which month had the most?"
    (task,) = read_tasks(prompt, [WEATHER], None)
    assert (task.kind, task.frequency, task.aggregation) == ("trend", "M", "sum")


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("Plot the monthly precipitation, and save the table as a CSV file.", ["trend"]),
        ("Plot the monthly precipitation, and save the result as a CSV file.", ["trend"]),
        ("月別の降水量をグラフにして、結果をCSVファイルに保存して。", ["trend"]),
        ("Plot the monthly precipitation. Convert the data to Excel.", ["trend", "convert"]),
        ("Save the table as a CSV file.", ["convert"]),
    ],
)
def test_after_a_question_what_is_saved_is_its_result(prompt, kinds):
    tasks = read_tasks(prompt, [WEATHER], None)
    assert [task.kind for task in tasks] == kinds
    assert tasks[-1].save in ("csv", "xlsx")


def test_a_value_is_found_in_its_adjective():
    (task,) = read_tasks("How many rainy days were there in 2014?", [WEATHER], None)
    conditions = [(f.column.name, f.operator, f.value) for f in task.filters]
    assert conditions == [
        ("weather", "in", ("rain",)),
        ("date", ">=", "2014-01-01"),
        ("date", "<", "2015-01-01"),
    ]


def test_the_table_is_the_one_whose_columns_are_named():
    tables = [PENGUINS, WEATHER]
    (task,) = read_tasks("average wind by weather", tables, None)
    assert task.table == WEATHER
    (task,) = read_tasks("body mass by island", tables, task)
    assert task.table == PENGUINS


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("Which region grew fastest? Plot monthly revenue, and save the ten best customers.", 3),
        ("Show revenue by region and month", 1),
        ("Show revenue by region and month and save it as CSV", 2),
        ("Total of 3.5 and 4.5, per region", 1),
        ("地域別の月次売上をグラフにして、上位10顧客を保存してください。", 2),
        ("哪個地區成長最快?畫出每月各地區的營收,並把前十名客戶存成檔案。", 3),
        ("", 0),
    ],
)
def test_clauses(prompt, parts):
    assert len(clauses(prompt)) == parts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Plot sales", "en"),
        ("売上を見せて", "ja"),
        ("地域別売上総額", "ja"),
        ("各地區的營收", "zh"),
        ("Plot `売上` please", "en"),
    ],
)
def test_languages(text, language):
    assert detect(text) == language


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("ten", 10), ("twelve", 12), ("十", 10), ("二十五", 25), ("３", 3), ("many", None)],
)
def test_numbers(text, number):
    assert count(text) == number


@pytest.mark.parametrize(
    "prompt",
    ["show rows where price = 3", "revenue from 2023-01-05 to 2024", "2023-2024 sales"],
)
def test_what_is_no_algebra(prompt):
    assert algebra.find(prompt) is None


def test_an_equation_can_hold_no_code():
    assert algebra.find("solve __import__('os').system('x') + x = 3") is None
    assert algebra.find("solve x.real + y = 3") == algebra.Problem((("+ y", "3"),))
