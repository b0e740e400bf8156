"""Groups compared: values per group, the top and the bottom, shares of the whole."""

from __future__ import annotations

from dataclasses import replace

from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.figures import call
from aoai_magic.engine.models.offline.findings import Findings, markdown, number, percent, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import Grid, show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.script import (
    aggregated,
    bars,
    begin,
    capital,
    described,
    drawing,
    finish,
    listed,
    literal,
    mask,
    quantity,
    ratio,
    save,
    titled,
    value_name,
)
from aoai_magic.engine.models.offline.task import Task, Way

_MOST_UPRIGHT = 8
"""Groups up to which bars stand upright."""
_MOST_SHOWN = 20
_MOST_TOLD = 10
_MOST_SLICES = 6

_BY: Phrase = {"en": "{} by {}", "ja": "{1}別の{0}", "zh": "各{1}的{0}"}
_COMPARED: Phrase = {
    "en": "{what}: **{best}** has the highest value ({high}), **{worst}** the lowest ({low}).",
    "ja": "{what}：最も大きいのは **{best}**（{high}）、最も小さいのは **{worst}**（{low}）です。",
    "zh": "{what}：最高的是 **{best}**（{high}），最低的是 **{worst}**（{low}）。",
}
_COUNTED: Phrase = {
    "en": "{what}: **{best}** has the most ({high} rows), **{worst}** the fewest ({low} rows).",
    "ja": "{what}：最多は **{best}**（{high} 件）、最少は **{worst}**（{low} 件）です。",
    "zh": "{what}：最多的是 **{best}**（{high} 筆），最少的是 **{worst}**（{low} 筆）。",
}
_ALIKE: Phrase = {
    "en": "{what}: all have the same value ({high}).",
    "ja": "{what}：すべて同じ値（{high}）です。",
    "zh": "{what}：全部相同（{high}）。",
}
_NO_VALUES: Phrase = {
    "en": "{what}: the column has no values.",
    "ja": "{what}：列に値がありません。",
    "zh": "{what}：欄位沒有任何值。",
}
_NONE: Phrase = {
    "en": "No rows are left for this question.",
    "ja": "この条件に合う行はありません。",
    "zh": "沒有符合條件的資料。",
}


def _counts(task: Task) -> bool:
    """Whether rows are counted."""
    return task.measure is None or task.aggregation == "count"


def by(task: Task, language: Language) -> str:
    """Name the comparison: "total revenue by region"."""
    group = task.group.name if task.group else ""
    return _BY[language].format(quantity(task, language), group)


def _compare_code(task: Task, way: Way, language: Language) -> list[str]:
    if task.group is None:
        return _overall_code(task, way, language)
    if task.second is not None:
        return _crossed_code(task, way, language)
    value, group = value_name(task), task.group.name
    draw = drawing(task, way)
    lines = begin(task, way, by(task, language), draw)
    ascending = "ascending=True" if task.lowest else "ascending=False"
    lines += [
        f"result = {aggregated(task, literal(group))}.reset_index(name={literal(value)})",
        f"result = result.sort_values({literal(value)}, {ascending})",
        "",
    ]
    lines += show("result", f"result.head({_MOST_SHOWN})")
    lines += _bar_chart(task, language, task.group.distinct) if draw else []
    return lines + save(task, way, language, [value, "by", group])


def _bar_chart(task: Task, language: Language, count: int) -> list[str]:
    assert task.group is not None
    value, group = value_name(task), task.group.name
    if task.chart == "line":
        drawn = [
            "fig, ax = plt.subplots(figsize=(8, 4.5))",
            f'ax.plot(shown[{literal(group)}].astype(str), shown[{literal(value)}], marker="o")',
        ]
        labels = {"x": group, "y": quantity(task, language), "grid": "y"}
    else:
        across = count > _MOST_UPRIGHT
        drawn = bars(group, value, across)
        axes = (quantity(task, language), group) if across else (group, quantity(task, language))
        labels = {"x": axes[0], "y": axes[1], "grid": "x" if across else "y"}
    title = titled(by(task, language), task)
    return [f"shown = result.head({_MOST_SHOWN})", *drawn, *finish(title, **labels)]


