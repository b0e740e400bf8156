"""The API's objects as they are stored: version 2, every key present.

Shapes are those recorded from the service; where its description differs, the wire won.
"""

from __future__ import annotations

from typing import Any

from aoai_magic.engine.storage.ids import new_id, now

Body = dict[str, Any]

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
"""Statuses of a run that locks its thread."""

EXECUTING = ("queued", "in_progress", "cancelling")
"""Statuses of a run that needs a live engine."""


def file(id: str, purpose: str, filename: str, size: int, expires_at: int | None = None) -> Body:  # noqa: A002
    """Make a file object; ``expires_at`` is null where the file stays."""
    return {
        "object": "file",
        "id": id,
        "purpose": purpose,
        "filename": filename,
        "bytes": size,
        "created_at": now(),
        "status": "processed",
        "status_details": None,
        "expires_at": expires_at,
    }


def assistant(**given: Any) -> Body:
    """Make an assistant."""
    tools = given.get("tools") or []
    return {
        "id": new_id("asst_"),
        "object": "assistant",
        "created_at": now(),
        "name": None,
        "description": None,
        "model": None,
        "instructions": None,
        "tools": [],
        "top_p": 1.0,
        "temperature": 1.0,
        "reasoning_effort": None,
        "response_format": "auto",
        "metadata": {},
        **given,
        "tool_resources": tool_resources(given.get("tool_resources"), tools),
    }


def tool_resources(given: Body | None, tools: list[Body]) -> Body:
    """Fill up the resources: a tool that is on has an entry, if an empty one."""
    resources = {key: value for key, value in (given or {}).items() if value is not None}
    empty: Body = {
        "code_interpreter": {"file_ids": []},
        "file_search": {"vector_store_ids": []},
    }
    on = {tool["type"] for tool in tools}
    return {**{key: value for key, value in empty.items() if key in on}, **resources}


def thread(metadata: Body | None, resources: Body | None) -> Body:
    """Make a thread."""
    return {
        "id": new_id("thread_"),
        "object": "thread",
        "created_at": now(),
        "metadata": metadata or {},
        "tool_resources": tool_resources(resources, []),
    }


def message(thread_id: str, role: str, content: list[Body], **given: Any) -> Body:
    """Make a message that somebody wrote (not a run); it is complete from the start."""
    created = now()
    return {
        "id": new_id("msg_"),
        "object": "thread.message",
        "created_at": created,
        "assistant_id": None,
        "thread_id": thread_id,
        "run_id": None,
        "role": role,
        "status": "completed",
        "incomplete_details": None,
        "incomplete_at": None,
        "completed_at": created,
        "content": content,
        "attachments": [],
        "metadata": {},
        **given,
    }


def run_message(run: Body, attachments: list[Body]) -> Body:
    """Make the message that a run is about to write."""
    return message(
        run["thread_id"],
        "assistant",
        [],
        assistant_id=run["assistant_id"],
        run_id=run["id"],
        status="in_progress",
        completed_at=None,
        attachments=attachments,
    )


def text(value: str, annotations: list[Body] | None = None) -> Body:
    """Make a text part of a message's content."""
    return {"type": "text", "text": {"value": value, "annotations": annotations or []}}


def image_file(id: str, kind: str = "image_file") -> Body:  # noqa: A002
    """Make an image part of a message's content, or of code's outputs (``kind`` ``image``)."""
    return {"type": kind, kind: {"file_id": id}}


def attachment(file_id: str) -> Body:
    """Make an entry of a message's attachments."""
    return {"file_id": file_id, "tools": [{"type": "code_interpreter"}]}


def run(thread_id: str, assistant: Body, seconds: int, **given: Any) -> Body:
    """Make a queued run: what is not given is the assistant's."""
    created = now()
    inherited = (
        "model",
        "instructions",
        "tools",
        "tool_resources",
        "temperature",
        "top_p",
        "reasoning_effort",
        "response_format",
    )
    return {
        "id": new_id("run_"),
        "object": "thread.run",
        "created_at": created,
        "assistant_id": assistant["id"],
        "thread_id": thread_id,
        "status": "queued",
        "started_at": None,
        "expires_at": created + seconds,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "required_action": None,
        "last_error": None,
        **{key: assistant[key] for key in inherited},
        "metadata": {},
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "incomplete_details": None,
        "usage": None,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        **{key: value for key, value in given.items() if value is not None},
    }


def step(run: Body, type: str, details: Body) -> Body:  # noqa: A002
    """Make a step in progress."""
    return {
        "id": new_id("step_"),
        "object": "thread.run.step",
        "created_at": now(),
        "run_id": run["id"],
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "type": type,
        "status": "in_progress",
        "cancelled_at": None,
        "completed_at": None,
        # The description says `expired_at`, the service sends `expires_at`.
        "expired_at": None,
        "expires_at": run["expires_at"],
        "failed_at": None,
        "last_error": None,
        "step_details": details,
        "metadata": {},
        "usage": None,
    }


def without_contents(data: Body) -> Body:
    """Show a step, its delta, or a page of steps without the contents of search results."""
    if data.get("object") == "list":
        return {**data, "data": [without_contents(one) for one in data["data"]]}
    if data.get("object") == "thread.run.step.delta":
        return {**data, "delta": without_contents(data["delta"])}
    calls = (data.get("step_details") or {}).get("tool_calls") or ()
    if not any(call["type"] == "file_search" for call in calls):
        return data
    details = {"type": "tool_calls", "tool_calls": [_without_content(call) for call in calls]}
    return {**data, "step_details": details}


def _without_content(call: Body) -> Body:
    if "results" not in call.get("file_search", {}):
        return call
    found = call["file_search"]
    results = [{k: v for k, v in one.items() if k != "content"} for one in found["results"]]
    return {**call, "file_search": {**found, "results": results}}


def usage(prompt: int, completion: int, cached: int, written: int = 0) -> Body:
    """Make the usage of a run or step, in tokens; the API has no word for what was written."""
    writes = {"cache_write_tokens": written} if written else {}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_token_details": {"cached_tokens": cached, **writes},
    }


def deleted(kind: str, id: str) -> Body:  # noqa: A002
    """Make the answer to a deletion."""
    return {"id": id, "object": f"{kind}.deleted", "deleted": True}
