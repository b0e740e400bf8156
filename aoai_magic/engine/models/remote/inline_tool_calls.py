"""Calls and thoughts that a server leaves in the text, where they are to be read out of it.

Models write a call as they were taught, and the server is to make a tool call of it. One
that does not know the model's form hands it on as text: ``<tool_call>{…}</tool_call>``
(Hermes, Qwen), ``[TOOL_CALLS][{…}]`` (Mistral), ``<|python_tag|>…`` and bare JSON (Llama).
Thoughts between ``<think>`` and ``</think>`` are handed on like that too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aoai_magic.engine.models.base import PYTHON_TOOL, Reasoning, Text, ToolCall
from aoai_magic.engine.models.remote.tool_call_deltas import fresh_id

_THINK, _THOUGHT = "<think>", "</think>"
_STARTS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<function=")
_LONGEST = max(map(len, (*_STARTS, _THINK, _THOUGHT)))
_FUNCTION = re.compile(r"<function=(\w+)>(.*?)(?:</function>|$)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?(?:</parameter>|$)", re.DOTALL)
_BLOCK = re.compile(r"</?tool_call>|\[/?TOOL_CALLS\]|<\|\w+\|>")


class SpokenReader:
    """Turns streamed text into text, thoughts and calls of the tools that are offered."""

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = tools
        self._held = ""
        self._state = "start"
        self._thought = False
        self.called = False

    def feed(self, text: str) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what can be told from the text so far."""
        self._held += text
        self._begin()
        if self._state == "thinking":
            yield from self._think()
            self._begin()
        if self._state == "text":
            yield from self._write()

    def _begin(self) -> None:
        start = self._held.lstrip()
        if self._state != "start" or not start or _THINK.startswith(start):
            return
        if self._thought:
            self._held = start
        if start.startswith(_THINK):
            self._state, self._held = "thinking", start[len(_THINK) :].lstrip("\n")
        elif start == "[" and self._tools:
            return
        elif start.startswith(("{", "[{", *_STARTS)) and self._tools:
            self._state = "call"  # bare JSON, or not: that shows in the end
        else:
            self._state = "text"

    def _think(self) -> Iterator[Reasoning]:
        thought, end, rest = self._held.partition(_THOUGHT)
        if end:
            self._state, self._held, self._thought = "start", rest, True
        else:
            keep = _undecided(thought, (_THOUGHT,))
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            yield Reasoning(thought)

    def _write(self) -> Iterator[Text]:
        places = [place for start in _STARTS if (place := self._held.find(start)) >= 0]
        if places and self._tools:
            text, self._held = self._held[: min(places)], self._held[min(places) :]
            self._state = "call"
        else:
            keep = _undecided(self._held, _STARTS) if self._tools else 0
            cut = len(self._held) - keep
            text, self._held = self._held[:cut], self._held[cut:]
        if text:
            yield Text(text)

    def end(self) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what was held back."""
        yield from self.feed("")
        if self._state == "thinking":
            yield Reasoning(self._held)
            return
        calls = list(self._spoken(self._held)) if self._state == "call" else []
        if not calls:
            yield from [Text(self._held)] if self._held else []
            return
        self.called = True
        for index, (name, arguments) in enumerate(calls):
            yield ToolCall(index, id=fresh_id(), name=name, arguments=arguments)

    def _spoken(self, text: str) -> Iterator[tuple[str, str]]:
        """Find the calls in a text; nothing unless all of them are of tools that are offered."""
        found = [
            (name, json.dumps(dict(_PARAMETER.findall(body)), ensure_ascii=False))
            for name, body in _FUNCTION.findall(text)
        ]
        found = found or [_call(value) for value in _values(_BLOCK.sub("\n", text))]
        python = PYTHON_TOOL in self._tools and text.startswith("<|python_tag|>")
        if python and not any(name in self._tools for name, _ in found):
            code = _BLOCK.sub("", text).strip()
            found = [(PYTHON_TOOL, json.dumps({"code": code}, ensure_ascii=False))]
        if found and all(name in self._tools for name, _ in found):
            yield from found


def _undecided(text: str, marks: Collection[str]) -> int:
    """Count the characters at the end that may be the beginning of a mark."""
    for length in range(min(_LONGEST, len(text)), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in marks):
            return length
    return 0


def _values(text: str) -> Iterator[Any]:
    """Read the JSON values that stand one after the other; nothing where that is not all."""
    decoder, place, values = json.JSONDecoder(strict=False), 0, []
    text = text.strip()
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            return
        values += value if isinstance(value, list) else [value]
        while place < len(text) and text[place] in " \n\r\t;,":
            place += 1
    yield from values


def _call(value: Any) -> tuple[str, str]:
    if not isinstance(value, Mapping):
        return "", ""
    inner = value.get("function")
    value = inner if isinstance(inner, Mapping) else value
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        return str(value.get("name", "")), arguments
    if not isinstance(arguments, Mapping):
        return "", ""
    return str(value.get("name", "")), json.dumps(arguments, ensure_ascii=False)
