"""Code in fences: how a model that can call no tools runs Python all the same.

The model is told to write one ```` ```python ```` block; the block becomes a call of the
python tool and its output goes back as a user message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aoai_magic.engine.models.base import (
    FAILED,
    HOW_TO_CALL,
    PYTHON_TOOL,
    Reasoning,
    Text,
    ToolCall,
)
from aoai_magic.engine.models.remote.tool_call_deltas import fresh_id

INSTRUCTIONS = (
    "You have a Python session. To run code in it, write one block that begins with ```python "
    "and print what you need, then stop: you are given the output next. Never guess an output. "
    "When you have what you need, answer in words without a ```python block."
)
NO_CODE = "You had a Python session, whose outputs you were given. No more code can be run."
FIRST = (
    "To find out “{question}”, write one ```python block now that computes it from the variables "
    "and files above; answer when you have its output."
)
"""The end of a first question, which small models answer at once otherwise."""

FURTHER = (
    "If “{question}” is to be computed from the data, write one ```python block now; answer when "
    "you have its output."
)
"""The end of a further question."""

THEN = (
    "Answer “{question}” in words, with the values of this output; if they do not answer it, write "
    "another ```python block."
)
"""What follows an output: small models state other values than they have just computed."""

LAST = "Answer “{question}” in words now, with the values of this output; run no more code."
"""What follows an output when no more code may run."""

_OPEN = re.compile(r"\s{0,3}```+[ \t]*(python3?|py|tool_code)[ \t]*\r?\n?", re.IGNORECASE)
_UNDECIDED = re.compile(r"\s{0,3}(`{0,2}|```+[ \t]*\w{0,9}[ \t]*\r?)")
"""An unfinished line that may still become a fence."""
_EXAMPLE = re.compile(
    r"\byour[_-]?\w*\.\w+|\bpath[/_]to\b|/path/|\b(?:example|filename)\.\w+", re.IGNORECASE
)
"""Code that names what only a reader can fill in."""
_NOTHING = ("", "(no output)")
_CLOSE = re.compile(r"\s{0,3}```+[ \t]*\r?\n?")


def with_fences(messages: Sequence[Mapping[str, Any]], instructions: str) -> list[dict[str, Any]]:
    """Rewrite a history with tool calls into one of plain texts with alternating roles."""
    plain: list[dict[str, Any]] = [{"role": "system", "content": instructions}]
    for message in messages:
        role, content = _plain(message)
        # Chat templates of small models refuse two messages of one role in a row.
        last = plain[-1]
        if last["role"] == role and isinstance(last["content"], str) and isinstance(content, str):
            last["content"] += "\n\n" + content
        else:
            plain.append({"role": role, "content": content})
    return plain


def _plain(message: Mapping[str, Any]) -> tuple[str, Any]:
    role, content = message["role"], message.get("content") or ""
    if role == "tool":
        output, failed, _ = content.partition(FAILED)
        hint = f"\n{failed}" if failed else ""
        hint = "\nPrint what you need to see." if output.strip() in _NOTHING else hint
        return "user", f"Output of the code:\n```\n{output.rstrip()}\n```{hint}"
    if role == "assistant" and isinstance(content, str):
        blocks = [f"```python\n{_code(call)}\n```" for call in message.get("tool_calls") or ()]
        return role, "\n\n".join(filter(None, [content.strip(), *blocks]))
    if role in ("system", "developer"):
        return "system", str(content).replace(HOW_TO_CALL, "").lstrip()
    return role, content


def _code(call: Mapping[str, Any]) -> str:
    arguments = call["function"]["arguments"]
    try:
        return str(json.loads(arguments)["code"]).strip()
    except (ValueError, KeyError, TypeError):
        return str(arguments)


class FenceReader:
    """Turns streamed text into text and at most one call.

    An ``eager`` reader is for a model that was told of this protocol: its first python block
    is the call, and what follows is its guess at the output, which is not waited for. Else the
    text from the first block on is held back until it is known what it is: all of its python
    blocks are the call, its words are thoughts; where the code is an example, all stays text.
    """

    def __init__(self, *, eager: bool) -> None:
        self._eager = eager
        self._held = ""
        self._kept: list[str] = []
        self._at_line_start = True
        self._inside = False
        self._called = False
        self.done = False

    @property
    def called(self) -> bool:
        """Whether a block has become a call."""
        return self._called

    def feed(self, text: str) -> Iterator[Text | ToolCall]:
        """Yield what can be told from the text so far."""
        lines = (self._held + text).splitlines(keepends=True)
        self._held = ""
        at_line_start = self._at_line_start or len(lines) > 1
        if lines and at_line_start and _UNDECIDED.fullmatch(lines[-1]):
            self._held = lines.pop()
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what was held back; close a block that the model left open."""
        if self._held:
            yield from self._line(self._held)
        if self._kept:
            yield from self._decided("".join(self._kept))
        elif self._inside:
            yield self._close()

    def _line(self, line: str) -> Iterator[Text | ToolCall]:
        fresh, self._at_line_start = self._at_line_start, line.endswith("\n")
        if self.done:
            return
        if self._kept or (not self._eager and fresh and _OPEN.fullmatch(line)):
            self._kept.append(line)
        elif self._inside and fresh and _CLOSE.fullmatch(line):
            yield self._close()
        elif self._inside:
            yield ToolCall(0, arguments=json.dumps(line, ensure_ascii=False)[1:-1])
        elif fresh and _OPEN.fullmatch(line):
            self._inside = self._called = True
            yield ToolCall(0, id=fresh_id(), name=PYTHON_TOOL, arguments='{"code": "')
        else:
            yield Text(line)

    def _decided(self, text: str) -> Iterator[Text | Reasoning | ToolCall]:
        blocks, words = _blocks(text)
        code = "\n".join(blocks)
        if not code.strip() or _EXAMPLE.search(code):
            yield Text(text)
            return
        self._called = True
        if words.strip():
            yield Reasoning(f"{words.strip()}\n\n")
        arguments = json.dumps({"code": code}, ensure_ascii=False)
        yield ToolCall(0, id=fresh_id(), name=PYTHON_TOOL, arguments=arguments)

    def _close(self) -> ToolCall:
        self._inside, self.done = False, True
        return ToolCall(0, arguments='"}')


def _blocks(text: str) -> tuple[list[str], str]:
    """Remove the Python blocks from a text; return them and the rest."""
    blocks: list[str] = []
    words: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if inside and _CLOSE.fullmatch(line):
            inside = False
        elif inside:
            blocks[-1] += line
        elif _OPEN.fullmatch(line):
            inside = True
            blocks.append("")
        else:
            words.append(line)
    return blocks, "".join(words)