def _crossed_code(task: Task, way: Way, language: Language) -> list[str]:
    """Tabulate one group against another."""
    assert task.group is not None
    assert task.second is not None
    group, second = task.group.name, task.second.name
    draw, title = drawing(task, way), _by_both(task, language)
    keys = listed([group, second])
    lines = begin(task, way, title, draw)
    lines += [
        f"table = {aggregated(task, keys)}.unstack().head({_MOST_SHOWN})",
        "table.columns = [str(name) for name in table.columns]",
        'best = pd.DataFrame({"best": table.idxmax(axis=1).tolist()})',
        f"table = table[table.sum().nlargest({_MOST_UPRIGHT}).index]",
        "result = table.reset_index()",
        "",
        *show("result", "result"),
        *show("best", "best"),
    ]
    if draw:
        lines += [
            "fig, ax = plt.subplots(figsize=(9, 4.5))",
            "table.plot.bar(ax=ax, width=0.8, rot=0)",
            f"ax.legend(title={literal(second)}, frameon=False)",
            *finish(titled(title, task), x=group, y=quantity(task, language), grid="y"),
        ]
    return lines + save(task, way, language, [value_name(task), "by", group, second])


def _by_both(task: Task, language: Language) -> str:
    """Name the table: "total revenue by region and product"."""
    names = [column.name for column in (task.group, task.second) if column]
    return _BY_BOTH[language].format(quantity(task, language), *names)


_BY_BOTH: Phrase = {
    "en": "{} by {} and {}",
    "ja": "{1}・{2}別の{0}",
    "zh": "各{1}、{2}的{0}",
}
_CROSSED: Phrase = {
    "en": "{what}: **{row}, {column}** has the highest value ({high}).",
    "ja": "{what}：最も大きいのは **{row}・{column}**（{high}）です。",
    "zh": "{what}：最高的是 **{row}、{column}**（{high}）。",
}


def _crossed_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    cells = [
        (float(value), row[0], name)
        for row in grid.rows
        for name, value in zip(grid.header[1:], row[1:], strict=True)
        if value
    ]
    high, row, column = max(cells)
    text = _CROSSED[language].format(
        what=capital(plain(_by_both(task, language))),
        row=plain(row),
        column=plain(column),
        high=number(high),
    )
    if len(grid.rows) == 1 or len(grid.header) < 3:
        return f"{text}\n\n{markdown(grid.header, grid.rows)}"
    header = (*grid.header, _MOST[language])
    best = found["best"].column("best")
    rows = [(*row, name) for row, name in zip(grid.rows, best, strict=True)]
    return f"{text}\n\n{markdown(header, rows)}"


_MET: Phrase = {
    "en": "**{share}** of the rows ({met} of {all}) meet the condition ({what}).",
    "ja": "条件（{what}）に合う行は **{share}**（{all} 行のうち {met} 行）です。",
    "zh": "符合條件（{what}）的有 **{share}**（{all} 筆中的 {met} 筆）。",
}


def _fraction_code(task: Task, way: Way, language: Language) -> list[str]:
    """Count the rows that meet the conditions, and all."""
    lines = begin(replace(task, filters=()), way, "Rows that meet the condition")
    met = " & ".join(f"({mask(wanted)})" for wanted in task.filters)
    lines += [f"met = {met}", 'result = pd.DataFrame({"met": [met.sum()], "rows": [len(df)]})']
    return [*lines, *show("result", "result"), *save(task, way, language, ["share"])]


def _fraction_words(task: Task, found: Findings, language: Language) -> str:
    met, rows = found["result"].first("met"), found["result"].first("rows")
    return _MET[language].format(
        share=percent(int(met) / max(int(rows), 1)), met=number(met), all=number(rows),
        what=plain(described(task.filters)),
    )  # fmt: skip


