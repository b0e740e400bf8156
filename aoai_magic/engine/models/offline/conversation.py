"""A conversation as the offline model sees it, read from the messages alone."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aoai_magic.engine.models.offline.findings import read_findings

_LISTED = re.compile(
    r"^- (?P<name>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\") \((?P<bytes>\d+) bytes\)"
    r"(?:, also there as (?P<variable>.*))?$",
    re.MULTILINE,
)

_LONGEST_PROMPT = 2000
"""Characters of a prompt that are read; the time that the rules take grows with its square."""


@dataclass(frozen=True)
class Step:
    """One run of code and what it printed."""

    code: str
    output: str


@dataclass(frozen=True)
class Exchange:
    """A prompt, the code that was run for it, and what was answered.

    ``given`` holds the names of the data that came with the prompt.
    """

    prompt: str
    steps: tuple[Step, ...] = ()
    answer: str = ""
    given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Conversation:
    """Everything that the messages tell.

    Attributes
    ----------
    exchanges
        Oldest first; the last one is being answered.
    files
        The files that the session is said to hold, by name, with their sizes in bytes.
    variables
        The variables that files are also loaded as, by the file's name.
    bare
        Whether the session is said to hold no files.
    """

    exchanges: tuple[Exchange, ...]
    files: Mapping[str, int]
    variables: Mapping[str, str]
    bare: bool = False

    @property
    def saved(self) -> set[str]:
        """Names of the files that our own code wrote: results, not the user's data."""
        steps = (step for past in self.exchanges for step in past.steps)
        found = (read_findings(step.output).get("saved") for step in steps)
        return {grid.first("file") for grid in found if grid}


def read_conversation(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Read the messages of a request."""
    system = "\n".join(_text(m) for m in messages if m["role"] in {"system", "developer"})
    files, variables = {}, {}
    for match in _LISTED.finditer(system):
        name = str(ast.literal_eval(match["name"]))
        files[name] = int(match["bytes"])
        if variable := _variable(match["variable"] or "", name):
            variables[name] = variable
    bare = not files and "There are no files in" in system
    return Conversation(tuple(_exchanges(messages)), files, variables, bare)


def _variable(text: str, file: str) -> str:
    """Find the variable's name in how a listing puts it: "the variable `sales` (…)"."""
    quoted = re.search(r"[`'\"]([A-Za-z_]\w*)[`'\"]", text)
    words = [quoted[1]] if quoted else re.findall(r"[^\W\d]\w*", text)
    stem = file.rpartition(".")[0]
    return next((w for w in [stem, *words] if w in words and w.isidentifier()), "")


def _exchanges(messages: Sequence[Mapping[str, Any]]) -> Iterator[Exchange]:
    outputs = {m["tool_call_id"]: _text(m) for m in messages if m["role"] == "tool"}
    asked: list[Mapping[str, Any]] = []
    steps: list[Step] = []
    answers: list[str] = []
    for message in messages:
        if message["role"] == "user":
            if steps or answers:
                yield _exchange(asked, steps, answers)
                asked, steps, answers = [], [], []
            asked.append(message)
        elif message["role"] == "assistant":
            answers += [_text(message)] if _text(message) else []
            steps += _steps(message, outputs)
    yield _exchange(asked, steps, answers)


def _exchange(
    asked: Sequence[Mapping[str, Any]], steps: Sequence[Step], answers: Sequence[str]
) -> Exchange:
    given = frozenset(name for message in asked for name in _given(message))
    return Exchange("\n".join(map(_prompt, asked)), tuple(steps), "\n".join(answers), given)


def _steps(message: Mapping[str, Any], outputs: Mapping[str, str]) -> Iterator[Step]:
    for call in message.get("tool_calls") or ():
        try:
            code = str(json.loads(call["function"]["arguments"])["code"])
        except (ValueError, KeyError, TypeError):
            continue
        yield Step(code, outputs.get(call["id"], ""))


def _prompt(message: Mapping[str, Any]) -> str:
    """Give what was typed: the first text part; later ones describe attached data."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = next((part["text"] for part in content if part.get("type") == "text"), "")
    return content[:_LONGEST_PROMPT]


def _given(message: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of attached data, with which the texts that describe them begin."""
    content = message.get("content") or ""
    parts = [] if isinstance(content, str) else content
    for part in [part for part in parts if part.get("type") == "text"][1:]:
        if found := re.match(r"`([^`\n]+)`", part["text"]):
            yield found[1]


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")
