"""What stays in the notebook: one output per step, readable without kernel or network."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice

from aoai_magic.display import labels
from aoai_magic.display.log_fold import fold_logs, plain_logs
from aoai_magic.display.markdown import parse, to_markdown
from aoai_magic.display.outputs import Bundle, Output, Stream, publish
from aoai_magic.display.saved.interactive import interactive
from aoai_magic.display.saved.table_preview import Preview, previews
from aoai_magic.display.saved.turn_record import MEDIA_TYPE, record
from aoai_magic.display.steps import Step, attempts, steps
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.text import sanitize
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

LISTED_FILES = 50
PREVIEWED = 3
"""Tables whose first rows are shown."""

# Drawn by every front end without running anything; SVG can hold script and links.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def bundles(view: View) -> list[Output]:
    """Give the saved form of a turn: its steps in order, its files, the footer."""
    outputs = [step_output(step) for step in steps(view.parts)]
    return [output for output in (*outputs, *end(view)) if output is not None]


def end(view: View) -> list[Output]:
    """Give what stands below the parts."""
    figures = [bundle for _, bundle in interactive(view.files)]
    files = files_output(view)
    return [*figures, *([files] if files else []), footer(view)]


def step_output(step: Step) -> Output | None:
    """Give the saved form of one step; None where it has nothing to show."""
    part = step.part
    if isinstance(part, views.Text):
        return _text(part)
    if isinstance(part, views.Reasoning):
        return _reasoning(part)
    if isinstance(part, views.Code):
        return _code(step, part)
    if isinstance(part, views.Logs):
        return Stream(fold_logs(part.text)) if part.text else None
    if isinstance(part, views.Image):
        return _image(part)
    return _notice(part)


def _text(part: views.Text) -> Bundle | None:
    if not part.text.strip():
        return None
    return Bundle(
        {
            "text/markdown": to_markdown.safe_markdown(part.text),
            "text/plain": parse.plain(part.text),
        }
    )


def _reasoning(part: views.Reasoning) -> Bundle | None:
    if not part.text.strip():
        return None
    summary = labels.reasoning(part)
    return Bundle(
        {
            "text/markdown": _folded(summary, to_markdown.safe_markdown(part.text).strip()),
            "text/plain": f"[{summary}]\n{parse.plain(part.text)}",
        }
    )


def _folded(summary: str, content: str) -> str:
    # Blank lines around the content: without them it would be part of the HTML.
    line = to_markdown.escape_html(summary)
    return f"<details>\n<summary>{line}</summary>\n\n{content}\n\n</details>"


def _code(step: Step, part: views.Code) -> Bundle | None:
    if not (part.code.strip() or part.error or step.before):
        return None
    summary = labels.code_summary(part)
    printed = plain_logs(step.logs.text) if step.logs else ""
    inner = [step_output(attempt) for attempt in attempts(step.before)]
    inside = [output.data for output in inner if isinstance(output, Bundle)]
    marked = [
        to_markdown.fence(part.code, "python"),
        *([to_markdown.fence(printed)] if printed else []),
    ]
    plain = [f"[{summary}]", sanitize.exact(part.code).rstrip(), *([printed] if printed else [])]
    marked += [data["text/markdown"] for data in inside]
    plain += [data["text/plain"] for data in inside]
    return Bundle(
        {
            "text/markdown": _folded(summary, "\n\n".join(marked)),
            "text/plain": "\n".join(plain),
        }
    )


def _image(part: views.Image) -> Bundle:
    alternative = labels.picture(part)
    if part.media_type in PICTURES:
        data = base64.b64encode(part.data).decode("ascii")
        return Bundle({part.media_type: data, "text/plain": alternative})
    kind = sanitize.line(part.media_type)
    said = _("{picture} ({kind}, not drawn here)").format(picture=alternative, kind=kind)
    return Bundle({"text/markdown": to_markdown.escape(said), "text/plain": said})


def _notice(part: views.Notice) -> Bundle:
    text = sanitize.line(part.text)
    label = labels.note()
    return Bundle(
        {
            "text/markdown": f"> **{label}** {to_markdown.escape(text)}",
            "text/plain": f"{label} {text}",
        }
    )


def files_output(view: View) -> Bundle | None:
    """Give the list of files that came back and the head of their tables; None without any."""
    if not view.files:
        return None
    shown = view.files[:LISTED_FILES]
    marked = [_marked_file(file, place) for place, file in enumerate(shown)]
    plain = [_plain_file(file, place) for place, file in enumerate(shown)]
    if more := len(view.files) - len(shown):
        text = ngettext("and {count:,} more file", "and {count:,} more files", more)
        marked.append(f"- {text.format(count=more)}")
        plain.append(f"- {text.format(count=more)}")
    tables = list(tables_of(view))
    return Bundle(
        {
            "text/markdown": "\n\n".join(["\n".join(marked), *(t.marked for t in tables)]),
            "text/plain": "\n\n".join(["\n".join(plain), *(t.plain for t in tables)]),
        }
    )


def prepare(view: View) -> None:
    """Read the heads of a view's tables; takes a while, so not to be called on the event loop."""
    for _preview in tables_of(view):
        pass


