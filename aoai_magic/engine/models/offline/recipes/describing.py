"""A table described: its size, columns, gaps, and how its numbers are distributed."""

from __future__ import annotations

from aoai_magic.engine.models.offline.findings import Findings, markdown, number, percent, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.schema import Column
from aoai_magic.engine.models.offline.script import (
    bars,
    begin,
    drawing,
    finish,
    listed,
    literal,
    save,
    titled,
)
from aoai_magic.engine.models.offline.task import Task, Way

_OVERVIEW: Phrase = {
    "en": "**{name}** has {rows} rows and {columns} columns; {missing} values are missing "
    "and {copies} rows are duplicates.",
    "ja": "**{name}** は {rows} 行 {columns} 列です。欠損値は {missing} 個、"
    "重複した行は {copies} 行あります。",
    "zh": "**{name}** 有 {rows} 列、{columns} 個欄位；"
    "缺失值 {missing} 個，重複的資料 {copies} 列。",
}
_COLUMNS: Phrase = {"en": "Columns:", "ja": "列：", "zh": "欄位："}
_NUMBERS: Phrase = {"en": "Numbers:", "ja": "数値の列：", "zh": "數值欄位："}
_HEADER: dict[Language, tuple[str, ...]] = {
    "en": ("column", "type", "missing", "distinct", "values"),
    "ja": ("列", "型", "欠損", "種類", "値"),
    "zh": ("欄位", "型別", "缺失", "相異值", "值"),
}
_FIGURES: dict[Language, tuple[str, ...]] = {
    "en": ("column", "mean", "std", "min", "median", "max"),
    "ja": ("列", "平均", "標準偏差", "最小", "中央値", "最大"),
    "zh": ("欄位", "平均", "標準差", "最小", "中位數", "最大"),
}
_MOST_COLUMNS = 30


def _overview_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    numbers = [column.name for column in task.table.numbers][:12]
    lines = begin(task, way, f"Overview of {task.table.name}", False)
    lines += [
        "size = pd.DataFrame({",
        '    "rows": [len(df)],',
        '    "missing": [df.isna().sum().sum()],',
        '    "duplicates": [df.astype(str).duplicated().sum()],',
        "})",
        *show("size", "size"),
    ]
    if numbers:
        converted = f"df[{listed(numbers)}].apply(pd.to_numeric, errors='coerce')"
        lines += [
            f"result = {converted}.describe().T.reset_index(names='column')",
            *show("numbers", 'result[["column", "mean", "std", "min", "50%", "max"]]'),
        ]
    return lines


def _overview_words(task: Task, found: Findings, language: Language) -> str:
    assert task.table is not None
    size = found["size"]
    text = _OVERVIEW[language].format(
        name=plain(task.table.name), rows=number(size.first("rows")),
        columns=len(task.table.columns), missing=number(size.first("missing")),
        copies=number(size.first("duplicates")),
    )  # fmt: skip
    columns = [_line(column) for column in task.table.columns[:_MOST_COLUMNS]]
    parts = [text, _COLUMNS[language], markdown(_HEADER[language], columns)]
    if "numbers" in found:
        parts += [_NUMBERS[language], markdown(_FIGURES[language], found["numbers"].rows)]
    return "\n\n".join(parts)


def _line(column: Column) -> tuple[str, ...]:
    values = (
        f"{_bound(column.low)} … {_bound(column.high)}"
        if column.low
        else ", ".join(column.values[:4])
    )
    values = values.replace(" 00:00:00", "")
    return column.name, column.kind, str(column.nulls), str(column.distinct), values


def _bound(text: str) -> str:
    """Write an end of a range: "2700.0" as "2700", a date as it is."""
    return text.removesuffix(".0")


_GAPS: Phrase = {
    "en": "{total} values are missing in {columns} columns; "
    "most in **{worst}** ({count}, {share}).",
    "ja": "欠損値は {columns} 列に合計 {total} 個あります。最も多いのは "
    "**{worst}**（{count} 個、{share}）です。",
    "zh": "共有 {total} 個缺失值，分布在 {columns} 個欄位；"
    "最多的是 **{worst}**（{count} 個，{share}）。",
}
_NO_GAPS: Phrase = {
    "en": "No values are missing.",
    "ja": "欠損値はありません。",
    "zh": "沒有缺失值。",
}


def _chosen(task: Task) -> str:
    """Select the columns that were named, if any were."""
    names = [column.name for column in (*task.measures, task.group, task.second) if column]
    return f"[{listed(names)}]" if names else ""


def _missing_code(task: Task, way: Way, language: Language) -> list[str]:
    draw = way.chart and task.chart not in {"", "none"}
    lines = begin(task, way, "Missing values per column", draw)
    lines += [
        f"gaps = df{_chosen(task)}.isna().sum()",
        'result = pd.DataFrame({"column": gaps.index, "missing": gaps.to_numpy()})',
        'result["share"] = result["missing"] / max(len(df), 1)',
        'result = result[result["missing"] > 0].sort_values("missing", ascending=False)',
        "",
        *show("result", "result"),
    ]
    if draw:
        lines += ["shown = result.head(20)", *bars("column", "missing", across=True)]
        lines += finish("Missing values", x="missing", grid="x")
    return lines + save(task, way, language, ["missing", "values"])


def _missing_words(task: Task, found: Findings, language: Language) -> str:
    rows = found["result"].rows
    if not rows:
        return _NO_GAPS[language]
    text = _GAPS[language].format(
        total=number(sum(int(row[1]) for row in rows)), columns=len(rows),
        worst=plain(rows[0][0]), count=number(rows[0][1]), share=percent(rows[0][2]),
    )  # fmt: skip
    told = [(name, count, percent(share)) for name, count, share in rows[:_MOST_COLUMNS]]
    return f"{text}\n\n{markdown((*found['result'].header[:2], '%'), told)}"


