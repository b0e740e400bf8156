"""Answers as a careful analyst gives them: no more than was asked, and nothing else."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from aoai_magic.engine.models.offline.findings import number, percent


@pytest.fixture
def birds() -> pd.DataFrame:
    """Penguins in small."""
    return pd.DataFrame(
        {
            "species": ["Adelie", "Gentoo", "Chinstrap", "Gentoo", "Adelie", "Gentoo"] * 20,
            "island": ["Biscoe", "Biscoe", "Dream"] * 40,
            "bill_length_mm": [39.1 + place % 17 for place in range(120)],
            "bill_depth_mm": [18.7 - place % 5 for place in range(120)],
            "flipper_length_mm": [181 + place % 23 for place in range(120)],
            "body_mass_g": [3000 + 7 * place for place in range(120)],
            "sex": ["male", "female", "female", None] * 30,
            "year": [2007, 2008, 2009] * 40,
        }
    )


@pytest.fixture
def weather() -> pd.DataFrame:
    days = pd.date_range("2012-01-01", "2015-12-31")
    rain = [(7 * place) % 31 / 2 for place in range(len(days))]
    warm = [10 + place % 25 for place in range(len(days))]
    sky = ["rain", "sun", "fog"] * 487
    return pd.DataFrame({"date": days, "precipitation": rain, "temp_max": warm, "weather": sky})


def totals(weather: pd.DataFrame) -> pd.Series:
    return weather.groupby(weather.date.dt.to_period("M")).precipitation.sum()


@pytest.mark.parametrize(
    "prompt",
    [
        "Plot the total precipitation per month. Which month had the most?",
        "月別の降水量の合計をグラフに。最も多かった月は？",
        "畫出每月總降水量，哪個月最多？",
    ],
)
async def test_an_extreme_of_a_result_is_no_second_analysis(notebook, weather, prompt):
    notebook.attach(weather=weather)
    turn = await notebook.ask(prompt)
    months = totals(weather)
    assert f"**{months.idxmax()}**" in turn.text
    assert number(months.max()) in turn.text
    assert (len(turn.figures), len(turn.codes)) == (1, 2)


async def test_an_extreme_of_the_turn_before_is_drawn_no_more(notebook, weather):
    notebook.attach(weather=weather)
    await notebook.ask("Plot the total precipitation per month")
    turn = await notebook.ask("Which month had the least?")
    assert f"lowest in **{totals(weather).idxmin()}**" in turn.text
    assert turn.figures == []


async def test_the_other_end_of_a_ranking(notebook, sales):
    notebook.attach(sales=sales)
    await notebook.ask("Which region has the highest revenue?")
    turn = await notebook.ask("And the lowest?")
    assert f"**{sales.groupby('region').revenue.sum().idxmin()}** has the lowest" in turn.text
    turn = await notebook.ask("Show it as a pie chart")
    assert "ax.pie(" in turn.codes[-1]


@pytest.mark.parametrize(
    "prompt",
    [
        "Save the five heaviest penguins by body mass as an Excel file.",
        "体重が最も重いペンギン五匹をExcelで保存して",
        "把體重最重的五隻企鵝存成 Excel",
    ],
)
async def test_as_many_rows_as_are_asked_for(notebook, birds, prompt):
    notebook.attach(birds=birds)
    await notebook.ask(prompt)
    (path,) = notebook.folder.glob("*.xlsx")
    assert list(pd.read_excel(path).body_mass_g) == list(birds.body_mass_g.nlargest(5))


async def test_years_are_no_amounts(notebook, birds):
    notebook.attach(birds=birds)
    turn = await notebook.ask("average body mass per year")
    assert "| period | body_mass_g |\n|---|---:|\n| 2007 |" in turn.text
    turn = await notebook.ask("How many penguins are there per year and island?")
    assert "2,00" not in turn.text
    turn = await notebook.ask("average body mass in 2008")
    assert number(birds.body_mass_g[birds.year == 2008].mean()) in turn.text


async def test_two_columns_are_related_and_no_third(notebook, birds):
    notebook.attach(birds=birds)
    turn = await notebook.ask("How are bill length and flipper length correlated?")
    assert number(round(birds.bill_length_mm.corr(birds.flipper_length_mm), 2)) in turn.text
    assert "bill_depth_mm" not in turn.text + turn.codes[-1]
    assert "ax.scatter(" in turn.codes[-1]
    assert "slope" in turn.codes[-1]


async def test_what_has_no_measure_is_counted(notebook, birds):
    notebook.attach(penguins=birds)
    turn = await notebook.ask("What share of the penguins does each island have?")
    assert f"**Biscoe** has the largest share: 80 of 120 rows ({percent(2 / 3)})" in turn.text
    turn = await notebook.ask("How many penguins are there per species?")
    assert "**Gentoo** has the most (60 rows), **Chinstrap** the fewest (20 rows)" in turn.text
    turn = await notebook.ask("Which island has the most Gentoo penguins?")
    assert "**Biscoe** has the most rows: 40" in turn.text
    turn = await notebook.ask("What share of the rows has a body mass over 3700?")
    assert f"**{percent((birds.body_mass_g > 3700).mean())}** of the rows" in turn.text


@pytest.mark.parametrize(
    ("prompt", "column"),
    [
        ("種ごとの平均体重（body_mass_g）を比較してください。", "body_mass_g"),
        ("種ごとの平均体重は？", "body_mass_g"),
        ("くちばしの長さを種ごとに平均して", "bill_length_mm"),
        ("各物種的平均嘴長", "bill_length_mm"),
        ("請比較各物種的平均體重，並畫成長條圖。", "body_mass_g"),
    ],
)
async def test_columns_by_their_names_in_other_languages(notebook, birds, prompt, column):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    assert all(number(v) in turn.text for v in birds.groupby("species")[column].mean())
    assert len(turn.figures) == 1


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("average body mass by colour", "“colour”"),
        ("Total salary per species", "“salary”"),
        ("色ごとの平均体重", "「色」"),
        ("各顏色的平均體重", "「顏色」"),
    ],
)
async def test_a_column_that_is_not_there_is_named(notebook, birds, prompt, name):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    assert name in turn.text
    assert all(column in turn.text for column in birds.columns)
    assert turn.figures == []


async def test_logs_are_read_by_people(notebook, sales, weather):
    notebook.attach(weather=weather)
    turn = await notebook.ask("Plot the average temperature per month")
    log = turn.outputs[-1]
    assert len(log.splitlines()) <= 26
    assert "\t" not in log
    table = [line for line in log.split("# result\n")[1].split("\n\n")[0].split("\n") if line]
    assert len({line.index(" | ") for line in table}) == 1
    assert "{" not in turn.outputs[0]
    assert len(turn.codes[0].splitlines()) <= 55


async def test_values_with_the_signs_of_tables_stay_whole(notebook):
    names = [" a|b", "line\nbreak", "back\\slash", "–", "tail "]
    frame = pd.DataFrame({"name |": names * 3, "amount": [1.5, 2, 3, 4, 5] * 3})
    notebook.attach(odd=frame)
    turn = await notebook.ask("Total amount by name")
    assert all(number(v) in turn.text for v in frame.groupby("name |").amount.sum())
    assert "a\\|b" in turn.text
    assert "back\\\\slash" in turn.text


@pytest.mark.parametrize("name", ["df", "result", "table", "period"])
async def test_a_variable_with_a_name_of_ours_stays_what_it_is(notebook, sales, name):
    notebook.attach(**{name: sales})
    await notebook.ask("monthly revenue for Asia")
    await notebook.ask("revenue by region and product in 2023")
    turn = await notebook.ask("total revenue")
    assert number(sales.revenue.sum()) in turn.text


async def test_the_code_of_a_turn_runs_by_itself(notebook, sales):
    notebook.attach(sales=sales)
    await notebook.ask("revenue by region")
    turn = await notebook.ask("Revenue by product. Which product has the lowest quantity?")
    space = {"sales": sales}
    exec("\n".join(turn.codes), space)
    assert "print_table" in space


async def test_columns_of_one_name_and_negatives_in_brackets(notebook):
    frame = pd.DataFrame(
        [["A", "(1,200)", 1.0], ["B", "$300.50", 2.5], ["A", "2,000", 4.0]] * 5,
        columns=["unit", "balance", "unit"],
    )
    notebook.attach(books=frame)
    turn = await notebook.ask("Total balance by unit")
    assert "| A | 4,000 |" in turn.text
    assert "| B | 1,502.5 |" in turn.text
    notebook.file("plain.csv", 'team,result\nX,(1200)\nY,700\nX,"(1,300)"\n')
    turn = await notebook.ask("total result by team in plain")
    assert "| X | -2,500 |" in turn.text


async def test_a_table_of_numbers_that_name_things(notebook):
    frame = pd.DataFrame({"order_id": [100234, 100235], "amount": [1234.5, 2]})
    notebook.attach(orders=frame)
    turn = await notebook.ask("List the 2 largest orders")
    assert "| 1,234.5 | 100234 |" in turn.text


@pytest.mark.parametrize(
    "prompt",
    ["Overview of the data", "Revenue by region", "Is unit_price correlated with revenue?"],
)
async def test_captions_end_without_a_point(notebook, sales, prompt):
    notebook.attach(sales=sales)
    turn = await notebook.ask(prompt)
    caption = turn.codes[-1].split("\n")[0]
    assert re.fullmatch(r"# [A-Z].*\w", caption)
    assert all(
        title[0].isupper() or title.startswith("revenue") for f in turn.figures for title in f
    )


async def test_two_years_are_compared(notebook, sales):
    notebook.attach(sales=sales)
    years = sales.groupby(sales.order_date.dt.year).revenue.sum()
    turn = await notebook.ask("What was the total revenue in 2022 compared to 2023?")
    assert all(number(value) in turn.text for value in years)


async def test_the_best_of_each_group(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("What is the best selling product in each region?")
    best = sales.pivot_table(index="region", columns="product", values="revenue", aggfunc="sum")
    for region, product in best.idxmax(axis=1).items():
        assert re.search(rf"\| {region} \|.*\| {product} \|", turn.text)


async def test_rows_by_a_comparative_and_by_a_value_that_is_not_listed(notebook, birds, sales):
    notebook.attach(birds=birds)
    turn = await notebook.ask("Which penguins are lighter than 3050 g?")
    assert f"{(birds.body_mass_g < 3050).sum()} rows" in turn.text
    notebook.attach(sales=sales)
    turn = await notebook.ask("How much revenue did Customer 007 generate?")
    assert number(sales.revenue[sales.customer == "Customer 007"].sum()) in turn.text


async def test_the_latest_rows(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Give me the 3 most recent orders")
    assert f"**{sales.order_date.max().date()}**" in turn.text


async def test_punctuation_of_the_language(notebook, birds):
    notebook.attach(birds=birds)
    for prompt in [
        "種ごとの平均体重",
        "各物種的平均體重",
        "體重的分布",
        "くちばしの長さと体重の相関",
    ]:
        turn = await notebook.ask(prompt)
        assert not re.search(r"[\u3041-\u9fff*][(),:;]|[(),:;][\u3041-\u9fff]", turn.text)


@pytest.mark.parametrize(("words", "read"), [("JSON", pd.read_json), ("Parquet", pd.read_parquet)])
async def test_a_series_is_saved_in_any_format(notebook, sales, words, read):
    notebook.attach(sales=sales)
    turn = await notebook.ask(f"Save monthly revenue by region as {words}")
    (path,) = (p for p in notebook.folder.iterdir() if p.suffix != ".arrow")
    assert (len(read(path)), len(turn.codes)) == (24, 2)


async def test_several_measures_are_answered_one_by_one(notebook, birds):
    notebook.attach(birds=birds)
    turn = await notebook.ask("average body mass and flipper length by species")
    means = birds.groupby("species")[["body_mass_g", "flipper_length_mm"]].mean()
    assert all(number(value) in turn.text for value in means.to_numpy().ravel())


async def test_the_best_of_a_group_is_found_among_all(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Which customer has the highest revenue in each region?")
    best = sales.pivot_table(index="region", columns="customer", values="revenue", aggfunc="sum")
    for region, customer in best.idxmax(axis=1).items():
        assert re.search(rf"\| {region} \|.*\| {customer} \|\n", turn.text + "\n")
    turn = await notebook.ask("Top three customers per region")
    assert "I can't do that offline" in turn.text


async def test_a_number_of_rows_is_no_sum(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("total number of orders per month")
    months = sales.groupby(sales.order_date.dt.to_period("M")).size()
    assert f"highest in **{months.idxmax()}** ({months.max()})" in turn.text
