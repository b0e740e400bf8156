"""What a recipe is: the code for a task, and the words for what the code found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aoai_magic.engine.models.offline.findings import Findings, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.script import FOLDER, described
from aoai_magic.engine.models.offline.task import Task, Way

Coder = Callable[[Task, Way, Language], list[str]]
Teller = Callable[[Task, Findings, Language], str]


@dataclass(frozen=True)
class Recipe:
    """A way to do one kind of task.

    Attributes
    ----------
    code
        Gives the lines of a program that prints its findings.
    tell
        Says in Markdown what was found.
    expects
        A title that the findings must have.
    """

    code: Coder
    tell: Teller
    expects: str = "result"


_SAVED: Phrase = {
    "en": "Saved {rows} rows to {link}.",
    "ja": "{rows} 行を {link} に保存しました。",
    "zh": "已將 {rows} 列存到 {link}。",
}
_LIMITED: Phrase = {
    "en": "(Rows with {}.)",
    "ja": "（条件：{}）",
    "zh": "（條件：{}）",
}


_OF_TWO: Phrase = {
    "en": "(**{left}** and **{right}**, joined on `{key}`.)",
    "ja": "（**{left}** と **{right}** を `{key}` で結合しました。）",
    "zh": "（已用 `{key}` 合併 **{left}** 與 **{right}**。）",
}


def ending(task: Task, found: Findings, language: Language) -> str:
    """Say which rows counted, and link the file that was saved."""
    lines = []
    if task.table and task.table.join and task.kind != "join":
        left, right = (plain(table.name) for table in task.table.sources)
        key = plain(task.table.join.on[0].name)
        lines.append(_OF_TWO[language].format(left=left, right=right, key=key))
    told = task.filters if task.kind != "fraction" else ()
    if task.kind == "share":
        # The value in view is no condition: all others are in the whole.
        told = tuple(f for f in told if not f.chooses or f.column != task.group)
    if told:
        lines.append(_LIMITED[language].format(plain(described(told))))
    if "saved" in found:
        name = found["saved"].first("file")
        link = f"[{plain(name)}](sandbox:{FOLDER}/{name})"
        lines.append(_SAVED[language].format(rows=found["saved"].first("rows"), link=link))
    return "\n\n".join(lines)