_SPREAD: Phrase = {
    "en": "**{name}**: {count} values from {low} to {high}, mean {mean}, median {median}, "
    "standard deviation {std}; half of them lie between {q1} and {q3}.",
    "ja": "**{name}**：{count} 個の値、{low}〜{high}、平均 {mean}、中央値 {median}、"
    "標準偏差 {std}。半数は {q1} から {q3} の間にあります。",
    "zh": "**{name}**：{count} 個值，範圍 {low} 至 {high}，平均 {mean}，中位數 {median}，"
    "標準差 {std}；一半的值介於 {q1} 與 {q3} 之間。",
}
_FREQUENT: Phrase = {
    "en": "**{name}** has {distinct} different values; the most frequent is **{best}** ({count}).",
    "ja": "**{name}** には {distinct} 種類の値があります。"
    "最も多いのは **{best}**（{count} 件）です。",
    "zh": "**{name}** 有 {distinct} 種值；最常見的是 **{best}**（{count} 筆）。",
}
_DISTRIBUTION: Phrase = {
    "en": "distribution of {}",
    "ja": "{}の分布",
    "zh": "{}的分布",
}
_FREQUENCY: Phrase = {"en": "number of rows", "ja": "件数", "zh": "筆數"}


def _distribution_code(task: Task, way: Way, language: Language) -> list[str]:
    column = task.measure or task.group
    if column is None or not column.numeric:
        return _frequencies_code(task, way, language)
    title = _DISTRIBUTION[language].format(column.name)
    draw = drawing(task, way)
    lines = begin(task, way, title, draw)
    lines += [
        f"values = df[{literal(column.name)}].dropna()",
        "result = values.describe().to_frame().T",
        "",
        *show("result", "result"),
    ]
    if task.group is not None and task.group != column:
        grouped = f"df.groupby({literal(task.group.name)}, observed=True)"
        figures = '[["count", "min", "25%", "50%", "75%", "max"]]'
        summary = f"{grouped}[{literal(column.name)}].describe(){figures}.reset_index()"
        lines += [f"groups = {summary}", *show("groups", "groups.head(20)")]
    lines += _spread_chart(task, column, title, language) if draw else []
    return lines + save(task, way, language, ["distribution", column.name])


def _spread_chart(task: Task, column: Column, title: str, language: Language) -> list[str]:
    lines = ["fig, ax = plt.subplots(figsize=(8, 4.5))"]
    if task.chart != "box":
        lines += ['ax.hist(values, bins="auto", color="#4c78a8", edgecolor="white")']
        axes = {"x": column.name, "y": _FREQUENCY[language], "grid": "y"}
        return lines + finish(titled(title, task), **axes)
    if task.group is None:
        lines += ["ax.boxplot(values)", "ax.set_xticks([])"]
    else:
        lines += [
            f"parts = dict(list(df.groupby({literal(task.group.name)}, observed=True)))",
            f"ax.boxplot([g[{literal(column.name)}].dropna() for g in parts.values()])",
            "ax.set_xticks(range(1, len(parts) + 1), [str(name) for name in parts])",
        ]
    return lines + finish(titled(title, task), y=column.name, grid="y")


def _frequencies_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    column = task.group or task.table.columns[0]
    title = _DISTRIBUTION[language].format(column.name)
    draw = drawing(task, way)
    lines = begin(task, way, title, draw)
    lines += [
        f"counts = df[{literal(column.name)}].value_counts()",
        'result = counts.rename_axis("value").reset_index(name="count")',
        "",
        *show("frequencies", "result.head(20)"),
        *show("result", 'pd.DataFrame({"distinct": [len(result)]})'),
    ]
    if draw:
        lines += ["shown = result.head(20)", *bars("value", "count", column.distinct > 8)]
        lines += finish(titled(title, task))
    return lines + save(task, way, language, ["distribution", column.name])


def _distribution_words(task: Task, found: Findings, language: Language) -> str:
    if "frequencies" in found:
        return _frequent_words(task, found, language)
    grid = found["result"]
    parts = dict(zip(grid.header, grid.rows[0], strict=True))
    names = {"low": "min", "high": "max", "q1": "25%", "median": "50%", "q3": "75%"}
    keys = {**names, "count": "count", "mean": "mean", "std": "std"}
    figures = {name: number(parts[key]) for name, key in keys.items()}
    column = task.measure or task.group
    text = _SPREAD[language].format(name=plain(column.name if column else ""), **figures)
    groups = found.get("groups")
    return f"{text}\n\n{markdown(groups.header, groups.rows)}" if groups else text


def _frequent_words(task: Task, found: Findings, language: Language) -> str:
    assert task.table is not None
    grid = found["frequencies"]
    column = task.group or task.table.columns[0]
    best = grid.rows[0] if grid.rows else ("–", "0")
    text = _FREQUENT[language].format(
        name=plain(column.name), distinct=number(found["result"].first("distinct")),
        best=plain(best[0]), count=number(best[1]),
    )  # fmt: skip
    return f"{text}\n\n{markdown((column.name, _FREQUENCY[language]), grid.rows[:10])}"


OVERVIEW = Recipe(_overview_code, _overview_words, expects="size")
MISSING = Recipe(_missing_code, _missing_words)
DISTRIBUTION = Recipe(_distribution_code, _distribution_words)
