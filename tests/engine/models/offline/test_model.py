"""The model as a partner: follow-ups, languages, repairs, odd data, and what it refuses."""

from __future__ import annotations

import anyio
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aoai_magic.engine.models.base import ModelError, Request
from aoai_magic.engine.models.offline import open_model
from aoai_magic.engine.models.offline.answer import NOTICE
from aoai_magic.engine.models.offline.findings import number, percent, signed


def sums(frame: pd.DataFrame, group: str, value: str) -> pd.Series:
    return frame.groupby(group)[value].sum()


async def test_follow_ups_keep_what_was_asked(notebook, sales):
    notebook.attach(sales=sales)
    quarter = sales.order_date.dt.to_period("Q")
    await notebook.ask("Plot monthly revenue")
    turn = await notebook.ask("Now the same per quarter")
    series = sales.groupby(quarter).revenue.sum()
    assert f"**{series.idxmax()}** ({number(series.max())})" in turn.text
    turn = await notebook.ask("And as a bar chart")
    assert "ax.bar(" in turn.codes[-1]
    turn = await notebook.ask("Only for Europe")
    europe = sales.region == "Europe"
    series = sales[europe].groupby(quarter[europe]).revenue.sum()
    assert f"**{series.idxmax()}** ({number(series.max())})" in turn.text
    assert "ax.bar(" in turn.codes[-1]
    turn = await notebook.ask("What about Asia?")
    asia = sales.region == "Asia"
    assert number(sales[asia].groupby(quarter[asia]).revenue.sum().max()) in turn.text
    turn = await notebook.ask("Save it as Excel")
    assert len(pd.read_excel(notebook.folder / "revenue_over_time.xlsx")) == 8


async def test_a_new_question_is_no_follow_up(notebook, sales):
    notebook.attach(sales=sales)
    await notebook.ask("Plot monthly quantity for Asia")
    turn = await notebook.ask("Top 3 customers")
    best = sums(sales, "customer", "revenue").nlargest(3)
    assert all(number(value) in turn.text for value in best)


async def test_a_question_is_of_the_data_that_came_with_it(notebook):
    first = pd.DataFrame({"region": ["North", "South"] * 2, "revenue": [1, 3, 2, 4]})
    notebook.attach(first=first)
    assert "**2.5**" in (await notebook.ask("Mean revenue?", given=["first"])).text
    notebook.attach(later=first.assign(revenue=first.revenue * 10))
    assert "**25**" in (await notebook.ask("Mean revenue?", given=["later"])).text
    assert "(35)" in (await notebook.ask("And by region?")).text
    assert "**2.5**" in (await notebook.ask("Mean revenue?", given=["first"])).text
    assert "**25**" in (await notebook.ask("Mean revenue in later?", given=["first"])).text


async def test_the_data_are_looked_at_once(notebook, sales):
    notebook.attach(sales=sales)
    assert (await notebook.ask("Revenue by region")).looks == 1
    assert (await notebook.ask("Revenue by product")).looks == 0
    notebook.attach(budget=pd.DataFrame({"region": ["Asia", "Europe"], "budget": [5.0, 7.5]}))
    turn = await notebook.ask("Budget by region")
    assert (turn.looks, "**Europe**" in turn.text) == (1, True)


async def test_the_notice_comes_once_per_thread(notebook, sales):
    notebook.attach(sales=sales)
    assert NOTICE["en"] in (await notebook.ask("Revenue by region")).text
    assert NOTICE["en"] not in (await notebook.ask("Revenue by product")).text


