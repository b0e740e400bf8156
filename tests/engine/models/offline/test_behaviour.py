"""What holds beyond single answers: follow-ups, tables, files, refusals, code, hostile data."""

from __future__ import annotations

import ast

import numpy as np
import pandas as pd
import polars as pl
import pytest
from offline_notebook import Notebook, bold, is_refusal, lines_of, number, percent, table
from questions import make_tables
from scipy.stats import ttest_ind

from aoai_magic.engine.agent.tools import PYTHON, SEARCH
from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, ModelError, Request, Text, ToolCall
from aoai_magic.engine.models.offline import open_model
from aoai_magic.engine.models.offline.lexicon import sentence
from aoai_magic.engine.models.offline.model import next_step

TABLES = make_tables()
SALES = TABLES["sales"]


@pytest.fixture
def notebook(tmp_path) -> Notebook:
    return Notebook(tmp_path, sales=SALES)


def quarterly(rows: pd.DataFrame) -> dict[tuple[str, ...], str]:
    sums = rows.groupby(rows.date.dt.to_period("Q")).revenue.sum()
    return {(str(quarter),): number(value) for quarter, value in sums.items()}


# Follow-ups


def test_follow_ups_keep_what_was_asked(notebook):
    notebook.ask("Plot monthly revenue")
    assert table(notebook.ask("Now the same per quarter")) == quarterly(SALES)
    notebook.ask("And as a bar chart")
    assert ".plot.bar(" in notebook.codes[0]
    assert table(notebook.ask("Only for Europe")) == quarterly(SALES[SALES.region == "Europe"])
    assert ".plot.bar(" in notebook.codes[0]
    assert table(notebook.ask("What about North?")) == quarterly(SALES[SALES.region == "North"])
    notebook.ask("Save it as Excel")
    saved = pd.read_excel(notebook.folder / "total_revenue_by_quarter.xlsx")
    assert len(saved) == SALES.date.dt.to_period("Q").nunique()
    assert notebook.titles == []


def test_an_article_is_no_value_of_a_column(tmp_path):
    rows = pd.DataFrame({"kind": ["a", "b", "a"], "size": [1, 2, 4]})
    notebook = Notebook(tmp_path, rows=rows)
    assert table(notebook.ask("average size by kind as a bar chart")) == {
        ("a",): number(2.5),
        ("b",): number(2.0),
    }
    assert bold(notebook.ask("What is the average size of kind a?")) == [number(2.5)]


@pytest.mark.parametrize("words", ["，畫成長條圖", "，做成長條圖", "用長條圖表示"])
def test_a_chart_is_asked_for_in_chinese(notebook, words):
    # 畫成/長條圖: "draw as a bar chart", not 畫/成長/條圖, "draw growth".
    notebook.ask(f"各region的revenue平均{words}")
    assert notebook.titles == ["各region的revenue的平均"]


def test_a_table_without_rows_is_called_that(tmp_path):
    notebook = Notebook(tmp_path, rows=pd.DataFrame({"region": [], "revenue": []}, dtype=float))
    answer = notebook.ask("total revenue by region")
    assert "the table has no rows" in answer
    for question in ("average revenue", "plot revenue", "show the first 3 rows"):
        assert notebook.ask(question) == "rows has no rows."
    assert bold(notebook.ask("how many rows are there?")) == [number(0)]


def test_the_other_end_and_another_figure(notebook):
    sums = SALES.groupby("region").revenue.sum()
    assert bold(notebook.ask("Which region has the highest revenue?")) == [sums.idxmax()]
    assert bold(notebook.ask("And the lowest?")) == [sums.idxmin()]
    means = SALES.groupby("channel").revenue.mean()
    notebook.ask("and by channel?")
    assert bold(notebook.ask("and the average?")) == [means.idxmax()]
    assert is_refusal(notebook.ask("average of revenue over 500"))
    assert is_refusal(notebook.ask("revenue > 100 and quantity < 3"))


