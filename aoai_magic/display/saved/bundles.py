"""What stays in the notebook: the answer first, readable without kernel or network."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from aoai_magic.display import labels
from aoai_magic.display.answer import final_answer
from aoai_magic.display.log_fold import plain_logs
from aoai_magic.display.markdown import parse, to_markdown
from aoai_magic.display.outputs import Bundle, publish
from aoai_magic.display.saved.interactive import chart_of, interactive, is_drawn
from aoai_magic.display.saved.shown_tables import unseen_tables
from aoai_magic.display.saved.table_preview import Preview, previews
from aoai_magic.display.saved.turn_record import (
    FILES_TYPE,
    MEDIA_TYPE,
    VERSION,
    file_record,
    record,
)
from aoai_magic.display.screen import Detail
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
SVG, LARGEST_SVG = "image/svg+xml", 1 << 20


def bundles(view: View, detail: Detail = "folded") -> list[Bundle]:
    """Return the saved form of a turn: charts, answer, files, the work, the footer.

    ``quiet`` leaves out the work and the footer, but for how the turn ended.
    """
    figures = list(interactive(view.files))
    outputs: list[Bundle | None] = [bundle for _, bundle in figures]
    outputs += [answer_output(part) for part in final_answer(view)]
    drawn = {file.name for file, bundle in figures if is_drawn(bundle)}
    outputs += [tables_output(view), files_output(view, drawn)]
    if detail == "quiet":
        outputs.append(_status(view))
    else:
        outputs += [worked(view, unfolded=detail == "verbose"), footer(view)]
    return [output for output in outputs if output is not None]


def answer_output(part: views.Part) -> Bundle | None:
    """Return the saved form of a part of the answer; None where it has nothing to show."""
    if isinstance(part, views.Text):
        return _text(part)
    if isinstance(part, views.Image):
        return _image(part)
    if isinstance(part, views.Sources):
        return _sources(part)
    assert isinstance(part, views.Notice)
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


def worked(view: View, *, unfolded: bool = False) -> Bundle | None:
    """Return all work of a turn in one fold, open if ``unfolded``; None where there was none.

    Plain text cannot be folded: there, one line says where the work is.
    """
    shown = [*filter(None, (_work(step, unfolded) for step in steps(view.parts)))]
    if not shown:
        return None
    summary = labels.worked(view)
    if times := labels.times(view):
        shown.append((f"<sub>{to_markdown.escape(times)}</sub>", times))
    return Bundle(
        {
            "text/markdown": folded(summary, "\n\n".join(marked for marked, _ in shown), unfolded),
            "text/plain": "\n".join([f"[{summary}]", *(plain for _, plain in shown)])
            if unfolded
            else f"{summary} {labels.WHERE_WORK_IS}",
        }
    )


def work_markdown(shown: Iterable[Step]) -> list[str]:
    """Return steps as Markdown; those with nothing to show are left out."""
    return [marked for marked, _ in filter(None, map(_work, shown))]


def _work(step: Step, unfolded: bool = False) -> tuple[str, str] | None:
    """Return a step as Markdown and as plain text; what failed and thoughts folded again."""
    part = step.part
    if isinstance(part, views.Reasoning):
        return _thoughts(part, unfolded) if part.text.strip() else None
    if isinstance(part, views.Logs):
        return _printed(part) if part.text.strip() else None
    if isinstance(part, views.Text):
        return to_markdown.safe_markdown(part.text), parse.plain(part.text)
    if not isinstance(part, views.Code) or not (part.code.strip() or part.error or step.before):
        return None
    marked, plain = _code(part, step.logs, unfolded)
    inside = [*filter(None, (_work(one, unfolded) for one in attempts(step.before)))]
    marked = "\n\n".join([*(text for text, _ in inside), marked])
    plain = "\n".join([*(text for _, text in inside), plain])
    return marked, plain


def _thoughts(part: views.Reasoning, unfolded: bool) -> tuple[str, str]:
    summary = labels.reasoning(part)
    marked = folded(summary, to_markdown.safe_markdown(part.text).strip(), unfolded)
    return marked, f"[{summary}]\n{parse.plain(part.text)}"


def _labelled(printed: str) -> str:
    """Return what was printed so that it can be told from code in plain text."""
    # Several lines keep their columns.
    return f"[stdout]\n{printed}" if "\n" in printed else f"[stdout] {printed}"


def _printed(part: views.Logs) -> tuple[str, str]:
    text = plain_logs(part.text)
    return to_markdown.fence(text), text


def folded(summary: str, content: str, unfolded: bool = False) -> str:
    """Return Markdown that renderers fold; ``unfolded`` is open at first."""
    # Blank lines around the content: without them it would be part of the HTML.
    line = to_markdown.escape_html(summary)
    opening = "<details open>" if unfolded else "<details>"
    return f"{opening}\n<summary>{line}</summary>\n\n{content}\n\n</details>"


def _code(part: views.Code, logs: views.Logs | None, unfolded: bool) -> tuple[str, str]:
    summary = labels.code_summary(part)
    printed = plain_logs(logs.text) if logs else ""
    shown = [to_markdown.fence(part.code, "python")]
    shown += [to_markdown.fence(printed)] if printed else []
    plain = [f"[{summary}]", sanitize.exact(part.code).rstrip()]
    plain += [_labelled(printed)] if printed else []
    marked = "\n\n".join(shown)
    if part.state != "done":
        marked = folded(summary, marked, unfolded)
    return marked, "\n".join(plain)


def _image(part: views.Image) -> Bundle:
    alternative = labels.picture(part)
    data = base64.b64encode(part.data).decode("ascii")
    if part.media_type in PICTURES:
        # A front end that can draw the chart itself does; the others show the picture.
        return Bundle({**chart_of(part), part.media_type: data, "text/plain": alternative})
    if part.media_type == SVG and part.blob.size <= LARGEST_SVG:
        words = to_markdown.escape_html(alternative)
        return Bundle({"text/markdown": drawn(SVG, data, words), "text/plain": alternative})
    kind = sanitize.line(part.media_type)
    said = _("{picture} ({kind}, not drawn here)").format(picture=alternative, kind=kind)
    return Bundle({"text/markdown": to_markdown.escape(said), "text/plain": said})


def drawn(media_type: str, data: str, alternative: str) -> str:
    """Return a picture of base64 data as HTML: whatever is in it, SVG too, cannot act."""
    return f'<img alt="{alternative}" src="data:{media_type};base64,{data}">'


def _sources(part: views.Sources) -> Bundle:
    """Return what an answer cites: each source unfolds into the passage."""
    marked, plain = [], []
    for passage in part.passages:
        title = labels.source(passage)
        quote = to_markdown.fence(passage.text) if passage.text.strip() else labels.no_passage()
        marked.append(folded(title, quote))
        plain.append(f"{title}\n  {quoted}" if (quoted := labels.quote(passage)) else title)
    return Bundle({"text/markdown": "\n\n".join(marked), "text/plain": "\n".join(plain)})


def _notice(part: views.Notice) -> Bundle:
    text = sanitize.line(part.text)
    label = labels.note()
    return Bundle(
        {
            "text/markdown": f"> **{label}** {to_markdown.escape(text)}",
            "text/plain": f"{label} {text}",
        }
    )


def tables_output(view: View) -> Bundle | None:
    """Return the heads of the tables that came back and that the answer does not show itself."""
    tables = list(tables_of(view))
    if not tables:
        return None
    if len(tables) == 1 == sum(bool(previews(file)) for file in view.files) and not tables[0].notes:
        # The list of files below names it.
        return Bundle({"text/markdown": tables[0].marked_rows, "text/plain": tables[0].plain_rows})
    return Bundle(
        {
            "text/markdown": "\n\n".join(table.marked for table in tables),
            "text/plain": "\n\n".join(table.plain for table in tables),
        }
    )


def files_output(view: View, drawn: Collection[str] = ()) -> Bundle | None:
    """Return the list of files that came back, less those that are drawn; None without any."""
    listed = [(at, file) for at, file in enumerate(view.files) if file.name not in drawn]
    if not listed:
        return None
    shown = listed[:LISTED_FILES]
    marked = [_marked_file(file, place) for place, file in shown]
    plain = [_plain_file(file, place) for place, file in shown]
    if more := len(listed) - len(shown):
        text = ngettext("and {count:,} more file", "and {count:,} more files", more)
        marked.append(f"- {text.format(count=more)}")
        plain.append(f"- {text.format(count=more)}")
    records = [
        file_record(file, _kind(file), labels.file_way(file.name, place)) for place, file in shown
    ]
    return Bundle(
        {
            "text/markdown": "\n".join(marked),
            "text/plain": "\n".join(plain),
            FILES_TYPE: {"version": VERSION, "files": records},
        }
    )


def prepare(view: View) -> None:
    """Read the heads of a view's tables; takes a while, so not to be called on the event loop."""
    for _preview in tables_of(view):
        pass


