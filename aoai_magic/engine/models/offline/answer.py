"""The words around the findings: what could not be done, and what this model is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from aoai_magic.engine.models.offline.findings import plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.schema import Table
from aoai_magic.engine.models.offline.times import VAGUE

NOTICE: Phrase = {
    "en": "*Offline model: written by fixed rules, without a language model; check what matters.*",
    "ja": "*オフラインモデル：言語モデルを使わず、決まった規則で答えています。*",
    "zh": "*離線模型：依固定規則回答，未使用語言模型。*",
}
_GREETING = re.compile(
    r"^\W*(hi|hello|hey|help|good (morning|evening)|thanks?|thank you)\b|what can you do"
    r"|こんにちは|ありがとう|何ができ|使い方|你好|您好|謝謝|可以做什麼|能做什麼|怎麼用",
    re.IGNORECASE,
)
_CANNOT: Phrase = {
    "en": "I can't do that offline.",
    "ja": "これはオフラインではできません。",
    "zh": "離線模式做不到這件事。",
}
_HELP: Phrase = {
    "en": """\
Without a language model I follow fixed rules. Here is what I can do with attached data:

- an overview, missing values, the distribution of a column, outliers
- totals, averages, medians, percentiles and the like per group; counts, shares, ratios
- the top or bottom ones, the first or last rows, rows that meet a condition
- values per day, week, month, quarter or year, by month of the year, day of the week or hour
- which group grew fastest, correlations and scatter plots, joining two tables
- converting to CSV, JSON or Excel, sums and equations

For everything else choose a model, for example with `--model openai:MODEL`.""",
    "ja": """\
言語モデルを使わず、決まった規則で動いています。添付したデータについて、次のことができます。

- 概要、欠損値、列の分布、外れ値
- グループ別の合計・平均・中央値・パーセンタイルなど、件数、構成比、比率
- 上位・下位、最初・最後の行、条件に合う行の抽出
- 日・週・月・四半期・年ごとの推移、1〜12月・曜日・時間帯別の比較
- 最も伸びたグループ、相関と散布図、2つの表の結合
- CSV・JSON・Excel への変換、計算と方程式

それ以外には、`--model openai:MODEL` などでモデルを設定してください。""",
    "zh": """\
我沒有語言模型，只依固定規則運作。對附加的資料，我可以：

- 概覽、缺失值、欄位分布、離群值
- 各組的總和、平均、中位數、百分位數等；筆數、占比、比率
- 最高或最低的幾名、最前或最後幾列、篩選符合條件的資料
- 每日、每週、每月、每季或每年的變化；依月份、星期或小時比較
- 哪一組成長最快、相關與散佈圖、合併兩個表格
- 轉成 CSV、JSON 或 Excel，以及計算與解方程式

其他需求請設定模型，例如 `--model openai:MODEL`。""",
}
_NO_DATA: Phrase = {
    "en": "There is no table here to work on; attach a DataFrame or a file "
    "(`%%assistant sales` or `%%assistant @sales.csv`).",
    "ja": "対象となる表がありません。DataFrame かファイルを添付してください"
    "（`%%assistant sales` または `%%assistant @sales.csv`）。",
    "zh": "這裡沒有可分析的表格；請附加 DataFrame 或檔案"
    "（`%%assistant sales` 或 `%%assistant @sales.csv`）。",
}
_NO_COLUMN: Phrase = {
    "en": "**{table}** has no column for “{name}”. Its columns are: {columns}.",
    "ja": "**{table}** に「{name}」にあたる列はありません。列は次のとおりです：{columns}。",
    "zh": "**{table}** 沒有對應「{name}」的欄位。現有欄位：{columns}。",
}
_MOST_COLUMNS = 40
_NO_PYTHON: Phrase = {
    "en": "I work by running Python, and this request does not let me; allow the code interpreter.",
    "ja": "Python を実行して答えますが、この要求では許可されていません。"
    "コードインタープリターを許可してください。",
    "zh": "我需要執行 Python 才能回答，但這次不允許；請允許使用程式碼直譯器。",
}
_FAILED: Phrase = {
    "en": "The code for this failed ({}); put it more simply, with the names of the columns.",
    "ja": "この処理のコードは失敗しました（{}）。列名を使い、より簡単な形でお試しください。",
    "zh": "這部分的程式碼執行失敗（{}）；請用欄位名稱、以更簡單的方式再試一次。",
}
_NO_ROWS: Phrase = {
    "en": "No rows meet the condition ({}).",
    "ja": "条件（{}）に合う行はありません。",
    "zh": "沒有符合條件（{}）的資料。",
}
_NO_VALUE: Phrase = {
    "en": "**{table}** has no value “{value}”. {known}",
    "ja": "**{table}** に「{value}」という値はありません。{known}",
    "zh": "**{table}** 沒有「{value}」這個值。{known}",
}
_IGNORED: Phrase = {
    "en": "No value of the data is “{value}”, so this is about all rows. {near}",
    "ja": "「{value}」という値はデータにないため、すべての行を対象にしました。{near}",
    "zh": "資料中沒有「{value}」這個值，因此以下包含所有資料。{near}",
}
_NEAR: Phrase = {
    "en": "Did you mean {}?",
    "ja": "{} のことでしょうか。",
    "zh": "是指 {} 嗎？",
}
_VALUES: Phrase = {
    "en": "The values of `{}` are: {}.",
    "ja": "`{}` の値は次のとおりです：{}。",
    "zh": "`{}` 的值有：{}。",
}
_MOST_VALUES = 12
_NOT_SAVED: Phrase = {
    "en": " No file was written.",
    "ja": "ファイルは作成していません。",
    "zh": "因此沒有寫入檔案。",
}
_UNCLEAR: Phrase = {
    "en": "I can't tell what “{}” is about offline; name a column with it, such as {}.",
    "ja": "「{}」が何を指すか、オフラインでは判断できません。{} のように列名を添えてください。",
    "zh": "離線模式無法判斷「{}」指的是什麼；請寫出欄位名稱，例如 {}。",
}
_UNCLEAR_TIME: Phrase = {
    "en": "I don't count from today offline, so “{}” is unclear; name the dates, "
    "such as 2024 or March 2024.",
    "ja": "オフラインでは今日を基準にしないため、「{}」は判断できません。"
    "2024年、2024年3月のように指定してください。",
    "zh": "離線模式不以今天為基準，無法判斷「{}」；請寫出日期，例如 2024年 或 2024年3月。",
}
_UNREADABLE: Phrase = {
    "en": "A file could not be read: {}",
    "ja": "読めないファイルがあります：{}",
    "zh": "有檔案無法讀取：{}",
}
_NO_EXCEL: Phrase = {
    "en": "(openpyxl is not installed here, so the file is CSV and not Excel.)",
    "ja": "（openpyxl がないため、Excel ではなく CSV で保存しました。）",
    "zh": "（此處沒有 openpyxl，因此存成 CSV 而非 Excel。）",
}
_NO_CHART: Phrase = {
    "en": "(No chart: it could not be drawn here.)",
    "ja": "（ここではグラフを描けませんでした。）",
    "zh": "（此處無法繪製圖表。）",
}


def help_text(prompt: str, language: Language) -> str:
    """Say that this can't be done, unless it is a greeting, and what can."""
    if _GREETING.search(prompt):
        return _HELP[language]
    return f"{_CANNOT[language]} {_HELP[language]}"


