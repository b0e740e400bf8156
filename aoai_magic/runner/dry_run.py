"""What a turn would send: how much, of what, and where to (``--dry-run``)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aoai_magic.config.settings import SERVICES
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.shared.network import is_loopback, without_credentials

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.function_tools import Function
    from aoai_magic.config.settings import Settings, Target


def plan(
    prompt: str,
    attachments: Sequence[Attachment],
    target: Target,
    settings: Settings,
    functions: Sequence[Function] = (),
    notes: Sequence[str] = (),
) -> str:
    """Say in plain text everything that would leave the notebook, to the byte.

    ``notes`` are sentences about the prompt.
    """
    from aoai_magic.backends.responses_api.limits import check_items

    if target.name in SERVICES:
        check_items(attachments)
    sizes: list[int] = []
    where = destination(target, settings)
    lines = [_("Nothing was sent. This would go to {where}:").format(where=where), ""]
    whole = size_in_words(len(prompt.encode()))
    lines += ["  " + _("prompt  {size}").format(size=whole), *_indented(prompt)]
    lines += [f"  {note}" for note in notes]
    for function in functions:
        told = _("function {name}, as the model is told of it:").format(name=function.name)
        lines += ["", f"  {told}"]
        lines += _indented(json.dumps(function.tool["function"], ensure_ascii=False))
    for item in attachments:
        lines.append("")
        for filename, size, what in _outgoing(item, target):
            sizes.append(size)
            line = _("{name}  {size} ({what})")
            lines.append("  " + line.format(name=filename, size=size_in_words(size), what=what))
        if item.card:
            lines += ["  " + _("and its description, which the model reads:")]
            lines += _indented(item.card)
    end = _("in all {count} files, {size:,} bytes of data")
    return "\n".join([*lines, "", f"  {end.format(count=len(sizes), size=sum(sizes))}"])


def size_in_words(size: int) -> str:
    """Return a number of bytes in words."""
    return ngettext("{count:,} byte", "{count:,} bytes", size).format(count=size)


def _outgoing(item: Attachment, target: Target) -> list[tuple[str, int, str]]:
    """Give the files that would be sent for an attachment: name, bytes and what it is.

    They are made for this: before that only the size in memory is known.
    """
    from aoai_magic.backends.responses_api.limits import check_size
    from aoai_magic.backends.responses_api.typed_csv import convert

    what = f"{_kind(item.kind)} {item.name}"
    typed = convert(item.path) if target.name in SERVICES else None
    if typed is None:
        return [(item.filename, item.path.stat().st_size, what)]
    check_size(item.name, len(typed.data))
    return [
        (typed.filename, len(typed.data), _("{what}, as typed CSV").format(what=what)),
        (typed.loader_name, len(typed.loader_data), _("Python that loads it with its types")),
    ]


def _kind(kind: str) -> str:
    """Give the kinds that are words, and no type's or format's name, in the user's language."""
    words = {
        "text": _("text"),
        "picture": _("picture"),
        "file": _("file"),
        "folder": _("folder"),
        "document": _("document"),
    }
    return words.get(kind, kind)


def is_here(target: Target) -> bool:
    """Tell whether a target is on this machine."""
    return target.name == "local" or is_loopback(target.name)


def destination(target: Target, settings: Settings) -> str:
    """Say in words where a target is."""
    if target.name == "local":
        if target.model.startswith("openai:"):
            return _(
                "the local engine on this machine, model {model} at {server} "
                "(code and files stay here)"
            ).format(
                model=target.shown_model,
                server=without_credentials(os.environ.get("OPENAI_BASE_URL", ""))
                or _("the OpenAI service"),
            )
        return _("the local engine on this machine, model {model} (files stay in {folder})").format(
            model=target.shown_model, folder=settings.folder
        )
    if target.name == "azure":
        endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT", "")
        endpoint = without_credentials(endpoint) or _("an unset endpoint")
        return _("Azure OpenAI at {endpoint}").format(endpoint=endpoint)
    if target.name == "openai":
        return _("the OpenAI service")
    return _("the engine at {target}").format(target=target.name)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