def test_a_question_about_the_chart_before_it_is_no_second_chart(notebook):
    text = notebook.ask("Plot the total revenue per month. Which month had the most?")
    months = SALES.groupby(SALES.date.dt.to_period("M")).revenue.sum()
    assert bold(text)[0] == str(months.idxmax())
    assert notebook.titles == ["Total revenue by month"]


@pytest.mark.parametrize(
    "prompt", ["And quantity by when?", "why?", "And the average revenue?", "and in Narnia?"]
)
def test_what_does_not_carry_over_is_refused(notebook, prompt):
    notebook.ask("Revenue by region")
    assert is_refusal(notebook.ask(prompt))
    assert notebook.codes == []


def test_a_complete_question_is_no_follow_up(notebook):
    notebook.ask("Revenue by region in 2023")
    assert bold(notebook.ask("Total quantity")) == [number(SALES.quantity.sum())]


# Tables


def test_a_question_is_of_the_data_that_came_with_it(tmp_path):
    first = pd.DataFrame({"region": ["N", "S"], "revenue": [1, 4]})
    notebook = Notebook(tmp_path, first=first)
    assert bold(notebook.ask("Mean revenue?")) == ["2.5"]
    notebook.attach(later=first.assign(revenue=first.revenue * 10))
    assert bold(notebook.ask("Mean revenue?")) == ["25"]
    assert table(notebook.ask("And by region?")) == {("N",): "10", ("S",): "40"}
    assert bold(notebook.ask("Mean revenue?", "first")) == ["2.5"]
    assert is_refusal(notebook.ask("Mean revenue?", "first", "later"))
    assert bold(notebook.ask("Mean revenue in later?", "first", "later")) == ["25"]


def test_a_join_that_would_count_rows_twice_is_refused(tmp_path):
    twice = pd.concat([TABLES["customers"]] * 2)
    notebook = Notebook(tmp_path, orders=TABLES["orders"], customers=twice)
    text = notebook.ask("total amount by segment")
    assert "several rows for one key" in text
    assert bold(text) == []


def test_a_join_keeps_rows_without_a_match(tmp_path):
    customers = TABLES["customers"].query("customer_id < 25")
    notebook = Notebook(tmp_path, orders=TABLES["orders"], customers=customers)
    shown = table(notebook.ask("How many orders by segment?"))
    assert sum(map(int, shown.values())) == len(TABLES["orders"])
    assert ("–",) in shown


@pytest.mark.parametrize("kind", ["polars", "indexed", "series", "nullable", "zoned"])
def test_kinds_of_variables(tmp_path, kind):
    values = {
        "polars": lambda: pl.from_pandas(SALES),
        "indexed": lambda: SALES.set_index(["region", "date"]),
        "series": lambda: SALES.dropna().set_index("region").revenue,
        "nullable": lambda: SALES.convert_dtypes().astype({"region": "category"}),
        "zoned": lambda: SALES.assign(date=SALES.date.dt.tz_localize("Asia/Tokyo")),
    }
    notebook = Notebook(tmp_path, sales=values[kind]())
    sums = SALES.dropna().groupby("region").revenue.sum()
    shown = table(notebook.ask("revenue by region"))
    assert {key: cell for key, cell in shown.items() if key != ("–",)} == {
        (name,): number(value) for name, value in sums.items()
    }
    if kind == "zoned":
        assert table(notebook.ask("revenue per quarter")) == quarterly(SALES)


def test_a_column_that_counts_the_rows_is_no_measure(tmp_path):
    hotel = pd.DataFrame({"booking": range(40), "nights": [1, 2, 3, 4] * 10, "web": [True] * 40})
    notebook = Notebook(tmp_path, hotel=hotel)
    assert bold(notebook.ask("average nights of web bookings")) == ["2.5"]
    assert bold(notebook.ask("How many bookings have over 3 nights?")) == ["10"]
    assert is_refusal(notebook.ask("average booking"))
    assert table(notebook.ask("total bookings by nights")) == {(str(n),): "10" for n in range(1, 5)}
    assert is_refusal(notebook.ask("total booking by nights"))
    assert is_refusal(notebook.ask("sum of booking by nights"))


