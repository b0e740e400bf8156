"""Numbers against one another: correlations, and values that stand apart."""

from __future__ import annotations

from aoai_magic.engine.models.offline.findings import Findings, markdown, number, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
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

_MOST_NUMBERS = 12

_LEAST = 0.1
_LIMITS = ((0.7, "strong"), (0.4, "moderate"), (_LEAST, "weak"))
_STRENGTH: dict[str, Phrase] = {
    "strong": {"en": "a strong", "ja": "強い", "zh": "強烈的"},
    "moderate": {"en": "a moderate", "ja": "中程度の", "zh": "中等的"},
    "weak": {"en": "a weak", "ja": "弱い", "zh": "微弱的"},
}
_SIGN: dict[bool, Phrase] = {
    True: {"en": "positive", "ja": "正の", "zh": "正"},
    False: {"en": "negative", "ja": "負の", "zh": "負"},
}
_PAIR: Phrase = {
    "en": "**{a}** and **{b}** have {strength} {sign} correlation: r = {r} over {n} rows.",
    "ja": "**{a}** と **{b}** の相関係数は r = {r} です（{strength}{sign}相関、{n} 行）。",
    "zh": "**{a}** 與 **{b}** 的相關係數為 r = {r}（{strength}{sign}相關，{n} 列）。",
}
_NO_PAIR: Phrase = {
    "en": "**{a}** and **{b}** are practically uncorrelated: r = {r} over {n} rows.",
    "ja": "**{a}** と **{b}** にはほとんど相関がありません（r = {r}、{n} 行）。",
    "zh": "**{a}** 與 **{b}** 幾乎不相關（r = {r}，{n} 列）。",
}
_PAIRS: Phrase = {
    "en": "The strongest correlations:",
    "ja": "相関の強い組：",
    "zh": "相關性最強的組合：",
}
_WITHIN: Phrase = {
    "en": "Within each {}:",
    "ja": "{}ごとの相関係数：",
    "zh": "各{}內的相關係數：",
}
_TITLE: Phrase = {"en": "Correlations", "ja": "相関", "zh": "相關係數"}
_TOO_FEW: Phrase = {
    "en": "A correlation needs two numeric columns with values.",
    "ja": "相関には値のある数値の列が2つ必要です。",
    "zh": "計算相關需要兩個有值的數值欄位。",
}


def _names(task: Task) -> list[str]:
    """Give the columns to relate: those that were named, else all numbers."""
    assert task.table is not None
    if len(task.measures) > 1:
        return [column.name for column in task.measures][:_MOST_NUMBERS]
    others = [c.name for c in task.table.numbers if c not in task.measures]
    return [*(c.name for c in task.measures), *others][:_MOST_NUMBERS]


def _correlate_code(task: Task, way: Way, language: Language) -> list[str]:
    names, draw = _names(task), drawing(task, way)
    lines = begin(task, way, f"Correlation of {', '.join(names)}", draw)
    if draw and len(names) == 2:
        lines.insert(lines.index("import pandas as pd"), "import numpy as np")
    first = f'\npairs = pairs[pairs["a"] == {literal(names[0])}]' if len(task.measures) == 1 else ""
    lines += [
        f"numbers = df[{listed(names)}].apply(pd.to_numeric, errors='coerce')",
        "matrix = numbers.corr()",
        "pairs = pd.DataFrame(",
        "    [(a, b, matrix.loc[a, b], numbers[[a, b]].dropna().shape[0])",
        "     for i, a in enumerate(matrix) for b in list(matrix)[i + 1 :]],",
        '    columns=["a", "b", "r", "rows"],',
        f"){first}",
        'result = pairs.dropna().sort_values("r", key=abs, ascending=False)',
        "",
        *show("result", "result.head(10)"),
    ]
    if len(names) == 2 and task.group and task.group.categorical:
        lines += _by_group_code(task, names)
    if draw:
        pair = len(names) == 2 and task.chart != "heatmap"
        lines += _scatter(task, names) if pair else _heatmap(language)
    return lines + save(task, way, language, ["correlations"])


def _by_group_code(task: Task, names: list[str]) -> list[str]:
    """Work the correlation out within each group too: it may be another than over all rows."""
    assert task.group is not None
    x, y = map(literal, names)
    return [
        f"parts = numbers.groupby(df[{literal(task.group.name)}], observed=True)",
        f'groups = parts.apply(lambda part: part[{x}].corr(part[{y}])).reset_index(name="r")',
        *show("groups", "groups.head(20)"),
        "",
    ]


def _scatter(task: Task, names: list[str]) -> list[str]:
    x, y = names[:2]
    place = f"{{}}[{literal(x)}], {{}}[{literal(y)}]"
    lines = ["fig, ax = plt.subplots(figsize=(7, 5))"]
    if task.group is None or not task.group.categorical:
        points = place.format("numbers", "numbers")
        lines += [f'ax.scatter({points}, s=14, alpha=0.5, color="#4c78a8")']
    else:
        group = literal(task.group.name)
        lines += [
            f"for name, part in numbers.groupby(df[{group}], observed=True):",
            f"    ax.scatter({place.format('part', 'part')}, s=14, alpha=0.6, label=str(name))",
            f"ax.legend(title={group}, frameon=False)",
        ]
        return [*lines, *finish(titled(f"{y} vs {x}", task), x=x, y=y, grid="both")]
    lines += [
        f"x, y = numbers[{listed([x, y])}].dropna().to_numpy(float).T",
        "if len(set(x)) > 1:",
        "    slope = np.cov(x, y)[0, 1] / x.var(ddof=1)",
        "    ends = np.array([x.min(), x.max()])",
        '    ax.plot(ends, y.mean() + slope * (ends - x.mean()), color="#d62728")',
    ]
    return [*lines, *finish(titled(f"{y} vs {x}", task), x=x, y=y, grid="both")]


