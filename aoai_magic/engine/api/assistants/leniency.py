"""Leniency: the known mistakes of the original documentation's samples.

The service refuses them. So does the engine, but its errors say what was meant; an
engine that is configured to be lenient accepts them and warns in its log.
"""

from __future__ import annotations

import logging
import re
from typing import Any

_LOG = logging.getLogger(__name__)

_SPACED = "code interpreter"
_HINTS = (
    (re.compile(r"(.*)code interpreter$"), r"Did you mean '\1code_interpreter'?"),
    (
        re.compile(r"(.*messages\[\d+\]\.)file_ids$"),
        r"Use '\1attachments' in this API version.",
    ),
    (
        re.compile(r"^file_ids$"),
        "In this API version, use 'attachments' for messages and 'tool_resources' for "
        "assistants and threads.",
    ),
)


def hint(path: str) -> str:
    """Return the sentence that leads from an unknown parameter to the right one, or ``""``."""
    for pattern, sentence in _HINTS:
        match = pattern.match(path)
        if match:
            return match.expand(sentence)
    return ""


def repair_body(body: Any) -> Any:
    """Return a version 2 body without the known mistakes; each repaired one is logged."""
    if not isinstance(body, dict):
        return body
    repaired = dict(body)
    resources = repaired.get("tool_resources")
    if isinstance(resources, dict) and _SPACED in resources:
        _warn("tool_resources.code interpreter", "tool_resources.code_interpreter")
        repaired["tool_resources"] = {
            key.replace(_SPACED, "code_interpreter"): value for key, value in resources.items()
        }
    for key in ("messages", "additional_messages"):
        if isinstance(repaired.get(key), list):
            repaired[key] = [repair_message(message) for message in repaired[key]]
    if isinstance(repaired.get("thread"), dict):
        repaired["thread"] = repair_body(repaired["thread"])
    return repair_message(repaired)


def repair_message(body: Any) -> Any:
    """Turn a message's ``file_ids`` into attachments."""
    if not isinstance(body, dict) or "role" not in body or "file_ids" not in body:
        return body
    ids = body["file_ids"] if isinstance(body["file_ids"], list) else []
    _warn("file_ids", "attachments")
    tools = [{"type": "code_interpreter"}]
    rest = {key: value for key, value in body.items() if key != "file_ids"}
    return {**rest, "attachments": [{"file_id": id_, "tools": tools} for id_ in ids]}


def _warn(wrong: str, right: str) -> None:
    _LOG.warning("Took the parameter '%s' for '%s'.", wrong, right)
