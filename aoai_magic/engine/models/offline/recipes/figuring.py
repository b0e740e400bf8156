"""Several figures of one column, side by side."""

from __future__ import annotations

from aoai_magic.engine.models.offline.figures import call, phrase
from aoai_magic.engine.models.offline.findings import Findings, markdown, number, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.schema import Column
from aoai_magic.engine.models.offline.script import (
    begin,
    drawing,
    finish,
    listed,
    literal,
    save,
    titled,
)
from aoai_magic.engine.models.offline.task import Task, Way

_MOST_SHOWN = 20
_UPRIGHT = 8
_UNLIKE = {"count", "sum", "std", "var"}
"""Figures of another scale than the values, which have no place in one chart with others."""

_OF: Phrase = {"en": "{} of {}", "ja": "{1}の{0}", "zh": "{1}的{0}"}
_BY: Phrase = {"en": "{} by {}", "ja": "{1}別の{0}", "zh": "各{1}的{0}"}
_AND: Phrase = {"en": " and ", "ja": "・", "zh": "、"}
_NONE: Phrase = {
    "en": "No rows are left for this question.",
    "ja": "この条件に合う行はありません。",
    "zh": "沒有符合條件的資料。",
}
_WHEN: dict[str, Phrase] = {
    "min": {"en": "earliest", "ja": "最も早い日時", "zh": "最早"},
    "max": {"en": "latest", "ja": "最も遅い日時", "zh": "最晚"},
}


def _column(task: Task) -> Column:
    assert task.measure is not None
    return task.measure


def _keys(task: Task) -> list[str]:
    return [column.name for column in (task.group, task.second) if column]


def _title(task: Task, language: Language) -> str:
    names = [_short(task, name, language) for name in task.aggregations]
    comma = ", " if language == "en" else "、"
    text = _OF[language].format(comma.join(names), _column(task).name)
    keys = _AND[language].join(_keys(task))
    return _BY[language].format(text, keys) if keys else text


def _figures_code(task: Task, way: Way, language: Language) -> list[str]:
    keys, values = _keys(task), f"df[{literal(_column(task).name)}]"
    draw = drawing(task, way) and bool(keys) and not _UNLIKE & set(task.aggregations)
    lines = begin(task, way, _title(task, language), draw)
    if keys:
        grouped = literal(keys[0]) if len(keys) == 1 else listed(keys)
        values = f"df.groupby({grouped}, observed=True)[{literal(_column(task).name)}]"
    left, right = ("", "") if keys else ("[", "]")
    lines += [f"values = {values}", "result = pd.DataFrame({"]
    lines += [f"    {literal(n)}: {left}values.{call(n)}{right}," for n in task.aggregations]
    lines += [
        "}).reset_index()" if keys else "})",
        "",
        *show("result", f"result.head({_MOST_SHOWN})"),
    ]
    lines += _chart(task, language) if draw else []
    return lines + save(task, way, language, ["figures", _column(task).name, *keys])


def _chart(task: Task, language: Language) -> list[str]:
    keys = _keys(task)
    turned = (task.group.distinct if task.group else 0) > _UPRIGHT or len(keys) > 1
    return [
        "fig, ax = plt.subplots(figsize=(9, 4.5))",
        f"shown = result.head({_MOST_SHOWN}).set_index({listed(keys)})",
        f"shown.plot.bar(ax=ax, width=0.8, rot={45 if turned else 0})",
        'ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))',
        *finish(
            _upper(titled(_title(task, language), task), language), y=_column(task).name, grid="y"
        ),
    ]


def _upper(text: str, language: Language) -> str:
    """Begin with a capital letter in English, where a figure's name stands first."""
    return text[:1].upper() + text[1:] if language == "en" else text


def _short(task: Task, name: str, language: Language) -> str:
    """Name a figure by itself: "average"."""
    if _column(task).temporal and name in _WHEN:
        return _WHEN[name][language]
    return phrase(name, language).format("").removesuffix(" of ").strip(" の")


def _figures_words(task: Task, found: Findings, language: Language) -> str:
    grid, keys = found["result"], _keys(task)
    if not grid.rows:
        return _NONE[language]
    names = [_short(task, name, language) for name in grid.header[len(keys) :]]
    if keys:
        colon = ":" if language == "en" else "："
        text = _upper(plain(_title(task, language), 200), language) + colon
        return f"{text}\n\n{markdown((*keys, *names), grid.rows)}"
    told = [f"{plain(n)} **{number(v)}**" for n, v in zip(names, grid.rows[0], strict=True)]
    colon, comma = (": ", ", ") if language == "en" else ("：", "、")
    return f"{plain(_column(task).name)}{colon}{comma.join(told)}"


FIGURES = Recipe(_figures_code, _figures_words)