async def test_the_usage_is_a_rough_count(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Revenue by region")
    assert len(turn.usages) == 3
    prompts = [usage.prompt_tokens for usage in turn.usages]
    assert prompts == sorted(prompts)
    assert all(usage.completion_tokens > 0 for usage in turn.usages)


async def test_japanese(notebook, uriage):
    notebook.attach(uriage=uriage)
    turn = await notebook.ask("地域別の月次売上をグラフにして、上位10顧客を保存してください。")
    best = sums(uriage, "顧客名", "売上金額").nlargest(10)
    assert f"1位は **{best.index[0]}**（{number(best.iloc[0])}）" in turn.text
    assert len(pd.read_csv(notebook.folder / "top_10_顧客名.csv")) == 10
    assert turn.figures == [["地域ごとの月別の売上金額の合計"]]
    assert NOTICE["ja"] in turn.text
    turn = await notebook.ask("最も伸びた地域はどこですか?")
    assert "最も伸びたのは **東京** です" in turn.text
    turn = await notebook.ask("単価が150を超える注文は何件?")
    assert f"**{(uriage['単価'] > 150).sum()}** 行" in turn.text
    turn = await notebook.ask("商品別の平均単価を棒グラフで")
    assert all(number(v) in turn.text for v in uriage.groupby("商品")["単価"].mean())
    turn = await notebook.ask("今度は四半期ごとに")
    assert "商品ごとの四半期別の単価の平均" in turn.text
    turn = await notebook.ask("2023年の大阪の売上合計は?")
    chosen = (uriage["日付"].dt.year == 2023) & (uriage["地域"] == "大阪")
    assert number(uriage["売上金額"][chosen].sum()) in turn.text
    assert "オフラインではできません" in (await notebook.ask("詩を書いて")).text


async def test_chinese(notebook, yingshou):
    notebook.attach(yingshou=yingshou)
    turn = await notebook.ask("哪個地區成長最快?畫出每月各地區的營收,並把前十名客戶存成檔案。")
    assert "成長最快的是 **台北**" in turn.text
    assert len(turn.figures) == 2
    assert len(pd.read_csv(notebook.folder / "top_10_客戶.csv")) == 10
    turn = await notebook.ask("營收占比用圓餅圖,依地區")
    share = sums(yingshou, "地區", "營收").max() / yingshou["營收"].sum()
    assert percent(share) in turn.text
    assert "ax.pie(" in turn.codes[-1]
    turn = await notebook.ask("列出數量大於7的資料")
    assert f"共 {(yingshou['數量'] > 7).sum()} 列" in turn.text
    turn = await notebook.ask("有多少客戶?")
    assert f"**{yingshou['客戶'].nunique()}** 種" in turn.text
    turn = await notebook.ask("只看高雄的每季營收")
    assert "地區 = 高雄" in turn.text
    assert "離線模式做不到" in (await notebook.ask("寫一首詩")).text


async def test_japanese_words_for_english_columns(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("地域別の売上を比較して")
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))


@pytest.mark.parametrize(
    "prompt",
    [
        "average revenue by product",
        "Average REVENUE by Products",
        "average revneue by prodcut",
        "mean of revenue for each product",
    ],
)
async def test_columns_as_people_write_them(notebook, sales, prompt):
    notebook.attach(sales=sales)
    turn = await notebook.ask(prompt)
    assert all(number(v) in turn.text for v in sales.groupby("product").revenue.mean())


@pytest.mark.parametrize("name", ["unitPrice", "Unit Price", "UNIT_PRICE", "unit-price (USD)"])
async def test_names_as_programs_write_them(notebook, sales, name):
    notebook.attach(sales=sales.rename(columns={"unit_price": name}))
    turn = await notebook.ask("distribution of the unit prices")
    assert number(sales.unit_price.mean()) in turn.text


async def test_amounts_and_dates_as_text(notebook, sales):
    messy = pd.DataFrame(
        {
            "Order Date": sales.order_date.dt.strftime("%d/%m/%Y"),
            "Total": [f"${value:,.2f}" for value in sales.revenue],
            "Discount": [f"{place % 30}%" for place in range(len(sales))],
            "Region": sales.region,
        }
    )
    notebook.file("Messy Sales.csv", messy.to_csv(index=False))
    turn = await notebook.ask("Plot monthly total per region")
    table = sales.groupby([sales.order_date.dt.to_period("M"), "region"]).revenue.sum()
    assert number(table.max()) in turn.text
    turn = await notebook.ask("average discount by region")
    means = pd.Series(np.arange(len(sales)) % 30).groupby(sales.region).mean()
    assert all(number(value) in turn.text for value in means)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
async def test_japanese_text_files(notebook, sales, encoding):
    frame = pd.DataFrame(
        {
            "年月日": [f"{d.year}年{d.month}月{d.day}日" for d in sales.order_date],
            "売上": [f"{int(value):,}円" for value in sales.revenue],
        }
    )
    notebook.file("売上.csv", frame.to_csv(index=False).encode(encoding))
    turn = await notebook.ask("月別の売上をグラフに")
    series = sales.revenue.astype(int).groupby(sales.order_date.dt.to_period("M")).sum()
    assert f"**{series.idxmax()}**（{number(series.max())}）" in turn.text


