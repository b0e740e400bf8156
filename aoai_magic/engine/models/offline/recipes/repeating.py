"""What comes again: values by the month, quarter or day of the week, or the hour of the day."""

from __future__ import annotations

from aoai_magic.engine.models.offline.findings import Findings, markdown, number, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.script import (
    aggregated,
    begin,
    capital,
    drawing,
    finish,
    listed,
    literal,
    quantity,
    save,
    titled,
    value_name,
)
from aoai_magic.engine.models.offline.task import Task, Way

_PARTS = {
    "month": "dt.month",
    "quarter": "dt.quarter",
    "weekday": "dt.day_of_week + 1",
    "weekend": "dt.day_of_week // 5 + 1",
    "hour": "dt.hour",
}
_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_NAMES: dict[str, dict[Language, list[str]]] = {
    "month": {
        "en": _MONTHS.split(),
        "ja": [f"{n}月" for n in range(1, 13)],
        "zh": [f"{n}月" for n in range(1, 13)],
    },
    "weekday": {
        "en": _DAYS.split(),
        "ja": [f"{day}曜日" for day in "月火水木金土日"],
        "zh": [f"星期{day}" for day in "一二三四五六日"],
    },
    "weekend": {
        "en": ["Monday to Friday", "Saturday and Sunday"],
        "ja": ["平日（月〜金）", "週末（土日）"],
        "zh": ["週一至週五", "週末"],
    },
    "quarter": {
        "en": [f"Q{n}" for n in range(1, 5)],
        "ja": [f"第{n}四半期" for n in range(1, 5)],
        "zh": [f"第 {n} 季" for n in range(1, 5)],
    },
}
_BY: dict[str, Phrase] = {
    "month": {"en": "{} by month of the year", "ja": "1〜12月別の{}", "zh": "1 至 12 月的{}"},
    "quarter": {"en": "{} by quarter of the year", "ja": "第1〜4四半期別の{}", "zh": "各季的{}"},
    "weekday": {"en": "{} by day of the week", "ja": "曜日別の{}", "zh": "一週各天的{}"},
    "weekend": {"en": "{}, weekdays and weekends", "ja": "平日と週末の{}", "zh": "平日與週末的{}"},
    "hour": {"en": "{} by hour of the day", "ja": "時間帯別の{}", "zh": "一天各小時的{}"},
}  # fmt: skip
_TOLD: Phrase = {
    "en": "{what}: highest in **{best}** ({high}), lowest in **{worst}** ({low}).",
    "ja": "{what}：最も大きいのは **{best}**（{high}）、最も小さいのは **{worst}**（{low}）です。",
    "zh": "{what}：最高的是 **{best}**（{high}），最低的是 **{worst}**（{low}）。",
}
_ONE: Phrase = {
    "en": "{what}: there is only **{best}** in the data ({high}).",
    "ja": "{what}：データには **{best}** しかありません（{high}）。",
    "zh": "{what}：資料中只有 **{best}**（{high}）。",
}
_GROUPS: Phrase = {
    "en": "{what}, for each {group}:",
    "ja": "{group}ごとの{what}：",
    "zh": "{what}（依{group}）：",
}
_EMPTY: Phrase = {
    "en": "No dated rows are left for this question.",
    "ja": "日付のある該当行がありません。",
    "zh": "沒有符合條件且有日期的資料。",
}
_MOST_GROUPS = 6


def _what(task: Task, language: Language) -> str:
    return _BY[task.cycle][language].format(quantity(task, language))


def _season_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.date is not None
    cycle, draw, value = task.cycle, drawing(task, way), value_name(task)
    date = literal(task.date.name)
    lines = begin(task, way, _what(task, language), draw)
    lines += [
        f"df = df.dropna(subset=[{date}])",
        f'part = (df[{date}].{_PARTS[cycle]}).rename("{cycle}")',
    ]
    if task.group is None:
        lines += [f"result = {aggregated(task, 'part')}.reset_index(name={literal(value)})"]
    else:
        keys = f"[part, {literal(task.group.name)}]"
        lines += [
            f"table = {aggregated(task, keys)}.unstack()",
            f"table = table[table.sum().nlargest({_MOST_GROUPS}).index]",
            "table.columns = [str(name) for name in table.columns]",
            "result = table.reset_index()",
        ]
    if cycle in _NAMES:
        lines += [
            f"names = {listed(_NAMES[cycle][language])}",
            f'result["{cycle}"] = [names[place - 1] for place in result["{cycle}"]]',
        ]
    lines += ["", *show("result", "result")]
    lines += _chart(task, language) if draw else []
    return lines + save(task, way, language, [value, "by", cycle])


def _chart(task: Task, language: Language) -> list[str]:
    kind = "line" if task.chart == "line" or task.group else "bar"
    names = f'result["{task.cycle}"].astype(str)'
    lines = ["fig, ax = plt.subplots(figsize=(9, 4.5))"]
    if task.group is None:
        drawn = f"ax.{'plot' if kind == 'line' else 'bar'}"
        lines += [f'{drawn}({names}, result[{literal(value_name(task))}], color="#4c78a8")']
    else:
        lines += [
            "for name in table.columns:",
            f'    ax.plot({names}, result[name], marker="o", markersize=3, label=name)',
            f"ax.legend(title={literal(task.group.name)}, frameon=False)",
        ]
    if task.cycle == "month" and language == "en":
        lines += ["fig.autofmt_xdate()"]
    title = titled(_what(task, language), task)
    return [*lines, *finish(title, y=quantity(task, language), grid="y")]


def _season_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    if not grid.rows:
        return _EMPTY[language]
    what = plain(_what(task, language))
    if task.group is not None:
        text = _GROUPS[language].format(what=capital(what), group=plain(task.group.name))
        return f"{text}\n\n{markdown(grid.header, grid.rows)}"
    rows = sorted((row for row in grid.rows if row[1]), key=lambda row: float(row[1]))
    if not rows:
        return _EMPTY[language]
    template = _TOLD if len(rows) > 1 else _ONE
    text = template[language].format(
        what=capital(what), best=rows[-1][0], high=number(rows[-1][1]), worst=rows[0][0],
        low=number(rows[0][1]),
    )  # fmt: skip
    return f"{text}\n\n{markdown(grid.header, grid.rows)}"


SEASON = Recipe(_season_code, _season_words)
