"""Hints: what a model is told beside an error that the descriptions of the data explain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aoai_magic.engine.agent.chat_messages import Chat

_KEY = re.compile(r"KeyError: ['\"](.+)['\"]")
_ELSEWHERE = ("FileNotFoundError", "UnicodeDecodeError", "NameError")
"""How the errors begin of code that looks for the data where it is not."""

_TITLE = re.compile(r"`([^`\n]+)`: (?:\w+\.)+\w+, ")
_COLUMN = re.compile(r"^- (.+?): \S", re.MULTILINE)
_READ = re.compile(r"^Read it with .*$", re.MULTILINE)
_MOST = 40


def hint(error: str, messages: Sequence[Chat]) -> str:
    """Return what helps to repair an error, as ``Name: text``; ``""`` where nothing is known."""
    texts = [text for message in messages for text in _descriptions(message)]
    tables = {match[1]: _COLUMN.findall(text) for text in texts if (match := _TITLE.match(text))}
    key = _KEY.fullmatch(error)
    if key and tables:
        return f"[{_columns(key[1], tables)}]"
    if not error.startswith(_ELSEWHERE):
        return ""
    ready = [f"Loaded already, read no file for them: {_listed(tables)}."] if tables else []
    hints = [*ready, *(call for text in texts for call in _READ.findall(text))]
    return f"[{' '.join(hints)}]" if hints else ""


def _descriptions(message: Chat) -> list[str]:
    """Return the texts that describe the data which came with a question."""
    content = message.get("content")
    if message["role"] != "user" or not isinstance(content, list):
        return []
    return [part["text"] for part in content if part.get("type") == "text"][1:]


def _columns(name: str, tables: Mapping[str, list[str]]) -> str:
    holders = [table for table, columns in tables.items() if name in columns]
    if holders:
        return f"{name!r} is a column of {_listed(holders)}."
    columns = (f"`{table}`: {', '.join(found[:_MOST])}" for table, found in tables.items())
    return f"There is no column {name!r}. Columns of {'; of '.join(columns)}."


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