def no_data(language: Language) -> str:
    """Say that there is nothing to work on."""
    return _NO_DATA[language]


def no_column(name: str, table: Table, language: Language) -> str:
    """Say that there is no such column, and which there are."""
    names = [plain(column.name) for column in table.columns[:_MOST_COLUMNS]]
    more = [*names, "…"] if len(table.columns) > _MOST_COLUMNS else names
    columns = (", " if language == "en" else "、").join(more)
    return _NO_COLUMN[language].format(name=plain(name), table=plain(table.name), columns=columns)


def no_value(value: str, table: Table, language: Language) -> str:
    """Say that no column has a value, and which are near it or which there are."""
    comma = ", " if language == "en" else "、"
    columns = [c for c in table.categories if c.kind == "text" and c.values]
    near = _near(value, table, language)
    known = [near] if near else []
    for column in [] if near else columns:
        if column.distinct <= _MOST_VALUES:
            listed = comma.join(map(plain, column.values))
            known.append(_VALUES[language].format(plain(column.name), listed))
    told = (" " if language == "en" else "").join(known[:3])
    name, value = plain(table.name), plain(value)
    return _NO_VALUE[language].format(table=name, value=value, known=told).strip()


def ignored(value: str, table: Table, language: Language) -> str:
    """Say that a word is taken for no condition, as no column has such a value."""
    near = _near(value, table, language)
    return _IGNORED[language].format(value=plain(value), near=near).strip()


def _near(value: str, table: Table, language: Language) -> str:
    values = {v.lower(): v for c in table.categories if c.kind == "text" for v in c.values}
    near = [values[v] for v in difflib.get_close_matches(value.lower(), values, 3, 0.7)]
    comma = ", " if language == "en" else "、"
    return _NEAR[language].format(comma.join(map(plain, near))) if near else ""


def no_python(language: Language) -> str:
    """Say that code is needed."""
    return _NO_PYTHON[language]


def failure(reason: str, language: Language) -> str:
    """Say that the code failed, and why."""
    return _FAILED[language].format(plain(reason, 200))


def no_rows(conditions: str, saving: bool, language: Language) -> str:
    """Say that nothing is left to work on, and that nothing was saved where that was asked."""
    told = _NO_ROWS[language].format(plain(conditions, 200))
    return told + _NOT_SAVED[language] if saving else told


def unclear(words: str, table: Table, language: Language) -> str:
    """Say that a condition can't be followed, and how to put it."""
    template = _UNCLEAR_TIME if VAGUE.search(words) else _UNCLEAR
    columns = [f"`{plain(column.name)}`" for column in table.numbers[:2]] or ["…"]
    return template[language].format(
        plain(words), (", " if language == "en" else "、").join(columns)
    )


def unreadable(lines: Sequence[str], language: Language) -> str:
    """Say which files can't be read."""
    return _UNREADABLE[language].format("; ".join(map(plain, lines)))


def no_excel(language: Language) -> str:
    """Say that a file has another format than was asked for."""
    return _NO_EXCEL[language]


def no_chart(language: Language) -> str:
    """Say that a chart is wanting."""
    return _NO_CHART[language]


def with_notice(text: str, earlier: str, language: Language) -> str:
    """Add what this model is, once per conversation."""
    told = any(notice in earlier for notice in NOTICE.values())
    return text if told else f"{text}\n\n{NOTICE[language]}"