def test_numbers_of_one_to_a_few_name_kinds(tmp_path):
    rows = {"sales": range(0, 420, 7), "visitors": range(150, 330, 3), "cylinders": [4, 6, 8] * 20}
    notebook = Notebook(tmp_path, rows=pd.DataFrame(rows))
    means = {("4",): "235.5", ("6",): "238.5", ("8",): "241.5"}
    assert table(notebook.ask("mean visitors per cylinders")) == means
    assert is_refusal(notebook.ask("sales per visitor by cylinders"))
    assert is_refusal(notebook.ask("sales per cylinder"))


# What is worked out of figures


def monthly(frame: pd.DataFrame, column: str = "revenue") -> pd.Series:
    return frame.groupby(frame.date.dt.to_period("M"))[column].sum()


def cells(values: pd.Series, write=number) -> dict[tuple[str, ...], str]:
    return {(str(key),): write(value) for key, value in values.items()}


@pytest.mark.parametrize(
    ("question", "values", "write"),
    [
        (
            "monthly growth of revenue in 2023",
            lambda s: monthly(s[s.date.dt.year == 2023]).pct_change().dropna(),
            percent,
        ),
        (
            "2023年の月ごとのrevenueの成長率",
            lambda s: monthly(s[s.date.dt.year == 2023]).pct_change().dropna(),
            percent,
        ),
        (
            "2023年每月revenue的成長率",
            lambda s: monthly(s[s.date.dt.year == 2023]).pct_change().dropna(),
            percent,
        ),
        (
            "3-month moving average of revenue",
            lambda s: monthly(s).rolling(3).mean().dropna(),
            number,
        ),
        (
            "total of quantity times unit_price by channel",
            lambda s: (s.quantity * s.unit_price).groupby(s.channel).sum(),
            number,
        ),
        (
            "revenue as a share of quantity by channel",
            lambda s: s.groupby("channel").revenue.sum() / s.groupby("channel").quantity.sum(),
            percent,
        ),
        (
            "total quantity by channel without duplicates",
            lambda s: s.drop_duplicates().groupby("channel").quantity.sum(),
            number,
        ),
        (
            "total revenue on weekdays and weekends",
            lambda s: s.groupby(
                np.where(s.date.dt.dayofweek > 4, "weekend", "weekday")
            ).revenue.sum(),
            number,
        ),
        (
            "average quantity by channel in summer",
            lambda s: s[s.date.dt.month.isin([6, 7, 8])].groupby("channel").quantity.mean(),
            number,
        ),
        ("average quantity by chanel", lambda s: s.groupby("channel").quantity.mean(), number),
    ],
)
def test_tables_of_figures(notebook, question, values, write):
    assert table(notebook.ask(question)) == cells(values(SALES), write)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        (
            "By how many percent did revenue change from 2023-01 to 2023-02?",
            lambda s: number(abs(monthly(s)["2023-02"] / monthly(s)["2023-01"] - 1) * 100) + "%",
        ),
        ("How many rows have no missing values?", lambda s: str(s.notna().all(axis=1).sum())),
        (
            "total quantity in the last 30 days",
            lambda s: number(s.quantity[s.date > s.date.max() - pd.Timedelta(days=30)].sum()),
        ),
        (
            "average quantity of North or online",
            lambda s: number(s.quantity[(s.region == "North") | (s.channel == "online")].mean()),
        ),
        ("average quantity without outliers", lambda s: number(s.quantity.mean())),
    ],
)
def test_single_figures(notebook, question, value):
    assert bold(notebook.ask(question)) == [value(SALES)]


def test_a_misspelt_name_is_said(notebook):
    assert "I took “regoin” for region." in notebook.ask("total revenue by regoin")


