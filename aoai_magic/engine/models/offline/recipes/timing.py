"""Values over time: series per period, lines per group, and which group grew fastest."""

from __future__ import annotations

from aoai_magic.engine.models.offline.findings import Findings, markdown, number, plain, signed
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.script import (
    aggregated,
    begin,
    capital,
    drawing,
    finish,
    literal,
    quantity,
    save,
    span,
    titled,
    value_name,
)
from aoai_magic.engine.models.offline.task import Task, Way

_TREND_PERIOD = '"Y" if days > 2000 else "M" if days > 60 else "D"'
_GROWTH_PERIOD = '"Y" if days >= 700 else "Q" if days >= 180 else "M"'
_MOST_LINES = 8
_MOST_TOLD = 18
"""Periods up to which a series is shown whole; of a longer one both ends are."""
_END = 6

_PER: dict[str, Phrase] = {
    "D": {"en": "daily {}", "ja": "日別の{}", "zh": "每日{}"},
    "W": {"en": "weekly {}", "ja": "週別の{}", "zh": "每週{}"},
    "M": {"en": "monthly {}", "ja": "月別の{}", "zh": "每月{}"},
    "Q": {"en": "quarterly {}", "ja": "四半期別の{}", "zh": "每季{}"},
    "Y": {"en": "yearly {}", "ja": "年別の{}", "zh": "每年{}"},
    "": {"en": "{} over time", "ja": "{}の推移", "zh": "{}的趨勢"},
}
_AND_BY: Phrase = {"en": "{} by {}", "ja": "{1}ごとの{0}", "zh": "{0}（依{1}）"}
_SERIES: Phrase = {
    "en": (
        "{what}, {first} to {last}: highest in **{best}** ({high}), lowest in **{worst}** ({low}); "
        "{change} from the first period to the last."
    ),
    "ja": (
        "{what}（{first}〜{last}）：最高は **{best}**（{high}）、最低は **{worst}**（{low}）。"
        "最初から最後の期間までの変化は {change} です。"
    ),
    "zh": (
        "{what}（{first} 至 {last}）：最高是 **{best}**（{high}），最低是 **{worst}**（{low}）；"
        "從第一期到最後一期變化 {change}。"
    ),
}
_LINES: Phrase = {
    "en": "{what}, {first} to {last}; **{best}** has the highest single value ({high}).",
    "ja": "{what}（{first}〜{last}）。最も高い値は **{best}**（{high}）です。",
    "zh": "{what}（{first} 至 {last}）；單期最高的是 **{best}**（{high}）。",
}
_HEADER: dict[Language, tuple[str, ...]] = {
    "en": ("first", "last", "change", "peak", "highest"),
    "ja": ("最初", "最後", "変化", "最高の期間", "最高値"),
    "zh": ("第一期", "最後一期", "變化", "最高的期間", "最高值"),
}
_EMPTY: Phrase = {
    "en": "No dated rows are left for this question.",
    "ja": "日付のある該当行がありません。",
    "zh": "沒有符合條件且有日期的資料。",
}


def over_time(task: Task, language: Language) -> str:
    """Name the series: "monthly total revenue by region"."""
    text = _PER[task.frequency][language].format(quantity(task, language))
    return _AND_BY[language].format(text, task.group.name) if task.group else text


def _periods(task: Task, fallback: str) -> list[str]:
    """Drop rows without a date and give each row its period."""
    assert task.date is not None
    date = f"df[{literal(task.date.name)}]"
    lines = [f"df = df.dropna(subset=[{literal(task.date.name)}])"]
    if task.date.yearly:
        years = f'pd.to_datetime({date}.astype("Int64").astype(str), format="%Y")'
        lines += [f"df = df.assign(**{{{literal(task.date.name)}: {years}}})"]
    if task.frequency:
        return [*lines, f'period = {date}.dt.to_period({literal(task.frequency)}).rename("period")']
    lines.append(f"days = ({date}.max() - {date}.min()).days")
    if task.date.yearly:
        fallback = '"Y"'
    lines.append(f"frequency = {fallback}")
    return [*lines, f'period = {date}.dt.to_period(frequency).rename("period")']


def _trend_code(task: Task, way: Way, language: Language) -> list[str]:
    value, draw = value_name(task), drawing(task, way)
    what = over_time(task, language)
    lines = begin(task, way, what, draw)
    lines += _periods(task, _GROWTH_PERIOD if task.kind == "growth" else _TREND_PERIOD)
    if task.group is None:
        lines += _series_code(task, value)
        lines += _one_line(task, language, what) if draw else []
    else:
        lines += _table_code(task)
        lines += _many_lines(task, language, what) if draw else []
    if task.save:
        # JSON and Parquet have no periods.
        lines.append('result = result.assign(period=result["period"].astype(str))')
    return lines + save(task, way, language, [value, "over", "time"])


