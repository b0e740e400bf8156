"""Rows counted, listed, joined and converted."""

from __future__ import annotations

import re

from ..columns import words_of
from ..findings import Findings, markdown, number, percent, plain
from ..language import Language, Phrase
from ..printing import show
from ..schema import Column, Table
from ..script import begin, comment, imports, listed, literal, load, save, slug
from ..task import Task, Way
from .recipe import Recipe

_MOST_COLUMNS = 8

_COUNT: Phrase = {"en": "**{}** rows.", "ja": "**{}** 行です。", "zh": "共 **{}** 列。"}
_DISTINCT: Phrase = {
    "en": "**{name}** has **{distinct}** different values in {rows} rows.",
    "ja": "**{name}** には {rows} 行の中に **{distinct}** 種類の値があります。",
    "zh": "**{name}** 在 {rows} 列中有 **{distinct}** 種不同的值。",
}


def _count_code(task: Task, way: Way, language: Language) -> list[str]:
    lines = begin(task, way, "How many there are")
    column = task.group or task.measure
    if column is None:
        return [*lines, *show("result", 'pd.DataFrame({"rows": [len(df)]})')]
    counted = f'{{"rows": [len(df)], "distinct": [df[{literal(column.name)}].nunique()]}}'
    lines += [
        f"result = df[{literal(column.name)}].value_counts()",
        'result = result.rename_axis("value").reset_index(name="count")',
        *show("result", f"pd.DataFrame({counted})"),
        *show("values", "result.head(10)"),
    ]
    return lines + save(task, way, language, ["values", "of", column.name])


def _count_words(task: Task, found: Findings, language: Language) -> str:
    rows = number(found["result"].first("rows"))
    column = task.group or task.measure
    if column is None:
        return _COUNT[language].format(rows)
    distinct = number(found["result"].first("distinct"))
    text = _DISTINCT[language].format(name=plain(column.name), distinct=distinct, rows=rows)
    values = found.get("values")
    return f"{text}\n\n{markdown((column.name, 'n'), values.rows)}" if values else text


_LISTED: Phrase = {
    "en": "{count} rows; the first {shown}:",
    "ja": "該当する行は {count} 行です。最初の {shown} 行：",
    "zh": "共 {count} 列；前 {shown} 列：",
}


_ALL_LISTED: Phrase = {
    "en": "{count} rows:",
    "ja": "該当する行は {count} 行です：",
    "zh": "共 {count} 列：",
}


def _list_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    names = [column.name for column in task.table.columns][:_MOST_COLUMNS]
    count = task.number or 10
    return [
        *begin(task, way, "The rows that were asked for"),
        "result = df",
        *show("size", 'pd.DataFrame({"rows": [len(result)]})'),
        *show("result", f"result[{listed(names)}].head({min(count, 30)})"),
        *save(task, way, language, [task.table.name, "rows"]),
    ]


def _list_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    count = number(found["size"].first("rows"))
    cut = len(grid.rows) < int(found["size"].first("rows"))
    text = (_LISTED if cut else _ALL_LISTED)[language].format(count=count, shown=len(grid.rows))
    return (
        f"{text}\n\n{markdown(grid.header, grid.rows)}" if grid.rows else _COUNT[language].format(0)
    )


_JOINED: Phrase = {
    "en": "Joined **{left}** ({a} rows) and **{right}** ({b} rows) on `{key}`: {rows} rows; "
    "{matched} of the rows of {left} found a partner.",
    "ja": "**{left}**（{a} 行）と **{right}**（{b} 行）を `{key}` で結合しました：{rows} 行。"
    "{left} の行のうち {matched} に対応する行がありました。",
    "zh": "已用 `{key}` 合併 **{left}**（{a} 列）與 **{right}**（{b} 列）：共 {rows} 列；"
    "{left} 有 {matched} 的列找到對應。",
}
_NO_KEY: Phrase = {
    "en": "**{left}** and **{right}** share no column that could join them.",
    "ja": "**{left}** と **{right}** には結合に使える共通の列がありません。",
    "zh": "**{left}** 與 **{right}** 沒有可用來合併的共同欄位。",
}