def _overall_code(task: Task, way: Way, language: Language) -> list[str]:
    value = value_name(task)
    lines = begin(task, way, quantity(task, language))
    if task.measure is None or task.aggregation == "count":
        lines += [f"result = pd.DataFrame({{{literal(value)}: [len(df)]}})"]
    else:
        figure = f"df[{literal(task.measure.name)}].{call(task.aggregation)}"
        figure = ratio(task, "df") if task.per else figure
        lines += [f"result = pd.DataFrame({{{literal(value)}: [{figure}]}})"]
    return [*lines, *show("result", "result"), *save(task, way, language, [value])]


def _overall_words(task: Task, found: Findings, language: Language) -> str:
    figure = number(found["result"].rows[0][0])
    return f"{capital(plain(quantity(task, language)))}: **{figure}**"


def _compare_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    if not grid.rows:
        return _NONE[language]
    if task.group is None:
        return _overall_words(task, found, language)
    if task.second is not None:
        return _crossed_words(task, found, language)
    filled = [row for row in grid.rows if row[1]]
    if not filled:
        return _NO_VALUES[language].format(what=capital(plain(by(task, language))))
    ends = [filled[0], filled[-1]]
    best, worst = reversed(ends) if task.lowest else ends
    template = _COUNTED if _counts(task) else _COMPARED
    if best[1] == worst[1]:
        template = _ALIKE
    text = template[language].format(
        what=capital(plain(by(task, language))), best=plain(best[0]), high=number(best[1]),
        worst=plain(worst[0]), low=number(worst[1]),
    )  # fmt: skip
    return f"{text}\n\n{markdown(grid.header, grid.rows[:_MOST_TOLD])}"


_TOP: Phrase = {
    "en": "{what}, the {n} {ends}: first is **{best}** with {high}.",
    "ja": "{what}の{ends}{n}件です。1位は **{best}**（{high}）です。",
    "zh": "{what}的{ends} {n} 名；第一名是 **{best}**（{high}）。",
}
_FIRST: Phrase = {
    "en": "**{best}** has the {ends} {what}: {high}.",
    "ja": "{what}が{ends}なのは **{best}**（{high}）です。",
    "zh": "{what}{ends}的是 **{best}**（{high}）。",
}
_FIRST_OF_COUNTS: dict[bool, Phrase] = {
    False: {
        "en": "**{best}** has the most rows: {high}.",
        "ja": "件数が最も多いのは **{best}**（{high} 件）です。",
        "zh": "筆數最多的是 **{best}**（{high} 筆）。",
    },
    True: {
        "en": "**{best}** has the fewest rows: {high}.",
        "ja": "件数が最も少ないのは **{best}**（{high} 件）です。",
        "zh": "筆數最少的是 **{best}**（{high} 筆）。",
    },
}
_ROWS: Phrase = {
    "en": "The {ends} {what} is **{high}**{best}. The {n} {ends}:",
    "ja": "{what}の{ends}値は **{high}**{best}です。{ends}から {n} 行：",
    "zh": "{what}{ends}值是 **{high}**{best}。{ends}的 {n} 筆：",
}
_MOST: Phrase = {"en": "highest", "ja": "最大", "zh": "最高"}
_LATEST: Phrase = {"en": "latest", "ja": "最新", "zh": "最新"}
_EARLIEST: Phrase = {"en": "earliest", "ja": "最古", "zh": "最早"}
_LEAST: Phrase = {"en": "lowest", "ja": "最小", "zh": "最低"}
_HIGH: Phrase = {"en": "highest", "ja": "上位", "zh": "最高"}
_LOW: Phrase = {"en": "lowest", "ja": "下位", "zh": "最低"}


def _top_code(task: Task, way: Way, language: Language) -> list[str]:
    if task.group is None:
        return _extreme_rows_code(task, way, language)
    value, group, count = value_name(task), task.group.name, task.number or 5
    draw = drawing(task, way) and (not task.save or bool(task.chart))
    pick = "nsmallest" if task.lowest else "nlargest"
    lines = begin(
        task, way, f"{by(task, language)}: {'bottom' if task.lowest else 'top'} {count}", draw
    )
    lines += [
        f"result = {aggregated(task, literal(group))}.{pick}({count})",
        f"result = result.reset_index(name={literal(value)})",
        "",
        *show("result", f"result.head({_MOST_SHOWN})"),
    ]
    # Names of customers or products are long: their bars lie.
    lines += _bar_chart(task, language, _MOST_UPRIGHT + 1) if draw else []
    return lines + save(task, way, language, _stem(task, count, group))


