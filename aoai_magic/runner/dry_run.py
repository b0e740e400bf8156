"""What a turn would send: how much, of what, and where to (``--dry-run``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aoai_magic.config.settings import SERVICES
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.runner.destination import destination, is_here, keeps_files

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.function_tools import Function
    from aoai_magic.config.settings import Settings, Target


def plan(
    prompt: str,
    attached: Sequence[Attachment],
    documents: Sequence[Attachment],
    target: Target,
    settings: Settings,
    functions: Sequence[Function] = (),
    notes: Sequence[str] = (),
    instructions: str = "",
) -> str:
    """Describe in plain text everything that would leave the notebook, to the byte.

    ``notes`` are sentences about the prompt.
    """
    from aoai_magic.backends.responses_api.limits import check_items

    if target.name in SERVICES:
        check_items(attached)
    attachments = [*attached, *documents]
    where = destination(target, settings)
    lines = [_("Nothing was sent. This would go to {where}:").format(where=where), ""]
    lines += _text(_("prompt  {size}"), prompt)
    lines += [f"  {note}" for note in notes]
    if instructions:
        lines += ["", *_text(_("instructions  {size}"), instructions)]
    for function in functions:
        heading = _("function {name}, as the model is told of it:").format(name=function.name)
        lines += ["", f"  {heading}"]
        lines += _indented(json.dumps(function.tool["function"], ensure_ascii=False))
    apart = keeps_files(target, settings) and not is_here(target, settings)
    lines += _pictures(attachments)
    lines += _read_by_the_model(attachments) if apart else _files(attachments, target, True)
    return "\n".join([*lines, *(_files(attachments, target, False) if apart else [])])


def _pictures(attachments: Sequence[Attachment]) -> list[str]:
    """List the pictures that a model which sees is shown."""
    from aoai_magic.attach.pictures import for_model, unshown_notes

    shown, unshown = for_model(attachments)
    text = _("shown to a model that takes pictures: {name}, {size}")
    lines = [text.format(name=one.name, size=size_in_words(len(one.data))) for one in shown]
    lines += unshown_notes(unshown)
    return ["", *(f"  {line}" for line in lines)] if lines else []


def _read_by_the_model(attachments: Sequence[Attachment]) -> list[str]:
    """List what a model elsewhere reads of files that stay on this machine."""
    lines: list[str] = []
    for item in attachments:
        if item.card:
            text = _("description of {name}, {size}").replace("{name}", item.name)
            lines += ["", *_text(text, item.card)]
    shown = _("and then what the code prints, its errors, and the pictures that it draws")
    kept = _("These files stay on this machine, where the code runs:")
    return [*lines, "", f"  {shown}", *(["", kept] if attachments else [])]


def _files(attachments: Sequence[Attachment], target: Target, with_cards: bool) -> list[str]:
    lines, sizes = [], []
    for item in attachments:
        lines.append("")
        for filename, size, what in _outgoing(item, target):
            sizes.append(size)
            line = _("{name}  {size} ({what})")
            lines.append("  " + line.format(name=filename, size=size_in_words(size), what=what))
        if item.card and with_cards:
            lines += ["  " + _("and its description, which the model reads:")]
            lines += _indented(item.card)
    end = ngettext("in all {count:,} file, {size}", "in all {count:,} files, {size}", len(sizes))
    total = size_in_words(sum(sizes))
    return [*lines, "", f"  {end.format(count=len(sizes), size=total)}"]


def _text(title: str, text: str) -> list[str]:
    size = size_in_words(len(text.encode()))
    return [f"  {title.format(size=size)}", *_indented(text)]


def size_in_words(size: int) -> str:
    """Return a number of bytes in words."""
    return ngettext("{count:,} byte", "{count:,} bytes", size).format(count=size)


def _outgoing(item: Attachment, target: Target) -> list[tuple[str, int, str]]:
    """Return the files that would be sent for an attachment: name, bytes and what it is.

    They are made for this: before that only the size in memory is known.
    """
    from aoai_magic.backends.responses_api.limits import check_size
    from aoai_magic.backends.responses_api.typed_csv import convert

    what = f"{_kind(item.kind)} {item.name}"
    is_typed = target.name in SERVICES and item.kind != "document"
    typed = convert(item.path) if is_typed else None
    if typed is None:
        return [(item.filename, item.path.stat().st_size, what)]
    check_size(item.name, len(typed.data))
    return [
        (typed.filename, len(typed.data), _("{what}, as typed CSV").format(what=what)),
        (typed.loader_name, len(typed.loader_data), _("Python that loads it with its types")),
    ]


def _kind(kind: str) -> str:
    """Return the kinds that are words, and no type's or format's name, in the user's language."""
    words = {
        "text": _("text"),
        "picture": _("picture"),
        "file": _("file"),
        "folder": _("folder"),
        "document": _("document"),
    }
    return words.get(kind, kind)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