def tables_of(view: View) -> Iterator[Preview]:
    """Return the heads of the first tables among the files that stand nowhere else."""
    return islice(unseen_tables(view, view.files[:LISTED_FILES]), PREVIEWED)


def _kind(file: views.File) -> str:
    """Describe a file in a few words: a table by its size."""
    tables = previews(file)
    return tables[0].shape if len(tables) == 1 else labels.file_kind(file.name)


def _marked_file(file: views.File, place: int) -> str:
    name = to_markdown.code_span(labels.file_name(file.name))
    if file.saved is None:
        return _file(file, name, to_markdown.code_span(labels.file_way(file.name, place)))
    return _file(file, name, to_markdown.link(sanitize.line(file.saved), file.saved))


def _plain_file(file: views.File, place: int) -> str:
    way = labels.file_way(file.name, place) if file.saved is None else sanitize.line(file.saved)
    return _file(file, labels.file_name(file.name), way)


def _file(file: views.File, name: str, way: str) -> str:
    facts = f"{_kind(file)}, {labels.size(file.blob.size)}"
    return f"- {labels.file_icon(file.name)} {name} ({facts}): {way}"


def _status(view: View) -> Bundle | None:
    """Return how a turn ended, where that is not as it should be."""
    status = labels.status(view)
    if not status:
        return None
    return Bundle({"text/markdown": f"**{to_markdown.escape(status)}**", "text/plain": status})


