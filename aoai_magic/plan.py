"""What a turn would send: how much, of what, and where to (``--dry-run``)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .errors import AttachError
from .settings import SERVICES

if TYPE_CHECKING:
    from .attach.item import Attachment
    from .attach.resolve import Description
    from .functions import Function
    from .settings import Settings, Target


def plan(
    prompt: str,
    attachments: Sequence[Attachment],
    target: Target,
    settings: Settings,
    functions: Sequence[Function] = (),
) -> str:
    """Say in plain text everything that would leave the notebook, to the byte."""
    from .backends.service_limits import check_items

    if target.name in SERVICES:
        check_items(attachments)
    sizes: list[int] = []
    lines = [f"Nothing was sent. This would go to {destination(target, settings)}:", ""]
    lines += [f"  prompt  {len(prompt.encode()):,} bytes", *_indented(prompt)]
    for function in functions:
        lines += ["", f"  function {function.name}, as the model is told of it:"]
        lines += _indented(json.dumps(function.tool["function"], ensure_ascii=False))
    for item in attachments:
        lines.append("")
        for filename, size, what in _outgoing(item, target):
            sizes.append(size)
            lines.append(f"  {filename}  {size:,} bytes ({what})")
        if item.card:
            lines += ["  and its description, which the model reads:", *_indented(item.card)]
    return "\n".join([*lines, "", f"  in all {len(sizes)} files, {sum(sizes):,} bytes of data"])


def _outgoing(item: Attachment, target: Target) -> list[tuple[str, int, str]]:
    """Give the files that would be sent for an attachment: name, bytes and what it is.

    They are made for this: before that only the size in memory is known.
    """
    from .backends.csv_parcel import convert
    from .backends.service_limits import check_size

    what = f"{item.kind} {item.name}"
    typed = convert(item.path) if target.name in SERVICES else None
    if typed is None:
        return [(item.filename, item.path.stat().st_size, what)]
    check_size(item.name, len(typed.data))
    return [
        (typed.filename, len(typed.data), f"{what}, as typed CSV"),
        (typed.loader_name, len(typed.loader_data), "Python that loads it with its types"),
    ]


def confirm(
    items: Sequence[Description], rows: int | None, target: Target, settings: Settings
) -> None:
    """Ask whether attached data may leave this machine, where the user wants to be asked.

    Raises
    ------
    AttachError
        The answer is no, or nobody is there to give one.
    """
    if not items or not settings.confirm_upload or _is_here(target):
        return
    part = f"{rows:,} rows at most of each frame of " if rows else ""
    what = ", ".join(f"{item.name} ({item.kind}, {item.bytes:,} bytes)" for item in items)
    question = f"Send {part}{what} to {destination(target, settings)}? [y/N] "
    try:
        answer = input(question)
    except (EOFError, OSError, RuntimeError) as error:  # RuntimeError: a kernel without stdin
        raise AttachError(
            "Nothing was sent, because confirm_upload asks first and nobody can answer here; "
            "set it to false for runs without a user, or ask with --on local."
        ) from error
    if answer.strip().lower() not in ("y", "yes"):
        raise AttachError(
            "Nothing was sent, because the answer was not y; --dry-run shows all that would go, "
            "and --on local keeps data on this machine."
        )


def _is_here(target: Target) -> bool:
    from .backends.connect import is_loopback

    return target.name == "local" or is_loopback(target.name)


def destination(target: Target, settings: Settings) -> str:
    """Say in words where a target is."""
    if target.name == "local":
        where = f"the local engine on this machine, model {target.model}"
        server = os.environ.get("OPENAI_BASE_URL")
        if target.model.startswith("openai:"):
            return f"{where} at {server or 'the OpenAI service'} (code and files stay here)"
        return f"{where} (files stay in {settings.folder})"
    if target.name == "azure":
        return f"Azure OpenAI at {os.environ.get('AZURE_OPENAI_ENDPOINT', 'an unset endpoint')}"
    if target.name == "openai":
        return "the OpenAI service"
    return f"the engine at {target.name}"


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