def test_the_first_of_each_group(notebook):
    sums = SALES.groupby(["channel", "region"]).revenue.sum()
    best = sums[sums.groupby("channel").rank(ascending=False) == 1]
    shown = table(notebook.ask("top region by revenue for each channel"))
    assert shown == {key: number(value) for key, value in best.items()}


def test_a_difference_is_tested(notebook):
    first, second = (SALES.quantity[SALES.channel == name] for name in ("online", "store"))
    text = notebook.ask("Is the difference in quantity between online and store significant?")
    assert f"p = {number(ttest_ind(first, second, equal_var=False).pvalue)}" in text
    assert is_refusal(notebook.ask("Does quantity differ significantly between regions?"))


def test_a_line_through_points(notebook):
    rows = SALES.dropna(subset=["revenue", "quantity"])
    slope = np.polyfit(rows.quantity, rows.revenue, 1)[0]
    assert bold(notebook.ask("linear regression of revenue on quantity")) == [number(slope)]
    notebook.ask("scatter plot of revenue against quantity with a trend line")
    assert notebook.titles == ["Revenue against quantity"]


def test_a_histogram_has_the_bins_that_are_asked_for(notebook):
    notebook.ask("histogram of quantity with 7 bins")
    assert "bins=7" in notebook.codes[0]


def test_a_pivot_is_as_wide_as_its_groups(notebook):
    text = notebook.ask("pivot of revenue by channel and region")
    header = next(line for line in text.split("\n") if line.startswith("|"))
    assert header == "| channel | East | Europe | North | South | West |"


def test_a_last_period_that_is_not_over_is_mentioned(tmp_path):
    months = pd.DataFrame({"month": pd.date_range("2025-01-01", periods=6, freq="MS")})
    notebook = Notebook(tmp_path, done=months.assign(sales=range(1, 7)))
    assert "The data of" not in notebook.ask("monthly growth of sales")
    notebook.attach(days=months.rename(columns={"month": "day"}).assign(sales=range(1, 7)))
    assert "The data of day end on 2025-06-01" in notebook.ask("monthly growth of sales")


def test_a_period_that_the_data_covers_in_part_is_not_compared(notebook):
    assert "The data end on" in notebook.ask("revenue growth from 2023 to 2024")


@pytest.mark.parametrize(
    "question",
    ["total amount by segment and item", "total of amount times weight by segment and item"],
)
def test_three_tables_are_joined(tmp_path, question):
    orders, customers = TABLES["orders"], TABLES["customers"]
    orders = orders.assign(item_id=np.arange(len(orders)) % 3)
    items = pd.DataFrame({"item_id": [0, 1, 2], "item": ["cup", "mug", "jug"], "weight": [1, 2, 3]})
    joined = orders.merge(customers).merge(items)
    joined["times"] = joined.amount * joined.weight
    sums = joined.groupby(["segment", "item"])["times" if "times" in question else "amount"].sum()
    notebook = Notebook(tmp_path, orders=orders, customers=customers, items=items)
    assert table(notebook.ask(question)) == {key: number(value) for key, value in sums.items()}


def test_rows_without_their_like_in_another_table(tmp_path):
    orders = TABLES["orders"].query("customer_id > 3")
    notebook = Notebook(tmp_path, orders=orders, customers=TABLES["customers"])
    for question in ("How many customers have no orders?", "ordersのないcustomersは何人？"):
        assert bold(notebook.ask(question)) == ["3"]


def test_a_name_in_a_title_is_one_for_people(tmp_path):
    notebook = Notebook(tmp_path, birds=TABLES["birds"])
    notebook.ask("bar chart of the average wing_length_mm by species")
    assert notebook.titles == ["Average wing length (mm) by species"]


# Files


def test_files_are_read_once(tmp_path):
    notebook = Notebook(tmp_path)
    SALES.to_csv(tmp_path / "orders.csv", index=False)
    assert bold(notebook.ask("total quantity")) == [number(SALES.quantity.sum())]
    assert len(notebook.codes) == 2
    assert table(notebook.ask("revenue by quarter")) == quarterly(SALES)
    assert len(notebook.codes) == 1
    notebook.ask("Save the five largest orders by revenue as an Excel file")
    assert len(pd.read_excel(tmp_path / "top_5_revenue.xlsx")) == 5
    assert bold(notebook.ask("total quantity")) == [number(SALES.quantity.sum())]


