"""Questions as people put them: figures, calendars, units, values that are not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aoai_magic.engine.models.offline.findings import number, percent


@pytest.fixture
def orders() -> pd.DataFrame:
    """A shop's orders, with names of columns as exports write them."""
    random = np.random.default_rng(3)
    rows = 300
    return pd.DataFrame(
        {
            "Order ID": range(1, rows + 1),
            "Customer Name": random.choice(["Ann", "Bob", "Cho", "Dee"], rows),
            "Order Date": pd.date_range("2023-01-01", periods=rows, freq="60h"),
            "Revenue (USD)": random.gamma(3, 100, rows).round(2),
            "Units": random.integers(1, 20, rows),
            "paid": random.random(rows) < 0.7,
        }
    )


@pytest.fixture
def clients() -> pd.DataFrame:
    return pd.DataFrame(
        {"Customer Name": ["Ann", "Bob", "Cho", "Dee"], "Segment": ["A", "B", "A", "C"]}
    )


@pytest.fixture
def birds() -> pd.DataFrame:
    random = np.random.default_rng(7)
    species = np.repeat(["Adelie", "Gentoo", "Chinstrap"], 40)
    length = random.normal(45, 5, 120).round(1)
    return pd.DataFrame(
        {
            "species": species,
            "bill_length_mm": length,
            # Longer bills are deeper within a species, and the longest-billed are shallow.
            "bill_depth_mm": (0.3 * length - 6.0 * (species == "Gentoo")).round(1),
            "body_mass_g": random.integers(2700, 6300, 120),
        }
    )


@pytest.fixture
def weather() -> pd.DataFrame:
    days = pd.date_range("2012-01-01", "2015-12-31")
    rain = np.round(10 + 8 * np.cos((days.month.to_numpy() - 11) / 6 * np.pi), 1)
    wind = np.where(days.day_of_week == 5, 9.0, 2 + days.day % 5)
    sky = np.where(days.month == 1, "snow", "sun")
    return pd.DataFrame({"date": days, "precipitation": rain, "wind": wind, "weather": sky})


MAY = ("2013-05-04", "2013-06-01")


def told(turn, *values: float) -> bool:
    missing = [number(value) for value in values if number(value) not in turn.text]
    assert not missing, f"{missing} not in:\n{turn.text}"
    return True


@pytest.mark.parametrize(
    "prompt",
    [
        "What are the mean and median body mass by species?",
        "体重の平均と中央値を種ごとに",
        "各物種體重的平均和中位數",
    ],
)
async def test_several_figures_stand_in_one_table(notebook, birds, prompt):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    figures = birds.groupby("species").body_mass_g.agg(["mean", "median"])
    assert told(turn, *figures.to_numpy().ravel())
    assert (len(turn.figures), turn.text.count("|---|---:|---:|")) == (1, 1)


@pytest.mark.parametrize(
    ("prompt", "figure"),
    [
        ("What is the standard deviation of the body mass?", lambda x: x.std()),
        ("variance of body mass", lambda x: x.var()),
        ("What's the 90th percentile of body mass?", lambda x: x.quantile(0.9)),
        ("range of the body mass", lambda x: x.max() - x.min()),
        ("体重の標準偏差は？", lambda x: x.std()),
        ("體重的變異數", lambda x: x.var()),
    ],
)
async def test_figures_of_a_column(notebook, birds, prompt, figure):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    assert told(turn, round(figure(birds.body_mass_g), 2))


async def test_each_column_has_the_figure_that_stands_before_it(notebook, birds):
    notebook.attach(birds=birds)
    turn = await notebook.ask("average body mass and maximum bill length by species")
    assert told(turn, *birds.groupby("species").body_mass_g.mean())
    assert told(turn, *birds.groupby("species").bill_length_mm.max())
    turn = await notebook.ask("lowest, highest and average bill depth")
    depth = birds.bill_depth_mm
    assert told(turn, depth.min(), depth.max(), depth.mean())
    assert "| " not in turn.text