def footer(view: View) -> Bundle:
    """Return the line at the end; the whole turn as data comes with it."""
    status, facts = _status(view), " · ".join(labels.facts(view))
    marked = [status.data["text/markdown"]] if status else []
    plain = [status.data["text/plain"]] if status else []
    if view.questions:
        questions = [sanitize.line(question) for question in view.questions]
        marked.append("\n".join([labels.next_questions(), "", *map(_item, questions)]))
        plain += [labels.next_questions(), *(f"- {question}" for question in questions)]
    if facts:
        marked.append(f"<sub>{to_markdown.escape(facts)}</sub>")
        plain.append(facts)
    return Bundle(
        {
            "text/markdown": "\n\n".join(marked) or " ",
            "text/plain": "\n".join(plain),
            MEDIA_TYPE: record(view),
        }
    )


def _item(text: str) -> str:
    return f"- {to_markdown.escape(text)}"


class FrozenScreen:
    """Shows a turn once, when it has ended: where no widget can live.

    The answer comes first, so nothing can be shown before the end.
    """

    def __init__(self, detail: Detail = "folded") -> None:
        self._detail = detail
        self._closed = False

    def show(self, view: View) -> None:
        """Show nothing yet."""

    def close(self, view: View) -> None:
        """Show the turn."""
        if self._closed:
            return
        self._closed = True
        for output in bundles(view, self._detail):
            publish(output)