@pytest.mark.parametrize("way", ["semicolons", "cp932", "xlsx", "sheets", "json", "parquet"])
def test_kinds_of_files(tmp_path, way):
    path = tmp_path / {"sheets": "book.xlsx", "xlsx": "book.xlsx"}.get(way, f"data.{way}")
    if way == "semicolons":
        SALES.to_csv(path.with_suffix(".csv"), index=False, sep=";", decimal=",")
    elif way == "cp932":
        data = SALES.rename(columns={"region": "地域"}).to_csv(index=False).encode("cp932")
        path.with_suffix(".csv").write_bytes(data)
    elif way == "sheets":
        with pd.ExcelWriter(path) as book:
            SALES.to_excel(book, sheet_name="Orders", index=False)
            pd.DataFrame({"team": ["A"], "points": [3]}).to_excel(book, sheet_name="Teams")
    else:
        write = {"xlsx": SALES.to_excel, "parquet": SALES.to_parquet}.get(way)
        write(path, index=False) if write else SALES.to_json(path, date_format="iso")
    shown = table(Notebook(tmp_path).ask("revenue by region"))
    sums = SALES.groupby("region").revenue.sum()
    assert shown == {(name,): number(value) for name, value in sums.items()}


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "broken.xlsx").write_bytes(b"no workbook")
    assert Notebook(tmp_path).ask("revenue by region").startswith("broken.xlsx could not be read")


def test_nothing_is_written_over(tmp_path):
    SALES.to_csv(tmp_path / "orders.csv", index=False)
    before = (tmp_path / "orders.csv").read_bytes()
    notebook = Notebook(tmp_path)
    assert "is there already" in notebook.ask("Save the revenue by region as orders.csv")
    assert "orders_2.csv" in notebook.ask("Save all orders as CSV")
    assert (tmp_path / "orders.csv").read_bytes() == before


def test_a_number_that_is_text_is_no_number(tmp_path):
    text = SALES.assign(revenue=[f"${value:.2f}" for value in SALES.revenue])
    notebook = Notebook(tmp_path, sales=text)
    assert is_refusal(notebook.ask("total revenue by region"))
    assert is_refusal(notebook.ask("highest revenue"))


# Answers and code


def test_the_code_is_what_a_person_would_write(notebook):
    notebook.ask("revenue by region")
    first = 'result = sales.groupby("region")["revenue"].sum().sort_values(ascending=False)'
    assert lines_of(notebook.codes[0])[0] == first
    assert len(lines_of(notebook.codes[0])) == 3
    for prompt in [
        "total revenue",
        "Are there outliers in revenue?",
        "overview",
        "monthly revenue",
    ]:
        notebook.ask(prompt)
        tree = ast.parse(notebook.codes[0])
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))


@pytest.mark.parametrize("name", ["result", "chosen", "table"])
def test_a_variable_with_a_name_of_ours_stays_what_it_is(tmp_path, name):
    notebook = Notebook(tmp_path, **{name: SALES})
    notebook.ask("monthly revenue for Europe, and save it as JSON")
    assert notebook.space[name] is SALES


def test_the_notice_comes_once_per_thread(notebook):
    assert sentence("notice", "en") in notebook.ask("revenue by region")
    assert sentence("notice", "en") not in notebook.ask("revenue by product")
    assert sentence("notice", "ja") not in notebook.ask("商品別の売上")


