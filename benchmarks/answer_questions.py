"""The questions of `answers.py`: 54, each in English, Japanese and Traditional Chinese.

An answer is closed: a number, a text, or a list of texts in any order, computed by pandas
when the benchmark starts. They are for measuring: tune
no prompt and no rule on them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from answer_tables import shop, staff_clean, tables

LANGUAGES = ("en", "ja", "zh_TW")


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    kind
        What it tries: look-up, group, time, join, dirty, statistics, file, follow-up.
    names
        The tables that are attached.
    truth
        Computes the answer.
    texts
        The question in each of `LANGUAGES`.
    before
        What is asked first in the same thread, for a follow-up.
    file
        Name of the file by which the table is attached instead of as a frame.
    """

    kind: str
    names: tuple[str, ...]
    truth: Callable[[], Any]
    texts: tuple[str, str, str]
    before: tuple[str, str, str] | None = None
    file: str = ""


def _t(name: str) -> pd.DataFrame:
    return tables()[name]


def _sales() -> pd.DataFrame:
    return _t("sales")


def _year(year: int) -> pd.DataFrame:
    return _sales()[_sales().date.dt.year == year]


def _monthly() -> pd.Series:
    return _sales().groupby(_sales().date.dt.to_period("M")).revenue.sum()


def _by_region() -> pd.Series:
    return _sales().groupby("region").revenue.sum()


def _q(kind: str, names: str, truth: Callable[[], Any], *texts: str, **more: Any) -> Question:
    return Question(kind, tuple(names.split()), truth, texts, **more)  # type: ignore[arg-type]


