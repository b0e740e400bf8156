"""The objects of the Responses API: responses, their items, containers and their files.

Shapes and event order are those recorded from the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.sandbox.protocol import MOUNT

OUTPUTS = "code_interpreter_call.outputs"
"""The ``include`` without which a call's outputs are not shown."""

RESULTS = "file_search_call.results"
"""The ``include`` without which a search's results are not shown."""

EXTENSIONS = "engine_extensions"
"""The ``include`` by which a client asks for the events and fields that only this engine has."""

GOING = ("queued", "in_progress")
"""Statuses of a response that needs a live engine."""

_MINUTES = 20
_ECHOED: Body = {
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}


def response(given: Mapping[str, Any], tools: list[Body], *, azure: bool) -> Body:
    """Make a response that has yet to begin, as ``given`` asks for it."""
    background = bool(given.get("background"))
    echoed = {
        key: default if given.get(key) is None else given[key] for key, default in _ECHOED.items()
    }
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": now(),
        "status": "queued" if background else "in_progress",
        "background": background,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": given["model"],
        "output": [],
        **echoed,
        "reasoning": {"effort": None, "summary": None, **(given.get("reasoning") or {})},
        "text": {"format": {"type": "text"}, "verbosity": "medium", **(given.get("text") or {})},
        "tools": list(map(_echoed, tools)),
        "usage": None,
        **({"content_filters": None} if azure else {}),
    }


def _echoed(tool: Body) -> Body:
    """Return a tool as it is shown: a function that does not say is strict, skills lack bytes."""
    container = tool.get("container")
    if isinstance(container, dict) and container.get("skills"):
        skills = [
            {key: value for key, value in skill.items() if key != "source"}
            for skill in container["skills"]
        ]
        return {**tool, "container": {**container, "skills": skills}}
    return {"strict": True, **tool} if tool["type"] == "function" else tool


def usage(prompt: int, completion: int, cached: int, reasoning: int = 0, written: int = 0) -> Body:
    """Make the usage of a response, in tokens."""
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def message() -> Body:
    """Make a message that is about to be written."""
    return {
        "id": new_id("msg_"),
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }


def output_text(text: str, annotations: list[Body]) -> Body:
    """Make the text of a message."""
    return {"type": "output_text", "annotations": annotations, "logprobs": [], "text": text}


def code_call(container_id: str) -> Body:
    """Make a call of the code interpreter whose code is about to be written."""
    return {
        "id": new_id("ci_"),
        "type": "code_interpreter_call",
        "status": "in_progress",
        "code": "",
        "container_id": container_id,
        "outputs": [],
    }


def search_call() -> Body:
    """Make a call of file search whose query is about to be written."""
    return {
        "id": new_id("fs_"),
        "type": "file_search_call",
        "status": "in_progress",
        "queries": [],
        "results": None,
    }


def function_call(name: str) -> Body:
    """Make a call of a client's function whose arguments are about to be written."""
    return {
        "id": new_id("fc_"),
        "type": "function_call",
        "status": "in_progress",
        "arguments": "",
        "call_id": new_id("call_"),
        "name": name,
    }


def reasoning() -> Body:
    """Make an item of reasoning whose summary is about to be written."""
    return {"id": new_id("rs_"), "type": "reasoning", "summary": []}


def citation(container_id: str, file: Body, start: int = 0, end: int = 0) -> Body:
    """Make the annotation that points at a file of a container.

    Pictures are cited with an empty span, since the text does not speak of them.
    """
    return {
        "type": "container_file_citation",
        "container_id": container_id,
        "file_id": file["id"],
        "filename": file["path"].removeprefix(f"{MOUNT}/"),
        "start_index": start,
        "end_index": end,
    }


def file_citation(file_id: str, filename: str, index: int) -> Body:
    """Make the annotation of a passage that a text cites at ``index``."""
    return {"type": "file_citation", "index": index, "file_id": file_id, "filename": filename}


def file_path(file_id: str, index: int = 0) -> Body:
    """Make the annotation of a file that is in no container; a picture's stands at 0."""
    return {"type": "file_path", "file_id": file_id, "index": index}


def container(name: str, **given: Any) -> Body:
    """Make a container."""
    created = now()
    return {
        "id": new_id("cntr_"),
        "object": "container",
        "created_at": created,
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": _MINUTES},
        "last_active_at": created,
        "memory_limit": None,
        "name": name,
        # There is no network in our sandbox, whatever the client allows.
        "network_policy": {"type": "disabled"},
        **{key: value for key, value in given.items() if value is not None},
    }


def container_file(
    container_id: str,
    name: str,
    size: int,
    source: str,
    id: str | None = None,  # noqa: A002
) -> Body:
    """Make a file of a container; ``source`` is ``user`` or ``assistant``."""
    return {
        "id": id or new_id("cfile_"),
        "object": "container.file",
        "created_at": now(),
        "bytes": size,
        "container_id": container_id,
        "path": f"{MOUNT}/{name}",
        "source": source,
    }


def bare(item: Body) -> Body:
    """Return an object without the keys that are the engine's own."""
    return {key: value for key, value in item.items() if not key.startswith("_")}