def _heatmap(language: Language) -> list[str]:
    return [
        "fig, ax = plt.subplots(figsize=(2.5 + 0.7 * len(matrix), 2 + 0.6 * len(matrix)))",
        'image = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)',
        "ax.set_xticks(range(len(matrix)), matrix.columns, rotation=45, ha='right')",
        "ax.set_yticks(range(len(matrix)), matrix.columns)",
        "for i in range(len(matrix)):",
        "    for j in range(len(matrix)):",
        "        r = matrix.iloc[i, j]",
        '        color = "white" if abs(r) > 0.6 else "black"',
        '        ax.text(j, i, f"{r:.2f}", ha="center", va="center", color=color)',
        "fig.colorbar(image, ax=ax, shrink=0.8)",
        *finish(_TITLE[language]),
    ]


def _correlate_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    if not grid.rows:
        return _TOO_FEW[language]
    a, b, r, rows = grid.rows[0]
    value = float(r)
    names = {"a": plain(a), "b": plain(b), "r": number(r), "n": number(rows)}
    if abs(value) < _LEAST:
        text = _NO_PAIR[language].format(**names)
    else:
        strength = next(name for limit, name in _LIMITS if abs(value) >= limit)
        words = {"strength": _STRENGTH[strength][language], "sign": _SIGN[value >= 0][language]}
        text = _PAIR[language].format(**names, **words)
    if task.group and (groups := found.get("groups")):
        within = _WITHIN[language].format(plain(task.group.name))
        return f"{text}\n\n{within}\n\n{markdown(groups.header, groups.rows)}"
    if len(grid.rows) == 1:
        return text
    return (
        f"{text}\n\n{_PAIRS[language]}\n\n{markdown(grid.header[:3], [x[:3] for x in grid.rows])}"
    )


_OUTLIERS: Phrase = {
    "en": "{total} outliers by the 1.5 × IQR rule; most in **{name}**: {count} values outside "
    "{low} … {high}.",
    "ja": "1.5 × IQR の基準で外れ値は {total} 個です。最も多いのは **{name}** で、"
    "{low}〜{high} の範囲外に {count} 個あります。",
    "zh": "依 1.5 × IQR 準則共有 {total} 個離群值；最多的是 **{name}**，"
    "有 {count} 個值在 {low} 至 {high} 之外。",
}
_NO_OUTLIERS: Phrase = {
    "en": "There are no outliers by the 1.5 × IQR rule.",
    "ja": "1.5 × IQR の基準では外れ値はありません。",
    "zh": "依 1.5 × IQR 準則沒有離群值。",
}


def _outliers_code(task: Task, way: Way, language: Language) -> list[str]:
    assert task.table is not None
    columns = task.measures or tuple(task.table.numbers)
    names, draw = [column.name for column in columns][:_MOST_NUMBERS], drawing(task, way)
    lines = begin(task, way, f"Outliers by the IQR rule: {', '.join(names)}", draw)
    lines += [
        f"numbers = df[{listed(names)}].apply(pd.to_numeric, errors='coerce')",
        "q1, q3 = numbers.quantile(0.25), numbers.quantile(0.75)",
        "low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)",
        "outside = (numbers < low) | (numbers > high)",
        "counts = pd.DataFrame({",
        '    "column": names, "outliers": outside.sum().to_numpy(),',
        '    "low": low.to_numpy(), "high": high.to_numpy(),',
        "})",
        'counts = counts.sort_values("outliers", ascending=False)',
        "result = df[outside.any(axis=1)]",
        "",
        *show("result", "counts"),
    ]
    lines.insert(lines.index("counts = pd.DataFrame({"), "names = list(numbers.columns)")
    if draw:
        lines += _boxes(task, language)
    return lines + save(task, way, language, ["outliers"])


def _boxes(task: Task, language: Language) -> list[str]:
    title: Phrase = {"en": "Outliers", "ja": "外れ値", "zh": "離群值"}
    return [
        "fig, axes = plt.subplots(1, len(names), figsize=(2 + 2 * len(names), 4.5), squeeze=False)",
        "for ax, name in zip(axes[0], names):",
        "    ax.boxplot(numbers[name].dropna())",
        "    ax.set_xticks([1], [name])",
        f"fig.suptitle({literal(titled(title[language], task))})",
        "fig.tight_layout()",
        "",
    ]


def _outliers_words(task: Task, found: Findings, language: Language) -> str:
    grid = found["result"]
    total = sum(int(row[1]) for row in grid.rows)
    if not total:
        return _NO_OUTLIERS[language]
    name, count, low, high = grid.rows[0]
    text = _OUTLIERS[language].format(
        total=number(total), name=plain(name), count=number(count), low=number(low),
        high=number(high),
    )  # fmt: skip
    return f"{text}\n\n{markdown(grid.header, grid.rows)}"


CORRELATE = Recipe(_correlate_code, _correlate_words)
OUTLIERS = Recipe(_outliers_code, _outliers_words)