# fmt: off
QUESTIONS = [
    # Look-ups
    _q("look-up", "penguins", lambda: len(_t("penguins")),
       "How many rows does penguins have?", "penguins は何行ありますか？", "penguins 有幾列資料？"),
    _q("look-up", "penguins", lambda: _t("penguins").species.nunique(),
       "How many different species are there?", "species は何種類ありますか？", "species 有幾種？"),
    _q("look-up", "penguins", lambda: _t("penguins").body_mass_g.max(),
       "What is the highest body_mass_g?", "body_mass_g の最大値は？", "body_mass_g 的最大值是多少？"),
    _q("look-up", "penguins", lambda: _t("penguins").sex.isna().sum(),
       "How many values of sex are missing?", "sex の欠損値はいくつ？", "sex 有幾個缺失值？"),
    _q("look-up", "penguins",
       lambda: (_t("penguins").island == "Dream").sum(),
       "How many penguins live on the island Dream?", "island が Dream の行は何行？",
       "island 是 Dream 的有幾列？"),
    _q("look-up", "tips", lambda: _t("tips").loc[_t("tips").tip.idxmax(), "day"],
       "On which day was the highest tip given?", "tip が最大の行の day は？",
       "tip 最高的那一列 day 是什麼？"),
    _q("look-up", "gapminder",
       lambda: _t("gapminder").query("country == 'Japan' and year == 2007").lifeExp.iloc[0],
       "What was lifeExp in Japan in 2007?", "2007 年の Japan の lifeExp は？",
       "Japan 在 2007 年的 lifeExp 是多少？"),
    _q("look-up", "gapminder",
       lambda: _t("gapminder").query("year == 2007").nlargest(1, "pop").country.iloc[0],
       "Which country had the largest pop in 2007?", "2007 年に pop が最大の country は？",
       "2007 年 pop 最大的 country 是哪個？"),
    # Groups
    _q("group", "penguins", lambda: _t("penguins").groupby("species").body_mass_g.mean().max(),
       "What is the highest mean body_mass_g of any species?",
       "species ごとの body_mass_g の平均のうち最大の値は？",
       "各 species 的平均 body_mass_g 中，最大的值是多少？"),
    _q("group", "penguins", lambda: _t("penguins").groupby("species").body_mass_g.mean().idxmax(),
       "Which species is the heaviest on average, by body_mass_g?",
       "body_mass_g の平均が最も大きい species は？", "平均 body_mass_g 最大的 species 是哪個？"),
    _q("group", "sales", lambda: _by_region().idxmax(),
       "Which region has the highest total revenue?", "revenue の合計が最大の region は？",
       "revenue 總和最高的 region 是哪個？"),
    _q("group", "sales", lambda: _by_region().sort_values().index[-2],
       "Which region has the second highest total revenue?",
       "revenue の合計が 2 番目に大きい region は？", "revenue 總和第二高的 region 是哪個？"),
    _q("group", "sales", lambda: _by_region()["North"] / _by_region().sum() * 100,
       "What percentage of total revenue comes from the North?",
       "revenue の合計のうち North は何パーセント？", "North 佔 revenue 總和的百分之幾？"),
    _q("group", "sales",
       lambda: _sales()[~_sales().returned].revenue.sum(),
       "What is the total revenue without the returned rows?",
       "returned の行を除いた revenue の合計は？", "排除 returned 的列後，revenue 總和是多少？"),
    _q("group", "sales",
       lambda: _sales()[_sales().region != "West"].units.mean(),
       "What are the average units outside the West?", "West 以外の units の平均は？",
       "West 以外的 units 平均是多少？"),
    _q("group", "sales",
       lambda: _sales().query("region == 'East' and product == 'desk'").revenue.sum(),
       "What is the total revenue of desk in the East?",
       "region が East で product が desk の revenue の合計は？",
       "East 的 desk 的 revenue 總和是多少？"),
    _q("group", "sales", lambda: (_sales().units >= 30).sum(),
       "How many rows have at least 30 units?", "units が 30 以上の行は何行？",
       "units 至少 30 的有幾列？"),
    _q("group", "sales", lambda: (_sales().units > 30).sum(),
       "How many rows have more than 30 units?", "units が 30 より大きい行は何行？",
       "units 大於 30 的有幾列？"),
    _q("group", "sales", lambda: _sales().price.between(5, 12.25).sum(),
       "How many rows have a price between 5 and 12.25?", "price が 5 から 12.25 の間の行は何行？",
       "price 介於 5 和 12.25 之間的有幾列？"),
    _q("group", "tips", lambda: _t("tips").groupby("day").total_bill.median()["Sun"],
       "What is the median total_bill on Sun?", "day が Sun の total_bill の中央値は？",
       "Sun 的 total_bill 中位數是多少？"),
    _q("group", "tips",
       lambda: (_t("tips").tip / _t("tips").total_bill).mean() * 100,
       "What is the mean of tip as a percentage of total_bill, over all rows?",
       "各行の tip ÷ total_bill の平均は何パーセント？",
       "每列 tip 佔 total_bill 的百分比，平均是多少？"),
    _q("group", "gapminder",
       lambda: _t("gapminder").query("year == 2007").groupby("continent").country.nunique()["Asia"],
       "How many countries are in Asia?", "continent が Asia の country はいくつ？",
       "Asia 有幾個 country？"),
    _q("group", "gapminder",
       lambda: _t("gapminder").query("year == 2007").nlargest(3, "gdpPercap").country.tolist(),
       "Which three countries had the highest gdpPercap in 2007?",
       "2007 年に gdpPercap が大きい上位 3 つの country は？",
       "2007 年 gdpPercap 最高的三個 country 是哪些？"),
    # Times
    _q("time", "sales", lambda: _year(2024).revenue.sum(),
       "What is the total revenue in 2024?", "2024 年の revenue の合計は？", "2024 年的 revenue 總和是多少？"),
    _q("time", "sales", lambda: str(_monthly().idxmax()),
       "Which month had the highest total revenue? Write it as YYYY-MM.",
       "revenue の合計が最大の月は？ YYYY-MM で書いてください。",
       "revenue 總和最高的月份是哪個？請寫成 YYYY-MM。"),
    _q("time", "sales",
       lambda: _sales()[_sales().date.between("2024-04-01", "2024-06-30")].units.sum(),
       "How many units were sold in the second quarter of 2024?",
       "2024 年第 2 四半期の units の合計は？", "2024 年第二季的 units 總和是多少？"),
    _q("time", "sales", lambda: _monthly().mean(),
       "What is the average monthly revenue, over all months?", "月ごとの revenue の合計の平均は？",
       "每月 revenue 總和的平均是多少？"),
    _q("time", "sales",
       lambda: (_monthly()["2025-01"] / _monthly()["2024-01"] - 1) * 100,
       "By how many percent did revenue in January 2025 differ from January 2024?",
       "2025 年 1 月の revenue の合計は 2024 年 1 月と比べて何パーセント変化した？",
       "2025 年 1 月的 revenue 總和比 2024 年 1 月變化了百分之幾？"),
    _q("time", "sales", lambda: (_sales().date.dt.dayofweek >= 5).sum(),
       "How many rows fall on a weekend?", "土日の行は何行？", "週末的有幾列？"),
    _q("time", "weather", lambda: _t("weather").groupby(_t("weather").date.dt.year)
       .precipitation.sum().idxmax(),
       "Which year had the most precipitation in total?", "precipitation の合計が最大の年は？",
       "precipitation 總和最大的年份是哪一年？"),
    _q("time", "weather", lambda: (_t("weather").query("date.dt.year == 2013").weather == "rain").sum(),
       "How many days in 2013 had the weather rain?", "2013 年に weather が rain の日は何日？",
       "2013 年 weather 是 rain 的有幾天？"),
    _q("time", "weather", lambda: _t("weather")[_t("weather").date.dt.month == 7].temp_max.mean(),
       "What is the mean temp_max in July, over all years?", "7 月の temp_max の平均は？（全年）",
       "所有年份 7 月的 temp_max 平均是多少？"),
    # Joins
    _q("join", "orders customers", lambda: shop().groupby("city").quantity.sum()["Lyon"],
       "What is the total quantity ordered by customers in Lyon?",
       "city が Lyon の customers の quantity の合計は？", "Lyon 的 customers 訂購的 quantity 總和是多少？"),
    _q("join", "orders products", lambda: shop().amount.sum(),
       "What is the total of quantity times unit_price?", "quantity × unit_price の合計は？",
       "quantity 乘以 unit_price 的總和是多少？"),
    _q("join", "orders customers products",
       lambda: shop().query("segment == 'business' and category == 'games'").amount.sum(),
       "How much (quantity times unit_price) did the business segment order in games?",
       "segment が business、category が games の quantity × unit_price の合計は？",
       "segment 是 business 且 category 是 games 的 quantity 乘以 unit_price 總和是多少？"),
    _q("join", "orders customers products",
       lambda: shop().groupby("city").amount.sum().idxmax(),
       "Which city ordered the most, by quantity times unit_price?",
       "quantity × unit_price の合計が最大の city は？",
       "quantity 乘以 unit_price 總和最大的 city 是哪個？"),
    _q("join", "orders customers",
       lambda: (~_t("customers").customer_id.isin(_t("orders").customer_id)).sum(),
       "How many customers have no orders?", "orders が 1 件もない customers は何人？",
       "沒有任何 orders 的 customers 有幾位？"),
    _q("join", "orders products",
       lambda: shop().groupby("category").order_id.count()["tools"],
       "How many orders are for the category tools?", "category が tools の orders は何件？",
       "category 是 tools 的 orders 有幾筆？"),
    # Dirty columns
    _q("dirty", "staff", lambda: int(_t("staff").duplicated().sum()),
       "How many rows are exact duplicates of an earlier row?", "前の行とまったく同じ重複行は何行？",
       "與前面的列完全重複的有幾列？"),
    _q("dirty", "staff", lambda: staff_clean().salary.mean(),
       "What is the average salary after dropping duplicate rows?",
       "重複行を除いた salary の平均は？", "去除重複列後，salary 的平均是多少？"),
    _q("dirty", "staff", lambda: (staff_clean().department == "it").sum(),
       "After dropping duplicate rows, how many people are in IT, whatever the spacing and case?",
       "重複行を除き、空白と大文字小文字を無視すると、department が IT の人は何人？",
       "去除重複列並忽略空白與大小寫，department 是 IT 的有幾人？"),
    _q("dirty", "staff", lambda: staff_clean().loc[staff_clean().hired.idxmin(), "id"],
       "What is the id of the person who was hired first? Dates are day/month/year.",
       "最も早く採用された人の id は？ 日付は 日/月/年 です。",
       "最早受僱的人的 id 是多少？日期格式是日/月/年。"),
    _q("dirty", "staff", lambda: staff_clean().rating.isna().mean() * 100,
       "After dropping duplicate rows, what percentage of ratings is missing?",
       "重複行を除くと、rating の欠損は何パーセント？", "去除重複列後，rating 缺失的百分比是多少？"),
    # Statistics
    _q("statistics", "penguins",
       lambda: _t("penguins").flipper_length_mm.corr(_t("penguins").body_mass_g),
       "What is the Pearson correlation of flipper_length_mm and body_mass_g?",
       "flipper_length_mm と body_mass_g のピアソン相関係数は？",
       "flipper_length_mm 和 body_mass_g 的皮爾森相關係數是多少？"),
    _q("statistics", "tips", lambda: _t("tips").tip.std(),
       "What is the sample standard deviation of tip?", "tip の標本標準偏差は？",
       "tip 的樣本標準差是多少？"),
    _q("statistics", "tips", lambda: _t("tips").total_bill.quantile(0.9),
       "What is the 90th percentile of total_bill?", "total_bill の 90 パーセンタイルは？",
       "total_bill 的第 90 百分位數是多少？"),
    _q("statistics", "sales", lambda: _sales().revenue.median(),
       "What is the median revenue of a row?", "revenue の中央値は？", "revenue 的中位數是多少？"),
    # Files in and out
    _q("file", "penguins", lambda: len(_t("penguins").dropna()),
       "How many rows of this file have no missing value?", "このファイルで欠損値のない行は何行？",
       "這個檔案中沒有缺失值的有幾列？", file="penguins.csv"),
    _q("file", "sales", lambda: _sales().groupby("product").units.sum()["ink"],
       "What are the total units of ink in this file?", "このファイルの product が ink の units の合計は？",
       "這個檔案中 ink 的 units 總和是多少？", file="sales.xlsx"),
    _q("file", "staff", lambda: str(min(_t("staff").id)),
       "What is the smallest id in this file, written as it stands there?",
       "このファイルで最小の id は？ 書かれているとおりに答えてください。",
       "這個檔案中最小的 id 是多少？請照原樣寫出。", file="staff.tsv"),
    # Follow-ups
    _q("follow-up", "sales", lambda: _year(2025).groupby("region").revenue.sum()["South"],
       "Now only for 2025: what is it for the South?", "2025 年だけにすると South は？",
       "只看 2025 年，South 是多少？",
       before=("What is the total revenue per region?", "region ごとの revenue の合計は？",
               "每個 region 的 revenue 總和是多少？")),
    _q("follow-up", "tips", lambda: _t("tips").groupby("day").tip.mean()["Thur"],
       "And per day: what is it for Thur?", "day ごとでは Thur は？", "改為每個 day，Thur 是多少？",
       before=("What is the mean tip?", "tip の平均は？", "tip 的平均是多少？")),
    _q("follow-up", "penguins",
       lambda: _t("penguins").query("sex == 'female'").groupby("species").body_mass_g.mean()["Gentoo"],
       "And only for female ones: what is it for Gentoo?", "female だけでは Gentoo は？",
       "只看 female，Gentoo 是多少？",
       before=("What is the mean body_mass_g per species?", "species ごとの body_mass_g の平均は？",
               "每個 species 的平均 body_mass_g 是多少？")),
    _q("follow-up", "sales", lambda: _sales().groupby("product").units.sum().idxmin(),
       "And which one has the least?", "では最も少ないのは？", "那麼最少的是哪個？",
       before=("Which product has the most units in total?", "units の合計が最大の product は？",
               "units 總和最多的 product 是哪個？")),
]
# fmt: on