def _series_code(task: Task, value: str) -> list[str]:
    """Sum up by period, and pick the periods that matter."""
    return [
        f"series = {aggregated(task, 'period')}",
        "places = {",
        '    "first": series.index[0], "last": series.index[-1],',
        '    "highest": series.idxmax(), "lowest": series.idxmin(),',
        "}",
        "picked = [(name, place, series[place]) for name, place in places.items()]",
        f"result = series.reset_index(name={literal(value)})",
        "",
        *show("picked", 'pd.DataFrame(picked, columns=["which", "period", "value"])'),
        f"ends = pd.concat([result.head({_END}), result.tail({_END})])",
        *show("result", f"result if len(result) <= {_MOST_TOLD} else ends"),
        *show("size", 'pd.DataFrame({"periods": [len(result)]})'),
    ]


def _table_code(task: Task) -> list[str]:
    """Tabulate periods by groups, the largest groups first, and sum each group up."""
    assert task.group is not None
    fill = "0" if task.aggregation in {"sum", "count"} else ""
    keys = f"[period, {literal(task.group.name)}]"
    return [
        f"table = {aggregated(task, keys)}.unstack({f'fill_value={fill}' if fill else ''})",
        f"largest = table.sum().nlargest({_MOST_LINES}).index",
        "table = table[largest]",
        "result = table.reset_index()",
        "summary = pd.DataFrame({",
        f"    {literal(task.group.name)}: [str(name) for name in table.columns],",
        '    "first": table.iloc[0].to_numpy(),',
        '    "last": table.iloc[-1].to_numpy(),',
        '    "peak": [str(table[name].idxmax()) for name in table.columns],',
        '    "highest": table.max().to_numpy(),',
        "})",
        "",
        *show("result", "summary"),
        *span("table.index[0]", "table.index[-1]"),
    ]


def _one_line(task: Task, language: Language, what: str) -> list[str]:
    value = value_name(task)
    values = f"result[{literal(value)}]"
    draw = f'ax.plot(when, {values}, marker="o", markersize=3, color="#4c78a8")'
    if task.chart == "bar":
        draw = f'ax.bar(result["period"].astype(str), {values}, color="#4c78a8")'
    return [
        "fig, ax = plt.subplots(figsize=(9, 4.5))",
        *([] if task.chart == "bar" else ['when = result["period"].dt.to_timestamp()']),
        draw,
        f"if len(result) > {_MOST_LINES}:",
        "    fig.autofmt_xdate()",
        *finish(titled(what, task), y=quantity(task, language), grid="y"),
    ]


def _many_lines(task: Task, language: Language, what: str) -> list[str]:
    assert task.group is not None
    if task.chart == "bar":
        drawn = ["fig, ax = plt.subplots(figsize=(9, 4.5))", "table.plot.bar(ax=ax, width=0.8)"]
    else:
        drawn = [
            "fig, ax = plt.subplots(figsize=(9, 4.5))",
            "for name in table.columns:",
            "    ax.plot(table.index.to_timestamp(), table[name], label=str(name))",
        ]
    return [
        *drawn,
        f"ax.legend(title={literal(task.group.name)}, frameon=False)",
        "fig.autofmt_xdate()",
        *finish(titled(what, task), y=quantity(task, language), grid="y"),
    ]


def _trend_words(task: Task, found: Findings, language: Language) -> str:
    if not found["result"].rows:
        return _EMPTY[language]
    if task.group is not None:
        return _lines_words(task, found, language)
    picked = {which: (period, value) for which, period, value in found["picked"].rows}
    first, last, best, worst = (picked[k] for k in ("first", "last", "highest", "lowest"))
    change = _change(first[1], last[1])
    if change == "–" or task.aggregation not in {"sum", "count"} or task.per:
        change = f"{number(first[1])} → {number(last[1])}"
    text = _SERIES[language].format(
        what=plain(over_time(task, language)),
        first=first[0],
        last=last[0],
        best=best[0],
        high=number(best[1]),
        worst=worst[0],
        low=number(worst[1]),
        change=change,
    )
    rows = found["result"].rows
    if len(rows) < int(found["size"].first("periods")):
        rows = (*rows[:_END], ("…", "…"), *rows[_END:])
    return f"{capital(text)}\n\n{markdown(found['result'].header, rows)}"


