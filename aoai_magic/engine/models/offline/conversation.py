"""A conversation as the offline model sees it, read from the messages alone."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aoai_magic.engine.models.offline.schema import Table, read_card
from aoai_magic.shared.value_file import VALUE_FILE

_LISTED = re.compile(
    r"^- (?:(?P<name>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\") \(\d+ bytes\)"
    r"|`(?P<variable>\w+)` \((?P<kind>[\w.]+), \d.*)$",
    re.MULTILINE,
)
_LOADER = re.compile(
    r"variable `(\w+)` with its types, run (exec\(open\('[^'\n]+'\)\.read\(\)\)) once"
)
_CALL = re.compile(r'^Read it with (pd\.read_\w+\("/mnt/data/([^"\n]+)".*\))\.$', re.MULTILINE)
_LONGEST_PROMPT = 2000

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One run of code and what it printed."""

    code: str
    output: str


@dataclass(frozen=True)
class Exchange:
    """A prompt, the code that was run for it, what was answered, and the tables that came along."""

    prompt: str
    steps: tuple[Step, ...] = ()
    answer: str = ""
    tables: tuple[Table, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    """Names of files that came along, and the calls that read them."""


@dataclass(frozen=True)
class Conversation:
    """All that the messages say: exchanges, oldest first, and names of the session's files."""

    exchanges: tuple[Exchange, ...]
    files: tuple[str, ...]

    @property
    def now(self) -> Exchange:
        """The exchange that is being answered."""
        return self.exchanges[-1]


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """Read the messages of a request."""
    system = [text for m in messages if m["role"] in {"system", "developer"} for text in _parts(m)]
    listed = list(_LISTED.finditer("\n".join(system)))
    names = (str(ast.literal_eval(match["name"])) for match in listed if match["name"])
    files = tuple(name for name in names if not VALUE_FILE.fullmatch(name))
    kinds = {match["variable"]: match["kind"] for match in listed if match["variable"]}
    turns: list[list[Message]] = [[]]
    for message in messages:
        answered = any(one["role"] == "assistant" for one in turns[-1])
        if message["role"] == "user" and answered:
            turns.append([])
        turns[-1].append(message)
    return Conversation(tuple(_exchange(turn, kinds) for turn in turns), files)


def _exchange(messages: Sequence[Message], kinds: Mapping[str, str]) -> Exchange:
    asked = [message for message in messages if message["role"] == "user"]
    outputs = {m["tool_call_id"]: "\n".join(_parts(m)) for m in messages if m["role"] == "tool"}
    replies = [message for message in messages if message["role"] == "assistant"]
    return Exchange(
        "\n".join("".join(_parts(message)[:1])[:_LONGEST_PROMPT] for message in asked),
        tuple(step for message in replies for step in _steps(message, outputs)),
        "\n".join(text for message in replies for text in _parts(message)),
        tuple({t.name: t for message in asked for t in _tables(message, kinds)}.values()),
        tuple(call for message in asked for call in _calls(message)),
    )


def _steps(message: Message, outputs: Mapping[str, str]) -> Iterator[Step]:
    for call in message.get("tool_calls") or ():
        try:
            code = str(json.loads(call["function"]["arguments"])["code"])
        except (ValueError, KeyError, TypeError):
            continue
        yield Step(code, outputs.get(call["id"], ""))


def _tables(message: Message, kinds: Mapping[str, str]) -> Iterator[Table]:
    """Read the cards of a message; a frame is in the session, or a line of code loads it."""
    texts = _parts(message)[1:]
    loaders = dict(_LOADER.findall("\n".join(texts)))
    for table in filter(None, map(read_card, texts)):
        if table.name in kinds:
            yield replace(table, kind=kinds[table.name])
        elif table.name in loaders:
            yield replace(table, setup=loaders[table.name])


def _calls(message: Message) -> Iterator[tuple[str, str]]:
    """Yield the calls that cards of files give; what is more than a call is left out."""
    for call, file in _CALL.findall("\n".join(_parts(message)[1:])):
        try:
            found = ast.parse(call, mode="eval").body
            assert isinstance(found, ast.Call)
            for value in (*found.args, *(keyword.value for keyword in found.keywords)):
                ast.literal_eval(value)
        except (SyntaxError, ValueError, AssertionError):
            continue
        yield file, call


def _parts(message: Message) -> list[str]:
    content = message.get("content") or ""
    if isinstance(content, str):
        return [content]
    return [str(part["text"]) for part in content if part.get("type") == "text"]
