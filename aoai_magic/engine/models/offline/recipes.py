"""Tasks that are always the same few lines of pandas: their code, and what it prints.

In the code, ``rows`` stands for the frame, ``a`` and ``b`` for names of columns, ``names`` for a
list of them. Each value is printed on a line of its own, in the order of ``values``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Lines of code, the expressions that are printed after them, and an expression of a table."""

    lines: str = ""
    values: tuple[tuple[str, str], ...] = ()
    table: str = ""
    imports: str = ""


_PAIRS = "pairs = {rows}[[{a}, {b}]].dropna()"
_TEST = """\
first = {rows}.loc[{rows}[{group}] == {first}, {a}].dropna()
second = {rows}.loc[{rows}[{group}] == {second}, {a}].dropna()"""
_OUTLIERS = """\
low, high = {rows}[{a}].quantile([0.25, 0.75])
margin = 1.5 * (high - low)
outside = ~{rows}[{a}].between(low - margin, high + margin)
result = {rows}[outside & {rows}[{a}].notna()]"""
_FIT = f"{_PAIRS}\nslope, intercept = np.polyfit(pairs[{{b}}], pairs[{{a}}], 1)"

RECIPES = {
    "correlation": Recipe(values=(("x", "{rows}[{b}].corr({rows}[{a}])"),)),
    "regression": Recipe(
        _FIT,
        (
            ("slope", "slope"),
            ("start", "intercept"),
            ("x", "pairs.corr().iloc[0, 1] ** 2"),
            ("n", "len(pairs)"),
        ),
        imports="import numpy as np",
    ),
    "test": Recipe(
        _TEST,
        (
            ("m", "first.mean()"),
            ("n", "len(first)"),
            ("m2", "second.mean()"),
            ("n2", "len(second)"),
            ("p", "ttest_ind(first, second, equal_var=False).pvalue"),
        ),
        imports="from scipy.stats import ttest_ind",
    ),
    "outliers": Recipe(
        _OUTLIERS,
        (("low", "low - margin"), ("high", "high + margin"), ("x", "len(result)")),
        "result.head(10)",
    ),
    "description": Recipe(table="{rows}[{a}].describe()"),
    "distribution": Recipe(table="{rows}[{a}].describe()"),
    "missing": Recipe(table="{rows}{names}.isna().sum()"),
    "missing share": Recipe(values=(("x", "{rows}[{a}].isna().mean()"),)),
    "complete": Recipe(values=(("x", "{rows}{names}.notna().all(axis=1).sum()"),)),
    "incomplete": Recipe(values=(("x", "{rows}{names}.isna().any(axis=1).sum()"),)),
    "duplicates": Recipe(values=(("x", "{rows}.duplicated({listed}).sum()"),)),
    "unmatched": Recipe(values=(("x", "(~{rows}[{left}].isin({other}[{right}])).sum()"),)),
}
"""Code by task."""
