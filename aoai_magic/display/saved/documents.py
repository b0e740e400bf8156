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
from aoai_magic.display.log_fold import plain_logs
from aoai_magic.display.markdown import to_html, to_markdown
from aoai_magic.display.markdown.parse import cited
from aoai_magic.display.outputs import Bundle, Output
from aoai_magic.display.saved import bundles
from aoai_magic.display.saved.html_details import fold_html, logs_html
from aoai_magic.display.saved.table_preview import Preview
from aoai_magic.display.steps import Step, attempts, steps
from aoai_magic.locale import language
from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.turn import view as views
from aoai_magic.turn.view import Input, View

Inputs = Mapping[str, Input]
MARKDOWN = "text/markdown"


def markdown(view: View, inputs: Inputs) -> str:
    """Write a turn as Markdown that any renderer shows and none runs."""
    blocks = [_asked(view), *(_marked(step) for step in steps(view.parts))]
    blocks += [output.data[MARKDOWN] for output in _end(view)]
    return "\n\n".join(block for block in blocks if block.strip()) + "\n"


def _asked(view: View) -> str:
    lines = to_markdown.safe_markdown(view.question).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _marked(step: Step) -> str:
    part = step.part
    if isinstance(part, views.Logs):
        return to_markdown.fence(plain_logs(part.text)) if part.text.strip() else ""
    if isinstance(part, views.Image) and part.saved:
        return f"![{to_markdown.escape(labels.picture(part))}]({quote(part.saved, safe='/')})"
    output = bundles.step_output(step)
    return str(output.data.get(MARKDOWN, "")) if isinstance(output, Bundle) else ""


def _end(view: View) -> list[Bundle]:
    return [output for output in bundles.end(view) if isinstance(output, Bundle)]


def notebook(view: View, inputs: Inputs) -> str:
    """Write a turn as a notebook: prose, and cells that run on the notebook's variables."""
    from nbformat import v4, writes

    cells: list[Any] = [v4.new_markdown_cell(_asked(view))] if view.question else []
    for step in steps(view.parts):
        _add(cells, step, inputs)
    cells += [v4.new_markdown_cell(output.data[MARKDOWN]) for output in _end(view)]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(writes(v4.new_notebook(cells=cells, metadata={"kernelspec": spec}))) + "\n"


def _add(cells: list[Any], step: Step, inputs: Inputs) -> None:
    from nbformat import v4

    part, last = step.part, cells[-1] if cells else None
    if isinstance(part, views.Code) and part.state == "done":
        before = filter(None, map(_marked, attempts(step.before)))
        cells += [v4.new_markdown_cell(text) for text in before]
        cells.append(v4.new_code_cell(as_cell([Cell(part.code)], inputs).rstrip("\n")))
    elif isinstance(part, views.Logs | views.Image) and last and last.cell_type == "code":
        output = bundles.step_output(step)
        last.outputs += [_output(output)] if output else []
    elif text := _marked(step).strip():
        cells.append(v4.new_markdown_cell(text))


def _output(output: Output) -> Any:
    from nbformat import v4

    if isinstance(output, Bundle):
        return v4.new_output("display_data", data=output.data)
    return v4.new_output("stream", name="stdout", text=output.text)


def page(view: View, inputs: Inputs) -> str:
    """Write a turn as a page that holds its pictures, runs nothing and asks for nothing."""
    asked = f"<blockquote>{to_html.safe_html(view.question)}</blockquote>" if view.question else ""
    body = "\n".join([asked, *map(_drawn, steps(view.parts)), *_drawn_end(view)])
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


def _drawn(step: Step) -> str:
    part = step.part
    if isinstance(part, views.Text):
        return to_html.safe_html(cited(part.text))
    if isinstance(part, views.Reasoning | views.Code):
        return fold_html(step)
    if isinstance(part, views.Logs):
        return logs_html(part)
    if isinstance(part, views.Image):
        return _picture(part)
    label = to_html.text_html(labels.note())
    return f"<blockquote><strong>{label}</strong> {to_html.text_html(part.text)}</blockquote>"


def _picture(part: views.Image) -> str:
    said = to_html.text_html(labels.picture(part))
    if part.media_type not in bundles.PICTURES:
        return f"<p>{said}</p>"
    data = base64.b64encode(part.data).decode("ascii")
    return f'<p><img alt="{said}" src="data:{part.media_type};base64,{data}"></p>'


def _drawn_end(view: View) -> Iterator[str]:
    if view.files:
        yield f"<ul>\n{''.join(map(_listed, view.files))}</ul>"
    yield from map(_table, bundles.tables_of(view))
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