def join_key(left: Table, right: Table, text: str = "") -> tuple[Column, Column] | None:
    """Find the columns that join two tables: alike in name, the most telling ones first."""
    pairs = [(a, b) for a in left.columns for b in right.columns if _joins(a, b, left, right)]
    named = [pair for pair in pairs if re.search(rf"\b{re.escape(pair[0].name)}\b", text)]
    return max(named or pairs, key=lambda pair: _fitness(*pair), default=None)


def _joins(a: Column, b: Column, left: Table, right: Table) -> bool:
    if a.numeric != b.numeric or a.temporal != b.temporal:
        return False
    first, second = words_of(a.name) or (a.name,), words_of(b.name) or (b.name,)
    owned = (words_of(left.name) + first, words_of(right.name) + second)
    return first == second or first == owned[1] or second == owned[0]


def _fitness(a: Column, b: Column) -> tuple[bool, int]:
    return a.identifying or a.name.lower().endswith("id"), min(a.distinct, b.distinct)


def _join_code(task: Task, way: Way, language: Language) -> list[str]:
    left, right = _pair(task)
    key = join_key(left, right, task.text)
    if key is None:
        return [comment("No common column"), *imports(), *_sizes("0", "0", "0", "0")]
    on = f"on={literal(key[0].name)}"
    if key[0].name != key[1].name:
        on = f"left_on={literal(key[0].name)}, right_on={literal(key[1].name)}"
    suffixes = (f"_{slug([left.name])}", f"_{slug([right.name])}")
    lines = [comment(f"Join {left.name} and {right.name}"), *imports()]
    lines += load(left, way, "left", [key[0]]) + load(right, way, "right", [key[1]])
    lines += [
        "",
        f'result = left.merge(right, how="left", {on}, suffixes={literal(suffixes)})',
        f"matched = left[{literal(key[0].name)}].isin(right[{literal(key[1].name)}]).mean()",
        *_sizes("len(left)", "len(right)", "len(result)", "matched"),
        *show("result", f"result.iloc[:5, :{_MOST_COLUMNS}]"),
    ]
    return lines + save(task, way, language, [left.name, right.name])


def _sizes(left: str, right: str, rows: str, matched: str) -> list[str]:
    fields = f'"left": [{left}], "right": [{right}], "rows": [{rows}], "matched": [{matched}]'
    return [f"size = pd.DataFrame({{{fields}}})", *show("size", "size")]


def _pair(task: Task) -> tuple[Table, Table]:
    assert task.table is not None
    assert task.other is not None
    return task.table, task.other


def _join_words(task: Task, found: Findings, language: Language) -> str:
    left, right = _pair(task)
    key, size, names = join_key(left, right, task.text), found["size"], {}
    names = {"left": plain(left.name), "right": plain(right.name)}
    if key is None:
        return _NO_KEY[language].format(**names)
    text = _JOINED[language].format(
        **names, key=plain(key[0].name), a=number(size.first("left")),
        b=number(size.first("right")), rows=number(size.first("rows")),
        matched=percent(size.first("matched")),
    )  # fmt: skip
    return f"{text}\n\n{markdown(found['result'].header, found['result'].rows)}"


_CONVERTED: Phrase = {
    "en": "Converted **{name}**.",
    "ja": "**{name}** を変換しました。",
    "zh": "已轉換 **{name}**。",
}


def _convert_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    lines = [*begin(task, way, f"Write {task.table.name} as {task.save}"), "result = df"]
    zoned = [c.name for c in task.table.columns if c.kind == "date" and "," in c.dtype]
    if task.save == "xlsx" and zoned:
        lines += ["# Excel has no time zones.", f"zoned = {listed(zoned)}"]
        lines += ["result = df.assign(**{name: df[name].dt.tz_localize(None) for name in zoned})"]
    return lines + save(task, way, language, [task.table.name])


def _convert_words(task: Task, found: Findings, language: Language) -> str:
    return _CONVERTED[language].format(name=plain(task.table.name if task.table else ""))


COUNT = Recipe(_count_code, _count_words)
LIST = Recipe(_list_code, _list_words)
JOIN = Recipe(_join_code, _join_words, expects="size")
CONVERT = Recipe(_convert_code, _convert_words, expects="saved")