@pytest.mark.parametrize(
    ("name", "question", "unit"),
    [
        ("month", "Total amount by month", "M"),
        ("OrderMonth", "Total amount by order month", "M"),
        ("quarter", "Which quarter has the highest total amount?", "Q"),
        ("year", "Total amount for each year", "Y"),
        ("月", "月別の金額の合計", "M"),
        ("day", "Total amount by day", "D"),
    ],
)
def test_dates_are_grouped_by_what_their_column_is_called(tmp_path, name, question, unit):
    dates = pd.to_datetime(["2024-01-03", "2024-01-05", "2024-05-05", "2025-02-01"])
    measure = "金額" if name == "月" else "amount"
    frame = pd.DataFrame({name: dates, measure: [1, 2, 4, 8]})
    sums = frame.groupby(frame[name].dt.to_period(unit))[measure].sum()
    text = Notebook(tmp_path, rows=frame).ask(question)
    assert table(text) == {(str(key),): number(value) for key, value in sums.items()}


@pytest.mark.parametrize("name", ["week", "hour"])
def test_dates_of_weeks_and_hours_are_grouped_as_they_stand(tmp_path, name):
    times = pd.to_datetime(["2026-01-04 01:00", "2026-01-04 02:00", "2026-01-05 01:00"])
    text = Notebook(tmp_path, rows=pd.DataFrame({name: times, "amount": [1, 2, 4]})).ask(
        f"Total amount by {name}"
    )
    assert table(text) == {(str(time),): str(n) for time, n in zip(times, [1, 2, 4], strict=True)}
    assert f"| {name} | total amount |" in text


def test_ties_are_said(tmp_path):
    frame = pd.DataFrame({"team": ["A", "B", "C"], "sales": [5, 5, 1]})
    notebook = Notebook(tmp_path, games=frame)
    assert bold(notebook.ask("Which team has the highest sales?")) == ["A", "B"]
    text = notebook.ask("Show the top 1 games by sales")
    assert "2 rows since some are equal" in text


def test_no_rows_left(notebook):
    assert notebook.ask("average revenue where quantity > 100").startswith("No rows meet")
    assert notebook.ask("how many sales have a quantity over 100?").startswith("There are **0**")


def test_rows_without_a_group_are_mentioned(notebook):
    assert "Rows without region are left out." in notebook.ask("revenue by region")
    assert "Rows without region are included." in notebook.ask("revenue not in Europe")


def test_values_with_the_signs_of_tables_stay_whole(tmp_path):
    names = ["a|b", "line\nbreak", 'q"uote', "comma, here", "[link](x)"]
    frame = pd.DataFrame({"name": names * 3, "amount": [1.5, 2, 3, 4, 5] * 3})
    text = Notebook(tmp_path, odd=frame).ask("Total amount by name")
    sums = frame.groupby("name").amount.sum()
    assert all(f"| {number(value)} |" in text for value in sums)
    assert "a\\|b" in text
    assert "\\[link\\](x)" in text


def test_hostile_names_are_only_data(tmp_path):
    name = "na`me\"');import os\n# result|<b>"
    frame = pd.DataFrame({name: ["</script>", 'x"; raise SystemExit #'] * 4, "amount": range(8)})
    notebook = Notebook(tmp_path, h=frame)
    text = notebook.ask("Give me an overview")
    assert "<b>" not in text.replace("\\<b>", "")
    assert bold(notebook.ask("total amount")) == ["28"]


def test_columns_without_values(tmp_path):
    frame = pd.DataFrame({"team": ["A", "B"] * 5, "score": [np.nan] * 10})
    text = Notebook(tmp_path, games=frame).ask("average score by team")
    assert set(table(text).values()) == {"–"}


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("I need to solve the equation `3x + 11 = 14`. Can you help me?", "x = 1"),
        ("x^2 - 5x + 6 = 0", "x = 2"),
        ("solve 3x = 2", "x = 2/3 ≈ 0.6667"),
        ("What is 17 * 23?", "391"),
        ("What is 15% of 1,200?", "180"),
        ("方程式 2x+3=7 を解いてください", "x = 2"),
        ("請解 3x + 2y = 12 和 x - y = 1", "x = 14/5 ≈ 2.8, y = 9/5 ≈ 1.8"),
    ],
)
def test_maths(tmp_path, prompt, answer):
    assert bold(Notebook(tmp_path).ask(prompt))[0] == answer