@pytest.mark.parametrize(
    "prompt",
    [
        "Plot bill depth against bill length, coloured by species",
        "bill_depth_mm と bill_length_mm の散布図を species ごとに色分けして",
        "畫 bill_depth_mm 對 bill_length_mm 的散佈圖，依 species 著色",
    ],
)
async def test_one_number_against_another(notebook, birds, prompt):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    r = birds.bill_length_mm.corr(birds.bill_depth_mm)
    parts = [birds[birds.species == name] for name in birds.species.unique()]
    within = [part.bill_length_mm.corr(part.bill_depth_mm) for part in parts]
    assert told(turn, round(r, 2), *within)
    assert len(turn.figures) == 1
    assert "ax.scatter(" in turn.codes[-1]


@pytest.mark.parametrize(
    ("prompt", "month"),
    [
        ("Which month of the year is the wettest on average?", "November"),
        ("何月が一番雨が多い？", "11月"),
        ("一年中哪個月的降雨量最多？", "11月"),
    ],
)
async def test_months_of_the_year(notebook, weather, prompt, month):
    notebook.attach(weather=weather)
    turn = await notebook.ask(prompt)
    assert f"**{month}**" in turn.text
    assert turn.text.count("\n|") == 14


@pytest.mark.parametrize(
    "prompt", ["average wind by day of the week", "曜日別の平均風速", "星期幾的平均風速最大？"]
)
async def test_days_of_the_week(notebook, weather, prompt):
    notebook.attach(weather=weather)
    turn = await notebook.ask(prompt)
    assert told(turn, *weather.groupby(weather.date.dt.day_of_week).wind.mean())


async def test_hours_of_the_day_in_a_time_zone(notebook):
    times = pd.date_range("2024-03-01 00:10", periods=200, freq="97min", tz="Asia/Tokyo")
    visits = pd.DataFrame({"seen at": times, "seconds": np.where(times.hour == 20, 90, 10)})
    notebook.attach(visits=visits)
    turn = await notebook.ask("average seconds by hour of the day")
    assert "highest in **20** (90)" in turn.text


@pytest.mark.parametrize(
    ("prompt", "years"),
    [
        ("Compare 2012 and 2015 precipitation", [2012, 2015]),
        ("precipitation in 2012 vs 2014 vs 2015", [2012, 2014, 2015]),
        ("2012年と2015年の降水量を比較して", [2012, 2015]),
        ("比較2012年和2015年的降雨量", [2012, 2015]),
    ],
)
async def test_years_that_are_set_side_by_side(notebook, weather, prompt, years):
    notebook.attach(weather=weather)
    turn = await notebook.ask(prompt)
    totals = weather.groupby(weather.date.dt.year).precipitation.sum()
    assert told(turn, *totals[years])
    assert not any(f"| {year} |" in turn.text for year in {2012, 2013, 2014, 2015} - {*years})


async def test_a_span_of_years_is_whole(notebook, weather):
    notebook.attach(weather=weather)
    turn = await notebook.ask("total precipitation between 2012 and 2014")
    assert told(turn, weather.precipitation[weather.date.dt.year < 2015].sum())


@pytest.mark.parametrize(
    ("prompt", "rows"),
    [
        ("average wind in January", lambda w: w.date.dt.month == 1),
        ("average wind on weekends", lambda w: w.date.dt.day_of_week > 4),
        ("1月の平均風速", lambda w: w.date.dt.month == 1),
        ("星期一的平均風速", lambda w: w.date.dt.day_of_week == 0),
        ("average wind on 2013-05-04", lambda w: w.date == "2013-05-04"),
        ("average wind from May 4, 2013 to 2013-06-01", lambda w: w.date.between(*MAY)),
        ("average wind in the last 3 months", lambda w: w.date >= "2015-10-01"),
        ("What's the average wind on snowy days?", lambda w: w.weather == "snow"),
    ],
)  # fmt: skip
async def test_one_number_for_a_time(notebook, weather, prompt, rows):
    notebook.attach(weather=weather)
    turn = await notebook.ask(prompt)
    assert f"**{number(round(weather.wind[rows(weather)].mean(), 2))}**" in turn.text
    assert turn.figures == []


async def test_weekdays_and_weekends(notebook, weather):
    notebook.attach(weather=weather)
    turn = await notebook.ask("Compare average wind on weekdays and weekends")
    assert told(turn, *weather.groupby(weather.date.dt.day_of_week > 4).wind.mean())