def _lines_words(task: Task, found: Findings, language: Language) -> str:
    assert task.group is not None
    rows, span = found["result"].rows, found["span"]
    best = max(rows, key=lambda row: float(row[4] or "-inf"))
    text = capital(_LINES[language].format(
        what=plain(over_time(task, language)), first=span.first("first"), last=span.first("last"),
        best=plain(f"{best[0]}, {best[3]}"), high=number(best[4]),
    ))  # fmt: skip
    told = [
        (n, first, last, _change(first, last), peak, high) for n, first, last, peak, high in rows
    ]
    return f"{text}\n\n{markdown((task.group.name, *_HEADER[language]), told)}"


def _change(first: str, last: str) -> str:
    try:
        return signed(float(last) / float(first) - 1)
    except (ValueError, ZeroDivisionError):
        return "–"


_GREW: Phrase = {
    "en": "**{best}** grew fastest: {change} in {what} from {first} to {last} ({low} → {high}).",
    "ja": (
        "最も伸びたのは **{best}** です："
        "{what}は {first} から {last} で {change}（{low} → {high}）。"
    ),
    "zh": "成長最快的是 **{best}**：{what}從 {first} 到 {last} 變化 {change}（{low} → {high}）。",
}
_SHRANK: Phrase = {
    "en": "**{best}** grew least: {change} in {what} from {first} to {last} ({low} → {high}).",
    "ja": (
        "最も伸びなかったのは **{best}** です："
        "{what}は {first} から {last} で {change}（{low} → {high}）。"
    ),
    "zh": "成長最慢的是 **{best}**：{what}從 {first} 到 {last} 變化 {change}（{low} → {high}）。",
}
_GROWTH: Phrase = {"en": "growth of {}", "ja": "{}の成長率", "zh": "{}成長率"}


def _growth_code(task: Task, way: Way, language: Language) -> list[str]:
    if task.group is None:
        return _trend_code(task, way, language)
    assert task.date is not None
    group, draw = task.group.name, drawing(task, way)
    date = f"df[{literal(task.date.name)}]"
    what = _GROWTH[language].format(quantity(task, language))
    lines = begin(task, way, what, draw)
    lines += _periods(task, _GROWTH_PERIOD)
    lines += [
        f"table = {aggregated(task, f'[period, {literal(group)}]')}.unstack()",
        "# A period that the data cover only in part would look like a fall.",
        f"step = {date}.drop_duplicates().sort_values().diff().median()",
        f"if len(table) > 2 and {date}.max() + step < table.index[-1].end_time.floor('D'):",
        "    table = table.iloc[:-1]",
        f"if len(table) > 2 and {date}.min() - step > table.index[0].start_time:",
        "    table = table.iloc[1:]",
        "result = pd.DataFrame({",
        f"    {literal(group)}: [str(name) for name in table.columns],",
        '    "first": table.iloc[0].to_numpy(),',
        '    "last": table.iloc[-1].to_numpy(),',
        "})",
        'result["growth"] = result["last"] / result["first"].where(result["first"] > 0) - 1',
        f'result = result.sort_values("growth", ascending={task.lowest})',
        "",
        *show("result", "result.head(20)"),
        *span("table.index[0]", "table.index[-1]"),
    ]
    lines += _growth_chart(task, what) if draw else []
    return lines + save(task, way, language, ["growth", "by", group])


def _growth_chart(task: Task, what: str) -> list[str]:
    assert task.group is not None
    return [
        "shown = result.dropna().head(20)",
        "fig, ax = plt.subplots(figsize=(8, 1.2 + 0.4 * len(shown)))",
        f'ax.barh(shown[{literal(task.group.name)}], shown["growth"] * 100, color="#4c78a8")',
        "ax.invert_yaxis()",
        *finish(titled(what, task), x="%", y=task.group.name, grid="x"),
    ]


def _growth_words(task: Task, found: Findings, language: Language) -> str:
    if task.group is None:
        return _trend_words(task, found, language)
    rows = [row for row in found["result"].rows if row[3]]
    if not rows:
        return _EMPTY[language]
    name, low, high, change = rows[0]
    text = (_SHRANK if task.lowest else _GREW)[language].format(
        best=plain(name), change=signed(change), what=plain(quantity(task, language)),
        first=found["span"].first("first"), last=found["span"].first("last"),
        low=number(low), high=number(high),
    )  # fmt: skip
    header = (task.group.name, *_HEADER[language][:3])
    told = [(*row[:3], signed(row[3])) for row in rows]
    return f"{text}\n\n{markdown(header, told)}"


TREND = Recipe(_trend_code, _trend_words)
GROWTH = Recipe(_growth_code, _growth_words)
