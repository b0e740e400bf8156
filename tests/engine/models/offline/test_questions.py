"""Unseen everyday questions: a wrong answer fails, refusals of answerable ones are bounded."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import pytest
from offline_notebook import Notebook, bold, is_refusal, lines_of, number, percent, table
from questions import REFUSE, make_tables, read_questions

TABLES = make_tables()
WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "ja": "月曜 火曜 水曜 木曜 金曜 土曜 日曜",
    "zh": "星期一 星期二 星期三 星期四 星期五 星期六 星期日",
}


class Share:
    """A fraction, or fractions, that are answered in per cent."""

    def __init__(self, value) -> None:
        self.value = value


class Rows:
    """Rows that are listed."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame


def by_period(frame, column, unit, measure):
    return frame.groupby(frame[column].dt.to_period(unit))[measure].sum()


def by_weekday(language: str) -> Callable[..., pd.Series]:
    def group(frame, column, measure):
        means = frame.groupby(frame[column].dt.weekday)[measure].mean()
        return means.set_axis([WEEKDAYS[language].split()[day] for day in means.index])

    return group


def expected(answer: str, language: str):
    """Work an answer out with pandas alone."""
    names = {
        **TABLES,
        "pct": Share,
        "rows": Rows,
        "by_period": by_period,
        "by_period_count": lambda frame, column, unit: frame.groupby(
            frame[column].dt.to_period(unit)
        ).size(),
        "best_period": lambda *args: str(by_period(*args).idxmax()),
        "by_weekday": by_weekday(language),
    }
    return eval(answer, names)


def is_right(text: str, value: object) -> bool:
    """Whether an answer says the value, and its table nothing else."""
    write = number
    if isinstance(value, Share):
        value, write = value.value, percent
    if isinstance(value, str):
        return bold(text)[0] == value
    if isinstance(value, Rows):
        count = len(value.frame)
        listed = len([line for line in text.split("\n") if line.startswith("|")]) - 2
        says = re.search(rf"\*\*{count}\*\*", text.split("\n")[0])
        return "No rows" in text if not count else bool(says) or listed == count
    if isinstance(value, pd.Series):
        keys = [key if isinstance(key, tuple) else (key,) for key in value.index]
        wanted = {tuple(map(str, k)): write(v) for k, v in zip(keys, value, strict=True)}
        shown = {key: cell for key, cell in table(text).items() if key != ("–",)}
        return shown.items() <= wanted.items() and len(shown) == min(len(wanted), 20)
    return write(value) in bold(text)


@pytest.mark.parametrize(
    ("name", "language", "most_refused"),
    [("english", "en", 4), ("japanese", "ja", 1), ("chinese", "zh", 1), ("fresh", "en", 12)],
)
def test_answers_are_right_or_refused(tmp_path, name, language, most_refused):
    wrong, refused = [], []
    for place, (names, question, answer) in enumerate(read_questions(name)):
        folder = tmp_path / str(place)
        folder.mkdir()
        notebook = Notebook(folder, **{one: TABLES[one] for one in names})
        text = notebook.ask(question)
        if is_refusal(text):
            refused += [question] if answer != REFUSE else []
            assert not notebook.codes or "Traceback" in str(notebook.messages)
        elif answer == REFUSE or not is_right(text, expected(answer, language)):
            wrong.append((question, text))
        assert all(len(lines_of(code)) <= 15 for code in notebook.codes)
        assert len(notebook.codes) <= 1
    assert wrong == []
    assert len(refused) <= most_refused, refused