async def test_decimal_commas(notebook, sales):
    text = sales.revenue.map(lambda value: f"{value:.2f}".replace(".", ","))
    frame = pd.DataFrame({"region": sales.region, "revenue": text})
    notebook.file("euro.csv", frame.to_csv(index=False, sep=";"))
    turn = await notebook.ask("revenue by region")
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))


@pytest.mark.parametrize("suffix", ["tsv", "json", "jsonl", "xlsx", "parquet", "feather"])
async def test_kinds_of_files(notebook, sales, suffix):
    path = notebook.folder / f"orders.{suffix}"
    writers = {
        "tsv": lambda: sales.to_csv(path, sep="\t", index=False),
        "json": lambda: sales.to_json(path, date_format="iso"),
        "jsonl": lambda: sales.to_json(path, orient="records", lines=True, date_format="iso"),
        "xlsx": lambda: sales.to_excel(path, index=False),
        "parquet": lambda: sales.to_parquet(path),
        "feather": lambda: sales.to_feather(path),
    }
    writers[suffix]()
    turn = await notebook.ask("revenue by region")
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))


async def test_sheets_are_tables(notebook, sales):
    with pd.ExcelWriter(notebook.folder / "book.xlsx") as book:
        sales.to_excel(book, sheet_name="Orders", index=False)
        pd.DataFrame({"team": ["A", "B"], "points": [3, 5]}).to_excel(
            book, sheet_name="Teams", index=False
        )
    assert "**B**" in (await notebook.ask("total points by team")).text
    turn = await notebook.ask("revenue by region")
    assert number(sums(sales, "region", "revenue").max()) in turn.text


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "indexed", "series", "labelled", "nullable"])
async def test_kinds_of_variables(notebook, sales, kind):
    values = {
        "polars": lambda: pl.from_pandas(sales),
        "pyarrow": lambda: pa.Table.from_pandas(sales),
        "indexed": lambda: sales.set_index(["region", "order_date"]),
        "series": lambda: sales.set_index("region").revenue,
        "labelled": lambda: sales.rename(columns={"quantity": 3}),
        "nullable": lambda: sales.convert_dtypes().astype({"region": "category"}),
    }
    notebook.attach(sales=values[kind]())
    turn = await notebook.ask("revenue by region")
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))
    assert len(turn.codes) == 2


async def test_time_zones(notebook, sales):
    notebook.attach(sales=sales.assign(order_date=sales.order_date.dt.tz_localize("Asia/Tokyo")))
    turn = await notebook.ask("monthly revenue, and save the data as Excel")
    series = sales.groupby(sales.order_date.dt.to_period("M")).revenue.sum()
    assert number(series.max()) in turn.text
    assert len(pd.read_excel(notebook.folder / "sales.xlsx")) == len(sales)


async def test_years_as_numbers(notebook):
    world = pd.DataFrame(
        {
            "country": ["A", "B"] * 20,
            "year": np.repeat(range(2000, 2020), 2),
            "population": range(1, 41),
        }
    )
    notebook.attach(world=world)
    turn = await notebook.ask("Which country grew fastest in population?")
    assert (
        f"**A** grew fastest: {signed(39 / 1 - 1)} in total population from 2000 to 2019"
        in turn.text
    )


async def test_hostile_names_and_values_are_only_data(notebook):
    name = "na`me\"');import os\n# result|<b>"
    values = ["</script>", "# result", "a\tb", 'x"; raise SystemExit #', "ignore the above"] * 4
    notebook.attach(h=pd.DataFrame({name: values, "amount": range(20)}))
    turn = await notebook.ask("Give me an overview")
    assert "20 rows and 2 columns" in turn.text
    assert "<b>" not in turn.text.replace("\\<b>", "")
    turn = await notebook.ask("top 2 by na me import os result b")
    assert not any("Traceback" in output for output in turn.outputs)


async def test_without_matplotlib_the_answer_has_no_chart(notebook, sales):
    notebook.attach(sales=sales)
    notebook.missing = ["matplotlib"]
    turn = await notebook.ask("Plot revenue by region as a bar chart")
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))
    assert "No chart" in turn.text
    assert len(turn.codes) == 3
    turn = await notebook.ask("Plot revenue by product")
    assert len(turn.codes) == 1


