"""Calls and thoughts that a server leaves in the text, where they are to be read out of it.

Models write a call as they were taught, and the server is to make a tool call of it. One
that does not know the model's form hands it on as text: ``<tool_call>{…}</tool_call>``
(Hermes, Qwen), ``[TOOL_CALLS][{…}]`` (Mistral), ``<|python_tag|>…`` and bare JSON (Llama),
JSON in a fence or in the middle of a sentence (small models), and what is nearly JSON.
Thoughts between ``<think>`` and ``</think>`` are handed on like that too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aoai_magic.engine.models.base import PYTHON_TOOL, Reasoning, Text, ToolCall
from aoai_magic.engine.models.remote.loose_calls import loose_call
from aoai_magic.engine.models.remote.tool_call_deltas import fresh_id

_THINK, _THOUGHT = "<think>", "</think>"
_FENCES = ("```json", "```tool_call", "```tool_code\n{")
_TAGS = (
    "<tool_call>",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<function=",
    "<function_call>",
    "<tools>",
)
_STARTS = (
    *_TAGS,
    '{"name"',
    '{ "name"',
    '{\n  "name"',
    *_FENCES,
)
_LONGEST = max(map(len, (*_STARTS, _THINK, _THOUGHT)))
_FUNCTION = re.compile(r"<function=(\w+)>(.*?)(?:</function>|$)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?(?:</parameter>|$)", re.DOTALL)
_BLOCK = re.compile(r"</?(?:tool_call|function_call|tools)>|\[/?TOOL_CALLS\]|<\|\w+\|>")
_FENCE = re.compile(r"```\w*\s*\n(.*?)(?:\n[ \t]*```([^`]*))?\Z", re.DOTALL)
_IN_CALL = re.compile(r"[\"'](?:name|function|tool)[\"']\s*:\s*[\"'](\w+)[\"']")
_DECIDED = 120
"""Characters after which a block of JSON would have named its tool."""


class SpokenReader:
    """Turns streamed text into text, thoughts and calls of the tools that are offered."""

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = tools
        self._held = ""
        self._state = "start"
        self._thought = False
        self.called = False
        self.tagged = False

    def feed(self, text: str) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what can be told from the text so far."""
        self._held += text
        self._begin()
        if self._state == "thinking":
            yield from self._think()
            self._begin()
        if self._state == "text":
            yield from self._write()
        if self._state == "fence":
            yield from self._read_fence()

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
        elif start.startswith(("{", "[{", *_STARTS)) and not start.startswith(_FENCES):
            # Bare JSON, or not: that shows in the end.
            self._state = "call" if self._tools else "text"
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
            self._state = "fence" if self._held.startswith(_FENCES) else "call"
        else:
            keep = _undecided(self._held, _STARTS) if self._tools else 0
            cut = len(self._held) - keep
            text, self._held = self._held[:cut], self._held[cut:]
        if text:
            yield Text(text)

    def _read_fence(self) -> Iterator[Text]:
        """Decide whether a block of JSON is a call, as soon as that can be told."""
        body = self._held[3:]
        named = _IN_CALL.search(body)
        if named and named[1] in self._tools:
            self._state = "call"
        elif named or "```" in body or len(body) > _DECIDED:
            text, self._held = self._held[:3], body
            self._state = "text"
            yield Text(text)
            yield from self._write()

    def end(self) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what was held back."""
        yield from self.feed("")
        if self._state == "thinking":
            yield Reasoning(self._held)
            return
        spoken, words = _without_fence(self._held)
        calls = list(self._spoken(spoken)) if self._state == "call" else []
        if not calls:
            yield from [Text(self._held)] if self._held else []
            return
        self.called = True
        self.tagged = self._held.startswith(_TAGS)
        if words:
            yield Reasoning(f"{words}\n\n")  # said of an output that it had not seen
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
        if not (found and all(name in self._tools for name, _ in found)):
            loose = loose_call(_BLOCK.sub("\n", text), self._tools)
            found = [loose] if loose else []
        yield from found


def _without_fence(text: str) -> tuple[str, str]:
    """Remove a call from its fence; return it and what was said after it."""
    fenced = _FENCE.match(text)
    return (fenced[1], (fenced[2] or "").strip()) if fenced else (text, "")


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