def _stem(task: Task, count: int, what: str) -> list[str]:
    return ["bottom" if task.lowest else "top", str(count), what]


def _extreme_rows_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    count = task.number or 5
    pick = "nsmallest" if task.lowest else "nlargest"
    lines = begin(
        task,
        way,
        f"{'Lowest' if task.lowest else 'Highest'} {count}: {task.measure and task.measure.name}",
    )
    chosen = (
        f"df.{pick}({count}, {literal(task.measure.name)})" if task.measure else f"df.head({count})"
    )
    first = [task.measure.name] if task.measure else []
    columns = [*first, *(c.name for c in task.table.columns if c.name not in first)][:8]
    lines += [
        f"result = {chosen}",
        *show("result", f"result[{listed(columns)}].head({_MOST_SHOWN})"),
    ]
    return lines + save(task, way, language, _stem(task, count, task.table.name))


def _top_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    if not grid.rows:
        return _NONE[language]
    ends = (_LOW if task.lowest else _HIGH)[language]
    first = grid.rows[0]
    superlative = (_LEAST if task.lowest else _MOST)[language]
    if task.measure and task.measure.temporal:
        superlative = (_EARLIEST if task.lowest else _LATEST)[language]
    if task.group is None:
        text = _ROWS[language].format(
            n=len(grid.rows), ends=superlative, high=number(first[0]),
            what=plain(task.measure.name if task.measure else ""),
            best=_labelled(task, grid, language),
        )  # fmt: skip
    elif not task.number or len(grid.rows) == 1:
        template = _FIRST_OF_COUNTS[task.lowest] if _counts(task) else _FIRST
        text = template[language].format(
            best=plain(first[0]), ends=superlative, high=number(first[1]),
            what=plain(quantity(task, language)),
        )  # fmt: skip
    else:
        text = _TOP[language].format(
            n=len(grid.rows), ends=ends, what=capital(plain(by(task, language))),
            best=plain(first[0]), high=number(first[1]),
        )  # fmt: skip
    return f"{text}\n\n{markdown(grid.header, grid.rows)}"


def _labelled(task: Task, grid: Grid, language: Language) -> str:
    """Name the first row by its date, or by the column that tells it from others best."""
    assert task.table is not None
    columns = [c for c in task.table.columns if c.name in grid.header and not c.numeric]
    columns = [column for column in columns if column != task.measure]
    columns.sort(key=lambda column: (not column.temporal, -column.distinct))
    if not columns or columns[0].distinct < task.table.rows / 20:
        return ""
    name, value = columns[0].name, grid.first(columns[0].name)
    brackets = " ({}: {})" if language == "en" else "（{}：{}）"
    return brackets.format(plain(name), plain(value))


_SHARE: Phrase = {
    "en": "Of the {what}, **{best}** makes up the largest share ({high}).",
    "ja": "{what}の構成比では、**{best}** が最大（{high}）です。",
    "zh": "{what}當中，**{best}** 占比最高（{high}）。",
}
_SHARE_OF_ROWS: Phrase = {
    "en": "**{best}** has the largest share: {rows} of {all} rows ({high}).",
    "ja": "最も多いのは **{best}** で、{all} 件のうち {rows} 件（{high}）です。",
    "zh": "占比最高的是 **{best}**：{all} 筆中的 {rows} 筆（{high}）。",
}
_FOCUS_ON_ROWS: Phrase = {
    "en": "**{best}** makes up {high}: {rows} of {all} rows.",
    "ja": "**{best}** の割合は {high}（{all} 件のうち {rows} 件）です。",
    "zh": "**{best}** 占 {high}（{all} 筆中的 {rows} 筆）。",
}
_FOCUS: Phrase = {
    "en": "**{best}** makes up {high} of the {what}.",
    "ja": "{what}に占める **{best}** の割合は {high} です。",
    "zh": "**{best}** 占{what}的 {high}。",
}
_ROWS_BY: Phrase = {"en": "rows by {}", "ja": "{}別の件数", "zh": "各{}筆數"}
_WHOLE: Phrase = {"en": "share of {}", "ja": "{}の構成比", "zh": "{}占比"}