def test_an_equation_can_hold_no_code(tmp_path):
    notebook = Notebook(tmp_path)
    notebook.ask("solve __import__('os').system('x') + x = 3")
    assert not any("__import__" in code for code in notebook.codes)
    assert "no solution" in notebook.ask("solve x = x + 1")


# Refusals


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Write a poem about the sea", "“poem”"),
        ("Is the difference significant?", "between which two groups"),
        ("greater than 1", "Which column should be > 1?"),
        ("Forecast the revenue", "“Forecast”"),
        ("翻訳してください", "「翻訳"),
        ("為什麼營收下降", "我不懂"),
    ],
)
def test_a_refusal_is_one_line_and_names_the_words(notebook, prompt, words):
    text = notebook.ask(prompt)
    assert words in text.split("\n")[0]
    assert is_refusal(text)
    assert all(hint in text for hint in ("-m ollama:MODEL", "-m gguf:PATH", "OPENAI_API_KEY"))
    assert notebook.codes == []


def test_a_question_back_is_short(notebook):
    text = notebook.ask("Which region grew fastest in @sales?")
    assert text.startswith("Growth between which periods?")
    assert "moving averages" not in text


def test_a_table_is_known_by_its_name_as_it_is_attached(notebook):
    plainly = notebook.ask("total revenue by region in sales")
    assert notebook.ask("total revenue by region in @sales") in plainly
    assert "“@”" in notebook.ask("total revenue @monday")


def test_help_and_no_data(tmp_path):
    notebook = Notebook(tmp_path)
    assert notebook.ask("What can you do?").startswith("I work by simple rules")
    assert "attach a DataFrame" in notebook.ask("Plot revenue by region")


def test_without_the_tool_it_says_so(notebook):
    assert "running Python" in notebook.ask("revenue by region", tools=False)
    assert "running Python" in notebook.ask("revenue by region", tool_choice="none")


def test_output_that_was_cut_is_no_answer(notebook):
    notebook.ask("monthly revenue")
    output = notebook.messages[-2]
    output["content"] = output["content"][:80] + "\n[… 300 characters left out …]\n"
    step = next_step(Request([notebook._system(), *notebook.messages[:-1]], [PYTHON]))
    assert step.text.startswith("The code failed, so there is no answer")


def test_a_fresh_session_is_no_part_of_the_output(notebook):
    answered = notebook.ask("monthly revenue")
    output = notebook.messages[-2]
    note = "[The session is a fresh one: variables of earlier code are lost]"
    output["content"] = f"{note}\n{output['content']}"
    step = next_step(Request([notebook._system(), *notebook.messages[:-1]], [PYTHON]))
    assert step.text == answered


def test_it_runs_code_where_that_is_demanded():
    messages = [{"role": "user", "content": "Tell me a joke."}]
    for choice in ("required", {"type": "function", "function": {"name": "python"}}):
        assert next_step(Request(messages, [PYTHON], choice)).kind == "code"


async def test_it_streams(notebook):
    request = Request([{"role": "user", "content": "What can you do?"}], [PYTHON])
    chunks = [chunk async for chunk in open_model("").stream(request)]
    assert "rules" in "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    request = Request([{"role": "user", "content": "What is 2 * 3?"}], [PYTHON])
    chunks = [chunk async for chunk in open_model("").stream(request)]
    arguments = "".join(chunk.arguments for chunk in chunks if isinstance(chunk, ToolCall))
    assert "2 * 3" in arguments


def test_it_takes_no_argument():
    with pytest.raises(ModelError, match="takes no argument"):
        open_model("big")


# Documents

FOUND = """\
【0:0†handbook.md】
Employees have 25 days of vacation. Travel is paid by the company.

【0:1†old.md】
There was <b>no</b> vacation in the old days. Tea was free."""