async def test_what_counts_from_today_is_unclear(notebook, weather):
    notebook.attach(weather=weather)
    turn = await notebook.ask("total precipitation last year")
    assert "“last year” is unclear" in turn.text
    assert len(turn.codes) == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "Join the two tables and show the revenue per segment",
        "total revenue by segment",
        "revenue per segment after merging orders with clients",
        "2つの表を結合して、セグメント別の売上を出して",
        "把兩個表格合併，然後依 Segment 算營收",
    ],
)
async def test_columns_of_two_tables(notebook, orders, clients, prompt):
    notebook.attach(orders=orders, clients=clients)
    turn = await notebook.ask(prompt)
    sums = orders.merge(clients).groupby("Segment")["Revenue (USD)"].sum()
    assert told(turn, *sums)
    assert "Customer Name" in turn.text
    turn = await notebook.ask("How many orders are there?")
    assert "300" in turn.text


@pytest.mark.parametrize(
    ("prompt", "first", "count"),
    [
        ("Give me the last 5 orders", 300, 5),
        ("show the first 10 rows", 1, 10),
        ("latest orders", 300, 5),
        ("last 3 rows", 298, 3),
        ("最後の5件を見せて", 300, 5),
        ("前三筆資料", 1, 3),
        ("最新5筆訂單", 300, 5),
    ],
)
async def test_rows_by_their_place(notebook, orders, prompt, first, count):
    notebook.attach(orders=orders)
    turn = await notebook.ask(prompt)
    header, _, *rows = [line for line in turn.text.splitlines() if line.startswith("|")]
    place = [cell.strip() for cell in header.split("|")].index("Order ID")
    assert (rows[0].split("|")[place].strip(), len(rows)) == (str(first), count)


@pytest.mark.parametrize(
    "prompt",
    [
        "Save the orders above 500 dollars as CSV",
        "500ドルを超える注文をCSVで保存して",
        "把超過500美元的訂單存成CSV",
    ],
)
async def test_an_amount_goes_to_the_column_of_its_unit(notebook, orders, prompt):
    notebook.attach(orders=orders)
    turn = await notebook.ask(prompt)
    (path,) = notebook.folder.glob("*.csv")
    assert len(pd.read_csv(path)) == (orders["Revenue (USD)"] > 500).sum()
    assert "Revenue (USD) > 500" in turn.text


async def test_units_are_converted(notebook, birds):
    notebook.attach(birds=birds)
    turn = await notebook.ask("How many penguins are over 5 kg?")
    assert f"**{(birds.body_mass_g > 5000).sum()}** rows" in turn.text
    turn = await notebook.ask("How many have a bill longer than 5 cm?")
    assert f"**{(birds.bill_length_mm > 50).sum()}** rows" in turn.text
    turn = await notebook.ask("list penguins over 220 mm")
    assert "I can't tell what “over 220 mm” is about" in turn.text


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Save the orders above 5000 dollars as CSV", "No file was written"),
        ("5000ドルを超える注文をCSVで保存して", "ファイルは作成していません"),
        ("把超過5000美元的訂單存成CSV", "沒有寫入檔案"),
    ],
)
async def test_no_empty_file_is_left(notebook, orders, prompt, words):
    notebook.attach(orders=orders)
    turn = await notebook.ask(prompt)
    assert words in turn.text
    assert not list(notebook.folder.glob("*.csv"))


async def test_a_number_of_rows_is_no_amount(notebook, orders):
    notebook.attach(orders=orders)
    assert "can't do that" in (await notebook.ask("customers with more than 10 orders")).text
    turn = await notebook.ask("How many units were sold?")
    assert told(turn, orders.Units.sum())
    turn = await notebook.ask("orders over 15 units")
    assert f"{(orders.Units > 15).sum()} rows" in turn.text


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("average body mass of Emperor penguins", "has no value “Emperor”"),
        ("average body mass for species Gento", "Did you mean Gentoo?"),
        ("species が Emperor の平均体重は？", "「Emperor」という値はありません"),
        ("ハワイにおける平均体重", "「ハワイ」という値はありません"),
        ("species 是 Emperor 的平均體重", "沒有「Emperor」這個值"),
    ],
)
async def test_a_value_that_is_not_there_is_told(notebook, birds, prompt, words):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    assert words in turn.text
    assert len(turn.codes) == 1


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("東京の平均体重は？", "「東京」という値はデータにない"),
        ("皇帝企鵝的平均體重是多少？", "資料中沒有「皇帝企鵝」這個值"),
    ],
)
async def test_what_may_be_a_value_is_told_before_the_answer(notebook, birds, prompt, words):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    assert turn.text.index(words) < turn.text.index(number(round(birds.body_mass_g.mean(), 2)))


