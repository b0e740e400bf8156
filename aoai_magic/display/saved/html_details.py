"""The work of a turn as HTML that is folded: code, what it printed, attempts, thoughts."""

from __future__ import annotations

from aoai_magic.display import labels
from aoai_magic.display.log_fold import plain_logs
from aoai_magic.display.markdown import to_html
from aoai_magic.display.steps import Step, attempts, steps
from aoai_magic.turn import view as views


def worked_html(view: views.View) -> str:
    """Return all work of a turn in one fold; nothing where there was none."""
    inside = "\n".join(map(fold_html, steps(view.parts)))
    if inside and (times := labels.times(view)):
        inside += f"\n<p>{to_html.text_html(times)}</p>"
    return _folded(labels.worked(view), inside) if inside else ""


def fold_html(step: Step, unfolded: bool = False) -> str:
    """Return code with what it printed and the attempts that failed before it, or thoughts."""
    part = step.part
    if isinstance(part, views.Reasoning):
        return _folded(labels.reasoning(part), to_html.safe_html(part.text), unfolded)
    if isinstance(part, views.Logs):
        return logs_html(part)
    if isinstance(part, views.Text):
        return to_html.safe_html(part.text)
    assert isinstance(part, views.Code)
    inside = "\n".join(map(fold_html, attempts(step.before)))
    content = to_html.code_html(part.code) + logs_html(step.logs) + inside
    return _folded(labels.code_summary(part), content, unfolded)


def logs_html(part: views.Logs | None) -> str:
    """Return all that was printed, without colours; nothing where it was nothing."""
    text = plain_logs(part.text) if part else ""
    return to_html.printed_html(text) if text else ""


def sources_html(part: views.Sources) -> str:
    """Return what an answer cites, each source folded over its passage."""
    return "\n".join(
        _folded(labels.source(one), to_html.printed_html(one.text.strip() or labels.no_passage()))
        for one in part.passages
    )


def _folded(title: str, content: str, unfolded: bool = False) -> str:
    summary = f'<summary class="aoai-head">{to_html.text_html(title)}</summary>'
    return f"<details{' open' if unfolded else ''}>\n{summary}\n{content}\n</details>"