def asking(prompt: str, tools=(SEARCH,), found: str | None = None, **options) -> Request:
    messages: list[dict] = [{"role": "user", "content": prompt}]
    if found is not None:
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": FILE_SEARCH_TOOL, "arguments": "{}"},
        }
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": found})
    return Request(messages, tools, **options)


def test_it_searches_for_the_question():
    prompt = "How many days of vacation?"
    assert next_step(asking(prompt)).kind == "search"
    assert next_step(asking(prompt, (PYTHON, SEARCH))).text == prompt
    forced = {"type": "function", "function": {"name": FILE_SEARCH_TOOL}}
    assert next_step(asking(prompt, (PYTHON, SEARCH), tool_choice=forced)).kind == "search"


def test_it_quotes_what_fits_with_its_marker():
    text = next_step(asking("How many days of vacation?", found=FOUND)).text
    assert "> Employees have 25 days of vacation. 【0:0†handbook.md】" in text
    assert "Travel" not in text
    assert r"\<b>no\</b>" in text
    nothing = next_step(asking("Zebras?", found="Nothing was found; search with other words."))
    assert nothing.text.startswith("Nothing in the documents")


def test_it_quotes_a_sentence_of_passages_that_overlap_once():
    twice = FOUND + "\n" + FOUND.replace("0:0", "0:1")
    text = next_step(asking("How many days of vacation?", found=twice)).text
    assert text.count("Employees have 25 days of vacation.") == 1


@pytest.mark.parametrize(
    ("prompt", "passage", "start"),
    [
        ("育児休業は何日ですか", "売上は別。育児休業は最長一年間とする。", "文書には"),
        ("特休有幾天？", "特休有十天。其他另計。", "文件中"),
    ],
)
def test_it_answers_in_the_language_of_the_question(prompt, passage, start):
    text = next_step(asking(prompt, found=f"【3:0†規程.md】\n{passage}")).text
    assert text.startswith(start)
    quote = next(part for part in passage.split("。") if "休" in part)
    assert f"> {quote}。 【3:0†規程.md】" in text


@pytest.mark.parametrize(
    "question",
    ["maximum average revenue by region", "average monthly revenue"],
)
def test_a_figure_of_a_figure_is_asked_about(notebook, question):
    assert is_refusal(notebook.ask(question))


@pytest.mark.parametrize("question", ["revenue の月ごとの合計の平均", "每月 revenue 總和的平均"])
def test_a_figure_of_a_figure_in_so_many_words(notebook, question):
    mean = SALES.groupby(SALES.date.dt.to_period("M")).revenue.sum().mean()
    assert bold(notebook.ask(question)) == [number(mean)]


@pytest.mark.parametrize(
    "question",
    [
        "How much did revenue drop in 2024?",
        "average quantity fall 2023",
        "revenue in Europe dropped",
        "remove Europe from total revenue of stores",
    ],
)
def test_a_word_that_may_be_a_verb_drops_no_condition(notebook, question):
    assert is_refusal(notebook.ask(question))


def test_figures_in_a_list_are_several(notebook):
    assert not is_refusal(notebook.ask("mean, min and max of revenue by region"))


@pytest.mark.parametrize(
    "question", ["Now only for 2023: what is it for the North?", "And what is it for the North?"]
)
def test_it_is_the_figure_before(notebook, question):
    assert is_refusal(notebook.ask(question))
    notebook.ask("total revenue by region")
    rows = SALES[SALES.region == "North"]
    rows = rows[rows.date.dt.year == 2023] if "2023" in question else rows
    assert table(notebook.ask(question)) == {("North",): number(rows.revenue.sum())}


def test_the_column_of_a_unit_of_time_is_named(tmp_path):
    both = SALES.assign(paid=SALES.date + pd.Timedelta(days=40))
    shown = table(Notebook(tmp_path, sales=both).ask("total revenue by quarter of paid"))
    sums = both.groupby(both.paid.dt.to_period("Q")).revenue.sum()
    assert shown == {(str(quarter),): number(value) for quarter, value in sums.items()}