def tables_of(view: View) -> Iterator[Preview]:
    """Give the heads of the first tables among the files."""
    found = (table for file in view.files[:LISTED_FILES] for table in previews(file))
    return islice(found, PREVIEWED)


def _marked_file(file: views.File, place: int) -> str:
    name = to_markdown.code_span(labels.file_name(file.name))
    if file.saved is None:
        return _file(file, name, to_markdown.code_span(labels.file_way(file.name, place)))
    return _file(file, name, to_markdown.link(sanitize.line(file.saved), file.saved))


def _plain_file(file: views.File, place: int) -> str:
    way = labels.file_way(file.name, place) if file.saved is None else sanitize.line(file.saved)
    return _file(file, labels.file_name(file.name), way)


def _file(file: views.File, name: str, way: str) -> str:
    facts = f"{labels.file_kind(file.name)}, {labels.size(file.blob.size)}"
    return f"- {labels.file_icon(file.name)} {name} ({facts}): {way}"


def footer(view: View) -> Bundle:
    """Give the quiet line at the end; the whole turn as data rides along."""
    status, facts = labels.status(view), " · ".join(labels.facts(view))
    lines = [f"**{to_markdown.escape(status)}**"] if status else []
    lines += [f"<sub>{to_markdown.escape(facts)}</sub>"] if facts else []
    plain = "\n".join(text for text in (status, facts) if text)
    return Bundle(
        {
            "text/markdown": "\n\n".join(lines) or " ",
            "text/plain": plain,
            MEDIA_TYPE: record(view),
        }
    )


class FrozenScreen:
    """Shows every step once, when it has ended: where no widget can live."""

    def __init__(self, *, wanted: tuple[type, ...] = views.Part.__args__) -> None:
        self._wanted = wanted
        self._shown = 0
        self._closed = False

    def show(self, view: View) -> None:
        """Show what has ended since the last call, in the steps' order."""
        for step in steps(view.parts, over=False)[self._shown :]:
            if step.open:
                return
            self._publish(step)

    def close(self, view: View) -> None:
        """Show everything that is left, and the end."""
        if self._closed:
            return
        self._closed = True
        for step in steps(view.parts)[self._shown :]:
            self._publish(step)
        for output in end(view):
            publish(output)

    def _publish(self, step: Step) -> None:
        self._shown += 1
        output = step_output(step) if isinstance(step.part, self._wanted) else None
        if output is not None:
            publish(output)


def quiet_screen() -> FrozenScreen:
    """Give a screen that shows nothing but notices, files and the last line."""
    return FrozenScreen(wanted=(views.Notice,))
