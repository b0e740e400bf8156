"""A turn as a document of its own: Markdown, a page, or a notebook.

The view's files and pictures are beside the document; ``saved`` is where, seen from it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from aoai_magic.display import labels
from aoai_magic.display.answer import final_answer
from aoai_magic.display.log_fold import plain_logs
from aoai_magic.display.markdown import to_html, to_markdown
from aoai_magic.display.markdown.parse import cited
from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved import bundles
from aoai_magic.display.saved.html_details import sources_html, worked_html
from aoai_magic.display.saved.table_preview import Preview
from aoai_magic.display.steps import WORK, Step, announcements, attempts, steps
from aoai_magic.locale import language
from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.turn import view as views
from aoai_magic.turn.view import Input, View

Inputs = Mapping[str, Input]
MARKDOWN = "text/markdown"


def markdown(view: View, inputs: Inputs) -> str:
    """Write a turn as Markdown that any renderer shows and none runs."""
    end = filter(None, (*_results(view), bundles.worked(view), bundles.footer(view)))
    blocks = [_asked(view), *map(_marked, final_answer(view))]
    blocks += [output.data[MARKDOWN] for output in end]
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def _results(view: View) -> tuple[Bundle | None, Bundle | None]:
    return bundles.tables_output(view), bundles.files_output(view)


def _asked(view: View) -> str:
    lines = to_markdown.safe_markdown(view.question).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _marked(part: views.Part) -> str:
    """Write a part of the answer."""
    if isinstance(part, views.Image) and part.saved:
        return f"![{to_markdown.escape(labels.picture(part))}]({quote(part.saved, safe='/')})"
    output = bundles.answer_output(part)
    return str(output.data.get(MARKDOWN, "")) if output else ""


def notebook(view: View, inputs: Inputs) -> str:
    """Write a turn as a notebook: prose, and cells that run on the notebook's variables."""
    from nbformat import v4, writes

    cells: list[Any] = [v4.new_markdown_cell(_asked(view))] if view.question else []
    worked = {step.part.id: step for step in steps(view.parts)}
    announced = announcements(view.parts)
    for part in view.parts:
        if isinstance(part, WORK) or part in announced:
            _add_work(cells, worked.get(part.id), inputs)
        else:
            _add(cells, part)
    end = filter(None, (*_results(view), bundles.footer(view)))
    cells += [v4.new_markdown_cell(output.data[MARKDOWN]) for output in end]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(writes(v4.new_notebook(cells=cells, metadata={"kernelspec": spec}))) + "\n"


def _add_work(cells: list[Any], step: Step | None, inputs: Inputs) -> None:
    """Add a step; what it printed, and failed attempts, are no steps of their own."""
    from nbformat import v4

    if step is None:
        return
    if not (isinstance(step.part, views.Code) and step.part.state == "done"):
        cells += [v4.new_markdown_cell(text) for text in bundles.work_markdown([step])]
        return
    cells += [v4.new_markdown_cell(text) for text in bundles.work_markdown(attempts(step.before))]
    cell = v4.new_code_cell(as_cell([Cell(step.part.code)], inputs, tidy=False).rstrip("\n"))
    if printed := plain_logs(step.logs.text) if step.logs else "":
        cell.outputs.append(v4.new_output("stream", name="stdout", text=printed + "\n"))
    cells.append(cell)


def _add(cells: list[Any], part: views.Part) -> None:
    """Add a part of the answer; a picture belongs to the code that drew it."""
    from nbformat import v4

    last = cells[-1] if cells else None
    output = bundles.answer_output(part)
    if isinstance(part, views.Image) and output and last and last.cell_type == "code":
        last.outputs.append(v4.new_output("display_data", data=output.data))
    elif text := _marked(part).strip():
        cells.append(v4.new_markdown_cell(text))


def page(view: View, inputs: Inputs) -> str:
    """Write a turn as a page that holds its pictures, runs nothing and asks for nothing."""
    asked = f"<blockquote>{to_html.safe_html(view.question)}</blockquote>" if view.question else ""
    body = "\n".join([asked, *map(_drawn, final_answer(view)), *_drawn_end(view)])
    title = to_html.text_html(labels.title(view))
    style = "".join(
        files(__package__.rpartition(".")[0]).joinpath(name).read_text() for name in STYLES
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language().replace("_", "-")}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


STYLES = ("live/live.css", "saved/page.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def _drawn(part: views.Part) -> str:
    """Draw a part of the answer."""
    if isinstance(part, views.Text):
        return to_html.safe_html(cited(part.text))
    if isinstance(part, views.Image):
        return _picture(part)
    if isinstance(part, views.Sources):
        return sources_html(part)
    assert isinstance(part, views.Notice)
    label = to_html.text_html(labels.note())
    return f"<blockquote><strong>{label}</strong> {to_html.text_html(part.text)}</blockquote>"


def _picture(part: views.Image) -> str:
    said = to_html.text_html(labels.picture(part))
    if part.media_type not in (*bundles.PICTURES, bundles.SVG):
        return f"<p>{said}</p>"
    data = base64.b64encode(part.data).decode("ascii")
    return f"<p>{bundles.drawn(part.media_type, data, said)}</p>"


def _drawn_end(view: View) -> Iterator[str]:
    yield from map(_table, bundles.tables_of(view))
    if view.files:
        yield f"<ul>\n{''.join(map(_listed, view.files))}</ul>"
    yield worked_html(view)
    status, facts = labels.status(view), " · ".join(labels.facts(view))
    yield f"<p><strong>{to_html.text_html(status)}</strong></p>" if status else ""
    yield f"<footer>{to_html.text_html(facts)}</footer>"


def _listed(file: views.File) -> str:
    # A file may have a name that nobody sees.
    name = to_html.text_html(labels.file_name(file.name) or PurePath(file.saved or "").name)
    facts = f"{labels.file_kind(file.name)}, {labels.size(file.blob.size)}"
    icon = f'<span aria-hidden="true">{labels.file_icon(file.name)}</span>'
    path = quote(file.saved or "", safe="/")
    return f'<li>{icon} <a href="{path}">{name}</a> ({to_html.text_html(facts)})</li>\n'


def _table(table: Preview) -> str:
    head, *rows = table.rows
    kinds = [' class="number"' if column.is_number else "" for column in table.columns]
    caption = f"{to_html.text_html(table.name)}: {table.shape}"
    caption += "".join(f" {to_html.text_html(note)}" for note in table.notes)
    lines = [_row("th", head, kinds), *(_row("td", row, kinds) for row in rows)]
    return f'<table tabindex="0">\n<caption>{caption}</caption>\n{"".join(lines)}</table>'


def _row(tag: str, cells: tuple[str, ...], kinds: list[str]) -> str:
    pairs = zip(cells, kinds, strict=True)
    return f"<tr>{''.join(f'<{tag}{k}>{html.escape(c)}</{tag}>' for c, k in pairs)}</tr>\n"


WRITERS: Mapping[str, Callable[[View, Inputs], str]] = {
    ".md": markdown,
    ".html": page,
    ".ipynb": notebook,
}
"""How a turn is written, by the suffix of the document's name."""