async def test_a_place_may_be_where_all_rows_are_from(notebook, weather):
    notebook.attach(weather=weather)
    turn = await notebook.ask("What was the average wind in Seattle?")
    assert turn.text.startswith("No value of the data is “Seattle”, so this is about all rows.")
    assert number(round(weather.wind.mean(), 2)) in turn.text
    turn = await notebook.ask("Average wind in Celsius")
    assert "Celsius" not in turn.text


@pytest.mark.parametrize(
    "prompt", ["Gentooの平均体重は？", "Gentoo的平均體重", "Gentoo average mass"]
)
async def test_a_value_stands_beside_any_letter(notebook, birds, prompt):
    notebook.attach(birds=birds)
    turn = await notebook.ask(prompt)
    mean = birds.body_mass_g[birds.species == "Gentoo"].mean()
    assert f"**{number(round(mean, 2))}**" in turn.text


@pytest.mark.parametrize(
    "prompt",
    ["revenue per unit by customer", "1個あたりの売上を顧客別に", "各客戶每件的營收"],
)
async def test_a_ratio_of_two_columns(notebook, orders, prompt):
    notebook.attach(orders=orders)
    turn = await notebook.ask(prompt)
    sums = orders.groupby("Customer Name")[["Revenue (USD)", "Units"]].sum()
    assert told(turn, *(sums["Revenue (USD)"] / sums["Units"]))


async def test_flags_choose_rows(notebook, orders):
    notebook.attach(orders=orders)
    turn = await notebook.ask("How many orders were paid?")
    assert f"**{orders.paid.sum()}** rows" in turn.text
    turn = await notebook.ask("total revenue where paid is false")
    assert told(turn, orders["Revenue (USD)"][~orders.paid].sum())
    turn = await notebook.ask("What share of orders are paid?")
    assert f"**{percent(orders.paid.mean())}**" in turn.text


@pytest.mark.parametrize(
    "prompt",
    [
        "oldest customer",
        "difference between revenue and units",
        "rolling 20 day average of revenue",
        "累計売上をグラフに",
        "Asia vs Europe",
    ],
)
async def test_what_no_rule_covers_is_refused(notebook, orders, prompt):
    notebook.attach(orders=orders)
    turn = await notebook.ask(prompt)
    assert turn.text.startswith(("I can't do that offline", "これはオフラインではできません"))


async def test_a_measure_that_is_not_there_is_no_other(notebook, orders):
    notebook.attach(orders=orders)
    assert "no column for “visitors”" in (await notebook.ask("Plot monthly visitors")).text
    turn = await notebook.ask("orders per customer")
    assert told(turn, *orders["Customer Name"].value_counts())


async def test_a_greeting_is_no_question(notebook, orders):
    notebook.attach(orders=orders)
    turn = await notebook.ask("Hi! Could you plot the revenue per month? Thanks")
    assert turn.text.startswith("Monthly total Revenue")


async def test_columns_without_values(notebook):
    frame = pd.DataFrame({"team": ["A", "B"] * 5, "score": [np.nan] * 10, "points": range(10)})
    notebook.attach(games=frame)
    assert "the column has no values" in (await notebook.ask("average score by team")).text
    notebook.attach(one=pd.DataFrame({"city": ["Paris"], "sales": [12.5]}))
    assert "**–**" in (await notebook.ask("standard deviation of sales in one")).text


async def test_an_empty_table(notebook):
    empty = pd.DataFrame({"city": pd.Series(dtype=object), "sales": pd.Series(dtype=float)})
    notebook.attach(empty=empty)
    assert "No rows are left" in (await notebook.ask("total sales by city")).text
    turn = await notebook.ask("mean and median of sales by city")
    assert "No rows are left" in turn.text
