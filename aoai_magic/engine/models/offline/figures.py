"""Figures of a column: which a text asks for, and how pandas works them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aoai_magic.engine.models.offline import vocabulary
from aoai_magic.engine.models.offline.language import Language, Phrase

_JOINT = re.compile(
    r"[^\w,、，]*(?:values?|値|值|数)?\s*(?:[,、，/]|\band\b|\bor\b|と|や|及び|和|與|及|跟)+"
    r"\W*(?:and|the)?\W*"
)
_PERCENTILE = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th)?\s*(?:percentile|パーセンタイル|百分位)|百分位\D{0,3}(\d{1,2})"
    r"|第\s*(\d{1,2})\s*(?:個)?百分位|0?\.(\d{1,2})\s*quantile|quantile\D{0,4}0?\.(\d{1,2})",
    re.IGNORECASE,
)
_CODE = {
    "rate": "mean()",
    "range": "pipe(lambda values: values.max() - values.min())",
    "mode": "agg(lambda values: values.mode().get(0))",
}
_NAMES: dict[str, Phrase] = {
    "sum": {"en": "total {}", "ja": "{}の合計", "zh": "{}總和"},
    "mean": {"en": "average {}", "ja": "{}の平均", "zh": "{}平均"},
    "median": {"en": "median {}", "ja": "{}の中央値", "zh": "{}中位數"},
    "max": {"en": "highest {}", "ja": "{}の最大値", "zh": "{}最大值"},
    "min": {"en": "lowest {}", "ja": "{}の最小値", "zh": "{}最小值"},
    "std": {"en": "standard deviation of {}", "ja": "{}の標準偏差", "zh": "{}標準差"},
    "var": {"en": "variance of {}", "ja": "{}の分散", "zh": "{}變異數"},
    "range": {"en": "range of {}", "ja": "{}の範囲（最大と最小の差）", "zh": "{}全距"},
    "mode": {"en": "most frequent {}", "ja": "{}の最頻値", "zh": "{}眾數"},
    "rate": {"en": "share of rows with {}", "ja": "{}の行の割合", "zh": "{}的占比"},
    "count": {"en": "number of rows", "ja": "件数", "zh": "筆數"},
}
_PERCENTILE_OF: Phrase = {
    "en": "percentile {n} of {{}}",
    "ja": "{{}}の{n}パーセンタイル",
    "zh": "{{}}第 {n} 百分位數",
}


@dataclass(frozen=True)
class Figure:
    """A figure that a text asks for, from `start` to `end`; `sure` if its word means no more."""

    name: str
    start: int
    end: int
    sure: bool


def find_figures(text: str) -> list[Figure]:
    """Find all figures in the order of the text.

    Words such as "highest" ask for one only beside another: "the average and the highest".
    """
    kept = [f for run in _runs(text) if any(f.sure for f in run) for f in run]
    kept = [figure for figure in kept if figure.sure or len(kept) > 1]
    return [f for place, f in enumerate(kept) if f.name not in {k.name for k in kept[:place]}]


def _runs(text: str) -> list[list[Figure]]:
    """Put figures together that stand side by side, with no more than "and" between them."""
    runs: list[list[Figure]] = []
    end = -1
    for figure in sorted(_figures(text), key=lambda figure: (figure.start, not figure.sure)):
        if runs and (figure.start <= end or _JOINT.fullmatch(text[end : figure.start])):
            runs[-1].append(figure)
        else:
            runs.append([figure])
        end = max(end, figure.end)
    return runs


def _figures(text: str) -> Iterator[Figure]:
    for sure, words in ((True, vocabulary.AGGREGATIONS), (False, vocabulary.EXTREMES)):
        for name, pattern in words.items():
            for match in pattern.finditer(text):
                for figure in _meant(name, text):
                    yield Figure(figure, match.start(), match.end(), sure)


def _meant(name: str, text: str) -> list[str]:
    if name == "quartiles":
        return ["p25", "median", "p75"]
    if name == "percentile":
        digits = ["".join(groups) for groups in _PERCENTILE.findall(text)]
        return [f"p{int(d) * 10 if len(d) == 1 and '.' in text else int(d)}" for d in digits]
    return [name]


def call(name: str) -> str:
    """Write the call that works a figure out, for a column as well as for groups of one."""
    if name[:1] == "p" and name[1:].isdecimal():
        return f"quantile({int(name[1:]) / 100:g})"
    return _CODE.get(name, f"{name}()")


def phrase(name: str, language: Language) -> str:
    """Name a figure, with ``{}`` for the column."""
    if name[:1] == "p" and name[1:].isdecimal():
        return _PERCENTILE_OF[language].format(n=name[1:])
    return _NAMES[name][language]