def _focused(task: Task) -> tuple[Task, Filter | None]:
    """Take "what share is from Europe" as the shares of all regions with one in view."""
    for wanted in task.filters:
        same = task.group is None or task.group == wanted.column or not task.group.categorical
        if wanted.chooses and (same or wanted.column == task.group):
            rest = tuple(other for other in task.filters if other != wanted)
            return replace(task, group=wanted.column, filters=rest), wanted
    return task, None


def _share_code(task: Task, way: Way, language: Language) -> list[str]:
    task, _ = _focused(task)
    assert task.group is not None
    value, group = value_name(task), task.group.name
    draw = drawing(task, way)
    whole = _ROWS_BY[language].format(group) if _counts(task) else by(task, language)
    title = _WHOLE[language].format(whole)
    lines = begin(task, way, title, draw)
    lines += [
        f"result = {aggregated(task, literal(group))}.sort_values(ascending=False)",
        f"result = result.reset_index(name={literal(value)})",
        f'result["share"] = result[{literal(value)}] / result[{literal(value)}].sum()',
        "",
        *show("result", f"result.head({_MOST_SHOWN})"),
    ]
    lines += _share_chart(task, language, title) if draw else []
    return lines + save(task, way, language, ["share", group])


def _share_chart(task: Task, language: Language, title: str) -> list[str]:
    assert task.group is not None
    group, value = task.group.name, value_name(task)
    pie = task.chart == "pie" or (not task.chart and task.group.distinct <= _MOST_SLICES)
    if not pie:
        shown = ["shown = result.head(20).assign(percent=result['share'] * 100)"]
        drawn = bars(group, "percent", across=task.group.distinct > _MOST_UPRIGHT)
        return [*shown, *drawn, *finish(titled(title, task))]
    return [
        f"shown = result.head({_MOST_UPRIGHT})",
        f"rest = result[{literal(value)}].iloc[{_MOST_UPRIGHT}:].sum()",
        "fig, ax = plt.subplots(figsize=(6, 6))",
        f"labels = [*shown[{literal(group)}].astype(str), '…'][: len(shown) + bool(rest)]",
        f"sizes = [*shown[{literal(value)}], rest][: len(shown) + bool(rest)]",
        'ax.pie(sizes, labels=labels, autopct="%.1f%%", startangle=90, counterclock=False)',
        *finish(titled(title, task)),
    ]


def _share_words(task: Task, found: Findings, language: Language) -> str:
    whole, wanted = _focused(task)
    grid = found["result"]
    if not grid.rows:
        return _NONE[language]
    best, template = grid.rows[0], _SHARE
    if wanted and isinstance(wanted.value, tuple):
        chosen = [row for row in grid.rows if row[0] in wanted.value]
        best, template = (chosen or [best])[0], _FOCUS if chosen else _SHARE
    if _counts(whole):
        template = _FOCUS_ON_ROWS if template is _FOCUS else _SHARE_OF_ROWS
    text = template[language].format(
        what=plain(quantity(whole, language)), best=plain(best[0]), high=percent(best[2]),
        rows=number(best[1]), all=number(round(float(best[1]) / (float(best[2]) or 1))),
    )  # fmt: skip
    rows = [(row[0], row[1], percent(row[2])) for row in grid.rows[:_MOST_TOLD]]
    return f"{text}\n\n{markdown((*grid.header[:2], '%'), rows)}"


COMPARE = Recipe(_compare_code, _compare_words)
FRACTION = Recipe(_fraction_code, _fraction_words)
TOTAL = Recipe(_overall_code, _overall_words)
TOP = Recipe(_top_code, _top_words)
SHARE = Recipe(_share_code, _share_words)
