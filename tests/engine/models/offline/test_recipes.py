"""Each recipe end to end: the code is run, the answer's numbers are computed again here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aoai_magic.engine.models.offline.findings import number, percent, signed


def told(*values: float) -> list[str]:
    return [number(value) for value in values]


def contains(text: str, *parts: str) -> bool:
    missing = [part for part in parts if part not in text]
    assert not missing, f"{missing} not in:\n{text}"
    return True


async def test_the_main_job(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask(
        "Which region grew fastest? Plot monthly revenue per region, "
        "and save the ten best customers."
    )
    years = sales.pivot_table(
        index="region", columns=sales.order_date.dt.year, values="revenue", aggfunc="sum"
    )
    growth = years[2023] / years[2022] - 1
    assert growth.idxmax() == "Asia"
    assert contains(
        turn.text, "**Asia** grew fastest", signed(growth.max()), *told(*years.loc["Asia"])
    )
    assert ["Monthly total revenue by region"] in turn.figures
    best = sales.groupby("customer").revenue.sum().nlargest(10)
    saved = pd.read_csv(notebook.folder / "top_10_customer.csv")
    assert list(saved.customer) == list(best.index)
    np.testing.assert_allclose(saved.revenue, best)
    assert contains(turn.text, "[top_10_customer.csv](sandbox:/mnt/data/top_10_customer.csv)")
    assert contains(turn.text, *told(*best))
    assert len(turn.codes) == 4


async def test_overview(notebook, sales):
    notebook.attach(sales=sales.mask(sales.quantity == 3, np.nan).assign(region=sales.region))
    turn = await notebook.ask("Give me an overview of the data")
    gaps = (sales.quantity == 3).sum() * (sales.shape[1] - 1)
    rest = sales[sales.quantity != 3]
    assert contains(turn.text, "1,200 rows and 7 columns", f"{number(gaps)} values are missing")
    assert contains(turn.text, "| region | text | 0 | 4 |", *told(rest.revenue.mean()))


async def test_missing_values(notebook, sales):
    gaps = sales.assign(unit_price=sales.unit_price.where(sales.quantity > 2))
    notebook.attach(sales=gaps)
    turn = await notebook.ask("Are there missing values?")
    count = gaps.unit_price.isna().sum()
    assert contains(turn.text, "**unit_price**", number(count), percent(count / len(gaps)))
    assert not turn.figures
    assert (
        "No values are missing" in (await notebook.ask("missing values where quantity > 2?")).text
    )


async def test_distribution(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Show the distribution of unit prices")
    price = sales.unit_price
    figures = [price.mean(), price.median(), price.std(), price.min(), price.quantile(0.75)]
    assert contains(turn.text, *told(*figures))
    assert turn.figures == [["Distribution of unit_price"]]
    turn = await notebook.ask("Box plot of revenue by region")
    assert contains(turn.text, *told(*sales.groupby("region").revenue.median()))
    assert len(turn.figures) == 1
    turn = await notebook.ask("distribution of products")
    assert contains(turn.text, "3 different values", *told(*sales["product"].value_counts()))


@pytest.mark.parametrize(
    ("words", "aggregation"),
    [("average", "mean"), ("total", "sum"), ("median", "median"), ("maximum", "max")],
)
async def test_comparison_by_group(notebook, sales, words, aggregation):
    notebook.attach(sales=sales)
    turn = await notebook.ask(f"Compare the {words} unit price by product")
    means = sales.groupby("product").unit_price.agg(aggregation)
    assert contains(turn.text, f"**{means.idxmax()}** has the highest", *told(*means))
    assert len(turn.figures) == 1


async def test_number_of_rows_by_group(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("How many orders per region?")
    assert contains(turn.text, *told(*sales.region.value_counts()))


async def test_two_groups(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Revenue by region and product")
    sums = sales.groupby(["region", "product"]).revenue.sum()
    assert contains(turn.text, "**{}, {}**".format(*sums.idxmax()), *told(*sums))


@pytest.mark.parametrize(
    ("word", "alias"),
    [("daily", "D"), ("weekly", "W"), ("monthly", "M"), ("quarterly", "Q"), ("yearly", "Y")],
)
async def test_series(notebook, sales, word, alias):
    notebook.attach(sales=sales)
    turn = await notebook.ask(f"Plot {word} revenue")
    series = sales.groupby(sales.order_date.dt.to_period(alias)).revenue.sum()
    assert contains(turn.text, f"**{series.idxmax()}** ({number(series.max())})")
    assert contains(turn.text, signed(series.iloc[-1] / series.iloc[0] - 1))
    assert turn.figures == [[f"{word.capitalize()} total revenue"]]


async def test_highest_month(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Which month had the highest revenue?")
    series = sales.groupby(sales.order_date.dt.to_period("M")).revenue.sum()
    assert contains(turn.text, f"highest in **{series.idxmax()}**")


async def test_a_last_period_that_is_cut_is_no_fall(notebook, sales):
    notebook.attach(sales=sales[sales.order_date < "2023-12-12"])
    turn = await notebook.ask("Which region grew fastest per month?")
    assert contains(turn.text, "2022-01 to 2023-11")


async def test_extremes(notebook, sales):
    notebook.attach(sales=sales)
    top = sales.groupby("product").quantity.sum().nlargest(2)
    turn = await notebook.ask("top 2 products by quantity")
    assert contains(turn.text, f"**{top.index[0]}**", *told(*top))
    low = sales.groupby("customer").revenue.sum().nsmallest(5)
    turn = await notebook.ask("Who are the bottom 5 customers?")
    assert contains(turn.text, f"**{low.index[0]}**", *told(*low))
    turn = await notebook.ask("What is the highest unit price?")
    assert contains(turn.text, *told(sales.unit_price.max()))


async def test_correlation(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Is there a correlation between unit price and revenue?")
    assert contains(turn.text, f"r = {number(round(sales.unit_price.corr(sales.revenue), 2))}")
    assert turn.figures == [["revenue vs unit_price"]]
    turn = await notebook.ask("Show all correlations")
    pairs = sales[["quantity", "unit_price", "revenue"]].corr()
    assert contains(turn.text, *told(pairs.loc["quantity", "revenue"].round(2)))
    assert ["Correlations"] in turn.figures


async def test_outliers(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Find outliers in revenue and save them")
    low, high = sales.revenue.quantile([0.25, 0.75])
    fence = high + 1.5 * (high - low)
    outside = sales[sales.revenue > fence]
    assert contains(turn.text, f"{number(len(outside))} outliers", number(fence))
    assert len(pd.read_csv(notebook.folder / "outliers.csv")) == len(outside)


async def test_share(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("What share of revenue does each region have?")
    shares = sales.groupby("region").revenue.sum() / sales.revenue.sum()
    assert contains(turn.text, f"**{shares.idxmax()}**", *map(percent, shares))
    turn = await notebook.ask("What percentage of revenue comes from Europe?")
    assert contains(turn.text, f"**Europe** makes up {percent(shares['Europe'])}")


async def test_join(notebook, sales):
    orders = sales.assign(customer_id=sales.customer.str[-3:].astype(int)).drop(columns="customer")
    customers = pd.DataFrame({"id": range(50), "name": [f"Name {n}" for n in range(50)]})
    notebook.attach(orders=orders, customers=customers)
    turn = await notebook.ask("Join orders and customers and save it as CSV")
    matched = (orders.customer_id < 50).mean()
    assert contains(turn.text, "on `customer_id`: 1,200 rows", percent(matched))
    saved = pd.read_csv(notebook.folder / "orders_customers.csv")
    assert len(saved) == len(orders)
    assert saved.name.notna().mean() == pytest.approx(matched)


async def test_conditions(notebook, sales):
    notebook.attach(sales=sales)

    async def total(words: str, rows: pd.Series) -> None:
        turn = await notebook.ask(f"What is the total revenue {words}?")
        assert contains(turn.text, f"**{number(sales.revenue[rows].sum())}**")

    year = sales.order_date.dt.year
    month = sales.order_date.dt.to_period("M").astype(str)
    await total("where quantity > 5", sales.quantity > 5)
    await total("where unit price is at least 100", sales.unit_price >= 100)
    await total("with unit price between 50 and 60", sales.unit_price.between(50, 60))
    await total("in Europe", sales.region == "Europe")
    await total("in 2023", year == 2023)
    await total("in March 2023", month == "2023-03")
    await total("in Q2 2022", month.isin(["2022-04", "2022-05", "2022-06"]))
    await total("since 2023 for Lamp", (year >= 2023) & (sales["product"] == "Lamp"))


async def test_excluded_group(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("revenue by region excluding Africa")
    assert contains(turn.text, "(Rows with region ≠ Africa.)")
    assert "| Africa" not in turn.text


async def test_rows(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("list rows where unit price over 190 and region is Asia")
    rows = sales[(sales.unit_price > 190) & (sales.region == "Asia")]
    assert contains(turn.text, f"{len(rows)} rows; the first 10", *told(*rows.revenue.head(10)))


async def test_counts(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("How many orders in 2023?")
    assert contains(turn.text, f"**{(sales.order_date.dt.year == 2023).sum()}** rows")
    turn = await notebook.ask("How many unique customers are there?")
    assert contains(turn.text, f"**{sales.customer.nunique()}** different values")


@pytest.mark.parametrize(
    ("words", "name", "read"),
    [
        ("Convert this to Excel", "sales.xlsx", pd.read_excel),
        ("Save the data as JSON", "sales.json", pd.read_json),
        ("Export everything to orders.csv", "orders.csv", pd.read_csv),
        ("Turn this table into Parquet", "sales.parquet", pd.read_parquet),
    ],
)
async def test_conversion(notebook, sales, words, name, read):
    notebook.attach(sales=sales)
    turn = await notebook.ask(words)
    assert contains(turn.text, f"(sandbox:/mnt/data/{name})")
    saved = read(notebook.folder / name)
    assert list(saved.columns) == list(sales.columns)
    np.testing.assert_allclose(saved.revenue, sales.revenue)
    # What was saved is a result: the next question is still about the data.
    turn = await notebook.ask("total revenue")
    assert (turn.looks, number(sales.revenue.sum()) in turn.text) == (0, True)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("I need to solve the equation `3x + 11 = 14`. Can you help me?", "**x = 1**"),
        ("Solve x + y = 10, x - y = 2", "**x = 6, y = 4**"),
        ("x^2 - 5x + 6 = 0", "**x = 2** or **x = 3**"),
        ("solve 3x = 2", "**x = 2/3 ≈ 0.67**"),
        ("What is 17 * 23?", "**391**"),
        ("What is 15% of 1,200?", "**180**"),
        ("方程式 2x+3=7 を解いてください", "**x = 2**"),
        ("請解 3x + 2y = 12 和 x - y = 1", "**x = 14/5 ≈ 2.8, y = 9/5 ≈ 1.8**"),
    ],
)
async def test_algebra(notebook, prompt, answer):
    turn = await notebook.ask(prompt)
    assert contains(turn.text, answer)
    assert (len(turn.codes), turn.looks) == (1, 0)


async def test_the_check_of_a_solution(notebook):
    turn = await notebook.ask("Solve the equation 3x + 11 = 14")
    assert contains(turn.text, "`3*(1) + 11 = 14`")


async def test_an_equation_without_solution(notebook):
    assert contains((await notebook.ask("solve x = x + 1")).text, "no solution")
