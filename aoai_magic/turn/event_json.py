"""Events as JSON; texts are lists of lines, as in notebooks, so that changes can be read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from aoai_magic.turn import events
from aoai_magic.turn.events import Event

_KINDS = {kind.__name__: kind for kind in get_args(Event)}
_BASE64_CHARS = 76


def written(event: Event) -> dict[str, Any]:
    """Return an event as JSON."""
    given = {one.name: getattr(event, one.name) for one in fields(event)}
    return {
        "event": type(event).__name__,
        **{name: _value(value) for name, value in given.items() if value is not None},
    }


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, str) and "\n" in value:
        return _lines(value)
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return value


def _bytes(data: bytes) -> dict[str, Any]:
    try:
        return {"text": _lines(data.decode("utf-8"))}
    except UnicodeDecodeError:
        text = base64.b64encode(data).decode("ascii")
        starts = range(0, len(text), _BASE64_CHARS)
        return {"base64": [text[start : start + _BASE64_CHARS] for start in starts]}


def _lines(text: str) -> list[str]:
    # Not splitlines(), which knows other ends of lines too.
    *whole, rest = text.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def read(line: Mapping[str, Any]) -> Event:
    """Return the event back; raise `KeyError`, `TypeError` or `ValueError` if it is none."""
    kind = _KINDS[line["event"]]
    given = {name: value for name, value in line.items() if name != "event"}
    event: Event = kind(**{name: _given(name, value) for name, value in given.items()})
    return event


def _given(name: str, value: Any) -> Any:
    if name == "usage":
        return events.Usage(**value)
    if name == "times":
        return events.Times(**value)
    if name == "passages":
        return tuple(events.Passage(**one) for one in value)
    if name == "data":
        if "text" in value:
            return "".join(value["text"]).encode("utf-8")
        return base64.b64decode("".join(value["base64"]), validate=True)
    if isinstance(value, list):
        return "".join(value)
    if not isinstance(value, str | int | float):
        raise TypeError(f"{name} is {value!r}")
    return value
