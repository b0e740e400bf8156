"""Rows counted, listed, joined and converted."""

from __future__ import annotations

from aoai_magic.engine.models.offline.findings import Findings, markdown, number, percent, plain
from aoai_magic.engine.models.offline.joins import joined
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.schema import Table
from aoai_magic.engine.models.offline.script import (
    begin,
    comment,
    imports,
    listed,
    literal,
    load,
    save,
)
from aoai_magic.engine.models.offline.task import Task, Way

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


_BY_PLACE: dict[str, Phrase] = {
    "first": {
        "en": "The first {n} of {rows} rows:",
        "ja": "{rows} 行のうち最初の {n} 行：",
        "zh": "{rows} 列中的前 {n} 列：",
    },
    "last": {
        "en": "The last {n} of {rows} rows:",
        "ja": "{rows} 行のうち最後の {n} 行：",
        "zh": "{rows} 列中的最後 {n} 列：",
    },
    "random": {
        "en": "{n} of {rows} rows, drawn at random:",
        "ja": "{rows} 行から無作為に選んだ {n} 行：",
        "zh": "從 {rows} 列中隨機抽出的 {n} 列：",
    },
}
_MOST_ROWS = 30
_ALL_LISTED: Phrase = {
    "en": "{count} rows:",
    "ja": "該当する行は {count} 行です：",
    "zh": "共 {count} 列：",
}


def _list_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    names = [column.name for column in task.table.columns][:_MOST_COLUMNS]
    shown = min(task.number or 10, _MOST_ROWS)
    return [
        *begin(task, way, "The rows that were asked for"),
        f"result = {_by_place(task)}",
        *show("size", 'pd.DataFrame({"rows": [len(df)]})'),
        *show("result", f"result[{listed(names)}].head({shown})"),
        *save(task, way, language, [task.table.name, "rows"]),
    ]


def _by_place(task: Task) -> str:
    count = task.number or 5
    if task.end == "random":
        return f"df.sample(min({count}, len(df)), random_state=0)"
    if task.end == "last":
        return f"df.tail({count})"
    return f"df.head({task.number})" if task.end and task.number else "df"


def _list_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    count = number(found["size"].first("rows"))
    cut = len(grid.rows) < int(found["size"].first("rows"))
    if task.end and cut:
        text = _BY_PLACE[task.end][language].format(n=len(grid.rows), rows=count)
        return f"{text}\n\n{markdown(grid.header, grid.rows)}"
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


def _join_code(task: Task, way: Way, language: Language) -> list[str]:
    table = _joined(task)
    if table is None or table.join is None:
        return [comment("No common column"), *imports(), *_sizes("0", "0", "0", "0")]
    left, right = table.join.left, table.join.right
    keys = [literal(column.name) for column in table.join.on]
    lines = [comment(f"Join {left.name} and {right.name}"), *imports()]
    lines += load(table, way, "result", [])
    lines += [
        f"matched = left[{keys[0]}].isin(right[{keys[1]}]).mean()",
        *_sizes("len(left)", "len(right)", "len(result)", "matched"),
        *show("result", f"result.iloc[:5, :{_MOST_COLUMNS}]"),
    ]
    return lines + save(task, way, language, [left.name, right.name])


def _sizes(left: str, right: str, rows: str, matched: str) -> list[str]:
    fields = f'"left": [{left}], "right": [{right}], "rows": [{rows}], "matched": [{matched}]'
    return [f"size = pd.DataFrame({{{fields}}})", *show("size", "size")]


def _joined(task: Task) -> Table | None:
    assert task.table is not None
    assert task.other is not None
    return joined(task.table, task.other, task.text)


def _join_words(task: Task, found: Findings, language: Language) -> str:
    table, size = _joined(task), found["size"]
    if table is None or table.join is None:
        names = [plain(part.name) for part in (task.table, task.other) if part]
        return _NO_KEY[language].format(left=names[0], right=names[1])
    text = _JOINED[language].format(
        left=plain(table.join.left.name), right=plain(table.join.right.name),
        key=plain(table.join.on[0].name), a=number(size.first("left")),
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