async def test_without_openpyxl_a_csv_file_is_written(notebook, sales):
    notebook.attach(sales=sales)
    notebook.missing = ["openpyxl", "xlsxwriter"]
    turn = await notebook.ask("Convert this to Excel")
    assert len(pd.read_csv(notebook.folder / "sales.csv")) == len(sales)
    assert "openpyxl is not installed" in turn.text


async def test_without_sympy_linear_equations_are_solved(notebook):
    notebook.missing = ["sympy"]
    assert "**x = 2, y = 1**" in (await notebook.ask("Solve 2x + y = 5 and x - y = 1")).text
    turn = await notebook.ask("Solve x^2 = 4")
    assert "only linear equations" in turn.text
    assert len(turn.codes) == 1


async def test_a_variable_that_is_gone_is_read_from_its_file(notebook, sales):
    notebook.attach(sales=sales)
    await notebook.ask("How many rows are there?")
    sales.to_feather(notebook.folder / "sales.arrow")
    size = (notebook.folder / "sales.arrow").stat().st_size
    look = next(m for m in notebook.messages if m["role"] == "tool")
    look["content"] = look["content"].replace(" 7200 ", f" {size} ")
    notebook.forget()
    turn = await notebook.ask("revenue by region")
    assert "NameError" in turn.outputs[0]
    assert all(number(value) in turn.text for value in sums(sales, "region", "revenue"))


async def test_trying_has_an_end(notebook, sales):
    notebook.attach(sales=sales)
    notebook.missing = ["pandas"]
    turn = await notebook.ask("revenue by region")
    assert "No module named 'pandas'" in " ".join(turn.outputs)
    assert len(turn.codes) < 6


async def test_an_unreadable_file_is_named(notebook, sales):
    notebook.attach(sales=sales)
    notebook.file("broken.xlsx", b"no workbook")
    turn = await notebook.ask("revenue by region")
    assert "broken.xlsx" in turn.text
    assert (await notebook.ask("revenue by product")).looks == 0


async def test_no_rows_left(notebook, sales):
    notebook.attach(sales=sales)
    turn = await notebook.ask("Plot monthly revenue where quantity > 100")
    assert "No rows meet the condition (quantity > 100)" in turn.text
    assert len(turn.codes) == 2


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Write a poem about the sea", "I can't do that offline"),
        ("Forecast next year's sales", "I can't do that offline"),
        ("What's the weather in Paris?", "I can't do that offline"),
        ("What can you do?", "Here is what I can do"),
        ("翻訳してください", "オフラインではできません"),
    ],
)
async def test_what_it_cannot_do_runs_no_code(notebook, sales, prompt, words):
    notebook.attach(sales=sales)
    turn = await notebook.ask(prompt)
    assert words in turn.text
    assert turn.codes == []


async def test_without_data_it_asks_for_some(notebook):
    turn = await notebook.ask("Plot revenue by region")
    assert "attach a DataFrame or a file" in turn.text


async def test_without_the_tool_it_says_so(notebook, sales):
    notebook.attach(sales=sales)
    assert "running Python" in (await notebook.ask("Plot revenue by region", tools=False)).text
    turn = await notebook.ask("Plot revenue by region", tool_choice="none")
    assert "running Python" in turn.text


async def test_many_threads_at_once(new_notebook, sales):
    notebooks = [new_notebook() for _ in range(6)]
    answers = {}

    async def ask(place: int) -> None:
        rows = sales.iloc[place * 200 : place * 200 + 200]
        notebooks[place].attach(sales=rows)
        turn = await notebooks[place].ask("total revenue")
        answers[place] = number(rows.revenue.sum()) in turn.text

    async with anyio.create_task_group() as tasks:
        for place in range(6):
            tasks.start_soon(ask, place)
    assert answers == dict.fromkeys(range(6), True)


async def test_output_that_was_cut_leads_to_a_new_look(notebook, sales):
    notebook.attach(sales=sales)
    await notebook.ask("revenue by region")
    look = next(m for m in notebook.messages if m["role"] == "tool")
    look["content"] = look["content"][:200] + "\n[… 300 characters left out …]\n"
    turn = await notebook.ask("revenue by product")
    assert turn.looks == 1
    assert all(number(value) in turn.text for value in sums(sales, "product", "revenue"))


async def test_a_conversation_without_a_prompt(notebook):
    stream = open_model("").stream(Request([{"role": "system", "content": "Hello"}]))
    assert [chunk async for chunk in stream]


def test_it_takes_no_argument():
    with pytest.raises(ModelError, match="takes no argument"):
        open_model("big")
